//! What cannot be done, and how that is told.

use super::{FORM, about_files, field, file, form, setup, told, upload, vault};
use crate::support::http::Body;
use crate::support::upstream::{Reply, Upstream};
use serde_json::Value;

#[tokio::test]
async fn bad_forms_are_told_in_words() {
    let upstream = vault().await;
    let gateway = setup(&[("openai", &upstream), ("groq", &upstream)]).start().await;
    let good = [field("purpose", "vision"), file("a.txt", "x")];
    let named = "/v1/files?provider=openai";
    let refused: [(&str, &str, String, &str); 8] = [
        (
            named,
            "application/json",
            "{}".into(),
            "A file is uploaded as `multipart/form-data` with the parts `purpose` and `file`.",
        ),
        (
            named,
            "multipart/form-data",
            form(&good),
            "The form in the body cannot be read: the content-type header names no boundary.",
        ),
        (
            named,
            FORM,
            "no form".into(),
            "The form in the body cannot be read: the body does not hold the boundary that its content-type header names.",
        ),
        (
            named,
            FORM,
            form(&good).replace("--\r\n", ""),
            "The form in the body cannot be read: it breaks off before its last delimiter.",
        ),
        (named, FORM, form(&good[..1]), "The form has no part `file` with a filename."),
        (
            "/v1/files",
            FORM,
            form(&good),
            "Several providers keep files: `groq`, `openai`. Name one: `?provider=…`, a form field `provider` before the file, or the \
             header `x-narthex-instance`.",
        ),
        (
            "/v1/files?provider=nobody",
            FORM,
            form(&good),
            "`nobody` is not a configured provider; configured are groq, openai.",
        ),
        (
            "/v1/files",
            FORM,
            form(&[field("purpose", "vision"), file("a", &"x".repeat(2 << 20)), field("provider", "openai")]),
            "Several providers keep files: `groq`, `openai`. Name one: `?provider=…`, a form field `provider` before the file, or the \
             header `x-narthex-instance`.",
        ),
    ];
    for (path, content_type, body, expected) in refused {
        let headers = [("content-type", content_type)];
        let answer = gateway.client().await.exchange("POST", path, &headers, Body::Length(body.as_bytes())).await;
        let (status, _, message) = told(&answer);
        // The order of instances is that of their names or of the file.
        let message = message.replace("`openai`, `groq`", "`groq`, `openai`").replace("openai, groq", "groq, openai");
        assert_eq!((status, message.as_str()), (400, expected));
    }
    assert!(about_files(&upstream).is_empty(), "nobody is asked for what cannot be done");
}

/// What a form says before its file is held in memory, and a client may say much.
#[tokio::test]
async fn a_form_that_comes_to_no_file_is_told() {
    let upstream = vault().await;
    let gateway = setup(&[("openai", &upstream)]).start().await;
    let fields = vec![field("some", &"x".repeat(32 << 10)); 100].concat();
    for endless in ["x".repeat(3 << 20), fields] {
        let pieces: Vec<&[u8]> = endless.as_bytes().chunks(64 << 10).collect();
        let mut client = gateway.client().await;
        let answer = client.exchange("POST", "/v1/files", &[("content-type", FORM)], Body::Chunked(&pieces)).await;
        let (status, _, message) = told(&answer);
        assert_eq!(
            (status, message.as_str()),
            (413, "The form has no part `file` with a filename in its first 1 MiB.")
        );
    }
    assert!(about_files(&upstream).is_empty());
}

#[tokio::test]
async fn a_provider_named_too_late_is_told() {
    let upstream = vault().await;
    let gateway = setup(&[("openai", &upstream)]).start().await;
    let late = form(&[field("purpose", "vision"), file("a", &"x".repeat(2 << 20)), field("provider", "openai")]);
    let (status, _, message) = told(&upload(&gateway, "/v1/files", &late).await);
    let expected = "`provider` stands behind a large file: put it before, or into the query.";
    assert_eq!((status, message.as_str()), (400, expected));
}

/// The same refusal of a provider, as each client reads it.
#[tokio::test]
async fn what_a_provider_refuses_is_told_in_the_clients_dialect() {
    let refusal =
        r#"{"error":{"message":"File is too large.","type":"invalid_request_error","param":"file","code":"too_big"}}"#;
    let upstream = Upstream::start(move |_| Reply::json(413, refusal)).await;
    let gateway = setup(&[("openai", &upstream)]).start().await;
    let form = form(&[field("purpose", "vision"), file("a.txt", "x")]);
    let answer = upload(&gateway, "/v1/files", &form).await;
    assert_eq!(told(&answer), (413, "too_big".into(), "File is too large.".into()));
    let headers = [("content-type", FORM), ("anthropic-version", "2023-06-01")];
    let answer = gateway.client().await.exchange("POST", "/v1/files", &headers, Body::Length(form.as_bytes())).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.head.status, &body["type"]), (413, &"error".into()));
    assert_eq!(
        (&body["error"]["type"], &body["error"]["message"]),
        (&"request_too_large".into(), &"File is too large.".into())
    );
}

#[tokio::test]
async fn unknown_paths_and_numbers_are_told() {
    let upstream = vault().await;
    let gateway = setup(&[("openai", &upstream), ("groq", &upstream)]).start().await;
    let get = async |path: &str| told(&gateway.get(path).await);
    assert_eq!(get("/v1/files?limit=none").await.2, "`limit` is a number from 1 to 10000, not `none`.");
    assert_eq!(get("/v1/files?limit=0").await.0, 400);
    assert_eq!(
        get("/v1/files?after=file-none").await,
        (404, "file_not_found".into(), "There is no file `file-none`.".into())
    );
    assert_eq!(get("/v1/files/file-1/nothing").await.0, 404);
    for id in ["..%2f..%2fmodels", "..", "%2e", "%252e%252e", "a%5cb"] {
        assert_eq!(get(&format!("/v1/files/{id}?provider=openai")).await.0, 404, "{id}");
        assert_eq!(get(&format!("/v1/files/{id}/content?provider=openai")).await.0, 404, "{id}");
    }
    assert!(about_files(&upstream).is_empty(), "nobody is asked for what is no id");
    let answer = gateway.client().await.exchange("PUT", "/v1/files/file-1", &[], Body::None).await;
    assert!(matches!(answer.head.status, 404 | 405), "{}", answer.head.status);
}
