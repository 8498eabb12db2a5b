//! An invented but plausible day on the wrist: a night's sleep, a walk in the morning, at noon and in the evening, a heart rate
//! every five minutes. The same for every seed, so that what a test planted is what it finds.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::Offset};

use super::{
    BandContents,
    profile::{MI_BAND_3, Profile, SportLayout},
};
use crate::band::{Key, Sample, TrackPoint, Workout, WorkoutKind};

/// Kinds of a minute (`docs/protocols/huami-ble.md`, section 6).
const STILL: u8 = 0x50;
const WALKING: u8 = 0x01;
const LIGHT_SLEEP: u8 = 0x79;
const DEEP_SLEEP: u8 = 0x7b;

const NO_READING: u8 = 0xff;

impl BandContents {
    /// A Mi Band 3 of nobody that was worn from midnight (local time, UTC+1) of the day before `day` to the end of `day`.
    pub fn invented(day: Date) -> Self {
        Self::invented_for(&MI_BAND_3, day)
    }

    /// [`BandContents::invented`] for another model: the same days and the same walk.
    pub fn invented_for(model: &'static Profile, day: Date) -> Self {
        let utc_offset_s = 3600;
        let offset = Offset::from_seconds(utc_offset_s).unwrap_or(Offset::UTC);
        let midnight = day.to_datetime(jiff::civil::Time::midnight());
        let start = offset.to_timestamp(midnight).unwrap_or_default().saturating_sub(SignedDuration::from_hours(24)).unwrap_or_default();
        Self {
            model,
            address: [0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56],
            key: Key::new([0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf]),
            serial: "5b0c44d17e2a".to_owned(),
            firmware: model.firmware.to_owned(),
            utc_offset_s,
            start,
            samples: (0..2 * 1440).map(minute).collect(),
            workouts: model.workouts.map(|layout| walk(layout, start)).into_iter().collect(),
        }
    }
}

/// The walk of the second noon. A band of the older layout has its own receiver for positions.
fn walk(layout: SportLayout, first_midnight: Timestamp) -> Workout {
    let start = first_midnight.saturating_add(SignedDuration::from_mins(1440 + 755)).unwrap_or(first_midnight);
    let at = |seconds: i64| start.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(start);
    let has_positions = layout == SportLayout::Old;
    // Once round a square, a step of a few metres every ten seconds.
    let point = |n: i64| {
        let (side, along) = (n / 25, (n % 25) as f64 * 0.000_05);
        let (north, east) = match side {
            0 => (along, 0.0),
            1 => (0.001_25, along),
            2 => (0.001_25 - along, 0.001_25),
            _ => (0.0, 0.001_25 - along),
        };
        TrackPoint { at: at(n * 10), lat: 52.52 + north, lon: 13.405 + east, altitude: Some(34.0) }
    };
    Workout {
        kind: WorkoutKind::Walk,
        start,
        end: at(16 * 60 + 40),
        steps: Some(1_640),
        metres: Some(1_165.0),
        kilocalories: Some(57.5),
        heart_rate: Some(101),
        track: (0..100).filter(|_| has_positions).map(point).collect(),
        heart_rates: (0..100).map(|n| (at(n * 10 + 5), 95 + (n % 13) as u8)).collect(),
    }
}

/// The sample of a minute counted from the first midnight.
fn minute(n: u32) -> Sample {
    let of_day = n % 1440;
    // Any number will do that looks unordered and is always the same: Knuth's multiplicative hash.
    let wobble = n.wrapping_mul(2_654_435_761) >> 24;
    let within = |low: u32, span: u32| u8::try_from(low + wobble % span).unwrap_or(u8::MAX);
    let (kind, intensity, steps, beats) = match of_day {
        0..=399 if of_day % 90 >= 55 => (DEEP_SLEEP, within(0, 2), 0, within(49, 6)),
        0..=399 => (LIGHT_SLEEP, within(1, 8), 0, within(54, 7)),
        480..=501 | 755..=771 | 1085..=1122 => (WALKING, within(40, 40), within(84, 30), within(92, 21)),
        // A few steps about the house or the office in one minute of eight.
        402..=1379 if wobble.is_multiple_of(8) => (WALKING, within(18, 16), within(6, 24), within(74, 12)),
        1380..=1439 => (LIGHT_SLEEP, within(1, 9), 0, within(56, 8)),
        _ => (STILL, within(4, 20), 0, within(63, 14)),
    };
    let heart_rate = if n.is_multiple_of(5) { beats } else { NO_READING };
    Sample { kind, intensity, steps, heart_rate }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_plausible_and_always_the_same() {
        let contents = BandContents::invented("2026-03-14".parse().expect("a date"));
        assert_eq!(contents.start.to_string(), "2026-03-12T23:00:00Z");
        let today = &contents.samples[1440..];
        let steps: u32 = today.iter().map(|sample| u32::from(sample.steps)).sum();
        assert!((5_000..15_000).contains(&steps), "{steps} steps");
        assert!(today[..400].iter().all(|sample| sample.steps == 0), "nobody walks asleep");
        let readings: Vec<u8> = today.iter().map(|sample| sample.heart_rate).filter(|rate| *rate != NO_READING).collect();
        assert_eq!(readings.len(), 288);
        assert!(readings.iter().all(|rate| (45..130).contains(rate)));
        assert_eq!(contents, BandContents::invented("2026-03-14".parse().expect("a date")));
    }
}
