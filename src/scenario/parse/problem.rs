//! What is wrong with a file: every problem with its place, the valid choices and a hint, ready for miette to draw.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, NamedSource};

use crate::{
    model::text::printable,
    scenario::spec::{Span, nearest},
};

/// Most problems that are told of one file; the rest is counted. Drawing one costs a walk over the file.
const MOST: usize = 50;

/// Most valid choices that are listed.
const MOST_CHOICES: usize = 50;

/// Everything that is wrong with one file, in the order of the file. As a fragment it reads after "failed to".
pub struct Problems {
    /// Boxed, so that a result with problems stays small.
    source: Box<NamedSource<String>>,
    problems: Vec<Problem>,
    left_off: usize,
    /// Problems of the files that this one pulls in, each file once.
    others: Vec<Problems>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Bytes of the text that are wrong; where something is missing, where it is missed.
    pub span: Span,
    /// A lower-case fragment that reads after "failed to".
    pub message: String,
    /// What is to be seen at the place.
    pub label: String,
    /// What to write instead: valid choices, a hint.
    pub help: Option<String>,
    /// Another place that has to do with it.
    pub other: Option<(Span, String)>,
}

impl Problem {
    /// A problem without help.
    pub(crate) fn new(span: Span, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { span, message: message.into(), label: label.into(), help: None, other: None }
    }

    /// With what to write instead.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With the valid choices, and the one that was probably meant.
    pub(crate) fn choices(self, written: &str, what: &str, choices: &[&str]) -> Self {
        let shown = choices.get(..MOST_CHOICES).unwrap_or(choices);
        let more = if choices.len() > shown.len() { ", …" } else { "" };
        let list = format!("{what}: {}{more}", shown.join(", "));
        let help = match nearest(written, choices.iter().copied()) {
            Some(meant) => format!("did you mean \"{meant}\"? {list}"),
            None => list,
        };
        self.help(help)
    }

    /// With another place.
    pub(crate) fn other(mut self, span: Span, label: impl Into<String>) -> Self {
        self.other = Some((span, label.into()));
        self
    }
}

impl Problems {
    /// The problems of a file: sorted, clipped to one line each, and harmless for a terminal (R13). What stands at the places
    /// of `secrets` is not shown.
    pub(super) fn new(name: &str, text: &str, mut problems: Vec<Problem>, secrets: &[Span]) -> Self {
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        problems.dedup();
        let left_off = problems.len().saturating_sub(MOST);
        problems.truncate(MOST);
        for problem in &mut problems {
            problem.span = one_line(text, &problem.span);
            if let Some((span, label)) = &mut problem.other {
                *span = one_line(text, span);
                *label = printable(label);
            }
            problem.message = printable(&problem.message);
            problem.label = printable(&problem.label);
            problem.help = problem.help.as_deref().map(printable);
        }
        let mut text = text.to_owned();
        for secret in secrets.iter().filter(|secret| text.get((*secret).clone()).is_some()).cloned().collect::<Vec<_>>() {
            let stars = "*".repeat(secret.len());
            text.replace_range(secret, &stars);
        }
        Self { source: Box::new(NamedSource::new(printable(name), harmless(&text))), problems, left_off, others: Vec::new() }
    }

    /// With the problems of other files, each file once.
    pub(super) fn with_others(mut self, others: Vec<Self>) -> Self {
        for other in others {
            if other.name() != self.name() && self.others.iter().all(|known| known.name() != other.name()) {
                self.others.push(other);
            }
        }
        self
    }

    /// Without the problems of files that are told of elsewhere.
    pub fn without(mut self, told: impl Fn(&str) -> bool) -> Self {
        self.others.retain(|other| !told(other.name()));
        self
    }

    /// Problems of the files that this one pulls in.
    pub fn others(&self) -> &[Self] {
        &self.others
    }

    /// The file, as it was named.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// The problems, in the order of the file; at most 50, see [`Problems::left_off`].
    pub fn all(&self) -> &[Problem] {
        &self.problems
    }

    /// How many more there are.
    pub const fn left_off(&self) -> usize {
        self.left_off
    }

    /// Line and column of a problem, both from 1; columns count characters.
    pub fn line_and_column(&self, problem: &Problem) -> (usize, usize) {
        let before = self.source.inner().get(..problem.span.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before.get(line_start..).unwrap_or_default().chars().count() + 1)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() + self.left_off {
            1 => write!(f, "understand {}: one problem", self.name()),
            count => write!(f, "understand {}: {count} problems", self.name()),
        }
    }
}

/// The places, one a line, without the file's text.
impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        for problem in &self.problems {
            let (line, column) = self.line_and_column(problem);
            write!(f, "\n{}:{line}:{column}: {}", self.name(), problem.message)?;
        }
        self.others.iter().try_for_each(|other| write!(f, "\n{other:?}"))
    }
}

impl std::error::Error for Problems {}

impl Diagnostic for Problems {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (self.left_off > 0).then(|| Box::new(format!("{} more problems are not shown", self.left_off)) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&*self.source)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let here = self.problems.iter().map(|problem| problem as &dyn Diagnostic);
        Some(Box::new(here.chain(self.others.iter().map(|other| other as &dyn Diagnostic))))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// The text comes from [`Problems`], whose related diagnostics these are.
impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let here = LabeledSpan::new_primary_with_span(Some(self.label.clone()), self.span.clone());
        let other = self.other.iter().map(|(span, label)| LabeledSpan::new_with_span(Some(label.clone()), span.clone()));
        Some(Box::new(std::iter::once(here).chain(other)))
    }
}

/// A span inside the text, on character boundaries, that ends with its first line.
fn one_line(text: &str, span: &Span) -> Span {
    let boundary = |at: usize| text.floor_char_boundary(at.min(text.len()));
    let start = boundary(span.start);
    let end = boundary(span.end).max(start);
    let inside = text.get(start..end).unwrap_or_default();
    start..start + inside.lines().next().unwrap_or_default().trim_end().len()
}

/// The text with every control character that a terminal would act on replaced by one of as many bytes, so that spans stay true.
fn harmless(text: &str) -> String {
    let mut buffer = [0; 4];
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\r' => ' ',
            _ => {
                let alone: &str = c.encode_utf8(&mut buffer);
                match (printable(alone) == alone, alone.len()) {
                    (true, _) => c,
                    (false, 1) => '?',
                    (false, 2) => '\u{bf}',
                    (false, _) => '\u{fffd}',
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_in_a_file_never_reach_the_terminal_and_spans_stay_true() {
        let text = "a: \u{1b}[31m\u{202e}\u{9b}x\r\n";
        let shown = harmless(text);
        assert_eq!(shown.len(), text.len());
        assert_eq!(shown, "a: ?[31m\u{fffd}\u{bf}x \n");
    }

    #[test]
    fn more_problems_than_a_person_reads_are_counted() {
        let text = "x".repeat(100);
        let problems = (0..80).map(|at| Problem::new(at..at + 1, "read it", "here")).collect();
        let problems = Problems::new("file", &text, problems, &[]);
        assert_eq!((problems.all().len(), problems.left_off()), (50, 30));
        assert_eq!(problems.to_string(), "understand file: 80 problems");
    }

    #[test]
    fn columns_count_characters() {
        let problems = Problems::new("file", "a\n猫猫b", vec![Problem::new(8..9, "read it", "here")], &[]);
        assert_eq!(problems.line_and_column(&problems.all()[0]), (2, 3));
    }
}
