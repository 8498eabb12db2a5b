//! The leak gate (R12): nothing is written that contains a captured value. It remembers values as they were decoded and
//! searches text that is about to be written to a snapshot, a report or a log.

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher},
};

/// Values are remembered as digests, up to this many of each sort (each 5 MiB, twice that while it grows). Beyond it, every token
/// that looks like an id is refused: nothing that was seen may pass because much was seen.
const MOST_REMEMBERED: usize = 450_000;

/// Shortest captured value that counts as an id by its looks alone.
const SHORTEST_ID: usize = 8;

/// Longest one.
const LONGEST_ID: usize = 128;

/// Shortest value of an identifying or health category, in characters.
const SHORTEST_SECRET: usize = 4;

/// A value of more words is searched for by its first ones.
const LONGEST_PHRASE: usize = 8;

/// Values that must not be written.
#[derive(Clone, Debug, Default)]
pub struct LeakGate {
    /// Planted values. Few, so all of them are kept.
    planted: Digests,
    /// Captured values of an identifying or health category.
    secrets: Digests,
    /// Captured values of lower-case letters alone: in prose they are anybody's words (`home`, `other`), so only a name that
    /// is one of them is a hit ([`LeakGate::hides`]).
    words: Digests,
    /// Captured values that look like ids.
    ids: Digests,
    /// How many words the remembered values of several words have: bit n for n words.
    phrase_lengths: u16,
    /// There were more values that look like ids than are remembered.
    overflowed: bool,
    /// There were more values without the looks of an id than are remembered: nothing can be said to be free of them.
    flooded: bool,
    /// Words that are no hits: of the app file, the scenario, the taxonomy.
    allowed: HashSet<String>,
    /// Names of hosts, endpoints and fields that were seen: looking like an id is no proof against them.
    names: HashSet<String>,
}

/// A captured value was about to be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column} would have shown {what}; nothing was written")]
pub struct Leak {
    /// Line of the text, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What kind of value it is. Never the value.
    pub what: &'static str,
}

impl LeakGate {
    /// A planted value, in one of its spellings: remembered however much was seen. Shorter than four characters is not
    /// remembered: it would hit everywhere.
    pub fn remember_planted(&mut self, value: &str) {
        if let Some(digest) = self.digest_of(value) {
            self.planted.insert(digest);
        }
    }

    /// A value captured with an identifying or health category. Shorter than four characters is not remembered.
    pub fn remember_secret(&mut self, value: &str) {
        let Some(digest) = self.digest_of(value) else { return };
        let plain_word = value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let left_out = !insert(if plain_word { &mut self.words } else { &mut self.secrets }, digest);
        self.overflowed |= left_out && looks_like_id(value);
        self.flooded |= left_out && !looks_like_id(value);
    }

    /// Any captured value: remembered if it has eight or more characters and looks like an id.
    pub fn remember(&mut self, value: &str) {
        if looks_like_id(value) && !self.allowed.contains(value) {
            self.overflowed |= !insert(&mut self.ids, digest(value));
        }
    }

    /// The digest by which a value is found again; `None` when it is not looked for. A value of several words is found by its
    /// first eight words, whatever stands between them.
    fn digest_of(&mut self, value: &str) -> Option<u64> {
        let value = trimmed(value);
        if !is_secret(value) || self.allowed.contains(value) {
            return None;
        }
        if !value.contains(ends_coarse_token) {
            return Some(digest(value));
        }
        let words: Vec<&str> = words_of(value).take(LONGEST_PHRASE).collect();
        let phrase = words.join(" ");
        if words.len() > 1 {
            self.phrase_lengths |= 1 << words.len();
        }
        is_secret(&phrase).then(|| digest(&phrase))
    }

    /// A word that may be written, with its parts: of the app file, the scenario, the taxonomy, a name of our own making. Never
    /// something that was only seen: that is for [`LeakGate::allow_name`].
    pub fn allow(&mut self, word: &str) {
        for part in tokens(word).chain([word]) {
            self.forget(digest(part));
            self.allowed.insert(part.to_owned());
        }
    }

    /// The name of a host, an endpoint or a field that was seen, as it is going to be written: that it looks like an id is no
    /// proof against it. A planted, identifying or health value in it stays a hit.
    pub fn allow_name(&mut self, name: &str) {
        for part in tokens(name).chain([name]) {
            self.ids.remove(&digest(part));
            self.names.insert(part.to_owned());
        }
    }

    /// Whether a name out of traffic (a host label, a path segment, a map key) is or holds a value that must not be written.
    pub fn hides(&self, name: &str) -> bool {
        let part_of_words = |part: &str| self.words.contains(&digest(part)) && !self.allowed.contains(part);
        if self.allowed.contains(name) {
            return false;
        }
        self.ids.contains(&digest(name))
            || name.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').any(part_of_words)
            || tokens(name).any(|token| self.is_kept_back(token))
            || self.phrase_in(name).is_some()
    }

    fn is_kept_back(&self, token: &str) -> bool {
        let digest = digest(token);
        (self.planted.contains(&digest) || self.secrets.contains(&digest)) && !self.allowed.contains(token)
    }

    /// The first value of several words in a text.
    fn phrase_in<'t>(&self, text: &'t str) -> Option<&'t str> {
        if self.phrase_lengths == 0 {
            return None;
        }
        let words: Vec<&str> = words_of(text).collect();
        (0..words.len()).find_map(|start| {
            let mut phrase = String::new();
            words[start..].iter().take(LONGEST_PHRASE).enumerate().find_map(|(number, word)| {
                if number > 0 {
                    phrase.push(' ');
                }
                phrase.push_str(word);
                (self.phrase_lengths & (1 << (number + 1)) != 0 && self.is_kept_back(&phrase)).then(|| words[start])
            })
        })
    }

    /// Takes over what another gate remembers.
    pub fn merge(&mut self, other: Self) {
        self.overflowed |= other.overflowed;
        self.flooded |= other.flooded;
        self.phrase_lengths |= other.phrase_lengths;
        self.planted.extend(other.planted);
        let unite = |mine: &mut Digests, theirs: Digests| {
            // The smaller set goes into the larger one: less to do, and never two large ones grow.
            let (larger, smaller) = if mine.len() < theirs.len() { (theirs, std::mem::take(mine)) } else { (std::mem::take(mine), theirs) };
            *mine = larger;
            // Every one is inserted, whatever became of those before it.
            smaller.into_iter().filter(|digest| !insert(mine, *digest)).count() > 0
        };
        self.overflowed |= unite(&mut self.ids, other.ids);
        // Those that are many look like ids: words of people and places are few.
        self.overflowed |= unite(&mut self.secrets, other.secrets);
        self.flooded |= unite(&mut self.words, other.words);
        self.allowed.extend(other.allowed);
        self.names.extend(other.names);
        let allowed: Vec<u64> = self.allowed.iter().map(|word| digest(word)).collect();
        allowed.into_iter().for_each(|word| self.forget(word));
        for name in &self.names {
            self.ids.remove(&digest(name));
        }
    }

    fn forget(&mut self, digest: u64) {
        for digests in [&mut self.planted, &mut self.secrets, &mut self.words, &mut self.ids] {
            digests.remove(&digest);
        }
    }

    /// Searches a text that is about to be written.
    ///
    /// # Errors
    /// The first place that holds a captured value.
    pub fn check(&self, text: &str) -> Result<(), Leak> {
        if self.flooded {
            return Err(Leak { line: 1, column: 1, what: "one of more captured values than can be remembered" });
        }
        for (number, line) in text.lines().enumerate() {
            let leak = |token: &str, what| {
                let offset = token.as_ptr() as usize - line.as_ptr() as usize;
                let column = line.get(..offset).map_or(1, |before| before.chars().count() + 1);
                Leak { line: number + 1, column, what }
            };
            for token in tokens(line) {
                let digest = digest(token);
                let what = if self.allowed.contains(token) {
                    continue;
                } else if self.planted.contains(&digest) || self.secrets.contains(&digest) {
                    KEPT_BACK
                } else if self.ids.contains(&digest) {
                    "a captured value that looks like an id"
                } else if self.overflowed && looks_like_id(token) && !self.names.contains(token) {
                    "something that looks like an id"
                } else {
                    continue;
                };
                return Err(leak(token, what));
            }
            if let Some(word) = self.phrase_in(line) {
                return Err(leak(word, KEPT_BACK));
            }
        }
        Ok(())
    }
}

const KEPT_BACK: &str = "a planted, identifying or health value";

/// Tokens of a line: maximal runs between separators, at each of three grains, so that `lat,lon` and its halves are all tried.
fn tokens(line: &str) -> impl Iterator<Item = &str> {
    let coarse = line.split(ends_coarse_token);
    let middle = line.split(|c: char| c.is_whitespace() || "\"'`()<>|=/,;&?[]{}".contains(c));
    let fine = line.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '+' && c != '_' && c != '.' && c != ':');
    let finest = line.split(|c: char| !c.is_alphanumeric());
    coarse.chain(middle).chain(fine).chain(finest).map(trimmed).filter(|token| token.len() >= 4)
}

/// What no coarse token holds.
fn ends_coarse_token(c: char) -> bool {
    c.is_whitespace() || "\"'`()<>|=".contains(c)
}

/// Without the marks that end a sentence around it.
fn trimmed(token: &str) -> &str {
    token.trim_matches(['.', ':', ',', ' '])
}

/// Runs of letters and digits.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Eight or more characters with a digit, of an alphabet ids are written in, and no run of words.
pub fn looks_like_id(value: &str) -> bool {
    // Every character is ASCII, or it is no id: bytes are characters.
    if !(SHORTEST_ID..=LONGEST_ID).contains(&value.len()) {
        return false;
    }
    let (mut digits, mut hex, mut at) = (0, true, false);
    for byte in value.bytes() {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'a'..=b'f' | b'A'..=b'F' | b'-' | b':' => {}
            b'@' => (hex, at) = (false, true),
            b'g'..=b'z' | b'G'..=b'Z' | b'_' | b'.' | b'+' => hex = false,
            _ => return false,
        }
    }
    at || (hex && digits > 0) || digits * 3 >= value.len() || (digits >= 2 && value.len() >= 16)
}

/// Long enough to be looked for.
fn is_secret(value: &str) -> bool {
    value.chars().nth(SHORTEST_SECRET - 1).is_some()
}

/// Inserts a digest while there is room; false when it is left out.
fn insert(into: &mut Digests, digest: u64) -> bool {
    if into.len() < MOST_REMEMBERED {
        into.insert(digest);
        true
    } else {
        into.contains(&digest)
    }
}

fn digest(value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Values as digests: a gate must not be a second copy of what was captured.
type Digests = HashSet<u64, BuildHasherDefault<AsIs>>;

/// A digest is its own hash.
#[derive(Clone, Copy, Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |digest, byte| digest.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_captured_id_is_found_in_a_path_and_the_place_is_named() {
        let mut gate = LeakGate::default();
        gate.remember("C0FFEEFFFE123456");
        let leak = gate.check("first line\nGET host.test/users/C0FFEEFFFE123456/devices").expect_err("an id is in line 2");
        assert_eq!((leak.line, leak.column), (2, 21));
        assert!(!leak.to_string().contains("C0FFEE"));
    }

    #[test]
    fn words_of_the_app_file_are_no_hits() {
        let mut gate = LeakGate::default();
        gate.remember_secret("band_data.json");
        gate.allow("band_data.json");
        gate.remember_secret("Quillon");
        assert!(gate.check("POST /v1/data/band_data.json").is_ok());
        assert!(gate.check("hello Quillon").is_err());
    }

    #[test]
    fn a_name_of_our_own_making_is_no_hit_even_when_there_were_too_many_ids_to_remember() {
        let mut gate = LeakGate { overflowed: true, ..LeakGate::default() };
        gate.allow("20260314T152500Z-mifit-sim-1.0-workout-1");
        assert!(gate.check("Captures: 20260314T152500Z-mifit-sim-1.0-workout-1").is_ok());
        assert!(gate.check("GET host.test/20260314152500123").is_err());
    }

    #[test]
    fn a_planted_value_and_every_id_are_kept_back_however_much_was_seen() {
        let mut gate = LeakGate::default();
        for number in 0..=MOST_REMEMBERED {
            gate.remember_secret(&format!("a{number:08}"));
        }
        gate.remember_planted("Quillon");
        assert!(gate.check("hello Quillon").is_err());
        assert!(gate.check("id 8f14e45fceea467f").is_err(), "it may be one of those that were too many");
        assert!(gate.check("plain words, and 12.5 of them").is_ok());
        let mut other = LeakGate::default();
        other.remember_planted("Vermeer");
        other.merge(gate);
        for text in ["Quillon", "Vermeer", "a00000001", "8f14e45fceea467f"] {
            assert!(other.check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_of_several_words_are_found_whatever_stands_between_them() {
        let mut gate = LeakGate::default();
        gate.remember_planted("Kees de Vries");
        gate.remember_secret("Main Street 12");
        for text in ["to Kees de Vries, today", "json friends.\"Kees de Vries\"", "/at/Main-Street-12/x"] {
            let leak = gate.check(text).expect_err(text);
            assert!(leak.column > 1, "{text}");
        }
        for text in ["Kees Vries", "the main street", "Main Street 13"] {
            assert_eq!(gate.check(text), Ok(()), "{text}");
        }
        gate.allow("Main Street 12");
        assert_eq!(gate.check("Main Street 12"), Ok(()));
    }

    #[test]
    fn a_name_that_was_seen_is_no_pass_for_a_value() {
        let mut gate = LeakGate::default();
        gate.remember_secret("Oegstgeest");
        gate.remember("edge2024node17abc");
        for name in ["edge2024node17abc.cdn.test", "/v1/city/Oegstgeest"] {
            gate.allow_name(name);
        }
        assert_eq!(gate.check("GET edge2024node17abc.cdn.test/v1"), Ok(()));
        assert!(gate.check("GET edge.test/v1/city/Oegstgeest").is_err());
        assert!(gate.hides("Oegstgeest") && gate.hides("in-Oegstgeest") && !gate.hides("city"));
    }

    #[test]
    fn a_word_of_lower_case_letters_is_hidden_in_names_and_passes_in_prose() {
        let mut gate = LeakGate::default();
        gate.remember_secret("home");
        assert!(gate.hides("home") && gate.hides("home.json") && !gate.hides("home-screen"));
        assert_eq!(gate.check("the phone was at home"), Ok(()));
        gate.allow("home");
        assert!(!gate.hides("home"));
    }

    #[test]
    fn more_values_than_can_be_remembered_stop_every_write() {
        let gate = LeakGate { flooded: true, ..LeakGate::default() };
        let mut other = LeakGate::default();
        other.merge(gate);
        assert!(other.check("anything").is_err());
    }

    #[test]
    fn ordinary_words_are_no_ids() {
        for word in ["summary", "timestamp-ms", "api-mifit*.huami.test", "bytes[1440]", "first-party"] {
            assert!(!looks_like_id(word), "{word}");
        }
        for id in ["C0FFEEFFFE123456", "1000000001", "8f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c", "someone@example.test"] {
            assert!(looks_like_id(id), "{id}");
        }
    }
}
