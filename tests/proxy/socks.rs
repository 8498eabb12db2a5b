//! The way in by SOCKS5 (RFC 1928).

use std::net::{IpAddr, SocketAddr};

use hyper::Request;
use rustls::pki_types::ServerName;
use tattletale::{
    model::TunnelId,
    traffic::proxy::{Gate, Page, Visit},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{
    bench::{Bench, body, http1_over, read_all, text},
    gate::Scope,
};

const NAME: u8 = 3;

async fn bench() -> Bench {
    Bench::set_up(Scope::everything(), |proxy| proxy.with_socks(SocketAddr::from(([127, 0, 0, 1], 0)))).await
}

async fn greet(bench: &Bench) -> TcpStream {
    let address = bench.proxy.socks_address().expect("it listens for SOCKS5");
    let mut stream = TcpStream::connect(address).await.expect("it listens");
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
    let bench = bench().await;
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
async fn what_socks_cannot_give_is_refused_with_its_code() {
    let bench = bench().await;
    for (command, kind, address, expected) in [
        // BIND, UDP ASSOCIATE, an unknown type of address, names that are none.
        (2, NAME, &b"api.test"[..], 7),
        (3, NAME, b"api.test", 7),
        (1, 9, b"", 8),
        (1, NAME, b"", 1),
        (1, NAME, b"a b.test", 1),
        (1, NAME, b"\xff\xfe", 1),
    ] {
        let (mut stream, code) = ask(&bench, command, kind, address, 443).await;
        assert_eq!(code, expected, "{command} {kind} {address:?}");
        assert_eq!(read_all(&mut stream).await, "");
    }
    let address = bench.proxy.socks_address().expect("it listens for SOCKS5");
    for (said, expected) in [(&[5, 1, 2][..], &[5, 0xff][..]), (b"\x04\x01", b""), (b"GET / HTTP/1.1\r\n\r\n", b"")] {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.write_all(said).await.expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, expected, "{said:?}");
    }
    let record = bench.finish().await;
    assert!(record.tunnels.is_empty() && record.exchanges.is_empty());
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
    let bench = Bench::set_up(Closed, |proxy| proxy.with_socks(SocketAddr::from(([127, 0, 0, 1], 0)))).await;
    let (_, code) = ask(&bench, 1, NAME, b"api.test", 443).await;
    assert_eq!(code, 2, "not allowed by the rules");
    assert!(bench.dialled().is_empty());
    assert!(bench.finish().await.tunnels.is_empty());
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_by_socks() {
    let bench = bench().await;
    let (mut stream, code) = ask(&bench, 1, NAME, b"banner.test", 25).await;
    assert_eq!(code, 0);
    let mut banner = vec![0; super::bench::BANNER.len()];
    stream.read_exact(&mut banner).await.expect("the server's first word");
    drop(stream);
    let record = bench.finish().await;
    assert_eq!(record.tunnels[&TunnelId(1)].evidence.protocol.as_deref(), Some("smtp"));
}
