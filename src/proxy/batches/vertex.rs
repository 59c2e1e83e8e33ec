//! SKELETON, to be written.

use super::flow::Progress;
use super::job::Job;
use crate::error::{Failure, Kind};

fn none() -> Failure {
    Failure::of_kind(Kind::Internal, "unwritten")
}

pub async fn submit(_job: &mut Job<'_>) -> Result<(), Failure> {
    Err(none())
}

pub async fn look(_job: &mut Job<'_>) -> Result<Progress, Failure> {
    Err(none())
}

pub async fn cancel(_job: &mut Job<'_>) -> Result<(), Failure> {
    Err(none())
}

pub async fn results(_job: &Job<'_>) -> Result<(), Failure> {
    Err(none())
}
