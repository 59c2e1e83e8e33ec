//! A name for a chat, for providers that want to serve its requests where they have served the ones before.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::Object;
use crate::rope::Rope;

/// A name that the next requests of this chat will have, too: made of the model, the tools, and the messages up to the user's first,
/// which stay what they are while the chat grows. `None`: it is no chat.
pub fn conversation(body: &Rope) -> Option<String> {
    #[derive(Deserialize)]
    struct Message {
        role: Option<String>,
    }

    let object = Object::read(body.clone()).ok()?;
    let messages = object.get("messages")?;
    let messages: Vec<&RawValue> = serde_json::from_slice(&messages).ok()?;
    let mut hasher = DefaultHasher::new();
    for member in ["model", "tools"] {
        object.get(member).hash(&mut hasher);
    }
    for message in messages {
        message.get().hash(&mut hasher);
        let role = serde_json::from_str::<Message>(message.get()).ok().and_then(|message| message.role);
        if role.as_deref() == Some("user") {
            break;
        }
    }
    Some(format!("narthex-{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_keeps_its_name_while_it_grows() {
        let id = |text: &'static str| conversation(&bytes::Bytes::from_static(text.as_bytes()).into());
        let first = id(r#"{"model":"m","messages":[{"role":"system"},{"role":"user","content":"a"}],"stream":true}"#);
        assert!(first.as_deref().is_some_and(|id| id.starts_with("narthex-")));
        let later =
            r#"{"messages":[{"role":"system"},{"role":"user","content":"a"},{"role":"assistant"}],"model":"m"}"#;
        assert_eq!(first, id(later));
        assert_ne!(first, id(r#"{"model":"m","messages":[{"role":"system"},{"role":"user","content":"b"}]}"#));
        assert_eq!(id(r#"{"model":"m","input":"x"}"#), None);
    }
}
