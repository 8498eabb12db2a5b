//! The engine that serves one client's connection, in the version of HTTP that the client speaks. The one that chooses by itself
//! keeps to itself what it has read and not used; here it is handed out.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use hudsucker::Body;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::Service,
};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{heard::Heard, serve::Client};

/// How HTTP is spoken with clients.
#[derive(Clone)]
pub(super) struct Http {
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<TokioExecutor>,
}

/// What answers requests.
pub(super) trait Answers:
    Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send + 'static> + Unpin
{
}

impl<F> Answers for F where F: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send + 'static> + Unpin {}

/// One connection while it is served.
pub(super) struct Engine<'a, S: Client, F: Answers> {
    http: &'a Http,
    state: State<S, F>,
}

type Two<S, F> = http2::Connection<TokioIo<Heard<S>>, F, TokioExecutor>;

enum State<S: Client, F: Answers> {
    /// Which version it is has to be heard.
    Opening(Heard<S>, F),
    /// And the same client, whose leaving the engine does not look for.
    One(Box<http1::UpgradeableConnection<TokioIo<Heard<S>>, F>>, Heard<S>),
    Two(Pin<Box<Two<S, F>>>),
    Ended,
}

impl Http {
    /// Serves a connection until it ends, or becomes something else.
    pub(super) fn serve<S: Client, F: Answers>(&self, client: Heard<S>, service: F) -> Engine<'_, S, F> {
        Engine { http: self, state: State::Opening(client, service) }
    }
}

impl<S: Client, F: Answers> Engine<'_, S, F> {
    /// Lets what was begun come to its end.
    pub(super) fn graceful_shutdown(&mut self) {
        match &mut self.state {
            State::Opening(..) => self.state = State::Ended,
            State::One(connection, _) => Pin::new(&mut **connection).graceful_shutdown(),
            State::Two(connection) => connection.as_mut().graceful_shutdown(),
            State::Ended => {}
        }
    }

    /// What came over HTTP/1 and was not used when the connection ended.
    pub(super) fn left_over(self) -> Bytes {
        match self.state {
            State::One(connection, client) => {
                let read = connection.into_parts().map(|parts| parts.read_buf).unwrap_or_default();
                let unread = client.left_over();
                if unread.is_empty() { read } else { [read, unread].concat().into() }
            }
            State::Opening(..) | State::Two(_) | State::Ended => Bytes::new(),
        }
    }
}

impl<S: Client, F: Answers> Future for Engine<'_, S, F> {
    type Output = hyper::Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Opening(client, _) => {
                    let is_http2 = ready!(client.poll_http2(context));
                    let State::Opening(client, service) = std::mem::replace(&mut this.state, State::Ended) else { continue };
                    let (hold, client) = (client.hold(), TokioIo::new(client));
                    this.state = match is_http2 {
                        true => State::Two(Box::pin(this.http.http2.serve_connection(client, service))),
                        false => State::One(Box::new(this.http.http1.serve_connection(client, service).with_upgrades()), hold),
                    };
                }
                State::One(connection, client) => {
                    if let Poll::Ready(served) = Pin::new(&mut **connection).poll(context) {
                        return Poll::Ready(served);
                    }
                    return client.poll_left(context).map(Ok);
                }
                State::Two(connection) => return connection.as_mut().poll(context),
                State::Ended => return Poll::Ready(Ok(())),
            }
        }
    }
}
