//! YAML text to a tree in which every key and value knows its place. The only file that knows the YAML library. What the tree
//! must hold is `read`'s.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, ScanError, StructureStyle};

use super::problem::Problem;
use crate::scenario::spec::Span;

/// Largest file: 1 MiB. A scenario has a few kilobytes.
const LARGEST: usize = 1 << 20;

/// Most keys and values of a file, so that whatever is done for each of them stays cheap. A long track has some thousand.
const MOST_NODES: usize = 30_000;

/// Deepest nesting of lists and maps.
const DEEPEST: usize = 16;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    /// For a list or a map in block style: from its first key or item to the end of its last value.
    pub(super) span: Span,
    pub(super) content: Content,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Content {
    /// Something that has already been told as a problem: an alias, a duplicate.
    Broken,
    List(Vec<Node>),
    /// Keys in the order of the file, each once.
    Map(Vec<(Name, Node)>),
    /// Nothing after a colon or a dash, or `null`, or `~`.
    Nothing,
    Scalar {
        text: String,
        /// Written without quotes, so that it may be a number or true or false.
        plain: bool,
    },
}

/// A key and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) span: Span,
    pub(super) text: String,
}

impl Content {
    /// What it is, in words.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Nothing => "nothing",
            Self::Scalar { plain: false, .. } => "text in quotes",
            Self::Scalar { .. } => "text",
        }
    }
}

/// Reads a text. What is wrong with it as YAML is added to `problems`; `None` when it is no YAML at all, or empty.
pub(super) fn tree(text: &str, problems: &mut Vec<Problem>) -> Option<Node> {
    if text.len() > LARGEST {
        let message = format!("read so large a file ({} bytes)", text.len());
        problems.push(Problem::new(0..0, message, "begins here").help("the largest is 1 MiB"));
        return None;
    }
    let options = granit_parser::options! {
        emit_comments: false,
        emit_anchor_events: true,
        emit_unresolved_aliases: true,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    let mut builder = Builder { text, problems, open: Vec::new(), root: None, documents: 0, nodes: 0 };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                let tag = span.tag_span().and_then(|span| span.byte_range());
                let place = span.byte_range().unwrap_or(0..0);
                builder.event(&event, place.clone(), tag);
                if builder.nodes > MOST_NODES {
                    let help = format!("a file has at most {MOST_NODES} of them");
                    builder.refuse(place, "read so many keys and values", "too many from here on", &help);
                    return None;
                }
            }
            Err(error) => {
                builder.syntax_error(&error);
                return None;
            }
        }
    }
    let root = builder.root;
    if root.is_none() && problems.is_empty() {
        problems.push(Problem::new(0..0, "find anything in the file", "it is empty").help("scenarios/README.md shows how one begins"));
    }
    root
}

/// Puts events together to a tree.
struct Builder<'a> {
    text: &'a str,
    problems: &'a mut Vec<Problem>,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
}

/// A list or a map whose end has not been read.
struct Open {
    start: Span,
    flow: bool,
    parts: Parts,
}

enum Parts {
    List(Vec<Node>),
    Map { entries: Vec<(Name, Node)>, places: HashMap<String, Span>, pending: Pending },
}

/// What a map waits for.
enum Pending {
    Key,
    /// The value of a key that is no text, or is there twice: already told.
    Discarded,
    Value(Name),
}

impl Builder<'_> {
    fn event(&mut self, event: &Event<'_>, span: Span, tag: Option<Span>) {
        if event.tag().is_some() {
            let place = tag.unwrap_or_else(|| span.clone());
            self.refuse(place, "use a tag", "a tag", "values need no tags here: write the value alone");
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents == 2 {
                    self.refuse(span, "read a second document", "begins here", "one file is one document: put it into a file of its own");
                }
            }
            Event::Anchor(..) => self.refuse(span, "use an anchor", "an anchor", "anchors and aliases are not read here: write it out"),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.refuse(span.clone(), "use an alias", "an alias", "anchors and aliases are not read here: write it out");
                self.add(Node { span, content: Content::Broken });
            }
            Event::Scalar(value, style, ..) => {
                let plain = *style == ScalarStyle::Plain;
                let nothing = plain && matches!(&**value, "" | "~" | "null");
                let content = if nothing { Content::Nothing } else { Content::Scalar { text: value.to_string(), plain } };
                self.add(Node { span, content });
            }
            Event::SequenceStart(style, ..) => self.begin(span, *style, Parts::List(Vec::new())),
            Event::MappingStart(style, ..) => {
                self.begin(span, *style, Parts::Map { entries: Vec::new(), places: HashMap::new(), pending: Pending::Key });
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&span),
            _ => {}
        }
    }

    fn begin(&mut self, start: Span, style: StructureStyle, parts: Parts) {
        self.open.push(Open { start, flow: style == StructureStyle::Flow, parts });
    }

    fn end(&mut self, span: &Span) {
        let Some(Open { start, flow, parts }) = self.open.pop() else { return };
        let (content, last) = match parts {
            Parts::List(items) => {
                let last = items.last().map(|node| node.span.end);
                (Content::List(items), last)
            }
            Parts::Map { entries, .. } => {
                let last = entries.last().map(|(name, node)| node.span.end.max(name.span.end));
                (Content::Map(entries), last)
            }
        };
        let end = if flow { span.end } else { last.unwrap_or(span.start) };
        self.add(Node { span: start.start..end.max(start.start), content });
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node) {
        self.nodes += 1;
        let Some(Open { parts, .. }) = self.open.last_mut() else {
            if self.root.is_none() {
                self.root = Some(node);
            }
            return;
        };
        match parts {
            Parts::List(items) => items.push(node),
            Parts::Map { entries, places, pending } => match std::mem::replace(pending, Pending::Key) {
                Pending::Value(name) => {
                    // Where nothing was written there is nothing to point at but the key.
                    let span = if matches!(node.content, Content::Nothing) { name.span.clone() } else { node.span };
                    entries.push((name, Node { span, content: node.content }));
                }
                Pending::Discarded => {}
                Pending::Key => {
                    *pending = Pending::Discarded;
                    let Content::Scalar { text, .. } = node.content else {
                        if !matches!(node.content, Content::Broken) {
                            let label = format!("this is {}", node.content.word());
                            self.problems.push(Problem::new(node.span, "use this as a key", label).help("a key is a word"));
                        }
                        return;
                    };
                    if let Some(first) = places.get(&text) {
                        self.problems.push(
                            Problem::new(node.span, format!("use the key \"{text}\" twice"), "again here")
                                .other(first.clone(), "first here")
                                .help("keep one of them"),
                        );
                        return;
                    }
                    places.insert(text.clone(), node.span.clone());
                    *pending = Pending::Value(Name { span: node.span, text });
                }
            },
        }
    }

    fn refuse(&mut self, span: Span, message: &str, label: &str, help: &str) {
        self.problems.push(Problem::new(span, message, label).help(help));
    }

    /// The place of a syntax error is where reading stopped; for a bracket that is never closed, the bracket helps more.
    fn syntax_error(&mut self, error: &ScanError) {
        let at = error.marker().byte_offset().unwrap_or(0).min(self.text.len());
        let mut problem = Problem::new(at..at + 1, format!("read it as YAML: {}", error.info()), "here");
        if let Some(open) = self.open.iter().rev().find(|open| open.flow) {
            let bracket = if matches!(open.parts, Parts::List(_)) { "]" } else { "}" };
            problem = problem.other(open.start.start..open.start.start + 1, "opened here").help(format!("close it with {bracket}"));
        }
        self.problems.push(problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of every key and scalar, as the text they cover.
    fn covered(text: &str) -> Vec<&str> {
        fn walk<'a>(node: &Node, text: &'a str, out: &mut Vec<&'a str>) {
            match &node.content {
                Content::List(items) => items.iter().for_each(|item| walk(item, text, out)),
                Content::Map(entries) => {
                    for (name, value) in entries {
                        out.push(&text[name.span.clone()]);
                        walk(value, text, out);
                    }
                }
                _ => out.push(&text[node.span.clone()]),
            }
        }
        let mut problems = Vec::new();
        let root = tree(text, &mut problems).expect("the text is YAML");
        assert!(problems.is_empty(), "{problems:?}");
        let mut out = Vec::new();
        walk(&root, text, &mut out);
        out
    }

    #[test]
    fn every_key_and_value_covers_its_own_text() {
        assert_eq!(
            covered("# a comment\nname: passive-sync   # more\nplant: { lat: 52.3, \"lon\": 'x' }\nsteps:\n- 猫\n- a: [1, 2]\n"),
            ["name", "passive-sync", "plant", "lat", "52.3", "\"lon\"", "'x'", "steps", "猫", "a", "1", "2"]
        );
    }

    #[test]
    fn whatever_the_bytes_it_ends() {
        let mut random = fastrand::Rng::with_seed(7);
        let alphabet: Vec<char> = "abc:-?[]{}\"'|>&*!%@`,# \n\t\r~0\u{1b}\u{feff}猫".chars().collect();
        for _ in 0..2_000 {
            let length = random.usize(0..60);
            let text: String = (0..length).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
            let mut problems = Vec::new();
            let root = tree(&text, &mut problems);
            assert!(root.is_some() || !problems.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn depth_and_size_are_bounded() {
        for text in ["[".repeat(100_000), "- ".repeat(50_000), " ".repeat(LARGEST + 1), "{a: ".repeat(20), "- a\n".repeat(40_000)] {
            let mut problems = Vec::new();
            assert!(tree(&text, &mut problems).is_none());
            assert_eq!(problems.len(), 1, "{problems:?}");
        }
    }
}
