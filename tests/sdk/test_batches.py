"""Batches by the Python SDK of OpenAI, over providers of every kind: the same requests come to the same end."""

import json
import time

import pytest

from kept import MODEL, PROVIDERS, WORDS, Kept, create, jsonl, lines, over, read, said, until

openai = pytest.importorskip("openai")

ENDPOINTS = ["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/messages"]
# So many that they are not all answered before anybody can say no.
MANY = [str(number) for number in range(40)]
# Whose batches make embeddings.
EMBED = ["openai", "azure", "bailian", "ollama"]


@pytest.fixture
def client(kept):
    with kept.openai() as client:
        yield client


def outcome(client, batch, url):
    """All that may not differ from provider to provider."""
    output, errors = read(client, batch.output_file_id), read(client, batch.error_file_id)
    for result in [*output.values(), *errors.values()]:
        assert result["id"] and result["response"]["request_id"] is not None or result["error"]
    counts = batch.request_counts
    return {
        "status": batch.status,
        "counts": (counts.total, counts.completed, counts.failed),
        "endpoint": batch.endpoint,
        "metadata": batch.metadata,
        "said": {name: (result["response"]["status_code"], said(url, result)) for name, result in output.items()},
        "failed": {name: result["response"]["status_code"] for name, result in errors.items()},
    }


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("url", ENDPOINTS)
def test_the_same_requests_come_to_the_same_end(kept, client, provider, url):
    if url == "/v1/embeddings" and provider not in EMBED:
        return
    requests = lines(f"{provider}/{MODEL}", url)
    alone = {"/v1/responses": client.responses.create, "/v1/embeddings": client.embeddings.create}
    batch = over(client, create(client, provider, requests, metadata={"who": "me"}))
    found = outcome(client, batch, url)
    assert {**found, "said": {name: status for name, (status, _) in found["said"].items()}} == {
        "status": "completed",
        "counts": (4, 3, 1),
        "endpoint": url,
        "metadata": {"who": "me"},
        "said": {"request-0": 200, "request-1": 200, "request-3": 200},
        "failed": {"request-2": 400},
    }
    for number, words in enumerate(WORDS):
        if number == 2:
            continue
        answered = found["said"][f"request-{number}"][1]
        if url == "/v1/embeddings":
            expected = alone[url](model=f"{provider}/{MODEL}", input=words, dimensions=4, encoding_format="float")
            assert answered[0] == pytest.approx(expected.data[0].embedding)
        else:
            assert words in "".join(answered), answered
    assert batch.usage.total_tokens > 0
    assert batch.usage.total_tokens == batch.usage.input_tokens + batch.usage.output_tokens
    error = read(client, batch.error_file_id)["request-2"]["response"]["body"]["error"]
    assert error["message"]
    assert batch.completed_at >= batch.created_at


@pytest.mark.parametrize("provider", PROVIDERS)
def test_requests_may_come_with_the_batch(client, provider):
    batch = client.post(
        "/batches",
        cast_to=openai.types.Batch,
        body={"endpoint": "/v1/chat/completions", "requests": lines(f"{provider}/{MODEL}"), "metadata": {"a": "b"}},
    )
    batch = over(client, batch)
    assert (batch.status, batch.request_counts.completed, batch.request_counts.failed) == ("completed", 3, 1)
    assert len(read(client, batch.output_file_id)) == 3
    # What was sent can be read like any file.
    assert [json.loads(line) for line in client.files.content(batch.input_file_id).text.splitlines()] == lines(
        f"{provider}/{MODEL}"
    )


@pytest.mark.parametrize("model, named", [("fast", "openai"), ("openai/simulator", "openai")])
def test_models_are_resolved_as_ever(client, model, named):
    batch = over(client, create(client, named, lines(model, words=["one"])))
    assert (batch.status, batch.model) == ("completed", model)
    results = read(client, batch.output_file_id)
    assert "one" in said("/v1/chat/completions", results["request-0"])[0]


def test_lists_are_paged(client):
    made = {create(client, name, lines(f"{name}/{MODEL}", words=["one"])).id for name in ("openai", "gemini", "ollama")}
    for limit in (1, 2, 100):
        listed = list(client.batches.list(limit=limit))
        names = [batch.id for batch in listed]
        assert len(set(names)) == len(names) and made <= set(names)
        times = [batch.created_at for batch in listed]
        assert times == sorted(times, reverse=True)
    with pytest.raises(openai.NotFoundError):
        client.batches.list(after="batch_none")
    for name in made:
        over(client, client.batches.retrieve(name))


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("looks", [0, 3])
def test_a_batch_can_be_cancelled(slow, provider, looks):
    with slow.openai() as client:
        batch = create(client, provider, lines(f"{provider}/{MODEL}", words=MANY))
        for _ in range(looks):
            client.batches.retrieve(batch.id)
        cancelled = client.batches.cancel(batch.id)
        assert cancelled.status in ("cancelling", "cancelled")
        assert cancelled.cancelling_at
        batch = over(client, batch)
        assert (batch.status, batch.request_counts.total) == ("cancelled", len(MANY))
        assert batch.cancelled_at
        output, errors = read(client, batch.output_file_id), read(client, batch.error_file_id)
        assert len(output) + len(errors) == len(MANY)
        assert len(output) == batch.request_counts.completed
        assert all(result["error"]["code"] == "batch_cancelled" for result in errors.values())
        with pytest.raises(openai.ConflictError) as refused:
            client.batches.cancel(batch.id)
        assert refused.value.code == "batch_not_cancellable"


@pytest.mark.parametrize("ending", ["failed", "expired", "cancelled"])
def test_providers_may_end_a_batch_otherwise(store, ending):
    providers = {name: PROVIDERS[name] for name in ("openai", "anthropic", "gemini", "xai", "bedrock", "vertex")}
    with Kept(store, providers, flags=["--batch-fail", ending]) as kept, kept.openai() as client:
        for provider in providers:
            batch = over(client, create(client, provider, lines(f"{provider}/{MODEL}", words=["a", "b", "c", "d"])))
            output, errors = read(client, batch.output_file_id), read(client, batch.error_file_id)
            told = (provider, batch.status, len(output), len(errors), batch.request_counts)
            assert batch.request_counts.completed == len(output), told
            # xAI knows no other end than that it stops a batch.
            assert batch.status in (ending, "cancelled" if provider == "xai" else "completed"), told
            assert batch.status != "completed" or len(output) < 4, told


def test_without_batches_there_is_none(store):
    with Kept(store, {"openai": "/v1", "ollama": "/v1"}, emulate=False) as kept, kept.openai() as client:
        with pytest.raises(openai.BadRequestError, match="batches.emulate: true"):
            client.post("/batches", cast_to=object, body={"requests": lines(f"ollama/{MODEL}")})
        with pytest.raises(openai.BadRequestError, match="Line 1 asks for `ollama/simulator`, which it does not serve."):
            create(client, "openai", lines(f"ollama/{MODEL}"))
        with pytest.raises(openai.BadRequestError, match="`ollama` \\(Ollama\\) keeps no files"):
            create(client, "ollama", lines(f"ollama/{MODEL}"))


def test_nobody_needs_to_ask(kept):
    """Status and usage are right by the time that somebody does."""
    with kept.openai() as client:
        batch = create(client, "anthropic", lines(f"anthropic/{MODEL}"))
        listed = lambda: next(found for found in client.batches.list() if found.id == batch.id)  # noqa: E731
        found = until(listed, lambda batch: batch.status == "completed", "for it to be done by itself")
        assert found.usage.total_tokens > 0


def test_bad_requests_are_told_by_line(client):
    good, *_ = lines(f"anthropic/{MODEL}", words=["one"])
    wrong = [{**good, "custom_id": "b", "method": "GET"}, {**good, "custom_id": "c", "url": "/v1/files"}, good]
    with pytest.raises(openai.BadRequestError) as refused:
        create(client, "anthropic", [good, *wrong])
    error = refused.value
    assert (error.code, error.param) == ("invalid_batch_lines", "input_file_id")
    assert "line 2: `method` must be POST" in error.message
    assert "line 3: `url` is none of those that batches know" in error.message
    assert "line 4: `custom_id` has been used before" in error.message
    with pytest.raises(openai.NotFoundError, match="There is no file `file-none`"):
        client.batches.create(input_file_id="file-none", endpoint="/v1/responses", completion_window="24h")
    with pytest.raises(openai.NotFoundError, match="There is no batch `batch_none`"):
        client.batches.retrieve("batch_none")
    with pytest.raises(openai.BadRequestError, match="the batch is for `/v1/responses`"):
        create(client, "anthropic", [good], endpoint="/v1/responses")


def test_a_repeated_request_makes_one_batch(kept, client):
    before = kept.log()["batches_made"]
    file = client.files.create(
        file=("in.jsonl", jsonl(lines(f"openai/{MODEL}"))), purpose="batch", extra_query={"provider": "openai"}
    )
    asked = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    made = [
        client.batches.create(**asked, extra_headers={"idempotency-key": f"once-{time.time_ns() // 10**15}"}).id
        for _ in range(3)
    ]
    assert len(set(made)) == 1
    assert kept.log()["batches_made"] == before + 1
