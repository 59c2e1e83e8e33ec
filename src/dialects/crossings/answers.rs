//! What is answered, and what goes wrong.

use super::{events, heard};
use crate::dialects::Dialect;
use crate::dialects::ir::Event;

#[test]
fn an_error_that_is_in_no_frame_ends_a_stream() {
    let google = concat!(
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"First \"}]},\"finishReason\":\"STOP\"}]}\r\n\r\n",
        "{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"overloaded\",\n    \"status\": \"UNAVAILABLE\"\n  }\n}\n",
    );
    let openai =
        "data: {\"choices\":[{\"delta\":{\"content\":\"First \"}}]}\n\n{\"error\":{\"message\":\"overloaded\"}}";
    for (from, body) in [(Dialect::Gemini, google), (Dialect::OpenaiChat, openai)] {
        let last = events(from, body).into_iter().rev().nth(1);
        assert!(matches!(&last, Some(Event::Failed(failure)) if failure.message == "overloaded"), "{last:?}");
        for to in [Dialect::OpenaiChat, Dialect::OpenaiResponses, Dialect::Anthropic, Dialect::Gemini] {
            let heard = heard(from, to, body);
            assert!(heard.contains("First ") && heard.contains("overloaded"), "{heard}");
            assert!(!heard.contains("[DONE]") && !heard.contains("response.completed"), "{heard}");
        }
    }
}

#[test]
fn a_stream_without_a_choice_is_no_answer() {
    for body in ["data: [DONE]\n\n", "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\ndata: [DONE]\n\n"] {
        let events = events(Dialect::OpenaiChat, body);
        assert!(matches!(events.as_slice(), [.., Event::Failed(_), Event::End]), "{events:?}");
    }
}

#[test]
fn raw_json_of_several_lines_stays_within_its_event() {
    let logprobs = "[{\ndata: \"token\": \"Yes\",\r\ndata: \"logprob\": -0.25,\ndata: \"bytes\": [89]\ndata: }]";
    let choice = format!(
        "{{\"delta\":{{\"content\":\"Yes\"}},\"logprobs\":{{\"content\":{logprobs}}},\"finish_reason\":\"stop\"}}"
    );
    let body = format!("data: {{\"choices\":[{choice}]}}\n\ndata: [DONE]\n\n");
    for to in [Dialect::OpenaiChat, Dialect::OpenaiResponses] {
        let heard = heard(Dialect::OpenaiChat, to, &body);
        let mut data = heard.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        assert!(data.all(|data| serde_json::from_str::<serde_json::Value>(data).is_ok()), "{heard}");
        assert!(heard.contains("\"logprob\": -0.25") || heard.contains("\"logprob\":-0.25"), "{heard}");
    }
}

#[test]
fn counts_are_found_beside_a_delta() {
    let body = concat!(
        "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\",",
        "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5,\"total_tokens\":8}}]}\n\ndata: [DONE]\n\n"
    );
    let counted = |event: &Event| matches!(event, Event::Usage(usage) if (usage.input, usage.output) == (3, 5));
    assert!(events(Dialect::OpenaiChat, body).iter().any(counted));
}

#[test]
fn pictures_that_are_thoughts_are_not_shown() {
    let body = concat!(
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"RFJBRlQ=\"},\"thought\":true},",
        "{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"RklOQUw=\"},\"thoughtSignature\":\"c2ln\"}]},\"finishReason\":\"STOP\"}]}\n\n"
    );
    let heard = heard(Dialect::Gemini, Dialect::OpenaiChat, body);
    assert!(heard.contains("RklOQUw=") && !heard.contains("RFJBRlQ="), "{heard}");
}

#[test]
fn an_answer_that_was_cut_says_so_whatever_the_reason_is_called() {
    let body = concat!(
        "data: {\"type\":\"response.incomplete\",\"response\":{\"id\":\"resp_1\",\"status\":\"incomplete\",",
        "\"incomplete_details\":{\"reason\":\"max_tokens\"},\"output\":[]}}\n\n"
    );
    assert!(heard(Dialect::OpenaiResponses, Dialect::Anthropic, body).contains("\"max_tokens\""));
}

#[test]
fn every_dialect_says_by_one_code_that_a_request_is_too_long() {
    for (from, body) in [
        (
            Dialect::Gemini,
            r#"{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}"#,
        ),
        (Dialect::Converse, r#"{"message":"Input is too long for requested model."}"#),
        (
            Dialect::OpenaiChat,
            r#"{"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 131072 but the request contains 140000 tokens."}"#,
        ),
        (
            Dialect::Anthropic,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 1 + 2 > 2"}}"#,
        ),
    ] {
        let failure =
            from.provider().read_failure(http::StatusCode::BAD_REQUEST, &http::HeaderMap::new(), body.as_bytes());
        assert_eq!(failure.code.as_deref(), Some("context_length_exceeded"), "{body}");
    }
}
