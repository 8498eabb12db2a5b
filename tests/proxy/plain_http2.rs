//! HTTP/2 without TLS through a tunnel, as gRPC is often spoken inside a company or a home: the server is spoken HTTP/2 with as
//! well, for there is nobody to agree with on anything else.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::bench::{Bench, body, digest};

/// A client that speaks HTTP/2 through a tunnel to this host and port, without TLS.
async fn client(bench: &Bench, authority: &str) -> SendRequest<Full<Bytes>> {
    let stream = TokioIo::new(bench.tunnel(authority).await);
    let (client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    client
}

async fn upload(client: &mut SendRequest<Full<Bytes>>, url: &str, text: &str) -> (StatusCode, String, Option<String>) {
    let request = Request::post(url).header("te", "trailers").body(body(text)).expect("a request");
    let response = client.send_request(request).await.expect("a response");
    let status = response.status();
    let whole = response.into_body().collect().await.expect("a whole response");
    let grpc = whole.trailers().and_then(|trailers| trailers.get("grpc-status")?.to_str().ok().map(str::to_owned));
    (status, String::from_utf8(whole.to_bytes().to_vec()).expect("text"), grpc)
}

#[tokio::test]
async fn a_server_that_speaks_http_2_alone_is_reached_without_tls() {
    let bench = Bench::start().await;
    let mut over_2 = client(&bench, "h2c.test:50051").await;
    for (url, authority) in [
        ("http://h2c.test:50051/svc/Method", "h2c.test:50051"),
        // Whether there is TLS is no matter of what a client says.
        ("https://h2c.test:50051/svc/Method", "h2c.test:50051"),
        // By another name than the one of its connection.
        ("http://behind.h2c.test/svc/Method", "behind.h2c.test"),
    ] {
        let expected = format!("http://{authority}/svc/Method 5 {}", digest(b"hello"));
        assert_eq!(upload(&mut over_2, url, "hello").await, (StatusCode::OK, expected, Some("0".to_owned())), "{url}");
    }
    drop(over_2);
    assert!(bench.dialled().iter().all(|dialled| dialled == "h2c.test:50051"), "{:?}", bench.dialled());
    let record = bench.finish().await;
    assert_eq!(record.exchanges.len(), 3);
    for exchange in record.exchanges.values() {
        assert_eq!((exchange.http_version.as_str(), exchange.status, &exchange.error), ("HTTP/2", Some(200), &None));
        assert_eq!(exchange.url, "http://h2c.test:50051/svc/Method");
        assert_eq!(exchange.request, Some((5, digest(b"hello"))));
        assert_eq!(exchange.trailers.len(), 1, "the server's");
    }
}

#[tokio::test]
async fn of_a_server_that_does_not_speak_it_no_more_is_said_than_that() {
    let bench = Bench::start().await;
    let mut over_2 = client(&bench, "echo.test:80").await;
    let (status, words, _) = upload(&mut over_2, "http://echo.test/up", "hello").await;
    let expected = "the server gave no response over HTTP/2, which the client spoke without TLS";
    assert_eq!((status, words.contains(expected)), (StatusCode::BAD_GATEWAY, true), "{words}");
    drop(over_2);
    let record = bench.finish().await;
    assert_eq!(record.only_exchange().request, Some((5, digest(b"hello"))), "what it was sent is recorded");
    assert_eq!(record.only_exchange().error.as_deref(), Some(expected));
}

#[tokio::test]
async fn http_2_spoken_with_the_proxy_says_nothing_of_the_server() {
    let bench = Bench::start().await;
    let stream = TokioIo::new(tokio::net::TcpStream::connect(bench.address()).await.expect("the proxy listens"));
    let (mut over_2, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    let (status, ..) = upload(&mut over_2, "http://plain.test/up", "hello").await;
    assert_eq!(status, StatusCode::OK);
    drop(over_2);
    assert_eq!(bench.finish().await.only_exchange().error, None);
}

#[tokio::test]
async fn a_long_head_passes_over_http_2_too() {
    let bench = Bench::start().await;
    let stream = TokioIo::new(bench.tls("wide.test", bench.trusting(&[b"h2"])).await.expect("a handshake"));
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut over_2, connection) = builder.max_header_list_size(100_000).handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    let response = over_2.send_request(Request::get("https://wide.test/").body(body("")).expect("a request")).await.expect("a response");
    assert_eq!((response.status(), response.headers()["x-199"].len()), (StatusCode::OK, 200));
    drop(over_2);
    assert_eq!(bench.finish().await.only_exchange().error, None);
}
