//! A request body as a whole: its content encoding, then what it is by its content type or by its looks. What nobody can
//! explain becomes one opaque leaf, and is told.

use crate::model::{Encoding, Part};

use super::{
    format::{self, Walked},
    json,
    leaf::Value,
    walker::{Limit, Place, Surface, Walker, is_readable},
};

/// What the headers say about a body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Declared<'a> {
    pub(super) content_type: Option<&'a str>,
    pub(super) content_encoding: Option<&'a str>,
}

impl Declared<'_> {
    fn is(&self, word: &str) -> bool {
        self.content_type.is_some_and(|content_type| content_type.to_ascii_lowercase().contains(word))
    }
}

/// What became of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Explained {
    /// Every byte is in a field.
    All,
    /// Fields up to this byte (of the decoded body), nothing after it.
    UpTo(usize),
    /// Nothing. With the entropy of its bytes in tenths of a bit a byte.
    Nothing {
        /// Entropy in tenths of a bit a byte, 0 to 80.
        entropy: u32,
    },
}

/// Gives every leaf of a body to the walker. The walker stands in no layer.
pub(super) fn walk_body(bytes: &[u8], declared: Declared<'_>, walker: &mut Walker<'_>) -> Explained {
    walker.begin(Part::Body);
    let mut explained = Explained::All;
    walker.raw(bytes, true, |walker, place| explained = encoded(bytes, declared, place, walker));
    explained
}

fn encoded(bytes: &[u8], declared: Declared<'_>, place: Place, walker: &mut Walker<'_>) -> Explained {
    let encodings = declared.content_encoding.unwrap_or_default().to_ascii_lowercase();
    // Several encodings are listed in the order applied; one level is all that apps use. An import may have undone it already.
    if encodings.contains("deflate") && format::inflate_zlib(bytes, 1).is_err() {
        // Some senders leave the zlib header out (RFC 9110 section 8.4.1.2).
        if let Some(inner) = walker.inflated(format::inflate_raw(bytes, walker.allowance())) {
            return inside(Encoding::Zlib, &inner, declared, place, walker);
        }
    }
    whole(bytes, declared, place, walker)
}

fn inside(encoding: Encoding, inner: &[u8], declared: Declared<'_>, place: Place, walker: &mut Walker<'_>) -> Explained {
    let mut explained = Explained::All;
    walker.decoded(encoding, inner, place, |walker, place| explained = whole(inner, declared, place, walker));
    explained
}

/// A body, or what was inside its compression.
fn whole(bytes: &[u8], declared: Declared<'_>, place: Place, walker: &mut Walker<'_>) -> Explained {
    if bytes.is_empty() {
        return Explained::All;
    }
    for (encoding, inflate) in [(Encoding::Gzip, format::gunzip as Inflate), (Encoding::Zlib, format::inflate_zlib)] {
        if let Some(inner) = walker.inflated(inflate(bytes, walker.allowance())) {
            return inside(encoding, &inner, declared, place, walker);
        }
    }
    if let Some(boundary) = boundary(declared) {
        walker.turn_into(Part::Form);
        return multipart(bytes, &boundary, place, walker);
    }
    if let Some(explained) = as_json(bytes, declared, place, walker) {
        return explained;
    }
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| is_readable(text)) else {
        return opaque(bytes, place, walker);
    };
    let declared_form = declared.is("x-www-form-urlencoded") && bytes.contains(&b'=');
    if declared_form || format::looks_like_form(bytes, 1) {
        walker.turn_into(Part::Form);
        format::walk_pairs(bytes, place, walker);
        return Explained::All;
    }
    if let Some(plain) = format::decode_whole(bytes.trim_ascii()) {
        walker.charge(plain.len(), false);
        return inside(Encoding::Percent, plain.as_bytes(), declared, place, walker);
    }
    text_body(text, place, walker)
}

type Inflate = fn(&[u8], usize) -> format::Inflated;

fn as_json(bytes: &[u8], declared: Declared<'_>, place: Place, walker: &mut Walker<'_>) -> Option<Explained> {
    let start = if bytes.starts_with(b"\xef\xbb\xbf") { &bytes[3..] } else { bytes };
    let structured = matches!(start.trim_ascii_start().first(), Some(b'{' | b'['));
    // A body that says it is JSON is read as far as it is; any other must be JSON to the end.
    let worth_it = if declared.is("json") { structured || json::is_json(bytes) } else { structured && json::is_json(bytes) };
    if !worth_it {
        return None;
    }
    walker.turn_into(Part::Json);
    match format::walk_json(bytes, place, walker) {
        Walked::All => Some(Explained::All),
        Walked::UpTo(0) => {
            walker.turn_into(Part::Body);
            None
        }
        Walked::UpTo(at) => {
            walker.unread((bytes.len() - at.min(bytes.len())) as u64);
            Some(Explained::UpTo(at))
        }
    }
}

/// Text that is neither form nor JSON: peeled as a value. Base64 of bytes nobody knows is as opaque as the bytes.
fn text_body(text: &str, place: Place, walker: &mut Walker<'_>) -> Explained {
    let packed = text.trim();
    let dense = packed.len() >= SHORTEST_OPAQUE && packed.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_\r\n".contains(&byte));
    if !dense || entropy(packed.as_bytes()) < DENSE_ENTROPY {
        walker.text(text, place, Surface::Value);
    } else if !peels(packed, place, walker) {
        return opaque(text.as_bytes(), place, walker);
    }
    Explained::All
}

/// Gives a dense text to the walker unless it would end as plain bytes or one token.
fn peels(text: &str, place: Place, walker: &mut Walker<'_>) -> bool {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let decoded = STANDARD.decode(text).unwrap_or_default();
    let known = !decoded.is_empty()
        && (json::is_json(&decoded) || format::gunzip(&decoded, 1024).is_ok() || std::str::from_utf8(&decoded).is_ok_and(is_readable));
    drop(decoded);
    if known {
        walker.text(text, place, Surface::Value);
    }
    known
}

fn opaque(bytes: &[u8], place: Place, walker: &mut Walker<'_>) -> Explained {
    walker.leaf(Value::Opaque(bytes), place);
    Explained::Nothing { entropy: entropy(bytes) }
}

/// Shannon entropy of the first 64 KiB, in tenths of a bit a byte. Encrypted and compressed bytes have nearly 80, text 40 to 50.
pub(super) fn entropy(bytes: &[u8]) -> u32 {
    let bytes = &bytes[..bytes.len().min(64 << 10)];
    let mut counts = [0_u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let total = bytes.len() as f64;
    let bits: f64 = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / total).map(|p| -p * p.log2()).sum();
    // 0 to 80, so the cast is exact.
    (bits * 10.0).round() as u32
}

/// The boundary of a multipart body.
fn boundary(declared: Declared<'_>) -> Option<Vec<u8>> {
    let content_type = declared.content_type.filter(|_| declared.is("multipart/"))?;
    let parameter = content_type
        .split(';')
        .map(str::trim)
        .find(|parameter| parameter.get(..9).is_some_and(|name| name.eq_ignore_ascii_case("boundary=")))?;
    let boundary = parameter.get(9..)?.trim_matches('"');
    (1..=70).contains(&boundary.len()).then(|| format!("--{boundary}").into_bytes())
}

/// Multipart (RFC 7578): each part is a form field by its name, each value is peeled. What is in no part is a leaf too.
fn multipart(bytes: &[u8], boundary: &[u8], place: Place, walker: &mut Walker<'_>) -> Explained {
    let finder = aho_corasick::AhoCorasick::new([boundary]).ok();
    let Some(finder) = finder else { return opaque(bytes, place, walker) };
    let cuts: Vec<usize> = finder.find_iter(bytes).map(|found| found.start()).take(MOST_PARTS).collect();
    if cuts.is_empty() {
        return opaque(bytes, place, walker);
    }
    outside_parts("{preamble}", &bytes[..cuts[0]], place.part(0..cuts[0], true), walker);
    for (number, start) in cuts.iter().enumerate() {
        let end = cuts.get(number + 1).copied().unwrap_or(bytes.len());
        let from = start + boundary.len();
        let part = &bytes[from..end];
        if number + 1 == MOST_PARTS {
            walker.cut(Limit::Parts);
            outside_parts("{rest}", part, place.part(from..end, true), walker);
            break;
        }
        if let Some(epilogue) = part.strip_prefix(b"--") {
            outside_parts("{epilogue}", epilogue, place.part(from + 2..end, true), walker);
            continue;
        }
        let Some((head_end, value_at)) = blank_line(part) else {
            outside_parts("{part}", part, place.part(from..end, true), walker);
            continue;
        };
        let head = String::from_utf8_lossy(&part[..head_end]).into_owned();
        let value = &part[value_at..];
        let value = value.strip_suffix(b"\n").map_or(value, |value| value.strip_suffix(b"\r").unwrap_or(value));
        let mark = walker.enter_key(&disposition_name(&head).unwrap_or_else(|| "part".to_owned()));
        let place = place.part(from + value_at..from + value_at + value.len(), true);
        match std::str::from_utf8(value) {
            Ok(text) => walker.text(text, place, Surface::Value),
            Err(_) => walker.bytes(value, None, place),
        }
        walker.leave(mark);
    }
    Explained::All
}

/// Bytes of a multipart body that are in no part: no data by the letter of RFC 2046, but uploaded.
fn outside_parts(name: &str, bytes: &[u8], place: Place, walker: &mut Walker<'_>) {
    if bytes.trim_ascii().is_empty() {
        return;
    }
    let mark = walker.enter_name(name);
    walker.bytes(bytes, None, place);
    walker.leave(mark);
}

/// Where the head of a part ends and its value begins. Some senders end lines with LF alone.
fn blank_line(part: &[u8]) -> Option<(usize, usize)> {
    let crlf = part.windows(4).position(|window| window == b"\r\n\r\n").map(|at| (at, at + 4));
    let lf = part.windows(2).position(|window| window == b"\n\n").map(|at| (at, at + 2));
    crlf.into_iter().chain(lf).min()
}

/// `name="…"` of a part's `Content-Disposition`.
fn disposition_name(head: &str) -> Option<String> {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let parameter = line.split(';').map(str::trim).find_map(|parameter| parameter.strip_prefix("name="))?;
    Some(parameter.trim_matches('"').to_owned())
}

const MOST_PARTS: usize = 10_000;
/// Shorter dense texts are tokens.
const SHORTEST_OPAQUE: usize = 64;
/// Random base64 comes near 60 tenths of a bit; 64 characters of it have at least this.
const DENSE_ENTROPY: u32 = 48;
