//! From an operation, or from the rest of a passthrough path, to the provider's path.

use super::{Auth, Instance, Place};
use crate::endpoints::Operation;
use crate::error::Refusal;

/// How a provider's URLs are put together.
pub trait Urls: Sync {
    /// Path and query of an operation.
    fn operation(&self, instance: &Instance, operation: Operation, model: &str) -> String;

    /// Path and query of the list of models, whose place in the row is `list`.
    fn model_list(&self, instance: &Instance, list: &str) -> String;

    /// What `rest`, the path behind `/p/{provider}/`, means. `rest` has no dot segments.
    fn passthrough(&self, instance: &Instance, rest: &str, query: Option<&str>) -> Passthrough;
}

/// Where a passthrough request goes, and how it is authenticated there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passthrough {
    pub path_and_query: String,
    pub auth: Auth,
}

/// The base URL with a path behind it: what nearly all providers have.
pub struct Joined;

impl Urls for Joined {
    fn operation(&self, instance: &Instance, operation: Operation, _model: &str) -> String {
        match instance.provider.place(operation) {
            Place::Base(path) => format!("{}{path}", instance.base.path),
            Place::Host(path) => path.to_owned(),
        }
    }

    fn model_list(&self, instance: &Instance, list: &str) -> String {
        format!("{}{list}", instance.base.path)
    }

    fn passthrough(&self, instance: &Instance, rest: &str, query: Option<&str>) -> Passthrough {
        let native = &instance.provider.native;
        let first = rest.split(['/', '?']).next().unwrap_or_default();
        if native.roots.contains(&first) {
            return Passthrough { path_and_query: with_query(format!("/{rest}"), query), auth: native.auth };
        }
        let below = rest.strip_prefix("v1/").unwrap_or(rest);
        let path = format!("{}/{below}", instance.base.path);
        Passthrough { path_and_query: with_query(path, query), auth: instance.provider.auth }
    }
}

pub fn with_query(path: String, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    }
}

/// Refuses a path that would leave the place it is joined to. A segment counts as whoever is behind the provider's front may
/// read it: decoded as often as it can be, backslashes for slashes, and without `;parameters`.
pub fn check_segments(rest: &str) -> Result<(), Refusal> {
    let mut decoded = rest.to_owned();
    loop {
        let climbs = decoded.split(['/', '\\']).any(|segment| {
            let name = segment.split(';').next().unwrap_or_default();
            matches!(name, "." | "..")
        });
        if climbs {
            return Err(Refusal::invalid("the path must not hold `.` or `..` segments").param("path"));
        }
        let next = percent_encoding::percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
        if next == decoded {
            return Ok(());
        }
        decoded = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_to_climb() {
        for path in [
            "a/../b",
            "..",
            "a/%2e%2E/b",
            "a/.%2e",
            "a\\..\\b",
            "a%2f..%2fb",
            "./a",
            "a/%252e%252e",
            "..;x/a",
            "a/..%253b/b",
        ] {
            assert!(check_segments(path).is_err(), "{path}");
        }
        for path in ["a/b..c", "models/..x", "models/org%2Fname", "files/...", ""] {
            assert!(check_segments(path).is_ok(), "{path}");
        }
    }
}
