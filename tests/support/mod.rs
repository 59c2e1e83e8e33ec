//! What integration tests share: a raw client, a scripted upstream, and a way to run a service on a real port.
//!
//! Nothing here knows narthex, but for `gateway`, which starts it. A helper that serves one test only belongs beside that test. Every wait is bounded
//! by [`PATIENCE`], which turns a hang into a failure and otherwise decides nothing.
#![allow(dead_code, reason = "each test target uses its own part of this")]

pub mod gateway;
pub mod http;
pub mod http2;
pub mod pingora;
pub mod postgres;
pub mod upstream;
pub mod upstream2;
pub mod wire;

use std::future::Future;
use std::time::Duration;

/// Long enough for the slowest machine: a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Fails the test, naming what it waited for, if `future` is not done in time.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}
