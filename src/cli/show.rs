//! `show`: one exchange or one finding in full. Captured values are shown at a terminal, and nowhere else.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use clap::Args;

use super::{
    Exit, Failure, Surroundings,
    auditing::{self, Audited, Choices},
    fields::latest,
    inputs::{self, AnyRecording, Claims, groups},
    plant::Plant,
    table::table,
};
use crate::{
    decode, detect,
    model::{
        App, BodyContent, Captured, Certainty, Exchange, ExchangeId, FieldName, Finding, Header, Observations, Reason, RunEvent,
        text::printable,
    },
};

/// Longest value that is shown whole, in characters.
const MOST_SHOWN: usize = 400;

/// Arguments of `show`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Number of an exchange (12 or #12), or id of a finding (T01234567)
    #[arg(value_name = "EXCHANGE|FINDING")]
    what: String,
    /// Capture, folder of captures or HAR; for an exchange the latest capture, for a finding all of them, when none is named
    #[arg(long, value_name = "PATH")]
    capture: Option<PathBuf>,
    #[command(flatten)]
    claims: Claims,
    #[command(flatten)]
    plant: Plant,
    #[command(flatten)]
    choices: Choices,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let number = arguments.what.trim_start_matches('#').parse().ok().map(ExchangeId);
    let path = match (&arguments.capture, number) {
        (Some(path), _) => path.clone(),
        (None, Some(_)) => latest(surroundings)?,
        (None, None) => surroundings.workspace().runs(),
    };
    let open = |surroundings: &mut Surroundings| inputs::recordings(std::slice::from_ref(&path), &arguments.claims, surroundings);
    if let Some(id) = number {
        let recordings = arguments.plant.before(open(surroundings)?, surroundings)?;
        let [recording] = &recordings[..] else {
            let hint = "an exchange has its number within one capture: name that capture with --capture";
            return Err(Failure::usage(format!("choose among {} captures", recordings.len()), hint));
        };
        return exchange(recording, id, surroundings);
    }
    let audits = auditing::audits(open(surroundings)?, &arguments.plant, &arguments.choices, surroundings)?;
    // Of several versions with the same finding, the newest says it.
    let found = audits.iter().rev().find_map(|audited| Some((audited, finding_called(audited, &arguments.what)?)));
    let Some((audited, finding)) = found else {
        let mut known: Vec<_> = audits
            .iter()
            .flat_map(|audited| &audited.audit.report.findings)
            .map(|finding| format!("{} {}", finding.id, finding.rule))
            .collect();
        known.sort();
        known.dedup();
        let hint = if known.is_empty() { "these captures give no finding".to_owned() } else { format!("there is {}", known.join(", ")) };
        return Err(Failure::usage(format!("find {} among the findings", arguments.what), hint));
    };
    surroundings.print(&words(finding, audited))?;
    if let Some(evidence) = &finding.evidence {
        let target = &audited.audit.report.target;
        // What was left out has been told.
        let quiet = std::mem::replace(&mut surroundings.quiet, true);
        let recordings = open(surroundings).and_then(|recordings| arguments.plant.before(recordings, surroundings));
        surroundings.quiet = quiet;
        let recordings: Vec<_> = groups(recordings?).into_iter().flatten().collect();
        let is_it = |recording: &&AnyRecording| {
            let about = recording.provenance();
            about.target == *target && about.run == evidence.run && audited.audit.report.captures.contains(&recording.name())
        };
        if let (Some(recording), Some(id)) = (recordings.iter().find(is_it), evidence.exchange) {
            surroundings.print(&format!("\nThe first time, in {}:\n\n", recording.name()))?;
            return exchange(recording, id, surroundings);
        }
    }
    Ok(Exit::Clean)
}

fn finding_called<'a>(audited: &'a Audited, id: &str) -> Option<&'a Finding> {
    audited.audit.report.findings.iter().find(|finding| finding.id.0.eq_ignore_ascii_case(id))
}

/// Everything a finding says, and what its rule's manual says.
fn words(finding: &Finding, audited: &Audited) -> String {
    let mut lines = vec![format!("{}  {}  {}", finding.id, finding.severity.word(), finding.rule)];
    lines.extend(audited.audit.report.disclaimer.clone());
    lines.push(finding.sentence.clone());
    lines.extend(finding.details.iter().map(|detail| format!("- {detail}")));
    if let Some(endpoint) = &finding.endpoint {
        lines.push(format!("endpoint: {}, in phase {}", endpoint.place(), endpoint.phase));
    }
    lines.extend(finding.field.as_ref().map(|field| format!("field: {field}")));
    lines.extend(finding.distance_m.map(|metres| format!("distance to the planted position: {metres:.0} m")));
    if let Some(evidence) = &finding.evidence {
        let chain: Vec<_> = evidence.chain.iter().map(|encoding| encoding.word()).collect();
        let bytes = evidence.bytes.map(|range| format!(", bytes {range} of the body")).unwrap_or_default();
        let exchange = evidence.exchange.map(|id| format!(", exchange #{}", id.0)).unwrap_or_default();
        let chain = if chain.is_empty() { String::new() } else { format!(", decoded {}", chain.join(" > ")) };
        lines.push(format!("evidence: run {}{exchange}{bytes}{chain}", evidence.run));
    }
    if let Some(accepted) = &finding.accepted {
        lines.push(format!("accepted until {}: {}", accepted.expires, accepted.reason));
    }
    let mut text = lines.iter().map(|line| printable(line) + "\n").collect::<String>();
    if let Some(rule) = detect::DETECTORS.iter().find(|rule| rule.name() == finding.rule) {
        text.push_str(&format!("\n{}\n", rule.manual().trim()));
    }
    text
}

/// Prints one exchange of a recording.
fn exchange(recording: &AnyRecording, id: ExchangeId, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let workspace = surroundings.workspace();
    let (app, _) = auditing::app_of(&recording.provenance().target, &workspace, surroundings)?;
    let (mut text, mut notes) = (None, String::new());
    let (values, width) = (surroundings.terminal, surroundings.width);
    // What is planted in it is for the whole request to tell: a value may stand in several fields together.
    let mut observer = Some(decode::Observer::new(&app, recording.provenance()));
    recording.replay(&mut |event, bodies| match &event.event {
        RunEvent::Planted(_) | RunEvent::PhaseBegan { .. } | RunEvent::PhoneMoved { .. } => {
            observer.iter_mut().for_each(|observer| observer.absorb(&event.event, bodies));
        }
        RunEvent::ExchangeNoted { id: of, note } if *of == id => notes += &format!("note: {}\n", printable(note)),
        RunEvent::Exchange(exchange) if exchange.id == id => {
            let Some(mut observer) = observer.take() else { return };
            observer.absorb(&event.event, bodies);
            let leaves = decode::leaves_of(exchange, bodies, &app);
            text = Some(in_full(exchange, &leaves, &planted_in(&observer.finish()), &app, values, width));
        }
        _ => {}
    })?;
    let Some(text) = text else {
        return Err(Failure::usage(
            format!("find exchange #{} in {}", id.0, recording.name()),
            "`tattletale fields` tells what was uploaded",
        ));
    };
    let disclaimer = recording.provenance().target.platform.disclaimer().map(|words| format!("{words}\n")).unwrap_or_default();
    surroundings.print(&(disclaimer + &text + &notes))?;
    Ok(Exit::Clean)
}

/// Planted values by the field they were found in: their names and spellings.
fn planted_in(observations: &Observations) -> BTreeMap<FieldName, BTreeSet<String>> {
    let fields = observations.endpoints.values().flat_map(|endpoint| &endpoint.fields);
    let named = fields.map(|(name, facts)| {
        let words = facts.reasons.iter().filter_map(|(_, reason)| match reason {
            Reason::PlantedValue { name, spelling, certainty } => {
                let doubt = if *certainty == Certainty::Likely { "probably " } else { "" };
                Some(format!("{doubt}{name} ({spelling})"))
            }
            _ => None,
        });
        (name.clone(), words.collect())
    });
    named.filter(|(_, words): &(_, BTreeSet<_>)| !words.is_empty()).collect()
}

/// An exchange: with every value for a person at a terminal, else its shapes.
fn in_full(
    exchange: &Exchange,
    leaves: &[decode::Leaf],
    planted: &BTreeMap<FieldName, BTreeSet<String>>,
    app: &App,
    values: bool,
    width: usize,
) -> String {
    let show = |value: &Captured<String>| if values { clipped(value.expose()) } else { String::new() };
    let mut lines = vec![format!("{}, phase {}, {}", exchange.place(), exchange.phase, exchange.began)];
    let receiver = decode::receiver_of(app, &exchange.request.url.host);
    lines.extend(receiver.map(|receiver| format!("receiver: {} ({})", receiver.in_words(), receiver.source)));
    if values {
        lines.push(format!("{} {}", exchange.request.method, clipped(exchange.request.url.to_text().expose())));
    } else {
        lines.push("Captured values are shown at a terminal only; here are their shapes.".to_owned());
    }
    let headers = |title: &str, headers: &[Header], lines: &mut Vec<String>| {
        if !headers.is_empty() {
            lines.push(title.to_owned());
            lines.extend(headers.iter().map(|header| format!("  {}: {}", header.name, show(&header.value)).trim_end().to_owned()));
        }
    };
    headers("request headers", &exchange.request.headers, &mut lines);
    lines.push(format!("request body: {} bytes{}", exchange.request.body.bytes, kept(&exchange.request.body.content)));
    match &exchange.response {
        Some(response) => {
            lines.push(format!("response: {}, {} bytes{}", response.status, response.body.bytes, kept(&response.body.content)));
            headers("response headers", &response.headers, &mut lines);
        }
        None => lines.push("no response".to_owned()),
    }
    lines.extend(exchange.error.as_ref().map(|error| format!("error: {error}")));
    let mut text = lines.iter().map(|line| printable(line) + "\n").collect::<String>();
    let mut head = vec!["field", "type", "categories", "decoded", "bytes"];
    if !planted.is_empty() {
        head.push("planted in this field");
    }
    if values {
        head.push("value");
    }
    let row = |leaf: &decode::Leaf| {
        let words = leaf.shape.categories.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let chain = leaf.shape.chain_words();
        let bytes = leaf.bytes.map(|range| range.to_string()).unwrap_or_default();
        let mut row = vec![leaf.name.to_string(), leaf.shape.kind.to_string(), words, chain, bytes];
        if !planted.is_empty() {
            let found = planted.get(&leaf.name).into_iter().flatten().cloned().collect::<Vec<_>>();
            row.push(found.join(", "));
        }
        if values {
            row.push(clipped(leaf.value.expose()));
        }
        row
    };
    if !leaves.is_empty() {
        text.push_str(&format!("\n{}", table(&head, &leaves.iter().map(row).collect::<Vec<_>>(), &[], width)));
    }
    text
}

/// What is kept of a body, where that is not all of it.
fn kept(content: &BodyContent) -> String {
    match content {
        BodyContent::Absent(why) => format!(", not kept: {why}"),
        BodyContent::Torn(_) | BodyContent::TornSpilled(_) => ", cut off".to_owned(),
        BodyContent::Empty | BodyContent::Inline(_) | BodyContent::Spilled => String::new(),
    }
}

/// The beginning of a value, harmless for a terminal.
fn clipped(value: &str) -> String {
    let mut text: String = value.chars().take(MOST_SHOWN).collect();
    if text.len() < value.len() {
        text.push_str(&format!("… ({} bytes in all)", value.len()));
    }
    printable(&text)
}
