//! Files and batches as Anthropic has them: the types of its SDK, platform.claude.com ("Files", "Message Batches").

mod batches;
mod files;

use std::time::{Duration, UNIX_EPOCH};

use http::Method;
use serde::Serialize;

pub use self::batches::Details;
use super::super::answer::Answer;
use super::page::{Named, Page};
use super::place::{Place, What};
use super::stock::Shelves;
use super::{Call, not_found};
use crate::error::{Kind, Refusal};

pub fn answer(shelves: &mut Shelves, place: &Place, call: &Call) -> Result<Answer, Refusal> {
    match (&place.what, &call.head.method) {
        (What::Files, &Method::POST) => files::create(shelves, call),
        (What::Files, _) => files::list(shelves, call),
        (What::File(id), &Method::DELETE) => files::delete(shelves, id),
        (What::File(id), _) => files::show(shelves, id),
        (What::Content(id), _) => files::content(shelves, id),
        (What::Batches, &Method::POST) => batches::create(shelves, call),
        (What::Batches, _) => batches::list(shelves, call),
        (What::Batch(id), &Method::DELETE) => batches::delete(shelves, id),
        (What::Batch(id), _) => batches::show(shelves, call, id),
        (What::Cancel(id), _) => batches::cancel(shelves, call, id),
        (What::Results(id), _) => batches::results(shelves, id),
        _ => Err(Refusal::new(Kind::NotFound, "Anthropic has no such thing.")),
    }
}

/// One page; files have a cursor beside it.
#[derive(Serialize)]
struct List<'a, T> {
    data: Vec<T>,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
    has_more: bool,
    next_page: Option<String>,
}

impl<'a, T> List<'a, T> {
    fn new<I: Named>(page: &Page<'a, I>, show: impl Fn(&'a I) -> T) -> Self {
        let last_id = page.items.last().map(|item| item.id());
        Self {
            data: page.items.iter().map(|item| show(item)).collect(),
            first_id: page.items.first().map(|item| item.id()),
            last_id,
            has_more: page.has_more,
            next_page: last_id.filter(|_| page.has_more).map(|id| format!("page_{id}")),
        }
    }
}

#[derive(Serialize)]
struct Deleted<'a> {
    id: &'a str,
    r#type: &'static str,
}

/// `seconds` since 1970.
fn time(seconds: u64) -> String {
    humantime::format_rfc3339_micros(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}
