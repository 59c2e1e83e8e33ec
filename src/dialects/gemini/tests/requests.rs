//! What clients may ask for, and how it reaches Google.

use super::*;
use crate::dialects::ir::{
    Effort, Format, MediaKind, Message, Mode, Part, Role, Shown, Source, Text, Thinking, Tool, ToolChoice,
};

const FULL: &str = r#"{
  "system_instruction": {"parts": {"text": "be brief"}},
  "contents": [
    {"role": "user", "parts": [{"text": "look:"}, {"inline_data": {"mime_type": "image/png", "data": "iVBORw0KGgo="}},
      {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/a", "mimeType": "application/pdf"}},
      {"fileData": {"fileUri": "https://youtu.be/x"}}]},
    {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"b": 1.50, "a": 2}}, "thoughtSignature": "c2ln"}, {"functionCall": {"name": "f"}}]},
    {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "one"}}},
      {"functionResponse": {"name": "f", "response": {"error": "no"}}}, {"text": "go on"}]}
  ],
  "tools": [{"functionDeclarations": [{"name": "f", "description": "d", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}}}]}],
  "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
  "generationConfig": {"maxOutputTokens": 512.0, "temperature": 0.50, "topP": 0.9, "topK": 40, "candidateCount": 2, "stopSequences": ["X"], "seed": 7,
    "responseLogprobs": true, "logprobs": 3, "responseMimeType": "application/json", "responseSchema": {"type": "STRING"},
    "thinkingConfig": {"includeThoughts": true, "thinkingLevel": "LOW"}},
  "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
  "cachedContent": "cachedContents/x", "serviceTier": "flex", "labels": null
}"#;

#[test]
fn a_request_is_read() {
    let Asked { request, reply } = read(FULL);
    assert!(reply.shows_thoughts);
    let roles: Vec<_> = request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::User]);
    let [Part::Text(_), Part::Media(image), Part::Media(file), Part::Media(video)] = &request.messages[1].parts[..]
    else {
        panic!("{:?}", request.messages[1]);
    };
    assert_eq!((image.kind, file.kind, video.kind), (MediaKind::Image, MediaKind::File, MediaKind::Video));
    assert!(matches!(&file.source, Source::FileId(_)) && matches!(&video.source, Source::Url(_)));
    let [Part::ToolCall(first), Part::ToolCall(second)] = &request.messages[2].parts[..] else { panic!("calls") };
    assert_eq!((first.arguments.as_str(), second.arguments.as_str()), (r#"{"b": 1.50, "a": 2}"#, "{}"));
    assert!(first.seal.is_some() && first.id != second.id);
    let [Part::ToolResult(one), Part::ToolResult(two)] = &request.messages[3].parts[..] else { panic!("results") };
    assert_eq!((&one.call_id, &two.call_id), (&first.id, &second.id));
    assert_eq!((one.is_error, two.is_error), (false, true));
    assert_eq!((request.max_tokens, request.n, request.seed), (Some(512), Some(2), Some(7)));
    assert_eq!(request.temperature.as_ref().map(ToString::to_string).as_deref(), Some("0.5"));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".to_owned())));
    let Tool::Function { parameters: Some(parameters), .. } = &request.tools[0] else { panic!("a function") };
    assert_eq!(parameters.get(), r#"{"type":"object","properties":{"a":{"type":"integer"}}}"#);
    assert!(
        matches!(&request.format, Some(Format::JsonSchema { schema, .. }) if schema.get() == r#"{"type":"string"}"#)
    );
    let thinking = Thinking { effort: Some(Effort::Low), shown: Shown::Summary, ..Thinking::default() };
    assert_eq!(request.thinking, Some(thinking));
    let unknown: Vec<_> = request.unknown.iter().map(|unknown| unknown.path.as_str()).collect();
    assert_eq!(unknown, ["cachedContent", "labels"]);
}

#[test]
fn what_was_read_is_written_again() {
    let (body, dropped) = write_to("gemini-3-flash-preview", &read(FULL).request);
    assert_eq!(dropped, ["cachedContent", "labels"]);
    let expected = concat!(
        r#"{"systemInstruction":{"parts":[{"text":"be brief"}]},"contents":[{"role":"user","parts":[{"text":"look:"},"#,
        r#"{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}},"#,
        r#"{"fileData":{"mimeType":"application/pdf","fileUri":"https://generativelanguage.googleapis.com/v1beta/files/a"}},"#,
        r#"{"fileData":{"mimeType":"video/mp4","fileUri":"https://youtu.be/x"}}]},"#,
        r#"{"role":"model","parts":[{"functionCall":{"id":"call_gemini_0","name":"f","args":{"b": 1.50, "a": 2}},"thoughtSignature":"c2ln"},"#,
        r#"{"functionCall":{"id":"call_gemini_1","name":"f","args":{}}}]},"#,
        r#"{"role":"user","parts":[{"functionResponse":{"id":"call_gemini_0","name":"f","response":{"output":"one"}}},"#,
        r#"{"functionResponse":{"id":"call_gemini_1","name":"f","response":{"error":"no"}}}]},"#,
        r#"{"role":"user","parts":[{"text":"go on"}]}],"#,
        r#""tools":[{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":{"type":"object","properties":{"a":{"type":"integer"}}}}]}],"#,
        r#""toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},"#,
        r#""generationConfig":{"maxOutputTokens":512,"temperature":0.5,"topP":0.9,"topK":40,"candidateCount":2,"stopSequences":["X"],"seed":7,"#,
        r#""responseLogprobs":true,"logprobs":3,"responseMimeType":"application/json","responseJsonSchema":{"type":"string"},"#,
        r#""thinkingConfig":{"thinkingLevel":"LOW","includeThoughts":true}},"#,
        r#""safetySettings":[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],"serviceTier":"flex"}"#,
    );
    assert_eq!(body, expected);
    // What was written is a request of this dialect, and means the same.
    let again = read(&body).request;
    assert_eq!(write_to("gemini-3-flash-preview", &again).0, expected);
}

#[test]
fn budgets_say_what_they_mean() {
    for (budget, mode, effort) in [
        (0, Some(Mode::Off), Some(Effort::None)),
        (-1, Some(Mode::Adaptive), None),
        (1024, None, Some(Effort::Low)),
        (8192, None, Some(Effort::Medium)),
        (20_000, None, Some(Effort::High)),
    ] {
        let body =
            format!(r#"{{"contents":"hi","generationConfig":{{"thinkingConfig":{{"thinkingBudget":{budget}}}}}}}"#);
        let Asked { request, reply } = read(&body);
        let expected = Thinking { mode, effort, budget: Some(budget), shown: Shown::Hidden };
        assert_eq!((request.thinking, reply.shows_thoughts), (Some(expected), false));
    }
}

#[test]
fn tools_are_told_apart() {
    let request = read(
        r#"{"contents":{"parts":{"text":"hi"}},"toolConfig":{"functionCallingConfig":{"mode":"auto"}},
        "tools":[{"google_search":{"excludeDomains":["x.com"]}},{"codeExecution":{}},{"functionDeclarations":{"name":"f","parametersJsonSchema":{"type":"object"}}}]}"#,
    )
    .request;
    assert_eq!(request.tool_choice, Some(ToolChoice::Auto));
    assert!(matches!(&request.tools[0], Tool::WebSearch(search) if search.blocked_domains == ["x.com"]));
    assert!(matches!(&request.tools[1], Tool::Opaque(opaque) if opaque.name == "codeExecution"));
    let (body, dropped) = write_to("gemini-3-flash-preview", &request);
    let expected = concat!(
        r#""tools":[{"googleSearch":{}},{"codeExecution":{}},{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object"}}]}],"#,
        r#""toolConfig":{"functionCallingConfig":{"mode":"AUTO"},"includeServerSideToolInvocations":true}"#
    );
    assert!(body.contains(expected), "{body}");
    assert_eq!(dropped, ["web_search.blocked_domains"]);
    // Before Gemini 3 functions cannot stand beside a search.
    let (body, dropped) = write_to("gemini-2.5-flash", &request);
    assert!(!body.contains("googleSearch"), "{body}");
    assert_eq!(dropped, ["web_search"]);
}

#[test]
fn says_where_a_request_is_wrong() {
    for (body, place) in [
        ("{}", "`contents` is missing"),
        (r#"{"contents":[]}"#, "`contents` is missing"),
        (r#"{"contents":[{"role":"assistant","parts":[{"text":"x"}]}]}"#, "`contents[0].role`"),
        (r#"{"contents":[{"parts":[{"text":"x"},{}]}]}"#, "`contents[0].parts[1]`"),
        (r#"{"contents":[{"parts":[{"text":7}]}]}"#, "`contents[0].parts[0].text`"),
        (r#"{"contents":[{"parts":[{"inlineData":{}}]}]}"#, "`contents[0].parts[0].inlineData.data`"),
        (r#"{"contents":[{"parts":[{"functionCall":{"name":"f"}}]}]}"#, "`contents[0].parts[0].functionCall`"),
        (r#"{"contents":[{"parts":[{"functionResponse":{"name":"f"}}]}]}"#, "`contents[0].parts[0].functionResponse`"),
        (
            r#"{"contents":[{"role":"model","parts":[{"functionCall":{}}]}]}"#,
            "`contents[0].parts[0].functionCall.name`",
        ),
        (r#"{"contents":"x","tools":[{"functionDeclarations":[{}]}]}"#, "`tools[0].functionDeclarations[0].name`"),
        (r#"{"contents":"x","toolConfig":{"functionCallingConfig":{"mode":"SOME"}}}"#, "mode` must be"),
        (r#"{"contents":"x","generationConfig":{"maxOutputTokens":-1}}"#, "`generationConfig.maxOutputTokens`"),
        (r#"{"contents":"x","generationConfig":{"candidateCount":0.5}}"#, "`generationConfig.candidateCount`"),
        (r#"{"contents":"x","generationConfig":{"responseMimeType":"text/x"}}"#, "`generationConfig.responseMimeType`"),
        (r#"{"contents":"x","generationConfig":{"thinkingConfig":{"thinkingLevel":"SOME"}}}"#, "thinkingLevel`"),
        ("[", "The body is not JSON"),
    ] {
        let refusal = Dialect::Gemini.client().read_request(body.as_bytes()).expect_err("wrong");
        assert!(refusal.message.contains(place), "{body}: {refusal}");
    }
}

#[test]
fn counts_tokens_of_contents_or_of_a_request() {
    let count = |body: &str| super::super::count_tokens_request(body.as_bytes()).expect("a request").request;
    assert_eq!(count(r#"{"contents":[{"parts":[{"text":"hi"}]}]}"#).messages.len(), 1);
    let whole = r#"{"generateContentRequest":{"model":"models/gemini-x","contents":[{"parts":[{"text":"hi"}]}],"systemInstruction":"s"}}"#;
    let request = count(whole);
    assert_eq!((request.model.as_str(), request.messages.len()), ("gemini-x", 2));
    assert!(super::super::count_tokens_request(b"{}").is_err());
}

#[test]
fn models_without_a_place_for_instructions_get_them_as_words() {
    let request = read(r#"{"systemInstruction":"be brief","contents":"hi"}"#).request;
    assert!(
        write_to("gemma-3-27b-it", &request)
            .0
            .starts_with(r#"{"contents":[{"role":"user","parts":[{"text":"be brief"},{"text":"hi"}]}]"#)
    );
    let only = Request { messages: request.messages[..1].to_vec(), ..Request::default() };
    assert!(write_to("gemini-2.5-flash", &only).0.starts_with(
        r#"{"systemInstruction":{"parts":[{"text":"be brief"}]},"contents":[{"role":"user","parts":[{"text":" "}]}]"#
    ));
}

#[test]
fn turns_are_merged_and_late_instructions_stay_in_their_place() {
    let says = |role, text: &str| {
        let parts = vec![Part::Text(Text { text: text.to_owned(), ..Text::default() })];
        Message { role, parts, name: None }
    };
    let messages = vec![
        says(Role::Assistant, "hello"),
        says(Role::User, "a"),
        says(Role::User, "b"),
        says(Role::Assistant, ""),
        says(Role::Assistant, "c"),
        says(Role::Developer, "d"),
    ];
    let (body, _) = write_to("gemini-2.5-flash", &Request { messages, ..Request::default() });
    let expected = concat!(
        r#"{"contents":[{"role":"user","parts":[{"text":" "}]},{"role":"model","parts":[{"text":"hello"}]},"#,
        r#"{"role":"user","parts":[{"text":"a"},{"text":"b"}]},{"role":"model","parts":[{"text":"c"}]},"#,
        r#"{"role":"user","parts":[{"text":"d"}]}],"generationConfig":{}}"#
    );
    assert_eq!(body, expected);
}
