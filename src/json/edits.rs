//! Changes to members, made all at once.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::Object;
use crate::rope::{Rope, Splice};

/// Changes to an [`Object`], to be made all at once.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    changes: Vec<(Range<usize>, Cow<'static, str>)>,
}

impl Edits {
    /// Gives a member the value `json`, or adds the member in front of the others.
    pub fn set(&mut self, object: &Object, key: &'static str, json: impl Into<Cow<'static, str>>) {
        let json = json.into();
        match object.find(key) {
            Some(member) => self.changes.push((member.value.clone(), json)),
            None => self.insert(object.start, object.is_empty(), key, &json),
        }
    }

    /// Adds a member to an object that is itself the value of the member `outer`, in front of its others.
    pub fn set_inside(&mut self, object: &Object, outer: &str, key: &'static str, json: &'static str) {
        let Some(place) = object.find(outer).map(|member| member.value.clone()) else { return };
        let Ok(inner) = Object::read(Bytes::from(object.text.slice(&place).into_owned())) else { return };
        match inner.find(key) {
            Some(member) => {
                let value = place.start + member.value.start..place.start + member.value.end;
                self.changes.push((value, json.into()));
            }
            None => self.insert(place.start + inner.start, inner.is_empty(), key, json),
        }
    }

    /// Takes a member out, with one of the commas beside it.
    pub fn remove(&mut self, object: &Object, key: &str) {
        let Some(at) = object.members.iter().position(|member| object.is(member, key)) else { return };
        let place = match (at.checked_sub(1).and_then(|before| object.members.get(before)), object.members.get(at..)) {
            (_, Some([member, next, ..])) => member.key.start - 1..next.key.start - 1,
            (Some(before), Some([member])) => before.value.end..member.value.end,
            (None, Some([member])) => member.key.start - 1..member.value.end,
            (_, Some([]) | None) => return,
        };
        self.changes.push((place, "".into()));
    }

    /// Gives a member another name.
    pub fn rename(&mut self, object: &Object, from: &str, to: &'static str) {
        if let Some(member) = object.find(from) {
            self.changes.push((member.key.clone(), to.into()));
        }
    }

    /// The object's text with these changes. Long stretches that stay as they are, are shared with it.
    pub fn apply(mut self, object: &Object) -> Rope {
        if self.changes.is_empty() {
            return object.text.clone();
        }
        self.changes.sort_by_key(|(place, _)| place.start);
        let grown: usize = self.changes.iter().map(|(_, json)| json.len()).sum();
        let mut splice = Splice::with_capacity(object.text.len() + grown);
        let mut done = 0;
        for (place, json) in &self.changes {
            splice.part(&object.text, &(done..place.start));
            splice.text(json.as_bytes());
            done = place.end;
        }
        splice.part(&object.text, &(done..object.text.len()));
        splice.finish()
    }

    fn insert(&mut self, at: usize, alone: bool, key: &str, json: &str) {
        let comma = if alone { "" } else { "," };
        self.changes.push((at..at, format!("\"{key}\":{json}{comma}").into()));
    }
}
