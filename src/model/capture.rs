//! Where a capture came from, and how the core reads large bodies without owning a file.

use std::{fmt, io};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AppVersion, Category, Exchange, FieldType, PlantedValue};

/// Version of the capture format. Raised when a reader of the old one would be wrong.
///
/// 2: [`RunEvent::TunnelBegan`](super::RunEvent::TunnelBegan) tells of each tunnel when it is opened.
pub const CAPTURE_FORMAT: u32 = 2;

/// Where a capture came from: the first event of its log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// [`CAPTURE_FORMAT`] when it was written.
    pub format: u32,
    /// Version of tattletale that wrote it.
    pub tool: String,
    /// Recorded here, or imported.
    pub source: CaptureSource,
    /// What was audited.
    pub target: Target,
    /// SHA-256 of the scenario's canonical form (without `about` and `runs`), hex; `None` for imports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario_hash: Option<String>,
    /// Which of the audit's runs this is, from 1.
    pub run: u32,
    /// How many runs the audit was to have.
    pub runs: u32,
    /// What it ran on.
    pub rig: Rig,
    /// Start, on the rig's clock.
    pub started: Timestamp,
    /// Values known before the run; more may follow as events.
    #[serde(default)]
    pub planted: Vec<PlantedValue>,
    /// What the scenario forbids.
    #[serde(default)]
    pub expectations: Vec<Expectation>,
    /// Hosts that this phone talks to with the app stopped (R1); `None` when no control run was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<ControlRun>,
}

/// Recorded here, or imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum CaptureSource {
    /// Imported from a HAR file: what it missed is not known, and phases and tunnels are there only when it was exported by us.
    Har {
        /// Program that wrote the HAR, as it says.
        creator: String,
    },
    /// Imported from a mitmproxy flow file: what it missed is not known, and it has no phases.
    MitmproxyFlows {
        /// Versions of the file's format, as in `18` or `0.18, 21`.
        version: String,
    },
    /// Recorded by the embedded proxy.
    Proxy,
}

/// What was audited: the coordinates of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// App name (`mifit`).
    pub app: String,
    /// Platform.
    pub platform: Platform,
    /// App version.
    pub version: AppVersion,
    /// Scenario name.
    pub scenario: String,
    /// True when these were given on the command line or by a HAR, so nobody checked them: printed as *claimed*.
    #[serde(default)]
    pub claimed: bool,
}

/// Where the app ran. `simulated` and `lab` are named in every output and never compared with real ones (R17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// A real Android phone.
    Android,
    /// A real iPhone.
    Ios,
    /// A test bench with real parts but no phone.
    Lab,
    /// The simulated rig's stand-in app.
    Simulated,
}

impl Platform {
    /// Every platform, sorted by word.
    pub const ALL: [Self; 4] = [Self::Android, Self::Ios, Self::Lab, Self::Simulated];

    /// Its word in paths and files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Android => "android",
            Self::Ios => "ios",
            Self::Lab => "lab",
            Self::Simulated => "simulated",
        }
    }

    /// Reads [`Platform::word`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.word() == word)
    }

    /// What every output about this platform must say, if anything.
    pub const fn disclaimer(self) -> Option<&'static str> {
        match self {
            Self::Android | Self::Ios => None,
            Self::Lab => Some("test bench: says nothing about any real app"),
            Self::Simulated => Some("stand-in app on the simulated rig: says nothing about the real Mi Fit"),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a run ran on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Rig {
    /// A phone in a person's hand: nobody scripted what was done with it, so everything is in the phase `unscripted` (R6), and what
    /// was not done is not known.
    ByHand {
        /// Words for a reader: which proxy, which scope.
        about: String,
    },
    /// Nothing known: an import.
    Imported,
    /// Devices described in rig.yaml.
    Real {
        /// Words for a reader: models, never serials.
        about: String,
    },
    /// The embedded simulated rig.
    Simulated {
        /// Seed of everything that varies: given again with the same scenario, it repeats this run.
        seed: u64,
    },
}

impl Rig {
    /// Whether nobody scripted what happened: its only phase is `unscripted` (R6).
    pub const fn is_unscripted(&self) -> bool {
        matches!(self, Self::ByHand { .. } | Self::Imported)
    }
}

/// The control run: the same phone with the app stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlRun {
    /// Hosts that something was sent to, or a connection was asked for, whether it could be read or not; sorted.
    pub hosts: Vec<String>,
    /// How long it watched, in seconds on the rig's clock.
    pub seconds: u64,
    /// When it was made, on the wall clock, if that was not for this audit: one that is kept with the rig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Timestamp>,
}

/// Something a scenario forbids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// A category must not be uploaded outside phases that explain it.
    NeverCategory(Category),
    /// A narrower field type must not be uploaded outside phases that explain location.
    NeverType(FieldType),
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverCategory(category) => write!(f, "never: {category}"),
            Self::NeverType(kind) => write!(f, "never: {kind}"),
        }
    }
}

/// Opens bodies that are kept outside the event log (R15).
pub trait Bodies {
    /// Opens the spilled body with this SHA-256 (hex).
    ///
    /// # Errors
    /// Whatever the store meets: not found, not readable.
    fn open(&self, sha256: &str) -> io::Result<Box<dyn io::Read + '_>>;
}

/// For captures whose every body is inline.
#[derive(Clone, Copy, Debug)]
pub struct NoBodies;

impl Bodies for NoBodies {
    fn open(&self, _sha256: &str) -> io::Result<Box<dyn io::Read + '_>> {
        Err(io::Error::new(io::ErrorKind::NotFound, "this capture keeps no bodies outside its log"))
    }
}

impl super::Body {
    /// Opens the recorded bytes, wherever they are; `None` when there are none.
    ///
    /// # Errors
    /// Those of [`Bodies::open`].
    pub fn open<'a>(&'a self, bodies: &'a dyn Bodies) -> io::Result<Option<Box<dyn io::Read + 'a>>> {
        use super::BodyContent;
        match &self.content {
            BodyContent::Empty | BodyContent::Absent(_) => Ok(None),
            BodyContent::Inline(bytes) | BodyContent::Torn(bytes) => Ok(Some(Box::new(bytes.expose().as_slice()))),
            BodyContent::Spilled => match &self.sha256 {
                Some(sha256) => bodies.open(sha256).map(Some),
                None => Err(io::Error::new(io::ErrorKind::InvalidData, "a spilled body without a digest")),
            },
            BodyContent::TornSpilled(sha256) => bodies.open(sha256).map(Some),
        }
    }
}

impl Exchange {
    /// Where this exchange is, for a person: `#12 POST api-mifit-de.huami.test`. Host only: a path may be personal.
    pub fn place(&self) -> String {
        format!("#{} {} {}", self.id.0, self.request.method, self.request.url.host)
    }
}

/// A recorded run that can be read again from the start, event by event: a capture folder, a HAR file.
pub trait Recording {
    /// Name for people: the folder's or the file's.
    fn name(&self) -> String;

    /// Where it came from.
    fn provenance(&self) -> &Provenance;

    /// Gives every event in order, with what opens its bodies. Memory does not grow with the recording.
    ///
    /// # Errors
    /// When the recording cannot be read to its end; what was readable has been given by then.
    fn replay(&self, each: &mut dyn FnMut(&super::NumberedEvent, &dyn Bodies)) -> Result<(), RecordingError>;
}

/// Why a recording could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[error("read {name}: {problem}")]
pub struct RecordingError {
    /// Which.
    pub name: String,
    /// What is wrong and where.
    pub problem: String,
}
