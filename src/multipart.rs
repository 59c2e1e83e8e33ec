//! `multipart/form-data` (RFC 7578), read only as far as routing needs: the small text fields, as places in the body.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem;

/// One form: the fields that carry no file, and where the files are.
#[derive(Debug, Clone)]
pub struct Form {
    body: Bytes,
    fields: Vec<Field>,
    files: Vec<Field>,
}

#[derive(Debug, Clone)]
struct Field {
    name: String,
    value: Range<usize>,
}

/// Why a body is no form that we can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadForm {
    #[error("the content-type header names no boundary")]
    NoBoundary,
    #[error("the body does not hold the boundary that its content-type header names")]
    NoParts,
    #[error("the part at byte {0} has no header section")]
    NoHeaders(usize),
    #[error("it breaks off before its last delimiter")]
    Unfinished,
    #[error("a field that is not a file is longer than 64 KiB")]
    LongField,
}

/// What the headers of a part say.
#[derive(Debug)]
pub struct Disposition {
    pub name: String,
    /// Only files have one.
    pub filename: Option<String>,
    pub content_type: Option<String>,
}

impl Form {
    /// Finds the fields of `body`; `content_type` is the header's value.
    pub fn read(content_type: &str, body: Bytes) -> Result<Self, BadForm> {
        let boundary = boundary_of(content_type).ok_or(BadForm::NoBoundary)?;
        let delimiter = format!("--{boundary}");
        let (mut fields, mut files) = (Vec::new(), Vec::new());
        // A delimiter stands at the beginning of a line (RFC 2046 §5.1.1); what looks like one elsewhere is content.
        let is_at_line_start =
            |place: &usize| *place == 0 || body.get(..*place).is_some_and(|before| before.ends_with(b"\r\n"));
        let mut places = memmem::find_iter(&body, delimiter.as_bytes()).filter(is_at_line_start).peekable();
        if places.peek().is_none() {
            return Err(BadForm::NoParts);
        }
        while let Some(place) = places.next() {
            let start = place + delimiter.len();
            if body.get(start..).is_some_and(|rest| rest.starts_with(b"--")) {
                break;
            }
            let Some(next) = places.peek() else { break };
            let part = body.get(start..next.saturating_sub(2)).unwrap_or_default();
            let headers_end = memmem::find(part, b"\r\n\r\n").ok_or(BadForm::NoHeaders(start))?;
            let headers = String::from_utf8_lossy(part.get(..headers_end).unwrap_or_default());
            let value = start + headers_end + 4..start + part.len();
            if value.start <= value.end
                && let Some(Disposition { name, filename, .. }) = disposition(&headers)
            {
                let is_file = filename.is_some();
                if is_file { &mut files } else { &mut fields }.push(Field { name, value });
            }
        }
        Ok(Self { body, fields, files })
    }

    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// A field's text.
    pub fn get(&self, name: &str) -> Option<&str> {
        let field = self.find(name)?;
        std::str::from_utf8(self.body.get(field.value.clone())?).ok()
    }

    /// What the first file of this name holds.
    pub fn file(&self, name: &str) -> Option<Bytes> {
        let file = self.files.iter().find(|file| file.name == name)?;
        (file.value.end <= self.body.len()).then(|| self.body.slice(file.value.clone()))
    }

    /// How many fields bear this name.
    pub fn count(&self, name: &str) -> usize {
        self.fields.iter().filter(|field| field.name == name).count()
    }

    /// The body with one field's text replaced; every other byte as it was.
    pub fn replace(&self, name: &str, text: &str) -> Bytes {
        let Some(field) = self.find(name) else { return self.body.clone() };
        let mut out = BytesMut::with_capacity(self.body.len() + text.len());
        out.put_slice(self.body.get(..field.value.start).unwrap_or_default());
        out.put_slice(text.as_bytes());
        out.put_slice(self.body.get(field.value.end..).unwrap_or_default());
        out.freeze()
    }

    fn find(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// The delimiter that a content type names.
pub fn boundary_of(content_type: &str) -> Option<String> {
    parameter(content_type, "boundary")
}

/// Reads the headers of a part.
pub fn disposition(headers: &str) -> Option<Disposition> {
    let value = |wanted: &str| {
        headers.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let disposition = value("content-disposition")?;
    Some(Disposition {
        name: parameter(disposition, "name")?,
        filename: parameter(disposition, "filename"),
        content_type: value("content-type").map(str::to_owned),
    })
}

/// A parameter of a header value such as `form-data; name="model"`, quotes removed.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, tail) = match after.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"')?;
                (quoted.get(..end)?, quoted.get(end + 1..)?)
            }
            None => after.split_at(after.find(';').unwrap_or(after.len())),
        };
        if name.trim().trim_start_matches(';').trim().eq_ignore_ascii_case(wanted) {
            return Some(value.trim().to_owned());
        }
        rest = tail;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"b 1\"";
    const BODY: &[u8] = b"--b 1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a;b.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--b\x00\r\n--b 1\r\ncontent-disposition: form-data; name=model\r\n\r\nwhisper-1\r\n--b 1\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n\r\n--b 1--\r\n";

    #[test]
    fn finds_text_fields_and_replaces_one() {
        let form = Form::read(TYPE, Bytes::from_static(BODY)).expect("a form");
        assert_eq!(form.get("model"), Some("whisper-1"));
        assert_eq!(form.get("prompt"), Some(""));
        assert_eq!(form.get("file"), None);
        assert_eq!(form.file("file").as_deref(), Some(&b"RIFF\r\n--b\x00"[..]));
        let replaced = form.replace("model", "m");
        assert_eq!(replaced.len(), BODY.len() - "whisper-1".len() + 1);
        assert_eq!(Form::read(TYPE, replaced).expect("a form").get("model"), Some("m"));
    }

    #[test]
    fn what_only_looks_like_a_delimiter_is_content() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nxx--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nsmall\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nlarge\r\n--b--\r\n";
        let form = Form::read("a; boundary=b", Bytes::from_static(body)).expect("a form");
        assert_eq!((form.count("model"), form.get("model")), (1, Some("large")));
    }

    #[test]
    fn says_what_is_wrong() {
        let read =
            |content_type: &str, body: &'static [u8]| Form::read(content_type, Bytes::from_static(body)).map(|_| ());
        assert_eq!(read("multipart/form-data", BODY), Err(BadForm::NoBoundary));
        assert_eq!(read("multipart/form-data; boundary=other", BODY), Err(BadForm::NoParts));
        assert_eq!(read("a; boundary=b", b"--b\r\nxx\r\n--b--"), Err(BadForm::NoHeaders(3)));
        assert_eq!(read("a; boundary=b", b"--b--"), Ok(()));
    }
}
