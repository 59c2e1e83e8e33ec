"""The five client dialects: where each is asked, how its request names the model and asks for a stream, what comes back."""

import dataclasses
import urllib.parse

from . import judge


@dataclasses.dataclass(frozen=True)
class Dialect:
    """`whole` and `stream` are its endpoints by the corpus' names."""

    name: str
    whole: str
    stream: str
    # The header that its own SDK puts the key into.
    key_header: str
    # Whether the model and the wish for a stream stand in the path instead of the body.
    is_in_path: bool = False
    path: str = ""

    def endpoint(self, is_stream):
        return self.stream if is_stream else self.whole

    def ask(self, request, model, is_stream, number=0):
        """Path, headers and JSON of a request for this model. Every third Gemini stream is asked for as an array."""
        key = f"Bearer {judge.CLIENT_KEY}" if self.key_header == "authorization" else judge.CLIENT_KEY
        headers = [("content-type", "application/json"), (self.key_header, key)]
        body = {name: value for name, value in request.items() if name not in ("model", "stream")}
        if self.is_in_path:
            return self._path(model, is_stream, number), headers, body
        body = {"model": model, **body, **({"stream": True} if is_stream else {})}
        if not is_stream:
            body.pop("stream_options", None)
        if self.name == "anthropic":
            headers.append(("anthropic-version", "2023-06-01"))
        return self.path, headers, body

    def _path(self, model, is_stream, number):
        if self.name == "converse":
            # As botocore spells it: everything but the unreserved is encoded.
            return f"/model/{urllib.parse.quote(model, safe='')}/converse{'-stream' if is_stream else ''}"
        method = "generateContent" if not is_stream else "streamGenerateContent" + ("" if number % 3 == 0 else "?alt=sse")
        return f"/v1beta/models/{model}:{method}"

    def kind(self, is_stream, body=b""):
        """The form of an answer, in the corpus' words."""
        if not is_stream or body.lstrip()[:1] == b"[":
            return "json"
        return "eventstream" if self.name == "converse" else "sse"


DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect("openai_chat", "chat", "chat", "authorization", path="/v1/chat/completions"),
        Dialect("openai_responses", "responses", "responses", "authorization", path="/v1/responses"),
        Dialect("anthropic", "messages", "messages", "x-api-key", path="/v1/messages"),
        Dialect("gemini", "gemini_generate", "gemini_stream", "x-goog-api-key", is_in_path=True),
        Dialect("converse", "converse", "converse_stream", "authorization", is_in_path=True),
    )
}
OF_ENDPOINT = {endpoint: dialect for dialect in DIALECTS.values() for endpoint in (dialect.whole, dialect.stream)}


def is_stream(case):
    """Whether the recorded answer was asked for as a stream."""
    return case["endpoint"] in ("gemini_stream", "converse_stream") or bool(case["stream"])
