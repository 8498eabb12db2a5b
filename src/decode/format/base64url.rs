//! URL-safe base64 (RFC 4648 section 5): as `base64`, with `-` and `_`.

use crate::model::Encoding;

use super::{
    super::walker::{Place, Surface, Walker},
    Decoder, base64,
};

/// URL-safe base64, padded or not.
pub(super) struct Base64Url;

impl Decoder for Base64Url {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        // Without either character the standard alphabet has already said no.
        bytes.iter().any(|byte| matches!(byte, b'-' | b'_'))
            && base64::peel(&base64::URL_SAFE, b"-_", Encoding::Base64Url, bytes, place, walker)
    }
}
