//! How a request goes to its server and its response comes back: what is taken off on the way, what is sent again, and what the
//! client is told when there is no response. Who is asked is `handler`'s decision, over which connection `lines`'.
//!
//! What a server may have acted on is not sent twice. `lines` sends a request over another connection when it could not begin to be
//! sent; here one is sent again only where the server said that it did nothing (HTTP/2), or left without an answer when nothing of it
//! was written or where doing it twice is the same as once. The exchange is told that it was.
//!
//! Interim answers (1xx) are heard over HTTP/1 only, and none but 100 can be passed on: the library has no way to. Of the others it
//! is told that there were some.
//!
//! A client of HTTP/1 is answered by a server that is spoken HTTP/1 with. For one of HTTP/2, the version is agreed on with the server
//! in TLS. Without TLS there is nothing to agree with: a client that speaks HTTP/2 through a tunnel knows that its server does, and
//! its requests go on so.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, PROXY_AUTHORIZATION, TRAILER, UPGRADE},
    request,
};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use hudsucker::Body;
use hyper::ext::on_informational;
use tokio::runtime::Handle;

use super::{
    casing::headers_as_written,
    exchange::Exchange,
    failure::{Failure, Peer, Told},
    handler::refusal,
    lines::{Lines, NoAnswer, Place, Speaks, Ways},
    tee::Tee,
    told::told_version,
    upload::{ReadAhead, Upload},
    upstream::Connector,
};
use crate::traffic::{Side, TrafficError};

/// Sends the requests of one client's connection to their servers.
pub(super) struct Forwarder(Lines);

/// What is known of how a server is to be asked, beyond what the request says.
pub(super) struct Manner {
    /// The name by which it is asked for, where that is to differ from the URI: its `Host` field, or its `:authority`.
    pub(super) host: Option<HeaderValue>,
    /// Whether it speaks HTTP/2, though there is no TLS to say so.
    pub(super) speaks_http2: bool,
}

impl Forwarder {
    pub(super) fn new(connector: Connector) -> Self {
        Self(Lines::new(Arc::new(Ways::new(connector))))
    }

    /// One for another client's connection, which has no connections to servers yet.
    pub(super) fn for_another_client(&self) -> Self {
        Self(Lines::new(Arc::clone(self.0.ways())))
    }

    /// What connections are made with that may become something else.
    pub(super) fn upgrades(&self) -> &Connector {
        self.0.ways().straight()
    }

    /// Sends a request, whose exchange has begun, to the server that its URI names, and gives what the client is to get.
    pub(super) async fn send(&self, exchange: &Arc<Exchange>, request: Request<Body>, manner: Manner) -> Response<Body> {
        let speaks_http2 = manner.speaks_http2;
        let (mut parts, body) = request.into_parts();
        let Ok(mut ahead) = upload(exchange, body).await else { return refusal(StatusCode::SERVICE_UNAVAILABLE) };
        if expects_to_be_asked(&parts) {
            ahead = ahead.expecting();
        }
        // It is added where it is wanted: HTTP/2 has none.
        strip_hop_by_hop(&mut parts.headers, &[HOST]);
        join_cookies(&mut parts.headers);
        if !speaks_http2 {
            announce_trailers(&mut parts, &ahead).await;
        }
        let to = lead(&mut parts, manner);
        parts.version = Version::HTTP_11;
        let mut sent = self.attempt(&to, false, &parts, exchange, &ahead).await;
        if let Err(Some(no_answer)) = &sent
            && let Some(why) = reason_to_repeat(&parts.method, no_answer.reason(), no_answer.unwritten)
            && ahead.is_whole()
            && !ahead.is_torn()
        {
            exchange.note(format!("a second attempt was made to send it: {why}"));
            sent = self.attempt(&to, true, &parts, exchange, &ahead).await;
        }
        match sent {
            Ok(response) => answer(exchange, &ahead, response).await,
            Err(_) if ahead.is_torn() => give_up(exchange, &ahead, Failure::TornUpload.of_peer(Peer::Server)).await,
            Err(no_answer) => {
                let (failure, peer) =
                    no_answer.map_or((Failure::NoResponse, Peer::Server), |no_answer| (no_answer.reason(), no_answer.peer));
                let failure = if speaks_http2 { failure.over_http2() } else { failure };
                give_up(exchange, &ahead, failure.of_peer(peer)).await
            }
        }
    }

    /// Sends a request once. `Err(None)`: it cannot be sent again.
    async fn attempt(
        &self,
        to: &Place,
        afresh: bool,
        parts: &request::Parts,
        exchange: &Arc<Exchange>,
        ahead: &ReadAhead,
    ) -> Result<Response<Body>, Option<NoAnswer>> {
        let Some(upload) = ahead.attempt() else { return Err(None) };
        let mut request = Request::from_parts(parts.clone(), upload);
        hear_interim(&mut request, exchange, ahead);
        let sending = async { if afresh { self.0.send_afresh(to, request).await } else { self.0.send(to, request).await } };
        tokio::pin!(sending);
        tokio::select! {
            biased;
            sent = &mut sending => return sent.map_err(Some),
            () = ahead.fill() => {}
        }
        sending.await.map_err(Some)
    }
}

/// Where a request goes, and what is spoken there: what its client speaks, so that it is asked for its body as it wants to be, and
/// hears interim answers. One that names another server than it goes to does so in its `Host` field, which HTTP/2 has no place for;
/// only where HTTP/2 is known to be spoken, its URI names the other one.
fn lead(parts: &mut request::Parts, manner: Manner) -> Place {
    let is_http2 = parts.version == Version::HTTP_2;
    let speaks = match (manner.speaks_http2, &manner.host) {
        (true, _) => Speaks::Http2,
        (false, Some(_)) => Speaks::Http1Straight,
        (false, None) if is_http2 => Speaks::Either,
        (false, None) => Speaks::Http1,
    };
    let to = Place::of(speaks, &parts.uri);
    match manner.host {
        Some(host) if speaks == Speaks::Http2 => {
            let mut named = std::mem::take(&mut parts.uri).into_parts();
            let authority = host.to_str().ok().and_then(|host| host.parse().ok());
            named.authority = authority.or(named.authority);
            parts.uri = Uri::from_parts(named).unwrap_or_default();
        }
        Some(host) => drop(parts.headers.insert(HOST, host)),
        None => {}
    }
    to
}

/// Takes a request's body over: told as it passes, read ahead.
pub(super) async fn upload(exchange: &Arc<Exchange>, body: Body) -> Result<ReadAhead, TrafficError> {
    if body.is_end_stream() {
        exchange.tell(exchange.body_end(Side::Request, Vec::new())).await?;
        return Ok(ReadAhead::new(None));
    }
    Ok(ReadAhead::new(Some(Tee::new(body, Arc::clone(exchange), Side::Request))))
}

/// Has the client asked for the body when the server wants it, and interim answers told.
pub(super) fn hear_interim(request: &mut Request<Upload>, exchange: &Arc<Exchange>, ahead: &ReadAhead) {
    // The connection may keep this for longer than the exchange lasts.
    let (exchange, ahead) = (Arc::downgrade(exchange), ahead.clone());
    on_informational(request, move |interim| {
        if interim.status() == StatusCode::CONTINUE {
            ahead.ask();
        } else if let Some(exchange) = exchange.upgrade() {
            exchange.note(format!("an interim answer of the server, {}, was not passed on", interim.status().as_u16()));
        }
    });
}

/// Why a request may be sent again, though some of it may have reached the server (RFC 9110 section 9.2.2, RFC 9113 section 8.7).
fn reason_to_repeat(method: &Method, failure: Failure, unwritten: bool) -> Option<&'static str> {
    match failure {
        Failure::Unprocessed => Some("the server said that it did nothing with it"),
        Failure::LeftUnanswered if unwritten => Some("the server closed a connection that it had kept, before anything of it was sent"),
        Failure::LeftUnanswered if method.is_idempotent() => {
            Some("the server closed a connection that it had kept, before it answered, and twice is the same as once")
        }
        _ => None,
    }
}

/// There is no response. The upload is read on for a moment, so that what was sent is recorded, and a client that reads no answer
/// before it has sent everything gets this one.
pub(super) async fn give_up(exchange: &Exchange, ahead: &ReadAhead, failure: Told) -> Response<Body> {
    exchange.failed(&failure.to_string());
    let _ = tokio::time::timeout(READ_ON, ahead.drain()).await;
    linger(ahead);
    // Nobody listening any more changes nothing of the answer.
    let _ = exchange.finish().await;
    bad_gateway(failure)
}

/// Tells a response, and gives it with a body that is told as it passes.
pub(super) async fn answer(exchange: &Arc<Exchange>, ahead: &ReadAhead, response: Response<Body>) -> Response<Body> {
    match tell_answer(exchange, ahead, response).await {
        Ok(response) => response,
        Err(_) => refusal(StatusCode::SERVICE_UNAVAILABLE),
    }
}

async fn tell_answer(exchange: &Arc<Exchange>, ahead: &ReadAhead, response: Response<Body>) -> Result<Response<Body>, TrafficError> {
    let (mut parts, body) = response.into_parts();
    let headers = headers_as_written(parts.version, &parts.headers, &parts.extensions);
    exchange.answered(parts.status.as_u16(), told_version(parts.version), headers).await?;
    let refused = ahead.is_refused();
    if refused {
        exchange.note("the server answered without asking for the body".to_owned());
        exchange.never_asked();
    }
    strip_hop_by_hop(&mut parts.headers, &[]);
    if refused {
        // What the client sends next on this connection would be taken for the body (RFC 9110 section 10.1.1).
        parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let response = if body.is_end_stream() {
        exchange.tell(exchange.body_end(Side::Response, Vec::new())).await?;
        exchange.finish().await?;
        body
    } else {
        Body::from(BoxBody::new(Tee::new(body, Arc::clone(exchange), Side::Response)))
    };
    if refused {
        let response = BoxBody::new(Unasked { response, upload: ahead.clone() });
        return Ok(Response::from_parts(parts, Body::from(response)));
    }
    linger(ahead);
    Ok(Response::from_parts(parts, response))
}

/// A response to an upload that nobody asked for: the connection that waits to send it has to wait until the response is over. The
/// client may have sent it all the same, which is read then.
struct Unasked {
    response: Body,
    upload: ReadAhead,
}

impl Drop for Unasked {
    fn drop(&mut self) {
        match Handle::try_current() {
            Ok(runtime) if !self.upload.has_ended() => drop(runtime.spawn(self.upload.clone().read_on())),
            _ => self.upload.drop_it(),
        }
    }
}

impl http_body::Body for Unasked {
    type Data = Bytes;
    type Error = hudsucker::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hudsucker::Error>>> {
        Pin::new(&mut self.response).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.response.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.response.size_hint()
    }
}

/// Keeps an upload that is answered before its end from being cut off before the client has the answer.
fn linger(ahead: &ReadAhead) {
    if !ahead.has_ended() {
        tokio::spawn(ahead.clone().linger());
    }
}

/// What the client gets instead of a response: a sentence, and RFC 9209's field, so that nobody takes it for the server's answer.
fn bad_gateway(failure: Told) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("tattletale could not pass this request on: {failure}\n")));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Ok(status) = HeaderValue::try_from(format!("tattletale; error={}", failure.proxy_status())) {
        headers.insert(HeaderName::from_static("proxy-status"), status);
    }
    response
}

/// Takes off what concerns one connection only (RFC 9110 section 7.6.1): whether the client's stays open is nothing to the
/// server. `TE` and `Transfer-Encoding` stay: trailers and chunks pass. The order stays too, which removing would not keep.
fn strip_hop_by_hop(headers: &mut HeaderMap, also: &[HeaderName]) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| !STAYING.contains(name))
        .collect();
    let goes = |name: &HeaderName| named.contains(name) || GOING.contains(name) || also.contains(name);
    if !headers.keys().any(goes) {
        return;
    }
    let mut left = HeaderMap::with_capacity(headers.keys_len());
    for (name, value) in headers.iter().filter(|(name, _)| !goes(name)) {
        left.append(name.clone(), value.clone());
    }
    *headers = left;
}

/// Whether a client waits to be asked for its body (RFC 9110 section 10.1.1). One of HTTP/2 is not asked by the HTTP library.
fn expects_to_be_asked(parts: &request::Parts) -> bool {
    let expects = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    parts.version == Version::HTTP_11 && parts.headers.get(EXPECT).is_some_and(expects)
}

/// HTTP/1 has trailers where they are announced in the head, so that an HTTP/2 upload, which need not announce them, gets a moment
/// to end with its head.
async fn announce_trailers(parts: &mut request::Parts, ahead: &ReadAhead) {
    if parts.version != Version::HTTP_2 || [CONTENT_LENGTH, TRAILER].iter().any(|name| parts.headers.contains_key(name)) {
        return;
    }
    let _ = tokio::time::timeout(TRAILERS, ahead.fill()).await;
    for name in ahead.trailer_names() {
        parts.headers.append(TRAILER, name.into());
    }
}

/// HTTP/2 may send several cookie fields, HTTP/1 one (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let several: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if several.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&several.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

/// An upload that no server takes is read for this long.
const READ_ON: Duration = Duration::from_secs(5);
/// An HTTP/2 upload of unknown length is waited for so long before its head goes on.
const TRAILERS: Duration = Duration::from_millis(10);
/// Named in `Connection` or not, these go on.
const STAYING: [HeaderName; 2] = [http::header::TE, http::header::TRANSFER_ENCODING];
/// `Upgrade` is passed on only where the connection may become something else, and that is not here.
const GOING: [HeaderName; 6] = [
    CONNECTION,
    UPGRADE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &[(&str, &str)], expected: &[(&str, &str)]) {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"));
        }
        strip_hop_by_hop(&mut headers, &[]);
        join_cookies(&mut headers);
        let left: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
        assert_eq!(left, expected);
    }

    #[test]
    fn what_concerns_one_connection_only_does_not_go_on() {
        check(&[("connection", "close"), ("accept", "*/*")], &[("accept", "*/*")]);
        check(&[("connection", "Keep-Alive, X-Mine"), ("keep-alive", "timeout=5"), ("x-mine", "1"), ("x-two", "2")], &[("x-two", "2")]);
        check(&[("proxy-connection", "keep-alive"), ("proxy-authorization", "Basic eDp5")], &[]);
        check(&[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AAMAAABk")], &[]);
        check(&[("connection", "TE"), ("te", "trailers"), ("trailer", "x-sum")], &[("te", "trailers"), ("trailer", "x-sum")]);
    }

    #[test]
    fn what_may_have_been_acted_on_is_not_sent_again() {
        let check = |method: Method, failure, unwritten, expected: bool| {
            assert_eq!(reason_to_repeat(&method, failure, unwritten).is_some(), expected, "{method} {failure:?} {unwritten}");
        };
        check(Method::POST, Failure::LeftUnanswered, false, false);
        check(Method::POST, Failure::LeftUnanswered, true, true);
        check(Method::PUT, Failure::LeftUnanswered, false, true);
        check(Method::POST, Failure::Unprocessed, false, true);
        // A first answer that does not come is the server's.
        check(Method::GET, Failure::Closed, true, false);
        check(Method::GET, Failure::Reset, false, false);
    }

    #[test]
    fn several_cookies_become_one() {
        check(&[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")], &[("cookie", "a=1; b=2"), ("x", "y")]);
    }
}
