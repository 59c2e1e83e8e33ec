//! What a model is asked to do.

use crate::dialects::Dialect;

/// What an endpoint does. A provider's row says which of these it serves, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    Chat,
    Completions,
    Responses,
    Embeddings,
    ImageGenerations,
    ImageEdits,
    ImageVariations,
    Speech,
    Transcriptions,
    Translations,
    Moderations,
    Rerank,
    /// Anthropic's messages.
    Messages,
    CountMessages,
    /// Gemini's way of running a model.
    GenerateContent,
    CountContent,
    EmbedContent,
    BatchEmbedContents,
    /// Bedrock's way of running a model.
    Converse,
    CountConverse,
    /// Counting the tokens of a request for OpenAI's responses.
    CountInput,
    /// Making a conversation shorter.
    Compact,
}

impl Operation {
    pub const ALL: &[Self] = &[
        Self::Chat,
        Self::Completions,
        Self::Responses,
        Self::Embeddings,
        Self::ImageGenerations,
        Self::ImageEdits,
        Self::ImageVariations,
        Self::Speech,
        Self::Transcriptions,
        Self::Translations,
        Self::Moderations,
        Self::Rerank,
        Self::Messages,
        Self::CountMessages,
        Self::GenerateContent,
        Self::CountContent,
        Self::EmbedContent,
        Self::BatchEmbedContents,
        Self::Converse,
        Self::CountConverse,
        Self::CountInput,
        Self::Compact,
    ];

    /// As it reads in messages, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat completions",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
            Self::ImageGenerations => "image generations",
            Self::ImageEdits => "image edits",
            Self::ImageVariations => "image variations",
            Self::Speech => "speech",
            Self::Transcriptions => "transcriptions",
            Self::Translations => "translations",
            Self::Moderations => "moderations",
            Self::Rerank => "rerank",
            Self::Messages => "messages",
            Self::GenerateContent => "generate content",
            Self::Converse => "converse",
            Self::CountMessages | Self::CountContent | Self::CountConverse | Self::CountInput => "count tokens",
            Self::EmbedContent | Self::BatchEmbedContents => "embed content",
            Self::Compact => "compact",
        }
    }

    /// The dialect in which it is asked and answered.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Responses | Self::CountInput | Self::Compact => Dialect::OpenaiResponses,
            Self::Messages | Self::CountMessages => Dialect::Anthropic,
            Self::GenerateContent | Self::CountContent | Self::EmbedContent | Self::BatchEmbedContents => {
                Dialect::Gemini
            }
            Self::Converse | Self::CountConverse => Dialect::Converse,
            _ => Dialect::OpenaiChat,
        }
    }

    /// The operation by which a dialect has a model answer. These can stand in for each other.
    pub fn generating(dialect: Dialect) -> Self {
        match dialect {
            Dialect::OpenaiChat => Self::Chat,
            Dialect::OpenaiResponses => Self::Responses,
            Dialect::Anthropic => Self::Messages,
            Dialect::Gemini => Self::GenerateContent,
            Dialect::Converse => Self::Converse,
        }
    }

    /// Whether a model answers in words: then a provider of any dialect will do.
    pub fn generates(self) -> bool {
        self == Self::generating(self.dialect())
    }

    /// Whether it only counts the tokens of a request.
    pub fn counts(self) -> bool {
        matches!(self, Self::CountMessages | Self::CountContent | Self::CountConverse | Self::CountInput)
    }

    /// Whether it is done without a provider where none of them can.
    pub fn can_be_done_here(self) -> bool {
        self.counts() || self == Self::Compact
    }

    /// Whether the model stands in the path, not in the body.
    pub fn has_model_in_path(self) -> bool {
        matches!(
            self,
            Self::GenerateContent
                | Self::CountContent
                | Self::EmbedContent
                | Self::BatchEmbedContents
                | Self::Converse
                | Self::CountConverse
        )
    }

    /// Where its inventor serves it, below the base URL; most compatible providers do the same. [`MODEL`] stands for the model.
    pub fn path(self, is_stream: bool) -> &'static str {
        match (self, is_stream) {
            (Self::GenerateContent, true) => "/models/{model}:streamGenerateContent?alt=sse",
            (Self::Converse, true) => "/model/{model}/converse-stream",
            _ => self.whole_path(),
        }
    }

    fn whole_path(self) -> &'static str {
        match self {
            Self::Chat => "/chat/completions",
            Self::Completions => "/completions",
            Self::Responses => "/responses",
            Self::Embeddings => "/embeddings",
            Self::ImageGenerations => "/images/generations",
            Self::ImageEdits => "/images/edits",
            Self::ImageVariations => "/images/variations",
            Self::Speech => "/audio/speech",
            Self::Transcriptions => "/audio/transcriptions",
            Self::Translations => "/audio/translations",
            Self::Moderations => "/moderations",
            Self::Rerank => "/rerank",
            Self::Messages => "/messages",
            Self::CountMessages => "/messages/count_tokens",
            Self::GenerateContent => "/models/{model}:generateContent",
            Self::CountContent => "/models/{model}:countTokens",
            Self::EmbedContent => "/models/{model}:embedContent",
            Self::BatchEmbedContents => "/models/{model}:batchEmbedContents",
            Self::Converse => "/model/{model}/converse",
            Self::CountConverse => "/model/{model}/count-tokens",
            Self::CountInput => "/responses/input_tokens",
            Self::Compact => "/responses/compact",
        }
    }
}

/// Stands for the model in a path.
pub const MODEL: &str = "{model}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_stands_in_the_path_or_in_the_body() {
        for operation in Operation::ALL {
            assert_eq!(operation.has_model_in_path(), operation.path(false).contains(MODEL), "{}", operation.name());
            assert_eq!(operation.has_model_in_path(), operation.path(true).contains(MODEL), "{}", operation.name());
        }
    }
}
