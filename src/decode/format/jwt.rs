//! JSON Web Tokens (RFC 7519) in the compact form of RFC 7515 section 3.1, alone or after the scheme of an `Authorization` header.

use std::ops::Range;

use base64::Engine as _;

use crate::model::Encoding;

use super::{
    super::{
        json::{self, Ending, Scalar, Visitor},
        leaf::Value,
        walker::{Place, Surface, Walker},
    },
    Decoder, URL_SAFE,
};

/// JSON Web Token, RFC 7519: leaves under `header` and `claims`, and the signature.
pub(super) struct Jwt;

impl Decoder for Jwt {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| is_jwt(text)) else { return false };
        let Some([header, claims, signature]) = parts(text) else { return false };
        if !walker.may_look(bytes.len()) {
            return false;
        }
        walker.document(Encoding::Jwt, bytes, place, |walker, place| {
            for (name, range) in [("header", header), ("claims", claims)] {
                let mark = walker.enter_key(name);
                let outer = walker.open_group();
                match URL_SAFE.decode(&text[range.clone()]) {
                    Ok(decoded) if walker.may_copy(decoded.len()) => {
                        walker.bytes(&decoded, Some(&text[range.clone()]), place.part(range, false));
                    }
                    _ => walker.leaf(Value::Opaque(text[range.clone()].as_bytes()), place.part(range, true)),
                }
                walker.close_group(outer);
                walker.leave(mark);
            }
            let mark = walker.enter_key("signature");
            if !signature.is_empty() {
                walker.leaf(Value::Text(&text[signature.clone()]), place.part(signature, true));
            }
            walker.leave(mark);
        });
        true
    }
}

/// Whether a text is a token: three parts of URL-safe base64, the first a JSON object with an `alg` (RFC 7515 section 4.1.1).
pub(super) fn is_jwt(text: &str) -> bool {
    let Some([header, ..]) = parts(text) else { return false };
    if header.len() > LONGEST_HEADER {
        return false;
    }
    URL_SAFE.decode(&text[header]).is_ok_and(|header| has_algorithm(&header))
}

/// Header, claims and signature. The signature of an unsecured token is empty (RFC 7515 appendix A.5).
fn parts(text: &str) -> Option<[Range<usize>; 3]> {
    let start = text.find("ey").filter(|start| *start == 0 || text.get(..*start).is_some_and(is_scheme))?;
    let first = start + text[start..].find('.')?;
    let second = first + 1 + text[first + 1..].find('.')?;
    let parts = [start..first, first + 1..second, second + 1..text.len()];
    let is_part = |range: &Range<usize>| text[range.clone()].bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    (parts.iter().all(is_part) && parts[1].len() >= 2).then_some(parts)
}

/// `Bearer ` and its like (RFC 9110 section 11.4).
fn is_scheme(before: &str) -> bool {
    before.strip_suffix(' ').is_some_and(|word| word.len() <= LONGEST_SCHEME && word.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

fn has_algorithm(header: &[u8]) -> bool {
    #[derive(Default)]
    struct Find {
        depth: usize,
        found: bool,
    }
    impl Visitor for Find {
        fn open(&mut self, _array: bool) {
            self.depth += 1;
        }
        fn key(&mut self, key: &str) {
            self.found |= self.depth == 1 && key == "alg";
        }
        fn scalar(&mut self, _scalar: Scalar<'_>, _range: Range<usize>) -> bool {
            true
        }
        fn close(&mut self) {
            self.depth -= 1;
        }
    }
    let mut find = Find::default();
    header.first() == Some(&b'{') && json::scan(header, &mut find) == Ending::Complete && find.found
}

const LONGEST_HEADER: usize = 16 << 10;
const LONGEST_SCHEME: usize = 20;
