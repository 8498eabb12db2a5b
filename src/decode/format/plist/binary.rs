//! Binary property lists: objects that name each other by number, a table of where they stand, and a trailer that says where the
//! table is. Objects may be shared, and a hostile list may make them hold themselves.

use std::ops::Range;

use super::super::super::{
    leaf::Value,
    walker::{Limit, Place, Surface, Walker},
};

/// A list whose trailer, table and objects all lie within its bytes.
pub(super) struct Objects<'a> {
    bytes: &'a [u8],
    /// Where the table of offsets is, and how wide each is.
    table: Range<usize>,
    offset_width: usize,
    reference_width: usize,
    count: usize,
    top: usize,
    /// Bytes that no object, table or trailer takes.
    unclaimed: u64,
}

/// Whether bytes are a binary property list.
pub(in super::super) fn is_binary(bytes: &[u8]) -> bool {
    Objects::read(bytes).is_some()
}

/// One object, not yet looked into.
enum Object {
    Null(Range<usize>),
    Boolean(bool, Range<usize>),
    /// Big-endian, signed when it has eight bytes or more.
    Integer(Range<usize>),
    Real(Range<usize>),
    Date(Range<usize>),
    Data(Range<usize>),
    Ascii(Range<usize>),
    Utf16(Range<usize>),
    Uid(Range<usize>),
    /// References of the elements.
    Array(Range<usize>),
    /// References of the keys, then of the values.
    Dictionary(Range<usize>),
}

impl<'a> Objects<'a> {
    /// Reads trailer and table and looks at every object's head.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let body = bytes.len().checked_sub(TRAILER).filter(|_| bytes.starts_with(b"bplist"))?;
        let trailer = bytes.get(body..)?;
        let wide = |at: usize| trailer.get(at..at + 8).and_then(|wide| usize::try_from(number(wide)).ok());
        let (offset_width, reference_width) = (usize::from(trailer[6]), usize::from(trailer[7]));
        let (count, top, start) = (wide(8)?, wide(16)?, wide(24)?);
        let end = count.checked_mul(offset_width)?.checked_add(start)?;
        let fits = (1..=8).contains(&offset_width) && (1..=8).contains(&reference_width) && top < count && start >= HEADER && end <= body;
        let mut objects = Self { bytes, table: start..end, offset_width, reference_width, count, top, unclaimed: 0 };
        if !fits {
            return None;
        }
        let mut claimed = HEADER + TRAILER + end - start;
        for object in 0..count {
            claimed = claimed.saturating_add(objects.extent(object)?);
            // Objects that overlap would make a small list cost very much.
            if claimed > bytes.len() {
                return None;
            }
        }
        objects.unclaimed = bytes.len().saturating_sub(claimed) as u64;
        Some(objects)
    }

    /// How many bytes an object takes; `None` when it is none, or when it names an object that is not there.
    fn extent(&self, object: usize) -> Option<usize> {
        let start = self.offset(object)?;
        let (parsed, end) = self.object(start)?;
        let references = match &parsed {
            Object::Array(range) | Object::Dictionary(range) => range.clone(),
            _ => return Some(end - start),
        };
        let mut within = self.references(references);
        within.all(|reference| reference < self.count).then_some(end - start)
    }

    fn references(&self, range: Range<usize>) -> impl Iterator<Item = usize> + '_ {
        let bytes = self.bytes.get(range).unwrap_or_default();
        bytes.chunks_exact(self.reference_width).map(|reference| usize::try_from(number(reference)).unwrap_or(usize::MAX))
    }

    fn reference(&self, range: &Range<usize>, number_of: usize) -> Option<usize> {
        let at = range.start + number_of.checked_mul(self.reference_width)?;
        let end = at + self.reference_width;
        if end > range.end { None } else { usize::try_from(number(self.bytes.get(at..end)?)).ok() }
    }

    fn offset(&self, object: usize) -> Option<usize> {
        let at = self.table.start + object.checked_mul(self.offset_width)?;
        let offset = usize::try_from(number(self.bytes.get(at..at + self.offset_width)?)).ok()?;
        (HEADER..self.table.start).contains(&offset).then_some(offset)
    }

    /// The object at an offset, and where it ends.
    fn object(&self, at: usize) -> Option<(Object, usize)> {
        let marker = *self.bytes.get(at)?;
        let low = usize::from(marker & 0x0f);
        let sized = |width: usize| {
            let (length, from) = self.length(low, at + 1)?;
            let end = from.checked_add(length.checked_mul(width)?)?;
            (end <= self.table.start).then_some(from..end)
        };
        let fixed = |width: usize| {
            let end = at + 1 + width;
            (end <= self.table.start).then_some(at + 1..end)
        };
        let object = match marker {
            0x00 => Object::Null(at..at + 1),
            0x08 | 0x09 => Object::Boolean(marker == 0x09, at..at + 1),
            0x10..=0x14 => Object::Integer(fixed(1 << low)?),
            0x22 | 0x23 => Object::Real(fixed(1 << low)?),
            0x33 => Object::Date(fixed(8)?),
            0x40..=0x4f => Object::Data(sized(1)?),
            // ASCII, and UTF-8, which newer versions write under a marker of its own.
            0x50..=0x5f | 0x70..=0x7f => Object::Ascii(sized(1)?),
            0x60..=0x6f => Object::Utf16(sized(2)?),
            0x80..=0x8f => Object::Uid(fixed(low + 1)?),
            0xa0..=0xaf | 0xc0..=0xcf => Object::Array(sized(self.reference_width)?),
            0xd0..=0xdf => Object::Dictionary(sized(self.reference_width * 2)?),
            _ => return None,
        };
        let end = object.range().end;
        Some((object, end))
    }

    /// A length: the low bits of the marker, or the integer that follows when they are all set.
    fn length(&self, low: usize, at: usize) -> Option<(usize, usize)> {
        if low != 0x0f {
            return Some((low, at));
        }
        let marker = *self.bytes.get(at)?;
        if !matches!(marker, 0x10..=0x13) {
            return None;
        }
        let width = 1 << (marker & 0x0f);
        let length = number(self.bytes.get(at + 1..at + 1 + width)?);
        Some((usize::try_from(length).ok()?, at + 1 + width))
    }

    /// Gives every value to the walker, also those that nothing refers to.
    pub(super) fn walk(&self, place: Place, walker: &mut Walker<'_>) {
        walker.unread(self.unclaimed);
        let mut seen = vec![false; self.count];
        let root = walker.enter_name("");
        let outer = walker.open_group();
        let whole = self.walk_from(self.top, &mut seen, place, walker);
        walker.leave(root);
        let mark = walker.enter_own("{unreferenced}");
        for object in (0..self.count).filter(|_| whole) {
            if !seen[object]
                && let Some((parsed, _)) = self.offset(object).and_then(|at| self.object(at))
                && !matches!(parsed, Object::Array(_) | Object::Dictionary(_))
            {
                self.scalar(&parsed, place, walker);
            }
        }
        walker.leave(mark);
        walker.close_group(outer);
    }

    /// Walks what lies below one object. Nesting is a list, not a call stack. False when a limit ended it.
    fn walk_from(&self, top: usize, seen: &mut [bool], place: Place, walker: &mut Walker<'_>) -> bool {
        let mut open: Vec<Open> = Vec::new();
        let mut next = Some(top);
        loop {
            if let Some(object) = next.take() {
                if walker.is_full() || !walker.may_look(EACH_OBJECT) {
                    // Objects that share each other can stand for more than all the memory there is.
                    walker.cut(if walker.is_full() { Limit::Leaves } else { Limit::Work });
                    return self.stop(&open, walker);
                }
                if let Some(seen) = seen.get_mut(object) {
                    *seen = true;
                }
                let Some((parsed, _)) = self.offset(object).and_then(|at| self.object(at)) else { continue };
                match parsed {
                    // A list that holds itself ends where it would begin again.
                    Object::Array(_) | Object::Dictionary(_) if open.iter().any(|around| around.object == object) => {}
                    Object::Array(_) | Object::Dictionary(_) if open.len() == DEEPEST => walker.cut(Limit::Nesting),
                    Object::Array(values) => open.push(Open::new(object, None, values, walker)),
                    Object::Dictionary(range) => {
                        let middle = range.start + range.len() / 2;
                        open.push(Open::new(object, Some(range.start..middle), middle..range.end, walker));
                    }
                    scalar => self.scalar(&scalar, place, walker),
                }
            }
            let Some(around) = open.last_mut() else { return true };
            let at = around.next;
            around.next += 1;
            match self.reference(&around.values, at) {
                Some(value) => {
                    walker.leave(around.inside);
                    if let Some(keys) = &around.keys {
                        let key = self.reference(keys, at).unwrap_or(usize::MAX);
                        if let Some(seen) = seen.get_mut(key) {
                            *seen = true;
                        }
                        walker.enter_key(&self.key(key));
                    }
                    next = Some(value);
                }
                None => {
                    if let Some(closed) = open.pop() {
                        walker.leave(closed.before);
                        walker.close_group(closed.outer_group);
                    }
                }
            }
        }
    }

    fn stop(&self, open: &[Open], walker: &mut Walker<'_>) -> bool {
        if let Some(outermost) = open.first() {
            walker.leave(outermost.before);
            walker.close_group(outermost.outer_group);
        }
        false
    }

    fn key(&self, object: usize) -> String {
        let parsed = self.offset(object).and_then(|at| self.object(at)).map(|(parsed, _)| parsed);
        match parsed {
            Some(Object::Ascii(range)) => String::from_utf8_lossy(&self.bytes[range]).into_owned(),
            Some(Object::Utf16(range)) => utf16(&self.bytes[range]),
            Some(Object::Integer(range)) => integer(&self.bytes[range]),
            _ => String::new(),
        }
    }

    fn scalar(&self, object: &Object, place: Place, walker: &mut Walker<'_>) {
        let at = |range: &Range<usize>| (&self.bytes[range.clone()], place.part(range.clone(), true));
        match object {
            Object::Null(range) => walker.leaf(Value::Null, at(range).1),
            Object::Boolean(value, range) => walker.leaf(Value::Boolean(*value), at(range).1),
            Object::Integer(range) | Object::Uid(range) => {
                let (bytes, place) = at(range);
                walker.leaf(Value::Number(&integer(bytes)), place.respelled());
            }
            Object::Real(range) => {
                let (bytes, place) = at(range);
                let text = match bytes.len() {
                    4 => format!("{:?}", f32::from_bits(u32::try_from(number(bytes)).unwrap_or_default())),
                    _ => format!("{:?}", f64::from_bits(number(bytes))),
                };
                walker.leaf(Value::Number(&text), place.respelled());
            }
            Object::Date(range) => {
                let (bytes, place) = at(range);
                let seconds = f64::from_bits(number(bytes));
                match super::date(seconds) {
                    Some(date) => walker.leaf(Value::Text(&date), place.respelled()),
                    None => walker.leaf(Value::Number(&format!("{seconds:?}")), place.respelled()),
                }
            }
            Object::Data(range) => {
                let (bytes, place) = at(range);
                walker.bytes(bytes, None, place);
            }
            Object::Ascii(range) => {
                let (bytes, place) = at(range);
                match std::str::from_utf8(bytes) {
                    Ok(text) => walker.text(text, place, Surface::Value),
                    Err(_) => walker.bytes(bytes, None, place),
                }
            }
            Object::Utf16(range) => {
                let (bytes, exact) = at(range);
                if walker.may_copy(bytes.len()) {
                    walker.text(&utf16(bytes), place.part(range.clone(), false), Surface::Value);
                } else {
                    walker.leaf(Value::Bytes { bytes, text: None }, exact);
                }
            }
            Object::Array(_) | Object::Dictionary(_) => {}
        }
    }
}

impl Object {
    const fn range(&self) -> &Range<usize> {
        match self {
            Self::Null(range)
            | Self::Boolean(_, range)
            | Self::Integer(range)
            | Self::Real(range)
            | Self::Date(range)
            | Self::Data(range)
            | Self::Ascii(range)
            | Self::Utf16(range)
            | Self::Uid(range)
            | Self::Array(range)
            | Self::Dictionary(range) => range,
        }
    }
}

/// An array or dictionary that is open.
struct Open {
    object: usize,
    keys: Option<Range<usize>>,
    values: Range<usize>,
    /// Number of the next element.
    next: usize,
    before: usize,
    inside: usize,
    outer_group: u32,
}

impl Open {
    fn new(object: usize, keys: Option<Range<usize>>, values: Range<usize>, walker: &mut Walker<'_>) -> Self {
        let before = walker.enter_name("");
        if keys.is_none() {
            walker.enter_element();
        }
        let inside = walker.enter_name("");
        Self { object, keys, values, next: 0, before, inside, outer_group: walker.open_group() }
    }
}

/// At most eight bytes, big-endian.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Integers of 1, 2 and 4 bytes are unsigned, longer ones signed.
fn integer(bytes: &[u8]) -> String {
    match bytes.len() {
        8 => number(bytes).cast_signed().to_string(),
        16 => bytes.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte)).cast_signed().to_string(),
        length if length <= 8 => number(bytes).to_string(),
        _ => bytes.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte)).to_string(),
    }
}

fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]]));
    char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

const HEADER: usize = 8;
const TRAILER: usize = 32;
/// Deepest nesting that is followed: as in JSON.
const DEEPEST: usize = 128;
/// What visiting an object costs, in bytes looked at.
const EACH_OBJECT: usize = 128;
