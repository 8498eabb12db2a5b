//! Whether bytes are a message or only look like one. The wire format has no magic number, and short random bytes often parse: what
//! speaks against chance is counted, in tenths of a bit.

use std::collections::BTreeMap;

use super::{
    super::super::walker::is_readable,
    wire::{self, Fields, Wire},
};

/// Whether bytes that stand alone are a message and hardly by chance. Text never is.
pub(in super::super) fn is_protobuf(bytes: &[u8]) -> bool {
    let (weight, _) = look(bytes);
    weight.is_some_and(|weight| weight.witnesses > 0 && weight.tenths >= ENOUGH_ALONE) && is_text(bytes).is_none()
}

/// Whether a length-delimited field of a message is itself a message: less is asked of it, because its length is right already.
pub(in super::super) fn is_message(bytes: &[u8]) -> bool {
    is_message_at_cost(bytes).0
}

/// The same, and how many bytes were looked at to say so.
pub(super) fn is_message_at_cost(bytes: &[u8]) -> (bool, usize) {
    let (weight, cost) = look(bytes);
    (weight.is_some_and(|weight| weight.tenths >= ENOUGH_WITHIN), cost)
}

fn look(bytes: &[u8]) -> (Option<Weight>, usize) {
    let most = bytes.len().saturating_mul(DEEPEST + 2);
    let mut budget = most;
    let weight = weigh(bytes, 0, &mut budget);
    (weight, most - budget)
}

/// Text for reading.
pub(super) fn is_text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty() && is_readable(text))
}

/// Whether 64 bits are more likely a floating number than an integer: neither tiny nor huge. Integers that people send have
/// many leading zero bits, which would make them tiny.
pub(super) fn is_double(bits: u64) -> bool {
    (1e-9..1e15).contains(&f64::from_bits(bits).abs())
}

/// The same for 32 bits. Seconds since 1970 in 2026 would be 2.7e25.
pub(super) fn is_float(bits: u32) -> bool {
    (1e-6..1e9).contains(&f32::from_bits(bits).abs())
}

/// What speaks against chance.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    /// Tenths of a bit.
    tenths: i64,
    /// Readable strings and messages within.
    witnesses: u32,
}

/// `None` when the bytes break the grammar, contradict themselves or cost too much to look at.
fn weigh(bytes: &[u8], depth: usize, budget: &mut usize) -> Option<Weight> {
    *budget = budget.checked_sub(bytes.len())?;
    let mut weight = Weight::default();
    let mut kinds: BTreeMap<u32, u8> = BTreeMap::new();
    let mut before = 0;
    let mut fields = 0;
    for field in Fields::new(bytes) {
        let field = field.ok()?;
        let kind = match field.wire {
            Wire::Varint(_) => 0,
            Wire::Fixed64(_) => 1,
            Wire::Bytes(_) => 2,
            Wire::Fixed32(_) => 5,
        };
        if field.number > LARGEST_GUESSED || *kinds.entry(field.number).or_insert(kind) != kind {
            return None;
        }
        weight.tenths += order(before, field.number, kind);
        before = field.number;
        fields += 1;
        match field.wire {
            Wire::Varint(_) => {}
            Wire::Fixed64(bits) => weight.tenths += if is_double(bits) { 40 } else { 0 },
            Wire::Fixed32(bits) => weight.tenths += if is_float(bits) { 20 } else { 0 },
            Wire::Bytes(inner) => {
                let could_be = !inner.is_empty() && (is_text(inner).is_none() || inner.starts_with(b"\n"));
                let within = match could_be {
                    true if depth < DEEPEST => weigh(inner, depth + 1, budget).filter(|weight| weight.tenths >= ENOUGH_WITHIN),
                    // Nobody looks deeper; so many lengths that are right speak for another one.
                    true if wire::is_whole(inner) => Some(Weight { tenths: ENOUGH_WITHIN, witnesses: 0 }),
                    _ => None,
                };
                if let Some(within) = within {
                    weight.tenths += within.tenths;
                    weight.witnesses += 1;
                } else if let Some(text) = is_text(inner) {
                    weight.tenths += 14 * i64::try_from(text.len().min(LONGEST_TEXT)).unwrap_or_default();
                    weight.witnesses += u32::from(text.len() >= SHORTEST_TEXT);
                }
                if field.range.end == bytes.len() {
                    // A length that ends where the message does.
                    weight.tenths += 30;
                }
            }
        }
    }
    (fields > 0).then_some(weight)
}

/// What the order of two fields says: encoders write them by their numbers, and numbers are given without large gaps. A repeated
/// scalar says nothing, or any even series of bytes would be a message.
fn order(before: u32, number: u32, kind: u8) -> i64 {
    match number.checked_sub(before) {
        Some(0) if kind == 2 => 60,
        Some(0) => 0,
        Some(1) => 60,
        Some(2..=4) => 40,
        Some(5..=16) => 20,
        Some(_) => 0,
        None => -40,
    }
}

/// Twenty-two bits: a few random values in ten million have them.
const ENOUGH_ALONE: i64 = 220;
const ENOUGH_WITHIN: i64 = 120;
/// Larger numbers need three bytes for their tags; hardly anybody gives them.
const LARGEST_GUESSED: u32 = 2047;
const SHORTEST_TEXT: usize = 3;
const LONGEST_TEXT: usize = 40;
/// So deep is looked for evidence; each level is a call.
const DEEPEST: usize = 16;
