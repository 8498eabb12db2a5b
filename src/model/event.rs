//! What happened in a run, in order. Progress, log, capture file and tests consume the same stream, numbered by one writer.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Alteration, AppVersion, Attachment, Category, Exchange, ExchangeId, Message, PlantedValue, Position, Provenance, Tunnel, TunnelId,
};

/// One event with the number its writer gave it. An exchange belongs to the phase whose event has the highest number below
/// that of the exchange's first event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NumberedEvent {
    /// 1, 2, 3 … without gaps.
    pub n: u64,
    /// When, on the rig's clock.
    pub at: Timestamp,
    /// What.
    pub event: RunEvent,
}

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant, reason = "events are written and read one at a time, and tunnels are few beside exchanges")]
pub enum RunEvent {
    /// The app that runs is not as its vendor made it, or a script that altered it has ended.
    AppAltered(Alteration),
    /// A step installed the app.
    AppInstalled {
        /// The version that is there now. Where it is not the run's, what follows is of another version.
        version: AppVersion,
    },
    /// A file was put beside the log.
    Attached(Attachment),
    /// A request's head was read. Its exchange follows when it is over; one that never follows was torn by a crash.
    ExchangeBegan {
        /// Number within the capture.
        id: ExchangeId,
        /// Method.
        method: String,
        /// Host.
        host: String,
        /// The tunnel it came through. Captures of before this was told, and imports, say nothing here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tunnel: Option<TunnelId>,
    },
    /// An exchange is over.
    Exchange(Box<Exchange>),
    /// Something about an exchange that is not over, and no error: that it was sent to the server twice, for one.
    ExchangeNoted {
        /// Number within the capture.
        id: ExchangeId,
        /// What, without captured values.
        note: String,
    },
    /// A message of a connection that stays open (WebSocket), as it passed. Its exchange follows when the connection is over.
    Message(Box<Message>),
    /// The phone counted bytes of the app that went past the proxy. Nobody has seen what they were, nor to whom they went.
    OutsideProxy {
        /// Bytes that the app sent.
        sent: u64,
        /// Bytes that it received.
        received: u64,
    },
    /// What the app sent past the proxy could not be counted, or not all of it: nobody knows whether there was anything.
    OutsideUncounted {
        /// Why, as a clause that reads after "because ", without captured values.
        why: String,
    },
    /// A new phase: what happens from here on is explained by its name and categories.
    PhaseBegan {
        /// Name, unique within the scenario.
        name: String,
        /// Categories that this phase explains.
        explains: Vec<Category>,
    },
    /// The phone was moved, and said so when asked.
    PhoneMoved {
        /// Where it is now.
        position: Position,
        /// Whether the phone confirmed it.
        confirmed: bool,
    },
    /// A value became known to be on the phone or the band.
    Planted(PlantedValue),
    /// The run is over. A capture without this event is incomplete.
    RunEnded {
        /// How.
        ending: RunEnding,
    },
    /// The run began. Always the first event.
    RunStarted(Box<Provenance>),
    /// A step began.
    StepBegan {
        /// Its name as in the scenario file (`waitForQuiet`).
        step: String,
        /// Line of the scenario file.
        line: u32,
        /// The scenario file, from the app's folder, when another one than the run's own holds the step (`parts/sign-in.yaml`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
    },
    /// The step that began last and is not over yet is over: a step may hold others.
    StepEnded {
        /// What it says about itself, without captured values.
        note: String,
    },
    /// A tunnel is over.
    Tunnel(Tunnel),
    /// A CONNECT was read. Its tunnel follows when it is over; one that never follows was open when the recording broke off.
    /// Captures of format 1 have none of these.
    TunnelBegan {
        /// Number within the capture.
        id: TunnelId,
        /// Phase in which it was opened.
        phase: String,
        /// Host of the CONNECT, lower case.
        host: String,
        /// Port of the CONNECT.
        port: u16,
    },
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "how")]
pub enum RunEnding {
    /// Every step was done.
    Complete,
    /// An instrument failed.
    InstrumentFailed {
        /// Which, and why.
        why: String,
    },
    /// A person stopped it.
    Interrupted,
    /// The self-check before the run found that the phone's traffic cannot be read, so nothing was done.
    SelfCheckFailed {
        /// What arrived at the proxy instead of the probe.
        why: String,
    },
    /// A step failed, so the scenario did not happen as written.
    StepFailed {
        /// Which, what was awaited and what was seen.
        why: String,
    },
}
