"""Whether an answer that was written for a client is what its SDK's types say (A6): strictly, as the SDKs never do."""

import json
import re

from . import readings

LEGAL_FINISH = {
    "openai_chat": {"stop", "length", "tool_calls", "content_filter"},
    "openai_responses": {"completed", "failed", "incomplete:max_output_tokens", "incomplete:content_filter"},
    "anthropic": {"end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal"},
    "converse": {"end_turn", "tool_use", "max_tokens", "stop_sequence", "guardrail_intervened", "content_filtered"},
}


def objections(views, dialect, is_stream, raw, reading):
    """What is wrong, in a few words; empty if nothing is. `reading.objections` holds what the models said already."""
    found = list(reading.objections)
    kind = dialect.kind(is_stream, raw)
    answers = readings.objects(views, dialect.endpoint(is_stream), kind, raw)
    legal = LEGAL_FINISH.get(dialect.name)
    if legal and reading.finish not in legal and not reading.error:
        found.append(f"finish {reading.finish!r} is not one of the dialect's")
    found += CHECKS[dialect.name](views, is_stream, answers)
    return found


def chat(_, is_stream, answers):
    wanted = "chat.completion.chunk" if is_stream else "chat.completion"
    for answer in answers:
        if "error" not in answer:
            yield from sane(answer, {"object": wanted, "id": str, "created": int, "model": str})


def responses(views, is_stream, answers):
    whole = [answer["response"] for answer in answers if "response" in answer] if is_stream else answers
    for answer in whole:
        yield from sane(answer, {"object": "response", "id": re.compile("resp_"), "created_at": (int, float), "model": str})
    for event in answers if is_stream else ():
        yield from typed(views.RSE, event)


def messages(views, is_stream, answers):
    whole = [answer["message"] for answer in answers if answer["type"] == "message_start"] if is_stream else answers
    for answer in whole:
        yield from sane(answer, {"type": "message", "role": "assistant", "id": str, "model": str})
    if is_stream:
        from pydantic import TypeAdapter

        adapter = EVENTS.setdefault("messages", TypeAdapter(views.RawMessageStreamEvent))
        for event in answers:
            if event["type"] not in ("ping", "error"):
                yield from typed(adapter, event)


def gemini(_, is_stream, answers):
    for answer in answers:
        if "error" not in answer:
            yield from sane(answer, {"responseId": str, "modelVersion": str})


def converse(views, is_stream, answers):
    """botocore's validator, which is made for requests, holds answers against their shape just as well."""
    import validate_request
    from botocore.validate import ParamValidator

    operation = views.brt().operation_model("ConverseStream" if is_stream else "Converse")
    shape = operation.output_shape
    for answer in answers:
        for name, value in answer.items() if is_stream else [(None, answer)]:
            expected = shape.members["stream"].members.get(name) if is_stream else shape
            if expected is None:
                if name is not None:
                    yield f"no such event: {name}"
                continue
            report = ParamValidator().validate(validate_request.blobs(value, expected), expected)
            if report.has_errors():
                yield report.generate_report().replace("\n", "; ")[:200]


CHECKS = {
    "openai_chat": chat,
    "openai_responses": responses,
    "anthropic": messages,
    "gemini": gemini,
    "converse": converse,
}
EVENTS = {}


def sane(answer, wanted):
    for name, expected in wanted.items():
        value = answer.get(name)
        if isinstance(expected, str):
            is_right = value == expected
        elif isinstance(expected, re.Pattern):
            is_right = isinstance(value, str) and expected.match(value)
        else:
            is_right = isinstance(value, expected) and value
        if not is_right:
            yield f"`{name}` is {json.dumps(value)[:40]}"


def typed(adapter, event):
    try:
        adapter.validate_python(event)
    except ValueError as error:
        first = error.errors()[0] if hasattr(error, "errors") else {"loc": (), "type": str(error)}
        yield f"{event.get('type')}: {'.'.join(str(step) for step in first['loc'])[-80:]}: {first['type']}"
