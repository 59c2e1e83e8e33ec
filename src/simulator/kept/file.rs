//! A file, as all vendors have them.

use bytes::Bytes;

use super::super::answer::now;
use super::page::Named;
use super::place::Vendor;

pub struct File {
    pub id: String,
    pub vendor: Vendor,
    pub name: String,
    /// What it is for, in the vendor's words; empty where there are none for it.
    pub purpose: String,
    pub mime: String,
    pub content: Bytes,
    pub made: u64,
    /// Seconds since 1970.
    pub expires: Option<u64>,
    pub origin: Origin,
    pub downloads: u32,
}

impl Named for File {
    fn id(&self) -> &str {
        &self.id
    }
}

/// Who made a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Client,
    /// A batch.
    Vendor,
}

/// A file that is to be kept: what somebody says of it.
pub struct NewFile {
    pub vendor: Vendor,
    pub name: String,
    pub purpose: String,
    pub mime: String,
    pub content: Bytes,
    pub origin: Origin,
    /// In so many seconds.
    pub expires_in: Option<u64>,
}

impl NewFile {
    pub fn named(self, id: String) -> File {
        let Self { vendor, name, purpose, mime, content, origin, expires_in } = self;
        let made = now();
        let expires = expires_in.map(|seconds| made + seconds);
        File { id, vendor, name, purpose, mime, content, made, expires, origin, downloads: 0 }
    }
}
