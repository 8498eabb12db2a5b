//! `init`: a folder of one's own, with the shipped scenarios to start from. Never overwrites a file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{Exit, Failure, Surroundings};
use crate::scenario::embedded;

/// Arguments of `init`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder to set up; made when it does not exist
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Also write a stub package, so that `cargo insta review` works on the snapshots
    #[arg(long)]
    cargo_insta: bool,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let folder = surroundings.path(&arguments.folder);
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for app in embedded::apps() {
        let place = Path::new("scenarios").join(app.name);
        files.push((place.join("app.yaml"), app.app_yaml.to_owned()));
        files.extend(app.scenarios.iter().map(|(name, text)| (place.join(format!("{name}.yaml")), (*text).to_owned())));
    }
    files.push(("policy.yaml".into(), POLICY.to_owned()));
    if arguments.cargo_insta {
        files.push(("Cargo.toml".into(), MANIFEST.to_owned()));
        files.push((".stub/lib.rs".into(), STUB.to_owned()));
    }
    let mut written = 0;
    for (name, text) in &files {
        if write_new(&folder.join(name), text)? {
            written += 1;
        } else {
            let shown = surroundings.shown(&folder.join(name));
            surroundings.note(format_args!("left alone: {shown} is there already"));
        }
    }
    ignore(&folder.join(".gitignore"))?;
    let shown = surroundings.shown(&folder);
    surroundings.note(format_args!(
        "wrote {written} files in {shown}\nnext: tattletale check, then tattletale run; README.md of the project tells more"
    ));
    Ok(Exit::Clean)
}

/// Writes a file that is not there yet. Tells whether it did.
fn write_new(path: &Path, text: &str) -> Result<bool, Failure> {
    let fail = |problem: io::Error| Failure::instrument(format!("write {}: {problem}", path.display()), "");
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(fail)?;
    match fs::File::create_new(path) {
        Ok(mut file) => io::Write::write_all(&mut file, text.as_bytes()).map(|()| true).map_err(fail),
        Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(problem) => Err(fail(problem)),
    }
}

/// Adds to `.gitignore` what is not in it yet; what is there stays.
fn ignore(path: &Path) -> Result<(), Failure> {
    let fail = |problem: io::Error| Failure::instrument(format!("write {}: {problem}", path.display()), "");
    let mut text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => String::new(),
        Err(problem) => return Err(fail(problem)),
    };
    let missing: Vec<_> = IGNORED.into_iter().filter(|line| !text.lines().any(|is| is.trim() == *line)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.extend(missing.iter().map(|line| format!("{line}\n")));
    fs::write(path, text).map_err(fail)
}

/// What must not get into git: health data, keys, and what waits for a person.
const IGNORED: [&str; 6] = ["/runs", "/rigs", "*.snap.new", "rig.yaml", "planted.local.yaml", "*.har"];

const POLICY: &str = "\
# What your organisation decided. Every key may be left out.

# Findings at or above this level end in exit code 1: note, warning or alarm.
fail_level: warning

# Severity of a rule, where it differs from the rule's own.
# severity:
#   new-field: warning

# Findings accepted for a time. The reason and the date are printed with every report.
# accepted:
#   - finding: T01234567
#     reason: The weather request needs a city; the vendor promised a coarser position.
#     expires: 2027-01-31
";

const MANIFEST: &str = "\
# A stub, so that `cargo insta review` finds the snapshots of this folder. Nothing is built from it.
[package]
name = \"snapshots\"
version = \"0.0.0\"
edition = \"2024\"
publish = false

[lib]
path = \".stub/lib.rs\"

[workspace]
";

const STUB: &str = "//! Empty on purpose: see Cargo.toml.\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::surroundings::testing::command;

    #[test]
    fn a_new_folder_gets_scenarios_and_a_second_time_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let (exit, _, err) = command(folder.path(), &["init", "mine", "--cargo-insta"], |_| ());
        assert_eq!(exit, Exit::Clean, "{err}");
        let mine = folder.path().join("mine");
        let (exit, out, err) = command(&mine, &["check"], |_| ());
        assert_eq!((exit, err.as_str()), (Exit::Clean, ""), "{out}");
        for file in ["scenarios/mifit/app.yaml", "policy.yaml", ".gitignore", "Cargo.toml", ".stub/lib.rs"] {
            assert!(mine.join(file).is_file(), "{file}");
        }
        fs::write(mine.join("policy.yaml"), "mine").expect("written");
        fs::write(mine.join(".gitignore"), "target").expect("written");
        let (exit, _, err) = command(&mine, &["init"], |_| ());
        assert_eq!(exit, Exit::Clean);
        assert!(err.contains("left alone: policy.yaml"), "{err}");
        assert_eq!(fs::read_to_string(mine.join("policy.yaml")).expect("text"), "mine");
        assert_eq!(fs::read_to_string(mine.join(".gitignore")).expect("text").lines().next(), Some("target"));
        let (exit, _, err) = command(&mine, &["check"], |_| ());
        assert_eq!(exit, Exit::Usage, "the policy of this test is no policy: {err}");
    }
}
