//! `vibrateBand`: lets the band vibrate, so that a person finds it, or sees which of several it is.

use std::time::Duration;

use async_trait::async_trait;

use super::{Build, KEEP, Step, StepError, StepKind, Takes};
use crate::{
    link::LinkError,
    scenario::{
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "vibrateBand",
    about: "Let the band vibrate, so that a person finds it",
    takes: Takes::Map(&[
        Key { name: "within", about: "How long the band may take: 60s where nothing is said", kind: Kind::Duration, need: Need::Optional },
        KEEP,
    ]),
    does: "Connects to the band, lets it vibrate for a second or so, switches that off again on every way out, and lets go of it. Nothing is \
           stored on the band.",
    fails: "When the rig has no band, the band is out of reach or held by a phone, it needs a key that the rig does not have, or it does \
            not take the order within the time.",
    example: "- vibrateBand",
    build,
};

/// Far more than an order takes. No default of the key: it would stand in the hash of scenarios that were written before there was one.
const WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct VibrateBand {
    within: Duration,
    keep: bool,
}

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let within = build.arguments.duration("within").unwrap_or(WITHIN);
    Some(Box::new(VibrateBand { within, keep: build.arguments.flag("keep").unwrap_or_default() }))
}

#[async_trait]
impl Step for VibrateBand {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        let vibrating = stage.use_band().await?.vibrate();
        let done = tokio::time::timeout(self.within, vibrating).await.unwrap_or(Err(LinkError::Silent(self.within).into()));
        stage.give_back(self.keep, done).await?;
        Ok("the band vibrated".to_owned())
    }

    fn needs_band(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn a_band_that_takes_for_ever_is_let_go_at_the_limit() {
        let mut fakes = Fakes::new();
        fakes.band.never_ends = true;
        let error = fakes.run(step("vibrateBand: { within: 1s }")).await.expect_err("it never ends");
        assert_eq!(error.to_string(), "get an answer from the band within 1s (a fake band …:00:00)");
        assert_eq!(fakes.band.journal(), ["open", "vibrate", "release"]);
    }

    #[tokio::test]
    async fn the_band_vibrates_and_is_let_go() {
        let mut fakes = Fakes::new();
        assert_eq!(fakes.run(step("vibrateBand")).await.expect("it is there"), "the band vibrated");
        assert_eq!(fakes.band.journal(), ["open", "vibrate", "release"]);
    }
}
