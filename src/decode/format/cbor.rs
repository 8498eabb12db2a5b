//! CBOR (RFC 8949). Its magic number, the tag 55799, is hardly ever sent: in a value it needs evidence, see `tree`.

use std::{borrow::Cow, ops::Range};

use crate::model::Encoding;

use super::{
    super::walker::{Place, Surface, Walker},
    Decoder,
    tree::{self, Item, Token, float},
};

/// CBOR, RFC 8949.
pub(super) struct Cbor;

impl Decoder for Cbor {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        if !begins(bytes) || !walker.may_look(bytes.len() * 2) || !is_cbor(bytes) {
            return false;
        }
        walker.document(Encoding::Cbor, bytes, place, |walker, place| walk_cbor(bytes, place, walker));
        true
    }
}

/// Gives every leaf of a sequence of documents (RFC 8742) to the walker, up to where they are none.
pub(in super::super) fn walk_cbor(bytes: &[u8], place: Place, walker: &mut Walker<'_>) {
    tree::walk(Reader { bytes, at: 0 }, bytes.len(), place, walker);
}

/// Whether the bytes are a sequence of documents (RFC 8742), to the last one: enough where a content type says so.
pub(in super::super) fn is_cbor_whole(bytes: &[u8]) -> bool {
    tree::is_whole(Reader { bytes, at: 0 }, bytes.len())
}

/// Whether the bytes are one map or array and hardly by chance.
pub(super) fn is_cbor(bytes: &[u8]) -> bool {
    begins(bytes) && tree::is_document(Reader { bytes, at: 0 }, bytes.len())
}

/// Arrays, maps and tags.
fn begins(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x81..=0x9f | 0xa1..=0xdb))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The first byte of an item and its argument (RFC 8949 section 3).
struct Head {
    major: u8,
    /// The lower five bits.
    info: u8,
    /// `None` for an indefinite length.
    argument: Option<u64>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: u64) -> Option<(&'a [u8], Range<usize>)> {
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        let range = self.at..end;
        let bytes = self.bytes.get(range.clone())?;
        self.at = end;
        Some((bytes, range))
    }

    fn head(&mut self) -> Option<Head> {
        let first = *self.bytes.get(self.at)?;
        self.at += 1;
        let (major, info) = (first >> 5, first & 0x1f);
        let argument = match info {
            0..=23 => Some(u64::from(info)),
            24..=27 => {
                let (bytes, _) = self.take(1 << (info - 24))?;
                Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
            }
            31 if !matches!(major, 0 | 1 | 6) => None,
            _ => return None,
        };
        Some(Head { major, info, argument })
    }

    /// A string: whole, or in chunks of its own kind up to a break.
    fn string(&mut self, head: &Head) -> Option<(Cow<'a, [u8]>, Range<usize>)> {
        if let Some(length) = head.argument {
            return self.take(length).map(|(bytes, range)| (bytes.into(), range));
        }
        let start = self.at;
        let mut whole = Vec::new();
        loop {
            let chunk = self.head()?;
            match (chunk.major, chunk.argument) {
                (7, None) => return Some((whole.into(), start..self.at - 1)),
                (major, Some(length)) if major == head.major => whole.extend_from_slice(self.take(length)?.0),
                _ => return None,
            }
        }
    }
}

impl<'a> tree::Reader<'a> for Reader<'a> {
    fn next(&mut self) -> Option<Item<'a>> {
        let (head, start) = loop {
            let start = self.at;
            let head = self.head()?;
            // Tags say how a value is meant; the value stands for itself.
            if head.major != 6 {
                break (head, start);
            }
        };
        let own = start + usize::from(self.at > start + 1)..self.at;
        let (token, range) = match (head.major, head.argument) {
            (0, Some(number)) => (Token::Number(number.to_string()), own),
            (1, Some(number)) => (Token::Number((-1 - i128::from(number)).to_string()), own),
            (2, _) => {
                let (bytes, range) = self.string(&head)?;
                (Token::Bytes(bytes), range)
            }
            (3, _) => {
                let (bytes, range) = self.string(&head)?;
                let text = match bytes {
                    Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok()?.into(),
                    Cow::Owned(bytes) => String::from_utf8(bytes).ok()?.into(),
                };
                (Token::Text(text), range)
            }
            (4, count) => (Token::Array(count), own),
            (5, count) => (Token::Map(count), own),
            (7, None) => (Token::Break, own),
            (7, Some(bits)) => (simple(head.info, bits)?, own),
            _ => return None,
        };
        Some(Item { token, range })
    }

    fn at(&self) -> usize {
        self.at
    }
}

/// Simple values and floating numbers (RFC 8949 section 3.3).
fn simple(info: u8, bits: u64) -> Option<Token<'static>> {
    Some(match (info, bits) {
        (20 | 21, _) => Token::Boolean(info == 21),
        (22 | 23, _) => Token::Null,
        (25, _) => Token::Number(float(half(u16::try_from(bits).ok()?))),
        (26, _) => Token::Number(format!("{:?}", f32::from_bits(u32::try_from(bits).ok()?))),
        (27, _) => Token::Number(float(f64::from_bits(bits))),
        (0..=19, _) | (24, 32..) => Token::Number(bits.to_string()),
        _ => return None,
    })
}

/// IEEE 754 binary16: 1 bit sign, 5 bits exponent, 10 bits mantissa.
fn half(bits: u16) -> f64 {
    let (exponent, mantissa) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let value = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + mantissa / 1024.0) * 2_f64.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -value } else { value }
}
