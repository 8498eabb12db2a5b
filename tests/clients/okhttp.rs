//! OkHttp 3, the client of most Android apps, with and without a pinned key. Debian's library; compiled here with Debian's compiler.

use std::path::Path;

use tattletale::model::TunnelOutcome;

use crate::{Ended, bench::Bench, client, is_there, own, run, skip, word};

#[test]
fn uploads_arrive_as_they_are_recorded() {
    if !there() {
        return;
    }
    let bench = Bench::start();
    let told = okhttp(&bench, &[]).well();
    let protocols: Vec<_> = told.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    let (new, old) = ("200 h2", "200 http/1.1");
    // Between OkHttp and the proxy; what the server speaks is another matter.
    assert_eq!(protocols, [new, new, new, new, new, old], "{told}");
    assert_eq!(bench.finish().assert_equal(), 6);
}

#[test]
fn one_that_pins_a_key_finishes_the_handshake_and_sends_nothing() {
    if !there() {
        return;
    }
    let bench = Bench::start();
    assert_eq!(okhttp(&bench, &["pinned.test", "1"]).well(), "refused\n");
    let outcome = bench.finish();
    // OkHttp looks at the pins once the handshake is done, and closes without an alert.
    assert_eq!(outcome.outcomes("pinned.test").iter().map(word).collect::<Vec<_>>(), ["closed-without-request"]);
    assert!(outcome.receipts.is_empty() && outcome.log.exchanges.is_empty());
}

#[test]
fn one_that_does_not_trust_us_is_told_with_the_alert() {
    if !there() {
        return;
    }
    let bench = Bench::start();
    std::fs::write(bench.ca(), crate::bench::pem(bench.cloud.authority())).expect("the folder is writable");
    let ended = okhttp(&bench, &[]);
    assert!(ended.code != Some(0) && ended.err.contains("SSLHandshakeException"), "{ended:?}");
    let outcome = bench.finish();
    assert_eq!(outcome.outcomes("api.test"), [TunnelOutcome::CertificateRefused { alert: "CertificateUnknown".to_owned() }]);
}

fn okhttp(bench: &Bench, arguments: &[&str]) -> Ended {
    let classes = bench.folder().join("classes");
    let path = format!("{OKHTTP}:{OKIO}");
    run(client("javac").args(["-encoding", "UTF-8", "-cp", &path, "-d"]).arg(&classes).arg(own("Upload.java")), b"").well();
    let port = bench.address().port().to_string();
    let path = format!("{}:{path}", classes.display());
    run(client("java").args(["-Xshare:auto", "-cp", &path, "Upload", &port]).arg(bench.ca()).args(arguments), b"")
}

fn there() -> bool {
    let all = is_there("javac", "-version") && is_there("java", "-version") && [OKHTTP, OKIO].iter().all(|path| Path::new(path).exists());
    if !all {
        skip("a Java compiler, or OkHttp (Debian's libokhttp-java), is not installed");
    }
    all
}

const OKHTTP: &str = "/usr/share/java/okhttp.jar";
const OKIO: &str = "/usr/share/java/okio.jar";
