//! A new batch: its lines are found, judged and led to one instance.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pingora_proxy::Session;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::flow::Flow;
use super::job::{json as stored_json, lease};
use super::plan::{Plan, plan};
use super::see;
use crate::batches::{
    Batch, Counts, Input, Line, Problem, Stage, Status, Survey, Surveyor, Work, endpoint_of, path_of,
};
use crate::config::Tenant;
use crate::endpoints::Operation;
use crate::error::{Kind, Refusal};
use crate::files::{FileObject, Shape};
use crate::gateway::ordered_id;
use crate::proxy::admit::Stop;
use crate::proxy::body;
use crate::proxy::context::Exchange;
use crate::proxy::desk::{Desk, now, now_ms, unavailable};
use crate::proxy::files::{Source, Writer, nothing, wanted_instance};
use crate::proxy::stored::tenant;
use crate::store::{Place, StoredBatch, StoredFile};

/// So long a client waits to hear whether the provider takes it; it goes on without them.
const PATIENCE: Duration = Duration::from_secs(25);
const DAY: u64 = 24 * 3600;

#[derive(Deserialize)]
struct Request {
    input_file_id: Option<String>,
    endpoint: Option<String>,
    completion_window: Option<String>,
    metadata: Option<Map<String, Value>>,
    output_expires_after: Option<Value>,
    requests: Option<Vec<Box<RawValue>>>,
}

/// Anthropic's: a request has parameters instead of a body.
#[derive(Deserialize)]
struct MessageRequest<'a> {
    custom_id: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// What a batch is made of.
struct Wanted {
    endpoint: Option<Operation>,
    completion_window: String,
    metadata: Option<Map<String, Value>>,
    output_expires_after: Option<Value>,
    /// The instance that is named for it.
    instance: Option<String>,
    is_message_batch: bool,
}

/// Makes a batch, and tells its id.
pub async fn create(
    session: &mut Session,
    ctx: &mut Exchange,
    desk: &Arc<Desk>,
    is_message_batch: bool,
) -> Result<String, Stop> {
    let read = body::read(session, ctx.gateway.config.server.max_body).await?;
    let body = read.body.to_bytes();
    let request: Request = serde_json::from_slice(&body)
        .map_err(|why| Refusal::invalid(format!("The body cannot be read as a batch: {why}.")))?;
    let mut instance = wanted_instance(session);
    let mut metadata = request.metadata;
    if let Some(metadata) = &mut metadata
        && let Some(Value::String(provider)) = metadata.get("provider")
        && instance.is_none()
    {
        instance = Some(provider.clone());
    }
    let wanted = Wanted {
        endpoint: endpoint(request.endpoint.as_deref(), is_message_batch)?,
        completion_window: request.completion_window.unwrap_or_else(|| "24h".to_owned()),
        metadata,
        output_expires_after: request.output_expires_after,
        instance,
        is_message_batch,
    };
    let window = window(&wanted.completion_window)?;
    let id = id(session, ctx, is_message_batch);
    let known = desk.gateway.store.batch(tenant(ctx), &id).await.map_err(|why| unavailable(&why))?;
    if known.is_some() {
        return Ok(id);
    }
    let (file, survey) = match (request.input_file_id, request.requests) {
        (Some(file), None) => of_file(ctx, desk, &file).await?,
        (None, Some(requests)) if !requests.is_empty() => of_lines(ctx, desk, &requests, &wanted).await?,
        (Some(_), Some(_)) => {
            return Err(Refusal::invalid("A batch has `input_file_id` or `requests`, not both.").into());
        }
        (None, _) => {
            let name = if is_message_batch { "requests" } else { "input_file_id" };
            let message = format!("`{name}` is missing: name the uploaded file of requests, or send `requests`.");
            let message = if is_message_batch { "`requests` is missing or empty.".to_owned() } else { message };
            return Err(Refusal::invalid(message).param(name).into());
        }
    };
    let endpoint = judged(&survey, wanted.endpoint)?;
    allowed(ctx.tenant.as_deref(), &survey)?;
    let plan = plan(ctx, desk, &file, &survey, wanted.instance.as_deref())?;
    let stored = stored(ctx, &id, &file, &survey, wanted, &plan, endpoint, window);
    desk.gateway.store.put_batch(&stored, Some(lease(desk))).await.map_err(|why| unavailable(&why))?;
    if plan.flow == Flow::Emulated {
        begin_later(desk, stored);
        return Ok(id);
    }
    // Apart: it goes on when the client has gone.
    let begun = tokio::spawn({
        let desk = Arc::clone(desk);
        async move { see::begin(&desk, stored).await }
    });
    match tokio::time::timeout(PATIENCE, begun).await {
        Ok(Ok(Err(failure))) => {
            desk.gateway.store.delete_batch(tenant(ctx), &id).await.map_err(|why| unavailable(&why))?;
            Err(failure.into())
        }
        Ok(_) | Err(_) => Ok(id),
    }
}

/// It takes long, and no provider has to be asked whether it can be.
fn begin_later(desk: &Arc<Desk>, stored: StoredBatch) {
    let desk = Arc::clone(desk);
    tokio::spawn(async move {
        let _open = desk.gateway.enter();
        if let Err(failure) = see::begin(&desk, stored).await {
            log::warn!("a batch goes on later: {}", failure.message);
        }
    });
}

fn endpoint(named: Option<&str>, is_message_batch: bool) -> Result<Option<Operation>, Refusal> {
    match named {
        _ if is_message_batch => Ok(Some(Operation::Messages)),
        None => Ok(None),
        Some(path) => endpoint_of(path).map(Some).ok_or_else(|| {
            Refusal::invalid(format!("Batches know no endpoint `{path}`.")).code("invalid_endpoint").param("endpoint")
        }),
    }
}

/// In seconds: `24h`, `14d`.
fn window(text: &str) -> Result<u64, Refusal> {
    let wrong = || {
        let message = format!("`completion_window` is a time such as `24h`, not `{text}`.");
        Refusal::invalid(message).param("completion_window")
    };
    let window = humantime::parse_duration(text).map_err(|_| wrong())?.as_secs();
    if (60..=60 * DAY).contains(&window) { Ok(window) } else { Err(wrong()) }
}

/// A client that repeats a request under the same key means the same batch.
fn id(session: &Session, ctx: &Exchange, is_message_batch: bool) -> String {
    let prefix = if is_message_batch { "msgbatch" } else { "batch" };
    let key = session.req_header().headers.get("idempotency-key").filter(|key| !key.is_empty());
    let Some(key) = key else { return format!("{prefix}_{}", ordered_id()) };
    let mut digest = Sha256::new();
    for part in [tenant(ctx).unwrap_or_default().as_bytes(), b"\0", key.as_bytes()] {
        digest.update(part);
    }
    let digits: String = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{prefix}_{digits}")
}

/// The lines of a file, wherever it is.
async fn of_file(ctx: &Exchange, desk: &Desk, id: &str) -> Result<(StoredFile, Survey), Stop> {
    let found = desk.gateway.store.file(tenant(ctx), id).await.map_err(|why| unavailable(&why))?;
    let file = found.ok_or_else(|| {
        Refusal::new(Kind::NotFound, format!("There is no file `{id}`.")).code("file_not_found").param("input_file_id")
    })?;
    if !matches!(file.purpose.as_str(), "batch" | "") {
        let message = format!("The file `{id}` is for `{}`; upload it with the purpose `batch`.", file.purpose);
        return Err(Refusal::invalid(message).code("invalid_file_purpose").param("input_file_id").into());
    }
    if let Ok(survey) = serde_json::from_str::<Survey>(file.notes.get()) {
        return Ok((file, survey));
    }
    let mut source = Source::of(desk, &file).await?;
    let mut surveyor = Surveyor::default();
    while let Some(piece) = source.next().await? {
        surveyor.push(&piece);
    }
    Ok((file, surveyor.finish()))
}

/// Lines that come with the request are kept as a file, like any others.
async fn of_lines(
    ctx: &Exchange,
    desk: &Desk,
    requests: &[Box<RawValue>],
    wanted: &Wanted,
) -> Result<(StoredFile, Survey), Stop> {
    let mut file = StoredFile {
        id: format!("file-{}", ordered_id()),
        tenant: tenant(ctx).map(str::to_owned),
        place: Place::Here,
        purpose: "batch".to_owned(),
        filename: "requests.jsonl".to_owned(),
        bytes: 0,
        created: now(),
        expires: None,
        object: nothing(),
        notes: nothing(),
    };
    let mut surveyor = Surveyor::default();
    let mut lines = Vec::with_capacity(requests.len());
    for (number, request) in (1..).zip(requests) {
        let line = line(request, number, wanted)?;
        surveyor.push(line.as_bytes());
        lines.push(line);
    }
    let survey = surveyor.finish();
    if !survey.problems.is_empty() {
        return Err(problems(&survey.problems, "request").into());
    }
    let mut writer = Writer::begin(&desk.gateway.store, file.clone()).await.map_err(|why| unavailable(&why))?;
    for line in &lines {
        writer.write(line.as_bytes()).await.map_err(|why| unavailable(&why))?;
    }
    file.bytes = writer.bytes();
    let StoredFile { id, filename, purpose, bytes, created, .. } = file.clone();
    let object = FileObject { id, filename, purpose, bytes, created, ..FileObject::default() };
    file.object = stored_json(&object.shown(Shape::Openai));
    file.notes = stored_json(&survey);
    writer.finish(&file).await.map_err(|why| unavailable(&why))?;
    Ok((file, survey))
}

/// A request of its own as a line of a file.
fn line(request: &RawValue, number: u64, wanted: &Wanted) -> Result<String, Refusal> {
    let one_line = |text: &str| text.replace(['\n', '\r'], " ");
    if !wanted.is_message_batch {
        let line = Line::read(&Bytes::copy_from_slice(request.get().as_bytes()), wanted.endpoint)
            .map_err(|problem| problems(&[problem.at(number)], "request"))?;
        let body = String::from_utf8_lossy(&line.body.text().to_bytes()).into_owned();
        let (id, url) = (Value::from(line.custom_id), Value::from(path_of(line.operation)));
        return Ok(format!("{{\"custom_id\":{id},\"method\":\"POST\",\"url\":{url},\"body\":{}}}\n", one_line(&body)));
    }
    let wrong =
        |message: &str, param| Err(problems(&[Problem::new("invalid_request", message, param).at(number)], "request"));
    let Ok(request) = serde_json::from_str::<MessageRequest<'_>>(request.get()) else {
        return wrong("it is an object with `custom_id` and `params`", None);
    };
    match (request.custom_id, request.params) {
        (Some(id), Some(params)) if is_anthropics(&id) => Ok(format!(
            "{{\"custom_id\":{},\"method\":\"POST\",\"url\":\"/v1/messages\",\"body\":{}}}\n",
            Value::from(id),
            one_line(params.get())
        )),
        (Some(_), Some(_)) => wrong("`custom_id` has 1 to 64 letters, digits, `_` and `-`", Some("custom_id")),
        (None, _) => wrong("`custom_id` is missing", Some("custom_id")),
        (_, None) => wrong("`params` is missing", Some("params")),
    }
}

fn is_anthropics(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Whether the lines are fit to be carried out: what they ask for.
fn judged(survey: &Survey, endpoint: Option<Operation>) -> Result<Operation, Refusal> {
    if !survey.problems.is_empty() {
        return Err(problems(&survey.problems, "line"));
    }
    let mut urls = survey.urls.iter();
    let (first, line) = urls.next().ok_or_else(|| Refusal::invalid("The file holds no requests."))?;
    let wanted = match endpoint {
        Some(endpoint) => path_of(endpoint),
        None => first.as_str(),
    };
    let other = survey.urls.iter().find(|(url, _)| url.as_str() != wanted);
    if let Some((url, number)) = other {
        let message =
            format!("line {number} asks `{url}`, and the batch is for `{wanted}` (line {line} asks `{first}`)");
        let problem = Problem::new("mismatched_endpoint", message, Some("url"));
        return Err(problems(&[problem], "line"));
    }
    endpoint_of(wanted).ok_or_else(|| Refusal::invalid(format!("Batches know no endpoint `{wanted}`.")))
}

fn allowed(tenant: Option<&Tenant>, survey: &Survey) -> Result<(), Refusal> {
    let forbidden = survey.models.iter().find(|(model, _)| tenant.is_some_and(|tenant| !tenant.may_use(model)));
    match forbidden {
        None => Ok(()),
        Some((model, line)) => {
            let message = format!("Line {line}: this key may not use the model `{model}`.");
            Err(Refusal::new(Kind::Permission, message).code("model_not_allowed").param("model"))
        }
    }
}

fn problems(found: &[Problem], what: &str) -> Refusal {
    const MOST: usize = 20;
    let told = found.iter().take(MOST).map(|problem| match problem.line {
        0 => problem.message.clone(),
        line => format!("{what} {line}: {}", problem.message),
    });
    let told = told.collect::<Vec<_>>().join("; ");
    let more = found.len().saturating_sub(MOST);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Refusal::invalid(format!("The requests cannot be carried out: {told}{more}."))
        .code("invalid_batch_lines")
        .param("input_file_id")
}

#[expect(clippy::too_many_arguments, reason = "they are what a batch is made of, each once")]
fn stored(
    ctx: &Exchange,
    id: &str,
    file: &StoredFile,
    survey: &Survey,
    wanted: Wanted,
    plan: &Plan,
    endpoint: Operation,
    window: u64,
) -> StoredBatch {
    let created = now();
    let counts = Counts { total: survey.lines, ..Counts::default() };
    let mut other = Map::new();
    if let Some(after) = wanted.output_expires_after {
        other.insert("output_expires_after".to_owned(), after);
    }
    let mut models = survey.models.keys();
    let batch = Batch {
        id: id.to_owned(),
        object: "batch".to_owned(),
        endpoint: path_of(endpoint).to_owned(),
        model: models.next().filter(|_| models.next().is_none()).cloned(),
        input_file_id: Some(file.id.clone()),
        completion_window: wanted.completion_window,
        status: Status::Validating,
        created_at: created,
        expires_at: Some(created + window),
        request_counts: Some(counts.as_openai()),
        metadata: wanted.metadata,
        other,
        ..Batch::default()
    };
    let work = Work {
        stage: Stage::Submitting,
        input: match &file.place {
            Place::Here => Input::Kept(file.id.clone()),
            Place::AtProvider { id, .. } => Input::AtProvider(id.clone()),
        },
        is_message_batch: wanted.is_message_batch,
        uploads: Vec::new(),
        looks: 0,
        failures: 0,
        looked_at: 0,
        counts,
        mode: plan.mode,
        is_resumed: false,
        asked_at: None,
        mistaken: Vec::new(),
    };
    StoredBatch {
        id: id.to_owned(),
        tenant: tenant(ctx).map(str::to_owned),
        instance: plan.upstream.as_ref().map(|upstream| upstream.name().to_owned()).unwrap_or_default(),
        flow: plan.flow.name().to_owned(),
        upstream_id: None,
        created,
        due: Some(now_ms()),
        is_cancel_wanted: false,
        object: stored_json(&batch),
        work: stored_json(&work),
    }
}
