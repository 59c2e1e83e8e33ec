"""Puts half a gigabyte through the gateway, in both directions, and watches how much memory it takes.

    python3 tests/soak/memory.py path/to/narthex [--mebibytes 512]

Fails if it grows by more than 20 MiB over what it is when idle.
"""

import argparse
import hashlib
import http.client
import json
import os
import tempfile
import threading
import time

from narthex import MODEL, PROVIDERS, Gateway, Simulator

BOUNDARY = "a-boundary-of-the-soak"
MOST_GROWTH = 20 << 20
MEBIBYTE = 1 << 20


class Watch:
    """The most memory that a gateway has while the `with` lasts."""

    def __init__(self, gateway):
        self.gateway, self.is_over = gateway, threading.Event()

    def __enter__(self):
        self.before = self.most = self.gateway.resident()
        self.began = time.monotonic()
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()
        self.seconds = time.monotonic() - self.began

    def sample(self):
        while not self.is_over.wait(0.01):
            self.most = max(self.most, self.gateway.resident())


def lines(size):
    """Requests of a batch, about so many bytes, in pieces of one each."""
    count = max(1, size // 8000)
    filling = "x" * (size // count - 250)
    for number in range(count):
        message = {"role": "user", "content": f"{number} {filling}"}
        body = {"model": f"anthropic/{MODEL}", "max_tokens": 9, "messages": [message]}
        line = {"custom_id": f"l{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
        yield json.dumps(line).encode() + b"\n"


def noise(size):
    """Bytes that nobody can compress or guess, in pieces of a mebibyte."""
    piece = os.urandom(MEBIBYTE)
    for number in range(size // MEBIBYTE):
        yield number.to_bytes(8, "big") + piece[8:]


def upload(gateway, path, purpose, pieces):
    """The id that the file gets, and the digest of what was sent."""
    head = (
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\n{purpose}\r\n'
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="large"\r\n\r\n'
    )
    digest, size = hashlib.sha256(), 0
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=600)
    connection.putrequest("POST", path)
    connection.putheader("content-type", f"multipart/form-data; boundary={BOUNDARY}")
    connection.putheader("transfer-encoding", "chunked")
    connection.endheaders()
    chunk = lambda data: connection.send(b"%x\r\n%b\r\n" % (len(data), data))  # noqa: E731
    chunk(head.encode())
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
        chunk(piece)
    chunk(f"\r\n--{BOUNDARY}--\r\n".encode())
    connection.send(b"0\r\n\r\n")
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, (answer.status, body)
    file = json.loads(body)
    assert file["bytes"] == size, (file, size)
    return file["id"], digest.hexdigest(), size


def download(gateway, name):
    digest, size = hashlib.sha256(), 0
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=600)
    connection.request("GET", f"/v1/files/{name}/content")
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    while piece := answer.read(MEBIBYTE):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("binary")
    arguments.add_argument("--mebibytes", type=int, default=512)
    chosen = arguments.parse_args()
    binary, size = os.path.abspath(chosen.binary), (chosen.mebibytes - 1) * MEBIBYTE
    forgetful, keeping = Simulator(binary, "--discard-uploads"), Simulator(binary)
    roots = {name: keeping.root for name in PROVIDERS} | {"openai": forgetful.root}
    failures = 0
    with tempfile.TemporaryDirectory(prefix="narthex-soak-") as folder:
        gateway = Gateway(binary, folder, roots)
        try:
            gateway.start()
            gateway.wait()
            print(f"just started: {gateway.resident() / MEBIBYTE:.1f} MiB")
            # Everything has been used once before it is idle.
            upload(gateway, "/v1/files?provider=openai", "vision", noise(4 * MEBIBYTE))
            download(gateway, upload(gateway, "/v1/files?provider=xai", "vision", noise(4 * MEBIBYTE))[0])
            download(gateway, upload(gateway, "/v1/files?provider=anthropic", "batch", lines(4 * MEBIBYTE))[0])
            # Allocators give back what they need not, after a while.
            time.sleep(3)
            idle = gateway.resident()
            print(f"idle: {idle / MEBIBYTE:.1f} MiB")

            def watched(what, step):
                nonlocal failures
                with Watch(gateway) as watch:
                    result = step()
                growth = watch.most - idle
                failures += growth > MOST_GROWTH
                print(f"{what}: {watch.seconds:.1f} s, at most {watch.most / MEBIBYTE:.1f} MiB, {growth / MEBIBYTE:+.1f} over idle")
                return result

            path = "/v1/files?provider="
            sent = watched("upload, forwarded", lambda: upload(gateway, path + "openai", "vision", noise(size)))
            assert any(file["sha256"] == sent[1] for file in forgetful.log()["files"])
            sent = watched("upload, forwarded and kept there", lambda: upload(gateway, path + "xai", "vision", noise(size)))
            assert watched("download, from there", lambda: download(gateway, sent[0])) == sent[1:]
            sent = watched("upload, kept here", lambda: upload(gateway, path + "anthropic", "batch", lines(size)))
            assert watched("download, from here", lambda: download(gateway, sent[0])) == sent[1:]
        finally:
            gateway.process.kill()
            for simulator in (forgetful, keeping):
                simulator.process.kill()
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
