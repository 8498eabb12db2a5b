//! What an answer gives away of the request before it: keys and salts that the app was told, with which it may have hidden values.
//! An answer was not uploaded, so none of it is a field, and no byte of it is in the ledger.

use std::io::Read as _;

use crate::model::{Bodies, Exchange, Header, Part};

use super::{
    body::{Declared, content_decoded, walk_body},
    leaf::{Expectation, RawLeaf, Sink, Standings, Value},
    name,
    planted::Search,
    walker::Walker,
};

/// Notes what could be a key in the answer to a request, and in the request's own path. Of the answer's body at most a mebibyte is
/// read, as keys come in short ones; that there was more is noted too.
pub(super) fn note_keys(exchange: &Exchange, bodies: &dyn Bodies, search: &mut Search) {
    note_pieces(exchange.request.url.path(), "", search);
    let Some(response) = &exchange.response else { return };
    let header = |wanted: &str| {
        let is = |header: &&Header| header.name.eq_ignore_ascii_case(wanted);
        response.headers.iter().find(is).map(|header| header.value.expose().as_str())
    };
    let declared = Declared { content_type: header("content-type"), content_encoding: header("content-encoding"), message: None };
    for header in response.headers.iter().chain(&response.trailers) {
        search.note_key_of_answer(header.value.expose().as_bytes(), true, &name::words(&header.name));
        note_pieces(header.value.expose(), &header.name, search);
    }
    let mut body = Vec::new();
    // An answer that cannot be read back explains nothing; that the request was read is all that is promised.
    if let Ok(Some(reader)) = response.body.open(bodies)
        && reader.take(MOST_BODY + 1).read_to_end(&mut body).is_ok()
        && !body.is_empty()
    {
        let long = body.len() as u64 > MOST_BODY;
        body.truncate(MOST_BODY as usize);
        let mut keys = Keys(search);
        let mut walker = Walker::new(&mut keys);
        walk_body(&body, declared, &mut walker);
        if long || !walker.limits().is_empty() {
            search.note_more_of_answer();
        }
    }
}

/// What a server answered, as text, its content encodings undone; `None` when there was no answer, or it is no text, or is longer than
/// a mebibyte before or after they are undone.
pub fn answer_text(exchange: &Exchange, bodies: &dyn Bodies) -> Option<String> {
    let response = exchange.response.as_ref()?;
    let mut body = Vec::new();
    response.body.open(bodies).ok()??.take(MOST_BODY + 1).read_to_end(&mut body).ok()?;
    if body.is_empty() || body.len() as u64 > MOST_BODY {
        return None;
    }
    let is = |header: &&Header| header.name.eq_ignore_ascii_case("content-encoding");
    let encoding = response.headers.iter().find(is).map(|header| header.value.expose().as_str());
    String::from_utf8(content_decoded(body, encoding, MOST_BODY as usize)?).ok()
}

/// Notes the pieces of a URL, a cookie or a list; a piece like `salt=…` has a name of its own.
fn note_pieces(text: &str, named: &str, search: &mut Search) {
    let pieces = text.split(['/', '?', '&', '#', ';', ',', ' ', '"']).filter(|piece| (SHORTEST..text.len()).contains(&piece.len()));
    for (at, piece) in pieces.enumerate() {
        if at == MOST_PIECES {
            return search.note_more_of_answer();
        }
        let (name, value) = piece.split_once('=').unwrap_or((named, piece));
        search.note_key_of_answer(value.as_bytes(), true, &name::words(name));
    }
}

/// Takes the leaves of an answer.
struct Keys<'s>(&'s mut Search);

impl Sink for Keys<'_> {
    fn leaf(&mut self, leaf: &RawLeaf<'_>) -> Standings {
        let words = name::segments(leaf.path).next_back().map(name::words).unwrap_or_default();
        match leaf.value {
            Value::Number(text) | Value::Text(text) | Value::Bytes { text: Some(text), .. } => {
                self.0.note_key_of_answer(text.as_bytes(), true, &words);
            }
            Value::Bytes { bytes, text: None } | Value::Opaque(bytes) => self.0.note_key_of_answer(bytes, false, &words),
            Value::Null | Value::Boolean(_) => {}
        }
        Standings::both(crate::model::Standing::Unexplained)
    }

    fn rest(&mut self, _part: Part, _path: &str, _bytes: u64, _seen: &[u8]) {}

    fn open_layer(&mut self, _bytes: &[u8]) -> bool {
        true
    }

    fn close_layer(&mut self, _part: Part, _path: &str) {}

    fn expectation(&mut self, _part: Part, _path: &str) -> Expectation {
        Expectation::Open
    }

    fn is_planted(&self, _key: &str) -> bool {
        false
    }

    fn replaced_key(&mut self, _placeholder: name::Placeholder, _key: &str, _part: Part, _path: &str) {}
}

/// So much of an answer's body is read.
const MOST_BODY: u64 = 1 << 20;
const MOST_PIECES: usize = 64;
/// Nothing shorter salts.
const SHORTEST: usize = 2;
