//! Output that nobody may take: a terminal that is held up (Ctrl-S, a stalled connection), a pipe whose reader has stopped. What a
//! session prints goes by way of a thread for each stream, so that the session waits for none of them. What is printed is others'.

use std::{
    collections::VecDeque,
    io::{self, Write},
    mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use super::super::Surroundings;

/// Both standard streams of a command, with a thread each that waits in its place.
pub(super) struct Outlets {
    stdout: Arc<Flow>,
    hurried: Arc<AtomicBool>,
}

/// What a command writes to in place of one of its standard streams.
struct Outlet {
    flow: Arc<Flow>,
    /// The other stream: often the same terminal, so that what went there first is to be seen first.
    other: Arc<Flow>,
    hurried: Arc<AtomicBool>,
    /// Begun, and not yet on its way.
    line: Vec<u8>,
}

/// What is on its way to one stream.
#[derive(Default)]
struct Flow {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Vec<u8>>,
    /// One piece is out of `waiting` and not yet taken.
    writing: bool,
    /// When something was taken for the last time, or began to wait; `None` before anything did.
    since: Option<Instant>,
    failed: Option<Failed>,
    /// Nothing more will come.
    over: bool,
}

/// Why a stream takes nothing any more: [`io::Error`], as often as it is asked for.
struct Failed {
    kind: io::ErrorKind,
    code: Option<i32>,
    words: String,
}

impl Outlets {
    /// Puts them between a command and its standard streams, for the rest of its life. Whoever prints waits until it is taken, and for
    /// [`PATIENCE`] at most when nothing is: what is printed later is then lost to everybody but a reader who comes back in time.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(super) fn between(surroundings: &mut Surroundings) -> io::Result<Self> {
        let (stdout, stderr) = (Arc::<Flow>::default(), Arc::<Flow>::default());
        let hurried = Arc::<AtomicBool>::default();
        // Both threads are there before a stream is taken away: whoever is told that there was none needs them.
        let (to_stdout, to_stderr) = (pour("stdout", &stdout)?, pour("stderr", &stderr)?);
        let outlet = |flow: &Arc<Flow>, other: &Arc<Flow>| {
            Box::new(Outlet { flow: Arc::clone(flow), other: Arc::clone(other), hurried: Arc::clone(&hurried), line: Vec::new() })
        };
        // A thread waits for its stream and for nothing else, so that it is there to take it.
        let _ = to_stdout.send(mem::replace(&mut surroundings.stdout, outlet(&stdout, &stderr)));
        let _ = to_stderr.send(mem::replace(&mut surroundings.stderr, outlet(&stderr, &stdout)));
        Ok(Self { stdout, hurried })
    }

    /// From here on nobody who prints waits. Whoever prints much asks first whether there [is room](Self::is_free).
    pub(super) fn hurry(&self) {
        self.hurried.store(true, Ordering::SeqCst);
    }

    /// From here on whoever prints waits again.
    pub(super) fn take_time(&self) {
        self.hurried.store(false, Ordering::SeqCst);
    }

    /// Whether standard output has taken everything so far, or will never take anything again, which the next one to print is told.
    pub(super) fn is_free(&self) -> bool {
        let state = self.stdout.state();
        state.is_idle() || state.failed.is_some()
    }
}

impl Outlet {
    /// Gives what was begun to the thread.
    fn send(&mut self) -> io::Result<()> {
        if self.line.is_empty() {
            return self.flow.state().failure();
        }
        let _ = self.other.taken_within(ORDER);
        self.flow.put(mem::take(&mut self.line))?;
        if self.hurried.load(Ordering::SeqCst) {
            return Ok(());
        }
        match self.flow.taken_within(PATIENCE) {
            // It may be taken yet; a flush tells that it was not.
            Err(problem) if problem.kind() == io::ErrorKind::TimedOut => Ok(()),
            taken => taken,
        }
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if self.line.ends_with(b"\n") || self.line.len() >= LONGEST {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()?;
        if self.hurried.load(Ordering::SeqCst) { Ok(()) } else { self.flow.taken_within(PATIENCE) }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        let _ = self.send();
        let _ = self.flow.taken_within(PATIENCE);
        self.flow.state().over = true;
        self.flow.changed.notify_all();
    }
}

impl Flow {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, piece: Vec<u8>) -> io::Result<()> {
        let mut state = self.state();
        state.failure()?;
        if state.is_idle() {
            state.since = Some(Instant::now());
        }
        state.waiting.push_back(piece);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits until everything was taken, and no longer once nothing has been for so long.
    ///
    /// # Errors
    /// [`TimedOut`](io::ErrorKind::TimedOut) when nothing was taken for so long, else why nothing ever will be.
    fn taken_within(&self, patience: Duration) -> io::Result<()> {
        let mut state = self.state();
        loop {
            state.failure()?;
            if state.is_idle() {
                return Ok(());
            }
            let waited = state.since.map_or(Duration::ZERO, |since| since.elapsed());
            let Some(rest) = patience.checked_sub(waited).filter(|rest| !rest.is_zero()) else {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("nobody took it for {} s", patience.as_secs())));
            };
            state = self.changed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next piece, once there is one; `None` when none will come.
    fn next(&self) -> Option<Vec<u8>> {
        let mut state = self.state();
        loop {
            if let Some(piece) = state.waiting.pop_front() {
                state.writing = true;
                return Some(piece);
            }
            if state.over {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Some of it was taken.
    fn took(&self) {
        self.state().since = Some(Instant::now());
        self.changed.notify_all();
    }

    /// A piece is over and done with, or why nothing is taken any more.
    fn done(&self, with: io::Result<()>) {
        let mut state = self.state();
        state.writing = false;
        if let Err(problem) = with {
            state.waiting.clear();
            state.failed = Some(Failed { kind: problem.kind(), code: problem.raw_os_error(), words: problem.to_string() });
        }
        self.changed.notify_all();
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.writing
    }

    fn failure(&self) -> io::Result<()> {
        match &self.failed {
            None => Ok(()),
            Some(Failed { code: Some(code), .. }) => Err(io::Error::from_raw_os_error(*code)),
            Some(Failed { kind, words, .. }) => Err(io::Error::new(*kind, words.clone())),
        }
    }
}

/// Starts the thread for one stream, which it is yet to be given.
fn pour(name: &str, flow: &Arc<Flow>) -> io::Result<mpsc::Sender<Box<dyn Write + Send>>> {
    let (give, given) = mpsc::channel::<Box<dyn Write + Send>>();
    let flow = Arc::clone(flow);
    let work = move || {
        let Ok(mut stream) = given.recv() else { return };
        while let Some(piece) = flow.next() {
            let written = piece.chunks(PIECE).try_for_each(|part| {
                stream.write_all(part)?;
                flow.took();
                Ok(())
            });
            flow.done(written.and_then(|()| stream.flush()));
        }
    };
    // Nobody waits for it: a stream that takes nothing would keep the program.
    thread::Builder::new().name(name.to_owned()).spawn(work)?;
    Ok(give)
}

/// Where nothing is taken for so long, nobody waits for it: the session is over, and a script that began it may want to go on.
const PATIENCE: Duration = Duration::from_secs(5);
/// What went to one stream first is seen first, if it is taken so soon.
const ORDER: Duration = Duration::from_millis(500);
/// A line that is longer goes on its way before its end: a screen full of the table has none.
const LONGEST: usize = 64 * 1024;
/// So much is written at once; a stream that takes it slowly is none that takes nothing.
const PIECE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::{super::super::surroundings::testing, *};

    /// A stream that takes nothing as long as its other end is locked.
    struct Held(Arc<Mutex<Vec<u8>>>);

    impl Write for Held {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn surroundings(stdout: impl Write + Send + 'static) -> (Surroundings, testing::Kept) {
        let stderr = testing::Kept::default();
        let mut surroundings = testing::surroundings(std::path::Path::new("."));
        (surroundings.stdout, surroundings.stderr) = (Box::new(stdout), Box::new(stderr.clone()));
        (surroundings, stderr)
    }

    #[test]
    fn who_is_in_a_hurry_never_waits_and_nothing_is_lost_when_it_is_taken_after_all() {
        let taken = Arc::<Mutex<Vec<u8>>>::default();
        let (mut surroundings, stderr) = surroundings(Held(Arc::clone(&taken)));
        let outlets = Outlets::between(&mut surroundings).expect("there are threads");
        surroundings.print("first\n").expect("it is taken");
        assert_eq!(*taken.lock().expect("no panic"), b"first\n");

        outlets.hurry();
        let held = taken.lock().expect("no panic");
        surroundings.print("second\n").expect("on its way");
        assert!(!outlets.is_free());
        surroundings.print("third\n").expect("on its way");
        surroundings.warn("told");
        outlets.take_time();
        // Here somebody waits, and in vain.
        let problem = surroundings.print("fourth\n").expect_err("nobody takes it");
        assert!(format!("{problem:?}").contains("nobody took it for 5 s"), "{problem:?}");
        assert_eq!(stderr.text(), "told\n", "the other stream goes on");
        drop(held);
        // Nobody took anything for long: until somebody does, nobody is waited for any more.
        while !outlets.is_free() {
            thread::yield_now();
        }
        surroundings.print("fifth\n").expect("it is taken");
        assert!(outlets.is_free());
        assert_eq!(*taken.lock().expect("no panic"), b"first\nsecond\nthird\nfourth\nfifth\n");
    }

    #[test]
    fn a_stream_that_fails_says_so_to_whoever_prints_next() {
        let (mut surroundings, _) = surroundings(Broken);
        let outlets = Outlets::between(&mut surroundings).expect("there are threads");
        for _ in 0..2 {
            surroundings.print("lost\n").expect_err("it cannot be written");
        }
        outlets.hurry();
        assert!(outlets.is_free(), "there is nothing to wait for");
        let problem = surroundings.print("lost\n").expect_err("nor can this");
        assert!(format!("{problem:?}").contains("write to standard output"), "{problem:?}");
    }
}
