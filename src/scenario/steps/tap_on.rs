//! `tapOn`: taps on what has a text or an id, or on a place.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{
    phone::{Action, Target},
    scenario::{
        forms,
        rig::Stage,
        spec::{Key, Kind, Need, Values},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "tapOn",
    about: "Tap on what has a text or an id, or on a place",
    takes: Takes::One(Key {
        // Files of before there was more than a text have the same hash.
        name: "text",
        about: "The text as the app shows it, alone; or in a map one of text, id and point",
        kind: Kind::Either(&[Kind::Text(&forms::TEXT), Kind::Map(TARGET)]),
        need: Need::Required,
    }),
    does: "Taps on the element in front whose text, or whose description for people who cannot see, is exactly this; whose id it is, with or \
           without the package before it; or on a place, in percent of the screen. A text changes with the language, and a place with the \
           screen: an id lasts longest.",
    fails: "When another app is in front, or nothing in front has this text or id.",
    example: "- tapOn: { id: start_workout }",
    build,
};

/// What is meant on the screen.
pub(super) const TARGET: &[Key] = &[
    Key { name: "text", about: "What has exactly this text or description", kind: Kind::Text(&forms::TEXT), need: Need::Optional },
    Key { name: "id", about: "What has this id", kind: Kind::Text(&forms::TEXT), need: Need::Optional },
    Key { name: "point", about: "A place in percent from the left and the top", kind: Kind::Text(&forms::POINT), need: Need::Optional },
];

#[derive(Debug)]
struct TapOn(Target);

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    if let Some(text) = build.arguments.text("text") {
        return Some(Box::new(TapOn(Target::Text(text.to_owned()))));
    }
    match build.arguments.map("text").and_then(target) {
        Some(target) => Some(Box::new(TapOn(target))),
        None => {
            build.wrong("text", "tell what to tap on".into(), "which one?", "give one of text, id and point");
            None
        }
    }
}

/// What is meant, when exactly one thing is.
pub(super) fn target(values: &Values) -> Option<Target> {
    match (values.text("text"), values.text("id"), values.text("point")) {
        (Some(text), None, None) => Some(Target::Text(text.to_owned())),
        (None, Some(id), None) => Some(Target::Id(id.to_owned())),
        (None, None, Some(point)) => forms::point(point).map(Target::Point),
        _ => None,
    }
}

#[async_trait]
impl Step for TapOn {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        stage.phone.tap_on(&self.0).await?;
        Ok(format!("tapped on {}", self.0))
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::TapOn)
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step, wrong};

    #[tokio::test]
    async fn what_was_written_is_tapped() {
        let mut fakes = Fakes::new();
        for (line, note) in [
            ("tapOn: Workout", "tapped on \"Workout\""),
            ("tapOn: { text: Workout }", "tapped on \"Workout\""),
            ("tapOn: { id: start_workout }", "tapped on the id \"start_workout\""),
            ("tapOn: { point: \"50%,20.5%\" }", "tapped on 50%,20.5%"),
        ] {
            assert_eq!(fakes.run(step(line)).await.expect("it is there"), note, "{line}");
        }
        assert_eq!(fakes.phone.done, ["tap Workout", "tap Workout", "tap the id \"start_workout\"", "tap 50%,20.5%"]);
    }

    #[test]
    fn one_thing_has_to_be_meant() {
        for line in ["tapOn: {}", "tapOn: { text: a, id: b }", "tapOn: { point: \"50%\" }", "tapOn: { point: 50%,20% }"] {
            wrong(line);
        }
    }
}
