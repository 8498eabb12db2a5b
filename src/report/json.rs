//! The format `json`: reports as data, for machines.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde::Serialize;

use super::{Options, ReportFormat};
use crate::model::{Category, Report, report::REPORT_FORMAT, text::printable};

/// The format `json`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Json;

/// What the file holds.
#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    reports: &'a [Report],
    /// Every category that occurs in them, by its word.
    taxonomy: BTreeMap<Category, Layers>,
}

/// What a category is called: by us, by the W3C, and in what vendors declare to the app stores.
#[derive(Serialize)]
struct Layers {
    group: Category,
    meaning: &'static str,
    dpv: Concept,
    /// Google Play's data-safety form; one of them, none when it has no box.
    play: &'static [&'static str],
    /// Apple's privacy manifest; one of them.
    apple: &'static [&'static str],
}

#[derive(Serialize)]
struct Concept {
    iri: String,
    special_category: bool,
}

impl ReportFormat for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "every report as data, with an integer format"
    }

    fn render(&self, reports: &[Report], _options: Options) -> String {
        let document = Document { format: REPORT_FORMAT, reports, taxonomy: taxonomy(reports) };
        let mut text = serde_json::to_string_pretty(&document).expect("a report has text keys only, so JSON can hold it");
        text.push('\n');
        escape_invisible(&text)
    }
}

/// The categories of everything that reports list, and their groups.
fn taxonomy(reports: &[Report]) -> BTreeMap<Category, Layers> {
    let mut occurring: BTreeSet<Category> = BTreeSet::new();
    for report in reports {
        occurring.extend(report.endpoints.iter().flat_map(|row| &row.categories));
        occurring.extend(report.findings.iter().flat_map(|finding| &finding.categories));
        occurring.extend(report.coverage.hosts.values().flat_map(|host| &host.carries));
        let shapes = report.changes.iter().flat_map(|change| change.before.iter().chain(&change.after));
        occurring.extend(shapes.flat_map(|shape| &shape.categories));
    }
    let groups: Vec<Category> = occurring.iter().map(|category| category.group()).collect();
    occurring.extend(groups);
    occurring.into_iter().map(|category| (category, layers(category))).collect()
}

fn layers(category: Category) -> Layers {
    let dpv = category.dpv();
    Layers {
        group: category.group(),
        meaning: category.meaning(),
        dpv: Concept { iri: dpv.iri(), special_category: dpv.special },
        play: category.play(),
        apple: category.apple(),
    }
}

/// Characters that could change how a terminal shows the document. JSON has them only inside strings, where an escape means
/// the same (R13).
pub(crate) fn escape_invisible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        let mut buffer = [0; 4];
        let as_it_is: &str = c.encode_utf8(&mut buffer);
        if c == '\n' || printable(as_it_is) == as_it_is {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
        out
    })
}
