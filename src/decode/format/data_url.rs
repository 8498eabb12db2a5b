//! Base64 that something stands in the way of: the head of a `data:` URL (RFC 2397) before it, blanks in it, or blanks in the place
//! of `+`, as a form makes them that forgot its escapes. The `base64` decoders know all other base64.

use crate::model::Encoding;

use super::{
    super::{
        dark::is_noise,
        leaf::Value,
        walker::{Place, Surface, Walker, is_readable},
    },
    Decoder,
    known::is_known,
    unpack,
};

/// A `data:` URL.
pub(super) struct DataUrl;

impl Decoder for DataUrl {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        let Some(start) = start_of_data(bytes) else { return false };
        let digits = &bytes[start..];
        if !walker.may_look(digits.len()) {
            return false;
        }
        let Some((encoding, inner)) = unpack(digits, usize::MAX).filter(|(encoding, _)| *encoding != Encoding::Hex) else { return false };
        if !walker.may_copy(inner.len()) {
            return false;
        }
        // The media type is a word of the app's; everything after it is the data.
        let mark = walker.enter_own("{type}");
        let media = std::str::from_utf8(&bytes[..start]).unwrap_or_default();
        walker.leaf(Value::Text(media), place.part(0..start, true));
        walker.leave(mark);
        let text = std::str::from_utf8(digits).ok();
        walker.decoded(encoding, &inner, place.part(start..bytes.len(), true), |walker, place| walker.bytes(&inner, text, place));
        true
    }
}

/// Base64 with blanks in it.
pub(super) struct Blanks;

impl Decoder for Blanks {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        if !walker.may_look(bytes.len()) || !is_noise(text) {
            return false;
        }
        let joined: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let plus: Vec<u8> = bytes.iter().map(|byte| if *byte == b' ' { b'+' } else { *byte }).collect();
        for digits in [joined, plus] {
            if !walker.may_look(digits.len()) {
                return false;
            }
            let Some((encoding, inner)) = unpack(&digits, usize::MAX) else { continue };
            let readable = std::str::from_utf8(&inner).is_ok_and(is_readable);
            if !(readable || is_known(&inner, walker.allowance())) || !walker.may_copy(inner.len()) {
                continue;
            }
            walker.decoded(encoding, &inner, place, |walker, place| walker.bytes(&inner, Some(text), place));
            return true;
        }
        false
    }
}

/// Where the data of a `data:` URL begins.
fn start_of_data(bytes: &[u8]) -> Option<usize> {
    let head = &bytes[..bytes.len().min(LONGEST_HEAD)];
    let head = head.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case(b"data:")).and(Some(head))?;
    let comma = head.iter().position(|byte| *byte == b',')?;
    head[..comma].to_ascii_lowercase().ends_with(b";base64").then_some(comma + 1)
}

/// A media type with its parameters is shorter.
const LONGEST_HEAD: usize = 256;
