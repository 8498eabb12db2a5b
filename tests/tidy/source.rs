//! One file as the tidy rules see it: its text, its code without comments and literals, and which parts of it are tests.
//! A small scanner of Rust's lexical grammar; what a piece of code means is left to `paths` and the rules.

use std::ops::Range;

/// A file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// Path from the repository root, with `/`.
    pub(crate) path: String,
    /// The file as it is.
    pub(crate) text: String,
    /// The text with comments and the insides of literals made spaces, byte for byte in the same places; empty unless Rust.
    code: String,
    /// What stood inside string literals, as written, and where.
    literals: Vec<(usize, String)>,
    /// Parts that only a test build compiles.
    tests: Vec<Range<usize>>,
}

/// A word or a sign of the code, and where it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// Byte offset in the file.
    pub(crate) at: usize,
    /// An identifier (without `r#`), `::`, or one character.
    pub(crate) text: &'a str,
}

impl Source {
    /// Reads a file's text. Only `.rs` files are scanned.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (code, literals) = if path.ends_with(".rs") { scan(text) } else { (String::new(), Vec::new()) };
        let tests = test_ranges(&code);
        Self { path: path.to_owned(), text: text.to_owned(), code, literals, tests }
    }

    /// Says that only test builds compile this file: some other file declares it under `#[cfg(test)]`.
    pub(crate) fn mark_test_only(&mut self) {
        let everything = 0..self.code.len();
        self.tests = vec![everything];
    }

    /// Line of an offset, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
    }

    /// Every token outside tests.
    pub(crate) fn tokens(&self) -> Vec<Token<'_>> {
        tokens(&self.code).into_iter().filter(|token| !self.is_test(token.at)).collect()
    }

    /// Every string literal outside tests.
    pub(crate) fn literals(&self) -> impl Iterator<Item = (usize, &str)> {
        self.all_literals().filter(|(at, _)| !self.is_test(*at))
    }

    /// Every string literal.
    pub(crate) fn all_literals(&self) -> impl Iterator<Item = (usize, &str)> {
        self.literals.iter().map(|(at, text)| (*at, text.as_str()))
    }

    /// Paths of the files that this one declares as test modules (`#[cfg(test)] mod tests;`): each name as a file and as a folder.
    pub(crate) fn test_modules(&self) -> Vec<String> {
        let folder = match self.path.rsplit_once('/') {
            Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder.to_owned(),
            _ => self.path.trim_end_matches(".rs").to_owned(),
        };
        let every = tokens(&self.code);
        let declared = every.windows(3).filter(|three| three[0].text == "mod" && three[2].text == ";" && self.is_test(three[0].at));
        declared.flat_map(|three| [format!("{folder}/{}.rs", three[1].text), format!("{folder}/{}/", three[1].text)]).collect()
    }

    fn is_test(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }
}

/// Splits blanked code, or a path in a literal, into tokens.
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let at = code.len() - rest.len();
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (text, after) = rest.split_at(length);
        if text == "r" && after.starts_with('#') && after[1..].starts_with(is_word) {
            rest = &after[1..];
            continue;
        }
        if !first.is_whitespace() {
            found.push(Token { at, text });
        }
        rest = after;
    }
    found
}

/// Whether a character can stand in an identifier.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Index of the token that closes the bracket at `open`; the last index when none does.
pub(crate) fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len().saturating_sub(1)
}

/// The text with comments and the insides of literals blanked, and the string literals.
fn scan(text: &str) -> (String, Vec<(usize, String)>) {
    let mut code = String::with_capacity(text.len());
    let mut literals = Vec::new();
    while code.len() < text.len() {
        let at = code.len();
        let rest = &text[at..];
        let (blank, inside) = lexeme(rest);
        if let Some(inside) = inside {
            literals.push((at, rest[inside].to_owned()));
        }
        if blank == 0 {
            // Not a comment and not a literal: one word or one character is code.
            let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let length = word.max(rest.chars().next().map_or(1, char::len_utf8));
            code.push_str(&rest[..length]);
        } else {
            code.extend(rest[..blank].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        }
    }
    (code, literals)
}

/// How many bytes of a comment or literal `rest` begins with (0: none), and where the inside of a string is.
fn lexeme(rest: &str) -> (usize, Option<Range<usize>>) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), None);
    }
    let prefix = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let hashes = rest[prefix..].bytes().take_while(|byte| *byte == b'#').count();
    let quote = prefix + hashes;
    match (&rest[..prefix], rest[quote..].chars().next()) {
        ("r" | "br" | "cr", Some('"')) => {
            let end = format!("\"{}", "#".repeat(hashes));
            let inside = rest[quote + 1..].find(&end).map_or(rest.len(), |length| quote + 1 + length);
            ((inside + end.len()).min(rest.len()), Some(quote + 1..inside))
        }
        ("" | "b" | "c", Some('"')) if hashes == 0 => {
            let inside = quote + 1 + escaped_until(&rest[quote + 1..], '"');
            ((inside + 1).min(rest.len()), Some(quote + 1..inside))
        }
        ("" | "b", Some('\'')) if hashes == 0 => {
            let mut after = rest[quote + 1..].chars();
            match (after.next(), after.next()) {
                (Some('\\'), _) => ((quote + 2 + escaped_until(&rest[quote + 1..], '\'')).min(rest.len()), None),
                (Some(c), Some('\'')) => (quote + 2 + c.len_utf8(), None),
                // A lifetime.
                _ => (0, None),
            }
        }
        _ => (0, None),
    }
}

/// Bytes before the closing quote, backslash escapes skipped.
fn escaped_until(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at,
            _ => {}
        }
    }
    text.len()
}

/// Length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The items under `#[cfg(test)]` or `#[cfg(all(test, …))]`, and the whole file under `#![cfg(test)]`.
fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let tokens = tokens(code);
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for index in 0..tokens.len() {
        let inner = tokens.get(index + 1).is_some_and(|token| token.text == "!");
        let open = index + 1 + usize::from(inner);
        if tokens[index].text != "#" || tokens.get(open).is_none_or(|token| token.text != "[") {
            continue;
        }
        let close = closing(&tokens, open);
        let attribute: String = tokens[open + 1..close].iter().map(|token| token.text).collect();
        if attribute != "cfg(test)" && !attribute.starts_with("cfg(all(test,") {
            continue;
        }
        if inner {
            let everything = 0..code.len();
            return vec![everything];
        }
        let end = item_end(&tokens, close + 1).map_or(code.len(), |last| tokens[last].at + tokens[last].text.len());
        ranges.push(tokens[index].at..end);
    }
    ranges
}

/// Index of the last token of the item, field or arm that starts at `start`; `None` when the file ends in it.
fn item_end(tokens: &[Token<'_>], start: usize) -> Option<usize> {
    let mut index = start;
    // Further attributes and the visibility belong to the item, but tell nothing of what it is.
    loop {
        match tokens.get(index)?.text {
            "#" => index = closing(tokens, index + 1) + 1,
            "pub" if tokens.get(index + 1)?.text == "(" => index = closing(tokens, index + 1) + 1,
            "pub" => index += 1,
            _ => break,
        }
    }
    let first = tokens.get(index)?.text;
    while let Some(token) = tokens.get(index) {
        match token.text {
            ";" => return Some(index),
            "," if !ITEM_WORDS.contains(&first) => return Some(index),
            "{" if first != "use" => return Some(closing(tokens, index)),
            "(" | "[" | "{" => index = closing(tokens, index),
            // The parent ends: this was its last field or arm.
            ")" | "]" | "}" => return Some(index.saturating_sub(1)),
            _ => {}
        }
        index += 1;
    }
    None
}

const ITEM_WORDS: &[&str] = &[
    "async",
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "let",
    "macro_rules",
    "mod",
    "static",
    "struct",
    "trait",
    "type",
    "union",
    "unsafe",
    "use",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, words: &[&str]) {
        let source = Source::new("src/model/x.rs", text);
        let found: Vec<&str> = source.tokens().into_iter().map(|token| token.text).filter(|text| text.starts_with(is_word)).collect();
        assert_eq!(found, words, "{text}");
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        check("a // b\nc", &["a", "c"]);
        check("a /* b /* c */ d */ e", &["a", "e"]);
        check(r#"a("b \" c", d)"#, &["a", "d"]);
        check("a(r#\"b \" c\"#, d)", &["a", "d"]);
        check("a(b\"c\", br\"d\\\", e)", &["a", "e"]);
        check(r"match a { '{' | '\'' | '\u{7f}' | b'}' => b }", &["match", "a", "b"]);
        check("fn a<'b>(c: &'b str)", &["fn", "a", "b", "c", "b", "str"]);
        check("r#type::x", &["type", "x"]);
        check("\"ends in the middle", &[]);
    }

    #[test]
    fn only_what_a_test_build_compiles_is_a_test() {
        check("a #[cfg(test)] mod tests { b } c", &["a", "c"]);
        check("a #[cfg(test)]\n#[allow(x)]\npub(crate) fn t() -> [u8; 2] { b } c", &["a", "c"]);
        check("a #[cfg(test)] use b::{c, d}; e", &["a", "e"]);
        check("struct A { #[cfg(test)] b: (C, D), e: F }", &["struct", "A", "e", "F"]);
        check("struct A { e: F, #[cfg(test)] b: C }", &["struct", "A", "e", "F"]);
        check("#[cfg(all(test, unix))] mod a { b } c", &["c"]);
        check("#[cfg(not(test))] a", &["cfg", "not", "test", "a"]);
        check("#[cfg(any(test, unix))] a", &["cfg", "any", "test", "unix", "a"]);
        check("#![cfg(test)] a", &[]);
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own_is_named() {
        let declares = Source::new("src/decode/mod.rs", "mod json;\n#[cfg(test)]\nmod tests;\n");
        assert_eq!(declares.test_modules(), ["src/decode/tests.rs", "src/decode/tests/"]);
        let declares = Source::new("src/decode/json.rs", "#[cfg(test)] mod tests;");
        assert_eq!(declares.test_modules(), ["src/decode/json/tests.rs", "src/decode/json/tests/"]);
    }

    #[test]
    fn a_literal_is_given_with_its_line() {
        let source = Source::new("src/model/x.rs", "fn a() {\n    b(\"host.test\");\n}\n");
        let found: Vec<_> = source.literals().map(|(at, text)| (source.line(at), text)).collect();
        assert_eq!(found, [(2, "host.test")]);
    }
}
