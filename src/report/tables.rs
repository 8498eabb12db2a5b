//! Tables of single commands: `fields` and `diff`. They take data of the model and show no values.

use super::{Options, changes, page::Block, table};
use crate::model::{ByteRange, Category, Change, FieldName, FieldShape, Ledger, Reason};

/// One row of the table of `fields`.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldRow {
    /// Where: an endpoint with its phase, or empty for a single body.
    pub place: String,
    /// Part and path.
    pub name: FieldName,
    /// Type, categories and encoding chain.
    pub shape: FieldShape,
    /// Why it has its categories.
    pub reasons: Vec<(Category, Reason)>,
    /// Where in the raw request body, where known.
    pub bytes: Option<ByteRange>,
    /// Bytes of its values that nobody can explain, and their entropy in bits a byte; `None` when somebody can.
    pub unexplained: Option<(u64, f64)>,
    /// In how many runs, of how many; `None` for a single body.
    pub runs: Option<(u32, u32)>,
}

/// One row of the ledger: what is known of the bytes that were uploaded to one place.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerRow {
    /// A host, an endpoint, or a body.
    pub place: String,
    /// By everything that is known.
    pub all: Ledger,
    /// Without what vendors' adapters and the app file say.
    pub unaided: Ledger,
}

/// The ledger as a table, most bytes first; bytes are exact, so that a reader can add them up. Ends with a line break.
pub fn ledger_table(rows: &[LedgerRow], options: Options) -> String {
    let mut rows: Vec<&LedgerRow> = rows.iter().collect();
    rows.sort_by(|a, b| b.all.total().cmp(&a.all.total()).then_with(|| a.place.cmp(&b.place)));
    let cells = |row: &&LedgerRow| {
        let Ledger { named, typed, structure, unexplained } = row.all;
        let numbers = [row.all.total(), named, row.unaided.named, typed, structure, unexplained, row.unaided.unexplained];
        std::iter::once(row.place.clone()).chain(numbers.iter().map(u64::to_string)).collect()
    };
    let header = vec!["uploaded to", "bytes", "named", "named unaided", "typed", "structure", "unexplained", "unexplained unaided"];
    table::paint(&[Block::Table { header, rows: rows.iter().map(cells).collect() }], options)
}

/// The fields of one or more endpoints: a table a place, in the order given. Ends with a line break.
pub fn fields_table(rows: &[FieldRow], options: Options) -> String {
    if rows.is_empty() {
        return "No field was found.\n".into();
    }
    let blocks = rows.chunk_by(|a, b| a.place == b.place).flat_map(|chunk| {
        let heading = chunk.first().filter(|row| !row.place.is_empty()).map(|row| Block::Title(row.place.clone()));
        let counted = chunk.iter().any(|row| row.runs.is_some());
        let located = chunk.iter().any(|row| row.bytes.is_some());
        let mut header = vec!["field", "type", "encoding", "category and why"];
        if located {
            header.push("bytes");
        }
        let dark = chunk.iter().any(|row| row.unexplained.is_some());
        if dark {
            header.extend(["unexplained", "entropy"]);
        }
        if counted {
            header.push("runs");
        }
        let cells = |row: &FieldRow| {
            let mut cells = vec![row.name.to_string(), row.shape.kind.to_string(), row.shape.chain_words(), why(row)];
            if located {
                cells.push(row.bytes.map(|range| range.to_string()).unwrap_or_default());
            }
            if dark {
                let (bytes, entropy) =
                    row.unexplained.map(|(bytes, entropy)| (bytes.to_string(), format!("{entropy:.1}"))).unwrap_or_default();
                cells.extend([bytes, entropy]);
            }
            if counted {
                cells.push(row.runs.map(|(runs, of)| format!("{runs}/{of}")).unwrap_or_default());
            }
            cells
        };
        heading.into_iter().chain([Block::Table { header, rows: chunk.iter().map(cells).collect() }]).collect::<Vec<_>>()
    });
    table::paint(&blocks.collect::<Vec<_>>(), options)
}

/// Every change between two versions: those that count, then the others with how often each was seen. Ends with a line break.
pub fn changes_table(changes: &[Change], options: Options) -> String {
    table::paint(&changes::every(changes), options)
}

fn why(row: &FieldRow) -> String {
    let parts = row.shape.categories.iter().map(|category| {
        let reasons: Vec<String> = row.reasons.iter().filter(|(of, _)| of == category).map(|(_, reason)| reason.to_string()).collect();
        if reasons.is_empty() { category.to_string() } else { format!("{category}: {}", reasons.join(", ")) }
    });
    parts.collect::<Vec<_>>().join("; ")
}
