//! Walks one request layer by layer: keeps the path, the chain of encodings and the byte range of where it is, and stops at
//! the limits. What a layer is, the decoders of `format` know; what a leaf means, the sink knows.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Encoding, Ledger, Part, Standing};

use super::{
    dark::holds_noise,
    format::{DECODERS, Inflated},
    leaf::{Arrived, Awaits, Expectation, RawLeaf, Sink, Standings, Value, ticket},
    looks::Looks,
    name,
};

/// Where the bytes at hand came from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Byte range in the raw body; `None` outside the body.
    span: Option<(u64, u64)>,
    /// Whether the bytes at hand are those of the range, one by one.
    exact: bool,
    /// How many bytes they take in the layer around them: escapes counted as they were sent.
    taken: u64,
    /// Whether a search of the layer around them has shown that no planted text is in it.
    clean: bool,
}

impl Place {
    /// A range of the bytes at hand. `exact` says whether what comes out of it is still those bytes.
    pub(super) fn part(self, range: std::ops::Range<usize>, exact: bool) -> Self {
        let (taken, clean) = (range.len() as u64, self.clean && exact);
        match self.span {
            Some((start, _)) if self.exact => {
                Self { span: Some((start + range.start as u64, start + range.end as u64)), exact, taken, clean }
            }
            span => Self { span, exact: false, taken, clean },
        }
    }

    /// The same range, when the value in it is spelled in another way than it is given: a number in binary, text in UTF-16. That no
    /// planted text is in the layer says nothing about it then.
    pub(super) const fn respelled(self) -> Self {
        Self { clean: false, ..self }
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
    /// [`MOST_PER_LAYER`] bytes came out of one layer.
    Layer,
    /// [`DEEPEST`] layers lay within each other.
    Layers,
    /// [`MOST_LEAVES`] leaves were read.
    Leaves,
    /// A document was nested too deeply.
    Nesting,
    /// A multipart body has very many parts.
    Parts,
    /// [`MOST_WORK`] bytes were looked at.
    Work,
}

impl Limit {
    /// A sentence for a reader.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Decoded => "a request decodes to more than 64 MiB, all its layers together: the rest was not read",
            Self::Layer => "one layer of a request decodes to more than 16 MiB: what follows in it was not read",
            Self::Layers => "a body has more than 24 layers of encoding within each other: the inner ones were not peeled",
            Self::Leaves => "a request has more than 100,000 leaves: the rest was not read",
            Self::Nesting => "a document is nested deeper than 128 levels: what follows there was not read",
            Self::Parts => "a body has more than 10,000 parts: the rest was only searched",
            Self::Work => "a request would take too long to decode to its end: the rest was only searched",
        }
    }
}

/// What became of bytes that decoders were asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peeled {
    /// A layer came off.
    Layer,
    /// No decoder knows them: they are a leaf.
    Leaf,
    /// A limit kept decoders from looking: nobody knows what they are.
    Unseen,
}

/// What came out of a compressed layer.
#[derive(Debug)]
pub(super) struct Inflation {
    /// As much as the limit let out.
    pub(super) bytes: Vec<u8>,
    /// How many more bytes there would have been, by the share of the layer that was not inflated.
    beyond: u64,
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
    /// Bytes looked at so far, in every layer and by every decoder that reads a value to its end.
    work: usize,
    limits: BTreeSet<Limit>,
    /// How often a decoder was kept from looking.
    refused: u64,
    /// Whether bytes without a name were a leaf: all that could be said of a whole part.
    nameless: bool,
    /// Layers that are open, innermost last; the first stands for the request as a whole.
    frames: Vec<Frame>,
}

/// What is known of the bytes of one layer that is open.
#[derive(Debug, Default)]
struct Frame {
    /// By everything that is known, structure left out.
    all: Ledger,
    /// Without what adapters and the app file say.
    unaided: Ledger,
    /// Bytes that a limit kept from coming out of the layer: it is longer by them than what was read of it.
    beyond: u64,
    /// Of the bytes above, those whose meaning the end of the request may find out.
    waiting: Waiting,
}

/// How many bytes await what, by what is known of them so far: by everything, and unaided. Layers that are written shorter than
/// they are make fractions of them.
type Waiting = BTreeMap<(Awaits, Standing, Standing), f64>;

/// What is known of a request's bytes when it was walked, and what is still to be found out.
#[derive(Debug, Default)]
pub(super) struct Ledgers {
    all: Ledger,
    unaided: Ledger,
    waiting: Waiting,
}

impl Ledgers {
    /// By everything that is known, and without what adapters and the app file say, when the request was judged.
    pub(super) fn settled(self, arrived: &Arrived) -> (Ledger, Ledger) {
        let Self { mut all, mut unaided, waiting } = self;
        let (mut of_all, mut of_unaided) = (BTreeMap::new(), BTreeMap::new());
        for ((awaits, standing, alone), bytes) in waiting {
            let bytes = bytes * arrived.share(awaits);
            if bytes > 0.0 {
                *of_all.entry(standing).or_insert(0.0) += bytes;
                *of_unaided.entry(alone).or_insert(0.0) += bytes;
            }
        }
        // Never negative, and no more than the bytes of a request.
        of_all.into_iter().for_each(|(from, bytes)| all.name(from, bytes.round() as u64));
        of_unaided.into_iter().for_each(|(from, bytes)| unaided.name(from, bytes.round() as u64));
        (all, unaided)
    }
}

impl Frame {
    fn add(&mut self, standing: &Standings, bytes: u64) {
        self.all.add(standing.all, bytes);
        self.unaided.add(standing.unaided, bytes);
        let Standings { all, unaided, awaits } = *standing;
        if awaits != Awaits::default() && (all, unaided) != (Standing::Named, Standing::Named) {
            *self.waiting.entry((awaits, all, unaided)).or_default() += bytes as f64;
        }
    }

    /// The layer has so many bytes, and took so many in the layer around it: what is in no leaf is structure.
    fn closed(self, bytes: u64, taken: u64) -> Self {
        let bytes = bytes + self.beyond;
        let close = |ledger: Ledger| {
            let known = ledger.total();
            // Leaves that overlap (a name that is a value too) cannot make a layer longer than it is.
            if known > bytes { ledger.scaled_to(bytes) } else { Ledger { structure: ledger.structure + (bytes - known), ..ledger } }
                .scaled_to(taken)
        };
        let (all, unaided) = (close(self.all), close(self.unaided));
        let share = taken as f64 / bytes.max(self.all.total()).max(1) as f64;
        let mut waiting = self.waiting;
        waiting.values_mut().for_each(|bytes| *bytes *= share);
        Self { all, unaided, beyond: 0, waiting }
    }

    /// Takes in what is known of a layer within it.
    fn take(&mut self, inner: Self) {
        self.all += inner.all;
        self.unaided += inner.unaided;
        if self.waiting.is_empty() {
            self.waiting = inner.waiting;
        } else {
            inner.waiting.into_iter().for_each(|(awaits, bytes)| *self.waiting.entry(awaits).or_default() += bytes);
        }
    }
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
            work: 0,
            limits: BTreeSet::new(),
            refused: 0,
            nameless: false,
            frames: vec![Frame::default()],
        }
    }

    /// What limits cut so far.
    pub(super) const fn limits(&self) -> &BTreeSet<Limit> {
        &self.limits
    }

    /// The end of the walk: what is known of the bytes of all its parts.
    pub(super) fn ledgers(self) -> Ledgers {
        let Frame { all, unaided, waiting, .. } = self.frames.into_iter().next().unwrap_or_default();
        Ledgers { all, unaided, waiting }
    }

    /// Begins a part of the request: an empty path, an empty chain, siblings of its own.
    pub(super) fn begin(&mut self, part: Part) {
        self.part = part;
        self.nameless = false;
        self.path.clear();
        self.chain.clear();
        self.open_group();
    }

    /// Walks raw bytes of the request, as they were sent. `in_body` says whether they are the body, so that leaves have byte
    /// ranges.
    pub(super) fn raw(&mut self, bytes: &[u8], in_body: bool, walk: impl FnOnce(&mut Self, Place)) {
        let taken = bytes.len() as u64;
        let span = in_body.then_some((0, taken));
        self.layer(bytes, Place { span, exact: true, taken, clean: false }, walk);
    }

    /// Searches bytes that are no part of what is uploaded, but may hold a planted text all the same: a host name.
    pub(super) fn search(&mut self, bytes: &[u8]) {
        if !self.sink.open_layer(bytes) {
            self.sink.close_layer(self.part, &self.path);
        }
    }

    /// Counts bytes of the request that are no field: header names, headers of the transport.
    pub(super) fn structure(&mut self, bytes: u64) {
        if let Some(frame) = self.frames.last_mut() {
            frame.all.structure += bytes;
            frame.unaided.structure += bytes;
        }
    }

    /// Counts bytes of the layer at hand that were not read: nobody knows what they are. Why not, a limit or a gap tells.
    pub(super) fn unread(&mut self, bytes: u64) {
        self.rest(bytes, &[]);
    }

    /// Counts bytes of the layer at hand that are no value, but data all the same: a long name of random digits.
    pub(super) fn unexplained(&mut self, bytes: &[u8]) {
        self.rest(bytes.len() as u64, bytes);
    }

    fn rest(&mut self, bytes: u64, seen: &[u8]) {
        if bytes == 0 {
            return;
        }
        let mark = self.path.len();
        if !self.path.ends_with(REST) {
            name::push_own(&mut self.path, REST);
        }
        self.sink.rest(self.part, &self.path, bytes, seen);
        self.path.truncate(mark);
        self.account(&Standings::both(Standing::Unexplained), bytes);
    }

    fn account(&mut self, standings: &Standings, bytes: u64) {
        if let Some(frame) = self.frames.last_mut() {
            frame.add(standings, bytes);
        }
    }

    /// Opens a layer of bytes, searches it for planted texts unless that was done, and closes it.
    fn layer(&mut self, bytes: &[u8], place: Place, walk: impl FnOnce(&mut Self, Place)) {
        let searched = place.clean;
        let clean = searched || self.sink.open_layer(bytes);
        self.frames.push(Frame::default());
        let depth = self.path.len();
        walk(self, Place { taken: bytes.len() as u64, clean, ..place });
        let frame = self.frames.pop().unwrap_or_default().closed(bytes.len() as u64, place.taken);
        if let Some(around) = self.frames.last_mut() {
            around.take(frame);
        }
        if !clean {
            self.sink.close_layer(self.part, self.path.get(..depth).unwrap_or(&self.path));
        }
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
            self.sink.replaced_key(placeholder, key, self.part, &self.path);
            if holds_noise(key) {
                // A name that is data: nobody would see it among the values.
                self.unexplained(key.as_bytes());
            }
        }
        mark
    }

    /// Appends the number of a field that has no name.
    pub(super) fn enter_number(&mut self, number: u64) -> usize {
        self.enter_own(&number.to_string())
    }

    /// Appends a name of our own below what is there: `{comment}`.
    pub(super) fn enter_own(&mut self, name: &str) -> usize {
        let mark = self.path.len();
        name::push_own(&mut self.path, name);
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

    /// Walks a document that the bytes at hand are, byte by byte: JSON, a form.
    pub(super) fn document(&mut self, encoding: Encoding, bytes: &[u8], place: Place, walk: impl FnOnce(&mut Self, Place)) {
        self.chain.push(encoding);
        self.layer(bytes, place, walk);
        self.chain.pop();
    }

    /// Walks what the bytes at hand were decoded to. Of where something is in it, only the container is known.
    pub(super) fn decoded(&mut self, encoding: Encoding, inner: &[u8], place: Place, walk: impl FnOnce(&mut Self, Place)) {
        self.document(encoding, inner, Place { exact: false, clean: false, ..place }, walk);
    }

    /// Walks what came out of a compressed layer; what a limit kept in it is unexplained.
    pub(super) fn unpacked(&mut self, encoding: Encoding, inner: &Inflation, place: Place, walk: impl FnOnce(&mut Self, Place)) {
        self.decoded(encoding, &inner.bytes, place, |walker, place| {
            walk(walker, place);
            if let Some(frame) = walker.frames.last_mut() {
                frame.beyond = inner.beyond;
            }
            walker.unread(inner.beyond);
        });
    }

    /// How many bytes a layer may still decode to. Zero: nothing is peeled that grows.
    pub(super) fn allowance(&self) -> usize {
        (MOST_DECODED - self.decoded).min(MOST_PER_LAYER)
    }

    /// Counts what a layer decoded to; `cut` when there was more.
    pub(super) fn charge(&mut self, bytes: usize, cut: bool) {
        if cut {
            self.limits.insert(if MOST_DECODED - self.decoded < MOST_PER_LAYER { Limit::Decoded } else { Limit::Layer });
        }
        self.decoded = (self.decoded + bytes).min(MOST_DECODED);
    }

    /// Counts a value that had to be copied to undo its escapes; false when it is more than may be held, and the value is to
    /// stay as it is.
    pub(super) fn may_copy(&mut self, bytes: usize) -> bool {
        let may = bytes <= self.allowance();
        self.charge(if may { bytes } else { 0 }, !may);
        self.refused += u64::from(!may);
        may
    }

    /// Counts what inflating came to, and gives what is inside.
    pub(super) fn inflated(&mut self, inflated: Inflated) -> Option<Inflation> {
        match inflated {
            Ok((bytes, beyond)) => {
                self.charge(bytes.len(), beyond > 0);
                Some(Inflation { bytes, beyond })
            }
            Err(spent) => {
                self.refused += u64::from(self.decoded == MOST_DECODED);
                self.charge(spent, false);
                None
            }
        }
    }

    /// Counts bytes that are about to be looked at. False when that would be more than one request may cost: the core has no
    /// clock, and what it gives must not depend on one.
    pub(super) fn may_look(&mut self, bytes: usize) -> bool {
        let may = bytes <= MOST_WORK - self.work;
        if may {
            self.work += bytes;
        } else {
            self.limits.insert(Limit::Work);
            self.refused += 1;
        }
        may
    }

    /// Notes that a limit cut something.
    pub(super) fn cut(&mut self, limit: Limit) {
        self.limits.insert(limit);
    }

    /// Whether this part ended, under all its layers, in bytes that nobody can read and that have no name.
    pub(super) const fn ends_nameless(&self) -> bool {
        self.nameless
    }

    /// Whether no more leaves are taken.
    pub(super) const fn is_full(&self) -> bool {
        self.leaves >= MOST_LEAVES
    }

    /// Whether the bytes at hand were digits of base32, base64 or hex themselves.
    pub(super) fn is_unpacked(&self) -> bool {
        matches!(self.chain.last(), Some(Encoding::Base32 | Encoding::Base64 | Encoding::Base64Url | Encoding::Hex))
    }

    /// Whether no more layers are opened here.
    pub(super) fn is_deepest(&self) -> bool {
        self.chain.len() >= DEEPEST
    }

    /// What the current name says about its value.
    pub(super) fn expectation(&mut self) -> Expectation {
        self.sink.expectation(self.part, &self.path)
    }

    /// A text value: peeled as far as it goes.
    pub(super) fn text(&mut self, text: &str, place: Place, surface: Surface) {
        match self.peel(text.as_bytes(), place, surface) {
            Peeled::Layer => {}
            peeled => self.settle(Value::Text(text), place, peeled),
        }
    }

    /// Bytes that came out of a layer, or a value that is no text: peeled as far as they go. `text` is what they were decoded from.
    pub(super) fn bytes(&mut self, bytes: &[u8], text: Option<&str>, place: Place) {
        let peeled = self.peel(bytes, place, Surface::Value);
        if peeled == Peeled::Layer {
            return;
        }
        match std::str::from_utf8(bytes) {
            Ok(plain) if is_readable(plain) => self.settle(Value::Text(plain), place, peeled),
            _ => self.settle(Value::Bytes { bytes, text }, place, peeled),
        }
    }

    /// Tries every decoder.
    pub(super) fn peel(&mut self, bytes: &[u8], place: Place, surface: Surface) -> Peeled {
        if bytes.len() < SHORTEST_LAYER {
            return Peeled::Leaf;
        }
        if self.is_deepest() {
            self.limits.insert(Limit::Layers);
            return Peeled::Unseen;
        }
        let refused = self.refused;
        if self.is_full() || !self.may_look(bytes.len() + EACH_VALUE) {
            return Peeled::Unseen;
        }
        if self.decoded == MOST_DECODED {
            // Layers that grow stay shut from here on; that is to be told even where none of them was cut in its middle.
            self.limits.insert(Limit::Decoded);
        }
        let (looks, first) = (Looks::of(bytes), bytes.first().copied().unwrap_or_default());
        if DECODERS.iter().any(|entry| entry.may_be(looks, first) && entry.decoder.peel(bytes, place, surface, self)) {
            Peeled::Layer
        } else if self.refused == refused {
            Peeled::Leaf
        } else {
            Peeled::Unseen
        }
    }

    /// A leaf.
    pub(super) fn leaf(&mut self, value: Value<'_>, place: Place) {
        self.settle(value, place, Peeled::Leaf);
    }

    /// A number that can be read in another way too: that makes no field of its own, but it may say where the phone was.
    pub(super) fn number_or(&mut self, number: &str, other: &str, place: Place) {
        let Some(mut standings) = self.offer(Value::Number(number), place) else { return };
        let leaf = RawLeaf {
            part: self.part,
            path: &self.path,
            value: Value::Number(other),
            chain: &self.chain,
            bytes: place.span,
            exact: place.exact,
            clean: place.clean,
            group: self.group,
        };
        let awaited = self.sink.also(&leaf, ticket(self.part, &self.path, number.as_bytes()));
        standings.awaits.ticket = standings.awaits.ticket.or(awaited);
        self.account(&standings, place.taken);
    }

    /// A leaf, or what has to be taken for one because a limit kept decoders from looking: that is searched like any other, but
    /// what it seems to be explains none of its bytes.
    fn settle(&mut self, value: Value<'_>, place: Place, peeled: Peeled) {
        let Some(standings) = self.offer(value, place) else { return };
        if peeled == Peeled::Unseen && standings.all != Standing::Unexplained {
            self.unread(place.taken);
        } else {
            self.account(&standings, place.taken);
        }
    }

    /// Shows a leaf to the sink; `None` when no more are taken.
    fn offer(&mut self, value: Value<'_>, place: Place) -> Option<Standings> {
        if self.is_full() {
            self.limits.insert(Limit::Leaves);
            self.unread(place.taken);
            return None;
        }
        self.leaves += 1;
        self.nameless |= self.path.is_empty() && matches!(value, Value::Bytes { .. } | Value::Opaque(_));
        let leaf = RawLeaf {
            part: self.part,
            path: &self.path,
            value,
            chain: &self.chain,
            bytes: place.span,
            exact: place.exact,
            clean: place.clean,
            group: self.group,
        };
        Some(self.sink.leaf(&leaf))
    }
}

/// Whether a text is for reading: no control characters but white space, and no replacement character.
pub(super) fn is_readable(text: &str) -> bool {
    !text.chars().any(|c| (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || c == char::REPLACEMENT_CHARACTER)
}

/// Stands for what is no leaf, and was not read.
const REST: &str = "{rest}";
/// Nothing shorter is peeled: `{}` and `[]` are the shortest documents.
const SHORTEST_LAYER: usize = 2;
/// Most layers within each other.
const DEEPEST: usize = 24;
/// Most leaves of one request.
const MOST_LEAVES: u32 = 100_000;
/// Most bytes that all layers of one request decode to.
const MOST_DECODED: usize = 64 << 20;
/// Most bytes that one layer decodes to, so that one body and one layer stay within the core's memory (R15).
const MOST_PER_LAYER: usize = 16 << 20;
/// Most bytes looked at in one request: a body of the largest size, a dozen times over, which is about a second on a slow core.
const MOST_WORK: usize = 384 << 20;
/// What asking every decoder about one value costs, in bytes.
const EACH_VALUE: usize = 256;
