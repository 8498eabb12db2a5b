//! Clients that close their half of the connection when they have asked (`nc`, `socat`, many small programs): a request that is
//! whole is recorded, reaches its server, and gets its answer. One that breaks off has left.

use std::time::{Duration, Instant};

use tattletale::{
    model::TunnelOutcome,
    traffic::{RunningSource, proxy::OpenGate},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::bench::{Bench, digest, read_all};

/// Sends all of this and closes that half, as soon as it is sent, then reads to the end.
async fn ask_and_close(mut stream: TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream.shutdown().await.expect("one half is closed");
    read_all(&mut stream).await
}

#[tokio::test]
async fn a_client_that_closes_its_half_gets_its_answer_and_its_request_is_recorded() {
    for host in ["plain.test", "slow.test"] {
        for (head, body) in [("POST", "abc"), ("POST", ""), ("GET", "")] {
            let length = if head == "POST" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
            for inside in [false, true] {
                let bench = Bench::start().await;
                let target = if inside { String::new() } else { format!("http://{host}") };
                let request = format!("{head} {target}/up HTTP/1.1\r\nHost: {host}\r\n{length}\r\n{body}");
                let stream = if inside {
                    bench.tunnel(&format!("{host}:80")).await
                } else {
                    TcpStream::connect(bench.address()).await.expect("the proxy listens")
                };
                let answer = ask_and_close(stream, &request).await;
                let expected = format!("{} {}", body.len(), digest(body.as_bytes()));
                let name = format!("{head} {host} {body:?}, inside: {inside}");
                assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&expected), "{name}: {answer}");
                let record = bench.finish().await;
                let exchange = record.only_exchange();
                assert_eq!(exchange.request, Some((body.len() as u64, digest(body.as_bytes()))), "{name}");
                assert_eq!((exchange.status, &exchange.error), (Some(200), &None), "{name}");
                let outcomes = if inside { vec![TunnelOutcome::Read { requests: 1 }] } else { Vec::new() };
                assert_eq!(record.outcomes(), outcomes, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn requests_that_wait_their_turn_are_answered_too_when_the_client_has_said_its_last() {
    let bench = Bench::start().await;
    let one = |path: &str, body: &str| {
        format!("POST http://slow.test/{path} HTTP/1.1\r\nHost: slow.test\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    // More than is listened to while the first one is answered.
    let long = "x".repeat(5000);
    let mut stream = TcpStream::connect(bench.address()).await.expect("the proxy listens");
    stream.write_all(one("a", "first").as_bytes()).await.expect("sent");
    let answer = ask_and_close(stream, &(one("b", &long) + &one("c", "last"))).await;
    for body in ["first", &long, "last"] {
        assert!(answer.contains(&format!("{} {}", body.len(), digest(body.as_bytes()))), "{answer}");
    }
    let record = bench.finish().await;
    assert!(record.tunnels.is_empty() && record.exchanges.len() == 3, "nothing is told as unread");
    assert!(record.exchanges.values().all(|exchange| exchange.status == Some(200) && exchange.error.is_none()));
}

#[tokio::test]
async fn half_a_request_after_a_whole_one_is_told_when_the_client_has_said_its_last() {
    let bench = Bench::start().await;
    let mut stream = TcpStream::connect(bench.address()).await.expect("the proxy listens");
    stream.write_all(b"GET http://slow.test/a HTTP/1.1\r\nHost: slow.test\r\n\r\n").await.expect("sent");
    until_dialled(&bench, 1).await;
    let answer = ask_and_close(stream, "POST http://slow.test/b HTTP/1.1\r\nHost: slow.test\r\nX-Ha").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let record = bench.finish().await;
    assert_eq!(record.exchanges.len(), 1);
    assert_eq!(record.outcomes(), [TunnelOutcome::ClosedWithoutRequest]);
    let told = record.tunnels.values().next().expect("one is told");
    assert_eq!((told.host.as_str(), told.evidence.bytes.map(|bytes| bytes.sent)), ("slow.test", Some(55)));
}

#[tokio::test]
async fn a_client_that_resets_its_connection_has_left_at_once() {
    let bench = Bench::start().await;
    let began = Instant::now();
    for inside in [false, true] {
        let mut stream = if inside {
            bench.tunnel("silent.test:80").await
        } else {
            TcpStream::connect(bench.address()).await.expect("the proxy listens")
        };
        let target = if inside { "" } else { "http://silent.test" };
        stream.write_all(format!("GET {target}/poll HTTP/1.1\r\nHost: silent.test\r\n\r\n").as_bytes()).await.expect("sent");
        until_dialled(&bench, 1 + usize::from(inside)).await;
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("it is ours");
        drop(stream);
        while bench.proxy.in_flight() > 0 {
            assert!(began.elapsed() < HEAD_LIMIT / 2, "its server is not waited for");
            tokio::task::yield_now().await;
        }
    }
    let record = bench.finish().await;
    let errors: Vec<_> = record.exchanges.values().map(|exchange| exchange.error.as_deref()).collect();
    assert_eq!(errors, [Some("the connection ended before there was a response"); 2]);
}

#[tokio::test]
async fn a_client_that_says_its_last_is_not_waited_for_without_end() {
    let bench = Bench::set_up(OpenGate, |proxy| proxy.with_head_limit(Duration::from_millis(300))).await;
    let mut stream = TcpStream::connect(bench.address()).await.expect("the proxy listens");
    stream.write_all(b"GET http://silent.test/ HTTP/1.1\r\nHost: silent.test\r\n\r\n").await.expect("sent");
    stream.shutdown().await.expect("one half is closed");
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(HEAD_LIMIT, read).await.expect("the proxy gives it up");
    assert!(answer.is_empty());
    let record = bench.finish().await;
    assert_eq!(record.only_exchange().error.as_deref(), Some("the connection ended before there was a response"));
}

/// Waits until requests were read for which so many servers were looked for.
async fn until_dialled(bench: &Bench, count: usize) {
    while bench.dialled().len() < count {
        tokio::task::yield_now().await;
    }
}

/// The limit that a proxy has when nothing else is said.
const HEAD_LIMIT: Duration = Duration::from_secs(60);
