//! A snapshot's text: insta's front matter, then one line an endpoint and one a field at fixed column stops, made for a diff.

use std::fmt::Write as _;

use super::token::{self, Blanks};
use crate::model::{EndpointKey, FieldName, Origin, Snapshot, SnapshotEndpoint, SnapshotField};

/// The whole `.snap` file. `source` is what insta calls the source of a snapshot: the scenario file's name.
pub fn print(snapshot: &Snapshot, source: &str) -> String {
    format!("---\nsource: {}\ndescription: {}\n---\n{}\n", scalar(source), scalar(&description(snapshot)), body(snapshot))
}

/// The header as one line of ASCII JSON: what stands in insta's `description`.
pub fn description(snapshot: &Snapshot) -> String {
    // ASCII only, because YAML readers disagree on which other characters end a line.
    serde_json::to_string(&snapshot.header).unwrap_or_default().chars().fold(String::new(), |mut out, c| {
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
        out
    })
}

/// Endpoints and fields, without a line break at the end; empty when there are none.
pub fn body(snapshot: &Snapshot) -> String {
    let of = snapshot.header.runs;
    let mut lines = Vec::new();
    for (key, endpoint) in &snapshot.endpoints {
        lines.push(endpoint_line(key, endpoint, of));
        lines.extend(endpoint.fields.iter().map(|(name, field)| field_line(name, field, of)));
    }
    lines.join("\n")
}

fn endpoint_line(key: &EndpointKey, endpoint: &SnapshotEndpoint, of: u32) -> String {
    let method = token::write(&key.method, Blanks::None, &[]);
    let host = token::write(&key.host, Blanks::None, &['/']);
    let path = match key.path.as_str() {
        "" => String::new(),
        path if path.starts_with('/') => token::write(path, Blanks::None, &[]),
        path => format!(" {}", token::write(path, Blanks::None, &[])),
    };
    let mut line = format!("{method} {host}{path}");
    cell(&mut line, PARTY_STOP, endpoint.party.word());
    cell(&mut line, PHASE_STOP, &token::write(&key.phase, Blanks::Single, &[]));
    cell(&mut line, 0, &format!("{}/{of}", endpoint.runs));
    if endpoint.origin == Origin::Unknown {
        cell(&mut line, 0, UNKNOWN_ORIGIN);
    }
    line
}

fn field_line(name: &FieldName, field: &SnapshotField, of: u32) -> String {
    let mut line = format!("  {}", name.part.word());
    if !name.path.is_empty() {
        line.push(' ');
        line.push_str(&token::write(&name.path, Blanks::Single, &[]));
    }
    cell(&mut line, TYPE_STOP, &field.shape.kind.to_string());
    let categories: Vec<&str> = field.shape.categories.iter().map(|category| category.word()).collect();
    if !categories.is_empty() {
        cell(&mut line, CATEGORY_STOP, &categories.join(", "));
    }
    cell(&mut line, RUNS_STOP, &format!("{}/{of}", field.runs));
    let chain: Vec<&str> = field.shape.chain.iter().map(|encoding| encoding.word()).collect();
    if !chain.is_empty() {
        cell(&mut line, CHAIN_STOP, &chain.join(" > "));
    }
    line
}

/// Appends a cell at a column (in characters, from 0), or two blanks on when the line is already longer.
fn cell(line: &mut String, stop: usize, text: &str) {
    let blanks = stop.saturating_sub(line.chars().count()).max(2);
    line.extend(std::iter::repeat_n(' ', blanks));
    line.push_str(text);
}

/// A YAML scalar as insta's own writer quotes it: plain where its reader takes it for text, else in double quotes.
fn scalar(text: &str) -> String {
    let starts_odd = text.starts_with([' ', '&', '*', '?', '|', '-', '<', '>', '=', '!', '%', '@', '.']) || text.starts_with("0x");
    let holds_odd = text.chars().any(|c| {
        ":{}[],#`\"'\\".contains(c) || (c.is_ascii_control() && !matches!(c, '\u{7}' | '\u{8}' | '\u{b}' | '\u{c}' | '\u{1b}' | '\u{7f}'))
    });
    let is_word = YAML_WORDS.contains(&text);
    if !(text.is_empty() || starts_odd || holds_odd || is_word || text.ends_with(' ') || text.parse::<f64>().is_ok()) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Marks an endpoint whose owner nobody knows (R1).
pub(super) const UNKNOWN_ORIGIN: &str = "unknown-origin";

/// Columns of an endpoint line.
const PARTY_STOP: usize = 54;
const PHASE_STOP: usize = 67;

/// Columns of a field line.
const TYPE_STOP: usize = 46;
const CATEGORY_STOP: usize = 63;
const RUNS_STOP: usize = 80;
const CHAIN_STOP: usize = 85;

/// Texts that YAML 1.1 reads as truth values or null, and insta's writer therefore quotes.
const YAML_WORDS: [&str; 22] = [
    "yes", "Yes", "YES", "no", "No", "NO", "True", "TRUE", "true", "False", "FALSE", "false", "on", "On", "ON", "off", "Off", "OFF",
    "null", "Null", "NULL", "~",
];
