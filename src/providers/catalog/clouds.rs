//! Those where models are run in an account of one's own, at an address and by an identity of that cloud.

use super::{OPENAI_COMPATIBLE, THINK_TAGS};
use crate::dialects::Habits;
use crate::endpoints::Operation::{
    Chat, Completions, Converse, CountContent, CountConverse, CountMessages, EmbedContent, Embeddings, GenerateContent,
    ImageEdits, ImageGenerations, Messages, Responses, Speech, Transcriptions, Translations,
};
use crate::providers::azure::Azure;
use crate::providers::bedrock::Bedrock;
use crate::providers::vertex::Vertex;
use crate::providers::{Auth, AwsService, BatchesApi, Borrowed, Doors, FilesApi, Key, Native, Provider, Quirk};

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

pub const AZURE: Provider = Provider {
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
};

pub const BEDROCK: Provider = Provider {
    name: "bedrock",
    title: "Amazon Bedrock",
    base_url: Some("https://bedrock-runtime.us-east-1.amazonaws.com"),
    key: Key::Optional,
    auth: Auth::AwsSignature(AwsService::Bedrock),
    operations: &[Converse, CountConverse, Embeddings],
    quirks: &[Quirk::EmbedsByInvoke],
    model_list: Some("/foundation-models"),
    native: Native { roots: &[], auth: Auth::AwsSignature(AwsService::Bedrock) },
    options: &[
        "access_key_id",
        "batch_bucket",
        "batch_role",
        "fips",
        "profile",
        "region",
        "secret_access_key",
        "session_token",
        "storage_url",
    ],
    batches: Some(BatchesApi::Bedrock),
    borrowed: AMAZONS,
    urls: &Bedrock,
    example: "anthropic.claude-3-5-haiku-20241022-v1:0",
    note: "Base URL: a region or an endpoint. Without an API key requests are signed with AWS credentials: see [bedrock](providers/bedrock.md).",
    ..OPENAI_COMPATIBLE
};

pub const ORACLE: Provider = Provider {
    name: "oracle",
    title: "Oracle Generative AI",
    habits: &Habits { max_tokens: None, ..Habits::COMPATIBLE },
    operations: &[Chat, Responses],
    keeps_responses: true,
    model_list: None,
    example: "openai.gpt-oss-120b",
    note: "Base URL `https://inference.generativeai.{region}.oci.oraclecloud.com/openai/v1`; list its models yourself.",
    ..OPENAI_COMPATIBLE
};

pub const VERTEX: Provider = Provider {
    name: "vertex",
    title: "Google Vertex AI",
    base_url: Some("https://aiplatform.googleapis.com"),
    key: Key::Optional,
    auth: Auth::GoogleToken,
    habits: &Habits { fetches_urls: false, keeps_google_seals: true, has_service_tier: false, ..Habits::COMPATIBLE },
    operations: &[GenerateContent, Messages, Chat, CountContent, CountMessages, Embeddings, EmbedContent],
    doors: Doors::Publisher,
    model_list: None,
    native: Native { roots: &[], auth: Auth::GoogleToken },
    quirks: &[Quirk::ClaudeInPath { version: "vertex-2023-10-16" }, Quirk::EmbedsByPredict],
    options: &[
        "api_mode",
        "auth_type",
        "batch_bucket",
        "credentials_file",
        "location",
        "metadata_host",
        "project",
        "service_account_file",
        "service_account_json",
        "storage_url",
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
    batches: Some(BatchesApi::Vertex),
    example: "google/gemini-2.5-flash",
    note: "Gemini by its native API, Claude (`anthropic/…`) by its own, others by the compatible one; list its models yourself.",
    ..OPENAI_COMPATIBLE
};
