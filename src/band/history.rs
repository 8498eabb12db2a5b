//! The minutes that a band holds, in the form that all models share.

use jiff::{SignedDuration, Timestamp};

use crate::link::discreet;

/// Minute samples, without gaps: where the band has none between two stretches stands [`Sample::NONE`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Time of the first sample, a whole minute.
    pub start: Timestamp,
    /// Offset of the band's local time, seconds east of UTC.
    pub utc_offset_s: i32,
    /// Sample n is for `start` + n minutes.
    pub samples: Vec<Sample>,
}

discreet!(History, Sample);

impl History {
    /// The minute after the last sample; `None` while there is no sample, and at the end of time.
    pub fn end(&self) -> Option<Timestamp> {
        let minutes = i64::try_from(self.samples.len()).ok().filter(|minutes| *minutes > 0)?;
        self.start.checked_add(SignedDuration::from_mins(minutes)).ok()
    }
}

/// One minute as the band counted it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Activity kind, model-specific (`docs/protocols/huami-ble.md`).
    pub kind: u8,
    /// Intensity, 0 to 255.
    pub intensity: u8,
    /// Steps in this minute.
    pub steps: u8,
    /// Beats per minute; 255 when there was no reading.
    pub heart_rate: u8,
}

impl Sample {
    /// What stands where the band has no sample: the kind that means "no data", no steps, no heart rate.
    pub const NONE: Self = Self { kind: 0x7e, intensity: 0, steps: 0, heart_rate: 0xff };

    /// Whether the band counted in this minute: its kind is not the one that means "no data", or there was a reading all the same.
    pub const fn has_data(self) -> bool {
        self.is_counted() || self.beats().is_some()
    }

    /// Whether steps and kind are the band's word, and not what stands where it has none.
    pub const fn is_counted(self) -> bool {
        self.kind != Self::NONE.kind
    }

    /// Beats per minute, if there was a reading: `FF` is none, and so are `00` and `FE`.
    pub const fn beats(self) -> Option<u8> {
        match self.heart_rate {
            0x00 | 0xfe | 0xff => None,
            beats => Some(beats),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_ends_after_its_last_minute() {
        let start = "2026-03-14T09:00:00Z".parse().expect("a time");
        let mut history = History { start, utc_offset_s: 3600, samples: Vec::new() };
        assert_eq!(history.end(), None);
        history.samples = vec![Sample::NONE; 61];
        assert_eq!(history.end().expect("in range").to_string(), "2026-03-14T10:01:00Z");
    }

    #[test]
    fn what_is_no_reading_is_no_reading() {
        let beats = |heart_rate| Sample { heart_rate, ..Sample::NONE }.beats();
        assert_eq!([0, 1, 72, 253, 254, 255].map(beats), [None, Some(1), Some(72), Some(253), None, None]);
    }
}
