//! The run's own certificate authority: made for one run, valid for 90 days at most, its key never written to disk. Says
//! nothing of proxies: the local cloud stand-in uses one of its own.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

use super::TrafficError;
use crate::model::text::sha256_hex;

/// A certificate authority that mints leaf certificates for hosts. The private key stays in memory.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Start of validity, Unix seconds, of the authority and of every leaf.
    not_before: i64,
    minted: Mutex<HashMap<HostAndAlpn, Arc<ServerConfig>>>,
}

/// A host and the ALPN protocols offered for it: what a server configuration is cached by.
type HostAndAlpn = (String, Vec<Vec<u8>>);

impl Authority {
    /// Makes an authority named `common_name` with a fresh P-256 key, valid from a day before `now` (phones whose clock is
    /// off) to 89 days after it. `now` is the wall clock: certificates live on real time (R14).
    ///
    /// # Errors
    /// [`TrafficError::Authority`] when no key can be generated or the name cannot be put into a certificate.
    pub fn generate(common_name: &str, now: Timestamp) -> Result<Self, TrafficError> {
        let not_before = now.as_second() - DAY;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = named(common_name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        parameters.serial_number = Some(serial_number());
        set_validity(&mut parameters, not_before);
        let issuer = CertifiedIssuer::self_signed(parameters, KeyPair::generate().map_err(unusable)?).map_err(unusable)?;
        Ok(Self { issuer, not_before, minted: Mutex::default() })
    }

    /// The authority's certificate in DER, to be installed on a phone.
    pub fn certificate_der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// SHA-256 of the certificate's DER, 64 lower-case hex digits.
    pub fn fingerprint(&self) -> String {
        sha256_hex(self.issuer.der())
    }

    /// A TLS server configuration for a host (name, or IP literal without brackets) that offers these ALPN protocols. The
    /// leaf has a key of its own, the host as its only subject alternative name, EKU serverAuth, and is followed by the
    /// authority's certificate. Cached by host and ALPN.
    ///
    /// # Errors
    /// [`TrafficError::Authority`] when the host cannot be put into a certificate.
    pub fn server_config(&self, host: &str, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, TrafficError> {
        let key = (host.to_owned(), alpn.iter().map(|protocol| protocol.to_vec()).collect::<Vec<_>>());
        if let Some(config) = self.minted.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.mint(host, key.1.clone())?);
        let mut minted = self.minted.lock().unwrap_or_else(PoisonError::into_inner);
        if minted.len() >= CACHED {
            minted.clear();
        }
        minted.insert(key, Arc::clone(&config));
        Ok(config)
    }

    fn mint(&self, host: &str, alpn: Vec<Vec<u8>>) -> Result<ServerConfig, TrafficError> {
        let leaf_key = KeyPair::generate().map_err(unusable)?;
        let mut parameters = CertificateParams::default();
        // X.520 allows 64 characters in a common name; the subject alternative name is what clients check.
        parameters.distinguished_name = named(&host.chars().take(64).collect::<String>());
        parameters.subject_alt_names = vec![match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(host.try_into().map_err(unusable)?),
        }];
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        parameters.serial_number = Some(serial_number());
        set_validity(&mut parameters, self.not_before);
        let leaf = parameters.signed_by(&leaf_key, &self.issuer).map_err(unusable)?;
        let private_key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone(), self.certificate_der()], private_key)
            .map_err(unusable)?;
        config.alpn_protocols = alpn;
        Ok(config)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

fn unusable(error: impl fmt::Display) -> TrafficError {
    TrafficError::Authority(error.to_string())
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// Ninety days from `not_before` (Unix seconds, clamped to what a certificate can say: 1970 to 9999).
fn set_validity(parameters: &mut CertificateParams, not_before: i64) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let start = Duration::from_secs(u64::try_from(not_before).unwrap_or(0).min(LATEST_START));
    parameters.not_before = epoch + start;
    parameters.not_after = epoch + start + VALIDITY;
}

/// A random positive serial number of 16 octets (RFC 5280 section 4.1.2.2 allows 20).
fn serial_number() -> SerialNumber {
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(16).collect();
    bytes[0] &= 0x7f;
    bytes[0] |= 0x40;
    SerialNumber::from(bytes)
}

const DAY: i64 = 24 * 60 * 60;
const VALIDITY: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// 1 January 9999.
const LATEST_START: u64 = 253_370_764_800;
/// Server configurations kept; a run meets some hundred hosts.
const CACHED: usize = 1024;

#[cfg(test)]
mod tests {
    use rustls::{
        RootCertStore,
        client::{WebPkiServerVerifier, danger::ServerCertVerifier},
        pki_types::{ServerName, UnixTime},
    };

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn authority() -> Authority {
        Authority::generate("tattletale audit 2023-11-14", Timestamp::from_second(NOW).expect("in range")).expect("a key")
    }

    /// What a client that trusts the authority says to the leaf minted for `host` when it asked for `asked` at `second`.
    fn check(authority: &Authority, host: &str, asked: &str, second: i64) -> Result<(), rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate_der()).expect("a CA certificate");
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().expect("roots");
        let config = authority.server_config(host, &[b"h2"]).expect("a leaf");
        let (client, server) = handshake_certificates(&config);
        let name = ServerName::try_from(asked.to_owned()).expect("a name");
        let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(second).expect("after 1970")));
        assert_eq!(server, authority.certificate_der(), "the chain includes the authority");
        verifier.verify_server_cert(&client, &[server], &name, &[], now).map(|_| ())
    }

    /// The leaf and the authority's certificate as a TLS client receives them.
    fn handshake_certificates(config: &Arc<ServerConfig>) -> (CertificateDer<'static>, CertificateDer<'static>) {
        let mut roots = RootCertStore::empty();
        roots.extend(std::iter::empty());
        let client = rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TrustAll))
            .with_no_client_auth();
        let mut client =
            rustls::ClientConnection::new(Arc::new(client), ServerName::try_from("any.test").expect("a name")).expect("a client");
        let mut server = rustls::ServerConnection::new(Arc::clone(config)).expect("a server");
        while client.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).expect("memory");
            server.read_tls(&mut wire.as_slice()).expect("memory");
            server.process_new_packets().expect("a good client");
            let mut wire = Vec::new();
            server.write_tls(&mut wire).expect("memory");
            client.read_tls(&mut wire.as_slice()).expect("memory");
            client.process_new_packets().expect("a good server");
        }
        let chain = client.peer_certificates().expect("certificates");
        assert_eq!(chain.len(), 2);
        (chain[0].clone().into_owned(), chain[1].clone().into_owned())
    }

    #[derive(Debug)]
    struct TrustAll;

    impl ServerCertVerifier for TrustAll {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
            Ok(rustls::client::danger::ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
        }
    }

    #[test]
    fn a_leaf_is_good_for_its_host_and_no_other() {
        let authority = authority();
        for host in ["api.test", "192.0.2.1", "2001:db8::1"] {
            check(&authority, host, host, NOW).expect("trusted");
            assert!(check(&authority, host, "other.test", NOW).is_err());
        }
    }

    #[test]
    fn a_clock_that_is_23_hours_slow_still_trusts_and_nothing_outlives_90_days() {
        let authority = authority();
        check(&authority, "api.test", "api.test", NOW - 23 * 3600).expect("trusted");
        check(&authority, "api.test", "api.test", NOW + 88 * DAY).expect("trusted");
        assert!(check(&authority, "api.test", "api.test", NOW + 90 * DAY).is_err());
    }

    #[test]
    fn a_host_is_minted_once_for_each_alpn() {
        let authority = authority();
        let first = authority.server_config("api.test", &[b"h2"]).expect("a leaf");
        assert!(Arc::ptr_eq(&first, &authority.server_config("api.test", &[b"h2"]).expect("a leaf")));
        assert!(!Arc::ptr_eq(&first, &authority.server_config("api.test", &[b"http/1.1"]).expect("a leaf")));
    }

    #[test]
    fn a_name_that_no_certificate_can_carry_is_an_error() {
        assert!(matches!(authority().server_config("münchen.test", &[]), Err(TrafficError::Authority(_))));
    }

    #[test]
    fn leaves_do_not_share_the_authority_s_key() {
        let authority = authority();
        let (leaf, own) = handshake_certificates(&authority.server_config("api.test", &[]).expect("a leaf"));
        let key = |der: &CertificateDer<'_>| {
            let end = webpki_key(der);
            assert!(!end.is_empty());
            end
        };
        assert_ne!(key(&leaf), key(&own));
    }

    /// The subject public key: in a P-256 certificate, the 65 bytes after `03 42 00 04` (BIT STRING, uncompressed point).
    fn webpki_key(der: &CertificateDer<'_>) -> Vec<u8> {
        let start = der.windows(4).position(|four| four == [0x03, 0x42, 0x00, 0x04]).expect("a P-256 key");
        der[start + 4..start + 68].to_vec()
    }
}
