//! `installApp`: installs the app: a version by its name, a file, or again the version that the run is of.

use std::{cmp::Ordering, path::PathBuf};

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{
    model::{AppVersion, RunEvent, text::printable},
    phone::Action,
    scenario::{
        forms,
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "installApp",
    about: "Install the app",
    takes: Takes::Map(&[
        Key {
            name: "version",
            about: "Which version; the run's own when neither this nor a file is given",
            kind: Kind::Text(&forms::VERSION),
            need: Need::Optional,
        },
        Key {
            name: "file",
            about: "A package, or a folder with the parts of one; a path that is not absolute begins in this file's folder",
            kind: Kind::Text(&forms::FILE),
            need: Need::Optional,
        },
    ]),
    does: "Installs that version over what is there, and asks the phone which one is there afterwards. The note says what became of the \
           version before: a downgrade is called one. Before the first step the run's own version is installed anyway; this step is for \
           installing it again after uninstallApp, and for updates. A run in which a step installs another version than its own \
           counts for none, because nobody can tell which version sent what: compare two versions by two audits, with `--app-version`.",
    fails: "When the phone refuses it (a downgrade, a wrong signature, no room), or has no such version.",
    example: "- installApp: { version: 6.14.0 }",
    build,
};

#[derive(Debug)]
enum InstallApp {
    File(PathBuf),
    Own,
    Version(AppVersion),
}

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let version = build.arguments.text("version").map(AppVersion::named);
    let file = build.arguments.text("file").is_some();
    Some(Box::new(match (version, file) {
        (Some(_), true) => {
            build.wrong("file", "install a version and a file".into(), "which of the two?", "give one of them");
            return None;
        }
        (Some(version), false) => InstallApp::Version(version),
        (None, true) => InstallApp::File(build.place("file")?),
        (None, false) => InstallApp::Own,
    }))
}

#[async_trait]
impl Step for InstallApp {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        // What is there while it is being installed, and after a failure, is not known.
        let before = stage.course.installed.take();
        let now = match self {
            Self::File(file) => stage.phone.install_file(file).await?,
            Self::Own => stage.phone.install(Some(&stage.course.version.clone())).await?,
            Self::Version(version) => stage.phone.install(Some(version)).await?,
        };
        stage.course.installed = Some(now.clone());
        stage.log.write(RunEvent::AppInstalled { version: now.clone() }).await;
        let other = if now.cmp(&stage.course.version).is_eq() { "" } else { "; the run is of another version" };
        let now = (printable(&now.name), now);
        Ok(match before.map(|before| (now.1.cmp(&before), printable(&before.name))) {
            None => format!("installed version {}{other}", now.0),
            Some((Ordering::Equal, _)) => format!("installed version {} again{other}", now.0),
            Some((Ordering::Greater, before)) => format!("installed version {}, an update from {before}{other}", now.0),
            Some((Ordering::Less, before)) => format!("installed version {}, a downgrade from {before}{other}", now.0),
        })
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::InstallApp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn an_update_a_downgrade_and_the_same_again_are_told_apart() {
        // The run is of 1.0, which is there.
        let mut fakes = Fakes::new();
        for (line, note) in [
            ("installApp", "installed version 1.0 again"),
            ("installApp: { version: 1.2 }", "installed version 1.2, an update from 1.0; the run is of another version"),
            ("installApp: { version: \"1.10\" }", "installed version 1.10, an update from 1.2; the run is of another version"),
            ("installApp: { version: 1.0 }", "installed version 1.0, a downgrade from 1.10"),
            ("uninstallApp", "the app is removed"),
            ("installApp", "installed version 1.0"),
        ] {
            assert_eq!(fakes.run(step(line)).await.expect("it takes it"), note, "{line}");
        }
        let installed = |name: &str| RunEvent::AppInstalled { version: AppVersion::named(name) };
        assert_eq!(fakes.log.written(), ["1.0", "1.2", "1.10", "1.0", "1.0"].map(installed));
    }

    #[tokio::test]
    async fn a_file_has_its_own_version() {
        let mut fakes = Fakes::new();
        let note = fakes.run(step("installApp: { file: packages/2.0.apk }")).await.expect("it takes it");
        assert_eq!(note, "installed version 2.0, an update from 1.0; the run is of another version");
        assert_eq!(fakes.phone.done, ["install app-folder/packages/2.0.apk"]);
    }
}
