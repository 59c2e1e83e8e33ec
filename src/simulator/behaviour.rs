//! How the simulator behaves: how fast, how much, and what goes wrong. Set for the process by flags, and for one
//! request by its `x-simulate` header.

use std::str::FromStr;
use std::time::Duration;

use http::StatusCode;
use thiserror::Error;

use super::kept::Ending;

/// More words than this would only measure the memory of the machine.
const MOST_TOKENS: usize = 16_384;

#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct Behaviour {
    /// Wait before the first byte of an answer, such as 50ms
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0ms")]
    pub latency: Duration,

    /// Wait between two events of a stream, such as 5ms
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0ms")]
    pub pace: Duration,

    /// Words in a text answer, each one a stream event; unset: one sentence that quotes what was asked
    #[arg(long, value_name = "COUNT", value_parser = tokens)]
    pub tokens: Option<usize>,

    /// Answer every model call with this HTTP status
    #[arg(long, value_name = "STATUS", value_parser = error_status)]
    pub error: Option<StatusCode>,

    /// Send this retry-after (in seconds) with the error
    #[arg(long, value_name = "SECONDS")]
    pub retry_after: Option<u32>,

    /// Fail in mid-stream, after this many events of it, and not instead of the answer
    #[arg(long, value_name = "EVENTS")]
    pub error_after: Option<usize>,

    /// Only the first model calls of this process fail (with --error, else 503)
    #[arg(long, value_name = "COUNT")]
    pub fail_first: Option<u32>,

    /// Close the connection after this many events of a stream; 0 hangs up instead of answering
    #[arg(long, value_name = "EVENTS")]
    pub cut: Option<usize>,

    /// A batch is in progress for so many looks at it, and then done; unset: for one
    #[arg(long, value_name = "LOOKS")]
    pub batch_polls: Option<u32>,

    /// How batches end instead of being completed: failed, expired or cancelled
    #[arg(long, value_name = "HOW", value_parser = ending)]
    pub batch_fail: Option<Ending>,

    /// Close the connection after so many bytes of an upload
    #[arg(long, value_name = "BYTES")]
    pub cut_upload: Option<usize>,

    /// Forget uploaded files: they are counted and hashed
    #[arg(long)]
    pub discard_uploads: bool,

    /// The models to list (any name is answered)
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub models: Vec<String>,

    /// Count `fail_first` apart from other requests. Only a request can say it.
    #[arg(skip)]
    pub key: Option<String>,
}

/// An error to be answered instead of an answer.
#[derive(Debug, PartialEq)]
pub struct Fault<'a> {
    pub status: StatusCode,
    pub retry_after: Option<u32>,
    /// After so many events of a stream, and not instead of it.
    pub after: Option<usize>,
    /// `None`: always.
    pub first: Option<u32>,
    pub key: &'a str,
}

#[derive(Debug, Error, PartialEq)]
pub enum BadSetting {
    #[error(
        "unknown setting `{0}`; known are latency, pace, tokens, error, retry-after, error-after, fail-first, cut, batch-polls, \
         batch-fail, cut-upload, discard-uploads and key"
    )]
    Unknown(String),
    #[error("`{0}` has no value; write {0}=…")]
    NoValue(String),
    #[error("{name}=`{value}`: {why}")]
    Value { name: &'static str, value: String, why: String },
}

impl FromStr for Behaviour {
    type Err = BadSetting;

    fn from_str(text: &str) -> Result<Self, BadSetting> {
        Self::default().with(text)
    }
}

impl Behaviour {
    /// These settings on top of the present ones: `latency=50ms, tokens=64, error=none`.
    pub fn with(&self, text: &str) -> Result<Self, BadSetting> {
        let mut new = self.clone();
        for setting in text.split(',').map(str::trim).filter(|s| !s.is_empty()) {
            let (name, value) = setting.split_once('=').ok_or_else(|| BadSetting::NoValue(setting.to_owned()))?;
            new.set(name.trim(), value.trim())?;
        }
        Ok(new)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), BadSetting> {
        match name {
            "latency" => self.latency = read("latency", value, duration)?,
            "pace" => self.pace = read("pace", value, duration)?,
            "tokens" => self.tokens = read("tokens", value, or_none(tokens))?,
            "error" => self.error = read("error", value, or_none(error_status))?,
            "retry-after" => self.retry_after = read("retry-after", value, or_none(whole))?,
            "error-after" => self.error_after = read("error-after", value, or_none(whole))?,
            "fail-first" => self.fail_first = read("fail-first", value, or_none(whole))?,
            "cut" => self.cut = read("cut", value, or_none(whole))?,
            "batch-polls" => self.batch_polls = read("batch-polls", value, or_none(whole))?,
            "batch-fail" => self.batch_fail = read("batch-fail", value, or_none(ending))?,
            "cut-upload" => self.cut_upload = read("cut-upload", value, or_none(whole))?,
            "discard-uploads" => self.discard_uploads = read("discard-uploads", value, yes_or_no)?,
            "key" => self.key = read("key", value, or_none(|key| Ok(key.to_owned())))?,
            _ => return Err(BadSetting::Unknown(name.to_owned())),
        }
        Ok(())
    }

    pub fn fault(&self) -> Option<Fault<'_>> {
        let status = match (self.error, self.fail_first, self.error_after) {
            (Some(status), ..) => status,
            (None, None, None) => return None,
            (None, ..) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Some(Fault {
            status,
            retry_after: self.retry_after,
            after: self.error_after,
            first: self.fail_first,
            key: self.key.as_deref().unwrap_or_default(),
        })
    }

    pub fn batch_polls(&self) -> u32 {
        self.batch_polls.unwrap_or(1)
    }

    pub fn models(&self) -> impl Iterator<Item = &str> {
        const USUAL: &[&str] = &["simulator", "simulator-large", "simulator-embedding"];
        let usual = if self.models.is_empty() { USUAL } else { &[] };
        usual.iter().copied().chain(self.models.iter().map(String::as_str))
    }
}

fn read<T>(name: &'static str, value: &str, reader: impl Fn(&str) -> Result<T, String>) -> Result<T, BadSetting> {
    reader(value).map_err(|why| BadSetting::Value { name, value: value.to_owned(), why })
}

fn or_none<T>(reader: impl Fn(&str) -> Result<T, String>) -> impl Fn(&str) -> Result<Option<T>, String> {
    move |value| match value {
        "none" => Ok(None),
        value => reader(value).map(Some),
    }
}

fn duration(value: &str) -> Result<Duration, String> {
    humantime::parse_duration(value).map_err(|e| format!("not a duration such as 50ms or 2s ({e})"))
}

fn whole<T: FromStr>(value: &str) -> Result<T, String> {
    let not_whole = |_| "not a whole number from 0 up that fits".to_owned();
    value.parse().map_err(not_whole)
}

fn tokens(value: &str) -> Result<usize, String> {
    match whole(value)? {
        count @ 1..=MOST_TOKENS => Ok(count),
        _ => Err(format!("not between 1 and {MOST_TOKENS}")),
    }
}

fn error_status(value: &str) -> Result<StatusCode, String> {
    let status: u16 = whole(value)?;
    match StatusCode::from_u16(status) {
        Ok(status) if status.is_client_error() || status.is_server_error() => Ok(status),
        _ => Err("not an HTTP status from 400 to 599".to_owned()),
    }
}

fn yes_or_no(value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| "neither true nor false".to_owned())
}

fn ending(value: &str) -> Result<Ending, String> {
    match value {
        "failed" => Ok(Ending::Failed),
        "expired" => Ok(Ending::Expired),
        "cancelled" => Ok(Ending::Cancelled),
        _ => Err("none of failed, expired and cancelled".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_can_be_written_in_one_line() {
        let line = "latency=50ms, pace=5ms,tokens=64 , error=429, retry-after=1, error-after=3, fail-first=2, cut=10, \
            batch-polls=4, batch-fail=expired, cut-upload=9, discard-uploads=true, key=a";
        let read: Behaviour = line.parse().unwrap();
        let expected = Behaviour {
            latency: Duration::from_millis(50),
            pace: Duration::from_millis(5),
            tokens: Some(64),
            error: Some(StatusCode::TOO_MANY_REQUESTS),
            retry_after: Some(1),
            error_after: Some(3),
            fail_first: Some(2),
            cut: Some(10),
            batch_polls: Some(4),
            batch_fail: Some(Ending::Expired),
            cut_upload: Some(9),
            discard_uploads: true,
            models: Vec::new(),
            key: Some("a".to_owned()),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_request_can_take_back_what_the_process_was_told() {
        let process: Behaviour = "error=500, tokens=3".parse().unwrap();
        let request = process.with("error=none").unwrap();
        assert_eq!(request.fault(), None);
        assert_eq!(request.tokens, Some(3));
    }

    #[test]
    fn a_failure_without_a_status_is_503() {
        for text in ["fail-first=1", "error-after=1"] {
            let behaviour: Behaviour = text.parse().unwrap();
            assert_eq!(behaviour.fault().unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
        }
    }

    #[test]
    fn a_bad_setting_is_named_with_its_value() {
        let says = |text: &str| text.parse::<Behaviour>().unwrap_err().to_string();
        assert!(says("latency=fast").starts_with("latency=`fast`: not a duration"));
        assert!(says("error=200").contains("400 to 599"));
        assert!(says("tokens=0").contains("between 1 and"));
        assert!(says("cut=-1").contains("whole number"));
        assert!(says("speed=3").contains("unknown setting `speed`"));
        assert!(says("tokens").contains("has no value"));
    }
}
