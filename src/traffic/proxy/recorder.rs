//! What a proxy tells, in order: gives exchanges and tunnels their numbers, and tells that they began. What follows is told by
//! `exchange` and `tunnel`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{
    Ending,
    activity::{Activity, Busy, Kind},
    exchange::Exchange,
    note_ending,
    socket::Pulse,
    tunnel::Tunnel,
};
use crate::{
    clock::Clock,
    model::{ExchangeId, Header, TunnelId, Url, tunnel::outside_host},
    traffic::{TrafficError, TrafficEvent, TrafficSender, queue::Room},
};

/// What one proxy's exchanges and tunnels share.
pub(super) struct Recorder {
    pub(super) clock: Clock,
    /// `None`: nothing is told.
    events: Option<TrafficSender>,
    /// Held while a number is given and its event is put into the queue, so that both have the same order.
    numbers: Mutex<Numbers>,
    /// Hosts outside the scope, which are told by their numbers.
    outside: Mutex<HashMap<String, u64>>,
    activity: Arc<Activity>,
    ending: Arc<watch::Sender<Ending>>,
}

#[derive(Default)]
struct Numbers {
    exchanges: u64,
    tunnels: u64,
    /// Exchanges that could not be told, and nobody knows of.
    lost: u64,
}

impl Recorder {
    pub(super) fn new(clock: Clock, events: TrafficSender, activity: Arc<Activity>, ending: Arc<watch::Sender<Ending>>) -> Self {
        Self { clock, events: Some(events), numbers: Mutex::default(), outside: Mutex::default(), activity, ending }
    }

    /// One that tells nothing: for what is passed on unread by the same code as what is read.
    fn silent(&self) -> Self {
        Self {
            clock: self.clock.clone(),
            events: None,
            numbers: Mutex::default(),
            outside: Mutex::default(),
            activity: Arc::clone(&self.activity),
            ending: Arc::clone(&self.ending),
        }
    }

    /// Whether the proxy has died: nothing may pass any more, though its connections take a moment to close.
    fn is_dead(&self) -> bool {
        matches!(*self.ending.borrow(), Ending::Died(_) | Ending::NobodyListens)
    }

    /// Puts an event into the queue, waiting for room. When nobody listens any more, the proxy has failed.
    pub(super) async fn tell(&self, event: TrafficEvent) -> Result<(), TrafficError> {
        let room = self.room(&event).await?;
        self.put(room, event)
    }

    /// Waits for room for an event. There is none in a queue that is not there: what is told goes nowhere then.
    async fn room(&self, event: &TrafficEvent) -> Result<Option<Room>, TrafficError> {
        if self.is_dead() {
            return Err(TrafficError::NobodyListens);
        }
        let Some(events) = &self.events else { return Ok(None) };
        self.noting(events.room(event).await.map(Some))
    }

    fn put(&self, room: Option<Room>, event: TrafficEvent) -> Result<(), TrafficError> {
        match (&self.events, room) {
            (Some(events), Some(room)) => self.noting(events.send_into(room, event)),
            _ => Ok(()),
        }
    }

    /// Notes when nobody listens any more.
    fn noting<T>(&self, told: Result<T, TrafficError>) -> Result<T, TrafficError> {
        if told.is_err() {
            note_ending(&self.ending, Ending::NobodyListens);
        }
        told
    }

    /// Puts an event into the queue if there is room at once; gives it back otherwise.
    pub(super) fn try_tell(&self, event: TrafficEvent) -> Option<TrafficEvent> {
        self.events.as_ref().and_then(|events| events.try_send(event))
    }

    /// Puts an event into the queue, room or not: the last one of an exchange or a tunnel, or one of few and small.
    pub(super) fn tell_end(&self, event: TrafficEvent) {
        if let Some(events) = &self.events {
            events.send_now(event);
        }
    }

    /// The same with the end of an exchange, waiting until it is kept.
    pub(super) async fn keep_end(&self, event: TrafficEvent) -> Result<(), TrafficError> {
        let Some(events) = &self.events else { return Ok(()) };
        let kept = events.send_end(event);
        self.noting(kept.await)
    }

    /// Begins an exchange with a client. Whoever stops waiting for that does not keep it from being told.
    pub(super) async fn begin_exchange(
        self: &Arc<Self>,
        client: &Pulse,
        tunnel: Option<&Arc<Tunnel>>,
        head: RequestHead,
    ) -> Result<Arc<Exchange>, TrafficError> {
        let RequestHead { method, url, http_version, headers, has_body } = head;
        let tunnel = tunnel.map(Arc::clone);
        let event = TrafficEvent::Began {
            id: ExchangeId(0),
            tunnel: tunnel.as_ref().map(|tunnel| tunnel.id),
            at: self.clock.now(),
            method,
            url,
            http_version,
            headers,
        };
        let busy = Busy::new(&self.activity, Kind::Exchange, &self.clock);
        Beginning { recorder: Arc::clone(self), client: client.clone(), tunnel, event: Some(event), has_body, busy: Some(busy) }
            .told()
            .await
    }

    /// Gives the next number to an exchange and tells its beginning with it.
    fn number_exchange(&self, mut event: TrafficEvent, tell: impl FnOnce(TrafficEvent) -> Told) -> Result<Numbered, TrafficError> {
        let mut numbers = self.numbers();
        let next = ExchangeId(numbers.exchanges + 1);
        if let TrafficEvent::Began { id, at, .. } = &mut event {
            // Times have the order of numbers.
            (*id, *at) = (next, self.clock.now());
        }
        tell(event)?;
        numbers.exchanges = next.0;
        Ok(Numbered { id: next, lost: std::mem::take(&mut numbers.lost) })
    }

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an exchange of which nothing is told: what passes is counted for a tunnel, beginning with this many bytes of the
    /// request's head.
    pub(super) fn begin_unread(&self, tunnel: Arc<Tunnel>, head: usize) -> Arc<Exchange> {
        tunnel.sent(head);
        Arc::new(Exchange::unread(Arc::new(self.silent()), tunnel))
    }

    /// Counts a connection that is not told of yet, so that stopping waits until it is, if it is to be.
    pub(super) fn untold(&self) -> Busy {
        Busy::new(&self.activity, Kind::Undecided, &self.clock).without_hold()
    }

    /// Counts an exchange that became a connection which stays open.
    pub(super) fn open_connection(&self) -> Busy {
        Busy::new(&self.activity, Kind::Connection, &self.clock).without_hold()
    }

    /// Begins a tunnel to a host (lower case) and port.
    pub(super) async fn begin_tunnel(self: &Arc<Self>, host: String, port: u16) -> Result<Arc<Tunnel>, TrafficError> {
        self.begin_tunnel_as(host, port, Name::Told).await
    }

    /// The same to a host outside the scope: what is told has a number instead of its name.
    pub(super) async fn begin_outside(self: &Arc<Self>, host: String, port: u16) -> Result<Arc<Tunnel>, TrafficError> {
        self.begin_tunnel_as(host, port, Name::Withheld).await
    }

    /// The same to an address of which nobody knows yet whether it is in the scope. It is told when somebody does.
    pub(super) async fn begin_undecided(self: &Arc<Self>, host: String, port: u16) -> Result<Arc<Tunnel>, TrafficError> {
        self.begin_tunnel_as(host, port, Name::Undecided).await
    }

    async fn begin_tunnel_as(self: &Arc<Self>, host: String, port: u16, name: Name) -> Result<Arc<Tunnel>, TrafficError> {
        let open = Busy::new(&self.activity, Kind::Tunnel, &self.clock);
        let undecided = Busy::new(&self.activity, Kind::Undecided, &self.clock);
        let began = |id, at, host, port| TrafficEvent::TunnelBegan { id, at, host, port };
        let room = match name {
            Name::Told | Name::Withheld => self.room(&began(TunnelId(0), self.clock.now(), String::new(), 0)).await?,
            Name::Undecided => None,
        };
        let mut numbers = self.numbers();
        let (id, at) = (TunnelId(numbers.tunnels + 1), self.clock.now());
        match name {
            Name::Told => self.put(room, began(id, at, host.clone(), port))?,
            Name::Withheld => self.put(room, began(id, at, self.outside_host(&host), 0))?,
            Name::Undecided => {}
        }
        numbers.tunnels = id.0;
        drop(numbers);
        Ok(Arc::new(Tunnel::new(id, host, port, name, at, Arc::clone(self), open.without_hold(), undecided)))
    }

    /// What stands for the name of a host outside the scope, the same each time.
    pub(super) fn outside_host(&self, host: &str) -> String {
        let mut outside = self.outside.lock().unwrap_or_else(PoisonError::into_inner);
        let next = outside.len() as u64 + 1;
        let number = match outside.get(host) {
            Some(number) => *number,
            // Beyond this many, all that are new count as one.
            None if outside.len() >= MOST_OUTSIDE => next,
            None => *outside.entry(host.to_owned()).or_insert(next),
        };
        outside_host(number)
    }
}

/// Under which name a tunnel is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Name {
    /// Its own.
    #[default]
    Told,
    /// A number: it is outside the scope.
    Withheld,
    /// None yet: what the client says first decides.
    Undecided,
}

/// A request's head as it is told.
pub(super) struct RequestHead {
    pub(super) method: String,
    pub(super) url: Url,
    pub(super) http_version: String,
    pub(super) headers: Vec<Header>,
    /// Whether a body follows.
    pub(super) has_body: bool,
}

/// An exchange whose request was read, and which is not told yet.
struct Beginning {
    recorder: Arc<Recorder>,
    client: Pulse,
    tunnel: Option<Arc<Tunnel>>,
    /// What tells it, without its number; nothing once that is done.
    event: Option<TrafficEvent>,
    has_body: bool,
    busy: Option<Busy>,
}

/// Whether an event was told.
type Told = Result<(), TrafficError>;

/// An exchange that has its number, and how many before it have none.
struct Numbered {
    id: ExchangeId,
    lost: u64,
}

impl Beginning {
    /// Tells it when there is room.
    async fn told(mut self) -> Result<Arc<Exchange>, TrafficError> {
        let recorder = Arc::clone(&self.recorder);
        let Some(event) = &self.event else { return Err(TrafficError::NobodyListens) };
        let room = recorder.room(event).await;
        let Some(event) = self.event.take() else { return Err(TrafficError::NobodyListens) };
        let room = room?;
        let Numbered { id, lost } = recorder.number_exchange(event, |event| recorder.put(room, event))?;
        Ok(Arc::new(self.begun(id, lost)))
    }

    fn begun(&mut self, id: ExchangeId, lost: u64) -> Exchange {
        let tunnel = self.tunnel.take();
        if let Some(tunnel) = &tunnel {
            tunnel.request_began();
        }
        let exchange = Exchange::begun(id, Arc::clone(&self.recorder), self.client.clone(), tunnel, self.busy.take());
        if lost > 0 {
            exchange.note(format!("{lost} more were not recorded before it: their clients left while the writer was behind"));
        }
        exchange
    }
}

impl Drop for Beginning {
    /// Its client left while it waited for room. It has begun all the same, and then broken off.
    fn drop(&mut self) {
        let Some(event) = self.event.take() else { return };
        let recorder = Arc::clone(&self.recorder);
        let Some(events) = recorder.events.as_ref().filter(|_| !recorder.is_dead()) else { return };
        match recorder.number_exchange(event, |event| events.try_send_late(event).map_or(Ok(()), |_| Err(TrafficError::NobodyListens))) {
            Ok(Numbered { id, lost }) => {
                let exchange = self.begun(id, lost);
                if !self.has_body {
                    exchange.has_no_body();
                }
            }
            Err(_) => recorder.numbers().lost += 1,
        }
    }
}

/// Hosts outside the scope that are told apart. A session meets some hundred.
const MOST_OUTSIDE: usize = 100_000;
