//! `POST /v1/audio/speech`: a text to be read aloud.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::dialects::errors::read_any_failure;
use crate::dialects::framing::Frame;
use crate::error::{Failure, Garbled, Refusal};

#[derive(Debug, Clone)]
pub struct Speech {
    input: String,
    voice: Option<String>,
    instructions: Option<String>,
    format: Format,
    /// Whether the pieces are wanted as events.
    wants_events: bool,
    pub(super) dropped: Vec<String>,
}

/// The formats that both sides know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Mp3,
    Wav,
    /// Samples of 16 bits, 24 000 a second. The only one that comes in pieces.
    Pcm,
}

#[derive(Deserialize)]
struct Body {
    input: String,
    voice: Option<Voice>,
    instructions: Option<String>,
    response_format: Option<String>,
    stream_format: Option<String>,
    speed: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Voice {
    Name(String),
    Own { id: String },
}

impl Speech {
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        let body: Body = serde_json::from_slice(body)
            .map_err(|why| Refusal::invalid(format!("The request for speech cannot be read: {why}.")))?;
        if body.input.is_empty() {
            return Err(Refusal::invalid("`input` is empty: there is nothing to say.").param("input"));
        }
        let format = match body.response_format.as_deref() {
            None | Some("mp3") => Format::Mp3,
            Some("wav") => Format::Wav,
            Some("pcm") => Format::Pcm,
            Some(other) => {
                let message = format!("`{other}` is none of the formats that this model has: mp3, wav, pcm.");
                return Err(Refusal::invalid(message).param("response_format").code("unsupported_value"));
            }
        };
        let wants_events = body.stream_format.as_deref() == Some("sse");
        if wants_events && format != Format::Pcm {
            let message = "Only `response_format: pcm` comes in pieces; ask for it, or leave `stream_format` out.";
            return Err(Refusal::invalid(message).param("stream_format").code("unsupported_value"));
        }
        let voice = body.voice.map(|voice| match voice {
            Voice::Name(name) | Voice::Own { id: name } => name,
        });
        let dropped = body.speed.filter(|speed| *speed != 1.0).map(|_| "speed".to_owned()).into_iter().collect();
        let (input, instructions) = (body.input, body.instructions.filter(|text| !text.is_empty()));
        Ok(Self { input, voice, instructions, format, wants_events, dropped })
    }

    pub(super) fn write(&self, model: &str) -> Value {
        let mut messages = Vec::new();
        if let Some(instructions) = &self.instructions {
            messages.push(json!({"role": "user", "content": instructions}));
        }
        messages.push(json!({"role": "assistant", "content": self.input}));
        let mut audio = json!({"format": match self.format {
            Format::Mp3 => "mp3",
            Format::Wav => "wav",
            Format::Pcm => "pcm16",
        }});
        if let (Some(voice), Some(audio)) = (&self.voice, audio.as_object_mut()) {
            audio.insert("voice".to_owned(), voice.as_str().into());
        }
        let mut body = json!({"model": model, "messages": messages, "audio": audio});
        if let (Format::Pcm, Some(body)) = (self.format, body.as_object_mut()) {
            body.insert("stream".to_owned(), true.into());
        }
        body
    }

    pub(super) fn read_whole(answer: &Value) -> Option<Vec<u8>> {
        let data = answer.pointer("/choices/0/message/audio/data")?.as_str()?;
        STANDARD.decode(data).ok()
    }

    pub(super) fn answer(&self, answer: &Value) -> Result<Bytes, Failure> {
        Ok(Self::read_whole(answer).ok_or_else(|| Garbled::new("there is no audio in it"))?.into())
    }

    pub(super) fn content_type(&self) -> &'static str {
        match self.format {
            Format::Mp3 => "audio/mpeg",
            Format::Wav => "audio/wav",
            Format::Pcm if self.wants_events => "text/event-stream",
            Format::Pcm => "audio/pcm",
        }
    }

    pub(super) fn pieces(&self) -> Option<Pieces> {
        (self.format == Format::Pcm).then_some(Pieces { wants_events: self.wants_events, has_begun: false })
    }
}

/// Speech that comes piece by piece: the chunks of a chat → audio, or OpenAI's `speech.audio.delta` events.
#[derive(Debug)]
pub struct Pieces {
    wants_events: bool,
    has_begun: bool,
}

impl Pieces {
    /// What a chunk has of the audio.
    pub fn read(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), Failure> {
        let data = frame.data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let chunk: Value = serde_json::from_slice(data).map_err(|_| Garbled::new("a chunk is not JSON"))?;
        if chunk.get("error").is_some_and(|error| !error.is_null()) {
            return Err(read_any_failure(http::StatusCode::OK, &http::HeaderMap::new(), data));
        }
        let audio = chunk.pointer("/choices/0/delta/audio/data").or(chunk.pointer("/choices/0/message/audio/data"));
        let Some(encoded) = audio.and_then(Value::as_str).filter(|data| !data.is_empty()) else { return Ok(()) };
        self.has_begun = true;
        if self.wants_events {
            let event = json!({"type": "speech.audio.delta", "audio": encoded});
            out.extend_from_slice(format!("data: {event}\n\n").as_bytes());
        } else {
            out.extend_from_slice(&STANDARD.decode(encoded).map_err(|_| Garbled::new("its audio is not base64"))?);
        }
        Ok(())
    }

    /// What is said after the last piece.
    pub fn end(&self) -> Result<Bytes, Failure> {
        match (self.has_begun, self.wants_events) {
            (false, _) => Err(Garbled::new("there is no audio in it").into()),
            (true, false) => Ok(Bytes::new()),
            (true, true) => Ok(Bytes::from(format!("data: {}\n\n", json!({"type": "speech.audio.done"})))),
        }
    }

    pub fn wants_events(&self) -> bool {
        self.wants_events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::audio::Request;
    use crate::dialects::framing::FrameKind;

    fn frame(data: &str) -> Frame {
        Frame::new(FrameKind::Event, "", Bytes::copy_from_slice(data.as_bytes()))
    }

    fn read(body: &Value) -> Result<Speech, Refusal> {
        Speech::read(body.to_string().as_bytes())
    }

    #[test]
    fn a_text_becomes_the_assistants_words_and_its_audio_the_answer() {
        let asked = json!({"model": "m", "input": "Hello", "voice": "Mia", "instructions": "calm", "speed": 1.5,
                           "response_format": "wav"});
        let speech = read(&asked).expect("speech");
        assert_eq!(
            speech.write("mimo"),
            json!({"model": "mimo", "messages": [{"role": "user", "content": "calm"}, {"role": "assistant", "content": "Hello"}],
                   "audio": {"format": "wav", "voice": "Mia"}})
        );
        assert_eq!((speech.dropped.as_slice(), speech.content_type()), (&["speed".to_owned()][..], "audio/wav"));
        let request = Request::Speech(speech);
        assert!(request.pieces().is_none());
        let answer = json!({"choices": [{"message": {"audio": {"data": STANDARD.encode(b"RIFF")}}}]}).to_string();
        assert_eq!(request.read(answer.as_bytes()), Ok(Bytes::from_static(b"RIFF")));
        assert!(request.read(b"{\"choices\":[]}").is_err());
        let refused = request.read(br#"{"error":{"code":"402","message":"no money"}}"#).expect_err("an error");
        assert_eq!(refused.message, "no money");
    }

    #[test]
    fn samples_come_in_pieces() {
        let speech = read(&json!({"model": "m", "input": "x", "response_format": "pcm"})).expect("speech");
        assert_eq!(speech.write("m")["stream"], true);
        let chunk = |bytes: &[u8]| {
            let data = json!({"choices": [{"delta": {"audio": {"data": STANDARD.encode(bytes)}}}]}).to_string();
            frame(&data)
        };
        let mut pieces = speech.pieces().expect("pieces");
        assert!(pieces.end().is_err(), "nothing was said");
        let mut out = BytesMut::new();
        for bytes in [&b"ab"[..], b"c"] {
            pieces.read(&chunk(bytes), &mut out).expect("a piece");
        }
        pieces.read(&frame("[DONE]"), &mut out).expect("the end");
        assert_eq!((&out[..], pieces.end()), (&b"abc"[..], Ok(Bytes::new())));
        assert!(pieces.read(&frame(r#"{"error":{"message":"x"}}"#), &mut out).is_err());

        let events = json!({"model": "m", "input": "x", "response_format": "pcm", "stream_format": "sse"});
        let mut pieces = read(&events).expect("speech").pieces().expect("pieces");
        let mut out = BytesMut::new();
        pieces.read(&chunk(b"a"), &mut out).expect("a piece");
        assert_eq!(out, "data: {\"audio\":\"YQ==\",\"type\":\"speech.audio.delta\"}\n\n");
        assert!(pieces.end().expect("the end").starts_with(b"data: {\"type\":\"speech.audio.done\"}"));
    }

    #[test]
    fn what_the_model_has_not_is_refused() {
        for (body, part) in [
            (json!({"input": "x", "response_format": "opus"}), "mp3, wav, pcm"),
            (json!({"input": "x", "stream_format": "sse"}), "comes in pieces"),
            (json!({"input": ""}), "nothing to say"),
            (json!({"voice": "x"}), "input"),
        ] {
            let refusal = read(&body).expect_err("refused");
            assert!(refusal.message.contains(part), "{}", refusal.message);
        }
    }
}
