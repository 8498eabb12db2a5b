//! The world as a command sees it: where it prints, how wide, what time it is. `main` fills it in; tests fill in their own.

use std::{
    fmt::Display,
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::Date};

use super::Failure;
use crate::store::Workspace;

/// Looks up an environment variable.
pub type Environment = Box<dyn Fn(&str) -> Option<String> + Send>;

/// The world as a command sees it.
pub struct Surroundings {
    /// Data goes here.
    pub stdout: Box<dyn Write + Send>,
    /// Progress and logs go here.
    pub stderr: Box<dyn Write + Send>,
    /// Answers to questions come from here.
    pub stdin: Box<dyn BufRead + Send>,
    /// Threads that may work at once, at least 1.
    pub workers: usize,
    /// Columns of standard output.
    pub width: usize,
    /// Whether colour is wanted on standard output. It never carries meaning alone.
    pub colour: bool,
    /// Whether a person looks at standard output: captured values are shown to nobody else.
    pub terminal: bool,
    /// Whether a person looks at standard error: progress bars are for nobody else.
    pub stderr_terminal: bool,
    /// Whether a person can be asked.
    pub interactive: bool,
    /// Whether this is a CI job: nothing accepted is written then.
    pub ci: bool,
    /// No progress and no notes on standard error (`--quiet`); errors are still told.
    pub quiet: bool,
    /// The wall clock's time at the start.
    pub now: Timestamp,
    /// Today's date, UTC: policy entries expire by it.
    pub today: Date,
    /// The working directory.
    pub working_directory: PathBuf,
    /// Environment variables, for `${env:NAME}` in a person's files.
    pub environment: Environment,
    /// Ends the process at once, with this exit code: for a person who pressed Ctrl-C twice.
    pub end_at_once: fn(u8),
}

impl Surroundings {
    /// Prints data. When the reader has gone away (`| head`) the rest is dropped, and the exit code stays what it is.
    ///
    /// # Errors
    /// When standard output cannot be written for another reason: a full disk behind `>`.
    pub fn print(&mut self, text: &str) -> Result<(), Failure> {
        match self.stdout.write_all(text.as_bytes()).and_then(|()| self.stdout.flush()) {
            Err(problem) if problem.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::instrument(format!("write to standard output: {problem}"), ""))
            }
            _ => Ok(()),
        }
    }

    /// Prints a note for the person at the terminal, unless they asked for quiet.
    pub fn note(&mut self, text: impl Display) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// Prints something the person must know, quiet or not. Nobody is left to be told when this fails.
    pub fn warn(&mut self, text: impl Display) {
        let text = text.to_string();
        let _ = writeln!(self.stderr, "{}", text.trim_end());
    }

    /// Asks and reads one line, without its end; `None` when there is nobody left to answer.
    pub fn ask(&mut self, question: &str) -> Option<String> {
        let _ = write!(self.stderr, "{question}");
        let _ = self.stderr.flush();
        let mut answer = String::new();
        let limited = &mut io::Read::take(&mut self.stdin, 4096);
        matches!(limited.read_line(&mut answer), Ok(count) if count > 0).then(|| answer.trim().to_owned())
    }

    /// A path as a person typed it, from the working directory.
    pub fn path(&self, typed: &Path) -> PathBuf {
        self.working_directory.join(typed)
    }

    /// A path as a person would type it: relative to the working directory where that is shorter.
    pub fn shown(&self, path: &Path) -> String {
        let relative = path.strip_prefix(&self.working_directory).unwrap_or(path);
        let here = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        crate::model::text::printable(&here.to_string_lossy())
    }

    /// The workspace of the working directory.
    pub fn workspace(&self) -> Workspace {
        Workspace::find(&self.working_directory)
    }
}

/// Surroundings for tests: nobody at the terminal, output kept.
#[cfg(test)]
pub(crate) mod testing {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was written to a stream.
    #[derive(Clone, Default)]
    pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no test panicked in a write").clone()).expect("output is UTF-8")
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no test panicked in a write").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Surroundings in a folder, in which nothing that is printed is kept.
    pub(crate) fn surroundings(folder: &Path) -> Surroundings {
        let now: Timestamp = "2026-03-02T08:00:00Z".parse().expect("a time");
        Surroundings {
            stdout: Box::new(io::sink()),
            stderr: Box::new(io::sink()),
            stdin: Box::new(io::empty()),
            workers: 2,
            width: 100,
            colour: false,
            terminal: false,
            stderr_terminal: false,
            interactive: false,
            ci: false,
            quiet: false,
            now,
            today: now.to_zoned(jiff::tz::TimeZone::UTC).date(),
            working_directory: folder.to_owned(),
            environment: Box::new(|_| None),
            end_at_once: |code| panic!("ended at once with {code}"),
        }
    }

    /// Runs a command line in a folder, and gives exit, standard output and standard error.
    pub(crate) fn command(folder: &Path, line: &[&str], change: impl FnOnce(&mut Surroundings)) -> (super::super::Exit, String, String) {
        use clap::Parser as _;
        let (stdout, stderr) = (Kept::default(), Kept::default());
        let mut surroundings = surroundings(folder);
        (surroundings.stdout, surroundings.stderr) = (Box::new(stdout.clone()), Box::new(stderr.clone()));
        change(&mut surroundings);
        let args = super::super::Args::try_parse_from(std::iter::once("tattletale").chain(line.iter().copied())).expect("a command line");
        let exit = super::super::execute(args, &mut surroundings);
        (exit, stdout.text(), stderr.text())
    }
}
