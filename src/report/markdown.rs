//! The format `markdown`: reports as a page for a repository or an issue.

use super::{
    Options, ReportFormat,
    page::{self, Block, Detail, Entry},
};
use crate::model::{Report, text::printable};

/// The format `markdown`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Markdown;

impl ReportFormat for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn about(&self) -> &'static str {
        "a page for a repository, an issue or a pull request"
    }

    fn render(&self, reports: &[Report], _options: Options) -> String {
        let mut text = page::pages(reports, Detail::Complete).iter().map(paint).collect::<Vec<_>>().join("\n\n");
        text.push('\n');
        text
    }
}

fn paint(block: &Block) -> String {
    match block {
        Block::Title(text) => format!("# {}", escape(text)),
        Block::Heading(text) => format!("## {}", escape(text)),
        Block::Line(text) => escape(text),
        Block::Strong(text) => format!("**{}**", escape(text)),
        Block::List(lines) => lines.iter().map(|line| format!("- {}", escape(line))).collect::<Vec<_>>().join("\n"),
        Block::Table { header, rows } => {
            let mut lines = vec![format!("| {} |", header.join(" | ")), format!("|{}", " --- |".repeat(header.len()))];
            lines.extend(rows.iter().map(|row| format!("| {} |", row.iter().map(|cell| escape(cell)).collect::<Vec<_>>().join(" | "))));
            lines.join("\n")
        }
        Block::Entries(entries) => entries.iter().map(entry).collect::<Vec<_>>().join("\n"),
    }
}

/// A list item with its facts as a list below it.
fn entry(entry: &Entry) -> String {
    let mut lines = vec![format!("- **{}**: {}", escape(&entry.mark), escape(&entry.head))];
    for item in &entry.items {
        lines.push(format!("  - {}", escape(&item.head)));
        lines.extend(item.texts.iter().map(|text| format!("    - {}", escape(text))));
    }
    lines.join("\n")
}

/// Text in which Markdown and HTML have no power.
fn escape(text: &str) -> String {
    printable(text).chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        out
    })
}
