"""The vendors' own SDKs as clients of the gateway, for a part of what the bare sockets do: what they hand their user, and
what they raise.
"""

import asyncio
import collections
import concurrent.futures
import dataclasses
import functools
import json
import threading

from . import compare, judge, readings
from .runs import Verdict, sample_of

HELLO = "hello"
MESSAGES = [{"role": "user", "content": HELLO}]
WORKERS = 8
LOCAL = threading.local()


@dataclasses.dataclass
class Outcome:
    """What a call came to: JSON objects as the SDK handed them out, or the class of the error that it raised."""

    objects: list | None = None
    raised: type | None = None
    status: int | None = None
    words: str = ""

    def __str__(self):
        return f"{self.raised.__name__ if self.raised else 'nothing'} {self.status} {self.words[:90]}"


async def in_threads(job, items):
    loop = asyncio.get_running_loop()
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        return await asyncio.gather(*(loop.run_in_executor(pool, job, item) for item in items))


async def every_sdk(bench):
    """A sample of all pairs, spread over the providers, through the SDKs themselves."""
    from . import pairs
    from .dialects import DIALECTS

    groups = collections.defaultdict(list)
    numbers = {recording.id: number for number, recording in enumerate(bench.chats)}
    for recording in bench.chats:
        if recording.status == 200:
            for client in DIALECTS.values():
                pair = pairs.Pair(recording, client, numbers[recording.id])
                if pairs.is_wanted(recording, client) and client is not pair.provider:
                    groups[pair.row, pair.column].append(recording)
    chosen = [
        pairs.Pair(recording, DIALECTS[row.split(" ")[0]], numbers[recording.id])
        for (row, _), recordings in groups.items()
        for recording in sample_of(recordings, bench.sdk_sample)
    ]
    outcomes = await in_threads(lambda pair: outcome(bench, pair), chosen)
    for pair, got in zip(chosen, outcomes):
        misses = [*judged(bench, pair, got)]
        cause = "; ".join(f"{kind}: {what}" for kind, what in misses) or None
        yield Verdict("official SDKs", pair.row, pair.column, pair.recording.id, cause, misses[0][0] if misses else "")


def judged(bench, pair, got):
    from . import pairs

    native = pairs.native_reading(bench, pair.recording)
    if got.raised:
        # An error within a success must surface as the SDK's exception.
        if not native.error and not native.is_truncated:
            yield "A0 raised", str(got)
        return
    if pair.client.name == "openai_chat" and pair.is_stream:
        native = dataclasses.replace(native, usage={})
    views = bench.tools.views
    kind, raw = spelled(pair, got.objects)
    reading = readings.read(views, pair.client.endpoint(pair.is_stream), kind, raw)
    yield from compare.misses(native, reading, pair.client, pair.client.name != "gemini")


def spelled(pair, objects):
    """What the SDK handed out, on the wire once more."""
    if pair.client.name == "converse" and pair.is_stream:
        import eventstream

        frames = ((name, value) for event in objects for name, value in event.items())
        return "eventstream", b"".join(eventstream.encode(name, json.dumps(value).encode()) for name, value in frames)
    if not pair.is_stream or pair.client.name == "anthropic":
        return "json", json.dumps(objects[0]).encode()
    if pair.client.name == "gemini":
        return "json", json.dumps(objects).encode()
    done = b"data: [DONE]\n\n" if pair.client.name == "openai_chat" else b""
    return "sse", b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in objects) + done


def outcome(bench, pair):
    """Asks by the SDK of the client's dialect."""
    try:
        return Outcome(objects=ASK[pair.client.name](clients(bench.gateway.root), pair.model, pair.is_stream), status=200)
    except Exception as error:  # noqa: BLE001: whatever it raises is the finding
        return Outcome(raised=type(error), status=status_of(error), words=str(error))


def status_of(error):
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    # google-genai calls it `code`, where the others have OpenAI's word of that name.
    return getattr(error, "status_code", None) or getattr(error, "code", None)


@dataclasses.dataclass
class Clients:
    openai: object
    anthropic: object
    genai: object
    bedrock: object


def clients(root):
    """One set for each thread."""
    if getattr(LOCAL, "root", None) != root:
        LOCAL.root, LOCAL.clients = root, make_clients(root, judge.CLIENT_KEY)
    return LOCAL.clients


def make_clients(root, key):
    import anthropic
    import boto3
    import botocore.config
    import openai
    from google import genai

    config = botocore.config.Config(retries={"total_max_attempts": 1})
    # It sends a bearer by TLS only. So it signs, by a key that is nobody's, and a header of its own tells ours.
    nobody = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing", "region_name": "us-east-1"}
    bedrock = boto3.session.Session(**nobody).client("bedrock-runtime", endpoint_url=root, config=config)
    bedrock.meta.events.register("before-call", lambda params, **_: params["headers"].update({"x-api-key": key}))
    return Clients(
        openai=openai.OpenAI(base_url=root + "/v1", api_key=key, max_retries=0),
        anthropic=anthropic.Anthropic(base_url=root, api_key=key, max_retries=0),
        genai=genai.Client(api_key=key, http_options=genai.types.HttpOptions(base_url=root)),
        bedrock=bedrock,
    )


def plain(value):
    return json.loads(value.to_json())


def ask_chat(sdk, model, is_stream):
    answer = sdk.openai.chat.completions.create(model=model, messages=MESSAGES, stream=is_stream)
    return [plain(chunk) for chunk in answer] if is_stream else [plain(answer)]


def ask_responses(sdk, model, is_stream):
    answer = sdk.openai.responses.create(model=model, input=HELLO, stream=is_stream)
    return [plain(event) for event in answer] if is_stream else [plain(answer)]


def ask_messages(sdk, model, is_stream):
    request = {"model": model, "max_tokens": 99, "messages": MESSAGES}
    if not is_stream:
        return [plain(sdk.anthropic.messages.create(**request))]
    with sdk.anthropic.messages.stream(**request) as stream:
        return [plain(stream.get_final_message())]


def ask_gemini(sdk, model, is_stream):
    models = sdk.genai.models
    request = {"model": model, "contents": HELLO}
    answers = models.generate_content_stream(**request) if is_stream else [models.generate_content(**request)]
    ours = {"sdk_http_response", "parsed", "automatic_function_calling_history"}
    return [json.loads(answer.model_dump_json(by_alias=True, exclude_none=True, exclude=ours)) for answer in answers]


def ask_converse(sdk, model, is_stream):
    request = {"modelId": model, "messages": [{"role": "user", "content": [{"text": HELLO}]}]}
    if is_stream:
        return [jsonable(event) for event in sdk.bedrock.converse_stream(**request)["stream"]]
    answer = sdk.bedrock.converse(**request)
    answer.pop("ResponseMetadata")
    return [jsonable(answer)]


def jsonable(value):
    return json.loads(json.dumps(value, default=lambda other: ""))


ASK = {
    "openai_chat": ask_chat,
    "openai_responses": ask_responses,
    "anthropic": ask_messages,
    "gemini": ask_gemini,
    "converse": ask_converse,
}


@functools.cache
def classes(client):
    """The class that each SDK has for a status."""
    import anthropic
    import openai

    module = {"openai_chat": openai, "openai_responses": openai, "anthropic": anthropic}[client]
    return {
        400: module.BadRequestError,
        401: module.AuthenticationError,
        403: module.PermissionDeniedError,
        404: module.NotFoundError,
        409: module.ConflictError,
        422: module.UnprocessableEntityError,
        429: module.RateLimitError,
    }


# Of Bedrock's own, by status; a status that it has none for is a validation error or one of the server.
EXCEPTIONS = {
    400: {"ValidationException"},
    401: {"AccessDeniedException", "UnrecognizedClientException"},
    403: {"AccessDeniedException"},
    404: {"ResourceNotFoundException"},
    408: {"ModelTimeoutException"},
    424: {"ModelErrorException"},
    429: {"ThrottlingException", "ServiceQuotaExceededException"},
    500: {"InternalServerException"},
    503: {"ServiceUnavailableException"},
}


def fits(got, client, status):
    if got.raised is None:
        return False
    if client.name == "gemini":
        return got.raised.__name__ == ("ClientError" if status < 500 else "ServerError")
    if client.name == "converse":
        expected = EXCEPTIONS.get(status, {"ValidationException"} if status < 500 else {"InternalServerException"})
        return got.raised.__name__ in expected or any(f"({name})" in got.words for name in expected)
    import anthropic
    import openai

    server = openai.InternalServerError if client.name != "anthropic" else anthropic.InternalServerError
    return issubclass(got.raised, classes(client.name).get(status, server if status >= 500 else Exception))
