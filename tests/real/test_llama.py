"""SDKs → gateway → llama.cpp's server: real tokens, real streams, real errors, by an upstream that knows nothing of us."""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

import anthropic
import openai
import pytest

from gateway import Gateway

HELLO = [{"role": "user", "content": "hello world"}]
# The same words each time.
FIXED = {"temperature": 0, "seed": 7, "max_tokens": 24}


class Llama:
    """Runs while the `with` lasts."""

    def __init__(self, *arguments):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.command = [os.environ["LLAMA_SERVER"], "-m", os.environ["MODEL"], "--port", str(self.port), *arguments]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while not self.is_ready():
            assert self.process.poll() is None and time.monotonic() < end, "llama-server does not start"
            time.sleep(0.1)
        return self

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError):
            return False

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def llama():
    with Llama("--jinja") as llama:
        yield llama


@pytest.fixture(scope="module")
def gateway(llama):
    with Llama("--embeddings", "--pooling", "mean") as embedder:
        config = (
            "providers:\n"
            f"  llama: {{type: openai, base_url: '{llama.url}/v1'}}\n"
            f"  embedder: {{type: openai, base_url: '{embedder.url}/v1'}}\n"
        )
        with Gateway(config) as gateway:
            yield gateway


@pytest.fixture
def direct(llama):
    with openai.OpenAI(base_url=llama.url + "/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=gateway.url, api_key="none", max_retries=0) as client:
        yield client


def test_its_models_are_listed(client, direct):
    theirs = [model.id for model in direct.models.list()]
    assert {f"llama/{name}" for name in theirs} <= {model.id for model in client.models.list()}


def test_a_chat_says_the_same_through_the_gateway(client, direct):
    ours = client.chat.completions.create(model="llama/any", messages=HELLO, **FIXED)
    theirs = direct.chat.completions.create(model="any", messages=HELLO, **FIXED)
    assert ours.choices == theirs.choices
    assert ours.usage.total_tokens == theirs.usage.total_tokens > 0


@pytest.mark.parametrize("counted", [False, True])
def test_a_stream_says_the_same_through_the_gateway(client, direct, counted):
    options = {"stream_options": {"include_usage": True}} if counted else {}

    def ask(client, model):
        chunks = list(client.chat.completions.create(model=model, messages=HELLO, stream=True, **FIXED, **options))
        return [chunk.choices for chunk in chunks], [chunk.usage for chunk in chunks if chunk.usage]

    (ours, our_usage), (theirs, their_usage) = ask(client, "llama/any"), ask(direct, "any")
    assert ours == theirs and len(ours) > 2
    assert len(our_usage) == len(their_usage) == counted


def test_structured_output(client):
    schema = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"]}
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    answer = client.chat.completions.create(
        model="llama/any", messages=HELLO, response_format=form, **{**FIXED, "max_tokens": 200}
    )
    assert answer.choices[0].message.content.lstrip().startswith("{")


def test_legacy_completions(client, direct):
    ours = client.completions.create(model="llama/any", prompt="hello", **FIXED)
    assert ours.choices[0].text == direct.completions.create(model="any", prompt="hello", **FIXED).choices[0].text


def test_responses(client):
    request = {"model": "llama/any", "input": "hello world", "max_output_tokens": 24, "temperature": 0}
    assert client.responses.create(**request).usage.output_tokens > 0
    kinds = [event.type for event in client.responses.create(**request, stream=True)]
    assert kinds[0] == "response.created" and kinds[-1] in ("response.completed", "response.incomplete")


def test_embeddings(client):
    answer = client.embeddings.create(model="embedder/any", input=["hello", "world"])
    assert len(answer.data) == 2 and len(answer.data[0].embedding) == len(answer.data[1].embedding) > 8


def test_messages_by_passthrough(gateway):
    with anthropic.Anthropic(base_url=gateway.root + "/p/llama", api_key="none", max_retries=0) as client:
        request = {"model": "any", "max_tokens": 24, "messages": HELLO}
        assert client.messages.create(**request).usage.output_tokens > 0
        with client.messages.stream(**request) as stream:
            assert stream.get_final_message().stop_reason


def test_its_own_endpoints_by_passthrough(gateway):
    headers = {"content-type": "application/json"}
    body = b'{"prompt":"hi","n_predict":4}'
    request = urllib.request.Request(gateway.root + "/p/llama/completions", data=body, headers=headers)
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200 and answer.headers["x-narthex-instance"] == "llama"


def test_its_errors(client, direct):
    for wrong in ({"messages": 7}, {"messages": HELLO, "temperature": "hot"}):
        statuses = []
        for one, model in ((client, "llama/any"), (direct, "any")):
            with pytest.raises(openai.APIStatusError) as failed:
                one.chat.completions.create(model=model, **wrong)
            statuses.append((failed.value.status_code, failed.value.message))
        assert statuses[0] == statuses[1]


def test_a_client_that_leaves(client, gateway):
    headers = {"x-request-id": "left"}
    # A model of random weights may have little to say.
    body = {"ignore_eos": True}
    request = {"model": "llama/any", "messages": HELLO, "stream": True, "max_tokens": 8000}
    with client.chat.completions.create(**request, extra_headers=headers, extra_body=body) as stream:
        next(iter(stream))
    assert gateway.access_line("left")["outcome"] == "client_gone"
