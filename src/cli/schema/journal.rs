//! The schema of the journal of a rig's phone.

use serde_json::Value;

use super::shared::{
    Always, Maybe, Need, count, document, flag, format_number, list, nullable, object, one_of, reference, table, text, time, version, word,
};
use crate::model::journal::JOURNAL_FORMAT;

/// Schema of the file.
pub(super) fn schema() -> Value {
    let phone = object(&[
        ("program", Always, "The adb program", text()),
        ("port", Maybe, "Port of the adb server on this machine; the usual one when left out", count(1)),
        ("serial", Always, "The phone's serial number", text()),
    ]);
    let entry = object(&[("at", Always, "When", time()), ("change", Always, "What, and what was there before", change())]);
    let journal = object(&[
        ("format", Always, "Raised when a reader of the old one would be wrong", format_number(JOURNAL_FORMAT)),
        ("tool", Always, "Version of tattletale", text()),
        ("phone", Always, "The phone, and how it is reached", phone),
        ("entries", Always, "In the order in which they were made", list(entry)),
    ]);
    document("tattletale phone journal", ABOUT, journal, &[("version", version())])
}

/// What was changed, and what was there before.
fn change() -> Value {
    let kind = |what: &str, keys: &[(&'static str, &'static str, Value)]| {
        let mut all: Vec<(&str, Need, &str, Value)> = vec![("what", Always, "", word(what))];
        all.extend(keys.iter().map(|(name, about, shape)| (*name, Always, *about, shape.clone())));
        object(&all)
    };
    let package = || ("package", "The app's package", text());
    one_of([
        kind("airplane-mode", &[("before", "Whether all radios were off", flag())]),
        app(),
        kind("app-op", &[package(), ("operation", "What the app may do", text()), ("before", "Its mode", text())]),
        kind("file", &[("path", "Where it was put on the phone", text())]),
        permission(package()),
        kind(
            "proxy",
            &[
                ("before", "Those of its five settings in global that were set, by their keys", table(text())),
                ("set", "What http_proxy was set to, the last one last; two at most", list(text())),
            ],
        ),
        kind("recording", &[("file", "The recording's file on the phone", text())]),
        object(&[
            ("what", Always, "", word("reverse")),
            ("to", Always, "Port of this machine that a tunnel leads to", count(1)),
            ("others", Maybe, "Ports of the phone that led there before; none when left out", list(count(1))),
        ]),
        kind("script", &[("pid", "Process on this machine that runs a script in the app", count(1)), package()]),
        object(&[
            ("what", Always, "", word("setting")),
            ("namespace", Always, "global, secure or system", text()),
            ("key", Always, "Its name", text()),
            ("before", Always, "Its value; null when it was not set", nullable(text())),
            ("set", Always, "What it was set to; null when it was deleted", nullable(text())),
            ("earlier", Maybe, "What it was set to before that, if it was", list(nullable(text()))),
        ]),
        kind("test-provider", &[("name", "The source of positions that was replaced", text())]),
        kind("trust", &[("file", "The certificate's file in the system's store", text())]),
    ])
}

/// An app that was installed.
fn app() -> Value {
    object(&[
        ("what", Always, "", word("app")),
        ("package", Always, "The app's package", text()),
        ("before", Always, "The version that was there; null when the app was not", nullable(reference("version"))),
        ("original", Maybe, "Folder with the files of the app that was there, when one signed by somebody else took its place", text()),
    ])
}

/// A permission, and what its owner had decided.
fn permission(package: (&'static str, &'static str, Value)) -> Value {
    let (name, about, shape) = package;
    object(&[
        ("what", Always, "", word("permission")),
        (name, Always, about, shape),
        ("permission", Always, "Its full name", text()),
        ("before", Always, "Whether it was granted", flag()),
        ("decided", Maybe, "What the phone had noted of its owner's decision, in Android's words; not known when left out", list(text())),
    ])
}

const ABOUT: &str = "\
What a run has changed on a phone and not put back yet, with what was there before: written to the disk before each change, and gone when \
everything is as it was. It names the phone's serial number: the file is for its owner only.";
