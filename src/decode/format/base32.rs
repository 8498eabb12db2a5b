//! Base32 (RFC 4648 section 6), padded or not. Codes and serial numbers are written in its alphabet too, so what is behind it must
//! be a document, a compressed stream, or a text that is no chance.

use crate::model::Encoding;

use super::{
    super::{
        leaf::Expectation,
        walker::{Place, Surface, Walker, is_readable},
    },
    Decoder,
    known::is_known,
};

/// Base32 in capitals, as RFC 4648 has it.
pub(super) struct Base32;

impl Decoder for Base32 {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        if digits_of(bytes).is_none() || !walker.may_look(bytes.len()) || !walker.may_copy(bytes.len() / 8 * 5 + 5) {
            return false;
        }
        let Some(decoded) = decode(bytes) else { return false };
        let has_digit = bytes.iter().any(u8::is_ascii_digit) && bytes.iter().any(u8::is_ascii_uppercase);
        let is_text = || has_digit && decoded.len() >= SHORTEST_TEXT && std::str::from_utf8(&decoded).is_ok_and(is_readable);
        if walker.expectation() == Expectation::Token || !(is_text() || is_known(&decoded, walker.allowance())) {
            return false;
        }
        let text = std::str::from_utf8(bytes).ok();
        walker.decoded(Encoding::Base32, &decoded, place, |walker, place| walker.bytes(&decoded, text, place));
        true
    }
}

/// The digits before the padding; `None` when alphabet, length or padding are not those of base32.
fn digits_of(bytes: &[u8]) -> Option<&[u8]> {
    let is_digit = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'2'..=b'7');
    let count = bytes.iter().position(|byte| !is_digit(byte)).unwrap_or(bytes.len());
    let (digits, padding) = bytes.split_at(count);
    let fits = bytes.len() >= SHORTEST && matches!(digits.len() % 8, 0 | 2 | 4 | 5 | 7);
    let padded = padding.iter().all(|byte| *byte == b'=') && (padding.is_empty() || padding.len() < 8 && bytes.len().is_multiple_of(8));
    (fits && padded).then_some(digits)
}

/// The bytes behind the digits; bits that are left over must be zero.
fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
    let digits = digits_of(bytes)?;
    let mut decoded = Vec::with_capacity(digits.len() / 8 * 5 + 5);
    let (mut bits, mut held) = (0_u32, 0);
    for digit in digits {
        let value = if digit.is_ascii_digit() { digit - b'2' + 26 } else { digit - b'A' };
        bits = (bits << 5 | u32::from(value)) & 0xfff;
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
        for text in
            ["NBSWY3DPEB3W64TMMQ=====", "NBSWY3DPEB3W64TMMR", "NBSWY3DPEB3W64TMM", "nbswy3dpeb3w64tmmq", "NBSWY3D1EB3W64TMMQ", "ME======"]
        {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
