"""Behind which instances the dialects of a client and of a recording meet: ones that speak the recording's dialect, but not
the client's, where the two differ.
"""

import json

from .instances import KINDS, VARIANTS, Kind, kind_of, name

# Kinds that speak a dialect of their own.
NATIVE = {
    "anthropic": Kind("anthropic", "/v1", "x-api-key"),
    "bedrock": Kind("bedrock", ""),
    "gemini_native": Kind("gemini", "", "x-goog-api-key"),
}
SUFFIXES = {"anthropic": "/v1", "bedrock": "", "gemini_native": "/v1beta"}
# Of this kind each model has one door: chat, but for those that its row lists.
CHAT_ONLY = "opencode_go"
SPEAK_MESSAGES = {"bailian", "deepseek", "minimax", "ollama", "openrouter", "vllm", "xiaomi", "zai"}
# A model's name with this word in it is served by Responses only. The upstream finds its case behind it.
RESPONSES_ONLY = "gpt-5-pro-"


def kind_name(case, provider, client):
    """Where a recording in the dialect `provider` is asked for by this client."""
    if provider.name == "openai_responses":
        return "openai"
    if provider.name != "openai_chat":
        return {"anthropic": "anthropic", "gemini": "gemini_native", "converse": "bedrock"}[provider.name]
    own = kind_of(case["provider"])
    speaks_clients = own in SPEAK_MESSAGES if client.name == "anthropic" else client.name == "openai_responses"
    # Gemini is asked by its own dialect rather than by OpenAI's.
    return CHAT_ONLY if speaks_clients or own == "gemini" else own


def model(case, provider):
    """What the upstream knows the recording by."""
    return (RESPONSES_ONLY if provider.name == "openai_responses" else "") + f"replay.{case['id']}"


def kind(of):
    return KINDS.get(of) or NATIVE[of]


def place(of, provider, named, is_stream):
    """Path and query that the upstream is asked at for the model `named`."""
    if provider.name == "gemini":
        return f"/v1beta/models/{named}:" + ("streamGenerateContent?alt=sse" if is_stream else "generateContent")
    if provider.name == "converse":
        return f"/model/{named}/converse" + ("-stream" if is_stream else "")
    if provider.name == "anthropic":
        return "/v1/messages"
    operation = "/responses" if provider.name == "openai_responses" else "/chat/completions"
    found = kind(of)
    return found.place(operation, named) if found.place else found.suffix + operation


def native_config(upstream):
    """(name, kind, URL, settings) of the instances that speak a dialect of their own."""
    for of, suffix in SUFFIXES.items():
        for variant in ("plain", "nasty"):
            instance = name(of, variant)
            options = VARIANTS[variant]
            settings = {"headers": {"x-replay-options": json.dumps(options)}} if options else {}
            yield instance, NATIVE[of], f"{upstream}/p/{instance}{suffix}", settings
