"""Responses by the Python SDK."""

import json

import pydantic
import pytest

MODEL = "simulator"
WEATHER = {
    "type": "function",
    "name": "weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


class Person(pydantic.BaseModel):
    name: str
    age: int


def test_a_whole_answer(client):
    answer = client.responses.create(model=MODEL, instructions="Be brief.", input="hello")
    assert "hello" in answer.output_text
    assert answer.status == "completed"
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0


def test_events(client):
    events = list(client.responses.create(model=MODEL, input="hello", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert deltas == events[-1].response.output_text


def test_the_stream_helper(client):
    with client.responses.stream(model=MODEL, input="hello") as stream:
        for _ in stream:
            pass
        assert "hello" in stream.get_final_response().output_text


def test_reasoning(client):
    reasoning = {"effort": "low", "summary": "auto"}
    include = ["reasoning.encrypted_content"]
    answer = client.responses.create(model=MODEL, input="hello", reasoning=reasoning, include=include)
    thought = answer.output[0]
    assert thought.type == "reasoning" and thought.summary[0].text and thought.encrypted_content
    # What came back can be sent again as it is.
    history = [*answer.output, {"role": "user", "content": "and now?"}]
    assert "and now?" in client.responses.create(model=MODEL, input=history).output_text


def test_parse(client):
    answer = client.responses.parse(model=MODEL, input="hello", text_format=Person)
    assert isinstance(answer.output_parsed, Person)
    with client.responses.stream(model=MODEL, input="hello", text_format=Person) as stream:
        assert stream.get_final_response().output_parsed == answer.output_parsed


def test_a_tool_loop(client):
    history = [{"role": "user", "content": "What is the weather?"}]
    asked = client.responses.create(model=MODEL, input=history, tools=[WEATHER])
    (call,) = [item for item in asked.output if item.type == "function_call"]
    assert set(json.loads(call.arguments)) == {"city"}
    history += [*asked.output, {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}]
    told = client.responses.create(model=MODEL, input=history, tools=[WEATHER])
    assert "21 degrees" in told.output_text


def test_a_streamed_tool_call(client):
    with client.responses.stream(model=MODEL, input="What is the weather?", tools=[WEATHER]) as stream:
        deltas = [event.delta for event in stream if event.type == "response.function_call_arguments.delta"]
        call = stream.get_final_response().output[0]
    assert "".join(deltas) == call.arguments


# The same client where the provider speaks another dialect.
elsewhere = pytest.mark.parametrize("model", ["anthropic/simulator", "gemini/simulator", "bedrock/simulator"])


@elsewhere
def test_elsewhere_a_stream_is_the_whole_answer(openai_client, model):
    whole = openai_client.responses.create(model=model, instructions="Be brief.", input="hello")
    assert "hello" in whole.output_text and whole.status == "completed"
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens > 0
    with openai_client.responses.stream(model=model, instructions="Be brief.", input="hello") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (final.output_text, final.usage) == (whole.output_text, whole.usage)
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == final.output_text and len(deltas) > 2


@elsewhere
def test_elsewhere_parse(openai_client, model):
    answer = openai_client.responses.parse(model=model, input="hello", text_format=Person)
    assert isinstance(answer.output_parsed, Person)
    with openai_client.responses.stream(model=model, input="hello", text_format=Person) as stream:
        assert stream.get_final_response().output_parsed == answer.output_parsed


@elsewhere
@pytest.mark.parametrize("streamed", [False, True])
def test_elsewhere_a_tool_loop(openai_client, model, streamed):
    def ask(history):
        request = {"model": model, "input": history, "tools": [WEATHER]}
        if not streamed:
            return openai_client.responses.create(**request)
        with openai_client.responses.stream(**request) as stream:
            return stream.get_final_response()

    history = [{"role": "user", "content": "What is the weather?"}]
    asked = ask(history)
    (call,) = [item for item in asked.output if item.type == "function_call"]
    assert set(json.loads(call.arguments)) == {"city"}
    history += [item.to_dict(exclude_none=True) for item in asked.output]
    history.append({"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"})
    assert "21 degrees" in ask(history).output_text


@elsewhere
def test_elsewhere_reasoning_goes_round(openai_client, model):
    more = {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    answer = openai_client.responses.create(model=model, input="hello", store=False, **more)
    items = [item.to_dict(exclude_none=True) for item in answer.output]
    history = [{"role": "user", "content": "hello"}, *items, {"role": "user", "content": "and now?"}]
    told = openai_client.responses.create(model=model, input=history, store=False, **more)
    assert "and now?" in told.output_text


@elsewhere
def test_elsewhere_the_most_tokens(openai_client, model):
    answer = openai_client.responses.create(model=model, input="hello", max_output_tokens=2)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")


@elsewhere
def test_elsewhere_errors_keep_their_class(openai_client, model):
    openai = pytest.importorskip("openai")
    for status, expected in {400: openai.BadRequestError, 429: openai.RateLimitError}.items():
        for stream in (False, True):
            headers = {"x-simulate": f"error={status}"}
            with pytest.raises(expected) as failed:
                openai_client.responses.create(model=model, input="hello", stream=stream, extra_headers=headers)
            assert failed.value.body["message"]


@elsewhere
def test_elsewhere_a_stream_that_breaks(openai_client, model):
    openai = pytest.importorskip("openai")
    with pytest.raises(openai.APIError):
        list(openai_client.responses.create(model=model, input="hi", stream=True, extra_headers={"x-simulate": "cut=4"}))
