//! The journal of a rig's phone as a file, written through to the disk before anything is changed. What is in it and how it is
//! undone is the phone's.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    RigFolder, StoreError, create_private_file, read_bytes,
    rig::{Format, said},
};
use crate::model::{Journal, journal::JOURNAL_FORMAT};

impl RigFolder {
    /// The file that holds the journal, whether it is there or not.
    pub fn journal_file(&self) -> PathBuf {
        self.path().join(JOURNAL)
    }

    /// What was changed on the phone and not put back yet; `None` when nothing was.
    ///
    /// # Errors
    /// [`StoreError::BadJournal`] when the file is not what was written, [`StoreError::Format`] when a newer tattletale wrote it,
    /// [`StoreError::Io`] when it cannot be read.
    pub fn journal(&self) -> Result<Option<Journal>, StoreError> {
        let path = self.journal_file();
        let bytes = match read_bytes(&path, MOST) {
            Ok(bytes) => bytes,
            Err(StoreError::Io { problem, .. }) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let bad = |problem: serde_json::Error| StoreError::BadJournal { path: path.clone(), problem: said(&problem) };
        let format: Format = serde_json::from_slice(&bytes).map_err(bad)?;
        if format.format > JOURNAL_FORMAT {
            return Err(StoreError::Format { path, found: format.format, known: JOURNAL_FORMAT });
        }
        serde_json::from_slice(&bytes).map(Some).map_err(bad)
    }

    /// Keeps a journal in place of the one that was kept; one without entries is removed. When this returns, it is on the disk: a
    /// machine that loses its power the moment after finds it.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Full`]; then the old one is still there, and nothing may be changed on the phone.
    pub fn keep_journal(&self, journal: &Journal) -> Result<(), StoreError> {
        let path = self.journal_file();
        let fail = |problem| StoreError::of("write", &path, problem);
        if journal.entries.is_empty() {
            return match fs::remove_file(&path) {
                Err(problem) if problem.kind() != io::ErrorKind::NotFound => Err(StoreError::of("remove", &path, problem)),
                _ => sync_folder(self.path()).map_err(fail),
            };
        }
        drop(self.lock()?);
        let text = serde_json::to_vec_pretty(journal).map_err(|problem| fail(problem.into()))?;
        // What could not be read again could never be put back.
        if u64::try_from(text.len()).is_ok_and(|length| length > MOST) {
            return Err(fail(io::Error::other("it would be longer than what is read again")));
        }
        replace_synced(&path, &text).map_err(fail)
    }

    /// Removes the journal, whatever it holds, and whether it can be read or not. Gives whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be removed.
    pub fn forget_journal(&self) -> Result<bool, StoreError> {
        let path = self.journal_file();
        match fs::remove_file(&path) {
            Ok(()) => sync_folder(self.path()).map(|()| true).map_err(|problem| StoreError::of("write", &path, problem)),
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(problem) => Err(StoreError::of("remove", &path, problem)),
        }
    }
}

/// Writes a whole private file by way of a neighbour, and returns when file and folder are on the disk. One program at a time: its
/// rig runs one job.
fn replace_synced(path: &Path, text: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("writing");
    // One that a crash left behind.
    let _ = fs::remove_file(&temporary);
    let mut file = create_private_file(&temporary)?;
    io::Write::write_all(&mut file, text)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes sure that the names in a folder are on the disk. Where folders cannot be opened (Windows), the system does so by itself.
fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    match fs::File::open(folder) {
        Ok(folder) => return folder.sync_all(),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => {}
        Err(problem) => return Err(problem),
    }
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// The file in the rig's folder.
const JOURNAL: &str = "journal.json";
/// Longest journal that is written and read, bytes: thousands of entries, where a run makes some twenty.
const MOST: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Captured, JournalEntry, JournalPhone, PhoneChange},
        store::Workspace,
    };

    fn rig(root: &Path) -> RigFolder {
        RigFolder::of(&Workspace { root: root.to_owned(), scenarios: None }, "pixel").expect("a good name")
    }

    fn journal(entries: usize) -> Journal {
        let change = PhoneChange::Setting {
            namespace: "global".into(),
            key: "http_proxy".into(),
            before: Some("10.0.0.1:3128".into()),
            set: Some("127.0.0.1:40001".into()),
            earlier: Vec::new(),
        };
        let entry = JournalEntry { at: "2026-03-02T08:00:00Z".parse().expect("a time"), change };
        Journal {
            format: JOURNAL_FORMAT,
            tool: "0.0.0".into(),
            phone: JournalPhone { program: "adb".into(), port: Some(5038), serial: Captured::new("INVENTED01".into()) },
            entries: vec![entry; entries],
        }
    }

    #[test]
    fn a_journal_is_kept_for_its_owner_until_it_is_empty() {
        let root = tempfile::tempdir().expect("a folder");
        let rig = rig(root.path());
        assert_eq!(rig.journal().expect("none"), None);
        rig.keep_journal(&journal(0)).expect("nothing to keep");
        assert!(!root.path().join("rigs").exists(), "a phone on which nothing was changed leaves nothing");
        for entries in [1, 3, 2] {
            rig.keep_journal(&journal(entries)).expect("written");
            assert_eq!(rig.journal().expect("readable"), Some(journal(entries)));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(rig.journal_file()).expect("there").permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(root.path().join("rigs/pixel")).expect("there").permissions().mode() & 0o777, 0o700);
        }
        rig.keep_journal(&journal(0)).expect("removed");
        assert_eq!(rig.journal().expect("none"), None);
        rig.keep_journal(&journal(2)).expect("written");
        assert!(rig.keep_journal(&journal(10_000)).is_err(), "it could not be read again");
        assert_eq!(rig.journal().expect("readable"), Some(journal(2)), "the old one is still there");
        assert!(rig.forget_journal().expect("removed") && !rig.forget_journal().expect("gone"));
    }

    #[test]
    fn a_journal_that_is_damaged_or_newer_is_told_and_never_taken_for_none() {
        let root = tempfile::tempdir().expect("a folder");
        let rig = rig(root.path());
        rig.keep_journal(&journal(1)).expect("written");
        let newer = serde_json::json!({ "format": JOURNAL_FORMAT + 1, "unknown": true });
        for (text, is_newer) in [(newer.to_string(), true), ("{".to_owned(), false), (String::new(), false)] {
            fs::write(rig.journal_file(), text).expect("ours");
            let error = rig.journal().expect_err("not ours");
            assert_eq!(matches!(error, StoreError::Format { .. }), is_newer, "{error}");
        }
        let half = rig.journal_file().with_extension("writing");
        fs::write(&half, "half a journal").expect("ours");
        rig.keep_journal(&journal(2)).expect("what a crash left is in nobody's way");
        assert_eq!(rig.journal().expect("readable"), Some(journal(2)));
        assert!(!half.exists());
    }
}
