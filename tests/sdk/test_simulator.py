"""The simulator itself, asked by the SDKs with nothing in between: files up, a batch made, looked at, and its answers down."""

import io
import json

import pytest

from simulator import Simulator

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def simulator():
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def openai_client(simulator):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{simulator.root}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(simulator):
    anthropic = pytest.importorskip("anthropic")
    with anthropic.Anthropic(base_url=simulator.root, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def genai_client(simulator):
    genai = pytest.importorskip("google.genai")
    with genai.Client(api_key="any", http_options=genai.types.HttpOptions(base_url=simulator.root)) as client:
        yield client


def jsonl(*lines):
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def read(text):
    return {line["custom_id"]: line for line in map(json.loads, text.splitlines())}


class TestOpenai:
    def line(self, name, text, url=CHAT):
        body = {"model": "m", "messages": [{"role": "user", "content": text}]}
        return {"custom_id": name, "method": "POST", "url": url, "body": body}

    def batch(self, client, *lines, **more):
        file = client.files.create(
            file=("in.jsonl", jsonl(*lines)), purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
        )
        assert (file.status, file.purpose, file.expires_at - file.created_at) == ("processed", "batch", 3600)
        return client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h", **more)

    def test_a_batch(self, openai_client):
        batch = self.batch(openai_client, self.line("a", "hello"), self.line("b", "fail:429"), metadata={"k": "v"})
        assert (batch.status, batch.metadata) == ("validating", {"k": "v"})
        assert openai_client.batches.retrieve(batch.id).status == "in_progress"
        batch = openai_client.batches.retrieve(batch.id)
        counts = batch.request_counts
        assert (batch.status, counts.total, counts.completed, counts.failed) == ("completed", 2, 1, 1)
        assert (batch.model, batch.usage.input_tokens) == ("m", 1)
        output = read(openai_client.files.content(batch.output_file_id).text)
        assert "hello" in output["a"]["response"]["body"]["choices"][0]["message"]["content"]
        errors = read(openai_client.files.content(batch.error_file_id).text)
        assert errors["b"]["response"]["status_code"] == 429
        assert batch.id in [listed.id for listed in openai_client.batches.list(limit=1)]

    def test_bad_lines(self, openai_client):
        batch = self.batch(openai_client, self.line("a", "x"), self.line("b", "x", url="/v1/embeddings"))
        batch = openai_client.batches.retrieve(batch.id)
        assert batch.status == "failed"
        assert [(error.code, error.line, error.param) for error in batch.errors.data] == [("invalid_url", 2, "url")]

    def test_cancelling(self, openai_client):
        import openai

        batch = self.batch(openai_client, self.line("a", "x"))
        assert openai_client.batches.cancel(batch.id).status == "cancelling"
        assert openai_client.batches.retrieve(batch.id).status == "cancelled"
        with pytest.raises(openai.NotFoundError):
            openai_client.batches.cancel("batch_none")

    def test_files(self, openai_client):
        import openai

        made = [openai_client.files.create(file=(f"{i}.txt", b"x"), purpose="vision") for i in range(3)]
        listed = [file.id for file in openai_client.files.list(purpose="vision", order="asc", limit=2)]
        assert listed == [file.id for file in made]
        for file in made:
            assert openai_client.files.delete(file.id).deleted
        with pytest.raises(openai.NotFoundError):
            openai_client.files.retrieve(made[0].id)


def test_azure(simulator):
    openai = pytest.importorskip("openai")
    client = openai.AzureOpenAI(azure_endpoint=simulator.root, api_key="any", api_version="2024-10-21", max_retries=0)
    with client:
        line = TestOpenai().line("a", "hello", url="/chat/completions")
        file = client.files.create(file=("in.jsonl", jsonl(line)), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/chat/completions", completion_window="24h")
        for _ in range(2):
            batch = client.batches.retrieve(batch.id)
        assert "hello" in client.files.content(batch.output_file_id).text


class TestAnthropic:
    def request(self, name, text):
        messages = [{"role": "user", "content": text}]
        return {"custom_id": name, "params": {"model": "m", "max_tokens": 64, "messages": messages}}

    def test_a_batch(self, anthropic_client):
        batches = anthropic_client.messages.batches
        batch = batches.create(requests=[self.request("a", "hello"), self.request("b", "fail:529")])
        assert (batch.processing_status, batch.results_url) == ("in_progress", None)
        assert batches.retrieve(batch.id).request_counts.processing == 2
        batch = batches.retrieve(batch.id)
        assert (batch.processing_status, batch.request_counts.succeeded, batch.request_counts.errored) == ("ended", 1, 1)
        results = {line.custom_id: line.result for line in batches.results(batch.id)}
        assert "hello" in results["a"].message.content[0].text
        assert (results["b"].type, results["b"].error.error.type) == ("errored", "overloaded_error")
        assert batch.id in [listed.id for listed in batches.list(limit=1)]
        assert batches.delete(batch.id).type == "message_batch_deleted"

    def test_cancelling(self, anthropic_client):
        batches = anthropic_client.messages.batches
        batch = batches.create(requests=[self.request("a", "x")])
        assert batches.cancel(batch.id).processing_status == "canceling"
        assert batches.retrieve(batch.id).request_counts.canceled == 1
        assert [line.result.type for line in batches.results(batch.id)] == ["canceled"]

    def test_files(self, anthropic_client):
        import anthropic

        made = [anthropic_client.files.upload(file=(f"{i}.txt", b"abc", "text/plain")) for i in range(3)]
        assert (made[0].size_bytes, made[0].mime_type, made[0].downloadable) == (3, "text/plain", False)
        assert {file.id for file in anthropic_client.files.list(limit=2)} == {file.id for file in made}
        assert anthropic_client.files.retrieve_metadata(made[1].id) == made[1]
        with pytest.raises(anthropic.BadRequestError):
            anthropic_client.files.download(made[0].id)
        for file in made:
            assert anthropic_client.files.delete(file.id).type == "file_deleted"


class TestGemini:
    def test_inline_requests(self, genai_client):
        requests = [
            {"contents": "hello", "metadata": {"key": "a"}, "config": {"temperature": 0.5}},
            {"contents": "fail:429"},
        ]
        batches = genai_client.batches
        batch = batches.create(model="gemini-x", src=requests, config={"display_name": "mine"})
        assert (batch.state.name, batch.display_name) == ("JOB_STATE_PENDING", "mine")
        assert batches.get(name=batch.name).state.name == "JOB_STATE_RUNNING"
        batch = batches.get(name=batch.name)
        assert (batch.state.name, batch.model) == ("JOB_STATE_SUCCEEDED", "models/gemini-x")
        good, bad = batch.dest.inlined_responses
        assert "hello" in good.response.text and good.metadata == {"key": "a"}
        assert (bad.response, bad.error.code) == (None, 8)
        assert batch.name in [listed.name for listed in batches.list(config={"page_size": 1})]
        batches.delete(name=batch.name)

    def test_a_file(self, genai_client):
        request = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
        content = io.BytesIO(jsonl({"key": "a", "request": request}))
        file = genai_client.files.upload(file=content, config={"mime_type": "application/jsonl", "display_name": "in"})
        assert (file.state.name, file.size_bytes, file.display_name) == ("ACTIVE", len(content.getvalue()), "in")
        batch = genai_client.batches.create(model="gemini-x", src=file.name)
        genai_client.batches.get(name=batch.name)
        batch = genai_client.batches.get(name=batch.name)
        (line,) = genai_client.files.download(file=batch.dest.file_name).splitlines()
        line = json.loads(line)
        assert line["key"] == "a" and "hello" in line["response"]["candidates"][0]["content"]["parts"][0]["text"]
        assert genai_client.files.get(name=file.name).sha256_hash
        assert file.name in [listed.name for listed in genai_client.files.list(config={"page_size": 1})]
        genai_client.files.delete(name=file.name)

    def test_a_file_in_pieces(self, genai_client):
        # The SDK sends 8 MiB at a time.
        content = b"0123456789abcdef" * (20 << 16)
        file = genai_client.files.upload(file=io.BytesIO(content), config={"mime_type": "text/plain"})
        assert file.size_bytes == len(content)
        genai_client.files.delete(name=file.name)

    @pytest.mark.filterwarnings("ignore:.*experimental")
    def test_embeddings(self, genai_client):
        src = {"inlined_requests": {"contents": ["one", "two"], "config": {"output_dimensionality": 8}}}
        batch = genai_client.batches.create_embeddings(model="embedding", src=src)
        genai_client.batches.get(name=batch.name)
        batch = genai_client.batches.get(name=batch.name)
        answers = batch.dest.inlined_embed_content_responses
        assert [len(answer.response.embedding.values) for answer in answers] == [8, 8]

    def test_cancelling(self, genai_client):
        batch = genai_client.batches.create(model="m", src=[{"contents": "x"}])
        genai_client.batches.cancel(name=batch.name)
        assert genai_client.batches.get(name=batch.name).state.name == "JOB_STATE_CANCELLED"


def test_the_log(simulator, openai_client):
    """What was done how often, whoever asked."""
    batch = TestOpenai().batch(openai_client, TestOpenai().line("logged", "x"))
    assert "logged" not in simulator.log()["runs"]
    for _ in range(5):
        openai_client.batches.retrieve(batch.id)
    log = simulator.log()
    assert log["runs"]["logged"] == 1
    (logged,) = [logged for logged in log["batches"] if logged["id"] == batch.id]
    assert (logged["looks"], logged["state"], logged["lines"]) == (5, "completed", [{"name": "logged", "runs": 1}])
