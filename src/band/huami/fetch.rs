//! How a band is asked for what it stored, and how that comes, as pure functions between bytes and types. What workouts look
//! like inside is `sport`'s. Layouts: `docs/protocols/huami-ble.md`, sections 6 and 7.

use super::time::BandTime;
use crate::band::Sample;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Minute samples.
    Activity,
    /// The summary of one workout.
    SportSummary,
    /// The records of one workout.
    SportDetails,
}

impl Stored {
    /// Its code in a request.
    pub const fn code(self) -> u8 {
        match self {
            Self::Activity => 0x01,
            Self::SportSummary => 0x05,
            Self::SportDetails => 0x06,
        }
    }

    /// What has this code.
    pub const fn of_code(code: u8) -> Option<Self> {
        match code {
            0x01 => Some(Self::Activity),
            0x05 => Some(Self::SportSummary),
            0x06 => Some(Self::SportDetails),
            _ => None,
        }
    }
}

/// A request for what is stored from a time on: `01`, the code, and the time (10 bytes).
pub fn request(stored: Stored, from: BandTime) -> [u8; 10] {
    let mut request = [0; 10];
    request[..2].copy_from_slice(&[0x01, stored.code()]);
    request[2..].copy_from_slice(&from.short());
    request
}

/// "Send the data that the accepted request is about."
pub const SEND_DATA: [u8; 1] = [0x02];

/// What the band says on its fetch control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `10 01 01`, how much there is (0 is nothing; the unit is not settled), and the time of the first sample.
    Start {
        /// 0 when there is nothing.
        expected: u32,
        /// Time of the first sample, or of the workout.
        first: BandTime,
    },
    /// `10 02 01`, newer firmware with the CRC-32 of all payload bytes.
    End {
        /// The checksum, where the firmware sends one.
        crc: Option<u32>,
    },
    /// `10 02 04`: there is nothing more to give.
    NothingMore,
    /// `10 01` and another code: it does not take the request.
    Refused(u8),
    /// Anything else, by its first three bytes.
    Other([u8; 3]),
}

/// Reads a notification of fetch control; `None` when it is too short, or its time is none.
pub fn reply(value: &[u8]) -> Option<Reply> {
    let (head, rest) = value.split_first_chunk::<3>()?;
    Some(match *head {
        [0x10, 0x01, 0x01] => {
            let (expected, time) = rest.split_first_chunk::<4>()?;
            // A Mi Band 7 adds a byte after the time.
            Reply::Start { expected: u32::from_le_bytes(*expected), first: BandTime::from_short(time.get(..8)?)? }
        }
        [0x10, 0x01, code] => Reply::Refused(code),
        [0x10, 0x02, 0x01] if rest.is_empty() => Reply::End { crc: None },
        [0x10, 0x02, 0x01] => Reply::End { crc: Some(u32::from_le_bytes(*rest.first_chunk()?)) },
        [0x10, 0x02, 0x04] => Reply::NothingMore,
        other => Reply::Other(other),
    })
}

/// The reply to an accepted request (15 bytes).
pub fn start(expected: u32, first: BandTime) -> [u8; 15] {
    let mut reply = [0; 15];
    reply[..3].copy_from_slice(&[0x10, 0x01, 0x01]);
    reply[3..7].copy_from_slice(&expected.to_le_bytes());
    reply[7..].copy_from_slice(&first.short());
    reply
}

/// The end of a batch: three bytes, or seven with a checksum.
pub fn end(crc: Option<u32>) -> Vec<u8> {
    let mut reply = vec![0x10, 0x02, 0x01];
    reply.extend(crc.map(u32::to_le_bytes).into_iter().flatten());
    reply
}

/// A packet of fetch data: a counter, then payload. `None` when there is no payload.
pub fn packet(value: &[u8]) -> Option<(u8, &[u8])> {
    value.split_first().map(|(counter, payload)| (*counter, payload)).filter(|(_, payload)| !payload.is_empty())
}

/// How a model spells a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleForm {
    /// Kind, intensity, steps, heart rate.
    Four,
    /// The same, then four bytes more: one not understood, sleep, deep sleep, REM sleep. They are passed over.
    Eight,
}

impl SampleForm {
    /// Bytes of a sample.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    /// Reads whole samples; `None` when the length cannot be.
    pub fn read(self, payload: &[u8]) -> Option<Vec<Sample>> {
        let samples = payload.chunks_exact(self.bytes());
        samples.remainder().is_empty().then(|| {
            let sample = |bytes: &[u8]| Sample { kind: bytes[0], intensity: bytes[1], steps: bytes[2], heart_rate: bytes[3] };
            samples.map(sample).collect()
        })
    }

    /// A sample as it goes over the air; the four bytes more are noughts.
    pub fn write(self, sample: Sample) -> Vec<u8> {
        let mut bytes = vec![sample.kind, sample.intensity, sample.steps, sample.heart_rate];
        bytes.resize(self.bytes(), 0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::hex;

    fn eight() -> BandTime {
        BandTime { local: "2026-03-14T08:00:00".parse().expect("a civil time"), quarters: 4 }
    }

    #[test]
    fn a_fetch_reads_as_on_the_air() {
        assert_eq!(hex(&request(Stored::Activity, eight())), "0101ea07030e08000004");
        assert_eq!(hex(&request(Stored::SportSummary, eight())), "0105ea07030e08000004");
        let start = start(20, eight());
        assert_eq!(hex(&start), "10010114000000ea07030e08000004");
        assert_eq!(reply(&start), Some(Reply::Start { expected: 20, first: eight() }));
        assert_eq!(reply(&[&start[..], &[0]].concat()), Some(Reply::Start { expected: 20, first: eight() }), "a byte more");
        assert_eq!(reply(&start[..14]), None, "half a time");
        assert_eq!(reply(&end(None)), Some(Reply::End { crc: None }));
        assert_eq!(hex(&end(Some(0x5bcb_45c5))), "100201c545cb5b");
        assert_eq!(reply(&end(Some(0x5bcb_45c5))), Some(Reply::End { crc: Some(0x5bcb_45c5) }));
        assert_eq!(reply(&[0x10, 0x02, 0x01, 0xc5]), None, "half a checksum");
        assert_eq!(reply(&[0x10, 0x02, 0x04]), Some(Reply::NothingMore));
        assert_eq!(reply(&[0x10, 0x01, 0x02]), Some(Reply::Refused(0x02)));
        assert_eq!(reply(&[0x10, 0x07, 0x02]), Some(Reply::Other([0x10, 0x07, 0x02])));
        for stored in [Stored::Activity, Stored::SportSummary, Stored::SportDetails] {
            assert_eq!(Stored::of_code(stored.code()), Some(stored));
        }
    }

    #[test]
    fn packets_are_a_counter_and_whole_samples() {
        let walking = Sample { kind: 0x01, intensity: 0x28, steps: 0x5a, heart_rate: 0xff };
        let value = [0x00, 0x01, 0x28, 0x5a, 0xff, 0x01, 0x28, 0x5a, 0xff];
        let (counter, payload) = packet(&value).expect("a packet");
        assert_eq!((counter, SampleForm::Four.read(payload)), (0, Some(vec![walking; 2])));
        assert_eq!(SampleForm::Eight.read(payload), Some(vec![walking]), "why the form belongs to the model");
        assert_eq!(SampleForm::Four.read(&payload[..7]), None, "a torn sample");
        assert_eq!(packet(&[7]), None, "no payload");
        assert_eq!(packet(&[]), None);
        let mut crc = crc32fast::Hasher::new();
        for _ in 0..4 {
            crc.update(&SampleForm::Four.write(walking));
        }
        crc.update(&SampleForm::Four.write(Sample { heart_rate: 0x48, ..walking }));
        assert_eq!(crc.finalize(), 0x5bcb_45c5);
        assert_eq!(SampleForm::Eight.write(walking), [0x01, 0x28, 0x5a, 0xff, 0, 0, 0, 0]);
    }
}
