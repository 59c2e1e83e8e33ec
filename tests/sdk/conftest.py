"""Fixtures: a gateway in front of the built-in simulator, and the SDK's clients of it."""

import pytest

from gateway import Gateway

KEY = "sk-test-of-the-sdks"
# Named, so that it is an ordinary provider: as a mere stand-in for one it would answer to every model name.
SIMULATOR = "providers: {simulator: {}}\n"


@pytest.fixture(scope="session")
def gateway():
    """Tries every request once: what fails must reach the client as it is."""
    settings = {"NARTHEX_MASTER_KEY": KEY, "NARTHEX_RETRIES": "0", "NARTHEX_MAX_BODY": "1M"}
    with Gateway(SIMULATOR, **settings) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def retrying_gateway():
    with Gateway(SIMULATOR, NARTHEX_MASTER_KEY=KEY) as gateway:
        yield gateway


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
