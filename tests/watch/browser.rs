//! The onboarding page in a real browser, posing as a phone: Chromium without a screen.

use std::path::Path;

use crate::{
    chromium,
    session::{Session, authority},
    skip,
    support::Place,
};

const ANDROID: &str =
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";

/// What the browser makes of the page after some seconds of its own time, in which the live check has run.
fn page(session: &Session, home: &Path, agent: &str) -> String {
    let mut command = chromium::command(home, &session.proxy.to_string());
    // Ten seconds of time for the page, which stands still while something is being fetched.
    command.args(["--virtual-time-budget=10000", "--dump-dom"]).arg(format!("--user-agent={agent}"));
    let ended = command.arg("http://tattletale.internal/").output().expect("it can be started");
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

/// The line about trust: open or done.
fn trust_line(page: &str) -> &str {
    let line = page.split("<li id=\"trusts\"").nth(1).unwrap_or_default();
    line.split("</li>").next().unwrap_or_default()
}

#[test]
fn a_phone_gets_its_steps_and_the_check_turns_green_only_after_a_decrypted_fetch() {
    if !chromium::is_there() {
        return skip("chromium, or certutil (Debian's libnss3-tools), is not installed");
    }
    let place = Place::empty();
    let session = Session::start(&place, &[]);
    let der = authority(&place);
    let certificate = place.write("authority.der", &der);

    for (agent, own, other, file) in [(ANDROID, "android", "iphone", "/tattletale.crt"), (IPHONE, "iphone", "android", "/tattletale.cer")] {
        let seen = page(&session, &place.path().join(format!("untrusting-{own}")), agent);
        assert!(seen.contains(&format!("<section id=\"{own}\">")), "{own}: {seen}");
        assert!(seen.contains(&format!("<details id=\"{other}\">")), "{own}: {seen}");
        assert!(seen.contains("This device sends through the proxy."), "{own}: {seen}");
        assert!(trust_line(&seen).contains("class=\"open\""), "{own}: {}", trust_line(&seen));
        let steps =
            seen.split(&format!("<section id=\"{own}\">")).nth(1).and_then(|rest| rest.split("</section>").next()).unwrap_or_default();
        assert!(steps.contains(&format!("href=\"{file}\"")), "{own}: {steps}");
        let given = session.ask("GET", &format!("http://tattletale.internal{file}"), &[&format!("User-Agent: {agent}")], "");
        assert_eq!((given.status, &*given.body), (200, der.as_ref()), "{own}");
        assert!(given.head.contains("content-type: application/x-x509-ca-cert"), "{}", given.head);
    }
    assert!(!session.out().contains("trusted by"), "nobody trusts it yet: {}", session.out());

    let home = place.path().join("trusting");
    chromium::trust(&home, &certificate);
    let seen = page(&session, &home, ANDROID);
    assert!(trust_line(&seen).contains("class=\"done\"") && trust_line(&seen).contains("Your phone trusts me"), "{}", trust_line(&seen));
    session.wait_for("trusted by    127.0.0.1");
    let ended = session.end("TERM");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.out.contains("tattletale.internal  "), "our own pages are nobody's traffic: {}", ended.out);
}
