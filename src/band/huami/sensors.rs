//! What a band says of itself and of now: address, battery, steps of the day, heart rate. Pure functions between values and
//! types. Layouts: `docs/protocols/huami-ble.md`, sections 1 and 5.

use super::time::BandTime;
use crate::band::{ActivityToday, Battery};

/// A system id (8 bytes): the device address in display order with `FF FE` in its middle.
pub const fn system_id(address: [u8; 6]) -> [u8; 8] {
    let [a, b, c, d, e, f] = address;
    [a, b, c, 0xff, 0xfe, d, e, f]
}

/// The device address in a system id; `None` when it is none.
pub const fn address_of_system_id(value: &[u8]) -> Option<[u8; 6]> {
    match *value {
        [a, b, c, 0xff, 0xfe, d, e, f] => Some([a, b, c, d, e, f]),
        _ => None,
    }
}

/// A PnP id (7 bytes): Bluetooth SIG, the vendor, product, version.
pub const fn pnp_id(product: u16, version: u16) -> [u8; 7] {
    let ([a, b], [c, d], [e, f]) = (super::advertisement::COMPANY.to_le_bytes(), product.to_le_bytes(), version.to_le_bytes());
    [0x01, a, b, c, d, e, f]
}

/// Reads the family's battery value: `0F`, percent, `01` when charging, then times; `None` when it is none.
pub const fn battery(value: &[u8]) -> Option<Battery> {
    match *value {
        [0x0f, level, charging, ..] if level <= 100 => Some(Battery { level, charging: Some(charging == 0x01) }),
        _ => None,
    }
}

/// Writes the family's battery value (20 bytes): when it last came off its charger, when it was last full, and how full that was.
pub fn battery_value(battery: Battery, off_charger: BandTime, full: BandTime, level_then: u8) -> Vec<u8> {
    let charging = u8::from(battery.charging == Some(true));
    [&[0x0f, battery.level, charging][..], &off_charger.short(), &full.short(), &[level_then]].concat()
}

/// Reads a battery level of the Bluetooth SIG: one byte, percent.
pub const fn battery_level(value: &[u8]) -> Option<Battery> {
    match *value {
        [level] if level <= 100 => Some(Battery { level, charging: None }),
        _ => None,
    }
}

/// Reads the steps of the day: `0C`, steps, metres, kilocalories, each u32; old firmware says `00`, steps u16, two noughts.
pub fn activity_today(value: &[u8]) -> Option<ActivityToday> {
    match *value {
        [0x0c, ref rest @ ..] if rest.len() == 12 => {
            let words = rest.as_chunks::<4>().0;
            let [steps, metres, kilocalories] = [words[0], words[1], words[2]].map(u32::from_le_bytes);
            Some(ActivityToday { steps, metres: Some(metres), kilocalories: Some(kilocalories) })
        }
        [0x00, low, high, _, _] => {
            Some(ActivityToday { steps: u32::from(u16::from_le_bytes([low, high])), metres: None, kilocalories: None })
        }
        _ => None,
    }
}

/// Writes the steps of the day (13 bytes).
pub fn activity_today_value(today: ActivityToday) -> Vec<u8> {
    let words = [today.steps, today.metres.unwrap_or(0), today.kilocalories.unwrap_or(0)];
    std::iter::once(0x0c).chain(words.into_iter().flat_map(u32::to_le_bytes)).collect()
}

/// Reads a heart rate measurement of the Bluetooth SIG (Heart Rate Service 1.0, 3.1): flags, then the rate in one byte or two.
/// `None` when it is none, and when no pulse was found (`00`, `FE`, `FF`).
pub fn heart_rate(value: &[u8]) -> Option<u8> {
    let beats = match *value {
        [flags, beats, ..] if flags & 1 == 0 => beats,
        [_, low, high, ..] => u8::try_from(u16::from_le_bytes([low, high])).ok()?,
        _ => return None,
    };
    (!matches!(beats, 0x00 | 0xfe | 0xff)).then_some(beats)
}

/// Heart rate control: the single measurement off, and on.
pub const MEASURE_OFF: [u8; 3] = [0x15, 0x02, 0x00];
/// See [`MEASURE_OFF`].
pub const MEASURE_ON: [u8; 3] = [0x15, 0x02, 0x01];
/// Heart rate control: the continuous measurement off.
pub const CONTINUOUS_OFF: [u8; 3] = [0x15, 0x01, 0x00];
/// Heart rate control: go on measuring; wanted at least every 12 seconds.
pub const KEEP_ALIVE: [u8; 1] = [0x16];

/// Alert level: vibrate.
pub const ALERT_ON: [u8; 1] = [0x03];
/// Alert level: stop.
pub const ALERT_OFF: [u8; 1] = [0x00];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::hex;

    #[test]
    fn the_address_is_in_the_system_id() {
        let address = [0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56];
        assert_eq!(hex(&system_id(address)), "c0ffeefffe123456");
        assert_eq!(address_of_system_id(&system_id(address)), Some(address));
        assert_eq!(address_of_system_id(&[0; 8]), None);
        assert_eq!(hex(&pnp_id(0x0013, 0x0100)), "01570113000001");
    }

    #[test]
    fn a_battery_has_at_most_a_hundred_percent() {
        let time = |text: &str| BandTime { local: text.parse().expect("a civil time"), quarters: 4 };
        let (off, full) = (time("2026-03-12T21:30:00"), time("2026-03-12T22:45:10"));
        let value = battery_value(Battery { level: 87, charging: Some(false) }, off, full, 100);
        assert_eq!(hex(&value), "0f5700ea07030c151e0004ea07030c162d0a0464");
        assert_eq!(battery(&value), Some(Battery { level: 87, charging: Some(false) }));
        assert_eq!(battery(&[0x0f, 12, 0x01]), Some(Battery { level: 12, charging: Some(true) }));
        assert_eq!(battery(&[0x0f, 101, 0x00]), None);
        assert_eq!(battery(&[0x0f]), None);
        assert_eq!(battery_level(&[87]), Some(Battery { level: 87, charging: None }));
        assert_eq!((battery_level(&[101]), battery_level(&[])), (None, None));
    }

    #[test]
    fn steps_come_with_distance_and_energy() {
        let today = ActivityToday { steps: 900, metres: Some(640), kilocalories: Some(31) };
        assert_eq!(hex(&activity_today_value(today)), "0c84030000800200001f000000");
        assert_eq!(activity_today(&activity_today_value(today)), Some(today));
        let old = ActivityToday { steps: 900, metres: None, kilocalories: None };
        assert_eq!(activity_today(&[0x00, 0x84, 0x03, 0x00, 0x00]), Some(old));
        assert_eq!(activity_today(&[0x0c, 1, 2]), None);
        assert_eq!(activity_today(&[]), None);
    }

    #[test]
    fn a_heart_rate_is_one_that_was_found() {
        assert_eq!(heart_rate(&[0x00, 72]), Some(72));
        assert_eq!(heart_rate(&[0x01, 72, 0]), Some(72));
        assert_eq!(heart_rate(&[0x01, 72, 1]), None, "nobody has 328");
        for none in [&[][..], &[0], &[0, 0], &[0, 0xff], &[0, 0xfe], &[1, 72]] {
            assert_eq!(heart_rate(none), None, "{none:?}");
        }
    }
}
