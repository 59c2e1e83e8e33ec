"""What an answer says, whichever dialect it is in: the corpus' views, brought into one form (INVARIANTS.md, tables F and U),
and what these leave out: refusals, raw reasoning, custom tools, ids.
"""

import collections
import dataclasses
import json

REASONS = {
    "stop": ("stop", "eos", "end_turn", "stop_sequence", "STOP"),
    "length": ("length", "max_tokens", "MAX_TOKENS", "model_context_window_exceeded", "incomplete:max_output_tokens"),
    "tool": ("tool_calls", "tool_call", "function_call", "tool_use"),
    "filter": (
        *("content_filter", "refusal", "guardrail_intervened", "content_filtered", "incomplete:content_filter"),
        *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"),
    ),
    "paused": ("pause_turn",),
}
REASON_OF = {word: reason for reason, words in REASONS.items() for word in words}


@dataclasses.dataclass
class Reading:
    text: str = ""
    refusal: str = ""
    # Alternatives where a dialect has several places for it: a summary, the raw thoughts, both.
    reasoning: set = dataclasses.field(default_factory=set)
    calls: list = dataclasses.field(default_factory=list)
    ids: list = dataclasses.field(default_factory=list)
    finish: str | None = None
    reason: str | None = None
    usage: dict = dataclasses.field(default_factory=dict)
    error: object = None
    # The text is something else than a text: an object, for want of which the gateway may choose what to show.
    has_odd_text: bool = False
    # A stream without the end that its dialect promises.
    is_truncated: bool = False
    # What the SDK's types object to.
    objections: list = dataclasses.field(default_factory=list)


def read(views, endpoint, kind, raw):
    """Raises what the SDK's parser raises."""
    views.ERRS.clear()
    view = views.view(endpoint, kind, raw)
    objections = sorted(set(views.ERRS))
    answers = objects(views, endpoint, kind, raw)
    extra = EXTRAS[endpoint](answers)
    calls = [(call["name"], call["args"]) for call in view["tool_calls"]]
    reading = Reading(
        text=extra.text if extra.text is not None else view["text"],
        refusal=extra.refusal,
        has_odd_text=extra.has_odd_text,
        reasoning={view["reasoning"], *extra.reasoning},
        calls=extra.calls if extra.calls is not None else calls,
        ids=extra.ids,
        finish=view["finish"],
        usage=usage(endpoint, view["usage"]),
        error=view.get("error") or (answers[0].get("error") if kind == "json" and len(answers) == 1 else None),
        objections=objections,
    )
    reading.reason = reason(reading)
    reading.is_truncated = kind != "json" and not reading.error and is_truncated(endpoint, view, extra)
    return reading


def reason(reading):
    word = reading.finish or ""
    if word.startswith("BLOCKED:"):
        return "filter"
    if word == "completed":
        word = "tool_calls" if reading.calls else "stop"
    found = REASON_OF.get(word)
    return "tool" if found == "stop" and reading.calls else found


def is_truncated(endpoint, view, extra):
    if endpoint == "chat":
        return not view["finish"] and not view["done"]
    if endpoint == "responses":
        return bool(view.get("truncated"))
    return not view["finish"]


def usage(endpoint, counts):
    """Input with what came from caches or went there, output with reasoning."""
    counts = dict(counts)
    if endpoint in ("messages", "converse", "converse_stream") and "input" in counts:
        counts["input"] += (counts.get("cached") or 0) + (counts.get("cache_write") or 0)
    if "input" in counts:
        counts["input"] += counts.pop("tool_prompt", 0) or 0
    return counts


@dataclasses.dataclass
class Extra:
    """What the views do not tell. `None`: they tell it right."""

    text: str | None = None
    refusal: str = ""
    has_odd_text: bool = False
    reasoning: tuple = ()
    calls: list | None = None
    ids: list = dataclasses.field(default_factory=list)


def objects(views, endpoint, kind, raw):
    """The JSON that an answer consists of; event-stream frames as {event type: payload}."""
    if kind == "eventstream":
        return [{headers.get(":event-type"): json.loads(payload or b"{}")} for headers, payload in views.es(raw)]
    if kind == "sse":
        data = (data for _, data in views.sse(raw.replace(b"\r\n", b"\n")))
        return [json.loads(text) for text in data if text.strip() not in ("[DONE]", "")]
    whole = json.loads(raw)
    return whole if isinstance(whole, list) else [whole]


def of_chat(chunks):
    extra, calls = Extra(), {}
    thoughts, details, is_whole = [], [], False
    for choice in (choice for chunk in chunks for choice in chunk.get("choices") or []):
        if choice.get("index", 0) != 0:
            continue
        is_whole = "message" in choice
        message = choice.get("message") or choice.get("delta") or {}
        extra.refusal += message.get("refusal") or ""
        extra.has_odd_text |= isinstance(message.get("content"), dict)
        parts = message.get("content") if isinstance(message.get("content"), list) else []
        thinking = [thought for part in parts for thought in part.get("thinking") or []]
        thoughts += [thought.get("text", "") for thought in thinking if isinstance(thought, dict)]
        details += [detail.get("text") or detail.get("summary") or "" for detail in message.get("reasoning_details") or []]
        legacy = message.get("function_call") or {}
        legacy = [{"index": 0, "function": legacy}] if legacy.get("name") or legacy.get("arguments") else []
        for position, call in enumerate(message.get("tool_calls") or legacy):
            key = position if is_whole else call.get("index", len(calls))
            kept = calls.setdefault(key, {"id": None, "name": "", "args": "", "custom": False})
            kept["id"] = kept["id"] or call.get("id")
            function = call.get("function") or call.get("custom") or {}
            kept["custom"] = kept["custom"] or "custom" in call
            kept["name"] = kept["name"] or function.get("name") or ""
            kept["args"] += _text(function.get("arguments", function.get("input")))
    ordered = [call for _, call in sorted(calls.items())]
    extra.calls = [(call["name"], call["args"] if call["custom"] else _arguments(call["args"])) for call in ordered]
    extra.ids = [call["id"] for call in ordered]
    extra.reasoning = ("".join(thoughts), "".join(details))
    return extra


def of_responses(events):
    finals = [event["response"] for event in events if isinstance(event.get("response"), dict)]
    extra, final = Extra(), finals[-1] if finals else events[-1] if events else {}
    summary, raw, calls = [], [], []
    for item in final.get("output") or []:
        parts = item.get("content") or []
        if item["type"] == "reasoning":
            summary += [part.get("text", "") for part in item.get("summary") or []]
            raw += [part.get("text", "") for part in parts]
        elif item["type"] == "message":
            extra.refusal += "".join(part["refusal"] for part in parts if part.get("type") == "refusal")
        elif item["type"] in ("function_call", "custom_tool_call"):
            calls.append((item["name"], item["input"] if "input" in item else _arguments(item["arguments"])))
            extra.ids.append(item.get("call_id"))
    extra.reasoning = ("".join(raw), "".join(summary + raw), "".join(raw + summary))
    extra.calls = calls
    return extra


def of_messages(events):
    if events and events[0].get("type") == "message":
        blocks = events[0]["content"]
    else:
        blocks = [event["content_block"] for event in events if event.get("type") == "content_block_start"]
    return Extra(ids=[block["id"] for block in blocks if block["type"] == "tool_use"])


def of_gemini(chunks):
    """Arguments that come in pieces (`partialArgs`) are put together, as far as they are texts, numbers and flags."""
    extra, calls, open_call = Extra(calls=[]), [], None
    candidates = [candidate for chunk in chunks for candidate in chunk.get("candidates") or []]
    first = (candidate for candidate in candidates if candidate.get("index", 0) == 0)
    parts = [part for candidate in first for part in (candidate.get("content") or {}).get("parts") or []]
    extra.text = "".join(part.get("text", "") for part in parts if not part.get("thought"))
    for call in (part["functionCall"] for part in parts if "functionCall" in part):
        if open_call is None:
            open_call = {"name": call.get("name"), "args": call.get("args") or {}}
            calls.append(open_call)
            extra.ids += [call["id"]] if call.get("id") else []
        for piece in call.get("partialArgs") or []:
            _put(open_call["args"], piece)
        if not call.get("willContinue"):
            open_call = None
    extra.calls = [(call["name"], call["args"]) for call in calls]
    return extra


def _put(args, piece):
    steps = piece["jsonPath"].removeprefix("$").replace("[", ".").replace("]", "").split(".")
    path = [int(step) if step.isdigit() else step for step in steps if step]
    for step, following in zip(path, [*path[1:], None]):
        if isinstance(step, int):
            args += [None] * (step + 1 - len(args))
        if following is None:
            old = args[step] if isinstance(step, int) or step in args else None
            value = next((value for name, value in piece.items() if name.endswith("Value")), None)
            args[step] = old + value if isinstance(old, str) and isinstance(value, str) else value
        else:
            missing = args[step] is None if isinstance(step, int) else step not in args
            if missing:
                args[step] = [] if isinstance(following, int) else {}
            args = args[step]


def of_converse(events):
    extra, text, calls = Extra(), [], []
    if events and "output" in events[0]:
        for block in events[0]["output"]["message"]["content"]:
            text.append(block.get("text", ""))
            text += [part.get("text", "") for part in (block.get("citationsContent") or {}).get("content") or []]
            # One with a type is of a tool that the provider itself runs.
            used = block.get("toolUse", {"type": "none"})
            if "type" not in used or used["type"] == "tool_use":
                calls.append((used["name"], used["input"]))
                extra.ids.append(used["toolUseId"])
        extra.text, extra.calls = "".join(text), calls
        return extra
    starts = (event["contentBlockStart"].get("start") or {} for event in events if "contentBlockStart" in event)
    extra.ids = [start["toolUse"]["toolUseId"] for start in starts if "toolUse" in start]
    return extra


def _text(value):
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _arguments(text):
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return {"__raw__": text}


EXTRAS = collections.defaultdict(
    lambda: lambda _: Extra(),
    {
        "chat": of_chat,
        "responses": of_responses,
        "messages": of_messages,
        "gemini_generate": of_gemini,
        "gemini_stream": of_gemini,
        "converse": of_converse,
        "converse_stream": of_converse,
    },
)
