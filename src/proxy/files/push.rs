//! A file that lies in the store, on its way to a provider.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use serde_json::json;

use super::content::Pieces;
use super::native;
use crate::error::{Failure, Garbled};
use crate::files::{FileObject, Shape, read_file};
use crate::gateway::random_id;
use crate::proxy::ask::{Body, Talk};
use crate::proxy::desk::{Ask, Desk, failure, unavailable, unreachable};
use crate::routing::Upstream;
use crate::store::StoredFile;

/// Where Google answers that an upload goes.
const UPLOAD_URL: HeaderName = HeaderName::from_static("x-goog-upload-url");

/// Puts a file at an instance, and tells what the instance shows of it.
pub async fn push(
    desk: &Desk,
    upstream: &Upstream,
    file: &StoredFile,
    object: &FileObject,
) -> Result<(FileObject, Bytes), Failure> {
    let mut pieces = Pieces::of_kept(&desk.gateway.store, file);
    let mut put = Put::begin(desk, upstream, object).await?;
    while let Some(piece) = pieces.next().await.map_err(|why| Failure::from(&unavailable(&why)))? {
        put.write(piece).await;
    }
    put.finish(upstream).await
}

/// A file that is being put at an instance. Its length is known beforehand: some want to be told.
pub struct Put {
    talk: Talk,
    /// What stands behind the content.
    end: Bytes,
}

impl Put {
    /// `object.bytes` is the length of what will be written.
    pub async fn begin(desk: &Desk, upstream: &Upstream, object: &FileObject) -> Result<Self, Failure> {
        match native(upstream) {
            Shape::Gemini => Self::resumable(desk, upstream, object).await,
            shape => Self::form(desk, upstream, object, shape).await,
        }
    }

    /// A form as OpenAI and Anthropic read it.
    async fn form(desk: &Desk, upstream: &Upstream, object: &FileObject, shape: Shape) -> Result<Self, Failure> {
        let boundary = format!("narthex-{}", random_id());
        let mut start = String::new();
        if shape == Shape::Openai {
            let purpose = &object.purpose;
            start = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n{purpose}\r\n");
        }
        // A name in quotes must not end them.
        let filename = object.filename.replace(['"', '\r', '\n', '\\'], "_");
        let mime_type = object.mime_type.as_deref().unwrap_or("application/octet-stream").replace(['\r', '\n'], "");
        start.push_str(&format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\n\
             Content-Type: {mime_type}\r\n\r\n"
        ));
        let end = format!("\r\n--{boundary}--\r\n");
        let length = object.bytes + u64::try_from(start.len() + end.len()).unwrap_or_default();
        let content_type = HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"));
        let content_type = content_type.map_err(|_| Failure::from(Garbled::new("no boundary")))?;
        let headers = vec![(header::CONTENT_TYPE, content_type)];
        let ask = Ask { headers, ..Ask::post("files", Body::Following(Some(length))) };
        let mut put = Self { talk: desk.begin(upstream, ask).await?, end: Bytes::from(end) };
        put.write(Bytes::from(start)).await;
        Ok(put)
    }

    /// Google's protocol: the first request tells where the second goes.
    async fn resumable(desk: &Desk, upstream: &Upstream, object: &FileObject) -> Result<Self, Failure> {
        let value = |text: &str| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        let named = |name: &'static str, text: &str| (HeaderName::from_static(name), value(text));
        let length = object.bytes.to_string();
        let mime_type = object.mime_type.as_deref().unwrap_or("application/octet-stream");
        let mut file = json!({ "displayName": object.filename });
        if !object.id.is_empty()
            && let Some(file) = file.as_object_mut()
        {
            file.insert("name".to_owned(), format!("files/{}", object.id).into());
        }
        let body = Body::Json(Bytes::from(json!({ "file": file }).to_string()));
        let headers = vec![
            named("x-goog-upload-protocol", "resumable"),
            named("x-goog-upload-command", "start"),
            named("x-goog-upload-header-content-length", &length),
            named("x-goog-upload-header-content-type", mime_type),
        ];
        let told = desk.ask(upstream, Ask { headers, ..Ask::post("upload/v1beta/files", body) }).await?;
        let url = told.headers.get(UPLOAD_URL).and_then(|value| value.to_str().ok());
        let url =
            url.and_then(|url| url::Url::parse(url).ok()).ok_or_else(|| Garbled::new("it tells no upload URL"))?;
        // Only the path counts: what is uploaded goes to the instance and nowhere else.
        let path = url.path().trim_start_matches('/').to_owned();
        let headers = vec![named("x-goog-upload-command", "upload, finalize"), named("x-goog-upload-offset", "0")];
        let ask = Ask { query: url.query(), headers, ..Ask::post(&path, Body::Following(Some(object.bytes))) };
        Ok(Self { talk: desk.begin(upstream, ask).await?, end: Bytes::new() })
    }

    /// What is not taken shows at the end: whoever refuses an upload need not read all of it.
    pub async fn write(&mut self, piece: Bytes) {
        self.talk.write(piece).await;
    }

    pub async fn finish(mut self, upstream: &Upstream) -> Result<(FileObject, Bytes), Failure> {
        if !self.end.is_empty() {
            let end = std::mem::take(&mut self.end);
            self.write(end).await;
        }
        let told = self.talk.told().await.map_err(|why| unreachable(upstream, &why))?;
        if !told.status.is_success() {
            return Err(failure(upstream, &told));
        }
        let object = read_file(native(upstream), &told.body).map_err(|why| {
            log::warn!("{}: an upload is answered by what is no file", upstream.name());
            Failure::from(why)
        })?;
        Ok((object, told.body))
    }
}
