//! Findings for readers: what several rules say of one thing is told once, under all their ids. Data formats keep one entry a
//! finding.

use std::collections::{BTreeMap, BTreeSet};

use super::page::{Block, Detail, Entry, Item, count, uploaded_field};
use crate::model::{EndpointKey, Evidence, FieldName, Finding, Report, Severity, Verdict};

/// The section on findings.
pub(super) fn blocks(report: &Report, detail: Detail) -> Vec<Block> {
    let mut blocks = vec![Block::Heading("Findings".into())];
    let (accepted, open): (Vec<&Finding>, Vec<&Finding>) = report.findings.iter().partition(|finding| finding.accepted.is_some());
    if open.is_empty() {
        blocks.push(Block::Line("None in what could be read.".into()));
    }
    let worse: BTreeSet<_> = open.iter().filter(|finding| finding.severity > Severity::Note).map(|finding| thing(finding)).collect();
    let fold = |finding: &&Finding| detail == Detail::Short && !notes_fail(report, &open) && !worse.contains(&thing(finding));
    let (folded, shown): (Vec<&Finding>, Vec<&Finding>) = open.iter().copied().partition(fold);
    if !shown.is_empty() {
        let entries: Vec<Entry> = by_place(&shown).iter().map(Place::entry).collect();
        let things = entries.iter().map(|entry| entry.items.len()).sum();
        if shown.len() > things {
            let (shown, things) = (count(shown.len() as u64, "finding"), count(things as u64, "thing"));
            blocks.push(Block::Line(format!("{shown} on {things}, the worst first:")));
        }
        blocks.push(Block::Entries(entries));
    }
    blocks.extend(notes(&folded));
    if detail == Detail::Short && !report.findings.is_empty() {
        blocks.push(Block::Line("`tattletale show ID` shows one in full, with what its rule says.".into()));
    }
    if !accepted.is_empty() {
        blocks.push(Block::Line(format!("Accepted by the policy: {}", count(accepted.len() as u64, "finding"))));
        blocks.push(Block::Entries(by_decision(&accepted)));
    }
    blocks
}

/// `2 alarms, 1 warning`; `none` when there are none. Accepted findings are not counted.
pub(super) fn tally(report: &Report) -> String {
    let open = report.findings.iter().filter(|finding| finding.accepted.is_none());
    severities(open.map(|finding| finding.severity)).unwrap_or_else(|| "none".into())
}

/// Severities of those that made the verdict, worst first: `2 alarms, 1 warning`.
pub(super) fn failing(report: &Report, failing: usize) -> String {
    let mut open: Vec<Severity> =
        report.findings.iter().filter(|finding| finding.accepted.is_none()).map(|finding| finding.severity).collect();
    open.sort_unstable_by(|a, b| b.cmp(a));
    severities(open.into_iter().take(failing)).unwrap_or_default()
}

fn severities(severities: impl Iterator<Item = Severity>) -> Option<String> {
    let severities: Vec<Severity> = severities.collect();
    let words = Severity::ALL.into_iter().rev().filter_map(|severity| {
        let number = severities.iter().filter(|one| **one == severity).count();
        (number > 0).then(|| count(number as u64, severity.word()))
    });
    Some(words.collect::<Vec<_>>().join(", ")).filter(|words| !words.is_empty())
}

/// What a finding is about, whatever the rule.
fn thing(finding: &Finding) -> (Option<&EndpointKey>, &str, Option<&FieldName>) {
    (finding.endpoint.as_ref(), &finding.host, finding.field.as_ref())
}

/// Whether the policy lets notes fail: then the verdict counts more than alarms and warnings.
fn notes_fail(report: &Report, open: &[&Finding]) -> bool {
    let worse = open.iter().filter(|finding| finding.severity > Severity::Note).count();
    matches!(report.verdict, Verdict::Finding { count } if count > worse)
}

/// Findings about one endpoint in one phase, or one host.
struct Place<'a> {
    findings: Vec<&'a Finding>,
}

/// Groups in the order of their worst findings.
fn by_place<'a>(findings: &[&'a Finding]) -> Vec<Place<'a>> {
    let mut known: BTreeMap<(Option<&EndpointKey>, &str), usize> = BTreeMap::new();
    let mut places: Vec<Place<'a>> = Vec::new();
    for finding in findings {
        let at = *known.entry((finding.endpoint.as_ref(), &finding.host)).or_insert_with(|| {
            places.push(Place { findings: Vec::new() });
            places.len() - 1
        });
        places[at].findings.push(finding);
    }
    places
}

impl Place<'_> {
    fn severity(&self) -> Severity {
        self.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Note)
    }

    fn entry(&self) -> Entry {
        let worst = self.severity();
        let first = self.findings[0];
        let place =
            first.endpoint.as_ref().map_or_else(|| first.host.clone(), |endpoint| format!("{}, in {}", endpoint.place(), endpoint.phase));
        let mut things: Vec<Vec<&Finding>> = Vec::new();
        for finding in &self.findings {
            match things.iter_mut().find(|known| is_about(known, finding)) {
                Some(known) => known.push(finding),
                None => things.push(vec![finding]),
            }
        }
        // What is told of the call as a whole comes before what is told of one of its fields.
        let weight = |findings: &[&Finding]| findings.iter().map(|finding| finding.severity).max();
        things.sort_by_key(|findings| (std::cmp::Reverse(weight(findings)), findings[0].field.is_some()));
        Entry { mark: worst.word().to_owned(), head: place, items: things.iter().map(|findings| item(findings, worst)).collect() }
    }
}

/// Whether a finding is about what others are about: the same field, or the other half of a position of theirs.
fn is_about(others: &[&Finding], finding: &Finding) -> bool {
    others[0].field == finding.field
        || finding.field.as_ref().is_some_and(|field| {
            let pair = format!(" and {field}, ");
            others.iter().any(|other| other.distance_m.is_some() && other.sentence.contains(&pair))
        })
}

/// Everything that rules say about one thing. Never of nothing.
fn item(findings: &[&Finding], worst: Severity) -> Item {
    // Of the worst ones the shortest sentence speaks: others tend to hold it and say what it breaks.
    let mut findings = findings.to_vec();
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.sentence.len()));
    let speaker = findings[0];
    let label = findings.iter().filter(|finding| finding.field == speaker.field).find_map(|finding| shortened(finding));

    let mut texts = Vec::new();
    if label.is_none() || shortened(speaker).is_none() {
        texts.push(speaker.sentence.clone());
    }
    let mut said: Vec<String> = Vec::new();
    let mut say = |text: String| {
        if !text.is_empty() && !said.contains(&text) {
            said.push(text);
        }
    };
    for finding in &findings[1..] {
        match (finding.sentence.split_once(speaker.sentence.as_str()), shortened(finding)) {
            (Some((before, after)), _) => say(format!("{}{after}", before.trim_end_matches([':', ' ']))),
            (None, Some(field)) if label.as_ref() != Some(&field) => say(format!("with {field}")),
            (None, Some(_)) => {}
            (None, None) => say(finding.sentence.clone()),
        }
    }
    findings.iter().flat_map(|finding| &finding.details).for_each(|detail| say(detail.clone()));
    texts.extend(Some(said.join("; ")).filter(|said| !said.is_empty()));
    texts.extend(Some(evidence(&findings)).filter(|places| !places.is_empty()).map(|places| format!("see {}", places.join("; "))));

    let rules = findings.iter().map(|finding| {
        let weaker = if finding.severity < worst { format!(" ({})", finding.severity.word()) } else { String::new() };
        format!("{} {}{weaker}", finding.rule, finding.id)
    });
    let rules = rules.collect::<Vec<_>>().join(", ");
    let label = label.or_else(|| speaker.field.as_ref().map(ToString::to_string));
    Item { head: label.map_or_else(|| rules.clone(), |label| format!("{label}: {rules}")), texts }
}

/// A sentence without the place that its entry names already: `query r (uuid, identifier)`. `None` when it says more.
fn shortened(finding: &Finding) -> Option<String> {
    let (field, endpoint) = (finding.field.as_ref()?, finding.endpoint.as_ref()?);
    uploaded_field(&finding.sentence, field, endpoint)
}

/// Where to look, each place once, with the most that is known of it.
fn evidence(findings: &[&Finding]) -> Vec<String> {
    let mut all: Vec<String> = findings.iter().filter_map(|finding| finding.evidence.as_ref()).map(evidence_words).collect();
    all.sort_unstable_by_key(|words| std::cmp::Reverse(words.len()));
    let mut kept: Vec<String> = Vec::new();
    for words in all {
        if !kept.iter().any(|known| known.starts_with(&words)) {
            kept.push(words);
        }
    }
    kept
}

fn evidence_words(evidence: &Evidence) -> String {
    let mut text = format!("run {}", evidence.run);
    if let Some(exchange) = evidence.exchange {
        text.push_str(&format!(", exchange {}", exchange.0));
    }
    if let Some(range) = evidence.bytes {
        text.push_str(&format!(", bytes {range}"));
    }
    let chain: Vec<&str> = evidence.chain.iter().map(|encoding| encoding.word()).collect();
    if !chain.is_empty() {
        text.push_str(&format!(", through {}", chain.join(" > ")));
    }
    text
}

/// Notes that decide nothing: their number and the first few.
fn notes(notes: &[&Finding]) -> Vec<Block> {
    if notes.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<String> =
        notes.iter().take(NOTES_SHOWN).map(|finding| format!("{} {}: {}", finding.rule, finding.id, finding.sentence)).collect();
    if notes.len() > NOTES_SHOWN {
        lines.push(format!("and {} more", notes.len() - NOTES_SHOWN));
    }
    vec![Block::Line(format!("{}, below the fail level:", count(notes.len() as u64, "note"))), Block::List(lines)]
}

/// Accepted findings by the decision that accepts them: reason and expiry are printed with them (R4).
fn by_decision(accepted: &[&Finding]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for finding in accepted {
        let Some(decision) = &finding.accepted else { continue };
        let (mark, head) = ("accepted".to_owned(), format!("{}, until {}", decision.reason, decision.expires));
        let item = Item { head: format!("{} {}", finding.rule, finding.id), texts: vec![finding.sentence.clone()] };
        match entries.iter_mut().find(|entry| entry.head == head) {
            Some(entry) => entry.items.push(item),
            None => entries.push(Entry { mark, head, items: vec![item] }),
        }
    }
    entries
}

/// Notes that are shown before they are merely counted.
const NOTES_SHOWN: usize = 5;
