//! The place an audit belongs to: where scenarios are read from, and where captures and snapshots go.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{StoreError, create_private_folder, snapshots::SnapshotFolder};

/// The file in a folder of scenarios that describes the app.
pub const APP_FILE: &str = "app.yaml";

/// The place an audit belongs to: the nearest folder, from the working directory upwards, with a `scenarios` folder that holds
/// an app, or scenarios whose app file is missing; else the working directory, with the scenarios that come with the program.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Where `runs` and `snapshots` go.
    pub root: PathBuf,
    /// The `scenarios` folder; `None` when the ones that come with the program are used.
    pub scenarios: Option<PathBuf>,
}

/// The files of one app in a `scenarios` folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppFiles {
    /// App name: the folder's.
    pub name: String,
    /// Its `app.yaml`.
    pub app: PathBuf,
    /// Its scenarios: name (the file's without its ending) and file, sorted.
    pub scenarios: Vec<(String, PathBuf)>,
}

impl Workspace {
    /// Finds the place for a working directory.
    pub fn find(working_directory: &Path) -> Self {
        for root in working_directory.ancestors() {
            let scenarios = root.join("scenarios");
            if apps(&scenarios).is_ok_and(|apps| !apps.is_empty()) || strays(&scenarios).is_ok_and(|strays| !strays.is_empty()) {
                return Self { root: root.to_owned(), scenarios: Some(scenarios) };
            }
        }
        Self { root: working_directory.to_owned(), scenarios: None }
    }

    /// The apps of the `scenarios` folder, sorted; none when there is no such folder.
    ///
    /// # Errors
    /// [`StoreError::Io`] when a folder cannot be read.
    pub fn apps(&self) -> Result<Vec<AppFiles>, StoreError> {
        self.scenarios.as_deref().map_or_else(|| Ok(Vec::new()), apps)
    }

    /// Folders that hold scenarios but no [`APP_FILE`], sorted: scenarios that nothing would ever run.
    ///
    /// # Errors
    /// [`StoreError::Io`] when a folder cannot be read.
    pub fn strays(&self) -> Result<Vec<PathBuf>, StoreError> {
        self.scenarios.as_deref().map_or_else(|| Ok(Vec::new()), strays)
    }

    /// Where captures go.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// Where what is kept with rigs goes.
    pub fn rigs(&self) -> PathBuf {
        self.root.join("rigs")
    }

    /// Where snapshots go. In CI (`ci`) nothing accepted is written there.
    pub fn snapshots(&self, ci: bool) -> SnapshotFolder {
        SnapshotFolder { path: self.root.join("snapshots"), ci }
    }

    /// The policy file, if there is one.
    pub fn policy(&self) -> Option<PathBuf> {
        Some(self.root.join("policy.yaml")).filter(|path| path.is_file())
    }

    /// Makes the folder for captures, for its owner only and out of git's sight, and gives its path.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be made or written to: a read-only place is told at once, before a run, not after.
    pub fn prepare_runs(&self) -> Result<PathBuf, StoreError> {
        let runs = self.runs();
        let fail = |problem| StoreError::of("write", &runs, problem);
        match create_private_folder(&runs) {
            Ok(()) => {}
            Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => {}
            Err(problem) => return Err(fail(problem)),
        }
        let ignore = runs.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "# Captures hold a person's health data: they stay on this machine.\n*\n").map_err(fail)?;
        }
        // Writing is tried, because permissions alone do not tell (read-only mounts, other users' folders).
        let probe = runs.join(format!(".probe-{}", std::process::id()));
        fs::write(&probe, "").map_err(fail)?;
        fs::remove_file(&probe).map_err(fail)?;
        Ok(runs)
    }
}

/// The apps in a `scenarios` folder.
fn apps(scenarios: &Path) -> Result<Vec<AppFiles>, StoreError> {
    let mut apps = Vec::new();
    for folder in entries(scenarios)? {
        let app = folder.join(APP_FILE);
        let Some(name) = folder.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
        if app.is_file() {
            apps.push(AppFiles { name, app, scenarios: scenario_files(&folder)? });
        }
    }
    apps.sort();
    Ok(apps)
}

/// The folder of scenarios itself and the folders in it, where they hold scenarios but no app file.
fn strays(scenarios: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut folders: Vec<_> = entries(scenarios)?.into_iter().filter(|path| path.is_dir()).collect();
    folders.push(scenarios.to_owned());
    folders.retain(|folder| is_stray(folder));
    folders.sort();
    Ok(folders)
}

/// Whether a folder holds scenarios but no app file.
fn is_stray(folder: &Path) -> bool {
    let files = scenario_files(folder).unwrap_or_default();
    !folder.join(APP_FILE).is_file() && files.iter().any(|(_, path)| looks_like_a_scenario(path))
}

/// Whether a file has the two keys without which there is no scenario. Other programs keep YAML in folders called `scenarios`
/// too.
fn looks_like_a_scenario(path: &Path) -> bool {
    let text = super::read_text(path, MOST_LOOKED_AT).unwrap_or_default();
    let has = |key: &str| text.lines().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':')));
    has("steps") && (has("app") || has("name"))
}

/// The scenarios in an app's folder: every `.yaml` that is not the app's own file.
fn scenario_files(folder: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let mut scenarios: Vec<_> = entries(folder)?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml") && path.file_name().is_some_and(|name| name != APP_FILE))
        .filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path)))
        .collect();
    scenarios.sort();
    Ok(scenarios)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs::read_dir(folder).map_err(|problem| StoreError::of("read", folder, problem))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

/// Longest file that is looked at to see whether it is a scenario, in bytes.
const MOST_LOOKED_AT: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_scenarios_folder_above_is_found() {
        let root = tempfile::tempdir().expect("a folder");
        let deep = root.path().join("a/b");
        fs::create_dir_all(&deep).expect("made");
        fs::create_dir_all(root.path().join("scenarios/mifit")).expect("made");
        assert_eq!(Workspace::find(&deep).scenarios, None, "a folder of that name without an app is none");
        for file in ["app.yaml", "workout.yaml", "passive-sync.yaml", "notes.txt"] {
            fs::write(root.path().join("scenarios/mifit").join(file), "").expect("written");
        }
        let found = Workspace::find(&deep);
        assert_eq!(found.root, root.path());
        let apps = found.apps().expect("readable");
        let names: Vec<_> = apps[0].scenarios.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((apps[0].name.as_str(), names), ("mifit", vec!["passive-sync", "workout"]));
    }

    #[test]
    fn scenarios_without_an_app_file_are_found_and_other_yaml_is_not() {
        let root = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        };
        write("scenarios/load/soak.yaml", "users: 100\nramp: 5m\n");
        assert_eq!(Workspace::find(root.path()).scenarios, None, "another program's");
        write("scenarios/nobody/alone.yaml", "name: alone\napp: nobody\nsteps:\n  - launchApp\n");
        write("scenarios/loose.yaml", "app: x\nsteps: []\n");
        let found = Workspace::find(root.path());
        assert!(found.apps().expect("readable").is_empty());
        assert_eq!(found.strays().expect("readable"), [root.path().join("scenarios"), root.path().join("scenarios/nobody")]);
        write("scenarios/nobody/app.yaml", "");
        assert_eq!(found.strays().expect("readable"), [root.path().join("scenarios")]);
    }

    #[test]
    fn captures_stay_out_of_git_and_a_place_that_takes_nothing_is_told() {
        let root = tempfile::tempdir().expect("a folder");
        let runs = Workspace::find(root.path()).prepare_runs().expect("made");
        assert!(fs::read_to_string(runs.join(".gitignore")).expect("there").contains('*'));
        fs::write(root.path().join("file"), "").expect("written");
        let nowhere = Workspace { root: root.path().join("file"), scenarios: None };
        let error = nowhere.prepare_runs().expect_err("a file is no folder");
        assert!(error.to_string().contains("runs"), "{error}");
    }
}
