"""What a provider sealed must come back to it unchanged (A10): the client repeats the answer as history, in its own
dialect, and the provider's next request holds every seal.
"""

import json

from . import asking, pairs
from .dialects import DIALECTS, is_stream
from .recordings import Recording
from .runs import Verdict

# The members that hold seals, by the provider's endpoint.
SEALS = {
    "messages": {"signature", "data"},
    "gemini_generate": {"thoughtSignature"},
    "converse": {"signature", "redactedContent"},
    "responses": {"encrypted_content"},
}


async def every_round(bench):
    plan = [
        pairs.Pair(recording, client, number)
        for number, recording in enumerate(sealed(bench))
        for client in DIALECTS.values()
        if pairs.is_wanted(recording, client) and client is not pairs.OF_ENDPOINT[recording.case["endpoint"]]
    ]
    plain = [asking.PLAIN[pair.client.name] for pair in plan]
    first = await pairs.ask(bench, plan, plain, "first-")
    answered = [(pair, got) for pair, got in zip(plan, first) if getattr(got, "status", None) == 200]
    histories = [history(pair.client, json.loads(got.body)) for pair, got in answered]
    again = [pair for pair, _ in answered]
    for pair, got in zip(again, await pairs.ask(bench, again, histories, "second-")):
        cause = judged(bench, pair, got)
        yield Verdict("round trips", pair.row, "whole", pair.recording.id, cause, "A10 seals")


def sealed(bench):
    """Whole answers with seals in them."""
    found = [r for r in bench.chats if r.status == 200 and not is_stream(r.case) and "signature" in r.case["features"]]
    return [recording for recording in found if seals(recording)]


# What tools that the provider itself runs have left, and whole conversations in one piece: no other dialect has a place for
# them, nor for their seals.
FOREIGN = {"toolCall", "toolResponse", "executableCode", "codeExecutionResult"}
FOREIGN_TYPES = {"compaction"}


def seals(recording: Recording):
    names = SEALS.get(recording.case["endpoint"], set())
    return [text for text in members(recording.case["response_body"], names) if len(text) > 20]


def members(value, names):
    """The texts of all members of these names."""
    if isinstance(value, dict):
        if FOREIGN & value.keys() or value.get("type") in FOREIGN_TYPES:
            return
        for name, member in value.items():
            if name in names and isinstance(member, str):
                yield member
            else:
                yield from members(member, names)
    elif isinstance(value, list):
        for item in value:
            yield from members(item, names)


def history(client, answer):
    return HISTORIES[client.name](answer)


def of_chat(answer):
    message = {name: value for name, value in answer["choices"][0]["message"].items() if value is not None}
    calls = message.get("tool_calls") or []
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "done"} for call in calls]
    tools = [{"type": "function", "function": {"name": call["function"]["name"]}} for call in calls]
    rest = results or [{"role": "user", "content": "and now?"}]
    return {"messages": [{"role": "user", "content": "first"}, message, *rest], **({"tools": tools} if tools else {})}


def of_responses(answer):
    calls = [item for item in answer["output"] if item["type"] == "function_call"]
    results = [{"type": "function_call_output", "call_id": call["call_id"], "output": "done"} for call in calls]
    tools = [{"type": "function", "name": call["name"], "parameters": {}, "strict": False} for call in calls]
    rest = results or [{"role": "user", "content": "and now?"}]
    return {"input": [{"role": "user", "content": "first"}, *answer["output"], *rest], "store": False, "tools": tools}


def of_messages(answer):
    calls = [block for block in answer["content"] if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": call["id"], "content": "done"} for call in calls]
    tools = [{"name": call["name"], "input_schema": {"type": "object"}} for call in calls]
    messages = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": answer["content"]},
        {"role": "user", "content": results or "and now?"},
    ]
    return {"messages": messages, "max_tokens": 4000, **({"tools": tools} if tools else {})}


def of_gemini(answer):
    content = answer["candidates"][0]["content"]
    calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
    results = [
        {"functionResponse": {"id": call.get("id"), "name": call["name"], "response": {"result": "done"}}} for call in calls
    ]
    tools = [{"functionDeclarations": [{"name": call["name"]} for call in calls]}]
    first = {"role": "user", "parts": [{"text": "first"}]}
    last = {"role": "user", "parts": results or [{"text": "and now?"}]}
    return {"contents": [first, content, last], **({"tools": tools} if calls else {})}


def of_converse(answer):
    message = answer["output"]["message"]
    calls = [block["toolUse"] for block in message["content"] if "toolUse" in block]
    results = [{"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "done"}]}} for call in calls]
    tools = [{"toolSpec": {"name": call["name"], "inputSchema": {"json": {"type": "object"}}}} for call in calls]
    first = {"role": "user", "content": [{"text": "first"}]}
    last = {"role": "user", "content": results or [{"text": "and now?"}]}
    return {"messages": [first, message, last], **({"toolConfig": {"tools": tools}} if tools else {})}


HISTORIES = {
    "openai_chat": of_chat,
    "openai_responses": of_responses,
    "anthropic": of_messages,
    "gemini": of_gemini,
    "converse": of_converse,
}


def judged(bench, pair, got):
    if isinstance(got, BaseException):
        return f"no answer: {type(got).__name__}"
    entries = bench.upstream.requests("second-" + pair.request_id)
    if not entries:
        return f"refused: {got.status} {got.body[:160]!r}"
    sent = set(members(entries[0]["body"], SEALS[pair.case["endpoint"]]))
    native = seals(pair.recording)
    lost = [seal for seal in native if seal not in sent]
    dropped = got.header("x-narthex-dropped")
    return f"{len(lost)} of {len(native)} seals are lost: {lost[0][:40]!r}; dropped: {dropped}" if lost else None
