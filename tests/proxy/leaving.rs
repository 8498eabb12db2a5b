//! Clients that say their last, or leave, before they have their answer: whoever may still read gets it, whoever is gone holds
//! nothing up, and what they asked for is recorded.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{Request, StatusCode};
use tattletale::{
    clock::Clock,
    model::TunnelOutcome,
    traffic::{
        RunningSource,
        proxy::{OpenGate, Proxy},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use super::{
    bench::{Bench, Stream, body, digest, read_all},
    gate::Scope,
};

/// Far longer than anything takes, on any machine.
const LIMIT: Duration = Duration::from_secs(60);

/// An upload that is never answered.
const SILENT: &str = "POST http://silent.test/ HTTP/1.1\r\nHost: silent.test\r\nContent-Length: 3\r\n\r\nabc";

/// Waits until so many exchanges are in flight.
async fn until_in_flight(bench: &Bench, count: usize) {
    let began = Instant::now();
    while bench.proxy.in_flight() != count {
        assert!(began.elapsed() < LIMIT, "{} are in flight, and not {count}", bench.proxy.in_flight());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sends all of this, closes that half at once, and reads to the end.
async fn ask_and_close(mut stream: TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream.shutdown().await.expect("half closed");
    read_all(&mut stream).await
}

async fn direct(bench: &Bench) -> TcpStream {
    TcpStream::connect(bench.address()).await.expect("the proxy listens")
}

#[tokio::test]
async fn a_client_that_closes_its_half_gets_its_answer() {
    let secure = async |bench: &Bench, host| bench.tls(host, bench.trusting(&[b"http/1.1"])).await.expect("a handshake");
    // At once, and after a while.
    for host in ["plain.test", "slow.test"] {
        let bench = Bench::start().await;
        let ways: [(String, Box<dyn Stream>); 3] = [
            (format!("http://{host}"), Box::new(direct(&bench).await)),
            (String::new(), Box::new(bench.tunnel(&format!("{host}:80")).await)),
            (String::new(), Box::new(secure(&bench, host).await)),
        ];
        for (before, mut stream) in ways {
            let request = format!("POST {before}/up HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\n\r\nabc");
            stream.write_all(request.as_bytes()).await.expect("sent");
            stream.shutdown().await.expect("half closed");
            let mut reply = String::new();
            stream.read_to_string(&mut reply).await.expect("an answer");
            assert!(reply.starts_with("HTTP/1.1 200") && reply.ends_with(&format!("3 {}", digest(b"abc"))), "{host} {before}: {reply:?}");
        }
        let mut bare = bench.tunnel(&format!("{host}:80")).await;
        bare.write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await.expect("sent");
        bare.shutdown().await.expect("half closed");
        let mut reply = String::new();
        bare.read_to_string(&mut reply).await.expect("an answer");
        assert!(reply.starts_with("HTTP/1.1 200"), "{host}: {reply:?}");
        let record = bench.finish().await;
        assert_eq!(record.exchanges.len(), 4);
        assert!(record.exchanges.values().all(|told| (told.status, &told.error) == (Some(200), &None)), "{host}");
        assert!(record.tunnels.values().all(|told| told.evidence.afterwards.is_none()));
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
    let mut stream = direct(&bench).await;
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
    let mut stream = direct(&bench).await;
    stream.write_all(b"GET http://slow.test/a HTTP/1.1\r\nHost: slow.test\r\n\r\n").await.expect("sent");
    until_in_flight(&bench, 1).await;
    let answer = ask_and_close(stream, "POST http://slow.test/b HTTP/1.1\r\nHost: slow.test\r\nX-Ha").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let record = bench.finish().await;
    assert_eq!(record.exchanges.len(), 1);
    assert_eq!(record.outcomes(), [TunnelOutcome::ClosedWithoutRequest]);
    let told = record.tunnels.values().next().expect("one is told");
    assert_eq!((told.host.as_str(), told.evidence.bytes.map(|bytes| bytes.sent)), ("slow.test", Some(55)));
}

#[tokio::test]
async fn a_client_that_is_cut_off_is_not_waited_for() {
    let bench = Bench::start().await;
    let mut client = direct(&bench).await;
    client.write_all(SILENT.as_bytes()).await.expect("sent");
    until_in_flight(&bench, 1).await;
    client.set_zero_linger().expect("a socket");
    drop(client);
    until_in_flight(&bench, 0).await;
    let record = bench.finish().await;
    let told = record.only_exchange();
    assert_eq!(told.error.as_deref(), Some("the connection ended before there was a response"));
    assert_eq!(told.request, Some((3, digest(b"abc"))));
}

#[tokio::test]
async fn a_client_that_is_cut_off_is_not_waited_for_whatever_it_said_before() {
    // A stray line after its request, the beginning of another one, its goodbye, and both.
    for (rest, goodbye) in [("\r\n", false), ("GET http://silent.test/ HTTP/1.1\r\n", false), ("", true), ("\r\n", true)] {
        let bench = Bench::start().await;
        let mut client = direct(&bench).await;
        client.write_all(SILENT.as_bytes()).await.expect("sent");
        until_in_flight(&bench, 1).await;
        client.write_all(rest.as_bytes()).await.expect("sent");
        if goodbye {
            client.shutdown().await.expect("half closed");
        }
        client.set_zero_linger().expect("a socket");
        drop(client);
        until_in_flight(&bench, 0).await;
        let record = bench.finish().await;
        let told = record.only_exchange();
        assert_eq!(told.error.as_deref(), Some("the connection ended before there was a response"), "{rest:?} {goodbye}");
        assert_eq!(told.request, Some((3, digest(b"abc"))));
        assert!(record.outcomes().iter().all(|outcome| *outcome == TunnelOutcome::ClosedWithoutRequest), "{rest:?}: no rule was broken");
    }
}

#[tokio::test]
async fn many_clients_that_have_said_their_last_are_waited_for_as_long_as_they_are_there() {
    let bench = Bench::start().await;
    let mut clients = Vec::new();
    for number in 1..=100 {
        let mut client = direct(&bench).await;
        client.write_all(SILENT.as_bytes()).await.expect("sent");
        client.shutdown().await.expect("half closed");
        clients.push(client);
        until_in_flight(&bench, number).await;
    }
    let mut slow = direct(&bench).await;
    slow.write_all(b"GET http://slow.test/ HTTP/1.1\r\nHost: slow.test\r\n\r\n").await.expect("sent");
    slow.shutdown().await.expect("half closed");
    let answer = tokio::time::timeout(LIMIT, read_all(&mut slow)).await.expect("in time");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(bench.proxy.in_flight(), 100);
    for client in &clients {
        client.set_zero_linger().expect("a socket");
    }
    drop(clients);
    until_in_flight(&bench, 0).await;
    assert_eq!(bench.finish().await.exchanges.len(), 101);
}

#[tokio::test]
async fn a_client_over_http_2_that_is_cut_off_after_its_goodbye_is_not_waited_for() {
    let bench = Bench::start().await;
    let mut client = bench.tunnel("plain.test:80").await;
    // The preface, SETTINGS without any, and HEADERS with `GET http://silent.test/`, END_STREAM and END_HEADERS.
    let mut all = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    all.extend([0, 0, 16, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 0x0b]);
    all.extend(b"silent.test");
    client.write_all(&all).await.expect("sent");
    until_in_flight(&bench, 1).await;
    client.shutdown().await.expect("half closed");
    client.set_zero_linger().expect("a socket");
    drop(client);
    until_in_flight(&bench, 0).await;
    drop(bench.finish().await);
}

#[tokio::test]
async fn a_tunnel_that_is_passed_on_ends_with_its_client() {
    let bench = Bench::gated(Scope::only("api.test")).await;
    let mut client = bench.tunnel("mute.test:443").await;
    client.write_all(b"hello").await.expect("sent");
    client.shutdown().await.expect("half closed");
    client.set_zero_linger().expect("a socket");
    drop(client);
    let began = Instant::now();
    while bench.tunnels_ended() == 0 {
        assert!(began.elapsed() < LIMIT, "the tunnel does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bench.finish().await.outcomes(), [TunnelOutcome::PassedThrough]);
}

/// What the system says of its timers for the connections of a port: the kind, by `tcp_show_timers` of the kernel's `proc_net_tcp`.
#[cfg(target_os = "linux")]
fn timers(port: u16) -> Vec<(bool, String)> {
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("Linux has one");
    let (local, established) = (format!(":{port:04X}"), "01");
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|fields| fields[3] == established && (fields[1].ends_with(&local) || fields[2].ends_with(&local)))
        .map(|fields| (fields[1].ends_with(&local), fields[5][..2].to_owned()))
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_and_servers_that_say_nothing_are_asked_whether_they_are_still_there() {
    let bench = Bench::start().await;
    let mut client = direct(&bench).await;
    client.write_all(b"GET http://mute.test/ HTTP/1.1\r\nHost: mute.test\r\n\r\n").await.expect("sent");
    let keepalive = "02".to_owned();
    // Of the two ends of each connection, only the proxy's asks.
    let (clients, servers) = (bench.address().port(), bench.mute.port());
    let began = Instant::now();
    while !timers(clients).contains(&(true, keepalive.clone())) || !timers(servers).contains(&(false, keepalive.clone())) {
        assert!(began.elapsed() < LIMIT, "{:?} {:?}", timers(clients), timers(servers));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(client);
}

/// In a network of its own, where a closed connection is forgotten after a second: there, the system answers for nobody any more.
#[cfg(target_os = "linux")]
#[test]
#[allow(clippy::print_stdout, reason = "says what was skipped, and why")]
fn a_client_that_has_closed_and_never_reads_is_noticed() {
    let network = "ip link set lo up 2> /dev/null && echo 1 > /proc/sys/net/ipv4/tcp_fin_timeout && exec \"$0\" \"$@\"";
    let tests = std::env::current_exe().expect("this program");
    let inside = "leaving::a_client_that_has_closed_is_noticed_in_a_network_of_its_own";
    let run = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-c", network])
        .arg(tests)
        .args(["--exact", inside, "--ignored", "--nocapture", "--test-threads=1"])
        .output();
    match run {
        Ok(run) if String::from_utf8_lossy(&run.stdout).contains("running 1 test") => {
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        }
        _ => println!("skipped: no network of its own is to be had"),
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "run by the one before, in a network of its own"]
async fn a_client_that_has_closed_is_noticed_in_a_network_of_its_own() {
    let quick = |proxy: Proxy| proxy.asking_after(Duration::from_secs(1));
    let bench = Bench::set_up(OpenGate, quick).await;
    let mut client = direct(&bench).await;
    client.write_all(SILENT.as_bytes()).await.expect("sent");
    until_in_flight(&bench, 1).await;
    drop(client);
    until_in_flight(&bench, 0).await;
    let record = bench.finish().await;
    assert_eq!(record.only_exchange().error.as_deref(), Some("the connection ended before there was a response"));
}

#[tokio::test]
async fn requests_over_http_2_whose_client_leaves_right_after_them_are_recorded_and_sent() {
    for cut in [false, true] {
        let bench = Bench::start().await;
        let mut client = bench.tunnel("plain.test:80").await;
        // The preface, and SETTINGS without any.
        let mut all = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        for number in 0..20_u8 {
            // HEADERS with `POST http://plain.test/` and END_HEADERS, DATA with END_STREAM.
            all.extend([0, 0, 15, 1, 4, 0, 0, 0, 2 * number + 1, 0x83, 0x86, 0x84, 0x41, 0x0a]);
            all.extend(b"plain.test");
            all.extend([0, 0, 3, 0, 1, 0, 0, 0, 2 * number + 1]);
            all.extend(b"abc");
        }
        client.write_all(&all).await.expect("sent");
        if cut {
            // What it has not read lets its system reset the connection when it leaves.
            client.readable().await.expect("the proxy's SETTINGS");
        }
        drop(client);
        until_recorded(&bench, 20).await;
        let record = bench.finish().await;
        assert_eq!(record.exchanges.len(), 20, "{cut}");
        assert!(record.exchanges.values().all(|told| told.request == Some((3, digest(b"abc")))), "whole, {cut}");
        assert!(record.tunnels.values().all(|told| told.evidence.afterwards.is_none()), "no rule was broken, {cut}");
    }
}

/// Waits until so many exchanges have begun and none is in flight.
async fn until_recorded(bench: &Bench, count: usize) {
    let began = Instant::now();
    while bench.told() < count || bench.proxy.in_flight() > 0 {
        assert!(began.elapsed() < LIMIT, "{} were told, {} are in flight", bench.told(), bench.proxy.in_flight());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_request_whose_client_leaves_while_the_writer_is_behind_is_recorded() {
    let writer = Arc::new(Notify::new());
    let bench = Bench::start_with(Clock::real(), Some(Arc::clone(&writer))).await;
    let mut http2 = bench.http2("api.test").await;
    // Without a tunnel: of a second one, nothing could be told either.
    let (mut plain, mut uploading) = (direct(&bench).await, direct(&bench).await);
    // Nothing is taken out of the queue, so that soon nothing is put into it.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let request = Request::get("https://api.test/h2").body(body("")).expect("a request");
    let asked = tokio::spawn(async move { (http2.send_request(request).await.map(|response| response.status()), http2) });
    until_in_flight(&bench, 1).await;
    asked.abort();
    until_in_flight(&bench, 0).await;
    plain.write_all(b"GET http://plain.test/plain HTTP/1.1\r\nHost: plain.test\r\n\r\n").await.expect("sent");
    uploading.write_all(b"POST http://plain.test/direct HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 3\r\n\r\na").await.expect("sent");
    until_in_flight(&bench, 2).await;
    for client in [&plain, &uploading] {
        client.set_zero_linger().expect("a socket");
    }
    drop((plain, uploading));
    // Of an upload that nobody has begun to read, the end is not heard yet.
    until_in_flight(&bench, 1).await;
    writer.notify_one();
    // What comes later passes as ever.
    let mut client = bench.http1("api.test").await;
    let request = Request::get("/later").header("Host", "api.test").body(body("")).expect("a request");
    assert_eq!(client.send_request(request).await.expect("a response").status(), StatusCode::OK);
    let record = bench.finish().await;
    let mut told: Vec<_> = record.exchanges.values().map(|told| (told.url.as_str(), told.error.as_deref())).collect();
    told.sort_unstable();
    let (unanswered, torn) = ("the connection ended before there was a response", "the connection ended in the middle of the request");
    let expected = [
        ("http://plain.test/direct", Some(torn)),
        ("http://plain.test/plain", Some(unanswered)),
        ("https://api.test/h2", Some(unanswered)),
        ("https://api.test/later", None),
    ];
    assert_eq!(told, expected);
}
