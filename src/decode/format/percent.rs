//! Percent-encoding (RFC 3986 section 2.1) beyond the one that a URL or a form has itself.

use crate::model::Encoding;

use super::{
    super::walker::{Place, Surface, Walker},
    Decoder,
};

/// A text in which every `%` begins an escape, and which is text when they are undone.
pub(super) struct Percent;

impl Decoder for Percent {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        let Some(plain) = decode_whole(bytes) else { return false };
        if !walker.may_copy(plain.len()) {
            return false;
        }
        walker.decoded(Encoding::Percent, plain.as_bytes(), place, |walker, place| walker.text(&plain, place, Surface::Value));
        true
    }
}

/// The text behind the escapes; `None` when there is none, when one is broken, or when it is no text.
pub(in super::super) fn decode_whole(bytes: &[u8]) -> Option<String> {
    if !bytes.contains(&b'%') || bytes.iter().any(|byte| !byte.is_ascii_graphic()) {
        return None;
    }
    let mut escapes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%').map(|(at, _)| bytes.get(at + 1..at + 3));
    if !escapes.all(|digits| digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))) {
        return None;
    }
    let mut plain = Vec::with_capacity(bytes.len());
    plain.extend(percent_encoding::percent_decode(bytes));
    let plain = String::from_utf8(plain).ok()?;
    super::super::walker::is_readable(&plain).then_some(plain)
}
