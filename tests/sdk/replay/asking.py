"""What the clients ask: recorded requests of their own dialect that resemble the one which the recording once answered."""

import collections
import hashlib

from .dialects import DIALECTS, OF_ENDPOINT

# What a request may hold that makes a difference; the corpus' names.
TELLING = {"rq_tools", "rq_tool_choice", "rq_tool_result", "rq_image", "rq_document", "rq_audio", "rq_schema"}
TELLING |= {"rq_json_mode", "rq_reasoning", "rq_n"}
# The member that holds the conversation.
MAIN = {
    "openai_chat": "messages",
    "openai_responses": "input",
    "anthropic": "messages",
    "gemini": "contents",
    "converse": "messages",
}
GREETING = "Grüße, 世界 🙂"
PLAIN = {
    "openai_chat": {"messages": [{"role": "user", "content": GREETING}], "temperature": 0.5},
    "openai_responses": {"input": GREETING, "temperature": 0.5},
    "anthropic": {"messages": [{"role": "user", "content": GREETING}], "max_tokens": 99},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": GREETING}]}]},
    "converse": {"messages": [{"role": "user", "content": [{"text": GREETING}]}]},
}


class Pool:
    """The recorded requests that were answered well, by dialect and features."""

    def __init__(self, cases):
        self.by_features = {name: collections.defaultdict(list) for name in DIALECTS}
        for case in cases:
            body, dialect = case["request_body"], OF_ENDPOINT[case["endpoint"]]
            if case["status"] < 300 and isinstance(body, dict) and MAIN[dialect.name] in body:
                features = frozenset(TELLING.intersection(case["features"]))
                self.by_features[dialect.name][features].append(case)

    def draw(self, case, dialect):
        """(id of the source, request): as like as there is; which of several, the case's id decides."""
        wanted = TELLING.intersection(case["features"])
        groups = self.by_features[dialect.name]
        best = min(groups, key=lambda features: (len(features ^ wanted), sorted(features)))
        number = int.from_bytes(hashlib.sha256(f"{case['id']} {dialect.name}".encode()).digest()[:4])
        drawn = groups[best][number % len(groups[best])]
        return drawn["id"], drawn["request_body"]
