//! What is known only at the end of an exchange: how many places were searched, so how unlikely a short value is; arrays of
//! numbers, which come one by one; digests and the keys that may have made them.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    ops::Range,
};

use crate::model::{Certainty, MinuteSet, Part, Reason};

use super::{
    super::leaf::{Arrived, Awaits},
    Index,
    chance::{self, Alphabet},
    gathered::{Piece, Values},
    keyed::Material,
    series::AllSeries,
    shown::SeriesHit,
};

/// The state of one exchange's search for planted values.
#[derive(Debug, Default)]
pub(in super::super) struct Search {
    /// Leaves with a value.
    pub(super) leaves: u64,
    /// Bytes of texts, and of binary data.
    pub(super) text_bytes: u64,
    pub(super) binary_bytes: u64,
    /// Found, if it is not chance.
    pub(super) open: Vec<Open>,
    pub(super) columns: Columns,
    pub(super) material: Material,
    pub(super) cut: bool,
    /// What is still to be found out about the last leaf.
    pub(in super::super) awaits: Awaits,
    /// How much of the last leaf are minutes of a series, beyond chance: from 0 to 1.
    pub(in super::super) minutes: f32,
    /// Minutes of each planted series that were found, by the number of the value.
    pub(super) series: BTreeMap<usize, FoundMinutes>,
    /// What its fields add to what they hold over the run.
    pub(super) pieces: Vec<Piece>,
    /// Values in those.
    pub(super) gathered: usize,
}

/// Minutes of one planted series that stand in one exchange.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct FoundMinutes {
    /// Beyond chance.
    pub(in super::super) certain: MinuteSet,
    /// Probably.
    pub(in super::super) probable: MinuteSet,
}

/// What the end of an exchange says besides its hits.
#[derive(Debug, Default)]
pub(in super::super) struct Ended {
    /// Whether something was left unsearched because there was too much of it.
    pub(in super::super) cut: bool,
    /// The leaves that have the hits.
    pub(in super::super) arrived: Arrived,
    /// Minutes of planted series that were found, by the number of the value.
    pub(in super::super) series: BTreeMap<usize, FoundMinutes>,
    /// What each field adds to what it holds over the run.
    pub(in super::super) pieces: Vec<Piece>,
}

/// Something found that says too little to be judged before all is searched.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Open {
    pub(super) part: Part,
    pub(super) path: String,
    pub(super) value: usize,
    pub(super) spelling: String,
    pub(super) bits: f32,
    /// So many forms like it are searched for.
    pub(super) alike: u32,
    pub(super) alphabet: Alphabet,
    pub(super) place: Place,
    /// The name of the leaf speaks of the value: it is likely at least.
    pub(super) named: bool,
    /// It is in an array, whose other elements have the same name.
    pub(super) one_of_many: bool,
    /// The leaves that it was found in.
    pub(super) tickets: Vec<u64>,
}

/// Where a form stands, so where else it could.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// Alone in a leaf.
    Whole,
    /// Inside a text, as a word of so many bytes; of one byte where anything may stand beside it.
    Text(usize),
    /// Inside binary data with so many bytes of text in it, as a word of so many bytes.
    Binary { text: f64, word: usize },
}

impl Search {
    /// A search of an exchange with this endpoint.
    pub(in super::super) fn at(host: &str, path: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (host, path).hash(&mut hasher);
        let mut search = Self::default();
        search.material.endpoint = hasher.finish();
        search
    }

    /// How often a form in such a place would be found by chance, after all that was searched.
    pub(super) fn by_chance(&self, place: Place, bits: f32, alphabet: Alphabet) -> f64 {
        let (leaves, text, binary) = (self.leaves as f64, self.text_bytes as f64, self.binary_bytes as f64);
        // Words of a length have at least a separator between them.
        match place {
            Place::Whole => chance::expected(bits, leaves),
            Place::Text(word) => chance::expected(bits, text / (word as f64 + 1.0) + leaves),
            Place::Binary { text, word } => {
                let readable =
                    if alphabet == Alphabet::Raw || text == 0.0 { 0.0 } else { chance::expected(bits, text / (word as f64 + 1.0)) };
                chance::expected_in_noise(bits, alphabet, binary + leaves) + readable
            }
        }
    }

    /// A map key that is a value: what it holds in plain text is found elsewhere, but it may be a digest with a key.
    pub(in super::super) fn note_name(&mut self, part: Part, path: &str, name: &str) {
        self.material.note_name(part, path, name);
    }

    /// Whether something stands in the request that a key in the answer may explain.
    pub(in super::super) fn wants_keys(&self, index: &Index) -> bool {
        !index.keyed.is_empty() && self.material.has_digests()
    }

    /// Something in the answer, or in the request's path, that may be a key; `words` are those of its name.
    pub(in super::super) fn note_key_of_answer(&mut self, bytes: &[u8], text: bool, words: &[String]) {
        self.material.note_key_of_answer(bytes, text, words);
    }

    /// There was more in the answer than what was noted.
    pub(in super::super) const fn note_more_of_answer(&mut self) {
        self.material.note_more_of_answer();
    }

    /// Minutes of a series that were found.
    pub(super) fn note_series(&mut self, number: usize, certain: &MinuteSet, probable: &MinuteSet) {
        let found = self.series.entry(number).or_default();
        found.certain.union(certain);
        found.probable.union(probable);
    }

    /// What a leaf adds to its field: numbers of a list, bytes.
    pub(super) fn gather(&mut self, part: Part, path: &str, values: Values) {
        self.gathered += values.len();
        if self.gathered > MOST_NUMBERS {
            self.cut = true;
            return;
        }
        let is = |piece: &Piece| piece.part == part && piece.path == path;
        let Some(known) = (0..self.pieces.len()).rev().take(FIELDS_IN_TURNS).find(|at| is(&self.pieces[*at])) else {
            if self.pieces.len() < MOST_PIECES {
                self.pieces.push(Piece::new(part, path.to_owned(), values));
            } else {
                self.cut = true;
            }
            return;
        };
        self.pieces[known].join(values);
    }

    pub(super) fn open(&mut self, open: Open) {
        let same = |known: &&mut Open| {
            (known.part, known.value, &known.path, &known.spelling) == (open.part, open.value, &open.path, &open.spelling)
        };
        if let Some(known) = self.open.iter_mut().find(same) {
            known.bits = known.bits.max(open.bits);
            if known.tickets.len() < MOST_TICKETS && known.tickets.last() != open.tickets.last() {
                known.tickets.extend(open.tickets);
            }
            return;
        }
        if self.open.len() < MOST_OPEN {
            self.open.push(open);
        } else {
            self.cut = true;
        }
    }

    /// How certain each short hit is together with other parts of the same whole in the same object: when a workout began and what it came
    /// to say more than either. `None` where it stands alone.
    fn together(&self, index: &Index) -> Vec<Option<Certainty>> {
        let whole = |open: &Open| index.wholes.get(open.value).copied().unwrap_or(open.value);
        let object = |open: &Open| open.path.rsplit_once('.').map_or(String::new(), |(object, _)| object.to_owned());
        // In how many places a part could stand: in any leaf; as a word, anywhere in any text.
        let places = |open: &Open| match open.place {
            Place::Whole => Some(self.leaves as f64),
            Place::Text(word) => Some(self.text_bytes as f64 / (word as f64 + 1.0) + self.leaves as f64),
            Place::Binary { .. } => None,
        };
        // Of each part the spelling that says most.
        let mut parts: BTreeMap<Object, BTreeMap<usize, Says>> = BTreeMap::new();
        for (open, places) in self.open.iter().filter_map(|open| Some((open, places(open)?))) {
            let key = (whole(open), open.part, object(open));
            // Beside another part of one object there are not so many leaves; in an array there are.
            let beside = if key.2.contains("[]") || open.place != Place::Whole { places } else { places.min(MOST_BESIDE) };
            let part = parts.entry(key).or_default().entry(index.first_equal(open.value)).or_insert((open.bits, places, 0.0));
            *part = (part.0.max(open.bits), part.1.max(places), part.2.max(beside * f64::from(open.alike)));
        }
        let judged = |open: &Open| {
            places(open)?;
            let parts = parts.get(&(whole(open), open.part, object(open))).filter(|parts| parts.len() > 1)?;
            let first = parts.values().map(|(_, places, _)| *places).fold(1.0, f64::max);
            let all: f64 = parts.values().map(|(.., beside)| *beside).product();
            chance::judge(chance::expected(parts.values().map(|(bits, ..)| bits).sum(), first * all), 1)
        };
        self.open.iter().map(judged).collect()
    }

    /// The end of the exchange: gives what can be judged only now, each with the leaf's part and path, the number of the value,
    /// and the reason.
    pub(in super::super) fn end(mut self, index: &Index, tell: &mut dyn FnMut(Part, &str, usize, Reason)) -> Ended {
        let mut arrived = Arrived::default();
        let mut cut = self.cut;
        let together = self.together(index);
        for (open, together) in self.open.iter().zip(together) {
            let judged = chance::judge(self.by_chance(open.place, open.bits, open.alphabet), open.alike);
            let named = open.named && (!open.one_of_many || chance::expected(open.bits, self.leaves as f64) < chance::UNDER_A_NAME);
            // The surer of the two: a value that is certain with the others of its object is certain.
            let judged = together.into_iter().chain(judged).chain(named.then_some(Certainty::Likely)).min();
            if let Some(certainty) = judged {
                tell(open.part, &open.path, open.value, index.reason(open.value, open.spelling.clone(), certainty));
                arrived.tickets.extend(&open.tickets);
            }
        }
        let columns = std::mem::take(&mut self.columns);
        columns.search(&index.series, &mut |number, column, hit| {
            self.note_series(hit.number, &hit.minutes, &hit.probably);
            tell(column.part, &column.path, hit.number, index.reason(hit.number, hit.spelling, hit.certainty));
            name_blocks(number, column.numbers.len(), &hit.range, &mut arrived.columns);
        });
        cut |= columns.cut;
        cut |= index.keyed.explain(&self.material, &index.values, &mut |hit| {
            tell(hit.part, &hit.path, hit.value, index.reason(hit.value, hit.spelling, hit.certainty));
            arrived.tickets.extend(hit.ticket);
        });
        let mut pieces = self.pieces;
        let columns = columns.all.into_iter();
        pieces.extend(columns.map(|Column { part, path, numbers }| Piece::new(part, path, Values::Numbers(numbers))));
        Ended { cut, arrived, series: self.series, pieces }
    }
}

/// An object in which parts of a whole stand: the whole, and where.
type Object = (usize, Part, String);

/// Bits that a part says, in how many places it could stand, and in how many beside another part.
type Says = (f32, f64, f64);

/// Numbers by the field that they are of: of arrays, of objects whose keys are values, of whatever comes more than once.
#[derive(Debug, Default)]
pub(super) struct Columns {
    all: Vec<Column>,
    /// By a hash of part and path.
    by_field: HashMap<u64, usize>,
    /// The column of the last number.
    last: usize,
    numbers: usize,
    cut: bool,
}

#[derive(Debug)]
struct Column {
    part: Part,
    path: String,
    numbers: Vec<i32>,
}

impl Columns {
    /// A number of a field. Gives the numbers of its column and of its block in that.
    pub(super) fn add(&mut self, part: Part, path: &str, number: i32) -> Option<(u32, u32)> {
        if self.numbers >= MOST_NUMBERS {
            self.cut = true;
            return None;
        }
        let is = |column: &Column| column.part == part && column.path == path;
        // An array goes on, or its objects come back to the field after the last one.
        let next = (self.last + 1) % self.all.len().max(1);
        let known = [self.last, next].into_iter().find(|at| self.all.get(*at).is_some_and(is));
        let at = known.unwrap_or_else(|| {
            let mut hasher = DefaultHasher::new();
            (part, path).hash(&mut hasher);
            *self.by_field.entry(hasher.finish()).or_insert(self.all.len())
        });
        if at == self.all.len() {
            self.all.push(Column { part, path: path.to_owned(), numbers: Vec::new() });
        }
        let block = self.all[at].numbers.len() / BLOCK;
        self.all[at].numbers.push(number);
        self.last = at;
        self.numbers += 1;
        Some((u32::try_from(at).ok()?, u32::try_from(block).ok()?))
    }

    fn search(&self, series: &AllSeries, found: &mut dyn FnMut(u32, &Column, SeriesHit)) {
        for (number, column) in (0..).zip(&self.all) {
            let place = if column.path.contains("[]") { "in an array" } else { "in fields of one name" };
            series.find_in_numbers(&column.numbers, place, &mut |hit| found(number, column, hit));
        }
    }
}

/// Notes how much of each block of a column of so many numbers lies in a range.
fn name_blocks(column: u32, numbers: usize, range: &Range<usize>, blocks: &mut HashMap<(u32, u32), f64>) {
    for block in range.start / BLOCK..range.end.div_ceil(BLOCK) {
        let (first, end) = (block * BLOCK, ((block + 1) * BLOCK).min(numbers));
        let inside = range.end.min(end).saturating_sub(range.start.max(first));
        let share = inside as f64 / end.saturating_sub(first).max(1) as f64;
        let known = blocks.entry((column, u32::try_from(block).unwrap_or(u32::MAX))).or_default();
        *known = known.max(share);
    }
}

/// Numbers that follow each other in a column and are named together; of one that a series begins or ends in, a share is.
const BLOCK: usize = 16;
/// Of a short hit that is in more different values of one field, the bytes of the others stay what they are without it.
const MOST_TICKETS: usize = 1_000;
/// Fields of one object.
const MOST_BESIDE: f64 = 64.0;
/// More short hits of one exchange say nothing more.
const MOST_OPEN: usize = 1_000;
/// Objects of an array have so many fields with pieces, which come in turns.
const FIELDS_IN_TURNS: usize = 16;
/// Fields of one exchange that are gathered over the run.
const MOST_PIECES: usize = 4_096;
/// Four megabytes.
const MOST_NUMBERS: usize = 1 << 20;
