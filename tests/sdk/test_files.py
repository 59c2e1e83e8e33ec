"""Files by the SDKs of OpenAI and Anthropic, over providers of every kind that keeps some."""

import hashlib

import pytest

from kept import MODEL, PROVIDERS, Kept, jsonl, lines

openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")

OPENAIS = ["openai", "azure", "groq", "bailian", "xai"]
KEEPERS = [*OPENAIS, "anthropic", "gemini"]
# Purposes of files that OpenAI does not give back.
SEALED = ["user_data", "assistants"]
CONTENT = bytes(range(256)) * 5000
HOUR = 3600


@pytest.fixture
def client(kept):
    with kept.openai() as client:
        yield client


def at(provider):
    return {"extra_query": {"provider": provider}}


def digests(kept):
    return {file["sha256"]: file for file in kept.log()["files"]}


@pytest.mark.parametrize("provider", KEEPERS)
@pytest.mark.parametrize("purpose", ["user_data", "assistants", "vision", "fine-tune", "evals"])
def test_a_file_of_any_purpose(kept, client, provider, purpose):
    content = f"{provider} {purpose} ".encode() + CONTENT
    made = client.files.create(file=(f"{purpose}.bin", content), purpose=purpose, **at(provider))
    assert (made.object, made.filename, made.bytes) == ("file", f"{purpose}.bin", len(content))
    there = digests(kept)[hashlib.sha256(content).hexdigest()]
    assert (there["name"], there["bytes"]) == (f"{purpose}.bin", len(content))
    shown = client.files.retrieve(made.id)
    assert (shown.id, shown.bytes, shown.created_at) == (made.id, len(content), made.created_at)
    if provider in OPENAIS:
        assert (made.purpose, shown.purpose, there["purpose"]) == (purpose, purpose, purpose)
    if provider in OPENAIS and purpose not in SEALED:
        assert client.files.content(made.id).content == content
    else:
        # Nor can what was uploaded be had from Anthropic and Google again.
        with pytest.raises(openai.BadRequestError):
            client.files.content(made.id)
    assert made.id in [file.id for file in client.files.list(**at(provider))]
    gone = client.files.delete(made.id)
    assert (gone.id, gone.deleted) == (made.id, True)
    for gone in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError) as refused:
            gone(made.id)
        assert refused.value.code == "file_not_found"
    assert hashlib.sha256(content).hexdigest() not in digests(kept)


@pytest.mark.parametrize("provider", ["anthropic", "gemini", "ollama", "xai", "openai"])
def test_requests_are_had_as_they_were(client, provider):
    """Where batches do not take files, the gateway keeps them."""
    content = jsonl(lines(f"{provider}/{MODEL}"))
    made = client.files.create(file=("in.jsonl", content), purpose="batch", **at(provider))
    assert (made.purpose, made.bytes, made.filename) == ("batch", len(content), "in.jsonl")
    assert client.files.content(made.id).content == content
    assert made.id in [file.id for file in client.files.list(purpose="batch")]
    assert made.id not in [file.id for file in client.files.list(purpose="vision")]
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)


@pytest.mark.parametrize("provider", ["openai", "azure", "ollama"])
def test_files_expire(client, provider):
    made = client.files.create(
        file=("in.jsonl", jsonl(lines(f"{provider}/{MODEL}"))),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": HOUR},
        **at(provider),
    )
    assert abs(made.expires_at - made.created_at - HOUR) <= 1
    assert client.files.retrieve(made.id).expires_at == made.expires_at


@pytest.mark.parametrize("by", ["query", "field", "header", "name of an instance"])
def test_a_provider_is_named(kept, client, by):
    named = {
        "query": at("groq"),
        "field": {"extra_body": {"provider": "groq"}},
        "header": {"extra_headers": {"x-narthex-instance": "groq"}},
        "name of an instance": at("groq"),
    }[by]
    content = f"named by {by}".encode()
    made = client.files.create(file=("a.txt", content), purpose="vision", **named)
    assert client.files.content(made.id).content == content
    assert hashlib.sha256(content).hexdigest() in digests(kept)


def test_nobody_is_guessed(client):
    with pytest.raises(openai.BadRequestError, match="Several providers keep files: .*`openai`") as refused:
        client.files.create(file=("a.txt", b"x"), purpose="user_data")
    assert (refused.value.code, refused.value.param) == ("ambiguous_provider", "provider")
    with pytest.raises(openai.BadRequestError, match="`nobody` is not a configured provider; configured are"):
        client.files.create(file=("a.txt", b"x"), purpose="user_data", **at("nobody"))
    with pytest.raises(openai.BadRequestError, match="`ollama` \\(Ollama\\) keeps no files for this purpose"):
        client.files.create(file=("a.txt", b"x"), purpose="user_data", **at("ollama"))


def test_what_the_provider_refuses_is_told(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.create(file=("a.txt", b"x"), purpose="nonsense", **at("openai"))
    assert refused.value.param == "purpose"
    with pytest.raises(openai.BadRequestError, match="expires_after.seconds"):
        client.files.create(
            file=("a.txt", b"x"),
            purpose="vision",
            expires_after={"anchor": "created_at", "seconds": 5},
            **at("openai"),
        )


@pytest.fixture(scope="session")
def three(store):
    """Three instances that keep files, each in its own way."""
    with Kept(store, {name: PROVIDERS[name] for name in ("openai", "anthropic", "gemini", "ollama")}) as kept:
        yield kept


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_one_list_of_all(three, order, limit):
    with three.openai() as client:
        made = set()
        for number in range(3):
            for provider in ("openai", "anthropic", "gemini"):
                file = (f"{provider}-{number}.txt", b"x")
                made.add(client.files.create(file=file, purpose="user_data", **at(provider)).id)
            file = ("in.jsonl", jsonl(lines(f"ollama/{MODEL}")))
            made.add(client.files.create(file=file, purpose="batch", **at("ollama")).id)
        listed = list(client.files.list(order=order, limit=limit))
        names = [file.id for file in listed]
        assert len(set(names)) == len(names)
        assert made <= set(names)
        times = [file.created_at for file in listed]
        assert times == sorted(times, reverse=order == "desc")
        for name in made:
            client.files.delete(name)
        assert not made & {file.id for file in client.files.list()}


@pytest.mark.parametrize("provider", KEEPERS)
@pytest.mark.parametrize("surface", ["files", "beta"])
def test_files_by_anthropics_sdk(kept, provider, surface):
    with kept.anthropic() as client:
        files = client.files if surface == "files" else client.beta.files
        content = f"{surface} {provider} ".encode() + CONTENT
        made = files.upload(file=("a.txt", content, "text/plain"), **at(provider))
        assert (made.type, made.filename, made.size_bytes) == ("file", "a.txt", len(content))
        assert hashlib.sha256(content).hexdigest() in digests(kept)
        shown = files.retrieve_metadata(made.id)
        assert (shown.id, shown.size_bytes, shown.created_at) == (made.id, len(content), made.created_at)
        with pytest.raises(anthropic.BadRequestError, match="(?i)download"):
            files.download(made.id)
        assert made.id in [file.id for file in files.list(limit=2, **at(provider))]
        assert files.delete(made.id).type == "file_deleted"
        with pytest.raises(anthropic.NotFoundError):
            files.retrieve_metadata(made.id)


def test_an_anthropic_list_has_pages(three):
    with three.anthropic() as client, three.openai() as other:
        made = {client.files.upload(file=(f"{i}.txt", b"x"), **at("anthropic")).id for i in range(3)}
        made |= {other.files.create(file=(f"{i}.txt", b"x"), purpose="vision", **at("openai")).id for i in range(3)}
        for limit in (1, 2, 50):
            names = [file.id for file in client.files.list(limit=limit)]
            assert len(set(names)) == len(names)
            assert made <= set(names)
        for name in made:
            client.files.delete(name)


def test_each_key_has_its_own(store):
    keys = "keys: {one: {value: sk-one-one-one}, two: {value: sk-two-two-two}}"
    with Kept(store, {"openai": "/v1", "anthropic": "/v1"}, more=keys) as kept:
        clients = [openai.OpenAI(base_url=kept.gateway.url, api_key=f"sk-{n}-{n}-{n}", max_retries=0) for n in ("one", "two")]
        one, two = clients
        made = [one.files.create(file=("a.txt", b"mine"), purpose="vision", **at("openai"))]
        made += [one.files.create(file=("in.jsonl", jsonl(lines("anthropic/simulator"))), purpose="batch", **at("anthropic"))]
        for file in made:
            for ask in (two.files.retrieve, two.files.content, two.files.delete):
                with pytest.raises(openai.NotFoundError):
                    ask(file.id)
            assert file.id not in [listed.id for listed in two.files.list()]
            assert file.id in [listed.id for listed in one.files.list()]
            assert one.files.retrieve(file.id).id == file.id
        with pytest.raises(openai.NotFoundError):
            two.batches.create(input_file_id=made[1].id, endpoint="/v1/chat/completions", completion_window="24h")
        for client in clients:
            client.close()
