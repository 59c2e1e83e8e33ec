//! Google Cloud Storage, as far as jobs need it, by its JSON API (cloud.google.com/storage/docs/json_api/v1/objects): objects are put in
//! one request of a known length, listed page by page, read in pieces, and taken away.

use http::{HeaderValue, StatusCode, header};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;

use super::job::Job;
use super::send::{Form, Pieces};
use crate::error::{Failure, Garbled, Kind, Refusal};
use crate::providers::{Bucket, UNRESERVED};
use crate::proxy::ask::Body;
use crate::proxy::desk::{Ask, Desk, failure, unreachable};
use crate::proxy::files::Source;
use crate::routing::Upstream;

/// An instance's bucket.
pub struct Storage<'a> {
    desk: &'a Desk,
    upstream: &'a Upstream,
    bucket: &'a Bucket,
}

/// An object as lists show it; numbers of 64 bits are texts.
#[derive(Debug, Deserialize)]
pub struct Object {
    pub name: String,
    #[serde(default)]
    size: String,
}

/// A piece of a list, and what asks for the next one.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct Page {
    pub items: Vec<Object>,
    next_page_token: Option<String>,
}

impl Object {
    pub fn bytes(&self) -> u64 {
        self.size.parse().unwrap_or_default()
    }
}

impl<'a> Storage<'a> {
    pub fn of(desk: &'a Desk, upstream: &'a Upstream) -> Result<Self, Failure> {
        let bucket = upstream.instance.bucket.as_ref().ok_or_else(|| {
            let message = format!("`{}` has no `batch_bucket` any more.", upstream.name());
            Failure::from(&Refusal::new(Kind::NotFound, message))
        })?;
        Ok(Self { desk, upstream, bucket })
    }

    /// The name of what stands below the configured prefix.
    pub fn name(&self, below: &str) -> String {
        format!("{}{below}", self.bucket.prefix)
    }

    /// How jobs call an object, or what the names of several begin with.
    pub fn uri(&self, name: &str) -> String {
        format!("gs://{}/{name}", self.bucket.name)
    }

    fn objects(&self) -> String {
        format!("storage/v1/b/{}/o", self.bucket.name)
    }

    fn object(&self, name: &str) -> String {
        format!("{}/{}", self.objects(), utf8_percent_encode(name, UNRESERVED))
    }

    /// Whether an object of this length is there. One that was cut short never is: objects appear whole.
    pub async fn has(&self, name: &str, bytes: u64) -> Result<bool, Failure> {
        let path = self.object(name);
        let ask = Ask { at: Some(&self.bucket.storage), query: Some("fields=name,size"), ..Ask::get(&path) };
        let told = self.desk.tell(self.upstream, ask).await?;
        match told.status {
            StatusCode::NOT_FOUND => Ok(false),
            status if !status.is_success() => {
                Err(self.refused("storage.objects.get", name, failure(self.upstream, &told)))
            }
            _ => {
                let object: Object =
                    serde_json::from_slice(&told.body).map_err(|_| Garbled::new("it shows no object"))?;
                Ok(object.bytes() == bytes)
            }
        }
    }

    /// Puts the lines of a batch, which are so many bytes (`uploadType=media`).
    pub async fn put(&self, job: &Job<'_>, name: &str, bytes: u64, form: &Form<'_>) -> Result<(), Failure> {
        let path = format!("upload/{}", self.objects());
        let query = format!("uploadType=media&name={}", utf8_percent_encode(name, UNRESERVED));
        let headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static("application/jsonl"))];
        let body = Body::Following(Some(bytes));
        let ask = Ask { at: Some(&self.bucket.storage), query: Some(&query), headers, ..Ask::post(&path, body) };
        let mut talk = self.desk.begin(self.upstream, ask).await?;
        let mut pieces = Pieces::of(job, form).await?;
        while let Some(piece) = pieces.next(job, self.upstream).await? {
            // Whoever refuses it without reading all of it says why.
            if !talk.write(piece).await {
                break;
            }
        }
        let told = talk.told().await.map_err(|why| unreachable(self.upstream, &why))?;
        match told.status.is_success() {
            true => Ok(()),
            false => Err(self.refused("storage.objects.create", name, failure(self.upstream, &told))),
        }
    }

    /// The objects whose names begin so, a thousand at most; `after` is the page before.
    pub async fn page(&self, prefix: &str, after: Option<&Page>) -> Result<Option<Page>, Failure> {
        let mut query =
            format!("prefix={}&fields=items(name,size),nextPageToken", utf8_percent_encode(prefix, UNRESERVED));
        if let Some(before) = after {
            let Some(token) = before.next_page_token.as_deref().filter(|token| !token.is_empty()) else {
                return Ok(None);
            };
            query.push_str(&format!("&pageToken={}", utf8_percent_encode(token, UNRESERVED)));
        }
        let path = self.objects();
        let ask = Ask { at: Some(&self.bucket.storage), query: Some(&query), ..Ask::get(&path) };
        let told = self.desk.ask(self.upstream, ask).await;
        let told = told.map_err(|why| self.refused("storage.objects.list", prefix, why))?;
        let page = serde_json::from_slice(&told.body).map_err(|_| Garbled::new("it is no list of objects"))?;
        Ok(Some(page))
    }

    /// An object's bytes, from the first.
    pub async fn open(&self, name: &str) -> Result<Source, Failure> {
        let path = self.object(name);
        let ask = Ask { at: Some(&self.bucket.storage), query: Some("alt=media"), ..Ask::get(&path) };
        let opened = Source::answer(self.desk, self.upstream, ask).await;
        opened.map_err(|why| self.refused("storage.objects.get", name, why))
    }

    /// Takes an object away. One that is not there is gone already.
    pub async fn remove(&self, name: &str) -> Result<(), Failure> {
        let path = self.object(name);
        let ask = Ask { at: Some(&self.bucket.storage), ..Ask::delete(&path) };
        match self.desk.ask(self.upstream, ask).await {
            Err(why) if why.kind != Kind::NotFound => Err(self.refused("storage.objects.delete", name, why)),
            _ => Ok(()),
        }
    }

    /// What the storage's refusal means: what was asked for, its own words, and what can be done.
    fn refused(&self, permission: &str, name: &str, why: Failure) -> Failure {
        let (uri, bucket) = (self.uri(name), &self.bucket.name);
        let remedy = match why.kind {
            Kind::Authentication | Kind::Permission => {
                format!(" The identity of `{}` needs {permission} on the bucket {bucket}.", self.upstream.name())
            }
            Kind::NotFound => {
                format!(" `batch_bucket` of `{}` names the bucket {bucket}: is it there?", self.upstream.name())
            }
            _ => String::new(),
        };
        let said = why.message.trim().trim_end_matches('.');
        Failure { message: format!("Cloud Storage refuses {permission} for {uri}: {said}.{remedy}"), ..why }
    }
}
