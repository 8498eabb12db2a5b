//! One side of a tunnel, as its account needs it: bytes are counted, how the client leaves is noted, and what was read to find
//! out what the client speaks is given again.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{ahead::Ahead, tunnel::Tunnel};

/// A client's side of a tunnel.
pub(super) struct Metered<S> {
    inner: S,
    /// What comes first: it was read, and counted, before.
    again: Ahead,
    tunnel: Option<Arc<Tunnel>>,
}

impl<S> Metered<S> {
    /// Counted for a tunnel, if there is one to count for.
    pub(super) const fn new(inner: S, tunnel: Option<Arc<Tunnel>>) -> Self {
        Self { inner, again: Ahead::nothing(), tunnel }
    }

    /// Gives these bytes before anything else, without counting them again.
    pub(super) fn again(mut self, bytes: impl Into<Bytes>) -> Self {
        self.again = bytes.into().into();
        self
    }

    /// Counts nothing from here on.
    pub(super) fn uncounted(mut self) -> Self {
        self.tunnel = None;
        self
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.again.give(buffer) > 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let room = buffer.remaining();
        let read = ready!(Pin::new(&mut self.inner).poll_read(context, buffer));
        if let Some(tunnel) = &self.tunnel {
            match &read {
                Ok(()) if buffer.filled().len() > before => tunnel.sent(buffer.filled().len() - before),
                Ok(()) if room > 0 => tunnel.said_goodbye(),
                Ok(()) => {}
                Err(error) => tunnel.broke_off(error),
            }
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, bytes));
        self.count(written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(context, bytes));
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl<S> Metered<S> {
    fn count(&self, written: io::Result<usize>) -> Poll<io::Result<usize>> {
        if let (Some(tunnel), Ok(length)) = (&self.tunnel, &written) {
            tunnel.received(*length);
        }
        Poll::Ready(written)
    }
}
