//! A TCP connection of the proxy, with a client or with a server, and what can be asked about it while an engine of HTTP has it:
//! whether it has broken, and how. The system is told to ask the other side now and then whether it is still there, so that one that
//! has gone without a word does not hold a connection for ever. Who opens and accepts connections is `upstream`'s and `accept`'s.

use std::{
    future::Future,
    io,
    mem::MaybeUninit,
    net::Shutdown,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

/// When the other side of a quiet connection is asked whether it is still there, and again as often when it does not answer: it is
/// given up after [`PROBES`] such questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quiet(pub(super) Duration);

impl Default for Quiet {
    fn default() -> Self {
        Self(Duration::from_secs(15))
    }
}

impl Quiet {
    /// Has the system ask on a connection, or on all that a listening socket accepts: they inherit it.
    pub(super) fn ask_on(self, socket: &SockRef<'_>) -> io::Result<()> {
        let Self(after) = self;
        let keepalive = TcpKeepalive::new().with_time(after).with_interval(after);
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "ios", target_os = "freebsd"))]
        let keepalive = keepalive.with_retries(PROBES);
        socket.set_tcp_keepalive(&keepalive)
    }

    /// After so long, a connection of which nothing is heard is given up.
    const fn given_up_after(self) -> Duration {
        self.0.saturating_mul(PROBES + 1)
    }
}

/// A TCP connection that others can ask about.
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that the system took to send.
    written: AtomicU64,
    /// Bytes that came.
    read: AtomicU64,
    broke: Mutex<Option<Broke>>,
}

/// How a connection broke, other than by a goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broke {
    /// The other side cut it off.
    Cut,
    /// The other side was not heard of any more: it is gone, or there is no way to it.
    Lost,
}

impl Broke {
    /// What an error of a connection says of it.
    pub(super) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
                Self::Lost
            }
            _ => Self::Cut,
        }
    }
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: Arc::new(stream), state: Arc::default() }
    }

    /// What can be asked about it.
    pub(super) fn pulse(&self) -> Pulse {
        Pulse { stream: Arc::downgrade(&self.stream), state: Arc::clone(&self.state) }
    }

    /// Writes as soon as the system takes something.
    fn write(&self, context: &mut Context<'_>, write: impl Fn(&TcpStream) -> io::Result<usize>) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match write(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    match &written {
                        Ok(count) => drop(self.state.written.fetch_add(*count as u64, Ordering::Relaxed)),
                        Err(error) => self.state.breaks(error),
                    }
                    return Poll::Ready(written);
                }
            }
        }
    }
}

impl State {
    /// The first that is heard counts.
    fn breaks(&self, error: &io::Error) {
        self.broke.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(Broke::of(error));
    }
}

/// What can be asked about a connection by those who do not have it. It does not keep the connection open.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulse {
    stream: Weak<TcpStream>,
    state: Arc<State>,
}

impl Pulse {
    /// Whether it is open, and nothing has come on it that was not read: while nothing is asked, that is the server's goodbye. The
    /// system is asked, because the engine may hear of it a moment too late.
    pub(super) fn is_quiet(&self) -> bool {
        let nothing_comes = |stream: &TcpStream| {
            let peeked = SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]);
            peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        };
        self.stream.upgrade().is_some_and(|stream| nothing_comes(&stream))
    }

    /// How many bytes the system took to send.
    pub(super) fn written(&self) -> u64 {
        self.state.written.load(Ordering::Relaxed)
    }

    /// How many bytes were read.
    pub(super) fn read(&self) -> u64 {
        self.state.read.load(Ordering::Relaxed)
    }

    /// How it broke, if it did.
    pub(super) fn broke(&self) -> Option<Broke> {
        *self.state.broke.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the connection breaks, whether anybody reads or not. The other side's goodbye does not break it: after that, reading
    /// says nothing more, and this is how one that still reads is told from one that has left.
    pub(super) fn gone(&self) -> Gone {
        let (stream, state) = (self.stream.upgrade(), Arc::clone(&self.state));
        Gone(Box::pin(async move {
            let Some(stream) = stream else { return std::future::pending().await };
            // Without readiness of errors, as when the program ends, nothing is known.
            match stream.ready(Interest::ERROR).await {
                Ok(_) => match stream.take_error() {
                    Ok(Some(error)) | Err(error) => state.breaks(&error),
                    // Who reads or writes has heard of it before.
                    Ok(None) => {}
                },
                Err(_) => std::future::pending().await,
            }
        }))
    }

    /// Gives the connection up when what was sent on it is not acknowledged for as long as a quiet one is given up: the system tries for
    /// a quarter of an hour by itself. It is meant for what never stops reading, as one of HTTP/2: one that does for so long is lost.
    pub(super) fn give_up_unheard(&self, quiet: Quiet) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(stream) = self.stream.upgrade() {
            // Where it cannot be said, it is as long as ever.
            let _ = SockRef::from(&*stream).set_tcp_user_timeout(Some(quiet.given_up_after()));
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = quiet.given_up_after();
    }
}

/// Ready when a connection has broken.
pub(super) struct Gone(Pin<Box<dyn Future<Output = ()> + Send + Sync>>);

impl Future for Gone {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let room = buffer.remaining();
        if room == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            let mut count = 0;
            let read = self.stream.try_io(Interest::READABLE, || {
                count = self.stream.try_read_buf(buffer)?;
                // What does not fill its room was all there is: nobody needs to ask the system again before it says that there is more.
                if IS_TOLD_OF_MORE && count > 0 && count < room { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            self.state.read.fetch_add(count as u64, Ordering::Relaxed);
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && count == 0 => {}
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    self.state.breaks(&error);
                    return Poll::Ready(Err(error));
                }
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, context: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.write(context, |stream| stream.try_write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = SockRef::from(&*self.stream).shutdown(Shutdown::Write);
        // The other side may have left before.
        Poll::Ready(shut.or_else(|error| if error.kind() == io::ErrorKind::NotConnected { Ok(()) } else { Err(error) }))
    }
}

/// So many questions go without an answer before the other side is taken to be gone.
const PROBES: u32 = 3;
/// Whether the system says when more has come than was there at the last look (epoll, kqueue), and not only while there is some.
const IS_TOLD_OF_MORE: bool = cfg!(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "ios"));

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        time::timeout,
    };

    use super::*;

    /// Far longer than anything takes, on any machine.
    const LIMIT: Duration = Duration::from_secs(30);

    async fn socket() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let dialling = TcpStream::connect(listener.local_addr().expect("bound"));
        let (ours, other) = tokio::join!(dialling, listener.accept());
        (Socket::new(ours.expect("connected")), other.expect("accepted").0)
    }

    #[tokio::test]
    async fn a_connection_is_quiet_until_the_other_side_speaks_or_leaves() {
        let (mut socket, mut other) = socket().await;
        let pulse = socket.pulse();
        assert!(pulse.is_quiet());
        socket.write_all(b"hello").await.expect("sent");
        assert_eq!(pulse.written(), 5);
        other.read_exact(&mut [0; 5]).await.expect("it came");
        assert!(pulse.is_quiet());
        other.write_all(b"bye").await.expect("sent");
        socket.stream.readable().await.expect("open");
        assert!(!pulse.is_quiet());
        socket.read_exact(&mut [0; 3]).await.expect("it came");
        assert_eq!(pulse.read(), 3);
        assert!(pulse.is_quiet());
        drop(other);
        assert_eq!(socket.read(&mut [0; 3]).await.expect("closed"), 0);
        assert!(!pulse.is_quiet());
        assert_eq!(pulse.broke(), None, "it said goodbye");
    }

    #[tokio::test]
    async fn nothing_that_comes_in_pieces_is_missed() {
        let (mut socket, mut other) = socket().await;
        let sending = tokio::spawn(async move {
            for number in 0..2000_u32 {
                other.write_all(&number.to_be_bytes()).await.expect("sent");
                tokio::task::yield_now().await;
            }
        });
        let mut came = Vec::new();
        timeout(LIMIT, socket.read_to_end(&mut came)).await.expect("in time").expect("to the end");
        sending.await.expect("no panic");
        assert!(came.chunks(4).zip(0_u32..).all(|(piece, number)| piece == number.to_be_bytes()) && came.len() == 8000);
    }

    #[tokio::test]
    async fn asking_about_a_connection_does_not_keep_it_open() {
        let (socket, mut other) = socket().await;
        let pulse = socket.pulse();
        drop(socket);
        assert_eq!(other.read(&mut [0; 1]).await.expect("closed"), 0);
        assert!(!pulse.is_quiet());
    }

    #[tokio::test]
    async fn one_that_is_cut_off_after_its_goodbye_is_told_from_one_that_still_reads() {
        for says_something in [false, true] {
            let (mut socket, mut other) = socket().await;
            if says_something {
                other.write_all(b"\r\n").await.expect("sent");
            }
            other.shutdown().await.expect("half closed");
            if !says_something {
                assert_eq!(socket.read(&mut [0; 3]).await.expect("a goodbye"), 0);
            }
            let mut gone = socket.pulse().gone();
            assert!(timeout(Duration::ZERO, &mut gone).await.is_err(), "it may still read");
            other.set_zero_linger().expect("a socket");
            drop(other);
            timeout(LIMIT, gone).await.expect("in time");
            assert_eq!(socket.pulse().broke(), Some(Broke::Cut));
        }
    }
}
