//! The administration's listener: metrics, and health for probes that should not pass the guarded one.

use std::sync::Arc;

use async_trait::async_trait;
use http::{Response, StatusCode, header};
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;

use crate::gateway::{Gateway, Readiness};

pub struct Admin {
    pub gateway: Arc<Gateway>,
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        match session.req_header().uri.path() {
            "/metrics" => match self.gateway.metrics.text(self.gateway.upstreams.iter().map(AsRef::as_ref)) {
                Ok(text) => answer(StatusCode::OK, "text/plain; version=0.0.4", text),
                Err(why) => answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", why.to_string().into_bytes()),
            },
            "/health" | "/health/live" | "/healthz" => {
                answer(StatusCode::OK, "application/json", br#"{"status":"ok"}"#.to_vec())
            }
            "/health/ready" | "/readyz" => {
                let (status, word) = match self.gateway.readiness() {
                    Readiness::Ready => (StatusCode::OK, "ready"),
                    Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
                    Readiness::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
                };
                answer(status, "application/json", format!(r#"{{"status":"{word}"}}"#).into_bytes())
            }
            _ => answer(
                StatusCode::NOT_FOUND,
                "text/plain",
                b"There is /metrics, /health and /health/ready here.\n".to_vec(),
            ),
        }
    }
}

fn answer(status: StatusCode, content_type: &str, body: Vec<u8>) -> Response<Vec<u8>> {
    let length = body.len();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Ok(content_type) = content_type.parse() {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    headers.insert(header::CONTENT_LENGTH, length.into());
    response
}
