//! How likely it is that something unrelated lies as near to where the phone was as what was found. Nothing counts as a hit
//! that chance explains as well; how much was looked at counts, so a body of a million numbers needs a better hit than a small one.

use crate::model::{Certainty, Position};

/// Metres in a degree of latitude, on the sphere that [`Position::distance_m`] measures on.
pub(super) const METRES_PER_DEGREE: f64 = 111_195.0;

/// How often an unrelated pair of numbers, one in each unit (degrees of its last digit), is a latitude and a longitude within
/// `distance_m` of a place.
pub(super) fn of_pair(place: Position, distance_m: f64, (latitude_unit, longitude_unit): (f64, f64)) -> f64 {
    let reach = distance_m.max(NEAREST_M) / METRES_PER_DEGREE;
    let stretched = reach / place.lat.to_radians().cos().max(0.01);
    width(place.lat, reach.max(latitude_unit / 2.0)) * width(place.lon, stretched.max(longitude_unit / 2.0))
}

/// How often an unrelated number lies within `reach` degrees of a coordinate. Unrelated numbers are counts, prices, sizes and
/// ratios: the smaller the commoner, in every unit.
pub(super) fn width(coordinate: f64, reach: f64) -> f64 {
    (2.0 * reach / (2.0 * coordinate.abs().max(0.5))).min(1.0)
}

/// How certain a hit is, of which so many are expected by chance in all that was looked at; `None` when it is none.
pub(super) fn certainty(expected: f64) -> Option<Certainty> {
    if expected < CERTAIN {
        Some(Certainty::Certain)
    } else if expected < LIKELY {
        Some(Certainty::Likely)
    } else {
        None
    }
}

/// What was looked at so far in one request.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Numbers with at least so many digits after the point; the last entry is for nine and more.
    decimals: [u32; 10],
    integers: u32,
    /// Angles in degrees and minutes.
    angles: u32,
    /// Words of so many characters that could be a cell's name; the last entry is for the longer ones.
    cells: [u32; 16],
    /// Three whole numbers in a row.
    tiles: u32,
    /// Texts that could be a track.
    tracks: u32,
}

/// A family of things that are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Family {
    /// Numbers with so many digits after the point, and more.
    Decimals(u8),
    Integers,
    Angles,
    /// Words of so many characters.
    Cells(usize),
    Tiles,
    Tracks,
}

impl Looked {
    /// Counts one more.
    pub(super) fn add(&mut self, family: Family) {
        match family {
            Family::Decimals(decimals) => self.decimals[..=usize::from(decimals).min(9)].iter_mut().for_each(|count| *count += 1),
            Family::Integers => self.integers += 1,
            Family::Angles => self.angles += 1,
            Family::Cells(length) => self.cells[length.min(15)] += 1,
            Family::Tiles => self.tiles += 1,
            Family::Tracks => self.tracks += 1,
        }
    }

    /// How many there were.
    pub(super) fn of(&self, family: Family) -> f64 {
        f64::from(match family {
            Family::Decimals(decimals) => self.decimals[usize::from(decimals).min(9)],
            Family::Integers => self.integers,
            Family::Angles => self.angles,
            Family::Cells(length) => self.cells[length.min(15)],
            Family::Tiles => self.tiles,
            Family::Tracks => self.tracks,
        })
    }

    /// How many ordered pairs there were at most so far apart.
    pub(super) fn pairs(&self, family: Family, apart: f64) -> f64 {
        let count = self.of(family).max(2.0);
        let apart = apart.clamp(1.0, count - 1.0);
        2.0 * (count * apart - apart * (apart + 1.0) / 2.0)
    }
}

/// Nearer than this, a clock or a rounding decides.
const NEAREST_M: f64 = 0.05;
/// Fewer than this many expected by chance are certain ([`Certainty::Certain`]).
const CERTAIN: f64 = 1e-9;
/// Stricter than [`Certainty::Likely`] asks for: a position accuses, and a capture has many thousands of requests.
const LIKELY: f64 = 1e-5;
