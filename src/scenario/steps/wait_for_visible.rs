//! `waitForVisible`: waits until something is on the screen.

use std::time::Duration;

use async_trait::async_trait;

use super::{Build, POLL, Step, StepError, StepKind, Takes, tap_on, wait_for_quiet::elapsed};
use crate::{
    phone::{Action, PhoneError, Target},
    scenario::{
        forms,
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "waitForVisible",
    about: "Wait until something is on the screen",
    takes: Takes::Map(&[
        Key { name: "text", about: "What has exactly this text or description", kind: Kind::Text(&forms::TEXT), need: Need::Optional },
        Key { name: "id", about: "What has this id, instead of a text", kind: Kind::Text(&forms::TEXT), need: Need::Optional },
        Key { name: "within", about: "How long to wait at most", kind: Kind::Duration, need: Need::Required },
    ]),
    does: "Looks at the screen again and again until it shows what has this text or this id. Looking takes a second or two on a real phone.",
    fails: "When it is not there within the time. The message tells what was awaited, how many texts were on the screen and which ids; the \
            texts may be a person's, so they are in a file of the capture that it names, with a picture where the phone can make one.",
    example: "- waitForVisible: { text: Synced, within: 60s }",
    build,
};

#[derive(Debug)]
struct WaitForVisible {
    target: Target,
    within: Duration,
}

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let within = build.arguments.duration("within")?;
    match tap_on::target(build.arguments) {
        Some(target) => Some(Box::new(WaitForVisible { target, within })),
        None => {
            build.wrong("text", "tell what to wait for".into(), "which one?", "give one of text and id");
            None
        }
    }
}

#[async_trait]
impl Step for WaitForVisible {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        let start = stage.hold.clock().now();
        loop {
            let seen = match stage.phone.screen().await {
                Ok(screen) if screen.find(&self.target).is_some() => {
                    return Ok(format!("{} was visible after {:?}", self.target, elapsed(start, stage.hold.clock().now())));
                }
                Ok(screen) => Ok(screen.in_words()),
                // A screen on which something moves cannot be looked at, and comes to rest: the next look may tell.
                Err(error @ PhoneError::Failed(_)) => Err(error),
                Err(error) => return Err(error.into()),
            };
            if elapsed(start, stage.hold.clock().now()) >= self.within {
                // What could not be looked at in the end is the phone's failure, not the app's.
                return Err(StepError::TimedOut { awaited: format!("{} to be visible", self.target), within: self.within, seen: seen? });
            }
            stage.hold.sleep(POLL).await;
        }
    }

    fn only_waits(&self) -> bool {
        true
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::Screen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        phone::{Element, Screen},
        scenario::steps::fakes::{Fakes, step, wrong},
    };

    fn screen(elements: &[(&str, &str)]) -> Screen {
        let element = |(text, id): &(&str, &str)| Element { text: (*text).into(), id: (*id).into(), ..Element::default() };
        Screen { elements: elements.iter().map(element).collect() }
    }

    #[tokio::test]
    async fn what_appears_is_seen_when_it_does() {
        let mut fakes = Fakes::new();
        fakes.phone.shows = vec![(0, screen(&[("Syncing", "")])), (7, screen(&[("Synced", "com.example:id/done")]))];
        let note = fakes.run(step("waitForVisible: { text: Synced, within: 60s }")).await.expect("it appears");
        assert_eq!((note.as_str(), fakes.seconds_passed()), ("\"Synced\" was visible after 7s", 7));
        fakes.run(step("waitForVisible: { id: done, within: 1s }")).await.expect("it is there");
    }

    #[tokio::test]
    async fn a_timeout_names_ids_and_counts_texts() {
        let mut fakes = Fakes::new();
        fakes.phone.shows =
            vec![(0, screen(&[("Quillon, 72 bpm", "com.example:id/pulse"), ("x", "com.example:id/name"), ("", "user-1000001")]))];
        let error = fakes.run(step("waitForVisible: { text: Synced, within: 10s }")).await.expect_err("it never appears");
        let told = "wait for \"Synced\" to be visible: within 10s there was 2 texts and the ids name, pulse on the screen";
        assert_eq!(error.to_string(), told);
        assert_eq!(fakes.seconds_passed(), 10);
    }

    #[tokio::test]
    async fn a_screen_that_moves_is_looked_at_again_and_one_that_never_rests_is_the_phones_failure() {
        let mut fakes = Fakes::new();
        fakes.phone.shows = vec![(0, screen(&[("Synced", "")]))];
        fakes.phone.fails = vec![PhoneError::Failed("it never comes to rest".into())];
        fakes.run(step("waitForVisible: { text: Synced, within: 5s }")).await.expect("the second look tells");
        fakes.phone.fails = vec![PhoneError::Failed("it never comes to rest".into()); 100];
        let error = fakes.run(step("waitForVisible: { text: Synced, within: 5s }")).await.expect_err("no look tells");
        assert_eq!(error.to_string(), "control the phone: it never comes to rest");
    }

    #[test]
    fn one_thing_has_to_be_awaited() {
        wrong("waitForVisible: { within: 5s }");
        wrong("waitForVisible: { text: a, id: b, within: 5s }");
        wrong("waitForVisible: { text: a }");
    }
}
