//! Why a server gave no response, told apart as far as the evidence goes: in words for the record, and as RFC 9209 spells it
//! for whoever reads the 502. Says nothing that holds a captured value.

use std::{error::Error as StdError, fmt, io};

use rustls::{AlertDescription, CertificateError};

use super::socket::Broke;

/// Why a server gave no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The simulated rig knows no such host.
    NotLocal,
    /// No address for the name.
    NotResolved,
    /// Nobody listens there.
    Refused,
    /// No way to the address.
    Unreachable,
    /// TCP or TLS took too long.
    ConnectTimeout,
    /// The connection could not be made, for another reason.
    NotConnected,
    /// We have as many connections and files open as the system lets us.
    NoDescriptor,
    /// The server's certificate does not stand the check.
    Certificate(BadCertificate),
    /// The server ended the TLS handshake, and said why.
    Alert(AlertDescription),
    /// The server's TLS is not TLS as it should be.
    NotTls,
    /// The server closed the connection during the TLS handshake.
    ClosedInHandshake,
    /// The server reset the connection.
    Reset,
    /// The server was not heard of any more.
    Lost,
    /// The server closed the connection.
    Closed,
    /// The server ended a connection that had brought responses before, and may have acted on the request.
    LeftUnanswered,
    /// The server said that it did nothing with the request: a refused stream, or one after the last that it took (HTTP/2).
    Unprocessed,
    /// The server reset the stream (HTTP/2), and said why.
    StreamReset(h2::Reason),
    /// The answer broke off.
    NoResponse,
    /// The answer is no HTTP as it should be.
    NotHttp,
    /// There was no answer over HTTP/2, which was spoken without TLS, and so without asking: the server left, or said something else.
    NoHttp2,
    /// The head of the answer is longer than we take.
    TooLong,
    /// The request's body did not come whole, so that no answer could be waited for.
    TornUpload,
    /// The upstream proxy did not let the connection through.
    Through(ProxyRefusal),
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadCertificate {
    Expired,
    NotYetValid,
    WrongName,
    UnknownIssuer,
    Revoked,
    Other,
}

/// What an upstream proxy did instead of letting a connection through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProxyRefusal {
    /// It wants a name and a password, or others.
    #[error("the upstream proxy wants another name and password")]
    Credentials,
    /// It answered with an error: an HTTP status other than 2xx, a SOCKS reply other than 0.
    #[error("the upstream proxy did not reach the server")]
    Answered(u16),
    /// What it answered is neither HTTP nor SOCKS.
    #[error("the upstream proxy does not speak its protocol as it should")]
    Nonsense,
    /// It could not be reached itself.
    #[error("the upstream proxy could not be reached")]
    Unreachable,
    /// It is the proxy that would ask it.
    #[error("the upstream proxy is this proxy itself")]
    Itself,
    /// It closed the connection when it was asked for one to the server.
    #[error("the upstream proxy closed the connection when it was asked for one to the server")]
    Closed,
    /// It reset the connection when it was asked for one to the server.
    #[error("the upstream proxy reset the connection when it was asked for one to the server")]
    Reset,
    /// It cannot be asked for so long a name.
    #[error("the server's name is longer than the upstream proxy can be asked for")]
    LongName,
    /// It took the connection, and did not answer in time.
    #[error("the upstream proxy did not answer in time")]
    Silent,
}

impl From<io::Error> for ProxyRefusal {
    /// What an error of the connection to it says, while it was asked for one to the server.
    fn from(error: io::Error) -> Self {
        match (error.kind(), Broke::of(&error)) {
            (_, Broke::Lost) => Self::Silent,
            (io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe, _) => Self::Closed,
            _ => Self::Reset,
        }
    }
}

/// Who is at the other end of a connection that breaks, as far as anybody can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Peer {
    #[default]
    Server,
    /// An upstream proxy that gets whole requests, and answers them.
    Proxy,
    /// The server, by way of an upstream proxy that passes bytes on: either may have ended the connection.
    Beyond,
}

/// A failure, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    failure: Failure,
    peer: Peer,
}

/// The simulated rig knows no such host.
#[derive(Debug, thiserror::Error)]
#[error("no server of this machine stands in for that host")]
pub(super) struct NotLocal;

/// The system knows no address for the name.
#[derive(Debug, thiserror::Error)]
#[error("no address is known for the name")]
pub(super) struct NotResolved;

/// The connection, TLS handshake included, was not made in time.
#[derive(Debug, thiserror::Error)]
#[error("the connection was not made in time")]
pub(super) struct TooSlow;

/// There are descriptors left, and they are needed for something else than connections.
#[derive(Debug, thiserror::Error)]
#[error("the proxy has no file descriptor left for a connection")]
pub(super) struct NoDescriptor;

/// Whether the system gives no more file descriptors for now: to this program (`EMFILE`), or to any (`ENFILE`).
pub(super) fn is_lack_of_descriptors(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

/// Whether a body ended because what the peer sent is not HTTP as it should be, so not because the peer left or gave it up.
pub(super) fn breaks_the_rules(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| match (cause.downcast_ref::<h2::Error>(), cause.downcast_ref::<io::Error>()) {
        // What ends a whole connection of HTTP/2 need not be this body's fault.
        (Some(error), _) => error.is_library() && error.is_reset() && error.reason().is_some_and(|reason| BROKEN.contains(&reason)),
        // Of HTTP/1, the library tells a chunk or a trailer that it cannot read so.
        (_, Some(error)) => matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) && !wraps_tls(error),
        _ => false,
    })
}

/// For these the HTTP/2 library resets a stream whose data it refuses (RFC 9113 section 7).
const BROKEN: [h2::Reason; 4] =
    [h2::Reason::PROTOCOL_ERROR, h2::Reason::FLOW_CONTROL_ERROR, h2::Reason::FRAME_SIZE_ERROR, h2::Reason::STREAM_CLOSED];

/// TLS that is wrong is told as `InvalidData` too, but what it carries is not at fault.
fn wraps_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|wrapped| wrapped.is::<rustls::Error>())
}

/// An error and everything that caused it.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&cause| match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        // `source` of an `io::Error` skips the error that it wraps.
        Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
        None => cause.source(),
    })
}

impl Failure {
    /// Reads an error and everything that caused it. `connecting` says that there was no connection yet.
    pub(super) fn of(error: &(dyn StdError + 'static), connecting: bool) -> Self {
        let known = causes(error).find_map(|cause| Self::of_one(cause, connecting));
        known.unwrap_or(if connecting { Self::NotConnected } else { Self::NoResponse })
    }

    fn of_one(cause: &(dyn StdError + 'static), connecting: bool) -> Option<Self> {
        if cause.is::<NotLocal>() {
            return Some(Self::NotLocal);
        }
        if cause.is::<NotResolved>() {
            return Some(Self::NotResolved);
        }
        if cause.is::<TooSlow>() {
            return Some(Self::ConnectTimeout);
        }
        if cause.is::<NoDescriptor>() || cause.downcast_ref::<io::Error>().is_some_and(is_lack_of_descriptors) {
            return Some(Self::NoDescriptor);
        }
        if let Some(refusal) = cause.downcast_ref::<ProxyRefusal>() {
            return Some(Self::Through(*refusal));
        }
        match cause.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidCertificate(problem)) => return Some(Self::Certificate(BadCertificate::of(problem))),
            Some(rustls::Error::AlertReceived(alert)) => return Some(Self::Alert(*alert)),
            Some(_) => return Some(Self::NotTls),
            None => {}
        }
        if let Some(error) = cause.downcast_ref::<h2::Error>().filter(|error| error.is_remote()) {
            // A stream gets the server's GOAWAY for its error only when it comes after the last one that the server took.
            return match error.reason() {
                _ if error.is_go_away() => Some(Self::Unprocessed),
                Some(h2::Reason::REFUSED_STREAM) => Some(Self::Unprocessed),
                Some(reason) => Some(Self::StreamReset(reason)),
                None => None,
            };
        }
        if let Some(error) = cause.downcast_ref::<h2::Error>().filter(|error| error.is_library()) {
            // The HTTP/2 library refuses a head that is too long by the reason of a refused stream.
            let is_too_long = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            return error.reason().map(|_| if is_too_long { Self::TooLong } else { Self::NotHttp });
        }
        if let Some(error) = cause.downcast_ref::<hyper::Error>().filter(|_| !connecting) {
            // A ping of HTTP/2 was not answered.
            if error.is_timeout() {
                return Some(Self::Lost);
            }
            if error.is_incomplete_message() || error.is_closed() {
                return Some(Self::Closed);
            }
            if error.is_parse() {
                return Some(if error.is_parse_too_large() { Self::TooLong } else { Self::NotHttp });
            }
        }
        let error = cause.downcast_ref::<io::Error>()?;
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(Self::Refused),
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Some(Self::Reset),
            io::ErrorKind::BrokenPipe => Some(if connecting { Self::Reset } else { Self::Closed }),
            io::ErrorKind::TimedOut if connecting => Some(Self::ConnectTimeout),
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown if connecting => {
                Some(Self::Unreachable)
            }
            _ if Broke::of(error) == Broke::Lost => Some(Self::Lost),
            io::ErrorKind::UnexpectedEof if connecting => Some(Self::ClosedInHandshake),
            io::ErrorKind::UnexpectedEof => Some(Self::Closed),
            _ => None,
        }
    }

    /// The same, where the server was spoken HTTP/2 with without asking. The library does not tell a server that leaves from one that
    /// says something else: which of the two it is depends on who notices first.
    pub(super) const fn over_http2(self) -> Self {
        match self {
            Self::Closed | Self::NoResponse | Self::NotHttp => Self::NoHttp2,
            other => other,
        }
    }

    /// The same, with who is at the other end of the connection.
    pub(super) const fn of_peer(self, peer: Peer) -> Told {
        Told { failure: self, peer }
    }

    /// Whether it befell the connection, which says nothing of who on its way did it.
    const fn befell_the_connection(self) -> bool {
        matches!(
            self,
            Self::ConnectTimeout
                | Self::ClosedInHandshake
                | Self::Reset
                | Self::Lost
                | Self::Closed
                | Self::LeftUnanswered
                | Self::NoResponse
                | Self::NoHttp2
        )
    }

    /// In words for a reader of the record, about who did it.
    fn in_words(self, who: &str) -> String {
        match self {
            Self::NotLocal => "no server of this machine stands in for that host".to_owned(),
            Self::NotResolved => "no address is known for the server's name".to_owned(),
            Self::Refused => format!("{who} refused the connection"),
            Self::Unreachable => format!("{who} is not reachable"),
            Self::ConnectTimeout => format!("{who} did not take the connection in time"),
            Self::NotConnected => format!("{who} could not be reached"),
            Self::NoDescriptor => "the proxy has no file descriptor left for a connection".to_owned(),
            Self::Certificate(problem) => problem.in_words().to_owned(),
            Self::Alert(alert) => format!("{who} ended the TLS handshake (alert {alert:?})"),
            Self::NotTls => format!("{who} does not speak TLS as it should"),
            Self::ClosedInHandshake => format!("{who} closed the connection during the TLS handshake"),
            Self::Reset => format!("{who} reset the connection"),
            Self::Lost => format!("{who} was not heard of any more"),
            Self::Closed => format!("{who} closed the connection without a response"),
            Self::LeftUnanswered => format!(
                "{who} closed a connection that it had kept, without a response; the request was not sent again, because it may have been \
                 acted on"
            ),
            Self::Unprocessed => format!("{who} did not take the request"),
            Self::StreamReset(reason) => format!("{who} reset the request's stream ({reason:?})"),
            Self::NoResponse => format!("{who} gave no complete response"),
            Self::NotHttp => format!("what {who} answered is no HTTP as it should be"),
            Self::NoHttp2 => format!("{who} gave no response over HTTP/2, which the client spoke without TLS"),
            Self::TooLong => format!("the head of {who}'s response is longer than the proxy takes"),
            Self::TornUpload => "the body of the request did not come whole".to_owned(),
            Self::Through(ProxyRefusal::Answered(code)) => format!("{} (it answered {code})", ProxyRefusal::Answered(code)),
            Self::Through(refusal) => refusal.to_string(),
        }
    }

    /// The error type of the `Proxy-Status` field (RFC 9209 section 2.3).
    const fn proxy_status(self) -> &'static str {
        match self {
            Self::NotLocal => "destination_not_found",
            Self::NotResolved => "dns_error",
            Self::Refused => "connection_refused",
            Self::Unreachable => "destination_ip_unroutable",
            Self::ConnectTimeout => "connection_timeout",
            Self::NotConnected => "destination_unavailable",
            Self::NoDescriptor => "connection_limit_reached",
            Self::Certificate(_) => "tls_certificate_error",
            Self::Alert(_) => "tls_alert_received",
            Self::NotTls | Self::ClosedInHandshake => "tls_protocol_error",
            Self::Reset | Self::Lost | Self::Closed | Self::LeftUnanswered | Self::Unprocessed => "connection_terminated",
            Self::NoResponse | Self::NotHttp | Self::NoHttp2 | Self::StreamReset(_) => "http_protocol_error",
            Self::TooLong => "http_response_header_section_size",
            Self::TornUpload => "http_request_error",
            Self::Through(_) => "proxy_internal_error",
        }
    }
}

impl BadCertificate {
    const fn of(problem: &CertificateError) -> Self {
        match problem {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::WrongName,
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::Revoked => Self::Revoked,
            _ => Self::Other,
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Expired => "the server's certificate has expired",
            Self::NotYetValid => "the server's certificate is not valid yet",
            Self::WrongName => "the server's certificate is for another name",
            Self::UnknownIssuer => "the server's certificate is signed by nobody we trust",
            Self::Revoked => "the server's certificate was revoked",
            Self::Other => "the server's certificate is not to be trusted",
        }
    }
}

impl Told {
    /// The error type of the `Proxy-Status` field (RFC 9209 section 2.3).
    pub(super) const fn proxy_status(self) -> &'static str {
        self.failure.proxy_status()
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.peer {
            Peer::Proxy => "the upstream proxy",
            Peer::Beyond if self.failure.befell_the_connection() => "the server, or the upstream proxy on the way to it,",
            Peer::Server | Peer::Beyond => "the server",
        };
        f.write_str(&self.failure.in_words(who))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: impl StdError + Send + Sync + 'static, connecting: bool, expected: Failure) {
        let wrapped = io::Error::other(io::Error::other(error));
        assert_eq!(Failure::of(&wrapped, connecting), expected);
    }

    #[test]
    fn failures_are_told_apart_however_deep_they_lie() {
        let kind = |kind: io::ErrorKind| io::Error::from(kind);
        check(NotLocal, true, Failure::NotLocal);
        check(NotResolved, true, Failure::NotResolved);
        check(TooSlow, true, Failure::ConnectTimeout);
        check(kind(io::ErrorKind::ConnectionRefused), true, Failure::Refused);
        check(kind(io::ErrorKind::NetworkUnreachable), true, Failure::Unreachable);
        check(kind(io::ErrorKind::UnexpectedEof), true, Failure::ClosedInHandshake);
        check(kind(io::ErrorKind::UnexpectedEof), false, Failure::Closed);
        check(kind(io::ErrorKind::BrokenPipe), false, Failure::Closed);
        check(kind(io::ErrorKind::ConnectionReset), false, Failure::Reset);
        check(kind(io::ErrorKind::TimedOut), true, Failure::ConnectTimeout);
        check(kind(io::ErrorKind::TimedOut), false, Failure::Lost);
        check(kind(io::ErrorKind::HostUnreachable), false, Failure::Lost);
        check(kind(io::ErrorKind::Other), true, Failure::NotConnected);
        #[cfg(unix)]
        check(io::Error::from_raw_os_error(24), true, Failure::NoDescriptor);
        check(kind(io::ErrorKind::Other), false, Failure::NoResponse);
        let certificate = |error| rustls::Error::InvalidCertificate(error);
        check(certificate(CertificateError::Expired), true, Failure::Certificate(BadCertificate::Expired));
        check(certificate(CertificateError::NotValidForName), true, Failure::Certificate(BadCertificate::WrongName));
        check(certificate(CertificateError::BadEncoding), true, Failure::Certificate(BadCertificate::Other));
        check(rustls::Error::AlertReceived(AlertDescription::HandshakeFailure), true, Failure::Alert(AlertDescription::HandshakeFailure));
        check(ProxyRefusal::Answered(403), true, Failure::Through(ProxyRefusal::Answered(403)));
    }

    #[test]
    fn every_failure_has_words_of_its_own() {
        let words: std::collections::BTreeSet<String> = [
            Failure::NotResolved,
            Failure::Refused,
            Failure::Unreachable,
            Failure::ConnectTimeout,
            Failure::NotConnected,
            Failure::NoDescriptor,
            Failure::Certificate(BadCertificate::Expired),
            Failure::Certificate(BadCertificate::WrongName),
            Failure::Certificate(BadCertificate::UnknownIssuer),
            Failure::Alert(AlertDescription::HandshakeFailure),
            Failure::Reset,
            Failure::Lost,
            Failure::Closed,
            Failure::LeftUnanswered,
            Failure::Unprocessed,
            Failure::NoResponse,
            Failure::NotHttp,
            Failure::NoHttp2,
            Failure::TooLong,
            Failure::TornUpload,
            Failure::StreamReset(h2::Reason::INTERNAL_ERROR),
            Failure::StreamReset(h2::Reason::CANCEL),
            Failure::Through(ProxyRefusal::Credentials),
            Failure::Through(ProxyRefusal::Answered(403)),
            Failure::Through(ProxyRefusal::Nonsense),
            Failure::Through(ProxyRefusal::Unreachable),
            Failure::Through(ProxyRefusal::Itself),
            Failure::Through(ProxyRefusal::Closed),
            Failure::Through(ProxyRefusal::Reset),
            Failure::Through(ProxyRefusal::LongName),
            Failure::Through(ProxyRefusal::Silent),
        ]
        .map(|failure| failure.of_peer(Peer::Server).to_string())
        .into();
        assert_eq!(words.len(), 31);
    }

    #[test]
    fn a_failure_is_told_of_whoever_may_have_caused_it() {
        let check = |failure: Failure, peer, expected: &str| assert_eq!(failure.of_peer(peer).to_string(), expected);
        check(Failure::Closed, Peer::Server, "the server closed the connection without a response");
        check(Failure::Closed, Peer::Proxy, "the upstream proxy closed the connection without a response");
        let either = "the server, or the upstream proxy on the way to it, closed the connection during the TLS handshake";
        check(Failure::ClosedInHandshake, Peer::Beyond, either);
        let alert = Failure::Alert(AlertDescription::HandshakeFailure);
        check(alert, Peer::Beyond, "the server ended the TLS handshake (alert HandshakeFailure)");
        let answered = Failure::Through(ProxyRefusal::Answered(403));
        check(answered, Peer::Beyond, "the upstream proxy did not reach the server (it answered 403)");
    }
}
