//! Where exchanges come from: the embedded proxy, or a file that another tool wrote. Gives events in the order in which they
//! happened; numbering them, giving them a phase and keeping them is left to `run` and `store`.

use std::net::SocketAddr;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::{Captured, ExchangeId, Header, TunnelEvidence, TunnelId, TunnelOutcome, Url};

pub mod authority;
pub mod flows;
pub mod har;
pub mod import;
mod input;
pub mod proxy;
pub mod queue;

pub use queue::{TrafficReceiver, TrafficSender};

/// Something that delivers traffic while it runs.
#[async_trait]
pub trait TrafficSource: Send {
    /// Starts, and delivers into `events` until it is stopped.
    ///
    /// # Errors
    /// Why it could not start: [`TrafficError::PortInUse`], …
    async fn start(self: Box<Self>, events: TrafficSender) -> Result<Box<dyn RunningSource>, TrafficError>;
}

/// A traffic source at work.
#[async_trait]
pub trait RunningSource: Send + Sync {
    /// Where to point the phone, for sources that a phone is pointed at.
    fn address(&self) -> Option<SocketAddr>;

    /// Exchanges that have begun and not ended.
    fn in_flight(&self) -> usize;

    /// Resolves when the source has stopped without having been asked to.
    async fn failed(&self) -> TrafficError;

    /// Stops: takes no new connection, gives what is in flight two seconds, then ends it, and returns when every event has
    /// been delivered.
    ///
    /// # Errors
    /// What went wrong while stopping; it is stopped all the same.
    async fn stop(&self) -> Result<(), TrafficError>;

    /// Ends at once, as if it had died: [`RunningSource::failed`] resolves. For rehearsing a failure.
    fn kill(&self);
}

/// What a source delivers. Bodies come in pieces between the beginning and the end of their exchange.
#[derive(Debug)]
pub enum TrafficEvent {
    /// A request's head was read.
    Began {
        /// Number of the exchange, from 1 in the order of these events.
        id: ExchangeId,
        /// Tunnel it came through.
        tunnel: Option<TunnelId>,
        /// When.
        at: Timestamp,
        /// Method.
        method: String,
        /// URL.
        url: Url,
        /// `HTTP/1.1`, `HTTP/2`.
        http_version: String,
        /// Header pairs in the order received.
        headers: Vec<Header>,
    },
    /// A piece of a body, in order.
    BodyPiece {
        /// Exchange.
        id: ExchangeId,
        /// Which of its two bodies.
        side: Side,
        /// The bytes.
        bytes: Captured<Vec<u8>>,
    },
    /// A body is complete, with its trailers. A body that never gets this event was torn.
    BodyEnded {
        /// Exchange.
        id: ExchangeId,
        /// Which of its two bodies.
        side: Side,
        /// Trailers.
        trailers: Vec<Header>,
    },
    /// A response's head was read.
    Answered {
        /// Exchange.
        id: ExchangeId,
        /// Status code.
        status: u16,
        /// `HTTP/1.1`, `HTTP/2`.
        http_version: String,
        /// Header pairs in the order received.
        headers: Vec<Header>,
    },
    /// A message of a connection that an exchange became (WebSocket), as it passed.
    Message {
        /// The exchange that opened the connection.
        id: ExchangeId,
        /// When.
        at: Timestamp,
        /// Whether the app sent it; the server did otherwise.
        sent: bool,
        /// Whether it says that it is text.
        text: bool,
        /// What it carries, joined and unpacked, from its beginning.
        bytes: Captured<Vec<u8>>,
        /// How many bytes it carries.
        length: u64,
        /// False when `bytes` is not all of it: it was too long to be kept, or the connection ended in its middle.
        complete: bool,
    },
    /// Something about an exchange that is neither its request nor its response, nor an error.
    Noted {
        /// Exchange.
        id: ExchangeId,
        /// When.
        at: Timestamp,
        /// What, in words without captured values.
        note: String,
    },
    /// The exchange is over. Always the last event of its exchange.
    Ended {
        /// Exchange.
        id: ExchangeId,
        /// When.
        at: Timestamp,
        /// Why there is no complete response; `None` when all went well.
        error: Option<String>,
    },
    /// A CONNECT was read. Decides the tunnel's phase.
    TunnelBegan {
        /// Number of the tunnel, from 1 in the order of these events.
        id: TunnelId,
        /// When.
        at: Timestamp,
        /// Host of the CONNECT, lower case.
        host: String,
        /// Port of the CONNECT.
        port: u16,
    },
    /// A tunnel is over.
    TunnelEnded {
        /// Tunnel.
        id: TunnelId,
        /// When.
        at: Timestamp,
        /// Server name of the ClientHello.
        sni: Option<String>,
        /// ALPN offers.
        alpn: Vec<String>,
        /// What became of it.
        outcome: TunnelOutcome,
        /// What else is known of it.
        evidence: TunnelEvidence,
    },
}

/// One of an exchange's two bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The request's.
    Request,
    /// The response's.
    Response,
}

/// Why a source could not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrafficError {
    /// The certificate authority could not be made.
    #[error("make the run's certificate authority: {0}")]
    Authority(String),
    /// The proxy stopped by itself.
    #[error("keep the proxy running: {0}")]
    Died(String),
    /// A file is not what it should be.
    #[error("read {name}: {problem}")]
    File {
        /// The file as the person named it.
        name: String,
        /// What is wrong and where: line and column.
        problem: String,
    },
    /// The address is another machine's.
    #[error("listen on {address}: it is no address of this machine; name one that is with --listen")]
    NotOurAddress {
        /// The address.
        address: SocketAddr,
    },
    /// The address could not be listened on.
    #[error("listen on {address}: {problem}; another program may be using the port: choose another with --listen")]
    PortInUse {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        problem: String,
    },
    /// Whoever keeps the events is gone (disk full), so recording stopped.
    #[error("keep what was recorded")]
    NobodyListens,
}
