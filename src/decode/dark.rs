//! Leaves that look encrypted: long, and as even as chance (R3 says "could not be decoded", never a motive). Whole bodies are
//! `body`'s.

use base64::Engine as _;

use crate::model::{Category, Part};

use super::{
    body::entropy,
    category::NameFacts,
    format::{STANDARD, URL_SAFE},
    leaf::{Expectation, RawLeaf, Value},
};

/// What is known of a leaf that nobody can decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dark {
    /// Bytes as they were sent.
    pub(super) sent: u64,
    /// Bytes behind base64 or hex digits.
    pub(super) bytes: u64,
    /// Entropy of those in tenths of a bit a byte.
    pub(super) entropy: u32,
}

/// Looks at a leaf: `Some` when its bytes are as even as encrypted or compressed ones. Tokens, signatures and hashes are random by
/// purpose: what is named so, a cookie, and what the app file calls an identifier is none.
pub(super) fn look(leaf: &RawLeaf<'_>, name: &NameFacts) -> Option<Dark> {
    let by_purpose = name.expectation == Expectation::Token
        || matches!(leaf.part, Part::Cookie | Part::Path)
        || name.known.iter().any(|(category, _)| category.is_a(Category::Identifier));
    if by_purpose {
        return None;
    }
    let dark =
        |bytes: &[u8], sent: usize| is_even(bytes).then(|| Dark { sent: sent as u64, bytes: bytes.len() as u64, entropy: entropy(bytes) });
    match leaf.value {
        Value::Bytes { bytes, text } => dark(bytes, text.map_or(bytes.len(), str::len)),
        Value::Text(text) if is_dense(text) => unpacked(text).and_then(|bytes| dark(&bytes, text.len())),
        _ => None,
    }
}

/// A leaf that is encrypted because its name says so.
pub(super) fn by_name(leaf: &RawLeaf<'_>) -> Dark {
    let (bytes, sent) = match leaf.value {
        Value::Bytes { bytes, text } => (bytes, text.map_or(bytes.len(), str::len)),
        Value::Opaque(bytes) => (bytes, bytes.len()),
        Value::Text(text) | Value::Number(text) => (text.as_bytes(), text.len()),
        Value::Null | Value::Boolean(_) => (&[][..], 0),
    };
    Dark { sent: sent as u64, bytes: bytes.len() as u64, entropy: entropy(bytes) }
}

/// One run of digits and letters that could be hex or base64, with a digit in it.
fn is_dense(text: &str) -> bool {
    text.len() >= SHORTEST / 3 * 4
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte))
}

fn unpacked(text: &str) -> Option<Vec<u8>> {
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        return text.as_bytes().chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect();
    }
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

/// Whether every byte value is about as frequent as every other. Pearson's chi-squared over 256 values has the mean 255 and the
/// standard deviation 23 for random bytes; sensor data, text and minutes without readings have thousands. Compressed data
/// is a little less even, so that many bytes are judged by their entropy.
fn is_even(bytes: &[u8]) -> bool {
    if bytes.len() < SHORTEST {
        return false;
    }
    let sample = &bytes[..bytes.len().min(64 << 10)];
    let mut counts = [0_u64; 256];
    for byte in sample {
        counts[usize::from(*byte)] += 1;
    }
    let (total, squares) = (sample.len() as f64, counts.iter().map(|count| count * count).sum::<u64>() as f64);
    let chi_squared = squares * 256.0 / total - total;
    // 256 values each once, as a counter has, are too even for chance.
    (COUNTED..RANDOM).contains(&chi_squared) || (sample.len() >= MANY && entropy(sample) >= COMPRESSED)
}

/// Shorter ones are keys, digests (32 bytes) and tokens.
const SHORTEST: usize = 64;
/// Six standard deviations above the mean of random bytes.
const RANDOM: f64 = 400.0;
/// Six below it.
const COUNTED: f64 = 120.0;
/// From so many bytes on, entropy tells compressed data from other data.
const MANY: usize = 1 << 10;
/// In tenths of a bit a byte.
const COMPRESSED: u32 = 76;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode::category::name_facts, model::App};

    fn noise(count: usize, seed: u64) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..count).map(|_| random.u8(..)).collect()
    }

    fn is_dark(path: &str, value: Value<'_>) -> bool {
        let name = name_facts(&App::default(), "/", Part::Form, path);
        look(&RawLeaf { part: Part::Form, path, value, chain: &[], bytes: None, exact: false, clean: false, group: 0 }, &name).is_some()
    }

    #[test]
    fn random_bytes_are_dark_in_every_spelling_and_length() {
        for (seed, count) in [(1, 64), (2, 66), (3, 100), (4, 601), (5, 900), (6, 5000), (7, 70_000)] {
            let bytes = noise(count, seed);
            assert!(is_dark("data_json", Value::Bytes { bytes: &bytes, text: None }), "{count}");
            assert!(is_dark("data_json", Value::Text(&crate::model::text::hex(&bytes))), "{count} in hex");
            let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bytes);
            assert!(is_dark("payload", Value::Text(&text)), "{count} in base64");
        }
    }

    #[test]
    fn data_tokens_and_hashes_are_not() {
        let minutes: Vec<u8> = (0..1440_u32).map(|minute| if minute % 5 == 0 { 0xff } else { 55 + (minute * 7 % 60) as u8 }).collect();
        let samples: Vec<u8> = (0..600_i32).flat_map(|at| ((at * 37 % 400) as i16 - 200).to_le_bytes()).collect();
        let counter: Vec<u8> = (0..=255).collect();
        for bytes in [&vec![0xff; 1440], &minutes, &samples, &counter, &noise(32, 1), &b"plain words, one after the other. ".repeat(9)] {
            assert!(!is_dark("data", Value::Bytes { bytes, text: None }), "{} bytes", bytes.len());
        }
        let (sha512, jwt) = (crate::model::text::hex(&noise(64, 2)), "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.".repeat(4));
        for (name, text) in [("hash", sha512.as_str()), ("signature", &sha512), ("x", &jwt), ("md5", &sha512[..32]), ("x", &sha512[..64])] {
            assert!(!is_dark(name, Value::Text(text)), "{name}={text}");
        }
    }
}
