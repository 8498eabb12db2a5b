//! Zstandard (RFC 8878), known by its magic number.

use crate::model::Encoding;

use super::{
    super::walker::{Place, Surface, Walker},
    Decoder, Inflated,
    deflate::{drain, so_far},
};

/// Zstandard, RFC 8878.
pub(super) struct Zstd;

impl Decoder for Zstd {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        if !bytes.starts_with(MAGIC) || !walker.may_look(bytes.len()) {
            return false;
        }
        let Some(inner) = walker.inflated(unzstd(bytes, walker.allowance())) else { return false };
        walker.unpacked(Encoding::Zstd, &inner, place, |walker, place| walker.bytes(&inner.bytes, None, place));
        true
    }
}

/// What is inside one or more Zstandard frames, at most `limit` bytes of it.
pub(in super::super) fn unzstd(bytes: &[u8], limit: usize) -> Inflated {
    if !bytes.starts_with(MAGIC) {
        return Err(0);
    }
    let Ok(mut decoder) = ::zstd::stream::read::Decoder::with_buffer(bytes) else { return Err(0) };
    // A frame may ask for a window of its own choice, and the decoder allocates it (RFC 8878 section 3.1.1.1.2).
    if decoder.window_log_max(LARGEST_WINDOW).is_err() {
        return Err(0);
    }
    let inflated = drain(&mut decoder, limit);
    so_far(inflated, decoder.get_ref().len(), bytes)
}

/// RFC 8878 section 3.1.1: 0xFD2FB528, little-endian.
const MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// 16 MiB, the most that one layer decodes to; levels up to 19 use 8 MiB.
const LARGEST_WINDOW: u32 = 24;
