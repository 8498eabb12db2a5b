//! Child processes: each on a processor of its own, ended by closing its standard input, looked at through /proc.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use super::Outcome;

/// Clock ticks a second in /proc/PID/stat: 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// Which processor something runs on.
#[derive(Clone, Copy)]
pub(crate) enum Processor {
    /// Load and server.
    First,
    /// The proxy under test.
    Last,
}

/// A process of ours, killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Running {
    /// Starts a program on one processor.
    pub(crate) fn start(processor: Processor, program: impl AsRef<OsStr>, arguments: &[&OsStr]) -> Outcome<Self> {
        let last = std::thread::available_parallelism()?.get() - 1;
        let number = match processor {
            Processor::First => 0,
            Processor::Last => last,
        };
        let mut child = Command::new("taskset")
            .args(["--cpu-list", &number.to_string()])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|problem| format!("taskset (of util-linux): {problem}"))?;
        let out = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        Ok(Self { child, out })
    }

    /// Starts this benchmark in another role.
    pub(crate) fn role(processor: Processor, arguments: &[&OsStr]) -> Outcome<Self> {
        Self::start(processor, std::env::current_exe()?, arguments)
    }

    /// Reads the line `listening ADDRESS` that our own servers begin with.
    pub(crate) fn address(&mut self) -> Outcome<SocketAddr> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        Ok(line.trim().strip_prefix("listening ").ok_or("it ended before it listened")?.parse()?)
    }

    /// Processor time used so far, in seconds.
    pub(crate) fn processor_seconds(&self) -> Outcome<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The second field is the program's name in brackets, and may hold blanks; user and system time are 14th and 15th.
        let fields: Vec<&str> = text.rsplit_once(')').ok_or("no name")?.1.split_whitespace().collect();
        let ticks: f64 = fields.get(11..13).ok_or("too few fields")?.iter().map(|field| field.parse::<f64>().unwrap_or(0.0)).sum();
        Ok(ticks / TICKS)
    }

    /// A size of /proc/PID/status in MiB: `VmHWM` (peak resident memory), `VmRSS` (resident memory).
    pub(crate) fn memory(&self, what: &str) -> Outcome<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':')).ok_or("no such size")?;
        Ok(line.trim().strip_suffix(" kB").ok_or("not in kB")?.trim().parse::<f64>()? / 1024.0)
    }

    /// Ends it by closing its standard input, and gives what it printed last.
    pub(crate) fn finish(mut self) -> Outcome<String> {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest)?;
        let status = self.child.wait()?;
        if status.success() { Ok(rest) } else { Err(format!("a process ended with {status}").into()) }
    }

    /// Ends it by SIGINT, as a person would, and waits until it is gone.
    pub(crate) fn interrupt(mut self) -> Outcome<()> {
        Command::new("kill").args(["-INT", &self.child.id().to_string()]).status()?;
        let patience = Instant::now();
        while self.child.try_wait()?.is_none() {
            if patience.elapsed() > Duration::from_secs(30) {
                return Err("it does not end".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
