//! Header names as they were written. The HTTP library keeps their case in a type of its own, which it shows to nobody but its
//! own encoder: so the encoder is asked to write the names down, into memory. Each thread keeps one for it, because making it
//! costs more than writing.

use std::{
    cell::RefCell,
    future::Future,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderValue, Request, Version, header::TRANSFER_ENCODING};
use http_body_util::Empty;
use hyper::{client::conn::http1, rt};

use super::told::told_headers;
use crate::model::Header;

/// Header pairs of a message with the names in their own case, as far as it is known: HTTP/2 has lower case only.
pub(super) fn headers_as_written(version: Version, headers: &HeaderMap, extensions: &Extensions) -> Vec<Header> {
    let mut told = told_headers(headers);
    let known = matches!(version, Version::HTTP_10 | Version::HTTP_11) && !told.is_empty();
    let Some(written) = known.then(|| written(headers, extensions)).flatten() else { return told };
    let mut names = written.split(|byte| *byte == b'\n').skip(1).filter_map(|line| line.split(|byte| *byte == b':').next());
    for header in told.iter_mut().filter(|header| header.name != TRANSFER_ENCODING.as_str()) {
        // The encoder keeps the order of the map; should it ever not, nothing is claimed.
        match names.next().and_then(|name| std::str::from_utf8(name).ok()).filter(|name| name.eq_ignore_ascii_case(&header.name)) {
            Some(name) => name.clone_into(&mut header.name),
            None => break,
        }
    }
    told
}

/// A request's head with these names, all values empty, as the encoder writes it.
fn written(headers: &HeaderMap, extensions: &Extensions) -> Option<Vec<u8>> {
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.extensions_mut() = extensions.clone();
    // The encoder takes `Transfer-Encoding` off a message without a body.
    for name in headers.iter().map(|(name, _)| name).filter(|name| *name != TRANSFER_ENCODING) {
        request.headers_mut().append(name, HeaderValue::from_static(""));
    }
    SCRIBE.with(|kept| {
        let mut scribe = kept.borrow_mut().take().or_else(Scribe::new)?;
        let head = scribe.write(request)?;
        // One that did not do as expected is gone with whatever it was in the middle of.
        *kept.borrow_mut() = Some(scribe);
        Some(head)
    })
}

thread_local! {
    static SCRIBE: RefCell<Option<Scribe>> = const { RefCell::new(None) };
}

/// The encoder, with a connection to nobody.
struct Scribe {
    sender: http1::SendRequest<Empty<Bytes>>,
    connection: Pin<Box<http1::Connection<Paper, Empty<Bytes>>>>,
    paper: Paper,
}

impl Scribe {
    fn new() -> Option<Self> {
        let paper = Paper::default();
        let handshake = pin!(http1::Builder::new().preserve_header_case(true).handshake(paper.clone()));
        let Poll::Ready(Ok((sender, connection))) = at_once(handshake) else { return None };
        let mut connection = Box::pin(connection);
        // It takes a request once it has said that it wants one.
        let Poll::Pending = at_once(connection.as_mut()) else { return None };
        Some(Self { sender, connection, paper })
    }

    /// The head of a request. An empty answer follows it, so that the next one can be written.
    fn write(&mut self, request: Request<Empty<Bytes>>) -> Option<Vec<u8>> {
        let Poll::Ready(Ok(())) = at_once(pin!(self.sender.ready())) else { return None };
        let mut sending = pin!(self.sender.send_request(request));
        let Poll::Pending = at_once(sending.as_mut()) else { return None };
        let Poll::Pending = at_once(self.connection.as_mut()) else { return None };
        let head = std::mem::take(&mut self.paper.text().written);
        self.paper.text().answer = ANSWER;
        let Poll::Pending = at_once(self.connection.as_mut()) else { return None };
        let Poll::Ready(Ok(_)) = at_once(sending) else { return None };
        (!head.is_empty()).then_some(head)
    }
}

/// Polls once, out of turn: it is done at once, whatever else the task has done before.
fn at_once<F: Future + Unpin>(future: F) -> Poll<F::Output> {
    pin!(tokio::task::unconstrained(future)).poll(&mut Context::from_waker(Waker::noop()))
}

const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// A connection to nobody, that keeps what is written.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Text>>);

#[derive(Default)]
struct Text {
    written: Vec<u8>,
    /// What is still to be read.
    answer: &'static [u8],
}

impl Paper {
    fn text(&self) -> MutexGuard<'_, Text> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl rt::Read for Paper {
    fn poll_read(self: Pin<&mut Self>, _context: &mut Context<'_>, mut buffer: rt::ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let answer = std::mem::take(&mut self.text().answer);
        if answer.is_empty() || answer.len() > buffer.remaining() {
            return Poll::Pending;
        }
        buffer.put_slice(answer);
        Poll::Ready(Ok(()))
    }
}

impl rt::Write for Paper {
    fn poll_write(self: Pin<&mut Self>, _context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.text().written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn names_whose_case_nobody_knows_are_told_in_lower_case() {
        let mut headers = HeaderMap::new();
        for name in ["x-one", "content-length", "transfer-encoding", "x-one", "host"] {
            headers.append(name, HeaderValue::from_static("5"));
        }
        let told = headers_as_written(Version::HTTP_11, &headers, &Extensions::new());
        let names: Vec<_> = told.iter().map(|header| header.name.as_str()).collect();
        assert_eq!(names, ["x-one", "x-one", "content-length", "transfer-encoding", "host"]);
        assert!(told.iter().all(|header| header.value.expose() == "5"));
    }

    #[tokio::test]
    async fn each_of_many_messages_is_told_in_its_own_case() {
        let (mut client, server) = tokio::io::duplex(1024);
        let service = hyper::service::service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
            let told = headers_as_written(request.version(), request.headers(), request.extensions());
            let names: Vec<_> = told.into_iter().map(|header| header.name).collect();
            Ok::<_, std::convert::Infallible>(hyper::Response::new(names.join(" ")))
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        let serving = builder.preserve_header_case(true).serve_connection(hyper_util::rt::TokioIo::new(server), service);
        let asking = async move {
            for names in ["Host X-ONE x-two", "hOST", "HOST X-One x-one X-oNe", "Host Transfer-Encoding X-After"] {
                let fields: String =
                    names.split(' ').map(|name| format!("{name}: {}\r\n", if name.starts_with('T') { "chunked" } else { "v" })).collect();
                let end = if names.contains("Transfer") { "0\r\n\r\n" } else { "" };
                client.write_all(format!("GET / HTTP/1.1\r\n{fields}\r\n{end}").as_bytes()).await.expect("somebody reads");
                let (mut answer, told) = (Vec::new(), names.replace("Transfer-Encoding", "transfer-encoding"));
                while !answer.ends_with(told.as_bytes()) {
                    let mut byte = [0];
                    client.read_exact(&mut byte).await.expect("an answer that ends with the names");
                    answer.extend(byte);
                }
            }
        };
        let asked = tokio::time::timeout(std::time::Duration::from_secs(60), async { tokio::join!(serving, asking) });
        asked.await.expect("each name in its case").0.expect("it was HTTP");
    }
}
