//! The schema of a control run that is kept with a rig.

use serde_json::Value;

use super::shared::{Always, count, digest, document, format_number, list, object, text, time};
use crate::model::control::CONTROL_FORMAT;

/// Schema of the file.
pub(super) fn schema() -> Value {
    let control = object(&[
        ("hosts", Always, "Hosts seen with the app stopped, whether their connections could be read or not; sorted", list(text())),
        ("seconds", Always, "How long it watched", count(0)),
    ]);
    let kept = object(&[
        ("format", Always, "Raised when a reader of the old one would be wrong", format_number(CONTROL_FORMAT)),
        ("tool", Always, "Version of tattletale", text()),
        ("made", Always, "When it ended", time()),
        ("app", Always, "The app that was stopped", text()),
        ("phone", Always, "The phone's system: name, version, build", text()),
        ("rig", Always, "SHA-256 of what describes the rig's devices", digest()),
        ("control", Always, "What it saw", control),
    ]);
    document("tattletale control run", ABOUT, kept, &[])
}

const ABOUT: &str = "\
What a phone talks to with the app under audit stopped, kept with its rig so that it need not be made for every audit. Made anew \
when the phone's system or the rig has changed, or after seven days. Which hosts a phone talks to tells what is on it: the file is for \
its owner only.";
