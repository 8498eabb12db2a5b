//! The terminal while the live table is on it: taken over, and given back on every way out, a panic included. What is drawn is
//! `screen`'s.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
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

/// The least terminal that the table is made for.
pub(super) const LEAST: (u16, u16) = (80, 24);

type Stream<'a> = &'a mut Box<dyn Write + Send>;

/// A terminal that shows the table.
pub(super) struct Taken<'a> {
    terminal: Terminal<CrosstermBackend<Stream<'a>>>,
    stderr: Stream<'a>,
    panics: Arc<Panics>,
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
            Ok(terminal) => Ok(Self { terminal, stderr, panics }),
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

    /// The next key, or nothing when none came in time.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(super) fn event(&self, at_most: Duration) -> io::Result<Option<event::Event>> {
        if event::poll(at_most)? { event::read().map(Some) } else { Ok(None) }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // Whatever fails here, the rest is tried: a terminal without an echo is worse than one with a left-over line.
        let _ = execute!(self.terminal.backend_mut(), LeaveAlternateScreen, cursor::Show);
        let _ = disable_raw_mode();
        self.panics.keep.store(false, Ordering::SeqCst);
        for panic in self.panics.said.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = writeln!(self.stderr, "{panic}");
        }
    }
}
