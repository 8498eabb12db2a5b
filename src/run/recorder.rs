//! The one writer of a run: takes traffic and what the scenario does, numbers it, gives each exchange its phase, and hands it
//! to the capture and to whoever watches. What an event looks like on disk is `store`'s.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    clock::Clock,
    model::{
        Body, Exchange, ExchangeId, Header, Message, NumberedEvent, Provenance, Request, Response, RunEvent, Tunnel, TunnelEvidence,
        TunnelId, TunnelOutcome, Url,
    },
    scenario::rig::{SeenRequest, StageLog},
    store::{
        StoreError,
        capture::{BodyWriter, CaptureWriter},
    },
    traffic::{RunningSource, Side, TrafficEvent, TrafficReceiver},
};

/// Name of the phase before the first phase step.
pub const FIRST_PHASE: &str = "start";

/// Error of an exchange that the run's end cut off.
const UNFINISHED: &str = "the run ended before it was over";

/// Somebody who is told of every event as it is written: progress, tests.
pub type Watcher = Arc<dyn Fn(&NumberedEvent) + Send + Sync>;

/// The scenario's end of the record.
#[derive(Clone)]
pub struct Recorder {
    to_writer: mpsc::UnboundedSender<Note>,
    shared: Arc<Shared>,
    source: Arc<dyn RunningSource>,
    stopped: watch::Receiver<Option<String>>,
}

/// What the writer and the scenario both see.
#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<SeenRequest>>,
}

enum Note {
    Event(RunEvent, oneshot::Sender<()>),
}

/// The writer at work.
pub struct Writing {
    folder: PathBuf,
    task: tokio::task::JoinHandle<Result<(), StoreError>>,
}

/// Starts the writer of one run: creates the capture below `parent` and writes its provenance.
///
/// # Errors
/// When the capture cannot be created.
pub fn start(
    parent: &Path,
    provenance: Provenance,
    clock: Clock,
    traffic: TrafficReceiver,
    source: Arc<dyn RunningSource>,
    watchers: Vec<Watcher>,
) -> Result<(Recorder, Writing), StoreError> {
    let capture = CaptureWriter::create(parent, &provenance, clock.now())?;
    let folder = capture.folder().to_owned();
    let (to_writer, notes) = mpsc::unbounded_channel();
    let (stopped_sender, stopped) = watch::channel(None);
    let shared = Arc::new(Shared::default());
    let writer = Writer {
        capture,
        clock,
        watchers,
        shared: Arc::clone(&shared),
        phase: FIRST_PHASE.to_owned(),
        exchanges: BTreeMap::new(),
        tunnels: BTreeMap::new(),
        ended: false,
    };
    let runtime = tokio::runtime::Handle::current();
    // A thread of its own: writing blocks, and the proxy's tasks must not wait behind it.
    let task = tokio::task::spawn_blocking(move || {
        let result = runtime.block_on(writer.run(Box::new(provenance), traffic, notes));
        stopped_sender.send_replace(Some(result.as_ref().map_or_else(ToString::to_string, |()| "the capture was closed".to_owned())));
        result
    });
    Ok((Recorder { to_writer, shared, source, stopped }, Writing { folder, task }))
}

impl Recorder {
    /// Resolves when the writer has stopped: with the reason (a full disk).
    pub async fn failed(&self) -> String {
        let mut stopped = self.stopped.clone();
        match stopped.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => "the writer of the capture is gone".to_owned(),
        }
    }
}

#[async_trait]
impl StageLog for Recorder {
    async fn write(&self, event: RunEvent) {
        let (written, done) = oneshot::channel();
        if self.to_writer.send(Note::Event(event, written)).is_ok() {
            // A writer that fails drops the note; the run learns of it through `failed`.
            let _ = done.await;
        }
    }

    fn requests(&self) -> Vec<SeenRequest> {
        lock(&self.shared.requests).clone()
    }

    fn in_flight(&self) -> usize {
        self.source.in_flight()
    }

    async fn settle(&self, at_most: Duration) -> bool {
        let settled = async {
            while self.source.in_flight() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(at_most, settled).await.is_ok()
    }
}

impl Writing {
    /// Waits until everything is written. The recorder and the traffic source must be gone by then.
    ///
    /// # Errors
    /// What the store met; the capture is readable up to there.
    pub async fn finish(self) -> Result<(), StoreError> {
        match self.task.await {
            Ok(result) => result,
            // A defect of ours in the writer stays one here; a task that blocks is never cancelled.
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// The capture's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

struct Writer {
    capture: CaptureWriter,
    clock: Clock,
    watchers: Vec<Watcher>,
    shared: Arc<Shared>,
    phase: String,
    exchanges: BTreeMap<ExchangeId, Open>,
    tunnels: BTreeMap<TunnelId, OpenTunnel>,
    /// Whether the run's end was written.
    ended: bool,
}

/// An exchange that has begun and not ended.
struct Open {
    phase: String,
    tunnel: Option<TunnelId>,
    began: Timestamp,
    method: String,
    url: Url,
    http_version: String,
    headers: Vec<Header>,
    request: OpenBody,
    answer: Option<(u16, String, Vec<Header>)>,
    response: OpenBody,
    /// Messages of the connection that it became, so far.
    messages: u64,
}

/// A body that is coming in.
struct OpenBody {
    writer: BodyWriter,
    complete: bool,
    trailers: Vec<Header>,
}

struct OpenTunnel {
    phase: String,
    began: Timestamp,
    host: String,
    port: u16,
    /// Requests read inside it so far.
    requests: u64,
}

impl Writer {
    async fn run(
        mut self,
        provenance: Box<Provenance>,
        mut traffic: TrafficReceiver,
        mut notes: mpsc::UnboundedReceiver<Note>,
    ) -> Result<(), StoreError> {
        // The capture's first event was written when it was made; who watches is told of it here.
        self.tell(NumberedEvent { n: 1, at: provenance.started, event: RunEvent::RunStarted(provenance) });
        let (mut traffic_open, mut notes_open) = (true, true);
        while traffic_open || notes_open {
            // Traffic first: what had happened before a phase began is written before it.
            tokio::select! {
                biased;
                event = traffic.next(), if traffic_open => match event {
                    // What a source still gives after the run's end was not waited for: the log's last word is the ending.
                    Some(event) if !self.ended => self.take_traffic(event)?,
                    Some(_) => {}
                    None => traffic_open = false,
                },
                note = notes.recv(), if notes_open => match note {
                    Some(Note::Event(event, written)) => {
                        if let RunEvent::PhaseBegan { name, .. } = &event {
                            self.phase.clone_from(name);
                        }
                        if matches!(event, RunEvent::RunEnded { .. }) {
                            self.write_unfinished()?;
                            self.ended = true;
                        }
                        self.write(self.clock.now(), event)?;
                        let _ = written.send(());
                    }
                    None => notes_open = false,
                },
            }
        }
        Ok(())
    }

    fn take_traffic(&mut self, event: TrafficEvent) -> Result<(), StoreError> {
        match event {
            TrafficEvent::Began { id, tunnel, at, method, url, http_version, headers } => {
                self.write(at, RunEvent::ExchangeBegan { id, method: method.clone(), host: url.host.clone() })?;
                let seen =
                    SeenRequest { id, method: method.clone(), host: url.host.clone(), path: url.path().to_owned(), began: at, ended: None };
                lock(&self.shared.requests).push(seen);
                if let Some(tunnel) = tunnel.and_then(|tunnel| self.tunnels.get_mut(&tunnel)) {
                    tunnel.requests += 1;
                }
                let open = Open {
                    phase: self.phase.clone(),
                    tunnel,
                    began: at,
                    method,
                    url,
                    http_version,
                    headers,
                    request: OpenBody::new(&self.capture),
                    answer: None,
                    response: OpenBody::new(&self.capture),
                    messages: 0,
                };
                self.exchanges.insert(id, open);
            }
            TrafficEvent::BodyPiece { id, side, bytes } => {
                if let Some(open) = self.exchanges.get_mut(&id) {
                    // Exposed to be written into the capture, where it belongs.
                    open.body(side).writer.piece(bytes.expose())?;
                }
            }
            TrafficEvent::BodyEnded { id, side, trailers } => {
                if let Some(open) = self.exchanges.get_mut(&id) {
                    let body = open.body(side);
                    body.complete = true;
                    body.trailers = trailers;
                }
            }
            TrafficEvent::Answered { id, status, http_version, headers } => {
                if let Some(open) = self.exchanges.get_mut(&id) {
                    open.answer = Some((status, http_version, headers));
                }
            }
            TrafficEvent::Message { id, at, sent, text, bytes, length, complete } => {
                if let Some(open) = self.exchanges.get_mut(&id) {
                    open.messages += 1;
                    let (number, url, phase) = (open.messages, open.url.clone(), self.phase.clone());
                    let mut writer = self.capture.body();
                    writer.piece(bytes.expose())?;
                    let body = Body { bytes: length, ..writer.finish(complete)? };
                    self.write(at, RunEvent::Message(Box::new(Message { exchange: id, number, phase, at, sent, text, url, body })))?;
                }
            }
            TrafficEvent::Ended { id, at, error } => {
                if let Some(open) = self.exchanges.remove(&id) {
                    let exchange = open.into_exchange(id, at, error)?;
                    if let Some(seen) = lock(&self.shared.requests).iter_mut().rev().find(|seen| seen.id == id) {
                        seen.ended = Some((at, exchange.response.as_ref().map(|response| response.status)));
                    }
                    self.write(at, RunEvent::Exchange(Box::new(exchange)))?;
                }
            }
            TrafficEvent::TunnelBegan { id, at, host, port } => {
                self.tunnels.insert(id, OpenTunnel { phase: self.phase.clone(), began: at, host, port, requests: 0 });
            }
            TrafficEvent::TunnelEnded { id, at, sni, alpn, outcome, evidence } => {
                if let Some(OpenTunnel { phase, began, host, port, .. }) = self.tunnels.remove(&id) {
                    self.write(
                        at,
                        RunEvent::Tunnel(Tunnel { id, phase, host, port, sni, alpn, began, ended: Some(at), outcome, evidence }),
                    )?;
                }
            }
        }
        Ok(())
    }

    /// Writes what never ended: exchanges as they are, with that for their error, and tunnels without an end. What was not seen
    /// to its end is told, not forgotten.
    fn write_unfinished(&mut self) -> Result<(), StoreError> {
        let at = self.clock.now();
        for (id, open) in std::mem::take(&mut self.exchanges) {
            let exchange = open.into_exchange(id, at, Some(UNFINISHED.to_owned()))?;
            self.write(at, RunEvent::Exchange(Box::new(Exchange { ended: None, ..exchange })))?;
        }
        for (id, OpenTunnel { phase, began, host, port, requests }) in std::mem::take(&mut self.tunnels) {
            let outcome = if requests > 0 { TunnelOutcome::Read { requests } } else { TunnelOutcome::ClosedWithoutRequest };
            let tunnel = Tunnel {
                id,
                phase,
                host,
                port,
                sni: None,
                alpn: Vec::new(),
                began,
                ended: None,
                outcome,
                evidence: TunnelEvidence::default(),
            };
            self.write(at, RunEvent::Tunnel(tunnel))?;
        }
        Ok(())
    }

    fn write(&mut self, at: Timestamp, event: RunEvent) -> Result<(), StoreError> {
        let n = self.capture.append(at, &event)?;
        self.capture.flush()?;
        self.tell(NumberedEvent { n, at, event });
        Ok(())
    }

    fn tell(&self, event: NumberedEvent) {
        for watcher in &self.watchers {
            watcher(&event);
        }
    }
}

impl OpenBody {
    fn new(capture: &CaptureWriter) -> Self {
        Self { writer: capture.body(), complete: false, trailers: Vec::new() }
    }

    fn finish(self) -> Result<(Body, Vec<Header>), StoreError> {
        Ok((self.writer.finish(self.complete)?, self.trailers))
    }
}

impl Open {
    const fn body(&mut self, side: Side) -> &mut OpenBody {
        match side {
            Side::Request => &mut self.request,
            Side::Response => &mut self.response,
        }
    }

    fn into_exchange(self, id: ExchangeId, ended: Timestamp, error: Option<String>) -> Result<Exchange, StoreError> {
        let (body, trailers) = self.request.finish()?;
        let request =
            Request { method: self.method, url: self.url, http_version: self.http_version, headers: self.headers, body, trailers };
        let (body, trailers) = self.response.finish()?;
        let response = self.answer.map(|(status, http_version, headers)| Response { status, http_version, headers, body, trailers });
        Ok(Exchange { id, phase: self.phase, tunnel: self.tunnel, began: self.began, ended: Some(ended), request, response, error })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{AppVersion, CaptureSource, Captured, Platform, Recording as _, Rig, RunEnding, Target, capture::CAPTURE_FORMAT},
        store::CaptureReader,
        traffic::{TrafficError, TrafficSender, queue::queue},
    };

    /// A source that has delivered what it ever will.
    struct Silent;

    #[async_trait]
    impl RunningSource for Silent {
        fn address(&self) -> Option<std::net::SocketAddr> {
            None
        }

        fn in_flight(&self) -> usize {
            0
        }

        async fn failed(&self) -> TrafficError {
            std::future::pending().await
        }

        async fn stop(&self) -> Result<(), TrafficError> {
            Ok(())
        }

        fn kill(&self) {}
    }

    async fn open(events: &TrafficSender, at: Timestamp) {
        let url = Url { scheme: "https".into(), host: "a.test".into(), port: 443, path_and_query: Captured::new("/one".into()) };
        let (tunnel, id) = (TunnelId(1), ExchangeId(1));
        let began = TrafficEvent::Began {
            id,
            tunnel: Some(tunnel),
            at,
            method: "POST".into(),
            url,
            http_version: "HTTP/2".into(),
            headers: vec![],
        };
        let piece = TrafficEvent::BodyPiece { id, side: Side::Request, bytes: Captured::new(b"half".to_vec()) };
        let tunnels = [(tunnel, "a.test"), (TunnelId(2), "b.test")];
        for (id, host) in tunnels {
            events.send(TrafficEvent::TunnelBegan { id, at, host: host.into(), port: 443 }).await.expect("somebody listens");
        }
        for event in [began, piece] {
            events.send(event).await.expect("somebody listens");
        }
    }

    #[tokio::test]
    async fn what_never_ended_is_in_the_capture_before_the_runs_end_and_nothing_after_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::real();
        let at = clock.now();
        let target = Target {
            app: "mifit".into(),
            platform: Platform::Lab,
            version: AppVersion::named("1"),
            scenario: "by-hand".into(),
            claimed: false,
        };
        let provenance = Provenance {
            format: CAPTURE_FORMAT,
            tool: "0.0.0".into(),
            source: CaptureSource::Proxy,
            target,
            scenario_hash: None,
            run: 1,
            runs: 1,
            rig: Rig::Real { about: "a bench".into() },
            started: at,
            planted: vec![],
            expectations: vec![],
            control: None,
        };
        let (events, traffic) = queue();
        let (recorder, writing) = start(folder.path(), provenance, clock, traffic, Arc::new(Silent), vec![]).expect("it starts");
        let capture = writing.folder().to_owned();
        open(&events, at).await;
        recorder.write(RunEvent::RunEnded { ending: RunEnding::Complete }).await;
        let late = TrafficEvent::TunnelBegan { id: TunnelId(3), at, host: "late.test".into(), port: 443 };
        events.send(late).await.expect("somebody listens");
        drop((events, recorder));
        writing.finish().await.expect("there is room");

        let reader = CaptureReader::open(&capture).expect("a capture");
        let mut told = Vec::new();
        reader.replay(&mut |event, _| told.push(event.event.clone())).expect("readable");
        let [
            _,
            RunEvent::ExchangeBegan { .. },
            RunEvent::Exchange(exchange),
            RunEvent::Tunnel(read),
            RunEvent::Tunnel(empty),
            RunEvent::RunEnded { .. },
        ] = &told[..]
        else {
            panic!("{told:#?}")
        };
        assert_eq!((exchange.error.as_deref(), exchange.ended, exchange.request.body.bytes), (Some(UNFINISHED), None, 4));
        assert_eq!((&read.outcome, read.ended), (&TunnelOutcome::Read { requests: 1 }, None));
        assert_eq!((empty.host.as_str(), &empty.outcome), ("b.test", &TunnelOutcome::ClosedWithoutRequest));
    }
}
