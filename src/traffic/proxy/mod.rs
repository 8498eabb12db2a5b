//! The embedded proxy: reads what the app uploads and passes it on. Built on hudsucker and hyper, private details of this module:
//! no type of theirs is seen outside. Trusting the authority is the phone's business, keeping the events is `run`'s.

mod accept;
mod account;
mod activity;
mod ahead;
mod blocks;
mod casing;
mod connect;
mod descriptors;
mod direct;
mod engine;
mod exchange;
mod facts;
mod failure;
mod forward;
mod frames;
mod fronting;
mod gate;
mod handler;
mod handshake;
mod heard;
mod hello;
mod line;
mod lines;
mod metered;
mod opening;
mod own;
mod own_page;
mod recorder;
mod refusals;
mod serve;
mod socket;
mod socks;
mod strangers;
mod tee;
mod through;
mod told;
mod tunnel;
mod tunnels;
mod unread;
mod upload;
mod upstream;
mod websocket;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use socket2::SockRef;
use tokio::{net::TcpListener, runtime::Runtime, sync::watch};

use self::{
    activity::Activity, engine::Http, forward::Forwarder, handler::Handler, own::Own, recorder::Recorder, refusals::Refusals,
    socket::Quiet, tunnels::Tunnels, upstream::Connector,
};
pub use self::{
    gate::{Gate, OpenGate, Page, Visit},
    through::{UpstreamProxy, UpstreamProxyError},
    upstream::{LocalUpstream, Upstream},
};
use super::{RunningSource, TrafficError, TrafficSender, TrafficSource, authority::Authority};
use crate::clock::Clock;

/// What a proxy needs.
#[derive(Clone, Debug)]
pub struct ProxySetup {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Who signs for the hosts that are read.
    pub authority: Arc<Authority>,
    /// Where requests go.
    pub upstream: Upstream,
    /// Who may use it, and what is read.
    pub gate: Arc<dyn Gate>,
    /// The rig's clock: gives times, and is held while an exchange is in flight (R14).
    pub clock: Clock,
}

/// The embedded proxy, not yet started.
///
/// Clients may speak HTTP or SOCKS5 to it, at the same address. Header names are told in their own case over HTTP/1; over HTTP/2 there
/// is only one.
#[derive(Debug)]
pub struct Proxy {
    setup: ProxySetup,
    head: Duration,
    quiet: Quiet,
}

impl Proxy {
    /// A proxy with this setup.
    pub fn new(setup: ProxySetup) -> Self {
        Self { setup, head: HEADER_READ, quiet: Quiet::default() }
    }

    /// The same, giving a client this long for the head of a request that it has begun, instead of a minute.
    #[must_use]
    pub const fn with_head_limit(mut self, limit: Duration) -> Self {
        self.head = limit;
        self
    }

    /// The same, having a client or a server that says nothing asked for a sign of life after this long (whole seconds, one at least),
    /// instead of 15 seconds. After the third that is not given, it is taken to be gone.
    #[must_use]
    pub const fn asking_after(mut self, quiet: Duration) -> Self {
        self.quiet = Quiet(quiet);
        self
    }

    /// Starts listening, as [`TrafficSource::start`] does, and gives the running proxy by its own type. It gets
    /// threads of its own, so that the app never waits for the analysis.
    ///
    /// # Errors
    /// [`TrafficError::PortInUse`] or [`TrafficError::NotOurAddress`] when the address cannot be listened on, [`TrafficError::Died`] when it cannot
    /// be set up.
    pub fn launch(self, events: TrafficSender) -> Result<RunningProxy, TrafficError> {
        let Self { setup: ProxySetup { listen, authority, upstream, gate, clock }, head, quiet } = self;
        descriptors::raise_the_limit();
        let (address, listener) = listen_on(listen, quiet)?;
        let died = |error: &dyn fmt::Display| TrafficError::Died(error.to_string());
        let own = Own::new(address);
        let connector = Connector::new(&upstream, own, quiet).map_err(|error| died(&error))?;

        let activity = Arc::new(Activity::default());
        let ending = Arc::new(watch::Sender::new(Ending::NotYet));
        let recorder = Arc::new(Recorder::new(clock, events, Arc::clone(&activity), Arc::clone(&ending)));
        let tunnels = Tunnels {
            gate,
            own,
            authority,
            connector: connector.clone(),
            http: server_builder(head),
            refusals: Refusals::default(),
            strangers: Arc::default(),
            ending: ending.subscribe(),
        };
        let handler = Handler::new(recorder, tunnels, Forwarder::new(connector));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("tattletale-proxy")
            .enable_all()
            .build()
            .map_err(|error| died(&error))?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)
        };
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) => {
                // Dropping it would wait for its threads, which an async caller may not.
                runtime.shutdown_background();
                return Err(died(&error));
            }
        };
        let (watchman, ends) = (Watchman(Arc::clone(&ending)), ending.subscribe());
        runtime.spawn(async move {
            let _watchman = watchman;
            accept::listen(listener, handler, head, ends).await;
        });
        Ok(RunningProxy(Arc::new(Running { address, activity, ending, runtime: Mutex::new(Some(runtime)) })))
    }
}

#[async_trait]
impl TrafficSource for Proxy {
    async fn start(self: Box<Self>, events: TrafficSender) -> Result<Box<dyn RunningSource>, TrafficError> {
        self.launch(events).map(|running| Box::new(running) as Box<dyn RunningSource>)
    }
}

/// A proxy at work. Clones are handles on the same proxy; with the last one, it dies.
#[derive(Clone, Debug)]
pub struct RunningProxy(Arc<Running>);

struct Running {
    address: SocketAddr,
    activity: Arc<Activity>,
    ending: Arc<watch::Sender<Ending>>,
    /// The proxy's own threads. Shutting them down ends the listeners and every connection at once: each has a task of its own.
    runtime: Mutex<Option<Runtime>>,
}

/// How a proxy ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ending {
    NotYet,
    /// It was asked to.
    Asked,
    /// It ended by itself, or was killed, and why.
    Died(String),
    /// Nobody keeps the events any more.
    NobodyListens,
}

#[async_trait]
impl RunningSource for RunningProxy {
    fn address(&self) -> Option<SocketAddr> {
        Some(self.0.address)
    }

    fn in_flight(&self) -> usize {
        self.0.activity.exchanges()
    }

    async fn failed(&self) -> TrafficError {
        let mut ending = self.0.ending.subscribe();
        // The sender lives as long as `self`, so waiting can only end with a match.
        let ended = ending.wait_for(|ending| matches!(ending, Ending::Died(_) | Ending::NobodyListens)).await.map(|ending| ending.clone());
        match ended {
            Ok(Ending::NobodyListens) => TrafficError::NobodyListens,
            Ok(Ending::Died(why)) => TrafficError::Died(why),
            Ok(Ending::NotYet | Ending::Asked) | Err(_) => std::future::pending().await,
        }
    }

    async fn stop(&self) -> Result<(), TrafficError> {
        note_ending(&self.0.ending, Ending::Asked);
        let _ = tokio::time::timeout(GRACE, self.0.activity.settled()).await;
        self.0.shut_down();
        match tokio::time::timeout(LAST_EVENTS, self.0.activity.ended()).await {
            Ok(()) if *self.0.ending.borrow() == Ending::NobodyListens => Err(TrafficError::NobodyListens),
            Ok(()) => Ok(()),
            Err(_) => Err(TrafficError::Died("a connection did not end".to_owned())),
        }
    }

    fn kill(&self) {
        note_ending(&self.0.ending, Ending::Died("it was killed".to_owned()));
        self.0.shut_down();
    }
}

impl Running {
    fn shut_down(&self) {
        if let Some(runtime) = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningProxy").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Notes that nobody listens for clients any more, however that came: returned, panicked, or lost its threads.
struct Watchman(Arc<watch::Sender<Ending>>);

impl Drop for Watchman {
    fn drop(&mut self) {
        note_ending(&self.0, Ending::Died("it ended by itself".to_owned()));
    }
}

/// The first ending counts.
fn note_ending(ending: &watch::Sender<Ending>, how: Ending) {
    ending.send_if_modified(|ending| {
        let first = *ending == Ending::NotYet;
        if first {
            *ending = how;
        }
        first
    });
}

/// A listening socket whose connections send small packets at once: accepted sockets inherit `TCP_NODELAY`. Without it, each
/// new TLS connection stalls 44 ms (measured). They inherit as well that quiet clients are asked whether they are still there.
fn listen_on(address: SocketAddr, quiet: Quiet) -> Result<(SocketAddr, std::net::TcpListener), TrafficError> {
    let listen = || {
        let listener = socket_on(address, quiet)?;
        Ok((listener.local_addr()?, listener))
    };
    listen().map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::AddrNotAvailable => TrafficError::NotOurAddress { address },
        _ => TrafficError::PortInUse { address, problem: error.to_string() },
    })
}

fn socket_on(address: SocketAddr, quiet: Quiet) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
    // On Windows, SO_REUSEADDR would let two programs share the port.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    quiet.ask_on(&SockRef::from(&socket))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

/// How HTTP is spoken with clients: header names keep their case.
fn server_builder(head: Duration) -> Http {
    let (mut http1, mut http2) = (http1::Builder::new(), http2::Builder::new(TokioExecutor::new()));
    http1.timer(TokioTimer::new()).header_read_timeout(head).title_case_headers(true).preserve_header_case(true).max_headers(MOST_HEADERS);
    // A client may send no more and still read. Whether it has left is heard by whoever runs the engine.
    http1.half_close(true);
    http2.timer(TokioTimer::new()).max_header_list_size(LONGEST_HEAD).max_concurrent_streams(MOST_STREAMS);
    Http { http1, http2 }
}

/// What is in flight when a proxy is asked to stop gets this long.
const GRACE: Duration = Duration::from_secs(2);
/// Dropping every connection takes this long at most.
const LAST_EVENTS: Duration = Duration::from_secs(5);
/// Header fields of a request or a response over HTTP/1. Most servers take fewer. Each costs the room for so many, so a thousand would
/// cost more than TLS does.
const MOST_HEADERS: usize = 256;
/// Bytes of all headers of an HTTP/2 request, or of a response.
const LONGEST_HEAD: u32 = 1024 * 1024;
/// Requests of one client that are in flight at once over HTTP/2. The HTTP library takes as many by itself.
const MOST_STREAMS: u32 = 200;
/// A client that begins a request has this long for its head.
const HEADER_READ: Duration = Duration::from_secs(60);
