//! One request and its response, as recorded: method, URL, headers, bodies, times and sizes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Captured, TunnelId};

/// Number of an exchange within one capture, counted from 1 in the order in which requests began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExchangeId(pub u64);

/// One request and its response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Number within the capture.
    pub id: ExchangeId,
    /// The phase in which the request began; `unscripted` in an imported capture.
    pub phase: String,
    /// The tunnel it came through; `None` for plain HTTP and for imports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<TunnelId>,
    /// When the request's head had been read, on the rig's clock.
    pub began: Timestamp,
    /// When the last byte of the response had passed; `None` when it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// What the app sent.
    pub request: Request,
    /// What it was answered; `None` when the connection ended first or the upstream could not be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    /// Why there is no complete response, in words for a reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What the app sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Method, as sent (`POST`).
    pub method: String,
    /// Absolute URL.
    pub url: Url,
    /// `HTTP/1.0`, `HTTP/1.1`, `HTTP/2`; empty when an import does not say.
    #[serde(default)]
    pub http_version: String,
    /// Header pairs in the order received, names in their own case (lower case over HTTP/2).
    pub headers: Vec<Header>,
    /// Body as it went over the wire, content encoding included.
    pub body: Body,
    /// Trailers after a chunked or HTTP/2 body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<Header>,
}

impl Request {
    /// The first value of the header with this name (ASCII case ignored).
    pub fn header(&self, name: &str) -> Option<&Captured<String>> {
        self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| &header.value)
    }

    /// Bytes the app uploaded with this request that can carry data: path and query, headers, body, trailers.
    pub fn uploaded_bytes(&self) -> u64 {
        let headers: usize = self.headers.iter().chain(&self.trailers).map(|header| header.name.len() + header.value.expose().len()).sum();
        self.url.path_and_query.expose().len() as u64 + headers as u64 + self.body.bytes
    }
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Status code, 100 to 599; 0 when an import says so (Chrome: request blocked).
    pub status: u16,
    /// As in [`Request::http_version`].
    #[serde(default)]
    pub http_version: String,
    /// Header pairs in the order received.
    pub headers: Vec<Header>,
    /// Body as it came over the wire, content encoding included.
    pub body: Body,
    /// Trailers after a chunked or HTTP/2 body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<Header>,
}

/// One message of a connection that stays open: a WebSocket's. Each is recorded by itself, as it passes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The exchange that opened the connection.
    pub exchange: ExchangeId,
    /// Number within the connection, from 1, both directions counted together.
    pub number: u64,
    /// The phase in which it passed.
    pub phase: String,
    /// When, on the rig's clock.
    pub at: Timestamp,
    /// True when the app sent it, false when the server did.
    pub sent: bool,
    /// True for a text message, false for a binary one.
    pub text: bool,
    /// URL that opened the connection, so that a message can be read without its exchange.
    pub url: Url,
    /// What it carried, after the framing and its compression.
    pub body: Body,
}

/// An absolute URL in the parts an audit needs. The host names a receiver; everything after it may be personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Url {
    /// `https`, `http`, `wss`, `ws`.
    pub scheme: String,
    /// Host name or IP literal (IPv6 without brackets), lower case.
    pub host: String,
    /// Port, the scheme's default filled in.
    pub port: u16,
    /// Path and query as sent, still percent-encoded; starts with `/` (or is `*`).
    pub path_and_query: Captured<String>,
}

impl Url {
    /// The path as sent, without the query.
    pub fn path(&self) -> &str {
        let all = self.path_and_query.expose().as_str();
        all.split_once('?').map_or(all, |(path, _)| path)
    }

    /// The query as sent, without `?`; empty when there is none.
    pub fn query(&self) -> &str {
        self.path_and_query.expose().split_once('?').map_or("", |(_, query)| query)
    }

    /// The whole URL as text, port left out when it is the scheme's default.
    pub fn to_text(&self) -> Captured<String> {
        let default = matches!((self.scheme.as_str(), self.port), ("https" | "wss", 443) | ("http" | "ws", 80));
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let port = if default { String::new() } else { format!(":{}", self.port) };
        Captured::new(format!("{}://{host}{port}{}", self.scheme, self.path_and_query.expose()))
    }
}

/// One header pair. Bytes that are not UTF-8 are read as Latin-1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Name in its own case.
    pub name: String,
    /// Value.
    pub value: Captured<String>,
}

/// A body as recorded: how long it was, its digest, and where its bytes are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Length that passed, in bytes, whether all of it was kept or not.
    pub bytes: u64,
    /// SHA-256 of the whole body, 64 lower-case hex digits; `None` when empty, cut off or absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The bytes, or where they are.
    #[serde(default)]
    pub content: BodyContent,
}

/// Where the bytes of a body are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BodyContent {
    /// Not recorded, and why (an import that left it out; a disk that was full).
    Absent(String),
    /// There was no body.
    #[default]
    Empty,
    /// Here. Standard base64 in JSON.
    Inline(#[serde(with = "super::text::base64_bytes")] Captured<Vec<u8>>),
    /// In a file of its own, named by [`Body::sha256`], to be opened through [`super::Bodies`].
    Spilled,
    /// The connection ended in mid-body; what had come is here.
    Torn(#[serde(with = "super::text::base64_bytes")] Captured<Vec<u8>>),
    /// The connection ended in mid-body; what had come is in a file of its own, named by this SHA-256 of it.
    TornSpilled(String),
}

impl Body {
    /// A complete body held in memory, with its digest.
    pub fn inline(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        Self {
            bytes: bytes.len() as u64,
            sha256: Some(super::text::sha256_hex(&bytes)),
            content: BodyContent::Inline(Captured::new(bytes)),
        }
    }
}
