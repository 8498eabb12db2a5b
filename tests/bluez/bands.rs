//! Bands through the whole stack: each model's driver over the radio, its simulator behind the stand-in for BlueZ. That the stand-in
//! says what a real stack says is the lab's to show.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use jiff::{
    SignedDuration, Timestamp,
    civil::Date,
    tz::{Offset, TimeZone},
};
use tattletale::{
    band::{
        self, Access, Reading,
        huami::{BandContents, Fault, MI_BAND_3, PROFILES, Profile, SimulatedBand},
        read_history,
    },
    clock::Clock,
    link::{
        Central,
        recorded::{Discretion, Recording, Replaying, Transcript},
    },
};

use crate::{
    fake::{Characteristic, Device, Service, World},
    harness::{Machine, alone},
    radio,
};

/// Far more than any reading here takes.
const WITHIN: Duration = Duration::from_secs(600);

const DAY: i64 = 24 * 60;

/// Today as the bands have it, an hour east of UTC; the same for all that a process asks.
static TODAY: LazyLock<Date> = LazyLock::new(|| Timestamp::now().to_zoned(TimeZone::fixed(Offset::constant(1))).date());

/// What a band of this model holds: two days, of which the second is today.
fn contents(profile: &'static Profile, last: u8) -> BandContents {
    let mut contents = BandContents::invented_for(profile, *TODAY);
    contents.address[5] = last;
    contents
}

fn band(contents: BandContents, change: impl FnOnce(&mut SimulatedBand)) -> Device {
    let address = contents.address;
    let mut band = SimulatedBand::new(contents);
    change(&mut band);
    let service = |known: &tattletale::band::huami::GattService| Service {
        uuid: known.uuid.to_string(),
        characteristics: known
            .characteristics
            .iter()
            .map(|known| {
                let flags = [
                    (known.read, "read"),
                    (known.write, "write"),
                    (known.write_without_response, "write-without-response"),
                    (known.notify, "notify"),
                ];
                let flags = flags.into_iter().filter_map(|(has, flag)| has.then_some(flag)).collect();
                Characteristic { uuid: known.uuid.to_string(), flags, notifying: false }
            })
            .collect(),
    };
    let services = band.gatt().iter().map(service).collect();
    Device::new(address, band, services)
}

/// Reads the last day of a band with its key, and holds it against what the band holds.
async fn read(central: &dyn Central, contents: &BandContents, since: Timestamp) -> Reading {
    let access = Access::Key(contents.key.clone());
    let name = contents.model.name;
    let reading = match read_history(central, contents.model, contents.address, &access, since, WITHIN).await {
        Ok(reading) => reading,
        Err(error) => panic!("{name}: failed to {error}"),
    };
    let history = reading.history.as_ref().expect("the key is right");
    assert!((DAY - 1..=DAY + 2).contains(&(history.samples.len() as i64)), "{name}: {} minutes", history.samples.len());
    let skip = usize::try_from((history.start.as_second() - contents.start.as_second()) / 60).expect("after the first minute");
    assert_eq!(history.samples[..], contents.samples[skip..skip + history.samples.len()], "{name}: no minute is lost or doubled");
    assert_eq!(reading.info.serial.as_ref(), Some(&contents.serial), "{name}");
    reading
}

fn yesterday() -> Timestamp {
    Timestamp::now().saturating_sub(SignedDuration::from_mins(DAY)).expect("a time")
}

#[test]
fn every_model_is_read_through_the_whole_stack() {
    let models = || PROFILES.iter().zip(1u8..).map(|(profile, last)| contents(profile, last));
    let machine = || Machine::Whole(World::with_devices(models().map(|contents| band(contents, |_| {})).collect()));
    alone(machine, async |_fake| {
        let radio = radio();
        for contents in models() {
            let reading = read(&radio, &contents, yesterday()).await;
            assert_eq!(reading.connections, 1, "{}", contents.model.name);
        }
        radio.settle().await;
    });
}

#[test]
fn a_link_that_breaks_in_a_fetch_is_made_again_and_the_fetch_goes_on() {
    let machine = || {
        let breaks = |band: &mut SimulatedBand| {
            band.fault = Some(Fault::DropMidBatch { after_packets: 40 });
            band.faults_left = Some(1);
        };
        Machine::Whole(World::with_devices(vec![band(contents(&MI_BAND_3, 1), breaks)]))
    };
    alone(machine, async |_fake| {
        let radio = radio();
        assert_eq!(read(&radio, &contents(&MI_BAND_3, 1), yesterday()).await.connections, 2);
        radio.settle().await;
    });
}

#[test]
fn a_conversation_over_the_radio_is_recorded_and_played_back() {
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic while locked").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    alone(
        || Machine::Whole(World::with_devices(vec![band(contents(&MI_BAND_3, 1), |_| {})])),
        async |_fake| {
            let (written, contents, since) = (Written::default(), contents(&MI_BAND_3, 1), yesterday());
            let discretion = Discretion { named: vec![contents.address], secret_in: band::secret_in };
            let recording = Recording::new(Arc::new(radio()), Box::new(written.clone()), Clock::real(), discretion).expect("memory");
            let reading = read(&recording, &contents, since).await;
            recording.finish().expect("memory");
            let transcript = Transcript::read(&written.0.lock().expect("no panic while locked")[..]).expect("ours");
            let replaying = Replaying::new(transcript);
            assert_eq!(read(&replaying, &contents, since).await, reading);
            assert!(replaying.unused().is_empty(), "{:?}", replaying.unused());
        },
    );
}
