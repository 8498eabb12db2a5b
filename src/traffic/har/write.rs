//! A recording as a HAR 1.2 file, written as a stream: one exchange in memory at a time, bodies kept in files not even once.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fmt,
    io::{self, Read, Write},
};

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use serde::{Serialize, Serializer};

use super::{
    body::{encoded, to_base64},
    entry::split_url,
    message::{Messages, in_memory},
    own::{EntryBlock, FORMAT, LOG, LogBlock, MessageBlock, REST, body_block},
};
use crate::model::{Bodies, Body, BodyContent, Captured, Exchange, ExchangeId, Header, NumberedEvent, Recording, RunEvent};

/// Writes a recording as HAR 1.2, with `_tattletale` blocks that [`super::HarRecording`] restores all events from; bodies
/// that were kept in files become inline ones. The file holds everything that was captured.
///
/// # Errors
/// What the writer meets, a body that cannot be opened, or a recording that cannot be read to its end.
pub fn write(recording: &dyn Recording, out: impl io::Write) -> io::Result<()> {
    let out = io::BufWriter::new(out);
    let mut export = Export { recording, out, before: Vec::new(), talked: BTreeSet::new(), any: false, outcome: Ok(()) };
    let block = LogBlock { format: FORMAT, provenance: recording.provenance().clone() };
    // What must be said of the rig is said where other programs show it.
    let comment = match recording.provenance().target.platform.disclaimer() {
        Some(words) => format!(",\"comment\":{}", serde_json::to_string(words)?),
        None => String::new(),
    };
    write!(export.out, "{{\"log\":{{\"version\":\"1.2\",\"creator\":{{\"name\":\"tattletale\",\"version\":")?;
    serde_json::to_writer(&mut export.out, env!("CARGO_PKG_VERSION"))?;
    write!(export.out, "{comment}}}{comment},\"pages\":[],\"{LOG}\":")?;
    serde_json::to_writer(&mut export.out, &block)?;
    write!(export.out, ",\"entries\":[")?;
    let replayed = recording.replay(&mut |event, bodies| export.absorb(event, bodies));
    export.outcome?;
    replayed.map_err(io::Error::other)?;
    export.before.extend(unfinished(recording, &export.talked)?);
    write!(export.out, "\n],\"{REST}\":")?;
    serde_json::to_writer(&mut export.out, &export.before)?;
    writeln!(export.out, "}}}}")?;
    export.out.flush()
}

/// Messages of connections whose exchange never came: they have no entry to be in.
fn unfinished(recording: &dyn Recording, talked: &BTreeSet<ExchangeId>) -> io::Result<Vec<NumberedEvent>> {
    let (mut messages, mut outcome) = (Vec::new(), Ok(()));
    if talked.is_empty() {
        return Ok(messages);
    }
    let replayed = recording.replay(&mut |event, bodies| {
        if let RunEvent::Message(message) = &event.event
            && talked.contains(&message.exchange)
            && outcome.is_ok()
        {
            match in_memory(message, bodies) {
                Ok(message) => messages.push(NumberedEvent { event: RunEvent::Message(Box::new(message)), ..event.clone() }),
                Err(error) => outcome = Err(error),
            }
        }
    });
    outcome?;
    replayed.map_err(io::Error::other)?;
    Ok(messages)
}

struct Export<'a, W: Write> {
    recording: &'a dyn Recording,
    out: io::BufWriter<W>,
    /// Events that have no entry, until the next one.
    before: Vec<NumberedEvent>,
    /// Exchanges whose WebSocket messages have passed, and which are not over.
    talked: BTreeSet<ExchangeId>,
    any: bool,
    /// The first error; nothing is written after it.
    outcome: io::Result<()>,
}

impl<W: Write> Export<'_, W> {
    fn absorb(&mut self, event: &NumberedEvent, bodies: &dyn Bodies) {
        if self.outcome.is_ok() {
            match &event.event {
                RunEvent::Exchange(exchange) => self.outcome = self.entry(event, exchange, bodies),
                RunEvent::Message(message) => {
                    self.talked.insert(message.exchange);
                }
                _ => self.before.push(event.clone()),
            }
        }
    }

    fn entry(&mut self, event: &NumberedEvent, exchange: &Exchange, bodies: &dyn Bodies) -> io::Result<()> {
        let failure = RefCell::new(None);
        let request = &exchange.request;
        let request_mime = header(&request.headers, "content-type");
        let request_text = Text::of_request(&request.body, request_mime, bodies, &failure);
        let response = exchange.response.as_ref();
        let response_headers = response.map_or(&[][..], |response| &response.headers);
        let no_body = Body::default();
        let response_body = response.map_or(&no_body, |response| &response.body);
        let (response_text, raw) = Text::of_response(response_body, header(response_headers, "content-encoding"), bodies, &failure);
        let url = request.url.to_text();
        let talked = self.talked.remove(&exchange.id);
        let milliseconds = exchange.ended.map_or(0.0, |ended| (ended.duration_since(exchange.began).as_secs_f64() * 1000.0).max(0.0));
        let entry = Entry {
            started_date_time: exchange.began.to_string(),
            time: milliseconds,
            request: HarRequest {
                method: &request.method,
                url: url.expose(),
                http_version: &request.http_version,
                cookies: [],
                headers: &request.headers,
                query_string: query(request.url.query()),
                post_data: request_text.map(|text| PostData { mime_type: request_mime, encoding: text.encoding(), text }),
                headers_size: -1,
                body_size: request.body.bytes,
            },
            response: HarResponse {
                status: response.map_or(0, |response| response.status),
                status_text: "",
                http_version: response.map_or("", |response| &response.http_version),
                cookies: [],
                headers: response_headers,
                content: Content {
                    // Of what stands in the text, where that is decoded.
                    size: match (&response_text, &raw) {
                        (Some(Text::Plain(text)), Some(_)) => text.len() as u64,
                        _ => response_body.bytes,
                    },
                    mime_type: header(response_headers, "content-type"),
                    encoding: response_text.as_ref().and_then(Text::encoding),
                    text: response_text,
                },
                redirect_url: header(response_headers, "location"),
                headers_size: -1,
                body_size: response_body.bytes,
                error: exchange.error.as_deref(),
            },
            cache: Empty {},
            timings: Timings { send: 0.0, wait: milliseconds, receive: 0.0 },
            resource_type: talked.then_some("websocket"),
            messages: talked.then_some(Messages { recording: self.recording, of: exchange.id, failure: &failure }),
            block: EntryBlock {
                before: std::mem::take(&mut self.before),
                n: event.n,
                at: event.at,
                id: exchange.id,
                phase: exchange.phase.clone(),
                tunnel: exchange.tunnel,
                ended: exchange.ended,
                error: exchange.error.clone(),
                url: (split_url(url.expose()) != request.url).then(|| request.url.clone()),
                request: message(&request.body, &request.trailers, None),
                response: response.map(|response| message(&response.body, &response.trailers, raw)),
            },
        };
        self.out.write_all(if self.any { b",\n" } else { b"\n" })?;
        self.any = true;
        let written = serde_json::to_writer(&mut self.out, &entry);
        match failure.take() {
            Some(error) => Err(error),
            None => written.map_err(io::Error::from),
        }
    }
}

/// A body as HAR's text.
enum Text<'a> {
    Plain(std::borrow::Cow<'a, str>),
    /// Read and encoded while it is written, so that a long body is never in memory.
    Base64 {
        body: &'a Body,
        bodies: &'a dyn Bodies,
        /// Takes what went wrong: a formatter cannot tell.
        failure: &'a RefCell<Option<io::Error>>,
    },
}

impl<'a> Text<'a> {
    /// Plain text where reading gives the same bytes back.
    fn of_request(body: &'a Body, mime: &str, bodies: &'a dyn Bodies, failure: &'a RefCell<Option<io::Error>>) -> Option<Self> {
        let faithful = here(body).and_then(|bytes| std::str::from_utf8(bytes).ok()).filter(|text| {
            let mime_is_said = !mime.is_empty();
            text.is_ascii() || !mime_is_said || encoded((*text).to_owned(), mime) == text.as_bytes()
        });
        match faithful {
            Some(text) => Some(Self::Plain(text.into())),
            None => is_there(body).then_some(Self::Base64 { body, bodies, failure }),
        }
    }

    /// As [`Self::of_request`]; a compressed text that is in memory is told decoded, as HAR wants it, with its raw bytes beside it.
    fn of_response(
        body: &'a Body,
        content_encoding: &str,
        bodies: &'a dyn Bodies,
        failure: &'a RefCell<Option<io::Error>>,
    ) -> (Option<Self>, Option<String>) {
        if let Some(bytes) = here(body)
            && let Some(text) = decoded(bytes, content_encoding)
        {
            return (Some(Self::Plain(text.into())), Some(to_base64(bytes)));
        }
        let text = match here(body).and_then(|bytes| std::str::from_utf8(bytes).ok()) {
            Some(text) => Some(Self::Plain(text.into())),
            None => is_there(body).then_some(Self::Base64 { body, bodies, failure }),
        };
        (text, None)
    }

    const fn encoding(&self) -> Option<&'static str> {
        match self {
            Self::Plain(_) => None,
            Self::Base64 { .. } => Some("base64"),
        }
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(text) => serializer.serialize_str(text),
            Self::Base64 { .. } => serializer.collect_str(self),
        }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (body, bodies, failure) = match self {
            Self::Plain(text) => return f.write_str(text),
            Self::Base64 { body, bodies, failure } => (*body, *bodies, *failure),
        };
        let failed = |error: io::Error| {
            failure.replace(Some(error));
            fmt::Error
        };
        let Some(mut bytes) = body.open(bodies).map_err(failed)? else { return Ok(()) };
        let mut piece = Vec::with_capacity(PIECE);
        loop {
            piece.clear();
            if bytes.by_ref().take(PIECE as u64).read_to_end(&mut piece).map_err(failed)? == 0 {
                return Ok(());
            }
            f.write_str(&to_base64(&piece))?;
        }
    }
}

/// Bytes that are in memory.
fn here(body: &Body) -> Option<&[u8]> {
    match &body.content {
        BodyContent::Inline(bytes) | BodyContent::Torn(bytes) => Some(bytes.expose().as_slice()).filter(|bytes| !bytes.is_empty()),
        BodyContent::Absent(_) | BodyContent::Empty | BodyContent::Spilled | BodyContent::TornSpilled(_) => None,
    }
}

fn is_there(body: &Body) -> bool {
    here(body).is_some() || matches!(body.content, BodyContent::Spilled | BodyContent::TornSpilled(_))
}

/// Text that was compressed, if it is text and not too long.
fn decoded(bytes: &[u8], content_encoding: &str) -> Option<String> {
    let name = content_encoding.trim().to_ascii_lowercase();
    let decoder: Box<dyn Read + '_> = match name.as_str() {
        "gzip" | "x-gzip" => Box::new(MultiGzDecoder::new(bytes)),
        "deflate" => Box::new(ZlibDecoder::new(bytes)),
        "br" => Box::new(brotli_decompressor::Decompressor::new(bytes, 4096)),
        "zstd" => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).ok()?;
            // A frame may ask for a window of its own choice, which would be allocated.
            decoder.window_log_max(LARGEST_WINDOW).ok()?;
            Box::new(decoder)
        }
        _ => return None,
    };
    let mut text = Vec::new();
    decoder.take(DECODED + 1).read_to_end(&mut text).ok()?;
    let text = String::from_utf8(text).ok()?;
    (!text.is_empty() && text.len() as u64 <= DECODED).then_some(text)
}

fn message(body: &Body, trailers: &[Header], raw: Option<String>) -> MessageBlock {
    MessageBlock { bytes: body.bytes, body: body_block(body), trailers: trailers.to_vec(), raw: raw.map(Captured::new) }
}

fn header<'a>(headers: &'a [Header], name: &str) -> &'a str {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map_or("", |header| header.value.expose())
}

fn query(query: &str) -> Vec<Pair> {
    form_urlencoded::parse(query.as_bytes()).map(|(name, value)| Pair { name: name.into_owned(), value: value.into_owned() }).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    started_date_time: String,
    time: f64,
    request: HarRequest<'a>,
    response: HarResponse<'a>,
    cache: Empty,
    timings: Timings,
    #[serde(rename = "_resourceType", skip_serializing_if = "Option::is_none")]
    resource_type: Option<&'static str>,
    #[serde(rename = "_webSocketMessages", skip_serializing_if = "Option::is_none")]
    messages: Option<Messages<'a>>,
    #[serde(rename = "_tattletale")]
    block: EntryBlock,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HarRequest<'a> {
    method: &'a str,
    url: &'a str,
    http_version: &'a str,
    cookies: [Pair; 0],
    headers: &'a [Header],
    query_string: Vec<Pair>,
    #[serde(skip_serializing_if = "Option::is_none")]
    post_data: Option<PostData<'a>>,
    headers_size: i64,
    body_size: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostData<'a> {
    mime_type: &'a str,
    text: Text<'a>,
    // HAR 1.2 has an encoding for responses only, and wants an underscore before what it does not have.
    #[serde(rename = "_encoding", skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HarResponse<'a> {
    status: u16,
    status_text: &'a str,
    http_version: &'a str,
    cookies: [Pair; 0],
    headers: &'a [Header],
    content: Content<'a>,
    #[serde(rename = "redirectURL")]
    redirect_url: &'a str,
    headers_size: i64,
    body_size: u64,
    /// Why there was no response, where Chrome writes it.
    #[serde(rename = "_error", skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    size: u64,
    mime_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
}

#[derive(Serialize)]
struct Pair {
    name: String,
    value: String,
}

#[derive(Serialize)]
struct Timings {
    send: f64,
    wait: f64,
    receive: f64,
}

#[derive(Serialize)]
struct Empty {}

/// Bytes encoded at a time: a multiple of three, so that pieces of base64 join.
const PIECE: usize = 48 * 1024;
/// A compressed body that becomes longer than this is told raw.
const DECODED: u64 = 8 * 1024 * 1024;
/// Of a Zstandard frame, as a power of two: 8 MiB.
const LARGEST_WINDOW: u32 = 23;
