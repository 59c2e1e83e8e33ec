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

/// Refuses a path that would leave the place it is joined to.
pub fn check_segments(rest: &str) -> Result<(), Refusal> {
    match climbs(rest) {
        true => Err(Refusal::invalid("the path must not hold `.` or `..` segments").param("path")),
        false => Ok(()),
    }
}

/// Whether a path has dot segments. A segment counts as whoever is behind the provider's front may read it: decoded until nothing is
/// left to decode, backslashes for slashes, and without `;parameters`.
fn climbs(path: &str) -> bool {
    decoded(path).split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        matches!(name, b"." | b"..")
    })
}

/// Whether an id that a client names stays one segment of the path that it is put into, whoever reads that.
pub fn is_segment(id: &str) -> bool {
    !id.is_empty() && !climbs(id) && !decoded(id).iter().any(|byte| matches!(byte, b'/' | b'\\'))
}

/// A text without any percent-encoding, however often it was encoded. One pass: what a byte completes is decoded at once, and may
/// complete something itself.
fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return text.as_bytes().into();
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        out.push(byte);
        while let [.., b'%', high, low] = out[..]
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            out.truncate(out.len() - 3);
            out.push(high << 4 | low);
        }
    }
    out.into()
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
            "a/%2%65%2%65",
            "%%32%65%25%32%45/a",
        ] {
            assert!(check_segments(path).is_err(), "{path}");
        }
        for path in ["a/b..c", "models/..x", "models/org%2Fname", "files/...", ""] {
            assert!(check_segments(path).is_ok(), "{path}");
        }
    }
    #[test]
    fn an_id_is_one_segment() {
        for id in ["..", "%2e", "a%2Fb", "a%255cb", "a/b", "..;a", ""] {
            assert!(!is_segment(id), "{id}");
        }
        for id in ["resp_1", "a..b", "a%20b", "100%", "%zz", "a;b"] {
            assert!(is_segment(id), "{id}");
        }
    }

    /// A path may be as long as a header: the work must not grow with its square.
    #[test]
    fn what_was_encoded_often_costs_no_more() {
        let long = format!("/%{}2e%{}2e/", "25".repeat(1 << 20), "25".repeat(1 << 20));
        let start = std::time::Instant::now();
        assert!(climbs(&long) && !climbs(&"%25".repeat(1 << 20)));
        assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
    }
}
