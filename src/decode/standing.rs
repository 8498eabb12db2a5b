//! What is known of one leaf, for the ledger: named, typed, or unexplained. What it means and why, `category` and `planted` say.

use crate::model::{Category, FieldType, Planted, PlantedValue, Reason, Standing};

use super::{
    dark::is_noise,
    leaf::{Awaits, Standings, Value},
};

/// The standing of a leaf of this type with these reasons. `proven` says whether a planted value in it is most of it.
///
/// What looks random is unexplained whatever a name says of it: only a planted value that was found in it is proof.
pub(super) fn standings(kind: &FieldType, value: &Value<'_>, reasons: &[(Category, Reason)], proven: bool) -> Standings {
    let by_kind = if is_explained(kind, value) { Standing::Typed } else { Standing::Unexplained };
    let data = is_data(kind, value);
    let opaque = *kind == FieldType::Opaque;
    let random = opaque || data && !matches!(kind, FieldType::Bytes(_));
    let counts = |category: Category, reason: &Reason| match reason {
        Reason::PlantedValue { .. } => proven || !data,
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

/// Whether a planted value that was found says what a leaf as a whole is: the leaf is short, or most of it is that value, or a
/// day's minutes were found in it. A few of very many bytes say nothing of the others.
pub(super) fn is_proven(value: &Value<'_>, reasons: &[(Category, Reason)], planted: &[PlantedValue]) -> bool {
    let bytes = value.as_bytes().len();
    reasons.iter().any(|(_, reason)| {
        let Reason::PlantedValue { name, spelling, .. } = reason else { return false };
        let length = |value: &PlantedValue| match &value.value {
            Planted::Text(text) | Planted::Decimal(text) => text.len(),
            _ => 0,
        };
        let planted = planted.iter().filter(|value| value.name == *name).map(length).max().unwrap_or_default();
        bytes <= longest_proof(value) || bytes < planted * 2 || spelling.contains(" minutes")
    })
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
