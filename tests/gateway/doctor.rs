//! `narthex doctor` says plainly what is wrong with an instance, and asks for nothing that costs.

use crate::support::gateway::Setup;
use crate::support::upstream::{Received, Reply, Upstream};

const LIST: &str = r#"{"data":[{"id":"here"}]}"#;

fn well(request: &Received) -> Reply {
    match request.method.as_str() {
        "GET" => Reply::json(200, LIST),
        _ => Reply::json(400, r#"{"error":{"message":"messages is missing","type":"invalid_request_error"}}"#),
    }
}

fn refusing(status: u16, message: &'static str) -> impl Fn(&Received) -> Reply + Send + Sync + 'static {
    move |_| Reply::json(status, format!(r#"{{"error":{{"message":"{message}"}}}}"#))
}

async fn examine(setup: Setup, arguments: &'static [&'static str]) -> (bool, String) {
    let run = move || {
        let (is_well, printed) = setup.run(arguments);
        (is_well, printed.stdout + &printed.stderr)
    };
    tokio::task::spawn_blocking(run).await.expect("it ran")
}

/// What is said of one instance.
fn of<'a>(printed: &'a str, name: &str) -> &'a str {
    let finding = printed.split("\n\n").find(|finding| finding.trim_start().starts_with(&format!("{name}:")));
    finding.unwrap_or_else(|| panic!("{name} is not in {printed}"))
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let settings = |upstream: &Upstream, more: &str| {
        format!("type: deepseek, base_url: \"http://{}/v1\", api_key: sk-very-secret{more}", upstream.address)
    };
    let fine = Upstream::start(well).await;
    let locked = Upstream::start(refusing(401, "Incorrect API key provided")).await;
    let forbidden = Upstream::start(refusing(403, "no access to this model")).await;
    let elsewhere = Upstream::start(refusing(404, "not found")).await;
    let used_up = Upstream::start(refusing(402, "Insufficient Balance")).await;
    let silent = Upstream::start(|_| Reply::default().cut()).await;
    let nobody = Upstream::start(well).await;
    let instances = [
        ("fine", settings(&fine, ", models: [here, gone]")),
        ("locked", settings(&locked, "")),
        ("forbidden", settings(&forbidden, "")),
        ("elsewhere", settings(&elsewhere, "")),
        ("used-up", settings(&used_up, "")),
        ("silent", settings(&silent, "")),
        ("nobody", settings(&nobody, "")),
        ("nowhere", "type: groq, base_url: \"http://no-such-host.invalid/v1\", api_key: sk-very-secret".to_owned()),
        ("mixed-up", settings(&fine, "").replace("http:", "https:")),
    ];
    drop(nobody);
    let (is_well, printed) = examine(Setup::instances(instances), &["doctor"]).await;
    assert!(!is_well);
    assert!(!printed.contains("sk-very-secret"), "{printed}");
    for (name, words) in [
        ("fine", &["1 models are listed", "`gone` is configured, yet not on that list", "it answers"][..]),
        ("locked", &["FAIL", "the key is refused", "providers.locked.api_key", "Incorrect API key provided"]),
        ("forbidden", &["FAIL", "may not do this", "no access to this model"]),
        ("elsewhere", &["FAIL", "there is nothing at /v1/chat/completions", "base_url"]),
        ("used-up", &["FAIL", "used up", "Insufficient Balance"]),
        ("silent", &["FAIL", "hung up"]),
        ("nobody", &["FAIL", "nothing listens there"]),
        ("nowhere", &["FAIL", "no-such-host.invalid cannot be resolved"]),
        ("mixed-up", &["FAIL", "TLS"]),
    ] {
        let finding = of(&printed, name);
        words.iter().for_each(|word| assert!(finding.contains(word), "{word:?} is missing: {finding}"));
        assert_eq!(finding.contains("FAIL"), name != "fine", "{finding}");
    }
    let asked = fine.requests();
    let post = asked.iter().find(|request| request.method == "POST").expect("a request");
    assert_eq!((post.path.as_str(), post.text()), ("/v1/chat/completions", "{}"), "nothing that costs");
    assert_eq!(post.headers.get("authorization"), Some("Bearer sk-very-secret"));
}

#[tokio::test]
async fn one_may_be_named() {
    let fine = Upstream::start(well).await;
    let setup = || {
        let settings =
            format!("type: anthropic, base_url: \"http://{}\", api_key: sk-very-secret, models: [m]", fine.address);
        Setup::instances([("a", settings), ("b", "type: openai, api_key: k, base_url: \"http://127.0.0.1:1\"".into())])
    };
    let (is_well, printed) = examine(setup(), &["doctor", "a"]).await;
    assert!(is_well && !printed.contains("b:"), "{printed}");
    let post = fine.requests().pop().expect("a request");
    assert_eq!((post.path.as_str(), post.headers.get("x-api-key")), ("/v1/messages", Some("sk-very-secret")));
    assert!(post.headers.get("anthropic-version").is_some());
    let (is_well, printed) = examine(setup(), &["doctor", "c"]).await;
    assert!(!is_well && printed.contains("no instance is called `c`"), "{printed}");
}

#[tokio::test]
async fn the_built_in_one_is_always_well() {
    let (is_well, printed) = examine(Setup::new(), &["doctor"]).await;
    assert!(is_well && printed.contains("built in"), "{printed}");
}
