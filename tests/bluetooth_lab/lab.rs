//! The tests' hands in the Bluetooth lab: orders for the band stand-in, and commands for the guest that the Bluetooth stack runs in.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tattletale::link::radio::Radio;

/// One guest serves all tests, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Longer than anything that the stand-in or the guest is asked for takes under load.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// The lab, for one test at a time.
pub(crate) struct Lab {
    folder: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Lab {
    /// The lab with a fresh band of this model in it; `None`, and a word about it, when `ci/lab/bluetooth/run` did not start these tests.
    pub(crate) fn with(model: &str) -> Option<Self> {
        let Some(folder) = std::env::var_os("TATTLETALE_BLUETOOTH_LAB") else {
            skipped();
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let lab = Self { folder: folder.into(), _turn: turn };
        lab.order(json!({ "do": "play", "model": model }));
        Some(lab)
    }

    /// The central that the tests are.
    pub(crate) fn radio(&self) -> Radio {
        Radio { adapter: Some("hci0".to_owned()) }
    }

    /// Another central in the same room.
    pub(crate) fn second_radio(&self) -> Radio {
        Radio { adapter: Some("hci2".to_owned()) }
    }

    /// Gives the stand-in an order, and returns its answer.
    #[track_caller]
    pub(crate) fn order(&self, order: Value) -> Value {
        let mut answer = String::new();
        let mut socket = connect(&self.folder.join("band"));
        writeln!(socket, "{order}").expect("the stand-in takes orders");
        BufReader::new(socket).read_line(&mut answer).expect("the stand-in answers");
        let mut answer: Value = serde_json::from_str(&answer).expect("an answer is JSON");
        assert_eq!(answer.get("error"), None, "the stand-in refuses {order}");
        answer["ok"].take()
    }

    /// Runs a command in the guest, and returns what it prints.
    #[track_caller]
    pub(crate) fn guest(&self, command: &str) -> String {
        let mut socket = connect(&self.folder.join("guest"));
        writeln!(socket, "{command}").expect("the guest takes commands");
        let mut said = String::new();
        for line in BufReader::new(socket).lines() {
            let line = line.expect("the guest answers");
            if let Some(status) = line.trim().strip_prefix("LAB DONE ") {
                assert_eq!(status, "0", "`{command}` in the guest: {said}");
                return said;
            }
            said += &line;
            said += "\n";
        }
        panic!("the guest ended in the middle of `{command}`: {said}");
    }
}

#[track_caller]
fn connect(path: &Path) -> UnixStream {
    let socket = UnixStream::connect(path).expect("the lab is up while its command runs");
    socket.set_read_timeout(Some(ANSWER_WITHIN)).expect("a limit can be set");
    socket
}

#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn skipped() {
    eprintln!("skipped: no lab (ci/bluetooth runs these tests in it)");
}
