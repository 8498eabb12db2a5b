//! A file that another program recorded, whichever it is: tells by its first bytes whether it is a HAR, packed or not, or a
//! mitmproxy flow file, and refuses anything else with what it looks like. Also what all imports share.

use std::{collections::BTreeMap, path::Path};

use jiff::Timestamp;

use super::{
    TrafficError,
    flows::{self, FlowRecording},
    har::HarRecording,
    input::{Input, Packing},
};
use crate::model::{
    Bodies, CaptureSource, NumberedEvent, Provenance, Recording, RecordingError, Rig, RunEnding, RunEvent, Target, TunnelOutcome,
    capture::CAPTURE_FORMAT,
};

/// The phase of everything in a file that knows no phases (R6).
pub(super) const UNSCRIPTED: &str = "unscripted";

/// A recording that another program made, or an export of ours.
#[derive(Clone, Debug)]
pub enum ImportedFile {
    /// A mitmproxy flow file.
    Flows(FlowRecording),
    /// A HAR, packed with zlib or gzip (`.zhar`) or not.
    Har(HarRecording),
}

impl ImportedFile {
    /// Reads a file through once, so that a broken one is known at once. `claimed` is what the caller says it is of; it may be
    /// left out for our own exports, which say so themselves.
    ///
    /// # Errors
    /// [`TrafficError::File`] when it cannot be read, is of no kind that is read (with what it looks like), is damaged (with
    /// the place), or when nobody says what it is of.
    pub fn open(path: &Path, claimed: Option<Target>) -> Result<Self, TrafficError> {
        Self::read(Input::file(path), claimed)
    }

    /// As [`Self::open`], of bytes in memory under a name for people.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn of_bytes(name: &str, bytes: Vec<u8>, claimed: Option<Target>) -> Result<Self, TrafficError> {
        Self::read(Input::memory(name, bytes), claimed)
    }

    fn read(input: Input, claimed: Option<Target>) -> Result<Self, TrafficError> {
        let (packing, start) = input.start(LOOK).map_err(|error| input.refused(error.to_string()))?;
        match looks_like(&start) {
            Look::Flows if packing == Packing::None => FlowRecording::read(input, claimed).map(Self::Flows),
            Look::Flows => Err(input.refused("it is a packed flow file: unpack it first")),
            Look::Har => HarRecording::read(input, claimed).map(Self::Har),
            Look::Other(what) => {
                let packed = if packing == Packing::None { "" } else { "packed with zlib or gzip, and in it " };
                let (first, last) = flows::VERSIONS;
                Err(input.refused(format!(
                    "it is of no kind that is read: it looks like {packed}{what}; read are HAR files, packed (.zhar) or not, and mitmproxy flow \
                     files of format {first} to {last}"
                )))
            }
        }
    }

    /// What a person must know of how it was read: what it lacks, what was left out and why; one sentence each.
    pub fn notes(&self) -> Vec<String> {
        match self {
            Self::Flows(flows) => flows.summary().notes(),
            Self::Har(har) => har.summary().notes(),
        }
    }

    /// How the run ended that it is an export of, when it is one of ours and of a run that we recorded.
    pub fn own_ending(&self) -> Option<Option<&RunEnding>> {
        match self {
            Self::Har(har) if har.summary().own && har.provenance().rig != Rig::Imported => Some(har.summary().ending.as_ref()),
            Self::Flows(_) | Self::Har(_) => None,
        }
    }

    fn recording(&self) -> &dyn Recording {
        match self {
            Self::Flows(flows) => flows,
            Self::Har(har) => har,
        }
    }
}

impl Recording for ImportedFile {
    fn name(&self) -> String {
        self.recording().name()
    }

    fn provenance(&self) -> &Provenance {
        self.recording().provenance()
    }

    fn replay(&self, each: &mut dyn FnMut(&NumberedEvent, &dyn Bodies)) -> Result<(), RecordingError> {
        self.recording().replay(each)
    }
}

/// Numbers events so that they rise, and gives them on.
pub(super) struct Numbering<'a> {
    last: u64,
    each: &'a mut dyn FnMut(&NumberedEvent, &dyn Bodies),
}

impl<'a> Numbering<'a> {
    pub(super) fn new(each: &'a mut dyn FnMut(&NumberedEvent, &dyn Bodies)) -> Self {
        Self { last: 0, each }
    }

    /// Gives an event the next number.
    pub(super) fn give(&mut self, at: Timestamp, event: RunEvent, bodies: &dyn Bodies) {
        self.give_own(NumberedEvent { n: self.last + 1, at, event }, bodies);
    }

    /// Gives an event that has a number; one that would not rise is given the next number.
    pub(super) fn give_own(&mut self, mut event: NumberedEvent, bodies: &dyn Bodies) {
        event.n = event.n.max(self.last + 1);
        self.last = event.n;
        (self.each)(&event, bodies);
    }

    /// Gives the two events with which a file of another program begins.
    pub(super) fn begin(&mut self, provenance: &Provenance) {
        let bodies = &crate::model::NoBodies;
        self.give(provenance.started, RunEvent::RunStarted(Box::new(provenance.clone())), bodies);
        let phase = RunEvent::PhaseBegan { name: UNSCRIPTED.to_owned(), explains: Vec::new() };
        self.give(provenance.started, phase, bodies);
    }
}

/// Hosts of which a file holds requests that could be read, and how many. A CONNECT to one of them hides nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadHosts(BTreeMap<String, u64>);

impl ReadHosts {
    /// Counts a request to a host, unless there are too many hosts to be true.
    pub(super) fn add(&mut self, host: &str) {
        if let Some(requests) = self.0.get_mut(host) {
            *requests += 1;
        } else if self.0.len() < MOST_HOSTS {
            self.0.insert(host.to_owned(), 1);
        }
    }

    /// What became of a CONNECT to a host, as far as the file tells. `answered` when the proxy said yes to it; `words` are
    /// what the file says went wrong.
    pub(super) fn outcome(&self, host: &str, answered: bool, words: &str) -> TunnelOutcome {
        match (handshake(words), self.0.get(host)) {
            (Some(outcome), _) => outcome,
            // Through which of several tunnels to the host each came is not told.
            (None, Some(requests)) => TunnelOutcome::Read { requests: *requests },
            (None, None) if answered => TunnelOutcome::PassedThrough,
            (None, None) => TunnelOutcome::ClosedWithoutRequest,
        }
    }
}

/// What an error message of mitmproxy says of a handshake, in the words of its TLS layer and of OpenSSL; `None` when it is
/// about something else.
pub(super) fn handshake(words: &str) -> Option<TunnelOutcome> {
    let words = words.to_ascii_lowercase();
    let alert = ALERTS.iter().find(|(said, _)| words.contains(said)).map(|(_, name)| *name);
    let left = words.contains("disconnected during the handshake");
    let failed = words.contains("cannot establish tls with client");
    if (words.contains("does not trust the proxy's certificate") && !left) || (failed && alert.is_some()) {
        return Some(TunnelOutcome::CertificateRefused { alert: alert.unwrap_or("not told").to_owned() });
    }
    let doubted = words.contains("may not trust the proxy's certificate") || words.contains("client tls handshake failed");
    (left || failed || doubted).then_some(TunnelOutcome::ClosedDuringHandshake)
}

/// Where a file of another program comes from, as far as anybody knows.
pub(super) fn provenance(target: Target, source: CaptureSource, first: Option<Timestamp>) -> Provenance {
    Provenance {
        format: CAPTURE_FORMAT,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        source,
        target: Target { claimed: true, ..target },
        scenario_hash: None,
        run: 1,
        runs: 1,
        rig: Rig::Imported,
        started: first.unwrap_or(Timestamp::UNIX_EPOCH),
        planted: Vec::new(),
        expectations: Vec::new(),
        control: None,
    }
}

/// An error about a file as one about a recording.
pub(super) fn as_recording_error(name: &str, error: TrafficError) -> RecordingError {
    match error {
        TrafficError::File { name, problem } => RecordingError { name, problem },
        other => RecordingError { name: name.to_owned(), problem: other.to_string() },
    }
}

/// What nobody says anything of.
pub(super) fn unclaimed(input: &Input) -> TrafficError {
    input.refused("it does not say which app it is of: give --app, --platform, --app-version and --scenario")
}

/// What a file is, by its first bytes.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Flows,
    Har,
    Other(&'static str),
}

fn looks_like(start: &[u8]) -> Look {
    if let Some((_, what)) = KINDS.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Look::Other(what);
    }
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let digits = start.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match text.first() {
        _ if digits > 0 && start.get(digits) == Some(&b':') => Look::Flows,
        None => Look::Other("an empty file"),
        Some(b'{') => Look::Har,
        Some(b'[') => Look::Other("a JSON list (a Charles session is one: export it as HAR)"),
        Some(b'<') => Look::Other("XML or HTML (an export of Burp is XML)"),
        Some(_) if text.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => Look::Other("plain text"),
        Some(_) => Look::Other("binary data of no known kind"),
    }
}

/// Alerts of RFC 8446 section 6 as OpenSSL words them, and by name.
const ALERTS: [(&str, &str); 6] = [
    ("bad certificate", "BadCertificate"),
    ("certificate expired", "CertificateExpired"),
    ("certificate revoked", "CertificateRevoked"),
    ("certificate unknown", "CertificateUnknown"),
    ("unknown ca", "UnknownCA"),
    ("unsupported certificate", "UnsupportedCertificate"),
];
/// Kinds of files that people may have instead, by their first bytes.
const KINDS: [(&[u8], &str); 11] = [
    (b"PK\x03\x04", "a ZIP archive (of Fiddler, or a HAR with its bodies beside it: unpack it, or export a single .har)"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x0a\x0d\x0d\x0a", "a packet capture (pcapng), in which what is encrypted stays so"),
    (b"\xd4\xc3\xb2\xa1", "a packet capture (pcap), in which what is encrypted stays so"),
    (b"\xa1\xb2\xc3\xd4", "a packet capture (pcap), in which what is encrypted stays so"),
    (b"\x4d\x3c\xb2\xa1", "a packet capture (pcap), in which what is encrypted stays so"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
    (b"bplist00", "a property list"),
    (b"\x28\xb5\x2f\xfd", "data packed with zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
];
/// First bytes that are looked at.
const LOOK: u64 = 512;
/// Hosts that are remembered.
const MOST_HOSTS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(start: &[u8], expected: Look) {
        assert_eq!(looks_like(start), expected, "{start:?}");
    }

    #[test]
    fn files_are_told_apart_by_their_first_bytes() {
        check(b"{\"log\":{}}", Look::Har);
        check(b"\xef\xbb\xbf\n {", Look::Har);
        check(b"1234:4:type;", Look::Flows);
        check(b"1234", Look::Other("plain text"));
        check(b"", Look::Other("an empty file"));
        check(b" \n", Look::Other("an empty file"));
        check(b"[{}]", Look::Other("a JSON list (a Charles session is one: export it as HAR)"));
        check(b"<?xml", Look::Other("XML or HTML (an export of Burp is XML)"));
        check(b"GET / HTTP/1.1\r\n", Look::Other("plain text"));
        check(b"\x00\x01", Look::Other("binary data of no known kind"));
    }

    #[test]
    fn anything_else_is_refused_with_what_it_looks_like_and_what_is_read() {
        let error = ImportedFile::of_bytes("x.saz", b"PK\x03\x04rest".to_vec(), None).expect_err("a ZIP archive").to_string();
        assert!(error.starts_with("read x.saz: ") && error.contains("a ZIP archive") && error.contains("format 0.11 to 21"), "{error}");
    }

    #[test]
    fn words_of_a_failed_handshake_say_what_became_of_it() {
        let refused = |alert: &str| Some(TunnelOutcome::CertificateRefused { alert: alert.to_owned() });
        assert_eq!(
            handshake("The client does not trust the proxy's certificate for a.test (tlsv1 alert unknown ca)"),
            refused("UnknownCA")
        );
        assert_eq!(
            handshake("The client may not trust the proxy's certificate for a.test (OpenSSL Error)"),
            Some(TunnelOutcome::ClosedDuringHandshake)
        );
        assert_eq!(handshake("The client does not trust the proxy's certificate for a.test"), refused("not told"));
        assert_eq!(handshake("Cannot establish TLS with client (sni: a.test): tlsv1 alert bad certificate"), refused("BadCertificate"));
        let closed = "The client disconnected during the handshake. If this happens consistently for a.test, this may indicate that the \
                      client does not trust the proxy's certificate.";
        assert_eq!(handshake(closed), Some(TunnelOutcome::ClosedDuringHandshake));
        assert_eq!(handshake("server disconnected"), None);
    }
}
