//! Whether somebody is writing a capture: a file beside its log, locked for as long as they do, by the operating system, so that a
//! program that was killed locks nothing. The log itself stays free for readers.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::store::{StoreError, create_private_file};

/// A capture that is being written, until this is dropped or the program ends, however it does.
#[derive(Debug)]
pub(super) struct InUse {
    path: PathBuf,
    /// The lock ends when it is closed.
    _lock: fs::File,
}

impl InUse {
    /// Begins to write the capture in a new folder.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Io`] when the file cannot be made.
    pub(super) fn begin(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(IN_USE);
        let fail = |problem| StoreError::of("write", &path, problem);
        let lock = create_private_file(&path).map_err(fail)?;
        // Whoever looks whether it is locked holds it for a moment.
        match lock.lock() {
            Ok(()) => {}
            // Some network file systems know no locks; a capture that is removed under its writer is told at its end.
            Err(problem) if problem.kind() == io::ErrorKind::Unsupported => {}
            Err(problem) => return Err(fail(problem)),
        }
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        // One that stays says nothing: it is not locked any more.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether a run or a session is writing the capture in this folder. One that cannot be asked is not.
pub fn is_in_use(folder: &Path) -> bool {
    fs::File::open(folder.join(IN_USE)).is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}

/// Refuses to change a capture that is being written.
pub(super) fn refuse_in_use(folder: &Path) -> Result<(), StoreError> {
    if is_in_use(folder) { Err(StoreError::InUse { path: folder.to_owned() }) } else { Ok(()) }
}

/// Name of the file.
const IN_USE: &str = ".in-use";
