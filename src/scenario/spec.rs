//! What may stand in a file: keys, the kinds of their values, and the values once read. One description from which files are
//! read, JSON Schemas are printed and the manual is made. Knows no syntax: that is `parse`'s.

use std::{collections::BTreeMap, fmt, ops::Range, time::Duration};

use serde_json::json;

use super::{forms::Form, steps::StepKind};
use crate::model::Position;

/// Bytes of a file's text, from and to.
pub type Span = Range<usize>;

/// A key of a map.
#[derive(Debug)]
pub struct Key {
    /// Name as in the file.
    pub name: &'static str,
    /// What it is for: one sentence without its full stop.
    pub about: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// Whether it must be there.
    pub need: Need,
}

/// Whether a key must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It stands for this text when it is left out; for a map, the empty text stands for the map of its keys' own defaults.
    Default(&'static str),
    /// It may be left out.
    Optional,
    /// A file without it is wrong.
    Required,
}

/// What a value looks like.
#[derive(Debug)]
pub enum Kind {
    /// A duration with its unit: `90s`.
    Duration,
    /// One of several, told apart by being text (or a number), a list or a map.
    Either(&'static [Kind]),
    /// true or false.
    Flag,
    /// A list.
    List {
        /// What its items look like.
        of: &'static Kind,
        /// Fewest items.
        least: usize,
    },
    /// A map with known keys.
    Map(&'static [Key]),
    /// A number.
    Number {
        /// Least.
        least: f64,
        /// Most.
        most: f64,
    },
    /// A position as a pair: `[52.37403, 4.88969]`, latitude first.
    Point,
    /// One step of a scenario.
    Step,
    /// A map from names of this form to values of this kind.
    Table(&'static Form, &'static Kind),
    /// Text.
    Text(&'static Form),
    /// A whole number.
    Whole {
        /// Least.
        least: u64,
        /// Most.
        most: u64,
    },
    /// One of these words, which are sorted.
    Word(&'static [&'static str]),
}

/// What a value is once read.
#[derive(Debug)]
pub enum Value {
    /// See [`Kind::Duration`].
    Duration(Duration),
    /// See [`Kind::Flag`].
    Flag(bool),
    /// See [`Kind::List`].
    List(Vec<Placed>),
    /// See [`Kind::Map`].
    Map(Values),
    /// See [`Kind::Number`].
    Number(f64),
    /// See [`Kind::Point`].
    Point(Position),
    /// See [`Kind::Step`].
    Step(Box<StepCall>),
    /// See [`Kind::Table`]: in the order of the file, with where the name stands.
    Table(Vec<(String, Span, Placed)>),
    /// See [`Kind::Text`].
    Text(String),
    /// See [`Kind::Whole`].
    Whole(u64),
    /// See [`Kind::Word`].
    Word(&'static str),
}

/// A value and where it stands.
#[derive(Debug)]
pub struct Placed {
    /// Where; for a default, where the map that lacks it begins.
    pub span: Span,
    /// What.
    pub value: Value,
}

/// One step as it is written: which, and with what.
#[derive(Debug)]
pub struct StepCall {
    /// Which.
    pub kind: &'static StepKind,
    /// With what.
    pub arguments: Values,
    /// Where its name stands.
    pub span: Span,
    /// Whether every argument could be read.
    pub complete: bool,
}

/// The values of a map, by key; defaults are filled in.
#[derive(Debug, Default)]
pub struct Values(pub BTreeMap<&'static str, Placed>);

impl Values {
    /// Where a key's value stands.
    pub fn span(&self, key: &str) -> Option<Span> {
        self.0.get(key).map(|placed| placed.span.clone())
    }

    /// A duration.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        if let Value::Duration(duration) = self.0.get(key)?.value { Some(duration) } else { None }
    }

    /// true or false.
    pub fn flag(&self, key: &str) -> Option<bool> {
        if let Value::Flag(flag) = self.0.get(key)?.value { Some(flag) } else { None }
    }

    /// The items of a list; empty when it is not there.
    pub fn list(&self, key: &str) -> &[Placed] {
        if let Some(Value::List(items)) = self.0.get(key).map(|placed| &placed.value) { items } else { &[] }
    }

    /// A map.
    pub fn map(&self, key: &str) -> Option<&Self> {
        if let Value::Map(values) = &self.0.get(key)?.value { Some(values) } else { None }
    }

    /// A number.
    pub fn number(&self, key: &str) -> Option<f64> {
        if let Value::Number(number) = self.0.get(key)?.value { Some(number) } else { None }
    }

    /// Text or a word.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.value.as_text()
    }

    /// A whole number.
    pub fn whole(&self, key: &str) -> Option<u64> {
        if let Value::Whole(number) = self.0.get(key)?.value { Some(number) } else { None }
    }

    /// The same for files that say the same: keys sorted, defaults filled in, durations in milliseconds.
    pub fn canonical(&self) -> serde_json::Value {
        serde_json::Value::Object(self.0.iter().map(|(key, placed)| ((*key).to_owned(), placed.value.canonical())).collect())
    }
}

impl Value {
    /// Text or a word.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Word(word) => Some(word),
            _ => None,
        }
    }

    /// A map.
    pub const fn as_map(&self) -> Option<&Values> {
        if let Self::Map(values) = self { Some(values) } else { None }
    }

    /// See [`Values::canonical`].
    pub fn canonical(&self) -> serde_json::Value {
        match self {
            Self::Duration(duration) => json!(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
            Self::Flag(flag) => json!(flag),
            Self::List(items) => items.iter().map(|item| item.value.canonical()).collect(),
            Self::Map(values) => values.canonical(),
            Self::Number(number) => json!(number),
            Self::Point(position) => json!([position.lat, position.lon]),
            Self::Step(call) => json!({ call.kind.name: call.arguments.canonical() }),
            Self::Table(entries) => {
                let sorted: BTreeMap<_, _> = entries.iter().map(|(name, _, placed)| (name.clone(), placed.value.canonical())).collect();
                serde_json::Value::Object(sorted.into_iter().collect())
            }
            Self::Text(text) => json!(text),
            Self::Whole(number) => json!(number),
            Self::Word(word) => json!(word),
        }
    }
}

/// What is needed, with its article: `a whole number from 1 to 100`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration => f.write_str("a duration with its unit, like 90s or 5m"),
            Self::Either(kinds) => {
                let words: Vec<String> = kinds.iter().map(ToString::to_string).collect();
                f.write_str(&words.join("; or "))
            }
            Self::Flag => f.write_str("true or false"),
            Self::List { of, .. } => write!(f, "a list (each item: {of})"),
            Self::Map(keys) => {
                let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
                write!(f, "a map with the keys {}", names.join(", "))
            }
            Self::Number { least, most } => write!(f, "a number from {least} to {most}"),
            Self::Point => f.write_str("a pair [latitude, longitude]"),
            Self::Step => f.write_str("a step"),
            Self::Table(_, kind) => write!(f, "a map from names to {kind}"),
            Self::Text(form) => f.write_str(form.what),
            Self::Whole { least, most } => write!(f, "a whole number from {least} to {most}"),
            Self::Word(words) => write!(f, "one of {}", words.join(", ")),
        }
    }
}

/// The choice that somebody probably meant: the only one that begins so (with longer ones that begin with it), or one in which at most a third of the letters differ.
/// Case is ignored.
pub fn nearest<'a>(written: &str, choices: impl IntoIterator<Item = &'a str, IntoIter: Clone> + Clone) -> Option<&'a str> {
    // Longer than any choice: not worth a comparison whose cost grows with the square of the length.
    if written.len() > 64 {
        return None;
    }
    let written = written.to_lowercase();
    let spelt = choices
        .clone()
        .into_iter()
        .map(|choice| (strsim::damerau_levenshtein(&written, &choice.to_lowercase()), choice))
        .filter(|(distance, choice)| *distance <= (choice.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, choice)| choice);
    spelt.or_else(|| {
        let begun = choices.into_iter().filter(|choice| written.len() >= 3 && choice.to_lowercase().starts_with(&written));
        // `heart` is `heart-rate`, which every finer word begins with.
        begun.clone().min_by_key(|choice| choice.len()).filter(|shortest| begun.clone().all(|choice| choice.starts_with(shortest)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_choice_is_the_one_that_was_meant() {
        let choices = ["heart-rate", "heart-rate-series", "launchApp", "pressKey", "waitForQuiet", "waitForUpload"];
        for (written, meant) in [
            ("waitForUplaod", Some("waitForUpload")),
            ("launchapp", Some("launchApp")),
            ("launch", Some("launchApp")),
            ("heart", Some("heart-rate")),
            ("waitFor", None),
            ("zzz", None),
            ("", None),
            (&"a".repeat(100_000), None),
        ] {
            assert_eq!(nearest(written, choices), meant, "{written:.20}");
        }
    }
}
