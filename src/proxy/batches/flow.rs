//! The ways in which batches are carried out, one for each kind of API.

use super::job::Job;
use super::{anthropic, bedrock, emulated, gemini, openai, vertex, xai};
use crate::error::{Failure, Kind};
use crate::providers::BatchesApi;

/// How a batch is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Native(BatchesApi),
    /// Line by line, through the gateway itself.
    Emulated,
}

/// What a look at a batch has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It goes on. Whether anything was different than before.
    Waiting { is_changed: bool },
    /// All is done that will be done; its results can be had.
    Ended,
    /// It is over, and there is nothing to be had.
    Over,
}

const EMULATED: &str = "emulated";

impl Flow {
    /// As it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native(BatchesApi::Openai) => "openai",
            Self::Native(BatchesApi::Anthropic) => "anthropic",
            Self::Native(BatchesApi::Gemini) => "gemini",
            Self::Native(BatchesApi::Xai) => "xai",
            Self::Native(BatchesApi::Bedrock) => "bedrock",
            Self::Native(BatchesApi::Vertex) => "vertex",
            Self::Emulated => EMULATED,
        }
    }

    pub fn by_name(name: &str) -> Option<Self> {
        let all = [
            BatchesApi::Openai,
            BatchesApi::Anthropic,
            BatchesApi::Gemini,
            BatchesApi::Xai,
            BatchesApi::Bedrock,
            BatchesApi::Vertex,
        ];
        let native = all.into_iter().map(Self::Native).find(|flow| flow.name() == name);
        native.or_else(|| (name == EMULATED).then_some(Self::Emulated))
    }

    /// Whether all requests of a batch must be for one model.
    pub fn takes_one_model(self) -> bool {
        matches!(self, Self::Native(BatchesApi::Gemini | BatchesApi::Bedrock | BatchesApi::Vertex))
    }

    /// Hands it to the provider. It may have been handed over before, by a process that died before it could write that down: whoever
    /// can find out does.
    pub async fn submit(self, job: &mut Job<'_>) -> Result<(), Failure> {
        match self {
            Self::Native(BatchesApi::Openai) => openai::submit(job).await,
            Self::Native(BatchesApi::Anthropic) => anthropic::submit(job).await,
            Self::Native(BatchesApi::Gemini) => gemini::submit(job).await,
            Self::Native(BatchesApi::Xai) => xai::submit(job).await,
            Self::Native(BatchesApi::Bedrock) => bedrock::submit(job).await,
            Self::Native(BatchesApi::Vertex) => vertex::submit(job).await,
            Self::Emulated => Ok(()),
        }
    }

    /// Asks how far it is.
    pub async fn look(self, job: &mut Job<'_>) -> Result<Progress, Failure> {
        match self {
            Self::Native(BatchesApi::Openai) => openai::look(job).await,
            Self::Native(BatchesApi::Anthropic) => anthropic::look(job).await,
            Self::Native(BatchesApi::Gemini) => gemini::look(job).await,
            Self::Native(BatchesApi::Xai) => xai::look(job).await,
            Self::Native(BatchesApi::Bedrock) => bedrock::look(job).await,
            Self::Native(BatchesApi::Vertex) => vertex::look(job).await,
            Self::Emulated => emulated::work(job).await,
        }
    }

    /// Asks that it be stopped.
    pub async fn cancel(self, job: &mut Job<'_>) -> Result<(), Failure> {
        match self {
            Self::Native(BatchesApi::Openai) => openai::cancel(job).await,
            Self::Native(BatchesApi::Anthropic) => anthropic::cancel(job).await,
            Self::Native(BatchesApi::Gemini) => gemini::cancel(job).await,
            Self::Native(BatchesApi::Xai) => xai::cancel(job).await,
            Self::Native(BatchesApi::Bedrock) => bedrock::cancel(job).await,
            Self::Native(BatchesApi::Vertex) => vertex::cancel(job).await,
            Self::Emulated => Ok(()),
        }
    }

    /// Fetches the results of all lines, in any order, and keeps them.
    pub async fn results(self, job: &Job<'_>) -> Result<(), Failure> {
        match self {
            Self::Native(BatchesApi::Openai) => openai::results(job).await,
            Self::Native(BatchesApi::Anthropic) => anthropic::results(job).await,
            Self::Native(BatchesApi::Gemini) => gemini::results(job).await,
            Self::Native(BatchesApi::Xai) => xai::results(job).await,
            Self::Native(BatchesApi::Bedrock) => bedrock::results(job).await,
            Self::Native(BatchesApi::Vertex) => vertex::results(job).await,
            Self::Emulated => Ok(()),
        }
    }

    /// Takes away what was put at the provider for this batch alone.
    pub async fn tidy(self, job: &mut Job<'_>) {
        match self {
            Self::Native(BatchesApi::Bedrock) => bedrock::tidy(job).await,
            Self::Native(BatchesApi::Vertex) => vertex::tidy(job).await,
            _ => Self::tidy_files(job).await,
        }
    }

    async fn tidy_files(job: &mut Job<'_>) {
        let Ok(upstream) = job.upstream() else { return };
        for file in std::mem::take(&mut job.work.uploads) {
            let path = crate::proxy::files::path(&upstream, &file);
            if let Err(why) = job.desk.ask(&upstream, crate::proxy::desk::Ask::delete(&path)).await
                // It was taken away before, by a process that could not write that down any more.
                && why.kind != Kind::NotFound
            {
                log::warn!("{}: the file {file} of {} is left behind: {}", upstream.name(), job.id(), why.message);
            }
        }
    }
}
