//! Numbers as degrees: decimal degrees, and degrees multiplied by what apps multiply them by. What two of them together say,
//! `pairs` judges.

use super::super::kind::Number;
use super::chance::Family;

/// One way in which an angle is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    /// `52.374`, with so many digits after the point.
    Degrees(u8),
    /// A multiple of degrees: the index of [`UNITS`]; and the digits after the point.
    Multiple(usize, u8),
    /// Degrees times 10^7, twice: the sign is the last bit (protobuf, `sint32`).
    Zigzag,
    /// `5222.4418`: degrees, then two digits of minutes (NMEA 0183).
    RunTogether(u8),
    /// Degrees and minutes apart, with seconds or without.
    Minutes,
    Seconds,
}

/// One reading of a number or text as an angle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    /// Degrees.
    pub(super) degrees: f64,
    /// What one more in the last digit would be, in degrees.
    pub(super) unit: f64,
    pub(super) notation: Notation,
}

impl Reading {
    /// Whether it is written in decimal degrees and not more exact than about a kilometre.
    pub(super) const fn is_coarse(self) -> bool {
        matches!(self.notation, Notation::Degrees(..=2))
    }

    /// Whether rounding or cutting off makes a coarse reading of a coordinate; of any other nothing is asked.
    pub(super) fn is_made_of(self, coordinate: f64) -> bool {
        let (units, value) = (coordinate / self.unit, self.degrees / self.unit);
        !self.is_coarse() || [units.round(), units.trunc(), units.floor()].into_iter().any(|made| (made - value).abs() < 1e-4)
    }
}

impl Notation {
    /// Whether a latitude in one and a longitude in the other belong together.
    pub(super) fn goes_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::Degrees(_), Self::Degrees(_))
            | (Self::Zigzag, Self::Zigzag)
            | (Self::RunTogether(_), Self::RunTogether(_))
            | (Self::Minutes | Self::Seconds, Self::Minutes | Self::Seconds) => true,
            (Self::Multiple(a, _), Self::Multiple(b, _)) => a == b,
            _ => false,
        }
    }

    /// Its name, without how exact it is.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Degrees(_) => "decimal degrees",
            Self::Multiple(unit, _) => UNITS[unit].words,
            Self::Zigzag => "degrees x 10^7 with the sign as last bit",
            Self::RunTogether(_) => "degrees and minutes run together",
            Self::Minutes => "degrees and minutes",
            Self::Seconds => "degrees, minutes and seconds",
        }
    }

    /// Digits after the point, where they are of degrees.
    pub(super) const fn decimals(self) -> Option<u8> {
        match self {
            Self::Degrees(decimals) => Some(decimals),
            _ => None,
        }
    }

    /// What it is one of many of.
    pub(super) const fn family(self) -> Family {
        match self {
            Self::Degrees(decimals) | Self::RunTogether(decimals) => Family::Decimals(decimals),
            Self::Multiple(_, 0) | Self::Zigzag => Family::Integers,
            Self::Multiple(_, decimals) => Family::Decimals(decimals),
            Self::Minutes | Self::Seconds => Family::Angles,
        }
    }
}

/// Every way to read a number as an angle of at most 180 degrees. `named` says that its name speaks of a coordinate.
pub(super) fn readings(number: Number, named: bool) -> impl Iterator<Item = Reading> {
    let multiples = UNITS.iter().enumerate().filter_map(move |(index, unit)| {
        let decimals = if is_whole(number) { 0 } else { number.decimals };
        // Whole numbers of every unit, fractions of those that have them; not so small that anything would do.
        let fits = (is_whole(number) || unit.fractions) && number.value.abs() >= unit.per_degree * SMALLEST_DEGREES;
        let unit_degrees = 10_f64.powi(-i32::from(decimals)) / unit.per_degree;
        fits.then_some(Reading {
            degrees: number.value / unit.per_degree,
            unit: unit_degrees,
            notation: Notation::Multiple(index, decimals),
        })
    });
    let enough = if named { 1 } else { 2 };
    let whole = !number.integer && number.decimals >= enough;
    let unit = 10_f64.powi(-i32::from(number.decimals));
    let degrees = whole.then_some(Reading { degrees: number.value, unit, notation: Notation::Degrees(number.decimals) });
    let run_together = run_together(number);
    let all = degrees.into_iter().chain(run_together).chain(multiples).chain(unsigned(number)).chain(zigzag(number));
    all.filter(|reading| reading.degrees.abs() <= 180.0)
}

/// A negative number of degrees times 10^7 whose 32 bits were read without a sign.
fn unsigned(number: Number) -> Option<Reading> {
    let fits = number.integer && (WRAPPED / 2.0..WRAPPED).contains(&number.value);
    fits.then(|| Reading { degrees: (number.value - WRAPPED) / UNITS[E7].per_degree, unit: 1e-7, notation: Notation::Multiple(E7, 0) })
}

/// Degrees times 10^7 whose sign is the last bit.
fn zigzag(number: Number) -> Option<Reading> {
    let per_degree = UNITS[E7].per_degree;
    let fits = number.integer && (2.0 * per_degree * SMALLEST_DEGREES..WRAPPED).contains(&number.value);
    fits.then(|| {
        let magnitude = (number.value / 2.0).ceil();
        let negative = number.value % 2.0 != 0.0;
        let degrees = if negative { -magnitude } else { magnitude } / per_degree;
        Reading { degrees, unit: 1e-7, notation: Notation::Zigzag }
    })
}

/// `ddmm.mmmm` as an angle.
pub(super) fn run_together(number: Number) -> Option<Reading> {
    let minutes = number.value.abs() % 100.0;
    let degrees = (number.value.abs() / 100.0).trunc();
    let fits = !number.integer && number.decimals >= 2 && minutes < 60.0 && degrees <= 180.0 && number.value.abs() >= 10.0;
    fits.then(|| Reading {
        degrees: (degrees + minutes / 60.0).copysign(number.value),
        unit: 10_f64.powi(-i32::from(number.decimals)) / 60.0,
        notation: Notation::RunTogether(number.decimals),
    })
}

/// A number that is written as a whole one, also as `5.237403E7`.
fn is_whole(number: Number) -> bool {
    number.integer || (number.value.fract() == 0.0 && number.value.abs() >= 1e4)
}

/// The intervals in which whole numbers and fractions lie that read as degrees from `low` to `high`.
pub(super) fn spans(low: f64, high: f64) -> Spans {
    let scaled = |unit: &Unit| (low * unit.per_degree, high * unit.per_degree);
    let joined = |degrees: f64| (degrees.abs().trunc() * 100.0 + degrees.abs().fract() * 60.0).copysign(degrees);
    let fractions = UNITS.iter().filter(|unit| unit.fractions).map(scaled);
    let e7 = UNITS[E7].per_degree;
    let wrapped = (low < 0.0).then(|| (WRAPPED + low * e7, WRAPPED + high.min(0.0) * e7));
    let (a, b) = (low.abs().min(high.abs()), low.abs().max(high.abs()));
    let zigzag = (if low < 0.0 && high > 0.0 { 0.0 } else { 2.0 * a * e7 - 1.0 }, 2.0 * b * e7 + 1.0);
    let whole = UNITS.iter().map(scaled).chain(wrapped).chain([zigzag]).collect();
    Spans { whole, fractions: fractions.chain([(low, high), (joined(low), joined(high))]).collect() }
}

/// Intervals of numbers, from the first to the second.
#[derive(Debug)]
pub(super) struct Spans {
    /// Of whole numbers.
    pub(super) whole: Vec<(f64, f64)>,
    /// Of numbers with a point.
    pub(super) fractions: Vec<(f64, f64)>,
}

/// A multiple of degrees.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) per_degree: f64,
    pub(super) words: &'static str,
    /// Whether it is also written with digits after the point.
    fractions: bool,
}

/// Multiples that apps and devices use. 3,000,000 is the band's own (docs/protocols, tracks); semicircles are those of the FIT
/// protocol (Garmin FIT SDK, profile: `semicircles`).
pub(super) const UNITS: &[Unit] = &[
    Unit { per_degree: 60.0, words: "minutes of arc", fractions: true },
    Unit { per_degree: 3_600.0, words: "seconds of arc", fractions: true },
    Unit { per_degree: 100_000.0, words: "degrees x 10^5", fractions: false },
    Unit { per_degree: 1_000_000.0, words: "degrees x 10^6", fractions: false },
    Unit { per_degree: 3_000_000.0, words: "degrees x 3,000,000", fractions: false },
    Unit { per_degree: 3_600_000.0, words: "thousandths of a second of arc", fractions: false },
    Unit { per_degree: 10_000_000.0, words: "degrees x 10^7", fractions: false },
    Unit { per_degree: 2_147_483_648.0 / 180.0, words: "semicircles", fractions: false },
    Unit { per_degree: 100_000_000.0, words: "degrees x 10^8", fractions: false },
];

/// Degrees x 10^7 among [`UNITS`].
const E7: usize = 6;
/// What 32 bits hold, and one more.
const WRAPPED: f64 = 4_294_967_296.0;
/// A tenth of a kilometre from the equator or the prime meridian: smaller numbers would fit every unit.
const SMALLEST_DEGREES: f64 = 0.001;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_of_unsigned_and_of_zigzag_numbers_is_ten_millionths() {
        assert!((UNITS[E7].per_degree - 1e7).abs() < f64::EPSILON);
    }
}
