//! `tattletale watch` as a person and their phone see it: the onboarding page, who is let in, what is read, the lines, the table,
//! and the capture in which it ends. The parts are tested beside them.
#![cfg(unix)]

mod support;

#[path = "watch/browser.rs"]
mod browser;
#[path = "support/chromium.rs"]
mod chromium;
#[path = "watch/session.rs"]
mod session;
#[path = "watch/terminal.rs"]
mod terminal;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use session::{Session, authority};
use support::Place;
use tattletale::{
    model::{Recording as _, RunEvent},
    store::CaptureReader,
};

/// An upload as an app makes it.
const UPLOAD: &str = r#"{"heart_rate":[61,62,63,64],"lat":52.37403,"lon":4.88969,"nickname":"Quillonbarrow"}"#;
const JSON: &[&str] = &["Content-Type: application/json"];

/// A server that answers everything with the first line of what it was asked.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let (mut asked, mut piece) = (Vec::new(), [0; 4096]);
                while !asked.windows(4).any(|four| four == b"\r\n\r\n") {
                    match stream.read(&mut piece) {
                        Ok(count @ 1..) => asked.extend_from_slice(&piece[..count]),
                        _ => return,
                    }
                }
                let text = String::from_utf8_lossy(&asked).to_ascii_lowercase();
                let head = text.find("\r\n\r\n").map_or(0, |end| end + 4);
                let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap_or_default();
                // What it did not read would make its system throw the answer away.
                let mut left = (head + length).saturating_sub(asked.len());
                while left > 0 {
                    match stream.read(&mut piece) {
                        Ok(count @ 1..) => left = left.saturating_sub(count),
                        _ => return,
                    }
                }
                let asked = String::from_utf8_lossy(&asked);
                let line = asked.lines().next().unwrap_or_default();
                let _ = write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{line}", line.len());
            });
        }
    });
    address
}

/// An HTTP proxy that answers by itself, gives back what comes through a tunnel, and remembers what it was asked.
fn another_proxy() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let (address, asked) = (listener.local_addr().expect("bound"), Arc::<Mutex<Vec<String>>>::default());
    let heads = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let heads = Arc::clone(&heads);
            std::thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut byte) {
                        Ok(1) => head.push(byte[0]),
                        _ => return,
                    }
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let is_tunnel = head.starts_with("CONNECT ");
                heads.lock().expect("no panic").push(head);
                if is_tunnel {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                    let mut back = stream.try_clone().expect("a socket");
                    let _ = std::io::copy(&mut stream, &mut back);
                } else {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nthere");
                }
            });
        }
    });
    (address, asked)
}

/// Says that a test had nothing to test with.
#[allow(clippy::print_stdout, reason = "a skipped test says so")]
fn skip(why: &str) {
    println!("\nskipped: {why}");
}

#[test]
fn what_comes_is_told_in_lines_and_ends_in_a_capture_that_every_command_takes() {
    let place = Place::empty();
    place.write("planted.yaml", "profile: { nickname: Quillonbarrow }");
    let session = Session::start(&place, &["--app-version", "7.1", "--plant", "planted.yaml"]);
    session.ask("POST", "http://api.band.test/v1/data", JSON, UPLOAD);
    session.wait_for("new receiver  api.band.test  company unknown");
    session.wait_for("new category  api.band.test  heart-rate");
    session.wait_for("planted       profile.nickname  found");
    let ended = session.end("TERM");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.out.contains("Quillonbarrow") && !ended.out.contains("52.374"), "no value is told: {}", ended.out);
    for words in ["what it means: tattletale audit runs", "Remove the certificate from the phone", "SHA-256"] {
        assert!(ended.err.contains(words), "{words}: {}", ended.err);
    }
    let capture = ended.out.lines().find_map(|line| line.strip_prefix("capture: ")).expect("it names its capture").to_owned();
    assert_eq!(place.run(&["captures", "verify", &capture]).code, Some(0));
    let audit = place.run(&["audit", &capture]);
    assert_eq!(audit.code, Some(4), "what was done by hand is never called clean: {audit:?}");
    for words in ["the phone was used by hand", "7.1 on android: unscripted (claimed)", "unscripted", "api.band.test"] {
        assert!(audit.out.contains(words), "{words}: {}", audit.out);
    }
    assert!(place.run(&["fields", &capture]).out.contains("planted profile.nickname: found in 1 exchange"));
    assert_eq!(place.run(&["diff", &capture, &capture]).code, Some(0));
    assert_eq!(place.run(&["report", &capture]).code, Some(0));
    assert_eq!(place.run(&["export", &capture]).code, Some(0));
}

#[test]
fn a_session_can_end_by_itself_and_says_when_nothing_came() {
    let place = Place::empty();
    let ended = place.run(&["watch", "--for", "300ms", "--out", "elsewhere"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("nothing came through the proxy") && ended.out.contains("capture: elsewhere/"), "{}", ended.out);
    assert_eq!(place.run(&["audit", "elsewhere"]).code, Some(4), "nothing seen is not nothing sent");
}

#[test]
fn what_cannot_be_is_refused_before_anything_listens() {
    let place = Place::empty();
    for (line, words) in [
        (&["watch", "--app", "nosuchapp"][..], "without its file nobody knows its hosts"),
        (&["watch", "--listen", "phone"], "an address of this computer"),
        (&["watch", "--for", "soon"], "a duration"),
        (&["watch", "--plant", "nothing.yaml"], "nothing.yaml"),
        (&["watch", "--only", "localhost:19000"], "type the host alone: localhost"),
        (&["watch", "--only", ""], "it names no host"),
        (&["watch", "--platform", "simulated"], "android or ios"),
        (&["watch", "--platform", "lab"], "android or ios"),
    ] {
        let ended = place.run(line);
        assert!(ended.code == Some(2) && ended.err.contains(words), "{line:?}: {ended:?}");
    }
    let ended = place.run(&["watch", "--listen", "192.0.2.1:9"]);
    assert!(ended.code == Some(3) && ended.err.contains("listen on 192.0.2.1:9: it is no address of this machine"), "{ended:?}");
}

#[test]
fn the_page_gives_the_certificate_and_learns_of_trust_by_a_decrypted_fetch_only() {
    let place = Place::empty();
    let session = Session::start(&place, &[]);
    let der = authority(&place);
    let status = || session.get("http://tattletale.internal/status").text();
    assert!(session.get("/").text().contains("does not send through the proxy yet"));
    assert!(session.get("http://tattletale.internal/").text().contains("This device sends through the proxy."));
    for file in ["tattletale.crt", "tattletale.cer"] {
        let given = session.get(&format!("http://tattletale.internal/{file}"));
        assert_eq!((given.status, &*given.body), (200, der.as_ref()), "{file}");
    }
    assert!(session.get_by_tls("check.tattletale.internal", "/check", &[]).is_none(), "a client that trusts nobody gets no answer");
    assert_eq!(session.get("http://check.tattletale.internal/check").status, 400);
    assert_eq!(status(), r#"{"proxied":true,"trusts":false}"#);
    let fetched = session.get_by_tls("check.tattletale.internal", "/check?1", &[der]).expect("it is answered");
    assert_eq!((fetched.status, status().as_str()), (200, r#"{"proxied":true,"trusts":true}"#));
    session.wait_for("trusted by    127.0.0.1");
    let ended = session.end("INT");
    assert!(ended.code == Some(0) && ended.out.contains("nothing came through the proxy"), "our own pages are no traffic: {ended:?}");
}

#[test]
fn a_phone_that_sets_the_proxy_keeps_the_page_that_it_opened_by_its_address() {
    for listen in ["0.0.0.0:0", "127.0.0.1:0"] {
        let place = Place::empty();
        let is_open = listen.starts_with("127");
        let session = Session::start(&place, &["--listen", listen, "--code", "042137"]);
        let (port, url) = (session.proxy.port(), |path: &str| format!("http://{}{path}", session.proxy));
        if !is_open {
            assert_eq!(session.get(&url("/tattletale.crt")).status, 403);
            assert_eq!(session.get("/enter?code=042137").status, 303);
        }
        assert!(session.get("/status").text().contains("\"proxied\":false"));
        assert_eq!(session.get(&url("/tattletale.crt")).body, authority(&place).as_ref());
        assert_eq!(session.get(&url("/status")).text(), r#"{"proxied":true,"trusts":false}"#);
        assert!(session.get(&url("/")).text().contains("This device sends through the proxy."));
        assert!(session.get(&format!("http://localhost:{port}/")).text().contains("SHA-256"), "by a name as well");
        assert_eq!(session.get(&url("/enter?code=042137")).status, 303);
        // A browser may ask for a tunnel.
        let (status, mut stream) = session.tunnel_to(&session.proxy.to_string());
        write!(stream, "GET /status HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", session.proxy).expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(status == 200 && answer.contains("\"proxied\":true"), "{answer}");
        let ended = session.end("TERM");
        assert!(ended.code == Some(0) && ended.out.contains("nothing came through the proxy"), "{ended:?}");
        let log = std::fs::read_to_string(&place.files("events.jsonl")[0]).expect("a log");
        assert!(!log.contains("042137") && !log.contains("127.0.0.1") && !log.contains("localhost"), "our own page is no traffic: {log}");
    }
}

#[test]
fn strangers_on_the_network_get_407_until_the_code_is_entered_and_nothing_of_them_is_kept() {
    let place = Place::empty();
    let session = Session::start(&place, &["--listen", "0.0.0.0:0", "--code", "042137"]);
    session.wait_for("code         042 137");
    let refused = session.ask("POST", "http://early.test/v1/data", JSON, UPLOAD);
    assert_eq!(refused.status, 407);
    assert!(refused.text().contains("http://tattletale.internal/enter") && refused.head.contains("proxy-authenticate: tattletale"));
    assert_eq!(session.tunnel("early.test").0, 407);
    let page = session.get("http://tattletale.internal/");
    assert!(page.text().contains("<form") && !page.text().contains("SHA-256"), "{}", page.text());
    assert!(session.get("http://tattletale.internal/enter?code=000000").text().contains("4 tries are left"));
    assert_eq!(session.get("http://tattletale.internal/tattletale.crt").status, 403);
    let entered = session.get("http://tattletale.internal/enter?code=042137");
    assert_eq!(entered.status, 303, "{entered:?}");
    assert!(session.get("http://tattletale.internal/").text().contains("SHA-256"));
    session.ask("POST", "http://late.test/v1/data", JSON, UPLOAD);
    session.wait_for("new receiver  late.test");
    let ended = session.end("TERM");
    assert!(!ended.out.contains("early.test"), "{}", ended.out);
    let log = std::fs::read_to_string(&place.files("events.jsonl")[0]).expect("a log");
    assert!(log.contains("late.test") && !log.contains("early.test") && !log.contains("042137"), "nothing of a stranger is recorded");
}

#[test]
fn after_five_wrong_codes_a_device_is_locked_out() {
    let place = Place::empty();
    let session = Session::start(&place, &["--listen", "0.0.0.0:0", "--code", "042137"]);
    let tries: Vec<u16> = (0..6).map(|_| session.get("http://tattletale.internal/enter?code=1").status).collect();
    assert_eq!(tries, [403, 403, 403, 403, 429, 429]);
    assert_eq!(session.get("http://tattletale.internal/enter?code=042137").status, 429);
    assert_eq!(session.get("http://api.band.test/").status, 407);
}

#[test]
fn what_is_outside_the_scope_is_passed_through_unread_and_counted() {
    let place = Place::empty();
    let session = Session::start(&place, &["--only", "band.test"]);
    session.ask("POST", "http://api.band.test/v1/data", JSON, UPLOAD);
    session.ask("POST", "http://bank.test/v1/data", JSON, UPLOAD);
    let (_, stream) = session.tunnel("chat.test");
    drop(stream);
    session.wait_for("new receiver  api.band.test");
    session.wait_for("outside       1 host, 1 connection to an unreachable server");
    session.wait_for("outside       2 hosts, ");
    let ended = session.end("TERM");
    assert!(ended.out.contains("outside the scope: 2 hosts, 2 connections to an unreachable server"), "{}", ended.out);
    let log = std::fs::read_to_string(&place.files("events.jsonl")[0]).expect("a log");
    assert_eq!(log.matches("/v1/data").count(), 1, "of what is outside, no address is recorded");
    let capture = ended.out.lines().find_map(|line| line.strip_prefix("capture: ")).expect("it names its capture").to_owned();
    let audit = place.run(&["audit", &capture]);
    assert!(audit.out.contains("2 hosts outside the scope"), "{}", audit.out);
    for text in [&log, &ended.out, &ended.err, &audit.out] {
        assert!(!text.contains("bank") && !text.contains("chat"), "no host outside the scope is named: {text}");
    }
}

#[test]
fn a_connection_that_stays_open_unread_is_a_row_at_once_and_its_bytes_are_told_when_it_ends() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = server.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for mut stream in server.incoming().map_while(Result::ok) {
            std::thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
        }
    });
    let place = Place::empty();
    let session = Session::start(&place, &[]);
    let mut stream = TcpStream::connect(session.proxy).expect("it listens");
    write!(stream, "CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").expect("it listens");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
    stream.write_all(&b"\x05OWNPROT".repeat(1_000)).expect("it is passed on");
    session.wait_for("new receiver  127.0.0.1");
    session.wait_for("blind spot    127.0.0.1  connection open, not read yet");
    drop(stream);
    session.wait_for("8.0 kB sent unread");
    let ended = session.end("TERM");
    let summary = ended.out.rsplit("receiver ").next().unwrap_or_default();
    assert!(summary.contains("sent unread") && !summary.contains("not read yet"), "{}", ended.out);
}

#[test]
fn a_full_disk_leaves_the_phone_its_network_and_is_said_aloud() {
    let (place, server) = (Place::empty(), server());
    let session = Session::start_on_a_small_disk(&place, 600, &[]);
    let url = format!("http://{server}/v1/data");
    let upload = format!("{{\"heart_rate\":[61,62],\"padding\":\"{}\"}}", "x".repeat(4000));
    let mut asked = 0;
    while !session.err().contains("NOT RECORDED") {
        assert_eq!(session.ask("POST", &url, JSON, &upload).status, 200);
        asked += 1;
        assert!(asked < 2000, "a disk of 300 kB is full by now: {}", session.err());
    }
    assert!(session.err().contains("the disk is full") && session.err().contains("traffic goes on"), "{}", session.err());
    for _ in 0..50 {
        assert_eq!(session.ask("POST", &url, JSON, &upload).text(), "POST /v1/data HTTP/1.1", "the phone still has its network");
    }
    let ended = session.end("TERM");
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.contains("not everything was recorded") && ended.err.contains("Counted is what is in the capture"), "{}", ended.err);
    let capture = ended.out.lines().find_map(|line| line.strip_prefix("capture: ")).expect("it names its capture").to_owned();
    let reader = CaptureReader::open(&place.path().join(&capture)).expect("a capture");
    let mut written = 0;
    reader.replay(&mut |event, _| written += u64::from(matches!(event.event, RunEvent::Exchange(_)))).expect("readable");
    let counted = ended.out.lines().find_map(|line| line.trim_start().strip_prefix("127.0.0.1 ")?.split_whitespace().next()?.parse().ok());
    assert!(written > 10 && counted == Some(written), "{written} were written: {}", ended.out);
}

#[test]
fn the_authority_of_a_session_that_runs_is_neither_replaced_nor_removed() {
    let place = Place::empty();
    let session = Session::start(&place, &[]);
    let der = authority(&place);
    for what in ["rotate", "remove"] {
        let refused = place.run(&["ca", what]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.err.contains(&format!("{what} the authority of rig rig: a session is using it")), "{}", refused.err);
        assert!(refused.err.contains("tattletale watch"), "{}", refused.err);
    }
    assert_eq!((authority(&place), place.run(&["ca", "show"]).code), (der, Some(0)));
    // However it ends.
    session.end("KILL");
    assert_eq!(place.run(&["ca", "rotate"]).code, Some(0));
    assert_eq!(place.run(&["ca", "remove"]).code, Some(0));
}

#[test]
fn the_capture_that_a_session_writes_is_not_removed_and_one_that_is_gone_is_told() {
    let (place, server) = (Place::empty(), server());
    let session = Session::start(&place, &[]);
    let url = format!("http://{server}/v1/data");
    assert_eq!(session.ask("POST", &url, JSON, UPLOAD).status, 200);
    session.wait_for("new receiver  127.0.0.1");
    let out = session.out();
    let capture = out.lines().find_map(|line| line.strip_prefix("capture ")).expect("it names its capture").trim().to_owned();
    for what in ["rm", "purge"] {
        let refused = place.run(&["captures", what, &capture]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.err.contains("a run or a session is writing it"), "{}", refused.err);
    }
    assert!(place.run(&["captures", "list"]).out.contains("being written"));
    // By other means than ours.
    std::fs::remove_dir_all(place.path().join(&capture)).expect("it is there");
    assert_eq!(session.ask("POST", &url, JSON, UPLOAD).status, 200, "the phone still has its network");
    let ended = session.end("TERM");
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(!ended.out.contains("capture: ") && !ended.err.contains("is in the capture"), "there is none: {ended:?}");
    assert!(
        ended.err.contains("nothing of it is kept") && ended.err.contains("was removed or changed by another program"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("Remove the certificate from the phone"), "{}", ended.err);
}

#[test]
fn everything_goes_by_way_of_the_upstream_proxy_and_its_password_is_kept_nowhere() {
    let (place, (upstream, asked)) = (Place::empty(), another_proxy());
    let url = format!("http://sam:s3cretword@{upstream}");
    let session = Session::start(&place, &["--upstream-proxy", &url, "--only", "band.test"]);
    // What is read, and what is not, without a tunnel and in one.
    for host in ["api.band.test", "bank.test"] {
        let answer = session.ask("POST", &format!("http://{host}/v1/data"), JSON, UPLOAD);
        assert_eq!((answer.status, answer.text().as_str()), (200, "there"), "{host}");
    }
    let (status, mut stream) = session.tunnel("bank.test");
    assert_eq!(status, 200);
    stream.write_all(b"hello").expect("it listens");
    let mut back = [0; 5];
    stream.read_exact(&mut back).expect("given back");
    assert_eq!(&back, b"hello");
    drop(stream);
    session.wait_for("new receiver  api.band.test");
    session.wait_for("outside       1 host, ");
    let ended = session.end("TERM");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let heads = asked.lock().expect("no panic").clone();
    let lines: Vec<&str> = heads.iter().filter_map(|head| head.lines().next()).collect();
    let plain = |host: &str| format!("POST http://{host}/v1/data HTTP/1.1");
    assert_eq!(lines, [plain("api.band.test"), plain("bank.test"), "CONNECT bank.test:443 HTTP/1.1".to_owned()]);
    assert!(heads.iter().all(|head| head.to_ascii_lowercase().contains("proxy-authorization: basic ")), "{heads:?}");
    let log = std::fs::read_to_string(&place.files("events.jsonl")[0]).expect("a log");
    for text in [log, ended.out, ended.err] {
        assert!(!text.contains("s3cretword") && !text.to_ascii_lowercase().contains("proxy-authorization"), "{text}");
    }
    for (wrong, words) in [
        ("ftp://sam:s3cretword@there", "http and socks5 are"),
        ("http://sam:s3cretword@there/path", "it is written http://host:port"),
        ("sam:s3cretword@there:3128", "it is written http://host:port"),
        ("http://sam:s3cretword@there:99999", "it is written http://host:port"),
        ("", "it is written http://host:port"),
    ] {
        let refused = place.run(&["watch", "--upstream-proxy", wrong]);
        assert!(refused.code == Some(2) && refused.err.contains(words), "{wrong}: {refused:?}");
        assert!(!refused.err.contains("sam") && !refused.err.contains("s3cret"), "{wrong}: {}", refused.err);
    }
}
