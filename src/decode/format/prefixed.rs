//! Base64 behind a short word that says how it was made: `v1:…`, `enc|…`, `gz$…`. The word is a leaf, and what is behind it must be
//! something. The head of a `data:` URL is `data_url`'s.

use super::{
    super::{
        leaf::{Expectation, Value},
        walker::{Place, Surface, Walker},
    },
    Decoder, base64,
};

/// A word, a separator, and base64 of either alphabet.
pub(super) struct Prefixed;

impl Decoder for Prefixed {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        let Some(start) = end_of_word(bytes) else { return false };
        if walker.expectation() == Expectation::Token {
            return false;
        }
        let digits = &bytes[start..];
        let Some((encoding, inner)) = base64::of_something(digits, walker) else { return false };
        let mark = walker.enter_own("{prefix}");
        let word = std::str::from_utf8(&bytes[..start - 1]).unwrap_or_default();
        walker.leaf(Value::Text(word), place.part(0..start - 1, true));
        walker.leave(mark);
        let text = std::str::from_utf8(digits).ok();
        walker.decoded(encoding, &inner, place.part(start..bytes.len(), true), |walker, place| walker.bytes(&inner, text, place));
        true
    }
}

/// What stands behind such a word, whether or not anything says that it is base64.
pub(in super::super) fn behind_word(text: &str) -> Option<&str> {
    text.get(end_of_word(text.as_bytes())?..)
}

/// Where the word and its separator end.
fn end_of_word(bytes: &[u8]) -> Option<usize> {
    let head = &bytes[..bytes.len().min(LONGEST_PREFIX)];
    let start = head.iter().rposition(|byte| SEPARATORS.contains(byte)).map(|at| at + 1).filter(|start| *start > 1)?;
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte) || SEPARATORS.contains(byte);
    head[..start].iter().all(is_of_word).then_some(start)
}

const SEPARATORS: &[u8] = b":|$;,";
/// With its separator.
const LONGEST_PREFIX: usize = 24;
