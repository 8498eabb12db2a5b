//! The terminal while a live table is on it: taken over, and given back on every way out, a panic included. What is drawn is the
//! command's.

use std::{
    io::{self, Write},
    mem::ManuallyDrop,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use ratatui::{
    Frame, Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor, event, execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};

/// The least terminal that live tables are made for.
pub(super) const LEAST: (u16, u16) = (80, 24);

type Stream<'a> = &'a mut Box<dyn Write + Send>;

/// A terminal that shows the table.
pub(super) struct Taken<'a> {
    /// Never dropped: all that its end does is to show the cursor, which ours does, and to panic when the terminal is gone.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stream<'a>>>>,
    stderr: Stream<'a>,
    panics: Arc<Panics>,
    keys: Keys,
}

/// Keys as they come, read on a thread of their own: reading from a terminal that went away may never return, and nobody waits
/// for it.
struct Keys {
    pressed: mpsc::Receiver<io::Result<event::Event>>,
    /// Nobody wants keys any more.
    over: Arc<AtomicBool>,
}

/// What panics said while nobody could have read it.
#[derive(Default)]
struct Panics {
    keep: AtomicBool,
    said: Mutex<Vec<String>>,
}

/// Whether the terminal behind standard output is large enough.
pub(super) fn is_large_enough() -> bool {
    ratatui::crossterm::terminal::size().is_ok_and(|(width, height)| width >= LEAST.0 && height >= LEAST.1)
}

impl<'a> Taken<'a> {
    /// Takes the terminal over: keys come one by one, and the table has a screen of its own.
    ///
    /// # Errors
    /// When it is no terminal that can be taken over. It is as it was then.
    pub(super) fn take(stdout: Stream<'a>, stderr: Stream<'a>) -> io::Result<Self> {
        let panics = Arc::new(Panics::default());
        enable_raw_mode()?;
        panics.keep.store(true, Ordering::SeqCst);
        let previous = std::panic::take_hook();
        let kept = Arc::clone(&panics);
        std::panic::set_hook(Box::new(move |info| {
            if kept.keep.load(Ordering::SeqCst) {
                kept.said.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
            } else {
                previous(info);
            }
        }));
        let entered = execute!(stdout, EnterAlternateScreen, cursor::Hide);
        match entered.and_then(|()| Terminal::new(CrosstermBackend::new(stdout))) {
            Ok(terminal) => {
                let over = Arc::<AtomicBool>::default();
                let (press, pressed) = mpsc::sync_channel(KEYS);
                let taken = Self { terminal: ManuallyDrop::new(terminal), stderr, panics, keys: Keys { pressed, over: Arc::clone(&over) } };
                std::thread::Builder::new().name("keys".into()).spawn(move || read_keys(&press, &over))?;
                Ok(taken)
            }
            Err(problem) => {
                panics.keep.store(false, Ordering::SeqCst);
                let _ = disable_raw_mode();
                Err(problem)
            }
        }
    }

    /// Draws once. Only what differs from the last time is written.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(|_| ())
    }

    /// The next key, or nothing when none came in time. Returns in time whatever became of the terminal.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(super) fn event(&self, at_most: Duration) -> io::Result<Option<event::Event>> {
        match self.keys.pressed.recv_timeout(at_most) {
            Ok(pressed) => pressed.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            // There was no keyboard from the beginning; signals still end it.
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(at_most);
                Ok(None)
            }
        }
    }
}

/// Sends keys until nobody wants them or the terminal is gone.
fn read_keys(press: &mpsc::SyncSender<io::Result<event::Event>>, over: &AtomicBool) {
    if event::poll(Duration::ZERO).is_err() {
        return;
    }
    while !over.load(Ordering::SeqCst) {
        let next = match event::poll(LOOK) {
            Ok(false) => continue,
            Ok(true) => event::read(),
            Err(problem) => Err(problem),
        };
        let gone = next.is_err();
        if press.send(next).is_err() || gone {
            return;
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.keys.over.store(true, Ordering::SeqCst);
        // Whatever fails here, the rest is tried: a terminal without an echo is worse than one with a left-over line.
        let _ = execute!(self.terminal.backend_mut(), LeaveAlternateScreen, cursor::Show);
        let _ = disable_raw_mode();
        self.panics.keep.store(false, Ordering::SeqCst);
        for panic in self.panics.said.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = writeln!(self.stderr, "{panic}");
        }
    }
}

/// As many keys wait as a hand presses ahead.
const KEYS: usize = 64;
/// Between two looks at whether keys are still wanted.
const LOOK: Duration = Duration::from_millis(50);

#[cfg(all(test, unix))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// Says to a process of its own that it is one, on a terminal that nobody looks at.
    const CHILD: &str = "TATTLETALE_PANICS_ON_ITS_TERMINAL";

    #[test]
    #[allow(clippy::print_stdout, reason = "a skipped test says so")]
    fn after_a_panic_the_terminal_is_as_it_was_and_the_panic_can_be_read() {
        let helper: std::path::PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "watch", "terminal.py"].iter().collect();
        let mut command = Command::new("python3");
        command.arg("-B").arg(helper).args(["24", "80"]).arg(std::env::current_exe().expect("this test"));
        command.args(["--exact", "cli::terminal::tests::the_child_panics", "--nocapture"]);
        let ended = command.env(CHILD, "1").env("RUST_BACKTRACE", "0").stdin(Stdio::null()).output();
        let Ok(ended) = ended else { return println!("\nskipped: python3 is not installed") };
        let (written, told) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(told.contains("modes same"), "{told} {written}");
        assert!(written.contains("\u{1b}[?1049h") && written.contains("receivers"), "it was taken over: {written}");
        let (during, after) = written.rsplit_once("\u{1b}[?1049l").expect("it is given back");
        assert!(after.contains("\u{1b}[?25h"), "with its cursor: {after:?}");
        for said in ["a thread has a defect", "the table has a defect"] {
            assert!(!during.contains(said) && after.contains(said), "{said}: {written:?}");
        }
    }

    /// Does nothing when it is run as a test among others.
    #[test]
    fn the_child_panics() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let mut streams: [Box<dyn Write + Send>; 2] = [Box::new(io::stdout()), Box::new(io::stderr())];
        let [stdout, stderr] = &mut streams;
        let mut taken = Taken::take(stdout, stderr).expect("a terminal");
        let _ = std::thread::spawn(|| panic!("a thread has a defect")).join();
        let drawn = taken.draw(|frame| frame.render_widget(ratatui::widgets::Paragraph::new("receivers"), frame.area()));
        drawn.expect("a terminal");
        panic!("the table has a defect");
    }
}
