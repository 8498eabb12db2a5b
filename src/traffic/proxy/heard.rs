//! A client's connection of HTTP, of whose bytes an account is kept, and whose end is heard also while the engine asks for nothing:
//! a client that waits for an answer may have left. What the account says is `account`'s.

use std::{
    future::Future,
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    account::Account,
    ahead::Ahead,
    socket::{Gone, Pulse},
};

/// A client's connection whose account is kept. The engine has it, and whoever runs the engine has another hold of it.
pub(super) struct Heard<S> {
    wire: Arc<Mutex<Wire<S>>>,
    account: Arc<Account>,
}

struct Wire<S> {
    inner: S,
    /// What was read, and not asked for yet: which version of HTTP it is had to be known first.
    ahead: Ahead,
    /// The same, of which the account does not know yet either: nobody knew what it belongs to.
    early: Ahead,
    /// Heads and requests when the end was held back: see [`Account::waits`].
    held_back: Option<(u64, u64)>,
    /// The end that is held back.
    end: Option<io::Result<()>>,
    /// Until when a client that has said its last is waited for.
    waits: Option<Waits>,
    pulse: Pulse,
    /// It takes nothing any more.
    broken: bool,
}

/// Until when a client that has said its last is waited for, or one of which nothing more is read.
enum Waits {
    /// It may still read, until its connection breaks.
    Reads(Gone),
    /// It is gone, and what it asked for gets a while to come to its end.
    Gone(Pin<Box<Sleep>>),
}

impl Waits {
    fn gone() -> Self {
        Self::Gone(Box::pin(sleep(LAST_ANSWER)))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Reads(gone) => Pin::new(gone).poll(context),
            Self::Gone(while_left) => while_left.as_mut().poll(context),
        }
    }
}

impl<S> Heard<S> {
    /// A connection of this client, which may lie inside others of the pulse's.
    pub(super) fn new(inner: S, account: Arc<Account>, pulse: Pulse) -> Self {
        let (ahead, early) = (Ahead::nothing(), Ahead::nothing());
        let wire = Wire { inner, ahead, early, held_back: None, end: None, waits: None, pulse, broken: false };
        Self { wire: Arc::new(Mutex::new(wire)), account }
    }

    /// Another hold of the same connection.
    pub(super) fn hold(&self) -> Self {
        Self { wire: Arc::clone(&self.wire), account: Arc::clone(&self.account) }
    }

    /// What came and was never asked for.
    pub(super) fn left_over(&self) -> Bytes {
        std::mem::take(&mut self.wire().early).into_bytes()
    }

    fn wire(&self) -> MutexGuard<'_, Wire<S>> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncRead + Unpin> Heard<S> {
    /// Whether it is HTTP/2, as soon as that can be told, or nothing more will come.
    pub(super) fn poll_http2(&self, context: &mut Context<'_>) -> Poll<bool> {
        let wire = &mut *self.wire();
        loop {
            if let Some(is_http2) = self.account.is_which() {
                return Poll::Ready(is_http2);
            }
            let mut room = [MaybeUninit::uninit(); AT_ONCE];
            let mut room = ReadBuf::uninit(&mut room);
            let read = ready!(Pin::new(&mut wire.inner).poll_read(context, &mut room));
            if read.is_err() || room.filled().is_empty() {
                wire.end = Some(read);
                return Poll::Ready(false);
            }
            self.account.read(room.filled());
            wire.ahead.push(room.filled());
        }
    }

    /// Ready when a client has left to which an answer is owed over HTTP/1, which is when the connection broke off. One that only said
    /// that it will send no more may still read, and is waited for as long as the connection holds.
    pub(super) fn poll_left(&self, context: &mut Context<'_>) -> Poll<()> {
        // While a request is read, the engine hears of an end by itself.
        if !self.account.owes_an_answer(context) {
            return Poll::Pending;
        }
        let wire = &mut *self.wire();
        if wire.end.is_none() && wire.ahead.is_empty() && wire.early.is_empty() {
            let mut room = [MaybeUninit::uninit(); AT_ONCE];
            let mut room = ReadBuf::uninit(&mut room);
            let read = ready!(Pin::new(&mut wire.inner).poll_read(context, &mut room));
            match (&read, room.filled()) {
                (Err(_), _) => {
                    wire.end = Some(read);
                    self.account.goes_away();
                    return Poll::Ready(());
                }
                (Ok(()), []) => wire.end = Some(read),
                (Ok(()), came) => wire.early.push(came),
            }
            // It may be what the engine waits for.
            context.waker().wake_by_ref();
        }
        // Nothing more is read before the answer, so that only the connection itself can tell.
        ready!(wire.waits.get_or_insert_with(|| Waits::Reads(wire.pulse.gone())).poll(context));
        self.account.goes_away();
        Poll::Ready(())
    }
}

impl<S> Wire<S> {
    /// Gives the end of what comes, as soon as no request that came before it is to be handed over any more. Over HTTP/2 it would cut
    /// off the bodies of those that have no answer yet, so that it waits for them.
    fn hold_back(&mut self, account: &Account, end: io::Result<()>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(waits) = account.waits()
            && self.held_back.replace(waits) != Some(waits)
        {
            self.end = Some(end);
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if account.owes_answers(context) {
            let is_gone = self.broken || end.is_err();
            let waits = self.waits.get_or_insert_with(|| if is_gone { Waits::gone() } else { Waits::Reads(self.pulse.gone()) });
            if matches!(waits, Waits::Reads(_)) && waits.poll(context).is_ready() {
                *waits = Waits::gone();
            }
            if waits.poll(context).is_pending() {
                self.end = Some(end);
                return Poll::Pending;
            }
        }
        Poll::Ready(end)
    }

    /// Something was written. A client of HTTP/2 that reads nothing any more may have sent requests before, which the engine would
    /// forget: so it hears of the end only when it reads.
    fn wrote<T>(&mut self, account: &Account, written: io::Result<T>, all: T, context: &Context<'_>) -> Poll<io::Result<T>> {
        match written {
            Err(_) if account.is_http2() => {
                self.breaks(context);
                Poll::Ready(Ok(all))
            }
            written => Poll::Ready(written),
        }
    }

    /// The client is gone.
    fn breaks(&mut self, context: &Context<'_>) {
        self.broken = true;
        if let Some(waits @ Waits::Reads(_)) = &mut self.waits {
            *waits = Waits::gone();
            context.waker().wake_by_ref();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = &mut *self.wire();
        if wire.ahead.give(buffer) > 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        if wire.early.give(buffer) > 0 {
            self.account.read(buffer.filled().get(before..).unwrap_or_default());
            return Poll::Ready(Ok(()));
        }
        if buffer.remaining() > 0
            && let Some(end) = wire.end.take()
        {
            return wire.hold_back(&self.account, end, context);
        }
        let read = ready!(Pin::new(&mut wire.inner).poll_read(context, buffer));
        let came = buffer.filled().get(before..).unwrap_or_default();
        self.account.read(came);
        let ends = read.is_err() || (came.is_empty() && buffer.remaining() > 0);
        if ends { wire.hold_back(&self.account, read, context) } else { Poll::Ready(read) }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.account.wrote();
        let wire = &mut *self.wire();
        if wire.broken {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = ready!(Pin::new(&mut wire.inner).poll_write(context, bytes));
        wire.wrote(&self.account, written, bytes.len(), context)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.account.wrote();
        let wire = &mut *self.wire();
        let all = bytes.iter().map(|piece| piece.len()).sum();
        if wire.broken {
            return Poll::Ready(Ok(all));
        }
        let written = ready!(Pin::new(&mut wire.inner).poll_write_vectored(context, bytes));
        wire.wrote(&self.account, written, all, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire().inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = &mut *self.wire();
        if wire.broken {
            return Poll::Ready(Ok(()));
        }
        match ready!(Pin::new(&mut wire.inner).poll_flush(context)) {
            Err(_) if self.account.is_http2() => {
                wire.breaks(context);
                Poll::Ready(Ok(()))
            }
            flushed => Poll::Ready(flushed),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire().inner).poll_shutdown(context)
    }
}

/// So much is read at once that nobody asked for.
const AT_ONCE: usize = 8 * 1024;
/// What a client asked for over HTTP/2 that is gone gets so long to come to its end.
const LAST_ANSWER: Duration = Duration::from_secs(10);
