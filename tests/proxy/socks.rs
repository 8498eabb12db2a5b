//! The way in by SOCKS5 (RFC 1928), at the address where HTTP is taken as well.

use std::net::IpAddr;

use hyper::Request;
use rustls::pki_types::ServerName;
use tattletale::{
    model::{PassReason, TunnelId, TunnelOutcome},
    traffic::proxy::{Gate, Page, Visit},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{
    bench::{Bench, body, http1_over, read_all, text},
    gate::{Scope, open_door},
};

const NAME: u8 = 3;

async fn greet(bench: &Bench) -> TcpStream {
    let mut stream = TcpStream::connect(bench.address()).await.expect("it listens");
    // Two methods: with a password, and without.
    stream.write_all(&[5, 2, 2, 0]).await.expect("sent");
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(answer, [5, 0], "without a password");
    stream
}

/// Asks for a connection; the stream, and the reply's code.
async fn ask(bench: &Bench, command: u8, kind: u8, address: &[u8], port: u16) -> (TcpStream, u8) {
    let mut stream = greet(bench).await;
    let mut request = vec![5, command, 0, kind];
    if kind == NAME {
        request.push(u8::try_from(address.len()).expect("short"));
    }
    request.extend(address);
    request.extend(port.to_be_bytes());
    stream.write_all(&request).await.expect("sent");
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).await.expect("a reply");
    assert_eq!((reply[0], &reply[2..]), (5, &[0, 1, 0, 0, 0, 0, 0, 0][..]));
    (stream, reply[1])
}

#[tokio::test]
async fn a_client_that_comes_by_socks_is_read_like_any_other() {
    let bench = Bench::start().await;
    let addresses: [(u8, Vec<u8>); 3] = [
        (NAME, b"API.test".to_vec()),
        (1, vec![192, 0, 2, 7]),
        (4, "2001:db8::7".parse::<std::net::Ipv6Addr>().expect("an address").octets().to_vec()),
    ];
    for (kind, address) in addresses {
        let (stream, code) = ask(&bench, 1, kind, &address, 443).await;
        assert_eq!(code, 0);
        let name = ServerName::try_from("api.test").expect("a name");
        let stream = TlsConnector::from(bench.trusting(&[b"http/1.1"])).connect(name, stream).await.expect("a handshake");
        let request = Request::post("/up").header("Host", "api.test").body(body("123")).expect("a request");
        let response = http1_over(stream).await.send_request(request).await.expect("a response");
        assert!(text(response).await.starts_with("3 "));
    }
    let record = bench.finish().await;
    assert!(record.exchanges.values().all(|exchange| exchange.url == "https://api.test/up"));
    let hosts: Vec<_> = record.tunnels.values().map(|tunnel| tunnel.host.as_str()).collect();
    assert_eq!(hosts, ["api.test", "192.0.2.7", "2001:db8::7"]);
    assert_eq!(record.exchanges.len(), 3);
}

#[tokio::test]
async fn what_is_outside_the_scope_is_passed_on_by_socks_and_our_own_page_is_answered() {
    let bench = Bench::gated(Scope::only("api.test")).await;
    let (stream, code) = ask(&bench, 1, NAME, b"bank.test", 443).await;
    assert_eq!(code, 0);
    let name = ServerName::try_from("bank.test").expect("a name");
    drop(TlsConnector::from(bench.pinning(&[b"h2"])).connect(name, stream).await.expect("the server's own certificate"));
    assert_eq!(ask(&bench, 1, NAME, b"dead.test", 443).await.1, 4, "what is passed on is not reached");
    let record = bench.finish().await;
    let told: Vec<_> = record.tunnels.values().map(|tunnel| (tunnel.host.as_str(), tunnel.evidence.passed_because)).collect();
    let outside = Some(PassReason::OutsideScope);
    assert_eq!(told, [("outside-scope-1", outside), ("outside-scope-2", outside)]);

    let bench = Bench::gated(open_door()).await;
    let (mut stream, code) = ask(&bench, 1, NAME, b"welcome.test", 80).await;
    assert_eq!(code, 0);
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("sent");
    let page = read_all(&mut stream).await;
    assert!(page.starts_with("HTTP/1.1 200") && page.ends_with("GET /a plain nobody"), "{page}");
    assert!(bench.finish().await.tunnels.is_empty());
}

#[tokio::test]
async fn what_socks_cannot_give_is_refused_with_its_code_and_told() {
    let malformed = |why: &str| TunnelOutcome::Malformed { why: why.to_owned() };
    let (other, none) = ("it asks by SOCKS5 for something else than a connection", "what it asks for by SOCKS5 is no server");
    for (command, kind, address, expected, host, why) in [
        // BIND, UDP ASSOCIATE, an unknown type of address, names that are none.
        (2, NAME, &b"api.test"[..], 7, "api.test", other),
        (3, NAME, b"API.test", 7, "api.test", other),
        (1, 9, b"", 8, "", none),
        (1, NAME, b"", 1, "", none),
        (1, NAME, b"a b.test", 1, "", none),
        (1, NAME, b"\xff\xfe", 1, "", none),
    ] {
        let bench = Bench::start().await;
        let (mut stream, code) = ask(&bench, command, kind, address, 443).await;
        assert_eq!(code, expected, "{command} {kind} {address:?}");
        assert_eq!(read_all(&mut stream).await, "");
        let record = bench.finish().await;
        let told = &record.tunnels[&TunnelId(1)];
        assert_eq!((told.host.as_str(), told.outcome.as_ref()), (host, Some(&malformed(why))), "{command} {kind} {address:?}");
        assert_eq!((told.evidence.protocol.as_deref(), told.evidence.client.is_some()), (Some("socks5"), host.is_empty()));
        assert!(told.evidence.bytes.is_some_and(|bytes| bytes.sent >= 8 && bytes.received == 0), "{:?}", told.evidence);
        assert!(record.exchanges.is_empty());
    }
    let no_password = malformed("it asks by SOCKS5 for a password, and there is none");
    for (said, expected, outcome) in [
        (&[5, 1, 2][..], &[5, 0xff][..], no_password),
        // Whoever leaves in the middle of it.
        (&[5, 3, 0], &[], TunnelOutcome::ClosedWithoutRequest),
        (&[5, 1, 0, 5, 1, 0, 3, 9, b'a'], &[5, 0], TunnelOutcome::ClosedWithoutRequest),
    ] {
        let bench = Bench::start().await;
        let mut stream = TcpStream::connect(bench.address()).await.expect("it listens");
        stream.write_all(said).await.expect("sent");
        stream.shutdown().await.expect("half closed");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, expected, "{said:?}");
        let record = bench.finish().await;
        assert_eq!(record.tunnels[&TunnelId(1)].outcome.as_ref(), Some(&outcome), "{said:?}");
    }
}

#[tokio::test]
async fn strangers_get_nothing_by_socks() {
    #[derive(Debug)]
    struct Closed;
    impl Gate for Closed {
        fn admits(&self, _client: IpAddr) -> bool {
            false
        }
        fn reads(&self, _host: &str) -> bool {
            true
        }
        fn page(&self, _visit: &Visit<'_>) -> Option<Page> {
            None
        }
    }
    let bench = Bench::gated(Closed).await;
    let (_, code) = ask(&bench, 1, NAME, b"api.test", 443).await;
    assert_eq!(code, 2, "not allowed by the rules");
    assert_eq!(ask(&bench, 3, NAME, b"api.test", 443).await.1, 7);
    assert!(bench.dialled().is_empty());
    assert!(bench.finish().await.tunnels.is_empty());
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_by_socks() {
    let bench = Bench::start().await;
    let (mut stream, code) = ask(&bench, 1, NAME, b"banner.test", 25).await;
    assert_eq!(code, 0);
    let mut banner = vec![0; super::bench::BANNER.len()];
    stream.read_exact(&mut banner).await.expect("the server's first word");
    drop(stream);
    let record = bench.finish().await;
    assert_eq!(record.tunnels[&TunnelId(1)].evidence.protocol.as_deref(), Some("smtp"));
}
