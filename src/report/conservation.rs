//! The conservation table on a page: what the band held, and what became of it.

use std::collections::BTreeSet;

use super::page::{Block, Detail, count};
use crate::model::{ConservationRow, Held, Quantity, Report, text::thousands};

/// The section: a row a quantity, and more than one where runs differ. Without a band that was read it says so, and no more.
pub(super) fn blocks(report: &Report, detail: Detail) -> Vec<Block> {
    let mut blocks = vec![Block::Heading("What became of what the band held".into())];
    let tables = &report.conservation;
    if tables.is_empty() {
        blocks.push(Block::Line("No band was read: nothing is known of what it held.".into()));
        return blocks;
    }
    let all = tables.iter().map(|table| table.runs.len()).sum::<usize>();
    let mut header = vec!["quantity", "held by the band", "found in uploads", "not seen", "derived", "added"];
    if tables.len() > 1 {
        header.insert(1, "runs");
    }
    let mut rows = Vec::new();
    for quantity in Quantity::ALL {
        let mut told: Vec<(&ConservationRow, Vec<u32>)> = Vec::new();
        for table in tables {
            let Some(row) = table.rows.iter().find(|row| row.quantity == quantity) else { continue };
            match told.iter_mut().find(|(known, _)| *known == row) {
                Some((_, runs)) => runs.extend(&table.runs),
                None => told.push((row, table.runs.clone())),
            }
        }
        for (row, mut runs) in told {
            runs.sort_unstable();
            let mut cells = cells(row);
            if tables.len() > 1 {
                cells.insert(1, if runs.len() == all { "all".to_owned() } else { numbers(&runs) });
            }
            rows.push(cells);
        }
    }
    blocks.push(Block::Table { header, rows });
    let mut lines: Vec<String> = Vec::new();
    for table in tables {
        let whose = if all == 1 { String::new() } else { format!("{}: ", runs(&table.runs)) };
        lines.extend(table.notes.iter().map(|note| format!("{whose}{note}")));
    }
    if detail == Detail::Complete {
        let fields: BTreeSet<String> = tables.iter().flat_map(|table| &table.rows).flat_map(named_fields).collect();
        lines.extend(fields);
    }
    if !lines.is_empty() {
        blocks.push(Block::List(lines));
    }
    blocks.push(Block::Line(LEGEND.into()));
    blocks
}

fn cells(row: &ConservationRow) -> Vec<String> {
    vec![words(row.quantity).to_owned(), held(row), found(row), not_seen(row), fields(&row.derived), fields(&row.added)]
}

fn held(row: &ConservationRow) -> String {
    match row.held {
        Held::InKinds => "only as activity kinds".to_owned(),
        Held::NotKnown => "not known".to_owned(),
        Held::Values { values } => thousands(values),
        Held::Minutes { values, zeros, gaps } => {
            let (noun, which, nothing) = match row.quantity {
                Quantity::HeartRate => ("reading", "", "of no beat"),
                Quantity::Steps => ("minute", " with steps", "without"),
                _ => ("minute", "", "of kind 0"),
            };
            let plural = |number: u64, noun: &str| format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" });
            let mut told = plural(values, noun) + which;
            if zeros > 0 {
                told += &format!(", {} {nothing}", thousands(zeros));
            }
            if gaps > 0 {
                told += &format!(", {}", plural(gaps, "gap"));
            }
            told
        }
    }
}

fn found(row: &ConservationRow) -> String {
    let of = match row.held {
        Held::InKinds | Held::NotKnown => return NOTHING.to_owned(),
        Held::Minutes { values, .. } | Held::Values { values } => values,
    };
    let probably = if row.probably == 0 { String::new() } else { format!(", {} more probably", thousands(row.probably)) };
    format!("{} of {}{probably}", thousands(row.found), thousands(of))
}

/// What was not found, by what that means.
fn not_seen(row: &ConservationRow) -> String {
    if matches!(row.held, Held::InKinds | Held::NotKnown) {
        return NOTHING.to_owned();
    }
    let told = [(row.not_seen, ""), (row.untold, " cannot be told from chance"), (row.not_checked, " not checked")];
    let told: Vec<String> =
        told.into_iter().filter(|(number, _)| *number > 0).map(|(number, words)| format!("{}{words}", thousands(number))).collect();
    if told.is_empty() { "0".to_owned() } else { told.join(", ") }
}

fn fields(fields: &[String]) -> String {
    if fields.is_empty() { NOTHING.to_owned() } else { count(fields.len() as u64, "field") }
}

/// `sleep, derived: POST api.test/v1/day form data_json[].summary.slp.st`, a line a field.
fn named_fields(row: &ConservationRow) -> Vec<String> {
    let lines = |kind: &str, fields: &[String]| -> Vec<String> {
        fields.iter().map(|field| format!("{}, {kind}: {field}", words(row.quantity))).collect()
    };
    [lines("derived", &row.derived), lines("added", &row.added), lines("in pieces that cannot be told from chance", &row.in_pieces)]
        .concat()
}

/// `run 1`, `runs 1, 2, 4`.
fn runs(runs: &[u32]) -> String {
    format!("run{} {}", if runs.len() == 1 { "" } else { "s" }, numbers(runs))
}

fn numbers(runs: &[u32]) -> String {
    runs.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

const fn words(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::HeartRate => "heart rate",
        Quantity::Steps => "steps",
        Quantity::ActivityKind => "activity kind",
        Quantity::Sleep => "sleep",
        Quantity::Workouts => "workouts",
        Quantity::Battery => "battery",
        Quantity::Serial => "serial number",
        Quantity::Address => "MAC address",
        Quantity::Firmware => "firmware version",
    }
}

/// Stands where there is nothing to say.
const NOTHING: &str = "-";

/// What the columns mean, and no more than they do (R3).
const LEGEND: &str = "Each minute counts once, over all uploads together. Not seen: not seen in what could be read. Cannot be told from chance: \
                      too few or too even, or as many as there are readings in fields of that kind, or of no telling name and of its numbers, \
                      which were sent in pieces that say too little, also when all of a field are put together in the order in which they \
                      were sent or the last one first. Derived: fields of a kind that is not on the band \
                      and can be worked out of what is. Added: fields of the band's own kinds in which none of its values was found, though \
                      it could have been told.";

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(held: Held, found: u64, probably: u64, not_seen: u64, untold: u64, not_checked: u64) -> ConservationRow {
        let (derived, added) = (vec!["POST api.test/day form st".to_owned()], Vec::new());
        let in_pieces = Vec::new();
        ConservationRow { quantity: Quantity::HeartRate, held, found, probably, not_seen, untold, not_checked, derived, added, in_pieces }
    }

    #[test]
    fn nothing_that_was_not_looked_for_is_called_not_seen() {
        let minutes = Held::Minutes { values: 1200, zeros: 0, gaps: 240 };
        let check = |row: ConservationRow, want: [&str; 3]| assert_eq!([held(&row), found(&row), super::not_seen(&row)], want);
        check(counted(minutes, 1200, 0, 0, 0, 0), ["1,200 readings, 240 gaps", "1,200 of 1,200", "0"]);
        check(counted(minutes, 600, 20, 580, 0, 0), ["1,200 readings, 240 gaps", "600 of 1,200, 20 more probably", "580"]);
        check(counted(minutes, 0, 0, 0, 1200, 0), ["1,200 readings, 240 gaps", "0 of 1,200", "1,200 cannot be told from chance"]);
        check(counted(minutes, 0, 0, 0, 0, 1200), ["1,200 readings, 240 gaps", "0 of 1,200", "1,200 not checked"]);
        check(counted(Held::NotKnown, 0, 0, 0, 0, 0), ["not known", "-", "-"]);
        check(counted(Held::InKinds, 0, 0, 0, 0, 0), ["only as activity kinds", "-", "-"]);
        check(counted(Held::Values { values: 1 }, 1, 0, 0, 0, 0), ["1", "1 of 1", "0"]);
        let of = |quantity, values, zeros, gaps| {
            held(&ConservationRow { quantity, ..counted(Held::Minutes { values, zeros, gaps }, 1, 0, 0, 0, 0) })
        };
        assert_eq!(of(Quantity::Steps, 1, 1439, 0), "1 minute with steps, 1,439 without");
        assert_eq!(of(Quantity::Steps, 2, 1437, 1), "2 minutes with steps, 1,437 without, 1 gap");
        assert_eq!(of(Quantity::ActivityKind, 1000, 400, 40), "1,000 minutes, 400 of kind 0, 40 gaps");
        assert_eq!(of(Quantity::HeartRate, 2, 0, 1), "2 readings, 1 gap");
    }
}
