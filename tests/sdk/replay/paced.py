"""Streams that come slowly: what a provider says must reach the client at once (E2), and a client that leaves in the middle
ends the provider's work (D6).
"""

import asyncio
import json
import time

from . import asking, behind, judge, pairs, wire
from .broken import KINDS
from .dialects import DIALECTS, is_stream
from .instances import name
from .runs import Verdict, sample_of

PACE_MS = 60
EVENTS = range(20, 60)
# Of the events, so many must arrive apart from each other; the rest says nothing to the client, or the machine was busy.
APART = 0.5


def config(upstream):
    """(name, kind, URL, settings) of the instances."""
    settings = {"headers": {"x-replay-options": json.dumps({"split": "event", "delay_ms": PACE_MS})}}
    for kind_name in KINDS.values():
        instance, kind = name("paced", kind_name), behind.kind(kind_name)
        yield instance, kind, f"{upstream}/p/{instance}{behind.SUFFIXES.get(kind_name, kind.suffix)}", settings


class PacedPair(pairs.Pair):
    @property
    def instance(self):
        return name("paced", KINDS[self.provider.name])


async def every_pace(bench):
    plan = []
    for provider in DIALECTS.values():
        fitting = [
            recording
            for recording in bench.chats
            if recording.case["endpoint"] == provider.stream and is_stream(recording.case) and is_fit(bench, recording)
        ]
        plan += [
            PacedPair(recording, client, 1)
            for recording in sample_of(fitting, 2)
            for client in DIALECTS.values()
            if pairs.is_wanted(recording, client)
        ]
    for pair, cause in zip(plan, await asyncio.gather(*(paced(bench, pair) for pair in plan))):
        yield Verdict("paced", pair.row, "at once", pair.recording.id, cause, "E2 pace")
    for pair, cause in zip(plan, await asyncio.gather(*(left(bench, pair) for pair in plan))):
        yield Verdict("paced", pair.row, "left", pair.recording.id, cause, "D6 hang-up")


def is_fit(bench, recording):
    """Nothing but text: calls of tools are whole or not at all for some clients, and thoughts are not shown to all."""
    if recording.status != 200 or writes(bench, recording) not in EVENTS:
        return False
    reading = pairs.native_reading(bench, recording)
    return not reading.calls and not any(reading.reasoning) and "server_tool" not in recording.case["features"]


def writes(bench, recording):
    """In how many pieces the upstream sends it."""
    tools = bench.tools.replay_upstream
    body, kind = tools.shape_body(recording.case, "alt=sse")[0], recording.case["response_kind"]
    return len(tools.cuts(body, "eventstream" if kind == "eventstream" else "sse", {"split": "event"}, None, None))


async def begin(bench, pair, prefix):
    path, headers, body = pair.ask(asking.PLAIN[pair.client.name])
    usual = [(key, value) for key, value in judge.CLIENT_HEADERS if key != "authorization"]
    host, port = bench.gateway.root.removeprefix("http://").split(":")
    connection = wire.Connection(host, int(port))
    headers = [*usual, ("x-request-id", prefix + pair.request_id), *headers]
    answer = await connection.begin(path, headers, json.dumps(body).encode())
    return connection, answer


async def paced(bench, pair):
    connection, answer = await begin(bench, pair, "paced-")
    arrivals, last = 0, time.monotonic()
    while (chunk := await connection.reader.read(1 << 16)) and not chunk.endswith(b"0\r\n\r\n"):
        now = time.monotonic()
        arrivals += now - last > PACE_MS / 3000
        last = now
    connection.close()
    expected = writes(bench, pair.recording)
    if answer.status != 200:
        return f"status {answer.status}"
    return None if arrivals >= APART * expected else f"{arrivals} arrivals of {expected} events"


async def left(bench, pair):
    connection, answer = await begin(bench, pair, "left-")
    if answer.status == 200:
        await connection.reader.read(1)
    connection.close()
    outcome = await bench.upstream.outcome("left-" + pair.request_id)
    return None if (outcome or "").startswith("caller went away") else f"the provider saw: {outcome}"
