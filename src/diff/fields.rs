//! Fields of an endpoint that both snapshots have: new, gone, changed, in a new phase, no longer readable, newly readable.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Comparing,
    confidence::Runs,
    view::{Place, Seen},
    words,
};
use crate::model::{Change, ChangeKind, Confidence, EndpointKey, FieldName, FieldShape, FieldType, Part, SnapshotField};

impl<'a> Comparing<'a> {
    pub(super) fn fields(&mut self, old: &Place<'a>, new: &Place<'a>) {
        let (was, is) = (old.fields(), new.fields());
        let opaque = |name: &&FieldName, fields: &std::collections::BTreeMap<&'a FieldName, Seen<'a>>| {
            fields.get(name).is_some_and(|seen| seen.field.shape.kind == FieldType::Opaque)
        };

        // What cannot be read on one side hides the fields under it, so those are neither new nor gone (R9).
        let dark = self.dark_fields(old, new, &was);
        let (anywhere, _) = old.busiest();
        let body_unread = self.old.is_body_hidden(anywhere);
        let hidden_in_old = |name: &&FieldName| opaque(name, &was) && was.get(name).is_some_and(|seen| self.old.hidden_by(seen.field.runs));
        let covers: Vec<&FieldName> = was.keys().copied().filter(|name| hidden_in_old(name)).collect();
        let was_hidden = |name: &FieldName| {
            covers.iter().any(|cover| hides(cover, name)) || (body_unread && matches!(name.part, Part::Form | Part::Json | Part::Body))
        };
        let mut lit: Vec<(&FieldName, Seen<'a>)> = Vec::new();

        for (name, seen) in &is {
            if dark.contains(name) {
                continue;
            }
            if was.contains_key(name) {
                self.known_field(name, old, new, &dark);
            } else if was_hidden(name) {
                lit.push((name, *seen));
            } else {
                self.field(ChangeKind::NewField, seen.endpoint, name, None, Some(&seen.field.shape), self.gained(seen.field.runs));
            }
        }
        if let Some((name, seen)) = lit.iter().max_by_key(|(_, seen)| seen.field.runs) {
            let sentence = format!(
                "{} field{} at {} can be read now; the baseline could not read that body",
                lit.len(),
                if lit.len() == 1 { "" } else { "s" },
                seen.endpoint.place()
            );
            let runs = self.gained(seen.field.runs);
            self.told(ChangeKind::NewlyReadable, seen.endpoint, name, None, Some(&seen.field.shape), runs, sentence);
        }
        for (name, seen) in &was {
            let hidden = dark.iter().any(|cover| hides(cover, name)) || !lit.is_empty() && seen.field.shape.kind == FieldType::Opaque;
            if !is.contains_key(name) && !hidden {
                self.field(ChangeKind::GoneField, seen.endpoint, name, Some(&seen.field.shape), None, self.lost(seen.field.runs));
            }
        }
    }

    /// Fields that hide what the baseline read in them: bytes nobody could decode, and one value where there were fields.
    /// Each is told once, at the phase where most is known to be lost.
    fn dark_fields(&mut self, old: &Place<'a>, new: &Place<'a>, was: &BTreeMap<&'a FieldName, Seen<'a>>) -> Vec<&'a FieldName> {
        struct Lost<'a> {
            key: &'a EndpointKey,
            after: &'a FieldShape,
            fields: usize,
            runs: Runs,
        }
        let mut lost: BTreeMap<&'a FieldName, Lost<'a>> = BTreeMap::new();
        for (phase, (key, now)) in &new.phases {
            let then = old.phases.get(phase).map(|(_, then)| *then);
            for (name, field) in now.fields.iter().filter(|(_, field)| could_hide(&field.shape.kind)) {
                let opaque = field.shape.kind == FieldType::Opaque;
                // A call that moved to another phase is held against what it was in any.
                let before: Vec<(&FieldName, &SnapshotField)> = match then {
                    Some(then) => then.fields.iter().collect(),
                    None => was.iter().map(|(name, seen)| (*name, seen.field)).collect(),
                };
                let inside = |under: &FieldName| hides(name, under) && (opaque || under != name);
                let gone = before.iter().filter(|(under, field)| {
                    field.shape.kind != FieldType::Opaque && inside(under) && (*under == name || !now.fields.contains_key(*under))
                });
                let (fields, most) = gone.fold((0, 0), |(count, most), (_, field)| (count + 1, field.runs.max(most)));
                if fields == 0 {
                    continue;
                }
                let known = before.iter().any(|(known, field)| *known == name && (!opaque || field.shape.kind == FieldType::Opaque));
                let mut runs = Runs::hidden(most, 0, &self.old, &self.new);
                if !known && opaque && runs.confidence(self.counting) != Confidence::Counts {
                    runs = self.gained(field.runs);
                }
                let counts = |runs: Runs| runs.confidence(self.counting) == Confidence::Counts;
                let more = lost.get(name).is_none_or(|best| (counts(runs), fields) > (counts(best.runs), best.fields));
                if more {
                    lost.insert(name, Lost { key, after: &field.shape, fields, runs });
                }
            }
        }
        let names = lost.keys().copied().collect();
        for (name, Lost { key, after, fields, runs }) in lost {
            let s = if fields == 1 { "" } else { "s" };
            let place = key.place();
            let sentence = match after.kind {
                FieldType::Opaque => format!("{name} at {place} is no longer readable; the baseline read {fields} field{s} there"),
                _ => {
                    let kind = &after.kind;
                    format!(
                        "{name} at {place} is one value now ({kind}): the {fields} field{s} that the baseline read in it can no longer be read"
                    )
                }
            };
            let before = was.get(name).map(|seen| &seen.field.shape);
            self.told(ChangeKind::WentDark, key, name, before, Some(after), runs, sentence);
        }
        names
    }

    /// A field that the place had in some phase before and has in some phase now.
    fn known_field(&mut self, name: &FieldName, old: &Place<'a>, new: &Place<'a>, dark: &[&FieldName]) {
        let mut told: BTreeSet<String> = BTreeSet::new();
        for (phase, (key, now)) in &new.phases {
            let Some(field) = now.fields.get(name) else { continue };
            // A whole endpoint in a new phase has been told with all its fields.
            let Some((_, then)) = old.phases.get(phase) else { continue };
            match then.fields.get(name) {
                None => {
                    let sentence = format!("{name} at {} is uploaded in {phase}; the baseline has it only in other phases", key.place());
                    self.told(ChangeKind::NewPhase, key, name, None, Some(&field.shape), self.gained(field.runs), sentence);
                }
                Some(before) if differ(&before.shape, &field.shape) => {
                    let difference = words::shape_change(&before.shape, &field.shape);
                    if told.insert(difference.clone()) {
                        let runs = Runs::throughout(before.runs, field.runs, &self.old, &self.new);
                        let sentence = format!("{name} at {}: {difference}", key.place());
                        self.told(ChangeKind::ChangedField, key, name, Some(&before.shape), Some(&field.shape), runs, sentence);
                    }
                }
                Some(_) => {}
            }
        }
        for (phase, (key, then)) in &old.phases {
            let Some(field) = then.fields.get(name) else { continue };
            let Some((_, now)) = new.phases.get(phase) else { continue };
            let hidden = dark.iter().any(|cover| hides(cover, name) && now.fields.contains_key(*cover));
            if !hidden && !now.fields.contains_key(name) {
                let sentence = format!("{name} at {} was not seen in {phase}; it was in other phases", key.place());
                self.told(ChangeKind::GoneField, key, name, Some(&field.shape), None, self.lost(field.runs), sentence);
            }
        }
    }

    /// A field that is new or gone as a whole.
    pub(super) fn field(
        &mut self,
        kind: ChangeKind,
        endpoint: &EndpointKey,
        name: &FieldName,
        before: Option<&FieldShape>,
        after: Option<&FieldShape>,
        runs: Runs,
    ) {
        let shape = after.or(before).map(words::shape).unwrap_or_default();
        let sentence = match kind {
            ChangeKind::GoneField => format!("{name} ({shape}) at {} was not seen", endpoint.place()),
            _ => format!("{name} ({shape}) is uploaded to {}", endpoint.place()),
        };
        self.told(kind, endpoint, name, before, after, runs, sentence);
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one change, each said once")]
    fn told(
        &mut self,
        kind: ChangeKind,
        endpoint: &EndpointKey,
        name: &FieldName,
        before: Option<&FieldShape>,
        after: Option<&FieldShape>,
        runs: Runs,
        sentence: String,
    ) {
        self.changes.push(Change {
            kind,
            endpoint: endpoint.clone(),
            field: Some(name.clone()),
            before: before.cloned(),
            after: after.cloned(),
            sentence,
            confidence: runs.confidence(self.counting),
        });
    }
}

/// Whether bytes could be in a value of this type that nobody read. A number, a time or an empty value holds nothing more.
fn could_hide(kind: &FieldType) -> bool {
    matches!(kind, FieldType::Opaque | FieldType::Bytes(_) | FieldType::Token | FieldType::Text)
}

/// Whether something that cannot be read at `cover` would hide the field `name`: the field itself, what is inside it, and for
/// the body as a whole everything a body holds.
fn hides(cover: &FieldName, name: &FieldName) -> bool {
    if cover.part == Part::Body && cover.path.is_empty() {
        return matches!(name.part, Part::Form | Part::Json | Part::Body);
    }
    cover.part == name.part
        && name.path.strip_prefix(cover.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether two shapes differ in a way worth telling (R11). A length that varies is none: which lengths came up is chance.
fn differ(before: &FieldShape, after: &FieldShape) -> bool {
    let lengths = matches!((&before.kind, &after.kind), (FieldType::Bytes(a), FieldType::Bytes(b)) if a.is_none() || b.is_none());
    let emptied = matches!(before.kind, FieldType::Empty) || matches!(after.kind, FieldType::Empty);
    let kinds = !lengths && !before.kind.same_kind(&after.kind);
    kinds || before.categories != after.categories || (before.chain != after.chain && !emptied)
}
