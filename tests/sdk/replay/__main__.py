"""Runs everything, prints a table of what passed, then every miss with its cause."""

import argparse
import asyncio
import collections
import json
import pathlib
import sys
import tempfile
import time
import types

from gateway import Gateway

from . import behind, broken, instances, judge, paced, recordings, runs
from .dialects import OF_ENDPOINT
from .upstream import Upstream


def main():
    parser = argparse.ArgumentParser(prog="replay", description=__doc__)
    parser.add_argument("corpus", type=pathlib.Path)
    parser.add_argument("--only", help="a part of a case's id")
    parser.add_argument("--run", help="a part of a run's name, such as pair or retries")
    parser.add_argument("--full", action="store_true", help="every recording behind every client, not a sample")
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.corpus.resolve()))
    sys.dont_write_bytecode = True
    import corpus
    import replay_upstream
    import views

    started = time.monotonic()
    listed = [row for row in corpus.manifest() if not arguments.only or arguments.only in row["id"]]
    native = [corpus.load(row["id"]) for row in listed if row["endpoint"] in recordings.NATIVE]
    native = [case for case in native if case["provider"] == recordings.NATIVE[case["endpoint"]]]
    # Recordings that the provider's own SDK cannot read cannot be judged by it.
    chats = {row["id"]: corpus.load(row["id"]) for row in corpus.manifest() if row["endpoint"] in OF_ENDPOINT}
    tools = types.SimpleNamespace(
        corpus=corpus,
        replay_upstream=replay_upstream,
        views=views,
        native=native,
        unreadable=[chats.pop(name) for name in corpus.quarantined() if name in chats],
        chats=[*chats.values()],
    )
    cases = [
        recordings.Recording(corpus.load(row["id"]), tools) for row in listed if row["endpoint"] in recordings.ENDPOINTS
    ]
    with tempfile.TemporaryDirectory(prefix="narthex-replay-") as directory:
        upstream = Upstream(arguments.corpus.resolve(), directory)
        try:
            verdicts = asyncio.run(judge_all(cases, tools, upstream, arguments))
        finally:
            upstream.stop()
    report(verdicts)
    print(f"in {time.monotonic() - started:.0f} s")
    misses = sum(verdict.cause is not None for verdict in verdicts)
    print(f"{len(verdicts) - misses} passed, {misses} failed")
    sys.exit(misses > 0 or not verdicts)


async def judge_all(cases, tools, upstream, arguments):
    from . import files, official, pairs, refused, rounds, sdk

    specials = [*special_instances(cases, upstream.url)]
    config = instances.config(upstream.url, specials)
    few = instances.config(upstream.url, specials, "openai_plain|fails_first")
    settings = {"NARTHEX_MASTER_KEY": judge.CLIENT_KEY, "NARTHEX_LOG": "off", "NARTHEX_FETCH_MEDIA": "false"}
    with Gateway(config, NARTHEX_RETRIES="0", **settings) as gateway, Gateway(few, **settings) as retrying:
        port = int(upstream.url.rsplit(":", 1)[1])
        chats = pairs.chosen(tools, arguments.only, None if arguments.full else 30)
        bench = runs.Bench(gateway, retrying, upstream, port, cases, chats, tools, 25 if arguments.full else 4)
        verdicts = []
        for run in (
            runs.every_recording,
            runs.forms,
            runs.passthrough,
            files.every_file,
            runs.broken_answers,
            runs.retries,
            runs.hang_ups,
            sdk.same_view,
            pairs.every_pair,
            broken.broken_pairs,
            broken.errors_within,
            paced.every_pace,
            rounds.every_round,
            refused.every_error,
            official.every_sdk,
        ):
            if arguments.run and arguments.run not in run.__name__:
                continue
            began = time.monotonic()
            verdicts += [verdict async for verdict in run(bench)]
            print(f"{run.__name__.replace('_', ' ')}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
        for process in (gateway, retrying):
            panics = [line for line in process.stderr if "panicked" in line]
            verdicts.append(runs.Verdict("no panic", "gateway", "all", "stderr", panics[0] if panics else None))
    # Of the answers, those in the variant `shape` close theirs.
    connections, requests = upstream.connections(), sum(map(len, upstream.entries.values()))
    is_enough_to_tell = requests > 2000
    cause = f"{connections} for {requests} requests" if is_enough_to_tell and connections > requests / 2 else None
    verdicts.append(runs.Verdict("connections are reused", "gateway", "all", "upstream", cause))
    print(f"{requests} requests on {connections} connections to the provider")
    return verdicts


def special_instances(cases, url):
    """Those that a single run needs."""

    def with_options(**options):
        return {"headers": {"x-replay-options": json.dumps(options)}}

    refusal = {"status": 429, "headers": {"retry-after": "0"}, "body": {"error": {"message": "slow"}}}
    yield "slow", "openai", f"{url}/p/slow/v1", with_options(split="event", delay_ms=500)
    for word in ("on", "off"):
        # The upstream counts by case: what failed for one gateway would not fail for the other.
        more = [refusal] * (1 if word == "off" else 2)
        yield f"fails_first_{word}", "openai", f"{url}/p/fails_first_{word}/v1", with_options(before=more)
    for way, options in runs.BROKEN.items():
        stalls = way == "stall"
        place = {"stall_after" if stalls else "cut_after": runs.BROKEN_AFTER}
        settings = {**with_options(**options, **place), **({"timeouts": {"read": "1s"}} if stalls else {})}
        yield f"broken_{way}", "openai", f"{url}/p/broken_{way}/v1", settings
    for recording in cases:
        if recording.is_form:
            yield f"form_{recording.id}", "openai", f"{url}/__case/{recording.id}/v1", {}
    yield "native_ollama", "ollama", f"{url}/v1", {}
    yield "native_gemini", "gemini", f"{url}/v1beta/openai", {}
    yield "native_anthropic", behind.NATIVE["anthropic"], f"{url}/v1", {}
    yield from behind.native_config(url)
    yield from broken.config(url)
    yield from paced.config(url)


def report(verdicts):
    tables = collections.defaultdict(lambda: collections.defaultdict(collections.Counter))
    for verdict in verdicts:
        tables[verdict.run][verdict.row, verdict.column][verdict.cause is None] += 1
    print("| run | provider | endpoint | passed | of | |\n|---|---|---|--:|--:|--:|")
    for run, rows in tables.items():
        for (row, column), counts in sorted(rows.items()):
            total = counts.total()
            print(f"| {run} | {row} | {column} | {counts[True]} | {total} | {100 * counts[True] / total:.1f} % |")
    for verdict in sorted(verdicts, key=lambda verdict: verdict.kind):
        if verdict.cause:
            print(f"MISS {verdict.run}: {verdict.row} {verdict.column} {verdict.case}: {verdict.cause}")


main()
