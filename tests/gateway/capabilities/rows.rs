//! The providers as they are asked: with the settings that a user would give, at the paths and with the credentials that their
//! documentation tells of (docs/providers/ has the sources).

/// How a provider is to be asked.
pub struct Row {
    pub name: &'static str,
    /// The path of the base URL, where that is not known beforehand.
    pub base: &'static str,
    /// The settings besides the base URL.
    pub settings: &'static str,
    pub model: &'static str,
    pub auth: Auth,
    /// Paths with this in them are authenticated otherwise.
    pub other_auth: Option<(&'static str, Auth)>,
    /// Where clients of these dialects lead: chat, Messages, Responses, Gemini.
    pub paths: [&'static str; 4],
    /// Where a streamed chat leads, if not where a whole one does.
    pub stream: Option<&'static str>,
    /// Where a chat with tools leads, if elsewhere.
    pub tools: Option<&'static str>,
    /// Whether answers can be bound to a schema.
    pub schemas: bool,
    /// A model for embeddings, and where it is asked.
    pub embeddings: Option<(&'static str, &'static str)>,
    pub speech: Option<&'static str>,
    pub transcription: Option<&'static str>,
    /// Its list of models.
    pub models: Option<&'static str>,
    /// Where `/p/{name}/native/thing` leads.
    pub native: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// No key, no header.
    None,
    Bearer,
    Header(&'static str),
    /// AWS Signature Version 4.
    Signed,
    /// A token that was fetched.
    Token,
}

const CHAT: Row = Row {
    name: "",
    base: "",
    settings: "api_key: KEY",
    model: "m",
    auth: Auth::Bearer,
    other_auth: None,
    paths: ["/v1/chat/completions"; 4],
    stream: None,
    tools: None,
    schemas: true,
    embeddings: None,
    speech: None,
    transcription: None,
    models: Some("/v1/models"),
    native: "/v1/native/thing",
};

const CLAUDE: &str = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse";
const GEMINI: &str = "/v1beta/models/gemini-2.5-flash:generateContent";
const VERTEX: &str =
    "/v1beta1/projects/p-1/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent";

pub const ROWS: &[Row] = &[
    Row {
        name: "anthropic",
        model: "claude-sonnet-5",
        auth: Auth::Header("x-api-key"),
        paths: ["/v1/messages"; 4],
        models: Some("/v1/models?limit=1000"),
        ..CHAT
    },
    Row {
        name: "azure",
        model: "gpt-5",
        auth: Auth::Header("api-key"),
        paths: [
            "/openai/v1/chat/completions",
            "/openai/v1/chat/completions",
            "/openai/v1/responses",
            "/openai/v1/chat/completions",
        ],
        embeddings: Some(("text-embedding-3-small", "/openai/v1/embeddings")),
        speech: Some("/openai/v1/audio/speech"),
        transcription: Some("/openai/v1/audio/transcriptions"),
        models: Some("/openai/v1/models"),
        native: "/openai/v1/native/thing",
        ..CHAT
    },
    Row {
        name: "bailian",
        model: "qwen3-max",
        paths: [
            "/compatible-mode/v1/chat/completions",
            "/apps/anthropic/v1/messages",
            "/compatible-mode/v1/responses",
            "/compatible-mode/v1/chat/completions",
        ],
        embeddings: Some(("text-embedding-v4", "/compatible-mode/v1/embeddings")),
        models: Some("/compatible-mode/v1/models"),
        native: "/compatible-mode/v1/native/thing",
        ..CHAT
    },
    Row {
        name: "bedrock",
        settings: "access_key_id: AKTEST, secret_access_key: very-secret, region: eu-west-1",
        model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        auth: Auth::Signed,
        paths: [CLAUDE; 4],
        stream: Some("/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream"),
        embeddings: Some(("amazon.titan-embed-text-v2:0", "/model/amazon.titan-embed-text-v2%3A0/invoke")),
        models: Some("/foundation-models"),
        native: "/native/thing",
        ..CHAT
    },
    Row {
        name: "deepseek",
        model: "deepseek-v4-pro",
        schemas: false,
        paths: ["/chat/completions", "/anthropic/v1/messages", "/responses", "/chat/completions"],
        models: Some("/models"),
        native: "/native/thing",
        ..CHAT
    },
    Row {
        name: "gemini",
        model: "gemini-2.5-flash",
        auth: Auth::Header("x-goog-api-key"),
        other_auth: Some(("/openai/", Auth::Bearer)),
        paths: [GEMINI; 4],
        stream: Some("/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
        embeddings: Some(("gemini-embedding-001", "/v1beta/openai/embeddings")),
        models: Some("/v1beta/openai/models"),
        native: "/v1beta/openai/native/thing",
        ..CHAT
    },
    Row {
        name: "groq",
        model: "llama-3.3-70b-versatile",
        paths: [
            "/openai/v1/chat/completions",
            "/openai/v1/chat/completions",
            "/openai/v1/responses",
            "/openai/v1/chat/completions",
        ],
        embeddings: Some(("nomic-embed-text-v1_5", "/openai/v1/embeddings")),
        speech: Some("/openai/v1/audio/speech"),
        transcription: Some("/openai/v1/audio/transcriptions"),
        models: Some("/openai/v1/models"),
        native: "/openai/v1/native/thing",
        ..CHAT
    },
    Row {
        name: "minimax",
        model: "MiniMax-M3",
        schemas: false,
        paths: ["/v1/chat/completions", "/anthropic/v1/messages", "/v1/responses", "/v1/chat/completions"],
        ..CHAT
    },
    Row {
        name: "ollama",
        settings: "",
        model: "llama3.2",
        auth: Auth::None,
        paths: ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/chat/completions"],
        embeddings: Some(("nomic-embed-text", "/v1/embeddings")),
        speech: Some("/v1/audio/speech"),
        transcription: Some("/v1/audio/transcriptions"),
        ..CHAT
    },
    Row {
        name: "openai",
        model: "gpt-5.5",
        paths: ["/v1/chat/completions", "/v1/chat/completions", "/v1/responses", "/v1/chat/completions"],
        // Its newest models take tools while they think only there.
        tools: Some("/v1/responses"),
        embeddings: Some(("text-embedding-3-small", "/v1/embeddings")),
        speech: Some("/v1/audio/speech"),
        transcription: Some("/v1/audio/transcriptions"),
        ..CHAT
    },
    Row {
        name: "opencode-go",
        model: "glm-5.1",
        schemas: false,
        paths: ["/zen/go/v1/chat/completions"; 4],
        models: Some("/zen/go/v1/models"),
        native: "/zen/go/v1/native/thing",
        ..CHAT
    },
    Row {
        name: "openrouter",
        model: "google/gemini-2.5-flash",
        paths: ["/api/v1/chat/completions", "/api/v1/messages", "/api/v1/responses", "/api/v1/chat/completions"],
        embeddings: Some(("openai/text-embedding-3-small", "/api/v1/embeddings")),
        speech: Some("/api/v1/audio/speech"),
        transcription: Some("/api/v1/audio/transcriptions"),
        models: Some("/api/v1/models"),
        native: "/api/v1/native/thing",
        ..CHAT
    },
    Row {
        name: "oracle",
        base: "/openai/v1",
        settings: "api_key: KEY, models: [openai.gpt-oss-120b]",
        model: "openai.gpt-oss-120b",
        paths: [
            "/openai/v1/chat/completions",
            "/openai/v1/chat/completions",
            "/openai/v1/responses",
            "/openai/v1/chat/completions",
        ],
        models: None,
        native: "/openai/v1/native/thing",
        ..CHAT
    },
    Row {
        name: "vertex",
        settings: "project: p-1, location: europe-west4, models: [google/gemini-2.5-flash], metadata_host: \"HOST\"",
        model: "google/gemini-2.5-flash",
        auth: Auth::Token,
        paths: [VERTEX; 4],
        stream: Some(
            "/v1beta1/projects/p-1/locations/europe-west4/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        ),
        embeddings: Some((
            "google/text-embedding-005",
            "/v1/projects/p-1/locations/europe-west4/publishers/google/models/text-embedding-005:predict",
        )),
        models: None,
        native: "/v1/projects/p-1/locations/europe-west4/native/thing",
        ..CHAT
    },
    Row {
        name: "vllm",
        settings: "",
        model: "meta-llama/Llama-3.1-8B-Instruct",
        auth: Auth::None,
        paths: ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/chat/completions"],
        embeddings: Some(("intfloat/e5-small", "/v1/embeddings")),
        transcription: Some("/v1/audio/transcriptions"),
        ..CHAT
    },
    Row {
        name: "xai",
        model: "grok-4",
        paths: ["/v1/chat/completions", "/v1/chat/completions", "/v1/responses", "/v1/chat/completions"],
        embeddings: Some(("v1", "/v1/embeddings")),
        ..CHAT
    },
    Row {
        name: "xiaomi",
        model: "mimo-v2.5-pro",
        paths: ["/v1/chat/completions", "/anthropic/v1/messages", "/v1/responses", "/v1/chat/completions"],
        // In chats.
        speech: Some("/v1/chat/completions"),
        transcription: Some("/v1/chat/completions"),
        ..CHAT
    },
    Row {
        name: "zai",
        model: "glm-5.1",
        schemas: false,
        paths: [
            "/api/paas/v4/chat/completions",
            "/api/anthropic/v1/messages",
            "/api/paas/v4/chat/completions",
            "/api/paas/v4/chat/completions",
        ],
        embeddings: Some(("embedding-3", "/api/paas/v4/embeddings")),
        speech: Some("/api/paas/v4/audio/speech"),
        transcription: Some("/api/paas/v4/audio/transcriptions"),
        models: Some("/api/paas/v4/models"),
        native: "/api/paas/v4/native/thing",
        ..CHAT
    },
];
