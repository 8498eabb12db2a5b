//! How often a request reaches its server: once, unless twice is as good as once or the server said that it did nothing, and
//! then the record tells.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    time::timeout,
};

use super::{Bench, Cloud, LONG, Wire, read_head, read_to_end, whole};

#[tokio::test]
async fn a_connection_that_the_server_closed_loses_no_upload() {
    let taken = Arc::new(AtomicUsize::new(0));
    let (closed, mut was_closed) = mpsc::unbounded_channel();
    let cloud = Cloud::new();
    let server = {
        let taken = Arc::clone(&taken);
        cloud.server(true, move |mut wire: Wire| {
            let (taken, closed) = (Arc::clone(&taken), closed.clone());
            async move {
                read_head(&mut wire).await;
                wire.read_exact(&mut [0; 5]).await.expect("the whole upload");
                taken.fetch_add(1, Ordering::SeqCst);
                // Says nothing of it, and closes: the next request on this connection would meet nobody.
                wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.expect("sent");
                wire.shutdown().await.expect("closed");
                let _ = closed.send(());
            }
        })
    };
    let bench = Bench::local(&cloud, server.await).await;
    let mut client = bench.tls("api.test", &[b"http/1.1"]).await;
    for _ in 0..50 {
        client.write_all(b"POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 5\r\n\r\nhello").await.expect("sent");
        let head = read_head(&mut client).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        client.read_exact(&mut [0; 2]).await.expect("a body");
        was_closed.recv().await.expect("it closes");
    }
    drop(client);
    let record = bench.finish().await;
    assert_eq!(taken.load(Ordering::SeqCst), 50, "each once");
    assert!(record.exchanges.values().all(|told| told.error.is_none() && told.request.as_deref() == Some(b"hello")));
    assert!(record.exchanges.values().all(|told| told.notes.is_empty()));
}

#[tokio::test]
async fn a_first_connection_that_breaks_is_not_asked_twice() {
    let asked = Arc::new(AtomicUsize::new(0));
    let cloud = Cloud::new();
    let server = {
        let asked = Arc::clone(&asked);
        cloud.server(true, move |mut wire: Wire| {
            asked.fetch_add(1, Ordering::SeqCst);
            async move {
                read_head(&mut wire).await;
            }
        })
    };
    let bench = Bench::local(&cloud, server.await).await;
    let mut client = bench.tls("api.test", &[b"http/1.1"]).await;
    client.write_all(b"POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 5\r\n\r\nhello").await.expect("sent");
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 502"));
    drop(client);
    bench.finish().await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_a_kept_connection_took_without_an_answer_is_sent_again_only_where_that_changes_nothing() {
    for (method, repeated) in [("POST", false), ("PATCH", false), ("PUT", true), ("DELETE", true)] {
        let (taken, left) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let cloud = Cloud::new();
        let server = {
            let (taken, left) = (Arc::clone(&taken), Arc::clone(&left));
            cloud.server(true, move |mut wire: Wire| {
                let (taken, left) = (Arc::clone(&taken), Arc::clone(&left));
                async move {
                    for answers in [true, false] {
                        if read_head(&mut wire).await.is_empty() {
                            return;
                        }
                        wire.read_exact(&mut [0; 5]).await.expect("the whole upload");
                        taken.fetch_add(1, Ordering::SeqCst);
                        if answers {
                            wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.expect("sent");
                        } else {
                            left.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                }
            })
        };
        let bench = Bench::local(&cloud, server.await).await;
        let mut client = bench.tls("api.test", &[b"http/1.1"]).await;
        let mut last = String::new();
        let mut sent = 0;
        // Its second request goes over the connection that its first one made.
        while left.load(Ordering::SeqCst) == 0 {
            assert!(sent < 1000, "no connection was used twice");
            let request = format!("{method} / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 5\r\n\r\nhello");
            client.write_all(request.as_bytes()).await.expect("sent");
            last = read_head(&mut client).await;
            sent += 1;
        }
        drop(client);
        let record = bench.finish().await;
        let told = record.exchanges.values().next_back().expect("an exchange");
        assert_eq!(told.request.as_deref(), Some(&b"hello"[..]), "told once, however often it was sent");
        assert_eq!(taken.load(Ordering::SeqCst), if repeated { sent + 1 } else { sent }, "{method}");
        if repeated {
            assert!(last.starts_with("HTTP/1.1 200"), "{method}: {last}");
            assert_eq!(told.error, None);
            assert_eq!(
                told.notes,
                ["a second attempt was made to send it: the server closed a connection that it had kept, before it answered, and twice \
                  is the same as once"]
            );
        } else {
            assert!(last.starts_with("HTTP/1.1 502") && last.contains("connection_terminated"), "{method}: {last}");
            assert_eq!(
                told.error.as_deref(),
                Some(
                    "the server closed a connection that it had kept, without a response; the request was not sent again, because it \
                     may have been acted on"
                )
            );
            assert!(told.notes.is_empty());
        }
    }
}

/// What an HTTP/2 server does with the second request of its first connection.
#[derive(Clone, Copy, Debug)]
enum Second {
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY with this last stream, and the end.
    GoAway(u32),
    /// Only the end.
    Leave,
}

#[tokio::test]
async fn over_http_2_what_the_server_did_nothing_with_is_sent_again_and_nothing_else() {
    const UNPROCESSED: Option<&str> = Some("a second attempt was made to send it: the server said that it did nothing with it");
    const LEFT: &str = "the server closed a connection that it had kept, without a response; the request was not sent again, because \
                        it may have been acted on";
    for (second, expected) in [
        (Second::Reset(7), Ok(UNPROCESSED)),
        (Second::GoAway(1), Ok(UNPROCESSED)),
        (Second::Reset(2), Err("the server reset the request's stream (INTERNAL_ERROR)")),
        (Second::GoAway(3), Err(LEFT)),
        (Second::Leave, Err(LEFT)),
    ] {
        let connections = Arc::new(AtomicUsize::new(0));
        let taken = Arc::new(AtomicUsize::new(0));
        let cloud = Cloud { alpn: &[b"h2"], ..Cloud::new() };
        let server = {
            let (connections, taken) = (Arc::clone(&connections), Arc::clone(&taken));
            cloud.server(true, move |wire: Wire| {
                let first = connections.fetch_add(1, Ordering::SeqCst) == 0;
                let taken = Arc::clone(&taken);
                async move { raw_http_2(wire, first.then_some(second), &taken).await }
            })
        };
        let bench = Bench::local(&cloud, server.await).await;
        let mut client = bench.http2("api.test").await;
        let mut upload = async || {
            let request = Request::post("https://api.test/").body(whole("hello")).expect("a request");
            let response: Response<_> = timeout(LONG, client.send_request(request)).await.expect("in time").expect("a response");
            let status = response.status();
            let _ = response.into_body().collect().await.expect("a body");
            status
        };
        assert_eq!(upload().await, StatusCode::OK, "{second:?}");
        let status = upload().await;
        let record = bench.finish().await;
        let told = record.exchanges.values().next_back().expect("an exchange");
        assert_eq!(told.request.as_deref(), Some(&b"hello"[..]), "{second:?}");
        assert_eq!(expected.map(|_| ()).is_ok(), status == StatusCode::OK, "{second:?}: {status}");
        assert_eq!(taken.load(Ordering::SeqCst), 2 + usize::from(expected.is_ok()), "{second:?}");
        assert_eq!(told.error.as_deref(), expected.err(), "{second:?}");
        assert_eq!(told.notes.first().map(String::as_str), expected.ok().flatten(), "{second:?}");
    }
}

/// Answers requests (HEADERS without CONTINUATION) with 200, except perhaps the second one.
async fn raw_http_2(mut wire: Wire, second: Option<Second>, taken: &AtomicUsize) {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;
    wire.read_exact(&mut [0; 24]).await.expect("the preface");
    wire.write_all(&frame(SETTINGS, 0, 0, &[])).await.expect("sent");
    let mut requests = 0;
    while let Some((kind, flags, stream, _)) = read_frame(&mut wire).await {
        if kind == SETTINGS && flags & 1 == 0 {
            wire.write_all(&frame(SETTINGS, 1, 0, &[])).await.expect("sent");
        }
        if !matches!(kind, HEADERS | DATA) || flags & 1 == 0 {
            continue;
        }
        requests += 1;
        taken.fetch_add(1, Ordering::SeqCst);
        let answer = match second.filter(|_| requests == 2) {
            // `:status: 200`, from the static table.
            None => frame(HEADERS, 5, stream, &[0x88]),
            Some(Second::Reset(code)) => frame(RST_STREAM, 0, stream, &code.to_be_bytes()),
            Some(Second::GoAway(last)) => frame(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat()),
            Some(Second::Leave) => Vec::new(),
        };
        wire.write_all(&answer).await.expect("sent");
        if matches!(second, Some(Second::GoAway(_) | Second::Leave)) && requests == 2 {
            let _ = wire.shutdown().await;
            // What it does not read would make its system throw its last words away.
            let _ = timeout(LONG, read_to_end(&mut wire)).await;
            return;
        }
    }
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Kind, flags, stream and payload of the next frame.
pub(super) async fn read_frame(wire: &mut Wire) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    timeout(LONG, wire.read_exact(&mut head)).await.expect("a frame in time").ok()?;
    let [a, b, c, kind, flags, stream @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    wire.read_exact(&mut payload).await.ok()?;
    Some((kind, flags, u32::from_be_bytes(stream), payload))
}

/// A body of so many bytes.
pub(super) fn of_length(length: usize) -> Full<Bytes> {
    Full::new(Bytes::from(vec![b'x'; length]))
}
