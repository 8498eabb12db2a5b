//! One body on its way into a capture: small ones stay in memory and go into the log, larger ones go to a file while they come.
//! While the system gives no file descriptor for that, a larger one is treated like a small one, within bounds.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use super::PARTIAL;
use crate::{
    model::{Body, BodyContent, Captured, text},
    store::{StoreError, create_private_file},
};

/// Bodies up to so many bytes go into the log; larger ones get a file of their own.
pub const MOST_INLINE: usize = 64 * 1024;

/// Bytes of larger bodies, all together, that may stay in memory while there is no file descriptor for them.
const MOST_HELD: u64 = 32 * 1024 * 1024;

/// A body that finds neither a file descriptor nor room among those waits for one so long at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two attempts.
const BREATH: Duration = Duration::from_millis(5);

/// Where bodies of one capture go.
#[derive(Debug)]
pub(super) struct BodyFolder {
    path: PathBuf,
    begun: AtomicU64,
    /// Bytes of larger bodies that are in memory.
    held: AtomicU64,
}

impl BodyFolder {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, begun: AtomicU64::new(0), held: AtomicU64::new(0) }
    }
}

/// Counts bytes as held, until it is dropped.
#[derive(Debug)]
struct Held {
    folder: Arc<BodyFolder>,
    bytes: u64,
}

impl Held {
    /// Counts so many more, if there is room.
    fn take(&mut self, more: u64) -> bool {
        let before = self.folder.held.fetch_add(more, Ordering::Relaxed);
        let fits = before + more <= MOST_HELD;
        if fits {
            self.bytes += more;
        } else {
            self.folder.held.fetch_sub(more, Ordering::Relaxed);
        }
        fits
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.folder.held.fetch_sub(self.bytes, Ordering::Relaxed);
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
    /// More than goes into the log otherwise, for lack of a file descriptor.
    Held(Vec<u8>, Held),
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
    /// [`StoreError::Full`] or [`StoreError::Io`], when a large body cannot be written. That there is no file descriptor for it is an
    /// error only when a while has changed nothing, and too much is in memory for that reason.
    pub fn piece(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.bytes += bytes.len() as u64;
        match &mut self.kept {
            Kept::Memory(memory) if memory.len() + bytes.len() <= MOST_INLINE => {
                memory.extend_from_slice(bytes);
                Ok(())
            }
            Kept::Memory(memory) => {
                let mut held = Held { folder: Arc::clone(&self.folder), bytes: 0 };
                match begin(&self.folder, &mut held, memory.len() + bytes.len())? {
                    Some(spill) => self.kept = Kept::File(spill.with(&[memory, bytes])?),
                    None => self.kept = Kept::Held([memory, bytes].concat(), held),
                }
                Ok(())
            }
            Kept::Held(memory, held) => {
                match begin(&self.folder, held, bytes.len())? {
                    Some(spill) => self.kept = Kept::File(spill.with(&[memory, bytes])?),
                    None => memory.extend_from_slice(bytes),
                }
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
        let kept = match self.kept {
            Kept::Held(memory, _held) => match Spill::begin(&self.folder) {
                Ok(spill) => Kept::File(spill.with(&[&memory])?),
                Err(problem) if problem.lacks_descriptors() => Kept::Memory(memory),
                Err(problem) => return Err(problem),
            },
            kept => kept,
        };
        match kept {
            Kept::Memory(memory) | Kept::Held(memory, _) if complete => Ok(Body::inline(memory)),
            Kept::Memory(memory) | Kept::Held(memory, _) => {
                Ok(Body { bytes: self.bytes, sha256: None, content: BodyContent::Torn(Captured::new(memory)) })
            }
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

/// Begins a body's file; `None` when there is no file descriptor for it, and so many bytes more may be held instead.
fn begin(folder: &BodyFolder, held: &mut Held, more: usize) -> Result<Option<Spill>, StoreError> {
    let began = Instant::now();
    loop {
        match Spill::begin(folder) {
            Ok(spill) => return Ok(Some(spill)),
            Err(problem) if !problem.lacks_descriptors() => return Err(problem),
            Err(_) if held.take(more as u64) => return Ok(None),
            Err(problem) if began.elapsed() > PATIENCE => return Err(problem),
            Err(_) => std::thread::sleep(BREATH),
        }
    }
}

impl Spill {
    fn begin(folder: &BodyFolder) -> Result<Self, StoreError> {
        let path = folder.path.join(format!("{PARTIAL}{}", folder.begun.fetch_add(1, Ordering::Relaxed)));
        let file = create_private_file(&path).map_err(|problem| StoreError::of("write", &path, problem))?;
        Ok(Self { path, file, digest: Sha256::new(), keep: false })
    }

    fn with(mut self, pieces: &[&[u8]]) -> Result<Self, StoreError> {
        pieces.iter().try_for_each(|piece| self.write(piece))?;
        Ok(self)
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
