//! A request body as a whole: its content encodings, then what it is by its content type or by its looks. What nobody can
//! explain becomes one opaque leaf, and is told.

use prost_reflect::MessageDescriptor;

use crate::model::{Encoding, Part};

use super::{
    format::{self, Walked},
    json,
    leaf::Value,
    walker::{Inflation, Limit, Peeled, Place, Surface, Walker, is_readable},
};

/// What the headers and the app file say about a body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Declared<'a> {
    pub(super) content_type: Option<&'a str>,
    pub(super) content_encoding: Option<&'a str>,
    /// The type of its protobuf messages.
    pub(super) message: Option<&'a MessageDescriptor>,
}

impl Declared<'_> {
    fn is(&self, word: &str) -> bool {
        self.content_type.is_some_and(|content_type| content_type.to_ascii_lowercase().contains(word))
    }

    /// The character set that the content type names, lower case.
    fn charset(&self) -> Option<String> {
        let content_type = self.content_type?.to_ascii_lowercase();
        let (_, charset) = content_type.split_once("charset=")?;
        charset.split(';').next().map(|charset| charset.trim().trim_matches('"').to_owned())
    }
}

/// What became of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Explained {
    /// Every byte is in a field.
    All,
    /// Fields up to this byte (of the decoded body), nothing after it.
    UpTo(usize),
    /// Nothing. With the entropy of its bytes in tenths of a bit a byte.
    Nothing {
        /// Entropy in tenths of a bit a byte, 0 to 80.
        entropy: u32,
    },
}

/// Gives every leaf of a body to the walker. The walker stands in no layer.
pub(super) fn walk_body(bytes: &[u8], declared: Declared<'_>, walker: &mut Walker<'_>) -> Explained {
    walker.begin(Part::Body);
    let mut explained = Explained::All;
    walker.raw(bytes, true, |walker, place| explained = encoded(bytes, declared, place, walker));
    told(explained, bytes, walker)
}

/// Gives every leaf of a WebSocket's message to the walker: no header says what it is.
pub(super) fn walk_message_body(bytes: &[u8], walker: &mut Walker<'_>) -> Explained {
    walker.begin(Part::Message);
    let mut explained = Explained::All;
    walker.raw(bytes, true, |walker, place| match std::str::from_utf8(bytes) {
        Ok(text) if is_readable(text) => walker.text(text, place, Surface::Value),
        _ if walker.peel(bytes, place, Surface::Value) == Peeled::Layer => {}
        _ => explained = opaque(bytes, place, walker),
    });
    told(explained, bytes, walker)
}

/// Layers that were peeled down to bytes nobody knows explain nothing.
fn told(explained: Explained, bytes: &[u8], walker: &Walker<'_>) -> Explained {
    match explained {
        Explained::All if walker.ends_nameless() => Explained::Nothing { entropy: entropy(bytes) },
        explained => explained,
    }
}

/// Undoes the encodings that the header lists, the last one first (RFC 9110 section 8.4). One that does not fit was undone
/// before, by an import; what is inside is known by its looks then.
fn encoded(bytes: &[u8], declared: Declared<'_>, place: Place, walker: &mut Walker<'_>) -> Explained {
    let mut rest = declared.content_encoding;
    while let Some(header) = rest.filter(|_| !walker.is_deepest()) {
        let (before, last) = header.rsplit_once(',').map_or((None, header), |(before, last)| (Some(before), last));
        rest = before;
        for (encoding, inflate) in decoders(last.trim()) {
            if walker.may_look(bytes.len())
                && let Some(inner) = walker.inflated(inflate(bytes, walker.allowance()))
            {
                return inflated(*encoding, &inner, Declared { content_encoding: before, ..declared }, place, walker);
            }
        }
    }
    whole(bytes, Declared { content_encoding: None, ..declared }, place, walker)
}

/// A body with the encodings that its header lists undone, the last one first; `None` when one is unknown, broken, or gives more
/// than `limit` bytes. One that does not fit was undone before, by an import.
pub(super) fn content_decoded(bytes: Vec<u8>, content_encoding: Option<&str>, limit: usize) -> Option<Vec<u8>> {
    let mut bytes = bytes;
    for coding in content_encoding.unwrap_or_default().rsplit(',').map(str::trim) {
        for (_, inflate) in decoders(coding) {
            match inflate(&bytes, limit) {
                Ok((inner, 0)) => {
                    bytes = inner;
                    break;
                }
                Ok(_) => return None,
                Err(_) => {}
            }
        }
    }
    Some(bytes)
}

fn decoders(content_coding: &str) -> &'static [(Encoding, Inflate)] {
    match content_coding.to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => &[(Encoding::Gzip, format::gunzip)],
        // Some senders leave the zlib header out (RFC 9110 section 8.4.1.2).
        "deflate" => &[(Encoding::Zlib, format::inflate_zlib), (Encoding::Deflate, format::inflate_raw)],
        "br" => &[(Encoding::Brotli, format::unbrotli)],
        "zstd" => &[(Encoding::Zstd, format::unzstd)],
        _ => &[],
    }
}

fn inside(encoding: Encoding, inner: &[u8], declared: Declared<'_>, place: Place, walker: &mut Walker<'_>) -> Explained {
    let mut explained = Explained::All;
    walker.decoded(encoding, inner, place, |walker, place| explained = encoded(inner, declared, place, walker));
    explained
}

fn inflated(encoding: Encoding, inner: &Inflation, declared: Declared<'_>, place: Place, walker: &mut Walker<'_>) -> Explained {
    let mut explained = Explained::All;
    walker.unpacked(encoding, inner, place, |walker, place| explained = encoded(&inner.bytes, declared, place, walker));
    explained
}

/// A body, or what was inside its compression.
fn whole(bytes: &[u8], declared: Declared<'_>, place: Place, walker: &mut Walker<'_>) -> Explained {
    if bytes.is_empty() {
        return Explained::All;
    }
    if walker.is_deepest() {
        walker.cut(Limit::Layers);
        return opaque(bytes, place, walker);
    }
    let magic = [(Encoding::Gzip, format::gunzip as Inflate), (Encoding::Zlib, format::inflate_zlib), (Encoding::Zstd, format::unzstd)];
    for (encoding, inflate) in magic {
        if let Some(inner) = walker.inflated(inflate(bytes, walker.allowance())) {
            return inflated(encoding, &inner, declared, place, walker);
        }
    }
    if let Some(text) = format::utf16(bytes, declared.charset().as_deref())
        && walker.may_look(bytes.len())
        && walker.may_copy(text.len())
    {
        return inside(Encoding::Utf16, text.as_bytes(), declared, place, walker);
    }
    if let Some(explained) = as_declared(bytes, declared, place, walker) {
        return explained;
    }
    if let Some(explained) = as_json(bytes, declared, place, walker) {
        return explained;
    }
    if let Some(boundary) = format::boundary_by_looks(bytes) {
        walker.turn_into(Part::Form);
        format::walk_multipart(bytes, boundary, place, walker);
        return Explained::All;
    }
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| is_readable(text)) else {
        return if walker.peel(bytes, place, Surface::Value) == Peeled::Layer { Explained::All } else { opaque(bytes, place, walker) };
    };
    // A line end after the last pair is structure.
    let pairs = text.trim_end_matches(['\r', '\n']).as_bytes();
    let declared_form = declared.is("x-www-form-urlencoded") && pairs.contains(&b'=');
    if (declared_form || format::looks_like_form(pairs, 1)) && !is_padded(pairs, walker) {
        walker.turn_into(Part::Form);
        format::walk_pairs(pairs, place, walker);
        return Explained::All;
    }
    if let Some(plain) = format::decode_whole(bytes.trim_ascii()).filter(|plain| walker.may_copy(plain.len())) {
        return inside(Encoding::Percent, plain.as_bytes(), declared, place, walker);
    }
    text_body(text, declared, place, walker)
}

/// Whether the only `=` of a body are the padding of base64: it would be a form of one long key and no value otherwise.
fn is_padded(bytes: &[u8], walker: &mut Walker<'_>) -> bool {
    let digits = bytes.trim_ascii();
    let unpadded = digits.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let dense = digits[..unpadded].iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_\r\n".contains(byte));
    let padding = digits.len() - unpadded;
    if padding == 0 || !dense {
        return false;
    }
    unpadded >= LONGEST_LONE_KEY
        || padding > 1
        || (walker.may_look(digits.len())
            && format::unpack(digits, walker.allowance()).is_some_and(|(_, inner)| format::is_known(&inner, walker.allowance())))
}

/// What the content type says, if the bytes are that: less evidence is asked of them then.
fn as_declared(bytes: &[u8], declared: Declared<'_>, place: Place, walker: &mut Walker<'_>) -> Option<Explained> {
    if let Some(boundary) = declared.content_type.filter(|_| declared.is("multipart/")).and_then(format::boundary_of) {
        walker.turn_into(Part::Form);
        if format::walk_multipart(bytes, boundary, place, walker) {
            return Some(Explained::All);
        }
        walker.turn_into(Part::Body);
    }
    let understood = if declared.is("event-stream") {
        std::str::from_utf8(bytes).is_ok() && {
            walker.document(Encoding::Sse, bytes, place, |walker, place| format::walk_sse(bytes, place, walker));
            true
        }
    } else if declared.is("application/grpc") {
        format::walk_grpc(bytes, declared.message, place, walker)
    } else if declared.is("protobuf") || declared.is("application/x-google-protobuf") || declared.message.is_some() {
        format::walk_protobuf(bytes, declared.message, place, walker)
    } else if declared.is("msgpack") || declared.is("messagepack") {
        format::is_msgpack_whole(bytes) && {
            walker.document(Encoding::MessagePack, bytes, place, |walker, place| format::walk_msgpack(bytes, place, walker));
            true
        }
    } else {
        declared.is("cbor") && format::is_cbor_whole(bytes) && {
            walker.document(Encoding::Cbor, bytes, place, |walker, place| format::walk_cbor(bytes, place, walker));
            true
        }
    };
    understood.then_some(Explained::All)
}

type Inflate = fn(&[u8], usize) -> format::Inflated;

fn as_json(bytes: &[u8], declared: Declared<'_>, place: Place, walker: &mut Walker<'_>) -> Option<Explained> {
    let start = if bytes.starts_with(b"\xef\xbb\xbf") { &bytes[3..] } else { bytes };
    let structured = matches!(start.trim_ascii_start().first(), Some(b'{' | b'['));
    // A body that says it is JSON is read as far as it is; any other must be JSON to the end.
    let worth_it = if declared.is("json") { structured || json::is_json(bytes) } else { structured && json::is_json(bytes) };
    if !worth_it {
        return None;
    }
    walker.turn_into(Part::Json);
    match format::walk_json(bytes, place, walker) {
        Walked::All => Some(Explained::All),
        Walked::UpTo(0) => {
            walker.turn_into(Part::Body);
            None
        }
        Walked::UpTo(at) => {
            walker.unread((bytes.len() - at.min(bytes.len())) as u64);
            Some(Explained::UpTo(at))
        }
    }
}

/// Text that is neither form nor JSON: peeled as a value. Base64 or hex digits of bytes nobody knows are as opaque as the bytes.
fn text_body(text: &str, declared: Declared<'_>, place: Place, walker: &mut Walker<'_>) -> Explained {
    let packed = text.trim();
    let dense = packed.len() >= SHORTEST_OPAQUE && packed.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_\r\n".contains(&byte));
    if !dense || entropy(packed.as_bytes()) < DENSE_ENTROPY {
        walker.text(text, place, Surface::Value);
        return Explained::All;
    }
    // What is inside is a body again: gRPC-Web has a content type for this.
    if let Some((encoding, inner)) = format::unpack(packed.as_bytes(), walker.allowance())
        && walker.may_copy(inner.len())
        && walker.may_look(inner.len())
        && (format::is_known(&inner, walker.allowance())
            || std::str::from_utf8(&inner).is_ok_and(is_readable)
            || declared.is("grpc-web-text"))
    {
        return inside(encoding, &inner, declared, place, walker);
    }
    opaque(text.as_bytes(), place, walker)
}

fn opaque(bytes: &[u8], place: Place, walker: &mut Walker<'_>) -> Explained {
    walker.leaf(Value::Opaque(bytes), place);
    Explained::Nothing { entropy: entropy(bytes) }
}

/// Shannon entropy of the first 64 KiB, in tenths of a bit a byte. Encrypted and compressed bytes have nearly 80, text 40 to 50.
pub(super) fn entropy(bytes: &[u8]) -> u32 {
    let bytes = &bytes[..bytes.len().min(64 << 10)];
    let mut counts = [0_u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let total = bytes.len() as f64;
    let bits: f64 = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / total).map(|p| -p * p.log2()).sum();
    // 0 to 80, so the cast is exact.
    (bits * 10.0).round() as u32
}

/// A body that is one key and no value has a shorter key.
const LONGEST_LONE_KEY: usize = 32;
/// Shorter dense texts are tokens.
const SHORTEST_OPAQUE: usize = 64;
/// Random base64 comes near 60 tenths of a bit; 64 characters of it have at least this.
const DENSE_ENTROPY: u32 = 48;
