//! Reading a capture, line by line, so that memory does not grow with it. Whether it is whole is told by `verify`.

use std::{
    fs,
    io::{self, BufRead as _, Read as _, Seek as _},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{BODIES, LOG, MOST_LINE, chain, is_digest};
use crate::{
    model::{Bodies, NumberedEvent, Provenance, Recording, RecordingError, RunEnding, RunEvent, capture::CAPTURE_FORMAT, text},
    store::StoreError,
};

/// Reads one capture folder.
#[derive(Debug)]
pub struct CaptureReader {
    folder: PathBuf,
    log: PathBuf,
    name: String,
    provenance: Provenance,
}

impl CaptureReader {
    /// Opens a capture folder and reads where it came from.
    ///
    /// # Errors
    /// [`StoreError::NotACapture`] when the folder is none, [`StoreError::Format`] when a newer tattletale wrote it.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let name = whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy();
        Self::of(folder, folder.join(LOG), &name)
    }

    /// Opens a log under whatever name. Large bodies are looked for in the folder [`BODIES`] beside it.
    ///
    /// # Errors
    /// Those of [`CaptureReader::open`].
    pub fn open_log(log: &Path) -> Result<Self, StoreError> {
        let folder = log.parent().unwrap_or(Path::new(""));
        match log.file_name() {
            Some(name) if name == LOG => Self::open(folder),
            _ => Self::of(folder, log.to_owned(), &log.file_stem().unwrap_or(log.as_os_str()).to_string_lossy()),
        }
    }

    fn of(folder: &Path, log: PathBuf, name: &str) -> Result<Self, StoreError> {
        let named = if log.file_name().is_some_and(|name| name == LOG) { folder } else { &log };
        let not = |problem: &str| StoreError::NotACapture { path: named.to_owned(), problem: problem.to_owned() };
        let mut lines = Lines::open(&log)?;
        let Line::Whole(line) = lines.next()? else {
            return Err(not("its log is empty: the run ended before it began"));
        };
        #[derive(serde::Deserialize)]
        struct Peek {
            event: Started,
        }
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Started {
            run_started: Format,
        }
        #[derive(serde::Deserialize)]
        struct Format {
            format: u32,
        }
        // The format number is read on its own first: the rest of a newer format may have another shape.
        let peek: Peek = serde_json::from_slice(line).map_err(|_| not("its log does not begin with a run"))?;
        let found = peek.event.run_started.format;
        if found > CAPTURE_FORMAT {
            return Err(StoreError::Format { path: named.to_owned(), found, known: CAPTURE_FORMAT });
        }
        let event: NumberedEvent = serde_json::from_slice(line).map_err(|problem| not(&unreadable(&problem)))?;
        let RunEvent::RunStarted(provenance) = event.event else { return Err(not("its log does not begin with a run")) };
        Ok(Self { folder: folder.to_owned(), name: text::printable(name), provenance: *provenance, log })
    }

    /// Its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How the run ended; `None` when it never said so: the capture is incomplete.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the log cannot be read.
    pub fn ending(&self) -> Result<Option<RunEnding>, StoreError> {
        const LOOK: u64 = 64 * 1024;
        let fail = |problem| StoreError::of("read", &self.log, problem);
        let mut file = fs::File::open(&self.log).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        file.seek(io::SeekFrom::Start(length.saturating_sub(LOOK))).map_err(fail)?;
        let mut end = Vec::new();
        file.take(LOOK).read_to_end(&mut end).map_err(fail)?;
        let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at);
        let last = end.get(..whole).unwrap_or_default().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        Ok(match serde_json::from_slice(last) {
            Ok(NumberedEvent { event: RunEvent::RunEnded { ending }, .. }) => Some(ending),
            _ => None,
        })
    }
}

/// Goes one line on in the chain: `link` becomes the line's, when that follows from it and from the line.
pub(super) fn follow(link: &mut String, line: &[u8]) -> Result<(), &'static str> {
    let (event, next) = chain::split(line).ok_or("it has no link")?;
    if chain::link(link, event) != next {
        return Err("it is not what was written: its link does not follow from the lines before and from itself");
    }
    next.clone_into(link);
    Ok(())
}

impl Recording for CaptureReader {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    fn replay(&self, each: &mut dyn FnMut(&NumberedEvent, &dyn Bodies)) -> Result<(), RecordingError> {
        let fail = |problem: String| RecordingError { name: self.name.clone(), problem };
        let mut lines = Lines::open(&self.log).map_err(|error| fail(error.to_string()))?;
        let mut number = 0;
        let mut link = chain::START.to_owned();
        // A half line at the end is what a crash left of an event; the run has no ending then, which says it all.
        while let Line::Whole(line) = lines.next().map_err(|error| fail(error.to_string()))? {
            number += 1;
            follow(&mut link, line).map_err(|problem| fail(format!("{LOG} line {number}: {problem}")))?;
            let event: NumberedEvent =
                serde_json::from_slice(line).map_err(|problem| fail(format!("{LOG} line {number}: {}", unreadable(&problem))))?;
            if event.n != number {
                return Err(fail(format!("{LOG} line {number}: it is numbered {}: lines are missing or were moved", event.n)));
            }
            each(&event, self);
        }
        Ok(())
    }
}

impl Bodies for CaptureReader {
    fn open(&self, sha256: &str) -> io::Result<Box<dyn io::Read + '_>> {
        // The digest comes out of a file that anyone may have written, and becomes a path.
        if !is_digest(sha256) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a body named by something that is no SHA-256"));
        }
        let file = fs::File::open(self.folder.join(BODIES).join(sha256))?;
        Ok(Box::new(Checked { file, name: sha256.to_owned(), digest: Sha256::new() }))
    }
}

/// A body file that is read, and compared at its end with what its name says: one that was changed is an error there.
struct Checked {
    file: fs::File,
    name: String,
    digest: Sha256,
}

impl io::Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.digest.update(buffer.get(..count).unwrap_or_default());
        if count == 0 && !buffer.is_empty() && text::hex(&self.digest.clone().finalize()) != self.name {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this body is not what was written"));
        }
        Ok(count)
    }
}

/// The lines of a log.
pub(super) struct Lines {
    path: PathBuf,
    input: io::BufReader<fs::File>,
    line: Vec<u8>,
    number: u64,
}

/// One look at a log.
pub(super) enum Line<'a> {
    /// Nothing more.
    End,
    /// Half a line of so many bytes, the last thing in the log.
    Torn(usize),
    /// A line, without its newline.
    Whole(&'a [u8]),
}

impl Lines {
    pub(super) fn open(log: &Path) -> Result<Self, StoreError> {
        match fs::File::open(log) {
            Ok(file) => {
                Ok(Self { path: log.to_owned(), input: io::BufReader::with_capacity(128 * 1024, file), line: Vec::new(), number: 0 })
            }
            Err(problem) if problem.kind() == io::ErrorKind::NotFound || problem.kind() == io::ErrorKind::NotADirectory => {
                let folder = log.parent().unwrap_or(log).to_owned();
                Err(StoreError::NotACapture { path: folder, problem: format!("it is no capture: there is no {LOG} in it") })
            }
            Err(problem) => Err(StoreError::of("read", log, problem)),
        }
    }

    pub(super) fn next(&mut self) -> Result<Line<'_>, StoreError> {
        self.line.clear();
        self.number += 1;
        let limit = (MOST_LINE + 1024) as u64;
        let count = self
            .input
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut self.line)
            .map_err(|problem| StoreError::of("read", &self.path, problem))?;
        if self.line.pop_if(|byte| *byte == b'\n').is_some() {
            Ok(Line::Whole(&self.line))
        } else if count == 0 {
            Ok(Line::End)
        } else if count as u64 == limit {
            Err(StoreError::BadLine { path: self.path.clone(), line: self.number, problem: "longer than any line of a log".into() })
        } else {
            Ok(Line::Torn(count))
        }
    }
}

/// What serde_json objects to, without the value it quotes: a captured value may stand in it.
pub(super) fn unreadable(problem: &serde_json::Error) -> String {
    let kind = match problem.classify() {
        serde_json::error::Category::Data => "an event of a shape this tattletale does not know",
        _ => "it is no JSON",
    };
    format!("{kind} (column {})", problem.column())
}

pub(super) fn digest_of(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(text::hex(&digest.finalize()));
        }
        digest.update(buffer.get(..count).unwrap_or_default());
    }
}
