//! What the gateway tells of itself: metrics for machines, a line for each exchange. Neither ever holds a credential or a
//! part of a body.

mod access_log;
mod metrics;

pub use access_log::{AccessLog, Line};
pub use metrics::{Measured, Metrics};
