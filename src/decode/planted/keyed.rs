//! Keyed and salted digests of planted values, where the key or the salt can be seen in the same exchange. Collects what looks
//! like a digest and what could be a key while an exchange is read; tries values against both at its end, within a budget.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose};

use crate::model::{Part, PlantedValue};

use super::{
    super::leaf::{RawLeaf, Value},
    digest::{Algorithm, from_hex},
    forms::keyed_inputs,
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
}

#[derive(Debug)]
struct Digest {
    part: Part,
    path: String,
    group: u32,
    bytes: Vec<u8>,
    written: &'static str,
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
}

impl Material {
    /// Looks at a leaf; `words` are those of its name.
    pub(super) fn note(&mut self, leaf: &RawLeaf<'_>, words: &[String]) {
        match leaf.value {
            Value::Number(text) | Value::Text(text) => {
                self.note_key(text.as_bytes(), leaf.group, words, true);
                if let Some((bytes, written)) = digest_in(text) {
                    self.note_digest(leaf, &bytes, written);
                }
            }
            Value::Bytes { bytes, text } => {
                self.note_key(text.map_or(bytes, str::as_bytes), leaf.group, words, text.is_some());
                let written = match text {
                    Some(text) if text.len() == 2 * bytes.len() => "as hex",
                    Some(_) => "as base64",
                    None => "as raw bytes",
                };
                self.note_digest(leaf, bytes, written);
            }
            Value::Opaque(bytes) => {
                self.note_key(bytes, leaf.group, words, false);
                self.note_digest(leaf, bytes, "as raw bytes");
            }
            Value::Null | Value::Boolean(_) => {}
        }
    }

    fn note_key(&mut self, bytes: &[u8], group: u32, words: &[String], text: bool) {
        if bytes.is_empty() || bytes.len() > LONGEST_KEY {
            return;
        }
        let named = words.iter().any(|word| KEY_WORDS.contains(&word.as_str()));
        let known = self.keys.len();
        if known < if named { MOST_KEYS + MOST_NAMED_KEYS } else { MOST_KEYS } {
            self.keys.push(Key { start: self.pool.len() as u32, length: bytes.len() as u32, group, named, text });
            self.pool.extend_from_slice(bytes);
        }
    }

    fn note_digest(&mut self, leaf: &RawLeaf<'_>, bytes: &[u8], written: &'static str) {
        if !LENGTHS.contains(&bytes.len()) {
            return;
        }
        let same_field = self.digests.iter().filter(|digest| digest.part == leaf.part && digest.path == leaf.path);
        let mut others = 0;
        for digest in same_field {
            if digest.bytes == bytes {
                return;
            }
            others += 1;
        }
        if others < MOST_DIGESTS_OF_A_FIELD && self.digests.len() < MOST_DIGESTS {
            self.digests.push(Digest { part: leaf.part, path: leaf.path.to_owned(), group: leaf.group, bytes: bytes.to_vec(), written });
        }
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
            if let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| key.text && text.len() >= SHORTEST_ENCODED_KEY) {
                from_hex(text).into_iter().for_each(&mut add);
                from_base64(text).into_iter().for_each(&mut add);
            }
        }
        (all, named)
    }
}

impl Keyed {
    pub(super) fn new(values: &[PlantedValue]) -> Self {
        let inputs = values.iter().enumerate().flat_map(|(value, planted)| {
            let all = keyed_inputs(&planted.value).into_iter().enumerate();
            all.map(move |(rank, (bytes, name))| Input { value, bytes, name, likely: rank < LIKELY_INPUTS })
        });
        Self { inputs: inputs.collect(), tries: Mutex::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Explains digests of an exchange, and says whether keys that are called so were left untried.
    pub(super) fn explain(&self, material: &Material, found: &mut dyn FnMut(KeyedHit)) -> bool {
        if self.inputs.is_empty() || material.digests.is_empty() {
            return false;
        }
        let named = material.keys.iter().any(|key| key.named);
        let most_tries = if named { MOST_TRIES_WITH_KEYS } else { MOST_TRIES };
        // A thread that panicked while it counted has counted: the counts are only a budget.
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let digests: Vec<(u64, &Digest)> = material
            .digests
            .iter()
            .map(|digest| (field(material.endpoint, digest), digest))
            .filter(|(field, _)| tries.get(field).is_none_or(|tries| *tries < most_tries))
            .collect();
        if digests.is_empty() {
            return false;
        }
        for (field, _) in &digests {
            if tries.len() < MOST_FIELDS || tries.contains_key(field) {
                *tries.entry(*field).or_default() += 1;
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
        let mut tried = Trial { algorithms: &algorithms, by_bytes: &by_bytes, hashes: 0, most: MOST_HASHES, hits: Vec::new() };
        let (named, others) = keys.split_at(named);
        let done = tried.all(self, named, false) && tried.all(self, named, true);
        // Of keys that only happen to stand there, fewer are tried.
        tried.most = MOST_HASHES.min(tried.hashes + MOST_HASHES_WITHOUT_NAME);
        let _ = tried.all(self, others, false) && tried.all(self, others, true);
        for (at, input, how) in tried.hits {
            let (field, digest) = digests[at];
            // It is one, so it is one in the next request.
            tries.insert(field, 0);
            let spelling = format!("{how}, {}", digest.written).replace("{}", self.inputs[input].name);
            found(KeyedHit { part: digest.part, path: digest.path.clone(), value: self.inputs[input].value, spelling });
        }
        !done
    }
}

/// Hashes until one of the digests comes out.
struct Trial<'t> {
    algorithms: &'t [Algorithm],
    by_bytes: &'t HashMap<&'t [u8], Vec<usize>>,
    hashes: usize,
    most: usize,
    /// Digest, input, how.
    hits: Vec<(usize, usize, String)>,
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
        let word = algorithm.word();
        let first_time = !(thorough && input.likely);
        if first_time && let Some(mac) = algorithm.hmac(key, &input.bytes) {
            // Two hashes of two blocks.
            self.hashes += 2;
            self.look(&mac, number, || format!("HMAC-{} of {{}}, with a key from the same request", word.to_uppercase()));
        }
        for separator in SEPARATORS {
            let plain = separator.is_empty();
            if if plain { !first_time } else { !thorough } {
                continue;
            }
            let salted = [key, separator, &input.bytes].concat();
            self.look(&algorithm.digest(&salted), number, || format!("{word} of {{}}, after a salt from the same request"));
            let salted = [&input.bytes, separator, key].concat();
            self.look(&algorithm.digest(&salted), number, || format!("{word} of {{}}, before a salt from the same request"));
            self.hashes += 2;
        }
    }

    fn look(&mut self, digest: &[u8], input: usize, how: impl Fn() -> String) {
        for &at in self.by_bytes.get(digest).into_iter().flatten() {
            if !self.hits.iter().any(|(known, _, _)| *known == at) {
                self.hits.push((at, input, how()));
            }
        }
    }
}

/// The bytes of a text that is written like a digest, and how it is written.
fn digest_in(text: &str) -> Option<(Vec<u8>, &'static str)> {
    match text.len() {
        32 | 40 | 64 | 128 if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => from_hex(text).map(|bytes| (bytes, "as hex")),
        22 | 24 | 27 | 28 | 43 | 44 | 86 | 88 => {
            from_base64(text).filter(|bytes| LENGTHS.contains(&bytes.len())).map(|bytes| (bytes, "as base64"))
        }
        _ => None,
    }
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    general_purpose::STANDARD_NO_PAD.decode(text).or_else(|_| general_purpose::URL_SAFE_NO_PAD.decode(text)).ok()
}

fn field(endpoint: u64, digest: &Digest) -> u64 {
    let mut hasher = DefaultHasher::new();
    (endpoint, digest.part, &digest.path, digest.bytes.len()).hash(&mut hasher);
    hasher.finish()
}

/// Words of names of keys and salts.
const KEY_WORDS: [&str; 14] =
    ["challenge", "hmac", "iv", "key", "nonce", "pepper", "rand", "random", "salt", "secret", "seed", "sign", "signature", "token"];
/// Between a salt and a value.
const SEPARATORS: [&[u8]; 5] = [b"", b":", b"-", b"_", b"|"];
/// Bytes of md5, sha1, sha256 and sha512.
const LENGTHS: [usize; 4] = [16, 20, 32, 64];
/// Inputs of a value that are tried before all others.
const LIKELY_INPUTS: usize = 2;
const LONGEST_KEY: usize = 128;
/// Shorter keys are taken as they are.
const SHORTEST_ENCODED_KEY: usize = 8;
const MOST_KEYS: usize = 200;
const MOST_NAMED_KEYS: usize = 50;
const MOST_DIGESTS: usize = 64;
/// A field with more of them in one request has ids.
const MOST_DIGESTS_OF_A_FIELD: usize = 8;
/// Hashes for one exchange.
const MOST_HASHES: usize = 20_000;
const MOST_HASHES_WITHOUT_NAME: usize = 8_000;
/// Requests in which a field is tried in vain.
const MOST_TRIES: u32 = 4;
const MOST_TRIES_WITH_KEYS: u32 = 16;
const MOST_FIELDS: usize = 20_000;
