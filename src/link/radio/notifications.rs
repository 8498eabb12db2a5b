//! A link's notifications, between the stack and whoever asks for them: kept in order, limited in number, without what the stack adds
//! of its own. A task takes them from the stack as they come, because the stack's own queue has no limit.

use std::{
    collections::{BTreeSet, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use btleplug::api::ValueNotification;
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc, oneshot},
    task::{JoinHandle, unconstrained},
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use super::super::{LinkError, Notification};

/// Notifications that may wait to be taken. A band sends some hundred a second at most, and a driver takes them as they come.
const WAITING_MAX: usize = 4096;

/// Values taken from the stack in one go at most, so that a flood cannot hold up the one who waits for the end of it.
const DRAIN_MAX: usize = 4 * WAITING_MAX;

/// Smallest part of a value that BlueZ may read in one piece: the smallest ATT MTU, less one byte.
const PIECE_MIN: usize = 22;

/// The stack's stream.
pub(super) type Values = Pin<Box<dyn Stream<Item = ValueNotification> + Send>>;

/// Notifications that came and were not taken yet.
pub(super) struct Inbox {
    state: Arc<State>,
    requests: mpsc::Sender<oneshot::Sender<()>>,
    pump: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    queue: Mutex<Queue>,
    /// Something came.
    came: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Notification>,
    /// Characteristics subscribed to.
    wanted: BTreeSet<Uuid>,
    flooded: bool,
}

impl Inbox {
    /// Begins to take values from the stack, in a task of the runtime: the stream must be dropped inside one, wherever the link is.
    pub(super) fn new(values: Values, runtime: &Handle) -> Self {
        let state = Arc::new(State::default());
        let (requests, asked) = mpsc::channel(1);
        let pump = runtime.spawn(pump(values, asked, Arc::clone(&state)));
        Self { state, requests, pump }
    }

    /// Whether a characteristic is subscribed to.
    pub(super) fn wants(&self, characteristic: Uuid) -> bool {
        self.queue().wanted.contains(&characteristic)
    }

    /// Takes notifications of a characteristic from now on. BlueZ shows each value that is read as if it had been notified; those of
    /// earlier reads are let go first.
    pub(super) async fn want(&self, characteristic: Uuid) {
        self.catch_up().await;
        self.queue().wanted.insert(characteristic);
    }

    /// Takes no more of a characteristic; what came until now stays.
    pub(super) async fn refuse(&self, characteristic: Uuid) {
        self.catch_up().await;
        self.queue().wanted.remove(&characteristic);
    }

    /// Where the queue ends now: what comes later has a higher index as long as nobody takes anything.
    pub(super) async fn mark(&self) -> usize {
        self.catch_up().await;
        self.queue().waiting.len()
    }

    /// Removes what a read looks like in BlueZ: the value as a notification, sent before the answer, and one for each piece of a long
    /// value. `mark` is where the queue ended before the read.
    pub(super) async fn forget_read(&self, characteristic: Uuid, value: &[u8], mark: usize) {
        self.catch_up().await;
        let mut queue = self.queue();
        let late = mark.min(queue.waiting.len())..;
        let same = |held: &Notification| held.characteristic == characteristic && held.value == value;
        if let Some(index) = queue.waiting.range(late.clone()).rposition(same) {
            queue.waiting.remove(late.start + index);
        }
        let piece = |held: &Notification| {
            held.characteristic == characteristic && (PIECE_MIN..value.len()).contains(&held.value.len()) && value.starts_with(&held.value)
        };
        let mut index = 0;
        queue.waiting.retain(|held| {
            index += 1;
            index <= late.start || !piece(held)
        });
    }

    /// The oldest notification, if one comes until then.
    pub(super) async fn next(&self, until: Instant) -> Result<Option<Notification>, LinkError> {
        loop {
            let came = self.state.came.notified();
            if let Some(next) = self.take()? {
                return Ok(Some(next));
            }
            if timeout_at(until, came).await.is_err() {
                return self.take();
            }
        }
    }

    /// The oldest notification, also one that the stack had and the task had not taken yet.
    pub(super) async fn last_call(&self) -> Result<Option<Notification>, LinkError> {
        self.catch_up().await;
        self.take()
    }

    fn take(&self) -> Result<Option<Notification>, LinkError> {
        let mut queue = self.queue();
        match queue.waiting.pop_front() {
            Some(next) => Ok(Some(next)),
            None if queue.flooded => Err(LinkError::Flooded(WAITING_MAX)),
            None => Ok(None),
        }
    }

    /// Returns when all that the stack has now is in the queue.
    async fn catch_up(&self) {
        let (done, told) = oneshot::channel();
        // A task that has ended has taken all that there will be.
        if self.requests.send(done).await.is_ok() {
            let _ = told.await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.state.queue()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl State {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a value; false when there is no room any more.
    fn put(&self, value: &ValueNotification) -> bool {
        let mut queue = self.queue();
        if !queue.wanted.contains(&value.uuid) {
            return true;
        }
        queue.flooded = queue.waiting.len() >= WAITING_MAX;
        if !queue.flooded {
            queue.waiting.push_back(Notification { characteristic: value.uuid, value: value.value.clone() });
        }
        self.came.notify_one();
        !queue.flooded
    }
}

/// Takes values until there are none, until there is no room, or until nobody wants any.
async fn pump(mut values: Values, mut asked: mpsc::Receiver<oneshot::Sender<()>>, state: Arc<State>) {
    loop {
        tokio::select! {
            biased;
            request = asked.recv() => {
                let Some(done) = request else { return };
                for _ in 0..DRAIN_MAX {
                    // Unconstrained: a scheduler that wants its turn must not look like a stack that has no more.
                    match unconstrained(values.next()).now_or_never() {
                        Some(Some(value)) if state.put(&value) => {}
                        Some(_) => return,
                        None => break,
                    }
                }
                let _ = done.send(());
            }
            value = values.next() => match value {
                Some(value) if state.put(&value) => {}
                _ => return,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::stream;

    use super::*;
    use crate::link::sig_uuid;

    const LEVEL: Uuid = sig_uuid(0x2a19);
    const RATE: Uuid = sig_uuid(0x2a37);

    fn value(uuid: Uuid, value: &[u8]) -> ValueNotification {
        ValueNotification { uuid, service_uuid: sig_uuid(0x180d), value: value.to_vec() }
    }

    /// An inbox, and the sender of what the stack says.
    fn inbox() -> (Inbox, mpsc::UnboundedSender<ValueNotification>) {
        let (stack, values) = mpsc::unbounded_channel();
        let values = stream::unfold(values, |mut values| async move { values.recv().await.map(|value| (value, values)) });
        (Inbox::new(Box::pin(values), &Handle::current()), stack)
    }

    async fn taken(inbox: &Inbox) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(next) = inbox.last_call().await.expect("no flood") {
            all.push(next.value);
        }
        all
    }

    #[tokio::test]
    async fn only_what_is_wanted_comes_and_only_from_then_on() {
        let (inbox, stack) = inbox();
        stack.send(value(LEVEL, &[1])).expect("open");
        inbox.want(LEVEL).await;
        for sent in [value(LEVEL, &[2]), value(RATE, &[3]), value(LEVEL, &[4])] {
            stack.send(sent).expect("open");
        }
        inbox.refuse(LEVEL).await;
        stack.send(value(LEVEL, &[5])).expect("open");
        assert_eq!(taken(&inbox).await, [[2], [4]]);
    }

    #[tokio::test]
    async fn a_value_read_is_no_notification() {
        let (inbox, stack) = inbox();
        inbox.want(LEVEL).await;
        let long: Vec<u8> = (0..60).collect();
        stack.send(value(LEVEL, &[7])).expect("open");
        let mark = inbox.mark().await;
        // Two true notifications come while it is read, one of them with the value that is read.
        for sent in [&[7][..], &[8], &[7]] {
            stack.send(value(LEVEL, sent)).expect("open");
        }
        inbox.forget_read(LEVEL, &[7], mark).await;
        let mark = inbox.mark().await;
        for sent in [&long[..22], &[9], &long[..44], &long] {
            stack.send(value(LEVEL, sent)).expect("open");
        }
        inbox.forget_read(LEVEL, &long, mark).await;
        assert_eq!(taken(&inbox).await, [[7], [7], [8], [9]]);
    }

    #[tokio::test]
    async fn a_flood_ends_in_an_error_after_all_that_was_kept() {
        let (inbox, stack) = inbox();
        inbox.want(RATE).await;
        for _ in 0..=WAITING_MAX {
            stack.send(value(RATE, &[0, 60])).expect("open");
        }
        // All of them come before the first is taken.
        inbox.catch_up().await;
        let until = Instant::now() + Duration::from_secs(60);
        for _ in 0..WAITING_MAX {
            assert!(inbox.next(until).await.expect("kept").is_some());
        }
        assert_eq!(inbox.next(until).await, Err(LinkError::Flooded(WAITING_MAX)));
    }
}
