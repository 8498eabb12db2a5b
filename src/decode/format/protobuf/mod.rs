//! Protocol Buffers (protobuf.dev, "Encoding"): with a descriptor its fields have names and types; without one they are numbers,
//! and both that it is a message at all and what its values are is a guess.

mod evidence;
mod wire;

use std::collections::BTreeMap;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use crate::model::Encoding;

use super::{
    super::{
        leaf::Value,
        walker::{Limit, Place, Surface, Walker},
    },
    Decoder,
};
use evidence::{is_double, is_float, is_text};
use wire::{Field, Fields, Wire};

pub(super) use evidence::{is_message, is_protobuf};

/// Protocol Buffers without a descriptor.
pub(super) struct Protobuf;

impl Decoder for Protobuf {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        // Cheapest first: nearly every other value breaks the grammar within its first fields.
        if !wire::is_whole(bytes) || !walker.may_look(bytes.len() * 4) || !is_protobuf(bytes) {
            return false;
        }
        walk_protobuf(bytes, None, place, walker)
    }
}

/// Gives every field of a message to the walker; false when the bytes are no message to the last one. Whether they are one by
/// chance, the caller knows.
pub(in super::super) fn walk_protobuf(bytes: &[u8], descriptor: Option<&MessageDescriptor>, place: Place, walker: &mut Walker<'_>) -> bool {
    if !wire::is_whole(bytes) {
        return false;
    }
    let encoding = if descriptor.is_some() { Encoding::Protobuf } else { Encoding::ProtobufGuess };
    walker.document(encoding, bytes, place, |walker, place| message(bytes, descriptor, place, walker, 0));
    true
}

/// One message, known to be one to its last byte.
fn message(bytes: &[u8], descriptor: Option<&MessageDescriptor>, place: Place, walker: &mut Walker<'_>, depth: usize) {
    let repeated = repeated(bytes);
    let outer = walker.open_group();
    for field in Fields::new(bytes).map_while(Result::ok) {
        if walker.is_full() {
            walker.cut(Limit::Leaves);
            walker.unread((bytes.len() - field.start) as u64);
            break;
        }
        let described = descriptor.and_then(|message| message.get_field(field.number)).filter(|known| fits(known, &field.wire));
        let mark = match &described {
            Some(known) => walker.enter_key(known.name()),
            None => walker.enter_number(u64::from(field.number)),
        };
        let list = described.as_ref().map_or_else(|| repeated.get(&field.number) == Some(&true), FieldDescriptor::is_list);
        if list {
            walker.enter_element();
        }
        let place = place.part(field.range.clone(), true);
        match &described {
            Some(known) => known_value(known, &field, place, walker, depth),
            None => guessed_value(&field, place, walker, depth),
        }
        walker.leave(mark);
    }
    walker.close_group(outer);
}

/// Which fields occur more than once.
fn repeated(bytes: &[u8]) -> BTreeMap<u32, bool> {
    let mut repeated = BTreeMap::new();
    for field in Fields::new(bytes).map_while(Result::ok) {
        if let Some(again) = repeated.get_mut(&field.number) {
            *again = true;
        } else if repeated.len() < MOST_NUMBERS {
            repeated.insert(field.number, false);
        }
    }
    repeated
}

/// A field of a message that has no descriptor. An integer may have been meant as signed in another way; its bits are shown as they
/// are.
fn guessed_value(field: &Field<'_>, place: Place, walker: &mut Walker<'_>, depth: usize) {
    let number = match field.wire {
        Wire::Varint(value) => value.cast_signed().to_string(),
        Wire::Fixed64(bits) if is_double(bits) => format!("{:?}", f64::from_bits(bits)),
        Wire::Fixed64(bits) => bits.cast_signed().to_string(),
        Wire::Fixed32(bits) if is_float(bits) => format!("{:?}", f32::from_bits(bits)),
        Wire::Fixed32(bits) => bits.cast_signed().to_string(),
        Wire::Bytes(bytes) => return guessed_bytes(bytes, place, walker, depth),
    };
    match field.wire {
        // Degrees times 10^7 of 90 to 130 look like a float: where the phone was, it may be told by either.
        Wire::Fixed32(bits) if is_float(bits) => walker.number_or(&number, &bits.cast_signed().to_string(), place.respelled()),
        _ => walker.leaf(Value::Number(&number), place.respelled()),
    }
}

fn guessed_bytes(bytes: &[u8], place: Place, walker: &mut Walker<'_>, depth: usize) {
    let text = is_text(bytes);
    // A line break and a length are how a message begins whose first field is text (`0a 20 …`): when that length is right to the
    // byte, it is no text that happens to begin with a line break.
    let could_be_message = !bytes.is_empty() && (text.is_none() || bytes.starts_with(b"\n"));
    if could_be_message && wire::is_whole(bytes) {
        let (is, cost) = evidence::is_message_at_cost(bytes);
        if walker.may_look(cost + bytes.len()) && is {
            return nested(bytes, None, place, walker, depth);
        }
    }
    match text {
        Some(text) => walker.text(text, place, Surface::Value),
        None => walker.bytes(bytes, None, place),
    }
}

fn nested(bytes: &[u8], descriptor: Option<&MessageDescriptor>, place: Place, walker: &mut Walker<'_>, depth: usize) {
    if depth == DEEPEST {
        walker.cut(Limit::Nesting);
        walker.leaf(Value::Bytes { bytes, text: None }, place);
    } else {
        message(bytes, descriptor, place, walker, depth + 1);
    }
}

/// Whether a value came in the wire type of its field, or packed.
fn fits(field: &FieldDescriptor, wire: &Wire<'_>) -> bool {
    match (field.kind(), wire) {
        (Kind::String | Kind::Bytes | Kind::Message(_), Wire::Bytes(_)) => true,
        (Kind::String | Kind::Bytes | Kind::Message(_), _) => false,
        (kind, Wire::Bytes(bytes)) => field.is_list() && packed(&kind, bytes).all(|element| element.is_some()),
        (Kind::Double | Kind::Fixed64 | Kind::Sfixed64, wire) => matches!(wire, Wire::Fixed64(_)),
        (Kind::Float | Kind::Fixed32 | Kind::Sfixed32, wire) => matches!(wire, Wire::Fixed32(_)),
        (_, wire) => matches!(wire, Wire::Varint(_)),
    }
}

fn known_value(known: &FieldDescriptor, field: &Field<'_>, place: Place, walker: &mut Walker<'_>, depth: usize) {
    match (known.kind(), &field.wire) {
        (Kind::Message(entry), Wire::Bytes(bytes)) if known.is_map() && wire::is_whole(bytes) => {
            map_entry(&entry, bytes, place, walker, depth);
        }
        (Kind::Message(message), Wire::Bytes(bytes)) if wire::is_whole(bytes) => nested(bytes, Some(&message), place, walker, depth),
        (Kind::String, Wire::Bytes(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => walker.text(text, place, Surface::Value),
            Err(_) => walker.bytes(bytes, None, place),
        },
        (Kind::Bytes | Kind::Message(_), Wire::Bytes(bytes)) => walker.bytes(bytes, None, place),
        (kind, Wire::Bytes(bytes)) => {
            for (element, range) in packed(&kind, bytes).flatten() {
                scalar(&kind, &element, place.part(range, true), walker);
            }
        }
        (kind, wire) => scalar(&kind, wire, place, walker),
    }
}

/// The key of a map's entry is a name, as in JSON.
fn map_entry(entry: &MessageDescriptor, bytes: &[u8], place: Place, walker: &mut Walker<'_>, depth: usize) {
    let key = Fields::new(bytes).map_while(Result::ok).find(|field| field.number == 1);
    let key = match key.map(|field| field.wire) {
        Some(Wire::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Some(wire) => number(&entry.map_entry_key_field().kind(), &wire),
        // A key that is its type's default is left out.
        None => String::new(),
    };
    let mark = walker.enter_key(&key);
    for field in Fields::new(bytes).map_while(Result::ok).filter(|field| field.number != 1) {
        let place = place.part(field.range.clone(), true);
        let known = entry.map_entry_value_field();
        if field.number == known.number() && fits(&known, &field.wire) {
            known_value(&known, &field, place, walker, depth + 1);
        } else {
            guessed_value(&field, place, walker, depth + 1);
        }
    }
    walker.leave(mark);
}

fn scalar(kind: &Kind, wire: &Wire<'_>, place: Place, walker: &mut Walker<'_>) {
    match (kind, wire) {
        (Kind::Bool, Wire::Varint(value)) => walker.leaf(Value::Boolean(*value != 0), place),
        _ => walker.leaf(Value::Number(&number(kind, wire)), place.respelled()),
    }
}

/// A scalar as its type has it.
fn number(kind: &Kind, wire: &Wire<'_>) -> String {
    match (kind, wire) {
        (Kind::Uint32 | Kind::Uint64, Wire::Varint(value)) => value.to_string(),
        // Zigzag: protobuf.dev, "Signed Integers".
        (Kind::Sint32 | Kind::Sint64, Wire::Varint(value)) => ((value >> 1).cast_signed() ^ -(value & 1).cast_signed()).to_string(),
        (_, Wire::Varint(value)) => value.cast_signed().to_string(),
        (Kind::Double, Wire::Fixed64(bits)) => format!("{:?}", f64::from_bits(*bits)),
        (Kind::Sfixed64, Wire::Fixed64(bits)) => bits.cast_signed().to_string(),
        (_, Wire::Fixed64(bits)) => bits.to_string(),
        (Kind::Float, Wire::Fixed32(bits)) => format!("{:?}", f32::from_bits(*bits)),
        (Kind::Sfixed32, Wire::Fixed32(bits)) => bits.cast_signed().to_string(),
        (_, Wire::Fixed32(bits)) => bits.to_string(),
        (_, Wire::Bytes(bytes)) => crate::model::text::hex(bytes),
    }
}

/// The elements of a packed field, each with its byte range; `None` where the bytes are none.
fn packed<'a>(kind: &Kind, bytes: &'a [u8]) -> impl Iterator<Item = Option<(Wire<'a>, std::ops::Range<usize>)>> {
    let width = match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Some(8),
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Some(4),
        _ => None,
    };
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let element = match width {
            Some(8) => wire::fixed64(bytes, at).map(Wire::Fixed64).map(|wire| (wire, at..at + 8)),
            Some(_) => wire::fixed32(bytes, at).map(Wire::Fixed32).map(|wire| (wire, at..at + 4)),
            None => wire::varint(bytes, at).map(|(value, end)| (Wire::Varint(value), at..end)),
        };
        at = element.as_ref().map_or(bytes.len(), |(_, range)| range.end);
        Some(element)
    })
}

/// So deep do messages lie within each other; each level is a call.
const DEEPEST: usize = 32;
/// Of so many different fields it is known whether they are repeated.
const MOST_NUMBERS: usize = 4096;
