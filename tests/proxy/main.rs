//! The proxy held to its promises by real TLS clients and servers on this machine: what is recorded, what is refused, what
//! cannot leave.

mod bench;
mod fronting;
mod gate;
mod leaving;
mod lines;
mod plain_http2;
#[path = "../support/servers.rs"]
mod servers;
mod socks;
mod tunnels;
mod unread;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hudsucker::futures::{StreamExt as _, stream};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::Timestamp;
use rustls::pki_types::ServerName;
use tattletale::{
    clock::Clock,
    model::{TunnelId, TunnelOutcome},
    traffic::{
        RunningSource, TrafficError,
        proxy::{OpenGate, Proxy, ProxySetup, Upstream},
        queue,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_rustls::TlsConnector;

use self::bench::{Bench, body, digest, http1_over, read_all, text};

#[tokio::test]
async fn an_upload_over_http_1_is_recorded_whole() {
    let bench = Bench::start().await;
    let mut client = bench.http1("api.test").await;
    let request =
        Request::post("/v1/data?userid=7").header("Host", "api.test").header("X-Empty", "").header("X-Twice", "a").header("X-Twice", "b");
    let response = client.send_request(request.body(body("hello")).expect("a request")).await.expect("a response");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await, format!("5 {}", digest(b"hello")));
    drop(client);
    let record = bench.finish().await;

    let exchange = record.only_exchange();
    assert_eq!((exchange.method.as_str(), exchange.url.as_str()), ("POST", "https://api.test/v1/data?userid=7"));
    assert_eq!(exchange.http_version, "HTTP/1.1");
    let told: Vec<_> = exchange.headers.iter().map(|header| (header.name.as_str(), header.value.expose().as_str())).collect();
    assert_eq!(told, [("host", "api.test"), ("x-empty", ""), ("x-twice", "a"), ("x-twice", "b"), ("content-length", "5")]);
    assert_eq!(exchange.request, Some((5, digest(b"hello"))));
    assert_eq!(exchange.status, Some(200));
    assert!(exchange.response.is_some());
    assert_eq!(exchange.error, None);
    assert_eq!(exchange.tunnel, Some(TunnelId(1)));
    assert_eq!(record.outcomes(), [TunnelOutcome::Read { requests: 1 }]);
    assert_eq!(record.tunnels[&TunnelId(1)].sni.as_deref(), Some("api.test"));
}

#[tokio::test]
async fn uploads_over_http_2_are_recorded_whole() {
    let bench = Bench::start().await;
    let mut client = bench.http2("api.test").await;
    for length in [0_usize, 3, 300_000] {
        let upload = vec![b'x'; length];
        let request = Request::post("https://api.test/up").body(Full::new(Bytes::from(upload.clone()))).expect("a request");
        let response = client.send_request(request).await.expect("a response");
        assert_eq!(text(response).await, format!("{length} {}", digest(&upload)));
    }
    drop(client);
    let record = bench.finish().await;
    let lengths: Vec<_> = record.exchanges.values().map(|exchange| exchange.request.as_ref().map(|(length, _)| *length)).collect();
    assert_eq!(lengths, [Some(0), Some(3), Some(300_000)]);
    assert!(record.exchanges.values().all(|exchange| exchange.http_version == "HTTP/2" && exchange.error.is_none()));
    assert_eq!(record.tunnels[&TunnelId(1)].alpn, ["h2"]);
}

#[tokio::test]
async fn a_20_mb_upload_waits_for_a_slow_writer_and_then_passes() {
    let writer = Arc::new(Notify::new());
    let bench = Bench::start_with(Clock::real(), Some(Arc::clone(&writer))).await;
    let upload: Vec<u8> = (0..20_000_000_u32).map(|n| n.to_le_bytes()[(n % 3) as usize]).collect();
    let mut client = bench.http1("api.test").await;
    let request = Request::post("/big").header("Host", "api.test").body(Full::new(Bytes::from(upload.clone()))).expect("a request");
    let response = tokio::spawn(async move { client.send_request(request).await.expect("a response") });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!response.is_finished(), "what the writer has no room for does not pass");
    writer.notify_one();
    assert_eq!(text(response.await.expect("no panic")).await, format!("20000000 {}", digest(&upload)));
    let record = bench.finish().await;
    assert_eq!(record.only_exchange().request, Some((20_000_000, digest(&upload))));
}

#[tokio::test]
async fn a_small_upload_to_a_dead_host_is_recorded_and_answered_502() {
    let bench = Bench::start().await;
    let mut client = bench.http1("dead.test").await;
    let request = Request::post("/up").header("Host", "dead.test").body(body("lost?")).expect("a request");
    let response = client.send_request(request).await.expect("a response");
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let record = bench.finish().await;
    let exchange = record.only_exchange();
    assert_eq!(exchange.request, Some((5, digest(b"lost?"))));
    assert_eq!(exchange.status, None);
    assert_eq!(exchange.error.as_deref(), Some("the server refused the connection"));
}

#[tokio::test]
async fn a_server_that_closes_in_mid_response_is_told() {
    let bench = Bench::start().await;
    let mut client = bench.http1("torn.test").await;
    let request = Request::get("/").header("Host", "torn.test").body(body("")).expect("a request");
    let response = client.send_request(request).await.expect("a response's head");
    assert!(response.into_body().collect().await.is_err());
    let record = bench.finish().await;
    let exchange = record.only_exchange();
    assert_eq!((exchange.status, &exchange.response), (Some(200), &None));
    assert_eq!(exchange.error.as_deref(), Some("the connection ended in the middle of the response"));
}

#[tokio::test]
async fn a_server_that_tears_its_response_while_the_upload_goes_on_is_not_taken_for_the_client() {
    let bench = Bench::start().await;
    let stream = bench.tls("torn.test", bench.trusting(&[b"h2"])).await.expect("a handshake");
    let (mut client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    let never_ends = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"and"))]).chain(stream::pending());
    let request = Request::post("https://torn.test/").body(hudsucker::Body::from_stream(never_ends)).expect("a request");
    let response = client.send_request(request).await.expect("a response's head");
    assert!(response.into_body().collect().await.is_err());
    let record = bench.finish().await;
    assert_eq!(record.only_exchange().error.as_deref(), Some("the connection ended in the middle of the response"));
}

#[tokio::test]
async fn trailers_pass_and_are_recorded() {
    let bench = Bench::start().await;
    let mut client = bench.http2("trailers.test").await;
    let request = Request::get("https://trailers.test/").body(body("")).expect("a request");
    let response = client.send_request(request).await.expect("a response").into_body().collect().await.expect("a whole response");
    assert_eq!(response.trailers().expect("trailers")["grpc-status"], "0");
    drop(client);
    let record = bench.finish().await;
    let trailers: Vec<_> = record.only_exchange().trailers.iter().map(|header| header.name.as_str()).collect();
    assert_eq!(trailers, ["grpc-status"]);
}

#[tokio::test]
async fn a_request_that_the_engine_cannot_take_ends_its_own_connection_only() {
    let bench = Bench::start().await;
    for line in ["CONNECT x.test:443 HTTP/1.1", "GET x.test:443 HTTP/1.1", "OPTIONS * HTTP/1.1", "GET /\u{0} HTTP/1.1"] {
        let mut stream = bench.tls("api.test", bench.trusting(&[b"http/1.1"])).await.expect("a handshake");
        let request = format!("{line}\r\nHost: api.test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let _ = stream.read(&mut [0; 100]).await;
    }
    let mut client = bench.http1("api.test").await;
    let request = Request::get("/").header("Host", "api.test").body(body("")).expect("a request");
    assert_eq!(client.send_request(request).await.expect("a response").status(), StatusCode::OK);
    let record = bench.finish().await;
    assert!(record.exchanges.values().all(|exchange| exchange.ended));
    assert_eq!(record.outcomes().last(), Some(&TunnelOutcome::Read { requests: 1 }));
}

#[tokio::test]
async fn a_client_that_leaves_in_mid_upload_is_told() {
    let bench = Bench::start().await;
    let mut stream = bench.tls("api.test", bench.trusting(&[b"http/1.1"])).await.expect("a handshake");
    stream.write_all(b"POST /up HTTP/1.1\r\nHost: api.test\r\nContent-Length: 1000\r\n\r\nonly this").await.expect("sent");
    stream.flush().await.expect("sent");
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(stream);
    let record = bench.finish().await;
    let exchange = record.only_exchange();
    assert_eq!(exchange.request, None);
    assert_eq!(exchange.error.as_deref(), Some("the connection ended in the middle of the request"));
}

#[tokio::test]
async fn plain_http_is_recorded_in_a_tunnel_and_without_one() {
    let bench = Bench::start().await;
    let mut direct = TcpStream::connect(bench.address()).await.expect("the proxy listens");
    direct.write_all(b"GET http://plain.test/a HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n").await.expect("sent");
    assert!(read_all(&mut direct).await.starts_with("HTTP/1.1 200"));
    let mut tunnel = bench.tunnel("plain.test:80").await;
    tunnel.write_all(b"GET /b HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n").await.expect("sent");
    assert!(read_all(&mut tunnel).await.starts_with("HTTP/1.1 200"));
    let record = bench.finish().await;
    let urls: Vec<_> = record.exchanges.values().map(|exchange| (exchange.url.as_str(), exchange.tunnel)).collect();
    assert_eq!(urls, [("http://plain.test/a", None), ("http://plain.test/b", Some(TunnelId(1)))]);
}

#[tokio::test]
async fn a_connect_by_address_is_read_under_the_name_of_its_client_hello() {
    let bench = Bench::start().await;
    let tunnel = bench.tunnel("192.0.2.7:443").await;
    let name = ServerName::try_from("api.test").expect("a name");
    let stream = TlsConnector::from(bench.trusting(&[b"http/1.1"])).connect(name, tunnel).await.expect("a handshake");
    let mut client = http1_over(stream).await;
    let response =
        client.send_request(Request::get("/").header("Host", "api.test").body(body("")).expect("a request")).await.expect("a response");
    assert_eq!(response.status(), StatusCode::OK);
    let record = bench.finish().await;
    assert_eq!(record.only_exchange().url, "https://api.test/");
    assert_eq!(record.tunnels[&TunnelId(1)].host, "192.0.2.7");
}

#[tokio::test]
async fn nothing_leaves_the_machine_through_the_local_upstream() {
    let bench = Bench::start().await;
    // A listener of this machine that is in no table: neither its address nor a name for it may be dialled.
    let outside = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = outside.local_addr().expect("bound").port();
    for authority in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), "unknown.test:443".to_owned(), "example.com:443".to_owned()]
    {
        for first in [
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "SSH-2.0-x\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        ] {
            let mut raw = bench.tunnel(&authority).await;
            raw.write_all(first.as_bytes()).await.expect("sent");
            let answer = read_all(&mut raw).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 502"), "{authority}: {answer}");
        }
        let mut direct = TcpStream::connect(bench.address()).await.expect("the proxy listens");
        let request = format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        direct.write_all(request.as_bytes()).await.expect("sent");
        assert!(read_all(&mut direct).await.starts_with("HTTP/1.1 502"), "{authority}");
    }
    let upgrade =
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    let mut websocket = TcpStream::connect(bench.address()).await.expect("the proxy listens");
    websocket
        .write_all(format!("GET http://127.0.0.1:{port}/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{upgrade}").as_bytes())
        .await
        .expect("sent");
    let mut answer = [0; 12];
    websocket.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 502");
    assert!(tokio::time::timeout(Duration::from_millis(50), outside.accept()).await.is_err(), "the listener was dialled");
    let record = bench.finish().await;
    let errors: Vec<_> = record.exchanges.values().filter_map(|exchange| exchange.error.as_deref()).collect();
    assert_eq!(errors.len(), record.exchanges.len());
    assert!(errors.contains(&"no server of this machine stands in for that host"));
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let bench = Bench::start().await;
    let setup = ProxySetup {
        listen: bench.address(),
        authority: Arc::clone(&bench.authority),
        upstream: Upstream::System,
        gate: Arc::new(OpenGate),
        clock: Clock::real(),
    };
    let error = Proxy::new(setup).launch(queue::queue().0).expect_err("the port is taken");
    assert!(matches!(error, TrafficError::PortInUse { address, .. } if address == bench.address()), "{error}");
    assert!(error.to_string().contains(&bench.address().to_string()));
}

#[tokio::test]
async fn stopping_waits_for_what_is_in_flight_and_then_ends_it() {
    let bench = Bench::start().await;
    let mut quick = bench.http1("slow.test").await;
    let mut never = bench.http1("silent.test").await;
    let request = |host: &str| Request::get("/").header("Host", host).body(body("")).expect("a request");
    let quick = tokio::spawn(async move { quick.send_request(request("slow.test")).await.map(|response| response.status()) });
    let never = tokio::spawn(async move { never.send_request(request("silent.test")).await.map(|response| response.status()) });
    while bench.proxy.in_flight() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let began = Instant::now();
    let record = bench.finish().await;
    assert!((2.0..4.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    assert_eq!(quick.await.expect("no panic").expect("a response"), StatusCode::OK);
    assert!(never.await.expect("no panic").is_err());
    let errors: Vec<_> = record.exchanges.values().map(|exchange| exchange.error.as_deref()).collect();
    assert_eq!(errors.iter().filter(|error| error.is_none()).count(), 1);
    assert!(errors.contains(&Some("the connection ended before there was a response")), "{errors:?}");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_stopping_nor_simulated_time() {
    let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
    let bench = Bench::start_with(clock.clone(), None).await;
    let mut client = bench.http1("api.test").await;
    let request = Request::get("/").header("Host", "api.test").body(body("")).expect("a request");
    let response = client.send_request(request).await.expect("a response");
    let _ = text(response).await;
    tokio::time::timeout(Duration::from_secs(5), clock.hold().sleep(Duration::from_secs(3600))).await.expect("time jumps");
    assert_eq!(clock.now().as_second(), 3600);
    let began = Instant::now();
    let record = bench.finish().await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(record.outcomes(), [TunnelOutcome::Read { requests: 1 }]);
}

#[tokio::test]
async fn a_proxy_that_is_killed_says_so_and_passes_nothing_more() {
    let bench = Bench::start().await;
    let mut client = bench.http1("api.test").await;
    let proxy = bench.proxy.clone();
    let failed = tokio::spawn(async move { proxy.failed().await });
    bench.proxy.kill();
    let error = tokio::time::timeout(Duration::from_secs(2), failed).await.expect("at once").expect("no panic");
    assert!(matches!(error, TrafficError::Died(_)), "{error}");
    let request = Request::get("/").header("Host", "api.test").body(body("")).expect("a request");
    assert!(client.send_request(request).await.is_err());
    let began = Instant::now();
    while TcpStream::connect(bench.address()).await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(2), "it still listens");
    }
    assert!(bench.finish().await.exchanges.is_empty());
}

#[tokio::test]
async fn when_nobody_keeps_the_events_nothing_is_passed_on() {
    let mut bench = Bench::start().await;
    bench.collector.abort();
    let _ = (&mut bench.collector).await;
    let mut client = TcpStream::connect(bench.address()).await.expect("the proxy listens");
    client.write_all(b"GET http://plain.test/ HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n").await.expect("sent");
    assert!(read_all(&mut client).await.starts_with("HTTP/1.1 503"));
    assert!(matches!(bench.proxy.failed().await, TrafficError::NobodyListens));
    assert!(matches!(bench.proxy.stop().await, Err(TrafficError::NobodyListens)));
}
