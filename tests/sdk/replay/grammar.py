"""The grammar of streams that were written for a client (A7): each function says where one is broken, or nothing.

It judges translated streams only. What providers themselves send is looser.
"""

import json

DONE = "[DONE]"


def broken(views, dialect, raw, counts=False):
    """`counts`: whether the client asked for the chunk of token counts (chat only)."""
    if dialect.name == "converse":
        return of_converse([(dict(headers), json.loads(payload or b"{}")) for headers, payload in views.es(raw)])
    if dialect.name == "gemini":
        array = raw.lstrip()[:1] == b"["
        return of_gemini(json.loads(raw) if array else [json.loads(data) for _, data in views.sse(raw)])
    events = [(name, data if data.strip() == DONE else json.loads(data)) for name, data in views.sse(raw)]
    if dialect.name == "openai_chat":
        return of_chat([data for _, data in events], counts)
    return {"openai_responses": of_responses, "anthropic": of_messages}[dialect.name](events)


def of_chat(chunks, counts):
    failed = any(isinstance(chunk, dict) and "error" in chunk for chunk in chunks)
    if failed:
        return None if "error" in chunks[-1] else "something follows the error"
    if not chunks or chunks[-1] != DONE or DONE in chunks[:-1]:
        return "it does not end in one [DONE]"
    chunks = chunks[:-1]
    for member in ("id", "created", "model", "object"):
        if len({json.dumps(chunk.get(member)) for chunk in chunks}) != 1:
            return f"`{member}` changes: {[chunk.get(member) for chunk in chunks][:3]}"
    with_counts = [chunk for chunk in chunks if chunk.get("usage")]
    if len(with_counts) > counts or any(chunk["choices"] for chunk in with_counts):
        return f"{len(with_counts)} chunks with usage, {'one' if counts else 'none'} was asked for"
    if counts and with_counts and chunks[-1] is not with_counts[0]:
        return "the chunk of counts is not the last"
    return broken_choices([choice for chunk in chunks for choice in chunk["choices"]], chunks, with_counts)


def broken_choices(choices, chunks, with_counts):
    if [chunk for chunk in chunks if not chunk["choices"] and chunk not in with_counts]:
        return "a chunk has neither choices nor usage"
    seen, finished, calls = set(), set(), {}
    for choice in choices:
        index, delta = choice["index"], choice["delta"]
        if index in finished:
            return f"choice {index} goes on after its finish_reason: {json.dumps(delta)[:80]}"
        if index not in seen and delta.get("role") != "assistant":
            return f"the first delta of choice {index} has no role"
        seen.add(index)
        for call in delta.get("tool_calls") or []:
            count = calls.get(index, 0)
            if call["index"] == count:
                if not call.get("id") or not (call.get("function") or call.get("custom") or {}).get("name"):
                    return f"tool call {count} begins without id or name"
                calls[index] = count + 1
            elif call["index"] > count:
                return f"tool call {call['index']} comes after {count - 1}"
            elif call.get("id"):
                return f"the id of tool call {call['index']} is sent again"
        if choice.get("finish_reason"):
            finished.add(index)
    return None if seen == finished and seen else f"choices {sorted(seen)} began, {sorted(finished)} finished"


def of_messages(events):
    types = [data["type"] for _, data in events]
    if wrong := next((name for (name, data) in events if name != data["type"]), None):
        return f"the event {wrong!r} holds another type"
    kept = [data for _, data in events if data["type"] != "ping"]
    if types and types[-1] == "error":
        return None
    if types[:1] != ["message_start"] or types[-2:] != ["message_delta", "message_stop"]:
        return f"it begins with {types[:1]} and ends with {types[-2:]}"
    if types.count("message_start") != 1 or types.count("message_delta") != 1 or types.count("message_stop") != 1:
        return "message_start, message_delta and message_stop are there once each"
    if not kept[-2]["delta"].get("stop_reason"):
        return "the message_delta has no stop_reason"
    opened, kind = None, None
    count = 0
    for event in kept[1:-2]:
        index = event.get("index")
        if event["type"] == "content_block_start":
            if opened is not None or index != count:
                return f"block {index} starts where block {count} should, or inside one"
            opened, kind, count = index, event["content_block"]["type"], count + 1
        elif opened != index:
            return f"{event['type']} for block {index}, open is {opened}"
        elif event["type"] == "content_block_stop":
            opened = None
        elif event["delta"]["type"] not in BLOCK_DELTAS.get(kind, ()):
            return f"a {event['delta']['type']} in a {kind} block"
    return None if opened is None else f"block {opened} is left open"


BLOCK_DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
    "server_tool_use": {"input_json_delta"},
}


def of_gemini(chunks):
    if not chunks:
        return "it is empty"
    if any("error" in chunk for chunk in chunks):
        return None if "error" in chunks[-1] else "something follows the error"
    finished = set()
    for chunk in chunks:
        for candidate in chunk.get("candidates") or []:
            index = candidate.get("index", 0)
            if index in finished:
                return f"candidate {index} goes on after its finishReason"
            if candidate.get("finishReason"):
                finished.add(index)
    for member in ("responseId", "modelVersion"):
        if len({chunk.get(member) for chunk in chunks}) != 1:
            return f"`{member}` changes: {[chunk.get(member) for chunk in chunks][:3]}"
    is_blocked = any((chunk.get("promptFeedback") or {}).get("blockReason") for chunk in chunks)
    return None if finished or is_blocked else "no candidate has a finishReason"


def of_converse(frames):
    if any(headers.get(":message-type") == "exception" for headers, _ in frames):
        return None if frames[-1][0].get(":message-type") == "exception" else "something follows the exception"
    events = [(headers.get(":event-type"), payload) for headers, payload in frames]
    names = [name for name, _ in events]
    if names[:1] != ["messageStart"] or names[-2:] != ["messageStop", "metadata"]:
        return f"it begins with {names[:1]} and ends with {names[-2:]}"
    if names.count("messageStart") != 1 or names.count("messageStop") != 1 or names.count("metadata") != 1:
        return "messageStart, messageStop and metadata are there once each"
    opened, count = None, 0
    for name, payload in events[1:-2]:
        index = payload["contentBlockIndex"]
        if opened is None:
            # Bedrock starts text without saying so.
            if index != count or name not in ("contentBlockStart", "contentBlockDelta"):
                return f"{name} of block {index} where block {count} should begin"
            opened, count = index, count + 1
        elif index != opened or name == "contentBlockStart":
            return f"{name} of block {index} while {opened} is open"
        elif name == "contentBlockStop":
            opened = None
    return None if opened is None else f"block {opened} is left open"


ENDS = {"response.completed", "response.incomplete", "response.failed"}


def of_responses(events):
    data = [event for _, event in events]
    if any(not isinstance(event, dict) for event in data):
        return "it holds something that is no event"
    if wrong := next((name for (name, event) in events if name != event["type"]), None):
        return f"the event {wrong!r} holds another type"
    numbers = [event["sequence_number"] for event in data]
    if numbers != list(range(len(numbers))):
        return f"the sequence numbers are {numbers[:4]}…"
    if data[-1]["type"] == "error":
        return None
    ends = [event["type"] for event in data if event["type"] in ENDS]
    if len(ends) != 1 or data[-1]["type"] != ends[0]:
        return f"it ends with {data[-1]['type']}, of ends it has {ends}"
    if [event["type"] for event in data[:2]] != ["response.created", "response.in_progress"]:
        return f"it begins with {[event['type'] for event in data[:2]]}"
    if len({event["response"]["id"] for event in data if "response" in event}) != 1:
        return "the response's id changes"
    return broken_items(data[2:-1]) or ends_otherwise(data)


# How the pieces of something are gathered: its delta events, its last event, the member that holds it whole.
GATHERED = {
    "response.output_text": "text",
    "response.refusal": "refusal",
    "response.function_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
    "response.reasoning_summary_text": "text",
    "response.reasoning_text": "text",
}
PAIRED = {"response.output_item", "response.content_part", "response.reasoning_summary_part"}


def broken_items(events):
    gathered, opened, count = {}, [], 0
    for event in events:
        head, _, what = event["type"].rpartition(".")
        place = tuple(event.get(member) for member in ("output_index", "content_index", "summary_index"))
        key = (head, *place)
        if head in PAIRED:
            if what == "added":
                if head == "response.output_item":
                    if event["output_index"] != count:
                        return f"item {event['output_index']} is added where {count} should be"
                    count += 1
                opened.append(key)
            elif key not in opened:
                return f"{event['type']} of {place}, which was not added"
            else:
                opened.remove(key)
        elif head in GATHERED:
            if what == "delta":
                gathered[key] = gathered.get(key, "") + event["delta"]
            elif what == "done" and gathered.pop(key, "") != event[GATHERED[head]]:
                return f"the deltas of {key} are not its {GATHERED[head]}"
        if head != "response.output_item" and ("response.output_item", place[0], None, None) not in opened:
            return f"{event['type']} outside of its item"
    if gathered or opened:
        return f"left open: {[*gathered, *opened][:3]}"
    return None


def ends_otherwise(events):
    """The last event repeats the items as they were when done."""
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    final = events[-1]["response"]
    if final["output"] != done:
        return f"the final output differs from the items: {json.dumps(final['output'])[:100]} / {json.dumps(done)[:100]}"
    added = [event["item"]["id"] for event in events if event["type"] == "response.output_item.added"]
    return None if added == [item["id"] for item in done] else "the ids of items change"
