//! The connections to servers that belong to one client's connection: made when it asks for something, used again for what it asks
//! next, and closed with it. No two clients share one. What becomes of a request is so what would have become of it without a proxy:
//! a server that is just closing a connection meets the client that had it, and not another one, which would have dialled anew.
//!
//! In use at once are as many as the client asks for at once: one over HTTP/1, [`super::MOST_STREAMS`] at most over HTTP/2. That a
//! client's second request does not wait for the first, which may be a long poll, is worth more than a smaller number.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, Uri,
    header::{HOST, PROXY_AUTHORIZATION},
};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use hudsucker::Body;
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::{
    client::legacy::connect::Connection,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::{sync::Mutex as Turn, time::timeout};

use super::{
    LONGEST_HEAD, MOST_HEADERS,
    failure::{Failure, Peer},
    line::{Line, pulse_of},
    socket::{Pulse, Quiet},
    upload::Upload,
    upstream::Connector,
};

/// The connections of one client's connection.
pub(super) struct Lines {
    ways: Arc<Ways>,
    kept: Arc<Mutex<Kept>>,
}

/// How connections are made: shared by all clients, and with them the memory of earlier TLS sessions, so that another handshake
/// costs little.
pub(super) struct Ways {
    /// HTTP/1 or HTTP/2, as the server likes.
    either: Connector,
    /// HTTP/1, in absolute-form where another proxy takes that.
    http1: Connector,
    /// Whatever is spoken, the server hears it as it is said: never in absolute-form to another proxy.
    straight: Connector,
}

/// Which protocol a server is to be spoken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// HTTP/2, or HTTP/1 if the server likes that better.
    Either,
    /// HTTP/1: what the client speaks.
    Http1,
    /// The same, with a `Host` field that another proxy on the way must not set right.
    Http1Straight,
    /// HTTP/2, which the server is known to speak without TLS (RFC 9113 section 3.3).
    Http2,
}

/// Where a connection leads, and what is spoken on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    speaks: Speaks,
    server: Uri,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoAnswer {
    failure: Failure,
    /// Whose failure it is.
    pub(super) peer: Peer,
    /// The connection had brought an answer before, so that the server may have closed it while it was idle.
    had_answered: bool,
    /// Nothing was written on the connection since then.
    pub(super) unwritten: bool,
}

impl Ways {
    pub(super) fn new(either: Connector) -> Self {
        Self { http1: either.http1_only(), straight: either.http1_only().straight(), either }
    }

    /// What connections are made with that may become something else.
    pub(super) const fn straight(&self) -> &Connector {
        &self.straight
    }

    const fn to(&self, place: &Place) -> &Connector {
        match place.speaks {
            Speaks::Either => &self.either,
            Speaks::Http1 => &self.http1,
            Speaks::Http1Straight | Speaks::Http2 => &self.straight,
        }
    }
}

impl Place {
    /// The server that a URI names.
    pub(super) fn of(speaks: Speaks, uri: &Uri) -> Self {
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        // A URI that names no server leads nowhere.
        Self { speaks, server: Uri::from_parts(parts).unwrap_or_default() }
    }

    /// Whether one connection may serve several requests at once.
    const fn may_be_shared(&self) -> bool {
        matches!(self.speaks, Speaks::Either | Speaks::Http2)
    }
}

impl Lines {
    pub(super) fn new(ways: Arc<Ways>) -> Self {
        Self { ways, kept: Arc::default() }
    }

    pub(super) const fn ways(&self) -> &Arc<Ways> {
        &self.ways
    }

    /// Sends a request over a connection that is kept, or a new one. If it could not begin to be sent on one that was kept, it goes
    /// over another.
    pub(super) async fn send(&self, to: &Place, mut request: Request<Upload>) -> Result<Response<Body>, NoAnswer> {
        let uri = request.uri().clone();
        loop {
            let (line, is_kept) = self.find(to).await?;
            request = match self.ask(to, line, request).await {
                Ok(response) => return Ok(response),
                Err(Unsent { request: Some(unsent), .. }) if is_kept => unsent,
                Err(unsent) => return Err(unsent.no_answer),
            };
            request.uri_mut().clone_from(&uri);
        }
    }

    /// Sends a request over a new connection.
    pub(super) async fn send_afresh(&self, to: &Place, request: Request<Upload>) -> Result<Response<Body>, NoAnswer> {
        let line = self.dial(to).await?;
        self.ask(to, line, request).await.map_err(|unsent| unsent.no_answer)
    }

    async fn ask(&self, to: &Place, line: Sender, request: Request<Upload>) -> Result<Response<Body>, Unsent> {
        match line {
            Sender::One(one) => {
                let request = self.for_http1(to, &one, request);
                one.ask(to, &self.kept, request).await
            }
            Sender::Two(two) => {
                let answered = two.clone().ask(request).await;
                if matches!(&answered, Err(Unsent { request: Some(_), .. })) {
                    self.kept().forget(to, &two);
                }
                answered
            }
        }
    }

    /// A request as HTTP/1 writes it: with a `Host` field, and with its whole URL only for another proxy.
    fn for_http1(&self, to: &Place, one: &One, mut request: Request<Upload>) -> Request<Upload> {
        if !request.headers().contains_key(HOST)
            && let Some(host) = host_field(request.uri())
        {
            request.headers_mut().insert(HOST, host);
        }
        if one.absolute {
            if let Some(value) = self.ways.to(to).proxy_authorization() {
                request.headers_mut().insert(PROXY_AUTHORIZATION, value);
            }
            return request;
        }
        let mut parts = http::uri::Parts::default();
        parts.path_and_query = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        request
    }

    /// A connection that is kept, or a new one, and which of the two it is.
    async fn find(&self, to: &Place) -> Result<(Sender, bool), NoAnswer> {
        if let Some(kept) = self.take(to).await {
            return Ok((kept, true));
        }
        let first = if to.may_be_shared() { self.kept().first(to) } else { None };
        let Some(first) = first else { return Ok((self.dial(to).await?, false)) };
        // Until the first connection is there, nobody knows whether another one will be needed.
        let mut turn = match first.try_lock() {
            Ok(turn) => turn,
            Err(_) => {
                let turn = first.lock().await;
                let (failed, needs_its_own) = (*turn, self.kept().first(to).is_none());
                // One whose first has left without having found out anything is the first itself.
                let turn = if failed.is_some() || needs_its_own { None } else { Some(turn) };
                if let Some(kept) = self.take(to).await {
                    return Ok((kept, true));
                }
                match (failed, turn) {
                    // What one found out holds for all that waited for it.
                    (Some(failed), _) => return Err(failed),
                    (None, None) => return Ok((self.dial(to).await?, false)),
                    (None, Some(turn)) => turn,
                }
            }
        };
        *turn = None;
        let dialled = self.dial(to).await;
        *turn = dialled.as_ref().err().copied();
        Ok((dialled?, false))
    }

    /// A connection that is kept and can be used.
    async fn take(&self, to: &Place) -> Option<Sender> {
        let now = Instant::now();
        if let Some(two) = self.kept().shared(to, now) {
            return Some(Sender::Two(two));
        }
        loop {
            let mut one = self.kept().idle(to, now)?;
            // It is ready as soon as the engine has come to the end of the exchange before, unless the server still takes its upload.
            if matches!(timeout(AT_ONCE, one.sender.ready()).await, Ok(Ok(()))) && one.pulse.is_quiet() {
                return Some(Sender::One(one));
            }
        }
    }

    async fn dial(&self, to: &Place) -> Result<Sender, NoAnswer> {
        let way = self.ways.to(to);
        let stream = way.connect(to.server.clone()).await.map_err(|error| NoAnswer::new(Failure::of(&*error, true), way.peer()))?;
        let peer = if stream.connected().is_proxied() { Peer::Proxy } else { way.peer() };
        let at_once = |error: hyper::Error| NoAnswer::new(Failure::of(&error, false), peer);
        if to.speaks == Speaks::Http2 || stream.connected().is_negotiated_h2() {
            let two = Two::begin(stream, peer, way.quiet()).await.map_err(at_once)?;
            self.kept().share(to, two.clone());
            return Ok(Sender::Two(two));
        }
        let one = One::begin(stream, peer).await.map_err(at_once)?;
        if to.may_be_shared() {
            self.kept().is_http1(to);
        }
        Ok(Sender::One(one))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }
}

/// What there is of connections.
#[derive(Default)]
struct Kept {
    /// Of HTTP/1, those that are not in use. The oldest is the first.
    idle: Vec<(Place, One)>,
    /// Of servers that may speak HTTP/2.
    servers: Vec<Server>,
}

/// A server that may speak HTTP/2.
struct Server {
    place: Place,
    /// Held by who dials it for the first time, and what came of the last time if that failed.
    first: Arc<Turn<Option<NoAnswer>>>,
    found: Found,
}

enum Found {
    Nothing,
    Http1,
    Http2(Two),
}

impl Kept {
    /// The connection that was used last, and is not in use.
    fn idle(&mut self, to: &Place, now: Instant) -> Option<One> {
        self.idle.retain(|(_, one)| !is_stale(one.used, now));
        let last = self.idle.iter().rposition(|(place, _)| place == to)?;
        Some(self.idle.remove(last).1)
    }

    fn give_back(&mut self, place: Place, one: One) {
        if self.idle.len() >= MOST_IDLE {
            self.idle.remove(0);
        }
        self.idle.push((place, One { used: Instant::now(), ..one }));
    }

    /// The connection that all requests share.
    fn shared(&mut self, to: &Place, now: Instant) -> Option<Two> {
        let server = self.servers.iter_mut().find(|server| server.place == *to)?;
        let Found::Http2(two) = &mut server.found else { return None };
        if two.sender.is_closed() || two.is_idle() && is_stale(two.used, now) || two.is_silent(now) {
            server.found = Found::Nothing;
            return None;
        }
        two.used = now;
        Some(two.clone())
    }

    /// Whose turn it is to find out what a server speaks; `None` if that is known, and a connection is needed for each request.
    fn first(&mut self, to: &Place) -> Option<Arc<Turn<Option<NoAnswer>>>> {
        let server = self.server(to);
        if matches!(server.found, Found::Http1) { None } else { Some(Arc::clone(&server.first)) }
    }

    fn share(&mut self, to: &Place, two: Two) {
        self.server(to).found = Found::Http2(two);
    }

    /// A connection takes no requests any more.
    fn forget(&mut self, to: &Place, gone: &Two) {
        let server = self.server(to);
        if matches!(&server.found, Found::Http2(two) if Arc::ptr_eq(&two.had_answered, &gone.had_answered)) {
            server.found = Found::Nothing;
        }
    }

    fn is_http1(&mut self, to: &Place) {
        self.server(to).found = Found::Http1;
    }

    fn server(&mut self, to: &Place) -> &mut Server {
        let known = self.servers.iter().position(|server| server.place == *to).unwrap_or_else(|| {
            if self.servers.len() >= MOST_IDLE {
                self.servers.remove(0);
            }
            self.servers.push(Server { place: to.clone(), first: Arc::default(), found: Found::Nothing });
            self.servers.len() - 1
        });
        &mut self.servers[known]
    }
}

/// A connection that requests can be sent on.
enum Sender {
    One(One),
    Two(Two),
}

/// A request that has no answer, if it could not begin to be sent.
struct Unsent {
    request: Option<Request<Upload>>,
    no_answer: NoAnswer,
}

impl Unsent {
    fn of(mut error: TrySendError<Request<Upload>>, peer: Peer, had_answered: bool, unwritten: bool) -> Self {
        let request = error.take_message();
        let failure = Failure::of(&error.into_error(), false);
        Self { request, no_answer: NoAnswer { had_answered, unwritten, ..NoAnswer::new(failure, peer) } }
    }
}

impl NoAnswer {
    const fn new(failure: Failure, peer: Peer) -> Self {
        Self { failure, peer, had_answered: false, unwritten: false }
    }

    /// Why. A connection that had brought an answer before may have been closed by the server while it was idle.
    pub(super) const fn reason(&self) -> Failure {
        match self.failure {
            Failure::Closed | Failure::Reset if self.had_answered => Failure::LeftUnanswered,
            failure => failure,
        }
    }
}

/// A connection of HTTP/1, for one request at a time.
struct One {
    sender: http1::SendRequest<Upload>,
    /// Whether it leads to another proxy, which wants whole URLs.
    absolute: bool,
    peer: Peer,
    pulse: Pulse,
    /// Whether it has brought an answer.
    had_answered: bool,
    /// When it was made or given back.
    used: Instant,
}

impl One {
    async fn begin(stream: MaybeHttpsStream<Line>, peer: Peer) -> Result<Self, hyper::Error> {
        let connected = stream.connected();
        let mut builder = http1::Builder::new();
        // Header names keep their case; those of an HTTP/2 client are written as is usual.
        builder.max_headers(MOST_HEADERS).title_case_headers(true).preserve_header_case(true);
        let (mut sender, connection) = builder.handshake(stream).await?;
        let broke = Arc::new(Mutex::new(None));
        let breaks = Arc::clone(&broke);
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to a server ended");
                *lock(&breaks) = Some(error);
            }
        });
        if let Err(error) = sender.ready().await {
            return Err(lock(&broke).take().unwrap_or(error));
        }
        let pulse = pulse_of(&connected);
        Ok(Self { sender, absolute: connected.is_proxied(), peer, pulse, had_answered: false, used: Instant::now() })
    }

    async fn ask(mut self, to: &Place, kept: &Arc<Mutex<Kept>>, request: Request<Upload>) -> Result<Response<Body>, Unsent> {
        let before = self.pulse.written();
        let response = match self.sender.try_send_request(request).await {
            Ok(response) => response,
            Err(error) => return Err(Unsent::of(error, self.peer, self.had_answered, self.pulse.written() == before)),
        };
        self.had_answered = true;
        let held = Held::One { place: to.clone(), one: Box::new(self), kept: Arc::downgrade(kept) };
        Ok(response.map(|body| held.until_the_end_of(body)))
    }
}

/// A connection of HTTP/2, for all requests at once.
#[derive(Clone)]
struct Two {
    sender: http2::SendRequest<Upload>,
    peer: Peer,
    pulse: Pulse,
    /// Whether it has brought an answer. Each request that is under way holds it as well.
    had_answered: Arc<AtomicBool>,
    /// When a request was last sent on it.
    used: Instant,
    /// How much had come on it when the first request was sent that nothing has come after, and when that was.
    asked: Option<(u64, Instant)>,
}

impl Two {
    async fn begin(stream: MaybeHttpsStream<Line>, peer: Peer, quiet: Quiet) -> Result<Self, hyper::Error> {
        let pulse = pulse_of(&stream.connected());
        pulse.give_up_unheard(quiet);
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).max_header_list_size(LONGEST_HEAD);
        // While something is under way: what ends at another machine than the connection does may be gone without that one knowing.
        builder.keep_alive_interval(PING).keep_alive_timeout(PONG);
        let (mut sender, connection) = builder.handshake(stream).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a server ended");
            }
        });
        sender.ready().await?;
        Ok(Self { sender, peer, pulse, had_answered: Arc::default(), used: Instant::now(), asked: None })
    }

    /// Whether nothing that was asked on it is under way.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.had_answered) == 1
    }

    /// Whether nothing has come on it since something was asked long ago, so that it may be gone without a word. Notes that something
    /// is asked now.
    fn is_silent(&mut self, now: Instant) -> bool {
        let came = self.pulse.read();
        match self.asked {
            Some((before, since)) if before == came => is_stale(since, now),
            _ => {
                self.asked = Some((came, now));
                false
            }
        }
    }

    async fn ask(mut self, request: Request<Upload>) -> Result<Response<Body>, Unsent> {
        let (had_answered, before) = (self.had_answered.load(Ordering::Relaxed), self.pulse.written());
        match self.sender.try_send_request(request).await {
            Ok(response) => {
                self.had_answered.store(true, Ordering::Relaxed);
                let held = Held::Two { _use: self.had_answered };
                Ok(response.map(|body| held.until_the_end_of(body)))
            }
            // What was written may be of another request.
            Err(error) => Err(Unsent::of(error, self.peer, had_answered, self.pulse.written() == before)),
        }
    }
}

/// A connection that brings a response.
enum Held {
    /// Of HTTP/1: to be given back to its client's others.
    One { place: Place, one: Box<One>, kept: Weak<Mutex<Kept>> },
    /// Of HTTP/2: in use.
    Two { _use: Arc<AtomicBool> },
}

impl Held {
    /// Gives it back when the response is over. One that is given up before takes a connection of HTTP/1 with it.
    fn until_the_end_of(self, body: Incoming) -> Body {
        if body.is_end_stream() {
            self.give_back();
            return Body::from(body);
        }
        Body::from(BoxBody::new(Answer { body: Body::from(body), held: Some(self) }))
    }

    fn give_back(self) {
        if let Self::One { place, one, kept } = self
            && let Some(kept) = kept.upgrade()
        {
            lock(&kept).give_back(place, *one);
        }
    }
}

/// A response whose connection is given back at its end, before the client has the end: what it asks next is to find it.
struct Answer {
    body: Body,
    held: Option<Held>,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = hudsucker::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Err(_)) => self.held = None,
            Some(Ok(_)) if !self.body.is_end_stream() => {}
            Some(Ok(_)) | None => {
                if let Some(held) = self.held.take() {
                    held.give_back();
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether a connection was last used too long ago.
fn is_stale(used: Instant, now: Instant) -> bool {
    now.saturating_duration_since(used) >= STALE
}

/// A server as a `Host` field names it: with its port where that is not the usual one.
fn host_field(uri: &Uri) -> Option<HeaderValue> {
    let host = uri.host()?;
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    match uri.port_u16().filter(|port| *port != usual) {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")).ok(),
        None => HeaderValue::from_str(host).ok(),
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So many connections are kept for a client that it does not use; and of so many servers is known that they speak HTTP/2.
const MOST_IDLE: usize = 8;
/// A connection that was not used for so long, or has brought nothing for so long since it was, may be gone without a word, as when this
/// computer has changed its network meanwhile.
const STALE: Duration = Duration::from_secs(30);
/// A connection of HTTP/2 on which something is under way and nothing comes is asked for a sign of life so often. Servers of gRPC
/// end connections on which they are asked more often than every five minutes (gRFC A8).
const PING: Duration = Duration::from_secs(310);
/// And has so long to give it.
const PONG: Duration = Duration::from_secs(20);
/// A connection that is not ready for the next request by then is not waited for.
const AT_ONCE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;

    use super::*;

    /// A connection to nobody.
    async fn one() -> One {
        let (ours, _) = tokio::io::duplex(1);
        let (sender, connection) = http1::handshake(TokioIo::new(ours)).await.expect("no handshake is made");
        tokio::spawn(connection);
        One { sender, absolute: false, peer: Peer::Server, pulse: Pulse::default(), had_answered: true, used: Instant::now() }
    }

    #[tokio::test]
    async fn few_connections_are_kept_unused_and_none_for_long() {
        let place = |host: usize| Place::of(Speaks::Http1, &format!("http://{host}.test/").parse().expect("a URI"));
        let mut kept = Kept::default();
        for host in 0..=MOST_IDLE {
            kept.give_back(place(host), one().await);
        }
        let now = Instant::now();
        assert!(kept.idle(&place(0), now).is_none(), "the oldest made room");
        assert!(kept.idle(&place(1), now).is_some());
        assert!(kept.idle(&place(1), now).is_none(), "it is in use");
        assert_eq!(kept.idle.len(), MOST_IDLE - 1);
        assert!(kept.idle(&place(2), now + STALE).is_none());
        assert!(kept.idle.is_empty());
    }

    #[test]
    fn servers_are_named_with_their_port_where_that_is_not_the_usual_one() {
        let check = |uri: &'static str, expected: &str| {
            assert_eq!(host_field(&Uri::from_static(uri)).expect("a host"), expected, "{uri}");
        };
        check("http://api.test/", "api.test");
        check("http://api.test:80/", "api.test");
        check("http://api.test:443/", "api.test:443");
        check("https://api.test:443/", "api.test");
        check("https://front.test@api.test:8443/", "api.test:8443");
        check("http://[2001:db8::1]:8080/", "[2001:db8::1]:8080");
    }

    #[test]
    fn a_place_is_a_server_and_what_is_spoken_with_it() {
        let place = |speaks, uri: &'static str| Place::of(speaks, &Uri::from_static(uri));
        let one = place(Speaks::Http1, "http://api.test/a?b=c");
        assert_eq!(one, place(Speaks::Http1, "http://API.test/other"));
        assert_ne!(one, place(Speaks::Http1, "https://api.test/a?b=c"));
        assert_ne!(one, place(Speaks::Http1, "http://api.test:8080/a?b=c"));
        assert_ne!(one, place(Speaks::Http1Straight, "http://api.test/a?b=c"));
        assert_ne!(place(Speaks::Either, "https://api.test/"), place(Speaks::Either, "https://front.test@api.test/"));
    }
}
