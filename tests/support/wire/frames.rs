//! Amazon's event streams by hand, from the specification: lengths, headers, a payload, two checksums.

use serde_json::Value;

/// A frame as it was read, its checksums proven.
#[derive(Debug)]
pub struct Frame {
    pub headers: Vec<(String, String)>,
    pub payload: Value,
}

impl Frame {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

/// An event with a payload.
pub fn frame(name: &str, payload: &Value) -> Vec<u8> {
    let headers = [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")];
    with_headers(&headers, payload.to_string().as_bytes())
}

/// An exception with a message.
pub fn exception(name: &str, message: &str) -> Vec<u8> {
    let headers = [(":exception-type", name), (":content-type", "application/json"), (":message-type", "exception")];
    with_headers(&headers, serde_json::json!({ "message": message }).to_string().as_bytes())
}

pub fn with_headers(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(u8::try_from(name.len()).expect("a short name"));
        block.extend_from_slice(name.as_bytes());
        // A text, whose length takes two bytes.
        block.push(7);
        block.extend_from_slice(&u16::try_from(value.len()).expect("a short value").to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    let mut frame = Vec::new();
    let length = |length: usize| u32::try_from(length).expect("short").to_be_bytes();
    frame.extend_from_slice(&length(16 + block.len() + payload.len()));
    frame.extend_from_slice(&length(block.len()));
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.extend_from_slice(&block);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame
}

/// Takes a stream apart; fails at the first wrong checksum, and if something is left over.
pub fn read(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        assert!(bytes.len() >= 16, "{} bytes are no frame", bytes.len());
        let (length, headers) = (number(&bytes[..4]), number(&bytes[4..8]));
        assert_eq!(number(&bytes[8..12]), crc32(&bytes[..8]) as usize, "the checksum of the prelude");
        let (frame, rest) = bytes.split_at_checked(length).expect("a whole frame");
        let (body, checksum) = frame.split_at(length - 4);
        assert_eq!(number(checksum), crc32(body) as usize, "the checksum of the message");
        let payload = &body[12 + headers..];
        frames.push(Frame {
            headers: read_headers(&body[12..12 + headers]),
            payload: serde_json::from_slice(payload).expect("a payload of JSON"),
        });
        bytes = rest;
    }
    frames
}

fn read_headers(mut block: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let mut headers = Vec::new();
    while let Some((length, rest)) = block.split_first() {
        let (name, rest) = rest.split_at(usize::from(*length));
        assert_eq!(rest[0], 7, "only texts are expected");
        let (value, rest) = rest[3..].split_at(number(&[0, 0, rest[1], rest[2]]));
        headers.push((text(name), text(value)));
        block = rest;
    }
    headers
}

fn number(bytes: &[u8]) -> usize {
    u32::from_be_bytes(bytes.try_into().expect("four bytes")) as usize
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
