//! `fields`: what was uploaded, field by field, without a value; or the fields of one body.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    Exit, Failure, Surroundings, auditing,
    inputs::{self, Claims, groups},
};
use crate::{
    decode,
    model::{Observations, Origin, text::printable},
    report::{self, FieldRow},
    store::capture,
};

/// Longest body that is read, in bytes.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Arguments of `fields`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Captures, folders of captures, or HAR files; the latest capture when none is named
    #[arg(conflicts_with = "body")]
    paths: Vec<PathBuf>,
    /// One raw request body, or one value of a form, percent-encoded or not; `-` is standard input
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// Content type of the body, where it is known
    #[arg(long, value_name = "TYPE", requires = "body")]
    content_type: Option<String>,
    #[command(flatten)]
    claims: Claims,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    match &arguments.body {
        Some(path) => body(path, arguments.content_type.as_deref(), surroundings),
        None => recorded(arguments, surroundings),
    }
}

fn body(typed: &Path, content_type: Option<&str>, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let mut bytes = Vec::new();
    let (shown, read) = if typed.as_os_str() == "-" {
        ("standard input".to_owned(), (&mut surroundings.stdin).take(MOST_BYTES + 1).read_to_end(&mut bytes))
    } else {
        let path = surroundings.path(typed);
        (surroundings.shown(&path), fs::File::open(&path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes)))
    };
    let fail = |problem: io::Error| Failure::usage(format!("read {shown}: {problem}"), "");
    read.map_err(fail)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(fail(io::Error::new(io::ErrorKind::InvalidData, format!("longer than {MOST_BYTES} bytes"))));
    }
    let (leaves, blind_spots) = decode::body_leaves(&bytes, content_type);
    let row = |leaf: decode::Leaf| FieldRow {
        place: String::new(),
        name: leaf.name,
        shape: leaf.shape,
        reasons: leaf.reasons,
        bytes: leaf.bytes,
        runs: None,
    };
    let rows: Vec<_> = leaves.into_iter().map(row).collect();
    print(&rows, surroundings)?;
    for spot in &blind_spots {
        surroundings.print(&format!("not decoded: {}\n", printable(&spot.sentence)))?;
    }
    Ok(Exit::Clean)
}

fn recorded(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let paths = if arguments.paths.is_empty() { vec![latest(surroundings)?] } else { arguments.paths.clone() };
    let workspace = surroundings.workspace();
    for group in groups(inputs::recordings(&paths, &arguments.claims, surroundings)?) {
        let target = group.first().expect("a group holds the recording that made it").provenance().target.clone();
        let (app, _) = auditing::app_of(&target, &workspace, surroundings)?;
        let observations = auditing::observed(&group, &app, surroundings)?;
        let claimed = if target.claimed { " (claimed)" } else { "" };
        let mut head = printable(&format!("{} {} on {}{claimed}, {}", target.app, target.version, target.platform, target.scenario));
        if let Some(disclaimer) = target.platform.disclaimer() {
            head.push_str(&format!("\n{disclaimer}"));
        }
        let coverage = &observations.coverage;
        head.push_str(&format!("\n{} of {} hosts read", coverage.read_hosts(), coverage.all_hosts()));
        surroundings.print(&format!("{head}\n\n"))?;
        let rows = rows(&observations);
        // Names and places are text from outside too: a key may be somebody's id.
        let texts: Vec<_> = rows.iter().map(|row| format!("{} {}", row.place, row.name)).collect();
        auditing::check_texts(&observations.gate, &serde_json::Value::from(texts), "fields")?;
        print(&rows, surroundings)?;
        for spot in coverage.blind_spots.iter().filter(|spot| spot.origin != Origin::Phone) {
            surroundings.print(&format!("not seen: {}\n", printable(&spot.sentence)))?;
        }
    }
    Ok(Exit::Clean)
}

fn rows(observations: &Observations) -> Vec<FieldRow> {
    let endpoints = observations.endpoints.iter().filter(|(_, facts)| facts.origin != Origin::Phone);
    let rows = endpoints.flat_map(|(key, facts)| {
        facts.fields.iter().map(|(name, field)| FieldRow {
            place: format!("{}  {}  {}", key.place(), facts.party.word(), key.phase),
            name: name.clone(),
            shape: field.shape.clone(),
            reasons: field.reasons.iter().cloned().collect(),
            bytes: field.first.as_ref().and_then(|first| first.bytes),
            runs: Some((field.runs, observations.runs)),
        })
    });
    rows.collect()
}

fn print(rows: &[FieldRow], surroundings: &mut Surroundings) -> Result<(), Failure> {
    let options = report::Options { width: surroundings.width, colour: surroundings.colour };
    surroundings.print(&report::fields_table(rows, options))
}

/// The capture that was made last.
pub(super) fn latest(surroundings: &Surroundings) -> Result<PathBuf, Failure> {
    let runs = surroundings.workspace().runs();
    let captures = capture::list(&runs)?.0;
    captures.into_iter().max_by_key(|capture| (capture.made, capture.name.clone())).map(|capture| capture.folder).ok_or_else(|| {
        Failure::usage(format!("find a capture: there is none in {}", surroundings.shown(&runs)), "`tattletale run` records some")
    })
}
