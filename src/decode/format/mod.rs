//! The formats that lie within each other in an upload: one file each, one entry in [`DECODERS`].

mod base64;
mod base64url;
mod deflate;
mod form;
mod gzip;
mod json;
mod percent;
mod zlib;

pub(super) use self::{
    base64::{STANDARD, URL_SAFE},
    deflate::{Inflated, gunzip, inflate_raw, inflate_zlib},
    form::{looks_like_form, walk_pairs},
    json::{Walked, walk_json},
    percent::decode_whole,
};

use super::walker::{Place, Surface, Walker};

/// One format that a value can be wrapped in.
pub(super) trait Decoder: Sync {
    /// Peels one layer off and gives what was inside to the walker. False when the bytes are not of this format; then the
    /// walker has been given nothing. A decoder says yes only when it understood the value to its last byte.
    fn peel(&self, bytes: &[u8], place: Place, surface: Surface, walker: &mut Walker<'_>) -> bool;
}

/// Every decoder, the surest first: magic numbers, then grammars, then guesses by alphabet.
pub(super) const DECODERS: &[&dyn Decoder] =
    &[&gzip::Gzip, &zlib::Zlib, &json::Json, &form::Form, &percent::Percent, &base64::Base64, &base64url::Base64Url];
