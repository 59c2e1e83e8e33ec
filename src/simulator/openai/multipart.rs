//! Form data with files (`multipart/form-data`), as far as an upload needs it: parts in memory, found by their boundary.

use http::HeaderValue;
use memchr::memmem;

use crate::error::Refusal;

pub struct Part<'a> {
    pub name: &'a str,
    /// Only files have one.
    pub filename: Option<&'a str>,
    pub content_type: Option<&'a str>,
    pub content: &'a [u8],
}

pub fn parts<'a>(content_type: Option<&HeaderValue>, body: &'a [u8]) -> Result<Vec<Part<'a>>, Refusal> {
    let boundary = content_type
        .and_then(|header| boundary(header.to_str().ok()?))
        .ok_or_else(|| Refusal::invalid("The body must be multipart/form-data with a boundary."))?;
    // The first delimiter has no line break before it, so its dashes are looked for and the break is cut off later.
    let delimiter = format!("--{boundary}");
    let malformed = || Refusal::invalid("The multipart body is malformed.");
    let mut starts = memmem::find_iter(body, &delimiter).map(|at| at + delimiter.len());
    let mut start = starts.next().ok_or_else(malformed)?;
    let mut parts = Vec::new();
    loop {
        let rest = body.get(start..).unwrap_or_default();
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        let next = starts.next().ok_or_else(malformed)?;
        let raw = body.get(start..next - delimiter.len()).unwrap_or_default();
        parts.push(part(raw).ok_or_else(malformed)?);
        start = next;
    }
}

fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameter(parameters, "boundary").map(str::to_owned)
}

/// From the break after one delimiter to the break before the next.
fn part(raw: &[u8]) -> Option<Part<'_>> {
    let raw = raw.strip_prefix(b"\r\n")?.strip_suffix(b"\r\n")?;
    let (head, content) = match raw.strip_prefix(b"\r\n") {
        Some(content) => (&[][..], content),
        None => {
            let end = memmem::find(raw, b"\r\n\r\n")?;
            (raw.get(..end)?, raw.get(end + 4..)?)
        }
    };
    let head = std::str::from_utf8(head).ok()?;
    let header = |wanted: &str| {
        head.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then_some(value)
        })
    };
    let (_, parameters) = header("content-disposition")?.split_once(';')?;
    let (name, filename) = (parameter(parameters, "name")?, parameter(parameters, "filename"));
    Some(Part { name, filename, content_type: header("content-type").map(str::trim), content })
}

/// The value of `name=value` or `name="value"` in a list that semicolons separate; quoted ones may hold semicolons.
fn parameter<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = list;
    loop {
        let (key, after) = rest.trim_start_matches([';', ' ']).split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(';').unwrap_or((after, "")),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.trim());
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_files_are_found() {
        let header = HeaderValue::from_static("multipart/form-data; boundary=\"x-y\"");
        let body = b"--x-y\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n\
            --x-y\r\nContent-Type: audio/wav\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a;b.wav\"\r\n\r\n\
            \x00\r\n\x01\r\n--x-y--\r\n";
        let parts = parts(Some(&header), body).unwrap();
        assert_eq!((parts[0].name, parts[0].filename), ("model", None));
        assert_eq!(parts[0].content, b"m");
        assert_eq!((parts[1].name, parts[1].filename), ("file", Some("a;b.wav")));
        assert_eq!(parts[1].content, b"\x00\r\n\x01");
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let header = HeaderValue::from_static("multipart/form-data; boundary=x");
        for body in ["", "--x", "--x\r\n\r\nno name\r\n--x--", "--x\r\ncontent-disposition: form-data; name=a\r\n\r\nb"]
        {
            assert!(parts(Some(&header), body.as_bytes()).is_err(), "{body:?}");
        }
        assert!(parts(None, b"--x--").is_err());
    }
}
