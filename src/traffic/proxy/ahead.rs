//! What was read of a connection before it was asked for: to find out what is spoken there, or whether it has ended. Whoever asks
//! gets it first.

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;

/// Bytes that were read ahead.
#[derive(Debug, Default)]
pub(super) struct Ahead(Bytes);

impl Ahead {
    pub(super) const fn nothing() -> Self {
        Self(Bytes::new())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// More was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0 = [&self.0, bytes].concat().into();
    }

    /// Gives of it what there is room for; how much that was.
    pub(super) fn give(&mut self, buffer: &mut ReadBuf<'_>) -> usize {
        let length = self.0.len().min(buffer.remaining());
        buffer.put_slice(&self.0[..length]);
        self.0.advance(length);
        length
    }

    /// All that is left of it.
    pub(super) fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl<B: Into<Bytes>> From<B> for Ahead {
    fn from(bytes: B) -> Self {
        Self(bytes.into())
    }
}
