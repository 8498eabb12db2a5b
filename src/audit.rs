//! The core composed in one function: recordings to observations, snapshot, changes, findings and verdict. Reads recordings
//! through their trait, writes nothing.

mod conservation;

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::{
    decode::{self, Observer},
    detect::{self, Case},
    diff::{self, Comparison, Counting},
    model::{
        App, BlindSpot, BlindSpotKind, EndpointRow, Expectation, Observations, Origin, Policy, Provenance, Recording, RecordingError,
        Report, Rig, Snapshot, Target, Verdict,
        observation::PlantedFacts,
        report::{Baseline, REPORT_FORMAT},
        snapshot::{LEAST_OLD_RUNS, Unread},
    },
    snapshot,
};

/// Decodes one recording from start to end.
///
/// # Errors
/// When the recording cannot be read to its end.
pub fn observe(recording: &dyn Recording, app: &App) -> Result<Observations, RecordingError> {
    let mut observer = Observer::new(app, recording.provenance());
    recording.replay(&mut |event, bodies| observer.absorb(&event.event, bodies))?;
    Ok(observer.finish())
}

/// What is audited: the recordings of one app, platform, version and scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// App, platform, version, scenario.
    pub target: Target,
    /// SHA-256 of the scenario's canonical form in hex; `None` for imports.
    pub scenario_hash: Option<String>,
    /// Names of the recordings, in run order.
    pub captures: Vec<String>,
    /// How many runs the audit was to have, as its recordings say.
    pub planned: u32,
    /// Words on the rig, with its seeds.
    pub rig: String,
    /// What the scenario forbids, each once.
    pub expectations: Vec<Expectation>,
}

impl Subject {
    /// What these recordings, each with its name, say they are of; the first one decides. `None` when there are none.
    pub fn of<'a>(recordings: impl IntoIterator<Item = (String, &'a Provenance)>) -> Option<Self> {
        let mut recordings: Vec<(String, &Provenance)> = recordings.into_iter().collect();
        recordings.sort_by(|a, b| (a.1.run, &a.0).cmp(&(b.1.run, &b.0)));
        let first = recordings.first()?.1;
        let mut expectations = Vec::new();
        for expectation in recordings.iter().flat_map(|(_, provenance)| &provenance.expectations) {
            if !expectations.contains(expectation) {
                expectations.push(expectation.clone());
            }
        }
        Some(Self {
            target: first.target.clone(),
            scenario_hash: first.scenario_hash.clone(),
            rig: rig_words(recordings.iter().map(|(_, provenance)| &provenance.rig)),
            captures: recordings.iter().map(|(name, _)| name.clone()).collect(),
            planned: recordings.iter().map(|(_, provenance)| provenance.runs).max().unwrap_or_default(),
            expectations,
        })
    }
}

/// Everything an audit needs. All of it is data; nothing is looked up.
#[derive(Clone, Debug)]
pub struct AuditInput<'a> {
    /// What decoding saw, over all runs.
    pub observations: &'a Observations,
    /// What is audited.
    pub subject: &'a Subject,
    /// What the scenario is about; empty when nobody says.
    pub about: &'a str,
    /// The snapshot to compare with, and where it came from: a file name, or "embedded".
    pub baseline: Option<(&'a Snapshot, &'a str)>,
    /// What the organisation decided.
    pub policy: &'a Policy,
    /// Today, for the expiry of policy entries (the last day still counts).
    pub today: Date,
    /// Which changes count.
    pub counting: Counting,
    /// Version of tattletale.
    pub tool: &'a str,
}

/// What an audit gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    /// What people read.
    pub report: Report,
    /// The shapes of what was seen.
    pub snapshot: Snapshot,
    /// Whether the snapshot is to be written as pending: a change counts (R7), or there is nothing accepted to compare with.
    pub pending: bool,
}

/// Compares, judges and sums up.
pub fn audit(input: &AuditInput<'_>) -> Audit {
    let AuditInput { observations, subject, .. } = *input;
    let snapshot = snapshot::from_observations(observations, &subject.target, subject.scenario_hash.as_deref());
    let options = diff::Options { counting: input.counting };
    // Without a complete run there is nothing to compare: what was not recorded is not gone.
    let comparable = input.baseline.filter(|_| observations.runs > 0);
    let (comparison, incomparable) = match comparable.map(|(old, _)| diff::compare(old, &snapshot, options)) {
        None => (Comparison::default(), None),
        Some(Ok(comparison)) => (comparison, None),
        Some(Err(problem)) => (Comparison::default(), Some(format!("cannot {problem}"))),
    };
    let baseline = input.baseline.filter(|_| incomparable.is_none());
    let case = Case {
        observations,
        snapshot: &snapshot,
        changes: &comparison.changes,
        baseline: baseline.map(|(old, _)| old),
        expectations: &subject.expectations,
        target: &subject.target,
        policy: input.policy,
    };
    let findings = detect::findings(&case, input.today);

    let mut doubts: Vec<String> = incomparable.into_iter().collect();
    doubts.extend(comparison.doubts);
    doubts.extend(doubts_of_runs(observations.runs, subject));
    doubts.extend(doubts_of_coverage(observations, input.baseline.is_some(), baseline.map(|(old, _)| old)));
    doubts.extend(detect::unanswered(&case));
    let failing = findings.iter().filter(|finding| finding.accepted.is_none() && finding.severity >= input.policy.fail_level).count();
    let verdict = if failing > 0 {
        Verdict::Finding { count: failing }
    } else if doubts.is_empty() {
        Verdict::Clean
    } else {
        Verdict::Inconclusive { reasons: doubts.clone() }
    };

    let counts = comparison.changes.iter().any(|change| change.confidence == crate::model::Confidence::Counts);
    let pending = observations.runs > 0 && (input.baseline.is_none() || counts);
    let report = Report {
        format: REPORT_FORMAT,
        tool: input.tool.to_owned(),
        target: subject.target.clone(),
        about: input.about.to_owned(),
        disclaimer: subject.target.platform.disclaimer().map(str::to_owned),
        rig: subject.rig.clone(),
        captures: subject.captures.clone(),
        coverage: observations.coverage.clone(),
        endpoints: endpoint_rows(observations),
        planted: planted(observations),
        conservation: conservation::tables(&observations.bands),
        positions: positions(observations),
        late_positions: detect::late_positions(&case),
        baseline: baseline.map(|(old, place)| Baseline {
            version: old.header.target.version.clone(),
            runs: old.header.runs,
            place: place.to_owned(),
            same_version: old.header.target.version.name == subject.target.version.name,
        }),
        changes: comparison.changes,
        findings,
        verdict,
        doubts,
    };
    Audit { report, snapshot, pending }
}

/// What became of each planted value: its name, and words for a person. Not confirmed is "not checked", never "not seen" (R10); nor
/// is anything checked where no request was read.
pub fn planted(observations: &Observations) -> Vec<(String, String)> {
    let exchanges = |count: u64| if count == 1 { "1 exchange".to_owned() } else { format!("{count} exchanges") };
    let nothing_read = observations.endpoints.is_empty() && observations.coverage.hosts.values().all(|host| host.exchanges == 0);
    let words = |facts: &PlantedFacts| match (facts.confirmed, facts.found_in) {
        (_, found) if found > 0 => format!("found in {}", exchanges(found)),
        _ if facts.probably_in > 0 => format!("probably found in {}", exchanges(facts.probably_in)),
        _ if nothing_read => "not checked: nothing was read".to_owned(),
        (true, _) if facts.in_pieces => decode::IN_PIECES.to_owned(),
        (true, _) if facts.too_short && facts.is_series => decode::TOO_EVEN.to_owned(),
        (true, _) if facts.too_short => decode::TOO_SHORT.to_owned(),
        (true, _) if facts.needs_a_name => decode::NEEDS_A_NAME.to_owned(),
        (true, _) => "not seen in what could be read".to_owned(),
        (false, _) => "not checked: nobody confirmed it".to_owned(),
    };
    observations.planted.iter().map(|(name, facts)| (name.clone(), words(facts))).collect()
}

/// What an audit of fewer runs than planned, or than R7 needs, cannot tell.
fn doubts_of_runs(complete: u32, subject: &Subject) -> Vec<String> {
    let mut doubts = Vec::new();
    let (given, planned) = (subject.captures.len(), subject.planned);
    if u32::try_from(given).is_ok_and(|given| given < planned) {
        doubts.push(format!("{given} of the {planned} runs this audit was to have"));
    }
    if (1..LEAST_OLD_RUNS).contains(&complete) {
        let runs = if complete == 1 { "1 complete run" } else { "2 complete runs" };
        doubts.push(format!("{runs}: what is gone cannot be told from chance in fewer than {LEAST_OLD_RUNS}"));
    }
    doubts
}

/// Why what was recorded cannot answer (R2), one sentence a reason.
fn doubts_of_coverage(observations: &Observations, has_baseline: bool, baseline: Option<&Snapshot>) -> Vec<String> {
    let coverage = &observations.coverage;
    let mut doubts = Vec::new();
    if coverage.complete_runs == 0 {
        doubts.push("no run was complete".into());
    }
    doubts.extend(coverage.incomplete_runs.iter().map(|why| format!("incomplete: {why}")));
    doubts.extend(coverage.doubts.iter().cloned());
    if coverage.first_party_exchanges == 0 && coverage.doubts.is_empty() {
        doubts.push("no request to the app's own hosts was read".into());
    }
    if !coverage.known {
        doubts.push("the capture cannot tell what it missed".into());
    }
    if !has_baseline {
        doubts.push("there is no baseline to compare with".into());
    }
    let mut told = BTreeSet::new();
    for spot in &coverage.blind_spots {
        let said_already = spot.kind == BlindSpotKind::NoCoverage && !coverage.known;
        let excused = baseline.is_some_and(|old| had_as_often(old, spot, observations.runs));
        if spot.origin != Origin::Phone && !excused && !said_already && told.insert(spot.key()) {
            let since = match baseline {
                Some(old) if had(old, spot) => " that the baseline had in other phases, or less often",
                Some(_) => " that the baseline did not have",
                None => "",
            };
            let place = match (spot.endpoint.as_str(), spot.host.as_str()) {
                ("", "") => "the whole capture",
                ("", host) => host,
                (endpoint, _) => endpoint,
            };
            doubts.push(format!("blind spot{since}, {} at {place}: {}", spot.kind.word(), spot.sentence));
        }
    }
    doubts
}

/// Whether the baseline had a blind spot, in any phase and run.
fn had(baseline: &Snapshot, spot: &BlindSpot) -> bool {
    baseline.header.unread.iter().any(|unread| (unread.kind, unread.host.as_str(), unread.endpoint.as_str()) == spot.key())
}

/// Whether the baseline had a blind spot in each of its phases, there in every run or in as large a part of its runs as now:
/// one run that could not be read excuses no more than one.
fn had_as_often(baseline: &Snapshot, spot: &BlindSpot, runs: u32) -> bool {
    let before = |phase: &str| {
        let mut unread = baseline.header.unread.iter();
        let same = |unread: &&Unread| unread.phase == phase && (unread.kind, unread.host.as_str(), unread.endpoint.as_str()) == spot.key();
        unread.find(same).map_or(0, |unread| unread.runs)
    };
    let as_often = |(phase, now): (&String, &u32)| {
        let (old, old_runs) = (u64::from(before(phase)), u64::from(baseline.header.runs));
        old > 0 && (old == old_runs || u64::from(*now) * old_runs <= old * u64::from(runs))
    };
    !spot.phases.is_empty() && spot.phases.iter().all(as_often)
}

/// Endpoints of the app and of unknown origin by bytes uploaded, most first.
fn endpoint_rows(observations: &Observations) -> Vec<EndpointRow> {
    let mut rows: Vec<EndpointRow> = observations
        .endpoints
        .iter()
        .filter(|(_, facts)| facts.origin != Origin::Phone)
        .map(|(key, facts)| EndpointRow {
            endpoint: key.place(),
            phase: key.phase.clone(),
            party: facts.party,
            origin: facts.origin,
            receiver: facts.receiver.as_ref().map(|receiver| receiver.company.clone()),
            country: facts.receiver.as_ref().and_then(|receiver| receiver.country.clone()),
            receiver_source: facts.receiver.as_ref().map(|receiver| receiver.source.clone()),
            exchanges: facts.exchanges,
            uploaded_bytes: facts.uploaded_bytes,
            ledger: facts.ledger,
            runs: facts.runs,
            fields: facts.fields.len(),
            categories: facts
                .fields
                .values()
                .flat_map(|field| &field.shape.categories)
                .copied()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
        })
        .collect();
    rows.sort_by(|a, b| b.uploaded_bytes.cmp(&a.uploaded_bytes).then_with(|| (&a.endpoint, &a.phase).cmp(&(&b.endpoint, &b.phase))));
    rows
}

/// Positions near a planted one, in uploads of the app or of unknown origin, the nearest first.
fn positions(observations: &Observations) -> Vec<String> {
    let mut sightings: Vec<_> = observations.positions.iter().filter(|sighting| sighting.origin != Origin::Phone).collect();
    sightings.sort_by(|a, b| a.distance_m.total_cmp(&b.distance_m));
    sightings.into_iter().map(crate::model::PositionSighting::in_words).collect()
}

/// `simulated rig, seeds 1, 2, 3`.
fn rig_words<'a>(rigs: impl Iterator<Item = &'a Rig>) -> String {
    let (mut seeds, mut others) = (Vec::new(), Vec::new());
    for rig in rigs {
        let other = match rig {
            Rig::Simulated { seed } => {
                let seed = seed.to_string();
                if !seeds.contains(&seed) {
                    seeds.push(seed);
                }
                continue;
            }
            Rig::Imported => "imported; nothing is known about the rig".to_owned(),
            Rig::ByHand { about } | Rig::Real { about } => about.clone(),
        };
        if !others.contains(&other) {
            others.push(other);
        }
    }
    if !seeds.is_empty() {
        others.insert(0, format!("simulated rig, seed{} {}", if seeds.len() == 1 { "" } else { "s" }, seeds.join(", ")));
    }
    others.join("; ")
}

#[cfg(test)]
mod tests;
