"""generateContent by Google's Python SDK, answered by providers of other dialects."""

import pytest
from google import genai
from google.genai import types

HELLO = "Grüße, 世界 🙂"
WEATHER = types.FunctionDeclaration(
    name="weather",
    description="Tells the weather.",
    parameters_json_schema={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(60)
# The SDK would run functions itself; here it is to hand the calls over.
BY_HAND = types.AutomaticFunctionCallingConfig(disable=True)

ASKED = ["openai/simulator", "anthropic/simulator", "bedrock/simulator"]
pytestmark = pytest.mark.parametrize("model", ASKED)


def simulate(what):
    return types.HttpOptions(headers={"x-simulate": what})


def test_a_whole_answer(genai_client, model):
    config = types.GenerateContentConfig(system_instruction="Be brief.", temperature=0.5, max_output_tokens=300)
    answer = genai_client.models.generate_content(model=model, contents=HELLO, config=config)
    assert HELLO in answer.text
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    counts = answer.usage_metadata
    assert counts.total_token_count == counts.prompt_token_count + counts.candidates_token_count > 0


def test_a_stream(genai_client, model):
    whole = genai_client.models.generate_content(model=model, contents=HELLO)
    chunks = list(genai_client.models.generate_content_stream(model=model, contents=HELLO))
    assert "".join(chunk.text or "" for chunk in chunks) == whole.text
    assert len(chunks) > 2
    reasons = [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates[0].finish_reason]
    assert reasons == [types.FinishReason.STOP]
    assert chunks[-1].usage_metadata.total_token_count == whole.usage_metadata.total_token_count


def test_the_models_prefix(genai_client, model):
    answer = genai_client.models.generate_content(model=f"models/{model}", contents=HELLO)
    assert HELLO in answer.text


def test_the_most_tokens(genai_client, model):
    config = types.GenerateContentConfig(max_output_tokens=2)
    answer = genai_client.models.generate_content(model=model, contents=HELLO, config=config)
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS


@pytest.mark.parametrize("streamed", [False, True])
def test_function_calling(genai_client, model, streamed):
    tools = [types.Tool(function_declarations=[WEATHER])]
    config = types.GenerateContentConfig(tools=tools, automatic_function_calling=BY_HAND)

    def ask(contents):
        if not streamed:
            answer = genai_client.models.generate_content(model=model, contents=contents, config=config)
            return answer.candidates[0].content
        chunks = genai_client.models.generate_content_stream(model=model, contents=contents, config=config)
        parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or []]
        return types.Content(role="model", parts=parts)

    contents = [types.Content(role="user", parts=[types.Part(text="What is the weather?")])]
    asked = ask(contents)
    (call,) = [part.function_call for part in asked.parts if part.function_call]
    assert call.name == "weather" and set(call.args) == {"city"}
    told = types.FunctionResponse(id=call.id, name=call.name, response={"result": "21 degrees in Zürich"})
    contents += [asked, types.Content(role="user", parts=[types.Part(function_response=told)])]
    assert "21 degrees in Zürich" in "".join(part.text or "" for part in ask(contents).parts)


def test_a_function_that_the_sdk_runs(genai_client, model):
    def weather(city: str) -> str:
        """Tells the weather."""
        return "21 degrees in Zürich"

    config = types.GenerateContentConfig(tools=[weather])
    answer = genai_client.models.generate_content(model=model, contents="What is the weather?", config=config)
    assert "21 degrees in Zürich" in answer.text


def test_a_chat(genai_client, model):
    chat = genai_client.chats.create(model=model)
    assert "first" in chat.send_message("first").text
    assert "second" in "".join(chunk.text or "" for chunk in chat.send_message_stream("second"))


def test_thoughts(genai_client, model):
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    config = types.GenerateContentConfig(thinking_config=thinking, max_output_tokens=4000)
    answer = genai_client.models.generate_content(model=model, contents=HELLO, config=config)
    assert HELLO in answer.text
    history = [types.Content(role="user", parts=[types.Part(text=HELLO)]), answer.candidates[0].content]
    history.append(types.Content(role="user", parts=[types.Part(text="and now?")]))
    assert "and now?" in genai_client.models.generate_content(model=model, contents=history, config=config).text


def test_an_image(genai_client, model):
    contents = [types.Part.from_bytes(data=PNG, mime_type="image/png"), "What is it?"]
    answer = genai_client.models.generate_content(model=model, contents=contents)
    assert "68 bytes" in answer.text


def test_structured_output(genai_client, model):
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    schema["additionalProperties"] = False
    config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=schema)
    answer = genai_client.models.generate_content(model=model, contents=HELLO, config=config)
    assert set(answer.parsed) == {"name"}


def test_count_tokens(genai_client, model):
    assert genai_client.models.count_tokens(model=model, contents=HELLO).total_tokens > 0


def test_embeddings(genai_client, model):
    if not model.startswith("openai/"):
        with pytest.raises(genai.errors.ClientError):
            genai_client.models.embed_content(model=model, contents="one")
        return
    one = genai_client.models.embed_content(model=model, contents="one")
    assert len(one.embeddings) == 1 and one.embeddings[0].values
    two = genai_client.models.embed_content(model=model, contents=["one", "two"])
    assert len(two.embeddings) == 2
    assert two.embeddings[0].values == pytest.approx(one.embeddings[0].values)


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("streamed", [False, True])
def test_the_providers_errors(genai_client, model, status, streamed):
    expected = genai.errors.ClientError if status < 500 else genai.errors.ServerError
    config = types.GenerateContentConfig(http_options=simulate(f"error={status}"))
    ask = genai_client.models.generate_content_stream if streamed else genai_client.models.generate_content
    with pytest.raises(expected) as failed:
        list(ask(model=model, contents=HELLO, config=config))
    assert failed.value.code == status
    assert failed.value.status and failed.value.message


def test_our_own_errors(genai_client, translating_gateway, model):
    with pytest.raises(genai.errors.ClientError) as failed:
        genai_client.models.generate_content(model="no-such-model", contents=HELLO)
    assert (failed.value.code, failed.value.status) == (404, "NOT_FOUND")
    options = types.HttpOptions(base_url=translating_gateway.root)
    stranger = genai.Client(api_key="wrong", http_options=options)
    with stranger, pytest.raises(genai.errors.ClientError) as failed:
        stranger.models.generate_content(model=model, contents=HELLO)
    assert (failed.value.code, failed.value.status) == (401, "UNAUTHENTICATED")


def test_a_stream_that_breaks(genai_client, model):
    config = types.GenerateContentConfig(http_options=simulate("cut=3"))
    with pytest.raises(genai.errors.APIError):
        list(genai_client.models.generate_content_stream(model=model, contents=HELLO, config=config))
