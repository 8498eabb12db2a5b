//! Chromium without a screen: a page with images, uploads by `fetch`, a WebSocket with a subprotocol, and server-sent events.

use std::{
    process::{Child, Stdio},
    time::Duration,
};

use tattletale::model::{BodyContent, TunnelOutcome};

use crate::{LIMIT, bench::Bench, bench::wait_until, browser, client, skip, word};

#[test]
fn a_page_that_does_what_apps_do_is_recorded_whole() {
    if !there() {
        return;
    }
    let bench = Bench::start();
    trust(&bench);
    let chromium = Chromium::open(&bench, "https://page.test/page");
    wait_until("the page's last upload", LIMIT, || bench.cloud.has("/done"));
    wait_until("its answer", LIMIT, || bench.in_flight() == 0);
    chromium.close();
    let outcome = bench.finish();
    let done = outcome.with("page.test").into_iter().find(|exchange| exchange.request.url.path() == "/done").expect("it came");
    let BodyContent::Inline(told) = &done.request.body.content else { panic!("it is small: {done:?}") };
    let json = crate::bench::cloud::Digest::of(br#"{"steps":12}"#);
    assert_eq!(
        String::from_utf8_lossy(told.expose()).lines().collect::<Vec<_>>(),
        [&*format!("json: 12 {}", json.sha256), "form: 200", "socket: chat.v2 5,70000", "events: 3", "images: 3"]
    );
    let exchanges = outcome.assert_equal();
    assert!(exchanges >= 9, "a page, three images, two uploads, a socket, events and the end: {exchanges}");
    assert_eq!(outcome.log.messages.len(), 4);
}

#[test]
fn one_that_does_not_trust_us_is_told_with_the_alert() {
    if !there() {
        return;
    }
    let bench = Bench::start();
    let chromium = Chromium::open(&bench, "https://page.test/page");
    // Nothing tells from outside that Chromium gave up, but that its tunnels ended.
    wait_until("a refusal", LIMIT, || bench.log_has("certificate-refused"));
    chromium.close();
    let outcome = bench.finish();
    assert!(outcome.with("page.test").is_empty() && outcome.receipts.is_empty());
    let outcomes = outcome.outcomes("page.test");
    assert!(outcomes.contains(&TunnelOutcome::CertificateRefused { alert: "CertificateUnknown".to_owned() }), "{outcomes:?}");
    // It also opens tunnels ahead, and drops them; none of them sent anything that was not TLS.
    assert!(outcomes.iter().all(|outcome| word(outcome) != "not-tls"), "{outcomes:?}");
}

/// A running Chromium; ended with the test, however that ends.
struct Chromium(Child);

impl Chromium {
    fn open(bench: &Bench, url: &str) -> Self {
        let mut command = browser::command(&bench.folder().join("home"), bench.proxy().as_ref());
        // Servers of this machine are reached through the proxy too.
        command.arg("--proxy-bypass-list=<-loopback>").arg(url);
        Self(command.stdout(Stdio::null()).spawn().expect("it can be started"))
    }

    /// Asks it to end, as a person who closes the window does, and waits until it has.
    fn close(mut self) {
        let _ = client("kill").arg(self.0.id().to_string()).status();
        let mut ended = false;
        wait_until("the end of Chromium", Duration::from_secs(60), || {
            ended = ended || self.0.try_wait().is_ok_and(|status| status.is_some());
            ended
        });
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes it trust the proxy's authority.
fn trust(bench: &Bench) {
    browser::trust(&bench.folder().join("home"), bench.ca().as_ref());
}

fn there() -> bool {
    let all = browser::is_there();
    if !all {
        skip("chromium, or certutil (Debian's libnss3-tools), is not installed");
    }
    all
}
