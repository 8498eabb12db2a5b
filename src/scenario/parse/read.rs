//! A tree and what it must hold to values: types, units, ranges, known keys, known steps. Goes on after a problem, so that all
//! of a file's problems are told at once. What values mean together is left to the readers of each kind of file.

use super::{
    Privacy, maestro,
    problem::Problem,
    tree::{Content, Name, Node},
};
use crate::{
    model::Position,
    scenario::{
        forms,
        spec::{Key, Kind, Need, Placed, Span, StepCall, Value, Values, nearest},
        steps::{self, STEPS, Takes},
    },
};

/// Reads the root of a file. Problems are added to `problems`.
///
/// Places of secrets are added to `secrets`.
pub(super) fn root(
    node: &Node,
    keys: &'static [Key],
    privacy: Privacy,
    problems: &mut Vec<Problem>,
    secrets: &mut Vec<Span>,
) -> Option<Values> {
    Reader { privacy, problems, secrets }.map(node, keys, "the file")
}

struct Reader<'a> {
    privacy: Privacy,
    problems: &'a mut Vec<Problem>,
    secrets: &'a mut Vec<Span>,
}

impl Reader<'_> {
    /// Reads a map. What could be read of it is returned even when some of it could not.
    fn map(&mut self, node: &Node, keys: &'static [Key], place: &str) -> Option<Values> {
        let Content::Map(entries) = &node.content else {
            let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
            self.wrong_type(node, place, &format!("a map with the keys {}", names.join(", ")));
            return None;
        };
        let mut values = Values::default();
        // Keys that are there, and keys that a misspelt one was probably meant to be: neither is told to be missing.
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in entries {
            match keys.iter().find(|key| key.name == name.text) {
                Some(key) => {
                    seen.push(key.name);
                    if let Some(read) = self.value(value, &key.kind, &format!("\"{}\"", key.name)) {
                        values.0.insert(key.name, read);
                    }
                }
                None => {
                    let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
                    let problem = Problem::new(name.span.clone(), format!("use the key \"{}\" in {place}", name.text), "no such key");
                    self.problems.push(problem.choices(&name.text, "valid keys", &names));
                    self.keep_back(value);
                    seen.extend(nearest(&name.text, names.iter().copied()));
                }
            }
        }
        let lacks: Vec<&'static Key> = keys.iter().filter(|key| !seen.contains(&key.name)).collect();
        self.fill(&mut values, &lacks, &start_of(node), place);
        Some(values)
    }

    /// Puts in the defaults of keys that are not there, and tells those that must be.
    fn fill(&mut self, values: &mut Values, lacks: &[&'static Key], span: &Span, place: &str) {
        for key in lacks {
            match key.need {
                Need::Optional => {}
                Need::Required => {
                    let message = format!("find the key \"{}\" in {place}", key.name);
                    let problem = Problem::new(span.clone(), message, "missing here");
                    self.problems.push(problem.help(format!("{}: {} ({})", key.name, key.about, key.kind)));
                }
                Need::Default(text) => {
                    let value = match &key.kind {
                        Kind::Map(keys) => {
                            let mut inner = Values::default();
                            self.fill(&mut inner, &keys.iter().collect::<Vec<_>>(), span, key.name);
                            Some(Value::Map(inner))
                        }
                        kind => scalar(kind, text, true).ok(),
                    };
                    if let Some(value) = value {
                        values.0.insert(key.name, Placed { span: span.clone(), value });
                    }
                }
            }
        }
    }

    /// Reads a value; `None` when a problem was told.
    fn value(&mut self, node: &Node, kind: &'static Kind, place: &str) -> Option<Placed> {
        let kind = match kind {
            Kind::Either(kinds) => kinds.iter().find(|kind| kind.is_written_as(&node.content)).unwrap_or(kind),
            kind => kind,
        };
        let value = match (kind, &node.content) {
            (_, Content::Broken) => return None,
            (Kind::Step, _) => Value::Step(Box::new(self.step(node)?)),
            (Kind::Map(keys), _) => Value::Map(self.map(node, keys, place)?),
            (Kind::List { of, least }, Content::List(items)) => {
                if items.len() < *least {
                    let few = if *least == 1 { "at least one item".to_owned() } else { format!("at least {least} items") };
                    self.problems.push(Problem::new(node.span.clone(), format!("read {place}: it needs {few}"), "too few"));
                    self.keep_back(node);
                    return None;
                }
                Value::List(items.iter().filter_map(|item| self.value(item, of, place)).collect())
            }
            (Kind::Point, Content::List(items)) => Value::Point(self.point(node, items, place)?),
            (Kind::Table(form, of), Content::Map(entries)) => {
                let mut table = Vec::new();
                for (name, value) in entries {
                    if !(form.accepts)(&name.text) {
                        let message = format!("use \"{}\" as a name in {place}", name.text);
                        self.problems.push(Problem::new(name.span.clone(), message, format!("not {}", form.what)));
                    }
                    if let Some(read) = self.value(value, of, &format!("\"{}\"", name.text)) {
                        table.push((name.text.clone(), name.span.clone(), read));
                    }
                }
                Value::Table(table)
            }
            (Kind::Either(_) | Kind::List { .. } | Kind::Point | Kind::Table(..), _)
            | (_, Content::List(_) | Content::Map(_) | Content::Nothing) => {
                self.wrong_type(node, place, &kind.to_string());
                return None;
            }
            (_, Content::Scalar { text, plain }) => {
                let secret = match kind {
                    Kind::Text(form) => form.secret,
                    Kind::Number { .. } | Kind::Whole { .. } => self.privacy == Privacy::Numbers,
                    _ => false,
                };
                if secret {
                    self.secrets.push(node.span.clone());
                }
                match scalar(kind, text, *plain) {
                    Ok(value) => value,
                    Err(help) => {
                        let label = if matches!(kind, Kind::Word(_)) { "no such choice" } else { "wrong value" };
                        let short: String = text.chars().take(40).collect();
                        let message = if secret { format!("read {place}") } else { format!("read {place} from \"{short}\"") };
                        self.problems.push(Problem::new(node.span.clone(), message, label).help(help));
                        return None;
                    }
                }
            }
        };
        Some(Placed { span: node.span.clone(), value })
    }

    /// `name` alone, or a map with the name as its one key.
    fn step(&mut self, node: &Node) -> Option<StepCall> {
        let (name, arguments) = match &node.content {
            Content::Scalar { text, .. } => (Name { span: node.span.clone(), text: text.clone() }, None),
            Content::Map(entries) => match entries.as_slice() {
                [(name, value)] => (name.clone(), Some(value)),
                [_, (second, _), ..] if !entries.iter().skip(1).any(|(name, _)| steps::named(&name.text).is_some()) => {
                    let problem = Problem::new(second.span.clone(), "read a step: it has two names", "belongs to the step?");
                    self.problems.push(problem.help("indent the step's arguments, or write { key: value } after its name"));
                    return None;
                }
                [_, (second, _), ..] => {
                    let problem = Problem::new(second.span.clone(), "read a step: it has two names", "another step");
                    self.problems.push(problem.help("begin each step with a dash of its own"));
                    return None;
                }
                [] => {
                    self.wrong_type(node, "a step", "the name of a step");
                    return None;
                }
            },
            _ => {
                self.wrong_type(node, "a step", "the name of a step");
                return None;
            }
        };
        let Some(kind) = steps::named(&name.text) else {
            let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
            let problem = Problem::new(name.span, format!("use the step \"{}\"", name.text), "no such step");
            self.problems.push(match maestro::instead(&name.text) {
                Some(instead) => problem.help(format!("Maestro has it, tattletale does not: {instead}")),
                None => problem.choices(&name.text, "valid steps", &names),
            });
            return None;
        };
        let before = self.problems.len();
        let nothing = Node { span: name.span.clone(), content: Content::Nothing };
        let given = arguments.filter(|node| !matches!(node.content, Content::Nothing));
        let arguments = match (&kind.takes, given) {
            (Takes::Nothing, None) => Some(Values::default()),
            (Takes::Nothing, Some(node)) => {
                let message = format!("read the arguments of {}", kind.name);
                self.problems.push(Problem::new(node.span.clone(), message, "not needed").help(format!("{} stands alone", kind.name)));
                None
            }
            (Takes::One(key), given) => self.value(given.unwrap_or(&nothing), &key.kind, kind.name).map(|placed| {
                let mut values = Values::default();
                values.0.insert(key.name, placed);
                values
            }),
            (Takes::Map(keys), Some(node)) => self.map(node, keys, kind.name),
            (Takes::Map(keys), None) => {
                let mut values = Values::default();
                self.fill(&mut values, &keys.iter().collect::<Vec<_>>(), &name.span, kind.name);
                Some(values)
            }
        };
        let complete = self.problems.len() == before;
        Some(StepCall { kind, arguments: arguments.unwrap_or_default(), span: name.span, complete })
    }

    /// `[latitude, longitude]`.
    fn point(&mut self, node: &Node, items: &[Node], place: &str) -> Option<Position> {
        let [lat, lon] = items else {
            self.wrong_type(node, place, &Kind::Point.to_string());
            return None;
        };
        let lat = self.value(lat, &LATITUDE, "a latitude");
        let lon = self.value(lon, &LONGITUDE, "a longitude");
        match (lat?.value, lon?.value) {
            (Value::Number(lat), Value::Number(lon)) => Position::new(lat, lon),
            _ => None,
        }
    }

    fn wrong_type(&mut self, node: &Node, place: &str, needed: &str) {
        if matches!(node.content, Content::Broken) {
            return;
        }
        let message = format!("read {place}: it needs {needed}");
        self.problems.push(Problem::new(node.span.clone(), message, format!("this is {}", node.content.word())));
        self.keep_back(node);
    }

    /// What could not be read may be a value all the same.
    fn keep_back(&mut self, node: &Node) {
        match &node.content {
            _ if self.privacy != Privacy::Numbers => {}
            Content::Scalar { .. } => self.secrets.push(node.span.clone()),
            Content::List(items) => items.iter().for_each(|item| self.keep_back(item)),
            Content::Map(entries) => entries.iter().for_each(|(_, value)| self.keep_back(value)),
            Content::Broken | Content::Nothing => {}
        }
    }
}

/// Latitudes, decimal degrees.
pub(crate) const LATITUDE: Kind = Kind::Number { least: -90.0, most: 90.0 };

/// Longitudes, decimal degrees.
pub(crate) const LONGITUDE: Kind = Kind::Number { least: -180.0, most: 180.0 };

/// Reads a scalar. `plain` tells that it had no quotes, which numbers and flags must not have.
fn scalar(kind: &Kind, text: &str, plain: bool) -> Result<Value, String> {
    let quotes = if plain { "" } else { ", without quotes" };
    let needs = || format!("it needs {kind}{quotes}");
    match kind {
        Kind::Duration => forms::duration(text).map(Value::Duration),
        Kind::Flag => match text {
            "true" if plain => Ok(Value::Flag(true)),
            "false" if plain => Ok(Value::Flag(false)),
            _ => Err(needs()),
        },
        Kind::Number { least, most } => match text.parse::<f64>() {
            Ok(number) if plain && is_decimal(text) && (*least..=*most).contains(&number) => Ok(Value::Number(number)),
            _ => Err(needs()),
        },
        Kind::Whole { least, most } => match text.parse::<u64>() {
            Ok(number) if plain && !text.starts_with('+') && (*least..=*most).contains(&number) => Ok(Value::Whole(number)),
            _ => Err(needs()),
        },
        Kind::Text(form) if (form.accepts)(text) => Ok(Value::Text(text.to_owned())),
        Kind::Text(form) => Err(format!("it needs {}; for example: {}", form.what, form.example)),
        Kind::Word(words) => match words.iter().find(|word| **word == text) {
            Some(word) => Ok(Value::Word(word)),
            None => {
                let list = format!("valid choices: {}", words.join(", "));
                Err(match nearest(text, words.iter().copied()) {
                    Some(meant) => format!("did you mean \"{meant}\"? {list}"),
                    None => list,
                })
            }
        },
        Kind::Either(_) | Kind::List { .. } | Kind::Map(_) | Kind::Point | Kind::Step | Kind::Table(..) => Err(needs()),
    }
}

impl Kind {
    /// Whether a value of this kind is text, a list or a map where this content is one.
    const fn is_written_as(&self, content: &Content) -> bool {
        match content {
            Content::Broken | Content::Nothing => false,
            Content::List(_) => matches!(self, Self::List { .. } | Self::Point),
            Content::Map(_) => matches!(self, Self::Map(_) | Self::Table(..)),
            Content::Scalar { .. } => !matches!(self, Self::Either(_) | Self::List { .. } | Self::Map(_) | Self::Point | Self::Table(..)),
        }
    }
}

/// Digits with at most a sign and a point: no `inf`, no `nan`, no exponent.
fn is_decimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.')) && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// The place where something is missing in a map: its first key, or its opening bracket.
fn start_of(node: &Node) -> Span {
    match &node.content {
        Content::Map(entries) if !entries.is_empty() => {
            let first = &entries[0].0.span;
            if node.span.start < first.start { node.span.start..node.span.start + 1 } else { first.clone() }
        }
        _ => node.span.clone(),
    }
}
