//! What one exchange carries from phase to phase.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;

use super::stored::Remembered;
use super::tries::Tries;
use crate::config::Tenant;
use crate::credentials::Grant;
use crate::dialects::think_tags::ThinkTags;
use crate::dialects::tool_map::ToolMap;
use crate::dialects::{Asked, Dialect, audio};
use crate::endpoints::{Endpoint, Operation};
use crate::error::{Failure, Refusal};
use crate::gateway::{Gateway, Open, random_id};
use crate::payload::Payload;
use crate::providers::{Auth, BaseUrl};
use crate::rewrite::{Conversion, Rewrite};
use crate::rope::Rope;
use crate::routing::{InFlight, Target};

/// One client request from first byte to last.
pub struct Exchange {
    pub gateway: Arc<Gateway>,
    pub started: Instant,
    pub request_id: RequestId,
    /// Who asks; `None` where everybody may.
    pub tenant: Option<Arc<Tenant>>,
    pub ask: Ask,
    pub tries: Tries,
    /// The try under way, or the last one.
    pub attempt: Option<Attempt>,
    pub answer: Answer,
    /// What the client was told, or will be told, instead of an answer: our refusal or a provider's failure.
    pub failure: Option<Failure>,
    /// Why some of its media could not be fetched.
    pub unfetched: Option<Refusal>,
    _open: Open,
}

/// The name of an exchange, in logs and on both sides of it.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The client's own id if it is usable as one, else a new one.
    pub fn given_or_new(given: Option<&HeaderValue>) -> Self {
        let is_usable = |value: &&HeaderValue| {
            (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
        };
        let made = || HeaderValue::try_from(random_id()).unwrap_or_else(|_| unreachable!("digits are a header value"));
        Self(given.filter(is_usable).cloned().unwrap_or_else(made))
    }

    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub fn value(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self(HeaderValue::from_static(""))
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the client wants.
pub enum Ask {
    /// Not known yet, or not understood.
    Unknown,
    /// Something that we answer ourselves.
    Local(Endpoint),
    Run(Run),
    Passthrough(Rest),
    /// Handed on as a subrequest, which has a context of its own; this one has nothing more to tell.
    Relayed,
}

/// A model is to do something.
pub struct Run {
    pub operation: Operation,
    /// As the client called it.
    pub model: String,
    /// Whether some list or the configuration has that name.
    pub is_listed: bool,
    pub payload: Payload,
    pub wants_stream: bool,
    /// Whether a stream is wanted as one JSON array (Gemini without `alt=sse`).
    pub is_array: bool,
    /// The request in canonical form, where some target speaks another dialect.
    pub asked: Option<Box<Asked>>,
    /// Whether what a target has no place for is refused instead of left out.
    pub is_strict: bool,
    /// What it takes to keep the answer.
    pub remembered: Option<Box<Remembered>>,
}

/// A provider's own API is called as it is.
pub struct Rest {
    /// The path behind `/p/{provider}/`.
    pub path: String,
    /// A WebSocket, perhaps: the connection changes its protocol.
    pub is_upgrade: bool,
    /// The body, where it had to be read: a signature covers it.
    pub body: Option<Bytes>,
}

/// One try at one target.
pub struct Attempt {
    pub target: Target,
    pub started: Instant,
    pub outgoing: Outgoing,
    /// What allows it, where a key is not enough.
    pub grant: Option<Arc<Grant>>,
    _in_flight: InFlight,
}

/// What is sent to the provider.
pub struct Outgoing {
    pub path_and_query: String,
    pub auth: Auth,
    /// Where it goes if not to the instance's own host.
    pub base: Option<BaseUrl>,
    /// `None`: the client's body is passed on as it arrives.
    pub body: Option<Rope>,
    pub lane: Lane,
}

/// How what is sent relates to what the client sent, and the answer to what the client gets.
pub enum Lane {
    /// Both sides speak one dialect. `counts_for_us`: we asked for token counts that the client did not ask for. `think_tags`: what
    /// becomes of thoughts within the text.
    Forward { counts_for_us: bool, think_tags: ThinkTags },
    /// The provider is spoken to in this dialect. `dropped` is what it has no place for.
    Translate { provider: Dialect, think_tags: ThinkTags, dropped: Vec<String>, tool_map: Option<Arc<ToolMap>> },
    /// A short answer that is converted as a whole. `more` are the bodies of further calls that one request takes.
    Convert { provider: Dialect, conversion: Conversion, more: Vec<Bytes>, dropped: Vec<String> },
    /// Speech and transcriptions in chats.
    Audio(audio::Request),
}

impl Lane {
    pub fn counts_for_us(&self) -> bool {
        matches!(self, Self::Forward { counts_for_us: true, .. })
    }

    /// Whether thoughts are moved out of the text of an answer that is forwarded.
    pub fn moves_thoughts(&self) -> bool {
        matches!(self, Self::Forward { think_tags: ThinkTags::Split, .. })
    }

    /// The provider's dialect, where it is not the client's.
    pub fn foreign(&self) -> Option<Dialect> {
        match self {
            Self::Forward { .. } => None,
            Self::Translate { provider, .. } | Self::Convert { provider, .. } => Some(*provider),
            Self::Audio(_) => Some(Dialect::OpenaiChat),
        }
    }

    /// Names of tools that the provider knows by others.
    pub fn tool_map(&self) -> Option<&Arc<ToolMap>> {
        match self {
            Self::Translate { tool_map, .. } => tool_map.as_ref(),
            Self::Forward { .. } | Self::Convert { .. } | Self::Audio(_) => None,
        }
    }

    /// What the provider was not told of the request.
    pub fn dropped(&self) -> &[String] {
        match self {
            Self::Translate { dropped, .. } | Self::Convert { dropped, .. } => dropped,
            Self::Audio(request) => request.dropped(),
            Self::Forward { .. } => &[],
        }
    }
}

/// What comes back.
#[derive(Default)]
pub struct Answer {
    /// The status that the provider gave; 0 before it gave any.
    pub status: u16,
    pub first_byte: Option<Duration>,
    pub rewrite: Option<Box<dyn Rewrite>>,
    pub is_event_stream: bool,
    /// All of it has been handed to the client's connection.
    pub is_complete: bool,
    pub bytes: usize,
}

impl Exchange {
    pub fn new(gateway: &Arc<Gateway>) -> Self {
        Self {
            gateway: Arc::clone(gateway),
            started: Instant::now(),
            request_id: RequestId::default(),
            tenant: None,
            ask: Ask::Unknown,
            tries: Tries::default(),
            attempt: None,
            answer: Answer::default(),
            failure: None,
            unfetched: None,
            _open: gateway.enter(),
        }
    }

    /// The dialect of what we say ourselves.
    pub fn dialect(&self) -> Dialect {
        match &self.ask {
            Ask::Run(run) => Endpoint::Run(run.operation).dialect(),
            Ask::Local(endpoint) => endpoint.dialect(),
            Ask::Unknown | Ask::Passthrough(_) | Ask::Relayed => Dialect::OpenaiChat,
        }
    }
}

impl Attempt {
    pub fn new(target: Target, outgoing: Outgoing, grant: Option<Arc<Grant>>) -> Self {
        let in_flight = target.upstream.begin();
        Self { target, started: Instant::now(), outgoing, grant, _in_flight: in_flight }
    }

    /// Where it goes.
    pub fn base(&self) -> &BaseUrl {
        self.outgoing.base.as_ref().unwrap_or(&self.target.upstream.instance.base)
    }
}
