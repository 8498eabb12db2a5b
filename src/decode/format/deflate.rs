//! The compression that gzip, zlib and `Content-Encoding: deflate` share, with a limit on what comes out. By itself it has no
//! magic number, so that in a value it is a guess, which the document that comes out must prove.

use std::io::Read;

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use crate::model::Encoding;

use super::{
    super::walker::{Place, Surface, Walker},
    Decoder,
    known::{is_known, looks_binary},
};

/// Raw deflate, RFC 1951.
pub(super) struct Deflate;

impl Decoder for Deflate {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        if bytes.len() < SHORTEST || !looks_binary(bytes) || !walker.may_look(bytes.len()) {
            return false;
        }
        let Some(inner) = walker.inflated(inflate_raw(bytes, walker.allowance())) else { return false };
        if !walker.may_look(inner.len()) || !is_believed(&inner, walker.allowance()) {
            return false;
        }
        walker.decoded(Encoding::Deflate, &inner, place, |walker, place| walker.bytes(&inner, None, place));
        true
    }
}

/// Whether bytes are a short deflated document or text, for a decoder that has nothing else to go by.
pub(super) fn is_deflated(bytes: &[u8]) -> bool {
    let short = (SHORTEST..=LONGEST_GLIMPSE).contains(&bytes.len()) && looks_binary(bytes);
    short && matches!(inflate_raw(bytes, LONGEST_GLIMPSE * 4), Ok((inner, false)) if is_believed(&inner, LONGEST_GLIMPSE))
}

fn is_believed(inner: &[u8], limit: usize) -> bool {
    is_prose(inner) || is_known(inner, limit)
}

/// ASCII text of a length that no chance makes.
fn is_prose(inner: &[u8]) -> bool {
    inner.len() >= SHORTEST_TEXT && inner.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t'))
}

/// No document is shorter.
const SHORTEST: usize = 8;
/// Longer streams are looked at when their turn comes.
const LONGEST_GLIMPSE: usize = 1 << 10;
/// Random bytes inflate to so much text in fewer than one of 10^8 cases.
const SHORTEST_TEXT: usize = 16;

/// What came out and whether the limit cut it; for what is no such stream, how many bytes were inflated in vain. They count,
/// or broken streams could cost time without bound.
pub(in super::super) type Inflated = Result<(Vec<u8>, bool), usize>;

/// What is inside a gzip stream of one or more members, and whether it was cut at `limit` bytes.
pub(in super::super) fn gunzip(bytes: &[u8], limit: usize) -> Inflated {
    // RFC 1952 section 2.3.1: ID1, ID2, and 8 for deflate.
    if !bytes.starts_with(&[0x1f, 0x8b, 8]) { Err(0) } else { drain(MultiGzDecoder::new(bytes), limit) }
}

/// What is inside a zlib stream, and whether it was cut at `limit` bytes.
pub(in super::super) fn inflate_zlib(bytes: &[u8], limit: usize) -> Inflated {
    // RFC 1950 section 2.2: compression method 8 with a window of at most 32 KiB, and a multiple of 31.
    let &[method, flags, ..] = bytes else { return Err(0) };
    let is_header = method & 0x0f == 8 && method >> 4 <= 7 && u16::from_be_bytes([method, flags]) % 31 == 0;
    if !is_header {
        return Err(0);
    }
    let mut decoder = ZlibDecoder::new(bytes);
    let inflated = drain(&mut decoder, limit);
    to_the_end(inflated, decoder.total_in(), bytes)
}

/// What is inside a raw deflate stream (some servers' `deflate`), and whether it was cut at `limit` bytes.
pub(in super::super) fn inflate_raw(bytes: &[u8], limit: usize) -> Inflated {
    let mut decoder = DeflateDecoder::new(bytes);
    let inflated = drain(&mut decoder, limit);
    to_the_end(inflated, decoder.total_in(), bytes)
}

/// A stream after which other bytes follow is none: nobody would look at them.
fn to_the_end(inflated: Inflated, taken: u64, bytes: &[u8]) -> Inflated {
    match inflated {
        Ok((out, false)) if taken != bytes.len() as u64 => Err(out.len()),
        other => other,
    }
}

/// Reads to the end or to the limit; a stream that breaks off is none.
pub(super) fn drain(mut reader: impl Read, limit: usize) -> Inflated {
    if limit == 0 {
        return Err(0);
    }
    let mut out = Vec::new();
    if reader.by_ref().take(limit as u64).read_to_end(&mut out).is_err() || out.is_empty() {
        return Err(out.len());
    }
    let cut = out.len() == limit && !matches!(reader.read(&mut [0]), Ok(0));
    Ok((out, cut))
}
