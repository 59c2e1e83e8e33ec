"""The providers that the gateway is configured with: every type that speaks the OpenAI dialect, in several variants.

A variant is a manner in which the upstream plays its recordings. It is asked for by a header that the instance sends with
every request, so that one gateway process serves all manners at once.
"""

import dataclasses
import json
import re

VARIANTS = {
    "plain": {},
    "nasty": {"split": "nasty"},
    "byte": {"split": "byte"},
    "crlf": {"split": "nasty", "eol": "crlf"},
    "comments": {"comments": 2, "gzip": True},
    "shape": {"framing": "close", "header_split": True, "split": "line"},
    "length": {"framing": "length", "split": "none"},
}


@dataclasses.dataclass(frozen=True)
class Kind:
    """A provider's type and where the upstream stands in for it."""

    type: str
    suffix: str
    auth: str = "authorization"
    # Path and query of an operation, where it is not the suffix with the operation's path behind it.
    place: object = None
    options: str = ""
    # Whether the gateway asks for token counts on behalf of a client that did not.
    counts: bool = True


def legacy_azure(deployment):
    """The deployment is in the path, but for responses."""

    def place(operation, model):
        if operation == "/responses":
            return "/openai/responses?api-version=2024-10-21"
        return f"/openai/deployments/{deployment or model}{operation}?api-version=2024-10-21"

    return place


KINDS = {
    "azure": Kind("azure", "/openai/v1", "api-key"),
    "azure_deployment": Kind("azure", "/openai/deployments/dep", "api-key", legacy_azure("dep")),
    "azure_resource": Kind("azure", "/openai", "api-key", legacy_azure(None), "api_version: '2024-10-21'"),
    "bailian": Kind("bailian", "/compatible-mode/v1"),
    "deepseek": Kind(
        "deepseek",
        "",
        # Fill-in-the-middle is a beta, wherever the base URL points.
        place=lambda operation, _: {"/completions": "/beta/completions"}.get(operation, operation),
    ),
    "gemini": Kind("gemini", "/v1beta/openai"),
    "groq": Kind("groq", "/openai/v1"),
    "minimax": Kind("minimax", "/v1"),
    "ollama": Kind("ollama", "/v1"),
    "openai": Kind("openai", "/v1"),
    "opencode_go": Kind("opencode-go", "/zen/go/v1"),
    "openrouter": Kind("openrouter", "/api/v1", counts=False),
    "oracle": Kind("oracle", "/openai/v1"),
    "vllm": Kind("vllm", "/v1"),
    "xai": Kind("xai", "/v1"),
    "xiaomi": Kind("xiaomi", "/v1"),
    "zai": Kind("zai", "/api/paas/v4"),
}

OPERATIONS = {
    "/chat/completions": set(KINDS),
    "/responses": set(KINDS) - {"gemini", "opencode_go", "zai"},
    "/completions": {"azure", "azure_deployment", "deepseek", "ollama", "openai", "vllm"},
    "/embeddings": set(KINDS) - {"azure_resource", "deepseek", "minimax", "opencode_go", "oracle", "xiaomi"},
    "/images/generations": {"azure", "azure_deployment", "gemini", "ollama", "openai", "xai", "zai"},
    "/images/edits": {"azure", "openai", "xai"},
    "/audio/speech": {"azure", "azure_deployment", "groq", "ollama", "openai", "openrouter", "zai"},
    "/moderations": {"openai", "zai"},
    "/rerank": {"openrouter", "vllm"},
}


def kind_of(provider):
    """The type for a recording's provider: its own, or `openai` with that provider's base URL."""
    return {"dashscope": "bailian"}.get(provider, provider if provider in KINDS else "openai")


def name(kind, variant):
    return f"{kind}_{variant}"


def key(instance):
    return f"provider-key-of-{instance}"


def config(upstream, more=(), only=""):
    """The gateway's configuration. `more` are (name, kind, URL, settings) beside those that the tables give; such a kind may
    be one of no table. `only`: a pattern for the names of those that are wanted, since each has its list of models fetched.
    """
    lines = ["providers:"]

    def add(instance, kind, url, settings):
        if not re.match(only, instance):
            return
        lines.append(f"  {instance}:")
        entries = {"type": kind.type, "api_key": key(instance), "base_url": url, **settings}
        lines.extend(f"    {setting}: {json.dumps(value)}" for setting, value in entries.items())
        if kind.options:
            lines.append(f"    {kind.options}")

    for kind_name, kind in KINDS.items():
        for variant, options in VARIANTS.items():
            instance = name(kind_name, variant)
            settings = {"headers": {"x-replay-options": json.dumps(options)}} if options else {}
            add(instance, kind, f"{upstream}/p/{instance}{kind.suffix}", settings)
    for instance, kind_name, url, settings in more:
        add(instance, KINDS.get(kind_name, kind_name), url, settings)
    return "\n".join(lines) + "\n"
