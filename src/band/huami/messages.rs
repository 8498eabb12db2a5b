//! What a Mi Band 3 and its central say to each other, as pure functions between bytes and types. Numbers are little-endian.
//! Source of every layout: `docs/protocols/huami-ble.md`; the sections are named at each item.

use aes::{
    Aes128,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use jiff::{Timestamp, civil, tz::Offset};
use uuid::Uuid;

use crate::{
    band::{ActivityToday, Sample},
    link::sig_uuid,
};

/// Authentication, write without response and notify (section 1).
pub const AUTHENTICATION: Uuid = huami_uuid(0x0009);
/// Fetch control, write without response and notify.
pub const FETCH_CONTROL: Uuid = huami_uuid(0x0004);
/// Fetch data, notify.
pub const FETCH_DATA: Uuid = huami_uuid(0x0005);
/// Battery, read and notify.
pub const BATTERY: Uuid = huami_uuid(0x0006);
/// Steps of the day, read and notify; reading is refused before authentication.
pub const STEPS: Uuid = huami_uuid(0x0007);
/// Device events, notify.
pub const EVENTS: Uuid = huami_uuid(0x0010);
/// Current time, read, write and notify.
pub const CURRENT_TIME: Uuid = sig_uuid(0x2a2b);
/// System id, read: the device address in another coat.
pub const SYSTEM_ID: Uuid = sig_uuid(0x2a23);
/// Serial number, read, text.
pub const SERIAL: Uuid = sig_uuid(0x2a25);
/// Hardware revision, read, text.
pub const HARDWARE: Uuid = sig_uuid(0x2a27);
/// Software revision, read, text: what people call the firmware version.
pub const FIRMWARE: Uuid = sig_uuid(0x2a28);
/// Heart rate, notify.
pub const HEART_RATE: Uuid = sig_uuid(0x2a37);
/// Heart rate control, read and write; reading is refused before authentication.
pub const HEART_RATE_CONTROL: Uuid = sig_uuid(0x2a39);
/// Alert level, write without response: vibrates.
pub const ALERT_LEVEL: Uuid = sig_uuid(0x2a06);
/// The service under whose name the step count is advertised.
pub const MAIN_SERVICE: Uuid = sig_uuid(0xfee0);

/// Company identifier of Anhui Huami in manufacturer data.
pub const COMPANY: u16 = 0x0157;

/// Data type "activity" of a fetch (section 5).
pub const ACTIVITY: u8 = 0x01;

/// Bytes of a sample on the wire.
pub const SAMPLE_BYTES: usize = 4;

/// Samples in a full packet: 20 bytes at the default MTU, less the counter.
pub const SAMPLES_PER_PACKET: usize = 4;

/// Long form of a 16-bit UUID of the vendor (base `0000xxxx-0000-3512-2118-0009af100700`).
pub const fn huami_uuid(short: u16) -> Uuid {
    Uuid::from_u128(0x0000_0000_0000_3512_2118_0009_af10_0700 | (short as u128) << 96)
}

/// "Give me a challenge" (authentication v1, flag 00).
pub const ASK_CHALLENGE: [u8; 2] = [0x02, 0x00];

/// "Send the data that the accepted request is about."
pub const SEND_DATA: [u8; 1] = [0x02];

/// A new key for the band (`01 00` and the key), which it takes when the wearer taps.
pub fn new_key(key: [u8; 16]) -> [u8; 18] {
    let mut value = [0; 18];
    value[0] = 0x01;
    value[2..].copy_from_slice(&key);
    value
}

/// The answer to a challenge: `03 00` and the nonce encrypted with the key, one AES-128 block.
pub fn challenge_answer(key: [u8; 16], nonce: [u8; 16]) -> [u8; 18] {
    let mut answer = [0; 18];
    answer[0] = 0x03;
    answer[2..].copy_from_slice(&encrypted(key, nonce));
    answer
}

/// One block of AES-128, no padding (authentication v1).
pub fn encrypted(key: [u8; 16], block: [u8; 16]) -> [u8; 16] {
    let mut block = block.into();
    Aes128::new(&key.into()).encrypt_block(&mut block);
    block.into()
}

/// What the band says on [`AUTHENTICATION`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationReply {
    /// `10 02 01` and 16 bytes to encrypt.
    Challenge([u8; 16]),
    /// `10 03 01`.
    Accepted,
    /// `10 01 01`: the wearer tapped.
    KeyTaken,
    /// `10 01` and another code: the wearer did not tap.
    KeyRefused,
    /// `10 03` and another code: the key is not the band's (`04`; `08` was seen on newer models).
    WrongKey,
    /// Anything else, by its first three bytes.
    Other([u8; 3]),
}

/// Reads a notification of [`AUTHENTICATION`]; `None` when it is too short to be one.
pub fn authentication_reply(value: &[u8]) -> Option<AuthenticationReply> {
    let (head, rest) = value.split_first_chunk::<3>()?;
    Some(match (*head, rest.first_chunk::<16>()) {
        ([0x10, 0x02, 0x01], Some(nonce)) => AuthenticationReply::Challenge(*nonce),
        ([0x10, 0x01, 0x01], _) => AuthenticationReply::KeyTaken,
        ([0x10, 0x01, _], _) => AuthenticationReply::KeyRefused,
        ([0x10, 0x03, 0x01], _) => AuthenticationReply::Accepted,
        ([0x10, 0x03, _], _) => AuthenticationReply::WrongKey,
        (other, _) => AuthenticationReply::Other(other),
    })
}

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

/// Battery level in percent out of a value of [`BATTERY`] (`0F LEVEL …`); `None` when it is none.
pub const fn battery_level(value: &[u8]) -> Option<u8> {
    match *value {
        [0x0f, level, ..] if level <= 100 => Some(level),
        _ => None,
    }
}

/// Reads a value of [`STEPS`]: `0C`, steps, metres, kilocalories, each u32; old firmware `00`, steps u16, two zeros.
pub fn activity_today(value: &[u8]) -> Option<ActivityToday> {
    let word = |at: usize| value.get(at..at + 4)?.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
    match *value {
        [0x00, low, high, _, _] => {
            Some(ActivityToday { steps: u32::from(u16::from_le_bytes([low, high])), metres: None, kilocalories: None })
        }
        [0x0c, ..] if value.len() == 13 => Some(ActivityToday { steps: word(1)?, metres: Some(word(5)?), kilocalories: Some(word(9)?) }),
        _ => None,
    }
}

/// The band's notion of time: what its clock shows and how far that is from UTC. It keeps local time and knows no other.
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
        let [year_low, year_high] = year_bytes(self.local);
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

    /// Eleven bytes, the value of [`CURRENT_TIME`]: as [`BandTime::short`], with weekday (1 is Monday), fraction and summer time
    /// (both 0) before the quarters.
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

/// A request for activity from a minute on: `01 01` and the time.
pub fn fetch_request(from: BandTime) -> [u8; 10] {
    let mut request = [0; 10];
    request[..2].copy_from_slice(&[0x01, ACTIVITY]);
    request[2..].copy_from_slice(&from.short());
    request
}

/// What the band says on [`FETCH_CONTROL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchReply {
    /// `10 01 01`, how much there is (0 is nothing; the unit is not settled), and the time of the first sample.
    Start {
        /// 0 when there is nothing.
        expected: u32,
        /// Time of the first sample.
        first: BandTime,
    },
    /// `10 02 01`, newer firmware with the CRC-32 of all payload bytes.
    End {
        /// The checksum, where the firmware sends one.
        crc: Option<u32>,
    },
    /// `10 02 04`: there is nothing more to give.
    NothingMore,
    /// Anything else, by its first three bytes.
    Other([u8; 3]),
}

/// Reads a notification of [`FETCH_CONTROL`]; `None` when it is too short, or its time is none.
pub fn fetch_reply(value: &[u8]) -> Option<FetchReply> {
    let (head, rest) = value.split_first_chunk::<3>()?;
    Some(match *head {
        [0x10, 0x01, 0x01] => {
            let (expected, time) = rest.split_first_chunk::<4>()?;
            // Some firmware adds a byte after the time.
            FetchReply::Start { expected: u32::from_le_bytes(*expected), first: BandTime::from_short(time.get(..8)?)? }
        }
        [0x10, 0x02, 0x01] if rest.is_empty() => FetchReply::End { crc: None },
        [0x10, 0x02, 0x01] => FetchReply::End { crc: Some(u32::from_le_bytes(*rest.first_chunk()?)) },
        [0x10, 0x02, 0x04] => FetchReply::NothingMore,
        other => FetchReply::Other(other),
    })
}

/// The reply to an accepted [`fetch_request`].
pub fn fetch_start(expected: u32, first: BandTime) -> [u8; 15] {
    let mut reply = [0; 15];
    reply[..3].copy_from_slice(&[0x10, 0x01, 0x01]);
    reply[3..7].copy_from_slice(&expected.to_le_bytes());
    reply[7..].copy_from_slice(&first.short());
    reply
}

/// A packet of [`FETCH_DATA`]: a counter, then whole samples. `None` when the length cannot be.
pub fn data_packet(value: &[u8]) -> Option<(u8, Vec<Sample>)> {
    let (counter, payload) = value.split_first()?;
    let (samples, rest) = payload.as_chunks::<SAMPLE_BYTES>();
    if samples.is_empty() || !rest.is_empty() {
        return None;
    }
    Some((*counter, samples.iter().map(|&[kind, intensity, steps, heart_rate]| Sample { kind, intensity, steps, heart_rate }).collect()))
}

/// A sample as it goes over the air: kind, intensity, steps, heart rate.
pub const fn sample_bytes(sample: Sample) -> [u8; SAMPLE_BYTES] {
    [sample.kind, sample.intensity, sample.steps, sample.heart_rate]
}

/// Manufacturer data of an advertisement, clear form (24 bytes): last heart rate (`FF` is none) and the device address.
pub fn manufacturer_data(heart_rate: u8, address: [u8; 6]) -> Vec<u8> {
    let mut data = vec![0xff; 24];
    data[..4].copy_from_slice(&[0x02, 0x02, 0x01, heart_rate]);
    data[17] = 0x03;
    data[18..].copy_from_slice(&address);
    data
}

/// CRC-32 (IEEE 802.3, as zlib) of the payload bytes of one batch.
#[derive(Clone, Copy, Debug)]
pub struct Crc32(u32);

impl Default for Crc32 {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Crc32 {
    /// Takes bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 ^= u32::from(*byte);
            for _ in 0..8 {
                // 0xEDB88320 is the reversed form of the polynomial 0x04C11DB7.
                self.0 = (self.0 >> 1) ^ (0xedb8_8320 & (self.0 & 1).wrapping_neg());
            }
        }
    }

    /// The checksum of what was taken in.
    pub const fn value(self) -> u32 {
        !self.0
    }
}

const QUARTER_S: i32 = 15 * 60;

/// No place on Earth is more than 14 hours from UTC; 18 is what time zone data can hold.
const QUARTERS_MAX: u8 = 18 * 4;

fn offset(quarters: i8) -> Offset {
    Offset::from_seconds(i32::from(quarters) * QUARTER_S).unwrap_or(Offset::UTC)
}

fn year_bytes(local: civil::DateTime) -> [u8; 2] {
    u16::try_from(local.year()).unwrap_or(0).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::hex;

    const KEY: [u8; 16] = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf];
    const NONCE: [u8; 16] = [0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f];

    fn time(text: &str, quarters: i8) -> BandTime {
        BandTime { local: text.parse().expect("a civil time"), quarters }
    }

    #[test]
    fn a_challenge_is_answered_with_the_nonce_encrypted() {
        assert_eq!(hex(&challenge_answer(KEY, NONCE)), "030084df9888447cac8d79ea123972a20a73");
        let default_key = *b"0123456789\x40\x41\x42\x43\x44\x45";
        assert_eq!(hex(&encrypted(default_key, NONCE)), "1cfc00bf77f5767f6ffff6442a3c0658");
        let challenge = [&[0x10, 0x02, 0x01][..], &NONCE].concat();
        assert_eq!(authentication_reply(&challenge), Some(AuthenticationReply::Challenge(NONCE)));
        assert_eq!(authentication_reply(&[0x10, 0x03, 0x01]), Some(AuthenticationReply::Accepted));
        assert_eq!(authentication_reply(&[0x10, 0x03, 0x08]), Some(AuthenticationReply::WrongKey));
        assert_eq!(authentication_reply(&[0x10, 0x02, 0x01, 0x00]), Some(AuthenticationReply::Other([0x10, 0x02, 0x01])));
        assert_eq!(authentication_reply(&[0x10]), None);
    }

    #[test]
    fn the_clock_is_local_time_and_quarters() {
        let saturday = time("2026-03-14T10:00:00", 4);
        assert_eq!(hex(&saturday.long()), "ea07030e0a00000600000".to_owned() + "4");
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

    #[test]
    fn a_fetch_reads_as_on_the_air() {
        let eight = time("2026-03-14T08:00:00", 4);
        assert_eq!(hex(&fetch_request(eight)), "0101ea07030e08000004");
        let start = fetch_start(20, eight);
        assert_eq!(hex(&start), "10010114000000ea07030e08000004");
        assert_eq!(fetch_reply(&start), Some(FetchReply::Start { expected: 20, first: eight }));
        assert_eq!(fetch_reply(&[0x10, 0x02, 0x01]), Some(FetchReply::End { crc: None }));
        assert_eq!(fetch_reply(&[0x10, 0x02, 0x01, 0xc5, 0x45, 0xcb, 0x5b]), Some(FetchReply::End { crc: Some(0x5bcb_45c5) }));
        assert_eq!(fetch_reply(&[0x10, 0x02, 0x01, 0xc5]), None, "half a checksum");
        assert_eq!(fetch_reply(&[0x10, 0x02, 0x04]), Some(FetchReply::NothingMore));
        assert_eq!(fetch_reply(&[0x10, 0x01, 0x02]), Some(FetchReply::Other([0x10, 0x01, 0x02])));
    }

    #[test]
    fn packets_are_a_counter_and_whole_samples() {
        let walking = Sample { kind: 0x01, intensity: 0x28, steps: 0x5a, heart_rate: 0xff };
        let packet = [0x00, 0x01, 0x28, 0x5a, 0xff, 0x01, 0x28, 0x5a, 0xff];
        assert_eq!(data_packet(&packet), Some((0, vec![walking; 2])));
        assert_eq!(data_packet(&packet[..8]), None, "a torn sample");
        assert_eq!(data_packet(&[7]), None, "no sample");
        assert_eq!(data_packet(&[]), None);
        let mut crc = Crc32::default();
        for _ in 0..4 {
            crc.update(&sample_bytes(walking));
        }
        crc.update(&[0x01, 0x28, 0x5a, 0x48]);
        assert_eq!(crc.value(), 0x5bcb_45c5);
    }

    #[test]
    fn the_address_is_in_the_system_id_and_in_the_advertisement() {
        let address = [0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56];
        assert_eq!(hex(&system_id(address)), "c0ffeefffe123456");
        assert_eq!(address_of_system_id(&system_id(address)), Some(address));
        assert_eq!(address_of_system_id(&[0; 8]), None);
        assert_eq!(hex(&manufacturer_data(72, address)), "02020148ffffffffffffffffffffffffff03c0ffee123456");
    }

    #[test]
    fn a_battery_has_at_most_a_hundred_percent() {
        assert_eq!(battery_level(&[0x0f, 0x57, 0x00]), Some(87));
        assert_eq!(battery_level(&[0x0f, 101]), None);
        assert_eq!(battery_level(&[0x0f]), None);
    }
}
