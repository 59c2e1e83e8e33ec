//! A request's body, read only as far as routing needs.

use std::borrow::Cow;

use crate::error::Refusal;
use crate::json::{Edits, Object};
use crate::multipart::Form;
use crate::rope::Rope;

/// The content type of a form, without its parameters.
const FORM: &[u8] = b"multipart/form-data";

/// The body of a request that runs a model.
#[derive(Debug, Clone)]
pub enum Payload {
    Json(Object),
    /// Audio and images are uploaded as forms.
    Form(Form),
}

impl Payload {
    /// Reads a body. Its content type matters only where it says that it is a form: `curl -d` calls JSON a form, too.
    pub fn read(content_type: &str, body: Rope) -> Result<Self, Refusal> {
        let given = content_type.trim_start().as_bytes();
        if given.get(..FORM.len()).is_some_and(|start| start.eq_ignore_ascii_case(FORM)) {
            let form = Form::read(content_type, body.to_bytes());
            return form
                .map(Self::Form)
                .map_err(|why| Refusal::invalid(format!("The form in the body cannot be read: {why}.")));
        }
        if body.is_empty() {
            return Err(Refusal::invalid("The request has no body; send a JSON object."));
        }
        let object = Object::read(body);
        object.map(Self::Json).map_err(|why| Refusal::invalid(format!("The body is not a JSON object: {why}.")))
    }

    /// The model that is asked for.
    pub fn model(&self) -> Result<Cow<'_, str>, Refusal> {
        let (count, model) = match self {
            Self::Json(object) => (object.count("model"), object.text_of("model")),
            Self::Form(form) => (form.count("model"), form.get("model").map(Cow::Borrowed)),
        };
        let refuse = |message: &str| Err(Refusal::invalid(message).param("model"));
        match (count, model) {
            (0, _) => refuse("`model` is missing: name the model that is to answer."),
            (1, Some(model)) if !model.is_empty() => Ok(model),
            (1, _) => refuse("`model` must be a text that is not empty."),
            _ => refuse("`model` is given more than once."),
        }
    }

    /// Whether the answer is wanted as a stream.
    pub fn wants_stream(&self) -> bool {
        match self {
            Self::Json(object) => object.get("stream").is_some_and(|value| *value == *b"true"),
            Self::Form(form) => form.get("stream") == Some("true"),
        }
    }

    /// The body's length in bytes.
    pub fn size(&self) -> usize {
        match self {
            Self::Json(object) => object.text().len(),
            Self::Form(form) => form.body().len(),
        }
    }

    /// The body with another model and with the edits that `edit` adds to a JSON object. `None`: the model is not told in the
    /// body.
    pub fn outgoing(&self, model: Option<&str>, edit: impl FnOnce(&Object, &mut Edits)) -> Rope {
        match (self, model) {
            (Self::Json(object), model) => {
                let mut edits = Edits::default();
                // A text can always be written.
                let name = model.and_then(|model| serde_json::to_string(model).ok());
                if let Some(name) =
                    name.filter(|name| object.get("model").is_none_or(|value| *value != *name.as_bytes()))
                {
                    edits.set(object, "model", name);
                }
                edit(object, &mut edits);
                edits.apply(object)
            }
            (Self::Form(form), Some(model)) if form.get("model") != Some(model) => form.replace("model", model).into(),
            (Self::Form(form), _) => form.body().clone().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn json(text: &'static str) -> Payload {
        Payload::read("application/json", Bytes::from_static(text.as_bytes()).into()).expect("JSON")
    }

    #[test]
    fn says_what_is_wrong_with_the_model() {
        let wrong = |text| json(text).model().expect_err("no model").message;
        assert!(wrong("{}").contains("missing"));
        assert!(wrong(r#"{"model":null}"#).contains("must be a text"));
        assert!(wrong(r#"{"model":""}"#).contains("must be a text"));
        assert!(wrong(r#"{"model":"a","model":"b"}"#).contains("more than once"));
        assert!(Payload::read("", Rope::default()).expect_err("empty").message.contains("no body"));
    }

    #[test]
    fn an_unchanged_body_is_the_very_body() {
        let payload = json(r#"{"model":"a","stream":true}"#);
        assert!(payload.wants_stream());
        let Payload::Json(object) = &payload else { panic!("JSON") };
        assert_eq!(payload.outgoing(Some("a"), |_, _| {}).to_bytes().as_ptr(), object.text().to_bytes().as_ptr());
        assert_eq!(payload.outgoing(Some("b\""), |_, _| {}).to_bytes(), r#"{"model":"b\"","stream":true}"#);
    }
}
