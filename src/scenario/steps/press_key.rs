//! `pressKey`: presses one of the phone's keys.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{
    phone::{Action, Key as PhoneKey},
    scenario::{
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "pressKey",
    about: "Press a key of the phone",
    takes: Takes::One(Key { name: "key", about: "Which key", kind: Kind::Word(WORDS), need: Need::Required }),
    does: "Presses the key. `home` sends the app to the background; `lock` switches the screen off and locks the phone where it has a lock, \
           `power` switches the screen off or on.",
    fails: "When the phone does not answer, or cannot press that key.",
    example: "- pressKey: home",
    build,
};

/// Every key, sorted by its word.
const KEYS: [PhoneKey; 9] = [
    PhoneKey::Back,
    PhoneKey::Backspace,
    PhoneKey::Enter,
    PhoneKey::Home,
    PhoneKey::Lock,
    PhoneKey::Power,
    PhoneKey::Tab,
    PhoneKey::VolumeDown,
    PhoneKey::VolumeUp,
];

const WORDS: &[&str] = &{
    let mut words = [""; KEYS.len()];
    let mut at = 0;
    while at < KEYS.len() {
        words[at] = KEYS[at].word();
        at += 1;
    }
    words
};

#[derive(Debug)]
struct PressKey(PhoneKey);

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let word = build.arguments.text("key")?;
    Some(Box::new(PressKey(KEYS.into_iter().find(|key| key.word() == word)?)))
}

#[async_trait]
impl Step for PressKey {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        stage.phone.press_key(self.0).await?;
        Ok(format!("pressed {}", self.0.word()))
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::PressKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::steps::fakes::{Fakes, step};

    #[test]
    fn every_key_has_a_word_and_the_words_are_sorted() {
        assert!(WORDS.is_sorted_by(|a, b| a < b), "{WORDS:?}");
    }

    #[tokio::test]
    async fn the_key_that_was_written_is_pressed() {
        let mut fakes = Fakes::new();
        fakes.run(step("pressKey: home")).await.expect("it answers");
        let note = fakes.run(step("pressKey: volume down")).await.expect("it answers");
        assert_eq!(note, "pressed volume down");
        assert_eq!(fakes.phone.done, ["press Home", "press VolumeDown"]);
    }
}
