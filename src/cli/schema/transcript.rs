//! The schema of one line of a transcript: a conversation with a band.

use serde_json::{Value, json};

use super::shared::{
    Always, Maybe, count, document, flag, format_number, list, object, one_of, reference, tagged, text, time, tuple, word,
};
use crate::link::recorded::FORMAT;

/// Schema of one line.
pub(super) fn schema() -> Value {
    let header = object(&[
        ("format", Always, "Raised when a reader of the old one would be wrong", format_number(FORMAT)),
        ("record", Always, "", word("gatt")),
        ("started", Always, "When it began", time()),
    ]);
    let entry = object(&[
        ("at_ms", Always, "When it was asked, in milliseconds from the start", count(0)),
        ("took_ms", Always, "How long the answer took", count(0)),
        ("link", Maybe, "Number of the connection that was asked; none for the central itself", count(1)),
        ("asked", Always, "", reference("asked")),
        ("answered", Always, "", reference("answered")),
    ]);
    let end = tagged("end", "How many answers stand above; a transcript without this line is torn", count(0));
    document(
        "tattletale transcript: one line",
        ABOUT,
        one_of([header, entry, end]),
        &[("advertisement", advertisement()), ("answered", answered()), ("asked", asked()), ("error", error())],
    )
}

fn asked() -> Value {
    let of = |name| tagged(name, "", object(&[("characteristic", Always, UUID, text())]));
    let written = object(&[
        ("characteristic", Always, UUID, text()),
        ("value", Always, HEX, text()),
        ("with_response", Always, "Whether the band had to acknowledge it", flag()),
        (
            "secret",
            Maybe,
            "Which bytes of the value are a key that the band was given: they are left out, and stand as noughts",
            object(&[("from", Always, "Offset of the first", count(0)), ("bytes", Always, "How many", count(0))]),
        ),
    ]);
    one_of([
        tagged("scan", "", object(&[("for_ms", Always, "How long to listen", count(0))])),
        tagged("connect", "", object(&[("address", Always, ADDRESS, text())])),
        of("read"),
        tagged("write", "", written),
        of("subscribe"),
        of("unsubscribe"),
        tagged("notification", "", object(&[("within_ms", Always, "How long to wait", count(0))])),
        word("disconnect"),
        word("drop"),
        tagged("random", "Random numbers of this machine, for a handshake", object(&[("bytes", Always, "How many", count(0))])),
    ])
}

fn answered() -> Value {
    let notified = object(&[("characteristic", Always, UUID, text()), ("value", Always, HEX, text())]);
    one_of([
        word("done"),
        tagged("value", HEX, text()),
        tagged("notification", "", notified),
        tagged("heard", "", list(reference("advertisement"))),
        tagged("link", "A connection, of this number", count(1)),
        tagged("error", "", reference("error")),
    ])
}

fn advertisement() -> Value {
    let company = json!({ "type": "integer", "minimum": 0, "maximum": 65535 });
    object(&[
        ("after_ms", Always, "When it was heard, from the question", count(0)),
        ("address", Always, ADDRESS, text()),
        ("name", Maybe, "Complete local name", text()),
        (
            "manufacturer_data",
            Maybe,
            "Company identifiers and what is told for them, in hexadecimal digits",
            list(tuple(&[company, text()])),
        ),
        ("service_data", Maybe, "UUIDs of services and what is told for them, in hexadecimal digits", list(tuple(&[text(), text()]))),
        ("rssi", Maybe, "Signal in dBm", json!({ "type": "integer" })),
    ])
}

fn error() -> Value {
    let unanswered = object(&[("tries", Always, "", count(0)), ("why", Always, "How the last one ended", text())]);
    one_of([
        tagged("departed", "A replay of a replay went another way", text()),
        tagged("flooded", "Notifications that waited when nobody took them", count(0)),
        word("held"),
        word("lost"),
        tagged("no_adapter", "", text()),
        tagged("no_characteristic", UUID, text()),
        tagged("no_permission", "", text()),
        word("not_found"),
        tagged("refused", "ATT error code", json!({ "type": "integer", "minimum": 0, "maximum": 255 })),
        tagged("silent", "", object(&[("ms", Always, "How long nothing came", count(0))])),
        tagged("stack", "", text()),
        tagged("unanswered", "", unanswered),
    ])
}

const ABOUT: &str = "\
A conversation with a band as it went over the link: JSON objects, one a line. The first line says what it is, the last how many answers \
there were. It holds health data, and what a guess at a key can be tried against: the file is for its owner only. Of advertisements it has \
those of the owner's own band alone, and no key.";

const ADDRESS: &str = "Device address: C0:FF:EE:12:34:56";
const HEX: &str = "Bytes, as lower-case hexadecimal digits";
const UUID: &str = "UUID of the characteristic, long form";
