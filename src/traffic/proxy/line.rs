//! One TCP connection to a server, and what can be asked about it while an engine of HTTP has it. Who makes it is `upstream`, and
//! who uses it for what is `lines`.

use std::{
    io,
    mem::MaybeUninit,
    net::Shutdown,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use http::Extensions;
use hyper::rt;
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A TCP connection to a server, or to another proxy.
pub(super) struct Line {
    wire: TokioIo<Wire>,
    /// Whether requests go to another proxy, which wants their whole URL.
    absolute: bool,
}

impl Line {
    pub(super) fn new(stream: TcpStream, absolute: bool) -> Self {
        Self { wire: TokioIo::new(Wire { stream: Arc::new(stream), written: Arc::default() }), absolute }
    }
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        let Wire { stream, written } = self.wire.inner();
        Connected::new().proxy(self.absolute).extra(Pulse { stream: Arc::downgrade(stream), written: Arc::clone(written) })
    }
}

/// What can be asked about a line by those who do not have it. It does not keep the line open.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulse {
    stream: Weak<TcpStream>,
    written: Arc<AtomicU64>,
}

impl Pulse {
    /// Of the line that a connection is made of.
    pub(super) fn of(connected: &Connected) -> Option<Self> {
        let mut extras = Extensions::new();
        connected.get_extras(&mut extras);
        extras.remove()
    }

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
        self.written.load(Ordering::Relaxed)
    }
}

/// The socket, shared with those who ask about it.
struct Wire {
    stream: Arc<TcpStream>,
    written: Arc<AtomicU64>,
}

impl Wire {
    /// Writes as soon as the system takes something.
    fn write(&self, context: &mut Context<'_>, write: impl Fn(&TcpStream) -> io::Result<usize>) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match write(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    let count = written.as_ref().map_or(0, |count| *count as u64);
                    self.written.fetch_add(count, Ordering::Relaxed);
                    return Poll::Ready(written);
                }
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(drop)),
            }
        }
    }
}

impl AsyncWrite for Wire {
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
        // The server may have left before.
        Poll::Ready(shut.or_else(|error| if error.kind() == io::ErrorKind::NotConnected { Ok(()) } else { Err(error) }))
    }
}

impl rt::Read for Line {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: rt::ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_read(context, buffer)
    }
}

impl rt::Write for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write_vectored(context, pieces)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    async fn line() -> (Line, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let dialling = TcpStream::connect(listener.local_addr().expect("bound"));
        let (line, server) = tokio::join!(dialling, listener.accept());
        (Line::new(line.expect("connected"), false), server.expect("accepted").0)
    }

    #[tokio::test]
    async fn a_line_is_quiet_until_its_server_speaks_or_leaves() {
        let (mut line, mut server) = line().await;
        let pulse = Pulse::of(&line.connected()).expect("a line has a pulse");
        assert!(pulse.is_quiet());
        line.wire.inner_mut().write_all(b"hello").await.expect("sent");
        assert_eq!(pulse.written(), 5);
        server.read_exact(&mut [0; 5]).await.expect("it came");
        assert!(pulse.is_quiet());
        server.write_all(b"bye").await.expect("sent");
        line.wire.inner().stream.readable().await.expect("open");
        assert!(!pulse.is_quiet());
        line.wire.inner_mut().read_exact(&mut [0; 3]).await.expect("it came");
        assert!(pulse.is_quiet());
        drop(server);
        assert_eq!(line.wire.inner_mut().read(&mut [0; 3]).await.expect("closed"), 0);
        assert!(!pulse.is_quiet());
    }

    #[tokio::test]
    async fn asking_about_a_line_does_not_keep_it_open() {
        let (line, mut server) = line().await;
        let pulse = Pulse::of(&line.connected()).expect("a line has a pulse");
        drop(line);
        assert_eq!(server.read(&mut [0; 1]).await.expect("closed"), 0);
        assert!(!pulse.is_quiet());
    }
}
