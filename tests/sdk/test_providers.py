"""Every provider that a key or nothing opens, asked by the official SDKs of three vendors: whichever dialect the client speaks, the
provider's own is spoken to it. (Vertex AI and Bedrock, which want more than a key, have tests of their own.)"""

import anthropic
import openai
import pytest
from google import genai

from gateway import Gateway
from simulator import Simulator

MODEL = "simulator"
# Type → base URL below the simulator's root.
PROVIDERS = {
    "anthropic": "/v1",
    "azure": "/openai/v1",
    "bailian": "/compatible-mode/v1",
    "deepseek": "/v1",
    "gemini": "/v1beta/openai",
    "groq": "/openai/v1",
    "minimax": "/v1",
    "ollama": "/v1",
    "openai": "/v1",
    "opencode-go": "/v1",
    "openrouter": "/v1",
    "oracle": "/v1",
    "vllm": "/v1",
    "xai": "/v1",
    "xiaomi": "/v1",
    "zai": "/v1",
}
EMBED = ["azure", "bailian", "gemini", "groq", "ollama", "openai", "openrouter", "vllm", "xai", "zai"]
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
HI = [{"role": "user", "content": "Say hello"}]


@pytest.fixture(scope="module")
def gateway():
    with Simulator() as simulator:
        lines = ["inventory: {mode: allowlist}", "store: {path: ':memory:'}", "providers:"]
        for name, path in PROVIDERS.items():
            lines.append(f"  {name}: {{api_key: key, base_url: '{simulator.root}{path}', models: [{MODEL}]}}")
        with Gateway("\n".join(lines) + "\n") as running:
            yield running


@pytest.fixture(params=PROVIDERS)
def model(request):
    return f"{request.param}/{MODEL}"


@pytest.fixture(scope="module")
def client(gateway):
    return openai.OpenAI(base_url=gateway.url, api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def claude(gateway):
    return anthropic.Anthropic(base_url=gateway.root, api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def google(gateway):
    return genai.Client(api_key="none", http_options={"base_url": gateway.root})


def test_chat(client, model):
    whole = client.chat.completions.create(model=model, messages=HI)
    assert whole.choices[0].message.content and whole.choices[0].finish_reason == "stop"
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
    with client.chat.completions.stream(model=model, messages=HI, stream_options={"include_usage": True}) as stream:
        for _ in stream:
            pass
        told = stream.get_final_completion()
    assert told.choices[0].message.content == whole.choices[0].message.content
    assert told.usage.total_tokens == whole.usage.total_tokens


def test_tools(client, model):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": TOOL}}]
    asked = client.chat.completions.create(model=model, messages=HI, tools=tools, tool_choice="required")
    call = asked.choices[0].message.tool_calls[0]
    assert asked.choices[0].finish_reason == "tool_calls" and call.function.name == "weather"
    answer = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    messages = [*HI, asked.choices[0].message.model_dump(exclude_none=True), answer]
    assert client.chat.completions.create(model=model, messages=messages, tools=tools).choices[0].finish_reason == "stop"


def test_responses(client, model):
    whole = client.responses.create(model=model, input="Say hello")
    assert whole.status == "completed" and whole.output_text and whole.usage.total_tokens > 0
    with client.responses.stream(model=model, input="Say hello") as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == whole.output_text


def test_messages(claude, model):
    whole = claude.messages.create(model=model, max_tokens=100, messages=HI)
    assert whole.content[0].text and whole.stop_reason == "end_turn" and whole.usage.output_tokens > 0
    with claude.messages.stream(model=model, max_tokens=100, messages=HI) as stream:
        assert stream.get_final_text() == whole.content[0].text
    assert claude.messages.count_tokens(model=model, messages=HI).input_tokens > 0


def test_gemini(google, model):
    whole = google.models.generate_content(model=model, contents="Say hello")
    assert whole.text and whole.usage_metadata.candidates_token_count > 0
    pieces = google.models.generate_content_stream(model=model, contents="Say hello")
    assert "".join(piece.text or "" for piece in pieces) == whole.text


@pytest.mark.parametrize("provider", PROVIDERS)
def test_embeddings(client, provider):
    ask = lambda: client.embeddings.create(model=f"{provider}/{MODEL}", input=["one", "two"])  # noqa: E731
    if provider in EMBED:
        assert [len(made.embedding) > 0 for made in ask().data] == [True, True]
    else:
        with pytest.raises(openai.BadRequestError, match=f"`{provider}` .* does not serve embeddings"):
            ask()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_passthrough(gateway, provider):
    listed = openai.OpenAI(base_url=f"{gateway.root}/p/{provider}", api_key="none", max_retries=0).models.list()
    assert list(listed)
