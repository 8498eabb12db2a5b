//! Keyed and salted digests of planted values, where the key or the salt can be seen in the same exchange. Collects what looks
//! like a digest and what could be a key while an exchange is read; tries values against both at its end, within a budget.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use crate::model::{App, Certainty, Part, PlantedValue};

use super::{
    super::{
        category::name_facts,
        format::from_base32,
        leaf::{RawLeaf, Value},
    },
    chance::{self, Alphabet},
    digest::{Algorithm, from_base64, from_hex},
    forms::{is_dull, keyed_inputs},
    name_fits,
};

/// What is hashed, and which fields were tried before.
#[derive(Debug, Default)]
pub(super) struct Keyed {
    inputs: Vec<Input>,
    /// A field that is a keyed digest is one in every request: after a few tries in vain it is left alone. By a hash of its name.
    tries: Mutex<HashMap<u64, u32>>,
}

#[derive(Debug)]
struct Input {
    value: usize,
    bytes: Vec<u8>,
    name: &'static str,
    /// Among the likeliest of its value.
    likely: bool,
    /// How much it says.
    bits: f32,
    /// So many inputs, of all values, are as long.
    alike: u32,
}

/// What one exchange has to offer.
#[derive(Debug, Default)]
pub(super) struct Material {
    /// The endpoint, by a hash: a field of the same name elsewhere is another one.
    pub(super) endpoint: u64,
    digests: Vec<Digest>,
    /// Texts and bytes that could be keys, one after the other.
    pool: Vec<u8>,
    keys: Vec<Key>,
    /// Of the answer to the request: those that are called so, and others.
    keys_of_answer: [Vec<Vec<u8>>; 2],
    /// Digests of each field, and those already noted, by hash.
    of_a_field: HashMap<u64, usize>,
    known: HashSet<u64>,
    /// Keys that are called so, of `keys`.
    named: usize,
    /// Whether there were more digests or keys than are kept.
    cut: bool,
    /// Whether there was more in the answer than is kept: that matters only where a digest stays unexplained.
    answer_cut: bool,
}

#[derive(Debug)]
struct Digest {
    part: Part,
    path: String,
    group: u32,
    bytes: Vec<u8>,
    written: &'static str,
    /// Of the leaf; `None` for a name.
    ticket: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Key {
    start: u32,
    length: u32,
    group: u32,
    /// Its name speaks of a key or a salt.
    named: bool,
    text: bool,
}

/// A digest explained.
#[derive(Clone, Debug)]
pub(super) struct KeyedHit {
    pub(super) part: Part,
    pub(super) path: String,
    pub(super) value: usize,
    pub(super) spelling: String,
    pub(super) certainty: Certainty,
    /// Of the leaf, when it is in one.
    pub(super) ticket: Option<u64>,
}

impl Material {
    /// Looks at a leaf; `words` are those of its name. Gives whether it is kept as something that may be a digest.
    pub(super) fn note(&mut self, leaf: &RawLeaf<'_>, words: &[String]) -> bool {
        let place = (leaf.part, leaf.path, leaf.group);
        match leaf.value {
            Value::Number(text) | Value::Text(text) => {
                self.note_key(text.as_bytes(), leaf.group, words, true);
                digest_in(text).is_some_and(|(bytes, written)| self.note_digest(place, &bytes, written, Some(leaf)))
            }
            Value::Bytes { bytes, text } => {
                self.note_key(text.map_or(bytes, str::as_bytes), leaf.group, words, text.is_some());
                let written = match text {
                    Some(text) if text.len() == 2 * bytes.len() => "as hex",
                    Some(text) if text.len() * 2 > bytes.len() * 3 => "as base32",
                    Some(_) => "as base64",
                    None => "as raw bytes",
                };
                self.note_digest(place, bytes, written, Some(leaf))
            }
            Value::Opaque(bytes) => {
                self.note_key(bytes, leaf.group, words, false);
                self.note_digest(place, bytes, "as raw bytes", Some(leaf))
            }
            Value::Null | Value::Boolean(_) => false,
        }
    }

    /// Looks at a map key: the digest of somebody's id may be one.
    pub(super) fn note_name(&mut self, part: Part, path: &str, name: &str) {
        if let Some((bytes, written)) = digest_in(name) {
            let written = match written {
                "as hex" => "as hex, in a name",
                "as base32" => "as base32, in a name",
                _ => "as base64, in a name",
            };
            self.note_digest((part, path, u32::MAX), &bytes, written, None);
        }
    }

    fn note_key(&mut self, bytes: &[u8], group: u32, words: &[String], text: bool) {
        let named = is_called_key(words);
        if bytes.is_empty() || (!named && bytes.len() > LONGEST_KEY) {
            return;
        }
        let full = if named { self.named >= MOST_NAMED_KEYS } else { self.keys.len() - self.named >= MOST_KEYS };
        if full || bytes.len() > LONGEST_NAMED_KEY {
            self.cut = true;
            return;
        }
        self.named += usize::from(named);
        self.keys.push(Key { start: self.pool.len() as u32, length: bytes.len() as u32, group, named, text });
        self.pool.extend_from_slice(bytes);
    }

    /// Something in the answer that may be a key. Hardly any is that is not called so: of those only the first ones are kept.
    pub(super) fn note_key_of_answer(&mut self, bytes: &[u8], text: bool, words: &[String]) {
        let named = is_called_key(words);
        let (longest, most) = if named { (LONGEST_NAMED_KEY, MOST_NAMED_KEYS) } else { (LONGEST_KEY, MOST_KEYS_OF_ANSWER) };
        let keys = &mut self.keys_of_answer[usize::from(!named)];
        self.answer_cut |= named && bytes.len() > longest;
        if self.answer_cut && keys.len() >= most {
            return;
        }
        let decoded = std::str::from_utf8(bytes).ok().filter(|_| text).map(decoded_key).unwrap_or_default();
        for key in std::iter::once(bytes.to_vec()).chain(decoded) {
            if !(1..=longest).contains(&key.len()) || keys.contains(&key) {
                continue;
            }
            if keys.len() < most {
                keys.push(key);
            } else {
                self.answer_cut = true;
            }
        }
    }

    /// There was more in the answer than what was noted.
    pub(super) const fn note_more_of_answer(&mut self) {
        self.answer_cut = true;
    }

    /// Whether there is anything that a key could explain.
    pub(super) const fn has_digests(&self) -> bool {
        !self.digests.is_empty()
    }

    /// Gives whether it is kept.
    fn note_digest(
        &mut self,
        (part, path, group): (Part, &str, u32),
        bytes: &[u8],
        written: &'static str,
        leaf: Option<&RawLeaf<'_>>,
    ) -> bool {
        if !LENGTHS.contains(&bytes.len()) {
            return false;
        }
        if self.known.contains(&hash(&(part, path, bytes))) {
            return true;
        }
        let others = self.of_a_field.entry(hash(&(part, path))).or_default();
        if *others >= MOST_DIGESTS_OF_A_FIELD || self.digests.len() >= MOST_DIGESTS {
            self.cut = true;
            return false;
        }
        *others += 1;
        self.known.insert(hash(&(part, path, bytes)));
        let ticket = leaf.map(RawLeaf::ticket);
        self.digests.push(Digest { part, path: path.to_owned(), group, bytes: bytes.to_vec(), written, ticket });
        true
    }

    /// Keys, the likeliest first, each as it is and as what its hex or base64 stands for; and how many of them have a name that
    /// speaks of a key.
    fn keys(&self, groups: &HashSet<u32>) -> (Vec<Vec<u8>>, usize) {
        let mut order: Vec<&Key> = self.keys.iter().collect();
        order.sort_by_key(|key| (!key.named, !groups.contains(&key.group)));
        let (mut all, mut seen, mut named) = (Vec::new(), HashSet::new(), 0);
        for key in order {
            let bytes = &self.pool[key.start as usize..][..key.length as usize];
            let mut add = |bytes: Vec<u8>| {
                if !bytes.is_empty() && seen.insert(bytes.clone()) {
                    all.push(bytes);
                    named += usize::from(key.named);
                }
            };
            add(bytes.to_vec());
            std::str::from_utf8(bytes).ok().filter(|_| key.text).map(decoded_key).unwrap_or_default().into_iter().for_each(&mut add);
        }
        (all, named)
    }
}

impl Keyed {
    pub(super) fn new(values: &[PlantedValue]) -> Self {
        // No digest of what repeats itself speaks of anybody.
        let telling = values.iter().enumerate().filter(|(_, planted)| !is_dull(&planted.value));
        let mut inputs: Vec<Input> = telling
            .flat_map(|(value, planted)| {
                let all = keyed_inputs(&planted.value).into_iter().enumerate();
                all.map(move |(rank, (bytes, name))| {
                    let bits = chance::bits(&bytes, Alphabet::Text);
                    Input { value, bytes, name, likely: rank < LIKELY_INPUTS, bits, alike: 1 }
                })
            })
            .collect();
        let mut of_a_length: HashMap<usize, u32> = HashMap::new();
        inputs.iter().for_each(|input| *of_a_length.entry(input.bytes.len()).or_default() += 1);
        inputs.iter_mut().for_each(|input| input.alike = of_a_length.get(&input.bytes.len()).copied().unwrap_or(1));
        Self { inputs, tries: Mutex::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Explains digests of an exchange, and says whether a digest or a key was left untried. Keys that are called so are tried on
    /// every digest of every request; what only happens to stand there, on a field's first ones and on the likeliest inputs.
    pub(super) fn explain(&self, material: &Material, values: &[PlantedValue], found: &mut dyn FnMut(KeyedHit)) -> bool {
        if self.inputs.is_empty() || material.digests.is_empty() {
            return false;
        }
        // A thread that panicked while it counted has counted: the counts are only a budget.
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let digests: Vec<(u64, &Digest)> = material.digests.iter().map(|digest| (field(material.endpoint, digest), digest)).collect();
        let fields: HashSet<u64> = digests.iter().map(|(field, _)| *field).collect();
        let mut fresh = 0;
        for field in &fields {
            if tries.get(field).is_none_or(|tries| *tries < MOST_TRIES) {
                fresh += 1;
                if tries.len() < MOST_FIELDS || tries.contains_key(field) {
                    *tries.entry(*field).or_default() += 1;
                }
            }
        }
        let groups: HashSet<u32> = digests.iter().map(|(_, digest)| digest.group).collect();
        let (keys, named) = material.keys(&groups);
        let mut by_bytes: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for (at, (_, digest)) in digests.iter().enumerate() {
            by_bytes.entry(&digest.bytes).or_default().push(at);
        }
        let algorithms: Vec<Algorithm> = Algorithm::KEYED
            .into_iter()
            .filter(|algorithm| digests.iter().any(|(_, digest)| digest.bytes.len() == algorithm.bytes()))
            .collect();
        let mut tried = Trial {
            values,
            digests: &digests,
            algorithms: &algorithms,
            by_bytes: &by_bytes,
            hashes: 0,
            most: MOST_HASHES,
            whence: "the same request",
            named: true,
            hits: Vec::new(),
        };
        let (named, others) = keys.split_at(named);
        let mut done = tried.all(self, named, false) && tried.all(self, named, true);
        // Of keys that only happen to stand there, fewer are tried.
        tried.named = false;
        if fresh > 0 {
            tried.most = tried.hashes + MOST_HASHES_WITHOUT_NAME;
            done &= tried.all(self, others, false);
            let _ = tried.all(self, others, true);
        }
        done &= fresh == fields.len() || others.is_empty();
        let [named, others] = &material.keys_of_answer;
        tried.whence = "the same exchange";
        tried.most = tried.hashes + MOST_HASHES;
        tried.named = true;
        done &= tried.all(self, named, false);
        let _ = tried.all(self, named, true);
        tried.named = false;
        let mut answer_cut = material.answer_cut;
        if fresh > 0 {
            tried.most = tried.hashes + MOST_HASHES_OF_ANSWER;
            answer_cut |= !tried.all(self, others, false);
            let _ = tried.all(self, others, true);
        }
        done &= !answer_cut || tried.hits.len() == digests.len();
        for (at, input, certainty, how) in tried.hits {
            let (field, digest) = digests[at];
            // It is one, so it is one in the next request.
            tries.insert(field, 0);
            let spelling = format!("{how}, {}", digest.written).replace("{}", self.inputs[input].name);
            found(KeyedHit {
                part: digest.part,
                path: digest.path.clone(),
                value: self.inputs[input].value,
                spelling,
                certainty,
                ticket: digest.ticket,
            });
        }
        !done || material.cut
    }
}

/// Hashes until one of the digests comes out.
struct Trial<'t> {
    values: &'t [PlantedValue],
    /// Each with its field.
    digests: &'t [(u64, &'t Digest)],
    algorithms: &'t [Algorithm],
    by_bytes: &'t HashMap<&'t [u8], Vec<usize>>,
    hashes: usize,
    most: usize,
    /// Where the keys are from.
    whence: &'static str,
    /// Whether the keys are called so.
    named: bool,
    /// Digest, input, how certain, how.
    hits: Vec<(usize, usize, Certainty, String)>,
}

impl Trial<'_> {
    /// Tries keys: likely inputs without a separator first (`thorough` is false), then everything else. False when the budget
    /// ended it.
    fn all(&mut self, keyed: &Keyed, keys: &[Vec<u8>], thorough: bool) -> bool {
        for key in keys {
            for (at, input) in keyed.inputs.iter().enumerate() {
                if !thorough && !input.likely {
                    continue;
                }
                if self.hashes >= self.most {
                    return false;
                }
                for &algorithm in self.algorithms {
                    self.one(algorithm, key, at, input, thorough);
                }
            }
        }
        true
    }

    fn one(&mut self, algorithm: Algorithm, key: &[u8], number: usize, input: &Input, thorough: bool) {
        let (word, whence) = (algorithm.word(), self.whence);
        let first_time = !(thorough && input.likely);
        if first_time && let Some(mac) = algorithm.hmac(key, &input.bytes) {
            // Two hashes of two blocks.
            self.hashes += 2;
            let how = || format!("HMAC-{} of {{}}, with a key from {whence}", word.to_uppercase());
            self.look(&mac, number, how, |_| Some(Certainty::Certain));
        }
        let judged = self.judge_salted(input);
        if judged.is_none() && !self.named {
            return;
        }
        let (named, values) = (self.named, self.values);
        let certainty = |digest: &Digest| judged.or_else(|| (named && is_called(digest, input, values)).then_some(Certainty::Likely));
        for separator in SEPARATORS {
            let plain = separator.is_empty();
            if if plain { !first_time } else { !thorough } {
                continue;
            }
            let salted = [key, separator, &input.bytes].concat();
            self.look(&algorithm.digest(&salted), number, || format!("{word} of {{}}, after a salt from {whence}"), certainty);
            let salted = [&input.bytes, separator, key].concat();
            self.look(&algorithm.digest(&salted), number, || format!("{word} of {{}}, before a salt from {whence}"), certainty);
            self.hashes += 2;
        }
    }

    /// How certain it is that what was hashed with a salt is this input: a digest proves only what both are together, and the digest
    /// of anything else may begin or end like this (`1711` with 171). `None` when that would be no wonder.
    fn judge_salted(&self, input: &Input) -> Option<Certainty> {
        chance::judge(chance::expected(input.bits, 2.0 * self.digests.len() as f64), input.alike)
    }

    fn look(&mut self, digest: &[u8], input: usize, how: impl Fn() -> String, certainty: impl Fn(&Digest) -> Option<Certainty>) {
        for &at in self.by_bytes.get(digest).into_iter().flatten() {
            if !self.hits.iter().any(|(known, ..)| *known == at)
                && let Some(certainty) = certainty(self.digests[at].1)
            {
                self.hits.push((at, input, certainty, how()));
            }
        }
    }
}

/// Whether the name of a digest speaks of the value that the input is.
fn is_called(digest: &Digest, input: &Input, values: &[PlantedValue]) -> bool {
    let facts = name_facts(&App::default(), "", digest.part, &digest.path);
    values.get(input.value).is_some_and(|planted| name_fits(&facts, &digest.path, planted, input.bits))
}

/// Whether words of a name speak of a key or a salt.
fn is_called_key(words: &[String]) -> bool {
    words.iter().any(|word| KEY_WORDS.contains(&word.as_str()))
}

/// What the hex digits or the base64 of a key stand for.
fn decoded_key(text: &str) -> Vec<Vec<u8>> {
    if text.len() < SHORTEST_ENCODED_KEY { Vec::new() } else { from_hex(text).into_iter().chain(from_base64(text)).collect() }
}

/// The bytes of a text that is written like a digest (`sha256:…` too), and how it is written.
fn digest_in(text: &str) -> Option<(Vec<u8>, &'static str)> {
    let text = match text.split_once([':', '=', '$']) {
        Some((word, rest)) if is_algorithm(word) => rest,
        _ => text,
    };
    match text.len() {
        32 | 40 | 56 | 64 | 96 | 128 if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => from_hex(text).map(|bytes| (bytes, "as hex")),
        22 | 24 | 27 | 28 | 38 | 40 | 43 | 44 | 64 | 86 | 88 => {
            from_base64(text).filter(|bytes| LENGTHS.contains(&bytes.len())).map(|bytes| (bytes, "as base64"))
        }
        // With padding and without.
        26 | 32 | 45 | 48 | 52 | 56 | 77 | 80 | 103 | 104 => {
            from_base32(text.as_bytes()).filter(|bytes| LENGTHS.contains(&bytes.len())).map(|bytes| (bytes, "as base32"))
        }
        _ => None,
    }
}

/// Whether a word is a hash function's name: `sha256`, `HMAC-SHA-1`.
fn is_algorithm(word: &str) -> bool {
    let bare: String = word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let function = bare.strip_prefix("hmac").unwrap_or(&bare);
    word.len() <= 16 && Algorithm::KEYED.into_iter().any(|algorithm| algorithm.word() == function)
}

fn field(endpoint: u64, digest: &Digest) -> u64 {
    hash(&(endpoint, digest.part, &digest.path, digest.bytes.len()))
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Words of names of keys and salts.
const KEY_WORDS: [&str; 14] =
    ["challenge", "hmac", "iv", "key", "nonce", "pepper", "rand", "random", "salt", "secret", "seed", "sign", "signature", "token"];
/// Between a salt and a value.
const SEPARATORS: [&[u8]; 5] = [b"", b":", b"-", b"_", b"|"];
/// Bytes of md5, sha1, sha224, sha256, sha384 and sha512.
const LENGTHS: [usize; 6] = [16, 20, 28, 32, 48, 64];
/// Inputs of a value that are tried before all others.
const LIKELY_INPUTS: usize = 2;
/// What is longer, and not called a key, is none.
const LONGEST_KEY: usize = 512;
const LONGEST_NAMED_KEY: usize = 8192;
/// Shorter keys are taken as they are.
const SHORTEST_ENCODED_KEY: usize = 8;
const MOST_KEYS: usize = 400;
/// Of those of the answer that are not called so.
const MOST_KEYS_OF_ANSWER: usize = 100;
const MOST_NAMED_KEYS: usize = 100;
const MOST_DIGESTS: usize = 1024;
/// A field with more of them in one request has ids.
const MOST_DIGESTS_OF_A_FIELD: usize = 64;
/// Hashes for one exchange, with keys that are called so.
const MOST_HASHES: usize = 20_000;
const MOST_HASHES_WITHOUT_NAME: usize = 40_000;
/// The same, with keys of the answer that are not called so.
const MOST_HASHES_OF_ANSWER: usize = 20_000;
/// Requests in which a field is tried in vain with keys that are not called so.
const MOST_TRIES: u32 = 4;
const MOST_FIELDS: usize = 20_000;
