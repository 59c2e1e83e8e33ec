//! `POST /v1/files`: a form with a file in it. It is read as it arrives and passed on as it is read, so that its size costs no memory.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, StatusCode, header};
use pingora_proxy::Session;

use super::content::Writer;
use super::{Stop, json, keepers, named, native, nothing, push, remember, shown, wanted_instance};
use crate::batches::Surveyor;
use crate::error::{Kind, Refusal};
use crate::files::{FileObject, Part, Shape, Splitter, read_file};
use crate::gateway::ordered_id;
use crate::multipart::BadForm;
use crate::proxy::ask::Body;
use crate::proxy::context::Exchange;
use crate::proxy::desk::{Ask, Desk, failure, now, unavailable, unreachable};
use crate::proxy::stored::tenant;
use crate::proxy::{body, headers, local, query};
use crate::routing::Upstream;
use crate::store::{Place, StoredFile};

/// So much of a form is read before it is decided where it goes: the fields that say so may stand behind a small file.
const HEAD: usize = 1 << 20;
/// The largest file that is kept here: what OpenAI takes.
const MOST_KEPT: u64 = 512 << 20;
/// So long the rest of a form is read that is refused already.
const LINGERING: Duration = Duration::from_secs(10);
/// What forms and queries call the instance that is meant. It is for us alone.
const PROVIDER: &str = "provider";

/// A form of which the beginning has been read.
struct Form {
    splitter: Splitter,
    /// What was read and not yet passed on.
    raw: Vec<Bytes>,
    length: usize,
    parts: Vec<Part>,
    is_over: bool,
}

/// Where a file goes.
enum Goal {
    /// To an instance that reads the form as it is.
    As(std::sync::Arc<Upstream>),
    /// Into the store: for good, or on its way to an instance that wants it otherwise.
    Here(Option<std::sync::Arc<Upstream>>),
}

pub async fn upload(session: &mut Session, ctx: &mut Exchange, desk: &Desk, shape: Shape) -> Result<(), Stop> {
    let taken = take(session, ctx, desk, shape).await;
    if taken.is_err() {
        // Most clients read no answer before all is sent: they would only see the connection break.
        let rest = async { while let Ok(Some(_)) = session.read_request_body().await {} };
        let _ = tokio::time::timeout(LINGERING, rest).await;
    }
    taken
}

async fn take(session: &mut Session, ctx: &mut Exchange, desk: &Desk, shape: Shape) -> Result<(), Stop> {
    let content_type = session.req_header().headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    if !content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
        let message = "A file is uploaded as `multipart/form-data` with the parts `purpose` and `file`.";
        return Err(Refusal::invalid(message).into());
    }
    let splitter = Splitter::new(&content_type).map_err(|why| bad_form(&why))?;
    let mut form = Form { splitter, raw: Vec::new(), length: 0, parts: Vec::new(), is_over: false };
    body::permit(session).await?;
    while !form.is_over && form.length < HEAD {
        form.read(session).await?;
    }
    if !form.has_file() {
        let refusal = match form.is_over {
            true => Refusal::invalid("The form has no part `file` with a filename."),
            false => {
                let message = format!("The form has no part `file` with a filename in its first {} MiB.", HEAD >> 20);
                Refusal::new(Kind::TooLarge, message)
            }
        };
        return Err(refusal.param("file").into());
    }
    let purpose = form.field("purpose").map(str::to_owned);
    // Whether a purpose is needed is for the provider to say: xAI's takes files without any.
    match goal(session, desk, &form, purpose.as_deref())? {
        Goal::As(upstream) => pass_on(session, ctx, desk, shape, form, &upstream, &content_type).await,
        Goal::Here(upstream) => keep(session, ctx, desk, shape, form, upstream.as_deref()).await,
    }
}

/// Which instance is meant, and in what way the file gets there.
fn goal(session: &Session, desk: &Desk, form: &Form, purpose: Option<&str>) -> Result<Goal, Refusal> {
    let wanted = wanted_instance(session).or_else(|| form.field(PROVIDER).map(str::to_owned));
    let is_batch = purpose == Some("batch");
    let can_keep = |upstream: &Upstream| {
        upstream.instance.provider.files.is_some()
            || (purpose.is_none_or(|_| is_batch) && upstream.instance.batches().is_some())
    };
    let emulates = desk.gateway.config.batches.emulate;
    let upstream = match wanted {
        Some(name) => {
            let upstream = named(desk, &name)?;
            if !(can_keep(&upstream) || is_batch && emulates) {
                let message = format!(
                    "`{}` ({}) keeps no files for this purpose. Those that do: {}.",
                    upstream.name(),
                    upstream.instance.provider.title,
                    names(keepers(desk)),
                );
                return Err(Refusal::invalid(message).code("unsupported_operation").param(PROVIDER));
            }
            upstream
        }
        None => {
            let mut able = desk.gateway.upstreams.iter().filter(|upstream| can_keep(upstream));
            match (able.next(), able.next()) {
                (Some(only), None) => std::sync::Arc::clone(only),
                (None, _) if is_batch && emulates => return Ok(Goal::Here(None)),
                (None, _) => {
                    let message = "No configured provider keeps files.";
                    return Err(Refusal::invalid(message).code("unsupported_operation"));
                }
                (Some(_), Some(_)) => {
                    let able = desk.gateway.upstreams.iter().filter(|upstream| can_keep(upstream));
                    let message = format!(
                        "Several providers keep files: {}. Name one: `?provider=…`, a form field `provider` before the file, or \
                         the header `x-narthex-instance`.",
                        names(able),
                    );
                    return Err(Refusal::invalid(message).code("ambiguous_provider").param(PROVIDER));
                }
            }
        }
    };
    // Requests of a batch go to those only that read them from files of their own.
    let reads_lines = upstream.instance.batches().is_some_and(|api| api.takes_files());
    Ok(match native(&upstream) {
        _ if is_batch && !reads_lines => Goal::Here(Some(upstream)),
        // Google wants to know the length before the file.
        Shape::Gemini => Goal::Here(Some(upstream)),
        // A purpose that is not known yet may turn out to be that of a batch.
        Shape::Anthropic if purpose.is_none() && !form.is_over && !is_anthropics(session) => Goal::Here(Some(upstream)),
        _ => Goal::As(upstream),
    })
}

fn is_anthropics(session: &Session) -> bool {
    session.req_header().headers.contains_key(headers::ANTHROPIC_VERSION)
}

fn names<'a>(upstreams: impl Iterator<Item = &'a std::sync::Arc<Upstream>>) -> String {
    upstreams.map(|upstream| format!("`{}`", upstream.name())).collect::<Vec<_>>().join(", ")
}

/// Sends the form to an instance, less the parts that are not for it. Every other byte is as it was.
async fn pass_on(
    session: &mut Session,
    ctx: &mut Exchange,
    desk: &Desk,
    shape: Shape,
    mut form: Form,
    upstream: &Upstream,
    content_type: &str,
) -> Result<(), Stop> {
    let theirs = native(upstream);
    let is_theirs = |name: &str| name != PROVIDER && (theirs != Shape::Anthropic || shape == theirs);
    let mut cuts: Vec<_> = form
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Field { name, span, .. } if !is_theirs(name) => Some(span.clone()),
            _ => None,
        })
        .collect();
    cuts.sort_by_key(|cut| cut.start);
    // Who knows no purposes has named none.
    let lacks_purpose = theirs == Shape::Openai && shape == Shape::Anthropic && form.field("purpose").is_none();
    let added = if lacks_purpose { purpose_part(content_type) } else { Vec::new() };
    let declared = session.req_header().headers.get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let cut: u64 = cuts.iter().map(|cut| cut.end - cut.start).sum();
    let length = declared.map(|length| length - cut + u64::try_from(added.len()).unwrap_or_default());

    let path = "files".to_owned();
    let query = query::passed_through(session.req_header().uri.query(), &[PROVIDER]);
    let mut sent = vec![(header::CONTENT_TYPE, HeaderValue::from_str(content_type).map_err(|_| no_header())?)];
    let client = &session.req_header().headers;
    sent.extend(
        client
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("anthropic-") && theirs == shape)
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    let ask = Ask { query: query.as_deref(), headers: sent, ..Ask::post(&path, Body::Following(length)) };
    let mut talk = desk.begin(upstream, ask).await?;
    let broken = |why| unreachable(upstream, &why);

    let mut survey = Survey::of(&form);
    let mut head = form.take_raw();
    for cut in cuts.iter().rev() {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(head.len());
        let (start, end) = (place(cut.start), place(cut.end));
        let rest = head.split_off(end);
        head.truncate(start);
        head.unsplit(rest);
    }
    if !added.is_empty() {
        let whole = [&added[..], &head[..]].concat();
        head = BytesMut::from(&whole[..]);
    }
    // Who refuses a form need not read all of it: what then is answered counts.
    let mut is_taken = talk.write(head.freeze()).await;
    survey.take(&mut form.parts);
    while is_taken && !form.is_over {
        form.read(session).await?;
        if form.parts.iter().any(|part| matches!(part, Part::Field { name, .. } if name == PROVIDER)) {
            let message = "`provider` stands behind a large file: put it before, or into the query.";
            return Err(Refusal::invalid(message).param(PROVIDER).into());
        }
        survey.take(&mut form.parts);
        for piece in std::mem::take(&mut form.raw) {
            is_taken = is_taken && talk.write(piece).await;
        }
    }
    let told = talk.told().await.map_err(broken)?;
    if !told.status.is_success() {
        return Err(failure(upstream, &told).into());
    }
    let object = read_file(theirs, &told.body).map_err(crate::error::Failure::from)?;
    let id = object.id.clone();
    let purpose = survey.purpose.clone().unwrap_or_else(|| object.purpose.clone());
    let notes = survey.finish()?;
    let known = notes.map(|notes| StoredFile { notes, purpose, ..blank(ctx, &id) });
    remember(ctx, desk, upstream, &id, object, &told.body, known.as_ref()).await?;
    let body = shown(shape, theirs, &told.body, &id);
    Ok(local::answer_json(session, ctx, StatusCode::OK, body).await?)
}

/// Puts the file into the store; and from there to the instance, if that is where it belongs.
async fn keep(
    session: &mut Session,
    ctx: &mut Exchange,
    desk: &Desk,
    shape: Shape,
    mut form: Form,
    upstream: Option<&Upstream>,
) -> Result<(), Stop> {
    let mut file = StoredFile { created: now(), ..blank(ctx, &format!("file-{}", ordered_id())) };
    let mut survey = Survey::of(&form);
    let mut mime_type = None;
    let mut writer = Writer::begin(&desk.gateway.store, file.clone()).await.map_err(|why| unavailable(&why))?;
    let stored = async {
        loop {
            form.raw.clear();
            for part in &form.parts {
                match part {
                    Part::File { filename, content_type, .. } => {
                        file.filename.clone_from(filename);
                        mime_type.clone_from(content_type);
                    }
                    Part::Content(content) => {
                        writer.write(content).await.map_err(|why| unavailable(&why))?;
                        if writer.bytes() > MOST_KEPT {
                            let message = format!("The file is larger than {} MiB.", MOST_KEPT >> 20);
                            return Err(Stop::from(Refusal::new(Kind::TooLarge, message).param("file")));
                        }
                    }
                    Part::Field { name, value, .. } => match name.as_str() {
                        "expires_after[seconds]" => {
                            file.expires = value.parse().ok().map(|seconds: u64| now().saturating_add(seconds))
                        }
                        "purpose" => file.purpose.clone_from(value),
                        _ => {}
                    },
                    Part::FileEnd | Part::End => {}
                }
            }
            survey.take(&mut form.parts);
            if form.is_over {
                return Ok(());
            }
            form.read(session).await?;
        }
    };
    if let Err(stop) = stored.await {
        writer.give_up().await;
        return Err(stop);
    }
    let is_batch = file.purpose == "batch";
    file.bytes = writer.bytes();
    let object = FileObject {
        id: file.id.clone(),
        filename: file.filename.clone(),
        purpose: file.purpose.clone(),
        bytes: file.bytes,
        created: file.created,
        expires: file.expires,
        mime_type,
        is_downloadable: Some(true),
    };
    if is_batch {
        file.notes = survey.finish()?.unwrap_or_else(nothing);
        file.object = json(object.shown(Shape::Openai).to_string().as_bytes())?;
        writer.finish(&file).await.map_err(|why| unavailable(&why))?;
        let body = Bytes::from(object.shown(shape).to_string());
        return Ok(local::answer_json(session, ctx, StatusCode::OK, body).await?);
    }
    // On its way: it is nowhere shown before it is there.
    let pushed = match (upstream, writer.settle().await) {
        (Some(upstream), Ok(())) if upstream.instance.provider.files.is_some() => push(desk, upstream, &file, &object)
            .await
            .map(|(object, body)| (upstream, object, body))
            .map_err(Stop::from),
        (_, Err(why)) => Err(unavailable(&why).into()),
        _ => Err(Refusal::invalid("Only files with the purpose `batch` can be kept here.").param("purpose").into()),
    };
    writer.give_up().await;
    let (upstream, object, body) = pushed?;
    let id = object.id.clone();
    remember(ctx, desk, upstream, &id, object, &body, Some(&file)).await?;
    let body = shown(shape, native(upstream), &body, &id);
    Ok(local::answer_json(session, ctx, StatusCode::OK, body).await?)
}

/// A file of which nothing is known yet.
fn blank(ctx: &Exchange, id: &str) -> StoredFile {
    StoredFile {
        id: id.to_owned(),
        tenant: tenant(ctx).map(str::to_owned),
        place: Place::Here,
        purpose: String::new(),
        filename: "upload.jsonl".to_owned(),
        bytes: 0,
        created: 0,
        expires: None,
        object: nothing(),
        notes: nothing(),
    }
}

impl Form {
    /// Reads on.
    async fn read(&mut self, session: &mut Session) -> Result<(), Stop> {
        match session.read_request_body().await.map_err(|error| error.into_down())? {
            Some(piece) => {
                self.splitter.push(&piece, &mut self.parts).map_err(|why| bad_form(&why))?;
                self.length += piece.len();
                self.raw.push(piece);
            }
            None => {
                self.splitter.finish().map_err(|why| bad_form(&why))?;
                self.is_over = true;
            }
        }
        Ok(())
    }

    fn has_file(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::File { .. }))
    }

    /// A field that has been read.
    fn field(&self, wanted: &str) -> Option<&str> {
        self.parts.iter().find_map(|part| match part {
            Part::Field { name, value, .. } if name == wanted => Some(value.as_str()),
            _ => None,
        })
    }

    fn take_raw(&mut self) -> BytesMut {
        let mut whole = BytesMut::with_capacity(self.length);
        std::mem::take(&mut self.raw).iter().for_each(|piece| whole.extend_from_slice(piece));
        whole
    }
}

/// Looks at requests as they pass by. Whether they are any is certain when the purpose is known.
struct Survey {
    purpose: Option<String>,
    surveyor: Option<Surveyor>,
}

impl Survey {
    fn of(form: &Form) -> Self {
        let purpose = form.field("purpose").map(str::to_owned);
        let may_be_batch = purpose.as_deref().is_none_or(|purpose| purpose == "batch");
        Self { purpose, surveyor: may_be_batch.then(Surveyor::default) }
    }

    fn take(&mut self, parts: &mut Vec<Part>) {
        for part in parts.drain(..) {
            match (part, &mut self.surveyor) {
                (Part::Content(content), Some(surveyor)) => surveyor.push(&content),
                (Part::Field { name, value, .. }, _) if name == "purpose" => self.purpose = Some(value),
                _ => {}
            }
        }
    }

    /// What was found, if it was requests.
    fn finish(self) -> Result<Option<crate::store::Json>, Stop> {
        let Some(surveyor) = self.surveyor.filter(|_| self.purpose.as_deref() == Some("batch")) else {
            return Ok(None);
        };
        let text = serde_json::to_vec(&surveyor.finish()).unwrap_or_default();
        Ok(Some(json(&text)?))
    }
}

/// `user_data` is what OpenAI calls files that models are to read.
fn purpose_part(content_type: &str) -> Vec<u8> {
    let boundary = crate::multipart::boundary_of(content_type).unwrap_or_default();
    format!("--{boundary}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n").into_bytes()
}

fn no_header() -> Refusal {
    Refusal::invalid("The content type cannot be passed on.")
}

fn bad_form(why: &BadForm) -> Refusal {
    Refusal::invalid(format!("The form in the body cannot be read: {why}."))
}
