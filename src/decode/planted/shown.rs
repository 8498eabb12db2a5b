//! What a search for minute series has shown of each: which of its minutes, where, and in words. Where to look is `series`'s.

use std::{collections::BTreeMap, ops::Range};

use jiff::civil::Date;

use crate::model::{Certainty, MinuteSet, text::thousands};

use super::overlay::{Kind, Overlay, Pattern, Plane};

/// A series found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SeriesHit {
    /// The caller's number of it.
    pub(super) number: usize,
    /// Minutes that agree, beyond chance.
    pub(super) minutes: MinuteSet,
    /// Minutes that agree, probably.
    pub(super) probably: MinuteSet,
    /// What a report says of it.
    pub(super) spelling: String,
    pub(super) certainty: Certainty,
    /// The bytes or the numbers that the minutes lie in, with what stands between them.
    pub(super) range: Range<usize>,
    /// Where the minutes beyond chance lie, in however many stretches.
    pub(super) certain_in: Vec<Range<usize>>,
    /// How much those are of what was searched, from 0 to 1: what is no reading is left out of the count.
    pub(super) share: f32,
}

/// What is known of a series.
#[derive(Debug)]
pub(super) struct Known {
    /// Minutes with a reading.
    pub(super) held: MinuteSet,
    pub(super) day: Option<Date>,
}

/// Where the minutes of a series lie in data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Layout {
    pub(super) stride: usize,
    pub(super) offset: usize,
    /// Place in the plane of the pattern's first value.
    pub(super) shift: isize,
}

/// What was found of each series.
#[derive(Debug, Default)]
pub(super) struct Best {
    /// The overlay that shows most of each: it says how the series is written.
    hits: BTreeMap<usize, (Overlay, String, Range<usize>)>,
    /// Where the overlays beyond chance lie.
    certain_in: BTreeMap<usize, Vec<Range<usize>>>,
    /// Minutes that some overlay beyond chance shows, and minutes that a likely one does.
    pub(super) certain: BTreeMap<usize, MinuteSet>,
    likely: BTreeMap<usize, MinuteSet>,
    /// How many bytes or numbers are searched, however they are read.
    items: usize,
    /// So many searches there are, each of which could find something by chance.
    pub(super) among: f64,
    /// Layouts that were looked at with success, each with the places of the plane that agree.
    pub(super) layouts: Vec<(u32, Layout, Range<usize>)>,
}

impl Best {
    /// Nothing yet, of so many bytes or numbers, in one of so many searches.
    pub(super) fn of(items: usize, among: f64) -> Self {
        Self { items, among, ..Self::default() }
    }

    pub(super) fn knows(&self, pattern: u32, layout: Layout, place: usize) -> bool {
        self.layouts.iter().any(|(known, of, places)| (*known, *of) == (pattern, layout) && places.contains(&place))
    }

    pub(super) fn add(&mut self, pattern: &Pattern, number: u32, layout: Layout, plane: Plane<'_>, (overlay, spelling): (Overlay, String)) {
        let certain = overlay.certainty == Certainty::Certain;
        if self.layouts.len() < MOST_LAYOUTS {
            self.layouts.push((number, layout, overlay.from..overlay.to));
        }
        let minutes = if certain { &mut self.certain } else { &mut self.likely };
        let minutes = minutes.entry(pattern.number).or_default();
        pattern.agreeing(plane, &overlay).for_each(|minute| minutes.insert(minute));
        let length = plane.data.len();
        // The first difference is that to the value before it.
        let from = overlay.from.saturating_sub(usize::from(pattern.kind == Kind::Differences));
        let item = |place: usize| (place * layout.stride).min(length) * self.items / length.max(1);
        let range = item(from)..item(overlay.to);
        let places = self.certain_in.entry(pattern.number).or_default();
        if certain && places.len() < MOST_LAYOUTS {
            places.push(range.clone());
        }
        let rank = |overlay: &Overlay| (overlay.certainty == Certainty::Certain, overlay.minutes);
        if self.hits.get(&pattern.number).is_none_or(|(known, ..)| rank(&overlay) > rank(known)) {
            self.hits.insert(pattern.number, (overlay, spelling, range));
        }
    }

    pub(super) fn tell(mut self, all: &BTreeMap<usize, Known>, share: impl Fn(&Range<usize>) -> f32, found: &mut dyn FnMut(SeriesHit)) {
        for (number, (overlay, layout, range)) in std::mem::take(&mut self.hits) {
            let Some(known) = all.get(&number) else { continue };
            // A difference may be that to a minute without a reading.
            let held = |minutes: Option<MinuteSet>| -> MinuteSet {
                minutes.iter().flat_map(MinuteSet::iter).filter(|minute| known.held.contains(*minute)).collect()
            };
            let (minutes, probably) = (held(self.certain.remove(&number)), held(self.likely.remove(&number)));
            let certainty = overlay.certainty;
            let told = if certainty == Certainty::Certain { &minutes } else { &probably };
            let spelling = format!(
                "{} of {} minutes{}{layout}",
                thousands(told.count() as u64),
                thousands(known.held.count() as u64),
                known.named(told)
            );
            let share = share(&range);
            let certain_in = self.certain_in.remove(&number).unwrap_or_default();
            found(SeriesHit { number, minutes, probably, spelling, certainty, range, certain_in, share });
        }
    }
}

impl Known {
    /// Which minutes these are: ` (2026-03-14, 00:00 to 11:59)`. Of a series of which nobody knows the day, nothing when they are
    /// all of its minutes.
    fn named(&self, minutes: &MinuteSet) -> String {
        let stretches = minutes.stretches(&self.held);
        let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else { return String::new() };
        let clock = |minute: usize| match self.day {
            Some(_) => format!("{:02}:{:02}", minute / 60 % 24, minute % 60),
            None => minute.to_string(),
        };
        let stretch = |(first, last): &(usize, usize)| match first == last {
            true => clock(*first),
            false => format!("{} to {}", clock(*first), clock(*last)),
        };
        let which = match stretches.len() {
            1..=MOST_NAMED => stretches.iter().map(stretch).collect::<Vec<_>>().join(", "),
            pieces => format!("in {} pieces, {}", thousands(pieces as u64), stretch(&(first.0, last.1))),
        };
        match self.day {
            Some(day) => format!(" ({day}, {which})"),
            None if minutes.count() == self.held.count() => String::new(),
            None => format!(" ({which})"),
        }
    }
}

/// How much of what says something lies in a range.
pub(super) fn share<T: Copy>(all: &[T], range: &Range<usize>, says_nothing: impl Fn(T) -> bool) -> f32 {
    let count = |items: &[T]| items.iter().filter(|item| !says_nothing(**item)).count();
    count(all.get(range.clone()).unwrap_or_default()) as f32 / count(all).max(1) as f32
}

/// Whether a number is what stands where there is no reading.
pub(super) const fn is_no_reading(number: i32) -> bool {
    matches!(number, -1 | 0 | 0xfe | 0xff)
}

/// Width, byte order and stride of a plane whose other bytes are known too.
pub(super) fn describe_bytes(layout: Layout, plane: Plane<'_>, overlay: &Overlay) -> String {
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

/// Layouts that are known by heart; a leaf has a few.
const MOST_LAYOUTS: usize = 256;
/// So many stretches of minutes are named one by one.
const MOST_NAMED: usize = 3;
