//! What must hold for every model of the table, over the simulated link: the tests run over the rows, so that a new row is tested
//! by being there. Conversations known to the byte are in `vectors`, noise in `fuzz`.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use super::{
    BandContents, Fault, JournalEntry, PROFILES, Profile, SimulatedBand, Tap,
    characteristics::{ALERT_LEVEL, AUTHENTICATION, CHUNKS_FROM_BAND, CHUNKS_TO_BAND, FETCH_CONTROL, HEART_RATE_CONTROL},
    profile::Authentication,
    time::BandTime,
};
use crate::{
    band::{Access, Band, BandError, BandModel, Battery, History, Key, connect, read_history, shouts},
    clock::Clock,
    link::{Central, LinkError, simulated::SimulatedCentral},
};

mod fuzz;
mod odd;
mod vectors;

const ADDRESS: [u8; 6] = [0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56];
const KEY: Key = Key::new([0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf]);
const WAIT: Duration = Duration::from_secs(20);

/// Far more than any reading here takes.
const WITHIN: Duration = Duration::from_secs(600);

type Rig = SimulatedCentral<SimulatedBand>;

fn contents(model: &'static Profile) -> BandContents {
    BandContents::invented_for(model, "2026-03-14".parse().expect("a date"))
}

fn noon() -> Timestamp {
    "2026-03-14T12:20:30Z".parse().expect("a time")
}

fn since() -> Timestamp {
    "2026-03-14T04:10:59Z".parse().expect("a time")
}

fn rig(model: &'static Profile, change: impl FnOnce(&mut SimulatedBand)) -> Rig {
    let mut band = SimulatedBand::new(contents(model));
    change(&mut band);
    SimulatedCentral::new(band, Clock::simulated(noon()))
}

async fn open(central: &Rig, model: &Profile) -> Box<dyn Band> {
    connect(central, model, ADDRESS, &Access::Key(KEY)).await.expect(model.name)
}

async fn history(central: &Rig, model: &Profile, since: Timestamp) -> Result<History, BandError> {
    let mut history = History::default();
    open(central, model).await.history(since, &mut history).await.map(|()| history)
}

/// What was written to a characteristic, oldest first.
fn written(central: &Rig, to: uuid::Uuid) -> Vec<Vec<u8>> {
    central.with_peripheral(|band| {
        let written = band.journal.iter().filter_map(|entry| match entry {
            JournalEntry::Written { characteristic, value, .. } if *characteristic == to => Some(value.clone()),
            _ => None,
        });
        written.collect()
    })
}

/// From which times on minutes were asked for.
fn asked(central: &Rig) -> Vec<Timestamp> {
    let requests = written(central, FETCH_CONTROL).into_iter().filter(|value| value.starts_with(&[0x01, 0x01]));
    requests.map(|value| BandTime::from_short(&value[2..]).and_then(BandTime::timestamp).expect("a time")).collect()
}

#[tokio::test]
async fn every_model_is_found_read_and_let_go() {
    for profile in PROFILES {
        let central = rig(profile, |_| {});
        let seen = central.scan(WAIT).await.expect("a scan works");
        let shouted = shouts(&seen[0]).expect("one of ours");
        let model = shouted.model.expect("of the table");
        assert_eq!(model.name(), profile.name);
        assert_eq!(shouted.address, ADDRESS);
        assert_eq!(shouted.steps.is_some(), profile.shouts_steps);
        assert!(shouted.heart_rate.is_some_and(|beats| (45..140).contains(&beats)));

        let mut band = connect(&central, model, shouted.address, &Access::Key(KEY)).await.expect(profile.name);
        assert!(band.is_authenticated());
        let info = band.device_info().await.expect(profile.name);
        assert_eq!((info.address, info.serial.as_deref()), (Some(ADDRESS), Some("5b0c44d17e2a")));
        assert_eq!((info.hardware.as_deref(), info.firmware.as_deref()), (Some(profile.hardware), Some(profile.firmware)));
        assert_eq!(info.battery, Some(Battery { level: 87, charging: Some(false) }));
        let clock = band.clock().await.expect(profile.name);
        assert_eq!((clock.now, clock.utc_offset_s), (noon(), 3600));
        assert_eq!(band.activity_today().await.map(|today| today.steps), Ok(central.with_peripheral(|band| steps(&band.contents))));

        let mut read = History::default();
        band.history(since(), &mut read).await.expect(profile.name);
        assert_eq!((read.start.to_string().as_str(), read.utc_offset_s), ("2026-03-14T04:10:00Z", 3600));
        assert_eq!(read.samples, contents(profile).samples[1440 + 310..1440 + 800], "{}: up to the last whole minute", profile.name);

        assert_eq!(band.measure_heart_rate(WAIT).await, Ok(shouted.heart_rate.expect("as above")));
        band.vibrate().await.expect(profile.name);
        match (band.workouts(since()).await, profile.workouts) {
            (Ok(workouts), Some(_)) => assert_eq!(workouts.len(), 1, "{}", profile.name),
            (Err(BandError::Unsupported(_)), None) => {}
            (other, _) => panic!("{}: {other:?}", profile.name),
        }
        band.release().await.expect(profile.name);
        assert!(central.connect(ADDRESS).await.is_ok(), "released, it can be had by the phone");
    }
}

/// Steps from local midnight to noon.
fn steps(contents: &BandContents) -> u32 {
    contents.samples[1440..1440 + 800].iter().map(|sample| u32::from(sample.steps)).sum()
}

#[tokio::test]
async fn workouts_come_with_track_and_heart_rates() {
    for profile in PROFILES.iter().filter(|profile| profile.workouts.is_some()) {
        let central = rig(profile, |_| {});
        let mut band = open(&central, profile).await;
        let read = band.workouts(since()).await.expect(profile.name);
        let [wanted] = &contents(profile).workouts[..] else { panic!("one walk") };
        let [workout] = &read[..] else { panic!("{read:?}") };
        assert_eq!((workout.kind, workout.start, workout.end), (wanted.kind, wanted.start, wanted.end));
        assert_eq!((workout.steps, workout.metres, workout.heart_rate), (wanted.steps, wanted.metres, wanted.heart_rate));
        assert_eq!(workout.heart_rates, wanted.heart_rates);
        assert_eq!(workout.track.len(), wanted.track.len(), "{}", profile.name);
        for (point, wanted) in workout.track.iter().zip(&wanted.track) {
            assert!((point.lat - wanted.lat).abs() < 1e-6 && (point.lon - wanted.lon).abs() < 1e-6 && point.at == wanted.at);
        }
        let after = wanted.start + SignedDuration::from_secs(1);
        assert_eq!(band.workouts(after).await, Ok(Vec::new()), "{}", profile.name);
    }
}

#[tokio::test]
async fn history_is_the_same_in_any_batch_size() {
    for profile in PROFILES {
        for (batch_minutes, checksums) in [(7, false), (240, true), (1023, false), (5000, true)] {
            let central = rig(profile, |band| (band.batch_minutes, band.checksums) = (batch_minutes, checksums));
            let read = history(&central, profile, since()).await.expect(profile.name);
            assert_eq!(read.samples, contents(profile).samples[1440 + 310..1440 + 800], "{} by {batch_minutes}", profile.name);
        }
        let central = rig(profile, |_| {});
        let all = history(&central, profile, "2026-02-01T00:00:00Z".parse().expect("a time")).await.expect(profile.name);
        assert_eq!((all.start, all.samples.len()), (contents(profile).start, 1440 + 800), "from before its memory: what it has");
        let future = history(&central, profile, noon()).await.expect(profile.name);
        assert!(future.samples.is_empty(), "of the minute that is not over: nothing");
        assert_eq!(history(&central, profile, "2026-02-01T00:00:00Z".parse().expect("a time")).await, Ok(all), "reading deletes nothing");
    }
}

#[tokio::test]
async fn a_link_that_breaks_is_gone_on_with_at_the_minute_after_the_last() {
    for profile in PROFILES {
        for after_packets in [0, 1, 7, 30] {
            let central = rig(profile, |band| {
                band.fault = Some(Fault::DropMidBatch { after_packets });
                band.faults_left = Some(1);
            });
            let read = read_history(&central, *profile, ADDRESS, &Access::Key(KEY), since(), WITHIN).await.expect(profile.name);
            assert_eq!(read.connections, 2);
            let samples = read.history.expect("it has the key").samples;
            assert_eq!(samples, contents(profile).samples[1440 + 310..1440 + 800], "{}: none lost or doubled", profile.name);
            let whole = after_packets * 16 / profile.sample_form.bytes();
            let begun: Timestamp = "2026-03-14T04:10:00Z".parse().expect("a time");
            let resumed = begun + SignedDuration::from_mins(i64::try_from(whole).expect("few"));
            assert_eq!(asked(&central)[..2], [begun, resumed], "{} after {after_packets} packets", profile.name);
            assert_eq!(read.workouts.is_ok(), profile.workouts.is_some());
        }
    }
}

#[tokio::test]
async fn a_link_that_breaks_again_and_again_still_gets_there_or_gives_up() {
    let model = &super::MI_BAND_2;
    let central = rig(model, |band| band.fault = Some(Fault::DropMidBatch { after_packets: 40 }));
    let read = read_history(&central, model, ADDRESS, &Access::Key(KEY), since(), WITHIN).await.expect("490 minutes by 160");
    assert_eq!((read.connections, read.history.map(|history| history.samples.len())), (4, Some(490)));

    let central = rig(model, |band| band.fault = Some(Fault::DropMidBatch { after_packets: 0 }));
    let error = read_history(&central, model, ADDRESS, &Access::Key(KEY), since(), WITHIN).await.expect_err("it never gets on");
    assert_eq!(error, BandError::Link(LinkError::Lost));
    assert_eq!(asked(&central).len(), 4, "one connection learned what it is, three more brought nothing");

    let central = rig(model, |band| band.fault = Some(Fault::DropMidBatch { after_packets: 1 }));
    let long_ago = "2026-02-01T00:00:00Z".parse().expect("a time");
    assert!(read_history(&central, model, ADDRESS, &Access::Key(KEY), long_ago, WITHIN).await.is_err());
    assert_eq!(asked(&central).len(), 20, "in the end it is enough");
    assert_eq!(central.scan(WAIT).await.map(|seen| seen.len()), Ok(1), "and it is let go");
}

#[tokio::test]
async fn faults_of_the_air_are_never_taken_for_data() {
    for profile in PROFILES {
        for (fault, words) in
            [(Fault::SkipCounter, "packet 2 of a batch is missing, 3 came"), (Fault::WrongChecksum, "checksum of a batch is wrong")]
        {
            let central = rig(profile, |band| (band.fault, band.checksums) = (Some(fault), true));
            let mut read = History::default();
            let mut band = open(&central, profile).await;
            match band.history(since(), &mut read).await {
                Err(BandError::Garbled(why)) => assert!(why.contains(words), "{why}"),
                other => panic!("{fault:?}: {other:?}"),
            }
            assert!(read.samples.is_empty(), "of such a batch nothing stays");
            central.with_peripheral(|band| band.fault = None);
            assert_eq!(band.history(since(), &mut read).await, Ok(()), "the next try starts afresh, on the same connection too");
            assert_eq!(read.samples.len(), 490);
        }
        let central = rig(profile, |band| band.fault = Some(Fault::Silence));
        assert!(matches!(history(&central, profile, since()).await, Err(BandError::Link(LinkError::Silent(_)))));
        let central = rig(profile, |band| band.fault = Some(Fault::RefuseFetch));
        assert_eq!(history(&central, profile, since()).await, Err(BandError::Refused(0x04)));
        let central = rig(profile, |band| band.fault = Some(Fault::FullMemory));
        let read = history(&central, profile, "2026-03-13T00:00:00Z".parse().expect("a time")).await.expect(profile.name);
        assert_eq!((read.start.to_string().as_str(), read.samples.len()), ("2026-03-13T12:20:00Z", 1440), "it says where it begins");
    }
}

#[tokio::test]
async fn a_wrong_key_is_told_and_the_band_is_let_go() {
    for profile in PROFILES {
        for (key, fault) in [(Key::new([0; 16]), None), (KEY, Some(Fault::WrongKey))] {
            let central = rig(profile, |band| band.fault = fault);
            let error = connect(&central, *profile, ADDRESS, &Access::Key(key)).await.err();
            assert_eq!(error, Some(BandError::WrongKey), "{}", profile.name);
            assert_eq!(central.scan(WAIT).await.map(|seen| seen.len()), Ok(1), "it advertises again");
            central.with_peripheral(|band| assert!(matches!(band.journal.last(), Some(JournalEntry::Disconnected))));
        }
    }
}

#[tokio::test]
async fn without_a_key_there_is_what_anybody_in_reach_can_read() {
    for profile in PROFILES {
        let central = rig(profile, |_| {});
        let mut band = connect(&central, *profile, ADDRESS, &Access::Anyone).await.expect(profile.name);
        assert!(!band.is_authenticated());
        let info = band.device_info().await.expect(profile.name);
        assert_eq!((info.address, info.serial.is_some(), info.battery.is_some()), (Some(ADDRESS), true, true));
        assert_eq!(band.clock().await.map(|clock| clock.utc_offset_s), Ok(3600));
        assert_eq!(band.activity_today().await, Err(BandError::NeedsKey));
        assert_eq!(band.measure_heart_rate(WAIT).await, Err(BandError::NeedsKey));
        assert_eq!(band.history(since(), &mut History::default()).await, Err(BandError::NeedsKey));
        assert_eq!(band.workouts(since()).await, Err(BandError::NeedsKey));
        assert_eq!(band.vibrate().await, Err(BandError::NeedsKey));
        band.release().await.expect(profile.name);
        let read = read_history(&central, *profile, ADDRESS, &Access::Anyone, since(), WITHIN).await.expect(profile.name);
        assert_eq!((read.history, read.workouts, read.connections), (None, Err(BandError::NeedsKey), 1));
        assert!(!read.is_authenticated && read.needs_key && read.clock.is_some(), "{}", profile.name);
        central.with_peripheral(|band| {
            assert!(!band.journal.iter().any(|entry| matches!(entry, JournalEntry::Written { .. })), "nothing at all was written");
        });
    }
}

#[tokio::test]
async fn nothing_but_reading_is_ever_written() {
    for profile in PROFILES {
        let central = rig(profile, |band| band.tap = Tap::AtOnce);
        let mut band = open(&central, profile).await;
        band.device_info().await.expect(profile.name);
        band.clock().await.expect(profile.name);
        band.activity_today().await.expect(profile.name);
        band.measure_heart_rate(WAIT).await.expect(profile.name);
        band.history(since(), &mut History::default()).await.expect(profile.name);
        let _ = band.workouts(since()).await;
        band.vibrate().await.expect(profile.name);
        band.release().await.expect(profile.name);
        let link = central.connect(ADDRESS).await.expect("free again");
        let paired = profile.pair(link, Key::new([7; 16]), &AtomicBool::new(false)).await;
        assert_eq!(paired.is_ok(), profile.authentication == Authentication::ChosenKey, "{}", profile.name);
        drop(paired);
        let _ = read_history(&central, *profile, ADDRESS, &Access::Key(KEY), since(), WITHIN).await;

        central.with_peripheral(|band| {
            for entry in &band.journal {
                let JournalEntry::Written { characteristic, value, .. } = entry else { continue };
                let harmless = match *characteristic {
                    AUTHENTICATION => matches!(value[0], 0x01 | 0x02 | 0x03 | 0x82 | 0x83),
                    CHUNKS_TO_BAND | CHUNKS_FROM_BAND => matches!(value[0], 0x03 | 0x04),
                    FETCH_CONTROL => matches!(value[..], [0x01, 0x01 | 0x05 | 0x06, ..] | [0x02]),
                    HEART_RATE_CONTROL => matches!(value[..], [0x15, 0x01 | 0x02, 0x00] | [0x15, 0x02, 0x01] | [0x16]),
                    ALERT_LEVEL => matches!(value[..], [0x00 | 0x03]),
                    _ => false,
                };
                assert!(harmless, "{}: {entry:?}", profile.name);
            }
        });
        let new_keys = written(&central, AUTHENTICATION).into_iter().filter(|value| value[0] == 0x01).count();
        assert_eq!(new_keys, usize::from(profile.authentication == Authentication::ChosenKey), "only when asked to pair");
        assert_eq!(written(&central, ALERT_LEVEL), [vec![0x03], vec![0x00]]);
    }
}

#[tokio::test]
async fn the_sensor_is_off_again_on_every_way_out() {
    for profile in PROFILES {
        let last = |central: &Rig| written(central, HEART_RATE_CONTROL).pop();
        let central = rig(profile, |_| {});
        let mut band = open(&central, profile).await;
        band.measure_heart_rate(WAIT).await.expect(profile.name);
        assert_eq!(last(&central), Some(vec![0x15, 0x02, 0x00]), "found");

        central.with_peripheral(|band| band.is_worn = false);
        assert_eq!(band.measure_heart_rate(WAIT).await, Err(LinkError::Silent(WAIT).into()), "{}: nobody wears it", profile.name);
        assert_eq!(last(&central), Some(vec![0x15, 0x02, 0x00]), "not found");

        central.with_peripheral(|band| (band.is_worn, band.finds_pulse_after) = (true, Duration::from_secs(3600)));
        assert_eq!(band.measure_heart_rate(WAIT).await, Err(LinkError::Silent(WAIT).into()), "{}: too slow", profile.name);
        let control = written(&central, HEART_RATE_CONTROL);
        assert!(control.iter().any(|value| value == &[0x16]), "it was kept alive");
        assert_eq!(last(&central), Some(vec![0x15, 0x02, 0x00]), "too slow");
    }
}

#[tokio::test]
async fn a_new_key_needs_a_tap() {
    let model = &super::MI_BAND_2;
    for (tap, expected) in [(Tap::Never, Some(BandError::NotTapped)), (Tap::AtOnce, None)] {
        let central = rig(model, |band| band.tap = tap);
        let link = central.connect(ADDRESS).await.expect("free");
        let is_sent = AtomicBool::new(false);
        let paired = model.pair(link, Key::new([7; 16]), &is_sent).await;
        assert_eq!(paired.as_ref().err(), expected.as_ref());
        assert!(is_sent.load(Ordering::SeqCst), "from then on it may have taken it");
        assert_eq!(paired.is_ok_and(|band| band.is_authenticated()), expected.is_none());
        let knows = if expected.is_none() { Key::new([7; 16]) } else { KEY };
        assert_eq!(central.with_peripheral(|band| band.contents.key.clone()), knows);
    }
    let central = rig(model, |band| band.tap = Tap::After(Duration::from_secs(3600)));
    let paired = model.pair(central.connect(ADDRESS).await.expect("free"), Key::new([7; 16]), &AtomicBool::new(false)).await;
    assert_eq!(paired.err(), Some(BandError::NotTapped), "too late");
    assert_eq!(central.with_peripheral(|band| band.contents.key.clone()), KEY, "and the old key stays");
}

#[tokio::test]
async fn firmware_decides_between_the_ways_in() {
    for profile in PROFILES.iter().filter(|profile| profile.authentication == Authentication::ServerKeyOrHandshake) {
        for is_newest_firmware in [false, true] {
            let central = rig(profile, |band| band.is_newest_firmware = is_newest_firmware);
            open(&central, profile).await;
            assert_eq!(written(&central, CHUNKS_TO_BAND).is_empty(), !is_newest_firmware);
            assert_eq!(written(&central, AUTHENTICATION).is_empty(), is_newest_firmware);
        }
    }
}

#[tokio::test]
async fn a_flat_band_is_told_by_its_battery() {
    for profile in PROFILES {
        let central = rig(profile, |band| band.fault = Some(Fault::FlatBattery));
        let error = read_history(&central, *profile, ADDRESS, &Access::Key(KEY), since(), WITHIN).await.expect_err("it goes off");
        assert_eq!(error, BandError::Flat { level: 2, error: LinkError::Lost }, "{}", profile.name);
        assert!(error.to_string().contains("may have gone off"), "{error}: nobody saw it go off");
        let info = connect(&central, *profile, ADDRESS, &Access::Anyone).await.expect("no need to write").device_info().await;
        assert_eq!(info.expect("it says").battery, Some(Battery { level: 2, charging: Some(false) }));
    }
}

#[tokio::test]
async fn a_band_that_nobody_finds_is_looked_for_once() {
    let central = rig(&super::MI_BAND_3, |_| {});
    let held = central.connect(ADDRESS).await.expect("free");
    let error = read_history(&central, &super::MI_BAND_3, ADDRESS, &Access::Key(KEY), since(), WITHIN).await.expect_err("a phone holds it");
    assert_eq!(error, BandError::Link(LinkError::NotFound));
    drop(held);
}
