//! A band of the family in software: the GATT server with its authentication, its memory and its faults on request. It holds what it is
//! told to hold and forgets nothing unless asked to, so that what was stored can be compared with what was uploaded.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::messages::{self, BandTime, Crc32, SAMPLES_PER_PACKET};
use crate::{
    band::{Key, Sample},
    link::{Advertisement, LinkError, Notification, simulated::Peripheral},
};

/// What a simulated band is and holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BandContents {
    /// Device address, display order.
    pub address: [u8; 6],
    /// The key it was paired with.
    pub key: Key,
    /// Serial number, text.
    pub serial: String,
    /// Firmware version, text.
    pub firmware: String,
    /// Offset of its local time, seconds east of UTC.
    pub utc_offset_s: i32,
    /// Time of the first sample, a whole minute.
    pub start: Timestamp,
    /// Sample n is for `start` + n minutes. Minutes that are not over yet are never told.
    pub samples: Vec<Sample>,
}

/// A band. The public fields are switches and may be changed at any time.
#[derive(Clone, Debug)]
pub struct SimulatedBand {
    /// What it is and holds.
    pub contents: BandContents,
    /// What the wearer does when it asks to be tapped.
    pub tap: Tap,
    /// Hangs up on a central that has not authenticated after this time.
    pub unauthenticated_for: Duration,
    /// Minutes it gives in one batch at most; at least 1.
    pub batch_minutes: usize,
    /// Ends a batch with a checksum (7-byte form, newer firmware) or without one (3-byte form).
    pub checksums: bool,
    /// Forgets what was acknowledged with the "drop" byte.
    pub acknowledged_is_dropped: bool,
    /// What goes wrong from now on.
    pub fault: Option<Fault>,
    /// Every write, subscription and notification, oldest first.
    pub journal: Vec<JournalEntry>,
    /// Battery level, percent.
    pub battery: u8,
    session: Option<Session>,
    /// Challenges given so far: each connection gets another nonce.
    challenges: u64,
    /// Samples before this index were dropped.
    dropped: usize,
}

/// What the wearer does when the band asks to be tapped (pairing with a new key).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tap {
    /// Taps at once.
    AtOnce,
    /// Does not tap.
    #[default]
    Never,
}

/// Something that goes wrong on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Hangs up after the second packet of a batch.
    DropMidBatch,
    /// Refuses every fetch (`10 01 04`).
    RefuseFetch,
    /// Accepts a fetch, then says nothing.
    Silence,
    /// Loses the third packet of a batch.
    SkipCounter,
    /// Sends a checksum that is wrong.
    WrongChecksum,
}

/// One thing that happened on the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalEntry {
    /// A notification was queued for the central.
    Notified {
        /// When.
        at: Timestamp,
        /// Characteristic.
        characteristic: Uuid,
        /// Value.
        value: Vec<u8>,
    },
    /// The central subscribed.
    Subscribed {
        /// When.
        at: Timestamp,
        /// Characteristic.
        characteristic: Uuid,
    },
    /// The central wrote.
    Written {
        /// When.
        at: Timestamp,
        /// Characteristic.
        characteristic: Uuid,
        /// Value.
        value: Vec<u8>,
    },
}

/// One connection.
#[derive(Clone, Debug)]
struct Session {
    since: Timestamp,
    state: State,
    subscribed: BTreeSet<Uuid>,
    queue: VecDeque<Queued>,
    /// Samples that the last accepted request is about.
    batch: Option<std::ops::Range<usize>>,
    next_tick: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connected,
    Challenged([u8; 16]),
    Authenticated,
}

#[derive(Clone, Debug)]
enum Queued {
    Notification(Notification),
    HangUp,
}

/// It ticks this often on the event characteristic; the phone app takes that as a call to sync.
const TICK: SignedDuration = SignedDuration::from_mins(30);

/// Longest value of a write at the default MTU of 23.
const WRITE_MAX: usize = 20;

/// ATT "Read Not Permitted" and "Invalid Attribute Value Length" (Bluetooth Core, Vol 3, Part F, 3.4.1.1).
const READ_NOT_PERMITTED: u8 = 0x02;
const INVALID_LENGTH: u8 = 0x0d;

impl SimulatedBand {
    /// A band with these contents: batches of up to 240 minutes with checksums, no faults, nobody taps.
    pub fn new(contents: BandContents) -> Self {
        Self {
            contents,
            tap: Tap::default(),
            unauthenticated_for: Duration::from_secs(30),
            batch_minutes: 240,
            checksums: true,
            acknowledged_is_dropped: false,
            fault: None,
            journal: Vec::new(),
            battery: 87,
            session: None,
            challenges: 0,
            dropped: 0,
        }
    }

    /// How many samples are of minutes that are over.
    fn available(&self, now: Timestamp) -> usize {
        let minutes = (now.as_second() - self.contents.start.as_second()).div_euclid(60);
        usize::try_from(minutes).unwrap_or(0).min(self.contents.samples.len())
    }

    /// Steps since local midnight.
    fn steps_today(&self, now: Timestamp) -> u32 {
        let local_seconds = now.as_second() + i64::from(self.contents.utc_offset_s);
        let minutes_today = usize::try_from(local_seconds.rem_euclid(86_400) / 60).unwrap_or(0);
        let available = self.available(now);
        self.contents.samples[available.saturating_sub(minutes_today)..available].iter().map(|sample| u32::from(sample.steps)).sum()
    }

    fn last_heart_rate(&self, now: Timestamp) -> u8 {
        let known = &self.contents.samples[..self.available(now)];
        known.iter().rev().map(|sample| sample.heart_rate).find(|rate| *rate != 0xff).unwrap_or(0xff)
    }

    /// The session, unless the band has hung up because nobody authenticated in time.
    fn session(&mut self, now: Timestamp) -> Result<&mut Session, LinkError> {
        let limit = SignedDuration::try_from(self.unauthenticated_for).unwrap_or(SignedDuration::MAX);
        match &mut self.session {
            Some(session) if session.state == State::Authenticated || now.duration_since(session.since) < limit => Ok(session),
            _ => Err(LinkError::Lost),
        }
    }

    fn is_authenticated(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.state == State::Authenticated)
    }

    fn notify(&mut self, characteristic: Uuid, value: &[u8], at: Timestamp) {
        let Some(session) = &mut self.session else { return };
        if session.subscribed.contains(&characteristic) {
            session.queue.push_back(Queued::Notification(Notification { characteristic, value: value.to_vec() }));
            self.journal.push(JournalEntry::Notified { at, characteristic, value: value.to_vec() });
        }
    }

    /// Authentication v1; the flag byte is not looked at, as on the real band.
    fn authenticate(&mut self, value: &[u8], now: Timestamp) {
        let (state, reply) = match *value {
            [0x01, _, ref key @ ..] if key.len() == 16 && self.tap == Tap::AtOnce => {
                let Ok(key) = key.try_into() else { return };
                self.contents.key = Key::new(key);
                (State::Connected, vec![0x10, 0x01, 0x01])
            }
            // A probe, or a new key that nobody tapped for.
            [0x01, ..] => (State::Connected, vec![0x10, 0x01, 0x04]),
            [0x02, _] | [0x02, _, 0x02] => {
                self.challenges += 1;
                let digest: [u8; 32] = Sha256::digest(self.challenges.to_le_bytes()).into();
                let mut nonce = [0; 16];
                nonce.copy_from_slice(&digest[..16]);
                (State::Challenged(nonce), [&[0x10, 0x02, 0x01][..], &nonce].concat())
            }
            [0x03, _, ref answer @ ..] => match self.session.as_ref().map(|session| session.state) {
                Some(State::Challenged(nonce)) if answer == messages::encrypted(self.contents.key.bytes(), nonce) => {
                    (State::Authenticated, vec![0x10, 0x03, 0x01])
                }
                _ => (State::Connected, vec![0x10, 0x03, 0x04]),
            },
            _ => return,
        };
        if let Some(session) = &mut self.session {
            session.state = state;
        }
        self.notify(messages::AUTHENTICATION, &reply, now);
    }

    fn fetch_control(&mut self, value: &[u8], now: Timestamp) {
        let reply = match *value {
            [0x01 | 0x02, ..] if self.fault == Some(Fault::RefuseFetch) => vec![0x10, value[0], 0x04],
            [0x01, messages::ACTIVITY, ref time @ ..] => match BandTime::from_short(time).and_then(BandTime::timestamp) {
                Some(from) => self.accept_fetch(from, now),
                None => vec![0x10, 0x01, 0x02],
            },
            [0x01, ..] => vec![0x10, 0x01, 0x02],
            [0x02] => match self.session.as_mut().and_then(|session| session.batch.clone()) {
                Some(_) if self.fault == Some(Fault::Silence) => return,
                Some(batch) => return self.send_batch(&batch, now),
                None => vec![0x10, 0x02, 0x04],
            },
            [0x03, ..] => {
                let sent = self.session.as_mut().and_then(|session| session.batch.take());
                if let (Some(batch), true) = (sent, self.acknowledged_is_dropped) {
                    self.dropped = self.dropped.max(batch.end);
                }
                vec![0x10, 0x03, 0x01]
            }
            [other, ..] => vec![0x10, other, 0x02],
            [] => return,
        };
        self.notify(messages::FETCH_CONTROL, &reply, now);
    }

    /// Remembers which samples are asked for, and says how many bytes they are and when they begin.
    fn accept_fetch(&mut self, from: Timestamp, now: Timestamp) -> Vec<u8> {
        let minutes = (from.as_second() - self.contents.start.as_second()).div_euclid(60);
        let available = self.available(now);
        let first = usize::try_from(minutes).unwrap_or(0).max(self.dropped).min(available);
        let batch = first..available.min(first + self.batch_minutes.max(1));
        let bytes = u32::try_from(batch.len() * messages::SAMPLE_BYTES).unwrap_or(u32::MAX);
        let starts = self.contents.start.saturating_add(SignedDuration::from_mins(i64::try_from(first).unwrap_or(0))).unwrap_or(now);
        if let Some(session) = &mut self.session {
            session.batch = Some(batch);
        }
        messages::fetch_start(bytes, BandTime::at(starts, self.contents.utc_offset_s)).to_vec()
    }

    fn send_batch(&mut self, batch: &std::ops::Range<usize>, now: Timestamp) {
        let (mut crc, mut counter) = (Crc32::default(), 0u8);
        let samples = self.contents.samples.get(batch.clone()).unwrap_or_default().to_vec();
        for (number, chunk) in samples.chunks(SAMPLES_PER_PACKET).enumerate() {
            let payload: Vec<u8> = chunk.iter().copied().flat_map(messages::sample_bytes).collect();
            crc.update(&payload);
            match (self.fault, number) {
                (Some(Fault::DropMidBatch), 2) => {
                    if let Some(session) = &mut self.session {
                        session.queue.push_back(Queued::HangUp);
                    }
                    return;
                }
                (Some(Fault::SkipCounter), 2) => {}
                _ => self.notify(messages::FETCH_DATA, &[&[counter][..], &payload].concat(), now),
            }
            counter = counter.wrapping_add(1);
        }
        let crc = if self.fault == Some(Fault::WrongChecksum) { !crc.value() } else { crc.value() };
        let mut end = vec![0x10, 0x02, 0x01];
        if self.checksums {
            end.extend(crc.to_le_bytes());
        }
        self.notify(messages::FETCH_CONTROL, &end, now);
    }

    fn battery_value(&self, now: Timestamp) -> Vec<u8> {
        let charged = BandTime::at(now.saturating_sub(SignedDuration::from_hours(72)).unwrap_or(now), self.contents.utc_offset_s).short();
        [&[0x0f, self.battery, 0x00][..], &charged, &charged, &[100]].concat()
    }

    fn steps_value(&self, now: Timestamp) -> Vec<u8> {
        let steps = self.steps_today(now);
        // A step is about 0.71 m and 0.035 kcal.
        [&[0x0c][..], &steps.to_le_bytes(), &(steps * 71 / 100).to_le_bytes(), &(steps * 35 / 1000).to_le_bytes()].concat()
    }
}

impl Peripheral for SimulatedBand {
    fn advertisement(&self, now: Timestamp) -> Advertisement {
        Advertisement {
            address: self.contents.address,
            name: Some("Mi Band 3".to_owned()),
            manufacturer_data: vec![(messages::COMPANY, messages::manufacturer_data(self.last_heart_rate(now), self.contents.address))],
            service_data: vec![(messages::MAIN_SERVICE, self.steps_today(now).to_le_bytes().to_vec())],
            rssi: Some(-48),
        }
    }

    fn connect(&mut self, now: Timestamp) {
        self.session = Some(Session {
            since: now,
            state: State::Connected,
            subscribed: BTreeSet::new(),
            queue: VecDeque::new(),
            batch: None,
            next_tick: now.saturating_add(TICK).unwrap_or(now),
        });
    }

    fn disconnect(&mut self) {
        self.session = None;
    }

    fn read(&mut self, characteristic: Uuid, now: Timestamp) -> Result<Vec<u8>, LinkError> {
        self.session(now)?;
        Ok(match characteristic {
            messages::SYSTEM_ID => messages::system_id(self.contents.address).to_vec(),
            messages::SERIAL => self.contents.serial.clone().into_bytes(),
            messages::FIRMWARE => self.contents.firmware.clone().into_bytes(),
            messages::HARDWARE => b"V0.18.4.3".to_vec(),
            messages::CURRENT_TIME => BandTime::at(now, self.contents.utc_offset_s).long().to_vec(),
            messages::BATTERY => self.battery_value(now),
            messages::STEPS if self.is_authenticated() => self.steps_value(now),
            messages::HEART_RATE_CONTROL if self.is_authenticated() => vec![0x14, 0x05],
            messages::STEPS
            | messages::HEART_RATE_CONTROL
            | messages::AUTHENTICATION
            | messages::FETCH_CONTROL
            | messages::FETCH_DATA
            | messages::EVENTS
            | messages::HEART_RATE
            | messages::ALERT_LEVEL => return Err(LinkError::Refused(READ_NOT_PERMITTED)),
            other => return Err(LinkError::NoCharacteristic(other)),
        })
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8], now: Timestamp) -> Result<(), LinkError> {
        self.session(now)?;
        if value.len() > WRITE_MAX {
            return Err(LinkError::Refused(INVALID_LENGTH));
        }
        self.journal.push(JournalEntry::Written { at: now, characteristic, value: value.to_vec() });
        match characteristic {
            messages::AUTHENTICATION => self.authenticate(value, now),
            // Before authentication the band takes writes and does nothing with them.
            _ if !self.is_authenticated() => {}
            messages::FETCH_CONTROL => self.fetch_control(value, now),
            // Its clock runs with the rig's; only the offset of local time can be changed.
            messages::CURRENT_TIME => {
                if let Some(time) = BandTime::from_long(value) {
                    self.contents.utc_offset_s = time.utc_offset_s();
                }
            }
            messages::HEART_RATE_CONTROL if value == [0x15, 0x02, 0x01] => {
                let rate = self.last_heart_rate(now);
                self.notify(messages::HEART_RATE, &[0x00, rate], now);
            }
            messages::HEART_RATE_CONTROL | messages::ALERT_LEVEL => {}
            other => return Err(LinkError::NoCharacteristic(other)),
        }
        Ok(())
    }

    fn subscribe(&mut self, characteristic: Uuid, now: Timestamp) -> Result<(), LinkError> {
        let session = self.session(now)?;
        if !NOTIFYING.contains(&characteristic) {
            return Err(LinkError::NoCharacteristic(characteristic));
        }
        session.subscribed.insert(characteristic);
        self.journal.push(JournalEntry::Subscribed { at: now, characteristic });
        Ok(())
    }

    fn unsubscribe(&mut self, characteristic: Uuid, now: Timestamp) -> Result<(), LinkError> {
        let session = self.session(now)?;
        if !NOTIFYING.contains(&characteristic) {
            return Err(LinkError::NoCharacteristic(characteristic));
        }
        session.subscribed.remove(&characteristic);
        Ok(())
    }

    fn notification(&mut self, now: Timestamp) -> Result<Option<Notification>, LinkError> {
        let session = self.session(now)?;
        if now >= session.next_tick {
            session.next_tick = now.saturating_add(TICK).unwrap_or(now);
            self.notify(messages::EVENTS, &[0x0e], now);
        }
        match self.session(now)?.queue.pop_front() {
            Some(Queued::Notification(notification)) => Ok(Some(notification)),
            Some(Queued::HangUp) => Err(LinkError::Lost),
            None => Ok(None),
        }
    }
}

/// Characteristics that notify.
const NOTIFYING: [Uuid; 8] = [
    messages::AUTHENTICATION,
    messages::FETCH_CONTROL,
    messages::FETCH_DATA,
    messages::BATTERY,
    messages::STEPS,
    messages::EVENTS,
    messages::CURRENT_TIME,
    messages::HEART_RATE,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Clock,
        link::{Central, GattLink, WriteKind, behaviour, sig_uuid, simulated::SimulatedCentral},
    };

    const WAIT: Duration = Duration::from_secs(1);

    fn contents() -> BandContents {
        BandContents::invented("2026-03-14".parse().expect("a date"))
    }

    fn start() -> Timestamp {
        "2026-03-14T09:00:00Z".parse().expect("a time")
    }

    fn central(clock: Clock) -> SimulatedCentral<SimulatedBand> {
        SimulatedCentral::new(SimulatedBand::new(contents()), clock)
    }

    async fn say(link: &mut dyn GattLink, value: &[u8]) -> Vec<u8> {
        link.write(messages::AUTHENTICATION, value, WriteKind::WithoutResponse).await.expect("a good link");
        link.notification(WAIT).await.expect("an answer").value
    }

    #[tokio::test]
    async fn behaves_as_every_link_does() {
        behaviour::check(
            &central(Clock::simulated(start())),
            &behaviour::Expected {
                address: contents().address,
                readable: (messages::FIRMWARE, b"V2.3.0.2".to_vec()),
                refused: messages::STEPS,
                missing: sig_uuid(0x2a29),
                notifying: messages::AUTHENTICATION,
                provoked_by: (messages::AUTHENTICATION, vec![0x01, 0x00]),
            },
        )
        .await;
    }

    #[tokio::test]
    async fn authentication_goes_through_every_door() {
        let central = central(Clock::simulated(start()));
        let mut link = central.connect(contents().address).await.expect("free");
        let link = &mut *link;
        link.subscribe(messages::AUTHENTICATION).await.expect("it notifies");
        assert_eq!(say(link, &[0x01, 0x00]).await, [0x10, 0x01, 0x04], "the probe");
        assert_eq!(say(link, &[0x03, 0x00, 1]).await, [0x10, 0x03, 0x04], "an answer without a question");
        let first = say(link, &[0x02, 0x08]).await;
        let second = say(link, &[0x02, 0x00, 0x02]).await;
        assert_eq!((&first[..3], first.len()), (&[0x10, 0x02, 0x01][..], 19));
        assert_ne!(first, second, "a new nonce each time");
        let stale = messages::challenge_answer(contents().key.bytes(), first[3..].try_into().expect("16 bytes"));
        assert_eq!(say(link, &stale).await, [0x10, 0x03, 0x04], "the nonce of the question before");
        assert_eq!(link.read(messages::STEPS).await, Err(LinkError::Refused(2)));
        let third = say(link, &[0x02, 0x00]).await;
        let answer = messages::challenge_answer(contents().key.bytes(), third[3..].try_into().expect("16 bytes"));
        assert_eq!(say(link, &answer).await, [0x10, 0x03, 0x01]);
        assert_eq!(link.read(messages::STEPS).await.map(|value| value.len()), Ok(13));
    }

    #[tokio::test]
    async fn a_new_key_needs_a_tap() {
        let central = central(Clock::simulated(start()));
        let pairing = [&[0x01, 0x00][..], &[7; 16]].concat();
        let mut link = central.connect(contents().address).await.expect("free");
        link.subscribe(messages::AUTHENTICATION).await.expect("it notifies");
        assert_eq!(say(&mut *link, &pairing).await, [0x10, 0x01, 0x04]);
        central.with_peripheral(|band| band.tap = Tap::AtOnce);
        assert_eq!(say(&mut *link, &pairing).await, [0x10, 0x01, 0x01]);
        assert_eq!(central.with_peripheral(|band| band.contents.key.bytes()), [7; 16]);
    }

    #[tokio::test]
    async fn who_does_not_authenticate_is_thrown_out() {
        let clock = Clock::simulated(start());
        let mut hold = clock.hold();
        let central = central(clock);
        let mut link = central.connect(contents().address).await.expect("free");
        hold.sleep(Duration::from_secs(29)).await;
        assert!(link.read(messages::FIRMWARE).await.is_ok());
        hold.sleep(Duration::from_secs(1)).await;
        assert_eq!(link.read(messages::FIRMWARE).await, Err(LinkError::Lost));
        assert!(central.connect(contents().address).await.is_ok(), "it advertises again");
    }

    #[tokio::test]
    async fn the_drop_byte_forgets_only_when_the_firmware_does() {
        for drops in [false, true] {
            let central = central(Clock::simulated(start()));
            central.with_peripheral(|band| {
                band.acknowledged_is_dropped = drops;
                band.batch_minutes = 1;
            });
            let mut link = central.connect(contents().address).await.expect("free");
            let link = &mut *link;
            link.subscribe(messages::AUTHENTICATION).await.expect("it notifies");
            let challenge = say(link, &[0x02, 0x00]).await;
            let answer = messages::challenge_answer(contents().key.bytes(), challenge[3..].try_into().expect("16 bytes"));
            say(link, &answer).await;
            link.subscribe(messages::FETCH_CONTROL).await.expect("it notifies");
            let request = messages::fetch_request(BandTime::at(contents().start, 3600));
            for value in [&request[..], &[0x02], &[0x03]] {
                link.write(messages::FETCH_CONTROL, value, WriteKind::WithoutResponse).await.expect("a good link");
            }
            let first = contents().start.as_second() + i64::from(drops) * 60;
            link.write(messages::FETCH_CONTROL, &request, WriteKind::WithoutResponse).await.expect("a good link");
            let mut last = None;
            while let Ok(notification) = link.notification(WAIT).await {
                last = messages::fetch_reply(&notification.value);
            }
            let Some(messages::FetchReply::Start { first: told, .. }) = last else { panic!("{last:?}") };
            assert_eq!(told.timestamp().expect("a time").as_second(), first, "drops: {drops}");
        }
    }

    #[test]
    fn strangers_hear_the_heart_rate_and_the_steps() {
        let band = SimulatedBand::new(contents());
        let advertisement = band.advertisement(start());
        assert_eq!(advertisement.manufacturer_data[0].1[3], band.last_heart_rate(start()));
        assert_eq!(advertisement.manufacturer_data[0].1[18..], contents().address);
        let steps = band.steps_today(start());
        assert!(steps > 1000, "the morning walk: {steps}");
        assert_eq!(advertisement.service_data, [(messages::MAIN_SERVICE, steps.to_le_bytes().to_vec())]);
    }
}
