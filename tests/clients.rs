//! Contract tests of the proxy with real clients that nobody here wrote: curl, Node, Python, OkHttp, Chromium. For each, what the
//! log holds is compared with the servers' own list of receipts. `ci/install` brings the clients, `ci/clients` counts the missing.

mod bench;
#[path = "support/chromium.rs"]
mod browser;
#[path = "clients/chromium.rs"]
mod chromium;
#[path = "clients/curl.rs"]
mod curl;
#[path = "clients/node.rs"]
mod node;
#[path = "clients/okhttp.rs"]
mod okhttp;
#[path = "clients/python.rs"]
mod python;

use std::{
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tattletale::model::TunnelOutcome;

/// How a client ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ended {
    /// What it printed, if it ended well.
    #[track_caller]
    fn well(self) -> String {
        assert_eq!(self.code, Some(0), "it said: {} {}", self.out, self.err);
        self.out
    }
}

/// A client without the proxies that this machine may have configured.
fn client(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.stdin(Stdio::null());
    command
}

/// Runs a client to its end, within a generous limit: one that hangs is a failure of the proxy, not of the test's patience.
#[track_caller]
fn run(command: &mut Command, input: &[u8]) -> Ended {
    use std::io::{Read as _, Write as _};
    command.stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() }).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it was found before");
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let reader = |stream: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stream.map(|mut stream| stream.read_to_end(&mut bytes));
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let out = reader(stdout.map(|stream| Box::new(stream) as _));
    let err = reader(stderr.map(|stream| Box::new(stream) as _));
    if let Some(mut stdin) = stdin {
        // A client that does not read to the end says why by itself.
        let _ = stdin.write_all(input);
    }
    let status = wait(&mut child);
    let ended = |stream: std::thread::JoinHandle<String>| stream.join().expect("no panic");
    let ended = Ended { code: status.and_then(|status| status.code()), out: ended(out), err: ended(err) };
    assert!(status.is_some(), "it did not end within {LIMIT:?}: {command:?} {ended:?}");
    ended
}

/// Waits for the end of a client; `None`, and its end, when it takes too long.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        if let Some(status) = child.try_wait().expect("it is ours") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// Whether a program can be started.
fn is_there(program: &str, version: &str) -> bool {
    client(program).arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Says that a test had nothing to test with. `ci/clients` counts these lines.
#[allow(clippy::print_stdout, reason = "a skipped test says so")]
fn skip(why: &str) {
    println!("\nskipped: {why}");
}

/// What `ci/install` put there for these tests: libraries that are no part of a system.
fn installed(path: &str) -> Option<PathBuf> {
    let path = [env!("CARGO_MANIFEST_DIR"), "target", "clients", path].iter().collect::<PathBuf>();
    path.exists().then_some(path)
}

/// A file of these tests' own.
fn own(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "clients", name].iter().collect()
}

/// The word of an outcome, as captures spell it.
fn word(outcome: &TunnelOutcome) -> String {
    let json = serde_json::to_value(outcome).expect("plain data");
    json.get("kind").and_then(serde_json::Value::as_str).expect("an outcome has a kind").to_owned()
}

/// Far more than any client needs, on any machine.
const LIMIT: Duration = Duration::from_secs(120);
