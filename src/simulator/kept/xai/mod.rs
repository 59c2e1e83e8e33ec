//! Batches as xAI has them: docs.x.ai ("Batch API"), and what its API was seen to answer where that page differs or is silent:
//! days instead of times, errors as bare strings, results in the order of their ids, chat completions for whatever was asked.
//! Its files are OpenAI's.
//!
//! Not certain: the words in `code` of refusals other than 400 and 404, and what a batch that xAI stopped has in its counters.

mod batches;
mod requests;

use bytes::BytesMut;
use http::{Method, StatusCode};
use serde::Serialize;

pub use self::batches::Details;
use super::super::answer::{Answer, FailureHead, bad_value, write_json};
use super::page::{Named, Page, limit, page};
use super::place::{Place, What};
use super::stock::Shelves;
use super::{Call, not_found, openai};
use crate::error::{Kind, Refusal};

pub fn answer(shelves: &mut Shelves, place: &Place, call: &Call) -> Result<Answer, Refusal> {
    let answer = match (&place.what, &call.head.method) {
        (What::Files | What::File(_) | What::Content(_), _) => openai::answer(shelves, place, call),
        (What::Batches, &Method::POST) => batches::create(shelves, call),
        (What::Batches, _) => batches::list(shelves, call),
        (What::Batch(id), _) => batches::show(shelves, id),
        (What::Cancel(id), _) => batches::cancel(shelves, id),
        (What::Requests(id), &Method::POST) => requests::add(shelves, call, id),
        (What::Requests(id), _) => requests::list(shelves, call, id),
        (What::Results(id), _) => requests::results(shelves, call, id),
        _ => Err(Refusal::new(Kind::NotFound, "xAI has no such thing.")),
    };
    Ok(answer.unwrap_or_else(|refusal| refused(refusal.status(), &refusal.message)))
}

/// Two strings, where others have an object.
#[derive(Serialize)]
struct Refused<'a> {
    code: &'static str,
    error: &'a str,
}

fn refused(status: StatusCode, error: &str) -> Answer {
    let code = match status {
        StatusCode::BAD_REQUEST => "Client specified an invalid argument",
        StatusCode::NOT_FOUND => "Some requested entity was not found",
        StatusCode::FORBIDDEN => "The caller does not have permission to execute the specified operation",
        StatusCode::PRECONDITION_FAILED => "The system is not in a state required for the operation's execution",
        _ => "The service is currently unable to handle the request",
    };
    let mut body = BytesMut::new();
    write_json(&mut body, &Refused { code, error });
    Answer::Failed { head: FailureHead { status, retry_after: None, header: None }, body: body.freeze() }
}

/// A page by `limit` and `pagination_token`, and the token of the next.
fn paged<'a, T: Named>(
    all: impl Iterator<Item = &'a T>,
    call: &Call,
) -> Result<(Page<'a, T>, Option<String>), Refusal> {
    let limit = limit(call.parameter("limit").as_deref(), 100, 1000)?;
    let token = call.parameter("pagination_token").filter(|token| !token.is_empty());
    let page = page(all, token.as_deref(), limit).map_err(|_| bad_value("pagination_token", "is not known"))?;
    let next = page.items.last().filter(|_| page.has_more).map(|item| item.id().to_owned());
    Ok((page, next))
}

/// `batch_` and the like are followed by these, in groups.
fn uuid(digits: &str) -> String {
    let group = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [group(0, 8), group(8, 12), group(12, 16), group(16, 20), group(20, 32)].join("-")
}
