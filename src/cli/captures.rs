//! `captures`: list, check, remove or empty what was recorded.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{Exit, Failure, Surroundings, table::table};
use crate::{
    model::{Platform, RunEnding, text::printable},
    store::{CaptureReader, StoreError, StoredCapture, capture},
};
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};

/// Arguments of `captures`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List saved captures
    List,
    /// Check that captures are as they were written
    Verify {
        /// Captures, by name or folder; all of them when none is named
        captures: Vec<PathBuf>,
    },
    /// Remove captures with everything in them
    Rm {
        /// Captures, by name or folder
        #[arg(required = true)]
        captures: Vec<PathBuf>,
    },
    /// Take the bodies out of captures; what is left still verifies
    ///
    /// Only bodies go. URLs with their queries, headers, times, positions and planted values stay, and may be personal: to be
    /// rid of everything, use `captures rm`.
    Purge {
        /// Captures, by name or folder; all that are old enough when none is named
        captures: Vec<PathBuf>,
        /// Only captures older than this: 12h, 30d, 8w
        #[arg(long, value_name = "AGE", value_parser = age, required_unless_present = "captures")]
        older_than: Option<SignedDuration>,
    },
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::List => list(surroundings),
        Command::Verify { captures } => verify(captures, surroundings),
        Command::Rm { captures } => {
            let folders = all_named(captures, surroundings)?;
            // Said before anything is removed: what a session is recording has no second copy.
            if let Some(path) = folders.iter().find(|folder| capture::is_in_use(folder)) {
                return Err(StoreError::InUse { path: path.clone() }.into());
            }
            for folder in folders {
                capture::remove(&folder)?;
                let shown = surroundings.shown(&folder);
                surroundings.note(format_args!("removed {shown}"));
            }
            Ok(Exit::Clean)
        }
        Command::Purge { captures, older_than } => purge(captures, *older_than, surroundings),
    }
}

fn list(surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let runs = surroundings.workspace().runs();
    let (captures, problems) = capture::list(&runs)?;
    if captures.is_empty() && problems.is_empty() {
        let shown = surroundings.shown(&runs);
        surroundings.note(format_args!("no captures in {shown}"));
        return Ok(Exit::Clean);
    }
    let row = |capture: &StoredCapture| {
        let about = &capture.provenance;
        let claimed = if about.target.claimed { " (claimed)" } else { "" };
        vec![
            capture.name.clone(),
            format!("{}{claimed}", about.target.platform),
            format!("{} of {}", about.run, about.runs),
            if capture::is_in_use(&capture.folder) { "being written" } else { ending(capture.ending.as_ref()) }.to_owned(),
            capture.bytes.to_string(),
        ]
    };
    let rows: Vec<_> = captures.iter().map(row).collect();
    let mut text = table(&["capture", "platform", "run", "ended", "bytes"], &rows, &[4], surroundings.width);
    let platforms: BTreeSet<Platform> = captures.iter().map(|capture| capture.provenance.target.platform).collect();
    for (platform, words) in platforms.into_iter().filter_map(|platform| Some((platform, platform.disclaimer()?))) {
        text.push_str(&format!("{platform}: {words}\n"));
    }
    surroundings.print(&text)?;
    for problem in &problems {
        surroundings.warn(format_args!("not readable: {}", printable(&problem.to_string())));
    }
    Ok(if problems.is_empty() { Exit::Clean } else { Exit::Usage })
}

fn verify(captures: &[PathBuf], surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let folders = if captures.is_empty() {
        let (captures, problems) = capture::list(&surroundings.workspace().runs())?;
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem.into());
        }
        captures.into_iter().map(|capture| capture.folder).collect()
    } else {
        all_named(captures, surroundings)?
    };
    let mut exit = Exit::Clean;
    for folder in folders {
        let shown = surroundings.shown(&folder);
        match CaptureReader::open(&folder).and_then(|reader| reader.verify()) {
            Ok(found) => {
                let bodies = found.bodies;
                let mut text = format!("{shown}: as written: {} events, {bodies} large bodies; last link {}\n", found.events, found.link);
                text.extend(found.gaps().into_iter().map(|gap| format!("  missing: {gap}\n")));
                surroundings.print(&text)?;
            }
            Err(problem) => {
                exit = Exit::Usage;
                surroundings.warn(format_args!("error: failed to {}", printable(&problem.to_string())));
            }
        }
    }
    Ok(exit)
}

fn purge(captures: &[PathBuf], older_than: Option<SignedDuration>, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let candidates: Vec<StoredCapture> = if captures.is_empty() {
        capture::list(&surroundings.workspace().runs())?.0
    } else {
        all_named(captures, surroundings)?.iter().map(|folder| capture::stored(folder)).collect::<Result<_, _>>()?
    };
    let before = older_than.map_or(Timestamp::MAX, |age| surroundings.now.saturating_sub(age).unwrap_or(Timestamp::MIN));
    let (mut count, mut freed) = (0, 0);
    for capture in candidates.iter().filter(|capture| capture.made < before) {
        match capture::purge(&capture.folder) {
            Ok(bytes) => (freed, count) = (freed + bytes, count + 1),
            // Nobody asked for this one.
            Err(StoreError::InUse { path }) if captures.is_empty() => {
                let shown = surroundings.shown(&path);
                surroundings.warn(format_args!("left alone: {shown}, which a run or a session is writing"));
            }
            Err(problem) => return Err(problem.into()),
        }
    }
    surroundings.note(format_args!("took the bodies out of {count} captures: {freed} bytes freed"));
    if count > 0 {
        // Told even to who wants quiet: somebody who purges may rely on it that nothing personal is left.
        surroundings.warn("URLs, headers, positions and planted values are still in them: `tattletale captures rm` removes everything");
    }
    Ok(Exit::Clean)
}

/// A capture by folder, or by name in `runs`.
pub(super) fn named(typed: &Path, surroundings: &Surroundings) -> Result<PathBuf, Failure> {
    let folders = [surroundings.path(typed), surroundings.workspace().runs().join(typed)];
    folders.into_iter().find(|folder| capture::is_capture(folder)).ok_or_else(|| {
        Failure::usage(
            format!("find a capture called {}", printable(&typed.to_string_lossy())),
            "`tattletale captures list` names the saved ones",
        )
    })
}

fn all_named(captures: &[PathBuf], surroundings: &Surroundings) -> Result<Vec<PathBuf>, Failure> {
    captures.iter().map(|typed| named(typed, surroundings)).collect()
}

const fn ending(ending: Option<&RunEnding>) -> &'static str {
    match ending {
        None => "incomplete: never ended",
        Some(RunEnding::Complete) => "complete",
        Some(RunEnding::InstrumentFailed { .. }) => "instrument failed",
        Some(RunEnding::Interrupted) => "interrupted",
        Some(RunEnding::SelfCheckFailed { .. }) => "self-check failed",
        Some(RunEnding::StepFailed { .. }) => "step failed",
    }
}

/// An age: a whole number and a unit.
fn age(text: &str) -> Result<SignedDuration, String> {
    let units = [("h", 1), ("d", 24), ("w", 7 * 24)];
    let hours = units.into_iter().find_map(|(unit, hours)| Some((text.strip_suffix(unit)?.parse::<u32>().ok()?, hours)));
    hours
        .map(|(count, hours)| SignedDuration::from_hours(i64::from(count) * hours))
        .ok_or_else(|| "an age is a whole number and a unit: 12h, 30d, 8w".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::surroundings::testing::command,
        model::{AppVersion, CaptureSource, Platform, Provenance, Recording as _, Rig, RunEvent, Target, capture::CAPTURE_FORMAT},
        store::CaptureWriter,
    };

    fn record(folder: &std::path::Path, at: &str) -> PathBuf {
        let at: Timestamp = at.parse().expect("a time");
        let provenance = Provenance {
            format: CAPTURE_FORMAT,
            tool: "0.0.0".into(),
            source: CaptureSource::Proxy,
            target: Target {
                app: "mifit".into(),
                platform: Platform::Simulated,
                version: AppVersion::named("sim-1.0"),
                scenario: "workout".into(),
                claimed: false,
            },
            scenario_hash: None,
            run: 1,
            runs: 1,
            rig: Rig::Simulated { seed: 1 },
            started: at,
            planted: vec![],
            expectations: vec![],
            control: None,
        };
        let runs = crate::store::Workspace::find(folder).prepare_runs().expect("a folder");
        let mut writer = CaptureWriter::create(&runs, &provenance, at).expect("a capture");
        writer.append(at, &RunEvent::RunEnded { ending: RunEnding::Complete }).expect("there is room");
        let capture = writer.finish().expect("there is room");
        let log = std::fs::OpenOptions::new().write(true).open(capture.join(capture::LOG)).expect("there");
        log.set_modified(at.into()).expect("the file system keeps times");
        capture
    }

    #[test]
    fn captures_are_listed_checked_emptied_and_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let (exit, out, err) = command(folder, &["captures", "list"], |_| ());
        assert_eq!((exit, out.as_str(), err.as_str()), (Exit::Clean, "", "no captures in runs\n"));
        let old = record(folder, "2026-01-01T00:00:00Z");
        record(folder, "2026-03-01T00:00:00Z");
        let (exit, out, _) = command(folder, &["captures", "list"], |_| ());
        assert_eq!(exit, Exit::Clean);
        assert!(out.contains("20260101T000000Z-mifit-sim-1.0-workout-1") && out.contains("complete"), "{out}");
        let (exit, out, _) = command(folder, &["captures", "verify"], |_| ());
        assert_eq!((exit, out.matches("as written: 2 events").count()), (Exit::Clean, 2));
        let (exit, _, err) = command(folder, &["captures", "purge", "--older-than", "30d"], |_| ());
        assert_eq!(exit, Exit::Clean);
        assert!(err.contains("out of 1 captures") && err.contains("URLs, headers, positions and planted values are still"), "{err}");
        let (exit, _, _) = command(folder, &["captures", "rm", "20260101T000000Z-mifit-sim-1.0-workout-1"], |_| ());
        assert_eq!((exit, old.exists()), (Exit::Clean, false));
        let (exit, _, err) = command(folder, &["captures", "rm", "nothing"], |_| ());
        assert_eq!(exit, Exit::Usage);
        assert!(err.starts_with("error: failed to find a capture called nothing"), "{err}");
    }

    #[test]
    fn a_capture_that_is_being_written_is_neither_removed_nor_emptied() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let done = record(folder, "2026-01-01T00:00:00Z");
        let runs = folder.join("runs");
        let provenance = CaptureReader::open(&done).expect("a capture").provenance().clone();
        let at: Timestamp = "2026-02-01T00:00:00Z".parse().expect("a time");
        let mut writer = CaptureWriter::create(&runs, &provenance, at).expect("a capture");
        let (names, open) = ([&done, writer.folder()].map(|path| path.to_string_lossy().into_owned()), writer.folder().to_owned());
        for line in [&["captures", "rm", &names[0], &names[1]][..], &["captures", "purge", &names[1]]] {
            let (exit, _, err) = command(folder, line, |_| ());
            assert_eq!(exit, Exit::Usage, "{err}");
            assert!(
                err.contains(&format!("change {}: a run or a session is writing it", names[1])) && err.contains("hint: end it"),
                "{err}"
            );
        }
        assert!(done.exists() && open.exists(), "nothing was removed");
        let (exit, out, _) = command(folder, &["captures", "list"], |_| ());
        assert!(exit == Exit::Clean && out.contains("being written") && !out.contains("incomplete"), "{out}");
        let (exit, _, err) = command(folder, &["captures", "purge", "--older-than", "0h"], |surroundings| {
            surroundings.now = surroundings.now.saturating_add(SignedDuration::from_hours(24 * 365 * 100)).expect("a time");
        });
        assert_eq!(exit, Exit::Clean, "{err}");
        assert!(err.contains("left alone: ") && err.contains("out of 1 captures"), "{err}");

        writer.append(at, &RunEvent::RunEnded { ending: RunEnding::Complete }).expect("there is room");
        writer.finish().expect("there is room, and it is where it was");
        let (exit, _, err) = command(folder, &["captures", "rm", &names[1]], |_| ());
        assert_eq!((exit, open.exists()), (Exit::Clean, false), "{err}");
    }

    #[test]
    fn a_changed_capture_is_named_and_ends_in_2() {
        let folder = tempfile::tempdir().expect("a folder");
        let capture = record(folder.path(), "2026-03-01T00:00:00Z");
        let log = capture.join(capture::LOG);
        let text = std::fs::read_to_string(&log).expect("text").replace("complete", "Complete");
        std::fs::write(&log, text).expect("written");
        let (exit, _, err) = command(folder.path(), &["captures", "verify"], |_| ());
        assert_eq!(exit, Exit::Usage);
        assert!(err.contains("events.jsonl line 2"), "{err}");
    }

    #[test]
    fn a_capture_that_broke_off_is_imported_and_says_what_it_lacks() {
        let (elsewhere, folder) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let log = record(elsewhere.path(), "2026-03-01T00:00:00Z").join(capture::LOG);
        let text = std::fs::read(&log).expect("there");
        std::fs::write(&log, &text[..text.len() - 9]).expect("cut");
        let (exit, out, err) = command(folder.path(), &["import", &log.to_string_lossy()], |_| ());
        assert_eq!(exit, Exit::Clean, "{err}");
        assert!(err.contains("the recording breaks off: the run never said how it ended"), "{err}");
        assert!(err.contains("the last line is half a line of"), "{err}");
        let kept = out.trim();
        let (exit, out, _) = command(folder.path(), &["captures", "verify", kept], |_| ());
        assert_eq!(exit, Exit::Clean);
        assert!(out.contains("1 events") && out.contains("\n  missing: the recording breaks off"), "{out}");
        let (exit, out, err) = command(folder.path(), &["import", kept], |_| ());
        assert_eq!((exit, out.trim()), (Exit::Clean, kept), "{err}");
        assert!(err.contains("is among the captures already"), "{err}");
        assert_eq!(capture::list(&folder.path().join("runs")).expect("there").0.len(), 1);
    }

    #[test]
    fn an_age_needs_a_unit() {
        assert_eq!(age("30d"), Ok(SignedDuration::from_hours(720)));
        for wrong in ["30", "d", "-1d", "1y", "1.5h", "99999999999d"] {
            age(wrong).expect_err(wrong);
        }
    }
}
