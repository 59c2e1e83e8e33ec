"""Everything that is neither chat nor responses, by the Python SDK."""

import base64
import io
import json
import struct
import urllib.request

import pytest

MODEL = "simulator"


def test_models(client):
    listed = [model.id for model in client.models.list()]
    assert "simulator/simulator" in listed
    for name in ("simulator/simulator", "simulator"):
        assert client.models.retrieve(name).id == name


def test_embeddings(client):
    request = {"model": "simulator-embedding", "input": ["one", "two"], "dimensions": 8}
    # The SDK asks for base64 when it is not told otherwise, and decodes it.
    usual = client.embeddings.create(**request)
    floats = client.embeddings.create(**request, encoding_format="float")
    encoded = client.embeddings.create(**request, encoding_format="base64")
    assert [len(item.embedding) for item in usual.data] == [8, 8]
    assert usual.data[0].embedding == pytest.approx(floats.data[0].embedding, abs=1e-6)
    decoded = struct.unpack("<8f", base64.b64decode(encoded.data[1].embedding))
    assert decoded == pytest.approx(floats.data[1].embedding, abs=1e-6)
    assert usual.usage.total_tokens == 2


def form(order, boundary="a-boundary"):
    """The form of a transcription, its parts in this order."""
    parts = {
        "model": b'content-disposition: form-data; name="model"\r\n\r\nsimulator/whisper-like',
        "file": b'content-disposition: form-data; name="file"; filename="sound.wav"\r\n'
        b"content-type: audio/wav\r\n\r\nRIFF\r\n--a-boundar\r\n\x00\xff",
    }
    start = b"--" + boundary.encode() + b"\r\n"
    return b"".join(start + parts[name] + b"\r\n" for name in order) + b"--" + boundary.encode() + b"--\r\n"


def test_transcription(client):
    sound = ("sound.wav", io.BytesIO(b"RIFF" + bytes(range(256)) * 100), "audio/wav")
    answer = client.audio.transcriptions.create(model=MODEL, file=sound)
    assert answer.text == "This is sound.wav, 25604 bytes long."
    sound[1].seek(0)
    verbose = client.audio.transcriptions.create(model=MODEL, file=sound, response_format="verbose_json")
    assert verbose.segments[0].text == answer.text
    sound[1].seek(0)
    assert client.audio.translations.create(model=MODEL, file=sound).text == answer.text
    sound[1].seek(0)
    events = list(client.audio.transcriptions.create(model=MODEL, file=sound, stream=True))
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == answer.text
    assert events[-1].type == "transcript.text.done"


@pytest.mark.parametrize("order", [("model", "file"), ("file", "model")])
def test_the_order_of_a_forms_parts_does_not_matter(gateway, order):
    """The SDK always sends the model first; others do not."""
    headers = {"content-type": "multipart/form-data; boundary=a-boundary", "authorization": f"Bearer {gateway.key}"}
    request = urllib.request.Request(gateway.url + "/audio/transcriptions", data=form(order), headers=headers)
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["text"] == "This is sound.wav, 21 bytes long."


def test_speech(client):
    sound = client.audio.speech.create(model=MODEL, voice="alloy", input="hello", response_format="wav").read()
    assert sound[:4] == b"RIFF" and len(sound) == struct.unpack("<I", sound[4:8])[0] + 8
    request = client.audio.speech.with_streaming_response
    with request.create(model=MODEL, voice="alloy", input="hello", response_format="pcm") as answer:
        assert answer.headers["content-type"] == "audio/pcm"
        assert b"".join(answer.iter_bytes()) == sound[44:]


def test_moderations(client):
    answer = client.moderations.create(model=MODEL, input=["peace", "war"])
    assert len(answer.results) == 2
    assert answer.results[0].flagged is False
