//! Commands of Maestro that are no steps here, and what to write instead: its users are ours, and find out at once.

/// What to write instead of a command of Maestro; `None` for a word that is none of its commands.
pub(super) fn instead(name: &str) -> Option<&'static str> {
    COMMANDS.iter().find(|(command, _)| *command == name).map(|(_, instead)| *instead)
}

const NOT_JUDGED: &str = "tattletale judges what is uploaded, not what is shown";
const NO_SCRIPTS: &str = "a scenario is data, and does the same in each run";

/// Every command of Maestro's reference (2026) that is no step, sorted, and what to write instead, or why there is nothing.
const COMMANDS: &[(&str, &str)] = &[
    ("addMedia", "put the files on the phone before the run"),
    ("assertNoDefectsWithAI", NOT_JUDGED),
    ("assertNotVisible", "waitForVisible waits for what is there instead"),
    ("assertScreenshot", NOT_JUDGED),
    ("assertTrue", NO_SCRIPTS),
    ("assertVisible", "waitForVisible waits for it, with a limit"),
    ("assertWithAI", NOT_JUDGED),
    ("clearKeychain", "launchApp with clearState, or clearState, is all that can be forgotten"),
    ("copyTextFrom", NO_SCRIPTS),
    ("doubleTapOn", "write tapOn twice"),
    ("eraseText", "repeat pressKey: backspace"),
    ("evalScript", NO_SCRIPTS),
    ("extendedWaitUntil", "waitForVisible waits for something on the screen, waitForUpload and waitForQuiet for traffic"),
    ("extractTextWithAI", NOT_JUDGED),
    ("hideKeyboard", "back hides it"),
    ("inputRandomEmail", "inputText with a text that can be searched for in uploads"),
    ("inputRandomNumber", "inputText with a text that can be searched for in uploads"),
    ("inputRandomPersonName", "inputText with a text that can be searched for in uploads"),
    ("inputRandomText", "inputText with a text that can be searched for in uploads"),
    ("killApp", "stopApp stops it"),
    ("longPressOn", "swipe from a place to the same place, for 2s"),
    ("openLink", "tapOn opens what a person would"),
    ("pasteText", "inputText types it"),
    ("runFlow", "runScenario does the steps of another file"),
    ("runScript", NO_SCRIPTS),
    ("scroll", "swipe: { direction: UP } shows what is further down"),
    ("scrollUntilVisible", "swipe: { direction: UP }, then waitForVisible, in a retry"),
    ("setClipboard", "inputText types it"),
    ("setOrientation", "turn the phone before the run"),
    ("takeScreenshot", "screenshot keeps a picture in the capture"),
    ("toggleAirplaneMode", "setAirplaneMode says which of the two it is to be"),
    ("waitForAnimationToEnd", "waitForVisible waits for what comes after it"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::steps::{STEPS, named};

    #[test]
    fn commands_are_sorted_and_none_is_a_step() {
        assert!(COMMANDS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(COMMANDS.iter().all(|(command, _)| named(command).is_none()));
    }

    #[test]
    fn every_step_that_is_named_instead_is_one() {
        let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        for (command, instead) in COMMANDS {
            let steps = instead.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.chars().any(char::is_uppercase));
            for step in steps.filter(|word| !matches!(*word, "clearState" | "UP")) {
                assert!(names.contains(&step), "{command}: {step}");
            }
        }
    }
}
