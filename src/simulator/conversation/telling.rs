//! A script in canonical form: whole, or event by event. Each is what the other folds or unfolds to.

use super::super::script::{self, Call, Ending, Pieces, Reply, Script};
use super::{logprobs, seals};
use crate::dialects::Dialect;
use crate::dialects::ir::{
    self, At, CallKind, Choice, Delta, Event, Finish, Logprobs, Part, Reason, Reasoning, ReasoningKind, Response, Seal,
    Shown, Start, Text, ToolCall,
};

/// What is to be told, and how.
pub struct Telling {
    script: Script,
    dialect: Dialect,
    /// How often the same is told.
    choices: u32,
    logprobs: Option<Logprobs>,
    /// What may be read of the reasoning.
    thought: String,
}

enum Block<'s> {
    Reasoning(&'s str, Option<Seal>),
    Text(&'s Pieces),
    Call(&'s Call, Option<Seal>),
}

impl Telling {
    pub fn new(dialect: Dialect, request: &ir::Request, script: Script) -> Self {
        let shown = request.thinking.map_or(Shown::Unsaid, |thinking| thinking.shown);
        let is_shown = match dialect {
            // Only whoever asks for a summary gets one.
            Dialect::OpenaiResponses => !matches!(shown, Shown::Unsaid | Shown::Hidden),
            _ => shown != Shown::Hidden,
        };
        let thought = script.reasoning.filter(|_| is_shown).unwrap_or_default().to_owned();
        Self { script, dialect, choices: request.n.unwrap_or(1), logprobs: request.logprobs, thought }
    }

    /// How many events it takes, more or less.
    pub fn events(&self) -> usize {
        let choices = usize::try_from(self.choices).unwrap_or(1);
        self.script.usage.answer.saturating_add(8).saturating_mul(choices)
    }

    pub fn whole(&self) -> Response {
        let blocks = self.blocks();
        let choice = || Choice { parts: blocks.iter().map(|block| self.part(block)).collect(), finish: self.finish() };
        Response {
            start: self.start(),
            choices: (0..self.choices).map(|_| choice()).collect(),
            usage: Some(self.usage()),
        }
    }

    pub fn tell(&self, mut put: impl FnMut(Event)) {
        put(Event::Start(self.start()));
        for (block, told) in (0..).zip(self.blocks()) {
            self.tell_block(block, &told, &mut put);
        }
        for choice in 0..self.choices {
            put(Event::Finish(choice, self.finish()));
        }
        put(Event::Usage(self.usage()));
        put(Event::End);
    }

    /// The same block in each choice, piece by piece.
    fn tell_block(&self, block: u32, told: &Block, put: &mut impl FnMut(Event)) {
        let mut each = |event: &dyn Fn(At) -> Event| {
            (0..self.choices).for_each(|choice| put(event(At { choice, block })));
        };
        each(&|at| Event::Open(at, self.opened(told)));
        match told {
            Block::Reasoning(text, seal) => {
                for piece in text.split_inclusive(' ') {
                    each(&|at| Event::Delta(at, Delta::Text(piece.to_owned())));
                }
                if let Some(seal) = seal {
                    each(&|at| Event::Delta(at, Delta::Seal(seal.clone())));
                }
            }
            Block::Text(pieces) => {
                for piece in pieces.iter() {
                    each(&|at| Event::Delta(at, Delta::Text(piece.to_owned())));
                    if self.logprobs.is_some() {
                        each(&|at| Event::Delta(at, Delta::Logprobs(Vec::from_iter(self.logprob(piece)))));
                    }
                }
            }
            Block::Call(call, seal) => {
                for piece in call.input.iter() {
                    each(&|at| Event::Delta(at, Delta::Arguments(piece.to_owned())));
                }
                if let Some(seal) = seal {
                    each(&|at| Event::Delta(at, Delta::Seal(seal.clone())));
                }
            }
        }
        each(&Event::Close);
    }

    fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks = Vec::with_capacity(3);
        let is_gemini = self.dialect == Dialect::Gemini;
        let thinks = self.script.reasoning;
        if let Some(thought) = thinks {
            // Gemini signs what comes of a thought.
            let seal = match self.dialect {
                Dialect::OpenaiChat | Dialect::Gemini => None,
                dialect => Some(seals::seal(dialect, thought)),
            };
            if seal.is_some() || !self.thought.is_empty() {
                blocks.push(Block::Reasoning(&self.thought, seal));
            }
        }
        let mut signature = thinks.filter(|_| is_gemini).map(|thought| seals::seal(self.dialect, thought));
        match &self.script.reply {
            Reply::Text(pieces) if pieces.len() == 0 => {}
            Reply::Text(pieces) => blocks.push(Block::Text(pieces)),
            Reply::Calls(calls) => blocks.extend(calls.iter().map(|call| Block::Call(call, signature.take()))),
        }
        if signature.is_some() {
            blocks.push(Block::Reasoning("", signature));
        }
        blocks
    }

    fn part(&self, block: &Block) -> Part {
        let mut part = self.opened(block);
        match (&mut part, block) {
            (Part::Reasoning(reasoning), Block::Reasoning(text, seal)) => {
                reasoning.text.push_str(text);
                reasoning.seal.clone_from(seal);
            }
            (Part::Text(text), Block::Text(pieces)) => {
                text.text.push_str(pieces.text());
                if self.logprobs.is_some() {
                    text.logprobs.extend(pieces.iter().filter_map(|piece| self.logprob(piece)));
                }
            }
            (Part::ToolCall(opened), Block::Call(call, seal)) => {
                opened.arguments.push_str(call.input.text());
                opened.seal.clone_from(seal);
            }
            // A block opens as what it is.
            _ => {}
        }
        part
    }

    fn opened(&self, block: &Block) -> Part {
        match block {
            Block::Reasoning(..) => Part::Reasoning(Reasoning {
                kind: match self.dialect {
                    Dialect::OpenaiResponses | Dialect::Gemini => ReasoningKind::Summary,
                    _ => ReasoningKind::Raw,
                },
                ..Reasoning::default()
            }),
            Block::Text(_) => Part::Text(Text::default()),
            Block::Call(call, _) => Part::ToolCall(ToolCall {
                id: format!("{}{}", id_prefix(self.dialect), call.id),
                name: call.name.clone(),
                kind: match call.kind {
                    script::CallKind::Function => CallKind::Function,
                    script::CallKind::Custom => CallKind::Custom,
                },
                ..ToolCall::default()
            }),
        }
    }

    fn logprob(&self, piece: &str) -> Option<ir::Json> {
        let top = self.logprobs?.top.is_some_and(|top| top > 0);
        logprobs::certain(piece, top)
    }

    fn start(&self) -> Start {
        let is_openai = matches!(self.dialect, Dialect::OpenaiChat | Dialect::OpenaiResponses);
        Start {
            service_tier: is_openai.then(|| "default".to_owned()),
            fingerprint: is_openai.then(|| "fp_simulator".to_owned()),
            usage: Some(ir::Usage { input: count(self.script.usage.prompt), ..ir::Usage::default() }),
            ..Start::default()
        }
    }

    fn finish(&self) -> Finish {
        match &self.script.ending {
            Ending::Stop => Reason::Stop.into(),
            Ending::StoppedBy(stop) => {
                Finish { reason: Reason::StopSequence, stop_sequence: Some(stop.clone()), explanation: None }
            }
            Ending::Length => Reason::Length.into(),
            Ending::Calls => Reason::ToolCalls.into(),
        }
    }

    fn usage(&self) -> ir::Usage {
        let script::Usage { prompt, answer, reasoning } = self.script.usage;
        let choices = u64::from(self.choices);
        ir::Usage {
            input: count(prompt),
            output: count(answer).saturating_mul(choices),
            reasoning: count(reasoning).saturating_mul(choices),
            ..ir::Usage::default()
        }
    }
}

/// Ids of calls as the vendor makes them.
fn id_prefix(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Anthropic => "toolu_",
        Dialect::Converse => "tooluse_",
        Dialect::OpenaiChat | Dialect::OpenaiResponses | Dialect::Gemini => "call_",
    }
}

pub fn count(tokens: usize) -> u64 {
    u64::try_from(tokens).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::ir::{Fold, event};

    fn telling(dialect: Dialect, reply: Reply, more: ir::Request) -> Telling {
        let script = Script {
            reply,
            ending: Ending::Stop,
            reasoning: Some("a simple thought"),
            usage: script::Usage { prompt: 3, answer: 5, reasoning: 2 },
        };
        Telling::new(dialect, &more, script)
    }

    fn calls() -> Reply {
        let call = |id: &str, kind| Call {
            id: id.to_owned(),
            name: "f".to_owned(),
            kind,
            input: Pieces::words("one two".to_owned()),
        };
        Reply::Calls(vec![call("1", script::CallKind::Function), call("2", script::CallKind::Custom)])
    }

    #[test]
    fn a_stream_folds_to_the_whole_in_every_dialect() {
        for dialect in Dialect::ALL {
            for reply in [|| Reply::Text(Pieces::words("some words said".to_owned())), calls] {
                let request =
                    ir::Request { n: Some(2), logprobs: Some(Logprobs { top: Some(1) }), ..ir::Request::default() };
                let telling = telling(*dialect, reply(), request);
                let mut events = Vec::new();
                telling.tell(|event| events.push(event));
                event::check(&events).expect("the grammar");
                let mut fold = Fold::default();
                events.into_iter().for_each(|event| fold.push(event));
                let folded = fold.finish().expect("an answer");
                assert_eq!(format!("{folded:?}"), format!("{:?}", telling.whole()), "{dialect:?}");
            }
        }
    }

    #[test]
    fn seals_are_where_the_vendors_put_them() {
        let parts = |dialect, reply| telling(dialect, reply, ir::Request::default()).whole().choices.remove(0).parts;
        let text = || Reply::Text(Pieces::words("said".to_owned()));
        let sealed = |part: &Part| match part {
            Part::Reasoning(reasoning) => reasoning.seal.is_some(),
            Part::ToolCall(call) => call.seal.is_some(),
            _ => false,
        };
        let seals = |dialect, reply| parts(dialect, reply).iter().map(sealed).collect::<Vec<_>>();
        assert_eq!(seals(Dialect::Anthropic, text()), [true, false]);
        assert_eq!(seals(Dialect::Converse, calls()), [true, false, false]);
        assert_eq!(seals(Dialect::Gemini, text()), [false, false, true]);
        assert_eq!(seals(Dialect::Gemini, calls()), [false, true, false]);
        assert_eq!(seals(Dialect::OpenaiChat, text()), [false, false]);
        let Some(Part::Reasoning(unseen)) = parts(Dialect::OpenaiResponses, text()).into_iter().next() else {
            panic!("no reasoning");
        };
        assert!(unseen.text.is_empty() && unseen.seal.is_some());
    }
}
