//! Text of a snapshot line's cells: what comes from outside is escaped so that a line stays a line, a column a column, and a
//! terminal a terminal (R13); and read back to the very same text. Knows nothing of what the cells mean.

use std::fmt::Write as _;

/// Whether white space may stay in a token. Two blanks in a row end a cell, so they never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blanks {
    /// Single blanks inside the token may stay: the token is a cell of its own.
    Single,
    /// None: a blank ends the token.
    None,
}

/// Writes a token. Control and invisible characters, blanks that would end it, and characters in `also` become `\u{..}`;
/// so does a backslash before `u{`, which makes reading unambiguous. An empty token is written `""`.
pub(super) fn write(text: &str, blanks: Blanks, also: &[char]) -> String {
    if text.is_empty() {
        return "\"\"".into();
    }
    let quoted_empty = text == "\"\"";
    let mut out = String::with_capacity(text.len());
    let mut rest = text.char_indices().peekable();
    let mut after_blank = true;
    while let Some((at, c)) = rest.next() {
        let blank_ends = |next: Option<&(usize, char)>| match blanks {
            Blanks::None => true,
            Blanks::Single => after_blank || next.is_none_or(|(_, next)| *next == ' '),
        };
        let escape = match c {
            ' ' => blank_ends(rest.peek()),
            '\\' => text.get(at + 1..).is_some_and(|tail| tail.starts_with("u{")),
            '"' => quoted_empty,
            c => c.is_whitespace() || also.contains(&c) || is_unprintable(c),
        };
        if escape {
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
        } else {
            out.push(c);
        }
        after_blank = c == ' ' && !escape;
    }
    out
}

/// Reads what [`write()`] wrote. The error is the offset in bytes of an escape that is none.
pub(super) fn read(token: &str) -> Result<String, usize> {
    if token == "\"\"" {
        return Ok(String::new());
    }
    let mut out = String::with_capacity(token.len());
    let mut at = 0;
    while let Some(found) = token.get(at..).and_then(|rest| rest.find("\\u{")) {
        let start = at + found;
        out.push_str(&token[at..start]);
        let digits = &token[start + 3..];
        let end = digits.find('}').ok_or(start)?;
        let c = u32::from_str_radix(&digits[..end], 16).ok().and_then(char::from_u32).ok_or(start)?;
        out.push(c);
        at = start + 3 + end + 1;
    }
    out.push_str(token.get(at..).unwrap_or_default());
    Ok(out)
}

/// Characters that the terminal-safe form of a text would not show as they are.
fn is_unprintable(c: char) -> bool {
    let mut buffer = [0; 4];
    let text: &str = c.encode_utf8(&mut buffer);
    crate::model::text::printable(text) != text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_reads_back_and_never_breaks_a_cell() {
        for text in [
            "",
            "\"\"",
            "a",
            "a b",
            " a",
            "a ",
            "a  b",
            "   ",
            "\\u{41}",
            "\\\\u{41}",
            "tab\there",
            "esc\u{1b}[31m",
            "bidi\u{202e}x",
            "Ünïcode 猫",
            "\u{a0}\u{3000}",
            "\"odd \\u0007 key\"",
        ] {
            for blanks in [Blanks::Single, Blanks::None] {
                let token = write(text, blanks, &['/']);
                assert_eq!(read(&token).as_deref(), Ok(text), "{token}");
                assert!(!token.contains("  ") && token.trim() == token && !token.contains(['\n', '\t', '\u{1b}']), "{token:?}");
                assert!(blanks == Blanks::Single || !token.contains(' '), "{token:?}");
            }
        }
    }

    #[test]
    fn a_bad_escape_is_told_by_its_place() {
        assert_eq!(read("ab\\u{110000}"), Err(2));
        assert_eq!(read("ab\\u{41"), Err(2));
        assert_eq!(read("\\u{}"), Err(0));
    }
}
