//! The providers, one row each, sorted by name. To add one that speaks the OpenAI dialect, add a row: name it, say where it
//! is and what differs from `OPENAI_COMPATIBLE`. The tests say what else a row needs.
//!
//! What the rows claim comes from the vendors' documentation and SDKs as of November 2026.

use super::azure::Azure;
use super::bedrock::Bedrock;
use super::urls::Joined;
use super::vertex::Vertex;
use super::{
    Audio, Auth, BatchesApi, Borrowed, DefaultHeader, Doors, FilesApi, HeaderSource, Key, Native, Place, Provider,
    Quirk, StreamUsage,
};
use crate::dialects::think_tags::ThinkTags;
use crate::dialects::{EffortHabit, Habits};
use crate::endpoints::Operation::{
    self, BatchEmbedContents, Chat, Compact, Completions, Converse, CountContent, CountConverse, CountInput,
    CountMessages, EmbedContent, Embeddings, GenerateContent, ImageEdits, ImageGenerations, ImageVariations, Messages,
    Moderations, Rerank, Responses, Speech, Transcriptions, Translations,
};

/// What a row says unless it says otherwise.
const OPENAI_COMPATIBLE: Provider = Provider {
    name: "",
    title: "",
    base_url: None,
    key: Key::Required,
    auth: Auth::Bearer,
    operations: &[Chat],
    habits: &Habits::COMPATIBLE,
    habits_with: &[],
    doors: Doors::Any,
    audio: Audio::Endpoints,
    keeps_responses: false,
    files: None,
    batches: None,
    places: &[],
    model_list: Some("/models"),
    native: Native { roots: &[], auth: Auth::Bearer },
    headers: &[],
    stream_usage: StreamUsage::OnRequest,
    quirks: &[],
    options: &[],
    choices: &[],
    needs: &[],
    borrowed: &[],
    urls: &Joined,
    example: "",
    note: "",
};

/// The version of the Anthropic API that is asked for when the client names none.
const ANTHROPIC_VERSION: DefaultHeader =
    DefaultHeader { name: "anthropic-version", value: HeaderSource::Fixed("2023-06-01") };

/// What serves models of open weights may leave their thoughts within the text. The option has the last word.
const THINK_TAGS: (&str, &[&str]) = ("think_tags", &["split", "keep"]);

const API_MODES: &[(&str, &[&str])] = &[("api_mode", &["native", "openai"])];
/// Who says by a setting who it is does not want to be somebody else by the environment.
const IDENTITY: &[&str] = &["access_key_id", "api_key", "profile"];

/// The environment of AWS's own tools. What else they read, they read themselves: web identities, containers, machines.
const AMAZONS: &[Borrowed] = &[
    Borrowed::Variables { unless: IDENTITY, variables: &[("AWS_BEARER_TOKEN_BEDROCK", "api_key")] },
    Borrowed::Variables {
        unless: IDENTITY,
        variables: &[
            ("AWS_ACCESS_KEY_ID", "access_key_id"),
            ("AWS_SECRET_ACCESS_KEY", "secret_access_key"),
            ("AWS_SESSION_TOKEN", "session_token"),
        ],
    },
    Borrowed::Variables { unless: IDENTITY, variables: &[("AWS_PROFILE", "profile")] },
    Borrowed::Variables { unless: &["region"], variables: &[("AWS_REGION", "region")] },
    Borrowed::Variables { unless: &["region"], variables: &[("AWS_DEFAULT_REGION", "region")] },
    Borrowed::ProfilesRegion,
];

const GROQ: Habits =
    Habits { max_tokens: Some("max_completion_tokens"), reasoning_text: "reasoning", ..Habits::COMPATIBLE };

pub static TABLE: &[Provider] = &[
    Provider {
        name: "anthropic",
        title: "Anthropic",
        base_url: Some("https://api.anthropic.com/v1"),
        auth: Auth::Header("x-api-key"),
        operations: &[Messages, CountMessages],
        model_list: Some("/models?limit=1000"),
        native: Native { roots: &[], auth: Auth::Header("x-api-key") },
        headers: &[ANTHROPIC_VERSION],
        files: Some(FilesApi::Anthropic),
        batches: Some(BatchesApi::Anthropic),
        example: "claude-sonnet-5",
        note: "Clients of any dialect; the rest of its API by passthrough (`/p/anthropic/v1/skills`).",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "azure",
        title: "Azure OpenAI",
        key: Key::OrOption(&["auth_type", "client_secret", "federated_token_file"]),
        auth: Auth::KeyOrEntra("api-key"),
        operations: &[
            Chat,
            Completions,
            Responses,
            Embeddings,
            ImageGenerations,
            ImageEdits,
            Speech,
            Transcriptions,
            Translations,
        ],
        habits: &Habits::OPENAI,
        doors: Doors::Openai,
        keeps_responses: true,
        options: &[
            "api_version",
            "auth_type",
            "authority_host",
            "client_id",
            "client_secret",
            "deployments",
            "federated_token_file",
            "identity_endpoint",
            "identity_header",
            "metadata_host",
            "tenant_id",
            "think_tags",
        ],
        choices: &[THINK_TAGS, ("auth_type", &["api_key", "client_secret", "workload_identity", "managed_identity"])],
        borrowed: &[
            Borrowed::Variables {
                unless: &["identity_endpoint"],
                variables: &[("IDENTITY_ENDPOINT", "identity_endpoint"), ("IDENTITY_HEADER", "identity_header")],
            },
            Borrowed::Variables {
                unless: &["metadata_host"],
                variables: &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "metadata_host")],
            },
        ],
        urls: &Azure,
        files: Some(FilesApi::Openai),
        batches: Some(BatchesApi::Openai),
        example: "gpt-5",
        note: "Base URL: the resource, its `/openai/v1`, or one deployment; with `api_version` the older surface is used. Without a key, tokens of Entra ID.",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "bailian",
        title: "Alibaba Cloud Model Studio (Bailian)",
        base_url: Some("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
        habits: &Habits {
            effort: EffortHabit::Budget,
            has_top_k: true,
            has_cache_marks: true,
            has_video: true,
            ..Habits::COMPATIBLE
        },
        operations: &[Chat, Responses, Messages, Embeddings, Rerank],
        keeps_responses: true,
        places: &[(Messages, Place::Below("/apps/anthropic/v1")), (Rerank, Place::Host("/compatible-api/v1/reranks"))],
        native: Native { roots: &["api", "apps", "compatible-api"], auth: Auth::Bearer },
        files: Some(FilesApi::Openai),
        batches: Some(BatchesApi::Openai),
        example: "qwen3-max",
        note: "Keys are regional: mainland China is `https://dashscope.aliyuncs.com`, Virginia `https://dashscope-us.aliyuncs.com`.",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "bedrock",
        title: "Amazon Bedrock",
        base_url: Some("https://bedrock-runtime.us-east-1.amazonaws.com"),
        key: Key::Optional,
        auth: Auth::AwsSignature,
        operations: &[Converse, CountConverse, Embeddings],
        quirks: &[Quirk::EmbedsByInvoke],
        model_list: Some("/foundation-models"),
        native: Native { roots: &[], auth: Auth::AwsSignature },
        options: &["access_key_id", "fips", "profile", "region", "secret_access_key", "session_token"],
        borrowed: AMAZONS,
        urls: &Bedrock,
        example: "anthropic.claude-3-5-haiku-20241022-v1:0",
        note: "Base URL: a region or an endpoint. Without an API key requests are signed with AWS credentials: see [bedrock](providers/bedrock.md).",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "deepseek",
        title: "DeepSeek",
        base_url: Some("https://api.deepseek.com"),
        habits: &Habits { effort: EffortHabit::Switch, replays_reasoning: true, ..Habits::COMPATIBLE },
        operations: &[Chat, Completions, Responses, Messages],
        places: &[
            // Fill-in-the-middle is served by the beta surface only.
            (Completions, Place::Host("/beta/completions")),
            (Messages, Place::Below("/anthropic/v1")),
        ],
        native: Native { roots: &["anthropic", "beta", "user"], auth: Auth::Bearer },
        example: "deepseek-v4-pro",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "gemini",
        title: "Google Gemini",
        base_url: Some("https://generativelanguage.googleapis.com/v1beta/openai"),
        habits: &Habits { fetches_urls: false, keeps_google_seals: true, ..Habits::COMPATIBLE },
        operations: &[
            GenerateContent,
            Chat,
            Embeddings,
            ImageGenerations,
            CountContent,
            EmbedContent,
            BatchEmbedContents,
        ],
        places: &[
            (GenerateContent, Place::Below("/v1beta")),
            (CountContent, Place::Below("/v1beta")),
            (EmbedContent, Place::Below("/v1beta")),
            (BatchEmbedContents, Place::Below("/v1beta")),
        ],
        doors: Doors::Native,
        options: &["api_mode"],
        choices: API_MODES,
        native: Native { roots: &["v1alpha", "v1beta", "upload", "download"], auth: Auth::Header("x-goog-api-key") },
        files: Some(FilesApi::Gemini),
        batches: Some(BatchesApi::Gemini),
        example: "gemini-2.5-flash",
        note: "By its own `generateContent`; with `api_mode: openai`, or a base URL that ends in `/openai`, by its compatible surface.",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "groq",
        title: "Groq",
        base_url: Some("https://api.groq.com/openai/v1"),
        habits: &GROQ,
        habits_with: &[("qwen", &Habits { effort: EffortHabit::OnOrOff, ..GROQ })],
        operations: &[Chat, Responses, Embeddings, Speech, Transcriptions, Translations],
        files: Some(FilesApi::Openai),
        batches: Some(BatchesApi::Openai),
        options: &["think_tags"],
        choices: &[THINK_TAGS],
        example: "llama-3.3-70b-versatile",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "minimax",
        title: "MiniMax",
        base_url: Some("https://api.minimax.io/v1"),
        habits: &Habits {
            max_tokens: Some("max_completion_tokens"),
            effort: EffortHabit::None,
            // Else reasoning comes as `<think>…</think>` within the text (platform.minimax.io, "Interleaved thinking").
            splits_reasoning: true,
            think_tags: ThinkTags::Split,
            replays_reasoning: true,
            has_cache_marks: true,
            ..Habits::COMPATIBLE
        },
        operations: &[Chat, Responses, Messages],
        places: &[(Messages, Place::Below("/anthropic/v1"))],
        native: Native { roots: &["anthropic"], auth: Auth::Bearer },
        options: &["think_tags"],
        choices: &[THINK_TAGS],
        // "(0.0, 1.0]" (platform.minimax.io, text generation).
        quirks: &[Quirk::Clamp { member: "temperature", least: 0.01, most: 1.0 }],
        example: "MiniMax-M3",
        note: "Keys for mainland China: base URL `https://api.minimaxi.com`.",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "ollama",
        title: "Ollama",
        base_url: Some("http://localhost:11434/v1"),
        key: Key::Optional,
        habits: &Habits { reasoning_text: "reasoning", ..Habits::COMPATIBLE },
        operations: &[Chat, Completions, Responses, Messages, Embeddings, ImageGenerations, Speech, Transcriptions],
        native: Native { roots: &["api"], auth: Auth::Bearer },
        options: &["think_tags"],
        choices: &[THINK_TAGS],
        example: "llama3.2",
        note: "Registered by its base URL; its native API by passthrough (`/p/ollama/api/chat`).",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "openai",
        title: "OpenAI",
        base_url: Some("https://api.openai.com/v1"),
        operations: &[
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
            CountInput,
            Compact,
        ],
        habits: &Habits::OPENAI,
        doors: Doors::Openai,
        keeps_responses: true,
        files: Some(FilesApi::Openai),
        batches: Some(BatchesApi::Openai),
        options: &["keeps_responses", "think_tags"],
        choices: &[THINK_TAGS],
        example: "gpt-5.5",
        note: "With another base URL: any server that speaks the OpenAI dialect.",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "opencode-go",
        title: "OpenCode Go",
        base_url: Some("https://opencode.ai/zen/go/v1"),
        operations: &[Chat, Responses, Messages],
        doors: Doors::Listed { models: OPENCODE_GO_DOORS, others: Chat, option: ("messages_models", Messages) },
        // Calls without any session id are refused; the client's own wins.
        headers: &[DefaultHeader { name: "x-opencode-session", value: HeaderSource::Session }],
        options: &["messages_models", "think_tags"],
        choices: &[THINK_TAGS],
        example: "glm-5.1",
        note: "Each of its models has one dialect; `messages_models` lists those that speak Anthropic's.",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "openrouter",
        title: "OpenRouter",
        base_url: Some("https://openrouter.ai/api/v1"),
        habits: &Habits {
            reasoning_text: "reasoning",
            replays_reasoning: true,
            effort: EffortHabit::Object,
            has_top_k: true,
            has_cache_marks: true,
            has_video: true,
            draws: true,
            ..Habits::COMPATIBLE
        },
        operations: &[Chat, Responses, Messages, Embeddings, Speech, Transcriptions, Rerank],
        native: Native { roots: &["api"], auth: Auth::Bearer },
        headers: &[
            DefaultHeader { name: "http-referer", value: HeaderSource::Option("site_url", None) },
            DefaultHeader { name: "x-openrouter-title", value: HeaderSource::Option("app_name", Some("narthex")) },
        ],
        stream_usage: StreamUsage::Unasked,
        files: Some(FilesApi::Openai),
        options: &["app_name", "site_url", "think_tags"],
        choices: &[THINK_TAGS],
        example: "google/gemini-2.5-flash",
        note: "Model ids hold slashes: `openrouter/google/gemini-2.5-flash`.",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "oracle",
        title: "Oracle Generative AI",
        habits: &Habits { max_tokens: None, ..Habits::COMPATIBLE },
        operations: &[Chat, Responses],
        keeps_responses: true,
        model_list: None,
        example: "openai.gpt-oss-120b",
        note: "Base URL `https://inference.generativeai.{region}.oci.oraclecloud.com/openai/v1`; list its models yourself.",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "simulator",
        title: "Simulator",
        base_url: Some("http://simulator.internal/v1"),
        key: Key::Optional,
        operations: SIMULATED,
        files: Some(FilesApi::Openai),
        batches: Some(BatchesApi::Openai),
        example: "simulator",
        note: "Built in: answers without any account, for trying things out and for tests.",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "vertex",
        title: "Google Vertex AI",
        base_url: Some("https://aiplatform.googleapis.com"),
        key: Key::Optional,
        auth: Auth::GoogleToken,
        habits: &Habits { fetches_urls: false, keeps_google_seals: true, ..Habits::COMPATIBLE },
        operations: &[GenerateContent, Messages, Chat, CountContent, CountMessages, Embeddings, EmbedContent],
        doors: Doors::Publisher,
        model_list: None,
        native: Native { roots: &[], auth: Auth::GoogleToken },
        quirks: &[Quirk::ClaudeInPath { version: "vertex-2023-10-16" }, Quirk::EmbedsByPredict],
        options: &[
            "api_mode",
            "auth_type",
            "credentials_file",
            "location",
            "metadata_host",
            "project",
            "service_account_file",
            "service_account_json",
        ],
        choices: &[("api_mode", &["native", "openai"]), ("auth_type", &["gcp_adc", "gcp_service_account"])],
        needs: &["project", "location"],
        borrowed: &[
            Borrowed::Variables {
                unless: &["credentials_file"],
                variables: &[("GOOGLE_APPLICATION_CREDENTIALS", "credentials_file")],
            },
            Borrowed::Variables { unless: &["metadata_host"], variables: &[("GCE_METADATA_HOST", "metadata_host")] },
        ],
        urls: &Vertex,
        example: "google/gemini-2.5-flash",
        note: "Gemini by its native API, Claude (`anthropic/…`) by its own, others by the compatible one; list its models yourself.",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "vllm",
        title: "vLLM",
        base_url: Some("http://localhost:8000/v1"),
        key: Key::Optional,
        habits: &Habits { effort: EffortHabit::Template, has_top_k: true, has_video: true, ..Habits::COMPATIBLE },
        operations: &[
            Chat,
            Completions,
            Responses,
            Messages,
            CountMessages,
            Embeddings,
            Transcriptions,
            Translations,
            Rerank,
        ],
        native: Native {
            roots: &[
                "classify",
                "detokenize",
                "health",
                "inference",
                "load",
                "metrics",
                "ping",
                "pooling",
                "score",
                "tokenize",
                "v2",
                "version",
            ],
            auth: Auth::Bearer,
        },
        options: &["think_tags"],
        choices: &[THINK_TAGS],
        example: "meta-llama/Llama-3.1-8B-Instruct",
        note: "Registered by its base URL; its other endpoints by passthrough (`/p/vllm/tokenize`).",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "xai",
        title: "xAI (Grok)",
        base_url: Some("https://api.x.ai/v1"),
        operations: &[Chat, Responses, Embeddings, ImageGenerations, ImageEdits],
        keeps_responses: true,
        // Requests of one conversation meet the cache of one server (docs.x.ai, "Prompt caching").
        headers: &[DefaultHeader { name: "x-grok-conv-id", value: HeaderSource::Conversation }],
        files: Some(FilesApi::Openai),
        batches: Some(BatchesApi::Xai),
        example: "grok-4",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "xiaomi",
        title: "Xiaomi MiMo",
        base_url: Some("https://api.xiaomimimo.com/v1"),
        habits: &Habits {
            max_tokens: Some("max_completion_tokens"),
            replays_reasoning: true,
            has_developer_role: true,
            effort: EffortHabit::Switch,
            has_video: true,
            ..Habits::COMPATIBLE
        },
        operations: &[Chat, Responses, Messages],
        places: &[(Messages, Place::Below("/anthropic/v1"))],
        native: Native { roots: &["anthropic"], auth: Auth::Bearer },
        audio: Audio::Chat,
        options: &["context_suffix"],
        example: "mimo-v2.5-pro",
        note: "Keys of the token plan: base URL `https://token-plan-cn.xiaomimimo.com/v1`.",
        ..OPENAI_COMPATIBLE
    },
    Provider {
        name: "zai",
        title: "Z.ai",
        base_url: Some("https://api.z.ai/api/paas/v4"),
        habits: &Habits {
            effort: EffortHabit::Switch,
            // Else a call comes whole, after a silence (docs.z.ai, "Tool streaming output").
            streams_calls_if_told: true,
            has_video: true,
            ..Habits::COMPATIBLE
        },
        operations: &[Chat, Messages, Embeddings, ImageGenerations, Speech, Transcriptions, Moderations],
        places: &[(Messages, Place::Below("/api/anthropic/v1"))],
        native: Native { roots: &["api"], auth: Auth::Bearer },
        // Its parameter list has only `max_tokens` (docs.z.ai, chat completion reference).
        quirks: &[Quirk::Rename { from: "max_completion_tokens", to: "max_tokens" }],
        example: "glm-5.1",
        note: "Coding plan: base URL `https://api.z.ai/api/coding/paas/v4`; mainland China: `https://open.bigmodel.cn`.",
        ..OPENAI_COMPATIBLE
    },
];

const SIMULATED: &[Operation] = &[
    Chat,
    Completions,
    Responses,
    Messages,
    Embeddings,
    Speech,
    Transcriptions,
    Translations,
    Moderations,
    CountMessages,
    CountInput,
];

/// OpenCode Go's models that are not served as chat completions (its documentation, November 2026).
const OPENCODE_GO_DOORS: &[(&str, Operation)] = &[
    ("claude-haiku-5-5", Messages),
    ("gpt-5.6-luna", Responses),
    ("gpt-6-luna", Responses),
    ("grok-4.7", Responses),
    ("minimax-m2.5", Messages),
    ("minimax-m2.7", Messages),
    ("minimax-m3", Messages),
    ("qwen3.7-max", Messages),
    ("qwen3.7-plus", Messages),
    ("qwen3.8-flash", Messages),
    ("qwen3.8-max", Messages),
];

/// The row of this name. `_` stands for `-` as well, since variables cannot hold the latter.
pub fn find(name: &str) -> Option<&'static Provider> {
    TABLE.iter().find(|row| row.name == name || row.name.replace('-', "_") == name)
}
