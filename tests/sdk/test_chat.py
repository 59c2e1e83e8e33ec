"""Chat completions by the Python SDK: whole, streamed, with tools, with a schema."""

import base64
import json

import pydantic
import pytest

MODEL = "simulator"
HELLO = [{"role": "user", "content": "Grüße, 世界 🙂"}]
SAID = "You said: Grüße, 世界 🙂 (This is the simulator; no model was asked.)"


def tool(name, **properties):
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


WEATHER = tool("weather", city={"type": "string"})
TIME = tool("clock", zone={"type": "string", "enum": ["UTC"]})


class Step(pydantic.BaseModel):
    explanation: str
    output: int


class Solution(pydantic.BaseModel):
    steps: list[Step]
    final: str


def test_a_whole_answer(client):
    answer = client.chat.completions.create(model=MODEL, messages=HELLO)
    assert answer.choices[0].message.content == SAID
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_every_way_to_name_the_model(client):
    for name in ("simulator", "simulator/simulator", "simulator/one-that-no-list-has"):
        answer = client.chat.completions.create(model=name, messages=HELLO)
        assert answer.model == name.removeprefix("simulator/")


def test_raw_chunks(client):
    chunks = list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SAID
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    # The gateway asks for the counts for its own sake; a client that did not ask must not get the chunk.
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_raw_chunks_with_usage(client):
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True, stream_options=options))
    assert [bool(chunk.choices) for chunk in chunks].count(False) == 1
    assert chunks[-1].usage.total_tokens > 0
    asked = client.chat.completions.create(model=MODEL, messages=HELLO)
    assert chunks[-1].usage == asked.usage


def test_a_stream_that_is_not_read_to_its_end(client):
    messages, headers = HELLO, {"x-simulate": "tokens=1000,pace=1ms"}
    with client.chat.completions.create(model=MODEL, messages=messages, stream=True, extra_headers=headers) as stream:
        for _, _ in zip(range(3), stream):
            pass
    # The connection that was given up must not disturb the next exchange.
    assert client.chat.completions.create(model=MODEL, messages=HELLO).choices[0].message.content == SAID


def test_the_stream_helper_accumulates(client):
    with client.chat.completions.stream(model=MODEL, messages=HELLO) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(deltas) == final.choices[0].message.content == SAID
    assert final.choices[0].finish_reason == "stop"


def test_choices_logprobs_and_limits(client):
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, n=2, logprobs=True, top_logprobs=2, max_tokens=3)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.choices[1].finish_reason == "length"
    assert len(answer.choices[1].logprobs.content) == 3
    assert len(answer.choices[1].logprobs.content[0].top_logprobs) == 1


def test_a_tool_loop(client):
    messages = [{"role": "user", "content": "What is the weather?"}]
    asked = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    assert asked.choices[0].finish_reason == "tool_calls"
    (call,) = asked.choices[0].message.tool_calls
    assert call.function.name == "weather"
    assert set(json.loads(call.function.arguments)) == {"city"}
    messages += [asked.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "21 degrees in Zürich"}]
    told = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    assert told.choices[0].finish_reason == "stop"
    assert "21 degrees in Zürich" in told.choices[0].message.content


def test_parallel_tool_calls(client):
    messages = [{"role": "user", "content": "Ask weather and clock, please."}]
    request = {"model": MODEL, "messages": messages, "tools": [WEATHER, TIME]}
    calls = client.chat.completions.create(**request).choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["weather", "clock"]
    assert len({call.id for call in calls}) == 2
    one = client.chat.completions.create(**request, parallel_tool_calls=False).choices[0].message.tool_calls
    assert len(one) == 1
    with client.chat.completions.stream(**request) as stream:
        streamed = stream.get_final_completion().choices[0].message.tool_calls
    assert [(call.function.name, call.function.arguments) for call in streamed] == [
        (call.function.name, call.function.arguments) for call in calls
    ]


def test_a_named_tool(client):
    choice = {"type": "function", "function": {"name": "clock"}}
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, tools=[WEATHER, TIME], tool_choice=choice)
    (call,) = answer.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"zone": "UTC"}
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, tools=[WEATHER], tool_choice="none")
    assert answer.choices[0].message.tool_calls is None


def test_structured_output(client):
    answer = client.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Solution)
    assert isinstance(answer.choices[0].message.parsed, Solution)
    with client.chat.completions.stream(model=MODEL, messages=HELLO, response_format=Solution) as stream:
        streamed = stream.get_final_completion()
    assert streamed.choices[0].message.parsed == answer.choices[0].message.parsed


def test_a_parsed_tool_call(client):
    import openai

    answer = client.chat.completions.parse(model=MODEL, messages=HELLO, tools=[openai.pydantic_function_tool(Step)])
    assert isinstance(answer.choices[0].message.tool_calls[0].function.parsed_arguments, Step)


def test_members_that_the_gateway_does_not_know(client):
    answer = client.chat.completions.create(
        model=MODEL, messages=HELLO, reasoning_effort="low", extra_body={"a_member_of_tomorrow": {"x": [1.0, None]}}
    )
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0


def test_legacy_completions(client):
    answer = client.completions.create(model=MODEL, prompt=["one", "two"], echo=True)
    assert [choice.text[:3] for choice in answer.choices] == ["one", "two"]
    chunks = client.completions.create(model=MODEL, prompt="one", stream=True, max_tokens=4)
    chunks = list(chunks)
    assert "".join(chunk.choices[0].text for chunk in chunks).startswith("You said: one")
    assert chunks[-1].choices[0].finish_reason == "length"


# The same client where the provider speaks another dialect.
elsewhere = pytest.mark.parametrize("model", ["anthropic/simulator", "gemini/simulator", "bedrock/simulator"])


@elsewhere
def test_elsewhere_a_stream_is_the_whole_answer(openai_client, model):
    whole = openai_client.chat.completions.create(model=model, messages=HELLO)
    assert "Grüße, 世界 🙂" in whole.choices[0].message.content
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
    options = {"include_usage": True}
    with openai_client.chat.completions.stream(model=model, messages=HELLO, stream_options=options) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(deltas) == final.choices[0].message.content == whole.choices[0].message.content
    assert (final.choices[0].finish_reason, final.usage) == ("stop", whole.usage)


@elsewhere
def test_elsewhere_counts_come_only_when_asked_for(openai_client, model):
    chunks = list(openai_client.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert chunks[0].choices[0].delta.role == "assistant"


@elsewhere
@pytest.mark.parametrize("streamed", [False, True])
def test_elsewhere_a_tool_loop(openai_client, model, streamed):
    def ask(messages):
        request = {"model": model, "messages": messages, "tools": [WEATHER, TIME]}
        if not streamed:
            return openai_client.chat.completions.create(**request).choices[0]
        with openai_client.chat.completions.stream(**request) as stream:
            return stream.get_final_completion().choices[0]

    messages = [{"role": "user", "content": "Ask weather and clock, please."}]
    asked = ask(messages)
    assert asked.finish_reason == "tool_calls"
    calls = asked.message.tool_calls
    assert [call.function.name for call in calls] == ["weather", "clock"]
    assert set(json.loads(calls[0].function.arguments)) == {"city"}
    assert len({call.id for call in calls}) == 2
    messages.append(asked.message.to_dict(exclude_none=True))
    messages += [{"role": "tool", "tool_call_id": call.id, "content": f"said {call.function.name}"} for call in calls]
    told = ask(messages)
    assert told.finish_reason == "stop"
    assert "said weather" in told.message.content and "said clock" in told.message.content


@elsewhere
def test_elsewhere_parse(openai_client, model):
    answer = openai_client.chat.completions.parse(model=model, messages=HELLO, response_format=Solution)
    assert isinstance(answer.choices[0].message.parsed, Solution)
    with openai_client.chat.completions.stream(model=model, messages=HELLO, response_format=Solution) as stream:
        streamed = stream.get_final_completion()
    assert streamed.choices[0].message.parsed == answer.choices[0].message.parsed


@elsewhere
def test_elsewhere_a_parsed_tool_call(openai_client, model):
    openai = pytest.importorskip("openai")
    tools = [openai.pydantic_function_tool(Step)]
    answer = openai_client.chat.completions.parse(model=model, messages=HELLO, tools=tools)
    assert isinstance(answer.choices[0].message.tool_calls[0].function.parsed_arguments, Step)


@elsewhere
def test_elsewhere_an_image(openai_client, model):
    url = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(60)).decode()
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "What is it?"}]
    answer = openai_client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
    assert "68 bytes" in answer.choices[0].message.content


@elsewhere
def test_elsewhere_limits(openai_client, model):
    answer = openai_client.chat.completions.create(model=model, messages=HELLO, max_completion_tokens=2)
    assert answer.choices[0].finish_reason == "length"


@elsewhere
def test_elsewhere_reasoning_goes_round(openai_client, model):
    answer = openai_client.chat.completions.create(model=model, messages=HELLO, reasoning_effort="low")
    message = answer.choices[0].message.to_dict(exclude_none=True)
    history = [*HELLO, message, {"role": "user", "content": "and now?"}]
    told = openai_client.chat.completions.create(model=model, messages=history, reasoning_effort="low")
    assert "and now?" in told.choices[0].message.content


@elsewhere
def test_elsewhere_errors_keep_their_class(openai_client, model):
    openai = pytest.importorskip("openai")
    classes = {
        400: openai.BadRequestError,
        401: openai.AuthenticationError,
        403: openai.PermissionDeniedError,
        404: openai.NotFoundError,
        429: openai.RateLimitError,
        503: openai.InternalServerError,
    }
    for status, expected in classes.items():
        for stream in (False, True):
            headers = {"x-simulate": f"error={status}"}
            with pytest.raises(expected) as failed:
                openai_client.chat.completions.create(
                    model=model, messages=HELLO, stream=stream, extra_headers=headers
                )
            assert failed.value.status_code == status and failed.value.body["message"]


@elsewhere
def test_elsewhere_a_stream_that_breaks(openai_client, model):
    openai = pytest.importorskip("openai")
    headers = {"x-simulate": "cut=3"}
    with pytest.raises(openai.APIError):
        list(openai_client.chat.completions.create(model=model, messages=HELLO, stream=True, extra_headers=headers))
