//! The requests that a waiting step can ask for: the latest ones, in bounded memory. The capture keeps them all.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use crate::{
    model::{ExchangeId, tunnel::is_outside_host},
    scenario::rig::SeenRequest,
};

/// Requests of the run so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The latest, by rising number.
    latest: VecDeque<SeenRequest>,
    /// Bytes that the latest take.
    bytes: usize,
    /// Hosts of all requests and connections, lower case.
    hosts: BTreeSet<String>,
    passed: Passed,
}

/// What passed by the source, as HTTP has it: without what TLS and the network add.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Bytes that came from the phone.
    pub sent: u64,
    /// Bytes that went to it.
    pub received: u64,
    /// Connections that it opened.
    pub connections: u64,
}

impl Seen {
    /// A request began. The oldest ones are forgotten when there are very many.
    pub(super) fn began(&mut self, request: SeenRequest) {
        self.connected(&request.host);
        self.bytes += size(&request);
        self.latest.push_back(request);
        while self.bytes > MOST_BYTES
            && let Some(oldest) = self.latest.pop_front()
        {
            self.bytes -= size(&oldest);
        }
    }

    /// Somebody connected to a host, whether what they sent there can be read or not. Of what names none, nothing can be said.
    pub(super) fn connected(&mut self, host: &str) {
        if host.is_empty() || is_outside_host(host) || self.hosts.len() >= MOST_HOSTS {
            return;
        }
        let host = host.to_ascii_lowercase();
        if !self.hosts.contains(&host) {
            self.hosts.insert(host);
        }
    }

    /// The phone opened a connection to a host.
    pub(super) fn opened(&mut self, host: &str) {
        self.connected(host);
        self.passed.connections += 1;
    }

    /// So many bytes came from the phone.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.passed.sent = self.passed.sent.saturating_add(bytes as u64);
    }

    /// So many bytes went to it.
    pub(super) fn received(&mut self, bytes: usize) {
        self.passed.received = self.passed.received.saturating_add(bytes as u64);
    }

    /// What passed so far.
    pub(super) const fn passed(&self) -> Passed {
        self.passed
    }

    /// A request is over.
    pub(super) fn ended(&mut self, id: ExchangeId, at: Timestamp, status: Option<u16>) {
        if let Some(request) = self.of(id) {
            request.ended = Some((at, status));
        }
    }

    /// The app sent a message over the connection that a request became.
    pub(super) fn said(&mut self, id: ExchangeId, at: Timestamp) {
        if let Some(request) = self.of(id) {
            request.said = Some(at);
        }
    }

    fn of(&mut self, id: ExchangeId) -> Option<&mut SeenRequest> {
        let place = self.latest.binary_search_by_key(&id, |request| request.id).ok()?;
        self.latest.get_mut(place)
    }

    /// The latest requests, in the order in which they began.
    pub(super) fn latest(&self) -> Vec<SeenRequest> {
        self.latest.iter().cloned().collect()
    }

    /// Hosts of all requests and connections, sorted.
    pub(super) fn hosts(&self) -> Vec<String> {
        self.hosts.iter().cloned().collect()
    }
}

/// What a request takes, allocations included, roughly.
const fn size(request: &SeenRequest) -> usize {
    size_of::<SeenRequest>() + request.method.len() + request.host.len() + request.path.len()
}

/// Some 12,000 requests of ordinary length: a phone makes so many in half an hour, and a step asks several times a second.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// A phone talks to some hundred.
const MOST_HOSTS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_requests_take_bounded_memory_and_the_latest_are_known() {
        let mut seen = Seen::default();
        let at = Timestamp::UNIX_EPOCH;
        for n in 1..=1_000_000 {
            let host = if n == 1 { "first.test" } else { "api.test" };
            let path = format!("/v1/data/{n}");
            let request =
                SeenRequest { id: ExchangeId(n), method: "POST".into(), host: host.into(), path, began: at, ended: None, said: None };
            seen.began(request);
            seen.ended(ExchangeId(n), at, Some(200));
        }
        // Forgotten long ago.
        seen.ended(ExchangeId(1), at, None);
        let latest = seen.latest();
        assert!((10_000..100_000).contains(&latest.len()), "{}", latest.len());
        assert!(latest.iter().all(|request| request.ended == Some((at, Some(200)))));
        assert_eq!(latest.last().map(|request| request.path.as_str()), Some("/v1/data/1000000"));
        assert_eq!(seen.hosts(), ["api.test", "first.test"]);
    }
}
