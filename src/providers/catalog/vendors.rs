//! Those that are reached by a key at one public address.

use super::{API_MODES, OPENAI_COMPATIBLE, THINK_TAGS};
use crate::dialects::think_tags::ThinkTags;
use crate::dialects::{EffortHabit, Habits};
use crate::endpoints::Operation::{
    self, BatchEmbedContents, Chat, Compact, Completions, CountContent, CountInput, CountMessages, EmbedContent,
    Embeddings, GenerateContent, ImageEdits, ImageGenerations, ImageVariations, Messages, Moderations, Rerank,
    Responses, Speech, Transcriptions, Translations,
};
use crate::providers::{
    Audio, Auth, BatchesApi, DefaultHeader, Doors, FilesApi, HeaderSource, Native, Place, Provider, Quirk, StreamUsage,
};

/// The version of the Anthropic API that is asked for when the client names none.
const ANTHROPIC_VERSION: DefaultHeader =
    DefaultHeader { name: "anthropic-version", value: HeaderSource::Fixed("2023-06-01") };

/// Of its models only Qwen and gpt-oss take `reasoning_effort` (console.groq.com, "Reasoning").
const GROQ_HABITS: Habits = Habits {
    max_tokens: Some("max_completion_tokens"),
    reasoning_text: "reasoning",
    effort: EffortHabit::None,
    most_stops: Some(4),
    ..Habits::COMPATIBLE
};

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

pub const ANTHROPIC: Provider = Provider {
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
};

pub const BAILIAN: Provider = Provider {
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
};

pub const DEEPSEEK: Provider = Provider {
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
};

pub const GEMINI: Provider = Provider {
    name: "gemini",
    title: "Google Gemini",
    base_url: Some("https://generativelanguage.googleapis.com/v1beta/openai"),
    habits: &Habits { fetches_urls: false, keeps_google_seals: true, ..Habits::COMPATIBLE },
    operations: &[GenerateContent, Chat, Embeddings, ImageGenerations, CountContent, EmbedContent, BatchEmbedContents],
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
};

pub const GROQ: Provider = Provider {
    name: "groq",
    title: "Groq",
    base_url: Some("https://api.groq.com/openai/v1"),
    habits: &GROQ_HABITS,
    habits_with: &[
        ("qwen", &Habits { effort: EffortHabit::OnOrOff, ..GROQ_HABITS }),
        ("gpt-oss", &Habits { effort: EffortHabit::Effort, ..GROQ_HABITS }),
    ],
    operations: &[Chat, Responses, Embeddings, Speech, Transcriptions, Translations],
    files: Some(FilesApi::Openai),
    batches: Some(BatchesApi::Openai),
    options: &["think_tags"],
    choices: &[THINK_TAGS],
    example: "llama-3.3-70b-versatile",
    ..OPENAI_COMPATIBLE
};

pub const MINIMAX: Provider = Provider {
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
};

pub const OPENAI: Provider = Provider {
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
};

pub const OPENCODE_GO: Provider = Provider {
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
};

pub const OPENROUTER: Provider = Provider {
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
};

pub const XAI: Provider = Provider {
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
};

pub const XIAOMI: Provider = Provider {
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
};

pub const ZAI: Provider = Provider {
    name: "zai",
    title: "Z.ai",
    base_url: Some("https://api.z.ai/api/paas/v4"),
    habits: &Habits {
        effort: EffortHabit::Switch,
        // Else a call comes whole, after a silence (docs.z.ai, "Tool streaming output").
        streams_calls_if_told: true,
        has_video: true,
        most_stops: Some(1),
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
};
