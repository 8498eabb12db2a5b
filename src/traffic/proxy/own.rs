//! The proxy's own addresses. What is asked of them by way of the proxy is asked of the proxy itself, which must not dial itself:
//! it would take its own connection for another client. What is answered is the gate's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Where a proxy listens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own(SocketAddr);

impl Own {
    /// With the address that its listener is bound to.
    pub(super) const fn new(listener: SocketAddr) -> Self {
        Self(listener)
    }

    /// Whether a host (lower case, an IPv6 literal without brackets) and port are the proxy. Names are not resolved for it.
    pub(super) fn is_named(&self, host: &str, port: u16) -> bool {
        let local = host.trim_end_matches('.');
        if local == "localhost" || local.ends_with(".localhost") {
            return self.is_at(Ipv4Addr::LOCALHOST.into(), port) || self.is_at(Ipv6Addr::LOCALHOST.into(), port);
        }
        host.parse().is_ok_and(|address| self.is_at(address, port))
    }

    /// Whether what listens at an address is the proxy.
    pub(super) fn is_at(&self, address: IpAddr, port: u16) -> bool {
        let address = address.to_canonical();
        let bound = self.0.ip().to_canonical();
        let takes_kind = bound.is_ipv6() || address.is_ipv4();
        // Whoever dials no address in particular reaches this machine.
        let reaches = bound == address
            || address.is_unspecified() && bound.is_loopback()
            || bound.is_unspecified() && takes_kind && (address.is_unspecified() || is_of_this_machine(address));
        port == self.0.port() && reaches
    }
}

/// Whether an address is one of this machine's. Nothing is sent: connecting a datagram socket asks which address a way out would
/// begin at, and the way to an own address begins there.
fn is_of_this_machine(address: IpAddr) -> bool {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let begins_at = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((address, 9))?;
        socket.local_addr()
    };
    address.is_loopback() || begins_at().is_ok_and(|begins| begins.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bound: &str, asked: &[(&str, u16, bool)]) {
        let own = Own::new(bound.parse().expect("an address"));
        for (host, port, want) in asked {
            assert_eq!(own.is_named(host, *port), *want, "{host} {port} on {bound}");
        }
    }

    #[test]
    fn a_listener_is_found_by_its_address_and_port() {
        check(
            "192.0.2.20:8080",
            &[
                ("192.0.2.20", 8080, true),
                ("::ffff:192.0.2.20", 8080, true),
                ("192.0.2.20", 80, false),
                ("192.0.2.21", 8080, false),
                ("127.0.0.1", 8080, false),
                ("0.0.0.0", 8080, false),
                ("localhost", 8080, false),
                ("api.test", 8080, false),
                ("", 8080, false),
            ],
        );
        check("127.0.0.1:8080", &[("127.0.0.1", 8080, true), ("localhost", 8080, true), ("0.0.0.0", 8080, true), ("::1", 8080, false)]);
        check("[::1]:8080", &[("::1", 8080, true), ("phone.localhost.", 8080, true), ("127.0.0.1", 8080, false)]);
    }

    #[test]
    fn a_listener_at_every_address_is_found_by_each_of_this_machine() {
        check(
            "0.0.0.0:8080",
            &[
                ("127.0.0.1", 8080, true),
                ("127.0.0.2", 8080, true),
                ("localhost", 8080, true),
                ("0.0.0.0", 8080, true),
                ("127.0.0.1", 8081, false),
                ("203.0.113.9", 8080, false),
                ("::1", 8080, false),
            ],
        );
        check("[::]:8080", &[("127.0.0.1", 8080, true), ("::1", 8080, true), ("2001:db8::9", 8080, false)]);
    }
}
