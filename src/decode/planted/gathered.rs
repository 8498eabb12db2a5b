//! What an app sends of one field in many small pieces, put together over a run: a piece by itself may say too little to be told from
//! chance, all of them in the order in which they were sent may not. Whose requests count, and what a hit means, the observer says.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use crate::model::{Certainty, EndpointKey, ExchangeId, MinuteSet, Part, minutes::is_value};

use super::{
    Index,
    overlay::LEAST_MINUTES,
    series::{self, AllSeries},
};

/// What one leaf, or one array, of an exchange adds to its field.
#[derive(Debug)]
pub(in super::super) struct Piece {
    pub(super) part: Part,
    pub(super) path: String,
    pub(super) values: Values,
    /// Leaves that the values are of: what is in several was not yet looked at together.
    pub(super) parts: u32,
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
    /// Requests that hold pieces of it, and in which nothing of a series was found by itself.
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
    /// Whether there was more than is gathered.
    pub(in super::super) cut: bool,
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
}

/// Where a piece ends, and what is known of it.
#[derive(Debug)]
struct Mark {
    end: usize,
    exchange: ExchangeId,
    /// Something of a series was found in its exchange by itself.
    known: bool,
    /// Readings in it, when it says too little to be judged by itself.
    untold: u64,
}

impl Field {
    /// The endpoint as it is in one phase.
    pub(in super::super) fn in_phase(&self, phase: String) -> EndpointKey {
        EndpointKey { host: self.host.clone(), path: self.endpoint.clone(), method: self.method.clone(), phase }
    }
}

impl Gathered {
    /// Adds what an exchange holds of each field, and gives what can be told when a field has come to its limit. `known` says that minutes
    /// of a series were found in this exchange by itself.
    pub(in super::super) fn add(
        &mut self,
        index: &Index,
        (key, public_host): (&EndpointKey, &str),
        (exchange, known): (ExchangeId, bool),
        pieces: Vec<Piece>,
    ) -> Vec<Together> {
        let mut together = Vec::new();
        for Piece { part, path, values, parts } in pieces {
            let is_bytes = matches!(values, Values::Bytes(_));
            let mut hasher = DefaultHasher::new();
            (&key.host, &key.method, &key.path, part, &path, is_bytes).hash(&mut hasher);
            let name = hasher.finish();
            let values = values.narrow();
            let readings = values.iter().filter(|value| is_reading(**value)).count();
            if !self.by_name.contains_key(&name) {
                // Ids and times begin no field of readings.
                if readings == 0 {
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
            let is_kept = values.len() <= LONGEST_PIECE;
            let is_full = self.values + values.len() > MOST_VALUES_OF_ALL;
            if is_kept && (pieces.values.len() + values.len() > MOST_VALUES || is_full && pieces.values.len() > KEPT_VALUES) {
                together.extend(pieces.search(field, is_bytes, index));
                let before = pieces.values.len();
                pieces.shorten();
                self.values -= before - pieces.values.len();
            }
            if is_kept && self.values + values.len() > MOST_VALUES_OF_ALL {
                pieces.untold += readings as u64;
                self.cut = true;
                continue;
            }
            if !pieces.phases.contains(&key.phase) {
                pieces.phases.insert(key.phase.clone());
            }
            let untold = if parts == 1 && is_judged_alone(&values, readings) { 0 } else { readings as u64 };
            self.values += pieces.push(&values, Mark { end: 0, exchange, known, untold }, readings);
        }
        together
    }

    /// What can be told at the end of the run: what was found, then what nobody can tell.
    pub(in super::super) fn finish(self, index: &Index) -> (Vec<Together>, Vec<Untold>) {
        let (mut together, mut untold) = (Vec::new(), Vec::new());
        for (field, is_bytes, mut pieces) in self.fields {
            together.extend(pieces.search(&field, is_bytes, index));
            let readings = pieces.untold + pieces.marks.iter().map(|mark| mark.untold).sum::<u64>();
            if readings > 0 {
                untold.push(Untold { field, phases: pieces.phases, readings });
            }
        }
        (together, untold)
    }
}

impl Pieces {
    /// Adds a piece, and gives how many values are kept of it.
    fn push(&mut self, values: &[i16], mark: Mark, readings: usize) -> usize {
        let mut hasher = DefaultHasher::new();
        values.hash(&mut hasher);
        let piece = hasher.finish();
        // One reading may well be the same as the one before.
        if readings >= LEAST_REPEATED && self.last == Some(piece) {
            return 0;
        }
        self.last = Some(piece);
        if values.len() > LONGEST_PIECE {
            self.untold += mark.untold;
            return 0;
        }
        self.values.extend_from_slice(values);
        self.marks.push(Mark { end: self.values.len(), ..mark });
        values.len()
    }

    /// Looks for every series in all that is here. Of a field of one piece nothing is to be added to what that piece showed.
    fn search(&mut self, field: &Field, is_bytes: bool, index: &Index) -> Vec<Together> {
        if self.marks.len() < 2 {
            return Vec::new();
        }
        self.windows += 1;
        let windows = f64::from(self.windows);
        // Whatever number of fields and of windows: the sum of 1 / n (n + 1) over all n is 1, so that all searches of a run together are
        // as unlikely to find something by chance as one.
        let among = MOST_FIELDS as f64 * windows * (windows + 1.0);
        let mut hits = Vec::new();
        let series: &AllSeries = &index.series;
        if is_bytes {
            let bytes: Vec<u8> = self.values.iter().map(|value| u8::try_from(*value).unwrap_or(0)).collect();
            series.find_in_bytes_among(&bytes, among, &mut |hit| hits.push(hit));
        } else {
            let numbers: Vec<i32> = self.values.iter().map(|value| if *value == i16::MAX { i32::MAX } else { i32::from(*value) }).collect();
            series.find_in_numbers_among(&numbers, "one after the other", among, &mut |hit| hits.push(hit));
        }
        let mut together = Vec::new();
        for hit in hits {
            let mut from = 0;
            let (mut requests, mut unknown) = (BTreeSet::new(), BTreeSet::new());
            for mark in &mut self.marks {
                if from < hit.range.end && hit.range.start < mark.end {
                    requests.insert(mark.exchange);
                    if !mark.known {
                        unknown.insert(mark.exchange);
                    }
                    if hit.certainty == Certainty::Certain {
                        mark.untold = 0;
                    }
                }
                from = mark.end;
            }
            together.push(Together {
                field: field.clone(),
                phases: self.phases.clone(),
                number: hit.number,
                certain: hit.minutes,
                probable: hit.probably,
                spelling: format!("{}, over {} requests together", hit.spelling, requests.len()),
                certainty: hit.certainty,
                requests: unknown.len() as u64,
            });
        }
        together
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

/// Whether a piece with so many readings is long and varied enough to be told from chance without the others.
fn is_judged_alone(values: &[i16], readings: usize) -> bool {
    if readings < LEAST_MINUTES {
        return false;
    }
    // Longer ones hold more than one day of a minute series, or something else.
    let readings = || values.iter().map(|value| if is_reading(*value) { *value as u8 } else { 0 }).collect::<Vec<u8>>();
    values.len() > LONGEST_LOOKED_AT || series::can_be_told(&readings())
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
/// So many readings, sent again just as they were, are a second attempt.
const LEAST_REPEATED: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn add(gathered: &mut Gathered, exchange: u64, fields: std::ops::Range<usize>, values: &[i32]) {
        let key = EndpointKey { host: "api.test".into(), path: "/day".into(), method: "POST".into(), phase: "sync".into() };
        let piece =
            |field| Piece { part: Part::Json, path: format!("field_{field}[]"), values: Values::Numbers(values.to_vec()), parts: 1 };
        let pieces = fields.map(piece).collect();
        gathered.add(&Index::default(), (&key, "api.test"), (ExchangeId(exchange), false), pieces);
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
    fn ids_times_and_second_attempts_are_no_readings() {
        let mut gathered = Gathered::default();
        add(&mut gathered, 1, 0..1, &[1_773_470_412, 4_872, 0, -1]);
        assert!(gathered.fields.is_empty());
        let piece = [61, 62, 63, 64, 65, 66, 67, 68];
        (2..5).for_each(|exchange| add(&mut gathered, exchange, 0..1, &piece));
        assert_eq!(gathered.finish(&Index::default()).1[0].readings, 8);
    }
}
