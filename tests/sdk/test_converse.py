"""Converse by Amazon's Python SDK, answered by providers of other dialects."""

import botocore.exceptions
import pytest

HELLO = [{"role": "user", "content": [{"text": "Grüße, 世界 🙂"}]}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"toolSpec": {"name": "weather", "description": "Tells the weather.", "inputSchema": {"json": SCHEMA}}}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(60)

pytestmark = pytest.mark.parametrize("model", ["openai/simulator", "anthropic/simulator", "gemini/simulator"])


def whole(client, model, messages=HELLO, **more):
    return client.converse(modelId=model, messages=messages, **more)


def streamed(client, model, messages=HELLO, **more):
    """The events, and the answer that they tell in the shape of a whole one."""
    events = list(client.converse_stream(modelId=model, messages=messages, **more)["stream"])
    blocks, answer = {}, {}
    for event in events:
        ((name, value),) = event.items()
        if name == "contentBlockStart":
            blocks[value["contentBlockIndex"]] = {"toolUse": {**value["start"]["toolUse"], "input": ""}}
        elif name == "contentBlockDelta":
            add(blocks.setdefault(value["contentBlockIndex"], {}), value["delta"])
        elif name == "messageStop":
            answer["stopReason"] = value["stopReason"]
        elif name == "metadata":
            answer["usage"] = value["usage"]
    content = [blocks[index] for index in sorted(blocks)]
    return events, {**answer, "output": {"message": {"role": "assistant", "content": content}}}


def add(block, delta):
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    else:
        reasoning = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {"text": ""})
        reasoning["text"] += delta["reasoningContent"].get("text", "")
        if "signature" in delta["reasoningContent"]:
            reasoning["signature"] = delta["reasoningContent"]["signature"]


def said(answer):
    return "".join(block.get("text", "") for block in answer["output"]["message"]["content"])


def with_header(client, what):
    """Botocore has no option for headers; it lets one in by an event."""
    client.meta.events.register("before-call.bedrock-runtime.*", lambda params, **_: params["headers"].update(what))


def test_a_whole_answer(bedrock_client, model):
    more = {"system": [{"text": "Be brief."}], "inferenceConfig": {"maxTokens": 300, "temperature": 0.5}}
    answer = whole(bedrock_client, model, **more)
    assert HELLO[0]["content"][0]["text"] in said(answer)
    assert answer["stopReason"] == "end_turn"
    counts = answer["usage"]
    assert counts["totalTokens"] == counts["inputTokens"] + counts["outputTokens"] > 0


def test_a_stream(bedrock_client, model):
    expected = whole(bedrock_client, model)
    events, answer = streamed(bedrock_client, model)
    assert said(answer) == said(expected)
    assert answer["usage"] == expected["usage"]
    names = [next(iter(event)) for event in events]
    assert names[0] == "messageStart" and names[-2:] == ["messageStop", "metadata"]
    assert names.count("contentBlockDelta") > 2


def test_the_most_tokens(bedrock_client, model):
    assert whole(bedrock_client, model, inferenceConfig={"maxTokens": 2})["stopReason"] == "max_tokens"


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_tool_loop(bedrock_client, model, is_stream):
    import json

    def ask(messages):
        tools = {"tools": [WEATHER]}
        if not is_stream:
            return whole(bedrock_client, model, messages, toolConfig=tools)
        _, answer = streamed(bedrock_client, model, messages, toolConfig=tools)
        for block in answer["output"]["message"]["content"]:
            if "toolUse" in block:
                block["toolUse"]["input"] = json.loads(block["toolUse"]["input"])
        return answer

    messages = [{"role": "user", "content": [{"text": "What is the weather?"}]}]
    asked = ask(messages)
    assert asked["stopReason"] == "tool_use"
    (call,) = [block["toolUse"] for block in asked["output"]["message"]["content"] if "toolUse" in block]
    assert call["name"] == "weather" and set(call["input"]) == {"city"}
    result = {"toolUseId": call["toolUseId"], "content": [{"text": "21 degrees in Zürich"}], "status": "success"}
    messages += [asked["output"]["message"], {"role": "user", "content": [{"toolResult": result}]}]
    told = ask(messages)
    assert told["stopReason"] == "end_turn"
    assert "21 degrees in Zürich" in said(told)


def test_a_named_tool(bedrock_client, model):
    tools = {"tools": [WEATHER], "toolChoice": {"tool": {"name": "weather"}}}
    assert whole(bedrock_client, model, toolConfig=tools)["stopReason"] == "tool_use"


@pytest.mark.parametrize("is_stream", [False, True])
def test_reasoning_survives_the_round_trip(bedrock_client, model, is_stream):
    more = {
        "inferenceConfig": {"maxTokens": 3000},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    }
    answer = streamed(bedrock_client, model, **more)[1] if is_stream else whole(bedrock_client, model, **more)
    assert HELLO[0]["content"][0]["text"] in said(answer)
    history = [*HELLO, answer["output"]["message"], {"role": "user", "content": [{"text": "and now?"}]}]
    assert "and now?" in said(whole(bedrock_client, model, history, **more))


def test_an_image(bedrock_client, model):
    content = [{"image": {"format": "png", "source": {"bytes": PNG}}}, {"text": "What is it?"}]
    assert "68 bytes" in said(whole(bedrock_client, model, [{"role": "user", "content": content}]))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
@pytest.mark.parametrize("is_stream", [False, True])
def test_the_providers_errors(bedrock_client, model, status, expected, is_stream):
    with_header(bedrock_client, {"x-simulate": f"error={status}"})
    with pytest.raises(getattr(bedrock_client.exceptions, expected)) as failed:
        streamed(bedrock_client, model) if is_stream else whole(bedrock_client, model)
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert failed.value.response["Error"]["Message"]


def test_our_own_errors(bedrock_client, model):
    with pytest.raises(bedrock_client.exceptions.ResourceNotFoundException):
        whole(bedrock_client, "no-such-model")
    content = [{"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/a.png"}}}}]
    with pytest.raises(botocore.exceptions.ClientError) as failed:
        whole(bedrock_client, model, [{"role": "user", "content": content}])
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_stream_that_breaks(bedrock_client, model):
    with_header(bedrock_client, {"x-simulate": "cut=3"})
    with pytest.raises(botocore.exceptions.ClientError):
        streamed(bedrock_client, model)
