"""Amazon Bedrock as far as signatures go: recomputes each with botocore from the bytes that arrive, and answers in its framings."""

import base64
import binascii
import hashlib
import json
import struct
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.compat import HTTPHeaders

from stand_in import Reply, StandIn

ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": "signed"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
    "metrics": {"latencyMs": 1},
}
EVENTS = [
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "sig"}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "ned"}}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("messageStop", {"stopReason": "end_turn"}),
    ("metadata", {"usage": ANSWER["usage"], "metrics": {"latencyMs": 1}}),
]
FOUNDATION = [
    {"modelId": "amazon.nova-x-v1:0", "modelArn": "a", "outputModalities": ["TEXT"], "inferenceTypesSupported": ["ON_DEMAND"]},
    {"modelId": "anthropic.only-by-profile-v1:0", "modelArn": "a", "outputModalities": ["TEXT"], "inferenceTypesSupported": ["INFERENCE_PROFILE"]},
    {"modelId": "stability.painter-v1:0", "modelArn": "a", "outputModalities": ["IMAGE"], "inferenceTypesSupported": ["ON_DEMAND"]},
    {"modelId": "amazon.titan-embed-x", "modelArn": "a", "outputModalities": ["EMBEDDING"], "inferenceTypesSupported": ["ON_DEMAND"]},
]
ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"


def profile(id, kind="SYSTEM_DEFINED", status="ACTIVE", arn="arn:x"):
    return {"inferenceProfileId": id, "inferenceProfileArn": arn, "type": kind, "status": status, "models": []}


PAGES = {
    "": ([profile("us.anthropic.claude-x-v1:0")], "a/b+c=="),
    "a%2Fb%2Bc%3D%3D": ([profile("abc123", "APPLICATION", arn=ARN), profile("eu.gone", status="INACTIVE")], None),
}


def frame(headers, payload):
    head = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    start = struct.pack(">II", len(head) + len(payload) + 16, len(head))
    message = start + struct.pack(">I", binascii.crc32(start)) + head + payload
    return message + struct.pack(">I", binascii.crc32(message))


def event(name, payload):
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, json.dumps(payload).encode())


def embedded(body):
    """The length of each text, as an embedding of it."""
    if "texts" in body:
        assert body["input_type"] and len(body["texts"]) <= 96
        return {"id": "i", "embeddings": {"float": [[len(text), 0.5] for text in body["texts"]]}}
    return {"embedding": [len(body["inputText"]), 0.5], "inputTextTokenCount": 2}


def claude(is_stream):
    """An answer in Anthropic's dialect, in Amazon's framing."""
    usage = {"input_tokens": 3, "output_tokens": 2}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "c", "stop_reason": None, "stop_sequence": None}
    if not is_stream:
        whole = {**message, "stop_reason": "end_turn", "content": [{"type": "text", "text": "signed"}], "usage": usage}
        return "application/json", json.dumps(whole).encode()
    told = [
        {"type": "message_start", "message": {**message, "content": [], "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "signed"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]
    pieces = [{"bytes": base64.b64encode(json.dumps(one).encode()).decode()} for one in told]
    return "application/vnd.amazon.eventstream", b"".join(event("chunk", piece) for piece in pieces)


class Amazon(StandIn):
    """Answers while the `with` lasts, and only what is signed by these credentials. `requests` is what has come."""

    def __init__(self, access_key, secret_key, token=None, region="us-east-1"):
        self.credentials = Credentials(access_key, secret_key, token)
        self.region, self.requests = region, []

    def reply(self, method, path, headers, body):
        self.requests.append((method, path, headers, body))
        if why := self.mistake(method, path, headers, body):
            refused = {"x-amzn-errortype": "InvalidSignatureException"}
            return Reply(json.dumps({"message": why}).encode(), status=403, headers=refused)
        kind, answer = self.answer(path, body)
        counted = {"x-amzn-bedrock-input-token-count": "5"} if path.endswith("/invoke") else {}
        return Reply(answer, kind, headers=counted)

    def mistake(self, method, path, headers, body):
        """What is wrong with the signature, made anew as botocore makes it, over what has arrived."""
        given = headers.get("authorization", "")
        service = "s3" if path.startswith("/s3/") else "bedrock"
        scope = f"/{self.region}/{service}/aws4_request"
        if not given.startswith(f"AWS4-HMAC-SHA256 Credential={self.credentials.access_key}/") or scope not in given:
            return f"another credential or scope: {given.split(',')[0]}"
        if headers.get("x-amz-security-token") != self.credentials.token:
            return "another session token"
        signed = given.split("SignedHeaders=")[1].split(",")[0].split(";")
        needed = {"host", "x-amz-date"} | ({"content-type"} & set(map(str.lower, headers.keys())))
        needed |= {"x-amz-security-token"} if self.credentials.token else set()
        needed |= {"x-amz-content-sha256"} if service == "s3" else set()
        if not needed <= set(signed):
            return f"not signed: {needed - set(signed)}"
        request = AWSRequest(method=method, url=f"{self.root}{path}", data=body)
        request.headers = HTTPHeaders()
        for name in signed:
            for value in headers.get_all(name, []):
                request.headers.add_header(name, value)
        request.context["timestamp"] = headers["x-amz-date"]
        auth = (S3SigV4Auth if service == "s3" else SigV4Auth)(self.credentials, service, self.region)
        if service == "s3":
            told = headers["x-amz-content-sha256"]
            if told not in (hashlib.sha256(body).hexdigest(), "UNSIGNED-PAYLOAD"):
                return "another body"
            auth.payload = lambda request: told
        auth.headers_to_sign = lambda request: request.headers
        signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        return None if given.endswith(f"Signature={signature}") else "another signature"

    def answer(self, path, body):
        url = urlsplit(path)
        if url.path == "/foundation-models":
            return "application/json", json.dumps({"modelSummaries": FOUNDATION}).encode()
        if url.path == "/inference-profiles":
            token = dict(pair.partition("=")[::2] for pair in url.query.split("&")).get("nextToken", "")
            profiles, following = PAGES[token]
            page = {"inferenceProfileSummaries": profiles, **({"nextToken": following} if following else {})}
            return "application/json", json.dumps(page).encode()
        if b"anthropic_version" in body:
            return claude(url.path.endswith("-stream"))
        if url.path.endswith("/converse-stream"):
            return "application/vnd.amazon.eventstream", b"".join(event(*one) for one in EVENTS)
        if url.path.endswith("/invoke-with-response-stream"):
            pieces = [{"bytes": base64.b64encode(json.dumps({"n": n}).encode()).decode()} for n in range(3)]
            return "application/vnd.amazon.eventstream", b"".join(event("chunk", piece) for piece in pieces)
        if "embed" in url.path:
            return "application/json", json.dumps(embedded(json.loads(body))).encode()
        if url.path.endswith("/invoke"):
            return "application/json", json.dumps({"echo": json.loads(body)}).encode()
        if url.path.endswith("/count-tokens"):
            return "application/json", b'{"inputTokens":7}'
        if url.path.endswith("/apply"):
            return "application/json", json.dumps({"usage": {}, "action": "NONE", "outputs": [], "assessments": []}).encode()
        return "application/json", json.dumps(ANSWER).encode()
