//! The formats that lie within each other in an upload: one file each, one entry in [`DECODERS`].

mod base32;
mod base64;
mod base64url;
mod brotli;
mod cbor;
mod data_url;
mod deflate;
mod fit;
mod form;
mod grpc;
mod gzip;
mod hex;
mod json;
mod jwt;
mod known;
mod msgpack;
mod multipart;
mod percent;
mod plist;
mod prefixed;
mod protobuf;
mod quoted_printable;
mod sse;
mod tree;
mod utf16;
mod xml;
mod zlib;
mod zstd;

pub(super) use self::{
    base32::decode as from_base32,
    base64::{STANDARD, URL_SAFE},
    brotli::unbrotli,
    cbor::{is_cbor_whole, walk_cbor},
    deflate::{Inflated, gunzip, inflate_raw, inflate_zlib},
    form::{looks_like_form, walk_pairs},
    grpc::walk_grpc,
    json::{Walked, walk_json},
    known::is_known,
    msgpack::{is_msgpack_whole, walk_msgpack},
    multipart::{boundary_of, sniff as boundary_by_looks, walk_multipart},
    percent::decode_whole,
    prefixed::behind_word,
    protobuf::walk_protobuf,
    sse::walk_sse,
    utf16::utf16,
    zstd::unzstd,
};

use crate::model::Encoding;

use super::{
    looks::Looks,
    walker::{Place, Surface, Walker},
};

/// The bytes behind digits of base64 (either alphabet, with or without line breaks) or hex, and which it was.
pub(super) fn unpack(digits: &[u8], limit: usize) -> Option<(Encoding, Vec<u8>)> {
    use ::base64::Engine as _;
    if let Some(inner) = hex::decode(digits, limit) {
        return Some((Encoding::Hex, inner));
    }
    if digits.len() / 4 * 3 > limit {
        return None;
    }
    let joined = base64::without_line_breaks(digits);
    let standard = || STANDARD.decode(&*joined).ok().map(|inner| (Encoding::Base64, inner));
    let url_safe = || URL_SAFE.decode(&*joined).ok().map(|inner| (Encoding::Base64Url, inner));
    standard().or_else(url_safe).filter(|(_, inner)| !inner.is_empty())
}

/// One format that a value can be wrapped in.
pub(super) trait Decoder: Sync {
    /// Peels one layer off and gives what was inside to the walker. False when the bytes are not of this format; then the
    /// walker has been given nothing. A decoder says yes only when it understood the value to its last byte.
    fn peel(&self, bytes: &[u8], place: Place, surface: Surface, walker: &mut Walker<'_>) -> bool;
}

/// A decoder, and what a value must be made of before it is asked: nearly every value is told apart by that.
pub(super) struct Entry {
    pub(super) decoder: &'static dyn Decoder,
    /// One of these kinds of bytes is in anything of this format.
    any: Looks,
    /// None of these is.
    never: Looks,
    /// One of these bytes comes first; empty: any may.
    first: &'static [u8],
}

impl Entry {
    const fn new(decoder: &'static dyn Decoder, any: Looks, never: Looks, first: &'static [u8]) -> Self {
        Self { decoder, any, never, first }
    }

    /// Whether a value that looks like this may be of this format.
    pub(super) fn may_be(&self, looks: Looks, first: u8) -> bool {
        looks.has_any(self.any) && !looks.has_any(self.never) && (self.first.is_empty() || self.first.contains(&first))
    }
}

const BINARY: Looks = Looks::CONTROL.or(Looks::HIGH);

/// Every decoder, the surest first: magic numbers, then grammars, then guesses by alphabet and by evidence
/// (`docs/decisions/0008-in-what-order-are-decoders-tried.md`).
pub(super) const DECODERS: &[Entry] = &[
    Entry::new(&gzip::Gzip, BINARY, Looks::NONE, b"\x1f"),
    Entry::new(&zlib::Zlib, BINARY, Looks::NONE, &[]),
    Entry::new(&zstd::Zstd, BINARY, Looks::NONE, b"\x28"),
    Entry::new(&plist::Plist, BINARY, Looks::NONE, b"b"),
    Entry::new(&fit::Fit, BINARY, Looks::NONE, &[]),
    Entry::new(&utf16::Utf16, BINARY, Looks::NONE, b"\xff\xfe\0{[< \t\r\n"),
    Entry::new(&json::Json, Looks::MARK, Looks::NONE, b"{[ \t\r\n\x0c"),
    Entry::new(&xml::Xml, Looks::MARK, Looks::NONE, b"< \t\r\n\x0c\xef"),
    Entry::new(&jwt::Jwt, Looks::DOT, BINARY.or(Looks::LINE_END), &[]),
    Entry::new(&multipart::Multipart, Looks::DASH, Looks::NONE, &[]),
    Entry::new(&sse::Sse, Looks::LINE_END, Looks::NONE, b":deir"),
    Entry::new(&form::Form, Looks::AMPERSAND, BINARY.or(Looks::SPACE).or(Looks::LINE_END), &[]),
    Entry::new(&percent::Percent, Looks::PERCENT, BINARY.or(Looks::SPACE).or(Looks::LINE_END), &[]),
    Entry::new(&data_url::DataUrl, Looks::MARK, BINARY, b"dD"),
    Entry::new(&grpc::Grpc, BINARY, Looks::NONE, b"\0\x01"),
    Entry::new(&msgpack::MessagePack, BINARY, Looks::NONE, &[]),
    Entry::new(&cbor::Cbor, BINARY, Looks::NONE, &[]),
    Entry::new(&hex::Hex, Looks::WORD, Looks::OF_TEXT.or(Looks::LETTER).or(Looks::DASH).or(Looks::DOT), &[]),
    Entry::new(&base32::Base32, Looks::WORD, Looks::OF_TEXT.or(Looks::PLUS_SLASH).or(Looks::DASH).or(Looks::DOT), &[]),
    Entry::new(&base64::Base64, Looks::WORD, Looks::OF_TEXT.or(Looks::DASH).or(Looks::DOT), &[]),
    Entry::new(&base64url::Base64Url, Looks::DASH, Looks::OF_TEXT.or(Looks::PLUS_SLASH).or(Looks::DOT), &[]),
    Entry::new(&data_url::Blanks, Looks::SPACE, BINARY.or(Looks::MARK).or(Looks::PERCENT).or(Looks::AMPERSAND).or(Looks::DOT), &[]),
    Entry::new(&prefixed::Prefixed, Looks::MARK, BINARY.or(Looks::SPACE).or(Looks::LINE_END).or(Looks::PERCENT).or(Looks::DOT), &[]),
    Entry::new(&protobuf::Protobuf, BINARY.or(Looks::SPACE).or(Looks::LINE_END), Looks::NONE, &[]),
    Entry::new(&deflate::Deflate, BINARY, Looks::NONE, &[]),
    Entry::new(&brotli::Brotli, BINARY, Looks::NONE, &[]),
];

#[cfg(test)]
mod tests;
