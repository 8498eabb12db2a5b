//! From the writer of the capture to the live table: a thread of its own decodes what was written, so that neither the proxy nor
//! the writer waits for it. What is decoded goes into `live`.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use super::live::{Live, PATIENCE};
use crate::{
    decode::Observer,
    model::{App, Bodies, Body, BodyContent, ExchangeId, Message, NumberedEvent, Provenance, Recording as _, RunEvent, TunnelId},
    run::Watcher,
    store::CaptureReader,
};

/// Bytes of bodies that may wait to be decoded. More is left to the audit, and said. What needs no decoding may take as much again.
const MOST_WAITING: usize = 64 * 1024 * 1024;
/// Events that are decoded together: what has come while the last ones were decoded.
const BATCH: usize = 256;
/// What an event takes beside its bodies.
const OVERHEAD: usize = 1024;

/// What the thread needs to know of the session.
#[derive(Clone)]
pub(super) struct About {
    /// The app, or nothing known.
    pub(super) app: App,
    /// Where the capture is from.
    pub(super) provenance: Provenance,
    /// The capture's folder, where large bodies are; told when the capture is made.
    pub(super) folder: Arc<Mutex<Option<PathBuf>>>,
}

/// What the thread is told.
enum Item {
    Event(Box<NumberedEvent>),
    /// Something is over, and nobody had the time to decode it.
    Skipped(Skipped),
}

/// What is known of something that nobody had the time to decode.
enum Skipped {
    /// An exchange with this host, and the tunnel that it came through.
    Exchange(ExchangeId, String, Option<TunnelId>),
    /// A message to or from this host.
    Message(String),
    /// A tunnel.
    Tunnel(TunnelId),
}

impl Skipped {
    /// Of an event, if something is lost with it: that something began is told by its end as well.
    fn of(event: &RunEvent) -> Option<Self> {
        match event {
            RunEvent::Exchange(exchange) => Some(Self::Exchange(exchange.id, exchange.request.url.host.clone(), exchange.tunnel)),
            RunEvent::Message(message) => Some(Self::Message(message.url.host.clone())),
            RunEvent::Tunnel(tunnel) => Some(Self::Tunnel(tunnel.id)),
            _ => None,
        }
    }
}

/// The thread at work. It ends when every [`Watcher`] of it is gone.
pub(super) struct Feed {
    thread: thread::JoinHandle<()>,
    live: Arc<Mutex<Live>>,
}

/// Starts the thread; gives what is to be told of every event.
///
/// # Errors
/// When the system has no thread to give.
pub(super) fn start(about: About) -> std::io::Result<(Feed, Watcher)> {
    start_with(about, MOST_WAITING)
}

fn start_with(about: About, most: usize) -> std::io::Result<(Feed, Watcher)> {
    let live = Arc::new(Mutex::new(Live::default()));
    let (sender, receiver) = mpsc::channel::<Item>();
    let (waiting, skipped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
    let watcher: Watcher = {
        let (waiting, skipped) = (Arc::clone(&waiting), Arc::clone(&skipped));
        Arc::new(move |event: &NumberedEvent| {
            if !matters(&event.event) {
                return;
            }
            let size = size(&event.event);
            let most = if needs_decoding(&event.event) { most } else { most.saturating_mul(2) };
            if waiting.fetch_add(size, Ordering::Relaxed) > most {
                waiting.fetch_sub(size, Ordering::Relaxed);
                if let Some(lost) = Skipped::of(&event.event) {
                    skipped.fetch_add(1, Ordering::Relaxed);
                    let _ = sender.send(Item::Skipped(lost));
                }
            } else {
                // A thread that is gone is told by `Live::broken`; the capture goes on.
                let _ = sender.send(Item::Event(Box::new(event.clone())));
            }
        })
    };
    let work = Work { decoding: Decoding::new(about, Arc::clone(&live)), receiver, waiting, skipped };
    let thread = thread::Builder::new().name("tattletale-live".to_owned()).spawn(move || work.run())?;
    Ok((Feed { thread, live }, watcher))
}

impl Feed {
    /// What has been seen so far.
    pub(super) fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until everything that was told is in [`Feed::live`]. Every watcher must be gone by then.
    pub(super) fn finish(self) -> Live {
        // A panic of the thread was told when it happened, and `Live::broken` says so.
        let _ = self.thread.join();
        std::mem::take(&mut *self.live.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is in a capture, as it was shown while it was written: where not everything that was shown could be written, this is what
/// was. `None` when it cannot be read.
pub(super) fn reread(about: About) -> Option<Live> {
    let folder = about.folder.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
    let capture = CaptureReader::open(&folder).ok()?;
    let live = Arc::new(Mutex::new(Live::default()));
    let mut decoding = Decoding::new(about, Arc::clone(&live));
    let mut batch = Vec::new();
    let read = capture.replay(&mut |event, _| {
        if matters(&event.event) {
            batch.push(event.clone());
        }
        if batch.len() >= BATCH {
            decoding.batch(&batch, 0);
            batch.clear();
        }
    });
    decoding.batch(&batch, 0);
    // Of what was open when it broke off, no end can come.
    decoding.settle(Instant::now() + PATIENCE);
    read.ok()?;
    let live = std::mem::take(&mut *live.lock().unwrap_or_else(PoisonError::into_inner));
    Some(live)
}

struct Work {
    decoding: Decoding,
    receiver: mpsc::Receiver<Item>,
    waiting: Arc<AtomicUsize>,
    skipped: Arc<AtomicU64>,
}

/// From events to what is shown.
struct Decoding {
    about: About,
    live: Arc<Mutex<Live>>,
    /// Connections of which a message was seen.
    messaged: BTreeSet<ExchangeId>,
    reader: Option<CaptureReader>,
}

/// Says that decoding has stopped, unless it ended as it should.
struct Alarm(Arc<Mutex<Live>>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).broken = true;
        }
    }
}

impl Work {
    fn run(mut self) {
        let _alarm = Alarm(Arc::clone(&self.decoding.live));
        loop {
            // Connections of which nothing comes are to be shown all the same.
            let is_waiting = self.decoding.live().is_waiting();
            let item = if is_waiting { self.receiver.recv_timeout(PATIENCE / 4) } else { self.receiver.recv().map_err(Into::into) };
            let first = match item {
                Ok(first) => first,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    self.decoding.settle(Instant::now());
                    continue;
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            let (mut batch, mut lost) = (Vec::new(), Vec::new());
            let rest: Vec<Item> = self.receiver.try_iter().take(BATCH).collect();
            for item in std::iter::once(first).chain(rest) {
                match item {
                    Item::Event(event) => batch.push(*event),
                    Item::Skipped(skipped) => lost.push(skipped),
                }
            }
            self.decoding.batch(&batch, self.skipped.load(Ordering::Relaxed));
            // What of it had begun is in there.
            self.decoding.leave_out(lost);
            self.decoding.settle(Instant::now());
            let done = batch.iter().map(|event| size(&event.event)).sum();
            self.waiting.fetch_sub(done, Ordering::Relaxed);
        }
    }
}

impl Decoding {
    const fn new(about: About, live: Arc<Mutex<Live>>) -> Self {
        Self { about, live, messaged: BTreeSet::new(), reader: None }
    }

    /// Shows connections that have been open for a while, and of which nothing was read.
    fn settle(&self, now: Instant) {
        self.live().settle(&self.about.app, now);
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows what was not looked at.
    fn leave_out(&self, lost: Vec<Skipped>) {
        let (mut live, app, now) = (self.live(), &self.about.app, Instant::now());
        for skipped in lost {
            match skipped {
                Skipped::Exchange(id, host, tunnel) => {
                    live.left_out(app, &host, now);
                    live.ended(id);
                    tunnel.into_iter().for_each(|tunnel| live.not_open(tunnel));
                }
                Skipped::Message(host) => live.left_out(app, &host, now),
                Skipped::Tunnel(id) => live.not_open(id),
            }
        }
    }

    /// Takes events in. So many exchanges were left out so far.
    fn batch(&mut self, batch: &[NumberedEvent], skipped: u64) {
        let now = Instant::now();
        {
            // What needs no decoding is shown at once: a receiver appears when its request begins.
            let mut live = self.live();
            live.skipped = skipped;
            for event in batch {
                match &event.event {
                    RunEvent::ExchangeBegan { id, host, tunnel, .. } => live.began(&self.about.app, *id, *tunnel, host, now),
                    RunEvent::TunnelBegan { id, host, .. } => live.opened(*id, host, now),
                    RunEvent::Tunnel(tunnel) => live.tunnel(&self.about.app, tunnel, now),
                    RunEvent::Exchange(exchange) => exchange.tunnel.into_iter().for_each(|tunnel| live.not_open(tunnel)),
                    _ => {}
                }
            }
        }
        if self.reader.is_none() {
            let folder = self.about.folder.lock().unwrap_or_else(PoisonError::into_inner).clone();
            self.reader = folder.and_then(|folder| CaptureReader::open(&folder).ok());
        }
        let none = crate::model::NoBodies;
        let bodies: &dyn Bodies = self.reader.as_ref().map_or(&none, |reader| reader);
        let mut observer = Observer::new(&self.about.app, &self.about.provenance);
        self.messaged.iter().for_each(|exchange| observer.has_messages(*exchange));
        let mut unread = Vec::new();
        for event in batch {
            match &event.event {
                RunEvent::Exchange(_) => observer.absorb(&event.event, bodies),
                RunEvent::Message(message) => {
                    self.messaged.insert(message.exchange);
                    let lost = unkept(message, bodies);
                    if lost == 0 {
                        observer.absorb(&event.event, bodies);
                        continue;
                    }
                    // Of a long one, the beginning is kept: only that is read.
                    let mut begun = message.clone();
                    begun.body.bytes -= lost;
                    observer.absorb(&RunEvent::Message(begun), bodies);
                    if message.sent {
                        unread.push((message.url.host.as_str(), lost));
                    }
                }
                _ => {}
            }
        }
        let observations = observer.finish();
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        for event in batch {
            match &event.event {
                RunEvent::Exchange(exchange) => {
                    self.messaged.remove(&exchange.id);
                    live.ended(exchange.id);
                }
                RunEvent::Message(_) => live.messages += 1,
                _ => {}
            }
        }
        live.observed(&self.about.app, observations, now);
        unread.into_iter().for_each(|(host, lost)| live.not_kept(&self.about.app, host, lost));
    }
}

/// Bytes of a message that passed and were not recorded.
fn unkept(message: &Message, bodies: &dyn Bodies) -> u64 {
    let Body { bytes, content, .. } = &message.body;
    let kept = match content {
        BodyContent::Torn(kept) => kept.expose().len() as u64,
        BodyContent::TornSpilled(_) => {
            let kept = message.body.open(bodies).ok().flatten();
            kept.and_then(|mut kept| std::io::copy(&mut kept, &mut std::io::sink()).ok()).unwrap_or_default()
        }
        BodyContent::Absent(_) => 0,
        BodyContent::Empty | BodyContent::Inline(_) | BodyContent::Spilled => return 0,
    };
    bytes.saturating_sub(kept)
}

/// Whether an event changes what is shown.
const fn matters(event: &RunEvent) -> bool {
    matches!(
        event,
        RunEvent::ExchangeBegan { .. } | RunEvent::Exchange(_) | RunEvent::Message(_) | RunEvent::Tunnel(_) | RunEvent::TunnelBegan { .. }
    )
}

/// Whether an event takes a while to look at, and room while it waits for that.
const fn needs_decoding(event: &RunEvent) -> bool {
    matches!(event, RunEvent::Exchange(_) | RunEvent::Message(_))
}

/// Bytes that an event keeps in memory, roughly.
fn size(event: &RunEvent) -> usize {
    let body = |body: &Body| match &body.content {
        BodyContent::Inline(bytes) | BodyContent::Torn(bytes) => bytes.expose().len(),
        _ => 0,
    };
    OVERHEAD
        + match event {
            RunEvent::Exchange(exchange) => {
                body(&exchange.request.body) + exchange.response.as_ref().map_or(0, |response| body(&response.body))
            }
            RunEvent::Message(message) => body(&message.body),
            _ => 0,
        }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{super::live::tests::refused, *};
    use crate::model::{
        AppVersion, CaptureSource, Captured, Exchange, Platform, Request, Response, Rig, Target, Url, capture::CAPTURE_FORMAT,
    };

    fn about() -> About {
        let target = Target {
            app: "unknown-app".to_owned(),
            platform: Platform::Lab,
            version: AppVersion::named("1.0"),
            scenario: "unscripted".to_owned(),
            claimed: true,
        };
        let provenance = Provenance {
            format: CAPTURE_FORMAT,
            tool: "test".to_owned(),
            source: CaptureSource::Proxy,
            target,
            scenario_hash: None,
            run: 1,
            runs: 1,
            rig: Rig::ByHand { about: "a test".to_owned() },
            started: Timestamp::UNIX_EPOCH,
            planted: Vec::new(),
            expectations: Vec::new(),
            control: None,
        };
        About { app: App::default(), provenance, folder: Arc::default() }
    }

    fn event(event: RunEvent) -> NumberedEvent {
        NumberedEvent { n: 1, at: Timestamp::UNIX_EPOCH, event }
    }

    fn url() -> Url {
        Url { scheme: "wss".into(), host: "chat.test".into(), port: 443, path_and_query: Captured::new("/room".into()) }
    }

    fn message(body: Body) -> NumberedEvent {
        event(RunEvent::Message(Box::new(Message {
            exchange: ExchangeId(1),
            number: 1,
            phase: "unscripted".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            sent: true,
            text: true,
            url: url(),
            body,
        })))
    }

    fn opening() -> NumberedEvent {
        let request = Request {
            method: "GET".to_owned(),
            url: url(),
            http_version: String::new(),
            headers: Vec::new(),
            body: Body::default(),
            trailers: Vec::new(),
        };
        let response =
            Some(Response { status: 101, http_version: String::new(), headers: Vec::new(), body: Body::default(), trailers: Vec::new() });
        event(RunEvent::Exchange(Box::new(Exchange {
            id: ExchangeId(1),
            phase: "unscripted".to_owned(),
            tunnel: None,
            began: Timestamp::UNIX_EPOCH,
            ended: Some(Timestamp::UNIX_EPOCH),
            request,
            response,
            error: None,
        })))
    }

    #[test]
    fn a_message_of_which_only_the_beginning_was_kept_is_a_blind_spot_whenever_its_connection_ends() {
        let torn = Body { bytes: 40_000_000, sha256: None, content: BodyContent::Torn(Captured::new(b"{\"a\":1".to_vec())) };
        let whole = Body::inline(b"{\"a\":1}".to_vec());
        for (body, expected) in [(torn, &["not recorded to its end, 39 MB sent unread"][..]), (whole, &[])] {
            let live = Arc::<Mutex<Live>>::default();
            let mut decoding = Decoding::new(about(), Arc::clone(&live));
            decoding.batch(&[message(body)], 0);
            decoding.batch(&[opening()], 0);
            assert_eq!(live.lock().expect("no panic").receiver("chat.test").expect("it is there").blind_spots(), expected);
        }
    }

    #[test]
    fn only_what_was_kept_of_a_message_was_read() {
        let kept = b"{\"a\":1";
        let torn = Body { bytes: 40_000_000, sha256: None, content: BodyContent::Torn(Captured::new(kept.to_vec())) };
        let live = Arc::<Mutex<Live>>::default();
        Decoding::new(about(), Arc::clone(&live)).batch(&[message(torn)], 0);
        let live = live.lock().expect("no panic");
        let row = live.receiver("chat.test").expect("it is there");
        assert_eq!(row.bytes, kept.len() as u64);
        assert_eq!(row.blind_spots(), ["not recorded to its end, 39 MB sent unread"]);
    }

    #[test]
    fn what_comes_too_fast_for_the_table_has_its_row_and_hides_no_connection() {
        let (feed, watcher) = start_with(about(), 3 * OVERHEAD).expect("a thread");
        {
            // Nothing is decoded meanwhile.
            let _live = feed.live();
            for _ in 0..20 {
                watcher(&message(Body::inline(b"{\"a\":1}".to_vec())));
            }
            watcher(&event(RunEvent::Tunnel(refused("pinned.test"))));
        }
        drop(watcher);
        let live = feed.finish();
        assert_eq!(live.receiver("pinned.test").expect("it is there").blind_spots(), ["refused our certificate (UnknownCA)"]);
        let fast = live.receiver("chat.test").expect("it is there");
        assert_eq!((live.messages, live.skipped), (3, 17));
        assert_eq!(fast.blind_spots(), ["came too fast to be looked at here (17x)"]);
    }
}
