"""Every recorded answer of a chat behind every client dialect: what the client got is what the provider said, in the
client's words, and what the provider was sent is a request that its own SDK could have made.
"""

import base64
import collections
import dataclasses
import itertools
import json
import re

from . import asking, behind, compare, envelope, grammar, instances, judge, meaning, readings
from .dialects import DIALECTS, OF_ENDPOINT, is_stream
from .recordings import Recording
from .runs import Verdict

# One manner of cutting after the other.
MANNERS = ("plain", "nasty")


@dataclasses.dataclass(frozen=True)
class Pair:
    """A recording and the client that gets it."""

    recording: object
    client: object
    number: int

    @property
    def case(self):
        return self.recording.case

    @property
    def provider(self):
        return OF_ENDPOINT[self.case["endpoint"]]

    @property
    def is_stream(self):
        return is_stream(self.case)

    @property
    def row(self):
        return f"{self.client.name} ← {self.provider.name}"

    @property
    def column(self):
        return "stream" if self.is_stream else "whole"

    @property
    def request_id(self):
        return f"pair-{self.client.name}-{self.recording.id}"

    @property
    def upstream(self):
        return behind.kind_name(self.case, self.provider, self.client)

    @property
    def instance(self):
        return f"{self.upstream}_{MANNERS[self.number % len(MANNERS)]}"

    @property
    def upstream_model(self):
        return behind.model(self.case, self.provider)

    @property
    def model(self):
        return f"{self.instance}/{self.upstream_model}"

    def ask(self, request):
        return self.client.ask(request, self.model, self.is_stream, self.number)


def chosen(tools, only, count):
    """The recordings; of each endpoint so many, those first that are like no other."""
    kept = [case for case in tools.chats if (not only or only in case["id"]) and not holds_several(tools.corpus.raw(case))]
    groups = collections.defaultdict(lambda: collections.defaultdict(list))
    for case in kept:
        kinds = groups[case["endpoint"], is_stream(case), case["status"] >= 400]
        kinds[case["provider"], frozenset(case["features"]), frozenset(case["finish_reasons"] or ())].append(case)
    sampled = []
    for (_, _, is_error), kinds in sorted(groups.items(), key=str):
        rounds = itertools.chain.from_iterable(itertools.zip_longest(*kinds.values()))
        whole = [case for case in rounds if case]
        sampled += whole if is_error else whole[:count]
    return [Recording(case, tools) for case in sampled]


async def every_pair(bench):
    pool = asking.Pool(bench.tools.chats)
    pairs = [
        Pair(recording, client, number)
        for number, recording in enumerate(bench.chats)
        for client in DIALECTS.values()
        if recording.status < 400 and is_wanted(recording, client)
    ]
    drawn = [pool.draw(pair.case, pair.client) for pair in pairs]
    answers = await ask(bench, pairs, [request for _, request in drawn], "")
    # What the target has no place for is asked for more plainly.
    refused = [i for i, pair in enumerate(pairs) if is_refused(bench, pair.request_id, answers[i])]
    for i in refused:
        cause = complaint(drawn[i][0], answers[i])
        yield Verdict("drawn requests", pairs[i].row, "refused", f"{pairs[i].recording.id} by {drawn[i][0]}", cause)
        drawn[i] = ("plain", asking.PLAIN[pairs[i].client.name])
    again = await ask(bench, [pairs[i] for i in refused], [drawn[i][1] for i in refused], "plain-")
    for i, answer in zip(refused, again):
        answers[i] = answer
    is_plain = set(refused)
    for i, (pair, (source, request), got) in enumerate(zip(pairs, drawn, answers)):
        request_id = ("plain-" if i in is_plain else "") + pair.request_id
        misses = [*judged(bench, pair, request_id, request, got)]
        cause = "; ".join(f"{invariant}: {what}" for invariant, what in misses) or None
        kind = misses[0][0] if misses else ""
        yield Verdict("pairs", pair.row, pair.column, f"{pair.recording.id} asked by {source}", cause, kind)


def holds_several(raw):
    """Some recorders have put the answers of a whole conversation into one."""
    return any(raw.count(begin) > 1 for begin in (b"event: message_start", b"event: response.created"))


def is_wanted(recording, client):
    """OpenAI's own dialects in and out are the matter of other runs."""
    provider = OF_ENDPOINT[recording.case["endpoint"]]
    return provider is not client or not provider.name.startswith("openai")


async def ask(bench, pairs, requests, prefix):
    asks = []
    for pair, request in zip(pairs, requests):
        path, headers, body = pair.ask(request)
        text = json.dumps(body, ensure_ascii=pair.number % 2 == 0).encode()
        asks.append((prefix + pair.request_id, path, headers, text))
    return await bench.ask_all(asks, without={"authorization"})


def is_refused(bench, request_id, got):
    return not isinstance(got, BaseException) and got.status == 400 and not bench.upstream.requests(request_id)


# Recorded requests that are none by their own dialect: id → why.
FAULTY = {"zai-chat-83761a15fd91": "the result of a tool does not say of which call"}


def complaint(source, got):
    """Nothing, if the refusal names what cannot be carried; other refusals are misses."""
    clear = (b"cannot be carried", b"unsupported_parameter", b"previous_response_not_found")
    return None if any(words in got.body for words in clear) or source in FAULTY else got.body.decode(errors="replace")[:200]


def judged(bench, pair, request_id, request, got):
    """The misses of one exchange."""
    if isinstance(got, BaseException):
        yield "A0 answer", f"none: {type(got).__name__}"
        return
    yield from sent(bench, pair, request_id, request, got)
    if pair.client is pair.provider:
        yield from forwarded(bench, pair, got)
        return
    native = native_reading(bench, pair.recording)
    if got.status != 200:
        if native.error:
            yield from envelope_of_error(pair, got)
        else:
            yield "A0 status", f"{got.status}: {got.body[:160]!r}"
        return
    if not got.is_complete:
        yield "A0 answer", f"it breaks off after {len(got.body)} bytes: {got.body[-80:]!r}"
        return
    yield from translated(bench.tools.views, pair, request, native, got)


CONTENT_TYPES = {
    "json": "application/json",
    "sse": "text/event-stream",
    "eventstream": "application/vnd.amazon.eventstream",
}


def translated(views, pair, request, native, got):
    client = pair.client
    kind = client.kind(pair.is_stream, got.body)
    content_type = got.header("content-type") or ""
    wanted = CONTENT_TYPES[kind]
    if not content_type.startswith(wanted):
        yield "A6 content type", f"{wanted} / {content_type}"
    try:
        reading = readings.read(views, client.endpoint(pair.is_stream), kind, got.body)
    except Exception as error:  # noqa: BLE001: whatever the SDK makes of it is the finding
        yield "A6 unreadable", f"{type(error).__name__}: {str(error)[:120]} in {got.body[:200]!r}"
        return
    counts = asks_for_counts(client, request)
    if client.name == "openai_chat" and pair.is_stream and not counts:
        native = dataclasses.replace(native, usage={})
        if reading.usage:
            yield "A4 usage", "a chunk of counts that nobody asked for"
    yield from compare.misses(native, reading, client, shows_thoughts(client, request))
    for objection in envelope.objections(views, client, pair.is_stream, got.body, reading)[:3]:
        yield "A6 envelope", objection
    if pair.is_stream:
        try:
            offence = grammar.broken(views, client, got.body, counts)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            offence = f"cannot be followed: {error!r}"
        if offence:
            yield "A7 grammar", offence


def asks_for_counts(client, request):
    options = request.get("stream_options")
    return client.name == "openai_chat" and isinstance(options, dict) and options.get("include_usage") is True


def shows_thoughts(client, request):
    """Whether reasoning must be seen; a client of Gemini's dialect has to ask."""
    if client.name != "gemini":
        return True
    thinking = (request.get("generationConfig") or {}).get("thinkingConfig") or {}
    return bool(thinking.get("includeThoughts"))


def native_reading(bench, recording):
    if recording.id not in READ:
        case, tools = recording.case, bench.tools
        READ[recording.id] = readings.read(tools.views, case["endpoint"], case["response_kind"], tools.corpus.raw(case))
    return READ[recording.id]


READ = {}


OF_THE_BODY = (".", "body", "path", "query", "Unknown", "Missing", "Invalid")


def sent(bench, pair, request_id, request, got):
    """What the provider got (C1, C2, C4-C6, C8)."""
    entries = bench.upstream.requests(request_id)
    model, provider = pair.upstream_model, pair.provider
    place = behind.place(pair.upstream, provider, model, pair.is_stream)
    asked_at, _, said = pair.ask(request)
    if pair.client is provider and "?" not in asked_at:
        # An array is what this client wants.
        place = place.removesuffix("?alt=sse")
    if pair.client is provider:
        said = {**said, **({"model": model} if "model" in said else {})}

        def body(raw):
            return None if json.loads(raw) == said else "body: another than the client's"
    else:

        def body(raw):
            return offence(pair, entries[0], raw)

    key, auth = instances.key(pair.instance), behind.kind(pair.upstream).auth
    wrong = judge.request(entries, place, auth, key, bench.port, body)
    if wrong:
        yield ("C2 request" if wrong.startswith(OF_THE_BODY) else "C1 upstream"), wrong
    elif pair.client is not provider:
        lost = meaning.lost(pair.client, said, base64.b64decode(entries[0]["body_b64"]))
        if lost:
            yield "C4 lost", f"{lost}; dropped: {got.header('x-narthex-dropped')}"


# What providers document beyond OpenAI's types, and the corpus' checks do not know.
DOCUMENTED = {
    "bailian": r"\.messages\[\d+\]\.content\[\d+\]\.cache_control",
    "openrouter": r"\.modalities",
    # Parts of the type `video_url`.
    "zai": r"\.messages\[\d+\]\.content: expected str",
}


def offence(pair, entry, raw):
    """What the provider's own SDK would not have sent."""
    import validate_request

    names = {pair.case["provider"], behind.kind(pair.upstream).type}
    found = [
        validate_request.check(entry["endpoint"], entry["path"], entry["query"], entry["headers"], raw, name)
        for name in names
    ]
    beyond = DOCUMENTED.get(behind.kind(pair.upstream).type, "nothing")
    wrong = [what for what in min(found, key=len) if not re.match(beyond, what)]
    return "; ".join(wrong[:3]) or None


def forwarded(bench, pair, got):
    """The same dialect on both sides: every byte, both ways (A8)."""
    query = "alt=sse" if pair.is_stream and pair.number % 3 else ""
    body, content_type = bench.tools.replay_upstream.shape_body(pair.case, query)
    wrong = judge.answer(got, 200, pair.case["response_headers"], body, pair.instance, content_type)
    if wrong:
        yield "A8 forwarded", wrong


def envelope_of_error(pair, got):
    from .refused import envelope_of

    wrong = envelope_of(pair.client, got)
    if wrong:
        yield "D2 envelope", wrong
