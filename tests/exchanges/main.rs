//! What happens to one exchange on its way through the proxy, row by row, with real sockets on this machine: WebSockets, streams,
//! trailers, odd requests, servers that fail in every way, other proxies on the way.

mod asked;
mod once;
#[path = "../support/servers.rs"]
mod servers;

use std::{collections::BTreeMap, convert::Infallible, future::Future, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hudsucker::{
    futures::{SinkExt, StreamExt, stream},
    tokio_tungstenite::{self as websocket, tungstenite::Message as Said},
};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use jiff::Timestamp;
use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::ServerName};
use tattletale::{
    clock::Clock,
    model::{ExchangeId, Header},
    traffic::{
        RunningSource, Side, TrafficEvent,
        authority::Authority,
        proxy::{LocalUpstream, OpenGate, Proxy, ProxySetup, RunningProxy, Upstream, UpstreamProxy},
        queue,
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use servers::{accept_tls, dead, tcp_server, trusting};

// WebSockets

#[tokio::test]
async fn a_websocket_keeps_its_subprotocol_and_each_message_is_told() {
    for scheme in ["wss", "ws"] {
        let cloud = Cloud::new();
        let server = cloud.server(scheme == "wss", chat).await;
        let bench = Bench::local(&cloud, server).await;
        let mut request = websocket::tungstenite::client::IntoClientRequest::into_client_request(format!("{scheme}://chat.test/room?id=1"))
            .expect("a request");
        request.headers_mut().insert("sec-websocket-protocol", "mqtt, other".parse().expect("a value"));
        let wire = if scheme == "wss" { bench.tls("chat.test", &[b"http/1.1"]).await } else { bench.tunnel("chat.test:80").await };
        let (mut client, answer) = websocket::client_async(request, wire).await.expect("the subprotocol is agreed on");
        assert_eq!(answer.headers()["sec-websocket-protocol"], "mqtt");
        for said in [Said::text("heart 72"), Said::binary(vec![0, 255])] {
            client.send(said.clone()).await.expect("sent");
            assert_eq!(client.next().await.expect("an answer").expect("a message"), said);
        }
        client.close(None).await.expect("closed");
        while let Some(Ok(_)) = client.next().await {}
        drop(client);
        let record = bench.finish().await;
        let told = record.only();
        assert_eq!((told.url.as_str(), told.status), (format!("{scheme}://chat.test/room?id=1").as_str(), Some(101)));
        assert_eq!(told.error, None);
        let expected: [(bool, bool, &[u8]); 4] =
            [(true, true, b"heart 72"), (false, true, b"heart 72"), (true, false, &[0, 255]), (false, false, &[0, 255])];
        let messages: Vec<_> = told.messages.iter().map(|said| (said.sent, said.text, said.bytes.as_slice())).collect();
        assert_eq!(messages, expected);
        assert!(told.messages.iter().all(|said| said.complete && said.length == said.bytes.len() as u64));
    }
}

/// A server that takes a WebSocket with the subprotocol `mqtt` and gives every message back.
async fn chat(wire: Wire) {
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let agree = |request: &http::Request<()>, mut response: http::Response<()>| {
        if request.headers().contains_key("sec-websocket-protocol") {
            response.headers_mut().insert("sec-websocket-protocol", "mqtt".parse().expect("a value"));
        }
        Ok(response)
    };
    let Ok(mut socket) = websocket::accept_hdr_async(wire, agree).await else { return };
    while let Some(Ok(said)) = socket.next().await {
        if (said.is_text() || said.is_binary()) && socket.send(said).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_server_that_wants_no_websocket_is_heard_as_it_is() {
    let cloud = Cloud::new();
    let refusing = async |mut wire: Wire| {
        read_head(&mut wire).await;
        wire.write_all(b"HTTP/1.1 403 Forbidden\r\nX-Why: closed\r\nContent-Length: 6\r\n\r\nclosed").await.expect("sent");
    };
    let server = cloud.server(true, refusing).await;
    let bench = Bench::local(&cloud, server).await;
    let mut client = bench.tls("chat.test", &[b"http/1.1"]).await;
    client.write_all(UPGRADE.as_bytes()).await.expect("sent");
    let head = read_head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 403 Forbidden\r\n") && head.contains("X-Why: closed"), "{head}");
    let mut body = [0; 6];
    client.read_exact(&mut body).await.expect("a body");
    assert_eq!(&body, b"closed");
    drop(client);
    let record = bench.finish().await;
    assert_eq!((record.only().status, record.only().response.as_deref(), &record.only().error), (Some(403), Some(&b"closed"[..]), &None));

    let cloud = Cloud::new();
    let bench = Bench::local(&cloud, dead()).await;
    let mut client = bench.tls("chat.test", &[b"http/1.1"]).await;
    client.write_all(UPGRADE.as_bytes()).await.expect("sent");
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 502"));
    let record = bench.finish().await;
    assert_eq!(record.only().error.as_deref(), Some("the server refused the connection"));
}

#[tokio::test]
async fn packed_and_fragmented_messages_pass_unchanged_and_are_told_unpacked() {
    let mut deflate = flate2::Compress::new(flate2::Compression::default(), false);
    let mut packed = Vec::with_capacity(1000);
    deflate.compress_vec(b"{\"steps\":1234}", &mut packed, flate2::FlushCompress::Sync).expect("packed");
    packed.truncate(packed.len() - 4);
    let (first, second) = packed.split_at(4);
    let frames = [masked(0x41, first), masked(0x89, b"still there?"), masked(0x80, second), masked(0x88, b"\x03\xe8bye")].concat();
    let (heard, mut at_server) = mpsc::unbounded_channel();
    let cloud = Cloud::new();
    let server = cloud.server(true, move |mut wire: Wire| {
        let heard = heard.clone();
        async move {
            let head = read_head(&mut wire).await;
            assert!(head.contains("permessage-deflate"), "the offer is the client's own: {head}");
            let agreed = "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
            wire.write_all(format!("{SWITCHING}{agreed}").as_bytes()).await.expect("sent");
            let _ = heard.send(read_to_end(&mut wire).await);
        }
    });
    let bench = Bench::local(&cloud, server.await).await;
    let mut client = bench.tls("chat.test", &[b"http/1.1"]).await;
    let offer = UPGRADE.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n");
    client.write_all(offer.as_bytes()).await.expect("sent");
    assert!(read_head(&mut client).await.contains("permessage-deflate"));
    for byte in &frames {
        client.write_all(std::slice::from_ref(byte)).await.expect("sent");
    }
    client.shutdown().await.expect("closed");
    assert_eq!(at_server.recv().await.expect("heard"), frames);
    drop(client);
    let record = bench.finish().await;
    let messages: Vec<_> = record.only().messages.iter().map(|said| (said.text, said.bytes.as_slice())).collect();
    // What an app puts into a ping or a reason for closing is sent as well.
    let expected: [(bool, &[u8]); 3] = [(false, b"still there?"), (true, b"{\"steps\":1234}"), (true, b"bye")];
    assert_eq!(messages, expected);
    assert_eq!(record.only().error, None);
}

#[tokio::test]
async fn what_is_no_websocket_passes_and_is_said_not_to_have_been_read() {
    for (frames, told, error) in [
        (
            &b"\xc1\x05hello more that follows"[..],
            0,
            "from some moment on its messages were not read: a frame has a bit set that nobody agreed on",
        ),
        (b"\x81\x02hi\x83\x01?", 1, "from some moment on its messages were not read: a frame is of a kind that does not exist"),
    ] {
        let cloud = Cloud::new();
        let server = cloud.server(true, echo_after_upgrade).await;
        let bench = Bench::local(&cloud, server).await;
        let mut client = bench.tls("chat.test", &[b"http/1.1"]).await;
        client.write_all(UPGRADE.as_bytes()).await.expect("sent");
        read_head(&mut client).await;
        client.write_all(frames).await.expect("sent");
        let mut back = vec![0; frames.len()];
        client.read_exact(&mut back).await.expect("passed on");
        assert_eq!(back, frames);
        drop(client);
        let record = bench.finish().await;
        assert_eq!(record.only().error.as_deref(), Some(error));
        assert_eq!(record.only().messages.iter().filter(|said| said.sent).count(), told);
    }
}

/// A server that agrees to everything and gives every byte back.
async fn echo_after_upgrade(mut wire: Wire) {
    read_head(&mut wire).await;
    let _ = wire.write_all(format!("{SWITCHING}\r\n").as_bytes()).await;
    let mut buffer = [0; 1000];
    while let Ok(count @ 1..) = wire.read(&mut buffer).await {
        if wire.write_all(&buffer[..count]).await.is_err() || wire.flush().await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn an_upgrade_to_something_else_passes_and_is_said_not_to_have_been_read() {
    let cloud = Cloud::new();
    let server = cloud.server(true, echo_after_upgrade).await;
    let bench = Bench::local(&cloud, server).await;
    let mut client = bench.tls("chat.test", &[b"http/1.1"]).await;
    client.write_all(UPGRADE.replace("websocket", "x-own").as_bytes()).await.expect("sent");
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 101"));
    client.write_all(b"own protocol").await.expect("sent");
    let mut back = [0; 12];
    client.read_exact(&mut back).await.expect("passed on");
    assert_eq!(&back, b"own protocol");
    drop(client);
    let record = bench.finish().await;
    assert_eq!(record.only().error.as_deref(), Some("the connection became something else than HTTP, which was not read"));
    assert!(record.only().messages.is_empty());
}

#[tokio::test]
async fn an_open_websocket_holds_up_neither_stopping_nor_simulated_time() {
    let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
    let cloud = Cloud::new();
    let server = cloud.server(true, echo_after_upgrade).await;
    let bench = Bench::start(Upstream::Local(cloud.upstream(server)), clock.clone()).await;
    let mut client = bench.tls("chat.test", &[b"http/1.1"]).await;
    client.write_all(UPGRADE.as_bytes()).await.expect("sent");
    read_head(&mut client).await;
    client.write_all(b"\x81\x02hi\x81\x05tor").await.expect("sent");
    client.read_exact(&mut [0; 9]).await.expect("given back");
    timeout(LONG, clock.hold().sleep(Duration::from_secs(3600))).await.expect("time jumps");
    assert_eq!(bench.proxy.in_flight(), 0);
    let began = std::time::Instant::now();
    let record = bench.finish().await;
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    let told = record.only();
    assert_eq!((told.ended, &told.error), (true, &None), "what came until then was read");
    let sent: Vec<_> = told.messages.iter().filter(|said| said.sent).map(|said| (said.bytes.as_slice(), said.complete)).collect();
    assert_eq!(sent, [(&b"hi"[..], true), (b"tor", false)]);
}

// Streams

#[tokio::test]
async fn events_reach_the_client_one_by_one() {
    let (go, may_go) = mpsc::channel::<()>(1);
    let may_go = Arc::new(tokio::sync::Mutex::new(may_go));
    let cloud = Cloud::new();
    let server = cloud.server(true, move |mut wire: Wire| {
        let may_go = Arc::clone(&may_go);
        async move {
            read_head(&mut wire).await;
            wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n").await.expect("sent");
            wire.flush().await.expect("sent");
            may_go.lock().await.recv().await;
            wire.write_all(b"data: two\n\n").await.expect("sent");
            wire.shutdown().await.expect("closed");
        }
    });
    let bench = Bench::local(&cloud, server.await).await;
    let mut client = bench.http2("events.test").await;
    let request = Request::get("https://events.test/events").body(whole("")).expect("a request");
    let mut body = client.send_request(request).await.expect("a response").into_body();
    let next = async |body: &mut Incoming| {
        let frame = timeout(LONG, body.frame()).await.expect("it is not held back").expect("a frame").expect("no error");
        frame.into_data().expect("data")
    };
    assert_eq!(next(&mut body).await, "data: one\n\n");
    go.send(()).await.expect("the server waits");
    assert_eq!(next(&mut body).await, "data: two\n\n");
    assert!(body.collect().await.expect("the end").to_bytes().is_empty());
    drop(client);
    assert_eq!(bench.finish().await.only().response.as_deref(), Some(&b"data: one\n\ndata: two\n\n"[..]));
}

#[tokio::test]
async fn a_server_sees_an_upload_before_its_client_has_sent_it() {
    for length in ["Content-Length: 1000000000", "Transfer-Encoding: chunked"] {
        let (seen, mut first) = mpsc::unbounded_channel();
        let cloud = Cloud::new();
        let server = cloud.server(true, move |mut wire: Wire| {
            let seen = seen.clone();
            async move {
                read_head(&mut wire).await;
                let _ = seen.send(wire.read_u8().await.is_ok());
                let _ = read_to_end(&mut wire).await;
            }
        });
        let bench = Bench::local(&cloud, server.await).await;
        let mut client = bench.tls("api.test", &[b"http/1.1"]).await;
        client.write_all(format!("POST /big HTTP/1.1\r\nHost: api.test\r\n{length}\r\n\r\n5\r\nfirst\r\n").as_bytes()).await.expect("sent");
        assert_eq!(timeout(LONG, first.recv()).await.expect("it streams"), Some(true));
        drop(client);
        let record = bench.finish().await;
        assert_eq!(record.only().request, None);
        assert_eq!(record.only().error.as_deref(), Some("the connection ended in the middle of the request"));
    }
}

#[tokio::test]
async fn a_body_that_breaks_the_rules_is_told_apart_from_one_that_breaks_off() {
    let broke = "the body of the request broke the rules of HTTP";
    let left = "the connection ended in the middle of the request";
    let field = |name: &str, value: &str| {
        let text = |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
        [vec![0], text(name), text(value)].concat()
    };
    // `:method: POST` and `:scheme: https` from the static table.
    let head = [vec![0x83, 0x87], field(":path", "/"), field(":authority", "api.test"), field("content-length", "5")].concat();
    let http2 = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), once::frame(4, 0, 0, &[]), once::frame(1, 4, 1, &head)].concat();
    let chunked = b"POST / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    type Case<'a> = (&'a [u8], &'a [u8], Vec<u8>, &'a str);
    let cases: [Case<'_>; 6] = [
        (b"http/1.1", &chunked, b"5\r\nhello\r\nZZ\r\nmore\r\n0\r\n\r\n".to_vec(), broke),
        (b"http/1.1", &chunked, b"5\r\nhello\r\n0\r\nno trailer\r\n\r\n".to_vec(), broke),
        (b"http/1.1", &chunked, b"5\r\nhello\r\n5\r\nhe".to_vec(), left),
        (b"h2", &http2, once::frame(0, 1, 1, b"thirty bytes, five announced.."), broke),
        (b"h2", &http2, once::frame(0, 0, 1, b"he"), left),
        // The client gives it up.
        (b"h2", &http2, [once::frame(0, 0, 1, b"he"), once::frame(3, 0, 1, &[0, 0, 0, 8])].concat(), left),
    ];
    for (alpn, head, body, error) in cases {
        let (seen, mut heads) = mpsc::unbounded_channel();
        let cloud = Cloud::new();
        let server = cloud.server(true, move |mut wire: Wire| {
            let seen = seen.clone();
            async move {
                let _ = seen.send(read_head(&mut wire).await);
                read_to_end(&mut wire).await;
            }
        });
        let bench = Bench::local(&cloud, server.await).await;
        let mut client = bench.tls("api.test", &[alpn]).await;
        client.write_all(head).await.expect("sent");
        timeout(LONG, heads.recv()).await.expect("the request has begun").expect("a head");
        client.write_all(&body).await.expect("sent");
        client.shutdown().await.expect("closed");
        let _ = timeout(LONG, read_to_end(&mut client)).await;
        drop(client);
        let record = bench.finish().await;
        let told = record.only();
        assert_eq!((told.error.as_deref(), &told.request), (Some(error), &None), "{}", String::from_utf8_lossy(&body));
    }
}

#[tokio::test]
async fn an_upload_to_a_dead_host_is_recorded_whether_its_length_was_said_or_not() {
    for request in [
        "POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 5\r\n\r\nlost?",
        "POST / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nlo\r\n3\r\nst?\r\n0\r\n\r\n",
    ] {
        let cloud = Cloud::new();
        let bench = Bench::local(&cloud, dead()).await;
        let mut client = bench.tls("api.test", &[b"http/1.1"]).await;
        let (begin, end) = request.split_at(request.len() - 8);
        client.write_all(begin.as_bytes()).await.expect("sent");
        client.flush().await.expect("sent");
        client.write_all(end.as_bytes()).await.expect("sent");
        let head = read_head(&mut client).await.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 502") && head.contains("proxy-status: tattletale; error=connection_refused"), "{head}");
        let mut said = [0; 72];
        client.read_exact(&mut said).await.expect("a body");
        assert_eq!(&said[..], &b"tattletale could not pass this request on: the server refused the connection\n"[..72]);
        drop(client);
        let record = bench.finish().await;
        assert_eq!(record.only().request.as_deref(), Some(&b"lost?"[..]));
        assert_eq!(record.only().error.as_deref(), Some("the server refused the connection"));
    }
}

// Odd requests

#[tokio::test]
async fn options_for_the_whole_server_arrives_as_it_was_sent() {
    let (bench, mut heads) = heads(true).await;
    let mut client = bench.tls("api.test", &[b"http/1.1"]).await;
    client.write_all(b"OPTIONS * HTTP/1.1\r\nHost: api.test\r\n\r\n").await.expect("sent");
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 200"));
    assert!(heads.recv().await.expect("asked").starts_with("OPTIONS * HTTP/1.1\r\n"));
    drop(client);
    let record = bench.finish().await;
    assert_eq!((record.only().method.as_str(), record.only().path.as_str()), ("OPTIONS", "*"));
}

#[tokio::test]
async fn a_host_header_that_names_another_host_is_passed_and_told() {
    let (bench, mut heads) = heads(true).await;
    let mut client = bench.tls("front.test", &[b"http/1.1"]).await;
    client.write_all(b"GET /a HTTP/1.1\r\nHost: hidden.test\r\n\r\n").await.expect("sent");
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 200"));
    let mut over_2 = bench.http2("front.test").await;
    let request = Request::get("https://hidden.test/b").body(whole("")).expect("a request");
    assert_eq!(over_2.send_request(request).await.expect("a response").status(), StatusCode::OK);
    for path in ["/a", "/b"] {
        let head = heads.recv().await.expect("asked").to_ascii_lowercase();
        assert!(head.starts_with(&format!("get {path} http/1.1")) && head.contains("host: hidden.test\r\n"), "{head}");
    }
    drop((client, over_2));
    let record = bench.finish().await;
    for (told, path) in record.exchanges.values().zip(["/a", "/b"]) {
        assert_eq!(told.url, format!("https://front.test{path}"));
        assert_eq!(told.header("host"), Some("hidden.test"));
    }
}

#[tokio::test]
async fn headers_go_on_in_their_case_and_order_and_those_of_one_connection_do_not() {
    let (bench, mut heads) = heads(true).await;
    let mut client = bench.tls("api.test", &[b"http/1.1"]).await;
    let request = "GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nX-First: a\r\nx-SECOND: b\r\n\
        Proxy-Connection: keep-alive\r\nX-First: c\r\nACCEPT: */*\r\n\r\n";
    client.write_all(request.as_bytes()).await.expect("sent");
    let head = read_head(&mut client).await;
    assert!(head.contains("X-Odd-CASE: yes\r\n"), "{head}");
    let head = heads.recv().await.expect("asked");
    let lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    assert_eq!(lines, ["GET / HTTP/1.1", "X-First: a", "X-First: c", "x-SECOND: b", "ACCEPT: */*", "Host: api.test"]);
    drop(client);
    let record = bench.finish().await;
    assert_eq!((record.only().header("x-mine"), record.only().header("connection")), (Some("1"), Some("close, X-Mine")));
    let names = |headers: &[Header]| headers.iter().map(|header| header.name.clone()).collect::<Vec<_>>().join(" ");
    assert_eq!(names(&record.only().headers), "Host Connection X-Mine X-First X-First x-SECOND Proxy-Connection ACCEPT");
    assert_eq!(names(&record.only().answer), "X-Odd-CASE Connection Content-Length");
}

#[tokio::test]
async fn trailers_pass_both_ways_over_both_versions() {
    for (client_speaks, server_speaks) in [("h2", "h2"), ("http/1.1", "h2"), ("http/1.1", "http/1.1")] {
        let cloud = Cloud { alpn: if server_speaks == "h2" { &[b"h2"] } else { &[b"http/1.1"] }, ..Cloud::new() };
        let bench = Bench::local(&cloud, cloud.server(true, http_server).await).await;
        if client_speaks == "h2" {
            let mut client = bench.http2_streaming("api.test").await;
            let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), "15".parse().expect("a value"))]);
            let frames = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"grpc"))), Ok(Frame::trailers(trailers))]);
            let request =
                Request::post("https://api.test/trailers").header("te", "trailers").body(StreamBody::new(frames)).expect("a request");
            let response = client.send_request(request).await.expect("a response").into_body().collect().await.expect("whole");
            assert_eq!(response.trailers().expect("trailers")["x-back"], "15");
        } else {
            let mut client = bench.tls("api.test", &[b"http/1.1"]).await;
            let request = "POST /trailers HTTP/1.1\r\nHost: api.test\r\nTE: trailers\r\nTrailer: x-sum\r\n\
                Transfer-Encoding: chunked\r\n\r\n4\r\ngrpc\r\n0\r\nx-sum: 15\r\n\r\n";
            client.write_all(request.as_bytes()).await.expect("sent");
            read_head(&mut client).await;
            let rest = read_head(&mut client).await;
            assert!(rest.to_ascii_lowercase().contains("x-back: 15"), "{rest}");
        }
        let record = bench.finish().await;
        let told = record.only();
        let trailers: Vec<_> = told.trailers.iter().map(|header| (header.name.as_str(), header.value.expose().as_str())).collect();
        assert_eq!(trailers, [("x-sum", "15"), ("x-back", "15")], "{client_speaks} to {server_speaks}");
        assert_eq!(told.error, None);
    }
}

#[tokio::test]
async fn bodies_that_there_are_none_of_are_none() {
    let cloud = Cloud::new();
    let bench = Bench::local(&cloud, cloud.server(true, http_server).await).await;
    let mut client = bench.tls("api.test", &[b"http/1.1"]).await;
    for (line, status, length) in [
        ("HEAD /", "200", Some("content-length: 5")),
        ("GET /204", "204", None),
        ("GET /304", "304", None),
        ("GET /", "200", Some("content-length: 5")),
    ] {
        client.write_all(format!("{line} HTTP/1.1\r\nHost: api.test\r\n\r\n").as_bytes()).await.expect("sent");
        let head = read_head(&mut client).await.to_ascii_lowercase();
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{line}: {head}");
        assert_eq!(head.split("\r\n").find(|line| line.starts_with("content-length")), length, "{line}");
    }
    let mut body = [0; 5];
    client.read_exact(&mut body).await.expect("a body");
    drop(client);
    let record = bench.finish().await;
    assert!(record.exchanges.values().all(|told| told.error.is_none()));
    let bodies: Vec<_> = record.exchanges.values().map(|told| told.response.as_ref().map(Vec::len)).collect();
    assert_eq!(bodies, [Some(0), Some(0), Some(0), Some(5)]);
}

// Servers that fail

#[tokio::test]
async fn failures_are_told_apart() {
    let cloud = Cloud::new();
    let quiet = |wire: Wire| async { drop(wire) };
    let last_year = Authority::generate("old (test)", "2020-01-01T00:00:00Z".parse().expect("a time")).expect("an authority");
    let next_year = Authority::generate("new (test)", "2090-01-01T00:00:00Z".parse().expect("a time")).expect("an authority");
    let stranger = Authority::generate("stranger (test)", Timestamp::now()).expect("an authority");
    let leaf = |authority: &Authority, host: &str| authority.server_config(host, &[b"http/1.1"]).expect("a leaf");
    let fussy = {
        let provider = rustls::crypto::CryptoProvider { cipher_suites: vec![], ..aws_lc_rs::default_provider() };
        let suites = [rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384].to_vec();
        let provider = rustls::crypto::CryptoProvider { cipher_suites: suites, ..provider };
        let resolver = Arc::new(rustls::server::ResolvesServerCertUsingSni::new());
        let config = ServerConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions().expect("versions");
        Arc::new(config.with_no_client_auth().with_cert_resolver(resolver))
    };
    let reset = async |wire: TcpStream| {
        let _ = wire.set_zero_linger();
    };
    let servers = BTreeMap::from([
        ("refused.test", dead()),
        ("expired.test", tls_server(leaf(&last_year, "expired.test"), quiet).await),
        ("early.test", tls_server(leaf(&next_year, "early.test"), quiet).await),
        ("name.test", tls_server(leaf(&cloud.authority, "other.test"), quiet).await),
        ("stranger.test", tls_server(leaf(&stranger, "stranger.test"), quiet).await),
        ("fussy.test", tls_server(fussy, quiet).await),
        ("silent.test", tls_server(leaf(&cloud.authority, "silent.test"), quiet).await),
        ("plain.test", tcp_server(async |mut wire| drop(wire.write_all(b"220 hello, this is not TLS\r\n").await)).await),
        ("closing.test", tcp_server(async |mut wire| drop(wire.read(&mut [0; 10_000]).await)).await),
        ("reset.test", tcp_server(reset).await),
        ("garbage.test", tls_server(leaf(&cloud.authority, "garbage.test"), |wire| says(wire, "garbage\r\n\r\n".to_owned())).await),
        ("long.test", tls_server(leaf(&cloud.authority, "long.test"), |wire| says(wire, many_fields(300))).await),
    ]);
    let roots = [&*cloud.authority, &last_year, &next_year].map(Authority::certificate_der);
    let expected = [
        ("unknown.test", "destination_not_found", "no server of this machine stands in for that host"),
        ("refused.test", "connection_refused", "the server refused the connection"),
        ("expired.test", "tls_certificate_error", "the server's certificate has expired"),
        ("early.test", "tls_certificate_error", "the server's certificate is not valid yet"),
        ("name.test", "tls_certificate_error", "the server's certificate is for another name"),
        ("stranger.test", "tls_certificate_error", "the server's certificate is signed by nobody we trust"),
        ("fussy.test", "tls_alert_received", "the server ended the TLS handshake (alert AccessDenied)"),
        ("silent.test", "connection_terminated", "the server closed the connection without a response"),
        ("plain.test", "tls_protocol_error", "the server does not speak TLS as it should"),
        ("closing.test", "tls_protocol_error", "the server closed the connection during the TLS handshake"),
        ("reset.test", "connection_terminated", "the server reset the connection"),
        ("garbage.test", "http_protocol_error", "what the server answered is no HTTP as it should be"),
        ("long.test", "http_response_header_section_size", "the head of the server's response is longer than the proxy takes"),
    ];
    let upstream = LocalUpstream::new(move |host, _| servers.get(host).copied(), roots);
    let bench = Bench::start(Upstream::Local(upstream), Clock::real()).await;
    for (host, status, _) in expected {
        let mut client = bench.tls(host, &[b"http/1.1"]).await;
        client.write_all(format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n\r\nhi").as_bytes()).await.expect("sent");
        let head = read_head(&mut client).await.to_ascii_lowercase();
        assert!(
            head.starts_with("http/1.1 502") && head.contains(&format!("proxy-status: tattletale; error={status}\r\n")),
            "{host}: {head}"
        );
    }
    let record = bench.finish().await;
    for (told, (host, _, error)) in record.exchanges.values().zip(expected) {
        assert_eq!((told.error.as_deref(), told.request.as_deref()), (Some(error), Some(&b"hi"[..])), "{host}");
    }
}

/// Says something, and hears the client out.
async fn says(mut wire: Wire, text: String) {
    wire.write_all(text.as_bytes()).await.expect("sent");
    wire.shutdown().await.expect("closed");
    read_to_end(&mut wire).await;
}

/// A response with so many header fields.
fn many_fields(count: usize) -> String {
    let fields: String = (2..count).map(|number| format!("X-{number}: y\r\n")).collect();
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n{fields}\r\n")
}

#[tokio::test]
async fn a_response_with_many_header_fields_passes() {
    let cloud = Cloud::new();
    let server = cloud.server(true, async |mut wire: Wire| {
        read_head(&mut wire).await;
        says(wire, many_fields(250)).await;
    });
    let bench = Bench::local(&cloud, server.await).await;
    let mut client = bench.tls("api.test", &[b"http/1.1"]).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n").await.expect("sent");
    let head = read_head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("X-249: y"), "{head}");
    drop(client);
    assert_eq!(bench.finish().await.only().answer.len(), 250);
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_told_as_such() {
    let bench = Bench::start(Upstream::System, Clock::real()).await;
    let mut client = TcpStream::connect(bench.address()).await.expect("the proxy listens");
    client.write_all(b"GET http://no-such-host.invalid/ HTTP/1.1\r\nHost: no-such-host.invalid\r\n\r\n").await.expect("sent");
    assert!(read_head(&mut client).await.contains("dns_error"));
    let record = bench.finish().await;
    assert_eq!(record.only().error.as_deref(), Some("no address is known for the server's name"));
}

// Other proxies on the way

#[tokio::test]
async fn requests_and_websockets_go_through_another_proxy() {
    for protocol in ["http", "socks5"] {
        let cloud = Cloud::new();
        let (tls, plain) = (cloud.server(true, http_server).await, cloud.server(false, http_server).await);
        let chat = cloud.server(true, chat).await;
        let (asked, mut targets) = mpsc::unbounded_channel();
        let proxy =
            tcp_server(move |wire| other_proxy(wire, protocol, BTreeMap::from([(443, tls), (80, plain), (8443, chat)]), asked.clone()))
                .await;
        let url = format!("{protocol}://me:pass%20word@{proxy}");
        let through = url.parse::<UpstreamProxy>().expect("a proxy").trusting([cloud.authority.certificate_der()]);
        let bench = Bench::start(Upstream::Through(through), Clock::real()).await;
        let mut client = bench.http2("far.test").await;
        let request = Request::get("https://far.test/").body(whole("")).expect("a request");
        assert_eq!(client.send_request(request).await.expect("a response").status(), StatusCode::OK);
        let mut direct = TcpStream::connect(bench.address()).await.expect("the proxy listens");
        direct.write_all(b"GET http://far.test/ HTTP/1.1\r\nHost: far.test\r\n\r\n").await.expect("sent");
        assert!(read_head(&mut direct).await.starts_with("HTTP/1.1 200"));
        let wire = bench.tls_to("far.test", 8443, &[b"http/1.1"]).await;
        let mut socket = websocket::client_async("wss://far.test:8443/", wire).await.expect("agreed").0;
        socket.send(Said::text("through")).await.expect("sent");
        assert_eq!(socket.next().await.expect("an answer").expect("a message"), Said::text("through"));
        drop((client, direct, socket));
        let record = bench.finish().await;
        assert!(record.exchanges.values().all(|told| told.error.is_none()), "{protocol}");
        assert_eq!(record.exchanges.len(), 3);
        let mut seen = Vec::new();
        while let Ok(target) = targets.try_recv() {
            seen.push(target);
        }
        let plain = if protocol == "http" { "GET http://far.test/" } else { "far.test:80" };
        assert_eq!(seen, ["far.test:443", plain, "far.test:8443"]);

        let stranger = Bench::start(Upstream::Through(url.replace("me:", "you:").parse().expect("a proxy")), Clock::real()).await;
        let mut client = stranger.tls("far.test", &[b"http/1.1"]).await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: far.test\r\n\r\n").await.expect("sent");
        assert!(read_head(&mut client).await.starts_with("HTTP/1.1 502"));
        drop(client);
        let record = stranger.finish().await;
        assert_eq!(record.only().error.as_deref(), Some("the upstream proxy wants another name and password"), "{protocol}");
    }
    let nobody = format!("http://{}", dead()).parse().expect("a proxy");
    let bench = Bench::start(Upstream::Through(nobody), Clock::real()).await;
    let mut client = bench.tls("far.test", &[b"http/1.1"]).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: far.test\r\n\r\n").await.expect("sent");
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 502"));
    assert_eq!(bench.finish().await.only().error.as_deref(), Some("the upstream proxy could not be reached"));
}

/// A proxy that lets `me` with `pass word` through to the server of a port, and says what it was asked for.
async fn other_proxy(mut wire: TcpStream, protocol: &str, servers: BTreeMap<u16, SocketAddr>, asked: mpsc::UnboundedSender<String>) {
    let mut first = Vec::new();
    let target = if protocol == "http" {
        let head = read_head(&mut wire).await;
        // `me:pass word` in base64.
        if !head.contains("roxy-authorization: Basic bWU6cGFzcyB3b3Jk") && !head.contains("roxy-Authorization: Basic bWU6cGFzcyB3b3Jk") {
            let _ = wire.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").await;
            return;
        }
        match head.strip_prefix("CONNECT ") {
            Some(rest) => {
                wire.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.expect("sent");
                rest.split(' ').next().expect("an authority").to_owned()
            }
            None => {
                first = head.replace("GET http://far.test/", "GET /").into_bytes();
                head.split(" HTTP/1.1").next().expect("a line").to_owned()
            }
        }
    } else {
        let mut greeting = [0; 4];
        wire.read_exact(&mut greeting).await.expect("a greeting");
        assert_eq!(greeting, [5, 2, 0, 2]);
        wire.write_all(&[5, 2]).await.expect("sent");
        let mut login = [0; 2];
        wire.read_exact(&mut login).await.expect("a login");
        let mut name = vec![0; usize::from(login[1])];
        wire.read_exact(&mut name).await.expect("a name");
        let mut password = vec![0; usize::from(wire.read_u8().await.expect("a length"))];
        wire.read_exact(&mut password).await.expect("a password");
        let known = name == b"me" && password == b"pass word";
        wire.write_all(&[1, u8::from(!known)]).await.expect("sent");
        if !known {
            return;
        }
        let mut request = [0; 5];
        wire.read_exact(&mut request).await.expect("a request");
        assert_eq!(request[..4], [5, 1, 0, 3]);
        let mut host = vec![0; usize::from(request[4])];
        wire.read_exact(&mut host).await.expect("a host");
        let port = wire.read_u16().await.expect("a port");
        wire.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await.expect("sent");
        format!("{}:{port}", String::from_utf8(host).expect("text"))
    };
    let port = target.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(80);
    let _ = asked.send(target);
    let mut server = TcpStream::connect(servers[&port]).await.expect("it listens");
    server.write_all(&first).await.expect("sent");
    let _ = tokio::io::copy_bidirectional(&mut wire, &mut server).await;
}

// The bench

const LONG: Duration = Duration::from_secs(20);
const UPGRADE: &str = "GET /socket HTTP/1.1\r\nHost: chat.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n";

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}
type Wire = Box<dyn Both>;

/// Servers whose certificates one authority signs.
struct Cloud {
    authority: Arc<Authority>,
    /// What they speak over TLS.
    alpn: &'static [&'static [u8]],
}

impl Cloud {
    fn new() -> Self {
        Self { authority: Arc::new(Authority::generate("cloud (test)", Timestamp::now()).expect("an authority")), alpn: &[b"http/1.1"] }
    }

    fn upstream(&self, server: SocketAddr) -> LocalUpstream {
        LocalUpstream::new(move |_, _| Some(server), [self.authority.certificate_der()])
    }

    /// A server that does this with each connection, whatever host is asked for.
    async fn server<F: Future<Output = ()> + Send + 'static>(
        &self,
        tls: bool,
        each: impl Fn(Wire) -> F + Send + Sync + 'static,
    ) -> SocketAddr {
        let (authority, alpn, each) = (Arc::clone(&self.authority), self.alpn, Arc::new(each));
        tcp_server(move |wire| {
            let (authority, each) = (Arc::clone(&authority), Arc::clone(&each));
            async move {
                if !tls {
                    return each(Box::new(wire)).await;
                }
                if let Some(wire) = accept_tls(wire, |host| Some(authority.server_config(host, alpn).expect("a leaf"))).await {
                    each(Box::new(wire)).await;
                }
            }
        })
        .await
    }
}

async fn tls_server<F: Future<Output = ()> + Send + 'static>(
    config: Arc<ServerConfig>,
    each: impl Fn(Wire) -> F + Send + Sync + 'static,
) -> SocketAddr {
    let each = Arc::new(each);
    tcp_server(move |wire| {
        let (config, each) = (Arc::clone(&config), Arc::clone(&each));
        async move {
            if let Some(mut wire) = accept_tls(wire, |_| Some(config)).await {
                let _ = wire.read(&mut [0; 1000]).await;
                each(Box::new(wire)).await;
            }
        }
    })
    .await
}

/// A bench with a server that answers everything and shows the heads of the requests.
async fn heads(tls: bool) -> (Bench, mpsc::UnboundedReceiver<String>) {
    let (asked, heads) = mpsc::unbounded_channel();
    let cloud = Cloud::new();
    let server = cloud.server(tls, move |mut wire: Wire| {
        let asked = asked.clone();
        async move {
            loop {
                let head = read_head(&mut wire).await;
                if head.is_empty() || asked.send(head).is_err() {
                    return;
                }
                let answer = b"HTTP/1.1 200 OK\r\nX-Odd-CASE: yes\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n";
                if wire.write_all(answer).await.is_err() || wire.flush().await.is_err() {
                    return;
                }
            }
        }
    });
    (Bench::local(&cloud, server.await).await, heads)
}

/// A server that speaks HTTP as it should.
fn http_server(wire: Wire) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    async fn answer(request: Request<Incoming>) -> Result<Response<hudsucker::Body>, Infallible> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await;
        let trailers = body.ok().and_then(|body| body.trailers().cloned()).unwrap_or_default();
        let mut response = match parts.uri.path() {
            "/204" | "/304" => Response::new(hudsucker::Body::empty()),
            "/trailers" => {
                let back = HeaderMap::from_iter([(http::HeaderName::from_static("x-back"), trailers["x-sum"].clone())]);
                let frames = stream::iter([Ok(Frame::data(Bytes::from_static(b"back"))), Ok(Frame::trailers(back))]);
                let mut response = Response::new(hudsucker::Body::from(StreamBody::new(frames)));
                response.headers_mut().insert("trailer", "x-back".parse().expect("a value"));
                response
            }
            _ if parts.method == Method::HEAD => {
                Response::builder().header("content-length", "5").body(hudsucker::Body::empty()).expect("a response")
            }
            _ => Response::new(hudsucker::Body::from("hello")),
        };
        if let Ok(status) = parts.uri.path().trim_start_matches('/').parse() {
            *response.status_mut() = status;
        }
        Ok(response)
    }
    Box::pin(async {
        let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(wire), service_fn(answer)).await;
    })
}

/// A proxy, and what it tells.
struct Bench {
    authority: Arc<Authority>,
    proxy: RunningProxy,
    collector: JoinHandle<Record>,
}

impl Bench {
    /// In front of one server that stands for every host.
    async fn local(cloud: &Cloud, server: SocketAddr) -> Self {
        Self::start(Upstream::Local(cloud.upstream(server)), Clock::real()).await
    }

    async fn start(upstream: Upstream, clock: Clock) -> Self {
        let authority = Arc::new(Authority::generate("tattletale audit (test)", Timestamp::now()).expect("an authority"));
        let (events, mut received) = queue::queue();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let setup = ProxySetup { listen, authority: Arc::clone(&authority), upstream, gate: Arc::new(OpenGate), clock };
        let proxy = Proxy::new(setup).launch(events).expect("a free port");
        let collector = tokio::spawn(async move {
            let mut record = Record::default();
            while let Some(event) = received.next().await {
                record.absorb(event);
            }
            record
        });
        Self { authority, proxy, collector }
    }

    fn address(&self) -> SocketAddr {
        self.proxy.address().expect("a proxy has an address")
    }

    async fn finish(self) -> Record {
        self.proxy.stop().await.expect("stopped");
        self.collector.await.expect("the collector's assertions hold")
    }

    async fn tunnel(&self, authority: &str) -> Wire {
        let mut wire = TcpStream::connect(self.address()).await.expect("the proxy listens");
        wire.write_all(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes()).await.expect("sent");
        assert!(read_head(&mut wire).await.starts_with("HTTP/1.1 200"));
        Box::new(wire)
    }

    async fn tls(&self, host: &str, alpn: &[&[u8]]) -> Wire {
        self.tls_to(host, 443, alpn).await
    }

    async fn tls_to(&self, host: &str, port: u16, alpn: &[&[u8]]) -> Wire {
        let tunnel = self.tunnel(&format!("{host}:{port}")).await;
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        Box::new(TlsConnector::from(trusting(&self.authority, alpn)).connect(name, tunnel).await.expect("a handshake"))
    }

    async fn http2(&self, host: &str) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
        self.http2_streaming(host).await
    }

    async fn http2_streaming<B>(&self, host: &str) -> hyper::client::conn::http2::SendRequest<B>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let wire = TokioIo::new(self.tls(host, &[b"h2"]).await);
        let (client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), wire).await.expect("HTTP/2");
        tokio::spawn(async { drop(connection.await) });
        client
    }
}

/// What was told, put together again.
#[derive(Default)]
struct Record {
    exchanges: BTreeMap<ExchangeId, Told>,
}

#[derive(Default)]
struct Told {
    method: String,
    url: String,
    path: String,
    headers: Vec<Header>,
    open: [Vec<u8>; 2],
    /// Complete bodies.
    request: Option<Vec<u8>>,
    response: Option<Vec<u8>>,
    status: Option<u16>,
    /// Headers of the response.
    answer: Vec<Header>,
    trailers: Vec<Header>,
    messages: Vec<ToldMessage>,
    notes: Vec<String>,
    ended: bool,
    error: Option<String>,
}

struct ToldMessage {
    sent: bool,
    text: bool,
    bytes: Vec<u8>,
    length: u64,
    complete: bool,
}

impl Told {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.expose().as_str())
    }
}

impl Record {
    fn absorb(&mut self, event: TrafficEvent) {
        match event {
            TrafficEvent::Began { id, method, url, headers, .. } => {
                let (path, url) = (url.path().to_owned(), url.to_text().into_exposed());
                self.exchanges.insert(id, Told { method, url, path, headers, ..Told::default() });
            }
            TrafficEvent::BodyPiece { id, side, bytes } => self.open(id).open[side as usize].extend(bytes.expose()),
            TrafficEvent::BodyEnded { id, side, trailers } => {
                let told = self.open(id);
                told.trailers.extend(trailers);
                let body = Some(std::mem::take(&mut told.open[side as usize]));
                match side {
                    Side::Request => assert!(std::mem::replace(&mut told.request, body).is_none()),
                    Side::Response => assert!(std::mem::replace(&mut told.response, body).is_none()),
                }
            }
            TrafficEvent::Answered { id, status, headers, .. } => {
                let told = self.open(id);
                (told.status, told.answer) = (Some(status), headers);
            }
            TrafficEvent::Message { id, sent, text, bytes, length, complete, .. } => {
                self.open(id).messages.push(ToldMessage { sent, text, bytes: bytes.into_exposed(), length, complete });
            }
            TrafficEvent::Noted { id, note, .. } => self.open(id).notes.push(note),
            TrafficEvent::Ended { id, error, .. } => {
                let told = self.open(id);
                (told.ended, told.error) = (true, error);
            }
            _ => {}
        }
    }

    fn open(&mut self, id: ExchangeId) -> &mut Told {
        let told = self.exchanges.get_mut(&id).expect("an exchange begins with its first event");
        assert!(!told.ended, "the end is the last event of an exchange");
        told
    }

    fn only(&self) -> &Told {
        assert_eq!(self.exchanges.len(), 1);
        let told = &self.exchanges[&ExchangeId(1)];
        assert!(told.ended);
        told
    }
}

async fn read_head(wire: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match timeout(LONG, wire.read_u8()).await.expect("a head in time") {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).expect("text")
}

async fn read_to_end(wire: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = wire.read_to_end(&mut all).await;
    all
}

/// A short frame as a client sends it.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1_u8, 2, 3, 4];
    let mut frame = vec![first, 0x80 | u8::try_from(payload.len()).expect("short")];
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn whole(text: &str) -> Full<Bytes> {
    Full::new(Bytes::from(text.to_owned()))
}
