//! Parts that several schemas share: shapes of maps, words of enums, and the definitions of nouns that stand in more than one
//! format.

use serde_json::{Map, Value, json};

use crate::model::{BlindSpotKind, Category, Encoding, Part, Platform};

/// Whether a key must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Always there.
    Always,
    /// May be left out.
    Maybe,
}

pub(super) use Need::{Always, Maybe};

/// A schema of draft 2020-12: title, what it is of, its shape, and the definitions it uses.
pub(super) fn document(title: &str, about: &str, shape: Value, definitions: &[(&str, Value)]) -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": about,
    });
    let definitions: Map<String, Value> = definitions.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect();
    if let (Some(whole), Value::Object(shape)) = (schema.as_object_mut(), shape) {
        whole.extend(shape);
        whole.insert("$defs".to_owned(), definitions.into());
    }
    schema
}

/// A map with known keys: name, whether it must be there, what it is, its shape.
pub(super) fn object(keys: &[(&str, Need, &str, Value)]) -> Value {
    let described = |about: &str, shape: &Value| {
        let mut shape = shape.clone();
        if let Some(shape) = shape.as_object_mut().filter(|_| !about.is_empty()) {
            shape.insert("description".to_owned(), about.into());
        }
        shape
    };
    let properties: Map<String, Value> = keys.iter().map(|(name, _, about, shape)| ((*name).to_owned(), described(about, shape))).collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.1 == Always).map(|key| key.0).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// A map with one key, which says what it is.
pub(super) fn tagged(name: &str, about: &str, shape: Value) -> Value {
    object(&[(name, Always, about, shape)])
}

/// One of several shapes.
pub(super) fn one_of(shapes: impl IntoIterator<Item = Value>) -> Value {
    json!({ "oneOf": shapes.into_iter().collect::<Vec<_>>() })
}

/// A shape, or null.
pub(super) fn nullable(shape: Value) -> Value {
    one_of([shape, json!({ "type": "null" })])
}

/// A list of one shape.
pub(super) fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

/// A list of so many shapes, in order.
pub(super) fn tuple(of: &[Value]) -> Value {
    json!({ "type": "array", "prefixItems": of, "items": false, "minItems": of.len() })
}

/// A map whose keys are names of things.
pub(super) fn table(of: Value) -> Value {
    json!({ "type": "object", "additionalProperties": of })
}

/// A definition of the same document.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// Any text.
pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

/// One of these words.
pub(super) fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Value {
    json!({ "type": "string", "enum": words.into_iter().collect::<Vec<_>>() })
}

/// Exactly this word.
pub(super) fn word(word: &str) -> Value {
    json!({ "const": word })
}

/// A whole number, from `least`.
pub(super) fn count(least: u64) -> Value {
    json!({ "type": "integer", "minimum": least })
}

/// true or false.
pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// The number of a format, and nothing newer.
pub(super) fn format_number(known: u32) -> Value {
    json!({ "const": known })
}

/// A moment, RFC 3339.
pub(super) fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// A calendar date, RFC 3339.
pub(super) fn date() -> Value {
    json!({ "type": "string", "format": "date" })
}

/// SHA-256 in hex.
pub(super) fn digest() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
}

/// Standard base64.
pub(super) fn base64() -> Value {
    json!({ "type": "string", "contentEncoding": "base64" })
}

/// What a capture, a snapshot or a report is of.
pub(super) fn target() -> Value {
    object(&[
        ("app", Always, "App name: its folder's", text()),
        ("platform", Always, "", words(Platform::ALL.map(Platform::word))),
        ("version", Always, "App version", reference("version")),
        ("scenario", Always, "Scenario name", text()),
        ("claimed", Always, "Whether a person said so and nobody checked it", flag()),
    ])
}

/// An app version.
pub(super) fn version() -> Value {
    object(&[("name", Always, "As people write it", text()), ("code", Maybe, "Android's version code", count(0))])
}

/// Where in a capture to look.
pub(super) fn evidence() -> Value {
    object(&[
        ("run", Always, "Which run, from 1", count(1)),
        ("exchange", Always, "Number of the exchange within that run's capture", nullable(count(1))),
        ("bytes", Always, "Where, within the body as sent", nullable(byte_range())),
        ("chain", Always, "Layers to peel off, outermost first", list(encoding())),
    ])
}

pub(super) fn byte_range() -> Value {
    object(&[
        ("start", Always, "First byte", count(0)),
        ("end", Always, "The one after the last", count(0)),
        ("coarse", Always, "Whether the range is that of what the value is wrapped in", flag()),
    ])
}

/// Uploaded bytes by what is known of them.
pub(super) fn ledger() -> Value {
    object(&[
        ("named", Always, "Bytes of fields with a category", count(0)),
        ("typed", Always, "Bytes of fields with a type only", count(0)),
        ("structure", Always, "Bytes of names, punctuation and transport", count(0)),
        ("unexplained", Always, "Bytes of what nobody can explain", count(0)),
    ])
}

/// What names an endpoint.
pub(super) fn endpoint_key() -> Value {
    object(&[
        ("host", Always, "Host, or the app file's pattern for it", text()),
        ("path", Always, "Path template", text()),
        ("method", Always, "", text()),
        ("phase", Always, "Phase in which the request began", text()),
    ])
}

/// What names a field of an endpoint.
pub(super) fn field_name() -> Value {
    object(&[
        ("part", Always, "", words(Part::ALL.map(Part::word))),
        ("path", Always, "Names joined by dots, [] for any element; empty when the part is one value", text()),
    ])
}

/// What a leaf looks like.
pub(super) fn field_type() -> Value {
    let bytes = tagged("bytes", "Length, where every occurrence had the same", nullable(count(0)));
    one_of([words(FIELD_TYPES), bytes])
}

/// A category of personal data.
pub(super) fn category() -> Value {
    words(Category::ALL.map(Category::word))
}

/// A layer around a value. One word differs from that of a snapshot's line: base64url is `base64-url` here.
pub(super) fn encoding() -> Value {
    words(Encoding::ALL.map(|encoding| if encoding == Encoding::Base64Url { "base64-url" } else { encoding.word() }))
}

/// A layer around a value, by its word in a snapshot.
pub(super) fn encoding_words() -> Value {
    words(Encoding::ALL.map(Encoding::word))
}

/// A kind of blind spot.
pub(super) fn blind_spot_kind() -> Value {
    words(BlindSpotKind::ALL.map(BlindSpotKind::word))
}

/// Types without a length.
pub(super) const FIELD_TYPES: [&str; 15] = [
    "boolean",
    "coordinates",
    "date",
    "decimal",
    "empty",
    "integer",
    "latitude",
    "longitude",
    "mac",
    "opaque",
    "text",
    "timestamp-ms",
    "timestamp-s",
    "token",
    "uuid",
];
