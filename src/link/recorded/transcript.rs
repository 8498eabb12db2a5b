//! The transcript as text: one JSON object a line. First what it is, then each question with its answer, at last how many there were,
//! without which it is torn. Writing and asking are left to the files beside.

use std::{fmt, io::BufRead, ops::Range, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::{Advertisement, LinkError, Notification, WriteKind};

/// Number of the format.
pub const FORMAT: u32 = 1;

/// What the first line calls itself.
const KIND: &str = "gatt";

/// Bytes of a line at most: a scan of a crowded hall, some 250 bytes a device.
const LINE_MAX: u64 = 4 << 20;

/// Bytes of a transcript at most. A whole day's history of a band is some 100 KB.
const TEXT_MAX: u64 = 256 << 20;

/// A conversation as it was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// When it began.
    pub started: Timestamp,
    pub(super) entries: Vec<Entry>,
    torn: Option<String>,
}

/// Why a text is no transcript.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TranscriptError {
    /// Another version of the format.
    #[error("read the transcript: its format is {0}, and this program reads {FORMAT}")]
    Format(u64),
    /// It could not be read.
    #[error("read the transcript: {0}")]
    Io(#[from] std::io::Error),
    /// A line in the middle makes no sense.
    #[error("read the transcript: line {line}: {why}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it; no value of it is quoted.
        why: String,
    },
    /// It is something else altogether.
    #[error("read the transcript: the first line is not that of one")]
    NotOne,
    /// It is longer than any conversation.
    #[error("read the transcript: it, or a line of it, is longer than any conversation with a band")]
    TooLong,
}

impl Transcript {
    /// Reads a transcript. One whose end is missing is read as far as it goes, and says so: see [`Transcript::torn`].
    ///
    /// # Errors
    /// When it is none, of another format, too long, or wrong in the middle.
    pub fn read(mut text: impl BufRead) -> Result<Self, TranscriptError> {
        let mut lines = Lines { text: &mut text, read: 0, number: 0 };
        let header = lines.next()?.ok_or(TranscriptError::NotOne)?;
        let header: Header = serde_json::from_str(&header.text).map_err(|_| TranscriptError::NotOne)?;
        if header.record != KIND {
            return Err(TranscriptError::NotOne);
        }
        if header.format != u64::from(FORMAT) {
            return Err(TranscriptError::Format(header.format));
        }
        let started = header.started.ok_or(TranscriptError::NotOne)?;
        let mut transcript = Self { started, entries: Vec::new(), torn: None };
        let mut end = None;
        while let Some(line) = lines.next()? {
            let wrong = |why: String| TranscriptError::Line { line: line.number, why };
            if end.is_some() {
                return Err(wrong("it stands after the end".to_owned()));
            }
            if let Ok(told) = serde_json::from_str::<End>(&line.text) {
                end = Some(told.end);
                continue;
            }
            match serde_json::from_str::<Entry>(&line.text) {
                Ok(entry) => transcript.entries.push(Entry { line: line.number, ..entry }),
                Err(_) if !line.whole => {
                    transcript.torn = Some(format!("line {} is cut off", line.number));
                    return Ok(transcript);
                }
                // The words of the JSON reader may quote what it read.
                Err(error) => return Err(wrong(format!("not a question and its answer (column {})", error.column()))),
            }
        }
        match end {
            Some(count) if count != transcript.entries.len() => Err(TranscriptError::Line {
                line: lines.number,
                why: format!("it ends with {count} answers, and {} stand above", transcript.entries.len()),
            }),
            Some(_) => Ok(transcript),
            None => {
                transcript.torn = Some(format!("it ends with line {}, without the line that says so", lines.number));
                Ok(transcript)
            }
        }
    }

    /// What is missing of its end; `None` when it is whole.
    pub fn torn(&self) -> Option<&str> {
        self.torn.as_deref()
    }
}

/// The first line.
pub(super) fn header(started: Timestamp) -> String {
    line(&Header { format: FORMAT.into(), record: KIND.to_owned(), started: Some(started) })
}

/// The last line, after so many entries.
pub(super) fn end(entries: usize) -> String {
    line(&End { end: entries })
}

/// Anything of this file as a line.
pub(super) fn line(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).expect("plain data without maps");
    text.push('\n');
    text
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: u64,
    record: String,
    /// Always there in this format; optional, so that another format is told before a missing key.
    started: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    end: usize,
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// Line of the transcript.
    #[serde(skip)]
    pub(super) line: usize,
    /// When it was asked, from the start.
    pub(super) at_ms: u64,
    /// How long the answer took.
    pub(super) took_ms: u64,
    /// Which connection was asked, from 1; none for the central itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<u64>,
    pub(super) asked: Asked,
    pub(super) answered: Answered,
}

/// What a central or a link was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Asked {
    Scan {
        for_ms: u64,
    },
    Connect {
        address: Address,
    },
    Read {
        characteristic: Id,
    },
    Write {
        characteristic: Id,
        value: Bytes,
        with_response: bool,
        /// Which bytes are a secret, and stand here as noughts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<Secret>,
    },
    Subscribe {
        characteristic: Id,
    },
    Unsubscribe {
        characteristic: Id,
    },
    Notification {
        within_ms: u64,
    },
    Disconnect,
    /// Nothing was asked: the link was dropped.
    Drop,
    /// Random bytes, which are the machine's own and not the band's.
    Random {
        bytes: usize,
    },
}

/// Bytes that are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Secret {
    from: usize,
    bytes: usize,
}

impl From<Secret> for Range<usize> {
    fn from(secret: Secret) -> Self {
        secret.from..secret.from.saturating_add(secret.bytes)
    }
}

/// What the answer was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Answered {
    Done,
    Value(Bytes),
    Notification {
        characteristic: Id,
        value: Bytes,
    },
    Heard(Vec<Heard>),
    /// A connection, of this number.
    Link(u64),
    Error(Failed),
}

/// An advertisement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Heard {
    /// When it was heard, from the question.
    pub(super) after_ms: u64,
    address: Address,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    manufacturer_data: Vec<(u16, Bytes)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    service_data: Vec<(Id, Bytes)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rssi: Option<i16>,
}

/// A [`LinkError`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Failed {
    Departed(String),
    Flooded(usize),
    Held,
    Lost,
    NoAdapter(String),
    NoCharacteristic(Id),
    NoPermission(String),
    NotFound,
    Refused(u8),
    Silent { ms: u64 },
    Stack(String),
    Unanswered { tries: u32, why: String },
}

/// A device address, as `C0:FF:EE:12:34:56`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Address(pub(super) [u8; 6]);

/// A UUID in its long form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Id(pub(super) Uuid);

/// Bytes, as lower-case hexadecimal digits. `Debug` shows how many.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Heard {
    pub(super) fn new(after: Duration, advertisement: &Advertisement) -> Self {
        let bytes = |data: &Vec<u8>| Bytes(data.clone());
        Self {
            after_ms: millis(after),
            address: Address(advertisement.address),
            name: advertisement.name.clone(),
            manufacturer_data: advertisement.manufacturer_data.iter().map(|(company, data)| (*company, bytes(data))).collect(),
            service_data: advertisement.service_data.iter().map(|(service, data)| (Id(*service), bytes(data))).collect(),
            rssi: advertisement.rssi,
        }
    }

    pub(super) fn advertisement(&self) -> Advertisement {
        Advertisement {
            address: self.address.0,
            name: self.name.clone(),
            manufacturer_data: self.manufacturer_data.iter().map(|(company, data)| (*company, data.0.clone())).collect(),
            service_data: self.service_data.iter().map(|(service, data)| (service.0, data.0.clone())).collect(),
            rssi: self.rssi,
        }
    }
}

impl Asked {
    /// A write; what is secret of its value is left out.
    pub(super) fn write(characteristic: Uuid, value: &[u8], kind: WriteKind, secret: Option<Range<usize>>) -> Self {
        let mut value = value.to_vec();
        let secret = secret.map(|secret| {
            let hidden = value.get_mut(secret.clone()).unwrap_or_default();
            hidden.fill(0);
            Secret { from: secret.start, bytes: hidden.len() }
        });
        let with_response = kind == WriteKind::WithResponse;
        Self::Write { characteristic: Id(characteristic), value: Bytes(value), with_response, secret }
    }
}

/// In words, without values: a key or a heart rate must not reach an error message.
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scan { for_ms } => write!(f, "a scan of {for_ms} ms"),
            Self::Connect { .. } => write!(f, "a connection"),
            Self::Read { characteristic } => write!(f, "a read of {}", characteristic.0),
            Self::Write { characteristic, value, with_response, .. } => {
                let kind = if *with_response { "with" } else { "without" };
                write!(f, "a write of {} bytes to {} {kind} response", value.0.len(), characteristic.0)
            }
            Self::Subscribe { characteristic } => write!(f, "notifications of {} on", characteristic.0),
            Self::Unsubscribe { characteristic } => write!(f, "notifications of {} off", characteristic.0),
            Self::Notification { within_ms } => write!(f, "a notification within {within_ms} ms"),
            Self::Disconnect => write!(f, "the end of the connection"),
            Self::Drop => write!(f, "the link dropped"),
            Self::Random { bytes } => write!(f, "{bytes} random bytes"),
        }
    }
}

impl From<Result<(), LinkError>> for Answered {
    fn from(answer: Result<(), LinkError>) -> Self {
        answer.map_or_else(|error| Self::Error(error.into()), |()| Self::Done)
    }
}

impl From<&Result<Vec<u8>, LinkError>> for Answered {
    fn from(answer: &Result<Vec<u8>, LinkError>) -> Self {
        match answer {
            Ok(value) => Self::Value(Bytes(value.clone())),
            Err(error) => Self::Error(error.clone().into()),
        }
    }
}

impl From<&Result<Notification, LinkError>> for Answered {
    fn from(answer: &Result<Notification, LinkError>) -> Self {
        match answer {
            Ok(said) => Self::Notification { characteristic: Id(said.characteristic), value: Bytes(said.value.clone()) },
            Err(error) => Self::Error(error.clone().into()),
        }
    }
}

impl From<LinkError> for Failed {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Departed(why) => Self::Departed(why),
            LinkError::Flooded(waiting) => Self::Flooded(waiting),
            LinkError::Held => Self::Held,
            LinkError::Lost => Self::Lost,
            LinkError::NoAdapter(why) => Self::NoAdapter(why),
            LinkError::NoCharacteristic(characteristic) => Self::NoCharacteristic(Id(characteristic)),
            LinkError::NoPermission(why) => Self::NoPermission(why),
            LinkError::NotFound => Self::NotFound,
            LinkError::Refused(code) => Self::Refused(code),
            LinkError::Silent(within) => Self::Silent { ms: millis(within) },
            LinkError::Stack(why) => Self::Stack(why),
            LinkError::Unanswered { tries, why } => Self::Unanswered { tries, why },
        }
    }
}

impl From<Failed> for LinkError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Departed(why) => Self::Departed(why),
            Failed::Flooded(waiting) => Self::Flooded(waiting),
            Failed::Held => Self::Held,
            Failed::Lost => Self::Lost,
            Failed::NoAdapter(why) => Self::NoAdapter(why),
            Failed::NoCharacteristic(characteristic) => Self::NoCharacteristic(characteristic.0),
            Failed::NoPermission(why) => Self::NoPermission(why),
            Failed::NotFound => Self::NotFound,
            Failed::Refused(code) => Self::Refused(code),
            Failed::Silent { ms } => Self::Silent(Duration::from_millis(ms)),
            Failed::Stack(why) => Self::Stack(why),
            Failed::Unanswered { tries, why } => Self::Unanswered { tries, why },
        }
    }
}

impl From<Address> for String {
    fn from(Address([a, b, c, d, e, f]): Address) -> Self {
        format!("{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{f:02X}")
    }
}

impl TryFrom<String> for Address {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = Bytes::try_from(text.replace(':', ""))?;
        bytes.0.try_into().map(Self).map_err(|_| "an address has six bytes")
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0.to_string()
    }
}

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Uuid::parse_str(&text).map(Self).map_err(|_| "not a UUID")
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        bytes.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl TryFrom<String> for Bytes {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let pair = |pair: &[u8]| match pair {
            [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
            _ => None,
        };
        text.as_bytes().chunks(2).map(pair).collect::<Option<_>>().map(Self).ok_or("not pairs of hexadecimal digits")
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

/// Whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Lines of a text, within the limits.
struct Lines<'a, T> {
    text: &'a mut T,
    read: u64,
    number: usize,
}

struct Line {
    number: usize,
    text: String,
    /// Whether a line end stands after it.
    whole: bool,
}

impl<T: BufRead> Lines<'_, T> {
    fn next(&mut self) -> Result<Option<Line>, TranscriptError> {
        let mut bytes = Vec::new();
        let length = std::io::Read::take(&mut *self.text, LINE_MAX + 1).read_until(b'\n', &mut bytes)?;
        self.read += length as u64;
        if length as u64 > LINE_MAX || self.read > TEXT_MAX {
            return Err(TranscriptError::TooLong);
        }
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        let whole = bytes.ends_with(b"\n");
        // What is not UTF-8 is no JSON, and is told as such.
        Ok(Some(Line { number: self.number, text: String::from_utf8_lossy(&bytes).into_owned(), whole }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"format":1,"record":"gatt","started":"2026-03-14T11:00:00Z"}"#;
    const READ: &str = r#"{"at_ms":1,"took_ms":2,"link":1,"asked":{"read":{"characteristic":"00002a19-0000-1000-8000-00805f9b34fb"}},"answered":{"value":"57"}}"#;

    fn read(lines: &[&str]) -> Result<Transcript, TranscriptError> {
        Transcript::read(lines.join("\n").as_bytes())
    }

    #[test]
    fn a_whole_transcript_is_read_and_a_torn_one_says_so() {
        let whole = read(&[HEADER, READ, r#"{"end":1}"#, ""]).expect("whole");
        assert_eq!((whole.entries.len(), whole.torn()), (1, None));
        assert_eq!(whole.entries[0].line, 2);
        let check = |lines: &[&str], entries: usize, words: &str| {
            let torn = read(lines).expect("readable as far as it goes");
            assert_eq!(torn.entries.len(), entries);
            assert!(torn.torn().is_some_and(|told| told.contains(words)), "{:?}", torn.torn());
        };
        check(&[HEADER, READ, &READ[..40]], 1, "line 3 is cut off");
        check(&[HEADER, READ, READ, ""], 2, "ends with line 3");
        check(&[HEADER], 0, "ends with line 1");
    }

    #[test]
    fn what_is_no_transcript_is_told_without_quoting_it() {
        let check = |lines: &[&str], words: &str| {
            let error = read(lines).expect_err("not one").to_string();
            assert!(error.contains(words) && !error.contains("57"), "{error}");
        };
        check(&[], "first line");
        check(&["hello"], "first line");
        check(&[r#"{"format":1,"record":"capture","started":"2026-03-14T11:00:00Z"}"#], "first line");
        check(&[r#"{"format":2,"record":"gatt"}"#, "x"], "its format is 2");
        check(&[HEADER, "nonsense", READ, ""], "line 2");
        check(&[HEADER, &READ.replace("57", "5"), ""], "line 2");
        check(&[HEADER, &READ.replace("took_ms", "secret57"), ""], "line 2");
        check(&[HEADER, READ, r#"{"end":2}"#, ""], "2 answers, and 1");
        check(&[HEADER, r#"{"end":0}"#, READ, ""], "after the end");
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let endless = std::io::BufReader::new(std::io::repeat(b'a'));
        assert!(matches!(Transcript::read(endless), Err(TranscriptError::TooLong)));
    }

    #[test]
    fn everything_that_can_be_written_is_read_back() {
        let id = Id(Uuid::from_u128(7));
        let heard = Heard::new(
            Duration::from_millis(5),
            &Advertisement {
                address: [0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56],
                name: Some("Echo \u{202e}".into()),
                manufacturer_data: vec![(0x0157, vec![1, 2])],
                service_data: vec![(Uuid::from_u128(8), Vec::new())],
                rssi: Some(-60),
            },
        );
        let errors = [
            LinkError::Departed("x".into()),
            LinkError::Flooded(4096),
            LinkError::Held,
            LinkError::Lost,
            LinkError::NoAdapter("x".into()),
            LinkError::NoCharacteristic(id.0),
            LinkError::NoPermission("x".into()),
            LinkError::NotFound,
            LinkError::Refused(2),
            LinkError::Silent(Duration::from_millis(10)),
            LinkError::Stack("x".into()),
            LinkError::Unanswered { tries: 3, why: "x".into() },
        ];
        let mut answers: Vec<Answered> = errors.iter().map(|error| Answered::Error(error.clone().into())).collect();
        answers.extend([
            Answered::Done,
            Answered::Value(Bytes(vec![0, 255])),
            Answered::Notification { characteristic: id, value: Bytes(Vec::new()) },
            Answered::Heard(vec![heard]),
            Answered::Link(1),
        ]);
        let questions = [
            Asked::Scan { for_ms: 5000 },
            Asked::Connect { address: Address([1, 2, 3, 4, 5, 6]) },
            Asked::Read { characteristic: id },
            Asked::write(id.0, &[1], WriteKind::WithoutResponse, None),
            Asked::write(id.0, &[1, 2, 3], WriteKind::WithResponse, Some(1..3)),
            Asked::Subscribe { characteristic: id },
            Asked::Unsubscribe { characteristic: id },
            Asked::Notification { within_ms: 1 },
            Asked::Disconnect,
            Asked::Drop,
            Asked::Random { bytes: 24 },
        ];
        for asked in &questions {
            for answered in &answers {
                let entry = Entry { line: 0, at_ms: 1, took_ms: 2, link: None, asked: asked.clone(), answered: answered.clone() };
                assert_eq!(serde_json::from_str::<Entry>(&line(&entry)).expect("ours"), entry);
            }
        }
        for error in errors {
            assert_eq!(LinkError::from(Failed::from(error.clone())), error);
        }
    }
}
