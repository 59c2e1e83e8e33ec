//! What clients are sent must be what they can read.

use bytes::{Bytes, BytesMut};
use narthex::dialects::framing::FrameKind;
use narthex::dialects::ir::{Event, Response};
use narthex::dialects::{Dialect, Reply};
use narthex::json::Object;
use serde_json::value::RawValue;

pub fn assert_json(body: &[u8]) {
    // Depth is no matter: what was read may be as deep as readers allow, and is written one level deeper.
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read = <&RawValue as serde::Deserialize>::deserialize(&mut deserializer).and_then(|_| deserializer.end());
    read.unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(body)));
}

pub fn replies() -> [Reply; 2] {
    let echo = Object::read(Bytes::from_static(br#"{"model":"m","input":"x","reasoning":{"summary":"auto"}}"#)).ok();
    let rich = Reply {
        model: "m".to_owned(),
        nonce: "n".to_owned(),
        created: 1,
        counts_stream: true,
        shows_thoughts: true,
        is_array: true,
        namespaces: Vec::new(),
        searches_tools: true,
        echo,
    };
    [rich, Reply::default()]
}

pub fn assert_whole(response: &Response) {
    for client in Dialect::ALL {
        for reply in &replies() {
            assert_json(&client.client().write_response(response, reply));
        }
    }
}

pub fn assert_stream(events: &[Event]) {
    for client in Dialect::ALL {
        for reply in &replies() {
            let mut writer = client.client().stream_writer(reply);
            let mut out = BytesMut::new();
            events.iter().for_each(|event| writer.write(event.clone(), &mut out));
            let written = out.len();
            writer.write(Event::End, &mut out);
            assert_eq!(out.len(), written, "nothing comes after the end");
            assert_readable(*client, reply, &out);
        }
    }
}

fn assert_readable(client: Dialect, reply: &Reply, out: &[u8]) {
    if client == Dialect::Gemini && reply.is_array {
        return assert_json(out);
    }
    let mut framing = client.provider().framing();
    framing.push(out);
    while let Some(frame) = framing.next().expect("frames") {
        if frame.data != "[DONE]" {
            assert_json(&frame.data);
        }
        assert!(frame.kind == FrameKind::Event || client == Dialect::Converse);
    }
    assert_eq!(framing.finish().expect("frames"), None, "every event is closed");
}
