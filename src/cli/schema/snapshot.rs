//! The schema of a snapshot's header, with the lines of its body in words: a body is text made for a diff, not JSON.

use serde_json::Value;

use super::shared::{
    Always, Maybe, blind_spot_kind, count, digest, document, flag, format_number, list, nullable, object, reference, target, text, version,
};
use crate::model::snapshot::SNAPSHOT_FORMAT;

/// Schema of the header.
pub(super) fn schema() -> Value {
    let header = object(&[
        ("format", Always, "Raised when a reader of the old one would be wrong", format_number(SNAPSHOT_FORMAT)),
        ("decoder", Always, "Raised when the decoder reads the same bytes differently", count(1)),
        ("target", Always, "", reference("target")),
        ("scenario_hash", Always, "SHA-256 of the scenario's canonical form; null for imports", nullable(digest())),
        ("runs", Always, "Complete runs", count(0)),
        ("hosts_read", Always, "Hosts read", count(0)),
        ("hosts", Always, "Hosts contacted", count(0)),
        ("coverage_known", Always, "Whether the captures can tell what they missed", flag()),
        ("unread", Always, "What could not be seen", list(reference("unread"))),
        ("note", Maybe, "What must be said of the rig", text()),
    ]);
    let unread = object(&[
        ("kind", Always, "", blind_spot_kind()),
        ("host", Always, "Empty when it concerns the whole capture", text()),
        ("endpoint", Always, "Empty when it concerns a host", text()),
        ("phase", Always, "Empty where nobody knows which", text()),
        ("runs", Always, "In how many of the runs", count(1)),
    ]);
    document("tattletale snapshot: its header", ABOUT, header, &[("target", target()), ("unread", unread), ("version", version())])
}

const ABOUT: &str = "\
A snapshot file is insta's: front matter between two lines of ---, then the body. This is the schema of the JSON object in \
`description`. The body holds shapes and no values, one line an endpoint and below it one line a field, sorted; cells are \
parted by two blanks or more. A line of an endpoint: method and host/path; first-party, third-party or unknown-party; phase; k/n runs that \
had it; unknown-origin where nobody knows whose traffic it is. A line of a field begins with two blanks: part (path, query, \
header, cookie, form, json, body) and name; type; categories, parted by commas, or nothing; k/n runs; layers to peel off, \
outermost first, parted by ` > `, or nothing. A name that could be mistaken for something else is quoted as a JSON string.";
