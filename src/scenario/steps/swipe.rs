//! `swipe`: moves a finger over the screen.

use std::time::Duration;

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{
    phone::{Action, Percent, Swipe as Movement},
    scenario::{
        forms,
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

/// Slower is no swipe, but holding a finger on something.
const LONGEST: Duration = Duration::from_secs(10);

pub(super) const KIND: StepKind = StepKind {
    name: "swipe",
    about: "Move a finger over the screen",
    takes: Takes::Map(&[
        Key {
            name: "direction",
            about: "Whither, along the middle of the screen",
            kind: Kind::Word(&["DOWN", "LEFT", "RIGHT", "UP"]),
            need: Need::Optional,
        },
        Key { name: "start", about: "Where it begins, instead of a direction", kind: Kind::Text(&forms::POINT), need: Need::Optional },
        Key { name: "end", about: "Where it ends", kind: Kind::Text(&forms::POINT), need: Need::Optional },
        Key { name: "duration", about: "How long it takes, at most 10s", kind: Kind::Duration, need: Need::Default("400ms") },
    ]),
    does: "Moves a finger in a straight line: in a direction, or from one place to another. UP shows what is further down. To have the app \
           sync its band, pullToRefresh says what is meant.",
    fails: "When the phone does not answer.",
    example: "- swipe: { start: \"90%,50%\", end: \"10%,50%\", duration: 400ms }",
    build,
};

#[derive(Debug)]
struct Swipe(Movement);

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let takes = build.arguments.duration("duration")?;
    if takes > LONGEST {
        build.wrong("duration", format!("swipe for {takes:?}"), "too long", "a swipe takes at most 10s");
        return None;
    }
    let at = |x: f64, y: f64| Percent { x, y };
    let point = |key: &str| build.arguments.text(key).and_then(forms::point);
    let (from, to) = match (build.arguments.text("direction"), point("start"), point("end")) {
        // From where to where, as Maestro does it.
        (Some("DOWN"), None, None) => (at(50.0, 20.0), at(50.0, 90.0)),
        (Some("LEFT"), None, None) => (at(90.0, 50.0), at(10.0, 50.0)),
        (Some("RIGHT"), None, None) => (at(10.0, 50.0), at(90.0, 50.0)),
        (Some(_), None, None) => (at(50.0, 50.0), at(50.0, 10.0)),
        (None, Some(start), Some(end)) => (start, end),
        (direction, ..) => {
            let label = if direction.is_some() { "a direction, and places" } else { "whither?" };
            build.wrong("direction", "tell where the finger moves".into(), label, "give a direction, or both start and end");
            return None;
        }
    };
    Some(Box::new(Swipe(Movement { from, to, takes })))
}

#[async_trait]
impl Step for Swipe {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        let Movement { from, to, takes } = self.0;
        stage.phone.swipe(&self.0).await?;
        Ok(format!("swiped from {}%,{}% to {}%,{}% in {takes:?}", from.x, from.y, to.x, to.y))
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::Swipe)
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step, wrong};

    #[tokio::test]
    async fn a_finger_moves_in_a_direction_or_between_places() {
        let mut fakes = Fakes::new();
        for (line, note) in [
            ("swipe: { direction: UP }", "swiped from 50%,50% to 50%,10% in 400ms"),
            ("swipe: { direction: DOWN }", "swiped from 50%,20% to 50%,90% in 400ms"),
            ("swipe: { start: \"90%, 50%\", end: \"12.5%,50%\", duration: 1s }", "swiped from 90%,50% to 12.5%,50% in 1s"),
        ] {
            assert_eq!(fakes.run(step(line)).await.expect("it moves"), note, "{line}");
        }
        assert_eq!(fakes.phone.done.len(), 3);
    }

    #[test]
    fn a_swipe_without_a_clear_way_is_refused() {
        for line in
            ["swipe", "swipe: { start: \"9%,5%\" }", "swipe: { direction: UP, end: \"9%,5%\" }", "swipe: { direction: UP, duration: 11s }"]
        {
            wrong(line);
        }
    }
}
