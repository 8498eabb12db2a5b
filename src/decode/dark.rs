//! Leaves that look encrypted: long, and as even as chance (R3 says "could not be decoded", never a motive). Whole bodies are
//! `body`'s.

use base64::Engine as _;

use crate::model::{Category, Part};

use super::{
    body::entropy,
    category::NameFacts,
    format::{STANDARD, URL_SAFE},
    leaf::{Expectation, RawLeaf, Value},
    standing::LONGEST_TOKEN,
};

/// What is known of a leaf that nobody can decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dark {
    /// Bytes behind base64 or hex digits, if it was written in those.
    pub(super) bytes: u64,
    /// Entropy of those in tenths of a bit a byte.
    pub(super) entropy: u32,
}

/// Looks at a leaf: `Some` when its bytes are as even as encrypted or compressed ones. Tokens, signatures and hashes are random by
/// purpose: what is named so, a cookie, and what the app file calls an identifier is none, unless it is very long.
pub(super) fn look(leaf: &RawLeaf<'_>, name: &NameFacts) -> Option<Dark> {
    let by_purpose = leaf.value.as_text().map_or(leaf.value.as_bytes().len(), str::len) <= LONGEST_TOKEN
        && (name.expectation == Expectation::Token
            || matches!(leaf.part, Part::Cookie | Part::Path)
            || name.known.iter().any(|(category, _)| category.is_a(Category::Identifier)));
    if by_purpose {
        return None;
    }
    let dark = |bytes: &[u8]| is_even(bytes).then(|| of_bytes(bytes));
    match leaf.value {
        Value::Bytes { bytes, .. } => dark(bytes),
        Value::Text(text) if is_dense(text) => unpacked(text).and_then(|bytes| dark(&bytes)),
        _ => None,
    }
}

/// Bytes that nobody can explain.
pub(super) fn of_bytes(bytes: &[u8]) -> Dark {
    Dark { bytes: bytes.len() as u64, entropy: entropy(bytes) }
}

/// Whether a text is digits of something rather than words: as even as base64 of random bytes, and going from capitals to small
/// letters to digits as often as they do; or long hex. Texts in other scripts than ours have many different characters, and are words.
pub(super) fn is_noise(text: &str) -> bool {
    if text.len() < SHORTEST {
        return false;
    }
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
        // Of random hex digits, six of sixteen are letters.
        return text.len() > SHORTEST && letters * 8 > text.len() && entropy(text.as_bytes()) >= HEX;
    }
    let (mut chars, mut turns, mut changes, mut foreign, mut control) = (0, 0, 0, 0, 0);
    let mut last = None;
    for c in text.chars() {
        chars += 1;
        foreign += usize::from(c >= '\u{250}' && !c.is_control());
        control += usize::from(c.is_control() && !c.is_whitespace());
        let class = class(c);
        changes += usize::from(last.is_some_and(|last| last != class));
        turns += usize::from(last.is_some_and(|last| turns_inside(last, class)));
        last = Some(class);
    }
    if foreign * 2 >= chars {
        return false;
    }
    let (least, sure) = match text.len() {
        ..128 => (48, 52),
        128..256 => (52, 57),
        _ => (54, 60),
    };
    let (entropy, mixed) = (entropy(text.as_bytes()), changes * 2 >= chars);
    (entropy >= least && turns * 5 >= chars) || (mixed && (entropy >= sure || control * 16 > chars))
}

/// Whether a text, a name or a header's value has a run of characters in it that is noise.
pub(super) fn holds_noise(text: &str) -> bool {
    text.len() >= SHORTEST && text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=-_".contains(c))).any(is_noise)
}

/// Whether a word hardly ever goes on like this: from a small letter to a capital, from a letter to a digit or back.
const fn turns_inside(before: u8, after: u8) -> bool {
    matches!((before, after), (0, 1) | (0 | 1, 2) | (2, 0 | 1))
}

fn class(c: char) -> u8 {
    match c {
        'a'..='z' => 0,
        'A'..='Z' => 1,
        '0'..='9' => 2,
        ' ' => 3,
        '\0'..='~' => 4,
        _ => 5,
    }
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
/// Random hex digits come near 40 tenths of a bit.
const HEX: u32 = 36;
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
    fn noise_is_told_from_words_in_every_spelling() {
        for (seed, count) in [(1, 52), (2, 90), (3, 200), (4, 1000), (5, 100_000)] {
            let bytes = noise(count, seed);
            let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
            let broken: Vec<&str> = text.as_bytes().chunks(8).filter_map(|chunk| std::str::from_utf8(chunk).ok()).collect();
            let latin: String = bytes.iter().map(|byte| char::from(*byte)).collect();
            let base85: String = bytes.iter().map(|byte| char::from(33 + byte % 85)).collect();
            for text in
                [text.clone(), format!("v1:{text}"), broken.join(" "), latin, base85 + "0123456789abcdef", crate::model::text::hex(&bytes)]
            {
                assert!(is_noise(&text), "{count}: {text:.80}");
            }
            assert!(holds_noise(&format!("multipart/form-data; boundary={text}")), "{count}");
        }
        for words in [
            "Mozilla/5.0 (Linux; Android 13; SM-G991B Build/TP1A.220624.014; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/114.0.5735.196 Mobile Safari/537.36",
            "com.example.hm.health/6.9.2 (Linux; U; Android 13; de_DE; Pixel 7 Pro; Build/TQ3A.230901.001; Cronet/114.0.5735.33)",
            "https://shop.test/list/of/things?utm_source=newsletter&utm_medium=email&page=12&sort=price_asc&color=Red&size=XL&ref=home2",
            "The quick brown fox jumps over the lazy dog 1234567890 times, and THE DOG does not mind (much).",
            "52.374030,4.889690;52.374100,4.889900;52.374200,4.890100;52.374500,4.890500;52.374900,4.891000",
            "今天我走了一万步，心率平均每分钟七十二次，睡眠时间七小时三十分钟，感觉很好，明天继续努力锻炼身体。",
            "Größe und Gewicht müssen übereinstimmen; bitte prüfen Sie die Eingaben und wählen Sie dann „Weiter“.",
            "8f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c,0b7d0c1b-ceea-467f-9a3b-8f14e45f2a3c,11111111-2222-4333-8444-555555555555",
            "google/sdk_gphone64_x86_64/emulator64_x86_64_arm64:13/TE1A.220922.034/10940250:userdebug/dev-keys",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ] {
            assert!(!is_noise(words) && !holds_noise(words), "{words}");
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
        let long = base64::engine::general_purpose::STANDARD.encode(noise(75_000, 4));
        assert!(is_dark("signature", Value::Text(&long)) && is_dark("token", Value::Text(&long)));
        for (name, text) in [("hash", sha512.as_str()), ("signature", &sha512), ("x", &jwt), ("md5", &sha512[..32]), ("x", &sha512[..64])] {
            assert!(!is_dark(name, Value::Text(text)), "{name}={text}");
        }
    }
}
