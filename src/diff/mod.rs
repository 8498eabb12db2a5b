//! Two snapshots to the changes between them, with confidence (R7 to R9). Says what differs; whether anybody should mind is
//! `detect`'s.

mod confidence;
mod fields;
mod view;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use confidence::Runs;
use view::{Place, SeenHost, View};

use crate::model::{
    Change, ChangeKind, EndpointKey, Snapshot,
    snapshot::{LEAST_OLD_RUNS, Unread},
};

/// How the comparison decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Which changes count.
    pub counting: Counting,
}

/// Which changes count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counting {
    /// Those in all new runs and in none of at least three old ones, or the other way round (R7).
    #[default]
    R7,
    /// Any difference. For showing what R7 is good for.
    EveryRun,
}

/// What a comparison gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// What differs, sorted by kind, endpoint and field.
    pub changes: Vec<Change>,
    /// Reasons why the comparison cannot be the base of a verdict (R8, R9); empty when it can.
    pub doubts: Vec<String>,
}

/// Two snapshots that say nothing about each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("compare {old} with {new}: {why}")]
pub struct Incomparable {
    /// The older one, in words.
    pub old: String,
    /// The newer one, in words.
    pub new: String,
    /// Why not.
    pub why: &'static str,
}

/// What differs from `old` to `new`.
///
/// One change a thing: fields of a new or gone endpoint are told in the endpoint's sentence (those with a category are listed
/// as well), and a thing new in several phases is told once, at the phase with the most runs.
///
/// # Errors
/// When the two are of different apps or platforms (R17).
pub fn compare(old: &Snapshot, new: &Snapshot, options: Options) -> Result<Comparison, Incomparable> {
    let (was, is) = (&old.header.target, &new.header.target);
    let incomparable = |why| Incomparable { old: words::target(was), new: words::target(is), why };
    if was.app != is.app {
        return Err(incomparable("they are of different apps"));
    }
    if was.platform != is.platform {
        return Err(incomparable("they are of different platforms"));
    }
    let old_hosts = old.endpoints.keys().map(|key| key.host.as_str()).collect();
    let (was, is) = (View::of(old), View::of(new));
    let mut comparing = Comparing { old: was, new: is, old_hosts, counting: options.counting, changes: Vec::new() };
    comparing.hosts();
    comparing.places();
    let mut changes = comparing.changes;
    changes.sort_by(|a, b| (a.kind, &a.endpoint, &a.field).cmp(&(b.kind, &b.endpoint, &b.field)));
    Ok(Comparison { changes, doubts: doubts(old, new, options.counting) })
}

fn doubts(old: &Snapshot, new: &Snapshot, counting: Counting) -> Vec<String> {
    let (was, is) = (&old.header, &new.header);
    let mut doubts = Vec::new();
    if was.target.scenario != is.target.scenario {
        doubts.push("the baseline is of another scenario".into());
    } else if was.scenario_hash != is.scenario_hash {
        doubts.push("the scenario is not the one the baseline was made with".into());
    }
    if was.decoder != is.decoder {
        doubts.push(format!("the baseline was read by decoder {}, this audit by decoder {}", was.decoder, is.decoder));
    }
    if counting == Counting::R7 && was.runs < LEAST_OLD_RUNS {
        doubts.push(format!("the baseline has {}; a change counts against at least {LEAST_OLD_RUNS}", words::runs(was.runs)));
    }
    if !was.coverage_known {
        doubts.push("the baseline cannot tell what it missed".into());
    }
    doubts
}

/// A comparison in progress.
struct Comparing<'a> {
    old: View<'a>,
    new: View<'a>,
    /// Hosts of which the baseline read something.
    old_hosts: BTreeSet<&'a str>,
    counting: Counting,
    changes: Vec<Change>,
}

impl<'a> Comparing<'a> {
    fn push(&mut self, kind: ChangeKind, endpoint: &EndpointKey, sentence: String, runs: Runs) {
        let confidence = runs.confidence(self.counting);
        self.changes.push(Change { kind, endpoint: endpoint.clone(), field: None, before: None, after: None, sentence, confidence });
    }

    fn gained(&self, new: u32) -> Runs {
        Runs::gained(new, &self.old, &self.new)
    }

    fn lost(&self, old: u32) -> Runs {
        Runs::lost(old, &self.old, &self.new)
    }

    /// Hosts as a whole: receivers nobody talked to before, hosts that can be read now, hosts that no longer can.
    fn hosts(&mut self) {
        let (old, new) = (self.old.hosts(), self.new.hosts());
        for (host, seen) in &new {
            if self.old.is_unread(host) {
                if !old.contains_key(host) {
                    let sentence = format!("{host} can be read now; the baseline could not read it, so nothing about it is called new");
                    self.push(ChangeKind::NewlyReadable, seen.endpoint, sentence, self.gained(seen.runs));
                }
            } else if !old.contains_key(host) {
                let sentence = format!("{host} is contacted; no endpoint of the baseline talks to it");
                self.push(ChangeKind::NewReceiver, seen.endpoint, sentence, self.gained(seen.runs));
            }
        }
        for (host, seen) in &old {
            self.dark_host(host, *seen, new.get(host).map_or(0, |now| now.runs));
        }
    }

    /// A host of the baseline to which tunnels stayed unread: as a whole where nothing of it was read, else in the phases in
    /// which nothing was. A baseline that could not read it in some runs but in others did excuses nothing.
    fn dark_host(&mut self, host: &str, seen: SeenHost<'a>, read: u32) {
        let Some(first) = self.new.unread_host(host).next() else { return };
        let often = |unread: &Unread, runs: u32| unread.runs.saturating_mul(self.old.runs) > runs.saturating_mul(self.new.runs);
        let known_as_often = self.new.unread_host(host).all(|unread| {
            let mut before = self.old.unread_host(host).filter(|old| old.phase == unread.phase);
            before.any(|old| !often(unread, old.runs))
        });
        if read > 0 && known_as_often {
            return;
        }
        let mut dark: Option<(&'a EndpointKey, u32)> = None;
        if read > 0 {
            let phases = self.old.places.values().flat_map(|place| place.phases.values()).filter(|(key, _)| key.host == host);
            for (key, endpoint) in phases {
                let unread = self.new.unread_host(host).any(|unread| unread.phase == key.phase);
                let silent = !self.new.places.iter().any(|(id, place)| id.host == host && place.phases.contains_key(key.phase.as_str()));
                if unread && silent && dark.is_none_or(|(_, runs)| endpoint.runs > runs) {
                    dark = Some((key, endpoint.runs));
                }
            }
        }
        let word = first.kind.word();
        // A host that some old runs could not read either needs more than one that all of them could.
        let rule = if self.old.is_unread(host) { Runs::hidden } else { Runs::dark };
        let (endpoint, runs, sentence) = match dark {
            Some((key, runs)) => (
                key,
                rule(runs, 0, &self.old, &self.new),
                format!("{host} is no longer readable in {} ({word}); the baseline read it there", key.phase),
            ),
            None => (
                seen.endpoint,
                rule(seen.runs, read, &self.old, &self.new),
                format!("{host} is no longer readable ({word}); the baseline read it"),
            ),
        };
        self.push(ChangeKind::WentDark, endpoint, sentence, runs);
    }

    /// Endpoints: method, host and path, each with its phases.
    fn places(&mut self) {
        let old: BTreeMap<_, _> = std::mem::take(&mut self.old.places);
        let new: BTreeMap<_, _> = std::mem::take(&mut self.new.places);
        for (id, place) in &new {
            match old.get(id) {
                Some(before) => self.both(before, place),
                None => self.new_place(place),
            }
        }
        for (id, place) in &old {
            // A host that went dark has been told as a whole.
            if !new.contains_key(id) && !self.new.is_unread(id.host) {
                let (key, endpoint) = place.busiest();
                let sentence = format!("{} was not seen{}", key.place(), words::fields(&place.fields(), "; in the baseline it uploads "));
                self.push(ChangeKind::GoneEndpoint, key, sentence, self.lost(endpoint.runs));
            }
        }
    }

    fn new_place(&mut self, place: &Place<'a>) {
        let (key, endpoint) = place.busiest();
        if self.old.is_host_hidden(&key.host) {
            // A host of which the baseline read nothing has been told as a whole.
            if self.old_hosts.contains(key.host.as_str()) {
                let sentence = format!("{} can be read now; the baseline could not read all of {}", key.place(), key.host);
                self.push(ChangeKind::NewlyReadable, key, sentence, self.gained(endpoint.runs));
            }
            return;
        }
        // Told for the host as a whole.
        if self.old.is_unread(&key.host) && !self.old_hosts.contains(key.host.as_str()) {
            return;
        }
        let fields = place.fields();
        let phases = words::phases(place);
        let sentence = format!("{} is called in {phases}{}", key.place(), words::fields(&fields, "; it uploads "));
        self.push(ChangeKind::NewEndpoint, key, sentence, self.gained(endpoint.runs));
        for (name, seen) in fields.iter().filter(|(_, seen)| !seen.field.shape.categories.is_empty()) {
            self.field(ChangeKind::NewField, seen.endpoint, name, None, Some(&seen.field.shape), self.gained(seen.field.runs));
        }
    }

    /// A place that both snapshots have.
    fn both(&mut self, old: &Place<'a>, new: &Place<'a>) {
        for (phase, (key, endpoint)) in &new.phases {
            if !old.phases.contains_key(phase) {
                let sentence = format!("{} is called in {phase}; the baseline has it only in {}", key.place(), words::phases(old));
                self.push(ChangeKind::NewPhase, key, sentence, self.gained(endpoint.runs));
            }
        }
        for (phase, (key, endpoint)) in &old.phases {
            if !new.phases.contains_key(phase) {
                let sentence = format!("{} was not seen in {phase}; it was in {}", key.place(), words::phases(new));
                self.push(ChangeKind::GoneEndpoint, key, sentence, self.lost(endpoint.runs));
            }
        }
        self.fields(old, new);
    }
}

#[cfg(test)]
mod tests;
