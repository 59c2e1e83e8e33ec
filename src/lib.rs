//! narthex, an AI gateway on Pingora.
pub mod simulator;
