//! What speaks for a guess: that what it gave is itself a document or a compressed stream. Decoders that know nothing but an
//! alphabet ask here before they are believed.

use super::{
    super::{json, walker::is_readable},
    cbor, fit, grpc, gunzip, inflate_zlib, jwt, looks_like_form, msgpack, multipart, plist, protobuf, unzstd, utf16, xml,
};

/// Whether bytes are a document or a compressed stream to their last byte, or as far as a glimpse shows. At most `limit` bytes
/// are inflated.
pub(in super::super) fn is_known(bytes: &[u8], limit: usize) -> bool {
    let glimpse = limit.min(GLIMPSE);
    match bytes {
        [] => false,
        [0x1f, 0x8b, ..] => gunzip(bytes, glimpse).is_ok(),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => unzstd(bytes, glimpse).is_ok(),
        [0x78, ..] if inflate_zlib(bytes, glimpse).is_ok() => true,
        _ if plist::is_binary(bytes) || fit::is_fit(bytes) || utf16(bytes, None).is_some() => true,
        _ => match std::str::from_utf8(bytes) {
            Ok(text) if is_readable(text) => is_document(text),
            _ => msgpack::is_msgpack(bytes) || cbor::is_cbor(bytes) || protobuf::is_protobuf(bytes) || grpc::is_grpc(bytes),
        },
    }
}

fn is_document(text: &str) -> bool {
    let bytes = text.as_bytes();
    match text.trim_start().as_bytes().first() {
        Some(b'{' | b'[') => json::is_json(bytes),
        Some(b'<') => xml::is_xml(text),
        Some(b'-') => multipart::sniff(bytes).is_some(),
        _ => jwt::is_jwt(text) || looks_like_form(bytes, 2),
    }
}

/// Whether the first bytes show that this is no text: guesses at binary formats need not look further at text.
pub(super) fn looks_binary(bytes: &[u8]) -> bool {
    // What begins like text may be binary all the same: a short value is looked at to its end.
    let head = &bytes[..bytes.len().min(LONGEST_MIXED)];
    match std::str::from_utf8(head) {
        Ok(text) => !is_readable(text),
        // A character may be cut at the end of the head.
        Err(error) => error.error_len().is_some() || bytes.len() == head.len(),
    }
}

/// So much of a compressed stream is looked at before it is believed.
const GLIMPSE: usize = 1 << 10;
/// Bytes that begin like text are looked at to their end up to this length.
const LONGEST_MIXED: usize = 4 << 10;
