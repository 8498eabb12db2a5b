//! Bands: what they hold, by model. Messages, driver and simulator of a model sit side by side in one file.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::link::{Central, GattLink, LinkError};

pub mod mi_band_3;

/// Every band model, sorted by name. To add one: one file, one entry.
pub const MODELS: &[&dyn BandModel] = &[&mi_band_3::MiBand3];

/// A model: how to know one by its advertisement and how to talk to it.
#[async_trait]
pub trait BandModel: Send + Sync {
    /// Name as in rig.yaml (`mi-band-3`).
    fn name(&self) -> &'static str;

    /// Whether an advertised name is this model's.
    fn is_named(&self, advertised: &str) -> bool;

    /// Connects, authenticates with a key that the band already knows, and hands out the band.
    ///
    /// # Errors
    /// Why not; [`BandError::WrongKey`] when the band knows another key.
    async fn open(&self, link: Box<dyn GattLink>, key: [u8; 16]) -> Result<Box<dyn Band>, BandError>;
}

/// A connected band. Read-only: nothing here writes firmware, alarms or the "drop what I acknowledged" byte.
#[async_trait]
pub trait Band: Send {
    /// Serial number, address, firmware.
    ///
    /// # Errors
    /// Those of the link.
    async fn device_info(&mut self) -> Result<DeviceInfo, BandError>;

    /// Minute samples from `since` (rounded down to a minute) up to what the band has, in order, without gaps.
    ///
    /// # Errors
    /// Those of the link, and [`BandError::Garbled`] when packets are missing or the checksum is wrong.
    async fn history(&mut self, since: Timestamp) -> Result<History, BandError>;

    /// Lets go of the band, so that the phone can have it.
    ///
    /// # Errors
    /// Those of the link; it is let go all the same.
    async fn release(&mut self) -> Result<(), BandError>;
}

/// What a band says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Device address, display order.
    pub address: [u8; 6],
    /// Serial number, text.
    pub serial: String,
    /// Firmware version, text (`V2.3.0.2`).
    pub firmware: String,
    /// Battery level, percent.
    pub battery: u8,
}

/// Minute samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Time of the first sample.
    pub start: Timestamp,
    /// Offset of the band's local time, seconds east of UTC.
    pub utc_offset_s: i32,
    /// Sample n is for `start` + n minutes.
    pub samples: Vec<Sample>,
}

/// One minute as the band counted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Activity kind, model-specific (`docs/protocols/huami-ble.md`).
    pub kind: u8,
    /// Intensity, 0 to 255.
    pub intensity: u8,
    /// Steps in this minute.
    pub steps: u8,
    /// Beats per minute; 255 when there was no reading.
    pub heart_rate: u8,
}

/// Why a band could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BandError {
    /// The band's answer makes no sense: lost packets, a wrong checksum, a length that cannot be.
    #[error("understand the band: {0}")]
    Garbled(String),
    /// The link failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The band knows another key.
    #[error("authenticate: the band knows another key; take the app's key, or pair anew with --pair (this throws the phone app out)")]
    WrongKey,
}

/// Finds the band's central and opens the band in one go.
///
/// # Errors
/// Those of [`Central::connect`] and [`BandModel::open`].
pub async fn connect(central: &dyn Central, model: &dyn BandModel, address: [u8; 6], key: [u8; 16]) -> Result<Box<dyn Band>, BandError> {
    let link = central.connect(address).await?;
    model.open(link, key).await
}
