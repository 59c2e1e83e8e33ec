//! The house rules that no compiler checks: which room may know of which, who reads the environment, how rooms introduce
//! themselves. A rule that is in the way should be changed here, with its reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

const MOST_LINES: usize = 450;

/// Which of our rooms each room may name; what is not listed here is not looked at. The order is that of the map in `lib.rs`.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("secret", &[]),
    ("rope", &[]),
    ("json", &["rope"]),
    ("multipart", &[]),
    ("models", &[]),
    ("dialects", &["error", "json", "models", "multipart"]),
    ("endpoints", &["dialects"]),
    ("files", &["error", "multipart"]),
    ("batches", &["endpoints", "files", "json"]),
    ("providers", &["dialects", "endpoints", "error", "models", "secret"]),
    ("fetch", &[]),
    ("credentials", &["fetch", "providers", "secret"]),
    ("config", &["credentials", "endpoints", "models", "providers", "secret"]),
    ("payload", &["error", "json", "multipart", "rope"]),
    ("rewrite", &["dialects", "error", "json", "rope"]),
    ("routing", &["config", "credentials", "fetch", "models", "providers"]),
    ("store", &["config", "error"]),
    ("telemetry", &["json", "rewrite", "routing"]),
    ("gateway", &["config", "fetch", "routing", "secret", "store", "telemetry"]),
    ("simulator", &["dialects", "error", "json", "models"]),
];

/// Words that give away knowledge which a room should not have.
const KNOWS_NOTHING_OF: &[(&str, &[&str])] = &[
    ("models", &["pingora", "tokio", "async fn"]),
    ("dialects", &["pingora", "tokio", "async fn"]),
    ("rewrite", &["pingora", "tokio", "async fn"]),
    ("rope", &["pingora", "tokio", "async fn"]),
    ("json", &["pingora", "tokio", "async fn"]),
    ("multipart", &["pingora", "tokio", "async fn"]),
    ("payload", &["pingora", "tokio", "async fn"]),
    ("endpoints", &["pingora", "tokio", "async fn"]),
    ("files", &["pingora", "tokio", "async fn"]),
    ("batches", &["pingora", "tokio", "async fn"]),
    ("error", &["pingora", "tokio", "async fn"]),
    ("providers", &["pingora", "tokio", "async fn"]),
    ("config", &["pingora", "tokio", "async fn"]),
    ("routing", &["pingora", "tokio", "async fn"]),
    ("store", &["pingora"]),
    ("telemetry", &["pingora", "tokio", "async fn"]),
    ("gateway", &["pingora", "tokio", "async fn"]),
];

struct Source {
    /// Relative to the project, with slashes.
    path: String,
    text: String,
}

impl Source {
    /// `src/routing/health.rs` is in `routing`, `src/json.rs` is `json`.
    fn room(&self) -> &str {
        let below = self.path.strip_prefix("src/").expect("a source");
        let first = below.split('/').next().expect("a name");
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Its lines of code, without comments and without the tests at its end, counted from 1.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(at, line)| (at + 1, line));
        lines.take_while(|(_, line)| *line != "#[cfg(test)]").filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("text");
                let path = path.strip_prefix(root).expect("below the root").to_str().expect("UTF-8").replace('\\', "/");
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 40, "the sources are not where they are looked for");
    found
}

/// Fails with all of these at once.
fn assert_none(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn dependencies_point_down() {
    let rooms: Vec<&str> = MAY_NAME.iter().map(|(room, _)| *room).chain(["proxy"]).collect();
    let mut broken = Vec::new();
    for source in sources() {
        let Some((_, allowed)) = MAY_NAME.iter().find(|(room, _)| *room == source.room()) else { continue };
        for (at, line) in source.code() {
            for room in rooms.iter().filter(|room| **room != source.room() && !allowed.contains(room)) {
                let path = format!("crate::{room}");
                let named =
                    line.split(&path).skip(1).any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
                let grouped = line.contains("crate::{") && line.contains(&format!("{room}::"));
                if named || grouped {
                    broken.push(format!("{}:{at} names {room}", source.path));
                }
            }
        }
    }
    assert_none("a room names one that stands above it", broken);
}

#[test]
fn rooms_know_no_more_than_they_should() {
    let mut broken = Vec::new();
    for source in sources() {
        let Some((_, words)) = KNOWS_NOTHING_OF.iter().find(|(room, _)| *room == source.room()) else { continue };
        for (at, line) in source.code() {
            broken.extend(
                words
                    .iter()
                    .filter(|word| line.contains(**word))
                    .map(|word| format!("{}:{at} has {word}", source.path)),
            );
        }
    }
    assert_none("a room that could be tested without a runtime is about to need one", broken);
}

#[test]
fn one_file_reads_the_environment() {
    let readers = ["env::var(", "env::var_os(", "env::vars(", "env::vars_os(", "env::set_var("];
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.path != "src/config/env.rs") {
        let reads = source.code().filter(|(_, line)| readers.iter().any(|reader| line.contains(reader)));
        broken.extend(reads.map(|(at, _)| format!("{}:{at}", source.path)));
    }
    assert_none("only config/env.rs reads the environment", broken);
}

#[test]
fn every_room_introduces_itself() {
    let broken = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    assert_none("a file says in its first line what it is for", broken.map(|source| source.path).collect());
    let every = sources();
    let rooms = every.iter().filter(|source| source.path.ends_with("/mod.rs") && source.path.matches('/').count() == 2);
    let short = rooms.filter(|source| source.text.lines().take_while(|line| line.starts_with("//!")).count() < 2);
    assert_none(
        "a room's mod.rs says what belongs in it and what does not",
        short.map(|source| source.path.clone()).collect(),
    );
}

#[test]
fn files_are_short() {
    let long = sources().into_iter();
    let long = long.map(|source| (source.text.lines().count(), source.path)).filter(|(lines, _)| *lines > MOST_LINES);
    assert_none("a file has become two", long.map(|(lines, path)| format!("{path} has {lines} lines")).collect());
}

#[test]
fn the_map_has_every_room() {
    let every = sources();
    let map = &every.iter().find(|source| source.path == "src/lib.rs").expect("lib.rs").text;
    let mut rooms: Vec<_> = every.iter().map(Source::room).filter(|room| !matches!(*room, "lib" | "main")).collect();
    rooms.dedup();
    let missing = rooms.iter().filter(|room| !map.contains(&format!("[`{room}`]")));
    assert_none("the map in lib.rs lacks rooms", missing.map(|room| (*room).to_owned()).collect());
    let listed = MAY_NAME.iter().map(|(room, _)| *room).chain(["proxy"]).collect::<Vec<_>>();
    let unknown = rooms.iter().filter(|room| !listed.contains(room));
    assert_none("a room has no rule in this file", unknown.map(|room| (*room).to_owned()).collect());
}
