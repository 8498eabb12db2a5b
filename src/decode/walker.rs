//! Walks one request layer by layer: keeps the path, the chain of encodings and the byte range of where it is, and stops at
//! the limits. What a layer is, the decoders of `format` know; what a leaf means, the sink knows.

use std::collections::BTreeSet;

use crate::model::{Encoding, Part};

use super::{
    format::{DECODERS, Inflated},
    leaf::{Expectation, RawLeaf, Sink, Value},
    name,
};

/// Where the bytes at hand came from in the raw body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Byte range in the raw body; `None` outside the body.
    span: Option<(u64, u64)>,
    /// Whether the bytes at hand are those of the range, one by one.
    exact: bool,
}

impl Place {
    /// Not in the body: a header, the path, the query.
    pub(super) const OUTSIDE: Self = Self { span: None, exact: false };

    /// A range of the raw body, byte by byte.
    pub(super) const fn body(start: u64, end: u64) -> Self {
        Self { span: Some((start, end)), exact: true }
    }

    /// A range of the bytes at hand. `exact` says whether what comes out of it is still those bytes.
    pub(super) fn part(self, range: std::ops::Range<usize>, exact: bool) -> Self {
        match self.span {
            Some((start, _)) if self.exact => Self { span: Some((start + range.start as u64, start + range.end as u64)), exact },
            span => Self { span, exact: false },
        }
    }

    /// The same range, after a transformation.
    pub(super) const fn transformed(self) -> Self {
        Self { span: self.span, exact: false }
    }
}

/// What the bytes at hand are, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    /// A string of a JSON document.
    JsonString,
    /// Any other value, or the inside of another layer.
    Value,
}

/// What a limit cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Limit {
    /// [`MOST_DECODED`] bytes came out of compressed or encoded layers.
    Decoded,
    /// [`DEEPEST`] layers lay within each other.
    Layers,
    /// [`MOST_LEAVES`] leaves were read.
    Leaves,
    /// JSON was nested too deeply.
    Nesting,
    /// A multipart body has very many parts.
    Parts,
}

impl Limit {
    /// A sentence for a reader.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Decoded => "a body decodes to more than 48 MiB: the rest was not read",
            Self::Layers => "a body has more than 24 layers of encoding within each other: the inner ones were not peeled",
            Self::Leaves => "a request has more than 100,000 leaves: the rest was not read",
            Self::Nesting => "a JSON document is nested deeper than 128 levels: what follows there was not read",
            Self::Parts => "a body has more than 10,000 parts: the rest was only searched",
        }
    }
}

/// One walk through one request.
pub(super) struct Walker<'s> {
    sink: &'s mut dyn Sink,
    part: Part,
    path: String,
    chain: Vec<Encoding>,
    group: u32,
    groups: u32,
    leaves: u32,
    decoded: usize,
    limits: BTreeSet<Limit>,
}

impl<'s> Walker<'s> {
    pub(super) fn new(sink: &'s mut dyn Sink) -> Self {
        Self {
            sink,
            part: Part::Body,
            path: String::new(),
            chain: Vec::new(),
            group: 0,
            groups: 0,
            leaves: 0,
            decoded: 0,
            limits: BTreeSet::new(),
        }
    }

    /// What limits cut so far.
    pub(super) const fn limits(&self) -> &BTreeSet<Limit> {
        &self.limits
    }

    /// Begins a part of the request: an empty path, an empty chain, siblings of its own.
    pub(super) fn begin(&mut self, part: Part) {
        self.part = part;
        self.path.clear();
        self.chain.clear();
        self.open_group();
    }

    /// Changes the part without leaving the chain: a body turned out to be a form or JSON.
    pub(super) const fn turn_into(&mut self, part: Part) {
        self.part = part;
    }

    /// A new group of siblings; gives the one before, for [`Walker::close_group`].
    pub(super) const fn open_group(&mut self) -> u32 {
        let outer = self.group;
        self.groups = self.groups.wrapping_add(1);
        self.group = self.groups;
        outer
    }

    /// Back to the group that [`Walker::open_group`] gave.
    pub(super) const fn close_group(&mut self, outer: u32) {
        self.group = outer;
    }

    /// Appends a key; gives what [`Walker::leave`] takes.
    pub(super) fn enter_key(&mut self, key: &str) -> usize {
        let mark = self.path.len();
        let planted = self.sink.is_planted(key);
        let placeholder = name::push_key(&mut self.path, key, planted);
        if placeholder != name::Placeholder::None {
            self.sink.replaced_key(placeholder, key);
        }
        mark
    }

    /// Appends a name that is our own, as it stands.
    pub(super) fn enter_name(&mut self, name: &str) -> usize {
        let mark = self.path.len();
        self.path.push_str(name);
        mark
    }

    /// Appends `[]`; gives what [`Walker::leave`] takes.
    pub(super) fn enter_element(&mut self) -> usize {
        let mark = self.path.len();
        name::push_element(&mut self.path);
        mark
    }

    /// Back to the path as it was.
    pub(super) fn leave(&mut self, mark: usize) {
        self.path.truncate(mark);
    }

    /// Does something inside one more layer.
    pub(super) fn inside(&mut self, encoding: Encoding, walk: impl FnOnce(&mut Self)) {
        self.chain.push(encoding);
        walk(self);
        self.chain.pop();
    }

    /// How many bytes a layer may still decode to. Zero: nothing is peeled that grows.
    pub(super) fn allowance(&self) -> usize {
        (MOST_DECODED - self.decoded).min(MOST_PER_LAYER)
    }

    /// Counts what a layer decoded to; `cut` when there was more.
    pub(super) fn charge(&mut self, bytes: usize, cut: bool) {
        self.decoded = (self.decoded + bytes).min(MOST_DECODED);
        if cut {
            self.limits.insert(Limit::Decoded);
        }
    }

    /// Counts a value that had to be copied to undo its escapes; false when it is more than may be held, and the value is to
    /// stay as it is.
    pub(super) fn may_copy(&mut self, bytes: usize) -> bool {
        let may = bytes <= self.allowance();
        self.charge(if may { bytes } else { 0 }, !may);
        may
    }

    /// Counts what inflating came to, and gives what is inside.
    pub(super) fn inflated(&mut self, inflated: Inflated) -> Option<Vec<u8>> {
        match inflated {
            Ok((inner, cut)) => {
                self.charge(inner.len(), cut);
                Some(inner)
            }
            Err(spent) => {
                self.charge(spent, false);
                None
            }
        }
    }

    /// Notes that a limit cut something.
    pub(super) fn cut(&mut self, limit: Limit) {
        self.limits.insert(limit);
    }

    /// Whether no more leaves are taken.
    pub(super) const fn is_full(&self) -> bool {
        self.leaves >= MOST_LEAVES
    }

    /// What the current name says about its value.
    pub(super) fn expectation(&mut self) -> Expectation {
        self.sink.expectation(self.part, &self.path)
    }

    /// A text value: peeled as far as it goes.
    pub(super) fn text(&mut self, text: &str, place: Place, surface: Surface) {
        if !self.peel(text.as_bytes(), place, surface) {
            self.leaf(Value::Text(text), place);
        }
    }

    /// Bytes that came out of a layer, or a value that is no text: peeled as far as they go. `text` is what they were decoded from.
    pub(super) fn bytes(&mut self, bytes: &[u8], text: Option<&str>, place: Place) {
        if self.peel(bytes, place, Surface::Value) {
            return;
        }
        match std::str::from_utf8(bytes) {
            Ok(plain) if is_readable(plain) => self.leaf(Value::Text(plain), place),
            _ => self.leaf(Value::Bytes { bytes, text }, place),
        }
    }

    /// Tries every decoder; false when the bytes are a leaf.
    fn peel(&mut self, bytes: &[u8], place: Place, surface: Surface) -> bool {
        if bytes.len() < SHORTEST_LAYER {
            return false;
        }
        if self.chain.len() >= DEEPEST {
            self.limits.insert(Limit::Layers);
            return false;
        }
        DECODERS.iter().any(|decoder| decoder.peel(bytes, place, surface, self))
    }

    /// A leaf.
    pub(super) fn leaf(&mut self, value: Value<'_>, place: Place) {
        if self.is_full() {
            self.limits.insert(Limit::Leaves);
            return;
        }
        self.leaves += 1;
        let leaf = RawLeaf { part: self.part, path: &self.path, value, chain: &self.chain, bytes: place.span, group: self.group };
        self.sink.leaf(&leaf);
    }
}

/// Whether a text is for reading: no control characters but white space, and no replacement character.
pub(super) fn is_readable(text: &str) -> bool {
    !text.chars().any(|c| (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || c == char::REPLACEMENT_CHARACTER)
}

/// Nothing shorter is peeled: `{}` and `[]` are the shortest documents.
const SHORTEST_LAYER: usize = 2;
/// Most layers within each other.
const DEEPEST: usize = 24;
/// Most leaves of one request.
const MOST_LEAVES: u32 = 100_000;
/// Most bytes that all layers of one request decode to.
const MOST_DECODED: usize = 48 << 20;
/// Most bytes that one layer decodes to, so that one body and one layer stay within the core's memory (R15).
const MOST_PER_LAYER: usize = 16 << 20;
