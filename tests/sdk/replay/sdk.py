"""What the vendor's SDK reads of an answer that went through the gateway, next to what it reads of the recording (A1-A5)."""

import asyncio
import json
import warnings

import openai

from .runs import Verdict, sample_of
from . import instances, judge

# Real answers seldom fit the SDK's own types to the letter.
warnings.filterwarnings("ignore", module="pydantic")
WANTED = ("text", "reasoning", "tool_calls", "finish", "usage")


async def same_view(bench):
    sample = [
        recording
        for operation in ("/chat/completions", "/responses")
        for is_stream in (False, True)
        for recording in sample_of(
            [
                r
                for r in bench.cases
                if r.operation == operation and r.is_stream == is_stream and r.status == 200 and readable(bench, r)
            ],
            60,
        )
    ]
    limit = asyncio.Semaphore(16)
    async with openai.AsyncOpenAI(base_url=bench.gateway.url, api_key=judge.CLIENT_KEY, max_retries=0) as client:

        async def one(recording):
            async with limit:
                try:
                    return await difference(bench, client, recording)
                except Exception as error:  # noqa: BLE001: whatever the SDK makes of it is the finding
                    return f"{type(error).__name__}: {str(error)[:120]}"

        causes = await asyncio.gather(*(one(recording) for recording in sample))
    for recording, cause in zip(sample, causes):
        row = instances.kind_of(recording.case["provider"])
        yield Verdict("the SDK's reading", row, recording.operation, recording.id, cause)


def readable(bench, recording):
    # An SDK reads an event once an empty line ends it; some recorders cut the last one off.
    if recording.is_stream and not recording.raw.endswith((b"\n\n", b"\n\r\n")):
        return False
    try:
        return view(bench, recording) is not None
    except Exception:  # noqa: BLE001: some recordings cannot be read by the vendor's own SDK either
        return False


def view(bench, recording):
    return bench.tools.views.view(recording.case["endpoint"], recording.case["response_kind"], recording.raw)


async def difference(bench, client, recording):
    expected = view(bench, recording)
    endpoint = recording.case["endpoint"]
    model = f"{instances.name(instances.kind_of(recording.case['provider']), 'plain')}/replay.{recording.id}"
    if endpoint == "chat":
        request = {"messages": [{"role": "user", "content": "x"}]}
        if recording.is_stream:
            request["stream_options"] = {"include_usage": True}
        create = client.chat.completions.create
    else:
        request, create = {"input": "x"}, client.responses.create
    try:
        answer = await create(model=model, stream=recording.is_stream, **request)
        if recording.is_stream:
            events = [event.to_json(indent=None) async for event in answer]
            stream = b"".join(b"data: " + event.encode() + b"\n\n" for event in events)
            got = bench.tools.views.view(endpoint, "sse", stream)
        else:
            got = bench.tools.views.view(endpoint, "json", answer.to_json().encode())
    except openai.APIError as error:
        # An error inside a stream must surface as the SDK's exception.
        return None if expected.get("error") else f"{type(error).__name__}: {error.message[:120]}"
    differing = {name: (expected.get(name), got.get(name)) for name in WANTED if expected.get(name) != got.get(name)}
    return f"differs in {json.dumps(differing, ensure_ascii=False)[:200]}" if differing else None
