//! Providers that keep their responses themselves: what they keep is asked for there.

use super::{Client, error, lines, parsed};
use crate::support::gateway::{Gateway, JSON, Setup};
use crate::support::http::{Body, Piece};
use crate::support::upstream::{Gate, Received, Reply, Upstream};
use crate::support::wire::Wire;
use serde_json::{Value, json};

/// A provider that keeps what it says, under ids that begin with its name.
async fn keeper(name: &'static str) -> Upstream {
    Upstream::start(move |request| match (request.method.as_str(), Wire::Responses.answer()) {
        ("POST", answer) if request.path.ends_with("/responses") => {
            let answer = answer.replace("resp_1", &format!("resp_{name}"));
            if parsed(&request.body)["stream"] == true {
                let stream = String::from_utf8(Wire::Responses.stream().concat()).expect("UTF-8");
                return Reply::events().chunk(stream.replace("resp_1", &format!("resp_{name}"))).end();
            }
            Reply::json(200, answer)
        }
        (method, _) => Reply::json(200, json!({"kept": name, "method": method, "path": request.path}).to_string()),
    })
    .await
}

/// Azure has no usual host: wherever it is, it is taken for itself.
fn azure(upstream: &Upstream) -> String {
    format!(
        "type: azure, base_url: \"http://{}\", api_key: secret, models: [m], models_mode: allowlist",
        upstream.address
    )
}

fn ran(upstream: &Upstream) -> Vec<Received> {
    upstream.requests()
}

async fn ask(gateway: &Gateway, method: &str, path: &str) -> (u16, Value) {
    let answer = Client::of(gateway).ask(method, path, None).await;
    (answer.head.status, parsed(&answer.body))
}

#[tokio::test]
async fn what_a_provider_keeps_is_asked_for_there() {
    let upstream = keeper("azure").await;
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("narthex.db");
    let gateway = Setup::instances([("az", azure(&upstream))])
        .env("NARTHEX_STORE_PATH", store.to_str().expect("UTF-8"))
        .start()
        .await;
    let client = Client::of(&gateway);
    let first = client.turn("az/m", None, "one").await;
    assert_eq!(first["id"], "resp_azure");
    client.turn("az/m", Some(&first), "two").await;
    let sent = ran(&upstream).pop().expect("a request");
    assert_eq!(parsed(&sent.body), json!({"model": "m", "input": "two", "previous_response_id": "resp_azure"}));
    client
        .create(json!({"model": "az/m", "input": "x", "stream": true, "previous_response_id": "resp_unheard_of"}))
        .await;
    let sent = ran(&upstream).pop().expect("a request");
    assert_eq!(parsed(&sent.body)["previous_response_id"], "resp_unheard_of", "it may know");

    for (method, tail) in [
        ("GET", "resp_azure"),
        ("GET", "resp_azure?include[]=usage&stream=true"),
        ("GET", "resp_azure/input_items?limit=3&order=asc"),
        ("POST", "resp_azure/cancel"),
        ("DELETE", "resp_azure"),
        ("GET", "resp_unheard_of"),
    ] {
        let (status, told) = ask(&gateway, method, &format!("/v1/responses/{tail}")).await;
        let path = format!("/openai/v1/responses/{tail}");
        assert_eq!((status, told), (200, json!({"kept": "azure", "method": method, "path": path})));
        let sent = ran(&upstream).pop().expect("a request");
        assert_eq!(sent.headers.get("api-key"), Some("secret"), "{method} {tail}");
    }
    assert!(!store.exists(), "nothing had to be kept here");
}

/// What the client says goes to one provider; another one's memory is no help to it.
#[tokio::test]
async fn a_provider_that_forgets_is_not_asked_half_a_question() {
    let (upstream, forgetful) = (keeper("azure").await, super::provider().await);
    let chat = Wire::Chat.instance(&format!("http://{}", forgetful.address));
    let gateway = Setup::instances([("az", azure(&upstream)), ("chat", chat)]).start().await;
    let client = Client::of(&gateway);
    let there = client.turn("az/m", None, "one").await;
    let (status, _, param) =
        client.refused(json!({"model": "chat/m", "input": "x", "previous_response_id": there["id"]})).await;
    assert!(matches!(status, 400 | 404), "{status}");
    assert_eq!(param, "previous_response_id");
    assert!(forgetful.requests().is_empty());
    // The reverse is possible: what is known here can be told.
    let here = client.turn("chat/m", None, "hello").await;
    client.turn("az/m", Some(&here), "and on").await;
    let sent = parsed(&ran(&upstream).pop().expect("a request").body);
    assert_eq!((sent.get("previous_response_id"), sent["input"].as_array().map(Vec::len)), (None, Some(3)), "{sent}");
    // Kept here: not asked for there.
    let count = ran(&upstream).len();
    assert_eq!(ask(&gateway, "GET", &format!("/v1/responses/{}", here["id"].as_str().expect("an id"))).await.1, here);
    assert_eq!(ran(&upstream).len(), count);
    client.turn("chat/m", Some(&here), "again").await;
    assert_eq!(lines(&super::heard(&forgetful.requests()[1])), ["user: hello", "assistant: answer 1", "user: again"]);
}

#[tokio::test]
async fn of_two_keepers_the_right_one_is_asked() {
    for is_stream in [false, true] {
        let (east, west) = (keeper("east").await, keeper("west").await);
        let gateway = Setup::instances([("east", azure(&east)), ("west", azure(&west))]).start().await;
        let client = Client::of(&gateway);
        for (instance, upstream) in [("west", &west), ("east", &east)] {
            let asking = |model: &str, previous: Value| json!({"model": model, "input": "x", "stream": is_stream, "previous_response_id": previous});
            let first = client.create(asking(&format!("{instance}/m"), Value::Null)).await;
            // The bare name means both; only one of them knows what is continued.
            let before = ran(upstream).len();
            for turn in 0..4 {
                client.create(asking("m", first["id"].clone())).await;
                assert_eq!(ran(upstream).len(), before + turn + 1, "{instance}");
            }
            let sent = ran(upstream).pop().expect("a request");
            assert_eq!(parsed(&sent.body)["previous_response_id"], format!("resp_{instance}"));
            let path = format!("/v1/responses/resp_{instance}");
            assert_eq!(ask(&gateway, "GET", &path).await.1["kept"], instance);
            assert_eq!(ask(&gateway, "GET", &format!("{path}/input_items")).await.1["kept"], instance);
            // Another one that is asked in so many words is asked: it may share what they keep.
            let (other, elsewhere) = if instance == "west" { ("east/m", &east) } else { ("west/m", &west) };
            client.create(asking(other, first["id"].clone())).await;
            let sent = ran(elsewhere).pop().expect("a request");
            assert_eq!(parsed(&sent.body)["previous_response_id"], format!("resp_{instance}"));
            assert_eq!(ask(&gateway, "DELETE", &path).await.1["kept"], instance);
        }
        // Nobody knows whom to ask.
        let answer = client.ask("GET", "/v1/responses/resp_unheard_of", None).await;
        assert_eq!(error(&answer).0, 404);
        let answer = client.ask("GET", "/v1/responses/resp_east", None).await;
        assert_eq!(error(&answer).0, 404, "it was deleted");
    }
}

/// What a keeper keeps for one key is not another's, as far as we know of it.
#[tokio::test]
async fn a_keepers_responses_have_owners() {
    let (east, west) = (keeper("east").await, keeper("west").await);
    let gateway = Setup::instances([("east", azure(&east)), ("west", azure(&west))])
        .and("keys:\n  anna: {value: key-anna}\n  bert: {value: key-bert}")
        .start()
        .await;
    let (anna, bert) = (Client::with_key(&gateway, "key-anna"), Client::with_key(&gateway, "key-bert"));
    let first = anna.turn("west/m", None, "one").await;
    assert_eq!(parsed(&anna.get(&first["id"], "").await.body)["kept"], "west");
    let count = ran(&west).len() + ran(&east).len();
    assert_eq!(error(&bert.get(&first["id"], "").await).0, 404);
    assert_eq!(error(&bert.delete(&first["id"]).await).0, 404);
    assert_eq!(ran(&west).len() + ran(&east).len(), count);
}

/// Where only one keeps any it is known whom to ask, but not who may.
#[tokio::test]
async fn an_only_keepers_responses_have_owners() {
    let upstream = keeper("azure").await;
    let gateway = Setup::instances([("az", azure(&upstream))])
        .and("keys:\n  anna: {value: key-anna}\n  bert: {value: key-bert}")
        .start()
        .await;
    let (anna, bert) = (Client::with_key(&gateway, "key-anna"), Client::with_key(&gateway, "key-bert"));
    for is_stream in [false, true] {
        let asking = |previous: Value| json!({"model": "az/m", "input": "x", "stream": is_stream, "previous_response_id": previous});
        let first = anna.create(asking(Value::Null)).await;
        let count = ran(&upstream).len();
        for answer in [
            bert.get(&first["id"], "").await,
            bert.get(&first["id"], "/input_items").await,
            bert.ask("POST", "/v1/responses/resp_azure/cancel", None).await,
            bert.delete(&first["id"]).await,
            bert.ask("POST", "/v1/responses", Some(&asking(first["id"].clone()))).await,
        ] {
            assert_eq!(error(&answer).0, 404, "{}", answer.text());
        }
        assert_eq!(ran(&upstream).len(), count, "nobody was asked");
        anna.create(asking(first["id"].clone())).await;
        assert_eq!(parsed(&anna.get(&first["id"], "").await.body)["kept"], "azure");
        assert_eq!(parsed(&anna.delete(&first["id"]).await.body)["method"], "DELETE");
        assert_eq!(error(&anna.get(&first["id"], "").await).0, 404, "it was deleted");
    }
}

/// Who began one in the background may ask for it before it is over.
#[tokio::test]
async fn an_owner_is_known_from_the_beginning() {
    let over = Gate::closed();
    let held = over.clone();
    let upstream = Upstream::start(move |request| match request.method.as_str() {
        "POST" => {
            let created =
                json!({"type": "response.created", "response": {"id": "resp_1", "status": "queued", "output": []}});
            Reply::events().chunk(format!("event: response.created\ndata: {created}\n\n")).pause(&held).end()
        }
        _ => Reply::json(200, r#"{"kept":true}"#),
    })
    .await;
    let gateway = Setup::instances([("az", azure(&upstream))])
        .and("keys:\n  anna: {value: key-anna}\n  bert: {value: key-bert}")
        .start()
        .await;
    let mut client = gateway.client().await;
    let asked = json!({"model": "az/m", "input": "x", "stream": true, "background": true}).to_string();
    let headers = [JSON, ("authorization", "Bearer key-anna")];
    client.request("POST", "/v1/responses", &headers, Body::Length(asked.as_bytes())).await;
    assert_eq!(client.read_head().await.status, 200);
    assert!(matches!(client.piece().await, Piece::Data(_)), "an event");
    assert_eq!(parsed(&Client::with_key(&gateway, "key-anna").get(&json!("resp_1"), "").await.body)["kept"], true);
    assert_eq!(error(&Client::with_key(&gateway, "key-bert").get(&json!("resp_1"), "").await).0, 404);
    over.open();
}

/// An id is one segment of a path, and no way to other things that a provider has.
#[tokio::test]
async fn ids_lead_nowhere_else() {
    let upstream = keeper("azure").await;
    let gateway = Setup::instances([("az", azure(&upstream))]).start().await;
    for tail in ["..%2Ffiles%2Ffile-abc", "..", "%2e%2E", "..%5Cfiles", "%252e%252e", "..;x", "a%2Fb", "../input_items"]
    {
        let answer = Client::of(&gateway).ask("GET", &format!("/v1/responses/{tail}"), None).await;
        assert_eq!(error(&answer).0, 404, "{tail}: {}", answer.text());
        let answer = Client::of(&gateway).ask("DELETE", &format!("/v1/responses/{tail}"), None).await;
        assert_eq!(error(&answer).0, 404, "{tail}: {}", answer.text());
    }
    assert!(ran(&upstream).is_empty(), "{:?}", ran(&upstream));
}
