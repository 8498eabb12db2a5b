//! A bench for clients that nobody here wrote: the proxy with the real writer of captures, in front of servers on this machine that
//! keep a list of receipts. A test compares that list with what the capture holds; which client sends what is left to it.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub(crate) mod cloud;

use std::{
    fmt,
    io::Read as _,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cloud::{Cloud, Digest, Receipt, Said};
use jiff::Timestamp;
use tattletale::{
    clock::Clock,
    model::{
        AppVersion, Bodies, Body, BodyContent, CaptureSource, Exchange, Message, Platform, Provenance, Recording as _, Rig, RunEnding,
        RunEvent, Target, Tunnel, TunnelOutcome, capture::CAPTURE_FORMAT,
    },
    run::recorder::{self, Recorder, Writing},
    scenario::rig::StageLog as _,
    store::{CaptureReader, capture::Verified},
    traffic::{
        RunningSource,
        authority::Authority,
        proxy::{LocalUpstream, OpenGate, Proxy, ProxySetup, RunningProxy, Upstream},
        queue,
    },
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A recording proxy in front of a [`Cloud`].
pub(crate) struct Bench {
    folder: TempDir,
    proxy: RunningProxy,
    recorder: Recorder,
    writing: Writing,
    authority: Arc<Authority>,
    pub(crate) cloud: Arc<Cloud>,
    runtime: Threads,
}

/// Threads of the servers and the writer, which a failing test does not wait for.
struct Threads(Option<Runtime>);

impl std::ops::Deref for Threads {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.0.as_ref().expect("there until it is dropped")
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Bench {
    /// A proxy on a free port of 127.0.0.1.
    pub(crate) fn start() -> Self {
        Self::listening_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// A proxy on a free port of `::1`.
    pub(crate) fn start_on_ipv6() -> Self {
        Self::listening_on(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)))
    }

    fn listening_on(listen: SocketAddr) -> Self {
        let runtime = Threads(Some(Runtime::new().expect("threads can be started")));
        let cloud = Arc::new(runtime.block_on(Cloud::start()));
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let authority = Arc::new(Authority::generate("tattletale audit (test)", Timestamp::now()).expect("an authority"));
        std::fs::write(folder.path().join(CA), pem(&authority)).expect("the folder is writable");
        let (proxy, recorder, writing) = {
            let _inside = runtime.enter();
            record(folder.path(), listen, Arc::clone(&authority), cloud.upstream())
        };
        Self { folder, proxy, recorder, writing, authority, cloud, runtime }
    }

    /// Where clients find the proxy.
    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.address().expect("a proxy has an address")
    }

    /// The same as clients are told: `http://127.0.0.1:PORT`.
    pub(crate) fn proxy(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The same for clients that speak SOCKS5, and leave names to the proxy.
    pub(crate) fn socks(&self) -> String {
        format!("socks5h://{}", self.address())
    }

    /// The proxy's authority.
    pub(crate) fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// The proxy's certificate authority as a PEM file.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join(CA)
    }

    /// A folder for what clients need; gone with the bench.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Threads on which a test's own clients can run.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Exchanges that have begun and not ended.
    pub(crate) fn in_flight(&self) -> usize {
        self.proxy.in_flight()
    }

    /// Whether the log says something already. It is written as things happen.
    pub(crate) fn log_has(&self, text: &str) -> bool {
        std::fs::read_to_string(self.writing.folder().join("events.jsonl")).is_ok_and(|log| log.contains(text))
    }

    /// Writes a note into the log, after everything that happened before, and waits until it can be read there.
    pub(crate) fn mark(&self, note: &str) {
        wait_until("nothing is in flight", MARK, || self.in_flight() == 0);
        self.runtime.block_on(self.recorder.write(RunEvent::StepEnded { note: note.to_owned() }));
        wait_until("the note is in the log", MARK, || self.log_has(note));
    }

    /// Reads the capture as far as it has come.
    pub(crate) fn reader(&self) -> CaptureReader {
        CaptureReader::open(self.writing.folder()).expect("a capture")
    }

    /// Stops the proxy, closes the capture, checks its chain and reads it.
    pub(crate) fn finish(self) -> Outcome {
        let Self { folder, proxy, recorder, writing, authority: _, cloud, runtime } = self;
        let capture = writing.folder().to_owned();
        runtime.block_on(async {
            proxy.stop().await.expect("stopped");
            recorder.write(RunEvent::RunEnded { ending: RunEnding::Complete }).await;
            drop((proxy, recorder));
            writing.finish().await.expect("there is room on the disk");
        });
        let log = Log::read(&capture);
        assert_eq!((log.verified.torn_bytes, log.verified.missing_bodies), (0, 0), "the capture was closed");
        let (receipts, said) = cloud.take();
        let capture = CaptureReader::open(&capture).expect("a capture");
        Outcome { log, receipts, said, capture, folder }
    }
}

/// A proxy whose exchanges are written into a capture below `folder`.
pub(crate) fn record(
    folder: &Path,
    listen: SocketAddr,
    authority: Arc<Authority>,
    upstream: LocalUpstream,
) -> (RunningProxy, Recorder, Writing) {
    let clock = Clock::real();
    let (events, received) = queue::queue();
    let setup = ProxySetup { listen, authority, upstream: Upstream::Local(upstream), gate: Arc::new(OpenGate), clock: clock.clone() };
    let proxy = Proxy::new(setup).launch(events).expect("a free port");
    let source: Arc<dyn RunningSource> = Arc::new(proxy.clone());
    let (recorder, writing) =
        recorder::start(folder, provenance(clock.now()), clock, received, source, Vec::new()).expect("the folder is writable");
    (proxy, recorder, writing)
}

fn provenance(started: Timestamp) -> Provenance {
    Provenance {
        format: CAPTURE_FORMAT,
        tool: "test".to_owned(),
        source: CaptureSource::Proxy,
        target: Target {
            app: "clients".to_owned(),
            platform: Platform::Lab,
            version: AppVersion::named("1.0"),
            scenario: "bench".to_owned(),
            claimed: false,
        },
        scenario_hash: None,
        run: 1,
        runs: 1,
        rig: Rig::Real { about: "a bench of tests".to_owned() },
        started,
        planted: Vec::new(),
        expectations: Vec::new(),
        control: None,
    }
}

/// An authority's certificate in PEM (RFC 7468).
pub(crate) fn pem(authority: &Authority) -> String {
    let text = STANDARD.encode(authority.certificate_der());
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// What a capture holds.
pub(crate) struct Log {
    pub(crate) exchanges: Vec<Recorded>,
    pub(crate) messages: Vec<(Message, Digest)>,
    pub(crate) tunnels: Vec<Tunnel>,
    pub(crate) verified: Verified,
}

/// An exchange with the digests of its bodies, of the very bytes that are stored; `None` for a body that did not come whole.
pub(crate) struct Recorded {
    pub(crate) exchange: Exchange,
    pub(crate) request: Option<Digest>,
    pub(crate) response: Option<Digest>,
}

impl Log {
    /// Reads a capture whole, after its chain was checked.
    pub(crate) fn read(capture: &Path) -> Self {
        let reader = CaptureReader::open(capture).expect("a capture");
        let verified = reader.verify().expect("the chain holds");
        let mut log = Self { exchanges: Vec::new(), messages: Vec::new(), tunnels: Vec::new(), verified };
        reader
            .replay(&mut |event, bodies| match &event.event {
                RunEvent::Exchange(exchange) => log.exchanges.push(Recorded {
                    request: digest_of(&exchange.request.body, bodies),
                    response: exchange.response.as_ref().and_then(|response| digest_of(&response.body, bodies)),
                    exchange: (**exchange).clone(),
                }),
                RunEvent::Message(message) => {
                    let digest = digest_of(&message.body, bodies).expect("a message is whole");
                    log.messages.push(((**message).clone(), digest));
                }
                RunEvent::Tunnel(tunnel) => log.tunnels.push(tunnel.clone()),
                _ => {}
            })
            .expect("it can be read to its end");
        log
    }
}

/// The digest of a complete body's stored bytes.
pub(crate) fn digest_of(body: &Body, bodies: &dyn Bodies) -> Option<Digest> {
    if matches!(body.content, BodyContent::Torn(_) | BodyContent::TornSpilled(_) | BodyContent::Absent(_)) {
        return None;
    }
    let bytes = stored(body, bodies);
    assert_eq!(bytes.len() as u64, body.bytes, "what is stored is as long as it is said to be");
    let digest = Digest::of(&bytes);
    if let Some(said) = &body.sha256 {
        assert_eq!(*said, digest.sha256, "what is stored is what it is said to be");
    }
    Some(digest)
}

/// The bytes that are stored of a body.
fn stored(body: &Body, bodies: &dyn Bodies) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stored) = body.open(bodies).expect("stored") {
        stored.read_to_end(&mut bytes).expect("stored");
    }
    bytes
}

/// What a run of the bench gave: the capture, and the servers' own list.
pub(crate) struct Outcome {
    pub(crate) log: Log,
    pub(crate) receipts: Vec<Receipt>,
    /// Messages of WebSockets as the server saw them.
    pub(crate) said: Vec<Said>,
    /// Where long bodies lie beside the log.
    capture: CaptureReader,
    folder: TempDir,
}

impl Outcome {
    /// Exchanges of hosts that there are, as receipts; fails for one that is not complete.
    pub(crate) fn recorded(&self) -> Vec<Receipt> {
        let mut recorded: Vec<_> =
            self.log.exchanges.iter().filter(|recorded| is_ours(&recorded.exchange.request.url.host)).map(receipt).collect();
        recorded.sort();
        recorded
    }

    /// The log and the servers hold the same exchanges, each once: method, URL, and every byte of both bodies. Tells how many.
    #[track_caller]
    pub(crate) fn assert_equal(&self) -> usize {
        let mut received = self.receipts.clone();
        received.sort();
        let recorded = self.recorded();
        assert_eq!(Lines(&recorded).to_string(), Lines(&received).to_string(), "recorded, and received by the servers");
        let heard = |message: &Message, digest: &Digest| Said {
            url: as_asked_for(&message.url.to_text().into_exposed()),
            sent: message.sent,
            text: message.text,
            digest: digest.clone(),
        };
        let mut heard: Vec<_> = self.log.messages.iter().map(|(message, digest)| heard(message, digest)).collect();
        heard.sort();
        let mut said = self.said.clone();
        said.sort();
        assert_eq!(Lines(&heard).to_string(), Lines(&said).to_string(), "messages recorded, and those that the server saw");
        recorded.len()
    }

    /// Outcomes of the tunnels to a host, in the order in which they ended.
    pub(crate) fn outcomes(&self, host: &str) -> Vec<TunnelOutcome> {
        self.log.tunnels.iter().filter(|tunnel| tunnel.host == host).map(|tunnel| tunnel.outcome.clone()).collect()
    }

    /// The text of a request's body.
    pub(crate) fn said_in(&self, exchange: &Exchange) -> String {
        String::from_utf8(stored(&exchange.request.body, &self.capture)).expect("text")
    }

    /// Exchanges with a host.
    pub(crate) fn with(&self, host: &str) -> Vec<&Exchange> {
        self.log.exchanges.iter().map(|recorded| &recorded.exchange).filter(|exchange| exchange.request.url.host == host).collect()
    }
}

/// An exchange of the log in the words of the servers.
pub(crate) fn receipt(recorded: &Recorded) -> Receipt {
    let exchange = &recorded.exchange;
    let url = as_asked_for(&exchange.request.url.to_text().into_exposed());
    let whole = |body: &Option<Digest>, which: &str| {
        body.clone().unwrap_or_else(|| panic!("the {which} of {} {url} is not whole: {:?}", exchange.request.method, exchange.error))
    };
    assert_eq!(exchange.error, None, "{} {url}", exchange.request.method);
    let status = exchange.response.as_ref().map_or(0, |response| response.status);
    let (sent, answered) = (whole(&recorded.request, "request"), whole(&recorded.response, "response"));
    Receipt { method: exchange.request.method.clone(), url, sent, status, answered }
}

/// The URL of a WebSocket as the request that opened it had it: a record may say `wss`.
fn as_asked_for(url: &str) -> String {
    if url.starts_with("ws") { url.replacen("ws", "http", 1) } else { url.to_owned() }
}

/// Whether one of the servers stands in for a host.
pub(crate) fn is_ours(host: &str) -> bool {
    host.ends_with(".test") && host != "dead.test"
}

/// One a line, so that a failing test shows the one that differs.
struct Lines<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Lines<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < limit, "waited {limit:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How long what happened may take to be in the log, on a slow machine.
const MARK: Duration = Duration::from_secs(60);
const CA: &str = "authority.pem";
