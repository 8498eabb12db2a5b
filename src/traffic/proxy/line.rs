//! One TCP connection to a server, as an engine of HTTP takes it. Who makes it is `upstream`, and who uses it for what is `lines`.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use http::Extensions;
use hyper::rt;
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tokio::net::TcpStream;

use super::socket::{Pulse, Socket};

/// A TCP connection to a server, or to another proxy.
pub(super) struct Line {
    wire: TokioIo<Socket>,
    /// Whether requests go to another proxy, which wants their whole URL.
    absolute: bool,
}

impl Line {
    pub(super) fn new(stream: TcpStream, absolute: bool) -> Self {
        Self { wire: TokioIo::new(Socket::new(stream)), absolute }
    }
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.absolute).extra(self.wire.inner().pulse())
    }
}

/// The pulse of the line that a connection is made of.
pub(super) fn pulse_of(connected: &Connected) -> Pulse {
    let mut extras = Extensions::new();
    connected.get_extras(&mut extras);
    extras.remove().unwrap_or_default()
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
