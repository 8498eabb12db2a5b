//! One uploaded leaf: where in the request it sits, what it looks like, what it means and why we say so. No values.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use super::Category;

/// The part of a request a field sits in. Order is the order of snapshot lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A variable segment of the path.
    Path,
    /// A query parameter.
    Query,
    /// A request header (name in lower case).
    Header,
    /// One cookie of the `cookie` header.
    Cookie,
    /// A form field, or something inside it.
    Form,
    /// A leaf of a JSON body.
    Json,
    /// The body as a whole, or something in it that has no better name.
    Body,
    /// A message that the app sent over a WebSocket, or something in it.
    Message,
}

impl Part {
    /// Every part, in order.
    pub const ALL: [Self; 8] = [Self::Path, Self::Query, Self::Header, Self::Cookie, Self::Form, Self::Json, Self::Body, Self::Message];

    /// Its word in a snapshot.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Form => "form",
            Self::Json => "json",
            Self::Body => "body",
            Self::Message => "message",
        }
    }
}

/// Name of a field within its endpoint: part and path, `form data_json[].data_hr`.
///
/// A path is names joined by `.`, with `[]` for any element of an array, `{date}` `{id}` `{mac}` `{uuid}` for map keys that
/// are values, and odd keys quoted as JSON strings. It is text for people and snapshots, and holds no captured value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FieldName {
    /// Part of the request.
    pub part: Part,
    /// Path within the part; empty when the part is one value (a raw body).
    pub path: String,
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(self.part.word()) } else { write!(f, "{} {}", self.part.word(), self.path) }
    }
}

/// What a leaf looks like. A field's type is the join over its occurrences.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldType {
    /// Nothing there: null or an empty text. Bottom of the join.
    #[default]
    Empty,
    /// true or false.
    Boolean,
    /// Whole number. Joins with [`FieldType::Decimal`].
    Integer,
    /// Number with a fraction.
    Decimal,
    /// Epoch seconds.
    TimestampS,
    /// Epoch milliseconds.
    TimestampMs,
    /// Calendar date or date with time, ISO 8601.
    Date,
    /// UUID.
    Uuid,
    /// Bluetooth or network hardware address, also in EUI-64 form.
    Mac,
    /// Latitude in decimal degrees.
    Latitude,
    /// Longitude in decimal degrees.
    Longitude,
    /// Latitude and longitude in one text.
    Coordinates,
    /// Binary data; `Some(n)` when every occurrence had n bytes.
    Bytes(Option<u64>),
    /// A token of hex or base64 characters without inner structure.
    Token,
    /// Any other text.
    Text,
    /// Bytes nobody could decode; see the blind spot.
    Opaque,
}

impl FieldType {
    /// The least type that covers both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        use FieldType::{Bytes, Decimal, Empty, Integer, Latitude, Longitude, Opaque, Text, TimestampMs, TimestampS};
        match (self, other) {
            (a, b) if a == b => a,
            (Empty, x) | (x, Empty) => x,
            (Bytes(_), Bytes(_)) => Bytes(None),
            (Integer, TimestampS | TimestampMs)
            | (TimestampS | TimestampMs, Integer)
            | (TimestampS, TimestampMs)
            | (TimestampMs, TimestampS) => Integer,
            (
                Integer | TimestampS | TimestampMs | Latitude | Longitude | Decimal,
                Integer | TimestampS | TimestampMs | Latitude | Longitude | Decimal,
            ) => Decimal,
            (Opaque, _) | (_, Opaque) => Opaque,
            _ => Text,
        }
    }

    /// Whether going from one to the other is a change worth telling: null, empty and integer/decimal never are (R11).
    pub fn same_kind(&self, other: &Self) -> bool {
        use FieldType::{Decimal, Empty, Integer};
        self == other || matches!((self, other), (Empty, _) | (_, Empty) | (Integer, Decimal) | (Decimal, Integer))
    }

    /// Reads the word that [`fmt::Display`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "empty" => Self::Empty,
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "decimal" => Self::Decimal,
            "timestamp-s" => Self::TimestampS,
            "timestamp-ms" => Self::TimestampMs,
            "date" => Self::Date,
            "uuid" => Self::Uuid,
            "mac" => Self::Mac,
            "latitude" => Self::Latitude,
            "longitude" => Self::Longitude,
            "coordinates" => Self::Coordinates,
            "bytes" => Self::Bytes(None),
            "token" => Self::Token,
            "text" => Self::Text,
            "opaque" => Self::Opaque,
            _ => {
                let count = word.strip_prefix("bytes[")?.strip_suffix(']')?;
                Self::Bytes(Some(count.parse().ok()?))
            }
        })
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::TimestampS => "timestamp-s",
            Self::TimestampMs => "timestamp-ms",
            Self::Date => "date",
            Self::Uuid => "uuid",
            Self::Mac => "mac",
            Self::Latitude => "latitude",
            Self::Longitude => "longitude",
            Self::Coordinates => "coordinates",
            Self::Bytes(Some(count)) => return write!(f, "bytes[{count}]"),
            Self::Bytes(None) => "bytes",
            Self::Token => "token",
            Self::Text => "text",
            Self::Opaque => "opaque",
        })
    }
}

/// One layer that was peeled off to reach a leaf, outermost first in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Base32, RFC 4648.
    Base32,
    /// Standard base64.
    Base64,
    /// URL-safe base64.
    #[serde(rename = "base64url")]
    Base64Url,
    /// Brotli, RFC 7932.
    #[serde(rename = "br")]
    Brotli,
    /// CBOR, RFC 8949.
    Cbor,
    /// Raw deflate, RFC 1951.
    Deflate,
    /// FIT, the format of sport watches' activity files.
    Fit,
    /// `application/x-www-form-urlencoded` inside another layer.
    Form,
    /// gRPC: messages with a five-byte head each.
    Grpc,
    /// gzip, RFC 1952.
    Gzip,
    /// Hexadecimal digits.
    Hex,
    /// JSON.
    Json,
    /// JSON text inside a JSON string.
    JsonInString,
    /// JSON Web Token, RFC 7519: its header and its claims.
    Jwt,
    /// MessagePack.
    #[serde(rename = "msgpack")]
    MessagePack,
    /// Multipart, RFC 2046, inside another layer.
    Multipart,
    /// Percent-encoding beyond the one that the URL or form itself has.
    Percent,
    /// Apple's property list, XML or binary.
    Plist,
    /// Protocol Buffers, read by a descriptor that names its fields.
    Protobuf,
    /// Protocol Buffers read without a descriptor: a guess, fields are numbers.
    #[serde(rename = "protobuf?")]
    ProtobufGuess,
    /// Quoted-printable, RFC 2045.
    QuotedPrintable,
    /// Server-sent events framing.
    Sse,
    /// Text in UTF-16, RFC 2781.
    #[serde(rename = "utf-16")]
    Utf16,
    /// XML.
    Xml,
    /// zlib, RFC 1950.
    Zlib,
    /// Zstandard, RFC 8878.
    Zstd,
}

impl Encoding {
    /// Every encoding, sorted by word.
    pub const ALL: [Self; 26] = [
        Self::Base32,
        Self::Base64,
        Self::Base64Url,
        Self::Brotli,
        Self::Cbor,
        Self::Deflate,
        Self::Fit,
        Self::Form,
        Self::Grpc,
        Self::Gzip,
        Self::Hex,
        Self::Json,
        Self::JsonInString,
        Self::Jwt,
        Self::MessagePack,
        Self::Multipart,
        Self::Percent,
        Self::Plist,
        Self::Protobuf,
        Self::ProtobufGuess,
        Self::QuotedPrintable,
        Self::Sse,
        Self::Utf16,
        Self::Xml,
        Self::Zlib,
        Self::Zstd,
    ];

    /// Its word in a snapshot and a report.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Base32 => "base32",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::Brotli => "br",
            Self::Cbor => "cbor",
            Self::Deflate => "deflate",
            Self::Fit => "fit",
            Self::Form => "form",
            Self::Grpc => "grpc",
            Self::Gzip => "gzip",
            Self::Hex => "hex",
            Self::Json => "json",
            Self::JsonInString => "json-in-string",
            Self::Jwt => "jwt",
            Self::MessagePack => "msgpack",
            Self::Multipart => "multipart",
            Self::Percent => "percent",
            Self::Plist => "plist",
            Self::Protobuf => "protobuf",
            Self::ProtobufGuess => "protobuf?",
            Self::QuotedPrintable => "quoted-printable",
            Self::Sse => "sse",
            Self::Utf16 => "utf-16",
            Self::Xml => "xml",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
        }
    }

    /// Whether bytes are read like this on the strength of their looks alone: nothing in them says that they must be.
    pub const fn is_guess(self) -> bool {
        matches!(self, Self::ProtobufGuess)
    }
}

/// Shape of a field: what a snapshot keeps of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldShape {
    /// Join over all occurrences.
    pub kind: FieldType,
    /// What it means, in the finest words known; empty when nobody knows.
    pub categories: BTreeSet<Category>,
    /// Layers peeled to reach it, outermost first, the part's own encoding left out.
    pub chain: Vec<Encoding>,
}

impl FieldShape {
    /// Whether one of its categories is this one, or belongs to this group.
    pub fn is_a(&self, general: Category) -> bool {
        self.categories.iter().any(|category| category.is_a(general))
    }
}

/// How unlikely it is that a planted value stands somewhere by chance, given all that was searched there. What is likelier than
/// either is no hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// By chance in fewer than one of 10^9 such requests.
    #[default]
    Certain,
    /// By chance in fewer than one of 10^4 such requests, or a short value whose field's name speaks of it.
    Likely,
}

impl FieldShape {
    /// Whether the field was reached by a guess: a layer that nothing says must be one, or a text of base64 or hex characters
    /// whose bytes are nothing that anybody knows.
    pub fn is_guess(&self) -> bool {
        let by_alphabet = matches!(self.chain.last(), Some(Encoding::Base32 | Encoding::Base64 | Encoding::Base64Url | Encoding::Hex));
        self.chain.iter().any(|encoding| encoding.is_guess()) || by_alphabet && matches!(self.kind, FieldType::Bytes(_) | FieldType::Opaque)
    }

    /// The layers in words, a guess with a question mark: `json > base64?`.
    pub fn chain_words(&self) -> String {
        let words: Vec<&str> = self.chain.iter().map(|encoding| encoding.word()).collect();
        let mark = if self.is_guess() && !words.last().is_some_and(|word| word.ends_with('?')) { "?" } else { "" };
        words.join(" > ") + mark
    }
}

/// Why a field has a category. Kept apart in reports, because they are worth differently much.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Reason {
    /// The app file says what this leaf means.
    KnownLeaf {
        /// The app file's own reason.
        why: String,
    },
    /// Its name says so.
    Name {
        /// The word in the name that says so.
        word: String,
    },
    /// A planted value was found in it.
    PlantedValue {
        /// The planted value's name, never the value.
        name: String,
        /// How it was spelled: `plain`, `sha256 of lower case, as hex`, `1,437 of 1,440 minutes`.
        spelling: String,
        /// How unlikely it is that this stands there by chance.
        certainty: Certainty,
    },
    /// The value looks like it.
    Shape {
        /// What it looks like, in words.
        what: String,
    },
    /// A vendor's adapter says what this leaf means.
    Vendor {
        /// The adapter's name.
        adapter: String,
        /// The adapter's own reason.
        why: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KnownLeaf { why } => write!(f, "known leaf: {why}"),
            Self::Name { word } => write!(f, "its name says \"{word}\""),
            Self::PlantedValue { name, spelling, certainty: Certainty::Certain } => write!(f, "planted value {name} found ({spelling})"),
            Self::PlantedValue { name, spelling, certainty: Certainty::Likely } => {
                write!(f, "planted value {name} probably found ({spelling})")
            }
            Self::Shape { what } => write!(f, "looks like {what}"),
            Self::Vendor { adapter, why } => write!(f, "adapter {adapter}: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_back_what_they_print() {
        for kind in
            [FieldType::Bytes(None), FieldType::Bytes(Some(1440)), FieldType::TimestampMs, FieldType::Coordinates, FieldType::Opaque]
        {
            assert_eq!(FieldType::parse(&kind.to_string()), Some(kind));
        }
        assert_eq!(FieldType::parse("bytes[x]"), None);
    }

    #[test]
    fn join_is_commutative_and_keeps_what_both_agree_on() {
        let all = [
            FieldType::Empty,
            FieldType::Integer,
            FieldType::Decimal,
            FieldType::TimestampS,
            FieldType::Bytes(Some(3)),
            FieldType::Latitude,
            FieldType::Decimal,
            FieldType::Text,
            FieldType::Opaque,
        ];
        for a in &all {
            for b in &all {
                assert_eq!(a.clone().join(b.clone()), b.clone().join(a.clone()), "{a} and {b}");
            }
        }
        assert_eq!(FieldType::Bytes(Some(3)).join(FieldType::Bytes(Some(4))), FieldType::Bytes(None));
        assert_eq!(FieldType::Latitude.join(FieldType::Integer), FieldType::Decimal);
    }
}
