//! Small conversions of bytes and text that several modules need: digests, hex, base64 in JSON, and text from outside made
//! safe for a terminal (R13).

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// SHA-256 as 64 lower-case hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex digits, two a byte.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = Vec::with_capacity(2 * bytes.len());
    for byte in bytes {
        digits.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    String::from_utf8(digits).expect("the digits are ASCII")
}

/// A number with a comma between thousands: `12,345`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// Text from outside for a terminal or a page: control characters (C0, DEL, C1) and bidirectional controls become `\u{..}`.
pub fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if is_hidden(c) {
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
        } else {
            out.push(c);
        }
        out
    })
}

/// Whether a terminal or a page would not show a character, or would let it act on what stands around it.
pub fn is_hidden(c: char) -> bool {
    c.is_control() || is_format_control(c)
}

/// Bidirectional controls (Unicode UAX #9) and other invisible characters that change how text around them reads.
const fn is_format_control(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Serialises captured bytes as standard base64.
pub mod base64_bytes {
    use base64::Engine;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
    use serde_json::value::RawValue;

    use crate::model::Captured;

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    use base64::engine::general_purpose::STANDARD;

    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    static STANDARD: std::sync::LazyLock<base64::engine::Simd> =
        std::sync::LazyLock::new(|| base64::engine::Simd::standard(base64::engine::GeneralPurposeConfig::new()));

    /// Writes base64.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(bytes: &Captured<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = bytes.expose();
        let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4 + 2);
        text.push('"');
        STANDARD.encode_string(bytes, &mut text);
        text.push('"');
        // Nothing in base64 is ever escaped, and to look for it byte by byte takes twice as long as all else.
        RawValue::from_string(text).map_err(ser::Error::custom)?.serialize(serializer)
    }

    /// Reads base64.
    ///
    /// # Errors
    /// When the text is not base64.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Captured<Vec<u8>>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map(Captured::new).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_lose_their_power() {
        assert_eq!(printable("a\u{1b}[31mb\u{202e}c"), "a\\u{1b}[31mb\\u{202e}c");
        // A soft hyphen, a filler that counts as a letter, a tag.
        assert_eq!(printable("a\u{ad}\u{3164}\u{e0041}"), "a\\u{ad}\\u{3164}\\u{e0041}");
        assert_eq!(printable("Schrödinger 猫"), "Schrödinger 猫");
    }

    #[test]
    fn sha256_of_nothing() {
        assert_eq!(sha256_hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
