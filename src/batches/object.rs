//! A batch as clients are shown it: OpenAI's object (`GET /v1/batches/{id}`), and Anthropic's made of it (`GET
//! /v1/messages/batches/{id}`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::files::rfc3339;

/// OpenAI's object. What a provider's own has beyond these members is kept in `other`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Batch {
    pub id: String,
    #[serde(default = "object")]
    pub object: String,
    pub endpoint: String,
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub errors: Option<LineErrors>,
    #[serde(default)]
    pub input_file_id: Option<String>,
    #[serde(default)]
    pub completion_window: String,
    pub status: Status,
    #[serde(default)]
    pub output_file_id: Option<String>,
    #[serde(default)]
    pub error_file_id: Option<String>,
    /// This and the other times in seconds since 1970.
    #[serde(default)]
    pub created_at: u64,
    #[serde(default)]
    pub in_progress_at: Option<u64>,
    #[serde(default)]
    pub expires_at: Option<u64>,
    #[serde(default)]
    pub finalizing_at: Option<u64>,
    #[serde(default)]
    pub completed_at: Option<u64>,
    #[serde(default)]
    pub failed_at: Option<u64>,
    #[serde(default)]
    pub expired_at: Option<u64>,
    #[serde(default)]
    pub cancelling_at: Option<u64>,
    #[serde(default)]
    pub cancelled_at: Option<u64>,
    #[serde(default)]
    pub request_counts: Option<RequestCounts>,
    #[serde(default)]
    pub usage: Option<Usage>,
    #[serde(default)]
    pub metadata: Option<Map<String, Value>>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Validating,
    Failed,
    InProgress,
    Finalizing,
    Completed,
    Expired,
    Cancelling,
    Cancelled,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCounts {
    #[serde(default)]
    pub total: u64,
    #[serde(default)]
    pub completed: u64,
    #[serde(default)]
    pub failed: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LineErrors {
    #[serde(default = "list")]
    pub object: String,
    #[serde(default)]
    pub data: Vec<LineError>,
}

/// OpenAI's `errors.data[]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LineError {
    pub code: Option<String>,
    #[serde(default)]
    pub line: Option<u64>,
    pub message: Option<String>,
    #[serde(default)]
    pub param: Option<String>,
}

/// Tokens of all lines together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    #[serde(default)]
    pub input_tokens: u64,
    #[serde(default)]
    pub input_tokens_details: InputDetails,
    #[serde(default)]
    pub output_tokens: u64,
    #[serde(default)]
    pub output_tokens_details: OutputDetails,
    #[serde(default)]
    pub total_tokens: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputDetails {
    #[serde(default)]
    pub cached_tokens: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputDetails {
    #[serde(default)]
    pub reasoning_tokens: u64,
}

/// How its lines ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub total: u64,
    pub succeeded: u64,
    pub errored: u64,
    pub canceled: u64,
    pub expired: u64,
}

fn object() -> String {
    "batch".to_owned()
}

fn list() -> String {
    "list".to_owned()
}

impl Status {
    /// Whether nothing more will happen.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Failed | Self::Completed | Self::Expired | Self::Cancelled)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::Failed => "failed",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Completed => "completed",
            Self::Expired => "expired",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Counts {
    pub fn as_openai(self) -> RequestCounts {
        let failed = self.errored + self.canceled + self.expired;
        RequestCounts { total: self.total, completed: self.succeeded, failed }
    }

    pub fn ended(self) -> u64 {
        self.succeeded + self.errored + self.canceled + self.expired
    }

    /// What a batch has come to when all of its lines have ended.
    pub fn verdict(self) -> Status {
        match () {
            () if self.canceled > 0 && self.canceled + self.errored == self.total => Status::Cancelled,
            () if self.expired > 0 && self.expired + self.errored == self.total => Status::Expired,
            () => Status::Completed,
        }
    }
}

impl Batch {
    /// Changes the status, and notes when.
    pub fn enter(&mut self, status: Status, now: u64) {
        if self.status == status {
            return;
        }
        self.status = status;
        let moment = match status {
            Status::Validating => return,
            Status::Failed => &mut self.failed_at,
            Status::InProgress => &mut self.in_progress_at,
            Status::Finalizing => &mut self.finalizing_at,
            Status::Completed => &mut self.completed_at,
            Status::Expired => &mut self.expired_at,
            Status::Cancelling => &mut self.cancelling_at,
            Status::Cancelled => &mut self.cancelled_at,
        };
        moment.get_or_insert(now);
    }

    /// It cannot be carried out.
    pub fn fail(&mut self, errors: Vec<LineError>, now: u64) {
        self.errors = Some(LineErrors { object: list(), data: errors });
        self.enter(Status::Failed, now);
    }

    /// Anthropic's object. `is_whole`: its results can be had.
    pub fn as_message_batch(&self, counts: Counts, results_url: impl FnOnce() -> String) -> Value {
        let time = |seconds: Option<u64>| seconds.map(rfc3339);
        let ended =
            [self.completed_at, self.cancelled_at, self.expired_at, self.failed_at].into_iter().flatten().next();
        let status = match self.status {
            Status::Cancelling => "canceling",
            status if status.is_over() => "ended",
            _ => "in_progress",
        };
        let counts = match self.status.is_over() {
            // What was never begun has failed with the batch.
            true => Counts { errored: counts.errored + counts.total.saturating_sub(counts.ended()), ..counts },
            // Anthropic counts nothing before the end.
            false => Counts { total: counts.total, ..Counts::default() },
        };
        json!({
            "id": self.id,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": {
                "processing": counts.total.saturating_sub(counts.ended()),
                "succeeded": counts.succeeded,
                "errored": counts.errored,
                "canceled": counts.canceled,
                "expired": counts.expired,
            },
            "created_at": rfc3339(self.created_at),
            "expires_at": rfc3339(self.expires_at.unwrap_or(self.created_at.saturating_add(24 * 3600))),
            "ended_at": time(ended.filter(|_| self.status.is_over())),
            "cancel_initiated_at": time(self.cancelling_at),
            "archived_at": null,
            "results_url": self.status.is_over().then(results_url),
        })
    }
}

impl Usage {
    pub fn add(&mut self, more: Self) {
        self.input_tokens += more.input_tokens;
        self.input_tokens_details.cached_tokens += more.input_tokens_details.cached_tokens;
        self.output_tokens += more.output_tokens;
        self.output_tokens_details.reasoning_tokens += more.output_tokens_details.reasoning_tokens;
        self.total_tokens = self.input_tokens + self.output_tokens;
    }

    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_providers_members_are_kept() {
        let text = r#"{"id":"b","object":"batch","endpoint":"/v1/responses","status":"in_progress","created_at":5,"request_counts":{"total":2,"completed":1,"failed":0},"x_own":{"a":1}}"#;
        let mut batch: Batch = serde_json::from_str(text).expect("a batch");
        batch.enter(Status::Completed, 9);
        batch.enter(Status::Completed, 10);
        let shown = serde_json::to_value(&batch).expect("JSON");
        assert_eq!(
            (&shown["x_own"]["a"], &shown["completed_at"], &shown["status"]),
            (&1.into(), &9.into(), &"completed".into())
        );
    }

    #[test]
    fn anthropic_counts_nothing_before_the_end() {
        let mut batch = Batch { id: "b".to_owned(), created_at: 5, ..Batch::default() };
        let counts = Counts { total: 3, succeeded: 2, errored: 1, ..Counts::default() };
        let shown = batch.as_message_batch(counts, || "url".to_owned());
        assert_eq!(shown["request_counts"]["processing"], 3);
        assert!(shown["results_url"].is_null() && shown["ended_at"].is_null());
        batch.enter(counts.verdict(), 65);
        let shown = batch.as_message_batch(counts, || "url".to_owned());
        assert_eq!(shown["processing_status"], "ended");
        assert_eq!(shown["request_counts"]["errored"], 1);
        assert_eq!(shown["ended_at"], "1970-01-01T00:01:05Z");
    }

    #[test]
    fn the_verdict_is_about_all_lines() {
        let counts = |succeeded, errored, canceled, expired| Counts {
            total: succeeded + errored + canceled + expired,
            succeeded,
            errored,
            canceled,
            expired,
        };
        assert_eq!(counts(0, 2, 0, 0).verdict(), Status::Completed);
        assert_eq!(counts(0, 0, 2, 0).verdict(), Status::Cancelled);
        assert_eq!(counts(1, 0, 2, 0).verdict(), Status::Completed);
        assert_eq!(counts(0, 1, 0, 2).verdict(), Status::Expired);
    }
}
