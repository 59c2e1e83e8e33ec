//! Azure OpenAI with tokens of Entra ID in place of a key, and deployments that are not called as their models.

use super::{body, chat_says_hi, form, member, token};
use crate::support::gateway::Setup;
use crate::support::upstream::{Received, Reply, Upstream};

fn azure(request: &Received) -> Reply {
    match request.path.as_str() {
        path if path.contains("/oauth2/") || path.starts_with("/msi") => token("entra"),
        path if path.contains("/chat/completions") => chat_says_hi(),
        _ => Reply::json(200, r#"{"object":"list","data":[]}"#),
    }
}

fn setup(upstream: &Upstream) -> Setup {
    Setup::new()
        .env("AZURE_BASE_URL", format!("http://{}", upstream.address))
        .env("AZURE_AUTHORITY_HOST", format!("http://{}/", upstream.address))
        .env("AZURE_TENANT_ID", "tenant")
        .env("AZURE_CLIENT_ID", "app")
}

/// The request for the token, and the one for the chat.
async fn asked(setup: Setup, upstream: &Upstream) -> (Received, Received) {
    let gateway = setup.start().await;
    let answer = gateway.chat("azure/gpt-5").await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let requests = upstream.requests();
    let last =
        |is: &dyn Fn(&Received) -> bool| requests.iter().rfind(|request| is(request)).expect("a request").clone();
    let is_chat = |request: &Received| request.path.contains("/chat/completions");
    let is_token = |request: &Received| request.path.contains("/oauth2/") || request.path.starts_with("/msi");
    (last(&is_token), last(&is_chat))
}

#[tokio::test]
async fn an_application_shows_its_secret() {
    let upstream = Upstream::start(azure).await;
    let (token, chat) = asked(setup(&upstream).env("AZURE_CLIENT_SECRET", "s&c=ret"), &upstream).await;
    assert_eq!((token.method.as_str(), token.path.as_str()), ("POST", "/tenant/oauth2/v2.0/token"));
    let sent = form(&token);
    let expected = [
        ("grant_type", "client_credentials"),
        ("client_id", "app"),
        ("scope", "https://cognitiveservices.azure.com/.default"),
        ("client_secret", "s&c=ret"),
    ];
    assert_eq!(sent.len(), expected.len());
    assert!(expected.iter().all(|(name, value)| member(&sent, name) == *value), "{sent:?}");
    assert_eq!(chat.headers.get("authorization"), Some("Bearer entra"));
    assert_eq!(chat.headers.get("api-key"), None);
    assert_eq!(chat.path, "/openai/v1/chat/completions");
    // The list of models was asked for with the same token.
    upstream.received_until(|all| all.iter().any(|request| request.path == "/openai/v1/models")).await;
    let requests = upstream.requests();
    let list = requests.iter().find(|request| request.path == "/openai/v1/models").expect("the list");
    assert_eq!(list.headers.get("authorization"), Some("Bearer entra"));
    assert_eq!(requests.iter().filter(|request| request.path.contains("/oauth2/")).count(), 1);
}

#[tokio::test]
async fn a_cluster_vouches_for_its_workload() {
    let upstream = Upstream::start(azure).await;
    let setup = setup(&upstream);
    let file = setup.file("token", "jwt-of-the-cluster\n");
    let (token, _) = asked(setup.env("AZURE_FEDERATED_TOKEN_FILE", file), &upstream).await;
    let sent = form(&token);
    assert_eq!(member(&sent, "client_assertion"), "jwt-of-the-cluster");
    assert_eq!(member(&sent, "client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert_eq!(member(&sent, "client_secret"), "");
}

#[tokio::test]
async fn a_machine_has_an_identity() {
    let upstream = Upstream::start(azure).await;
    let root = format!("http://{}", upstream.address);
    let machine = || setup(&upstream).env("AZURE_AUTH_TYPE", "managed_identity");
    let resource = "resource=https%3A%2F%2Fcognitiveservices.azure.com";
    let (token, chat) = asked(machine().env("AZURE_POD_IDENTITY_AUTHORITY_HOST", &root), &upstream).await;
    assert_eq!(token.method, "GET");
    let path = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{resource}&client_id=app");
    assert_eq!((token.path, token.headers.get("metadata")), (path, Some("true")));
    assert_eq!(chat.headers.get("authorization"), Some("Bearer entra"));

    let endpoint = machine().env("IDENTITY_ENDPOINT", format!("{root}/msi/token")).env("IDENTITY_HEADER", "proof");
    let (token, _) = asked(endpoint, &upstream).await;
    let path = format!("/msi/token?api-version=2019-08-01&{resource}&client_id=app");
    assert_eq!((token.path, token.headers.get("x-identity-header")), (path, Some("proof")));
}

#[tokio::test]
async fn a_key_wins_and_what_is_missing_is_named() {
    let upstream = Upstream::start(azure).await;
    let gateway = setup(&upstream).env("AZURE_API_KEY", "k").env("AZURE_CLIENT_SECRET", "s").start().await;
    gateway.chat("azure/gpt-5").await;
    let chat = upstream.requests().into_iter().rfind(|request| request.path.contains("/chat/")).expect("a request");
    assert_eq!((chat.headers.get("api-key"), chat.headers.get("authorization")), (Some("k"), None));

    for (settings, missing) in [
        ("client_secret: s-1, client_id: c", &["tenant_id"][..]),
        ("client_secret: s-1", &["tenant_id", "client_id"]),
        ("federated_token_file: /t, tenant_id: t", &["client_id"]),
        ("auth_type: client_secret, tenant_id: t, client_id: c, api_key: s-1", &["client_secret"]),
        ("auth_type: workload_identity, tenant_id: t, client_id: c", &["federated_token_file"]),
        ("auth_type: managed_identity", &[]),
        ("api_key: s-1, client_id: c", &[]),
    ] {
        let config = format!("providers:\n  azure: {{base_url: \"http://127.0.0.1:9\", {settings}}}");
        let (ok, output) = Setup::config(config).run(&["check"]);
        assert_eq!(ok, missing.is_empty(), "{settings}: {}", output.stderr);
        for name in missing {
            let told = format!("needs a `{name}` (or the variable AZURE_{})", name.to_ascii_uppercase());
            assert!(output.stderr.contains(&told), "{settings}: {}", output.stderr);
        }
        assert_eq!(output.stderr.matches("needs a").count(), missing.len(), "{settings}: {}", output.stderr);
        assert!(!output.stdout.contains("s-1") && !output.stderr.contains("s-1"));
    }
}

#[tokio::test]
async fn deployments_have_names_of_their_own() {
    let upstream = Upstream::start(azure).await;
    for (version, path) in [
        ("", "/openai/v1/chat/completions"),
        (", api_version: \"2024-10-21\"", "/openai/deployments/mine/chat/completions?api-version=2024-10-21"),
    ] {
        let config = format!(
            "providers:\n  azure: {{base_url: \"http://{}\", api_key: k, deployments: {{gpt-5: mine, gpt-4o: other}}{version}}}",
            upstream.address
        );
        let gateway = Setup::config(config).start().await;
        let answer = gateway.chat("gpt-5").await;
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        let chat = upstream.requests().into_iter().rfind(|request| request.path.contains("/chat/")).expect("a request");
        assert_eq!((chat.path.as_str(), body(&chat)["model"].as_str()), (path, Some("mine")));
        let listed = gateway.models(&[]).await;
        assert!(listed == ["azure/gpt-4o", "azure/gpt-5"], "{listed:?}");
    }
}
