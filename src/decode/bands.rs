//! What became of what a band held, in one run: minutes and values found over all its uploads together, and the fields of the same
//! kinds that none of them explains. What is to be said of it, `audit` says.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    BandFacts, FieldFacts, FieldType, MinuteSet, Observations, Origin, Planted, PlantedSource, PlantedValue, Quantity, Reason,
    conservation::{Role, SeriesFacts, SeriesKey, ValueFacts},
    minutes::is_value,
};

use super::planted::{self, FoundMinutes};

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
        for (number, found) in series {
            let Some(key) = values.get(*number).and_then(key_of) else { continue };
            let known = self.found.entry(key).or_default();
            known.certain.union(&found.certain);
            known.probable.union(&found.probable);
        }
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
            } else {
                facts.values.insert(value.name.clone(), value_facts(quantity, value, observations));
            }
        }
        facts.fields = unexplained_fields(values, observations);
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

/// Fields of the kinds that a band holds, or that are made of them, in which no value of that quantity was found.
fn unexplained_fields(values: &[PlantedValue], observations: &Observations) -> BTreeMap<(Quantity, Role), BTreeSet<String>> {
    let quantities: BTreeMap<&str, Quantity> = values.iter().filter_map(|value| Some((value.name.as_str(), value.quantity()?))).collect();
    let holds = |field: &FieldFacts, quantity: Quantity| {
        field.reasons.iter().any(|(_, reason)| match reason {
            Reason::PlantedValue { name, .. } => quantities.get(name.as_str()) == Some(&quantity),
            _ => false,
        })
    };
    let mut fields: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (key, facts) in observations.endpoints.iter().filter(|(_, facts)| facts.origin != Origin::Phone) {
        for (name, field) in facts.fields.iter().filter(|(_, field)| field.shape.kind != FieldType::Empty) {
            for (quantity, role) in field.shape.categories.iter().filter_map(|category| Quantity::of(*category)) {
                if !holds(field, quantity) {
                    fields.entry((quantity, role)).or_default().insert(format!("{} {name}", key.place()));
                }
            }
        }
    }
    fields
}

/// Which series a value is of; `None` for a single value.
fn key_of(value: &PlantedValue) -> Option<SeriesKey> {
    let quantity = value.quantity()?;
    match &value.value {
        Planted::Minutes(minutes) => Some(SeriesKey::Day(quantity, minutes.day)),
        Planted::Series(values) => Some(SeriesKey::Undated(quantity, value.name.clone(), values.clone())),
        _ => None,
    }
}
