//! The format `table`: reports for a terminal.

use tabled::{
    builder::Builder,
    settings::{
        Alignment, Padding,
        object::Columns,
        style::{HorizontalLine, Style},
    },
};

use super::{
    Options, ReportFormat,
    layout::{self, Yielding},
    page::{self, Block, Detail, Entry},
};
use crate::model::{Report, text::printable};

/// The format `table`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table;

impl ReportFormat for Table {
    fn name(&self) -> &'static str {
        "table"
    }

    fn about(&self) -> &'static str {
        "tables for a terminal, wrapped to its width; long lists are cut and counted"
    }

    fn render(&self, reports: &[Report], options: Options) -> String {
        paint(&page::pages(reports, Detail::Short), options)
    }
}

/// Paints blocks for a terminal; ends with a line break.
pub(super) fn paint(blocks: &[Block], options: Options) -> String {
    let width = options.width.max(NARROWEST);
    let bold = |text: String| if options.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text };
    let mut out = String::new();
    for (index, block) in blocks.iter().enumerate() {
        match block {
            Block::Title(text) => {
                let text = wrapped(text, "", "", width);
                let rule = "=".repeat(text.lines().map(|line| line.chars().count()).max().unwrap_or(0).min(width));
                let gap = if index == 0 { "" } else { "\n\n" };
                out.push_str(&format!("{gap}{}\n{rule}\n", bold(text)));
            }
            Block::Heading(text) => {
                let gap = if index == 0 { "" } else { "\n" };
                out.push_str(&format!("{gap}{}\n", bold(wrapped(&text.to_uppercase(), "", "", width))));
            }
            Block::Line(text) => out.push_str(&format!("{}\n", wrapped(text, "", "", width))),
            Block::Strong(text) => out.push_str(&format!("{}\n", bold(wrapped(text, "", "", width)))),
            Block::List(lines) => lines.iter().for_each(|line| out.push_str(&format!("{}\n", wrapped(line, "- ", "  ", width)))),
            Block::Table { header, rows } => out.push_str(&table(header, rows, width)),
            Block::Entries(entries) => entries.iter().for_each(|one| out.push_str(&entry(one, width, bold))),
        }
    }
    out
}

/// A line to scan for, and what is told of it below.
fn entry(entry: &Entry, width: usize, bold: impl Fn(String) -> String) -> String {
    let mut out = format!("{}\n", bold(wrapped(&format!("{}  {}", entry.mark, entry.head), "", "    ", width)));
    for item in &entry.items {
        out.push_str(&format!("{}\n", wrapped(&item.head, "  ", "    ", width)));
        item.texts.iter().for_each(|text| out.push_str(&format!("{}\n", wrapped(text, "    ", "    ", width))));
    }
    out
}

/// Columns two blanks apart, a rule under the header, none between rows: a row is where its first cell is, and what does not
/// fit into a cell of names hangs below it, indented.
fn table(header: &[&str], rows: &[Vec<String>], width: usize) -> String {
    let header_row = header.iter().map(|&name| name.to_owned()).collect();
    let safe = rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect());
    let cells: Vec<Vec<String>> = std::iter::once(header_row).chain(safe).collect();
    let yielding: Vec<Yielding> = header.iter().map(|name| yields(name)).collect();
    let widths = layout::widths(&cells, &yielding, width);
    let mut builder = Builder::default();
    for row in &cells {
        let broken = row.iter().zip(&widths).zip(&yielding).map(|((cell, width), yielding)| match yielding {
            Yielding::Then => layout::hanging(cell, *width, 2).join("\n"),
            Yielding::First | Yielding::Last => layout::lines(cell, *width).join("\n"),
        });
        builder.push_record(broken);
    }
    let mut table = builder.build();
    table.with(Style::empty().horizontals([(1, HorizontalLine::new('─'))])).with(Padding::new(0, layout::GAP, 0, 0));
    table.modify(Columns::last(), Padding::zero());
    for (column, name) in header.iter().enumerate() {
        if NUMBERS.contains(name) {
            table.modify(Columns::one(column), Alignment::right());
        }
    }
    table.to_string().lines().fold(String::new(), |out, line| out + line.trim_end() + "\n")
}

/// Text made safe and broken so that no line is longer than `width`: the first line after `first`, the others after `rest`.
fn wrapped(text: &str, first: &str, rest: &str, width: usize) -> String {
    let indent = first.chars().count().max(rest.chars().count());
    let mut lines = layout::lines(&printable(text), width.saturating_sub(indent)).into_iter();
    let mut out = format!("{first}{}", lines.next().unwrap_or_default());
    lines.for_each(|line| out.push_str(&format!("\n{rest}{line}")));
    out
}

/// Narrower than this, tables are not readable whatever one does.
const NARROWEST: usize = 40;

/// Columns of numbers, so that tens stand below tens.
const NUMBERS: [&str; 13] = [
    "before",
    "bytes",
    "hosts read",
    "named",
    "now",
    "runs",
    "share",
    "structure",
    "typed",
    "named unaided",
    "unexplained",
    "unexplained unaided",
    "uploaded",
];

/// Which columns give way when a table is too wide: lists of words first, then what holds paths, names and sentences.
fn yields(column: &str) -> Yielding {
    match column {
        "categories" | "category and why" | "encoding" => Yielding::First,
        "endpoint" | "field" | "findings" | "uploaded to" | "verdict" | "what" | "what is known" | "where" => Yielding::Then,
        _ => Yielding::Last,
    }
}
