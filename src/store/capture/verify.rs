//! Checking that a capture is as it was written, and saying what it lacks: what a crash, a full disk or a purge left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use super::{
    BODIES, PARTIAL, attachments, chain, is_digest,
    reader::{CaptureReader, Line, Lines, digest_of, follow, unreadable},
};
use crate::{
    model::{Attachment, ExchangeId, NumberedEvent, Recording as _, RunEnding, RunEvent, TunnelId, text::printable},
    store::StoreError,
};

/// What [`CaptureReader::verify`] found: all of it is as it was written, and some may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whole lines.
    pub events: u64,
    /// The last link: whoever noted it down elsewhere can tell later that nothing was cut off or written anew.
    pub link: String,
    /// How the run ended; `None` when it never said so: the recording breaks off.
    pub ending: Option<RunEnding>,
    /// Exchanges that began and have no end in the log, by number.
    pub unfinished: Vec<Unfinished>,
    /// Tunnels that began and have no end in the log, by number: open when the recording broke off.
    pub open_tunnels: Vec<OpenTunnel>,
    /// Whether the log tells of tunnels when they begin; captures of format 1 do not.
    pub tells_open_tunnels: bool,
    /// Bytes of a half line at the end, which a crash left; never read.
    pub torn_bytes: usize,
    /// Body files that are there and are what their names say.
    pub bodies: u64,
    /// Body files that the log speaks of and that are gone: purged, or lost.
    pub missing_bodies: u64,
    /// Body files that were being written when the recording broke off.
    pub partial_bodies: u64,
    /// Bytes in those.
    pub partial_bytes: u64,
    /// Whole body files that no line speaks of: the recording broke off before their exchange was written.
    pub stray_bodies: u64,
    /// Attachments that are there and are what was written.
    pub attachments: u64,
    /// Attachments that the log speaks of and that are gone: purged, or lost.
    pub missing_attachments: u64,
}

/// An exchange that began and never ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Its number.
    pub id: ExchangeId,
    /// Method, as sent.
    pub method: String,
    /// Host, lower case.
    pub host: String,
}

/// A tunnel that began and never ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTunnel {
    /// Its number.
    pub id: TunnelId,
    /// Host of the CONNECT, lower case.
    pub host: String,
    /// Port of the CONNECT.
    pub port: u16,
}

impl Verified {
    /// What is missing, one sentence each, safe for a terminal; empty when the capture is whole. Names hosts, and no captured
    /// value.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        if self.ending.is_none() {
            gaps.push("the recording breaks off: the run never said how it ended".to_owned());
        }
        if !self.unfinished.is_empty() {
            let told = |one: &Unfinished| format!("#{} {} {}", one.id.0, printable(&one.method), printable(&one.host));
            let count = counted(self.unfinished.len() as u64, "exchange", "exchanges");
            gaps.push(format!("{count} began and never ended: {}", named(self.unfinished.iter().map(told))));
        }
        if !self.open_tunnels.is_empty() {
            let told = |one: &OpenTunnel| format!("{}:{}", printable(&one.host), one.port);
            let (is, it) = if self.open_tunnels.len() == 1 { ("tunnel was", "it") } else { ("tunnels were", "them") };
            gaps.push(format!(
                "{} {is} still open when the recording broke off: {}; what else passed through {it}, and how many bytes, is not known",
                self.open_tunnels.len(),
                named(self.open_tunnels.iter().map(told)),
            ));
        }
        if self.ending.is_none() && !self.tells_open_tunnels {
            gaps.push("which tunnels were open then is not known: it was recorded before that was written down".to_owned());
        }
        if self.torn_bytes > 0 {
            gaps.push(format!("the last line is half a line of {} bytes, which is not read", self.torn_bytes));
        }
        if self.missing_bodies > 0 {
            gaps.push(format!("{} not there: purged, or lost", counted(self.missing_bodies, "large body is", "large bodies are")));
        }
        if self.missing_attachments > 0 {
            let count =
                counted(self.missing_attachments, "picture or recording of the screen is", "pictures or recordings of the screen are");
            gaps.push(format!("{count} not there: purged, or lost"));
        }
        if self.partial_bodies > 0 {
            let count = counted(self.partial_bodies, "large body was", "large bodies were");
            gaps.push(format!("{count} still coming in: {} bytes are there, of no exchange that ended", self.partial_bytes));
        }
        if self.stray_bodies > 0 {
            let count = counted(self.stray_bodies, "large body", "large bodies");
            let its = if self.stray_bodies == 1 { "it: its exchange was" } else { "them: their exchanges were" };
            gaps.push(format!("{count} came in whole, and no line speaks of {its} not written any more"));
        }
        gaps
    }
}

impl CaptureReader {
    /// Checks every link of the chain, and that every body file is what its name says; and tells what is missing.
    ///
    /// # Errors
    /// [`StoreError::BadLine`] names the first line that is not as it was written; [`StoreError::NotACapture`] names a body
    /// file that is not.
    pub fn verify(&self) -> Result<Verified, StoreError> {
        let bodies = self.folder().join(BODIES);
        let mut found = Verified {
            events: 0,
            link: chain::START.to_owned(),
            ending: None,
            unfinished: Vec::new(),
            open_tunnels: Vec::new(),
            tells_open_tunnels: self.provenance().format >= TELLS_OPEN_TUNNELS,
            torn_bytes: 0,
            bodies: 0,
            missing_bodies: 0,
            partial_bodies: 0,
            partial_bytes: 0,
            stray_bodies: 0,
            attachments: 0,
            missing_attachments: 0,
        };
        let (spoken_of, attached) = found.read_log(self.log())?;
        for attachment in attached {
            let path = attachments::path(self.folder(), &attachment);
            match digest_of(&path) {
                Ok(is) if is == attachment.sha256 => found.attachments += 1,
                Ok(_) => return Err(StoreError::NotACapture { path, problem: "this attachment is not what was written".into() }),
                Err(problem) if problem.kind() == io::ErrorKind::NotFound => found.missing_attachments += 1,
                Err(problem) => return Err(StoreError::of("read", &path, problem)),
            }
        }
        for sha256 in &spoken_of {
            let path = bodies.join(sha256);
            match digest_of(&path) {
                Ok(is) if is == *sha256 => found.bodies += 1,
                Ok(_) => return Err(StoreError::NotACapture { path, problem: "this body is not what was written".into() }),
                Err(problem) if problem.kind() == io::ErrorKind::NotFound => found.missing_bodies += 1,
                Err(problem) => return Err(StoreError::of("read", &path, problem)),
            }
        }
        for entry in fs::read_dir(&bodies).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(PARTIAL) {
                found.partial_bodies += 1;
                found.partial_bytes += entry.metadata().map_or(0, |about| about.len());
            } else if is_digest(&name) && !spoken_of.contains(&name) {
                found.stray_bodies += 1;
            }
        }
        Ok(found)
    }
}

impl Verified {
    /// Follows the chain to the end of the log, and gives the digests of the body files that it speaks of, and its attachments.
    fn read_log(&mut self, log: &Path) -> Result<(BTreeSet<String>, Vec<Attachment>), StoreError> {
        let mut lines = Lines::open(log)?;
        let (mut spoken_of, mut attached) = (BTreeSet::new(), Vec::new());
        let mut begun: BTreeMap<ExchangeId, Unfinished> = BTreeMap::new();
        let mut opened: BTreeMap<TunnelId, OpenTunnel> = BTreeMap::new();
        loop {
            let line = match lines.next()? {
                Line::End => break,
                Line::Torn(bytes) => {
                    self.torn_bytes = bytes;
                    break;
                }
                Line::Whole(line) => line,
            };
            let number = self.events + 1;
            let bad = |problem: &str| StoreError::BadLine { path: log.to_owned(), line: number, problem: problem.to_owned() };
            follow(&mut self.link, line).map_err(bad)?;
            self.events = number;
            let event: NumberedEvent = serde_json::from_slice(line).map_err(|problem| bad(&unreadable(&problem)))?;
            spoken_of.extend(super::spilled(&event.event).map(str::to_owned));
            attached.extend(attachments::spoken_of(&event.event).cloned());
            match event.event {
                RunEvent::ExchangeBegan { id, method, host, .. } => {
                    begun.insert(id, Unfinished { id, method, host });
                }
                RunEvent::Exchange(exchange) => {
                    begun.remove(&exchange.id);
                }
                RunEvent::TunnelBegan { id, host, port, .. } => {
                    opened.insert(id, OpenTunnel { id, host, port });
                }
                RunEvent::Tunnel(tunnel) => {
                    opened.remove(&tunnel.id);
                }
                RunEvent::RunEnded { ending } => self.ending = Some(ending),
                _ => {}
            }
        }
        self.unfinished = begun.into_values().collect();
        self.open_tunnels = opened.into_values().collect();
        Ok((spoken_of, attached))
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Some by name, and how many there are more.
fn named(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(MOST_NAMED);
    let mut named: Vec<String> = all.take(MOST_NAMED).collect();
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    named.join(", ")
}

/// The first format of a capture whose log tells of each tunnel when it begins.
const TELLS_OPEN_TUNNELS: u32 = 2;
/// Exchanges or tunnels that one sentence names.
const MOST_NAMED: usize = 8;
