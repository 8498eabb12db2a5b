//! A central that writes down what is asked of another one, and what it answers. It changes nothing of either. Reading a transcript is
//! left to `transcript`.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    ops::{ControlFlow, Range},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    super::{Advertisement, Central, GattLink, LinkError, Notification, Presence, WriteKind},
    transcript::{self, Address, Answered, Asked, Entry, Heard, Id, millis},
};
use crate::clock::Clock;

/// A central around another one, which keeps a transcript. Clones write to the same one.
///
/// Questions are written when they are answered, so of two that are asked at once the one answered first stands first.
#[derive(Clone)]
pub struct Recording {
    inner: Arc<dyn Central>,
    log: Arc<Mutex<Log>>,
    discretion: Discretion,
}

/// What a transcript keeps of what it hears.
#[derive(Clone)]
pub struct Discretion {
    /// Addresses of the devices whose advertisements are kept. Those of others are strangers', and are left out: a replay does not hear
    /// them.
    pub named: Vec<[u8; 6]>,
    /// Which bytes of a value that is written to a characteristic are a secret. They are left out, and a replay takes any in their place.
    pub secret_in: fn(Uuid, &[u8]) -> Option<Range<usize>>,
}

/// The transcript in the making.
struct Log {
    writer: Box<dyn Write + Send>,
    clock: Clock,
    started: Timestamp,
    entries: usize,
    links: u64,
    /// The first failure to write; nothing is written after it.
    failed: Option<io::Error>,
    ended: bool,
}

/// A link whose use is written down.
struct RecordedLink {
    inner: Box<dyn GattLink>,
    log: Arc<Mutex<Log>>,
    secret_in: fn(Uuid, &[u8]) -> Option<Range<usize>>,
    number: u64,
    disconnected: bool,
}

impl Recording {
    /// A central that writes to a new file, which only its owner can read: it holds health data, and what a guess at a key can be tried
    /// against.
    ///
    /// # Errors
    /// When the file cannot be made, or is there already.
    pub fn create(inner: Arc<dyn Central>, path: &Path, clock: Clock, discretion: Discretion) -> io::Result<Self> {
        Self::new(inner, Box::new(private(path)?), clock, discretion)
    }

    /// A central that writes to `writer`, a line at a time.
    ///
    /// # Errors
    /// When the first line cannot be written.
    pub fn new(inner: Arc<dyn Central>, mut writer: Box<dyn Write + Send>, clock: Clock, discretion: Discretion) -> io::Result<Self> {
        let started = clock.now();
        writer.write_all(transcript::header(started).as_bytes())?;
        let log = Log { writer, clock, started, entries: 0, links: 0, failed: None, ended: false };
        Ok(Self { inner, log: Arc::new(Mutex::new(log)), discretion })
    }

    /// When it began: a replay takes place at this time.
    pub fn started(&self) -> Timestamp {
        lock(&self.log).started
    }

    /// Writes the last line. Without it a transcript is torn, and so is one of which anything could not be written.
    ///
    /// # Errors
    /// Why anything could not be written, now or earlier.
    pub fn finish(&self) -> io::Result<()> {
        let mut log = lock(&self.log);
        if let Some(failed) = log.failed.take() {
            // Whoever asks again must not hear that all is well.
            log.failed = Some(io::Error::new(failed.kind(), failed.to_string()));
            return Err(failed);
        }
        if !log.ended {
            log.ended = true;
            let line = transcript::end(log.entries);
            log.writer.write_all(line.as_bytes())?;
        }
        log.writer.flush()
    }
}

impl Log {
    fn note(&mut self, asked_at: Timestamp, link: Option<u64>, asked: Asked, answered: Answered) {
        if self.failed.is_some() || self.ended {
            return;
        }
        let entry = Entry {
            line: 0,
            at_ms: millis(since(self.started, asked_at)),
            took_ms: millis(since(asked_at, self.clock.now())),
            link,
            asked,
            answered,
        };
        match self.writer.write_all(transcript::line(&entry).as_bytes()).and_then(|()| self.writer.flush()) {
            Ok(()) => self.entries += 1,
            // The conversation goes on; that it is not written down any more is told at the end.
            Err(error) => self.failed = Some(error),
        }
    }
}

#[async_trait]
impl Central for Recording {
    async fn scan_each(&self, listen_for: Duration, seen: &mut (dyn FnMut(Advertisement) + Send)) -> Result<(), LinkError> {
        let mut scan = self.scan_noted(listen_for);
        let answer = self
            .inner
            .scan_each(listen_for, &mut |advertisement| {
                scan.hear(&advertisement);
                seen(advertisement);
            })
            .await;
        scan.answered = Some(answer.clone());
        answer
    }

    async fn listen_to(
        &self,
        address: [u8; 6],
        listen_for: Duration,
        heard: &mut (dyn FnMut(Advertisement) -> ControlFlow<()> + Send),
    ) -> Result<Presence, LinkError> {
        let mut scan = self.scan_noted(listen_for);
        let answer = self
            .inner
            .listen_to(address, listen_for, &mut |advertisement| {
                scan.hear(&advertisement);
                heard(advertisement)
            })
            .await;
        scan.answered = Some(answer.clone().map(|_| ()));
        answer
    }

    async fn connect(&self, address: [u8; 6]) -> Result<Box<dyn GattLink>, LinkError> {
        let asked_at = now(&self.log);
        let answer = self.inner.connect(address).await;
        let mut log = lock(&self.log);
        let asked = Asked::Connect { address: Address(address) };
        match answer {
            Ok(inner) => {
                log.links += 1;
                let number = log.links;
                log.note(asked_at, None, asked, Answered::Link(number));
                let (log, secret_in) = (Arc::clone(&self.log), self.discretion.secret_in);
                Ok(Box::new(RecordedLink { inner, log, secret_in, number, disconnected: false }))
            }
            Err(error) => {
                log.note(asked_at, None, asked, Answered::Error(error.clone().into()));
                Err(error)
            }
        }
    }
}

/// A scan that is written down when it is over, or when nobody waits for it any more: what was heard until then was heard.
struct Scanning<'a> {
    recording: &'a Recording,
    clock: Clock,
    asked_at: Timestamp,
    listen_for: Duration,
    heard: Vec<Heard>,
    answered: Option<Result<(), LinkError>>,
}

impl Recording {
    fn scan_noted(&self, listen_for: Duration) -> Scanning<'_> {
        let clock = lock(&self.log).clock.clone();
        let asked_at = clock.now();
        Scanning { recording: self, clock, asked_at, listen_for, heard: Vec::new(), answered: None }
    }
}

impl Scanning<'_> {
    fn hear(&mut self, advertisement: &Advertisement) {
        if self.recording.discretion.named.contains(&advertisement.address) {
            self.heard.push(Heard::new(since(self.asked_at, self.clock.now()), advertisement));
        }
    }
}

impl Drop for Scanning<'_> {
    fn drop(&mut self) {
        let answered = match self.answered.take() {
            Some(Err(error)) => Answered::Error(error.into()),
            Some(Ok(())) | None => Answered::Heard(std::mem::take(&mut self.heard)),
        };
        lock(&self.recording.log).note(self.asked_at, None, Asked::Scan { for_ms: millis(self.listen_for) }, answered);
    }
}

impl RecordedLink {
    fn note(&self, asked_at: Timestamp, asked: Asked, answered: Answered) {
        lock(&self.log).note(asked_at, Some(self.number), asked, answered);
    }
}

#[async_trait]
impl GattLink for RecordedLink {
    async fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, LinkError> {
        let asked_at = now(&self.log);
        let answer = self.inner.read(characteristic).await;
        self.note(asked_at, Asked::Read { characteristic: Id(characteristic) }, Answered::from(&answer));
        answer
    }

    async fn write(&mut self, characteristic: Uuid, value: &[u8], kind: WriteKind) -> Result<(), LinkError> {
        let asked_at = now(&self.log);
        let answer = self.inner.write(characteristic, value, kind).await;
        let secret = (self.secret_in)(characteristic, value);
        self.note(asked_at, Asked::write(characteristic, value, kind, secret), Answered::from(answer.clone()));
        answer
    }

    async fn subscribe(&mut self, characteristic: Uuid) -> Result<(), LinkError> {
        let asked_at = now(&self.log);
        let answer = self.inner.subscribe(characteristic).await;
        self.note(asked_at, Asked::Subscribe { characteristic: Id(characteristic) }, Answered::from(answer.clone()));
        answer
    }

    async fn unsubscribe(&mut self, characteristic: Uuid) -> Result<(), LinkError> {
        let asked_at = now(&self.log);
        let answer = self.inner.unsubscribe(characteristic).await;
        self.note(asked_at, Asked::Unsubscribe { characteristic: Id(characteristic) }, Answered::from(answer.clone()));
        answer
    }

    async fn notification(&mut self, within: Duration) -> Result<Notification, LinkError> {
        let asked_at = now(&self.log);
        let answer = self.inner.notification(within).await;
        self.note(asked_at, Asked::Notification { within_ms: millis(within) }, Answered::from(&answer));
        answer
    }

    async fn disconnect(&mut self) -> Result<(), LinkError> {
        let asked_at = now(&self.log);
        self.disconnected = true;
        let answer = self.inner.disconnect().await;
        self.note(asked_at, Asked::Disconnect, Answered::from(answer.clone()));
        answer
    }

    fn random(&mut self, into: &mut [u8]) -> Result<(), LinkError> {
        let asked_at = now(&self.log);
        let answer = self.inner.random(into).map(|()| into.to_vec());
        self.note(asked_at, Asked::Random { bytes: into.len() }, Answered::from(&answer));
        answer.map(|_| ())
    }
}

impl Drop for RecordedLink {
    fn drop(&mut self) {
        if !self.disconnected {
            self.note(now(&self.log), Asked::Drop, Answered::Done);
        }
    }
}

/// A new file for its owner alone.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn now(log: &Mutex<Log>) -> Timestamp {
    lock(log).clock.now()
}

/// Time from one moment to a later one; none if the clock went back.
fn since(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
