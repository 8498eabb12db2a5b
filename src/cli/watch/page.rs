//! What the onboarding page says, and to whom: text made from a template, everything from outside escaped. Which request gets
//! it is `gate`'s.

use minijinja::{Environment, context};

use super::qr::Qr;

/// What people type on the phone. `.internal` is kept free for private networks (ICANN resolution 2024.07.29.06), so nobody else
/// can own the name, no browser insists on TLS for it, and unlike `.local` no phone looks for it by multicast.
pub(super) const HOME: &str = "tattletale.internal";

/// The host of the live check. Another one than the page's: whoever clicks a browser's warning away does so for one host, which
/// must not look like trust.
pub(super) const CHECK: &str = "check.tattletale.internal";

/// What the visitor's device is, by its `User-Agent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    /// Android.
    Android,
    /// iPhone, iPad.
    Iphone,
    /// Anything else, or not told.
    Other,
}

impl System {
    /// Reads a `User-Agent`.
    pub(super) fn of(user_agent: Option<&str>) -> Self {
        let says = |word: &str| user_agent.is_some_and(|agent| agent.contains(word));
        if says("Android") {
            Self::Android
        } else if says("iPhone") || says("iPad") || says("iPod") || says("Macintosh") && says("Mobile/") {
            Self::Iphone
        } else {
            Self::Other
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Android => "android",
            Self::Iphone => "iphone",
            Self::Other => "other",
        }
    }
}

/// What is the same on every page of a session.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Where the phone is to send: host and port of the proxy, as the phone reaches it.
    pub(super) proxy: (String, u16),
    /// Whether only this machine reaches the proxy.
    pub(super) is_loopback: bool,
    /// Whether a phone on a cable does, by `adb reverse`.
    pub(super) is_on_the_cable: bool,
    /// The page's address without the proxy, which a QR code can hold before anything is set.
    pub(super) direct_url: String,
    /// The certificate's name.
    pub(super) name: String,
    /// The certificate's SHA-256 in pairs of digits.
    pub(super) fingerprint: String,
    /// What is read, after "reads".
    pub(super) scope: String,
}

/// What a visitor sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// A device that is not admitted: where to enter the code, and what was wrong with the last one.
    Stranger {
        /// What to say first; empty for nothing.
        notice: String,
        /// Whether there is anything to enter a code into.
        form: bool,
        /// Whether it asked for another host, so that the form must name ours.
        elsewhere: bool,
    },
    /// The steps.
    Steps {
        /// Whose steps come first.
        system: System,
        /// The device sends through the proxy.
        proxied: bool,
        /// The device trusts the certificate.
        trusts: bool,
    },
}

/// A page, and the `Content-Security-Policy` that it must be sent with: nothing from elsewhere, no script but its own.
pub(super) fn render(sight: &Sight, facts: &Facts, nonce: &str) -> (String, String) {
    // A template named .html is escaped, whatever is put into it; what is undefined prints nothing.
    let environment = Environment::new();
    let Facts { proxy: (proxy_host, proxy_port), is_loopback: loopback, is_on_the_cable: cable, direct_url, name, fingerprint, scope } =
        facts;
    let code = Qr::new(direct_url);
    let common = context! {
        nonce, check => CHECK, home => "/", name, fingerprint, scope, proxy_host, proxy_port, loopback, cable,
        qr => code.as_ref().map(Qr::path), qr_side => code.as_ref().map(Qr::side), qr_url => direct_url,
    };
    let own = match sight {
        Sight::Stranger { notice, form, elsewhere } => {
            let home = if *elsewhere { format!("http://{HOME}/") } else { "/".to_owned() };
            context! { title => "Enter the code first", stranger => true, notice, form, home }
        }
        Sight::Steps { system, proxied, trusts } => {
            let title = if *trusts { "This device is being watched" } else { "Let tattletale read this device’s traffic" };
            context! { title, system => system.word(), proxied, trusts, refresh => !trusts }
        }
    };
    let html = environment
        .render_named_str("page.html", PAGE, context! { ..own, ..common })
        .expect("the template is compiled in and a test renders every sight of it");
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src https://{CHECK}; form-action 'self' http://{HOME}; base-uri 'none'; frame-ancestors 'none'"
    );
    (html, policy)
}

const PAGE: &str = include_str!("page.html");

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Facts of a session on a network.
    pub(crate) fn facts() -> Facts {
        Facts {
            proxy: ("192.0.2.20".into(), 8080),
            is_loopback: false,
            is_on_the_cable: false,
            direct_url: "http://192.0.2.20:8080/".into(),
            name: "tattletale audit 2026-03-02".into(),
            fingerprint: "AB:CD".into(),
            scope: "only <b>&band.test".into(),
        }
    }

    fn steps(system: System, proxied: bool, trusts: bool) -> String {
        render(&Sight::Steps { system, proxied, trusts }, &facts(), "n0nce").0
    }

    /// A page with the slashes that the template engine writes as references put back.
    pub(crate) fn readable(page: &str) -> String {
        page.replace("&#x2f;", "/")
    }

    #[test]
    fn a_device_gets_its_own_steps_open_and_the_others_folded() {
        let android = steps(System::Android, true, false);
        assert!(android.contains("<section id=\"android\">") && android.contains("<details id=\"iphone\">"), "{android}");
        assert!(!android.contains("<svg"), "a phone need not scan itself");
        let iphone = steps(System::Iphone, true, false);
        assert!(iphone.contains("<section id=\"iphone\">") && iphone.contains("<details id=\"android\">"), "{iphone}");
        let other = steps(System::Other, true, false);
        assert!(other.contains("<details id=\"android\">") && other.contains("<details id=\"iphone\">") && other.contains("<svg"));
    }

    #[test]
    fn trust_is_said_only_of_whoever_trusts() {
        let before = steps(System::Android, true, false);
        assert!(before.contains("does not trust me yet") && !before.contains("Your phone trusts me:</b>"), "{before}");
        assert!(before.contains("<li id=\"trusts\" class=\"open\">") && before.contains("http-equiv=\"refresh\""));
        let after = steps(System::Android, true, true);
        assert!(after.contains("<li id=\"trusts\" class=\"done\">") && !after.contains("http-equiv=\"refresh\""), "{after}");
        assert!(!after.contains("<script") && !after.contains("does not trust me yet"));
    }

    #[test]
    fn what_comes_from_outside_is_text() {
        let page = steps(System::Android, false, false);
        assert!(page.contains("only &lt;b&gt;&amp;band.test") && !page.contains("<b>&band"), "{page}");
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        for page in [steps(System::Other, true, false), steps(System::Android, false, true)] {
            let addresses = page.split("https://").skip(1).map(|rest| rest.split(['/', '"', '?']).next().unwrap_or_default());
            assert!(addresses.into_iter().all(|host| host == CHECK), "{page}");
            assert!(!page.contains("<link") && !page.contains("@import") && !page.contains("url("));
        }
    }

    #[test]
    fn a_stranger_learns_where_to_enter_the_code_and_nothing_else() {
        let sight = Sight::Stranger { notice: "That is not the code. 4 tries are left.".into(), form: true, elsewhere: true };
        let (page, policy) = render(&sight, &facts(), "n0nce");
        let page = readable(&page);
        assert!(page.contains("action=\"http://tattletale.internal/enter\"") && page.contains("4 tries are left"), "{page}");
        assert!(!page.contains("AB:CD") && !page.contains("band.test") && !page.contains("192.0.2.20"), "{page}");
        assert!(policy.contains("default-src 'none'") && policy.contains("'nonce-n0nce'"));
        let locked = render(&Sight::Stranger { notice: "No tries are left.".into(), form: false, elsewhere: false }, &facts(), "n").0;
        assert!(!locked.contains("<form"), "{locked}");
    }

    #[test]
    fn systems_are_told_by_their_user_agent() {
        for (agent, want) in [
            (Some("Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36"), System::Android),
            (
                Some("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"),
                System::Iphone,
            ),
            (Some("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"), System::Iphone),
            (Some("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15"), System::Other),
            (Some("curl/8.5.0"), System::Other),
            (None, System::Other),
        ] {
            assert_eq!(System::of(agent), want, "{agent:?}");
        }
    }
}
