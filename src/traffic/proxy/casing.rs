//! Header names as they were written. The HTTP library keeps their case in a type of its own, which it shows to nobody but its
//! own encoder: so the encoder is asked to write the names down, into memory. Costs a few microseconds a message.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderValue, Request, Version, header::TRANSFER_ENCODING};
use http_body_util::Empty;
use hyper::{client::conn::http1, rt};

use super::exchange::told_headers;
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
    let paper = Paper::default();
    let mut context = Context::from_waker(Waker::noop());
    let handshake = pin!(http1::Builder::new().preserve_header_case(true).handshake(paper.clone()));
    let Poll::Ready(Ok((mut sender, connection))) = handshake.poll(&mut context) else { return None };
    let sending = pin!(sender.send_request(request));
    let _ = sending.poll(&mut context);
    // Out of turn: it is done at once, whatever else the task has done before.
    let _ = pin!(tokio::task::unconstrained(connection)).poll(&mut context);
    let written = std::mem::take(&mut *paper.0.lock().unwrap_or_else(PoisonError::into_inner));
    (!written.is_empty()).then_some(written)
}

/// A connection to nobody, that keeps what is written.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl rt::Read for Paper {
    fn poll_read(self: Pin<&mut Self>, _context: &mut Context<'_>, _buffer: rt::ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl rt::Write for Paper {
    fn poll_write(self: Pin<&mut Self>, _context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
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
}
