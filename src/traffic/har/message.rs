//! WebSocket messages, which HAR 1.2 does not know: read from and written to `_webSocketMessages`, as Chrome, mitmproxy and HTTP
//! Toolkit write it: who sent it, seconds since 1970, the opcode, and text, or base64 for binary data.

use std::{
    cell::RefCell,
    io::{self, Read as _},
};

use base64::Engine as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeSeq as _};
use serde_json::Value;

use super::{
    body::{BASE64, to_base64},
    entry::{number, take_text},
    own::{BodyBlock, LOG, body_block, restore_body},
};
use crate::{
    model::{Bodies, Body, BodyContent, Exchange, ExchangeId, Message, NumberedEvent, Recording, RunEvent},
    traffic::import::UNSCRIPTED,
};

/// Key of the messages in an entry.
pub(super) const MESSAGES: &str = "_webSocketMessages";

/// What HAR cannot say of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Block {
    /// Number of the message's event.
    n: u64,
    /// Time of the event, and of the message.
    event_at: Timestamp,
    at: Timestamp,
    /// Number within the connection.
    number: u64,
    phase: String,
    bytes: u64,
    body: BodyBlock,
    /// Whether the data is base64 though the message is text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    encoded: bool,
}

/// A message as the HAR has it.
pub(super) struct Said {
    pub(super) message: Message,
    /// Number and time of its event; only in our own exports.
    pub(super) event: Option<(u64, Timestamp)>,
}

/// The messages of an entry, moved out of it; `None` when it has none. What is no message of app or server is counted by
/// the second number.
pub(super) fn take(entry: &mut Value, exchange: &Exchange) -> (Vec<Said>, u64) {
    let messages = match entry.get_mut(MESSAGES).map(Value::take) {
        Some(Value::Array(messages)) => messages,
        _ => return (Vec::new(), 0),
    };
    let (mut said, mut others) = (Vec::new(), 0);
    for mut message in messages {
        let sent = match message.get("type").and_then(Value::as_str) {
            Some("send") => true,
            Some("receive") => false,
            _ => {
                others += 1;
                continue;
            }
        };
        let block: Option<Block> = message.get_mut(LOG).and_then(|block| serde_json::from_value(block.take()).ok());
        // RFC 6455 section 5.2: 1 is text. A message without an opcode is one.
        let text = message.get("opcode").is_none_or(|opcode| number(Some(opcode)) == 1);
        let data = take_text(&mut message, "data");
        let encoded = block.as_ref().is_some_and(|block| block.encoded);
        let body = if text && !encoded { Body::inline(data.into_bytes()) } else { decoded(data) };
        let at = message.get("time").and_then(Value::as_f64).and_then(seconds);
        let count = said.len() as u64 + 1;
        let (exchange, url) = (exchange.id, exchange.request.url.clone());
        said.push(match block {
            None => {
                let at = at.unwrap_or(Timestamp::UNIX_EPOCH);
                let message = Message { exchange, number: count, phase: UNSCRIPTED.to_owned(), at, sent, text, url, body };
                Said { message, event: None }
            }
            Some(block) => {
                let body = restore_body(block.body, block.bytes, body);
                let message = Message { exchange, number: block.number, phase: block.phase, at: block.at, sent, text, url, body };
                Said { message, event: Some((block.n, block.event_at)) }
            }
        });
    }
    (said, others)
}

/// The messages of an exchange, written one by one while the recording is replayed once more, so that a connection that
/// talked for hours costs no memory.
pub(super) struct Messages<'a> {
    pub(super) recording: &'a dyn Recording,
    pub(super) of: ExchangeId,
    /// Takes what went wrong: a serializer cannot tell.
    pub(super) failure: &'a RefCell<Option<io::Error>>,
}

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        let mut outcome = Ok(());
        let replayed = self.recording.replay(&mut |event, bodies| {
            if let RunEvent::Message(message) = &event.event
                && message.exchange == self.of
                && outcome.is_ok()
            {
                outcome = match written(event, message, bodies) {
                    Ok(message) => list.serialize_element(&message),
                    Err(error) => {
                        self.failure.replace(Some(error));
                        Ok(())
                    }
                };
            }
        });
        outcome?;
        if let Err(error) = replayed {
            self.failure.replace(Some(io::Error::other(error)));
        }
        list.end()
    }
}

/// A message in memory whatever its size, for what has no place in an entry.
pub(super) fn in_memory(message: &Message, bodies: &dyn Bodies) -> io::Result<Message> {
    let content = match (&message.body.content, bytes_of(&message.body, bodies)?) {
        (BodyContent::Spilled, Some(bytes)) => BodyContent::Inline(bytes.into()),
        (BodyContent::TornSpilled(_), Some(bytes)) => BodyContent::Torn(bytes.into()),
        (content, _) => content.clone(),
    };
    Ok(Message { body: Body { content, ..message.body.clone() }, ..message.clone() })
}

fn written(event: &NumberedEvent, message: &Message, bodies: &dyn Bodies) -> io::Result<HarMessage> {
    let bytes = bytes_of(&message.body, bodies)?.unwrap_or_default();
    let (data, encoded) = match (message.text, String::from_utf8(bytes)) {
        (true, Ok(text)) => (text, false),
        (false, Ok(text)) => (to_base64(text.as_bytes()), false),
        (text, Err(error)) => (to_base64(error.as_bytes()), text),
    };
    // Seconds to the microsecond, as others write it.
    #[allow(clippy::cast_precision_loss)]
    let time = message.at.as_microsecond() as f64 / 1e6;
    Ok(HarMessage {
        kind: if message.sent { "send" } else { "receive" },
        time,
        opcode: if message.text { 1 } else { 2 },
        data,
        block: Block {
            n: event.n,
            event_at: event.at,
            at: message.at,
            number: message.number,
            phase: message.phase.clone(),
            bytes: message.body.bytes,
            body: body_block(&message.body),
            encoded,
        },
    })
}

fn bytes_of(body: &Body, bodies: &dyn Bodies) -> io::Result<Option<Vec<u8>>> {
    let Some(mut source) = body.open(bodies)? else { return Ok(None) };
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn decoded(data: String) -> Body {
    match BASE64.decode(&data) {
        Ok(bytes) => Body::inline(bytes),
        Err(_) => Body { bytes: data.len() as u64, sha256: None, content: BodyContent::Absent("the HAR's base64 is damaged".to_owned()) },
    }
}

/// Seconds since 1970, or milliseconds, which are told by their size.
fn seconds(number: f64) -> Option<Timestamp> {
    let seconds = if number > 100_000_000_000.0 { number / 1000.0 } else { number };
    // A float of this size holds microseconds; what is out of range is no time.
    #[allow(clippy::cast_possible_truncation)]
    (seconds > 0.0).then(|| Timestamp::from_microsecond((seconds * 1e6).round() as i64).ok()).flatten()
}

#[derive(Serialize)]
struct HarMessage {
    #[serde(rename = "type")]
    kind: &'static str,
    time: f64,
    opcode: u8,
    data: String,
    #[serde(rename = "_tattletale")]
    block: Block,
}
