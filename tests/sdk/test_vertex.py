"""Vertex AI behind the gateway: assertions that google-auth accepts, and SDKs of three vendors that get what Google's cloud says."""

import base64

import pytest

from gateway import Gateway

pytest.importorskip("google.auth")
from google_cloud import TOKEN, Cloud  # noqa: E402

KEY = "sk-test-of-the-sdks"
GEMINI = "vertex/google/gemini-2.5-flash"
CLAUDE = "vertex/anthropic/claude-sonnet-4-5@20250929"
PLACE = "/projects/p-1/locations/us-east5/publishers"


@pytest.fixture(scope="module")
def cloud():
    with Cloud() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def gateway(cloud):
    """Only by variables, as a container would have them."""
    variables = {
        "VERTEX_BASE_URL": cloud.root,
        "VERTEX_PROJECT": "p-1",
        "VERTEX_LOCATION": "us-east5",
        "VERTEX_AUTH_TYPE": "gcp_service_account",
        "VERTEX_SERVICE_ACCOUNT_JSON": base64.b64encode(cloud.key_file().encode()).decode(),
        "NARTHEX_MASTER_KEY": KEY,
        "NARTHEX_RETRIES": "0",
    }
    with Gateway(**variables) as gateway:
        yield gateway


@pytest.fixture
def openai_client(gateway):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=gateway.url, api_key=KEY, max_retries=0) as client:
        yield client


def test_google_accepts_the_assertion(cloud, openai_client):
    answer = openai_client.chat.completions.create(model=GEMINI, messages=[{"role": "user", "content": "Hi"}])
    assert answer.choices[0].message.content == "from Vertex"
    assert answer.usage.total_tokens == 6
    assert len(cloud.claims) == 1 and cloud.claims[0]["exp"] - cloud.claims[0]["iat"] == 3600
    assert cloud.asked[-1][0] == f"/v1beta1{PLACE}/google/models/gemini-2.5-flash:generateContent"
    assert TOKEN not in answer.model_dump_json()


@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
def test_openai_streams(openai_client, model):
    stream = openai_client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Hi"}], stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "from Vertex"
    assert chunks[-1].usage.completion_tokens == 2


def test_openai_embeds(cloud, openai_client):
    # The SDK asks for base64 and unpacks it.
    answer = openai_client.embeddings.create(model="vertex/google/text-embedding-005", input=["a", "b"], dimensions=2)
    assert [item.embedding for item in answer.data] == [[0.25, -0.5], [0.25, -0.5]]
    assert answer.usage.prompt_tokens == 4
    assert cloud.asked[-1][1] == {"instances": [{"content": "a"}, {"content": "b"}], "parameters": {"outputDimensionality": 2}}


def test_genai_gets_its_own_dialect(cloud, gateway):
    genai = pytest.importorskip("google.genai")
    options = genai.types.HttpOptions(base_url=gateway.root)
    with genai.Client(api_key=KEY, http_options=options) as client:
        answer = client.models.generate_content(model=GEMINI, contents="Hi")
        assert answer.text == "from Vertex" and answer.usage_metadata.total_token_count == 6
        streamed = client.models.generate_content_stream(model=GEMINI, contents="Hi")
        assert "".join(chunk.text for chunk in streamed) == "from Vertex"
        assert cloud.asked[-1][0].endswith("gemini-2.5-flash:streamGenerateContent?alt=sse")
        assert client.models.count_tokens(model=GEMINI, contents="Hi").total_tokens == 4


def test_anthropic_gets_its_own_dialect(cloud, gateway):
    anthropic = pytest.importorskip("anthropic")
    messages = [{"role": "user", "content": "Hi"}]
    with anthropic.Anthropic(base_url=gateway.root, api_key=KEY, max_retries=0) as client:
        answer = client.messages.create(model=CLAUDE, max_tokens=9, messages=messages)
        assert answer.content[0].text == "from Vertex"
        path, asked = cloud.asked[-1]
        assert path == f"/v1{PLACE}/anthropic/models/claude-sonnet-4-5%4020250929:rawPredict"
        assert asked == {"anthropic_version": "vertex-2023-10-16", "max_tokens": 9, "messages": messages}
        with client.messages.stream(model=CLAUDE, max_tokens=9, messages=messages) as stream:
            assert stream.get_final_text() == "from Vertex"
        assert client.messages.count_tokens(model=CLAUDE, messages=messages).input_tokens == 4
        assert cloud.asked[-1][1]["model"] == "claude-sonnet-4-5@20250929"


def test_one_token_served_all(cloud):
    assert len(cloud.claims) == 1
