//! `launchApp`: starts the app under audit, with the permissions that the scenario gives and no others.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{
    phone::{Action, Launch, Permission},
    scenario::{
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "launchApp",
    about: "Start the app, or bring it to the front",
    takes: Takes::Map(&[
        Key { name: "clearState", about: "Forget everything the app has stored first", kind: Kind::Flag, need: Need::Default("false") },
        Key {
            name: "permissions",
            about: "What the app may do; everything that is not named is denied",
            kind: Kind::Map(&[Key {
                name: "location",
                about: "Whether the app may know where the phone is",
                kind: Kind::Word(&["allow", "deny"]),
                need: Need::Default("deny"),
            }]),
            need: Need::Default(""),
        },
    ]),
    does: "Starts the app under audit. A permission is only granted when the file says so: without `permissions`, location is denied. \
           With `clearState: true` the app starts as after its installation, so that it must sign in and pair again.",
    fails: "When the app is not installed, or the phone does not answer.",
    example: "- launchApp: { clearState: true, permissions: { location: allow } }",
    build,
};

#[derive(Debug)]
struct LaunchApp(Launch);

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let location = match build.arguments.map("permissions")?.text("location")? {
        "allow" => Permission::Allow,
        _ => Permission::Deny,
    };
    Some(Box::new(LaunchApp(Launch { clear_state: build.arguments.flag("clearState")?, location })))
}

#[async_trait]
impl Step for LaunchApp {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        stage.phone.launch_app(&self.0).await?;
        let state = if self.0.clear_state { "with its state cleared" } else { "with its state kept" };
        let location = match self.0.location {
            Permission::Allow => "allowed",
            Permission::Deny => "denied",
        };
        Ok(format!("started {state}, location {location}"))
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::LaunchApp)
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn location_is_denied_unless_the_file_allows_it() {
        let mut fakes = Fakes::new();
        assert_eq!(fakes.run(step("launchApp")).await.expect("it starts"), "started with its state kept, location denied");
        fakes.run(step("launchApp: { clearState: true, permissions: { location: allow } }")).await.expect("it starts");
        assert_eq!(fakes.phone.done, ["launch false Deny", "launch true Allow"]);
    }
}
