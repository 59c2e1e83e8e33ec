//! From an operation, or from the rest of a passthrough path, to the provider's path.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Auth, BaseUrl, Bucket, Instance, Place, Provider};
use crate::endpoints::{MODEL, Operation};
use crate::error::Refusal;
use crate::secret::Secret;

/// How a provider's URLs are put together.
pub trait Urls: Sync {
    /// What bodies call a model that users know by the name `model`.
    fn model<'a>(&self, _instance: &'a Instance, _operation: Operation, model: &'a str) -> Cow<'a, str> {
        model.into()
    }

    /// What the text of a configured base URL means. The error says what is wrong with it.
    fn read_base(&self, text: &str, _options: &BTreeMap<&'static str, String>) -> Result<BaseUrl, String> {
        BaseUrl::parse(text)
    }

    /// The base URL where none is configured.
    fn usual_base(&self, provider: &Provider, _options: &BTreeMap<&'static str, String>) -> Option<BaseUrl> {
        BaseUrl::parse(provider.base_url?).ok()
    }

    /// Checks the provider's own settings, and adds those that the base URL tells. The error says what is wrong.
    fn settle(
        &self,
        _options: &mut BTreeMap<&'static str, String>,
        _secrets: &BTreeMap<&'static str, Secret>,
        _base: Option<&BaseUrl>,
    ) -> Result<(), String> {
        Ok(())
    }

    /// Options that are missing beside those that are there, where no key is.
    fn missing(
        &self,
        _options: &BTreeMap<&'static str, String>,
        _secrets: &BTreeMap<&'static str, Secret>,
    ) -> Vec<&'static str> {
        Vec::new()
    }

    /// The bucket for its batches, if one is named. `has_key`: requests bear a key and nothing else. The error says what is wrong.
    fn bucket(&self, _options: &BTreeMap<&'static str, String>, _has_key: bool) -> Result<Option<Bucket>, String> {
        Ok(None)
    }

    /// Where an operation goes.
    fn operation(&self, instance: &Instance, call: &Call<'_>) -> Destination;

    /// Path and query of the list of models, whose place in the row is `list`.
    fn model_list(&self, instance: &Instance, list: &str) -> String {
        format!("{}{list}", instance.base.path)
    }

    /// What the list of models consists of.
    fn model_lists(&self, instance: &Instance, list: &str) -> Vec<Listing> {
        vec![Listing { base: None, path_and_query: self.model_list(instance, list), next: None }]
    }

    /// What `rest`, the path behind `/p/{provider}/`, means. `rest` has no dot segments.
    fn passthrough(&self, instance: &Instance, rest: &str, query: Option<&str>) -> Destination;
}

/// What a model is asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub operation: Operation,
    pub model: &'a str,
    pub is_stream: bool,
}

/// Where a request goes, and how it is authenticated there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub path_and_query: String,
    pub auth: Auth,
    /// Where it goes if not to the instance's own host.
    pub base: Option<BaseUrl>,
}

/// A list of models, or one of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// As in [`Destination`].
    pub base: Option<BaseUrl>,
    pub path_and_query: String,
    /// For a list that comes in pages: the member of a page that names the next one, and the parameter that asks for it.
    pub next: Option<&'static str>,
}

/// What may stand in a path segment as it is (RFC 3986 §2.3).
pub const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Call<'_> {
    /// The operation's path with the model in its place, percent-encoded as one segment.
    pub fn path(&self) -> Cow<'static, str> {
        let path = self.operation.path(self.is_stream);
        if !self.operation.has_model_in_path() {
            return path.into();
        }
        path.replace(MODEL, &utf8_percent_encode(self.model, UNRESERVED).to_string()).into()
    }
}

/// The base URL with a path behind it: what nearly all providers have.
pub struct Joined;

impl Urls for Joined {
    fn operation(&self, instance: &Instance, call: &Call<'_>) -> Destination {
        let provider = instance.provider;
        match provider.place(call.operation) {
            Some(Place::Base(path)) => destination([&instance.base.path, path].concat(), provider.auth),
            Some(Place::Host(path)) => destination(format!("{}{path}", instance.root), provider.native.auth),
            Some(Place::Below(prefix)) => {
                destination(format!("{}{prefix}{}", instance.root, call.path()), provider.native.auth)
            }
            None => destination([&*instance.base.path, &*call.path()].concat(), provider.auth),
        }
    }

    fn passthrough(&self, instance: &Instance, rest: &str, query: Option<&str>) -> Destination {
        let native = &instance.provider.native;
        let first = rest.split(['/', '?']).next().unwrap_or_default();
        if native.roots.contains(&first) {
            return destination(with_query(format!("{}/{rest}", instance.root), query), native.auth);
        }
        let below = rest.strip_prefix("v1/").unwrap_or(rest);
        let path = format!("{}/{below}", instance.base.path);
        destination(with_query(path, query), instance.provider.auth)
    }
}

pub fn destination(path_and_query: String, auth: Auth) -> Destination {
    Destination { path_and_query, auth, base: None }
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
