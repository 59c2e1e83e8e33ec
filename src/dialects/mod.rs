//! The wire formats. Here is what each of them is called and how it says that something went wrong; reading and writing
//! their requests belongs in a folder for each. Nothing here knows of Pingora, of tokio or of the configuration.

mod errors;

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `POST /v1/chat/completions` and the endpoints that share its conventions.
    OpenaiChat,
    /// `POST /v1/responses`.
    OpenaiResponses,
    /// `POST /v1/messages`.
    Anthropic,
    /// `POST /v1beta/models/{model}:generateContent`.
    Gemini,
    /// Amazon Bedrock's `POST /model/{id}/converse`.
    Converse,
}
