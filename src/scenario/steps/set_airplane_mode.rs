//! `setAirplaneMode`: switches the phone's radios off or on again.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{
    phone::Action,
    scenario::{
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "setAirplaneMode",
    about: "Switch the phone's radios off, or on again",
    takes: Takes::One(Key {
        name: "mode",
        about: "Whether the airplane mode is on",
        kind: Kind::Word(&["disabled", "enabled"]),
        need: Need::Required,
    }),
    does: "Switches the airplane mode, and asks the phone whether it is so: to see what the app keeps while it has no network, and sends when \
           it has one again. The band is out of the app's reach, too. After the run the phone is as it was.",
    fails: "When the phone does not take it. One that has no such switch for a computer, or to which adb comes over a network, is refused \
            before the run: nobody could switch it back.",
    example: "- setAirplaneMode: enabled",
    build,
};

#[derive(Debug)]
struct SetAirplaneMode(bool);

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(SetAirplaneMode(build.arguments.text("mode")? == "enabled")))
}

#[async_trait]
impl Step for SetAirplaneMode {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        stage.phone.set_airplane_mode(self.0).await?;
        Ok(if self.0 { "the phone's radios are off" } else { "the phone's radios are on" }.to_owned())
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::SetAirplaneMode)
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn the_radios_go_off_and_on() {
        let mut fakes = Fakes::new();
        assert_eq!(fakes.run(step("setAirplaneMode: enabled")).await.expect("it takes it"), "the phone's radios are off");
        assert_eq!(fakes.run(step("setAirplaneMode: disabled")).await.expect("it takes it"), "the phone's radios are on");
        assert_eq!(fakes.phone.done, ["airplane true", "airplane false"]);
    }
}
