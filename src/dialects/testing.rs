//! What the tests of the dialects share.

use super::ProviderDialect;
use super::ir::Event;

/// The events of a provider's stream that comes in these pieces.
pub fn events<'a>(provider: &dyn ProviderDialect, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let (mut framing, mut reader, mut events) = (provider.framing(), provider.stream_reader(), Vec::new());
    for piece in pieces {
        framing.push(piece);
        while let Some(frame) = framing.next().expect("frames") {
            reader.read(&frame, &mut events);
        }
    }
    if let Some(frame) = framing.finish().expect("frames") {
        reader.read(&frame, &mut events);
    }
    // Whoever reads may say twice that it is over.
    reader.end(&mut events);
    reader.end(&mut events);
    events
}
