//! Reading a request's whole body before it is routed, such that Pingora still asks for the body to send.
//!
//! Pingora calls `request_body_filter` for a body that has been read only if its retry buffer holds something, and that buffer
//! holds 64 KiB at most. So a small tail is kept in it: just enough to be asked once for each attempt.

use bytes::{Bytes, BytesMut};
use http::{Version, header};
use pingora_core::Error;
use pingora_proxy::Session;

use super::admit::Stop;
use crate::error::{Kind, Refusal};

/// The retry buffer's size, and the most that one read of an HTTP/1.1 body yields.
const RETRY_BUFFER: usize = 64 * 1024;

/// What is set aside at first for a body that declares its length; a client must send more to get more.
const FIRST_ALLOCATION: usize = 1 << 20;

/// Reads the body to its end, at most `limit` bytes.
pub async fn read(session: &mut Session, limit: usize) -> Result<Bytes, Stop> {
    let declared = declared_length(session);
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large(limit).into());
    }
    permit(session).await?;
    let mut first = Bytes::new();
    let mut body = BytesMut::new();
    loop {
        let read = first.len() + body.len();
        let rest = declared.map(|length| length.saturating_sub(read));
        if rest.is_none_or(|rest| rest <= RETRY_BUFFER) {
            session.enable_retry_buffering();
        }
        match session.read_request_body().await.map_err(|error| error.into_down())? {
            Some(chunk) if read + chunk.len() > limit => {
                drop(chunk);
                return Err(too_large(limit).into());
            }
            // A body that comes in one piece is not copied.
            Some(chunk) if read == 0 => first = chunk,
            Some(chunk) => {
                if body.is_empty() {
                    let whole = declared.unwrap_or(2 * RETRY_BUFFER).min(FIRST_ALLOCATION);
                    body.reserve(whole.max(first.len() + chunk.len()));
                    body.extend_from_slice(&std::mem::take(&mut first));
                }
                body.extend_from_slice(&chunk);
            }
            None if body.is_empty() => return Ok(first),
            None => return Ok(body.freeze()),
        }
    }
}

/// Tells a client that waits for it (RFC 9110 §10.1.1) to send its body. It is not the provider's to say: nothing has been sent there yet,
/// and one that knows nothing of this would leave both waiting.
pub async fn permit(session: &mut Session) -> Result<(), Box<Error>> {
    if awaits_permission(session) {
        session.as_downstream_mut().write_continue_response().await.map_err(|error| error.into_down())?;
    }
    Ok(())
}

/// Whether each attempt is sure to be asked for its body. It is not if the body was longer than the retry buffer and did
/// not declare its length.
pub fn earns_callback(session: &mut Session) -> bool {
    session.is_body_empty() || session.get_retry_buffer().is_some()
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
