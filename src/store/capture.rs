//! Capture folders: one a run, private to its owner, with an append-only, hash-chained log and the large bodies beside it.
//! What the events mean is the core's.
//!
//! ```text
//! runs/20260301T120000Z-mifit-sim-1.0-passive-sync-1/     0700
//!   .in-use         locked while somebody writes it, and gone afterwards
//!   events.jsonl    one event a line, each with the link of a hash chain
//!   bodies/<sha256> bodies over 64 KiB, once each
//!   attachments/    pictures and recordings of the screen, when there are any
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::StoreError;
use crate::model::{BodyContent, Provenance, RunEnding, RunEvent};

mod adopt;
mod attachments;
mod body;
mod chain;
mod in_use;
mod reader;
mod verify;
mod writer;

pub use adopt::adopt;
pub use attachments::ATTACHMENTS;
pub use body::{BodyWriter, MOST_INLINE};
pub use in_use::is_in_use;
pub use reader::CaptureReader;
pub use verify::{OpenTunnel, Unfinished, Verified};
pub use writer::CaptureWriter;

/// The log's file name.
pub const LOG: &str = "events.jsonl";

/// The folder of large bodies.
pub const BODIES: &str = "bodies";

/// How the name of a body file begins that is being written.
const PARTIAL: &str = ".partial-";

/// Bytes at the beginning of a log that tell that it is one.
const FIRST_WORDS: u64 = 256;

/// Longest line of a log, in bytes: two inline bodies, headers and a long URL fit many times over.
const MOST_LINE: usize = 64 * 1024 * 1024;

/// A capture among others.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredCapture {
    /// Its folder.
    pub folder: PathBuf,
    /// Its folder's name.
    pub name: String,
    /// Where it came from.
    pub provenance: Provenance,
    /// When the run's last event was written, by the file system's clock: a simulated rig's own clock says nothing about age.
    /// Purging keeps it.
    pub made: Timestamp,
    /// How its run ended; `None` when it never said so.
    pub ending: Option<RunEnding>,
    /// Bytes of its log, bodies and attachments.
    pub bytes: u64,
}

/// Whether a folder looks like a capture.
pub fn is_capture(folder: &Path) -> bool {
    folder.join(LOG).is_file()
}

/// Whether a file, under whatever name, begins as the log of a capture does.
pub fn is_log(file: &Path) -> bool {
    // A pipe would lose what is read here.
    if !file.is_file() {
        return false;
    }
    let mut start = Vec::new();
    let read = fs::File::open(file).and_then(|file| io::Read::read_to_end(&mut io::Read::take(file, FIRST_WORDS), &mut start));
    read.is_ok()
        && start.starts_with(br#"{"n":1,"at":""#)
        && memchr::memmem::find(&start, br#","event":{"run-started":{"format":"#).is_some()
}

/// Every capture directly inside a folder, by name (which is by time). A folder that is no readable capture is given with what
/// is wrong with it.
///
/// # Errors
/// [`StoreError::Io`] when the folder itself cannot be read. One that does not exist holds no captures.
pub fn list(runs: &Path) -> Result<(Vec<StoredCapture>, Vec<StoreError>), StoreError> {
    let entries = match fs::read_dir(runs) {
        Ok(entries) => entries,
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
        Err(problem) => return Err(StoreError::of("read", runs, problem)),
    };
    let mut folders: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_capture(path)).collect();
    folders.sort();
    let (mut captures, mut problems) = (Vec::new(), Vec::new());
    for folder in folders {
        match stored(&folder) {
            Ok(capture) => captures.push(capture),
            Err(problem) => problems.push(problem),
        }
    }
    Ok((captures, problems))
}

/// Looks at one capture folder.
///
/// # Errors
/// Those of [`CaptureReader::open`] and [`CaptureReader::ending`].
pub fn stored(folder: &Path) -> Result<StoredCapture, StoreError> {
    use crate::model::Recording as _;
    let reader = CaptureReader::open(folder)?;
    let size = |path: &Path| path.symlink_metadata().map_or(0, |about| about.len());
    let files = [BODIES, ATTACHMENTS].into_iter().flat_map(|name| fs::read_dir(folder.join(name))).flatten();
    let bytes = size(&folder.join(LOG)) + files.filter_map(|entry| Some(size(&entry.ok()?.path()))).sum::<u64>();
    let provenance = reader.provenance().clone();
    let made = written_at(&folder.join(LOG)).and_then(|at| Timestamp::try_from(at).ok()).unwrap_or(provenance.started);
    Ok(StoredCapture { folder: folder.to_owned(), name: reader.name(), ending: reader.ending()?, provenance, made, bytes })
}

/// Removes a capture with everything in it.
///
/// # Errors
/// [`StoreError::NotACapture`] for anything else and [`StoreError::InUse`] for one that is being written, which are left alone;
/// [`StoreError::Io`] when it cannot be removed.
pub fn remove(folder: &Path) -> Result<(), StoreError> {
    refuse_strangers(folder)?;
    in_use::refuse_in_use(folder)?;
    fs::remove_dir_all(folder).map_err(|problem| StoreError::of("remove", folder, problem))
}

/// Takes every body out of a capture, large and small, and every attachment, and gives the number of bytes freed. The chain still
/// verifies, because it covers their digests. URLs with their queries, headers, times, positions and planted values stay.
///
/// # Errors
/// [`StoreError::NotACapture`] for anything else and [`StoreError::InUse`] for one that is being written, which are left alone;
/// [`StoreError::Io`] when it cannot be rewritten. The log is replaced as a whole or not at all.
pub fn purge(folder: &Path) -> Result<u64, StoreError> {
    refuse_strangers(folder)?;
    in_use::refuse_in_use(folder)?;
    let log = folder.join(LOG);
    let before = log.metadata().map_or(0, |about| about.len());
    let written = written_at(&log);
    let mut lines = reader::Lines::open(&log)?;
    let mut kept = Purged::begin(&log)?;
    // A half line at the end goes too: it may hold half a body.
    while let reader::Line::Whole(line) = lines.next()? {
        kept.line(&chain::purge(line))?;
    }
    let after = kept.finish(&log, written)?;
    let mut freed = before.saturating_sub(after);
    let files = [BODIES, ATTACHMENTS].into_iter().flat_map(|name| fs::read_dir(folder.join(name)));
    for entry in files.flatten().flatten() {
        let path = entry.path();
        freed += path.symlink_metadata().map_or(0, |about| about.len());
        fs::remove_file(&path).map_err(|problem| StoreError::of("remove", &path, problem))?;
    }
    Ok(freed)
}

/// A purged log on its way, which replaces the old one at the end.
struct Purged {
    path: PathBuf,
    file: io::BufWriter<fs::File>,
    length: u64,
}

impl Purged {
    fn begin(log: &Path) -> Result<Self, StoreError> {
        let path = log.with_extension("jsonl.purging");
        let _ = fs::remove_file(&path);
        let file = super::create_private_file(&path).map_err(|problem| StoreError::of("write", &path, problem))?;
        Ok(Self { path, file: io::BufWriter::new(file), length: 0 })
    }

    fn line(&mut self, line: &[u8]) -> Result<(), StoreError> {
        self.length += line.len() as u64 + 1;
        let written = io::Write::write_all(&mut self.file, line).and_then(|()| io::Write::write_all(&mut self.file, b"\n"));
        written.map_err(|problem| self.fail(problem))
    }

    fn finish(mut self, log: &Path, written: Option<std::time::SystemTime>) -> Result<u64, StoreError> {
        io::Write::flush(&mut self.file)
            .and_then(|()| written.map_or(Ok(()), |at| self.file.get_ref().set_modified(at)))
            .and_then(|()| self.file.get_ref().sync_data())
            .and_then(|()| fs::rename(&self.path, log))
            .map_err(|problem| self.fail(problem))?;
        Ok(self.length)
    }

    fn fail(&self, problem: io::Error) -> StoreError {
        let _ = fs::remove_file(&self.path);
        StoreError::of("write", &self.path, problem)
    }
}

/// Removing is for captures only: a folder without a log, or a link to somewhere else, is left alone.
fn refuse_strangers(folder: &Path) -> Result<(), StoreError> {
    let link = folder.symlink_metadata().is_ok_and(|about| about.file_type().is_symlink());
    if link || !is_capture(folder) {
        let problem = format!("it is no capture: there is no {LOG} in it; it was left alone");
        return Err(StoreError::NotACapture { path: folder.to_owned(), problem });
    }
    Ok(())
}

/// Digests of an event's bodies that are in files of their own.
fn spilled(event: &RunEvent) -> impl Iterator<Item = &str> {
    let bodies = match event {
        RunEvent::Exchange(exchange) => [Some(&exchange.request.body), exchange.response.as_ref().map(|response| &response.body)],
        RunEvent::Message(message) => [Some(&message.body), None],
        _ => [None, None],
    };
    bodies.into_iter().flatten().filter_map(|body| match &body.content {
        BodyContent::Spilled => body.sha256.as_deref(),
        BodyContent::TornSpilled(sha256) => Some(sha256.as_str()),
        _ => None,
    })
}

/// Whether text is a SHA-256 in hex, and so may be the name of a body file: it comes out of a log that anyone may have written.
fn is_digest(text: &str) -> bool {
    text.len() == chain::START.len() && text.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
}

/// `<time>-<app>-<version>-<scenario>-<run>`, whatever the names hold.
fn folder_name(provenance: &Provenance, at: Timestamp) -> String {
    let target = &provenance.target;
    let time = at.strftime("%Y%m%dT%H%M%SZ");
    let [app, version, scenario] = [&target.app, &target.version.name, &target.scenario].map(|name| tame(name));
    format!("{time}-{app}-{version}-{scenario}-{}", provenance.run)
}

/// When a file was last written.
fn written_at(path: &Path) -> Option<std::time::SystemTime> {
    path.metadata().ok()?.modified().ok()
}

/// A name as a part of a folder's name: letters, digits, dots and hyphens, the rest as hyphens; at most 60 bytes.
fn tame(name: &str) -> String {
    let tame: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).take(60).collect();
    if tame.is_empty() { "unnamed".to_owned() } else { tame }
}

#[cfg(test)]
mod tests;
