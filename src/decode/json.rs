//! Reads JSON as a stream of leaves with their byte ranges, without building a tree. It keeps duplicate keys and the exact
//! text of numbers, and reads what other parsers refuse (lone surrogates, raw control characters); what a leaf is called is its
//! visitor's business.

use std::{borrow::Cow, ops::Range};

/// A scalar of a document. Numbers keep the text they were sent as.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Boolean(bool),
    Number(&'a str),
    /// Unescaped; borrowed when it held no escape.
    Text(Cow<'a, str>),
}

/// Told of everything in a document, in its order.
pub(super) trait Visitor {
    /// An object or array opens.
    fn open(&mut self, array: bool);
    /// The next value's key in the innermost object, unescaped.
    fn key(&mut self, key: &str);
    /// A scalar and its byte range, quotes included. False stops the scan.
    fn scalar(&mut self, scalar: Scalar<'_>, range: Range<usize>) -> bool;
    /// The innermost object or array closes.
    fn close(&mut self);
}

/// How a scan ended. Offsets are in bytes from the start of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// One or more documents, separated by white space or nothing, and no other byte.
    Complete,
    /// It is no JSON from here on.
    Malformed(usize),
    /// Nested deeper than [`DEEPEST`] from here on.
    TooDeep(usize),
    /// The visitor had enough.
    Stopped(usize),
}

/// Whether the input is JSON to its last byte.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    struct Nobody;
    impl Visitor for Nobody {
        fn open(&mut self, _array: bool) {}
        fn key(&mut self, _key: &str) {}
        fn scalar(&mut self, _scalar: Scalar<'_>, _range: Range<usize>) -> bool {
            true
        }
        fn close(&mut self) {}
    }
    // Too deep is JSON too: the walk that follows says what it cut.
    matches!(scan(bytes, &mut Nobody), Ending::Complete | Ending::TooDeep(_))
}

/// Reads one document, or several in a row (newline-delimited JSON), and tells the visitor.
pub(super) fn scan<V: Visitor>(bytes: &[u8], visitor: &mut V) -> Ending {
    let at = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut scanner = Scanner { bytes, text: std::str::from_utf8(bytes).ok(), at };
    loop {
        if let Err(ending) = scanner.document(visitor) {
            return ending;
        }
        scanner.skip_space();
        match scanner.peek() {
            None => return Ending::Complete,
            Some(b'{' | b'[') => {}
            Some(_) => return Ending::Malformed(scanner.at),
        }
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    /// The same, when all of it is UTF-8: checked once, not string by string.
    text: Option<&'a str>,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    const fn malformed<T>(&self) -> Result<T, Ending> {
        Err(Ending::Malformed(self.at))
    }

    /// One value with everything in it. Nesting is a list, not a call stack, so that no input can exhaust the stack.
    fn document<V: Visitor>(&mut self, visitor: &mut V) -> Result<(), Ending> {
        let mut nesting: Vec<bool> = Vec::new();
        loop {
            self.skip_space();
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    if nesting.len() == DEEPEST {
                        return Err(Ending::TooDeep(self.at));
                    }
                    let array = bracket == b'[';
                    self.at += 1;
                    self.skip_space();
                    visitor.open(array);
                    if self.peek() == Some(if array { b']' } else { b'}' }) {
                        self.at += 1;
                        visitor.close();
                    } else {
                        nesting.push(array);
                        if !array {
                            self.key(visitor)?;
                        }
                        continue;
                    }
                }
                Some(_) => {
                    let start = self.at;
                    let scalar = self.scalar()?;
                    if !visitor.scalar(scalar, start..self.at) {
                        return Err(Ending::Stopped(self.at));
                    }
                }
                None => return self.malformed(),
            }
            if !self.after_value(&mut nesting, visitor)? {
                return Ok(());
            }
        }
    }

    /// Closes what closes; true when another value follows.
    fn after_value<V: Visitor>(&mut self, nesting: &mut Vec<bool>, visitor: &mut V) -> Result<bool, Ending> {
        while let Some(&array) = nesting.last() {
            self.skip_space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    if !array {
                        self.skip_space();
                        self.key(visitor)?;
                    }
                    return Ok(true);
                }
                Some(byte) if byte == if array { b']' } else { b'}' } => {
                    self.at += 1;
                    nesting.pop();
                    visitor.close();
                }
                _ => return self.malformed(),
            }
        }
        Ok(false)
    }

    fn key<V: Visitor>(&mut self, visitor: &mut V) -> Result<(), Ending> {
        if self.peek() != Some(b'"') {
            return self.malformed();
        }
        let key = self.text()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return self.malformed();
        }
        self.at += 1;
        visitor.key(&key);
        Ok(())
    }

    fn scalar(&mut self) -> Result<Scalar<'a>, Ending> {
        match self.peek() {
            Some(b'"') => self.text().map(Scalar::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true", Scalar::Boolean(true)),
            Some(b'f') => self.literal(b"false", Scalar::Boolean(false)),
            Some(b'n') => self.literal(b"null", Scalar::Null),
            _ => self.malformed(),
        }
    }

    fn literal(&mut self, word: &[u8], scalar: Scalar<'a>) -> Result<Scalar<'a>, Ending> {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(scalar)
        } else {
            self.malformed()
        }
    }

    /// RFC 8259 section 6: minus, integer without leading zero, fraction, exponent.
    fn number(&mut self) -> Result<Scalar<'a>, Ending> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        match std::str::from_utf8(&self.bytes[start..self.at]) {
            Ok(text) => Ok(Scalar::Number(text)),
            Err(_) => self.malformed(),
        }
    }

    fn digits(&mut self) -> Result<(), Ending> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return self.malformed();
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn text(&mut self) -> Result<Cow<'a, str>, Ending> {
        let start = self.at + 1;
        let mut escaped = false;
        let mut at = start;
        loop {
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(_) => at += 1,
                None => return Err(Ending::Malformed(self.at)),
            }
        }
        let raw = &self.bytes[start..at];
        self.at = at + 1;
        let plain = self.text.and_then(|text| text.get(start..at));
        Ok(match plain {
            _ if escaped => Cow::Owned(unescape(raw)),
            Some(plain) => Cow::Borrowed(plain),
            None => String::from_utf8_lossy(raw),
        })
    }
}

/// Undoes the escapes of RFC 8259 section 7. A lone surrogate or a broken `\u` becomes U+FFFD; any other escaped byte is itself.
fn unescape(raw: &[u8]) -> String {
    let mut out: Vec<u8> = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        if byte != b'\\' {
            out.push(byte);
            at += 1;
            continue;
        }
        let escape = raw.get(at + 1).copied();
        at += 2;
        match escape {
            Some(b'b') => out.push(8),
            Some(b'f') => out.push(12),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'u') => {
                let (unit, taken) = code_unit(raw.get(at..).unwrap_or_default());
                at += taken;
                let mut decoded = unit.and_then(|unit| char::from_u32(u32::from(unit)));
                if let Some(high @ 0xd800..=0xdbff) = unit
                    && raw.get(at..at + 2) == Some(b"\\u")
                    && let (Some(low @ 0xdc00..=0xdfff), _) = code_unit(&raw[at + 2..])
                {
                    decoded = char::decode_utf16([high, low]).next().and_then(Result::ok);
                    at += 6;
                }
                out.extend_from_slice(decoded.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut [0; 4]).as_bytes());
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Four hex digits, and how many bytes they took.
fn code_unit(raw: &[u8]) -> (Option<u16>, usize) {
    let unit = raw
        .get(..4)
        .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| u16::from_str_radix(digits, 16).ok());
    (unit, if unit.is_some() { 4 } else { 0 })
}

/// Deepest nesting that is followed: serde_json's own limit.
const DEEPEST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Writer {
        leaves: Vec<(String, String, Range<usize>)>,
        path: Vec<String>,
    }

    impl Visitor for Writer {
        fn open(&mut self, array: bool) {
            self.path.push(if array { "[]".to_owned() } else { String::new() });
        }
        fn key(&mut self, key: &str) {
            *self.path.last_mut().expect("a key is inside an object") = format!(".{key}");
        }
        fn scalar(&mut self, scalar: Scalar<'_>, range: Range<usize>) -> bool {
            let value = match scalar {
                Scalar::Null => "null".to_owned(),
                Scalar::Boolean(value) => value.to_string(),
                Scalar::Number(text) => text.to_owned(),
                Scalar::Text(text) => format!("{text:?}"),
            };
            self.leaves.push((self.path.concat(), value, range));
            true
        }
        fn close(&mut self) {
            self.path.pop();
        }
    }

    fn leaves(text: &[u8]) -> (Vec<(String, String, Range<usize>)>, Ending) {
        let mut writer = Writer::default();
        let ending = scan(text, &mut writer);
        (writer.leaves, ending)
    }

    #[track_caller]
    fn check(text: &str, want: &str, ending: Ending) {
        let (leaves, is) = leaves(text.as_bytes());
        let shown: Vec<String> = leaves.iter().map(|(path, value, _)| format!("{path}={value}")).collect();
        assert_eq!((shown.join(" ").as_str(), is), (want, ending), "{text}");
    }

    #[test]
    fn leaves_have_paths_and_numbers_keep_their_text() {
        check(r#"{"a":{"b":[1,-0.50,1E+5]},"c":null}"#, ".a.b[]=1 .a.b[]=-0.50 .a.b[]=1E+5 .c=null", Ending::Complete);
        check(r#"{"a":1,"a":2}"#, ".a=1 .a=2", Ending::Complete);
        check("{}\n[]\n{\"a\":true}", ".a=true", Ending::Complete);
        check(" \u{feff}", "", Ending::Malformed(1));
        check("\u{feff}[1]", "[]=1", Ending::Complete);
    }

    #[test]
    fn escapes_are_undone_and_broken_ones_do_no_harm() {
        check(r#"["\/\"\\ \u00fc \ud83d\ude00"]"#, r#"[]="/\"\\ ü 😀""#, Ending::Complete);
        check(r#"["\ud83d","\ud83dx","\u12","\q"]"#, "[]=\"\u{fffd}\" []=\"\u{fffd}x\" []=\"\u{fffd}12\" []=\"q\"", Ending::Complete);
    }

    #[test]
    fn what_is_no_json_is_told_with_its_place() {
        check("[1] x", "[]=1", Ending::Malformed(4));
        check("[1,", "[]=1", Ending::Malformed(3));
        check(r#"{"a" 1}"#, "", Ending::Malformed(5));
        check("[01]", "[]=0", Ending::Malformed(2));
        check("[\"abc", "", Ending::Malformed(1));
        check("[\"abc\\", "", Ending::Malformed(1));
    }

    #[test]
    fn a_range_gives_the_bytes_of_the_value() {
        let text = r#"{"a":"xy","b":[12]}"#;
        let (leaves, _) = leaves(text.as_bytes());
        let slices: Vec<&str> = leaves.iter().map(|(_, _, range)| &text[range.clone()]).collect();
        assert_eq!(slices, ["\"xy\"", "12"]);
    }

    #[test]
    fn a_hundred_thousand_brackets_end_at_the_limit() {
        let deep = "[".repeat(100_000);
        assert_eq!(leaves(deep.as_bytes()).1, Ending::TooDeep(DEEPEST));
    }

    #[test]
    fn serde_json_reads_the_same_leaves() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..400 {
            let document = document(&mut random, 4);
            let text =
                if random.bool() { serde_json::to_string(&document) } else { serde_json::to_string_pretty(&document) }.expect("serialises");
            let mut want = Vec::new();
            flatten(&document, String::new(), &mut want);
            let (leaves, ending) = leaves(text.as_bytes());
            let is: Vec<(String, String)> = leaves.into_iter().map(|(path, value, _)| (path, value)).collect();
            assert_eq!((is, ending), (want, Ending::Complete), "{text}");
        }
    }

    #[test]
    fn random_bytes_never_panic_and_what_serde_json_reads_is_read() {
        let mut random = fastrand::Rng::with_seed(11);
        let alphabet = b"{}[]\",:\\ue01.-+tfn \xff\xe2x";
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..random.usize(..24)).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
            let accepted = serde_json::from_slice::<serde_json::Value>(&bytes).is_ok();
            assert!(!accepted || is_json(&bytes), "{bytes:?}");
        }
    }

    fn document(random: &mut fastrand::Rng, depth: u32) -> serde_json::Value {
        match random.u8(..if depth == 0 { 5 } else { 7 }) {
            0 => serde_json::Value::Null,
            1 => random.bool().into(),
            2 => random.i64(..).into(),
            3 => (f64::from(random.i32(..)) / 1024.0).into(),
            4 => (0..random.usize(..8)).map(|_| random.char(..)).collect::<String>().into(),
            5 => (0..random.usize(..4)).map(|_| document(random, depth - 1)).collect::<Vec<_>>().into(),
            _ => {
                let entries = (0..random.usize(..4)).map(|n| (format!("k{n}\"\n"), document(random, depth - 1)));
                serde_json::Value::Object(entries.collect())
            }
        }
    }

    fn flatten(value: &serde_json::Value, path: String, out: &mut Vec<(String, String)>) {
        match value {
            serde_json::Value::Array(elements) => elements.iter().for_each(|element| flatten(element, format!("{path}[]"), out)),
            serde_json::Value::Object(entries) => entries.iter().for_each(|(key, inner)| flatten(inner, format!("{path}.{key}"), out)),
            serde_json::Value::String(text) => out.push((path, format!("{text:?}"))),
            other => out.push((path, other.to_string())),
        }
    }
}
