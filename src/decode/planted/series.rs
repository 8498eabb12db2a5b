//! Planted minute series (a day of heart rate, of steps) inside bytes and lists of numbers: at any stride, offset and width,
//! shifted, in part, with or without the minutes that have no reading, as values or as differences. Which leaves hold such data,
//! the caller says; nothing here knows a format.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::model::{
    Certainty, MinuteSet,
    minutes::{MINUTES_OF_A_DAY, NO_VALUE},
};

use super::{
    filter::Filter,
    overlay::{Kind, LEAST_MINUTES, Overlay, Pattern, Plane},
    shown::{Best, Known, Layout, SeriesHit, describe_bytes, is_no_reading, share},
};

/// One planted series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Series<'s> {
    /// The caller's number of it.
    pub(super) number: usize,
    /// A value a minute.
    pub(super) values: &'s [u8],
    /// The day whose first minute the first value is of; `None` when nobody knows.
    pub(super) day: Option<Date>,
}

/// All planted series, made ready for searching at once.
#[derive(Debug, Default)]
pub(super) struct AllSeries {
    /// What is known of each series, by the caller's number of it.
    known: BTreeMap<usize, Known>,
    patterns: Vec<Pattern>,
    /// Short runs of readings of all patterns, by key.
    seeds: Vec<Seed>,
    /// Of keys of seeds.
    keys: Filter,
    /// Of four readings after each other that begin a seed, by kind.
    quads: [Filter; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seed {
    key: u64,
    pattern: u32,
    at: u32,
}

impl AllSeries {
    /// Prepares a search for series. Those of fewer than 20 readings say too little.
    pub(super) fn new<'a>(series: impl Iterator<Item = Series<'a>>) -> Self {
        let mut all = Self::default();
        for Series { number, values, day } in series {
            let held: MinuteSet = (0..values.len()).filter(|minute| Kind::Values.is_reading(values[*minute])).collect();
            if held.count() < LEAST_MINUTES || values.len() > MOST_BYTES {
                continue;
            }
            let every: Vec<u32> = (0..values.len() as u32).collect();
            let readings: Vec<u32> = held.iter().map(|minute| minute as u32).collect();
            let has_gaps = readings.len() < every.len();
            all.add(number, values, &every, true);
            if has_gaps {
                // Only the minutes that have one, as in a list of samples.
                all.add(number, values, &readings, true);
            }
            for step in THINNED {
                for phase in 0..step {
                    for minutes in [&every, &readings].into_iter().take(1 + usize::from(has_gaps)) {
                        let thinned: Vec<u32> = minutes.iter().copied().skip(phase).step_by(step).collect();
                        all.add(number, values, &thinned, false);
                    }
                }
            }
            all.known.insert(number, Known { held, day });
        }
        all.plant_seeds();
        all
    }

    /// Adds the values of these minutes, with their differences where each or each reading is among them.
    fn add(&mut self, number: usize, of: &[u8], minutes: &[u32], with_differences: bool) {
        let values: Vec<u8> = minutes.iter().filter_map(|minute| of.get(*minute as usize)).copied().collect();
        if values.iter().filter(|value| Kind::Values.is_reading(**value)).count() < LEAST_MINUTES {
            return;
        }
        let whole = values.len() == of.len();
        let minutes = minutes.to_vec();
        if with_differences {
            let differences = values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
            let minutes = minutes.clone();
            self.patterns.push(Pattern { number, values: differences, kind: Kind::Differences, minutes, whole: false });
        }
        self.patterns.push(Pattern { number, values, kind: Kind::Values, minutes, whole });
    }

    fn plant_seeds(&mut self) {
        let mut quads = [Vec::new(), Vec::new()];
        for (number, pattern) in self.patterns.iter().enumerate() {
            let mut plant = |values: &[u8]| {
                let plane = Plane { data: values, offset: 0, stride: 1 };
                for at in 0..values.len() {
                    if let Some(key) = plane.seed(at, pattern.kind) {
                        self.seeds.push(Seed { key, pattern: number as u32, at: at as u32 });
                        if let Some(quad) = values[at..].first_chunk::<4>() {
                            quads[pattern.kind as usize].push(u32::from_le_bytes(*quad).into());
                        }
                    }
                }
            };
            plant(&pattern.values);
            if pattern.whole {
                halves(&pattern.values).iter().for_each(|half| plant(half));
            }
        }
        self.seeds.sort_unstable();
        self.seeds.dedup();
        self.keys = Filter::new(self.seeds.iter().map(|seed| seed.key));
        self.quads = quads.map(|quads| Filter::new(quads.into_iter()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Every series that the bytes hold. Of bytes beyond the first mebibyte nothing is said; returns whether there were some.
    pub(super) fn find_in_bytes(&self, bytes: &[u8], found: &mut dyn FnMut(SeriesHit)) -> bool {
        self.find_in_bytes_among(bytes, 1.0, found)
    }

    /// The same for bytes that are one of so many searches, each of which could find something by chance.
    pub(super) fn find_in_bytes_among(&self, bytes: &[u8], among: f64, found: &mut dyn FnMut(SeriesHit)) -> bool {
        if self.is_empty() || bytes.len() < LEAST_MINUTES {
            return false;
        }
        let head = &bytes[..bytes.len().min(MOST_BYTES)];
        let mut best = Best::of(head.len(), among);
        let describe: &Describe<'_> = &|layout, plane, hit| describe_bytes(layout, plane, hit);
        self.search(head, Kind::Values, MOST_STRIDE, &mut best, describe);
        self.search_beside(head, &mut best, describe);
        self.search(head, Kind::Differences, MOST_STRIDE_OF_DIFFERENCES, &mut best, &|layout, plane, hit| {
            format!("{}, as differences", describe_bytes(layout, plane, hit))
        });
        // Protocol Buffers' sint32: the sign in the lowest bit.
        let unfolded: Vec<u8> = head.iter().map(|byte| byte >> 1 ^ (byte & 1).wrapping_neg()).collect();
        self.search(&unfolded, Kind::Differences, 1, &mut best, &|_, _, _| ", one byte each, as differences in zigzag".to_owned());
        self.in_varints(head, &mut best);
        let readers: [FloatReader<'_>; 4] = [
            (&float_at(f32_of, true), 4, "little-endian"),
            (&float_at(f32_of, false), 4, "big-endian"),
            (&float_at(f64_of, true), 8, "little-endian"),
            (&float_at(f64_of, false), 8, "big-endian"),
        ];
        // Floats of whole numbers have zeros in their lower bytes.
        let zeros = head.windows(2).filter(|pair| *pair == [0, 0]).count();
        for (read, width, order) in readers.into_iter().filter(|_| zeros >= LEAST_MINUTES) {
            // The value of the float that begins at each byte, none where that is no reading.
            let floats: Vec<u8> = (0..head.len()).map(|at| head.get(at..at + width).map_or(0, read)).collect();
            self.search(&floats, Kind::Values, MOST_STRIDE, &mut best, &|layout, _, _| match layout.stride {
                stride if stride == width => format!(", floats of {width} bytes, {order}"),
                stride => format!(", floats of {width} bytes of {stride}, {order}"),
            });
        }
        best.tell(&self.known, |range| share(bytes, range, |byte| matches!(byte, 0 | 0xfe | 0xff)), found);
        bytes.len() > head.len()
    }

    /// Protocol Buffers' packed numbers: one byte for some, two for others, so that no stride fits them.
    fn in_varints(&self, bytes: &[u8], best: &mut Best) {
        if !bytes.iter().any(|byte| byte & 0x80 != 0) {
            return;
        }
        let (mut values, mut unfolded) = (Vec::with_capacity(bytes.len()), Vec::with_capacity(bytes.len()));
        let mut number = 0_u64;
        let mut shift = 0;
        for byte in bytes {
            number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 != 0 {
                shift += 7;
                continue;
            }
            values.push(u8::try_from(number).unwrap_or(0));
            let difference = (number >> 1) as i64 ^ -((number & 1) as i64);
            unfolded.push(i8::try_from(difference).map_or(0, i8::cast_unsigned));
            (number, shift) = (0, 0);
        }
        self.search(&values, Kind::Values, MOST_STRIDE_OF_NUMBERS, best, &|layout, _, _| match layout.stride {
            1 => ", as varints".to_owned(),
            stride => format!(", as varints, one number of {stride}"),
        });
        self.search(&unfolded, Kind::Differences, 1, best, &|_, _, _| ", as varints, as differences in zigzag".to_owned());
    }

    /// Every series that a text holds in its lines: the first, second, … number of each (`480,62`, `08:00,62`, `{"t":480,"hr":62}`).
    pub(super) fn find_in_lines(&self, text: &str, found: &mut dyn FnMut(SeriesHit)) {
        if self.is_empty() {
            return;
        }
        let mut columns: [Vec<i32>; MOST_NUMBERS_OF_A_LINE] = Default::default();
        for line in text.lines() {
            let numbers =
                line.split(|c: char| !c.is_ascii_digit() && c != '.').filter(|piece| piece.starts_with(|c: char| c.is_ascii_digit()));
            for (column, piece) in columns.iter_mut().zip(numbers) {
                let piece = piece.trim_end_matches('.');
                column.push(piece.strip_suffix(".0").unwrap_or(piece).parse().unwrap_or(i32::MAX));
            }
        }
        let mut best: BTreeMap<usize, SeriesHit> = BTreeMap::new();
        for column in &columns {
            self.find_in_numbers(column, "in lines of text", &mut |hit| {
                let mut hit = hit;
                if let Some(known) = best.remove(&hit.number) {
                    let mut better = if known.minutes.count() < hit.minutes.count() { hit.clone() } else { known.clone() };
                    better.minutes.union(&hit.minutes);
                    better.minutes.union(&known.minutes);
                    better.probably.union(&hit.probably);
                    better.probably.union(&known.probably);
                    hit = better;
                }
                best.insert(hit.number, hit);
            });
        }
        best.into_values().for_each(found);
    }

    /// Every series that a list of numbers holds; `place` says where the list stands ("in an array").
    pub(super) fn find_in_numbers(&self, numbers: &[i32], place: &str, found: &mut dyn FnMut(SeriesHit)) {
        self.find_in_numbers_among(numbers, place, 1.0, found);
    }

    /// The same for a list that is one of so many searches, each of which could find something by chance.
    pub(super) fn find_in_numbers_among(&self, numbers: &[i32], place: &str, among: f64, found: &mut dyn FnMut(SeriesHit)) {
        if self.is_empty() || numbers.len() < LEAST_MINUTES {
            return;
        }
        let every = |layout: Layout| if layout.stride == 1 { String::new() } else { format!(", one number of {}", layout.stride) };
        let values: Vec<u8> = numbers.iter().map(|number| u8::try_from(*number).unwrap_or(0)).collect();
        let differences: Vec<u8> = numbers.iter().map(|number| i8::try_from(*number).map_or(0, i8::cast_unsigned)).collect();
        let mut best = Best::of(numbers.len(), among);
        self.search(&values, Kind::Values, MOST_STRIDE_OF_NUMBERS, &mut best, &|layout, _, _| format!(", {place}{}", every(layout)));
        self.search(&differences, Kind::Differences, MOST_STRIDE_OF_NUMBERS, &mut best, &|layout, _, _| {
            format!(", {place}{}, as differences", every(layout))
        });
        best.tell(&self.known, |range| share(numbers, range, is_no_reading), &mut |mut hit| {
            // The minutes without a reading before and after belong to them.
            let before = numbers[..hit.range.start].iter().rev().take_while(|number| is_no_reading(**number)).count();
            let after = numbers[hit.range.end..].iter().take_while(|number| is_no_reading(**number)).count();
            hit.range = hit.range.start - before..hit.range.end + after;
            found(hit);
        });
    }

    fn search(&self, data: &[u8], kind: Kind, most_stride: usize, best: &mut Best, describe: &Describe<'_>) {
        if data.iter().filter(|value| kind.is_reading(**value)).count() < LEAST_MINUTES {
            return;
        }
        let mut laying = Laying { kind, most_stride, verifications: 0, best, describe };
        self.search_whole(data, &mut laying);
        let quads = &self.quads[kind as usize];
        let fillers = kind.fillers();
        let is_reading = |value: u8| value.wrapping_add(fillers) > fillers;
        for stride in 1..=most_stride.min(data.len() / LEAST_MINUTES) {
            let step = minutes_apart(data.len() / stride, stride);
            for at in (0..data.len() / stride).step_by(step) {
                for (offset, window) in data[at * stride..].windows(3 * stride + 1).take(stride).enumerate() {
                    let (a, b, c, d) = (window[0], window[stride], window[2 * stride], window[3 * stride]);
                    if !is_reading(a) {
                        continue;
                    }
                    let all_readings = is_reading(b) & is_reading(c) & is_reading(d);
                    if all_readings && !quads.may_hold(u32::from_le_bytes([a, b, c, d]).into()) {
                        continue;
                    }
                    let plane = Plane { data, offset, stride };
                    self.look(plane, at, &mut laying);
                }
            }
        }
    }

    /// Looks for a seed at a place of a plane, and lays over it what has one.
    #[cold]
    fn look(&self, plane: Plane<'_>, at: usize, laying: &mut Laying<'_, '_>) {
        let Some(key) = plane.seed(at, laying.kind).filter(|key| self.keys.may_hold(*key)) else { return };
        for seed in self.with_key(key) {
            let pattern = &self.patterns[seed.pattern as usize];
            let layout = Layout { stride: plane.stride, offset: plane.offset, shift: at as isize - seed.at as isize };
            let known = laying.best.knows(seed.pattern, layout, at);
            if pattern.kind != laying.kind || known || laying.verifications >= MOST_VERIFICATIONS {
                continue;
            }
            laying.verifications += 1;
            self.lay(seed.pattern, plane, seed.at as usize, layout, laying);
        }
    }

    /// Lays a pattern over a plane from one place on where they agree. Returns whether that is more than chance.
    fn lay(&self, number: u32, plane: Plane<'_>, at: usize, layout: Layout, laying: &mut Laying<'_, '_>) -> bool {
        let pattern = &self.patterns[number as usize];
        let planes = laying.most_stride * (laying.most_stride + 1) / 2;
        let trials = plane.len() as f64 * pattern.values.len() as f64 * (planes * self.patterns.len()) as f64 * laying.best.among;
        let Some(overlay) = pattern.lies_over(plane, at, layout.shift, trials) else { return false };
        let spelling = (laying.describe)(layout, plane, &overlay);
        laying.best.add(pattern, number, layout, plane, (overlay, spelling));
        true
    }

    /// Data that is just as long as a series, or so many times: whatever minutes are missing from it, it is laid from the first
    /// minute to the last.
    fn search_whole(&self, data: &[u8], laying: &mut Laying<'_, '_>) {
        for stride in (1..=laying.most_stride).filter(|stride| data.len().is_multiple_of(*stride)) {
            let fits = |pattern: &Pattern| pattern.whole && pattern.kind == laying.kind && pattern.values.len() == data.len() / stride;
            let fitting: Vec<u32> = (0..self.patterns.len() as u32).filter(|number| fits(&self.patterns[*number as usize])).collect();
            for (number, offset) in fitting.into_iter().flat_map(|number| (0..stride).map(move |offset| (number, offset))) {
                let plane = Plane { data, offset, stride };
                let same = self.patterns[number as usize].same_in(plane);
                if same.len() < LEAST_MINUTES {
                    continue;
                }
                let layout = Layout { stride, offset, shift: 0 };
                for at in same.iter().step_by(same.len().div_ceil(MOST_STARTS)) {
                    if !laying.best.knows(number, layout, *at) && laying.verifications < MOST_VERIFICATIONS {
                        laying.verifications += 1;
                        self.lay(number, plane, *at, layout, laying);
                    }
                }
            }
        }
    }

    /// What else of the same day lies in the records in which one series of it was found: what a band measured in one minute, an
    /// app keeps together.
    fn search_beside(&self, data: &[u8], best: &mut Best, describe: &Describe<'_>) {
        let certain = |number: &u32| self.patterns[*number as usize].whole && self.day_of(*number).is_some();
        let found: Vec<(u32, Layout)> =
            best.layouts.iter().filter(|(number, ..)| certain(number)).map(|(number, layout, _)| (*number, *layout)).collect();
        for (number, layout) in found.into_iter().filter(|(_, layout)| layout.stride > 1) {
            for (other, pattern) in (0..).zip(&self.patterns) {
                let same_day =
                    pattern.whole && pattern.number != self.patterns[number as usize].number && self.day_of(other) == self.day_of(number);
                if !same_day || best.certain.contains_key(&pattern.number) {
                    continue;
                }
                for offset in (0..layout.stride).filter(|offset| *offset != layout.offset) {
                    let plane = Plane { data, offset, stride: layout.stride };
                    let layout = Layout { offset, ..layout };
                    if let Some(overlay) =
                        pattern.lies_beside(plane, layout.shift, layout.stride as f64 * self.patterns.len() as f64 * best.among)
                    {
                        let spelling = describe(layout, plane, &overlay);
                        best.add(pattern, other, layout, plane, (overlay, spelling));
                        break;
                    }
                }
            }
        }
    }

    /// The day of the series that a pattern is of.
    fn day_of(&self, pattern: u32) -> Option<Date> {
        self.known.get(&self.patterns[pattern as usize].number)?.day
    }

    fn with_key(&self, key: u64) -> impl Iterator<Item = &Seed> {
        let from = self.seeds.partition_point(|seed| seed.key < key);
        self.seeds[from..].iter().take_while(move |seed| seed.key == key).take(MOST_OF_A_KEY)
    }
}

/// One search of some data.
struct Laying<'b, 'd> {
    kind: Kind,
    most_stride: usize,
    /// Overlays that were tried.
    verifications: usize,
    best: &'b mut Best,
    describe: &'b Describe<'d>,
}

/// Reads a float as a reading; its bytes and their order.
type FloatReader<'r> = (&'r dyn Fn(&[u8]) -> u8, usize, &'static str);

type Describe<'d> = dyn Fn(Layout, Plane<'_>, &Overlay) -> String + 'd;

/// A series without every other minute, and without every other reading: what is left of it when somebody sends half.
fn halves(values: &[u8]) -> Vec<Vec<u8>> {
    let mut halves = vec![vec![NO_VALUE; values.len()]; 4];
    let readings = values.iter().enumerate().filter(|(_, value)| Kind::Values.is_reading(**value));
    for (number, (minute, value)) in readings.enumerate() {
        halves[minute % 2][minute] = *value;
        halves[2 + number % 2][minute] = *value;
    }
    halves
}

/// Whether a series has enough readings, and these differ enough, to be told from chance where all of it is sent.
pub(super) fn can_be_told(values: &[u8]) -> bool {
    let readings = values.iter().filter(|value| Kind::Values.is_reading(**value)).count();
    if readings < LEAST_MINUTES || values.len() > MOST_BYTES {
        return false;
    }
    let pattern =
        Pattern { number: 0, values: values.to_vec(), kind: Kind::Values, minutes: (0..values.len() as u32).collect(), whole: true };
    let plane = Plane { data: values, offset: 0, stride: 1 };
    let Some(first) = values.iter().position(|value| Kind::Values.is_reading(*value)) else { return false };
    let planes = MOST_STRIDE * (MOST_STRIDE + 1) / 2;
    let trials = (values.len() * MINUTES_OF_A_DAY * planes) as f64;
    pattern.lies_over(plane, first, 0, trials).is_some_and(|overlay| overlay.certainty == Certainty::Certain)
}

/// How many minutes lie between the places of a plane that are looked at: a prime number, so that no rhythm of readings (every
/// five, ten, thirty) falls between. The more minutes, the longer what is worth finding; wide records are rarer.
fn minutes_apart(minutes: usize, stride: usize) -> usize {
    let most = match (minutes, stride) {
        (0..64, _) => return 1,
        (_, 1..=4) => (minutes / 96).clamp(7, 13),
        _ => (minutes / 8).clamp(7, 31),
    };
    [31, 29, 23, 19, 17, 13, 11].into_iter().find(|prime| *prime <= most).unwrap_or(7)
}

/// Reads a float of so many bytes as a reading, zero for what is none.
fn float_at<const N: usize>(read: fn([u8; N]) -> f64, little: bool) -> impl Fn(&[u8]) -> u8 {
    move |bytes| {
        let Some(mut bytes) = bytes.first_chunk::<N>().copied() else { return 0 };
        if !little {
            bytes.reverse();
        }
        // Whole numbers up to 255 have a sign, an exponent near its middle, and seven bits more: the lower bytes are zero.
        if bytes[0] != 0 || bytes[1] != 0 || !matches!(bytes[N - 1], 0x3f..=0x43) {
            return 0;
        }
        let value = read(bytes);
        if value.fract() == 0.0 && (1.0..=255.0).contains(&value) { value as u8 } else { 0 }
    }
}

fn f32_of(bytes: [u8; 4]) -> f64 {
    f32::from_le_bytes(bytes).into()
}

const fn f64_of(bytes: [u8; 8]) -> f64 {
    f64::from_le_bytes(bytes)
}

/// A series of minutes is kilobytes; more is something else.
const MOST_BYTES: usize = 1 << 20;
const MOST_STRIDE: usize = 32;
const MOST_STRIDE_OF_DIFFERENCES: usize = 4;
const MOST_STRIDE_OF_NUMBERS: usize = 4;
const MOST_NUMBERS_OF_A_LINE: usize = 8;
/// A seed that is in a series more often is tried at its first places.
const MOST_OF_A_KEY: usize = 8;
/// So many overlays are tried for each leaf and kind; random data needs a few.
const MOST_VERIFICATIONS: usize = 4_000;
/// So many places are tried to begin at where a pattern is laid over data of its own length.
const MOST_STARTS: usize = 16;
/// Every second, third or fifth minute, or reading, may be all that is sent.
const THINNED: [usize; 3] = [2, 3, 5];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::thousands;

    /// A day as a band records it: a slow walk with jumps, no reading in one minute of five.
    fn day(seed: u64, minutes: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut rate = 62_i32;
        (0..minutes)
            .map(|_| {
                rate = (rate + random.i32(-3..=3) + if random.u8(..) < 6 { random.i32(-15..=25) } else { 0 }).clamp(45, 170);
                if random.u8(..5) == 0 { 0xff } else { rate as u8 }
            })
            .collect()
    }

    /// Steps: nothing in most minutes.
    fn steps(seed: u64) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..1440).map(|minute| if minute % 180 > 160 && random.u8(..3) > 0 { random.u8(2..130) } else { 0 }).collect()
    }

    fn searched(series: &[u8], search: impl Fn(&AllSeries, &mut dyn FnMut(SeriesHit))) -> String {
        let all = AllSeries::new([Series { number: 7, values: series, day: None }].into_iter());
        let mut told = Vec::new();
        search(&all, &mut |hit| told.push(format!("{}{}", hit.spelling, if hit.certainty == Certainty::Likely { ", likely" } else { "" })));
        told.join("; ")
    }

    fn in_bytes(series: &[u8], bytes: &[u8]) -> String {
        searched(series, |all, found| {
            all.find_in_bytes(bytes, found);
        })
    }

    fn in_numbers(series: &[u8], numbers: &[i32]) -> String {
        searched(series, |all, found| all.find_in_numbers(numbers, "in an array", found))
    }

    fn readings(series: &[u8]) -> String {
        thousands(series.iter().filter(|value| Kind::Values.is_reading(**value)).count() as u64)
    }

    #[test]
    fn a_series_is_found_at_any_stride_width_and_order() {
        for series in [day(1, 1440), steps(2)] {
            let all = readings(&series);
            let all = format!("{all} of {all} minutes");
            assert_eq!(in_bytes(&series, &series), format!("{all}, one byte each"));
            let mut random = fastrand::Rng::with_seed(3);
            for stride in 2..=32_usize {
                for offset in [0, stride / 2, stride - 1] {
                    let length = random.usize(0..40);
                    let head: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
                    let records = series.iter().flat_map(|value| {
                        let mut record: Vec<u8> = (0..stride).map(|_| random.u8(1..)).collect();
                        record[offset] = *value;
                        record
                    });
                    let bytes: Vec<u8> = head.iter().copied().chain(records).collect();
                    assert_eq!(in_bytes(&series, &bytes), format!("{all}, one byte of {stride}"), "{stride} {offset}");
                }
            }
            let wide = |write: &dyn Fn(u8) -> Vec<u8>| series.iter().flat_map(|value| write(*value)).collect::<Vec<u8>>();
            for (bytes, want) in [
                (wide(&|value| u16::from(value).to_le_bytes().to_vec()), "2 bytes each, little-endian"),
                (wide(&|value| u16::from(value).to_be_bytes().to_vec()), "2 bytes each, big-endian"),
                (wide(&|value| u32::from(value).to_le_bytes().to_vec()), "4 bytes each, little-endian"),
                (wide(&|value| u32::from(value).to_be_bytes().to_vec()), "4 bytes each, big-endian"),
                (wide(&|value| vec![value, 0, 9, 200, 7]), "2 bytes of 5, little-endian"),
            ] {
                assert_eq!(in_bytes(&series, &bytes), format!("{all}, {want}"));
            }
        }
    }

    #[test]
    fn a_series_is_found_shifted_in_part_and_over_midnight() {
        let series = day(1, 1440);
        let other = day(9, 1440);
        let mut bytes = other[..300].to_vec();
        bytes.extend_from_slice(&series[..1140]);
        let count = |part: &[u8]| thousands(part.iter().filter(|value| Kind::Values.is_reading(**value)).count() as u64);
        let want = format!("{} of {} minutes (0 to 1139), one byte each", count(&series[..1140]), readings(&series));
        assert_eq!(in_bytes(&series, &bytes), want);
        let mut bytes = series[1140..].to_vec();
        bytes.extend_from_slice(&other[300..]);
        let told = in_bytes(&series, &bytes);
        assert!(told.starts_with(&format!("{} of", count(&series[1140..]))), "{told}");
        // An hour of it among the minutes of another day.
        let mut bytes = other.clone();
        bytes[700..760].copy_from_slice(&series[100..160]);
        let told = in_bytes(&series, &bytes);
        assert!(told.contains(" of ") && told.ends_with("one byte each"), "{told}");
        // Some minutes differ.
        let mut random = fastrand::Rng::with_seed(5);
        let rough: Vec<u8> = series.iter().map(|value| if random.u8(..10) == 0 { value.wrapping_add(3) } else { *value }).collect();
        let told = in_bytes(&series, &rough);
        let want = format!(" of {} minutes (in ", readings(&series));
        assert!(told.contains(&want) && told.ends_with(" pieces, 0 to 1439), one byte each"), "{told}");
    }

    #[test]
    fn a_series_is_found_as_numbers_and_as_differences() {
        let series = day(1, 1440);
        let numbers: Vec<i32> = series.iter().map(|value| i32::from(*value)).collect();
        let all = readings(&series);
        assert_eq!(in_numbers(&series, &numbers), format!("{all} of {all} minutes, in an array"));
        let only: Vec<i32> = numbers.iter().copied().filter(|value| *value != 255).collect();
        assert_eq!(in_numbers(&series, &only), format!("{all} of {all} minutes, in an array"));
        let pairs: Vec<i32> = only.iter().enumerate().flat_map(|(at, value)| [1_773_442_800 + 60 * at as i32, *value]).collect();
        assert_eq!(in_numbers(&series, &pairs), format!("{all} of {all} minutes, in an array, one number of 2"));
        let differences: Vec<i32> = only.iter().scan(0, |last, value| Some(value - std::mem::replace(last, *value))).collect();
        let told = in_numbers(&series, &differences);
        assert!(told.ends_with("in an array, as differences") && told.starts_with(&all[..3]), "{told}");
        let bytes: Vec<u8> = series.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
        assert!(in_bytes(&series, &bytes).ends_with("one byte each, as differences"), "{}", in_bytes(&series, &bytes));
        let zigzag: Vec<u8> = only.windows(2).map(|pair| ((pair[1] - pair[0]) << 1 ^ (pair[1] - pair[0]) >> 31) as u8).collect();
        assert!(in_bytes(&series, &zigzag).ends_with("in zigzag"), "{}", in_bytes(&series, &zigzag));
    }

    #[test]
    fn a_series_is_found_as_floats_as_varints_and_in_lines() {
        // Some minutes above 127, whose varint has two bytes.
        let series: Vec<u8> = day(1, 1440).iter().enumerate().map(|(at, value)| if at % 97 < 30 { value | 0x80 } else { *value }).collect();
        let all = format!("{0} of {0} minutes", readings(&series));
        let bytes = |write: &dyn Fn(u8) -> Vec<u8>| series.iter().flat_map(|value| write(*value)).collect::<Vec<u8>>();
        let varint = |value: u8| if value < 0x80 { vec![value] } else { vec![value, 1] };
        for (bytes, want) in [
            (bytes(&varint), "as varints"),
            (bytes(&|value| f32::from(value).to_le_bytes().to_vec()), "floats of 4 bytes, little-endian"),
            (bytes(&|value| f32::from(value).to_be_bytes().to_vec()), "floats of 4 bytes, big-endian"),
            (bytes(&|value| f64::from(value).to_le_bytes().to_vec()), "floats of 8 bytes, little-endian"),
            (bytes(&|value| [&[9, 1, 7][..], &f64::from(value).to_be_bytes()].concat()), "floats of 8 bytes of 11, big-endian"),
        ] {
            assert_eq!(in_bytes(&series, &bytes), format!("{all}, {want}"));
        }
        let only: Vec<u8> = series.iter().copied().filter(|value| *value != 255).collect();
        for (head, line) in [
            ("", (|at, value| format!("{at},{value}\n")) as fn(usize, u8) -> String),
            ("time,bpm\n", |at, value| format!("{:02}:{:02},{value}\r\n", at / 60, at % 60)),
            ("", |at, value| format!("{{\"t\":{},\"hr\":{value}}}\n", 1_773_442_800 + 60 * at)),
            ("", |at, value| format!("2026-03-14T{:02}:{:02}:00Z;{value}.0;ok\n", at / 60, at % 60)),
        ] {
            let text = only.iter().enumerate().fold(head.to_owned(), |text, (at, value)| text + &line(at, *value));
            let told = searched(&series, |all, found| all.find_in_lines(&text, found));
            assert_eq!(told, format!("{all}, in lines of text"), "{}", &text[..60]);
        }
    }

    #[test]
    fn another_day_is_not_found() {
        let mut random = fastrand::Rng::with_seed(4);
        for seed in 10..60 {
            let (heart, walked) = (day(1, 1440), steps(2));
            for series in [&heart, &walked] {
                for other in [day(seed, 1440), steps(seed), vec![60; 1440], vec![0; 1440], vec![0xff; 1440]] {
                    assert_eq!(in_bytes(series, &other), "", "{seed}");
                    let interleaved: Vec<u8> = other.iter().flat_map(|value| [1, *value, 90]).collect();
                    assert_eq!(in_bytes(series, &interleaved), "", "{seed}");
                    let numbers: Vec<i32> = other.iter().map(|value| i32::from(*value)).collect();
                    assert_eq!(in_numbers(series, &numbers), "", "{seed}");
                }
                let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(20_000).collect();
                assert_eq!(in_bytes(series, &noise), "");
                let like_it: Vec<u8> = std::iter::repeat_with(|| random.u8(50..90)).take(20_000).collect();
                assert_eq!(in_bytes(series, &like_it), "");
                let ramp: Vec<u8> = (0..20_000_u32).map(|at| at as u8).collect();
                assert_eq!(in_bytes(series, &ramp), "");
            }
        }
        assert_eq!(in_bytes(&[61; 1440], &[61; 1440]), "", "a constant says nothing");
        assert_eq!(in_bytes(&day(1, 19), &day(1, 19)), "", "too few minutes");
    }
}
