//! A report to bytes: one file a format. Formats arrange what the report says and add nothing; every text from outside is
//! made safe here (R13).

mod changes;
mod conservation;
mod fields;
mod findings;
mod json;
mod layout;
mod markdown;
mod page;
mod table;
mod tables;

pub use fields::{EndpointOf, FIELDS_FORMAT, FieldOf, LedgerOf, LedgerScope, Place, PlantedRow, PositionOf, ReasonOf, Seen, fields_json};
pub(crate) use json::escape_invisible;
pub use tables::{FieldRow, LedgerRow, changes_table, fields_table, ledger_table};

use crate::model::Report;

/// A way to write reports.
pub trait ReportFormat: Sync {
    /// Name for `--format`.
    fn name(&self) -> &'static str;

    /// One line on what it is for.
    fn about(&self) -> &'static str;

    /// The reports in order, as text that ends with a line break.
    fn render(&self, reports: &[Report], options: Options) -> String;
}

/// Every format, sorted by name.
pub const FORMATS: &[&dyn ReportFormat] = &[&json::Json, &markdown::Markdown, &table::Table];

/// The format with this name.
pub fn format(name: &str) -> Option<&'static dyn ReportFormat> {
    FORMATS.iter().copied().find(|format| format.name() == name)
}

/// How the output is shown. Formats that are files ignore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Columns of the terminal; tables wrap to it.
    pub width: usize,
    /// Whether colour may be used. It never carries meaning alone.
    pub colour: bool,
}

impl Default for Options {
    /// 100 columns, no colour.
    fn default() -> Self {
        Self { width: 100, colour: false }
    }
}

#[cfg(test)]
mod tests;
