//! The words of changes. Names from outside stay as they are: whoever prints a sentence makes it safe (R13).

use std::collections::{BTreeMap, BTreeSet};

use super::view::{Place, Seen};
use crate::model::{Category, FieldName, FieldShape, Target};

/// `mifit sim-1.0 on simulated`.
pub(super) fn target(target: &Target) -> String {
    format!("{} {} on {}", target.app, target.version, target.platform)
}

/// `1 run`, `3 runs`.
pub(super) fn runs(count: u32) -> String {
    format!("{count} run{}", if count == 1 { "" } else { "s" })
}

/// `background`, `background and sync`.
pub(super) fn phases(place: &Place<'_>) -> String {
    place.phases.keys().copied().collect::<Vec<_>>().join(" and ")
}

/// Introduction, number and categories of an endpoint's fields; nothing when there are none.
pub(super) fn fields(fields: &BTreeMap<&FieldName, Seen<'_>>, introduction: &str) -> String {
    if fields.is_empty() {
        return String::new();
    }
    let categories: BTreeSet<&str> =
        fields.values().flat_map(|seen| &seen.field.shape.categories).map(|category| category.word()).collect();
    let of = if categories.is_empty() { String::new() } else { format!(" ({})", categories.into_iter().collect::<Vec<_>>().join(", ")) };
    format!("{introduction}{} field{}{of}", fields.len(), if fields.len() == 1 { "" } else { "s" })
}

/// `latitude, location`: type and categories.
pub(super) fn shape(shape: &FieldShape) -> String {
    let categories = shape.categories.iter().map(|category| format!(", {category}"));
    std::iter::once(shape.kind.to_string()).chain(categories).collect()
}

/// What differs between two shapes: `was text, is latitude; now known as location`.
pub(super) fn shape_change(before: &FieldShape, after: &FieldShape) -> String {
    let chain = |shape: &FieldShape| match shape.chain.is_empty() {
        true => "no inner encoding".to_owned(),
        false => shape.chain.iter().map(|encoding| encoding.word()).collect::<Vec<_>>().join(" > "),
    };
    let mut parts = Vec::new();
    if !before.kind.same_kind(&after.kind) {
        parts.push(format!("was {}, is {}", before.kind, after.kind));
    }
    let lists = |categories: Vec<&Category>| categories.iter().map(|category| category.word()).collect::<Vec<_>>().join(", ");
    let gained: Vec<&Category> = after.categories.difference(&before.categories).collect();
    if !gained.is_empty() {
        parts.push(format!("now known as {}", lists(gained)));
    }
    let lost: Vec<&Category> = before.categories.difference(&after.categories).collect();
    if !lost.is_empty() {
        parts.push(format!("no longer known as {}", lists(lost)));
    }
    if before.chain != after.chain {
        parts.push(format!("was in {}, is in {}", chain(before), chain(after)));
    }
    parts.join("; ")
}
