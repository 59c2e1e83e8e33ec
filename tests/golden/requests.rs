//! Requests of clients, and what providers are sent.

use std::fs;
use std::path::PathBuf;

use narthex::dialects::ir::Losses;
use narthex::dialects::tool_map::ToolMap;
use narthex::dialects::{Dialect, EffortHabit, Habits, Recipient};
use narthex::models::Facts;

use super::stored;
use super::transcript::be_predictable;

pub struct Request {
    pub client: Dialect,
    pub path: PathBuf,
}

/// A server like DeepSeek's: it wants reasoning back, and knows little beyond the common members.
const DEEPSEEK: Habits =
    Habits { replays_reasoning: true, effort: EffortHabit::Switch, fetches_urls: false, ..Habits::COMPATIBLE };
const NO_URLS: Habits = Habits { fetches_urls: false, ..Habits::OPENAI };

const RECIPIENTS: &[(Dialect, &str, &Habits)] = &[
    (Dialect::OpenaiChat, "gpt-5.2", &Habits::OPENAI),
    (Dialect::OpenaiChat, "deepseek-v4-pro", &DEEPSEEK),
    (Dialect::OpenaiResponses, "gpt-5.5", &Habits::OPENAI),
    (Dialect::Anthropic, "claude-sonnet-5", &Habits::OPENAI),
    (Dialect::Gemini, "gemini-3.5-flash", &NO_URLS),
    (Dialect::Converse, "us.anthropic.claude-opus-4-5-20251101-v1:0", &NO_URLS),
];

pub fn all() -> Vec<Request> {
    let of = |client: Dialect| {
        let paths = stored::files(&stored::root().join("requests").join(client.name()), &["json"]);
        paths.into_iter().map(move |path| Request { client, path })
    };
    Dialect::ALL.iter().flat_map(|client| of(*client)).collect()
}

impl Request {
    /// What each of the recipients gets.
    pub fn shown(&self) -> String {
        let body = fs::read(&self.path).expect("a file");
        let mut text = String::new();
        for (provider, model, habits) in RECIPIENTS {
            be_predictable();
            let asked = self.client.client().read_request(&body);
            let mut request = asked.unwrap_or_else(|why| panic!("{}: {why}", self.path.display())).request;
            request.model = (*model).to_owned();
            let dialect = provider.provider();
            let mut losses = Losses::new(dialect.losses(), false);
            if let Some((fitted, _)) = ToolMap::fit(&request, *provider, habits, &mut losses) {
                request = fitted;
            }
            let written = dialect.write_request(&request, &Recipient { facts: Facts::of(model), habits }, &mut losses);
            text += &format!("=== {}, {model}\n", provider.name());
            text += &match written.and_then(|body| losses.finish().map(|dropped| (body, dropped))) {
                Ok((body, dropped)) => {
                    format!("{}\ndropped: {}\n\n", String::from_utf8_lossy(&body), dropped.join(", "))
                }
                Err(refusal) => format!("refused: {refusal}\n\n"),
            };
        }
        text
    }
}
