"""Gateways whose files and batches are tested: over every kind of provider, each of them the simulator; on SQLite or PostgreSQL."""

import json
import pathlib
import subprocess
import time
import urllib.request

from gateway import PATIENCE, Gateway
from simulator import Simulator

KEY = "sk-test-of-files-and-batches"
# The model that all of them have.
MODEL = "simulator"
# Base URLs by instance, each named after its type. All keep files and have batches but the last.
PROVIDERS = {
    "openai": "/v1",
    "azure": "/openai/v1",
    "groq": "/openai/v1",
    "bailian": "/compatible-mode/v1",
    "xai": "/xai/v1",
    "anthropic": "/v1",
    "gemini": "/v1beta/openai",
    "bedrock": "",
    "vertex": "",
    "ollama": "/v1",
}
# How those show who they are that have no key, and what else they need; `{root}` is the simulator, which is their storage too.
SETTINGS = {
    "bedrock": (
        "access_key_id: AKIDEXAMPLE, secret_access_key: a-secret, region: us-east-1, batch_bucket: 's3://jobs/of-narthex',"
        " batch_role: 'arn:aws:iam::123456789012:role/batches', storage_url: '{root}/s3'"
    ),
    "vertex": (
        "project: p-1, location: us-central1, batch_bucket: 'gs://jobs/of/narthex', storage_url: '{root}', metadata_host: '{host}'"
    ),
}
OVER = ("completed", "failed", "cancelled", "expired")
# One of them fails.
WORDS = ["hello", "a text with ünïcödé", "please fail:400", "the last one"]


class Postgres:
    """A server of its own, while the `with` lasts."""

    def __enter__(self):
        script = pathlib.Path(__file__).parents[1] / "support" / "postgres.sh"
        self.process = subprocess.Popen([script, "run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("postgres://"), "there is no PostgreSQL server to test with; see above"
        self.count = 0
        return self

    def database(self):
        """The URL of a new and empty database."""
        self.count += 1
        name = f"test{self.count}"
        subprocess.run(["psql", "--quiet", "--command", f"CREATE DATABASE {name}", self.url], check=True)
        return f"{self.url.rpartition('/')[0]}/{name}"

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


class Kept:
    """A gateway, and the simulator behind all of its instances."""

    def __init__(self, store, providers=PROVIDERS, emulate=True, flags=(), concurrency=8, more=""):
        self.simulator = Simulator(*flags)
        self.store, self.providers, self.emulate = store, providers, emulate
        self.concurrency, self.more = concurrency, more

    def __enter__(self):
        self.simulator.__enter__()
        lines = ["inventory: {mode: allowlist}", f"store: {{{self.store()}}}", "models: {fast: openai/simulator}"]
        batches = f"poll: 20ms, concurrency: {self.concurrency}, emulate: {str(self.emulate).lower()}"
        lines += [f"batches: {{{batches}}}", self.more, "providers:"]
        for name, path in self.providers.items():
            models = f"{MODEL}, anthropic/{MODEL}" if name == "vertex" else MODEL
            own = SETTINGS.get(name, "api_key: key").replace("{root}", self.simulator.root)
            own = own.replace("{host}", self.simulator.root.partition("://")[2])
            lines.append(f"  {name}: {{{own}, base_url: '{self.simulator.root}{path}', models: [{models}]}}")
        self.gateway = Gateway("\n".join(lines) + "\n", NARTHEX_MASTER_KEY=KEY, NARTHEX_RETRIES="0")
        try:
            self.gateway.__enter__()
        except BaseException:
            self.simulator.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.gateway.__exit__()
        self.simulator.__exit__()

    def openai(self, **options):
        import openai

        return openai.OpenAI(base_url=self.gateway.url, api_key=KEY, max_retries=0, **options)

    def anthropic(self):
        import anthropic

        return anthropic.Anthropic(base_url=self.gateway.root, api_key=KEY, max_retries=0)

    def log(self):
        """What the simulator has done how often."""
        with urllib.request.urlopen(self.simulator.root + "/__log", timeout=PATIENCE) as answer:
            return json.load(answer)


def lines(model, url="/v1/chat/completions", words=WORDS):
    """Requests of a batch, one line each, that ask a model to answer these words."""

    def body(text):
        match url:
            case "/v1/responses":
                return {"model": model, "input": text}
            case "/v1/embeddings":
                return {"model": model, "input": text, "dimensions": 4, "encoding_format": "float"}
            case "/v1/messages":
                return {"model": model, "max_tokens": 99, "messages": [{"role": "user", "content": text}]}
        return {"model": model, "messages": [{"role": "user", "content": text}]}

    requests = enumerate(words)
    return [{"custom_id": f"request-{i}", "method": "POST", "url": url, "body": body(text)} for i, text in requests]


def jsonl(requests):
    return "".join(json.dumps(request) + "\n" for request in requests).encode()


def create(client, provider, requests, endpoint=None, **more):
    """Uploads requests and makes a batch of them."""
    file = client.files.create(
        file=("requests.jsonl", jsonl(requests)), purpose="batch", extra_query={"provider": provider}
    )
    endpoint = endpoint or requests[0]["url"]
    return client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h", **more)


def until(probe, is_it, what):
    """Asks until it is so."""
    end = time.monotonic() + PATIENCE
    while not is_it(found := probe()):
        assert time.monotonic() < end, f"waited in vain {what}: {found}"
        time.sleep(0.01)
    return found


def over(client, batch):
    return until(lambda: client.batches.retrieve(batch.id), lambda batch: batch.status in OVER, "for its end")


def ended(client, batch):
    """The same of a message batch."""
    is_over = lambda batch: batch.processing_status == "ended"  # noqa: E731
    return until(lambda: client.messages.batches.retrieve(batch.id), is_over, "for its end")


def read(client, file):
    """The lines of a file of results by their ids; each occurs once."""
    if file is None:
        return {}
    results = [json.loads(line) for line in client.files.content(file).text.splitlines()]
    found = {result["custom_id"]: result for result in results}
    assert len(found) == len(results), "a line has two results"
    return found


def said(url, result):
    """What was answered, in whatever shape."""
    body = result["response"]["body"]
    match url:
        case "/v1/responses":
            return [part["text"] for item in body["output"] for part in item.get("content") or []]
        case "/v1/embeddings":
            return [item["embedding"] for item in body["data"]]
        case "/v1/messages":
            return [part["text"] for part in body["content"]]
    return [choice["message"]["content"] for choice in body["choices"]]
