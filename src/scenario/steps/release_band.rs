//! `releaseBand`: lets go of a band that an earlier step keeps, so that the phone can have it.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::scenario::rig::Stage;

pub(super) const KIND: StepKind = StepKind {
    name: "releaseBand",
    about: "Let go of the band, so that the phone can have it",
    takes: Takes::Nothing,
    does: "Ends the connection to the band that an earlier step keeps (`keep: true`). A band has one connection at a time: as long as the \
           rig keeps it, the phone app finds none, and what it sends then is what it sends without a band. At the end of a run the band is \
           let go in any case. Without a band that is kept, this step does nothing and says so.",
    fails: "When the rig has no band, or the connection cannot be ended in good order.",
    example: "- releaseBand",
    build,
};

#[derive(Debug)]
struct ReleaseBand;

fn build(_: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(ReleaseBand))
}

#[async_trait]
impl Step for ReleaseBand {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        stage.plan()?;
        if stage.kept.is_none() {
            return Ok("no step keeps the band; this rig is not connected to it".to_owned());
        }
        stage.let_go().await?;
        Ok("the phone can have the band".to_owned())
    }

    fn needs_band(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn letting_go_of_a_band_says_nothing_of_where_it_is() {
        let mut fakes = Fakes::new();
        fakes.band.advertises = 0..0;
        fakes.run(step("vibrateBand: { keep: true }")).await.expect("it is there");
        fakes.run(step("wait: { for: 10m }")).await.expect("it goes out of reach meanwhile");
        // A link that is gone is let go without an error.
        fakes.run(step("releaseBand")).await.expect("it is kept");
        let error = fakes.run(step("waitForBand: { is: connected, within: 20s }")).await.expect_err("it may be anywhere");
        assert!(error.to_string().contains("it was not heard lately"), "{error}");
    }

    #[tokio::test]
    async fn a_band_that_is_kept_is_used_by_the_steps_after_it_until_it_is_let_go() {
        let mut fakes = Fakes::new();
        fakes.run(step("vibrateBand: { keep: true }")).await.expect("it is there");
        assert_eq!(fakes.band.journal(), ["open", "vibrate"]);
        fakes.run(step("vibrateBand: { keep: true }")).await.expect("it is still there");
        assert_eq!(fakes.run(step("releaseBand")).await.expect("it is kept"), "the phone can have the band");
        assert_eq!(fakes.band.journal(), ["open", "vibrate", "vibrate", "release"]);
        assert_eq!(fakes.run(step("releaseBand")).await.expect("no harm"), "no step keeps the band; this rig is not connected to it");
        fakes.no_band = true;
        let error = fakes.run(step("releaseBand")).await.expect_err("no band");
        assert_eq!(error.to_string(), "find the band: this rig has none");
    }
}
