//! Parts of HTTP as they are told: what an event holds of a message's headers and version.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::model::{Captured, Header};

/// Bytes of a block of headers as HTTP/1 writes it, with the empty line after it.
pub(super) fn header_bytes(headers: &[Header]) -> usize {
    // Exposed to be counted: nothing of it is kept.
    headers.iter().map(|header| header.name.len() + header.value.expose().len() + 4).sum::<usize>() + 2
}

/// Header pairs as they are told: bytes that are not UTF-8 are read as Latin-1.
pub(super) fn told_headers(headers: &HeaderMap) -> Vec<Header> {
    headers.iter().map(|(name, value)| told_header(name, value)).collect()
}

/// One header pair as it is told.
pub(super) fn told_header(name: &HeaderName, value: &HeaderValue) -> Header {
    Header { name: name.as_str().to_owned(), value: Captured::new(text(value.as_bytes())) }
}

fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect(), str::to_owned)
}

/// `HTTP/1.1`, `HTTP/2`, ….
pub(super) fn told_version(version: http::Version) -> String {
    match version {
        http::Version::HTTP_2 => "HTTP/2".to_owned(),
        http::Version::HTTP_3 => "HTTP/3".to_owned(),
        other => format!("{other:?}"),
    }
}
