//! Multipart (RFC 2046, RFC 7578): each part is a form field by its name, each value is peeled, and what is in no part is a leaf too.

use std::ops::Range;

use base64::Engine as _;

use crate::model::Encoding;

use super::{
    super::walker::{Limit, Place, Surface, Walker},
    Decoder, STANDARD, quoted_printable,
};

/// A multipart document inside another value, known by its first and its last line.
pub(super) struct Multipart;

impl Decoder for Multipart {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        let Some(boundary) = sniff(bytes) else { return false };
        if !walker.may_look(bytes.len()) {
            return false;
        }
        let delimiter = [b"--", boundary].concat();
        let Some(cuts) = cuts(bytes, &delimiter) else { return false };
        walker.document(Encoding::Multipart, bytes, place, |walker, place| {
            let outer = walker.open_group();
            parts(bytes, &delimiter, &cuts, place, walker);
            walker.close_group(outer);
        });
        true
    }
}

/// The boundary of a multipart content type.
pub(in super::super) fn boundary_of(content_type: &str) -> Option<&[u8]> {
    let is_name = |parameter: &&str| parameter.get(..9).is_some_and(|name| name.eq_ignore_ascii_case("boundary="));
    let boundary = content_type.split(';').map(str::trim).find(is_name)?.get(9..)?.trim_matches('"');
    (1..=LONGEST_BOUNDARY).contains(&boundary.len()).then_some(boundary.as_bytes())
}

/// The boundary of a document that begins with it and ends with its closing delimiter.
pub(in super::super) fn sniff(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(b"--")?;
    let line = &rest[..rest.iter().take(LONGEST_BOUNDARY + 2).position(|byte| *byte == b'\n')?];
    let boundary = line.strip_suffix(b"\r").unwrap_or(line);
    // RFC 2046 section 5.1.1: bchars.
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(byte);
    let ending = bytes.trim_ascii_end().strip_suffix(b"--")?.strip_suffix(boundary)?;
    ((1..=LONGEST_BOUNDARY).contains(&boundary.len()) && boundary.iter().all(fits) && ending.ends_with(b"\n--")).then_some(boundary)
}

/// Gives every part to the walker; false when the boundary does not occur.
pub(in super::super) fn walk_multipart(bytes: &[u8], boundary: &[u8], place: Place, walker: &mut Walker<'_>) -> bool {
    let delimiter = [b"--", boundary].concat();
    let Some(cuts) = cuts(bytes, &delimiter) else { return false };
    parts(bytes, &delimiter, &cuts, place, walker);
    true
}

/// Where the delimiter begins a line.
fn cuts(bytes: &[u8], delimiter: &[u8]) -> Option<Vec<usize>> {
    let finder = aho_corasick::AhoCorasick::new([delimiter]).ok()?;
    let begins_line = |start: &usize| *start == 0 || bytes[*start - 1] == b'\n';
    let ends_there = |start: &usize| bytes.get(start + delimiter.len()).is_none_or(|next| b"\r\n \t-".contains(next));
    let starts = finder.find_iter(bytes).map(|found| found.start()).filter(begins_line).filter(ends_there);
    let cuts: Vec<usize> = starts.take(MOST_PARTS).collect();
    (!cuts.is_empty()).then_some(cuts)
}

fn parts(bytes: &[u8], delimiter: &[u8], cuts: &[usize], place: Place, walker: &mut Walker<'_>) {
    let preamble = 0..cuts.first().copied().unwrap_or_default();
    outside_parts("{preamble}", bytes, preamble, place, walker);
    for (number, start) in cuts.iter().enumerate() {
        let end = cuts.get(number + 1).copied().unwrap_or(bytes.len());
        let from = start + delimiter.len();
        let part = &bytes[from..end];
        if number + 1 == MOST_PARTS {
            walker.cut(Limit::Parts);
            // The layer that it lies in was searched for planted values.
            walker.unread((end - from) as u64);
            break;
        }
        if part.starts_with(b"--") {
            outside_parts("{epilogue}", bytes, from + 2..end, place, walker);
            continue;
        }
        let Some((head_end, value_at)) = blank_line(part) else {
            outside_parts("{part}", bytes, from..end, place, walker);
            continue;
        };
        let value = &part[value_at..];
        let value = value.strip_suffix(b"\n").map_or(value, |value| value.strip_suffix(b"\r").unwrap_or(value));
        let range = from + value_at..from + value_at + value.len();
        one_part(&part[..head_end], from, value, place, place.part(range, true), walker);
    }
}

/// One part: its value, and the file name that its head gives. `head` begins at the byte `from`.
fn one_part(head: &[u8], from: usize, value: &[u8], around: Place, place: Place, walker: &mut Walker<'_>) {
    let text = String::from_utf8_lossy(head);
    let disposition = header(&text, "content-disposition").unwrap_or_default();
    let mark = walker.enter_key(parameter(disposition, "name").unwrap_or("part"));
    let outer = walker.open_group();
    if let Some(file) = parameter(disposition, "filename").or_else(|| parameter(disposition, "filename*")).filter(|file| !file.is_empty()) {
        let inner = walker.enter_own("{filename}");
        // Its bytes are found again in the head: the parameter may stand anywhere in it.
        let at = head.windows(file.len()).position(|window| window == file.as_bytes());
        let whole = from..from + head.len();
        let place = at.map_or(around.part(whole, false), |at| around.part(from + at..from + at + file.len(), true));
        walker.text(file, place, Surface::Value);
        walker.leave(inner);
    }
    let is = |wanted: &str| header(&text, "content-transfer-encoding").is_some_and(|said| said.trim().eq_ignore_ascii_case(wanted));
    let base64 = is("base64");
    let plain = if is("quoted-printable") { quoted_printable::decode(value) } else { None };
    let packed: Vec<u8> = if base64 { value.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect() } else { Vec::new() };
    match (base64.then(|| STANDARD.decode(&packed)), std::str::from_utf8(value)) {
        (Some(Ok(inner)), text) if !inner.is_empty() && walker.may_copy(inner.len()) => {
            walker.decoded(Encoding::Base64, &inner, place, |walker, place| walker.bytes(&inner, text.ok(), place));
        }
        (_, text) => match (plain.filter(|plain| walker.may_copy(plain.len())), text) {
            (Some(plain), text) => {
                walker.decoded(Encoding::QuotedPrintable, &plain, place, |walker, place| walker.bytes(&plain, text.ok(), place));
            }
            (None, Ok(text)) => walker.text(text, place, Surface::Value),
            (None, Err(_)) => walker.bytes(value, None, place),
        },
    }
    walker.close_group(outer);
    walker.leave(mark);
}

/// Bytes that are in no part: no data by the letter of RFC 2046, but uploaded.
fn outside_parts(name: &str, bytes: &[u8], range: Range<usize>, place: Place, walker: &mut Walker<'_>) {
    if bytes[range.clone()].trim_ascii().is_empty() {
        return;
    }
    let mark = walker.enter_name(name);
    walker.bytes(&bytes[range.clone()], None, place.part(range, true));
    walker.leave(mark);
}

/// Where the head of a part ends and its value begins. Some senders end lines with LF alone.
fn blank_line(part: &[u8]) -> Option<(usize, usize)> {
    let crlf = part.windows(4).position(|window| window == b"\r\n\r\n").map(|at| (at, at + 4));
    let lf = part.windows(2).position(|window| window == b"\n\n").map(|at| (at, at + 2));
    crlf.into_iter().chain(lf).min()
}

/// The value of one line of a part's head.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.split_once(':').filter(|(is, _)| is.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// `name="…"` of a header's value.
fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let mut parameters = value.split(';').filter_map(|parameter| parameter.split_once('='));
    parameters.find(|(is, _)| is.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().trim_matches('"'))
}

const MOST_PARTS: usize = 10_000;
/// RFC 2046 section 5.1.1.
const LONGEST_BOUNDARY: usize = 70;
