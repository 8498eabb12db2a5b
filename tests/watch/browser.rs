//! The onboarding page in a real browser, posing as a phone: Chromium without a screen.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    session::{Session, authority},
    skip,
    support::Place,
};

const ANDROID: &str =
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";

/// What the browser makes of the page after some seconds of its own time, in which the live check has run.
fn page(session: &Session, home: &Path, agent: &str) -> String {
    std::fs::create_dir_all(home).expect("the folder is writable");
    let mut command = Command::new(program().expect("it was found before"));
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.env("HOME", home).env("XDG_CONFIG_HOME", home.join("config")).env("XDG_CACHE_HOME", home.join("cache"));
    command.args(FLAGS).arg(format!("--user-data-dir={}", home.join("profile").display()));
    command.arg(format!("--proxy-server={}", session.proxy)).arg(format!("--user-agent={agent}"));
    let ended = command.arg("http://tattletale.internal/").stdin(Stdio::null()).stderr(Stdio::null()).output().expect("it can be started");
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

/// Puts a certificate where Chromium on Linux looks for what its user trusts.
fn trust(home: &Path, certificate: &Path) {
    let store = home.join(".pki/nssdb");
    std::fs::create_dir_all(&store).expect("the folder is writable");
    let name = format!("sql:{}", store.display());
    for args in [
        vec!["-N", "--empty-password", "-d", &name],
        vec!["-A", "-d", &name, "-t", "C,,", "-n", "audit", "-i", &certificate.to_string_lossy()],
    ] {
        let done = Command::new("certutil").args(&args).stdin(Stdio::null()).status().expect("it was found before");
        assert!(done.success(), "certutil {args:?}");
    }
}

/// The line about trust: open or done.
fn trust_line(page: &str) -> &str {
    let line = page.split("<li id=\"trusts\"").nth(1).unwrap_or_default();
    line.split("</li>").next().unwrap_or_default()
}

#[test]
fn a_phone_gets_its_steps_and_the_check_turns_green_only_after_a_decrypted_fetch() {
    if program().is_none() || !is_on_path("certutil") {
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
    trust(&home, &certificate);
    let seen = page(&session, &home, ANDROID);
    assert!(trust_line(&seen).contains("class=\"done\"") && trust_line(&seen).contains("Your phone trusts me"), "{}", trust_line(&seen));
    session.wait_for("trusted by    127.0.0.1");
    let ended = session.end("TERM");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.out.contains("tattletale.internal  "), "our own pages are nobody's traffic: {}", ended.out);
}

fn program() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|program| is_on_path(program))
}

fn is_on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).exists()))
}

/// No screen, no sandbox (tests run as root), none of the browser's own errands, and ten seconds of time for the page, which stands
/// still while something is being fetched.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-features=OptimizationHints,MediaRouter,AutofillServerCommunication",
    "--metrics-recording-only",
    "--password-store=basic",
    "--virtual-time-budget=10000",
    "--dump-dom",
];
