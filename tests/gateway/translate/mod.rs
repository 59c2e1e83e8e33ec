//! Clients of one dialect over providers of another: what reaches the provider, what comes back, and what happens when it fails.
//! How each dialect is read and written is tested beside the dialects; here it is the lane that counts: paths, headers, framing,
//! failures, other targets.

mod broken;
mod collected;
mod doors;
mod early;
mod failover;
mod failures;
mod forward;
mod lanes;
mod losses;
mod relayed;
mod shapes;
mod thoughts;
mod tool_map;

use crate::support::gateway::{Gateway, Setup};
use crate::support::http::Answer;
use crate::support::upstream::{Received, Reply, Upstream};
use crate::support::wire::{Told, Wire};
use serde_json::Value;

/// An upstream that speaks every dialect, behind a gateway with an instance for each, named as the dialect.
pub struct Hub {
    pub gateway: Gateway,
    pub upstream: Upstream,
}

pub fn name(wire: Wire) -> &'static str {
    match wire {
        Wire::Chat => "chat",
        Wire::Responses => "responses",
        Wire::Messages => "messages",
        Wire::Gemini => "contents",
        Wire::Converse => "converse",
    }
}

/// How a client calls the model of that instance.
pub fn model(wire: Wire) -> String {
    format!("{}/{}", name(wire), wire.model())
}

pub fn setup(upstream: &Upstream) -> Setup {
    let root = format!("http://{}", upstream.address);
    Setup::instances(Wire::ALL.map(|wire| (name(wire), wire.instance(&root))))
        .env("NARTHEX_RETRIES", "0")
        .env("NARTHEX_FETCH_MEDIA", "false")
}

impl Hub {
    pub async fn answering(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let upstream = Upstream::start(answer).await;
        let gateway = setup(&upstream).start().await;
        Self { gateway, upstream }
    }

    pub async fn ask(&self, client: Wire, provider: Wire, is_stream: bool) -> Answer {
        ask(&self.gateway, client, &model(provider), is_stream).await
    }

    pub fn last(&self) -> Received {
        self.upstream.requests().pop().expect("a request")
    }
}

pub async fn ask(gateway: &Gateway, client: Wire, model: &str, is_stream: bool) -> Answer {
    let (path, body) = client.asking(model, "Say hi", is_stream);
    gateway.post(&path, body).await
}

/// Every client with every provider that it has to be translated for.
pub fn pairs() -> impl Iterator<Item = (Wire, Wire)> {
    let pairs = Wire::ALL.into_iter().flat_map(|client| Wire::ALL.map(|provider| (client, provider)));
    pairs.filter(|(client, provider)| client != provider)
}

/// What a client has understood of an answer with status 200.
pub fn understood(client: Wire, is_stream: bool, answer: &Answer) -> Told {
    assert_eq!(answer.head.status, 200, "{client:?}: {}", String::from_utf8_lossy(&answer.body));
    if is_stream { Told::of_stream(client, &answer.body) } else { Told::of(client, answer.text()) }
}

pub fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|why| panic!("{why}: {:?}", String::from_utf8_lossy(bytes)))
}

/// The message of an error answer, which must be one of this dialect.
pub fn refused(client: Wire, answer: &Answer) -> (u16, String) {
    let context = || format!("{client:?} got {} {:?}", answer.head.status, String::from_utf8_lossy(&answer.body));
    assert!(answer.head.status >= 400 && answer.whole, "{}", context());
    assert_eq!(answer.head.headers.all("content-type").collect::<Vec<_>>(), ["application/json"], "{}", context());
    assert_eq!(answer.head.headers.get("x-amzn-errortype").is_some(), client == Wire::Converse, "{}", context());
    (answer.head.status, client.message_of(&json(&answer.body)).to_owned())
}
