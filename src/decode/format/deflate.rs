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
        if !walker.may_look(inner.bytes.len()) || !is_believed(&inner.bytes, walker.allowance()) {
            return false;
        }
        walker.unpacked(Encoding::Deflate, &inner, place, |walker, place| walker.bytes(&inner.bytes, None, place));
        true
    }
}

/// Whether bytes are a short deflated document or text, for a decoder that has nothing else to go by.
pub(super) fn is_deflated(bytes: &[u8]) -> bool {
    let short = (SHORTEST..=LONGEST_GLIMPSE).contains(&bytes.len()) && looks_binary(bytes);
    short && matches!(inflate_raw(bytes, LONGEST_GLIMPSE * 4), Ok((inner, 0)) if is_believed(&inner, LONGEST_GLIMPSE))
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

/// What came out, and about how many bytes more there would be where the limit cut it (0: it came to its end); for what is no such
/// stream, how many bytes were inflated in vain. They count, or broken streams could cost time without bound.
pub(in super::super) type Inflated = Result<(Vec<u8>, u64), usize>;

/// What is inside a gzip stream of one or more members, at most `limit` bytes of it.
pub(in super::super) fn gunzip(bytes: &[u8], limit: usize) -> Inflated {
    // RFC 1952 section 2.3.1: ID1, ID2, and 8 for deflate.
    if !bytes.starts_with(&[0x1f, 0x8b, 8]) {
        return Err(0);
    }
    let mut decoder = MultiGzDecoder::new(bytes);
    let inflated = drain(&mut decoder, limit);
    so_far(inflated, decoder.get_ref().len(), bytes)
}

/// What is inside a zlib stream, at most `limit` bytes of it.
pub(in super::super) fn inflate_zlib(bytes: &[u8], limit: usize) -> Inflated {
    // RFC 1950 section 2.2: compression method 8 with a window of at most 32 KiB, and a multiple of 31.
    let &[method, flags, ..] = bytes else { return Err(0) };
    let is_header = method & 0x0f == 8 && method >> 4 <= 7 && u16::from_be_bytes([method, flags]) % 31 == 0;
    if !is_header {
        return Err(0);
    }
    let mut decoder = ZlibDecoder::new(bytes);
    let inflated = drain(&mut decoder, limit);
    to_the_end(inflated, decoder.get_ref().len(), bytes)
}

/// What is inside a raw deflate stream (some servers' `deflate`), at most `limit` bytes of it.
pub(in super::super) fn inflate_raw(bytes: &[u8], limit: usize) -> Inflated {
    let mut decoder = DeflateDecoder::new(bytes);
    let inflated = drain(&mut decoder, limit);
    to_the_end(inflated, decoder.get_ref().len(), bytes)
}

/// A stream after which other bytes follow is none: nobody would look at them.
fn to_the_end(drained: Result<(Vec<u8>, bool), usize>, left: usize, bytes: &[u8]) -> Inflated {
    match drained {
        Ok((out, false)) if left > 0 => Err(out.len()),
        other => so_far(other, left, bytes),
    }
}

/// A stream of these bytes of which so many are left.
pub(super) fn so_far(drained: Result<(Vec<u8>, bool), usize>, left: usize, bytes: &[u8]) -> Inflated {
    drained.map(|(out, cut)| {
        let more = if cut { beyond(out.len(), left, bytes.len()) } else { 0 };
        (out, more)
    })
}

/// How many bytes are likely to follow after those that came out of a stream of `all` bytes, of which `left` are left; never 0.
pub(super) fn beyond(out: usize, left: usize, all: usize) -> u64 {
    let taken = all.saturating_sub(left).max(1) as u128;
    u64::try_from(out as u128 * left as u128 / taken).unwrap_or(u64::MAX / 4).clamp(1, u64::MAX / 4)
}

/// Reads to the end or to the limit, and tells whether it was the limit; a stream that breaks off is none.
pub(super) fn drain(mut reader: impl Read, limit: usize) -> Result<(Vec<u8>, bool), usize> {
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
