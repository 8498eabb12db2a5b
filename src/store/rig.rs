//! What is kept with a rig between runs, in `rigs/<name>` of the workspace: the authority that the phone was told to trust, and
//! the control run. For its owner only, out of git's sight, and changed by one program at a time. What the files mean is their
//! makers' business.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{StoreError, Workspace, create_private_folder, read_bytes, replace_file, snapshots::tame};
use crate::model::{
    Captured,
    control::{CONTROL_FORMAT, KeptControl},
};

/// Name of a rig that nobody named, and of the one in `rig.yaml`.
pub const DEFAULT_RIG: &str = "rig";

/// The file that holds an authority's private key and certificate, in the folder `authority` of its rig.
pub const AUTHORITY_FILE: &str = "authority.pem";

/// The folder of one rig. It need not exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RigFolder {
    name: String,
    path: PathBuf,
}

/// The folder of one rig, which exists and is nobody else's to change until this is dropped.
#[derive(Debug)]
pub struct LockedRig {
    rig: RigFolder,
    /// The operating system's lock on it ends when it is closed.
    _lock: fs::File,
}

/// A rig's authority in use, until this is dropped or the program ends, however it does: nobody replaces it before.
#[derive(Debug)]
pub struct RigInUse {
    /// The operating system's lock on it ends when it is closed.
    _lock: fs::File,
}

impl RigFolder {
    /// The folder of the rig of this name in a workspace: letters, digits, hyphens, dots and underscores, at most 60.
    ///
    /// # Errors
    /// [`StoreError::Name`] when the name holds anything else, is empty, or begins with a dot.
    pub fn of(workspace: &Workspace, name: &str) -> Result<Self, StoreError> {
        let name = plain("rig name", name)?;
        Ok(Self { name: name.to_owned(), path: workspace.rigs().join(name) })
    }

    /// Every rig that something is kept of, sorted by name.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the folder of rigs is there and cannot be read.
    pub fn all(workspace: &Workspace) -> Result<Vec<Self>, StoreError> {
        let rigs = workspace.rigs();
        let entries = match fs::read_dir(&rigs) {
            Ok(entries) => entries,
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(problem) => return Err(StoreError::of("read", &rigs, problem)),
        };
        let folders = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir());
        let mut found: Vec<_> = folders.filter_map(|path| Self::of(workspace, path.file_name()?.to_str()?).ok()).collect();
        found.sort();
        Ok(found)
    }

    /// The folder itself, whether it is there or not.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The rig's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that holds its authority, whether it is there or not.
    pub fn authority_file(&self) -> PathBuf {
        self.path.join(AUTHORITY).join(AUTHORITY_FILE)
    }

    /// The text of its authority, private key and all; `None` when it has none.
    ///
    /// # Errors
    /// [`StoreError::Exposed`] when other users of this machine can read the key or put another in its place,
    /// [`StoreError::Io`] when it cannot be read.
    pub fn authority(&self) -> Result<Option<Captured<String>>, StoreError> {
        self.read_authority(|path, file| {
            // The file that was opened is asked, not the path: nobody can change it in between.
            refuse_exposed(path, &file.metadata().map_err(|problem| StoreError::of("read", path, problem))?, OTHERS)?;
            let folder = self.path.join(AUTHORITY);
            let about = fs::metadata(&folder).map_err(|problem| StoreError::of("read", &folder, problem))?;
            refuse_exposed(&folder, &about, OTHERS_WRITE)
        })
    }

    /// The same, whoever else can read it: to tell which certificate it is, and never to be used.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be read.
    pub fn authority_to_name(&self) -> Result<Option<Captured<String>>, StoreError> {
        self.read_authority(|_, _| Ok(()))
    }

    fn read_authority(
        &self,
        check: impl FnOnce(&Path, &fs::File) -> Result<(), StoreError>,
    ) -> Result<Option<Captured<String>>, StoreError> {
        let path = self.authority_file();
        let fail = |problem| StoreError::of("read", &path, problem);
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(problem) => return Err(fail(problem)),
        };
        check(&path, &file)?;
        let mut text = String::new();
        io::Read::read_to_string(&mut io::Read::take(file, MOST_AUTHORITY), &mut text).map_err(fail)?;
        Ok(Some(Captured::new(text)))
    }

    /// The file that holds the control run for an app, whether it is there or not. What could not stand in a file's name is
    /// percent-encoded, as in snapshots': apps are called as their people like.
    ///
    /// # Errors
    /// [`StoreError::Name`] when the app's name is empty, hidden or too long for a file.
    pub fn control_file(&self, app: &str) -> Result<PathBuf, StoreError> {
        Ok(self.path.join(CONTROL).join(format!("{}.json", tame("app name", app)?)))
    }

    /// The control run that is kept for an app; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError::BadControl`] when the file is not what was written, [`StoreError::Format`] when a newer tattletale wrote it,
    /// [`StoreError::Io`] when it cannot be read.
    pub fn control(&self, app: &str) -> Result<Option<KeptControl>, StoreError> {
        let path = self.control_file(app)?;
        let bytes = match read_bytes(&path, MOST_CONTROL) {
            Ok(bytes) => bytes,
            Err(StoreError::Io { problem, .. }) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let bad = |problem: serde_json::Error| StoreError::BadControl { path: path.clone(), problem: said(&problem) };
        let format: Format = serde_json::from_slice(&bytes).map_err(bad)?;
        if format.format > CONTROL_FORMAT {
            return Err(StoreError::Format { path, found: format.format, known: CONTROL_FORMAT });
        }
        serde_json::from_slice(&bytes).map(Some).map_err(bad)
    }

    /// Makes the folder where it is missing, and keeps other programs from changing it until the result is dropped. Waits for
    /// one that does; nobody keeps it for longer than it takes to make a key.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Full`] when it cannot be made.
    pub fn lock(&self) -> Result<LockedRig, StoreError> {
        let rigs = self.path.parent().unwrap_or(&self.path);
        private_folder(rigs)?;
        let ignore = rigs.join(".gitignore");
        if !ignore.exists() {
            replace_file(&ignore, false, IGNORE.as_bytes()).map_err(|problem| StoreError::of("write", &ignore, problem))?;
        }
        private_folder(&self.path)?;
        let path = self.path.join(LOCK);
        let fail = |problem| StoreError::of("write", &path, problem);
        let lock = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(fail)?;
        match lock.lock() {
            Ok(()) => {}
            // Some network file systems know no locks; two programs at once are rare enough to go on without.
            Err(problem) if problem.kind() == io::ErrorKind::Unsupported => {}
            Err(problem) => return Err(fail(problem)),
        }
        Ok(LockedRig { rig: self.clone(), _lock: lock })
    }

    /// Keeps the authority from being replaced by others until the result is dropped. Many may use it at once. Waits for one that
    /// is replacing it.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Full`] when the folder cannot be made.
    pub fn begin_use(&self) -> Result<RigInUse, StoreError> {
        let (path, lock) = self.in_use_file()?;
        match lock.lock_shared() {
            Ok(()) => {}
            Err(problem) if problem.kind() == io::ErrorKind::Unsupported => {}
            Err(problem) => return Err(StoreError::of("write", &path, problem)),
        }
        Ok(RigInUse { _lock: lock })
    }

    /// Keeps others from beginning to use the authority until the result is dropped; `None` while somebody uses it.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Full`] when the folder cannot be made.
    pub fn unless_in_use(&self) -> Result<Option<RigInUse>, StoreError> {
        let (path, lock) = self.in_use_file()?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(RigInUse { _lock: lock })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(problem)) if problem.kind() == io::ErrorKind::Unsupported => Ok(Some(RigInUse { _lock: lock })),
            Err(fs::TryLockError::Error(problem)) => Err(StoreError::of("write", &path, problem)),
        }
    }

    /// The file whose lock says that the authority is in use, in a folder that is there.
    fn in_use_file(&self) -> Result<(PathBuf, fs::File), StoreError> {
        drop(self.lock()?);
        let path = self.path.join(IN_USE);
        match fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path) {
            Ok(file) => Ok((path, file)),
            Err(problem) => Err(StoreError::of("write", &path, problem)),
        }
    }
}

impl LockedRig {
    /// Keeps an authority, in place of the one that was kept. Nothing is left of that one's key.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Full`]; then the old one is still there.
    pub fn keep_authority(&self, pem: &Captured<String>) -> Result<(), StoreError> {
        let folder = self.rig.path.join(AUTHORITY);
        private_folder(&folder)?;
        make_private(&folder).map_err(|problem| StoreError::of("write", &folder, problem))?;
        let path = self.rig.authority_file();
        // Exposed to be written where only its owner can read it.
        replace_file(&path, true, pem.expose().as_bytes()).map_err(|problem| StoreError::of("write", &path, problem))?;
        // A program that died while it wrote a key may have left half of it beside.
        for stray in fs::read_dir(&folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).filter(|is| *is != path) {
            let _ = fs::remove_file(stray);
        }
        Ok(())
    }

    /// Keeps a control run, in place of the one that was kept for its app.
    ///
    /// # Errors
    /// [`StoreError::Name`] when the app's name cannot be a file's, [`StoreError::Io`] or [`StoreError::Full`] when it cannot be
    /// written; then the old one is still there.
    pub fn keep_control(&self, control: &KeptControl) -> Result<(), StoreError> {
        let path = self.rig.control_file(&control.app)?;
        private_folder(&self.rig.path.join(CONTROL))?;
        let fail = |problem| StoreError::of("write", &path, problem);
        let text = serde_json::to_string_pretty(control).map_err(|problem| fail(problem.into()))?;
        replace_file(&path, true, text.as_bytes()).map_err(fail)
    }

    /// Removes the authority with its key. Tells whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be removed.
    pub fn remove_authority(&self) -> Result<bool, StoreError> {
        let folder = self.rig.path.join(AUTHORITY);
        match fs::remove_dir_all(&folder) {
            Ok(()) => Ok(true),
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(problem) => Err(StoreError::of("remove", &folder, problem)),
        }
    }
}

impl std::ops::Deref for LockedRig {
    type Target = RigFolder;

    fn deref(&self) -> &RigFolder {
        &self.rig
    }
}

/// What every version of a kept file says of itself.
#[derive(serde::Deserialize)]
pub(super) struct Format {
    pub(super) format: u32,
}

/// What is wrong with a file's JSON and where, in words that quote nothing of it.
pub(super) fn said(problem: &serde_json::Error) -> String {
    let what = match problem.classify() {
        serde_json::error::Category::Io => "it cannot be read",
        serde_json::error::Category::Eof => "it breaks off",
        serde_json::error::Category::Syntax => "it is not JSON",
        serde_json::error::Category::Data => "it does not hold what it should",
    };
    format!("{what} (line {}, column {})", problem.line(), problem.column())
}

/// A name that can be a file's, as it is: letters, digits, hyphens, dots and underscores, at most 60.
fn plain<'a>(what: &'static str, name: &'a str) -> Result<&'a str, StoreError> {
    let fail = |problem| Err(StoreError::Name { what, name: name.to_owned(), problem });
    if name.is_empty() {
        fail("it is empty")
    } else if name.starts_with('.') {
        fail("it begins with a dot")
    } else if name.len() > 60 {
        fail("it is too long")
    } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        fail("only letters, digits, hyphens, dots and underscores can stand in it")
    } else {
        Ok(name)
    }
}

/// Makes a folder for its owner only, where there is none.
pub(super) fn private_folder(path: &Path) -> Result<(), StoreError> {
    match create_private_folder(path) {
        Ok(()) => Ok(()),
        Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(problem) => Err(StoreError::of("write", path, problem)),
    }
}

/// Takes from other users what they may do with a folder that was there already.
fn make_private(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        Ok(())
    }
}

/// Refuses what other users have one of these permissions for. Says nothing where the system keeps no such bits.
pub(super) fn refuse_exposed(path: &Path, about: &fs::Metadata, refused: u32) -> Result<(), StoreError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = about.permissions().mode() & 0o777;
        if mode & refused != 0 {
            return Err(StoreError::Exposed { path: path.to_owned(), mode });
        }
    }
    #[cfg(not(unix))]
    let _ = (path, about, refused);
    Ok(())
}

/// Folder of the authority in the rig's.
const AUTHORITY: &str = "authority";
/// Folder of the control runs in the rig's, one file an app.
const CONTROL: &str = "control";
/// The file whose lock says who may change the rig's folder.
const LOCK: &str = ".lock";
/// The file whose lock says that the authority is in use.
const IN_USE: &str = ".in-use";
/// What `rigs/.gitignore` says.
const IGNORE: &str = "# Private keys that a phone was told to trust: they stay on this machine.\n*\n";
/// Permission bits that let others do anything at all with a file.
pub(super) const OTHERS: u32 = 0o077;
/// Permission bits that let others put something else in a file's place.
const OTHERS_WRITE: u32 = 0o022;
/// Longest authority that is read, bytes; ours have under 2 KiB.
const MOST_AUTHORITY: u64 = 64 * 1024;
/// Longest control run that is read, bytes: tens of thousands of hosts.
const MOST_CONTROL: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ControlRun;

    fn rig(root: &Path) -> RigFolder {
        RigFolder::of(&Workspace { root: root.to_owned(), scenarios: None }, "pixel").expect("a good name")
    }

    fn text(of: &str) -> Captured<String> {
        Captured::new(of.to_owned())
    }

    #[test]
    fn an_authority_is_kept_for_its_owner_only_and_out_of_git() {
        let root = tempfile::tempdir().expect("a folder");
        let rig = rig(root.path());
        assert_eq!(rig.authority().expect("readable"), None);
        rig.lock().expect("made").keep_authority(&text("secret")).expect("written");
        assert_eq!(rig.authority().expect("readable"), Some(text("secret")));
        assert!(fs::read_to_string(root.path().join("rigs/.gitignore")).expect("there").lines().any(|line| line == "*"));
        #[cfg(unix)]
        for (path, want) in
            [("rigs", 0o700), ("rigs/pixel", 0o700), ("rigs/pixel/authority", 0o700), ("rigs/pixel/authority/authority.pem", 0o600)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(root.path().join(path)).expect("there").permissions().mode() & 0o777, want, "{path}");
        }
    }

    #[test]
    fn nothing_is_left_of_a_key_that_was_replaced_or_removed() {
        let root = tempfile::tempdir().expect("a folder");
        let rig = rig(root.path());
        let locked = rig.lock().expect("made");
        locked.keep_authority(&text("old key")).expect("written");
        fs::write(rig.authority_file().with_file_name("authority.pem.writing-1"), "half an old key").expect("written");
        locked.keep_authority(&text("new key")).expect("written");
        let left: Vec<_> = fs::read_dir(root.path().join("rigs/pixel/authority")).expect("there").collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(locked.remove_authority().expect("removed"));
        assert!(!locked.remove_authority().expect("nothing to do"));
        assert_eq!(rig.authority().expect("readable"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_or_replace_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().expect("a folder");
        let rig = rig(root.path());
        rig.lock().expect("made").keep_authority(&text("secret")).expect("written");
        let set = |path: &str, mode| fs::set_permissions(root.path().join(path), fs::Permissions::from_mode(mode)).expect("ours");
        for (path, mode, good) in [
            ("rigs/pixel/authority/authority.pem", 0o644, 0o600),
            ("rigs/pixel/authority/authority.pem", 0o640, 0o600),
            ("rigs/pixel/authority", 0o770, 0o700),
        ] {
            set(path, mode);
            let error = rig.authority().expect_err("others could have it");
            assert!(matches!(&error, StoreError::Exposed { path: named, mode: is } if named.ends_with(path) && *is == mode), "{error}");
            assert!(error.is_wrong_file() && !error.to_string().contains("secret"), "{error}");
            set(path, good);
        }
        set("rigs/pixel/authority", 0o755);
        rig.authority().expect("others can see that there is one, and no more");
        rig.lock().expect("there").keep_authority(&text("new")).expect("written");
        let mode = fs::metadata(root.path().join("rigs/pixel/authority")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "a folder that was open is closed with the next key");
    }

    #[test]
    fn a_rig_is_changed_by_one_at_a_time() {
        let root = tempfile::tempdir().expect("a folder");
        let rig = rig(root.path());
        let makers: Vec<_> = (0..8)
            .map(|number| {
                let rig = rig.clone();
                std::thread::spawn(move || {
                    let locked = rig.lock().expect("made");
                    let there = locked.authority().expect("readable");
                    let mine = text(&number.to_string());
                    if there.is_none() {
                        locked.keep_authority(&mine).expect("written");
                    }
                    there.unwrap_or(mine)
                })
            })
            .collect();
        let kept = makers.into_iter().map(|maker| maker.join().expect("no panic")).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(kept.len(), 1, "all have the one that came first");
    }

    #[test]
    fn what_somebody_uses_nobody_replaces() {
        let root = tempfile::tempdir().expect("a folder");
        let rig = rig(root.path());
        let two = [rig.begin_use().expect("made"), rig.begin_use().expect("there")];
        assert!(rig.unless_in_use().expect("there").is_none());
        let [one, other] = two;
        drop(one);
        assert!(rig.unless_in_use().expect("there").is_none());
        drop(other);
        let alone = rig.unless_in_use().expect("there").expect("nobody uses it any more");
        let beginning = std::thread::spawn({
            let rig = rig.clone();
            move || rig.begin_use().expect("once it was replaced")
        });
        drop(alone);
        beginning.join().expect("no panic");
        assert!(rig.unless_in_use().expect("there").is_some(), "it ends with whoever used it");
    }

    #[test]
    fn a_control_run_is_kept_for_each_app_and_a_newer_one_is_not_misread() {
        let root = tempfile::tempdir().expect("a folder");
        let rig = rig(root.path());
        let control = ControlRun { hosts: vec!["weather.test".into()], seconds: 1800, made: None };
        let kept = KeptControl {
            format: CONTROL_FORMAT,
            tool: "0.0.0".into(),
            made: "2026-03-02T08:00:00Z".parse().expect("a time"),
            app: "mifit".into(),
            phone: "Android 14".into(),
            rig: "ab".repeat(32),
            control,
        };
        assert_eq!(rig.control("mifit").expect("readable"), None);
        rig.lock().expect("made").keep_control(&kept).expect("written");
        assert_eq!(rig.control("mifit").expect("readable"), Some(kept));
        assert_eq!(rig.control("other").expect("readable"), None);
        assert!(matches!(rig.control("../mifit"), Err(StoreError::Name { .. })));
        let odd = rig.control_file("Mi Fit/β").expect("a name all the same");
        assert_eq!(odd.parent(), rig.control_file("mifit").expect("a name").parent(), "{odd:?}");
        let file = rig.control_file("mifit").expect("a name");
        assert_eq!(crate::store::open_to_others(&file).expect("there"), None);
        let newer = serde_json::json!({ "format": CONTROL_FORMAT + 1, "unknown": true });
        for (text, is_newer) in [(newer.to_string(), true), ("{}".to_owned(), false), ("weather.test".to_owned(), false)] {
            fs::write(&file, text).expect("ours");
            let error = rig.control("mifit").expect_err("not ours");
            assert_eq!(matches!(error, StoreError::Format { .. }), is_newer, "{error}");
            assert_eq!(matches!(error, StoreError::BadControl { .. }), !is_newer, "{error}");
            assert!(!error.to_string().contains("weather"), "{error}");
        }
    }

    #[test]
    fn names_lead_nowhere_else_and_rigs_are_listed() {
        let root = tempfile::tempdir().expect("a folder");
        let workspace = Workspace { root: root.path().to_owned(), scenarios: None };
        for name in ["", "..", ".hidden", "a/b", "a\\b", "ü", "a b", &"x".repeat(61)] {
            assert!(matches!(RigFolder::of(&workspace, name), Err(StoreError::Name { .. })), "{name:?}");
        }
        assert_eq!(RigFolder::all(&workspace).expect("none"), []);
        for name in ["pixel-8", "iphone"] {
            RigFolder::of(&workspace, name).expect("a good name").lock().expect("made");
        }
        let names: Vec<_> = RigFolder::all(&workspace).expect("readable").iter().map(|rig| rig.name().to_owned()).collect();
        assert_eq!(names, ["iphone", "pixel-8"]);
    }
}
