//! What each dialect can be told, as a page of documentation: `docs/dialects.md`. A test compares the two; `make docs` writes
//! the page.

use std::fmt::{self, Write};

use super::Dialect;
use super::ir::Feature;
use super::ir::loss::{Fate, Loss};

const INTRODUCTION: &str = "\
# Dialects

The table on this page is written by `make docs` from the tables of losses in `src/dialects/`. Change those, not this page.

narthex speaks five dialects, to clients and to providers:

| dialect | asked at | SDKs |
|---|---|---|
| `openai_chat` | `POST /v1/chat/completions` | OpenAI's, and nearly everything else |
| `openai_responses` | `POST /v1/responses` | OpenAI's, Codex |
| `anthropic` | `POST /v1/messages` | Anthropic's, Claude Code |
| `gemini` | `POST /v1beta/models/{model}:generateContent`, `:streamGenerateContent` | Google's `google-genai` |
| `converse` | `POST /model/{model}/converse`, `/converse-stream` | AWS's (`bedrock-runtime`) |

## Two lanes

Where the provider speaks the client's dialect, the request is **forwarded**: its bytes pass as they are, but for the model's name and a few
declared edits. Nothing of it can be lost.

Where it does not, the request is **translated**: read into a canonical form, and written in the first dialect that the provider's row in
[providers.md](providers.md) lists. So is the answer, on its way back, whole or event by event. Some models need another door than the
client's: OpenAI's `*-codex` and `*-pro` are reached by `/responses` only, its models from `gpt-5.4` on take tools while they think only there, and
each of OpenCode Go's models has one dialect. That is known of them, and such requests are translated, too.

What the dialects share is carried: instructions, turns, images, files, audio, tools with their calls and results, structured output,
sampling, limits, reasoning and how much of it, cache marks, citations, refusals, finish reasons, token counts, errors. What a
dialect has no place for is never lost in silence:

- **dropped**: left out, because an answer makes sense without it. The answer's header `x-narthex-dropped` names it.
- **refused**: a 400 that names the parameter, because an answer without it would answer something else.
- Members that nobody knows are dropped, and named as well.

Names of tools that the provider would refuse, because they are longer than it allows (64 characters for most, while Claude Code makes up names of up to
128) or have signs in them that it does not know, are changed on their way to it, and changed back in its answer: the client hears its own. So are
tools that only OpenAI knows: a custom tool, which takes free text, is a function of one text to others, and the tools of a namespace (Codex has one for
each MCP server) are functions whose names begin with its name. A search for tools that the client runs itself is a function as well, and what it finds are more tools.

Where one dialect allows what another refuses, the request is fitted: no more tokens or stop sequences are asked for than the model or its provider
takes, an effort becomes the nearest that the model knows, a `user` of more than 64 characters becomes its SHA-256 for OpenAI, and there a schema is
strict only if it can be.

With `routing.strict: true`, or the header `x-narthex-strict: true`, whatever would be dropped is refused.

## Reasoning

What a model has thought comes to the client in its own dialect's form: as `reasoning_content` and `reasoning_details` in chat, as `thinking`
blocks, as `reasoning` items, as parts marked `thought` (where `includeThoughts` asks for them), as `reasoningContent`. Providers sign or encrypt it and want it back
unchanged when a tool's result follows. A signature of another dialect than the client's travels in the client's own field for signatures
with a tag in front; sent back as it came, it reaches its provider byte for byte. In chat that is
`reasoning_details[].signature` or `.data`, and for Gemini's calls `tool_calls[].extra_content.google.thought_signature`: keep these members of
an assistant's message in the history.

Some servers leave thoughts within the text: `<think>…</think>`, and then the answer. It stays text, as it came, unless the instance says
`think_tags: split`: then they are reasoning for clients of other dialects, and chat clients get `reasoning_content`, and every other byte as it came. For
MiniMax they are reasoning for clients of other dialects without a word; `think_tags: keep` leaves its text alone, too. Tags are
looked for at the very beginning only, and the white space around them is left out; a thought that is never closed goes on to the end. Where the opening
tag stands in the prompt (DeepSeek-R1's template), a whole answer is split at a `</think>` that stands on a line of its own; of a stream, whose text has
been told by then, the thought stays text.

## Streams

A provider's events become the client's at once; no text is held back, but for what may be the beginning of a tag, and the text of a custom tool that is a
function to the provider: it is told when it is complete. An error in mid-stream, a cut connection or a missing end is told as one error
event of the client's dialect, and never looks like a normal end. To clients of the Responses API a translated answer tells it as the API itself
does: by `error`, and then by `response.failed`.

## Counting tokens

`/v1/messages/count_tokens`, `:countTokens`, `/v1/responses/input_tokens` and `/model/{model}/count-tokens` are answered by the provider where it can
count in any dialect. Where it cannot, the number is an estimate, rather too high, and the header `x-narthex-estimated: true` says so: a
token for four characters of Latin text and of JSON, one for each character of scripts without spaces, 1600 for an image, 2000 for 100 KB of a
document.

## Kept responses

Over a provider that forgets its responses, narthex keeps them itself: `previous_response_id`, `GET` and `DELETE /v1/responses/{id}`,
`…/input_items` and item references work as with OpenAI, each key's own. `store: false` is heeded; `store.retention` says how long they are
kept. A response that the provider keeps (OpenAI, Azure OpenAI, xAI, Bailian, Oracle) stays there, and is asked for there; an id that narthex does not know is passed on to a provider that speaks Responses. `/v1/responses/compact` gives a
conversation back as it is where the provider cannot make it shorter. Responses in the background, and conversations as objects, exist only where
the provider has them.

## What is lost where

Each column is the dialect that the provider is spoken to. An empty field: carried. Models have limits of their own beyond this table: what is known
of them is dropped, and named, in the same way.
";

/// The whole page.
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    // Writing into a String cannot fail.
    let _ = write_losses(&mut page);
    page
}

fn write_losses(page: &mut String) -> fmt::Result {
    let names: Vec<_> = Dialect::ALL.iter().map(|dialect| format!("`{}`", dialect.name())).collect();
    writeln!(page, "\n| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()))?;
    for feature in Feature::ALL {
        let fates: Vec<_> =
            Dialect::ALL.iter().map(|dialect| loss(*dialect, *feature).map_or("", |loss| word(loss.fate))).collect();
        writeln!(page, "| `{}` | {} |", feature.name(), fates.join(" | "))?;
    }
    for dialect in Dialect::ALL {
        let mut notes = dialect.provider().losses().iter().filter(|loss| !loss.note.is_empty()).peekable();
        if notes.peek().is_some() {
            writeln!(page, "\n### {}\n", dialect.name())?;
        }
        for loss in notes {
            writeln!(page, "- `{}`: {}", loss.feature.name(), loss.note)?;
        }
    }
    Ok(())
}

fn loss(dialect: Dialect, feature: Feature) -> Option<&'static Loss> {
    dialect.provider().losses().iter().find(|loss| loss.feature == feature)
}

fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Dropped => "dropped",
        Fate::Refused => "refused",
    }
}
