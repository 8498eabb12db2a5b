//! What became of what a band held, in one run: minutes and values found over all its uploads together, and the fields of the same
//! kinds that none of them explains. What is to be said of it, `audit` says.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    BandFacts, Category, EndpointKey, FieldFacts, FieldName, FieldType, MinuteSet, Observations, Origin, Planted, PlantedSource,
    PlantedValue, Quantity, Reason,
    conservation::{Role, SeriesFacts, SeriesKey, ValueFacts},
    minutes::is_value,
};

use super::planted::{self, FoundMinutes, whole_of};

/// Gathers it while a run is being read.
#[derive(Debug, Default)]
pub(super) struct Bands {
    found: BTreeMap<SeriesKey, FoundMinutes>,
    /// Whether something is known by now of what a band holds.
    known: bool,
    searched: bool,
    unsearched: u64,
}

impl Bands {
    /// A value became known.
    pub(super) fn plant(&mut self, value: &PlantedValue) {
        self.known |= value.quantity().is_some();
    }

    /// A request, not of the phone's own, in which these minutes of these values were found.
    pub(super) fn absorb(&mut self, values: &[PlantedValue], series: &BTreeMap<usize, FoundMinutes>) {
        self.searched |= self.known;
        self.unsearched += u64::from(!self.known);
        self.found(values, series);
    }

    /// Whether something is known by now of what a band holds.
    pub(super) const fn is_known(&self) -> bool {
        self.known
    }

    /// Minutes of these values that were found, in one request or in several together.
    pub(super) fn found(&mut self, values: &[PlantedValue], series: &BTreeMap<usize, FoundMinutes>) {
        for (number, found) in series {
            let Some(key) = values.get(*number).and_then(key_of) else { continue };
            let known = self.found.entry(key).or_default();
            known.certain.union(&found.certain);
            known.probable.union(&found.probable);
        }
    }

    /// Whether there are minutes among these that were not found before.
    pub(super) fn is_more(&self, values: &[PlantedValue], series: &BTreeMap<usize, FoundMinutes>) -> bool {
        series.iter().any(|(number, found)| {
            let Some(known) = values.get(*number).and_then(key_of).and_then(|key| self.found.get(&key)) else { return true };
            let all = |minutes: &MinuteSet| known.certain.count_shared(minutes) + known.probable.count_shared(minutes) >= minutes.count();
            known.certain.count_shared(&found.certain) < found.certain.count() || !all(&found.probable)
        })
    }

    /// What the run shows; `None` when nothing is known of a band. `observations` are those of the run, with every value hidden.
    pub(super) fn finish(self, run: u32, values: &[PlantedValue], observations: &Observations) -> Option<BandFacts> {
        if !self.known {
            return None;
        }
        let mut facts = BandFacts {
            run,
            complete: observations.runs > 0,
            searched: self.searched,
            unsearched: self.unsearched,
            by_file: values.iter().filter(|value| value.quantity().is_some()).all(|value| value.source == PlantedSource::File),
            ..BandFacts::default()
        };
        for value in values {
            let Some(quantity) = value.quantity() else { continue };
            if let Some(key) = key_of(value) {
                let found = self.found.get(&key).cloned().unwrap_or_default();
                add_series(facts.series.entry(key).or_insert_with(|| new_series(found)), value);
            } else if whole_of(value, values).is_none() {
                facts.values.insert(value.name.clone(), value_facts(quantity, value, observations));
            }
        }
        // Where its heart rates are, or its begin with its totals, there is the workout.
        for (whole, part) in values.iter().filter_map(|value| Some((whole_of(value, values)?, value))) {
            if let (Some(facts), Some(part)) = (facts.values.get_mut(&whole.name), observations.planted.get(&part.name)) {
                facts.found |= part.found_in > 0;
                facts.probably |= part.probably_in > 0;
            }
        }
        unexplained_fields(values, observations, &mut facts);
        Some(facts)
    }
}

fn new_series(FoundMinutes { certain, probable }: FoundMinutes) -> SeriesFacts {
    SeriesFacts { found: certain, probably: probable, confirmed: true, ..SeriesFacts::default() }
}

/// Adds what one reading of the band says of a day: of two, the minutes of both count, each once.
fn add_series(facts: &mut SeriesFacts, value: &PlantedValue) {
    match &value.value {
        Planted::Minutes(minutes) => {
            facts.read.union(&minutes.read().collect());
            facts.held.union(&minutes.held());
            facts.zeros.union(&minutes.zeros());
            facts.findable.union(&minutes.findable());
        }
        Planted::Series(values) => {
            let held: MinuteSet = (0..values.len()).filter(|minute| is_value(values[*minute])).collect();
            facts.read.union(&(0..values.len()).collect());
            facts.held.union(&held);
            facts.findable.union(&held);
        }
        _ => return,
    }
    facts.can_be_told |= !planted::is_too_short(&value.value);
    facts.confirmed &= value.confirmed;
}

fn value_facts(quantity: Quantity, value: &PlantedValue, observations: &Observations) -> ValueFacts {
    let known = observations.planted.get(&value.name);
    ValueFacts {
        quantity,
        counts: !matches!(quantity, Quantity::HeartRate | Quantity::Steps | Quantity::ActivityKind),
        found: known.is_some_and(|known| known.found_in > 0),
        probably: known.is_some_and(|known| known.probably_in > 0),
        can_be_told: !planted::needs_a_name(&value.value) && !planted::is_too_short(&value.value),
        confirmed: value.confirmed,
    }
}

/// Fields of the kinds that a band holds, or that are made of them, in which no value of that quantity was found: those that can be told,
/// and those that were sent in pieces which cannot.
fn unexplained_fields(values: &[PlantedValue], observations: &Observations, facts: &mut BandFacts) {
    let quantities: BTreeMap<&str, Quantity> = values.iter().filter_map(|value| Some((value.name.as_str(), value.quantity()?))).collect();
    let holds = |field: &FieldFacts, quantity: Quantity| {
        field.reasons.iter().any(|(_, reason)| match reason {
            Reason::PlantedValue { name, .. } => quantities.get(name.as_str()) == Some(&quantity),
            _ => false,
        })
    };
    for (key, endpoint) in observations.endpoints.iter().filter(|(_, facts)| facts.origin != Origin::Phone) {
        // What was sent before anything was looked for explains nothing and adds nothing.
        let searched = || endpoint.fields.iter().filter(|(_, field)| field.searched && field.shape.kind != FieldType::Empty);
        for (name, field) in searched() {
            let place = || place_of(key, name);
            // What a name says is something else is not looked at as readings of the band.
            for (quantity, readings) in field.could_be.iter().filter(|_| field.shape.categories.is_empty()) {
                let pieces = facts.pieces.entry(*quantity).or_default();
                pieces.readings += readings;
                pieces.fields.insert(place_of(key, name));
            }
            let meant: BTreeSet<_> = field.shape.categories.iter().filter_map(|category| Quantity::of(*category)).collect();
            for (quantity, role) in meant {
                let is_held = holds(field, quantity);
                let is_in_pieces = role == Role::Itself && field.untold > 0 && facts.series.keys().any(|key| key.quantity() == quantity);
                if is_in_pieces {
                    let pieces = facts.pieces.entry(quantity).or_default();
                    pieces.readings += field.untold;
                    pieces.fields.extend((!is_held).then(place));
                }
                let beside = || searched().any(|(other, of)| is_beside(name, field, other, quantity) && holds(of, quantity));
                if !is_held && !is_in_pieces && !beside() {
                    facts.fields.entry((quantity, role)).or_default().insert(place());
                }
            }
        }
    }
    // In another phase the same field may have had fewer, or been found.
    for (quantity, pieces) in &facts.pieces {
        if let Some(added) = facts.fields.get_mut(&(*quantity, Role::Itself)) {
            added.retain(|field| !pieces.fields.contains(field));
        }
    }
    facts.fields.retain(|_, fields| !fields.is_empty());
}

fn place_of(key: &EndpointKey, name: &FieldName) -> String {
    format!("{} {name}", key.place())
}

/// Whether a field has its quantity only from a name above it, and the other stands in the same object: of `heart_rate[].at` and
/// `heart_rate[].rate`, the first says when the second was measured.
fn is_beside(name: &FieldName, field: &FieldFacts, other: &FieldName, quantity: Quantity) -> bool {
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect::<String>();
    let (Some((above, own)), Some((beside, _))) = (name.path.rsplit_once('.'), other.path.rsplit_once('.')) else { return false };
    let from_above = |(category, reason): &(Category, Reason)| match reason {
        _ if Quantity::of(*category).is_none_or(|(of, _)| of != quantity) => true,
        Reason::Name { word } => !plain(own).contains(&plain(word)),
        _ => false,
    };
    name != other && name.part == other.part && above == beside && field.reasons.iter().all(from_above)
}

/// Which series a value is of; `None` for a single value.
fn key_of(value: &PlantedValue) -> Option<SeriesKey> {
    let quantity = value.quantity()?;
    match &value.value {
        Planted::Minutes(minutes) => Some(SeriesKey::Day(quantity, minutes.day)),
        // One of a workout is a part of it.
        Planted::Series(values) if quantity != Quantity::Workouts => Some(SeriesKey::Undated(quantity, value.name.clone(), values.clone())),
        _ => None,
    }
}
