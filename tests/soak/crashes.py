"""Kills the gateway again and again while clients make batches, and counts what is lost or done twice.

    python3 tests/soak/crashes.py path/to/narthex [--kills 60] [--seed 1]

Every provider is the simulator, which keeps a ledger of the batches that were made and the lines that were run. A client repeats a
request that broke off under the same `idempotency-key`. NARTHEX_STORE_URL: a PostgreSQL database instead of an SQLite file.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import tempfile
import threading
import time

from narthex import MODEL, PROVIDERS, Gateway, Simulator, form

CLIENTS = 5
# So long a batch may take after the last crash.
PATIENCE = 240
OVER = ("completed", "failed", "cancelled", "expired")


class Client(threading.Thread):
    """Makes one batch after the other, and looks after those that it has made."""

    def __init__(self, number, gateway, is_over, doing, seed):
        super().__init__(daemon=True)
        self.number, self.gateway, self.is_over, self.doing = number, gateway, is_over, doing
        self.random = random.Random(seed * 1000 + number)
        self.made = {}
        self.refusals = []

    def run(self):
        while not self.is_over.is_set():
            provider = self.random.choice(list(PROVIDERS))
            name = f"c{self.number}x{len(self.made)}"
            words = {f"{name}-{i}": f"{name} says {i}" for i in range(self.random.randint(1, 40))}
            if provider in ("openai", "xai") and self.random.random() < 0.5:
                batch = self.create(provider, name, words, is_inline=True)
            else:
                batch = self.create(provider, name, words, is_inline=False)
            self.made[batch["id"]] = (provider, words)
            for known in self.random.sample(list(self.made), min(3, len(self.made))):
                self.tell("look", "GET", f"/v1/batches/{known}", once=True)

    def create(self, provider, name, words, is_inline):
        url = "/v1/chat/completions"
        lines = [
            {"custom_id": i, "method": "POST", "url": url, "body": {
                "model": f"{provider}/{MODEL}", "max_tokens": 99, "messages": [{"role": "user", "content": text}]}}
            for i, text in words.items()
        ]
        asked = {"endpoint": url, "completion_window": "24h"}
        if is_inline:
            asked["requests"] = lines
        else:
            content = "".join(json.dumps(line) + "\n" for line in lines).encode()
            asked["input_file_id"] = self.upload(provider, name, content)["id"]
        return self.tell("create", "POST", "/v1/batches", asked, {"idempotency-key": name})

    def upload(self, provider, name, content):
        body, content_type = form(f"{name}.jsonl", content, purpose="batch")
        while True:
            try:
                with self.doing("upload"):
                    path, headers = f"/v1/files?provider={provider}", {"content-type": content_type}
                    status, answer = self.gateway.ask("POST", path, body, headers)
                if status == 200:
                    return json.loads(answer)
                self.refused("upload", status, answer)
            except (OSError, ValueError):
                pass
            time.sleep(0.05)

    def tell(self, what, method, path, value=None, headers=None, once=False):
        """What is answered in the end; however often the gateway dies meanwhile."""
        while True:
            try:
                with self.doing(what):
                    status, answer = self.gateway.json(method, path, value, headers)
                if status == 200 or once:
                    return answer
                self.refused(what, status, answer)
            except OSError:
                if once:
                    return None
            time.sleep(0.05)

    def refused(self, what, status, answer):
        self.refusals.append(f"{what}: {status} {answer!s:.200}")


class Doing:
    """What clients wait for, when the gateway is killed."""

    def __init__(self):
        self.now = collections.Counter()

    def __call__(self, what):
        self.what = what
        return _Doing(self.now, what)


class _Doing:
    def __init__(self, now, what):
        self.now, self.what = now, what

    def __enter__(self):
        self.now[self.what] += 1

    def __exit__(self, *_):
        self.now[self.what] -= 1


def results(gateway, batch):
    """All lines of a batch's results, in whichever file."""
    found = []
    for file in (batch["output_file_id"], batch["error_file_id"]):
        if file:
            status, content = gateway.ask("GET", f"/v1/files/{file}/content")
            assert status == 200, (file, status, content)
            found += [json.loads(line) for line in content.splitlines()]
    return found


def judge(gateway, clients, log):
    """Counts what went wrong."""
    wrong = collections.Counter()
    by_line = {}
    statuses = collections.Counter()
    lines = 0
    for client in clients:
        for name, (provider, words) in client.made.items():
            status, batch = gateway.json("GET", f"/v1/batches/{name}")
            statuses[batch.get("status")] += 1
            if status != 200 or batch["status"] != "completed":
                wrong["batches that did not complete"] += 1
                print("  ", name, provider, status, json.dumps(batch)[:400])
                continue
            found = results(gateway, batch)
            told = collections.Counter(result["custom_id"] for result in found)
            lines += len(words)
            lost = len(words.keys() - told.keys())
            wrong["lines lost"] += lost
            if lost:
                print(f"   {name} ({provider}) has lost {lost} of {len(words)}: {json.dumps(batch)}")
            wrong["lines doubled"] += sum(count - 1 for count in told.values())
            wrong["lines of others"] += len(told.keys() - words.keys())
            for result in found:
                text = json.dumps(result.get("response"))
                wrong["wrong answers"] += words.get(result["custom_id"], "?") not in text
            counts = batch["request_counts"]
            wrong["wrong counts"] += (counts["total"], counts["completed"]) != (len(words), len(words))
            mark = name.rsplit("_")[-1][:24]
            by_line |= {name: name for name in words} | {f"{mark}-{i}": name for i in range(1, len(words) + 1)}
    upstream = collections.Counter()
    for batch in log["batches"]:
        owners = {by_line.get(line["name"]) for line in batch["lines"]}
        for owner in owners - {None}:
            upstream[owner] += 1
            if upstream[owner] > 1:
                print(f"   {owner} was made twice at {batch['vendor']}: {batch['id']}, {batch['state']}, {batch['looks']} looks")
        wrong["batches of nobody at the provider"] += owners == {None}
    wrong["batches made twice at the provider"] = sum(count > 1 for count in upstream.values())
    ran = [runs for name, runs in log["runs"].items() if name in by_line]
    wrong["lines run twice at the provider"] = sum(runs > 1 for runs in ran)
    return lines, len(ran), statuses, wrong


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("binary")
    arguments.add_argument("--kills", type=int, default=60)
    arguments.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    chosen = arguments.parse_args()
    binary, chance = os.path.abspath(chosen.binary), random.Random(chosen.seed)
    simulator = Simulator(binary, "--batch-polls", "3", "--latency", "10ms")
    with tempfile.TemporaryDirectory(prefix="narthex-soak-") as folder:
        gateway = Gateway(binary, folder, {name: simulator.root for name in PROVIDERS}, concurrency=4)
        try:
            gateway.start()
            gateway.wait()
            return soak(chosen, chance, simulator, gateway, pathlib.Path(folder))
        finally:
            gateway.process.kill()
            simulator.process.kill()


def soak(chosen, chance, simulator, gateway, folder):
    is_over, doing, at = threading.Event(), Doing(), collections.Counter()
    clients = [Client(number, gateway, is_over, doing, chosen.seed) for number in range(CLIENTS)]
    began = time.monotonic()
    for client in clients:
        client.start()
    for _ in range(chosen.kills):
        # Often soon after the start, when what was left behind is taken up again; now and then later.
        time.sleep(chance.choice([0.05, 0.2, 0.5, 1.5, 4]) * (0.5 + chance.random()))
        at.update({what: 1 for what, count in doing.now.items() if count} or {"nothing": 1})
        gateway.kill()
        gateway.start()
        if chance.random() < 0.9:
            gateway.wait()
    is_over.set()
    gateway.wait()
    for client in clients:
        client.join(60)
    killing = time.monotonic() - began
    waited = time.monotonic()
    names = [name for client in clients for name in client.made]
    while time.monotonic() < waited + PATIENCE:
        pending = [name for name in names if gateway.json("GET", f"/v1/batches/{name}")[1].get("status") not in OVER]
        if not pending:
            break
        time.sleep(1)
    lines, ran, statuses, wrong = judge(gateway, clients, simulator.log())
    by_provider = collections.Counter(provider for client in clients for provider, _ in client.made.values())
    print(f"seed {chosen.seed}: {chosen.kills} times killed in {killing:.0f} s; all was over {time.monotonic() - waited:.0f} s later")
    print(f"under way when it was killed: {dict(at)}")
    print(f"batches: {len(names)} ({dict(by_provider)}), {dict(statuses)}; lines: {lines}, {ran} of them in providers' batches")
    print(f"refusals that clients saw and repeated: {collections.Counter(r for c in clients for r in c.refusals).most_common(5)}")
    for what, count in wrong.items():
        print(f"{what}: {count}")
    if any(wrong.values()):
        (folder / "log").rename(kept := "/".join([tempfile.gettempdir(), f"narthex-soak-{chosen.seed}.log"]))
        print(f"the gateway's log: {kept}")
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
