"""The judges of the replay must object to what is wrong; a judge that never objects proves nothing."""

import base64
import json

import pytest

from replay import judge, recordings
from replay.wire import Answer

HEADERS = {"x-request-id": "theirs", "retry-after": "3"}
ARRIVED = [
    ("content-type", "application/json"),
    ("x-upstream-request-id", "theirs"),
    ("retry-after", "3"),
    ("x-narthex-instance", "groq"),
]


def judge_answer(status=200, headers=ARRIVED, body=b"{}", is_complete=True):
    return judge.answer(Answer(status, headers, body, is_complete), 200, HEADERS, b"{}", "groq", "application/json")


def test_a_right_answer():
    assert judge_answer() is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": 500},
        {"body": b"{} "},
        {"body": b"{"},
        {"is_complete": False},
        {"headers": ARRIVED[1:]},
        {"headers": [*ARRIVED[:2], ARRIVED[3]]},
        {"headers": ARRIVED[:3]},
        {"headers": [*ARRIVED, ("x-debug", "provider-key-of-groq")]},
    ],
)
def test_a_wrong_answer(wrong):
    assert judge_answer(**wrong)


BODY = b'{"model":"m","n":1.0}'
SENT = {
    "host": "127.0.0.1:9",
    "authorization": "Bearer secret",
    "accept-encoding": "identity",
    "content-length": str(len(BODY)),
}


def judge_request(headers=(), body=BODY, count=1, judgement=None, **entry):
    merged = {**SENT, "content-length": str(len(body)), **dict(headers)}
    entry = {
        "outcome": "played",
        "path": "/v1/x",
        "query": "",
        "headers": [pair for pair in merged.items() if pair[1] is not None],
        "body_b64": base64.b64encode(body).decode(),
        **entry,
    }
    return judge.request(
        [entry] * count, "/v1/x", "authorization", "secret", 9, judgement or judge.same_bytes(BODY)
    )


def test_a_right_request():
    assert judge_request() is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 0},
        {"count": 2},
        {"outcome": "mismatch"},
        {"path": "/v1/v1/x"},
        {"query": "key=secret"},
        {"body": BODY.replace(b"1.0", b"1")},
        {"headers": {"authorization": None}},
        {"headers": {"authorization": f"Bearer {judge.CLIENT_KEY}"}},
        {"headers": {"x-api-key": "secret"}},
        {"headers": {"cookie": "a"}},
        {"headers": {"x-other": judge.CANARY}},
        {"headers": {"host": "client.example"}},
        {"headers": {"accept-encoding": "gzip"}},
        {"headers": {"content-length": "3"}},
        {"headers": {"content-length": None, "transfer-encoding": "chunked"}},
    ],
)
def test_a_wrong_request(wrong):
    assert judge_request(**wrong)


def test_edits_are_only_those_that_are_declared():
    judgement = judge.edited(BODY, lambda body: body.update(stream_options={"include_usage": True}))
    right = {"stream_options": {"include_usage": True}, "model": "m", "n": 1.0}
    assert judge_request(body=json.dumps(right).encode(), judgement=judgement) is None
    for wrong in (
        BODY,
        json.dumps({**right, "extra": 1}).encode(),
        json.dumps({name: right[name] for name in ("stream_options", "n", "model")}).encode(),
        json.dumps({**right, "n": 2}).encode(),
    ):
        assert judge_request(body=wrong, judgement=judgement)


def test_the_counting_chunk_alone_is_taken_out():
    first = b'data: {"choices":[{"delta":{}}],"usage":{"total_tokens":1}}\r\n\r\n'
    filters = b'data: {"choices":[],"usage":null}\n\n'
    count = b'data: {"choices":[],"usage":{"total_tokens":1}}\n\n'
    done = b"data: [DONE]\n\n"
    assert recordings.without_counts(first + b": hi\n\n" + filters + count + done) == first + b": hi\n\n" + filters + done
