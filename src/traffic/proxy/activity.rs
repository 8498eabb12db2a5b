//! How much is going on in a proxy: what stopping waits for, and what holds simulated time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use crate::clock::{Clock, Hold};

/// How much is going on in one proxy.
#[derive(Debug, Default)]
pub(super) struct Activity {
    exchanges: AtomicUsize,
    tunnels: AtomicUsize,
    /// Tunnels that had no request yet, and connections without a tunnel.
    undecided: AtomicUsize,
    /// Exchanges that became connections which stay open.
    connections: AtomicUsize,
    changed: Notify,
}

impl Activity {
    /// Exchanges that have begun and not ended.
    pub(super) fn exchanges(&self) -> usize {
        self.exchanges.load(Ordering::SeqCst)
    }

    /// Waits until no exchange is in flight and no tunnel is on its way to its first request.
    pub(super) async fn settled(&self) {
        self.until(|| self.exchanges() == 0 && self.undecided.load(Ordering::SeqCst) == 0).await;
    }

    /// Waits until every exchange and every tunnel is over.
    pub(super) async fn ended(&self) {
        let none = |counter: &AtomicUsize| counter.load(Ordering::SeqCst) == 0;
        self.until(|| [&self.exchanges, &self.tunnels, &self.connections].into_iter().all(none)).await;
    }

    async fn until(&self, reached: impl Fn() -> bool) {
        loop {
            let changed = self.changed.notified();
            if reached() {
                return;
            }
            changed.await;
        }
    }

    const fn counter(&self, kind: Kind) -> &AtomicUsize {
        match kind {
            Kind::Exchange => &self.exchanges,
            Kind::Tunnel => &self.tunnels,
            Kind::Undecided => &self.undecided,
            Kind::Connection => &self.connections,
        }
    }
}

/// What a [`Busy`] counts.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Exchange,
    Tunnel,
    Undecided,
    Connection,
}

/// Counts as one activity of its kind, and holds the clock, until it is dropped.
pub(super) struct Busy {
    activity: Arc<Activity>,
    kind: Kind,
    _hold: Option<Hold>,
}

impl Busy {
    pub(super) fn new(activity: &Arc<Activity>, kind: Kind, clock: &Clock) -> Self {
        activity.counter(kind).fetch_add(1, Ordering::SeqCst);
        Self { activity: Arc::clone(activity), kind, _hold: Some(clock.hold()) }
    }

    /// The same count, without holding the clock: an idle tunnel must not stop simulated time.
    pub(super) fn without_hold(mut self) -> Self {
        self._hold = None;
        self
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.activity.counter(self.kind).fetch_sub(1, Ordering::SeqCst);
        self.activity.changed.notify_waiters();
    }
}
