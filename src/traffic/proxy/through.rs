//! A proxy of somebody else on the way to the servers: its address as a person writes it, and how it is asked for a
//! connection (HTTP CONNECT, SOCKS5). Dialling it is left to `upstream`.

use std::{fmt, str::FromStr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::failure::ProxyRefusal;

/// A proxy on the way to the servers: `http://host:port`, `socks5://host:port`, with `name:password@` where it wants one. Names
/// of servers are given to it as they are, so that it resolves them.
#[derive(Clone)]
pub struct UpstreamProxy {
    protocol: Protocol,
    host: String,
    port: u16,
    credentials: Option<Credentials>,
    pub(super) roots: Vec<CertificateDer<'static>>,
    /// So long is waited for it, before it has opened a connection to a server.
    pub(super) patience: Duration,
}

/// What it is spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// CONNECT (RFC 9110 section 9.3.6), and absolute-form for plain HTTP.
    Http,
    /// RFC 1928, with the user name and password of RFC 1929.
    Socks5,
}

#[derive(Clone)]
struct Credentials {
    name: String,
    password: String,
}

/// Why a text names no upstream proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamProxyError {
    /// Not a URL with a host.
    #[error(
        "read the upstream proxy: it is written http://host:port or socks5://host:port, with name:password@ before the host if it asks for them"
    )]
    NotAUrl,
    /// A scheme that is not spoken.
    #[error("read the upstream proxy: {0} is not spoken; http and socks5 are")]
    Scheme(String),
    /// SOCKS5 has one byte for the length of each.
    #[error("read the upstream proxy: its name and its password are 1 to 255 bytes each")]
    Credentials,
}

impl FromStr for UpstreamProxy {
    type Err = UpstreamProxyError;

    fn from_str(text: &str) -> Result<Self, UpstreamProxyError> {
        let url = url::Url::parse(text).map_err(|_| UpstreamProxyError::NotAUrl)?;
        let (protocol, default) = match url.scheme() {
            "http" => (Protocol::Http, 80),
            "socks5" | "socks5h" => (Protocol::Socks5, 1080),
            // What only looks like one is the beginning of a name, a password or a host.
            _ if url.cannot_be_a_base() => return Err(UpstreamProxyError::NotAUrl),
            other => return Err(UpstreamProxyError::Scheme(other.to_owned())),
        };
        let extra = !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some();
        let host = url.host_str().filter(|host| !host.is_empty() && !extra).ok_or(UpstreamProxyError::NotAUrl)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned());
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (name, password) => {
                let name = decoded(name).map_err(|_| UpstreamProxyError::Credentials)?;
                let password = decoded(password.unwrap_or_default()).map_err(|_| UpstreamProxyError::Credentials)?;
                if [&name, &password].into_iter().any(|text| text.is_empty() || text.len() > 255) {
                    return Err(UpstreamProxyError::Credentials);
                }
                Some(Credentials { name, password })
            }
        };
        Ok(Self { protocol, host, port: url.port().unwrap_or(default), credentials, roots: Vec::new(), patience: PATIENCE })
    }
}

impl UpstreamProxy {
    /// The same proxy, with more roots that servers' certificates may be signed by: those of a proxy that reads TLS itself.
    #[must_use]
    pub fn trusting(mut self, roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        self.roots.extend(roots);
        self
    }

    /// Where it listens, as the connector wants it.
    pub(super) fn uri(&self) -> Option<Uri> {
        Uri::builder().scheme("http").authority(authority(&self.host, self.port)).path_and_query("/").build().ok()
    }

    /// Whether plain HTTP goes to it in absolute-form, without a tunnel.
    pub(super) fn takes_absolute_form(&self) -> bool {
        self.protocol == Protocol::Http
    }

    /// `Proxy-Authorization` of a request in absolute-form.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let Credentials { name, password } = self.credentials.as_ref()?;
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Asks for a connection to a host and port over a connection to the proxy.
    pub(super) async fn ask(&self, stream: &mut TcpStream, host: &str, port: u16) -> Result<(), ProxyRefusal> {
        match self.protocol {
            Protocol::Http => self.connect(stream, host, port).await,
            Protocol::Socks5 => self.socks(stream, host, port).await,
        }
    }

    async fn connect(&self, stream: &mut TcpStream, host: &str, port: u16) -> Result<(), ProxyRefusal> {
        let authority = authority(host, port);
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
        if let Some(value) = self.authorization() {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(value.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).await?;
        // Byte for byte: what follows the head belongs to the server.
        let mut head = Vec::with_capacity(256);
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= LONGEST_HEAD {
                return Err(ProxyRefusal::Nonsense);
            }
            head.push(stream.read_u8().await?);
            // Who speaks something else may wait for an answer to it.
            if head.len() <= ANSWER.len() && !ANSWER.starts_with(&head) {
                return Err(ProxyRefusal::Nonsense);
            }
        }
        let text = String::from_utf8_lossy(&head);
        let status = text.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)).and_then(|code| code.trim().parse().ok());
        match status {
            Some(200..300) => Ok(()),
            Some(407) => Err(ProxyRefusal::Credentials),
            Some(code) => Err(ProxyRefusal::Answered(code)),
            None => Err(ProxyRefusal::Nonsense),
        }
    }

    async fn socks(&self, stream: &mut TcpStream, host: &str, port: u16) -> Result<(), ProxyRefusal> {
        // RFC 1928 section 3: version 5, and the methods: 0 is none, 2 is name and password.
        let greeting: &[u8] = if self.credentials.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
        stream.write_all(greeting).await?;
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen).await?;
        match (chosen, &self.credentials) {
            ([5, 0], _) => {}
            ([5, 2], Some(Credentials { name, password })) => {
                // RFC 1929 section 2: version 1, then each with its length before it.
                let mut login = vec![1];
                for text in [name, password] {
                    login.push(u8::try_from(text.len()).map_err(|_| ProxyRefusal::Credentials)?);
                    login.extend_from_slice(text.as_bytes());
                }
                stream.write_all(&login).await?;
                let mut answer = [0; 2];
                stream.read_exact(&mut answer).await?;
                if answer[1] != 0 {
                    return Err(ProxyRefusal::Credentials);
                }
            }
            ([5, _], _) => return Err(ProxyRefusal::Credentials),
            _ => return Err(ProxyRefusal::Nonsense),
        }
        // Section 4: version 5, command 1 (CONNECT), reserved, the address by its type, the port.
        let mut request = vec![5, 1, 0];
        match host.parse() {
            Ok(std::net::IpAddr::V4(address)) => {
                request.push(1);
                request.extend_from_slice(&address.octets());
            }
            Ok(std::net::IpAddr::V6(address)) => {
                request.push(4);
                request.extend_from_slice(&address.octets());
            }
            Err(_) => {
                request.push(3);
                request.push(u8::try_from(host.len()).map_err(|_| ProxyRefusal::LongName)?);
                request.extend_from_slice(host.as_bytes());
            }
        }
        request.extend_from_slice(&port.to_be_bytes());
        stream.write_all(&request).await?;
        // Section 6: version, reply, reserved, then the address that was bound, of which nothing is needed.
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await?;
        let [version, reply, _, kind] = answer;
        if version != 5 {
            return Err(ProxyRefusal::Nonsense);
        }
        if reply != 0 {
            return Err(ProxyRefusal::Answered(u16::from(reply)));
        }
        let length = match kind {
            1 => 4,
            4 => 16,
            3 => usize::from(stream.read_u8().await?),
            _ => return Err(ProxyRefusal::Nonsense),
        };
        let mut bound = vec![0; length + 2];
        stream.read_exact(&mut bound).await?;
        Ok(())
    }
}

impl fmt::Debug for UpstreamProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, host, port, .. } = self;
        f.debug_struct("UpstreamProxy").field("protocol", protocol).field("host", host).field("port", port).finish_non_exhaustive()
    }
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The head of a proxy's answer to CONNECT, and how it begins.
const LONGEST_HEAD: usize = 16 * 1024;
const ANSWER: &[u8] = b"HTTP/1.";
/// A proxy is reached, and has answered, within this time: less than there is for the whole connection, so that what takes longer is told
/// of whoever it is.
const PATIENCE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    /// Protocol, host, port, and name with password.
    type Read<'a> = (Protocol, &'a str, u16, Option<(&'a str, &'a str)>);

    fn check(text: &str, expected: Result<Read<'_>, UpstreamProxyError>) {
        let read = text.parse::<UpstreamProxy>();
        let read = read.as_ref().map(|proxy| {
            let credentials = proxy.credentials.as_ref().map(|credentials| (credentials.name.as_str(), credentials.password.as_str()));
            (proxy.protocol, proxy.host.as_str(), proxy.port, credentials)
        });
        assert_eq!(read, expected.as_ref().map(|expected| *expected), "{text}");
    }

    #[test]
    fn an_upstream_proxy_is_written_as_a_url() {
        check("http://proxy.test:3128", Ok((Protocol::Http, "proxy.test", 3128, None)));
        check("http://proxy.test", Ok((Protocol::Http, "proxy.test", 80, None)));
        check("socks5://[::1]", Ok((Protocol::Socks5, "::1", 1080, None)));
        check("socks5h://me:p%40ss%3A@proxy.test:9050/", Ok((Protocol::Socks5, "proxy.test", 9050, Some(("me", "p@ss:")))));
        check("https://proxy.test", Err(UpstreamProxyError::Scheme("https".into())));
        check("proxy.test:3128", Err(UpstreamProxyError::NotAUrl));
        check("sam:word@proxy.test:3128", Err(UpstreamProxyError::NotAUrl));
        check("http://proxy.test/path", Err(UpstreamProxyError::NotAUrl));
        check("", Err(UpstreamProxyError::NotAUrl));
        check("socks5://me@proxy.test", Err(UpstreamProxyError::Credentials));
        check(&format!("http://me:{}@proxy.test", "x".repeat(256)), Err(UpstreamProxyError::Credentials));
    }

    #[test]
    fn a_password_is_never_printed() {
        let proxy: UpstreamProxy = "http://me:secret@proxy.test".parse().expect("a proxy");
        assert!(!format!("{proxy:?}").contains("secret"), "{proxy:?}");
    }
}
