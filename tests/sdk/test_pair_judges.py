"""The judges of translated answers must object to what is wrong, and to nothing else."""

import json
import types

import pytest

from replay import compare, grammar, meaning
from replay.dialects import DIALECTS
from replay.readings import Reading, usage

CHAT, RESPONSES, MESSAGES, GEMINI, CONVERSE = DIALECTS.values()


def chunk(delta=None, finish=None, **more):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "a", "created": 1, "model": "m", "object": "chat.completion.chunk", "choices": choices, **more}


HEAD, TEXT, END = chunk({"role": "assistant"}), chunk({"content": "a"}), chunk({}, "stop")
COUNTS = chunk(usage={"total_tokens": 2})


def call(index, **more):
    return chunk({"tool_calls": [{"index": index, "function": {"arguments": ""}, **more}]})


CALL = call(0, id="c", function={"name": "f", "arguments": ""})


def test_right_chunks():
    assert grammar.of_chat([HEAD, TEXT, END, "[DONE]"], False) is None
    assert grammar.of_chat([HEAD, CALL, call(0), END, COUNTS, "[DONE]"], True) is None
    assert grammar.of_chat([HEAD, {"error": {"message": "broke"}}], False) is None


@pytest.mark.parametrize(
    "wrong",
    [
        [HEAD, TEXT, END],
        [TEXT, END, "[DONE]"],
        [HEAD, TEXT, "[DONE]"],
        [HEAD, END, TEXT, "[DONE]"],
        [HEAD, END, END, "[DONE]"],
        [HEAD, TEXT, END, COUNTS, "[DONE]"],
        [HEAD, {**TEXT, "id": "b"}, END, "[DONE]"],
        [HEAD, call(0), END, "[DONE]"],
        [HEAD, CALL, {**CALL}, END, "[DONE]"],
        [HEAD, call(1, id="c", function={"name": "f"}), END, "[DONE]"],
        [HEAD, chunk(), END, "[DONE]"],
        [{"error": {}}, "[DONE]"],
    ],
)
def test_wrong_chunks(wrong):
    assert grammar.of_chat(wrong, False)


def named(*events):
    return [(event["type"], event) for event in events]


START = {"type": "message_start"}
OPEN = {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}
DELTA = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta"}}
CLOSE = {"type": "content_block_stop", "index": 0}
LAST = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
STOP = {"type": "message_stop"}


def test_right_messages():
    assert grammar.of_messages(named(START, OPEN, DELTA, CLOSE, LAST, STOP)) is None
    assert grammar.of_messages(named(START, {"type": "ping"}, LAST, STOP)) is None
    assert grammar.of_messages(named(START, OPEN, {"type": "error"})) is None


@pytest.mark.parametrize(
    "wrong",
    [
        (START, OPEN, DELTA, CLOSE, LAST),
        (OPEN, DELTA, CLOSE, LAST, STOP),
        (START, DELTA, LAST, STOP),
        (START, OPEN, DELTA, LAST, STOP),
        (START, OPEN, CLOSE, OPEN, CLOSE, LAST, STOP),
        (START, OPEN, {**DELTA, "delta": {"type": "input_json_delta"}}, CLOSE, LAST, STOP),
        (START, {**LAST, "delta": {}}, STOP),
        (START, LAST, LAST, STOP),
    ],
)
def test_wrong_messages(wrong):
    assert grammar.of_messages(named(*wrong))


def frames(*names):
    split = (name.partition(" ") for name in names)
    return [({":event-type": name}, {"contentBlockIndex": int(index or 0)}) for name, _, index in split]


def test_converse():
    rest = ("messageStop", "metadata")
    text, tool = ("contentBlockDelta 0", "contentBlockStop 0"), ("contentBlockStart 1", "contentBlockStop 1")
    right = ("messageStart", *text, *tool, *rest)
    assert grammar.of_converse(frames(*right)) is None
    for at in (0, 2, 4, 5, 6):
        assert grammar.of_converse(frames(*right[:at], *right[at + 1 :])), right[at]
    assert grammar.of_converse(frames("messageStart", "contentBlockDelta 1", "contentBlockStop 1", *rest))


def test_gemini():
    part = {"responseId": "r", "modelVersion": "m", "candidates": [{"content": {}}]}
    last = {**part, "candidates": [{"finishReason": "STOP"}]}
    assert grammar.of_gemini([part, last]) is None
    for wrong in ([part], [last, part], [part, {**last, "responseId": "s"}]):
        assert grammar.of_gemini(wrong)


def response_events():
    item = {"id": "i", "type": "message"}
    place = {"output_index": 0, "content_index": 0}
    events = [
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.in_progress", "response": {"id": "r"}},
        {"type": "response.output_item.added", "output_index": 0, "item": {"id": "i"}},
        {"type": "response.content_part.added", **place},
        {"type": "response.output_text.delta", **place, "delta": "a"},
        {"type": "response.output_text.delta", **place, "delta": "b"},
        {"type": "response.output_text.done", **place, "text": "ab"},
        {"type": "response.content_part.done", **place},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"id": "r", "output": [item]}},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def test_responses():
    assert grammar.of_responses(named(*response_events())) is None
    for missing in range(10):
        events = response_events()
        events.pop(missing)
        for number, event in enumerate(events):
            event["sequence_number"] = number
        assert grammar.of_responses(named(*events)), missing
    events = response_events()
    events[4]["sequence_number"] = 9
    assert grammar.of_responses(named(*events))
    events = response_events()
    events[-1]["response"] = {"id": "r", "output": []}
    assert grammar.of_responses(named(*events))


NATIVE = Reading(
    text="It rains.",
    reasoning={"A thought that is long enough to be found again."},
    calls=[("f", {"a": 1})],
    ids=["c"],
    finish="STOP",
    reason="tool",
    usage={"input": 9, "output": 5, "total": 14, "cached": 4, "reasoning": 2},
)


def misses(client=CHAT, native=NATIVE, **changed):
    got = Reading(**{**vars(NATIVE), **changed})
    return [kind for kind, _ in compare.misses(native, got, client)]


def test_equal_readings():
    assert misses() == []


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"text": "It rains"}, "A1 text"),
        ({"calls": []}, "A2 calls"),
        ({"calls": [("f", {"a": 2})]}, "A2 arguments"),
        ({"ids": [None]}, "A2 ids"),
        ({"reason": "stop"}, "A3 finish"),
        ({"usage": {**NATIVE.usage, "output": 7, "total": 16}}, "A4 usage"),
        ({"usage": {**NATIVE.usage, "total": 13}}, "A4 usage"),
        ({"usage": {**NATIVE.usage, "cached": 0}}, "A4 usage"),
        ({"reasoning": {""}}, "A5 reasoning"),
        ({"reasoning": {"Another thought."}}, "A5 reasoning"),
        ({"error": {"message": "no"}}, "A0 error"),
    ],
)
def test_readings_that_differ(changed, kind):
    assert kind in misses(**changed)


def test_reasoning_must_not_leak():
    assert "A5 reasoning" in misses(text=min(NATIVE.reasoning) + NATIVE.text)


def test_errors_must_not_be_lost():
    assert misses(native=Reading(error="no")) == ["D4 error inside"]
    assert misses(native=Reading(is_truncated=True)) == ["D4 error inside"]


def test_counts_in_one_form():
    told = {"input": 3, "output": 2, "cached": 4, "cache_write": 1}
    assert usage("messages", told)["input"] == 8
    assert usage("chat", {"input": 3, "cached": 2})["input"] == 3
    assert usage("gemini_generate", {"input": 3, "tool_prompt": 2})["input"] == 5


def test_what_a_client_says_must_be_heard():
    request = {
        "system": "Be brief.",
        "messages": [{"role": "user", "content": [{"type": "tool_result", "content": "21 °C"}]}],
        "tools": [{"name": "weather", "description": "Tells it."}],
    }
    whole = {"x": ["Be brief.", "21 °C", {"weather": "Tells it."}]}
    assert meaning.lost(MESSAGES, request, json.dumps(whole)) is None
    for at in range(2):
        assert meaning.lost(MESSAGES, request, json.dumps({"x": whole["x"][at + 1 :]}))
    nested = types.SimpleNamespace(arguments=json.dumps({"city": "Bern"})).arguments
    called = {"messages": [{"content": None, "tool_calls": [{"function": {"name": "f", "arguments": nested}}]}]}
    assert meaning.lost(CHAT, called, json.dumps({"f": {"city": "Bern"}})) is None
    assert meaning.lost(CHAT, called, json.dumps({"f": {}}))
