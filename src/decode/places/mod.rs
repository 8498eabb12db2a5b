//! Positions: where the phone was in which phase, and what in an upload says so, in whatever way it is written (R5). Exact search
//! would miss rounded and jittered coordinates, so what counts is distance. A disguise is a file here; which leaves make a pair is
//! `pairs`'s business, and what chance would give as well is `chance`'s.

mod address;
mod angles;
mod binary;
mod chance;
mod degrees;
mod geohash;
mod pairs;
mod plus_code;
mod radio;
mod shape;
mod tile;
mod track;
mod windows;

use std::collections::BTreeSet;

use crate::model::{Category, Certainty, Part, Position, Reason};

pub(in crate::decode) use self::{angles::compass_pair, pairs::Pairs, shape::by_shape};

use super::kind::Axis;

use self::{address::Address, binary::Filter, chance::METRES_PER_DEGREE, degrees::Reading, windows::Windows};

/// Where the phone was, phase by phase. Only confirmed positions are known.
#[derive(Debug, Default)]
pub(in crate::decode) struct Places {
    phases: Vec<String>,
    current: Option<Position>,
    /// Sorted by latitude.
    held: Vec<Held>,
    /// The longitudes of held positions, sorted.
    longitudes: Vec<f64>,
    /// Held positions of which no two are near each other: what is near none of them is near none at all.
    areas: Vec<Position>,
    /// Whole numbers, fractions and degrees that may be a coordinate near a held position.
    whole: Windows,
    fractions: Windows,
    degrees: Windows,
    /// Degrees near the latitude, and near the longitude, of a held position.
    near_latitudes: Windows,
    near_longitudes: Windows,
    /// Numbers that a map tile near a held position is made of.
    tiles: Windows,
    binary: Filter,
    /// First three characters of the geohashes near a held position.
    geohashes: BTreeSet<[u8; 3]>,
    addresses: Vec<Address>,
}

#[derive(Debug)]
struct Held {
    position: Position,
    /// How far from it, in degrees of latitude and longitude, a near coordinate may lie. Of latitude it is the same for all.
    reach: (f64, f64),
    /// Numbers of the phases during which the phone was there.
    phases: BTreeSet<usize>,
}

impl Places {
    /// A phase begins; the phone is where it was.
    pub(in crate::decode) fn begin_phase(&mut self, name: &str) {
        self.phases.push(name.to_owned());
        self.hold();
    }

    /// The phone was moved. An unconfirmed position is none: nobody knows where the phone is.
    pub(in crate::decode) fn moved(&mut self, position: Position, confirmed: bool) {
        self.current = confirmed.then_some(position);
        self.hold();
    }

    /// A planted address: a street with its number, a town, or both. What it is made of is looked for in other spellings.
    pub(in crate::decode) fn address(&mut self, name: &str, text: &str) {
        self.addresses.extend(Address::new(name, text).filter(|address| !self.addresses.contains(address)));
    }

    fn hold(&mut self) {
        let (Some(position), Some(phase)) = (self.current, self.phases.len().checked_sub(1)) else { return };
        if let Some(held) = self.held.iter_mut().find(|held| held.position == position) {
            held.phases.insert(phase);
            return;
        }
        let reach = reach_of_latitude();
        let reach = (reach, reach / position.lat.to_radians().cos().max(0.01));
        for (coordinate, reach) in [(position.lat, reach.0), (position.lon, reach.1)] {
            let (low, high) = (coordinate - reach, coordinate + reach);
            let spans = degrees::spans(low, high);
            self.whole.add(spans.whole);
            self.fractions.add(spans.fractions);
            self.degrees.add([(low, high)]);
            self.binary.add(low, high);
        }
        self.tiles.add(tile::numbers(position, reach));
        self.geohashes.extend(geohash::beginnings(position, reach));
        if self.areas.iter().all(|area| area.distance_m(position) > NEAR_M) {
            self.areas.push(position);
        }
        self.near_latitudes.add([(position.lat - reach.0, position.lat + reach.0)]);
        self.near_longitudes.add([(position.lon - reach.1, position.lon + reach.1)]);
        self.longitudes.insert(self.longitudes.partition_point(|lon| *lon < position.lon), position.lon);
        let at = self.held.partition_point(|held| held.position.lat < position.lat);
        self.held.insert(at, Held { position, reach, phases: BTreeSet::from([phase]) });
    }

    /// Phases up to this one during which the phone was at any position that the upload may mean: rounding hides which of
    /// several near ones it is. A position cannot have been sent from a phase that was still to come, so later phases do not
    /// explain it.
    pub(in crate::decode) fn held_in(&self, hit: &Hit, sent_in: &str) -> BTreeSet<String> {
        let last = self.phases.iter().rposition(|phase| phase == sent_in).unwrap_or(usize::MAX);
        let radius = hit.distance_m.max(rounding_radius_m(hit.precision_m));
        let meant = self.held.iter().filter(|held| held.position.distance_m(hit.position) <= radius);
        let phases: BTreeSet<usize> = meant.flat_map(|held| &held.phases).copied().collect();
        let named = |upto: usize| phases.iter().filter(|phase| **phase <= upto).map(|phase| self.phases[*phase].clone()).collect();
        let upto: BTreeSet<String> = named(last);
        if upto.is_empty() { named(usize::MAX) } else { upto }
    }

    fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The nearest held position, and how far away it is, within so many metres.
    fn nearest(&self, position: Position, within_m: f64) -> Option<(usize, f64)> {
        let wider = (within_m / NEAR_M).max(1.0);
        let reach = reach_of_latitude() * wider;
        let first = self.held.partition_point(|held| held.position.lat < position.lat - reach);
        let beside = self.held.iter().enumerate().skip(first).take_while(|(_, held)| held.position.lat <= position.lat + reach);
        let near = beside.filter(|(_, held)| turned(held.position.lon - position.lon) <= held.reach.1 * wider);
        let distances = near.map(|(index, held)| (index, held.position.distance_m(position)));
        distances.min_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, distance)| *distance <= within_m)
    }

    /// The nearest held position that rounds to these tenths of a degree, and how far away it is.
    fn rounded_to(&self, tenths: Position) -> Option<(usize, f64)> {
        let first = self.held.partition_point(|held| held.position.lat < tenths.lat - HALF_A_TENTH);
        let beside = self.held.iter().enumerate().skip(first).take_while(|(_, held)| held.position.lat <= tenths.lat + HALF_A_TENTH);
        let inside = beside.filter(|(_, held)| turned(held.position.lon - tenths.lon) <= HALF_A_TENTH);
        inside.map(|(index, held)| (index, held.position.distance_m(tenths))).min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Whether the latitude, or the longitude, of a held position rounds to a number of tenths of a degree.
    fn rounds_to(&self, axis: Axis, tenths: f64) -> bool {
        let (low, high) = (tenths - HALF_A_TENTH, tenths + HALF_A_TENTH);
        let next = match axis {
            Axis::Latitude => self.held.get(self.held.partition_point(|held| held.position.lat < low)).map(|held| held.position.lat),
            Axis::Longitude => self.longitudes.get(self.longitudes.partition_point(|lon| *lon < low)).copied(),
        };
        next.is_some_and(|coordinate| coordinate <= high)
    }

    /// Whether rounding or cutting off makes these two of a held position, as far as they are coarse: amounts of money have two
    /// decimals too, and one that is only near a coordinate is none.
    fn round_to(&self, latitude: Reading, longitude: Reading) -> bool {
        let reach = reach_of_latitude();
        let first = self.held.partition_point(|held| held.position.lat < latitude.degrees - reach);
        let beside = self.held.iter().skip(first).take_while(|held| held.position.lat <= latitude.degrees + reach);
        let mut near = beside.filter(|held| turned(held.position.lon - longitude.degrees) <= held.reach.1);
        near.any(|held| latitude.is_made_of(held.position.lat) && longitude.is_made_of(held.position.lon))
    }

    /// How many chances there are to lie within so many metres of any held position. Along a track they are fewer than it has points.
    fn chances(&self, within_m: f64) -> f64 {
        let around = (NEAR_M * 2.0 / within_m.max(1.0)).powi(2);
        (self.held.len() as f64).min(self.areas.len() as f64 * around).max(1.0)
    }

    /// Whether a number is a coordinate of a held position, to its last digit (at most five decimals: a metre), cut off or rounded.
    fn is_coordinate(&self, degrees: f64, unit: f64) -> bool {
        let unit = unit.max(1e-5);
        let latitude = self.held.partition_point(|held| held.position.lat <= degrees - unit);
        let longitude = self.longitudes.partition_point(|lon| *lon <= degrees - unit);
        self.held.get(latitude).is_some_and(|held| held.position.lat < degrees + unit)
            || self.longitudes.get(longitude).is_some_and(|lon| *lon < degrees + unit)
    }
}

/// What an upload says of where the phone was.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::decode) struct Hit {
    /// The field; for coordinates in two fields, the latitude's.
    pub(in crate::decode) field: (Part, String),
    /// The longitude's field, when it is another.
    pub(in crate::decode) companion: Option<(Part, String)>,
    /// Where: the point, or the centre of the cell.
    pub(in crate::decode) position: Position,
    /// Metres from the nearest held position.
    pub(in crate::decode) distance_m: f64,
    /// Metres that it reveals: the size of the cell, or of one in the last digit.
    pub(in crate::decode) precision_m: f64,
    /// The way it is written, in a few words: `decimal degrees`, `geohash`.
    pub(in crate::decode) notation: &'static str,
    /// The way it is written, in full: `decimal degrees, 5 decimals`, `geohash of 7 characters`.
    pub(in crate::decode) how: String,
    /// How unlikely it is that this stands there by chance.
    pub(in crate::decode) certainty: Certainty,
    /// What was sent of it, for the leak gate.
    pub(in crate::decode) spelled: Vec<String>,
}

impl Hit {
    /// What it means: a track, or a place as exact as it is.
    pub(in crate::decode) fn category(&self) -> Category {
        if self.notation == track::DELTAS || self.notation == track::POLYLINE {
            Category::Track
        } else {
            Category::of_exactness(self.precision_m)
        }
    }
}

/// Something that says where the phone was without being a position: half a pair, part of an address, the ids of a mast.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::decode) struct Sign {
    /// The field.
    pub(in crate::decode) field: (Part, String),
    /// What it means.
    pub(in crate::decode) category: Category,
    /// Why.
    pub(in crate::decode) reason: Reason,
    /// The value as it was sent, for the leak gate.
    pub(in crate::decode) spelled: String,
}

/// A position that one way of writing gives, before it is known in which field it stands.
#[derive(Clone, Debug)]
struct Sight {
    position: Position,
    /// The number of the nearest held position.
    held: usize,
    distance_m: f64,
    precision_m: f64,
    notation: &'static str,
    how: String,
    certainty: Certainty,
    spelled: Vec<String>,
}

impl Sight {
    fn at(self, field: (Part, String), companion: Option<(Part, String)>) -> Hit {
        let Self { position, distance_m, precision_m, notation, how, certainty, spelled, .. } = self;
        Hit { field, companion, position, distance_m, precision_m, notation, how, certainty, spelled }
    }
}

/// Of the sights in one value, the nearest to each held position.
#[derive(Debug, Default)]
struct Nearest(Vec<Sight>);

impl Nearest {
    fn add(&mut self, sight: Sight) {
        match self.0.iter_mut().find(|known| known.held == sight.held) {
            Some(known) if known.distance_m <= sight.distance_m => {}
            Some(known) => *known = sight,
            None => self.0.push(sight),
        }
    }
}

/// How far from a position, in degrees of latitude, a near one may lie.
fn reach_of_latitude() -> f64 {
    NEAR_M / METRES_PER_DEGREE * 1.1
}

/// The angle between two meridians: 180° west is 180° east.
fn turned(degrees: f64) -> f64 {
    let degrees = degrees.abs() % 360.0;
    degrees.min(360.0 - degrees)
}

/// The size of a cell of so many degrees, in metres: the longer of its sides.
fn size_m(at: Position, latitude_degrees: f64, longitude_degrees: f64) -> f64 {
    METRES_PER_DEGREE * latitude_degrees.max(longitude_degrees * at.lat.to_radians().cos())
}

/// How far from where the phone was a coordinate of such an exactness may lie: cut off instead of rounded, both coordinates
/// lose up to a whole unit of their last digit. Never less than what separates two places.
fn rounding_radius_m(precision_m: f64) -> f64 {
    if precision_m > 500.0 { (precision_m * std::f64::consts::SQRT_2).max(NEAR_M) } else { (precision_m * 1.5).max(SAME_PLACE_M) }
}

/// So near to a planted position counts as it: rounding to two decimals moves a point by up to 1.1 km, a town's centre by more.
pub(in crate::decode) const NEAR_M: f64 = 2_000.0;
/// What rounding to tenths of a degree takes away at most, and a little for the arithmetic.
const HALF_A_TENTH: f64 = 0.05 + 1e-9;
/// Two points nearer than this are one place.
const SAME_PLACE_M: f64 = 100.0;

#[cfg(test)]
mod tests;
