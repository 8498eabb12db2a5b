//! gRPC framing (grpc/doc/PROTOCOL-HTTP2.md): messages, each after a flag and its length in four bytes, big-endian; also that of
//! gRPC-Web, whose last frame holds the trailers.

use std::ops::Range;

use prost_reflect::MessageDescriptor;

use crate::model::Encoding;

use super::{
    super::walker::{Limit, Place, Surface, Walker},
    Decoder, gunzip, inflate_zlib,
    protobuf::{self, walk_protobuf},
    unzstd,
};

/// gRPC frames inside another value, or as a body without its content type: every message in them must be one.
pub(super) struct Grpc;

impl Decoder for Grpc {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        if !matches!(bytes, [0 | 1, _, _, _, _, _, ..]) || !walker.may_look(bytes.len() * 4) || !is_grpc(bytes) {
            return false;
        }
        walk_grpc(bytes, None, place, walker)
    }
}

/// Whether bytes are frames to the last one, with messages in them.
pub(super) fn is_grpc(bytes: &[u8]) -> bool {
    frames(bytes).all(|frame| {
        frame.is_some_and(|frame| {
            let message = &bytes[frame.range];
            match frame.flag {
                0 => message.is_empty() || protobuf::is_message(message),
                COMPRESSED => decompress(message, 1).is_some(),
                _ => frame.flag == TRAILERS && message.is_ascii(),
            }
        })
    }) && frames(bytes).flatten().any(|frame| !frame.range.is_empty())
}

/// Gives every message to the walker; false when the frames do not fill the bytes to the last one.
pub(in super::super) fn walk_grpc(bytes: &[u8], descriptor: Option<&MessageDescriptor>, place: Place, walker: &mut Walker<'_>) -> bool {
    if bytes.is_empty() || !frames(bytes).all(|frame| frame.is_some()) {
        return false;
    }
    walker.document(Encoding::Grpc, bytes, place, |walker, place| {
        for frame in frames(bytes).flatten().filter(|frame| !frame.range.is_empty()) {
            if walker.is_full() {
                walker.cut(Limit::Leaves);
                walker.unread((bytes.len() - frame.range.start) as u64);
                break;
            }
            one_frame(&bytes[frame.range.clone()], frame.flag, descriptor, place.part(frame.range, true), walker);
        }
    });
    true
}

fn one_frame(message: &[u8], flag: u8, descriptor: Option<&MessageDescriptor>, place: Place, walker: &mut Walker<'_>) {
    if flag == TRAILERS {
        let mark = walker.enter_own("{trailers}");
        walker.bytes(message, None, place);
        walker.leave(mark);
        return;
    }
    if flag == COMPRESSED
        && let Some((encoding, inflated)) = decompress(message, walker.allowance())
        && let Some(inner) = walker.inflated(inflated)
    {
        walker.unpacked(encoding, &inner, place, |walker, place| plain(&inner.bytes, descriptor, place, walker));
    } else {
        plain(message, descriptor, place, walker);
    }
}

fn plain(message: &[u8], descriptor: Option<&MessageDescriptor>, place: Place, walker: &mut Walker<'_>) {
    // gRPC carries other codecs too, JSON among them.
    if !walk_protobuf(message, descriptor, place, walker) {
        walker.bytes(message, None, place);
    }
}

/// What is inside a compressed message. Which way, `grpc-encoding` says; each of them has a magic number.
fn decompress(message: &[u8], limit: usize) -> Option<(Encoding, super::Inflated)> {
    let limit = limit.max(1);
    [(Encoding::Gzip, gunzip(message, limit)), (Encoding::Zlib, inflate_zlib(message, limit)), (Encoding::Zstd, unzstd(message, limit))]
        .into_iter()
        .find(|(_, inflated)| inflated.is_ok())
}

struct Frame {
    flag: u8,
    range: Range<usize>,
}

/// Every frame; `None` where the bytes are none.
fn frames(bytes: &[u8]) -> impl Iterator<Item = Option<Frame>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let frame = frame(bytes, at);
        at = frame.as_ref().map_or(bytes.len(), |frame| frame.range.end);
        Some(frame)
    })
}

fn frame(bytes: &[u8], at: usize) -> Option<Frame> {
    let [flag, length @ ..] = *bytes.get(at..)?.first_chunk::<5>()?;
    let start = at + 5;
    let end = start.checked_add(usize::try_from(u32::from_be_bytes(length)).ok()?)?;
    (matches!(flag, 0 | COMPRESSED | TRAILERS) && end <= bytes.len()).then_some(Frame { flag, range: start..end })
}

const COMPRESSED: u8 = 1;
/// gRPC-Web (grpc/doc/PROTOCOL-WEB.md): the most significant bit marks trailers.
const TRAILERS: u8 = 0x80;
