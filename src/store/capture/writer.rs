//! Writing a capture: a folder of its own, events appended to its log, bodies beside it. What was written stays readable,
//! whatever happens next.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    BODIES, LOG, MOST_LINE, attachments,
    body::{BodyFolder, BodyWriter},
    chain, folder_name,
    in_use::InUse,
};
use crate::{
    model::{Attachment, AttachmentKind, Provenance, RunEvent},
    store::{StoreError, create_private_file, create_private_folder},
};

/// Lines are collected up to so many bytes before they go to the operating system without being asked for.
const BUFFER: usize = 256 * 1024;

/// Folders that may bear the same time, app, version, scenario and run.
const MOST_TWINS: u32 = 10_000;

/// Writes one capture. Events are numbered here; nobody else numbers them.
#[derive(Debug)]
pub struct CaptureWriter {
    folder: PathBuf,
    log: Log,
    bodies: Arc<BodyFolder>,
    n: u64,
    link: String,
    /// Attachments so far.
    attached: u32,
    /// Let go of last, when everything is written.
    _in_use: InUse,
}

impl CaptureWriter {
    /// Makes the folder `<time>-<app>-<version>-<scenario>-<run>` in `parent` (which must exist), for its owner only, and
    /// writes the first event, [`RunEvent::RunStarted`]. `at` is the wall clock's time, which names the folder; the event
    /// bears the time at which the run started on its rig's clock.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Io`] naming the path.
    pub fn create(parent: &Path, provenance: &Provenance, at: Timestamp) -> Result<Self, StoreError> {
        let folder = new_folder(parent, provenance, at)?;
        let in_use = InUse::begin(&folder)?;
        let path = folder.join(LOG);
        let file = create_private_file(&path).map_err(|problem| StoreError::of("write", &path, problem))?;
        let mut writer = Self::with_log(folder, Box::new(file), in_use);
        writer.append(provenance.started, &RunEvent::RunStarted(Box::new(provenance.clone())))?;
        writer.flush()?;
        Ok(writer)
    }

    fn with_log(folder: PathBuf, file: Box<dyn LogFile>, in_use: InUse) -> Self {
        let log = Log { path: folder.join(LOG), file, waiting: Vec::new(), length: 0, failed: false };
        let bodies = Arc::new(BodyFolder::new(folder.join(BODIES)));
        Self { folder, log, bodies, n: 0, link: chain::START.to_owned(), attached: 0, _in_use: in_use }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Appends an event and gives the number it got, from 1 without gaps. It reaches the operating system at the next
    /// [`CaptureWriter::flush`], or earlier when much is waiting.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Io`]; after one, every further call fails too, so that half a line is never
    /// followed by more.
    pub fn append(&mut self, at: Timestamp, event: &RunEvent) -> Result<u64, StoreError> {
        let n = self.n + 1;
        self.link = self.log.append(&Borrowed { n, at, event }, &self.link)?;
        self.n = n;
        Ok(n)
    }

    /// Begins a body. Any number may be under way at once, each on a thread of its own.
    pub fn body(&self) -> BodyWriter {
        BodyWriter::new(Arc::clone(&self.bodies))
    }

    /// Puts a file into the folder [`super::ATTACHMENTS`], for its owner only, and gives what is to be written of it. `name` is made a part
    /// of the file's name. Nothing is left of one that cannot be written whole.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Io`] naming the file.
    pub fn attach(&mut self, kind: AttachmentKind, name: &str, bytes: &[u8]) -> Result<Attachment, StoreError> {
        self.attached += 1;
        attachments::write(&self.folder, self.attached, kind, name, bytes)
    }

    /// Hands everything appended so far to the operating system; from then on a crash of this program does not lose it.
    ///
    /// # Errors
    /// As [`CaptureWriter::append`].
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.log.flush()
    }

    /// Flushes, and waits until the log is on the disk.
    ///
    /// # Errors
    /// As [`CaptureWriter::append`] and [`CaptureWriter::look_again`].
    pub fn finish(mut self) -> Result<PathBuf, StoreError> {
        self.log.flush()?;
        self.log.file.settle().map_err(|problem| StoreError::of("write", &self.log.path, problem))?;
        self.look_again()?;
        Ok(std::mem::take(&mut self.folder))
    }

    /// Looks whether what was handed to the operating system can be found again: a file that was removed takes writes as before.
    ///
    /// # Errors
    /// [`StoreError::Gone`].
    pub fn look_again(&self) -> Result<(), StoreError> {
        match self.log.path.metadata() {
            Ok(about) if about.len() == self.log.length => Ok(()),
            _ => Err(StoreError::Gone { path: self.folder.clone() }),
        }
    }
}

impl Drop for CaptureWriter {
    fn drop(&mut self) {
        let _ = self.log.flush();
    }
}

/// A new folder in `parent` for a capture, with one for its bodies, both for their owner only.
pub(super) fn new_folder(parent: &Path, provenance: &Provenance, at: Timestamp) -> Result<PathBuf, StoreError> {
    let name = folder_name(provenance, at);
    let folder = (1..MOST_TWINS)
        .map(|twin| parent.join(if twin == 1 { name.clone() } else { format!("{name}-{twin}") }))
        .find_map(|folder| match create_private_folder(&folder) {
            Ok(()) => Some(Ok(folder)),
            Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => None,
            Err(problem) => Some(Err(StoreError::of("write", &folder, problem))),
        })
        .unwrap_or_else(|| Err(StoreError::of("write", &parent.join(&name), io::ErrorKind::AlreadyExists.into())))?;
    let bodies = folder.join(BODIES);
    create_private_folder(&bodies).map_err(|problem| StoreError::of("write", &bodies, problem))?;
    Ok(folder)
}

/// [`crate::model::NumberedEvent`], borrowed: the same JSON.
#[derive(serde::Serialize)]
struct Borrowed<'a> {
    n: u64,
    at: Timestamp,
    event: &'a RunEvent,
}

/// The log file and what waits to be written to it.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: Box<dyn LogFile>,
    waiting: Vec<u8>,
    /// Bytes in the file, whole lines all of them.
    length: u64,
    failed: bool,
}

impl Log {
    /// Appends an event and gives its link, which follows from `link`. The line is made where it waits: events are many.
    fn append(&mut self, event: &Borrowed<'_>, link: &str) -> Result<String, StoreError> {
        if self.failed {
            return Err(self.no_more());
        }
        let start = self.waiting.len();
        let written = serde_json::to_writer(&mut self.waiting, event).map_err(io::Error::other);
        let length = self.waiting.len() - start;
        let fits = written.and_then(|()| match length {
            0..=MOST_LINE => Ok(()),
            _ => {
                let problem = format!("one event has {length} bytes, more than the {MOST_LINE} a log may have in a line");
                Err(io::Error::new(io::ErrorKind::InvalidData, problem))
            }
        });
        if let Err(problem) = fits {
            self.waiting.truncate(start);
            return Err(StoreError::of("write", &self.path, problem));
        }
        let link = chain::seal(&mut self.waiting, start, link);
        self.waiting.push(b'\n');
        if self.waiting.len() >= BUFFER {
            self.flush()?;
        }
        Ok(link)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.failed {
            return if self.waiting.is_empty() { Ok(()) } else { Err(self.no_more()) };
        }
        let mut written = 0;
        while let Some(rest) = self.waiting.get(written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return Err(self.fail(written, io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(problem) if problem.kind() == io::ErrorKind::Interrupted => {}
                Err(problem) => return Err(self.fail(written, problem)),
            }
        }
        self.length += written as u64;
        self.waiting.clear();
        Ok(())
    }

    /// Cuts the file back to its last whole line, and takes nothing more.
    fn fail(&mut self, written: usize, problem: io::Error) -> StoreError {
        let whole = self.waiting.get(..written).and_then(|part| part.iter().rposition(|byte| *byte == b'\n')).map_or(0, |at| at + 1);
        // If even this fails, a reader finds half a line at the end, and says so.
        let _ = self.file.truncate(self.length + whole as u64);
        self.failed = true;
        StoreError::of("write", &self.path, problem)
    }

    fn no_more(&self) -> StoreError {
        StoreError::of("write", &self.path, io::Error::other("an earlier write failed"))
    }
}

/// What the writer needs of a file.
trait LogFile: Send + std::fmt::Debug {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    fn settle(&mut self) -> io::Result<()>;
}

impl LogFile for fs::File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(self, bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn settle(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Recording as _, RunEnding},
        store::capture::{CaptureReader, tests::provenance},
    };

    /// A disk that takes so many bytes and no more.
    #[derive(Debug)]
    struct SmallDisk {
        file: fs::File,
        room: usize,
        cuts: bool,
    }

    impl LogFile for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= count;
            io::Write::write_all(&mut self.file, bytes.get(..count).unwrap_or_default())?;
            Ok(count)
        }

        fn truncate(&mut self, length: u64) -> io::Result<()> {
            if self.cuts { self.file.set_len(length) } else { Err(io::ErrorKind::PermissionDenied.into()) }
        }

        fn settle(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_named_and_what_was_written_stays_readable() {
        for cuts in [true, false] {
            let parent = tempfile::tempdir().expect("a folder");
            let provenance = provenance();
            let mut writer = CaptureWriter::create(parent.path(), &provenance, provenance.started).expect("there is room");
            let note = RunEvent::StepEnded { note: "done".into() };
            writer.append(provenance.started, &note).expect("waits");
            writer.flush().expect("there is room");
            let file = fs::OpenOptions::new().append(true).open(writer.folder().join(LOG)).expect("the log");
            writer.log.file = Box::new(SmallDisk { file, room: 200, cuts });
            for _ in 0..3 {
                writer.append(provenance.started, &note).expect("waits");
            }
            let error = writer.flush().expect_err("the disk is full");
            assert!(matches!(&error, StoreError::Full { path } if path.ends_with(LOG)), "{error}");
            writer.append(provenance.started, &RunEvent::RunEnded { ending: RunEnding::Complete }).expect_err("takes nothing more");
            let folder = writer.folder().to_owned();
            drop(writer);
            let reader = CaptureReader::open(&folder).expect("it is a capture");
            let mut count = 0;
            reader.replay(&mut |_, _| count += 1).expect("half a line at the end is not read");
            assert_eq!(count, 3, "the first two, and the one that fitted");
            assert_eq!(reader.verify().expect("the chain holds").torn_bytes == 0, cuts);
        }
    }
}
