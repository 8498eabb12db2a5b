//! A command on a pseudo-terminal for a test: what it has written so far as text, and Enter. What a test waits for is its own.

use std::{
    io::{Read, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::support::Place;

/// Far longer than anything takes, on any machine.
const LIMIT: Duration = Duration::from_secs(120);

/// A command on a terminal.
pub(crate) struct Terminal {
    helper: Child,
    keys: ChildStdin,
    written: Arc<Mutex<String>>,
    told: Arc<Mutex<String>>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

impl Terminal {
    /// Starts a command with these environment variables; `None` without Python, which makes the terminal.
    pub(crate) fn open(place: &Place, args: &[&str], environment: &[(&str, &str)]) -> Option<Self> {
        let helper: std::path::PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "watch", "terminal.py"].iter().collect();
        let mut command = Command::new("python3");
        command.arg("-B").arg(helper).args(["60", "160"]).arg(env!("CARGO_BIN_EXE_tattletale")).args(args).current_dir(place.path());
        command.env_remove("CI").env("NO_COLOR", "1").envs(environment.iter().copied());
        let mut helper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().ok()?;
        let (written, told) = (Arc::<Mutex<String>>::default(), Arc::<Mutex<String>>::default());
        let readers = vec![
            keep(helper.stdout.take().expect("piped"), Arc::clone(&written)),
            keep(helper.stderr.take().expect("piped"), Arc::clone(&told)),
        ];
        let keys = helper.stdin.take().expect("piped");
        Some(Self { helper, keys, written, told, readers })
    }

    /// What it has written so far.
    pub(crate) fn text(&self) -> String {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has written this.
    #[track_caller]
    pub(crate) fn wait_for(&self, words: &str) {
        self.wait_times(words, 1);
    }

    /// Waits until it has written this so many times.
    #[track_caller]
    pub(crate) fn wait_times(&self, words: &str, times: usize) {
        let began = Instant::now();
        while self.text().matches(words).count() < times {
            assert!(began.elapsed() < LIMIT, "{words:?} did not come {times} times: {}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Answers the question that is on the terminal, once there is one.
    #[track_caller]
    pub(crate) fn enter(&mut self) {
        self.wait_for_question();
        self.press("\r");
    }

    /// Types something; of another terminal than ours it need not be UTF-8.
    pub(crate) fn press(&mut self, keys: impl AsRef<[u8]>) {
        self.keys.write_all(keys.as_ref()).and_then(|()| self.keys.flush()).expect("it listens");
    }

    /// Waits until the last thing on the terminal is a question.
    #[track_caller]
    fn wait_for_question(&self) {
        let began = Instant::now();
        let asks = |text: &str| {
            text.ends_with("Press Enter when it is done. ") || text.ends_with("press Enter. ") || text.ends_with("all the same. ")
        };
        while !asks(&self.text()) {
            assert!(began.elapsed() < LIMIT, "nothing is asked: {}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the end; gives what the helper said of it, and everything that was written.
    pub(crate) fn end(mut self) -> (String, String) {
        let began = Instant::now();
        while self.helper.try_wait().expect("ours").is_none() {
            assert!(began.elapsed() < LIMIT, "it does not end: {}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
        for reader in self.readers.drain(..) {
            reader.join().expect("no panic");
        }
        (self.told.lock().expect("no panic").clone(), self.text())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.helper.kill();
        let _ = self.helper.wait();
    }
}

fn keep(mut stream: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..count]).replace('\r', "");
            into.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        }
    })
}
