//! Noise against the drivers: values that mean nothing, real conversations with bytes changed, notifications without end. Nothing
//! from outside may make a driver panic, hang or grow.

use std::sync::atomic::AtomicBool;

use jiff::Timestamp;
use uuid::Uuid;

use super::{ADDRESS, KEY, WAIT, contents, noon, since};
use crate::{
    band::{
        Access, Band, BandError, BandModel, History, Key,
        huami::{
            PROFILES, Profile, SimulatedBand, advertisement,
            characteristics::{CHUNKS_FROM_BAND, CURRENT_TIME, EVENTS, FETCH_CONTROL, FETCH_DATA, HEART_RATE},
            driver,
            time::BandTime,
        },
    },
    clock::Clock,
    link::{
        Advertisement, Central, LinkError, Notification,
        simulated::{Peripheral, SimulatedCentral},
    },
};

/// Rounds for each model, of noise and of changed conversations.
const NOISES: u64 = 100;
const CONVERSATIONS: u64 = 25;

/// A device that answers everything with noise: what is read, and three notifications for each write.
struct Babbler {
    random: fastrand::Rng,
    queue: Vec<Notification>,
}

impl Babbler {
    fn noise(&mut self) -> Vec<u8> {
        let mut noise = vec![0; self.random.usize(0..24)];
        self.random.fill(&mut noise);
        // Now and then it begins as a real answer would, so that the noise gets further in.
        if let ([a, b, c, ..], true) = (&mut noise[..], self.random.bool()) {
            (*a, *b, *c) = match self.random.u8(0..3) {
                0 => (0x10, self.random.u8(1..6), self.random.u8(1..5)),
                1 => (0x10, self.random.u8(0x81..0x84), 0x01),
                _ => (0x03, self.random.u8(0..16), 0x00),
            };
        }
        noise
    }
}

impl Peripheral for Babbler {
    fn advertisement(&self, _now: Timestamp) -> Advertisement {
        Advertisement { address: ADDRESS, name: None, manufacturer_data: Vec::new(), service_data: Vec::new(), rssi: None }
    }
    fn connect(&mut self, _now: Timestamp) {}
    fn disconnect(&mut self) {
        self.queue.clear();
    }
    fn read(&mut self, characteristic: Uuid, _now: Timestamp) -> Result<Vec<u8>, LinkError> {
        // A clock that shows a time lets the history begin.
        let clock = characteristic == CURRENT_TIME && self.random.u8(0..4) > 0;
        Ok(if clock { BandTime::at(noon(), 3600).long().to_vec() } else { self.noise() })
    }
    fn write(&mut self, characteristic: Uuid, _value: &[u8], _now: Timestamp) -> Result<(), LinkError> {
        for characteristic in [FETCH_DATA, characteristic, EVENTS, CHUNKS_FROM_BAND, HEART_RATE] {
            let value = self.noise();
            self.queue.push(Notification { characteristic, value });
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
        Ok((!self.queue.is_empty()).then(|| self.queue.remove(0)))
    }
}

/// A real band over a bad link: one value in eight is changed, cut, prolonged, doubled or lost.
struct Mutated {
    band: SimulatedBand,
    random: fastrand::Rng,
    again: Option<Notification>,
}

impl Mutated {
    fn mutate(&mut self, mut value: Vec<u8>) -> Vec<u8> {
        if self.random.u8(0..8) == 0 {
            match self.random.u8(0..4) {
                0 if !value.is_empty() => {
                    let at = self.random.usize(0..value.len());
                    value[at] = self.random.u8(..);
                }
                1 => value.truncate(self.random.usize(0..=value.len())),
                2 => value.extend(std::iter::repeat_with(|| self.random.u8(..)).take(5)),
                _ => value.iter_mut().for_each(|byte| *byte ^= 0x80),
            }
        }
        value
    }
}

impl Peripheral for Mutated {
    fn advertisement(&self, now: Timestamp) -> Advertisement {
        self.band.advertisement(now)
    }
    fn connect(&mut self, now: Timestamp) {
        self.band.connect(now);
    }
    fn disconnect(&mut self) {
        self.band.disconnect();
    }
    fn read(&mut self, characteristic: Uuid, now: Timestamp) -> Result<Vec<u8>, LinkError> {
        let value = self.band.read(characteristic, now)?;
        Ok(self.mutate(value))
    }
    fn write(&mut self, characteristic: Uuid, value: &[u8], now: Timestamp) -> Result<(), LinkError> {
        self.band.write(characteristic, value, now)
    }
    fn subscribe(&mut self, characteristic: Uuid, now: Timestamp) -> Result<(), LinkError> {
        self.band.subscribe(characteristic, now)
    }
    fn unsubscribe(&mut self, characteristic: Uuid, now: Timestamp) -> Result<(), LinkError> {
        self.band.unsubscribe(characteristic, now)
    }
    fn notification(&mut self, now: Timestamp) -> Result<Option<Notification>, LinkError> {
        if let Some(notification) = self.again.take() {
            return Ok(Some(notification));
        }
        let Some(mut notification) = self.band.notification(now)? else { return Ok(None) };
        notification.value = self.mutate(notification.value);
        match self.random.u8(0..64) {
            0 => self.again = Some(notification.clone()),
            1 => return self.notification(now),
            _ => {}
        }
        Ok(Some(notification))
    }
}

/// Everything a driver can do.
async fn all(mut band: Box<dyn Band>) -> Result<(), BandError> {
    let _ = band.device_info().await;
    let _ = band.clock().await;
    let _ = band.activity_today().await;
    let mut history = History::default();
    let read = band.history(since(), &mut history).await;
    assert!(history.samples.len() <= driver::tests::MOST_MINUTES, "bounded");
    let _ = band.workouts(since()).await;
    let _ = band.measure_heart_rate(WAIT).await;
    let _ = band.vibrate().await;
    let _ = band.release().await;
    read
}

#[tokio::test]
async fn noise_ends_in_an_error_and_never_in_a_panic() {
    for profile in PROFILES {
        for seed in 0..NOISES {
            let babbler = |turn: u64| Babbler { random: fastrand::Rng::with_seed(seed * 3 + turn), queue: Vec::new() };
            // The arithmetic of a handshake takes its time.
            if seed % 8 == 0 || !profile.has_new_chunks() {
                let central = SimulatedCentral::new(babbler(0), Clock::simulated(noon()));
                let link = central.connect(ADDRESS).await.expect("it advertises");
                let _ = profile.open(link, &Access::Key(KEY)).await;
            }
            let central = SimulatedCentral::new(babbler(1), Clock::simulated(noon()));
            let link = central.connect(ADDRESS).await.expect("it advertises");
            let _ = profile.pair(link, Key::new([7; 16]), &AtomicBool::new(false)).await;
            // Past the door at once: nobody opens it by chance.
            let central = SimulatedCentral::new(babbler(2), Clock::simulated(noon()));
            let link = central.connect(ADDRESS).await.expect("it advertises");
            let _ = all(driver::tests::inside(profile, link)).await;
        }
    }
}

#[tokio::test]
async fn a_real_conversation_with_bytes_changed_is_an_error_or_nearly_itself() {
    for profile in PROFILES {
        let (mut opened, mut read) = (0, 0);
        for seed in 0..CONVERSATIONS {
            let mut band = SimulatedBand::new(contents(profile));
            band.batch_minutes = 60;
            let mutated = Mutated { band, random: fastrand::Rng::with_seed(seed), again: None };
            let central = SimulatedCentral::new(mutated, Clock::simulated(noon()));
            let link = central.connect(ADDRESS).await.expect("it advertises");
            if let Ok(band) = profile.open(link, &Access::Key(KEY)).await {
                opened += 1;
                read += usize::from(all(band).await.is_ok());
            }
        }
        assert!(opened > 2, "{}: the noise gets past the door {opened} times", profile.name);
        assert!(read < opened, "{}: and is noticed", profile.name);
    }
}

/// A device that never stops talking: packets of history in good order, or events.
struct Chatterer {
    packets: bool,
    counter: u8,
    begun: bool,
    sample_bytes: usize,
}

impl Peripheral for Chatterer {
    fn advertisement(&self, _now: Timestamp) -> Advertisement {
        Advertisement { address: ADDRESS, name: None, manufacturer_data: Vec::new(), service_data: Vec::new(), rssi: None }
    }
    fn connect(&mut self, _now: Timestamp) {}
    fn disconnect(&mut self) {}
    fn read(&mut self, _characteristic: Uuid, _now: Timestamp) -> Result<Vec<u8>, LinkError> {
        Ok(BandTime::at(noon(), 3600).long().to_vec())
    }
    fn write(&mut self, _characteristic: Uuid, _value: &[u8], _now: Timestamp) -> Result<(), LinkError> {
        Ok(())
    }
    fn subscribe(&mut self, _characteristic: Uuid, _now: Timestamp) -> Result<(), LinkError> {
        Ok(())
    }
    fn unsubscribe(&mut self, _characteristic: Uuid, _now: Timestamp) -> Result<(), LinkError> {
        Ok(())
    }
    fn notification(&mut self, _now: Timestamp) -> Result<Option<Notification>, LinkError> {
        if !self.packets {
            return Ok(Some(Notification { characteristic: EVENTS, value: vec![0x0e] }));
        }
        if !std::mem::replace(&mut self.begun, true) {
            let value = super::super::fetch::start(1, BandTime::at(since(), 3600)).to_vec();
            return Ok(Some(Notification { characteristic: FETCH_CONTROL, value }));
        }
        let value = [&[self.counter][..], &vec![1; 30 * self.sample_bytes]].concat();
        self.counter = self.counter.wrapping_add(1);
        Ok(Some(Notification { characteristic: FETCH_DATA, value }))
    }
}

#[tokio::test]
async fn a_band_that_never_stops_talking_is_stopped() {
    let history_of = async |profile: &Profile, packets: bool| {
        let chatterer = Chatterer { packets, counter: 0, begun: false, sample_bytes: profile.sample_form.bytes() };
        let central = SimulatedCentral::new(chatterer, Clock::simulated(noon()));
        let mut band = driver::tests::inside(profile, central.connect(ADDRESS).await.expect("it advertises"));
        let mut history = History::default();
        let error = band.history(since(), &mut history).await.expect_err("it never ends");
        assert!(history.samples.is_empty());
        assert!(band.measure_heart_rate(WAIT).await.is_err());
        error.to_string()
    };
    for profile in PROFILES {
        let endless = history_of(profile, true).await;
        assert!(endless.contains("it sends more than"), "{endless}");
        let chatter = history_of(profile, false).await;
        assert!(chatter.contains("it talked 256 times"), "{chatter}");
    }
}

#[test]
fn advertisements_of_noise_say_nothing_or_something() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let lengths = (random.usize(0..32), random.usize(0..8));
        let mut noise = |length: usize| std::iter::repeat_with(|| random.u8(..)).take(length).collect::<Vec<u8>>();
        let (company_data, service_data) = (noise(lengths.0), noise(lengths.1));
        let advertisement = Advertisement {
            address: ADDRESS,
            name: Some(String::from_utf8_lossy(&company_data).into_owned()),
            manufacturer_data: vec![(advertisement::COMPANY, company_data)],
            service_data: vec![(super::super::characteristics::MAIN_SERVICE, service_data)],
            rssi: None,
        };
        assert!(crate::band::shouts(&advertisement).is_some(), "their service is in it");
    }
}
