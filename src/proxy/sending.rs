//! A request of which all is there, on its way; and the header of what is answered, which may come before the request's end.
//!
//! Whoever refuses a request without reading it to its end has said why: so it is not the writing that fails then.

use std::pin::pin;

use http::StatusCode;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::protocols::http::v2::client::Http2Session;
use pingora_core::protocols::http::v2::write_body;
use pingora_core::{Error, ErrorType, Result};

use super::{RequestHeader, ResponseHeader};
use crate::rope::Rope;

/// Sends a request, and gives the header of its answer. On HTTP/1.1 the connection has to be a gathered one, which notices what is
/// answered while it writes.
pub async fn send(session: &mut HttpSession, header: Box<RequestHeader>, body: Rope) -> Result<Box<ResponseHeader>> {
    if let HttpSession::H2(h2) = session {
        return send_h2(h2, header, body).await;
    }
    let sent = async {
        session.write_request_header(header).await?;
        let (pieces, last) = body.into_pieces();
        for piece in pieces {
            session.write_request_body(piece, false).await?;
        }
        session.write_request_body(last, true).await?;
        session.finish_request_body().await
    };
    still_answered(sent.await)?;
    final_header(session).await
}

/// Whether there may be an answer: where all was sent, and where the other side would take no more. Not from one that took nothing for
/// so long, and said nothing.
pub fn still_answered(sent: Result<()>) -> Result<()> {
    sent.or_else(|error| match error.etype() {
        ErrorType::WriteError | ErrorType::H2Error => Ok(()),
        _ => Err(error),
    })
}

/// The header of the answer, past those that only inform.
pub async fn final_header(session: &mut HttpSession) -> Result<Box<ResponseHeader>> {
    loop {
        session.read_response_header().await?;
        match session.response_header() {
            // Nobody has asked for another protocol.
            Some(header) if header.status == StatusCode::SWITCHING_PROTOCOLS => {
                return Error::e_explain(ErrorType::InvalidHTTPHeader, "another protocol, which nobody has asked for");
            }
            Some(header) if header.status.is_informational() => {}
            Some(header) => return Ok(Box::new(header.clone())),
            None => return Err(headless()),
        }
    }
}

async fn send_h2(h2: &mut Http2Session, header: Box<RequestHeader>, body: Rope) -> Result<Box<ResponseHeader>> {
    h2.write_request_header(header, false)?;
    let mut writer = h2.take_request_body_writer();
    // The answer's time runs from the request's end.
    let (patience, write_timeout) = (h2.read_timeout.take(), h2.write_timeout);
    let sent = async {
        match &mut writer {
            Some(writer) => {
                let (pieces, last) = body.into_pieces();
                for piece in pieces {
                    write_body(writer, piece, false, write_timeout).await?;
                }
                write_body(writer, last, true, write_timeout).await
            }
            None => Ok(()),
        }
    };
    let mut sent = pin!(sent);
    let is_early = tokio::select! {
        biased;
        read = h2.read_response_header() => {
            read?;
            true
        }
        sent = &mut sent => {
            still_answered(sent)?;
            false
        }
    };
    h2.read_timeout = patience;
    if !is_early {
        h2.read_response_header().await?;
    }
    let Some(header) = h2.response_header().map(|header| Box::new(header.clone())) else { return Err(headless()) };
    if is_early && header.status.is_success() {
        still_answered(sent.await)?;
    }
    Ok(header)
}

fn headless() -> Box<Error> {
    Error::explain(ErrorType::InvalidHTTPHeader, "an answer has a header")
}
