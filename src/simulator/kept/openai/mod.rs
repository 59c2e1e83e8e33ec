//! Files and batches as OpenAI has them, and after it Azure, Groq and Alibaba: developers.openai.com (API reference, "Files"
//! and "Batch"), the types of its SDK.

mod batches;
mod check;
mod files;
mod output;

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
    let vendor = place.vendor;
    match (&place.what, &call.head.method) {
        (What::Files, &Method::POST) => files::create(shelves, vendor, call),
        (What::Files, _) => files::list(shelves, vendor, call),
        (What::File(id), &Method::DELETE) => files::delete(shelves, vendor, id),
        (What::File(id), _) => files::show(shelves, vendor, id),
        (What::Content(id), _) => files::content(shelves, vendor, id),
        (What::Batches, &Method::POST) => batches::create(shelves, call),
        (What::Batches, _) => batches::list(shelves, call),
        (What::Batch(id), _) => batches::show(shelves, id),
        (What::Cancel(id), _) => batches::cancel(shelves, id),
        _ => Err(Refusal::new(Kind::NotFound, "OpenAI has no such thing.")),
    }
}

#[derive(Serialize)]
struct List<'a, T> {
    object: &'static str,
    data: Vec<T>,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
    has_more: bool,
}

impl<'a, T> List<'a, T> {
    fn new<I: Named>(page: &Page<'a, I>, show: impl Fn(&'a I) -> T) -> Self {
        Self {
            object: "list",
            data: page.items.iter().map(|item| show(item)).collect(),
            first_id: page.items.first().map(|item| item.id()),
            last_id: page.items.last().map(|item| item.id()),
            has_more: page.has_more,
        }
    }
}
