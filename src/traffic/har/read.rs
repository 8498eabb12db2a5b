//! The outer shape of a HAR file, read as a stream: one entry in memory at a time, however long the file. What is in an
//! entry is `entry`'s business.

use std::{
    cell::Cell,
    fmt,
    io::{self, Read as _},
};

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Deserializer, Value, error::Category};

use super::{
    bounded::{Bounds, Metered, Within},
    own,
    surrogates::WithoutLoneSurrogates,
};
use crate::traffic::TrafficError;

/// A part of a HAR file, in the order of the file.
pub(super) enum Piece {
    /// Name and version of the program that wrote it.
    Creator(String),
    /// One of `log.entries`.
    Entry(Value),
    /// Our own block of the log.
    Own(Value),
    /// Our own events after the last entry.
    Rest(Value),
    /// Handshakes that failed, as HTTP Toolkit tells them.
    TlsErrors(Value),
}

/// Reads a file and gives its pieces; a byte-order mark is skipped.
///
/// # Errors
/// [`TrafficError::File`] with line and column and the number of entries read. The message holds nothing of the content.
pub(super) fn pieces(name: &str, input: impl io::Read, each: &mut dyn FnMut(Piece)) -> Result<(), TrafficError> {
    pieces_within(&Bounds::default(), name, input, each)
}

fn pieces_within(bounds: &Bounds, name: &str, input: impl io::Read, each: &mut dyn FnMut(Piece)) -> Result<(), TrafficError> {
    let entries = Cell::new(0);
    let failed =
        |problem: String| TrafficError::File { name: name.to_owned(), problem: format!("{problem}; {} entries were read", entries.get()) };
    let input = without_mark(input).map_err(|error| failed(error.to_string()))?;
    let input = Metered { input, bounds: bounds.clone() };
    let mut deserializer = Deserializer::from_reader(io::BufReader::new(WithoutLoneSurrogates::new(input)));
    let mut found = Found::default();
    Top { found: &mut found, entries: &entries, bounds, each }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|error| failed(bounds.exceeded().unwrap_or_else(|| problem(&error))))?;
    match found {
        Found { log: true, entries: true } => Ok(()),
        Found { log: true, entries: false } => Err(failed("not a HAR: `log` has no `entries`".to_owned())),
        Found { log: false, .. } => Err(failed("not a HAR: there is no `log`".to_owned())),
    }
}

/// A parse error in words. A message about data would quote it; those about syntax name a position only.
fn problem(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Io => format!("cannot be read: {}", error.io_error_kind().unwrap_or(io::ErrorKind::Other)),
        Category::Data => {
            let (line, column) = (error.line(), error.column());
            format!("not a HAR: expected an object `log` with a list `entries` at line {line} column {column}")
        }
        Category::Eof => format!("cut off: {error}"),
        Category::Syntax => format!("not JSON: {error}"),
    }
}

/// Skips a UTF-8 byte-order mark.
fn without_mark(mut input: impl io::Read) -> io::Result<impl io::Read> {
    let mut start = Vec::with_capacity(3);
    input.by_ref().take(3).read_to_end(&mut start)?;
    if start == b"\xef\xbb\xbf" {
        start.clear();
    }
    Ok(io::Cursor::new(start).chain(input))
}

#[derive(Default)]
struct Found {
    log: bool,
    entries: bool,
}

/// The object that a file is.
struct Top<'a> {
    found: &'a mut Found,
    entries: &'a Cell<u64>,
    bounds: &'a Bounds,
    each: &'a mut dyn FnMut(Piece),
}

/// The object `log`.
struct Log<'a>(Top<'a>);

/// The list `log.entries`.
struct Entries<'a> {
    count: &'a Cell<u64>,
    bounds: &'a Bounds,
    each: &'a mut dyn FnMut(Piece),
}

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `log`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "log" {
                self.found.log = true;
                let (found, entries, bounds, each) = (&mut *self.found, self.entries, self.bounds, &mut *self.each);
                map.next_value_seed(Log(Top { found, entries, bounds, each }))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Log<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Log<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `entries`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Top { found, entries, bounds, each } = self.0;
        while let Some(key) = map.next_key::<String>()? {
            bounds.renew();
            match key.as_str() {
                "entries" => {
                    found.entries = true;
                    map.next_value_seed(Entries { count: entries, bounds, each })?;
                }
                "creator" => each(Piece::Creator(creator(&map.next_value_seed(Within(bounds))?))),
                own::LOG => each(Piece::Own(map.next_value_seed(Within(bounds))?)),
                own::REST => each(Piece::Rest(map.next_value_seed(Within(bounds))?)),
                TLS_ERRORS => each(Piece::TlsErrors(map.next_value_seed(Within(bounds))?)),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(entry) = seq.next_element_seed(Within(self.bounds))? {
            self.bounds.renew();
            self.count.set(self.count.get() + 1);
            (self.each)(Piece::Entry(entry));
        }
        Ok(())
    }
}

/// Name and version as most write them, or plain text as some do.
fn creator(value: &Value) -> String {
    let part = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => format!("{} {}", part("name"), part("version")).trim().to_owned(),
    }
}

/// Key of the failed handshakes in `log`.
const TLS_ERRORS: &str = "_tlsErrors";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<u64, &str>) {
        let mut entries = 0;
        let outcome = pieces("x.har", text.as_bytes(), &mut |piece| entries += u64::from(matches!(piece, Piece::Entry(_))));
        match (outcome, expected) {
            (Ok(()), Ok(count)) => assert_eq!(entries, count, "{text}"),
            (Err(error), Err(message)) => assert_eq!(error.to_string(), format!("read x.har: {message}"), "{text}"),
            (outcome, _) => panic!("{text}: {outcome:?}"),
        }
    }

    #[test]
    fn what_is_a_har_and_what_is_not() {
        check(r#"{"log":{"entries":[{},{}]}}"#, Ok(2));
        check("\u{feff}{\"log\":{\"entries\":[]}}", Ok(0));
        check(r#"{"x":[1,{"log":2}],"log":{"creator":"me","entries":[7]}}"#, Ok(1));
        check(r#"{"log":{"entries":[{},{"#, Err("cut off: EOF while parsing an object at line 1 column 23; 1 entries were read"));
        check("", Err("cut off: EOF while parsing a value at line 1 column 0; 0 entries were read"));
        check(r#"{"log":{"entries":["\ud83d"]}}"#, Ok(1));
        check(r#"{"log":{}}"#, Err("not a HAR: `log` has no `entries`; 0 entries were read"));
        check(r#"{"a":1}"#, Err("not a HAR: there is no `log`; 0 entries were read"));
        check(r#"{"log":{"entries":[]}} x"#, Err("not JSON: trailing characters at line 1 column 24; 0 entries were read"));
        let shape = "not a HAR: expected an object `log` with a list `entries` at line 1 column";
        check(r#"{"log":"secret"}"#, Err(&format!("{shape} 15; 0 entries were read")));
        check(r#"{"log":{"entries":"secret"}}"#, Err(&format!("{shape} 26; 0 entries were read")));
    }

    #[test]
    fn an_entry_made_to_fill_the_memory_is_refused() {
        let refused = |input: &mut dyn io::Read, words: &str| {
            let bounds = Bounds::new(1 << 20, 1000);
            let error = pieces_within(&bounds, "x.har", input, &mut |_| ()).expect_err("it is too long").to_string();
            assert_eq!(error, format!("read x.har: {words}"));
        };
        let values = format!("{{\"log\":{{\"entries\":[{{}},[{}0]]}}}}", "0,".repeat(1000));
        refused(&mut values.as_bytes(), "an entry of more than 1000 values, which is not read; 1 entries were read");
        let mut endless = b"{\"log\":{\"entries\":[\"".chain(io::repeat(b'x'));
        refused(&mut endless, "an entry of more than 1 MiB, which is not read; 0 entries were read");
    }

    #[test]
    fn nesting_without_end_is_an_error_and_no_crash() {
        let deep = format!("{{\"log\":{{\"entries\":[{}", "[".repeat(1_000_000));
        let error = pieces("x.har", deep.as_bytes(), &mut |_| ()).expect_err("too deep");
        assert!(error.to_string().contains("recursion limit exceeded"), "{error}");
    }
}
