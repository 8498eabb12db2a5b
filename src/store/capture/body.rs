//! One body on its way into a capture: small ones stay in memory and go into the log, larger ones go to a file while they come.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sha2::{Digest, Sha256};

use super::PARTIAL;
use crate::{
    model::{Body, BodyContent, Captured, text},
    store::{StoreError, create_private_file},
};

/// Bodies up to so many bytes go into the log; larger ones get a file of their own.
pub const MOST_INLINE: usize = 64 * 1024;

/// Where bodies of one capture go.
#[derive(Debug)]
pub(super) struct BodyFolder {
    path: PathBuf,
    begun: AtomicU64,
}

impl BodyFolder {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, begun: AtomicU64::new(0) }
    }
}

/// Takes a body in pieces. Dropped before it is finished, it leaves nothing behind.
#[derive(Debug)]
pub struct BodyWriter {
    folder: Arc<BodyFolder>,
    bytes: u64,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    Memory(Vec<u8>),
    File(Spill),
}

/// A body in a file with a temporary name.
#[derive(Debug)]
struct Spill {
    path: PathBuf,
    file: fs::File,
    digest: Sha256,
    keep: bool,
}

impl BodyWriter {
    pub(super) const fn new(folder: Arc<BodyFolder>) -> Self {
        Self { folder, bytes: 0, kept: Kept::Memory(Vec::new()) }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Io`], when a large body cannot be written.
    pub fn piece(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.bytes += bytes.len() as u64;
        match &mut self.kept {
            Kept::Memory(memory) if memory.len() + bytes.len() <= MOST_INLINE => {
                memory.extend_from_slice(bytes);
                Ok(())
            }
            Kept::Memory(memory) => {
                let mut spill = Spill::begin(&self.folder)?;
                spill.write(memory)?;
                spill.write(bytes)?;
                self.kept = Kept::File(spill);
                Ok(())
            }
            Kept::File(spill) => spill.write(bytes),
        }
    }

    /// Takes the next piece, which is not copied when it is the whole of a small body.
    ///
    /// # Errors
    /// As [`Self::piece`].
    pub fn owned_piece(&mut self, bytes: Vec<u8>) -> Result<(), StoreError> {
        match &mut self.kept {
            Kept::Memory(memory) if memory.is_empty() && bytes.len() <= MOST_INLINE => {
                self.bytes += bytes.len() as u64;
                *memory = bytes;
                Ok(())
            }
            _ => self.piece(&bytes),
        }
    }

    /// Ends the body and gives what goes into its exchange. `complete` is false when the connection ended in mid-body: what
    /// had come is kept all the same.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Io`], when the file cannot get its name.
    pub fn finish(self, complete: bool) -> Result<Body, StoreError> {
        match self.kept {
            Kept::Memory(memory) if complete => Ok(Body::inline(memory)),
            Kept::Memory(memory) => Ok(Body { bytes: self.bytes, sha256: None, content: BodyContent::Torn(Captured::new(memory)) }),
            Kept::File(spill) => {
                let sha256 = spill.finish(&self.folder.path)?;
                Ok(if complete {
                    Body { bytes: self.bytes, sha256: Some(sha256), content: BodyContent::Spilled }
                } else {
                    Body { bytes: self.bytes, sha256: None, content: BodyContent::TornSpilled(sha256) }
                })
            }
        }
    }
}

impl Spill {
    fn begin(folder: &BodyFolder) -> Result<Self, StoreError> {
        let path = folder.path.join(format!("{PARTIAL}{}", folder.begun.fetch_add(1, Ordering::Relaxed)));
        let file = create_private_file(&path).map_err(|problem| StoreError::of("write", &path, problem))?;
        Ok(Self { path, file, digest: Sha256::new(), keep: false })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.digest.update(bytes);
        self.file.write_all(bytes).map_err(|problem| StoreError::of("write", &self.path, problem))
    }

    /// Gives the file the name of its digest. Two equal bodies are one file.
    fn finish(mut self, folder: &Path) -> Result<String, StoreError> {
        let sha256 = text::hex(&std::mem::take(&mut self.digest).finalize());
        let path = folder.join(&sha256);
        fs::rename(&self.path, &path).map_err(|problem| StoreError::of("write", &path, problem))?;
        self.keep = true;
        Ok(sha256)
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_file(&self.path);
        }
    }
}
