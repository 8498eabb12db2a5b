//! Quoted-printable (RFC 2045 section 6.7): only where a part's head says so, for text with `=` in it looks the same.

/// What was written; `None` when nothing is escaped, or an escape is broken.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'=') {
        plain.extend_from_slice(&rest[..at]);
        rest = match &rest[at + 1..] {
            [b'\r', b'\n', after @ ..] | [b'\n', after @ ..] => after,
            [high, low, after @ ..] => {
                // Two hex digits make a byte.
                plain.push((digit(*high)? << 4 | digit(*low)?) as u8);
                after
            }
            _ => return None,
        };
    }
    plain.extend_from_slice(rest);
    (plain.len() < bytes.len()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn escapes_and_soft_line_breaks_are_undone() {
        assert_eq!(decode(b"J=C3=BCrgen =\r\nGro=c3=9f=3D=\n.").as_deref(), Some("Jürgen Groß=.".as_bytes()));
        for text in ["plain", "", "a=b", "a=", "a=4", "=XY"] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }
}
