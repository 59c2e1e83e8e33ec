"""Requests to Amazon Bedrock are signed such that botocore, which recomputes each signature from what has arrived, agrees."""

import json

import pytest

from amazon import ANSWER, ARN, Amazon
from gateway import Gateway

KEY = "sk-test-of-the-sdks"
HELLO = [{"role": "user", "content": [{"text": "Grüße, 世界 🙂"}]}]
MODELS = [
    "anthropic.claude-3-5-haiku-20241022-v1:0",
    "us.anthropic.claude-x-v1:0",
    ARN,
    "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/a1b2c3",
    "odd one/with ~tilde_and?query#and%41+plus=ä",
]


@pytest.fixture(scope="module", params=["long-lived", "session"])
def amazon(request):
    pytest.importorskip("boto3")
    token = "a/session+token==" if request.param == "session" else None
    with Amazon("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token) as amazon:
        yield amazon


@pytest.fixture(scope="module")
def gateway(amazon):
    """Only by variables, as a container would have them."""
    keys = amazon.credentials
    variables = {
        "BEDROCK_BASE_URL": amazon.root,
        "AWS_REGION": amazon.region,
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "NARTHEX_MASTER_KEY": KEY,
        "NARTHEX_RETRIES": "0",
    }
    if keys.token:
        variables["AWS_SESSION_TOKEN"] = keys.token
    with Gateway(**variables) as gateway:
        yield gateway


def boto(amazon_session, service, root):
    """A client that signs by a key that is nobody's."""
    config = pytest.importorskip("botocore.config").Config(retries={"total_max_attempts": 1})
    client = amazon_session.client(service, endpoint_url=root, config=config)
    client.meta.events.register("before-call", lambda params, **_: params["headers"].update({"x-api-key": KEY}))
    return client


@pytest.fixture
def runtime(gateway, amazon_session):
    return boto(amazon_session, "bedrock-runtime", gateway.root)


@pytest.fixture
def passing(gateway, amazon_session):
    return boto(amazon_session, "bedrock-runtime", gateway.root + "/p/bedrock")


@pytest.fixture
def control(gateway, amazon_session):
    return boto(amazon_session, "bedrock", gateway.root + "/p/bedrock")


@pytest.mark.parametrize("model", MODELS)
def test_converse(runtime, amazon, model):
    answer = runtime.converse(modelId=f"bedrock/{model}", messages=HELLO)
    assert answer["output"] == ANSWER["output"]
    _, path, headers, body = amazon.requests[-1]
    assert json.loads(body)["messages"] == HELLO
    assert "nobody" not in str(headers) and KEY not in str(headers)
    assert path.count("/") == 3, "the model is one segment"


@pytest.mark.parametrize("model", MODELS)
def test_converse_stream(runtime, model):
    events = list(runtime.converse_stream(modelId=f"bedrock/{model}", messages=HELLO)["stream"])
    text = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert "".join(text) == "signed"
    assert "metadata" in events[-1]


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_a_chat(gateway, model, is_stream):
    openai = pytest.importorskip("openai")
    messages = [{"role": "user", "content": "hi"}]
    with openai.OpenAI(base_url=gateway.url, api_key=KEY, max_retries=0) as client:
        answer = client.chat.completions.create(model=f"bedrock/{model}", messages=messages, stream=is_stream)
        if is_stream:
            assert "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices) == "signed"
        else:
            assert answer.choices[0].message.content == "signed"


def test_counting(runtime):
    counted = runtime.count_tokens(modelId=f"bedrock/{MODELS[0]}", input={"converse": {"messages": HELLO}})
    assert counted["inputTokens"] == 7


@pytest.mark.parametrize("model", MODELS[:4])
def test_invoke(passing, amazon, model):
    body = json.dumps({"inputText": "ä" * 200_000})
    answer = passing.invoke_model(modelId=model, body=body, contentType="application/json")
    assert json.loads(answer["body"].read()) == {"echo": json.loads(body)}
    assert "nobody" not in str(amazon.requests[-1][2])


def test_invoke_in_chunks(gateway, amazon):
    """A body whose length nobody has declared, longer than what Pingora would replay."""
    import urllib.request

    def pieces():
        yield b'{"inputText":"'
        yield from (b"x" * 10_000 for _ in range(30))
        yield b'"}'

    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    url = f"{gateway.root}/p/bedrock/model/m%3A0/invoke"
    request = urllib.request.Request(url, data=pieces(), headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert len(json.load(answer)["echo"]["inputText"]) == 300_000
    assert amazon.requests[-1][2]["content-length"] == str(len(amazon.requests[-1][3]))


def test_invoke_with_response_stream(passing):
    answer = passing.invoke_model_with_response_stream(modelId=MODELS[0], body=b"{}", contentType="application/json")
    assert [json.loads(event["chunk"]["bytes"]) for event in answer["body"]] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_anthropics_own_client_of_bedrock(gateway):
    """It invokes, and signs by itself; what it signs ends at the gateway."""
    anthropic = pytest.importorskip("anthropic")
    settings = {"aws_access_key": "nobody", "aws_secret_key": "nothing", "aws_region": "us-east-1"}
    asking = {"model": MODELS[0], "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    root = gateway.root + "/p/bedrock"
    with anthropic.AnthropicBedrock(**settings, base_url=root, default_headers={"x-api-key": KEY}, max_retries=0) as client:
        assert client.messages.create(**asking).content[0].text == "signed"
        with client.messages.stream(**asking) as stream:
            assert stream.get_final_text() == "signed"


def test_a_guardrail(passing):
    content = [{"text": {"text": "is it harmless?"}}]
    applied = passing.apply_guardrail(guardrailIdentifier="g1", guardrailVersion="1", source="INPUT", content=content)
    assert applied["action"] == "NONE"


def test_the_control_plane(control, amazon):
    models = control.list_foundation_models(byOutputModality="TEXT")["modelSummaries"]
    assert len(models) == 4
    assert amazon.requests[-1][1] == "/foundation-models?byOutputModality=TEXT"
    first = control.list_inference_profiles()
    second = control.list_inference_profiles(nextToken=first["nextToken"], typeEquals="APPLICATION")
    assert second["inferenceProfileSummaries"][0]["inferenceProfileArn"] == ARN


def test_a_presigned_query_does_not_get_through(gateway, amazon):
    import urllib.request

    signature = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=theirs&X-Amz-Signature=00&X-Amz-Date=0"
    url = f"{gateway.root}/p/bedrock/foundation-models?{signature}&byOutputModality=TEXT"
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request, timeout=20):
        assert amazon.requests[-1][1] == "/foundation-models?byOutputModality=TEXT"


def test_the_list(gateway):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=gateway.url, api_key=KEY, max_retries=0) as client:
        listed = [model.id for model in client.models.list()]
    names = ["amazon.nova-x-v1:0", "amazon.titan-embed-x", ARN, "us.anthropic.claude-x-v1:0"]
    assert listed == [f"bedrock/{name}" for name in names]


def test_a_wrong_secret_is_told(amazon):
    keys = amazon.credentials
    settings = f"type: bedrock, base_url: '{amazon.root}', region: us-east-1, models: [m], models_mode: allowlist"
    identity = f"access_key_id: {keys.access_key}, secret_access_key: wrong-secret, session_token: '{keys.token or ''}'"
    config = f"providers: {{aws: {{{settings}, {identity}}}}}"
    openai = pytest.importorskip("openai")
    with Gateway(config, NARTHEX_RETRIES="0") as gateway:
        with openai.OpenAI(base_url=gateway.url, api_key="any", max_retries=0) as client:
            with pytest.raises(openai.APIStatusError) as failed:
                client.chat.completions.create(model="aws/m", messages=[{"role": "user", "content": "hi"}])
        assert "signature" in str(failed.value) and "wrong-secret" not in str(failed.value)
        assert "wrong-secret" not in "\n".join(gateway.stderr)


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
@pytest.mark.parametrize(
    ("model", "count", "calls", "tokens"),
    [
        ("amazon.titan-embed-text-v2:0", 30, 30, 60),
        ("amazon.titan-embed-text-v2:0", 1, 1, 2),
        ("cohere.embed-multilingual-v3", 100, 2, 10),
    ],
)
def test_embeddings(gateway, amazon, model, count, calls, tokens, encoding):
    """Unless told otherwise the SDK asks for base64, and decodes it."""
    openai = pytest.importorskip("openai")
    texts = ["x" * n for n in range(1, count + 1)]
    before = len(amazon.requests)
    more = {"encoding_format": encoding} if encoding else {}
    with openai.OpenAI(base_url=gateway.url, api_key=KEY, max_retries=0) as client:
        answer = client.embeddings.create(model=f"bedrock/{model}", input=texts if count > 1 else texts[0], **more)
    assert len(amazon.requests) - before == calls
    assert [item.index for item in answer.data] == list(range(count))
    if encoding != "base64":
        assert [item.embedding for item in answer.data] == [[n, 0.5] for n in range(1, count + 1)]
    assert answer.usage.prompt_tokens == tokens


def test_embeddings_that_cannot_be(gateway):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=gateway.url, api_key=KEY, max_retries=0) as client:
        for model, given in [("somebody.embed-x", "a"), ("amazon.titan-embed-text-v1", [1, 2])]:
            with pytest.raises(openai.BadRequestError) as failed:
                client.embeddings.create(model=f"bedrock/{model}", input=given)
            assert failed.value.body["type"] == "invalid_request_error"
