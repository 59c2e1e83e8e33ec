"""Recorded exchanges about files: what is asked arrives byte by byte, and what is answered is what the client reads."""

import asyncio
import base64
import json
import urllib.error
import urllib.request

from gateway import Gateway
from stand_in import Reply, StandIn

from .runs import Verdict

PROVIDERS = ("openai", "anthropic", "xai")
KEY = "sk-of-the-client"
# Of the connection, or of whoever has credentials.
NOT_SENT = ("host", "content-length", "authorization", "x-api-key", "accept-encoding", "connection", "user-agent")


class Recorded(StandIn):
    """Answers everything with one recording, and remembers what it was asked."""

    def __init__(self, case):
        self.case, self.asked = case, []

    def reply(self, method, path, headers, body):
        self.asked.append((method, path, dict(headers.items()), body))
        return Reply(json.dumps(self.case["response_body"]).encode(), status=self.case["status"])


async def every_file(bench):
    rows = [row for row in bench.tools.corpus.manifest() if row["endpoint"] == "files" and row["provider"] in PROVIDERS]
    for row in rows:
        case = bench.tools.corpus.load(row["id"])
        cause = await asyncio.to_thread(exchange, case)
        yield Verdict("files", row["provider"], case["method"], row["id"], cause)


def exchange(case):
    """What went wrong; `None` if nothing did."""
    provider = case["provider"]
    body = base64.b64decode(case["request_body"]) if case["request_body"] else b""
    query = f"?{case['query']}" if case["query"] else ""
    with Recorded(case) as upstream:
        config = f"inventory: {{mode: allowlist}}\nproviders: {{{provider}: {{api_key: theirs, base_url: '{upstream.root}/v1', models: [m]}}}}\n"
        with Gateway(config, NARTHEX_MASTER_KEY=KEY, NARTHEX_LOG="off", NARTHEX_STORE_PATH=":memory:") as gateway:
            headers = {name: value for name, value in case["request_headers"].items() if name not in NOT_SENT}
            if provider == "anthropic":
                headers.setdefault("anthropic-version", "2023-06-01")
            asked = urllib.request.Request(
                gateway.root + case["path"] + query,
                data=body if case["method"] == "POST" else None,
                headers={**headers, "authorization": f"Bearer {KEY}"},
                method=case["method"],
            )
            try:
                with urllib.request.urlopen(asked, timeout=20) as answer:
                    status, shown = answer.status, json.load(answer)
            except urllib.error.HTTPError as refused:
                status, shown = refused.code, refused.read()
    if (status, shown) != (case["status"], case["response_body"]):
        return f"the client reads {status} {shown!s:.200}"
    (method, path, sent, came), *more = upstream.asked or [(None, None, {}, b"")]
    if more or (method, path.partition("?")[0]) != (case["method"], case["path"]):
        return f"{len(upstream.asked)} requests, the first {method} {path}"
    if came != body:
        return f"{len(came)} bytes arrive of {len(body)}"
    sent = {name.lower(): value for name, value in sent.items()}
    kept = [name for name in headers if name.startswith("anthropic-") or (name == "content-type" and body)]
    lost = [name for name in kept if sent.get(name) != headers[name]]
    return f"headers are lost: {lost}" if lost else None
