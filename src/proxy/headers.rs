//! Which headers cross the gateway, in both directions.

use std::borrow::Cow;

use http::header::IntoHeaderName;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header};
use pingora_core::{ErrorType::InternalError, OrErr, Result};

use super::{RequestHeader, ResponseHeader};

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The provider's own id of a request that the client has named otherwise.
pub const X_UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
pub const X_NARTHEX_INSTANCE: HeaderName = HeaderName::from_static("x-narthex-instance");
/// In requests of the gateway to itself: whose they are.
pub const X_NARTHEX_TENANT: HeaderName = HeaderName::from_static("x-narthex-tenant");
/// Clients of Anthropic's dialect send it with everything.
pub const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
pub const X_NARTHEX_MODEL: HeaderName = HeaderName::from_static("x-narthex-model");
pub const X_NARTHEX_ATTEMPTS: HeaderName = HeaderName::from_static("x-narthex-attempts");
pub const X_NARTHEX_DROPPED: HeaderName = HeaderName::from_static("x-narthex-dropped");
/// Says that a number is an estimate of ours.
pub const X_NARTHEX_ESTIMATED: HeaderName = HeaderName::from_static("x-narthex-estimated");
/// Asks that nothing be left out: `true`.
pub const X_NARTHEX_STRICT: HeaderName = HeaderName::from_static("x-narthex-strict");
/// The class of an error, as Amazon's SDKs look for it.
pub const X_AMZN_ERRORTYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
pub const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A request's header of these headers. Pingora's own way to put them in one by one reads each name anew.
pub fn request(method: Method, path: &str, version: Version, headers: HeaderMap) -> Result<RequestHeader> {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = method;
    parts.version = version;
    parts.headers = headers;
    let usual = PathAndQuery::try_from(path).ok().filter(|_| path.starts_with('/'));
    let is_usual = usual.is_some();
    parts.uri = usual.map(Uri::from).unwrap_or_default();
    let mut request = RequestHeader::from(parts);
    if !is_usual {
        request.set_raw_path(path.as_bytes())?;
    }
    Ok(request)
}

/// The header of an answer with the status, version and reason of `like`, and these headers.
pub fn response(like: &ResponseHeader, headers: HeaderMap) -> Result<ResponseHeader> {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = like.status;
    parts.version = like.version;
    parts.headers = headers;
    let mut response = ResponseHeader::from(parts);
    response.set_reason_phrase(like.get_reason_phrase())?;
    Ok(response)
}

/// Adds a header beside others of its name. Fails where there are tens of thousands.
pub fn append(headers: &mut HeaderMap, name: impl IntoHeaderName, value: HeaderValue) -> Result<()> {
    headers.try_append(name, value).or_err(InternalError, TOO_MANY).map(drop)
}

/// Adds a header in place of others of its name. Fails like [`append`].
pub fn insert(headers: &mut HeaderMap, name: impl IntoHeaderName, value: HeaderValue) -> Result<()> {
    headers.try_insert(name, value).or_err(InternalError, TOO_MANY).map(drop)
}

const TOO_MANY: &str = "there are too many headers";

/// Whether a client's header is passed on when a model is run: those by which a client talks to the provider are. What is
/// not here stays here; above all the client's credentials and cookies, and whatever proxies before us have added.
/// `nominated` are the names that the client's `connection` header lists: they are meant for us alone.
pub fn is_forwarded(name: &HeaderName, nominated: &[String]) -> bool {
    let name = name.as_str();
    let is_listed = matches!(
        name,
        "accept"
            | "accept-language"
            | "content-language"
            | "content-type"
            | "http-referer"
            | "idempotency-key"
            | "session-id"
            | "session_id"
            | "tracestate"
            | "traceparent"
            | "user-agent"
            | "x-client-request-id"
            | "x-request-id"
            | "x-session-id"
            | "x-simulate"
            | "x-title"
    );
    (is_listed || FORWARDED_FAMILIES.iter().any(|family| name.starts_with(family)))
        && !nominated.iter().any(|nominated| nominated == name)
}

/// Families of such headers, by how their names begin.
const FORWARDED_FAMILIES: &[&str] =
    &["anthropic-", "openai-", "x-dashscope-", "x-grok-", "x-ms-", "x-opencode-", "x-openrouter-", "x-stainless-"];

/// Whether a header means something in the client's dialect only: a provider of another one should not see it.
pub fn is_of_a_dialect(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "accept" | "content-type")
        || ["anthropic-", "openai-", "x-stainless-"].iter().any(|family| name.starts_with(family))
}

/// Whether a client's header is passed through to a provider's own API: all are but those that give the client away, and
/// those that we set; `nominated` as in [`is_forwarded`].
pub fn is_passed_through(name: &HeaderName, nominated: &[String]) -> bool {
    let name = name.as_str();
    let is_kept_back = matches!(
        name,
        "accept-encoding"
            | "api-key"
            | "authorization"
            | "cf-connecting-ip"
            | "content-length"
            | "cookie"
            | "cookie2"
            | "expect"
            | "forwarded"
            | "host"
            | "ocp-apim-subscription-key"
            | "true-client-ip"
            | "via"
            | "x-amz-content-sha256"
            | "x-amz-date"
            | "x-amz-security-token"
            | "x-api-key"
            | "x-goog-api-key"
            | "x-real-ip"
    );
    !is_kept_back
        && !is_hop_by_hop(name)
        && !KEPT_BACK_FAMILIES.iter().any(|family| name.starts_with(family))
        && !nominated.iter().any(|nominated| nominated == name)
}

/// How browsers, which can set no headers, show a key in a WebSocket handshake: as the name of a protocol that nobody speaks.
const PROTOCOL_WITH_KEY: &[u8] = b"openai-insecure-api-key.";

/// The WebSocket protocols that a client offers, less those that hold a key; `None` where it offers no other. The others are as they
/// were, since it accepts no answer but one of its own.
pub fn protocols_without_keys(offered: &HeaderValue) -> Option<HeaderValue> {
    let has_key = |protocol: &&[u8]| {
        let start = protocol.trim_ascii_start().get(..PROTOCOL_WITH_KEY.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(PROTOCOL_WITH_KEY))
    };
    let protocols = || offered.as_bytes().split(|byte| *byte == b',');
    if !protocols().any(|protocol| has_key(&protocol)) {
        return Some(offered.clone());
    }
    let others = protocols().filter(|protocol| !has_key(protocol)).collect::<Vec<_>>().join(&b',');
    HeaderValue::from_bytes(others.trim_ascii()).ok().filter(|others| !others.is_empty())
}

const KEPT_BACK_FAMILIES: &[&str] = &["cf-access-", "x-forwarded-", "x-narthex-"];

/// Headers that speak of one connection only (RFC 9110 §7.6.1), whether or not `connection` names them.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// The names that a `connection` header lists.
pub fn nominated(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

/// Whether a provider's header is for the client; `nominated` are the names that its `connection` header lists.
/// `transfer-encoding` is: Pingora needs it to frame the answer.
pub fn is_answered(name: &HeaderName, nominated: &[String]) -> bool {
    let name = name.as_str();
    let ends_here = matches!(name, "alt-svc" | "set-cookie" | "set-cookie2" | "strict-transport-security");
    !ends_here
        && (!is_hop_by_hop(name) || name == "transfer-encoding")
        && !name.starts_with("x-narthex-")
        && !nominated.iter().any(|nominated| nominated == name)
}

/// Whether a header is part of a change of protocol (RFC 9110 §7.8).
pub fn is_handshake(name: &HeaderName) -> bool {
    matches!(name.as_str(), "connection" | "upgrade")
}

/// The keys that a client presents, in any of the ways that SDKs do; Gemini's may stand in the query.
pub fn presented_keys<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> impl Iterator<Item = Cow<'a, [u8]>> {
    let bearer = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()).and_then(|value| {
        let (scheme, key) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
    });
    let named = ["x-api-key", "x-goog-api-key", "api-key"].into_iter().filter_map(|name| headers.get(name));
    let queried = query.into_iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.strip_prefix("key="));
    let in_headers = bearer.into_iter().chain(named.map(|value| value.as_bytes().trim_ascii())).map(Cow::Borrowed);
    in_headers.chain(queried.map(|key| percent_encoding::percent_decode_str(key).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn no_credential_leaves_by_any_way() {
        for name in [
            "authorization",
            "x-api-key",
            "api-key",
            "x-goog-api-key",
            "cookie",
            "proxy-authorization",
            "x-forwarded-for",
        ] {
            let name = HeaderName::from_static(name);
            assert!(!is_forwarded(&name, &[]) && !is_passed_through(&name, &[]), "{name}");
        }
        assert!(!is_passed_through(&HeaderName::from_static("x-secret"), &["x-secret".to_owned()]));
        assert!(is_passed_through(&HeaderName::from_static("anthropic-beta"), &[]));
        assert!(is_forwarded(&HeaderName::from_static("openai-organization"), &[]));
        assert!(!is_forwarded(&HeaderName::from_static("x-internal-token"), &[]));
    }

    #[test]
    fn protocols_lose_keys() {
        for (offered, left) in [
            ("realtime, openai-insecure-api-key.k, openai-beta.realtime-v1", Some("realtime, openai-beta.realtime-v1")),
            ("OpenAI-Insecure-API-Key.k,realtime", Some("realtime")),
            ("openai-insecure-api-key.k", None),
            ("realtime,  openai-organization.o", Some("realtime,  openai-organization.o")),
        ] {
            let left = left.map(HeaderValue::from_static);
            assert_eq!(protocols_without_keys(&HeaderValue::from_static(offered)), left, "{offered}");
        }
    }

    #[test]
    fn answers_lose_what_is_between_us_and_the_provider() {
        let headers = map(&[
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("set-cookie", "a=b"),
            ("x-ratelimit-remaining-tokens", "5"),
            ("retry-after", "1"),
            ("transfer-encoding", "chunked"),
        ]);
        let nominated = nominated(&headers);
        let mut gone: Vec<_> =
            headers.keys().filter(|name| !is_answered(name, &nominated)).map(HeaderName::as_str).collect();
        gone.sort_unstable();
        assert_eq!(gone, ["connection", "set-cookie", "x-hop"]);
    }

    #[test]
    fn reads_keys_as_sdks_send_them() {
        let keys = |headers: &[(&'static str, &'static str)], query: Option<&str>| -> Vec<Vec<u8>> {
            presented_keys(&map(headers), query).map(|key| key.into_owned()).collect()
        };
        assert_eq!(keys(&[("authorization", "Bearer k")], None), [b"k"]);
        assert_eq!(keys(&[("authorization", "bearer  k ")], None), [b"k"]);
        assert_eq!(keys(&[("authorization", "Basic a"), ("x-api-key", "k")], None), [b"k"]);
        assert_eq!(keys(&[("authorization", "Bearer j"), ("x-api-key", "k")], None), [b"j", b"k"]);
        assert_eq!(keys(&[("x-goog-api-key", "k")], None), [b"k"]);
        assert_eq!(keys(&[], Some("alt=sse&key=a%2Fb")), [b"a/b"]);
        assert!(keys(&[("authorization", "Bear")], Some("monkey=1")).is_empty());
    }
}
