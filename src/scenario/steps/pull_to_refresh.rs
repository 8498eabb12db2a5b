//! `pullToRefresh`: pulls the app's main list down, so that it syncs the band.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{phone::Action, scenario::rig::Stage};

pub(super) const KIND: StepKind = StepKind {
    name: "pullToRefresh",
    about: "Pull the app's main list down, so that it syncs the band",
    takes: Takes::Nothing,
    does: "Does what a person does to sync by hand. It does not wait for the sync: follow it with waitForUpload.",
    fails: "When the app is not in front.",
    example: "- pullToRefresh",
    build,
};

#[derive(Debug)]
struct PullToRefresh;

fn build(_: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(PullToRefresh))
}

#[async_trait]
impl Step for PullToRefresh {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        stage.phone.pull_to_refresh().await?;
        Ok("pulled".into())
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::PullToRefresh)
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn the_list_is_pulled() {
        let mut fakes = Fakes::new();
        fakes.run(step("pullToRefresh")).await.expect("the app is in front");
        assert_eq!(fakes.phone.done, ["pull"]);
    }
}
