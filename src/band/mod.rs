//! Bands: what they say to anyone, what they hold, and how each model is read. Messages, driver and simulator of a family sit
//! side by side; which link carries them is `link`'s.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::link::{Central, GattLink, LinkError};

mod access;
pub mod generic;
mod history;
pub mod huami;
mod reading;
mod shouts;
mod workout;

pub use access::{Access, Key};
pub use history::{History, Sample};
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
    /// band forgets the key that it had, and the app has to pair again. Only for a caller to whom a person said yes.
    ///
    /// # Errors
    /// [`BandError::NotTapped`]; [`BandError::Unsupported`] for a model whose key comes from the vendor's server.
    async fn pair(&self, link: Box<dyn GattLink>, new_key: Key) -> Result<Box<dyn Band>, BandError>;
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

    /// Measures the heart rate once, in beats per minute. The sensor is switched off again on every way out.
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

    /// Vibrates for a second or so, so that a person finds it.
    ///
    /// # Errors
    /// Those of [`Band::activity_today`].
    async fn vibrate(&mut self) -> Result<(), BandError>;

    /// Lets go of the band, so that the phone can have it.
    ///
    /// # Errors
    /// Those of the link; it is let go all the same.
    async fn release(&mut self) -> Result<(), BandError>;
}

/// What a band says of itself, to anyone. What it does not say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivityToday {
    /// Steps.
    pub steps: u32,
    /// Distance in metres.
    pub metres: Option<u32>,
    /// Energy in kilocalories.
    pub kilocalories: Option<u32>,
}

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
    /// Its battery is so low that it goes off instead of answering.
    #[error("read the band: its battery is at {0} %, and it went off; charge it")]
    Flat(u8),
    /// What was asked for needs the band's key.
    #[error("read what only the owner may: this needs the band's key")]
    NeedsKey,
    /// The wearer did not tap in time, or refused.
    #[error("pair with the band: nobody tapped on it in time")]
    NotTapped,
    /// The band refuses a request, with this code of its own.
    #[error("read the band: it refuses the request (code 0x{0:02x}); another phone may be reading it")]
    Refused(u8),
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
    fn models_are_sorted_and_have_one_name_each() {
        assert!(MODELS.is_sorted_by(|a, b| a.name() < b.name()));
        for model in MODELS {
            assert_eq!(named(model.name()).map(BandModel::label), Some(model.label()));
        }
        assert!(named("mi-band-0").is_none());
    }
}
