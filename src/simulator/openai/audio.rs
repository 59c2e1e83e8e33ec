//! `POST /audio/transcriptions`, `/audio/translations` and `/audio/speech`. A transcript tells what arrived, so that a test
//! can prove that an upload came through; speech is a short quiet tone in a valid file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::super::answer::{Answer, Events, write_json};
use super::super::script::Pieces;
use super::multipart::{self, Part};
use super::read::{self, Str, bad_value, required};
use crate::error::Refusal;

pub fn transcribe(content_type: Option<&HeaderValue>, body: &[u8]) -> Result<Answer, Refusal> {
    let parts = multipart::parts(content_type, body)?;
    let field = |name: &str| parts.iter().find(|part| part.name == name);
    let text_field = |name: &str| field(name).and_then(|part: &Part| std::str::from_utf8(part.content).ok());
    required(text_field("model"), "model")?;
    let file = required(field("file"), "file")?;
    let said = format!("This is {}, {} bytes long.", file.filename.unwrap_or("a nameless file"), file.content.len());
    if text_field("stream") == Some("true") {
        return Ok(Answer::events(transcript_events(said)));
    }
    match text_field("response_format").unwrap_or("json") {
        "json" => Ok(Answer::json(&Transcript { text: &said, usage: Duration::second() })),
        "verbose_json" => Ok(Answer::json(&Verbose::new(&said))),
        "text" => Ok(plain(format!("{said}\n"))),
        "srt" => Ok(plain(format!("1\n00:00:00,000 --> 00:00:01,000\n{said}\n\n"))),
        "vtt" => Ok(plain(format!("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{said}\n\n"))),
        _ => Err(bad_value("response_format", "is not one of json, verbose_json, text, srt and vtt")),
    }
}

fn plain(text: String) -> Answer {
    Answer::Whole { content_type: "text/plain; charset=utf-8", body: text.into() }
}

#[derive(Serialize)]
struct Transcript<'a> {
    text: &'a str,
    usage: Duration,
}

/// However long a recording is, one second is what we say.
#[derive(Serialize)]
struct Duration {
    r#type: &'static str,
    seconds: f64,
}

impl Duration {
    fn second() -> Self {
        Self { r#type: "duration", seconds: 1.0 }
    }
}

#[derive(Serialize)]
struct Verbose<'a> {
    task: &'static str,
    language: &'static str,
    duration: f64,
    text: &'a str,
    segments: [Segment<'a>; 1],
    usage: Duration,
}

#[derive(Serialize)]
struct Segment<'a> {
    id: usize,
    seek: usize,
    start: f64,
    end: f64,
    text: &'a str,
    tokens: [u32; 0],
    temperature: f64,
    avg_logprob: f64,
    compression_ratio: f64,
    no_speech_prob: f64,
}

impl<'a> Verbose<'a> {
    fn new(text: &'a str) -> Self {
        let segment = Segment {
            id: 0,
            seek: 0,
            start: 0.0,
            end: 1.0,
            text,
            tokens: [],
            temperature: 0.0,
            avg_logprob: 0.0,
            compression_ratio: 1.0,
            no_speech_prob: 0.0,
        };
        Self {
            task: "transcribe",
            language: "english",
            duration: 1.0,
            text,
            segments: [segment],
            usage: Duration::second(),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Event<'a> {
    #[serde(rename = "transcript.text.delta")]
    TextDelta { delta: &'a str },
    #[serde(rename = "transcript.text.done")]
    TextDone { text: &'a str, usage: Usage },
    #[serde(rename = "speech.audio.delta")]
    AudioDelta { audio: String },
    #[serde(rename = "speech.audio.done")]
    AudioDone { usage: Usage },
}

#[derive(Serialize)]
struct Usage {
    r#type: &'static str,
    input_tokens: usize,
    output_tokens: usize,
    total_tokens: usize,
}

impl Usage {
    fn new(input_tokens: usize, output_tokens: usize) -> Self {
        Self { r#type: "tokens", input_tokens, output_tokens, total_tokens: input_tokens + output_tokens }
    }
}

fn push(events: &mut Events, event: &Event) {
    events.push(|out| {
        out.extend_from_slice(b"data: ");
        write_json(out, event);
        out.extend_from_slice(b"\n\n");
    });
}

fn transcript_events(said: String) -> Events {
    let pieces = Pieces::words(said);
    let mut events = Events::default();
    for delta in pieces.iter() {
        push(&mut events, &Event::TextDelta { delta });
    }
    let done = Event::TextDone { text: pieces.text(), usage: Usage::new(1, pieces.len()) };
    push(&mut events, &done);
    events.push(|out| out.extend_from_slice(b"data: [DONE]\n\n"));
    events
}

#[derive(Deserialize)]
struct SpeechRequest<'a> {
    #[serde(borrow)]
    model: Option<Str<'a>>,
    #[serde(borrow)]
    input: Option<Str<'a>>,
    voice: Option<serde::de::IgnoredAny>,
    #[serde(borrow)]
    response_format: Option<Str<'a>>,
    #[serde(borrow)]
    stream_format: Option<Str<'a>>,
}

pub fn speak(body: &[u8]) -> Result<Answer, Refusal> {
    let request: SpeechRequest = read::body(body)?;
    required(request.model, "model")?;
    let input = required(request.input, "input")?;
    required(request.voice, "voice")?;
    let format = request.response_format.as_ref();
    let (content_type, sound) = match format.map_or("mp3", |format| &*format.0) {
        "wav" => ("audio/wav", wav()),
        "pcm" => ("audio/pcm", tone()),
        "mp3" => ("audio/mpeg", mp3()),
        _ => {
            let why = "is none of mp3, wav and pcm, which are all that the simulator can make";
            return Err(bad_value("response_format", why));
        }
    };
    match request.stream_format.as_ref().map(|format| &*format.0) {
        None | Some("audio") => Ok(Answer::Whole { content_type, body: sound.into() }),
        Some("sse") => Ok(Answer::events(sound_events(&input.0, &sound))),
        Some(_) => Err(bad_value("stream_format", "is neither audio nor sse")),
    }
}

fn sound_events(input: &str, sound: &[u8]) -> Events {
    let mut events = Events::default();
    for chunk in sound.chunks(2400) {
        let audio = STANDARD.encode(chunk);
        push(&mut events, &Event::AudioDelta { audio });
    }
    let usage = Usage::new(input.split_whitespace().count(), sound.len().div_ceil(2400));
    push(&mut events, &Event::AudioDone { usage });
    events
}

const SAMPLES_PER_SECOND: u32 = 24_000;

/// A quarter of a second of 16-bit samples.
fn tone() -> Vec<u8> {
    let sample = |at: u32| {
        let phase = f64::from(at) / f64::from(SAMPLES_PER_SECOND) * 440.0 * std::f64::consts::TAU;
        (phase.sin() * 2000.0) as i16
    };
    (0..SAMPLES_PER_SECOND / 4).flat_map(|at| sample(at).to_le_bytes()).collect()
}

fn wav() -> Vec<u8> {
    let sound = tone();
    let length = u32::try_from(sound.len()).unwrap_or_default();
    let mut file = Vec::with_capacity(44 + sound.len());
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + length).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16u32.to_le_bytes());
    // Plain samples, one channel.
    file.extend_from_slice(&[1, 0, 1, 0]);
    file.extend_from_slice(&SAMPLES_PER_SECOND.to_le_bytes());
    file.extend_from_slice(&(SAMPLES_PER_SECOND * 2).to_le_bytes());
    // Two bytes for each moment, sixteen bits for each sample.
    file.extend_from_slice(&[2, 0, 16, 0]);
    file.extend_from_slice(b"data");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&sound);
    file
}

/// Ten frames of silence: MPEG-1 layer III, 128 kbit/s, 44.1 kHz. All zeros after the header is a frame without sound.
fn mp3() -> Vec<u8> {
    const FRAME_BYTES: usize = 417;
    let mut frame = [0; FRAME_BYTES];
    let header = [0xff, 0xfb, 0x90, 0x00];
    for (byte, header) in frame.iter_mut().zip(header) {
        *byte = header;
    }
    frame.repeat(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wav_file_knows_its_length() {
        let file = wav();
        let at = |from: usize| u32::from_le_bytes(file[from..from + 4].try_into().unwrap()) as usize;
        assert_eq!(at(4), file.len() - 8);
        assert_eq!(at(40), file.len() - 44);
    }

    #[test]
    fn formats_that_cannot_be_made_are_refused() {
        let ask = br#"{"model":"m","input":"hi","voice":"alloy","response_format":"opus"}"#;
        let refused = speak(ask).map(|_| ()).unwrap_err();
        assert_eq!(refused.param, Some("response_format"));
    }
}
