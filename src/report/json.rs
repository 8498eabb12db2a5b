//! The format `json`: reports as data, for machines.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Options, ReportFormat};
use crate::model::{Report, report::REPORT_FORMAT, text::printable};

/// The format `json`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Json;

/// What the file holds.
#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    reports: &'a [Report],
}

impl ReportFormat for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "every report as data, with an integer format"
    }

    fn render(&self, reports: &[Report], _options: Options) -> String {
        let document = Document { format: REPORT_FORMAT, reports };
        let mut text = serde_json::to_string_pretty(&document).expect("a report has text keys only, so JSON can hold it");
        text.push('\n');
        escape_invisible(&text)
    }
}

/// Characters that could change how a terminal shows the document. JSON has them only inside strings, where an escape means
/// the same (R13).
pub(super) fn escape_invisible(text: &str) -> String {
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
