//! What a connection carries: one request after another, pieces, cuts, lengths.

use super::*;
use serde_json::json;

impl Connection {
    async fn chat(&mut self, headers: &str, more: Value) -> Answer {
        let body = chat(more).to_string();
        self.post("/v1/chat/completions", headers, body.as_bytes()).await
    }
}

fn chat(more: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hello there"}]});
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    body
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    for id in ["first", "second"] {
        let answer = connection.chat(&format!("x-request-id: {id}\r\n"), json!({})).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-request-id"), Some(id));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.header("x-ratelimit-remaining-requests").is_some());
        assert!(answer.header("openai-processing-ms").is_some());
        let content = &answer.json()["choices"][0]["message"]["content"];
        assert!(content.as_str().unwrap().contains("hello there"));
    }
    let streamed = connection.chat("", json!({"stream": true})).await;
    assert!(streamed.complete);
    let made = connection.chat("", json!({})).await;
    assert!(made.header("x-request-id").unwrap().starts_with("req_"));
}

#[tokio::test]
async fn each_event_of_a_stream_is_written_on_its_own() {
    let simulator = start("tokens=64");
    let mut connection = simulator.connect().await;
    let answer = connection.chat("", json!({"stream": true})).await;
    let content_type = answer.header("content-type").unwrap();
    assert!(content_type.starts_with("text/event-stream"));
    // The role, the words, the reason why it ended, and the end.
    assert_eq!(answer.chunks.len(), 1 + 64 + 1 + 1);
    for chunk in &answer.chunks {
        assert!(chunk.starts_with(b"data: ") && chunk.ends_with(b"\n\n"));
        let text = std::str::from_utf8(chunk).unwrap();
        assert_eq!(text.matches("\n\n").count(), 1);
    }
}

#[tokio::test]
async fn a_cut_stream_ends_without_its_end() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let cut = "x-simulate: cut=3\r\n";
    let answer = connection.chat(cut, json!({"stream": true})).await;
    assert_eq!(answer.chunks.len(), 3);
    assert!(!answer.complete);

    let mut connection = simulator.connect().await;
    let body = chat(json!({})).to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: s\r\nx-simulate: cut=0\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write(head.as_bytes()).await;
    connection.write(body.as_bytes()).await;
    assert!(connection.answer().await.is_none());
}

#[tokio::test]
async fn only_the_first_requests_of_a_key_fail() {
    let simulator = start("error=500, fail-first=1");
    let mut connection = simulator.connect().await;
    let mut statuses = Vec::new();
    for headers in [
        "",
        "",
        "x-simulate: error=429, retry-after=7, fail-first=2, key=a\r\n",
        "x-simulate: error=429, retry-after=7, fail-first=2, key=a\r\n",
        "x-simulate: error=429, retry-after=7, fail-first=2, key=a\r\n",
        "x-simulate: key=b\r\n",
        "x-simulate: fail-first=none\r\n",
        "x-simulate: fail-first=none, error=none\r\n",
    ] {
        let answer = connection.chat(headers, json!({})).await;
        if answer.status == 429 {
            assert_eq!(answer.header("retry-after"), Some("7"));
            assert_eq!(answer.json()["error"]["type"], "rate_limit_error");
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [500, 200, 429, 429, 200, 500, 500, 200]);
}

#[tokio::test]
async fn errors_have_all_four_keys_and_say_what_is_wrong() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let path = "/v1/chat/completions";
    let bad = "x-simulate: tokens=many\r\n";
    let cases: [(&str, &str, &[u8], u16, Value); 6] = [
        (path, "", b"{\"model\":", 400, Value::Null),
        (path, "", b"{\"model\":7}", 400, Value::Null),
        (path, "", b"{\"messages\":[]}", 400, json!("model")),
        (path, bad, b"{}", 400, json!("x-simulate")),
        ("/v1/nothing", "", b"{}", 404, Value::Null),
        ("/v1/models", "", b"{}", 405, Value::Null),
    ];
    for (path, headers, body, status, param) in cases {
        let answer = connection.post(path, headers, body).await;
        assert_eq!(answer.status, status);
        let json = answer.json();
        let error = json["error"].as_object().unwrap();
        assert_eq!(error.len(), 4);
        assert_eq!(error["param"], param);
        assert!(error.contains_key("message") && error.contains_key("code"));
        assert!(error["type"].is_string());
        if status == 405 {
            assert_eq!(answer.header("allow"), Some("GET"));
        }
    }
}

#[tokio::test]
async fn a_body_may_be_long_chunked_or_announced() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let long = "word ".repeat(40_000);
    let body = chat(json!({"messages": [{"role": "user", "content": long}]})).to_string();
    let path = "/v1/chat/completions";

    let answer = connection.post(path, "", body.as_bytes()).await;
    assert_eq!(answer.json()["usage"]["prompt_tokens"], 40_000);

    let head = format!("POST {path} HTTP/1.1\r\nhost: s\r\ntransfer-encoding: chunked\r\n\r\n");
    connection.write(head.as_bytes()).await;
    for chunk in body.as_bytes().chunks(7919) {
        let size = format!("{:x}\r\n", chunk.len());
        connection.write(size.as_bytes()).await;
        connection.write(chunk).await;
        connection.write(b"\r\n").await;
    }
    connection.write(b"0\r\n\r\n").await;
    let answer = connection.answer().await.unwrap();
    assert_eq!(answer.json()["usage"]["prompt_tokens"], 40_000);

    let head =
        format!("POST {path} HTTP/1.1\r\nhost: s\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n", body.len());
    connection.write(head.as_bytes()).await;
    assert_eq!(connection.answer().await.unwrap().status, 100);
    connection.write(body.as_bytes()).await;
    let answer = connection.answer().await.unwrap();
    assert_eq!(answer.json()["usage"]["prompt_tokens"], 40_000);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_unread() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let head = "POST /v1/responses HTTP/1.1\r\nhost: s\r\ncontent-length: 99999999999\r\n\r\n";
    connection.write(head.as_bytes()).await;
    let answer = connection.answer().await.unwrap();
    assert_eq!(answer.status, 413);
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test]
async fn a_transcript_proves_that_the_bytes_arrived() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let mut body = b"--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n\
        --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n"
        .to_vec();
    body.extend(std::iter::repeat_n(b'\n', 1_000_003));
    body.extend_from_slice(b"\r\n--b--\r\n");
    let form = "content-type: multipart/form-data; boundary=b\r\n";
    let answer = connection.post("/v1/audio/transcriptions", form, &body).await;
    assert_eq!(answer.json()["text"], "This is a.wav, 1000003 bytes long.");
}

mod h2c {
    use super::*;
    use h2::client::SendRequest;

    async fn connect(simulator: &Running) -> SendRequest<Bytes> {
        let stream = TcpStream::connect(simulator.address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        client.ready().await.unwrap()
    }

    async fn stream(client: &mut SendRequest<Bytes>, simulate: &str) -> (http::response::Parts, h2::RecvStream) {
        let request = http::Request::post("http://simulator/v1/chat/completions")
            .header("x-simulate", simulate)
            .body(())
            .unwrap();
        let (response, mut body) = client.send_request(request, false).unwrap();
        let chat = chat(json!({"stream": true})).to_string();
        body.send_data(chat.into(), true).unwrap();
        response.await.unwrap().into_parts()
    }

    #[tokio::test]
    async fn streams_whole_and_cut_share_a_connection() {
        let simulator = start("");
        let mut client = connect(&simulator).await;
        let (head, mut body) = stream(&mut client, "tokens=5").await;
        assert_eq!(head.status, 200);
        let mut text = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            text.extend_from_slice(&data);
        }
        assert!(text.ends_with(b"data: [DONE]\n\n"));

        let (_, mut body) = stream(&mut client, "cut=3").await;
        let mut events = 0;
        let broken = loop {
            match body.data().await.expect("a reset, not an end") {
                Ok(data) => events += data.windows(2).filter(|w| w == b"\n\n").count(),
                Err(broken) => break broken,
            }
        };
        // A reset may overtake what was sent before it.
        assert!(events <= 3);
        assert!(broken.is_reset());
    }
}
