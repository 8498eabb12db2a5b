//! Tracks in one text: a first point and differences from point to point, as numbers (docs/protocols, `longitude_latitude`) or
//! as Google's encoded polyline. Of a track the point nearest to a held position is told.

use crate::model::Position;

use super::{
    super::{category::NameFacts, kind::Number},
    NEAR_M, Nearest, Places, Sight,
    chance::{self, Family, Looked},
    degrees::UNITS,
    size_m,
};

/// How often unrelated data would be taken for a track, however it is read.
#[derive(Clone, Copy, Debug)]
struct Reading<'r> {
    per_degree: f64,
    /// The last digit, in degrees.
    unit: f64,
    notation: &'static str,
    /// What the numbers are.
    of: &'r str,
    /// How many ways there are to read it.
    ways: f64,
}

/// Looks for a track as text: `5252000000,1340500000;12000,15000;13000,11000;`. Latitude or longitude first.
pub(super) fn deltas(text: &str, places: &Places, looked: &mut Looked, nearest: &mut Nearest) {
    let Some(points) = points_of_deltas(text) else { return };
    looked.add(Family::Tracks);
    if points.fractions {
        let reading = Reading { per_degree: 1.0, unit: points.unit, notation: DELTAS, of: "decimal degrees", ways: 2.0 };
        judge(&points.points, text, reading, places, looked, nearest);
        return;
    }
    for unit in UNITS {
        let (per_degree, ways) = (unit.per_degree, 2.0 * UNITS.len() as f64);
        let reading = Reading { per_degree, unit: 1.0 / per_degree, notation: DELTAS, of: unit.words, ways };
        judge(&points.points, text, reading, places, looked, nearest);
    }
}

/// Looks for an encoded polyline (developers.google.com/maps/documentation/utilities/polylinealgorithm), of five or six
/// decimals, as a whole text.
pub(super) fn polyline(text: &str, name: &NameFacts, places: &Places, looked: &mut Looked, nearest: &mut Nearest) {
    let Some(points) = points_of_polyline(text) else { return };
    looked.add(Family::Tracks);
    let named = if is_named(name) { 1.0 } else { 100.0 };
    for (per_degree, of) in [(1e5, "5 decimals"), (1e6, "6 decimals")] {
        let reading = Reading { per_degree, unit: 1.0 / per_degree, notation: POLYLINE, of, ways: 4.0 * named };
        judge(&points, text, reading, places, looked, nearest);
    }
}

/// Whether a name speaks of a track.
pub(super) fn is_named(name: &NameFacts) -> bool {
    const WORDS: &[&str] = &["polyline", "track", "route", "path", "geometry", "trace", "points"];
    name.words.iter().any(|word| WORDS.contains(&word.as_str()))
}

/// The points of an encoded polyline, in its own units, by latitude and longitude; `None` when a text is none: a point of a
/// track is near the one before.
pub(super) fn points_of_polyline(text: &str) -> Option<Vec<(f64, f64)>> {
    if text.len() < SHORTEST_POLYLINE || !text.bytes().all(|byte| (63..127).contains(&byte)) {
        return None;
    }
    let mut numbers = Vec::new();
    let (mut number, mut shift) = (0_u64, 0);
    for byte in text.bytes() {
        let chunk = u64::from(byte - 63);
        number |= (chunk & 0x1f) << shift;
        shift += 5;
        if chunk < 0x20 {
            let magnitude = (number >> 1) as f64;
            numbers.push(if number & 1 == 1 { -magnitude - 1.0 } else { magnitude });
            (number, shift) = (0, 0);
        } else if shift > 30 {
            // More than 180 degrees, in the finer unit too.
            return None;
        }
    }
    if shift != 0 || numbers.len() % 2 != 0 || numbers.len() < 4 {
        return None;
    }
    let mut at = (0.0, 0.0);
    let mut points = Vec::with_capacity(numbers.len() / 2);
    for (index, pair) in numbers.chunks_exact(2).enumerate() {
        if index > 0 && (pair[0].abs() > LONGEST_STEP || pair[1].abs() > LONGEST_STEP) {
            return None;
        }
        at = (at.0 + pair[0], at.1 + pair[1]);
        points.push(at);
    }
    Some(points)
}

/// A track as a text of numbers.
struct Deltas {
    /// First numbers and second numbers, added up.
    points: Vec<(f64, f64)>,
    fractions: bool,
    /// The last digit, where there are fractions.
    unit: f64,
}

/// `None` when a text is none: pairs of numbers, of which all but the first are small against it.
fn points_of_deltas(text: &str) -> Option<Deltas> {
    let separator = [';', '|', '\n'].into_iter().find(|separator| text.contains(*separator))?;
    let mut deltas = Deltas { points: Vec::new(), fractions: false, unit: 1.0 };
    let (mut at, mut first) = ((0.0, 0.0), (0.0, 0.0));
    for record in text.split(separator).map(str::trim).filter(|record| !record.is_empty()) {
        let (a, b) = record.split_once([',', ' '])?;
        // Android writes a plus before some differences.
        let number = |text: &str| Number::parse(text.trim().trim_start_matches('+'));
        let (a, b) = (number(a)?, number(b)?);
        if deltas.points.is_empty() {
            first = (a.value.abs(), b.value.abs());
            deltas.fractions = !a.integer || !b.integer;
            deltas.unit = 10_f64.powi(-i32::from(a.decimals.min(b.decimals)));
        } else if a.value.abs() > first.0.max(first.1) / 10.0 || b.value.abs() > first.0.max(first.1) / 10.0 {
            return None;
        }
        at = (at.0 + a.value, at.1 + b.value);
        deltas.points.push(at);
    }
    (deltas.points.len() >= 2).then_some(deltas)
}

/// The points of a track that are nearest to held positions.
fn judge(points: &[(f64, f64)], text: &str, reading: Reading<'_>, places: &Places, looked: &Looked, nearest: &mut Nearest) {
    let mut best: Vec<Option<(f64, Position, bool)>> = Vec::new();
    for (first, second) in points {
        let (first, second) = (first / reading.per_degree, second / reading.per_degree);
        if !places.degrees.hold(first) || !places.degrees.hold(second) {
            continue;
        }
        for (latitude, longitude, longitude_first) in [(first, second, false), (second, first, true)] {
            let Some(position) = Position::new(latitude, longitude) else { continue };
            let Some((held, distance_m)) = places.nearest(position, NEAR_M) else { continue };
            if best.len() <= held {
                best.resize(held + 1, None);
            }
            if best[held].is_none_or(|(known, _, _)| distance_m < known) {
                best[held] = Some((distance_m, position, longitude_first));
            }
        }
    }
    let best = best.into_iter().enumerate().filter_map(|(held, best)| best.map(|best| (held, best)));
    for (held, (distance_m, position, longitude_first)) in best {
        let Some(place) = places.held.get(held) else { continue };
        let chance = chance::of_pair(place.position, distance_m, (reading.unit, reading.unit));
        let looks = looked.of(Family::Tracks) * points.len() as f64 * reading.ways * places.chances(distance_m);
        let Some(certainty) = chance::certainty(chance * looks) else { continue };
        let order = if longitude_first { ", longitude first" } else { "" };
        let plural = if points.len() == 1 { "" } else { "s" };
        nearest.add(Sight {
            position,
            held,
            distance_m,
            precision_m: size_m(position, reading.unit, reading.unit),
            notation: reading.notation,
            how: format!("{} of {} point{plural} ({}{order}), nearest point", reading.notation, points.len(), reading.of),
            certainty,
            spelled: vec![text.get(..super::super::kind::floor(text, LONGEST_SPELLED)).unwrap_or_default().to_owned()],
        });
    }
}

/// The notation of a track as numbers.
pub(super) const DELTAS: &str = "delta-coded track";
/// The notation of an encoded polyline.
pub(super) const POLYLINE: &str = "encoded polyline";
const SHORTEST_POLYLINE: usize = 6;
/// Between two points of a track, in either unit: five degrees, or half a degree.
const LONGEST_STEP: f64 = 500_000.0;
/// So much of a track the leak gate looks for.
const LONGEST_SPELLED: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_polyline_decodes() {
        // developers.google.com/maps/documentation/utilities/polylinealgorithm
        let points = points_of_polyline("_p~iF~ps|U_ulLnnqC_mqNvxq`@");
        assert_eq!(points, None, "its steps of several degrees are no track's");
        let points = points_of_polyline("_p~iF~ps|U?A").expect("a polyline");
        assert_eq!(points, [(3_850_000.0, -12_020_000.0), (3_850_000.0, -12_019_999.0)]);
    }

    #[test]
    fn differences_are_small_against_the_first_point() {
        assert!(points_of_deltas("5252000000,1340500000;12000,15000;13000,11000;").is_some());
        assert!(points_of_deltas("52.374,4.8897;52.375,4.889;").is_none(), "points, no differences");
        assert!(points_of_deltas("a,b;c,d").is_none());
    }
}
