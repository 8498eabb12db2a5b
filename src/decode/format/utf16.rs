//! Text in UTF-16 (RFC 2781): known by its byte order mark, by what a content type says, or by being a document that way. What it
//! says is peeled as any other text.

use crate::model::Encoding;

use super::{
    super::{
        json,
        walker::{Place, Surface, Walker, is_readable},
    },
    Decoder, xml,
};

/// A text in UTF-16, with a byte order mark, or a document without one.
pub(super) struct Utf16;

impl Decoder for Utf16 {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        if order_by_looks(bytes).is_none() || !walker.may_look(bytes.len()) {
            return false;
        }
        let Some(text) = utf16(bytes, None).filter(|text| walker.may_copy(text.len())) else { return false };
        walker.decoded(Encoding::Utf16, text.as_bytes(), place, |walker, place| walker.text(&text, place, Surface::Value));
        true
    }
}

/// Which byte of two comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

/// The text that bytes are in UTF-16; `None` when they hardly are. `charset` is what a content type says of them, lower case.
pub(in super::super) fn utf16(bytes: &[u8], charset: Option<&str>) -> Option<String> {
    if let Some((order, marked)) = order_by_looks(bytes) {
        let text = decode(if marked { bytes.get(2..)? } else { bytes }, order)?;
        let is_document = || json::is_json(text.as_bytes()) || xml::is_xml(&text);
        // Of random units hardly any is a letter of ours.
        let is_ours = || text.chars().filter(char::is_ascii).count() * 2 >= text.chars().count();
        if is_document() || marked && (is_ours() || charset.is_some_and(|charset| charset.starts_with("utf-16"))) {
            return Some(text);
        }
    }
    // Text of one byte a character has no zeros, and none of UTF-8 is read again.
    if !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok() {
        return None;
    }
    let order = match charset? {
        "utf-16le" => Order::Little,
        "utf-16be" => Order::Big,
        "utf-16" => {
            let zeros = |first: usize| bytes.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
            if zeros(1) > zeros(0) { Order::Little } else { Order::Big }
        }
        _ => return None,
    };
    decode(bytes, order)
}

/// The byte order, and whether a mark says it; without one, by the character that a document begins with.
fn order_by_looks(bytes: &[u8]) -> Option<(Order, bool)> {
    let begins = |byte: u8| b"{[< \t\r\n".contains(&byte);
    if bytes.len() < SHORTEST || !bytes.len().is_multiple_of(2) {
        return None;
    }
    match bytes {
        [0xff, 0xfe, ..] => Some((Order::Little, true)),
        [0xfe, 0xff, ..] => Some((Order::Big, true)),
        [byte, 0, ..] if begins(*byte) => Some((Order::Little, false)),
        [0, byte, ..] if begins(*byte) => Some((Order::Big, false)),
        _ => None,
    }
}

fn decode(bytes: &[u8], order: Order) -> Option<String> {
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let units = bytes.chunks_exact(2).map(|pair| match order {
        Order::Little => u16::from_le_bytes([pair[0], pair[1]]),
        Order::Big => u16::from_be_bytes([pair[0], pair[1]]),
    });
    let text: String = char::decode_utf16(units).collect::<Result<_, _>>().ok()?;
    (!text.is_empty() && is_readable(&text)).then_some(text)
}

/// A mark and three characters, or `{}` with blanks.
const SHORTEST: usize = 8;
