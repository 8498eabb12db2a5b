//! Snapshot files: `snapshots/<app>/<platform>/<scenario>@<version>.snap`, and `.snap.new` for one that waits for a person.
//! insta reads them; what stands in them is `snapshot`'s.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{StoreError, read_text, replace_file};
use crate::model::{Platform, Target};

/// Longest snapshot file that is read, in bytes: 10,000 fields need two million.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Ending of an accepted snapshot.
const ACCEPTED: &str = ".snap";

/// Ending of a pending snapshot, as insta has it.
const PENDING: &str = ".snap.new";

/// What stays as it is in a file name.
const TAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'+');

/// Keys that insta's front matter may hold here. `snapshot_kind` and `extension` would make insta read a second file.
const KEYS: [&str; 6] = ["source", "assertion_line", "description", "expression", "info", "input_file"];

/// A folder of snapshots.
#[derive(Clone, Debug)]
pub struct SnapshotFolder {
    /// The folder itself: `snapshots`.
    pub path: PathBuf,
    /// In CI nothing accepted is ever written.
    pub ci: bool,
}

/// Whether a person has accepted a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// A person accepted it.
    Accepted,
    /// It waits for a person.
    Pending,
}

/// One snapshot file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotFile {
    /// App name.
    pub app: String,
    /// Platform.
    pub platform: Platform,
    /// Scenario name.
    pub scenario: String,
    /// App version's name.
    pub version: String,
    /// Accepted or pending.
    pub standing: Standing,
    /// The file.
    pub path: PathBuf,
}

impl SnapshotFile {
    /// What a person calls it: `mifit/simulated/passive-sync@sim-1.0`.
    pub fn name(&self) -> String {
        format!("{}/{}/{}@{}", self.app, self.platform, self.scenario, self.version)
    }
}

/// What insta read of a snapshot file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotText {
    /// insta's description: the header.
    pub description: String,
    /// insta's contents: the fields, without white space at the end.
    pub body: String,
    /// Line of the file at which the body begins, from 1.
    pub body_line: usize,
}

impl SnapshotFolder {
    /// Every snapshot in the folder, sorted; files of other names are not looked at. A folder that does not exist has none.
    ///
    /// # Errors
    /// [`StoreError::Io`] when a folder cannot be read.
    pub fn list(&self) -> Result<Vec<SnapshotFile>, StoreError> {
        let mut found = Vec::new();
        for app in folders(&self.path)? {
            for platform in folders(&app)? {
                let (Some(app), Some(word)) = (decoded(&app), decoded(&platform)) else { continue };
                let Some(platform_is) = Platform::parse(&word) else { continue };
                for path in entries(&platform)? {
                    let Some((scenario, version, standing)) = path.file_name().and_then(|name| parts(name.to_str()?)) else { continue };
                    found.push(SnapshotFile { app: app.clone(), platform: platform_is, scenario, version, standing, path });
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Where the snapshot of a target is, or would be.
    ///
    /// # Errors
    /// [`StoreError::Name`] when a name is empty, hidden or too long for a file.
    pub fn place(&self, target: &Target, standing: Standing) -> Result<PathBuf, StoreError> {
        let app = tame("app name", &target.app)?;
        let scenario = tame("scenario name", &target.scenario)?;
        let version = tame("app version", &target.version.name)?;
        let ending = if standing == Standing::Accepted { ACCEPTED } else { PENDING };
        Ok(self.path.join(app).join(target.platform.word()).join(format!("{scenario}@{version}{ending}")))
    }

    /// Writes the text of a snapshot beside the accepted ones, for a person to accept, and gives its path.
    ///
    /// # Errors
    /// [`StoreError::Name`], [`StoreError::Full`] or [`StoreError::Io`].
    pub fn write_pending(&self, target: &Target, text: &str) -> Result<PathBuf, StoreError> {
        let path = self.place(target, Standing::Pending)?;
        let fail = |problem| StoreError::of("write", &path, problem);
        fs::create_dir_all(path.parent().unwrap_or(&self.path)).map_err(fail)?;
        replace_file(&path, false, text.as_bytes()).map_err(fail)?;
        Ok(path)
    }

    /// Takes a pending snapshot away that no longer differs, as insta does. Tells whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Name`] or [`StoreError::Io`].
    pub fn withdraw_pending(&self, target: &Target) -> Result<bool, StoreError> {
        let path = self.place(target, Standing::Pending)?;
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(problem) => Err(StoreError::of("remove", &path, problem)),
        }
    }

    /// Makes a pending snapshot the accepted one, and gives its path.
    ///
    /// # Errors
    /// [`StoreError::InCi`] in CI; [`StoreError::Io`].
    pub fn accept(&self, file: &SnapshotFile) -> Result<PathBuf, StoreError> {
        let accepted = file.path.with_extension("");
        if self.ci {
            return Err(StoreError::InCi { path: accepted });
        }
        fs::rename(&file.path, &accepted).map_err(|problem| StoreError::of("write", &accepted, problem))?;
        Ok(accepted)
    }

    /// Throws a pending snapshot away.
    ///
    /// # Errors
    /// [`StoreError::InCi`] in CI; [`StoreError::Io`].
    pub fn reject(&self, file: &SnapshotFile) -> Result<(), StoreError> {
        if self.ci {
            return Err(StoreError::InCi { path: file.path.clone() });
        }
        fs::remove_file(&file.path).map_err(|problem| StoreError::of("remove", &file.path, problem))
    }
}

/// Reads a snapshot file through insta, after a look at it that keeps insta from panicking and from printing.
///
/// # Errors
/// [`StoreError::Snapshot`] names the line that is no snapshot's; [`StoreError::Io`] when the file cannot be read.
pub fn read(path: &Path) -> Result<SnapshotText, StoreError> {
    let text = read_text(path, MOST_BYTES)?;
    let fail = |line: usize, problem: &str| StoreError::Snapshot { path: path.to_owned(), line, problem: problem.to_owned() };
    let body_line = front_matter(&text).map_err(|(line, problem)| fail(line, problem))?;
    let snapshot = insta::Snapshot::from_file(path).map_err(|_| fail(1, "insta cannot read its front matter"))?;
    let description = snapshot.metadata().description().ok_or_else(|| fail(1, "it has no description, where its header should be"))?;
    let body = snapshot.as_text().ok_or_else(|| fail(1, "it is no text snapshot"))?;
    Ok(SnapshotText { description: description.to_owned(), body: body.to_string(), body_line })
}

/// Checks that a file begins with front matter of single-line scalars, which is all that insta itself writes for text, and
/// gives the line after it.
fn front_matter(text: &str) -> Result<usize, (usize, &'static str)> {
    let mut lines = text.lines().enumerate();
    if lines.next().map(|(_, line)| line.trim_end()) != Some("---") {
        return Err((1, "it does not begin with \"---\", so it is no snapshot"));
    }
    let mut described = false;
    for (at, line) in lines {
        if line.trim_end() == "---" {
            return if described { Ok(at + 2) } else { Err((at + 1, "no \"description:\" above this line, where its header should be")) };
        }
        let (key, value) = line.split_once(": ").ok_or((at + 1, "expected \"key: value\" or \"---\""))?;
        if !KEYS.contains(&key) {
            return Err((at + 1, "a key that no snapshot of ours has; known are source, description, expression, info and input_file"));
        }
        if !is_scalar(value.trim_end()) {
            return Err((at + 1, "the value is not one quoted or plain text on one line"));
        }
        described |= key == "description";
    }
    Err((1, "its front matter has no end: expected a second \"---\""))
}

/// Whether a YAML value is a scalar on one line that insta's reader takes without trouble.
fn is_scalar(value: &str) -> bool {
    let inner = |quote: char| value.len() >= 2 && value.starts_with(quote) && value.ends_with(quote);
    if inner('"') {
        let mut rest = value.get(1..value.len() - 1).unwrap_or_default().chars();
        while let Some(c) = rest.next() {
            let fine = match c {
                '"' => false,
                '\\' => match rest.next() {
                    Some('"' | '\\' | '/' | 'n' | 'r' | 't' | 'b' | 'f' | '0' | 'a' | 'e' | 'v') => true,
                    Some('x') => rest.by_ref().take(2).filter(char::is_ascii_hexdigit).count() == 2,
                    Some('u') => rest.by_ref().take(4).filter(char::is_ascii_hexdigit).count() == 4,
                    _ => false,
                },
                c => !c.is_control() || c == '\t',
            };
            if !fine {
                return false;
            }
        }
        true
    } else if inner('\'') {
        let inside = value.get(1..value.len() - 1).unwrap_or_default();
        !inside.replace("''", "").contains('\'') && !inside.chars().any(char::is_control)
    } else {
        let word = value.starts_with(|c: char| c.is_ascii_alphabetic())
            && !value.contains(": ")
            && !value.contains(" #")
            && !value.ends_with(':')
            && !value.chars().any(char::is_control);
        let number = !value.is_empty() && value.len() <= 9 && value.bytes().all(|byte| byte.is_ascii_digit());
        word || number
    }
}

/// A name as a file name. A name that begins with a dot would be hidden, or lead elsewhere.
pub(super) fn tame(what: &'static str, name: &str) -> Result<String, StoreError> {
    let fail = |problem| StoreError::Name { what, name: name.to_owned(), problem };
    if name.is_empty() {
        return Err(fail("it is empty"));
    }
    if name.starts_with('.') {
        return Err(fail("it begins with a dot"));
    }
    let tame = utf8_percent_encode(name, TAME).to_string();
    if tame.len() > 100 { Err(fail("it is too long")) } else { Ok(tame) }
}

/// Scenario, version and standing of a file name.
fn parts(name: &str) -> Option<(String, String, Standing)> {
    let (stem, standing) = match name.strip_suffix(PENDING) {
        Some(stem) => (stem, Standing::Pending),
        None => (name.strip_suffix(ACCEPTED)?, Standing::Accepted),
    };
    let (scenario, version) = stem.split_once('@')?;
    let decode = |part: &str| Some(percent_decode_str(part).decode_utf8().ok()?.into_owned());
    Some((decode(scenario)?, decode(version)?, standing))
}

fn decoded(path: &Path) -> Option<String> {
    Some(percent_decode_str(path.file_name()?.to_str()?).decode_utf8().ok()?.into_owned())
}

fn folders(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    Ok(entries(path)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn entries(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    match fs::read_dir(path) {
        Ok(entries) => Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect()),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(problem) => Err(StoreError::of("read", path, problem)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AppVersion;

    const TEXT: &str = "---\nsource: scenarios/mifit/passive-sync.yaml\ndescription: \"{\\\"format\\\":1}\"\n---\nPOST host.test/v1  third-party  sync\n  query t  integer\n";

    fn target(version: &str) -> Target {
        Target {
            app: "mifit".into(),
            platform: Platform::Simulated,
            version: AppVersion::named(version),
            scenario: "passive-sync".into(),
            claimed: false,
        }
    }

    fn folder(ci: bool) -> (tempfile::TempDir, SnapshotFolder) {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = SnapshotFolder { path: temporary.path().join("snapshots"), ci };
        (temporary, folder)
    }

    #[test]
    fn a_pending_snapshot_is_listed_read_and_accepted() {
        let (_temporary, folder) = folder(false);
        assert!(folder.list().expect("a missing folder is empty").is_empty());
        folder.write_pending(&target("sim-1.0"), TEXT).expect("written");
        let [pending] = &folder.list().expect("readable")[..] else { panic!("one") };
        assert_eq!((pending.name().as_str(), pending.standing), ("mifit/simulated/passive-sync@sim-1.0", Standing::Pending));
        assert!(pending.path.ends_with("snapshots/mifit/simulated/passive-sync@sim-1.0.snap.new"));
        let text = read(&pending.path).expect("insta reads it");
        assert_eq!((text.description.as_str(), text.body_line), ("{\"format\":1}", 5));
        assert!(text.body.starts_with("POST host.test/v1") && text.body.ends_with("integer"), "{}", text.body);
        let accepted = folder.accept(pending).expect("accepted");
        assert!(accepted.ends_with("passive-sync@sim-1.0.snap"));
        let [file] = &folder.list().expect("readable")[..] else { panic!("one") };
        assert_eq!((file.standing, &file.path), (Standing::Accepted, &accepted));
        assert!(!folder.withdraw_pending(&target("sim-1.0")).expect("nothing waits"));
    }

    #[test]
    fn ci_accepts_and_rejects_nothing() {
        let (_temporary, folder) = folder(true);
        folder.write_pending(&target("sim-1.0"), TEXT).expect("pending ones may be written");
        let pending = folder.list().expect("readable").remove(0);
        assert!(matches!(folder.accept(&pending), Err(StoreError::InCi { .. })));
        assert!(matches!(folder.reject(&pending), Err(StoreError::InCi { .. })));
        assert!(pending.path.exists());
    }

    #[test]
    fn no_name_leads_out_of_the_folder_and_odd_ones_read_back() {
        let (_temporary, folder) = folder(false);
        for version in ["6.14.0 (build 3)", "a/b", "β@1", "100%"] {
            let path = folder.write_pending(&target(version), TEXT).expect("written");
            assert!(path.starts_with(folder.path.join("mifit/simulated")), "{}", path.display());
        }
        let mut versions: Vec<_> = folder.list().expect("readable").into_iter().map(|file| file.version).collect();
        versions.sort();
        assert_eq!(versions, ["100%", "6.14.0 (build 3)", "a/b", "β@1"]);
        for version in ["", "..", ".hidden", &"x".repeat(200)] {
            assert!(matches!(folder.place(&target(version), Standing::Accepted), Err(StoreError::Name { .. })), "{version:?}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_line_and_never_reaches_insta() {
        let (temporary, _) = folder(false);
        let path = temporary.path().join("x@1.snap");
        let check = |text: &str, want: usize| {
            fs::write(&path, text).expect("written");
            match read(&path) {
                Err(StoreError::Snapshot { line, .. }) => assert_eq!(line, want, "{text:?}"),
                other => panic!("{text:?} gave {other:?}"),
            }
        };
        check("", 1);
        check("description: x\n\nlegacy", 1);
        check("---\ndescription: x\n", 1);
        check("---\n---\nbody", 2);
        check("---\nsource: x\n---\n", 3);
        check("---\ndescription: x\nsnapshot_kind: binary\nextension: png\n---\n", 3);
        check("---\nsource: .inf\ndescription: x\n---\n", 2);
        check("---\ndescription: [[[[[[\n---\n", 2);
        check("---\ndescription: \"\\uZZZZ\"\n---\n", 2);
        check("---\ndescription: \"unclosed\n---\n", 2);
        check("---\ndescription: &a x\n---\n", 2);
        check("---\ndescription: |\n  x\n---\n", 2);
        check("\u{feff}---\ndescription: x\n---\n", 1);
        fs::write(&path, [b'-', 0xff]).expect("written");
        assert!(matches!(read(&path), Err(StoreError::Io { .. })));
        for text in [TEXT, "---\ndescription: 'it''s'\n---\nx", "---\nassertion_line: 12\ndescription: plain words\n---\n"] {
            fs::write(&path, text).expect("written");
            read(&path).expect(text);
        }
    }
}
