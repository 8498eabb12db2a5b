//! What is learned of a tunnel on the way, and from that what became of it without a request. Who learns it, and tells it, is
//! `tunnel`.

use std::{net::IpAddr, time::Instant};

use super::{account::Unread, recorder::Name};
use crate::model::{Leaving, LeftBy, PassReason, TunnelOutcome};

/// What is known of a tunnel that has had no request.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Under which name it is told.
    pub(super) name: Name,
    pub(super) stage: Stage,
    /// The outcome, once nothing can change it but a request.
    pub(super) outcome: Option<TunnelOutcome>,
    pub(super) sni: Option<String>,
    pub(super) alpn: Vec<String>,
    pub(super) passed_because: Option<PassReason>,
    /// A request in it named a host outside the scope, and was counted there.
    pub(super) carried_outside: bool,
    pub(super) protocol: Option<String>,
    /// How the client left, and when.
    pub(super) left: Option<(LeftBy, Instant)>,
    /// What could not be read, whether requests were or not.
    pub(super) unread: Option<Unread>,
    /// The client's address, where it says more than the host.
    pub(super) client: Option<IpAddr>,
}

/// How far a tunnel has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing has come.
    #[default]
    Silent,
    /// A ClientHello has begun.
    Greeted,
    /// The client has our certificate.
    Offered,
    /// The handshake is finished.
    Finished(Instant),
    /// HTTP without TLS.
    Plain,
}

impl Facts {
    /// What the client said of itself and of its host is nobody's business.
    fn forget_hello(&mut self) {
        self.sni = None;
        self.alpn.clear();
        self.protocol = None;
    }

    /// Of what is outside the scope only how much it was is told, and whether it could be reached.
    pub(super) fn withhold(&mut self) {
        self.forget_hello();
        (self.unread, self.client) = (None, None);
        self.passed_because = Some(PassReason::OutsideScope);
        if !matches!(self.outcome, Some(TunnelOutcome::Unreachable { .. })) {
            self.outcome = Some(TunnelOutcome::PassedThrough);
        }
    }

    /// What became of it, without a request.
    pub(super) fn end(&self) -> TunnelOutcome {
        match (&self.outcome, self.stage) {
            (Some(outcome), _) => outcome.clone(),
            (None, Stage::Silent | Stage::Plain | Stage::Finished(_)) => TunnelOutcome::ClosedWithoutRequest,
            (None, Stage::Greeted | Stage::Offered) if self.left.is_none() => {
                TunnelOutcome::HandshakeFailed { why: "it was not finished when its time was over".to_owned() }
            }
            (None, Stage::Greeted) => {
                TunnelOutcome::HandshakeFailed { why: "the client left before its first message was complete".to_owned() }
            }
            (None, Stage::Offered) => TunnelOutcome::ClosedDuringHandshake,
        }
    }

    pub(super) fn left_by(&self) -> LeftBy {
        self.left.map_or(LeftBy::Us, |(by, _)| by)
    }

    /// How the client left after the handshake was finished.
    pub(super) fn leaving(&self) -> Option<Leaving> {
        let Stage::Finished(since) = self.stage else { return None };
        let until = self.left.map_or_else(Instant::now, |(_, at)| at);
        let after_ms = u64::try_from(until.saturating_duration_since(since).as_millis()).unwrap_or(u64::MAX);
        Some(Leaving { by: self.left_by(), after_ms })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn check(facts: Facts, expected: TunnelOutcome) {
        assert_eq!(facts.end(), expected, "{facts:?}");
    }

    #[test]
    fn how_far_it_came_decides_the_outcome() {
        let at = |stage| Facts { stage, ..Facts::default() };
        let gone = |stage| Facts { left: Some((LeftBy::Cut, Instant::now())), ..at(stage) };
        check(at(Stage::Silent), TunnelOutcome::ClosedWithoutRequest);
        check(gone(Stage::Offered), TunnelOutcome::ClosedDuringHandshake);
        check(at(Stage::Finished(Instant::now())), TunnelOutcome::ClosedWithoutRequest);
        check(at(Stage::Plain), TunnelOutcome::ClosedWithoutRequest);
        let why = "the client left before its first message was complete".to_owned();
        check(gone(Stage::Greeted), TunnelOutcome::HandshakeFailed { why });
        // The proxy stopped: of the client, nothing is claimed.
        let why = "it was not finished when its time was over".to_owned();
        check(at(Stage::Greeted), TunnelOutcome::HandshakeFailed { why: why.clone() });
        check(at(Stage::Offered), TunnelOutcome::HandshakeFailed { why });
        check(Facts { outcome: Some(TunnelOutcome::OwnProtocol), ..at(Stage::Silent) }, TunnelOutcome::OwnProtocol);
    }

    #[test]
    fn how_a_client_leaves_is_told_only_after_the_handshake() {
        let now = Instant::now();
        let facts = |stage, left| Facts { stage, left, ..Facts::default() };
        assert_eq!(facts(Stage::Silent, Some((LeftBy::Cut, now))).leaving(), None);
        let left = Some((LeftBy::CloseNotify, now + Duration::from_millis(40)));
        assert_eq!(facts(Stage::Finished(now), left).leaving(), Some(Leaving { by: LeftBy::CloseNotify, after_ms: 40 }));
        assert_eq!(facts(Stage::Finished(now), None).leaving().map(|leaving| leaving.by), Some(LeftBy::Us));
    }
}
