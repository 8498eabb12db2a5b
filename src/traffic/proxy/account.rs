//! What has come on a connection of HTTP since its last answer: how much, and how it begins. The engine refuses what breaks the
//! rules before anyone is asked, so that this is all that is known of it. Where it comes from is `heard`'s.

use std::{
    error::Error as StdError,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use hudsucker::Body;
use hyper::body::Incoming;

use super::{
    blocks::Blocks,
    connect::bare_host,
    opening::{Opening, is_token, opening},
};
use crate::model::TunnelOutcome;

/// The account of one connection.
#[derive(Debug, Default)]
pub(super) struct Account(Mutex<Since>);

#[derive(Debug, Default)]
struct Since {
    stage: Stage,
    /// How what came begins.
    first: Vec<u8>,
    /// How much came.
    bytes: u64,
    /// Requests that were read.
    requests: u64,
    /// The heads of requests of HTTP/2: which request anything else belongs to is not known here.
    blocks: Blocks,
    /// We take no more requests, and said so.
    goes_away: bool,
    /// Requests that have no answer yet.
    owed: u64,
    /// Who waits for the end of a request, or for its answer.
    waiting: Option<Waker>,
}

/// What is to come next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// A request's head.
    #[default]
    Head,
    /// The rest of a request, and its answer: whether there was some of each.
    Request { complete: bool, answered: bool },
    /// No HTTP any more, or none that could be told from what came before.
    Left,
}

/// What could not be read when a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) outcome: TunnelOutcome,
    /// How much of it came; `None` where that is not known: it came together with a request that was read, or in HTTP/2.
    pub(super) bytes: Option<u64>,
}

impl Account {
    /// A request was read. Its body is watched to its end.
    pub(super) fn request(self: &Arc<Self>, request: Request<Incoming>) -> Request<Body> {
        let complete = request.body().is_end_stream();
        {
            let mut since = self.since();
            since.requests += 1;
            since.first.clear();
            since.bytes = 0;
            since.stage = Stage::Request { complete, answered: false };
            if complete || request.version() == Version::HTTP_2 {
                return request.map(Body::from);
            }
        }
        let account = Arc::clone(self);
        request.map(|inner| Body::from(BoxBody::new(Watched { inner, account })))
    }

    /// An answer is owed until this is dropped.
    pub(super) fn owe(self: &Arc<Self>) -> Owed {
        self.since().owed += 1;
        Owed(Arc::clone(self))
    }

    /// Whether answers are owed over HTTP/2. When there is none any more, the task is woken.
    pub(super) fn owes_answers(&self, context: &Context<'_>) -> bool {
        let mut since = self.since();
        let owes = since.owed > 0 && since.blocks.is_http2();
        if owes {
            since.waiting = Some(context.waker().clone());
        }
        owes
    }

    /// A request got this answer, by which the connection may become something else. Then what comes is no request.
    pub(super) fn answer(&self, connects: bool, status: StatusCode) {
        if status == StatusCode::SWITCHING_PROTOCOLS || (connects && status.is_success()) {
            self.since().stage = Stage::Left;
        }
    }

    /// How many requests were read.
    pub(super) fn requests(&self) -> u64 {
        self.since().requests
    }

    /// How much of a request's head has come that is not complete.
    pub(super) fn half_a_head(&self) -> Option<u64> {
        let since = self.since();
        if since.blocks.is_http2() {
            return since.blocks.half();
        }
        let is_head = since.stage == Stage::Head;
        let says_something = since.first.iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
        (is_head && says_something).then_some(since.bytes)
    }

    /// What of HTTP/2 never became a request: its engine refuses a stream without a word to us.
    fn refused(&self) -> Option<Unread> {
        let since = self.since();
        let refused = since.blocks.whole() > since.requests && !since.goes_away;
        refused.then(|| Unread { outcome: TunnelOutcome::Malformed { why: REFUSED.to_owned() }, bytes: None })
    }

    /// What is known to be unread when the connection breaks off, however it does.
    pub(super) fn broke_off(&self) -> Option<Unread> {
        let half = || self.half_a_head().map(|bytes| Unread { outcome: TunnelOutcome::ClosedWithoutRequest, bytes: Some(bytes) });
        self.refused().or_else(half)
    }

    /// No more requests are taken from here on. What the client asks before it has heard of that, it has to ask again.
    pub(super) fn goes_away(&self) {
        self.since().goes_away = true;
    }

    /// Whether all of a request of HTTP/1 has come that may have no answer yet, or not all of one. When a request ends that is still
    /// read, the task is woken to ask again.
    pub(super) fn owes_an_answer(&self, context: &Context<'_>) -> bool {
        let mut since = self.since();
        let Stage::Request { complete, .. } = since.stage else { return false };
        if !complete && !since.waiting.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            since.waiting = Some(context.waker().clone());
        }
        complete && !since.blocks.is_http2()
    }

    /// Whether it is HTTP/2; `None` while that cannot be told.
    pub(super) fn is_which(&self) -> Option<bool> {
        self.since().blocks.version()
    }

    /// Whether it is HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.since().blocks.is_http2()
    }

    /// Heads and requests of HTTP/2, when there are fewer of these. When the connection ends, the engine forgets requests that it
    /// has not handed over.
    pub(super) fn waits(&self) -> Option<(u64, u64)> {
        let since = self.since();
        (since.blocks.whole() > since.requests).then_some((since.blocks.whole(), since.requests))
    }

    /// What could not be read when the connection ended, in this error if in one, with this left over. `not_http` is what is said
    /// of what is no HTTP.
    pub(super) fn unread(&self, error: Option<&hyper::Error>, left_over: &[u8], not_http: TunnelOutcome) -> Option<Unread> {
        if let Some(broken) = error.and_then(broken_http2) {
            return Some(Unread { outcome: TunnelOutcome::Malformed { why: broken }, bytes: None });
        }
        let mut since = self.since();
        if since.stage == Stage::Left && !since.blocks.is_http2() {
            return None;
        }
        // What belongs to a body that was not asked for is its exchange's matter.
        let left_over = match since.stage {
            Stage::Head | Stage::Request { complete: true, .. } => left_over,
            Stage::Request { .. } | Stage::Left => &[],
        };
        let says_something = left_over.iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
        // What came with the request before it was taken for that one's.
        let bytes = since.bytes.max(left_over.len() as u64);
        if left_over.len() > since.first.len() {
            since.first = left_over[..left_over.len().min(MOST_HEARD)].to_vec();
        }
        // What had begun when we took no more is half a request, whatever it would have become.
        let cut_short = since.goes_away && error.is_none();
        let why = match error {
            Some(error) if error.is_parse_too_large() => format!("{error}: the proxy takes no longer one"),
            // The words of the engine's parser, which hold nothing of what came.
            Some(error) if error.is_parse() => error.to_string(),
            None if says_something && since.stage != Stage::Head && !cut_short => AFTER_THE_LAST.to_owned(),
            _ if says_something => return Some(Unread { outcome: TunnelOutcome::ClosedWithoutRequest, bytes: Some(bytes) }),
            _ => {
                drop(since);
                return self.broke_off();
            }
        };
        let outcome = if begins_a_request(&since.first) { TunnelOutcome::Malformed { why } } else { not_http };
        Some(Unread { outcome, bytes: (bytes > 0).then_some(bytes) })
    }

    /// Whether what came begins with TLS.
    pub(super) fn begins_with_tls(&self) -> bool {
        opening(&self.since().first) == Some(Opening::Tls)
    }

    /// Host (lower case, an IPv6 literal without brackets) and port that what came names, as far as it can be told.
    pub(super) fn named(&self) -> Option<(String, u16)> {
        named(&self.since().first)
    }

    /// More has come.
    pub(super) fn read(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut since = self.since();
        since.blocks.read(bytes);
        match since.stage {
            Stage::Request { complete: true, answered: true } => {
                since.stage = Stage::Head;
                since.first.clear();
                since.bytes = 0;
            }
            Stage::Request { .. } | Stage::Left => return,
            Stage::Head => {}
        }
        since.bytes += bytes.len() as u64;
        let room = MOST_HEARD.saturating_sub(since.first.len()).min(bytes.len());
        since.first.extend_from_slice(&bytes[..room]);
    }

    /// Something is written.
    pub(super) fn wrote(&self) {
        if let Stage::Request { answered, .. } = &mut self.since().stage {
            *answered = true;
        }
    }

    /// A body could not be read on, which is its exchange's matter; what follows it is nobody's.
    fn body_broke(&self) {
        self.since().stage = Stage::Left;
    }

    fn body_ended(&self) {
        let waiting = {
            let mut since = self.since();
            if let Stage::Request { complete, .. } = &mut since.stage {
                *complete = true;
            }
            since.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    fn since(&self) -> MutexGuard<'_, Since> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that is owed to a client.
pub(super) struct Owed(Arc<Account>);

impl Drop for Owed {
    fn drop(&mut self) {
        let waiting = {
            let mut since = self.0.since();
            since.owed -= 1;
            if since.owed == 0 { since.waiting.take() } else { None }
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

/// A request's body, whose end is noted.
struct Watched {
    inner: Incoming,
    account: Arc<Account>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hudsucker::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            Some(Err(_)) => self.account.body_broke(),
            None => self.account.body_ended(),
            Some(Ok(_)) if self.inner.is_end_stream() => self.account.body_ended(),
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Self::Error::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Which rule of HTTP/2 the client broke, so that we ended the connection: in the words of RFC 9113 section 7, nearly.
fn broken_http2(error: &hyper::Error) -> Option<String> {
    let error = error.source()?.downcast_ref::<h2::Error>().filter(|error| error.is_go_away() && error.is_library())?;
    error.reason().map(|reason| reason.description().to_owned())
}

/// Whether what came is a request, however broken: a method and a space. Nothing speaks neither for it nor against.
fn begins_a_request(first: &[u8]) -> bool {
    let first = first.trim_ascii_start();
    match first.iter().position(|byte| *byte == b' ') {
        Some(end) => end > 0 && end <= LONGEST_METHOD && first[..end].iter().all(|byte| is_token(*byte)),
        None => first.is_empty(),
    }
}

/// Host and port that a head names: its target's, or its `Host` field's.
fn named(first: &[u8]) -> Option<(String, u16)> {
    let mut lines = first.trim_ascii_start().split(|byte| *byte == b'\n');
    let (method, target) = lines.next()?.split_at_checked(first.trim_ascii_start().iter().position(|byte| *byte == b' ')?)?;
    let target = target.trim_ascii_start();
    if method == b"CONNECT" {
        return host_and_port(target, 443);
    }
    for (scheme, default) in [(&b"http://"[..], 80), (b"ws://", 80), (b"https://", 443), (b"wss://", 443)] {
        if let Some((found, rest)) = target.split_at_checked(scheme.len())
            && found.eq_ignore_ascii_case(scheme)
        {
            return host_and_port(rest, default);
        }
    }
    let mut hosts = first.split_inclusive(|byte| *byte == b'\n').filter_map(|line| {
        let (name, value) = line.split_at_checked(5)?;
        name.eq_ignore_ascii_case(b"host:").then(|| value.trim_ascii_start())
    });
    host_and_port(hosts.next()?, 80)
}

/// The host and port at the beginning of this. A name with other characters than names have is none, and one whose end is not
/// there may be half a name.
fn host_and_port(text: &[u8], default: u16) -> Option<(String, u16)> {
    let end = text.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b' ' | b'\r' | b'\n'))?;
    let authority = std::str::from_utf8(&text[..end]).ok()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, default),
    };
    let is_name =
        !host.is_empty() && host.len() <= 255 && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte));
    is_name.then(|| (bare_host(host), port))
}

/// What is kept of what came: enough for its request line and its first fields.
const MOST_HEARD: usize = 8 * 1024;
/// Why a request is none that comes after one by which its connection ends.
const AFTER_THE_LAST: &str = "it came after the last one that its connection takes";
/// Why what came over HTTP/2 is no request.
const REFUSED: &str = "its HTTP/2 stream was refused";
const LONGEST_METHOD: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn check_named(first: &[u8], expected: Option<(&str, u16)>) {
        let told = named(first);
        assert_eq!(told.as_ref().map(|(host, port)| (host.as_str(), *port)), expected, "{:?}", String::from_utf8_lossy(first));
    }

    #[test]
    fn a_host_is_named_however_broken_the_request_is() {
        check_named(b"GET http://A.test/\xff HTTP/1.1\r\nHost: b.test\r\n", Some(("a.test", 80)));
        check_named(b"GET http://a.test:8080/two words HTTP/1.1\r\n\r\n", Some(("a.test", 8080)));
        check_named(b"GET https://me:pass@a.test/ HTTP/1.1\r\n", Some(("a.test", 443)));
        check_named(b"GET http://[2001:db8::1]:81/ HTTP/1.1\r\n", Some(("2001:db8::1", 81)));
        check_named(b"CONNECT a.test HTTP/9\r\n", Some(("a.test", 443)));
        check_named(b"\r\nPOST /up HTTP/1.1\r\nhOST:  a.test:81\r\nX: y\r\n", Some(("a.test", 81)));
        check_named(b"POST /up HTTP/1.1\r\nHost: a.te", None);
        check_named(b"GET http://a.te", None);
        check_named(b"GET http://a.test:port/ HTTP/1.1\r\n", None);
        check_named(b"GET http://a\"b/ HTTP/1.1\r\n", None);
        check_named(b"GET http:/// HTTP/1.1\r\n", None);
        check_named(b"\x00\x01\x02", None);
        check_named(b"", None);
    }

    #[test]
    fn garbage_is_no_request() {
        for (first, expected) in [
            (&b"GET /\xff HTTP/1.1\r\n"[..], true),
            (b"\r\nGET / FTP/1.0\r\n", true),
            (b"", true),
            (b"\x00\x01\x02 ", false),
            (b"hello", false),
            (b" GET /", true),
            (b"GET", false),
            (b"{\"a\": 1}", false),
        ] {
            assert_eq!(begins_a_request(first), expected, "{:?}", String::from_utf8_lossy(first));
        }
    }

    #[test]
    fn half_a_head_is_what_came_since_the_last_answer() {
        let account = Account::default();
        assert_eq!(account.half_a_head(), None);
        account.read(b"\r\n");
        assert_eq!(account.half_a_head(), None, "an empty line says nothing");
        account.read(b"GET /");
        assert_eq!(account.half_a_head(), Some(7));
        account.since().stage = Stage::Request { complete: false, answered: false };
        account.read(b"a body");
        account.wrote();
        account.read(b"more of it");
        assert_eq!(account.half_a_head(), None, "a body is none");
        account.body_ended();
        account.read(b"POST");
        assert_eq!(account.half_a_head(), Some(4));
    }
}
