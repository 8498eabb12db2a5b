//! Adds the observations of other runs. The order of runs gives the same result, so that any number of workers may read them.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use crate::model::{Category, EndpointFacts, FieldFacts, Observations, PositionSighting};

use super::{
    blind,
    page::{add_all, join_shapes},
};

/// Adds `other` to `into`: counts add up, shapes join, the earliest evidence stays. Associative and commutative.
pub fn merge(into: &mut Observations, other: Observations) {
    into.runs += other.runs;
    for (key, facts) in other.endpoints {
        match into.endpoints.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(facts);
            }
            Entry::Occupied(mut entry) => merge_endpoint(entry.get_mut(), facts),
        }
    }
    blind::merge(&mut into.coverage, other.coverage);
    let sightings = std::mem::take(&mut into.positions).into_iter().chain(other.positions);
    into.positions = merge_sightings(sightings);
    into.phases = merge_phases(std::mem::take(&mut into.phases), other.phases);
    for (name, facts) in other.planted {
        match into.planted.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(facts);
            }
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                // Confirmed in one run and not in another: it was not checked in all.
                known.confirmed &= facts.confirmed;
                known.found_in += facts.found_in;
                known.probably_in += facts.probably_in;
                known.needs_a_name |= facts.needs_a_name;
                known.too_short |= facts.too_short;
                known.is_series |= facts.is_series;
                known.in_pieces |= facts.in_pieces;
                known.category = known.category.min(facts.category);
            }
        }
    }
    into.bands.extend(other.bands);
    into.bands.sort();
    into.gate.merge(other.gate);
}

/// Adds what another run saw of an endpoint.
pub(super) fn merge_endpoint(into: &mut EndpointFacts, other: EndpointFacts) {
    into.party = into.party.min(other.party);
    into.origin = blind::stronger(into.origin, other.origin);
    into.receiver = into.receiver.take().into_iter().chain(other.receiver).min();
    into.runs += other.runs;
    into.exchanges += other.exchanges;
    into.uploaded_bytes += other.uploaded_bytes;
    into.ledger += other.ledger;
    into.ledger_unaided += other.ledger_unaided;
    into.first = into.first.take().into_iter().chain(other.first).min();
    for (name, facts) in other.fields {
        match into.fields.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(facts);
            }
            Entry::Occupied(mut entry) => merge_field(entry.get_mut(), facts),
        }
    }
}

/// Adds what another run saw of a field.
pub(super) fn merge_field(into: &mut FieldFacts, other: FieldFacts) {
    join_shapes(&mut into.shape, other.shape);
    into.reasons.extend(other.reasons);
    into.runs += other.runs;
    into.occurrences += other.occurrences;
    into.unexplained += other.unexplained;
    into.searched |= other.searched;
    into.untold += other.untold;
    add_all(&mut into.could_be, other.could_be);
    into.entropy = into.entropy.max(other.entropy);
    into.first = into.first.take().into_iter().chain(other.first).min();
}

/// One sighting for each field and each set of phases; the nearest and the earliest speak for all. Sorted by those.
pub(super) fn merge_sightings(sightings: impl Iterator<Item = PositionSighting>) -> Vec<PositionSighting> {
    let mut by_place: BTreeMap<_, PositionSighting> = BTreeMap::new();
    for sighting in sightings {
        let key = (sighting.endpoint.clone(), sighting.field.clone(), sighting.companion.clone(), sighting.held_in.clone());
        match by_place.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(sighting);
            }
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                known.origin = blind::stronger(known.origin, sighting.origin);
                known.certainty = known.certainty.min(sighting.certainty);
                known.distance_m = known.distance_m.min(sighting.distance_m);
                let exact = |sighting: &PositionSighting| sighting.precision_m;
                if exact(&sighting).total_cmp(&exact(known)).then_with(|| sighting.how.cmp(&known.how)).is_lt() {
                    known.precision_m = sighting.precision_m;
                    known.how = sighting.how;
                }
                known.runs += sighting.runs;
                known.evidence = std::cmp::min(known.evidence.clone(), sighting.evidence);
            }
        }
    }
    by_place.into_values().collect()
}

type Phases = Vec<(String, BTreeSet<Category>)>;

/// Runs of one scenario have the same phases in the same order, or a beginning of them; the longer list decides.
fn merge_phases(into: Phases, other: Phases) -> Phases {
    let mut places: BTreeMap<String, (usize, BTreeSet<Category>)> = BTreeMap::new();
    for (at, (name, explains)) in into.into_iter().enumerate().chain(other.into_iter().enumerate()) {
        let place = places.entry(name).or_insert((at, BTreeSet::new()));
        place.0 = place.0.min(at);
        place.1.extend(explains);
    }
    let mut phases: Vec<(usize, String, BTreeSet<Category>)> =
        places.into_iter().map(|(name, (at, explains))| (at, name, explains)).collect();
    phases.sort();
    phases.into_iter().map(|(_, name, explains)| (name, explains)).collect()
}
