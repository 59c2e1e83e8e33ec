//! What outlives an exchange: files, and batches of requests that are answered later. In memory, and for as long as the
//! process lives.
//!
//! `stock` holds both, and a ledger of what was done how often; `file` and `batch` are what all vendors have of them. How a
//! vendor shows and takes them is in a room of its own, and `place` knows their paths. A line of a batch is answered in
//! `line`, by what answers a request alone.

mod anthropic;
mod batch;
mod bedrock;
mod file;
mod form;
mod gemini;
mod line;
mod openai;
mod page;
mod place;
mod stock;
mod vertex;
mod xai;

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;

pub use self::batch::Ending;
pub use self::line::ordered_failure;
pub use self::place::{Place, Vendor};
pub use self::stock::Stock;
use super::Behaviour;
use super::answer::Answer;
use super::discard::Discarded;
use super::http::Head;
use crate::error::{Failure, Kind, Refusal};

/// One request for what is kept.
pub struct Call<'c> {
    pub head: &'c Head,
    pub body: &'c Bytes,
    /// The file in a form, if it was not kept.
    pub discarded: Option<Discarded>,
    pub behaviour: &'c Behaviour,
}

/// Answers a request for what is kept, whose method fits its place.
pub fn answer(stock: &Stock, place: &Place, call: &Call) -> Result<Answer, Refusal> {
    let mut shelves = stock.lock();
    match place.vendor {
        Vendor::Openai => openai::answer(&mut shelves, place, call),
        Vendor::Anthropic => anthropic::answer(&mut shelves, place, call),
        Vendor::Gemini => gemini::answer(&mut shelves, place, call),
        Vendor::Xai => xai::answer(&mut shelves, place, call),
        Vendor::Bedrock => bedrock::answer(&mut shelves, place, call),
        Vendor::Vertex => match &place.what {
            place::What::Vertex(what) => vertex::answer(&mut shelves, what, call),
            _ => Err(Refusal::new(Kind::NotFound, "Vertex AI has no such thing.")),
        },
    }
}

/// A failure in the envelope of a place, if that is not its vendor's usual one.
pub fn failed(place: &Place, failure: &Failure, request_id: &str) -> Option<Answer> {
    place.is_storage().then(|| bedrock::s3::failed(failure, request_id))
}

/// `GET /__log`: what was done how often.
pub fn log(stock: &Stock) -> Answer {
    Answer::json(&stock.lock().log())
}

impl<'c> Call<'c> {
    fn json<T: Deserialize<'c>>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(self.body).map_err(|e| match e.is_data() {
            true => Refusal::invalid(format!("The body does not fit this endpoint: {e}.")),
            false => Refusal::invalid(format!("The body is not valid JSON: {e}.")),
        })
    }

    /// Where the client thinks that it is.
    fn host(&self) -> &str {
        self.head.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or("localhost")
    }

    /// The address of this request's path, as its client called it.
    fn here(&self) -> String {
        format!("http://{}{}", self.host(), self.head.path.trim_end_matches('/'))
    }

    /// The same, as far as an id in it.
    fn here_without(&self, id: &str) -> String {
        let here = self.here();
        here.rsplit_once(&format!("/{id}")).map_or(here.clone(), |(before, _)| before.to_owned())
    }

    /// A parameter of the query.
    fn parameter(&self, name: &str) -> Option<String> {
        let query = self.head.query.as_deref()?;
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }
}

/// A file's bytes, or the lines of a batch's answer.
fn download(content_type: &str, body: Bytes) -> Answer {
    let content_type =
        HeaderValue::try_from(content_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let headers = vec![(HeaderName::from_static("content-type"), content_type)];
    Answer::Kept { status: StatusCode::OK, headers, body }
}

/// It is done, and there is nothing to say.
fn nothing() -> Answer {
    Answer::Kept { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: Bytes::new() }
}

/// `seconds` since 1970, as RFC 3339 has it.
fn time(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

fn not_found(what: &str, id: &str) -> Refusal {
    Refusal::new(Kind::NotFound, format!("No {what} with the id `{id}`.")).param("id")
}

/// Chance that is none: the same for the same number and bytes.
fn digest(number: u64, bytes: &[&[u8]]) -> String {
    let mut text = String::with_capacity(32);
    for seed in [0xcbf2_9ce4_8422_2325_u64, 0x9e37_79b9_7f4a_7c15] {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        let bytes = bytes.iter().flat_map(|bytes| bytes.iter().chain(&[0xff]));
        let hash = number.to_le_bytes().iter().chain(bytes).fold(seed, step);
        // The last bytes have hardly been mixed yet.
        let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let _ = write!(text, "{:016x}", mixed ^ (mixed >> 32));
    }
    text
}
