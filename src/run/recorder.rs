//! The one writer of a run: takes traffic and what the scenario does, numbers it, gives each exchange its phase, and hands it
//! to the capture and to whoever watches. What an event looks like on disk is `store`'s.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

pub use self::seen::Passed;
use self::seen::Seen;
use crate::{
    clock::Clock,
    model::{
        AttachmentKind, Body, Exchange, ExchangeId, Header, Message, NumberedEvent, Provenance, Request, Response, RunEnding, RunEvent,
        Tunnel, TunnelEvidence, TunnelId, TunnelOutcome, Url,
    },
    scenario::rig::{SeenRequest, StageLog},
    store::{
        StoreError,
        capture::{ATTACHMENTS, BodyWriter, CaptureWriter},
    },
    traffic::{RunningSource, Side, TrafficEvent, TrafficReceiver, queue::Progress},
};

mod seen;

/// Name of the phase before the first phase step.
pub const FIRST_PHASE: &str = "start";

/// The only phase where nobody scripted what happens (R6).
const UNSCRIPTED: &str = "unscripted";

/// Error of an exchange that the run's end cut off.
const UNFINISHED: &str = "the run ended before it was over";

/// What was written reaches the operating system after so long at the latest; from then on nothing but a crash of the whole
/// machine loses it. What an app was answered to the end is there before the app has the end, so that `kill -9` loses what was in
/// flight, however late the writer is; of a connection that stays open what passed in the last 50 ms, if the machine lets the writer
/// run.
const FLUSH_AFTER: Duration = Duration::from_millis(10);

/// The writer wakes up once in so long at most, and then does all that there is: to be woken for each of ten thousand events a
/// second would cost the proxy more than recording them. Only when everybody waits for it, it is woken at once.
const PACE: Duration = Duration::from_millis(1);

/// Whoever asks what was seen waits so long at most for what is still in the queue.
const CATCH_UP: Duration = Duration::from_secs(5);

/// Somebody who is told of every event as it is written: progress, tests.
pub type Watcher = Arc<dyn Fn(&NumberedEvent) + Send + Sync>;

/// The scenario's end of the record.
#[derive(Clone)]
pub struct Recorder {
    to_writer: mpsc::UnboundedSender<Note>,
    seen: Arc<Mutex<Seen>>,
    progress: Arc<Progress>,
    source: Arc<dyn RunningSource>,
    stopped: watch::Receiver<Option<String>>,
}

enum Note {
    Attach { kind: AttachmentKind, name: String, bytes: Vec<u8>, place: oneshot::Sender<String> },
    Event(Box<RunEvent>, oneshot::Sender<()>),
}

/// The writer at work.
pub struct Writing {
    folder: PathBuf,
    task: tokio::task::JoinHandle<Result<(), StoreError>>,
}

/// Starts the writer of one run: creates the capture below `parent` and writes its provenance.
///
/// A writer that cannot go on (a full disk) says so through [`Recorder::failed`], and then takes the traffic without keeping
/// it until the source is gone: the app must not be cut off because we cannot write.
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
    let (to_writer, mut notes) = mpsc::unbounded_channel();
    let (stopped_sender, stopped) = watch::channel(None);
    let (seen, progress) = (Arc::<Mutex<Seen>>::default(), traffic.progress());
    let mut writer = Writer {
        capture,
        clock,
        watchers,
        seen: Arc::clone(&seen),
        phase: if provenance.rig.is_unscripted() { UNSCRIPTED } else { FIRST_PHASE }.to_owned(),
        exchanges: BTreeMap::new(),
        tunnels: BTreeMap::new(),
        unflushed: None,
        ended: false,
    };
    let runtime = tokio::runtime::Handle::current();
    // A thread of its own: writing blocks, and the proxy's tasks must not wait behind it.
    let task = tokio::task::spawn_blocking(move || {
        let mut traffic = traffic;
        let result = runtime.block_on(writer.run(Box::new(provenance), &mut traffic, &mut notes));
        // Notes that come now are answered at once: nobody writes them.
        drop(notes);
        if let Err(error) = &result {
            writer.last_words(error);
        }
        stopped_sender.send_replace(Some(result.as_ref().map_or_else(ToString::to_string, |()| "the capture was closed".to_owned())));
        drop(writer);
        runtime.block_on(async { while traffic.next().await.is_some() {} });
        result
    });
    Ok((Recorder { to_writer, seen, progress, source, stopped }, Writing { folder, task }))
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

    /// Hosts of all requests and connections that the source has told of by now, read or not, lower case and sorted.
    pub fn hosts(&self) -> Vec<String> {
        self.seen().hosts()
    }

    /// What has come from the phone and went to it by the source, over all connections, by now.
    pub fn passed(&self) -> Passed {
        self.seen().passed()
    }

    /// What was seen, once everything that the source has told of by now is in it: a step that asks after its phone has been
    /// answered must not be told that there was nothing.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.progress.wait_until(self.progress.sent(), CATCH_UP);
        lock(&self.seen)
    }
}

#[async_trait]
impl StageLog for Recorder {
    async fn write(&self, event: RunEvent) {
        let (written, done) = oneshot::channel();
        if self.to_writer.send(Note::Event(Box::new(event), written)).is_ok() {
            // A writer that fails drops the note; the run learns of it through `failed`.
            let _ = done.await;
        }
    }

    async fn attach(&self, kind: AttachmentKind, name: &str, bytes: Vec<u8>) -> Option<String> {
        let (place, written) = oneshot::channel();
        self.to_writer.send(Note::Attach { kind, name: name.to_owned(), bytes, place }).ok()?;
        // As above.
        written.await.ok()
    }

    fn requests(&self) -> Vec<SeenRequest> {
        self.seen().latest()
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
    seen: Arc<Mutex<Seen>>,
    phase: String,
    exchanges: BTreeMap<ExchangeId, Open>,
    tunnels: BTreeMap<TunnelId, OpenTunnel>,
    /// When the oldest line was written that the operating system does not have yet.
    unflushed: Option<Instant>,
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
        &mut self,
        provenance: Box<Provenance>,
        traffic: &mut TrafficReceiver,
        notes: &mut mpsc::UnboundedReceiver<Note>,
    ) -> Result<(), StoreError> {
        // The capture's first event was written when it was made; who watches is told of it here.
        self.tell(NumberedEvent { n: 1, at: provenance.started, event: RunEvent::RunStarted(provenance) });
        let progress = traffic.progress();
        let (mut traffic_open, mut notes_open) = (true, true);
        while traffic_open || notes_open {
            // Traffic first: what had happened before a phase began is written before it.
            tokio::select! {
                biased;
                event = traffic.next(), if traffic_open => {
                    let woken = Instant::now();
                    traffic_open = event.is_some();
                    let mut next = event;
                    while let Some(event) = next {
                        self.take_traffic(event)?;
                        self.flush_in_time(traffic)?;
                        next = traffic.ready();
                    }
                    // Nothing is left to collect: once in a pace, a line more for the operating system costs next to nothing.
                    self.flush()?;
                    traffic.kept();
                    if traffic_open && let Some(rest) = PACE.checked_sub(woken.elapsed()) {
                        traffic.pause(rest);
                    }
                }
                note = notes.recv(), if notes_open => match note {
                    Some(note) => {
                        // What was told between the looks at the two queues came first.
                        let before = progress.sent();
                        while progress.handled_count() < before
                            && let Some(event) = traffic.ready()
                        {
                            self.take_traffic(event)?;
                        }
                        match note {
                            Note::Attach { kind, name, bytes, place } => {
                                let attachment = self.capture.attach(kind, &name, &bytes)?;
                                let file = format!("{ATTACHMENTS}/{}", attachment.file);
                                self.take_note(RunEvent::Attached(attachment))?;
                                let _ = place.send(file);
                            }
                            Note::Event(event, written) => {
                                self.take_note(*event)?;
                                let _ = written.send(());
                            }
                        }
                    }
                    None => notes_open = false,
                },
                () = time_to_flush(self.unflushed) => self.flush()?,
            }
        }
        self.flush()?;
        self.capture.look_again()
    }

    fn take_note(&mut self, event: RunEvent) -> Result<(), StoreError> {
        if let RunEvent::PhaseBegan { name, .. } = &event {
            self.phase.clone_from(name);
        }
        if matches!(event, RunEvent::RunEnded { .. }) {
            self.write_unfinished()?;
            self.ended = true;
        }
        self.write(self.clock.now(), event)?;
        self.flush()
    }

    /// What a writer that cannot go on still tries to say: that it could not. Where only a large body found no room, there is
    /// some for a line.
    fn last_words(&mut self, error: &StoreError) {
        self.exchanges.clear();
        let ending = RunEnding::InstrumentFailed { why: error.to_string() };
        if !self.ended && self.write(self.clock.now(), RunEvent::RunEnded { ending }).is_ok() {
            let _ = self.flush();
        }
    }

    fn take_traffic(&mut self, event: TrafficEvent) -> Result<(), StoreError> {
        if self.ended {
            // What a source still gives after the run's end was not waited for: the log's last word is the ending.
            return Ok(());
        }
        match event {
            TrafficEvent::Began { id, tunnel, at, method, url, http_version, headers } => {
                self.write(at, RunEvent::ExchangeBegan { id, method: method.clone(), host: url.host.clone(), tunnel })?;
                let seen = SeenRequest {
                    id,
                    method: method.clone(),
                    host: url.host.clone(),
                    path: url.path().to_owned(),
                    began: at,
                    ended: None,
                    said: None,
                };
                let mut known = lock(&self.seen);
                known.began(seen);
                known.sent(url.path_and_query.expose().len() + length(&headers));
                drop(known);
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
                match side {
                    Side::Request => lock(&self.seen).sent(bytes.expose().len()),
                    Side::Response => lock(&self.seen).received(bytes.expose().len()),
                }
                if let Some(open) = self.exchanges.get_mut(&id) {
                    // Exposed to be written into the capture, where it belongs.
                    open.body(side).writer.owned_piece(bytes.into_exposed())?;
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
                lock(&self.seen).received(length(&headers));
                if let Some(open) = self.exchanges.get_mut(&id) {
                    open.answer = Some((status, http_version, headers));
                }
            }
            TrafficEvent::Message { id, at, sent, text, bytes, length, complete } => {
                if let Some(open) = self.exchanges.get_mut(&id) {
                    open.messages += 1;
                    let long = usize::try_from(length).unwrap_or(usize::MAX);
                    let mut known = lock(&self.seen);
                    if sent {
                        known.said(id, at);
                        known.sent(long);
                    } else {
                        known.received(long);
                    }
                    drop(known);
                    let (number, url, phase) = (open.messages, open.url.clone(), self.phase.clone());
                    let mut writer = self.capture.body();
                    writer.piece(bytes.expose())?;
                    let body = Body { bytes: length, ..writer.finish(complete)? };
                    self.write(at, RunEvent::Message(Box::new(Message { exchange: id, number, phase, at, sent, text, url, body })))?;
                }
            }
            TrafficEvent::Noted { id, at, note } => self.write(at, RunEvent::ExchangeNoted { id, note })?,
            TrafficEvent::Ended { id, at, error } => {
                if let Some(open) = self.exchanges.remove(&id) {
                    let exchange = open.into_exchange(id, at, error)?;
                    lock(&self.seen).ended(id, at, exchange.response.as_ref().map(|response| response.status));
                    self.write(at, RunEvent::Exchange(Box::new(exchange)))?;
                }
            }
            TrafficEvent::TunnelBegan { id, at, host, port } => {
                lock(&self.seen).opened(&host);
                self.write(at, RunEvent::TunnelBegan { id, phase: self.phase.clone(), host: host.clone(), port })?;
                self.tunnels.insert(id, OpenTunnel { phase: self.phase.clone(), began: at, host, port, requests: 0 });
            }
            TrafficEvent::TunnelEnded { id, at, sni, alpn, outcome, evidence } => {
                if let Some(bytes) = evidence.bytes {
                    let long = |count| usize::try_from(count).unwrap_or(usize::MAX);
                    let mut known = lock(&self.seen);
                    known.sent(long(bytes.sent));
                    known.received(long(bytes.received));
                }
                if let Some(OpenTunnel { phase, began, host, port, .. }) = self.tunnels.remove(&id) {
                    // Where the CONNECT gave an address only, an audit calls it by the name in its TLS.
                    if let Some(name) = sni.as_ref().filter(|_| host.parse::<IpAddr>().is_ok()) {
                        lock(&self.seen).connected(name);
                    }
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
        self.unflushed.get_or_insert_with(Instant::now);
        self.tell(NumberedEvent { n, at, event });
        Ok(())
    }

    fn flush_in_time(&mut self, traffic: &mut TrafficReceiver) -> Result<(), StoreError> {
        let after = if traffic.is_awaited() { PACE } else { FLUSH_AFTER };
        if self.unflushed.is_some_and(|since| since.elapsed() >= after) {
            self.flush()?;
            traffic.kept();
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.unflushed = None;
        self.capture.flush()
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

/// Resolves when lines have waited long enough; never when there are none.
async fn time_to_flush(unflushed: Option<Instant>) {
    match unflushed {
        Some(since) => tokio::time::sleep_until((since + FLUSH_AFTER).into()).await,
        None => std::future::pending().await,
    }
}

/// Bytes that headers take.
fn length(headers: &[Header]) -> usize {
    headers.iter().map(|header| header.name.len() + header.value.expose().len()).sum()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
