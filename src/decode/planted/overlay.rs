//! One minute series laid over one plane of data: how many minutes agree, and how unlikely that is. Where to lay it, `series` says.

use crate::model::Certainty;

use super::chance;

/// One way in which the values of a series follow each other.
#[derive(Debug)]
pub(super) struct Pattern {
    /// The caller's number of the series.
    pub(super) number: usize,
    pub(super) values: Vec<u8>,
    pub(super) kind: Kind,
    /// Minute of the series that each value is of. A difference is of two, so that there is one more.
    pub(super) minutes: Vec<u32>,
    /// Whether these are the values of all its minutes.
    pub(super) whole: bool,
}

/// What the bytes of a pattern or a plane are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Readings.
    Values,
    /// Each value less the one before, modulo 256.
    Differences,
}

/// What laying a pattern over data has shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overlay {
    /// Minutes that agree.
    pub(super) minutes: usize,
    pub(super) certainty: Certainty,
    /// Place in the plane of the pattern's first value.
    pub(super) shift: isize,
    /// First place of the plane that agrees, and the one after the last.
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Kind {
    /// What [`crate::model::minutes::is_value`] says of values. A difference of nothing says nothing.
    #[inline]
    pub(super) const fn is_reading(self, value: u8) -> bool {
        value.wrapping_add(self.fillers()) > self.fillers()
    }

    /// Values below zero, modulo 256, that are no readings; zero is none either.
    pub(super) const fn fillers(self) -> u8 {
        match self {
            Self::Values => 2,
            Self::Differences => 0,
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
pub(super) struct Plane<'d> {
    pub(super) data: &'d [u8],
    pub(super) offset: usize,
    pub(super) stride: usize,
}

impl Plane<'_> {
    pub(super) const fn len(&self) -> usize {
        (self.data.len() - self.offset).div_ceil(self.stride)
    }

    #[inline]
    pub(super) fn at(&self, place: usize) -> Option<u8> {
        self.data.get(self.offset + place * self.stride).copied()
    }

    /// A few readings from a place and the gaps between them, as one number. `None` where there is no reading, or where they
    /// hardly differ.
    #[inline]
    pub(super) fn seed(&self, place: usize, kind: Kind) -> Option<u64> {
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
    pub(super) fn lies_over(&self, plane: Plane<'_>, seed: usize, shift: isize, trials: f64) -> Option<Overlay> {
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
        // As far as agreement outweighs what contradicts it, in both directions. However long nothing was sent, what follows counts
        // when it agrees for some minutes.
        let extent = |places: &mut dyn Iterator<Item = usize>| {
            let (mut sum, mut highest, mut end, mut missed) = (0, 0, seed, 0);
            for at in places {
                let Some(score) = score(at) else { break };
                match score {
                    MISSES if missed >= MOST_MISSED => {}
                    MISSES => (sum, missed) = (sum + MISSES, missed + 1),
                    0 => {}
                    score => (sum, missed) = (sum + score, 0),
                }
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
        let minutes = minutes + usize::from(self.kind == Kind::Differences);
        Some(Overlay { minutes, certainty, shift, from: place(from), to: place(to) })
    }

    /// The minutes that agree where this pattern lies over a plane. Of differences, both minutes between which one is.
    pub(super) fn agreeing<'p>(&'p self, plane: Plane<'p>, overlay: &Overlay) -> impl Iterator<Item = usize> + 'p {
        let shift = overlay.shift;
        (overlay.from..overlay.to).flat_map(move |place| {
            let at = usize::try_from(place as isize - shift).unwrap_or(usize::MAX);
            let agrees = self
                .values
                .get(at)
                .copied()
                .zip(plane.at(place))
                .is_some_and(|(ours, there)| ours == there && (self.kind == Kind::Differences || self.kind.is_reading(ours)));
            let width = if self.kind == Kind::Differences { 2 } else { 1 };
            let minutes = self.minutes.get(at..).filter(|_| agrees).unwrap_or_default();
            minutes.iter().take(width).map(|minute| *minute as usize)
        })
    }

    /// Places at which a plane of the pattern's own length has the same readings, when it is laid over it from the first to the last.
    pub(super) fn same_in(&self, plane: Plane<'_>) -> Vec<usize> {
        let same = |at: &usize| self.kind.is_reading(self.values[*at]) && plane.at(*at) == Some(self.values[*at]);
        (0..self.values.len()).filter(same).collect()
    }

    /// Whether another series lies over data just where one of the same day was found: in the same records, from the same minute
    /// on. So little else could stand there that the minutes at which it changes are enough to tell, where they are the same ones.
    pub(super) fn lies_beside(&self, plane: Plane<'_>, shift: isize, trials: f64) -> Option<Overlay> {
        let there = |at: usize| usize::try_from(at as isize + shift).ok().and_then(|place| plane.at(place));
        let same = |at: &usize| self.kind.is_reading(self.values[*at]) && there(*at) == Some(self.values[*at]);
        let seed = (0..self.values.len()).find(same)?;
        if let Some(overlay) = self.lies_over(plane, seed, shift, trials) {
            return Some(overlay);
        }
        let (mut minutes, mut changes, mut last) = (0_usize, 0_usize, None);
        let mut end = seed;
        for at in seed..self.values.len() {
            let ours = self.values[at];
            let Some(theirs) = there(at) else { break };
            match (self.kind.is_reading(ours), self.kind.is_reading(theirs)) {
                (true, true) if ours == theirs => {
                    changes += usize::from(last.is_some_and(|last| last != ours));
                    (last, minutes, end) = (Some(ours), minutes + 1, at + 1);
                }
                (true, true) => return None,
                _ => {}
            }
        }
        // In how many ways so many changes could be spread over so many minutes.
        let ways: f64 = (0..changes).map(|n| ((minutes - n) as f64 / (n + 1) as f64).ln()).sum();
        let exponent = ways - trials.max(1.0).ln();
        let place = |at: usize| usize::try_from(at as isize + shift).unwrap_or(0);
        let overlay = |certainty| Overlay { minutes, certainty, shift, from: place(seed), to: place(end) };
        let enough = minutes >= LEAST_MINUTES && exponent > -chance::CERTAIN.ln();
        enough.then(|| overlay(Certainty::Certain))
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

/// Fewer minutes say too little.
pub(super) const LEAST_MINUTES: usize = 20;
/// Readings of one seed are at most so many minutes apart.
const LONGEST_GAP: u64 = 30;

/// Four of five must agree; a plane without a reading neither agrees nor contradicts.
const AGREES: i32 = 5;
const CONTRADICTS: i32 = -10;
const MISSES: i32 = -1;
/// More minutes of which nothing was sent, one after the other, weigh no more: a few that agree make up for them.
const MOST_MISSED: i32 = 20;
const GIVES_UP: i32 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(ours: &[u8], theirs: &[u8], kind: Kind) -> Option<(usize, Certainty)> {
        let pattern = Pattern { number: 0, values: ours.to_vec(), kind, minutes: (0..ours.len() as u32 + 1).collect(), whole: true };
        let plane = Plane { data: theirs, offset: 0, stride: 1 };
        pattern.lies_over(plane, 0, 0, 1e6).map(|overlay| (overlay.minutes, overlay.certainty))
    }

    #[test]
    fn only_what_changes_speaks() {
        let mut random = fastrand::Rng::with_seed(1);
        let varied: Vec<u8> = (0..100).map(|_| random.u8(50..110)).collect();
        assert_eq!(overlay(&varied, &varied, Kind::Values), Some((100, Certainty::Certain)));
        assert_eq!(overlay(&[60; 100], &[60; 100], Kind::Values), None);
        // An hour of sixty beats and one jump: any night has that.
        let night: Vec<u8> = (0..100).map(|minute| if minute < 70 { 60 } else { 61 }).collect();
        assert_eq!(overlay(&night, &night, Kind::Values), None);
        let rough: Vec<u8> = varied.iter().enumerate().map(|(at, value)| if at % 2 == 1 { value + 1 } else { *value }).collect();
        assert_eq!(overlay(&varied, &rough, Kind::Values), None, "half of it is not the same");
    }

    #[test]
    fn fillers_are_no_readings() {
        for (value, want) in [(0, false), (1, true), (0xfd, true), (0xfe, false), (0xff, false)] {
            assert_eq!(Kind::Values.is_reading(value), want, "{value}");
            assert_eq!(Kind::Differences.is_reading(value), value != 0, "{value}");
        }
    }
}
