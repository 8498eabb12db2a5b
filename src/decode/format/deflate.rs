//! The compression that gzip, zlib and `Content-Encoding: deflate` share, with a limit on what comes out.

use std::io::Read;

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

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
    if is_header { drain(ZlibDecoder::new(bytes), limit) } else { Err(0) }
}

/// What is inside a raw deflate stream (some servers' `deflate`), and whether it was cut at `limit` bytes.
pub(in super::super) fn inflate_raw(bytes: &[u8], limit: usize) -> Inflated {
    drain(DeflateDecoder::new(bytes), limit)
}

/// Reads to the end or to the limit; a stream that breaks off is none.
fn drain(mut reader: impl Read, limit: usize) -> Inflated {
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
