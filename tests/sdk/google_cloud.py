"""Google's cloud as far as Vertex AI goes: checks assertions as Google would, and answers in the publishers' own shapes."""

import datetime
import json
from urllib.parse import parse_qs, urlsplit

import google.auth.jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from stand_in import Reply, StandIn

EMAIL = "gateway@p-1.iam.example"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN = "ya29.c.checked"
USAGE = {
    "promptTokenCount": 4,
    "candidatesTokenCount": 2,
    "totalTokenCount": 6,
    "trafficType": "ON_DEMAND",
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 4}],
}


def gemini(text, finish="STOP", **more):
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "avgLogprobs": -0.2}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "gemini-2.5-flash", "createTime": "2026-11-22T10:00:00Z",
            "responseId": "r-1", **more}


CLAUDE = {"id": "msg_vrtx_01", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
          "content": [{"type": "text", "text": "from Vertex"}], "stop_reason": "end_turn", "stop_sequence": None,
          "usage": {"input_tokens": 4, "output_tokens": 2}}
CLAUDE_EVENTS = [
    {"type": "message_start", "message": {**CLAUDE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "from "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Vertex"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]


class Cloud(StandIn):
    """Listens while the `with` lasts. `claims` are those of the assertions that were accepted, `asked` what else came."""

    def __init__(self):
        self.claims, self.asked = [], []
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, EMAIL)])
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
            .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1)).sign(self.key, hashes.SHA256())
        )
        self.certificates = {"k-1": certificate.public_bytes(serialization.Encoding.PEM)}

    def reply(self, method, path, headers, body):
        if path == "/token":
            return self.give_token(body)
        return self.answer(path, headers, json.loads(body))

    def key_file(self):
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return json.dumps({"type": "service_account", "project_id": "p-1", "private_key_id": "k-1", "client_email": EMAIL,
                           "private_key": pem.decode(), "token_uri": f"{self.root}/token"})

    def give_token(self, body):
        form = parse_qs(body.decode(), strict_parsing=True)
        try:
            assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
            claims = google.auth.jwt.decode(form["assertion"][0], certs=self.certificates, audience=f"{self.root}/token")
            assert claims["iss"] == EMAIL and claims["scope"] == SCOPE
        except Exception as why:
            return told({"error": "invalid_grant", "error_description": str(why)}, status=400)
        self.claims.append(claims)
        return told({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})

    def answer(self, target, headers, asked):
        path = urlsplit(target).path
        self.asked.append((target, asked))
        if headers.get("authorization") != f"Bearer {TOKEN}":
            error = {"code": 401, "message": "Request had invalid authentication credentials.", "status": "UNAUTHENTICATED"}
            return told({"error": error}, status=401)
        if path.endswith(":streamRawPredict"):
            return events([(event["type"], event) for event in CLAUDE_EVENTS])
        if path.endswith(":rawPredict"):
            return told({"input_tokens": 4} if "count-tokens" in path else CLAUDE)
        if path.endswith(":streamGenerateContent"):
            chunks = [gemini("from ", None), gemini("Vertex", usageMetadata=USAGE)]
            return events([(None, chunk) for chunk in chunks])
        if path.endswith(":countTokens"):
            return told({"totalTokens": 4, "totalBillableCharacters": 9})
        if path.endswith(":predict"):
            statistics = {"truncated": False, "token_count": 2}
            values = [{"embeddings": {"statistics": statistics, "values": [0.25, -0.5]}} for _ in asked["instances"]]
            return told({"predictions": values, "metadata": {"billableCharacterCount": 9}})
        return told(gemini("from Vertex", usageMetadata=USAGE))


def told(value, status=200):
    return Reply(json.dumps(value).encode(), "application/json; charset=UTF-8", status)


def events(all):
    lines = "".join((f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n" for name, data in all)
    return Reply(lines.encode(), "text/event-stream")
