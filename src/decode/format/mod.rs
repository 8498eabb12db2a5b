//! The formats that lie within each other in an upload: one file each, one entry in [`DECODERS`].

mod base64;
mod base64url;
mod brotli;
mod cbor;
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
mod protobuf;
mod sse;
mod tree;
mod xml;
mod zlib;
mod zstd;

pub(super) use self::{
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
    protobuf::walk_protobuf,
    sse::walk_sse,
    zstd::unzstd,
};

use crate::model::Encoding;

use super::walker::{Place, Surface, Walker};

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

/// Every decoder, the surest first: magic numbers, then grammars, then guesses by alphabet and by evidence
/// (`docs/decisions/0008-in-what-order-are-decoders-tried.md`).
pub(super) const DECODERS: &[&dyn Decoder] = &[
    &gzip::Gzip,
    &zlib::Zlib,
    &zstd::Zstd,
    &plist::Plist,
    &fit::Fit,
    &json::Json,
    &xml::Xml,
    &jwt::Jwt,
    &multipart::Multipart,
    &sse::Sse,
    &form::Form,
    &percent::Percent,
    &grpc::Grpc,
    &msgpack::MessagePack,
    &cbor::Cbor,
    &hex::Hex,
    &base64::Base64,
    &base64url::Base64Url,
    &protobuf::Protobuf,
    &deflate::Deflate,
    &brotli::Brotli,
];

#[cfg(test)]
mod tests;
