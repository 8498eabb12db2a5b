//! How a request goes to its server and its response comes back: what is taken off on the way, what is sent again, and what the
//! client is told when there is no response. Who is asked is `handler`'s decision, how connections are made `upstream`'s.

use std::{sync::Arc, time::Duration};

use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version,
    header::{CONNECTION, CONTENT_TYPE, COOKIE, HOST, PROXY_AUTHORIZATION, UPGRADE},
};
use http_body::Body as _;
use http_body_util::combinators::BoxBody;
use hudsucker::Body;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{self, Client},
    rt::{TokioExecutor, TokioTimer},
};

use super::{
    casing::headers_as_written,
    exchange::{Exchange, told_version},
    failure::Failure,
    handler::refusal,
    tee::Tee,
    upload::{ReadAhead, Upload},
    upstream::{Answered, Connector},
};
use crate::traffic::{Side, TrafficError};

/// Sends requests to their servers.
pub(super) struct Forwarder {
    /// Connections that are used again, HTTP/1 or HTTP/2 as the server likes.
    pooled: Client<Connector, Upload>,
    /// The same, each used once.
    fresh: Client<Connector, Upload>,
    /// HTTP/1 only: a `Host` header that differs from where the request goes has no place in HTTP/2.
    fronted: Client<Connector, Upload>,
    upgrades: Connector,
}

impl Forwarder {
    pub(super) fn new(connector: Connector) -> Self {
        let upgrades = connector.http1_only();
        Self {
            fresh: client_builder().pool_max_idle_per_host(0).build(connector.clone()),
            fronted: client_builder().build(upgrades.clone()),
            pooled: client_builder().build(connector),
            upgrades,
        }
    }

    /// What connections are made with that may become something else.
    pub(super) const fn upgrades(&self) -> &Connector {
        &self.upgrades
    }

    /// Sends a request, whose exchange has begun, to the server that its URI names, and gives what the client is to get.
    /// `host` is the `Host` header for the server, where it is to differ from the URI.
    pub(super) async fn send(&self, exchange: &Arc<Exchange>, request: Request<Body>, host: Option<HeaderValue>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let Ok(ahead) = upload(exchange, body).await else { return refusal(StatusCode::SERVICE_UNAVAILABLE) };
        // The client adds `Host` where it is wanted: HTTP/2 has none.
        strip_hop_by_hop(&mut parts.headers, &[HOST]);
        join_cookies(&mut parts.headers);
        parts.version = Version::HTTP_11;
        let client = if host.is_some() { &self.fronted } else { &self.pooled };
        if let Some(host) = host {
            parts.headers.insert(HOST, host);
        }
        if parts.uri.scheme_str() == Some("http")
            && let Some(value) = self.upgrades.proxy_authorization()
        {
            parts.headers.insert(PROXY_AUTHORIZATION, value);
        }
        let mut error = match attempt(client, &parts, &ahead).await {
            Ok(response) => return answer(exchange, response).await,
            Err(error) => error,
        };
        if was_stale(&error) {
            match attempt(&self.fresh, &parts, &ahead).await {
                Ok(response) => return answer(exchange, response).await,
                Err(Some(another)) => error = Some(another),
                Err(None) => {}
            }
        }
        let failure = error.map_or(Failure::NoResponse, |error| Failure::of(&error, error.is_connect()));
        give_up(exchange, &ahead, failure).await
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
    parts: &http::request::Parts,
    ahead: &ReadAhead,
) -> Result<Response<Incoming>, Option<legacy::Error>> {
    let Some(upload) = ahead.attempt() else { return Err(None) };
    let sending = client.request(Request::from_parts(parts.clone(), upload));
    tokio::pin!(sending);
    tokio::select! {
        biased;
        sent = &mut sending => return sent.map_err(Some),
        () = ahead.fill() => {}
    }
    sending.await.map_err(Some)
}

/// Whether a connection that had brought a response before ended without one now: most likely the server had closed it already,
/// and the client, on a connection of its own, would have noticed. Browsers send again in the same case.
fn was_stale(error: &Option<legacy::Error>) -> bool {
    let Some(error) = error.as_ref().filter(|error| !error.is_connect()) else { return false };
    let mut extras = Extensions::new();
    if let Some(connection) = error.connect_info() {
        connection.get_extras(&mut extras);
    }
    extras.get::<Answered>().is_some_and(Answered::is_so) && matches!(Failure::of(error, false), Failure::Closed | Failure::Reset)
}

/// There is no response. The upload is read on for a moment, as far as it is kept, so that what was sent is recorded.
pub(super) async fn give_up(exchange: &Exchange, ahead: &ReadAhead, failure: Failure) -> Response<Body> {
    exchange.failed(&failure.in_words());
    let _ = ahead.attempt();
    let _ = tokio::time::timeout(READ_ON, ahead.fill()).await;
    bad_gateway(failure)
}

/// Tells a response, and gives it with a body that is told as it passes.
pub(super) async fn answer(exchange: &Arc<Exchange>, response: Response<Incoming>) -> Response<Body> {
    if let Some(answered) = response.extensions().get::<Answered>() {
        answered.note();
    }
    let (mut parts, body) = response.into_parts();
    let headers = headers_as_written(parts.version, &parts.headers, &parts.extensions);
    let told = exchange.answered(parts.status.as_u16(), told_version(parts.version), headers).await;
    if told.is_err() {
        return refusal(StatusCode::SERVICE_UNAVAILABLE);
    }
    strip_hop_by_hop(&mut parts.headers, &[]);
    let body = Body::from(body);
    if body.is_end_stream() {
        return match exchange.tell(exchange.body_end(Side::Response, Vec::new())).await {
            Ok(()) => Response::from_parts(parts, body),
            Err(_) => refusal(StatusCode::SERVICE_UNAVAILABLE),
        };
    }
    let tee = Tee::new(body, Arc::clone(exchange), Side::Response);
    Response::from_parts(parts, Body::from(BoxBody::new(tee)))
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
        .http1_title_case_headers(true)
        .http1_preserve_header_case(true);
    builder
}

/// Connections to servers are reused for this long.
const IDLE_UPSTREAM: Duration = Duration::from_secs(30);
/// An upload that no server takes is read for this long.
const READ_ON: Duration = Duration::from_secs(5);
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
