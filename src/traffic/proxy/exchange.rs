//! The record of one exchange while it happens: numbers it, tells its events in order, and tells its end from the last drop,
//! so that no way out is forgotten.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::{Notify, watch};

use super::{Ending, frames::Said, note_ending, tunnel::Tunnel};
use crate::{
    clock::{Clock, Hold},
    model::{Captured, ExchangeId, Header, TunnelId, Url, tunnel::outside_host},
    traffic::{Side, TrafficError, TrafficEvent, TrafficSender},
};

/// What one proxy's exchanges and tunnels share.
pub(super) struct Recorder {
    pub(super) clock: Clock,
    /// `None`: nothing is told.
    events: Option<TrafficSender>,
    /// Held while a number is given and its event is put into the queue, so that both have the same order.
    numbers: tokio::sync::Mutex<Numbers>,
    /// Hosts outside the scope, which are told by their numbers.
    outside: Mutex<HashMap<String, u64>>,
    activity: Arc<Activity>,
    ending: Arc<watch::Sender<Ending>>,
}

#[derive(Default)]
struct Numbers {
    exchanges: u64,
    tunnels: u64,
}

impl Recorder {
    pub(super) fn new(clock: Clock, events: TrafficSender, activity: Arc<Activity>, ending: Arc<watch::Sender<Ending>>) -> Self {
        Self { clock, events: Some(events), numbers: tokio::sync::Mutex::default(), outside: Mutex::default(), activity, ending }
    }

    /// One that tells nothing: for what is passed on unread by the same code as what is read.
    fn silent(&self) -> Self {
        Self {
            clock: self.clock.clone(),
            events: None,
            numbers: tokio::sync::Mutex::default(),
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
        if self.is_dead() {
            return Err(TrafficError::NobodyListens);
        }
        let Some(events) = &self.events else { return Ok(()) };
        let told = events.send(event).await;
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

    /// Begins an exchange.
    pub(super) async fn begin_exchange(
        self: &Arc<Self>,
        tunnel: Option<&Arc<Tunnel>>,
        head: RequestHead,
    ) -> Result<Arc<Exchange>, TrafficError> {
        let busy = Busy::new(&self.activity, Kind::Exchange, &self.clock);
        let mut numbers = self.numbers.lock().await;
        let id = ExchangeId(numbers.exchanges + 1);
        self.tell(TrafficEvent::Began {
            id,
            tunnel: tunnel.map(|tunnel| tunnel.id),
            at: self.clock.now(),
            method: head.method,
            url: head.url,
            http_version: head.http_version,
            headers: head.headers,
        })
        .await?;
        numbers.exchanges = id.0;
        if let Some(tunnel) = tunnel {
            tunnel.request_began();
        }
        let state = Mutex::new(State { busy: Some(busy), ..State::default() });
        Ok(Arc::new(Exchange { id, recorder: Arc::clone(self), state, unread: None, _tunnel: tunnel.cloned() }))
    }

    /// Begins an exchange of which nothing is told: what passes is counted for a tunnel, beginning with this many bytes of the
    /// request's head.
    pub(super) fn begin_unread(&self, tunnel: Arc<Tunnel>, head: usize) -> Arc<Exchange> {
        tunnel.sent(head);
        let recorder = Arc::new(self.silent());
        Arc::new(Exchange { id: ExchangeId(0), recorder, state: Mutex::default(), unread: Some(tunnel), _tunnel: None })
    }

    /// Counts a connection that is not told of yet, so that stopping waits until it is, if it is to be.
    pub(super) fn untold(&self) -> Busy {
        Busy::new(&self.activity, Kind::Undecided, &self.clock).without_hold()
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
        let mut numbers = self.numbers.lock().await;
        let (id, at) = (TunnelId(numbers.tunnels + 1), self.clock.now());
        match name {
            Name::Told => self.tell(TrafficEvent::TunnelBegan { id, at, host: host.clone(), port }).await?,
            Name::Withheld => self.tell(TrafficEvent::TunnelBegan { id, at, host: self.outside_host(&host), port: 0 }).await?,
            Name::Undecided => {}
        }
        numbers.tunnels = id.0;
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
}

/// One exchange in flight: held by the handler and by both bodies.
pub(super) struct Exchange {
    id: ExchangeId,
    recorder: Arc<Recorder>,
    state: Mutex<State>,
    /// Where it is counted, if nothing of it is told.
    unread: Option<Arc<Tunnel>>,
    /// An exchange ends before its tunnel does.
    _tunnel: Option<Arc<Tunnel>>,
}

#[derive(Default)]
struct State {
    request_ended: bool,
    answered: bool,
    response_ended: bool,
    /// Whether the server answered a client that waited to be asked for the body, without asking.
    never_asked: bool,
    error: Option<String>,
    notes: u8,
    /// Counts it as in flight, or as an open connection.
    busy: Option<Busy>,
}

impl Exchange {
    pub(super) fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    /// A response's head was read.
    pub(super) async fn answered(&self, status: u16, http_version: String, headers: Vec<Header>) -> Result<(), TrafficError> {
        self.state().answered = true;
        if let Some(tunnel) = &self.unread {
            tunnel.received(STATUS_LINE + header_bytes(&headers));
        }
        self.recorder.tell(TrafficEvent::Answered { id: self.id, status, http_version, headers }).await
    }

    /// Whether nothing of it is told.
    pub(super) const fn is_unread(&self) -> bool {
        self.unread.is_some()
    }

    /// Bytes passed in the connection that it became: they are counted where it is not read.
    pub(super) fn passed(&self, sent: bool, bytes: usize) {
        match &self.unread {
            Some(tunnel) if sent => tunnel.sent(bytes),
            Some(tunnel) => tunnel.received(bytes),
            None => {}
        }
    }

    /// Counts what a body brings, where it is not read.
    fn count(&self, event: &TrafficEvent) {
        if self.unread.is_none() {
            return;
        }
        match event {
            // Exposed to be counted: nothing of it is kept.
            TrafficEvent::BodyPiece { side, bytes, .. } => self.passed(*side == Side::Request, bytes.expose().len()),
            TrafficEvent::BodyEnded { side, trailers, .. } if !trailers.is_empty() => {
                self.passed(*side == Side::Request, header_bytes(trailers));
            }
            _ => {}
        }
    }

    /// The event of a piece of a body.
    pub(super) fn piece(&self, side: Side, bytes: &[u8]) -> TrafficEvent {
        TrafficEvent::BodyPiece { id: self.id, side, bytes: Captured::new(bytes.to_vec()) }
    }

    /// The event of the end of a body.
    pub(super) const fn body_end(&self, side: Side, trailers: Vec<Header>) -> TrafficEvent {
        TrafficEvent::BodyEnded { id: self.id, side, trailers }
    }

    /// Puts one of its events into the queue, waiting for room.
    pub(super) async fn tell(&self, event: TrafficEvent) -> Result<(), TrafficError> {
        let ended = ended_body(&event);
        self.count(&event);
        self.recorder.tell(event).await?;
        self.mark(ended);
        Ok(())
    }

    /// Puts one of its events into the queue if there is room at once; gives it back otherwise.
    pub(super) fn try_tell(&self, event: TrafficEvent) -> Option<TrafficEvent> {
        let ended = ended_body(&event);
        self.count(&event);
        let refused = self.recorder.try_tell(event);
        if refused.is_none() {
            self.mark(ended);
        }
        refused
    }

    /// Notes that a body is complete. Only once that was told: a connection may end while the queue has no room for it, and then
    /// the record has a torn body, and must say why.
    fn mark(&self, ended: Option<Side>) {
        match ended {
            Some(Side::Request) => self.state().request_ended = true,
            Some(Side::Response) => self.state().response_ended = true,
            None => {}
        }
    }

    /// The event of a message of the connection that it became.
    pub(super) fn message(&self, sent: bool, said: Said) -> TrafficEvent {
        let Said { text, bytes, length, complete } = said;
        let at = self.recorder.clock.now();
        TrafficEvent::Message { id: self.id, at, sent, text, bytes: Captured::new(bytes), length, complete }
    }

    /// It became a connection that stays open: nobody waits for its end, and simulated time goes on.
    pub(super) fn stays_open(&self) {
        if self.is_unread() {
            return;
        }
        let Recorder { activity, clock, .. } = &*self.recorder;
        let open = Busy::new(activity, Kind::Connection, clock).without_hold();
        let in_flight = self.state().busy.replace(open);
        drop(in_flight);
    }

    /// Tells something about it that is not an error, in words without captured values. Of very many, the first are told.
    pub(super) fn note(&self, note: String) {
        let mut state = self.state();
        if state.notes < MOST_NOTES {
            state.notes += 1;
            self.recorder.tell_end(TrafficEvent::Noted { id: self.id, at: self.recorder.clock.now(), note });
        }
    }

    /// The server answered without asking for the body: that none comes is then no failure.
    pub(super) fn never_asked(&self) {
        self.state().never_asked = true;
    }

    /// Whether the client was free to send no body.
    pub(super) fn may_lack_a_body(&self) -> bool {
        self.state().never_asked
    }

    /// Whether the whole request body was read, and told.
    pub(super) fn request_ended(&self) -> bool {
        self.state().request_ended
    }

    /// Notes why there will be no complete response. The first reason counts.
    pub(super) fn failed(&self, why: &str) {
        self.state().error.get_or_insert_with(|| why.to_owned());
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(tunnel) = &self.unread {
            let mut state = self.state();
            if let (false, Some(why)) = (state.answered, state.error.take()) {
                tunnel.failed(why);
            }
            return;
        }
        let error = {
            let mut state = self.state();
            let default = match (state.answered, state.response_ended) {
                (true, true) => None,
                (true, false) => Some("the connection ended in the middle of the response"),
                (false, _) if state.request_ended => Some("the connection ended before there was a response"),
                (false, _) => Some(TORN_UPLOAD),
            };
            state.error.take().or_else(|| default.map(str::to_owned))
        };
        self.recorder.tell_end(TrafficEvent::Ended { id: self.id, at: self.recorder.clock.now(), error });
    }
}

/// The body whose end an event tells.
const fn ended_body(event: &TrafficEvent) -> Option<Side> {
    match event {
        TrafficEvent::BodyEnded { side, .. } => Some(*side),
        _ => None,
    }
}

/// Notes are put into the queue whether there is room or not: a server must not be able to make many.
const MOST_NOTES: u8 = 8;

/// Said when a client leaves before its request is complete.
pub(super) const TORN_UPLOAD: &str = "the connection ended in the middle of the request";

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
enum Kind {
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
    fn new(activity: &Arc<Activity>, kind: Kind, clock: &Clock) -> Self {
        activity.counter(kind).fetch_add(1, Ordering::SeqCst);
        Self { activity: Arc::clone(activity), kind, _hold: Some(clock.hold()) }
    }

    /// The same count, without holding the clock: an idle tunnel must not stop simulated time.
    fn without_hold(mut self) -> Self {
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

/// Bytes of a block of headers as HTTP/1 writes it, with the empty line after it.
pub(super) fn header_bytes(headers: &[Header]) -> usize {
    // Exposed to be counted: nothing of it is kept.
    headers.iter().map(|header| header.name.len() + header.value.expose().len() + 4).sum::<usize>() + 2
}

/// Header pairs as they are told: bytes that are not UTF-8 are read as Latin-1.
pub(super) fn told_headers(headers: &HeaderMap) -> Vec<Header> {
    headers.iter().map(|(name, value)| told_header(name, value)).collect()
}

/// One header pair as it is told.
pub(super) fn told_header(name: &HeaderName, value: &HeaderValue) -> Header {
    Header { name: name.as_str().to_owned(), value: Captured::new(text(value.as_bytes())) }
}

fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect(), str::to_owned)
}

/// `HTTP/1.1`, `HTTP/2`, ….
pub(super) fn told_version(version: http::Version) -> String {
    match version {
        http::Version::HTTP_2 => "HTTP/2".to_owned(),
        http::Version::HTTP_3 => "HTTP/3".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Bytes of a status line without its reason.
const STATUS_LINE: usize = "HTTP/1.1 200 \r\n".len();
/// Hosts outside the scope that are told apart. A session meets some hundred.
const MOST_OUTSIDE: usize = 100_000;
