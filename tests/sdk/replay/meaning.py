"""What a client's request says, and whether the provider was told all of it (C4): texts, instructions, tools and their
results, calls, images. Reasoning of earlier turns is not among it: much of that no other provider may see.
"""

import base64
import json


def lost(dialect, request, sent):
    """The first thing that the client said and the provider did not hear, in a few words."""
    heard = "\0".join(leaves(json.loads(sent)))
    for what, text in SAID[dialect.name](request):
        if isinstance(text, str) and not is_heard(text.strip(), heard):
            return f"{what} {text[:80]!r}"
    return None


def is_heard(text, heard):
    """As it is, as base64 or without it, or as JSON if it is JSON."""
    if text in heard or base64.b64encode(text.encode()[:150]).decode() in heard:
        return True
    try:
        if base64.b64decode(text[: len(text) // 4 * 4], validate=True).decode(errors="ignore") in heard:
            return True
    except ValueError:
        pass
    said = values(text)
    return said != [text] and all(text in heard for text in said)


def leaves(value):
    """All texts of some JSON, with those of JSON that is within a text."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from leaves(member)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, str):
        yield value
        if value[:1] in ("{", "["):
            try:
                yield from leaves(json.loads(value))
            except ValueError:
                pass


def values(value):
    """The texts of a JSON value, or of a text that is JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return [value]
    if isinstance(value, dict):
        return [text for member in value.values() for text in values_of(member)]
    return values_of(value)


def values_of(value):
    if isinstance(value, dict):
        return [text for member in value.values() for text in values_of(member)]
    if isinstance(value, list):
        return [text for item in value for text in values_of(item)]
    return [value] if isinstance(value, str) else []


def parts(content, text_types):
    """Texts and data of a message's parts, in OpenAI's dialects."""
    if isinstance(content, str):
        yield "text", content
        return
    for part in content or []:
        if isinstance(part, str):
            yield "text", part
        elif part.get("type") in text_types:
            yield "text", part.get("text")
        image = part.get("image_url")
        yield "image", data_of(image.get("url") if isinstance(image, dict) else image)
        file = part.get("file") if isinstance(part.get("file"), dict) else part
        yield "file", data_of(file.get("file_data"))
        yield "audio", (part.get("input_audio") or {}).get("data")


def data_of(url):
    """The base64 of a `data:` URL."""
    head, comma, data = (url or "").partition(",")
    return data[:200] if comma and head.startswith("data:") and head.endswith(";base64") else None


def of_chat(request):
    for message in request["messages"]:
        yield from parts(message.get("content"), {"text"})
        for call in message.get("tool_calls") or []:
            function = call.get("function") or {}
            yield "called function", function.get("name")
            for text in values(function.get("arguments") or ""):
                yield "argument", text
    for tool in request.get("tools") or []:
        if tool.get("type", "function") == "function":
            function = tool.get("function") or {}
            yield "function", function.get("name")
            yield "description", function.get("description")


def of_responses(request):
    yield "instructions", request.get("instructions")
    items = request.get("input")
    if isinstance(items, str):
        yield "input", items
        items = []
    for item in items or []:
        kind = item.get("type", "message")
        if kind == "message":
            yield from parts(item.get("content"), {"input_text", "output_text"})
        elif kind == "function_call":
            yield "called function", item["name"]
            for text in values(item.get("arguments") or ""):
                yield "argument", text
        elif kind in ("function_call_output", "custom_tool_call_output"):
            yield from parts(item.get("output"), {"input_text"})
    for tool in request.get("tools") or []:
        if tool.get("type") == "function":
            yield "function", tool.get("name")
            yield "description", tool.get("description")


def blocks(content):
    if isinstance(content, str):
        yield "text", content
        return
    for block in content or []:
        if block["type"] == "text":
            yield "text", block["text"]
        elif block["type"] == "tool_use":
            yield "called tool", block["name"]
            for text in values_of(block["input"]):
                yield "argument", text
        elif block["type"] == "tool_result":
            yield from blocks(block.get("content"))
        elif block["type"] in ("image", "document"):
            yield block["type"], (block["source"].get("data") or "")[:200]


def of_messages(request):
    yield from blocks(request.get("system"))
    for message in request["messages"]:
        yield from blocks(message["content"])
    for tool in request.get("tools") or []:
        if tool.get("type", "custom") == "custom":
            yield "tool", tool["name"]
            yield "description", tool.get("description")


def of_gemini(request):
    system = request.get("systemInstruction") or request.get("system_instruction") or {}
    for content in [system, *request["contents"]]:
        found = content.get("parts") or []
        for part in found if isinstance(found, list) else [found]:
            if not part.get("thought"):
                yield "text", part.get("text")
            call, told = part.get("functionCall") or {}, part.get("functionResponse") or {}
            yield "called function", call.get("name")
            for text in [*values_of(call.get("args")), *values_of(told.get("response"))]:
                yield "argument or result", text
            yield "data", (part.get("inlineData") or part.get("inline_data") or {}).get("data", "")[:200]
    tools = request.get("tools") or []
    for tool in tools if isinstance(tools, list) else [tools]:
        for function in tool.get("functionDeclarations") or tool.get("function_declarations") or []:
            yield "function", function["name"]
            yield "description", function.get("description")


def of_converse(request):
    for block in request.get("system") or []:
        yield "system", block.get("text")
    for message in request["messages"]:
        yield from converse_blocks(message["content"])
    for tool in (request.get("toolConfig") or {}).get("tools") or []:
        spec = tool.get("toolSpec") or {}
        yield "tool", spec.get("name")
        yield "description", spec.get("description")


def converse_blocks(content):
    for block in content:
        yield "text", block.get("text")
        used, told = block.get("toolUse") or {}, block.get("toolResult") or {}
        if "type" in used or "type" in told:
            # Of a tool that the provider itself runs.
            continue
        yield "called tool", used.get("name")
        for text in [*values_of(used.get("input")), *values_of([part.get("json") for part in told.get("content") or []])]:
            yield "argument or result", text
        yield from converse_blocks(told.get("content") or [])
        for kind in ("image", "document"):
            yield kind, ((block.get(kind) or {}).get("source") or {}).get("bytes", "")[:200]


SAID = {
    "openai_chat": of_chat,
    "openai_responses": of_responses,
    "anthropic": of_messages,
    "gemini": of_gemini,
    "converse": of_converse,
}
