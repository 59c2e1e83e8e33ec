//! Exchanges whose body Pingora cannot replay.
//!
//! For a body that was longer than the retry buffer and did not declare its length, Pingora would never ask what to send.
//! Such an exchange is run by a stand-in: a subrequest with a body of one byte, which fits any buffer. The real body
//! travels in the subrequest's context, and its answer is relayed to the client as it comes.

use std::any::Any;
use std::time::Instant;

use bytes::Bytes;
use http::{Version, header};
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::http::subrequest::server::SubrequestHandle;
use pingora_core::{Error, ErrorType::InternalError, OkOrErr, OrErr, Result};
use pingora_proxy::subrequest::{BodyMode, Ctx as SubrequestCtx, UserCtx};
use pingora_proxy::{PreparedSubrequest, Session, SubrequestSpawner};

use super::context::{Ask, Exchange, RequestId};
use super::tries::Tries;
use crate::config::Tenant;

/// The stand-in's body.
const TOKEN: Bytes = Bytes::from_static(b"-");

/// As many tasks as the stand-in's channel holds.
const BATCH: usize = 4;

/// What a stand-in takes over from the exchange that it stands in for.
struct Carried {
    started: Instant,
    request_id: RequestId,
    tenant: Option<std::sync::Arc<Tenant>>,
    ask: Ask,
    tries: Tries,
}

/// Whether this request could come to need a stand-in: only then is Pingora asked to be ready for one.
pub fn may_be_needed(session: &Session) -> bool {
    let request = session.req_header();
    let has_body = request.headers.contains_key(header::TRANSFER_ENCODING) || request.version == Version::HTTP_2;
    has_body && !request.headers.contains_key(header::CONTENT_LENGTH)
}

/// Runs the exchange by a stand-in and gives its answer to the client, piece by piece.
///
/// `Ok` means that the client has a whole answer, be it one about a failure. On `Err` the stand-in gives up at once: the
/// open end of `line` is what it knows of its client's presence.
pub async fn hand_over(session: &mut Session, ctx: &mut Exchange) -> Result<()> {
    let carried = Carried {
        started: ctx.started,
        request_id: ctx.request_id.clone(),
        tenant: ctx.tenant.clone(),
        ask: std::mem::replace(&mut ctx.ask, Ask::Unknown),
        tries: std::mem::take(&mut ctx.tries),
    };
    let spawner = session.subrequest_spawner.take().or_err(InternalError, "subrequests are not allowed")?;
    let (stand_in, handle) = prepare(session, &spawner, Box::new(carried));
    let SubrequestHandle { tx: line, rx: mut answer, subreq_proxy_error: mut failure, .. } = handle;
    line.try_send(HttpTask::Body(Some(TOKEN), true)).or_err(InternalError, "a fresh channel has room")?;
    tokio::spawn(stand_in.run());
    ctx.ask = Ask::Relayed;

    let mut tasks = Vec::with_capacity(BATCH);
    let mut answered = false;
    while !answered {
        tokio::select! {
            received = answer.recv_many(&mut tasks, BATCH) => {
                if received == 0 {
                    break;
                }
                answered = session.write_response_tasks(std::mem::take(&mut tasks)).await?;
            }
            gone = session.as_downstream_mut().read_body_or_idle(true) => {
                gone.map_err(|error| error.into_down())?;
            }
        }
    }
    // The stand-in may have more to say than the client needs to hear; cutting it short would make it fail.
    drop(line);
    if answered {
        return Ok(());
    }
    Err(failure.try_recv().unwrap_or_else(|_| {
        ctx.ask = Ask::Unknown;
        Error::explain(InternalError, "the stand-in fell silent")
    }))
}

/// In a stand-in: takes over the exchange that it carries. False for a client's own request.
pub async fn take_over(session: &mut Session, ctx: &mut Exchange) -> Result<bool> {
    let Some(context) = session.subrequest_ctx.as_mut() else { return Ok(false) };
    let nothing: UserCtx = Box::new(());
    let carried = context.user_ctx_mut().map(|carried| std::mem::replace(carried, nothing));
    let carried: Box<dyn Any> = carried.or_err(InternalError, "a stand-in carries its exchange")?;
    let carried = carried.downcast::<Carried>().ok().or_err(InternalError, "a stand-in carries its exchange")?;

    let request = session.req_header_mut();
    request.remove_header(&header::TRANSFER_ENCODING);
    request.insert_header(header::CONTENT_LENGTH, TOKEN.len())?;
    session.enable_retry_buffering();
    while session.read_request_body().await?.is_some() {}

    ctx.started = carried.started;
    ctx.request_id = carried.request_id;
    ctx.tenant = carried.tenant;
    ctx.ask = carried.ask;
    ctx.tries = carried.tries;
    Ok(true)
}

/// A subrequest's header is parsed from its parent's HTTP/1.1 form; a parent that came on HTTP/2 would be written out with a
/// version that the parser refuses.
fn prepare(
    session: &mut Session,
    spawner: &SubrequestSpawner,
    carried: UserCtx,
) -> (PreparedSubrequest, SubrequestHandle) {
    let context = SubrequestCtx::builder().body_mode(BodyMode::ExpectBody).user_ctx(carried).build();
    let version = session.req_header().version;
    session.req_header_mut().set_version(Version::HTTP_11);
    let prepared = spawner.create_subrequest(session.as_downstream(), context);
    session.req_header_mut().set_version(version);
    prepared
}
