//! The ledger of what was read and what not: hosts and blind spots, each with a sentence for a reader. What became of tunnels
//! is told in `tunnels`.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{BlindSpot, BlindSpotKind, Coverage, Evidence, Exchange, FieldName, HostCoverage, Origin, text::printable};

use super::dark::Dark;
use super::request::{BodyGap, MOST_BODY, Unseen};

/// Blind spots, each once: the one with the earliest evidence speaks for all of its kind, host and endpoint.
#[derive(Debug, Default)]
pub(super) struct BlindSpots(BTreeMap<(BlindSpotKind, String, String), BlindSpot>);

impl BlindSpots {
    /// Takes one in of the same run: a phase has it in this run or not, however often.
    pub(super) fn add(&mut self, spot: BlindSpot) {
        self.join(spot, u32::max);
    }

    /// Takes one in of another run.
    fn add_run(&mut self, spot: BlindSpot) {
        self.join(spot, u32::saturating_add);
    }

    fn join(&mut self, spot: BlindSpot, runs: fn(u32, u32) -> u32) {
        let key = (spot.kind, spot.host.clone(), spot.endpoint.clone());
        match self.0.get_mut(&key) {
            None => {
                self.0.insert(key, spot);
            }
            Some(known) => {
                let origin = stronger(known.origin, spot.origin);
                let mut phases = std::mem::take(&mut known.phases);
                for (phase, more) in &spot.phases {
                    phases.entry(phase.clone()).and_modify(|known| *known = runs(*known, *more)).or_insert(*more);
                }
                if (rank(&spot.evidence), &spot.sentence) < (rank(&known.evidence), &known.sentence) {
                    *known = spot;
                }
                known.origin = origin;
                known.phases = phases;
            }
        }
    }

    /// All of them, sorted. `most` is the number of complete runs: a run that is not complete counts for nothing.
    pub(super) fn into_set(self, most: u32) -> BTreeSet<BlindSpot> {
        let spots = self.0.into_values().map(|mut spot| {
            spot.phases.values_mut().for_each(|runs| *runs = (*runs).min(most));
            spot
        });
        spots.collect()
    }
}

/// Evidence that names an exchange comes before evidence that names only a run.
fn rank(evidence: &Option<Evidence>) -> (bool, Option<&Evidence>) {
    (evidence.is_none(), evidence.as_ref())
}

/// Whose traffic something is that was seen twice: the app's if once the app's, the phone's only if always the phone's.
pub(super) const fn stronger(a: Origin, b: Origin) -> Origin {
    match (a, b) {
        (Origin::App, _) | (_, Origin::App) => Origin::App,
        (Origin::Unknown, _) | (_, Origin::Unknown) => Origin::Unknown,
        (Origin::Phone, Origin::Phone) => Origin::Phone,
    }
}

/// What one exchange's walk could not see, as blind spots without host, endpoint and origin.
pub(super) fn of_walk(unseen: &Unseen, body_bytes: u64, ekv: Option<&str>) -> Vec<(BlindSpotKind, String)> {
    let mut spots: Vec<(BlindSpotKind, String)> =
        unseen.limits.iter().map(|limit| (BlindSpotKind::LimitReached, limit.sentence().to_owned())).collect();
    if unseen.only_searched > 0 {
        let sentence = format!(
            "a body of {body_bytes} bytes: the first {} MiB were decoded, the other {} bytes were only searched for planted values",
            MOST_BODY >> 20,
            unseen.only_searched
        );
        spots.push((BlindSpotKind::LimitReached, sentence));
    }
    spots.extend(unseen.body.as_ref().map(|gap| match gap {
        BodyGap::Missing(why) => (BlindSpotKind::BodyMissing, format!("a body of {body_bytes} bytes was not recorded: {}", printable(why))),
        BodyGap::Torn(held) if *held < body_bytes => {
            (BlindSpotKind::BodyMissing, format!("of a body of {body_bytes} bytes only {held} were recorded"))
        }
        BodyGap::Torn(held) => (BlindSpotKind::BodyMissing, format!("a body was not recorded to its end: {held} bytes of it are there")),
        BodyGap::Partly(at) => {
            (BlindSpotKind::BodyOpaque, format!("a body says it is JSON, but from byte {at} on it is not: the rest was not read"))
        }
        BodyGap::Opaque { entropy } => (BlindSpotKind::BodyOpaque, opaque_sentence("a body", body_bytes, *entropy, ekv)),
    }));
    spots
}

/// A sentence about bytes nobody could decode.
pub(super) fn opaque_sentence(what: &str, bytes: u64, entropy: u32, header: Option<&str>) -> String {
    let header = header.map_or(String::new(), |header| format!(", header {header}"));
    let guess = if entropy >= 75 { " (as encrypted or compressed data has)" } else { "" };
    format!("{what} of {bytes} bytes could not be decoded: {}.{} bits of entropy a byte{guess}{header}", entropy / 10, entropy % 10)
}

/// A sentence about the fields of one exchange that nobody could decode; `None` when there are none.
pub(super) fn dark_sentence(fields: &BTreeMap<FieldName, Dark>) -> Option<String> {
    let (name, dark) = fields.first_key_value()?;
    let others = fields.len() - 1;
    let others = if others == 0 { String::new() } else { format!(", and {others} more like it") };
    Some(opaque_sentence(&format!("{name}{others}"), dark.bytes, dark.entropy, None))
}

/// Said of a connection that turned into another protocol, none of whose messages is recorded.
pub(super) const SWITCHED: &str = "the connection turned into another protocol, whose messages were not seen";

/// Said of a request whose response nobody saw.
pub(super) const UNANSWERED: &str = "a request never got its response: what else would have been sent is unknown";

/// Said of a request that had begun when the recording broke off: its record is written when it ends.
pub(super) const CUT_OFF: &str =
    "the recording broke off while a request was under way: what it was, and what of it was sent, is not known";

/// Said of one exchange without a response, with the reason where our proxy gave one, also where it comes out of an export of ours. Another
/// program's words may hold anything.
pub(super) fn unanswered(exchange: &Exchange, foreign: bool) -> String {
    match exchange.error.as_ref().filter(|_| !foreign) {
        Some(error) => format!("{UNANSWERED} ({})", printable(error)),
        None => UNANSWERED.to_owned(),
    }
}

/// What is not known of a request that names, in its `Host` header, another host than the one that it went to: who is behind a
/// front. An address names nobody. The named host may be personal, and is in the request's headers for whoever looks.
pub(super) fn of_front(exchange: &Exchange) -> Option<(BlindSpotKind, String)> {
    let went_to = exchange.request.url.host.as_str();
    // Exposed to be compared: nothing of it is kept.
    let named = exchange.request.header("host")?.expose().trim();
    let named = match named.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => named,
    };
    let same = named.is_empty() || named.eq_ignore_ascii_case(went_to) || went_to.parse::<core::net::IpAddr>().is_ok();
    let sentence =
        "a request names another host in its headers than the one that it went to: which of them keeps what it holds is not known";
    (!same).then(|| (BlindSpotKind::Fronted, sentence.to_owned()))
}

/// What the way in which an exchange ended hides of what was sent: a connection that turned into another protocol, an upload
/// that was not seen to its end. A missing response is told by itself.
pub(super) fn of_ending(exchange: &Exchange) -> Option<(BlindSpotKind, String)> {
    let switched = exchange.response.as_ref().is_some_and(|response| response.status == 101);
    let sentence = match &exchange.error {
        Some(error) => format!("not everything that was sent was seen: {}", printable(error)),
        None if switched => SWITCHED.to_owned(),
        None => return None,
    };
    (switched || exchange.response.is_some()).then_some((BlindSpotKind::BodyMissing, sentence))
}

/// Adds what was covered of the same host elsewhere.
pub(super) fn merge_host(into: &mut HostCoverage, more: HostCoverage) {
    into.origin = stronger(into.origin, more.origin);
    into.exchanges += more.exchanges;
    into.uploaded_bytes += more.uploaded_bytes;
    into.ledger += more.ledger;
    into.unread_tunnels += more.unread_tunnels;
    into.carries.extend(more.carries);
}

/// Adds what other runs covered.
pub(super) fn merge(into: &mut Coverage, other: Coverage) {
    let nothing_yet = into.complete_runs == 0 && into.incomplete_runs.is_empty() && into.hosts.is_empty();
    let nothing_new = other.complete_runs == 0 && other.incomplete_runs.is_empty() && other.hosts.is_empty();
    into.known = match (nothing_yet, nothing_new) {
        (true, _) => other.known,
        (_, true) => into.known,
        _ => into.known && other.known,
    };
    for (host, more) in other.hosts {
        match into.hosts.get_mut(&host) {
            None => {
                into.hosts.insert(host, more);
            }
            Some(known) => merge_host(known, more),
        }
    }
    let mut spots = BlindSpots::default();
    std::mem::take(&mut into.blind_spots).into_iter().chain(other.blind_spots).for_each(|spot| spots.add_run(spot));
    into.blind_spots = spots.into_set(u32::MAX);
    into.uploaded_bytes += other.uploaded_bytes;
    into.ledger += other.ledger;
    into.ledger_unaided += other.ledger_unaided;
    into.complete_runs += other.complete_runs;
    into.incomplete_runs.extend(other.incomplete_runs);
    into.incomplete_runs.sort();
    into.first_party_exchanges += other.first_party_exchanges;
    into.doubts.extend(other.doubts);
    into.doubts.sort();
}
