//! Connections to servers: each belongs to one client's connection, is used again for what that one asks next, and ends with it.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use jiff::Timestamp;
use rustls::{HandshakeKind, pki_types::ServerName};
use tattletale::{
    clock::Clock,
    traffic::{
        RunningSource, TrafficEvent,
        authority::Authority,
        proxy::{LocalUpstream, OpenGate, Proxy, ProxySetup, RunningProxy, Upstream, UpstreamProxy},
        queue,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Barrier, mpsc},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    bench::{body, http1_over, read_all, read_answer},
    servers::{accept_tls, tcp_server, trusting},
};

/// Nothing here takes so long.
const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_server_that_closes_without_a_word_fails_no_client_that_dials_anew() {
    let server = tcp_server(|mut wire| async move {
        let mut request = [0; 4096];
        let mut came = 0;
        while !request[..came].ends_with(b"\r\n\r\nhello") {
            match wire.read(&mut request[came..]).await {
                Ok(0) | Err(_) => return,
                Ok(count) => came += count,
            }
        }
        wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.expect("sent");
        tokio::time::sleep(Duration::from_millis(2)).await;
    })
    .await;
    let proxy = Front::to(server, 80).await;
    let mut failed = 0;
    for _ in 0..300 {
        let mut client = TcpStream::connect(proxy.address()).await.expect("the proxy listens");
        let upload = b"POST http://api.test/ HTTP/1.1\r\nHost: api.test\r\nContent-Length: 5\r\n\r\nhello";
        client.write_all(upload).await.expect("sent");
        let mut status = [0; 12];
        timeout(LONG, client.read_exact(&mut status)).await.expect("in time").expect("an answer");
        failed += usize::from(&status != b"HTTP/1.1 200");
    }
    assert_eq!(failed, 0, "of 300");
}

#[tokio::test]
async fn two_clients_never_share_a_connection_and_each_uses_its_own_again() {
    for alpn in [b"h2".as_slice(), b"http/1.1"] {
        let (cloud, proxy) = Cloud::behind_a_proxy(alpn).await;
        let mut clients = Vec::new();
        for _ in 0..2 {
            clients.push(http1_over(proxy.tls(&[b"http/1.1"]).await).await);
        }
        for _ in 0..100 {
            for client in &mut clients {
                let request = Request::post("/").header("Host", "api.test").body(body("hello")).expect("a request");
                let response = timeout(LONG, client.send_request(request)).await.expect("in time").expect("a response");
                assert_eq!(response.status(), StatusCode::OK);
                response.into_body().collect().await.expect("a whole response");
                client.ready().await.expect("the connection is kept");
            }
        }
        assert_eq!(cloud.requests(), [100, 100], "{alpn:?}");
    }
}

#[tokio::test]
async fn plain_requests_on_one_connection_use_one_for_each_server() {
    let (cloud, server) = Cloud::plain().await;
    let proxy = Front::to(server, 80).await;
    let mut client = TcpStream::connect(proxy.address()).await.expect("the proxy listens");
    for _ in 0..10 {
        for host in ["one.test", "two.test"] {
            let upload = format!("POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello");
            client.write_all(upload.as_bytes()).await.expect("sent");
            timeout(LONG, read_answer(&mut client)).await.expect("an answer in time");
        }
    }
    assert_eq!(cloud.requests(), [10, 10]);
}

#[tokio::test]
async fn connections_end_with_the_client_that_they_were_made_for() {
    for alpn in [b"h2".as_slice(), b"http/1.1"] {
        let (mut cloud, proxy) = Cloud::behind_a_proxy(alpn).await;
        let mut client = proxy.http2().await;
        let request = Request::get("https://api.test/").body(body("")).expect("a request");
        let response = timeout(LONG, client.send_request(request)).await.expect("in time").expect("a response");
        response.into_body().collect().await.expect("a whole response");
        assert!(cloud.ended.try_recv().is_err(), "it is kept for what the client asks next");
        drop(client);
        timeout(LONG, cloud.ended.recv()).await.expect("it ends in time").expect("it ends");
        assert_eq!(cloud.requests(), [1]);
    }
}

#[tokio::test]
async fn what_a_client_of_http_2_asks_at_once_goes_over_one_connection_of_http_2() {
    let (cloud, proxy) = Cloud::behind_a_proxy(b"h2").await;
    ask_at_once(&proxy, 50).await;
    assert_eq!(cloud.requests(), [50]);
}

#[tokio::test]
async fn what_a_client_of_http_2_asks_at_once_waits_for_nothing_where_the_server_has_only_http_1() {
    // None is answered before all of them are there.
    let (cloud, proxy) = Cloud::that_waits_for(30, b"http/1.1").await;
    ask_at_once(&proxy, 30).await;
    assert_eq!(cloud.requests(), [1; 30]);
}

#[tokio::test]
async fn a_second_client_costs_half_a_handshake() {
    let (cloud, proxy) = Cloud::behind_a_proxy(b"http/1.1").await;
    for _ in 0..2 {
        let mut client = http1_over(proxy.tls(&[b"http/1.1"]).await).await;
        let request = Request::get("/").header("Host", "api.test").body(body("")).expect("a request");
        let response = timeout(LONG, client.send_request(request)).await.expect("in time").expect("a response");
        response.into_body().collect().await.expect("a whole response");
    }
    assert_eq!(*cloud.handshakes.lock().expect("nobody panics here"), [HandshakeKind::Full, HandshakeKind::Resumed]);
}

#[tokio::test]
async fn the_password_of_another_proxy_reaches_no_server() {
    let (heads, mut heard) = mpsc::unbounded_channel();
    let other = tcp_server(move |mut wire| {
        let heads = heads.clone();
        async move {
            // Whatever it is asked for, it agrees: what comes after a CONNECT is what the server gets.
            while let Some(head) = head_of(&mut wire).await {
                let _ = heads.send(head);
                let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
        }
    })
    .await;
    let through: UpstreamProxy = format!("http://me:hidden@{other}").parse().expect("a proxy");
    let proxy = Front::with(Upstream::Through(through)).await;
    let mut client = TcpStream::connect(proxy.address()).await.expect("the proxy listens");
    let mut asked = Vec::new();
    for named in ["a.test", "b.test"] {
        client.write_all(format!("GET http://a.test/ HTTP/1.1\r\nHost: {named}\r\n\r\n").as_bytes()).await.expect("sent");
        timeout(LONG, read_answer(&mut client)).await.expect("an answer in time");
        while let Ok(head) = heard.try_recv() {
            let line = head.lines().next().unwrap_or_default().to_owned();
            asked.push((line, head.to_ascii_lowercase().contains("proxy-authorization")));
        }
    }
    let expected = [("GET http://a.test/ HTTP/1.1", true), ("CONNECT a.test:80 HTTP/1.1", true), ("GET / HTTP/1.1", false)];
    assert_eq!(asked, expected.map(|(line, told)| (line.to_owned(), told)));
}

#[tokio::test]
async fn what_another_proxy_does_wrong_with_a_whole_request_is_told_of_it() {
    for (does, expected) in [
        ("", "the upstream proxy closed the connection without a response"),
        ("reset", "the upstream proxy reset the connection"),
        ("SSH-2.0-other\r\n\r\n", "what the upstream proxy answered is no HTTP as it should be"),
    ] {
        let other = tcp_server(move |mut wire| async move {
            head_of(&mut wire).await;
            if does == "reset" {
                wire.set_zero_linger().expect("a socket");
            } else {
                let _ = wire.write_all(does.as_bytes()).await;
            }
        })
        .await;
        let through: UpstreamProxy = format!("http://{other}").parse().expect("a proxy");
        let proxy = Front::with(Upstream::Through(through)).await;
        let mut client = TcpStream::connect(proxy.address()).await.expect("the proxy listens");
        client.write_all(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").await.expect("sent");
        let answer = timeout(LONG, read_all(&mut client)).await.expect("in time");
        assert!(answer.starts_with("HTTP/1.1 502") && answer.contains(expected), "{answer}");
    }
}

#[tokio::test]
async fn a_request_on_a_connection_that_its_server_ends_is_sent_again_only_where_twice_is_the_same_as_once() {
    for (method, again) in [("POST", false), ("PUT", true)] {
        let connections = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&connections);
        let server = tcp_server(move |mut wire| {
            *counted.lock().expect("nobody panics here") += 1;
            // Each connection brings one answer, and hears one more request.
            async move {
                head_of(&mut wire).await;
                let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                head_of(&mut wire).await;
            }
        })
        .await;
        let proxy = Front::to(server, 80).await;
        let mut client = TcpStream::connect(proxy.address()).await.expect("the proxy listens");
        client.write_all(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n").await.expect("sent");
        timeout(LONG, read_answer(&mut client)).await.expect("an answer in time");
        let upload = format!("{method} http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        client.write_all(upload.as_bytes()).await.expect("sent");
        let answer = timeout(LONG, read_all(&mut client)).await.expect("in time");
        assert_eq!(answer.starts_with("HTTP/1.1 200"), again, "{method}: {answer}");
        assert_eq!(answer.contains("it may have been acted on"), !again, "{method}: {answer}");
        let second = "a second attempt was made to send it: the server closed a connection that it had kept, before it answered, and twice is \
                      the same as once";
        assert_eq!(proxy.stop().await, if again { vec![second.to_owned()] } else { Vec::new() });
        assert_eq!(*connections.lock().expect("nobody panics here"), if again { 2 } else { 1 });
    }
}

#[tokio::test]
async fn a_stream_that_the_server_refused_is_sent_again() {
    let authority = authority();
    let config = authority.server_config("api.test", &[b"h2"]).expect("a leaf");
    let connections = Arc::new(Mutex::new(0));
    let server = tcp_server(move |wire| {
        let config = Arc::clone(&config);
        let is_first = {
            let mut connections = connections.lock().expect("nobody panics here");
            *connections += 1;
            *connections == 1
        };
        async move {
            let Some(wire) = accept_tls(wire, |_| Some(config)).await else { return };
            let mut server = h2::server::handshake(wire).await.expect("HTTP/2");
            while let Some(Ok((_, mut answer))) = server.accept().await {
                if is_first {
                    answer.send_reset(h2::Reason::REFUSED_STREAM);
                } else {
                    let _ = answer.send_response(Response::new(()), true);
                }
            }
        }
    })
    .await;
    let proxy = Front::signed(server, 443, authority).await;
    let mut client = proxy.http2().await;
    let request = Request::post("https://api.test/").body(body("hello")).expect("a request");
    let response = timeout(LONG, client.send_request(request)).await.expect("in time").expect("a response");
    assert_eq!(response.status(), StatusCode::OK);
    drop((client, response));
    assert_eq!(proxy.stop().await, ["a second attempt was made to send it: the server said that it did nothing with it"]);
}

#[tokio::test]
async fn what_waits_for_a_connection_that_fails_is_answered_with_it() {
    // Whoever comes is not spoken to before all of them have asked.
    let connections = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&connections);
    let all_asked = Arc::new(Barrier::new(2));
    let waits = Arc::clone(&all_asked);
    let server = tcp_server(move |wire| {
        *counted.lock().expect("nobody panics here") += 1;
        let waits = Arc::clone(&waits);
        async move {
            waits.wait().await;
            drop(wire);
        }
    })
    .await;
    let proxy = Front::to(server, 443).await;
    let client = proxy.http2().await;
    let asking: Vec<_> = (0..10)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move {
                let request = Request::get("https://api.test/").body(body("")).expect("a request");
                timeout(LONG, client.send_request(request)).await.expect("in time").expect("a response").status()
            })
        })
        .collect();
    while proxy.proxy.in_flight() < 10 {
        tokio::task::yield_now().await;
    }
    timeout(LONG, all_asked.wait()).await.expect("one connection is made");
    for asked in asking {
        assert_eq!(asked.await.expect("no panic"), StatusCode::BAD_GATEWAY);
    }
    assert_eq!(*connections.lock().expect("nobody panics here"), 1, "for ten");
}

/// The next head that comes, if one does.
async fn head_of(wire: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(wire.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

async fn ask_at_once(proxy: &Front, count: usize) {
    let client = proxy.http2().await;
    let asking = (0..count).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move {
            let request = Request::post("https://api.test/").body(body("hello")).expect("a request");
            let response = timeout(LONG, client.send_request(request)).await.expect("in time").expect("a response");
            assert_eq!(response.status(), StatusCode::OK);
            response.into_body().collect().await.expect("a whole response");
        })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.expect("no panic");
    }
}

/// A proxy in front of one server, by whatever name it is asked for.
struct Front {
    proxy: RunningProxy,
    /// Who signs for what the proxy reads, and for the server.
    authority: Arc<Authority>,
    /// What was noted of exchanges.
    notes: JoinHandle<Vec<String>>,
}

impl Front {
    async fn to(server: SocketAddr, port: u16) -> Self {
        Self::signed(server, port, authority()).await
    }

    async fn signed(server: SocketAddr, port: u16, authority: Arc<Authority>) -> Self {
        let upstream = LocalUpstream::new(move |_, asked| (asked == port).then_some(server), [authority.certificate_der()]);
        Self::start(Upstream::Local(upstream), authority).await
    }

    async fn with(upstream: Upstream) -> Self {
        Self::start(upstream, authority()).await
    }

    async fn start(upstream: Upstream, authority: Arc<Authority>) -> Self {
        let (events, mut received) = queue::queue();
        let setup = ProxySetup {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            authority: Arc::clone(&authority),
            upstream,
            gate: Arc::new(OpenGate),
            clock: Clock::real(),
        };
        let proxy = Proxy::new(setup).launch(events).expect("a free port");
        let notes = tokio::spawn(async move {
            let mut notes = Vec::new();
            while let Some(event) = received.next().await {
                if let TrafficEvent::Noted { note, .. } = event {
                    notes.push(note);
                }
            }
            notes
        });
        Self { proxy, authority, notes }
    }

    /// Stops it, and gives what it noted of exchanges.
    async fn stop(self) -> Vec<String> {
        self.proxy.stop().await.expect("stopped");
        drop(self.proxy);
        self.notes.await.expect("no panic")
    }

    fn address(&self) -> SocketAddr {
        self.proxy.address().expect("a proxy has an address")
    }

    async fn tls(&self, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut tunnel = TcpStream::connect(self.address()).await.expect("the proxy listens");
        tunnel.write_all(b"CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n").await.expect("sent");
        read_answer(&mut tunnel).await;
        let name = ServerName::try_from("api.test").expect("a name");
        TlsConnector::from(trusting(&self.authority, alpn)).connect(name, tunnel).await.expect("a handshake")
    }

    async fn http2(&self) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
        let stream = TokioIo::new(self.tls(&[b"h2"]).await);
        let (client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        client
    }
}

fn authority() -> Arc<Authority> {
    Arc::new(Authority::generate("tattletale audit (test)", Timestamp::now()).expect("an authority"))
}

/// A server that counts the requests of each connection.
struct Cloud {
    requests: Arc<Mutex<BTreeMap<usize, usize>>>,
    handshakes: Arc<Mutex<Vec<HandshakeKind>>>,
    /// Hears of each connection that has ended.
    ended: mpsc::UnboundedReceiver<()>,
}

impl Cloud {
    async fn behind_a_proxy(alpn: &[u8]) -> (Self, Front) {
        Self::that_waits_for(1, alpn).await
    }

    /// One that answers so many requests together, over TLS.
    async fn that_waits_for(count: usize, alpn: &[u8]) -> (Self, Front) {
        let authority = authority();
        let config = authority.server_config("api.test", &[alpn, b"http/1.1"]).expect("a leaf");
        let (cloud, connections) = Self::counting(count);
        let handshakes = Arc::clone(&cloud.handshakes);
        let server = tcp_server(move |wire| {
            let (config, handshakes, connection) = (Arc::clone(&config), Arc::clone(&handshakes), connections());
            async move {
                let Some(wire) = accept_tls(wire, |_| Some(config)).await else { return };
                handshakes.lock().expect("nobody panics here").extend(wire.get_ref().1.handshake_kind());
                connection.serve(TokioIo::new(wire)).await;
            }
        })
        .await;
        (cloud, Front::signed(server, 443, authority).await)
    }

    async fn plain() -> (Self, SocketAddr) {
        let (cloud, connections) = Self::counting(1);
        let server = tcp_server(move |wire| {
            let connection = connections();
            async move { connection.serve(TokioIo::new(wire)).await }
        })
        .await;
        (cloud, server)
    }

    fn counting(at_once: usize) -> (Self, impl Fn() -> Connection + Send + 'static) {
        let (requests, barrier) = (Arc::<Mutex<BTreeMap<usize, usize>>>::default(), Arc::new(Barrier::new(at_once)));
        let (ends, ended) = mpsc::unbounded_channel();
        let cloud = Self { requests: Arc::clone(&requests), handshakes: Arc::default(), ended };
        let connections = move || {
            let number = {
                let mut requests = requests.lock().expect("nobody panics here");
                let number = requests.len();
                requests.insert(number, 0);
                number
            };
            Connection { number, requests: Arc::clone(&requests), barrier: Arc::clone(&barrier), ends: ends.clone() }
        };
        (cloud, connections)
    }

    /// How many requests each connection brought.
    fn requests(&self) -> Vec<usize> {
        self.requests.lock().expect("nobody panics here").values().copied().collect()
    }
}

struct Connection {
    number: usize,
    requests: Arc<Mutex<BTreeMap<usize, usize>>>,
    barrier: Arc<Barrier>,
    ends: mpsc::UnboundedSender<()>,
}

impl Connection {
    async fn serve(self, wire: impl hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static) {
        let Self { number, requests, barrier, ends } = self;
        let answer = service_fn(move |request: Request<Incoming>| {
            let (requests, barrier) = (Arc::clone(&requests), Arc::clone(&barrier));
            async move {
                *requests.lock().expect("nobody panics here").get_mut(&number).expect("its connection") += 1;
                let came = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
                barrier.wait().await;
                Ok::<_, Infallible>(Response::new(Full::new(came)))
            }
        });
        let _ = Builder::new(TokioExecutor::new()).serve_connection(wire, answer).await;
        let _ = ends.send(());
    }
}
