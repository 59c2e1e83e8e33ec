//! The block that is open in the canonical stream, and where in the answer it stands.

use serde::de::IgnoredAny;

use crate::dialects::ir::{Annotation, At, CallKind, Delta, Event, Json, Part, ReasoningKind, Seal};

/// A place in an answer that text or a call belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// Its item, by its index in `output`.
    pub item: u64,
    /// Its index within the item: `content_index`, `summary_index`.
    pub part: u64,
    pub of: Of,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Words,
    Reasoning(ReasoningKind),
    Call(CallKind),
}

impl Spot {
    pub fn call(item: u64, kind: CallKind) -> Self {
        Self { item, part: 0, of: Of::Call(kind) }
    }
}

/// Opens and closes blocks as the text moves from place to place.
#[derive(Debug, Default)]
pub struct Blocks {
    next: u32,
    open: Option<Open>,
    /// All the places that were opened.
    told: Vec<Spot>,
    pub has_call: bool,
}

#[derive(Debug)]
struct Open {
    at: At,
    spot: Spot,
    /// How much text it has, in bytes, counted from where its spot begins.
    sent: usize,
    annotations: usize,
    logprobs: usize,
    /// Of a call.
    arguments: String,
    is_complete: bool,
}

impl Blocks {
    /// Says more at a place; `begin` makes the block if there is none yet.
    pub fn tell(&mut self, spot: Spot, text: String, begin: impl FnOnce() -> Part, events: &mut Vec<Event>) {
        if text.is_empty() {
            return;
        }
        self.go_to(spot, begin, events);
        if let Some(open) = &mut self.open {
            open.sent += text.len();
            events.push(Event::Delta(open.at, Delta::Text(text)));
        }
    }

    /// Says what is missing at a place whose whole text is known now.
    pub fn fill(&mut self, spot: Spot, whole: String, begin: impl FnOnce() -> Part, events: &mut Vec<Event>) {
        match &self.open {
            Some(open) if open.spot == spot => {
                if let Some(rest) = whole.get(open.sent..).filter(|rest| !rest.is_empty()) {
                    self.tell(spot, rest.to_owned(), begin, events);
                }
            }
            _ if self.was_told(spot) => {}
            _ => self.tell(spot, whole, begin, events),
        }
    }

    /// A call begins.
    pub fn call(&mut self, spot: Spot, begin: impl FnOnce() -> Part, events: &mut Vec<Event>) {
        if !self.was_told(spot) {
            self.has_call = true;
            self.go_to(spot, begin, events);
        }
    }

    pub fn argue(&mut self, spot: Spot, more: String, events: &mut Vec<Event>) {
        if let Some(open) = self.at(spot).filter(|_| !more.is_empty()) {
            open.arguments.push_str(&more);
            let at = open.at;
            events.push(Event::Delta(at, Delta::Arguments(more)));
        }
    }

    /// Says what is missing of the arguments, which are all known now.
    pub fn argue_whole(&mut self, spot: Spot, whole: &str, events: &mut Vec<Event>) {
        if let Some(open) = self.at(spot) {
            open.is_complete = true;
            let rest = whole.strip_prefix(open.arguments.as_str()).unwrap_or_default().to_owned();
            self.argue(spot, rest, events);
        }
    }

    /// Sources beyond those that were told.
    pub fn annotate(&mut self, spot: Spot, all: Vec<Annotation>, events: &mut Vec<Event>) {
        if let Some(open) = self.at(spot) {
            let known = open.annotations;
            open.annotations = known.max(all.len());
            let at = open.at;
            events.extend(all.into_iter().skip(known).map(|one| Event::Delta(at, Delta::Annotation(one))));
        }
    }

    /// One more source; it may come before the text.
    pub fn annotate_more(
        &mut self,
        spot: Spot,
        one: Annotation,
        begin: impl FnOnce() -> Part,
        events: &mut Vec<Event>,
    ) {
        self.go_to(spot, begin, events);
        if let Some(open) = self.at(spot) {
            open.annotations += 1;
            events.push(Event::Delta(open.at, Delta::Annotation(one)));
        }
    }

    pub fn logprobs(&mut self, spot: Spot, more: Vec<Json>, events: &mut Vec<Event>) {
        if let Some(open) = self.at(spot).filter(|_| !more.is_empty()) {
            open.logprobs += more.len();
            let at = open.at;
            events.push(Event::Delta(at, Delta::Logprobs(more)));
        }
    }

    /// All of them, if none were told.
    pub fn logprobs_whole(&mut self, spot: Spot, all: Vec<Json>, events: &mut Vec<Event>) {
        if self.at(spot).is_some_and(|open| open.logprobs == 0) {
            self.logprobs(spot, all, events);
        }
    }

    /// Reasoning is complete, and this proves it.
    pub fn seal(&mut self, item: u64, seal: Seal, begin: impl FnOnce() -> Part, events: &mut Vec<Event>) {
        let is_open =
            self.open.as_ref().is_some_and(|open| open.spot.item == item && matches!(open.spot.of, Of::Reasoning(_)));
        if !is_open {
            self.go_to(Spot { item, part: u64::MAX, of: Of::Reasoning(ReasoningKind::Summary) }, begin, events);
        }
        if let Some(open) = &self.open {
            events.push(Event::Delta(open.at, Delta::Seal(seal)));
        }
    }

    /// A block that is told all at once.
    pub fn whole(&mut self, part: Part, events: &mut Vec<Event>) {
        self.close(events);
        let at = self.next_at();
        events.extend([Event::Open(at, part), Event::Close(at)]);
    }

    pub fn close(&mut self, events: &mut Vec<Event>) {
        events.extend(self.open.take().map(|open| Event::Close(open.at)));
    }

    pub fn close_spot(&mut self, spot: Spot, events: &mut Vec<Event>) {
        if self.at(spot).is_some() {
            self.close(events);
        }
    }

    pub fn close_item(&mut self, item: u64, events: &mut Vec<Event>) {
        if self.open_item() == Some(item) {
            self.close(events);
        }
    }

    pub fn open_item(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.spot.item)
    }

    /// Whether a call of another item is open whose arguments are not complete, as far as one can tell.
    pub fn is_waiting_for_another(&self, item: Option<u64>) -> bool {
        self.open.as_ref().is_some_and(|open| {
            Some(open.spot.item) != item
                && match open.spot.of {
                    Of::Call(_) if open.is_complete => false,
                    Of::Call(CallKind::Function) => serde_json::from_str::<IgnoredAny>(&open.arguments).is_err(),
                    Of::Call(CallKind::Custom) => true,
                    Of::Words | Of::Reasoning(_) => false,
                }
        })
    }

    fn was_told(&self, spot: Spot) -> bool {
        self.told.contains(&spot)
    }

    fn at(&mut self, spot: Spot) -> Option<&mut Open> {
        self.open.as_mut().filter(|open| open.spot == spot)
    }

    fn go_to(&mut self, spot: Spot, begin: impl FnOnce() -> Part, events: &mut Vec<Event>) {
        if let Some(open) = &mut self.open {
            if open.spot == spot {
                return;
            }
            // The parts of a summary are one block, as they stand: nothing is put between them that nobody has said.
            if open.spot.item == spot.item && open.spot.of == spot.of && matches!(spot.of, Of::Reasoning(_)) {
                (open.spot, open.sent) = (spot, 0);
                return self.told.push(spot);
            }
        }
        self.close(events);
        let at = self.next_at();
        let (sent, annotations, logprobs) = (0, 0, 0);
        let arguments = String::new();
        self.open = Some(Open { at, spot, sent, annotations, logprobs, arguments, is_complete: false });
        self.told.push(spot);
        events.push(Event::Open(at, begin()));
    }

    fn next_at(&mut self) -> At {
        let at = At { choice: 0, block: self.next };
        self.next += 1;
        at
    }
}
