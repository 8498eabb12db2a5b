//! Server-sent events (WHATWG HTML, section 9.2.5): lines of `data:`, `event:`, `id:` and `retry:`.

use std::ops::Range;

use crate::model::Encoding;

use super::{
    super::{
        leaf::Value,
        walker::{Place, Surface, Walker},
    },
    Decoder,
};

/// A stream of events inside another value, or as a body without its content type.
pub(super) struct Sse;

impl Decoder for Sse {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        if !bytes.first().is_some_and(|first| b":deir".contains(first)) || !looks_like_events(bytes) || !walker.may_look(bytes.len()) {
            return false;
        }
        walker.document(Encoding::Sse, bytes, place, |walker, place| walk_sse(bytes, place, walker));
        true
    }
}

/// Only lines of a stream, one of them data, and one of the blank lines that dispatch an event.
fn looks_like_events(bytes: &[u8]) -> bool {
    let ended = bytes.ends_with(b"\n\n") || bytes.ends_with(b"\r\n\r\n") || bytes.ends_with(b"\r\r");
    let (mut data, mut dispatched) = (false, ended);
    let only_fields = lines(bytes).all(|range| {
        let line = &bytes[range];
        data |= line.starts_with(b"data:");
        dispatched |= line.is_empty();
        line.is_empty() || line.starts_with(b":") || field(line).is_some()
    });
    only_fields && data && dispatched
}

/// Gives every event to the walker. Data of several lines are one value, without a byte range of its own.
pub(in super::super) fn walk_sse(bytes: &[u8], place: Place, walker: &mut Walker<'_>) {
    let mut data: Vec<Range<usize>> = Vec::new();
    for range in lines(bytes) {
        let line = &bytes[range.clone()];
        if line.is_empty() {
            give_data(bytes, &mut data, place, walker);
            continue;
        }
        match field(line) {
            Some(("data", at)) => data.push(range.start + at..range.end),
            Some((name, at)) => give(name, &bytes[range.start + at..range.end], place.part(range.start + at..range.end, true), walker),
            // Comments, and whatever else was sent: a client ignores it, but it was uploaded.
            None => give("{comment}", line, place.part(range, true), walker),
        }
    }
    give_data(bytes, &mut data, place, walker);
}

fn give_data(bytes: &[u8], data: &mut Vec<Range<usize>>, place: Place, walker: &mut Walker<'_>) {
    let (Some(first), Some(last)) = (data.first(), data.last()) else { return };
    let whole = first.start..last.end;
    if let [range] = &data[..] {
        give("data", &bytes[range.clone()], place.part(whole, true), walker);
    } else if walker.may_copy(whole.len()) {
        let joined = data.iter().map(|range| &bytes[range.clone()]).collect::<Vec<_>>().join(&b'\n');
        give("data", &joined, place.part(whole, false), walker);
    } else {
        walker.leaf(Value::Bytes { bytes: &bytes[whole.clone()], text: None }, place.part(whole, true));
    }
    data.clear();
}

fn give(name: &str, value: &[u8], place: Place, walker: &mut Walker<'_>) {
    let mark = walker.enter_own(name);
    let outer = walker.open_group();
    match std::str::from_utf8(value) {
        Ok(text) => walker.text(text, place, Surface::Value),
        Err(_) => walker.bytes(value, None, place),
    }
    walker.close_group(outer);
    walker.leave(mark);
}

/// Name of a line's field, and where its value begins: after the colon and one space.
fn field(line: &[u8]) -> Option<(&'static str, usize)> {
    ["data", "event", "id", "retry"].into_iter().find_map(|name| match line.strip_prefix(name.as_bytes())? {
        [] => Some((name, name.len())),
        [b':', b' ', ..] => Some((name, name.len() + 2)),
        [b':', ..] => Some((name, name.len() + 1)),
        _ => None,
    })
}

/// Lines end with LF, CRLF or CR.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let start = at;
        let end = bytes[start..].iter().position(|byte| matches!(byte, b'\n' | b'\r')).map_or(bytes.len(), |length| start + length);
        at = end + if bytes.get(end..end + 2) == Some(b"\r\n") { 2 } else { 1 };
        Some(start..end)
    })
}
