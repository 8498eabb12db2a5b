//! How a request goes to its server and its response comes back: what is taken off on the way, what is sent again, and what the
//! client is told when there is no response. Who is asked is `handler`'s decision, how connections are made `upstream`'s.
//!
//! What a server may have acted on is not sent twice. The HTTP library sends a request over another connection when it had not
//! begun to write it; here one is sent again only where the server said that it did nothing (HTTP/2), or where doing it twice is
//! the same as once and the server left without an answer. The exchange is told that it was.
//!
//! Interim answers (1xx) are heard over HTTP/1 only, and none but 100 can be passed on: the library has no way to. So a request
//! that waits for a 100 goes over HTTP/1, and of the others it is told that there were some.
//!
//! Which version of HTTP a server is spoken with is agreed on in TLS. Without TLS there is nothing to agree with: a client that
//! speaks HTTP/2 through a tunnel knows that its server does, and its requests go on so.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, PROXY_AUTHORIZATION, TRAILER, UPGRADE},
    request,
};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use hudsucker::Body;
use hyper::{body::Incoming, ext::on_informational};
use hyper_util::{
    client::legacy::{self, Client},
    rt::{TokioExecutor, TokioTimer},
};

use tokio::runtime::Handle;

use super::{
    LONGEST_HEAD, MOST_HEADERS,
    casing::headers_as_written,
    exchange::Exchange,
    failure::Failure,
    handler::refusal,
    tee::Tee,
    told::told_version,
    upload::{ReadAhead, Upload},
    upstream::{Answered, Connector},
};
use crate::traffic::{Side, TrafficError};

/// Sends requests to their servers.
pub(super) struct Forwarder {
    /// HTTP/1 or HTTP/2 as the server likes.
    either: Clients,
    /// HTTP/1 only: a `Host` header that differs from where the request goes has no place in HTTP/2, and interim answers are heard
    /// here.
    http1: Clients,
    /// HTTP/2 only, to servers that are known to speak it without TLS (RFC 9113 section 3.3).
    http2: Clients,
    upgrades: Connector,
}

/// What is known of how a server is to be asked, beyond what the request says.
pub(super) struct Manner {
    /// The name by which it is asked for, where that is to differ from the URI: its `Host` field, or its `:authority`.
    pub(super) host: Option<HeaderValue>,
    /// Whether it speaks HTTP/2, though there is no TLS to say so.
    pub(super) speaks_http2: bool,
}

struct Clients {
    /// Connections that are used again.
    kept: Client<Connector, Upload>,
    /// Connections that are used once.
    fresh: Client<Connector, Upload>,
}

impl Clients {
    fn new(connector: Connector) -> Self {
        Self::of(client_builder(), connector)
    }

    /// For servers that speak HTTP/2 and are not asked whether they do.
    fn over_http2(connector: Connector) -> Self {
        let mut builder = client_builder();
        builder.http2_only(true);
        Self::of(builder, connector)
    }

    fn of(builder: legacy::Builder, connector: Connector) -> Self {
        Self { fresh: builder.clone().pool_max_idle_per_host(0).build(connector.clone()), kept: builder.build(connector) }
    }
}

impl Forwarder {
    pub(super) fn new(connector: Connector) -> Self {
        let upgrades = connector.http1_only();
        let (http1, http2) = (Clients::new(upgrades.clone()), Clients::over_http2(upgrades.clone()));
        Self { http1, http2, either: Clients::new(connector), upgrades }
    }

    /// What connections are made with that may become something else.
    pub(super) const fn upgrades(&self) -> &Connector {
        &self.upgrades
    }

    /// Sends a request, whose exchange has begun, to the server that its URI names, and gives what the client is to get.
    pub(super) async fn send(&self, exchange: &Arc<Exchange>, request: Request<Body>, manner: Manner) -> Response<Body> {
        let Manner { host, speaks_http2 } = manner;
        let (mut parts, body) = request.into_parts();
        let Ok(mut ahead) = upload(exchange, body).await else { return refusal(StatusCode::SERVICE_UNAVAILABLE) };
        let expecting = expects_to_be_asked(&parts);
        if expecting {
            ahead = ahead.expecting();
        }
        // The client adds `Host` where it is wanted: HTTP/2 has none.
        strip_hop_by_hop(&mut parts.headers, &[HOST]);
        join_cookies(&mut parts.headers);
        if !speaks_http2 {
            announce_trailers(&mut parts, &ahead).await;
        }
        parts.version = Version::HTTP_11;
        let led;
        let clients = match host {
            Some(host) if speaks_http2 => {
                led = self.led_to(&mut parts, &host);
                &led
            }
            None if speaks_http2 => &self.http2,
            Some(host) => {
                parts.headers.insert(HOST, host);
                &self.http1
            }
            None if expecting => &self.http1,
            None => &self.either,
        };
        if parts.uri.scheme_str() == Some("http")
            && !speaks_http2
            && let Some(value) = self.upgrades.proxy_authorization()
        {
            parts.headers.insert(PROXY_AUTHORIZATION, value);
        }
        let mut sent = attempt(&clients.kept, &parts, exchange, &ahead).await;
        if let Err(Some(error)) = &sent
            && let Some(why) = reason_to_repeat(&parts.method, error)
            && ahead.is_whole()
            && !ahead.is_torn()
        {
            exchange.note(format!("a second attempt was made to send it: {why}"));
            sent = attempt(&clients.fresh, &parts, exchange, &ahead).await;
        }
        match sent {
            Ok(response) => answer(exchange, &ahead, response).await,
            Err(_) if ahead.is_torn() => give_up(exchange, &ahead, Failure::TornUpload).await,
            Err(error) => {
                let failure = error.map_or(Failure::NoResponse, |error| failure(&error));
                give_up(exchange, &ahead, if speaks_http2 { failure.over_http2() } else { failure }).await
            }
        }
    }

    /// Makes a request of HTTP/2 name its server by another name than the one that it is reached by. A connection for it is led
    /// there, and is not kept: what is kept is found again by name.
    fn led_to(&self, parts: &mut request::Parts, host: &HeaderValue) -> Clients {
        let connector = self.upgrades.only_to(parts.uri.clone());
        let mut named = std::mem::take(&mut parts.uri).into_parts();
        let authority = host.to_str().ok().and_then(|host| host.parse().ok());
        named.authority = authority.or(named.authority);
        parts.uri = Uri::from_parts(named).unwrap_or_default();
        Clients::over_http2(connector)
    }
}

/// Takes a request's body over: told as it passes, read ahead.
pub(super) async fn upload(exchange: &Arc<Exchange>, body: Body) -> Result<ReadAhead, TrafficError> {
    if body.is_end_stream() {
        exchange.tell(exchange.body_end(Side::Request, Vec::new())).await?;
        return Ok(ReadAhead::new(None));
    }
    Ok(ReadAhead::new(Some(Tee::new(body, Arc::clone(exchange), Side::Request))))
}

/// Sends a request once. `Err(None)`: it cannot be sent again.
async fn attempt(
    client: &Client<Connector, Upload>,
    parts: &request::Parts,
    exchange: &Arc<Exchange>,
    ahead: &ReadAhead,
) -> Result<Response<Incoming>, Option<legacy::Error>> {
    let Some(upload) = ahead.attempt() else { return Err(None) };
    let mut request = Request::from_parts(parts.clone(), upload);
    hear_interim(&mut request, exchange, ahead);
    let sending = client.request(request);
    tokio::pin!(sending);
    tokio::select! {
        biased;
        sent = &mut sending => return sent.map_err(Some),
        () = ahead.fill() => {}
    }
    sending.await.map_err(Some)
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
fn reason_to_repeat(method: &Method, error: &legacy::Error) -> Option<&'static str> {
    match failure(error) {
        Failure::Unprocessed => Some("the server said that it did nothing with it"),
        Failure::LeftUnanswered if method.is_idempotent() => {
            Some("the server closed a connection that it had kept, before it answered, and twice is the same as once")
        }
        _ => None,
    }
}

/// Why there is no response. A connection that had brought one before may have been closed by the server while it was idle: then
/// the client, on a connection of its own, would have noticed.
fn failure(error: &legacy::Error) -> Failure {
    let failure = Failure::of(error, error.is_connect());
    let mut extras = Extensions::new();
    if let Some(connection) = error.connect_info() {
        connection.get_extras(&mut extras);
    }
    let kept = extras.get::<Answered>().is_some_and(Answered::is_so);
    if kept && matches!(failure, Failure::Closed | Failure::Reset) { Failure::LeftUnanswered } else { failure }
}

/// There is no response. The upload is read on for a moment, so that what was sent is recorded, and a client that reads no answer
/// before it has sent everything gets this one.
pub(super) async fn give_up(exchange: &Exchange, ahead: &ReadAhead, failure: Failure) -> Response<Body> {
    exchange.failed(&failure.in_words());
    let _ = tokio::time::timeout(READ_ON, ahead.drain()).await;
    linger(ahead);
    // Nobody listening any more changes nothing of the answer.
    let _ = exchange.finish().await;
    bad_gateway(failure)
}

/// Tells a response, and gives it with a body that is told as it passes.
pub(super) async fn answer(exchange: &Arc<Exchange>, ahead: &ReadAhead, response: Response<Incoming>) -> Response<Body> {
    if let Some(answered) = response.extensions().get::<Answered>() {
        answered.note();
    }
    match tell_answer(exchange, ahead, response).await {
        Ok(response) => response,
        Err(_) => refusal(StatusCode::SERVICE_UNAVAILABLE),
    }
}

async fn tell_answer(exchange: &Arc<Exchange>, ahead: &ReadAhead, response: Response<Incoming>) -> Result<Response<Body>, TrafficError> {
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
    let body = Body::from(body);
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
fn bad_gateway(failure: Failure) -> Response<Body> {
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

/// Header names keep their case; over HTTP/1 those of an HTTP/2 client are written as is usual there.
fn client_builder() -> legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_UPSTREAM)
        .http1_max_headers(MOST_HEADERS)
        .http2_max_header_list_size(LONGEST_HEAD)
        .http1_title_case_headers(true)
        .http1_preserve_header_case(true);
    builder
}

/// Connections to servers are reused for this long.
const IDLE_UPSTREAM: Duration = Duration::from_secs(30);
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
    fn several_cookies_become_one() {
        check(&[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")], &[("cookie", "a=1; b=2"), ("x", "y")]);
    }
}
