//! Batches.
use pingora_proxy::Session;
use super::admit::Stop;
use super::context::Exchange;
use super::desk::Desk;
use crate::error::Refusal;
pub async fn answer(_session: &mut Session, _ctx: &mut Exchange, _desk: &Desk, _tail: &str) -> Result<(), Stop> {
    Err(Refusal::invalid("not yet").into())
}
