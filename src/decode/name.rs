//! What fields are called: map keys that are values become placeholders, odd keys are quoted, and no name grows without bound
//! (R11). Also splits names into words; what a word means is `category`'s.

use std::{borrow::Cow, fmt::Write as _};

use crate::model::{LeakGate, text::is_hidden};

use super::{format::from_base32, kind, walker::is_readable};

/// A key as it appears in a field's path, and the value that it hides, if it was one.
///
/// `planted` says whether a planted value is in the key.
pub(super) fn push_key(path: &mut String, key: &str, planted: bool) -> Placeholder {
    if path.len() > LONGEST_PATH {
        if !path.ends_with('…') {
            path.push('…');
        }
        return Placeholder::None;
    }
    if !path.is_empty() {
        path.push('.');
    }
    let placeholder = if planted { Placeholder::Id } else { placeholder_of_key(key) };
    match placeholder.text() {
        Some(text) => path.push_str(text),
        None if is_plain(key) => path.push_str(key),
        None => push_quoted(path, key),
    }
    placeholder
}

/// A name of our own, or the number of a field that has no name: it says which field it is, and is no value.
pub(super) fn push_own(path: &mut String, name: &str) {
    if path.len() > LONGEST_PATH {
        if !path.ends_with('…') {
            path.push('…');
        }
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// `[]` for any element of an array.
pub(super) fn push_element(path: &mut String) {
    if path.len() <= LONGEST_PATH {
        path.push_str("[]");
    }
}

/// What stands for a value in a path or a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placeholder {
    /// It is no value: it stands for itself.
    None,
    Date,
    Id,
    Mac,
    Uuid,
}

impl Placeholder {
    /// Its text; `None` when the name stands for itself.
    pub(super) const fn text(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Date => Some("{date}"),
            Self::Id => Some("{id}"),
            Self::Mac => Some("{mac}"),
            Self::Uuid => Some("{uuid}"),
        }
    }

    /// Tells the leak gate about the value that was replaced. Dates are no secrets: every report prints some.
    pub(super) fn remember(self, value: &str, gate: &mut LeakGate) {
        match self {
            Self::None | Self::Date => {}
            Self::Id | Self::Uuid => gate.remember(value),
            Self::Mac => gate.remember_secret(value),
        }
    }
}

/// Whether a map key is a value. Stricter than for path segments: a wrong guess would merge two fields.
fn placeholder_of_key(key: &str) -> Placeholder {
    if key.len() < SHORTEST_SHAPE && key.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_') {
        // Nearly every key: too short for an address, and without a digit no id.
        return Placeholder::None;
    }
    let shaped = placeholder_of_shape(key);
    let digits = key.bytes().filter(u8::is_ascii_digit).count();
    if shaped != Placeholder::None {
        shaped
    } else if digits > 0 && (digits == key.len() || digits >= 6 || is_hex_id(key) || is_base32_id(key))
        || kind::is_email(key)
        || key.len() > LONGEST_KEY
    {
        Placeholder::Id
    } else {
        Placeholder::None
    }
}

/// Whether a path segment or host label (percent-decoded) is a value. Whatever the leak gate would take for an id must be one.
pub(super) fn placeholder_of_segment(segment: &str) -> Placeholder {
    let shaped = placeholder_of_shape(segment);
    if shaped != Placeholder::None {
        return shaped;
    }
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let id = (digits > 0 && (digits == segment.len() || is_hex_id(segment)))
        || crate::model::leak::looks_like_id(segment)
        || kind::is_email(segment)
        || kind::Number::parse(segment).is_some_and(|number| number.decimals >= 2)
        || kind::holds_coordinates(segment, 2)
        || kind::is_token(segment)
        || is_numbered_picture(segment)
        // JSON, a form, parameters or another percent-encoding: something that was put there, not the name of a place.
        || segment.contains(['{', '"', '=', '&', ';', '%'])
        || segment.len() > LONGEST_SEGMENT;
    if id { Placeholder::Id } else { Placeholder::None }
}

/// The last part of a map tile's path: `10770.png`, `10770@2x.webp`, `10770.pbf`. Which map was looked at is a value.
fn is_numbered_picture(segment: &str) -> bool {
    let rest = segment.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < segment.len() && [".png", ".jpg", ".jpeg", ".webp", ".pbf", ".mvt"].contains(&rest.strip_prefix("@2x").unwrap_or(rest))
}

fn placeholder_of_shape(text: &str) -> Placeholder {
    if kind::is_date(text) {
        Placeholder::Date
    } else if kind::is_uuid(text) {
        Placeholder::Uuid
    } else if kind::is_mac(text) {
        Placeholder::Mac
    } else {
        Placeholder::None
    }
}

fn is_hex_id(text: &str) -> bool {
    text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Base32 of ten bytes or more. Words have numbers in one place or two (`sha256withrsa`), base32 has them everywhere; that of a text
/// has fewer, but there is a text behind it.
fn is_base32_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    let places = || bytes.windows(2).filter(|pair| !pair[0].is_ascii_digit() && pair[1].is_ascii_digit()).count();
    let of_case = |is_letter: fn(&u8) -> bool| bytes.iter().all(|byte| is_letter(byte) || matches!(byte, b'2'..=b'7'));
    let is_text = || from_base32(bytes).is_some_and(|decoded| std::str::from_utf8(&decoded).is_ok_and(is_readable));
    bytes.len() >= SHORTEST_SHAPE
        && (of_case(u8::is_ascii_uppercase) || of_case(u8::is_ascii_lowercase))
        && (places() >= 3 || places() > 0 && is_text())
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() && !is_hidden(c) || "_-$@:+*/~".contains(c))
}

/// JSON string with control, bidirectional and invisible characters as `\u`, so that no name can reorder or colour a terminal (R13).
fn push_quoted(path: &mut String, key: &str) {
    path.push('"');
    for c in key.chars() {
        match c {
            '"' | '\\' => {
                path.push('\\');
                path.push(c);
            }
            ' ' => path.push(c),
            _ if !is_hidden(c) && !c.is_whitespace() && !VARIATIONS.contains(&c) => path.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(path, "\\u{unit:04x}");
                }
            }
        }
    }
    path.push('"');
}

/// One name of a path as it was sent: what [`push_key`] escaped is itself again.
pub(super) fn unquoted(segment: &str) -> Cow<'_, str> {
    if !segment.contains('\\') {
        return segment.into();
    }
    let mut text = String::with_capacity(segment.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = segment;
    while let Some(c) = rest.chars().next() {
        let unit = rest.strip_prefix("\\u").and_then(|rest| u16::from_str_radix(rest.get(..4)?, 16).ok());
        if let Some(unit) = unit {
            units.push(unit);
            rest = &rest["\\u0000".len()..];
            continue;
        }
        text.extend(char::decode_utf16(units.drain(..)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
        text.push(c);
        rest = &rest[c.len_utf8()..];
    }
    text.extend(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
    text.into()
}

/// Lower-case words of one name: split at everything that is no letter or digit, at lower-to-upper steps and before the last
/// capital of a run (`GPSLocation` is `gps`, `location`). Digits stay with the letters before them.
pub(super) fn words(name: &str) -> Vec<String> {
    let characters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for (at, &c) in characters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| characters.get(at)).copied().unwrap_or(' ');
        let next_is_lower = characters.get(at + 1).is_some_and(|c| c.is_lowercase());
        let begins = c.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit() || (before.is_uppercase() && next_is_lower));
        if (begins || !c.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The names that a path is made of, outermost first, without `[]` and placeholders.
pub(super) fn segments(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('.').map(|segment| segment.trim_end_matches("[]")).filter(|segment| !segment.is_empty() && !segment.starts_with('{'))
}

/// Variation selectors: they show nothing of their own.
const VARIATIONS: std::ops::RangeInclusive<char> = '\u{fe00}'..='\u{fe0f}';
/// An EUI-64 has so many characters; dates have digits, MACs and UUIDs separators.
const SHORTEST_SHAPE: usize = 16;
const LONGEST_KEY: usize = 64;
const LONGEST_SEGMENT: usize = 48;
/// Beyond this many bytes a path ends in `…`: more names would be an attack or a mistake.
const LONGEST_PATH: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_values_become_placeholders() {
        for (key, want) in [
            ("data_hr", "data_hr"),
            ("x-hm-ekv", "x-hm-ekv"),
            ("sha256_b64", "sha256_b64"),
            ("2026-03-14", "{date}"),
            ("1000000001", "{id}"),
            ("7", "{id}"),
            ("C0:FF:EE:12:34:56", "{mac}"),
            ("C0FFEEFFFE123456", "{mac}"),
            ("8f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c", "{uuid}"),
            ("someone@example.test", "{id}"),
            ("OVZWK4RNHEYDQMJXFV4HC", "{id}"),
            ("ovzwk4rnheydqmjxfv4hc", "{id}"),
            ("DVNGIO67F5FEAOYBJWCA3DYTIA", "{id}"),
            ("sha256withrsaencryption", "sha256withrsaencryption"),
            ("dailystepsummaryv2", "dailystepsummaryv2"),
            ("dataChannel2Speed3Mode4", "dataChannel2Speed3Mode4"),
            ("a.b", "\"a.b\""),
            ("a b", "\"a b\""),
            ("a[0]", "\"a[0]\""),
            ("Größe", "Größe"),
            ("心率", "心率"),
            ("пульс 1", "\"пульс 1\""),
            ("हृदय", "हृदय"),
            ("❤", "\"❤\""),
            ("a\u{a0}b", "\"a\\u00a0b\""),
            ("gnp\u{202e}exe", "\"gnp\\u202eexe\""),
            ("hr\u{200b}", "\"hr\\u200b\""),
            ("hr\u{3164}", "\"hr\\u3164\""),
            ("\u{1b}[31m", "\"\\u001b[31m\""),
            ("", "\"\""),
        ] {
            let mut path = String::new();
            push_key(&mut path, key, false);
            assert_eq!(path, want, "{key}");
        }
    }

    #[test]
    fn a_quoted_name_reads_back_as_it_was_sent() {
        for key in ["heart_rate", "Größe", "心率", "пульс 1", "hr\u{3164}", "a b", "say \\u", "\u{1f600} x", ""] {
            let mut path = String::new();
            push_key(&mut path, key, false);
            assert_eq!(words(&unquoted(&path)), words(key), "{key}: {path}");
        }
        for cut in ["\"\\u5fc", "\\u", "\\ud83d", "\\uzzzz", "\\u+123"] {
            unquoted(cut);
        }
    }

    #[test]
    fn no_name_grows_without_bound() {
        let mut path = String::new();
        for _ in 0..10_000 {
            push_key(&mut path, "somewhat-long-name", false);
            push_element(&mut path);
        }
        assert!(path.len() < LONGEST_PATH + 2 * LONGEST_KEY, "{}", path.len());
    }

    #[test]
    fn segments_that_are_values_become_placeholders() {
        for (segment, want) in [
            ("v1", None),
            ("band_data.json", None),
            ("wtr-v3", None),
            ("devices", None),
            ("1000000001", Some("{id}")),
            ("52.374", Some("{id}")),
            ("52.374,4.889", Some("{id}")),
            ("10770.png", Some("{id}")),
            ("10770@2x.webp", Some("{id}")),
            ("0b7d0c1b2a3c4d5e", Some("{id}")),
            ("2026-03-14", Some("{date}")),
            ("{\"k\":\"v\"}", Some("{id}")),
            ("a=1&b=2", Some("{id}")),
            ("%7Bx%7D", Some("{id}")),
        ] {
            assert_eq!(placeholder_of_segment(segment).text(), want, "{segment}");
        }
    }

    #[test]
    fn names_split_into_words() {
        for (name, want) in [
            ("data_hr", "data hr"),
            ("maxHr", "max hr"),
            ("GPSLocation", "gps location"),
            ("deviceID", "device id"),
            ("platform", "platform"),
            ("x-request-id", "x request id"),
            ("locationKey", "location key"),
        ] {
            assert_eq!(words(name).join(" "), want, "{name}");
        }
    }
}
