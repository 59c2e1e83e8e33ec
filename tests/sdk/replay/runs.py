"""The runs: which recording is asked for how, and who judges. Each yields verdicts."""

import asyncio
import collections
import dataclasses
import itertools
import json

from . import instances, judge, recordings, wire
from .recordings import Recording

CONNECTIONS = 48
JSON = [("content-type", "application/json")]


@dataclasses.dataclass
class Verdict:
    run: str
    row: str
    column: str
    case: str
    # What is wrong; `None` if nothing is.
    cause: str | None
    # By what such misses are gathered in the report.
    kind: str = ""


@dataclasses.dataclass
class Bench:
    """What all runs share."""

    gateway: object
    retrying: object
    upstream: object
    port: int
    cases: list
    # Recordings of chats in any dialect, for the runs that translate.
    chats: list
    tools: object
    # How many of each pair of dialects the vendors' own SDKs ask for.
    sdk_sample: int = 4

    async def ask_all(self, asks, gateway=None, without=frozenset()):
        """The answers to (id, path, headers, body)."""
        host, port = (gateway or self.gateway).root.removeprefix("http://").split(":")
        usual = [(name, value) for name, value in judge.CLIENT_HEADERS if name not in without]

        def job(name, path, headers, body):
            return lambda connection: connection.ask(path, [*usual, ("x-request-id", name), *headers], body)

        jobs = [job(*ask) for ask in asks]
        answers = await wire.in_parallel(CONNECTIONS, host, int(port), jobs)
        await self.upstream.settle(name for name, _, _, _ in asks)
        return answers

    def content_type(self, recording):
        return self.tools.replay_upstream.shape_body(recording.case, "")[1]


async def every_recording(bench):
    """Whole and streamed, under its own provider in several variants, and under others (A8, B1, B2, B5, B6, C, D1-D3)."""
    plan = [
        (recording, kind, variant)
        for number, recording in enumerate(bench.cases)
        if not recording.is_form
        for kind, variant in manners(recording, number)
    ]
    ids = [f"{number}-{recording.id}" for number, (recording, _, _) in enumerate(plan)]
    asks = []
    for request_id, (recording, kind, variant) in zip(ids, plan):
        body = recording.request(f"{instances.name(kind, variant)}/replay.{recording.id}")
        asks.append((request_id, "/v1" + recording.operation, JSON, body))
    answers = await bench.ask_all(asks)
    for request_id, (recording, kind, variant), got in zip(ids, plan, answers):
        cause = judge_one(bench, request_id, recording, kind, variant, got)
        yield Verdict("every recording", kind, recording.operation, f"{recording.id} ({variant})", cause)


def manners(recording, number):
    """Under which instances a recording is replayed."""
    own = instances.kind_of(recording.case["provider"])
    able = [kind for kind in instances.KINDS if kind in instances.OPERATIONS[recording.operation]]
    # A server that is configured by its base URL may serve what OpenAI's own row does not say.
    if own not in able:
        own = "openai"
    # Byte by byte, long answers would take the upstream more time than all others together.
    finest = "byte" if len(recording.raw) <= 5_000 else "nasty"
    if recording.is_stream:
        variants = {"plain", "nasty", "crlf", "comments", "shape", finest}
    else:
        variants = {"plain", ("length", finest, "shape")[number % 3]}
    yield from ((own, variant) for variant in sorted(variants))
    others = [kind for kind in able if kind != own]
    if others:
        for step in range(2):
            yield others[(number * 2 + step) % len(others)], ("plain", "nasty")[step]


def judge_one(bench, request_id, recording, kind_name, variant, got):
    """Both ends of one exchange."""
    kind = instances.KINDS[kind_name]
    instance = instances.name(kind_name, variant)
    body = recording.played(instances.VARIANTS[variant])
    sent = recording.request(f"{instance}/replay.{recording.id}")
    asked = json.loads(sent)
    counts = (
        kind.counts
        and asked.get("stream") is True
        and recording.operation in ("/chat/completions", "/completions")
        and not recordings.asks_for_counts(asked)
    )
    if counts and recording.is_stream and recording.status == 200:
        body = recordings.without_counts(body)
    cause = judge.answer(
        got, recording.status, recording.case["response_headers"], body, instance, bench.content_type(recording)
    )
    if cause:
        return cause
    upstream_model = f"replay.{recording.id}"
    forwarded = sent.replace(f'"{instance}/{upstream_model}"'.encode(), f'"{upstream_model}"'.encode())
    renames = kind.type == "zai" and "max_completion_tokens" in asked and "max_tokens" not in asked
    temperature = asked.get("temperature")
    clamps = kind.type == "minimax" and temperature is not None and not 0.01 <= temperature <= 1
    if counts or renames or clamps:
        judgement = judge.edited(forwarded, lambda body: edit(body, counts, renames, clamps))
    else:
        judgement = judge.same_bytes(forwarded)
    place = kind.place(recording.operation, upstream_model) if kind.place else kind.suffix + recording.operation
    key = instances.key(instance)
    return judge.request(bench.upstream.requests(request_id), place, kind.auth, key, bench.port, judgement)


def edit(body, counts, renames, clamps):
    """What the gateway declares to change besides the model."""
    if counts:
        options = body.get("stream_options")
        body["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    if renames:
        body["max_tokens"] = body.pop("max_completion_tokens")
    if clamps:
        body["temperature"] = min(max(body["temperature"], 0.01), 1)


async def forms(bench):
    """Uploads, whose model stands in a part of a form (A8, C)."""
    cases = [recording for recording in bench.cases if recording.is_form]
    asks = []
    for recording in cases:
        content_type, _, model = recording.form(None)
        body = recording.form(f"form_{recording.id}/{model}")[1]
        asks.append((f"form-{recording.id}", "/v1" + recording.operation, [("content-type", content_type)], body))
    for recording, got in zip(cases, await bench.ask_all(asks)):
        instance = f"form_{recording.id}"
        cause = judge.answer(
            got,
            recording.status,
            recording.case["response_headers"],
            recording.raw,
            instance,
            bench.content_type(recording),
        ) or judge.request(
            bench.upstream.requests(f"form-{recording.id}"),
            "/v1" + recording.operation,
            "authorization",
            instances.key(instance),
            bench.port,
            judge.same_bytes(recording.form(None)[1]),
        )
        yield Verdict("forms", instances.kind_of(recording.case["provider"]), recording.operation, recording.id, cause)


# A provider's own API gets all headers that no rule keeps back; the canary is in one that only the gateway would know.
OPEN_TO_PASSTHROUGH = {"x-internal-token"}


async def passthrough(bench):
    """Other dialects' endpoints, reached as they are."""
    cases = [Recording(case, bench.tools) for case in bench.tools.native]
    plans = []
    for recording in cases:
        case, endpoint = recording.case, recording.case["endpoint"]
        body = dict(case["request_body"]) if isinstance(case["request_body"], dict) else {"messages": []}
        model = f"replay.{recording.id}"
        if endpoint == "messages":
            path, body = "v1/messages", {**body, "model": model, "stream": bool(case["stream"])}
        elif endpoint == "ollama_chat":
            path, body = "api/chat", {**body, "model": model, "stream": bool(case["stream"])}
        else:
            # These name the model in the path.
            body.pop("model", None)
            method = "streamGenerateContent?alt=sse" if endpoint == "gemini_stream" else "generateContent"
            path = f"v1beta/models/{model}:{method}"
        plans.append((recording, f"/p/native_{recordings.NATIVE[endpoint]}/{path}", json.dumps(body).encode()))
    asks = [(f"native-{recording.id}", path, JSON, body) for recording, path, body in plans]
    for (recording, path, sent), got in zip(plans, await bench.ask_all(asks, without=OPEN_TO_PASSTHROUGH)):
        endpoint = recording.case["endpoint"]
        instance = f"native_{recordings.NATIVE[endpoint]}"
        body, content_type = bench.tools.replay_upstream.shape_body(recording.case, "alt=sse" if "alt=sse" in path else "")
        cause = judge.answer(
            got, recording.status, recording.case["response_headers"], body, instance, content_type
        ) or judge.request(
            bench.upstream.requests(f"native-{recording.id}"),
            path.removeprefix(f"/p/{instance}"),
            {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}.get(recordings.NATIVE[endpoint], "authorization"),
            instances.key(instance),
            bench.port,
            judge.same_bytes(sent),
        )
        yield Verdict("passthrough", recordings.NATIVE[endpoint], endpoint, recording.id, cause)


BROKEN = {
    "fin": {"cut": "fin"},
    "rst": {"cut": "rst"},
    "stall": {"stall_ms": 30_000},
}


async def broken_answers(bench):
    """Answers that the provider never ends: each must be seen to be broken (D4)."""
    streams = [r for r in bench.cases if r.is_stream and r.status == 200 and len(r.raw) > 2000]
    whole = [r for r in bench.cases if not r.is_stream and not r.is_form and r.status == 200 and len(r.raw) > 400]
    sample = [*sample_of(streams, 24), *sample_of(whole, 12)]
    plan = list(itertools.product(sample, BROKEN))
    asks = [
        (f"broken-{way}-{r.id}", "/v1" + r.operation, JSON, r.request(f"broken_{way}/replay.{r.id}")) for r, way in plan
    ]
    for (recording, way), got in zip(plan, await bench.ask_all(asks)):
        yield Verdict("broken answers", way, recording.operation, recording.id, judge_broken(recording, got))


# After so many bytes the answers of the broken instances stop.
BROKEN_AFTER = 300


def judge_broken(recording, got):
    if isinstance(got, BaseException):
        return None if isinstance(got, ConnectionError) else f"no answer: {type(got).__name__}"
    if got.status >= 500:
        return None if b'"error"' in got.body else "an error without a body"
    if not recording.is_stream:
        return "a broken answer looks whole" if got.is_complete else None
    if not got.is_complete and len(got.body) < BROKEN_AFTER:
        return None
    last = got.body.strip().split(b"\n")[-1]
    if not got.is_complete or not last.startswith(b"data: ") or "error" not in json.loads(last[6:]):
        return f"no last event tells of it: {got.body[-120:]!r}"
    before = got.body[: got.body.rindex(last)].removesuffix(b"event: error\n")
    kept = before.removesuffix(b"\n\n")
    return None if recording.raw.startswith(kept) else "what came before the break differs"


async def retries(bench):
    """A provider that fails first: another try where tries are on, passed on where they are off (D5)."""
    sample = sample_of([r for r in bench.cases if r.status == 200 and not r.is_form], 40)
    for gateway, word in ((bench.gateway, "off"), (bench.retrying, "on")):
        plan = [(r, f"retry-{word}-{r.id}", f"fails_first_{word}/replay.{r.id}") for r in sample]
        asks = [(name, "/v1" + r.operation, JSON, r.request(model)) for r, name, model in plan]
        for (recording, name, _), got in zip(plan, await bench.ask_all(asks, gateway)):
            cause = judge_retry(bench, recording, name, word == "on", got)
            yield Verdict("retries", word, recording.operation, recording.id, cause)
    final = [r for r in bench.cases if 400 <= r.status < 500 and r.status not in (408, 409, 429) and not r.is_form]
    asks = [
        (f"final-{r.id}", "/v1" + r.operation, JSON, r.request(f"openai_plain/replay.{r.id}"))
        for r in final
        if r.operation in instances.OPERATIONS
    ]
    for recording, got in zip(final, await bench.ask_all(asks, bench.retrying)):
        tries = len(bench.upstream.requests(f"final-{recording.id}"))
        cause = None if tries == 1 and got.status == recording.status else f"{tries} tries for status {recording.status}"
        yield Verdict("retries", "client's fault", recording.operation, recording.id, cause)


def judge_retry(bench, recording, name, is_on, got):
    if isinstance(got, BaseException):
        return f"no answer: {type(got).__name__}"
    sent = bench.upstream.requests(name)
    outcomes = [entry["outcome"] for entry in sent]
    if not is_on:
        passed_on = got.status == 429 and got.header("retry-after") == "0" and got.body == b'{"error": {"message": "slow"}}'
        return None if passed_on and outcomes == ["before[0]"] else f"status {got.status} after {outcomes}"
    if got.status != 200 or got.header("x-narthex-attempts") != "2" or [o[:6] for o in outcomes] != ["before", "played"]:
        return f"status {got.status} after {outcomes}"
    if sent[0]["body_b64"] != sent[1]["body_b64"]:
        return "the second try sent another body"
    whole = {recording.raw, recordings.without_counts(recording.raw)}
    return None if got.body in whole else "the answer of the second try differs"


async def hang_ups(bench):
    """A client that leaves in mid-answer ends the provider's work as well (D6)."""
    streams = [r for r in bench.cases if r.is_stream and r.status == 200 and r.raw.count(b"\n\n") > 30]
    host, port = bench.gateway.root.removeprefix("http://").split(":")

    async def leave(recording):
        connection = wire.Connection(host, int(port))
        headers = [*judge.CLIENT_HEADERS, ("x-request-id", f"left-{recording.id}"), *JSON]
        body = recording.request(f"slow/replay.{recording.id}")
        await connection.begin("/v1" + recording.operation, headers, body)
        await connection.reader.readuntil(b"data:")
        connection.close()
        outcome = await bench.upstream.outcome(f"left-{recording.id}")
        return None if (outcome or "").startswith("caller went away") else f"the provider saw: {outcome}"

    sample = sample_of(streams, 16)
    for recording, cause in zip(sample, await asyncio.gather(*(leave(r) for r in sample))):
        yield Verdict("hang-ups", "slow", recording.operation, recording.id, cause)


def sample_of(cases, count):
    """Some, spread over the providers."""
    by_provider = collections.defaultdict(list)
    for recording in cases:
        by_provider[recording.case["provider"]].append(recording)
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*by_provider.values()))
    return list(itertools.islice((recording for recording in rounds if recording), count))
