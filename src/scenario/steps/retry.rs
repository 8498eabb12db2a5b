//! `retry`: does steps again when they fail for the phone's or the app's sake.

use async_trait::async_trait;

use super::{Build, Inner, Step, StepError, StepKind, Takes};
use crate::scenario::{
    PlacedStep,
    perform::{keep_recording, perform},
    rig::Stage,
    spec::{Key, Kind, Need},
};

pub(super) const KIND: StepKind = StepKind {
    name: "retry",
    about: "Do steps again when they fail",
    takes: Takes::Map(&[
        Key {
            name: "maxRetries",
            about: "How often they are done again at most",
            kind: Kind::Whole { least: 1, most: 10 },
            need: Need::Default("1"),
        },
        Key { name: "commands", about: "The steps, in order", kind: Kind::List { of: &Kind::Step, least: 1 }, need: Need::Required },
    ]),
    does: "Does the steps in order. When one fails because the phone or the app did not do what it should, all of them are done again from \
           the first; what failed, and when, stands in the note of each try, and its traffic in the capture. What could not go well another \
           time is not tried again: a lost route, a band that fails, a thing that this phone cannot do. A phase cannot begin among them.",
    fails: "When the last try failed, too, with the failure of each.",
    example: "- retry: { maxRetries: 2, commands: [pullToRefresh, waitForVisible: { text: Synced, within: 60s }] }",
    build,
};

#[derive(Debug)]
struct Retry {
    tries: u32,
    steps: Vec<PlacedStep>,
}

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let retries = u32::try_from(build.arguments.whole("maxRetries")?).ok()?;
    Some(Box::new(Retry { tries: retries + 1, steps: build.steps("commands")? }))
}

#[async_trait]
impl Step for Retry {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        let filmed_before = stage.course.recording.is_some();
        let mut failures = Vec::new();
        for number in 1..=self.tries {
            match perform(&self.steps, stage).await {
                Ok(()) if failures.is_empty() => return Ok("done at the first try".to_owned()),
                Ok(()) => {
                    let failed = (1..).zip(&failures).map(|(number, failure)| format!("; try {number}: {failure}"));
                    return Ok(format!("done at try {number} of {}{}", self.tries, failed.collect::<String>()));
                }
                Err(failure) if !failure.error.may_go_well() => {
                    let which = format!(" (try {number} of {}, and it would not go well another time)", self.tries);
                    return Err(StepError::Inner { which, failure: Box::new(failure) });
                }
                Err(failure) => failures.push(failure),
            }
            if !filmed_before {
                // A try that began a film begins one again; that this one cannot be had is no news beside the failure.
                let _ = keep_recording(stage).await;
            }
        }
        Err(StepError::Retried { tries: failures })
    }

    fn only_waits(&self) -> bool {
        true
    }

    fn inner(&self) -> Inner<'_> {
        Inner { steps: &self.steps, most_times: self.tries }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        phone::PhoneError,
        scenario::steps::fakes::{Fakes, step},
    };

    #[tokio::test]
    async fn each_failed_try_stands_in_the_note() {
        let mut fakes = Fakes::new();
        assert_eq!(fakes.run(step("retry: { commands: [back] }")).await.expect("it goes well"), "done at the first try");
        fakes.phone.fails = vec![PhoneError::Failed("it hangs".into()), PhoneError::Failed("it hung".into())];
        let note = fakes.run(step("retry: { maxRetries: 3, commands: [tapOn: a, back] }")).await.expect("the third goes well");
        let told = "done at try 3 of 4; try 1: line 6, tapOn: failed to control the phone: it hangs; try 2: line 6, tapOn: failed to \
                    control the phone: it hung";
        assert_eq!(note, told);
    }

    #[tokio::test]
    async fn when_no_try_goes_well_each_failure_is_told() {
        let mut fakes = Fakes::new();
        let error = fakes.run(step("retry: { commands: [waitForUpload: { path: /x, within: 5s }] }")).await.expect_err("nothing comes");
        let one = "line 6, waitForUpload: failed to wait for a request to any host/x: within 5s there was no request at all; the last \
                   screen is kept in the capture's attachments";
        assert!(error.is_unfulfilled(), "the last try timed out");
        let error = error.to_string();
        assert!(error.starts_with(&format!("do what it holds, 2 times: try 1: {one}/1-")), "{error}");
        assert!(error.contains("; try 2: line 6"), "{error}");
        assert_eq!(fakes.seconds_passed(), 10);
    }

    #[tokio::test]
    async fn what_would_not_go_well_another_time_is_not_tried_again() {
        let mut fakes = Fakes::new();
        fakes.phone.fails = vec![PhoneError::Unsupported("it has no such key".into())];
        let error = fakes.run(step("retry: { maxRetries: 5, commands: [back] }")).await.expect_err("it cannot");
        assert!(error.to_string().contains("(try 1 of 6, and it would not go well another time)"), "{error}");
        let mut fakes = Fakes::new();
        fakes.no_band = true;
        fakes.run(step("retry: { maxRetries: 5, commands: [vibrateBand] }")).await.expect_err("there is no band");
    }

    #[tokio::test]
    async fn a_film_that_a_failed_try_began_is_kept_and_does_not_stop_the_next() {
        let mut fakes = Fakes::new();
        fakes.phone.fails_at = Some((2, PhoneError::Failed("it hangs".into())));
        fakes.run(step("retry: { commands: [startRecording: film, back, stopRecording] }")).await.expect("the second goes well");
        assert_eq!(fakes.log.attached().len(), 2);
    }
}
