//! What a tunnel's first bytes say of it: TLS, HTTP, or something else, by whom the first word is said, and which protocol
//! that something is, where there is no doubt. What follows from it is decided in `serve`.

use std::{future::Future, io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::timeout,
};

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// A TLS ClientHello begins.
    Tls,
    /// A request of HTTP/1, or the preface of HTTP/2.
    Http,
    /// Neither.
    Other,
}

/// Who spoke first in a tunnel.
pub(super) enum Spoken<Server> {
    /// The client; with the connection to the server, if it took so long that one was made.
    Client(Opening, Option<Server>),
    /// The server; with what it said.
    Server(Server, Vec<u8>),
    /// Nobody: one of them left.
    Nobody,
    /// The client waited for the server to speak, which could not be reached.
    Unreachable(String),
}

/// Reads the first bytes of a client into `first`. A client that says nothing may be waiting for the server to speak: after
/// `patience` the server is dialled, and whoever speaks first decides. `waits` is called when it comes to that.
pub(super) async fn listen<Client, Server>(
    client: &mut Client,
    first: &mut Vec<u8>,
    patience: Duration,
    waits: impl FnOnce(),
    dial: impl Future<Output = Result<Server, String>>,
) -> io::Result<Spoken<Server>>
where
    Client: AsyncRead + Unpin,
    Server: AsyncRead + Unpin,
{
    let by_client = |opening: Option<Opening>, server| opening.map_or(Spoken::Nobody, |opening| Spoken::Client(opening, server));
    if let Ok(opening) = timeout(patience, read_opening(client, first)).await {
        return Ok(by_client(opening?, None));
    }
    waits();
    let dialled = tokio::select! {
        opening = read_opening(client, first) => return Ok(by_client(opening?, None)),
        dialled = dial => dialled,
    };
    let mut server = match dialled {
        Ok(server) => server,
        Err(why) if first.is_empty() => return Ok(Spoken::Unreachable(why)),
        Err(_) => return Ok(by_client(read_opening(client, first).await?, None)),
    };
    let mut banner = Vec::with_capacity(BANNER);
    tokio::select! {
        opening = read_opening(client, first) => Ok(by_client(opening?, Some(server))),
        read = server.read_buf(&mut banner) => Ok(match read? {
            0 => Spoken::Nobody,
            _ => Spoken::Server(server, banner),
        }),
    }
}

/// Reads until it is certain what the client speaks; `None` when it leaves without a word. Nothing is lost when the future is
/// dropped: what was read is in `first`.
pub(super) async fn read_opening(client: &mut (impl AsyncRead + Unpin), first: &mut Vec<u8>) -> io::Result<Option<Opening>> {
    if first.is_empty() && client.read_buf(first).await? == 0 {
        return Ok(None);
    }
    let rest = async {
        loop {
            if let Some(opening) = opening(first) {
                return Ok(opening);
            }
            if client.read_buf(first).await? == 0 {
                return Ok(Opening::Other);
            }
        }
    };
    match timeout(HALF_A_WORD, rest).await {
        Ok(opening) => opening.map(Some),
        // Who says half a word and waits does not speak HTTP.
        Err(_) => Ok(Some(Opening::Other)),
    }
}

/// How long a client on this port may be silent before its server is asked to speak. On ports where the server always speaks
/// first, not at all; on ports of HTTP, where it never does and a silent client has only opened a connection ahead of need, long.
pub(super) const fn patience(port: u16) -> Duration {
    match port {
        // FTP, SSH, SMTP, POP3, NNTP, IMAP, submission, MySQL, VNC: the service name registry of IANA.
        21 | 22 | 25 | 110 | 119 | 143 | 587 | 3306 | 5900 => Duration::ZERO,
        80 | 443 | 8080 | 8443 => Duration::from_secs(2),
        _ => Duration::from_millis(250),
    }
}

/// What these first bytes begin; `None` when it takes more of them to tell.
pub(super) fn opening(first: &[u8]) -> Option<Opening> {
    match first {
        // A TLS record (RFC 8446 section 5.1): type 22, version 3.0 to 3.4, length; in it a ClientHello (type 1).
        [0x16] | [0x16, 0x03] | [0x16, 0x03, 0..=4] | [0x16, 0x03, 0..=4, _] | [0x16, 0x03, 0..=4, _, _] => None,
        [0x16, 0x03, 0..=4, _, _, 0x01, ..] => Some(Opening::Tls),
        _ => request_line(first),
    }
}

/// Whether a request line begins (RFC 9112 section 3): a token, a space, a target, a space and the version.
fn request_line(first: &[u8]) -> Option<Opening> {
    let end = first.iter().position(|byte| *byte == b'\n');
    let line = &first[..end.unwrap_or(first.len())];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let method = line.iter().position(|byte| *byte == b' ');
    let is_method = line[..method.unwrap_or(line.len())].iter().all(|byte| is_token(*byte)) && method != Some(0);
    let is_text = line.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f);
    if !is_method || !is_text || method.unwrap_or(line.len()) > LONGEST_METHOD || line.len() > LONGEST_LINE {
        return Some(Opening::Other);
    }
    end?;
    let is_http = method.is_some() && [&b" HTTP/1.0"[..], b" HTTP/1.1", b" HTTP/2.0"].iter().any(|version| line.ends_with(version));
    Some(if is_http { Opening::Http } else { Opening::Other })
}

/// A character of a token (RFC 9110 section 5.6.2).
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// The protocol that first bytes name, the client's or the server's, where nothing else begins so.
pub(super) fn protocol(first: &[u8]) -> Option<&'static str> {
    let has = |word: &[u8]| first.windows(word.len()).any(|window| window == word);
    match first {
        [b'S', b'S', b'H', b'-', b'1' | b'2', b'.', ..] => Some("ssh"),
        // CONNECT of MQTT 3.1.1 and 5 (section 3.1): type 1, remaining length of one to four bytes, the protocol's name.
        [0x10, ..] if first[1..].iter().take(4).position(|byte| *byte < 0x80).is_some_and(|last| is_mqtt(&first[last + 2..])) => {
            Some("mqtt")
        }
        // The transports "intermediate" and "padded intermediate" of MTProto.
        [0xee, 0xee, 0xee, 0xee, ..] | [0xdd, 0xdd, 0xdd, 0xdd, ..] => Some("mtproto"),
        [b'<', ..] if has(b"http://etherx.jabber.org/streams") => Some("xmpp"),
        [b'2', b'2', b'0', b' ' | b'-', ..] if has(b"SMTP") => Some("smtp"),
        [b'*', b' ', b'O', b'K', ..] if has(b"IMAP") => Some("imap"),
        [b'+', b'O', b'K', b' ', ..] => Some("pop3"),
        _ if first.starts_with(b"EHLO ") => Some("smtp"),
        _ if has(b" RTSP/1.0\r\n") => Some("rtsp"),
        _ if has(b" SIP/2.0\r\n") => Some("sip"),
        _ => None,
    }
}

fn is_mqtt(name: &[u8]) -> bool {
    name.starts_with(b"\x00\x04MQTT") || name.starts_with(b"\x00\x06MQIsdp")
}

/// Half a request line is waited for this long.
const HALF_A_WORD: Duration = Duration::from_secs(5);
/// What a server says first, at most, before it is passed on.
const BANNER: usize = 1024;
const LONGEST_METHOD: usize = 32;
const LONGEST_LINE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(first: &[u8], expected: Option<Opening>) {
        assert_eq!(opening(first), expected, "{:?}", String::from_utf8_lossy(first));
    }

    #[test]
    fn the_first_bytes_tell_what_a_client_speaks() {
        check(b"\x16\x03\x01\x02\x00\x01\x00", Some(Opening::Tls));
        check(b"\x16\x03\x01\x02\x00", None);
        check(b"\x16\x03\x01\x00\x05hello", Some(Opening::Other));
        check(b"\x16\x02\x01", Some(Opening::Other));
        check(b"GET / HTTP/1.1\r\n", Some(Opening::Http));
        check(b"POST /a?b=%20 HTTP/1.0\nHost: x", Some(Opening::Http));
        check(b"M-SEARCH * HTTP/1.1\r\nHost: x", Some(Opening::Http));
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Opening::Http));
        check("GET /\u{e9} HTTP/1.1\r\n".as_bytes(), Some(Opening::Http));
        check(b"GET  HTTP/1.1\r\n", Some(Opening::Http));
        check(b"GE", None);
        check(b"GET /", None);
        check(b"EHLO c.test", None);
        check(b"EHLO c.test\r\n", Some(Opening::Other));
        check(b"SSH-2.0-x\r\n", Some(Opening::Other));
        check(b" GET / HTTP/1.1\r\n", Some(Opening::Other));
        check(b"{\"a\":", Some(Opening::Other));
        check(b"<stream:stream", Some(Opening::Other));
        check(b"\x10\x0c\x00\x04MQTT", Some(Opening::Other));
        check(b"\x00", Some(Opening::Other));
        check(b"OPTIONS rtsp://c.test RTSP/1.0\r\n", Some(Opening::Other));
        check(&[b'A'; 33], Some(Opening::Other));
        check(&[b"GET /".as_slice(), &vec![b'a'; LONGEST_LINE]].concat(), Some(Opening::Other));
    }

    fn check_protocol(first: &[u8], expected: Option<&str>) {
        assert_eq!(protocol(first), expected, "{:?}", String::from_utf8_lossy(first));
    }

    #[test]
    fn a_protocol_is_named_only_where_there_is_no_doubt() {
        check_protocol(b"\x10\x10\x00\x04MQTT\x04\x02", Some("mqtt"));
        check_protocol(b"\x10\x90\x01\x00\x04MQTT\x05", Some("mqtt"));
        check_protocol(b"\x10\xff\xff\xff\xff\x00\x04MQTT", None);
        check_protocol(b"\x10", None);
        check_protocol(b"\xee\xee\xee\xee\x28", Some("mtproto"));
        check_protocol(b"\xef\x0a", None);
        check_protocol(b"SSH-2.0-OpenSSH_9.2", Some("ssh"));
        check_protocol(b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>", Some("xmpp"));
        check_protocol(b"<html>", None);
        check_protocol(b"220 mail.test ESMTP\r\n", Some("smtp"));
        check_protocol(b"220 files.test ready\r\n", None);
        check_protocol(b"* OK [CAPABILITY IMAP4rev1] ready", Some("imap"));
        check_protocol(b"OPTIONS rtsp://c.test RTSP/1.0\r\n", Some("rtsp"));
        check_protocol(b"", None);
    }
}
