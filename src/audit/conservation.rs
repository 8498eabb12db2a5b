//! The conservation table: what became of what the band held, out of the facts of each run. Runs in which it is the same share one.

use crate::model::{
    BandFacts, Conservation, ConservationRow, Held, Quantity,
    conservation::{Role, SeriesFacts, ValueFacts},
};

/// A table for each run, those that are equal together; in the order of the runs.
pub(super) fn tables(bands: &[BandFacts]) -> Vec<Conservation> {
    let mut tables: Vec<Conservation> = Vec::new();
    for facts in bands {
        let rows: Vec<ConservationRow> = Quantity::ALL.into_iter().map(|quantity| row(quantity, facts)).collect();
        let notes = notes(facts);
        match tables.iter_mut().find(|table| (&table.rows, &table.notes) == (&rows, &notes)) {
            Some(table) => table.runs.push(facts.run),
            None => tables.push(Conservation { runs: vec![facts.run], rows, notes }),
        }
    }
    tables
}

fn row(quantity: Quantity, facts: &BandFacts) -> ConservationRow {
    let mut row = ConservationRow {
        quantity,
        held: Held::NotKnown,
        found: 0,
        probably: 0,
        not_seen: 0,
        untold: 0,
        not_checked: 0,
        derived: Vec::new(),
        added: Vec::new(),
        in_pieces: Vec::new(),
    };
    let has_series = |quantity| facts.series.keys().any(|key| key.quantity() == quantity);
    let single = || facts.values.values().filter(|value| value.quantity == quantity && value.counts);
    if has_series(quantity) {
        let (mut values, mut zeros, mut gaps) = (0, 0, 0);
        for (_, series) in facts.series.iter().filter(|(key, _)| key.quantity() == quantity) {
            values += series.held.count() as u64;
            // Of two readings of one minute, the one that says something counts.
            let mut known = series.held.clone();
            known.union(&series.zeros);
            zeros += (known.count() - series.held.count()) as u64;
            gaps += (series.read.count() - series.read.count_shared(&known)) as u64;
            count_series(&mut row, series, facts.searched);
        }
        row.held = Held::Minutes { values, zeros, gaps };
    } else if single().next().is_some() {
        row.held = Held::Values { values: single().count() as u64 };
        single().for_each(|value| count_value(&mut row, value, facts.searched));
    } else if quantity == Quantity::Sleep && has_series(Quantity::ActivityKind) {
        row.held = Held::InKinds;
    }
    // Of what nobody knows whether the band held it, nobody can say what an upload adds to it.
    if row.held != Held::NotKnown {
        let fields = |role| facts.fields.get(&(quantity, role)).into_iter().flatten().cloned().collect();
        (row.derived, row.added) = (fields(Role::Derived), fields(Role::Itself));
    }
    if let (Held::Minutes { .. }, Some(pieces)) = (row.held, facts.pieces.get(&quantity)) {
        // Each reading in such a piece may be one minute that was not found.
        let untold = row.not_seen.min(pieces.readings);
        (row.not_seen, row.untold) = (row.not_seen - untold, row.untold + untold);
        row.in_pieces = pieces.fields.iter().cloned().collect();
    }
    row
}

/// Adds the minutes of one series, each to one column.
fn count_series(row: &mut ConservationRow, series: &SeriesFacts, searched: bool) {
    let held = series.held.count() as u64;
    let found = series.found.count_shared(&series.held) as u64;
    let mut either = series.found.clone();
    either.union(&series.probably);
    let probably = either.count_shared(&series.held) as u64 - found;
    row.found += found;
    row.probably += probably;
    let hidden = held - series.findable.count_shared(&series.held) as u64;
    let rest = (held - found - probably).saturating_sub(hidden);
    let checked = searched && series.confirmed;
    *column(row, checked, series.can_be_told) += rest;
    *column(row, checked, false) += hidden;
}

fn count_value(row: &mut ConservationRow, value: &ValueFacts, searched: bool) {
    *match (value.found, value.probably) {
        (true, _) => &mut row.found,
        (false, true) => &mut row.probably,
        (false, false) => column(row, searched && value.confirmed, value.can_be_told),
    } += 1;
}

/// Where what was not found is counted: "not seen" is said only of what was looked for and could have been told (R10).
const fn column(row: &mut ConservationRow, checked: bool, can_be_told: bool) -> &mut u64 {
    match (checked, can_be_told) {
        (false, _) => &mut row.not_checked,
        (true, false) => &mut row.untold,
        (true, true) => &mut row.not_seen,
    }
}

/// What has to be known to read the table of a run.
fn notes(facts: &BandFacts) -> Vec<String> {
    let mut notes = Vec::new();
    if facts.by_file {
        notes.push("what the band held is what the file of planted values says".to_owned());
    }
    if !facts.complete {
        notes.push("the run did not end as planned: what was not recorded is not here".to_owned());
    }
    match (facts.searched, facts.unsearched) {
        (false, _) => notes.push("no request was read after the band was: nothing could be found".to_owned()),
        (true, 0) => {}
        (true, 1) => notes.push("1 request came before the band was read: what the band held was not looked for in it".to_owned()),
        (true, count) => {
            notes.push(format!("{count} requests came before the band was read: what the band held was not looked for in them"));
        }
    }
    notes
}
