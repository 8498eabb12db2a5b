//! The schema of one line of a capture's `events.jsonl`.

use serde_json::{Value, json};

use super::shared::{
    Always, Maybe, base64, category, count, date, digest, document, field_type, flag, list, nullable, object, one_of, reference, tagged,
    target, text, time, tuple, version, word, words,
};
use crate::model::{AttachmentKind, Quantity, capture::CAPTURE_FORMAT};

/// Schema of one line.
pub(super) fn schema() -> Value {
    let line = object(&[
        ("n", Always, "1, 2, 3 … without gaps", count(1)),
        ("at", Always, "When, on the rig's clock", time()),
        ("event", Always, "What happened", reference("event")),
        (
            "chain",
            Always,
            "Link of the hash chain: SHA-256 of the link before it (64 zeros before the first line) and of this line up to \
             \",\"chain\", with the text of every inline or torn body replaced by its own SHA-256, so that bodies can be purged",
            digest(),
        ),
    ]);
    document(
        "tattletale capture: one line of events.jsonl",
        "A capture is a folder with events.jsonl, one JSON object a line, bodies/, one file a body over 64 KiB, named by its SHA-256, and \
         attachments/, pictures and recordings of the screen and what a script in the app said, where there are any. \
         The first line is run-started. Without run-ended the run never ended. Values are a person's data: captures stay on the machine.",
        line,
        &[
            ("attachment", attachment()),
            ("body", body()),
            ("event", event()),
            ("exchange", exchange()),
            ("header", object(&[("name", Always, "In its own case", text()), ("value", Always, "", text())])),
            ("message", message()),
            ("planted-value", planted_value()),
            ("position", position()),
            ("provenance", provenance()),
            ("target", target()),
            ("tunnel", tunnel()),
            ("url", url()),
            ("version", version()),
        ],
    )
}

fn event() -> Value {
    let began = object(&[
        ("id", Always, "Number of the exchange", count(1)),
        ("method", Always, "", text()),
        ("host", Always, "Lower case", text()),
        ("tunnel", Maybe, "Number of the tunnel it came through", count(1)),
    ]);
    let opened = object(&[
        ("id", Always, "Number of the tunnel", count(1)),
        ("phase", Always, "Phase in which it was opened", text()),
        ("host", Always, "Host of the CONNECT, lower case", text()),
        ("port", Always, "", json!({ "type": "integer", "minimum": 0, "maximum": 65535 })),
    ]);
    let noted = object(&[("id", Always, "Number of the exchange", count(1)), ("note", Always, "What, in words", text())]);
    let phase = object(&[("name", Always, "", text()), ("explains", Always, "Categories that this phase explains", list(category()))]);
    let moved =
        object(&[("position", Always, "", reference("position")), ("confirmed", Always, "Whether the phone said so when asked", flag())]);
    let step = object(&[
        ("step", Always, "Its name", text()),
        ("line", Always, "Line of the scenario file", count(1)),
        ("file", Maybe, "That file, from the app's folder, when it is another one than the run's own", text()),
    ]);
    let installed = object(&[("version", Always, "The version that is there now", reference("version"))]);
    one_of([
        tagged("app-altered", "The app that runs is not as its vendor made it, or a script that altered it has ended", alteration()),
        tagged("app-installed", "A step installed the app", installed),
        tagged("attached", "A file was put beside the log, in the folder attachments", reference("attachment")),
        tagged("exchange", "An exchange is over", reference("exchange")),
        tagged("exchange-began", "A request's head was read; without an exchange of that number it was torn by a crash", began),
        tagged("exchange-noted", "Something about an exchange that is not over, and no error", noted),
        tagged(
            "message",
            "A WebSocket message passed; the exchange that opened the connection follows when it is over",
            reference("message"),
        ),
        tagged(
            "outside-proxy",
            "The phone counted traffic of the app that went past the proxy",
            object(&[("sent", Always, "Bytes that the app sent", count(0)), ("received", Always, "Bytes that it received", count(0))]),
        ),
        tagged(
            "outside-uncounted",
            "What the app sent past the proxy could not be counted, or not all of it",
            object(&[("why", Always, "Reads after \"because \"", text())]),
        ),
        tagged("phase-began", "From here on another phase", phase),
        tagged("phone-moved", "", moved),
        tagged("planted", "A value became known to be on the phone or the band", reference("planted-value")),
        tagged("run-ended", "The last event", object(&[("ending", Always, "", ending())])),
        tagged("run-started", "The first event", reference("provenance")),
        tagged("step-began", "Steps may hold others, which begin and end between this and its step-ended", step),
        tagged("step-ended", "", object(&[("note", Always, "What the step says of itself", text())])),
        tagged("tunnel", "A tunnel is over", reference("tunnel")),
        tagged("tunnel-began", "A CONNECT was read; without a tunnel of that number it was open when the recording broke off", opened),
    ])
}

fn alteration() -> Value {
    one_of([
        object(&[
            ("how", Always, "Rebuilt so that it trusts the rig's certificate, and signed anew", word("repackaged")),
            ("original", Always, "SHA-256 of the main file that it was made of", digest()),
            ("repackaged", Always, "SHA-256 of the main file that is installed", digest()),
            ("lifted", Always, "What of the app's own decisions about its connections does not hold any more, in words", list(text())),
        ]),
        object(&[("how", Always, "A script of the rig's owner runs in it", word("script")), ("sha256", Always, "Of the script", digest())]),
        object(&[
            ("how", Always, "That script ended before the run did", word("script-ended")),
            ("why", Always, "When and how, in words", text()),
        ]),
    ])
}

fn attachment() -> Value {
    object(&[
        ("kind", Always, "What it is", words(AttachmentKind::ALL.map(AttachmentKind::word))),
        (
            "file",
            Always,
            "Its name in the folder attachments",
            json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,79}\\.[a-z0-9]{3}$" }),
        ),
        ("bytes", Always, "Its length", count(0)),
        ("sha256", Always, "Of its bytes", digest()),
    ])
}

fn ending() -> Value {
    let plain = |how: &str, about: &str| object(&[("how", Always, about, word(how))]);
    let why = |how: &str, about: &str| object(&[("how", Always, about, word(how)), ("why", Always, "", text())]);
    one_of([
        plain("complete", "Every step was done"),
        why("instrument-failed", "Phone, band, proxy or disk failed"),
        plain("interrupted", "A person stopped it"),
        why("self-check-failed", "Before the run, the phone's traffic could not be read"),
        why("step-failed", "The scenario did not happen as written"),
    ])
}

fn provenance() -> Value {
    let kind = |kind: &str| ("kind", Always, "", word(kind));
    let source = one_of([
        object(&[kind("har"), ("creator", Always, "Program that wrote the HAR", text())]),
        object(&[kind("mitmproxy-flows"), ("version", Always, "Versions of the flow file's format: 18", text())]),
        object(&[kind("proxy")]),
    ]);
    let rig = one_of([
        object(&[
            kind("by-hand"),
            ("about", Always, "A phone used by hand, through which proxy and scope; its only phase is unscripted", text()),
        ]),
        object(&[kind("imported")]),
        object(&[kind("real"), ("about", Always, "Models, never serials", text())]),
        object(&[kind("simulated"), ("seed", Always, "The same seed repeats the run", count(0))]),
    ]);
    let expectation = one_of([
        tagged("never-category", "Must not be uploaded outside phases that explain it", category()),
        tagged("never-type", "Must not be uploaded outside phases that explain location", field_type()),
    ]);
    let control = object(&[
        ("hosts", Always, "Hosts seen with the app stopped, sorted", list(text())),
        ("seconds", Always, "How long it watched, on the rig's clock", count(0)),
        ("made", Maybe, "When it was made, if that was not for this audit", time()),
    ]);
    object(&[
        (
            "format",
            Always,
            "Raised when a reader of the old one would be wrong; 1 has no tunnel-began",
            json!({ "enum": (1..=CAPTURE_FORMAT).collect::<Vec<_>>() }),
        ),
        ("tool", Always, "Version of tattletale", text()),
        ("source", Always, "Recorded, or imported", source),
        ("target", Always, "", reference("target")),
        ("scenario_hash", Maybe, "SHA-256 of the scenario's canonical form; left out for imports and control runs", digest()),
        ("run", Always, "Which of the audit's runs", count(1)),
        ("runs", Always, "Of how many", count(1)),
        ("rig", Always, "", rig),
        ("started", Always, "", time()),
        ("planted", Always, "Values known before the run", list(reference("planted-value"))),
        ("expectations", Always, "What the scenario forbids", list(expectation)),
        ("control", Maybe, "What the control run saw", control),
    ])
}

fn planted_value() -> Value {
    let byte = json!({ "type": "integer", "minimum": 0, "maximum": 255 });
    let first = json!({ "type": "integer", "minimum": 0, "maximum": 1439 });
    let minutes = object(&[
        ("quantity", Always, "What was measured", words(Quantity::ALL.map(Quantity::word))),
        ("day", Always, "Day of the band's calendar", date()),
        ("first", Always, "Minute of the day that the first value is of", first),
        ("values", Always, "One a minute; null where the band was read and has none", list(nullable(byte.clone()))),
    ]);
    let value = one_of([
        tagged("date", "", date()),
        tagged("decimal", "Plain decimal notation", text()),
        tagged("integer", "", json!({ "type": "integer" })),
        tagged("mac", "Display order", tuple(&std::array::from_fn::<_, 6, _>(|_| byte.clone()))),
        tagged("minutes", "What a band holds of one day", minutes),
        tagged("moment", "To the second", time()),
        tagged("position", "", reference("position")),
        tagged("series", "One value a minute", list(byte.clone())),
        tagged("text", "", text()),
    ]);
    object(&[
        ("name", Always, "Used in reports: band.mac", text()),
        ("category", Always, "What finding it means", category()),
        ("value", Always, "", value),
        ("source", Always, "Who says so", words(["band", "file", "phone", "rig", "scenario"])),
        ("confirmed", Always, "Whether phone or band was asked and agreed", flag()),
    ])
}

fn position() -> Value {
    let degrees = |most: u32| json!({ "type": "number", "minimum": -i64::from(most), "maximum": most });
    object(&[("lat", Always, "WGS 84, decimal degrees", degrees(90)), ("lon", Always, "", degrees(180))])
}

fn exchange() -> Value {
    let headers = || list(reference("header"));
    let request = object(&[
        ("method", Always, "", text()),
        ("url", Always, "", reference("url")),
        ("http_version", Always, "Empty when an import does not say", text()),
        ("headers", Always, "In the order received", headers()),
        ("body", Always, "", reference("body")),
        ("trailers", Maybe, "", headers()),
    ]);
    let response = object(&[
        ("status", Always, "", json!({ "type": "integer", "minimum": 0, "maximum": 65535 })),
        ("http_version", Always, "", text()),
        ("headers", Always, "In the order received", headers()),
        ("body", Always, "", reference("body")),
        ("trailers", Maybe, "", headers()),
    ]);
    object(&[
        ("id", Always, "Number within the capture", count(1)),
        ("phase", Always, "Phase in which the request began; unscripted in an import and where the phone was used by hand", text()),
        ("tunnel", Maybe, "Number of the tunnel it came through", count(1)),
        ("began", Always, "When the request's head had been read", time()),
        ("ended", Maybe, "When the last byte of the response had passed", time()),
        ("request", Always, "", request),
        ("response", Maybe, "Left out when there was none", response),
        ("error", Maybe, "Why there is no complete response", text()),
    ])
}

fn url() -> Value {
    object(&[
        ("scheme", Always, "http, https, ws or wss; another, or none, as an import has it", text()),
        ("host", Always, "Lower case; IPv6 without brackets", text()),
        ("port", Always, "", json!({ "type": "integer", "minimum": 0, "maximum": 65535 })),
        ("path_and_query", Always, "As sent, still percent-encoded", text()),
    ])
}

fn message() -> Value {
    object(&[
        ("exchange", Always, "Number of the exchange that opened the connection", count(1)),
        ("number", Always, "Number within the connection, both directions counted together", count(1)),
        ("phase", Always, "Phase in which it passed; unscripted in an import and where the phone was used by hand", text()),
        ("at", Always, "When it passed", time()),
        ("sent", Always, "True when the app sent it, false when the server did", flag()),
        ("text", Always, "True for a text message, false for a binary one", flag()),
        ("url", Always, "URL that opened the connection", reference("url")),
        ("body", Always, "What it carried, after the framing and its compression", reference("body")),
    ])
}

fn body() -> Value {
    let content = one_of([
        json!({ "const": "empty", "description": "There was no body" }),
        json!({ "const": "spilled", "description": "In bodies/, named by sha256" }),
        tagged("absent", "Not recorded, or purged: why", text()),
        tagged("inline", "Here", base64()),
        tagged("torn", "Cut off; what had come is here", base64()),
        tagged("torn-spilled", "Cut off; what had come is in bodies/, named by this", digest()),
    ]);
    object(&[
        ("bytes", Always, "Length that passed, kept or not", count(0)),
        ("sha256", Maybe, "Of the whole body; left out when empty, cut off or absent", digest()),
        ("content", Always, "As it went over the wire, content encoding included", content),
    ])
}

fn tunnel() -> Value {
    let kind = |kind: &str, about: &str| object(&[("kind", Always, about, word(kind))]);
    let outcome = one_of([
        object(&[
            ("kind", Always, "The client refused our certificate", word("certificate-refused")),
            ("alert", Always, "The TLS alert's name", text()),
        ]),
        kind("closed-during-handshake", "The client closed after it had our certificate"),
        kind("closed-without-request", "The handshake finished, and no request followed"),
        object(&[
            ("kind", Always, "The two sides found no way to speak TLS with each other", word("handshake-failed")),
            ("why", Always, "The reason", text()),
        ]),
        object(&[("kind", Always, "HTTP came that breaks its rules", word("malformed")), ("why", Always, "Which rule", text())]),
        kind("not-tls", "What came was not TLS"),
        kind("own-protocol", "What came inside TLS was not HTTP"),
        kind("passed-through", "Passed on unread"),
        object(&[("kind", Always, "Requests in it were read", word("read")), ("requests", Always, "How many", count(0))]),
        object(&[("kind", Always, "The server could not be reached", word("unreachable")), ("why", Always, "Why", text())]),
    ]);
    let evidence = object(&[
        (
            "passed_because",
            Maybe,
            "Why it was passed on unread",
            words(["names-outside", "no-certificate", "outside-scope", "own-protocol", "refused"]),
        ),
        ("afterwards", Maybe, "What became of the rest, where what followed the requests that were read could not be", outcome.clone()),
        (
            "bytes",
            Maybe,
            "What passed through it unread, when it was counted; of broken HTTP, what came since the last answer",
            object(&[
                ("sent", Always, "From the client to the server", count(0)),
                ("received", Always, "From the server to the client", count(0)),
            ]),
        ),
        ("client", Maybe, "The address of a client that named no host", text()),
        ("protocol", Maybe, "The protocol that its first bytes or its ALPN offer name for certain", text()),
        (
            "leaving",
            Maybe,
            "How the client left, when the handshake was finished and no request followed",
            object(&[
                ("by", Always, "What ended the connection", words(["close-notify", "cut", "us"])),
                ("after_ms", Always, "Milliseconds since the end of the handshake", count(0)),
            ]),
        ),
    ]);
    object(&[
        ("id", Always, "Number within the capture", count(1)),
        ("phase", Always, "Phase in which it was opened", text()),
        ("host", Always, "Host of the CONNECT, or that is named without one; empty where none is", text()),
        ("port", Always, "0 where no host is named", json!({ "type": "integer", "minimum": 0, "maximum": 65535 })),
        ("sni", Maybe, "Server name of the TLS ClientHello", text()),
        ("alpn", Maybe, "Protocols offered, in order", list(text())),
        ("began", Always, "", time()),
        ("ended", Maybe, "", time()),
        ("outcome", Always, "", outcome),
        ("evidence", Maybe, "What else is known of it", evidence),
    ])
}
