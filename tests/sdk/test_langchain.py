"""LangChain's OpenAI chat model, which brings an older major version of the SDK with it."""

import pytest

langchain_openai = pytest.importorskip("langchain_openai")


@pytest.fixture
def model(gateway):
    return langchain_openai.ChatOpenAI(model="simulator", base_url=gateway.url, api_key=gateway.key, max_retries=0)


def test_a_chat(model):
    answer = model.invoke("hello")
    assert "You said: hello" in answer.content
    assert answer.usage_metadata["total_tokens"] > 0


def test_a_stream(model):
    whole = None
    for chunk in model.stream("hello", stream_usage=True):
        whole = chunk if whole is None else whole + chunk
    assert "You said: hello" in whole.content
    assert whole.usage_metadata["total_tokens"] > 0


def test_a_tool(model):
    schema = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    answer = model.bind_tools([{"type": "function", "function": schema}]).invoke("the weather, please")
    assert answer.tool_calls[0]["name"] == "weather"


def test_embeddings(gateway):
    # It tokenises by itself unless told not to, and would fetch the vocabulary.
    embedder = langchain_openai.OpenAIEmbeddings(
        model="simulator-embedding", base_url=gateway.url, api_key=gateway.key, check_embedding_ctx_length=False
    )
    assert len(embedder.embed_query("hello")) > 0
