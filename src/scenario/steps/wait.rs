//! `wait`: lets time pass on the rig's clock.

use std::time::Duration;

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::scenario::{
    rig::Stage,
    spec::{Key, Kind, Need},
};

pub(super) const KIND: StepKind = StepKind {
    name: "wait",
    about: "Let time pass, to see what the app does when nobody touches it",
    takes: Takes::Map(&[Key { name: "for", about: "How long", kind: Kind::Duration, need: Need::Required }]),
    does: "Waits on the rig's clock: in real time on a real rig, in no time on the simulated one. To wait for something to happen, \
           use waitForUpload or waitForQuiet.",
    fails: "Never.",
    example: "- wait: { for: 40m }",
    build,
};

#[derive(Debug)]
struct Wait(Duration);

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(Wait(build.arguments.duration("for")?)))
}

#[async_trait]
impl Step for Wait {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        let before = stage.log.requests().len();
        stage.hold.sleep(self.0).await;
        let during = stage.log.requests().len().saturating_sub(before);
        Ok(format!("waited {:?}; {during} requests began meanwhile", self.0))
    }

    fn only_waits(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn simulated_time_passes() {
        let mut fakes = Fakes::new();
        let note = fakes.run(step("wait: { for: 40m }")).await.expect("a wait cannot fail");
        assert_eq!((note.as_str(), fakes.seconds_passed()), ("waited 2400s; 0 requests began meanwhile", 2400));
    }
}
