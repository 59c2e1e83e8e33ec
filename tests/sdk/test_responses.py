"""Responses by the Python SDK."""

import json

import pydantic

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
