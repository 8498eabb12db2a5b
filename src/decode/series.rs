//! Planted minute series (a day of heart rate) inside binary data, at every byte or at every third, shifted or not. Which
//! leaves hold binary data, `planted` says.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// All planted series, made ready for searching at once.
#[derive(Debug, Default)]
pub(super) struct AllSeries {
    series: Vec<Series>,
    /// Number in `series` and start of each stretch that the automaton looks for.
    stretches: Vec<(usize, usize)>,
    automaton: Option<AhoCorasick>,
}

#[derive(Debug)]
struct Series {
    /// The caller's number of it.
    number: usize,
    minutes: Vec<u8>,
    /// Minutes with a reading.
    readings: usize,
}

impl AllSeries {
    /// Prepares a search for series, each with the caller's number. Those of fewer than [`LEAST_MINUTES`] say too little.
    pub(super) fn new<'a>(series: impl Iterator<Item = (usize, &'a [u8])>) -> Self {
        let mut all = Self::default();
        for (number, minutes) in series.filter(|(_, minutes)| minutes.len() >= LEAST_MINUTES) {
            let readings = minutes.iter().filter(|minute| is_reading(**minute)).count();
            all.stretches.extend(telling_stretches(minutes).map(|start| (all.series.len(), start)));
            all.series.push(Series { number, minutes: minutes.to_vec(), readings });
        }
        if !all.stretches.is_empty() {
            let patterns = all.stretches.iter().map(|(series, start)| &all.series[*series].minutes[*start..start + STRETCH]);
            all.automaton = AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(patterns).ok();
        }
        all
    }

    /// Every series that the bytes hold: at least [`LEAST_MINUTES`] minutes with a reading lie over each other, and four of five
    /// of them are equal. Gives its number and how it is spelled.
    pub(super) fn find(&self, bytes: &[u8], found: &mut impl FnMut(usize, &str)) {
        if self.series.is_empty() || !(LEAST_MINUTES..=MOST_BYTES).contains(&bytes.len()) {
            return;
        }
        let mut told = BTreeSet::new();
        self.find_in_plane(bytes, "one byte a minute", &mut told, found);
        // Mi Fit's activity samples: kind, intensity, steps.
        for offset in 0..3 {
            let plane: Vec<u8> = bytes.iter().skip(offset).step_by(3).copied().collect();
            if plane.len() >= LEAST_MINUTES {
                self.find_in_plane(&plane, "one byte of three a minute", &mut told, found);
            }
        }
    }

    /// The two may begin at different minutes: a few telling stretches of the series say where to lay it.
    fn find_in_plane(&self, plane: &[u8], spelling: &str, told: &mut BTreeSet<usize>, found: &mut impl FnMut(usize, &str)) {
        let mut tell = |series: &Series, shift: isize| {
            if !told.contains(&series.number) && series.agrees(plane, shift) {
                told.insert(series.number);
                found(series.number, spelling);
            }
        };
        self.series.iter().for_each(|series| tell(series, 0));
        // Where a stretch occurs first is where it is tried: elsewhere it is no more telling.
        let mut tried = BTreeSet::new();
        for hit in self.automaton.iter().flat_map(|automaton| automaton.find_overlapping_iter(plane)) {
            if tried.insert(hit.pattern()) {
                let (series, start) = self.stretches[hit.pattern().as_usize()];
                tell(&self.series[series], hit.start() as isize - start as isize);
            }
        }
    }
}

impl Series {
    /// Whether the series laid over a plane with a shift agrees in four of five minutes that have a reading.
    fn agrees(&self, plane: &[u8], shift: isize) -> bool {
        let (mut minutes, mut different) = (0, 0);
        for (minute, reading) in self.minutes.iter().enumerate().filter(|(_, reading)| is_reading(**reading)) {
            let Some(byte) = usize::try_from(minute as isize + shift).ok().and_then(|at| plane.get(at)) else { continue };
            minutes += 1;
            different += usize::from(byte != reading);
            if different * 5 > self.readings {
                return false;
            }
        }
        minutes >= LEAST_MINUTES && different * 5 <= minutes
    }
}

/// Starts of stretches with three or more different readings, spread over the series.
fn telling_stretches(minutes: &[u8]) -> impl Iterator<Item = usize> {
    let telling = |stretch: &[u8]| stretch.iter().filter(|byte| is_reading(**byte)).collect::<BTreeSet<_>>().len() >= 3;
    let every = (minutes.len() / MOST_STRETCHES).max(1);
    let mut next = 0;
    (0..minutes.len().saturating_sub(STRETCH)).filter(move |start| {
        let take = *start >= next && telling(&minutes[*start..start + STRETCH]);
        if take {
            next = start + every;
        }
        take
    })
}

/// FF is no reading, FE not there yet, 00 none (docs/protocols, Mi Fit's `data_hr`).
const fn is_reading(byte: u8) -> bool {
    !matches!(byte, 0 | 0xfe | 0xff)
}

const LEAST_MINUTES: usize = 20;
/// A series of minutes is kilobytes; more is something else.
const MOST_BYTES: usize = 1 << 20;
const STRETCH: usize = 6;
const MOST_STRETCHES: usize = 8;
