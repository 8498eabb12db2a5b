//! zlib (RFC 1950), known by its header and by its checksum.

use crate::model::Encoding;

use super::{
    super::walker::{Place, Surface, Walker},
    Decoder, inflate_zlib,
};

/// zlib, RFC 1950.
pub(super) struct Zlib;

impl Decoder for Zlib {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        let Some(inner) = walker.inflated(inflate_zlib(bytes, walker.allowance())) else { return false };
        walker.unpacked(Encoding::Zlib, &inner, place, |walker, place| walker.bytes(&inner.bytes, None, place));
        true
    }
}
