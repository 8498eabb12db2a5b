//! What the proxy asks of `watch`: who may use it, which hosts are read, and the pages of our own with the certificate in them.
//! What a page says is `page`'s, who is admitted `admission`'s.

use std::{fmt, sync::OnceLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::crypto::SecureRandom;

use super::{
    admission::{Admission, Try},
    page::{self, CHECK, Facts, HOME, Sight, System},
    scope::Scope,
};
use crate::{
    model::text::hex,
    traffic::proxy::{Gate, Page, Visit},
};

/// The gate of one session.
pub(super) struct WatchGate {
    /// Who may use the proxy.
    pub(super) admission: Admission,
    /// What is read.
    pub(super) scope: Scope,
    /// The certificate in DER.
    pub(super) certificate: Vec<u8>,
    /// What pages say; known when the proxy has its port.
    pub(super) facts: OnceLock<Facts>,
    /// For names that only one page knows.
    pub(super) random: &'static dyn SecureRandom,
}

impl fmt::Debug for WatchGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchGate").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Gate for WatchGate {
    fn admits(&self, client: std::net::IpAddr) -> bool {
        self.admission.admits(client)
    }

    fn reads(&self, host: &str) -> bool {
        is_own(host) || self.scope.reads(host)
    }

    fn owns(&self, host: &str) -> bool {
        is_own(host)
    }

    fn page(&self, visit: &Visit<'_>) -> Option<Page> {
        if !is_own(visit.host) {
            // A stranger's request for another host is answered here, so that a person who sees it knows what to do.
            return (!self.admission.admits(visit.client)).then(|| self.stranger(407, String::new(), true, true));
        }
        if !matches!(visit.method, "GET" | "HEAD") {
            return Some(plain(405, "only GET"));
        }
        let (path, query) = visit.path_and_query.split_once('?').unwrap_or((visit.path_and_query, ""));
        let page = match visit.host {
            CHECK if self.admission.admits(visit.client) => self.check(visit),
            CHECK => self.stranger(403, String::new(), true, true),
            _ => self.home(visit, path, query),
        };
        Some(if visit.method == "HEAD" { Page { body: Vec::new(), ..page } } else { page })
    }
}

impl WatchGate {
    fn home(&self, visit: &Visit<'_>, path: &str, query: &str) -> Page {
        if path == "/enter" {
            return self.enter(visit, query);
        }
        if !self.admission.admits(visit.client) {
            return self.stranger(403, String::new(), true, false);
        }
        if is_proxied(visit) {
            self.admission.note_proxied(visit.client);
        }
        match path {
            "/" => self.steps(visit),
            "/status" => self.status(visit),
            // Android's downloads keep the ending, and its settings look for it; Safari offers what is not an attachment as a profile.
            "/tattletale.crt" => self.certificate("attachment; filename=\"tattletale.crt\""),
            "/tattletale.cer" => self.certificate("inline; filename=\"tattletale.cer\""),
            "/tattletale.pem" => self.pem(),
            _ => plain(404, "there is no such page"),
        }
    }

    /// What the page fetches to learn whether the device trusts us. It says nothing itself: that it could be fetched is the answer.
    fn check(&self, visit: &Visit<'_>) -> Page {
        if !visit.decrypted {
            return plain(400, "ask by https");
        }
        self.admission.note_trust(visit.client);
        Page { headers: headers("image/svg+xml"), status: 200, body: b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec() }
    }

    fn enter(&self, visit: &Visit<'_>, query: &str) -> Page {
        let typed = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "code").map(|(_, value)| value);
        let Some(typed) = typed else { return self.stranger(403, String::new(), true, false) };
        match self.admission.enter(visit.client, &typed) {
            Try::Admitted => {
                let mut page = plain(303, "");
                page.headers.push(("location", "/".to_owned()));
                page
            }
            Try::Wrong(left) => {
                let tries = if left == 1 { "1 try is".to_owned() } else { format!("{left} tries are") };
                self.stranger(403, format!("That is not the code. {tries} left."), true, false)
            }
            Try::Locked => {
                let notice = "That was the last try of this device. Start tattletale again for a new code.";
                self.stranger(429, notice.to_owned(), false, false)
            }
            Try::Closed => {
                let notice = "Too many wrong codes came from this network. Start tattletale again for a new code.";
                self.stranger(429, notice.to_owned(), false, false)
            }
        }
    }

    fn steps(&self, visit: &Visit<'_>) -> Page {
        let device = self.admission.device(visit.client);
        let sight = Sight::Steps {
            system: System::of(visit.user_agent),
            // Of devices beyond the table's bound nothing is noted, but this very visit came through the proxy or not.
            proxied: device.proxied || is_proxied(visit),
            trusts: device.trusts,
        };
        self.page_of(200, &sight)
    }

    fn stranger(&self, status: u16, notice: String, form: bool, elsewhere: bool) -> Page {
        let mut page = self.page_of(status, &Sight::Stranger { notice, form, elsewhere });
        if status == 407 {
            // A scheme that no browser knows: one that it knew would ask for a name and a password.
            page.headers.push(("proxy-authenticate", format!("Tattletale realm=\"enter the code at http://{HOME}/\"")));
        }
        page
    }

    fn page_of(&self, status: u16, sight: &Sight) -> Page {
        let mut bytes = [0; 16];
        // Without randomness the page loses its styles and its script, and still says what it has to.
        let nonce = self.random.fill(&mut bytes).map(|()| hex(&bytes)).unwrap_or_default();
        let Some(facts) = self.facts.get() else { return plain(503, "not ready yet: try again") };
        let (html, policy) = page::render(sight, facts, &nonce);
        let mut page = Page { status, headers: headers("text/html; charset=utf-8"), body: html.into_bytes() };
        page.headers.push(("content-security-policy", policy));
        page
    }

    fn status(&self, visit: &Visit<'_>) -> Page {
        let device = self.admission.device(visit.client);
        let body = serde_json::json!({ "proxied": device.proxied || is_proxied(visit), "trusts": device.trusts }).to_string();
        Page { status: 200, headers: headers("application/json"), body: body.into_bytes() }
    }

    fn certificate(&self, disposition: &str) -> Page {
        let mut headers = headers("application/x-x509-ca-cert");
        headers.push(("content-disposition", disposition.to_owned()));
        Page { status: 200, headers, body: self.certificate.clone() }
    }

    fn pem(&self) -> Page {
        let mut headers = headers("application/x-pem-file");
        headers.push(("content-disposition", "attachment; filename=\"tattletale.pem\"".to_owned()));
        Page { status: 200, headers, body: pem(&self.certificate).into_bytes() }
    }
}

/// A certificate as text (RFC 7468).
fn pem(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in base64.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

/// Whether a host is ours: the two names, or none at all, for a device that speaks to the proxy as if it were a web server.
fn is_own(host: &str) -> bool {
    matches!(host, "" | HOME | CHECK)
}

/// Whether a visit shows that the device sends through the proxy: nobody else knows the name, and an address of the proxy's own
/// may have been asked for either way.
fn is_proxied(visit: &Visit<'_>) -> bool {
    visit.host == HOME || visit.proxied
}

fn headers(content_type: &str) -> Vec<(&'static str, String)> {
    vec![
        ("content-type", content_type.to_owned()),
        // What a page says of a device is true at that moment only.
        ("cache-control", "no-store".to_owned()),
        ("referrer-policy", "no-referrer".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
    ]
}

fn plain(status: u16, words: &str) -> Page {
    Page { status, headers: headers("text/plain; charset=utf-8"), body: words.as_bytes().to_vec() }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::{super::admission::Code, *};

    const PHONE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    const ANDROID: &str = "Mozilla/5.0 (Linux; Android 14; Pixel 8)";

    fn gate(code: Option<&str>) -> WatchGate {
        let code = code.map(|code| Code::parse(code).expect("six digits"));
        WatchGate {
            admission: Admission::new(code),
            scope: Scope::new(None, &["band.test".into()]),
            certificate: vec![0x30; 100],
            facts: OnceLock::from(page::tests::facts()),
            random: rustls::crypto::aws_lc_rs::default_provider().secure_random,
        }
    }

    fn visit(host: &'static str, path: &'static str) -> Visit<'static> {
        let decrypted = false;
        Visit { client: PHONE, method: "GET", host, path_and_query: path, user_agent: Some(ANDROID), decrypted, proxied: !host.is_empty() }
    }

    fn ask(gate: &WatchGate, host: &'static str, path: &'static str) -> (u16, String) {
        let page = gate.page(&visit(host, path)).expect("a page of ours");
        (page.status, String::from_utf8_lossy(&page.body).into_owned())
    }

    #[test]
    fn a_stranger_gets_nothing_but_the_form_until_the_code_is_entered() {
        let gate = gate(Some("042137"));
        assert!(!gate.admits(PHONE));
        for path in ["/", "/tattletale.crt", "/status", "/nothing"] {
            let (status, body) = ask(&gate, HOME, path);
            assert!(status == 403 && body.contains("<form") && !body.contains("SHA-256"), "{path}: {body}");
        }
        let check = gate.page(&Visit { decrypted: true, ..visit(CHECK, "/check") }).expect("a page of ours");
        assert_eq!(check.status, 403, "there is nothing to check yet");
        let page = gate.page(&visit("bank.test", "/")).expect("a stranger's request is answered");
        assert_eq!(page.status, 407);
        assert!(page.headers.iter().any(|(name, value)| *name == "proxy-authenticate" && value.starts_with("Tattletale ")));
        assert!(page::tests::readable(&String::from_utf8_lossy(&page.body)).contains("http://tattletale.internal/enter"));
        assert!(ask(&gate, HOME, "/enter?code=000000").1.contains("4 tries are left"));
        assert_eq!(ask(&gate, HOME, "/enter?code=042+137").0, 303);
        assert!(gate.admits(PHONE));
        assert!(ask(&gate, HOME, "/").1.contains("This Android device"));
        assert_eq!(gate.page(&visit("bank.test", "/")), None);
    }

    #[test]
    fn the_right_code_after_five_wrong_ones_opens_nothing() {
        let gate = gate(Some("042137"));
        let wrong: Vec<u16> = (0..5).map(|_| ask(&gate, HOME, "/enter?code=1").0).collect();
        assert_eq!(wrong, [403, 403, 403, 403, 429]);
        let (status, body) = ask(&gate, HOME, "/enter?code=042137");
        assert!(status == 429 && !body.contains("<form"), "{body}");
        assert!(!gate.admits(PHONE));
    }

    #[test]
    fn the_certificate_comes_as_it_is_with_the_type_that_phones_know() {
        let gate = gate(None);
        for (path, disposition) in [("/tattletale.crt", "attachment"), ("/tattletale.cer", "inline")] {
            let page = gate.page(&visit(HOME, path)).expect("a page of ours");
            assert_eq!((page.status, &page.body), (200, &gate.certificate));
            assert!(page.headers.contains(&("content-type", "application/x-x509-ca-cert".into())));
            assert!(page.headers.iter().any(|(name, value)| *name == "content-disposition" && value.starts_with(disposition)), "{path}");
        }
        let (_, pem) = ask(&gate, HOME, "/tattletale.pem");
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\nMDAw") && pem.lines().all(|line| line.len() <= 64), "{pem}");
    }

    #[test]
    fn only_a_decrypted_fetch_turns_the_check_green() {
        let gate = gate(None);
        assert_eq!(ask(&gate, "", "/status").1, r#"{"proxied":false,"trusts":false}"#);
        assert_eq!(ask(&gate, CHECK, "/check").0, 400);
        assert_eq!(ask(&gate, HOME, "/status").1, r#"{"proxied":true,"trusts":false}"#);
        // The page itself by https proves nothing: a browser's warning may have been clicked away for it.
        gate.page(&Visit { decrypted: true, ..visit(HOME, "/") }).expect("a page of ours");
        assert!(ask(&gate, HOME, "/").1.contains("does not trust me yet"));
        let check = gate.page(&Visit { decrypted: true, ..visit(CHECK, "/check?1") }).expect("a page of ours");
        assert_eq!(check.status, 200);
        assert_eq!(ask(&gate, HOME, "/status").1, r#"{"proxied":true,"trusts":true}"#);
        assert!(ask(&gate, HOME, "/").1.contains("Your phone trusts me"));
    }

    #[test]
    fn a_device_without_the_proxy_gets_the_page_too_and_learns_that() {
        let gate = gate(None);
        assert!(ask(&gate, "", "/").1.contains("does not send through the proxy yet"));
        assert!(ask(&gate, HOME, "/").1.contains("This device sends through the proxy."));
    }

    #[test]
    fn a_page_that_is_open_by_its_address_goes_on_when_the_proxy_is_set() {
        let gate = gate(None);
        assert_eq!(ask(&gate, "", "/status").1, r#"{"proxied":false,"trusts":false}"#);
        let status = gate.page(&Visit { proxied: true, ..visit("", "/status") }).expect("a page of ours");
        assert_eq!(status.body, br#"{"proxied":true,"trusts":false}"#);
        assert!(ask(&gate, "", "/").1.contains("This device sends through the proxy."), "it is remembered");
    }

    #[test]
    fn what_is_outside_the_scope_is_not_read_and_our_own_pages_always_are() {
        let gate = gate(None);
        for (host, want) in [("api.band.test", true), ("bank.test", false), (HOME, true), (CHECK, true)] {
            assert_eq!(gate.reads(host), want, "{host}");
        }
    }

    #[test]
    fn pages_are_fetched_and_not_changed() {
        let gate = gate(None);
        let post = gate.page(&Visit { method: "POST", ..visit(HOME, "/") }).expect("a page of ours");
        assert_eq!(post.status, 405);
        let head = gate.page(&Visit { method: "HEAD", ..visit(HOME, "/") }).expect("a page of ours");
        assert!(head.status == 200 && head.body.is_empty());
        let page = gate.page(&visit(HOME, "/")).expect("a page of ours");
        for name in ["content-security-policy", "cache-control", "x-content-type-options", "referrer-policy"] {
            assert!(page.headers.iter().any(|(is, _)| *is == name), "{name}");
        }
    }
}
