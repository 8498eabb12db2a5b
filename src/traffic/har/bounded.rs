//! Bounds on one piece of a HAR, so that a file made to fill the memory, packed or not, is refused instead: so many bytes, and
//! so many values, as a value takes more room in memory than its few characters in the file.

use std::{
    cell::Cell,
    fmt,
    io::{self, Read},
    rc::Rc,
};

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The bounds of a piece, and what is left of them for the one that is read.
#[derive(Clone)]
pub(super) struct Bounds {
    most_bytes: u64,
    most_values: u64,
    bytes: Rc<Cell<u64>>,
    values: Rc<Cell<u64>>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self::new(MOST_BYTES, MOST_VALUES)
    }
}

impl Bounds {
    pub(super) fn new(most_bytes: u64, most_values: u64) -> Self {
        Self { most_bytes, most_values, bytes: Rc::new(Cell::new(most_bytes)), values: Rc::new(Cell::new(most_values)) }
    }

    /// The next piece begins.
    pub(super) fn renew(&self) {
        self.bytes.set(self.most_bytes);
        self.values.set(self.most_values);
    }

    /// What was exceeded, if anything was.
    pub(super) fn exceeded(&self) -> Option<String> {
        match (self.bytes.get(), self.values.get()) {
            (0, _) => Some(format!("an entry of more than {} MiB, which is not read", self.most_bytes >> 20)),
            (_, 0) => Some(format!("an entry of more than {} values, which is not read", self.most_values)),
            _ => None,
        }
    }
}

/// Counts the bytes that are read, and ends at the bound.
pub(super) struct Metered<R> {
    pub(super) input: R,
    pub(super) bounds: Bounds,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bounds.bytes.get() == 0 {
            return Err(io::Error::other("too long"));
        }
        let count = self.input.read(buffer)?;
        self.bounds.bytes.set(self.bounds.bytes.get().saturating_sub(count as u64));
        Ok(count)
    }
}

/// Reads a value within bounds.
pub(super) struct Within<'a>(pub(super) &'a Bounds);

impl<'de> DeserializeSeed<'de> for Within<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.0.values.get();
        if left == 0 {
            return Err(D::Error::custom("too many values"));
        }
        self.0.values.set(left - 1);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Within<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(Within(self.0))? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Within(self.0))?;
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}

/// Bytes of one piece: an entry with the longest bodies that people record.
const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// Values of one piece: a WebSocket with some hundred thousand messages.
const MOST_VALUES: u64 = 4_000_000;
