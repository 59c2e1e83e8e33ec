"""Answers that a provider of another dialect never ends, and errors within what looks like a success: each client must
see them (D4).
"""

import dataclasses
import itertools
import json

from . import asking, behind, pairs, refused
from .dialects import DIALECTS
from .dialects import is_stream as stream_asked
from .recordings import Recording
from .runs import BROKEN, Verdict, sample_of

# After so many bytes they stop: in the midst of what is said.
AFTER = 900
# So slowly that a status is long there before the body tells that it is a lie.
LATE = {"max_write": 60, "delay_ms": 3}
# The kind of instance that speaks a dialect and no other.
KINDS = {
    "openai_chat": behind.CHAT_ONLY,
    "openai_responses": "openai",
    "anthropic": "anthropic",
    "gemini": "gemini_native",
    "converse": "bedrock",
}


def config(upstream):
    """(name, kind, URL, settings) of the instances."""
    ways = {way: {**options, "stall_after" if way == "stall" else "cut_after": AFTER} for way, options in BROKEN.items()}
    for kind_name, (way, options) in itertools.product(KINDS.values(), [*ways.items(), ("late", LATE)]):
        settings = {"headers": {"x-replay-options": json.dumps(options)}}
        settings |= {"timeouts": {"read": "1s"}} if way == "stall" else {}
        kind, name = behind.kind(kind_name), f"broken_{way}_{kind_name}"
        yield name, kind, f"{upstream}/p/{name}{behind.SUFFIXES.get(kind_name, kind.suffix)}", settings


@dataclasses.dataclass(frozen=True)
class BrokenPair(pairs.Pair):
    way: str

    @property
    def instance(self):
        return f"broken_{self.way}_{KINDS[self.provider.name]}"

    @property
    def request_id(self):
        return f"{self.way}-{super().request_id}"


async def broken_pairs(bench):
    long = [r for r in bench.chats if r.status == 200 and len(bench.tools.corpus.raw(r.case)) > 3 * AFTER]
    plan = []
    for provider, is_stream in itertools.product(DIALECTS.values(), (True, False)):
        wanted = provider.endpoint(is_stream), is_stream
        fitting = [r for r in long if (r.case["endpoint"], stream_asked(r.case)) == wanted]
        for recording, client, way in itertools.product(sample_of(fitting, 2), DIALECTS.values(), BROKEN):
            if pairs.is_wanted(recording, client):
                # A stream as an array has no words for what is missing.
                plan.append(BrokenPair(recording, client, 1, way))
    plain = [asking.PLAIN[pair.client.name] for pair in plan]
    for pair, got in zip(plan, await pairs.ask(bench, plan, plain, "")):
        column, cause = f"{pair.column}, {pair.way}", judged(bench, pair, got)
        yield Verdict("broken pairs", pair.row, column, pair.recording.id, cause, "D4 broken")


async def errors_within(bench):
    """Recorded errors under status 200, whole and in streams."""
    tools = bench.tools
    failed = [r for r in bench.chats if r.status == 200 and pairs.native_reading(bench, r).error]
    # Those that the SDKs cannot read are set apart; some of them are of this kind.
    failed += [Recording(case, tools) for case in tools.unreadable if "error" in (case["response_body"] or {})]
    plan = [
        BrokenPair(recording, client, 1, "late")
        for recording, client in itertools.product(failed, DIALECTS.values())
        if pairs.is_wanted(recording, client) and client.name != recording_dialect(recording)
    ]
    plain = [asking.PLAIN[pair.client.name] for pair in plan]
    for pair, got in zip(plan, await pairs.ask(bench, plan, plain, "")):
        cause = seen_within(bench, pair, got)
        yield Verdict("errors within", pair.row, pair.column, pair.recording.id, cause, "D4 error inside")


def recording_dialect(recording):
    return pairs.OF_ENDPOINT[recording.case["endpoint"]].name


def seen_within(bench, pair, got):
    if isinstance(got, BaseException):
        return f"no answer: {type(got).__name__}"
    if pair.is_stream and got.status == 200:
        is_seen = got.is_complete and ends_in_error(bench.tools.views, pair.client, got.body)
        return None if is_seen else f"no error ends it: {got.body[-120:]!r}"
    if got.status < 400 or not got.is_complete:
        return f"status {got.status}, {'whole' if got.is_complete else 'broken off'}: {got.body[:90]!r}"
    said = refused.message_of(pair.recording.raw)
    return refused.envelope_of(pair.client, got) or (
        None if said in refused.message_of(got.body) else f"{said[:80]!r} / {got.body[:90]!r}"
    )


def judged(bench, pair, got):
    if isinstance(got, BaseException):
        return None if isinstance(got, ConnectionError) else f"no answer: {type(got).__name__}"
    if got.status >= 500:
        return None if b"message" in got.body else f"an error without a body: {got.body[:80]!r}"
    if not pair.is_stream:
        return "a broken answer looks whole" if got.is_complete else None
    if not got.is_complete:
        return None if pair.client is pair.provider else "it ends without a word"
    return None if ends_in_error(bench.tools.views, pair.client, got.body) else f"no error ends it: {got.body[-120:]!r}"


def ends_in_error(views, client, body):
    if client.name == "converse":
        frames = list(views.es(body))
        return bool(frames) and frames[-1][0].get(":message-type") == "exception"
    try:
        last = json.loads([data for _, data in views.sse(body)][-1])
    except (ValueError, IndexError):
        return False
    return "error" in last or last.get("type") == "error" or (last.get("response") or {}).get("status") == "failed"
