#!/usr/bin/env python3
"""Makes src/models/models.tsv from a table of facts about models.

    scripts/model-table.py FACTS.tsv > src/models/models.tsv

The input has a heading and these columns: provider, model, mode, context_tokens, max_output_tokens, input_usd_per_mtok,
output_usd_per_mtok, cache_read_usd_per_mtok, cache_write_usd_per_mtok, capabilities (separated by commas). The output has one model
a line, sorted by id; where several providers serve it, its maker comes first. Rows that the gateway finds by another id, with the same
facts, are left out.
"""

import csv
import re
import sys

MAKERS_FIRST = [
    "openai", "anthropic", "gemini", "deepseek", "xai", "zai", "minimax", "xiaomi", "bailian", "groq", "vertex", "azure", "oracle",
    "opencode-go", "bedrock", "ollama",
]
# Ours on the left; of the others nobody here makes use.
CAPABILITIES = [
    ("tools", {"function_calling"}),
    ("vision", {"vision", "image_input"}),
    ("pdf", {"pdf_input"}),
    ("audio", {"audio_input"}),
    ("video", {"video_input"}),
    ("reasoning", {"reasoning", "adaptive_thinking"}),
    ("schema", {"response_schema", "native_structured_output"}),
    ("caching", {"prompt_caching"}),
    ("search", {"web_search"}),
]
MODES = {
    "chat": "", "completion": "completion", "responses": "responses", "embedding": "embedding", "rerank": "rerank",
    "audio_speech": "speech", "audio_transcription": "transcription", "image_generation": "image", "image_edit": "image_edit",
    "video_generation": "video", "moderation": "moderation", "realtime": "realtime", "ocr": "ocr",
}
REGION = re.compile(r"^((us|eu|apac|jp|au|ca|global|us-gov)[./]|[a-z]+-[a-z]+(-[a-z]+)?-\d/|claude_platform/|global-standard/)")
DATE = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$")
PRICES_OF_PICTURES = re.compile(r"\d+-x-\d+|/\d+-steps/|/max-steps/")


def facts(row):
    numbers = [row[name] for name in (
        "context_tokens", "max_output_tokens", "input_usd_per_mtok", "output_usd_per_mtok", "cache_read_usd_per_mtok",
        "cache_write_usd_per_mtok",
    )]
    given = set(row["capabilities"].split(","))
    capabilities = " ".join(name for name, theirs in CAPABILITIES if theirs & given)
    return (MODES[row["mode"]], *numbers, capabilities)


def main():
    table = {}
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["mode"] not in MODES or PRICES_OF_PICTURES.search(row["model"]):
                continue
            provider = row["provider"].replace("_", "-")
            table.setdefault((row["model"].lower(), provider), facts(row))
    # Regions first: what is left of them may be a dated id.
    for shorter in (REGION, DATE):
        for (model, provider), known in list(table.items()):
            short = shorter.sub("", model)
            if short != model and table.setdefault((short, provider), known) == known:
                del table[model, provider]
    for (model, provider), known in sorted(table.items(), key=lambda entry: (entry[0][0], MAKERS_FIRST.index(entry[0][1]))):
        print(model, provider, *known, sep="\t")


main()
