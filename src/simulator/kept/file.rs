//! A file, as all vendors have them.

use std::sync::OnceLock;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::super::answer::now;
use super::super::discard::Discarded;
use super::page::Named;
use super::place::Vendor;
use crate::error::{Kind, Refusal};

pub struct File {
    pub id: String,
    pub vendor: Vendor,
    pub name: String,
    /// What it is for, in the vendor's words; empty where there are none for it.
    pub purpose: String,
    pub mime: String,
    pub content: Content,
    pub made: u64,
    /// Seconds since 1970.
    pub expires: Option<u64>,
    pub origin: Origin,
    pub downloads: u32,
    sha256: OnceLock<[u8; 32]>,
}

#[derive(Clone)]
pub enum Content {
    Kept(Bytes),
    Discarded(Discarded),
}

impl Content {
    pub fn len(&self) -> usize {
        match self {
            Self::Kept(bytes) => bytes.len(),
            Self::Discarded(discarded) => discarded.bytes,
        }
    }

    /// How much memory it takes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Kept(bytes) => bytes.len(),
            Self::Discarded(_) => 0,
        }
    }

    pub fn bytes(&self) -> Result<&Bytes, Refusal> {
        match self {
            Self::Kept(bytes) => Ok(bytes),
            Self::Discarded(_) => Err(Refusal::new(
                Kind::Conflict,
                "The simulator was told to forget the bytes of uploads (discard-uploads).",
            )),
        }
    }
}

impl File {
    /// Computed once: a long file takes a while.
    pub fn sha256(&self) -> [u8; 32] {
        match &self.content {
            Content::Kept(bytes) => *self.sha256.get_or_init(|| Sha256::digest(bytes).into()),
            Content::Discarded(discarded) => discarded.sha256,
        }
    }
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
    pub content: Content,
    pub origin: Origin,
    /// In so many seconds.
    pub expires_in: Option<u64>,
}

impl NewFile {
    pub fn named(self, id: String) -> File {
        let Self { vendor, name, purpose, mime, content, origin, expires_in } = self;
        let made = now();
        let expires = expires_in.map(|seconds| made + seconds);
        File { id, vendor, name, purpose, mime, content, made, expires, origin, downloads: 0, sha256: OnceLock::new() }
    }
}
