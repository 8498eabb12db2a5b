//! What a value looks like: numbers, times, ids, addresses, coordinates, tokens. Pure functions of one value and of what its
//! name says; what it means is `category`'s.

use crate::model::FieldType;

use super::{category::NameFacts, leaf::Value, looks::Looks, places};

/// The type of one value.
pub(super) fn kind_of(value: &Value<'_>, name: &NameFacts) -> FieldType {
    match value {
        Value::Null => FieldType::Empty,
        Value::Boolean(_) => FieldType::Boolean,
        Value::Number(text) => Number::parse(text).map_or(FieldType::Decimal, |number| kind_of_number(number, name)),
        Value::Text(text) => kind_of_text(text, name),
        Value::Bytes { bytes, .. } if name.cipher && bytes.len() >= SHORTEST_CIPHER => FieldType::Opaque,
        Value::Bytes { bytes, .. } => FieldType::Bytes(Some(bytes.len() as u64)),
        Value::Opaque(_) => FieldType::Opaque,
    }
}

fn kind_of_number(number: Number, name: &NameFacts) -> FieldType {
    let in_range = |limit: f64| number.value.abs() <= limit;
    match name.axis {
        Some(Axis::Latitude) if in_range(90.0) => return FieldType::Latitude,
        Some(Axis::Longitude) if in_range(180.0) => return FieldType::Longitude,
        _ => {}
    }
    if !number.integer {
        FieldType::Decimal
    } else if name.identifier || name.quantity {
        // Account numbers and memory sizes of ten digits would pass for times of 2001.
        FieldType::Integer
    } else if (YEAR_2000..YEAR_2100).contains(&number.value) {
        FieldType::TimestampS
    } else if (YEAR_2000 * 1e3..YEAR_2100 * 1e3).contains(&number.value) {
        FieldType::TimestampMs
    } else {
        FieldType::Integer
    }
}

fn kind_of_text(text: &str, name: &NameFacts) -> FieldType {
    let looks = Looks::of(text.as_bytes());
    let (digits, short) = (looks.has_any(Looks::DIGIT), text.len() <= LONGEST_SHAPE);
    if text.trim().is_empty() {
        FieldType::Empty
    } else if let Some(number) = if digits && short { Number::parse(text) } else { None } {
        kind_of_number(number, name)
    } else if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        FieldType::Boolean
    } else if digits && short && is_date(text) {
        FieldType::Date
    } else if short && is_uuid(text) {
        FieldType::Uuid
    } else if short && (is_mac(text) || (name.hardware && is_bare_mac(text))) {
        FieldType::Mac
    } else if digits
        && !looks.is_only(Looks::WORD)
        && (holds_coordinates(text, if name.place { 2 } else { 3 }) || is_iso_6709(text) || compass_pair(text).is_some())
    {
        FieldType::Coordinates
    } else if name.cipher && text.len() >= SHORTEST_CIPHER && !text.contains(' ') {
        FieldType::Opaque
    } else if !looks.has_any(NEVER_IN_TOKENS) && is_token(text) {
        FieldType::Token
    } else {
        FieldType::Text
    }
}

/// Which coordinate a name speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Latitude,
    Longitude,
}

/// A number as text, read once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number {
    /// Its value.
    pub(super) value: f64,
    /// Digits after the point, at most 255, once an exponent has moved it.
    pub(super) decimals: u8,
    /// Whether it had neither point nor exponent.
    pub(super) integer: bool,
}

impl Number {
    /// Reads plain decimal or E-notation; `None` for anything else, for leading zeros and for more than 18 digits before the
    /// point, which are ids.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        if !unsigned.as_bytes().first().is_some_and(u8::is_ascii_digit) || text.len() > 40 {
            return None;
        }
        if let Some(plain) = Self::plain(unsigned.as_bytes()) {
            return Some(if text.starts_with('-') { Self { value: -plain.value, ..plain } } else { plain });
        }
        let (mantissa, exponent) =
            unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
        let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(whole, fraction)| (whole, Some(fraction)));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let exponent_fits = exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)));
        if !digits(whole)
            || !fraction.is_none_or(digits)
            || !exponent_fits
            || whole.len() > 18
            || (whole.len() > 1 && whole.starts_with('0'))
        {
            return None;
        }
        let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
        // 5.2374E1 is 52.374: the exponent moves the point.
        let moved: i64 = exponent.and_then(|exponent| exponent.parse().ok()).unwrap_or(0);
        let decimals = (fraction.map_or(0, str::len) as i64).saturating_sub(moved).clamp(0, i64::from(u8::MAX));
        Some(Self { value, decimals: u8::try_from(decimals).unwrap_or(u8::MAX), integer: fraction.is_none() && exponent.is_none() })
    }
}

impl Number {
    /// Reads up to fifteen digits with or without a point: both the digits and the power of ten are exact as they are, so their
    /// quotient is what any other reading would give. `None` for whatever is not as simple.
    fn plain(bytes: &[u8]) -> Option<Self> {
        let (mut digits, mut point) = (0_u64, None);
        if bytes.len() > PLAIN_DIGITS + 1 || (bytes.len() > 1 && bytes[0] == b'0' && bytes[1] != b'.') {
            return None;
        }
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'0'..=b'9' => digits = digits * 10 + u64::from(byte - b'0'),
                b'.' if point.is_none() && at > 0 => point = Some(at),
                _ => return None,
            }
        }
        let count = bytes.len() - usize::from(point.is_some());
        let decimals = point.map_or(0, |at| bytes.len() - at - 1);
        if count > PLAIN_DIGITS || (point.is_some() && decimals == 0) {
            return None;
        }
        let value = digits as f64 / POWERS_OF_TEN[decimals];
        Some(Self { value, decimals: decimals as u8, integer: point.is_none() })
    }
}

/// Numbers standing free in a text: not part of a word, an id or a version (`14.7.1`). With their byte ranges.
pub(super) fn numbers_in(text: &str) -> impl Iterator<Item = (std::ops::Range<usize>, Number)> + '_ {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(&byte) = bytes.get(at) {
            if !byte.is_ascii_digit() {
                at += 1;
                continue;
            }
            let mut start = at;
            while bytes.get(at).is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.') {
                at += 1;
            }
            let mut end = at;
            if bytes[end - 1] == b'.' {
                // A full stop ends a sentence, not a number.
                end -= 1;
            }
            let before = |start: usize| start.checked_sub(1).map_or(b' ', |at| bytes[at]);
            if matches!(before(start), b'-' | b'+') && !before(start - 1).is_ascii_alphanumeric() {
                start -= 1;
            }
            let stuck = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
            if stuck(before(start)) || before(start) == b'.' || bytes.get(at).copied().is_some_and(stuck) {
                continue;
            }
            if let Some(number) = text.get(start..end).and_then(Number::parse) {
                return Some((start..end, number));
            }
        }
        None
    })
}

/// Whether a text holds a latitude and a longitude, in either order, with at least so many digits after the point each:
/// `52.374,4.889`, `52.374; 4.889`, also with more around them. Only the first 4 KiB are looked at.
pub(super) fn holds_coordinates(text: &str, decimals: u8) -> bool {
    first_coordinates(text, decimals).is_some()
}

/// A latitude and a longitude after their signs (ISO 6709): `+40.7128-074.0060/`, also with a blank between them, or a height after
/// them. As many digits after both points, or at least four: unlike the groups of a phone number.
pub(super) fn is_iso_6709(text: &str) -> bool {
    let degrees = |text: &str, most: f64| {
        let (whole, fraction) = text.split_once('.')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let fits = (1..=3).contains(&whole.len()) && (2..=15).contains(&fraction.len()) && digits(whole) && digits(fraction);
        (fits && text.parse::<f64>().ok()? <= most).then_some(fraction.len())
    };
    let text = text.trim();
    let mut pieces = text.strip_prefix(['+', '-']).unwrap_or_default().splitn(3, ['+', '-']);
    let (latitude, longitude) = (pieces.next().unwrap_or_default(), pieces.next().unwrap_or_default());
    let (longitude, _system) = longitude.split_once('/').unwrap_or((longitude, ""));
    let (longitude, _system) = longitude.split_once("CRS").unwrap_or((longitude, ""));
    match (degrees(latitude.trim_end(), 90.0), degrees(longitude.trim_end(), 180.0)) {
        (Some(a), Some(b)) => text.len() <= LONGEST_SHAPE && (a == b || a.min(b) >= 4),
        _ => false,
    }
}

/// A pair of coordinates of which nothing says which is the latitude, in words; `None` for any other text.
pub(super) fn either_order(text: &str) -> Option<&'static str> {
    let (a, b) = first_coordinates(text, 3)?;
    (a.abs() <= 90.0 && b.abs() <= 90.0).then_some("a latitude and a longitude; their order is ambiguous: both fit")
}

/// The first two numbers of a text that can be a latitude and a longitude.
fn first_coordinates(text: &str, decimals: u8) -> Option<(f64, f64)> {
    let text = if text.len() > 4096 { text.get(..floor(text, 4096)).unwrap_or_default() } else { text };
    if !text.contains('.') {
        return None;
    }
    let mut last: Option<(usize, Number)> = None;
    for (range, number) in numbers_in(text) {
        if let Some((end, first)) = last
            && first.decimals >= decimals
            && number.decimals >= decimals
            && text
                .get(end..range.start)
                .is_some_and(|gap| (1..=3).contains(&gap.len()) && gap.bytes().all(|byte| b",; |\t".contains(&byte)))
            && ((first.value.abs() <= 90.0 && number.value.abs() <= 180.0) || (first.value.abs() <= 180.0 && number.value.abs() <= 90.0))
        {
            return Some((first.value, number.value));
        }
        last = Some((range.end, number));
    }
    None
}

/// How exact, in metres, a latitude and a longitude in a text are that say so by a point of the compass:
/// `52°22'26"N 4°53'22"E`. `None` when it holds none.
pub(super) fn compass_pair(text: &str) -> Option<f64> {
    if text.len() <= 4096 { places::compass_pair(text) } else { None }
}

/// A name of the IANA time zone database: `Europe/Berlin`, `America/Argentina/Salta`. Half a continent, and no more.
pub(super) fn is_time_zone(text: &str) -> bool {
    let Some((area, place)) = text.split_once('/') else { return false };
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_uppercase()) && word.bytes().all(|byte| byte.is_ascii_alphabetic() || b"_-+".contains(&byte))
    };
    ZONE_AREAS.contains(&area) && place.split('/').count() <= 2 && place.split('/').all(word)
}

/// The largest character boundary at or below an index.
pub(super) fn floor(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// ISO 8601 calendar date, alone or followed by a time.
pub(super) fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<u16>().ok());
    if !(10..=40).contains(&bytes.len()) || bytes[4] != b'-' || bytes[7] != b'-' {
        return false;
    }
    let plausible = matches!((number(0..4), number(5..7), number(8..10)), (Some(1900..=2200), Some(1..=12), Some(1..=31)));
    let rest = bytes.get(10..).unwrap_or_default();
    plausible
        && match rest {
            [] => true,
            [b'T' | b' ', b'0'..=b'2', tail @ ..] => tail.iter().all(|byte| byte.is_ascii_digit() || b":.,+-Z".contains(byte)),
            _ => false,
        }
}

/// 8-4-4-4-12 hex digits.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| if [8, 13, 18, 23].contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// Six pairs of hex digits with one kind of separator, or sixteen hex digits of an EUI-64 made from a MAC (FFFE in the middle).
pub(super) fn is_mac(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes.len() {
        17 => {
            let separator = bytes[2];
            matches!(separator, b':' | b'-')
                && bytes.iter().enumerate().all(|(at, byte)| if at % 3 == 2 { *byte == separator } else { byte.is_ascii_hexdigit() })
        }
        16 => bytes.iter().all(u8::is_ascii_hexdigit) && bytes[6..10].eq_ignore_ascii_case(b"fffe"),
        _ => false,
    }
}

fn is_bare_mac(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Something like an e-mail address.
pub(super) fn is_email(text: &str) -> bool {
    text.len() <= 254
        && text.as_bytes().contains(&b'@')
        && !text.contains(char::is_whitespace)
        && text.split_once('@').is_some_and(|(local, host)| {
            !local.is_empty()
                && host.contains('.')
                && !host.starts_with('.')
                && !host.ends_with('.')
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
        })
}

/// A token of hex or base64 characters without inner structure: at least sixteen, or eight hex digits. Decided by what random
/// tokens nearly always have, so that one field keeps one type.
pub(super) fn is_token(text: &str) -> bool {
    let bytes = text.as_bytes();
    if !(8..=8192).contains(&bytes.len()) || !bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-.~".contains(byte)) {
        return false;
    }
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits > 0 && bytes.iter().all(u8::is_ascii_hexdigit) {
        return true;
    }
    if bytes.len() < 16 {
        return false;
    }
    let steps = bytes.windows(2).filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase()).count();
    // Names, paths and versions are words and short numbers with separators between.
    let wordy = text.split(['_', '-', '.', '/', '~']).all(|piece| {
        let steps = piece.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase()).count();
        piece.len() <= 3 || (steps <= 3 && piece.bytes().all(|byte| byte.is_ascii_alphabetic()))
    });
    !wordy && (digits > 0 || steps >= 4)
}

/// Areas of the IANA time zone database (`zone1970.tab`).
const ZONE_AREAS: &[&str] = &["Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"];
/// Integers of so many digits, and powers of ten up to 10^22, are exact.
const PLAIN_DIGITS: usize = 15;
const POWERS_OF_TEN: [f64; PLAIN_DIGITS + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
/// Numbers, dates, UUIDs and hardware addresses are no longer.
const LONGEST_SHAPE: usize = 40;
const NEVER_IN_TOKENS: Looks = Looks::PERCENT.or(Looks::AMPERSAND).or(Looks::SPACE).or(Looks::LINE_END).or(Looks::CONTROL).or(Looks::HIGH);
/// Shortest value that a name like `cipher_data` makes opaque.
const SHORTEST_CIPHER: usize = 16;
const YEAR_2000: f64 = 946_684_800.0;
const YEAR_2100: f64 = 4_102_444_800.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::category,
        model::{App, Part},
    };

    #[track_caller]
    fn check(name: &str, text: &str, want: &str) {
        let facts = category::name_facts(&App::default(), "/", Part::Query, name);
        assert_eq!(kind_of(&Value::Text(text), &facts).to_string(), want, "{name}={text}");
    }

    #[test]
    fn types_of_texts() {
        check("t", "1773486000123", "timestamp-ms");
        check("st", "1773442800", "timestamp-s");
        check("userid", "1000000001", "integer");
        check("steps", "900", "integer");
        check("weight", "63.4", "decimal");
        check("x", "1.5e3", "decimal");
        check("x", "true", "boolean");
        check("x", "", "empty");
        check("date", "2026-03-14", "date");
        check("date", "2026-03-14T08:00:00+01:00", "date");
        check("date", "2026-13-14", "text");
        check("r", "8f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c", "uuid");
        check("did", "C0FFEEFFFE123456", "mac");
        check("x", "c0-ff-ee-12-34-56", "mac");
        check("mac", "c0ffee123456", "mac");
        check("sn", "563412eeffc0", "token");
        check("lang", "en_US", "text");
        check("freeMemory", "1200000000", "integer");
        check("user-agent", "FBAndroidSDK.14.0.0", "text");
        check("appname", "com.example.hm.health", "text");
        check("cv", "50818_6.14.0", "text");
        check("timezone", "Europe/Berlin", "text");
        check("apptoken", "q7RtYu1oPaSdFgHjKlZxCvBnM", "token");
        check("cipher_data", "q7RtYu1oPaSdFgHjKlZxCvBnM", "opaque");
        check("x", "0106", "text");
        check("x", "12345678901234567890", "token");
    }

    #[test]
    fn coordinates_by_name_and_range_or_as_a_pair() {
        check("lat", "52.374", "latitude");
        check("longitude", "-4.9", "longitude");
        check("lat", "5237400000", "integer");
        check("platform", "52.374", "decimal");
        check("locationKey", "52.374,4.889,xiaomi_accu:1", "coordinates");
        check("locationKey", "52.37,4.89", "coordinates");
        check("q", "52.37,4.89", "text");
        check("q", "near 52.3740; 4.8896.", "coordinates");
        check("ua", "MiFit/5.3.0 (iOS 14.7.1; Scale/3.00)", "text");
        check("q", "192.168,300.123", "text");
        check("q", "52°22'26.5\"N 4°53'22.9\"E", "coordinates");
        check("q", "52.374 N, 4.8897 E", "coordinates");
        check("q", "5'11\" and 21.5°C", "text");
        check("q", "+40.71280-74.00600", "coordinates");
        check("q", "+40.7128-074.0060/", "coordinates");
        check("q", "-33.87+151.21+12.5/", "coordinates");
        check("phone", "+40.71 -74.00", "coordinates");
        check("q", "+1.555-123.4567", "text");
        check("q", "+1.555.123.4567", "text");
        check("q", "+95.7128-074.0060/", "token");
    }

    #[test]
    fn time_zones_are_areas_with_a_place() {
        let zones = ["Europe/Berlin", "America/Argentina/Salta", "America/Port-au-Prince", "Europe", "Europe/12", "text/Html"];
        assert_eq!(zones.map(is_time_zone), [true, true, true, false, false, false]);
    }

    #[test]
    fn an_exponent_moves_the_point() {
        let decimals = |text: &str| Number::parse(text).map(|number| number.decimals);
        assert_eq!(["4.88969E0", "5.237403E1", "5.237403E7", "1E-3"].map(decimals), [Some(5), Some(5), Some(0), Some(3)]);
    }

    #[test]
    fn free_numbers_are_found_and_versions_are_not() {
        let found = |text: &str| numbers_in(text).map(|(range, _)| text[range].to_owned()).collect::<Vec<_>>().join(" ");
        assert_eq!(found("a 1.5, -2.25; x3 4_5 14.7.1 7."), "1.5 -2.25 7");
        assert_eq!(found("5252000000,1340500000;12000,-15000;"), "5252000000 1340500000 12000 -15000");
    }
}
