//! `check`: every scenario, app, policy, rig and planted-value file at once, without a rig. All problems of all files are told.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{
    Exit, Failure, Surroundings,
    files::{self, AppFolder, AppTexts, Problem, Text},
    plant,
};
use crate::{
    model::{App, text::printable},
    scenario::{SamePlace, parse},
    store::{Workspace, workspace::APP_FILE},
};

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files or folders, with policy.yaml, rig.yaml and planted.yaml in them; the working directory or a parent when none is named
    paths: Vec<PathBuf>,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let mut checked = Checked::default();
    if arguments.paths.is_empty() {
        let workspace = surroundings.workspace();
        for texts in files::apps(&workspace, surroundings)? {
            checked.app_folder(&texts, surroundings);
        }
        checked.problems.extend(workspace.strays()?.iter().map(|folder| files::stray(folder, surroundings)));
        checked.beside(&workspace.root, surroundings)?;
    }
    for typed in &arguments.paths {
        let path = surroundings.path(typed);
        if path.is_dir() {
            checked.folder(&path, surroundings)?;
        } else {
            checked.file(&path, surroundings)?;
        }
    }
    for warning in &checked.warnings {
        surroundings.warn(format_args!("warning: {warning}"));
    }
    if !checked.problems.is_empty() {
        return Err(Failure::Files(checked.problems));
    }
    surroundings.print(&format!("{} files are right\n", checked.files))?;
    Ok(Exit::Clean)
}

const POLICY: &str = "policy.yaml";
const RIG: &str = "rig.yaml";
const PLANTED: &str = "planted.yaml";

#[derive(Default)]
struct Checked {
    files: usize,
    problems: Vec<Problem>,
    /// What is allowed, and probably not what was meant.
    warnings: Vec<String>,
}

impl Checked {
    /// Policy, rig and planted values in a folder, where they are there. Gives whether one was.
    fn beside(&mut self, folder: &Path, surroundings: &Surroundings) -> Result<bool, Failure> {
        let mut any = false;
        for name in [POLICY, RIG, PLANTED, plant::LOCAL] {
            let path = folder.join(name);
            if path.is_file() {
                any = true;
                self.file(&path, surroundings)?;
            }
        }
        Ok(any)
    }

    /// A folder: an app's, one of apps, or one that holds `scenarios`; with the policy and the rig in it.
    fn folder(&mut self, path: &Path, surroundings: &Surroundings) -> Result<(), Failure> {
        let any = self.beside(path, surroundings)?;
        let candidates = [path.parent().map(Path::to_owned), Some(path.to_owned()), Some(path.join("scenarios"))];
        for scenarios in candidates.into_iter().flatten() {
            let workspace = Workspace { root: path.to_owned(), scenarios: Some(scenarios.clone()) };
            let mut apps = files::apps(&workspace, surroundings).unwrap_or_default();
            if Some(scenarios.as_path()) == path.parent() {
                // The folder may be an app's own; its neighbours were not asked for.
                apps.retain(|texts| path.file_name().is_some_and(|name| name == texts.name.as_str()));
            }
            let strays = if Some(scenarios.as_path()) == path.parent() { Vec::new() } else { workspace.strays().unwrap_or_default() };
            if !apps.is_empty() || !strays.is_empty() {
                apps.iter().for_each(|texts| self.app_folder(texts, surroundings));
                self.problems.extend(strays.iter().map(|folder| files::stray(folder, surroundings)));
                return Ok(());
            }
        }
        if any {
            return Ok(());
        }
        let shown = surroundings.shown(path);
        Err(Failure::usage(format!("find an app in {shown}"), format!("a folder of scenarios holds {APP_FILE} beside them")))
    }

    /// An app with its scenarios.
    fn app_folder(&mut self, texts: &AppTexts, surroundings: &Surroundings) {
        let mut app = self.keep(parse::app(&texts.app.label, &texts.name, &texts.app.text).map_err(boxed));
        if let Some(app) = &mut app {
            self.problems.extend(files::descriptors(app, texts.folder.as_deref(), surroundings));
        }
        // Scenarios are still checked when their app is wrong: all problems at once.
        let app = app.unwrap_or_else(|| App { name: texts.name.clone(), ..App::default() });
        let files = AppFolder { texts, surroundings };
        let is_told = |label: &str| texts.scenarios.iter().any(|(_, text)| text.label == label);
        for (name, text) in &texts.scenarios {
            self.problems.extend(files::reserved(name, &text.label));
            if let Some(scenario) =
                self.keep(parse::scenario_among(&text.label, name, &text.text, &app, &files).map_err(|wrong| boxed(wrong.without(is_told))))
            {
                self.warnings.extend(scenario.same_places().into_iter().map(|same| same_place(&text.label, same)));
            }
        }
    }

    /// One file: what it is, its name says.
    fn file(&mut self, path: &Path, surroundings: &Surroundings) -> Result<(), Failure> {
        let text = files::text(path, surroundings)?;
        let Text { label, text } = &text;
        match path.file_name().and_then(|name| name.to_str()) {
            Some(POLICY) => drop(self.keep(parse::policy(label, text, &files::rules()).map_err(boxed))),
            Some(RIG) => {
                self.problems.extend(files::exposed(path, surroundings)?);
                self.keep(parse::rig(label, text).map_err(boxed));
            }
            Some(plant::LOCAL | PLANTED) => {
                self.problems.extend(plant::exposed(path, surroundings)?);
                self.keep(parse::planted(label, text).map_err(boxed));
            }
            Some(APP_FILE) => {
                let name = folder_name(path, surroundings)?;
                let mut app = self.keep(parse::app(label, &name, text).map_err(boxed));
                if let Some(app) = &mut app {
                    self.problems.extend(files::descriptors(app, path.parent(), surroundings));
                }
            }
            _ => {
                let name = folder_name(path, surroundings)?;
                let app_file = path.with_file_name(APP_FILE);
                if !app_file.is_file() {
                    return Err(Failure::usage(
                        format!("check {label}: there is no {APP_FILE} beside it"),
                        "a scenario belongs to an app: put it into the app's folder; a policy is called policy.yaml, a rig rig.yaml",
                    ));
                }
                let app = files::text(&app_file, surroundings)?;
                let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
                let scenarios = vec![(stem, Text { label: label.clone(), text: text.clone() })];
                let folder = path.parent().map(Path::to_owned);
                self.app_folder(&AppTexts { name, folder, app, scenarios }, surroundings);
            }
        }
        Ok(())
    }

    fn keep<T>(&mut self, read: Result<T, Problem>) -> Option<T> {
        self.files += 1;
        read.map_err(|problems| self.problems.push(problems)).ok()
    }
}

/// A phase in which a position that is sent will not be told from one that an earlier phase explains.
fn same_place(label: &str, SamePlace { line, phase, left_by }: SamePlace<'_>) -> String {
    printable(&format!(
        "{label} line {line}: phase {phase} begins where phase {left_by}, which explains location, left the phone: a position sent in \
         {phase} cannot be told from one of {left_by}. Move the phone at least 5 km away with the first step of {phase}"
    ))
}

fn boxed(problems: impl miette::Diagnostic + Send + Sync + 'static) -> Problem {
    Box::new(problems)
}

/// The app's name: that of the folder a file is in.
fn folder_name(path: &Path, surroundings: &Surroundings) -> Result<String, Failure> {
    let folder = path.canonicalize().ok().and_then(|path| Some(path.parent()?.file_name()?.to_str()?.to_owned()));
    folder.ok_or_else(|| Failure::usage(format!("tell which app {} belongs to", surroundings.shown(path)), "put it into the app's folder"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::surroundings::testing::command;

    #[test]
    fn the_shipped_files_are_right_in_an_empty_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let (exit, out, err) = command(folder.path(), &["check"], |_| ());
        assert_eq!((exit, err.as_str()), (Exit::Clean, ""));
        assert_eq!(out, "4 files are right\n");
    }

    #[test]
    fn a_phase_that_begins_where_a_workout_ended_is_warned_of_and_no_mistake() {
        let folder = tempfile::tempdir().expect("a folder");
        command(folder.path(), &["init"], |_| ());
        let path = folder.path().join("scenarios/mifit/workout.yaml");
        let shipped = fs::read_to_string(&path).expect("text");
        let away = "  - setLocation: { lat: 51.92250, lon: 4.47917 }\n";
        let begins = "  - phase: { name: background }\n";
        assert!(shipped.contains(&format!("{begins}{away}")), "the shipped one moves the phone with the phase's first step");
        let sync = "  - phase: { name: sync-again }\n  - pullToRefresh\n";
        for (text, warned) in [
            (shipped.clone(), vec![]),
            (
                // Still in the workout when it gets there, so the workout explains that place.
                shipped.replace(&format!("{begins}{away}"), &format!("{away}{begins}")),
                vec!["phase background begins where phase workout"],
            ),
            (shipped.replace(away, ""), vec!["phase background begins where phase workout"]),
            (shipped.replace(begins, &format!("{sync}{begins}")), vec!["phase sync-again begins where phase workout"]),
            (
                shipped.replace(away, "").replace(begins, &format!("{sync}{begins}")),
                vec!["phase sync-again begins where phase workout", "phase background begins where phase workout"],
            ),
        ] {
            fs::write(&path, &text).expect("written");
            let (exit, _, err) = command(folder.path(), &["check"], |_| ());
            assert_eq!(exit, Exit::Clean, "{err}");
            assert_eq!(err.lines().count(), warned.len(), "{err}");
            for words in warned {
                assert!(err.contains("workout.yaml line ") && err.contains(words), "{words}: {err}");
            }
        }
    }

    #[test]
    fn a_folder_is_checked_with_its_policy_and_its_rig() {
        let folder = tempfile::tempdir().expect("a folder");
        command(folder.path(), &["init"], |_| ());
        let (_, right, _) = command(folder.path(), &["check", "."], |_| ());
        assert_eq!(right, command(folder.path(), &["check"], |_| ()).1, "both check the same files");
        fs::write(folder.path().join("policy.yaml"), "fail_level: loud\n").expect("written");
        let (exit, _, err) = command(folder.path(), &["check", "."], |_| ());
        assert!(exit == Exit::Usage && err.contains("loud"), "{err}");
        let alone = tempfile::tempdir().expect("a folder");
        fs::write(alone.path().join("policy.yaml"), "fail_level: warning\n").expect("written");
        assert_eq!(command(alone.path(), &["check", "."], |_| ()).0, Exit::Clean);
    }

    #[test]
    fn every_problem_of_every_file_is_told_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let app = folder.path().join("scenarios/mifit");
        command(folder.path(), &["init"], |_| ()).0.eq(&Exit::Clean).then_some(()).expect("set up");
        let change = |file: &str, from: &str, to: &str| {
            let text = fs::read_to_string(app.join(file)).expect("text");
            assert!(text.contains(from), "{file}");
            fs::write(app.join(file), text.replacen(from, to, 1)).expect("written");
        };
        change("workout.yaml", "- launchApp", "- lunchApp");
        change("passive-sync.yaml", "pullToRefresh", "pullToRefersh");
        fs::write(folder.path().join("policy.yaml"), "fail_level: loud\nseverity: { new-feild: note }\n").expect("written");
        let (exit, out, err) = command(folder.path(), &["check"], |_| ());
        assert_eq!((exit, out.as_str()), (Exit::Usage, ""));
        for word in ["lunchApp", "launchApp", "pullToRefersh", "workout.yaml", "passive-sync.yaml", "policy.yaml", "loud", "new-feild"] {
            assert!(err.contains(word), "{word} is missing in:\n{err}");
        }
        let one = command(folder.path(), &["check", "scenarios/mifit/first-launch.yaml"], |_| ());
        assert_eq!((one.0, one.2.as_str()), (Exit::Clean, ""), "{}", one.1);
        for path in ["scenarios", "scenarios/mifit", "."] {
            assert_eq!(command(folder.path(), &["check", path], |_| ()).0, Exit::Usage, "{path}");
        }
        let (exit, _, err) = command(folder.path(), &["check", "nowhere.yaml"], |_| ());
        assert_eq!(exit, Exit::Usage);
        assert!(err.starts_with("error: failed to read") && err.contains("nowhere.yaml"), "{err}");
    }
}
