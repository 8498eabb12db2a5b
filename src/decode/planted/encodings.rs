//! Texts in the encodings that hide them from a plain search: base32, base64 at every alignment, percent-encoding, JSON's escapes.

use std::fmt::Write as _;

use base64::Engine;

/// Base64 of bytes at each of the three places that they can have in a longer text: only the characters that nothing around
/// them changes.
pub(super) fn inside_base64(bytes: &[u8], engine: &impl Engine) -> [String; 3] {
    [0, 1, 2].map(|before| {
        let mut longer = vec![0; before];
        longer.extend_from_slice(bytes);
        let text = engine.encode(&longer);
        // The first characters hold bits of what stands before, the last one those of what follows.
        let (first, last) = ((before * 8).div_ceil(6), longer.len() * 8 / 6);
        text.get(first..last).unwrap_or_default().to_owned()
    })
}

/// Base32 of bytes in capitals, without padding (RFC 4648 section 6).
pub(super) fn base32(bytes: &[u8]) -> String {
    let digits = bytes.chunks(5).flat_map(|group| {
        let held = (0..5).fold(0_u64, |held, at| held << 8 | u64::from(group.get(at).copied().unwrap_or_default()));
        (0..(group.len() * 8).div_ceil(5)).map(move |at| (held >> (35 - 5 * at) & 31) as u8)
    });
    digits.map(|value| char::from(if value < 26 { b'A' + value } else { b'2' + value - 26 })).collect()
}

/// Bytes percent-encoded but for those to keep; a space as it is given.
pub(super) fn percent(bytes: &[u8], keep: impl Fn(u8) -> bool, space: &str) -> String {
    let mut out = String::with_capacity(bytes.len() * 3);
    for &byte in bytes {
        match byte {
            b' ' => out.push_str(space),
            _ if keep(byte) => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// As in a JSON string: characters with an escape of two characters get it, others `\u`.
pub(super) fn json_escaped(text: &str, escape: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        match c {
            _ if !escape(c) => out.push(c),
            '"' | '\\' | '/' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ => out.push_str(&unicode_escape(c)),
        }
    }
    out
}

/// `\u` and four hex digits, twice beyond the Basic Multilingual Plane.
pub(super) fn unicode_escape(c: char) -> String {
    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

    use super::*;

    #[test]
    fn base64_inside_a_longer_text_is_what_nothing_around_changes() {
        let secret = b"Quillon-42";
        for before in 0..6 {
            for after in 0..4 {
                let text = STANDARD.encode([&b"abcdef"[..before], secret, &b"xyz!"[..after]].concat());
                assert!(inside_base64(secret, &STANDARD_NO_PAD).iter().any(|form| text.contains(form.as_str())), "{before} {after}");
            }
        }
    }

    #[test]
    fn base32_is_that_of_the_rfc() {
        // RFC 4648, section 10.
        for (text, want) in [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("foobar", "MZXW6YTBOI")] {
            assert_eq!(base32(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn escapes_are_those_of_the_encoders() {
        let everything_but_letters = |byte: u8| byte.is_ascii_alphanumeric();
        assert_eq!(percent("a ü/".as_bytes(), everything_but_letters, "+"), "a+%C3%BC%2F");
        assert_eq!(json_escaped("a\"/\nü𝄞", |c| !c.is_ascii_alphanumeric()), "a\\\"\\/\\n\\u00fc\\ud834\\udd1e");
        assert_eq!(unicode_escape('a'), "\\u0061");
    }
}
