//! One flow of any version as the parts that an import needs: what kind of flow it is, and where its request, response, error,
//! connections and messages are. Versions differ in names and in how they spell a value; each difference is said here once.
//!
//! The versions are those that mitmproxy itself still reads: up to 3.0 they are pairs of numbers, from 4 on plain ones.

use std::{fmt, io::Read, io::Seek};

use jiff::Timestamp;

use super::tnetstring::{Damage, Item, Reader, Tag};

/// Version of the format of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// `0.11` to `3.0`: mitmproxy's own version then.
    Pair(u64, u64),
    /// `4` and up.
    Plain(u64),
}

impl Version {
    /// Whether mitmproxy has a way from this version to its own.
    pub(super) const fn is_read(self) -> bool {
        matches!(self, Self::Pair(0, 11..=19) | Self::Pair(1..=3, 0) | Self::Plain(4..=21))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pair(major, minor) => write!(f, "{major}.{minor}"),
            Self::Plain(version) => write!(f, "{version}"),
        }
    }
}

/// What a flow is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Dns,
    Http,
    Tcp,
    Udp,
    /// Of a kind that this version knows nothing of.
    Unknown,
    /// Only up to version 11: from then on the messages are in the HTTP flow that opened the connection.
    WebSocket,
}

/// Where the parts of a flow are.
pub(super) struct Flow {
    pub(super) version: Version,
    pub(super) kind: Kind,
    /// Name of the flow, by which another may refer to it.
    pub(super) id: Vec<u8>,
    pub(super) request: Item,
    pub(super) response: Item,
    /// Of the flow itself: TCP, UDP and old WebSocket flows.
    pub(super) messages: Item,
    pub(super) websocket: Item,
    pub(super) metadata: Item,
    pub(super) client: Item,
    pub(super) server: Item,
    /// What went wrong, in mitmproxy's words; empty when nothing did.
    pub(super) error: String,
    /// When the flow began, as far as the flow itself or its connection says.
    pub(super) created: Option<Timestamp>,
    /// Whether mitmproxy sent the request again.
    pub(super) replayed: bool,
    /// Whether a person changed it in mitmproxy, so that request and response are those of before.
    pub(super) changed: bool,
}

impl Flow {
    /// The parts of the flow that a top-level item is.
    pub(super) fn read<R: Read + Seek>(reader: &mut Reader<R>, item: Item) -> Result<Self, Damage> {
        let damage = |problem: String| Damage { at: item.start, problem };
        if item.tag != Tag::Table {
            return Err(damage("not a flow: expected a table".to_owned()));
        }
        let [version, kind, id, is_replay, backup] = reader.table(item, ["version", "type", "id", "is_replay", "backup"])?;
        let version = match version_of(reader, version)? {
            Some(version) if version.is_read() => version,
            Some(version) => return Err(damage(format!("a flow of format {version}, which is not read"))),
            None => return Err(damage("not a flow: it has no version".to_owned())),
        };
        let [now, answered, messages, websocket] = reader.table(item, ["request", "response", "messages", "websocket"])?;
        let [metadata, error, client, server] = reader.table(item, ["metadata", "error", "client_conn", "server_conn"])?;
        let [created] = reader.table(item, ["timestamp_created"])?;
        // What was changed by hand is kept as it was when the change began; a response may have come only later.
        let [sent, given] = reader.table(backup, ["request", "response"])?;
        let changed = sent.tag == Tag::Table;
        let request = if changed { sent } else { now };
        let response = if given.tag == Tag::Table { given } else { answered };
        let kind = match text(reader, kind)?.as_str() {
            "http" => Kind::Http,
            "websocket" => Kind::WebSocket,
            "tcp" => Kind::Tcp,
            "udp" => Kind::Udp,
            "dns" => Kind::Dns,
            "" if !request.is_none() => Kind::Http,
            _ => Kind::Unknown,
        };
        // Up to version 8 the request and the response say it, each for itself.
        let [again] = reader.table(request, ["is_replay"])?;
        let replayed = text(reader, is_replay)? == "request" || reader.is_true(again)?;
        let [message] = reader.table(error, ["msg"])?;
        let [opened] = reader.table(client, ["timestamp_start"])?;
        let created = match time(reader, created)? {
            None => time(reader, opened)?,
            created => created,
        };
        Ok(Self {
            version,
            kind,
            id: reader.bytes(id, LONGEST_ID)?,
            request,
            response,
            messages,
            websocket,
            metadata,
            client,
            server,
            error: text(reader, message)?,
            created,
            replayed,
            changed,
        })
    }
}

fn version_of<R: Read + Seek>(reader: &mut Reader<R>, item: Item) -> Result<Option<Version>, Damage> {
    if item.tag == Tag::Integer {
        return Ok(reader.whole(item)?.map(Version::Plain));
    }
    let [major, minor] = reader.first(item)?;
    Ok(reader.whole(major)?.zip(reader.whole(minor)?).map(|(major, minor)| Version::Pair(major, minor)))
}

/// Text, whichever of the two tags for it a version uses; bytes that are not UTF-8 are read as Latin-1. Empty for anything
/// else.
pub(super) fn text<R: Read + Seek>(reader: &mut Reader<R>, item: Item) -> Result<String, Damage> {
    if !matches!(item.tag, Tag::Bytes | Tag::Text) {
        return Ok(String::new());
    }
    if item.length > LONGEST_TEXT {
        return Err(Damage { at: item.start, problem: format!("a text of {} bytes, where {LONGEST_TEXT} are the most", item.length) });
    }
    let bytes = reader.bytes(item, LONGEST_TEXT)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect()))
}

/// A time, in seconds since 1970; `None` when there is none, or 0, which stands for none. Microseconds are what a float of
/// this size holds.
pub(super) fn time<R: Read + Seek>(reader: &mut Reader<R>, item: Item) -> Result<Option<Timestamp>, Damage> {
    let seconds = reader.number(item)?.filter(|seconds| *seconds > 0.0 && *seconds < LATEST);
    // Whole seconds and their fraction apart, as Python does it, so that the product loses nothing. In range, as `LATEST` is.
    #[allow(clippy::cast_possible_truncation)]
    let micros = |seconds: f64| seconds.trunc() as i64 * 1_000_000 + (seconds.fract() * 1e6).round_ties_even() as i64;
    Ok(seconds.and_then(|seconds| Timestamp::from_microsecond(micros(seconds)).ok()))
}

/// Host and port of an address. Up to version 1.0 it is in a table of its own, later a list that may go on.
pub(super) fn address<R: Read + Seek>(reader: &mut Reader<R>, item: Item) -> Result<Option<(String, u16)>, Damage> {
    let [inner] = reader.table(item, ["address"])?;
    let [host, port] = reader.first(if inner.is_none() { item } else { inner })?;
    let host = text(reader, host)?.trim_matches(['[', ']']).to_ascii_lowercase();
    let port = reader.whole(port)?.and_then(|port| u16::try_from(port).ok());
    Ok((!host.is_empty()).then(|| (host, port.unwrap_or(0))))
}

/// Longest id that is kept: a UUID is shorter.
const LONGEST_ID: u64 = 64;
/// Longest path, header or error message.
const LONGEST_TEXT: u64 = 16 * 1024 * 1024;
/// Times are before the year 9999.
const LATEST: f64 = 253_000_000_000.0;
