//! Changes for readers: those that count as a table, the others with how often each was seen. Fields that came or went
//! together are told together.

use super::page::{Block, Detail, count, gone_field, uploaded_field};
use crate::model::{Change, ChangeKind, Confidence, Report};

/// The section on changes.
pub(super) fn blocks(report: &Report, detail: Detail) -> Vec<Block> {
    let mut blocks = vec![Block::Heading("Changes".into())];
    if report.coverage.complete_runs == 0 {
        blocks.push(Block::Line("No run was complete, so nothing was compared.".into()));
        return blocks;
    }
    let Some(baseline) = &report.baseline else {
        blocks.push(Block::Line("No baseline to compare with, so nothing can be called new.".into()));
        return blocks;
    };
    let runs = count(u64::from(baseline.runs), "run");
    blocks.push(Block::Line(format!("Compared with {} on {} ({runs}, {})", baseline.version, report.target.platform, baseline.place)));
    let (table, some) = counted(&report.changes);
    let remote = |change: &Change| change.confidence == Confidence::Counts && !change.is_of_categories_only();
    if baseline.same_version && report.changes.iter().any(remote) {
        blocks.push(Block::Line("same version, changed remotely:".into()));
    }
    blocks.push(table);
    if !some.is_empty() {
        let told = told_together(&some, if detail == Detail::Short { FIELDS_SHOWN } else { usize::MAX });
        blocks.push(Block::Line(format!("In some runs only: {}", count(some.len() as u64, "difference"))));
        let mut lines: Vec<String> = told.iter().take(SOME_RUNS_SHOWN).map(some_runs).collect();
        let rest: usize = told.iter().skip(SOME_RUNS_SHOWN).map(|told| told.changes.len()).sum();
        if rest > 0 {
            lines.push(format!("and {rest} more"));
        }
        blocks.push(Block::List(lines));
    }
    blocks
}

/// Every change: those that count, then the others with how often each was seen.
pub(super) fn every(changes: &[Change]) -> Vec<Block> {
    let (table, some) = counted(changes);
    let mut blocks = vec![table];
    if !some.is_empty() {
        let differences = count(some.len() as u64, "difference");
        blocks.push(Block::Line(format!("In some runs only, or in too few runs to tell a change from chance: {differences}")));
        let row = |told: &Told<'_>| {
            let (before, now) = told.how_often("/").unwrap_or_default();
            vec![told.first().kind.word().to_owned(), told.first().endpoint.phase.clone(), before, now, told.sentence.clone()]
        };
        let header = vec!["change", "phase", "before", "now", "what"];
        blocks.push(Block::Table { header, rows: told_together(&some, usize::MAX).iter().map(row).collect() });
    }
    blocks
}

/// A table of the changes that count, and the other changes; both with what weighs most first.
fn counted(changes: &[Change]) -> (Block, Vec<&Change>) {
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by(|a, b| (rank(a.kind), &a.endpoint, &a.field).cmp(&(rank(b.kind), &b.endpoint, &b.field)));
    let (counted, some): (Vec<&Change>, Vec<&Change>) = sorted.into_iter().partition(|change| change.confidence == Confidence::Counts);
    if counted.is_empty() {
        return (Block::Line("No change that counts.".into()), some);
    }
    let row = |told: &Told<'_>| vec![told.first().kind.word().to_owned(), told.first().endpoint.phase.clone(), told.sentence.clone()];
    let rows = told_together(&counted, usize::MAX).iter().map(row).collect();
    (Block::Table { header: vec!["change", "phase", "what"], rows }, some)
}

/// One change, or several of fields that came or went together. Never none.
struct Told<'a> {
    changes: Vec<&'a Change>,
    sentence: String,
}

impl Told<'_> {
    fn first(&self) -> &Change {
        self.changes[0]
    }

    /// In how many of how many runs it was seen before and now: `1/3`, or `1 to 4/20` for several changes. `None` for changes
    /// that count.
    fn how_often(&self, of: &str) -> Option<(String, String)> {
        let runs = self.changes.iter().filter_map(|change| match change.confidence {
            Confidence::Counts => None,
            Confidence::SomeRunsOnly { new, new_runs, old, old_runs } => Some(((old, old_runs), (new, new_runs))),
        });
        let (before, now): (Vec<_>, Vec<_>) = runs.unzip();
        let range = |seen: &[(u32, u32)]| {
            let (least, most) = (seen.iter().min()?, seen.iter().max()?);
            let seen = if least.0 == most.0 { least.0.to_string() } else { format!("{} to {}", least.0, most.0) };
            Some(format!("{seen}{of}{}", most.1))
        };
        Some((range(&before)?, range(&now)?))
    }
}

/// Neighbours of one kind and endpoint whose sentences differ in the field only become one sentence, which names so many of
/// the fields at most.
fn told_together<'a>(changes: &[&'a Change], most: usize) -> Vec<Told<'a>> {
    let alike = |a: &&Change, b: &&Change| a.kind == b.kind && a.endpoint == b.endpoint && field_of(a).is_some() && field_of(b).is_some();
    let told = changes.chunk_by(alike).map(|chunk| {
        let mut fields: Vec<String> = chunk.iter().take(most).filter_map(|change| field_of(change)).collect();
        if chunk.len() > most {
            fields.push(format!("and {} more", chunk.len() - most));
        }
        let (fields, place) = (fields.join(", "), chunk[0].endpoint.place());
        let sentence = match (chunk.len(), chunk[0].kind) {
            (1, _) => chunk[0].sentence.clone(),
            (number, ChangeKind::GoneField) => format!("{number} fields at {place} were not seen: {fields}"),
            (number, _) => format!("{number} fields are uploaded to {place}: {fields}"),
        };
        Told { changes: chunk.to_vec(), sentence }
    });
    told.collect()
}

/// Name and shape of the field that came or went, when that is all the sentence says.
fn field_of(change: &Change) -> Option<String> {
    let field = change.field.as_ref()?;
    match change.kind {
        ChangeKind::NewField => uploaded_field(&change.sentence, field, &change.endpoint),
        ChangeKind::GoneField => gone_field(&change.sentence, field, &change.endpoint),
        _ => None,
    }
}

/// What a reader wants to know first comes first: who, what, when, what got lost.
const fn rank(kind: ChangeKind) -> u8 {
    match kind {
        ChangeKind::NewReceiver => 0,
        ChangeKind::NewEndpoint => 1,
        ChangeKind::NewField => 2,
        ChangeKind::NewPhase => 3,
        ChangeKind::WentDark => 4,
        ChangeKind::NewlyReadable => 5,
        ChangeKind::ChangedField => 6,
        ChangeKind::GoneEndpoint => 7,
        ChangeKind::GoneField => 8,
    }
}

fn some_runs(told: &Told<'_>) -> String {
    let how_often = told.how_often(" of ").map(|(before, now)| format!(" (now {now} runs, before {before})")).unwrap_or_default();
    format!("{}: {}{how_often}", told.first().kind.word(), told.sentence)
}

/// Differences in some runs only that are shown before they are merely counted.
const SOME_RUNS_SHOWN: usize = 5;

/// Fields of one such difference that are named.
const FIELDS_SHOWN: usize = 4;
