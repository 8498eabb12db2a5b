//! The person at the terminal: shown on standard error what is to be done, and heard on standard input. What is asked for, and what is
//! made of the answer, is others'.

use std::{
    io::{self, BufRead, Read as _, Write},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use super::Surroundings;
use crate::{
    model::text::printable,
    phone::operator::{NobodyThere, Operator},
};

/// The person at the terminal.
pub(super) struct AtTheTerminal {
    /// What the rig file confirms.
    confirmed: Vec<String>,
    screen: Shared,
    /// Lines as they are typed; `None` where nobody is there.
    typed: Option<AsyncMutex<mpsc::Receiver<String>>>,
}

/// A stream that two write to.
#[derive(Clone)]
struct Shared(Arc<Mutex<Box<dyn Write + Send>>>);

impl AtTheTerminal {
    /// Takes standard input for as long as the command lives: nobody else can ask anything from here on, and nothing that moves is
    /// drawn on standard error, because it would hide the question.
    pub(super) fn take(confirmed: Vec<String>, surroundings: &mut Surroundings) -> Arc<dyn Operator> {
        let screen = Shared(Arc::new(Mutex::new(mem::replace(&mut surroundings.stderr, Box::new(io::sink())))));
        surroundings.stderr = Box::new(screen.clone());
        surroundings.stderr_terminal = false;
        let stdin = mem::replace(&mut surroundings.stdin, Box::new(io::empty()));
        let typed = surroundings.interactive.then(|| AsyncMutex::new(listen(stdin)));
        Arc::new(Self { confirmed, screen, typed })
    }
}

#[async_trait]
impl Operator for AtTheTerminal {
    fn is_there(&self) -> bool {
        self.typed.is_some()
    }

    fn has_confirmed(&self, name: &str) -> bool {
        self.confirmed.iter().any(|confirmed| confirmed == name)
    }

    fn tell(&self, text: &str) {
        self.screen.show(&format!("{}\n", lines(text)));
    }

    async fn answer(&self, question: &str) -> Result<String, NobodyThere> {
        let mut typed = self.typed.as_ref().ok_or(NobodyThere)?.lock().await;
        // What was typed before the question is no answer to it.
        while typed.try_recv().is_ok() {}
        self.screen.show(&lines(question));
        typed.recv().await.ok_or(NobodyThere)
    }
}

/// Reads on a thread of its own, which nobody waits for: a read from a terminal may never return.
fn listen(mut stdin: Box<dyn BufRead + Send>) -> mpsc::Receiver<String> {
    let (told, typed) = mpsc::channel(AHEAD);
    let read = move || {
        loop {
            let mut line = Vec::new();
            match (&mut stdin).take(LONGEST).read_until(b'\n', &mut line) {
                Ok(1..) => {}
                _ => return,
            }
            // A cat on the keyboard types what is no text, and is no reason to leave.
            let line = String::from_utf8_lossy(&line);
            // Of what is typed far ahead, the rest is lost: it answers nothing anyway.
            if matches!(told.try_send(line.trim().to_owned()), Err(mpsc::error::TrySendError::Closed(_))) {
                return;
            }
        }
    };
    // Without a thread nobody is heard, which is what a closed channel says.
    let _ = std::thread::Builder::new().name("operator".to_owned()).spawn(read);
    typed
}

/// Text of a scenario with nothing alive in it but the ends of its lines (R13).
fn lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

impl Shared {
    /// Nobody is left to be told when this fails.
    fn show(&self, text: &str) {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// As many lines wait as a hand types ahead.
const AHEAD: usize = 16;
/// Longest line, bytes.
const LONGEST: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::{super::surroundings::testing, *};

    #[tokio::test]
    async fn questions_are_shown_without_anything_alive_in_them_and_answered_by_lines() {
        let mut surroundings = testing::surroundings(std::path::Path::new("."));
        let screen = testing::Kept::default();
        surroundings.stderr = Box::new(screen.clone());
        let nobody = AtTheTerminal::take(vec!["log-in".into()], &mut surroundings);
        assert!(!nobody.is_there() && nobody.has_confirmed("log-in") && !nobody.has_confirmed("other"));
        assert_eq!(nobody.answer("who?").await, Err(NobodyThere));
        nobody.tell("one\n\u{1b}[2Jtwo");
        assert!(screen.text().starts_with("one\n") && !screen.text().contains('\u{1b}'), "{}", screen.text());
        surroundings.warn("and this");
        assert!(screen.text().ends_with("and this\n"), "both write to the same stream");

        surroundings.interactive = true;
        surroundings.stdin = Box::new(io::empty());
        let gone = AtTheTerminal::take(Vec::new(), &mut surroundings);
        assert_eq!(gone.answer("who?").await, Err(NobodyThere), "whoever closed the terminal is not there");

        // A letter of a Latin-1 terminal is no UTF-8, and whoever typed it is there all the same.
        let (terminal, mut hand) = io::pipe().expect("a pipe");
        surroundings.stdin = Box::new(io::BufReader::new(terminal));
        let clumsy = AtTheTerminal::take(Vec::new(), &mut surroundings);
        let asked = screen.clone();
        let hand = std::thread::spawn(move || {
            for (asks, line) in [("first?", &b"\xe1\n"[..]), ("second?", b"yes\n")] {
                while !asked.text().ends_with(asks) {
                    std::thread::yield_now();
                }
                hand.write_all(line).expect("it is read");
            }
        });
        assert_eq!(clumsy.answer("first?").await.as_deref(), Ok("\u{fffd}"));
        assert_eq!(clumsy.answer("second?").await.as_deref(), Ok("yes"));
        hand.join().expect("no panic");
    }
}
