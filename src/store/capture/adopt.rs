//! Taking over a capture that was made elsewhere, torn or whole: line by line as it is, chain and all, and its bodies.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{
    BODIES, LOG, attachments, chain,
    reader::{CaptureReader, Line, Lines, follow, unreadable},
    verify::Verified,
    writer::new_folder,
};
use crate::{
    model::{NumberedEvent, Recording as _, text},
    store::{StoreError, create_private_file, create_private_folder},
};

/// Copies the capture `from`, a folder or a log under whatever name, into a new folder of `parent` (which must exist), private to its owner. Its whole
/// lines stay as they are, byte for byte; half a line at the end is left behind. Of the bodies that the lines speak of, those
/// are taken that are what their names say. `at`, the wall clock's time, names the folder.
///
/// Gives the folder, and what the capture lacked where it was.
///
/// # Errors
/// Those of [`CaptureReader::open`]; [`StoreError::BadLine`] for a line that is not as it was written, and
/// [`StoreError::NotACapture`] for such a body: nothing is taken over then. [`StoreError::Full`] or [`StoreError::Io`] when
/// it cannot be written.
pub fn adopt(from: &Path, parent: &Path, at: Timestamp) -> Result<(PathBuf, Verified), StoreError> {
    let reader = if from.is_dir() { CaptureReader::open(from)? } else { CaptureReader::open_log(from)? };
    let verified = reader.verify()?;
    let folder = new_folder(parent, reader.provenance(), at)?;
    match copy(&reader, &folder) {
        Ok(()) => Ok((folder, verified)),
        Err(problem) => {
            let _ = fs::remove_dir_all(&folder);
            Err(problem)
        }
    }
}

fn copy(from: &CaptureReader, folder: &Path) -> Result<(), StoreError> {
    let path = folder.join(LOG);
    let failed = |problem| StoreError::of("write", &path, problem);
    let mut log = io::BufWriter::new(create_private_file(&path).map_err(failed)?);
    let mut lines = Lines::open(from.log())?;
    let mut link = chain::START.to_owned();
    let mut number = 0;
    while let Line::Whole(line) = lines.next()? {
        number += 1;
        // Checked again: somebody may be writing it.
        let bad = |problem: &str| StoreError::BadLine { path: from.log().to_owned(), line: number, problem: problem.to_owned() };
        follow(&mut link, line).map_err(bad)?;
        let event: NumberedEvent = serde_json::from_slice(line).map_err(|problem| bad(&unreadable(&problem)))?;
        for sha256 in super::spilled(&event.event).filter(|sha256| super::is_digest(sha256)) {
            copy_body(&from.folder().join(BODIES).join(sha256), &folder.join(BODIES).join(sha256), sha256)?;
        }
        if let Some(attachment) = attachments::spoken_of(&event.event) {
            let to = attachments::path(folder, attachment);
            create_private_folder(&folder.join(attachments::ATTACHMENTS))
                .or_else(|problem| if problem.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(problem) })
                .map_err(|problem| StoreError::of("write", &to, problem))?;
            copy_body(&attachments::path(from.folder(), attachment), &to, &attachment.sha256)?;
        }
        log.write_all(line).and_then(|()| log.write_all(b"\n")).map_err(failed)?;
    }
    log.flush().and_then(|()| log.get_ref().sync_data()).map_err(failed)
}

/// Copies a body or an attachment, once; one that is not there stays missing.
fn copy_body(from: &Path, to: &Path, sha256: &str) -> Result<(), StoreError> {
    let mut source = match fs::File::open(from) {
        Ok(source) => source,
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(problem) => return Err(StoreError::of("read", from, problem)),
    };
    let mut target = match create_private_file(to) {
        Ok(target) => target,
        Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(problem) => return Err(StoreError::of("write", to, problem)),
    };
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let count = io::Read::read(&mut source, &mut buffer).map_err(|problem| StoreError::of("read", from, problem))?;
        let piece = buffer.get(..count).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        digest.update(piece);
        target.write_all(piece).map_err(|problem| StoreError::of("write", to, problem))?;
    }
    if text::hex(&digest.finalize()) == sha256 {
        return Ok(());
    }
    Err(StoreError::NotACapture { path: from.to_owned(), problem: "this file is not what was written".into() })
}
