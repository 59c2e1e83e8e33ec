//! AWS Signature Version 4, in headers.
//!
//! Of the headers those are signed that the signature must cover and that nobody changes on the way: `host`, `content-type` and
//! Amazon's own. Services differ in what they read of a request (docs.aws.amazon.com, "Create a signed AWS API request", and Amazon S3
//! API Reference, "Authenticating Requests: Using the Authorization Header"):
//!
//! - Bedrock reads the path as it is sent, encoded once more: a model's id with `%3A` in it is `%253A` there.
//! - S3 reads the path just as it is sent, `//` and all, and wants to be told in `x-amz-content-sha256` what of the body is signed.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
};
use aws_sigv4::sign::v4;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::providers::AwsService;

/// What of a request cannot be signed.
#[derive(Debug, thiserror::Error)]
#[error("the request cannot be signed: {0}")]
pub struct Unsignable(String);

/// A request as it will be sent.
#[derive(Debug)]
pub struct Signable<'a> {
    pub service: AwsService,
    pub method: &'a str,
    pub path_and_query: &'a str,
    /// With `host`.
    pub headers: &'a HeaderMap,
    pub body: Signed<'a>,
}

/// What of a body is signed.
#[derive(Debug, Clone, Copy)]
pub enum Signed<'a> {
    Bytes(&'a [u8]),
    /// Nothing: it is not known yet. Only S3 takes that.
    Unknown,
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
        .name(name(request.service))
        .time(at)
        .settings(settings(request.service))
        .build()
        .map_err(|why| told(&why))?
        .into();
    let signed = request.headers.iter().filter(|(name, _)| is_signed(name));
    let signed = signed.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let body = match request.body {
        Signed::Bytes(bytes) => SignableBody::Bytes(bytes),
        Signed::Unknown => SignableBody::UnsignedPayload,
    };
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

/// A service's name in signatures.
fn name(service: AwsService) -> &'static str {
    match service {
        AwsService::Bedrock => "bedrock",
        AwsService::S3 => "s3",
    }
}

fn settings(service: AwsService) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if service == AwsService::S3 {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signature of a request to S3 on 2015-08-30 at 12:36.
    fn signed(method: &str, path_and_query: &str, body: Signed<'_>) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("my-jobs.s3.eu-west-1.amazonaws.com"));
        let request = Signable { service: AwsService::S3, method, path_and_query, headers: &headers, body };
        let token = Some("a/session+token==".to_owned());
        let credentials =
            Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token, None, "test");
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_440_938_160);
        let made = sign(&request, &credentials, "eu-west-1", at).expect("a signature");
        assert!(made.iter().any(|(name, _)| name == "x-amz-content-sha256"), "{made:?}");
        let (_, value) = made.iter().find(|(name, _)| *name == header::AUTHORIZATION).expect("a signature");
        value.to_str().expect("text").rsplit_once("Signature=").expect("a signature").1.to_owned()
    }

    /// What botocore's `S3SigV4Auth` makes of the same requests.
    #[test]
    fn a_path_of_s3_is_signed_as_it_is_sent() {
        let put = signed("PUT", "/a//b%20c%3D1/../x.jsonl", Signed::Unknown);
        assert_eq!(put, "07bae6ba72914cd0b79b1c381fc409e2d7430f88a84e9cf2af632e7f19466632");
        let list = signed("GET", "/?list-type=2&prefix=a%2Fb&continuation-token=1%2B%2F%3D", Signed::Bytes(b""));
        assert_eq!(list, "14a0c97a90f92b9ec4ce4e961c1aa7f7519302eb82bc536802e849ada1ad4dd5");
    }
}
