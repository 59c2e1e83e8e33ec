//! Requests of clients.

use narthex::dialects::ir::Losses;
use narthex::dialects::{Dialect, EffortHabit, Habits, Recipient};
use narthex::models::Facts;

use crate::{be_predictable, shown};

const BARE: Habits = Habits {
    replays_reasoning: true,
    effort: EffortHabit::Switch,
    has_top_k: true,
    has_cache_marks: true,
    fetches_urls: false,
    ..Habits::COMPATIBLE
};

const RECIPIENTS: &[(Dialect, &str, &Habits)] = &[
    (Dialect::OpenaiChat, "gpt-5.2", &Habits::OPENAI),
    (Dialect::OpenaiChat, "deepseek-v4-pro", &BARE),
    (Dialect::OpenaiResponses, "gpt-5.5", &Habits::OPENAI),
    (Dialect::Anthropic, "claude-sonnet-5", &Habits::OPENAI),
    (Dialect::Anthropic, "claude-haiku-4-5", &BARE),
    (Dialect::Gemini, "gemini-3.5-flash", &Habits::OPENAI),
    (Dialect::Gemini, "gemini-2.5-pro", &BARE),
    (Dialect::Converse, "us.anthropic.claude-opus-4-5-20251101-v1:0", &BARE),
    (Dialect::Converse, "amazon.nova-2-lite-v1:0", &BARE),
];

/// Whatever is read becomes a body that is JSON, or is refused.
pub fn requests(data: &[u8]) {
    for client in Dialect::ALL {
        be_predictable();
        let Ok(asked) = client.client().read_request(data) else { continue };
        let mut request = asked.request;
        for (provider, model, habits) in RECIPIENTS {
            request.model = (*model).to_owned();
            let dialect = provider.provider();
            let mut losses = Losses::new(dialect.losses(), false);
            let recipient = Recipient { facts: Facts::of(model), habits };
            if let Ok(body) = dialect.write_request(&request, &recipient, &mut losses) {
                shown::assert_json(&body);
            }
        }
    }
}
