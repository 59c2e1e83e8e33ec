//! What can be done with each provider, from the client's request to the client's answer: every provider as a user configures it, every
//! operation that the README's table has a column for. The table is what has passed here; where a provider lacks an operation, what
//! has passed is the refusal.
//!
//! `CAPABILITIES=write` writes the table into the README (`make docs` does).

mod everyone;
mod rows;

use crate::support::gateway::{Gateway, Setup};
use crate::support::http::{Answer, Body};
use crate::support::upstream::{Received, Upstream};
use crate::support::wire::{TEXT, Told, Wire};
use everyone::{HEARD, LISTED, SOUND, STRUCTURED, VECTOR};
use narthex::providers::catalog;
use rows::{Auth, ROWS, Row};
use serde_json::{Value, json};

/// All providers behind one gateway.
struct Hub {
    gateway: Gateway,
    upstream: Upstream,
}

/// A column of the table: whether the provider can do it. What is not as it should be fails.
type Column = (&'static str, for<'h> fn(&'h Hub, &'static Row) -> Tested<'h>);
type Tested<'h> = std::pin::Pin<Box<dyn Future<Output = bool> + 'h>>;

const COLUMNS: &[Column] = &[
    ("chat", |hub, row| Box::pin(speaks(hub, row, Wire::Chat, false))),
    ("streamed", |hub, row| Box::pin(speaks(hub, row, Wire::Chat, true))),
    ("Messages", |hub, row| Box::pin(speaks(hub, row, Wire::Messages, false))),
    ("Responses", |hub, row| Box::pin(speaks(hub, row, Wire::Responses, false))),
    ("Gemini's", |hub, row| Box::pin(speaks(hub, row, Wire::Gemini, false))),
    ("tools", |hub, row| Box::pin(calls_tools(hub, row))),
    ("schemas", |hub, row| Box::pin(keeps_to_schemas(hub, row))),
    ("images", |hub, row| Box::pin(sees(hub, row))),
    ("embeddings", |hub, row| Box::pin(embeds(hub, row))),
    ("speech", |hub, row| Box::pin(is_heard(hub, row))),
    ("transcription", |hub, row| Box::pin(hears(hub, row))),
    ("own list", |hub, row| Box::pin(lists(hub, row))),
    ("passthrough", |hub, row| Box::pin(passes(hub, row))),
];

#[tokio::test]
async fn every_provider_does_what_the_readme_says() {
    let rows: Vec<_> = ROWS.iter().map(|row| row.name).collect();
    let providers: Vec<_> = catalog::TABLE.iter().map(|row| row.name).filter(|name| *name != "simulator").collect();
    assert_eq!(rows, providers, "every provider has a row here");

    let hub = Hub::start().await;
    let header: String = COLUMNS.iter().map(|(name, _)| format!(" {name} |")).collect();
    let mut table = format!("| provider |{header}\n|---|{}\n", ":-:|".repeat(COLUMNS.len()));
    for row in ROWS {
        let title = catalog::find(row.name).expect("a provider").title;
        table.push_str(&format!("| [{title}](docs/providers/{}.md) |", row.name));
        for (_, tested) in COLUMNS {
            table.push_str(if tested(&hub, row).await { " ✓ |" } else { " – |" });
        }
        table.push('\n');
    }
    compare(&table);
}

/// With the table in the README.
fn compare(table: &str) {
    const BEGIN: &str = "<!-- capabilities: written by `make docs` from what tests/gateway/capabilities has seen -->\n";
    const END: &str = "<!-- /capabilities -->";
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&file).expect("the README");
    let (before, rest) = readme.split_once(BEGIN).expect("the table's beginning");
    let (written, behind) = rest.split_once(END).expect("the table's end");
    #[expect(clippy::disallowed_methods, reason = "the rule is for the gateway")]
    let is_to_be_written = std::env::var_os("CAPABILITIES").is_some_and(|what| what == "write");
    if is_to_be_written {
        std::fs::write(&file, format!("{before}{BEGIN}\n{table}\n{END}{behind}")).expect("written");
        return;
    }
    assert_eq!(written.trim(), table.trim(), "README.md lags behind: run `make docs`");
}

impl Hub {
    async fn start() -> Self {
        let upstream = Upstream::start(everyone::answer).await;
        let host = upstream.address.to_string();
        let instances = ROWS.iter().map(|row| {
            let comma = if row.settings.is_empty() { "" } else { ", " };
            let settings = row.settings.replace("HOST", &host).replace("KEY", &format!("k-{}", row.name));
            (row.name, format!("base_url: \"http://{host}{}\"{comma}{}", row.base, settings))
        });
        let gateway = Setup::instances(instances).env("NARTHEX_RETRIES", "0").env("HOME", "/nonexistent").start().await;
        Self { gateway, upstream }
    }

    /// Posts JSON; the answer, and what the provider was asked, at this path and as it should be.
    async fn post(&self, row: &Row, path: &str, body: &Value, theirs: &str) -> (Answer, Received) {
        let answer = self.gateway.post(path, body.to_string()).await;
        assert_eq!(answer.head.status, 200, "{} {path}: {}", row.name, String::from_utf8_lossy(&answer.body));
        let sent = self.upstream.requests().pop().expect("a request");
        check(row, &sent, theirs);
        (answer, sent)
    }

    /// Chats with the row's model, with these members added to the request.
    async fn chat(&self, row: &Row, more: Value, theirs: &str) -> (Value, Value, Wire) {
        let mut body =
            json!({"model": format!("{}/{}", row.name, row.model), "messages": [{"role": "user", "content": "Hello"}]});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let (answer, sent) = self.post(row, "/v1/chat/completions", &body, theirs).await;
        assert_eq!(answer.head.headers.get("x-narthex-dropped"), None, "{}", row.name);
        (parsed(&answer.body), parsed(&sent.body), Wire::asked(&sent).0)
    }

    /// What a client is told who asks for what the provider lacks; the provider is told nothing.
    async fn refused(&self, row: &Row, path: &str, content_type: &str, body: &[u8]) {
        let before = self.upstream.requests().len();
        let client = &mut self.gateway.client().await;
        let answer = client.exchange("POST", path, &[("content-type", content_type)], Body::Length(body)).await;
        let told = parsed(&answer.body);
        assert_eq!((answer.head.status, &told["error"]["code"]), (400, &json!("unsupported_operation")), "{told}");
        let message = told["error"]["message"].as_str().expect("a message");
        assert!(message.contains(&format!("`{}`", row.name)) && message.contains("/p/"), "{message}");
        assert_eq!(self.upstream.requests().len(), before, "{} was asked", row.name);
    }
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(body)))
}

/// That a request is where it belongs, and shows who sends it.
fn check(row: &Row, sent: &Received, path: &str) {
    assert_eq!(sent.path, path, "{}", row.name);
    assert!(is_by(row, sent), "{} is shown no, or other, credentials: {:?}", row.name, sent.headers);
}

/// Whether a request has the credentials that this row's provider wants, and no others.
fn is_by(row: &Row, sent: &Received) -> bool {
    const HEADERS: [&str; 4] = ["authorization", "api-key", "x-api-key", "x-goog-api-key"];
    let shown: Vec<_> =
        HEADERS.iter().flat_map(|name| sent.headers.all(name).map(move |value| (*name, value))).collect();
    let key = format!("k-{}", row.name);
    let bearer = format!("Bearer {key}");
    match row.other_auth.filter(|(part, _)| sent.path.contains(part)).map_or(row.auth, |(_, auth)| auth) {
        Auth::None => shown.is_empty(),
        Auth::Bearer => shown == [("authorization", bearer.as_str())],
        Auth::Token => shown == [("authorization", "Bearer ya29.test")],
        Auth::Header(name) => shown == [(name, key.as_str())],
        Auth::Signed => matches!(shown[..], [("authorization", value)] if
            value.starts_with("AWS4-HMAC-SHA256 Credential=AKTEST/") && value.contains("/eu-west-1/bedrock/aws4_request")),
    }
}

/// A client of this dialect asks, and understands the answer.
async fn speaks(hub: &Hub, row: &Row, client: Wire, is_stream: bool) -> bool {
    let at = [Wire::Chat, Wire::Messages, Wire::Responses, Wire::Gemini].iter().position(|wire| *wire == client);
    let path = row.paths[at.expect("a client")];
    let theirs = row.stream.filter(|_| is_stream).unwrap_or(path);
    let (path, body) = client.asking(&format!("{}/{}", row.name, row.model), "Say hi", is_stream);
    let (answer, sent) = hub.post(row, &path, &parsed(body.as_bytes()), theirs).await;
    let told = if is_stream { Told::of_stream(client, &answer.body) } else { Told::of(client, answer.text()) };
    assert!(told.is_finished && told.errors.is_empty() && told.text == TEXT, "{}: {told:?}", row.name);
    let (wire, asked_for_stream) = Wire::asked(&sent);
    assert_eq!(asked_for_stream, is_stream, "{}", row.name);
    let said = pointed(
        &parsed(&sent.body),
        wire,
        [
            "/messages/0/content",
            "/input",
            "/messages/0/content",
            "/contents/0/parts/0/text",
            "/messages/0/content/0/text",
        ],
    );
    assert!(said.to_string().contains("Say hi"), "{}: {said}", row.name);
    true
}

/// What stands in a request at the place that the dialect has for it: those of chat, Responses, Messages, Gemini and Converse.
fn pointed(body: &Value, wire: Wire, places: [&str; 5]) -> Value {
    let at = Wire::ALL.iter().position(|known| *known == wire).expect("a dialect");
    body.pointer(places[at]).unwrap_or_else(|| panic!("nothing at {} of {body}", places[at])).clone()
}

async fn calls_tools(hub: &Hub, row: &Row) -> bool {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let tools = json!({"tools": [{"type": "function", "function": {"name": "get_weather", "parameters": parameters}}]});
    let (answer, sent, wire) = hub.chat(row, tools, row.tools.unwrap_or(row.paths[0])).await;
    let name = pointed(
        &sent,
        wire,
        [
            "/tools/0/function/name",
            "/tools/0/name",
            "/tools/0/name",
            "/tools/0/functionDeclarations/0/name",
            "/toolConfig/tools/0/toolSpec/name",
        ],
    );
    assert_eq!(name, "get_weather", "{}", row.name);
    let call = &answer["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(call["name"], "get_weather", "{}: {answer}", row.name);
    assert_eq!(parsed(call["arguments"].as_str().expect("arguments").as_bytes()), json!({"city": "Paris"}));
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls", "{}", row.name);
    true
}

async fn keeps_to_schemas(hub: &Hub, row: &Row) -> bool {
    let schema = json!({"type": "object", "properties": {"capital": {"type": "string"}}, "required": ["capital"],
        "additionalProperties": false});
    if !row.schemas {
        return asks_for_json_instead(hub, row, schema).await;
    }
    let format = json!({"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": schema}});
    let (answer, sent, wire) = hub.chat(row, json!({"response_format": format}), row.paths[0]).await;
    let kind = pointed(
        &sent,
        wire,
        [
            "/response_format/json_schema/schema/properties/capital/type",
            "/text/format/schema/properties/capital/type",
            "/output_config/format/schema/properties/capital/type",
            "/generationConfig/responseJsonSchema/properties/capital/type",
            "/outputConfig",
        ],
    );
    assert!(kind.to_string().contains("string"), "{}: {kind}", row.name);
    assert_eq!(answer["choices"][0]["message"]["content"], STRUCTURED, "{}", row.name);
    true
}

/// A provider that knows no schemas: it is told to write JSON, and the client that this is all.
async fn asks_for_json_instead(hub: &Hub, row: &Row, schema: Value) -> bool {
    let config = json!({"responseMimeType": "application/json", "responseJsonSchema": schema});
    let contents = json!([{"role": "user", "parts": [{"text": "Hello"}]}]);
    let body = json!({"contents": contents, "generationConfig": config});
    let path = format!("/v1beta/models/{}%2F{}:generateContent", row.name, row.model);
    let (answer, sent) = hub.post(row, &path, &body, row.paths[3]).await;
    assert_eq!(parsed(&sent.body)["response_format"], json!({"type": "json_object"}), "{}", row.name);
    let dropped = answer.head.headers.get("x-narthex-dropped");
    assert_eq!(dropped, Some("response_format.json_schema"), "{}", row.name);
    false
}

async fn sees(hub: &Hub, row: &Row) -> bool {
    const PICTURE: &str = "iVBORw0KGgo=";
    let url = format!("data:image/png;base64,{PICTURE}");
    let content = json!([{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]);
    let (answer, sent, wire) =
        hub.chat(row, json!({"messages": [{"role": "user", "content": content}]}), row.paths[0]).await;
    let picture = pointed(
        &sent,
        wire,
        [
            "/messages/0/content/1/image_url/url",
            "/input/0/content/1/image_url",
            "/messages/0/content/1/source/data",
            "/contents/0/parts/1/inlineData/data",
            "/messages/0/content/1/image/source/bytes",
        ],
    );
    assert!(picture.as_str().is_some_and(|picture| picture.ends_with(PICTURE)), "{}: {picture}", row.name);
    assert_eq!(answer["choices"][0]["message"]["content"], TEXT, "{}", row.name);
    true
}

async fn embeds(hub: &Hub, row: &Row) -> bool {
    let ask = |model: &str| json!({"model": format!("{}/{model}", row.name), "input": "a few words"});
    let Some((model, theirs)) = row.embeddings else {
        hub.refused(row, "/v1/embeddings", "application/json", ask(row.model).to_string().as_bytes()).await;
        return false;
    };
    let (answer, sent) = hub.post(row, "/v1/embeddings", &ask(model), theirs).await;
    assert!(sent.text().contains("a few words"), "{}", row.name);
    assert_eq!(parsed(&answer.body)["data"][0]["embedding"], json!(VECTOR), "{}", row.name);
    true
}

async fn is_heard(hub: &Hub, row: &Row) -> bool {
    let ask = json!({"model": format!("{}/{}", row.name, row.model), "input": "good morning", "voice": "mimo_default"});
    let Some(theirs) = row.speech else {
        hub.refused(row, "/v1/audio/speech", "application/json", ask.to_string().as_bytes()).await;
        return false;
    };
    let (answer, sent) = hub.post(row, "/v1/audio/speech", &ask, theirs).await;
    assert!(sent.text().contains("good morning"), "{}", row.name);
    assert_eq!(answer.body, SOUND, "{}", row.name);
    true
}

async fn hears(hub: &Hub, row: &Row) -> bool {
    const FORM: &str = "multipart/form-data; boundary=limit";
    let model = format!("{}/{}", row.name, row.model);
    let form = format!(
        "--limit\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n\
         --limit\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\ncontent-type: audio/wav\r\n\r\nRIFF\r\n--limit--\r\n"
    );
    let Some(theirs) = row.transcription else {
        hub.refused(row, "/v1/audio/transcriptions", FORM, form.as_bytes()).await;
        return false;
    };
    let client = &mut hub.gateway.client().await;
    let headers = [("content-type", FORM)];
    let answer = client.exchange("POST", "/v1/audio/transcriptions", &headers, Body::Length(form.as_bytes())).await;
    assert_eq!(answer.head.status, 200, "{}: {}", row.name, answer.text());
    let sent = hub.upstream.requests().pop().expect("a request");
    check(row, &sent, theirs);
    assert!(sent.text().contains("RIFF") || sent.text().contains("UklGRg=="), "{}: {}", row.name, sent.text());
    assert_eq!(parsed(&answer.body)["text"], HEARD, "{}", row.name);
    true
}

/// Its list is asked for, and what it has can be asked for; without one, the configured models can.
async fn lists(hub: &Hub, row: &Row) -> bool {
    let listed = hub.gateway.models(&[]).await;
    let Some(theirs) = row.models else {
        assert!(listed.contains(&format!("{}/{}", row.name, row.model)), "{listed:?}");
        return false;
    };
    assert!(listed.contains(&format!("{}/{LISTED}", row.name)), "{}: {listed:?}", row.name);
    let requests = hub.upstream.requests();
    let mut asked = requests.iter().filter(|request| request.method == "GET" && request.path == theirs);
    assert!(asked.any(|request| is_by(row, request)), "{}", row.name);
    true
}

async fn passes(hub: &Hub, row: &Row) -> bool {
    let answer = hub.gateway.get(&format!("/p/{}/native/thing", row.name)).await;
    assert_eq!((answer.head.status, parsed(&answer.body)), (200, json!({"native": true})), "{}", row.name);
    check(row, &hub.upstream.requests().pop().expect("a request"), row.native);
    true
}
