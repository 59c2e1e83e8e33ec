//! Whole answers of providers.

use narthex::dialects::ir::event;

use crate::{be_predictable, providers, shown};

/// Whatever is read can be told as a stream that follows the grammar, and be shown to every client.
pub fn answers(data: &[u8]) {
    for (_, provider) in providers() {
        be_predictable();
        let Ok(response) = provider.read_response(data) else { continue };
        shown::assert_whole(&response);
        let events = response.into_events();
        event::check(&events).unwrap_or_else(|why| panic!("{why}"));
        shown::assert_stream(&events);
    }
}
