"""Gateways and simulators as processes that may be killed at any moment, and a client that does not mind."""

import http.client
import json
import os
import pathlib
import re
import secrets
import signal
import socket
import subprocess
import time
import urllib.request

MODEL = "simulator"
# Base URLs by instance, each named after its type; the last one has no batches.
PROVIDERS = {
    "openai": "/v1",
    "anthropic": "/v1",
    "gemini": "/v1beta/openai",
    "xai": "/xai/v1",
    "vertex": "",
    "ollama": "/v1",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cloud(root):
    """A cloud wants an account and a bucket; the simulator is its storage too."""
    host = root.partition("://")[2]
    return f"project: p-1, location: l, metadata_host: '{host}', batch_bucket: gs://jobs, storage_url: '{root}'"


class Simulator:
    def __init__(self, binary, *flags):
        command = [binary, "simulate", "--listen", "127.0.0.1:0", *flags]
        self.process = subprocess.Popen(
            command, env={}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        found = next(filter(None, (re.search(r"listens on (http://[^/\s]+)", line) for line in self.process.stderr)))
        self.root = found[1]

    def log(self):
        with urllib.request.urlopen(self.root + "/__log", timeout=60) as answer:
            return json.load(answer)


class Gateway:
    """Always at the same address and on the same store, however often it is killed."""

    def __init__(self, binary, folder, roots, **settings):
        self.binary, self.folder, self.port = binary, pathlib.Path(folder), free_port()
        self.process = None
        settings = ", ".join(f"{name}: {value}" for name, value in {"poll": "20ms", "emulate": "true", **settings}.items())
        store = os.environ.get("NARTHEX_STORE_URL")
        lines = ["inventory: {mode: allowlist}", f"batches: {{{settings}}}", "providers:"]
        for name, root in roots.items():
            base = f"{root}{PROVIDERS.get(name, '/v1')}"
            identity = cloud(root) if name == "vertex" else "api_key: key"
            lines.append(f"  {name}: {{{identity}, base_url: '{base}', models: [{MODEL}]}}")
        if store:
            lines.insert(0, f"store: {{url: '{store}'}}")
        (self.folder / "config.yaml").write_text("\n".join(lines) + "\n")

    def start(self):
        environment = {"NARTHEX_LISTEN": f"127.0.0.1:{self.port}", "NARTHEX_ADMIN_LISTEN": "off"}
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [self.binary], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def wait(self):
        """Until it answers."""
        while True:
            try:
                if self.ask("GET", "/health/ready", patience=5)[0] == 200:
                    return
            except OSError:
                pass
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.02)

    def ask(self, method, path, body=None, headers=None, patience=60):
        """One request on a connection of its own. Raises `OSError` if the gateway dies meanwhile."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as why:
            raise ConnectionError(str(why)) from why
        finally:
            connection.close()

    def json(self, method, path, value=None, headers=None):
        body = None if value is None else json.dumps(value)
        headers = {"content-type": "application/json", **(headers or {})}
        status, answer = self.ask(method, path, body, headers)
        try:
            return status, json.loads(answer)
        except ValueError as why:
            raise ConnectionError("the answer is cut short") from why

    def resident(self):
        """In bytes."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
        return 0


def form(name, content, **fields):
    """The body and content type of a form with a file in it."""
    boundary = secrets.token_hex(12)
    parts = [
        f'--{boundary}\r\ncontent-disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
        for field, value in fields.items()
    ]
    head = f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    return b"".join([*parts, head, content, f"\r\n--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"
