//! A snapshot seen by place (method, host and path) instead of by phase, and by host.

use std::collections::BTreeMap;

use crate::model::{
    BlindSpotKind, EndpointKey, FieldName, HostPattern, Snapshot, SnapshotEndpoint, SnapshotField,
    snapshot::{LEAST_OLD_RUNS, Unread},
};

/// A snapshot by place.
pub(super) struct View<'a> {
    /// Runs of the snapshot.
    pub(super) runs: u32,
    /// Places, each with its phases.
    pub(super) places: BTreeMap<PlaceId<'a>, Place<'a>>,
    unread_hosts: Vec<&'a Unread>,
    unread_bodies: Vec<&'a Unread>,
}

/// What names a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PlaceId<'a> {
    pub(super) host: &'a str,
    path: &'a str,
    method: &'a str,
}

/// One endpoint in all its phases. Never empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Place<'a> {
    /// By phase.
    pub(super) phases: BTreeMap<&'a str, (&'a EndpointKey, &'a SnapshotEndpoint)>,
}

/// A field where it was in the most runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) endpoint: &'a EndpointKey,
    pub(super) field: &'a SnapshotField,
}

/// A host by its busiest endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeenHost<'a> {
    pub(super) endpoint: &'a EndpointKey,
    pub(super) runs: u32,
}

impl<'a> View<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let mut places: BTreeMap<PlaceId<'a>, Place<'a>> = BTreeMap::new();
        for (key, endpoint) in &snapshot.endpoints {
            let id = PlaceId { host: &key.host, path: &key.path, method: &key.method };
            places.entry(id).or_default().phases.insert(&key.phase, (key, endpoint));
        }
        let unread = &snapshot.header.unread;
        let hides_body =
            |kind: &BlindSpotKind| matches!(kind, BlindSpotKind::BodyOpaque | BlindSpotKind::BodyMissing | BlindSpotKind::LimitReached);
        Self {
            runs: snapshot.header.runs,
            places,
            unread_hosts: unread.iter().filter(|unread| unread.kind.hides_host()).collect(),
            unread_bodies: unread.iter().filter(|unread| hides_body(&unread.kind)).collect(),
        }
    }

    /// Hosts of the endpoints.
    pub(super) fn hosts(&self) -> BTreeMap<&'a str, SeenHost<'a>> {
        let mut hosts: BTreeMap<&'a str, SeenHost<'a>> = BTreeMap::new();
        for (key, endpoint) in self.places.values().flat_map(|place| place.phases.values()) {
            let seen = SeenHost { endpoint: key, runs: endpoint.runs };
            let best = hosts.entry(key.host.as_str()).or_insert(seen);
            if seen.runs > best.runs {
                *best = seen;
            }
        }
        hosts
    }

    /// Whether a tunnel to this host stayed unread, in any run.
    pub(super) fn is_unread(&self, host: &str) -> bool {
        self.unread_host(host).next().is_some()
    }

    /// Tunnels to this host that stayed unread. A blind spot may name the host or the pattern that names its endpoints.
    pub(super) fn unread_host(&self, host: &str) -> impl Iterator<Item = &'a Unread> {
        let same = move |unread: &str| {
            unread == host
                || (host.contains('*') && HostPattern(host.into()).matches(unread))
                || (unread.contains('*') && HostPattern(unread.into()).matches(host))
        };
        self.unread_hosts.iter().copied().filter(move |unread| same(&unread.host))
    }

    /// Whether tunnels to this host stayed unread in so many runs that too few are left to show what it was sent.
    pub(super) fn is_host_hidden(&self, host: &str) -> bool {
        self.unread_host(host).any(|unread| self.hidden_by(unread.runs))
    }

    /// Whether bodies at this endpoint could not be read in so many runs that too few are left to show what they held.
    pub(super) fn is_body_hidden(&self, endpoint: &EndpointKey) -> bool {
        let mut bodies = self.unread_bodies.iter().peekable();
        if bodies.peek().is_none() {
            return false;
        }
        let place = endpoint.place();
        bodies.any(|unread| unread.endpoint == place && self.hidden_by(unread.runs))
    }

    /// Whether too few runs are left when so many could not be read. Where enough are, they would have shown what there is.
    pub(super) fn hidden_by(&self, unread_runs: u32) -> bool {
        self.runs.saturating_sub(unread_runs) < LEAST_OLD_RUNS
    }
}

impl<'a> Place<'a> {
    /// The phase with the most runs; of equals the first by name.
    pub(super) fn busiest(&self) -> (&'a EndpointKey, &'a SnapshotEndpoint) {
        let mut phases = self.phases.values().copied();
        let first = phases.next().expect("a place is made from an endpoint");
        phases.fold(first, |best, next| if next.1.runs > best.1.runs { next } else { best })
    }

    /// Every field, at the phase in which it was in the most runs.
    pub(super) fn fields(&self) -> BTreeMap<&'a FieldName, Seen<'a>> {
        let mut fields: BTreeMap<&'a FieldName, Seen<'a>> = BTreeMap::new();
        for (endpoint, facts) in self.phases.values() {
            for (name, field) in &facts.fields {
                let seen = Seen { endpoint, field };
                let best = fields.entry(name).or_insert(seen);
                if field.runs > best.field.runs {
                    *best = seen;
                }
            }
        }
        fields
    }
}
