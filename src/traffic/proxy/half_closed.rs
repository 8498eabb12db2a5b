//! Clients that have said that they will send no more, and are owed an answer. Nobody can tell one that still reads from one that has
//! left, before something is written for it; so each is waited for as long as any other client, and only how many there are is
//! limited. When there are too many, the one that has got nothing for longest is taken to have left.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::sync::oneshot;

/// All such clients of a proxy.
#[derive(Debug, Default)]
pub(super) struct HalfClosed(Mutex<All>);

#[derive(Debug, Default)]
struct All {
    next: u64,
    /// Whoever has got nothing for longest is the first.
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
}

/// One of them, until this is dropped.
#[derive(Debug)]
pub(super) struct HalfClient {
    all: Arc<HalfClosed>,
    number: u64,
    given_up: oneshot::Receiver<()>,
}

impl HalfClosed {
    /// There is one more.
    pub(super) fn enter(self: &Arc<Self>) -> HalfClient {
        let (sender, given_up) = oneshot::channel();
        let mut all = self.all();
        let number = all.add(sender);
        if all.waiting.len() > MOST
            && let Some((_, first)) = all.waiting.pop_first()
        {
            // It may have its answer just now.
            let _ = first.send(());
        }
        HalfClient { all: Arc::clone(self), number, given_up }
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    fn add(&mut self, sender: oneshot::Sender<()>) -> u64 {
        self.next += 1;
        self.waiting.insert(self.next, sender);
        self.next
    }
}

impl HalfClient {
    /// It took something that was written for it.
    pub(super) fn took(&mut self) {
        let mut all = self.all.all();
        if let Some(sender) = all.waiting.remove(&self.number) {
            self.number = all.add(sender);
        }
    }

    /// Ready when it is taken to have left.
    pub(super) fn poll_given_up(&mut self, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.given_up).poll(context).map(drop)
    }
}

impl Drop for HalfClient {
    fn drop(&mut self) {
        self.all.all().waiting.remove(&self.number);
    }
}

/// So many are waited for at once. An app that leaves closes what it had open, which is hardly more.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn of_too_many_the_one_that_has_got_nothing_for_longest_has_left() {
        let all = Arc::<HalfClosed>::default();
        let mut clients: Vec<HalfClient> = (0..MOST).map(|_| all.enter()).collect();
        let given_up = |clients: &mut [HalfClient]| -> Vec<usize> {
            let mut context = Context::from_waker(Waker::noop());
            let mut given_up = Vec::new();
            for (at, client) in clients.iter_mut().enumerate() {
                // One that was given up is not asked again.
                if !client.given_up.is_terminated() && client.poll_given_up(&mut context).is_ready() {
                    given_up.push(at);
                }
            }
            given_up
        };
        assert_eq!(given_up(&mut clients), [0; 0], "however long it takes");
        clients[0].took();
        clients.push(all.enter());
        assert_eq!(given_up(&mut clients), [1]);
        drop(clients.swap_remove(2));
        clients.push(all.enter());
        assert_eq!(given_up(&mut clients), [0; 0], "one that has its answer leaves room");
        drop(clients);
        assert!(all.all().waiting.is_empty());
    }
}
