//! A band of the family in software: the GATT server with its authentication, its memory and its faults on request, by profile.
//! It holds what it is told to hold and forgets nothing unless asked to, so that what was stored can be compared with what was
//! uploaded. It has no radio: [`SimulatedBand::gatt`] and its advertisement say what a real GATT server would need.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::memory::Asked;
use super::{
    advertisement::{self, COMPANY},
    characteristics as own,
    chunks::Assembly,
    curve::PRIVATE_BYTES,
    sensors,
    settings::{self, Wearer},
    time::BandTime,
};
use crate::{
    band::{ActivityToday, Battery, Key},
    link::{Advertisement, LinkError, Notification, simulated::Peripheral},
};

mod contents;
mod doors;
mod gatt;
mod journal;
mod memory;

pub use contents::BandContents;
pub use gatt::{GattCharacteristic, GattService};
pub use journal::JournalEntry;

/// A band. The public fields are switches and may be changed at any time.
#[derive(Debug)]
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
    /// Has the firmware with the handshake of 2021, where the model got that by an update.
    pub is_newest_firmware: bool,
    /// Forgets what was acknowledged with the "drop" byte.
    pub acknowledged_is_dropped: bool,
    /// Shouts the form of its advertisement that tells the last heart rate.
    pub shouts_heart_rate: bool,
    /// Somebody wears it: else it finds no pulse.
    pub is_worn: bool,
    /// How long it takes to find a pulse.
    pub finds_pulse_after: Duration,
    /// The nonce of every challenge, for a conversation that is known to the byte; else each has another one.
    pub chosen_nonce: Option<[u8; 16]>,
    /// Its private key in every handshake, as [`SimulatedBand::chosen_nonce`].
    pub chosen_private_key: Option<[u8; PRIVATE_BYTES]>,
    /// What goes wrong from now on.
    pub fault: Option<Fault>,
    /// How often it still goes wrong; `None` is always.
    pub faults_left: Option<u32>,
    /// Every write, subscription and notification, oldest first.
    pub journal: Vec<JournalEntry>,
    /// How full it is.
    pub battery: Battery,
    /// Who wears it, as an app told it.
    pub wearer: Option<Wearer>,
    session: Option<Session>,
    /// Challenges given so far: each connection gets another nonce.
    challenges: u64,
    /// Samples before this index were dropped.
    dropped: usize,
}

/// What the wearer does when the band asks to be tapped (pairing with a new key).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tap {
    /// Taps at once.
    AtOnce,
    /// Taps after a while.
    After(Duration),
    /// Does not tap.
    #[default]
    Never,
}

/// Something that goes wrong on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// Hangs up in the middle of a batch.
    DropMidBatch {
        /// After so many packets.
        after_packets: usize,
    },
    /// Its battery is at 2 %: it says who it is, and goes off as soon as it is to do more than that.
    FlatBattery,
    /// Its memory ran over: only the last day is left.
    FullMemory,
    /// Refuses every fetch (`10 01 04`).
    RefuseFetch,
    /// Accepts a fetch, then says nothing.
    Silence,
    /// Loses the third packet of a batch.
    SkipCounter,
    /// Sends a checksum that is wrong.
    WrongChecksum,
    /// Takes no key for the right one, as after another phone has paired with it.
    WrongKey,
}

/// One connection.
#[derive(Debug)]
struct Session {
    since: Timestamp,
    state: State,
    subscribed: BTreeSet<Uuid>,
    /// What it says, and from when on.
    queue: VecDeque<(Timestamp, Queued)>,
    asked: Option<Asked>,
    assembly: Assembly,
    measuring: Option<Measuring>,
    next_tick: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Connected,
    /// Asked whether it is there, as the app does before it pairs (version 2).
    Probed,
    /// Waits for the server's signature of this seed (version 2).
    Pairing([u8; 16]),
    Challenged([u8; 16]),
    /// Waits for this answer (2021).
    Greeted(Vec<u8>),
    Authenticated,
}

#[derive(Clone, Debug)]
enum Queued {
    Notification(Notification),
    HangUp,
    /// The wearer taps: from then on the band knows this key.
    Tapped(Key),
}

/// The heart-rate sensor, while it is on.
#[derive(Clone, Copy, Debug)]
struct Measuring {
    /// When it says something next.
    next: Timestamp,
    /// It goes on after the first pulse.
    is_continuous: bool,
    /// When it last heard that somebody wants to know.
    wanted: Timestamp,
}

/// It ticks this often on the event characteristic; the phone app takes that as a call to sync.
const TICK: SignedDuration = SignedDuration::from_mins(30);

/// The continuous measurement ends after this time without a sign of life, and has a value each second until then.
const WANTED_FOR: SignedDuration = SignedDuration::from_secs(12);
const VALUE_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// Longest value of a write at the default MTU of 23.
const WRITE_MAX: usize = 20;

const DAY_MINUTES: usize = 24 * 60;

/// ATT "Read Not Permitted", "Write Not Permitted" and "Invalid Attribute Value Length" (Bluetooth Core, Vol 3, Part F, 3.4.1.1).
const READ_NOT_PERMITTED: u8 = 0x02;
const WRITE_NOT_PERMITTED: u8 = 0x03;
const INVALID_LENGTH: u8 = 0x0d;

impl SimulatedBand {
    /// A band with these contents: batches of up to 240 minutes, no faults, worn, and nobody taps.
    pub fn new(contents: BandContents) -> Self {
        Self {
            tap: Tap::default(),
            unauthenticated_for: Duration::from_secs(30),
            batch_minutes: 240,
            checksums: contents.model.has_checksums,
            is_newest_firmware: true,
            acknowledged_is_dropped: false,
            shouts_heart_rate: true,
            is_worn: true,
            finds_pulse_after: Duration::ZERO,
            chosen_nonce: None,
            chosen_private_key: None,
            fault: None,
            faults_left: None,
            journal: Vec::new(),
            battery: Battery { level: 87, charging: Some(false) },
            wearer: None,
            session: None,
            challenges: 0,
            dropped: 0,
            contents,
        }
    }

    /// Its services, characteristics and their properties, as a real GATT server would offer them.
    pub fn gatt(&self) -> Vec<GattService> {
        gatt::services(self.contents.model, self.is_newest_firmware)
    }

    fn characteristic(&self, uuid: Uuid) -> Result<GattCharacteristic, LinkError> {
        let all = self.gatt().into_iter().flat_map(|service| service.characteristics);
        all.into_iter().find(|own| own.uuid == uuid).ok_or(LinkError::NoCharacteristic(uuid))
    }

    /// Whether a fault is on, which is counted.
    fn happens(&mut self, fault: Fault) -> bool {
        if self.fault != Some(fault) {
            return false;
        }
        match &mut self.faults_left {
            None => true,
            Some(left) => {
                let happens = *left > 0;
                *left = left.saturating_sub(1);
                happens
            }
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
        known.iter().rev().find_map(|sample| sample.beats()).unwrap_or(0xff)
    }

    /// The session, unless the band has hung up because nobody authenticated in time.
    fn session(&mut self, now: Timestamp) -> Result<&mut Session, LinkError> {
        let limit = SignedDuration::try_from(self.unauthenticated_for).unwrap_or(SignedDuration::MAX);
        match &mut self.session {
            Some(session) if session.state == State::Authenticated || now.duration_since(session.since) < limit => Ok(session),
            _ => Err(LinkError::Lost),
        }
    }

    fn state(&self) -> Option<State> {
        self.session.as_ref().map(|session| session.state.clone())
    }

    fn enter(&mut self, state: State) {
        if let Some(session) = &mut self.session {
            session.state = state;
        }
    }

    fn is_authenticated(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.state == State::Authenticated)
    }

    fn notify(&mut self, characteristic: Uuid, value: &[u8], now: Timestamp) {
        self.notify_at(characteristic, value, now, now);
    }

    /// Notifies, but not before a time.
    fn notify_at(&mut self, characteristic: Uuid, value: &[u8], now: Timestamp, at: Timestamp) {
        let Some(session) = &mut self.session else { return };
        if session.subscribed.contains(&characteristic) {
            session.queue.push_back((at, Queued::Notification(Notification { characteristic, value: value.to_vec() })));
            self.journal.push(JournalEntry::Notified { at: now, characteristic, value: value.to_vec() });
        }
    }

    fn heart_rate_control(&mut self, value: &[u8], now: Timestamp) {
        let next = after(now, SignedDuration::try_from(self.finds_pulse_after).unwrap_or_default());
        let Some(session) = &mut self.session else { return };
        match (value, &mut session.measuring) {
            ([0x15, mode @ (0x01 | 0x02), 0x01], measuring) => {
                *measuring = Some(Measuring { next, is_continuous: *mode == 0x01, wanted: now });
            }
            ([0x15, 0x01 | 0x02, 0x00], measuring) => *measuring = None,
            ([0x16], Some(measuring)) => measuring.wanted = now,
            _ => {}
        }
    }

    /// What the sensor says by now.
    fn measure(&mut self, now: Timestamp) {
        let beats = if self.is_worn { self.last_heart_rate(now) } else { 0x00 };
        let Some(session) = &mut self.session else { return };
        let Some(measuring) = session.measuring else { return };
        if now < measuring.next {
            return;
        }
        let goes_on = measuring.is_continuous && now.duration_since(measuring.wanted) < WANTED_FOR;
        session.measuring = goes_on.then_some(Measuring { next: after(now, VALUE_EVERY), ..measuring });
        self.notify(own::HEART_RATE, &[0x00, beats], now);
    }

    fn battery(&self) -> Battery {
        if self.fault == Some(Fault::FlatBattery) { Battery { level: 2, charging: Some(false) } } else { self.battery }
    }

    fn battery_value(&self, now: Timestamp) -> Vec<u8> {
        let charged = now.saturating_sub(SignedDuration::from_hours(72)).unwrap_or(now);
        let charged = BandTime::at(charged, self.contents.utc_offset_s);
        sensors::battery_value(self.battery(), charged, charged, 100)
    }

    fn activity_today(&self, now: Timestamp) -> ActivityToday {
        let steps = self.steps_today(now);
        // A step is about 0.71 m and 0.035 kcal.
        ActivityToday { steps, metres: Some(steps * 71 / 100), kilocalories: Some(steps * 35 / 1000) }
    }
}

impl Peripheral for SimulatedBand {
    fn advertisement(&self, now: Timestamp) -> Advertisement {
        let (model, address) = (self.contents.model, self.contents.address);
        let company_data = if self.shouts_heart_rate {
            advertisement::clear_form(self.last_heart_rate(now), address)
        } else {
            let minute = now.as_second().div_euclid(60).to_le_bytes();
            advertisement::opaque_form(std::array::from_fn(|n| minute[n % 8].wrapping_mul(31).wrapping_add(n as u8)), address)
        };
        let steps = model.shouts_steps.then(|| (own::MAIN_SERVICE, self.steps_today(now).to_le_bytes().to_vec()));
        Advertisement {
            address,
            name: model.names.first().map(|name| (*name).to_owned()),
            manufacturer_data: vec![(COMPANY, company_data)],
            service_data: steps.into_iter().collect(),
            rssi: Some(-48),
        }
    }

    fn connect(&mut self, now: Timestamp) {
        self.journal.push(JournalEntry::Connected { at: now });
        self.session = Some(Session {
            since: now,
            state: State::Connected,
            subscribed: BTreeSet::new(),
            queue: VecDeque::new(),
            asked: None,
            assembly: Assembly::default(),
            measuring: None,
            next_tick: after(now, TICK),
        });
    }

    fn disconnect(&mut self) {
        self.journal.push(JournalEntry::Disconnected);
        self.session = None;
    }

    fn read(&mut self, characteristic: Uuid, now: Timestamp) -> Result<Vec<u8>, LinkError> {
        self.session(now)?;
        if !self.characteristic(characteristic)?.read {
            return Err(LinkError::Refused(READ_NOT_PERMITTED));
        }
        let (model, is_authenticated) = (self.contents.model, self.is_authenticated());
        Ok(match characteristic {
            own::SYSTEM_ID => sensors::system_id(self.contents.address).to_vec(),
            own::SERIAL => self.contents.serial.clone().into_bytes(),
            own::FIRMWARE => self.contents.firmware.clone().into_bytes(),
            own::HARDWARE => model.hardware.as_bytes().to_vec(),
            own::PNP_ID => sensors::pnp_id(model.product.0, model.product.1).to_vec(),
            own::CURRENT_TIME => BandTime::at(now, self.contents.utc_offset_s).long().to_vec(),
            own::BATTERY => self.battery_value(now),
            own::BATTERY_LEVEL => vec![self.battery().level],
            own::STEPS if is_authenticated => sensors::activity_today_value(self.activity_today(now)),
            own::HEART_RATE_CONTROL if is_authenticated => vec![0x14, 0x05],
            _ => return Err(LinkError::Refused(READ_NOT_PERMITTED)),
        })
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8], now: Timestamp) -> Result<(), LinkError> {
        self.session(now)?;
        let known = self.characteristic(characteristic)?;
        self.journal.push(JournalEntry::Written { at: now, characteristic, value: value.to_vec() });
        if matches!(characteristic, own::FETCH_CONTROL | own::HEART_RATE_CONTROL | own::ALERT_LEVEL) && self.happens(Fault::FlatBattery) {
            return Err(LinkError::Lost);
        }
        if !known.write && !known.write_without_response {
            return Err(LinkError::Refused(WRITE_NOT_PERMITTED));
        }
        if value.len() > WRITE_MAX {
            return Err(LinkError::Refused(INVALID_LENGTH));
        }
        match characteristic {
            own::AUTHENTICATION => self.authenticate(value, now),
            own::CHUNKS_TO_BAND => self.take_chunk(value, now),
            own::OLD_CHUNKS => self.take_old_chunk(value, now),
            // Before authentication the band takes writes and does nothing with them.
            _ if !self.is_authenticated() => {}
            own::FETCH_CONTROL => self.fetch_control(value, now),
            // Its clock runs with the rig's; only the offset of local time can be changed.
            own::CURRENT_TIME => {
                if let Some(time) = BandTime::from_long(value) {
                    self.contents.utc_offset_s = time.utc_offset_s();
                }
            }
            own::HEART_RATE_CONTROL => self.heart_rate_control(value, now),
            own::USER_SETTINGS => self.wearer = settings::wearer(value).or(self.wearer.take()),
            // Every setting is taken and forgotten, which is enough for the apps.
            own::CONFIGURATION => match *value {
                [0x06, setting, ..] => self.notify(own::CONFIGURATION, &[0x10, 0x06, setting, 0x00, 0x01], now),
                [command, ..] => self.notify(own::CONFIGURATION, &[0x10, command, 0x01], now),
                [] => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn subscribe(&mut self, characteristic: Uuid, now: Timestamp) -> Result<(), LinkError> {
        self.session(now)?;
        if !self.characteristic(characteristic)?.notify {
            return Err(LinkError::NoCharacteristic(characteristic));
        }
        self.session(now)?.subscribed.insert(characteristic);
        self.journal.push(JournalEntry::Subscribed { at: now, characteristic });
        Ok(())
    }

    fn unsubscribe(&mut self, characteristic: Uuid, now: Timestamp) -> Result<(), LinkError> {
        self.session(now)?;
        if !self.characteristic(characteristic)?.notify {
            return Err(LinkError::NoCharacteristic(characteristic));
        }
        self.session(now)?.subscribed.remove(&characteristic);
        Ok(())
    }

    fn notification(&mut self, now: Timestamp) -> Result<Option<Notification>, LinkError> {
        let session = self.session(now)?;
        if now >= session.next_tick {
            session.next_tick = after(now, TICK);
            self.notify(own::EVENTS, &[0x0e], now);
        }
        self.measure(now);
        let queue = &mut self.session(now)?.queue;
        if queue.front().is_none_or(|(due, _)| *due > now) {
            return Ok(None);
        }
        match queue.pop_front() {
            Some((_, Queued::Notification(notification))) => Ok(Some(notification)),
            Some((_, Queued::HangUp)) => Err(LinkError::Lost),
            Some((_, Queued::Tapped(key))) => {
                self.contents.key = key;
                let (characteristic, value) = (own::AUTHENTICATION, vec![0x10, 0x01, 0x01]);
                self.journal.push(JournalEntry::Notified { at: now, characteristic, value: value.clone() });
                Ok(Some(Notification { characteristic, value }))
            }
            None => Ok(None),
        }
    }
}

/// A time later.
fn after(time: Timestamp, duration: SignedDuration) -> Timestamp {
    time.saturating_add(duration).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        band::huami::{authentication, fetch},
        clock::Clock,
        link::{Central, GattLink, WriteKind, behaviour, sig_uuid, simulated::SimulatedCentral},
    };

    const ONE: authentication::Spelling = authentication::Spelling::One { flag: 0 };
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
        link.write(own::AUTHENTICATION, value, WriteKind::WithoutResponse).await.expect("a good link");
        link.notification(WAIT).await.expect("an answer").value
    }

    #[tokio::test]
    async fn behaves_as_every_link_does() {
        behaviour::check(
            &central(Clock::simulated(start())),
            &behaviour::Expected {
                address: contents().address,
                readable: (own::FIRMWARE, b"V2.3.0.2".to_vec()),
                refused: own::STEPS,
                missing: sig_uuid(0x2a29),
                notifying: own::AUTHENTICATION,
                provoked_by: (own::AUTHENTICATION, vec![0x01, 0x00]),
            },
        )
        .await;
    }

    #[tokio::test]
    async fn authentication_goes_through_every_door() {
        let central = central(Clock::simulated(start()));
        let mut link = central.connect(contents().address).await.expect("free");
        let link = &mut *link;
        link.subscribe(own::AUTHENTICATION).await.expect("it notifies");
        assert_eq!(say(link, &[0x01, 0x00]).await, [0x10, 0x01, 0x04], "the probe");
        assert_eq!(say(link, &[0x03, 0x00, 1]).await, [0x10, 0x03, 0x04], "an answer without a question");
        let first = say(link, &[0x02, 0x08]).await;
        let second = say(link, &[0x02, 0x00, 0x02]).await;
        assert_eq!((&first[..3], first.len()), (&[0x10, 0x02, 0x01][..], 19));
        assert_ne!(first, second, "a new nonce each time");
        let stale = authentication::challenge_answer(ONE, &contents().key, first[3..].try_into().expect("16 bytes"));
        assert_eq!(say(link, &stale).await, [0x10, 0x03, 0x04], "the nonce of the question before");
        assert_eq!(link.read(own::STEPS).await, Err(LinkError::Refused(2)));
        let third = say(link, &[0x02, 0x00]).await;
        let answer = authentication::challenge_answer(ONE, &contents().key, third[3..].try_into().expect("16 bytes"));
        assert_eq!(say(link, &answer).await, [0x10, 0x03, 0x01]);
        assert_eq!(link.read(own::STEPS).await.map(|value| value.len()), Ok(13));
    }

    #[tokio::test]
    async fn a_new_key_needs_a_tap() {
        let central = central(Clock::simulated(start()));
        let pairing = [&[0x01, 0x00][..], &[7; 16]].concat();
        let mut link = central.connect(contents().address).await.expect("free");
        link.subscribe(own::AUTHENTICATION).await.expect("it notifies");
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
        assert!(link.read(own::FIRMWARE).await.is_ok());
        hold.sleep(Duration::from_secs(1)).await;
        assert_eq!(link.read(own::FIRMWARE).await, Err(LinkError::Lost));
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
            link.subscribe(own::AUTHENTICATION).await.expect("it notifies");
            let challenge = say(link, &[0x02, 0x00]).await;
            let answer = authentication::challenge_answer(ONE, &contents().key, challenge[3..].try_into().expect("16 bytes"));
            say(link, &answer).await;
            link.subscribe(own::FETCH_CONTROL).await.expect("it notifies");
            let request = fetch::request(fetch::Stored::Activity, BandTime::at(contents().start, 3600));
            for value in [&request[..], &[0x02], &[0x03]] {
                link.write(own::FETCH_CONTROL, value, WriteKind::WithoutResponse).await.expect("a good link");
            }
            let first = contents().start.as_second() + i64::from(drops) * 60;
            link.write(own::FETCH_CONTROL, &request, WriteKind::WithoutResponse).await.expect("a good link");
            let mut last = None;
            while let Ok(notification) = link.notification(WAIT).await {
                last = fetch::reply(&notification.value);
            }
            let Some(fetch::Reply::Start { first: told, .. }) = last else { panic!("{last:?}") };
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
        assert_eq!(advertisement.service_data, [(own::MAIN_SERVICE, steps.to_le_bytes().to_vec())]);
    }
}
