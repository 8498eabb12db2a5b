//! A band's minutes as a picture: dots and bars at a terminal, a table of hours elsewhere. Gaps are gaps: nothing is drawn or counted
//! where the band has nothing.

use jiff::{SignedDuration, civil::Date};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    symbols::Marker,
    text::Line,
    widgets::{Axis, Chart, Dataset, GraphType, Widget as _},
};

use super::{super::table::table, words::local};
use crate::{
    band::{History, Sample},
    model::text::thousands,
};

/// What some minutes hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// Minutes that the band has something of.
    pub(super) minutes: usize,
    /// Minutes that it has nothing of.
    pub(super) missing: usize,
    /// Minutes with a heart rate.
    pub(super) readings: usize,
    /// Steps.
    pub(super) steps: u64,
    lowest: Option<u8>,
    highest: Option<u8>,
    beats: u64,
}

impl Sum {
    /// Of some minutes.
    pub(super) fn of<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Self {
        let mut sum = Self::default();
        for sample in samples {
            if !sample.has_data() {
                sum.missing += 1;
                continue;
            }
            sum.minutes += 1;
            sum.steps += u64::from(sample.steps);
            if let Some(beats) = sample.beats() {
                sum.readings += 1;
                sum.beats += u64::from(beats);
                sum.lowest = Some(sum.lowest.map_or(beats, |lowest| lowest.min(beats)));
                sum.highest = Some(sum.highest.map_or(beats, |highest| highest.max(beats)));
            }
        }
        sum
    }

    /// The mean heart rate, rounded.
    pub(super) fn mean(&self) -> Option<u64> {
        let readings = u64::try_from(self.readings).ok().filter(|readings| *readings > 0)?;
        Some((self.beats + readings / 2) / readings)
    }

    /// Lowest and highest heart rate.
    pub(super) fn range(&self) -> Option<(u8, u8)> {
        self.lowest.zip(self.highest)
    }

    fn cells(&self) -> Vec<String> {
        let range = self.range().map_or_else(String::new, |(lowest, highest)| format!("{lowest} to {highest}"));
        let mean = self.mean().map_or_else(String::new, |mean| mean.to_string());
        vec![thousands(self.minutes as u64), thousands(self.steps), thousands(self.readings as u64), mean, range]
    }
}

/// The days of the band's own calendar, each with what it holds.
pub(super) fn days(history: &History) -> Vec<(Date, Sum)> {
    groups(history, |at| at.date())
}

/// Minutes in groups that have the same name, in their order.
fn groups<N: PartialEq>(history: &History, name: impl Fn(jiff::civil::DateTime) -> N) -> Vec<(N, Sum)> {
    let mut groups: Vec<(N, Vec<&Sample>)> = Vec::new();
    for (minute, sample) in (0..).zip(&history.samples) {
        let at = history.start.saturating_add(SignedDuration::from_mins(minute)).unwrap_or(history.start);
        let named = name(local(at, history.utc_offset_s));
        match groups.last_mut().filter(|(last, _)| *last == named) {
            Some((_, samples)) => samples.push(sample),
            None => groups.push((named, vec![sample])),
        }
    }
    groups.into_iter().map(|(name, samples)| (name, Sum::of(samples))).collect()
}

/// A table of days.
pub(super) fn table_of_days(history: &History, width: usize) -> String {
    let rows: Vec<_> = days(history).into_iter().map(|(day, sum)| row(day.to_string(), &sum)).collect();
    table(&["day", "minutes", "steps", "readings", "mean heart rate", "range"], &rows, &[1, 2, 3, 4], width)
}

/// A table of hours, for who has no terminal.
pub(super) fn table_of_hours(history: &History, width: usize) -> String {
    let hours = groups(history, |at| (at.date(), at.hour()));
    let rows: Vec<_> = hours.into_iter().map(|((day, hour), sum)| row(format!("{day} {hour:02}:00"), &sum)).collect();
    table(&["hour", "minutes", "steps", "readings", "mean heart rate", "range"], &rows, &[1, 2, 3, 4], width)
}

fn row(name: String, sum: &Sum) -> Vec<String> {
    std::iter::once(name).chain(sum.cells()).collect()
}

/// Heart rate as dots over the time; `None` when there is no reading.
pub(super) fn heart_rate(history: &History, width: u16) -> Option<String> {
    let readings = history.samples.iter().enumerate().filter_map(|(minute, sample)| Some((minute as f64, f64::from(sample.beats()?))));
    let dots: Vec<(f64, f64)> = readings.collect();
    let (lowest, highest) = Sum::of(&history.samples).range()?;
    // A little room, so that nothing lies on the frame, also where all readings are equal.
    Some(chart(history, &dots, GraphType::Scatter, [f64::from(lowest) - 2.0, f64::from(highest) + 2.0], width))
}

/// Steps in each ten minutes as bars; `None` when there are none.
pub(super) fn steps(history: &History, width: u16) -> Option<String> {
    let tens = history.samples.chunks(10).enumerate();
    let bars: Vec<(f64, f64)> =
        tens.map(|(ten, samples)| (ten as f64 * 10.0, Sum::of(samples).steps as f64)).filter(|(_, steps)| *steps > 0.0).collect();
    let most = bars.iter().map(|(_, steps)| *steps).reduce(f64::max)?;
    Some(chart(history, &bars, GraphType::Bar, [0.0, most], width))
}

fn chart(history: &History, data: &[(f64, f64)], kind: GraphType, bounds: [f64; 2], width: u16) -> String {
    let minutes = history.samples.len().max(1);
    let label = |minute: usize| {
        let at = history.start.saturating_add(SignedDuration::from_mins(minute as i64)).unwrap_or(history.start);
        Line::from(local(at, history.utc_offset_s).strftime("%H:%M").to_string())
    };
    let times = [0, minutes / 4, minutes / 2, minutes * 3 / 4, minutes].map(label);
    let values = [bounds[0], bounds[0].midpoint(bounds[1]), bounds[1]].map(|value| Line::from(format!("{value:>4.0}")));
    let area = Rect::new(0, 0, width, HEIGHT);
    let mut buffer = Buffer::empty(area);
    Chart::new(vec![Dataset::default().marker(Marker::Braille).graph_type(kind).data(data)])
        .x_axis(Axis::default().bounds([0.0, minutes as f64]).labels(times))
        .y_axis(Axis::default().bounds(bounds).labels(values))
        .render(area, &mut buffer);
    let line = |y: u16| (0..width).filter_map(|x| buffer.cell((x, y))).map(|cell| cell.symbol()).collect::<String>();
    (0..HEIGHT).map(|y| line(y).trim_end().to_owned() + "\n").collect()
}

/// Lines of a picture, its axis included.
const HEIGHT: u16 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(steps: u8, heart_rate: u8) -> Sample {
        Sample { kind: 1, intensity: 4, steps, heart_rate }
    }

    fn history(samples: Vec<Sample>) -> History {
        History { start: "2026-03-13T22:58:00Z".parse().expect("a time"), utc_offset_s: 3600, samples }
    }

    #[test]
    fn sums_count_what_is_there_and_what_is_not() {
        let sum = Sum::of(&[sample(10, 60), sample(0, 255), Sample::NONE, sample(5, 75)]);
        assert_eq!((sum.minutes, sum.missing, sum.readings, sum.steps), (3, 1, 2, 15));
        assert_eq!((sum.mean(), sum.range()), (Some(68), Some((60, 75))));
        assert_eq!((Sum::of(&[]).mean(), Sum::of(&[Sample::NONE]).range()), (None, None));
    }

    #[test]
    fn days_are_those_of_the_band() {
        let days = days(&history(vec![sample(1, 60), sample(2, 61), sample(3, 62)]));
        let days: Vec<_> = days.into_iter().map(|(day, sum)| (day.to_string(), sum.steps)).collect();
        assert_eq!(days, [("2026-03-13".to_owned(), 3), ("2026-03-14".to_owned(), 3)]);
    }

    #[test]
    fn a_gap_is_a_gap_in_the_picture() {
        // Readings in the first and the last of three hours.
        let samples: Vec<Sample> = (0..180).map(|n| if (60..120).contains(&n) { Sample::NONE } else { sample(20, 70) }).collect();
        let is_dot = |c: char| ('\u{2801}'..='\u{28ff}').contains(&c);
        for picture in [heart_rate(&history(samples.clone()), 80), steps(&history(samples), 80)] {
            let picture = picture.expect("there is something");
            let columns: Vec<usize> = picture
                .lines()
                .flat_map(|line| line.chars().enumerate().filter(|(_, c)| is_dot(*c)).map(|(x, _)| x).collect::<Vec<_>>())
                .collect();
            assert!(columns.iter().any(|x| *x < 28) && columns.iter().any(|x| *x > 60), "{picture}");
            assert!(!columns.iter().any(|x| (34..52).contains(x)), "{picture}");
            assert!(picture.contains("23:58") && picture.contains("02:58"), "{picture}");
        }
        assert_eq!((heart_rate(&history(vec![sample(0, 255)]), 80), steps(&history(vec![sample(0, 255)]), 80)), (None, None));
    }
}
