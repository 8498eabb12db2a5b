//! What passes besides a request and its response: the question whether the body is wanted, interim answers, trailers that nobody
//! announced, and answers that come before the upload's end.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    time::timeout,
};

use super::{
    Bench, Cloud, LONG, Wire, http_server,
    once::{frame, of_length, read_frame},
    read_head, read_to_end,
    servers::dead,
};

const EXPECTING: &str = "POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";

#[tokio::test]
async fn a_server_can_refuse_an_upload_before_it_is_sent() {
    for answer in [
        "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 6\r\n\r\ndenied",
        "HTTP/1.1 413 Too Large\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndenied\r\n0\r\n\r\n",
    ] {
        let (heard, mut after_the_head) = mpsc::unbounded_channel();
        let cloud = Cloud::new();
        let server = cloud.server(true, move |mut wire: Wire| {
            let heard = heard.clone();
            async move {
                let head = read_head(&mut wire).await;
                assert!(head.to_ascii_lowercase().contains("expect: 100-continue"), "{head}");
                wire.write_all(answer.as_bytes()).await.expect("sent");
                let _ = heard.send(read_to_end(&mut wire).await);
            }
        });
        let bench = Bench::local(&cloud, server.await).await;
        let mut client = bench.tls("api.test", &[b"http/1.1"]).await;
        client.write_all(EXPECTING.as_bytes()).await.expect("sent");
        let head = read_head(&mut client).await;
        assert!(head.starts_with(answer.split("\r\n").next().expect("a line")), "{head}");
        assert!(head.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "what comes next would be taken for the body: {head}");
        client.shutdown().await.expect("closed, as it was told to");
        let rest = String::from_utf8(timeout(LONG, read_to_end(&mut client)).await.expect("it closes")).expect("text");
        assert_eq!(rest.contains("denied"), answer.contains("denied"), "{rest}");
        assert_eq!(timeout(LONG, after_the_head.recv()).await.expect("it closes").expect("heard"), b"", "{answer}");
        let record = bench.finish().await;
        let told = record.only();
        assert_eq!((&told.request, told.open[0].len(), &told.error), (&None, 0, &None), "nobody knows that there was nothing");
        assert_eq!(told.notes, ["the server answered without asking for the body"]);
        assert_eq!(told.response.as_ref().map(Vec::len), Some(if answer.contains("denied") { 6 } else { 0 }));
    }
}

#[tokio::test]
async fn an_upload_that_comes_though_nobody_asked_for_it_is_recorded() {
    let torn = "the connection ended in the middle of the request";
    for (sent, error) in [("hello", None), ("he", Some(torn))] {
        let cloud = Cloud::new();
        let server = cloud.server(true, async |mut wire: Wire| {
            read_head(&mut wire).await;
            wire.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\n\r\ndenied").await.expect("sent");
            read_to_end(&mut wire).await;
        });
        let bench = Bench::local(&cloud, server.await).await;
        let mut client = bench.tls("api.test", &[b"http/1.1"]).await;
        client.write_all(format!("{EXPECTING}{sent}").as_bytes()).await.expect("sent");
        assert!(read_head(&mut client).await.starts_with("HTTP/1.1 401"));
        client.shutdown().await.expect("closed");
        assert_eq!(timeout(LONG, read_to_end(&mut client)).await.expect("it closes"), b"denied");
        drop(client);
        let record = bench.finish().await;
        let told = record.only();
        assert_eq!(told.error.as_deref(), error);
        match error {
            None => assert_eq!(told.request.as_deref(), Some(sent.as_bytes())),
            Some(_) => assert_eq!((&told.request, told.open[0].as_slice()), (&None, sent.as_bytes())),
        }
        assert_eq!(told.notes, ["the server answered without asking for the body"]);
        assert_eq!(told.response.as_deref(), Some(&b"denied"[..]));
    }
}

#[tokio::test]
async fn a_client_is_asked_for_its_upload_when_the_server_asks_or_says_nothing() {
    for asks in [true, false] {
        let cloud = Cloud::new();
        let server = cloud.server(true, move |mut wire: Wire| async move {
            read_head(&mut wire).await;
            if asks {
                wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.expect("sent");
            }
            let mut body = [0; 5];
            wire.read_exact(&mut body).await.expect("the upload");
            assert_eq!(&body, b"hello");
            wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.expect("sent");
        });
        let bench = Bench::local(&cloud, server.await).await;
        let mut client = bench.tls("api.test", &[b"http/1.1"]).await;
        client.write_all(EXPECTING.as_bytes()).await.expect("sent");
        assert!(read_head(&mut client).await.starts_with("HTTP/1.1 100"));
        client.write_all(b"hello").await.expect("sent");
        assert!(read_head(&mut client).await.starts_with("HTTP/1.1 200"));
        drop(client);
        let record = bench.finish().await;
        assert_eq!((record.only().request.as_deref(), &record.only().error), (Some(&b"hello"[..]), &None));
        assert!(record.only().notes.is_empty());
    }
}

#[tokio::test]
async fn an_upload_that_waits_to_be_asked_for_is_recorded_though_its_server_is_dead() {
    let cloud = Cloud::new();
    let bench = Bench::local(&cloud, dead()).await;
    let mut client = bench.tls("api.test", &[b"http/1.1"]).await;
    client.write_all(EXPECTING.as_bytes()).await.expect("sent");
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 100"));
    client.write_all(b"lost?").await.expect("sent");
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 502"));
    drop(client);
    assert_eq!(bench.finish().await.only().request.as_deref(), Some(&b"lost?"[..]));
}

#[tokio::test]
async fn interim_answers_that_cannot_be_passed_on_are_told() {
    let cloud = Cloud::new();
    let server = cloud.server(true, async |mut wire: Wire| {
        read_head(&mut wire).await;
        let interim = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n".to_owned();
        // A server that says no end of them fills no record.
        let interim = interim + &"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(50);
        wire.write_all((interim + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.expect("sent");
        read_to_end(&mut wire).await;
    });
    let bench = Bench::local(&cloud, server.await).await;
    let mut client = bench.tls("api.test", &[b"http/1.1"]).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n").await.expect("sent");
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 200"));
    drop(client);
    let record = bench.finish().await;
    let notes = &record.only().notes;
    assert_eq!(notes.len(), 8);
    assert_eq!(notes[0], "an interim answer, 102, was not passed on");
    assert_eq!(notes[1], "an interim answer, 103, was not passed on");
}

#[tokio::test]
async fn trailers_that_an_http_2_client_did_not_announce_reach_an_http_1_server() {
    let field = |name: &str, value: &str| {
        let text = |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
        [vec![0], text(name), text(value)].concat()
    };
    // `:method: POST` and `:scheme: https` from the static table.
    let head = [vec![0x83, 0x87], field(":path", "/trailers"), field(":authority", "api.test"), field("te", "trailers")].concat();
    let opening = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &[]),
        frame(1, 4, 1, &head),
        frame(0, 0, 1, b"grpc"),
        frame(1, 5, 1, &field("x-sum", "15")),
    ];
    let upload = async || {
        let cloud = Cloud::new();
        let bench = Bench::local(&cloud, cloud.server(true, http_server).await).await;
        let mut client = bench.tls("api.test", &[b"h2"]).await;
        client.write_all(&opening.concat()).await.expect("sent");
        while let Some((_, flags, stream, _)) = read_frame(&mut client).await {
            if stream == 1 && flags & 1 == 1 {
                break;
            }
        }
        drop(client);
        bench.finish().await
    };
    let mut record = upload().await;
    // They are waited for some milliseconds, which a busy machine may need for itself.
    for _ in 0..20 {
        if record.only().status == Some(200) {
            break;
        }
        assert_eq!(record.only().trailers.first().map(|header| header.name.as_str()), Some("x-sum"), "recorded in any case");
        record = upload().await;
    }
    let told = record.only();
    assert_eq!((told.status, &told.error), (Some(200), &None));
    let trailers: Vec<_> = told.trailers.iter().map(|header| (header.name.as_str(), header.value.expose().as_str())).collect();
    // The server gives back what it got.
    assert_eq!(trailers, [("x-sum", "15"), ("x-back", "15")]);
}

#[tokio::test]
async fn a_long_upload_over_http_2_that_no_server_takes_gets_its_answer() {
    for (length, complete) in [(1 << 20, true), (40 << 20, false)] {
        let cloud = Cloud::new();
        let bench = Bench::local(&cloud, dead()).await;
        let mut client = bench.http2("api.test").await;
        let request = Request::post("https://api.test/").body(of_length(length)).expect("a request");
        let response: Response<_> = timeout(LONG, client.send_request(request)).await.expect("in time").expect("a response");
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        let said = response.into_body().collect().await.expect("whole").to_bytes();
        assert_eq!(said, "tattletale could not pass this request on: the server refused the connection\n");
        drop(client);
        let record = bench.finish().await;
        let told = record.only();
        assert_eq!(told.error.as_deref(), Some("the server refused the connection"));
        assert_eq!(told.request.as_ref().map(Vec::len), complete.then_some(length));
        assert!(complete || told.open[0].len() >= 16 << 20, "{} bytes", told.open[0].len());
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_an_http_2_upload_arrives() {
    let cloud = Cloud::new();
    let bench = Bench::local(&cloud, cloud.server(true, too_large).await).await;
    let mut client = bench.http2("api.test").await;
    let request = Request::post("https://api.test/").body(of_length(4 << 20)).expect("a request");
    let response: Response<_> = timeout(LONG, client.send_request(request)).await.expect("in time").expect("a response");
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(response.into_body().collect().await.expect("whole").to_bytes(), "denied");
    drop(client);
    assert_eq!(bench.finish().await.only().status, Some(413));
}

#[tokio::test]
#[allow(clippy::print_stdout, reason = "a skipped test says so")]
async fn curl_gets_an_answer_that_comes_before_the_end_of_its_upload() {
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        println!("\nskipped: no curl");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (roots, upload) = (folder.path().join("roots.pem"), folder.path().join("upload"));
    std::fs::write(&upload, vec![b'x'; 40 << 20]).expect("room");
    for version in ["--http1.1", "--http2"] {
        for (listens, status) in [(false, "502"), (true, "413")] {
            let cloud = Cloud::new();
            let server = if listens { cloud.server(true, too_large).await } else { dead() };
            let bench = Bench::local(&cloud, server).await;
            std::fs::write(&roots, bench.authority.certificate_pem()).expect("room");
            let mut curl = std::process::Command::new("curl");
            curl.args(["--silent", "--show-error", version, "--max-time", "60", "--write-out", "%{http_code}", "--output", "-"]);
            curl.args(["--header", "Expect:", "--noproxy", "", "--proxy", &format!("http://{}", bench.address())]);
            curl.arg("--cacert").arg(&roots).arg("--upload-file").arg(&upload).arg("https://api.test/upload");
            let ended = tokio::task::spawn_blocking(move || curl.output()).await.expect("no panic").expect("curl is there");
            let said = String::from_utf8_lossy(&ended.stdout);
            assert!(ended.status.success() && said.ends_with(status), "{version} {status}: {ended:?}");
            let record = bench.finish().await;
            assert_eq!(record.only().status, listens.then_some(413));
        }
    }
}

/// A server that answers a request when it has its head, and does not want more.
async fn too_large(mut wire: Wire) {
    read_head(&mut wire).await;
    wire.write_all(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 6\r\n\r\ndenied").await.expect("sent");
    wire.shutdown().await.expect("closed");
    // What it does not read would make its system throw the answer away.
    let _ = timeout(Duration::from_secs(5), read_to_end(&mut wire)).await;
}
