//! What a simulated band stored and how it gives it away: fetch requests, batches, their packets, and all that can go wrong there.

use std::ops::Range;

use jiff::{SignedDuration, Timestamp};

use super::{DAY_MINUTES, Fault, Queued, SimulatedBand, after};
use crate::band::{
    Workout,
    huami::{
        characteristics::{FETCH_CONTROL, FETCH_DATA},
        fetch::{self, Stored},
        profile::SportLayout,
        sport,
        time::BandTime,
    },
};

/// What the last accepted request is about.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// These samples.
    Samples(Range<usize>),
    /// These bytes of a workout.
    Bytes(Vec<u8>),
}

/// Payload of a packet at the default MTU: 20 bytes less the counter, and whole samples.
const PACKET_BYTES: usize = 16;

/// Refusal of a request that it does not know.
const UNKNOWN: u8 = 0x02;

/// Refusal of a request that it does not take now.
const NOT_NOW: u8 = 0x04;

impl SimulatedBand {
    /// Something was written to fetch control.
    pub(super) fn fetch_control(&mut self, value: &[u8], now: Timestamp) {
        let reply = match *value {
            [command @ (0x01 | 0x02), ..] if self.happens(Fault::RefuseFetch) => vec![0x10, command, NOT_NOW],
            [0x01, code, ref time @ ..] => match (Stored::of_code(code), BandTime::from_short(time).and_then(BandTime::timestamp)) {
                (Some(stored), Some(from)) => self.accept(stored, from, now),
                _ => vec![0x10, 0x01, UNKNOWN],
            },
            [0x02] => match self.session.as_mut().and_then(|session| session.asked.clone()) {
                Some(_) if self.happens(Fault::Silence) => return,
                Some(asked) => return self.send(&asked, now),
                None => vec![0x10, 0x02, 0x04],
            },
            [0x03, ..] => {
                let sent = self.session.as_mut().and_then(|session| session.asked.take());
                if let (Some(Asked::Samples(batch)), true) = (sent, self.acknowledged_is_dropped) {
                    self.dropped = self.dropped.max(batch.end);
                }
                vec![0x10, 0x03, 0x01]
            }
            [other, ..] => vec![0x10, other, UNKNOWN],
            [] => return,
        };
        self.notify(FETCH_CONTROL, &reply, now);
    }

    /// Remembers what is asked for, and says how much it is and when it begins.
    fn accept(&mut self, stored: Stored, from: Timestamp, now: Timestamp) -> Vec<u8> {
        let (asked, bytes, first) = match stored {
            Stored::Activity => {
                let batch = self.batch(from, now);
                let bytes = batch.len() * self.contents.model.sample_form.bytes();
                let first = after(self.contents.start, SignedDuration::from_mins(i64::try_from(batch.start).unwrap_or(0)));
                (Asked::Samples(batch), bytes, first)
            }
            Stored::SportSummary | Stored::SportDetails if self.contents.model.workouts.is_none() => return vec![0x10, 0x01, UNKNOWN],
            Stored::SportSummary | Stored::SportDetails => {
                let workout = self.contents.workouts.iter().find(|workout| workout.start >= from && workout.end <= now);
                let bytes = match (workout, stored) {
                    (None, _) => Vec::new(),
                    (Some(workout), Stored::SportSummary) => self.summary(workout),
                    (Some(workout), _) => sport::records(workout),
                };
                let first = workout.map_or(from, |workout| workout.start);
                let length = bytes.len();
                (Asked::Bytes(bytes), length, first)
            }
        };
        if let Some(session) = &mut self.session {
            session.asked = (bytes > 0).then_some(asked);
        }
        let first = BandTime::at(first, self.contents.utc_offset_s);
        let mut reply = fetch::start(u32::try_from(bytes).unwrap_or(u32::MAX), first).to_vec();
        if self.contents.model.starts_with_a_byte_more {
            reply.push(0x00);
        }
        reply
    }

    /// Which samples it gives from a time on.
    fn batch(&self, from: Timestamp, now: Timestamp) -> Range<usize> {
        let minutes = (from.as_second() - self.contents.start.as_second()).div_euclid(60);
        let available = self.available(now);
        let oldest = if self.fault == Some(Fault::FullMemory) { available.saturating_sub(DAY_MINUTES) } else { 0 };
        let first = usize::try_from(minutes).unwrap_or(0).max(self.dropped).max(oldest).min(available);
        first..available.min(first + self.batch_minutes.max(1))
    }

    fn summary(&self, workout: &Workout) -> Vec<u8> {
        match self.contents.model.workouts {
            Some(SportLayout::Old) => sport::old_summary(workout),
            _ => sport::new_summary(workout),
        }
    }

    fn send(&mut self, asked: &Asked, now: Timestamp) {
        let payload = match asked {
            Asked::Samples(batch) => {
                let samples = self.contents.samples.get(batch.clone()).unwrap_or_default();
                samples.iter().flat_map(|sample| self.contents.model.sample_form.write(*sample)).collect()
            }
            Asked::Bytes(bytes) => bytes.clone(),
        };
        let mut counter = 0u8;
        for (number, payload) in payload.chunks(PACKET_BYTES).enumerate() {
            let fault = self.fault;
            match fault {
                Some(fault @ Fault::DropMidBatch { after_packets }) if number == after_packets && self.happens(fault) => {
                    if let Some(session) = &mut self.session {
                        session.queue.push_back((now, Queued::HangUp));
                    }
                    return;
                }
                Some(fault @ Fault::SkipCounter) if number == 2 && self.happens(fault) => {}
                _ => self.notify(FETCH_DATA, &[&[counter][..], payload].concat(), now),
            }
            counter = counter.wrapping_add(1);
        }
        let crc = crc32fast::hash(&payload);
        let told = if self.happens(Fault::WrongChecksum) { !crc } else { crc };
        self.notify(FETCH_CONTROL, &fetch::end(self.checksums.then_some(told)), now);
    }
}
