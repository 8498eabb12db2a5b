//! `tapOn`: taps on what has a text.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{
    phone::{Action, Target},
    scenario::{
        forms,
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "tapOn",
    about: "Tap on what has this text",
    takes: Takes::One(Key { name: "text", about: "The text, as the app shows it", kind: Kind::Text(&forms::TEXT), need: Need::Required }),
    does: "Taps on the element in front whose text is exactly this.",
    fails: "When nothing in front has this text; what has one is named.",
    example: "- tapOn: \"Workout\"",
    build,
};

#[derive(Debug)]
struct TapOn(String);

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(TapOn(build.arguments.text("text")?.to_owned())))
}

#[async_trait]
impl Step for TapOn {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        stage.phone.tap_on(&Target::Text(self.0.clone())).await?;
        Ok(format!("tapped on {:?}", self.0))
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::TapOn)
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn the_text_that_was_written_is_tapped() {
        let mut fakes = Fakes::new();
        fakes.run(step("tapOn: Workout")).await.expect("it is there");
        assert_eq!(fakes.phone.done, ["tap Workout"]);
    }
}
