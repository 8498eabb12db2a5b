//! `review`: a person looks at what changed and accepts it or not. Accepting a snapshot accepts its changes, never an
//! expectation or a passive location (R4).

use clap::Args;
use similar::{ChangeTag, TextDiff};

use super::{Exit, Failure, Surroundings, snapshots};
use crate::{
    model::{Snapshot, text::printable},
    snapshot,
    store::{SnapshotFile, SnapshotFolder, Standing},
};

/// Arguments of `review`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only list what waits
    #[arg(long)]
    list: bool,
    /// Accept what waits: all of it, or the named ones (mifit/android/workout@6.14.0, or the end of such a name)
    #[arg(long, value_name = "NAME", num_args = 0.., conflicts_with = "list")]
    accept: Option<Vec<String>>,
    /// Throw away what waits: all of it, or the named ones
    #[arg(long, value_name = "NAME", num_args = 0.., conflicts_with_all = ["list", "accept"])]
    reject: Option<Vec<String>>,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let folder = surroundings.workspace().snapshots(surroundings.ci);
    let files = folder.list()?;
    let pending: Vec<_> = files.iter().filter(|file| file.standing == Standing::Pending).collect();
    if let Some(names) = &arguments.accept {
        for file in chosen(&pending, names)? {
            accept(&folder, file, surroundings)?;
        }
    } else if let Some(names) = &arguments.reject {
        for file in chosen(&pending, names)? {
            reject(&folder, file, surroundings)?;
        }
    } else if pending.is_empty() {
        surroundings.note("nothing waits for review");
    } else if arguments.list || !surroundings.interactive {
        let lines: String = pending.iter().map(|file| format!("{}{}\n", printable(&file.name()), remark(file))).collect();
        surroundings.print(&lines)?;
        if !arguments.list {
            surroundings.note("nobody can be asked here: use --accept or --reject, or run it at a terminal");
        }
    } else {
        ask(&folder, &pending, surroundings)?;
    }
    Ok(Exit::Clean)
}

/// Goes through what waits, one by one.
fn ask(folder: &SnapshotFolder, pending: &[&SnapshotFile], surroundings: &mut Surroundings) -> Result<(), Failure> {
    for (at, file) in pending.iter().enumerate() {
        let name = printable(&file.name());
        let new = snapshots::read(&file.path)?;
        let old = snapshots::baseline(folder, &new.header.target)?;
        let against = old
            .as_ref()
            .map_or_else(|| "no accepted snapshot: everything is new".to_owned(), |old| format!("compared with {}", printable(&old.place)));
        let shown = changes(old.as_ref().map(|old| &old.snapshot), &new, surroundings.colour);
        surroundings.print(&format!("\n{} of {}: {name}{}\n{against}\n\n{shown}\n", at + 1, pending.len(), remark(file)))?;
        loop {
            match surroundings.ask("[a]ccept, [r]eject, [s]kip, [q]uit? ").as_deref() {
                Some("a" | "accept") => accept(folder, file, surroundings)?,
                Some("r" | "reject") => reject(folder, file, surroundings)?,
                Some("s" | "skip" | "") => {}
                Some("q" | "quit") | None => return Ok(()),
                Some(_) => continue,
            }
            break;
        }
    }
    Ok(())
}

fn accept(folder: &SnapshotFolder, file: &SnapshotFile, surroundings: &mut Surroundings) -> Result<(), Failure> {
    // What cannot be read must not become the baseline of every later audit.
    snapshots::read(&file.path)?;
    let place = folder.accept(file)?;
    let shown = surroundings.shown(&place);
    surroundings.note(format_args!("accepted {}: commit {shown}", printable(&file.name())));
    Ok(())
}

fn reject(folder: &SnapshotFolder, file: &SnapshotFile, surroundings: &mut Surroundings) -> Result<(), Failure> {
    folder.reject(file)?;
    surroundings.note(format_args!("rejected {}", printable(&file.name())));
    Ok(())
}

/// The pending snapshots with these names; all when none is given.
fn chosen<'a>(pending: &[&'a SnapshotFile], names: &[String]) -> Result<Vec<&'a SnapshotFile>, Failure> {
    if names.is_empty() {
        return Ok(pending.to_vec());
    }
    let find = |name: &String| {
        let fits = |file: &&&SnapshotFile| {
            let whole = file.name();
            whole == *name || whole.strip_suffix(name.as_str()).is_some_and(|before| before.ends_with('/'))
        };
        let found: Vec<_> = pending.iter().filter(fits).collect();
        match found[..] {
            [one] => Ok(*one),
            [] => Err(Failure::usage(format!("find a pending snapshot called {name}"), "`tattletale review --list` names them")),
            _ => {
                let all: Vec<_> = found.iter().map(|file| file.name()).collect();
                Err(Failure::usage(format!("choose a pending snapshot: {name} fits {}", all.join(" and ")), "write more of the name"))
            }
        }
    };
    names.iter().map(find).collect()
}

/// What must be said of a platform in every line that mentions it (R17).
fn remark(file: &SnapshotFile) -> String {
    file.platform.disclaimer().map(|words| format!("  ({words})")).unwrap_or_default()
}

/// The lines that differ, with three lines around them. In how many runs something was seen is no difference: the next three
/// runs never have the counts of the last twenty.
fn changes(old: Option<&Snapshot>, new: &Snapshot, colour: bool) -> String {
    let (old, new) = (old.map(snapshot::body).unwrap_or_default(), snapshot::body(new));
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let masked = |lines: &[&str]| lines.iter().map(|line| without_counts(line)).collect::<Vec<String>>();
    let (old_masked, new_masked) = (masked(&old), masked(&new));
    let (before, after): (Vec<&str>, Vec<&str>) =
        (old_masked.iter().map(String::as_str).collect(), new_masked.iter().map(String::as_str).collect());
    let diff = TextDiff::from_slices(&before, &after);
    let mut out = String::new();
    for (at, group) in diff.grouped_ops(3).iter().enumerate() {
        if at > 0 {
            out.push_str("  ...\n");
        }
        for change in group.iter().flat_map(|operation| diff.iter_changes(operation)) {
            let (sign, paint) = match change.tag() {
                ChangeTag::Delete => ('-', "\u{1b}[31m"),
                ChangeTag::Insert => ('+', "\u{1b}[32m"),
                ChangeTag::Equal => (' ', ""),
            };
            let own = |lines: &[&str], at: Option<usize>| at.and_then(|at| lines.get(at).map(|line| printable(line)));
            let line = own(&new, change.new_index()).or_else(|| own(&old, change.old_index())).unwrap_or_default();
            if colour && !paint.is_empty() {
                out.push_str(&format!("{paint}{sign} {line}\u{1b}[0m\n"));
            } else {
                out.push_str(&format!("{sign} {line}\n"));
            }
        }
    }
    if out.is_empty() {
        out.push_str("  the same fields; only runs or coverage differ\n");
    }
    out
}

/// A line of a snapshot's body without the cell that says in how many runs it was seen: `3/3`.
fn without_counts(line: &str) -> String {
    let is_count = |cell: &str| cell.split_once('/').is_some_and(|(k, n)| k.parse::<u32>().is_ok() && n.parse::<u32>().is_ok());
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty() && !is_count(cell)).collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::cli::{
        snapshots::testing::{snapshot_of, write},
        surroundings::testing::command,
    };

    /// A folder with sim-1.0 accepted and two versions that wait.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &snapshot_of("1.0", &["a", "b"]), Standing::Accepted);
        write(folder.path(), &snapshot_of("1.1", &["a", "b", "lat"]), Standing::Pending);
        write(folder.path(), &snapshot_of("1.2", &["a"]), Standing::Pending);
        folder
    }

    fn waiting(folder: &tempfile::TempDir) -> String {
        command(folder.path(), &["review", "--list"], |_| ()).1
    }

    #[test]
    fn what_waits_is_listed_accepted_and_rejected_by_name() {
        let folder = folder();
        assert_eq!(waiting(&folder), "mifit/android/passive-sync@1.1\nmifit/android/passive-sync@1.2\n");
        let (exit, _, err) = command(folder.path(), &["review", "--accept", "passive-sync@1.1"], |_| ());
        assert_eq!(exit, Exit::Clean, "{err}");
        assert!(folder.path().join("snapshots/mifit/android/passive-sync@1.1.snap").is_file());
        let (exit, _, err) = command(folder.path(), &["review", "--reject", "sync@1.2"], |_| ());
        assert_eq!(exit, Exit::Usage, "half a name is none: {err}");
        assert_eq!(command(folder.path(), &["review", "--reject"], |_| ()).0, Exit::Clean);
        assert_eq!(waiting(&folder), "");
        let (exit, out, err) = command(folder.path(), &["review"], |_| ());
        assert_eq!((exit, out.as_str(), err.as_str()), (Exit::Clean, "", "nothing waits for review\n"));
    }

    #[test]
    fn ci_writes_nothing_and_ends_in_2() {
        let folder = folder();
        for line in [["review", "--accept"], ["review", "--reject"]] {
            let (exit, _, err) = command(folder.path(), &line, |surroundings| surroundings.ci = true);
            assert_eq!(exit, Exit::Usage);
            assert!(err.contains("never written in CI"), "{err}");
        }
        assert_eq!(waiting(&folder).lines().count(), 2);
    }

    #[test]
    fn a_person_sees_the_lines_that_differ_and_decides_one_by_one() {
        let folder = folder();
        let (exit, out, _) = command(folder.path(), &["review"], |surroundings| {
            surroundings.interactive = true;
            surroundings.stdin = Box::new(Cursor::new("what\na\nr\n"));
        });
        assert_eq!(exit, Exit::Clean);
        assert!(out.contains("1 of 2: mifit/android/passive-sync@1.1"), "{out}");
        assert!(out.lines().any(|line| line.starts_with("+ ") && line.contains("query lat")), "{out}");
        assert!(out.lines().any(|line| line.starts_with("- ") && line.contains("query b")), "{out}");
        assert!(!out.contains('\u{1b}'), "no colour was wanted");
        assert_eq!(waiting(&folder), "");
        assert!(folder.path().join("snapshots/mifit/android/passive-sync@1.1.snap").is_file());
        assert!(!folder.path().join("snapshots/mifit/android/passive-sync@1.2.snap").exists());
    }

    #[test]
    fn other_counts_of_runs_are_no_difference() {
        let (old, mut new) = (snapshot_of("1.0", &["a", "b"]), snapshot_of("1.1", &["a", "b", "lat"]));
        new.header.runs = 20;
        for endpoint in new.endpoints.values_mut() {
            endpoint.runs = 20;
            endpoint.fields.values_mut().for_each(|field| field.runs = 20);
        }
        let shown = changes(Some(&old), &new, false);
        let signs: Vec<&str> = shown.lines().filter(|line| !line.starts_with("  ")).collect();
        assert!(matches!(signs[..], [one] if one.starts_with("+ ") && one.contains("query lat") && one.contains("20/20")), "{shown}");
    }

    #[test]
    fn a_snapshot_edited_into_nonsense_is_never_accepted_and_its_line_is_named() {
        let folder = folder();
        let path = folder.path().join("snapshots/mifit/android/passive-sync@1.1.snap.new");
        let text = std::fs::read_to_string(&path).expect("text");
        let line = text.lines().position(|line| line.contains("query b")).expect("it is there") + 1;
        std::fs::write(&path, text.replace("integer", "intejer")).expect("written");
        let (exit, _, err) = command(folder.path(), &["review", "--accept", "passive-sync@1.1"], |_| ());
        assert_eq!(exit, Exit::Usage);
        assert!(err.contains(&format!("line {}", line - 1)) && err.contains("intejer"), "{err}");
        assert!(path.exists());
    }
}
