//! `fields`: what was uploaded, field by field, without a value; or the fields of one body.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::{
    Exit, Failure, Surroundings, auditing,
    inputs::{self, Claims, groups},
    plant::Plant,
};
use crate::{
    audit, decode,
    model::{
        App, Body, CaptureSource, Captured, Exchange, ExchangeId, Header, NoBodies, Observations, Part, Provenance, Request, Response, Rig,
        RunEnding, RunEvent, Target, Url, capture::CAPTURE_FORMAT, text::printable,
    },
    report::{self, EndpointOf, FieldOf, FieldRow, LedgerOf, LedgerRow, LedgerScope, Seen},
    scenario::HeldValue,
    store::capture,
};

/// Longest body that is read, in bytes.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Arguments of `fields`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Captures, folders of captures, HAR or mitmproxy flow files; the latest capture when none is named
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
    #[command(flatten)]
    plant: Plant,
    /// Only fields of which nobody knows what they are
    #[arg(long)]
    unexplained: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

impl Arguments {
    /// Whether a field is to be shown.
    fn shows(&self, field: &FieldOf) -> bool {
        !self.unexplained || field.unexplained > 0
    }
}

/// How fields are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// As data, for machines
    Json,
    /// As tables, for people
    Table,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    match &arguments.body {
        Some(path) => body(path, arguments, surroundings),
        None => recorded(arguments, surroundings),
    }
}

fn body(typed: &Path, arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let values = arguments.plant.values(surroundings)?.map(|(_, values)| values).unwrap_or_default();
    let bytes = read_body(typed, surroundings)?;
    let (observations, made_up) = observed_body(bytes, arguments.content_type.as_deref(), values, surroundings.now);
    let seen = Seen::of(&observations, &Claims::default().target());
    check(&seen, &observations)?;
    let alone = |field: FieldOf| FieldOf { endpoint: None, first: None, runs: None, ..field };
    // Of the request that was made up around the body, nothing is told.
    let in_body = |field: &FieldOf| matches!(field.name.part, Part::Form | Part::Json | Part::Body);
    let mut ledger = seen.ledger;
    ledger.retain(|row| row.scope == LedgerScope::Everything);
    for row in &mut ledger {
        for known in [&mut row.ledger, &mut row.unaided] {
            known.structure -= made_up.min(known.structure);
        }
    }
    let seen = Seen {
        target: None,
        disclaimer: None,
        runs: 0,
        hosts: None,
        planted: seen.planted,
        positions: seen.positions,
        fields: seen.fields.into_iter().filter(in_body).map(alone).filter(|field| arguments.shows(field)).collect(),
        ledger,
        // One body has no place.
        not_seen: observations.coverage.blind_spots.iter().map(|spot| spot.sentence.clone()).collect(),
    };
    match arguments.format {
        Format::Json => surroundings.print(&report::fields_json(&[seen]))?,
        Format::Table => {
            print(&seen, &observations, surroundings)?;
            for sentence in &seen.not_seen {
                surroundings.print(&format!("not decoded: {}\n", printable(sentence)))?;
            }
        }
    }
    Ok(Exit::Clean)
}

fn read_body(typed: &Path, surroundings: &mut Surroundings) -> Result<Vec<u8>, Failure> {
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
    Ok(bytes)
}

/// What decoding sees in a body with planted values to search for: that of one request that holds nothing else but so many bytes.
fn observed_body(bytes: Vec<u8>, content_type: Option<&str>, values: Vec<HeldValue>, now: Timestamp) -> (Observations, u64) {
    let app = App::default();
    let provenance = Provenance {
        format: CAPTURE_FORMAT,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        source: CaptureSource::Proxy,
        target: Claims::default().target(),
        scenario_hash: None,
        run: 1,
        runs: 1,
        rig: Rig::Real { about: String::new() },
        started: now,
        // When they held says nothing of a body without a time.
        planted: values.into_iter().map(|held| held.value).collect(),
        expectations: Vec::new(),
        control: None,
    };
    let headers = content_type.map(|value| Header { name: "content-type".to_owned(), value: value.to_owned().into() });
    let url = Url { scheme: "https".into(), host: "body.test".into(), port: 443, path_and_query: Captured::new("/".into()) };
    let request = Request {
        method: "POST".into(),
        url,
        http_version: String::new(),
        headers: headers.into_iter().collect(),
        body: Body::inline(bytes),
        trailers: Vec::new(),
    };
    let exchange = Exchange {
        id: ExchangeId(1),
        phase: "start".into(),
        tunnel: None,
        began: now,
        ended: None,
        request,
        response: Some(Response {
            status: 200,
            http_version: String::new(),
            headers: Vec::new(),
            body: Body::default(),
            trailers: Vec::new(),
        }),
        error: None,
    };
    let made_up = exchange.request.uploaded_bytes() - exchange.request.body.bytes;
    let mut observer = decode::Observer::new(&app, &provenance);
    observer.absorb(&RunEvent::Exchange(Box::new(exchange)), &NoBodies);
    observer.absorb(&RunEvent::RunEnded { ending: RunEnding::Complete }, &NoBodies);
    (observer.finish(), made_up)
}

fn recorded(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let paths = if arguments.paths.is_empty() { vec![latest(surroundings)?] } else { arguments.paths.clone() };
    let workspace = surroundings.workspace();
    let recordings = inputs::recordings(&paths, &arguments.claims, surroundings)?;
    let mut all = Vec::new();
    for group in groups(arguments.plant.before(recordings, surroundings)?) {
        let target = group.first().expect("a group holds the recording that made it").provenance().target.clone();
        let (app, _) = auditing::app_of(&target, &workspace, surroundings)?;
        let observations = auditing::observed(&group, &app, surroundings)?;
        let mut seen = Seen::of(&observations, &target);
        seen.fields.retain(|field| arguments.shows(field));
        check(&seen, &observations)?;
        match arguments.format {
            Format::Json => all.push(seen),
            Format::Table => tell(&seen, &observations, &target, surroundings)?,
        }
    }
    if arguments.format == Format::Json {
        surroundings.print(&report::fields_json(&all))?;
    }
    Ok(Exit::Clean)
}

/// Prints what was seen in recordings as a table.
fn tell(seen: &Seen, observations: &Observations, target: &Target, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let claimed = if target.claimed { " (claimed)" } else { "" };
    let mut head = printable(&format!("{} {} on {}{claimed}, {}", target.app, target.version, target.platform, target.scenario));
    if let Some(disclaimer) = &seen.disclaimer {
        head.push_str(&format!("\n{disclaimer}"));
    }
    if let Some((read, all)) = seen.hosts {
        head.push_str(&format!("\n{read} of {all} hosts read"));
    }
    surroundings.print(&format!("{head}\n\n"))?;
    print(seen, observations, surroundings)?;
    for sentence in &seen.not_seen {
        surroundings.print(&format!("not seen: {}\n", printable(sentence)))?;
    }
    Ok(())
}

/// Names and places are text from outside too: a key may be somebody's id (R12).
fn check(seen: &Seen, observations: &Observations) -> Result<(), Failure> {
    let texts = seen.fields.iter().map(|field| {
        let place = field.endpoint.as_ref().map(|endpoint| endpoint.key.place()).unwrap_or_default();
        format!("{place} {}", field.name)
    });
    let texts = texts.chain(seen.not_seen.iter().cloned());
    auditing::check_texts(&observations.gate, &serde_json::Value::from(texts.collect::<Vec<_>>()), "fields")
}

fn print(seen: &Seen, observations: &Observations, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let options = report::Options { width: surroundings.width, colour: surroundings.colour };
    let rows: Vec<FieldRow> = seen.fields.iter().map(row).collect();
    surroundings.print(&report::fields_table(&rows, options))?;
    let rows: Vec<LedgerRow> = seen.ledger.iter().map(ledger_row).collect();
    surroundings.print(&format!("\n{}\n", report::ledger_table(&rows, options)))?;
    for (name, words) in audit::planted(observations) {
        surroundings.print(&format!("planted {}: {words}\n", printable(&name)))?;
    }
    for position in &seen.positions {
        surroundings.print(&format!("position: {}\n", printable(&position.sentence)))?;
    }
    Ok(())
}

fn row(field: &FieldOf) -> FieldRow {
    let place = |endpoint: &EndpointOf| {
        let receiver = endpoint.receiver.as_ref().map(|receiver| format!("  {}", receiver.in_words())).unwrap_or_default();
        format!("{}  {}  {}{receiver}", endpoint.key.place(), endpoint.party.word(), endpoint.key.phase)
    };
    FieldRow {
        place: field.endpoint.as_ref().map(place).unwrap_or_default(),
        name: field.name.clone(),
        shape: field.shape.clone(),
        reasons: field.reasons.iter().map(|why| (why.category, why.reason.clone())).collect(),
        bytes: field.bytes,
        unexplained: (field.unexplained > 0).then_some((field.unexplained, field.entropy)),
        runs: field.runs,
    }
}

/// Everything, then hosts, then endpoints, told apart by how they are written.
fn ledger_row(row: &LedgerOf) -> LedgerRow {
    let place = match row.scope {
        LedgerScope::Everything => "everything".to_owned(),
        LedgerScope::Host | LedgerScope::Endpoint => row.place.clone(),
    };
    LedgerRow { place, all: row.ledger, unaided: row.unaided }
}

/// The capture that was made last.
pub(super) fn latest(surroundings: &Surroundings) -> Result<PathBuf, Failure> {
    let runs = surroundings.workspace().runs();
    let captures = capture::list(&runs)?.0;
    captures.into_iter().max_by_key(|capture| (capture.made, capture.name.clone())).map(|capture| capture.folder).ok_or_else(|| {
        Failure::usage(format!("find a capture: there is none in {}", surroundings.shown(&runs)), "`tattletale run` records some")
    })
}
