//! `restore`: puts back what a run that crashed, or lost its phone, left changed there. What that was stands in the rig's journal.

use std::path::Path;

use clap::Args;

use super::{
    Exit, Failure, Surroundings,
    run::{begin_job, begin_phone_job, runtime},
};
use crate::{
    model::PhoneChange,
    phone::adb::{Undoing, Undone, given_up, is_pending, undo_journal},
    store::RigFolder,
};

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The rig: the name of its file without `.yaml`; all rigs when left out
    #[arg(long, value_name = "NAME")]
    rig: Option<String>,
    /// Also put back the app's version: an app that was not there before is removed with its data
    #[arg(long)]
    app: bool,
    /// Put nothing back, and let go of what is noted of the rig's phone, which is told: for a phone that is lost, broken, or reached under
    /// another serial number now
    #[arg(long, requires = "rig", conflicts_with = "app")]
    forget: bool,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let workspace = surroundings.workspace();
    let rigs = match &arguments.rig {
        Some(typed) => {
            // Who gives the rig's file, as `run --rig` wants it, means the same rig.
            let name = Path::new(typed).file_stem().filter(|_| typed.ends_with(".yaml")).and_then(|stem| stem.to_str()).unwrap_or(typed);
            vec![RigFolder::of(&workspace, name)?]
        }
        None => RigFolder::all(&workspace)?,
    };
    let (mut exit, mut nothing) = (Exit::Clean, true);
    for rig in rigs {
        match if arguments.forget { forget(&rig, surroundings) } else { one(&rig, arguments.app, surroundings) } {
            Ok(None) => {}
            Ok(Some(ended)) => (exit, nothing) = (exit.worse(ended), false),
            // Another rig's phone may be there.
            Err(failure) => {
                failure.tell(surroundings);
                (exit, nothing) = (exit.worse(failure.exit()), false);
            }
        }
    }
    if nothing {
        surroundings.note("nothing is left to put back: no rig has changed its phone");
    }
    Ok(exit)
}

/// Puts one rig's phone back; `None` when there was nothing to do.
fn one(rig: &RigFolder, app: bool, surroundings: &mut Surroundings) -> Result<Option<Exit>, Failure> {
    if rig.journal()?.is_none() {
        return Ok(None);
    }
    // Only now: a rig that is in use has its journal in use, too.
    let _job = begin_job(rig, "restore", surroundings)?;
    let Some(journal) = rig.journal()? else { return Ok(None) };
    let _phone = begin_phone_job(&journal.phone.serial, "restore", surroundings)?;
    let mut exit = None;
    if is_pending(&journal) || app {
        surroundings.note(format_args!("rig {}:", rig.name()));
        let undone = runtime()?.block_on(undo_journal(rig, app, Vec::new()))?;
        exit = Some(if tell(&undone, surroundings) { Exit::Failed } else { Exit::Clean });
    }
    for entry in rig.journal()?.iter().flat_map(|journal| &journal.entries) {
        if let PhoneChange::App { package, before, original } = &entry.change
            && !app
        {
            let before = before.as_ref().map_or_else(|| "was not installed".to_owned(), |before| format!("had version {before}"));
            let without = if original.is_some() { ", without its data, which went with it" } else { "" };
            let hint = format!("`tattletale restore --app` puts that back{without}");
            surroundings.note(format_args!("rig {}: {package} {before} before it was installed for a run; {hint}", rig.name()));
            exit = exit.or(Some(Exit::Clean));
        }
    }
    Ok(exit)
}

/// Lets go of one rig's journal, and says what that gives up; `None` when there is none. One that cannot be read can be let go of, too.
fn forget(rig: &RigFolder, surroundings: &mut Surroundings) -> Result<Option<Exit>, Failure> {
    if !rig.journal_file().exists() {
        return Ok(None);
    }
    let _job = begin_job(rig, "restore", surroundings)?;
    match rig.journal() {
        Ok(journal) => {
            for change in journal.iter().flat_map(given_up) {
                surroundings.warn(format_args!("rig {}: given up, and left as it is: {change}", rig.name()));
            }
        }
        Err(error) => surroundings.warn(format_args!("rig {}: given up, whatever it was: failed to {error}", rig.name())),
    }
    rig.forget_journal()?;
    Ok(Some(Exit::Clean))
}

/// Says what became of each change. Gives whether one could not be put back.
pub(super) fn tell(undone: &[Undone], surroundings: &mut Surroundings) -> bool {
    let mut failed = false;
    for Undone { what, how } in undone {
        match how {
            Undoing::AlreadyAsBefore => surroundings.note(format_args!("  as before already: {what}")),
            Undoing::Back(to) => surroundings.warn(format_args!("  put back: {what}: {to}")),
            Undoing::Left(why) => surroundings.warn(format_args!("  left as it is: {what}: {why}")),
            Undoing::Failed { why, help } => {
                failed = true;
                surroundings.warn(format_args!("  not put back: {what}: failed to {why}"));
                if !help.is_empty() {
                    surroundings.warn(format_args!("    {help}"));
                }
            }
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::surroundings::testing::command;

    #[test]
    fn where_nothing_was_changed_there_is_nothing_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let (exit, out, err) = command(folder.path(), &["restore"], |_| ());
        assert_eq!((exit, out.as_str(), err.as_str()), (Exit::Clean, "", "nothing is left to put back: no rig has changed its phone\n"));
        assert!(!folder.path().join("rigs").exists());
        let (exit, _, err) = command(folder.path(), &["restore", "--rig", "../x"], |_| ());
        assert_eq!(exit, Exit::Usage, "{err}");
    }

    #[test]
    fn a_damaged_journal_is_told_and_left() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("rigs/pixel")).expect("ours");
        let file = folder.path().join("rigs/pixel/journal.json");
        std::fs::write(&file, "{").expect("ours");
        let (exit, _, err) = command(folder.path(), &["restore"], |_| ());
        assert_eq!(exit, Exit::Usage, "{err}");
        assert!(err.contains("journal.json") && file.exists(), "{err}");
        let (exit, _, err) = command(folder.path(), &["restore", "--rig", "pixel", "--forget"], |_| ());
        assert!(exit == Exit::Clean && err.contains("given up, whatever it was") && !file.exists(), "{err}");
    }

    #[test]
    fn what_is_given_up_with_a_lost_phone_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("rigs/pixel")).expect("ours");
        let journal = serde_json::json!({
            "format": 1, "tool": "0.0.0", "phone": { "program": "adb", "serial": "INVENTED01" },
            "entries": [{ "at": "2026-03-02T08:00:00Z", "change": { "what": "proxy", "before": { "http_proxy": "10.0.0.1:3128" }, "set": [] } }],
        });
        std::fs::write(folder.path().join("rigs/pixel/journal.json"), journal.to_string()).expect("ours");
        let (exit, _, err) = command(folder.path(), &["restore", "--rig", "pixel", "--forget"], |_| ());
        assert!(exit == Exit::Clean && err.contains("the setting global http_proxy: before, http_proxy 10.0.0.1:3128"), "{err}");
        assert!(!err.contains("INVENTED01"), "{err}");
        let (_, _, err) = command(folder.path(), &["restore"], |_| ());
        assert!(err.contains("nothing is left to put back"), "{err}");
    }
}
