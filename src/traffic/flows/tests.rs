//! Tests of flow files as a recording, on invented flows.

use std::io::Read as _;

use super::{
    flow::Version,
    invented::{
        Value::{self, Bool, Bytes, Float, Int, List, Null, Table, Text},
        bytes, headers, newest, of_version, part, versions,
    },
    *,
};
use crate::{
    model::{AppVersion, BodyContent, Exchange, Message, Platform, Tunnel, TunnelOutcome, text::sha256_hex},
    traffic::import::ImportedFile,
};

fn target() -> Target {
    Target {
        app: "app".to_owned(),
        platform: Platform::Android,
        version: AppVersion::named("1.0"),
        scenario: "by-hand".to_owned(),
        claimed: true,
    }
}

fn opened(file: Vec<u8>) -> Result<FlowRecording, String> {
    FlowRecording::read(Input::memory("x.mitm", file), Some(target())).map_err(|error| error.to_string())
}

/// What a file gives, apart from the events around it.
#[derive(Default)]
struct Seen {
    exchanges: Vec<Exchange>,
    messages: Vec<Message>,
    tunnels: Vec<Tunnel>,
    bodies: Vec<Vec<u8>>,
    numbers: Vec<u64>,
}

fn seen(file: Vec<u8>) -> Seen {
    let mut seen = Seen::default();
    opened(file)
        .expect("a flow file")
        .replay(&mut |event, bodies| {
            seen.numbers.push(event.n);
            match &event.event {
                RunEvent::Exchange(exchange) => {
                    let mut body = Vec::new();
                    if let Some(mut source) = exchange.request.body.open(bodies).expect("it is there") {
                        source.read_to_end(&mut body).expect("readable");
                    }
                    seen.bodies.push(body);
                    seen.exchanges.push((**exchange).clone());
                }
                RunEvent::Message(message) => seen.messages.push((**message).clone()),
                RunEvent::Tunnel(tunnel) => seen.tunnels.push(tunnel.clone()),
                _ => {}
            }
        })
        .expect("readable");
    seen
}

fn file(flows: &[Value]) -> Vec<u8> {
    flows.iter().flat_map(|flow| flow.encode(false)).collect()
}

fn told(flows: &[Value], words: &str) -> u64 {
    let summary = opened(file(flows)).expect("a flow file").summary().clone();
    summary.told.iter().find(|(told, _)| told.contains(words)).map_or(0, |(_, count)| *count)
}

#[test]
fn every_version_says_the_same_exchange() {
    let expected = seen(of_version(Version::Plain(21))).exchanges.remove(0);
    assert_eq!(expected.request.url.to_text().expose(), "https://api.test/v1?q=1");
    assert_eq!((expected.began.to_string().as_str(), expected.request.http_version.as_str()), ("2023-11-14T22:13:20.5Z", "HTTP/1.1"));
    assert_eq!(expected.ended.map(|ended| ended.to_string()).as_deref(), Some("2023-11-14T22:13:21.25Z"));
    assert_eq!(expected.request.headers.iter().map(|header| header.name.as_str()).collect::<Vec<_>>(), ["Host", "X-Twice", "X-Twice"]);
    for version in versions() {
        let file = of_version(version);
        let recording = opened(file.clone()).expect("a flow file");
        assert_eq!(recording.provenance().source, CaptureSource::MitmproxyFlows { version: version.to_string() });
        assert_eq!(seen(file).exchanges, std::slice::from_ref(&expected), "version {version}");
    }
}

#[test]
fn flows_of_several_versions_may_follow_one_another() {
    let both = [of_version(Version::Pair(0, 13)), of_version(Version::Plain(21))].concat();
    let recording = opened(both.clone()).expect("a flow file");
    assert_eq!((recording.summary().version.as_str(), recording.summary().flows), ("0.13, 21", 2));
    assert_eq!(seen(both).numbers, [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn versions_that_nobody_reads_are_refused_by_name() {
    for (version, words) in [(List(vec![Int(0), Int(10)]), "format 0.10"), (Int(22), "format 22"), (Null, "it has no version")] {
        let error = opened(file(&[newest(), newest().with(vec![("version", version)])])).expect_err("it is not read");
        assert!(error.contains(words) && error.contains("1 flows were read"), "{error}");
    }
}

#[test]
fn a_damaged_file_is_refused_with_the_place() {
    let whole = file(&[newest(), newest()]);
    let refused = |bytes: Vec<u8>, words: &str| {
        let error = opened(bytes).expect_err("it is damaged");
        assert!(error.starts_with("read x.mitm: ") && error.contains(words), "{error}");
    };
    refused(whole[..whole.len() - 40].to_vec(), "cut off");
    refused([whole.as_slice(), b"9999999999:"].concat(), "an item of 9999999999 bytes is announced, and 0 are there");
    refused(b"2:hi,".to_vec(), "not a flow");
    refused([whole.as_slice(), b"\n"].concat(), "2 flows were read");
    let claimed = FlowRecording::read(Input::memory("x.mitm", whole), None).expect_err("nobody says").to_string();
    assert!(claimed.contains("--app"), "{claimed}");
}

#[test]
fn a_long_body_stays_in_the_file_and_is_read_from_there() {
    let long: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let request = part(&newest(), "request").with(vec![("content", Bytes(long.clone()))]);
    let seen = seen(file(&[newest(), newest().with(vec![("request", request)])]));
    let body = &seen.exchanges[1].request.body;
    assert_eq!((&body.content, body.sha256.as_deref(), body.bytes), (&BodyContent::Spilled, Some(sha256_hex(&long).as_str()), 200_000));
    assert_eq!(seen.bodies, [b"steps=12".to_vec(), long]);
}

#[test]
fn bodies_that_mitmproxy_did_not_keep_are_absent_and_not_empty() {
    let check = |version: Version, content: Value, pairs: &[(&str, &str)], absent: Option<u64>| {
        let number = match version {
            Version::Plain(number) => Int(number as i64),
            Version::Pair(major, minor) => List(vec![Int(major as i64), Int(minor as i64)]),
        };
        let request = part(&newest(), "request").with(vec![("content", content), ("headers", headers(pairs))]);
        let body = seen(file(&[newest().with(vec![("version", number), ("request", request)])])).exchanges.remove(0).request.body;
        assert_eq!(matches!(body.content, BodyContent::Absent(_)).then_some(body.bytes), absent, "{version}");
    };
    check(Version::Plain(21), Null, &[], Some(0));
    check(Version::Plain(21), Null, &[("content-length", "70")], Some(70));
    check(Version::Plain(21), bytes(""), &[], None);
    check(Version::Pair(0, 13), Null, &[], None);
    check(Version::Pair(0, 13), Null, &[("content-length", "70")], Some(70));
    check(Version::Pair(0, 13), Null, &[("transfer-encoding", "chunked")], Some(0));
    check(Version::Pair(0, 13), Int(0), &[], Some(0));
}

#[test]
fn a_flow_without_response_says_why() {
    let error = Table(vec![("msg", Text("server gone")), ("timestamp", Float("1700000002.0"))]);
    let seen = seen(file(&[newest().with(vec![("response", Null), ("error", error)]), newest().with(vec![("response", Null)])]));
    let words: Vec<_> = seen.exchanges.iter().map(|exchange| exchange.error.clone().unwrap_or_default()).collect();
    assert_eq!(words, ["server gone", "the flow has no response"]);
    assert!(seen.exchanges.iter().all(|exchange| exchange.response.is_none() && exchange.ended.is_none()));
}

#[test]
fn trailers_and_http_2_are_kept() {
    let trailers = headers(&[("grpc-status", "0")]);
    let request = part(&newest(), "request").with(vec![("http_version", bytes("HTTP/2.0")), ("authority", bytes("api.test"))]);
    let response = part(&newest(), "response").with(vec![("trailers", trailers)]);
    let exchange = seen(file(&[newest().with(vec![("request", request), ("response", response)])])).exchanges.remove(0);
    assert_eq!(exchange.request.http_version, "HTTP/2");
    assert_eq!(exchange.response.expect("answered").trailers[0].value.expose(), "0");
}

fn web_socket_message(opcode: i64, sent: bool, content: Value, more: &[bool]) -> Value {
    let mut message = vec![Int(opcode), Bool(sent), content, Float("1700000002.5")];
    message.extend(more.iter().map(|flag| Bool(*flag)));
    List(message)
}

#[test]
fn web_socket_messages_come_before_their_exchange() {
    let messages = List(vec![
        web_socket_message(1, true, bytes("hello"), &[false, false]),
        web_socket_message(2, false, Bytes(vec![0xff, 0]), &[false, false]),
        web_socket_message(1, true, bytes("made up"), &[false, true]),
        web_socket_message(1, true, bytes("dropped"), &[true, false]),
    ]);
    let socket = Table(vec![("messages", messages), ("timestamp_end", Float("1700000005.0")), ("close_code", Int(1000))]);
    let flow = newest().with(vec![("websocket", socket)]);
    let seen = seen(file(&[newest(), flow.clone()]));
    let told_of: Vec<_> = seen.messages.iter().map(|m| (m.exchange.0, m.number, m.sent, m.text, m.body.bytes)).collect();
    assert_eq!(told_of, [(2, 1, true, true, 5), (2, 2, false, false, 2), (2, 3, true, true, 7)]);
    assert_eq!(seen.messages[0].at.to_string(), "2023-11-14T22:13:22.5Z");
    assert_eq!(seen.messages[0].url, seen.exchanges[1].request.url);
    assert_eq!(seen.exchanges[1].ended.map(|at| at.to_string()).as_deref(), Some("2023-11-14T22:13:25Z"));
    assert_eq!(told(&[flow], "made up in mitmproxy"), 1);
}

#[test]
fn web_sockets_of_old_versions_find_the_request_that_opened_them() {
    let opening = newest().with(vec![("version", Int(11)), ("metadata", Table(vec![("websocket", Bool(true))]))]);
    let socket = |handshake: &'static str| {
        newest().without(&["request", "response"]).with(vec![
            ("version", Int(11)),
            ("type", Text("websocket")),
            ("id", Text("5c0ffee5-0000-4000-8000-0000000000f2")),
            ("metadata", Table(vec![("websocket_handshake", Text(handshake))])),
            ("messages", List(vec![web_socket_message(1, true, Text("hello"), &[false])])),
        ])
    };
    let known = seen(file(&[opening.clone(), socket("5c0ffee5-0000-4000-8000-0000000000f1")]));
    assert_eq!((known.messages[0].exchange, &known.messages[0].url), (known.exchanges[0].id, &known.exchanges[0].request.url));
    let flows = [opening, socket("5c0ffee5-0000-4000-8000-00000000dead")];
    let unknown = seen(file(&flows));
    assert_eq!((unknown.messages[0].exchange, unknown.messages[0].url.host.as_str()), (ExchangeId(2), "api.test"));
    assert_eq!(told(&flows, "opened by requests that the file does not hold"), 1);
}

#[test]
fn what_is_no_http_is_a_tunnel_that_nobody_read() {
    let raw = |kind: &'static str, opening: &[u8]| {
        let message = List(vec![Bool(true), Bytes(opening.to_vec()), Float("1700000001.0")]);
        let client = part(&newest(), "client_conn").with(vec![("timestamp_tls_setup", Null)]);
        newest().without(&["request", "response"]).with(vec![
            ("type", Text(kind)),
            ("messages", List(vec![message])),
            ("client_conn", client),
        ])
    };
    let silent = raw("tcp", b"").with(vec![("messages", List(vec![]))]);
    let flows = [
        raw("tcp", b"hi"),
        raw("tcp", b"\x16\x03\x01"),
        silent,
        raw("udp", b"q"),
        raw("dns", b"q"),
        raw("quic", b"q"),
        raw("tcp", b"x").with(vec![(
            "error",
            Table(vec![("msg", Text("The client does not trust the proxy's certificate for api.test (tlsv1 alert unknown ca)"))]),
        )]),
    ];
    let seen = seen(file(&flows));
    let outcomes: Vec<_> = seen.tunnels.iter().map(|tunnel| tunnel.outcome.clone()).collect();
    let passed = TunnelOutcome::PassedThrough;
    let refused = TunnelOutcome::CertificateRefused { alert: "UnknownCA".to_owned() };
    let silent = TunnelOutcome::ClosedWithoutRequest;
    assert_eq!(outcomes, [TunnelOutcome::NotTls, passed.clone(), silent, passed.clone(), passed.clone(), passed, refused]);
    let tunnel = &seen.tunnels[0];
    assert_eq!((tunnel.host.as_str(), tunnel.port, tunnel.sni.as_deref()), ("api.test", 443, Some("api.test")));
    assert_eq!(tunnel.alpn, ["h2", "http/1.1"]);
    assert_eq!([told(&flows, "raw TCP"), told(&flows, "UDP"), told(&flows, "DNS"), told(&flows, "does not know")], [4, 1, 1, 1]);
}

#[test]
fn a_connect_is_a_tunnel_and_no_exchange() {
    let connect = |host: &'static str| {
        let request = part(&newest(), "request").with(vec![("method", bytes("CONNECT")), ("host", Text(host)), ("path", bytes(""))]);
        let response = part(&newest(), "response").with(vec![("status_code", Int(200))]);
        newest().with(vec![("request", request), ("response", response)])
    };
    let seen = seen(file(&[connect("api.test"), connect("pinned.test"), newest()]));
    assert_eq!(seen.exchanges.len(), 1);
    let outcomes: Vec<_> = seen.tunnels.iter().map(|tunnel| (tunnel.host.as_str(), tunnel.outcome.clone())).collect();
    assert_eq!(outcomes, [("api.test", TunnelOutcome::Read { requests: 1 }), ("pinned.test", TunnelOutcome::PassedThrough)]);
}

#[test]
fn a_flow_changed_by_hand_is_read_as_it_was_before() {
    let changed = part(&newest(), "request").with(vec![("content", bytes("changed"))]);
    let flow = newest().with(vec![("request", changed), ("backup", newest())]);
    assert_eq!(seen(file(std::slice::from_ref(&flow))).bodies, [b"steps=12".to_vec()]);
    assert_eq!(told(&[flow], "changed by hand"), 1);
    // Changed before it was sent on: what was answered came after the change.
    let early = newest().with(vec![("backup", newest().with(vec![("response", Null)]))]);
    assert_eq!(seen(file(&[early])).exchanges[0].response.as_ref().map(|response| response.status), Some(201));
    assert_eq!(told(&[newest().with(vec![("is_replay", Text("request"))])], "replay"), 1);
}

#[test]
fn the_kind_of_file_is_told_by_its_first_bytes() {
    let imported = ImportedFile::of_bytes("x", file(&[newest()]), Some(target())).expect("a flow file");
    assert!(matches!(imported, ImportedFile::Flows(_)));
}

#[test]
fn every_file_cut_off_anywhere_is_refused_or_read_and_never_a_crash() {
    let whole = file(&[newest()]);
    for length in 0..whole.len() {
        assert_eq!(opened(whole[..length].to_vec()).is_ok(), length == 0, "{length}");
    }
    let mut rng = fastrand::Rng::with_seed(21);
    for _ in 0..2_000 {
        let mut bytes = whole.clone();
        for _ in 0..rng.usize(1..6) {
            let at = rng.usize(..bytes.len());
            bytes[at] = *rng.choice(b"0123456789:,;#^!~]}x\xff").expect("not empty");
        }
        let _ = opened(bytes).map(|recording| recording.replay(&mut |_, _| ()));
    }
}

/// Writes one file of each version into `TATTLETALE_WRITE_FLOWS`, for another reader to read.
#[test]
fn invented_flows_are_written_for_another_reader_when_asked() {
    let Some(folder) = std::env::var_os("TATTLETALE_WRITE_FLOWS") else { return };
    for version in versions() {
        std::fs::write(Path::new(&folder).join(format!("{version}.mitm")), of_version(version)).expect("writable");
    }
}
