//! Standard base64 (RFC 4648 section 4). By its alphabet alone it is a guess, so the value must either be something we know
//! when decoded, or be long and no id.

use std::borrow::Cow;

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::model::Encoding;

use super::{
    super::{
        kind,
        leaf::Expectation,
        walker::{Place, Surface, Walker, is_readable},
    },
    Decoder,
    deflate::is_deflated,
    known::is_known,
};

/// Standard base64, padded or not.
pub(super) struct Base64;

impl Decoder for Base64 {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        peel(&STANDARD, b"+/", Encoding::Base64, bytes, place, walker)
    }
}

/// Peels base64 of one alphabet; `marks` are its last two characters.
pub(super) fn peel(
    engine: &GeneralPurpose,
    marks: &[u8; 2],
    encoding: Encoding,
    bytes: &[u8],
    place: Place,
    walker: &mut Walker<'_>,
) -> bool {
    // Android's default flags break lines after 76 characters, and at the end.
    let joined = without_line_breaks(bytes);
    let bytes = &*joined;
    let unpadded = bytes.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let padding = bytes.len() - unpadded;
    let fits = if padding > 0 { bytes.len().is_multiple_of(4) && padding <= 2 } else { unpadded % 4 != 1 };
    if bytes.len() < SHORTEST || !fits {
        return false;
    }
    if !bytes[..unpadded].iter().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(byte)) {
        return false;
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let is_id = bytes.iter().all(u8::is_ascii_hexdigit) || kind::is_uuid(text) || bytes.iter().all(u8::is_ascii_lowercase);
    if is_id {
        return false;
    }
    if !walker.may_look(bytes.len() * 2) || !walker.may_copy(bytes.len() / 4 * 3) {
        return false;
    }
    let Ok(decoded) = engine.decode(bytes) else { return false };
    let expectation = walker.expectation();
    // Measurements that were unpacked already may all be letters: a pulse of 65 to 90 is, or of 97 to 122.
    let believed = if walker.is_unpacked() && !is_mixed(bytes) {
        false
    } else {
        is_something(&decoded, walker.allowance()) || is_data(decoded.len(), padding, bytes.len(), expectation)
    };
    if !believed {
        return false;
    }
    walker.decoded(encoding, &decoded, place, |walker, place| walker.bytes(&decoded, Some(text), place));
    true
}

/// The bytes behind base64 of either alphabet, padded or not, if they are something for sure.
pub(super) fn of_something(digits: &[u8], walker: &mut Walker<'_>) -> Option<(Encoding, Vec<u8>)> {
    let unpadded = digits.trim_ascii_end();
    let unpadded = &unpadded[..unpadded.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1)];
    let fits = |marks: &[u8; 2]| unpadded.iter().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(byte));
    let is_id = unpadded.iter().all(u8::is_ascii_hexdigit) || unpadded.iter().all(u8::is_ascii_lowercase);
    let (engine, encoding) = match (fits(b"+/"), fits(b"-_")) {
        (true, _) => (&STANDARD, Encoding::Base64),
        (_, true) => (&URL_SAFE, Encoding::Base64Url),
        _ => return None,
    };
    if digits.len() < SHORTEST || is_id || !walker.may_look(digits.len() * 2) || !walker.may_copy(digits.len() / 4 * 3) {
        return None;
    }
    let decoded = engine.decode(digits).ok()?;
    let readable = decoded.len() >= SURE_TEXT && std::str::from_utf8(&decoded).is_ok_and(is_readable);
    (readable || is_known(&decoded, walker.allowance()) || is_deflated(&decoded)).then_some((encoding, decoded))
}

/// Base64 in lines of one length, as one line; anything else as it is.
pub(super) fn without_line_breaks(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = bytes.iter().position(|byte| *byte == b'\n') else { return bytes.into() };
    let width = bytes[..first].trim_ascii_end().len();
    let mut lines = bytes.trim_ascii_end().split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).peekable();
    let mut joined = Vec::with_capacity(bytes.len());
    while let Some(line) = lines.next() {
        if line.len() > width || (line.len() < width && lines.peek().is_some()) || (lines.peek().is_some() && !width.is_multiple_of(4)) {
            return bytes.into();
        }
        joined.extend_from_slice(line);
    }
    joined.into()
}

/// Whether decoded bytes are something: a document, a compressed stream, readable text.
fn is_something(decoded: &[u8], limit: usize) -> bool {
    (decoded.len() >= SHORTEST_TEXT && std::str::from_utf8(decoded).is_ok_and(is_readable))
        || is_known(decoded, limit)
        || is_deflated(decoded)
}

/// Whether there are as many capitals, small letters and digits as in the base64 of anything but a constant.
fn is_mixed(bytes: &[u8]) -> bool {
    let kinds: [fn(&u8) -> bool; 3] = [u8::is_ascii_uppercase, u8::is_ascii_lowercase, u8::is_ascii_digit];
    kinds.iter().all(|kind| bytes.iter().filter(|byte| kind(byte)).count() * 24 >= bytes.len())
}

/// Whether bytes without structure are data rather than a token. Only lengths and padding decide, and what the name says:
/// whether `+` or `/` occurs is chance, and a field must not change its type by chance.
pub(super) fn is_data(decoded: usize, padding: usize, encoded: usize, expectation: Expectation) -> bool {
    match expectation {
        Expectation::Token => false,
        Expectation::Measurements => decoded >= SHORTEST_DATA,
        Expectation::Open => (decoded >= SHORTEST_DATA && padding > 0) || (decoded >= SURE_DATA && encoded.is_multiple_of(4)),
    }
}

/// Decodes padded and unpadded text, and does not mind bits left over at the end.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(DecodePaddingMode::Indifferent);
/// The standard alphabet, as lenient.
pub(in super::super) const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
/// The URL-safe alphabet, as lenient.
pub(in super::super) const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

/// Nothing shorter is tried.
const SHORTEST: usize = 12;
/// Decoded text this long is readable by chance in fewer than one of 5,000 random values.
const SHORTEST_TEXT: usize = 9;
/// Decoded text this long is no chance, whatever stands before it.
const SURE_TEXT: usize = 12;
/// Least bytes without structure that are data when something else speaks for it.
const SHORTEST_DATA: usize = 24;
/// Least bytes without structure that are data in any case.
const SURE_DATA: usize = 96;
