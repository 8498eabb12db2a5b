//! What is told of connections on which something came that is no request that could be read: HTTP that breaks its rules, half
//! a head, and what is no HTTP at all; in a tunnel and without one, first and after requests that were read.

use std::time::{Duration, Instant};

use tattletale::model::{PassedBytes, TunnelId, TunnelOutcome};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::bench::{Bench, Record, Stream, ToldTunnel, read_all, read_answer};
use crate::gate::{Scope, door};

/// A request that is read and answered, and leaves its connection open.
const GOOD: &str = "POST http://plain.test/good HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 2\r\n\r\nok";
/// The same inside a tunnel.
const GOOD_INSIDE: &str = "POST /good HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 2\r\n\r\nok";
/// Two lengths that do not agree.
const TWO_LENGTHS: &str = "POST http://plain.test/up HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 4\r\nContent-Length: 6\r\n\r\nsecret";

/// A head without its end.
const HALF: &str = "GET /half HTTP/1.1\r\nHo";

fn only(record: &Record) -> &ToldTunnel {
    assert_eq!(record.tunnels.len(), 1);
    &record.tunnels[&TunnelId(1)]
}

fn sent(tunnel: &ToldTunnel) -> Option<u64> {
    // What the proxy itself answered came from no server.
    tunnel.evidence.bytes.map(|PassedBytes { sent, received }| {
        assert_eq!(received, 0);
        sent
    })
}

fn why(outcome: Option<&TunnelOutcome>) -> &str {
    match outcome {
        Some(TunnelOutcome::Malformed { why }) => why,
        other => panic!("malformed, and not {other:?}"),
    }
}

/// What is told of one request that the engine's parser refuses, sent without a tunnel: by itself, and after one that was read.
async fn check_direct(request: &[u8], host: &str, words: &str) {
    let name = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
    for before in [0_usize, 2] {
        let bench = Bench::start().await;
        let mut stream = TcpStream::connect(bench.address()).await.expect("the proxy listens");
        for _ in 0..before {
            stream.write_all(GOOD.as_bytes()).await.expect("sent");
            read_answer(&mut stream).await;
        }
        // The proxy may answer before it has taken all of it.
        let _ = stream.write_all(request).await;
        let _ = read_all(&mut stream).await;
        let record = bench.finish().await;
        assert_eq!(record.exchanges.len(), before, "{name}");
        let told = only(&record);
        assert!(why(told.outcome.as_ref()).contains(words), "{name}: {:?}", told.outcome);
        assert_eq!(told.host, host, "{name}");
        assert_eq!(told.evidence.client.is_some(), host.is_empty(), "{name}");
        let sent = sent(told).expect("counted");
        assert!(sent > 10 && sent <= request.len() as u64, "{name}: {sent}");
        if request.len() < 1000 {
            assert_eq!(sent, request.len() as u64, "{name}");
        }
    }
}

#[tokio::test]
async fn http_that_breaks_its_rules_is_told_without_a_tunnel() {
    let head = |lines: &str| format!("POST http://plain.test/up HTTP/1.1\r\nHost: plain.test\r\n{lines}\r\n").into_bytes();
    check_direct(TWO_LENGTHS.as_bytes(), "plain.test", "content-length").await;
    check_direct(b"GET http://plain.test/two words HTTP/1.1\r\nHost: plain.test\r\n\r\n", "plain.test", "version").await;
    check_direct(b"GET http://plain.test/\x00 HTTP/1.1\r\nHost: plain.test\r\n\r\n", "plain.test", "URI").await;
    check_direct(&head("no colon\r\n"), "plain.test", "header").await;
    check_direct(&head("Transfer-Encoding: gzip\r\n"), "plain.test", "transfer-encoding").await;
    check_direct(&head(&"X: y\r\n".repeat(1001)), "plain.test", "too large").await;
    check_direct(&head(&format!("X: {}\r\n", "y".repeat(600_000))), "plain.test", "too large").await;
    check_direct(b"GET http://plain.test/ HTTP/9.9\r\n\r\n", "plain.test", "version").await;
    check_direct(b"BREW /pot HTTP/9.9\r\nHost: named.test:81\r\n\r\n", "named.test", "version").await;
    check_direct(b"\x00\x01\x02 no HTTP at all", "", "does not begin as one").await;
    check_direct(b"\x16\x03\x01\x00\x05\x01hello", "", "TLS without a CONNECT").await;
}

#[tokio::test]
async fn a_request_to_the_proxy_that_names_no_server_is_told() {
    for (line, host) in
        [("POST /up", "named.test"), ("CONNECT :443", "named.test"), ("OPTIONS *", "named.test"), ("GET ftp://named.test/", "named.test")]
    {
        let bench = Bench::start().await;
        let reply = bench.ask(&format!("{line} HTTP/1.1\r\nHost: named.test\r\nConnection: close\r\n\r\n")).await;
        assert!(reply.starts_with("HTTP/1.1 400"), "{line}: {reply}");
        let record = bench.finish().await;
        let told = only(&record);
        assert!(!why(told.outcome.as_ref()).is_empty());
        assert_eq!(told.host, host, "{line}");
    }
}

#[tokio::test]
async fn a_port_that_there_is_not_is_told_and_nothing_is_dialled_in_its_place() {
    let ports = ["99999", "65536", "0", "-1", "+443", "https", "443x"];
    let lines = ports.into_iter().flat_map(|port| [format!("CONNECT named.test:{port}"), format!("GET http://named.test:{port}/")]);
    for line in lines.chain(["CONNECT named.test:".to_owned()]) {
        let bench = Bench::start().await;
        let reply = bench.ask(&format!("{line} HTTP/1.1\r\nHost: named.test\r\nConnection: close\r\n\r\n")).await;
        assert!(reply.starts_with("HTTP/1.1 400"), "{line}: {reply}");
        assert_eq!(bench.dialled(), [""; 0], "{line}");
        let record = bench.finish().await;
        assert!(record.exchanges.is_empty(), "{line}");
        let told = only(&record);
        assert!(!why(told.outcome.as_ref()).is_empty());
        assert_eq!(told.host, "named.test", "{line}");
    }
}

#[tokio::test]
async fn what_comes_from_strangers_or_names_hosts_outside_the_scope_names_nothing() {
    let bench = Bench::gated(Scope::only("api.test")).await;
    bench.ask(TWO_LENGTHS).await;
    let record = bench.finish().await;
    assert_eq!(only(&record).host, "");
    assert!(why(only(&record).outcome.as_ref()).contains("content-length"));

    let bench = Bench::gated(door()).await;
    bench.ask(TWO_LENGTHS).await;
    assert!(bench.finish().await.tunnels.is_empty());
}

#[tokio::test]
async fn http_that_breaks_its_rules_is_told_inside_a_tunnel() {
    for before in [0, 2] {
        for secure in [false, true] {
            let bench = Bench::start().await;
            let broken = "GET / HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 4\r\nContent-Length: 6\r\n\r\nsecret";
            let send = async |mut stream: Box<dyn Stream>| {
                for _ in 0..before {
                    stream.write_all(GOOD_INSIDE.as_bytes()).await.expect("sent");
                    stream.flush().await.expect("sent");
                    read_answer(&mut stream).await;
                }
                stream.write_all(broken.as_bytes()).await.expect("sent");
                stream.flush().await.expect("sent");
                let mut reply = Vec::new();
                let _ = stream.read_to_end(&mut reply).await;
                assert!(reply.starts_with(b"HTTP/1.1 400"));
            };
            match secure {
                false => send(Box::new(bench.tunnel("plain.test:80").await)).await,
                true => send(Box::new(bench.tls("plain.test", bench.trusting(&[b"http/1.1"])).await.expect("a handshake"))).await,
            }
            let record = bench.finish().await;
            let told = only(&record);
            let outcome = match before {
                0 => told.outcome.as_ref(),
                requests => {
                    assert_eq!(told.outcome, Some(TunnelOutcome::Read { requests }));
                    told.evidence.afterwards.as_ref()
                }
            };
            assert!(why(outcome).contains("content-length"), "{outcome:?}");
            assert_eq!(sent(told), Some(broken.len() as u64));
        }
    }
}

#[tokio::test]
async fn what_is_no_http_is_told_after_requests_too() {
    let bench = Bench::start().await;
    let mut tunnel = bench.tunnel("plain.test:80").await;
    tunnel.write_all(GOOD_INSIDE.as_bytes()).await.expect("sent");
    read_answer(&mut tunnel).await;
    tunnel.write_all(b"\x00\x01\x02bytes").await.expect("sent");
    let _ = read_all(&mut tunnel).await;
    let record = bench.finish().await;
    let told = only(&record);
    assert_eq!(told.outcome, Some(TunnelOutcome::Read { requests: 1 }));
    assert_eq!((told.evidence.afterwards.as_ref(), sent(told)), (Some(&TunnelOutcome::NotTls), Some(8)));

    // ALPN agreed on HTTP, and then nothing of that came.
    let bench = Bench::start().await;
    let mut stream = bench.tls("plain.test", bench.trusting(&[b"http/1.1"])).await.expect("a handshake");
    stream.write_all(b"\x00\x01\x02bytes").await.expect("sent");
    stream.flush().await.expect("sent");
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    let record = bench.finish().await;
    assert_eq!((only(&record).outcome.as_ref(), sent(only(&record))), (Some(&TunnelOutcome::OwnProtocol), Some(8)));
}

#[tokio::test]
async fn a_body_that_breaks_the_rules_is_told_by_its_exchange_alone() {
    let bench = Bench::start().await;
    let mut tunnel = bench.tunnel("plain.test:80").await;
    let request = "POST /up HTTP/1.1\r\nHost: plain.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\n";
    tunnel.write_all(request.as_bytes()).await.expect("sent");
    let reply = read_all(&mut tunnel).await;
    assert!(reply.contains("the body of the request did not come whole") || reply.is_empty(), "no server is at fault: {reply}");
    let record = bench.finish().await;
    assert_eq!(record.only_exchange().error.as_deref(), Some("the body of the request broke the rules of HTTP"));
    assert_eq!((only(&record).outcome.as_ref(), &only(&record).evidence.afterwards), (Some(&TunnelOutcome::Read { requests: 1 }), &None));
}

#[tokio::test]
async fn a_client_that_greets_over_http_2_without_tls_and_asks_for_nothing_speaks_http() {
    let bench = Bench::start().await;
    let mut tunnel = bench.tunnel("plain.test:80").await;
    tunnel.write_all(GREETING).await.expect("sent");
    tunnel.shutdown().await.expect("half closed");
    let _ = read_all(&mut tunnel).await;
    let record = bench.finish().await;
    assert_eq!((only(&record).outcome.as_ref(), sent(only(&record))), (Some(&TunnelOutcome::ClosedWithoutRequest), None));
}

#[tokio::test]
async fn http_2_that_breaks_its_rules_is_told() {
    for before in [false, true] {
        let bench = Bench::start().await;
        let mut stream = bench.tls("plain.test", bench.trusting(&[b"h2"])).await.expect("a handshake");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("sent");
        // SETTINGS, none; if so, HEADERS that are complete: `GET https://host/`, the host by its length and letters.
        stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("sent");
        if before {
            stream.write_all(&[0, 0, 15, 1, 5, 0, 0, 0, 1, 0x82, 0x87, 0x84, 0x41, 10]).await.expect("sent");
            stream.write_all(b"plain.test").await.expect("sent");
            stream.flush().await.expect("sent");
            // Until the answer has begun: more than SETTINGS and their acknowledgement.
            let mut frame = [0; 9];
            while frame[3] != 1 {
                stream.read_exact(&mut frame).await.expect("a frame");
                let length = usize::from(frame[1]) << 8 | usize::from(frame[2]);
                stream.read_exact(&mut vec![0; length]).await.expect("its payload");
            }
        }
        // DATA on no stream.
        stream.write_all(&[0, 0, 1, 0, 0, 0, 0, 0, 0, 7]).await.expect("sent");
        stream.flush().await.expect("sent");
        let _ = stream.read_to_end(&mut Vec::new()).await;
        let record = bench.finish().await;
        let told = only(&record);
        let outcome = if before { told.evidence.afterwards.as_ref() } else { told.outcome.as_ref() };
        assert_eq!(why(outcome), "unspecific protocol error detected");
        assert_eq!(sent(told), None);
    }
}

/// The preface of HTTP/2, and SETTINGS without any.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The request line's fields in HPACK: `POST https://plain.test/`.
const FIELDS: &[u8] = b"\x83\x87\x84\x41\x0aplain.test";

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// What is told of frames that a client sends after its greeting, by itself and after a request that was read.
async fn check_http2(name: &str, frames: &[u8], expected: &TunnelOutcome, bytes: Option<u64>) {
    for before in [false, true] {
        let bench = Bench::start().await;
        let mut stream = bench.tls("plain.test", bench.trusting(&[b"h2"])).await.expect("a handshake");
        stream.write_all(GREETING).await.expect("sent");
        if before {
            stream.write_all(&frame(1, 5, 1, &[b"\x82", &FIELDS[1..]].concat())).await.expect("sent");
            stream.flush().await.expect("sent");
            // Until its answer has begun.
            let mut header = [0; 9];
            while header[3] != 1 {
                stream.read_exact(&mut header).await.expect("a frame");
                let length = usize::from(header[1]) << 8 | usize::from(header[2]);
                stream.read_exact(&mut vec![0; length]).await.expect("its payload");
            }
        }
        stream.write_all(frames).await.expect("sent");
        stream.shutdown().await.expect("half closed");
        let _ = stream.read_to_end(&mut Vec::new()).await;
        let record = bench.finish().await;
        let told = only(&record);
        let outcome = if before { told.evidence.afterwards.as_ref() } else { told.outcome.as_ref() };
        assert_eq!((outcome, sent(told)), (Some(expected), bytes), "{name}");
        assert_eq!(told.evidence.leaving, None, "{name}");
        assert_eq!(record.exchanges.len(), usize::from(before), "{name}");
    }
}

#[tokio::test]
async fn a_stream_of_http_2_that_is_refused_is_told() {
    let refused = TunnelOutcome::Malformed { why: "its HTTP/2 stream was refused".to_owned() };
    let head = |fields: &[u8]| [frame(1, 4, 3, fields), frame(0, 1, 3, b"secret")].concat();
    let field = |name: &[u8], value: &[u8]| {
        [&[0, u8::try_from(name.len()).expect("short")], name, &[u8::try_from(value.len()).expect("short")], value].concat()
    };
    let connection = [FIELDS, &field(b"connection", b"keep-alive")].concat();
    check_http2("a field of the connection", &head(&connection), &refused, None).await;
    let no_path = [&FIELDS[..2], &FIELDS[3..]].concat();
    check_http2("no path", &head(&no_path), &refused, None).await;
    check_http2("no authority that is one", &head(b"\x83\x87\x84\x41\x05a b c"), &refused, None).await;
    let extended = [&field(b":method", b"CONNECT"), &FIELDS[1..], &field(b":protocol", b"websocket")].concat();
    check_http2("CONNECT for a protocol", &head(&extended), &refused, None).await;
    let mut long = frame(1, 0, 3, FIELDS);
    for _ in 0..80 {
        // A field of 15,000 bytes: its length in 7 bits and then some.
        let field = [&b"\0\x01x\x7f\x99\x74"[..], &[b'y'; 15_000]].concat();
        long.extend(frame(9, 0, 3, &field));
    }
    long.extend(frame(9, 4, 3, b""));
    check_http2("too long a head", &long, &refused, None).await;
    check_http2("half a head", &frame(1, 0, 3, FIELDS), &TunnelOutcome::ClosedWithoutRequest, Some(9 + FIELDS.len() as u64)).await;
}

#[tokio::test]
async fn requests_of_http_2_whose_client_leaves_at_once_broke_no_rule() {
    let bench = Bench::start().await;
    let mut stream = bench.tls("plain.test", bench.trusting(&[b"h2"])).await.expect("a handshake");
    let requests = [1, 3, 5].map(|stream| [frame(1, 4, stream, FIELDS), frame(0, 1, stream, b"secret")].concat()).concat();
    stream.write_all(&[GREETING, &requests].concat()).await.expect("sent");
    stream.shutdown().await.expect("half closed");
    let _ = stream.read_to_end(&mut Vec::new()).await;
    let record = bench.finish().await;
    let told = only(&record);
    let outcomes = [told.outcome.as_ref(), told.evidence.afterwards.as_ref()];
    assert!(!outcomes.iter().flatten().any(|outcome| matches!(outcome, TunnelOutcome::Malformed { .. })), "{outcomes:?}");
}

#[tokio::test]
async fn a_client_that_only_greets_over_http_2_has_accepted_the_certificate() {
    let bench = Bench::start().await;
    let mut stream = bench.tls("plain.test", bench.trusting(&[b"h2"])).await.expect("a handshake");
    stream.write_all(GREETING).await.expect("sent");
    stream.shutdown().await.expect("half closed");
    let _ = stream.read_to_end(&mut Vec::new()).await;
    let record = bench.finish().await;
    let told = only(&record);
    assert_eq!(told.outcome, Some(TunnelOutcome::ClosedWithoutRequest));
    assert_eq!((told.evidence.protocol.as_deref(), told.evidence.bytes), (Some("h2"), None));
}

#[tokio::test]
async fn tls_that_breaks_after_a_request_is_told() {
    let bench = Bench::start().await;
    let mut stream = bench.tls("plain.test", bench.trusting(&[b"http/1.1"])).await.expect("a handshake");
    stream.write_all(GOOD_INSIDE.as_bytes()).await.expect("sent");
    stream.flush().await.expect("sent");
    read_answer(&mut stream).await;
    stream.get_mut().0.write_all(b"no record of TLS").await.expect("sent");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    let record = bench.finish().await;
    assert_eq!(only(&record).outcome, Some(TunnelOutcome::Read { requests: 1 }));
    assert_eq!(only(&record).evidence.afterwards, Some(TunnelOutcome::NotTls));
}

#[tokio::test]
async fn half_a_head_is_told_and_half_a_body_is_none() {
    let bench = Bench::start().await;
    for (port, before, rest) in [(80, false, HALF), (80, true, HALF), (0, false, "GET http://plain.test/half HT"), (0, true, "POST ")] {
        let mut stream = match port {
            0 => TcpStream::connect(bench.address()).await.expect("the proxy listens"),
            _ => bench.tunnel("plain.test:80").await,
        };
        if before {
            stream.write_all(if port == 0 { GOOD } else { GOOD_INSIDE }.as_bytes()).await.expect("sent");
            read_answer(&mut stream).await;
        }
        stream.write_all(rest.as_bytes()).await.expect("sent");
        stream.shutdown().await.expect("half closed");
        let _ = read_all(&mut stream).await;
    }
    // A body that breaks off is its exchange's matter.
    let mut stream = bench.tunnel("plain.test:80").await;
    stream.write_all(&GOOD_INSIDE.as_bytes()[..GOOD_INSIDE.len() - 1]).await.expect("sent");
    stream.shutdown().await.expect("half closed");
    let _ = read_all(&mut stream).await;
    // One that was not begun is none.
    let mut stream = TcpStream::connect(bench.address()).await.expect("the proxy listens");
    stream.write_all(GOOD.as_bytes()).await.expect("sent");
    read_answer(&mut stream).await;
    stream.write_all(b"\r\n").await.expect("sent");
    stream.shutdown().await.expect("half closed");
    let _ = read_all(&mut stream).await;
    let record = bench.finish().await;
    let told: Vec<_> = record
        .tunnels
        .values()
        .map(|told| (told.host.as_str(), told.outcome.clone().expect("it ended"), told.evidence.afterwards.clone(), sent(told)))
        .collect();
    let (half, read) = (TunnelOutcome::ClosedWithoutRequest, TunnelOutcome::Read { requests: 1 });
    assert_eq!(
        told,
        [
            ("plain.test", half.clone(), None, Some(HALF.len() as u64)),
            ("plain.test", read.clone(), Some(half.clone()), Some(HALF.len() as u64)),
            ("plain.test", half.clone(), None, Some(29)),
            ("", half, None, Some(5)),
            ("plain.test", read, None, None),
        ]
    );
}

#[tokio::test]
async fn half_a_head_is_told_after_an_upgrade_that_was_declined() {
    for port in [80, 0] {
        let bench = Bench::start().await;
        let (target, mut stream) = match port {
            0 => ("http://plain.test/good", TcpStream::connect(bench.address()).await.expect("the proxy listens")),
            _ => ("/good", bench.tunnel("plain.test:80").await),
        };
        // As the HTTP client of Java sends each first request.
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: plain.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
             HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nContent-Length: 2\r\n\r\nok"
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        read_answer(&mut stream).await;
        stream.write_all(HALF.as_bytes()).await.expect("sent");
        stream.shutdown().await.expect("half closed");
        let _ = read_all(&mut stream).await;
        let record = bench.finish().await;
        assert_eq!(record.exchanges.len(), 1);
        assert_eq!(sent(only(&record)), Some(HALF.len() as u64), "{target}");
    }
}

/// What is told of what comes in one piece with a request that is read, in a tunnel and without one.
async fn check_together(fields: &str, body: &str, rest: &str, direct: &TunnelOutcome, inside: &TunnelOutcome) {
    for port in [80, 0] {
        let bench = Bench::start().await;
        let (target, mut stream) = match port {
            0 => ("http://plain.test/good", TcpStream::connect(bench.address()).await.expect("the proxy listens")),
            _ => ("/good", bench.tunnel("plain.test:80").await),
        };
        let request = format!("POST {target} HTTP/1.1\r\nHost: plain.test\r\n{fields}\r\n\r\n{body}{rest}");
        stream.write_all(request.as_bytes()).await.expect("sent");
        read_answer(&mut stream).await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
        let record = bench.finish().await;
        assert_eq!(record.exchanges.len(), 1, "{request}");
        if rest.trim().is_empty() {
            let told = record.tunnels.values().find_map(|told| told.evidence.afterwards.clone());
            assert_eq!((told, record.tunnels.len()), (None, usize::from(port > 0)), "{request}");
            continue;
        }
        let told = only(&record);
        let (outcome, expected) = if port == 0 { (&told.outcome, direct) } else { (&told.evidence.afterwards, inside) };
        assert_eq!((outcome.as_ref(), sent(told)), (Some(expected), Some(rest.len() as u64)), "{request}");
    }
}

#[tokio::test]
async fn what_comes_in_one_piece_with_a_request_is_told() {
    let half = TunnelOutcome::ClosedWithoutRequest;
    let malformed = |why: &str| TunnelOutcome::Malformed { why: why.to_owned() };
    let late = malformed("it came after the last one that its connection takes");
    let (length, last) = ("Content-Length: 2", "Content-Length: 2\r\nConnection: close");
    let chunked = ("Transfer-Encoding: chunked", "2\r\nok\r\n0\r\n\r\n");
    check_together(length, "ok", HALF, &half, &half).await;
    check_together(length, "ok", "\r\n", &half, &half).await;
    check_together(last, "ok", "\r\n", &half, &half).await;
    check_together(last, "ok", "{\"more\": \"of it\"}", &malformed("it does not begin as one"), &TunnelOutcome::NotTls).await;
    check_together(last, "ok", HALF, &late, &late).await;
    check_together(chunked.0, chunked.1, "SECRET", &half, &half).await;
}

#[tokio::test]
async fn half_a_head_is_told_though_the_proxy_stops() {
    // Whether the proxy has read it when it is stopped cannot be known: other clients are served meanwhile, and that a few times.
    for _ in 0..10 {
        let bench = Bench::start().await;
        let mut half = TcpStream::connect(bench.address()).await.expect("the proxy listens");
        half.write_all(b"GET http://plain.test/half HT").await.expect("sent");
        for _ in 0..5 {
            bench.ask(&GOOD.replace("Content-Length", "Connection: close\r\nContent-Length")).await;
        }
        let record = bench.finish().await;
        if let Some(told) = record.tunnels.get(&TunnelId(1)) {
            assert_eq!((told.outcome.as_ref(), sent(told)), (Some(&TunnelOutcome::ClosedWithoutRequest), Some(29)));
            return;
        }
    }
    panic!("it was never told");
}

#[tokio::test]
async fn half_a_head_that_came_with_a_whole_request_is_told_though_the_proxy_stops() {
    let bench = Bench::start().await;
    let mut inside = bench.tunnel("plain.test:80").await;
    inside.write_all(format!("{GOOD_INSIDE}{HALF}").as_bytes()).await.expect("sent");
    read_answer(&mut inside).await;
    let record = bench.finish().await;
    let told = only(&record);
    assert_eq!(told.outcome, Some(TunnelOutcome::Read { requests: 1 }));
    assert_eq!((told.evidence.afterwards.as_ref(), sent(told)), (Some(&TunnelOutcome::ClosedWithoutRequest), Some(HALF.len() as u64)));

    let bench = Bench::start().await;
    let half = "POST http://plain.test:81/half HTTP/1.1\r\nHo";
    let mut direct = TcpStream::connect(bench.address()).await.expect("the proxy listens");
    direct.write_all(format!("{GOOD}{half}").as_bytes()).await.expect("sent");
    read_answer(&mut direct).await;
    let record = bench.finish().await;
    let told = only(&record);
    assert_eq!((told.host.as_str(), told.outcome.as_ref()), ("plain.test", Some(&TunnelOutcome::ClosedWithoutRequest)));
    assert_eq!(sent(told), Some(half.len() as u64));
}

#[tokio::test]
async fn a_client_that_says_nothing_is_not_waited_for_for_ever() {
    let bench = Bench::set_up(Scope::everything(), |proxy| proxy.with_head_limit(Duration::from_millis(200))).await;
    let began = Instant::now();
    let mut silent = TcpStream::connect(bench.address()).await.expect("the proxy listens");
    assert_eq!(read_all(&mut silent).await, "", "closed without a word");
    // What could still become the preface of HTTP/2, too.
    let mut slow = TcpStream::connect(bench.address()).await.expect("the proxy listens");
    slow.write_all(b"PRI ").await.expect("sent");
    let _ = read_all(&mut slow).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let record = bench.finish().await;
    let told = only(&record);
    assert_eq!((told.outcome.as_ref(), sent(told)), (Some(&TunnelOutcome::ClosedWithoutRequest), Some(4)));
    assert!(told.evidence.client.is_some_and(|client| client.is_loopback()));
}

#[tokio::test]
async fn a_silent_client_of_an_unreachable_server_is_told_as_one() {
    let bench = Bench::start().await;
    let mut silent = bench.tunnel("dead.test:443").await;
    assert_eq!(read_all(&mut silent).await, "");
    let record = bench.finish().await;
    let why = "the server refused the connection".to_owned();
    assert_eq!(only(&record).outcome, Some(TunnelOutcome::Unreachable { why }));
    assert_eq!(sent(only(&record)), Some(0), "nothing was to be passed on");
}
