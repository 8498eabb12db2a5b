//! By which names a server is asked for: the one that it is reached by, the one that the client's ClientHello has, and the one
//! that a request has. Mostly they are the same; where they are not, the server hears the same ones from us.

use http::{HeaderValue, Request, Uri, uri::Authority};
use hyper_rustls::ResolveServerName;
use rustls::pki_types::ServerName;

/// The server that a request's target names, where the connection says already where it goes: absolute-form over HTTP/1.
#[derive(Clone, Debug)]
pub(super) struct Target(pub(super) Authority);

/// Host and port of a server as URIs name them, with the name for TLS where that is another one. It stands in the place of a user's
/// name, which a server is never told: so connections under different names are never taken for each other.
pub(super) fn under(tls_name: Option<&str>, host_and_port: &str) -> Option<Authority> {
    match tls_name {
        Some(name) => format!("{name}@{host_and_port}").parse().ok(),
        None => host_and_port.parse().ok(),
    }
}

/// Reads the name for TLS out of what [`under`] made.
#[derive(Debug)]
pub(super) struct TlsName;

impl ResolveServerName for TlsName {
    fn resolve(&self, uri: &Uri) -> Result<ServerName<'static>, Box<dyn std::error::Error + Sync + Send>> {
        let (name, host) = uri.authority().map_or(("", ""), |authority| (user(authority), authority.host()));
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Ok(ServerName::try_from(if name.is_empty() { host } else { name }.to_owned())?)
    }
}

/// Takes a user's name off the URI of a request: it is no name for TLS, and no server is told it.
pub(super) fn take_off_user<B>(request: &mut Request<B>) {
    let Some(authority) = request.uri().authority().filter(|authority| !user(authority).is_empty()) else { return };
    let mut parts = request.uri().clone().into_parts();
    parts.authority = without_user(authority).parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// A server as a `Host` field names it.
pub(super) fn host_field(authority: &Authority) -> Option<HeaderValue> {
    HeaderValue::from_str(without_user(authority)).ok()
}

/// The port at which a server is asked for, `usual` where none is named (RFC 9110 section 4.2.1: also by a colon alone); `None` where
/// what is named is no port that there is.
pub(super) fn port_of(authority: &Authority, usual: u16) -> Option<u16> {
    match named_port(authority) {
        None | Some("") => Some(usual),
        // A sign is none of its digits.
        Some(named) if named.bytes().all(|byte| byte.is_ascii_digit()) => named.parse().ok().filter(|port| *port != 0),
        Some(_) => None,
    }
}

/// What stands after the colon where an authority names a port; `None` where there is no colon.
pub(super) fn named_port(authority: &Authority) -> Option<&str> {
    let host_and_port = without_user(authority);
    let after_literal = host_and_port.rsplit_once(']').map_or(host_and_port, |(_, after)| after);
    after_literal.split_once(':').map(|(_, port)| port)
}

fn user(authority: &Authority) -> &str {
    authority.as_str().rsplit_once('@').map_or("", |(user, _)| user)
}

fn without_user(authority: &Authority) -> &str {
    authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(authority: Option<Authority>, host: &str, tls_name: &str) {
        let authority = authority.expect("an authority");
        assert_eq!(authority.host(), host);
        let uri = Uri::builder().scheme("https").authority(authority).path_and_query("/").build().expect("a URI");
        assert_eq!(TlsName.resolve(&uri).expect("a name").to_str(), tls_name);
        let mut request = Request::get(uri).body(()).expect("a request");
        take_off_user(&mut request);
        assert!(!request.uri().to_string().contains('@'));
        assert_eq!(TlsName.resolve(request.uri()).expect("a name").to_str(), host.trim_matches(['[', ']']));
    }

    #[test]
    fn a_port_is_one_that_there_is() {
        let check = |authority: &'static str, expected: Option<u16>| {
            assert_eq!(port_of(&Authority::from_static(authority), 443), expected, "{authority}");
        };
        check("api.test", Some(443));
        check("api.test:", Some(443));
        check("api.test:8443", Some(8443));
        check("api.test:0080", Some(80));
        check("me@api.test:1", Some(1));
        check("[2001:db8::1]", Some(443));
        check("[2001:db8::1]:65535", Some(65535));
        for none in ["api.test:0", "api.test:65536", "api.test:99999", "api.test:-1", "api.test:+1", "api.test:http", "[::1]:x"] {
            check(none, None);
        }
    }

    #[test]
    fn a_server_is_reached_by_one_name_and_asked_for_by_another() {
        check(under(None, "a.test:8443"), "a.test", "a.test");
        check(under(Some("front.test"), "a.test"), "a.test", "front.test");
        check(under(Some("front.test"), "a.test:8443"), "a.test", "front.test");
        check(under(None, "[2001:db8::1]:8443"), "[2001:db8::1]", "2001:db8::1");
        assert!(under(Some("front.test"), "").is_none());
    }
}
