"""Message batches by Anthropic's Python SDK, over providers of every kind."""

import pytest

from kept import MODEL, ended

anthropic = pytest.importorskip("anthropic")

PROVIDERS = ["openai", "azure", "xai", "anthropic", "gemini", "bedrock", "vertex", "ollama"]


@pytest.fixture
def client(kept):
    with kept.anthropic() as client:
        yield client


def requests(provider, words=("hello", "please fail:400", "the last one")):
    def params(text):
        return {"model": f"{provider}/{MODEL}", "max_tokens": 99, "messages": [{"role": "user", "content": text}]}

    return [{"custom_id": f"m{i}", "params": params(text)} for i, text in enumerate(words)]


def counted(batch):
    counts = batch.request_counts
    return counts.processing, counts.succeeded, counts.errored, counts.canceled, counts.expired


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_message_batch_from_beginning_to_end(client, provider):
    made = client.messages.batches.create(requests=requests(provider))
    assert (made.type, made.processing_status, counted(made)) == ("message_batch", "in_progress", (3, 0, 0, 0, 0))
    assert made.expires_at > made.created_at
    assert made.results_url is None and made.ended_at is None
    batch = ended(client, made)
    assert counted(batch) == (0, 2, 1, 0, 0)
    assert batch.ended_at >= batch.created_at.replace(microsecond=0)
    results = {result.custom_id: result.result for result in client.messages.batches.results(batch.id)}
    assert {name: result.type for name, result in results.items()} == {
        "m0": "succeeded",
        "m1": "errored",
        "m2": "succeeded",
    }
    for name, words in (("m0", "hello"), ("m2", "the last one")):
        message = results[name].message
        assert words in message.content[0].text
        assert message.usage.output_tokens > 0
        assert (message.role, message.stop_reason) == ("assistant", "end_turn")
    assert results["m1"].error.error.type == "invalid_request_error"
    assert client.messages.batches.delete(batch.id).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(batch.id)


def test_lists_are_paged(client):
    made = {client.messages.batches.create(requests=requests("anthropic")).id for _ in range(3)}
    for limit in (1, 2, 100):
        names = [batch.id for batch in client.messages.batches.list(limit=limit)]
        assert len(set(names)) == len(names) and made <= set(names)
    last = names[2]
    before = client.messages.batches.list(before_id=last, limit=1)
    assert [batch.id for batch in before.data] == [names[1]]
    for name in made:
        ended(client, client.messages.batches.retrieve(name))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_message_batch_can_be_canceled(slow, provider):
    with slow.anthropic() as client:
        batch = client.messages.batches.create(requests=requests(provider, [str(number) for number in range(40)]))
        with pytest.raises(anthropic.ConflictError):
            client.messages.batches.delete(batch.id)
        with pytest.raises(anthropic.AnthropicError):
            list(client.messages.batches.results(batch.id))
        cancelled = client.messages.batches.cancel(batch.id)
        assert cancelled.processing_status in ("canceling", "ended")
        assert cancelled.cancel_initiated_at
        batch = ended(client, batch)
        assert batch.request_counts.canceled >= 1
        assert sum(counted(batch)) == 40
        types = [result.result.type for result in client.messages.batches.results(batch.id)]
        assert len(types) == 40 and types.count("canceled") == batch.request_counts.canceled


def test_what_is_wrong_is_told_in_anthropics_words(client):
    with pytest.raises(anthropic.NotFoundError) as refused:
        client.messages.batches.retrieve("msgbatch_none")
    assert refused.value.body["error"]["type"] == "not_found_error"
    bad = requests("anthropic")
    bad[1]["custom_id"] = "not allowed!"
    with pytest.raises(anthropic.BadRequestError, match="request 2: `custom_id` has 1 to 64 letters"):
        client.messages.batches.create(requests=bad)
    with pytest.raises(anthropic.BadRequestError, match="`requests` is missing or empty"):
        client.messages.batches.create(requests=[])
    twice = requests("anthropic", ["a", "b"])
    twice[1]["custom_id"] = twice[0]["custom_id"]
    with pytest.raises(anthropic.BadRequestError, match="request 2: `custom_id` has been used before"):
        client.messages.batches.create(requests=twice)


def test_one_batch_is_both(kept):
    """A message batch is a batch of OpenAI's shape, too."""
    with kept.anthropic() as messages, kept.openai() as client:
        batch = ended(messages, messages.messages.batches.create(requests=requests("gemini")))
        shown = client.batches.retrieve(batch.id)
        assert (shown.status, shown.request_counts.completed) == ("completed", 2)
        assert len(client.files.content(shown.output_file_id).text.splitlines()) == 2
