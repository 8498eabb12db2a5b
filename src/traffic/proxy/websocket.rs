//! A request to turn its connection into something else, taken over from the engine: the server's own answer goes to the client,
//! then bytes pass both ways unchanged. Of a WebSocket, each message is told before it passes; of anything else, that it was not
//! read.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{
    HeaderMap, HeaderName, Request, Response, StatusCode, Version,
    header::{CONNECTION, HOST, PROXY_AUTHORIZATION, SEC_WEBSOCKET_EXTENSIONS, UPGRADE},
};
use hudsucker::Body;
use hyper::{
    client::conn::http1,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{
    MOST_HEADERS,
    casing::headers_as_written,
    exchange::Exchange,
    failure::Failure,
    forward::{answer, give_up, hear_interim, upload},
    frames::{Control, Frames, Heard, Said},
    handler::refusal,
    socket::Broke,
    told::told_version,
    upload::Upload,
    upstream::Connector,
};
use crate::traffic::{Side, TrafficError};

/// Whether a request asks for its connection to become something else that could be passed on. HTTP/2 over plain text (`h2c`) is
/// none: a server that is not offered it answers as usual.
pub(super) fn asks_for_upgrade<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11
        && says(request.headers(), &CONNECTION, "upgrade")
        && request.headers().contains_key(UPGRADE)
        && !says(request.headers(), &UPGRADE, "h2c")
}

/// Whether a request asks for a WebSocket (RFC 6455 section 4.1).
pub(super) fn asks_for_websocket<B>(request: &Request<B>) -> bool {
    asks_for_upgrade(request) && says(request.headers(), &UPGRADE, "websocket")
}

/// Asks the server what the client asked, on a connection of its own, and joins the two if the server agrees.
pub(super) async fn take_over(connector: &Connector, exchange: &Arc<Exchange>, mut request: Request<Body>) -> Response<Body> {
    let client = hyper::upgrade::on(&mut request);
    let websocket = asks_for_websocket(&request);
    let (mut parts, body) = request.into_parts();
    let Ok(ahead) = upload(exchange, body).await else { return refusal(StatusCode::SERVICE_UNAVAILABLE) };
    let connecting = connector.connect(parts.uri.clone());
    tokio::pin!(connecting);
    let connected = tokio::select! {
        biased;
        connected = &mut connecting => connected,
        () = ahead.fill() => connecting.await,
    };
    let stream = match connected {
        Ok(stream) => stream,
        Err(error) => return give_up(exchange, &ahead, Failure::of(&*error, true).of_peer(connector.peer())).await,
    };
    let lost = async |error: hyper::Error| give_up(exchange, &ahead, Failure::of(&error, false).of_peer(connector.peer())).await;
    let mut builder = http1::Builder::new();
    builder.preserve_header_case(true).title_case_headers(true).max_headers(MOST_HEADERS);
    let (mut sender, connection) = match builder.handshake::<_, Upload>(stream).await {
        Ok(made) => made,
        Err(error) => return lost(error).await,
    };
    tokio::spawn(connection.with_upgrades());
    for name in [PROXY_AUTHORIZATION, HeaderName::from_static("proxy-connection")] {
        parts.headers.remove(name);
    }
    if !parts.headers.contains_key(HOST)
        && let Some(host) = parts.uri.authority().and_then(|authority| authority.as_str().parse().ok())
    {
        parts.headers.insert(HOST, host);
    }
    // Origin-form: the connection is the server's own.
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = parts.uri.path_and_query().cloned();
    let (Ok(uri), Some(upload)) = (uri.try_into(), ahead.attempt()) else { return refusal(StatusCode::BAD_REQUEST) };
    parts.uri = uri;
    let mut request = Request::from_parts(parts, upload);
    hear_interim(&mut request, exchange, &ahead);
    let mut response = match sender.send_request(request).await {
        Ok(response) => response,
        Err(error) => return lost(error).await,
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return answer(exchange, &ahead, response.map(Body::from)).await;
    }
    let server = hyper::upgrade::on(&mut response);
    let (parts, _) = response.into_parts();
    match agree(exchange, &parts).await {
        Ok(()) => {}
        Err(_) => return refusal(StatusCode::SERVICE_UNAVAILABLE),
    }
    let ears = if websocket { Ears::of(&parts.headers) } else { Err("the connection became something else than HTTP, which was not read") };
    if let Err(why) = ears {
        exchange.failed(why);
    }
    tokio::spawn(join(Arc::clone(exchange), client, server, ears.ok()));
    Response::from_parts(parts, Body::empty())
}

/// Tells that the server agreed. The exchange stays open, and is not waited for.
async fn agree(exchange: &Exchange, parts: &http::response::Parts) -> Result<(), TrafficError> {
    let headers = headers_as_written(parts.version, &parts.headers, &parts.extensions);
    exchange.answered(parts.status.as_u16(), told_version(parts.version), headers).await?;
    if !exchange.request_ended() {
        exchange.tell(exchange.body_end(Side::Request, Vec::new())).await?;
    }
    exchange.tell(exchange.body_end(Side::Response, Vec::new())).await?;
    exchange.stays_open();
    Ok(())
}

/// How a WebSocket is listened to.
#[derive(Clone, Copy)]
struct Ears {
    deflate: bool,
}

impl Ears {
    /// From what the server agreed to.
    fn of(headers: &HeaderMap) -> Result<Self, &'static str> {
        let mut deflate = false;
        for value in headers.get_all(SEC_WEBSOCKET_EXTENSIONS) {
            for extension in value.to_str().unwrap_or("?").split(',') {
                match extension.split(';').next().unwrap_or_default().trim() {
                    "" => {}
                    "permessage-deflate" => deflate = true,
                    _ => return Err("its messages were not read: they are in an extension of the WebSocket protocol that is not known"),
                }
            }
        }
        Ok(Self { deflate })
    }
}

/// Joins client and server until both are done.
async fn join(exchange: Arc<Exchange>, client: OnUpgrade, server: OnUpgrade, ears: Option<Ears>) {
    let (Ok(client), Ok(server)) = tokio::join!(client, server) else { return };
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    let pings = Arc::new(Mutex::new(VecDeque::new()));
    let listener = |sent| Listener {
        exchange: Arc::clone(&exchange),
        frames: ears.filter(|_| !exchange.is_unread()).map(|ears| Frames::new(ears.deflate)),
        sent,
        pings: Arc::clone(&pings),
    };
    let up = pass(from_client, to_server, listener(true));
    let down = pass(from_server, to_client, listener(false));
    tokio::pin!(up, down);
    // A side that is done gets a moment for the other's last words.
    tokio::select! {
        () = &mut up => drop(tokio::time::timeout(LAST_WORDS, down).await),
        () = &mut down => drop(tokio::time::timeout(LAST_WORDS, up).await),
    }
}

fn split(upgraded: Upgraded) -> (impl AsyncRead + Unpin, impl AsyncWrite + Unpin) {
    tokio::io::split(TokioIo::new(upgraded))
}

/// Passes bytes on as they come; what became complete with them is told before.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut listener: Listener) {
    let mut buffer = vec![0; PIECE];
    loop {
        let count = match from.read(&mut buffer).await {
            Ok(0) => break,
            Err(error) => {
                listener.broke(&error, listener.sent);
                break;
            }
            Ok(count) => count,
        };
        // Simulated time stands still while something is on its way.
        let _hold = listener.exchange.recorder().clock.hold();
        let bytes = &buffer[..count];
        if listener.hear(bytes).await.is_err() {
            return;
        }
        let passed = async {
            to.write_all(bytes).await?;
            to.flush().await
        };
        if let Err(error) = passed.await {
            listener.broke(&error, !listener.sent);
            return;
        }
    }
    drop(listener);
    let _ = to.shutdown().await;
}

/// One direction's messages.
struct Listener {
    exchange: Arc<Exchange>,
    frames: Option<Frames>,
    /// Whether it is the app that speaks.
    sent: bool,
    /// Payloads of the server's last pings: the app gives them back, and says nothing of its own with that.
    pings: Arc<Mutex<VecDeque<Vec<u8>>>>,
}

impl Listener {
    /// Its end is told with a reason when there was no goodbye, nor anything else, from one of the sides.
    fn broke(&self, error: &io::Error, client: bool) {
        if Broke::of(error) == Broke::Lost {
            self.exchange.failed(if client { "the connection to the client was lost" } else { "the connection to the server was lost" });
        }
    }

    async fn hear(&mut self, bytes: &[u8]) -> Result<(), TrafficError> {
        self.exchange.passed(self.sent, bytes.len());
        let Some(frames) = &mut self.frames else { return Ok(()) };
        let heard = frames.take(bytes);
        let flaw = frames.flaw();
        for heard in heard {
            if let Some(said) = self.worth_telling(heard) {
                self.exchange.recorder().tell(self.exchange.message(self.sent, said)).await?;
            }
        }
        if let Some(flaw) = flaw {
            self.exchange.failed(&format!("from some moment on its messages were not read: {flaw}"));
            self.frames = None;
        }
        Ok(())
    }

    /// Messages are, and what the app puts into control frames: it is sent like everything else.
    fn worth_telling(&self, heard: Heard) -> Option<Said> {
        let (kind, bytes) = match heard {
            Heard::Message(said) => return Some(said),
            Heard::Control { kind, bytes } => (kind, bytes),
        };
        let mut pings = self.pings.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.sent {
            if kind == Control::Ping {
                pings.push_back(bytes);
                if pings.len() > REMEMBERED {
                    pings.pop_front();
                }
            }
            return None;
        }
        let echo = kind == Control::Pong && pings.contains(&bytes);
        let length = bytes.len() as u64;
        (length > 0 && !echo).then_some(Said { text: kind == Control::Close, bytes, length, complete: true })
    }
}

impl Drop for Listener {
    /// However the connection ended: a message that was cut off by it is told as such.
    fn drop(&mut self) {
        if let Some(Heard::Message(said)) = self.frames.as_mut().and_then(Frames::end) {
            self.exchange.recorder().tell_end(self.exchange.message(self.sent, said));
        }
    }
}

/// Whether a header with a list of words has this one.
fn says(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
}

/// Bytes that are passed on at once.
const PIECE: usize = 16 * 1024;
/// When one side has closed, the other has this long.
const LAST_WORDS: Duration = Duration::from_secs(30);
/// So many pings of a server may wait for their pongs.
const REMEMBERED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&str, &str)], upgrade: bool, websocket: bool) {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        assert_eq!((asks_for_upgrade(&request), asks_for_websocket(&request)), (upgrade, websocket), "{headers:?}");
    }

    #[test]
    fn upgrades_are_recognised() {
        check(&[("connection", "Upgrade"), ("upgrade", "websocket")], true, true);
        check(&[("connection", "keep-alive, upgrade"), ("upgrade", "WebSocket")], true, true);
        check(&[("connection", "upgrade"), ("upgrade", "mqtt")], true, false);
        check(&[("connection", "upgrade, http2-settings"), ("upgrade", "h2c")], false, false);
        check(&[("connection", "keep-alive"), ("upgrade", "websocket")], false, false);
        check(&[("connection", "upgrade")], false, false);
    }

    #[test]
    fn only_known_extensions_are_listened_through() {
        let ears = |value: &str| {
            let headers = HeaderMap::from_iter([(SEC_WEBSOCKET_EXTENSIONS, value.parse().expect("a value"))]);
            Ears::of(&headers).map(|ears| ears.deflate).ok()
        };
        assert_eq!(ears("permessage-deflate; client_max_window_bits=15"), Some(true));
        assert_eq!(ears(""), Some(false));
        assert_eq!(ears("x-other"), None);
    }
}
