//! narthex, an AI gateway on Pingora.
pub mod config;
pub mod dialects;
pub mod endpoints;
pub mod error;
pub mod json;
pub mod multipart;
pub mod providers;
pub mod rewrite;
pub mod routing;
pub mod secret;
pub mod simulator;
