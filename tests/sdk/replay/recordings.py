"""A recording, the request that asks for it, and what must become of both."""

import base64
import dataclasses
import functools
import json
import re

ENDPOINTS = {
    "chat": "/chat/completions",
    "responses": "/responses",
    "completions": "/completions",
    "embeddings": "/embeddings",
    "moderations": "/moderations",
    "images": "/images/generations",
    "audio_speech": "/audio/speech",
    "audio_transcriptions": "/audio/transcriptions",
    "rerank": "/rerank",
}
# Answers of other dialects and of endpoints that the gateway has no route for: by passthrough, as they are.
NATIVE = {"messages": "anthropic", "gemini_generate": "gemini", "gemini_stream": "gemini", "ollama_chat": "ollama"}

BOUNDARY = re.compile(rb"(?:\r\n|\n|\r)(?:\r\n|\n|\r)")


@dataclasses.dataclass(frozen=True)
class Recording:
    """One recorded exchange; `tools` are the corpus' own modules."""

    case: dict
    tools: object

    @property
    def id(self):
        return self.case["id"]

    @property
    def operation(self):
        """The gateway's path, below /v1."""
        found = re.search(r"/(images|audio)/[a-z]+$", self.case["path"] or "")
        return found[0] if found else ENDPOINTS[self.case["endpoint"]]

    @property
    def is_form(self):
        return self.case["request_kind"] == "multipart_b64"

    @property
    def is_stream(self):
        return self.case["response_kind"] == "sse"

    @property
    def status(self):
        return self.case["status"]

    @functools.cached_property
    def raw(self):
        return self.tools.replay_upstream.shape_body(self.case, "")[0]

    def played(self, options):
        """The bytes that the upstream sends."""
        return self.tools.replay_upstream.restyle_sse(self.raw, options) if self.is_stream else self.raw

    def request(self, model):
        """The recorded request, or the least one where none was kept, for another model. Its spelling varies by case."""
        body = self.case["request_body"]
        if not isinstance(body, dict):
            text = "input" if self.case["endpoint"] == "responses" else "messages"
            body = {text: "Grüße" if text == "input" else [{"role": "user", "content": "Grüße 🙂"}], "temperature": 1.0}
            if self.case["stream"]:
                body["stream"] = True
        style = sum(self.id.encode()) % 4
        return json.dumps(
            {**body, "model": model},
            ensure_ascii=style % 2 == 0,
            indent=2 if style == 3 else None,
            separators=(",", ":") if style < 2 else None,
        ).encode()

    def form(self, model):
        """Content type and body of the recorded form; its `model` replaced unless `model` is None."""
        body = base64.b64decode(self.case["request_body"])
        content_type = self.case["request_headers"]["content-type"]
        if b"\r\n" not in body:
            # Some recorders left the form out.
            boundary = content_type.split("boundary=")[1].encode()
            part = b'content-disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
            parts = [part % (b"file", b'; filename="a.wav"', b"RIFF"), part % (b"model", b"", b"whisper-1")]
            body = b"".join(b"--" + boundary + b"\r\n" + part for part in parts) + b"--" + boundary + b"--\r\n"
        field = re.compile(rb'(name="?model"?[^\r]*(?:\r\n[^\r]+)*\r\n\r\n)([^\r]*)')
        if model is None:
            return content_type, body, field.search(body)[2].decode()
        return content_type, field.sub(lambda found: found[1] + model.encode(), body, count=1), model


def asks_for_counts(request):
    """Whether a client's request asks for the counting chunk itself."""
    options = request.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def without_counts(stream):
    """The stream less the events that hold token counts and no choices."""
    kept, start = [], 0
    while start < len(stream):
        found = BOUNDARY.search(stream, start)
        end = found.end() if found else len(stream)
        event = stream[start:end]
        if not is_count(event):
            kept.append(event)
        start = end
    return b"".join(kept)


def is_count(event):
    data = b"\n".join(line[5:].strip() for line in re.split(rb"\r?\n", event) if line.startswith(b"data:"))
    try:
        chunk = json.loads(data)
    except ValueError:
        return False
    return isinstance(chunk, dict) and chunk.get("choices") == [] and isinstance(chunk.get("usage"), dict)
