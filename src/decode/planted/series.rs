//! Planted minute series (a day of heart rate, of steps) inside bytes and lists of numbers: at any stride, offset and width,
//! shifted, in part, with or without the minutes that have no reading, as values or as differences. Which leaves hold such data,
//! the caller says; nothing here knows a format.

use std::{collections::BTreeMap, ops::Range};

use crate::model::Certainty;

use super::overlay::{Kind, LEAST_MINUTES, Overlay, Pattern, Plane};

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
    /// Of four readings after each other that begin a seed, by kind.
    quads: [Filter; 2],
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
    /// The bytes or the numbers that the minutes lie in, with what stands between them.
    pub(super) range: Range<usize>,
    /// How much those are of what was searched, from 0 to 1: what is no reading is left out of the count.
    pub(super) share: f32,
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
        let mut quads = [Vec::new(), Vec::new()];
        for (number, pattern) in all.patterns.iter().enumerate() {
            let plane = Plane { data: &pattern.values, offset: 0, stride: 1 };
            for at in 0..pattern.values.len() {
                if let Some(key) = plane.seed(at, pattern.kind) {
                    all.seeds.push(Seed { key, pattern: number as u32, at: at as u32 });
                    if let Some(quad) = pattern.values[at..].first_chunk::<4>() {
                        quads[pattern.kind as usize].push(u32::from_le_bytes(*quad).into());
                    }
                }
            }
        }
        all.seeds.sort_unstable();
        all.keys = Filter::new(all.seeds.iter().map(|seed| seed.key));
        all.quads = quads.map(|quads| Filter::new(quads.into_iter()));
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
        let mut best = Best::of(head.len());
        self.search(head, Kind::Values, MOST_STRIDE, &mut best, &|layout, plane, hit| describe_bytes(layout, plane, hit));
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
        best.tell(self, |range| share(bytes, range, |byte| matches!(byte, 0 | 0xfe | 0xff)), found);
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
                if best.get(&hit.number).is_none_or(|known| known.minutes < hit.minutes) {
                    best.insert(hit.number, hit);
                }
            });
        }
        best.into_values().for_each(found);
    }

    /// Every series that a list of numbers holds; `place` says where the list stands ("in an array").
    pub(super) fn find_in_numbers(&self, numbers: &[i32], place: &str, found: &mut dyn FnMut(SeriesHit)) {
        if self.is_empty() || numbers.len() < LEAST_MINUTES {
            return;
        }
        let every = |layout: Layout| if layout.stride == 1 { String::new() } else { format!(", one number of {}", layout.stride) };
        let values: Vec<u8> = numbers.iter().map(|number| u8::try_from(*number).unwrap_or(0)).collect();
        let differences: Vec<u8> = numbers.iter().map(|number| i8::try_from(*number).map_or(0, i8::cast_unsigned)).collect();
        let mut best = Best::of(numbers.len());
        self.search(&values, Kind::Values, MOST_STRIDE_OF_NUMBERS, &mut best, &|layout, _, _| format!(", {place}{}", every(layout)));
        self.search(&differences, Kind::Differences, MOST_STRIDE_OF_NUMBERS, &mut best, &|layout, _, _| {
            format!(", {place}{}, as differences", every(layout))
        });
        best.tell(self, |range| share(numbers, range, is_no_reading), &mut |mut hit| {
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
            let known = laying.best.knows(pattern.number, seed.pattern, layout);
            if pattern.kind != laying.kind || known || laying.verifications >= MOST_VERIFICATIONS {
                continue;
            }
            laying.verifications += 1;
            let planes = laying.most_stride * (laying.most_stride + 1) / 2;
            let trials = plane.len() as f64 * pattern.values.len() as f64 * (planes * self.patterns.len()) as f64;
            if let Some(overlay) = pattern.lies_over(plane, seed.at as usize, layout.shift, trials) {
                let spelling = (laying.describe)(layout, plane, &overlay);
                laying.best.add(pattern, seed.pattern, layout, plane.data.len(), (overlay, spelling));
            }
        }
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

/// Where the minutes of a series lie in data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Layout {
    stride: usize,
    offset: usize,
    /// Place in the plane of the pattern's first value.
    shift: isize,
}

/// Says of most keys that they are not among some, with one look at little memory.
#[derive(Debug)]
struct Filter {
    words: Vec<u64>,
    shift: u32,
}

impl Default for Filter {
    fn default() -> Self {
        Self { words: Vec::new(), shift: 63 }
    }
}

impl Filter {
    fn new(keys: impl Iterator<Item = u64>) -> Self {
        let keys: Vec<u64> = keys.collect();
        if keys.is_empty() {
            return Self::default();
        }
        // Sixteen bits a key, two of them set, at most 256 KiB.
        let words = (keys.len() / 4).next_power_of_two().clamp(64, 1 << 15);
        let mut filter = Self { words: vec![0; words], shift: 64 - words.trailing_zeros() };
        for key in keys {
            let (word, bits) = filter.place(key);
            filter.words[word] |= bits;
        }
        filter
    }

    #[inline]
    fn may_hold(&self, key: u64) -> bool {
        let (word, bits) = self.place(key);
        self.words.get(word).is_some_and(|word| word & bits == bits)
    }

    #[inline]
    fn place(&self, key: u64) -> (usize, u64) {
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The bits below those that chose the word.
        ((hash >> self.shift) as usize, 1 << (hash >> (self.shift - 6) & 63) | 1 << (hash >> (self.shift - 12) & 63))
    }
}

/// The best that was found of each series.
#[derive(Debug, Default)]
struct Best {
    hits: BTreeMap<usize, (Overlay, String, Range<usize>)>,
    /// How many bytes or numbers are searched, however they are read.
    items: usize,
    /// Layouts that were looked at with success.
    layouts: Vec<(u32, Layout)>,
}

impl Best {
    fn of(items: usize) -> Self {
        Self { items, ..Self::default() }
    }

    fn knows(&self, number: usize, pattern: u32, layout: Layout) -> bool {
        self.hits.contains_key(&number) && self.layouts.contains(&(pattern, layout))
    }

    fn add(&mut self, pattern: &Pattern, number: u32, layout: Layout, length: usize, (overlay, spelling): (Overlay, String)) {
        if self.layouts.len() < MOST_LAYOUTS {
            self.layouts.push((number, layout));
        }
        let known = self.hits.get(&pattern.number).map(|(known, ..)| (known.minutes, std::cmp::Reverse(known.certainty)));
        if known.is_none_or(|known| (overlay.minutes, std::cmp::Reverse(overlay.certainty)) > known) {
            // The first difference is that to the value before it.
            let from = overlay.from.saturating_sub(usize::from(pattern.kind == Kind::Differences));
            let item = |place: usize| (place * layout.stride).min(length) * self.items / length.max(1);
            self.hits.insert(pattern.number, (overlay, spelling, item(from)..item(overlay.to)));
        }
    }

    fn tell(self, all: &AllSeries, share: impl Fn(&Range<usize>) -> f32, found: &mut dyn FnMut(SeriesHit)) {
        for (number, (overlay, layout, range)) in self.hits {
            let readings = all.readings.get(&number).copied().unwrap_or_default();
            let minutes = overlay.minutes.min(readings);
            let spelling = format!("{} of {} minutes{layout}", thousands(minutes), thousands(readings));
            let share = share(&range);
            found(SeriesHit { number, minutes, spelling, certainty: overlay.certainty, range, share });
        }
    }
}

/// How much of what says something lies in a range.
fn share<T: Copy>(all: &[T], range: &Range<usize>, says_nothing: impl Fn(T) -> bool) -> f32 {
    let count = |items: &[T]| items.iter().filter(|item| !says_nothing(**item)).count();
    count(all.get(range.clone()).unwrap_or_default()) as f32 / count(all).max(1) as f32
}

/// Whether a number is what stands where there is no reading.
const fn is_no_reading(number: i32) -> bool {
    matches!(number, -1 | 0 | 0xfe | 0xff)
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
const MOST_LAYOUTS: usize = 64;

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
