//! What a value says of a place by its own looks and its name, whether or not a position was planted: weaker than distance, and
//! kept apart from it in the reason.

use crate::model::{Category, Reason};

use super::{
    super::{category::NameFacts, kind, leaf::Value},
    chance::METRES_PER_DEGREE,
    geohash, plus_code, radio, size_m, track,
};

/// Adds what a value looks like, if that is a place.
pub(in crate::decode) fn by_shape(name: &NameFacts, value: &Value<'_>, reasons: &mut Vec<(Category, Reason)>) {
    let Some(text) = value.as_text().map(str::trim).filter(|text| (SHORTEST..=LONGEST).contains(&text.len())) else { return };
    if let Some((category, what)) = shape(name, text) {
        reasons.push((category, Reason::Shape { what: what.to_owned() }));
    }
}

fn shape(name: &NameFacts, text: &str) -> Option<(Category, &'static str)> {
    let says = |words: &[&str]| name.words.iter().any(|word| words.contains(&word.as_str()));
    if is_whole_plus_code(text) {
        return Some((Category::PreciseLocation, "a plus code"));
    }
    if kind::is_time_zone(text) {
        return Some((Category::TimeZone, "a time zone"));
    }
    if (geohash::is_named(name) || says(&["geo", "gps"]))
        && geohash::is_geohash(text)
        && let Some(cell) = geohash::decode(&text.to_ascii_lowercase())
    {
        return Some((Category::of_exactness(size_m(cell.centre, cell.size.0, cell.size.1)), "a geohash"));
    }
    if says(&["quadkey"]) && (4..=23).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'3').contains(&byte)) {
        let metres = METRES_PER_DEGREE * 360.0 / 2_f64.powi(text.len() as i32);
        return Some((Category::of_exactness(metres), "the quadkey of a map tile"));
    }
    if says(&["polyline", "track", "route"]) && track::points_of_polyline(text).is_some_and(|points| is_somewhere(&points)) {
        return Some((Category::Track, "a track: an encoded polyline"));
    }
    if radio::is_mast(name, text) {
        return Some((Category::CellTower, radio::MAST));
    }
    kind::either_order(text).map(|what| (Category::PreciseLocation, what))
}

fn is_whole_plus_code(text: &str) -> bool {
    let letters = text.bytes().any(|byte| byte.is_ascii_alphabetic());
    letters && text.contains('+') && plus_code::codes(text).next().is_some_and(|(code, _)| code.len() == text.len())
}

/// Whether a track's points are degrees times 10^5, and not around 0° 0°, where short words lie.
fn is_somewhere(points: &[(f64, f64)]) -> bool {
    let on_earth = |(latitude, longitude): &(f64, f64)| latitude.abs() <= 9e6 && longitude.abs() <= 1.8e7;
    points.len() >= 3 && points.iter().all(on_earth) && points[0].0.abs().max(points[0].1.abs()) > 1e4
}

/// A quadkey of a country; geohashes have five characters.
const SHORTEST: usize = 4;
/// Longer texts have no shape of their own.
const LONGEST: usize = 4096;
