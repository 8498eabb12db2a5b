//! Brotli (RFC 7932). It has no magic number and no checksum: outside `Content-Encoding: br` it is a guess, which the document that
//! comes out must prove. Text is no proof, because its built-in dictionary makes words out of random bytes.

use std::io::Read as _;

use crate::model::Encoding;

use super::{
    super::walker::{Place, Surface, Walker},
    Decoder, Inflated,
    deflate::{beyond, drain},
    known::{is_known, looks_binary},
};

/// Brotli, RFC 7932.
pub(super) struct Brotli;

impl Decoder for Brotli {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        if bytes.len() < SHORTEST || !looks_binary(bytes) || !walker.may_look(bytes.len() + SET_UP) {
            return false;
        }
        let Some(inner) = walker.inflated(unbrotli(bytes, walker.allowance())) else { return false };
        if !walker.may_look(inner.bytes.len()) || !is_known(&inner.bytes, walker.allowance()) {
            return false;
        }
        walker.unpacked(Encoding::Brotli, &inner, place, |walker, place| walker.bytes(&inner.bytes, None, place));
        true
    }
}

/// What is inside a Brotli stream, at most `limit` bytes of it.
pub(in super::super) fn unbrotli(bytes: &[u8], limit: usize) -> Inflated {
    let mut decoder = brotli_decompressor::Decompressor::new(bytes, BUFFER);
    let (out, cut) = drain(&mut decoder, limit)?;
    if cut {
        let beyond = beyond(out.len(), decoder.get_ref().len(), bytes.len());
        return Ok((out, beyond));
    }
    // Bytes after the end of the stream: those in the buffer make the next read fail, the others are still there.
    let whole = matches!(decoder.read(&mut [0]), Ok(0)) && decoder.get_ref().is_empty();
    if whole { Ok((out, 0)) } else { Err(out.len()) }
}

/// No document is shorter.
const SHORTEST: usize = 8;
const BUFFER: usize = 4 << 10;
/// What setting up a decoder costs, in bytes looked at.
const SET_UP: usize = 4 << 10;
