//! The table of providers: what every row owes to those who rely on it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use narthex::config::{Environment, PROVIDER_FIELDS, parse};
use narthex::endpoints::Operation;
use narthex::providers::{Auth, BaseUrl, HeaderSource, Place, Provider, Quirk, catalog::TABLE};
use std::collections::HashSet;
use std::path::Path;

/// Runs on every row, and says which one fails.
fn every(rule: &str, holds: impl Fn(&Provider) -> bool) {
    let broken: Vec<_> = TABLE.iter().filter(|row| !holds(row)).map(|row| row.name).collect();
    assert!(broken.is_empty(), "{rule}: not so for {}", broken.join(", "));
}

#[test]
fn rows_are_sorted_and_unique() {
    assert!(TABLE.windows(2).all(|pair| pair[0].name < pair[1].name));
    let titles: HashSet<_> = TABLE.iter().map(|row| row.title).collect();
    assert_eq!(titles.len(), TABLE.len());
}

#[test]
fn names_can_be_written_everywhere() {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    every("a name has small letters, digits and `-`", |row| is_name(row.name));
    every("there is a title, and an example", |row| !row.title.is_empty() && !row.example.is_empty());
    every("an option has small letters and `_`", |row| {
        row.options.iter().all(|option| option.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
    });
    every("options are sorted", |row| row.options.is_sorted());
    every("a note is one line", |row| !row.note.contains('\n'));
}

#[test]
fn addresses_can_be_read() {
    every("a base URL parses, and is written as we would write it", |row| {
        row.base_url.is_none_or(|url| BaseUrl::parse(url).is_ok_and(|parsed| parsed.to_string() == url))
    });
    every("only servers on one's own machine are reached without TLS", |row| {
        row.base_url.is_none_or(|url| {
            url.starts_with("https://") || url.starts_with("http://localhost:") || url == "http://simulator.internal/v1"
        })
    });
    every("a path begins with a slash and does not end in one", |row| {
        let places = row.places.iter().map(|(_, place)| match place {
            Place::Base(path) | Place::Host(path) | Place::Below(path) => *path,
        });
        places.chain(row.model_list).all(|path| path.starts_with('/') && !path.ends_with('/'))
    });
    every("a native root is one segment", |row| {
        row.native.roots.iter().all(|root| !root.is_empty() && !root.contains('/'))
    });
    every("native roots do not take `v1/` away", |row| !row.native.roots.contains(&"v1"));
}

#[test]
fn operations_are_listed_once() {
    every("an operation is listed once", |row| {
        row.operations.iter().collect::<HashSet<_>>().len() == row.operations.len()
    });
    every("a place is for an operation that is served", |row| {
        row.places.iter().all(|(operation, _)| row.serves(*operation))
    });
    assert!(Operation::ALL.iter().all(|operation| TABLE.iter().any(|row| row.serves(*operation))));
}

#[test]
fn headers_are_written_small() {
    let is_header = |name: &str| http::HeaderName::from_lowercase(name.as_bytes()).is_ok();
    every("headers have lower-case names", |row| row.headers.iter().all(|header| is_header(header.name)));
    every("key headers have lower-case names", |row| {
        [row.auth, row.native.auth].iter().all(|auth| !matches!(auth, Auth::Header(name) if !is_header(name)))
    });
    every("a header that an option sets names an option of the row", |row| {
        row.headers
            .iter()
            .all(|header| !matches!(header.value, HeaderSource::Option(option, _) if !row.options.contains(&option)))
    });
    every("a quirk changes something, and not what we change ourselves", |row| {
        row.quirks.iter().all(|quirk| match quirk {
            Quirk::Clamp { least, most, .. } => least < most,
            Quirk::EmbedsByInvoke | Quirk::EmbedsByPredict => row.serves(Operation::Embeddings),
            Quirk::ClaudeInPath { .. } => row.serves(Operation::Messages),
            Quirk::Rename { from, to } => {
                from != to && ![from, to].iter().any(|key| ["model", "stream", "stream_options"].contains(key))
            }
        })
    });
}

/// No variable of one provider reads as a variable of another: `OPENCODE_GO_API_KEY` must not be `OPENCODE`'s with a suffix.
#[test]
fn variables_belong_to_one_provider() {
    let mut owners: Vec<(String, &str)> = Vec::new();
    for row in TABLE {
        let own = row.options.iter().map(|option| option.to_ascii_uppercase());
        let fields = PROVIDER_FIELDS.iter().map(|(field, _)| (*field).to_owned()).chain(own);
        owners.extend(fields.map(|field| (format!("{}_{field}", row.env_prefix()), row.name)));
    }
    for (variable, owner) in &owners {
        let strangers: Vec<_> = TABLE
            .iter()
            .filter(|row| row.name != *owner && variable.starts_with(&format!("{}_", row.env_prefix())))
            .map(|row| row.name)
            .collect();
        assert!(strangers.is_empty(), "{variable} of {owner} could be read as a variable of {strangers:?}");
    }
    assert_eq!(owners.iter().map(|(variable, _)| variable).collect::<HashSet<_>>().len(), owners.len());
}

/// A key, and a base URL where only the user knows it, make an instance of every provider, plain and with a suffix.
#[test]
fn every_provider_is_reached_by_variables_alone() {
    for row in TABLE {
        for suffix in ["", "_EAST_2"] {
            let prefix = format!("{}{suffix}", row.env_prefix());
            let variables = [(format!("{prefix}_API_KEY"), "k"), (format!("{prefix}_BASE_URL"), "http://localhost:1")];
            let env: Environment = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            let loaded = parse("", &env).unwrap_or_else(|why| panic!("{prefix}: {why}"));
            let [instance] = loaded.config.instances.as_slice() else { panic!("{prefix}: not one instance") };
            assert_eq!(instance.provider.name, row.name);
            assert_eq!((instance.base.host.as_str(), instance.base.port), ("localhost", 1));
            assert_eq!(instance.name, format!("{}{}", row.name, if suffix.is_empty() { "" } else { "-east-2" }));
        }
    }
}

/// What is written for users has every provider; a page that is not there yet says nothing.
#[test]
fn the_documentation_names_every_provider() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in ["README.md", "docs/providers.md", ".env.template"] {
        let Ok(text) = std::fs::read_to_string(root.join(page)) else { continue };
        let name = |row: &Provider| match page {
            ".env.template" => format!("{}_", row.env_prefix()),
            _ => row.title.to_owned(),
        };
        let shown = TABLE.iter().filter(|row| row.name != "simulator");
        let missing: Vec<_> = shown.filter(|row| !text.contains(&name(row))).map(|row| row.name).collect();
        assert!(missing.is_empty(), "{page} lacks {}", missing.join(", "));
    }
}
