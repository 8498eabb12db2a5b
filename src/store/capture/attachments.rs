//! Files beside a log that are no bodies: pictures and recordings of the screen. What they are is said by the event that speaks of them.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::{
    model::{Attachment, AttachmentKind, RunEvent, text},
    store::{StoreError, create_private_file, create_private_folder},
};

/// The folder of attachments; a capture without any has none.
pub const ATTACHMENTS: &str = "attachments";

/// Longest part of a file's name that its owner chose.
const LONGEST_NAME: usize = 60;

/// Writes one, the `number`th of its capture.
pub(super) fn write(capture: &Path, number: u32, kind: AttachmentKind, name: &str, bytes: &[u8]) -> Result<Attachment, StoreError> {
    let folder = capture.join(ATTACHMENTS);
    match create_private_folder(&folder) {
        Err(problem) if problem.kind() != io::ErrorKind::AlreadyExists => return Err(StoreError::of("write", &folder, problem)),
        _ => {}
    }
    let file = format!("{number}-{}.{}", tame(name), kind.ending());
    let path = folder.join(&file);
    let written = create_private_file(&path).and_then(|mut file| file.write_all(bytes));
    if let Err(problem) = written {
        let _ = fs::remove_file(&path);
        return Err(StoreError::of("write", &path, problem));
    }
    Ok(Attachment { kind, file, bytes: bytes.len() as u64, sha256: text::sha256_hex(bytes) })
}

/// The attachment that an event speaks of, if its name may be one: it comes out of a log that anyone may have written.
pub(super) fn spoken_of(event: &RunEvent) -> Option<&Attachment> {
    let RunEvent::Attached(attachment) = event else { return None };
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let (stem, ending) = attachment.file.split_once('.')?;
    let plain = stem.starts_with(|c: char| c.is_ascii_alphanumeric()) && stem.len() <= 80 && stem.chars().all(is_plain);
    (plain && AttachmentKind::ALL.iter().any(|kind| kind.ending() == ending)).then_some(attachment)
}

/// Where it lies.
pub(super) fn path(capture: &Path, attachment: &Attachment) -> PathBuf {
    capture.join(ATTACHMENTS).join(&attachment.file)
}

/// A name as part of a file's name: lower-case letters, digits and hyphens.
fn tame(name: &str) -> String {
    let tame = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let tamed: String = name.chars().take(LONGEST_NAME).map(tame).collect();
    if tamed.is_empty() { "unnamed".to_owned() } else { tamed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::RunEnding,
        store::capture::{self, CaptureReader, CaptureWriter, adopt, tests::provenance},
    };

    /// A capture with a picture.
    fn with_a_picture(parent: &Path) -> (PathBuf, Attachment) {
        let provenance = provenance();
        let mut writer = CaptureWriter::create(parent, &provenance, provenance.started).expect("a folder");
        let attachment = writer.attach(AttachmentKind::Screenshot, "After ../the login", b"a picture").expect("there is room");
        writer.append(provenance.started, &RunEvent::Attached(attachment.clone())).expect("there is room");
        writer.append(provenance.started, &RunEvent::RunEnded { ending: RunEnding::Complete }).expect("there is room");
        (writer.finish().expect("there is room"), attachment)
    }

    #[test]
    fn a_picture_lies_beside_the_log_for_its_owner_only_and_is_verified_with_it() {
        let parent = tempfile::tempdir().expect("a folder");
        let (folder, attachment) = with_a_picture(parent.path());
        assert_eq!(attachment.file, "1-after----the-login.png");
        let path = path(&folder, &attachment);
        assert_eq!(fs::read(&path).expect("it is there"), b"a picture");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(&folder.join(ATTACHMENTS))), (0o600, 0o700));
        }
        let reader = CaptureReader::open(&folder).expect("a capture");
        let verified = reader.verify().expect("as written");
        assert_eq!((verified.attachments, verified.missing_attachments, verified.gaps().len()), (1, 0, 0));
        fs::write(&path, b"another picture").expect("it is ours");
        assert!(reader.verify().is_err(), "it is not what was written");
    }

    #[test]
    fn a_picture_is_taken_over_and_purged_with_its_capture() {
        let (parent, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (folder, attachment) = with_a_picture(parent.path());
        let (adopted, _) = adopt(&folder, other.path(), provenance().started).expect("it is whole");
        assert_eq!(fs::read(path(&adopted, &attachment)).expect("it came along"), b"a picture");
        let before = capture::stored(&folder).expect("a capture").bytes;
        assert_eq!(capture::purge(&folder).expect("it is ours"), 9);
        assert!(!path(&folder, &attachment).exists() && capture::stored(&folder).expect("a capture").bytes + 9 == before);
        let verified = CaptureReader::open(&folder).expect("a capture").verify().expect("the chain holds");
        assert_eq!(verified.gaps(), ["1 picture or recording of the screen is not there: purged, or lost"]);
    }

    #[test]
    fn a_log_cannot_name_files_elsewhere() {
        for (file, taken) in [
            ("1-login.png", true),
            ("../1-login.png", false),
            ("/etc/passwd", false),
            (".in-use", false),
            ("1-login.exe", false),
            ("1.txt.png", false),
            ("", false),
        ] {
            let attachment = Attachment { kind: AttachmentKind::Screenshot, file: file.into(), bytes: 0, sha256: String::new() };
            assert_eq!(spoken_of(&RunEvent::Attached(attachment)).is_some(), taken, "{file}");
        }
    }
}
