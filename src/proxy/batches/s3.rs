//! Objects of Amazon S3, as far as jobs need them (Amazon S3 API Reference 2006-03-01: PutObject, GetObject, DeleteObject, ListObjectsV2,
//! and "Error responses").

use aws_smithy_xml::decode::{Document, XmlDecodeError, try_data};
use http::{HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, utf8_percent_encode};

use crate::error::{Failure, Garbled, Kind};
use crate::providers::{Bucket, UNRESERVED, bedrock};
use crate::proxy::ask::{Body, Talk, Told};
use crate::proxy::desk::{Ask, Desk, unreachable};
use crate::proxy::files::Source;
use crate::routing::Upstream;

/// What stays as it is of a key in a path.
const KEY: &AsciiSet = &UNRESERVED.remove(b'/');
const LINES: (HeaderName, HeaderValue) = (header::CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
/// A thousand objects each: far more than a job makes.
const MOST_PAGES: usize = 100;

/// The bucket of an instance.
pub struct Storage<'s> {
    desk: &'s Desk,
    upstream: &'s Upstream,
    bucket: &'s Bucket,
}

/// An object in a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Object {
    pub key: String,
    /// In bytes.
    pub size: u64,
}

/// What is done with an object, by the permission that it takes.
#[derive(Debug, Clone, Copy)]
enum Act {
    Put,
    Get,
    List,
    Delete,
}

impl Act {
    fn permission(self) -> &'static str {
        match self {
            Self::Put => "s3:PutObject",
            Self::Get => "s3:GetObject",
            Self::List => "s3:ListBucket",
            Self::Delete => "s3:DeleteObject",
        }
    }
}

impl<'s> Storage<'s> {
    pub fn of(desk: &'s Desk, upstream: &'s Upstream) -> Result<Self, Failure> {
        let bucket = upstream.instance.bucket.as_ref().ok_or_else(|| {
            let message = format!("`{}` has no batch_bucket any more, in which this batch is.", upstream.name());
            Failure::of_kind(Kind::NotFound, message)
        })?;
        Ok(Self { desk, upstream, bucket })
    }

    /// Below the gateway's part of the bucket.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.bucket.prefix)
    }

    pub fn uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket.name)
    }

    /// The key in a URI of this bucket.
    pub fn key_of<'u>(&self, uri: &'u str) -> Option<&'u str> {
        uri.strip_prefix("s3://")?.strip_prefix(self.bucket.name.as_str())?.strip_prefix('/')
    }

    /// Begins to put an object of so many bytes. There is none before [`Self::finish`] has seen the last of them arrive.
    pub async fn put(&self, key: &str, length: u64) -> Result<Talk, Failure> {
        let path = path(key);
        let ask = Ask { headers: vec![LINES], ..Ask::put(&path, Body::Following(Some(length))) };
        self.desk.begin(self.upstream, self.here(ask)).await.map_err(|why| self.away(why))
    }

    pub async fn finish(&self, key: &str, mut talk: Talk) -> Result<(), Failure> {
        let told = talk.told().await.map_err(|why| self.away(unreachable(self.upstream, &why)))?;
        self.checked(Act::Put, key, told).map(drop)
    }

    /// An object's bytes.
    pub async fn read(&self, key: &str) -> Result<Source, Failure> {
        let path = path(key);
        let begun = self.desk.begin(self.upstream, self.here(Ask::get(&path))).await;
        let mut talk = begun.map_err(|why| self.away(why))?;
        let broken = |why| self.away(unreachable(self.upstream, &why));
        let (status, headers) = talk.answer().await.map_err(broken)?;
        if status.is_success() {
            return Ok(Source::AtProvider(Box::new(talk)));
        }
        let told = talk.told_of(status, headers).await.map_err(broken)?;
        Err(self.refused(Act::Get, key, &told))
    }

    /// All objects whose keys begin so.
    pub async fn below(&self, prefix: &str) -> Result<Vec<Object>, Failure> {
        let first = format!("list-type=2&prefix={}", utf8_percent_encode(prefix, UNRESERVED));
        let (mut found, mut query) = (Vec::new(), first.clone());
        for _ in 0..MOST_PAGES {
            let told = self.whole(Act::List, prefix, Ask { query: Some(&query), ..Ask::get("") }).await?;
            let page =
                Page::read(&told.body).ok_or_else(|| self.away(Garbled::new("it is no list of objects").into()))?;
            found.extend(page.objects);
            let Some(next) = page.next else { return Ok(found) };
            query = format!("{first}&continuation-token={}", utf8_percent_encode(&next, UNRESERVED));
        }
        Err(self.away(Garbled::new(format!("the list of what is below {prefix} has no end")).into()))
    }

    /// Takes an object away; what is not there is no failure.
    pub async fn remove(&self, key: &str) -> Result<(), Failure> {
        self.whole(Act::Delete, key, Ask::delete(&path(key))).await.map(drop)
    }

    async fn whole(&self, act: Act, key: &str, ask: Ask<'_>) -> Result<Told, Failure> {
        let told = self.desk.tell(self.upstream, self.here(ask)).await.map_err(|why| self.away(why))?;
        self.checked(act, key, told)
    }

    fn here<'a>(&self, ask: Ask<'a>) -> Ask<'a>
    where
        's: 'a,
    {
        Ask { at: Some(&self.bucket.storage), ..ask }
    }

    fn checked(&self, act: Act, key: &str, told: Told) -> Result<Told, Failure> {
        if told.status.is_success() { Ok(told) } else { Err(self.refused(act, key, &told)) }
    }

    /// It did not come to an answer.
    fn away(&self, why: Failure) -> Failure {
        Failure { message: format!("The bucket `{}`: {}", self.bucket.name, why.message), ..why }
    }

    /// What a refusal means, and what to do.
    fn refused(&self, act: Act, key: &str, told: &Told) -> Failure {
        let said = Said::read(&told.body);
        let (bucket, uri, permission) = (&self.bucket.name, self.uri(key), act.permission());
        let words = match (said.code.as_str(), said.message.as_str()) {
            ("", _) => format!("status {}", told.status.as_u16()),
            (code, "") => code.to_owned(),
            (code, message) => format!("{code}: {}", message.trim_end_matches('.')),
        };
        let instance = &self.upstream.instance;
        let (kind, message) = match (said.code.as_str(), told.status.as_u16()) {
            ("NoSuchBucket", _) => {
                (Kind::NotFound, format!("There is no bucket `{bucket}` at {}: see batch_bucket.", self.bucket.storage))
            }
            ("NoSuchKey", _) => (Kind::NotFound, format!("{uri} is not there any more.")),
            ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _)
            | (_, 301) => {
                let region = bedrock::region(instance);
                let message = format!(
                    "The bucket `{bucket}` is in another region than `{}`, which is in {region} ({words}): jobs read and write \
                     buckets of their own region.",
                    self.upstream.name()
                );
                (Kind::InvalidRequest, message)
            }
            (
                "ExpiredToken"
                | "InvalidAccessKeyId"
                | "InvalidToken"
                | "RequestTimeTooSkewed"
                | "SignatureDoesNotMatch",
                _,
            ) => (
                Kind::Authentication,
                format!("S3 does not take the AWS credentials of `{}` ({words}).", self.upstream.name()),
            ),
            (_, 403) => {
                let message = format!(
                    "S3 denies {permission} on {uri} ({words}): the identity of `{}` needs it, by its own policy and by the \
                     bucket's.",
                    self.upstream.name()
                );
                (Kind::Permission, message)
            }
            (_, 404) => {
                (Kind::NotFound, format!("S3 finds nothing for {permission} on {uri} ({words}): see batch_bucket."))
            }
            _ => (Kind::of_status(told.status), format!("S3 refuses {permission} on {uri} ({words}).")),
        };
        let status = if told.status.is_redirection() { StatusCode::BAD_REQUEST } else { told.status };
        let code = Some(said.code).filter(|code| !code.is_empty());
        Failure { kind, code, ..Failure::new(status, message) }
    }
}

fn path(key: &str) -> String {
    utf8_percent_encode(key, KEY).to_string()
}

/// `Error`, of which the rest may hold what was signed.
#[derive(Debug, Default, PartialEq)]
struct Said {
    code: String,
    message: String,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        let mut said = Self::default();
        let text = String::from_utf8_lossy(body);
        let mut document = Document::new(&text);
        let Ok(mut root) = document.root_element() else { return said };
        if !root.start_el().matches("Error") {
            return said;
        }
        while let Some(mut tag) = root.next_tag() {
            let place = match tag.start_el().local() {
                "Code" => &mut said.code,
                "Message" => &mut said.message,
                _ => continue,
            };
            *place = try_data(&mut tag).unwrap_or_default().trim().to_owned();
        }
        said
    }
}

/// `ListBucketResult`.
#[derive(Debug, Default, PartialEq)]
struct Page {
    objects: Vec<Object>,
    /// What asks for the next one.
    next: Option<String>,
}

impl Page {
    fn read(body: &[u8]) -> Option<Self> {
        let mut document = Document::new(std::str::from_utf8(body).ok()?);
        Self::parse(&mut document).ok().flatten()
    }

    fn parse(document: &mut Document<'_>) -> Result<Option<Self>, XmlDecodeError> {
        let mut page = Self::default();
        let mut is_truncated = false;
        let mut root = document.root_element()?;
        if !root.start_el().matches("ListBucketResult") {
            return Ok(None);
        }
        while let Some(mut tag) = root.next_tag() {
            match tag.start_el().local() {
                "IsTruncated" => is_truncated = try_data(&mut tag)?.trim() == "true",
                "NextContinuationToken" => page.next = Some(try_data(&mut tag)?.into_owned()),
                "Contents" => {
                    let mut object = Object { key: String::new(), size: 0 };
                    while let Some(mut tag) = tag.next_tag() {
                        match tag.start_el().local() {
                            "Key" => object.key = try_data(&mut tag)?.into_owned(),
                            "Size" => object.size = try_data(&mut tag)?.trim().parse().unwrap_or_default(),
                            _ => {}
                        }
                    }
                    page.objects.push(object);
                }
                _ => {}
            }
        }
        page.next = page.next.filter(|_| is_truncated);
        Ok(Some(page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>a/</Prefix><IsTruncated>true</IsTruncated>
<Contents><Key>a/x &amp; y.jsonl.out</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>12</Size>
<Owner><ID>1</ID></Owner></Contents><Contents><Size>0</Size><Key>a/</Key></Contents>
<NextContinuationToken>1/+=</NextContinuationToken></ListBucketResult>"#;
        let object = |key: &str, size| Object { key: key.to_owned(), size };
        let objects = vec![object("a/x & y.jsonl.out", 12), object("a/", 0)];
        assert_eq!(Page::read(text.as_bytes()), Some(Page { objects, next: Some("1/+=".to_owned()) }));
        assert_eq!(Page::read(b"<ListBucketResult/>"), Some(Page::default()));
        for wrong in ["", "{}", "<Error><Code>x</Code></Error>", "<html>", "<ListBucketResult><Contents>"] {
            let read = Page::read(wrong.as_bytes());
            assert!(read.is_none_or(|page| page.objects.iter().all(|object| object.key.is_empty())), "{wrong}");
        }
    }

    #[test]
    fn of_an_error_code_and_message_are_read() {
        let text = "<Error><Code>SignatureDoesNotMatch</Code><Message>It &lt;differs&gt;.</Message>\
                    <AWSAccessKeyId>AKID</AWSAccessKeyId><StringToSign>secret</StringToSign></Error>";
        let said = Said { code: "SignatureDoesNotMatch".to_owned(), message: "It <differs>.".to_owned() };
        assert_eq!(Said::read(text.as_bytes()), said);
        for other in ["", "gone", "<html><Code>x</Code></html>"] {
            assert_eq!(Said::read(other.as_bytes()), Said::default());
        }
    }

    #[test]
    fn a_key_is_encoded_once() {
        assert_eq!(path("a b/c+d=ü//e"), "a%20b/c%2Bd%3D%C3%BC//e");
    }
}
