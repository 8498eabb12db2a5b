//! What does not change while a session lasts, in words for a person: where to point the phone, which certificate, which code.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use super::page::HOME;

/// What does not change while a session lasts.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Where the proxy listens.
    pub(super) address: SocketAddr,
    /// The machine's name for the phone: an address, or words where none is known.
    pub(super) host: String,
    /// The code, as a person reads it; `None` where none is needed.
    pub(super) code: Option<String>,
    /// The certificate's name.
    pub(super) name: String,
    /// The certificate's SHA-256 in pairs of digits.
    pub(super) fingerprint: String,
    /// What is read, after "reads".
    pub(super) scope: String,
    /// The capture's folder, as a person would type it.
    pub(super) capture: String,
}

impl Session {
    /// `192.0.2.20:8080`.
    pub(super) fn proxy(&self) -> String {
        authority(&self.host, self.address.port())
    }

    /// The page's address without the proxy.
    pub(super) fn direct_url(&self) -> String {
        format!("http://{}/", self.proxy())
    }

    /// Whether only this machine reaches the proxy.
    pub(super) fn is_loopback(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// Whether a phone on a cable reaches it: what `adb reverse` leads to this computer arrives at this address, and at no other.
    pub(super) fn is_on_the_cable(&self) -> bool {
        self.address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST)
    }

    /// How to connect a phone, in lines. `pairs` is how many pairs of the fingerprint stand in one: 16, or 8 where there is less room.
    pub(super) fn steps(&self, pairs: usize) -> Vec<String> {
        let port = self.address.port();
        let mut lines = vec![format!("proxy        {}", self.proxy())];
        if self.is_on_the_cable() {
            lines.push(format!("on a cable   adb reverse tcp:{port} tcp:{port}"));
            lines.push(format!("             adb shell settings put global http_proxy 127.0.0.1:{port}"));
            lines.push("over Wi-Fi   start it with --listen".to_owned());
        } else if self.is_loopback() {
            lines.push("on a cable   start it without --listen: adb leads to 127.0.0.1 only".to_owned());
            lines.push("over Wi-Fi   start it with --listen alone: only this computer is here".to_owned());
        } else {
            lines.push(format!("phone opens  {}", self.direct_url()));
        }
        if let Some(code) = &self.code {
            lines.push(format!("code         {code}"));
        }
        lines.push(format!("then opens   http://{HOME}/"));
        lines.push(format!("certificate  {}", self.name));
        let all: Vec<&str> = self.fingerprint.split(':').collect();
        for (number, some) in all.chunks(pairs.max(1)).enumerate() {
            lines.push(format!("{:13}{}", if number == 0 { "SHA-256" } else { "" }, some.join(":")));
        }
        lines.push(format!("reads        {}", self.scope));
        lines.push(format!("capture      {}", self.capture));
        lines
    }
}

impl Session {
    /// How to set a phone on a cable back, in lines; none where there is none: on the network a person has changed its settings.
    pub(super) fn undo(&self) -> String {
        if !self.is_on_the_cable() {
            return String::new();
        }
        format!("  on a cable   adb shell settings put global http_proxy :0; adb reverse --remove tcp:{}", self.address.port())
    }
}

/// Host and port as in a URL.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The address by which other devices reach what listens at `listen`; `None` where this machine has none.
pub(super) fn reachable(listen: SocketAddr) -> Option<IpAddr> {
    if !listen.ip().is_unspecified() {
        return Some(listen.ip());
    }
    // Connecting a datagram socket sends nothing: it asks which address a way out would begin at. The targets are kept free for
    // documentation (RFC 5737, RFC 3849).
    let (own, far): (IpAddr, IpAddr) = match listen.ip() {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    };
    let socket = UdpSocket::bind((own, 0)).ok()?;
    socket.connect((far, 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_unspecified())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A session of which a phone on the network is told.
    pub(crate) fn session(address: &str) -> Session {
        let address: SocketAddr = address.parse().expect("an address");
        Session {
            address,
            host: address.ip().to_string(),
            code: (!address.ip().is_loopback()).then(|| "042 137".to_owned()),
            name: "tattletale audit 2026-03-02".into(),
            fingerprint: ["AB"; 32].join(":"),
            scope: "every host".into(),
            capture: "runs/2026-03-02T08-00-00Z-unknown-app".into(),
        }
    }

    #[test]
    fn a_phone_is_told_the_way_it_has() {
        let cable = session("127.0.0.1:40001").steps(16).join("\n");
        assert!(cable.contains("adb reverse tcp:40001 tcp:40001") && !cable.contains("code"), "{cable}");
        let wireless = session("192.0.2.20:8080").steps(16).join("\n");
        assert!(wireless.contains("http://192.0.2.20:8080/") && wireless.contains("code         042 137"), "{wireless}");
        assert!(!wireless.contains("adb"), "{wireless}");
        // Only this computer is there, and adb does not lead to it.
        for address in ["127.0.0.2:8080", "[::1]:8080"] {
            let nobody = session(address);
            let steps = nobody.steps(16).join("\n");
            assert!(!steps.contains("adb reverse") && !steps.contains("adb shell") && !steps.contains("phone opens"), "{steps}");
            assert!(steps.contains("start it without --listen") && steps.contains("start it with --listen"), "{steps}");
            assert!(steps.lines().all(|line| line.chars().count() <= 78), "{steps}");
            assert_eq!(nobody.undo(), "", "what was not set needs not be set back");
        }
        assert!(session("127.0.0.1:40001").undo().contains("adb reverse --remove tcp:40001"));
        assert_eq!(session("[2001:db8::1]:80").direct_url(), "http://[2001:db8::1]:80/");
        for text in [cable, wireless] {
            assert!(text.lines().all(|line| line.chars().count() <= 78), "{text}");
            assert!(text.contains("http://tattletale.internal/"), "{text}");
        }
        let narrow = session("192.168.100.100:65535").steps(8);
        assert!(narrow.iter().filter(|line| !line.starts_with("capture")).all(|line| line.chars().count() <= 42), "{narrow:?}");
    }

    #[test]
    fn an_address_that_was_named_is_the_one() {
        let named: SocketAddr = "192.0.2.20:80".parse().expect("an address");
        assert_eq!(reachable(named), Some(named.ip()));
        let any: SocketAddr = "0.0.0.0:80".parse().expect("an address");
        assert!(reachable(any).is_none_or(|address| !address.is_unspecified()));
    }
}
