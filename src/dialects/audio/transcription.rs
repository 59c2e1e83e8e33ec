//! `POST /v1/audio/transcriptions`: a recording to be written down.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::error::{Failure, Garbled, Kind, Refusal};
use crate::multipart::Form;

/// The longest recording, in bytes: as base64 it is 10 MB.
const LONGEST: usize = 7_500_000;
/// The languages that can be named; any other is found out by listening.
const LANGUAGES: &[&str] = &["auto", "zh", "en"];
/// Fields of OpenAI's endpoint that have no place in the chat.
const UNKNOWN: &[&str] = &["prompt", "temperature", "include[]", "timestamp_granularities[]", "chunking_strategy"];

#[derive(Debug, Clone)]
pub struct Transcription {
    recording: Bytes,
    mime: &'static str,
    language: Option<String>,
    is_plain: bool,
    pub(super) dropped: Vec<String>,
}

impl Transcription {
    pub fn read(form: &Form) -> Result<Self, Refusal> {
        let recording = form.file("file").ok_or_else(|| {
            Refusal::invalid("`file` is missing: send the recording as a file of the form.").param("file")
        })?;
        if recording.len() > LONGEST {
            let message = format!("The recording is longer than the {LONGEST} bytes that this model takes.");
            return Err(Refusal::new(Kind::TooLarge, message).param("file"));
        }
        let mime = mime(&recording).ok_or_else(|| {
            let message = "The recording is neither WAV nor MP3; this model takes no others.";
            Refusal::invalid(message).param("file").code("unsupported_value")
        })?;
        let is_plain = match form.get("response_format") {
            None | Some("json") => false,
            Some("text") => true,
            Some(other) => {
                let message = format!("`{other}` needs times, which this model does not tell; ask for json or text.");
                return Err(Refusal::invalid(message).param("response_format").code("unsupported_value"));
            }
        };
        if form.get("stream") == Some("true") {
            let message = "This model does not write while it listens; leave `stream` out.";
            return Err(Refusal::invalid(message).param("stream").code("unsupported_value"));
        }
        let given = form.get("language").filter(|language| !language.is_empty());
        let language = given.filter(|language| LANGUAGES.contains(language)).map(str::to_owned);
        let mut dropped: Vec<String> =
            UNKNOWN.iter().filter(|name| form.count(name) > 0).map(|name| (*name).to_owned()).collect();
        if given.is_some() && language.is_none() {
            dropped.push("language".to_owned());
        }
        Ok(Self { recording, mime, language, is_plain, dropped })
    }

    pub(super) fn write(&self, model: &str) -> Value {
        let data = format!("data:{};base64,{}", self.mime, STANDARD.encode(&self.recording));
        let content = json!([{"type": "input_audio", "input_audio": {"data": data}}]);
        let mut body = json!({"model": model, "messages": [{"role": "user", "content": content}]});
        if let (Some(language), Some(body)) = (&self.language, body.as_object_mut()) {
            body.insert("asr_options".to_owned(), json!({"language": language}));
        }
        body
    }

    pub(super) fn answer(&self, answer: &Value) -> Result<Bytes, Failure> {
        let text = answer.pointer("/choices/0/message/content").and_then(Value::as_str);
        let text = text.ok_or_else(|| Garbled::new("there is no text in it"))?;
        if self.is_plain {
            return Ok(Bytes::copy_from_slice(text.as_bytes()));
        }
        let mut transcription = json!({"text": text});
        let seconds = answer.pointer("/usage/seconds").filter(|seconds| seconds.is_number());
        if let (Some(seconds), Some(transcription)) = (seconds, transcription.as_object_mut()) {
            transcription.insert("usage".to_owned(), json!({"type": "duration", "seconds": seconds}));
        }
        Ok(Bytes::from(transcription.to_string()))
    }

    pub(super) fn content_type(&self) -> &'static str {
        if self.is_plain { "text/plain; charset=utf-8" } else { "application/json" }
    }
}

/// What a recording is, by how it begins.
fn mime(recording: &[u8]) -> Option<&'static str> {
    match recording {
        [b'R', b'I', b'F', b'F', ..] => Some("audio/wav"),
        [b'I', b'D', b'3', ..] => Some("audio/mpeg"),
        [0xff, second, ..] if second & 0xe0 == 0xe0 => Some("audio/mpeg"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)], recording: &str) -> Form {
        let mut body = String::new();
        for (name, value) in fields {
            body.push_str(&format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
        }
        body.push_str(&format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n{recording}\r\n--b--\r\n"
        ));
        Form::read("multipart/form-data; boundary=b", Bytes::from(body)).expect("a form")
    }

    #[test]
    fn a_recording_becomes_a_message_and_the_answer_its_text() {
        let form = form(&[("model", "m"), ("language", "en"), ("prompt", "names")], "RIFF1");
        let transcription = Transcription::read(&form).expect("a recording");
        assert_eq!(
            transcription.write("mimo"),
            json!({"model": "mimo", "asr_options": {"language": "en"}, "messages": [{"role": "user", "content": [
                {"type": "input_audio", "input_audio": {"data": "data:audio/wav;base64,UklGRjE="}}]}]})
        );
        assert_eq!(transcription.dropped, ["prompt"]);
        let answer = json!({"choices": [{"message": {"content": "hello"}}], "usage": {"seconds": 3}});
        assert_eq!(
            transcription.answer(&answer).expect("a text"),
            r#"{"text":"hello","usage":{"seconds":3,"type":"duration"}}"#
        );
        assert!(transcription.answer(&json!({})).is_err());
    }

    #[test]
    fn texts_can_be_plain_and_languages_found_out() {
        let form = form(&[("language", "fr"), ("response_format", "text")], "ID3");
        let transcription = Transcription::read(&form).expect("a recording");
        assert_eq!(
            (transcription.write("m").get("asr_options"), transcription.dropped.as_slice()),
            (None, &["language".to_owned()][..])
        );
        let answer = json!({"choices": [{"message": {"content": "salut"}}]});
        assert_eq!(transcription.answer(&answer).expect("a text"), "salut");
        assert!(transcription.content_type().starts_with("text/plain"));
    }

    #[test]
    fn what_the_model_cannot_do_is_refused() {
        for (fields, recording, part) in [
            (&[][..], "OggS", "neither WAV nor MP3"),
            (&[("response_format", "srt")][..], "RIFF", "needs times"),
            (&[("stream", "true")][..], "RIFF", "while it listens"),
        ] {
            let refusal = Transcription::read(&form(fields, recording)).expect_err("refused");
            assert!(refusal.message.contains(part), "{}", refusal.message);
        }
        let empty = Form::read(
            "a; boundary=b",
            Bytes::from_static(b"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n--b--"),
        );
        assert!(
            Transcription::read(&empty.expect("a form")).expect_err("refused").message.contains("`file` is missing")
        );
    }
}
