//! One uploaded leaf while it is being looked at, and the [`Leaf`] that `show` and `fields --body` print.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use crate::model::{ByteRange, Captured, Category, Encoding, FieldName, FieldShape, Part, Reason, Standing};

/// One uploaded leaf with its value: for a person who asked to see one exchange or one body.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// Its name within the endpoint.
    pub name: FieldName,
    /// Type, categories and encoding chain.
    pub shape: FieldShape,
    /// Why it has its categories, sorted.
    pub reasons: Vec<(Category, Reason)>,
    /// Where in the raw body; `None` outside the body.
    pub bytes: Option<ByteRange>,
    /// The value as text, after peeling; binary data in the base64 it came in, else its first 1,024
    /// bytes as hex digits.
    pub value: Captured<String>,
}

/// A value as the peeling found it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Null,
    Boolean(bool),
    Number(&'a str),
    Text(&'a str),
    /// Binary data, and the text it was decoded from, if any.
    Bytes {
        bytes: &'a [u8],
        text: Option<&'a str>,
    },
    /// Bytes nobody could decode.
    Opaque(&'a [u8]),
}

impl Value<'_> {
    /// The value as text: what a person sees and the leak gate remembers.
    pub(super) fn to_text(self) -> std::borrow::Cow<'static, str>
    where
        Self: Sized,
    {
        match self {
            Self::Null => "null".into(),
            Self::Boolean(value) => if value { "true" } else { "false" }.into(),
            Self::Number(text) | Self::Text(text) | Self::Bytes { text: Some(text), .. } => text.to_owned().into(),
            Self::Bytes { bytes, text: None } | Self::Opaque(bytes) => {
                let shown = crate::model::text::hex(&bytes[..bytes.len().min(MOST_SHOWN)]);
                if bytes.len() > MOST_SHOWN { format!("{shown}…").into() } else { shown.into() }
            }
        }
    }

    /// The value's bytes, after peeling.
    pub(super) const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Number(text) | Self::Text(text) => text.as_bytes(),
            Self::Bytes { bytes, .. } | Self::Opaque(bytes) => bytes,
            Self::Null | Self::Boolean(_) => &[],
        }
    }

    /// The value as it was sent, when that was text.
    pub(super) const fn as_text(&self) -> Option<&str> {
        match self {
            Self::Number(text) | Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A leaf as the peeling found it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawLeaf<'a> {
    pub(super) part: Part,
    pub(super) path: &'a str,
    pub(super) value: Value<'a>,
    pub(super) chain: &'a [Encoding],
    /// Byte range in the raw body.
    pub(super) bytes: Option<(u64, u64)>,
    /// Whether that range is the leaf's own; otherwise it is that of what the leaf is wrapped in.
    pub(super) exact: bool,
    /// Whether a search of the layer around it has shown that no planted text is in it.
    pub(super) clean: bool,
    /// Leaves of one object, array, query or form have the same group: they are siblings.
    pub(super) group: u32,
}

impl RawLeaf<'_> {
    /// Where in the raw body.
    pub(super) fn range(&self) -> Option<ByteRange> {
        self.bytes.map(|(start, end)| ByteRange { start, end, coarse: !self.exact })
    }

    /// What leaves of this name with this value share, by a hash: what is found out about one is true of all.
    pub(super) fn ticket(&self) -> u64 {
        ticket(self.part, self.path, self.value.as_bytes())
    }
}

/// The [`RawLeaf::ticket`] of leaves of this name with this value.
pub(super) fn ticket(part: Part, path: &str, value: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (part, path, value).hash(&mut hasher);
    hasher.finish()
}

/// What a name says about how a value may be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Expectation {
    /// Nothing.
    #[default]
    Open,
    /// A token: it stays one, whatever its alphabet.
    Token,
    /// Measurements: base64 is worth more here.
    Measurements,
}

/// What is known of a leaf.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standings {
    /// By everything that is known.
    pub(super) all: Standing,
    /// Without what adapters and the app file say.
    pub(super) unaided: Standing,
    /// What the end of the request may find out about it.
    pub(super) awaits: Awaits,
}

/// What may be found out about a leaf only when the whole request was read. If it is, its bytes are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Awaits {
    /// That something is in leaves with this [`RawLeaf::ticket`]: a short value, a digest, half a position.
    pub(super) ticket: Option<u64>,
    /// That a series is in this column of numbers, and in this block of it.
    pub(super) column: Option<(u32, u32)>,
}

/// What was found out at the end of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Arrived {
    /// Of leaves, by ticket.
    pub(super) tickets: HashSet<u64>,
    /// Of blocks of columns of numbers: how much of each is in a series.
    pub(super) columns: HashMap<(u32, u32), f64>,
}

impl Arrived {
    /// Of how many of the bytes that await something it is true, from 0 to 1.
    pub(super) fn share(&self, awaits: Awaits) -> f64 {
        if awaits.ticket.is_some_and(|ticket| self.tickets.contains(&ticket)) {
            1.0
        } else {
            awaits.column.and_then(|block| self.columns.get(&block)).copied().unwrap_or_default()
        }
    }
}

impl Standings {
    /// The same either way.
    pub(super) const fn both(standing: Standing) -> Self {
        Self { all: standing, unaided: standing, awaits: Awaits { ticket: None, column: None } }
    }
}

/// Takes the leaves of one request as they are found.
pub(super) trait Sink {
    /// A leaf. Gives what is known of it.
    fn leaf(&mut self, leaf: &RawLeaf<'_>) -> Standings;
    /// The last leaf, a number, read in another way; only what it says of a place counts. `ticket` is the leaf's own: where the end
    /// of the request may find that the other reading is what it is, the leaf awaits it.
    fn also(&mut self, _leaf: &RawLeaf<'_>, _ticket: u64) -> Option<u64> {
        None
    }
    /// Bytes that are in no leaf, and that nobody can explain; `seen` is empty when nobody looked at them.
    fn rest(&mut self, part: Part, path: &str, bytes: u64, seen: &[u8]);
    /// A layer of bytes opens: a raw body, a URL, a header, what was inside base64. True when no planted text is in it.
    fn open_layer(&mut self, bytes: &[u8]) -> bool;
    /// The innermost layer that has planted texts closes: those that were in no leaf of it stand in its names or between them.
    fn close_layer(&mut self, part: Part, path: &str);
    /// What the name of a value about to be peeled says.
    fn expectation(&mut self, part: Part, path: &str) -> Expectation;
    /// Whether a map key holds a planted value.
    fn is_planted(&self, key: &str) -> bool;
    /// A map key that a placeholder replaced, with the path that it ends.
    fn replaced_key(&mut self, placeholder: super::name::Placeholder, key: &str, part: Part, path: &str);
}

/// So many bytes of binary data are shown.
const MOST_SHOWN: usize = 1024;
