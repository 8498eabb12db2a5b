//! Which modules a file names: `crate::` and `super::` paths, in `use` trees, in line, and in the strings of attributes.
//! What it may name is left to the rules.

use super::source::{Source, Token, closing, is_word, tokens};

/// A path as written, with its tree expanded: `use std::{fs, io}` is two.
#[derive(Debug)]
pub(crate) struct Path {
    /// Offset of its first segment.
    pub(crate) at: usize,
    /// Segments; a glob is `*`, the name of the tree itself is `self`.
    pub(crate) segments: Vec<String>,
}

/// A module at the top of `src/` that a file names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Line, from 1.
    pub(crate) line: usize,
    /// The module; `crate` when the root itself is named (`use crate as x`, `use super::*` from a top module).
    pub(crate) module: String,
}

/// The module at the top of `src/` to which a file belongs: `decode` for `src/decode/json.rs`; `None` outside `src/`.
pub(crate) fn module_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    Some(inside.split_once('/').map_or_else(|| inside.trim_end_matches(".rs"), |(folder, _)| folder))
}

/// Every path outside tests that has more than one segment.
pub(crate) fn paths(source: &Source) -> Vec<Path> {
    paths_in(&source.tokens())
}

/// Every module of ours that a file names outside tests.
pub(crate) fn references(source: &Source) -> Vec<Reference> {
    let code = source.tokens();
    let inline = inline_modules(&code);
    let mut found = Vec::new();
    let mut resolve = |at: usize, segments: &[String]| {
        let mut here = file_module(&source.path);
        here.extend(inline.iter().filter(|(open, close, _)| (*open..*close).contains(&at)).map(|(_, _, name)| name.clone()));
        if let Some(module) = top_module(here, segments) {
            found.push(Reference { line: source.line(at), module });
        }
    };
    for path in paths_in(&code) {
        resolve(path.at, &path.segments);
    }
    for (at, text) in source.literals() {
        // Attributes name functions in strings: #[serde(with = "crate::…")].
        if text.starts_with("crate::") || text.starts_with("super::") {
            for path in paths_in(&tokens(text)) {
                resolve(at, &path.segments);
            }
        }
    }
    found
}

fn paths_in(code: &[Token<'_>]) -> Vec<Path> {
    let mut found = Vec::new();
    let mut index = 0;
    while index < code.len() {
        let before = |back: usize| index.checked_sub(back).and_then(|at| code.get(at)).map_or("", |token| token.text);
        let continues = before(1) == "::" && (before(2).ends_with(is_word) || before(2) == ">");
        let renamed = code.get(index + 1).is_some_and(|next| next.text == "as");
        let first = code[index];
        let starts = first.text.starts_with(is_word) && !continues;
        if starts && code.get(index + 1).is_some_and(|next| next.text == "::") {
            let visibility = before(1) == "in" && before(2) == "(";
            let mut segments = Vec::new();
            let next = expand(code, index, &mut Vec::new(), &mut segments);
            if !visibility {
                found.extend(segments.into_iter().map(|segments| Path { at: first.at, segments }));
            }
            index = next.max(index + 1);
        } else {
            if starts && renamed && matches!(first.text, "crate" | "super") {
                found.push(Path { at: first.at, segments: vec![first.text.to_owned(), "self".to_owned()] });
            }
            index += 1;
        }
    }
    found
}

/// Expands the tree that starts at `index` onto `prefix`; returns the index after it.
fn expand(code: &[Token<'_>], mut index: usize, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let depth = prefix.len();
    loop {
        match code.get(index).map(|token| token.text) {
            Some("{") => {
                let close = closing(code, index);
                index += 1;
                while index < close {
                    index = expand(code, index, prefix, found).max(index + 1);
                    // The rest of this element (`as name`) up to the next one.
                    while index < close && code[index].text != "," {
                        index += 1;
                    }
                    index += 1;
                }
                index = close + 1;
                break;
            }
            Some("*") => {
                prefix.push("*".to_owned());
                found.push(prefix.clone());
                index += 1;
                break;
            }
            Some(word) if word.starts_with(is_word) => {
                prefix.push(word.to_owned());
                index += 1;
                if code.get(index).is_some_and(|token| token.text == "::") {
                    index += 1;
                } else {
                    found.push(prefix.clone());
                    break;
                }
            }
            // A turbofish: the path up to here is what is named; what stands in it is looked at on its own.
            Some("<") => {
                found.push(prefix.clone());
                break;
            }
            Some("::") => index += 1,
            _ => break,
        }
    }
    prefix.truncate(depth);
    index
}

/// The module at the top that a path names, seen from a module; `None` when it stays inside the same top module or is not ours.
fn top_module(mut here: Vec<String>, segments: &[String]) -> Option<String> {
    let mut relative = false;
    for segment in segments {
        match segment.as_str() {
            "crate" if !relative => here.clear(),
            "super" => {
                here.pop();
            }
            "self" => {}
            name if relative => return here.is_empty().then(|| if name == "*" { "crate".to_owned() } else { name.to_owned() }),
            _ => return None,
        }
        relative = true;
    }
    here.is_empty().then(|| "crate".to_owned())
}

/// The module path of a file: `["decode", "json"]` for `src/decode/json.rs`.
fn file_module(path: &str) -> Vec<String> {
    let inside = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    let names = inside.split('/').filter(|name| !matches!(*name, "mod" | "lib" | "main"));
    names.map(str::to_owned).collect()
}

/// Modules written in line: offsets of their braces, and their names.
fn inline_modules(code: &[Token<'_>]) -> Vec<(usize, usize, String)> {
    let opens = (0..code.len().saturating_sub(2)).filter(|at| code[*at].text == "mod" && code[at + 2].text == "{");
    opens.map(|at| (code[at + 2].at, code[closing(code, at + 2)].at, code[at + 1].text.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, modules: &[&str]) {
        let found: Vec<String> = references(&Source::new(path, text)).into_iter().map(|reference| reference.module).collect();
        assert_eq!(found, modules, "{path}: {text}");
    }

    #[test]
    fn every_way_to_name_a_module_is_seen() {
        check("src/decode/json.rs", "use crate::model::Field;", &["model"]);
        check(
            "src/decode/json.rs",
            "use crate::{model::{App, Field as F}, report, store::Writer};",
            &["model", "model", "report", "store"],
        );
        check("src/decode/json.rs", "fn a() { crate::report::b(); }", &["report"]);
        check("src/decode/json.rs", "fn a() -> Vec::<crate::report::B> { c }", &["report"]);
        check("src/decode/json.rs", "use super::super::report::B;", &["report"]);
        check("src/decode/mod.rs", "use super::report::B;", &["report"]);
        check("src/clock.rs", "use super::{model::A, report};", &["model", "report"]);
        check("src/decode/json.rs", "use super::{super::report, b};", &["report"]);
        check("src/decode/json.rs", "mod inner { use super::super::super::report::B; }", &["report"]);
        check("src/model/exchange.rs", "#[serde(with = \"crate::store::digits\")] a: B", &["store"]);
        check("src/model/exchange.rs", "macro_rules! a { () => { $crate::report::b() } }", &["report"]);
    }

    #[test]
    fn what_stays_at_home_is_no_reference() {
        check("src/decode/json.rs", "use super::{form, percent}; use super::super::decode::x;", &["decode"]);
        check("src/decode/json.rs", "mod inner { use super::super::form; }", &[]);
        check("src/decode/json.rs", "pub(crate) fn a() {} pub(in crate::decode) fn b() {}", &[]);
        check("src/decode/json.rs", "use std::fmt; use serde::Serialize; //! see [`crate::report`]", &[]);
        check("src/decode/json.rs", "#[cfg(test)] mod tests { use crate::report::B; }", &[]);
    }

    #[test]
    fn naming_the_root_itself_is_a_reference() {
        check("src/decode/json.rs", "use crate as root;", &["crate"]);
        check("src/decode/json.rs", "use crate::*;", &["crate"]);
        check("src/decode/json.rs", "use crate::{self as root};", &["crate"]);
        check("src/decode/mod.rs", "use super::*;", &["crate"]);
        check("src/decode/mod.rs", "use super as root;", &["crate"]);
        check("src/decode/json.rs", "use super::super as root;", &["crate"]);
        check("src/decode/json.rs", "use super::*;", &[]);
    }
}
