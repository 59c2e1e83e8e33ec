"""Fixtures: gateways in front of the built-in simulator, and the SDKs' clients of them."""

import pytest

from gateway import Gateway
from kept import Kept, Postgres
from simulator import Simulator

KEY = "sk-test-of-the-sdks"
# Named, so that it is an ordinary provider: as a mere stand-in for one it would answer to every model name.
SIMULATOR = "providers: {simulator: {}}\n"
# Tries every request once: what fails must reach the client as it is.
SETTINGS = {"NARTHEX_MASTER_KEY": KEY, "NARTHEX_RETRIES": "0", "NARTHEX_MAX_BODY": "1M"}


@pytest.fixture(scope="session")
def gateway():
    with Gateway(SIMULATOR, **SETTINGS) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def retrying_gateway():
    with Gateway(SIMULATOR, NARTHEX_MASTER_KEY=KEY) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def translating_gateway():
    """In front of providers of four dialects, named after them; each is the simulator."""
    with Simulator() as simulator, Gateway(simulator.config(), **SETTINGS) as gateway:
        yield gateway


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def store(request):
    """Makes the settings of new and empty stores."""
    if request.param == "sqlite":
        yield lambda: "path: kept.db"
        return
    with Postgres() as server:
        yield lambda: f"url: '{server.database()}'"


@pytest.fixture(scope="session")
def kept(store):
    """A gateway over all kinds of providers that keep files or have batches, and one that has none."""
    with Kept(store) as kept:
        yield kept


@pytest.fixture(scope="session")
def slow(store):
    """Its providers are never done, unless they are told to stop."""
    with Kept(store, flags=["--batch-polls", "100000", "--latency", "30ms"], concurrency=1) as kept:
        yield kept


@pytest.fixture
def client(gateway):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        yield client


@pytest.fixture
async def async_client(gateway):
    openai = pytest.importorskip("openai")
    async with openai.AsyncOpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        yield client


@pytest.fixture
def openai_client(translating_gateway):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=translating_gateway.url, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(translating_gateway):
    anthropic = pytest.importorskip("anthropic")
    with anthropic.Anthropic(base_url=translating_gateway.root, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def genai_client(translating_gateway):
    genai = pytest.importorskip("google.genai")
    options = genai.types.HttpOptions(base_url=translating_gateway.root)
    with genai.Client(api_key=KEY, http_options=options) as client:
        yield client


@pytest.fixture(scope="session")
def amazon_session():
    """Reads the service's description once for all tests."""
    boto3 = pytest.importorskip("boto3")
    # It sends a bearer by TLS only. So it signs, by a key that is nobody's; a header of its own tells ours.
    nobody = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing", "region_name": "us-east-1"}
    return boto3.session.Session(**nobody)


@pytest.fixture
def bedrock_client(translating_gateway, amazon_session):
    config = pytest.importorskip("botocore.config").Config(retries={"total_max_attempts": 1})
    client = amazon_session.client("bedrock-runtime", endpoint_url=translating_gateway.root, config=config)
    client.meta.events.register("before-call", lambda params, **_: params["headers"].update({"x-api-key": KEY}))
    yield client
    client.close()
