"""Vertex AI's jobs: the simulator as Google's own clients see it, and behind the gateway what is particular to them."""

import json

import pytest

from kept import MODEL, Kept, create, ended, lines, over, read, said
from simulator import Simulator

genai = pytest.importorskip("google.genai")
storage = pytest.importorskip("google.cloud.storage")

from google.api_core.exceptions import NotFound  # noqa: E402
from google.oauth2.credentials import Credentials  # noqa: E402

PROJECT, LOCATION = "p-1", "us-central1"
GEMINI = "publishers/google/models/gemini-x"
CLAUDE = f"vertex/anthropic/{MODEL}"


@pytest.fixture(scope="module")
def simulator():
    with Simulator() as simulator:
        yield simulator


def bucket_at(simulator, name="jobs"):
    client = storage.Client(
        project=PROJECT, credentials=Credentials("any"), client_options={"api_endpoint": simulator.root}
    )
    return client.bucket(name)


@pytest.fixture(scope="module")
def bucket(simulator):
    return bucket_at(simulator)


@pytest.fixture(scope="module")
def client(simulator):
    options = genai.types.HttpOptions(base_url=simulator.root)
    client = genai.Client(
        vertexai=True, project=PROJECT, location=LOCATION, credentials=Credentials("any"), http_options=options
    )
    with client:
        yield client


def asked(text, **more):
    return {"request": {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}}


def job(client, bucket, name, requests, model=GEMINI):
    bucket.blob(f"{name}/in.jsonl").upload_from_string("".join(json.dumps(line) + "\n" for line in requests))
    uri = f"gs://{bucket.name}/{name}"
    config = {"display_name": name, "dest": f"{uri}/out"}
    return client.batches.create(model=model, src=f"{uri}/in.jsonl", config=config)


class TestStorage:
    def test_an_object_from_beginning_to_end(self, bucket):
        blob = bucket.blob("a folder/ünïcödé.jsonl")
        blob.upload_from_string(b"one\r\n\r\ntwo", content_type="application/jsonl")
        assert (blob.size, blob.content_type) == (10, "application/jsonl")
        again = bucket.get_blob(blob.name)
        assert (again.name, again.size, again.time_created) == (blob.name, 10, blob.time_created)
        assert again.download_as_bytes() == b"one\r\n\r\ntwo"
        blob.upload_from_string(b"another")
        assert again.download_as_bytes() == b"another"
        blob.delete()
        assert bucket.get_blob(blob.name) is None
        for missing in (blob.delete, blob.download_as_bytes):
            with pytest.raises(NotFound, match="No such object: jobs/a folder/"):
                missing()

    def test_lists_are_paged(self, bucket):
        for number in range(5):
            bucket.blob(f"list/{number}").upload_from_string(b"x")
        listed = lambda **more: [blob.name for blob in bucket.list_blobs(**more)]  # noqa: E731
        everything = [f"list/{number}" for number in range(5)]
        assert listed(prefix="list/") == listed(prefix="list/", page_size=2) == everything
        assert listed(prefix="list/3") == ["list/3"]
        assert listed(prefix="none") == []
        pages = bucket.list_blobs(prefix="list/", page_size=2).pages
        assert [page.num_items for page in pages] == [2, 2, 1]
        assert "list/0" not in [blob.name for blob in bucket_at_other(bucket).list_blobs()]


def bucket_at_other(bucket):
    return bucket.client.bucket(bucket.name + "-2")


class TestJobs:
    def test_a_job(self, client, bucket):
        requests = [asked("hello", labels={"team": "a"}), asked("please fail:429"), {**asked("third"), "custom_id": "c"}]
        made = job(client, bucket, "one", requests)
        assert (made.state.name, made.display_name, made.model) == ("JOB_STATE_PENDING", "one", GEMINI)
        assert made.src.gcs_uri == ["gs://jobs/one/in.jsonl"] and made.dest.gcs_uri == "gs://jobs/one/out"
        running = client.batches.get(name=made.name)
        assert (running.state.name, running.output_info) == ("JOB_STATE_RUNNING", None)
        done = client.batches.get(name=made.name)
        assert done.state.name == "JOB_STATE_SUCCEEDED" and done.error is None and done.end_time
        assert (done.completion_stats.successful_count, done.completion_stats.failed_count) == (2, 1)
        directory = done.output_info.gcs_output_directory
        assert directory.startswith("gs://jobs/one/out/prediction-model-")
        (blob,) = bucket.list_blobs(prefix=directory.removeprefix("gs://jobs/"))
        assert blob.name.endswith("/predictions.jsonl")
        answers = [json.loads(line) for line in blob.download_as_bytes().splitlines()]
        told = {line["request"]["contents"][0]["parts"][0]["text"]: line for line in answers}
        good, bad = told["hello"], told["please fail:429"]
        assert good["status"] == "" and good["request"] == requests[0]["request"]
        answer = genai.types.GenerateContentResponse.model_validate(good["response"])
        assert "hello" in answer.text and answer.usage_metadata.total_token_count
        assert bad["response"] == {} and bad["status"].startswith('Too Many Requests: {"error":{"code":429')
        assert told["third"]["custom_id"] == "c"
        client.batches.delete(name=made.name)
        with pytest.raises(genai.errors.ClientError, match="404"):
            client.batches.get(name=made.name)

    def test_lists_are_paged_and_filtered(self, client, bucket):
        made = [job(client, bucket, f"list-{number}", [asked("x")]).name for number in range(3)]
        listed = lambda **config: [job.name for job in client.batches.list(config=config)]  # noqa: E731
        assert set(made) <= set(listed(page_size=1)) and listed(page_size=1) == listed()
        assert listed(filter='display_name="list-1"') == [made[1]]
        assert listed(filter='display_name="none"') == []
        with pytest.raises(genai.errors.ClientError, match="filter"):
            listed(filter='state="JOB_STATE_FAILED"')

    def test_cancelling(self, client, bucket):
        made = job(client, bucket, "cancelled", [asked("x")])
        client.batches.cancel(name=made.name)
        cancelled = client.batches.get(name=made.name)
        assert (cancelled.state.name, cancelled.error.code) == ("JOB_STATE_CANCELLED", 1)
        with pytest.raises(genai.errors.ClientError, match="over"):
            client.batches.cancel(name=made.name)

    @pytest.mark.parametrize(
        "requests, why",
        [
            ([{"contents": []}], "Line 1 is not an object with a `request`"),
            ([asked("x", generationConfig={})], "Cannot store struct 'request.generationConfig' with no fields"),
            ([], "There are no lines"),
        ],
    )
    def test_lines_are_imported_all_or_none(self, client, bucket, requests, why):
        failed = client.batches.get(name=job(client, bucket, "bad", requests).name)
        assert failed.state.name == "JOB_STATE_FAILED"
        assert failed.error.code == 3 and failed.error.message.startswith("Failed to import data.")
        assert why in failed.error.message

    def test_claude_has_lines_of_its_own(self, client, bucket):
        body = {"anthropic_version": "vertex-2023-10-16", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
        requests = [{"custom_id": "a", "request": body}, {"custom_id": "b", "request": {**body, "anthropic_version": None}}]
        name = job(client, bucket, "claude", requests, "publishers/anthropic/models/claude-x").name
        client.batches.get(name=name)
        done = client.batches.get(name=name)
        (blob,) = bucket.list_blobs(prefix="claude/out/")
        answers = {line["custom_id"]: line for line in map(json.loads, blob.download_as_bytes().splitlines())}
        assert (done.completion_stats.successful_count, done.completion_stats.failed_count) == (1, 1)
        assert "hi" in answers["a"]["response"]["content"][0]["text"]
        assert "anthropic_version: Field required" in answers["b"]["status"]


@pytest.fixture(scope="module")
def behind():
    with Kept(lambda: "path: kept.db", {"openai": "/v1", "vertex": ""}) as kept:
        yield kept


def test_claude_is_asked_by_its_own_api(behind):
    with behind.openai() as client:
        batch = over(client, create(client, "vertex", lines(CLAUDE)))
        assert (batch.status, batch.request_counts.completed, batch.request_counts.failed) == ("completed", 3, 1)
        output = read(client, batch.output_file_id)
        assert "the last one" in said("/v1/chat/completions", output["request-3"])[0]
        (error,) = read(client, batch.error_file_id).values()
        assert error["response"]["status_code"] == 400
    with behind.anthropic() as client:
        params = {"model": CLAUDE, "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
        batch = ended(client, client.messages.batches.create(requests=[{"custom_id": "m", "params": params}]))
        (result,) = client.messages.batches.results(batch.id)
        assert "hello" in result.result.message.content[0].text


def test_tools_without_parameters_can_be_imported(behind):
    tools = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}]
    called = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "what time is it?"},
        {"role": "assistant", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c1", "content": "noon"},
    ]
    (line,) = lines("vertex/simulator", words=["x"])
    line["body"] |= {"messages": messages, "tools": tools}
    with behind.openai() as client:
        batch = over(client, create(client, "vertex", [line]))
        assert batch.status == "completed", batch.errors
        assert "noon" in said(line["url"], read(client, batch.output_file_id)["request-0"])[0]


def test_nothing_is_left_in_the_bucket(behind):
    """Neither what was put there nor what the jobs have written."""
    with behind.openai() as client:
        over(client, create(client, "vertex", lines("vertex/simulator")))
    bucket = bucket_at(behind.simulator)
    assert list(bucket.list_blobs()) == []
    assert [file for file in behind.log()["files"] if file["vendor"] == "vertex"] == []
