"""The judges: each says what is wrong, in a few words, or nothing."""

import base64
import json

# Ours, which no provider may see.
CLIENT_KEY = "client-key-that-must-not-leave"
CANARY = "canary-that-must-not-leave"
CLIENT_HEADERS = [
    ("authorization", f"Bearer {CLIENT_KEY}"),
    ("cookie", f"session={CANARY}"),
    ("x-forwarded-for", "203.0.113.77"),
    ("x-internal-token", CANARY),
    ("user-agent", "replay/1"),
    ("accept-encoding", "gzip, br"),
]
# Recorded headers that end at the gateway, or are judged apart.
NOT_PASSED_ON = {
    "alt-svc",
    "connection",
    "content-length",
    "content-type",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
}
NO_PROVIDERS_BUSINESS = {"authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie", "x-forwarded-for"}


def answer(got, status, headers, body, instance, content_type):
    """The client's end: status, headers and every byte."""
    if isinstance(got, BaseException):
        return f"no answer: {type(got).__name__}"
    if got.status != status:
        return f"status {got.status} instead of {status}: {got.body[:160]!r}"
    if not got.is_complete:
        return f"the answer breaks off after {len(got.body)} of {len(body)} bytes"
    if got.body != body:
        at = next((i for i, (a, b) in enumerate(zip(got.body, body)) if a != b), min(len(got.body), len(body)))
        return f"byte {at} differs: {got.body[at:at + 60]!r} instead of {body[at:at + 60]!r}"
    if instance and got.header("x-narthex-instance") != instance:
        return f"answered by {got.header('x-narthex-instance')}"
    if got.header("content-type") != content_type:
        return f"content-type {got.header('content-type')!r} instead of {content_type!r}"
    for name, value in headers.items():
        arrives_as = "x-upstream-request-id" if name == "x-request-id" else name
        if name not in NOT_PASSED_ON and got.header(arrives_as) != " ".join(str(value).split("\n")):
            return f"header {name} is {got.header(arrives_as)!r} instead of {value!r}"
    if any("provider-key-of" in value for _, value in got.headers) or b"provider-key-of" in got.body:
        return "the provider's key reached the client"
    return None


def request(entries, path_and_query, authorised_by, key, port, body):
    """The provider's end: sent once, there, authorised so, and with this body. `body` judges the bytes."""
    if len(entries) != 1:
        return f"{len(entries)} requests reached the provider"
    entry = entries[0]
    if entry["outcome"] != "played":
        return f"upstream: {entry['outcome']}"
    path = entry["path"] + ("?" + entry["query"] if entry["query"] else "")
    if path != path_and_query:
        return f"sent to {path} instead of {path_and_query}"
    headers = dict((name.lower(), value) for name, value in entry["headers"])
    if len(headers) != len(entry["headers"]):
        return "a header is sent twice"
    expected = f"Bearer {key}" if authorised_by == "authorization" else key
    if headers.pop(authorised_by, None) != expected:
        return f"not authorised by {authorised_by}"
    if foreign := headers.keys() & NO_PROVIDERS_BUSINESS:
        return f"sends {foreign}"
    sent = base64.b64decode(entry["body_b64"])
    leaks = [word for word in (CLIENT_KEY, CANARY, "203.0.113.77") if word in str(headers) or word.encode() in sent]
    if leaks:
        return f"leaks {leaks}"
    if headers.get("host") != f"127.0.0.1:{port}":
        return f"host {headers.get('host')}"
    if headers.get("accept-encoding") != "identity":
        return f"accept-encoding {headers.get('accept-encoding')}"
    if headers.get("content-length") != str(len(sent)) or "transfer-encoding" in headers:
        return "the length of the body is not declared"
    return body(sent)


def same_bytes(expected):
    def body(sent):
        return None if sent == expected else f"the body is not what was sent: {sent[:200]!r}"

    return body


def edited(expected, edit):
    """The JSON that `edit` makes of what was sent, its members in their old order."""

    def body(sent):
        want = json.loads(expected)
        edit(want)
        got = json.loads(sent)
        added = [name for name in got if name not in want]
        order = [name for name in got if name in json.loads(expected)]
        if got != want or added or order != [name for name in json.loads(expected) if name in got]:
            differing = [name for name in want.keys() | got.keys() if want.get(name) != got.get(name)]
            return f"the body differs in {differing or 'the order of its members'}"
        return None

    return body
