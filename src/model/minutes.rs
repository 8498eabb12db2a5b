//! What a band holds of one of its days, minute by minute, and sets of such minutes. Where they are found, `decode` says.

use std::ops::Range;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Quantity;

/// Minutes of a day.
pub const MINUTES_OF_A_DAY: usize = 24 * 60;

/// What a band holds of one quantity on one day of its own calendar: the minutes that were read, and which of them have no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minutes {
    /// What was measured.
    pub quantity: Quantity,
    /// Day of the band's calendar.
    pub day: Date,
    /// Minute of that day that the first value is of, from 0 to 1,439.
    pub first: u16,
    /// A value for each minute from there on: beats, steps, a kind. `None` is a gap: the band was read there, and has no value.
    pub values: Vec<Option<u8>>,
}

impl Minutes {
    /// The whole day, one byte a minute, [`NO_VALUE`] where there is none and where the band was not read. Values beyond the day
    /// are left out.
    pub fn as_day(&self) -> Vec<u8> {
        let mut day = vec![NO_VALUE; MINUTES_OF_A_DAY];
        for (place, value) in day.iter_mut().skip(usize::from(self.first)).zip(&self.values) {
            *place = value.unwrap_or(NO_VALUE);
        }
        day
    }

    /// Minutes of the day that were read.
    pub fn read(&self) -> Range<usize> {
        let first = usize::from(self.first).min(MINUTES_OF_A_DAY);
        first..first.saturating_add(self.values.len()).min(MINUTES_OF_A_DAY)
    }

    /// The minutes of which the band holds something: beats, a step, a kind.
    pub fn held(&self) -> MinuteSet {
        self.minutes_with(|value| value != 0)
    }

    /// The minutes of which the band holds that there was nothing: no step, the kind 0.
    pub fn zeros(&self) -> MinuteSet {
        self.minutes_with(|value| value == 0)
    }

    /// The minutes with a value that an upload has a place for: one that does not mean "no reading" there ([`is_value`]).
    pub fn findable(&self) -> MinuteSet {
        self.minutes_with(is_value)
    }

    fn minutes_with(&self, is: impl Fn(u8) -> bool) -> MinuteSet {
        let values = self.values.iter().enumerate().filter(|(_, value)| value.is_some_and(&is));
        values.map(|(at, _)| usize::from(self.first) + at).filter(|minute| *minute < MINUTES_OF_A_DAY).collect()
    }
}

/// Whether a byte of an uploaded minute says something: FF is no reading, FE not there yet, 00 none (docs/protocols, Mi Fit's
/// `data_hr`). A minute without a step or of the kind 0 says nothing either that could be found again.
pub const fn is_value(byte: u8) -> bool {
    matches!(byte, 1..=0xfd)
}

/// What stands where there is no value.
pub const NO_VALUE: u8 = 0xff;

/// A set of minutes, each once, however often it is added.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MinuteSet {
    /// Sixty-four minutes each, the earliest in the lowest bit; the last word is not zero, so that equal sets are equal.
    words: Vec<u64>,
}

impl MinuteSet {
    /// Adds a minute, counted from the begin of the day or of the series.
    pub fn insert(&mut self, minute: usize) {
        let word = minute / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (minute % 64);
    }

    /// Whether a minute is in it.
    pub fn contains(&self, minute: usize) -> bool {
        self.words.get(minute / 64).is_some_and(|word| word >> (minute % 64) & 1 == 1)
    }

    /// Adds every minute of another set.
    pub fn union(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    /// How many minutes are in it.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// How many minutes are in both.
    pub fn count_shared(&self, other: &Self) -> usize {
        self.words.iter().zip(&other.words).map(|(word, other)| (word & other).count_ones() as usize).sum()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The minutes, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let bits = |word: u64| (0..64).filter(move |bit| word >> bit & 1 == 1);
        self.words.iter().enumerate().flat_map(move |(at, word)| bits(*word).map(move |bit| at * 64 + bit))
    }

    /// The stretches of `all` that this set covers: first and last minute of each. A minute that is in neither ends no stretch.
    pub fn stretches(&self, all: &Self) -> Vec<(usize, usize)> {
        let mut stretches: Vec<(usize, usize)> = Vec::new();
        let mut goes_on = false;
        for minute in all.iter() {
            match (self.contains(minute), goes_on, stretches.last_mut()) {
                (true, true, Some(last)) => last.1 = minute,
                (true, ..) => stretches.push((minute, minute)),
                (false, ..) => {}
            }
            goes_on = self.contains(minute);
        }
        stretches
    }
}

impl FromIterator<usize> for MinuteSet {
    fn from_iter<I: IntoIterator<Item = usize>>(minutes: I) -> Self {
        let mut set = Self::default();
        minutes.into_iter().for_each(|minute| set.insert(minute));
        set
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn minutes(first: u16, values: Vec<Option<u8>>) -> Minutes {
        Minutes { quantity: Quantity::HeartRate, day: date(2026, 3, 14), first, values }
    }

    #[test]
    fn a_gap_is_read_and_holds_nothing() {
        let read = minutes(1437, vec![Some(61), None, Some(0), Some(62)]);
        assert_eq!(read.read(), 1437..1440, "the day ends there");
        assert_eq!(read.held().iter().collect::<Vec<_>>(), [1437]);
        assert_eq!(read.zeros().iter().collect::<Vec<_>>(), [1439], "the band says that there was nothing");
        let many = minutes(0, vec![Some(253), Some(254), Some(255)]);
        assert_eq!((many.held().count(), many.findable().count()), (3, 1), "what means no reading in an upload cannot be found there");
        let day = read.as_day();
        assert_eq!((day.len(), &day[1436..]), (1440, &[NO_VALUE, 61, NO_VALUE, 0][..]));
        let astray = minutes(u16::MAX, vec![Some(61); 3]);
        assert_eq!((astray.read(), astray.held().count()), (1440..1440, 0));
        assert_eq!(astray.as_day(), [NO_VALUE; 1440]);
    }

    #[test]
    fn a_minute_is_counted_once() {
        let mut set: MinuteSet = [3, 64, 3, 1439].into_iter().collect();
        assert_eq!((set.count(), set.iter().collect::<Vec<_>>()), (3, vec![3, 64, 1439]));
        set.union(&[64, 65].into_iter().collect());
        assert_eq!(set.count(), 4);
        assert_eq!(set.count_shared(&[65, 1439, 5000].into_iter().collect()), 2);
        assert!(set.contains(65) && !set.contains(66) && !set.contains(9999) && !set.is_empty());
        let mut empty = MinuteSet::default();
        empty.union(&MinuteSet::default());
        assert!(empty.is_empty());
    }

    #[test]
    fn a_gap_of_the_band_ends_no_stretch() {
        let all: MinuteSet = [0, 1, 2, 5, 6, 9, 10].into_iter().collect();
        let check = |found: &[usize], want: &[(usize, usize)]| {
            assert_eq!(found.iter().copied().collect::<MinuteSet>().stretches(&all), want, "{found:?}");
        };
        check(&[], &[]);
        check(&[0, 1, 2, 5, 6, 9, 10], &[(0, 10)]);
        check(&[1, 2, 5], &[(1, 5)]);
        check(&[0, 2, 6], &[(0, 0), (2, 2), (6, 6)]);
        check(&[3], &[]);
    }
}
