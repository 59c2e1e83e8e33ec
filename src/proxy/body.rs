//! Reading a request's whole body before it is routed, such that Pingora still asks for the body to send.
//!
//! Pingora calls `request_body_filter` for a body that has been read only if its retry buffer holds something, and that buffer
//! holds 64 KiB at most. So a small tail is kept in it: just enough to be asked once for each attempt.

use http::{Version, header};
use pingora_core::Error;
use pingora_proxy::Session;

use super::admit::Stop;
use crate::error::{Kind, Refusal};
use crate::rope::Rope;

/// The retry buffer's size, and the most that one read of an HTTP/1.1 body yields.
const RETRY_BUFFER: usize = 64 * 1024;

/// A body that was read.
pub struct Read {
    pub body: Rope,
    /// Whether each attempt is sure to be asked for its body. It is not if the body was longer than the retry buffer and
    /// did not declare its length.
    pub earns_callback: bool,
}

/// Reads the body to its end, at most `limit` bytes.
pub async fn read(session: &mut Session, limit: usize) -> Result<Read, Stop> {
    let declared = declared_length(session);
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large(limit).into());
    }
    permit(session).await?;
    let mut body = Rope::default();
    let mut buffered = false;
    while !session.is_body_done() {
        let rest = declared.map(|length| length.saturating_sub(body.len()));
        let is_tail = rest.is_none_or(|rest| rest <= RETRY_BUFFER);
        if is_tail {
            session.enable_retry_buffering();
        }
        match session.read_request_body().await.map_err(|error| error.into_down())? {
            Some(chunk) if body.len() + chunk.len() > limit => return Err(too_large(limit).into()),
            Some(chunk) => {
                buffered |= is_tail && !chunk.is_empty();
                body.push(chunk);
            }
            None => break,
        }
    }
    let earns_callback = session.is_body_empty() || buffered && !session.retry_buffer_truncated();
    Ok(Read { body, earns_callback })
}

/// Tells a client that waits for it (RFC 9110 §10.1.1) to send its body. It is not the provider's to say: nothing has been sent there yet,
/// and one that knows nothing of this would leave both waiting.
pub async fn permit(session: &mut Session) -> Result<(), Box<Error>> {
    if awaits_permission(session) {
        session.as_downstream_mut().write_continue_response().await.map_err(|error| error.into_down())?;
    }
    Ok(())
}

fn too_large(limit: usize) -> Refusal {
    Refusal::new(Kind::TooLarge, format!("The body is larger than the {limit} bytes that are allowed here."))
        .code("request_too_large")
}

fn declared_length(session: &Session) -> Option<usize> {
    session.req_header().headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn awaits_permission(session: &Session) -> bool {
    let request = session.req_header();
    let expected = request.headers.get(header::EXPECT);
    request.version == Version::HTTP_11
        && expected.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}
