//! Providers over real TLS: their certificates are checked, their names sent, HTTP/2 is spoken where both can.

use crate::support::gateway::{Gateway, JSON, Provider, Setup, openai};
use crate::support::http::Body;
use crate::support::soon;
use crate::support::upstream::{Reply, Upstream};
use crate::support::upstream2;
use crate::support::wire::{TEXT, Told, Wire};
use narthex::credentials::aws::{Signable, Signed};
use narthex::providers::AwsService;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const REQUEST: &str = r#"{ "model":"m" , "x":1.0}"#;

/// Signs certificates, and may be trusted.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server's side of TLS for this name, which speaks these protocols.
    fn server(&self, name: &str, protocols: &[&str], expired: bool) -> TlsAcceptor {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        if expired {
            params.not_after = (SystemTime::now() - Duration::from_secs(86_400)).into();
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let mut config =
            config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).expect("a server");
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn secure(address: SocketAddr, host: &str) -> String {
    let port = address.port();
    format!(
        "type: openai, base_url: \"https://{host}:{port}/v1\", api_key: key-{port}, models: [m], models_mode: allowlist"
    )
}

/// A gateway that trusts this authority; its instances are tried in order.
async fn trusting(authority: &Authority, instances: Vec<(&str, String)>) -> Gateway {
    let setup = Setup::instances(instances).env("NARTHEX_STRATEGY", "priority").env("NARTHEX_RETRIES", "0");
    let file = setup.file("ca.pem", authority.pem());
    setup.env("NARTHEX_CA_FILE", file).start().await
}

#[tokio::test]
async fn http1_over_tls() {
    let authority = Authority::new();
    let list = r#"{"data":[{"id":"m"}]}"#;
    let answer = move |request: &crate::support::upstream::Received| match request.method.as_str() {
        "GET" => Reply::json(200, list),
        _ => Reply::json(200, "{}"),
    };
    for (host, name) in [("localhost", Some("localhost")), ("127.0.0.1", None)] {
        let upstream = Upstream::start_tls(authority.server(host, &["http/1.1"], false), answer).await;
        // The list of models comes over TLS as well.
        let settings = secure(upstream.address, host).replace(", models: [m], models_mode: allowlist", "");
        let gateway = trusting(&authority, vec![("up", settings)]).await;
        assert_eq!(gateway.models(&[]).await, ["up/m"]);
        // A connection is free a moment after its answer has arrived.
        let asking_again = async {
            loop {
                let answer = gateway.post("/v1/chat/completions", REQUEST).await;
                assert_eq!((answer.head.status, answer.text()), (200, "{}"));
                let requests = upstream.requests();
                let mut connections = HashSet::new();
                if requests.iter().skip(1).any(|request| !connections.insert(request.connection)) {
                    return requests;
                }
            }
        };
        let requests = soon("a connection to be used again", asking_again).await;
        let request = requests.last().expect("a request");
        assert_eq!(request.text(), REQUEST);
        assert_eq!(request.headers.get("host"), Some(format!("{host}:{}", upstream.address.port()).as_str()));
        assert!(upstream.server_names().iter().all(|asked| asked.as_deref() == name), "{:?}", upstream.server_names());
    }
}

#[tokio::test]
async fn http2_over_tls() {
    let authority = Authority::new();
    let reply = |status, piece: &'static str| upstream2::Reply {
        status,
        content_type: "application/octet-stream",
        pieces: vec![piece.into()],
        trailer: None,
    };
    let tls = || authority.server("localhost", &["h2", "http/1.1"], false);
    let busy = upstream2::Upstream::start_tls(tls(), reply(429, "{\"busy\":1}")).await;
    let fine = upstream2::Upstream::start_tls(tls(), reply(200, "{\"fine\":1}")).await;
    let instances = vec![("a", secure(busy.address, "localhost")), ("b", secure(fine.address, "localhost"))];
    let gateway = trusting(&authority, instances).await;
    let answer = gateway.post("/v1/chat/completions", REQUEST).await;
    assert_eq!((answer.head.status, answer.text()), (200, "{\"fine\":1}"));
    assert_eq!(answer.head.headers.get("x-narthex-attempts"), Some("2"));
    assert_eq!(busy.received(1).await[0], REQUEST);
    assert_eq!(fine.received(1).await[0], REQUEST);
    // A large body as well, and one of unknown length.
    let large = format!(r#"{{"model":"m","x":"{}"}}"#, "y".repeat(1 << 20));
    let lengths = crate::support::http::Body::Length(large.as_bytes());
    let chunks = crate::support::http::Body::Chunked(&[large.as_bytes()]);
    for (count, body) in [lengths, chunks].into_iter().enumerate() {
        let answer = gateway.client().await.exchange("POST", "/v1/embeddings", &[], body).await;
        assert_eq!((answer.head.status, answer.text()), (200, "{\"fine\":1}"));
        assert!(fine.received(count + 2).await[count + 1] == large);
    }
    let pinned = gateway.post("/v1/chat/completions", r#"{"model":"a/m"}"#).await;
    assert_eq!((pinned.head.status, pinned.text()), (429, "{\"busy\":1}"));
    // Passthrough streams its body over HTTP/2.
    let answer = gateway.post("/p/b/files", "some bytes").await;
    assert_eq!(answer.text(), "{\"fine\":1}");
    assert_eq!(fine.received(4).await[3], "some bytes");
}

/// Translated, whole and streamed, with the end told by the last piece, by a trailer, or by the head.
#[tokio::test]
async fn translation_over_http2() {
    let authority = Authority::new();
    let wire = Wire::Messages;
    for trailer in [None, Some(("x-sum", "1"))] {
        for is_stream in [false, true] {
            let (content_type, pieces) = match is_stream {
                true => (wire.stream_type(), wire.stream().into_iter().map(Into::into).collect()),
                false => ("application/json", vec![wire.answer().into()]),
            };
            let busy = upstream2::Reply { status: 529, content_type: "application/json", pieces: Vec::new(), trailer };
            let fine = upstream2::Reply { status: 200, content_type, pieces, trailer };
            let empty = upstream2::Reply { pieces: Vec::new(), ..fine.clone() };
            let half = upstream2::Reply { pieces: fine.pieces[..fine.pieces.len() / 2].to_vec(), ..fine.clone() };
            let mut upstreams = Vec::new();
            for reply in [busy, fine, empty, half] {
                let tls = authority.server("localhost", &["h2", "http/1.1"], false);
                upstreams.push(upstream2::Upstream::start_tls(tls, reply).await);
            }
            let names = ["busy", "fine", "empty", "half"];
            let instances = names.iter().zip(&upstreams).map(|(name, upstream)| {
                (*name, secure(upstream.address, "localhost").replace("type: openai", "type: anthropic"))
            });
            let gateway = trusting(&authority, instances.collect()).await;
            let ask = async |client: Wire, model: &str, words: &str| {
                let (path, body) = client.asking(model, words, is_stream);
                gateway.post(&path, body).await
            };
            let context = format!("trailer: {trailer:?}, stream: {is_stream}");
            for client in [Wire::Chat, Wire::Converse] {
                for words in ["hi", &"long ".repeat(100_000)] {
                    let answer = ask(client, "fine/m", words).await;
                    assert_eq!((answer.head.status, answer.whole), (200, true), "{context}");
                    let told = match is_stream {
                        true => Told::of_stream(client, &answer.body),
                        false => Told::of(client, answer.text()),
                    };
                    assert_eq!((told.text.as_str(), told.is_finished), (TEXT, true), "{context}");
                }
                let answer = ask(client, "busy/m", "hi").await;
                assert_eq!(answer.head.status, 529, "{context}");
                let error: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
                assert!(!client.message_of(&error).is_empty(), "{context}: {error}");
                for model in ["empty/m", "half/m"] {
                    let answer = ask(client, model, "hi").await;
                    if is_stream && answer.head.status == 200 {
                        let told = Told::of_stream(client, &answer.body);
                        assert_eq!((told.errors.len(), told.ends), (1, 0), "{context}: {model} {told:?}");
                    } else {
                        assert_eq!(answer.head.status, 502, "{context}: {model}");
                    }
                }
            }
        }
    }
}

/// A request that is written to the connection by ourselves, over a TLS that keeps what it is given until it is flushed.
#[tokio::test]
async fn translation_over_http1() {
    let authority = Authority::new();
    let upstream = Upstream::start_tls(authority.server("localhost", &["http/1.1"], false), Wire::reply).await;
    let settings = secure(upstream.address, "localhost").replace("type: openai", "type: anthropic");
    let gateway = trusting(&authority, vec![("up", settings)]).await;
    for words in ["hi", &"long ".repeat(3000), &"long ".repeat(3300), &"long ".repeat(200_000), "hi"] {
        let (path, body) = Wire::Chat.asking("up/m", words, false);
        let answer = gateway.post(&path, body).await;
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        assert_eq!(Told::of(Wire::Chat, answer.text()).text, TEXT);
        assert!(upstream.requests().pop().expect("a request").text().contains(words));
    }
}

/// Nobody who cannot prove who he is sees a byte of a request; another instance serves it.
#[tokio::test]
async fn impostors_are_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let fine = Provider::always(Reply::json(200, "{}")).await;
    for (what, tls) in [
        ("wrong name", authority.server("other.example", &["http/1.1"], false)),
        ("expired", authority.server("localhost", &["http/1.1"], true)),
        ("unknown authority", stranger.server("localhost", &["http/1.1"], false)),
    ] {
        let impostor = Upstream::start_tls(tls, |_| Reply::json(200, "stolen")).await;
        let settings = secure(impostor.address, "localhost");
        let gateway = trusting(&authority, vec![("a", settings.clone()), ("b", fine.settings())]).await;
        let answer = gateway.post("/v1/chat/completions", REQUEST).await;
        assert_eq!((answer.head.status, answer.text()), (200, "{}"), "{what}");
        assert_eq!(answer.head.headers.get("x-narthex-instance"), Some("b"));
        for path in ["/v1/chat/completions", "/p/a/files"] {
            let refused = gateway.post(path, r#"{"model":"a/m"}"#).await;
            assert_eq!(refused.head.status, 502, "{what}");
            let text = refused.text().to_lowercase();
            assert!(text.contains("certificate") || text.contains("tls handshake"), "{what}: {text}");
        }
        assert!(impostor.requests().is_empty(), "{what}");
    }
    // Without the authority's file, its servers are strangers too.
    let upstream =
        Upstream::start_tls(authority.server("localhost", &["http/1.1"], false), |_| Reply::json(200, "{}")).await;
    let gateway =
        Setup::instances([("a", secure(upstream.address, "localhost"))]).env("NARTHEX_RETRIES", "0").start().await;
    assert_eq!(gateway.chat("m").await.head.status, 502);
    assert!(upstream.requests().is_empty());
}

/// Plain HTTP where TLS was promised, and TLS where plain HTTP was.
#[tokio::test]
async fn mixed_up_schemes_fail_clearly() {
    let authority = Authority::new();
    let plain = Provider::always(Reply::json(200, "{}")).await;
    let tls = Upstream::start_tls(authority.server("localhost", &[], false), |_| Reply::json(200, "{}")).await;
    let instances = vec![
        ("a", secure(plain.address(), "localhost")),
        ("b", openai(tls.address) + ", models: [other], models_mode: allowlist"),
    ];
    let gateway = trusting(&authority, instances).await;
    for model in ["a/m", "b/other"] {
        let answer = gateway.chat(model).await;
        assert_eq!(answer.head.status, 502, "{model}: {}", answer.text());
    }
}

/// Files that are no certificates are found when the configuration is read, not when the first request comes.
#[tokio::test]
async fn bad_authorities_are_found_at_once() {
    let authority = Authority::new();
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let pem = authority.pem();
    for content in [
        String::new(),
        "not a certificate".to_owned(),
        format!("{begin}\nnot base64 !\n{end}\n"),
        format!("{begin}\nAAAA\n{end}\n"),
        format!("{pem}{begin}\nAAAA\n{end}\n"),
        pem.replace(end, ""),
    ] {
        let setup = Setup::new();
        let file = setup.file("ca.pem", &content);
        let setup = setup.env("NARTHEX_CA_FILE", file);
        let (is_fine, printed) = setup.run(&["check"]);
        assert!(!is_fine && printed.stderr.contains("server.ca_file"), "{content:?}: {printed:?}");
    }
    let setup = Setup::new().env("NARTHEX_CA_FILE", "/no/such/file");
    assert!(!setup.run(&["check"]).0);
}

/// Who refuses before the request has ended is heard, be the stream reset then or left alone, and be it no stream at all.
#[tokio::test]
async fn early_refusals_are_heard() {
    let authority = Authority::new();
    let refusal = Wire::Chat.error(413, "too long");
    for (protocol, is_reset) in [("h2", true), ("h2", false), ("http/1.1", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        let (tls, refusal) = (authority.server("localhost", &[protocol], false), refusal.clone());
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("accept");
            let mut stream = tls.accept(stream).await.expect("TLS");
            if protocol == "http/1.1" {
                let length = refusal.len();
                let answer = format!("HTTP/1.1 413 X\r\ncontent-length: {length}\r\n\r\n{refusal}");
                stream.write_all(answer.as_bytes()).await.expect("written");
                stream.flush().await.expect("written");
                return std::future::pending().await;
            }
            let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
            let mut open = Vec::new();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let head = http::Response::builder().status(413).body(()).expect("a head");
                let mut body = respond.send_response(head, false).expect("sent");
                body.send_data(refusal.clone().into(), true).expect("sent");
                if !is_reset {
                    open.push((request, respond));
                }
            }
        });
        let gateway = trusting(&authority, vec![("a", secure(address, "localhost"))]).await;
        let (path, body) = Wire::Messages.asking("m", &"long ".repeat(2 << 20), false);
        let answer = soon("an answer", gateway.post(&path, body)).await;
        assert_eq!(answer.head.status, 413, "{protocol} {is_reset}: {}", answer.text());
        assert!(answer.text().contains("too long"), "{}", answer.text());
    }
}

/// Serves HTTP/2 over TLS, each request by `serve`; tells how many there were.
async fn over_h2<F: Future<Output = ()> + Send + 'static>(
    authority: &Authority,
    serve: impl Fn(h2::server::SendResponse<bytes::Bytes>) -> F + Clone + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let count = Arc::new(AtomicUsize::new(0));
    let (tls, counted) = (authority.server("localhost", &["h2"], false), Arc::clone(&count));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, serve, counted) = (tls.clone(), serve.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                let stream = tls.accept(stream).await.expect("TLS");
                let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
                while let Some(Ok((_, respond))) = connection.accept().await {
                    counted.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(serve(respond));
                }
            });
        }
    });
    (address, count)
}

/// Pingora holds such requests to be worth another try, however often.
#[tokio::test]
async fn a_provider_that_declines_for_ever_is_given_up() {
    let authority = Authority::new();
    for reason in [h2::Reason::REFUSED_STREAM, h2::Reason::HTTP_1_1_REQUIRED] {
        let (address, count) = over_h2(&authority, move |mut respond| async move { respond.send_reset(reason) }).await;
        let gateway = trusting(&authority, vec![("a", secure(address, "localhost"))]).await;
        let answer = soon("an answer", gateway.post("/v1/chat/completions", REQUEST)).await;
        assert_eq!(answer.head.status, 502, "{}", answer.text());
        let count = count.load(Ordering::Relaxed);
        assert!((1..=6).contains(&count), "{count}");
    }
}

/// The client has all of it; when the provider's stream ends is another question.
#[tokio::test]
async fn an_answer_of_declared_length_is_over_when_that_has_come() {
    let authority = Authority::new();
    let (address, count) = over_h2(&authority, |mut respond| async move {
        let head = http::Response::builder().header("content-type", "application/json").header("content-length", 2);
        let mut body = respond.send_response(head.body(()).expect("a head"), false).expect("sent");
        body.send_data("{}".into(), false).expect("sent");
        std::future::pending().await
    })
    .await;
    let gateway = trusting(&authority, vec![("a", secure(address, "localhost"))]).await;
    let mut client = gateway.client().await;
    for _ in 0..3 {
        let asking = client.exchange("POST", "/v1/chat/completions", &[JSON], Body::Length(REQUEST.as_bytes()));
        let answer = soon("an answer", asking).await;
        assert_eq!((answer.head.status, answer.text(), answer.whole), (200, "{}", true));
    }
    assert_eq!(count.load(Ordering::Relaxed), 3);
    let lines = gateway.access_lines(3).await;
    assert!(lines.iter().all(|line| line["outcome"] == "ok" && line["bytes_out"] == 2), "{lines:?}");
}

/// A signature covers what an HTTP/2 server takes for the host: there is no such header then.
#[tokio::test]
async fn signatures_hold_over_http2() {
    let authority = Authority::new();
    let answer = Wire::Converse.answer();
    let reply = upstream2::Reply {
        status: 200,
        content_type: "application/json",
        pieces: vec![answer.into_bytes().into()],
        trailer: None,
    };
    let upstream = upstream2::Upstream::start_tls(authority.server("localhost", &["h2"], false), reply).await;
    let arn = "arn:aws:bedrock:eu-west-1:1:application-inference-profile/a b";
    let settings = format!(
        "type: bedrock, base_url: \"https://localhost:{}\", region: eu-west-1, models: [\"{arn}\"], models_mode: allowlist, \
         access_key_id: AKH2, secret_access_key: very-secret, session_token: the-token",
        upstream.address.port()
    );
    let gateway = trusting(&authority, vec![("aws", settings)]).await;
    let answer = gateway.chat(&format!("aws/{arn}")).await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    // Slashes of an ARN may come as they are.
    let (_, body) = Wire::Converse.asking("", "hi", false);
    let raw = arn.replace(' ', "%20");
    let answer = gateway.post(&format!("/model/aws/{raw}/converse"), &body).await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let answer = gateway.post("/p/aws/model/m%3A0/invoke?x=b%2fc&a=1", "{\"text\":1}").await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let received = upstream.requests(3).await;
    assert_eq!(received[0].uri().path(), received[1].uri().path());
    for request in received {
        assert_signed(&request);
    }
}

/// Amazon's credentials are fetched by another client than everything else; it trusts the same authorities.
#[tokio::test]
async fn credentials_come_from_whom_we_trust() {
    let authority = Authority::new();
    let keys =
        r#"{"AccessKeyId":"AKTLS","SecretAccessKey":"very-secret","Token":"t","Expiration":"2999-01-01T00:00:00Z"}"#;
    let answering = move |_: &_| Reply::json(200, keys);
    let agent = Upstream::start_tls(authority.server("localhost", &["http/1.1"], false), answering).await;
    let bedrock = Upstream::start(Wire::reply).await;
    let settings =
        format!("type: bedrock, base_url: \"http://{}\", models: [m], models_mode: allowlist", bedrock.address);
    for (trusted, status) in [(&authority, 200), (&Authority::new(), 502)] {
        let setup = Setup::instances([("aws", settings.clone())]).env("AWS_EC2_METADATA_DISABLED", "true");
        let file = setup.file("ca.pem", trusted.pem());
        let uri = format!("https://localhost:{}/", agent.address.port());
        let setup = setup.env("NARTHEX_CA_FILE", file).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri);
        let gateway = setup.env("NARTHEX_RETRIES", "0").start().await;
        let answer = gateway.chat("aws/m").await;
        assert_eq!(answer.head.status, status, "{}", answer.text());
    }
    let sent = bedrock.requests();
    assert!(sent.len() == 1 && sent[0].headers.get("authorization").is_some_and(|value| value.contains("AKTLS")));
}

fn assert_signed(request: &upstream2::Received) {
    let given = |name: &str| request.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(given("x-amz-security-token"), "the-token");
    let date = given("x-amz-date");
    let part = |range: std::ops::Range<usize>| &date[range];
    let (day, time) =
        ([part(0..4), part(4..6), part(6..8)].join("-"), [part(9..11), part(11..13), part(13..15)].join(":"));
    let at = humantime::parse_rfc3339(&format!("{day}T{time}Z")).expect("a time");
    let signature = given("authorization");
    let names = signature.split_once("SignedHeaders=").expect("names").1.split(',').next().expect("names");
    assert_eq!(names, "content-type;host;x-amz-date;x-amz-security-token");
    let mut headers = http::HeaderMap::new();
    let host = request.uri().authority().expect("an authority").as_str();
    headers.insert("host", host.parse().expect("a value"));
    headers.insert("content-type", request.headers()["content-type"].clone());
    let signable = Signable {
        service: AwsService::Bedrock,
        method: request.method().as_str(),
        path_and_query: request.uri().path_and_query().expect("a path").as_str(),
        headers: &headers,
        body: Signed::Bytes(request.body()),
    };
    let credentials =
        aws_credential_types::Credentials::new("AKH2", "very-secret", Some("the-token".to_owned()), None, "test");
    let made = narthex::credentials::aws::sign(&signable, &credentials, "eu-west-1", at).expect("a signature");
    let made = made.iter().find(|(name, _)| *name == "authorization").expect("a signature");
    assert_eq!(made.1.to_str().expect("text"), signature);
}
