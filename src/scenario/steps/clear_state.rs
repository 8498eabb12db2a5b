//! `clearState`: makes the app as it is after its installation.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{phone::Action, scenario::rig::Stage};

pub(super) const KIND: StepKind = StepKind {
    name: "clearState",
    about: "Make the app forget everything it has stored",
    takes: Takes::Nothing,
    does: "Stops the app and makes it as it is after its installation: without account, paired band, settings and permissions. To start it \
           so at once, `launchApp: { clearState: true }` is shorter.",
    fails: "When the phone cannot do that, or the app is not installed.",
    example: "- clearState",
    build,
};

#[derive(Debug)]
struct ClearState;

fn build(_: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(ClearState))
}

#[async_trait]
impl Step for ClearState {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        stage.phone.clear_state().await?;
        Ok("the app has forgotten what it had stored".to_owned())
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::ClearState)
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn the_app_forgets() {
        let mut fakes = Fakes::new();
        fakes.run(step("clearState")).await.expect("it answers");
        assert_eq!(fakes.phone.done, ["clear state"]);
    }
}
