"""The provider's errors behind every client dialect (D1-D3): the same status, the client's envelope, the provider's words
in it, and its SDK raises the class that fits.
"""

import json

from . import official
from .dialects import DIALECTS
from .runs import Verdict


async def every_error(bench):
    from . import pairs

    failed = [
        pairs.Pair(recording, client, number)
        for number, recording in enumerate(bench.chats)
        for client in DIALECTS.values()
        if recording.status >= 400 and pairs.is_wanted(recording, client)
    ]
    plain = [pairs.asking.PLAIN[pair.client.name] for pair in failed]
    answers = await pairs.ask(bench, failed, plain, "")
    raised = await official.in_threads(lambda pair: official.outcome(bench, pair), failed)
    for pair, got, outcome in zip(failed, answers, raised):
        misses = [*judged(pair, got, outcome)]
        cause = "; ".join(f"{kind}: {what}" for kind, what in misses) or None
        yield Verdict("errors", pair.row, pair.column, pair.recording.id, cause, misses[0][0] if misses else "")


def judged(pair, got, outcome):
    if isinstance(got, BaseException):
        yield "D1 status", f"no answer: {type(got).__name__}"
        return
    status = pair.recording.status
    if got.status != status:
        yield "D1 status", f"{status} / {got.status}: {got.body[:120]!r}"
        return
    if pair.client is not pair.provider:
        wrong = envelope_of(pair.client, got)
        if wrong:
            yield "D2 envelope", wrong
            return
        words = message_of(pair.recording.raw)
        if words and words not in message_of(got.body):
            yield "D2 message", f"{words[:90]!r} / {message_of(got.body)[:90]!r}"
    recorded = pair.case["response_headers"].get("retry-after")
    if recorded and got.header("retry-after") != recorded:
        yield "D3 retry-after", f"{recorded} / {got.header('retry-after')}"
    if outcome.status != status or (pair.client is not pair.provider and not official.fits(outcome, pair.client, status)):
        yield "D2 class", f"{status} raises {outcome}"


def envelope_of(client, got):
    """What is wrong with the body of an error."""
    try:
        body = json.loads(got.body)
    except ValueError:
        return f"not JSON: {got.body[:80]!r}"
    if not (got.header("content-type") or "").startswith("application/json"):
        return f"content-type {got.header('content-type')}"
    error = body.get("error") if isinstance(body, dict) else None
    if client.name == "converse":
        if not isinstance(body.get("message"), str) or not got.header("x-amzn-errortype"):
            return f"`message` or x-amzn-errortype is missing: {got.body[:80]!r}"
        return None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return f"no error.message: {got.body[:80]!r}"
    wanted = {
        "openai_chat": ("type", "param", "code"),
        "openai_responses": ("type", "param", "code"),
        "anthropic": ("type",),
        "gemini": ("code", "status"),
    }[client.name]
    missing = [member for member in wanted if member not in error]
    if client.name == "anthropic" and body.get("type") != "error":
        missing.append("type")
    if client.name == "gemini" and error.get("code") != got.status:
        return f"error.code {error.get('code')} for status {got.status}"
    return f"without {missing}: {got.body[:80]!r}" if missing else None


def message_of(raw):
    """The words for people in an error's body, whatever its shape."""
    try:
        body = json.loads(raw)
    except ValueError:
        return ""
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, str):
        return error
    return error.get("message") or "" if isinstance(error, dict) else ""
