//! The Huami family, whose bands speak one protocol in dialects: Xiaomi's Mi Bands and Amazfit's first watches. `profile` is the
//! table of its models. Bytes and types meet in pure functions, one file a subject (`authentication`, `handshake` over `curve` and
//! `chunks`, `fetch`, `sensors`, `settings`, `sport`, `time`,
//! `advertisement`); `driver` holds a conversation as the central, `simulator` is
//! the band itself, and these two share nothing else. Where each byte was learned: `docs/protocols/huami-ble.md`.

use std::sync::atomic::AtomicBool;

use async_trait::async_trait;

use super::{Access, Band, BandError, BandModel, Key};
use crate::link::GattLink;

pub mod advertisement;
pub mod authentication;
pub mod characteristics;
pub mod chunks;
pub mod curve;
pub mod fetch;
pub mod handshake;
pub mod profile;
pub mod sensors;
pub mod settings;
pub mod sport;
pub mod time;

#[cfg(test)]
mod conformance;
mod driver;
mod invented;
mod simulator;

pub use profile::{AMAZFIT_BIP, MI_BAND_2, MI_BAND_3, MI_BAND_4, MI_BAND_5, MI_BAND_6, MI_BAND_7, PROFILES, Profile};
pub use simulator::{BandContents, Fault, GattCharacteristic, GattService, JournalEntry, SimulatedBand, Tap};

#[async_trait]
impl BandModel for Profile {
    fn name(&self) -> &'static str {
        self.name
    }

    fn label(&self) -> &'static str {
        self.label
    }

    fn is_named(&self, advertised: &str) -> bool {
        self.is_named(advertised)
    }

    async fn open(&self, link: Box<dyn GattLink>, access: &Access) -> Result<Box<dyn Band>, BandError> {
        driver::open(self, link, access).await
    }

    async fn pair(&self, link: Box<dyn GattLink>, new_key: Key, is_sent: &AtomicBool) -> Result<Box<dyn Band>, BandError> {
        driver::pair(self, link, &new_key, is_sent).await
    }

    fn takes_new_key(&self) -> bool {
        self.authentication == profile::Authentication::ChosenKey
    }
}
