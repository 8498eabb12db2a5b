//! Exchanges to fields and blind spots: peels every layer of every body, names each leaf, and says why it means what it means.
//!
//! The core is a fold: an [`Observer`] absorbs the events of one run and gives [`Observations`](crate::model::Observations);
//! [`merge()`] adds runs in any order. It does no I/O of its own, cannot fail, and is bounded in time and memory: what a limit
//! cuts becomes a blind spot. What the fields of two versions differ in is `diff`'s business.

pub mod adapter;
pub mod receivers;

mod answer;
mod bands;
mod blind;
mod body;
mod category;
mod dark;
mod descriptors;
mod endpoint;
mod format;
mod hide;
mod json;
mod kind;
mod leaf;
mod looks;
mod merge;
mod name;
mod observer;
mod page;
mod places;
mod planted;
mod request;
mod sinks;
mod standing;
mod tunnels;
mod walker;

pub use self::{
    answer::answer_text,
    descriptors::check_protobuf,
    leaf::Leaf,
    merge::merge,
    observer::Observer,
    planted::{IN_PIECES, NEEDS_A_NAME, TOO_EVEN, TOO_SHORT},
    receivers::receiver_of,
};

use crate::model::{App, BlindSpotKind, Bodies, Exchange, Message};

/// Something that reading one body or one exchange could not see: what kind, and a sentence without captured values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What kind.
    pub kind: BlindSpotKind,
    /// For a reader.
    pub sentence: String,
}

/// A host as observations name it: the app file's pattern that it fits, else the host itself, with labels that are ids as `{id}`.
pub fn shown_host(app: &App, host: &str) -> String {
    endpoint::host(app, host)
}

/// Every leaf of one raw request body or form-field value, percent-encoded or not, with its value; and what could not be read.
///
/// `content_type` is the header's value, if it is known; without it the bytes are recognised by their looks. At most 16 MiB
/// are read.
pub fn body_leaves(bytes: &[u8], content_type: Option<&str>) -> (Vec<Leaf>, Vec<Note>) {
    let app = App::default();
    let mut collect = sinks::Collect::new(&app, "/", Vec::new());
    let mut walker = walker::Walker::new(&mut collect);
    let head = &bytes[..bytes.len().min(request::MOST_BODY)];
    let declared = body::Declared { content_type, ..body::Declared::default() };
    let explained = body::walk_body(head.trim_ascii_end(), declared, &mut walker);
    let unseen = request::Unseen::of_body(explained, walker.limits(), (bytes.len() - head.len()) as u64);
    (collect.leaves, notes(&unseen, bytes.len() as u64))
}

/// Every leaf of one exchange's request with its value, in the order of the request; `app` and the vendors' adapters name the known
/// ones.
pub fn leaves_of(exchange: &Exchange, bodies: &dyn Bodies, app: &App) -> Vec<Leaf> {
    let request = &exchange.request;
    let named = endpoint::name(app, &request.method, &request.url, &|_| false);
    let claims = claims_on(app, &named.host, &request.method, &named.path);
    let mut collect = sinks::Collect::new(app, &named.path, claims);
    let mut walker = walker::Walker::new(&mut collect);
    let descriptors = descriptors::Descriptors::new(app);
    request::walk_request(request, &named.variables, &descriptors, bodies, &mut walker, &mut |_| {});
    collect.leaves
}

/// What the vendors' adapters say of the leaves of one endpoint, named as in a snapshot.
fn claims_on(app: &App, host: &str, method: &str, path: &str) -> Vec<&'static adapter::Claim> {
    if app.without_adapters { Vec::new() } else { adapter::claims(host, method, path) }
}

/// Every leaf of one message of a WebSocket with its value; byte ranges are those of the message.
pub fn leaves_of_message(message: &Message, bodies: &dyn Bodies, app: &App) -> Vec<Leaf> {
    let named = endpoint::name(app, MESSAGE_METHOD, &message.url, &|_| false);
    let claims = claims_on(app, &named.host, MESSAGE_METHOD, &named.path);
    let mut collect = sinks::Collect::new(app, &named.path, claims);
    let mut walker = walker::Walker::new(&mut collect);
    request::walk_message(&message.body, bodies, &mut walker, &mut |_| {});
    collect.leaves
}

/// Stands for the method in the endpoint of a WebSocket's messages: they have none, and their fields are not those of the request
/// that opened the connection.
const MESSAGE_METHOD: &str = "WS";

fn notes(unseen: &request::Unseen, bytes: u64) -> Vec<Note> {
    blind::of_walk(unseen, bytes, None).into_iter().map(|(kind, sentence)| Note { kind, sentence }).collect()
}

#[cfg(test)]
mod tests;
