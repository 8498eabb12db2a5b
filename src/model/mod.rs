//! The nouns: plain data that every other module speaks in. No I/O, and no import of another module of ours.

pub mod alteration;
pub mod app;
pub mod attachment;
pub mod capture;
pub mod captured;
pub mod category;
pub mod change;
pub mod conservation;
pub mod control;
pub mod coverage;
pub mod event;
pub mod exchange;
pub mod field;
pub mod finding;
pub mod journal;
pub mod leak;
pub mod ledger;
pub mod minutes;
pub mod observation;
pub mod planted;
pub mod policy;
pub mod position;
pub mod report;
pub mod snapshot;
pub mod text;
pub mod tunnel;
pub mod version;

pub use alteration::Alteration;
pub use app::{App, Endpoint, HostPattern, KnownLeaf, PathTemplate, ProtobufCall};
pub use attachment::{Attachment, AttachmentKind};
pub use capture::{Bodies, CaptureSource, ControlRun, Expectation, NoBodies, Platform, Provenance, Recording, RecordingError, Rig, Target};
pub use captured::Captured;
pub use category::Category;
pub use change::{Change, ChangeKind, Confidence};
pub use conservation::{BandFacts, Conservation, ConservationRow, Held, Quantity};
pub use coverage::{BlindSpot, BlindSpotKind, Coverage, HostCoverage};
pub use event::{NumberedEvent, RunEnding, RunEvent};
pub use exchange::{Body, BodyContent, Exchange, ExchangeId, Header, Message, Request, Response, Url};
pub use field::{Certainty, Encoding, FieldName, FieldShape, FieldType, Part, Reason};
pub use finding::{Finding, FindingId, Severity, Verdict};
pub use journal::{Journal, JournalEntry, JournalPhone, PhoneChange};
pub use leak::{Leak, LeakGate};
pub use ledger::{Ledger, Standing};
pub use minutes::{MinuteSet, Minutes};
pub use observation::{
    ByteRange, EndpointFacts, EndpointKey, Evidence, FieldFacts, Observations, Origin, Party, PositionSighting, Receiver,
};
pub use planted::{Planted, PlantedSource, PlantedValue};
pub use policy::{Accepted, Policy};
pub use position::Position;
pub use report::{Baseline, EndpointRow, Report};
pub use snapshot::{Snapshot, SnapshotEndpoint, SnapshotField, SnapshotHeader};
pub use tunnel::{Leaving, LeftBy, PassReason, PassedBytes, Tunnel, TunnelEvidence, TunnelId, TunnelOutcome};
pub use version::AppVersion;
