//! `stopApp`: stops the app under audit.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{phone::Action, scenario::rig::Stage};

pub(super) const KIND: StepKind = StepKind {
    name: "stopApp",
    about: "Stop the app",
    takes: Takes::Nothing,
    does: "Ends the app and its background work, as the phone's settings do. Stopping an app that is not running is fine.",
    fails: "When the phone does not answer.",
    example: "- stopApp",
    build,
};

#[derive(Debug)]
struct StopApp;

fn build(_: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(StopApp))
}

#[async_trait]
impl Step for StopApp {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        stage.phone.stop_app().await?;
        Ok("stopped".into())
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::StopApp)
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn the_app_is_stopped() {
        let mut fakes = Fakes::new();
        fakes.run(step("stopApp")).await.expect("it stops");
        assert_eq!(fakes.phone.done, ["stop"]);
    }
}
