//! Answers and requests on their way through the dialects, with what comes out of it stored beside what goes in.
//!
//! - `<dialect>/<name>.sse` (`.frames` for Amazon's event streams, one event a line): a stream as a provider of this dialect sends it;
//!   `<name>.json`: the same answer as a whole, where there is one. `<name>.expected`: what clients of each dialect get, as a stream
//!   and as a whole.
//! - `requests/<dialect>/<name>.json`: a request of a client of this dialect; `<name>.expected`: what providers of each dialect are
//!   sent, and what was left out.
//!
//! `GOLDEN=write cargo test --test golden` stores what comes out now. Read the difference before it is committed: it is what users
//! will see.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod answers;
mod requests;
mod stored;
mod transcript;

use narthex::dialects::Dialect;
use stored::Outcome;
use transcript::Transcript;

#[test]
fn streams_are_read_the_same_however_they_are_cut() {
    Outcome::of(Transcript::all().iter().map(answers::check_reading)).assert();
}

#[test]
fn a_stream_says_what_the_whole_answer_says() {
    Outcome::of(Transcript::all().iter().map(answers::check_whole)).assert();
}

#[test]
fn clients_get_what_is_stored() {
    Outcome::of(Transcript::all().iter().map(|it| stored::compare(&it.path("expected"), &answers::shown(it)))).assert();
}

#[test]
fn providers_are_sent_what_is_stored() {
    let requests = requests::all();
    Outcome::of(requests.iter().map(|it| stored::compare(&it.path.with_extension("expected"), &it.shown()))).assert();
}

#[test]
fn every_dialect_has_its_transcripts() {
    let (answers, requests) = (Transcript::all(), requests::all());
    for dialect in Dialect::ALL {
        assert!(answers.iter().filter(|it| it.dialect == *dialect).count() >= 8, "{}", dialect.name());
        assert!(requests.iter().any(|it| it.client == *dialect), "{}", dialect.name());
    }
}
