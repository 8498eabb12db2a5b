//! What an app sends of one field in many small pieces, put together over a run: a piece by itself may say too little to be told from
//! chance, all of them in the order in which they were sent may not. Whose requests count, and what a hit means, the observer says.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    ops::Range,
};

use crate::model::{Certainty, EndpointKey, ExchangeId, MinuteSet, Part, Planted, Quantity, minutes::is_value};

use super::{
    Index,
    overlay::LEAST_MINUTES,
    search::FoundMinutes,
    series::{self, AllSeries},
    shown::SeriesHit,
};

/// What one leaf, or one array, of an exchange adds to its field.
#[derive(Debug)]
pub(in super::super) struct Piece {
    pub(super) part: Part,
    pub(super) path: String,
    values: Values,
    /// The values are of several leaves, which were not yet looked at together.
    joined: bool,
    /// Readings in those leaves that say too little to be judged by themselves.
    untold: u64,
}

/// The values of a piece, as they are searched.
#[derive(Debug)]
pub(super) enum Values {
    /// Numbers; what can be no reading is [`i32::MAX`].
    Numbers(Vec<i32>),
    Bytes(Vec<u8>),
}

/// Minutes of a planted series that all the pieces of a field show together.
#[derive(Debug)]
pub(in super::super) struct Together {
    pub(in super::super) field: Field,
    /// Phases in which pieces of it were sent.
    pub(in super::super) phases: BTreeSet<String>,
    /// Number of the value in the index.
    pub(in super::super) number: usize,
    pub(in super::super) certain: MinuteSet,
    pub(in super::super) probable: MinuteSet,
    /// How it is written, with the number of requests.
    pub(in super::super) spelling: String,
    pub(in super::super) certainty: Certainty,
    /// Requests that hold pieces of it, and in which nothing of this value was found before, by itself or in another field.
    pub(in super::super) requests: u64,
}

/// A field of an endpoint, whatever the phase.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Field {
    /// The host as coverage names it.
    pub(in super::super) public_host: String,
    pub(in super::super) host: String,
    pub(in super::super) method: String,
    pub(in super::super) endpoint: String,
    pub(in super::super) part: Part,
    pub(in super::super) path: String,
}

/// Readings that a field may hold, and that nobody can tell from chance.
#[derive(Debug)]
pub(in super::super) struct Untold {
    pub(in super::super) field: Field,
    pub(in super::super) phases: BTreeSet<String>,
    pub(in super::super) readings: u64,
    /// How many of them could be of each quantity that a band held, whatever the field is called.
    pub(in super::super) could_be: BTreeMap<Quantity, u64>,
}

/// The pieces of a run, by field. Memory grows with the number of fields, each of which keeps the last [`MOST_VALUES`] at most: what is
/// older was searched together with what came before and after it.
#[derive(Debug, Default)]
pub(in super::super) struct Gathered {
    /// Each with whether it is of bytes, in the order in which they came.
    fields: Vec<(Field, bool, Pieces)>,
    /// Where in `fields`, by a hash of what names them.
    by_name: HashMap<u64, usize>,
    /// Values kept, of all fields.
    values: usize,
    /// In which exchanges a value was found.
    found: FoundIn,
    /// Whether there was more than is gathered.
    pub(in super::super) cut: bool,
}

/// In which exchanges a value was found, by itself or together, and how certainly: each counts once, in however many fields and stretches
/// it is found. Of exchanges of which no piece is kept, nothing is.
#[derive(Debug, Default)]
struct FoundIn {
    /// By exchange and a hash of the value's name.
    known: HashMap<(ExchangeId, u64), Certainty>,
    /// How many there were when it was last looked which exchanges are still kept.
    kept: usize,
}

/// The pieces of one field, one after the other.
#[derive(Debug, Default)]
struct Pieces {
    /// What can be no reading is [`i16::MAX`]; of bytes, the bytes.
    values: Vec<i16>,
    marks: Vec<Mark>,
    /// What the last piece was, so that one that is sent again counts once.
    last: Option<u64>,
    phases: BTreeSet<String>,
    /// Windows that were searched.
    windows: u32,
    /// Readings of pieces that are no longer here, and that nobody can tell from chance.
    untold: u64,
    /// How often each reading came in pieces that could not be judged by themselves; empty without any.
    readings: Vec<u32>,
}

/// Where a piece ends, and what is known of it.
#[derive(Debug)]
struct Mark {
    end: usize,
    exchange: ExchangeId,
    /// Readings in it that nobody can tell from chance.
    untold: u64,
    /// It is of several leaves, which were not yet looked at together.
    joined: bool,
    /// The piece before is the same: a second attempt, or nothing changed.
    repeated: bool,
    /// All its values are the same, so that it says nothing that it is sent again.
    even: bool,
}

/// The readings of each quantity that a band held.
struct Held(BTreeMap<Quantity, [bool; 256]>);

impl Field {
    /// The endpoint as it is in one phase.
    pub(in super::super) fn in_phase(&self, phase: String) -> EndpointKey {
        EndpointKey { host: self.host.clone(), path: self.endpoint.clone(), method: self.method.clone(), phase }
    }
}

impl Piece {
    /// What one leaf, or one array, holds.
    pub(super) fn new(part: Part, path: String, values: Values) -> Self {
        let untold = values.untold();
        Self { part, path, values, joined: false, untold }
    }

    /// Adds what another leaf of the same field holds.
    pub(super) fn join(&mut self, more: Values) {
        let untold = more.untold();
        match (&mut self.values, more) {
            (Values::Numbers(known), Values::Numbers(more)) => known.extend(more),
            (Values::Bytes(known), Values::Bytes(more)) => known.extend(more),
            // Once this, once that: neither is a piece of a series.
            _ => return,
        }
        (self.joined, self.untold) = (true, self.untold + untold);
    }
}

impl Gathered {
    /// Adds what an exchange holds of each field, and gives what can be told when a field has come to its limit. `found` are the minutes
    /// of series that were found in this exchange by itself, by the number of the value.
    pub(in super::super) fn add(
        &mut self,
        index: &Index,
        (key, public_host): (&EndpointKey, &str),
        (exchange, found): (ExchangeId, &BTreeMap<usize, FoundMinutes>),
        pieces: Vec<Piece>,
    ) -> Vec<Together> {
        for (number, found) in found {
            let certainty = if found.certain.is_empty() { Certainty::Likely } else { Certainty::Certain };
            self.found.is_new(index, exchange, *number, certainty);
        }
        let mut together = Vec::new();
        for Piece { part, path, values, joined, untold } in pieces {
            let is_bytes = matches!(values, Values::Bytes(_));
            let mut hasher = DefaultHasher::new();
            (&key.host, &key.method, &key.path, part, &path, is_bytes).hash(&mut hasher);
            let name = hasher.finish();
            let values = values.narrow();
            if !self.by_name.contains_key(&name) {
                // Ids and times begin no field of readings.
                if !values.iter().any(|value| is_reading(*value)) {
                    continue;
                }
                if self.fields.len() >= MOST_FIELDS {
                    self.cut = true;
                    continue;
                }
                self.by_name.insert(name, self.fields.len());
                let (host, method, endpoint) = (key.host.clone(), key.method.clone(), key.path.clone());
                let field = Field { public_host: public_host.to_owned(), host, method, endpoint, part, path };
                self.fields.push((field, is_bytes, Pieces::default()));
            }
            let Some((field, _, pieces)) = self.by_name.get(&name).and_then(|at| self.fields.get_mut(*at)) else { continue };
            if untold > 0 {
                pieces.note_readings(&values);
            }
            if !pieces.phases.contains(&key.phase) {
                pieces.phases.insert(key.phase.clone());
            }
            // What was judged leaf by leaf may be longer than what has to be looked at together.
            let is_kept = values.len() <= if joined { MOST_VALUES } else { LONGEST_PIECE };
            let is_full = self.values + values.len() > MOST_VALUES_OF_ALL;
            // A search has to make room for many values: where there is less to be let go of, it ends here.
            let most = if is_full { KEPT_VALUES * 2 } else { MOST_VALUES };
            if is_kept && pieces.values.len() + values.len() > most {
                together.extend(pieces.search(field, is_bytes, (index, &Held::by(index)), &mut self.found));
                let before = pieces.values.len();
                pieces.shorten();
                self.values -= before - pieces.values.len();
            }
            if !is_kept || self.values + values.len() > MOST_VALUES_OF_ALL {
                self.cut |= is_kept;
                pieces.untold += untold;
                continue;
            }
            self.values += values.len();
            pieces.push(&values, Mark { end: 0, exchange, untold, joined, repeated: false, even: false });
        }
        self.found.forget(&self.fields);
        together
    }

    /// What can be told at the end of the run: what was found, then what nobody can tell.
    pub(in super::super) fn finish(mut self, index: &Index) -> (Vec<Together>, Vec<Untold>) {
        let held = Held::by(index);
        let (mut together, mut untold) = (Vec::new(), Vec::new());
        for (field, is_bytes, mut pieces) in self.fields {
            together.extend(pieces.search(&field, is_bytes, (index, &held), &mut self.found));
            let readings = pieces.untold + pieces.marks.iter().map(|mark| mark.untold).sum::<u64>();
            if readings > 0 {
                let could_be = held.could_be(&pieces.readings).map(|(quantity, most)| (quantity, most.min(readings))).collect();
                untold.push(Untold { field, phases: pieces.phases, readings, could_be });
            }
        }
        (together, untold)
    }
}

impl FoundIn {
    /// Notes that a value was found in an exchange. False where it was known to be, at least so certainly.
    fn is_new(&mut self, index: &Index, exchange: ExchangeId, number: usize, certainty: Certainty) -> bool {
        let mut hasher = DefaultHasher::new();
        // A day that is read twice has one name and two numbers.
        index.values().get(number).map(|value| &value.name).hash(&mut hasher);
        let known = self.known.entry((exchange, hasher.finish()));
        let mut is_new = false;
        let known = known.or_insert_with(|| {
            is_new = true;
            certainty
        });
        is_new |= certainty < *known;
        *known = certainty.min(*known);
        is_new
    }

    /// Lets go of exchanges of which no piece is kept, now and then.
    fn forget(&mut self, fields: &[(Field, bool, Pieces)]) {
        if self.known.len() < MOST_FOUND.max(self.kept * 2) {
            return;
        }
        let kept: HashSet<ExchangeId> = fields.iter().flat_map(|(.., pieces)| pieces.marks.iter().map(|mark| mark.exchange)).collect();
        self.known.retain(|(exchange, _), _| kept.contains(exchange));
        self.kept = self.known.len();
    }
}

impl Held {
    fn by(index: &Index) -> Self {
        let mut held: BTreeMap<Quantity, [bool; 256]> = BTreeMap::new();
        for value in index.values() {
            let Some(quantity) = value.quantity().filter(|quantity| *quantity != Quantity::Workouts) else { continue };
            let readings = match &value.value {
                Planted::Minutes(minutes) => minutes.as_day(),
                Planted::Series(values) => values.clone(),
                _ => continue,
            };
            let known = held.entry(quantity).or_insert([false; 256]);
            readings.into_iter().filter(|value| is_value(*value)).for_each(|value| known[usize::from(value)] = true);
        }
        Self(held)
    }

    /// The quantities that readings which came so often could be of, and how many of them: nearly all are among its own, and they are as
    /// varied as readings are.
    fn could_be(&self, readings: &[u32]) -> impl Iterator<Item = (Quantity, u64)> {
        let all: u64 = readings.iter().map(|count| u64::from(*count)).sum();
        self.0.iter().filter_map(move |(quantity, held)| {
            let among = || readings.iter().zip(held).filter(|(count, held)| **held && **count > 0);
            let most: u64 = among().map(|(count, _)| u64::from(*count)).sum();
            let distinct = held.iter().filter(|held| **held).count().min(LEAST_DISTINCT);
            (most >= LEAST_MINUTES as u64 && most * 4 >= all * 3 && among().count() >= distinct).then_some((*quantity, most))
        })
    }
}

impl Pieces {
    /// Notes which readings came in pieces that cannot be judged by themselves.
    fn note_readings(&mut self, values: &[i16]) {
        self.readings.resize(256, 0);
        for value in values.iter().filter(|value| is_reading(**value)) {
            if let Some(count) = self.readings.get_mut(*value as usize) {
                *count = count.saturating_add(1);
            }
        }
    }

    /// Adds a piece.
    fn push(&mut self, values: &[i16], mark: Mark) {
        let mut hasher = DefaultHasher::new();
        values.hash(&mut hasher);
        let piece = hasher.finish();
        let readings = values.iter().filter(|value| is_reading(**value)).count();
        // One reading may well be the same as the one before.
        let repeated = readings >= LEAST_REPEATED && self.last == Some(piece);
        let even = values.windows(2).all(|pair| pair[0] == pair[1]);
        self.last = Some(piece);
        self.values.extend_from_slice(values);
        self.marks.push(Mark { end: self.values.len(), repeated, even, ..mark });
    }

    /// Looks for every series in all that is here: in the order in which it was sent, with what was sent again and without; then, where
    /// that leaves something untold which could be of a series, with the last piece first. Of a field of one leaf nothing is to be added
    /// to what that showed.
    fn search(&mut self, field: &Field, is_bytes: bool, (index, held): (&Index, &Held), found: &mut FoundIn) -> Vec<Together> {
        if self.marks.len() < 2 && !self.marks.iter().any(|mark| mark.joined) {
            return Vec::new();
        }
        self.windows += 1;
        let repeats = self.marks.iter().any(|mark| mark.repeated);
        let could_be = self.marks.len() > 1 && held.could_be(&self.readings).next().is_some();
        let orders = [(true, false, true), (false, false, repeats), (true, true, could_be), (false, true, repeats && could_be)];
        let mut together = Vec::new();
        for (again, last_first, _) in orders.into_iter().filter(|(.., is_tried)| *is_tried) {
            if (last_first || !again) && self.marks.iter().all(|mark| mark.untold == 0) {
                break;
            }
            let mut marks: Vec<usize> = (0..self.marks.len()).filter(|at| again || !self.marks[*at].repeated).collect();
            if last_first {
                marks.reverse();
            }
            together.extend(self.search_in(&marks, field, is_bytes, index, found, if last_first { ", the last one first" } else { "" }));
        }
        together
    }

    /// Looks for every series in these pieces, in this order.
    fn search_in(
        &mut self,
        marks: &[usize],
        field: &Field,
        is_bytes: bool,
        index: &Index,
        found: &mut FoundIn,
        order: &str,
    ) -> Vec<Together> {
        let windows = f64::from(self.windows);
        // Whatever number of fields and of windows: the sum of 1 / n (n + 1) over all n is 1, so that all searches of a run together are
        // as unlikely to find something by chance as one.
        let among = (MOST_FIELDS * MOST_ORDERS) as f64 * windows * (windows + 1.0);
        let values: Vec<i16> = marks.iter().flat_map(|at| &self.values[self.range(*at)]).copied().collect();
        let mut hits: Vec<SeriesHit> = Vec::new();
        let series: &AllSeries = &index.series;
        if is_bytes {
            let bytes: Vec<u8> = values.iter().map(|value| u8::try_from(*value).unwrap_or(0)).collect();
            series.find_in_bytes_among(&bytes, among, &mut |hit| hits.push(hit));
        } else {
            let numbers: Vec<i32> = values.iter().map(|value| if *value == i16::MAX { i32::MAX } else { i32::from(*value) }).collect();
            series.find_in_numbers_among(&numbers, "one after the other", among, &mut |hit| hits.push(hit));
        }
        let mut told = vec![false; values.len()];
        hits.iter().flat_map(|hit| &hit.certain_in).for_each(|range| told[range.clone()].fill(true));
        let mut together = Vec::new();
        for hit in hits {
            let places = || hit.certain_in.iter().chain(std::iter::once(&hit.range));
            let mut from = 0;
            let (mut requests, mut new) = (BTreeSet::new(), BTreeSet::new());
            for at in marks {
                let exchange = self.marks[*at].exchange;
                let end = from + self.range(*at).len();
                if places().any(|range| from < range.end && range.start < end) {
                    requests.insert(exchange);
                    if found.is_new(index, exchange, hit.number, hit.certainty) {
                        new.insert(exchange);
                    }
                }
                from = end;
            }
            let over = if requests.len() == 1 { "in one request".to_owned() } else { format!("over {} requests", requests.len()) };
            together.push(Together {
                field: field.clone(),
                phases: self.phases.clone(),
                number: hit.number,
                certain: hit.minutes,
                probable: hit.probably,
                spelling: format!("{}, {over} together{order}", hit.spelling),
                certainty: hit.certainty,
                requests: new.len() as u64,
            });
        }
        self.note_told(marks, &values, &told);
        together
    }

    /// Takes note of which values of these pieces, in this order, could be told.
    fn note_told(&mut self, marks: &[usize], values: &[i16], told: &[bool]) {
        let mut from = 0;
        for at in marks {
            let length = self.range(*at).len();
            let rest = values.iter().zip(told).skip(from).take(length).filter(|(value, told)| is_reading(**value) && !**told).count();
            self.marks[*at].untold = self.marks[*at].untold.min(rest as u64);
            from += length;
        }
        // A second attempt is explained by the first one; what only stayed as it was is not.
        for at in 1..self.marks.len() {
            if self.marks[at].repeated && !self.marks[at].even && self.marks[at - 1].untold == 0 {
                self.marks[at].untold = 0;
            }
        }
    }

    /// Where the values of a piece are.
    fn range(&self, at: usize) -> Range<usize> {
        at.checked_sub(1).map_or(0, |before| self.marks[before].end)..self.marks[at].end
    }

    /// Lets go of the oldest pieces; what stays is longer than a day, so that a series which begins there is found whole.
    fn shorten(&mut self) {
        let least = self.values.len().saturating_sub(KEPT_VALUES);
        let gone = self.marks.partition_point(|mark| mark.end <= least);
        let cut = gone.checked_sub(1).map_or(0, |last| self.marks[last].end);
        self.untold += self.marks.drain(..gone).map(|mark| mark.untold).sum::<u64>();
        self.values.drain(..cut);
        self.marks.iter_mut().for_each(|mark| mark.end -= cut);
    }
}

impl Values {
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Readings, where these are too few or too much alike to be told from chance without the others of their field.
    fn untold(&self) -> u64 {
        let reading = |at: usize| match self {
            Self::Numbers(numbers) => u8::try_from(numbers[at]).ok().filter(|value| is_value(*value)),
            Self::Bytes(bytes) => Some(bytes[at]).filter(|value| is_value(*value)),
        };
        let readings = (0..self.len()).filter(|at| reading(*at).is_some()).count();
        // Longer ones hold more than one day of a minute series, or something else.
        let is_judged = || {
            self.len() > LONGEST_LOOKED_AT || series::can_be_told(&(0..self.len()).map(|at| reading(at).unwrap_or(0)).collect::<Vec<u8>>())
        };
        if readings >= LEAST_MINUTES && is_judged() { 0 } else { readings as u64 }
    }

    fn narrow(self) -> Vec<i16> {
        match self {
            Self::Bytes(bytes) => bytes.into_iter().map(i16::from).collect(),
            Self::Numbers(numbers) => {
                numbers.into_iter().map(|number| if (-128..=255).contains(&number) { number as i16 } else { i16::MAX }).collect()
            }
        }
    }
}

const fn is_reading(value: i16) -> bool {
    value > 0 && value <= 0xff && is_value(value as u8)
}

/// A longer piece is judged by itself only.
const LONGEST_PIECE: usize = 2_048;
/// What is longer is not asked whether it could be judged.
const LONGEST_LOOKED_AT: usize = 4_096;
/// Values of a field that are searched together: five days of minutes.
const MOST_VALUES: usize = 8_192;
/// Of those, so many are searched with the next ones, too.
const KEPT_VALUES: usize = 3_072;
/// Values of all fields that are kept. With a mark of 32 bytes for each, at worst, 34 megabytes.
const MOST_VALUES_OF_ALL: usize = 1 << 20;
/// Fields that are gathered; an app has dozens that hold small numbers.
const MOST_FIELDS: usize = 1_024;
/// So many readings, sent again just as they were, may be a second attempt.
const LEAST_REPEATED: usize = 8;
/// Orders in which the pieces of a field are searched.
const MOST_ORDERS: usize = 4;
/// Fewer different values than these, or than a series has, are no readings of it.
const LEAST_DISTINCT: usize = 8;
/// Exchanges and values that are not looked through for what may be let go of.
const MOST_FOUND: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    fn add(gathered: &mut Gathered, exchange: u64, fields: std::ops::Range<usize>, values: &[i32]) {
        let key = EndpointKey { host: "api.test".into(), path: "/day".into(), method: "POST".into(), phase: "sync".into() };
        let piece = |field| Piece::new(Part::Json, format!("field_{field}[]"), Values::Numbers(values.to_vec()));
        let pieces = fields.map(piece).collect();
        gathered.add(&Index::default(), (&key, "api.test"), (ExchangeId(exchange), &BTreeMap::new()), pieces);
    }

    #[test]
    fn memory_is_bounded_by_the_number_of_fields_and_what_does_not_fit_is_told() {
        let mut gathered = Gathered::default();
        for exchange in 0..2_000 {
            add(&mut gathered, exchange, 0..2, &[71, 72, exchange as i32 % 90 + 60, 74, 75, 76, 70, 71, 72, 73]);
        }
        assert!(gathered.fields.iter().all(|(.., pieces)| (KEPT_VALUES..=MOST_VALUES).contains(&pieces.values.len())));
        assert_eq!(gathered.values, gathered.fields.iter().map(|(.., pieces)| pieces.values.len()).sum::<usize>());
        assert!(!gathered.cut);
        let untold: Vec<u64> = gathered.finish(&Index::default()).1.iter().map(|untold| untold.readings).collect();
        assert_eq!(untold, [20_000, 20_000], "what was let go of counts, too");

        let mut wide = Gathered::default();
        add(&mut wide, 1, 0..MOST_FIELDS + 1, &[60, 61]);
        assert!(wide.cut && wide.fields.len() == MOST_FIELDS);
        let mut long = Gathered::default();
        for exchange in 0..3 {
            let piece: Vec<i32> = (0..2_000).map(|at| 60 + (at + exchange) % 50).collect();
            add(&mut long, exchange as u64, 0..MOST_FIELDS, &piece);
        }
        assert!(long.values <= MOST_VALUES_OF_ALL && long.cut, "{}", long.values);
    }

    #[test]
    fn what_is_full_is_not_searched_for_a_handful_of_values() {
        let mut gathered = Gathered::default();
        let piece: Vec<i32> = (0..500).map(|at| 60 + at % 50).collect();
        for exchange in 0..9 {
            add(&mut gathered, exchange, 0..341, &piece);
        }
        let searched = |gathered: &Gathered| gathered.fields.iter().map(|(.., pieces)| pieces.windows).sum::<u32>();
        let (before, values) = (searched(&gathered), gathered.values);
        for exchange in 9..60 {
            add(&mut gathered, exchange, 0..341, &[71, 72]);
        }
        assert!(gathered.cut && gathered.values >= values && searched(&gathered) == before, "{}", searched(&gathered));
    }

    #[test]
    fn ids_and_times_are_no_readings_and_what_is_sent_again_is_not_forgotten() {
        let mut gathered = Gathered::default();
        add(&mut gathered, 1, 0..1, &[1_773_470_412, 4_872, 0, -1]);
        assert!(gathered.fields.is_empty());
        let piece = [61, 62, 63, 64, 65, 66, 67, 68];
        (2..5).for_each(|exchange| add(&mut gathered, exchange, 0..1, &piece));
        assert_eq!(gathered.finish(&Index::default()).1[0].readings, 24);
    }
}
