//! Bodies that have nothing to do with any planted value, made as they are read: JSON, forms, hex, base64, binary data, text of
//! English words, and other days' heart rates. The same seed gives the same bodies.

use std::fmt::Write as _;

use fastrand::Rng;

/// An endless row of bodies.
pub(crate) struct Unrelated {
    random: Rng,
    number: usize,
}

impl Unrelated {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Rng::with_seed(seed), number: 0 }
    }

    /// The next body with its content type, 1 to 60 KB.
    pub(crate) fn body(&mut self) -> (&'static str, Vec<u8>) {
        self.number += 1;
        let random = &mut self.random;
        let size = random.usize(1_000..60_000);
        match self.number % 8 {
            0 => ("application/json", json(random, size).into_bytes()),
            1 => ("application/x-www-form-urlencoded", form(random, size).into_bytes()),
            2 => ("text/plain", hex(random, size / 2).into_bytes()),
            3 => ("application/json", format!(r#"{{"a1":"{}"}}"#, base64(&bytes(random, size * 3 / 4))).into_bytes()),
            4 => ("application/octet-stream", bytes(random, size)),
            5 => ("text/plain", english(random, size).into_bytes()),
            6 => ("application/json", days(random).into_bytes()),
            _ => ("application/octet-stream", smooth(random, size)),
        }
    }
}

/// A day of heart rates: asleep, awake, and some minutes without a reading.
pub(crate) fn heart_rates(random: &mut Rng) -> Vec<u8> {
    let mut rate = 58.0;
    let day = (0..1440).map(|minute| {
        let rest = if minute < 420 { 54.0 } else { 76.0 + 14.0 * f64::from(minute / 41 % 3) };
        rate += (rest - rate) * 0.1 + (random.f64() - 0.5) * 8.0;
        if random.f64() < 0.08 { 255 } else { rate.clamp(40.0, 190.0) as u8 }
    });
    day.collect()
}

/// Objects with names that say nothing, and every kind of leaf: small and large numbers, years, prices, versions, ids, words.
fn json(random: &mut Rng, size: usize) -> String {
    let mut text = "[".to_owned();
    while text.len() < size {
        text.push_str(if text.len() > 1 { ",{" } else { "{" });
        for n in 0..random.usize(3..12) {
            let comma = if n > 0 { "," } else { "" };
            let name = if random.bool() { format!("a{n}") } else { format!("{}_{n}", random.choice(NAMES).unwrap_or(&"x")) };
            let _ = write!(text, "{comma}\"{name}\":{}", leaf(random));
        }
        text.push('}');
    }
    text + "]"
}

fn leaf(random: &mut Rng) -> String {
    match random.u8(0..14) {
        0 => random.u32(0..400).to_string(),
        1 => random.u32(1900..2100).to_string(),
        2 => random.u64(..).to_string(),
        3 => format!("{:.1}", random.f64() * 200.0),
        4 => format!("{:.2}", random.f64() * 1000.0),
        5 => format!("\"{}.{}.{}\"", random.u8(0..20), random.u8(0..40), random.u16(..2000)),
        6 => format!("\"{}\"", hex(random, 16)),
        7 => format!("\"{}\"", random.u32(10_000..99_999)),
        8 => format!("\"{}\"", english(random, 20)),
        9 => (1_600_000_000_000 + random.u64(0..200_000_000_000)).to_string(),
        10 => format!("\"20{:02}-{:02}-{:02}\"", random.u8(0..40), random.u8(1..13), random.u8(1..29)),
        11 => format!("\"{}\"", base64(&bytes(random, 24))),
        12 => format!("[{},{},{}]", random.u8(..), random.u16(..), random.i32(..)),
        _ => ["true", "false", "null"][random.usize(0..3)].to_owned(),
    }
}

fn form(random: &mut Rng, size: usize) -> String {
    let mut text = String::new();
    while text.len() < size {
        let value = match random.u8(0..5) {
            0 => random.u32(..).to_string(),
            1 => english(random, 30).replace(' ', "+"),
            2 => hex(random, 16),
            3 => random.u16(0..999).to_string(),
            _ => base64(&bytes(random, 30)).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"),
        };
        let _ = write!(text, "{}p{}={value}", if text.is_empty() { "" } else { "&" }, random.u16(0..500));
    }
    text
}

/// Other days' heart rates, as base64, as a list, and as differences.
fn days(random: &mut Rng) -> String {
    let day = heart_rates(random);
    let list: Vec<String> = day.iter().map(ToString::to_string).collect();
    let differences: Vec<String> = day.windows(2).map(|pair| (i16::from(pair[1]) - i16::from(pair[0])).to_string()).collect();
    format!(r#"{{"a1":"{}","a2":[{}],"a3":"{}"}}"#, base64(&heart_rates(random)), list.join(","), differences.join(","))
}

/// Binary data as sensors give it: each byte near the one before it.
fn smooth(random: &mut Rng, size: usize) -> Vec<u8> {
    let mut byte = random.u8(..);
    let step = random.u8(1..8);
    (0..size)
        .map(|_| {
            byte = byte.wrapping_add(random.u8(0..=2 * step)).wrapping_sub(step);
            byte
        })
        .collect()
}

fn english(random: &mut Rng, size: usize) -> String {
    let mut text = String::new();
    while text.len() < size {
        if !text.is_empty() {
            text.push_str(if random.u8(0..12) == 0 { ". " } else { " " });
        }
        text.push_str(random.choice(WORDS).unwrap_or(&"the"));
    }
    text
}

fn bytes(random: &mut Rng, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    random.fill(&mut bytes);
    bytes
}

fn hex(random: &mut Rng, count: usize) -> String {
    bytes(random, count).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

/// Some have a word of a planted value's name, and speak of something else.
const NAMES: &[&str] = &[
    "state",
    "count",
    "level",
    "price",
    "total",
    "index",
    "page",
    "score",
    "width",
    "left",
    "top",
    "size",
    "code",
    "kind",
    "screen_height",
    "img.height",
    "font_weight",
    "edge_weight",
    "birthday_reminder_days",
    "year",
    "nickname_max",
    "viewHeight",
];

const WORDS: &[&str] = &[
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "was",
    "that",
    "for",
    "on",
    "with",
    "as",
    "they",
    "at",
    "be",
    "this",
    "have",
    "from",
    "or",
    "one",
    "had",
    "by",
    "word",
    "but",
    "not",
    "what",
    "all",
    "were",
    "we",
    "when",
    "your",
    "can",
    "said",
    "there",
    "use",
    "an",
    "each",
    "which",
    "she",
    "do",
    "how",
    "their",
    "if",
    "will",
    "up",
    "other",
    "about",
    "out",
    "many",
    "then",
    "them",
    "these",
    "so",
    "some",
    "her",
    "would",
    "make",
    "like",
    "him",
    "into",
    "time",
    "has",
    "look",
    "two",
    "more",
    "write",
    "go",
    "see",
    "number",
    "no",
    "way",
    "could",
    "people",
    "my",
    "than",
    "first",
    "water",
    "been",
    "call",
    "who",
    "oil",
    "its",
    "now",
    "find",
    "long",
    "down",
    "day",
    "did",
    "get",
    "come",
    "made",
    "may",
    "part",
    "over",
    "new",
    "sound",
    "take",
    "only",
    "little",
    "work",
    "know",
    "place",
    "year",
    "live",
    "me",
    "back",
    "give",
    "most",
    "very",
    "after",
    "thing",
    "our",
    "just",
    "name",
    "good",
    "sentence",
    "man",
    "think",
    "say",
    "great",
    "where",
    "help",
    "through",
    "much",
    "before",
    "line",
    "right",
    "too",
    "mean",
    "old",
    "any",
    "same",
    "tell",
    "boy",
    "follow",
    "came",
    "want",
    "show",
    "also",
    "around",
    "form",
    "three",
    "small",
    "set",
    "put",
    "end",
    "does",
    "another",
    "well",
    "large",
    "must",
    "big",
    "even",
    "such",
    "because",
    "turn",
    "here",
    "why",
    "ask",
    "went",
    "men",
    "read",
    "need",
    "land",
    "different",
    "home",
    "us",
    "move",
    "try",
    "kind",
    "hand",
    "picture",
    "again",
    "change",
    "off",
    "play",
    "spell",
    "air",
    "away",
    "animal",
    "house",
    "point",
    "page",
    "letter",
    "mother",
    "answer",
    "found",
    "study",
    "still",
    "learn",
    "should",
];
