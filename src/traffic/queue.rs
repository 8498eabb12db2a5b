//! The queue between a traffic source and the one who writes: bounded in bytes and in time, so that a slow disk slows the source
//! down instead of filling the memory, and what has passed is soon written. Who must not go on before something is kept waits for
//! that. Nothing is dropped.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{TrafficError, TrafficEvent};
use crate::model::Header;

/// Bytes of bodies and headers that may wait to be written. Small on purpose: what waits here is lost when the program is
/// killed, and is over in a few milliseconds at the speed of a writer.
const CAPACITY: usize = 1024 * 1024;

/// A writer that is so far behind is waited for, however little there is in the queue: the program may be killed, and of what passes
/// through a connection that stays open no more is to be lost than this, the time until the writer's next flush, and a moment to run.
const FAR_BEHIND: Duration = Duration::from_millis(10);

/// Bytes beyond that of what cannot wait: requests whose clients left while they did.
const LATE: usize = CAPACITY / 4;

/// Events that are taken out at once.
const BATCH: usize = 256;

#[derive(Debug)]
struct Queued {
    event: TrafficEvent,
    /// The room it takes until it is handled.
    room: OwnedSemaphorePermit,
    /// When it was put there.
    at: u64,
    /// Who waits for it to be kept.
    kept: Option<oneshot::Sender<()>>,
}

/// The sending end. Clones feed the same queue.
#[derive(Clone, Debug)]
pub struct TrafficSender {
    events: mpsc::UnboundedSender<Queued>,
    room: Arc<Semaphore>,
    late: Arc<Semaphore>,
    progress: Arc<Progress>,
}

/// Room in the queue for one event.
#[derive(Debug)]
pub struct Room(OwnedSemaphorePermit);

/// The receiving end.
#[derive(Debug)]
pub struct TrafficReceiver {
    events: mpsc::UnboundedReceiver<Queued>,
    /// Taken out of the channel, and not yet given.
    batch: VecDeque<Queued>,
    /// Room of the event that was given last: it is being handled.
    handling: Option<OwnedSemaphorePermit>,
    /// Who waits for events that were given to be kept.
    awaited: Vec<oneshot::Sender<()>>,
    progress: Arc<Progress>,
}

/// How far the receiver is. Whoever asks what was seen can wait here for what has been sent.
#[derive(Debug)]
pub struct Progress {
    /// Events put into the queue.
    sent: AtomicU64,
    handled: Mutex<Handled>,
    changed: Condvar,
    /// When the queue was made; times are counted from here.
    began: Instant,
    /// When the event was put there that is being handled or is next, in nanoseconds; 0 when there is none.
    oldest: AtomicU64,
    /// The oldest event is another one.
    moved: Notify,
    /// Exchanges that have begun, and whose end is not kept.
    exchanges: AtomicU64,
    /// Those of them whose end somebody waits for to be kept.
    ends: AtomicU64,
    /// Somebody else waits for an end to be kept.
    hurry: Condvar,
}

#[derive(Debug, Default)]
struct Handled {
    /// Events that are over and done with.
    count: u64,
    /// Nobody handles any more.
    closed: bool,
    /// How many wait for a change.
    waiting: usize,
}

/// A queue.
pub fn queue() -> (TrafficSender, TrafficReceiver) {
    let (events, receiver) = mpsc::unbounded_channel();
    let progress = Arc::new(Progress {
        sent: AtomicU64::new(0),
        handled: Mutex::default(),
        changed: Condvar::new(),
        began: Instant::now(),
        oldest: AtomicU64::new(0),
        moved: Notify::new(),
        exchanges: AtomicU64::new(0),
        ends: AtomicU64::new(0),
        hurry: Condvar::new(),
    });
    let (room, late) = (Arc::new(Semaphore::new(CAPACITY)), Arc::new(Semaphore::new(LATE)));
    let sender = TrafficSender { events, room, late, progress: Arc::clone(&progress) };
    (sender, TrafficReceiver { events: receiver, batch: VecDeque::new(), handling: None, awaited: Vec::new(), progress })
}

impl TrafficSender {
    /// Puts an event into the queue, waiting for room.
    ///
    /// # Errors
    /// [`TrafficError::NobodyListens`] when the receiver is gone.
    pub async fn send(&self, event: TrafficEvent) -> Result<(), TrafficError> {
        let room = self.room(&event).await?;
        self.send_into(room, event)
    }

    /// Waits for room for an event. Nothing is in the queue yet: whoever stops waiting still has the event.
    ///
    /// # Errors
    /// [`TrafficError::NobodyListens`] when the receiver is gone.
    pub async fn room(&self, event: &TrafficEvent) -> Result<Room, TrafficError> {
        self.progress.until_near().await;
        let room = Arc::clone(&self.room).acquire_many_owned(room_for(event, CAPACITY)).await;
        room.map(Room).map_err(|_| TrafficError::NobodyListens)
    }

    /// Puts an event into the queue where there is room for it.
    ///
    /// # Errors
    /// [`TrafficError::NobodyListens`] when the receiver is gone.
    pub fn send_into(&self, room: Room, event: TrafficEvent) -> Result<(), TrafficError> {
        self.put(event, room.0, None).map_or(Ok(()), |_| Err(TrafficError::NobodyListens))
    }

    /// Puts an event into the queue if there is room at once, else gives it back: it must wait ([`Self::send`]), or nobody
    /// listens.
    #[must_use]
    pub fn try_send(&self, event: TrafficEvent) -> Option<TrafficEvent> {
        if self.progress.is_far_behind() {
            return Some(event);
        }
        match Arc::clone(&self.room).try_acquire_many_owned(room_for(&event, CAPACITY)) {
            Ok(permit) => self.put(event, permit, None),
            Err(_) => Some(event),
        }
    }

    /// Puts an event into the queue at once, over the bound, as far as there is room kept for what cannot wait; else gives it back.
    #[must_use]
    pub fn try_send_late(&self, event: TrafficEvent) -> Option<TrafficEvent> {
        match Arc::clone(&self.late).try_acquire_many_owned(room_for(&event, LATE)) {
            Ok(permit) => self.put(event, permit, None),
            Err(_) => Some(event),
        }
    }

    /// Puts an event into the queue at once, over the bound if it must be: for the end of an exchange, told from a destructor.
    pub fn send_now(&self, event: TrafficEvent) {
        let permit = Arc::clone(&self.room).try_acquire_many_owned(0);
        if let Ok(permit) = permit {
            let _ = self.put(event, permit, None);
        }
    }

    /// Puts the end of an exchange into the queue at once, over the bound if it must be, and waits until it is kept: from then on
    /// this program can be killed without losing it. Whoever stops waiting has told it all the same.
    ///
    /// # Errors
    /// [`TrafficError::NobodyListens`] when the receiver is gone, or went before it was kept.
    pub fn send_end(&self, event: TrafficEvent) -> impl Future<Output = Result<(), TrafficError>> + Send + Sync + use<> {
        let (kept, is_kept) = oneshot::channel();
        if let Ok(permit) = Arc::clone(&self.room).try_acquire_many_owned(0) {
            let _ = self.put(event, permit, Some(kept));
        }
        async move { is_kept.await.map_err(|_| TrafficError::NobodyListens) }
    }

    /// Gives the event back when nobody listens.
    fn put(&self, event: TrafficEvent, room: OwnedSemaphorePermit, kept: Option<oneshot::Sender<()>>) -> Option<TrafficEvent> {
        // Counted first: who waits for all that was sent must never see fewer than were handled. One that nobody takes ends
        // the waiting, because the receiver is closed then.
        self.progress.sent.fetch_add(1, Ordering::SeqCst);
        let now = self.progress.now();
        let _ = self.progress.oldest.compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst);
        match (&event, &kept) {
            (TrafficEvent::Began { .. }, _) => self.progress.exchanges.fetch_add(1, Ordering::SeqCst),
            (_, Some(_)) => self.progress.ends.fetch_add(1, Ordering::SeqCst),
            (TrafficEvent::Ended { .. }, None) => self.progress.exchanges.fetch_sub(1, Ordering::SeqCst),
            _ => 0,
        };
        let refused = self.events.send(Queued { event, room, at: now, kept }).err().map(|refused| refused.0.event);
        if refused.is_some() {
            // Nobody will ever be done with it: whoever sends next must not wait for that.
            self.progress.move_on(0);
        }
        self.progress.hurry_if_everybody_waits();
        refused
    }
}

impl TrafficReceiver {
    /// The next event; `None` when every sender is gone. Asking for it says that the one before is handled: its room is free
    /// again, and that all before it are [kept](Self::kept). May be cancelled without loss.
    pub async fn next(&mut self) -> Option<TrafficEvent> {
        self.kept();
        if let Some(event) = self.ready() {
            return Some(event);
        }
        let mut batch = Vec::new();
        self.events.recv_many(&mut batch, BATCH).await;
        self.batch.extend(batch);
        self.give()
    }

    /// The next event if there is one already: the one before is handled, but need not be kept.
    pub fn ready(&mut self) -> Option<TrafficEvent> {
        self.is_handled();
        if self.batch.is_empty() {
            self.batch.extend(std::iter::from_fn(|| self.events.try_recv().ok()).take(BATCH));
        }
        self.give()
    }

    /// All events that were given are where they are not lost any more. Whoever waits for that goes on.
    pub fn kept(&mut self) {
        if self.awaited.is_empty() {
            return;
        }
        let count = self.awaited.len() as u64;
        self.progress.ends.fetch_sub(count, Ordering::SeqCst);
        self.progress.exchanges.fetch_sub(count, Ordering::SeqCst);
        for kept in self.awaited.drain(..) {
            // It may have stopped waiting.
            let _ = kept.send(());
        }
    }

    /// Whether somebody waits for an event that was given to be kept.
    pub const fn is_awaited(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Lets events gather for so long, blocking the thread, but not while everybody waits for what is there to be kept.
    pub fn pause(&self, at_most: Duration) {
        let waiting = self.progress.handled();
        drop(self.progress.hurry.wait_timeout_while(waiting, at_most, |_| !self.progress.everybody_waits()));
    }

    /// How far this receiver is.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    fn give(&mut self) -> Option<TrafficEvent> {
        let Some(Queued { event, room, at, kept }) = self.batch.pop_front() else {
            // An event that was put there in this moment is not seen as the oldest before it is taken out: soon.
            self.progress.move_on(0);
            return None;
        };
        self.handling = Some(room);
        self.awaited.extend(kept);
        self.progress.move_on(at);
        Some(event)
    }

    fn is_handled(&mut self) {
        if self.handling.take().is_some() {
            let mut handled = self.progress.handled();
            handled.count += 1;
            if handled.waiting > 0 {
                self.progress.changed.notify_all();
            }
        }
    }
}

impl Drop for TrafficReceiver {
    fn drop(&mut self) {
        self.events.close();
        self.progress.handled().closed = true;
        self.progress.move_on(0);
        self.progress.changed.notify_all();
    }
}

impl Progress {
    /// Events sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Blocks until so many events were handled, nobody handles any more, or the time is over.
    pub fn wait_until(&self, count: u64, at_most: Duration) {
        let mut handled = self.handled();
        handled.waiting += 1;
        let behind = |handled: &mut Handled| handled.count < count && !handled.closed;
        let mut handled = match self.changed.wait_timeout_while(handled, at_most, behind) {
            Ok((handled, _)) => handled,
            Err(poisoned) => poisoned.into_inner().0,
        };
        handled.waiting -= 1;
    }

    /// Events handled so far.
    pub fn handled_count(&self) -> u64 {
        self.handled().count
    }

    /// Tells a receiver that pauses.
    fn hurry_if_everybody_waits(&self) {
        if self.everybody_waits() {
            // It has looked before this, and waits by now, or will look again.
            drop(self.handled());
            self.hurry.notify_one();
        }
    }

    /// Whether nothing more can come before an end is kept, as far as is known: each exchange waits for that.
    fn everybody_waits(&self) -> bool {
        let ends = self.ends.load(Ordering::SeqCst);
        ends > 0 && ends >= self.exchanges.load(Ordering::SeqCst)
    }

    /// Waits while the receiver is far behind.
    async fn until_near(&self) {
        loop {
            let moved = self.moved.notified();
            if !self.is_far_behind() {
                return;
            }
            moved.await;
        }
    }

    fn is_far_behind(&self) -> bool {
        match self.oldest.load(Ordering::SeqCst) {
            0 => false,
            oldest => self.now().saturating_sub(oldest) > FAR_BEHIND.as_nanos() as u64,
        }
    }

    fn move_on(&self, oldest: u64) {
        if self.oldest.swap(oldest, Ordering::SeqCst) != oldest {
            self.moved.notify_waiters();
        }
    }

    /// Nanoseconds since the queue was made, and never 0.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    fn handled(&self) -> MutexGuard<'_, Handled> {
        self.handled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The room that an event takes of so much: what is larger passes alone.
fn room_for(event: &TrafficEvent, most: usize) -> u32 {
    u32::try_from(weight(event).min(most)).unwrap_or(u32::MAX)
}

fn weight(event: &TrafficEvent) -> usize {
    256 + match event {
        TrafficEvent::BodyPiece { bytes, .. } | TrafficEvent::Message { bytes, .. } => bytes.expose().len(),
        TrafficEvent::Began { url, headers, .. } => url.path_and_query.expose().len() + weight_of(headers),
        TrafficEvent::Answered { headers, .. } | TrafficEvent::BodyEnded { trailers: headers, .. } => weight_of(headers),
        TrafficEvent::Noted { note, .. } => note.len(),
        TrafficEvent::Ended { .. } | TrafficEvent::TunnelBegan { .. } | TrafficEvent::TunnelEnded { .. } => 0,
    }
}

fn weight_of(headers: &[Header]) -> usize {
    headers.iter().map(|header| header.name.len() + header.value.expose().len()).sum()
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use jiff::Timestamp;

    use super::*;
    use crate::{
        model::{Captured, ExchangeId, Url},
        traffic::Side,
    };

    fn piece(length: usize) -> TrafficEvent {
        TrafficEvent::BodyPiece { id: ExchangeId(1), side: Side::Request, bytes: Captured::new(vec![0; length]) }
    }

    fn length(event: Option<TrafficEvent>) -> usize {
        match event {
            Some(TrafficEvent::BodyPiece { bytes, .. }) => bytes.expose().len(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_full_queue_makes_the_source_wait_until_an_event_is_handled() {
        let (sender, mut receiver) = queue();
        sender.send(piece(CAPACITY / 2)).await.expect("there is room");
        sender.send(piece(CAPACITY / 4)).await.expect("there is room");
        assert!(sender.try_send(piece(CAPACITY / 2)).is_some(), "there is none");
        assert_eq!(length(receiver.next().await), CAPACITY / 2);
        assert!(sender.try_send(piece(CAPACITY / 2)).is_some(), "what is given is being handled, and still in memory");
        assert_eq!(length(receiver.ready()), CAPACITY / 4);
        assert!(sender.try_send(piece(CAPACITY / 2)).is_none(), "the first one is handled");
        assert_eq!(length(receiver.next().await), CAPACITY / 2);
        assert!(receiver.ready().is_none());
        // Larger than the queue: it passes alone.
        assert!(sender.try_send(piece(2 * CAPACITY)).is_none());
        drop(sender);
        assert_eq!(length(receiver.next().await), 2 * CAPACITY);
        assert!(receiver.next().await.is_none());
    }

    #[tokio::test]
    async fn what_cannot_wait_finds_room_in_a_full_queue_up_to_a_bound() {
        let (sender, mut receiver) = queue();
        sender.send(piece(2 * CAPACITY)).await.expect("there is room");
        assert!(sender.try_send(piece(1)).is_some(), "it is full");
        let late = std::iter::from_fn(|| sender.try_send_late(piece(LATE / 8)).is_none().then_some(())).take(100).count();
        assert!((2..8).contains(&late), "{late}");
        while receiver.ready().is_some() {}
        assert!(sender.try_send_late(piece(2 * LATE)).is_none(), "its room is free again when it is handled");
        assert_eq!(length(receiver.next().await), 2 * LATE);
    }

    #[tokio::test]
    async fn a_writer_that_is_far_behind_is_waited_for_and_one_that_has_nothing_to_do_is_not() {
        let (sender, mut receiver) = queue();
        sender.send(piece(1)).await.expect("somebody listens");
        // Nothing is handled, so this ends only because the first one has become old.
        while sender.try_send(piece(1)).is_none() {
            tokio::time::sleep(FAR_BEHIND / 4).await;
        }
        let waiting = tokio::spawn({
            let sender = sender.clone();
            async move { sender.send(piece(7)).await }
        });
        while length(receiver.next().await) != 7 {}
        waiting.await.expect("no panic").expect("somebody listens");
        assert!(receiver.ready().is_none());
        tokio::time::sleep(2 * FAR_BEHIND).await;
        assert!(sender.try_send(piece(1)).is_none(), "what was handled long ago holds nobody up");
        assert_eq!(length(receiver.next().await), 1);
        assert!(tokio::time::timeout(2 * FAR_BEHIND, receiver.next()).await.is_err());
        assert!(sender.try_send(piece(1)).is_none(), "nor what was handled before a wait");
    }

    fn began() -> TrafficEvent {
        let url = Url { scheme: "http".into(), host: "a.test".into(), port: 80, path_and_query: Captured::new("/".into()) };
        let (method, http_version) = ("GET".to_owned(), "HTTP/1.1".to_owned());
        TrafficEvent::Began { id: ExchangeId(1), tunnel: None, at: Timestamp::UNIX_EPOCH, method, url, http_version, headers: Vec::new() }
    }

    fn ended() -> TrafficEvent {
        TrafficEvent::Ended { id: ExchangeId(1), at: Timestamp::UNIX_EPOCH, error: None }
    }

    /// Whether somebody who waits goes on, and whether because it is kept.
    fn is_kept(waiting: &mut (impl Future<Output = Result<(), TrafficError>> + Unpin)) -> Option<bool> {
        match Pin::new(waiting).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(kept) => Some(kept.is_ok()),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn who_waits_for_an_end_to_be_kept_waits_until_the_receiver_says_so_or_is_gone() {
        let (sender, mut receiver) = queue();
        let mut kept = [sender.send_end(ended()), sender.send_end(ended()), sender.send_end(ended())].map(Box::pin);
        assert!(receiver.ready().is_some() && receiver.ready().is_some() && receiver.is_awaited());
        assert_eq!(kept.each_mut().map(is_kept), [None; 3], "given is not kept");
        receiver.kept();
        assert!(!receiver.is_awaited());
        let [one, two, three] = &mut kept;
        assert_eq!((is_kept(one), is_kept(two), is_kept(three)), (Some(true), Some(true), None));
        assert!(receiver.ready().is_some());
        drop(receiver);
        assert_eq!(is_kept(three), Some(false), "nobody keeps it");
        assert!(sender.send_end(ended()).await.is_err());
    }

    #[tokio::test]
    async fn a_receiver_lets_events_gather_unless_everybody_waits_for_it() {
        const LONG: Duration = Duration::from_secs(600);
        let (sender, mut receiver) = queue();
        for event in [began(), began()] {
            sender.send(event).await.expect("somebody listens");
        }
        let one = sender.send_end(ended());
        // One may still come.
        receiver.pause(Duration::from_millis(1));
        assert!(!receiver.progress.everybody_waits());
        let later = std::thread::spawn({
            let sender = sender.clone();
            move || sender.send_end(ended())
        });
        // Ends because both wait now.
        receiver.pause(LONG);
        let two = later.join().expect("no panic");
        while receiver.ready().is_some() {}
        receiver.kept();
        assert!(one.await.is_ok() && two.await.is_ok());
        assert!(!receiver.progress.everybody_waits(), "nobody does");
        sender.send(began()).await.expect("somebody listens");
        sender.send_now(ended());
        let last = sender.send_end(ended());
        receiver.pause(LONG);
        assert!(receiver.ready().is_some() && receiver.ready().is_some() && receiver.next().await.is_some());
        receiver.kept();
        assert!(last.await.is_ok());
    }

    #[tokio::test]
    async fn nobody_waits_for_a_receiver_that_is_gone() {
        let (sender, receiver) = queue();
        drop(receiver);
        let limit = Duration::from_secs(60);
        for _ in 0..2 {
            sender.send_now(piece(1));
            assert!(sender.try_send(piece(1)).is_some(), "it is given back");
            tokio::time::sleep(2 * FAR_BEHIND).await;
            let sent = tokio::time::timeout(limit, sender.send(piece(1))).await.expect("nothing is waited for");
            assert!(sent.is_err(), "nobody listens");
        }
    }

    #[tokio::test]
    async fn who_waits_for_what_was_sent_waits_until_it_is_handled_or_nobody_does() {
        let (sender, mut receiver) = queue();
        let progress = receiver.progress();
        for _ in 0..3 {
            sender.send(piece(1)).await.expect("somebody listens");
        }
        let waiting = std::thread::spawn({
            let progress = Arc::clone(&progress);
            move || {
                progress.wait_until(progress.sent(), Duration::from_secs(60));
                progress.handled_count()
            }
        });
        while receiver.ready().is_some() {}
        assert_eq!(waiting.join().expect("no panic"), 3);
        sender.send(piece(1)).await.expect("somebody listens");
        drop(receiver);
        progress.wait_until(progress.sent(), Duration::from_secs(60));
        assert!(sender.send(piece(1)).await.is_err(), "nobody listens");
    }
}
