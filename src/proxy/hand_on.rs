//! Answers that need no judgement when all of them is there: they are handed on as they come.

use std::future::ready;

use http::{StatusCode, Version, header};
use pingora_core::Result;
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::http::client::HttpSession;
use pingora_proxy::Session;

use super::context::Exchange;
use super::whole::{Incoming, hang_up};
use super::{ResponseHeader, answer};

/// Gives the client the answer whose header has come. What is there together is written together.
pub async fn hand_on(
    session: &mut Session,
    ctx: &mut Exchange,
    mut header: Box<ResponseHeader>,
    upstream: &mut HttpSession,
) -> Result<()> {
    let mut is_done = upstream.response_done();
    let mut last = None;
    if is_done {
        answer::response_body_filter(&mut last, true, ctx)?;
    }
    frame(&mut header, is_done)?;
    answer::response_filter(session, &mut header, ctx)?;
    let mut told = vec![HttpTask::Header(header, is_done && last.is_none())];
    if last.is_some() {
        told.push(HttpTask::Body(last, true));
    }
    while !is_done {
        let mut incoming = Incoming::new(upstream, &mut session.upstream_compression);
        let next = tokio::select! {
            biased;
            next = incoming.next() => Some(next),
            () = ready(()), if !told.is_empty() => None,
            gone = hang_up(&mut session.downstream_session) => return Err(gone),
        };
        let mut broken = None;
        match next {
            Some(Ok(mut piece)) => {
                is_done = piece.is_none() || incoming.is_done();
                answer::response_body_filter(&mut piece, is_done, ctx)?;
                if is_done || piece.is_some() {
                    told.push(HttpTask::Body(piece, is_done));
                }
            }
            // Whether the header was read alone is chance: it is told, and nobody is asked again.
            Some(Err(why)) => broken = Some(why),
            None => {}
        }
        let has_all = tell(session, &mut told).await?;
        if let Some(why) = broken {
            return Err(why);
        }
        if has_all && !is_done {
            // As long as was declared. The client may ask for something else before the provider says that this was all.
            return answer::response_body_filter(&mut None, true, ctx);
        }
    }
    tell(session, &mut told).await.map(|_| ())
}

/// True: the client has the whole answer.
async fn tell(session: &mut Session, told: &mut Vec<HttpTask>) -> Result<bool> {
    if told.is_empty() {
        return Ok(false);
    }
    session.write_response_tasks(std::mem::take(told)).await.map_err(|error| error.into_down())
}

/// Says how the body ends where the provider's connection had other means: its own end, or a frame of HTTP/2.
fn frame(header: &mut ResponseHeader, is_done: bool) -> Result<()> {
    header.set_version(Version::HTTP_11);
    let has_body = !is_done && !matches!(header.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let is_framed =
        [header::TRANSFER_ENCODING, header::CONTENT_LENGTH].iter().any(|name| header.headers.contains_key(name));
    if has_body && !is_framed {
        header.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    Ok(())
}
