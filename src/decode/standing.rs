//! What is known of one leaf, for the ledger: named, typed, or unexplained. What it means and why, `category` and `planted` say.

use crate::model::{Category, FieldType, Planted, PlantedValue, Reason, Standing};

use super::{
    dark::is_noise,
    leaf::{Awaits, Standings, Value},
};

/// What was found in a leaf, besides its reasons.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Proof<'p> {
    /// What was planted.
    pub(super) planted: &'p [PlantedValue],
    /// How much of the leaf are minutes of a planted series, beyond chance: from 0 to 1.
    pub(super) minutes: f32,
}

/// The standing of a leaf of this type with these reasons.
///
/// What looks random is unexplained whatever a name says of it: only a planted value that was found in it is proof, and only when it
/// is most of it. Some minutes of a series in a long list do not say what the list is.
pub(super) fn standings(kind: &FieldType, value: &Value<'_>, reasons: &[(Category, Reason)], proof: Proof<'_>) -> Standings {
    let proven = is_proven(value, reasons, proof);
    let by_kind = if is_explained(kind, value) { Standing::Typed } else { Standing::Unexplained };
    let data = is_data(kind, value);
    let opaque = *kind == FieldType::Opaque;
    let random = opaque || data && !matches!(kind, FieldType::Bytes(_));
    let counts = |category: Category, reason: &Reason| match reason {
        Reason::PlantedValue { name, .. } => proven || !data && !proof.is_series(name),
        Reason::Shape { .. } => !opaque,
        _ => !random || (!opaque && is_random_by_purpose(category, value)),
    };
    let named = |unaided: bool| {
        let aids = |reason: &Reason| matches!(reason, Reason::KnownLeaf { .. } | Reason::Vendor { .. });
        let mut reasons = reasons.iter().filter(|(_, reason)| !(unaided && aids(reason)));
        if reasons.any(|(category, reason)| counts(*category, reason)) { Standing::Named } else { by_kind }
    };
    Standings { all: named(false), unaided: named(true), awaits: Awaits::default() }
}

/// Whether a short planted value, or the digest of one, would say what a leaf as a whole is.
pub(super) fn may_be_proven(kind: &FieldType, value: &Value<'_>) -> bool {
    !is_data(kind, value) || value.as_bytes().len() <= longest_proof(value)
}

/// A leaf of so many bytes is short: what is found in it says what it is.
const fn longest_proof(value: &Value<'_>) -> usize {
    if value.as_text().is_some() { LONGEST_DIGEST } else { SHORTEST_DATA }
}

/// Whether a planted value that was found says what a leaf as a whole is: the leaf is short, or most of it is that value. A few of
/// very many bytes say nothing of the others.
pub(super) fn is_proven(value: &Value<'_>, reasons: &[(Category, Reason)], proof: Proof<'_>) -> bool {
    let bytes = value.as_bytes().len();
    reasons.iter().any(|(_, reason)| {
        let Reason::PlantedValue { name, .. } = reason else { return false };
        bytes <= longest_proof(value) || proof.is_most(name, bytes)
    })
}

impl Proof<'_> {
    /// Whether the planted value of this name is at least half of a leaf of so many bytes.
    fn is_most(self, name: &str, bytes: usize) -> bool {
        self.planted.iter().filter(|value| value.name == name).any(|value| match &value.value {
            Planted::Text(text) | Planted::Decimal(text) => bytes < text.len() * 2,
            Planted::Minutes(_) | Planted::Series(_) => self.minutes >= 0.5,
            _ => false,
        })
    }

    fn is_series(self, name: &str) -> bool {
        self.planted.iter().any(|value| value.name == name && matches!(value.value, Planted::Minutes(_) | Planted::Series(_)))
    }
}

/// Whether a value is so long that it can be much else than what was found in it, and shows no words.
fn is_data(kind: &FieldType, value: &Value<'_>) -> bool {
    match kind {
        FieldType::Opaque => true,
        FieldType::Bytes(_) => value.as_bytes().len() > SHORTEST_DATA,
        FieldType::Text | FieldType::Token => value.as_text().is_some_and(is_noise),
        _ => false,
    }
}

/// Identifiers are random because they are meant to be; none needs so many characters that a day's data would fit in.
fn is_random_by_purpose(category: Category, value: &Value<'_>) -> bool {
    // The differences of a polyline look as random.
    category.is_a(Category::Track) || category.is_a(Category::Identifier) && value.as_bytes().len() <= LONGEST_TOKEN
}

/// Whether a value's type alone says what kind of thing it is. A few bytes may be a counter or a flag; more are data.
fn is_explained(kind: &FieldType, value: &Value<'_>) -> bool {
    match kind {
        FieldType::Opaque => false,
        FieldType::Bytes(_) => matches!(value, Value::Bytes { bytes, .. } if bytes.len() <= LONGEST_COUNTER),
        FieldType::Token => value.as_text().is_some_and(|text| text.len() <= LONGEST_ID),
        FieldType::Text => !value.as_text().is_some_and(is_noise),
        _ => true,
    }
}

/// Eight bytes hold any counter.
const LONGEST_COUNTER: usize = 8;
/// The hex digits of a SHA-256; a longer token is data in disguise.
const LONGEST_ID: usize = 64;
/// Shorter data holds a planted value and little else.
const SHORTEST_DATA: usize = 64;
/// The hex digits of a SHA-512.
const LONGEST_DIGEST: usize = 128;
/// Longer tokens, signatures and ids are judged by what they look like.
pub(super) const LONGEST_TOKEN: usize = 512;
