//! An HTTP flow as an exchange. Bodies that are long are not read into memory: they are told by their digest and where in the
//! file they are.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom},
    net::IpAddr,
};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{
    flow::{Flow, Version, text, time},
    tnetstring::{Damage, Item, Reader, Tag},
};
use crate::{
    model::{
        Bodies, Body, BodyContent, Captured, Exchange, ExchangeId, Header, Request, Response, Url,
        text::{hex, printable},
    },
    traffic::{
        har::{http_version, split_url},
        import::UNSCRIPTED,
        input::Input,
    },
};

/// Long bodies of the flow that is read just now: where in the file each is, by its digest.
pub(super) struct LongBodies<'a> {
    input: &'a Input,
    places: RefCell<BTreeMap<String, Item>>,
}

impl<'a> LongBodies<'a> {
    pub(super) const fn new(input: &'a Input) -> Self {
        Self { input, places: RefCell::new(BTreeMap::new()) }
    }

    /// Forgets those of the flow before.
    pub(super) fn forget(&self) {
        self.places.borrow_mut().clear();
    }

    /// The body that an item holds. It must be one of the two kinds of text.
    pub(super) fn body<R: Read + Seek>(&self, reader: &mut Reader<R>, item: Item) -> Result<Body, Damage> {
        if item.length <= MOST_INLINE {
            return Ok(Body::inline(reader.bytes(item, MOST_INLINE)?));
        }
        let mut digest = Sha256::new();
        reader.pieces(item, &mut |piece| digest.update(piece))?;
        let sha256 = hex(&digest.finalize());
        self.places.borrow_mut().insert(sha256.clone(), item);
        Ok(Body { bytes: item.length, sha256: Some(sha256), content: BodyContent::Spilled })
    }
}

impl Bodies for LongBodies<'_> {
    fn open(&self, sha256: &str) -> io::Result<Box<dyn Read + '_>> {
        let item = self.places.borrow().get(sha256).copied();
        let Some(item) = item else { return Err(io::Error::new(io::ErrorKind::NotFound, "no body of this flow has this digest")) };
        let mut input = self.input.open()?;
        input.seek(SeekFrom::Start(item.start))?;
        Ok(Box::new(input.take(item.length)))
    }
}

/// The exchange of an HTTP flow. `before` is when the flow before it began, which stands in for a time that is missing.
pub(super) fn exchange<R: Read + Seek>(
    reader: &mut Reader<R>,
    flow: &Flow,
    id: ExchangeId,
    before: Timestamp,
    bodies: &LongBodies<'_>,
) -> Result<Exchange, Damage> {
    let (request, began) = request(reader, flow, bodies)?;
    let response = match flow.response.tag {
        Tag::Table => Some(response(reader, flow, bodies)?),
        _ => None,
    };
    let [closed] = reader.table(flow.websocket, ["timestamp_end"])?;
    let closed = time(reader, closed)?;
    let ended = response.as_ref().and_then(|(_, ended)| closed.or(*ended));
    let error = match &flow.error {
        error if !error.is_empty() => Some(printable(error)),
        _ => response.is_none().then(|| "the flow has no response".to_owned()),
    };
    Ok(Exchange {
        id,
        phase: UNSCRIPTED.to_owned(),
        tunnel: None,
        began: began.or(flow.created).unwrap_or(before),
        ended,
        request,
        response: response.map(|(response, _)| response),
        error,
    })
}

/// The request, and when it began.
fn request<R: Read + Seek>(reader: &mut Reader<R>, flow: &Flow, bodies: &LongBodies<'_>) -> Result<(Request, Option<Timestamp>), Damage> {
    let [method, scheme, host, port, path, authority] =
        reader.table(flow.request, ["method", "scheme", "host", "port", "path", "authority"])?;
    let message = message(reader, flow.request, flow.version, bodies)?;
    let named =
        |name: &str| message.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.expose());
    let authority = Some(text(reader, authority)?).filter(|authority| !authority.is_empty()).or_else(|| named("host").cloned());
    let method = text(reader, method)?;
    let url = Target {
        scheme: text(reader, scheme)?.to_ascii_lowercase(),
        host: text(reader, host)?,
        port: reader.whole(port)?.and_then(|port| u16::try_from(port).ok()).unwrap_or(0),
        path: text(reader, path)?,
        authority: authority.unwrap_or_default(),
    }
    .url(method.eq_ignore_ascii_case("connect"));
    let Message { http_version, headers, body, trailers, began, .. } = message;
    Ok((Request { method, url, http_version, headers, body, trailers }, began))
}

/// The response, and when it ended.
fn response<R: Read + Seek>(reader: &mut Reader<R>, flow: &Flow, bodies: &LongBodies<'_>) -> Result<(Response, Option<Timestamp>), Damage> {
    // `code` up to version 0.13.
    let [status, code] = reader.table(flow.response, ["status_code", "code"])?;
    let status = reader.whole(if status.is_none() { code } else { status })?;
    let Message { http_version, headers, body, trailers, ended, .. } = message(reader, flow.response, flow.version, bodies)?;
    let status = status.and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
    Ok((Response { status, http_version, headers, body, trailers }, ended))
}

/// What a flow says of where a request went.
struct Target {
    scheme: String,
    host: String,
    port: u16,
    path: String,
    /// The authority of HTTP/2, else the Host header; empty when there is neither.
    authority: String,
}

impl Target {
    /// The URL. Where mitmproxy knew only an address, as in transparent mode, the host that the request itself names is the
    /// receiver; otherwise the one that was connected to.
    fn url(self, is_connect: bool) -> Url {
        if self.path.contains("://") && !self.path.starts_with('/') {
            return split_url(&self.path);
        }
        let host = self.host.trim_matches(['[', ']']).to_ascii_lowercase();
        let named = split_url(&format!("x://{}/", self.authority)).host;
        let unnamed = host.is_empty() || host.parse::<IpAddr>().is_ok();
        let default = match self.scheme.as_str() {
            "http" | "ws" => 80,
            _ => 443,
        };
        let path = match self.path {
            path if path.starts_with('/') || path == "*" => path,
            _ if is_connect => "/".to_owned(),
            path => format!("/{path}"),
        };
        Url {
            host: if unnamed && !named.is_empty() { named } else { host },
            port: if self.port == 0 { default } else { self.port },
            scheme: if self.scheme.is_empty() { "https".to_owned() } else { self.scheme },
            path_and_query: Captured::new(path),
        }
    }
}

/// What requests and responses have in common.
struct Message {
    http_version: String,
    headers: Vec<Header>,
    body: Body,
    trailers: Vec<Header>,
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
}

fn message<R: Read + Seek>(reader: &mut Reader<R>, item: Item, version: Version, bodies: &LongBodies<'_>) -> Result<Message, Damage> {
    // Up to version 0.13 the HTTP version is a list of numbers in `httpversion`; in 0.14 and 0.15 a body is in `body`.
    let [spelled, numbers, content, body] = reader.table(item, ["http_version", "httpversion", "content", "body"])?;
    let [headers, trailers, began, ended] = reader.table(item, ["headers", "trailers", "timestamp_start", "timestamp_end"])?;
    let headers = pairs(reader, headers)?;
    let http_version = match numbers.tag {
        Tag::List => {
            let [major, minor] = reader.first(numbers)?;
            match (reader.whole(major)?, reader.whole(minor)?) {
                (Some(major), Some(minor)) => format!("HTTP/{major}.{minor}"),
                _ => String::new(),
            }
        }
        _ => text(reader, spelled)?,
    };
    let content = if content.is_none() { body } else { content };
    let body = match content.tag {
        Tag::Bytes | Tag::Text => bodies.body(reader, content)?,
        // Up to version 0.15, None is no body and 0 is one that was not kept; later, None is one that was not kept.
        Tag::Null if version <= Version::Pair(0, 15) && announced(&headers) == Some(0) => Body::default(),
        _ => {
            let why = "mitmproxy kept no copy of it (it was passed on while it came, or never came to its end)";
            Body { bytes: announced(&headers).unwrap_or(0), sha256: None, content: BodyContent::Absent(why.to_owned()) }
        }
    };
    Ok(Message {
        http_version: self::http_version(&http_version),
        body,
        trailers: pairs(reader, trailers)?,
        began: time(reader, began)?,
        ended: time(reader, ended)?,
        headers,
    })
}

/// Length of a body as headers announce it; `None` when it is to come in pieces.
fn announced(headers: &[Header]) -> Option<u64> {
    let named = |name: &str| headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.expose());
    match (named("content-length").and_then(|length| length.trim().parse().ok()), named("transfer-encoding")) {
        (Some(length), _) => Some(length),
        (None, Some(_)) => None,
        (None, None) => Some(0),
    }
}

/// Header pairs in their order.
fn pairs<R: Read + Seek>(reader: &mut Reader<R>, list: Item) -> Result<Vec<Header>, Damage> {
    let mut headers = Vec::new();
    if list.length > MOST_HEADERS {
        return Err(Damage { at: list.start, problem: format!("headers of {} bytes, where {MOST_HEADERS} are the most", list.length) });
    }
    reader.list(list, &mut |reader, pair| {
        let [name, value] = reader.first(pair)?;
        headers.push(Header { name: text(reader, name)?, value: Captured::new(text(reader, value)?) });
        Ok(true)
    })?;
    Ok(headers)
}

/// Longest body that is kept in memory: that of a capture's log.
const MOST_INLINE: u64 = 64 * 1024;
/// Longest list of headers.
const MOST_HEADERS: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn check((host, port, path, authority): (&str, u16, &str, &str), expected: &str) {
        let target = Target { scheme: "https".into(), host: host.into(), port, path: path.into(), authority: authority.into() };
        assert_eq!(target.url(false).to_text().expose(), expected);
    }

    #[test]
    fn the_receiver_is_the_host_connected_to_unless_only_its_address_is_known() {
        check(("api.test", 443, "/a?b", ""), "https://api.test/a?b");
        check(("api.test", 8443, "/", "other.test"), "https://api.test:8443/");
        check(("192.0.2.1", 443, "/", "API.test:443"), "https://api.test/");
        check(("2001:db8::1", 443, "/", "api.test"), "https://api.test/");
        check(("192.0.2.1", 443, "*", ""), "https://192.0.2.1*");
        check(("", 0, "x", "api.test"), "https://api.test/x");
        check(("proxy.test", 80, "http://api.test:81/x?y", ""), "http://api.test:81/x?y");
    }
}
