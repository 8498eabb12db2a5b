//! MessagePack (github.com/msgpack/msgpack, spec.md). It has no magic number: in a value it needs evidence, see `tree`.

use std::ops::Range;

use crate::model::Encoding;

use super::{
    super::walker::{Place, Surface, Walker},
    Decoder,
    tree::{self, Item, Token, float},
};

/// MessagePack.
pub(super) struct MessagePack;

impl Decoder for MessagePack {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        if !begins(bytes) || !walker.may_look(bytes.len() * 2) || !is_msgpack(bytes) {
            return false;
        }
        walker.document(Encoding::MessagePack, bytes, place, |walker, place| walk_msgpack(bytes, place, walker));
        true
    }
}

/// Gives every leaf of documents in a row to the walker, up to where they are none.
pub(in super::super) fn walk_msgpack(bytes: &[u8], place: Place, walker: &mut Walker<'_>) {
    tree::walk(Reader { bytes, at: 0 }, bytes.len(), place, walker);
}

/// Whether the bytes are documents in a row, to the last one: enough where a content type says so.
pub(in super::super) fn is_msgpack_whole(bytes: &[u8]) -> bool {
    tree::is_whole(Reader { bytes, at: 0 }, bytes.len())
}

/// Whether the bytes are one map or array and hardly by chance.
pub(super) fn is_msgpack(bytes: &[u8]) -> bool {
    begins(bytes) && tree::is_document(Reader { bytes, at: 0 }, bytes.len())
}

/// fixmap, fixarray, array 16, array 32, map 16, map 32.
fn begins(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x81..=0x8f | 0x91..=0x9f | 0xdc..=0xdf))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: u64) -> Option<(&'a [u8], Range<usize>)> {
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        let range = self.at..end;
        let bytes = self.bytes.get(range.clone())?;
        self.at = end;
        Some((bytes, range))
    }

    /// A big-endian number of so many bytes.
    fn number(&mut self, width: u64) -> Option<u64> {
        let (bytes, _) = self.take(width)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn text(&mut self, length: u64) -> Option<(Token<'a>, Range<usize>)> {
        let (bytes, range) = self.take(length)?;
        Some((Token::Text(std::str::from_utf8(bytes).ok()?.into()), range))
    }

    fn binary(&mut self, length: u64) -> Option<(Token<'a>, Range<usize>)> {
        let (bytes, range) = self.take(length)?;
        Some((Token::Bytes(bytes.into()), range))
    }

    fn extension(&mut self, length: u64) -> Option<(Token<'a>, Range<usize>)> {
        let kind = self.number(1)?;
        let (bytes, range) = self.take(length)?;
        Some((timestamp(kind, bytes).unwrap_or(Token::Bytes(bytes.into())), range))
    }
}

/// The timestamp extension, type -1: seconds since 1970, in 32 bits, in the lower 34 of 64 bits, or in 64 bits after nanoseconds.
fn timestamp(kind: u64, bytes: &[u8]) -> Option<Token<'static>> {
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let seconds = match (kind, bytes.len()) {
        (0xff, 4) => number(bytes).to_string(),
        (0xff, 8) => (number(bytes) & ((1 << 34) - 1)).to_string(),
        (0xff, 12) => number(&bytes[4..]).cast_signed().to_string(),
        _ => return None,
    };
    Some(Token::Number(seconds))
}

impl<'a> tree::Reader<'a> for Reader<'a> {
    fn next(&mut self) -> Option<Item<'a>> {
        let start = self.at;
        let marker = *self.bytes.get(start)?;
        self.at += 1;
        let low = u64::from(marker & 0x0f);
        let sign = |number: u64, width: u64| (number << (64 - width * 8)).cast_signed() >> (64 - width * 8);
        // Widths of uint, int, str, bin, array and map follow the two lowest bits.
        let width = 1_u64 << (marker & 3);
        let plain = |reader: &Self, token| Some((token, start + usize::from(reader.at > start + 1)..reader.at));
        let (token, range) = match marker {
            0x00..=0x7f => plain(self, Token::Number(marker.to_string()))?,
            0x80..=0x8f => plain(self, Token::Map(Some(low)))?,
            0x90..=0x9f => plain(self, Token::Array(Some(low)))?,
            0xa0..=0xbf => self.text(u64::from(marker & 0x1f))?,
            0xc0 => plain(self, Token::Null)?,
            0xc2 | 0xc3 => plain(self, Token::Boolean(marker == 0xc3))?,
            0xc4..=0xc6 => {
                let length = self.number(1 << (marker - 0xc4))?;
                self.binary(length)?
            }
            0xc7..=0xc9 => {
                let length = self.number(1 << (marker - 0xc7))?;
                self.extension(length)?
            }
            0xca => {
                let bits = u32::try_from(self.number(4)?).ok()?;
                let value = f32::from_bits(bits);
                plain(self, Token::Number(format!("{value:?}")))?
            }
            0xcb => {
                let value = f64::from_bits(self.number(8)?);
                plain(self, Token::Number(float(value)))?
            }
            0xcc..=0xcf => {
                let value = self.number(width)?;
                plain(self, Token::Number(value.to_string()))?
            }
            0xd0..=0xd3 => {
                let value = sign(self.number(width)?, width);
                plain(self, Token::Number(value.to_string()))?
            }
            0xd4..=0xd8 => self.extension(1 << (marker - 0xd4))?,
            0xd9..=0xdb => {
                let length = self.number(1 << (marker - 0xd9))?;
                self.text(length)?
            }
            0xdc | 0xdd => {
                let count = self.number(2 << (marker - 0xdc))?;
                plain(self, Token::Array(Some(count)))?
            }
            0xde | 0xdf => {
                let count = self.number(2 << (marker - 0xde))?;
                plain(self, Token::Map(Some(count)))?
            }
            0xe0..=0xff => plain(self, Token::Number(marker.cast_signed().to_string()))?,
            0xc1 => return None,
        };
        Some(Item { token, range })
    }

    fn at(&self) -> usize {
        self.at
    }
}
