//! HAR files: read as a recording, written from one. HAR 1.2 loses things (refused tunnels, phases, compressed and binary
//! bodies), so our own exports carry `_tattletale` blocks that restore them (R16).
//!
//! Format: <http://www.softwareishard.com/blog/har-12-spec/>.

mod body;
mod entry;
mod own;
mod read;
mod surrogates;
mod write;

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

pub use self::write::write;
use self::{
    own::LogBlock,
    read::{Piece, pieces},
};
use super::TrafficError;
use crate::model::{
    Bodies, CaptureSource, NoBodies, NumberedEvent, Provenance, Recording, RecordingError, Rig, RunEnding, RunEvent, Target,
    capture::CAPTURE_FORMAT, text::printable,
};

/// A HAR file as a recording. Each replay reads the file again and holds one entry in memory.
///
/// A file of another program gives one phase, `unscripted`, no tunnels, and bodies as that program saw them: response bodies
/// are mostly decoded already, though a `content-encoding` header may say otherwise.
#[derive(Clone, Debug)]
pub struct HarRecording {
    path: PathBuf,
    name: String,
    provenance: Provenance,
    summary: HarSummary,
}

/// What a HAR file holds, and what it lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HarSummary {
    /// Program that wrote it, as it says: name and version.
    pub creator: String,
    /// Entries.
    pub entries: u64,
    /// What entries lacked, in words, and how many of them.
    pub missing: BTreeMap<&'static str, u64>,
    /// Whether it is one of our own exports, phases and tunnels included.
    pub own: bool,
    /// How the run ended that it is an export of; `None` when it does not say.
    pub ending: Option<RunEnding>,
}

impl HarRecording {
    /// Reads the file through once, so that a broken one is known at once. `claimed` is what the caller says it is of; it
    /// may be left out for our own exports, which say so themselves, and wins where given. What a HAR says is a claim in any
    /// case: anybody can have edited it, and it has no chain.
    ///
    /// # Errors
    /// [`TrafficError::File`] when the file cannot be read, is not a HAR (with line and column, and how many entries were
    /// read), or nobody says what it is of; and when an export of a simulated rig or a test bench is claimed to be of
    /// something else (R17).
    pub fn open(path: &Path, claimed: Option<Target>) -> Result<Self, TrafficError> {
        let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        let mut summary = HarSummary::default();
        let mut own = None;
        let mut first = None;
        let mut opening = entry::Reader::default();
        pieces(&name, open_file(path, &name)?, &mut |piece| match piece {
            Piece::Creator(creator) => summary.creator = creator,
            Piece::Own(block) => own = LogBlock::parse(block),
            Piece::Entry(entry) => {
                summary.entries += 1;
                let exchange = opening.exchange(entry);
                first.get_or_insert(exchange.began);
            }
            Piece::Rest(events) => {
                summary.ending = own::rest(events).into_iter().find_map(|event| match event.event {
                    RunEvent::RunEnded { ending } => Some(ending),
                    _ => None,
                });
            }
        })?;
        summary.missing = opening.missing();
        summary.own = own.is_some();
        let provenance = match (own, claimed) {
            (Some(own), None) => exported(own.provenance, None, &summary.creator),
            (Some(own), Some(target)) => {
                let is = &own.provenance.target;
                let the_same = Target { claimed: is.claimed, ..target.clone() } == *is;
                if let Some(words) = is.platform.disclaimer().filter(|_| !the_same) {
                    let (app, version, platform, scenario) = (&is.app, &is.version, is.platform, &is.scenario);
                    let problem = format!("it is of {app} {version} on {platform}, {scenario} ({words}), and cannot be of anything else");
                    return Err(TrafficError::File { name, problem: printable(&problem) });
                }
                exported(own.provenance, Some(target), &summary.creator)
            }
            (None, Some(target)) => imported(target, &summary.creator, first),
            (None, None) => {
                let problem = "it does not say which app it is of: give --app, --platform, --app-version and --scenario".to_owned();
                return Err(TrafficError::File { name, problem });
            }
        };
        Ok(Self { path: path.to_owned(), name, provenance, summary })
    }

    /// What the file holds, and what it lacks.
    pub const fn summary(&self) -> &HarSummary {
        &self.summary
    }

    fn replay_file(&self, each: &mut dyn FnMut(&NumberedEvent, &dyn Bodies)) -> Result<(), TrafficError> {
        let mut numbering = Numbering { last: 0, each };
        if !self.summary.own {
            numbering.give(self.provenance.started, RunEvent::RunStarted(Box::new(self.provenance.clone())));
            let phase = RunEvent::PhaseBegan { name: entry::UNSCRIPTED.to_owned(), explains: Vec::new() };
            numbering.give(self.provenance.started, phase);
        }
        let mut reader = entry::Reader::default();
        pieces(&self.name, open_file(&self.path, &self.name)?, &mut |piece| match piece {
            Piece::Entry(mut entry) => match own::EntryBlock::take(&mut entry).filter(|_| self.summary.own) {
                Some(block) => {
                    let (before, n, at, exchange) = block.restore(reader.exchange(entry));
                    before.into_iter().for_each(|event| numbering.give_own(self.with_claim(event)));
                    numbering.give_own(NumberedEvent { n, at, event: RunEvent::Exchange(Box::new(exchange)) });
                }
                None => {
                    let exchange = reader.exchange(entry);
                    let (id, method, host) = (exchange.id, exchange.request.method.clone(), exchange.request.url.host.clone());
                    numbering.give(exchange.began, RunEvent::ExchangeBegan { id, method, host });
                    numbering.give(exchange.ended.unwrap_or(exchange.began), RunEvent::Exchange(Box::new(exchange)));
                }
            },
            Piece::Rest(events) if self.summary.own => {
                own::rest(events).into_iter().for_each(|event| numbering.give_own(self.with_claim(event)));
            }
            Piece::Creator(_) | Piece::Own(_) | Piece::Rest(_) => {}
        })?;
        if !self.summary.own {
            numbering.give(reader.latest(), RunEvent::RunEnded { ending: RunEnding::Complete });
        }
        Ok(())
    }

    /// The first event says what [`Recording::provenance`] says, a claim included.
    fn with_claim(&self, mut event: NumberedEvent) -> NumberedEvent {
        if let RunEvent::RunStarted(provenance) = &mut event.event {
            **provenance = self.provenance.clone();
        }
        event
    }
}

impl Recording for HarRecording {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    fn replay(&self, each: &mut dyn FnMut(&NumberedEvent, &dyn Bodies)) -> Result<(), RecordingError> {
        self.replay_file(each).map_err(|error| match error {
            TrafficError::File { name, problem } => RecordingError { name, problem },
            other => RecordingError { name: self.name.clone(), problem: other.to_string() },
        })
    }
}

/// Numbers events without gaps going backwards, and gives them on.
struct Numbering<'a> {
    last: u64,
    each: &'a mut dyn FnMut(&NumberedEvent, &dyn Bodies),
}

impl Numbering<'_> {
    fn give(&mut self, at: Timestamp, event: RunEvent) {
        self.give_own(NumberedEvent { n: self.last + 1, at, event });
    }

    /// Gives an event that has a number; one that would not rise is given the next number.
    fn give_own(&mut self, mut event: NumberedEvent) {
        event.n = event.n.max(self.last + 1);
        self.last = event.n;
        (self.each)(&event, &NoBodies);
    }
}

/// Where one of our own exports comes from: what it says, as a claim.
fn exported(says: Provenance, claimed: Option<Target>, creator: &str) -> Provenance {
    let source = match says.source {
        CaptureSource::Proxy => CaptureSource::Har { creator: creator.to_owned() },
        imported @ CaptureSource::Har { .. } => imported,
    };
    Provenance { source, target: Target { claimed: true, ..claimed.unwrap_or(says.target) }, ..says }
}

/// Where a file of another program comes from, as far as anybody knows.
fn imported(target: Target, creator: &str, first: Option<Timestamp>) -> Provenance {
    Provenance {
        format: CAPTURE_FORMAT,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        source: CaptureSource::Har { creator: creator.to_owned() },
        target: Target { claimed: true, ..target },
        scenario_hash: None,
        run: 1,
        runs: 1,
        rig: Rig::Imported,
        started: first.unwrap_or(Timestamp::UNIX_EPOCH),
        planted: Vec::new(),
        expectations: Vec::new(),
        control: None,
    }
}

fn open_file(path: &Path, name: &str) -> Result<impl io::Read, TrafficError> {
    File::open(path).map_err(|error| TrafficError::File { name: name.to_owned(), problem: error.to_string() })
}

#[cfg(test)]
mod tests;
