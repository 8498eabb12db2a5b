//! Files: captures, accepted and pending snapshots, what is kept with a rig, and the place they belong to. What is in them is the core's; this module
//! only keeps it, and says whose fault it is when it cannot.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

pub mod capture;
pub mod embedded;
pub mod job;
pub mod journal;
pub mod packages;
pub mod rig;
pub mod snapshots;
pub mod workspace;

pub use capture::{BodyWriter, CaptureReader, CaptureWriter, StoredCapture, Verified};
pub use embedded::{EMBEDDED, EmbeddedSnapshot};
pub use job::{BeginJob, Job, RigJob, begin_phone_job};
pub use packages::PackageSigner;
pub use rig::{LockedRig, RigFolder};
pub use snapshots::{SnapshotFile, SnapshotFolder, SnapshotText, Standing};
pub use workspace::{AppFiles, Workspace};

/// Why something could not be kept or read back. Each reads after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A kept control run is not what was written.
    #[error("read {path}: {problem}", path = path.display())]
    BadControl {
        /// The file.
        path: PathBuf,
        /// What is wrong with it. No host of it.
        problem: String,
    },
    /// A journal of a phone is not what was written.
    #[error("read {path}: {problem}", path = path.display())]
    BadJournal {
        /// The file.
        path: PathBuf,
        /// What is wrong with it. Nothing of what it holds.
        problem: String,
    },
    /// The log of a capture does not say what was recorded, from this line on.
    #[error("read {path} line {line}: {problem}", path = path.display())]
    BadLine {
        /// The log.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong with it. No captured value.
        problem: String,
    },
    /// Other users of this machine can read a private key, or put another one in its place.
    #[error("use the private key in {path}: other users of this machine can get at it (mode {mode:03o})", path = path.display())]
    Exposed {
        /// The file, or its folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A newer tattletale wrote it.
    #[error("read {path}: it has format {found}, this tattletale reads up to {known}; update tattletale", path = path.display())]
    Format {
        /// The capture.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The disk, or the user's share of it, is full. What was written before stays readable.
    #[error("write {path}: the disk is full; what was recorded before stays readable", path = path.display())]
    Full {
        /// The file that was being written.
        path: PathBuf,
    },
    /// What was written is not there any more: somebody removed or changed it meanwhile.
    #[error("find {path} again: it was removed or changed by another program while it was being written", path = path.display())]
    Gone {
        /// The capture.
        path: PathBuf,
    },
    /// In CI no accepted snapshot is ever written.
    #[error("write {path}: accepted snapshots are never written in CI (CI is set); accept on a machine of your own and commit", path = path.display())]
    InCi {
        /// The snapshot.
        path: PathBuf,
    },
    /// A capture that is being written is not changed by anybody else.
    #[error("change {path}: a run or a session is writing it", path = path.display())]
    InUse {
        /// The capture.
        path: PathBuf,
    },
    /// The operating system said no.
    #[error("{action} {path}: {problem}", path = path.display())]
    Io {
        /// `read`, `write`, `remove`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        problem: io::Error,
    },
    /// A name cannot become a file name.
    #[error("use the {what} {name:?} as a file name: {problem}")]
    Name {
        /// `app name`, `version`.
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A folder is no capture.
    #[error("read {path}: {problem}", path = path.display())]
    NotACapture {
        /// The folder.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// A file is no snapshot that insta could read.
    #[error("read {path} line {line}: {problem}", path = path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

impl StoreError {
    /// Tells a full disk from everything else that can go wrong with a file.
    pub(crate) fn of(action: &'static str, path: &Path, problem: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match problem.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::Full { path: path.to_owned() },
            _ => Self::Io { action, path: path.to_owned(), problem },
        }
    }

    /// Whether this program has as many files and connections open as it may. That passes when some are closed.
    pub(crate) fn lacks_descriptors(&self) -> bool {
        matches!(self, Self::Io { problem, .. } if is_lack_of_descriptors(problem))
    }

    /// Whether a person named or wrote a wrong file, as opposed to an instrument (the disk) that failed.
    pub fn is_wrong_file(&self) -> bool {
        !matches!(self, Self::Full { .. } | Self::Gone { .. }) && !matches!(self, Self::Io { action: "write" | "remove", .. })
    }
}

/// Whether the system gives no more file descriptors for now: to this program (`EMFILE`), or to any (`ENFILE`).
fn is_lack_of_descriptors(problem: &io::Error) -> bool {
    cfg!(unix) && matches!(problem.raw_os_error(), Some(23 | 24))
}

/// Creates a folder that only its owner may enter, and the folders above it as they come.
fn create_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Creates a file that only its owner may read; it must not exist.
fn create_private_file(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// Writes a whole file by way of a neighbour, so that a reader sees the old text or the new one and nothing between.
fn replace_file(path: &Path, private: bool, text: &[u8]) -> io::Result<()> {
    // Several threads may replace one file at once.
    static WRITINGS: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".writing-{}-{}", std::process::id(), WRITINGS.fetch_add(1, Ordering::Relaxed)));
    let temporary = path.with_file_name(name);
    let _ = fs::remove_file(&temporary);
    let written = (|| {
        let mut file = if private { create_private_file(&temporary)? } else { fs::File::create_new(&temporary)? };
        io::Write::write_all(&mut file, text)?;
        drop(file);
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// The permission bits of a file that others than its owner can read or change; `None` when nobody else can, or where the
/// system keeps no such bits.
///
/// # Errors
/// [`StoreError::Io`] when the file cannot be looked at.
pub fn open_to_others(path: &Path) -> Result<Option<u32>, StoreError> {
    let about = fs::metadata(path).map_err(|problem| StoreError::of("read", path, problem))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = about.permissions().mode() & 0o777;
        Ok(Some(mode).filter(|mode| mode & 0o077 != 0))
    }
    #[cfg(not(unix))]
    {
        let _ = about;
        Ok(None)
    }
}

/// Reads a file that a person gave, of at most `limit` bytes.
///
/// # Errors
/// [`StoreError::Io`]; a longer file is [`InvalidData`](io::ErrorKind::InvalidData).
pub fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, StoreError> {
    let fail = |problem| StoreError::Io { action: "read", path: path.to_owned(), problem };
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(fs::File::open(path).map_err(fail)?, limit + 1), &mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        return Err(fail(io::Error::new(io::ErrorKind::InvalidData, format!("longer than {limit} bytes"))));
    }
    Ok(bytes)
}

/// Reads a text file a person wrote, up to a limit in bytes.
///
/// # Errors
/// [`StoreError::Io`] when it cannot be read, is longer than the limit, or is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String, StoreError> {
    let fail = |problem| StoreError::Io { action: "read", path: path.to_owned(), problem };
    String::from_utf8(read_bytes(path, limit)?).map_err(|wrong| {
        let at = wrong.utf8_error().valid_up_to();
        let line = wrong.as_bytes().get(..at).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count() + 1;
        fail(io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8 text")))
    })
}
