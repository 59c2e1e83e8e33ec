"""The corpus' upstream as a process, and what it has written down."""

import asyncio
import json
import pathlib
import re
import subprocess
import sys


class Upstream:
    def __init__(self, corpus, directory):
        self.log = pathlib.Path(directory) / "upstream.jsonl"
        command = [sys.executable, str(corpus / "replay_upstream.py"), "--port", "0", "--log", str(self.log)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = re.search(r"http://\S+", self.process.stdout.readline())[0]
        self.log.touch()
        self.read_until = 0
        self.entries = {}

    def stop(self):
        self.process.kill()
        self.process.wait()

    def requests(self, request_id):
        """What arrived under this id so far, in order."""
        self._read_on()
        return self.entries.get(request_id, [])

    def _read_on(self):
        if self.log.stat().st_size == self.read_until:
            return
        with self.log.open("rb") as log:
            log.seek(self.read_until)
            while (line := log.readline()).endswith(b"\n"):
                entry = json.loads(line)
                headers = dict((key.lower(), value) for key, value in entry["headers"])
                self.entries.setdefault(headers.get("x-request-id"), []).append(entry)
                self.read_until += len(line)

    async def settle(self, request_ids, patience=5):
        """Waits until it has written down each of these: it does so after the last byte of its answer."""
        missing = set(request_ids)
        for _ in range(patience * 20):
            missing = {request_id for request_id in missing if not self.requests(request_id)}
            if not missing:
                return
            await asyncio.sleep(0.05)

    async def outcome(self, request_id, patience=20):
        """How the only request of this id ended, once it has."""
        for _ in range(patience * 20):
            if found := self.requests(request_id):
                return found[-1]["outcome"]
            await asyncio.sleep(0.05)
        return None

    def connections(self):
        return len({entry["conn"] for entries in self.entries.values() for entry in entries})
