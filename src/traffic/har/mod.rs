//! HAR files: read as a recording, written from one. HAR 1.2 loses things (refused tunnels, phases, compressed and binary
//! bodies), so our own exports carry `_tattletale` blocks that restore them (R16).
//!
//! Format: <http://www.softwareishard.com/blog/har-12-spec/>.

mod body;
mod bounded;
mod entry;
mod listed;
mod message;
mod own;
mod read;
mod surrogates;
mod write;

use std::{collections::BTreeMap, path::Path};

use jiff::Timestamp;
use serde_json::Value;

pub(super) use self::entry::{http_version, split_url};
pub use self::write::write;
use self::{
    entry::Entry,
    own::LogBlock,
    read::{Piece, pieces},
};
use super::{
    TrafficError,
    import::{Numbering, ReadHosts, UNSCRIPTED, as_recording_error, provenance, unclaimed},
    input::Input,
};
use crate::model::{
    Bodies, CaptureSource, Exchange, NoBodies, NumberedEvent, Provenance, Recording, RecordingError, RunEnding, RunEvent, Target, Tunnel,
    TunnelEvidence, TunnelId, TunnelOutcome, text::printable,
};

/// A HAR file as a recording, packed with zlib or gzip (`.zhar`) or not. Each replay reads the file again and holds one entry in
/// memory.
///
/// A file of another program gives one phase, `unscripted`, as tunnels only its CONNECT requests and what HTTP Toolkit says of
/// failed handshakes, and bodies as that program saw them: response bodies are mostly decoded already, though a
/// `content-encoding` header may say otherwise.
#[derive(Clone, Debug)]
pub struct HarRecording {
    input: Input,
    provenance: Provenance,
    summary: HarSummary,
    hosts: ReadHosts,
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
    /// Why entries are no exchanges, in words, and how many of them.
    pub other: BTreeMap<&'static str, u64>,
    /// Whether it is one of our own exports, phases and tunnels included.
    pub own: bool,
    /// How the run ended that it is an export of; `None` when it does not say.
    pub ending: Option<RunEnding>,
}

impl HarSummary {
    /// What a person must know, one sentence each.
    pub fn notes(&self) -> Vec<String> {
        let lacking = self.missing.iter().map(|(what, entries)| format!("{entries} entries lack {what}"));
        lacking.chain(self.other.iter().map(|(why, entries)| format!("{entries} entries {why}"))).collect()
    }
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
        Self::read(Input::file(path), claimed)
    }

    pub(super) fn read(input: Input, claimed: Option<Target>) -> Result<Self, TrafficError> {
        let mut summary = HarSummary::default();
        let mut own = None;
        let mut first = None;
        let mut hosts = ReadHosts::default();
        let mut opening = entry::Reader::default();
        each_piece(&input, &mut |piece| match piece {
            Piece::Creator(creator) => {
                opening.written_by(&creator);
                summary.creator = creator;
            }
            Piece::Own(block) => own = LogBlock::parse(block),
            Piece::Entry(entry) => {
                summary.entries += 1;
                match opening.entry(entry) {
                    Entry::Exchange(exchange, _) => {
                        first.get_or_insert(exchange.began);
                        hosts.add(&exchange.request.url.host);
                    }
                    Entry::Connect(_) => *summary.other.entry("are CONNECT requests: they are told as tunnels").or_default() += 1,
                    Entry::NotSent(why) => *summary.other.entry(why).or_default() += 1,
                }
            }
            Piece::Rest(events) => {
                summary.ending = own::rest(events).into_iter().find_map(|event| match event.event {
                    RunEvent::RunEnded { ending } => Some(ending),
                    _ => None,
                });
            }
            Piece::TlsErrors(_) => {}
        })?;
        summary.missing = opening.missing();
        summary.own = own.is_some();
        if summary.own {
            summary.other.clear();
        }
        let source = |creator: &str| CaptureSource::Har { creator: creator.to_owned() };
        let provenance = match (own, claimed) {
            (Some(own), None) => exported(own.provenance, None, &summary.creator),
            (Some(own), Some(target)) => {
                let is = &own.provenance.target;
                let the_same = Target { claimed: is.claimed, ..target.clone() } == *is;
                if let Some(words) = is.platform.disclaimer().filter(|_| !the_same) {
                    let (app, version, platform, scenario) = (&is.app, &is.version, is.platform, &is.scenario);
                    let problem = format!("it is of {app} {version} on {platform}, {scenario} ({words}), and cannot be of anything else");
                    return Err(input.refused(printable(&problem)));
                }
                exported(own.provenance, Some(target), &summary.creator)
            }
            (None, Some(target)) => provenance(target, source(&summary.creator), first),
            (None, None) => return Err(unclaimed(&input)),
        };
        Ok(Self { input, provenance, summary, hosts })
    }

    /// What the file holds, and what it lacks.
    pub const fn summary(&self) -> &HarSummary {
        &self.summary
    }

    fn replay_file(&self, each: &mut dyn FnMut(&NumberedEvent, &dyn Bodies)) -> Result<(), TrafficError> {
        let mut numbering = Numbering::new(each);
        let mut tunnels = 0;
        if !self.summary.own {
            numbering.begin(&self.provenance);
        }
        let mut reader = entry::Reader::default();
        each_piece(&self.input, &mut |piece| match piece {
            Piece::Entry(mut entry) => match own::EntryBlock::take(&mut entry).filter(|_| self.summary.own) {
                Some(block) => self.replay_own(block, reader.entry(entry), &mut numbering),
                None => match reader.entry(entry) {
                    Entry::Exchange(exchange, messages) => {
                        let (id, method, host) = (exchange.id, exchange.request.method.clone(), exchange.request.url.host.clone());
                        numbering.give(exchange.began, RunEvent::ExchangeBegan { id, method, host, tunnel: None }, &NoBodies);
                        for said in messages {
                            numbering.give(said.message.at, RunEvent::Message(Box::new(said.message)), &NoBodies);
                        }
                        numbering.give(exchange.ended.unwrap_or(exchange.began), RunEvent::Exchange(exchange), &NoBodies);
                    }
                    Entry::Connect(exchange) => {
                        tunnels += 1;
                        let tunnel = self.tunnel(&exchange, TunnelId(tunnels));
                        numbering.give(tunnel.began, RunEvent::Tunnel(tunnel), &NoBodies);
                    }
                    Entry::NotSent(_) => {}
                },
            },
            Piece::Rest(events) if self.summary.own => {
                own::rest(events).into_iter().for_each(|event| numbering.give_own(self.with_claim(event), &NoBodies));
            }
            Piece::TlsErrors(Value::Array(errors)) if !self.summary.own => {
                for error in &errors {
                    tunnels += 1;
                    let tunnel = refused(error, TunnelId(tunnels), self.provenance.started);
                    numbering.give(tunnel.began, RunEvent::Tunnel(tunnel), &NoBodies);
                }
            }
            Piece::Creator(creator) => reader.written_by(&creator),
            Piece::Own(_) | Piece::Rest(_) | Piece::TlsErrors(_) => {}
        })?;
        if !self.summary.own {
            numbering.give(reader.latest(), RunEvent::RunEnded { ending: RunEnding::Complete }, &NoBodies);
        }
        Ok(())
    }

    /// The events of an entry of one of our own exports.
    fn replay_own(&self, block: own::EntryBlock, entry: Entry, numbering: &mut Numbering<'_>) {
        let (said, messages) = match entry {
            Entry::Exchange(exchange, messages) => (*exchange, messages),
            Entry::Connect(exchange) => (*exchange, Vec::new()),
            // Something that was recorded was sent, whatever its URL.
            Entry::NotSent(_) => return,
        };
        let (before, n, at, exchange) = block.restore(said);
        before.into_iter().for_each(|event| numbering.give_own(self.with_claim(event), &NoBodies));
        for said in messages {
            let (n, at) = said.event.unwrap_or((0, said.message.at));
            let message = crate::model::Message { exchange: exchange.id, url: exchange.request.url.clone(), ..said.message };
            numbering.give_own(NumberedEvent { n, at, event: RunEvent::Message(Box::new(message)) }, &NoBodies);
        }
        numbering.give_own(NumberedEvent { n, at, event: RunEvent::Exchange(Box::new(exchange)) }, &NoBodies);
    }

    /// A CONNECT as a tunnel, with what the file tells of it.
    fn tunnel(&self, connect: &Exchange, id: TunnelId) -> Tunnel {
        let url = &connect.request.url;
        let answered = connect.response.as_ref().is_some_and(|response| (200..300).contains(&response.status));
        let outcome = self.hosts.outcome(&url.host, answered, connect.error.as_deref().unwrap_or_default());
        Tunnel {
            id,
            phase: UNSCRIPTED.to_owned(),
            host: url.host.clone(),
            port: url.port,
            sni: None,
            alpn: Vec::new(),
            began: connect.began,
            ended: connect.ended,
            outcome,
            evidence: TunnelEvidence::default(),
        }
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
        self.input.name.clone()
    }

    fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    fn replay(&self, each: &mut dyn FnMut(&NumberedEvent, &dyn Bodies)) -> Result<(), RecordingError> {
        self.replay_file(each).map_err(|error| as_recording_error(&self.input.name, error))
    }
}

fn each_piece(input: &Input, each: &mut dyn FnMut(Piece)) -> Result<(), TrafficError> {
    let unpacked = input.unpacked().map_err(|error| input.refused(error.to_string()))?;
    pieces(&input.name, unpacked, each)
}

/// A handshake that failed, as HTTP Toolkit tells it in `_tlsErrors`.
fn refused(error: &Value, id: TunnelId, before: Timestamp) -> Tunnel {
    let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
    let began = text("startedDateTime").parse().unwrap_or(before);
    let outcome = match text("cause") {
        // It does not tell which alert.
        "cert-rejected" => TunnelOutcome::CertificateRefused { alert: "not told".to_owned() },
        _ => TunnelOutcome::ClosedDuringHandshake,
    };
    let host = Some(text("hostname").to_ascii_lowercase()).filter(|host| !host.is_empty());
    Tunnel {
        id,
        phase: UNSCRIPTED.to_owned(),
        host: host.clone().unwrap_or_else(|| "unknown".to_owned()),
        port: 443,
        sni: host,
        alpn: Vec::new(),
        began,
        ended: None,
        outcome,
        evidence: TunnelEvidence::default(),
    }
}

/// Where one of our own exports comes from: what it says, as a claim.
fn exported(says: Provenance, claimed: Option<Target>, creator: &str) -> Provenance {
    let source = match says.source {
        CaptureSource::Proxy => CaptureSource::Har { creator: creator.to_owned() },
        imported @ (CaptureSource::Har { .. } | CaptureSource::MitmproxyFlows { .. }) => imported,
    };
    Provenance { source, target: Target { claimed: true, ..claimed.unwrap_or(says.target) }, ..says }
}

#[cfg(test)]
mod tests;
