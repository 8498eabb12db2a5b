//! FIT (Garmin's FIT SDK, "FIT Protocol"): what sport watches record. Each message is defined in the file before it is used, so that
//! every field is found; names, units and scales of the well-known ones are `profile`'s.

mod profile;

use std::ops::Range;

use crate::model::Encoding;

use super::{
    super::{
        leaf::Value,
        walker::{Limit, Place, Surface, Walker},
    },
    Decoder,
};
use profile::Meaning;

/// FIT activity, monitoring and settings files.
pub(super) struct Fit;

impl Decoder for Fit {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        if !is_fit(bytes) || !walker.may_look(bytes.len()) {
            return false;
        }
        walker.document(Encoding::Fit, bytes, place, |walker, place| {
            let mut at = 0;
            // Files may follow each other ("chained FIT files").
            while let Some(file) = header(bytes, at) {
                at = records(bytes, &file, place, walker);
                if at < file.end {
                    break;
                }
                at = (file.end + CHECKSUM).min(bytes.len());
            }
            if at < bytes.len() {
                let mark = walker.enter_own("{rest}");
                walker.leaf(Value::Opaque(&bytes[at..]), place.part(at..bytes.len(), true));
                walker.leave(mark);
            }
        });
        true
    }
}

/// Whether bytes begin with a FIT header whose records lie within them.
pub(super) fn is_fit(bytes: &[u8]) -> bool {
    header(bytes, 0).is_some()
}

/// Where the records of the file at a byte are: header size, two versions, data size (4 bytes, little-endian), `.FIT`.
fn header(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let head = bytes.get(at..)?.first_chunk::<12>()?;
    let (length, magic) = (u32::from_le_bytes([head[4], head[5], head[6], head[7]]), &head[8..12]);
    let start = at + usize::from(head[0]);
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (matches!(head[0], 12 | 14) && magic == b".FIT" && start < end && end <= bytes.len()).then_some(start..end)
}

/// What a definition message says of the data messages of one local type.
#[derive(Clone)]
struct Definition {
    message: u16,
    big_endian: bool,
    fields: Vec<Field>,
}

#[derive(Clone, Copy)]
struct Field {
    number: u8,
    size: u8,
    base: u8,
    /// Defined by an app on the watch: its number says nothing.
    developer: bool,
}

/// Gives the fields of every record to the walker; where it stopped.
fn records(bytes: &[u8], file: &Range<usize>, place: Place, walker: &mut Walker<'_>) -> usize {
    let mut definitions: [Option<Definition>; 16] = Default::default();
    let mut at = file.start;
    while at < file.end {
        if walker.is_full() {
            walker.cut(Limit::Leaves);
            return at;
        }
        let data = &bytes[..file.end];
        let header = data[at];
        let next = if header & 0xc0 == 0x40 {
            definition(data, at + 1, header & 0x20 != 0).map(|(definition, end)| {
                definitions[usize::from(header & 0x0f)] = Some(definition);
                end
            })
        } else {
            // A compressed timestamp has the local type in bits 5 and 6.
            let local = if header & 0x80 != 0 { header >> 5 & 3 } else { header & 0x0f };
            let definition = definitions[usize::from(local)].as_ref();
            definition.and_then(|definition| message(data, at + 1, definition, place, walker))
        };
        match next {
            Some(end) => at = end,
            None => return at,
        }
    }
    at
}

/// Reserved byte, byte order, message number, count, and three bytes for each field: number, size, base type.
fn definition(data: &[u8], at: usize, developer: bool) -> Option<(Definition, usize)> {
    let [_, order, low, high, count] = *data.get(at..)?.first_chunk::<5>()?;
    let big_endian = order == 1;
    let message = if big_endian { u16::from_be_bytes([low, high]) } else { u16::from_le_bytes([low, high]) };
    let mut end = at + 5;
    let mut fields = Vec::new();
    let mut take = |end: &mut usize, count: u8, developer: bool| {
        let list = data.get(*end..*end + usize::from(count) * 3)?;
        fields.extend(list.chunks_exact(3).map(|field| Field { number: field[0], size: field[1], base: field[2], developer }));
        *end += list.len();
        Some(())
    };
    take(&mut end, count, false)?;
    if developer {
        let count = *data.get(end)?;
        end += 1;
        take(&mut end, count, true)?;
    }
    Some((Definition { message, big_endian, fields }, end))
}

fn message(data: &[u8], at: usize, definition: &Definition, place: Place, walker: &mut Walker<'_>) -> Option<usize> {
    let size: usize = definition.fields.iter().map(|field| usize::from(field.size)).sum();
    let end = at + size;
    if end > data.len() {
        return None;
    }
    let name = profile::message(definition.message);
    let mark = match name {
        Some(name) => walker.enter_own(name),
        None => walker.enter_own(&format!("message_{}", definition.message)),
    };
    walker.enter_element();
    let outer = walker.open_group();
    let mut start = at;
    for field in &definition.fields {
        let range = start..start + usize::from(field.size);
        start = range.end;
        if !range.is_empty() {
            one_field(data, range, *field, definition, place, walker);
        }
    }
    walker.close_group(outer);
    walker.leave(mark);
    Some(end)
}

fn one_field(data: &[u8], range: Range<usize>, field: Field, definition: &Definition, place: Place, walker: &mut Walker<'_>) {
    let known = if field.developer { None } else { profile::field(definition.message, field.number) };
    let mark = match known {
        Some((name, _)) => walker.enter_own(name),
        None if field.developer => walker.enter_own(&format!("developer_{}", field.number)),
        None => walker.enter_own(&format!("field_{}", field.number)),
    };
    let bytes = &data[range.clone()];
    let width = width(field.base);
    // The base type of a developer's field is in a message of its own.
    if field.developer || field.base == BYTES || !bytes.len().is_multiple_of(width) {
        walker.bytes(bytes, None, place.part(range, true));
    } else if field.base == TEXT {
        let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let place = place.part(range.start..range.start + length, true);
        match std::str::from_utf8(&bytes[..length]) {
            Ok(text) => walker.text(text, place, Surface::Value),
            Err(_) => walker.bytes(&bytes[..length], None, place),
        }
    } else {
        if bytes.len() > width {
            walker.enter_element();
        }
        let meaning = known.map_or(Meaning::Plain, |(_, meaning)| meaning);
        for (number, value) in bytes.chunks_exact(width).enumerate() {
            let start = range.start + number * width;
            let place = place.part(start..start + width, true).respelled();
            match spelled(value, field.base, definition.big_endian, meaning) {
                Some(text) => walker.leaf(Value::Number(&text), place),
                None => walker.leaf(Value::Null, place),
            }
        }
    }
    walker.leave(mark);
}

/// Bytes of one value of a base type: the low five bits number it.
const fn width(base: u8) -> usize {
    match base & 0x1f {
        3 | 4 | 11 => 2,
        5 | 6 | 8 | 12 => 4,
        9 | 14..=16 => 8,
        _ => 1,
    }
}

/// A number as the profile has it; `None` for the value that stands for "none" in its type.
fn spelled(bytes: &[u8], base: u8, big_endian: bool, meaning: Meaning) -> Option<String> {
    let width = bytes.len();
    let bits = if big_endian {
        bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    } else {
        bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let all_ones = u64::MAX >> (64 - 8 * width);
    let kind = base & 0x1f;
    let invalid = match kind {
        1 | 3 | 5 | 14 => all_ones >> 1,
        10..=12 | 16 => 0,
        _ => all_ones,
    };
    if bits == invalid {
        return None;
    }
    Some(match kind {
        8 => format!("{:?}", f32::from_bits(u32::try_from(bits).unwrap_or_default())),
        9 => format!("{:?}", f64::from_bits(bits)),
        1 | 3 | 5 | 14 => {
            let shift = 64 - 8 * width;
            meaning.spell(i128::from((bits << shift).cast_signed() >> shift))
        }
        _ => meaning.spell(i128::from(bits)),
    })
}

const TEXT: u8 = 0x07;
const BYTES: u8 = 0x0d;
/// A file ends with a CRC of two bytes.
const CHECKSUM: usize = 2;
