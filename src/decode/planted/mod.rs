//! Planted values in every disguise (R10): one [`Index`] of all forms of all values, searched for in every layer of every request,
//! and a [`Search`] for what one exchange shows only at its end. Where a leaf comes from is the walker's business; how near a
//! position is, `places`'s.

mod chance;
mod dates;
mod digest;
mod encodings;
mod filter;
mod forms;
mod gathered;
mod keyed;
mod letters;
mod matcher;
mod moments;
mod overlay;
mod search;
mod series;
mod shown;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
};

use jiff::civil::Date;

use crate::model::{Category, Certainty, Encoding, LeakGate, Planted, PlantedValue, Quantity, Reason};

use self::{
    chance::{Alphabet, always_certain, judge},
    forms::{Case, Form, forms, is_dull, numbers, readable_forms},
    gathered::Values,
    keyed::Keyed,
    matcher::{Hit, Matcher, SHORTEST},
    search::{Open, Place},
    series::{AllSeries, Series},
    shown::SeriesHit,
};
use super::{
    category::NameFacts,
    format,
    kind::Number,
    leaf::{Awaits, RawLeaf, Value},
    name,
};

pub(super) use self::{
    gathered::{Gathered, Piece, Together, Untold},
    search::{Ended, FoundMinutes, Search},
};

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
    /// Digits of planted phone numbers, with the numbers of their values.
    phones: Vec<(usize, String)>,
    /// Planted dates, with the numbers of their values.
    dates: Vec<(usize, Date)>,
    spellings: Vec<String>,
    series: AllSeries,
    keyed: Keyed,
    /// Of each value the number of the one that it is a part of, or its own: what stands in one object together says more.
    wholes: Vec<usize>,
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
        let (mut alike, mut written) = (HashMap::<u64, u32>::new(), Vec::new());
        let shapes: Vec<u64> = all.iter().map(|(_, form)| shape(form, &mut written)).collect();
        shapes.iter().for_each(|shape| *alike.entry(*shape).or_default() += 1);
        let mut numbered: HashMap<&str, usize> = HashMap::new();
        let mut needles = Vec::new();
        for ((value, form), shape) in all.iter().zip(&shapes) {
            let next = numbered.len();
            let spelling = *numbered.entry(&form.spelling).or_insert(next);
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
            index.spellings[number] = spelling.to_owned();
        }
        index.add_numbers();
        index.dates = index
            .values
            .iter()
            .enumerate()
            .filter_map(|(number, value)| match value.value {
                Planted::Date(date) => Some((number, date)),
                _ => None,
            })
            .collect();
        index.phones = index.values.iter().enumerate().filter_map(|(number, value)| Some((number, phone(value)?))).collect();
        let days: Vec<Option<Vec<u8>>> = index.values.iter().map(|value| day_of_minutes(&value.value)).collect();
        index.series = AllSeries::new(index.values.iter().zip(&days).enumerate().filter_map(|(number, (value, day))| match &value.value {
            Planted::Series(values) => Some(Series { number, values, day: None }),
            Planted::Minutes(minutes) => Some(Series { number, values: day.as_deref()?, day: Some(minutes.day) }),
            _ => None,
        }));
        index.keyed = Keyed::new(&index.values);
        let number_of = |whole: &PlantedValue| index.values.iter().position(|value| value.name == whole.name);
        let whole = |(number, value)| whole_of(value, &index.values).and_then(number_of).unwrap_or(number);
        index.wholes = index.values.iter().enumerate().map(whole).collect();
        index
    }

    fn add_numbers(&mut self) {
        let all: Vec<_> = self
            .values
            .iter()
            .enumerate()
            .flat_map(|(value, planted)| numbers(&planted.name, &planted.value).into_iter().map(move |form| (value, form)))
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
        search.awaits = Awaits::default();
        search.minutes = 0.0;
        if self.values.is_empty() || matches!(leaf.value, Value::Null | Value::Boolean(_)) {
            return;
        }
        search.leaves += 1;
        if !self.keyed.is_empty() && search.material.note(leaf, &name.words) {
            search.awaits.ticket = Some(leaf.ticket());
        }
        let mut taker = Taker { index: self, name, leaf, search, reasons, found, within: "" };
        match leaf.value {
            Value::Number(text) | Value::Text(text) => {
                taker.search.text_bytes += text.len() as u64;
                if search_text && text.len() >= SHORTEST {
                    taker.forms_in(text.as_bytes(), true);
                }
                taker.whole(text.as_bytes());
                taker.number(text);
                taker.phone(text);
                taker.list_of_numbers(text);
                taker.encoded(text);
                // A pulse of 48 to 122 is a text, too.
                if leaf.chain.last().is_some_and(|last| holds_bytes(*last)) {
                    taker.series_in(text.as_bytes());
                }
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
                // Lines of text that no format takes.
                if let Ok(text) = std::str::from_utf8(bytes) {
                    taker.list_of_numbers(text);
                }
            }
            Value::Null | Value::Boolean(_) => {}
        }
    }

    /// Whether a value has parts, or is one: together they may be certain where each may be chance.
    fn has_parts(&self, value: usize) -> bool {
        let whole = self.wholes.get(value);
        self.wholes.iter().filter(|other| whole == Some(*other)).count() > 1
    }

    /// Whether a value is a part of another.
    fn is_part(&self, value: usize) -> bool {
        self.wholes.get(value).is_some_and(|whole| *whole != value)
    }

    /// The first part of the same whole that has the same value: a number says once what it says, also where it is both steps and metres.
    fn first_equal(&self, value: usize) -> usize {
        let is = |other: &usize| self.wholes.get(*other) == self.wholes.get(value) && self.values[*other].value == self.values[value].value;
        (0..value).find(is).unwrap_or(value)
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
    /// What is said of the encoding that is being looked into.
    within: &'static str,
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
            if !self.within.is_empty() && self.found.contains(&facts.value) {
                // It was seen in the text around it.
                continue;
            }
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
        let minutes = !index.series.is_empty();
        if index.numbers.is_empty() && index.dates.is_empty() && !minutes {
            return;
        }
        let number = Number::parse(text);
        for facts in number.and_then(|number| index.numbers.get(&key(number.value))).into_iter().flatten() {
            self.judge(facts.value, facts.spelling, (facts.bits, Alphabet::Text, facts.alike), Place::Whole);
        }
        match number {
            // A float of 32 bits, written as one of 64: 63.400001525878906.
            Some(number) if number.decimals > DECIMALS_OF_A_FLOAT && f64::from(number.value as f32) == number.value => {
                let short = (number.value as f32).to_string().parse().unwrap_or(number.value);
                self.rewritten_number(short, "a float of 32 bits", false);
            }
            Some(_) => {}
            None => {
                if let Some(value) = number_with_unit(text) {
                    self.rewritten_number(value, "as people write it", true);
                }
                self.month_of_date(text);
            }
        }
        if minutes && let Some(number) = number {
            // Times and ids are no readings, whatever their last digits.
            let reading = if number.value.abs() <= MOST_READING && number.value.fract() == 0.0 { number.value as i32 } else { i32::MAX };
            self.search.awaits.column = self.search.columns.add(self.leaf.part, self.leaf.path, reading);
        }
    }

    /// A phone number in another spelling than the planted one: with other separators, with its country or without.
    fn phone(&mut self, text: &str) {
        let index = self.index;
        if index.phones.is_empty() {
            return;
        }
        let text = text.trim();
        let Some(digits) = forms::phone_digits(text) else { return };
        for (value, planted) in &index.phones {
            // Those are forms like any other.
            let same = text.trim_start_matches('+') == planted
                || matches!(&index.values[*value].value, Planted::Text(planted) if planted.trim() == text);
            let (sent, planted) = (digits.trim_start_matches('0'), planted.trim_start_matches('0'));
            let (shorter, longer) = if sent.len() < planted.len() { (sent, planted) } else { (planted, sent) };
            let is = shorter.len() >= SHORTEST_PHONE && longer.len() - shorter.len() <= LONGEST_COUNTRY && longer.ends_with(shorter);
            if is && !same {
                let bits = chance::bits(shorter.as_bytes(), Alphabet::Text);
                self.judge(*value, "as phone numbers are written", (bits, Alphabet::Text, 1), Place::Whole);
            }
        }
    }

    /// A number that is not written as numbers are; `under_a_name` where only a name that speaks of it makes it a hit.
    fn rewritten_number(&mut self, value: f64, how: &str, under_a_name: bool) {
        let index = self.index;
        for facts in index.numbers.get(&key(value)).into_iter().flatten() {
            if !under_a_name || name_fits(self.name, self.leaf.path, &index.values[facts.value], facts.bits) {
                let says = (facts.bits, Alphabet::Text, facts.alike);
                self.judge(facts.value, &format!("{}, {how}", facts.spelling), says, Place::Whole);
            }
        }
    }

    /// Year and month of a date, under a name that speaks of it: it is one of a few hundred.
    fn month_of_date(&mut self, text: &str) {
        let index = self.index;
        for &(value, date) in &index.dates {
            let is = (6..=7).contains(&text.len()) && dates::months(date).iter().any(|month| month == text);
            if is && name_fits(self.name, self.leaf.path, &index.values[value], TELLING) {
                self.judge(value, "year and month", (BITS_OF_A_MONTH, Alphabet::Text, 1), Place::Whole);
            }
        }
    }

    fn list_of_numbers(&mut self, text: &str) {
        if self.index.series.is_empty() || text.len() < SHORTEST_GATHERED {
            return;
        }
        if let Some(numbers) = numbers_of_list(text) {
            if text.len() >= SHORTEST_LIST {
                self.tell_series(|series, found| series.find_in_numbers(&numbers, "in a list", found));
            }
            if numbers.len() > 1 {
                self.search.gather(self.leaf.part, self.leaf.path, Values::Numbers(numbers));
            }
        } else if text.len() <= LONGEST_ENCODED && text.bytes().filter(|byte| *byte == b'\n').count() >= FEWEST_LINES {
            self.tell_series(|series, found| series.find_in_lines(text, found));
        }
    }

    /// Hex digits, base32 and base64 that nothing says are data stay a text, also with a word before them (`v1:…`); what is in them
    /// says so: bytes of a value, a digest, a series.
    fn encoded(&mut self, text: &str) {
        let fits = |text: &&str| (SHORTEST_ENCODED..=LONGEST_ENCODED).contains(&text.len());
        let unpacked = Some(text).filter(fits).and_then(unpacked);
        if let Some((bytes, within)) = unpacked.or_else(|| format::behind_word(text).filter(fits).and_then(self::unpacked)) {
            self.within = within;
            self.search.binary_bytes += bytes.len() as u64;
            self.forms_in(&bytes, false);
            self.series_in(&bytes);
        } else if !self.index.series.is_empty()
            && (SHORTEST_GATHERED..SHORTEST_ENCODED).contains(&text.len())
            && !is_a_word(text)
            && let Some((bytes, _)) = self::unpacked(text)
        {
            self.gather(&bytes);
        }
        self.within = "";
    }

    /// Few bytes: what they are part of may be told from chance when all of it was sent.
    fn gather(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() && bytes.len() <= LONGEST_GATHERED && !self.index.series.is_empty() {
            self.search.gather(self.leaf.part, self.leaf.path, Values::Bytes(bytes.to_vec()));
        }
    }

    fn series_in(&mut self, bytes: &[u8]) {
        self.gather(bytes);
        let mut cut = false;
        self.tell_series(|series, found| cut = series.find_in_bytes(bytes, found));
        self.search.cut |= cut;
    }

    fn tell_series(&mut self, search: impl FnOnce(&AllSeries, &mut dyn FnMut(SeriesHit))) {
        let mut hits = Vec::new();
        search(&self.index.series, &mut |hit| hits.push(hit));
        for hit in hits {
            if hit.certainty == Certainty::Certain {
                self.search.minutes = self.search.minutes.max(hit.share);
            }
            self.search.note_series(hit.number, &hit.minutes, &hit.probably);
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
        let planted = &self.index.values[value];
        // One character repeated says nothing, but that a field of its name holds it.
        let says = if is_dull(&planted.value) && place == Place::Whole { LEAST_NAMED } else { bits };
        // Steps and metres have a name in every app, and of many workouts some total is in any field of that name: a part counts beside
        // another part.
        let named = !self.index.is_part(value) && name_fits(self.name, self.leaf.path, planted, says);
        let says_more_with_others = bits >= LEAST_NAMED && self.index.has_parts(value);
        if named || says_more_with_others || judge(chance::expected(bits * MOST_IN_NOISE, 1.0), alike).is_some() {
            // Of many fields with such a name, one has any short value.
            let one_of_many = self.leaf.path.contains("[]");
            if named && !one_of_many {
                self.found.insert(value);
            }
            let (part, path, spelling) = (self.leaf.part, self.leaf.path.to_owned(), format!("{spelling}{}", self.within));
            let ticket = self.leaf.ticket();
            self.search.awaits.ticket = Some(ticket);
            let tickets = vec![ticket];
            self.search.open(Open { part, path, value, spelling, bits, alike, alphabet, place, named, one_of_many, tickets });
        }
    }

    fn tell(&mut self, value: usize, mut spelling: String, certainty: Certainty) {
        spelling.push_str(self.within);
        self.found.insert(value);
        self.reasons.push((self.index.values[value].category, self.index.reason(value, spelling, certainty)));
    }
}

/// Whether a short text that may be base64 is rather a word or a number.
fn is_a_word(text: &str) -> bool {
    let rest = text.as_bytes().get(1..).unwrap_or_default();
    let all = |is: fn(&u8) -> bool| rest.iter().all(is);
    all(u8::is_ascii_lowercase) || all(u8::is_ascii_uppercase) || all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'))
}

/// Whether what stands behind it is bytes of any kind, also where they can be read as a text.
const fn holds_bytes(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::Base32 | Encoding::Base64 | Encoding::Base64Url | Encoding::Hex)
}

/// The bytes behind digits, and what is said of what is found in them.
fn unpacked(digits: &str) -> Option<(Vec<u8>, &'static str)> {
    let hex = || digest::from_hex(digits).map(|bytes| (bytes, ", as hex"));
    let base32 = || format::from_base32(digits.as_bytes()).map(|bytes| (bytes, ", as base32"));
    hex().or_else(base32).or_else(|| digest::from_base64(digits).map(|bytes| (bytes, ", as base64")))
}

/// What a value is a part of: of `band.workout.1.end` the workout, which is known by when it began. `None` for what stands for itself.
pub(super) fn whole_of<'v>(part: &PlantedValue, values: &'v [PlantedValue]) -> Option<&'v PlantedValue> {
    let is_workout = |value: &PlantedValue| value.quantity() == Some(Quantity::Workouts);
    let (whole, _) = part.name.rsplit_once('.').filter(|_| is_workout(part))?;
    values.iter().find(|value| value.name == whole && matches!(value.value, Planted::Moment(_)) && is_workout(value))
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

/// A number as people write it: with a comma, or with its unit behind it (`63,4`, `63.4kg`, `171 cm`).
fn number_with_unit(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.len() > LONGEST_WITH_UNIT || !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let known = unit.is_empty() || UNITS.contains(&unit.trim().to_ascii_lowercase().as_str());
    Number::parse(&number.replacen(',', ".", 1)).filter(|_| known).map(|number| number.value)
}

/// Whether a value is too short to be told from chance where the name of the field does not speak of it. Reports say so with
/// [`NEEDS_A_NAME`], so that "not found" is not read as "not sent".
pub(super) fn needs_a_name(value: &Planted) -> bool {
    match value {
        Planted::Integer(_) | Planted::Decimal(_) => numbers("", value).first().is_none_or(|form| chance::is_short(form.bits)),
        Planted::Text(text) => is_dull(value) || chance::is_short(chance::bits(forms::without_separators(text).as_bytes(), Alphabet::Text)),
        Planted::Moment(moment) => chance::is_short(moments::bits(*moment)),
        Planted::Date(_) | Planted::Mac(_) | Planted::Position(_) | Planted::Minutes(_) | Planted::Series(_) => is_dull(value),
    }
}

/// Whether a value is so short, or so even, that it cannot be told from chance under any name. Reports say so with [`TOO_SHORT`], of
/// minutes with [`TOO_EVEN`].
pub(super) fn is_too_short(value: &Planted) -> bool {
    match value {
        Planted::Integer(_) | Planted::Decimal(_) => numbers("", value).iter().all(|form| form.bits < LEAST_NAMED),
        Planted::Text(text) => !is_dull(value) && chance::bits(text.trim().as_bytes(), Alphabet::Text) < LEAST_NAMED,
        Planted::Moment(moment) => moments::bits(*moment) < LEAST_NAMED,
        Planted::Minutes(minutes) => !series::can_be_told(&minutes.as_day()),
        Planted::Series(values) => !series::can_be_told(values),
        Planted::Date(_) | Planted::Mac(_) | Planted::Position(_) => false,
    }
}

/// The values of a day's minutes, one byte each; `None` for any other value.
fn day_of_minutes(value: &Planted) -> Option<Vec<u8>> {
    match value {
        Planted::Minutes(minutes) => Some(minutes.as_day()),
        _ => None,
    }
}

/// The digits of a phone number; `None` for any other value.
fn phone(planted: &PlantedValue) -> Option<String> {
    let Planted::Text(text) = &planted.value else { return None };
    let text = text.trim();
    let says_so = planted.category == Category::PhoneNumber || text.starts_with('+');
    forms::phone_digits(text).filter(|_| says_so && !is_dull(&planted.value))
}

/// What reports say of a value that is too short to be told from chance under any name.
pub const TOO_SHORT: &str = "too short to be told from chance under any name: found only as a digest; it may have been sent unseen";
/// What reports say of minutes that are too few, or too much alike, to be told from chance.
pub const TOO_EVEN: &str = "too few or too even minutes to be told from chance: they may have been sent unseen";
/// What reports say of minutes that were not found, while fields of their kind came in pieces which nobody can tell.
pub const IN_PIECES: &str = "not seen in what can be told from chance: fields of its kind, or of numbers like it, were sent in pieces too small for that, and it may be in them unseen";
/// What reports say of a value that is too short to be told from chance without a name that speaks of it.
pub const NEEDS_A_NAME: &str = "too short to be told from chance: found only in fields whose name speaks of it, of the parts of a workout only beside another part, and as digests; elsewhere it may have been sent unseen";

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

/// Forms of one shape could each stand where the other does. `written` is where it is written down.
fn shape(form: &Form, written: &mut Vec<u8>) -> u64 {
    written.clear();
    if form.alphabet == Alphabet::Text {
        written.extend(form.bytes.iter().map(|byte| match byte {
            b'0'..=b'9' => b'0',
            b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => b'a',
            _ => *byte,
        }));
    }
    let mut hasher = DefaultHasher::new();
    (form.alphabet, form.bytes.len(), written).hash(&mut hasher);
    hasher.finish()
}

/// One key for equal numbers: zero has two signs.
fn key(value: f64) -> u64 {
    (value + 0.0).to_bits()
}

/// Whether a leaf's name speaks of what was planted: a word of its category, unless the form says so little that any number of
/// that category could be it; or a word of the planted value's own name (`birthday` of `profile.birth`). Of a picture's height or
/// the weight of a font it does not speak, and what one in some hundred such fields holds says nothing under any name.
fn name_fits(name: &NameFacts, path: &str, planted: &PlantedValue, bits: f32) -> bool {
    if bits < LEAST_NAMED {
        return false;
    }
    // Of long ids of one sort no two are alike, however many zeros are in them.
    let id = planted.category.is_a(Category::Identifier);
    let is_long = match &planted.value {
        Planted::Text(text) => text.len() >= SHORTEST_ID,
        Planted::Integer(number) => number.unsigned_abs() >= 10_u64.pow(SHORTEST_ID as u32 - 1),
        _ => false,
    };
    let of_category = || name.may_be(planted.category) || id && name.says(planted.category);
    let telling = if id && is_long { LEAST_OF_AN_ID } else { TELLING };
    let own = name::words(planted.name.rsplit('.').next().unwrap_or_default());
    let tells = |own: &&String| own.len() >= 3 && !ANY_NAME.contains(&own.as_str());
    let is = |own: &String, word: &String| word == own || (own.len() >= 4 && word.starts_with(own.as_str()));
    let speaks = || own.iter().filter(tells).any(|own| name.words.iter().any(|word| is(own, word)));
    let of_something_else = || {
        let words = name::segments(path).flat_map(name::words);
        words.into_iter().any(|word| SOMETHING_ELSE.contains(&word.as_str()) && !own.contains(&word))
    };
    ((bits >= telling && of_category()) || speaks()) && !of_something_else()
}

/// A phone number in its own town has so many digits.
const SHORTEST_PHONE: usize = 7;
/// What stands before a number in its own country: ITU-T E.164 has at most three digits for a country.
const LONGEST_COUNTRY: usize = 3;
/// Forms that are compared with whole leaves only are no longer.
const LONGEST_WHOLE: usize = 7;
/// A form of so many bits is not just any number of its category.
const TELLING: f32 = 16.0;
/// An id of so many characters is no counter, and says so much unless it is one character repeated.
const SHORTEST_ID: usize = 7;
const LEAST_OF_AN_ID: f32 = 11.0;
/// A form that says less is one of a few hundred values: three digits.
const LEAST_NAMED: f32 = 9.0;
/// Words of a planted value's name that any other field may have too.
const ANY_NAME: &[&str] = &["code", "count", "date", "day", "level", "name", "number", "time", "type", "value", "year"];
/// Words of names of things that have a height, a weight or an age as people do, and of settings.
const SOMETHING_ELSE: &[&str] = &[
    "avatar",
    "banner",
    "border",
    "bounds",
    "button",
    "canvas",
    "cell",
    "count",
    "device",
    "display",
    "edge",
    "edges",
    "font",
    "footer",
    "frame",
    "header",
    "icon",
    "image",
    "images",
    "img",
    "keyboard",
    "layout",
    "level",
    "limit",
    "line",
    "logo",
    "max",
    "maximum",
    "min",
    "minimum",
    "page",
    "photo",
    "picture",
    "pixel",
    "pixels",
    "px",
    "reminder",
    "reminders",
    "resolution",
    "row",
    "screen",
    "scroll",
    "stroke",
    "text",
    "thumb",
    "thumbnail",
    "video",
    "view",
    "viewport",
    "widget",
    "window",
    "zoom",
];
/// No place makes a form say more than so many times its bits.
const MOST_IN_NOISE: f32 = 1.4;
/// Readings and their differences are smaller.
const MOST_READING: f64 = 65_536.0;
/// Twenty numbers with separators between.
const SHORTEST_LIST: usize = 39;
/// Two numbers with a separator between; three bytes in base64.
const SHORTEST_GATHERED: usize = 3;
/// Bytes in small pieces; of longer ones, each is judged by itself.
const LONGEST_GATHERED: usize = 512;
/// A float of 32 bits that is written shortest has no more.
const DECIMALS_OF_A_FLOAT: u8 = 9;
const LONGEST_WITH_UNIT: usize = 24;
/// Behind a number, lower case.
const UNITS: &[&str] = &["cm", "g", "gr", "gram", "grams", "kg", "kgs", "m", "mm"];
/// Of a month in fifty years.
const BITS_OF_A_MONTH: f32 = 9.2;
/// One of a text in which a series is looked for has a minute each.
const FEWEST_LINES: usize = 19;
/// Base64 of sixteen bytes, base32 of thirteen.
const SHORTEST_ENCODED: usize = 22;
const LONGEST_ENCODED: usize = 1 << 21;
const MOST_OF_A_LIST: usize = 1 << 19;
