//! Which of several targets gets a request.

use crate::support::gateway::{Gateway, Provider, Setup};
use crate::support::upstream::{Gate, Reply};

async fn answering() -> Provider {
    Provider::always(Reply::json(200, "{}")).await
}

async fn served_by(gateway: &Gateway, model: &str) -> String {
    let answer = gateway.chat(model).await;
    assert_eq!(answer.head.status, 200, "{model}: {}", answer.text());
    answer.head.headers.get("x-narthex-instance").expect("an instance").to_owned()
}

/// How often `a` is among the instances that serve so many requests.
async fn count(gateway: &Gateway, model: &str, requests: usize, a: &str) -> usize {
    let mut count = 0;
    for _ in 0..requests {
        count += usize::from(served_by(gateway, model).await == a);
    }
    count
}

#[tokio::test]
async fn instances_from_the_environment_share_a_bare_name() {
    let (east, west) = (answering().await, answering().await);
    let setup = [("EAST", &east), ("WEST", &west)].into_iter().fold(Setup::new(), |setup, (suffix, provider)| {
        setup
            .env(&format!("OPENAI_{suffix}_API_KEY"), format!("key-{suffix}"))
            .env(&format!("OPENAI_{suffix}_BASE_URL"), format!("http://{}/v1/", provider.address()))
    });
    let gateway = setup.start().await;
    assert_eq!(gateway.models(&[]).await, ["openai-east/m", "openai-west/m"]);
    assert_eq!(count(&gateway, "m", 10, "openai-east").await, 5);
    assert_eq!(count(&gateway, "openai/m", 10, "openai-west").await, 5);
    // A model that nobody lists is sent to that provider all the same.
    let unlisted = count(&gateway, "openai/new", 40, "openai-east").await;
    assert!(unlisted > 5 && unlisted < 35, "{unlisted} of 40");
    for request in east.requests() {
        assert_eq!(request.headers.get("authorization"), Some("Bearer key-EAST"));
    }
    for (pinned, asked) in [("openai-east", "openai-east/m"), ("openai-west", "openai-west/never-heard-of")] {
        assert_eq!(count(&gateway, asked, 6, pinned).await, 6);
    }
    assert_eq!(gateway.chat("never-heard-of").await.head.status, 404);
    assert_eq!(gateway.chat("nobody/m").await.head.status, 404);
}

/// A pin is a pin: when that instance fails, no other serves the request.
#[tokio::test]
async fn a_pinned_instance_does_not_fail_over() {
    let (a, b) = (Provider::always(Reply::json(500, "{}")).await, answering().await);
    let gateway =
        Setup::instances([("a", a.settings()), ("b", b.settings())]).env("NARTHEX_RETRIES", "1").start().await;
    assert_eq!(gateway.chat("a/m").await.head.status, 500);
    assert_eq!((a.requests().len(), b.requests().len()), (2, 0));
}

#[tokio::test]
async fn weights_are_shares() {
    let (a, b) = (answering().await, answering().await);
    let instances = [("a", a.settings() + ", weight: 3"), ("b", b.settings())];
    let gateway = Setup::instances(instances)
        .and("models: {mix: {targets: [{model: a/x, weight: 1}, {model: b/y, weight: 9}]}}")
        .start()
        .await;
    assert_eq!(count(&gateway, "m", 40, "a").await, 30);
    // A target's weight multiplies its instance's: 3 to 9.
    assert_eq!(count(&gateway, "mix", 40, "a").await, 10);
    assert_eq!(b.requests().last().map(|request| request.text().contains(r#""y""#)), Some(true));
}

#[tokio::test]
async fn the_less_busy_is_preferred() {
    let gate = Gate::closed();
    let held = gate.clone();
    let slow =
        Provider::start(move |_| Reply::default().pause(&held).bytes("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"))
            .await;
    let quick = answering().await;
    let gateway = Setup::instances([("slow", slow.settings()), ("quick", quick.settings())])
        .env("NARTHEX_STRATEGY", "least_busy")
        .start()
        .await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = gateway.client().await;
        let body = crate::support::http::Body::Length(br#"{"model":"slow/m"}"#);
        client.request("POST", "/v1/chat/completions", &[], body).await;
        held.push(client);
    }
    slow.received(3).await;
    assert_eq!(count(&gateway, "m", 20, "quick").await, 20);
    held.iter().for_each(|_| gate.open());
    for mut client in held {
        assert_eq!(client.answer().await.head.status, 200);
    }
}

#[tokio::test]
async fn priority_means_the_first_that_is_well() {
    let (a, b) = (
        Provider::script([Reply::json(200, "{}"), Reply::json(503, "{}"), Reply::json(200, "{}")]).await,
        answering().await,
    );
    let gateway = Setup::instances([("a", a.settings()), ("b", b.settings())])
        .and("models: {first: {strategy: priority, targets: [b/m, a/m]}}")
        .env("NARTHEX_STRATEGY", "priority")
        .start()
        .await;
    assert_eq!(served_by(&gateway, "m").await, "a");
    assert_eq!(served_by(&gateway, "first").await, "b");
    // It fails once and cools down.
    assert_eq!(served_by(&gateway, "m").await, "b");
    assert_eq!(served_by(&gateway, "m").await, "b");
    assert!(gateway.metrics().await.contains(r#"narthex_instance_cooling{instance="a"} 1"#));
    // Asked for by name it gets its chance, and has recovered.
    assert_eq!(served_by(&gateway, "a/m").await, "a");
    assert_eq!(served_by(&gateway, "m").await, "a");
    assert!(gateway.metrics().await.contains(r#"narthex_instance_cooling{instance="a"} 0"#));
}

#[tokio::test]
async fn fallbacks_come_last_and_get_their_own_model() {
    let (a, b, c) = (
        Provider::always(Reply::json(500, "{}")).await,
        Provider::always(Reply::json(429, "{}")).await,
        answering().await,
    );
    let gateway = Setup::instances([("a", a.settings()), ("b", b.settings()), ("c", c.settings())])
        .and("models:\n  smart: {targets: [a/one], fallbacks: [b/two, c/org/three]}\n  fast: c/four")
        .start()
        .await;
    let answer = gateway.post("/v1/chat/completions", r#"{"x":[1 ,2], "model" : "smart"}"#).await;
    assert_eq!(answer.head.status, 200);
    assert_eq!(answer.head.headers.get("x-narthex-attempts"), Some("3"));
    assert_eq!(answer.head.headers.get("x-narthex-model"), Some("org/three"));
    for (provider, model) in [(&a, "one"), (&b, "two"), (&c, "org/three")] {
        assert_eq!(provider.requests()[0].text(), format!(r#"{{"x":[1 ,2], "model" : "{model}"}}"#));
    }
    assert_eq!(served_by(&gateway, "fast").await, "c");
    assert_eq!(c.requests()[1].text(), r#"{"model":"four","messages":[]}"#);
}

/// An alias wins over a model that is called the same, even one with slashes.
#[tokio::test]
async fn names_that_the_user_gave_come_first() {
    let (a, b) = (Provider::listing(&["m", "org/m"], |_| Reply::json(200, "{}")).await, answering().await);
    let gateway = Setup::instances([("a", a.settings()), ("b", b.settings())])
        .and("models: {m: b/other, a/m: b/third}")
        .start()
        .await;
    assert_eq!(served_by(&gateway, "m").await, "b");
    assert_eq!(served_by(&gateway, "a/m").await, "b");
    assert_eq!(served_by(&gateway, "org/m").await, "a");
    assert_eq!(served_by(&gateway, "a/org/m").await, "a");
    assert_eq!(
        a.requests().iter().map(|request| request.text().to_owned()).collect::<Vec<_>>(),
        vec![r#"{"model":"org/m","messages":[]}"#; 2]
    );
}

/// An operation that only one of the instances serves goes to that one; one that none serves is refused by name.
#[tokio::test]
async fn operations_go_where_they_are_served() {
    let (groq, open) = (answering().await, answering().await);
    let instances =
        [("groq", format!("api_key: k, base_url: \"http://{}\"", groq.address())), ("open", open.settings())];
    let gateway = Setup::instances(instances).start().await;
    for _ in 0..4 {
        let answer = gateway.post("/v1/images/generations", r#"{"model":"m"}"#).await;
        assert_eq!(answer.head.headers.get("x-narthex-instance"), Some("open"));
    }
    let answer = gateway.post("/v1/images/generations", r#"{"model":"groq/m"}"#).await;
    assert_eq!(answer.head.status, 400);
    assert!(answer.text().contains("groq") && answer.text().contains("image generations"), "{}", answer.text());
    assert!(groq.requests().is_empty());
}
