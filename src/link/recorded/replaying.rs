//! A central that answers from a transcript. It answers only what was asked then, in the same order, and says where a driver departs
//! from it. No time passes.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    super::{Advertisement, Central, GattLink, LinkError, Notification, WriteKind},
    transcript::{Address, Answered, Asked, Entry, Id, Transcript, millis},
};

/// A central that answers from a transcript. Clones go on in the same one.
#[derive(Clone, Debug)]
pub struct Replaying(Arc<Mutex<Replay>>);

#[derive(Debug)]
struct Replay {
    /// What the central itself was asked.
    central: VecDeque<Entry>,
    /// What each link was asked.
    links: BTreeMap<u64, VecDeque<Entry>>,
    torn: Option<String>,
    /// Where the driver went another way. Nothing can be said from there on.
    departed: Option<LinkError>,
}

/// A link of the transcript.
struct ReplayedLink {
    replay: Arc<Mutex<Replay>>,
    number: u64,
    disconnected: bool,
}

impl Replaying {
    /// A central that answers from this transcript.
    pub fn new(transcript: Transcript) -> Self {
        let torn = transcript.torn().map(str::to_owned);
        let mut replay = Replay { central: VecDeque::new(), links: BTreeMap::new(), torn, departed: None };
        for entry in transcript.entries {
            match entry.link {
                None => replay.central.push_back(entry),
                Some(number) => replay.links.entry(number).or_default().push_back(entry),
            }
        }
        Self(Arc::new(Mutex::new(replay)))
    }

    /// What the transcript has and nobody asked for, in words without values, in order: a driver that stops early is found out here.
    pub fn unused(&self) -> Vec<String> {
        let replay = lock(&self.0);
        let mut left: Vec<&Entry> = replay.central.iter().chain(replay.links.values().flatten()).collect();
        left.sort_by_key(|entry| entry.line);
        left.into_iter().map(|entry| format!("line {}: {}", entry.line, entry.asked)).collect()
    }
}

impl Replay {
    /// The answer to a question of the central, or of a link.
    fn answer(&mut self, link: Option<u64>, asked: &Asked) -> Result<Answered, LinkError> {
        if let Some(departed) = &self.departed {
            return Err(departed.clone());
        }
        let queue = match link {
            None => Some(&mut self.central),
            Some(number) => self.links.get_mut(&number),
        };
        let why = match queue.as_ref().and_then(|queue| queue.front()) {
            None => {
                let torn = self.torn.as_ref().map(|torn| format!(" (it is torn: {torn})")).unwrap_or_default();
                format!("it is over{torn}, and {asked} is asked for")
            }
            Some(entry) => match difference(&entry.asked, asked, &entry.answered) {
                None => {
                    let entry = queue.and_then(VecDeque::pop_front).expect("looked at just now");
                    return match entry.answered {
                        Answered::Error(failed) => Err(failed.into()),
                        answered => Ok(answered),
                    };
                }
                Some(difference) => format!("line {} has {}, and {asked} is asked for{difference}", entry.line, entry.asked),
            },
        };
        let departed = LinkError::Departed(why);
        self.departed = Some(departed.clone());
        Err(departed)
    }

    /// An answer that does not fit its question: the transcript was changed by hand.
    fn misfit(&mut self, asked: &Asked) -> LinkError {
        let departed = LinkError::Departed(format!("what it has is no answer to {asked}"));
        self.departed = Some(departed.clone());
        departed
    }
}

/// Where a question departs from the one written down; `None` when the answer holds for it, too. Times need not be the same: who waits
/// less long hears the same if it came in that time, and who waits longer than was waited then asks for what nobody knows.
fn difference(written: &Asked, asked: &Asked, answered: &Answered) -> Option<String> {
    match (written, asked) {
        (Asked::Scan { for_ms: written }, Asked::Scan { for_ms: asked }) => {
            (asked > written).then(|| " (what came later was not heard)".to_owned())
        }
        (Asked::Notification { within_ms: written }, Asked::Notification { within_ms: asked }) => {
            let silent = matches!(answered, Answered::Error(_));
            (silent && asked > written).then(|| " (what came later was not heard)".to_owned())
        }
        (
            Asked::Write { characteristic: there, value: written, with_response: so, secret },
            Asked::Write { characteristic: here, value: asked, with_response: thus, .. },
        ) if (there, so, written.0.len()) == (here, thus, asked.0.len()) => {
            let left_out = secret.clone().map(Range::from).unwrap_or_default();
            let differs = |(at, (written, asked)): (usize, (&u8, &u8))| !left_out.contains(&at) && written != asked;
            let first = written.0.iter().zip(&asked.0).enumerate().position(differs)?;
            Some(format!(" (the bytes differ from offset {first} on)"))
        }
        // Dropping a link lets the band go as well.
        (Asked::Drop, Asked::Disconnect) => None,
        (written, asked) => (written != asked).then(String::new),
    }
}

#[async_trait]
impl Central for Replaying {
    async fn scan_each(&self, listen_for: Duration, seen: &mut (dyn FnMut(Advertisement) + Send)) -> Result<(), LinkError> {
        let asked = Asked::Scan { for_ms: millis(listen_for) };
        let heard = {
            let mut replay = lock(&self.0);
            match replay.answer(None, &asked)? {
                Answered::Heard(heard) => heard,
                _ => return Err(replay.misfit(&asked)),
            }
        };
        for heard in heard.iter().filter(|heard| heard.after_ms <= millis(listen_for)) {
            seen(heard.advertisement());
        }
        Ok(())
    }

    async fn connect(&self, address: [u8; 6]) -> Result<Box<dyn GattLink>, LinkError> {
        let asked = Asked::Connect { address: Address(address) };
        let mut replay = lock(&self.0);
        match replay.answer(None, &asked)? {
            Answered::Link(number) => Ok(Box::new(ReplayedLink { replay: Arc::clone(&self.0), number, disconnected: false })),
            _ => Err(replay.misfit(&asked)),
        }
    }
}

impl ReplayedLink {
    fn ask<R>(&self, asked: &Asked, fits: impl FnOnce(Answered) -> Option<R>) -> Result<R, LinkError> {
        let mut replay = lock(&self.replay);
        let answered = replay.answer(Some(self.number), asked)?;
        fits(answered).ok_or_else(|| replay.misfit(asked))
    }

    fn ask_done(&self, asked: &Asked) -> Result<(), LinkError> {
        self.ask(asked, |answered| (answered == Answered::Done).then_some(()))
    }
}

#[async_trait]
impl GattLink for ReplayedLink {
    async fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, LinkError> {
        self.ask(&Asked::Read { characteristic: Id(characteristic) }, |answered| match answered {
            Answered::Value(value) => Some(value.0),
            _ => None,
        })
    }

    async fn write(&mut self, characteristic: Uuid, value: &[u8], kind: WriteKind) -> Result<(), LinkError> {
        self.ask_done(&Asked::write(characteristic, value, kind, None))
    }

    async fn subscribe(&mut self, characteristic: Uuid) -> Result<(), LinkError> {
        self.ask_done(&Asked::Subscribe { characteristic: Id(characteristic) })
    }

    async fn unsubscribe(&mut self, characteristic: Uuid) -> Result<(), LinkError> {
        self.ask_done(&Asked::Unsubscribe { characteristic: Id(characteristic) })
    }

    async fn notification(&mut self, within: Duration) -> Result<Notification, LinkError> {
        let answer = self.ask(&Asked::Notification { within_ms: millis(within) }, |answered| match answered {
            Answered::Notification { characteristic, value } => Some(Notification { characteristic: characteristic.0, value: value.0 }),
            _ => None,
        });
        match answer {
            Err(LinkError::Silent(_)) => Err(LinkError::Silent(within)),
            answer => answer,
        }
    }

    async fn disconnect(&mut self) -> Result<(), LinkError> {
        self.disconnected = true;
        self.ask_done(&Asked::Disconnect)
    }

    fn random(&mut self, into: &mut [u8]) -> Result<(), LinkError> {
        let length = into.len();
        let bytes = self.ask(&Asked::Random { bytes: length }, |answered| match answered {
            Answered::Value(value) if value.0.len() == length => Some(value.0),
            _ => None,
        })?;
        into.copy_from_slice(&bytes);
        Ok(())
    }
}

impl Drop for ReplayedLink {
    fn drop(&mut self) {
        let mut replay = lock(&self.replay);
        if let Some(queue) = replay.links.get_mut(&self.number)
            && !self.disconnected
            && queue.front().is_some_and(|entry| entry.asked == Asked::Drop)
        {
            queue.pop_front();
        }
    }
}

fn lock(replay: &Mutex<Replay>) -> MutexGuard<'_, Replay> {
    replay.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
