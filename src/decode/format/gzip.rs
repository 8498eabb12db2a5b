//! gzip (RFC 1952), known by its magic number.

use crate::model::Encoding;

use super::{
    super::walker::{Place, Surface, Walker},
    Decoder, gunzip,
};

/// gzip, RFC 1952.
pub(super) struct Gzip;

impl Decoder for Gzip {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        if !bytes.starts_with(&[0x1f, 0x8b]) || !walker.may_look(bytes.len()) {
            return false;
        }
        let Some(inner) = walker.inflated(gunzip(bytes, walker.allowance())) else { return false };
        walker.unpacked(Encoding::Gzip, &inner, place, |walker, place| walker.bytes(&inner.bytes, None, place));
        true
    }
}
