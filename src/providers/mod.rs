//! What the gateway knows of each kind of upstream, as data: a provider is a row of [`catalog::TABLE`]. The columns are
//! explained here; the few providers whose URLs need code have a file each. Which instances a user has configured and
//! which of them serves a request is none of this room's business (see `config`, `routing`).

mod azure;
mod base_url;
pub mod bedrock;
mod bucket;
pub mod catalog;
mod instance;
pub mod page;
mod urls;
pub mod vertex;

pub use base_url::BaseUrl;
pub use bucket::Bucket;
pub use instance::{Instance, ListMode, Timeouts};
pub use urls::{Call, Destination, Listing, UNRESERVED, Urls, check_segments, is_segment, with_query};

use crate::dialects::Habits;
use crate::endpoints::Operation;

/// A kind of upstream.
pub struct Provider {
    /// What configuration and model names call it.
    pub name: &'static str,
    /// Its name as its makers write it.
    pub title: &'static str,
    /// Where it is reached unless configured otherwise. `None`: only the user can know.
    pub base_url: Option<&'static str>,
    pub key: Key,
    pub auth: Auth,
    /// What it serves. Of those by which a model answers ([`Operation::generates`]) the first is taken for clients of a dialect
    /// that it does not speak.
    pub operations: &'static [Operation],
    /// How it departs from OpenAI's chat dialect.
    pub habits: &'static Habits,
    /// The same for models whose ids hold these words, in small letters.
    pub habits_with: &'static [(&'static str, &'static Habits)],
    /// Models that it serves by one operation only.
    pub doors: Doors,
    /// How its models speak and listen, where it has no endpoints for that.
    pub audio: Audio,
    /// Whether it keeps responses, to be asked for again and continued.
    pub keeps_responses: bool,
    /// How it keeps files; `None`: it keeps none that others could ask for.
    pub files: Option<FilesApi>,
    /// How it takes many requests at once.
    pub batches: Option<BatchesApi>,
    /// Where it serves an operation elsewhere than usual.
    pub places: &'static [(Operation, Place)],
    /// The path of its list of models below the base URL; `None`: it has none, models are configured.
    pub model_list: Option<&'static str>,
    /// Its own API beside the OpenAI-compatible one, reached by passthrough.
    pub native: Native,
    /// Sent with every request, unless the client sends its own.
    pub headers: &'static [DefaultHeader],
    pub stream_usage: StreamUsage,
    /// Edits to outgoing bodies.
    pub quirks: &'static [Quirk],
    /// Settings that only this provider has, as `config.yaml` spells them; the variable's name is the same in capitals.
    pub options: &'static [&'static str],
    /// What these options can be.
    pub choices: &'static [(&'static str, &'static [&'static str])],
    /// Options that it cannot do without, unless it has a key.
    pub needs: &'static [&'static str],
    /// What is taken from the environment besides the variables that bear its name.
    pub borrowed: &'static [Borrowed],
    pub urls: &'static dyn Urls,
    /// A model id for examples.
    pub example: &'static str,
    /// What to know before using it; one line for the generated documentation.
    pub note: &'static str,
}

/// Which of a provider's operations a model is served by, where not by all.
#[derive(Debug, Clone, Copy)]
pub enum Doors {
    /// Every model by every operation.
    Any,
    /// As OpenAI does: what is known of its models tells.
    Openai,
    /// Every model by the provider's own API, whatever the client speaks: it can say more than the compatible one. With the option
    /// `api_mode: openai`, by the compatible one, which its own clients are the only ones not to use.
    Native,
    /// As Google's cloud does: by the publisher in the model's id (`anthropic/…`). With the option `api_mode: openai`, Google's
    /// models by the compatible API, which its own clients are the only ones not to use.
    Publisher,
    /// By the model's id; the last one for the models that are not listed. The option of this name, a list of models, takes the place
    /// of those listed for the operation.
    Listed { models: &'static [(&'static str, Operation)], others: Operation, option: (&'static str, Operation) },
}

/// How speech is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audio {
    /// By OpenAI's endpoints, as far as it serves them.
    Endpoints,
    /// In chats: requests for speech and transcriptions are made into them.
    Chat,
}

/// How files are put at a provider, and asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilesApi {
    /// As OpenAI has it: `POST /files` with a form.
    Openai,
    /// The same with objects of Anthropic's own, and without purposes.
    Anthropic,
    /// Google's resumable uploads (ai.google.dev/api/files).
    Gemini,
}

/// How many requests at once are handed to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchesApi {
    /// As OpenAI has it: `POST /batches` for a file of lines.
    Openai,
    /// Anthropic's Message Batches: all requests in one body.
    Anthropic,
    /// Gemini's `:batchGenerateContent` for a file of lines.
    Gemini,
    /// xAI's: a batch is made, then requests are added to it.
    Xai,
    /// Bedrock's model invocation jobs, for lines in a bucket of S3.
    Bedrock,
    /// Vertex AI's batch prediction jobs, for lines in a bucket of Cloud Storage.
    Vertex,
}

impl BatchesApi {
    /// Whether the lines are read from a file that the provider keeps, and stand there in OpenAI's form.
    pub fn takes_files(self) -> bool {
        self == Self::Openai
    }

    /// Whether the lines are read from a bucket, which the user has to name.
    pub fn needs_bucket(self) -> bool {
        matches!(self, Self::Bedrock | Self::Vertex)
    }
}

/// What a provider needs of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Required,
    /// Works without, as servers on one's own machine do.
    Optional,
    /// Any of these options says what takes its place.
    OrOption(&'static [&'static str]),
}

/// How a request shows who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer …` (RFC 6750).
    Bearer,
    /// The key alone in this header.
    Header(&'static str),
    /// AWS Signature Version 4 for this service; with a key, which Bedrock has as well, that as a bearer.
    AwsSignature(AwsService),
    /// The key alone in this header; without a key, a token of Microsoft Entra ID as a bearer.
    KeyOrEntra(&'static str),
    /// A Google OAuth 2 access token as a bearer; with a key, that in `x-goog-api-key`.
    GoogleToken,
}

impl Auth {
    /// The same identity, where it opens the cloud's storage.
    pub fn at_storage(self) -> Self {
        match self {
            Self::AwsSignature(_) => Self::AwsSignature(AwsService::S3),
            other => other,
        }
    }
}

/// What a signature of AWS is for: each service reads a request in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsService {
    /// Both of Bedrock's: models and their administration.
    Bedrock,
    S3,
}

/// Where an operation is served, when not at its usual path below the base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At this path below the base URL.
    Base(&'static str),
    /// At this path below the host, whatever path the base URL has; authenticated as the native API is.
    Host(&'static str),
    /// At its usual path below this one, which is below the host; authenticated as the native API is.
    Below(&'static str),
}

/// A provider's own API.
#[derive(Debug, Clone, Copy)]
pub struct Native {
    /// First segments of paths that belong to the host's root instead of the base URL.
    pub roots: &'static [&'static str],
    /// How these paths are authenticated.
    pub auth: Auth,
}

/// Where settings come from that nobody has made for us: the variables and files of the provider's own tools.
#[derive(Debug, Clone, Copy)]
pub enum Borrowed {
    /// Variables and the settings that they stand for, all of one kind: taken where the first is set, and none of the settings
    /// `unless` is.
    Variables { unless: &'static [&'static str], variables: &'static [(&'static str, &'static str)] },
    /// The region of the instance's profile, of AWS_PROFILE's or of the default one.
    ProfilesRegion,
}

/// A header that a provider wants.
#[derive(Debug, Clone, Copy)]
pub struct DefaultHeader {
    pub name: &'static str,
    pub value: HeaderSource,
}

#[derive(Debug, Clone, Copy)]
pub enum HeaderSource {
    Fixed(&'static str),
    /// The option of this name; when it is not set this default, if there is one.
    Option(&'static str, Option<&'static str>),
    /// An id that stays the same while the process lives.
    Session,
    /// An id that stays the same while a chat goes on, made of how it began.
    Conversation,
}

/// Whether a stream of chat chunks tells its token counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamUsage {
    /// Only when asked by `stream_options.include_usage`.
    OnRequest,
    /// Always, or it cannot be asked.
    Unasked,
}

/// A declared edit to an outgoing body.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quirk {
    /// The provider knows this member under another name. Left alone where both are given.
    Rename { from: &'static str, to: &'static str },
    /// A number that must not lie outside: it is brought to the nearer end.
    Clamp { member: &'static str, least: f64, most: f64 },
    /// Anthropic's bodies as clouds want them: the model is in the path, and `anthropic_version` in the body.
    ClaudeInPath { version: &'static str },
    /// Embeddings are made by Google's `:predict`.
    EmbedsByPredict,
    /// Embeddings are made by Bedrock's InvokeModel.
    EmbedsByInvoke,
}

impl Provider {
    /// The start of its environment variables: `OPENCODE_GO` for `opencode-go`.
    pub fn env_prefix(&self) -> String {
        self.name.to_ascii_uppercase().replace('-', "_")
    }

    pub fn serves(&self, operation: Operation) -> bool {
        self.operations.contains(&operation)
    }

    /// Where an operation is served, if not where it usually is.
    pub fn place(&self, operation: Operation) -> Option<Place> {
        self.places.iter().find(|(served, _)| *served == operation).map(|(_, place)| *place)
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
