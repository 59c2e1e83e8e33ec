//! Amazon's credentials, from wherever AWS's own tools would take them on this machine. That the signatures themselves are right is
//! tested with Amazon's own SDK (`tests/sdk/test_bedrock_signing.py`).

use crate::support::gateway::{Gateway, Provider, Setup};
use crate::support::http::Answer;
use crate::support::upstream::{Gate, Received, Reply, Upstream};
use crate::support::wire::Wire;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// Without a network there is no metadata service, and nobody should wait for it.
const NO_MACHINE: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");

fn instance(bedrock: &Upstream, more: &str) -> String {
    format!("type: bedrock, base_url: \"http://{}\", models: [m], models_mode: allowlist{more}", bedrock.address)
}

async fn start(bedrock: &Upstream, more: &str, variables: &[(&str, &str)]) -> Gateway {
    let setup = Setup::instances([("aws", instance(bedrock, more))]);
    variables.iter().fold(setup, |setup, (name, value)| setup.env(name, *value)).start().await
}

async fn bedrock() -> Upstream {
    Upstream::start(Wire::reply).await
}

fn since_epoch(lasts: Duration) -> String {
    humantime::format_rfc3339_seconds(SystemTime::now() + lasts).to_string()
}

fn keys(id: &str, lasts: Duration) -> String {
    let keys = json!({
        "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z", "Expiration": since_epoch(lasts),
        "AccessKeyId": id, "SecretAccessKey": "very-secret", "Token": format!("token-of-{id}"),
    });
    keys.to_string()
}

const HOUR: Duration = Duration::from_secs(3600);

/// A service for containers that gives other credentials each time: `AK0`, `AK1`, ….
async fn agent() -> Upstream {
    let given = AtomicUsize::new(0);
    Upstream::start(move |_| Reply::json(200, keys(&format!("AK{}", given.fetch_add(1, Ordering::SeqCst)), HOUR))).await
}

/// The access key and the region that a request is signed with.
fn signer(request: &Received) -> (String, String) {
    let given = request.headers.get("authorization").expect("a signature");
    let scope = given.split_once("Credential=").expect("a credential").1.split(',').next().expect("a scope");
    let parts: Vec<_> = scope.split('/').collect();
    assert_eq!(&parts[3..], ["bedrock", "aws4_request"], "{given}");
    (parts[0].to_owned(), parts[2].to_owned())
}

async fn assert_signed(gateway: &Gateway, bedrock: &Upstream, id: &str, region: &str, token: Option<&str>) {
    let answer = gateway.chat("aws/m").await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let sent = bedrock.requests().pop().expect("a request");
    assert_eq!(signer(&sent), (id.to_owned(), region.to_owned()));
    assert_eq!(sent.headers.get("x-amz-security-token"), token);
    let output = gateway.output();
    assert!(!output.stderr.contains("very-secret") && !output.stdout.contains("very-secret"));
}

#[tokio::test]
async fn keys_of_the_environment_and_of_dotenv() {
    let bedrock = bedrock().await;
    let keys = [("AWS_ACCESS_KEY_ID", "AKENV"), ("AWS_SECRET_ACCESS_KEY", "very-secret"), ("AWS_SESSION_TOKEN", "t")];
    let gateway = start(&bedrock, "", &[&keys[..], &[("AWS_DEFAULT_REGION", "eu-west-1")]].concat()).await;
    assert_signed(&gateway, &bedrock, "AKENV", "eu-west-1", Some("t")).await;

    let setup = Setup::instances([("aws", instance(&bedrock, ""))]);
    setup.file(".env", "AWS_ACCESS_KEY_ID=AKDOT\nAWS_SECRET_ACCESS_KEY=very-secret\nAWS_REGION=eu-west-2\n");
    let gateway = setup.start().await;
    assert_signed(&gateway, &bedrock, "AKDOT", "eu-west-2", None).await;

    // An instance's own settings are not mixed with anybody else's.
    let own = ", access_key_id: AKOWN, secret_access_key: very-secret, region: ap-south-1";
    let gateway = start(&bedrock, own, &keys).await;
    assert_signed(&gateway, &bedrock, "AKOWN", "ap-south-1", None).await;
}

#[tokio::test]
async fn a_key_of_bedrock_is_a_bearer() {
    let bedrock = bedrock().await;
    let keys = [("AWS_ACCESS_KEY_ID", "AKENV"), ("AWS_SECRET_ACCESS_KEY", "very-secret")];
    let bearer = [&keys[..], &[("AWS_BEARER_TOKEN_BEDROCK", "ABSK-1")]].concat();
    for (more, expected) in [("", "Bearer ABSK-1"), (", api_key: own", "Bearer own")] {
        let gateway = start(&bedrock, more, &bearer).await;
        assert_eq!(gateway.chat("aws/m").await.head.status, 200);
        let sent = bedrock.requests().pop().expect("a request");
        assert_eq!(sent.headers.get("authorization"), Some(expected));
        assert_eq!(sent.headers.get("x-amz-date"), None);
    }
}

#[tokio::test]
async fn keys_and_region_of_a_profile() {
    let bedrock = bedrock().await;
    let setup = Setup::instances([("aws", instance(&bedrock, "")), ("other", instance(&bedrock, ", profile: other"))]);
    let section =
        |name: &str, id: &str| format!("[{name}]\naws_access_key_id={id}\naws_secret_access_key=very-secret\n");
    let credentials = setup.file("credentials", section("team", "AKTEAM") + &section("other", "AKOTHER"));
    let config = setup.file("aws-config", "[profile team]\nregion=eu-west-3\n[profile other]\nregion=sa-east-1\n");
    let setup = setup.env("AWS_SHARED_CREDENTIALS_FILE", &credentials).env("AWS_CONFIG_FILE", &config);
    let gateway = setup.env("AWS_PROFILE", "team").start().await;
    assert_signed(&gateway, &bedrock, "AKTEAM", "eu-west-3", None).await;

    // Keys of the environment come before the profile that it names, not before the one that the instance names.
    let named = ["aws", "other", "gone"].map(|name| match name {
        "aws" => (name, instance(&bedrock, "")),
        _ => (name, instance(&bedrock, &format!(", profile: {name}"))),
    });
    let setup = Setup::instances(named).env("AWS_SHARED_CREDENTIALS_FILE", credentials).env("AWS_CONFIG_FILE", config);
    let keys = setup.env("AWS_ACCESS_KEY_ID", "AKENV").env("AWS_SECRET_ACCESS_KEY", "very-secret");
    let gateway = keys.env("AWS_PROFILE", "team").env(NO_MACHINE.0, NO_MACHINE.1).start().await;
    assert_signed(&gateway, &bedrock, "AKENV", "eu-west-3", None).await;
    assert_eq!(gateway.chat("other/m").await.head.status, 200);
    let other = signer(&bedrock.requests().pop().expect("a request"));
    assert_eq!(other, ("AKOTHER".to_owned(), "sa-east-1".to_owned()));
    let answer = gateway.chat("gone/m").await;
    assert_eq!(answer.head.status, 502);
    assert!(error(&answer).contains("`gone`"), "{}", error(&answer));
}

#[tokio::test]
async fn the_role_of_a_container() {
    let bedrock = bedrock().await;
    let agent = Upstream::start(|_| Reply::json(200, keys("AKTASK", HOUR))).await;
    let address = format!("http://{}/v1/credentials", agent.address);
    let variables = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", address.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "agent-token"),
        ("AWS_REGION", "us-west-2"),
        NO_MACHINE,
    ];
    let gateway = start(&bedrock, "", &variables).await;
    for _ in 0..3 {
        assert_signed(&gateway, &bedrock, "AKTASK", "us-west-2", Some("token-of-AKTASK")).await;
    }
    let asked = agent.requests();
    assert_eq!((asked.len(), asked[0].path.as_str()), (1, "/v1/credentials"));
    assert_eq!(asked[0].headers.get("authorization"), Some("agent-token"));
}

#[tokio::test]
async fn the_role_of_a_machine() {
    let bedrock = bedrock().await;
    let machine = Upstream::start(|request| match (request.method.as_str(), request.path.as_str()) {
        ("PUT", "/latest/api/token") => {
            let headers = [("x-aws-ec2-metadata-token-ttl-seconds", "21600"), ("content-length", "5")];
            Reply::head(200, &headers).bytes("IMDS2")
        }
        ("GET", "/latest/meta-data/iam/security-credentials/") => Reply::whole(200, "text/plain", "my-role"),
        ("GET", "/latest/meta-data/iam/security-credentials/my-role") => Reply::json(200, keys("AKEC2", HOUR)),
        _ => Reply::whole(404, "text/plain", "no"),
    })
    .await;
    let address = format!("http://{}", machine.address);
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", address.as_str()), ("AWS_REGION", "us-west-2")];
    let gateway = start(&bedrock, "", &variables).await;
    assert_signed(&gateway, &bedrock, "AKEC2", "us-west-2", Some("token-of-AKEC2")).await;
    let asked = machine.requests();
    assert!(asked.iter().skip(1).all(|request| request.headers.get("x-aws-ec2-metadata-token") == Some("IMDS2")));
}

#[tokio::test]
async fn a_web_identity() {
    let bedrock = bedrock().await;
    let sts = Upstream::start(|_| {
        let keys = format!(
            "<AccessKeyId>AKWEB</AccessKeyId><SecretAccessKey>very-secret</SecretAccessKey>\
             <SessionToken>token-of-AKWEB</SessionToken><Expiration>{}</Expiration>",
            since_epoch(HOUR)
        );
        let namespace = "https://sts.amazonaws.com/doc/2011-06-15/";
        let user = "<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn><AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser>";
        let result = format!("<Credentials>{keys}</Credentials>{user}");
        let action = "AssumeRoleWithWebIdentity";
        let xml = format!("<{action}Response xmlns=\"{namespace}\"><{action}Result>{result}</{action}Result></{action}Response>");
        Reply::whole(200, "text/xml", xml)
    })
    .await;
    let setup = Setup::instances([("aws", instance(&bedrock, ""))]);
    let token = setup.file("token", "the.web.token");
    let gateway = setup
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", token)
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
        .env("AWS_ENDPOINT_URL_STS", format!("http://{}", sts.address))
        .env("AWS_REGION", "us-west-2")
        .start()
        .await;
    assert_signed(&gateway, &bedrock, "AKWEB", "us-west-2", Some("token-of-AKWEB")).await;
    assert!(sts.requests()[0].text().contains("WebIdentityToken=the.web.token"));
}

/// While new ones are fetched the old ones are good, and nobody waits; one fetch serves all.
#[tokio::test]
async fn credentials_are_renewed_while_requests_go_on() {
    let bedrock = bedrock().await;
    let (fetched, gate) = (AtomicUsize::new(0), Gate::closed());
    let held = gate.clone();
    let agent = Upstream::start(move |_| match fetched.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::json(200, keys("AKONE", Duration::from_secs(90))),
        _ => {
            let keys = keys("AKTWO", HOUR);
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", keys.len());
            Reply::default().pause(&held).bytes(head).bytes(keys)
        }
    })
    .await;
    let address = format!("http://{}/", agent.address);
    let gateway = start(&bedrock, "", &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &address), NO_MACHINE]).await;
    let many = futures::future::join_all((0..40).map(|_| gateway.chat("aws/m"))).await;
    assert!(many.iter().all(|answer| answer.head.status == 200));
    // Whoever comes now finds them about to expire.
    assert_eq!(gateway.chat("aws/m").await.head.status, 200);
    agent.received(2).await;
    assert_eq!(gateway.chat("aws/m").await.head.status, 200);
    assert!(bedrock.requests().iter().all(|request| signer(request).0 == "AKONE"));
    gate.open();
    while signer(bedrock.requests().last().expect("a request")).0 != "AKTWO" {
        assert_eq!(gateway.chat("aws/m").await.head.status, 200);
    }
    assert_eq!(agent.requests().len(), 2);
}

/// What has expired before its time is given back, and asked for once more; what is refused for another reason is not.
#[tokio::test]
async fn credentials_that_are_refused_are_replaced_once() {
    for (error, ids) in [
        ("ExpiredTokenException:http://internal.amazon.com/coral/", &["AK0", "AK1", "AK1"][..]),
        ("AccessDeniedException", &["AK0", "AK0"]),
    ] {
        let bedrock = Upstream::start(move |request| match signer(request).0.as_str() {
            "AK0" => {
                let body = r#"{"message":"The security token included in the request is expired"}"#;
                let length = body.len().to_string();
                let headers =
                    [("x-amzn-errortype", error), ("content-type", "application/json"), ("content-length", &length)];
                Reply::head(403, &headers).bytes(body)
            }
            _ => Wire::reply(request),
        })
        .await;
        let agent = agent().await;
        let address = format!("http://{}/", agent.address);
        let gateway = start(&bedrock, "", &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &address), NO_MACHINE]).await;
        let status = if ids.len() == 3 { 200 } else { 403 };
        // Translated and gathered, then forwarded as a stream.
        let answer = gateway.chat("aws/m").await;
        assert_eq!(answer.head.status, status, "{}", answer.text());
        let (path, body) = Wire::Converse.asking("aws/m", "Say hi", true);
        assert_eq!(gateway.post(&path, body).await.head.status, status);
        let signers: Vec<_> = bedrock.requests().iter().map(|request| signer(request).0).collect();
        assert_eq!(signers, ids, "{error}");
    }
    // The same where the first to be refused is a stream, and a second set that is no better.
    let bedrock = Upstream::start(|_| {
        Reply::head(403, &[("x-amzn-errortype", "ExpiredTokenException"), ("content-length", "0")])
    })
    .await;
    let agent = agent().await;
    let address = format!("http://{}/", agent.address);
    let gateway = start(&bedrock, "", &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &address), NO_MACHINE]).await;
    let (path, body) = Wire::Converse.asking("aws/m", "Say hi", true);
    assert_eq!(gateway.post(&path, body).await.head.status, 403);
    let signers: Vec<_> = bedrock.requests().iter().map(|request| signer(request).0).collect();
    assert_eq!(signers, ["AK0", "AK1"]);
}

/// The gateway's own questions, as that for the list of models, fare no worse.
#[tokio::test]
async fn what_the_gateway_asks_by_itself_is_asked_again_too() {
    let bedrock = Upstream::start(|request| match signer(request).0.as_str() {
        "AK0" => Reply::head(403, &[("x-amzn-errortype", "ExpiredTokenException"), ("content-length", "0")]),
        _ if request.path.contains("foundation-models") => Reply::json(
            200,
            json!({"modelSummaries": [{"modelId": "amazon.nova-lite-v1:0", "modelArn": "a", "modelName": "Nova Lite",
                "outputModalities": ["TEXT"], "inferenceTypesSupported": ["ON_DEMAND"], "modelLifecycle": {"status": "ACTIVE"}}]})
            .to_string(),
        ),
        _ => Reply::json(200, "{}"),
    })
    .await;
    let agent = agent().await;
    let address = format!("http://{}/", agent.address);
    let setup = Setup::instances([("aws", format!("type: bedrock, base_url: \"http://{}\"", bedrock.address))]);
    let setup = setup.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &address).env(NO_MACHINE.0, NO_MACHINE.1);
    let gateway = setup.start().await;
    gateway.ready().await;
    assert_eq!(gateway.models(&[]).await, ["aws/amazon.nova-lite-v1:0"]);
    assert_eq!(agent.requests().len(), 2);
}

fn error(answer: &Answer) -> String {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    body["error"]["message"].as_str().expect("a message").to_owned()
}

/// What was tried is told; others are not held up by it, and stand in.
#[tokio::test]
async fn without_credentials_it_says_what_was_tried() {
    let bedrock = bedrock().await;
    let other = Provider::always(Wire::Chat.whole()).await;
    let held = Gate::closed();
    let silent = held.clone();
    let agent = Upstream::start(move |_| Reply::default().pause(&silent).cut()).await;
    let uri = format!("http://{}/", agent.address);
    let setup = || {
        let named = [("aws", instance(&bedrock, "")), ("up", other.settings())];
        let both = "models: {both: {targets: [aws/m], fallbacks: [up/m]}}";
        Setup::instances(named).and(both).env(NO_MACHINE.0, NO_MACHINE.1).env("NARTHEX_RETRIES", "0")
    };
    let gateway = setup().start().await;
    let answer = gateway.chat("aws/m").await;
    assert_eq!(answer.head.status, 502);
    let message = error(&answer);
    for tried in ["aws: ", "AWS_ACCESS_KEY_ID", "~/.aws", "AWS_WEB_IDENTITY_TOKEN_FILE", "CONTAINER", "metadata"] {
        assert!(message.contains(tried), "{message}");
    }
    assert_eq!(gateway.chat("both").await.head.status, 200);
    assert!(bedrock.requests().is_empty());

    let gateway = setup().env("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri).start().await;
    let asked = tokio::spawn(async move { (gateway.chat("up/m").await.head.status, gateway) });
    let (status, gateway) = crate::support::soon("the other instance", asked).await.expect("no panic");
    assert_eq!(status, 200);
    drop(gateway);
    held.open();
}

/// One text a call: told in the list's order, however the answers come. If one fails, all do.
#[tokio::test]
async fn embeddings_are_fanned_out() {
    let gate = Gate::closed();
    let held = gate.clone();
    let bedrock = Upstream::start(move |request| {
        let body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
        let text = body["inputText"].as_str().expect("a text");
        let answer = format!(r#"{{"embedding":[{}.50],"inputTextTokenCount":2}}"#, text.len());
        match text {
            "bad" => Reply::json(429, r#"{"message":"Too many tokens"}"#),
            "html" => Reply::json(200, "<html>"),
            "slow" => {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
                Reply::default().pause(&held).bytes(head).bytes(answer)
            }
            _ => Reply::json(200, answer),
        }
    })
    .await;
    let settings = instance(&bedrock, ", access_key_id: AK, secret_access_key: very-secret");
    let settings = settings.replace("[m]", "[amazon.titan-embed-text-v2:0]");
    let gateway = Setup::instances([("aws", settings)]).env("NARTHEX_RETRIES", "0").start().await;
    let embed = |input: &str, more: &str| {
        let body = format!(r#"{{"model":"aws/amazon.titan-embed-text-v2:0","input":{input}{more}}}"#);
        let gateway = &gateway;
        async move { gateway.post("/v1/embeddings", body).await }
    };
    let list = r#"["a","slow","ccc","dddddd"]"#;
    let (answer, ()) = tokio::join!(embed(list, ",\"user\":\"u\""), async {
        bedrock.received(4).await;
        gate.open();
    });
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let items = [1, 4, 3, 6].iter().enumerate();
    let items = items.map(|(index, n)| format!(r#"{{"object":"embedding","index":{index},"embedding":[{n}.50]}}"#));
    let usage = r#""usage":{"prompt_tokens":8,"total_tokens":8}"#;
    let model = r#""model":"aws/amazon.titan-embed-text-v2:0""#;
    let data = items.collect::<Vec<_>>().join(",");
    assert_eq!(answer.text(), format!(r#"{{"object":"list","data":[{data}],{model},{usage}}}"#));
    assert_eq!(answer.head.headers.get("x-narthex-dropped"), Some("user"));
    let paths = bedrock.requests().into_iter().map(|request| request.path);
    assert!(paths.into_iter().all(|path| path == "/model/amazon.titan-embed-text-v2%3A0/invoke"));
    for (list, status) in [(r#""bad""#, 429), (r#"["a","bad"]"#, 429), (r#""html""#, 502), (r#"["a","html"]"#, 502)] {
        let answer = embed(list, "").await;
        assert_eq!(answer.head.status, status, "{list}: {}", answer.text());
        assert!(status == 502 || error(&answer).contains("Too many tokens"));
    }
    assert_eq!(embed(r#""a""#, ",\"user\":\"u\"").await.head.status, 200);
    let lines = gateway.access_lines(6).await;
    assert!(lines.iter().all(|line| line["operation"] == "embeddings"), "{lines:?}");
    assert!(lines.iter().any(|line| line["input_tokens"] == 8), "{lines:?}");
}

/// The region is the base URL itself, its host's, the setting's or the environment's; AWS's own hosts are asked by TLS.
#[tokio::test]
async fn regions() {
    let shown = |config: &str, variables: &[(&str, &str)]| {
        let setup = Setup::config(format!("providers: {config}"));
        let (is_fine, output) =
            variables.iter().fold(setup, |setup, (name, value)| setup.env(name, *value)).run(&["check"]);
        (is_fine, output.stdout + &output.stderr)
    };
    let host = |region: &str| format!("base_url: https://bedrock-runtime.{region}.amazonaws.com");
    let aws = [("AWS_REGION", "eu-west-1"), ("AWS_SECRET_ACCESS_KEY", "very-secret"), ("AWS_ACCESS_KEY_ID", "AK")];
    for (config, variables, expected) in [
        ("{bedrock: {base_url: us-west-2}}", &aws[..], vec![host("us-west-2"), "region: \"us-west-2\"".to_owned()]),
        ("{bedrock: {}}", &aws[..], vec![host("eu-west-1"), "secret_access_key: \"***\"".to_owned()]),
        ("{bedrock: {region: cn-north-1}}", &[], vec![host("cn-north-1") + ".cn"]),
        ("{bedrock: {region: us-east-1, fips: true}}", &[], vec!["bedrock-runtime-fips.us-east-1".to_owned()]),
        ("{bedrock: {}}", &[], vec![host("us-east-1"), "names no region".to_owned()]),
        ("{bedrock: {base_url: \"http://h:1\"}}", &aws[..1], vec!["region: \"eu-west-1\"".to_owned()]),
    ] {
        let (is_fine, said) = shown(config, variables);
        assert!(is_fine, "{config}: {said}");
        assert!(expected.iter().all(|text| said.contains(text)), "{config}: {said}");
        assert!(!said.contains("very-secret"), "{said}");
    }
    let east = [("BEDROCK_EAST_BASE_URL", "us-east-1"), ("BEDROCK_EU_BASE_URL", "eu-west-1")];
    let (_, said) = shown("{}", &east);
    assert!(said.contains("bedrock-east:") && said.contains("bedrock-eu:") && said.contains("eu-west-1"), "{said}");
    for (config, why) in [
        ("{bedrock: {base_url: frankfurt}}", "neither a region"),
        ("{bedrock: {base_url: us-east-1, region: us-west-2}}", "set one of them"),
        ("{bedrock: {access_key_id: a}}", "belong together"),
        ("{bedrock: {fips: maybe}}", "neither true nor false"),
    ] {
        let (is_fine, said) = shown(config, &[]);
        assert!(!is_fine && said.contains(why), "{config}: {said}");
    }
}
