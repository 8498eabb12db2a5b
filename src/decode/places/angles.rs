//! Angles standing in a text: free numbers, degrees with minutes and seconds in their many spellings, ISO 6709, NMEA.

use std::ops::Range;

use super::{
    super::kind::{Axis, Number},
    chance::METRES_PER_DEGREE,
    degrees::{Notation, Reading, run_together},
};

/// A number or an angle in a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    /// A plain number: what it means as an angle is still open.
    Number(Number),
    /// An angle that says so: by a degree sign, minutes, or a point of the compass.
    Angle {
        reading: Reading,
        /// Which coordinate the point of the compass makes it.
        axis: Option<Axis>,
    },
}

/// Every free number and every angle of a text, in its order, with byte ranges.
pub(super) fn items(text: &str) -> impl Iterator<Item = (Range<usize>, Item)> + '_ {
    let bytes = text.as_bytes();
    let (mut at, mut taken) = (0, 0);
    std::iter::from_fn(move || {
        while at < bytes.len() {
            if !bytes[at].is_ascii_digit() {
                at += 1;
                continue;
            }
            let start = at;
            if let Some((range, reading, axis)) = angle_at(text, start, taken) {
                (at, taken) = (range.end, range.end);
                return Some((range, Item::Angle { reading, axis }));
            }
            while bytes.get(at).is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.') {
                at += 1;
            }
            // A full stop ends a sentence, not a number.
            let end = if bytes[at - 1] == b'.' { at - 1 } else { at };
            let sign = sign_before(bytes, start);
            let from = if sign.is_some() { start - 1 } else { start };
            let before = from.checked_sub(1).map_or(b' ', |at| bytes[at]);
            let stuck = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
            if (stuck(before) && sign != Some(Sign::Joining)) || before == b'.' || bytes.get(at).copied().is_some_and(stuck) {
                continue;
            }
            if let Some(number) = number(text, from, start..end, sign) {
                return Some((from..end, Item::Number(number)));
            }
        }
        None
    })
}

/// How exact, in metres, the first latitude and longitude of a text are that stand next to each other and say so by a point of
/// the compass; `None` when there are none.
pub(in crate::decode) fn compass_pair(text: &str) -> Option<f64> {
    let mut last: Option<(usize, Axis)> = None;
    for (range, item) in items(text) {
        let Item::Angle { axis: Some(axis), reading } = item else {
            last = None;
            continue;
        };
        if last.is_some_and(|(end, before)| before != axis && range.start.saturating_sub(end) <= 3) {
            return Some(reading.unit * METRES_PER_DEGREE);
        }
        last = Some((range.end, axis));
    }
    None
}

/// The one angle that a whole text is, white space around it aside.
pub(super) fn whole(text: &str) -> Option<(Reading, Option<Axis>)> {
    if text.len() > LONGEST_ANGLE {
        return None;
    }
    let start = text.bytes().position(|byte| byte.is_ascii_digit())?;
    let (range, reading, axis) = angle_at(text, start, 0)?;
    let blank = |text: Option<&str>| text.is_some_and(|text| text.chars().all(|c| c.is_whitespace()));
    (blank(text.get(..range.start)) && blank(text.get(range.end..))).then_some((reading, axis))
}

/// A number with a comma for its point, as a whole text: `52,374`.
pub(super) fn comma_for_point(text: &str) -> Option<Number> {
    let (whole, fraction) = text.split_once(',')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = whole.len() <= 4 && digits(whole.strip_prefix('-').unwrap_or(whole)) && digits(fraction) && fraction.len() >= 2;
    // Three digits behind a comma are as likely thousands.
    (fits && fraction.len() != 3).then(|| Number::parse(&format!("{whole}.{fraction}"))).flatten()
}

/// Degrees, minutes and, where they are written, seconds between colons, as a whole text: `52:22.4418`, `-4:53:22.9`
/// (Android, `Location.convert`). With a fraction at the end; without one it is a time of day.
pub(super) fn colons(text: &str) -> Option<Reading> {
    let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (parts, last) = unsigned.rsplit_once(':')?;
    let (degrees, minutes) = parts.split_once(':').map_or((parts, None), |(degrees, minutes)| (degrees, Some(minutes)));
    let whole = |text: &str, most: f64| {
        let fits = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if fits { text.parse::<f64>().ok().filter(|value| *value <= most) } else { None }
    };
    let (end, value, decimals) = digits(last, 0)?;
    if end != last.len() || decimals == 0 || value >= 60.0 {
        return None;
    }
    let unit = 10_f64.powi(-i32::from(decimals));
    let (angle, unit, notation) = match minutes {
        Some(minutes) => (whole(minutes, 59.0)? / 60.0 + value / 3600.0, unit / 3600.0, Notation::Seconds),
        None => (value / 60.0, unit / 60.0, Notation::Minutes),
    };
    let angle = whole(degrees, 180.0)? + angle;
    Some(Reading { degrees: if negative { -angle } else { angle }, unit, notation })
}

/// Degrees, minutes and seconds as three fractions, as a whole text: `52/1,22/1,2651/100` (Exif 2.3, GPSLatitude). They have no
/// sign: another field says which hemisphere it is.
pub(super) fn rationals(text: &str) -> Option<Reading> {
    if text.len() > LONGEST_ANGLE || !text.contains('/') {
        return None;
    }
    let text = text.trim_start_matches(['[', '(']).trim_end_matches([']', ')']);
    let mut fractions = text.split([',', ' ', ';']).filter(|piece| !piece.is_empty()).map(|piece| {
        let (over, under) = piece.split_once('/')?;
        let number = |text: &str| text.parse::<u32>().ok().filter(|_| !text.starts_with('+')).map(f64::from);
        Some((number(over)?, number(under).filter(|under| *under > 0.0)?))
    });
    let mut next = || fractions.next().flatten();
    let [degrees, minutes, seconds] = [next()?, next()?, next()?];
    let value = |(over, under): (f64, f64)| over / under;
    if fractions.next().is_some() || value(degrees) > 180.0 || value(minutes) >= 60.0 || value(seconds) >= 60.0 {
        return None;
    }
    // The last part that says anything is as exact as its divisor.
    let unit = match (seconds, minutes, degrees) {
        ((0.0, 1.0), (0.0, 1.0), (_, under)) if under > 1.0 => 1.0 / under,
        ((0.0, 1.0), (_, under), _) if under > 1.0 => 1.0 / under / 60.0,
        ((_, under), ..) => 1.0 / under / 3600.0,
    };
    let degrees = value(degrees) + value(minutes) / 60.0 + value(seconds) / 3600.0;
    Some(Reading { degrees, unit, notation: Notation::Seconds })
}

/// The numbers of a text between which stands a sign that else joins words, or that have commas for their points:
/// `52.37403_4.88969`, `52,37403;4,88969`. With byte ranges; empty for any other text.
pub(super) fn pieces(text: &str) -> Vec<(Range<usize>, Item)> {
    if text.len() > LONGEST_PIECES {
        return Vec::new();
    }
    let number = |piece: &str, separator: &str| {
        let plain = if separator == "_" { Number::parse(piece).filter(|number| !number.integer) } else { None };
        plain.or_else(|| comma_for_point(piece))
    };
    let split = |separator: &'static str| {
        let mut at = 0;
        let pieces = text.split(separator).filter_map(move |piece| {
            let start = at + (piece.len() - piece.trim_start().len());
            at += piece.len() + separator.len();
            let piece = piece.trim();
            number(piece, separator).map(|number| (start..start + piece.len(), Item::Number(number)))
        });
        pieces.collect::<Vec<_>>()
    };
    SEPARATORS.iter().map(|separator| split(separator)).find(|pieces| pieces.len() >= 2).unwrap_or_default()
}

/// A sign before a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// After white space or punctuation.
    Free,
    /// Directly after another signed number: ISO 6709, `+52.374+004.8897/`.
    Joining,
}

fn sign_before(bytes: &[u8], start: usize) -> Option<Sign> {
    let at = start.checked_sub(1).filter(|at| matches!(bytes[*at], b'-' | b'+'))?;
    let before = at.checked_sub(1).map_or(b' ', |at| bytes[at]);
    if !before.is_ascii_alphanumeric() {
        return Some(Sign::Free);
    }
    let number = bytes[..at].iter().rposition(|byte| !byte.is_ascii_digit() && *byte != b'.').map(|at| bytes[at]);
    matches!(number, Some(b'+' | b'-')).then_some(Sign::Joining)
}

/// A number, with the leading zeros of ISO 6709 where it begins with a sign.
fn number(text: &str, from: usize, digits: Range<usize>, sign: Option<Sign>) -> Option<Number> {
    let plain = text.get(from..digits.end)?;
    Number::parse(plain).or_else(|| {
        let sign = sign.and_then(|_| text.get(from..=from))?;
        let digits = text.get(digits)?.trim_start_matches('0');
        let zero = if digits.starts_with('.') { "0" } else { "" };
        Number::parse(&format!("{sign}{zero}{digits}")).filter(|number| number.decimals >= 2)
    })
}

/// An angle that says so, whose first digit is at `start`. What stands before `taken` belongs to the angle before.
fn angle_at(text: &str, start: usize, taken: usize) -> Option<(Range<usize>, Reading, Option<Axis>)> {
    let bytes = text.as_bytes();
    let before = start.checked_sub(1).map_or(b' ', |at| bytes[at]);
    if before.is_ascii_digit() || before == b'.' {
        return None;
    }
    let (from, negative, leading) = opening(text, start, taken)?;
    let (mut at, degrees, decimals) = digits(text, start)?;
    let (after, sign) = unit(text, at, DEGREE_SIGNS);
    let explicit = sign.is_some();
    let separator = sign.or_else(|| text.as_bytes().get(at).copied().filter(|byte| b": -".contains(byte)).map(|_| ""));
    if explicit {
        at = after;
    }
    let mut value = degrees;
    let (mut last_unit, mut notation) = (10_f64.powi(-i32::from(decimals)), Notation::Degrees(decimals));
    if decimals == 0
        && separator.is_some()
        && let Some((end, minutes, decimals)) = part(text, if explicit { after } else { at + 1 })
    {
        let (after_minutes, sign) = unit(text, end, MINUTE_SIGNS);
        value += minutes / 60.0;
        (last_unit, notation) = (10_f64.powi(-i32::from(decimals)) / 60.0, Notation::Minutes);
        at = after_minutes;
        let apart = sign.is_some() || text.as_bytes().get(end).is_some_and(|byte| b": ".contains(byte));
        if decimals == 0
            && apart
            && let Some((end, seconds, decimals)) = part(text, if sign.is_some() { after_minutes } else { end + 1 })
        {
            value += seconds / 3600.0;
            (last_unit, notation) = (10_f64.powi(-i32::from(decimals)) / 3600.0, Notation::Seconds);
            at = unit(text, end, SECOND_SIGNS).0;
        }
    }
    let (end, trailing) = if leading.is_some() { (at, None) } else { compass_after(text, at) };
    let compass = leading.or(trailing);
    let whole_degrees = matches!(notation, Notation::Degrees(decimals) if decimals < 2);
    // `5 W` is power and `21°` a temperature.
    let says_so = match notation {
        Notation::Degrees(_) => (explicit || compass.is_some()) && !whole_degrees,
        _ => explicit || compass.is_some(),
    };
    if !says_so || bytes.get(end).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let mut reading = Reading { degrees: value, unit: last_unit, notation };
    if let Notation::Degrees(decimals) = notation
        && value > 180.0
    {
        // NMEA 0183: 5222.4418,N.
        reading = run_together(Number { value, decimals, integer: false })?;
    }
    let south_or_west = compass.is_some_and(|(_, negative)| negative);
    if negative || south_or_west {
        reading.degrees = -reading.degrees;
    }
    (reading.degrees.abs() <= 180.0).then_some((from..end, reading, compass.map(|(axis, _)| axis)))
}

/// What stands before the first digit: where the angle begins, whether it is negative, and its point of the compass.
fn opening(text: &str, start: usize, taken: usize) -> Option<(usize, bool, Option<Compass>)> {
    let bytes = text.as_bytes();
    let signed = start.checked_sub(1).filter(|at| matches!(bytes[*at], b'-' | b'+'));
    let from = signed.unwrap_or(start);
    let negative = signed.is_some_and(|at| bytes[at] == b'-');
    let head = text.get(..from)?;
    let trimmed = head.trim_end_matches(' ');
    let Some(letter) = trimmed.bytes().next_back().and_then(compass) else {
        let stuck = head.bytes().next_back().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80);
        return (!stuck).then_some((from, negative, None));
    };
    let at = trimmed.len() - 1;
    if at < taken {
        // The compass of the angle before: `52.374 N 4.8897 E`.
        return Some((from, negative, None));
    }
    let free = at.checked_sub(1).is_none_or(|before| !bytes[before].is_ascii_alphanumeric() && bytes[before] != b'_');
    let close = head.len() - trimmed.len() <= 1;
    if free && close {
        return Some((at, negative, Some(letter)));
    }
    (head.len() > trimmed.len()).then_some((from, negative, None))
}

/// Digits with an optional fraction: where they end, their value, and how many stand after the point.
fn digits(text: &str, start: usize) -> Option<(usize, f64, u8)> {
    let rest = text.get(start..)?;
    let whole = rest.bytes().take_while(u8::is_ascii_digit).count();
    let fraction = match rest.as_bytes().get(whole) {
        Some(b'.') => rest.as_bytes()[whole + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count(),
        _ => 0,
    };
    let end = if fraction > 0 { whole + 1 + fraction } else { whole };
    if whole == 0 || whole > 5 || fraction > 20 {
        return None;
    }
    let value = rest.get(..end)?.parse().ok()?;
    Some((start + end, value, u8::try_from(fraction).ok()?))
}

/// Minutes or seconds: less than sixty, white space before them aside.
fn part(text: &str, start: usize) -> Option<(usize, f64, u8)> {
    let rest = text.get(start..)?;
    let skipped = rest.len() - rest.trim_start_matches(' ').len();
    let found = digits(text, start + skipped)?;
    (skipped <= 2 && found.1 < 60.0).then_some(found)
}

/// A sign of a unit at `at`, white space before it aside: where it ends, and it; else `at` itself.
fn unit<'s>(text: &str, at: usize, signs: &[&'s str]) -> (usize, Option<&'s str>) {
    let Some(rest) = text.get(at..) else { return (at, None) };
    let trimmed = rest.trim_start_matches(' ');
    let skipped = rest.len() - trimmed.len();
    let found = signs.iter().find(|sign| {
        // A unit of letters ends where they end.
        trimmed.strip_prefix(**sign).is_some_and(|after| {
            !sign.ends_with(|c: char| c.is_ascii_alphabetic()) || !after.starts_with(|c: char| c.is_ascii_alphabetic())
        })
    });
    match found {
        Some(sign) if skipped <= 1 => (at + skipped + sign.len(), Some(sign)),
        _ => (at, None),
    }
}

type Compass = (Axis, bool);

/// A point of the compass after an angle: `N`, ` N`, `,N`, ` north`.
fn compass_after(text: &str, at: usize) -> (usize, Option<Compass>) {
    let Some(rest) = text.get(at..) else { return (at, None) };
    let trimmed = rest.trim_start_matches([' ', ',']);
    let skipped = rest.len() - trimmed.len();
    if skipped > 1 {
        return (at, None);
    }
    let word = trimmed.bytes().take_while(u8::is_ascii_alphabetic).count();
    let found = match trimmed.get(..word) {
        Some(letter) if word == 1 => letter.bytes().next().and_then(compass),
        Some("north" | "North") => Some((Axis::Latitude, false)),
        Some("south" | "South") => Some((Axis::Latitude, true)),
        Some("east" | "East") => Some((Axis::Longitude, false)),
        Some("west" | "West") => Some((Axis::Longitude, true)),
        _ => None,
    };
    // `N52.374 E4.8897`: the letter may be the next angle's.
    let next = trimmed.get(word..).and_then(|after| after.bytes().next()).is_some_and(|byte| byte.is_ascii_digit());
    match found {
        Some(compass) if !next => (at + skipped + word, Some(compass)),
        _ => (at, None),
    }
}

fn compass(letter: u8) -> Option<Compass> {
    match letter {
        b'N' => Some((Axis::Latitude, false)),
        b'S' => Some((Axis::Latitude, true)),
        // East in German.
        b'E' | b'O' => Some((Axis::Longitude, false)),
        b'W' => Some((Axis::Longitude, true)),
        _ => None,
    }
}

const DEGREE_SIGNS: &[&str] = &["°", "º", "˚", "degrees", "degree", "deg.", "deg", "d"];
const MINUTE_SIGNS: &[&str] = &["′", "’", "´", "'", "minutes", "minute", "min.", "min", "m"];
const SECOND_SIGNS: &[&str] = &["″", "”", "''", "′′", "\"", "seconds", "second", "sec.", "sec", "s"];
const LONGEST_ANGLE: usize = 48;
/// What may stand between two coordinates of which each has a comma for its point.
const SEPARATORS: &[&str] = &["_", ";", "|", "/", ", ", " "];
const LONGEST_PIECES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let shown: Vec<String> = items(text)
            .map(|(_, item)| match item {
                Item::Number(number) => format!("{}", number.value),
                Item::Angle { reading, axis } => {
                    let axis = axis.map_or("?", |axis| if axis == Axis::Latitude { "lat" } else { "lon" });
                    format!("{axis} {:.4} by {:.4}", reading.degrees, reading.unit)
                }
            })
            .collect();
        assert_eq!(shown.join(", "), want, "{text}");
    }

    #[test]
    fn angles_are_read_in_their_spellings() {
        check("52°22'26.5\"N 4°53'22.9\"E", "lat 52.3740 by 0.0000, lon 4.8897 by 0.0000");
        check("N 52° 22.442' W 4° 53.382'", "lat 52.3740 by 0.0000, lon -4.8897 by 0.0000");
        check("52 deg 22 min 26.5 sec, 4 deg 53 min", "? 52.3740 by 0.0000, ? 4.8833 by 0.0167");
        check("52d 22m 26s S; 4d 53m 22s O", "lat -52.3739 by 0.0003, lon 4.8894 by 0.0003");
        check("52º22′26.5″ north, 4º53′22.9″ east", "lat 52.3740 by 0.0000, lon 4.8897 by 0.0000");
        check("52.374N 4.8897W", "lat 52.3740 by 0.0010, lon -4.8897 by 0.0001");
        check("52.374° N, 4.8897° E", "lat 52.3740 by 0.0010, lon 4.8897 by 0.0001");
        check("N52.374, E4.8897", "lat 52.3740 by 0.0010, lon 4.8897 by 0.0001");
        check("52:22:26.5N 004:53:22.9E", "lat 52.3740 by 0.0000, lon 4.8897 by 0.0000");
        check("5222.4418,N,00453.3820,E,1", "lat 52.3740 by 0.0000, lon 4.8897 by 0.0000, 1");
        check("+52.374-004.8897/", "52.374, -4.8897");
    }

    #[test]
    fn whole_texts_of_colons_and_of_fractions() {
        let shown = |reading: Option<Reading>| reading.map_or("none".to_owned(), |r| format!("{:.5} by {:.6}", r.degrees, r.unit));
        let colons_of = |text: &str| shown(colons(text));
        assert_eq!(colons_of("52:22.4418"), "52.37403 by 0.000002");
        assert_eq!(colons_of("-4:53:22.9"), "-4.88969 by 0.000028");
        for text in ["10:33:51", "52:22", "52:61.5", "52:22:61.5", "1:2:3:4.5", "190:22.5", ":22.5", "52:22.5x"] {
            assert_eq!(colons_of(text), "none", "{text}");
        }
        let rationals_of = |text: &str| shown(rationals(text));
        assert_eq!(rationals_of("52/1,22/1,2651/100"), "52.37403 by 0.000003");
        assert_eq!(rationals_of("[52/1, 2244/100, 0/1]"), "52.37400 by 0.000167");
        for text in ["52/1,22/1", "52/1,22/1,2651/0", "52/1,61/1,0/1", "1/2/2026", "52/1,22/1,26/1,1/1"] {
            assert_eq!(rationals_of(text), "none", "{text}");
        }
    }

    #[test]
    fn times_temperatures_powers_and_versions_are_no_angles() {
        check("at 10:33:51, 21.5 degrees", "10, 33, 51, 21.5");
        check("21° and 5 W of 3 E", "5, 3");
        check("14.7.1 v2 3m 4s 12d", "");
        check("5'11\" tall", "5, 11");
    }
}
