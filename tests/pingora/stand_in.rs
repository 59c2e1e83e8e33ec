//! An exchange whose body Pingora cannot replay, run by a stand-in: a subrequest with a body of one byte.
//!
//! The byte fits the retry buffer, so every attempt of the stand-in gets its `request_body_filter` call. The real
//! body travels in the subrequest's context.

use bytes::Bytes;
use http::Version;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::http::subrequest::server::SubrequestHandle;
use pingora_core::{Error, ErrorType::InternalError, OkOrErr, OrErr, Result};
use pingora_proxy::subrequest::{BodyMode, Ctx as SubrequestCtx, UserCtx};
use pingora_proxy::{PreparedSubrequest, Session, SubrequestSpawner};

/// The stand-in's body.
const TOKEN: Bytes = Bytes::from_static(b"-");

/// As many tasks as the stand-in's channel holds.
const BATCH: usize = 4;

/// Runs the exchange by a stand-in and gives its answer to the client, piece by piece.
///
/// `Ok` means that the client has a whole answer, be it one about a failure. On `Err` the stand-in gives up at once:
/// the open end of `line` is what it knows of its client's presence.
pub async fn relay(session: &mut Session, carried: UserCtx) -> Result<()> {
    let spawner = session.subrequest_spawner.take().or_err(InternalError, "subrequests are not allowed")?;
    let (stand_in, handle) = prepare(session, &spawner, carried);
    let SubrequestHandle { tx: line, rx: mut answer, subreq_proxy_error: mut failure, .. } = handle;
    line.try_send(HttpTask::Body(Some(TOKEN), true)).or_err(InternalError, "a fresh channel has room")?;
    tokio::spawn(stand_in.run());

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
    while answer.recv().await.is_some() {}
    drop(line);
    if answered {
        return Ok(());
    }
    Err(failure.try_recv().unwrap_or_else(|_| Error::explain(InternalError, "the stand-in fell silent")))
}

/// In a stand-in's `request_filter`: what it carries, after reading its token. `None` for a client's own request.
pub async fn take_over<T: 'static>(session: &mut Session) -> Result<Option<Box<T>>> {
    let Some(context) = session.subrequest_ctx.as_mut() else {
        return Ok(None);
    };
    let carried = context
        .user_ctx_mut()
        .map(|carried| std::mem::replace(carried, Box::new(())))
        .and_then(|carried| carried.downcast::<T>().ok())
        .or_err(InternalError, "a stand-in carries its exchange")?;

    let request = session.req_header_mut();
    request.remove_header(&TRANSFER_ENCODING);
    request.insert_header(CONTENT_LENGTH, TOKEN.len())?;
    session.enable_retry_buffering();
    while session.read_request_body().await?.is_some() {}
    Ok(Some(carried))
}

/// A subrequest's header is parsed from its parent's HTTP/1.1 form; a parent that came on HTTP/2 would be
/// written out with a version that the parser refuses.
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
