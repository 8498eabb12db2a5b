//! Bands: what they say to anyone, what they hold, and how each model is read. Messages, driver and simulator of a family sit
//! side by side; which link carries them is `link`'s.

use std::{sync::atomic::AtomicBool, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::link::{Central, GattLink, LinkError, discreet};

mod access;
pub mod generic;
mod history;
pub mod huami;
mod reading;
mod shouts;
mod workout;

pub use access::{Access, Key};
pub use history::{History, Sample};
pub use huami::authentication::secret_in;
pub use reading::{CONNECTIONS_MAX, Reading, read_history};
pub use shouts::{Shouted, shouts};
pub use workout::{TrackPoint, Workout, WorkoutKind};

/// Every band model, sorted by name. To add one: one file (or one row of a family's table), one entry.
pub const MODELS: &[&dyn BandModel] = &[
    &huami::AMAZFIT_BIP,
    &generic::Generic,
    &huami::MI_BAND_2,
    &huami::MI_BAND_3,
    &huami::MI_BAND_4,
    &huami::MI_BAND_5,
    &huami::MI_BAND_6,
    &huami::MI_BAND_7,
];

/// A model: how to know one by its advertisement and how to talk to it.
#[async_trait]
pub trait BandModel: Send + Sync {
    /// Name as in rig.yaml (`mi-band-3`).
    fn name(&self) -> &'static str;

    /// Name for people (`Xiaomi Mi Band 3`).
    fn label(&self) -> &'static str;

    /// Whether an advertised name is this model's.
    fn is_named(&self, advertised: &str) -> bool;

    /// Makes a band of a connection. With a key it authenticates with it; the band must know it already. Without one it asks for
    /// nothing: [`BandError::NeedsKey`] comes when something is read that needs it.
    ///
    /// # Errors
    /// Why not; [`BandError::WrongKey`] when the band knows another key. The connection is ended then.
    async fn open(&self, link: Box<dyn GattLink>, access: &Access) -> Result<Box<dyn Band>, BandError>;

    /// Gives the band a new key, for which the wearer has to tap on it, and authenticates. This **throws the phone app out**: the
    /// band forgets the key that it had, and the app has to pair again. Only for a caller to whom a person said yes. `is_sent` is set
    /// when the key goes to the band: from then on it may have taken it, whatever this comes to, also when nobody waits for it any more.
    ///
    /// # Errors
    /// [`BandError::NotTapped`]; [`BandError::Unsupported`] for a model that [takes no key](BandModel::takes_new_key).
    async fn pair(&self, link: Box<dyn GattLink>, new_key: Key, is_sent: &AtomicBool) -> Result<Box<dyn Band>, BandError>;

    /// Whether it can be paired anew with a key of one's own: of some models the key comes from the vendor's server, and some have none.
    fn takes_new_key(&self) -> bool {
        false
    }
}

/// A connected band. Nothing here writes firmware, alarms, the time or the "drop what I acknowledged" byte.
#[async_trait]
pub trait Band: Send {
    /// Whether the band took our key. Without, only [`Band::device_info`] and [`Band::clock`] answer.
    fn is_authenticated(&self) -> bool;

    /// What it says of itself. Needs no key.
    ///
    /// # Errors
    /// Those of the link, and [`BandError::Garbled`].
    async fn device_info(&mut self) -> Result<DeviceInfo, BandError>;

    /// What its clock shows. Needs no key.
    ///
    /// # Errors
    /// Those of the link, [`BandError::Garbled`], and [`BandError::Unsupported`] for a model without a clock.
    async fn clock(&mut self) -> Result<BandClock, BandError>;

    /// What it counted since its own midnight.
    ///
    /// # Errors
    /// [`BandError::NeedsKey`], and those of [`Band::clock`].
    async fn activity_today(&mut self) -> Result<ActivityToday, BandError>;

    /// Measures the heart rate once, in beats per minute. The sensor is switched off again on every way out; where the caller stops
    /// waiting, by the next call, [`Band::release`] included.
    ///
    /// # Errors
    /// [`LinkError::Silent`] when it found no pulse within the time (nobody wears it), and those of [`Band::activity_today`].
    async fn measure_heart_rate(&mut self, within: Duration) -> Result<u8, BandError>;

    /// Appends to `into` the minutes from `since` (rounded down to a minute) up to what the band has. When `into` holds some
    /// already, it goes on after them. On an error what came whole stays in `into`, so that the same call over a new connection
    /// goes on with the minute after the last one.
    ///
    /// # Errors
    /// [`BandError::NeedsKey`]; those of the link; [`BandError::Garbled`] when packets are missing or the checksum is wrong: of
    /// such a batch nothing stays.
    async fn history(&mut self, since: Timestamp, into: &mut History) -> Result<(), BandError>;

    /// Workouts that began at `since` or later, oldest first, with their tracks.
    ///
    /// # Errors
    /// [`BandError::Unsupported`] for a model that has none, and those of [`Band::history`].
    async fn workouts(&mut self, since: Timestamp) -> Result<Vec<Workout>, BandError>;

    /// Vibrates for a second or so, so that a person finds it. It is ended as a measurement is.
    ///
    /// # Errors
    /// Those of [`Band::activity_today`].
    async fn vibrate(&mut self) -> Result<(), BandError>;

    /// Lets go of the band, so that the phone can have it. What is still on, a sensor or a vibration, is switched off first; a band that
    /// is dropped without this is left as it was.
    ///
    /// # Errors
    /// Those of the link; it is let go all the same.
    async fn release(&mut self) -> Result<(), BandError>;
}

/// What a band says of itself, to anyone. What it does not say is `None`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Device address, display order.
    pub address: Option<[u8; 6]>,
    /// Serial number, text.
    pub serial: Option<String>,
    /// Hardware revision, text (`V0.18.4.3`).
    pub hardware: Option<String>,
    /// Firmware version, text (`V2.3.0.2`).
    pub firmware: Option<String>,
    /// How full it is.
    pub battery: Option<Battery>,
    /// What it said of these in a form that is not understood: `serial number`.
    pub odd: Vec<&'static str>,
}

/// How full a band is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Battery {
    /// Percent, 0 to 100.
    pub level: u8,
    /// Whether it is on its charger; `None` when the model does not say.
    pub charging: Option<bool>,
}

/// What a band's clock shows. It keeps local time and knows no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BandClock {
    /// The moment that its local time and its offset mean.
    pub now: Timestamp,
    /// Offset of its local time, seconds east of UTC.
    pub utc_offset_s: i32,
}

/// What a band counted since its own midnight.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ActivityToday {
    /// Steps.
    pub steps: u32,
    /// Distance in metres.
    pub metres: Option<u32>,
    /// Energy in kilocalories.
    pub kilocalories: Option<u32>,
}

discreet!(ActivityToday, DeviceInfo);

/// Why a band could not be read. Reads after "failed to".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BandError {
    /// The band's answer makes no sense: lost packets, a wrong checksum, a length that cannot be.
    #[error("understand the band: {0}")]
    Garbled(String),
    /// The link failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The link ended, and the battery was so low before that the band may have gone off.
    #[error("read the band: its battery is at {level} %, so that it may have gone off; charge it (failed to {error})")]
    Flat {
        /// How full it was, in percent.
        level: u8,
        /// How the link ended.
        error: LinkError,
    },
    /// What was asked for needs the band's key.
    #[error("read what only the owner may: this needs the band's key")]
    NeedsKey,
    /// The wearer did not tap in time, or refused.
    #[error("pair with the band: nobody tapped on it in time")]
    NotTapped,
    /// The band refuses a request, with this code of its own.
    #[error("read the band: it refuses the request (code 0x{0:02x}); another phone may be reading it")]
    Refused(u8),
    /// The band did not come to an end of what it tells in the time that it had.
    #[error("read the band to the end within {within:?}: it had told {minutes} minutes by then; ask for a shorter time, or give it longer")]
    Unfinished {
        /// The limit.
        within: Duration,
        /// Minutes that it had told.
        minutes: usize,
    },
    /// The model cannot do this.
    #[error("do this with this model of band: it does not {0}")]
    Unsupported(&'static str),
    /// The band knows another key.
    #[error("authenticate: the band knows another key; take the app's key, or pair anew with --pair (this throws the phone app out)")]
    WrongKey,
}

/// The model of this name.
pub fn named(name: &str) -> Option<&'static dyn BandModel> {
    MODELS.iter().copied().find(|model| model.name() == name)
}

/// Connects to the band with this address and opens it in one go.
///
/// # Errors
/// Those of [`Central::connect`] and [`BandModel::open`].
pub async fn connect(central: &dyn Central, model: &dyn BandModel, address: [u8; 6], access: &Access) -> Result<Box<dyn Band>, BandError> {
    let link = central.connect(address).await?;
    model.open(link, access).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_band_says_is_in_no_debugging_text() {
        let at: Timestamp = "2026-03-14T09:00:00Z".parse().expect("a time");
        let sample = Sample { kind: 51, intensity: 52, steps: 53, heart_rate: 54 };
        let track = vec![TrackPoint { at, lat: 52.5, lon: 4.5, altitude: None }];
        let kind = WorkoutKind::Walk;
        let (start, end, heart_rates) = (at, at, vec![(at, 54)]);
        let (steps, metres, kilocalories, heart_rate) = (Some(53), Some(54.0), Some(55.0), Some(56));
        let workout = Workout { kind, start, end, steps, metres, kilocalories, heart_rate, track: track.clone(), heart_rates };
        let history = History { start: at, utc_offset_s: 0, samples: vec![sample] };
        let info = DeviceInfo { address: Some([53; 6]), serial: Some("54".into()), ..DeviceInfo::default() };
        let today = ActivityToday { steps: 53, metres: None, kilocalories: None };
        let (characteristic, value) = (crate::link::sig_uuid(0x2a37), vec![0, 53]);
        let notification = crate::link::Notification { characteristic, value };
        let manufacturer_data = vec![(0x0157, huami::advertisement::clear_form(53, [54; 6]))];
        let (name, service_data, rssi) = (Some("51".into()), Vec::new(), Some(-55));
        let advertisement = crate::link::Advertisement { address: [51; 6], name, manufacturer_data, service_data, rssi };
        let (told, shouted) = (huami::advertisement::read(&advertisement), shouts(&advertisement));
        let texts = [
            format!("{sample:?}{track:?}{workout:?}{history:?}{info:?}{today:?}"),
            format!("{notification:?}{advertisement:?}{told:?}{shouted:?}"),
            format!(
                "{:?}",
                Reading {
                    info,
                    is_authenticated: true,
                    clock: None,
                    history: Some(history),
                    needs_key: false,
                    workouts: Ok(vec![workout]),
                    connections: 1,
                }
            ),
        ];
        for text in texts {
            assert!(text.contains("{ .. }") && !text.contains('5'), "{text}");
        }
    }

    #[test]
    fn models_are_sorted_and_have_one_name_each() {
        assert!(MODELS.is_sorted_by(|a, b| a.name() < b.name()));
        for model in MODELS {
            assert_eq!(named(model.name()).map(BandModel::label), Some(model.label()));
        }
        assert!(named("mi-band-0").is_none());
    }
}
