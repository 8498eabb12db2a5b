//! A request's body on its way to a server. While the server is being dialled the beginning is read ahead and kept, so that an
//! upload to a dead host is recorded all the same, and so that it can be sent again over another connection. From the moment the
//! server takes it, it streams.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

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
    attempt: u32,
    end: Option<End>,
    trailers_given: bool,
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
            attempt: 0,
            end,
            trailers_given: false,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The body for an attempt to send it; `None` when what was given before is not kept any more. Ends the attempt before.
    pub(super) fn attempt(&self) -> Option<Upload> {
        let mut state = lock(&self.0);
        if !state.whole {
            return None;
        }
        state.attempt += 1;
        (state.given, state.given_bytes, state.taken, state.trailers_given) = (0, 0, false, false);
        Some(Upload { shared: Arc::clone(&self.0), attempt: state.attempt })
    }

    /// Reads until the end, until somebody sends it, or until [`AHEAD`] bytes are kept.
    pub(super) async fn fill(&self) {
        poll_fn(|context| lock(&self.0).fill(context)).await;
    }
}

impl State {
    fn fill(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.end.is_none() && !self.taken && self.read_bytes < AHEAD {
            match self.read(context) {
                Poll::Ready(Some(bytes)) => self.kept.push_back(bytes),
                Poll::Ready(None) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
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

fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So much of an upload is read before the server is there, and kept to be sent again.
const AHEAD: usize = 256 * 1024;
