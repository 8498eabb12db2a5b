//! Whether a value could be what its name says, and what it looks like whatever its name says. Of a category that the value makes
//! finer (`lat: 52.374` is a precise location), the finer one.

use core::net::IpAddr;

use crate::model::{Category, FieldType};

use super::{
    NameFacts,
    words::{COORDINATES, LATITUDES, LONGITUDES, NUMBERS_OF_A_BODY, POSTAL_CODES, VERSIONS},
};
use crate::decode::{
    kind::{self, Number},
    leaf::Value,
};

/// What a value is if it is what a word of its name says; `None` when it cannot be that.
pub(super) fn meant(category: Category, word: &str, name: &NameFacts, kind: &FieldType, value: &Value<'_>) -> Option<Category> {
    use FieldType::{Boolean, Bytes, Coordinates, Date, Decimal, Empty, Integer, Mac, Opaque, Text, Token, Uuid};
    // Only of a pregnancy does a yes or no say all.
    let answers = word.starts_with("pregnan");
    if *kind == Empty || *kind == Boolean && !answers {
        return None;
    }
    let text = value.as_text().unwrap_or_default();
    if is_placeholder(text) {
        return None;
    }
    if category.is_a(Category::Location) && is_link(text) {
        return None;
    }
    let length = text.chars().count();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_id = || match kind {
        Integer => text.len() >= SHORTEST_NUMBER_ID,
        Mac | Uuid | Token | Text => length >= SHORTEST_ID,
        Bytes(_) => true,
        _ => false,
    };
    let is_amount = || match kind {
        Text | Token => digits > 0 && length <= LONGEST_AMOUNT,
        other => !matches!(other, Uuid | Mac | Coordinates | Date | Opaque),
    };
    // What the person keeps on the phone, as text, as a list of texts or as data.
    let is_content = || matches!(kind, Text | Token | Bytes(_) | Uuid);
    let short_text = |longest: usize| matches!(kind, Text | Token) && length <= longest;
    let is_time = || matches!(kind, Date | FieldType::TimestampS | FieldType::TimestampMs);
    let fits = match category {
        Category::HeartRate | Category::RestingHeartRate | Category::HeartRateVariability
            if matches!(kind, Text | Token) && !holds_numbers(text) =>
        {
            false
        }
        Category::HeartRate if matches!(kind, Bytes(_)) || (name.many && is_amount()) => return Some(Category::HeartRateSeries),
        // A time zone beside a place says less than the place: half a continent.
        Category::Location if name.says(Category::TimeZone) => false,
        Category::Location => return place(word, kind, text),
        Category::AdvertisingId => matches!(kind, Uuid | Token),
        Category::EmailAddress => kind::is_email(text) || matches!(kind, Token | Uuid),
        Category::IpAddress => is_ip_address(text),
        Category::PhoneNumber => is_phone_number(text),
        Category::SessionId => matches!(kind, Uuid | Token),
        Category::CoarseLocation => matches!(kind, Text | Token) && (digits == 0 || text.contains(' ')) && length > 1 && !is_flag(text),
        Category::PostalAddress => match kind {
            // A postal code of digits names a street or a quarter.
            Integer => (4..=9).contains(&text.len()) && POSTAL_CODES.contains(&word),
            Text | Token if is_flag(text) => false,
            Text | Token => !POSTAL_CODES.contains(&word) || digits > 0 && length <= LONGEST_POSTAL_CODE,
            _ => false,
        },
        Category::WifiNetwork => matches!(kind, Text | Token | Mac | Integer) && text.len() <= LONGEST_SSID,
        Category::CellTower => matches!(kind, Integer | Text | Token) && digits > 0,
        Category::Track => matches!(kind, Text | Token | Bytes(_) | Coordinates) && (length >= SHORTEST_TRACK || text.is_empty()),
        Category::PersonName => matches!(kind, Text | Token),
        Category::BirthDate => {
            matches!(kind, Date | Integer | FieldType::TimestampS | FieldType::TimestampMs) || kind == &Text && digits > 0
        }
        Category::Sex => matches!(kind, Text) || kind == &Integer && length == 1,
        Category::Height if NUMBERS_OF_A_BODY.contains(&word) => is_within(text, &[(1.0, 2.3), (100.0, 230.0)]),
        Category::Weight if NUMBERS_OF_A_BODY.contains(&word) => is_within(text, &[(20.0, 250.0)]),
        Category::Height => is_body_measure(text, 0.5),
        Category::Weight => is_body_measure(text, 2.0),
        Category::Profile => is_amount(),
        _ if category.is_a(Category::Identifier) => is_id(),
        Category::Steps if word == "step" && matches!(kind, Text | Token) => holds_numbers(text),
        Category::MenstrualCycle => match word {
            "cycle length" => is_within(text, &[(15.0, 60.0)]),
            "lmp" => is_time(),
            _ => answers && *kind == Boolean || is_amount() || is_time(),
        },
        // A word like `deep` may stand below a name that speaks of sleep.
        Category::Sleep | Category::SleepStages | Category::Steps | Category::Workout | Category::HeartRate => {
            !matches!(kind, Uuid | Mac | Coordinates | Date)
        }
        _ if category.is_measured() => is_amount(),
        Category::Locale => matches!(kind, Text) && is_language(text),
        Category::TimeZone => matches!(kind, Integer | Decimal) || short_text(40),
        Category::OsVersion | Category::NetworkOperator => matches!(kind, Integer | Decimal) || short_text(64),
        Category::DeviceModel => short_text(64),
        Category::Device | Category::BandBattery | Category::BandFirmware => matches!(kind, Integer | Decimal) || short_text(64),
        // A parcel and a part of a program are packages, too.
        Category::InstalledApps if word.contains("package") && *kind == Text => (name.many || word != "packages") && is_package(text),
        Category::Contacts | Category::CrashReport | Category::InstalledApps | Category::Messages | Category::Photos => is_content(),
        _ => true,
    };
    fits.then_some(category)
}

/// Whether a value could be what a vendor's adapter claims of its leaf. Less is asked than of a word in a name: somebody looked at
/// the field, and an id may be hashed. What stands for "nothing" tells nothing of anybody; what is measured may be zero.
pub(super) fn claimed(category: Category, kind: &FieldType, value: &Value<'_>) -> bool {
    let text = value.as_text().unwrap_or_default();
    if *kind == FieldType::Empty || is_placeholder(text) {
        return false;
    }
    let identifies = category.is_a(Category::Identifier);
    if (identifies || category.is_a(Category::Location)) && (*kind == FieldType::Boolean || NO_ID.contains(&text)) {
        return false;
    }
    match category {
        _ if !identifies || value.as_text().is_none() => true,
        Category::IpAddress => is_ip_address(text),
        // An app chooses its accounts' names, and a person the password.
        Category::AccountId | Category::AccessToken => text.len() > 1,
        _ if *kind == FieldType::Integer => text.len() >= SHORTEST_NUMBER_ID,
        _ => text.chars().count() >= SHORTEST_ID,
    }
}

/// What a value looks like, whatever its name says; with words for it. Nothing when the name says it better.
pub(super) fn looks_like(name: &NameFacts, kind: &FieldType, value: &Value<'_>) -> Option<(Category, &'static str)> {
    let text = value.as_text()?;
    match kind {
        FieldType::Coordinates => {
            let category = kind::compass_pair(text).map_or_else(|| Category::of_coordinates(most_decimals(text)), Category::of_exactness);
            Some((category, "a latitude and a longitude"))
        }
        FieldType::Mac if is_placeholder(text) || name.says(Category::WifiNetwork) => None,
        FieldType::Mac => Some((Category::Identifier, "a hardware address")),
        FieldType::Text if kind::is_email(text) => Some((Category::EmailAddress, "an e-mail address")),
        FieldType::Text if is_likely_ip_address(text) && !name.words.iter().any(|word| VERSIONS.contains(&word.as_str())) => {
            Some((Category::IpAddress, "an internet address"))
        }
        // E.164: a plus sign, the country and the number. Numbers are rarely written with a plus sign.
        _ if matches!(value, Value::Text(_)) && text.starts_with('+') && is_phone_number(text) && text.len() > SHORTEST_E164 => {
            Some((Category::PhoneNumber, "a phone number"))
        }
        _ => None,
    }
}

/// What a value under a name that speaks of a place says of it.
fn place(word: &str, kind: &FieldType, text: &str) -> Option<Category> {
    use FieldType::{Coordinates, Decimal, Integer, Latitude, Longitude, Text, Token};
    let coordinate = LATITUDES.contains(&word) || LONGITUDES.contains(&word);
    match kind {
        Coordinates | Latitude | Longitude => Some(Category::of_coordinates(most_decimals(text))),
        Decimal => Some(Category::Location),
        // Degrees × 10^5 or more, under a name that can only mean a coordinate.
        Integer => (coordinate && text.len() >= SHORTEST_SCALED).then_some(Category::PreciseLocation),
        Text | Token => {
            let needs_digits = coordinate || COORDINATES.contains(&word);
            (!needs_digits || text.bytes().any(|byte| byte.is_ascii_digit())).then_some(Category::Location)
        }
        _ => None,
    }
}

/// Most digits after the point of any number in a text.
fn most_decimals(text: &str) -> u8 {
    let text = text.get(..kind::floor(text, LONGEST_COORDINATES)).unwrap_or_default();
    kind::numbers_in(text).map(|(_, number)| number.decimals).max().unwrap_or_default()
}

/// What systems say when they have no answer, or may give none. Android gives `02:00:00:00:00:00` and `<unknown ssid>` to an app
/// without the permission, and zeros for the advertising id of who switched it off.
fn is_placeholder(text: &str) -> bool {
    let zeros = text.len() >= 12 && text.bytes().all(|byte| b"0-:".contains(&byte));
    let dashes = !text.is_empty() && text.bytes().all(|byte| b"-_?.* ".contains(&byte));
    zeros || dashes || PLACEHOLDERS.iter().any(|placeholder| text.eq_ignore_ascii_case(placeholder))
}

/// An address of a page or a path in an app: `location` is also what a web page calls its own.
fn is_link(text: &str) -> bool {
    text.contains("://") || text.starts_with('/')
}

fn is_ip_address(text: &str) -> bool {
    text.len() <= LONGEST_IP && text.parse::<IpAddr>().is_ok_and(|address| !address.is_unspecified() && !address.is_loopback())
}

/// Like an internet address and unlike a version: `14.7.1.2`, `131.0.0.0`.
fn is_likely_ip_address(text: &str) -> bool {
    is_ip_address(text)
        && match text.parse() {
            Ok(IpAddr::V4(address)) => {
                let [first, .., last] = address.octets();
                first >= 10 && (1..=254).contains(&last) && address.octets().into_iter().any(|octet| octet >= 100)
            }
            Ok(IpAddr::V6(_)) => text.len() >= SHORTEST_IPV6,
            Err(_) => false,
        }
}

/// Seven to fifteen digits (E.164), in groups if need be; no latitude and longitude.
fn is_phone_number(text: &str) -> bool {
    let (sign, rest) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    (7..=15).contains(&digits)
        && rest.bytes().all(|byte| byte.is_ascii_digit() || b" -()./".contains(&byte))
        && !(sign && rest.starts_with('0'))
        && kind::Number::parse(text).is_none_or(|number| number.integer)
        && !kind::is_date(text)
        && !kind::is_iso_6709(text)
        && !kind::holds_coordinates(text, 3)
}

/// A number that a body can have in some unit, up to 300,000: 1.71 m, 171 cm, 63,400 g.
fn is_body_measure(text: &str, least: f64) -> bool {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    Number::parse(number).is_some_and(|number| (least..=300_000.0).contains(&number.value))
}

/// A number within one of some ranges, with or without its unit.
fn is_within(text: &str, ranges: &[(f64, f64)]) -> bool {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    Number::parse(number).is_some_and(|number| ranges.iter().any(|(least, most)| (*least..=*most).contains(&number.value)))
}

/// Like the name of an app: `com.example.app`.
fn is_package(text: &str) -> bool {
    let is_part =
        |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    text.contains('.')
        && text.split([',', ';', ' ']).filter(|name| !name.is_empty()).all(|name| name.contains('.') && name.split('.').all(is_part))
}

/// A number or a list of them, with or without a short unit: `61`, `61 bpm`, `[61,62]`.
fn holds_numbers(text: &str) -> bool {
    let numbers = text.trim_end_matches(|c: char| c.is_alphabetic() || c == ' ' || c == '/');
    let unit = text.len() - numbers.len();
    unit <= LONGEST_UNIT
        && numbers.bytes().any(|byte| byte.is_ascii_digit())
        && numbers.bytes().all(|byte| byte.is_ascii_digit() || b" ,;:|.-+[]".contains(&byte))
}

/// An answer to a question, and no name of a place.
fn is_flag(text: &str) -> bool {
    FLAGS.iter().any(|flag| text.eq_ignore_ascii_case(flag))
}

/// A language tag (BCP 47), with `_` too; of a list of them, the first.
fn is_language(text: &str) -> bool {
    let first = text.split([',', ';']).next().unwrap_or_default();
    let mut subtags = first.split(['-', '_']);
    let primary = subtags.next().is_some_and(|tag| (2..=3).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphabetic()));
    let more = subtags.all(|tag| tag.len() <= 8 && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'#'));
    primary && more && first.len() <= LONGEST_LANGUAGE
}

/// Also what SDKs send where they know nothing: `bnc_no_value` is Branch's.
const PLACEHOLDERS: &[&str] = &[
    "(not set)",
    "(null)",
    "02:00:00:00:00:00",
    "<null>",
    "<unknown ssid>",
    "<unknown>",
    "bnc_no_value",
    "ff:ff:ff:ff:ff:ff",
    "n/a",
    "nil",
    "no_value",
    "none",
    "not available",
    "not set",
    "not_available",
    "not_set",
    "null",
    "unavailable",
    "undefined",
    "unknown",
];
/// Texts of switches.
const FLAGS: &[&str] = &["allowed", "auto", "default", "denied", "disabled", "enabled", "false", "no", "off", "ok", "on", "true", "yes"];
/// ` bpm`, `/min`, in bytes.
const LONGEST_UNIT: usize = 8;
/// What stands for "no id" and "no place".
const NO_ID: &[&str] = &["-1", "0", "test"];

/// Shorter numbers count something.
const SHORTEST_NUMBER_ID: usize = 5;
/// Shorter texts are words or flags.
const SHORTEST_ID: usize = 4;
/// `1 h 12 min`, `12,345 steps`; more is prose.
const LONGEST_AMOUNT: usize = 32;
const LONGEST_POSTAL_CODE: usize = 12;
/// Degrees × 10^5 with one digit before the point have six or seven digits.
const SHORTEST_SCALED: usize = 7;
/// 32 bytes (IEEE 802.11), and the quotation marks that Android puts around them.
const LONGEST_SSID: usize = 34;
/// A polyline of two points has some ten characters.
const SHORTEST_TRACK: usize = 10;
/// So much of a text is searched for the number that has most digits after the point.
const LONGEST_COORDINATES: usize = 4096;
/// `::1` and `::ffff` are also pieces of code.
const SHORTEST_IPV6: usize = 8;
/// Eight groups of four digits, or the last two of them as an IPv4 address.
const LONGEST_IP: usize = 45;
/// A plus sign and ten digits: shorter ones may be counts with a sign.
const SHORTEST_E164: usize = 10;
const LONGEST_LANGUAGE: usize = 35;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_no_phone_numbers() {
        let phones = ["+49 30 1234567", "+49.30.1234567", "+1.555.123.4567", "+1.555-123.4567", "030/1234567"];
        assert_eq!(phones.map(is_phone_number), [true; 5]);
        let places = ["+40.71280-74.00600", "+40.7128-074.0060/", "+40.71 -74.00", "40.7128 -74.0060", "-33.8688+151.2093/"];
        assert_eq!(places.map(is_phone_number), [false; 5]);
    }
}
