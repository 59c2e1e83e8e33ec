"""The narthex binary as a process, for tests that are its clients."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

PATIENCE = 20


class Gateway:
    """Runs while the `with` lasts, in an empty directory and without the machine's environment."""

    def __init__(self, config="", **environment):
        self.binary = os.path.abspath(os.environ["NARTHEX_BINARY"])
        self.config = config
        self.environment = environment
        self.key = environment.get("NARTHEX_MASTER_KEY", "no-key")
        self.stderr = []
        self.lines = {}
        self.news = threading.Condition()

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="narthex-test-")
        if self.config:
            (pathlib.Path(self.directory.name) / "config.yaml").write_text(self.config)
        environment = {"NARTHEX_LISTEN": "127.0.0.1:0", "NARTHEX_ADMIN_LISTEN": "127.0.0.1:0", **self.environment}
        self.process = subprocess.Popen(
            [self.binary],
            cwd=self.directory.name,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read_stderr, daemon=True).start()
        threading.Thread(target=self._read_access_log, daemon=True).start()
        try:
            listening = self._await(lambda: self._said(r"narthex \S+ listens on (http://\S+)"), "to listen")
            self.root = listening[1]
            self.url = self.root + "/v1"
            self._await(self._is_ready, "to be ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()

    def access_line(self, request_id):
        """What the access log tells of an exchange; waits until it does."""
        return self._await(lambda: self.lines.get(request_id), f"to log request {request_id}")

    def _await(self, probe, what):
        end = time.monotonic() + PATIENCE
        with self.news:
            while not (found := probe()):
                if self.process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"waited in vain for the gateway {what}:\n" + "\n".join(self.stderr[-20:]))
                self.news.wait(0.05)
        return found

    def _is_ready(self):
        try:
            with urllib.request.urlopen(self.root + "/health/ready", timeout=PATIENCE) as answer:
                return answer.status == 200
        except urllib.error.HTTPError:
            return False

    def _said(self, pattern):
        return next((found for line in self.stderr if (found := re.match(pattern, line))), None)

    def _read_stderr(self):
        for line in self.process.stderr:
            with self.news:
                self.stderr.append(line.rstrip())
                self.news.notify_all()

    def _read_access_log(self):
        for line in self.process.stdout:
            entry = json.loads(line)
            with self.news:
                self.lines[entry["request_id"]] = entry
                self.news.notify_all()
