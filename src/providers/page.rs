//! The catalogue as a page of documentation, `docs/providers.md`. A test compares the two; `make docs` writes the page.

use std::fmt::{self, Write};

use super::{Audio, Auth, BatchesApi, Borrowed, FilesApi, HeaderSource, Key, Provider, Quirk, StreamUsage, catalog};
use crate::endpoints::Operation;

const INTRODUCTION: &str = "\
# Providers

This page is written by `make docs` from `src/providers/catalog/`. Change the catalogue, not this page.

A provider is used as soon as its variables are set. Every provider takes the same three: `…_API_KEY`, `…_BASE_URL` and
`…_MODELS` (a list with commas). A word in the middle makes a further instance: `OPENAI_EAST_API_KEY` configures
`openai-east`. How variables and `config.yaml` work together is told in [configuration.md](configuration.md). `narthex
providers` prints the first table.

A base URL may be given with or without its version path. Every provider but those marked *not served* is also reached with
its own API, as it is, by `/p/{provider}/…`. How files and batches work is told in
[files-and-batches.md](files-and-batches.md).
";

/// The whole page. `fields` are the ends of the variables that every provider has.
pub fn markdown(fields: &[&str]) -> String {
    let mut page = INTRODUCTION.to_owned();
    // Writing into a String cannot fail.
    let _ = write_overview(&mut page).and_then(|()| write_operations(&mut page));
    for row in catalog::TABLE {
        let _ = write_provider(&mut page, row, fields);
    }
    page
}

fn write_overview(page: &mut String) -> fmt::Result {
    writeln!(page, "\n| name | provider | key | base URL unless configured | a model |\n|---|---|---|---|---|")?;
    for row in catalog::TABLE {
        let key = match row.key {
            Key::Required => format!("`{}_API_KEY`", row.env_prefix()),
            Key::Optional => "optional".to_owned(),
            Key::OrOption(_) => format!("`{}_API_KEY`, or what takes its place", row.env_prefix()),
        };
        let model = format!("`{}/{}`", row.name, row.example);
        writeln!(page, "| [`{0}`](#{0}) | {1} | {key} | {2} | {model} |", row.name, row.title, base_url(row))?;
    }
    Ok(())
}

fn write_operations(page: &mut String) -> fmt::Result {
    writeln!(page, "{SERVED}")?;
    write_table(page, &|operation| operation.generates())?;
    writeln!(page, "{COUNTED}")?;
    write_table(page, &|operation| operation.counts())?;
    writeln!(page, "{OTHERS}")?;
    write_table(page, &|operation| !operation.generates() && !operation.counts())?;
    writeln!(
        page,
        "\nAn `openai` instance whose base URL is at another host is asked for every operation of OpenAI's: what that \
         server has is for it to say."
    )
}

const SERVED: &str = "
## What is served where

A model can be asked in any dialect. Where the provider speaks the client's, the request is forwarded as it is; else it is
translated (see [dialects.md](dialects.md)), to the dialect that is printed bold.
";

const COUNTED: &str = "
The tokens of a request are counted by the provider where it can, else estimated.
";

const OTHERS: &str = "
The rest is served where the provider has it.
";

/// Operations that are asked for in the same way share a column: their names say what is asked.
fn write_table(page: &mut String, is_shown: &dyn Fn(Operation) -> bool) -> fmt::Result {
    let shown: Vec<Operation> = Operation::ALL.iter().copied().filter(|operation| is_shown(*operation)).collect();
    let titles = shown.iter().map(|operation| match operation.counts() {
        true => operation.dialect().name(),
        false => operation.name(),
    });
    writeln!(page, "| | {} |\n|---|{}", titles.collect::<Vec<_>>().join(" | "), ":-:|".repeat(shown.len()))?;
    let paths: Vec<_> = shown.iter().map(|operation| format!("`{}`", operation.path(false))).collect();
    writeln!(page, "| path | {} |", paths.join(" | "))?;
    for row in catalog::TABLE.iter().filter(|row| row.operations.iter().any(|operation| is_shown(*operation))) {
        let preferred = row.operations.iter().find(|operation| operation.generates());
        let ticks = shown.iter().map(|operation| match (row.serves(*operation), preferred == Some(operation)) {
            (true, true) => "**✓**",
            (true, false) => "✓",
            (false, _) => "",
        });
        writeln!(page, "| `{}` | {} |", row.name, ticks.collect::<Vec<_>>().join(" | "))?;
    }
    Ok(())
}

fn write_provider(page: &mut String, row: &Provider, fields: &[&str]) -> fmt::Result {
    writeln!(page, "\n## {}\n\n{}.", row.name, row.title)?;
    if !row.note.is_empty() {
        writeln!(page, "{}", row.note)?;
    }
    writeln!(page)?;
    let prefix = row.env_prefix();
    let fields = fields.iter().map(|field| (*field).to_owned());
    let options = row.options.iter().map(|option| option.to_ascii_uppercase());
    let variables: Vec<_> = fields.chain(options).map(|field| format!("`{prefix}_{field}`")).collect();
    writeln!(page, "- Variables: {}", variables.join(", "))?;
    writeln!(page, "- Base URL: {}", base_url(row))?;
    writeln!(page, "- Authentication: {}", authentication(row.auth))?;
    if row.operations.is_empty() {
        writeln!(page, "- *Not served*: known to the catalogue, refused by this version")?;
    }
    match row.model_list {
        Some(list) => writeln!(page, "- List of models: fetched from `{list}` below the base URL")?,
        None => {
            writeln!(page, "- List of models: none to fetch; set `{prefix}_MODELS`, or name `{}/…` models", row.name)?
        }
    }
    if !row.native.roots.is_empty() {
        let roots: Vec<_> = row.native.roots.iter().map(|root| format!("`{root}`")).collect();
        writeln!(
            page,
            "- Passthrough paths that begin with {} go to the host's root ({})",
            roots.join(", "),
            authentication(row.native.auth)
        )?;
    }
    for borrowed in row.borrowed {
        if let Borrowed::Variables { variables, .. } = borrowed {
            let variables: Vec<_> =
                variables.iter().map(|(name, setting)| format!("`{name}` for `{setting}`")).collect();
            writeln!(page, "- Read as well, where no setting says it: {}", variables.join(", "))?;
        }
    }
    for header in row.headers {
        writeln!(page, "- Header `{}`, unless the client sends it: {}", header.name, source(header.value))?;
    }
    for quirk in row.quirks {
        match quirk {
            Quirk::Rename { from, to } => {
                writeln!(page, "- Edit to outgoing bodies: `{from}` is sent as `{to}`, where `{to}` is not given")?;
            }
            Quirk::Clamp { member, least, most } => {
                writeln!(page, "- Edit to outgoing bodies: `{member}` is brought between {least} and {most}")?;
            }
            Quirk::ClaudeInPath { version } => {
                writeln!(page, "- Claude's bodies say `anthropic_version: {version}`; the model is in the path")?;
            }
            Quirk::EmbedsByPredict => writeln!(page, "- Embeddings are made by Google's `:predict`")?,
            Quirk::EmbedsByInvoke => {
                writeln!(
                    page,
                    "- Embeddings of Titan's and Cohere's models, by InvokeModel: one call for each text or for 96"
                )?;
            }
        }
    }
    if row.audio == Audio::Chat {
        writeln!(page, "- `/v1/audio/speech` and `/v1/audio/transcriptions` are made into chats")?;
    }
    if let Some(api) = row.files {
        writeln!(page, "- Files: {}", files(api))?;
    }
    match row.batches {
        Some(api) => writeln!(page, "- Batches: {}", batches(api))?,
        None => writeln!(page, "- Batches: line by line, where `batches.emulate` allows it")?,
    }
    if row.stream_usage == StreamUsage::Unasked && !row.operations.is_empty() {
        writeln!(page, "- Streams tell their token counts without being asked")?;
    }
    Ok(())
}

fn base_url(row: &Provider) -> String {
    match row.base_url {
        Some(_) if row.name == "simulator" => "built in".to_owned(),
        Some(url) => format!("`{url}`"),
        None => format!("none: set `{}_BASE_URL`", row.env_prefix()),
    }
}

fn files(api: FilesApi) -> &'static str {
    match api {
        FilesApi::Openai => "by OpenAI's API",
        FilesApi::Anthropic => "by Anthropic's API",
        FilesApi::Gemini => "by Gemini's resumable uploads",
    }
}

fn batches(api: BatchesApi) -> &'static str {
    match api {
        BatchesApi::Openai => "by OpenAI's API",
        BatchesApi::Anthropic => "by Anthropic's Message Batches",
        BatchesApi::Gemini => "by Gemini's batch mode",
        BatchesApi::Xai => "by xAI's API",
        BatchesApi::Bedrock => "by model invocation jobs, over a bucket of S3 (`batch_bucket`, `batch_role`)",
        BatchesApi::Vertex => "by batch prediction jobs, over a bucket of Cloud Storage (`batch_bucket`)",
    }
}

fn authentication(auth: Auth) -> String {
    match auth {
        Auth::Bearer => "`Authorization: Bearer …`".to_owned(),
        Auth::Header(name) => format!("`{name}: …`"),
        Auth::AwsSignature(_) => {
            "a signature by AWS credentials, or a Bedrock API key as `Authorization: Bearer …`".to_owned()
        }
        Auth::KeyOrEntra(name) => format!("`{name}: …`, or a token of Microsoft Entra ID as `Authorization: Bearer …`"),
        Auth::GoogleToken => {
            "a Google access token as `Authorization: Bearer …`; a key as `x-goog-api-key: …`".to_owned()
        }
    }
}

fn source(value: HeaderSource) -> String {
    match value {
        HeaderSource::Fixed(text) => format!("`{text}`"),
        HeaderSource::Option(option, None) => format!("the setting `{option}`, if there is one"),
        HeaderSource::Option(option, Some(otherwise)) => format!("the setting `{option}`, else `{otherwise}`"),
        HeaderSource::Session => "an id that stays the same while the gateway runs".to_owned(),
        HeaderSource::Conversation => "an id that stays the same while a chat goes on".to_owned(),
    }
}
