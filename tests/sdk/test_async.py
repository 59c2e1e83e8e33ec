"""The asynchronous Python client: many exchanges at once over few connections."""

import asyncio

import pytest

MODEL = "simulator"


def hello(number):
    return [{"role": "user", "content": f"number {number}"}]


async def test_many_at_once_are_not_mixed_up(async_client):
    async def whole(number):
        answer = await async_client.chat.completions.create(model=MODEL, messages=hello(number))
        return answer.choices[0].message.content

    async def streamed(number):
        stream = await async_client.chat.completions.create(
            model=MODEL, messages=hello(number), stream=True, extra_headers={"x-simulate": "pace=1ms"}
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    said = await asyncio.gather(*(ask(number) for number in range(30) for ask in (whole, streamed)))
    for number in range(30):
        assert said[2 * number] == said[2 * number + 1]
        assert f"number {number} (" in said[2 * number]


async def test_the_stream_helper(async_client):
    async with async_client.chat.completions.stream(model=MODEL, messages=hello(1)) as stream:
        deltas = [event.delta async for event in stream if event.type == "content.delta"]
        final = await stream.get_final_completion()
    assert "".join(deltas) == final.choices[0].message.content


async def test_responses(async_client):
    async with async_client.responses.stream(model=MODEL, input="hi") as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert "hi" in final.output_text


async def test_a_cancelled_request_ends_at_the_gateway(async_client, gateway):
    headers = {"x-request-id": "cancelled-1", "x-simulate": "latency=60s"}
    request = async_client.chat.completions.create(model=MODEL, messages=hello(1), extra_headers=headers)
    task = asyncio.create_task(request)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(task, 1.5)
    line = await asyncio.to_thread(gateway.access_line, "cancelled-1")
    assert line["outcome"] == "client_gone"
    assert line["duration_ms"] < 30_000
