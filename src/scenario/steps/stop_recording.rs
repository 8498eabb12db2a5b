//! `stopRecording`: ends the film of the screen, and keeps it in the capture.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{
    phone::{Action, PhoneError},
    scenario::{perform::keep_recording, rig::Stage},
};

pub(super) const KIND: StepKind = StepKind {
    name: "stopRecording",
    about: "End the film of the screen and keep it in the capture",
    takes: Takes::Nothing,
    does: "Puts the film (MP4) that `startRecording` began into the folder `attachments` of the capture, which only its owner can read. It is \
           in no report, and goes when the capture is purged.",
    fails: "When nothing is being filmed, or the phone does not give the film.",
    example: "- startRecording: workout\n- stopRecording",
    build,
};

#[derive(Debug)]
struct StopRecording;

fn build(_: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(StopRecording))
}

#[async_trait]
impl Step for StopRecording {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        if stage.course.recording.is_none() {
            return Err(PhoneError::Failed("nothing films its screen".to_owned()).into());
        }
        match keep_recording(stage).await? {
            Some(place) => Ok(format!("kept in {place}")),
            None => Err(PhoneError::Failed("its film could not be written".to_owned()).into()),
        }
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
    use crate::{
        model::AttachmentKind,
        scenario::steps::{
            Step,
            fakes::{Fakes, step},
        },
    };

    /// The step alone: a file that has nothing else is refused.
    fn stop() -> Box<dyn Step> {
        Box::new(super::StopRecording)
    }

    #[tokio::test]
    async fn the_film_lies_beside_the_record() {
        let mut fakes = Fakes::new();
        fakes.run(step("startRecording: workout")).await.expect("it films");
        assert_eq!(fakes.run(stop()).await.expect("there is one"), "kept in attachments/1-workout.mp4");
        assert_eq!(fakes.log.attached(), [(AttachmentKind::Recording, "workout".to_owned(), b"MP4".to_vec())]);
        let error = fakes.run(stop()).await.expect_err("it is over");
        assert_eq!(error.to_string(), "control the phone: nothing films its screen");
    }
}
