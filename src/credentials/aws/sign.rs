//! AWS Signature Version 4, in headers.
//!
//! Of the headers those are signed that the signature must cover and that nobody changes on the way: `host`, `content-type` and
//! Amazon's own. The path goes into the signature as it is sent, encoded once more: Bedrock, unlike S3, reads it so, and a model's
//! id with `%3A` in the path is `%253A` there.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings};
use aws_sigv4::sign::v4;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The name of both of Bedrock's services in a signature.
const SERVICE: &str = "bedrock";

/// What of a request cannot be signed.
#[derive(Debug, thiserror::Error)]
#[error("the request cannot be signed: {0}")]
pub struct Unsignable(String);

/// A request as it will be sent.
#[derive(Debug)]
pub struct Signable<'a> {
    pub method: &'a str,
    pub path_and_query: &'a str,
    /// With `host`.
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// The headers that sign a request: `authorization`, `x-amz-date` and, with temporary credentials, `x-amz-security-token`. The error
/// names what of the request cannot be signed.
pub fn sign(
    request: &Signable<'_>,
    credentials: &Credentials,
    region: &str,
    at: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>, Unsignable> {
    let told = |why: &dyn std::error::Error| Unsignable(why.to_string());
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(SERVICE)
        .time(at)
        .settings(SigningSettings::default())
        .build()
        .map_err(|why| told(&why))?
        .into();
    let signed = request.headers.iter().filter(|(name, _)| is_signed(name));
    let signed = signed.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let body = SignableBody::Bytes(request.body);
    let request =
        SignableRequest::new(request.method, request.path_and_query, signed, body).map_err(|why| told(&why))?;
    let (instructions, _) = aws_sigv4::http_request::sign(request, &params).map_err(|why| told(&why))?.into_parts();
    let (headers, _) = instructions.into_parts();
    let headers = headers.into_iter().map(|made| {
        let mut value = HeaderValue::from_str(made.value()).map_err(|why| told(&why))?;
        value.set_sensitive(made.name() != "x-amz-date");
        Ok((HeaderName::from_static(made.name()), value))
    });
    headers.collect()
}

fn is_signed(name: &HeaderName) -> bool {
    *name == header::HOST || *name == header::CONTENT_TYPE || name.as_str().starts_with("x-amz")
}
