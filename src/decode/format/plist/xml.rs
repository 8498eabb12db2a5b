//! Property lists in XML: `<key>` elements name what follows them.

use base64::Engine as _;
use quick_xml::events::Event;

use crate::model::Encoding;

use super::super::{
    super::{
        leaf::Value,
        walker::{Limit, Place, Surface, Walker},
    },
    STANDARD,
    xml::{Events, Gathered, aside},
};

/// Whether the root of well-formed XML is `plist`.
pub(in super::super) fn is_xml_plist(text: &str) -> bool {
    let root = Events::new(text).find_map(|(event, _)| match event {
        Ok(Event::Start(start) | Event::Empty(start)) => Some(start.name().into_inner() == "plist"),
        Ok(_) => None,
        Err(_) => Some(false),
    });
    root == Some(true)
}

/// A `dict` or `array` that is open.
struct Open {
    before: usize,
    inside: usize,
    outer_group: u32,
}

/// Gives every value of well-formed XML with the root `plist` to the walker.
pub(in super::super) fn walk_xml_plist(text: &str, place: Place, walker: &mut Walker<'_>) {
    let mut open: Vec<Open> = Vec::new();
    let mut element = String::new();
    let mut gathered = Gathered::default();
    let root = walker.enter_name("");
    for (event, range) in Events::new(text) {
        let Ok(event) = event else { break };
        if gathered.take(&event, &range) {
            continue;
        }
        let value = gathered.end(text, place);
        if walker.is_full() || (open.len() == DEEPEST && matches!(event, Event::Start(_))) {
            walker.cut(if walker.is_full() { Limit::Leaves } else { Limit::Nesting });
            walker.unread((text.len() - range.start.min(text.len())) as u64);
            break;
        }
        match &event {
            Event::Start(start) => {
                // Text before an element belongs to nothing here.
                if let Some((value, place)) = value {
                    walker.text(&value, place, Surface::Value);
                }
                start.name().into_inner().clone_into(&mut element);
                if matches!(element.as_str(), "dict" | "array") {
                    let before = walker.enter_name("");
                    if element == "array" {
                        walker.enter_element();
                    }
                    let inside = walker.enter_name("");
                    open.push(Open { before, inside, outer_group: walker.open_group() });
                }
            }
            Event::Empty(start) => match start.name().into_inner() {
                word @ ("true" | "false") => walker.leaf(Value::Boolean(word == "true"), place.part(range, true)),
                "dict" | "array" => {}
                _ => walker.leaf(Value::Null, place.part(range, true)),
            },
            Event::End(end) => match end.name().into_inner() {
                "dict" | "array" => {
                    if let Some((value, place)) = value {
                        walker.text(&value, place, Surface::Value);
                    }
                    if let Some(closed) = open.pop() {
                        walker.leave(closed.before);
                        walker.close_group(closed.outer_group);
                    }
                }
                "key" => {
                    if let Some(dictionary) = open.last() {
                        walker.leave(dictionary.inside);
                    }
                    walker.enter_key(value.as_ref().map_or("", |(key, _)| key));
                }
                "plist" => {}
                kind => match value {
                    Some((value, place)) => scalar(kind, &value, place, walker),
                    None => walker.leaf(Value::Text(""), place.part(range, false)),
                },
            },
            // Every property list has the same one.
            Event::DocType(declaration) if declaration.contains("-//Apple//DTD PLIST") && !declaration.contains('[') => {}
            other => aside(other, text, range, place, walker),
        }
    }
    if let Some(outermost) = open.first() {
        walker.close_group(outermost.outer_group);
    }
    walker.leave(root);
}

fn scalar(kind: &str, value: &str, place: Place, walker: &mut Walker<'_>) {
    match kind {
        "integer" | "real" => walker.leaf(Value::Number(value), place),
        "data" => {
            let packed: Vec<u8> = value.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            match STANDARD.decode(&packed) {
                Ok(data) if walker.may_copy(data.len()) => {
                    walker.decoded(Encoding::Base64, &data, place, |walker, place| walker.bytes(&data, Some(value), place));
                }
                _ => walker.leaf(Value::Text(value), place),
            }
        }
        _ => walker.text(value, place, Surface::Value),
    }
}

/// Deepest nesting that is followed: as in JSON.
const DEEPEST: usize = 128;
