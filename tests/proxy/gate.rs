//! Who may use the proxy, which hosts are read, and the page of our own.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use hyper::{Request, StatusCode};
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

use super::bench::{Bench, body, digest, http1_over, read_answer, text};

/// Reads one host only, or all.
#[derive(Debug)]
pub(crate) struct Scope(Option<&'static str>);

impl Scope {
    pub(crate) fn only(host: &'static str) -> Self {
        Self(Some(host))
    }

    pub(crate) fn everything() -> Self {
        Self(None)
    }
}

impl Gate for Scope {
    fn admits(&self, _client: IpAddr) -> bool {
        true
    }

    fn reads(&self, host: &str) -> bool {
        self.0.is_none_or(|only| only == host)
    }

    fn page(&self, _visit: &Visit<'_>) -> Option<Page> {
        None
    }
}

/// Admits nobody before the door is opened, and has a page.
#[derive(Debug, Default)]
pub(crate) struct Door {
    open: AtomicBool,
    visits: Mutex<Vec<String>>,
}

impl Gate for &'static Door {
    fn admits(&self, _client: IpAddr) -> bool {
        self.open.load(Ordering::SeqCst)
    }

    fn reads(&self, _host: &str) -> bool {
        true
    }

    fn page(&self, visit: &Visit<'_>) -> Option<Page> {
        if visit.host != "welcome.test" || visit.path_and_query == "/missing" {
            return None;
        }
        let how = if visit.decrypted { "decrypted" } else { "plain" };
        let told = format!("{} {} {how} {}", visit.method, visit.path_and_query, visit.user_agent.unwrap_or("nobody"));
        self.visits.lock().expect("nobody panics here").push(format!("{} {told}", visit.client));
        Some(Page { status: 200, headers: vec![("content-type", "text/plain".to_owned())], body: told.into_bytes() })
    }
}

pub(crate) fn door() -> &'static Door {
    Box::leak(Box::default())
}

#[tokio::test]
async fn strangers_get_407_and_leave_no_trace() {
    let door = door();
    let bench = Bench::gated(door).await;
    // Not even to the page: the form for whatever admits a client is there without a tunnel.
    for authority in ["api.test:443", "plain.test:80", "echo.test:7", "welcome.test:443", "welcome.test:80"] {
        let (_, head) = bench.connect(authority).await;
        assert!(head.starts_with("HTTP/1.1 407"), "{head}");
        assert!(head.to_ascii_lowercase().contains("proxy-authenticate: "), "RFC 9110 section 15.5.8: {head}");
    }
    let answer = bench.ask("GET http://plain.test/ HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 407"), "{answer}");
    let answer = bench.ask("GET http://welcome.test/ HTTP/1.1\r\nHost: welcome.test\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    door.open.store(true, Ordering::SeqCst);
    let answer = bench.ask("GET http://plain.test/ HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(bench.dialled(), ["plain.test:80"]);
    let record = bench.finish().await;
    assert_eq!((record.exchanges.len(), record.tunnels.len()), (1, 0));
}

#[tokio::test]
async fn the_page_is_answered_by_us_in_plain_and_decrypted_and_never_recorded() {
    let door = door();
    let bench = Bench::gated(door).await;
    let ask = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: welcome.test\r\nUser-Agent: me\r\nConnection: close\r\n\r\n");
    let answer = bench.ask(&ask("http://Welcome.test/a?b")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("GET /a?b plain me"), "{answer}");
    // Asked of the proxy itself, as one does who types its address into a browser.
    let answer = bench.ask(&ask("/here")).await;
    assert!(answer.ends_with("GET /here plain me"), "{answer}");
    door.open.store(true, Ordering::SeqCst);
    for protocol in [b"http/1.1".as_slice(), b"h2"] {
        let stream = bench.tls("welcome.test", bench.trusting(&[protocol])).await.expect("our certificate");
        let response = if protocol == b"h2" {
            let io = hyper_util::rt::TokioIo::new(stream);
            let (mut client, connection) =
                hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.expect("HTTP/2");
            tokio::spawn(connection);
            client.send_request(Request::get("https://welcome.test/check").body(body("")).expect("a request")).await
        } else {
            http1_over(stream).await.send_request(Request::get("/check").header("Host", "x").body(body("")).expect("a request")).await
        };
        assert_eq!(text(response.expect("a response")).await, "GET /check decrypted nobody");
    }
    let mut client = bench.http1("welcome.test").await;
    let missing = client.send_request(Request::get("/missing").header("Host", "x").body(body("")).expect("a request")).await;
    assert_eq!(missing.expect("a response").status(), StatusCode::NOT_FOUND);
    let mut tunnel = bench.tunnel("welcome.test:80").await;
    tunnel.write_all(ask("/in-a-tunnel").as_bytes()).await.expect("sent");
    let mut answer = String::new();
    tunnel.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.ends_with("GET /in-a-tunnel plain me"), "{answer}");
    assert!(bench.tls("welcome.test", bench.pinning(&[b"h2"])).await.is_err(), "a client that does not trust us");
    assert!(bench.dialled().is_empty());
    assert!(door.visits.lock().expect("nobody panics here").iter().any(|visit| visit.starts_with("127.0.0.1 GET")));
    let record = bench.finish().await;
    assert_eq!((record.exchanges.len(), record.tunnels.len()), (0, 0));
}

#[tokio::test]
async fn what_is_outside_the_scope_is_counted_and_neither_read_nor_named() {
    let bench = Bench::gated(Scope::only("api.test")).await;
    // 1: by name. The client sees the server's own certificate.
    let stream = bench.tls("bank.test", bench.pinning(&[b"h2"])).await.expect("the server's own certificate");
    drop(stream);
    // 2: by address, with the name in the ClientHello.
    let tunnel = bench.tunnel("192.0.2.7:443").await;
    let name = ServerName::try_from("bank.test").expect("a name");
    assert!(TlsConnector::from(bench.pinning(&[b"h2"])).connect(name, tunnel).await.is_err(), "the local upstream knows no addresses");
    // 3: a name that is read in the CONNECT, and one that is not in the ClientHello.
    let tunnel = bench.tunnel("api.test:443").await;
    let name = ServerName::try_from("bank.test").expect("a name");
    TlsConnector::from(bench.pinning(&[b"h2"])).connect(name, tunnel).await.expect("the server's own certificate");
    // 4: without TLS and without a tunnel.
    let request = "POST http://bank.test/login HTTP/1.1\r\nHost: bank.test\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret";
    let answer = bench.ask(request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // 5: what is inside the scope is read, by address too.
    let tunnel = bench.tunnel("192.0.2.8:443").await;
    let name = ServerName::try_from("api.test").expect("a name");
    let stream = TlsConnector::from(bench.trusting(&[b"http/1.1"])).connect(name, tunnel).await.expect("our certificate");
    let request = Request::get("/").header("Host", "api.test").body(body("")).expect("a request");
    assert_eq!(http1_over(stream).await.send_request(request).await.expect("a response").status(), StatusCode::OK);
    // 6: an address, and nothing that says whose it is.
    let mut silent = bench.tunnel("192.0.2.9:5222").await;
    silent.write_all(b"<stream:stream to='chat.test'>").await.expect("sent");
    drop(silent);
    // 7: a server that is not there.
    assert!(bench.connect("dead.test:443").await.1.starts_with("HTTP/1.1 502"));
    let record = bench.finish().await;

    assert_eq!(record.only_exchange().url, "https://api.test/");
    let outside = |n: u64| {
        let tunnel = &record.tunnels[&TunnelId(n)];
        assert_eq!(tunnel.evidence.passed_because, Some(PassReason::OutsideScope), "{n}");
        assert_eq!((tunnel.sni.as_deref(), tunnel.alpn.len(), tunnel.evidence.protocol.as_deref()), (None, 0, None), "{n}");
        (tunnel.host.as_str(), tunnel.outcome.clone().expect("it ended"))
    };
    assert_eq!(outside(1), ("outside-scope-1", TunnelOutcome::PassedThrough));
    let why = "no server of this machine stands in for that host".to_owned();
    assert_eq!(outside(2), ("outside-scope-1", TunnelOutcome::Unreachable { why: why.clone() }), "the same host by its address");
    assert_eq!(outside(4), ("outside-scope-1", TunnelOutcome::PassedThrough));
    // Which of the two came to its end first, nobody knows.
    assert_eq!(BTreeSet::from([outside(6).0, outside(7).0]), BTreeSet::from(["outside-scope-2", "outside-scope-3"]));
    assert!(matches!(outside(7).1, TunnelOutcome::Unreachable { .. }));
    let named = &record.tunnels[&TunnelId(3)];
    assert_eq!((named.host.as_str(), named.sni.as_deref()), ("api.test", None), "what is in the scope is not called outside");
    assert_eq!((&named.outcome, named.evidence.passed_because), (&Some(TunnelOutcome::PassedThrough), Some(PassReason::NamesOutside)));
    let read = &record.tunnels[&TunnelId(5)];
    assert_eq!((read.host.as_str(), read.sni.as_deref()), ("192.0.2.8", Some("api.test")), "what is in the scope is told as it is");
    for n in [1, 3, 4] {
        let bytes = record.tunnels[&TunnelId(n)].evidence.bytes.expect("counted");
        assert!(bytes.sent > 0 && bytes.received > 0, "{n}: {bytes:?}");
    }
}

#[tokio::test]
async fn a_request_inside_the_scope_that_names_a_host_outside_is_passed_on_and_not_recorded() {
    let bench = Bench::gated(Scope::only("api.test")).await;
    let get = |target: &str, host: &str| Request::get(target).header("Host", host).body(body("")).expect("a request");
    // 1: by its Host header, after one that is read; 2 counts it.
    let mut client = bench.http1("api.test").await;
    let read = client.send_request(get("/read", "api.test")).await.expect("a response");
    assert_eq!((read.status(), text(read).await), (StatusCode::OK, format!("0 {}", digest(b""))));
    let fronted = client.send_request(get("/account", "bank.test")).await.expect("a response");
    assert_eq!((fronted.status(), text(fronted).await), (StatusCode::OK, format!("0 {}", digest(b""))), "the client is served");
    drop(client);
    // 3: by its target; 4 counts it.
    let mut client = bench.http1("api.test").await;
    client.send_request(get("http://bank.test/account", "api.test")).await.expect("a response");
    drop(client);
    // 5: without a tunnel; 6 counts it.
    let answer = bench.ask("GET http://api.test/account HTTP/1.1\r\nHost: bank.test\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Of two names, nobody knows which one the server takes: it is not passed on.
    let answer = bench.ask("GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\nHost: bank.test\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    // 7: after one that was passed on, in the same tunnel; 8 counts that.
    let mut tunnel = bench.tunnel("api.test:80").await;
    tunnel.write_all(b"GET /account HTTP/1.1\r\nHost: bank.test\r\n\r\n").await.expect("sent");
    read_answer(&mut tunnel).await;
    tunnel.write_all(b"GET /\xff\xff HTTP/9.9\r\n\r\n").await.expect("sent");
    tunnel.read_to_end(&mut Vec::new()).await.expect("it is closed");
    let mut record = bench.finish().await;
    let (_, after) = (record.tunnels.pop_last().expect("counted"), record.tunnels.pop_last().expect("told").1);
    assert_eq!(after.outcome, Some(TunnelOutcome::PassedThrough));
    assert!(matches!(after.evidence.afterwards, Some(TunnelOutcome::Malformed { .. })), "{:?}", after.evidence);
    assert_eq!(after.evidence.bytes.map(|bytes| bytes.sent), Some(20));
    let refused = record.tunnels.pop_last().expect("told").1;
    let why = "it names no server of HTTP, or several".to_owned();
    assert_eq!((refused.host.as_str(), refused.outcome), ("api.test", Some(TunnelOutcome::Malformed { why })));

    assert_eq!(record.only_exchange().url, "https://api.test/read");
    let told: Vec<_> = record.tunnels.iter().map(|(id, tunnel)| (id.0, tunnel.host.as_str(), tunnel.evidence.passed_because)).collect();
    let outside = |n| (n, "outside-scope-1", Some(PassReason::OutsideScope));
    let around = |n| (n, "api.test", Some(PassReason::NamesOutside));
    assert_eq!(told, [around(1), outside(2), around(3), outside(4), around(5), outside(6)]);
    assert_eq!(record.tunnels[&TunnelId(1)].outcome, Some(TunnelOutcome::Read { requests: 1 }));
    assert_eq!(record.tunnels[&TunnelId(3)].outcome, Some(TunnelOutcome::PassedThrough));
}

#[tokio::test]
async fn plain_http_and_websockets_outside_the_scope_are_counted_whole_and_left_as_they_are() {
    let bench = Bench::gated(Scope::only("api.test")).await;
    let heads = |text: &str| text.split_inclusive("\r\n\r\n").next().map_or(0, str::len) as u64;
    let request = "POST http://bank.test/login HTTP/1.1\r\nHost: bank.test\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret";
    let answer = bench.ask(request).await;
    // A server that repeats what it gets, after it has agreed to a WebSocket with the subprotocol that was asked for.
    let upgrade = "GET http://socket.test/chat HTTP/1.1\r\nHost: front.bank.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat.v2\r\n\r\n";
    let mut stream = TcpStream::connect(bench.address()).await.expect("the proxy listens");
    stream.write_all(upgrade.as_bytes()).await.expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a response"));
    }
    let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101") && head.contains("sec-websocket-protocol: chat.v2"), "{head}");
    assert!(head.contains("x-host: front.bank.test"), "the server gets the name that the client gave: {head}");
    stream.write_all(&[0x5a; 1000]).await.expect("sent");
    let mut echoed = vec![0; 1000];
    stream.read_exact(&mut echoed).await.expect("echoed");
    drop(stream);
    let record = bench.finish().await;
    assert!(record.exchanges.is_empty());
    let told: Vec<_> = record.tunnels.values().map(|tunnel| (tunnel.host.as_str(), tunnel.evidence.bytes.expect("counted"))).collect();
    let [(_, plain), (_, socket)] = told[..] else { panic!("two connections: {told:?}") };
    assert_eq!(plain.sent, request.len() as u64, "head and body");
    let length = answer.split("\r\n\r\n").nth(1).expect("a body").len() as u64;
    assert!(plain.received > length && plain.received <= answer.len() as u64, "{plain:?} {answer}");
    assert_eq!(socket.sent, upgrade.len() as u64 + 1000);
    assert!(socket.received > 1000 + 100 && socket.received <= 1000 + heads(&head), "{socket:?} {head}");
}

#[tokio::test]
async fn what_was_refused_before_the_certificate_was_installed_is_read_once_it_is() {
    for trust_is_shown_by in ["api.test", "welcome.test"] {
        let bench = Bench::gated(open_door()).await;
        for _ in 0..3 {
            assert!(bench.tls("late.test", bench.pinning(&[b"http/1.1"])).await.is_err(), "our certificate is not installed");
        }
        // After three times it is passed on, so that the app works. What needs no certificate is read all the same.
        drop(bench.passed_on("late.test").await);
        let mut plain = bench.tunnel("late.test:80").await;
        plain.write_all(b"GET /plain HTTP/1.1\r\nHost: late.test\r\n\r\n").await.expect("sent");
        read_answer(&mut plain).await;
        drop((plain, bench.passed_on("late.test").await));
        bench.http1(trust_is_shown_by).await.send_request(get("/check")).await.expect("a response");
        let response = bench.http1("late.test").await.send_request(get("/")).await.expect("our certificate, once it is installed");
        assert_eq!(response.status(), StatusCode::OK);
        // An app that trusts nobody else goes on working.
        for _ in 0..3 {
            assert!(bench.tls("pinned.test", bench.pinning(&[b"http/1.1"])).await.is_err());
        }
        bench.http1("api.test").await.send_request(get("/")).await.expect("a response");
        drop(bench.passed_on("pinned.test").await);
        let record = bench.finish().await;
        let read = |host: &str| record.exchanges.values().filter(|exchange| exchange.url == format!("https://{host}/")).count();
        assert_eq!((read("late.test"), read("pinned.test")), (1, 0), "{trust_is_shown_by}");
        assert!(record.exchanges.values().any(|exchange| exchange.url == "http://late.test/plain"), "{trust_is_shown_by}");
    }
}

#[tokio::test]
async fn strangers_have_few_connections_and_not_for_long_and_whoever_is_admitted_is_not_kept_out() {
    let door = door();
    let bench = Bench::set_up(door, |proxy| proxy.with_head_limit(std::time::Duration::from_secs(2))).await;
    let closed = async |stream: &mut TcpStream| matches!(stream.read(&mut [0]).await, Ok(0) | Err(_));
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(TcpStream::connect(bench.address()).await.expect("the proxy listens"));
    }
    // They are taken in the order in which they came.
    assert!(closed(&mut idle.pop().expect("the last")).await, "more than a browser opens is too much");
    door.open.store(true, Ordering::SeqCst);
    let answer = bench.ask("GET http://plain.test/ HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    door.open.store(false, Ordering::SeqCst);
    for stream in &mut idle {
        assert!(closed(stream).await, "whoever says nothing has to leave");
    }
    let answer = bench.ask("GET http://welcome.test/ HTTP/1.1\r\nHost: welcome.test\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "their places are free again: {answer}");
    let record = bench.finish().await;
    assert_eq!((record.exchanges.len(), record.tunnels.len()), (1, 0), "nothing of strangers is recorded");
}

pub(crate) fn open_door() -> &'static Door {
    let door = door();
    door.open.store(true, Ordering::SeqCst);
    door
}

fn get(path: &str) -> Request<http_body_util::Full<bytes::Bytes>> {
    Request::get(path).header("Host", "x").body(body("")).expect("a request")
}
