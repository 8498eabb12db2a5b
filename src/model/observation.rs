//! What decoding saw: every endpoint with its fields, whose it is, how often, and where to look. Folds over exchanges merge
//! into the same result in any order.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use super::{
    Coverage, Encoding, ExchangeId, FieldName, FieldShape, LeakGate, Ledger, Quantity, Reason,
    position::{distance_words, exactness_words},
};

/// What decoding saw, of one run or of all runs of an audit.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    /// Runs folded in (complete ones).
    pub runs: u32,
    /// Endpoints by phase, method, host and path.
    pub endpoints: BTreeMap<EndpointKey, EndpointFacts>,
    /// What was read and what not.
    pub coverage: Coverage,
    /// Positions found in uploads that are near a planted one.
    pub positions: Vec<PositionSighting>,
    /// Phases in the order they happened, with the categories each explains.
    pub phases: Vec<(String, BTreeSet<super::Category>)>,
    /// Planted values by name: category, whether confirmed, and in how many exchanges of origin app or unknown each was found.
    pub planted: BTreeMap<String, PlantedFacts>,
    /// What became of what the band held, run by run, sorted. Empty when no band was read.
    pub bands: Vec<super::BandFacts>,
    /// Values that must never be written anywhere (R12).
    pub gate: LeakGate,
}

/// What became of one planted value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlantedFacts {
    /// What finding it means.
    pub category: super::Category,
    /// Whether phone or band confirmed it; otherwise "not checked".
    pub confirmed: bool,
    /// Exchanges in which it was found, beyond chance.
    pub found_in: u64,
    /// Other exchanges, in which it was found probably: [`Certainty::Likely`](super::Certainty) at best.
    pub probably_in: u64,
    /// Whether it is so short that it can be told from chance only where a field's name speaks of it.
    pub needs_a_name: bool,
    /// Whether it is so short that it can be told from chance under no name.
    pub too_short: bool,
    /// Whether it is a minute series.
    pub is_series: bool,
    /// Whether it is one, and fields of its kind were sent in pieces too small to be told from chance.
    pub in_pieces: bool,
}

/// What names an endpoint in a snapshot: phase + method + host (the first-party pattern's own text, or the host) + path template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EndpointKey {
    /// Host pattern or host.
    pub host: String,
    /// Path template.
    pub path: String,
    /// Method.
    pub method: String,
    /// Phase in which the request began.
    pub phase: String,
}

impl EndpointKey {
    /// `POST api-mifit*.huami.test/v1/data/band_data.json`, without the phase.
    pub fn place(&self) -> String {
        format!("{} {}{}", self.method, self.host, self.path)
    }
}

/// What was seen of one endpoint in one phase.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointFacts {
    /// Maker of the app or somebody else.
    pub party: Party,
    /// Whose traffic it is, with the reason.
    pub origin: Origin,
    /// The company behind the host; `None`: unknown.
    pub receiver: Option<Receiver>,
    /// In how many runs.
    pub runs: u32,
    /// Exchanges.
    pub exchanges: u64,
    /// Bytes uploaded.
    pub uploaded_bytes: u64,
    /// What is known of those bytes.
    pub ledger: Ledger,
    /// The same without what vendors' adapters and the app file say.
    pub ledger_unaided: Ledger,
    /// Fields.
    pub fields: BTreeMap<FieldName, FieldFacts>,
    /// The first exchange seen.
    pub first: Option<Evidence>,
}

/// The company behind a host, and where that can be checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Receiver {
    /// The company that runs the host; of a host that is rented out, words that name the landlord as one.
    pub company: String,
    /// Where that company is established: ISO 3166-1 alpha-2, upper case. `None`: unknown.
    pub country: Option<String>,
    /// How that is known: `app.yaml`, a data set with its address, or "generally known" with a page where it can be checked; and the day.
    pub source: String,
}

impl Receiver {
    /// `Adjust GmbH, DE`; without the country where it is unknown.
    pub fn in_words(&self) -> String {
        match &self.country {
            Some(country) => format!("{}, {country}", self.company),
            None => self.company.clone(),
        }
    }
}

/// What was seen of one field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldFacts {
    /// Join of type, categories and chain over its occurrences.
    pub shape: FieldShape,
    /// Why it has its categories.
    pub reasons: BTreeSet<(super::Category, Reason)>,
    /// In how many runs.
    pub runs: u32,
    /// Occurrences.
    pub occurrences: u64,
    /// Bytes of its values, as they are after peeling, that nobody can explain.
    pub unexplained: u64,
    /// Highest entropy of such a value, in tenths of a bit a byte, 0 to 80. Encrypted and compressed bytes have nearly 80.
    pub entropy: u32,
    /// Whether it was sent while what a band held was looked for.
    pub searched: bool,
    /// Readings in it that may be minutes of a band and that nobody can tell from chance: they came in pieces that say too little, and what
    /// all of them say together is not what the band held.
    pub untold: u64,
    /// How many of those could be of each quantity that a band held: by their values, whatever the field is called.
    pub could_be: BTreeMap<Quantity, u64>,
    /// The first occurrence, by run and exchange.
    pub first: Option<Evidence>,
}

/// Where to look: a run, an exchange, and the bytes of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Evidence {
    /// Run of the audit, from 1.
    pub run: u32,
    /// Exchange within that run's capture; `None` for a tunnel.
    pub exchange: Option<ExchangeId>,
    /// Where in the raw request body, when the field sits in one.
    pub bytes: Option<ByteRange>,
    /// Layers peeled, outermost first.
    pub chain: Vec<Encoding>,
}

/// A range of the raw request body, as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// The one after the last.
    pub end: u64,
    /// True when the range is the container's (a whole base64 text, a whole compressed body): the value is somewhere in what
    /// comes out of it.
    pub coarse: bool,
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}..{}", if self.coarse { "in " } else { "" }, self.start, self.end)
    }
}

/// A position found in an upload, near a planted one.
#[derive(Clone, Debug, PartialEq)]
pub struct PositionSighting {
    /// Endpoint, with the phase in which it was sent.
    pub endpoint: EndpointKey,
    /// The field; for coordinates in two fields, the latitude's.
    pub field: FieldName,
    /// The second field, for coordinates in two.
    pub companion: Option<FieldName>,
    /// Whose traffic it is.
    pub origin: Origin,
    /// Phases during which the phone was there.
    pub held_in: BTreeSet<String>,
    /// Metres from the planted position, the nearest over all occurrences.
    pub distance_m: f64,
    /// How it is written, where it is most exact: `decimal degrees, 5 decimals`, `geohash of 7 characters`.
    pub how: String,
    /// Metres that it reveals: the size of the cell, or of one in the last digit; the least over all occurrences.
    pub precision_m: f64,
    /// How unlikely it is that these numbers stand there by chance.
    pub certainty: super::Certainty,
    /// In how many runs.
    pub runs: u32,
    /// Where to look.
    pub evidence: Evidence,
}

impl PositionSighting {
    /// For a reader: how near, where, and how it was written.
    pub fn in_words(&self) -> String {
        let companion = self.companion.as_ref().map(|name| format!(" and {name}")).unwrap_or_default();
        let probably = if self.certainty == super::Certainty::Likely { "probably: " } else { "" };
        format!(
            "{probably}{} from a planted position, {}{companion} of {}, sent in {}: {}, exact to {}",
            distance_words(self.distance_m),
            self.field,
            self.endpoint.place(),
            self.endpoint.phase,
            self.how,
            exactness_words(self.precision_m)
        )
    }
}

/// Maker of the app or somebody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// A host that app.yaml calls the maker's.
    FirstParty,
    /// Any other host.
    #[default]
    ThirdParty,
    /// Nobody said which hosts are the maker's: there is no app file.
    #[serde(rename = "unknown-party")]
    Unknown,
}

impl Party {
    /// Every party, in order.
    pub const ALL: [Self; 3] = [Self::FirstParty, Self::ThirdParty, Self::Unknown];

    /// Its word in snapshots.
    pub const fn word(self) -> &'static str {
        match self {
            Self::FirstParty => "first-party",
            Self::ThirdParty => "third-party",
            Self::Unknown => "unknown-party",
        }
    }
}

/// Whose traffic an exchange or tunnel is (R1). Rules accuse only `App`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The app's: its host is in app.yaml, its package is named in the request, or the host was absent from the control run.
    App,
    /// The phone's or another app's: seen in the control run.
    Phone,
    /// Nobody knows: prints "from this phone while the app ran".
    #[default]
    Unknown,
}

impl Origin {
    /// Its word in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Phone => "phone",
            Self::Unknown => "unknown",
        }
    }
}
