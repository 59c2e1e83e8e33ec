//! Batches as xAI has them: docs.x.ai ("Batch API"), and the protobuf messages of its SDK for what the page does not show. Its
//! files are OpenAI's.
//!
//! Not certain: the address of a batch's times and of what failed (`create_time`, `error_message` are from examples of clients),
//! under which name the answer to a `responses` request comes, and what happens to an id that is added twice.

mod batches;
mod requests;

use std::time::{Duration, UNIX_EPOCH};

use http::Method;

pub use self::batches::Details;
use super::super::answer::{Answer, bad_value};
use super::page::{Named, Page, limit, page};
use super::place::{Place, What};
use super::stock::Shelves;
use super::{Call, not_found, openai};
use crate::error::{Kind, Refusal};

pub fn answer(shelves: &mut Shelves, place: &Place, call: &Call) -> Result<Answer, Refusal> {
    match (&place.what, &call.head.method) {
        (What::Files | What::File(_) | What::Content(_), _) => openai::answer(shelves, place, call),
        (What::Batches, &Method::POST) => batches::create(shelves, call),
        (What::Batches, _) => batches::list(shelves, call),
        (What::Batch(id), _) => batches::show(shelves, id),
        (What::Cancel(id), _) => batches::cancel(shelves, id),
        (What::Requests(id), &Method::POST) => requests::add(shelves, call, id),
        (What::Requests(id), _) => requests::list(shelves, call, id),
        (What::Results(id), _) => requests::results(shelves, call, id),
        (What::Upload | What::ModelBatches { .. }, _) => Err(Refusal::new(Kind::NotFound, "xAI has no such thing.")),
    }
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

/// `seconds` since 1970.
fn time(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}
