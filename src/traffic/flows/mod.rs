//! mitmproxy flow files as a recording, of every version that mitmproxy itself still reads. A flow is read where it lies in
//! the file, so memory grows neither with the file nor with a flow. What a flow file does not hold (refused handshakes, mostly)
//! is not known, so an import is never clean (R16).
//!
//! Format: flows are typed netstrings, one after the other; names and versions are those of mitmproxy's `io/compat.py`,
//! `http.py`, `websocket.py` and `connection.py`.

mod connection;
mod flow;
mod http;
mod tnetstring;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use jiff::Timestamp;

use self::{
    flow::{Flow, Kind, text},
    http::LongBodies,
    tnetstring::{Damage, Reader},
};
use super::{
    TrafficError,
    import::{Numbering, ReadHosts, as_recording_error, provenance, unclaimed},
    input::{Input, ReadSeek},
};
use crate::model::{
    Bodies, CaptureSource, ExchangeId, NumberedEvent, Provenance, Recording, RecordingError, RunEnding, RunEvent, Target, TunnelId, Url,
};

/// The first and the last version of the format that is read, for people.
pub(super) const VERSIONS: (&str, &str) = ("0.11", "21");

/// A flow file as a recording. Each replay reads the file again.
///
/// It gives one phase, `unscripted`. HTTP flows are exchanges, with bodies as they went over the wire; the messages of their
/// WebSockets come before them. Connections that carried something else are tunnels that nobody read.
#[derive(Clone, Debug)]
pub struct FlowRecording {
    input: Input,
    provenance: Provenance,
    summary: FlowSummary,
    hosts: ReadHosts,
}

/// What a flow file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowSummary {
    /// Versions of the format, in words: one file may hold flows of several.
    pub version: String,
    /// Flows of all kinds.
    pub flows: u64,
    /// HTTP requests with what was answered.
    pub exchanges: u64,
    /// WebSocket messages.
    pub messages: u64,
    /// Connections that are told as tunnels.
    pub tunnels: u64,
    /// What a person must know of some flows, in words that follow on a number, and of how many.
    pub told: BTreeMap<&'static str, u64>,
}

impl FlowSummary {
    /// What a person must know, one sentence each.
    pub fn notes(&self) -> Vec<String> {
        self.told.iter().map(|(words, count)| format!("{count} {words}")).collect()
    }
}

impl FlowRecording {
    /// Reads the file through once, so that a broken one is known at once. `claimed` is what the caller says it is of.
    ///
    /// # Errors
    /// [`TrafficError::File`] when it cannot be read, is no flow file or damaged (with the byte, and how many flows were
    /// read), holds flows of a version that is not read, or nobody says what it is of.
    pub fn open(path: &Path, claimed: Option<Target>) -> Result<Self, TrafficError> {
        Self::read(Input::file(path), claimed)
    }

    pub(super) fn read(input: Input, claimed: Option<Target>) -> Result<Self, TrafficError> {
        let mut hosts = ReadHosts::default();
        let mut first = None;
        let summary = walk(&input, &ReadHosts::default(), &mut |_, event, _| {
            if let RunEvent::Exchange(exchange) = event {
                hosts.add(&exchange.request.url.host);
                first.get_or_insert(exchange.began);
            }
        })?;
        let Some(target) = claimed else { return Err(unclaimed(&input)) };
        let provenance = provenance(target, CaptureSource::MitmproxyFlows { version: summary.version.clone() }, first);
        Ok(Self { input, provenance, summary, hosts })
    }

    /// What the file holds.
    pub const fn summary(&self) -> &FlowSummary {
        &self.summary
    }
}

impl Recording for FlowRecording {
    fn name(&self) -> String {
        self.input.name.clone()
    }

    fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    fn replay(&self, each: &mut dyn FnMut(&NumberedEvent, &dyn Bodies)) -> Result<(), RecordingError> {
        let mut numbering = Numbering::new(each);
        numbering.begin(&self.provenance);
        let mut latest = self.provenance.started;
        walk(&self.input, &self.hosts, &mut |at, event, bodies| {
            latest = latest.max(at);
            numbering.give(at, event, bodies);
        })
        .map_err(|error| as_recording_error(&self.input.name, error))?;
        numbering.give(latest, RunEvent::RunEnded { ending: RunEnding::Complete }, &crate::model::NoBodies);
        Ok(())
    }
}

/// Takes an event and when it happened.
type Each<'a> = &'a mut dyn FnMut(Timestamp, RunEvent, &dyn Bodies);

/// Reads a file flow by flow and gives their events.
fn walk(input: &Input, hosts: &ReadHosts, each: Each<'_>) -> Result<FlowSummary, TrafficError> {
    let mut reader = input.open().and_then(Reader::new).map_err(|error| input.refused(error.to_string()))?;
    let bodies = LongBodies::new(input);
    let mut walk =
        Walk { hosts, bodies: &bodies, each, summary: FlowSummary::default(), before: Timestamp::UNIX_EPOCH, sockets: BTreeMap::new() };
    let (mut at, mut versions) = (0, BTreeSet::new());
    loop {
        let next = reader.top(at).and_then(|found| match found {
            None => Ok(None),
            Some((item, next)) => {
                let flow = Flow::read(&mut reader, item)?;
                versions.insert(flow.version);
                walk.flow(&mut reader, &flow)?;
                Ok(Some(next))
            }
        });
        match next {
            Ok(None) => break,
            Ok(Some(next)) => at = next,
            Err(Damage { at, problem }) => {
                let flows = walk.summary.flows;
                return Err(input.refused(format!("{problem}, at byte {at}; {flows} flows were read")));
            }
        }
        walk.summary.flows += 1;
    }
    let mut summary = walk.summary;
    summary.version = versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Ok(summary)
}

struct Walk<'a> {
    hosts: &'a ReadHosts,
    bodies: &'a LongBodies<'a>,
    each: Each<'a>,
    summary: FlowSummary,
    /// When the flow before began.
    before: Timestamp,
    /// Exchanges that opened a WebSocket, by the names of their flows: up to version 11 the messages are in flows of their own.
    sockets: BTreeMap<Vec<u8>, (ExchangeId, Url)>,
}

impl Walk<'_> {
    fn flow(&mut self, reader: &mut Reader<Box<dyn ReadSeek>>, flow: &Flow) -> Result<(), Damage> {
        self.bodies.forget();
        if flow.changed {
            self.tell("flows were changed by hand in mitmproxy: they are read as they were before");
        }
        match flow.kind {
            Kind::Http => self.http(reader, flow)?,
            Kind::WebSocket => self.web_socket(reader, flow)?,
            Kind::Tcp => self.raw(reader, flow, "connections carried no HTTP (raw TCP): they are told as tunnels that nobody read")?,
            Kind::Udp => self.raw(reader, flow, "connections carried no HTTP (UDP): they are told as tunnels that nobody read")?,
            Kind::Dns => self.raw(reader, flow, "DNS queries are told as tunnels that nobody read")?,
            Kind::Unknown => {
                self.raw(reader, flow, "flows are of a kind that this version does not know: they are told as tunnels that nobody read")?;
            }
        }
        Ok(())
    }

    fn http(&mut self, reader: &mut Reader<Box<dyn ReadSeek>>, flow: &Flow) -> Result<(), Damage> {
        let exchange = http::exchange(reader, flow, ExchangeId(self.summary.exchanges + 1), self.before, self.bodies)?;
        self.before = exchange.began;
        if exchange.request.method.eq_ignore_ascii_case("connect") {
            let tunnel = connection::connect(reader, flow, &exchange, TunnelId(self.summary.tunnels + 1), self.hosts)?;
            self.tell("CONNECT requests are told as tunnels");
            self.summary.tunnels += 1;
            (self.each)(tunnel.began, RunEvent::Tunnel(tunnel), self.bodies);
            return Ok(());
        }
        if flow.replayed {
            self.tell("requests were sent by mitmproxy's replay: whether the app sent them as well is not known");
        }
        self.summary.exchanges += 1;
        let (id, began, url) = (exchange.id, exchange.began, exchange.request.url.clone());
        let opening = RunEvent::ExchangeBegan { id, method: exchange.request.method.clone(), host: url.host.clone(), tunnel: None };
        (self.each)(began, opening, self.bodies);
        let [messages] = reader.table(flow.websocket, ["messages"])?;
        self.messages(reader, messages, (id, &url, began))?;
        let [handshake] = reader.table(flow.metadata, ["websocket"])?;
        if !handshake.is_none() && self.sockets.len() < MOST_SOCKETS {
            self.sockets.insert(flow.id.clone(), (id, url));
        }
        (self.each)(exchange.ended.unwrap_or(began), RunEvent::Exchange(Box::new(exchange)), self.bodies);
        Ok(())
    }

    /// A WebSocket of version 11 or before, whose opening is a flow of its own.
    fn web_socket(&mut self, reader: &mut Reader<Box<dyn ReadSeek>>, flow: &Flow) -> Result<(), Damage> {
        let [handshake] = reader.table(flow.metadata, ["websocket_handshake"])?;
        let handshake = text(reader, handshake)?;
        let began = flow.created.unwrap_or(self.before);
        let (id, url) = match self.sockets.get(handshake.as_bytes()) {
            Some((id, url)) => (*id, url.clone()),
            None => {
                self.tell("WebSockets were opened by requests that the file does not hold");
                self.summary.exchanges += 1;
                let (id, url) = (ExchangeId(self.summary.exchanges), connection::unopened(reader, flow)?);
                // No exchange follows, so it is told as one that was not seen.
                let opening = RunEvent::ExchangeBegan { id, method: "GET".to_owned(), host: url.host.clone(), tunnel: None };
                (self.each)(began, opening, self.bodies);
                (id, url)
            }
        };
        self.messages(reader, flow.messages, (id, &url, began))
    }

    fn messages(
        &mut self,
        reader: &mut Reader<Box<dyn ReadSeek>>,
        list: tnetstring::Item,
        of: (ExchangeId, &Url, Timestamp),
    ) -> Result<(), Damage> {
        let (each, count, bodies) = (&mut self.each, &mut self.summary.messages, self.bodies);
        let injected = connection::messages(reader, list, of, bodies, &mut |message| {
            *count += 1;
            each(message.at, RunEvent::Message(Box::new(message)), bodies);
        })?;
        if injected > 0 {
            *self
                .summary
                .told
                .entry("WebSocket messages were made up in mitmproxy and never sent by app or server: left out")
                .or_default() += injected;
        }
        Ok(())
    }

    fn raw(&mut self, reader: &mut Reader<Box<dyn ReadSeek>>, flow: &Flow, words: &'static str) -> Result<(), Damage> {
        let tunnel = connection::raw(reader, flow, TunnelId(self.summary.tunnels + 1), self.before)?;
        self.before = tunnel.began;
        self.summary.tunnels += 1;
        self.tell(words);
        (self.each)(tunnel.began, RunEvent::Tunnel(tunnel), self.bodies);
        Ok(())
    }

    fn tell(&mut self, words: &'static str) {
        *self.summary.told.entry(words).or_default() += 1;
    }
}

/// WebSockets whose openings are remembered.
const MOST_SOCKETS: usize = 10_000;

#[cfg(test)]
mod invented;

#[cfg(test)]
mod tests;
