//! narthex, an AI gateway on Cloudflare's Pingora: any AI client, any model provider.
//!
//! # Layout
//!
//! In the order in which a newcomer may want to read; what stands later may use what stands earlier, never the reverse.
//!
//! - [`error`]: what can go wrong with an exchange, in our own words.
//! - [`secret`]: texts that must never be shown.
//! - [`rope`], [`json`], [`multipart`]: request bodies, read and edited without being decoded.
//! - [`models`]: what is known of models, as tables.
//! - [`dialects`]: the wire formats.
//! - [`endpoints`]: the paths that we serve.
//! - [`files`], [`batches`]: what clients upload, and many requests at once, as data.
//! - [`providers`]: what is known of each kind of upstream, as a table.
//! - [`fetch`]: the gateway as a client on its own account.
//! - [`credentials`]: what the clouds want instead of a key, fetched and renewed.
//! - [`config`]: from `config.yaml` and the environment to a checked [`config::Config`].
//! - [`payload`]: what a request's body says about where it should go.
//! - [`rewrite`]: what happens to an answer on its way to the client.
//! - [`routing`]: from a model's name to the instances that serve it, in which order.
//! - [`store`]: what is kept for clients beyond an exchange.
//! - [`telemetry`]: metrics and the access log.
//! - [`gateway`]: what all exchanges share.
//! - [`simulator`]: a provider that needs no account.
//! - [`proxy`]: all of it on the wire; the only room that knows Pingora's proxy.
//!
//! `docs/lifecycle.md` follows one request through these rooms.

pub mod batches;
pub mod config;
pub mod credentials;
pub mod dialects;
pub mod endpoints;
pub mod error;
pub mod fetch;
pub mod files;
pub mod gateway;
pub mod json;
pub mod models;
pub mod multipart;
pub mod payload;
pub mod providers;
pub mod proxy;
pub mod rewrite;
pub mod rope;
pub mod routing;
pub mod secret;
pub mod simulator;
pub mod store;
pub mod telemetry;
