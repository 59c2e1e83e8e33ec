//! Amazon's event streams, `application/vnd.amazon.eventstream`: a length, headers, a payload and two checksums per frame
//! (Smithy specification, "Event Stream", §"Amazon Event Stream").

use aws_smithy_eventstream::frame::{read_message_from, write_message_to};
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use aws_smithy_types::str_bytes::StrBytes;
use bytes::{Buf, Bytes, BytesMut};
use serde_json::json;

use super::{Frame, FrameKind, Framing};
use crate::error::Garbled;

/// The two lengths and their checksum, and the checksum of all of it.
const LEAST_FRAME: usize = 16;
/// Amazon allows 24 MB; what says that it is much longer is something else, such as a page of HTML.
const LONGEST_FRAME: usize = 64 << 20;

/// Frames by their lengths. Broken ones end the stream: behind them nothing can be found again.
#[derive(Debug, Default)]
pub struct EventStream {
    pending: BytesMut,
}

impl Framing for EventStream {
    fn push(&mut self, chunk: &[u8]) {
        self.pending.extend_from_slice(chunk);
    }

    fn next(&mut self) -> Result<Option<Frame>, Garbled> {
        let Some(length) = self.pending.first_chunk().map(|bytes| u32::from_be_bytes(*bytes) as usize) else {
            return Ok(None);
        };
        if !(LEAST_FRAME..=LONGEST_FRAME).contains(&length) {
            return Err(Garbled::new("it is no event stream: a frame has an absurd length"));
        }
        if self.pending.len() < length {
            return Ok(None);
        }
        let mut frame = self.pending.split_to(length).freeze();
        let message = read_message_from(&mut frame).map_err(|why| broken(&why))?;
        // Lengths that contradict each other may leave something behind.
        if frame.has_remaining() {
            return Err(Garbled::new("a frame of the event stream is longer than it says"));
        }
        Ok(Some(frame_of(message)))
    }

    fn finish(&mut self) -> Result<Option<Frame>, Garbled> {
        match std::mem::take(&mut self.pending).is_empty() {
            true => Ok(None),
            false => Err(Garbled::new("the event stream ends within a frame")),
        }
    }
}

/// Writes a frame whose payload is JSON. `name` is the event's or the exception's type.
pub fn write_frame(out: &mut BytesMut, kind: FrameKind, name: &'static str, payload: impl Into<Bytes>) {
    let (type_header, message_type) = match kind {
        FrameKind::Event => (":event-type", "event"),
        FrameKind::Exception => (":exception-type", "exception"),
    };
    let header = |name: &'static str, value: &'static str| Header::new(name, HeaderValue::String(value.into()));
    let headers = vec![
        header(type_header, name),
        header(":content-type", "application/json"),
        header(":message-type", message_type),
    ];
    let message = Message::new_from_parts(headers, payload);
    // The writer fills what room there is bit by bit.
    out.reserve(message.payload().len() + 128);
    let written = write_message_to(&message, out);
    // Only headers and payloads of gigabytes fail.
    debug_assert!(written.is_ok(), "{written:?}");
}

/// What the headers make of a message. An error that the service knows nothing more of has headers only; its words become the
/// payload that an exception would have.
fn frame_of(message: Message) -> Frame {
    let text = |name: &str| {
        let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
        header.value().as_string().ok().map(StrBytes::as_bytes).cloned()
    };
    match text(":message-type").as_deref() {
        Some(b"exception") => {
            let name = text(":exception-type").unwrap_or_default();
            Frame::new(FrameKind::Exception, name, message.payload().clone())
        }
        Some(b"error") => {
            let words = text(":error-message").unwrap_or_default();
            let payload = json!({"message": String::from_utf8_lossy(&words)}).to_string();
            Frame::new(FrameKind::Exception, text(":error-code").unwrap_or_default(), payload)
        }
        _ => Frame::new(FrameKind::Event, text(":event-type").unwrap_or_default(), message.payload().clone()),
    }
}

fn broken(why: &aws_smithy_eventstream::error::Error) -> Garbled {
    Garbled::new(format!("a frame of the event stream is broken ({why})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `messageStart` with the payload `{}`, byte by byte as the specification says.
    fn by_hand() -> Vec<u8> {
        let headers = b"\x0b:event-type\x07\0\x0cmessageStart\x0d:content-type\x07\0\x10application/json\x0d:message-type\x07\0\x05event";
        let mut frame = Vec::new();
        frame.extend_from_slice(&u32::try_from(16 + headers.len() + 2).expect("short").to_be_bytes());
        frame.extend_from_slice(&u32::try_from(headers.len()).expect("short").to_be_bytes());
        frame.extend_from_slice(&crc32(&frame).to_be_bytes());
        frame.extend_from_slice(headers);
        frame.extend_from_slice(b"{}");
        frame.extend_from_slice(&crc32(&frame).to_be_bytes());
        frame
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
        })
    }

    fn stream() -> BytesMut {
        let mut out = BytesMut::new();
        write_frame(&mut out, FrameKind::Event, "messageStart", r#"{"role":"assistant"}"#);
        write_frame(&mut out, FrameKind::Event, "contentBlockDelta", r#"{"delta":{"text":"ü€"}}"#);
        write_frame(&mut out, FrameKind::Exception, "throttlingException", r#"{"message":"slow"}"#);
        write_frame(&mut out, FrameKind::Event, "metadata", "");
        out
    }

    fn frames(parts: &[&[u8]]) -> Result<Vec<Frame>, Garbled> {
        let mut framing = EventStream::default();
        let mut frames = Vec::new();
        for part in parts {
            framing.push(part);
            while let Some(frame) = framing.next()? {
                frames.push(frame);
            }
        }
        framing.finish().map(|_| frames)
    }

    #[test]
    fn writes_what_the_specification_says() {
        let mut out = BytesMut::new();
        write_frame(&mut out, FrameKind::Event, "messageStart", "{}");
        assert_eq!(out, by_hand());
    }

    #[test]
    fn frames_do_not_depend_on_where_the_bytes_are_cut() {
        let stream = stream();
        let whole = frames(&[&stream]).expect("frames");
        let names: Vec<_> = whole.iter().map(|frame| (frame.kind, frame.name())).collect();
        assert_eq!(names[0], (FrameKind::Event, "messageStart"));
        assert_eq!(names[2], (FrameKind::Exception, "throttlingException"));
        assert_eq!(whole[1].data, r#"{"delta":{"text":"ü€"}}"#);
        for cut in 0..=stream.len() {
            let (first, second) = stream.split_at(cut);
            assert_eq!(frames(&[first, second]).as_ref(), Ok(&whole), "cut at {cut}");
        }
        assert_eq!(frames(&stream.chunks(1).collect::<Vec<_>>()), Ok(whole));
    }

    #[test]
    fn a_broken_byte_is_noticed_wherever_it_is() {
        let good = by_hand();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x20;
            assert!(frames(&[&bad]).is_err(), "at {at}");
        }
    }

    #[test]
    fn what_is_no_event_stream_is_noticed_at_once() {
        for text in ["<html><body>Bad gateway", "{\"message\":\"x\"}", "\0\0\0\x0f...........", "\0\0\0\0"] {
            let mut framing = EventStream::default();
            framing.push(text.as_bytes());
            assert!(framing.next().is_err(), "{text}");
        }
        assert!(frames(&[&by_hand()[..20]]).is_err());
        assert_eq!(frames(&[]), Ok(vec![]));
    }

    #[test]
    fn an_error_without_a_payload_tells_its_words() {
        let header = |name: &'static str, value: &'static str| Header::new(name, HeaderValue::String(value.into()));
        let headers = vec![
            header(":message-type", "error"),
            header(":error-code", "InternalServerError"),
            header(":error-message", "an \"odd\" one"),
        ];
        let mut out = BytesMut::new();
        write_message_to(&Message::new_from_parts(headers, ""), &mut out).expect("a frame");
        let frame = frames(&[&out]).expect("frames").remove(0);
        assert_eq!((frame.kind, frame.name()), (FrameKind::Exception, "InternalServerError"));
        assert_eq!(frame.data, r#"{"message":"an \"odd\" one"}"#);
    }
}
