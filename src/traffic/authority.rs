//! A certificate authority of one's own: made for one rig, valid for 90 days at most, and written as text so that whoever keeps
//! files can keep it. Says nothing of proxies and nothing of files: the local cloud stand-in uses one of its own.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData as _, SanType, SerialNumber,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _},
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use super::TrafficError;
use crate::model::{Captured, text::sha256_hex};

/// A certificate authority that mints leaf certificates for hosts. `Debug` shows its fingerprint and never its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    about: AuthorityAbout,
    minted: Mutex<HashMap<HostAndAlpn, Arc<ServerConfig>>>,
}

/// What an authority's certificate says of itself. Nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityAbout {
    /// Its common name, under which a phone lists it: `tattletale audit 2026-03-02 779ebc`.
    pub name: String,
    /// First second of its validity, and of every leaf's.
    pub not_before: Timestamp,
    /// Last second of its validity (inclusive, RFC 5280 section 4.1.2.5), and of every leaf's.
    pub not_after: Timestamp,
    /// SHA-256 of the certificate's DER, 32 upper-case pairs of hex digits with colons between: as phones and OpenSSL show it.
    pub fingerprint: String,
}

/// A host and the ALPN protocols offered for it: what a server configuration is cached by.
type HostAndAlpn = (String, Vec<Vec<u8>>);

impl Authority {
    /// Makes an authority named `common_name` with a fresh P-256 key, valid from a day before `now` (phones whose clock is
    /// off) to 89 days after it. `now` is the wall clock: certificates live on real time (R14).
    ///
    /// It may sign leaf certificates and nothing else: path length 0, key usages keyCertSign and cRLSign, both critical.
    ///
    /// # Errors
    /// [`TrafficError::Authority`] when no key can be generated or the name cannot be put into a certificate.
    pub fn generate(common_name: &str, now: Timestamp) -> Result<Self, TrafficError> {
        Self::with_key(KeyPair::generate().map_err(unusable)?, common_name, now)
    }

    /// As [`Authority::generate`], with a space and six hex digits after the name: the first of the SHA-256 of its public key
    /// (subject public key info, DER). So a phone tells two authorities of the same name apart, in its list and, as
    /// [`Authority::android_name`] depends on the name alone, in its files.
    ///
    /// # Errors
    /// As [`Authority::generate`].
    pub fn generate_marked(name: &str, now: Timestamp) -> Result<Self, TrafficError> {
        let key = KeyPair::generate().map_err(unusable)?;
        let digits: String = sha256_hex(&key.subject_public_key_info()).chars().take(MARK).collect();
        Self::with_key(key, &format!("{name} {digits}"), now)
    }

    fn with_key(key: KeyPair, common_name: &str, now: Timestamp) -> Result<Self, TrafficError> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = named(common_name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        parameters.serial_number = Some(serial_number());
        let first = (now.as_second() - DAY).clamp(0, LATEST_START);
        set_validity(&mut parameters, first, first + VALIDITY);
        let certificate = parameters.self_signed(&key).map_err(unusable)?.der().clone();
        let about = about(&certificate).map_err(unusable)?;
        Ok(Self { issuer: Issuer::new(parameters, key), certificate, about, minted: Mutex::default() })
    }

    /// The authority that [`Authority::to_pem`] wrote. `name` is the file's, for errors.
    ///
    /// # Errors
    /// [`TrafficError::File`] when the text holds no private key and certificate, or the two do not belong together, or the
    /// certificate is no authority's. The problem never quotes the text.
    pub fn from_pem(name: &str, text: &str) -> Result<Self, TrafficError> {
        let fail = |problem: String| TrafficError::File { name: name.to_owned(), problem };
        let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| fail("it holds no private key in PKCS #8".to_owned()))?;
        let key = KeyPair::try_from(&key).map_err(|_| fail("its private key is of no kind that is understood".to_owned()))?;
        let certificate = CertificateDer::from_pem_slice(text.as_bytes()).map_err(|_| fail("it holds no certificate".to_owned()))?;
        let about = about(&certificate).map_err(|problem| fail(problem.to_owned()))?;
        if spki(&certificate).is_none_or(|spki| spki != key.subject_public_key_info()) {
            return Err(fail("its certificate is for another key".to_owned()));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|_| fail("its certificate cannot be signed with".to_owned()))?;
        Ok(Self { issuer, certificate, about, minted: Mutex::default() })
    }

    /// The private key (PKCS #8) and the certificate, PEM (RFC 7468), to be kept where nobody else can read them.
    pub fn to_pem(&self) -> Captured<String> {
        Captured::new(pem("PRIVATE KEY", self.issuer.key().serialized_der()) + &self.certificate_pem())
    }

    /// The certificate alone, PEM (RFC 7468).
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// The authority's certificate in DER, to be installed on a phone.
    pub fn certificate_der(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// What its certificate says of itself.
    pub const fn about(&self) -> &AuthorityAbout {
        &self.about
    }

    /// SHA-256 of the certificate's DER, 64 lower-case hex digits.
    pub fn fingerprint(&self) -> String {
        sha256_hex(&self.certificate)
    }

    /// The name under which Android's system store keeps the certificate (as PEM): eight lower-case hex digits and `.0`.
    ///
    /// The digits are OpenSSL's `X509_NAME_hash_old`, what `openssl x509 -subject_hash_old` prints: the first four octets of
    /// the MD5 of the subject's DER, as a little-endian number.
    pub fn android_name(&self) -> String {
        let subject = X509Certificate::from_der(&self.certificate).map(|(_, certificate)| certificate.subject.as_raw()).unwrap_or_default();
        let [a, b, c, d, ..]: [u8; 16] = Md5::digest(subject).into();
        format!("{:08x}.0", u32::from_le_bytes([a, b, c, d]))
    }

    /// A TLS server configuration for a host (name, or IP literal without brackets) that offers these ALPN protocols. The
    /// leaf has a key of its own, the host as its only subject alternative name (an address as an address), EKU serverAuth, the
    /// authority's own validity, and is followed by the authority's certificate. Cached by host and ALPN.
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
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        parameters.serial_number = Some(serial_number());
        set_validity(&mut parameters, self.about.not_before.as_second(), self.about.not_after.as_second());
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

/// The first and the last second of validity, Unix seconds of the years 1970 to 9999: what a certificate can say.
fn set_validity(parameters: &mut CertificateParams, first: i64, last: i64) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let after = |seconds: i64| epoch + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    parameters.not_before = after(first);
    parameters.not_after = after(last);
}

/// What an authority's certificate says of itself, or why it is none.
fn about(certificate: &CertificateDer<'_>) -> Result<AuthorityAbout, &'static str> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| "its certificate is damaged")?;
    if !parsed.is_ca() {
        return Err("its certificate is no authority's");
    }
    let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).ok_or("its certificate has no name")?;
    let at = |seconds: i64| Timestamp::from_second(seconds).map_err(|_| "its certificate has no validity that is understood");
    Ok(AuthorityAbout {
        name: name.to_owned(),
        not_before: at(parsed.validity().not_before.timestamp())?,
        not_after: at(parsed.validity().not_after.timestamp())?,
        fingerprint: in_pairs(&sha256_hex(certificate)),
    })
}

/// The subject public key info of a certificate, DER.
fn spki(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    X509Certificate::from_der(certificate).ok().map(|(_, parsed)| parsed.public_key().raw.to_vec())
}

/// Hex digits in upper-case pairs with colons between.
fn in_pairs(hex: &str) -> String {
    let digits: Vec<char> = hex.to_uppercase().chars().collect();
    digits.chunks(2).map(|pair| pair.iter().collect::<String>()).collect::<Vec<_>>().join(":")
}

/// DER as PEM: lines of 64 characters (RFC 7468 section 2).
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (at, character) in encoded.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text + &format!("\n-----END {label}-----\n")
}

/// A random positive serial number of 16 octets (RFC 5280 section 4.1.2.2 allows 20).
fn serial_number() -> SerialNumber {
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(16).collect();
    bytes[0] &= 0x7f;
    bytes[0] |= 0x40;
    SerialNumber::from(bytes)
}

/// Digits of the key in the name of an authority that is to be told from others: enough for all that one phone ever sees.
const MARK: usize = 6;
const DAY: i64 = 24 * 60 * 60;
/// From the first second of validity to the last, both of which count: 90 days in all.
const VALIDITY: i64 = 90 * DAY - 1;
/// 1 January 9999.
const LATEST_START: i64 = 253_370_764_800;
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
    fn what_was_written_is_read_back_and_still_signs() {
        let authority = authority();
        let again = Authority::from_pem("authority.pem", authority.to_pem().expose()).expect("ours");
        assert_eq!((again.about(), again.certificate_der()), (authority.about(), authority.certificate_der()));
        check(&again, "api.test", "api.test", NOW).expect("trusted by who trusts the first");
        assert_eq!(authority.about().name, "tattletale audit 2023-11-14");
        assert_eq!(authority.about().fingerprint.replace(':', "").to_lowercase(), authority.fingerprint());
        assert!(!format!("{authority:?} {:?}", authority.to_pem()).contains("PRIVATE"));
    }

    #[test]
    fn a_leaf_is_no_authority_s() {
        let authority = authority();
        let (leaf, _) = handshake_certificates(&authority.server_config("api.test", &[]).expect("a leaf"));
        let text = authority.to_pem().expose().split_once("-----BEGIN CERTIFICATE").expect("a certificate").0.to_owned();
        let error = Authority::from_pem("authority.pem", &(text + &pem("CERTIFICATE", &leaf))).expect_err("a leaf signs nothing");
        assert_eq!(error.to_string(), "read authority.pem: its certificate is no authority's");
    }

    #[test]
    fn nothing_is_valid_for_longer_than_90_days_or_beyond_the_authority() {
        let authority = authority();
        let (leaf, own) = handshake_certificates(&authority.server_config("192.0.2.1", &[]).expect("a leaf"));
        let validity = |der: &CertificateDer<'_>| {
            let (_, parsed) = X509Certificate::from_der(der).expect("ours");
            (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp())
        };
        // Both ends count, so that the last second is one less than 90 days after the first.
        assert_eq!(validity(&own), (NOW - DAY, NOW + 89 * DAY - 1));
        assert_eq!(validity(&leaf), validity(&own));
    }

    /// What OpenSSL's command line says of the certificates; `None` where it is not installed.
    fn openssl(arguments: &[&str], input: &str) -> Option<String> {
        use std::{
            io::Write as _,
            process::{Command, Stdio},
        };
        let spawned = Command::new("openssl").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut openssl = spawned.ok()?;
        openssl.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
        let said = openssl.wait_with_output().expect("it ends");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        Some(String::from_utf8(said.stdout).expect("text"))
    }

    #[test]
    fn openssl_calls_the_certificate_what_we_call_it() {
        for name in ["tattletale audit 2023-11-14", "tattletale audit 2026-03-02", "x"] {
            let authority = Authority::generate(name, Timestamp::from_second(NOW).expect("in range")).expect("a key");
            let certificate = authority.certificate_pem();
            let Some(hash) = openssl(&["x509", "-noout", "-subject_hash_old"], &certificate) else { return };
            assert_eq!(authority.android_name(), format!("{}.0", hash.trim()));
            let fingerprint = openssl(&["x509", "-noout", "-fingerprint", "-sha256"], &certificate).expect("it was there");
            assert_eq!(fingerprint.trim().split_once('=').expect("name=value").1, authority.about().fingerprint);
        }
    }

    #[test]
    fn openssl_finds_nothing_wrong_when_it_is_strict() {
        let authority = authority();
        let Some(said) =
            openssl(&["x509", "-noout", "-ext", "basicConstraints,keyUsage,subjectKeyIdentifier"], &authority.certificate_pem())
        else {
            return;
        };
        for part in [
            "Basic Constraints: critical",
            "CA:TRUE, pathlen:0",
            "Key Usage: critical",
            "Certificate Sign, CRL Sign\n",
            "Subject Key Identifier",
        ] {
            assert!(said.contains(part), "{part} is missing: {said}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("authority.pem");
        std::fs::write(&path, authority.certificate_pem()).expect("written");
        for (host, option) in [("api.test", "-verify_hostname"), ("192.0.2.1", "-verify_ip"), ("2001:db8::1", "-verify_ip")] {
            let (leaf, _) = handshake_certificates(&authority.server_config(host, &[]).expect("a leaf"));
            let path = path.to_str().expect("text");
            let at = NOW.to_string();
            let line = ["verify", "-x509_strict", "-purpose", "sslserver", "-attime", &at, option, host, "-CAfile", path];
            assert_eq!(openssl(&line, &pem("CERTIFICATE", &leaf)).as_deref(), Some("stdin: OK\n"), "{host}");
        }
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
