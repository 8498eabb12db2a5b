//! How the driver gets what a band stored: one request, its packets, their order and their checksum. What is inside is looked at
//! elsewhere.

use std::time::{Duration, Instant};

use super::{ANSWER_WITHIN, Conversation, PATIENCE, garbled};
use crate::{
    band::{
        BandError,
        huami::{
            characteristics::{FETCH_CONTROL, FETCH_DATA},
            fetch::{self, Reply, SEND_DATA, Stored},
            time::BandTime,
        },
    },
    link::LinkError,
};

/// One batch of what a band stored.
pub(super) struct Batch {
    /// Time of the first sample, or of the workout.
    pub(super) first: BandTime,
    /// The payload of its packets, none missing.
    pub(super) payload: Vec<u8>,
    /// What ended it before its end: then its last packets are missing, and no checksum was seen.
    pub(super) cut_by: Option<BandError>,
}

/// How long a batch may take: a hundred days at two kilobytes a second are five minutes.
const BATCH_WITHIN: Duration = Duration::from_secs(30 * 60);

/// Bytes of a workout's records at most: positions and heart rates each second for a day and a half.
const WORKOUT_MAX: usize = 2 * 1024 * 1024;

impl Conversation {
    /// One batch from a time on, of at most `room` bytes. `None` when there is nothing from there on.
    pub(super) async fn batch(&mut self, stored: Stored, from: BandTime, room: usize) -> Result<Option<Batch>, BandError> {
        if !self.is_fetching {
            self.link.subscribe(FETCH_CONTROL).await?;
            self.link.subscribe(FETCH_DATA).await?;
            self.is_fetching = true;
        }
        self.send(FETCH_CONTROL, &fetch::request(stored, from)).await?;
        let first = match self.fetch_reply().await? {
            Reply::Start { expected: 0, .. } | Reply::NothingMore => return Ok(None),
            Reply::Start { first, .. } => first,
            Reply::Refused(code) => return Err(BandError::Refused(code)),
            other => return Err(garbled(format!("asked for what it stored, it says {other:02x?}"))),
        };
        self.send(FETCH_CONTROL, &SEND_DATA).await?;

        let (begun, mut crc, mut expected_counter) = (Instant::now(), crc32fast::Hasher::new(), 0u8);
        let mut batch = Batch { first, payload: Vec::new(), cut_by: None };
        loop {
            let (characteristic, value) = match self.next(&[FETCH_CONTROL, FETCH_DATA], ANSWER_WITHIN).await {
                Ok(next) => next,
                Err(error @ BandError::Link(_)) => {
                    batch.cut_by = Some(error);
                    return Ok(Some(batch));
                }
                Err(error) => return Err(error),
            };
            if characteristic == FETCH_DATA {
                let (counter, payload) = fetch::packet(&value).ok_or_else(|| garbled("a packet is empty".to_owned()))?;
                if counter != expected_counter {
                    return Err(garbled(format!("packet {expected_counter} of a batch is missing, {counter} came")));
                }
                if stored == Stored::Activity && !payload.len().is_multiple_of(self.profile.sample_form.bytes()) {
                    return Err(garbled(format!("a packet of {} bytes cannot be", value.len())));
                }
                if batch.payload.len() + payload.len() > room {
                    return Err(garbled(format!("it sends more than the {room} bytes that it can hold")));
                }
                if begun.elapsed() > BATCH_WITHIN {
                    batch.cut_by = Some(LinkError::Silent(BATCH_WITHIN).into());
                    return Ok(Some(batch));
                }
                expected_counter = expected_counter.wrapping_add(1);
                crc.update(payload);
                batch.payload.extend_from_slice(payload);
                continue;
            }
            let counted = crc.finalize();
            return match fetch::reply(&value) {
                Some(Reply::End { crc: Some(told) }) if told != counted => {
                    Err(garbled(format!("the checksum of a batch is wrong: {told:08x} told, {counted:08x} counted")))
                }
                Some(Reply::End { .. }) => Ok(Some(batch)),
                // Nothing more than what came; and what came had no end, so there is nothing to check it with.
                Some(Reply::NothingMore) if batch.payload.is_empty() => Ok(None),
                other => Err(garbled(format!("in the middle of a batch it says {other:02x?}"))),
            };
        }
    }

    /// One batch of a workout, which is of no use when it is cut.
    pub(super) async fn whole_batch(&mut self, stored: Stored, from: BandTime) -> Result<Option<Batch>, BandError> {
        let batch = match self.batch(stored, from, WORKOUT_MAX).await {
            Err(BandError::Refused(_)) => return Err(BandError::Unsupported("record workouts")),
            batch => batch?,
        };
        match batch {
            Some(Batch { cut_by: Some(error), .. }) => Err(error),
            batch => Ok(batch),
        }
    }

    /// The answer to a request; the end of an older batch, one that was given up, is passed over.
    async fn fetch_reply(&mut self) -> Result<Reply, BandError> {
        for _ in 0..PATIENCE {
            let (_, value) = self.next(&[FETCH_CONTROL], ANSWER_WITHIN).await?;
            match fetch::reply(&value) {
                Some(Reply::End { .. }) => {}
                Some(reply) => return Ok(reply),
                None => return Err(garbled(format!("an answer of {} bytes about what it stored cannot be read", value.len()))),
            }
        }
        Err(garbled(format!("it ended {PATIENCE} batches and began none")))
    }
}
