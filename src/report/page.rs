//! A report as headings, lines and tables, in the order in which people read: what could be seen, before what was found.
//! Formats only paint it.

use std::collections::BTreeSet;

use super::{changes, conservation, findings};
use crate::model::{
    BlindSpot, Category, ChangeKind, Confidence, Coverage, EndpointKey, EndpointRow, FieldName, HostCoverage, Ledger, Origin, Party,
    Report, Target, Verdict,
};

/// A piece of a page. Texts are as they came; painting makes them safe.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Block {
    /// Title of one report.
    Title(String),
    /// Title of a section.
    Heading(String),
    /// A paragraph.
    Line(String),
    /// Something to be seen at a glance: the disclaimer, the verdict.
    Strong(String),
    /// Lines of equal rank.
    List(Vec<String>),
    /// Rows under a header; every row as long as the header.
    Table { header: Vec<&'static str>, rows: Vec<Vec<String>> },
    /// Things of which several facts are told.
    Entries(Vec<Entry>),
}

/// A thing of which several facts are told: an endpoint with its findings.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// One word to scan for: the severity.
    pub(super) mark: String,
    /// What it is about.
    pub(super) head: String,
    /// What is told.
    pub(super) items: Vec<Item>,
}

/// One fact of an entry.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    /// What it is about, and who says so.
    pub(super) head: String,
    /// Paragraphs.
    pub(super) texts: Vec<String>,
}

/// How much a page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// What a person at a terminal reads; the rest is counted.
    Short,
    /// Everything.
    Complete,
}

/// The pages of all reports, one after the other; with more than one, the verdicts come first and what they add up to last.
pub(super) fn pages(reports: &[Report], detail: Detail) -> Vec<Block> {
    let mut blocks = Vec::new();
    if reports.len() > 1 {
        summary(reports, &mut blocks);
    }
    blocks.extend(reports.iter().flat_map(|report| page(report, detail)));
    if reports.len() > 1 {
        blocks.push(Block::Title(format!("All {} scenarios", reports.len())));
        blocks.push(Block::Strong(together(reports)));
    }
    blocks
}

/// One line a scenario.
fn summary(reports: &[Report], blocks: &mut Vec<Block>) {
    let words = |target: &Target| format!("{} {} on {}", target.app, target.version, target.platform);
    let first = words(&reports[0].target);
    let one_app = reports.iter().all(|report| words(&report.target) == first);
    let scenarios = format!("{} scenarios", reports.len());
    blocks.push(Block::Title(if one_app { format!("{first}: {scenarios}") } else { scenarios }));
    let disclaimers: std::collections::BTreeSet<&str> = reports.iter().filter_map(|report| report.disclaimer.as_deref()).collect();
    blocks.extend(disclaimers.into_iter().map(|words| Block::Strong(words.to_owned())));
    let row = |report: &Report| {
        let verdict = match &report.verdict {
            Verdict::Clean => format!("clean: {}", nothing_new(report)),
            Verdict::Finding { .. } => "finding".to_owned(),
            Verdict::Inconclusive { .. } => "inconclusive".to_owned(),
        };
        let coverage = &report.coverage;
        let read = format!("{} of {}", coverage.read_hosts(), coverage.all_hosts());
        let mut row = vec![report.target.scenario.clone(), verdict, read, findings::tally(report)];
        if !one_app {
            row.insert(0, words(&report.target));
        }
        row
    };
    let mut header = vec!["scenario", "verdict", "hosts read", "findings"];
    if !one_app {
        header.insert(0, "app");
    }
    blocks.push(Block::Table { header, rows: reports.iter().map(row).collect() });
}

/// What the verdicts add up to: a finding outranks what could not be answered, and that outranks clean (R2).
fn together(reports: &[Report]) -> String {
    let named = |kind: fn(&Verdict) -> bool| {
        let names: Vec<&str> =
            reports.iter().filter(|report| kind(&report.verdict)).map(|report| report.target.scenario.as_str()).collect();
        Some(names.join(", ")).filter(|names| !names.is_empty())
    };
    let finding = named(|verdict| matches!(verdict, Verdict::Finding { .. })).map(|names| format!("finding in {names}"));
    let open = named(|verdict| matches!(verdict, Verdict::Inconclusive { .. })).map(|names| format!("inconclusive in {names}"));
    let words: Vec<String> = finding.into_iter().chain(open).collect();
    if !words.is_empty() {
        return words.join("; ");
    }
    let weakest = reports.iter().find(|report| has_new_in_some_runs(report)).or(reports.first());
    format!("clean: {}", weakest.map_or(NOTHING_NEW, nothing_new))
}

/// The page of one report.
fn page(report: &Report, detail: Detail) -> Vec<Block> {
    let Target { app, version, platform, scenario, claimed } = &report.target;
    let claimed = if *claimed { " (claimed)" } else { "" };
    let mut blocks = vec![Block::Title(format!("{app} {version} on {platform}: {scenario}{claimed}"))];
    blocks.extend(report.disclaimer.clone().map(Block::Strong));
    blocks.push(Block::Strong(verdict_words(report)));
    if !report.about.is_empty() {
        blocks.push(Block::Line(report.about.clone()));
    }
    blocks.push(Block::Line(format!("Rig: {}; tattletale {}", report.rig, report.tool)));
    blocks.push(Block::Line(format!("Captures: {}", shown(&report.captures, detail))));
    coverage(&report.coverage, &mut blocks);
    endpoints(&report.endpoints, &report.coverage, detail, &mut blocks);
    planted(report, &mut blocks);
    late_positions(report, &mut blocks);
    blocks.extend(conservation::blocks(report, detail));
    blocks.extend(changes::blocks(report, detail));
    blocks.extend(findings::blocks(report, detail));
    verdict(report, &mut blocks);
    blocks
}

/// Names of captures; only the first few where space is short.
fn shown(captures: &[String], detail: Detail) -> String {
    let most = if detail == Detail::Short { CAPTURES_SHOWN } else { usize::MAX };
    let mut names: Vec<String> = captures.iter().take(most).cloned().collect();
    if captures.len() > most {
        names.push(format!("and {} more", captures.len() - most));
    }
    names.join(", ")
}

fn coverage(coverage: &Coverage, blocks: &mut Vec<Block>) {
    blocks.push(Block::Heading("Coverage".into()));
    let mut lines = vec![
        format!("read {} in {}", hosts(coverage), count(u64::from(coverage.complete_runs), "complete run")),
        format!("read {} to first-party hosts", count(coverage.first_party_exchanges, "request")),
        format!("uploaded {}: {}", bytes(coverage.uploaded_bytes), ledger_words(&coverage.ledger)),
    ];
    if coverage.ledger != coverage.ledger_unaided {
        lines.push(format!("the same without what is known of vendors: {}", ledger_words(&coverage.ledger_unaided)));
    }
    if !coverage.known {
        lines.push("this capture cannot tell what it missed".into());
    }
    lines.extend(coverage.incomplete_runs.iter().map(|why| format!("incomplete run: {why}")));
    let phone: Vec<(&String, &HostCoverage)> = coverage.hosts.iter().filter(|(_, host)| host.origin == Origin::Phone).collect();
    if !phone.is_empty() {
        let uploaded: u64 = phone.iter().map(|(_, host)| host.uploaded_bytes).sum();
        let exchanges: u64 = phone.iter().map(|(_, host)| host.exchanges).sum();
        // What nobody judges is named, so that a reader can object: the app may talk to these hosts too.
        let names: Vec<String> = coverage
            .unjudged_hosts()
            .map(|(name, carries)| match carries.iter().map(|category| category.word()).collect::<Vec<_>>() {
                none if none.is_empty() => name.to_owned(),
                carried => format!("{name} (planted values of {} found)", carried.join(", ")),
            })
            .collect();
        lines.push(format!(
            "other traffic of this phone, not judged: {}, {}, {}: {}",
            count(phone.len() as u64, "host"),
            count(exchanges, "exchange"),
            bytes(uploaded),
            names.join(", ")
        ));
    }
    blocks.push(Block::List(lines));
    let (phone, spots): (Vec<&BlindSpot>, Vec<&BlindSpot>) = coverage.blind_spots.iter().partition(|spot| spot.origin == Origin::Phone);
    if spots.is_empty() {
        return;
    }
    let row = |spot: &&BlindSpot| {
        let place = if !spot.endpoint.is_empty() {
            spot.endpoint.clone()
        } else if spot.host.is_empty() {
            "the whole capture".into()
        } else {
            spot.host.clone()
        };
        vec![spot.kind.word().to_owned(), place, spot.sentence.clone()]
    };
    blocks.push(Block::Line("Blind spots: what could not be seen".into()));
    blocks.push(Block::Table { header: vec!["blind spot", "where", "what is known"], rows: spots.iter().map(row).collect() });
    if !phone.is_empty() {
        blocks.push(Block::Line(format!("and {} in other traffic of this phone", count(phone.len() as u64, "blind spot"))));
    }
}

fn endpoints(rows: &[EndpointRow], coverage: &Coverage, detail: Detail, blocks: &mut Vec<Block>) {
    blocks.push(Block::Heading("Endpoints by bytes uploaded".into()));
    if rows.is_empty() {
        blocks.push(Block::Line("No request was read.".into()));
        return;
    }
    let row = |row: &EndpointRow| {
        let share_of_all = share(row.uploaded_bytes, coverage.uploaded_bytes);
        let unexplained = share(row.ledger.unexplained, row.uploaded_bytes);
        let mut endpoint = row.endpoint.clone();
        match (&row.receiver, &row.country) {
            (Some(company), Some(country)) => endpoint.push_str(&format!(" ({company}, {country})")),
            (Some(company), None) => endpoint.push_str(&format!(" ({company})")),
            (None, _) if row.party != Party::FirstParty => endpoint.push_str(" (receiver unknown)"),
            (None, _) => {}
        }
        if row.origin == Origin::Unknown {
            endpoint.push_str(" *");
        }
        // What is about the phone alone is told by its group: the table is for what is about a person.
        let word = |category: &Category| if category.is_about_person() { category.word() } else { category.group().word() };
        let categories = row.categories.iter().map(word).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ");
        vec![
            bytes(row.uploaded_bytes),
            share_of_all,
            unexplained,
            endpoint,
            row.phase.clone(),
            row.party.word().replace("-party", ""),
            categories,
        ]
    };
    let most = if detail == Detail::Short { ENDPOINTS_SHOWN } else { usize::MAX };
    blocks.push(Block::Table {
        header: vec!["uploaded", "share", "unexplained", "endpoint", "phase", "party", "categories"],
        rows: rows.iter().take(most).map(row).collect(),
    });
    if rows.iter().take(most).any(|row| row.origin == Origin::Unknown) {
        blocks.push(Block::Line("* from this phone while the app ran: whose traffic it is, is not known".into()));
    }
    if rows.len() > most {
        let rest = rows.iter().skip(most).map(|row| row.uploaded_bytes).sum();
        blocks.push(Block::Line(format!("and {}, {}", count((rows.len() - most) as u64, "more endpoint"), bytes(rest))));
    }
}

/// One line for each thing that can have become of a planted value.
fn planted(report: &Report, blocks: &mut Vec<Block>) {
    if report.planted.is_empty() {
        return;
    }
    blocks.push(Block::Heading("Planted values in uploads".into()));
    let mut lines: Vec<(&str, Vec<String>)> = vec![(FOUND, Vec::new())];
    for (name, words) in &report.planted {
        let (kind, told) = match words.strip_prefix("found in ") {
            Some(exchanges) => (FOUND, format!("{name}×{}", exchanges.split(' ').next().unwrap_or_default())),
            None => (words.as_str(), name.clone()),
        };
        match lines.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, names)) => names.push(told),
            None => lines.push((kind, vec![told])),
        }
    }
    // What was found comes first, what was not seen before what nobody looked for.
    lines.sort_by_key(|(kind, _)| (*kind != FOUND, kind.starts_with("not checked")));
    let told = lines.into_iter().filter(|(_, names)| !names.is_empty()).map(|(kind, names)| format!("{kind}: {}", names.join(", ")));
    blocks.push(Block::List(told.collect()));
    // Rules tell those of a scripted run with their phases; of an import this is all that is told of them.
    if report.findings.is_empty() && !report.positions.is_empty() {
        blocks.push(Block::Line("Positions:".into()));
        blocks.push(Block::List(report.positions.clone()));
    }
}

/// Positions that were sent in another phase than the one they are explained by (R5).
fn late_positions(report: &Report, blocks: &mut Vec<Block>) {
    if !report.late_positions.is_empty() {
        blocks.push(Block::Line("Explained by the phase in which the phone was there, but sent in another:".into()));
        blocks.push(Block::List(report.late_positions.clone()));
    }
}

fn verdict(report: &Report, blocks: &mut Vec<Block>) {
    blocks.push(Block::Heading("Verdict".into()));
    blocks.push(Block::Strong(verdict_words(report)));
    if !report.doubts.is_empty() {
        if matches!(report.verdict, Verdict::Finding { .. }) {
            blocks.push(Block::Line("What this audit could not see or compare:".into()));
        }
        blocks.push(Block::List(report.doubts.clone()));
    }
}

/// The verdict in one sentence (R3).
pub(super) fn verdict_words(report: &Report) -> String {
    match &report.verdict {
        Verdict::Clean => {
            let kept = report.findings.iter().filter(|finding| finding.accepted.is_some()).count();
            let accepted = if kept == 0 { String::new() } else { format!("; {} accepted by the policy", count(kept as u64, "finding")) };
            format!("clean: {NOTHING_NEW}: {}{}{accepted}", hosts(&report.coverage), in_some_runs(report))
        }
        Verdict::Finding { count } => {
            format!("finding: {} in what could be read: {}", findings::failing(report, *count), hosts(&report.coverage))
        }
        Verdict::Inconclusive { reasons } => match &reasons[..] {
            [reason] => format!("inconclusive: {reason}"),
            _ => format!("inconclusive: {}", count(reasons.len() as u64, "reason")),
        },
    }
}

/// What clean means here (R3): where something new was seen in some runs only, not that nothing was.
fn nothing_new(report: &Report) -> &'static str {
    if has_new_in_some_runs(report) { NOTHING_NEW_COUNTS } else { NOTHING_NEW }
}

fn has_new_in_some_runs(report: &Report) -> bool {
    let new = |kind| matches!(kind, ChangeKind::NewReceiver | ChangeKind::NewEndpoint | ChangeKind::NewField | ChangeKind::NewPhase);
    report.changes.iter().any(|change| change.confidence != Confidence::Counts && new(change.kind))
}

/// `, beyond 3 differences in some runs only`; nothing when there are none.
fn in_some_runs(report: &Report) -> String {
    let some = report.changes.iter().filter(|change| change.confidence != Confidence::Counts).count();
    if some == 0 { String::new() } else { format!(", beyond {} in some runs only", count(some as u64, "difference")) }
}

/// `11 of 12 hosts`.
fn hosts(coverage: &Coverage) -> String {
    format!("{} of {}", coverage.read_hosts(), count(coverage.all_hosts() as u64, "host"))
}

/// Name and shape of a field, from a sentence that says that it is uploaded to an endpoint and nothing more.
pub(super) fn uploaded_field(sentence: &str, field: &FieldName, endpoint: &EndpointKey) -> Option<String> {
    field_in(sentence, field, &format!(" is uploaded to {}", endpoint.place()))
}

/// Name and shape of a field, from a sentence that says that an endpoint did not send it and nothing more.
pub(super) fn gone_field(sentence: &str, field: &FieldName, endpoint: &EndpointKey) -> Option<String> {
    field_in(sentence, field, &format!(" at {} was not seen", endpoint.place()))
}

fn field_in(sentence: &str, field: &FieldName, rest: &str) -> Option<String> {
    sentence.strip_suffix(rest).filter(|told| told.starts_with(&field.to_string())).map(str::to_owned)
}

/// `1 host`, `3 hosts`.
pub(super) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// `61 % named, 12 % of a known type, 24 % structure, 3 % (512 B) unexplained`. Nothing that is there reads as nothing.
pub(super) fn ledger_words(ledger: &Ledger) -> String {
    let total = ledger.total();
    format!(
        "{} named, {} of a known type, {} structure, {} ({}) unexplained",
        share(ledger.named, total),
        share(ledger.typed, total),
        share(ledger.structure, total),
        share(ledger.unexplained, total),
        bytes(ledger.unexplained)
    )
}

/// `12 %`, `< 1 %`.
pub(super) fn share(part: u64, whole: u64) -> String {
    let share = if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    if part > 0 && share < 0.5 { "< 1 %".to_owned() } else { format!("{share:.0} %") }
}

/// Bytes in decimal units: `812 B`, `4.3 kB`.
pub(super) fn bytes(number: u64) -> String {
    match number {
        0..1_000 => format!("{number} B"),
        1_000..1_000_000 => format!("{:.1} kB", number as f64 / 1e3),
        _ => format!("{:.1} MB", number as f64 / 1e6),
    }
}

/// Introduces the planted values that were found, each with a number.
const FOUND: &str = "found, in so many exchanges";

/// What clean means, and no more (R3).
const NOTHING_NEW: &str = "nothing new in what could be read";

/// What clean means where something new was seen in some runs only.
const NOTHING_NEW_COUNTS: &str = "nothing new in what could be read, beyond what only some runs had";

/// Endpoints that a short page shows before they are merely counted.
const ENDPOINTS_SHOWN: usize = 12;

/// Captures that a short page names.
const CAPTURES_SHOWN: usize = 3;
