//! `application/x-www-form-urlencoded`: queries, form bodies, and forms inside other values.

use std::borrow::Cow;

use crate::model::Encoding;

use super::{
    super::{
        leaf::Value,
        walker::{Limit, Place, Surface, Walker},
    },
    Decoder,
};

/// A form inside another value: only what can hardly be anything else.
pub(super) struct Form;

impl Decoder for Form {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        if !looks_like_form(bytes, 2) {
            return false;
        }
        walker.document(Encoding::Form, bytes, place, |walker, place| {
            let outer = walker.open_group();
            walk_pairs(bytes, place, walker);
            walker.close_group(outer);
        });
        true
    }
}

/// At least so many pairs, each with a key of word characters and a value without white space.
pub(in super::super) fn looks_like_form(bytes: &[u8], pairs: usize) -> bool {
    // One look at the start saves the whole look at most values.
    let head = &bytes[..bytes.len().min(LONGEST_KEY + 1)];
    if !head.contains(&b'=') {
        return false;
    }
    let mut count = 0;
    bytes.split(|byte| *byte == b'&').all(|pair| {
        count += 1;
        let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { return pair.is_empty() };
        let (key, value) = (&pair[..equals], &pair[equals + 1..]);
        (1..=LONGEST_KEY).contains(&key.len())
            && key.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.[]%".contains(byte))
            && value.iter().all(|byte| byte.is_ascii_graphic())
            // `=` inside a value is base64 padding at its end, or this is no form.
            && value.iter().position(|byte| *byte == b'=').is_none_or(|at| at > 0 && value[at..].iter().all(|byte| *byte == b'='))
    }) && count >= pairs
}

/// Gives every pair to the walker; keys are names, values are peeled further. Empty pairs (`?&t=1`) are nothing.
pub(in super::super) fn walk_pairs(bytes: &[u8], place: Place, walker: &mut Walker<'_>) {
    let mut at = 0;
    for pair in bytes.split(|byte| *byte == b'&') {
        let start = at;
        at += pair.len() + 1;
        if pair.is_empty() {
            continue;
        }
        if walker.is_full() {
            walker.cut(Limit::Leaves);
            walker.unread((bytes.len() - start) as u64);
            return;
        }
        let equals = pair.iter().position(|byte| *byte == b'=');
        let (key, value) = equals.map_or((pair, &[][..]), |equals| (&pair[..equals], &pair[equals + 1..]));
        let value_start = start + pair.len() - value.len();
        let mark = walker.enter_key(&String::from_utf8_lossy(&unquote(key)));
        let plain = unquote(value);
        let exact = matches!(plain, Cow::Borrowed(_));
        let place = place.part(value_start..value_start + value.len(), exact);
        if !exact && !walker.may_copy(plain.len()) {
            walker.leaf(Value::Bytes { bytes: &plain, text: None }, place);
            walker.leave(mark);
            continue;
        }
        match std::str::from_utf8(&plain) {
            Ok(text) => walker.text(text, place, Surface::Value),
            Err(_) => walker.bytes(&plain, None, place),
        }
        walker.leave(mark);
    }
}

/// Undoes `+` and `%XX` in one copy; borrowed when there was none.
fn unquote(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = bytes.iter().position(|byte| matches!(byte, b'+' | b'%')) else { return bytes.into() };
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut next = Some(first);
    while let Some(at) = next {
        plain.extend_from_slice(&rest[..at]);
        let (byte, taken) = match rest[at..] {
            [b'%', high, low, ..] => hex_digit(high).zip(hex_digit(low)).map_or((b'%', 1), |(high, low)| (high << 4 | low, 3)),
            [b'%', ..] => (b'%', 1),
            _ => (b' ', 1),
        };
        plain.push(byte);
        rest = &rest[at + taken..];
        next = rest.iter().position(|byte| matches!(byte, b'+' | b'%'));
    }
    plain.extend_from_slice(rest);
    if plain == bytes { bytes.into() } else { plain.into() }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

const LONGEST_KEY: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_broken_ones_stay() {
        for (text, want) in
            [("a+b%20c", "a b c"), ("%C3%bc", "ü"), ("100%", "100%"), ("%2", "%2"), ("%zz%41", "%zzA"), ("", ""), ("abc", "abc")]
        {
            assert_eq!(unquote(text.as_bytes()), want.as_bytes(), "{text}");
        }
        assert!(matches!(unquote(b"100%"), Cow::Borrowed(_)));
    }

    #[test]
    fn only_what_can_hardly_be_anything_else_is_a_form() {
        for (text, want) in [
            ("a=1&b=2", true),
            ("a=1", false),
            ("x == y && z", false),
            ("a=b c&d=e", false),
            ("https://host.test/?a=1&b=2", false),
            ("QUJD=&RA==", false),
            ("token=QUJD==&b=%20", true),
        ] {
            assert_eq!(looks_like_form(text.as_bytes(), 2), want, "{text}");
        }
    }
}
