//! What is known of one leaf, for the ledger: named, typed, or unexplained. What it means and why, `category` and `planted` say.

use crate::model::{Category, FieldType, Reason, Standing};

use super::leaf::{Standings, Value};

/// The standing of a leaf of this type with these reasons.
///
/// Bytes that look random are unexplained whatever a name says of them: only a planted value that was found in them is proof.
pub(super) fn standings(kind: &FieldType, value: &Value<'_>, reasons: &[(Category, Reason)]) -> Standings {
    let opaque = *kind == FieldType::Opaque;
    let by_kind = if is_explained(kind, value) { Standing::Typed } else { Standing::Unexplained };
    let named = |counts: fn(&Reason) -> bool| {
        let mut reasons = reasons.iter().map(|(_, reason)| reason);
        let proven = reasons.any(|reason| counts(reason) && (!opaque || matches!(reason, Reason::PlantedValue { .. })));
        if proven { Standing::Named } else { by_kind }
    };
    Standings { all: named(|_| true), unaided: named(|reason| !matches!(reason, Reason::KnownLeaf { .. } | Reason::Vendor { .. })) }
}

/// Whether a value's type alone says what kind of thing it is. A few bytes may be a counter or a flag; more are data.
fn is_explained(kind: &FieldType, value: &Value<'_>) -> bool {
    match kind {
        FieldType::Opaque => false,
        FieldType::Bytes(_) => matches!(value, Value::Bytes { bytes, .. } if bytes.len() <= LONGEST_COUNTER),
        FieldType::Token => value.as_text().is_some_and(|text| text.len() <= LONGEST_ID),
        _ => true,
    }
}

/// Eight bytes hold any counter.
const LONGEST_COUNTER: usize = 8;
/// The hex digits of a SHA-256; a longer token is data in disguise.
const LONGEST_ID: usize = 64;
