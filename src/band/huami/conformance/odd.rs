//! Bands that are odd on the way: links that stay silent, break off, or refuse, around the simulated one. What the driver then leaves
//! behind, says and does not say.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use uuid::Uuid;

use super::*;
use crate::{
    band::{
        Reading,
        huami::characteristics::{BATTERY, CURRENT_TIME, FETCH_DATA, FIRMWARE, HEART_RATE, SERIAL, SYSTEM_ID},
        secret_in,
    },
    link::{
        Advertisement, GattLink, Notification, WriteKind,
        recorded::{Discretion, Recording, Replaying, Transcript},
    },
    model::text::hex,
};

/// What is odd about a link.
#[derive(Clone, Copy, Default)]
struct Oddity {
    /// Silence lasts: nobody tells that nothing comes.
    silence_lasts: bool,
    /// It says nothing more after so many notifications.
    mute_after: Option<usize>,
    /// It refuses each request for minutes after so many.
    refuses_after: Option<usize>,
    /// What it answers to a read of this characteristic; `None` is a refusal.
    answers: Option<(Uuid, Option<&'static [u8]>)>,
    /// It says so often that it found no pulse, and is still looking.
    pulseless: usize,
}

/// The simulated central, with odd links.
struct Odd<'a>(&'a Rig, Oddity);

struct OddLink {
    inner: Box<dyn GattLink>,
    oddity: Oddity,
    notified: usize,
    requests: usize,
    refused: bool,
    measures: bool,
}

#[async_trait]
impl Central for Odd<'_> {
    async fn scan_each(&self, listen_for: Duration, seen: &mut (dyn FnMut(Advertisement) + Send)) -> Result<(), LinkError> {
        self.0.scan_each(listen_for, seen).await
    }

    async fn connect(&self, address: [u8; 6]) -> Result<Box<dyn GattLink>, LinkError> {
        let inner = self.0.connect(address).await?;
        Ok(Box::new(OddLink { inner, oddity: self.1, notified: 0, requests: 0, refused: false, measures: false }))
    }
}

#[async_trait]
impl GattLink for OddLink {
    async fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, LinkError> {
        match self.oddity.answers {
            Some((odd, Some(value))) if odd == characteristic => Ok(value.to_vec()),
            Some((odd, None)) if odd == characteristic => Err(LinkError::Refused(0x02)),
            _ => self.inner.read(characteristic).await,
        }
    }

    async fn write(&mut self, characteristic: Uuid, value: &[u8], kind: WriteKind) -> Result<(), LinkError> {
        if characteristic == HEART_RATE_CONTROL && value == [0x15, 0x02, 0x01] {
            (self.measures, self.notified) = (true, 0);
        }
        if characteristic == FETCH_CONTROL && value.starts_with(&[0x01, 0x01]) {
            self.requests += 1;
            self.refused = self.oddity.refuses_after.is_some_and(|after| self.requests > after);
            if self.refused {
                return Ok(());
            }
        }
        self.inner.write(characteristic, value, kind).await
    }

    async fn subscribe(&mut self, characteristic: Uuid) -> Result<(), LinkError> {
        self.inner.subscribe(characteristic).await
    }

    async fn unsubscribe(&mut self, characteristic: Uuid) -> Result<(), LinkError> {
        self.inner.unsubscribe(characteristic).await
    }

    async fn notification(&mut self, within: Duration) -> Result<Notification, LinkError> {
        if std::mem::take(&mut self.refused) {
            return Ok(Notification { characteristic: FETCH_CONTROL, value: vec![0x10, 0x01, 0x04] });
        }
        if self.requests == 0 && self.measures && self.notified < self.oddity.pulseless {
            self.notified += 1;
            return Ok(Notification { characteristic: HEART_RATE, value: vec![0, 0] });
        }
        if self.oddity.mute_after.is_some_and(|after| self.notified >= after) {
            return Err(LinkError::Silent(within));
        }
        match self.inner.notification(within).await {
            Err(LinkError::Silent(_)) if self.oddity.silence_lasts => std::future::pending().await,
            answer => {
                self.notified += 1;
                answer
            }
        }
    }

    async fn disconnect(&mut self) -> Result<(), LinkError> {
        self.inner.disconnect().await
    }
}

#[tokio::test]
async fn what_a_caller_who_went_away_left_on_is_off_after_the_release() {
    let patient = Oddity { silence_lasts: true, ..Oddity::default() };
    for profile in PROFILES {
        let central = rig(profile, |band| band.finds_pulse_after = Duration::from_secs(3600));
        let open = async || connect(&Odd(&central, patient), *profile, ADDRESS, &Access::Key(KEY)).await.expect(profile.name);
        let last = |of| written(&central, of).pop();

        let mut band = open().await;
        tokio::select! {
            biased;
            _ = band.measure_heart_rate(WAIT) => panic!("{}: silence lasts", profile.name),
            () = std::future::ready(()) => {}
        }
        assert_eq!(last(HEART_RATE_CONTROL), Some(vec![0x15, 0x02, 0x01]), "{}: it measures", profile.name);
        band.release().await.expect(profile.name);
        assert_eq!(last(HEART_RATE_CONTROL), Some(vec![0x15, 0x02, 0x00]), "{}: it does not any more", profile.name);

        let mut band = open().await;
        tokio::select! {
            biased;
            _ = band.vibrate() => panic!("{}: silence lasts", profile.name),
            () = std::future::ready(()) => {}
        }
        assert_eq!(last(ALERT_LEVEL), Some(vec![0x03]), "{}: it vibrates", profile.name);
        band.release().await.expect(profile.name);
        assert_eq!(last(ALERT_LEVEL), Some(vec![0x00]), "{}: it does not any more", profile.name);
    }
}

#[tokio::test]
async fn what_is_odd_about_one_thing_costs_none_of_the_others() {
    for profile in PROFILES {
        let central = rig(profile, |_| {});
        let told = async |answers, access: &Access| {
            let odd = Odd(&central, Oddity { answers: Some(answers), ..Oddity::default() });
            read_history(&odd, *profile, ADDRESS, access, since(), WITHIN).await
        };
        for (characteristic, value, odd) in [
            (SERIAL, Some(&b"\xff\xfe\xfd"[..]), &["serial number"][..]),
            (FIRMWARE, Some(b"\xc3"), &["firmware version"]),
            (SYSTEM_ID, Some(&[1, 2, 3, 4, 5, 6, 7, 8]), &["address"]),
            (SYSTEM_ID, None, &[]),
            (BATTERY, Some(&[0x10, 0x57]), &["battery"]),
            (BATTERY, Some(&[]), &[]),
            (CURRENT_TIME, Some(&[0xff; 11]), &[]),
            (CURRENT_TIME, None, &[]),
        ] {
            let read = told((characteristic, value), &Access::Anyone).await.expect(profile.name);
            let of = format!("{}: {characteristic} {value:?}", profile.name);
            // Some models have a battery level of the Bluetooth SIG, too.
            let odd = if read.info.battery.is_some() && characteristic == BATTERY { &[] } else { odd };
            assert_eq!((read.connections, read.info.odd.as_slice()), (1, odd), "{of}");
            assert_eq!(read.info.hardware.as_deref(), Some(profile.hardware), "{of}");
            assert_eq!(read.info.serial.is_some(), characteristic != SERIAL, "{of}");
            assert_eq!(read.info.address, (characteristic != SYSTEM_ID).then_some(ADDRESS), "{of}");
            assert_eq!(read.clock.is_some(), characteristic != CURRENT_TIME, "{of}");
        }
        // Minutes have no place without the time: that is said, and they are not taken for a model that keeps none.
        let error = told((CURRENT_TIME, None), &Access::Key(KEY)).await.expect_err("minutes have no place");
        assert!(matches!(&error, BandError::Garbled(why) if why.contains("what time it is")), "{}: {error:?}", profile.name);
    }
}

#[tokio::test]
async fn a_sensor_that_is_still_looking_is_kept_awake() {
    for profile in PROFILES {
        let central = rig(profile, |_| {});
        let odd = Odd(&central, Oddity { pulseless: 40, ..Oddity::default() });
        let mut band = connect(&odd, *profile, ADDRESS, &Access::Key(KEY)).await.expect(profile.name);
        assert!(band.measure_heart_rate(WAIT).await.is_ok(), "{}: it finds one in the end", profile.name);
        let alive = written(&central, HEART_RATE_CONTROL).iter().filter(|value| **value == [0x16]).count();
        assert_eq!(alive, 40, "{}: each value without a pulse is answered", profile.name);
    }
}

#[tokio::test]
async fn a_measurement_that_ended_without_a_pulse_is_begun_anew() {
    for profile in PROFILES {
        let central = rig(profile, |band| band.is_worn = false);
        let mut band = open(&central, profile).await;
        assert_eq!(band.measure_heart_rate(WAIT).await, Err(BandError::Link(LinkError::Silent(WAIT))), "{}", profile.name);
        let begun = written(&central, HEART_RATE_CONTROL).iter().filter(|value| **value == [0x15, 0x02, 0x01]).count();
        assert!(begun > 1, "{}: {begun}", profile.name);
    }
}

#[tokio::test]
async fn a_band_that_takes_for_ever_is_let_go_at_the_limit() {
    let model = &super::super::MI_BAND_3;
    let central = rig(model, |band| band.fault = Some(Fault::Silence));
    let patient = Odd(&central, Oddity { silence_lasts: true, ..Oddity::default() });
    let limit = Duration::from_millis(50);
    let error = read_history(&patient, model, ADDRESS, &Access::Key(KEY), since(), limit).await.expect_err("it never ends");
    assert_eq!(error, BandError::Unfinished { within: limit, minutes: 0 });
    assert_eq!(central.scan(WAIT).await.map(|seen| seen.len()), Ok(1), "it advertises again");
}

#[tokio::test]
async fn a_band_that_answers_a_greeting_is_not_taken_for_one_of_old() {
    let model = PROFILES.iter().find(|profile| profile.authentication == Authentication::ServerKeyOrHandshake);
    let model = *model.expect("some had both");
    // Of the challenge some frames, then the whole of it.
    for (mute_after, garbled) in [(1, true), (2, true), (5, false)] {
        let central = rig(model, |_| {});
        let odd = Odd(&central, Oddity { mute_after: Some(mute_after), ..Oddity::default() });
        let error = connect(&odd, model, ADDRESS, &Access::Key(KEY)).await.err().expect("it says nothing more");
        match &error {
            BandError::Garbled(why) if garbled => assert!(why.contains("did not end it"), "after {mute_after}: {why}"),
            BandError::Link(LinkError::Silent(_)) if !garbled => {}
            other => panic!("after {mute_after}: {other:?}"),
        }
        assert!(written(&central, AUTHENTICATION).is_empty(), "after {mute_after}: nothing of the older way is tried");
    }
    let central = rig(model, |_| {});
    let odd = Odd(&central, Oddity { mute_after: Some(0), ..Oddity::default() });
    assert!(connect(&odd, model, ADDRESS, &Access::Key(KEY)).await.is_err());
    assert_eq!(written(&central, AUTHENTICATION).len(), 1, "who says nothing at all may be of old, and the older way is tried");
}

#[tokio::test]
async fn a_refusal_of_minutes_that_are_not_there_yet_is_the_end_and_no_other_one_is() {
    for profile in PROFILES {
        let refusing = async |refuses_after| {
            let central = rig(profile, |_| {});
            let odd = Odd(&central, Oddity { refuses_after: Some(refuses_after), ..Oddity::default() });
            read_history(&odd, *profile, ADDRESS, &Access::Key(KEY), since(), WITHIN).await
        };
        // 490 minutes are three batches of up to 240.
        let read = refusing(3).await.expect(profile.name);
        assert_eq!(read.history.map(|history| history.samples.len()), Some(490), "{}", profile.name);
        for early in [0, 1, 2] {
            assert_eq!(refusing(early).await.err(), Some(BandError::Refused(0x04)), "{}: after {early}", profile.name);
        }
    }
}

/// A place to write to that can be looked at.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic while locked").clone()).expect("text")
    }
}

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic while locked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn recorded(central: &Rig) -> (Recording, Shared) {
    let (written, discretion) = (Shared::default(), Discretion { named: vec![ADDRESS], secret_in });
    let recording = Recording::new(Arc::new(central.clone()), Box::new(written.clone()), Clock::simulated(noon()), discretion);
    (recording.expect("memory"), written)
}

#[tokio::test]
async fn every_model_is_read_from_its_record_as_it_was_read_and_no_key_is_in_it() {
    for profile in PROFILES {
        let (recording, written) = recorded(&rig(profile, |_| {}));
        let read = async |central: &dyn Central| -> Result<Reading, BandError> {
            read_history(central, *profile, ADDRESS, &Access::Key(KEY), since(), WITHIN).await
        };
        let then = read(&recording).await.expect(profile.name);
        recording.finish().expect("memory");
        assert!(!written.text().contains(&hex(&KEY.bytes())), "{}", profile.name);
        let replaying = Replaying::new(Transcript::read(written.text().as_bytes()).expect(profile.name));
        assert_eq!(read(&replaying).await.as_ref(), Ok(&then), "{}", profile.name);
        assert_eq!(replaying.unused(), Vec::<String>::new(), "{}", profile.name);

        let other = Replaying::new(Transcript::read(written.text().as_bytes()).expect(profile.name));
        let wrong = Access::Key(Key::new([0x5a; 16]));
        let error = read_history(&other, *profile, ADDRESS, &wrong, since(), WITHIN).await.expect_err("it says another thing");
        assert!(matches!(error, BandError::Link(LinkError::Departed(_))), "{}: {error:?}", profile.name);
    }
}

#[tokio::test]
async fn a_key_that_a_band_is_given_is_in_no_record() {
    let model = &super::super::MI_BAND_2;
    let (recording, written) = recorded(&rig(model, |band| band.tap = Tap::AtOnce));
    let link = recording.connect(ADDRESS).await.expect("free");
    let key = Key::new(*b"0123456789abcdef");
    let mut band = model.pair(link, key.clone(), &AtomicBool::new(false)).await.expect("the wearer taps");
    band.release().await.expect("it is let go");
    recording.finish().expect("memory");
    let text = written.text();
    assert!(!text.contains(&hex(&key.bytes())), "{text}");
    assert!(text.contains(&format!("\"value\":\"0108{}\"", "00".repeat(16))), "what was written is there, without it: {text}");
    assert!(written.text().contains(&AUTHENTICATION.to_string()) && !text.contains(&FETCH_DATA.to_string()));
}
