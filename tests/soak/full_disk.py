"""Lets the disk run full under the store, and makes room again.

    mount -t tmpfs -o size=32m none /mnt/small
    python3 tests/soak/full_disk.py path/to/narthex /mnt/small
"""

import json
import os
import pathlib
import sys
import tempfile
import time

from narthex import MODEL, PROVIDERS, Gateway, Simulator, form

MEBIBYTE = 1 << 20
URL = "/v1/chat/completions"


def lines(provider, count, filling=""):
    def body(number):
        return {"model": f"{provider}/{MODEL}", "messages": [{"role": "user", "content": f"{number} {filling}"}]}

    all_of_them = ({"custom_id": f"l{i}", "method": "POST", "url": URL, "body": body(i)} for i in range(count))
    return "".join(json.dumps(line) + "\n" for line in all_of_them).encode()


def upload(gateway, content):
    body, content_type = form("in.jsonl", content, purpose="batch")
    status, answer = gateway.ask("POST", "/v1/files?provider=anthropic", body, {"content-type": content_type})
    return status, json.loads(answer)


def main():
    binary, small = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2])
    simulator = Simulator(binary, "--batch-polls", "3")
    junk = small / "junk"
    with tempfile.TemporaryDirectory(prefix="narthex-soak-") as folder:
        gateway = Gateway(binary, folder, {name: simulator.root for name in PROVIDERS})
        config = gateway.folder / "config.yaml"
        config.write_text(f"store: {{path: '{small}/narthex.db'}}\n" + config.read_text())
        try:
            gateway.start()
            gateway.wait()
            junk.write_bytes(b"x" * 9 * MEBIBYTE)
            status, answer = upload(gateway, lines("anthropic", 1000, "x" * 50_000))
            print(f"an upload that does not fit: {status} {json.dumps(answer)}")
            assert status == 503 and answer["error"]["code"] == "store_unavailable", answer
            # Not even deleting is possible without some room.
            junk.unlink()
            status, file = upload(gateway, lines("anthropic", 50))
            print(f"one that does, when there is some room: {status}")
            assert status == 200, file
            batches = []
            for provider in ("anthropic", "ollama"):
                status, batch = gateway.json("POST", "/v1/batches", {"endpoint": URL, "requests": [
                    json.loads(line) for line in lines(provider, 50).splitlines()]})
                assert status == 200, batch
                batches.append(batch["id"])
            fill(junk)
            status, answer = upload(gateway, lines("anthropic", 1000, "x" * 50_000))
            print(f"while it is full: {status}; the gateway is ready: {gateway.ask('GET', '/health/ready')[0]}")
            assert status == 503, answer
            status, _ = gateway.json("POST", URL, {"model": f"openai/{MODEL}", "messages": [{"role": "user", "content": "x"}]})
            print(f"a chat meanwhile: {status}")
            assert status == 200
            time.sleep(2)
            junk.unlink()
            for name in batches:
                end = time.monotonic() + 120
                while (batch := gateway.json("GET", f"/v1/batches/{name}")[1])["status"] != "completed":
                    assert time.monotonic() < end, batch
                    time.sleep(0.1)
                _, content = gateway.ask("GET", f"/v1/files/{batch['output_file_id']}/content")
                names = {json.loads(line)["custom_id"] for line in content.splitlines()}
                print(f"afterwards: {name} is {batch['status']} with {len(names)} results of {batch['request_counts']['total']}")
                assert len(names) == len(content.splitlines()) == 50
        finally:
            gateway.process.kill()
            simulator.process.kill()
            junk.unlink(missing_ok=True)


def fill(path):
    with path.open("wb", buffering=0) as junk:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    junk.write(b"x" * size)
            except OSError:
                pass


if __name__ == "__main__":
    main()
