//! The hash chain of a capture's log. It covers the *purged form* of each line, in which a body's bytes are replaced by their
//! digest, so that a person can delete the bodies of a capture and still show that nothing else in it was touched.
//!
//! A chain without an anchor outside the folder proves that lines were not changed one by one; it does not prove that nobody
//! wrote the whole log anew, or cut off its end.

use std::sync::LazyLock;

use memchr::memmem;
use sha2::{Digest, Sha256};

use crate::model::text;

/// The link before the first line.
pub(super) const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How the bytes of a body begin in a line. A quote inside a JSON string is escaped, so none of these can stand in one.
const OPENINGS: [&[u8]; 2] = [b"\"content\":{\"inline\":\"", b"\"content\":{\"torn\":\""];

/// What all of them begin with.
static KEY: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\"content\":{\""));

/// What stands in their place in the purged form, followed by the SHA-256 of the base64 text and [`PURGED_END`].
const PURGED: &[u8] = b"\"content\":{\"absent\":\"purged, base64 had SHA-256 ";

/// The end of a replaced body: the same two bytes that end the one it replaces.
const PURGED_END: &[u8] = b"\"}";

/// Between the event and its link.
const SEPARATOR: &[u8] = b",\"chain\":\"";

/// Bytes of a line that hold its link: separator, 64 hex digits, and the end of the object.
const TAIL: usize = SEPARATOR.len() + START.len() + 2;

/// The link that follows `previous` for a line's event (the JSON object without its last brace).
pub(super) fn link(previous: &str, event: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(previous.as_bytes());
    each_part(event, |part| match part {
        Part::Kept(bytes) => hasher.update(bytes),
        Part::Body(base64) => hasher.update(purged(base64)),
    });
    text::hex(&hasher.finalize())
}

/// Completes the line that begins at `start`, of which the event's JSON object is there, with its link, without a newline; and
/// gives the link.
pub(super) fn seal(lines: &mut Vec<u8>, start: usize, previous: &str) -> String {
    lines.pop();
    let link = link(previous, lines.get(start..).unwrap_or_default());
    lines.extend_from_slice(SEPARATOR);
    lines.extend_from_slice(link.as_bytes());
    lines.extend_from_slice(PURGED_END);
    link
}

/// Takes a line (without newline) apart: its event without the last brace, and its link.
pub(super) fn split(line: &[u8]) -> Option<(&[u8], &str)> {
    let (event, tail) = line.split_at_checked(line.len().checked_sub(TAIL)?)?;
    let link = tail.strip_prefix(SEPARATOR)?.strip_suffix(PURGED_END)?;
    let link = std::str::from_utf8(link).ok()?;
    link.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit)).then_some((event, link))
}

/// The purged form of a line. Its link stays right.
pub(super) fn purge(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len().min(4096));
    each_part(line, |part| match part {
        Part::Kept(bytes) => out.extend_from_slice(bytes),
        Part::Body(base64) => out.extend_from_slice(&purged(base64)),
    });
    out
}

enum Part<'a> {
    /// As it is in both forms.
    Kept(&'a [u8]),
    /// The base64 text of a body, between its opening and its end.
    Body(&'a [u8]),
}

/// Gives a line part by part: what is kept, and each body's base64 with its opening and end taken away.
fn each_part<'a>(line: &'a [u8], mut give: impl FnMut(Part<'a>)) {
    let mut rest = line;
    while let Some((start, opening)) = next_opening(rest) {
        let body = rest.get(start + opening..).unwrap_or_default();
        let length = memchr::memchr(b'"', body).unwrap_or(body.len());
        give(Part::Kept(rest.get(..start).unwrap_or_default()));
        give(Part::Body(body.get(..length).unwrap_or_default()));
        rest = body.get(length..).unwrap_or_default().strip_prefix(PURGED_END).unwrap_or_default();
    }
    give(Part::Kept(rest));
}

/// Where the next body begins, and how long its opening is.
fn next_opening(line: &[u8]) -> Option<(usize, usize)> {
    KEY.find_iter(line).find_map(|at| {
        let found = line.get(at..)?;
        OPENINGS.into_iter().find(|opening| found.starts_with(opening)).map(|opening| (at, opening.len()))
    })
}

/// What stands in the purged form for a body.
fn purged(base64: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(PURGED.len() + START.len() + PURGED_END.len());
    out.extend_from_slice(PURGED);
    out.extend_from_slice(text::sha256_hex(base64).as_bytes());
    out.extend_from_slice(PURGED_END);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = br#"{"n":1,"event":{"exchange":{"request":{"body":{"bytes":2,"content":{"inline":"aGk="}}},"response":{"body":{"content":{"torn":"aA=="}}},"x":"\"content\":{\"inline\":\"stays\"}"}}}"#;

    #[test]
    fn purging_takes_both_bodies_and_keeps_text_that_looks_like_one() {
        let text = String::from_utf8(purge(LINE)).expect("text stays text");
        assert!(!text.contains("aGk=") && !text.contains("aA=="), "{text}");
        assert!(text.contains("stays"), "{text}");
        assert_eq!(purge(text.as_bytes()), text.as_bytes(), "purging twice changes nothing");
        serde_json::from_str::<serde_json::Value>(&text).expect("the purged form is JSON");
    }

    #[test]
    fn a_line_has_the_same_link_before_and_after_purging_and_another_when_a_byte_changes() {
        let mut line = LINE.to_vec();
        let link = seal(&mut line, 0, START);
        let purged = purge(&line);
        let (event, kept) = split(&purged).expect("it is a line");
        assert_eq!((super::link(START, event), kept), (link.clone(), link.as_str()));
        let changed = String::from_utf8(line).expect("text").replace("aGk=", "aGo=");
        let (event, kept) = split(changed.as_bytes()).expect("it is a line");
        assert_ne!(super::link(START, event), kept);
    }

    #[test]
    fn nonsense_is_no_line() {
        for line in ["", "}", "{\"n\":1}", &"x".repeat(200), &format!("{{\"n\":1,\"chain\":\"{}\"}}", "Z".repeat(64))] {
            assert!(split(line.as_bytes()).is_none(), "{line}");
        }
    }
}
