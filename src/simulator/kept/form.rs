//! A file that comes in a form, and what is said beside it.

use super::super::openai::multipart;
use super::Call;
use super::file::Content;
use crate::error::Refusal;

pub struct Upload {
    pub name: String,
    pub mime: Option<String>,
    /// A piece of the request's body, if it was kept.
    pub content: Content,
    fields: Vec<(String, String)>,
}

impl Upload {
    pub fn read(call: &Call) -> Result<Self, Refusal> {
        let mut found = None;
        let mut fields = Vec::new();
        for part in multipart::parts(call.head.content_type.as_ref(), call.body)? {
            match part.filename {
                Some(filename) if part.name == "file" => found = Some((filename, part)),
                _ => fields.push((part.name.to_owned(), String::from_utf8_lossy(part.content).into_owned())),
            }
        }
        let (name, part) = found.ok_or_else(|| {
            Refusal::invalid("The form has no file named `file`.").param("file").code("missing_required_parameter")
        })?;
        let mime = part.content_type.map(str::to_owned);
        let content = match call.discarded {
            Some(discarded) => Content::Discarded(discarded),
            None => Content::Kept(call.body.slice_ref(part.content)),
        };
        Ok(Self { name: name.to_owned(), mime, content, fields })
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
