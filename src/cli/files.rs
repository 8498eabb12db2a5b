//! The files people write, for commands: of the workspace, else those that come with the program. What they say is read by
//! `scenario::parse`.

use std::path::{Path, PathBuf};

use miette::{Diagnostic, MietteDiagnostic};

use super::{Failure, Surroundings};
use crate::{
    detect,
    model::{App, Policy},
    run,
    scenario::{RigFile, Scenario, ScenarioFiles, embedded, parse},
    store::{self, StoreError, Workspace, workspace::APP_FILE},
};

/// Longest file a person writes that is read, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;

/// One app with its scenarios, as text.
#[derive(Clone, Debug)]
pub(super) struct AppTexts {
    /// App name.
    pub(super) name: String,
    /// The folder of its files; none when they are embedded.
    pub(super) folder: Option<PathBuf>,
    /// Its app file.
    pub(super) app: Text,
    /// Its scenarios, by name.
    pub(super) scenarios: Vec<(String, Text)>,
}

/// What a scenario of the app may name: files of its folder; of those that come with the program, its other scenarios.
pub(super) struct AppFolder<'a> {
    pub(super) texts: &'a AppTexts,
    pub(super) surroundings: &'a Surroundings,
}

impl ScenarioFiles for AppFolder<'_> {
    fn scenario(&self, path: &str) -> Result<(String, String), String> {
        if let Some(folder) = &self.texts.folder {
            let path = folder.join(path);
            let read = store::read_text(&path, MOST_BYTES).map_err(|error| match error {
                StoreError::Io { problem, .. } => problem.to_string(),
                other => other.to_string(),
            })?;
            return Ok((self.surroundings.shown(&path), read));
        }
        let found = self.texts.scenarios.iter().find(|(name, _)| path.strip_suffix(".yaml") == Some(name));
        found.map(|(_, text)| (text.label.clone(), text.text.clone())).ok_or_else(|| "it does not come with the program".to_owned())
    }

    fn place(&self, path: &str) -> Option<PathBuf> {
        self.texts.folder.as_ref().map(|folder| if path.is_empty() { folder.clone() } else { folder.join(path) })
    }
}

/// A file's text and what to call it.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// The file as a person would type it, or `embedded: …`.
    pub(super) label: String,
    /// Its text.
    pub(super) text: String,
}

/// Every app of the workspace, else those that come with the program.
pub(super) fn apps(workspace: &Workspace, surroundings: &Surroundings) -> Result<Vec<AppTexts>, Failure> {
    if workspace.scenarios.is_none() {
        return Ok(embedded_apps());
    }
    let apps = workspace.apps()?.into_iter().map(|files| {
        let scenarios = files.scenarios.iter().map(|(name, path)| Ok((name.clone(), text(path, surroundings)?)));
        let folder = files.app.parent().map(Path::to_owned);
        Ok(AppTexts {
            name: files.name,
            folder,
            app: text(&files.app, surroundings)?,
            scenarios: scenarios.collect::<Result<_, Failure>>()?,
        })
    });
    apps.collect()
}

/// The apps that come with the program.
fn embedded_apps() -> Vec<AppTexts> {
    let label = |app: &str, file: &str| format!("embedded: scenarios/{app}/{file}");
    let apps = embedded::apps().iter().map(|app| AppTexts {
        name: app.name.to_owned(),
        folder: None,
        app: Text { label: label(app.name, "app.yaml"), text: app.app_yaml.to_owned() },
        scenarios: app
            .scenarios
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Text { label: label(app.name, &format!("{name}.yaml")), text: (*text).to_owned() }))
            .collect(),
    });
    apps.collect()
}

/// Reads a file that a person wrote.
pub(super) fn text(path: &Path, surroundings: &Surroundings) -> Result<Text, Failure> {
    Ok(Text { label: surroundings.shown(path), text: store::read_text(path, MOST_BYTES)? })
}

/// The app of this name: the workspace's, else the embedded one; `None` when neither has it.
pub(super) fn app(workspace: &Workspace, name: &str, surroundings: &Surroundings) -> Result<Option<(App, AppTexts)>, Failure> {
    let mut all = apps(workspace, surroundings)?;
    all.extend(embedded_apps());
    let Some(texts) = all.into_iter().find(|texts| texts.name == name) else { return Ok(None) };
    let mut app = parse::app(&texts.app.label, &texts.name, &texts.app.text)?;
    let problems = descriptors(&mut app, texts.folder.as_deref(), surroundings);
    if problems.is_empty() { Ok(Some((app, texts))) } else { Err(Failure::Files(problems)) }
}

/// Reads the files of descriptors that an app names, and gives what is wrong with them.
pub(super) fn descriptors(app: &mut App, folder: Option<&Path>, surroundings: &Surroundings) -> Vec<Problem> {
    let help = "write it with: protoc --include_imports --descriptor_set_out=FILE.binpb FILE.proto";
    let mut problems = Vec::new();
    for call in &mut app.protobuf {
        let path = folder.map_or_else(|| PathBuf::from(&call.file), |folder| folder.join(&call.file));
        match store::read_bytes(&path, MOST_BYTES) {
            Ok(bytes) => call.descriptors = bytes,
            Err(wrong) => {
                problems.push(problem(format!("read the descriptors of {}: {wrong}", call.message), help.to_owned()));
                continue;
            }
        }
        if let Err(why) = crate::decode::check_protobuf(call) {
            problems.push(problem(format!("use {}: {why}", surroundings.shown(&path)), help.to_owned()));
        }
    }
    problems
}

/// Something wrong with files that no place in a text shows.
pub(super) type Problem = Box<dyn Diagnostic + Send + Sync>;

/// A problem in words, with what to do about it.
fn problem(what: String, help: String) -> Problem {
    Box::new(MietteDiagnostic::new(what).with_help(help))
}

/// A folder with scenarios but without an app file: nothing would ever run them.
pub(super) fn stray(folder: &Path, surroundings: &Surroundings) -> Problem {
    let app_file = surroundings.shown(&folder.join(APP_FILE));
    let help = if folder.file_name().is_some_and(|name| name == "scenarios") {
        format!("move them into their app's folder, scenarios/<app>/, beside its {APP_FILE}; `tattletale init` writes one to start from")
    } else {
        format!(
            "write {app_file}, which names the app's package and hosts (`tattletale init` writes scenarios/mifit/{APP_FILE} to start \
             from), or move the scenarios to the app they belong to"
        )
    };
    problem(format!("{app_file} is missing: scenarios stand in {}, and nothing says of which app", surroundings.shown(folder)), help)
}

/// Refuses scenarios that stand where nothing would run them.
pub(super) fn refuse_strays(workspace: &Workspace, surroundings: &Surroundings) -> Result<(), Failure> {
    let strays: Vec<_> = workspace.strays()?.iter().map(|folder| stray(folder, surroundings)).collect();
    if strays.is_empty() { Ok(()) } else { Err(Failure::Files(strays)) }
}

/// What is wrong with a scenario's name, which no place in its text shows.
pub(super) fn reserved(name: &str, label: &str) -> Option<Problem> {
    (name == run::CONTROL).then(|| {
        let what = format!("{label}: no scenario can be called {name}");
        problem(what, "control runs, in which the app is stopped, are kept under that name: choose another one".to_owned())
    })
}

/// What is wrong with a rig file that others can read (R18).
pub(super) fn exposed(path: &Path, surroundings: &Surroundings) -> Result<Option<Problem>, Failure> {
    let shown = surroundings.shown(path);
    Ok(store::open_to_others(path)?.map(|mode| {
        let what = format!("{shown} is open to other users of this machine (mode {mode:03o}): it may hold a band's key");
        problem(what, format!("run: chmod 600 {shown}"))
    }))
}

/// A rig file, all problems at once.
pub(super) fn rig(path: &Path, surroundings: &Surroundings) -> Result<RigFile, Failure> {
    let text = text(path, surroundings)?;
    let mut problems: Vec<Problem> = exposed(path, surroundings)?.into_iter().collect();
    match parse::rig(&text.label, &text.text) {
        Ok(rig) if problems.is_empty() => return Ok(rig),
        Ok(_) => {}
        Err(wrong) => problems.push(Box::new(wrong)),
    }
    Err(Failure::Files(problems))
}

/// The scenario of this name, when the app has it.
pub(super) fn scenario(texts: &AppTexts, name: &str, app: &App, surroundings: &Surroundings) -> Result<Option<Scenario>, Failure> {
    let label = texts.scenarios.iter().find(|(is, _)| is == name).map(|(_, text)| text.label.as_str());
    if let Some(problem) = label.and_then(|label| reserved(name, label)) {
        return Err(Failure::Files(vec![problem]));
    }
    let found = texts.scenarios.iter().find(|(is, _)| is == name);
    let files = AppFolder { texts, surroundings };
    found.map(|(name, text)| parse::scenario_among(&text.label, name, &text.text, app, &files).map_err(Failure::from)).transpose()
}

/// Names of the rules that a policy may speak of.
pub(super) fn rules() -> Vec<&'static str> {
    detect::DETECTORS.iter().map(|rule| rule.name()).collect()
}

/// The policy: the named file, else the workspace's `policy.yaml`, else the default.
pub(super) fn policy(workspace: &Workspace, named: Option<&PathBuf>, surroundings: &Surroundings) -> Result<Policy, Failure> {
    match named.map(|path| surroundings.path(path)).or_else(|| workspace.policy()) {
        None => Ok(Policy::default()),
        Some(path) => {
            let text = text(&path, surroundings)?;
            Ok(parse::policy(&text.label, &text.text, &rules())?)
        }
    }
}
