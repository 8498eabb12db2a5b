//! `startRecording`: begins to film the screen.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{
    phone::{Action, PhoneError},
    scenario::{
        forms,
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "startRecording",
    about: "Begin to film the screen",
    takes: Takes::One(Key { name: "name", about: "A part of its file's name", kind: Kind::Text(&forms::NAME), need: Need::Required }),
    does: "Begins to film the screen, up to `stopRecording`. Android films three minutes at most. When a step fails meanwhile, what there is \
           is kept. No secret is typed while the screen is filmed, and no film begins after one was: an account's name may show for long.",
    fails: "When the phone cannot film its screen, or does already.",
    example: "- startRecording: workout\n- stopRecording",
    build,
};

#[derive(Debug)]
struct StartRecording(String);

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(StartRecording(build.arguments.text("name")?.to_owned())))
}

#[async_trait]
impl Step for StartRecording {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        if stage.course.recording.is_some() {
            return Err(PhoneError::Failed("it films its screen already".to_owned()).into());
        }
        stage.phone.start_recording().await?;
        stage.course.recording = Some(self.0.clone());
        Ok("the screen is being filmed".to_owned())
    }

    fn only_waits(&self) -> bool {
        true
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::Record)
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn one_film_at_a_time() {
        let mut fakes = Fakes::new();
        fakes.run(step("startRecording: one")).await.expect("it films");
        let error = fakes.run(step("startRecording: two")).await.expect_err("it films already");
        assert_eq!(error.to_string(), "control the phone: it films its screen already");
        assert_eq!(fakes.phone.done, ["start recording"]);
    }
}
