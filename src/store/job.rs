//! Who uses a rig: one job at a time. The operating system's lock says that somebody does, and ends with them however they end; the
//! file says who.

use std::{
    fs,
    io::{self, Read as _, Seek as _, Write as _},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{RigFolder, StoreError, create_private_folder};
use crate::model::{Captured, text::hex};

/// A job on a rig, as whoever finds the rig busy is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its process.
    pub pid: u32,
    /// The command, as it is called: `run`.
    pub command: String,
    /// Since when, on the wall clock.
    pub since: Timestamp,
}

impl std::fmt::Display for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pid, command, since } = self;
        write!(f, "`tattletale {command}`, process {pid}, since {}", since.strftime("%Y-%m-%d %H:%M:%S UTC"))
    }
}

/// A rig that is this program's, until this is dropped or the program ends.
#[derive(Debug)]
pub struct RigJob {
    file: fs::File,
}

/// What came of beginning a job.
#[derive(Debug)]
pub enum BeginJob {
    /// The rig is ours now.
    Begun {
        /// Keeps it so.
        job: RigJob,
        /// A job that ended without saying so: it crashed, or was killed.
        left_by: Option<Job>,
    },
    /// Somebody else's job runs on it; who, where that can be read.
    Busy(Option<Job>),
}

impl RigFolder {
    /// Begins a job on the rig, if nobody else's runs on it.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Full`] when the folder cannot be made or the file not be written.
    pub fn begin_job(&self, job: &Job) -> Result<BeginJob, StoreError> {
        drop(self.lock()?);
        begin(&self.path().join(JOB), job)
    }
}

/// Begins a job on a phone, if nobody else's runs on it, whatever its rig is called and wherever it is kept. `folder` is the user's, the
/// same for all of their jobs; it is made where it is missing. The serial number is in no file's name.
///
/// # Errors
/// [`StoreError::Io`] or [`StoreError::Full`] when the folder cannot be made or the file not be written.
pub fn begin_phone_job(folder: &Path, serial: &Captured<String>, job: &Job) -> Result<BeginJob, StoreError> {
    match fs::create_dir_all(folder.parent().unwrap_or(folder)).and_then(|()| create_private_folder(folder)) {
        Err(problem) if problem.kind() != io::ErrorKind::AlreadyExists => return Err(StoreError::of("make", folder, problem)),
        _ => {}
    }
    // Exposed to be hashed, so that each phone has a name that says nothing of it.
    let digest = Sha256::digest(serial.expose().as_bytes());
    begin(&folder.join(format!("phone-{}.job", hex(&digest[..8]))), job)
}

fn begin(path: &Path, job: &Job) -> Result<BeginJob, StoreError> {
    let fail = |problem| StoreError::of("write", path, problem);
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    let mut file = options.open(path).map_err(fail)?;
    let locked = file.try_lock();
    let there = read(&mut file);
    match locked {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(BeginJob::Busy(there)),
        // Some network file systems know no locks; two programs at once are rare enough to go on without.
        Err(fs::TryLockError::Error(problem)) if problem.kind() == io::ErrorKind::Unsupported => {}
        Err(fs::TryLockError::Error(problem)) => return Err(fail(problem)),
    }
    let text = serde_json::to_vec(job).map_err(|problem| fail(problem.into()))?;
    file.rewind().and_then(|()| file.set_len(0)).and_then(|()| file.write_all(&text)).map_err(fail)?;
    Ok(BeginJob::Begun { job: RigJob { file }, left_by: there })
}

impl Drop for RigJob {
    /// Says that it ended as it should, before the lock is gone. A failure only makes the next one say that this one crashed.
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
    }
}

fn read(file: &mut fs::File) -> Option<Job> {
    let mut text = Vec::new();
    file.take(MOST).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The file in the rig's folder.
const JOB: &str = ".job";
/// Longest file that is read, bytes.
const MOST: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Workspace;

    fn job(pid: u32) -> Job {
        Job { pid, command: "run".into(), since: "2026-03-02T08:00:00Z".parse().expect("a time") }
    }

    #[test]
    fn a_rig_runs_one_job_and_says_whose_and_which_one_crashed() {
        let root = tempfile::tempdir().expect("a folder");
        let rig = RigFolder::of(&Workspace { root: root.path().to_owned(), scenarios: None }, "pixel").expect("a good name");
        let BeginJob::Begun { job: first, left_by: None } = rig.begin_job(&job(1)).expect("made") else { panic!("nobody has it") };
        match rig.begin_job(&job(2)).expect("there") {
            BeginJob::Busy(Some(held)) => {
                assert_eq!(held.to_string(), "`tattletale run`, process 1, since 2026-03-02 08:00:00 UTC");
            }
            // Where files that are locked cannot be read.
            BeginJob::Busy(None) if cfg!(windows) => {}
            other => panic!("{other:?}"),
        }
        drop(first);
        let BeginJob::Begun { job: second, left_by: None } = rig.begin_job(&job(2)).expect("there") else { panic!("it is free") };
        // A program that is killed has its files closed, and nothing else is done for it.
        second.file.unlock().expect("ours");
        match rig.begin_job(&job(3)).expect("there") {
            BeginJob::Begun { left_by, .. } => assert_eq!(left_by, Some(job(2))),
            other => panic!("{other:?}"),
        };
    }

    #[test]
    fn a_phone_is_one_job_s_whichever_rig_it_belongs_to() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("cache/phones");
        let begin = |serial: &str, pid: u32| begin_phone_job(&folder, &Captured::new(serial.into()), &job(pid)).expect("made");
        let first = begin("INVENTED01", 1);
        assert!(matches!(first, BeginJob::Begun { left_by: None, .. }));
        assert!(matches!(begin("INVENTED01", 2), BeginJob::Busy(held) if cfg!(windows) || held == Some(job(1))));
        assert!(matches!(begin("INVENTED02", 3), BeginJob::Begun { .. }), "another phone is free");
        drop(first);
        assert!(matches!(begin("INVENTED01", 2), BeginJob::Begun { left_by: None, .. }));
        let names: Vec<_> = fs::read_dir(&folder).expect("made").flatten().map(|entry| entry.file_name()).collect();
        assert!(names.iter().all(|name| !name.to_string_lossy().contains("INVENTED")), "{names:?}");
    }

    #[test]
    fn a_damaged_file_is_nobody_s_job() {
        let root = tempfile::tempdir().expect("a folder");
        let rig = RigFolder::of(&Workspace { root: root.path().to_owned(), scenarios: None }, "pixel").expect("a good name");
        drop(rig.lock().expect("made"));
        fs::write(rig.path().join(JOB), "\u{1b}[2J half").expect("ours");
        assert!(matches!(rig.begin_job(&job(1)).expect("there"), BeginJob::Begun { left_by: None, .. }));
    }
}
