//! The Huami family, whose bands speak one protocol in dialects: Xiaomi's Mi Bands and Amazfit's first watches. `profile` is the
//! table of its models; `messages` turns bytes into types, `driver` holds a conversation as the central, `simulator` is the band
//! itself. Where each byte was learned: `docs/protocols/huami-ble.md`.

use async_trait::async_trait;

use super::{Access, Band, BandError, BandModel, Key};
use crate::link::GattLink;

pub mod advertisement;
pub mod messages;

mod driver;
mod invented;
mod profile;
mod simulator;

pub use profile::{MI_BAND_3, Profile};
pub use simulator::{BandContents, Fault, JournalEntry, SimulatedBand, Tap};

#[async_trait]
impl BandModel for Profile {
    fn name(&self) -> &'static str {
        self.name
    }

    fn label(&self) -> &'static str {
        self.label
    }

    fn is_named(&self, advertised: &str) -> bool {
        self.names.contains(&advertised)
    }

    async fn open(&self, link: Box<dyn GattLink>, access: &Access) -> Result<Box<dyn Band>, BandError> {
        driver::open(link, access).await
    }

    async fn pair(&self, link: Box<dyn GattLink>, new_key: Key) -> Result<Box<dyn Band>, BandError> {
        driver::pair(link, &new_key).await
    }
}
