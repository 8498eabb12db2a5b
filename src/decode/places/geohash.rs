//! Geohashes: a cell of the Earth named by five to twelve characters of base 32 (Niemeyer 2008; en.wikipedia.org/wiki/Geohash).

use std::collections::BTreeSet;

use crate::model::Position;

use super::{
    super::category::NameFacts,
    NEAR_M, Nearest, Places, Sight,
    chance::{self, Family, Looked, METRES_PER_DEGREE},
    size_m,
};

/// A cell: its centre, and its height and width in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cell {
    pub(super) centre: Position,
    pub(super) size: (f64, f64),
}

/// Looks for a geohash of a cell near a held position: as the whole text, or as one of its longer words.
pub(super) fn look(text: &str, name: &NameFacts, places: &Places, looked: &mut Looked, nearest: &mut Nearest) {
    if text.len() > LONGEST_TEXT {
        return;
    }
    let named = is_named(name);
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        let is_whole = word.len() == text.len();
        if word.len() < if is_whole { SHORTEST } else { SHORTEST_IN_TEXT } || !is_geohash(word) {
            continue;
        }
        // A word of letters alone is likelier a word.
        if !named && word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            continue;
        }
        looked.add(Family::Cells(word.len()));
        let lower = word.to_ascii_lowercase();
        let begins = lower.as_bytes().first_chunk::<3>().is_some_and(|three| places.geohashes.contains(three));
        let Some(cell) = begins.then(|| decode(&lower)).flatten() else { continue };
        let Some(Near { held, distance_m, inside }) = near(cell, places) else { continue };
        let precision_m = size_m(cell.centre, cell.size.0, cell.size.1);
        let cells = if inside { 1.0 } else { 1.0 + std::f64::consts::PI * distance_m.powi(2) / area_m2(cell) };
        let expected =
            cells / 32_f64.powi(word.len() as i32) * looked.of(Family::Cells(word.len())) * places.chances(distance_m.max(precision_m));
        let Some(certainty) = chance::certainty(expected * if named { NAMED } else { 1.0 }) else { continue };
        nearest.add(Sight {
            position: cell.centre,
            held,
            distance_m,
            precision_m,
            notation: "geohash",
            how: format!("geohash of {} characters", word.len()),
            certainty,
            spelled: vec![word.to_owned()],
        });
    }
}

/// The held position that a cell may mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Near {
    pub(super) held: usize,
    /// Metres from the cell's centre.
    pub(super) distance_m: f64,
    /// Whether it is in the cell, and not beside it.
    pub(super) inside: bool,
}

/// The nearest held position that is in a cell, or near its centre.
pub(super) fn near(cell: Cell, places: &Places) -> Option<Near> {
    let (held, distance_m) = places.nearest(cell.centre, NEAR_M.max(size_m(cell.centre, cell.size.0, cell.size.1)))?;
    let position = places.held.get(held)?.position;
    let inside = (position.lat - cell.centre.lat).abs() <= cell.size.0 / 2.0 && (position.lon - cell.centre.lon).abs() <= cell.size.1 / 2.0;
    (inside || distance_m <= NEAR_M).then_some(Near { held, distance_m, inside })
}

/// Whether a name speaks of a geohash.
pub(super) fn is_named(name: &NameFacts) -> bool {
    name.words.iter().any(|word| word == "geohash") || name.words.windows(2).any(|words| words == ["geo", "hash"])
}

/// Whether a word could be a geohash: five to twelve characters of its alphabet, of one case.
pub(super) fn is_geohash(word: &str) -> bool {
    let alphabet = |byte: u8| ALPHABET.contains(&byte.to_ascii_lowercase());
    (SHORTEST..=LONGEST).contains(&word.len())
        && word.bytes().all(alphabet)
        && !(word.bytes().any(|byte| byte.is_ascii_uppercase()) && word.bytes().any(|byte| byte.is_ascii_lowercase()))
}

/// The cell that a geohash in lower case names.
pub(super) fn decode(word: &str) -> Option<Cell> {
    let (mut lat, mut lon) = ((-90.0, 90.0), (-180.0, 180.0));
    let mut of_longitude = true;
    for byte in word.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == byte)?;
        for bit in (0..5).rev() {
            let range: &mut (f64, f64) = if of_longitude { &mut lon } else { &mut lat };
            let middle = f64::midpoint(range.0, range.1);
            if digit >> bit & 1 == 1 {
                range.0 = middle
            } else {
                range.1 = middle
            }
            of_longitude = !of_longitude;
        }
    }
    let centre = Position::new(f64::midpoint(lat.0, lat.1), f64::midpoint(lon.0, lon.1))?;
    Some(Cell { centre, size: (lat.1 - lat.0, lon.1 - lon.0) })
}

/// The first three characters of the geohashes within reach (degrees) of a position.
pub(super) fn beginnings(position: Position, reach: (f64, f64)) -> BTreeSet<[u8; 3]> {
    let around = [-1.0, 0.0, 1.0];
    let points = around.iter().flat_map(|up| around.iter().map(move |right| (position.lat + up * reach.0, position.lon + right * reach.1)));
    points.filter_map(|(lat, lon)| Position::new(lat, lon)).map(beginning).collect()
}

/// The first three characters of a position's geohash.
fn beginning(position: Position) -> [u8; 3] {
    let (mut lat, mut lon) = ((-90.0, 90.0), (-180.0, 180.0));
    let mut of_longitude = true;
    let mut word = [b'0'; 3];
    for character in &mut word {
        let mut digit = 0;
        for _ in 0..5 {
            let (range, value): (&mut (f64, f64), f64) = if of_longitude { (&mut lon, position.lon) } else { (&mut lat, position.lat) };
            let middle = f64::midpoint(range.0, range.1);
            let upper = value >= middle;
            if upper {
                range.0 = middle
            } else {
                range.1 = middle
            }
            digit = digit << 1 | usize::from(upper);
            of_longitude = !of_longitude;
        }
        *character = ALPHABET[digit];
    }
    word
}

fn area_m2(cell: Cell) -> f64 {
    let width = cell.size.1 * cell.centre.lat.to_radians().cos();
    cell.size.0 * width * METRES_PER_DEGREE.powi(2)
}

const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
/// Five characters are a cell of five kilometres; fewer say less than a town.
const SHORTEST: usize = 5;
/// Inside a longer text, words of five and six letters and digits are too common.
const SHORTEST_IN_TEXT: usize = 7;
const LONGEST: usize = 12;
/// Longer texts are prose, logs or data.
const LONGEST_TEXT: usize = 4096;
/// A name that says geohash makes chance so much less likely.
const NAMED: f64 = 1e-4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples_decode() {
        // en.wikipedia.org/wiki/Geohash: ezs42 is 42.605, -5.603; u4pruydqqvj is 57.64911, 10.40744.
        let near = |word: &str, lat: f64, lon: f64| decode(word).expect("a geohash").centre.distance_m(Position { lat, lon });
        assert!(near("ezs42", 42.605, -5.603) < 60.0);
        assert!(near("u4pruydqqvj", 57.64911, 10.40744) < 1.0);
        assert_eq!(&beginning(Position { lat: 57.64911, lon: 10.40744 }), b"u4p");
    }

    #[test]
    fn words_of_another_alphabet_are_none() {
        for word in ["ezs4", "ezs4a", "Ezs42", "ezs42ezs42ezs"] {
            assert!(!is_geohash(word), "{word}");
        }
    }
}
