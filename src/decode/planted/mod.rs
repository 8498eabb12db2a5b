//! Planted values in every disguise (R10): one [`Index`] of all forms of all values, searched for in every layer of every request,
//! and a [`Search`] for what one exchange shows only at its end. Where a leaf comes from is the walker's business; how near a
//! position is, `places`'s.

mod chance;
mod dates;
mod digest;
mod encodings;
mod forms;
mod keyed;
mod letters;
mod matcher;
mod overlay;
mod search;
mod series;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
};

use crate::model::{Category, Certainty, LeakGate, Planted, PlantedValue, Reason};

use self::{
    chance::{Alphabet, always_certain, judge},
    forms::{Case, Form, forms, numbers, readable_forms},
    keyed::Keyed,
    matcher::{Hit, Matcher, SHORTEST},
    search::{Open, Place},
    series::AllSeries,
};
use super::{
    category::NameFacts,
    kind::Number,
    leaf::{RawLeaf, Value},
    name,
};

pub(super) use self::search::Search;

/// All planted values of a run, made ready for searching: some hundreds of forms of each.
#[derive(Debug, Default)]
pub(super) struct Index {
    values: Vec<PlantedValue>,
    /// Facts of the forms that `matcher` knows, in its order.
    facts: Vec<Facts>,
    matcher: Matcher,
    /// Forms too short to stand inside anything, by their folded bytes.
    whole: HashMap<u64, Vec<WholeForm>>,
    /// Planted numbers by the bits of their value.
    numbers: HashMap<u64, Vec<NumberFacts>>,
    spellings: Vec<String>,
    series: AllSeries,
    keyed: Keyed,
}

#[derive(Clone, Copy, Debug)]
struct Facts {
    value: usize,
    /// Number in `spellings`.
    spelling: usize,
    bits: f32,
    alphabet: Alphabet,
    /// Forms of this shape, of all values.
    alike: u32,
    readable: bool,
    /// Whether another case is worth a word.
    says_case: bool,
    any_edges: bool,
}

#[derive(Debug)]
struct WholeForm {
    exact: Vec<u8>,
    case: Case,
    facts: Facts,
}

#[derive(Clone, Copy, Debug)]
struct NumberFacts {
    value: usize,
    spelling: &'static str,
    bits: f32,
    alike: u32,
}

/// A planted value in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Match<'i> {
    /// Number of the value in [`Index::values`].
    pub(super) value: usize,
    /// How it is written.
    pub(super) spelling: &'i str,
    /// How unlikely it is to stand there by chance, given these bytes alone.
    pub(super) certainty: Certainty,
    /// Where it stands.
    pub(super) range: Range<usize>,
}

impl Index {
    /// Prepares a search. A later value replaces an earlier one of the same name.
    pub(super) fn new(values: &[PlantedValue]) -> Self {
        let mut index = Self::default();
        for value in values {
            index.values.retain(|known| known.name != value.name || known.value != value.value);
            index.values.push(value.clone());
        }
        let all: Vec<(usize, Form)> = index
            .values
            .iter()
            .enumerate()
            .flat_map(|(number, value)| forms(&value.value).into_iter().map(move |form| (number, form)))
            .collect();
        let mut alike: HashMap<u64, u32> = HashMap::new();
        let shapes: Vec<u64> = all.iter().map(|(_, form)| shape(form)).collect();
        shapes.iter().for_each(|shape| *alike.entry(*shape).or_default() += 1);
        let mut numbered: HashMap<String, usize> = HashMap::new();
        let mut needles = Vec::new();
        for ((value, form), shape) in all.iter().zip(&shapes) {
            let next = numbered.len();
            let spelling = *numbered.entry(form.spelling.to_string()).or_insert(next);
            let facts = Facts {
                value: *value,
                spelling,
                bits: form.bits,
                alphabet: form.alphabet,
                alike: alike.get(shape).copied().unwrap_or(1),
                readable: form.readable,
                says_case: form.case == Case::Folded,
                any_edges: form.edges == forms::Edges::Any,
            };
            if only_whole(form) {
                index.whole.entry(whole_key(&form.bytes)).or_default().push(WholeForm {
                    exact: form.bytes.clone(),
                    case: form.case,
                    facts,
                });
            } else {
                index.facts.push(facts);
                needles.push((form.bytes.as_slice(), form.case, form.edges));
            }
        }
        index.matcher = Matcher::new(needles.into_iter());
        index.spellings = vec![String::new(); numbered.len()];
        for (spelling, number) in numbered {
            index.spellings[number] = spelling;
        }
        index.add_numbers();
        index.series = AllSeries::new(index.values.iter().enumerate().filter_map(|(number, value)| match &value.value {
            Planted::Series(series) => Some((number, series.as_slice())),
            _ => None,
        }));
        index.keyed = Keyed::new(&index.values);
        index
    }

    fn add_numbers(&mut self) {
        let all: Vec<_> = self
            .values
            .iter()
            .enumerate()
            .flat_map(|(value, planted)| numbers(&planted.value).into_iter().map(move |form| (value, form)))
            .collect();
        // Of so many digits.
        let digits = |bits: f32| (bits / 3.3) as u32;
        let mut alike: HashMap<u32, u32> = HashMap::new();
        all.iter().for_each(|(_, form)| *alike.entry(digits(form.bits)).or_default() += 1);
        for (value, form) in &all {
            let alike = alike.get(&digits(form.bits)).copied().unwrap_or(1);
            let facts = NumberFacts { value: *value, spelling: form.spelling, bits: form.bits, alike };
            self.numbers.entry(key(form.value)).or_default().push(facts);
        }
    }

    /// The values, in the order in which they became known.
    pub(super) fn values(&self) -> &[PlantedValue] {
        &self.values
    }

    /// Whether a text (a map key, a path segment) holds a planted value that a person could read in it.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let mut is_in = false;
        self.matcher.find(text.as_bytes(), &mut |hit| is_in |= self.facts[hit.needle].readable);
        is_in
    }

    /// Whether any form of four bytes or more is somewhere in a layer, whatever stands around it. Where it says no, no leaf that
    /// is a piece of this layer byte for byte needs to be searched for them; a leaf that was unescaped does.
    pub(super) fn occurs_in(&self, bytes: &[u8]) -> bool {
        self.matcher.occurs_in(bytes)
    }

    /// Every planted value in bytes: a header, a key, a file name, a body that is only searched. Each is judged by how unlikely
    /// it is in these bytes alone. Forms that contain each other are each given.
    pub(super) fn find_in_bytes(&self, bytes: &[u8], found: &mut dyn FnMut(Match<'_>)) {
        let search = Search { leaves: 1, binary_bytes: bytes.len() as u64, ..Search::default() };
        let mut text = None;
        self.matcher.find(bytes, &mut |hit| {
            let facts = &self.facts[hit.needle];
            let place = place_of(facts, &hit, bytes, &mut text);
            if let Some(certainty) = judge(search.by_chance(place, facts.bits, facts.alphabet), facts.alike) {
                let spelling = self.spellings.get(facts.spelling).map_or("", String::as_str);
                found(Match { value: facts.value, spelling, certainty, range: hit.start..hit.end });
            }
        });
    }

    /// Everything planted in one leaf: categories with reasons, and the numbers of the values found. With `search_text` false,
    /// only what no search of a layer could have found is looked for: numbers, short forms, series.
    ///
    /// What can be judged only when the whole exchange was searched comes from [`Search::end`].
    pub(super) fn find(
        &self,
        name: &NameFacts,
        leaf: &RawLeaf<'_>,
        search_text: bool,
        search: &mut Search,
        reasons: &mut Vec<(Category, Reason)>,
        found: &mut BTreeSet<usize>,
    ) {
        if self.values.is_empty() || matches!(leaf.value, Value::Null | Value::Boolean(_)) {
            return;
        }
        search.leaves += 1;
        if !self.keyed.is_empty() {
            search.material.note(leaf, &name.words);
        }
        let mut taker = Taker { index: self, name, leaf, search, reasons, found };
        match leaf.value {
            Value::Number(text) | Value::Text(text) => {
                taker.search.text_bytes += text.len() as u64;
                if search_text && text.len() >= SHORTEST {
                    taker.forms_in(text.as_bytes(), true);
                }
                taker.whole(text.as_bytes());
                taker.number(text);
                taker.list_of_numbers(text);
                taker.series_in_hex(text);
            }
            Value::Bytes { bytes, text } => {
                taker.search.binary_bytes += bytes.len() as u64;
                if search_text {
                    if let Some(text) = text {
                        taker.forms_in(text.as_bytes(), true);
                    }
                    taker.forms_in(bytes, false);
                }
                text.into_iter().for_each(|text| taker.whole(text.as_bytes()));
                taker.whole(bytes);
                taker.series_in(bytes);
            }
            Value::Opaque(bytes) => {
                taker.search.binary_bytes += bytes.len() as u64;
                if search_text {
                    taker.forms_in(bytes, false);
                }
                taker.whole(bytes);
                taker.series_in(bytes);
            }
            Value::Null | Value::Boolean(_) => {}
        }
    }

    fn reason(&self, value: usize, spelling: String, certainty: Certainty) -> Reason {
        let name = self.values.get(value).map(|value| value.name.clone()).unwrap_or_default();
        Reason::PlantedValue { name, spelling, certainty }
    }
}

/// Takes what is found in one leaf.
struct Taker<'t, 'l> {
    index: &'t Index,
    name: &'t NameFacts,
    leaf: &'t RawLeaf<'l>,
    search: &'t mut Search,
    reasons: &'t mut Vec<(Category, Reason)>,
    found: &'t mut BTreeSet<usize>,
}

impl Taker<'_, '_> {
    /// Forms in a text or in binary data; of each value the one that says most.
    fn forms_in(&mut self, bytes: &[u8], text: bool) {
        let index = self.index;
        let mut best: Vec<(Hit, &Facts)> = Vec::new();
        index.matcher.find(bytes, &mut |hit| {
            let facts = &index.facts[hit.needle];
            let rank = |hit: &Hit, facts: &Facts| (hit.end - hit.start == bytes.len(), facts.bits, hit.end - hit.start);
            match best.iter_mut().find(|(_, known)| known.value == facts.value) {
                Some(known) => {
                    if rank(&hit, facts) > rank(&known.0, known.1) {
                        *known = (hit, facts);
                    }
                }
                None => best.push((hit, facts)),
            }
        });
        let mut text_bytes = None;
        for (hit, facts) in best {
            let there = &bytes[hit.start..hit.end];
            let place = match place_of(facts, &hit, bytes, &mut text_bytes) {
                Place::Binary { word, .. } if text => Place::Text(word),
                place => place,
            };
            let same = !facts.says_case || index.matcher.form(hit.needle) == there;
            self.hit(facts, place, same);
        }
    }

    /// Forms too short to be looked for inside anything.
    fn whole(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || bytes.len() > LONGEST_WHOLE {
            return;
        }
        let Some(forms) = self.index.whole.get(&whole_key(bytes)) else { return };
        for form in
            forms.iter().filter(|form| if form.case == Case::Exact { form.exact == bytes } else { form.exact.eq_ignore_ascii_case(bytes) })
        {
            self.hit(&form.facts, Place::Whole, form.case != Case::Folded || form.exact == bytes);
        }
    }

    fn number(&mut self, text: &str) {
        let index = self.index;
        let in_array = !index.series.is_empty() && self.leaf.path.contains("[]");
        if index.numbers.is_empty() && !in_array {
            return;
        }
        let number = Number::parse(text);
        for facts in number.and_then(|number| index.numbers.get(&key(number.value))).into_iter().flatten() {
            self.judge(facts.value, facts.spelling, (facts.bits, Alphabet::Text, facts.alike), Place::Whole);
        }
        if in_array && let Some(number) = number {
            // Times and ids are no readings, whatever their last digits.
            let reading = if number.value.abs() <= MOST_READING && number.value.fract() == 0.0 { number.value as i32 } else { i32::MAX };
            self.search.columns.add(self.leaf.part, self.leaf.path, reading);
        }
    }

    fn list_of_numbers(&mut self, text: &str) {
        if self.index.series.is_empty() || text.len() < SHORTEST_LIST {
            return;
        }
        if let Some(numbers) = numbers_of_list(text) {
            self.tell_series(|series, found| series.find_in_numbers(&numbers, "in a list", found));
        }
    }

    /// Hex digits that nothing says are data stay a text; a series in them says so.
    fn series_in_hex(&mut self, text: &str) {
        if self.index.series.is_empty() || text.len() < SHORTEST_HEX {
            return;
        }
        let Some(bytes) = digest::from_hex(text) else { return };
        let mut cut = false;
        self.tell_series(|series, found| {
            cut = series.find_in_bytes(&bytes, &mut |hit| {
                let spelling = format!("{}, as hex", hit.spelling);
                found(series::SeriesHit { spelling, ..hit });
            });
        });
        self.search.cut |= cut;
    }

    fn series_in(&mut self, bytes: &[u8]) {
        let mut cut = false;
        self.tell_series(|series, found| cut = series.find_in_bytes(bytes, found));
        self.search.cut |= cut;
    }

    fn tell_series(&mut self, search: impl FnOnce(&AllSeries, &mut dyn FnMut(series::SeriesHit))) {
        let mut hits = Vec::new();
        search(&self.index.series, &mut |hit| hits.push(hit));
        for hit in hits {
            self.tell(hit.number, hit.spelling, hit.certainty);
        }
    }

    fn hit(&mut self, facts: &Facts, place: Place, same_case: bool) {
        let spelling = self.index.spellings.get(facts.spelling).map_or("", String::as_str);
        let says = (facts.bits, facts.alphabet, facts.alike);
        match (same_case, spelling) {
            (true, _) => self.judge(facts.value, spelling, says, place),
            (false, "plain") => self.judge(facts.value, "case-folded", says, place),
            (false, _) => self.judge(facts.value, &format!("{spelling}, case-folded"), says, place),
        }
    }

    /// Tells at once what no number of places could make a chance; the rest waits for the end.
    fn judge(&mut self, value: usize, spelling: &str, (bits, alphabet, alike): (f32, Alphabet, u32), place: Place) {
        if always_certain(bits, alike) {
            self.tell(value, spelling.to_owned(), Certainty::Certain);
            return;
        }
        let named = name_fits(self.name, &self.index.values[value], bits);
        if named || judge(chance::expected(bits * MOST_IN_NOISE, 1.0), alike).is_some() {
            if named {
                self.found.insert(value);
            }
            let (part, path, spelling) = (self.leaf.part, self.leaf.path.to_owned(), spelling.to_owned());
            self.search.open(Open { part, path, value, spelling, bits, alike, alphabet, place, named });
        }
    }

    fn tell(&mut self, value: usize, spelling: String, certainty: Certainty) {
        self.found.insert(value);
        self.reasons.push((self.index.values[value].category, self.index.reason(value, spelling, certainty)));
    }
}

/// Tells the leak gate every spelling of a value that a person could read. Short numbers are left out: they are in every report.
pub(super) fn remember(value: &Planted, gate: &mut LeakGate) {
    for form in readable_forms(value) {
        let short_number = matches!(value, Planted::Integer(_) | Planted::Decimal(_)) && form.bytes.len() < 6;
        let Some(text) = std::str::from_utf8(&form.bytes).ok().filter(|_| !short_number) else { continue };
        gate.remember_planted(text);
        if form.case != Case::Exact {
            gate.remember_planted(&text.to_lowercase());
            gate.remember_planted(&text.to_uppercase());
        }
    }
    match value {
        Planted::Integer(number) if number.abs() >= 100_000 => gate.remember_planted(&number.to_string()),
        Planted::Decimal(text) if text.len() >= 6 => gate.remember_planted(text),
        Planted::Position(position) => {
            for coordinate in [position.lat, position.lon] {
                for decimals in 3..=7 {
                    gate.remember_planted(&format!("{coordinate:.decimals$}"));
                }
                gate.remember_planted(&coordinate.to_string());
            }
        }
        _ => {}
    }
}

/// Numbers of a text that is nothing but numbers with separators between: `62,63,61`, `62;+1;-2`, `3,62;,1`. What is left out
/// between two separators is no reading.
fn numbers_of_list(text: &str) -> Option<Vec<i32>> {
    let separator = |byte: u8| matches!(byte, b',' | b';' | b'|' | b':' | b'/' | b'_' | b' ' | b'\t' | b'\r' | b'\n');
    let bytes = text.trim_matches(['[', ']', '{', '}', ' ']).as_bytes();
    if !bytes.iter().take(64).all(|byte| separator(*byte) || byte.is_ascii_digit() || b"+-.".contains(byte)) {
        return None;
    }
    let mut numbers = Vec::new();
    let blank = |piece: &[u8]| piece.is_empty();
    let spaced = !bytes.iter().any(|byte| separator(*byte) && !byte.is_ascii_whitespace());
    for piece in bytes.split(|byte| if spaced { byte.is_ascii_whitespace() } else { separator(*byte) && !byte.is_ascii_whitespace() }) {
        let piece = piece.trim_ascii();
        if blank(piece) {
            if !spaced {
                numbers.push(0);
            }
            continue;
        }
        let text = std::str::from_utf8(piece).ok()?;
        let text = text.strip_suffix(".0").unwrap_or(text);
        match text.parse::<i64>() {
            Ok(number) => numbers.push(i32::try_from(number).unwrap_or(i32::MAX)),
            Err(_) => {
                Number::parse(text)?;
                numbers.push(i32::MAX);
            }
        }
        if numbers.len() >= MOST_OF_A_LIST {
            break;
        }
    }
    Some(numbers)
}

/// Whether a form is compared with whole leaves only: shorter ones are found everywhere in what they are written in.
fn only_whole(form: &Form) -> bool {
    form.bytes.len()
        < match form.alphabet {
            Alphabet::Text | Alphabet::Hex => SHORTEST,
            Alphabet::Raw => 6,
            Alphabet::Base64 => LONGEST_WHOLE + 1,
        }
}

/// Up to seven bytes, letters folded, and how many they are.
fn whole_key(bytes: &[u8]) -> u64 {
    bytes.iter().fold(bytes.len() as u64, |key, byte| key << 8 | u64::from(byte.to_ascii_lowercase()))
}

/// Where a hit stands; how much of the bytes is text is counted once, and only where something was found.
fn place_of(facts: &Facts, hit: &Hit, bytes: &[u8], text: &mut Option<f64>) -> Place {
    let length = hit.end - hit.start;
    if length == bytes.len() {
        Place::Whole
    } else {
        let text = *text.get_or_insert_with(|| chance::text_bytes(bytes));
        Place::Binary { text, word: if facts.any_edges { 1 } else { length } }
    }
}

/// Forms of one shape could each stand where the other does.
fn shape(form: &Form) -> u64 {
    let mut hasher = DefaultHasher::new();
    form.alphabet.hash(&mut hasher);
    form.bytes.len().hash(&mut hasher);
    if form.alphabet == Alphabet::Text {
        for byte in &form.bytes {
            let class = match byte {
                b'0'..=b'9' => b'0',
                b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => b'a',
                _ => *byte,
            };
            class.hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// One key for equal numbers: zero has two signs.
fn key(value: f64) -> u64 {
    (value + 0.0).to_bits()
}

/// Whether a leaf's name speaks of what was planted: a word of its category, unless the form says so little that any number of
/// that category could be it; or a word of the planted value's own name (`birthday` of `profile.birth`).
fn name_fits(name: &NameFacts, planted: &PlantedValue, bits: f32) -> bool {
    let of_category = || name.may_be(planted.category);
    let own = || name::words(planted.name.rsplit('.').next().unwrap_or_default());
    let speaks =
        |own: &String| own.len() >= 3 && name.words.iter().any(|word| word == own || (own.len() >= 4 && word.starts_with(own.as_str())));
    (bits >= TELLING && of_category()) || own().iter().any(speaks)
}

/// Forms that are compared with whole leaves only are no longer.
const LONGEST_WHOLE: usize = 7;
/// A form of so many bits is not just any number of its category.
const TELLING: f32 = 16.0;
/// No place makes a form say more than so many times its bits.
const MOST_IN_NOISE: f32 = 1.4;
/// Readings and their differences are smaller.
const MOST_READING: f64 = 65_536.0;
/// Twenty numbers with separators between.
const SHORTEST_LIST: usize = 39;
/// Hex digits of the fewest minutes.
const SHORTEST_HEX: usize = 40;
const MOST_OF_A_LIST: usize = 1 << 19;
