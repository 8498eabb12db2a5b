//! What MessagePack and CBOR share: maps, arrays and scalars in a row of tokens. Walks them without a tree, with byte ranges, and
//! weighs how unlikely it is that they came about by chance; how a token is spelled is each format's own.

use std::{borrow::Cow, ops::Range};

use super::super::{
    leaf::Value,
    walker::{Limit, Place, Surface, Walker, is_readable},
};

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Null,
    Boolean(bool),
    Number(String),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    /// A map of so many pairs; `None` when it lasts until a [`Token::Break`].
    Map(Option<u64>),
    /// An array of so many elements; `None` when it lasts until a [`Token::Break`].
    Array(Option<u64>),
    Break,
}

/// A token and where its value stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item<'a> {
    pub(super) token: Token<'a>,
    /// Bytes of the value, without the head that says type and length where there is one.
    pub(super) range: Range<usize>,
}

/// Reads tokens one after the other.
pub(super) trait Reader<'a> {
    /// The next token; `None` when there is none, or when what follows is none.
    fn next(&mut self) -> Option<Item<'a>>;
    /// How many bytes were read.
    fn at(&self) -> usize;
}

/// How a walk over one document ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Complete,
    Malformed,
    TooDeep,
    Stopped,
}

/// Whether a document fills the bytes to the last and can hardly be chance: a map or an array with text in it, or one with very
/// many numbers and nothing else.
pub(super) fn is_document<'a>(mut reader: impl Reader<'a>, length: usize) -> bool {
    let mut evidence = Evidence::default();
    let ending = document(&mut reader, &mut evidence);
    let whole = match ending {
        Ending::Complete => reader.at() == length,
        // What lies deeper is told as a limit, as in JSON.
        Ending::TooDeep => evidence.letters > 0,
        Ending::Malformed | Ending::Stopped => false,
    };
    let least = if evidence.named { LEAST_WEIGHT } else { LEAST_WITHOUT_NAMES };
    let written = evidence.weight >= least && evidence.letters >= LEAST_LETTERS;
    whole && evidence.rooted && (written || (evidence.counted && !evidence.mixed))
}

/// Gives every leaf of one or more documents in a row to the walker, up to where they are none.
pub(super) fn walk<'a>(mut reader: impl Reader<'a>, length: usize, place: Place, walker: &mut Walker<'_>) {
    while reader.at() < length {
        let root = walker.enter_name("");
        let outer = walker.open_group();
        let ending = document(&mut reader, &mut Names { walker, place, open: Vec::new() });
        walker.leave(root);
        walker.close_group(outer);
        match ending {
            Ending::Complete => continue,
            Ending::TooDeep => walker.cut(Limit::Nesting),
            Ending::Stopped => walker.cut(Limit::Leaves),
            Ending::Malformed => {}
        }
        walker.unread((length - reader.at().min(length)) as u64);
        break;
    }
}

/// Whether the bytes are documents to the last one, or as far as they are followed.
pub(super) fn is_whole<'a>(mut reader: impl Reader<'a>, length: usize) -> bool {
    while reader.at() < length {
        match document(&mut reader, &mut Evidence::default()) {
            Ending::Complete => {}
            ending => return ending == Ending::TooDeep,
        }
    }
    true
}

/// Told of everything in a document.
trait Visitor {
    fn open(&mut self, array: bool);
    fn key(&mut self, key: &Item<'_>);
    /// False stops the walk.
    fn value(&mut self, item: &Item<'_>) -> bool;
    fn close(&mut self);
    fn weigh(&mut self, _item: &Item<'_>, _depth: usize) {}
}

/// A map or array that is open.
struct Level {
    array: bool,
    /// Tokens still to come; `None` until a break.
    left: Option<u64>,
    key_next: bool,
}

/// One document. Nesting is a list, not a call stack, so that no input can exhaust the stack.
fn document<'a>(reader: &mut impl Reader<'a>, visitor: &mut impl Visitor) -> Ending {
    let mut levels: Vec<Level> = Vec::new();
    loop {
        let Some(item) = reader.next() else { return Ending::Malformed };
        visitor.weigh(&item, levels.len());
        let is_key = levels.last().is_some_and(|level| !level.array && level.key_next);
        match &item.token {
            Token::Break => match levels.last() {
                Some(Level { left: None, array, key_next }) if *array || *key_next => {
                    levels.pop();
                    visitor.close();
                    if closed(&mut levels, visitor) {
                        return Ending::Complete;
                    }
                }
                _ => return Ending::Malformed,
            },
            // Containers as keys occur in no upload that anybody has seen; they have no name.
            Token::Map(_) | Token::Array(_) if is_key => return Ending::Malformed,
            Token::Map(count) | Token::Array(count) => {
                if levels.len() == DEEPEST {
                    return Ending::TooDeep;
                }
                let array = matches!(item.token, Token::Array(_));
                visitor.open(array);
                let left = count.map(|count| if array { count } else { count.saturating_mul(2) });
                levels.push(Level { array, left, key_next: true });
                if settle(&mut levels, visitor) {
                    return Ending::Complete;
                }
            }
            _ if is_key => {
                visitor.key(&item);
                if let Some(level) = levels.last_mut() {
                    level.key_next = false;
                    level.left = level.left.map(|left| left.saturating_sub(1));
                }
            }
            _ => {
                if !visitor.value(&item) {
                    return Ending::Stopped;
                }
                if closed(&mut levels, visitor) {
                    return Ending::Complete;
                }
            }
        }
    }
}

/// A value ended: counts it in what is around it. True when the document ended with it.
fn closed(levels: &mut Vec<Level>, visitor: &mut impl Visitor) -> bool {
    if let Some(level) = levels.last_mut() {
        level.left = level.left.map(|left| left.saturating_sub(1));
        level.key_next = true;
    }
    settle(levels, visitor)
}

/// Closes every container to which nothing is to come. True when none is left.
fn settle(levels: &mut Vec<Level>, visitor: &mut impl Visitor) -> bool {
    while levels.last().is_some_and(|level| level.left == Some(0)) {
        levels.pop();
        visitor.close();
        if let Some(level) = levels.last_mut() {
            level.left = level.left.map(|left| left.saturating_sub(1));
            level.key_next = true;
        }
    }
    levels.is_empty()
}

/// How unlikely a document is.
#[derive(Default)]
struct Evidence {
    /// Tenths of a bit.
    weight: u32,
    /// Readable characters.
    letters: usize,
    /// The root is a map or an array with something in it.
    rooted: bool,
    /// The root is a map, and every key in the document is text.
    named: bool,
    /// The root counts its many elements in bytes of their own.
    counted: bool,
    /// Not every value is a number.
    mixed: bool,
}

impl Visitor for Evidence {
    fn open(&mut self, _array: bool) {}
    fn key(&mut self, key: &Item<'_>) {
        let is_name = matches!(&key.token, Token::Text(text) if !text.is_empty());
        self.named &= is_name;
        self.weight = self.weight.saturating_add(if is_name { NAME } else { 0 });
    }
    fn value(&mut self, item: &Item<'_>) -> bool {
        self.mixed |= !matches!(item.token, Token::Number(_));
        true
    }
    fn close(&mut self) {}

    fn weigh(&mut self, item: &Item<'_>, depth: usize) {
        match &item.token {
            Token::Map(count) | Token::Array(count) if depth == 0 => {
                self.rooted = *count != Some(0);
                self.named = matches!(item.token, Token::Map(_));
                self.counted = count.is_some_and(|count| count >= MANY);
            }
            Token::Text(text) if is_readable(text) => {
                // A character of several bytes counts once: that it is one is what random bytes seldom are.
                let letters = text.chars().count();
                self.letters += letters;
                self.weight = self.weight.saturating_add(u32::try_from(letters).unwrap_or(u32::MAX).saturating_mul(CHARACTER));
            }
            // Text that is not for reading is against all that speaks for it.
            Token::Text(_) => self.weight = self.weight.saturating_sub(UNREADABLE),
            _ => {}
        }
    }
}

/// Turns tokens into the walker's path.
struct Names<'w, 's> {
    walker: &'w mut Walker<'s>,
    place: Place,
    open: Vec<Open>,
}

struct Open {
    /// Path length before it.
    before: usize,
    /// Path length inside it.
    inside: usize,
    outer_group: u32,
}

impl Visitor for Names<'_, '_> {
    fn open(&mut self, array: bool) {
        let before = self.walker.enter_name("");
        if array {
            self.walker.enter_element();
        }
        let inside = self.walker.enter_name("");
        let outer_group = self.walker.open_group();
        self.open.push(Open { before, inside, outer_group });
    }

    fn key(&mut self, key: &Item<'_>) {
        let Some(open) = self.open.last() else { return };
        self.walker.leave(open.inside);
        match &key.token {
            Token::Text(text) => self.walker.enter_key(text),
            // Small numbers are names, as the fields of Protocol Buffers have them (COSE, CTAP); larger ones are values.
            Token::Number(number) => match number.parse() {
                Ok(field @ 0..=LARGEST_FIELD) => self.walker.enter_number(field),
                _ => self.walker.enter_key(number),
            },
            Token::Bytes(bytes) => self.walker.enter_key(&crate::model::text::hex(&bytes[..bytes.len().min(64)])),
            Token::Boolean(value) => self.walker.enter_key(if *value { "true" } else { "false" }),
            Token::Null | Token::Map(_) | Token::Array(_) | Token::Break => self.walker.enter_key("null"),
        };
    }

    fn value(&mut self, item: &Item<'_>) -> bool {
        let place = |exact: bool| self.place.part(item.range.clone(), exact);
        match &item.token {
            Token::Null => self.walker.leaf(Value::Null, place(true)),
            Token::Boolean(value) => self.walker.leaf(Value::Boolean(*value), place(true)),
            Token::Number(number) => self.walker.leaf(Value::Number(number), place(true).respelled()),
            Token::Text(text) => self.walker.text(text, place(matches!(text, Cow::Borrowed(_))), Surface::Value),
            Token::Bytes(bytes) => self.walker.bytes(bytes, None, place(matches!(bytes, Cow::Borrowed(_)))),
            Token::Map(_) | Token::Array(_) | Token::Break => {}
        }
        !self.walker.is_full()
    }

    fn close(&mut self) {
        if let Some(open) = self.open.pop() {
            self.walker.leave(open.before);
            self.walker.close_group(open.outer_group);
        }
    }
}

/// A floating number as JSON would have it, so that it reads back as the same number.
pub(super) fn float(value: f64) -> String {
    format!("{value:?}")
}

/// Deepest nesting that is followed: as in JSON.
const DEEPEST: usize = 128;
/// Tenths of a bit that a map with names for its values needs, above those of any map that ends where it should: of five million
/// short random values none has them.
const LEAST_WEIGHT: u32 = 58;
/// What a document without names for its values needs: an array at the root, or a map by numbers.
const LEAST_WITHOUT_NAMES: u32 = 140;
/// What a text as a key is worth: of 256 bytes, 35 begin one.
const NAME: u32 = 30;
/// Readable characters that a document needs.
const LEAST_LETTERS: usize = 2;
/// Tenths of a bit of one readable character: 98 of 256 bytes are one.
const CHARACTER: u32 = 14;
const UNREADABLE: u32 = 200;
/// So many elements are counted in bytes of their own.
const MANY: u64 = 24;
/// Larger integer keys are values.
const LARGEST_FIELD: u64 = 31;
