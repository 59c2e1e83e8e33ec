//! A piece of a list, from one of its members on.

use super::super::answer::bad_value;
use crate::error::Refusal;

/// What a list is of.
pub trait Named {
    fn id(&self) -> &str;
}

pub struct Page<'a, T> {
    pub items: Vec<&'a T>,
    pub has_more: bool,
}

impl<T> Page<'_, T> {
    /// Of a list that was gone through from its end.
    pub fn reversed(mut self) -> Self {
        self.items.reverse();
        self
    }
}

/// The first `limit` of those after `after`. An id that is not in the list is refused.
pub fn page<'a, T: Named>(
    all: impl Iterator<Item = &'a T>,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<'a, T>, Refusal> {
    let mut all = all.peekable();
    if let Some(after) = after {
        all.by_ref().find(|item| item.id() == after).ok_or_else(|| bad_value("after", "names nothing of this list"))?;
    }
    let items = all.by_ref().take(limit).collect();
    Ok(Page { items, has_more: all.peek().is_some() })
}

/// What `limit` says.
pub fn limit(text: Option<&str>, usual: usize, most: usize) -> Result<usize, Refusal> {
    match text.map(str::parse) {
        None => Ok(usual),
        Some(Ok(limit)) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(bad_value("limit", &format!("is not between 1 and {most}"))),
    }
}
