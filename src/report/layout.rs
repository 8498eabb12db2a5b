//! How wide the columns of a terminal table are, and where a text breaks. Columns with short words (ids, severities, phases)
//! keep their width; columns with long ones give way, and break where a reader would.

use tabled::grid::util::string::{get_char_width, get_line_width};

/// When a column gives way to make a table fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Yielding {
    /// Before the others: what it holds reads well in a narrow column.
    First,
    /// When that is not enough.
    Then,
    /// Only when nothing else helps.
    Last,
}

/// Widths of the columns, so that the whole table fits `width` where it can, with [`GAP`] between columns. Of the columns that
/// give way at the same time the widest does first, down to [`NARROW`].
pub(super) fn widths(rows: &[Vec<String>], yielding: &[Yielding], width: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = (0..yielding.len())
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| get_line_width(cell)).max().unwrap_or(0))
        .collect();
    let gaps = GAP * widths.len().saturating_sub(1);
    let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(width);
    let stages = [
        (&[Yielding::First][..], NARROW),
        (&[Yielding::First, Yielding::Then], NARROW),
        (&[Yielding::First, Yielding::Then, Yielding::Last], 3),
    ];
    for (who, least) in stages {
        while excess > 0 {
            let candidates = widths.iter().enumerate().filter(|(column, size)| who.contains(&yielding[*column]) && **size > least);
            let Some((widest, _)) = candidates.max_by_key(|(column, size)| (**size, std::cmp::Reverse(*column))) else { break };
            widths[widest] -= 1;
            excess -= 1;
        }
    }
    widths
}

/// A text in lines no wider than `width`, all but the first one indented by `indent` columns.
pub(super) fn hanging(text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut broken = lines(text, width);
    if broken.len() > 1 && width > 2 * indent + 2 {
        let first = broken.swap_remove(0);
        let rest = text[first.len()..].trim_start_matches(' ');
        broken = lines(rest, width - indent).into_iter().map(|line| " ".repeat(indent) + &line).collect();
        broken.insert(0, first);
    }
    broken
}

/// A text in lines no wider than `width`: broken at a blank if there is one past the first quarter of the line, else after a
/// character that joins words in paths and names, else anywhere.
pub(super) fn lines(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    let mut lines = Vec::new();
    let mut rest = text;
    while get_line_width(rest) > width {
        let mut used = 0;
        let fits = rest.char_indices().find(|(_, c)| {
            used += get_char_width(*c);
            used > width
        });
        let most = fits.map_or(rest.len(), |(at, _)| at);
        let head = &rest[..most];
        let ends_here = rest[most..].starts_with(' ').then_some(most);
        let at_blank = ends_here.or_else(|| head.rfind(' ').filter(|at| *at >= most / 4));
        let (line, tail) = match at_blank {
            Some(at) => (&rest[..at], rest[at..].trim_start_matches(' ')),
            None => {
                let joint = head.char_indices().rev().find(|(_, c)| "/.,_-[&?=".contains(*c)).map(|(at, c)| at + c.len_utf8());
                let at = joint.filter(|at| *at >= most / 3 && *at > 0).unwrap_or(most);
                rest.split_at(at.max(first_boundary(rest)))
            }
        };
        lines.push(line.to_owned());
        rest = tail;
    }
    if !rest.is_empty() || lines.is_empty() {
        lines.push(rest.to_owned());
    }
    lines
}

/// The end of the first character: what a line takes at least.
fn first_boundary(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// Blanks between two columns.
pub(super) const GAP: usize = 2;

/// Narrower than this, a column of paths or sentences is not worth reading.
const NARROW: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_where_a_reader_would() {
        let check = |text: &str, width: usize, want: &[&str]| assert_eq!(lines(text, width), want, "{text}");
        check("", 10, &[""]);
        check("short", 10, &["short"]);
        check("two words", 5, &["two", "words"]);
        check("POST api.test/v1/data/band_data.json", 21, &["POST api.test/v1/", "data/band_data.json"]);
        check("abcdefghij", 4, &["abcd", "efgh", "ij"]);
        check("猫猫猫", 4, &["猫猫", "猫"]);
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..500 {
            let text: String = (0..random.usize(..40)).map(|_| ['a', ' ', '/', '猫', '\u{301}', '.'][random.usize(..6)]).collect();
            let width = random.usize(2..12);
            let broken = lines(&text, width);
            assert!(broken.iter().all(|line| get_line_width(line) <= width), "{text:?} at {width}: {broken:?}");
            let kept = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            assert_eq!(kept(&broken.concat()), kept(&text));
        }
    }

    #[test]
    fn long_columns_give_way_before_short_ones() {
        use Yielding::{First, Last, Then};
        let rows = vec![vec!["x".repeat(20), "y".repeat(60), "z".repeat(40)]];
        assert_eq!(widths(&rows, &[Last, Then, Then], 84), [20, 30, 30]);
        assert_eq!(widths(&rows, &[Last, Then, Then], 200), [20, 60, 40]);
        assert_eq!(widths(&rows, &[Last, Then, First], 100), [20, 60, 16]);
        assert_eq!(widths(&rows, &[Last, Then, First], 80), [20, 44, 12]);
        assert_eq!(widths(&rows, &[Last, Then, Then], 40).iter().sum::<usize>(), 36);
    }

    #[test]
    fn a_hanging_text_keeps_its_words_and_its_width() {
        let check = |text: &str, width: usize, want: &[&str]| assert_eq!(hanging(text, width, 2), want, "{text}");
        check("", 10, &[""]);
        check("short", 10, &["short"]);
        check("GET api.test/v1/data/band_data.json", 20, &["GET api.test/v1/", "  data/band_data.", "  json"]);
        check("two words more", 9, &["two words", "  more"]);
    }
}
