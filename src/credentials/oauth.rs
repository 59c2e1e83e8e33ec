//! Tokens as OAuth 2 gives them out: by Google, by Microsoft, and by the metadata services of both.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::Serializer;

use super::{Fetched, Grant, NoGrant};
use crate::fetch::{Answer, Client, Limits, Reach, Request};

const LIMITS: Limits = Limits { timeout: Duration::from_secs(10), max_bytes: 1 << 20, reach: Reach::Anywhere };
/// So much of what a service says about its refusal is repeated.
const LONGEST_REASON: usize = 300;

/// The answer of a token endpoint (RFC 6749 §5.1). The metadata services of Azure write numbers as texts.
#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: Option<Number>,
    /// Seconds since 1970 (Azure's App Service).
    expires_on: Option<Number>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u64),
    Text(String),
}

/// What it says when it refuses (RFC 6749 §5.2).
#[derive(Deserialize)]
struct Refused {
    error: Option<String>,
    error_description: Option<String>,
}

/// Sends a form to a token endpoint.
pub async fn exchange(client: &Arc<Client>, endpoint: &Url, form: &[(&str, &str)]) -> Result<Fetched, NoGrant> {
    let body = Serializer::new(String::new()).extend_pairs(form).finish();
    let form = (header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    let request = Request { method: Method::POST, url: endpoint.clone(), headers: vec![form], body: Bytes::from(body) };
    ask(client, &request).await
}

/// Asks a metadata service, which knows what this machine is allowed.
pub async fn from_metadata(
    client: &Arc<Client>,
    url: Url,
    proof: (HeaderName, HeaderValue),
) -> Result<Fetched, NoGrant> {
    let request = Request { method: Method::GET, url, headers: vec![proof], body: Bytes::new() };
    ask(client, &request).await
}

async fn ask(client: &Arc<Client>, request: &Request) -> Result<Fetched, NoGrant> {
    let place = request.url.host_str().unwrap_or_default();
    let answer = client.send(request, &LIMITS).await;
    let answer = answer.map_err(|why| NoGrant(format!("the token endpoint at {place} {why}")))?;
    if !answer.status.is_success() {
        return Err(NoGrant(format!(
            "{place} refuses a token with status {}{}",
            answer.status.as_u16(),
            reason(&answer)
        )));
    }
    let token: Option<Token> = serde_json::from_slice(&answer.body).ok();
    token.and_then(fetched).ok_or_else(|| NoGrant(format!("what {place} sent is not a token")))
}

fn fetched(token: Token) -> Option<Fetched> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.access_token)).ok()?;
    value.set_sensitive(true);
    let expires = match (token.expires_in, token.expires_on) {
        (Some(seconds), _) => SystemTime::now().checked_add(Duration::from_secs(seconds.get()?)),
        (None, Some(seconds)) => UNIX_EPOCH.checked_add(Duration::from_secs(seconds.get()?)),
        (None, None) => None,
    };
    Some(Fetched { grant: Grant::Bearer(value), expires })
}

impl Number {
    fn get(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
        }
    }
}

/// Why it refuses, in its own words: the first line of them.
fn reason(answer: &Answer) -> String {
    let Ok(refused) = serde_json::from_slice::<Refused>(&answer.body) else { return String::new() };
    let words = [refused.error, refused.error_description].into_iter().flatten().collect::<Vec<_>>().join(": ");
    let line: String = words.lines().next().unwrap_or_default().chars().take(LONGEST_REASON).collect();
    if line.is_empty() { line } else { format!(" ({line})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_services_send() {
        let read = |text: &str| serde_json::from_str::<Token>(text).ok().and_then(fetched);
        let google = read(r#"{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}"#).expect("a token");
        let Grant::Bearer(value) = &google.grant else { panic!("a bearer") };
        assert_eq!(value, "Bearer ya29.x");
        assert!(value.is_sensitive() && google.expires.is_some());
        let azure = r#"{"access_token":"e","expires_in":"3600","expires_on":"1893456000","resource":"r"}"#;
        assert!(read(azure).expect("a token").expires.is_some());
        let app_service = read(r#"{"access_token":"e","expires_on":"1893456000"}"#).expect("a token");
        assert_eq!(app_service.expires, Some(UNIX_EPOCH + Duration::from_secs(1_893_456_000)));
        assert!(read(r#"{"access_token":"a\nb"}"#).is_none() && read("{}").is_none());
    }
}
