//! JSON, in a value or as a whole body: names its leaves and peels its strings.

use std::borrow::Cow;

use crate::model::Encoding;

use super::{
    super::{
        json::{self, Ending, Scalar, Visitor},
        leaf::Value,
        walker::{Limit, Place, Surface, Walker},
    },
    Decoder,
};

/// JSON with an object or array at its root.
pub(super) struct Json;

impl Decoder for Json {
    fn peel(&self, bytes: &[u8], place: Place, surface: Surface, walker: &mut Walker<'_>) -> bool {
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        if !matches!(first, Some(b'{' | b'[')) || !json::is_json(bytes) {
            return false;
        }
        let encoding = if surface == Surface::JsonString { Encoding::JsonInString } else { Encoding::Json };
        walker.document(encoding, bytes, place, |walker, place| {
            walk_json(bytes, place, walker);
        });
        true
    }
}

/// How far a walk came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Walked {
    /// To the end, or to a limit that is noted.
    All,
    /// To this byte, where it stops being JSON.
    UpTo(usize),
}

/// Gives every leaf of a document to the walker.
pub(in super::super) fn walk_json(bytes: &[u8], place: Place, walker: &mut Walker<'_>) -> Walked {
    let root = walker.enter_name("");
    let outer = walker.open_group();
    let ending = json::scan(bytes, &mut Names { walker, place, bytes, open: Vec::new() });
    walker.leave(root);
    walker.close_group(outer);
    if let Ending::TooDeep(at) | Ending::Stopped(at) = ending {
        walker.unread((bytes.len() - at.min(bytes.len())) as u64);
    }
    match ending {
        Ending::Complete => Walked::All,
        Ending::Malformed(at) => Walked::UpTo(at),
        Ending::TooDeep(_) => {
            walker.cut(Limit::Nesting);
            Walked::All
        }
        Ending::Stopped(_) => {
            walker.cut(Limit::Leaves);
            Walked::All
        }
    }
}

/// Turns the scan's events into the walker's path.
struct Names<'w, 's, 'b> {
    walker: &'w mut Walker<'s>,
    place: Place,
    bytes: &'b [u8],
    open: Vec<Open>,
}

/// An object or array that is open.
struct Open {
    /// Path length before it.
    before: usize,
    /// Path length inside it: where its keys begin.
    inside: usize,
    outer_group: u32,
}

impl Visitor for Names<'_, '_, '_> {
    fn open(&mut self, array: bool) {
        let before = self.walker.enter_name("");
        if array {
            self.walker.enter_element();
        }
        let inside = self.walker.enter_name("");
        let outer_group = self.walker.open_group();
        self.open.push(Open { before, inside, outer_group });
    }

    fn key(&mut self, key: &str) {
        if let Some(open) = self.open.last() {
            self.walker.leave(open.inside);
            self.walker.enter_key(key);
        }
    }

    fn scalar(&mut self, scalar: Scalar<'_>, range: std::ops::Range<usize>) -> bool {
        match scalar {
            Scalar::Null => self.walker.leaf(Value::Null, self.place.part(range, true)),
            Scalar::Boolean(value) => self.walker.leaf(Value::Boolean(value), self.place.part(range, true)),
            Scalar::Number(text) => self.walker.leaf(Value::Number(text), self.place.part(range, true)),
            Scalar::Text(text) => {
                let within = range.start + 1..range.end - 1;
                let exact = self.bytes.get(within.clone()) == Some(text.as_bytes());
                let place = self.place.part(within, exact);
                if matches!(text, Cow::Borrowed(_)) || self.walker.may_copy(text.len()) {
                    self.walker.text(&text, place, Surface::JsonString);
                } else {
                    self.walker.leaf(Value::Text(&text), place);
                }
            }
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
