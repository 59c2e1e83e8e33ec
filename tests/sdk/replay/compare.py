"""What the client got next to what the provider said (INVARIANTS.md, A1-A5 and D4). Each miss is (invariant, what)."""

import json

# Where a client dialect cannot show what the provider said, or shows it otherwise: (client, what) → why.
EXEMPT = {
    ("anthropic", "usage.reasoning"): "Messages counts reasoning within output_tokens only",
    ("converse", "usage.reasoning"): "Converse counts reasoning within outputTokens only",
    ("anthropic", "usage.total"): "Messages has no total",
    ("anthropic", "usage.fresh"): "what was cached is counted beside the rest, which cannot be less than none",
    ("converse", "usage.fresh"): "what was cached is counted beside the rest, which cannot be less than none",
    ("gemini", "usage.apart"): "thoughts are counted beside the rest, which cannot be less than none",
    ("anthropic", "arguments"): "`input` is an object: there is no place for arguments that are not JSON",
    ("gemini", "arguments"): "`args` is an object: there is no place for arguments that are not JSON",
    ("converse", "arguments"): "`input` is an object: there is no place for arguments that are not JSON",
    ("gemini", "ids"): "a functionCall may go without id",
    ("gemini", "refusal"): "there is no place for a refusal but the text",
    ("anthropic", "refusal"): "there is no place for a refusal but the text",
    ("converse", "refusal"): "there is no place for a refusal but the text",
}


def misses(native, got, client, asked_for_thoughts=True):
    """`asked_for_thoughts`: whether the client's dialect shows it the reasoning of this exchange."""
    if native.error or native.is_truncated:
        # D4: an error within a success, or half an answer, must not look like a whole one.
        if not got.error and not got.is_truncated:
            yield "D4 error inside", f"the native error {short(native.error or 'truncated')} is lost"
        return
    if got.error:
        yield "A0 error", f"an error instead of the answer: {short(got.error)}"
        return
    yield from text(native, got, client)
    yield from calls(native, got, client)
    yield from finish(native, got)
    yield from usage(native, got, client)
    yield from reasoning(native, got, asked_for_thoughts)


def text(native, got, client):
    expected = {native.text}
    if native.refusal and not got.refusal and (client.name, "refusal") in EXEMPT:
        expected = {native.text + native.refusal}
    elif native.refusal != got.refusal and native.refusal:
        yield "A9 refusal", difference(native.refusal, got.refusal)
    if got.text not in expected and not native.has_odd_text:
        yield "A1 text", difference(*expected, got.text)


def calls(native, got, client):
    if [name for name, _ in native.calls] != [name for name, _ in got.calls]:
        yield "A2 calls", f"{[name for name, _ in native.calls]} / {[name for name, _ in got.calls]}"
        return
    for (name, expected), (_, args) in zip(native.calls, got.calls):
        is_no_object = not isinstance(expected, dict) or "__raw__" in expected
        if is_no_object and (client.name, "arguments") in EXEMPT:
            continue
        if expected != args:
            yield "A2 arguments", f"{name}: {difference(json.dumps(expected), json.dumps(args))}"
            return
    ids = [call_id for call_id in got.ids if call_id]
    is_exempt = (client.name, "ids") in EXEMPT
    if len(set(ids)) != len(ids) or (len(ids) != len(got.calls) and not is_exempt):
        yield "A2 ids", f"{got.ids} for {len(got.calls)} calls"


def finish(native, got):
    reason = native.reason
    if reason is None:
        # Unknown, or not told: whatever is legal will do, which the envelope's judge looks at.
        allowed = {"stop", "length", "filter", "tool", "paused", None}
    elif reason == "paused":
        allowed = {"stop", "paused"}
    elif native.refusal:
        allowed = {reason, "filter"}
    else:
        allowed = {reason}
    if native.calls and reason not in ("filter", "length"):
        allowed = {"tool"}
    if got.reason not in allowed:
        yield "A3 finish", f"{native.finish} / {got.finish}"


def usage(native, got, client):
    expected, counts = native.usage, got.usage
    if not expected:
        return
    outputs = {expected.get("output")}
    if is_reasoning_apart(expected):
        outputs = {expected["output"] + expected["reasoning"]}
    inputs = {expected.get("input")}
    if (client.name, "usage.fresh") in EXEMPT:
        inputs.add((counts.get("cached") or 0) + (counts.get("cache_write") or 0))
    reasonings = {expected.get("reasoning")}
    if (client.name, "usage.apart") in EXEMPT and reasonings != {None}:
        outputs |= reasonings
        reasonings |= outputs
    checks = {
        "input": inputs,
        "output": outputs,
        "cached": {expected.get("cached")},
        "reasoning": reasonings,
    }
    for name, allowed in checks.items():
        if (client.name, f"usage.{name}") in EXEMPT or allowed == {None}:
            continue
        if (counts.get(name) or 0) not in {count or 0 for count in allowed}:
            yield "A4 usage", f"{name}: {sorted(allowed)} / {counts.get(name)} of {short(expected)} / {short(counts)}"
            return
    total = counts.get("total")
    if (client.name, "usage.total") not in EXEMPT and total not in sums(inputs, outputs):
        yield "A4 usage", f"total {total} is not the sum: {short(counts)}"


def sums(inputs, outputs):
    return {(one or 0) + (other or 0) for one in inputs for other in outputs}


def is_reasoning_apart(counts):
    """Some providers count reasoning beside the output; their total tells."""
    reasoning = counts.get("reasoning")
    return bool(reasoning) and counts.get("total") == (counts.get("input") or 0) + (counts.get("output") or 0) + reasoning


def reasoning(native, got, asked_for_thoughts):
    shown = {text for text in got.reasoning if text}
    expected = {text for text in native.reasoning if text}
    if shown and not shown & expected:
        yield "A5 reasoning", difference(min(expected, default=""), min(shown))
    elif expected and not shown and asked_for_thoughts:
        yield "A5 reasoning", f"{short(min(expected))} / none"
    if any(len(text) >= 40 and text[:40] in got.text and text[:40] not in native.text for text in expected):
        yield "A5 reasoning", "it leaks into the text"


def difference(expected, got):
    """Where two texts part."""
    at = next((i for i, (a, b) in enumerate(zip(expected, got)) if a != b), min(len(expected), len(got)))
    begin = max(0, at - 12)
    return f"at {at} of {len(expected)}: {expected[begin:at + 40]!r} / {got[begin:at + 40]!r}"


def short(value):
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:140]
