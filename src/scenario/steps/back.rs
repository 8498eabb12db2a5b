//! `back`: presses the back key.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{
    phone::{Action, Key},
    scenario::rig::Stage,
};

pub(super) const KIND: StepKind = StepKind {
    name: "back",
    about: "Press the back key",
    takes: Takes::Nothing,
    does: "Presses the phone's back key, or makes the gesture that stands for it: the short way to write `pressKey: back`.",
    fails: "When the phone does not answer.",
    example: "- back",
    build,
};

#[derive(Debug)]
struct Back;

fn build(_: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(Back))
}

#[async_trait]
impl Step for Back {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        stage.phone.press_key(Key::Back).await?;
        Ok("pressed back".to_owned())
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::PressKey)
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn the_back_key_is_pressed() {
        let mut fakes = Fakes::new();
        assert_eq!(fakes.run(step("back")).await.expect("it answers"), "pressed back");
        assert_eq!(fakes.phone.done, ["press Back"]);
    }
}
