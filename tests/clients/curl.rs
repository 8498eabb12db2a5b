//! curl, over HTTP/1.1 and HTTP/2: uploads of every kind, and the two ways in which it refuses a certificate.

use std::process::Command;

use tattletale::model::TunnelOutcome;

use crate::{
    Ended,
    bench::{Bench, Outcome, cloud::Digest, pem},
    client, is_there, run, skip, word,
};

#[test]
fn uploads_arrive_as_they_are_recorded() {
    for version in ["--http1.1", "--http2"] {
        let Some(bench) = bench() else { return };
        let file = bench.folder().join("series.bin");
        let series: Vec<u8> = (0..700_000_u32).map(|n| n.to_le_bytes()[(n % 3) as usize]).collect();
        std::fs::write(&file, &series).expect("the folder is writable");
        let upload = format!("series=@{};type=application/octet-stream", file.display());
        let whole = format!("@{}", file.display());

        let json = r#"{"steps": 12, "name": "Quillon"}"#;
        let told = curl(&bench, &[version, "--json", json, "https://api.test/v1/json?day=7"], b"").well();
        assert_eq!(told, said(json.as_bytes()));
        curl(&bench, &[version, "--form", "name=Quillon", "--form", &upload, "https://api.test/v1/form"], b"").well();
        let told = curl(&bench, &[version, "--request", "PUT", "--data-binary", &whole, "https://api.test/v1/series"], b"").well();
        assert_eq!(told, said(&series));
        // From a pipe, so that nobody knows its length before: chunked over HTTP/1.1.
        let told = curl(&bench, &[version, "--upload-file", "-", "https://api.test/v1/piped"], &series).well();
        assert_eq!(told, said(&series));
        let told = curl(&bench, &[version, "--upload-file", "-", "https://api.test/v1/piped-small"], b"a few bytes").well();
        assert_eq!(told, said(b"a few bytes"));
        curl(&bench, &[version, "--head", "https://api.test/bytes/5000"], b"").well();
        curl(&bench, &[version, "--request", "DELETE", "https://api.test/v1/json"], b"").well();
        let outcome = bench.finish();
        assert_eq!(outcome.assert_equal(), 7, "{version}");
        let spoken = if version == "--http2" { "HTTP/2" } else { "HTTP/1.1" };
        assert!(outcome.with("api.test").iter().all(|exchange| exchange.request.http_version == spoken), "{version}");
        assert!(outcome.outcomes("api.test").iter().all(|outcome| *outcome == TunnelOutcome::Read { requests: 1 }));
    }
}

#[test]
fn a_server_that_speaks_http_1_alone_gets_what_came_over_http_2() {
    let Some(bench) = bench() else { return };
    let told = curl(&bench, &["--http2", "--data", "steps=12", "https://h1.test/up"], b"").well();
    assert_eq!(told, said(b"steps=12"));
    let told = curl(&bench, &["--http2", "--upload-file", "-", "https://h1.test/up"], b"of no known length").well();
    assert_eq!(told, said(b"of no known length"));
    assert_eq!(bench.finish().assert_equal(), 2);
}

#[test]
fn an_upload_that_waits_for_leave_gets_it() {
    let Some(bench) = bench() else { return };
    let large = vec![b'x'; 3_000_000];
    // Without a 100 curl would wait for much longer than it may take altogether.
    let patience = ["--http1.1", "--expect100-timeout", "300", "--header", "Expect: 100-continue", "--data-binary", "@-"];
    for (path, body) in [("https://api.test/small", &large[..20]), ("https://api.test/large", &large[..])] {
        let told = curl(&bench, &[&patience[..], &[path]].concat(), body).well();
        assert_eq!(told, said(body), "{path}");
    }
    assert_eq!(bench.finish().assert_equal(), 2);
}

#[test]
fn a_compressed_answer_is_kept_as_it_came() {
    for version in ["--http1.1", "--http2"] {
        let Some(bench) = bench() else { return };
        let told = curl(&bench, &[version, "--compressed", "https://api.test/compressed"], b"").well();
        assert_eq!(told, "a line that is there many times\n".repeat(1000));
        let outcome = bench.finish();
        assert_eq!(outcome.assert_equal(), 1);
        assert!(outcome.recorded()[0].answered.bytes < 1000, "what was stored is what went over the wire");
    }
}

#[test]
fn many_requests_on_one_connection_are_each_there() {
    for version in ["--http1.1", "--http2"] {
        let Some(bench) = bench() else { return };
        let told = curl(&bench, &[version, "--data", "n=1", "https://api.test/many/[1-60]"], b"").well();
        assert_eq!(told, said(b"n=1").repeat(60));
        let outcome = bench.finish();
        assert_eq!(outcome.assert_equal(), 60);
        assert_eq!(outcome.outcomes("api.test"), [TunnelOutcome::Read { requests: 60 }], "{version}");
        let Some(bench) = self::bench() else { return };
        curl(&bench, &[version, "--parallel", "--parallel-max", "20", "--data", "n=1", "https://api.test/many/[1-60]"], b"").well();
        assert_eq!(bench.finish().assert_equal(), 60, "{version}");
    }
}

#[test]
fn plain_http_is_read_with_a_tunnel_and_without_one() {
    let Some(bench) = bench() else { return };
    for arguments in [&["http://plain.test/a"][..], &["--proxytunnel", "http://plain.test/b"]] {
        let told = curl(&bench, &[&["--data", "steps=12"], arguments].concat(), b"").well();
        assert_eq!(told, said(b"steps=12"), "{arguments:?}");
    }
    assert_eq!(bench.finish().assert_equal(), 2);
}

#[test]
fn the_proxy_can_be_reached_by_socks() {
    let Some(bench) = bench() else { return };
    let socks = bench.socks();
    for url in ["https://api.test/up", "http://plain.test/up"] {
        let told = curl(&bench, &["--proxy", &socks, "--data", "steps=12", url], b"").well();
        assert_eq!(told, said(b"steps=12"), "{url}");
    }
    assert_eq!(bench.finish().assert_equal(), 2);
}

#[test]
fn a_server_that_is_an_ipv6_address_has_a_certificate_that_curl_accepts() {
    let Some(bench) = bench() else { return };
    let told = curl(&bench, &["--data", "steps=12", "--write-out", "%{http_code}", "https://[2001:db8::7]/up"], b"").well();
    // Nobody stands in for an address, so the answer is the proxy's own.
    assert!(told.ends_with("502"), "{told}");
    let outcome = bench.finish();
    let exchange = outcome.with("2001:db8::7")[0];
    assert_eq!(exchange.request.url.to_text().expose(), "https://[2001:db8::7]/up");
    assert_eq!(exchange.request.body.sha256, Some(Digest::of(b"steps=12").sha256), "recorded all the same");
}

#[test]
fn the_proxy_can_be_reached_over_ipv6() {
    if !there() || std::net::TcpListener::bind("[::1]:0").is_err() {
        return skip("this machine has no IPv6, or no curl");
    }
    let bench = Bench::start_on_ipv6();
    assert_eq!(curl(&bench, &["--data", "steps=12", "https://api.test/up"], b"").well(), said(b"steps=12"));
    assert_eq!(bench.finish().assert_equal(), 1);
}

#[test]
fn one_that_does_not_trust_us_is_told_with_the_alert() {
    for version in ["--tlsv1.3", "--tls-max=1.2"] {
        let Some(bench) = bench() else { return };
        let other = bench.folder().join("other.pem");
        std::fs::write(&other, pem(bench.cloud.authority())).expect("the folder is writable");
        let version: Vec<&str> = version.split('=').collect();
        let mut command = command(&bench, &version);
        command.arg("--cacert").arg(&other).args(["--data", "secret=1", "https://api.test/up"]);
        assert_eq!(run(&mut command, b"").code, Some(60), "the certificate's issuer is not known");
        let outcome = bench.finish();
        assert_eq!(outcome.outcomes("api.test"), [TunnelOutcome::CertificateRefused { alert: "UnknownCA".to_owned() }]);
        assert_nothing_passed(&outcome);
        assert_eq!(outcome.log.tunnels[0].sni.as_deref(), Some("api.test"));
    }
}

#[test]
fn one_that_pins_a_key_finishes_the_handshake_and_sends_nothing() {
    for version in [&["--tlsv1.3"][..], &["--tls-max", "1.2"]] {
        let Some(bench) = bench() else { return };
        let mut command = command(&bench, version);
        command.args([
            "--pinnedpubkey",
            "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "--data",
            "secret=1",
            "https://api.test/up",
        ]);
        assert_eq!(run(&mut command, b"").code, Some(90), "not the key that was pinned");
        let outcome = bench.finish();
        let words: Vec<_> = outcome.outcomes("api.test").iter().map(word).collect();
        assert_eq!(words, ["closed-without-request"], "{version:?}");
        assert_nothing_passed(&outcome);
    }
}

fn assert_nothing_passed(outcome: &Outcome) {
    assert!(outcome.receipts.is_empty() && outcome.log.exchanges.is_empty(), "nothing was sent, so nothing was recorded");
}

/// What a server says of an upload.
fn said(body: &[u8]) -> String {
    let Digest { bytes, sha256 } = Digest::of(body);
    format!("{bytes} {sha256}")
}

fn there() -> bool {
    is_there("curl", "--version")
}

fn bench() -> Option<Bench> {
    if !there() {
        skip("curl is not installed");
        return None;
    }
    Some(Bench::start())
}

/// Runs curl with more arguments.
#[track_caller]
fn curl(bench: &Bench, arguments: &[&str], input: &[u8]) -> Ended {
    run(&mut command(bench, arguments), input)
}

fn command(bench: &Bench, arguments: &[&str]) -> Command {
    let mut command = client("curl");
    command.args(["-q", "--silent", "--show-error", "--max-time", "60", "--proxy", &bench.proxy()]);
    command.arg("--cacert").arg(bench.ca()).args(arguments);
    command
}
