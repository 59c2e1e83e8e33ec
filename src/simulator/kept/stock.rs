//! Everything that is kept, and the ledger of what was done with it. Bounded: what is oldest goes first, as if it had expired.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::batch::Batch;
use super::file::{File, NewFile};
use super::place::Vendor;
use super::{anthropic, bedrock, digest, gemini, openai, vertex, xai};

const MOST_FILES: usize = 10_000;
const MOST_BATCHES: usize = 1000;
/// Of all files together.
const MOST_BYTES: usize = 1 << 30;
/// Lines that are told apart in the ledger.
const MOST_LINES: usize = 200_000;

#[derive(Default)]
pub struct Stock(Mutex<Shelves>);

impl Stock {
    pub fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub struct Shelves {
    pub files: Files,
    pub openai: Batches<openai::Details>,
    pub anthropic: Batches<anthropic::Details>,
    pub gemini: Batches<gemini::Details>,
    pub xai: Batches<xai::Details>,
    pub bedrock: Batches<bedrock::Details>,
    pub vertex: Batches<vertex::Details>,
    /// Files that are still coming.
    pub uploads: gemini::Uploads,
    pub ledger: Ledger,
}

#[derive(Default)]
pub struct Files {
    /// In the order in which they were made.
    all: VecDeque<File>,
    made: u64,
}

pub struct Batches<D> {
    all: VecDeque<Batch<D>>,
    made: u64,
}

/// How often each line was run, by its `custom_id` (or key), over all batches.
#[derive(Default)]
pub struct Ledger {
    runs: BTreeMap<String, u32>,
}

impl Files {
    /// Keeps a file; its id is `prefix` and so many digits. `seed` tells ids of one process from those of another.
    pub fn keep(&mut self, seed: &str, prefix: &str, digits: usize, file: NewFile) -> &File {
        self.made += 1;
        let number = digest(self.made, &[seed.as_bytes(), file.name.as_bytes()]);
        self.put(format!("{prefix}{}", number.get(..digits).unwrap_or(&number)), file)
    }

    /// Keeps a file whose name was chosen.
    pub fn keep_as(&mut self, id: String, file: NewFile) -> &File {
        self.made += 1;
        self.put(id, file)
    }

    fn put(&mut self, id: String, file: NewFile) -> &File {
        let room = MOST_BYTES.saturating_sub(file.content.weight());
        while self.all.len() >= MOST_FILES || (!self.all.is_empty() && self.bytes() > room) {
            self.all.pop_front();
        }
        self.all.push_back(file.named(id));
        let last = self.all.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "it was just put there")]
        &self.all[last]
    }

    fn bytes(&self) -> usize {
        self.all.iter().map(|file| file.content.weight()).sum()
    }

    pub fn get(&mut self, vendor: Vendor, id: &str) -> Option<&mut File> {
        self.all.iter_mut().find(|file| file.vendor == vendor && file.id == id)
    }

    pub fn remove(&mut self, vendor: Vendor, id: &str) -> Option<File> {
        let at = self.all.iter().position(|file| file.vendor == vendor && file.id == id)?;
        self.all.remove(at)
    }

    /// The latest first.
    pub fn of(&self, vendor: Vendor) -> impl DoubleEndedIterator<Item = &File> {
        self.all.iter().rev().filter(move |file| file.vendor == vendor)
    }
}

impl<D> Default for Batches<D> {
    fn default() -> Self {
        Self { all: VecDeque::new(), made: 0 }
    }
}

impl<D> Batches<D> {
    /// Keeps a batch; `make` is told the digits of its id, `seed` is as for files.
    pub fn keep(&mut self, seed: &str, make: impl FnOnce(&str) -> Batch<D>) -> &mut Batch<D> {
        self.made += 1;
        if self.all.len() >= MOST_BATCHES {
            self.all.pop_front();
        }
        self.all.push_back(make(&digest(self.made, &[seed.as_bytes()])));
        let last = self.all.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "it was just put there")]
        &mut self.all[last]
    }

    pub fn get(&mut self, id: &str) -> Option<&mut Batch<D>> {
        self.all.iter_mut().find(|batch| batch.id == id)
    }

    pub fn remove(&mut self, id: &str) -> Option<Batch<D>> {
        let at = self.all.iter().position(|batch| batch.id == id)?;
        self.all.remove(at)
    }

    /// The latest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Batch<D>> {
        self.all.iter().rev()
    }
}

impl Ledger {
    pub fn ran(&mut self, line: &str) {
        if let Some(runs) = self.runs.get_mut(line) {
            *runs += 1;
        } else if self.runs.len() < MOST_LINES {
            self.runs.insert(line.to_owned(), 1);
        }
    }
}

/// What was done, for tests: `GET /__log`.
#[derive(Serialize)]
pub struct Log<'s> {
    files_made: u64,
    batches_made: u64,
    runs: &'s BTreeMap<String, u32>,
    files: Vec<FileLog<'s>>,
    batches: Vec<BatchLog<'s>>,
}

#[derive(Serialize)]
struct FileLog<'s> {
    id: &'s str,
    vendor: Vendor,
    name: &'s str,
    purpose: &'s str,
    bytes: usize,
    sha256: String,
    downloads: u32,
}

#[derive(Serialize)]
struct BatchLog<'s> {
    id: &'s str,
    vendor: Vendor,
    state: String,
    looks: u32,
    cancels: u32,
    lines: Vec<LineLog<'s>>,
}

#[derive(Serialize)]
struct LineLog<'s> {
    name: &'s str,
    runs: u32,
}

impl Shelves {
    pub fn log<'s>(&'s self) -> Log<'s> {
        let file = |file: &'s File| {
            let File { id, vendor, name, purpose, content, downloads, .. } = file;
            let sha256 = file.sha256().iter().map(|byte| format!("{byte:02x}")).collect();
            FileLog { id, vendor: *vendor, name, purpose, bytes: content.len(), sha256, downloads: *downloads }
        };
        Log {
            files_made: self.files.made,
            batches_made: self.openai.made
                + self.anthropic.made
                + self.gemini.made
                + self.xai.made
                + self.bedrock.made
                + self.vertex.made,
            runs: &self.ledger.runs,
            files: self.files.all.iter().map(file).collect(),
            batches: (self.openai.log(Vendor::Openai))
                .chain(self.anthropic.log(Vendor::Anthropic))
                .chain(self.gemini.log(Vendor::Gemini))
                .chain(self.xai.log(Vendor::Xai))
                .chain(self.bedrock.log(Vendor::Bedrock))
                .chain(self.vertex.log(Vendor::Vertex))
                .collect(),
        }
    }
}

impl<D> Batches<D> {
    fn log(&self, vendor: Vendor) -> impl Iterator<Item = BatchLog<'_>> {
        self.all.iter().map(move |batch| BatchLog {
            id: &batch.id,
            vendor,
            state: format!("{:?}", batch.state).to_lowercase(),
            looks: batch.looks,
            cancels: batch.cancels,
            lines: batch.lines.iter().map(|line| LineLog { name: &line.name, runs: line.runs }).collect(),
        })
    }
}
