//! Clients that name more than one host: in the CONNECT, in TLS, in a request's target and in its `Host` field. The server hears
//! what it would have heard without us, and the record holds every name.

use hyper::{Request, StatusCode};
use rustls::pki_types::ServerName;
use tattletale::model::{TunnelId, TunnelOutcome};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsConnector;

use super::bench::{Bench, Told, body, http1_over, read_all, text};

fn hosts(told: &Told) -> Vec<&str> {
    told.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host")).map(|header| header.value.expose().as_str()).collect()
}

#[tokio::test]
async fn the_name_that_a_client_has_in_tls_is_the_one_that_its_server_hears() {
    // HTTP/2 and HTTP/1, a `Host` that is TLS's name and one that is the CONNECT's.
    for (host, urls) in [("front.test", 2), ("behind.test", 1)] {
        let bench = Bench::start().await;
        let name = || ServerName::try_from("front.test").expect("a name");
        let connected = async |alpn| {
            let tunnel = bench.tunnel("behind.test:443").await;
            TlsConnector::from(bench.trusting(&[alpn])).connect(name(), tunnel).await.expect("a certificate for the name in TLS")
        };
        let mut client = http1_over(connected(b"http/1.1").await).await;
        let request = Request::post("/up").header("Host", host).body(body("123")).expect("a request");
        let response = client.send_request(request).await.expect("a response");
        assert_eq!(response.status(), StatusCode::OK);
        assert!(text(response).await.starts_with("3 "));

        let stream = hyper_util::rt::TokioIo::new(connected(b"h2").await);
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        let request = Request::post(format!("https://{host}/up")).body(body("12345")).expect("a request");
        let response = client.send_request(request).await.expect("a response");
        assert_eq!(response.status(), StatusCode::OK);
        assert!(text(response).await.starts_with("5 "));
        drop(client);

        assert!(bench.dialled().iter().all(|server| server == "behind.test:443"), "where the CONNECT said: {:?}", bench.dialled());
        let record = bench.finish().await;
        for told in record.exchanges.values() {
            assert_eq!((told.url.as_str(), told.error.as_deref()), ("https://behind.test/up", None));
            assert!(hosts(told).len() < 2, "{:?}", hosts(told));
        }
        let named = record.exchanges.values().flat_map(hosts).filter(|told| *told == host).count();
        assert_eq!(named, urls, "each name is told where it is another than the URL's, or was written");
        for tunnel in record.tunnels.values() {
            assert_eq!((tunnel.host.as_str(), tunnel.sni.as_deref()), ("behind.test", Some("front.test")));
            assert_eq!(tunnel.outcome, Some(TunnelOutcome::Read { requests: 1 }));
        }
    }
}

#[tokio::test]
async fn the_servers_certificate_is_to_be_for_the_name_in_tls() {
    let bench = Bench::start().await;
    // By its own name the server is not to be had.
    let mut client = bench.http1("behind.test").await;
    let request = Request::get("/").header("Host", "behind.test").body(body("")).expect("a request");
    assert_eq!(client.send_request(request).await.expect("a response").status(), StatusCode::BAD_GATEWAY);
    bench.finish().await;
}

#[tokio::test]
async fn a_host_that_only_the_target_names_inside_a_tunnel_is_told_and_passed_on() {
    let bench = Bench::start().await;
    let mut tunnel = bench.tunnel("plain.test:80").await;
    let request = "GET http://me@trailers.test/x?y HTTP/1.1\r\nHost: third.test\r\nConnection: close\r\n\r\n";
    tunnel.write_all(request.as_bytes()).await.expect("sent");
    let reply = read_all(&mut tunnel).await;
    assert!(reply.contains("data"), "the server was asked for the host of the target: {reply}");
    // Nothing is told apart where all names are the same.
    let mut tunnel = bench.tunnel("plain.test:80").await;
    let request = "GET http://plain.test/x HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n";
    tunnel.write_all(request.as_bytes()).await.expect("sent");
    assert!(read_all(&mut tunnel).await.starts_with("HTTP/1.1 200"));
    assert!(bench.dialled().iter().all(|server| server == "plain.test:80"));
    let record = bench.finish().await;
    let told: Vec<_> = record.exchanges.values().map(|told| (told.url.as_str(), hosts(told))).collect();
    assert_eq!(
        told,
        [("http://plain.test/x?y", vec!["trailers.test", "third.test"]), ("http://plain.test/x", vec!["plain.test"])],
        "where it went, and every name that it had"
    );
    assert_eq!(record.tunnels[&TunnelId(1)].outcome, Some(TunnelOutcome::Read { requests: 1 }));
}
