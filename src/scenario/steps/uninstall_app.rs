//! `uninstallApp`: removes the app with everything it has stored.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{phone::Action, scenario::rig::Stage};

pub(super) const KIND: StepKind = StepKind {
    name: "uninstallApp",
    about: "Remove the app with everything it has stored",
    takes: Takes::Nothing,
    does: "Removes the app from the phone. `installApp` without more brings the version back that the run is of, as after a first \
           installation.",
    fails: "When the phone keeps it. That there is none is fine.",
    example: "- uninstallApp",
    build,
};

#[derive(Debug)]
struct UninstallApp;

fn build(_: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(UninstallApp))
}

#[async_trait]
impl Step for UninstallApp {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        stage.phone.uninstall_app().await?;
        stage.course.installed = None;
        Ok("the app is removed".to_owned())
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::UninstallApp)
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn the_app_is_removed() {
        let mut fakes = Fakes::new();
        fakes.run(step("uninstallApp")).await.expect("it goes");
        assert_eq!(fakes.phone.done, ["uninstall"]);
    }
}
