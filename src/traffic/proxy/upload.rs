//! A request's body on its way to a server. While the server is being dialled the beginning is read ahead and kept, so that an
//! upload to a dead host is recorded all the same, and so that it can be sent again over another connection. From the moment the
//! server takes it, it streams. Whether it may be sent again is `forward`'s decision.
//!
//! A client that expects to be asked for its body (`Expect: 100-continue`) is asked by the HTTP library when the body is first
//! read, so nothing is read until the server has asked, or has had the head for [`UNASKED`].

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::tee::Tee;

/// A request's body as it is sent once.
pub(super) struct Upload {
    shared: Arc<Mutex<State>>,
    /// Which attempt it belongs to. Of an earlier one, nothing more is given.
    attempt: u32,
}

/// The whole upload, whoever sends it.
#[derive(Clone)]
pub(super) struct ReadAhead(Arc<Mutex<State>>);

struct State {
    /// Nothing for a request without a body.
    body: Option<Tee>,
    /// Length, where it was announced.
    length: Option<u64>,
    /// What was read and is to be given; while all of it is kept, what was given too.
    kept: VecDeque<Bytes>,
    /// How many of them were given.
    given: usize,
    given_bytes: u64,
    read_bytes: usize,
    /// Whether `kept` still holds the beginning.
    whole: bool,
    /// Whether somebody sends it: from then on only they read.
    taken: bool,
    /// Whether somebody does, or is going to.
    sent: bool,
    attempt: u32,
    end: Option<End>,
    trailers_given: bool,
    asked: Asked,
    /// Who waits for the client to be asked, or for the sender to leave.
    waiting: Option<Waker>,
}

/// Whether the client is asked for the body.
enum Asked {
    Yes,
    /// When the server wants it, or has had the head for so long.
    Later(Option<Pin<Box<Sleep>>>),
    /// The server answered without it.
    Never,
}

#[derive(Clone)]
enum End {
    Complete(Option<HeaderMap>),
    Torn,
}

impl ReadAhead {
    /// Of a body that is told as it passes, or of none.
    pub(super) fn new(body: Option<Tee>) -> Self {
        let end = body.is_none().then_some(End::Complete(None));
        let length = body.as_ref().map_or(Some(0), |body| body.size_hint().exact());
        let state = State {
            body,
            length,
            kept: VecDeque::new(),
            given: 0,
            given_bytes: 0,
            read_bytes: 0,
            whole: true,
            taken: false,
            sent: false,
            attempt: 0,
            end,
            trailers_given: false,
            asked: Asked::Yes,
            waiting: None,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The same, of a client that waits to be asked for it.
    pub(super) fn expecting(self) -> Self {
        {
            let mut state = lock(&self.0);
            if state.body.is_some() {
                state.asked = Asked::Later(None);
            }
        }
        self
    }

    /// The server wants it.
    pub(super) fn ask(&self) {
        let waiting = {
            let mut state = lock(&self.0);
            if matches!(state.asked, Asked::Later(_)) {
                state.asked = Asked::Yes;
            }
            state.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    /// The server has answered. If the client was not asked until now, it never is, and the body is to be [read on][Self::read_on]
    /// after the response. Tells whether that is so.
    pub(super) fn is_refused(&self) -> bool {
        let mut state = lock(&self.0);
        if matches!(state.asked, Asked::Later(_)) {
            state.asked = Asked::Never;
        }
        matches!(state.asked, Asked::Never)
    }

    /// Ends it where it is.
    pub(super) fn drop_it(&self) {
        let waiting = {
            let mut state = lock(&self.0);
            state.attempt += 1;
            state.body = None;
            state.kept.clear();
            state.given = 0;
            state.end.get_or_insert(End::Torn);
            state.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    /// The body for an attempt to send it; `None` when what was given before is not kept any more. Ends the attempt before.
    pub(super) fn attempt(&self) -> Option<Upload> {
        let mut state = lock(&self.0);
        if !state.whole {
            return None;
        }
        state.attempt += 1;
        (state.given, state.given_bytes, state.taken, state.sent, state.trailers_given) = (0, 0, false, true, false);
        Some(Upload { shared: Arc::clone(&self.0), attempt: state.attempt })
    }

    /// Whether what was given of it is still kept, so that there can be another attempt.
    pub(super) fn is_whole(&self) -> bool {
        lock(&self.0).whole
    }

    /// Reads until the end, until somebody sends it, or until [`AHEAD`] bytes are kept.
    pub(super) async fn fill(&self) {
        poll_fn(|context| lock(&self.0).fill(context)).await;
    }

    /// Names of the trailers, when it has ended with some. The client may not have announced them.
    pub(super) fn trailer_names(&self) -> Vec<HeaderName> {
        match &lock(&self.0).end {
            Some(End::Complete(Some(trailers))) => trailers.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// No server takes it any more: reads it only to have it told, until its end or until [`DRAINED`] more bytes were read.
    pub(super) async fn drain(&self) {
        let most = {
            let mut state = lock(&self.0);
            state.attempt += 1;
            (state.taken, state.sent, state.whole, state.asked) = (false, false, false, Asked::Yes);
            state.kept.clear();
            state.given = 0;
            state.read_bytes.saturating_add(DRAINED)
        };
        poll_fn(|context| lock(&self.0).drain(context, most)).await;
    }

    /// It was answered before its end. Waits until nobody sends it any more, and then reads on for a moment: cut off at once, a
    /// client that is still sending may take that for the answer (curl 7.88 over HTTP/2), or never get to read it.
    pub(super) async fn linger(self) {
        poll_fn(|context| lock(&self.0).left_alone(context)).await;
        let _ = tokio::time::timeout(LINGER, self.drain()).await;
        self.drop_it();
    }

    /// It was answered without being asked for. Whoever would send it is to leave, and what the client sent all the same is read for
    /// a moment.
    pub(super) async fn read_on(self) {
        let waiting = {
            let mut state = lock(&self.0);
            state.attempt += 1;
            state.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
        let _ = tokio::time::timeout(LINGER, self.drain()).await;
        self.drop_it();
    }

    /// Whether it broke off, or broke the rules, before its end.
    pub(super) fn is_torn(&self) -> bool {
        matches!(lock(&self.0).end, Some(End::Torn))
    }

    /// Whether it was read to its end, or will not be read any more.
    pub(super) fn has_ended(&self) -> bool {
        lock(&self.0).end.is_some()
    }
}

impl State {
    fn fill(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.end.is_none() && !self.taken && matches!(self.asked, Asked::Yes) && self.read_bytes < AHEAD {
            match self.read(context) {
                Poll::Ready(Some(bytes)) => self.kept.push_back(bytes),
                Poll::Ready(None) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    fn left_alone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.sent && self.end.is_none() {
            self.waiting = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn drain(&mut self, context: &mut Context<'_>, most: usize) -> Poll<()> {
        while self.end.is_none() && self.read_bytes < most {
            if self.read(context).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    /// Whether the client was asked for the body, or is to be now.
    fn may_ask(&mut self, context: &mut Context<'_>) -> bool {
        let now = match &mut self.asked {
            Asked::Yes => return true,
            Asked::Later(limit) => limit.get_or_insert_with(|| Box::pin(tokio::time::sleep(UNASKED))).as_mut().poll(context).is_ready(),
            Asked::Never => false,
        };
        if now {
            self.asked = Asked::Yes;
        } else {
            self.waiting = Some(context.waker().clone());
        }
        now
    }

    /// The next data, from the client. `None`: there was none, but perhaps the end.
    fn read(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = match Pin::new(body).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => return Poll::Pending,
        };
        let data = match frame {
            None => {
                self.end = Some(End::Complete(None));
                None
            }
            Some(Err(_)) => {
                self.end = Some(End::Torn);
                None
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.read_bytes = self.read_bytes.saturating_add(data.len());
                    if self.body.as_ref().is_some_and(Body::is_end_stream) {
                        self.end = Some(End::Complete(None));
                    }
                    Some(data).filter(|data| !data.is_empty())
                }
                Err(frame) => {
                    self.end = frame.into_trailers().ok().map(|trailers| End::Complete(Some(trailers)));
                    None
                }
            },
        };
        if self.end.is_some() {
            // Its exchange may end with the response: the body of a finished upload holds nothing up.
            self.body = None;
        }
        Poll::Ready(data)
    }

    fn give(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.taken = true;
        if !self.may_ask(context) {
            return Poll::Pending;
        }
        loop {
            if let Some(bytes) = self.kept.get(self.given).cloned() {
                self.given += 1;
                self.given_bytes += bytes.len() as u64;
                self.forget();
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            match &self.end {
                Some(End::Complete(Some(trailers))) if !self.trailers_given => {
                    self.trailers_given = true;
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers.clone()))));
                }
                Some(End::Complete(_)) => return Poll::Ready(None),
                Some(End::Torn) => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
                None => {}
            }
            match self.read(context) {
                Poll::Ready(Some(bytes)) => self.kept.push_back(bytes),
                Poll::Ready(None) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// What was given of a long body is not kept.
    fn forget(&mut self) {
        if self.read_bytes > AHEAD {
            self.whole = false;
        }
        if !self.whole {
            self.kept.drain(..self.given);
            self.given = 0;
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let mut state = lock(&self.shared);
        if state.attempt != self.attempt {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
        }
        state.give(context)
    }

    fn is_end_stream(&self) -> bool {
        let state = lock(&self.shared);
        state.attempt != self.attempt
            || state.given == state.kept.len()
                && match &state.end {
                    Some(End::Complete(trailers)) => trailers.is_none() || state.trailers_given,
                    Some(End::Torn) | None => false,
                }
    }

    fn size_hint(&self) -> SizeHint {
        let state = lock(&self.shared);
        state.length.map_or_else(SizeHint::default, |length| SizeHint::with_exact(length.saturating_sub(state.given_bytes)))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let waiting = {
            let mut state = lock(&self.shared);
            if state.attempt != self.attempt {
                return;
            }
            state.sent = false;
            state.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So much of an upload is read before the server is there, and kept to be sent again.
const AHEAD: usize = 256 * 1024;
/// So much of an upload that no server takes is read, and told, before it is answered, and as much again after.
const DRAINED: usize = 16 * 1024 * 1024;
/// An upload that was answered before its end is read on for so long.
const LINGER: Duration = Duration::from_secs(5);
/// A server that has a request's head for so long, and neither asked for the body nor answered, is sent the body all the same
/// (RFC 9110 section 10.1.1): it may know nothing of being expected to ask.
const UNASKED: Duration = Duration::from_secs(1);
