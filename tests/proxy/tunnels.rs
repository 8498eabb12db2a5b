//! What is told of tunnels: those that were read, and each way in which one stays unread.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{Request, StatusCode};
use rustls::{AlertDescription, CertificateError, pki_types::ServerName};
use tattletale::model::{LeftBy, PassReason, PassedBytes, TunnelId, TunnelOutcome};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::bench::{BANNER, Bench, Record, ToldTunnel, body, client_hello, http1_over, read_all, refusing, text};
use crate::gate::Scope;

#[tokio::test]
async fn a_refused_certificate_is_told_with_the_alert() {
    let refused = |alert: &str| TunnelOutcome::CertificateRefused { alert: alert.to_owned() };
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for (error, alert) in [
            (CertificateError::UnknownIssuer, AlertDescription::UnknownCA),
            (CertificateError::BadEncoding, AlertDescription::BadCertificate),
            (CertificateError::ApplicationVerificationFailure, AlertDescription::AccessDenied),
        ] {
            let bench = Bench::start().await;
            assert!(bench.tls("pinned.test", refusing(version, error)).await.is_err());
            let record = bench.finish().await;
            assert_eq!(record.outcomes(), [refused(&format!("{alert:?}"))], "{version:?}");
            assert_eq!(record.tunnels[&TunnelId(1)].sni.as_deref(), Some("pinned.test"));
        }
    }
}

#[tokio::test]
async fn what_becomes_of_other_tunnels_is_told() {
    let bench = Bench::start().await;
    // 1: the client leaves once it has our certificate.
    let mut raw = bench.tunnel("a.test:443").await;
    let mut hello = client_hello(&bench, "a.test");
    raw.write_all(&hello).await.expect("sent");
    assert!(raw.read(&mut [0; 100]).await.expect("an answer") > 0);
    drop(raw);
    // 2: the handshake is finished, and that is all.
    let mut stream = bench.tls("b.test", bench.trusting(&[b"h2", b"http/1.1"])).await.expect("a handshake");
    stream.shutdown().await.expect("closed");
    drop(stream);
    // 3: nothing at all.
    drop(bench.tunnel("d.test:443").await);
    // 4: looks like TLS, but is not.
    let mut raw = bench.tunnel("echo.test:443").await;
    raw.write_all(b"\x16\x03\x01\x00\x05hello").await.expect("sent");
    raw.shutdown().await.expect("half closed");
    assert_eq!(read_all(&mut raw).await.len(), 10);
    // 5: half a ClientHello.
    let mut raw = bench.tunnel("f.test:443").await;
    hello.truncate(50);
    raw.write_all(&hello).await.expect("sent");
    drop(raw);
    let record = bench.finish().await;
    let why = "the client left before its first message was complete".to_owned();
    assert_eq!(
        record.outcomes(),
        [
            TunnelOutcome::ClosedDuringHandshake,
            TunnelOutcome::ClosedWithoutRequest,
            TunnelOutcome::ClosedWithoutRequest,
            TunnelOutcome::NotTls,
            TunnelOutcome::HandshakeFailed { why },
        ]
    );
    assert_eq!(record.tunnels[&TunnelId(2)].alpn, ["h2", "http/1.1"]);
    let leaving = |n| record.tunnels[&TunnelId(n)].evidence.leaving;
    assert_eq!(leaving(2).map(|leaving| leaving.by), Some(LeftBy::CloseNotify));
    assert_eq!(leaving(3), None, "there was no handshake to finish");
    assert!(record.exchanges.is_empty());
}

/// A ClientHello as old systems send it: TLS of this version, these cipher suites, and an offer of signatures or nothing.
fn old_hello(version: u8, signatures: bool) -> Vec<u8> {
    let mut body = vec![0x03, version];
    body.extend([7; 32]);
    // No session; TLS_RSA_WITH_AES_128_CBC_SHA; no compression.
    body.extend([0, 0, 2, 0x00, 0x2f, 1, 0]);
    if signatures {
        // supported_groups: x25519; signature_algorithms: ecdsa_secp256r1_sha256.
        body.extend([0, 16, 0, 10, 0, 4, 0, 2, 0, 0x1d, 0, 13, 0, 4, 0, 2, 4, 3]);
    }
    let length = u8::try_from(body.len()).expect("short");
    let mut hello = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
    hello.append(&mut body);
    hello
}

#[tokio::test]
async fn clients_with_which_no_tls_can_be_spoken_are_told_with_the_reason() {
    for (hello, reason) in
        [(old_hello(1, false), "they have no TLS version in common"), (old_hello(3, true), "they have no cipher suite in common")]
    {
        let bench = Bench::start().await;
        let mut raw = bench.tunnel("old.test:443").await;
        raw.write_all(&hello).await.expect("sent");
        let mut alert = Vec::new();
        raw.read_to_end(&mut alert).await.expect("closed");
        assert_eq!(alert.first(), Some(&0x15), "the client gets an alert");
        assert_eq!(bench.finish().await.outcomes(), [TunnelOutcome::HandshakeFailed { why: reason.to_owned() }]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_that_refuse_and_twenty_that_accept_are_told_apart() {
    let bench = Arc::new(Bench::start().await);
    let mut clients = Vec::new();
    for n in 0..40 {
        let bench = Arc::clone(&bench);
        clients.push(tokio::spawn(async move {
            let host = format!("h{n}.test");
            if n % 2 == 0 {
                assert!(bench.tls(&host, refusing(&rustls::version::TLS13, CertificateError::UnknownIssuer)).await.is_err());
            } else {
                let mut client = bench.http1(&host).await;
                let request = Request::post("/").header("Host", &host).body(body(&host)).expect("a request");
                assert_eq!(client.send_request(request).await.expect("a response").status(), StatusCode::OK);
            }
        }));
    }
    for client in clients {
        client.await.expect("a client's assertions hold");
    }
    let record = Arc::into_inner(bench).expect("all clients are done").finish().await;
    assert_eq!(record.tunnels.len(), 40);
    for tunnel in record.tunnels.values() {
        let n: u32 = tunnel.host[1..tunnel.host.len() - 5].parse().expect("a number");
        let expected = if n.is_multiple_of(2) {
            TunnelOutcome::CertificateRefused { alert: "UnknownCA".to_owned() }
        } else {
            TunnelOutcome::Read { requests: 1 }
        };
        assert_eq!(tunnel.outcome.as_ref(), Some(&expected), "{}", tunnel.host);
    }
}

#[tokio::test]
async fn after_three_refusals_the_app_goes_on_working_unread() {
    let bench = Bench::start().await;
    for _ in 0..3 {
        assert!(bench.tls("pinned.test", bench.pinning(&[b"http/1.1"])).await.is_err(), "it trusts its own server only");
    }
    for _ in 0..2 {
        let stream = bench.passed_on("pinned.test").await;
        let request = Request::post("/").header("Host", "pinned.test").header("Connection", "close").body(body("12345"));
        let response = http1_over(stream).await.send_request(request.expect("a request")).await.expect("a response");
        assert!(text(response).await.starts_with("5 "));
    }
    // Other hosts are read as ever.
    upload(&bench, "api.test").await;
    let record = bench.finish().await;
    let [.., passed, again, read] = &record.tunnels.values().collect::<Vec<_>>()[..] else { panic!("six tunnels") };
    for tunnel in [passed, again] {
        assert_eq!(tunnel.outcome, Some(TunnelOutcome::PassedThrough));
        assert_eq!(tunnel.evidence.passed_because, Some(PassReason::Refused));
        let PassedBytes { sent, received } = tunnel.evidence.bytes.expect("counted");
        assert!(sent > 300 && received > 500, "{sent} {received}");
    }
    assert_eq!(read.outcome, Some(TunnelOutcome::Read { requests: 1 }));
    assert_eq!(record.exchanges.len(), 1);
}

#[tokio::test]
async fn clients_that_close_at_once_are_believed_after_three_times_if_nothing_is_read() {
    let close = async |bench: &Bench| {
        let mut stream = bench.tls("main.test", bench.trusting(&[b"h2"])).await.expect("a handshake");
        stream.shutdown().await.expect("closed");
        // Until the proxy has seen it.
        let _ = stream.read(&mut [0]).await;
    };
    let bench = Bench::start().await;
    close(&bench).await;
    close(&bench).await;
    // A request is read, so that none of the others can mean a client that checks certificates itself.
    upload(&bench, "main.test").await;
    for _ in 0..4 {
        close(&bench).await;
    }
    upload(&bench, "main.test").await;
    let record = bench.finish().await;
    assert_eq!(record.exchanges.len(), 2, "one preconnect more or less blinds no host");
    assert!(record.tunnels.values().all(|tunnel| tunnel.evidence.passed_because.is_none()));

    let bench = Bench::start().await;
    for _ in 0..3 {
        close(&bench).await;
    }
    let stream = bench.tls("main.test", bench.pinning(&[b"h2"])).await;
    assert!(stream.is_ok(), "the fourth is passed on");
    drop(stream);
    let record = bench.finish().await;
    assert_eq!(record.tunnels[&TunnelId(4)].evidence.passed_because, Some(PassReason::Refused));
}

#[tokio::test]
async fn plain_http_of_any_method_is_read_inside_a_tunnel() {
    let bench = Bench::start().await;
    for (method, port) in [("POST", 80), ("PUT", 8080), ("PROPFIND", 80), ("X-OWN", 80)] {
        let mut tunnel = bench.tunnel(&format!("plain.test:{port}")).await;
        let request = format!("{method} /up HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");
        // In two pieces, the first of one byte.
        tunnel.write_all(&request.as_bytes()[..1]).await.expect("sent");
        tunnel.flush().await.expect("sent");
        tokio::task::yield_now().await;
        tunnel.write_all(&request.as_bytes()[1..]).await.expect("sent");
        let answer = read_all(&mut tunnel).await;
        assert_eq!(answer.starts_with("HTTP/1.1 200"), port == 80, "{method}: {answer}");
    }
    let record = bench.finish().await;
    let told: Vec<_> = record.exchanges.values().map(|exchange| (exchange.method.as_str(), exchange.url.as_str())).collect();
    assert_eq!(
        told,
        [
            ("POST", "http://plain.test/up"),
            ("PUT", "http://plain.test:8080/up"),
            ("PROPFIND", "http://plain.test/up"),
            ("X-OWN", "http://plain.test/up"),
        ]
    );
    assert!(record.exchanges.values().all(|exchange| exchange.request.as_ref().is_some_and(|(length, _)| *length == 3)));
}

#[tokio::test]
async fn a_request_that_names_no_path_is_answered_400_and_ends_nothing_else() {
    let bench = Bench::start().await;
    for target in ["", "?x", "api.test:443"] {
        let mut stream = bench.tls("api.test", bench.trusting(&[b"http/1.1"])).await.expect("a handshake");
        stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n").as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.starts_with(b"HTTP/1.1 400"), "{target}: {}", String::from_utf8_lossy(&answer));
    }
    upload(&bench, "api.test").await;
    assert_eq!(bench.finish().await.exchanges.len(), 1);
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard() {
    for (port, at_most) in [(25, 2.0), (2525, 3.0)] {
        let bench = Bench::start().await;
        let began = Instant::now();
        let mut tunnel = bench.tunnel(&format!("banner.test:{port}")).await;
        let mut banner = vec![0; BANNER.len()];
        tunnel.read_exact(&mut banner).await.expect("the server's first word");
        assert_eq!(banner, BANNER.as_bytes());
        assert!(began.elapsed().as_secs_f64() < at_most, "{port}: {:?}", began.elapsed());
        tunnel.write_all(b"EHLO me.test\r\n").await.expect("sent");
        tunnel.shutdown().await.expect("half closed");
        assert_eq!(read_all(&mut tunnel).await, "EHLO me.test\r\n");
        let record = bench.finish().await;
        let tunnel = only(&record);
        assert_eq!(tunnel.outcome, Some(TunnelOutcome::NotTls));
        assert_eq!(tunnel.evidence.protocol.as_deref(), Some("smtp"));
        assert_eq!(tunnel.evidence.bytes, Some(PassedBytes { sent: 14, received: 14 + BANNER.len() as u64 }));
    }
}

#[tokio::test]
async fn what_is_neither_tls_nor_http_is_passed_on_and_counted() {
    let mqtt = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04band";
    for (said, protocol) in [(&mqtt[..], Some("mqtt")), (b"{\"hello\":1}", None), (b"EHLO c.test\r\n", Some("smtp")), (b"x", None)] {
        let bench = Bench::start().await;
        let mut tunnel = bench.tunnel("echo.test:443").await;
        tunnel.write_all(said).await.expect("sent");
        // The half that is closed does not close the other.
        tunnel.shutdown().await.expect("half closed");
        let mut answer = Vec::new();
        tunnel.read_to_end(&mut answer).await.expect("an answer");
        assert_eq!(answer, said);
        let record = bench.finish().await;
        let (tunnel, length) = (only(&record), said.len() as u64);
        assert_eq!(tunnel.outcome, Some(TunnelOutcome::NotTls));
        assert_eq!(tunnel.evidence.protocol.as_deref(), protocol);
        assert_eq!(tunnel.evidence.bytes, Some(PassedBytes { sent: length, received: length }));
    }
}

#[tokio::test]
async fn a_protocol_of_its_own_inside_tls_goes_on_working() {
    let bench = Bench::start().await;
    // Offered by ALPN: the client gets the server's own certificate.
    let mut stream = bench.tls("own.test", bench.pinning(&[b"mqtt"])).await.expect("the server's own certificate");
    stream.write_all(b"12345").await.expect("sent");
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.expect("an answer");
    drop(stream);
    // Not offered: it is seen only once it is decrypted.
    let mut stream = bench.tls("own.test", bench.trusting(&[])).await.expect("our certificate");
    stream.write_all(b"\x00\x0112345").await.expect("sent");
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"\x00\x0112345");
    stream.shutdown().await.expect("closed");
    drop(stream);
    let record = bench.finish().await;
    let [offered, decrypted] = &record.tunnels.values().collect::<Vec<_>>()[..] else { panic!("two tunnels") };
    assert_eq!(offered.outcome, Some(TunnelOutcome::PassedThrough));
    assert_eq!(offered.evidence.passed_because, Some(PassReason::OwnProtocol));
    assert_eq!(offered.evidence.protocol.as_deref(), Some("mqtt"));
    assert!(offered.evidence.bytes.is_some_and(|bytes| bytes.sent > 200 && bytes.received > 500), "{:?}", offered.evidence);
    assert_eq!(decrypted.outcome, Some(TunnelOutcome::OwnProtocol));
    assert_eq!(decrypted.evidence.bytes, Some(PassedBytes { sent: 7, received: 7 }));
}

#[tokio::test]
async fn http_without_alpn_is_read() {
    let bench = Bench::start().await;
    let stream = bench.tls("api.test", bench.trusting(&[])).await.expect("a handshake");
    let request = Request::post("/up").header("Host", "api.test").body(body("123")).expect("a request");
    let response = http1_over(stream).await.send_request(request).await.expect("a response");
    assert!(text(response).await.starts_with("3 "));
    assert_eq!(bench.finish().await.only_exchange().url, "https://api.test/up");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_told() {
    let bench = Bench::start().await;
    let mut tunnel = bench.tunnel("dead.test:443").await;
    tunnel.write_all(b"\x00\x01").await.expect("sent");
    assert_eq!(read_all(&mut tunnel).await, "");
    let record = bench.finish().await;
    let why = "the server refused the connection".to_owned();
    assert_eq!(record.outcomes(), [TunnelOutcome::Unreachable { why }]);

    // What is passed on from the start gets a true answer.
    let bench = Bench::gated(Scope::only("api.test")).await;
    let (_, head) = bench.connect("dead.test:443").await;
    assert!(head.starts_with("HTTP/1.1 502"), "{head}");
    bench.finish().await;
}

#[tokio::test]
async fn a_tunnel_to_an_ipv6_address_is_read() {
    let bench = Bench::start().await;
    let tunnel = bench.tunnel("[2001:db8::7]:443").await;
    let name = ServerName::try_from("api.test").expect("a name");
    let stream = TlsConnector::from(bench.trusting(&[b"http/1.1"])).connect(name, tunnel).await.expect("a handshake");
    let request = Request::get("/").header("Host", "api.test").body(body("")).expect("a request");
    assert_eq!(http1_over(stream).await.send_request(request).await.expect("a response").status(), StatusCode::OK);
    // Without a name, the certificate is for the address.
    let tunnel = bench.tunnel("[2001:db8::8]:8443").await;
    let name = ServerName::try_from("2001:db8::8").expect("an address");
    let stream = TlsConnector::from(bench.trusting(&[b"http/1.1"])).connect(name, tunnel).await.expect("a handshake");
    let request = Request::get("/").header("Host", "[2001:db8::8]:8443").body(body("")).expect("a request");
    assert_eq!(http1_over(stream).await.send_request(request).await.expect("a response").status(), StatusCode::BAD_GATEWAY);
    let record = bench.finish().await;
    let urls: Vec<_> = record.exchanges.values().map(|exchange| exchange.url.as_str()).collect();
    assert_eq!(urls, ["https://api.test/", "https://[2001:db8::8]:8443/"]);
    assert_eq!(record.tunnels[&TunnelId(2)].host, "2001:db8::8");
}

#[tokio::test]
async fn half_a_request_is_not_waited_for_for_ever() {
    let limit = Duration::from_millis(200);
    let bench = Bench::set_up(Scope::everything(), |proxy| proxy.with_head_limit(limit)).await;
    let mut stream = bench.tls("api.test", bench.trusting(&[b"http/1.1"])).await.expect("a handshake");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: ").await.expect("sent");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let mut direct = TcpStream::connect(bench.address()).await.expect("the proxy listens");
    direct.write_all(b"GET http://plain.test/ HTTP/1.1\r\n").await.expect("sent");
    let _ = read_all(&mut direct).await;
    let record = bench.finish().await;
    assert!(record.exchanges.is_empty());
    assert_eq!(record.outcomes(), [TunnelOutcome::ClosedWithoutRequest, TunnelOutcome::ClosedWithoutRequest]);
}

#[tokio::test]
async fn stopping_ends_what_is_passed_on_and_tells_what_was_counted() {
    let bench = Bench::start().await;
    let mut tunnel = bench.tunnel("echo.test:7").await;
    tunnel.write_all(b"\x00ping").await.expect("sent");
    tunnel.read_exact(&mut [0; 5]).await.expect("an answer");
    let began = Instant::now();
    let record = bench.finish().await;
    assert!(began.elapsed() < Duration::from_secs(2), "it is not waited for: {:?}", began.elapsed());
    assert_eq!(only(&record).evidence.bytes, Some(PassedBytes { sent: 5, received: 5 }));
    assert_eq!(read_all(&mut tunnel).await, "");
}

async fn upload(bench: &Bench, host: &str) {
    let mut client = bench.http1(host).await;
    let request = Request::post("/").header("Host", host).body(body("1")).expect("a request");
    let response = client.send_request(request).await.expect("a response");
    assert!(text(response).await.starts_with("1 "));
}

fn only(record: &Record) -> &ToldTunnel {
    assert_eq!(record.tunnels.len(), 1);
    &record.tunnels[&TunnelId(1)]
}
