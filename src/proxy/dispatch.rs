//! Once for each attempt: the next target, what is sent to it, and the connection to send it on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pingora_core::protocols::{ALPN, TcpKeepalive};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType};
use pingora_proxy::Session;

use super::admit;
use super::context::{Ask, Attempt, Exchange, Lane, Outgoing, Run};
use super::dns::Dns;
use super::failure::{self, KNOWN};
use super::{media, query};
use crate::dialects::ir::Losses;
use crate::dialects::think_tags::ThinkTags;
use crate::dialects::tool_map::ToolMap;
use crate::dialects::{Asked, Dialect, Recipient, audio, count, embeddings, invoke, predict};
use crate::endpoints::Operation;
use crate::error::{Failure, Refusal, Remedy};
use crate::json::{Edits, Object};
use crate::payload::Payload;
use crate::providers::{BaseUrl, Call, Destination, Instance, Quirk};
use crate::rewrite::Conversion;
use crate::rope::Rope;
use crate::routing::Target;

/// When a pooled connection has been idle for so long, the system asks whether the provider is still there. A timer for each
/// would cost every exchange; a provider that hangs up is noticed at once.
const KEEP_ALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_secs(30),
    interval: Duration::from_secs(10),
    count: 3,
    #[cfg(target_os = "linux")]
    user_timeout: Duration::ZERO,
};
/// Exchanges that share a connection, where the provider speaks HTTP/2.
const STREAMS_PER_CONNECTION: usize = 64;

pub async fn upstream_peer(
    session: &mut Session,
    ctx: &mut Exchange,
    dns: &Arc<Dns>,
) -> pingora_core::Result<Box<HttpPeer>> {
    // What the try before was told is news no more.
    ctx.failure = None;
    loop {
        let Some(target) = ctx.tries.next().await else {
            return Err(Error::explain(ErrorType::InternalError, "no target is left"));
        };
        // Few requests have any: the future of all others stays small.
        let inlined = match media::is_wanted(ctx, &target) {
            true => Box::pin(media::inline(ctx, &target)).await,
            false => Ok(()),
        };
        let outgoing = match inlined.and_then(|()| outgoing(session, &mut ctx.ask, &target)) {
            Ok(outgoing) => outgoing,
            Err(refusal) => {
                // Another target may speak a dialect that has a place for it.
                if ctx.tries.skip() {
                    continue;
                }
                ctx.failure = Some(Failure::from(&refusal));
                return Err(Error::explain(KNOWN, "the request cannot be carried to any target"));
            }
        };
        let base = outgoing.base.as_ref().unwrap_or(&target.upstream.instance.base);
        let resolved = dns.resolve(&base.host, base.port, ctx.tries.unreachable()).await;
        let granted = match &target.upstream.credentials {
            Some(credentials) => credentials.grant().await.map(Some),
            None => Ok(None),
        };
        let (grant, hindrance) = match granted {
            Ok(grant) => (grant, None),
            Err(why) => (None, Some(why.to_string())),
        };
        let attempt = Attempt::new(target, outgoing, grant);
        let instance = &attempt.target.upstream.instance;
        if let Some(why) = hindrance {
            let message = format!("{}: {why}", instance.name);
            ctx.attempt = Some(attempt);
            if !failure::is_worth_another_try(ctx, &message, Remedy::Again) {
                ctx.failure = Some(Failure::new(http::StatusCode::BAD_GATEWAY, message.clone()));
                return Err(Error::explain(KNOWN, message));
            }
            continue;
        }
        match resolved {
            Ok(address) => {
                let is_upgrade = matches!(&ctx.ask, Ask::Passthrough(rest) if rest.is_upgrade);
                let peer = peer(address, attempt.base(), instance, is_upgrade);
                ctx.attempt = Some(attempt);
                return Ok(peer);
            }
            Err(why) => {
                let message = format!("the host {} cannot be resolved: {why}", attempt.base().host);
                ctx.attempt = Some(attempt);
                if !failure::is_worth_another_try(ctx, &message, Remedy::Again) {
                    return Err(Error::explain(ErrorType::ConnectNoRoute, message));
                }
            }
        }
    }
}

/// Asks Gemini for events; without it a stream is one JSON array.
const EVENTS: &str = "?alt=sse";

fn outgoing(session: &Session, ask: &mut Ask, target: &Target) -> Result<Outgoing, Refusal> {
    let instance = &target.upstream.instance;
    let provider = instance.provider;
    match ask {
        Ask::Run(run) => {
            // Targets were chosen because they have a door.
            let operation = door(run, target).unwrap_or(run.operation);
            let call = Call { operation, model: &target.model, is_stream: run.wants_stream };
            let (body, lane) = carry(run, operation, target)?;
            let Destination { mut path_and_query, auth, base } = provider.urls.operation(instance, &call);
            if run.is_array && lane.foreign().is_none() && path_and_query.ends_with(EVENTS) {
                path_and_query.truncate(path_and_query.len() - EVENTS.len());
            }
            Ok(Outgoing { path_and_query, auth, base, body: Some(body), lane })
        }
        Ask::Passthrough(rest) => {
            let query = query::passed_through(session.req_header().uri.query(), &[]);
            let Destination { path_and_query, auth, base } =
                provider.urls.passthrough(instance, &rest.path, query.as_deref());
            let lane = Lane::Forward { counts_for_us: false, think_tags: ThinkTags::Keep };
            Ok(Outgoing { path_and_query, auth, base, body: rest.body.clone().map(Rope::from), lane })
        }
        Ask::Unknown | Ask::Local(_) | Ask::Relayed => unreachable!("only these two are sent to providers"),
    }
}

/// What a target is sent by this operation of what the client wants, and how its answer is to be read.
pub fn carry(run: &mut Run, operation: Operation, target: &Target) -> Result<(Rope, Lane), Refusal> {
    let instance = &target.upstream.instance;
    let provider = instance.provider;
    let is_strict = run.is_strict;
    let embeds_otherwise = operation != run.operation
        || [Quirk::EmbedsByPredict, Quirk::EmbedsByInvoke].iter().any(|quirk| provider.quirks.contains(quirk));
    let (body, lane) = match &mut run.asked {
        Some(asked) if operation.counts() && operation != run.operation => {
            in_one_piece(counted(asked, run.operation, operation, target)?)
        }
        Some(asked) if operation != run.operation => in_one_piece(translated(asked, operation, target, is_strict)?),
        _ if operation == Operation::Chat && operation != run.operation => in_one_piece(spoken(run, target)?),
        _ if operation == Operation::Embeddings && embeds_otherwise => in_one_piece(embedded(run, target)?),
        _ => forwarded(run, operation, target),
    };
    let body = match claude_in_path(instance, operation) {
        Some(version) => without_model(body, operation, version),
        None => body,
    };
    Ok((body, lane))
}

/// The operation by which a target is asked for what the client wants.
pub fn door(run: &Run, target: &Target) -> Option<Operation> {
    let has_tools = || match &run.payload {
        Payload::Json(object) => offers_tools_to_thinker(object),
        Payload::Form(_) => false,
    };
    target.upstream.instance.door(run.operation, &target.model, &target.known.facts, has_tools)
}

/// Whether tools are offered to a model that is to think before it uses them.
fn offers_tools_to_thinker(object: &Object) -> bool {
    let tools = object.get("tools").or_else(|| object.get("toolConfig"));
    tools.is_some_and(|tools| tools.len() > "[]".len())
        && object.get("reasoning_effort").is_none_or(|effort| *effort != *b"\"none\"")
}

/// A body that was written here.
fn in_one_piece((body, lane): (Bytes, Lane)) -> (Rope, Lane) {
    (body.into(), lane)
}

fn forwarded(run: &Run, operation: Operation, target: &Target) -> (Rope, Lane) {
    let instance = &target.upstream.instance;
    let counts_for_us = counts_for_us(run, instance);
    let name = instance.provider.urls.model(instance, operation, &target.model);
    let model = (!run.operation.has_model_in_path()).then_some(&*name);
    let body = run.payload.outgoing(model, |object, edits| {
        if counts_for_us {
            ask_for_counts(object, edits);
        }
        instance.provider.quirks.iter().for_each(|quirk| apply(*quirk, object, edits));
    });
    let think_tags = match operation == Operation::Chat && instance.moves_thoughts() {
        true => ThinkTags::Split,
        false => ThinkTags::Keep,
    };
    (body, Lane::Forward { counts_for_us, think_tags })
}

/// Only the number of tokens is wanted: what the target's dialect has no place for is not counted.
fn counted(
    asked: &mut Asked,
    client: Operation,
    operation: Operation,
    target: &Target,
) -> Result<(Bytes, Lane), Refusal> {
    let (body, _) = translated(asked, operation, target, false)?;
    let provider = operation.dialect();
    let instance = &target.upstream.instance;
    let name = instance.provider.urls.model(instance, operation, &target.model);
    let body = count::write_request(provider, &name, body);
    let conversion = Conversion::Count { provider, client: client.dialect() };
    Ok((body, Lane::Convert { provider, conversion, more: Vec::new(), dropped: Vec::new() }))
}

/// What would be left out is refused where the client or the user wants it so.
fn refuse_losses(run: &Run, target: &Target, dropped: &[String]) -> Result<(), Refusal> {
    let Some(member) = dropped.first().filter(|_| run.is_strict) else { return Ok(()) };
    let message = format!("`{member}` has no place in what {} is asked.", target.upstream.name());
    Err(Refusal::invalid(message).code("unsupported_parameter"))
}

/// Embeddings in another form than the client's.
fn embedded(run: &Run, target: &Target) -> Result<(Bytes, Lane), Refusal> {
    let Payload::Json(object) = &run.payload else { return Err(admit::no_form()) };
    let asked = object.text().to_bytes();
    let quirks = target.upstream.instance.provider.quirks;
    let mut more = Vec::new();
    let (provider, body, dropped, conversion) = if quirks.contains(&Quirk::EmbedsByPredict) {
        let request = predict::Request::read(&asked)?;
        let (body, dropped) = request.write();
        (Dialect::Gemini, body, dropped, Conversion::Predict { request, model: run.model.clone() })
    } else if quirks.contains(&Quirk::EmbedsByInvoke) {
        let request = invoke::Request::read(&asked)?;
        let calls = request.write(&target.model)?;
        more = calls.more;
        (Dialect::Converse, calls.first, calls.dropped, Conversion::Invoke { request, model: run.model.clone() })
    } else {
        let request = embeddings::Request::read(&asked, run.operation == Operation::BatchEmbedContents)?;
        let (body, dropped) = request.write(&target.model);
        (Dialect::OpenaiChat, body, dropped, Conversion::Embed(request))
    };
    refuse_losses(run, target, &dropped)?;
    Ok((body, Lane::Convert { provider, conversion, more, dropped }))
}

/// Whether speech is passed on as it is made: samples are, other formats come whole.
pub fn comes_in_pieces(ask: &Ask) -> bool {
    let Ask::Run(Run { operation: Operation::Speech, payload: Payload::Json(object), .. }) = ask else { return false };
    object.parse::<String>("response_format").as_deref() == Some("pcm")
}

fn spoken(run: &Run, target: &Target) -> Result<(Bytes, Lane), Refusal> {
    let request = match &run.payload {
        Payload::Json(object) => audio::Request::Speech(audio::Speech::read(&object.text().to_bytes())?),
        Payload::Form(form) => audio::Request::Transcription(audio::Transcription::read(form)?),
    };
    refuse_losses(run, target, request.dropped())?;
    Ok((request.write(&target.model), Lane::Audio(request)))
}

fn translated(
    asked: &mut Asked,
    operation: Operation,
    target: &Target,
    is_strict: bool,
) -> Result<(Bytes, Lane), Refusal> {
    let provider = operation.dialect();
    let dialect = provider.provider();
    let instance = &target.upstream.instance;
    let recipient = Recipient { facts: &target.known.facts, habits: instance.habits(&target.model) };
    asked.request.model = instance.provider.urls.model(instance, operation, &target.model).into_owned();
    let mut losses = Losses::new(dialect.losses(), is_strict);
    let (fitted, tool_map) = ToolMap::fit(&asked.request, provider, recipient.habits, &mut losses).unzip();
    let body = dialect.write_request(fitted.as_ref().unwrap_or(&asked.request), &recipient, &mut losses)?;
    let body = with_quirks(body, target.upstream.instance.provider.quirks);
    let (think_tags, dropped) = (instance.think_tags(), losses.finish()?);
    Ok((body, Lane::Translate { provider, think_tags, dropped, tool_map: tool_map.map(Arc::new) }))
}

/// Whether a stream would not tell its token counts unless we asked, the client not having done so.
fn counts_for_us(run: &Run, instance: &Instance) -> bool {
    let Payload::Json(object) = &run.payload else { return false };
    run.wants_stream
        && matches!(run.operation, Operation::Chat | Operation::Completions)
        && instance.counts_streams_on_request()
        && !object.get("stream_options").is_some_and(|options| asks_for_counts(&options))
}

fn asks_for_counts(stream_options: &[u8]) -> bool {
    Object::read(bytes::Bytes::copy_from_slice(stream_options))
        .is_ok_and(|options| options.get("include_usage").is_some_and(|value| *value == *b"true"))
}

fn ask_for_counts(object: &Object, edits: &mut Edits) {
    match object.get("stream_options") {
        Some(options) if options.starts_with(b"{") => {
            edits.set_inside(object, "stream_options", "include_usage", "true")
        }
        _ => edits.set(object, "stream_options", r#"{"include_usage":true}"#),
    }
}

fn apply(quirk: Quirk, object: &Object, edits: &mut Edits) {
    match quirk {
        Quirk::Rename { from, to } if object.get(to).is_none() => edits.rename(object, from, to),
        Quirk::Rename { .. } | Quirk::ClaudeInPath { .. } | Quirk::EmbedsByInvoke | Quirk::EmbedsByPredict => {}
        Quirk::Clamp { member, least, most } => {
            let given = object.parse::<f64>(member).filter(|given| given.is_finite());
            if let Some(given) = given.filter(|given| !(least..=most).contains(given)) {
                edits.set(object, member, serde_json::Value::from(given.clamp(least, most)).to_string());
            }
        }
    }
}

/// A body that we have written ourselves.
fn with_quirks(body: Bytes, quirks: &[Quirk]) -> Bytes {
    if quirks.is_empty() {
        return body;
    }
    let Ok(object) = Object::read(body.clone()) else { return body };
    let mut edits = Edits::default();
    quirks.iter().for_each(|quirk| apply(*quirk, &object, &mut edits));
    edits.apply(&object).to_bytes()
}

/// The version that a cloud wants in bodies of Anthropic's.
fn claude_in_path(instance: &Instance, operation: Operation) -> Option<&'static str> {
    if !matches!(operation, Operation::Messages | Operation::CountMessages) {
        return None;
    }
    instance.provider.quirks.iter().find_map(|quirk| match quirk {
        Quirk::ClaudeInPath { version } => Some(*version),
        _ => None,
    })
}

/// Counting is asked of no model in particular: there the body names it.
fn without_model(body: Rope, operation: Operation, version: &str) -> Rope {
    let Ok(object) = Object::read(body.clone()) else { return body };
    let mut edits = Edits::default();
    let version = format!("\"{version}\"");
    match (operation, object.get("anthropic_version")) {
        (Operation::Messages, None) => {
            edits.set(&object, "model", version);
            edits.rename(&object, "model", "anthropic_version");
        }
        (Operation::Messages, Some(_)) => edits.remove(&object, "model"),
        (_, None) => edits.set(&object, "anthropic_version", version),
        (_, Some(_)) => {}
    }
    edits.apply(&object)
}

fn peer(address: std::net::SocketAddr, base: &BaseUrl, instance: &Instance, is_upgrade: bool) -> Box<HttpPeer> {
    // An empty server name would switch certificate verification off.
    let mut peer = Box::new(HttpPeer::new(address, base.tls, base.host.clone()));
    let options = &mut peer.options;
    options.connection_timeout = Some(instance.timeouts.connect);
    options.total_connection_timeout = Some(instance.timeouts.connect);
    options.read_timeout = Some(instance.timeouts.read);
    options.write_timeout = Some(instance.timeouts.read);
    options.tcp_keepalive = Some(KEEP_ALIVE);
    // A connection that changes its protocol must be HTTP/1.1.
    if base.tls && !is_upgrade {
        options.alpn = ALPN::H2H1;
        options.max_h2_streams = STREAMS_PER_CONNECTION;
    }
    peer
}
