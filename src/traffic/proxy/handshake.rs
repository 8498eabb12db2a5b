//! What the end of a client's TLS handshake says: that our certificate was refused, that there is no way to speak, or nothing.

use std::{error::Error as StdError, io};

use rustls::{AlertDescription, PeerIncompatible};

use crate::model::TunnelOutcome;

/// The TLS error that an I/O error wraps.
pub(super) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref() {
            return Some(error);
        }
        // `source` of an `io::Error` skips the error that it wraps.
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        };
    }
    None
}

/// What became of a tunnel whose TLS handshake ended in this error, after the client was offered our certificate.
pub(super) fn outcome_of_handshake(error: &io::Error) -> TunnelOutcome {
    match tls_error(error) {
        Some(rustls::Error::AlertReceived(alert)) => outcome_of_alert(*alert),
        Some(rustls::Error::PeerIncompatible(incompatible)) => TunnelOutcome::HandshakeFailed { why: in_words(incompatible).to_owned() },
        Some(_) => TunnelOutcome::HandshakeFailed { why: "the client did not keep to the protocol".to_owned() },
        None => TunnelOutcome::ClosedDuringHandshake,
    }
}

pub(super) fn outcome_of_alert(alert: AlertDescription) -> TunnelOutcome {
    match alert {
        alert if is_about_the_certificate(alert) => TunnelOutcome::CertificateRefused { alert: format!("{alert:?}") },
        AlertDescription::CloseNotify | AlertDescription::UserCanceled => TunnelOutcome::ClosedDuringHandshake,
        alert => TunnelOutcome::HandshakeFailed { why: format!("the client gave it up (TLS alert {alert:?})") },
    }
}

/// Alerts by which clients refuse a certificate (RFC 8446 section 6.2).
pub(super) const fn is_about_the_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::AccessDenied
            | AlertDescription::BadCertificate
            | AlertDescription::BadCertificateHashValue
            | AlertDescription::BadCertificateStatusResponse
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::NoCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate
    )
}

/// Why client and proxy cannot speak TLS with each other.
const fn in_words(incompatible: &PeerIncompatible) -> &'static str {
    match incompatible {
        PeerIncompatible::NoCipherSuitesInCommon => "they have no cipher suite in common",
        PeerIncompatible::NoKxGroupsInCommon | PeerIncompatible::NamedGroupsExtensionRequired => "they have no key exchange in common",
        PeerIncompatible::NoSignatureSchemesInCommon => "they have no signature scheme in common",
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired
        | PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled => "they have no TLS version in common",
        _ => "the client's TLS lacks something that the proxy needs",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_found_in_what_wraps_them() {
        let alert = rustls::Error::AlertReceived(AlertDescription::UnknownCA);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, alert.clone()));
        assert_eq!(tls_error(&wrapped), Some(&alert));
        assert_eq!(tls_error(&io::ErrorKind::UnexpectedEof.into()), None);
    }
}
