//! The fields of recordings, or of one body, as data: what `fields --format json` prints. Shapes and reasons, no value.

use std::collections::BTreeMap;

use serde::Serialize;

use super::json::escape_invisible;
use crate::model::{
    BlindSpot, ByteRange, Category, Certainty, EndpointFacts, EndpointKey, Evidence, FieldName, FieldShape, Ledger, Observations, Origin,
    Party, PositionSighting, Reason, Receiver, Target, observation::PlantedFacts,
};

/// Version of the data. Raised when a reader of the old one would be wrong.
pub const FIELDS_FORMAT: u32 = 1;

/// What was seen in the recordings of one app, platform, version and scenario; or in one body.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Seen {
    /// What it is of; `None` for one body.
    pub target: Option<Target>,
    /// What must be said of the rig.
    pub disclaimer: Option<String>,
    /// Complete runs; 0 for one body.
    pub runs: u32,
    /// Hosts read, and hosts contacted; `None` for one body.
    pub hosts: Option<(usize, usize)>,
    /// What became of each planted value, by its name.
    pub planted: BTreeMap<String, PlantedRow>,
    /// Positions found near a planted one, the nearest first.
    pub positions: Vec<PositionOf>,
    /// Fields, in the order of endpoints and names.
    pub fields: Vec<FieldOf>,
    /// How much of what was uploaded is understood: all of it, then each host, then each endpoint.
    pub ledger: Vec<LedgerOf>,
    /// What could not be seen, a sentence each.
    pub not_seen: Vec<String>,
}

/// What is known of the bytes uploaded to one place.
#[derive(Clone, Debug, Serialize)]
pub struct LedgerOf {
    /// Everything, a host or an endpoint.
    pub scope: LedgerScope,
    /// Host, or method, host, path and phase; empty for everything.
    pub place: String,
    /// By everything that is known.
    pub ledger: Ledger,
    /// Without what adapters and the app file say.
    pub unaided: Ledger,
}

/// What one row of the ledger is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LedgerScope {
    /// All that was uploaded, but for the phone's own traffic.
    Everything,
    /// One host.
    Host,
    /// One endpoint in one phase.
    Endpoint,
}

impl LedgerScope {
    /// Every scope, the widest first.
    pub const ALL: [Self; 3] = [Self::Everything, Self::Host, Self::Endpoint];

    /// Its word in the data.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::Host => "host",
            Self::Endpoint => "endpoint",
        }
    }
}

/// A position found near a planted one.
#[derive(Clone, Debug, Serialize)]
pub struct PositionOf {
    /// Where it was sent.
    pub endpoint: EndpointKey,
    /// The field; for coordinates in two fields, the latitude's.
    pub field: FieldName,
    /// The longitude's, when it is another.
    pub companion: Option<FieldName>,
    /// Metres from the planted position.
    pub distance_m: f64,
    /// Metres that it reveals: the size of its last digit, or of its cell.
    pub precision_m: f64,
    /// How it was written.
    pub how: String,
    /// How unlikely it is that it stands there by chance.
    pub certainty: Certainty,
    /// All that in a sentence.
    pub sentence: String,
}

/// What became of one planted value.
#[derive(Clone, Debug, Serialize)]
pub struct PlantedRow {
    /// What finding it means.
    pub category: Category,
    /// Whether it was confirmed: a value that is not, and was not found, is "not checked", never "not seen".
    pub confirmed: bool,
    /// Exchanges it was found in.
    pub found_in: u64,
    /// Other exchanges, in which it was found probably.
    pub probably_in: u64,
    /// Whether it can be told from chance only where a field's name speaks of it.
    pub needs_a_name: bool,
    /// Whether it can be told from chance under no name.
    pub too_short: bool,
    /// Whether it is a minute series.
    pub is_series: bool,
    /// Whether it is one, and fields of its kind were sent in pieces too small to be told from chance.
    pub in_pieces: bool,
}

/// One field.
#[derive(Clone, Debug, Serialize)]
pub struct FieldOf {
    /// Where; `None` in one body.
    pub endpoint: Option<EndpointOf>,
    /// Part and path.
    #[serde(flatten)]
    pub name: FieldName,
    /// Type, categories and encoding chain.
    #[serde(skip)]
    pub shape: FieldShape,
    /// Type, by its word in a snapshot: `bytes[1440]`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it means, sorted.
    pub categories: Vec<Category>,
    /// Why.
    pub reasons: Vec<ReasonOf>,
    /// Layers peeled to reach it, outermost first, by their words in a snapshot.
    pub chain: Vec<&'static str>,
    /// Whether it was reached by a guess.
    pub guess: bool,
    /// Where in the raw request body, of the first occurrence.
    pub bytes: Option<ByteRange>,
    /// Bytes of its values, after peeling, that nobody can explain; 0 when somebody can.
    pub unexplained: u64,
    /// Highest entropy of such a value, in bits a byte.
    pub entropy: f64,
    /// Run and exchange of the first occurrence.
    pub first: Option<Place>,
    /// In how many runs, of how many; `None` in one body.
    pub runs: Option<(u32, u32)>,
}

/// Where a field was sent.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointOf {
    /// Method, host, path and phase.
    #[serde(flatten)]
    pub key: EndpointKey,
    /// The maker or somebody else.
    pub party: Party,
    /// Whose traffic it is.
    pub origin: Origin,
    /// Company behind the host.
    pub receiver: Option<Receiver>,
}

/// Why a field has a category.
#[derive(Clone, Debug, Serialize)]
pub struct ReasonOf {
    /// The category.
    pub category: Category,
    /// Why.
    #[serde(flatten)]
    pub reason: Reason,
}

/// Where to look.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Place {
    /// Run of the audit, from 1.
    pub run: u32,
    /// Exchange within that run's capture.
    pub exchange: Option<u64>,
}

impl Seen {
    /// What was seen in recordings, without the phone's own traffic; `target` is what they are of.
    pub fn of(observations: &Observations, target: &Target) -> Self {
        let coverage = &observations.coverage;
        let spots = coverage.blind_spots.iter().filter(|spot| spot.origin != Origin::Phone);
        Self {
            target: Some(target.clone()),
            disclaimer: target.platform.disclaimer().map(str::to_owned),
            runs: observations.runs,
            hosts: Some((coverage.read_hosts(), coverage.all_hosts())),
            planted: observations.planted.iter().map(|(name, facts)| (name.clone(), PlantedRow::of(facts))).collect(),
            positions: positions_of(observations),
            fields: fields_of(observations).collect(),
            ledger: ledger_of(observations),
            not_seen: spots.map(not_seen).collect(),
        }
    }
}

/// What could not be seen, and where, as far as that is known of more than one body.
fn not_seen(spot: &BlindSpot) -> String {
    let place = if spot.endpoint.is_empty() { &spot.host } else { &spot.endpoint };
    if place.is_empty() { spot.sentence.clone() } else { format!("{place}: {}", spot.sentence) }
}

impl PlantedRow {
    fn of(facts: &PlantedFacts) -> Self {
        Self {
            category: facts.category,
            confirmed: facts.confirmed,
            found_in: facts.found_in,
            probably_in: facts.probably_in,
            needs_a_name: facts.needs_a_name,
            too_short: facts.too_short,
            is_series: facts.is_series,
            in_pieces: facts.in_pieces,
        }
    }
}

impl FieldOf {
    /// A field by itself.
    pub fn new(
        name: FieldName,
        shape: FieldShape,
        reasons: impl IntoIterator<Item = (Category, Reason)>,
        bytes: Option<ByteRange>,
    ) -> Self {
        Self {
            endpoint: None,
            name,
            kind: shape.kind.to_string(),
            categories: shape.categories.iter().copied().collect(),
            reasons: reasons.into_iter().map(|(category, reason)| ReasonOf { category, reason }).collect(),
            chain: shape.chain.iter().map(|encoding| encoding.word()).collect(),
            guess: shape.is_guess(),
            bytes,
            shape,
            unexplained: 0,
            entropy: 0.0,
            first: None,
            runs: None,
        }
    }
}

/// The fields as data. Ends with a line break.
pub fn fields_json(seen: &[Seen]) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        format: u32,
        seen: &'a [Seen],
    }
    let document = Document { format: FIELDS_FORMAT, seen };
    let mut text = serde_json::to_string_pretty(&document).expect("fields are plain data with text keys");
    text.push('\n');
    escape_invisible(&text)
}

fn fields_of(observations: &Observations) -> impl Iterator<Item = FieldOf> + '_ {
    let endpoints = observations.endpoints.iter().filter(|(_, facts)| facts.origin != Origin::Phone);
    let all = observations.runs;
    endpoints.flat_map(move |(key, endpoint)| {
        endpoint.fields.iter().map(move |(name, facts)| {
            let bytes = facts.first.as_ref().and_then(|first| first.bytes);
            let field = FieldOf::new(name.clone(), facts.shape.clone(), facts.reasons.iter().cloned(), bytes);
            let place = |first: &Evidence| Place { run: first.run, exchange: first.exchange.map(|id| id.0) };
            FieldOf {
                endpoint: Some(endpoint_of(key, endpoint)),
                unexplained: facts.unexplained,
                entropy: f64::from(facts.entropy) / 10.0,
                first: facts.first.as_ref().map(place),
                runs: Some((facts.runs, all)),
                ..field
            }
        })
    })
}

fn positions_of(observations: &Observations) -> Vec<PositionOf> {
    let mut sightings: Vec<_> = observations.positions.iter().filter(|sighting| sighting.origin != Origin::Phone).collect();
    sightings.sort_by(|a, b| a.distance_m.total_cmp(&b.distance_m));
    let position = |sighting: &PositionSighting| PositionOf {
        endpoint: sighting.endpoint.clone(),
        field: sighting.field.clone(),
        companion: sighting.companion.clone(),
        distance_m: sighting.distance_m,
        precision_m: sighting.precision_m,
        how: sighting.how.clone(),
        certainty: sighting.certainty,
        sentence: sighting.in_words(),
    };
    sightings.into_iter().map(position).collect()
}

fn ledger_of(observations: &Observations) -> Vec<LedgerOf> {
    let row = |scope, place: String| LedgerOf { scope, place, ledger: Ledger::default(), unaided: Ledger::default() };
    let mut rows: BTreeMap<(LedgerScope, String), LedgerOf> = BTreeMap::new();
    for (key, facts) in observations.endpoints.iter().filter(|(_, facts)| facts.origin != Origin::Phone) {
        let endpoint = format!("{}  {}", key.place(), key.phase);
        let places = [(LedgerScope::Everything, String::new()), (LedgerScope::Host, key.host.clone()), (LedgerScope::Endpoint, endpoint)];
        for (scope, place) in places {
            let row = rows.entry((scope, place.clone())).or_insert_with(|| row(scope, place));
            row.ledger += facts.ledger;
            row.unaided += facts.ledger_unaided;
        }
    }
    rows.into_values().collect()
}

fn endpoint_of(key: &EndpointKey, facts: &EndpointFacts) -> EndpointOf {
    EndpointOf { key: key.clone(), party: facts.party, origin: facts.origin, receiver: facts.receiver.clone() }
}
