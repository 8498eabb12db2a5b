//! A band's notion of time: what its clock shows and how far that is from UTC, in two spellings on the air.

use jiff::{Timestamp, civil, tz::Offset};

/// What a band's clock shows. It keeps local time and knows no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BandTime {
    /// What the clock shows.
    pub local: civil::DateTime,
    /// Quarters of an hour east of UTC, summer time included.
    pub quarters: i8,
}

impl BandTime {
    /// A time as a band at this offset (seconds east of UTC, cut to quarters of an hour) shows it.
    pub fn at(time: Timestamp, utc_offset_s: i32) -> Self {
        let quarters = i8::try_from(utc_offset_s / QUARTER_S).unwrap_or(0);
        Self { local: offset(quarters).to_datetime(time), quarters }
    }

    /// Seconds east of UTC.
    pub const fn utc_offset_s(self) -> i32 {
        self.quarters as i32 * QUARTER_S
    }

    /// The moment meant; `None` at the ends of time.
    pub fn timestamp(self) -> Option<Timestamp> {
        offset(self.quarters).to_timestamp(self.local).ok()
    }

    /// Eight bytes: year (2), month, day, hour, minute, second, quarters.
    pub fn short(self) -> [u8; 8] {
        let [year_low, year_high] = u16::try_from(self.local.year()).unwrap_or(0).to_le_bytes();
        let part = |n: i8| n.unsigned_abs();
        [
            year_low,
            year_high,
            part(self.local.month()),
            part(self.local.day()),
            part(self.local.hour()),
            part(self.local.minute()),
            part(self.local.second()),
            self.quarters.to_ne_bytes()[0],
        ]
    }

    /// Reads [`BandTime::short`]; `None` when it is no time.
    pub fn from_short(value: &[u8]) -> Option<Self> {
        let &[year_low, year_high, month, day, hour, minute, second, quarters] = value else { return None };
        let year = i16::try_from(u16::from_le_bytes([year_low, year_high])).ok()?;
        let part = |n: u8| i8::try_from(n).ok();
        let local = civil::DateTime::new(year, part(month)?, part(day)?, part(hour)?, part(minute)?, part(second)?, 0).ok()?;
        let quarters = i8::from_ne_bytes([quarters]);
        (quarters.unsigned_abs() <= QUARTERS_MAX).then_some(Self { local, quarters })
    }

    /// Eleven bytes, the value of 2A2B: as [`BandTime::short`], with weekday (1 is Monday), fraction and summer time (both 0)
    /// before the quarters.
    pub fn long(self) -> [u8; 11] {
        let [a, b, month, day, hour, minute, second, quarters] = self.short();
        let weekday = self.local.weekday().to_monday_one_offset().unsigned_abs();
        [a, b, month, day, hour, minute, second, weekday, 0, 0, quarters]
    }

    /// Reads [`BandTime::long`]; `None` when it is no time.
    pub fn from_long(value: &[u8]) -> Option<Self> {
        let &[a, b, month, day, hour, minute, second, _weekday, _fraction, _summer, quarters] = value else { return None };
        Self::from_short(&[a, b, month, day, hour, minute, second, quarters])
    }
}

const QUARTER_S: i32 = 15 * 60;

/// No place on Earth is more than 14 hours from UTC; 18 is what time zone data can hold.
const QUARTERS_MAX: u8 = 18 * 4;

fn offset(quarters: i8) -> Offset {
    Offset::from_seconds(i32::from(quarters) * QUARTER_S).unwrap_or(Offset::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::hex;

    fn time(text: &str, quarters: i8) -> BandTime {
        BandTime { local: text.parse().expect("a civil time"), quarters }
    }

    #[test]
    fn the_clock_is_local_time_and_quarters() {
        let saturday = time("2026-03-14T10:00:00", 4);
        assert_eq!(hex(&saturday.long()), "ea07030e0a000006000004");
        assert_eq!(BandTime::from_long(&saturday.long()), Some(saturday));
        assert_eq!(saturday.timestamp().expect("in range").to_string(), "2026-03-14T09:00:00Z");
        let west = time("2026-03-14T10:00:00", -24);
        assert_eq!(west.short()[7], 0xe8, "UTC-6");
        assert_eq!(BandTime::from_short(&west.short()), Some(west));
        assert_eq!(BandTime::at(west.timestamp().expect("in range"), -6 * 3600), west);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bytes in
            [&[0xea, 0x07, 13, 1, 0, 0, 0, 4][..], &[0xea, 0x07, 2, 30, 0, 0, 0, 4], &[0xff; 8], &[0xea, 0x07, 1, 1, 0, 0, 0, 100], &[1, 2]]
        {
            assert_eq!(BandTime::from_short(bytes), None, "{bytes:?}");
        }
    }
}
