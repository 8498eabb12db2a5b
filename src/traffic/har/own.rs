//! The `_tattletale` blocks of our own exports: what HAR cannot say. HAR's own fields stay the truth for all that they can
//! say, so that a person who edits a value out of an export has removed it.

use base64::Engine;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::BASE64;
use crate::model::{Body, BodyContent, Captured, Exchange, ExchangeId, Header, NumberedEvent, Provenance, TunnelId, Url, text::sha256_hex};

/// Key of the block in `log`, before the entries, and in each entry.
pub(super) const LOG: &str = "_tattletale";
/// Key of the events after the last entry, in `log`, after the entries.
pub(super) const REST: &str = "_tattletaleRest";
/// Version of these blocks. Raised when a reader of the old one would be wrong: 2 has the events of a capture of format 2.
pub(super) const FORMAT: u32 = 2;

/// Block of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LogBlock {
    pub(super) format: u32,
    pub(super) provenance: Provenance,
}

/// Block of an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct EntryBlock {
    /// Events since the entry before this one.
    pub(super) before: Vec<NumberedEvent>,
    /// Number of the exchange's event.
    pub(super) n: u64,
    /// Time of the exchange's event.
    pub(super) at: Timestamp,
    pub(super) id: ExchangeId,
    pub(super) phase: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tunnel: Option<TunnelId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// Only where the parts cannot be read back from HAR's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<Url>,
    pub(super) request: MessageBlock,
    /// `None` when there was no response, though HAR wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<MessageBlock>,
}

/// Block of a request or a response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct MessageBlock {
    /// Length that passed.
    pub(super) bytes: u64,
    pub(super) body: BodyBlock,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) trailers: Vec<Header>,
    /// The bytes as they passed, in base64, where HAR's text is of the decoded ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) raw: Option<Captured<String>>,
}

/// What a body is, apart from its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum BodyBlock {
    /// Not recorded, and why.
    Absent(String),
    Empty,
    Whole,
    Torn,
}

impl LogBlock {
    /// The block, when it is one that this version can read.
    pub(super) fn parse(value: Value) -> Option<Self> {
        serde_json::from_value(value).ok().filter(|block: &Self| (1..=FORMAT).contains(&block.format))
    }
}

impl EntryBlock {
    /// Moves the block out of an entry.
    pub(super) fn take(entry: &mut Value) -> Option<Self> {
        serde_json::from_value(entry.get_mut(LOG)?.take()).ok()
    }

    /// The events before this entry, and number, time and exchange of its own, put together from what HAR says.
    pub(super) fn restore(self, said: Exchange) -> (Vec<NumberedEvent>, u64, Timestamp, Exchange) {
        let mut request = said.request;
        request.url = self.url.unwrap_or(request.url);
        (request.body, request.trailers) = self.request.restore(request.body);
        let response = said.response.zip(self.response).map(|(mut response, block)| {
            (response.body, response.trailers) = block.restore(response.body);
            response
        });
        let exchange = Exchange {
            id: self.id,
            phase: self.phase,
            tunnel: self.tunnel,
            began: said.began,
            ended: self.ended,
            request,
            response,
            error: self.error,
        };
        (self.before, self.n, self.at, exchange)
    }
}

impl MessageBlock {
    /// The body and the trailers, from the body as HAR says it.
    fn restore(self, said: Body) -> (Body, Vec<Header>) {
        let raw = self.raw.and_then(|raw| BASE64.decode(raw.expose()).ok());
        let bytes = raw.or_else(|| at_hand(said));
        (with_bytes(self.body, self.bytes, bytes), self.trailers)
    }
}

/// What a block says of a body.
pub(super) fn body_block(body: &Body) -> BodyBlock {
    match &body.content {
        BodyContent::Absent(why) => BodyBlock::Absent(why.clone()),
        BodyContent::Empty => BodyBlock::Empty,
        BodyContent::Inline(_) | BodyContent::Spilled => BodyBlock::Whole,
        BodyContent::Torn(_) | BodyContent::TornSpilled(_) => BodyBlock::Torn,
    }
}

/// A body of a length, from its block and from the body as HAR says it.
pub(super) fn restore_body(block: BodyBlock, length: u64, said: Body) -> Body {
    with_bytes(block, length, at_hand(said))
}

/// The bytes that HAR's text stands for, be they all that was sent or not: the block knows.
fn at_hand(said: Body) -> Option<Vec<u8>> {
    match said.content {
        BodyContent::Inline(bytes) | BodyContent::Torn(bytes) => Some(bytes.into_exposed()),
        BodyContent::Absent(_) | BodyContent::Empty | BodyContent::Spilled | BodyContent::TornSpilled(_) => None,
    }
}

fn with_bytes(block: BodyBlock, length: u64, bytes: Option<Vec<u8>>) -> Body {
    let lacking = |content| Body { bytes: length, sha256: None, content };
    match (block, bytes) {
        (BodyBlock::Absent(why), _) => lacking(BodyContent::Absent(why)),
        (BodyBlock::Empty, _) => Body::default(),
        (BodyBlock::Whole, Some(bytes)) => Body { bytes: length, sha256: Some(sha256_hex(&bytes)), ..Body::inline(bytes) },
        (BodyBlock::Torn, bytes) => lacking(BodyContent::Torn(Captured::new(bytes.unwrap_or_default()))),
        (BodyBlock::Whole, None) => lacking(BodyContent::Absent("it was taken out of the HAR".to_owned())),
    }
}

/// The events after the last entry; none when the block is damaged, which leaves the recording without its end.
pub(super) fn rest(value: Value) -> Vec<NumberedEvent> {
    serde_json::from_value(value).unwrap_or_default()
}
