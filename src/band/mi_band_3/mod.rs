//! Xiaomi Mi Band 3 (and what speaks exactly as it does): the model's entry in the list. `messages` turns bytes into types,
//! `driver` holds a conversation as the central, `simulator` is the band itself. Where each byte was learned:
//! `docs/protocols/huami-ble.md`.

use async_trait::async_trait;

use super::{Band, BandError, BandModel};
use crate::link::GattLink;

pub mod messages;

mod driver;
mod invented;
mod simulator;

pub use simulator::{BandContents, Fault, JournalEntry, SimulatedMiBand3, Tap};

/// The model.
#[derive(Clone, Copy, Debug)]
pub struct MiBand3;

#[async_trait]
impl BandModel for MiBand3 {
    fn name(&self) -> &'static str {
        "mi-band-3"
    }

    fn is_named(&self, advertised: &str) -> bool {
        matches!(advertised, "Mi Band 3" | "Xiaomi Band 3")
    }

    async fn open(&self, link: Box<dyn GattLink>, key: [u8; 16]) -> Result<Box<dyn Band>, BandError> {
        driver::open(link, key).await
    }
}
