//! Coordinates in binary data: two numbers of four or eight bytes next to each other, of either byte order, at any offset. Only
//! what is so near that chance cannot have put it there, in that many bytes, counts.

use crate::model::Position;

use super::{NEAR_M, Nearest, Places, Sight, chance, degrees::UNITS, size_m};

/// The first sixteen bits of numbers that may be a coordinate near a held position, for each width.
#[derive(Debug)]
pub(super) struct Filter {
    four: Vec<u64>,
    eight: Vec<u64>,
}

impl Default for Filter {
    fn default() -> Self {
        Self { four: vec![0; WORDS], eight: vec![0; WORDS] }
    }
}

impl Filter {
    /// Adds the numbers from `low` to `high` degrees.
    pub(super) fn add(&mut self, low: f64, high: f64) {
        for per_degree in multiples().map(|(per_degree, _)| per_degree) {
            let (low, high) = ((low * per_degree) as i32, (high * per_degree) as i32);
            // The multiples of smaller units do not reach far; those of larger ones are clamped, so they fit too often, never too rarely.
            ((low >> 16)..=(high >> 16)).for_each(|top| set(&mut self.four, top as u16));
        }
        // Numbers near zero share no first bits: between them and zero, all fit.
        let spans = if low < 0.0 && high > 0.0 { [(0.0, high), (0.0, -low)] } else { [(low.abs(), high.abs()); 2] };
        for (sign, (a, b)) in [0, 0x8000].into_iter().zip(spans) {
            let signed = if low < 0.0 && high > 0.0 {
                sign
            } else if low < 0.0 {
                0x8000
            } else {
                0
            };
            let (a, b) = (a.min(b), a.max(b));
            let singles = ((a as f32).to_bits() >> 16) as u16..=((b as f32).to_bits() >> 16) as u16;
            singles.for_each(|top| set(&mut self.four, top | signed));
            let doubles = (a.to_bits() >> 48) as u16..=(b.to_bits() >> 48) as u16;
            doubles.for_each(|top| set(&mut self.eight, top | signed));
        }
    }
}

/// Looks for pairs of numbers near held positions; of several, the nearest to each. `among` is how many bytes were looked at, with
/// these; `wrapped` says what they lay in: ` in hex`.
pub(super) fn look(bytes: &[u8], among: usize, wrapped: &str, places: &Places, nearest: &mut Nearest) {
    if bytes.len() < 8 {
        return;
    }
    // Two orders of coordinates, two of bytes, the layouts, and the ways to read each.
    let looks = among as f64 * 4.0 * BETWEEN.len() as f64 * (multiples().count() + 2) as f64;
    let mut tries = MOST_TRIES;
    // A number is told by its first two bytes: those at its beginning, or at its end when the bytes are reversed.
    for (at, two) in bytes.windows(2).enumerate() {
        let Filter { four, eight } = &places.binary;
        for (width, filter) in [(4, four), (8, eight)] {
            if holds(filter, u16::from_be_bytes([two[0], two[1]])) {
                pairs_at(bytes, (at, width, true), (looks, wrapped), &mut tries, places, nearest);
            }
            if let Some(start) = (at + 2).checked_sub(width)
                && holds(filter, u16::from_le_bytes([two[0], two[1]]))
            {
                pairs_at(bytes, (start, width, false), (looks, wrapped), &mut tries, places, nearest);
            }
        }
        if tries == 0 {
            return;
        }
    }
}

/// Every pair whose first number begins here, with so many bytes, of that byte order.
fn pairs_at(
    bytes: &[u8],
    (at, width, big): (usize, usize, bool),
    looked: (f64, &str),
    tries: &mut u32,
    places: &Places,
    nearest: &mut Nearest,
) {
    let Some(first) = word(bytes, at, width, big) else { return };
    for number in numbers(width) {
        let a = number.degrees(first);
        if !places.degrees.hold(a) {
            continue;
        }
        for between in BETWEEN {
            let Some(second) = word(bytes, at + width + between, width, big) else { continue };
            let b = number.degrees(second);
            if places.degrees.hold(b) && *tries > 0 {
                *tries -= 1;
                judge((a, b), (number, big, at), looked, places, nearest);
            }
        }
    }
}

fn judge(
    (a, b): (f64, f64),
    (number, big, at): (Number, bool, usize),
    (looks, wrapped): (f64, &str),
    places: &Places,
    nearest: &mut Nearest,
) {
    for (latitude, longitude, order) in [(a, b, ""), (b, a, ", longitude first")] {
        let Some(position) = Position::new(latitude, longitude) else { continue };
        let Some((held, distance_m)) = places.nearest(position, NEAR_M) else { continue };
        let Some(place) = places.held.get(held) else { continue };
        let unit = (number.unit(latitude), number.unit(longitude));
        let chance = chance::of_pair(place.position, distance_m, unit) / EVERY_BIT;
        let expected = chance * looks * places.chances(distance_m);
        let Some(certainty) = chance::certainty(expected).filter(|_| expected < MOST_EXPECTED) else { continue };
        let bytes = match (number, big) {
            (_, true) => "big-endian",
            (_, false) => "little-endian",
        };
        nearest.add(Sight {
            position,
            held,
            distance_m,
            precision_m: size_m(position, unit.0, unit.1),
            notation: number.words(),
            how: format!("{}, binary{wrapped}, {bytes}, at byte {at}{order}", number.words()),
            certainty,
            spelled: Vec::new(),
        });
    }
}

/// A way to read bytes as a number of degrees.
#[derive(Clone, Copy, Debug)]
enum Number {
    /// Four bytes: degrees times this.
    Multiple(f64, &'static str),
    Single,
    Double,
}

impl Number {
    fn degrees(self, word: u64) -> f64 {
        match self {
            Self::Multiple(per_degree, _) => f64::from(word as u32 as i32) / per_degree,
            Self::Single => f64::from(f32::from_bits(word as u32)),
            Self::Double => f64::from_bits(word),
        }
    }

    /// The last digit at a number of degrees, in degrees.
    fn unit(self, degrees: f64) -> f64 {
        match self {
            Self::Multiple(per_degree, _) => 1.0 / per_degree,
            Self::Single => degrees.abs() * f64::from(f32::EPSILON),
            Self::Double => degrees.abs() * f64::EPSILON,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Multiple(_, words) => words,
            Self::Single => "degrees as 32-bit floating-point numbers",
            Self::Double => "degrees as 64-bit floating-point numbers",
        }
    }
}

fn numbers(width: usize) -> impl Iterator<Item = Number> {
    let multiples = multiples().filter(move |_| width == 4).map(|(per_degree, words)| Number::Multiple(per_degree, words));
    multiples.chain([if width == 4 { Number::Single } else { Number::Double }])
}

/// Multiples of degrees that fit into four bytes and fill them.
fn multiples() -> impl Iterator<Item = (f64, &'static str)> {
    let fills = |per_degree: f64| (100_000.0..=f64::from(i32::MAX) / 180.0 + 1.0).contains(&per_degree);
    UNITS.iter().filter(move |unit| fills(unit.per_degree)).map(|unit| (unit.per_degree, unit.words))
}

fn word(bytes: &[u8], at: usize, width: usize, big: bool) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(width)?)?;
    let add = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
    Some(if big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
}

fn set(filter: &mut [u64], top: u16) {
    filter[usize::from(top >> 6)] |= 1 << (top & 63);
}

fn holds(filter: &[u64], top: u16) -> bool {
    filter[usize::from(top >> 6)] >> (top & 63) & 1 == 1
}

const WORDS: usize = 1 << 10;
/// Bytes between the two: none, a tag (protobuf, CBOR), padding.
const BETWEEN: [usize; 4] = [0, 1, 2, 4];
/// Pairs that are looked at in one value; data that has more is made to have them.
const MOST_TRIES: u32 = 20_000;
/// Fewer than this many are expected by chance in all those bytes.
const MOST_EXPECTED: f64 = 1e-6;
/// Numbers in binary data are not written by people: nine of ten bit patterns are no number that anybody would write.
const EVERY_BIT: f64 = 10.0;
