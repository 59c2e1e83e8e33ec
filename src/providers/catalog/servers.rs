//! Those that run on one's own machines, and the one that is built in.

use super::{OPENAI_COMPATIBLE, THINK_TAGS};
use crate::dialects::{EffortHabit, Habits};
use crate::endpoints::Operation::{
    self, Chat, Completions, CountInput, CountMessages, Embeddings, ImageGenerations, Messages, Moderations, Rerank,
    Responses, Speech, Transcriptions, Translations,
};
use crate::providers::{Auth, BatchesApi, FilesApi, Key, Native, Provider};

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

pub const OLLAMA: Provider = Provider {
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
};

pub const SIMULATOR: Provider = Provider {
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
};

pub const VLLM: Provider = Provider {
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
};
