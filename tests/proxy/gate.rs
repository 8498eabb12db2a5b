//! Who may use the proxy, which hosts are read, and the page of our own.

use std::{
    net::IpAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use hyper::{Request, StatusCode};
use rustls::pki_types::ServerName;
use tattletale::{
    model::{PassReason, PassedBytes, TunnelId, TunnelOutcome},
    traffic::proxy::{Gate, Page, Visit},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::bench::{Bench, body, http1_over, text};

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

fn door() -> &'static Door {
    Box::leak(Box::default())
}

#[tokio::test]
async fn strangers_get_407_and_leave_no_trace() {
    let door = door();
    let bench = Bench::gated(door).await;
    for authority in ["api.test:443", "plain.test:80", "echo.test:7"] {
        let (_, head) = bench.connect(authority).await;
        assert!(head.starts_with("HTTP/1.1 407"), "{head}");
        assert!(head.to_ascii_lowercase().contains("proxy-authenticate: "), "RFC 9110 section 15.5.8: {head}");
    }
    let answer = bench.ask("GET http://plain.test/ HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 407"), "{answer}");
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
    for protocol in [b"http/1.1".as_slice(), b"h2"] {
        let stream = bench.tls("welcome.test", bench.trusting(&[protocol])).await.expect("our certificate, though a stranger");
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
async fn what_is_outside_the_scope_is_passed_on_unread_and_counted() {
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
    let length = answer.split("\r\n\r\n").nth(1).expect("a body").len() as u64;
    // 5: what is inside the scope is read, by address too.
    let tunnel = bench.tunnel("192.0.2.8:443").await;
    let name = ServerName::try_from("api.test").expect("a name");
    let stream = TlsConnector::from(bench.trusting(&[b"http/1.1"])).connect(name, tunnel).await.expect("our certificate");
    let request = Request::get("/").header("Host", "api.test").body(body("")).expect("a request");
    assert_eq!(http1_over(stream).await.send_request(request).await.expect("a response").status(), StatusCode::OK);
    let record = bench.finish().await;

    assert_eq!(record.only_exchange().url, "https://api.test/");
    for n in [1, 3, 4] {
        let tunnel = &record.tunnels[&TunnelId(n)];
        assert_eq!(tunnel.outcome, Some(TunnelOutcome::PassedThrough), "{n}");
        assert_eq!(tunnel.evidence.passed_because, Some(PassReason::OutsideScope), "{n}");
        assert!(tunnel.evidence.bytes.is_some_and(|bytes| bytes.sent > 0 && bytes.received > 0), "{n}: {:?}", tunnel.evidence);
    }
    let why = "no server of this machine stands in for that host".to_owned();
    assert_eq!(record.tunnels[&TunnelId(2)].outcome, Some(TunnelOutcome::Unreachable { why }));
    let plain = &record.tunnels[&TunnelId(4)];
    assert_eq!((plain.host.as_str(), plain.evidence.bytes), ("bank.test", Some(PassedBytes { sent: 6, received: length })));
}
