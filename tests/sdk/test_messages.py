"""Messages by Anthropic's Python SDK, answered by providers of other dialects."""

import base64
import json

import anthropic
import pytest

HELLO = [{"role": "user", "content": "Grüße, 世界 🙂"}]
WEATHER = {
    "name": "weather",
    "description": "Tells the weather.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(60)).decode()

pytestmark = pytest.mark.parametrize("model", ["openai/simulator", "gemini/simulator", "bedrock/simulator"])


def request(model, messages=HELLO, **more):
    return {"model": model, "max_tokens": 500, "messages": messages, **more}


def test_a_whole_answer(anthropic_client, model):
    answer = anthropic_client.messages.create(**request(model, system="Be brief."))
    (block,) = answer.content
    assert "Grüße, 世界 🙂" in block.text
    assert (answer.role, answer.stop_reason) == ("assistant", "end_turn")
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0


def test_a_stream_accumulates_to_the_whole_answer(anthropic_client, model):
    whole = anthropic_client.messages.create(**request(model))
    with anthropic_client.messages.stream(**request(model)) as stream:
        said = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert said == final.content[0].text == whole.content[0].text
    assert (final.stop_reason, final.usage.output_tokens) == (whole.stop_reason, whole.usage.output_tokens)
    assert final.usage.input_tokens == whole.usage.input_tokens


def test_raw_events(anthropic_client, model):
    kinds = [event.type for event in anthropic_client.messages.create(**request(model), stream=True)]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_the_most_tokens(anthropic_client, model):
    answer = anthropic_client.messages.create(**request(model, max_tokens=2))
    assert answer.stop_reason == "max_tokens"
    assert answer.usage.output_tokens <= 2


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_loop(anthropic_client, model, streamed):
    def ask(messages):
        asked = request(model, messages, tools=[WEATHER])
        if not streamed:
            return anthropic_client.messages.create(**asked)
        with anthropic_client.messages.stream(**asked) as stream:
            return stream.get_final_message()

    messages = [{"role": "user", "content": "What is the weather?"}]
    asked = ask(messages)
    assert asked.stop_reason == "tool_use"
    (call,) = [block for block in asked.content if block.type == "tool_use"]
    assert call.name == "weather" and set(call.input) == {"city"} and call.id
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees in Zürich"}
    messages += [{"role": "assistant", "content": asked.content}, {"role": "user", "content": [result]}]
    told = ask(messages)
    assert told.stop_reason == "end_turn"
    assert "21 degrees in Zürich" in told.content[0].text


def test_parallel_calls(anthropic_client, model):
    clock = {"name": "clock", "input_schema": {"type": "object", "properties": {}}}
    messages = [{"role": "user", "content": "Ask weather and clock, please."}]
    asked = anthropic_client.messages.create(**request(model, messages, tools=[WEATHER, clock]))
    calls = [block for block in asked.content if block.type == "tool_use"]
    assert [call.name for call in calls] == ["weather", "clock"]
    assert len({call.id for call in calls}) == 2
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": f"said {call.name}"} for call in calls]
    messages += [{"role": "assistant", "content": asked.content}, {"role": "user", "content": results}]
    told = anthropic_client.messages.create(**request(model, messages, tools=[WEATHER, clock]))
    assert "said weather" in told.content[0].text and "said clock" in told.content[0].text


def test_a_named_tool(anthropic_client, model):
    choice = {"type": "tool", "name": "weather"}
    answer = anthropic_client.messages.create(**request(model, tools=[WEATHER], tool_choice=choice))
    assert [block.name for block in answer.content if block.type == "tool_use"] == ["weather"]


@pytest.mark.parametrize("streamed", [False, True])
def test_thinking_survives_the_round_trip(anthropic_client, model, streamed):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    asked = request(model, max_tokens=2000, thinking=thinking)
    if streamed:
        with anthropic_client.messages.stream(**asked) as stream:
            answer = stream.get_final_message()
    else:
        answer = anthropic_client.messages.create(**asked)
    assert "Grüße, 世界 🙂" in "".join(block.text for block in answer.content if block.type == "text")
    # What came back can be sent again as it is: the provider checks its own seals.
    history = [*HELLO, {"role": "assistant", "content": answer.content}, {"role": "user", "content": "and now?"}]
    told = anthropic_client.messages.create(**request(model, history, max_tokens=2000, thinking=thinking))
    assert "and now?" in "".join(block.text for block in told.content if block.type == "text")


def test_an_image(anthropic_client, model):
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
    answer = anthropic_client.messages.create(**request(model, [{"role": "user", "content": content}]))
    assert "68 bytes" in answer.content[0].text and "What is it?" in answer.content[0].text


def test_structured_output(anthropic_client, model):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    config = {"format": {"type": "json_schema", "schema": schema}}
    answer = anthropic_client.messages.create(**request(model, extra_body={"output_config": config}))
    assert set(json.loads(answer.content[0].text)) == {"name", "age"}


def test_count_tokens(anthropic_client, model):
    counted = anthropic_client.messages.count_tokens(model=model, messages=HELLO)
    assert counted.input_tokens > 0


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_the_providers_errors(anthropic_client, model, status, expected, stream):
    headers = {"x-simulate": f"error={status},retry-after=7"}
    with pytest.raises(expected) as failed:
        anthropic_client.messages.create(**request(model, stream=stream, extra_headers=headers))
    assert failed.value.status_code == status
    assert failed.value.body["type"] == "error" and failed.value.body["error"]["message"]
    assert failed.value.response.headers["retry-after"] == "7"


def test_our_own_errors(anthropic_client, model):
    with pytest.raises(anthropic.AuthenticationError) as failed:
        anthropic_client.with_options(api_key="wrong").messages.create(**request(model))
    assert failed.value.body["error"]["type"] == "authentication_error"
    with pytest.raises(anthropic.NotFoundError) as failed:
        anthropic_client.messages.create(**request("no-such-model"))
    assert failed.value.body["error"]["type"] == "not_found_error"
    with pytest.raises(anthropic.BadRequestError) as failed:
        anthropic_client.messages.create(**request(model, [{"role": "no-such-role", "content": "hello"}]))
    assert "messages[0].role" in failed.value.body["error"]["message"]


def test_a_stream_that_breaks(anthropic_client, model):
    headers = {"x-simulate": "cut=3"}
    with pytest.raises(anthropic.APIError):
        with anthropic_client.messages.stream(**request(model, extra_headers=headers)) as stream:
            stream.get_final_message()
