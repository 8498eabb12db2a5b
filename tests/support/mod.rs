//! What the tests of the command line share: a folder of their own and a way to run the binary in it.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub(crate) mod held;
#[cfg(target_os = "linux")]
pub(crate) mod phone_lab;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tattletale::{
    model::App,
    scenario::{embedded, parse},
};

/// The first app that is shipped, whose stand-in the simulated phone and the stand-in phone have.
pub(crate) fn shipped_app() -> App {
    let shipped = &embedded::apps()[0];
    parse::app("app.yaml", shipped.name, shipped.app_yaml).expect("the shipped app file is right")
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// stdout.
    pub out: String,
    /// stderr.
    pub err: String,
}

/// A folder of its own in which to run the binary.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// An empty folder: an installed binary on a new machine.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder can be made") }
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file below the folder.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folders can be made");
        std::fs::write(&path, content).expect("a file can be written");
        path
    }

    /// The command, ready to be changed and run.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tattletale"));
        command.args(args).current_dir(self.path()).env_remove("CI").env("NO_COLOR", "1").env("COLUMNS", "120").stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        finish(self.command(args))
    }

    /// Runs the command and parses its stdout as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> (Ended, serde_json::Value) {
        let ended = self.run(args);
        let value = serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("stdout is no JSON ({error}): {ended:?}"));
        (ended, value)
    }

    /// Files below the folder whose name ends so, sorted.
    pub(crate) fn files(&self, ending: &str) -> Vec<PathBuf> {
        fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, ending, found);
                } else if path.to_string_lossy().ends_with(ending) {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        walk(self.path(), ending, &mut found);
        found.sort();
        found
    }
}

/// Runs a command to its end.
pub(crate) fn finish(mut command: Command) -> Ended {
    let output = command.output().expect("the binary can be started");
    Ended {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a command to its end and tells its peak resident memory in bytes, as the kernel counted it.
pub(crate) fn peak_memory(mut command: Command) -> (Ended, u64) {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary can be started");
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let watcher = std::thread::spawn(move || {
        let mut peak = 0;
        // VmHWM only grows, so the last look before the end is the peak.
        while stopped.recv_timeout(std::time::Duration::from_millis(5)).is_err_and(|why| why == std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let kib = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
            peak = peak.max(kib.unwrap_or(0) * 1024);
        }
        peak
    });
    let output = child.wait_with_output().expect("it ends");
    drop(stop);
    let peak = watcher.join().expect("no panic");
    assert!(peak > 0, "the kernel told nothing of the memory");
    let ended = Ended {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    (ended, peak)
}
