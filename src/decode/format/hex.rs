//! Hexadecimal digits. Ids and digests are written so too, so the bytes behind them must be something: a document, a compressed
//! stream, text, or measurements by the field's name.

use crate::model::Encoding;

use super::{
    super::{
        leaf::Expectation,
        walker::{Place, Surface, Walker, is_readable},
    },
    Decoder,
    known::is_known,
};

/// Hexadecimal digits, upper or lower case.
pub(super) struct Hex;

impl Decoder for Hex {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        let Some(decoded) = decode(bytes, usize::MAX) else { return false };
        let letters = bytes.iter().any(u8::is_ascii_alphabetic) && bytes.iter().any(u8::is_ascii_digit) || bytes.len() >= SHORTEST_DIGITS;
        let letters = letters && !(walker.is_unpacked() && is_one_kind(bytes));
        let believed = walker.may_look(bytes.len())
            && match walker.expectation() {
                Expectation::Token => false,
                // Measurements that were unpacked already may look like digits of hex: a pulse of 48 to 57 or of 65 to 70.
                Expectation::Measurements if decoded.len() >= SHORTEST_DATA && !walker.is_unpacked() => true,
                _ => (letters && is_words(&decoded)) || is_known(&decoded, walker.allowance()),
            };
        if !believed || !walker.may_copy(decoded.len()) {
            return false;
        }
        let text = std::str::from_utf8(bytes).ok();
        walker.decoded(Encoding::Hex, &decoded, place, |walker, place| walker.bytes(&decoded, text, place));
        true
    }
}

/// The bytes behind an even number of digits; `None` for anything else, for what is too short, and for more than `limit` bytes.
pub(in super::super) fn decode(bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    let fits = bytes.len() >= SHORTEST && bytes.len().is_multiple_of(2) && bytes.len() / 2 <= limit;
    if !fits || !bytes.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    bytes.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// Letters only or digits only, as few of all hex numbers are.
fn is_one_kind(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_digit) || bytes.iter().all(u8::is_ascii_alphabetic)
}

/// Readable text; a short one must be made of the characters of words, addresses and numbers, or one id in some thousands would
/// be text by chance.
fn is_words(decoded: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(decoded) else { return false };
    if decoded.len() < LONG_TEXT {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" .,:@_-".contains(&byte))
    } else {
        is_readable(text)
    }
}

/// Eight characters.
const SHORTEST: usize = 16;
/// Shorter runs of decimal digits are numbers.
const SHORTEST_DIGITS: usize = 40;
/// Least bytes of measurements.
const SHORTEST_DATA: usize = 24;
/// From so many bytes on, random ones are readable in fewer than one of a million cases.
const LONG_TEXT: usize = 16;
