//! XML 1.0: elements and attributes are names, the text between them is values. Entities are never expanded, but for the five that
//! XML itself has and characters by number; what a document type declares is a value like any other.

use std::{borrow::Cow, ops::Range};

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use crate::model::Encoding;

use super::{
    super::walker::{Limit, Place, Surface, Walker},
    Decoder, plist,
};

/// XML 1.0, and within it Apple's property lists.
pub(super) struct Xml;

impl Decoder for Xml {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        let Some(text) = looks_like_markup(bytes).then(|| std::str::from_utf8(bytes).ok()).flatten() else { return false };
        if !walker.may_look(bytes.len() * 4) || !is_xml(text) {
            return false;
        }
        if plist::is_xml_plist(text) {
            walker.document(Encoding::Plist, bytes, place, |walker, place| plist::walk_xml_plist(text, place, walker));
        } else {
            walker.document(Encoding::Xml, bytes, place, |walker, place| walk(text, place, walker));
        }
        true
    }
}

fn looks_like_markup(bytes: &[u8]) -> bool {
    let start = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes).trim_ascii_start();
    matches!(start, [b'<', second, ..] if second.is_ascii_alphabetic() || b"?!_:".contains(second) || *second >= 0x80)
}

/// Whether a text is one well-formed element with nothing but comments and declarations around it.
pub(super) fn is_xml(text: &str) -> bool {
    if !looks_like_markup(text.as_bytes()) {
        return false;
    }
    let (mut depth, mut roots) = (0_usize, 0);
    for (event, _) in Events::new(text) {
        match event {
            Ok(Event::Start(start)) => {
                roots += usize::from(depth == 0);
                depth += 1;
                if start.attributes().with_checks(false).any(|attribute| attribute.is_err()) {
                    return false;
                }
            }
            Ok(Event::Empty(start)) => {
                roots += usize::from(depth == 0);
                if start.attributes().with_checks(false).any(|attribute| attribute.is_err()) {
                    return false;
                }
            }
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Text(text)) if depth == 0 && !text.trim_start_matches('\u{feff}').trim().is_empty() => return false,
            Ok(Event::CData(_) | Event::GeneralRef(_)) if depth == 0 => return false,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    depth == 0 && roots == 1
}

/// Events with the bytes that each takes; ends after the first error.
pub(super) struct Events<'a> {
    reader: Reader<&'a [u8]>,
    done: bool,
}

impl<'a> Events<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { reader: Reader::from_str(text), done: false }
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = (Result<Event<'a>, quick_xml::Error>, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let start = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        let event = self.reader.read_event();
        let end = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        self.done = !matches!(&event, Ok(event) if *event != Event::Eof);
        if matches!(event, Ok(Event::Eof)) { None } else { Some((event, start..end)) }
    }
}

/// Text between two tags, gathered from pieces: plain runs, references, CDATA sections.
#[derive(Default)]
pub(super) struct Gathered<'a> {
    text: Cow<'a, str>,
    /// Where it stands, from the first piece to the last.
    range: Option<Range<usize>>,
    pieces: usize,
}

impl<'a> Gathered<'a> {
    /// Takes a piece in; false for any event that is none.
    pub(super) fn take(&mut self, event: &Event<'a>, range: &Range<usize>) -> bool {
        let piece: Cow<'a, str> = match event {
            Event::Text(text) => text.clone().into_inner(),
            Event::CData(text) => text.clone().into_inner(),
            Event::GeneralRef(reference) => resolve(reference).into(),
            _ => return false,
        };
        self.pieces += 1;
        self.range = Some(self.range.take().map_or_else(|| range.clone(), |known| known.start..range.end));
        if self.pieces == 1 {
            self.text = piece
        } else {
            self.text.to_mut().push_str(&piece)
        }
        true
    }

    /// The text without white space around it, and its place in `whole`; `None` when there is nothing but white space.
    pub(super) fn end(&mut self, whole: &str, place: Place) -> Option<(Cow<'a, str>, Place)> {
        let Self { text, range, .. } = std::mem::take(self);
        let range = range?;
        let trimmed: Cow<'a, str> = match text {
            Cow::Borrowed(text) => text.trim().into(),
            Cow::Owned(text) => text.trim().to_owned().into(),
        };
        if trimmed.is_empty() {
            return None;
        }
        let exact = match &trimmed {
            Cow::Borrowed(part) => within(whole, part),
            Cow::Owned(_) => None,
        };
        let place = exact.map_or_else(|| place.part(range, false), |range| place.part(range, true));
        Some((trimmed, place))
    }
}

/// A reference: the five of XML 1.0 section 4.6 and characters by number; any other stays as it stands.
fn resolve(reference: &quick_xml::events::BytesRef<'_>) -> String {
    let known = match reference.resolve_char_ref() {
        Ok(Some(character)) => return character.to_string(),
        _ => quick_xml::escape::resolve_predefined_entity(reference),
    };
    known.map_or_else(|| format!("&{};", &**reference), str::to_owned)
}

/// Where a slice of a text stands in it.
pub(super) fn within(text: &str, part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    let range = start..start + part.len();
    (text.get(range.clone()) == Some(part)).then_some(range)
}

/// An element that is open.
struct Element {
    /// Path length before it.
    before: usize,
    outer_group: u32,
}

fn walk(text: &str, place: Place, walker: &mut Walker<'_>) {
    let mut open: Vec<Element> = Vec::new();
    let root = walker.open_group();
    let mut gathered = Gathered::default();
    for (event, range) in Events::new(text) {
        let Ok(event) = event else { break };
        if gathered.take(&event, &range) {
            continue;
        }
        if let Some((value, place)) = gathered.end(text, place) {
            // An element with text is a field of the element around it, and a sibling of the others there.
            let outer = open.last().map_or(root, |element| element.outer_group);
            let own = walker.open_group();
            walker.close_group(outer);
            walker.text(&value, place, Surface::Value);
            walker.close_group(own);
        }
        if walker.is_full() || (open.len() == DEEPEST && matches!(event, Event::Start(_))) {
            walker.cut(if walker.is_full() { Limit::Leaves } else { Limit::Nesting });
            walker.unread((text.len() - range.start.min(text.len())) as u64);
            break;
        }
        match &event {
            Event::Start(start) => {
                let before = walker.enter_key(name(start));
                open.push(Element { before, outer_group: walker.open_group() });
                attributes(start, text, (range, place), walker);
            }
            Event::Empty(start) => {
                let before = walker.enter_key(name(start));
                let outer_group = walker.open_group();
                attributes(start, text, (range, place), walker);
                walker.close_group(outer_group);
                walker.leave(before);
            }
            Event::End(_) => {
                if let Some(element) = open.pop() {
                    walker.close_group(element.outer_group);
                    walker.leave(element.before);
                }
            }
            other => aside(other, text, range, place, walker),
        }
    }
    if let Some(outermost) = open.first() {
        walker.leave(outermost.before);
    }
    walker.close_group(root);
}

fn name<'a>(start: &'a BytesStart<'_>) -> &'a str {
    start.name().into_inner()
}

fn attributes(start: &BytesStart<'_>, text: &str, (range, place): (Range<usize>, Place), walker: &mut Walker<'_>) {
    for attribute in start.attributes().with_checks(false).flatten() {
        let mark = walker.enter_key(&format!("@{}", attribute.key.into_inner()));
        let raw: &str = &attribute.value;
        let plain = quick_xml::escape::unescape(raw).unwrap_or(Cow::Borrowed(raw));
        let exact = matches!(plain, Cow::Borrowed(_)).then(|| within(text, raw)).flatten();
        let place = exact.map_or_else(|| place.part(range.clone(), false), |range| place.part(range, true));
        walker.text(&plain, place, Surface::Value);
        walker.leave(mark);
    }
}

/// What is neither element nor text: it is ignored by who reads the document, but was uploaded.
pub(super) fn aside(event: &Event<'_>, whole: &str, range: Range<usize>, place: Place, walker: &mut Walker<'_>) {
    let (own, content): (&str, &str) = match event {
        Event::Comment(comment) => ("{comment}", comment),
        Event::PI(instruction) => ("{instruction}", instruction),
        Event::DocType(declaration) => ("{doctype}", declaration),
        _ => return,
    };
    let place = within(whole, content).map_or_else(|| place.part(range, false), |range| place.part(range, true));
    let mark = walker.enter_own(own);
    walker.text(content, place, Surface::Value);
    walker.leave(mark);
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Deepest nesting that is followed: as in JSON.
const DEEPEST: usize = 128;
