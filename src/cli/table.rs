//! Tables of the commands that print no report: `fields`, `diff`, `captures`. Text from outside is made harmless (R13).

use tabled::{
    builder::Builder,
    settings::{Alignment, Modify, Style, Width, object::Columns, peaker::PriorityMax, style::HorizontalLine},
};

use crate::model::text::printable;

/// A table with a line under its head, no wider than `width` columns, no blanks at the ends of lines. `right` names columns
/// of numbers.
pub(super) fn table(head: &[&str], rows: &[Vec<String>], right: &[usize], width: usize) -> String {
    let mut builder = Builder::new();
    builder.push_record(head.iter().copied());
    for row in rows {
        builder.push_record(row.iter().map(|cell| cell.lines().map(printable).collect::<Vec<_>>().join("\n")));
    }
    let mut table = builder.build();
    let line = HorizontalLine::new('─').intersection(' ');
    table.with(Style::blank().horizontals([(1, line)]));
    for column in right {
        table.with(Modify::new(Columns::one(*column)).with(Alignment::right()));
    }
    table.with(Width::wrap(width.max(40)).priority(PriorityMax::right()).keep_words(true));
    table.to_string().lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_its_width_and_escapes_lose_their_power() {
        let rows = vec![vec!["\u{1b}[31mname".to_owned(), "word ".repeat(40), "7".to_owned()]];
        let text = table(&["field", "why", "bytes"], &rows, &[2], 60);
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 60 && !line.ends_with(' ')), "{text}");
        assert!(text.lines().count() > 4, "{text}");
    }
}
