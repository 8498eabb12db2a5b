//! The schema of `fields --format json`.

use serde_json::{Value, json};

use super::shared::{
    Always, Maybe, byte_range, category, count, document, encoding_words, endpoint_key, flag, format_number, ledger, list, nullable,
    object, reference, table, target, text, tuple, version, words,
};
use crate::{
    model::{Origin, Part},
    report::{FIELDS_FORMAT, LedgerScope},
};

/// Schema of the fields as data.
pub(super) fn schema() -> Value {
    let whole = object(&[
        ("format", Always, "Raised when a reader of the old one would be wrong", format_number(FIELDS_FORMAT)),
        ("seen", Always, "One an app, platform, version and scenario; one for a single body", list(reference("seen"))),
    ]);
    let definitions = [
        ("endpoint", endpoint()),
        ("field", field()),
        ("ledger", ledger()),
        ("ledger-row", ledger_row()),
        ("planted", planted()),
        ("position", position()),
        ("reason", reason()),
        ("seen", seen()),
        ("target", target()),
        ("version", version()),
    ];
    document("tattletale fields", "What was uploaded, field by field, without a value: fields --format json", whole, &definitions)
}

fn seen() -> Value {
    object(&[
        ("target", Always, "What it is of; null for a single body", nullable(reference("target"))),
        ("disclaimer", Always, "What must be said of the rig", nullable(text())),
        ("runs", Always, "Complete runs; 0 for a single body", count(0)),
        ("hosts", Always, "Hosts read, and hosts contacted; null for a single body", nullable(tuple(&[count(0), count(0)]))),
        ("planted", Always, "What became of each planted value, by its name", table(reference("planted"))),
        ("positions", Always, "Positions found near a planted one, the nearest first", list(reference("position"))),
        ("fields", Always, "In the order of endpoints and names", list(reference("field"))),
        ("ledger", Always, "What is known of the bytes: of everything, each host, each endpoint", list(reference("ledger-row"))),
        ("not_seen", Always, "What could not be seen, a sentence each", list(text())),
    ])
}

fn position() -> Value {
    let metres = || json!({ "type": "number", "minimum": 0 });
    let name = || object(&[("part", Always, "", words(Part::ALL.map(Part::word))), ("path", Always, "", text())]);
    object(&[
        ("endpoint", Always, "Where it was sent", endpoint_key()),
        ("field", Always, "The field; for coordinates in two, the latitude's", name()),
        ("companion", Always, "The longitude's, when it is another", nullable(name())),
        ("distance_m", Always, "Metres from the planted position", metres()),
        ("precision_m", Always, "Metres that it reveals: the size of its last digit, or of its cell", metres()),
        ("how", Always, "How it was written", text()),
        ("certainty", Always, "How unlikely it stands there by chance", json!({ "type": "string", "enum": ["certain", "likely"] })),
        ("sentence", Always, "All that for a reader", text()),
    ])
}

fn ledger_row() -> Value {
    object(&[
        ("scope", Always, "", words(LedgerScope::ALL.map(LedgerScope::word))),
        ("place", Always, "Host, or method, host, path and phase; empty for everything", text()),
        ("ledger", Always, "By everything that is known", reference("ledger")),
        ("unaided", Always, "Without what adapters and the app file say", reference("ledger")),
    ])
}

fn planted() -> Value {
    object(&[
        ("category", Always, "What finding it means", category()),
        ("confirmed", Always, "Else, a value that was not found is \"not checked\", never \"not seen\"", flag()),
        ("found_in", Always, "Exchanges it was found in, beyond chance", count(0)),
        ("probably_in", Always, "Other exchanges, in which it was found probably", count(0)),
        ("needs_a_name", Always, "Whether it is too short to be told from chance without a name that speaks of it", flag()),
        ("too_short", Always, "Whether it is too short, or its minutes too even, to be told from chance under any name", flag()),
        ("is_series", Always, "Whether it is a minute series", flag()),
        ("in_pieces", Always, "Whether it is one, and fields of its kind were sent in pieces too small to be told from chance", flag()),
    ])
}

fn endpoint() -> Value {
    let receiver = object(&[
        ("company", Always, "Company that runs the host, or who hosts it where whose it is, is not known", text()),
        ("country", Always, "Where it is established: ISO 3166-1 alpha-2; null where nobody knows", nullable(text())),
        (
            "source",
            Always,
            "How that is known: app.yaml, a data set with its address, or generally known with a page where it can be checked; and the day",
            text(),
        ),
    ]);
    object(&[
        ("host", Always, "Host, or the app file's pattern for it", text()),
        ("path", Always, "Path template", text()),
        ("method", Always, "", text()),
        ("phase", Always, "Phase in which the request began", text()),
        ("party", Always, "", words(["first-party", "third-party", "unknown-party"])),
        ("origin", Always, "Whose traffic it is", words([Origin::App, Origin::Phone, Origin::Unknown].map(Origin::word))),
        ("receiver", Always, "Null where nobody knows", nullable(receiver)),
    ])
}

fn field() -> Value {
    let place = object(&[("run", Always, "From 1", count(1)), ("exchange", Always, "Its number in that run", nullable(count(1)))]);
    object(&[
        ("endpoint", Always, "Null in a single body", nullable(reference("endpoint"))),
        ("part", Always, "", words(Part::ALL.map(Part::word))),
        ("path", Always, "Names joined by dots, [] for any element; empty when the part is one value", text()),
        ("type", Always, "What it looks like, by its word in a snapshot: bytes[1440]", text()),
        ("categories", Always, "What it means, sorted", list(category())),
        ("reasons", Always, "Why", list(reference("reason"))),
        ("chain", Always, "Layers to peel off, outermost first, by their words in a snapshot", list(encoding_words())),
        ("guess", Always, "Whether a layer was recognised by its looks alone", flag()),
        ("bytes", Always, "Where the first occurrence is, within the body as sent", nullable(byte_range())),
        ("unexplained", Always, "Bytes of its values, after peeling, that nobody can explain", count(0)),
        ("entropy", Always, "Highest entropy of such a value, in bits a byte", json!({ "type": "number", "minimum": 0, "maximum": 8 })),
        ("first", Always, "Where the first occurrence is; null in a single body", nullable(place)),
        ("runs", Always, "In how many runs, of how many; null in a single body", nullable(tuple(&[count(0), count(0)]))),
    ])
}

fn reason() -> Value {
    object(&[
        ("category", Always, "The category it is a reason for", category()),
        ("kind", Always, "Which kind of reason: known-leaf, name, planted-value, shape …", text()),
        ("why", Maybe, "What is known of this leaf", text()),
        ("adapter", Maybe, "Which vendor's data says so", text()),
        ("word", Maybe, "The word of its name that says so", text()),
        ("name", Maybe, "The planted value, by its name", text()),
        ("spelling", Maybe, "How the planted value was written", text()),
        ("certainty", Maybe, "How unlikely it stands there by chance", json!({ "type": "string", "enum": ["certain", "likely"] })),
        ("what", Maybe, "What it looks like", text()),
    ])
}
