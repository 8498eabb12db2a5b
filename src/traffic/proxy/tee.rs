//! A body on its way through the proxy, whose frames are told as they pass. It passes nothing on that is not in the queue,
//! and waits for room there: memory stays bounded and nothing is dropped. The last of a response passes when the record of its
//! exchange is kept.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    exchange::{Exchange, TORN_UPLOAD},
    failure::{Failure, breaks_the_rules},
    told::told_headers,
};
use crate::traffic::{Side, TrafficError, TrafficEvent};

/// One of an exchange's bodies.
pub(super) struct Tee {
    inner: hudsucker::Body,
    exchange: Arc<Exchange>,
    side: Side,
    /// Whether the end was told.
    ended: bool,
    /// Whether there was any data.
    begun: bool,
    /// Whether somebody has begun to read it.
    read: bool,
    waiting: Option<Waiting>,
}

/// Events on their way into the queue.
type Telling = Pin<Box<dyn Future<Output = Result<(), TrafficError>> + Send + Sync>>;

/// Events that wait for room in the queue, and the frame that may pass once they have it.
struct Waiting {
    told: Telling,
    then: Option<Frame<Bytes>>,
}

impl Tee {
    pub(super) fn new(inner: hudsucker::Body, exchange: Arc<Exchange>, side: Side) -> Self {
        Self { inner, exchange, side, ended: false, begun: false, read: false, waiting: None }
    }

    /// What must be told before a frame passes. Copies the bytes: keeping the frame's own would keep whole read buffers.
    fn events(&mut self, frame: Option<&Frame<Bytes>>) -> Vec<TrafficEvent> {
        let mut events = Vec::with_capacity(2);
        if let Some(data) = frame.and_then(Frame::data_ref)
            && !data.is_empty()
        {
            self.begun = true;
            events.push(self.exchange.piece(self.side, data));
        }
        let trailers = frame.and_then(Frame::trailers_ref);
        // A reader may stop once the last byte is there, so the end is told with it.
        if !self.ended && (frame.is_none() || trailers.is_some() || self.inner.is_end_stream()) {
            self.ended = true;
            events.push(self.exchange.body_end(self.side, trailers.map(told_headers).unwrap_or_default()));
        }
        events
    }

    /// Notes why a body has no end.
    fn torn(&self, error: &hudsucker::Error) {
        match self.side {
            // The exchange knows how its client was lost.
            _ if self.exchange.has_lost_its_client() => {}
            Side::Request if self.begun || !self.exchange.may_lack_a_body() => {
                self.exchange.failed(if breaks_the_rules(error) { MALFORMED_UPLOAD } else { TORN_UPLOAD });
            }
            Side::Response if Failure::of(error, false) == Failure::Lost => self.exchange.failed(LOST_RESPONSE),
            Side::Request | Side::Response => {}
        }
    }

    /// Tells events now, or gives a future that does when there is room, and when the end of a whole exchange is kept.
    fn tell(&self, events: Vec<TrafficEvent>) -> Option<Telling> {
        let finishes = self.side == Side::Response && matches!(events.last(), Some(TrafficEvent::BodyEnded { .. }));
        let mut events = events.into_iter();
        let mut refused = None;
        while refused.is_none()
            && let Some(event) = events.next()
        {
            refused = self.exchange.try_tell(event);
        }
        if refused.is_none() && !finishes {
            return None;
        }
        let exchange = Arc::clone(&self.exchange);
        Some(Box::pin(async move {
            for event in refused.into_iter().chain(events) {
                exchange.tell(event).await?;
            }
            if finishes { exchange.finish().await } else { Ok(()) }
        }))
    }
}

impl Body for Tee {
    type Data = Bytes;
    type Error = hudsucker::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.read = true;
        if self.waiting.is_none() {
            let frame = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => Some(frame),
                Some(Err(error)) => {
                    self.torn(&error);
                    return Poll::Ready(Some(Err(error)));
                }
                None => None,
            };
            let events = self.events(frame.as_ref());
            match self.tell(events) {
                Some(told) => self.waiting = Some(Waiting { told, then: frame }),
                None => return Poll::Ready(frame.map(Ok)),
            }
        }
        let Some(waiting) = &mut self.waiting else { return Poll::Ready(None) };
        let told = ready!(waiting.told.as_mut().poll(context));
        let then = self.waiting.take().and_then(|waiting| waiting.then);
        match told {
            Ok(()) => Poll::Ready(then.map(Ok)),
            Err(error) => Poll::Ready(Some(Err(io::Error::other(error).into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.waiting.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.waiting.is_some() { SizeHint::default() } else { self.inner.size_hint() }
    }
}

impl Drop for Tee {
    /// The library drops a request of HTTP/2 whose stream it has reset, before anybody read up to the reason.
    fn drop(&mut self) {
        if self.side != Side::Request || !self.read || self.ended || self.waiting.is_some() {
            return;
        }
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..MOST_LEFT {
            match Pin::new(&mut self.inner).poll_frame(&mut context) {
                Poll::Ready(Some(Ok(frame))) => {
                    let events = self.events(Some(&frame));
                    if self.tell(events).is_some() {
                        return;
                    }
                }
                Poll::Ready(Some(Err(error))) => return self.torn(&error),
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
    }
}

/// So many frames are read of a body that nobody reads any more.
const MOST_LEFT: usize = 64;

/// Said when a server, or whoever is on the way to it, was not heard of any more before its body came to its end.
const LOST_RESPONSE: &str = "the connection to the server was lost in the middle of the response";
/// Said when a client sends a body that cannot be read to its end.
const MALFORMED_UPLOAD: &str = "the body of the request broke the rules of HTTP";
