//! The central's side of a conversation with a Mi Band 3. Read-only: it writes a challenge request, its answer, and fetch
//! requests, and nothing else; above all never the "drop what I acknowledged" byte.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::messages::{self, AuthenticationReply, BandTime, Crc32, FetchReply};
use crate::{
    band::{Access, ActivityToday, Band, BandClock, BandError, Battery, DeviceInfo, History, Key, Sample, Workout},
    link::{GattLink, LinkError, WriteKind},
};

/// How long the band may take to say the next thing.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long the wearer may take to tap.
const TAP_WITHIN: Duration = Duration::from_secs(40);

/// Notifications of other characteristics that may come before the one waited for.
const PATIENCE: usize = 256;

/// Minutes a band can hold at most: the apps ask for a hundred days on the first sync, and no band of this family holds more.
const MINUTES_MAX: usize = 100 * 24 * 60;

/// A connected band.
struct ConnectedBand {
    link: Box<dyn GattLink>,
    /// True once both fetch characteristics notify.
    fetching: bool,
    is_authenticated: bool,
}

/// Makes a band of a connection, and authenticates with a key that the band already knows.
pub(super) async fn open(link: Box<dyn GattLink>, access: &Access) -> Result<Box<dyn Band>, BandError> {
    let mut band = ConnectedBand { link, fetching: false, is_authenticated: false };
    let authenticated = match access {
        Access::Anyone => Ok(()),
        Access::Key(key) => band.authenticate(key.bytes()).await,
    };
    opened(band, authenticated).await
}

/// Gives the band a new key and authenticates with it.
pub(super) async fn pair(link: Box<dyn GattLink>, new_key: &Key) -> Result<Box<dyn Band>, BandError> {
    let mut band = ConnectedBand { link, fetching: false, is_authenticated: false };
    let authenticated = match band.give_key(new_key.bytes()).await {
        Ok(()) => band.authenticate(new_key.bytes()).await,
        Err(error) => Err(error),
    };
    opened(band, authenticated).await
}

async fn opened(mut band: ConnectedBand, authenticated: Result<(), BandError>) -> Result<Box<dyn Band>, BandError> {
    match authenticated {
        Ok(()) => Ok(Box::new(band)),
        Err(error) => {
            // The reason is worth more than what letting go may add to it.
            let _ = band.link.disconnect().await;
            Err(error)
        }
    }
}

impl ConnectedBand {
    async fn authenticate(&mut self, key: [u8; 16]) -> Result<(), BandError> {
        self.link.subscribe(messages::AUTHENTICATION).await?;
        self.send(messages::AUTHENTICATION, &messages::ASK_CHALLENGE).await?;
        let nonce = match self.authentication_reply().await? {
            AuthenticationReply::Challenge(nonce) => nonce,
            other => return Err(garbled(format!("asked for a challenge, it says {other:02x?}"))),
        };
        self.send(messages::AUTHENTICATION, &messages::challenge_answer(key, nonce)).await?;
        match self.authentication_reply().await? {
            AuthenticationReply::Accepted => {
                self.is_authenticated = true;
                Ok(())
            }
            AuthenticationReply::WrongKey => Err(BandError::WrongKey),
            other => Err(garbled(format!("given the answer to its challenge, it says {other:02x?}"))),
        }
    }

    async fn give_key(&mut self, key: [u8; 16]) -> Result<(), BandError> {
        self.link.subscribe(messages::AUTHENTICATION).await?;
        self.send(messages::AUTHENTICATION, &messages::new_key(key)).await?;
        let (_, value) = self.next_within(&[messages::AUTHENTICATION], TAP_WITHIN).await.map_err(|error| match error {
            BandError::Link(LinkError::Silent(_)) => BandError::NotTapped,
            other => other,
        })?;
        match messages::authentication_reply(&value) {
            Some(AuthenticationReply::KeyTaken) => Ok(()),
            Some(AuthenticationReply::KeyRefused) => Err(BandError::NotTapped),
            other => Err(garbled(format!("given a new key, it says {other:02x?}"))),
        }
    }

    const fn needs_key(&self) -> Result<(), BandError> {
        if self.is_authenticated { Ok(()) } else { Err(BandError::NeedsKey) }
    }

    async fn send(&mut self, characteristic: Uuid, value: &[u8]) -> Result<(), BandError> {
        Ok(self.link.write(characteristic, value, WriteKind::WithoutResponse).await?)
    }

    /// The next notification of one of these characteristics; others are passed over.
    async fn next(&mut self, wanted: &[Uuid]) -> Result<(Uuid, Vec<u8>), BandError> {
        self.next_within(wanted, ANSWER_WITHIN).await
    }

    async fn next_within(&mut self, wanted: &[Uuid], within: Duration) -> Result<(Uuid, Vec<u8>), BandError> {
        for _ in 0..PATIENCE {
            let notification = self.link.notification(within).await?;
            if wanted.contains(&notification.characteristic) {
                return Ok((notification.characteristic, notification.value));
            }
        }
        Err(garbled(format!("it talked {PATIENCE} times of other things than it was asked")))
    }

    async fn authentication_reply(&mut self) -> Result<AuthenticationReply, BandError> {
        let (_, value) = self.next(&[messages::AUTHENTICATION]).await?;
        messages::authentication_reply(&value).ok_or_else(|| garbled("an authentication message is cut short".to_owned()))
    }

    async fn text(&mut self, characteristic: Uuid, what: &str) -> Result<String, BandError> {
        let value = self.link.read(characteristic).await?;
        let text = std::str::from_utf8(&value).map_err(|_| garbled(format!("its {what} is not text")))?;
        Ok(text.trim_end_matches('\0').to_owned())
    }

    /// One batch from a minute on: time of its first sample, and the samples. `None` when there is nothing from there on.
    async fn batch(&mut self, from: BandTime, room: usize) -> Result<Option<(Timestamp, Vec<Sample>)>, BandError> {
        self.send(messages::FETCH_CONTROL, &messages::fetch_request(from)).await?;
        let (_, value) = self.next(&[messages::FETCH_CONTROL]).await?;
        let first = match messages::fetch_reply(&value) {
            Some(FetchReply::Start { expected: 0, .. } | FetchReply::NothingMore) => return Ok(None),
            Some(FetchReply::Start { first, .. }) => {
                first.timestamp().ok_or_else(|| garbled("a batch starts at no time at all".to_owned()))?
            }
            other => return Err(garbled(format!("asked for activity, it says {other:02x?}"))),
        };
        self.send(messages::FETCH_CONTROL, &messages::SEND_DATA).await?;
        let (mut samples, mut crc, mut expected_counter) = (Vec::new(), Crc32::default(), 0u8);
        loop {
            let (characteristic, value) = self.next(&[messages::FETCH_CONTROL, messages::FETCH_DATA]).await?;
            if characteristic == messages::FETCH_DATA {
                let (counter, packet) =
                    messages::data_packet(&value).ok_or_else(|| garbled(format!("a packet of {} bytes cannot be", value.len())))?;
                if counter != expected_counter {
                    return Err(garbled(format!("packet {expected_counter} of a batch is missing, {counter} came")));
                }
                expected_counter = expected_counter.wrapping_add(1);
                crc.update(&value[1..]);
                samples.extend(packet);
                if samples.len() > room {
                    return Err(garbled(format!("it sends more than the {MINUTES_MAX} minutes that it can hold")));
                }
                continue;
            }
            return match messages::fetch_reply(&value) {
                Some(FetchReply::End { crc: Some(told) }) if told != crc.value() => {
                    Err(garbled(format!("the checksum of a batch is wrong: {told:08x} told, {:08x} counted", crc.value())))
                }
                Some(FetchReply::End { .. }) => Ok(Some((first, samples))),
                Some(FetchReply::NothingMore) => Ok(None),
                other => Err(garbled(format!("in the middle of a batch it says {other:02x?}"))),
            };
        }
    }
}

#[async_trait]
impl Band for ConnectedBand {
    fn is_authenticated(&self) -> bool {
        self.is_authenticated
    }

    async fn device_info(&mut self) -> Result<DeviceInfo, BandError> {
        let system_id = self.link.read(messages::SYSTEM_ID).await?;
        let address = messages::address_of_system_id(&system_id).ok_or_else(|| garbled("its system id holds no address".to_owned()))?;
        let serial = self.text(messages::SERIAL, "serial number").await?;
        let hardware = self.text(messages::HARDWARE, "hardware revision").await?;
        let firmware = self.text(messages::FIRMWARE, "firmware version").await?;
        let battery = self.link.read(messages::BATTERY).await?;
        let level = messages::battery_level(&battery).ok_or_else(|| garbled("its battery value holds no level".to_owned()))?;
        let charging = battery.get(2).map(|charging| *charging == 1);
        Ok(DeviceInfo {
            address: Some(address),
            serial: Some(serial),
            hardware: Some(hardware),
            firmware: Some(firmware),
            battery: Some(Battery { level, charging }),
        })
    }

    async fn clock(&mut self) -> Result<BandClock, BandError> {
        let clock = self.link.read(messages::CURRENT_TIME).await?;
        let clock = BandTime::from_long(&clock).ok_or_else(|| garbled("its clock shows no time".to_owned()))?;
        let now = clock.timestamp().ok_or_else(|| garbled("its clock shows no time".to_owned()))?;
        Ok(BandClock { now, utc_offset_s: clock.utc_offset_s() })
    }

    async fn activity_today(&mut self) -> Result<ActivityToday, BandError> {
        self.needs_key()?;
        let value = self.link.read(messages::STEPS).await?;
        messages::activity_today(&value).ok_or_else(|| garbled("its steps cannot be read".to_owned()))
    }

    async fn measure_heart_rate(&mut self, within: Duration) -> Result<u8, BandError> {
        self.needs_key()?;
        self.link.subscribe(messages::HEART_RATE).await?;
        self.link.write(messages::HEART_RATE_CONTROL, &[0x15, 0x02, 0x01], WriteKind::WithResponse).await?;
        let measured = self.next_within(&[messages::HEART_RATE], within).await;
        let stopped = self.link.write(messages::HEART_RATE_CONTROL, &[0x15, 0x02, 0x00], WriteKind::WithResponse).await;
        let (_, value) = measured?;
        stopped?;
        match *value {
            [_, beats, ..] if !matches!(beats, 0x00 | 0xfe | 0xff) => Ok(beats),
            _ => Err(LinkError::Silent(within).into()),
        }
    }

    async fn history(&mut self, since: Timestamp, into: &mut History) -> Result<(), BandError> {
        self.needs_key()?;
        if !self.fetching {
            self.link.subscribe(messages::FETCH_CONTROL).await?;
            self.link.subscribe(messages::FETCH_DATA).await?;
            self.fetching = true;
        }
        let utc_offset_s = self.clock().await?.utc_offset_s;
        if into.samples.is_empty() {
            *into = History { start: floor_to_minute(since), utc_offset_s, samples: Vec::new() };
        } else if into.utc_offset_s != utc_offset_s {
            return Err(garbled("its clock was set to another time zone while it was read".to_owned()));
        }
        // A batch is at least one minute, so this ends after MINUTES_MAX rounds at the latest; a real band needs a few.
        while into.samples.len() < MINUTES_MAX {
            let next = into.end().unwrap_or(into.start);
            let Some((first, samples)) = self.batch(BandTime::at(next, utc_offset_s), MINUTES_MAX - into.samples.len()).await? else {
                break;
            };
            if samples.is_empty() {
                break;
            }
            if into.samples.is_empty() {
                into.start = first;
            } else {
                let gap = minutes_between(next, first).filter(|gap| into.samples.len() + gap + samples.len() <= MINUTES_MAX);
                let gap = gap.ok_or_else(|| garbled(format!("asked for {next}, it sends a batch that starts at {first}")))?;
                into.samples.extend(std::iter::repeat_n(Sample::NONE, gap));
            }
            into.samples.extend(samples);
        }
        Ok(())
    }

    async fn workouts(&mut self, _since: Timestamp) -> Result<Vec<Workout>, BandError> {
        Err(BandError::Unsupported("record workouts"))
    }

    async fn vibrate(&mut self) -> Result<(), BandError> {
        self.needs_key()?;
        self.send(messages::ALERT_LEVEL, &[0x03]).await
    }

    async fn release(&mut self) -> Result<(), BandError> {
        Ok(self.link.disconnect().await?)
    }
}

fn garbled(what: String) -> BandError {
    BandError::Garbled(what)
}

fn floor_to_minute(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second().div_euclid(60) * 60).unwrap_or(time)
}

/// Whole minutes from one time to a later or equal one.
fn minutes_between(from: Timestamp, to: Timestamp) -> Option<usize> {
    usize::try_from((to.as_second() - from.as_second()).div_euclid(60)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        band::{
            connect,
            huami::{BandContents, Fault, JournalEntry, MI_BAND_3, SimulatedBand},
        },
        clock::Clock,
        link::{
            Advertisement, Central, Notification,
            simulated::{Peripheral, SimulatedCentral},
        },
    };

    fn contents() -> BandContents {
        BandContents::invented("2026-03-14".parse().expect("a date"))
    }

    fn noon() -> Timestamp {
        "2026-03-14T11:00:30Z".parse().expect("a time")
    }

    fn rig(change: impl FnOnce(&mut SimulatedBand)) -> SimulatedCentral<SimulatedBand> {
        let mut band = SimulatedBand::new(contents());
        change(&mut band);
        SimulatedCentral::new(band, Clock::simulated(noon()))
    }

    async fn history(central: &SimulatedCentral<SimulatedBand>, since: &str) -> Result<History, BandError> {
        let mut band = connect(central, &MI_BAND_3, contents().address, &Access::Key(contents().key)).await?;
        let mut history = History::default();
        band.history(since.parse().expect("a time"), &mut history).await.map(|()| history)
    }

    #[tokio::test]
    async fn the_band_says_who_it_is() {
        let central = rig(|_| {});
        let mut band = connect(&central, &MI_BAND_3, contents().address, &Access::Key(contents().key)).await.expect("the key is right");
        let info = band.device_info().await.expect("a good link");
        assert_eq!((info.address, info.serial), (Some(contents().address), Some(contents().serial)));
        assert_eq!((info.firmware, info.battery), (Some(contents().firmware), Some(Battery { level: 87, charging: Some(false) })));
        band.release().await.expect("a good link");
        assert!(central.connect(contents().address).await.is_ok(), "released, it can be had by the phone");
    }

    #[tokio::test]
    async fn history_is_what_the_band_holds_up_to_now_in_any_batch_size() {
        for (batch_minutes, checksums) in [(1, true), (7, false), (240, true), (1023, false), (5000, true)] {
            let central = rig(|band| {
                band.batch_minutes = batch_minutes;
                band.checksums = checksums;
            });
            let got = history(&central, "2026-03-14T04:10:59Z").await.expect("a good link");
            let contents = contents();
            let skip = usize::try_from((got.start.as_second() - contents.start.as_second()) / 60).expect("after the start");
            assert_eq!(got.start.to_string(), "2026-03-14T04:10:00Z", "rounded down to a minute");
            assert_eq!(got.utc_offset_s, contents.utc_offset_s);
            assert_eq!(got.samples.len(), 6 * 60 + 50, "up to the last whole minute");
            assert_eq!(got.samples, contents.samples[skip..skip + got.samples.len()], "batches of {batch_minutes}");
        }
    }

    #[tokio::test]
    async fn asking_from_before_its_memory_gives_what_it_has_and_from_the_future_nothing() {
        let central = rig(|_| {});
        let all = history(&central, "2026-02-01T00:00:00Z").await.expect("a good link");
        assert_eq!(all.start, contents().start);
        assert!(history(&central, "2026-03-14T11:00:00Z").await.expect("a good link").samples.is_empty());
        assert_eq!(history(&central, "2026-02-01T00:00:00Z").await.expect("a good link"), all, "reading deletes nothing");
    }

    #[tokio::test]
    async fn a_wrong_key_is_told_and_the_band_is_let_go() {
        let central = rig(|_| {});
        let error = connect(&central, &MI_BAND_3, contents().address, &Access::Key(Key::new([0; 16]))).await.err();
        assert_eq!(error, Some(BandError::WrongKey));
        assert_eq!(central.scan(ANSWER_WITHIN).await.map(|seen| seen.len()), Ok(1), "it advertises again");
    }

    #[tokio::test]
    async fn faults_of_the_air_are_never_taken_for_data() {
        for (fault, words) in
            [(Fault::SkipCounter, "packet 2 of a batch is missing, 3 came"), (Fault::WrongChecksum, "checksum of a batch is wrong")]
        {
            let central = rig(|band| band.fault = Some(fault));
            match history(&central, "2026-03-14T04:00:00Z").await {
                Err(BandError::Garbled(why)) => assert!(why.contains(words), "{why}"),
                other => panic!("{fault:?}: {other:?}"),
            }
            central.with_peripheral(|band| band.fault = None);
            assert!(history(&central, "2026-03-14T04:00:00Z").await.is_ok(), "the next try starts afresh");
        }
        let central = rig(|band| band.fault = Some(Fault::DropMidBatch));
        assert_eq!(history(&central, "2026-03-14T04:00:00Z").await, Err(BandError::Link(LinkError::Lost)));
        let central = rig(|band| band.fault = Some(Fault::Silence));
        assert!(matches!(history(&central, "2026-03-14T04:00:00Z").await, Err(BandError::Link(LinkError::Silent(_)))));
        let central = rig(|band| band.fault = Some(Fault::RefuseFetch));
        assert!(matches!(history(&central, "2026-03-14T04:00:00Z").await, Err(BandError::Garbled(_))));
    }

    /// A device that answers everything with noise: what is read, and three notifications for each write, one of them on the
    /// characteristic written to.
    struct Babbler(fastrand::Rng, Vec<Notification>);

    impl Babbler {
        fn noise(&mut self) -> Vec<u8> {
            let mut noise = vec![0; self.0.usize(0..24)];
            self.0.fill(&mut noise);
            // Now and then it begins as a real answer would, so that the noise gets further in.
            if let ([a, b, c, ..], true) = (&mut noise[..], self.0.bool()) {
                (*a, *b, *c) = (0x10, self.0.u8(1..4), self.0.u8(1..5));
            }
            noise
        }
    }

    impl Peripheral for Babbler {
        fn advertisement(&self, _now: Timestamp) -> Advertisement {
            Advertisement { address: [1; 6], name: None, manufacturer_data: Vec::new(), service_data: Vec::new(), rssi: None }
        }
        fn connect(&mut self, _now: Timestamp) {}
        fn disconnect(&mut self) {
            self.1.clear();
        }
        fn read(&mut self, characteristic: Uuid, _now: Timestamp) -> Result<Vec<u8>, LinkError> {
            // A clock that shows a time lets the history begin.
            Ok(if characteristic == messages::CURRENT_TIME { BandTime::at(noon(), 3600).long().to_vec() } else { self.noise() })
        }
        fn write(&mut self, characteristic: Uuid, _value: &[u8], _now: Timestamp) -> Result<(), LinkError> {
            for characteristic in [messages::FETCH_DATA, characteristic, messages::EVENTS] {
                let value = self.noise();
                self.1.push(Notification { characteristic, value });
            }
            Ok(())
        }
        fn subscribe(&mut self, _characteristic: Uuid, _now: Timestamp) -> Result<(), LinkError> {
            Ok(())
        }
        fn unsubscribe(&mut self, _characteristic: Uuid, _now: Timestamp) -> Result<(), LinkError> {
            Ok(())
        }
        fn notification(&mut self, _now: Timestamp) -> Result<Option<Notification>, LinkError> {
            Ok((!self.1.is_empty()).then(|| self.1.remove(0)))
        }
    }

    #[tokio::test]
    async fn noise_from_outside_ends_in_an_error_and_never_in_a_panic() {
        for seed in 0..2_000 {
            let central = SimulatedCentral::new(Babbler(fastrand::Rng::with_seed(seed), Vec::new()), Clock::simulated(noon()));
            let link = central.connect([1; 6]).await.expect("it advertises");
            // Past the door at once: nobody opens it by chance.
            let mut band = ConnectedBand { link, fetching: false, is_authenticated: true };
            let _ = band.authenticate([0; 16]).await;
            let _ = band.device_info().await;
            let mut history = History::default();
            let _ = band.history(noon(), &mut history).await;
            assert!(history.samples.len() <= MINUTES_MAX);
        }
    }

    #[tokio::test]
    async fn nothing_but_reading_is_ever_written() {
        let central = rig(|_| {});
        history(&central, "2026-03-14T04:00:00Z").await.expect("a good link");
        central.with_peripheral(|band| {
            for entry in &band.journal {
                if let JournalEntry::Written { characteristic, value, .. } = entry {
                    let harmless = match *characteristic {
                        messages::AUTHENTICATION => matches!(value[0], 0x02 | 0x03),
                        messages::FETCH_CONTROL => matches!(value[0], 0x01 | 0x02),
                        _ => false,
                    };
                    assert!(harmless, "{entry:?}");
                }
            }
        });
    }
}
