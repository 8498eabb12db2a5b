//! `vibrateBand`: lets the band vibrate, so that a person finds it, or sees which of several it is.

use async_trait::async_trait;

use super::{Build, KEEP, Step, StepError, StepKind, Takes};
use crate::scenario::rig::Stage;

pub(super) const KIND: StepKind = StepKind {
    name: "vibrateBand",
    about: "Let the band vibrate, so that a person finds it",
    takes: Takes::Map(&[KEEP]),
    does: "Connects to the band, lets it vibrate for a second or so, and lets go of it. Nothing is stored on the band.",
    fails: "When the rig has no band, the band is out of reach or held by a phone, or it needs a key that the rig does not have.",
    example: "- vibrateBand",
    build,
};

#[derive(Debug)]
struct VibrateBand {
    keep: bool,
}

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(VibrateBand { keep: build.arguments.flag("keep").unwrap_or_default() }))
}

#[async_trait]
impl Step for VibrateBand {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        let mut band = stage.take_band().await?;
        let done = band.vibrate().await;
        stage.give_back(band, self.keep, done).await?;
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
    async fn the_band_vibrates_and_is_let_go() {
        let mut fakes = Fakes::new();
        assert_eq!(fakes.run(step("vibrateBand")).await.expect("it is there"), "the band vibrated");
        assert_eq!(fakes.band.journal(), ["open", "vibrate", "release"]);
    }
}
