//! Stopping: what is under way ends as it should, and nothing waits for nothing.

use crate::support::gateway::{Gateway, JSON, Provider, Setup};
use crate::support::http::{Body, Client, Piece};
use crate::support::soon;
use crate::support::upstream::{Gate, Reply};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

const EVENT: &str = "data: {\"choices\":[{}]}\n\n";

/// A gateway with an open stream, of which one event has come.
async fn streaming(gate: &Gate) -> (Provider, Gateway, Client) {
    let held = gate.clone();
    let reply = move || Reply::events().chunk(EVENT).pause(&held).chunk("data: [DONE]\n\n").end();
    let provider = Provider::start(move |_| reply()).await;
    let gateway = provider.behind_gateway().await;
    let mut client = gateway.client().await;
    let body = Body::Length(br#"{"model":"m","stream":true}"#);
    client.request("POST", "/v1/chat/completions", &[JSON], body).await;
    assert_eq!(client.read_head().await.status, 200);
    assert_eq!(client.piece().await, Piece::Data(EVENT.into()));
    (provider, gateway, client)
}

#[tokio::test]
async fn open_streams_are_waited_for() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let gate = Gate::closed();
        let (_provider, mut gateway, mut client) = streaming(&gate).await;
        gateway.signal(signal);
        gateway.says("1 exchanges are under way").await;
        // It says that it is about to stop, and still serves whoever comes.
        let ready = gateway.get("/health/ready").await;
        assert_eq!((ready.head.status, ready.text()), (503, r#"{"status":"draining"}"#));
        assert!(ready.head.headers.has("connection", "close"), "{:?}", ready.head);
        assert_eq!(gateway.get("/health/live").await.head.status, 200);
        assert_eq!(gateway.models(&[]).await, ["up/m"]);
        gate.open();
        assert_eq!(client.piece().await, Piece::Data(b"data: [DONE]\n\n".to_vec()));
        assert_eq!(client.piece().await, Piece::End);
        assert!(gateway.ended().await.success());
        let line = gateway.output().stdout;
        assert!(line.contains(r#""outcome":"ok""#), "the last line is written: {line}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_now() {
    let gate = Gate::closed();
    let (_provider, mut gateway, mut client) = streaming(&gate).await;
    gateway.signal(Signal::SIGTERM);
    gateway.says("1 exchanges are under way").await;
    gateway.signal(Signal::SIGTERM);
    gateway.ended().await;
    assert!(gateway.output().stderr.contains("a second signal"));
    assert_ne!(client.piece().await, Piece::End, "a stream that was cut must not look whole");
}

#[tokio::test]
async fn patience_has_an_end() {
    let gate = Gate::closed();
    let held = gate.clone();
    let provider = Provider::start(move |_| Reply::events().chunk(EVENT).pause(&held)).await;
    let gateway = Setup::instances([("up", provider.settings())]).and("server: {drain: 200ms}").start().await;
    let mut gateway = gateway;
    let mut client = gateway.client().await;
    client.request("POST", "/v1/chat/completions", &[JSON], Body::Length(br#"{"model":"m","stream":true}"#)).await;
    client.read_head().await;
    gateway.signal(Signal::SIGTERM);
    gateway.ended().await;
    assert!(gateway.output().stderr.contains("did not end in time"));
}

/// Idle connections are no reason to stay.
#[tokio::test]
async fn without_work_it_stops_at_once() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let mut gateway = provider.behind_gateway().await;
    let mut idle = gateway.client().await;
    let body = Body::Length(br#"{"model":"m"}"#);
    assert_eq!(idle.exchange("POST", "/v1/chat/completions", &[JSON], body).await.head.status, 200);
    let _untouched = gateway.client().await;
    let asked = Instant::now();
    gateway.signal(Signal::SIGTERM);
    assert!(gateway.ended().await.success());
    assert!(asked.elapsed() < Duration::from_secs(15));
    assert_eq!(soon("the end", idle.piece()).await, Piece::End);
}

/// A port that is taken is reported as such.
#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = taken.local_addr().expect("an address").to_string();
    let setup = Setup::new().env("NARTHEX_LISTEN", &address).env("NARTHEX_ADMIN_LISTEN", "off");
    let (is_fine, printed) = tokio::task::spawn_blocking(move || setup.run(&[])).await.expect("it ran");
    assert!(!is_fine && printed.stderr.contains("server.listen") && printed.stderr.contains(&address), "{printed:?}");
}

#[tokio::test]
async fn it_can_be_asked_for_its_health() {
    let gateway = Setup::new().start().await;
    let address = gateway.address.to_string();
    let ask = move |address: String| {
        tokio::task::spawn_blocking(move || Setup::new().env("NARTHEX_LISTEN", address).run(&["health"]))
    };
    let (is_fine, printed) = ask(address.clone()).await.expect("it ran");
    assert!(is_fine && printed.stdout.contains("ready"), "{printed:?}");
    drop(gateway);
    assert!(!ask(address).await.expect("it ran").0);
}
