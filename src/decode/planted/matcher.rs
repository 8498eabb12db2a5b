//! Finds tens of thousands of forms in one pass. An automaton over that many would not fit any cache; this looks at six bytes at
//! every third place, asks a small filter whether any form has them there, and compares only then.

use super::forms::{Case, Edges};

/// Forms made ready for searching, by the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    pool: Vec<u8>,
    needles: Vec<Needle>,
    /// Six bytes of every form of eight or more, at three places after each other.
    long: Grams,
    /// Four bytes of every form of four to seven.
    short: Grams,
    /// Three bytes of those, at two places after each other: one bit each, small enough for the first-level cache.
    first: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Needle {
    start: u32,
    length: u16,
    case: Case,
    edges: Edges,
}

/// Where a form stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    /// Its number.
    pub(super) needle: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Matcher {
    /// Takes forms of four bytes or more.
    pub(super) fn new<'a>(forms: impl Iterator<Item = (&'a [u8], Case, Edges)>) -> Self {
        let mut matcher = Self::default();
        let count = forms.size_hint().0;
        matcher.needles.reserve(count);
        let (mut long, mut short) = (Vec::with_capacity(count * STRIDE), Vec::new());
        for (bytes, case, edges) in forms {
            let number = matcher.needles.len() as u32;
            matcher.needles.push(Needle {
                start: matcher.pool.len() as u32,
                length: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
                case,
                edges,
            });
            matcher.pool.extend_from_slice(&bytes[..bytes.len().min(usize::from(u16::MAX))]);
            if bytes.len() >= SHORTEST_LONG {
                let from = most_telling(bytes);
                long.extend((from..from + STRIDE).map(|at| Entry { key: gram(bytes, at) & SIX, needle: number, at: at as u32 }));
            } else if bytes.len() >= SHORTEST {
                short.push(Entry { key: gram(bytes, 0) & FOUR, needle: number, at: 0 });
            }
        }
        if !short.is_empty() {
            matcher.first = vec![0; 1 << (FIRST_BITS - 6)];
            for entry in &short {
                for key in [entry.key, entry.key >> 8] {
                    let bit = first_bit(key);
                    matcher.first[bit / 64] |= 1 << (bit % 64);
                }
            }
        }
        matcher.long = Grams::new(long);
        matcher.short = Grams::new(short);
        matcher
    }

    /// Whether any form is in the bytes, whatever stands beside it.
    pub(super) fn occurs_in(&self, bytes: &[u8]) -> bool {
        let mut occurs = false;
        self.scan(bytes, &mut |_| {
            occurs = true;
            false
        });
        occurs
    }

    /// Every form in the bytes, each once, with nothing beside it that makes it part of something else.
    pub(super) fn find(&self, bytes: &[u8], found: &mut impl FnMut(Hit)) {
        self.scan(bytes, &mut |hit| {
            if self.stands_free(bytes, hit) {
                found(hit);
            }
            true
        });
    }

    /// The bytes of a form, as they were added.
    pub(super) fn form(&self, needle: usize) -> &[u8] {
        self.needles.get(needle).map_or(&[], |needle| &self.pool[needle.start as usize..][..usize::from(needle.length)])
    }

    /// Gives every form found to `hit`, until it says `false`.
    fn scan(&self, bytes: &[u8], hit: &mut impl FnMut(Hit) -> bool) {
        match (self.long.entries.is_empty(), self.short.entries.is_empty()) {
            (true, true) => {}
            (_, true) => self.scan_for::<false>(bytes, hit),
            _ => self.scan_for::<true>(bytes, hit),
        }
    }

    fn scan_for<const SHORT: bool>(&self, bytes: &[u8], hit: &mut impl FnMut(Hit) -> bool) {
        let mut at = 0;
        while let (Some(first), Some(second)) = (word(bytes, at), word(bytes, at + STRIDE)) {
            if !self.look::<SHORT>(first, second, bytes, at, hit) {
                return;
            }
            at += 2 * STRIDE;
        }
        while at < bytes.len() {
            // Beyond the end are zeros: what matches there is found out by comparing.
            if !self.look::<SHORT>(gram(bytes, at), gram(bytes, at + STRIDE), bytes, at, hit) {
                return;
            }
            at += 2 * STRIDE;
        }
    }

    /// Six places, given the eight bytes at the first and those at the fourth.
    #[inline]
    fn look<const SHORT: bool>(&self, first: u64, second: u64, bytes: &[u8], at: usize, hit: &mut impl FnMut(Hit) -> bool) -> bool {
        let (first, second) = (first | FOLD, second | FOLD);
        if self.long.may_hold(first & SIX) && !self.compare(&self.long, first & SIX, bytes, at, hit) {
            return false;
        }
        if self.long.may_hold(second & SIX) && !self.compare(&self.long, second & SIX, bytes, at + STRIDE, hit) {
            return false;
        }
        // Asked for all three before the first branch: nearly always the answer is no.
        if SHORT && (self.may_begin(first) | self.may_begin(first >> 16) | self.may_begin(first >> 32)) {
            return (0..2 * STRIDE)
                .step_by(2)
                .all(|place| !self.may_begin(first >> (8 * place)) || self.compare_short(bytes, at + place, hit));
        }
        true
    }

    /// Whether a short form may begin with these three bytes, or one byte before them.
    #[inline]
    fn may_begin(&self, key: u64) -> bool {
        let bit = first_bit(key);
        self.first.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    #[cold]
    fn compare_short(&self, bytes: &[u8], at: usize, hit: &mut impl FnMut(Hit) -> bool) -> bool {
        at.checked_sub(1).into_iter().chain([at]).all(|start| {
            let key = gram(bytes, start) & FOUR;
            !self.short.may_hold(key) || self.compare(&self.short, key, bytes, start, hit)
        })
    }

    #[cold]
    fn compare(&self, grams: &Grams, key: u64, bytes: &[u8], at: usize, hit: &mut impl FnMut(Hit) -> bool) -> bool {
        for entry in grams.bucket(key) {
            if entry.key != key {
                continue;
            }
            let needle = self.needles[entry.needle as usize];
            let length = usize::from(needle.length);
            let form = &self.pool[needle.start as usize..][..length];
            let Some(start) = at.checked_sub(entry.at as usize) else { continue };
            let Some(there) = bytes.get(start..start + length) else { continue };
            let same = if needle.case == Case::Exact { there == form } else { there.eq_ignore_ascii_case(form) };
            if same && !hit(Hit { needle: entry.needle as usize, start, end: start + length }) {
                return false;
            }
        }
        true
    }

    fn stands_free(&self, bytes: &[u8], hit: Hit) -> bool {
        let edges = self.needles[hit.needle].edges;
        let glues = |c: char| match edges {
            Edges::Any => false,
            Edges::Digits => c.is_ascii_digit(),
            Edges::Words => c.is_alphanumeric(),
        };
        let glued = |inside: Option<char>, outside: Option<char>| inside.is_some_and(glues) && outside.is_some_and(glues);
        let (before, form) = bytes.split_at(hit.start);
        let (form, after) = form.split_at(hit.end - hit.start);
        !glued(first_character(form), last_character(before)) && !glued(last_character(form), first_character(after))
    }
}

/// The character that bytes begin with, if it is one of UTF-8.
fn first_character(bytes: &[u8]) -> Option<char> {
    let head = &bytes[..bytes.len().min(4)];
    (1..=head.len()).find_map(|length| std::str::from_utf8(&head[..length]).ok()).and_then(|text| text.chars().next())
}

/// The character that bytes end in, if it is one of UTF-8.
fn last_character(bytes: &[u8]) -> Option<char> {
    let tail = &bytes[bytes.len().saturating_sub(4)..];
    (1..=tail.len()).find_map(|length| std::str::from_utf8(&tail[tail.len() - length..]).ok()).and_then(|text| text.chars().last())
}

/// Which forms have which bytes at which place.
#[derive(Debug)]
struct Grams {
    /// Two bits a key, in one word: small enough for the second-level cache.
    filter: Vec<u64>,
    filter_shift: u32,
    /// First entry of each bucket, and one more.
    buckets: Vec<u32>,
    bucket_shift: u32,
    /// By bucket.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: u64,
    needle: u32,
    /// Where in the form the key stands.
    at: u32,
}

impl Default for Grams {
    /// Of no form.
    fn default() -> Self {
        Self { filter: vec![0], filter_shift: 63, buckets: vec![0; 3], bucket_shift: 63, entries: Vec::new() }
    }
}

impl Grams {
    fn new(mut entries: Vec<Entry>) -> Self {
        if entries.is_empty() {
            return Self::default();
        }
        // Sixteen bits for each key: about one place in a hundred is compared in vain.
        let words = (entries.len() / 4).next_power_of_two().clamp(64, MOST_WORDS);
        let mut filter = vec![0; words];
        let filter_shift = 64 - words.trailing_zeros();
        for entry in &entries {
            let hash = hash(entry.key);
            filter[(hash >> filter_shift) as usize] |= bits_of(hash, filter_shift);
        }
        let buckets_count = entries.len().next_power_of_two().max(2);
        let bucket_shift = 64 - buckets_count.trailing_zeros();
        entries.sort_unstable_by_key(|entry| (hash(entry.key) >> bucket_shift, entry.key, entry.needle, entry.at));
        let mut buckets = vec![0_u32; buckets_count + 1];
        for entry in &entries {
            buckets[(hash(entry.key) >> bucket_shift) as usize + 1] += 1;
        }
        for at in 1..buckets.len() {
            buckets[at] += buckets[at - 1];
        }
        Self { filter, filter_shift, buckets, bucket_shift, entries }
    }

    #[inline]
    fn may_hold(&self, key: u64) -> bool {
        let hash = hash(key);
        let bits = bits_of(hash, self.filter_shift);
        self.filter.get((hash >> self.filter_shift) as usize).is_some_and(|word| word & bits == bits)
    }

    fn bucket(&self, key: u64) -> &[Entry] {
        let bucket = (hash(key) >> self.bucket_shift) as usize;
        &self.entries[self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize]
    }
}

/// Fibonacci hashing: the upper bits depend on the whole key.
#[inline]
fn hash(key: u64) -> u64 {
    key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Two bits within a word, from the bits of the hash below those that chose the word.
#[inline]
fn bits_of(hash: u64, filter_shift: u32) -> u64 {
    1 << (hash >> (filter_shift - 6) & 63) | 1 << (hash >> (filter_shift - 12) & 63)
}

/// Where `Matcher::first` keeps three bytes.
#[inline]
fn first_bit(key: u64) -> usize {
    (hash(key & THREE) >> (64 - FIRST_BITS)) as usize
}

/// Eight bytes from a place.
#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk::<8>().map(|window| u64::from_le_bytes(*window))
}

/// Eight bytes from a place, letters folded, zeros (folded too) beyond the end.
fn gram(bytes: &[u8], at: usize) -> u64 {
    let mut window = [0; 8];
    let rest = bytes.get(at..).unwrap_or_default();
    let rest = &rest[..rest.len().min(8)];
    window[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(window) | FOLD
}

/// Where in a form the keys are taken: the place with the most different bytes, for many forms begin alike (`\u00`, `%C3%`).
fn most_telling(bytes: &[u8]) -> usize {
    let different = |from: usize| {
        let mut seen = [0_u64; 4];
        bytes[from..from + SHORTEST_LONG].iter().for_each(|byte| seen[usize::from(byte >> 6)] |= 1 << (byte & 63));
        seen.iter().map(|word| word.count_ones()).sum::<u32>()
    };
    let last = (bytes.len() - SHORTEST_LONG).min(16);
    // The first of the best.
    (0..=last).rev().max_by_key(|from| different(*from)).unwrap_or(0)
}

/// Sets the bit that tells lower from upper case in ASCII. It makes some other bytes equal too; comparing tells them apart.
const FOLD: u64 = 0x2020_2020_2020_2020;
const SIX: u64 = 0xffff_ffff_ffff;
const FOUR: u64 = 0xffff_ffff;
const THREE: u64 = 0xff_ffff;
/// Eight kibibytes.
const FIRST_BITS: u32 = 16;
/// Every so many bytes are looked at.
const STRIDE: usize = 3;
/// Six bytes at each of three places.
const SHORTEST_LONG: usize = 8;
/// Shorter forms are compared with whole leaves only.
pub(super) const SHORTEST: usize = 4;
/// 512 KiB.
const MOST_WORDS: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(matcher: &Matcher, text: &[u8]) -> Vec<(usize, usize)> {
        let mut all = Vec::new();
        matcher.find(text, &mut |hit| all.push((hit.needle, hit.start)));
        all.sort_unstable();
        assert!(all.is_empty() || matcher.occurs_in(text));
        all
    }

    #[test]
    fn every_form_is_found_at_every_place() {
        let mut random = fastrand::Rng::with_seed(1);
        let forms: Vec<Vec<u8>> =
            (0..3_000).map(|number| std::iter::repeat_with(|| random.alphanumeric() as u8).take(4 + number % 60).collect()).collect();
        let matcher = Matcher::new(forms.iter().map(|form| (form.as_slice(), Case::Folded, Edges::Any)));
        for (number, form) in forms.iter().enumerate().step_by(7) {
            for before in 0..7 {
                for after in [0, 1, 9] {
                    let text = [&b"........."[..before], form, &b"........."[..after]].concat().to_ascii_uppercase();
                    assert!(hits(&matcher, &text).contains(&(number, before)), "{number} {before} {after}");
                }
            }
        }
        let short = Matcher::new([(&b"Anna"[..], Case::Folded, Edges::Words)].into_iter());
        assert_eq!(hits(&short, b"to anna, and to Annabel, and to banana ANNA"), [(0, 3), (0, 39)]);
        assert!(!matcher.occurs_in(b"") && !matcher.occurs_in(b"...") && !Matcher::default().occurs_in(b"anything"));
    }

    #[test]
    fn case_and_edges_are_kept() {
        let forms: [(&[u8], Case, Edges); 4] = [
            (b"Quillon", Case::Folded, Edges::Words),
            (b"QzA6RkY6RUU", Case::Exact, Edges::Any),
            (b"19840307", Case::Exact, Edges::Digits),
            (&[0xc0, 0xff, 0xee, 0x12, 0x34, 0x56], Case::Exact, Edges::Any),
        ];
        let matcher = Matcher::new(forms.into_iter());
        for (text, want) in [
            (&b"hello QUILLON!"[..], &[(0, 6)][..]),
            (b"Quillonia", &[]),
            ("éQuillon".as_bytes(), &[]),
            (b"\x9b\x9bQuillon\xff", &[(0, 2)]),
            (b"xQzA6RkY6RUUx", &[(1, 1)]),
            (b"xqza6rky6ruux", &[]),
            (b"d19840307T", &[(2, 1)]),
            (b"119840307", &[]),
            (&[0xe0, 0xc0, 0xff, 0xee, 0x12, 0x34, 0x56, 0xff], &[(3, 1)]),
            (&[0xe0, 0xff, 0xee, 0x12, 0x34, 0x56], &[]),
        ] {
            assert_eq!(hits(&matcher, text), want, "{text:?}");
        }
    }
}
