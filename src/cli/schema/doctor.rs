//! The schema of what `doctor` says.

use serde_json::Value;

use super::shared::{Always, document, format_number, list, object, text, words};
use crate::phone::CheckState;

/// Schema of the document.
pub(super) fn schema() -> Value {
    let state = [CheckState::Good, CheckState::CannotTell, CheckState::Wrong].map(CheckState::word);
    let check = object(&[
        ("check", Always, "What was looked at", text()),
        ("state", Always, "Whether it is as a run needs it; what is not understood is never ok", words(state)),
        ("ran", Always, "The command; empty where none was needed", text()),
        ("read", Always, "What it answered", text()),
        ("help", Always, "What to do about it; empty where there is nothing to do", text()),
    ]);
    let all = object(&[
        ("format", Always, "Raised when a reader of the old one would be wrong", format_number(1)),
        ("checks", Always, "In the order in which they were made", list(check)),
    ]);
    document("tattletale doctor", ABOUT, all, &[])
}

const ABOUT: &str = "\
What was looked at on a rig before a run: the phone, the app, the way to the proxy, the radio, the band. Ends in exit 0 when all is well, \
3 when something is wrong, 4 when something cannot be told.";
