//! Files and batches, as each vendor has them.

use super::*;
use serde_json::json;

mod anthropic;
mod bedrock;
mod gemini;
mod openai;
mod xai;

impl Connection {
    async fn log(&mut self) -> Value {
        self.get("/__log", "").await.json()
    }

    async fn post_json(&mut self, path: &str, headers: &str, body: Value) -> Answer {
        self.post(path, headers, body.to_string().as_bytes()).await
    }

    /// As a form with these fields and one file.
    async fn upload(&mut self, path: &str, headers: &str, fields: &[(&str, &str)], content: &[u8]) -> Answer {
        let headers = format!("{headers}content-type: multipart/form-data; boundary=b\r\n");
        self.post(path, &headers, &form(fields, content)).await
    }
}

fn form(fields: &[(&str, &str)], content: &[u8]) -> Vec<u8> {
    let mut body = String::new();
    for (name, value) in fields {
        body += &format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body += "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n";
    body += "content-type: application/jsonl\r\n\r\n";
    [body.as_bytes(), content, b"\r\n--b--\r\n"].concat()
}
