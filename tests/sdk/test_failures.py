"""What the SDK makes of failures: the exception's class, its code, its headers; never a silent end."""

import socket
import threading

import openai
import pytest

from gateway import Gateway

MODEL = "simulator"
HELLO = [{"role": "user", "content": "hello"}]


def ask(client, simulate=None, **more):
    headers = {"x-simulate": simulate} if simulate else {}
    headers |= more.pop("headers", {})
    request = {"model": MODEL, "messages": HELLO, **more}
    return client.chat.completions.create(**request, extra_headers=headers)


def test_a_wrong_key(client):
    with pytest.raises(openai.AuthenticationError) as failed:
        ask(client.with_options(api_key="wrong"))
    assert failed.value.code == "invalid_api_key"
    assert "wrong" not in str(failed.value)
    assert failed.value.request_id


def test_an_unknown_model(client):
    for unknown in ("no-such-model", "no-such-provider/model"):
        with pytest.raises(openai.NotFoundError) as failed:
            ask(client, model=unknown)
        assert (failed.value.code, failed.value.param) == ("model_not_found", "model")
        assert unknown in failed.value.message
    with pytest.raises(openai.NotFoundError) as failed:
        client.models.retrieve("no-such-model")
    assert failed.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError) as failed:
        client.responses.create(model="no-such-model", input="hello")
    assert failed.value.code == "model_not_found"


def test_an_invalid_request(client):
    with pytest.raises(openai.BadRequestError) as ours:
        ask(client, model="")
    assert ours.value.param == "model"
    with pytest.raises(openai.BadRequestError) as theirs:
        ask(client, n=0)
    assert theirs.value.param == "n"


def test_a_rate_limit(client):
    with pytest.raises(openai.RateLimitError) as failed:
        ask(client, "error=429,retry-after=7")
    answer = failed.value.response
    assert answer.headers["retry-after"] == "7"
    assert failed.value.code == "rate_limit_exceeded"
    assert failed.value.request_id == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_the_providers_errors_keep_their_class(client, status, expected, stream):
    with pytest.raises(expected) as failed:
        ask(client, f"error={status}", stream=stream)
    assert failed.value.status_code == status
    assert failed.value.body["message"]


def test_a_body_that_is_too_large(client):
    with pytest.raises(openai.APIStatusError) as failed:
        ask(client, messages=[{"role": "user", "content": "x" * (2 << 20)}])
    assert failed.value.status_code == 413
    assert failed.value.code == "request_too_large"


def test_the_gateway_tries_again_for_the_client(retrying_gateway):
    with openai.OpenAI(base_url=retrying_gateway.url, api_key=retrying_gateway.key, max_retries=0) as client:
        raw = client.chat.completions.with_raw_response
        headers = {"x-simulate": "fail-first=1,error=429,retry-after=0,key=once"}
        answer = raw.create(model=MODEL, messages=HELLO, extra_headers=headers)
    assert answer.headers["x-narthex-attempts"] == "2"
    assert answer.parse().choices[0].message.content


def test_the_sdk_tries_again_by_itself(client, gateway):
    headers = {"x-simulate": "fail-first=1,error=503,retry-after=0,key=by-the-sdk"}
    answer = ask(client.with_options(max_retries=2), headers=headers)
    assert answer.choices[0].message.content


def test_request_ids_and_our_headers(client, gateway):
    answer = ask(client)
    assert gateway.access_line(answer._request_id)["outcome"] == "ok"
    named = {"x-request-id": "named-by-the-client"}
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, extra_headers=named)
    assert raw.request_id == "named-by-the-client"
    assert raw.headers["x-narthex-instance"] == "simulator"
    assert raw.headers["x-narthex-model"] == MODEL
    assert raw.headers["x-narthex-attempts"] == "1"
    assert raw.headers["x-ratelimit-remaining-requests"]
    line = gateway.access_line("named-by-the-client")
    assert (line["instance"], line["upstream_model"], line["status"]) == ("simulator", MODEL, 200)
    assert line["input_tokens"] == raw.parse().usage.prompt_tokens


def test_the_counts_of_a_stream_are_logged_though_nobody_asked(client, gateway):
    list(ask(client, stream=True, headers={"x-request-id": "counted"}))
    line = gateway.access_line("counted")
    assert line["stream"] and line["output_tokens"] == ask(client).usage.completion_tokens


def test_a_client_that_loses_patience(client, gateway):
    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=1.5), "latency=60s", headers={"x-request-id": "impatient"})
    line = gateway.access_line("impatient")
    assert line["outcome"] == "client_gone"
    assert line["duration_ms"] < 30_000


@pytest.mark.parametrize("events", [1, 4])
def test_a_chat_stream_that_breaks(client, gateway, events):
    name = f"cut-{events}"
    chunks = []
    with pytest.raises(openai.APIError, match="broke off") as failed:
        for chunk in ask(client, f"cut={events}", stream=True, headers={"x-request-id": name}):
            chunks.append(chunk)
    assert failed.value.code == "upstream_broke_off"
    assert len(chunks) == events
    assert gateway.access_line(name)["outcome"] == "error"


def test_a_responses_stream_that_breaks(client):
    headers = {"x-simulate": "cut=4"}
    with pytest.raises(openai.APIError, match="broke off"):
        list(client.responses.create(model=MODEL, input="hello", stream=True, extra_headers=headers))
    with pytest.raises(openai.APIError, match="broke off"):
        with client.responses.stream(model=MODEL, input="hello", extra_headers=headers) as stream:
            for _ in stream:
                pass


def test_the_stream_helper_on_a_stream_that_breaks(client):
    headers = {"x-simulate": "cut=4"}
    with pytest.raises(openai.APIError, match="broke off"):
        with client.chat.completions.stream(model=MODEL, messages=HELLO, extra_headers=headers) as stream:
            stream.get_final_completion()


def test_a_provider_that_hangs_up(client):
    with pytest.raises(openai.InternalServerError) as failed:
        ask(client, "cut=0")
    assert failed.value.status_code == 502
    assert failed.value.code == "upstream_unreachable"


def test_a_whole_answer_that_never_ends_is_no_answer():
    """A provider that promises more bytes than it sends."""
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        config = (
            "providers:\n  short:\n    type: openai\n    models: [m]\n    models_mode: allowlist\n"
            f"    base_url: http://127.0.0.1:{upstream.getsockname()[1]}/v1\n"
        )
        with Gateway(config, NARTHEX_RETRIES="0") as gateway:
            with openai.OpenAI(base_url=gateway.url, api_key="any", max_retries=0, timeout=20) as client:
                threading.Thread(target=answer_half, args=(upstream,), daemon=True).start()
                with pytest.raises(openai.APIConnectionError):
                    client.chat.completions.create(model="m", messages=HELLO)


def answer_half(upstream):
    connection, _ = upstream.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{\"id\":")
