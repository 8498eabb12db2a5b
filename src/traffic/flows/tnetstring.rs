//! Typed netstrings, the encoding of mitmproxy's flow files, read in place: an item is a tag and a range of the file, and its
//! inside is looked at only when somebody asks. So a flow of any size and depth costs no memory, and a length that claims more
//! than is there is refused before anything is read. What the items mean is `flow`'s business.
//!
//! Format: `<length>:<payload><tag>`, the length in decimal digits, see <https://tnetstrings.info/>; mitmproxy adds the tag `;`
//! for text in UTF-8.

use std::io::{self, BufRead as _, BufReader, Read, Seek, SeekFrom};

/// What an item is, by the byte after its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// `!`
    Boolean,
    /// `,`
    Bytes,
    /// `^`
    Float,
    /// `#`
    Integer,
    /// `]`
    List,
    /// `~`
    Null,
    /// `}`
    Table,
    /// `;`
    Text,
}

/// One item of the file: its tag and where its payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) tag: Tag,
    /// First byte of the payload, counted from the beginning of the file.
    pub(super) start: u64,
    /// Length of the payload in bytes.
    pub(super) length: u64,
}

impl Item {
    /// What stands for an item that is not there.
    pub(super) const NONE: Self = Self { tag: Tag::Null, start: 0, length: 0 };

    pub(super) const fn is_none(self) -> bool {
        matches!(self.tag, Tag::Null)
    }

    /// The byte after the item: payload and tag.
    const fn after(self) -> u64 {
        self.start + self.length + 1
    }
}

/// Why a file cannot be read on. Holds nothing of its content.
#[derive(Debug)]
pub(super) struct Damage {
    /// Where, in bytes from the beginning of the file.
    pub(super) at: u64,
    pub(super) problem: String,
}

/// Reads items at any place of a file.
pub(super) struct Reader<R> {
    input: BufReader<R>,
    at: u64,
    end: u64,
}

impl<R: Read + Seek> Reader<R> {
    pub(super) fn new(mut input: R) -> io::Result<Self> {
        let end = input.seek(SeekFrom::End(0))?;
        input.seek(SeekFrom::Start(0))?;
        Ok(Self { input: BufReader::with_capacity(64 * 1024, input), at: 0, end })
    }

    /// The item of the file that begins at a byte; `None` at the end of the file. With it, where the next one begins.
    pub(super) fn top(&mut self, at: u64) -> Result<Option<(Item, u64)>, Damage> {
        if at >= self.end {
            return Ok(None);
        }
        let item = self.item(at, self.end)?;
        Ok(Some((item, item.after())))
    }

    /// Gives the items of a list one after the other, until there are no more or `each` says to stop; nothing when it is no
    /// list.
    pub(super) fn list(&mut self, list: Item, each: &mut dyn FnMut(&mut Self, Item) -> Result<bool, Damage>) -> Result<(), Damage> {
        if list.tag != Tag::List {
            return Ok(());
        }
        let (mut at, end) = (list.start, list.start + list.length);
        while at < end {
            let item = self.item(at, end)?;
            if !each(self, item)? {
                break;
            }
            at = item.after();
        }
        Ok(())
    }

    /// The first items of a list; those that are not there are [`Item::NONE`].
    pub(super) fn first<const N: usize>(&mut self, list: Item) -> Result<[Item; N], Damage> {
        let mut found = [Item::NONE; N];
        let mut count = 0;
        self.list(list, &mut |_, item| {
            if let Some(place) = found.get_mut(count) {
                *place = item;
            }
            count += 1;
            Ok(count < N)
        })?;
        Ok(found)
    }

    /// The items of a table with these names; those that are not there, and all of what is no table, are [`Item::NONE`]. Of
    /// a name that is there twice the last counts, as in Python.
    pub(super) fn table<const N: usize>(&mut self, table: Item, names: [&str; N]) -> Result<[Item; N], Damage> {
        let mut found = [Item::NONE; N];
        if table.tag != Tag::Table {
            return Ok(found);
        }
        let (mut at, end) = (table.start, table.start + table.length);
        while at < end {
            let key = self.item(at, end)?;
            let value = self.item(key.after(), end)?;
            if key.length <= LONGEST_NAME {
                let name = self.bytes(key, LONGEST_NAME)?;
                if let Some(place) = names.iter().position(|known| known.as_bytes() == name).and_then(|n| found.get_mut(n)) {
                    *place = value;
                }
            }
            at = value.after();
        }
        Ok(found)
    }

    /// The payload of an item, at most `most` bytes of it.
    pub(super) fn bytes(&mut self, item: Item, most: u64) -> Result<Vec<u8>, Damage> {
        self.go(item.start)?;
        let mut bytes = Vec::new();
        let read = self.input.by_ref().take(item.length.min(most)).read_to_end(&mut bytes).map_err(|error| self.unreadable(&error))?;
        self.at += read as u64;
        Ok(bytes)
    }

    /// Gives the payload of an item piece by piece.
    pub(super) fn pieces(&mut self, item: Item, each: &mut dyn FnMut(&[u8])) -> Result<(), Damage> {
        self.go(item.start)?;
        let mut left = item.length;
        while left > 0 {
            let piece = match self.input.fill_buf() {
                Ok(piece) => piece,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Damage { at: self.at, problem: format!("cannot be read: {}", error.kind()) }),
            };
            if piece.is_empty() {
                return Err(Damage { at: self.at, problem: "cut off while it was read".to_owned() });
            }
            let length = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            each(piece.get(..length).unwrap_or_default());
            self.input.consume(length);
            self.at += length as u64;
            left -= length as u64;
        }
        Ok(())
    }

    /// A number, whole or not; `None` for anything else.
    pub(super) fn number(&mut self, item: Item) -> Result<Option<f64>, Damage> {
        if !matches!(item.tag, Tag::Float | Tag::Integer) {
            return Ok(None);
        }
        let text = self.bytes(item, LONGEST_NUMBER)?;
        let number: Option<f64> = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
        Ok(number.filter(|number| number.is_finite()))
    }

    /// A whole number that is not negative; `None` for anything else.
    pub(super) fn whole(&mut self, item: Item) -> Result<Option<u64>, Damage> {
        if item.tag != Tag::Integer {
            return Ok(None);
        }
        let text = self.bytes(item, LONGEST_NUMBER)?;
        Ok(std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()))
    }

    /// Whether an item is the word `true`.
    pub(super) fn is_true(&mut self, item: Item) -> Result<bool, Damage> {
        Ok(item.tag == Tag::Boolean && self.bytes(item, LONGEST_NUMBER)? == b"true")
    }

    /// The item whose length begins at a byte, and which must end before `end`.
    fn item(&mut self, at: u64, end: u64) -> Result<Item, Damage> {
        self.go(at)?;
        let mut length: u64 = 0;
        for digits in 0..=MOST_DIGITS {
            match self.byte()? {
                b':' if digits > 0 => break,
                digit @ b'0'..=b'9' if digits < MOST_DIGITS => length = length * 10 + u64::from(digit - b'0'),
                _ => return Err(Damage { at, problem: "expected the length of an item, in digits and followed by a colon".to_owned() }),
            }
        }
        let start = self.at;
        let left = end.saturating_sub(start);
        if length >= left {
            return Err(Damage { at, problem: format!("cut off: an item of {length} bytes is announced, and {left} are there") });
        }
        self.go(start + length)?;
        let tag = match self.byte()? {
            b'!' => Tag::Boolean,
            b',' => Tag::Bytes,
            b'^' => Tag::Float,
            b'#' => Tag::Integer,
            b']' => Tag::List,
            b'~' => Tag::Null,
            b'}' => Tag::Table,
            b';' => Tag::Text,
            _ => return Err(Damage { at: start + length, problem: "an item of no known type".to_owned() }),
        };
        Ok(Item { tag, start, length })
    }

    fn byte(&mut self) -> Result<u8, Damage> {
        let mut byte = [0];
        self.input.read_exact(&mut byte).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Damage { at: self.at, problem: "cut off".to_owned() },
            _ => self.unreadable(&error),
        })?;
        self.at += 1;
        Ok(byte[0])
    }

    /// Goes to a byte; what is in the buffer stays there when it can.
    fn go(&mut self, to: u64) -> Result<(), Damage> {
        let step = i64::try_from(i128::from(to) - i128::from(self.at)).map_err(|_| Damage { at: to, problem: "too far".to_owned() })?;
        self.input.seek_relative(step).map_err(|error| self.unreadable(&error))?;
        self.at = to;
        Ok(())
    }

    fn unreadable(&self, error: &io::Error) -> Damage {
        Damage { at: self.at, problem: format!("cannot be read: {}", error.kind()) }
    }
}

/// Digits of a length: up to a terabyte.
const MOST_DIGITS: usize = 12;
/// Names that are looked for are shorter.
const LONGEST_NAME: u64 = 64;
/// Python writes no longer ones for what is in a flow.
const LONGEST_NUMBER: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(text: &[u8]) -> Reader<io::Cursor<&[u8]>> {
        Reader::new(io::Cursor::new(text)).expect("memory")
    }

    fn top(text: &[u8]) -> Result<Item, String> {
        match reader(text).top(0) {
            Ok(Some((item, _))) => Ok(item),
            Ok(None) => Err("nothing".to_owned()),
            Err(damage) => Err(format!("{}: {}", damage.at, damage.problem)),
        }
    }

    fn refused(text: &[u8], words: &str) {
        let error = top(text).expect_err("it is damaged");
        assert!(error.contains(words), "{error}");
    }

    #[test]
    fn items_are_told_by_the_byte_after_them() {
        for (text, tag) in [
            (&b"4:true!"[..], Tag::Boolean),
            (b"3:abc,", Tag::Bytes),
            (b"3:1.5^", Tag::Float),
            (b"1:7#", Tag::Integer),
            (b"0:]", Tag::List),
            (b"0:~", Tag::Null),
            (b"0:}", Tag::Table),
            (b"3:abc;", Tag::Text),
        ] {
            assert_eq!(top(text).expect("an item").tag, tag);
        }
    }

    #[test]
    fn what_is_damaged_is_refused_and_says_where() {
        refused(b"9999999999:x", "0: cut off: an item of 9999999999 bytes is announced, and 1 are there");
        refused(b"99999999999999999999:x", "0: expected the length");
        refused(b":x,", "0: expected the length");
        refused(b"-1:x,", "0: expected the length");
        refused(b"3:abc", "0: cut off");
        refused(b"3:abc?", "5: an item of no known type");
        refused(b"12", "2: cut off");
        assert_eq!(top(b""), Err("nothing".to_owned()));
    }

    #[test]
    fn tables_and_lists_are_looked_into_without_being_read() {
        let text = b"43:1:a,1:1#1:a,1:2#5:other;9:2:hi,1:9#]1:b;0:~}";
        let mut reader = reader(text);
        let (table, next) = reader.top(0).expect("whole").expect("there");
        assert_eq!(next, text.len() as u64);
        let [a, b, other, absent] = reader.table(table, ["a", "b", "other", "absent"]).expect("a table");
        assert_eq!(reader.whole(a).expect("read"), Some(2), "the last of two counts");
        assert!(b.is_none() && absent.is_none());
        let [hi, nine, more] = reader.first(other).expect("a list");
        assert_eq!(reader.bytes(hi, 99).expect("read"), b"hi");
        assert_eq!(reader.number(nine).expect("read"), Some(9.0));
        assert!(more.is_none());
    }

    #[test]
    fn an_item_that_reaches_out_of_its_list_is_refused() {
        let mut reader = reader(b"4:9:ab]6:abcdef,");
        let (list, _) = reader.top(0).expect("whole").expect("there");
        assert!(reader.first::<1>(list).is_err());
    }

    #[test]
    fn nesting_without_end_costs_nothing() {
        let mut text = b"0:~".to_vec();
        for _ in 0..20_000 {
            let mut around = format!("{}:", text.len()).into_bytes();
            around.extend_from_slice(&text);
            around.push(b']');
            text = around;
        }
        let mut reader = reader(&text);
        let (list, _) = reader.top(0).expect("whole").expect("there");
        assert_eq!(reader.first::<1>(list).expect("a list")[0].tag, Tag::List);
    }
}
