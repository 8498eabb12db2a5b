//! `pressKey`: presses one of the phone's keys.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{
    phone::{Action, Key as PhoneKey},
    scenario::{
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "pressKey",
    about: "Press a key of the phone",
    takes: Takes::One(Key { name: "key", about: "Which key", kind: Kind::Word(&["back", "home"]), need: Need::Required }),
    does: "Presses the key. `home` sends the app to the background.",
    fails: "When the phone does not answer.",
    example: "- pressKey: home",
    build,
};

#[derive(Debug)]
struct PressKey(PhoneKey);

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(PressKey(match build.arguments.text("key")? {
        "home" => PhoneKey::Home,
        _ => PhoneKey::Back,
    })))
}

#[async_trait]
impl Step for PressKey {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        stage.phone.press_key(self.0).await?;
        Ok(format!("pressed {}", self.0.word()))
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::PressKey)
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn the_key_that_was_written_is_pressed() {
        let mut fakes = Fakes::new();
        fakes.run(step("pressKey: home")).await.expect("it answers");
        fakes.run(step("pressKey: back")).await.expect("it answers");
        assert_eq!(fakes.phone.done, ["press Home", "press Back"]);
    }
}
