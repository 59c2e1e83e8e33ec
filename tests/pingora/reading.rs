//! Reading a request's whole body in `request_filter`, such that Pingora can still call `request_body_filter` later.

use bytes::{Bytes, BytesMut};
use http::Version;
use http::header::{CONTENT_LENGTH, EXPECT};
use pingora_core::Result;
use pingora_proxy::Session;

/// The retry buffer's size, and the most that one read of an HTTP/1.1 body yields.
pub const RETRY_BUFFER: usize = 64 * 1024;

/// Reads the body to its end, keeping in the retry buffer as small a tail of it as earns the callback.
pub async fn read_body(session: &mut Session) -> Result<Bytes> {
    if awaits_permission(session) {
        session.as_downstream_mut().write_continue_response().await?;
    }
    let declared = declared_length(session);
    let mut body = BytesMut::new();
    loop {
        let rest = declared.map(|length| length.saturating_sub(body.len()));
        if rest.is_none_or(|rest| rest <= RETRY_BUFFER) {
            session.enable_retry_buffering();
        }
        match session.read_request_body().await? {
            Some(bytes) => body.extend_from_slice(&bytes),
            None => return Ok(body.freeze()),
        }
    }
}

/// Whether each attempt is sure to get one `request_body_filter` call that ends the body, though it was read already.
///
/// Pingora starts to send only if the retry buffer holds something or there is no body at all; else an attempt
/// would wait for a body that never comes.
pub fn earns_callback(session: &mut Session) -> bool {
    session.is_body_empty() || session.get_retry_buffer().is_some()
}

fn declared_length(session: &Session) -> Option<usize> {
    let length = session.req_header().headers.get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

fn awaits_permission(session: &Session) -> bool {
    let request = session.req_header();
    request.version == Version::HTTP_11
        && request.headers.get(EXPECT).is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}
