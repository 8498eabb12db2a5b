//! Positions: where the phone was in which phase, and coordinates in an upload that are near one of them (R5). Exact search
//! would miss rounded and jittered coordinates, so what counts is distance.

use std::collections::{BTreeSet, VecDeque};

use crate::model::{Part, Position};

use super::{
    category::NameFacts,
    kind::{Axis, Number, numbers_in},
    leaf::RawLeaf,
};

/// Where the phone was, phase by phase. Only confirmed positions are known.
#[derive(Debug, Default)]
pub(super) struct Places {
    phases: Vec<String>,
    current: Option<Position>,
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    position: Position,
    /// How far from it, in degrees of latitude and longitude, a near coordinate may lie.
    reach: (f64, f64),
    /// Numbers of the phases during which the phone was there.
    phases: BTreeSet<usize>,
}

impl Places {
    /// A phase begins; the phone is where it was.
    pub(super) fn begin_phase(&mut self, name: &str) {
        self.phases.push(name.to_owned());
        self.hold();
    }

    /// The phone was moved. An unconfirmed position is none: nobody knows where the phone is.
    pub(super) fn moved(&mut self, position: Position, confirmed: bool) {
        self.current = confirmed.then_some(position);
        self.hold();
    }

    fn hold(&mut self) {
        let (Some(position), Some(phase)) = (self.current, self.phases.len().checked_sub(1)) else { return };
        match self.held.iter_mut().find(|held| held.position == position) {
            Some(held) => {
                held.phases.insert(phase);
            }
            None => {
                let reach = NEAR_M / METRES_PER_DEGREE * 1.1;
                let reach = (reach, reach / position.lat.to_radians().cos().max(0.01));
                self.held.push(Held { position, reach, phases: BTreeSet::from([phase]) });
            }
        }
    }

    /// Phases up to this one during which the phone was at any position that the upload may mean: rounding hides which of
    /// several near ones it is. A position cannot have been sent from a phase that was still to come, so later phases do not
    /// explain it.
    pub(super) fn held_in(&self, hit: &Hit, sent_in: &str) -> BTreeSet<String> {
        let last = self.phases.iter().rposition(|phase| phase == sent_in).unwrap_or(usize::MAX);
        let radius = hit.distance_m.max(rounding_radius_m(hit.decimals));
        let meant = self.held.iter().filter(|held| held.position.distance_m(hit.position) <= radius);
        let phases: BTreeSet<usize> = meant.flat_map(|held| &held.phases).copied().collect();
        let named = |upto: usize| phases.iter().filter(|phase| **phase <= upto).map(|phase| self.phases[*phase].clone()).collect();
        let upto: BTreeSet<String> = named(last);
        if upto.is_empty() { named(usize::MAX) } else { upto }
    }

    fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The distance to the nearest held position, within [`NEAR_M`].
    fn nearest(&self, position: Position) -> Option<f64> {
        let distances = self.held.iter().map(|held| held.position.distance_m(position));
        distances.min_by(f64::total_cmp).filter(|distance| *distance <= NEAR_M)
    }

    /// Whether a number is a coordinate of a held position, to the last of its decimals (at most five: a metre), cut off or
    /// rounded.
    fn is_coordinate(&self, value: f64, decimals: u8) -> bool {
        let unit = 10_f64.powi(-i32::from(decimals.min(5)));
        self.held.iter().any(|held| (value - held.position.lat).abs() < unit || (value - held.position.lon).abs() < unit)
    }

    /// Whether a number could be a coordinate of a position near a held one: a quick look that spares most numbers the rest.
    fn could_be_coordinate(&self, value: f64) -> bool {
        let near = |held: &Held| (value - held.position.lat).abs() <= held.reach.0 || (value - held.position.lon).abs() <= held.reach.1;
        self.held.iter().any(near)
    }
}

/// Coordinates found near a held position.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hit {
    /// The field; for coordinates in two fields, the latitude's.
    pub(super) field: (Part, String),
    /// The longitude's field, when it is another.
    pub(super) companion: Option<(Part, String)>,
    /// Where.
    pub(super) position: Position,
    /// Metres from the nearest held position.
    pub(super) distance_m: f64,
    /// Digits after the point, the least of the two.
    pub(super) decimals: u8,
    /// Both coordinates as they were sent, for the leak gate.
    pub(super) spelled: [String; 2],
}

/// Finds coordinates among the leaves of one request: two in one text, or two siblings.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    candidates: VecDeque<Candidate>,
}

#[derive(Clone, Debug)]
struct Candidate {
    group: u32,
    field: (Part, String),
    value: f64,
    decimals: u8,
    spelled: String,
    /// Divisor of an integer; 0 for decimal degrees.
    scale: u32,
}

impl Pairs {
    /// Looks at one leaf; every pair it completes is given out.
    pub(super) fn look(&mut self, leaf: &RawLeaf<'_>, name: &NameFacts, places: &Places, found: &mut dyn FnMut(Hit)) {
        if places.is_empty() {
            return;
        }
        let Some(text) = leaf.value.as_text() else { return };
        match Number::parse(text) {
            Some(number) => self.number((number, text), leaf, name, places, found),
            None => look_in_text(text, leaf, places, found),
        }
    }

    /// Coordinates of held positions that stayed alone, each exact enough to be no chance: their fields and spellings.
    pub(super) fn alone(self, places: &Places) -> impl Iterator<Item = ((Part, String), String)> {
        let exact = |candidate: &Candidate| {
            candidate.scale == 0 && candidate.decimals >= ALONE_DECIMALS && places.is_coordinate(candidate.value, candidate.decimals)
        };
        self.candidates.into_iter().filter(exact).map(|candidate| (candidate.field, candidate.spelled)).collect::<Vec<_>>().into_iter()
    }

    fn number(
        &mut self,
        (number, text): (Number, &str),
        leaf: &RawLeaf<'_>,
        name: &NameFacts,
        places: &Places,
        found: &mut dyn FnMut(Hit),
    ) {
        for (scale, decimals) in readings(number, name.axis) {
            let value = if scale == 0 { number.value } else { number.value / f64::from(scale) };
            if !places.could_be_coordinate(value) {
                continue;
            }
            let field = (leaf.part, leaf.path.to_owned());
            let new = Candidate { group: leaf.group, field, value, decimals, scale, spelled: text.to_owned() };
            let partner = self.candidates.iter().enumerate().rev().find_map(|(at, old)| {
                let exact = |one: &Candidate| one.decimals >= APART_DECIMALS && places.is_coordinate(one.value, one.decimals);
                let together = old.group == new.group || exact(old) && exact(&new);
                (together && old.scale == new.scale).then(|| pair(old, &new, places)).flatten().map(|hit| (at, hit))
            });
            match partner {
                Some((at, hit)) => {
                    self.candidates.remove(at);
                    found(hit);
                    return;
                }
                None => {
                    if self.candidates.len() >= MOST_CANDIDATES {
                        self.candidates.pop_front();
                    }
                    self.candidates.push_back(new);
                }
            }
        }
    }
}

/// Ways to read a number as degrees: as it is, or as an integer of a unit that apps use, with the digits that unit gives.
fn readings(number: Number, axis: Option<Axis>) -> Vec<(u32, u8)> {
    if !number.integer {
        let enough = if axis.is_some() { 1 } else { 2 };
        // E-notation may hide digits; a number with an exponent is read all the same.
        return if number.decimals >= enough { vec![(0, number.decimals)] } else { Vec::new() };
    }
    SCALES.iter().filter(|(scale, _)| number.value.abs() >= f64::from(*scale) / 10.0).copied().collect()
}

/// Two siblings as a position, in the order that is nearer.
fn pair(old: &Candidate, new: &Candidate, places: &Places) -> Option<Hit> {
    let orders = [(old, new), (new, old)];
    let hits = orders.into_iter().filter_map(|(latitude, longitude)| {
        let position = Position::new(latitude.value, longitude.value)?;
        let distance_m = places.nearest(position)?;
        let companion = (longitude.field != latitude.field).then(|| longitude.field.clone());
        let decimals = latitude.decimals.min(longitude.decimals);
        let spelled = [latitude.spelled.clone(), longitude.spelled.clone()];
        Some(Hit { field: latitude.field.clone(), companion, position, distance_m, decimals, spelled })
    });
    hits.min_by(|a, b| a.distance_m.total_cmp(&b.distance_m))
}

/// Every two numbers that follow each other closely in a text.
fn look_in_text(text: &str, leaf: &RawLeaf<'_>, places: &Places, found: &mut dyn FnMut(Hit)) {
    let mut last: Option<(usize, Vec<Candidate>)> = None;
    for (range, number) in numbers_in(text) {
        let candidates: Vec<Candidate> = readings(number, None)
            .into_iter()
            .map(|(scale, decimals)| Candidate {
                group: 0,
                field: (leaf.part, String::new()),
                value: if scale == 0 { number.value } else { number.value / f64::from(scale) },
                decimals,
                scale,
                spelled: text.get(range.clone()).unwrap_or_default().to_owned(),
            })
            .filter(|candidate| places.could_be_coordinate(candidate.value))
            .collect();
        if let Some((end, before)) = &last
            && range.start - end <= WIDEST_GAP
        {
            let hits = before
                .iter()
                .flat_map(|old| candidates.iter().filter(|new| new.scale == old.scale).filter_map(|new| pair(old, new, places)));
            if let Some(hit) = hits.min_by(|a, b| a.distance_m.total_cmp(&b.distance_m)) {
                found(Hit { field: (leaf.part, leaf.path.to_owned()), companion: None, ..hit });
                last = None;
                continue;
            }
        }
        last = Some((range.end, candidates));
    }
}

/// How far from where the phone was a coordinate with so many decimals may lie: cut off instead of rounded, both coordinates
/// lose up to a whole unit of their last digit. Never less than what separates two places.
fn rounding_radius_m(decimals: u8) -> f64 {
    let unit = METRES_PER_DEGREE * 10_f64.powi(-i32::from(decimals));
    if decimals <= 2 { NEAR_M } else { (unit * std::f64::consts::SQRT_2).clamp(SAME_PLACE_M, NEAR_M) }
}

/// So near to a planted position counts as it: rounding to two decimals moves a point by up to 1.1 km, a town's centre by more.
pub(super) const NEAR_M: f64 = 2_000.0;
/// A coordinate without its other half counts from so many decimals on.
const ALONE_DECIMALS: u8 = 4;
/// Two coordinates that are no siblings belong together from so many decimals on, when both are those of a held position.
const APART_DECIMALS: u8 = 3;
/// Two points nearer than this are one place.
const SAME_PLACE_M: f64 = 100.0;
const METRES_PER_DEGREE: f64 = 111_000.0;
/// Degrees × this, and the digits that gives. 3,000,000 is the band's own unit (docs/protocols, tracks).
const SCALES: &[(u32, u8)] = &[(100_000, 5), (1_000_000, 6), (3_000_000, 6), (10_000_000, 7), (100_000_000, 8)];
const MOST_CANDIDATES: usize = 256;
/// Characters between two coordinates in one text: `, "longitude" : ` and the like.
const WIDEST_GAP: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::{category, leaf::Value},
        model::App,
    };

    fn places() -> Places {
        let mut places = Places::default();
        places.begin_phase("start");
        places.moved(Position { lat: 52.374, lon: 4.8897 }, true);
        places.begin_phase("idle");
        places.moved(Position { lat: 52.52, lon: 13.405 }, true);
        places.begin_phase("workout");
        places.moved(Position { lat: 48.0, lon: 11.0 }, false);
        places.begin_phase("background");
        places
    }

    /// Leaves as `group name=value`, hits as `field+companion metres@phases`.
    #[track_caller]
    fn check(leaves: &[&str], want: &str) {
        let places = places();
        let mut pairs = Pairs::default();
        let mut hits = Vec::new();
        for leaf in leaves {
            let (group, rest) = leaf.split_once(' ').expect("group first");
            let (path, value) = rest.split_once('=').expect("a value");
            let name = category::name_facts(&App::default(), "/", Part::Json, path);
            let raw = RawLeaf {
                part: Part::Json,
                path,
                value: Value::Text(value),
                chain: &[],
                bytes: None,
                exact: false,
                clean: false,
                group: group.parse().expect("a number"),
            };
            pairs.look(&raw, &name, &places, &mut |hit| {
                let phases: Vec<String> = places.held_in(&hit, "background").into_iter().collect();
                let companion = hit.companion.map_or(String::new(), |(_, path)| format!("+{path}"));
                hits.push(format!("{}{companion} {:.0}@{}", hit.field.1, hit.distance_m, phases.join(",")));
            });
        }
        assert_eq!(hits.join(" | "), want, "{leaves:?}");
    }

    #[test]
    fn coordinates_near_a_planted_position_are_found() {
        check(&["1 lat=52.374", "1 lon=4.8897"], "lat+lon 0@idle,start");
        check(&["1 a=4.89", "1 zone=7.25", "1 b=52.37"], "b+a 445@idle,start");
        check(&["1 a=52.374", "2 b=4.8897"], "a+b 0@idle,start");
        check(&["1 a=52.37", "2 b=4.8897"], "");
        check(&["1 a=52.381", "2 b=4.881"], "");
        check(&["1 p[]=13.405", "1 p[]=52.52", "2 p[]=13.406", "2 p[]=52.52"], "p[] 0@idle,workout | p[] 68@idle,workout");
        check(&["1 q=52.374,4.8897,xiaomi_accu:1"], "q 0@idle,start");
        check(&["1 q=lon 4.89 and lat 52.37"], "q 445@idle,start");
        check(&["1 longitude_latitude=5252000000,1340500000;12000,15000;"], "longitude_latitude 0@idle,workout");
        check(&["1 la=523740000", "1 lo=48897000"], "la+lo 0@idle,start");
        check(&["1 lat=52.5", "1 lon=4.8"], "");
        check(&["1 lat=48.0", "1 lon=11.0"], "");
        check(&["1 ua=App/52.3.7 (4.88.9)"], "");
    }

    #[test]
    fn a_later_phase_explains_nothing() {
        assert_eq!(places().held_in(&hit_at(52.52, 13.405, 5), "idle"), BTreeSet::from(["idle".to_owned()]));
    }

    #[test]
    fn a_rounded_position_belongs_to_every_place_it_may_mean() {
        // The workout passes a point 90 m from where the phone then stays.
        let mut places = Places::default();
        places.begin_phase("workout");
        places.moved(Position { lat: 52.2, lon: 4.5 }, true);
        places.moved(Position { lat: 52.1585, lon: 4.4930 }, true);
        places.begin_phase("background");
        places.moved(Position { lat: 52.1592, lon: 4.4931 }, true);
        let both = BTreeSet::from(["background".to_owned(), "workout".to_owned()]);
        assert_eq!(places.held_in(&hit_at(52.159, 4.493, 3), "background"), both);
        assert_eq!(places.held_in(&hit_at(52.16, 4.49, 2), "background"), both);
        assert_eq!(places.held_in(&hit_at(52.2, 4.5, 5), "background"), BTreeSet::from(["workout".to_owned()]));
    }

    fn hit_at(lat: f64, lon: f64, decimals: u8) -> Hit {
        let field = (Part::Json, String::new());
        let position = Position { lat, lon };
        Hit { field, companion: None, position, distance_m: 0.0, decimals, spelled: [String::new(), String::new()] }
    }
}
