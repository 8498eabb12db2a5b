//! Walks a whole request: path, query, headers, cookies, body. h1 and h2 give the same fields (R11).

use std::{
    borrow::Cow,
    io::Read,
    sync::{Mutex, PoisonError},
};

use crate::model::{Bodies, Body, BodyContent, Captured, Header, Part, Request};

use super::{
    body::{Declared, Explained, walk_body, walk_message_body},
    dark::holds_noise,
    descriptors::Descriptors,
    endpoint::Variable,
    format,
    walker::{Limit, Place, Surface, Walker},
};

/// What a walk could not see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unseen {
    /// What limits cut.
    pub(super) limits: Vec<Limit>,
    /// The body's own gap.
    pub(super) body: Option<BodyGap>,
    /// Bytes after [`MOST_BODY`] that were only searched.
    pub(super) only_searched: u64,
}

impl Unseen {
    /// What a walk through one body could not see; `rest` bytes after the head were not decoded.
    pub(super) fn of_body(explained: Explained, limits: &std::collections::BTreeSet<Limit>, rest: u64) -> Self {
        let body = match explained {
            Explained::All => None,
            // The cut after the head, or of a layer, is told by itself.
            Explained::UpTo(_) if rest > 0 || limits.contains(&Limit::Decoded) || limits.contains(&Limit::Layer) => None,
            Explained::UpTo(at) => Some(BodyGap::Partly(at)),
            Explained::Nothing { entropy } => Some(BodyGap::Opaque { entropy }),
        };
        Self { limits: limits.iter().copied().collect(), body, only_searched: rest }
    }
}

/// What is missing of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BodyGap {
    /// It was not recorded, or could not be read back, in words.
    Missing(String),
    /// Only its beginning was recorded, or only parts of it: so many bytes.
    Torn(u64),
    /// Its JSON ends at this byte.
    Partly(usize),
    /// No decoder could read it; entropy in tenths of a bit a byte.
    Opaque {
        /// Entropy in tenths of a bit a byte.
        entropy: u32,
    },
}

/// Gives every leaf of a request to the walker. `variables` are the path's values; `rest` gets what follows after the first
/// [`MOST_BODY`] bytes of a body, in windows that overlap by [`OVERLAP`] bytes.
pub(super) fn walk_request(
    request: &Request,
    variables: &[Variable],
    descriptors: &Descriptors,
    bodies: &dyn Bodies,
    walker: &mut Walker<'_>,
    rest: &mut dyn FnMut(&[u8]),
) -> Unseen {
    walker.begin(Part::Path);
    let mark = walker.enter_name("{host}");
    walker.search(request.url.host.as_bytes());
    walker.leave(mark);
    let mark = walker.enter_name("{method}");
    walker.search(request.method.as_bytes());
    walker.leave(mark);
    walker.raw(request.url.path().as_bytes(), false, |walker, place| {
        for Variable { name, value, range } in variables {
            let mark = walker.enter_name(name);
            let exact = request.url.path().get(range.clone()) == Some(value);
            walker.text(value, place.part(range.clone(), exact), Surface::Value);
            walker.leave(mark);
        }
    });
    let query = request.url.query().as_bytes();
    walker.structure(request.url.path_and_query.expose().len() as u64 - request.url.path().len() as u64 - query.len() as u64);
    walker.begin(Part::Query);
    walker.raw(query, false, |walker, place| format::walk_pairs(query, place, walker));
    for header in request.headers.iter().chain(&request.trailers) {
        walk_header(header, &request.url.host, walker);
    }
    let declared = Declared {
        content_type: request.header("content-type").map(|value| value.expose().as_str()),
        content_encoding: request.header("content-encoding").map(|value| value.expose().as_str()),
        message: descriptors.of(request.url.path()),
    };
    walk_bytes(Part::Body, &request.body, bodies, walker, rest, |head, walker| walk_body(head, declared, walker))
}

/// Gives every leaf of a WebSocket's message to the walker; `rest` as for [`walk_request`].
pub(super) fn walk_message(body: &Body, bodies: &dyn Bodies, walker: &mut Walker<'_>, rest: &mut dyn FnMut(&[u8])) -> Unseen {
    walk_bytes(Part::Message, body, bodies, walker, rest, walk_message_body)
}

fn walk_bytes(
    part: Part,
    body: &Body,
    bodies: &dyn Bodies,
    walker: &mut Walker<'_>,
    rest: &mut dyn FnMut(&[u8]),
    walk: impl FnOnce(&[u8], &mut Walker<'_>) -> Explained,
) -> Unseen {
    // Workers share memory: whatever their number, one large body at a time (R15). What a turn gives does not depend on whose it is.
    let _turn = (body.bytes > LARGE_BODY).then(|| LARGE_BODIES.lock().unwrap_or_else(PoisonError::into_inner));
    let mut held = 0;
    let mut unseen = match head_of(body, bodies, rest) {
        Ok((head, only_searched)) => {
            held = head.len() as u64 + only_searched;
            let explained = walk(&head, walker);
            walker.begin(part);
            walker.unread(body.bytes.saturating_sub(head.len() as u64));
            Unseen::of_body(explained, walker.limits(), only_searched)
        }
        Err(why) => {
            walker.begin(part);
            walker.unread(body.bytes);
            let limits = walker.limits().iter().copied().collect();
            Unseen { limits, body: Some(BodyGap::Missing(why)), only_searched: 0 }
        }
    };
    match &body.content {
        BodyContent::Torn(_) | BodyContent::TornSpilled(_) => unseen.body = Some(BodyGap::Torn(held)),
        BodyContent::Absent(why) => unseen.body = Some(BodyGap::Missing(why.clone())),
        _ => {}
    }
    unseen
}

/// A header's value is a field unless the transport makes it; a cookie header holds several.
fn walk_header(header: &Header, host: &str, walker: &mut Walker<'_>) {
    let (name, value) = (header.name.to_ascii_lowercase(), header.value.expose());
    walker.structure(name.len() as u64);
    if name == "cookie" {
        // h2 may split one cookie header into several (RFC 9113 section 8.2.3); the fields are the same.
        walker.begin(Part::Cookie);
        walker.raw(value.as_bytes(), false, |walker, place| walk_cookies(value, place, walker));
    } else if name.starts_with(':') || TRANSPORT.binary_search(&name.as_str()).is_ok() {
        // What a field of the URL is again (RFC 9113 section 8.3.1) was searched there.
        if !name.starts_with(':') && !value.eq_ignore_ascii_case(host) {
            walker.begin(Part::Header);
            walker.enter_key(&name);
            walker.search(value.as_bytes());
        }
        if holds_noise(value) {
            walker.unexplained(value.as_bytes());
        } else {
            walker.structure(value.len() as u64);
        }
    } else {
        walker.begin(Part::Header);
        walker.enter_key(&name);
        walker.raw(value.as_bytes(), false, |walker, place| walker.text(value, place, Surface::Value));
    }
}

fn walk_cookies(value: &str, place: Place, walker: &mut Walker<'_>) {
    let mut at = 0;
    for piece in value.split(';') {
        let start = at + (piece.len() - piece.trim_start().len());
        at += piece.len() + 1;
        let cookie = piece.trim();
        if cookie.is_empty() {
            continue;
        }
        let (name, value) = cookie.split_once('=').unwrap_or((cookie, ""));
        let mark = walker.enter_key(name);
        let end = start + cookie.len();
        walker.text(value, place.part(end - value.len()..end, true), Surface::Value);
        walker.leave(mark);
    }
}

/// The first [`MOST_BODY`] bytes of a body; what follows goes to `rest`. Gives how many bytes that were.
fn head_of<'a>(body: &'a Body, bodies: &dyn Bodies, rest: &mut dyn FnMut(&[u8])) -> Result<(Cow<'a, [u8]>, u64), String> {
    if let BodyContent::Inline(bytes) | BodyContent::Torn(bytes) = &body.content {
        let (head, tail) = Captured::expose(bytes).split_at(bytes.expose().len().min(MOST_BODY));
        let mut tail_reader = tail;
        let searched = search_rest(head, &mut tail_reader, rest)?;
        return Ok((head.into(), searched));
    }
    let Some(mut reader) = body.open(bodies).map_err(|problem| problem.kind().to_string())? else { return Ok((Cow::Borrowed(&[]), 0)) };
    let mut head = Vec::with_capacity(usize::try_from(body.bytes).unwrap_or(MOST_BODY).min(MOST_BODY));
    reader.by_ref().take(MOST_BODY as u64).read_to_end(&mut head).map_err(|problem| problem.kind().to_string())?;
    let searched = search_rest(&head, &mut reader, rest)?;
    Ok((head.into(), searched))
}

/// Gives what follows after the head to `rest`, in windows that begin with the end of the one before.
fn search_rest(head: &[u8], reader: &mut dyn Read, rest: &mut dyn FnMut(&[u8])) -> Result<u64, String> {
    if head.len() < MOST_BODY {
        return Ok(0);
    }
    let mut window = head[head.len() - OVERLAP..].to_vec();
    let mut searched = 0;
    loop {
        window.drain(..window.len().saturating_sub(OVERLAP));
        let got = reader.take(WINDOW as u64).read_to_end(&mut window).map_err(|problem| problem.kind().to_string())?;
        if got == 0 {
            return Ok(searched);
        }
        searched += got as u64;
        rest(&window);
    }
}

/// Held by the worker that reads a body larger than [`LARGE_BODY`].
static LARGE_BODIES: Mutex<()> = Mutex::new(());
const LARGE_BODY: u64 = 2 << 20;

/// So much of a body is decoded.
pub(super) const MOST_BODY: usize = 16 << 20;
/// The rest of a larger one is searched in windows of this many bytes,
const WINDOW: usize = 1 << 20;
/// each beginning with so many bytes of the one before.
const OVERLAP: usize = 1 << 10;

/// Headers that the transport makes: no fields, but in the ledger of bytes. Sorted.
pub(super) const TRANSPORT: &[&str] = &[
    "accept",
    "accept-encoding",
    "alt-used",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "keep-alive",
    "pragma",
    "priority",
    "proxy-connection",
    "range",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_transport_headers_is_sorted() {
        assert!(TRANSPORT.is_sorted());
    }
}
