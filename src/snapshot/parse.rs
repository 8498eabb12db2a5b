//! Reads a snapshot's text. A line edited by hand into nonsense is answered with its place and what was expected there.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use super::{
    print::UNKNOWN_ORIGIN,
    token::{self},
};
use crate::model::{
    Category, Encoding, EndpointKey, FieldName, FieldShape, FieldType, Origin, Part, Party, Snapshot, SnapshotEndpoint, SnapshotField,
    SnapshotHeader,
    snapshot::{DECODER_VERSION, SNAPSHOT_FORMAT, Unread},
    text::printable,
};

/// What is wrong with a snapshot's text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct SnapshotProblem {
    /// Line, from 1. From [`parse`] it counts lines of the body, and 0 is the description; from [`parse_file`], lines of the file.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is there and what was expected.
    pub problem: String,
}

/// Reads a snapshot from insta's `description` (the header, one JSON line) and contents (the body).
///
/// # Errors
/// The first line that does not read, with what was expected there.
pub fn parse(description: &str, body: &str) -> Result<Snapshot, SnapshotProblem> {
    let header = header(description)?;
    let mut endpoints: BTreeMap<EndpointKey, SnapshotEndpoint> = BTreeMap::new();
    let mut parties: BTreeMap<String, Party> = BTreeMap::new();
    let mut current: Option<EndpointKey> = None;
    for (index, text) in body.lines().enumerate() {
        let line = Line { number: index + 1, text };
        if text.trim().is_empty() {
            continue;
        }
        if !text.starts_with(' ') {
            let (key, endpoint) = line.endpoint(header.runs)?;
            if *parties.entry(key.host.clone()).or_insert(endpoint.party) != endpoint.party {
                return Err(line.problem(0, "this host is of one party on one line and of another on another; expected one party a host"));
            }
            match endpoints.entry(key.clone()) {
                Entry::Occupied(_) => return Err(line.problem(0, "this endpoint stands here twice; expected each endpoint and phase once")),
                Entry::Vacant(place) => place.insert(endpoint),
            };
            current = Some(key);
            continue;
        }
        let (name, field) = line.field(header.runs)?;
        let Some(endpoint) = current.as_ref().and_then(|key| endpoints.get_mut(key)) else {
            return Err(line.problem(0, "expected an endpoint line (METHOD host/path) before the first field"));
        };
        if endpoint.fields.insert(name, field).is_some() {
            return Err(line.problem(2, "this field stands here twice; expected each field of an endpoint once"));
        }
    }
    Ok(Snapshot { header, endpoints })
}

/// Reads a whole `.snap` file, front matter included.
///
/// # Errors
/// As [`parse`], with lines counted in the file.
pub fn parse_file(text: &str) -> Result<Snapshot, SnapshotProblem> {
    let problem = |line: usize, problem: &str| SnapshotProblem { line, column: 1, problem: problem.to_owned() };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.lines().next().map(str::trim_end) != Some("---") {
        return Err(problem(1, "expected --- and insta's front matter"));
    }
    let mut lines = text.split_inclusive('\n');
    let mut at = lines.next().map_or(0, str::len);
    let mut description = None;
    let mut front = 1;
    let mut closed = false;
    for raw in lines {
        front += 1;
        at += raw.len();
        let line = raw.trim_end();
        if line == "---" {
            closed = true;
            break;
        }
        if let Some(value) = line.strip_prefix("description:") {
            description = Some((front, unquote(value.trim()).ok_or_else(|| problem(front, "expected the description in double quotes"))?));
        }
    }
    if !closed {
        return Err(problem(front, "expected --- at the end of the front matter"));
    }
    let Some((described, description)) = description else {
        return Err(problem(front, "expected a description with the snapshot's header in the front matter"));
    };
    let body = text.get(at..).unwrap_or_default();
    parse(&description, body).map_err(|problem| match problem.line {
        0 => SnapshotProblem { line: described, ..problem },
        line => SnapshotProblem { line: line + front, ..problem },
    })
}

fn header(description: &str) -> Result<SnapshotHeader, SnapshotProblem> {
    let problem = |column: usize, problem: String| SnapshotProblem { line: 0, column: column.max(1), problem };
    let header: SnapshotHeader = serde_json::from_str(description)
        .map_err(|error| problem(error.column(), format!("expected the snapshot's header as JSON: {}", printable(&error.to_string()))))?;
    if header.format != SNAPSHOT_FORMAT {
        return Err(problem(1, format!("snapshot format {} is not known here; expected {SNAPSHOT_FORMAT}", header.format)));
    }
    if header.decoder > DECODER_VERSION {
        return Err(problem(1, format!("written by decoder {}, which is newer than this one ({DECODER_VERSION})", header.decoder)));
    }
    for unread in &header.unread {
        let Unread { kind, host, runs, .. } = unread;
        if !(1..=header.runs).contains(runs) {
            return Err(problem(1, format!("unread in {runs} of {} runs; expected 1 to {}", header.runs, header.runs)));
        }
        // A pattern that fits every host would excuse everything.
        if host.split('.').any(|label| label == "*") || (host.is_empty() && kind.hides_host()) {
            let (kind, host) = (kind.word(), printable(host));
            return Err(problem(
                1,
                format!("unread, {kind}: {host:?} is no host; expected one, or a pattern whose labels are more than *"),
            ));
        }
    }
    Ok(header)
}

/// A plain or double-quoted YAML scalar on one line.
fn unquote(value: &str) -> Option<String> {
    if !value.starts_with('"') {
        return Some(value.to_owned());
    }
    // The escapes that insta writes are JSON's.
    serde_json::from_str(value).ok()
}

/// One line of a body, with what a problem needs to name its place.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    number: usize,
    text: &'a str,
}

/// Cells of a line with their byte offsets.
type Cells<'a> = std::vec::IntoIter<(usize, &'a str)>;

impl<'a> Line<'a> {
    fn problem(&self, offset: usize, problem: impl Into<String>) -> SnapshotProblem {
        let column = self.text.get(..offset).unwrap_or(self.text).chars().count() + 1;
        SnapshotProblem { line: self.number, column, problem: problem.into() }
    }

    /// Cells are separated by two or more blanks.
    fn cells(&self) -> Cells<'a> {
        let mut cells = Vec::new();
        let mut at = 0;
        while let Some(rest) = self.text.get(at..) {
            let start = at + (rest.len() - rest.trim_start_matches(' ').len());
            let Some(cell) = self.text.get(start..).filter(|cell| !cell.is_empty()) else { break };
            let end = cell.find("  ").map_or(self.text.len(), |end| start + end);
            cells.push((start, self.text[start..end].trim_end_matches(' ')));
            at = end;
        }
        cells.into_iter()
    }

    fn next(&self, cells: &mut Cells<'a>, expected: &str) -> Result<(usize, &'a str), SnapshotProblem> {
        cells.next().ok_or_else(|| self.problem(self.text.len(), format!("the line ends; expected {expected}")))
    }

    fn read(&self, offset: usize, cell: &str) -> Result<String, SnapshotProblem> {
        token::read(cell).map_err(|at| self.problem(offset + at, "expected an escape such as \\u{7f}"))
    }

    /// `k/n`, where n is the header's number of runs.
    fn runs(&self, (offset, cell): (usize, &str), of: u32) -> Result<u32, SnapshotProblem> {
        let pair = cell.split_once('/').and_then(|(k, n)| Some((k.parse::<u32>().ok()?, n.parse::<u32>().ok()?)));
        match pair {
            Some((k, n)) if n == of && (1..=n).contains(&k) => Ok(k),
            _ => Err(self.problem(offset, format!("{:?} is not a number of runs; expected k/{of}, k from 1 to {of}", printable(cell)))),
        }
    }

    fn end(&self, mut cells: Cells<'a>) -> Result<(), SnapshotProblem> {
        cells
            .next()
            .map_or(Ok(()), |(offset, cell)| Err(self.problem(offset, format!("expected the end of the line, not {:?}", printable(cell)))))
    }

    fn endpoint(&self, of: u32) -> Result<(EndpointKey, SnapshotEndpoint), SnapshotProblem> {
        let mut cells = self.cells();
        let (offset, place) = self.next(&mut cells, "METHOD host/path")?;
        let Some((method, rest)) = place.split_once(' ') else {
            return Err(self.problem(offset, format!("{:?} is no endpoint; expected METHOD host/path", printable(place))));
        };
        let split = rest.find([' ', '/']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(split);
        let (host_at, path) = (offset + method.len() + 1, path.strip_prefix(' ').map_or((split, path), |path| (split + 1, path)));
        if host.is_empty() || path.1.contains(' ') {
            return Err(self.problem(host_at, format!("{:?} is no host and path; expected host/path without blanks", printable(rest))));
        }
        let (method, host, path) = (
            self.read(offset, method)?,
            self.read(host_at, host)?,
            match path {
                (_, "") => String::new(),
                (skip, path) => self.read(host_at + skip, path)?,
            },
        );

        let (at, word) = self.next(&mut cells, "first-party, third-party or unknown-party")?;
        let party = Party::ALL.into_iter().find(|party| party.word() == word);
        let party = party.ok_or_else(|| {
            self.problem(at, format!("{:?} is no party; expected first-party, third-party or unknown-party", printable(word)))
        })?;
        let (at, phase) = self.next(&mut cells, "a phase")?;
        let phase = self.read(at, phase)?;
        let counted = self.next(&mut cells, &format!("the number of runs as k/{of}"))?;
        let runs = self.runs(counted, of)?;
        let origin = match cells.next() {
            None => Origin::App,
            Some((_, UNKNOWN_ORIGIN)) => Origin::Unknown,
            Some((at, word)) => {
                return Err(self.problem(at, format!("expected {UNKNOWN_ORIGIN} or the end of the line, not {:?}", printable(word))));
            }
        };
        self.end(cells)?;
        Ok((EndpointKey { host, path, method, phase }, SnapshotEndpoint { party, origin, runs, fields: BTreeMap::new() }))
    }

    fn field(&self, of: u32) -> Result<(FieldName, SnapshotField), SnapshotProblem> {
        let mut cells = self.cells();
        let (offset, name) = self.next(&mut cells, "a field")?;
        let (word, path) = name.split_once(' ').unwrap_or((name, ""));
        let part = Part::ALL.into_iter().find(|part| part.word() == word).ok_or_else(|| {
            let parts: Vec<&str> = Part::ALL.iter().map(|part| part.word()).collect();
            self.problem(offset, format!("{:?} is no part of a request; expected {}", printable(word), parts.join(", ")))
        })?;
        let path = if path.is_empty() { String::new() } else { self.read(offset + word.len() + 1, path)? };
        let (at, kind) = self.next(&mut cells, "a type")?;
        let kind = FieldType::parse(kind).ok_or_else(|| {
            self.problem(at, format!("{:?} is no type; expected one such as text, integer, timestamp-s, bytes[1440]", printable(kind)))
        })?;

        let mut cell = self.next(&mut cells, "categories or the number of runs")?;
        let mut categories = BTreeSet::new();
        if !cell.1.starts_with(|c: char| c.is_ascii_digit()) {
            let mut at = cell.0;
            for word in cell.1.split(", ") {
                let category = Category::parse(word).ok_or_else(|| {
                    let all: Vec<&str> = Category::ALL.iter().map(|category| category.word()).collect();
                    self.problem(at, format!("{:?} is no category; expected {}", printable(word), all.join(", ")))
                })?;
                categories.insert(category);
                at += word.len() + 2;
            }
            cell = self.next(&mut cells, &format!("the number of runs as k/{of}"))?;
        }
        let runs = self.runs(cell, of)?;
        let mut chain = Vec::new();
        if let Some((mut at, words)) = cells.next() {
            for word in words.split(" > ") {
                let encoding = Encoding::ALL.into_iter().find(|encoding| encoding.word() == word).ok_or_else(|| {
                    let all: Vec<&str> = Encoding::ALL.iter().map(|encoding| encoding.word()).collect();
                    self.problem(at, format!("{:?} is no encoding; expected {}", printable(word), all.join(", ")))
                })?;
                chain.push(encoding);
                at += word.len() + 3;
            }
        }
        self.end(cells)?;
        Ok((FieldName { part, path }, SnapshotField { shape: FieldShape { kind, categories, chain }, runs }))
    }
}

#[cfg(test)]
mod tests;
