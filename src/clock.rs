//! Time as a rig has it. A real rig's clock is the wall clock; the simulated rig's is discrete: it jumps to the next timer
//! only when nothing is being done, so that five minutes of waiting take no time and a seed repeats a run (R14).

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::oneshot;

/// A rig's clock. Cloning gives another handle on the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Real,
    Simulated(Arc<Mutex<Simulated>>),
}

#[derive(Debug)]
struct Simulated {
    now: Timestamp,
    /// Holds alive: tasks at work and exchanges in flight. Time stands still while there is one.
    holds: usize,
    next_sequence: u64,
    sleepers: BinaryHeap<Reverse<Sleeper>>,
}

#[derive(Debug)]
struct Sleeper {
    until: Timestamp,
    /// Ties are woken in the order in which they fell asleep.
    sequence: u64,
    wake: oneshot::Sender<Hold>,
}

impl Clock {
    /// The wall clock.
    pub const fn real() -> Self {
        Self(Kind::Real)
    }

    /// A discrete clock that starts at `start` and jumps from timer to timer.
    pub fn simulated(start: Timestamp) -> Self {
        Self(Kind::Simulated(Arc::new(Mutex::new(Simulated { now: start, holds: 0, next_sequence: 0, sleepers: BinaryHeap::new() }))))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::Real => Timestamp::now(),
            Kind::Simulated(simulated) => lock(simulated).now,
        }
    }

    /// Keeps simulated time from jumping until the guard is dropped. Whoever is at work holds one: a task, an exchange in
    /// flight, a command on its way.
    #[must_use]
    pub fn hold(&self) -> Hold {
        if let Kind::Simulated(simulated) = &self.0 {
            lock(simulated).holds += 1;
        }
        Hold { clock: self.clone(), holding: true }
    }
}

/// A guard that keeps simulated time from jumping. A simulated task owns one and sleeps through it.
#[derive(Debug)]
pub struct Hold {
    clock: Clock,
    /// False while asleep.
    holding: bool,
}

/// A hold that is asleep; awake again, for whatever reason, it holds again.
struct Asleep<'a>(&'a mut Hold);

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        if let Kind::Simulated(simulated) = &self.0.clock.0 {
            lock(simulated).holds += 1;
        }
        self.0.holding = true;
    }
}

impl Hold {
    /// The clock it holds.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Sleeps for a time on the rig's clock. While asleep the hold does not hold: simulated time jumps to the earliest sleeper
    /// once nothing else is held. A sleep that is cancelled holds again at once.
    pub async fn sleep(&mut self, duration: Duration) {
        let Kind::Simulated(simulated) = self.clock.0.clone() else {
            tokio::time::sleep(duration).await;
            return;
        };
        let (wake, woken) = oneshot::channel();
        {
            let mut state = lock(&simulated);
            let length = jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX);
            let until = state.now.saturating_add(length).unwrap_or(Timestamp::MAX);
            let sequence = state.next_sequence;
            state.next_sequence += 1;
            state.sleepers.push(Reverse(Sleeper { until, sequence, wake }));
        }
        let asleep = Asleep(self);
        asleep.0.holding = false;
        release(&simulated);
        if let Ok(handed_over) = woken.await {
            // The waker took the hold on this sleeper's behalf; `asleep` takes its own in its destructor.
            drop(asleep);
            drop(handed_over);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let (Kind::Simulated(simulated), true) = (&self.clock.0, self.holding) {
            release(simulated);
        }
    }
}

/// Gives up one hold; with the last one, time jumps to the earliest sleeper that is still there.
fn release(simulated: &Arc<Mutex<Simulated>>) {
    let mut state = lock(simulated);
    state.holds -= 1;
    while state.holds == 0 {
        let Some(Reverse(sleeper)) = state.sleepers.pop() else { return };
        if sleeper.wake.is_closed() {
            continue;
        }
        state.now = state.now.max(sleeper.until);
        state.holds += 1;
        let hold = Hold { clock: Clock(Kind::Simulated(Arc::clone(simulated))), holding: true };
        match sleeper.wake.send(hold) {
            Ok(()) => return,
            Err(mut hold) => {
                // The sleeper went away between the two looks; its hold is taken back here, where the lock is already held.
                state.holds -= 1;
                hold.holding = false;
            }
        }
    }
}

fn lock(simulated: &Mutex<Simulated>) -> MutexGuard<'_, Simulated> {
    simulated.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl Eq for Sleeper {}

impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sleeper {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.until, self.sequence).cmp(&(other.until, other.sequence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn an_hour_of_sleep_takes_no_time_and_two_sleepers_wake_in_order() {
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
        let (log, order) = std::sync::mpsc::channel();
        let mut tasks = Vec::new();
        let start = clock.hold();
        for (name, minutes) in [("late", 60), ("early", 1)] {
            let (mut hold, log) = (clock.hold(), log.clone());
            tasks.push(tokio::spawn(async move {
                hold.sleep(MINUTE * minutes).await;
                log.send((name, hold.clock().now())).expect("the test listens");
            }));
        }
        drop(start);
        for task in tasks {
            task.await.expect("no panic");
        }
        let woken: Vec<_> = order.try_iter().map(|(name, at)| (name, at.as_second())).collect();
        assert_eq!(woken, [("early", 60), ("late", 3600)]);
    }

    #[tokio::test]
    async fn time_stands_still_while_somebody_holds_it() {
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
        let at_work = clock.hold();
        let mut hold = clock.hold();
        let sleeper = tokio::spawn(async move { hold.sleep(MINUTE).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        drop(at_work);
        sleeper.await.expect("no panic");
        assert_eq!(clock.now().as_second(), 60);
    }

    #[tokio::test]
    async fn a_sleeper_that_was_aborted_does_not_stop_the_others() {
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
        let start = clock.hold();
        let (mut first, mut second) = (clock.hold(), clock.hold());
        let aborted = tokio::spawn(async move { first.sleep(MINUTE).await });
        tokio::task::yield_now().await;
        aborted.abort();
        let _ = aborted.await;
        drop(start);
        second.sleep(MINUTE * 2).await;
        assert_eq!(clock.now().as_second(), 120);
    }
}
