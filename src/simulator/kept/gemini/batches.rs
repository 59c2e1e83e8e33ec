//! `/v1beta/batches`.

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use super::super::super::answer::{Answer, write_json};
use super::super::Call;
use super::super::batch::{Batch, State};
use super::super::file::{Content, NewFile, Origin};
use super::super::not_found;
use super::super::page::page;
use super::super::stock::Shelves;
use super::create::{Details, Input};
use super::files::VENDOR;
use super::operation::{self, Line, Operation};
use super::page_size;
use crate::error::Refusal;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    operations: Vec<Operation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<&'a str>,
}

pub fn list(shelves: &Shelves, call: &Call) -> Result<Answer, Refusal> {
    let size = page_size(call, 20, 100)?;
    let page = page(shelves.gemini.iter(), call.parameter("pageToken").as_deref(), size)?;
    let last = page.items.last().map(|batch| batch.id.as_str());
    let operations = page.items.iter().map(|batch| operation::shown(batch)).collect::<Result<_, _>>()?;
    Ok(Answer::json(&List { operations, next_page_token: last.filter(|_| page.has_more) }))
}

pub fn show(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let Shelves { files, gemini, ledger, .. } = shelves;
    let name = format!("batches/{id}");
    let batch = gemini.get(&name).ok_or_else(|| not_found("batch", &name))?;
    let has_output = batch.look(ledger) && batch.state == State::Completed;
    if has_output && matches!(batch.details.input, Input::File(_)) {
        let file = NewFile {
            vendor: VENDOR,
            name: String::new(),
            purpose: String::new(),
            mime: "application/jsonl".to_owned(),
            content: Content::Kept(output(batch)?.freeze()),
            origin: Origin::Vendor,
            expires_in: None,
        };
        let name = format!("files/batch-{id}");
        batch.details.responses_file = Some(files.keep_as(name, file).id.clone());
    }
    Ok(Answer::json(&operation::shown(batch)?))
}

/// In the order of the requests, as is promised.
fn output(batch: &Batch<Details>) -> Result<BytesMut, Refusal> {
    let mut out = BytesMut::new();
    for line in &batch.lines {
        write_json(&mut out, &Line::of(line, Some(&line.name), None)?);
        out.put_u8(b'\n');
    }
    Ok(out)
}

/// Answered at once; whether it has been cancelled, the next look tells.
pub fn cancel(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let name = format!("batches/{id}");
    shelves.gemini.get(&name).ok_or_else(|| not_found("batch", &name))?.cancel();
    Ok(Answer::json(&serde_json::Map::new()))
}

pub fn delete(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let name = format!("batches/{id}");
    shelves.gemini.remove(&name).ok_or_else(|| not_found("batch", &name))?;
    Ok(Answer::json(&serde_json::Map::new()))
}
