//! Batches as OpenAI has them (platform.openai.com/docs/api-reference/batch), and Azure, Groq and Bailian after it: a file of lines is
//! uploaded, and a batch made of it.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::collect;
use super::convert::{Carried, Ended, Reader};
use super::flow::Progress;
use super::job::Job;
use super::send::{Form, Pieces, first, measure};
use crate::batches::{Batch, Counts, Input, Mode, ResultLine, Status, Usage, path_of};
use crate::error::{Failure, Garbled, Kind};
use crate::files::{FileObject, Next, read_file, read_list};
use crate::proxy::ask::Body;
use crate::proxy::desk::{Ask, now, unavailable};
use crate::proxy::files::{Put, Source, json as kept_json, native, nothing, path};
use crate::routing::Upstream;
use crate::store::{Place, StoredFile};

/// The member of a batch's metadata by which it is found again.
const MARK: &str = "narthex_batch";
/// Clocks differ by so many seconds at most.
const SKEW: u64 = 60;
/// So many pages of a list are looked through for what may have been made before.
const MOST_PAGES: usize = 100;

pub async fn submit(job: &mut Job<'_>) -> Result<(), Failure> {
    let upstream = job.upstream()?;
    let (file, endpoint) = match (&job.work.input, job.work.mode) {
        (Input::AtProvider(id), Mode::AsTheyAre) => (id.clone(), job.batch.endpoint.clone()),
        _ => upload(job, &upstream).await?,
    };
    let made = match job.is_asked_again().await? {
        true => found(job, &upstream).await?,
        false => None,
    };
    let made = match made {
        Some(made) => made,
        None => {
            let mut metadata = job.batch.metadata.clone().unwrap_or_default();
            metadata.insert(MARK.to_owned(), job.id().into());
            let mut body = json!({
                "input_file_id": file,
                "endpoint": endpoint,
                "completion_window": job.batch.completion_window,
                "metadata": metadata,
            });
            if let (Some(body), Some(after)) = (body.as_object_mut(), job.batch.other.get("output_expires_after")) {
                body.insert("output_expires_after".to_owned(), after.clone());
            }
            let body = Body::Json(Bytes::from(body.to_string()));
            let told = job.desk.ask(&upstream, Ask::post("batches", body)).await?;
            read(&told.body)?
        }
    };
    job.stored.upstream_id = Some(made.id.clone());
    take(job, made);
    Ok(())
}

/// A batch of this id that was made by a process that could not write that down any more.
async fn found(job: &Job<'_>, upstream: &Upstream) -> Result<Option<Batch>, Failure> {
    #[derive(Deserialize)]
    struct List {
        data: Vec<Value>,
        #[serde(default)]
        has_more: bool,
    }
    let since = job.work.asked_at.unwrap_or_default().saturating_sub(SKEW);
    let is_it = |batch: &Value| batch.pointer("/metadata/narthex_batch").and_then(Value::as_str) == Some(job.id());
    let mut query = "limit=100".to_owned();
    for _ in 0..MOST_PAGES {
        let told = job.desk.ask(upstream, Ask { query: Some(&query), ..Ask::get("batches") }).await?;
        let list: List = serde_json::from_slice(&told.body).map_err(|_| Garbled::new("it is no list of batches"))?;
        if let Some(batch) = list.data.iter().find(|batch| is_it(batch)) {
            return read(batch.to_string().as_bytes()).map(Some);
        }
        // The latest come first.
        let last = list.data.last().filter(|_| list.has_more);
        let last = last.filter(|last| last.get("created_at").and_then(Value::as_u64).is_none_or(|made| made >= since));
        let Some(id) = last.and_then(|last| last.get("id")?.as_str()) else { break };
        query = format!("limit=100&after={}", percent_encoding::utf8_percent_encode(id, crate::providers::UNRESERVED));
    }
    Ok(None)
}

/// Puts the lines there in a file of their own. Its id, and the endpoint that the lines name.
async fn upload(job: &mut Job<'_>, upstream: &Upstream) -> Result<(String, String), Failure> {
    let is_translated = job.work.mode == Mode::Translated;
    let endpoint = endpoint_there(job, upstream).await?;
    if let Some(file) = job.work.uploads.first() {
        return Ok((file.clone(), endpoint));
    }
    let filename = format!("{}.jsonl", job.id());
    let put = match uploaded(job, upstream, &filename).await? {
        Some(id) => id,
        None => {
            let mark = job.mark().to_owned();
            let url = Value::from(endpoint.as_str());
            let write = move |number: u64, carried: &Carried| {
                let custom_id = match is_translated {
                    true => Value::from(format!("{mark}-{number}")),
                    false => Value::from(carried.line.custom_id.as_str()),
                };
                let body = String::from_utf8_lossy(&carried.body).replace(['\n', '\r'], " ");
                format!("{{\"custom_id\":{custom_id},\"method\":\"POST\",\"url\":{url},\"body\":{body}}}\n")
            };
            let form = Form { start: "", between: "", end: "", write: &write };
            let bytes = measure(job, upstream, &form).await?;
            let object = FileObject {
                filename,
                purpose: "batch".to_owned(),
                bytes,
                mime_type: Some("application/jsonl".to_owned()),
                ..FileObject::default()
            };
            let mut put = Put::begin(job.desk, upstream, &object).await?;
            let mut pieces = Pieces::of(job, &form).await?;
            while let Some(piece) = pieces.next(job, upstream).await? {
                put.write(piece).await;
            }
            put.finish(upstream).await?.0.id
        }
    };
    job.work.uploads.push(put.clone());
    job.save().await?;
    Ok((put, endpoint))
}

/// The path that lines and batch name: all lines are of one operation, by which the first is asked.
async fn endpoint_there(job: &Job<'_>, upstream: &Upstream) -> Result<String, Failure> {
    if job.work.mode != Mode::Translated {
        return Ok(job.batch.endpoint.clone());
    }
    Ok(first(job, upstream)
        .await?
        .map_or_else(|| job.batch.endpoint.clone(), |carried| path_of(carried.operation).to_owned()))
}

/// The same file, if it was uploaded before.
async fn uploaded(job: &Job<'_>, upstream: &Upstream, filename: &str) -> Result<Option<String>, Failure> {
    // What was never asked for before cannot be there.
    if !job.work.is_resumed {
        return Ok(None);
    }
    let since = job.batch.created_at.saturating_sub(SKEW);
    let mut query = "purpose=batch&limit=100&order=desc".to_owned();
    for _ in 0..MOST_PAGES {
        let told = job.desk.ask(upstream, Ask { query: Some(&query), ..Ask::get("files") }).await?;
        let (files, next) = read_list(native(upstream), &told.body).map_err(Failure::from)?;
        let is_late = files.last().is_some_and(|(last, _)| last.created < since);
        if let Some((file, _)) = files.into_iter().find(|(file, _)| file.filename == filename) {
            return Ok(Some(file.id));
        }
        let Next::After(last) = next else { break };
        if is_late {
            break;
        }
        let last = percent_encoding::utf8_percent_encode(&last, crate::providers::UNRESERVED);
        query = format!("purpose=batch&limit=100&order=desc&after={last}");
    }
    Ok(None)
}

fn read(body: &[u8]) -> Result<Batch, Failure> {
    serde_json::from_slice(body).map_err(|_| Garbled::new("it shows no batch").into())
}

/// What the provider says of it, under the names that the client knows.
fn take(job: &mut Job<'_>, theirs: Batch) {
    let ours = std::mem::take(&mut job.batch);
    let is_translated = job.work.mode == Mode::Translated;
    let mut metadata: Option<Map<String, Value>> = theirs.metadata;
    if let Some(metadata) = &mut metadata {
        metadata.remove(MARK);
    }
    let counts = theirs.request_counts.unwrap_or_default();
    job.work.counts = Counts {
        total: counts.total.max(job.work.counts.total),
        succeeded: counts.completed,
        errored: counts.failed,
        ..Counts::default()
    };
    job.batch = Batch {
        id: ours.id,
        object: ours.object,
        endpoint: ours.endpoint,
        model: ours.model.or(theirs.model),
        input_file_id: ours.input_file_id,
        created_at: ours.created_at,
        completion_window: ours.completion_window,
        metadata: metadata.filter(|metadata| !metadata.is_empty()).or(ours.metadata),
        output_file_id: theirs.output_file_id.filter(|_| !is_translated),
        error_file_id: theirs.error_file_id.filter(|_| !is_translated),
        cancelling_at: theirs.cancelling_at.or(ours.cancelling_at),
        ..theirs
    };
}

pub async fn look(job: &mut Job<'_>) -> Result<Progress, Failure> {
    let upstream = job.upstream()?;
    let path = format!("batches/{}", job.upstream_id()?);
    let told = job.desk.ask(&upstream, Ask::get(&path)).await?;
    let theirs = read(&told.body)?;
    let (status, before) = (theirs.status, (job.batch.status, job.batch.request_counts));
    let results = theirs.output_file_id.is_some() || theirs.error_file_id.is_some();
    take(job, theirs);
    if !status.is_over() {
        return Ok(Progress::Waiting { is_changed: before != (status, job.batch.request_counts) });
    }
    if job.work.mode == Mode::Translated && results {
        // It is over for the client when there is something to be read.
        job.batch.status = if status == Status::Cancelled { Status::Cancelling } else { Status::Finalizing };
        return Ok(Progress::Ended);
    }
    for id in [job.batch.output_file_id.clone(), job.batch.error_file_id.clone()].into_iter().flatten() {
        remember(job, &upstream, &id).await?;
    }
    if job.batch.usage.is_none()
        && let Some(output) = job.batch.output_file_id.clone()
    {
        job.batch.usage = Some(usage(job, &upstream, &output).await?).filter(|usage| !usage.is_nothing());
    }
    Ok(Progress::Over)
}

/// Takes note of a file of results: its client will ask for it.
async fn remember(job: &Job<'_>, upstream: &Upstream, id: &str) -> Result<(), Failure> {
    let told = job.desk.ask(upstream, Ask::get(&path(upstream, id))).await?;
    let object = read_file(native(upstream), &told.body)?;
    let file = StoredFile {
        id: id.to_owned(),
        tenant: job.stored.tenant.clone(),
        place: Place::AtProvider { instance: upstream.name().to_owned(), id: id.to_owned() },
        purpose: object.purpose,
        filename: object.filename,
        bytes: object.bytes,
        created: if object.created == 0 { now() } else { object.created },
        expires: object.expires,
        object: kept_json(&told.body)?,
        notes: nothing(),
    };
    job.desk.gateway.store.put_file(&file).await.map_err(|why| Failure::from(&unavailable(&why)))
}

/// The tokens of all lines, where the provider does not tell.
async fn usage(job: &Job<'_>, upstream: &Upstream, output: &str) -> Result<Usage, Failure> {
    let mut usage = Usage::default();
    let mut reader = Reader::new(Source::at_provider(job.desk, upstream, output).await?);
    while let Some((_, line)) = reader.next().await? {
        let line: Option<ResultLine> = serde_json::from_slice(&line).ok();
        if let Some(more) = line.and_then(|line| line.usage()) {
            usage.add(more);
        }
    }
    Ok(usage)
}

pub async fn cancel(job: &mut Job<'_>) -> Result<(), Failure> {
    let upstream = job.upstream()?;
    let path = format!("batches/{}/cancel", job.upstream_id()?);
    match job.desk.ask(&upstream, Ask::post(&path, Body::None)).await {
        Ok(told) => take(job, read(&told.body)?),
        // It was over before; the next look tells how.
        Err(failure) if matches!(failure.kind, Kind::InvalidRequest | Kind::Conflict) => {}
        Err(failure) => return Err(failure),
    }
    Ok(())
}

pub async fn results(job: &Job<'_>) -> Result<(), Failure> {
    let upstream = job.upstream()?;
    let path = format!("batches/{}", job.upstream_id()?);
    let theirs = read(&job.desk.ask(&upstream, Ask::get(&path)).await?.body)?;
    for file in [theirs.output_file_id, theirs.error_file_id].into_iter().flatten() {
        let mut reader = Reader::new(Source::at_provider(job.desk, &upstream, &file).await?);
        while let Some((_, text)) = reader.next().await? {
            let Ok(line) = serde_json::from_slice::<ResultLine>(&text) else { continue };
            let Some(number) = job.line_number(&line.custom_id) else { continue };
            collect::keep(job, number, ended(line)).await?;
        }
    }
    Ok(())
}

fn ended(line: ResultLine) -> Ended {
    use crate::batches::Outcome;
    match (line.outcome(), line.response, line.error) {
        (Outcome::Canceled, ..) => Ended::Canceled,
        (Outcome::Expired, ..) => Ended::Expired,
        (_, Some(response), _) => Ended::Answered {
            status: StatusCode::from_u16(response.status_code).unwrap_or(StatusCode::BAD_GATEWAY),
            body: Bytes::copy_from_slice(response.body.get().as_bytes()),
        },
        (_, None, error) => {
            let error = json!({ "error": {
                "message": error.as_ref().and_then(|error| error.message.as_deref()),
                "code": error.as_ref().and_then(|error| error.code.as_deref()),
            }});
            Ended::Answered { status: StatusCode::BAD_GATEWAY, body: Bytes::from(error.to_string()) }
        }
    }
}
