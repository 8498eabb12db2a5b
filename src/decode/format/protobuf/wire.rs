//! The wire format (protobuf.dev, "Encoding"): tags, and four of the six wire types. Groups, which are no longer written, end the
//! message as broken.

use std::ops::Range;

/// One field as it was sent.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    pub(super) wire: Wire<'a>,
    /// Where its tag begins.
    pub(super) start: usize,
    /// Bytes of the value, without tag and length.
    pub(super) range: Range<usize>,
}

/// A value as it was sent. Fixed ones are little-endian.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// Not a message from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// The fields of a message, up to its end or to where it breaks.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    broken: bool,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, broken: false }
    }

    fn field(&mut self) -> Option<Field<'a>> {
        let start = self.at;
        let (tag, at) = varint(self.bytes, start)?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| (1..=LARGEST_NUMBER).contains(number))?;
        let (wire, range) = match tag & 7 {
            0 => {
                let (value, end) = varint(self.bytes, at)?;
                (Wire::Varint(value), at..end)
            }
            1 => (Wire::Fixed64(fixed64(self.bytes, at)?), at..at + 8),
            2 => {
                let (length, from) = varint(self.bytes, at)?;
                let end = from.checked_add(usize::try_from(length).ok()?)?;
                (Wire::Bytes(self.bytes.get(from..end)?), from..end)
            }
            5 => (Wire::Fixed32(fixed32(self.bytes, at)?), at..at + 4),
            _ => return None,
        };
        self.at = range.end;
        Some(Field { number, wire, start, range })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken || self.at >= self.bytes.len() {
            return None;
        }
        let field = self.field();
        self.broken = field.is_none();
        Some(field.ok_or(Broken))
    }
}

/// Whether the bytes are fields to the last one; no bytes are a message too.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    Fields::new(bytes).all(|field| field.is_ok())
}

/// A varint in its shortest spelling, and where it ends. No encoder writes a longer one.
pub(super) fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (number, byte) in bytes.get(at..)?.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if number == 9 && *byte > 1 {
            return None;
        }
        value |= bits << (7 * number);
        if byte & 0x80 == 0 {
            return (*byte != 0 || number == 0).then_some((value, at + number + 1));
        }
    }
    None
}

pub(super) fn fixed64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}

pub(super) fn fixed32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// protobuf.dev, "Assigning Field Numbers": 2^29 - 1.
const LARGEST_NUMBER: u32 = (1 << 29) - 1;
