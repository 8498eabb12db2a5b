//! Values that a file names and does not hold: `${env:NAME}`. They are looked up before a run, and taken out of everything that a step
//! says of itself. Who types them is a step's affair.

use std::{collections::BTreeMap, fmt};

use super::forms;
use crate::model::Captured;

/// What `${env:NAME}` stands for, by name. `Debug` does not show it.
#[derive(Clone, Debug, Default)]
pub struct Secrets(BTreeMap<String, Captured<String>>);

/// A variable that a step needs and that is not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("do {place}, {step}: the environment variable {name} is not set")]
pub struct MissingSecret {
    /// Where the step stands, in words.
    pub place: String,
    /// The step's name.
    pub step: &'static str,
    /// The variable.
    pub name: String,
}

impl Secrets {
    /// Keeps what a variable holds.
    pub fn insert(&mut self, name: impl Into<String>, value: String) {
        self.0.insert(name.into(), Captured::new(value));
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A text as a file has it with everything put in that stands in `${env:NAME}`; `None` when one of them is not known. What comes
    /// out is a secret.
    pub fn fill_in(&self, text: &Text) -> Option<Captured<String>> {
        let mut whole = String::new();
        for part in &text.0 {
            match part {
                Part::Literal(literal) => whole.push_str(literal),
                // To be typed into the phone, which is what it is for.
                Part::Variable(name) => whole.push_str(self.0.get(name)?.expose()),
            }
        }
        Some(Captured::new(whole))
    }

    /// A text without any secret: each is named instead. For what a phone says, which may repeat what it was told.
    pub fn mask(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        // The longest first: one may be a part of another.
        let mut secrets: Vec<(&String, &String)> = self.0.iter().map(|(name, value)| (name, value.expose())).collect();
        secrets.sort_by_key(|(name, value)| (std::cmp::Reverse(value.len()), *name));
        for (name, value) in secrets.into_iter().filter(|(_, value)| !value.is_empty()) {
            masked = masked.replace(value, &format!("${{env:{name}}}"));
        }
        masked
    }

    /// Whether a text holds a secret.
    pub fn is_in(&self, text: &str) -> bool {
        self.0.values().any(|value| !value.expose().is_empty() && text.contains(value.expose()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A text of a file, in which `${env:NAME}` stands for what an environment variable holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable(String),
}

impl Text {
    /// Reads it; `None` when a `${` begins something else than `${env:NAME}`.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(start) = rest.find("${") {
            let (before, from) = rest.split_at(start);
            let (variable, after) = from.split_at(from.find('}')? + 1);
            let name = forms::environment_variable(variable)?;
            if !before.is_empty() {
                parts.push(Part::Literal(before.to_owned()));
            }
            parts.push(Part::Variable(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Some(Self(parts))
    }

    /// The variables in it, in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| if let Part::Variable(name) = part { Some(name.as_str()) } else { None })
    }
}

/// What was typed, without what it is: how long a plain text is, and only the names of secrets.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.variables().map(|name| format!("${{env:{name}}}")).collect();
        let literal: usize = self.0.iter().map(|part| if let Part::Literal(text) = part { text.chars().count() } else { 0 }).sum();
        match (names.as_slice(), literal) {
            ([], 1) => f.write_str("1 character"),
            ([], count) => write!(f, "{count} characters"),
            (names, 0) => f.write_str(&names.join(", ")),
            (names, _) => write!(f, "a text with {} in it", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        secrets.insert("PASSWORD", "hunter22".into());
        secrets.insert("ACCOUNT", "hunter".into());
        secrets.insert("NOTHING", String::new());
        secrets
    }

    #[test]
    fn a_text_names_what_it_does_not_hold() {
        for (text, told, whole) in [
            ("plain", "5 characters", Some("plain")),
            ("x", "1 character", Some("x")),
            ("${env:PASSWORD}", "${env:PASSWORD}", Some("hunter22")),
            ("${env:ACCOUNT}@mail.test", "a text with ${env:ACCOUNT} in it", Some("hunter@mail.test")),
            ("${env:ACCOUNT}${env:PASSWORD}", "${env:ACCOUNT}, ${env:PASSWORD}", Some("hunterhunter22")),
            ("${env:OTHER}", "${env:OTHER}", None),
        ] {
            let read = Text::parse(text).expect("it is well formed");
            assert_eq!(read.to_string(), told, "{text}");
            assert_eq!(secrets().fill_in(&read).map(Captured::into_exposed).as_deref(), whole, "{text}");
        }
        for wrong in ["${", "${env:", "${env:}", "${PASSWORD}", "a ${env:1X} b"] {
            assert_eq!(Text::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_named_and_not_shown() {
        let secrets = secrets();
        assert_eq!(secrets.mask("no field takes hunter22 of hunter"), "no field takes ${env:PASSWORD} of ${env:ACCOUNT}");
        assert!(secrets.is_in("xhunterx") && !secrets.is_in("hunt"));
        assert!(!format!("{secrets:?}").contains("hunter"));
    }
}
