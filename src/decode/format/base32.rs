//! Base32 (RFC 4648 section 6), padded or not, in capitals or in small letters. Codes and serial numbers are written in its alphabet
//! too, so what is behind it must be a document, a compressed stream, a text that is no chance, or as much as would be data in base64.

use crate::model::Encoding;

use super::{
    super::{
        leaf::Expectation,
        walker::{Place, Surface, Walker, is_readable},
    },
    Decoder, base64,
    known::is_known,
};

/// Base32 of one case.
pub(super) struct Base32;

impl Decoder for Base32 {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        let Some(digits) = digits_of(bytes) else { return false };
        let has_digit = digits.iter().any(u8::is_ascii_digit) && digits.iter().any(u8::is_ascii_alphabetic);
        // Words in small letters are common, codes in capitals are not.
        if !has_digit && digits.iter().any(u8::is_ascii_lowercase) {
            return false;
        }
        if !walker.may_look(bytes.len()) || !walker.may_copy(bytes.len() / 8 * 5 + 5) {
            return false;
        }
        let Some(decoded) = decode(bytes) else { return false };
        let expectation = walker.expectation();
        let is_text = || has_digit && decoded.len() >= SHORTEST_TEXT && std::str::from_utf8(&decoded).is_ok_and(is_readable);
        // Characters that would be data in base64 are data, and nobody's base64 has so many of this alphabet alone.
        let padding = bytes.len() - digits.len();
        let is_data = || is_mixed(digits) && base64::is_data(bytes.len() / 4 * 3, padding, bytes.len(), expectation);
        if expectation == Expectation::Token || !(is_text() || is_known(&decoded, walker.allowance()) || is_data()) {
            return false;
        }
        let text = std::str::from_utf8(bytes).ok();
        walker.decoded(Encoding::Base32, &decoded, place, |walker, place| walker.bytes(&decoded, text, place));
        true
    }
}

/// The digits before the padding; `None` when alphabet, length or padding are not those of base32.
fn digits_of(bytes: &[u8]) -> Option<&[u8]> {
    let is_digit = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'2'..=b'7');
    let count = bytes.iter().position(|byte| !is_digit(byte)).unwrap_or(bytes.len());
    let (digits, padding) = bytes.split_at(count);
    let fits = bytes.len() >= SHORTEST && matches!(digits.len() % 8, 0 | 2 | 4 | 5 | 7);
    let padded = padding.iter().all(|byte| *byte == b'=') && (padding.is_empty() || padding.len() < 8 && bytes.len().is_multiple_of(8));
    let one_case = || !(digits.iter().any(u8::is_ascii_lowercase) && digits.iter().any(u8::is_ascii_uppercase));
    (fits && padded && one_case()).then_some(digits)
}

/// Whether there are letters, digits and enough different ones, as in the base32 of anything but a constant. Base64 of a constant
/// may be of the same alphabet.
fn is_mixed(digits: &[u8]) -> bool {
    let kinds: [fn(&u8) -> bool; 2] = [u8::is_ascii_alphabetic, u8::is_ascii_digit];
    let different = digits.iter().fold(0_u32, |seen, digit| seen | 1 << value_of(*digit)).count_ones();
    different >= FEWEST_DIFFERENT && kinds.iter().all(|kind| digits.iter().filter(|digit| kind(digit)).count() * 24 >= digits.len())
}

/// What a digit stands for, in either case.
const fn value_of(digit: u8) -> u8 {
    if digit.is_ascii_digit() { digit - b'2' + 26 } else { digit.to_ascii_uppercase() - b'A' }
}

/// The bytes behind sixteen digits or more; bits that are left over must be zero.
pub(in super::super) fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
    let digits = digits_of(bytes)?;
    let mut decoded = Vec::with_capacity(digits.len() / 8 * 5 + 5);
    let (mut bits, mut held) = (0_u32, 0);
    for digit in digits {
        bits = (bits << 5 | u32::from(value_of(*digit))) & 0xfff;
        held += 5;
        if held >= 8 {
            held -= 8;
            decoded.push((bits >> held & 0xff) as u8);
        }
    }
    (bits & ((1 << held) - 1) == 0).then_some(decoded)
}

/// Ten bytes.
const SHORTEST: usize = 16;
/// Random bytes are readable text of this length in one of some millions of cases.
const SHORTEST_TEXT: usize = 15;
/// Half of the alphabet.
const FEWEST_DIFFERENT: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_rfc() {
        let decoded = |text: &str| decode(text.as_bytes()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        // Made by Python's base64.b32encode.
        assert_eq!(decoded("NBSWY3DPEB3W64TMMQ======").as_deref(), Some("hello world"));
        assert_eq!(decoded("NBSWY3DPEB3W64TMMQ").as_deref(), Some("hello world"));
        assert_eq!(decoded("NBSWY3DPEB3W64TMMRZQ====").as_deref(), Some("hello worlds"));
        assert_eq!(decoded("nbswy3dpeb3w64tmmq======").as_deref(), Some("hello world"));
        for text in
            ["NBSWY3DPEB3W64TMMQ=====", "NBSWY3DPEB3W64TMMR", "NBSWY3DPEB3W64TMM", "NBSWY3DPeb3w64tmmq", "NBSWY3D1EB3W64TMMQ", "ME======"]
        {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
