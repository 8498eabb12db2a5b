//! Planted minute series (a day of heart rate, of steps) inside bytes and lists of numbers: at any stride, offset and width,
//! shifted, in part, with or without the minutes that have no reading, as values or as differences. Which leaves hold such data,
//! the caller says; nothing here knows a format.

use std::collections::BTreeMap;

use crate::model::Certainty;

use super::chance;

/// All planted series, made ready for searching at once.
#[derive(Debug, Default)]
pub(super) struct AllSeries {
    /// Readings that each series has, by the caller's number of it.
    readings: BTreeMap<usize, usize>,
    patterns: Vec<Pattern>,
    /// Short runs of readings of all patterns, by key.
    seeds: Vec<Seed>,
    /// Of keys of seeds.
    keys: Filter,
    /// Of three readings after each other that begin a seed, by kind.
    triples: [Filter; 2],
}

/// One way in which the values of a series follow each other.
#[derive(Debug)]
struct Pattern {
    /// The caller's number of the series.
    number: usize,
    values: Vec<u8>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Values,
    /// Each value less the one before, modulo 256.
    Differences,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seed {
    key: u64,
    pattern: u32,
    at: u32,
}

/// A series found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SeriesHit {
    /// The caller's number of it.
    pub(super) number: usize,
    /// Minutes that agree.
    pub(super) minutes: usize,
    /// What a report says of it.
    pub(super) spelling: String,
    pub(super) certainty: Certainty,
}

impl AllSeries {
    /// Prepares a search for series, each with the caller's number. Those of fewer than 20 readings say too little.
    pub(super) fn new<'a>(series: impl Iterator<Item = (usize, &'a [u8])>) -> Self {
        let mut all = Self::default();
        for (number, minutes) in series {
            let readings: Vec<u8> = minutes.iter().copied().filter(|minute| Kind::Values.is_reading(*minute)).collect();
            if readings.len() < LEAST_MINUTES || minutes.len() > MOST_BYTES {
                continue;
            }
            all.readings.insert(number, readings.len());
            let mut add = |values: &[u8]| {
                let differences = values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
                all.patterns.push(Pattern { number, values: values.to_vec(), kind: Kind::Values });
                all.patterns.push(Pattern { number, values: differences, kind: Kind::Differences });
            };
            add(minutes);
            if readings.len() < minutes.len() {
                // Only the minutes that have one, as in a list of samples.
                add(&readings);
            }
        }
        let mut triples = [Vec::new(), Vec::new()];
        for (number, pattern) in all.patterns.iter().enumerate() {
            let plane = Plane { data: &pattern.values, offset: 0, stride: 1 };
            for at in 0..pattern.values.len() {
                if let Some(key) = plane.seed(at, pattern.kind) {
                    all.seeds.push(Seed { key, pattern: number as u32, at: at as u32 });
                    if let Some(&[a, b, c]) = pattern.values[at..].first_chunk::<3>() {
                        triples[pattern.kind as usize].push(triple(a, b, c));
                    }
                }
            }
        }
        all.seeds.sort_unstable();
        all.keys = Filter::new(all.seeds.iter().map(|seed| seed.key));
        all.triples = triples.map(|triples| Filter::new(triples.into_iter()));
        all
    }

    pub(super) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Every series that the bytes hold. Of bytes beyond the first mebibyte nothing is said; returns whether there were some.
    pub(super) fn find_in_bytes(&self, bytes: &[u8], found: &mut dyn FnMut(SeriesHit)) -> bool {
        if self.is_empty() || bytes.len() < LEAST_MINUTES {
            return false;
        }
        let head = &bytes[..bytes.len().min(MOST_BYTES)];
        let mut best = Best::default();
        self.search(head, Kind::Values, MOST_STRIDE, &mut best, &|layout, plane, hit| describe_bytes(layout, plane, hit));
        self.search(head, Kind::Differences, MOST_STRIDE_OF_DIFFERENCES, &mut best, &|layout, plane, hit| {
            format!("{}, as differences", describe_bytes(layout, plane, hit))
        });
        // Protocol Buffers' sint32: the sign in the lowest bit.
        let unfolded: Vec<u8> = head.iter().map(|byte| byte >> 1 ^ (byte & 1).wrapping_neg()).collect();
        self.search(&unfolded, Kind::Differences, 1, &mut best, &|_, _, _| ", one byte each, as differences in zigzag".to_owned());
        best.tell(self, found);
        bytes.len() > head.len()
    }

    /// Every series that a list of numbers holds; `place` says where the list stands ("in an array").
    pub(super) fn find_in_numbers(&self, numbers: &[i32], place: &str, found: &mut dyn FnMut(SeriesHit)) {
        if self.is_empty() || numbers.len() < LEAST_MINUTES {
            return;
        }
        let every = |layout: Layout| if layout.stride == 1 { String::new() } else { format!(", one number of {}", layout.stride) };
        let values: Vec<u8> = numbers.iter().map(|number| u8::try_from(*number).unwrap_or(0)).collect();
        let differences: Vec<u8> = numbers.iter().map(|number| i8::try_from(*number).map_or(0, i8::cast_unsigned)).collect();
        let mut best = Best::default();
        self.search(&values, Kind::Values, MOST_STRIDE_OF_NUMBERS, &mut best, &|layout, _, _| format!(", {place}{}", every(layout)));
        self.search(&differences, Kind::Differences, MOST_STRIDE_OF_NUMBERS, &mut best, &|layout, _, _| {
            format!(", {place}{}, as differences", every(layout))
        });
        best.tell(self, found);
    }

    fn search(&self, data: &[u8], kind: Kind, most_stride: usize, best: &mut Best, describe: &Describe<'_>) {
        if data.iter().filter(|value| kind.is_reading(**value)).count() < LEAST_MINUTES {
            return;
        }
        // So many minutes apart that no rhythm of readings (every five, ten, thirty) falls between. The more data, the longer what is
        // worth finding.
        let step = match data.len() {
            0..256 => 1,
            256..16_384 => 7,
            _ => 13,
        };
        let mut verifications = 0;
        let triples = &self.triples[kind as usize];
        for stride in 1..=most_stride.min(data.len() / LEAST_MINUTES) {
            for (number, minutes) in data.chunks(stride * step).enumerate() {
                // The readings of one minute at all offsets, and those of the next two.
                let Some(after) = data.get(number * stride * step + stride..).filter(|after| after.len() >= 2 * stride) else { break };
                let (next, after) = after.split_at(stride);
                for (offset, ((&a, &b), &c)) in minutes.iter().zip(next).zip(after).enumerate() {
                    if !kind.is_reading(a) {
                        continue;
                    }
                    if kind.is_reading(b) && kind.is_reading(c) && !triples.may_hold(triple(a, b, c)) {
                        continue;
                    }
                    let plane = Plane { data, offset, stride };
                    self.look(plane, number * step, kind, most_stride, &mut verifications, best, describe);
                }
            }
        }
    }

    /// Looks for a seed at a place of a plane, and lays over it what has one.
    fn look(
        &self,
        plane: Plane<'_>,
        at: usize,
        kind: Kind,
        most_stride: usize,
        verifications: &mut usize,
        best: &mut Best,
        describe: &Describe<'_>,
    ) {
        let Some(key) = plane.seed(at, kind).filter(|key| self.keys.may_hold(*key)) else { return };
        for seed in self.with_key(key) {
            let pattern = &self.patterns[seed.pattern as usize];
            let layout = Layout { stride: plane.stride, offset: plane.offset, shift: at as isize - seed.at as isize };
            if pattern.kind != kind || best.knows(pattern.number, seed.pattern, layout) || *verifications >= MOST_VERIFICATIONS {
                continue;
            }
            *verifications += 1;
            let planes = most_stride * (most_stride + 1) / 2;
            let trials = plane.len() as f64 * pattern.values.len() as f64 * (planes * self.patterns.len()) as f64;
            if let Some(overlay) = pattern.lies_over(plane, seed.at as usize, layout.shift, trials) {
                let spelling = describe(layout, plane, &overlay);
                best.add(pattern.number, seed.pattern, layout, overlay, spelling);
            }
        }
    }

    fn with_key(&self, key: u64) -> impl Iterator<Item = &Seed> {
        let from = self.seeds.partition_point(|seed| seed.key < key);
        self.seeds[from..].iter().take_while(move |seed| seed.key == key).take(MOST_OF_A_KEY)
    }
}

type Describe<'d> = dyn Fn(Layout, Plane<'_>, &Overlay) -> String + 'd;

/// Where the minutes of a series lie in data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Layout {
    stride: usize,
    offset: usize,
    /// Place in the plane of the pattern's first value.
    shift: isize,
}

/// Says of most keys that they are not among some, with one look at little memory.
#[derive(Debug, Default)]
struct Filter {
    words: Vec<u64>,
    shift: u32,
}

impl Filter {
    fn new(keys: impl Iterator<Item = u64>) -> Self {
        let keys: Vec<u64> = keys.collect();
        if keys.is_empty() {
            return Self::default();
        }
        // Sixteen bits a key, at most 256 KiB.
        let words = (keys.len() / 4).next_power_of_two().clamp(512, 1 << 15);
        let mut filter = Self { words: vec![0; words], shift: 58 - words.trailing_zeros() };
        for key in keys {
            let bit = filter.bit(key);
            filter.words[bit / 64] |= 1 << (bit % 64);
        }
        filter
    }

    #[inline]
    fn may_hold(&self, key: u64) -> bool {
        let bit = self.bit(key);
        self.words.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    #[inline]
    fn bit(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }
}

#[inline]
fn triple(a: u8, b: u8, c: u8) -> u64 {
    u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16
}

/// What laying a pattern over data has shown.
#[derive(Clone, Copy, Debug)]
struct Overlay {
    /// Minutes that agree.
    minutes: usize,
    certainty: Certainty,
    /// First place of the plane that agrees, and the one after the last.
    from: usize,
    to: usize,
}

/// The best that was found of each series.
#[derive(Debug, Default)]
struct Best {
    hits: BTreeMap<usize, (Overlay, String)>,
    /// Layouts that were looked at with success.
    layouts: Vec<(u32, Layout)>,
}

impl Best {
    fn knows(&self, number: usize, pattern: u32, layout: Layout) -> bool {
        self.hits.contains_key(&number) && self.layouts.iter().any(|known| *known == (pattern, layout))
    }

    fn add(&mut self, number: usize, pattern: u32, layout: Layout, overlay: Overlay, spelling: String) {
        if self.layouts.len() < MOST_LAYOUTS {
            self.layouts.push((pattern, layout));
        }
        let known = self.hits.get(&number).map(|(known, _)| (known.minutes, std::cmp::Reverse(known.certainty)));
        if known.is_none_or(|known| (overlay.minutes, std::cmp::Reverse(overlay.certainty)) > known) {
            self.hits.insert(number, (overlay, spelling));
        }
    }

    fn tell(self, all: &AllSeries, found: &mut dyn FnMut(SeriesHit)) {
        for (number, (overlay, layout)) in self.hits {
            let readings = all.readings.get(&number).copied().unwrap_or_default();
            let minutes = overlay.minutes.min(readings);
            let spelling = format!("{} of {} minutes{layout}", thousands(minutes), thousands(readings));
            found(SeriesHit { number, minutes, spelling, certainty: overlay.certainty });
        }
    }
}

impl Kind {
    /// FF is no reading, FE not there yet, 00 none (docs/protocols, Mi Fit's `data_hr`). A difference of nothing says nothing.
    const fn is_reading(self, value: u8) -> bool {
        match self {
            Self::Values => value.wrapping_add(2) > 2,
            Self::Differences => value != 0,
        }
    }

    /// Readings of a seed. A difference says less than a value.
    const fn seed_readings(self) -> usize {
        match self {
            Self::Values => 4,
            Self::Differences => 7,
        }
    }
}

/// Every so many bytes of some data.
#[derive(Clone, Copy, Debug)]
struct Plane<'d> {
    data: &'d [u8],
    offset: usize,
    stride: usize,
}

impl Plane<'_> {
    const fn len(&self) -> usize {
        (self.data.len() - self.offset).div_ceil(self.stride)
    }

    #[inline]
    fn at(&self, place: usize) -> Option<u8> {
        self.data.get(self.offset + place * self.stride).copied()
    }

    /// A few readings from a place and the gaps between them, as one number. `None` where there is no reading, or where they
    /// hardly differ.
    #[inline]
    fn seed(&self, place: usize, kind: Kind) -> Option<u64> {
        let first = self.at(place).filter(|value| kind.is_reading(*value))?;
        let mut key = u64::from(first);
        let (mut at, mut gap, mut differ) = (place, 0_u64, false);
        let mut left = kind.seed_readings() - 1;
        while left > 0 {
            at += 1;
            gap += 1;
            let value = self.at(at)?;
            if kind.is_reading(value) {
                key = (key ^ gap << 8).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) ^ u64::from(value);
                differ |= value != first;
                gap = 0;
                left -= 1;
            } else if gap >= LONGEST_GAP {
                return None;
            }
        }
        let key = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        differ.then_some((key ^ key >> 32).wrapping_add(kind as u64))
    }
}

impl Pattern {
    /// How far the pattern and a plane agree around one place where they do; `None` when that may be chance.
    fn lies_over(&self, plane: Plane<'_>, seed: usize, shift: isize, trials: f64) -> Option<Overlay> {
        let there = |at: usize| usize::try_from(at as isize + shift).ok().and_then(|place| plane.at(place));
        let score = |at: usize| {
            let value = self.values[at];
            match there(at) {
                None => None,
                Some(_) if !self.kind.is_reading(value) => Some(0),
                Some(other) if other == value => Some(AGREES),
                Some(other) if !self.kind.is_reading(other) && self.kind == Kind::Values => Some(MISSES),
                Some(_) => Some(CONTRADICTS),
            }
        };
        // As far as agreement outweighs what contradicts it, in both directions.
        let extent = |places: &mut dyn Iterator<Item = usize>| {
            let (mut sum, mut highest, mut end) = (0, 0, seed);
            for at in places {
                let Some(score) = score(at) else { break };
                sum += score;
                if sum > highest {
                    (highest, end) = (sum, at);
                }
                if sum < highest - GIVES_UP {
                    break;
                }
            }
            end
        };
        let to = extent(&mut (seed..self.values.len())) + 1;
        let from = extent(&mut (0..=seed).rev());
        let (mut agree, mut contradict, mut minutes) = (0, 0, 0);
        for at in from..to {
            match score(at) {
                Some(AGREES) => (agree, minutes) = (agree + 1, minutes + 1),
                Some(CONTRADICTS) => contradict += 1,
                // A minute that did not change agrees too.
                Some(0) if self.kind == Kind::Differences && there(at) == Some(0) => minutes += 1,
                _ => {}
            }
        }
        if agree < LEAST_MINUTES || contradict * 4 > agree {
            return None;
        }
        let certainty = self.certainty(from..to, &there, trials)?;
        let place = |at: usize| usize::try_from(at as isize + shift).unwrap_or(0);
        Some(Overlay { minutes: minutes + usize::from(self.kind == Kind::Differences), certainty, from: place(from), to: place(to) })
    }

    /// How unlikely the agreement is, given how the values of both are spread and how they follow each other. Only minutes in
    /// which the value changes speak: a night of sixty beats agrees with any other.
    fn certainty(&self, range: std::ops::Range<usize>, there: &dyn Fn(usize) -> Option<u8>, trials: f64) -> Option<Certainty> {
        let mut ours = Spread::default();
        let mut theirs = Spread::default();
        let (mut last, mut changes, mut agree) = (None, 0.0, 0.0);
        for at in range {
            let value = self.values[at];
            let Some(other) = there(at).filter(|other| self.kind.is_reading(value) && self.kind.is_reading(*other)) else { continue };
            if let Some((last_value, last_other)) = last
                && (self.kind == Kind::Differences || last_value != value)
            {
                ours.add(last_value, value);
                theirs.add(last_other, other);
                changes += 1.0;
                agree += f64::from(u8::from(value == other));
            }
            last = Some((value, other));
        }
        let by_chance = ours.meets(&theirs);
        if changes < 1.0 || agree / changes <= by_chance {
            return None;
        }
        // Chernoff's bound of a binomial tail.
        let share: f64 = agree / changes;
        let rest = if share < 1.0 { (1.0 - share) * ((1.0 - share) / (1.0 - by_chance)).ln() } else { 0.0 };
        let exponent = changes * (share * (share / by_chance).ln() + rest) - trials.max(1.0).ln();
        if exponent > -chance::CERTAIN.ln() {
            Some(Certainty::Certain)
        } else if exponent > -chance::LIKELY.ln() {
            Some(Certainty::Likely)
        } else {
            None
        }
    }
}

/// How values are spread, and how the steps between them.
struct Spread {
    values: [u32; 256],
    steps: [u32; 256],
    sum: u32,
}

impl Default for Spread {
    fn default() -> Self {
        Self { values: [0; 256], steps: [0; 256], sum: 0 }
    }
}

impl Spread {
    fn add(&mut self, last: u8, value: u8) {
        self.values[usize::from(value)] += 1;
        self.steps[usize::from(value.wrapping_sub(last))] += 1;
        self.sum += 1;
    }

    /// The chance that one of each is the same, by value or by step, whichever is larger. Never certainty.
    fn meets(&self, other: &Self) -> f64 {
        let all = f64::from(self.sum.max(1)) * f64::from(other.sum.max(1));
        let meet = |ours: &[u32; 256], theirs: &[u32; 256]| {
            ours.iter().zip(theirs).map(|(ours, theirs)| f64::from(*ours) * f64::from(*theirs)).sum::<f64>() / all
        };
        meet(&self.values, &other.values).max(meet(&self.steps, &other.steps)).clamp(1.0 / 256.0, 0.95)
    }
}

/// Width, byte order and stride of a plane whose other bytes are known too.
fn describe_bytes(layout: Layout, plane: Plane<'_>, overlay: &Overlay) -> String {
    let Layout { stride, offset, .. } = layout;
    if stride == 1 {
        return ", one byte each".to_owned();
    }
    let all_zero = |distance: isize| {
        (overlay.from..overlay.to).all(|place| {
            let value = plane.at(place).unwrap_or(0);
            let beside = usize::try_from((offset + place * stride) as isize + distance).ok().and_then(|at| plane.data.get(at));
            !Kind::Values.is_reading(value) || beside.is_none_or(|byte| *byte == 0)
        })
    };
    let zeros = |direction: isize| (1..stride as isize).take_while(|distance| all_zero(distance * direction)).count();
    let width = |zeros: usize| [8, 4, 2].into_iter().find(|width| *width <= zeros + 1).unwrap_or(1);
    let (after, before) = (zeros(1), zeros(-1));
    // The bytes of a number lie within its record.
    let little = width(after.min(stride - 1 - offset % stride));
    let big = width(before.min(offset % stride));
    let (width, order) = if little >= big { (little, "little-endian") } else { (big, "big-endian") };
    match width {
        1 => format!(", one byte of {stride}"),
        _ if width == stride => format!(", {width} bytes each, {order}"),
        _ => format!(", {width} bytes of {stride}, {order}"),
    }
}

/// With a comma between thousands.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

const LEAST_MINUTES: usize = 20;
/// A series of minutes is kilobytes; more is something else.
const MOST_BYTES: usize = 1 << 20;
const MOST_STRIDE: usize = 16;
const MOST_STRIDE_OF_DIFFERENCES: usize = 4;
const MOST_STRIDE_OF_NUMBERS: usize = 4;
/// Readings of one seed are at most so many minutes apart.
const LONGEST_GAP: u64 = 30;
/// A seed that is in a series more often is tried at its first places.
const MOST_OF_A_KEY: usize = 8;
/// So many overlays are tried for each leaf and kind; random data needs a few.
const MOST_VERIFICATIONS: usize = 4_000;
const MOST_LAYOUTS: usize = 64;

/// Four of five must agree; a plane without a reading neither agrees nor contradicts.
const AGREES: i32 = 5;
const CONTRADICTS: i32 = -10;
const MISSES: i32 = -1;
const GIVES_UP: i32 = 300;

#[cfg(test)]
mod tests {
    use super::*;

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
        let all = AllSeries::new([(7, series)].into_iter());
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
        thousands(series.iter().filter(|value| Kind::Values.is_reading(**value)).count())
    }

    #[test]
    fn a_series_is_found_at_any_stride_width_and_order() {
        for series in [day(1, 1440), steps(2)] {
            let all = readings(&series);
            let all = format!("{all} of {all} minutes");
            assert_eq!(in_bytes(&series, &series), format!("{all}, one byte each"));
            let mut random = fastrand::Rng::with_seed(3);
            for stride in 2..=16_usize {
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
        let count = |part: &[u8]| thousands(part.iter().filter(|value| Kind::Values.is_reading(**value)).count());
        assert_eq!(in_bytes(&series, &bytes), format!("{} of {} minutes, one byte each", count(&series[..1140]), readings(&series)));
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
        assert!(told.ends_with(&format!(" of {} minutes, one byte each", readings(&series))), "{told}");
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
