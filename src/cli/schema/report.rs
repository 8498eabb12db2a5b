//! The schema of the report as data (`--format json`).

use serde_json::{Value, json};

use super::shared::{
    Always, Maybe, blind_spot_kind, category, count, date, document, encoding, endpoint_key, evidence, field_name, field_type, flag,
    format_number, ledger, list, nullable, object, one_of, reference, table, target, text, tuple, version, word, words,
};
use crate::model::{Quantity, Severity, report::REPORT_FORMAT};

/// Schema of the document.
pub(super) fn schema() -> Value {
    let whole = object(&[
        ("format", Always, "Raised when a reader of the old one would be wrong", format_number(REPORT_FORMAT)),
        ("reports", Always, "One report an audit", list(reference("report"))),
        ("taxonomy", Always, "Every category that occurs in them, and its group, by its word", table(reference("layers"))),
    ]);
    document(
        "tattletale report",
        "What audits found. It holds shapes and names, never a captured value.",
        whole,
        &[
            ("accepted", accepted()),
            ("blind-spot", blind_spot()),
            ("change", change()),
            ("conservation", conservation()),
            ("conservation-row", conservation_row()),
            ("coverage", coverage()),
            ("endpoint-key", endpoint_key()),
            ("endpoint-row", endpoint_row()),
            ("evidence", evidence()),
            ("field-name", field_name()),
            ("finding", finding()),
            ("layers", layers()),
            ("ledger", ledger()),
            ("origin", words(["app", "phone", "unknown"])),
            ("report", report()),
            ("shape", shape()),
            ("target", target()),
            ("verdict", verdict()),
            ("version", version()),
        ],
    )
}

fn report() -> Value {
    let baseline = object(&[
        ("version", Always, "", reference("version")),
        ("runs", Always, "", count(0)),
        ("place", Always, "Where it came from: a file name, or embedded", text()),
        ("same_version", Always, "A difference was then changed remotely", flag()),
    ]);
    object(&[
        ("format", Always, "", format_number(REPORT_FORMAT)),
        ("tool", Always, "Version of tattletale", text()),
        ("target", Always, "", reference("target")),
        ("about", Always, "What the scenario is about; may be empty", text()),
        ("disclaimer", Maybe, "What must be said of the rig", text()),
        ("rig", Always, "Words on the rig and its seeds", text()),
        ("captures", Always, "Names of the captures, in run order", list(text())),
        ("coverage", Always, "What was read of what there was", reference("coverage")),
        ("endpoints", Always, "By bytes uploaded, most first", list(reference("endpoint-row"))),
        ("planted", Always, "Planted values: name, and what became of it", list(tuple(&[text(), text()]))),
        (
            "conservation",
            Maybe,
            "What became of what the band held: a table for all runs in which it is the same; left out when no band was read",
            list(reference("conservation")),
        ),
        ("positions", Maybe, "Positions found near a planted one, a sentence each", list(text())),
        ("late_positions", Maybe, "Positions that a phase explains, sent in one that does not", list(text())),
        ("baseline", Maybe, "What it was compared with", baseline),
        ("changes", Always, "What differs from the baseline", list(reference("change"))),
        ("findings", Always, "What rules object to", list(reference("finding"))),
        ("verdict", Always, "What it adds up to", reference("verdict")),
        ("doubts", Maybe, "Every reason why it could not be called clean, even without a finding", list(text())),
    ])
}

fn conservation() -> Value {
    object(&[
        ("runs", Always, "The runs that it is of, from 1", list(count(1))),
        ("rows", Always, "One a quantity", list(reference("conservation-row"))),
        ("notes", Maybe, "What has to be known to read it, a sentence each", list(text())),
    ])
}

fn conservation_row() -> Value {
    let held = one_of([
        object(&[("kind", Always, "Not as such: what there is of it is in the activity kinds", word("in-kinds"))]),
        object(&[
            ("kind", Always, "Minutes", word("minutes")),
            ("values", Always, "With a value", count(0)),
            ("zeros", Always, "With the value that there was nothing: no step, the kind 0", count(0)),
            ("gaps", Always, "Read, and without any value", count(0)),
        ]),
        object(&[("kind", Always, "Nothing is known of it: it was not read, or the band had none", word("not-known"))]),
        object(&[("kind", Always, "Single values", word("values")), ("values", Always, "How many", count(0))]),
    ]);
    object(&[
        ("quantity", Always, "", words(Quantity::ALL.map(Quantity::word))),
        ("held", Always, "What the band held", held),
        ("found", Always, "Of the values held, in the uploads beyond chance; each once, over all uploads together", count(0)),
        ("probably", Always, "How many more are there probably", count(0)),
        ("not_seen", Always, "How many more were looked for and not seen in what could be read", count(0)),
        ("untold", Always, "How many more cannot be told from chance: they may have been sent unseen", count(0)),
        ("not_checked", Always, "How many more nobody confirmed, or could look for", count(0)),
        ("derived", Always, "Fields of a kind that is not on the band and can be worked out of what is", list(text())),
        ("added", Always, "Fields of this very kind in which none of the band's values was found, though it could have been", list(text())),
        (
            "in_pieces",
            Always,
            "Fields of this very kind, or of no telling name and of its numbers, sent in pieces that cannot be told from chance, also together",
            list(text()),
        ),
    ])
}

/// What a category is called elsewhere.
fn layers() -> Value {
    let dpv = object(&[
        ("iri", Always, "Concept of the W3C Data Privacy Vocabulary 2.2", text()),
        ("special_category", Always, "Whether DPV calls that concept a special category of personal data", flag()),
    ]);
    object(&[
        ("group", Always, "The group it belongs to; itself, when it is one", category()),
        ("meaning", Always, "", text()),
        ("dpv", Always, "", dpv),
        ("play", Always, "Ids of Google Play's data-safety form: one of them, none when the form has no box", list(text())),
        ("apple", Always, "Ids of an Apple privacy manifest: one of them", list(text())),
    ])
}

fn coverage() -> Value {
    let host = object(&[
        ("origin", Always, "Whose traffic it is", reference("origin")),
        ("exchanges", Always, "Exchanges read", count(0)),
        ("uploaded_bytes", Always, "", count(0)),
        ("ledger", Always, "What is known of those bytes", reference("ledger")),
        ("unread_tunnels", Always, "Tunnels that ended without a request read", count(0)),
        ("carries", Maybe, "Categories of the planted values found in its requests, sorted", list(category())),
    ]);
    object(&[
        ("hosts", Always, "Every host that was contacted", table(host)),
        ("blind_spots", Always, "What could not be seen, sorted", list(reference("blind-spot"))),
        ("uploaded_bytes", Always, "By requests of the app, or of unknown origin", count(0)),
        ("ledger", Always, "What is known of those bytes", reference("ledger")),
        ("ledger_unaided", Always, "The same without what adapters and the app file say", reference("ledger")),
        ("complete_runs", Always, "", count(0)),
        ("incomplete_runs", Always, "Which, and why", list(text())),
        ("known", Always, "Whether the captures can tell what they missed", flag()),
        ("first_party_exchanges", Always, "Requests to the app's own hosts that were read and answered", count(0)),
        ("doubts", Maybe, "Why complete runs cannot answer all the same", list(text())),
    ])
}

fn blind_spot() -> Value {
    object(&[
        ("host", Always, "Empty when it concerns the whole capture", text()),
        ("kind", Always, "", blind_spot_kind()),
        ("endpoint", Always, "Empty when it concerns a host", text()),
        ("origin", Always, "", reference("origin")),
        ("phases", Always, "In how many complete runs each phase had it; \"\" where nobody knows which phase", table(count(0))),
        ("sentence", Always, "", text()),
        ("evidence", Always, "", nullable(reference("evidence"))),
    ])
}

fn endpoint_row() -> Value {
    object(&[
        ("endpoint", Always, "Method, host or pattern, path template", text()),
        ("phase", Always, "", text()),
        ("party", Always, "", words(["first-party", "third-party", "unknown-party"])),
        ("origin", Always, "", reference("origin")),
        ("receiver", Maybe, "Company behind the host; absent where nobody knows", text()),
        ("country", Maybe, "Where that company is established, ISO 3166-1 alpha-2; absent where nobody knows", text()),
        (
            "receiver_source",
            Maybe,
            "How that is known: app.yaml, a data set with its address, or generally known with a page where it can be checked; and the day",
            text(),
        ),
        ("exchanges", Always, "Over all runs", count(0)),
        ("uploaded_bytes", Always, "Over all runs", count(0)),
        ("ledger", Always, "What is known of those bytes", reference("ledger")),
        ("runs", Always, "In how many runs", count(0)),
        ("fields", Always, "Number of fields", count(0)),
        ("categories", Always, "Of its fields, sorted", list(category())),
    ])
}

fn change() -> Value {
    let in_some = object(&[
        ("kind", Always, "Too few runs to tell a change from chance", word("some-runs-only")),
        ("new", Always, "New runs that had it", count(0)),
        ("new_runs", Always, "Of so many", count(0)),
        ("old", Always, "Old runs that had it", count(0)),
        ("old_runs", Always, "Of so many", count(0)),
    ]);
    let counts = object(&[("kind", Always, "In all new runs and in none of at least three old ones, or the reverse", word("counts"))]);
    let kinds = [
        "changed-field",
        "gone-endpoint",
        "gone-field",
        "new-endpoint",
        "new-field",
        "new-phase",
        "new-receiver",
        "newly-readable",
        "went-dark",
    ];
    object(&[
        ("kind", Always, "", words(kinds)),
        ("endpoint", Always, "", reference("endpoint-key")),
        ("field", Maybe, "For changes of a field", reference("field-name")),
        ("before", Maybe, "", reference("shape")),
        ("after", Maybe, "", reference("shape")),
        ("sentence", Always, "", text()),
        ("confidence", Always, "", one_of([counts, in_some])),
    ])
}

fn shape() -> Value {
    object(&[
        ("kind", Always, "What it looks like", field_type()),
        ("categories", Always, "What it means", list(category())),
        ("chain", Always, "Layers to peel off, outermost first", list(encoding())),
    ])
}

fn finding() -> Value {
    object(&[
        ("id", Always, "Stable over runs, machines and app versions", json!({ "type": "string", "pattern": "^T[0-9a-f]{8}$" })),
        ("rule", Always, "The rule's name", text()),
        ("severity", Always, "", words(Severity::ALL.map(Severity::word))),
        ("endpoint", Always, "Null when it is about a host as a whole", nullable(reference("endpoint-key"))),
        ("host", Always, "", text()),
        ("field", Maybe, "", reference("field-name")),
        ("categories", Maybe, "What the field carries, sorted", list(category())),
        ("sentence", Always, "", text()),
        ("details", Maybe, "", list(text())),
        ("distance_m", Maybe, "Metres to the planted position", json!({ "type": "number", "minimum": 0 })),
        ("evidence", Maybe, "", reference("evidence")),
        ("accepted", Maybe, "The policy entry that accepts it", reference("accepted")),
    ])
}

fn accepted() -> Value {
    object(&[
        ("finding", Always, "Its id", text()),
        ("reason", Always, "", text()),
        ("expires", Always, "Last day on which it holds", date()),
    ])
}

fn verdict() -> Value {
    one_of([
        object(&[("kind", Always, "Nothing new in what could be read", word("clean"))]),
        object(&[("kind", Always, "A finding at or above the fail level", word("finding")), ("count", Always, "How many", count(1))]),
        object(&[("kind", Always, "It cannot answer", word("inconclusive")), ("reasons", Always, "Why", list(text()))]),
    ])
}
