//! What a step sees of the rig while a scenario runs: the phone, the band, the clock and the record.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    band::{Access, BandModel},
    clock::Hold,
    link::Central,
    model::{ExchangeId, RunEvent},
    phone::Phone,
};

/// The rig on which a scenario runs, as a step sees it.
pub struct Stage<'a> {
    /// The phone.
    pub phone: &'a mut dyn Phone,
    /// Who connects to the band.
    pub central: &'a dyn Central,
    /// Which band, and its key; `None` on a rig without one.
    pub band: Option<BandPlan>,
    /// This run's hold on the clock: every wait of a step is a sleep through it.
    pub hold: &'a mut Hold,
    /// The record.
    pub log: &'a dyn StageLog,
    /// When the last step that did something (was no wait and no phase) began.
    pub acted_at: Timestamp,
}

/// Which band.
#[derive(Clone)]
pub struct BandPlan {
    /// Its model.
    pub model: &'static dyn BandModel,
    /// Its address, display order.
    pub address: [u8; 6],
    /// What we may do on it; a key is never logged.
    pub access: Access,
}

/// The record of a run, as a step sees it.
#[async_trait]
pub trait StageLog: Send + Sync {
    /// Writes an event, in order with the traffic recorded so far; returns when it is written.
    async fn write(&self, event: RunEvent);

    /// Every request seen so far, in the order in which they began.
    fn requests(&self) -> Vec<SeenRequest>;

    /// Exchanges that have begun and not ended.
    fn in_flight(&self) -> usize;

    /// Waits, in real time, until nothing is in flight, at most so long. Tells whether that is so.
    async fn settle(&self, at_most: Duration) -> bool;
}

/// One request, as a waiting step needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRequest {
    /// Exchange.
    pub id: ExchangeId,
    /// Method.
    pub method: String,
    /// Host, lower case.
    pub host: String,
    /// Path, without query.
    pub path: String,
    /// When it began.
    pub began: Timestamp,
    /// When it ended, and with which status; `None` status when there was no answer.
    pub ended: Option<(Timestamp, Option<u16>)>,
    /// When the app last sent a message over the connection that it became (WebSocket).
    pub said: Option<Timestamp>,
}
