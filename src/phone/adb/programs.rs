//! Programs of this machine that are started for a phone, besides adb: with a limit on their time and on what is kept of their words, ended
//! with whoever waits for them. What they are for is others'.

use std::{ffi::OsStr, process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

use super::{super::PhoneError, client::drain, error::cut};

/// A program that somebody may have to install.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// Its name, looked for in `PATH`.
    pub(super) name: &'static str,
    /// How it is asked for its version.
    pub(super) version: &'static [&'static str],
    /// How it is come by.
    pub(super) install: &'static str,
}

impl Program {
    /// Runs it to its end, and gives what it said.
    ///
    /// # Errors
    /// [`PhoneError::Alter`]: it is not installed, does not end in time, or failed, with its words.
    pub(super) async fn run(&self, arguments: &[&OsStr], what: &str, within: Duration) -> Result<String, PhoneError> {
        let (good, said) = self.ended(arguments, within).await?;
        if good {
            return Ok(said);
        }
        // What went wrong stands in the first line that says so; what follows is where in the program.
        let is_complaint = |line: &&str| ["Exception", "rror", "E:", "W:"].iter().any(|word| line.contains(word));
        let line = said.lines().find(is_complaint).or_else(|| said.lines().rfind(|line| !line.trim().is_empty()));
        Err(PhoneError::Alter(format!("{what}: {} says: {}", self.name, cut(line.unwrap_or("nothing")))))
    }

    /// Its version, in the line in which it names it.
    ///
    /// # Errors
    /// [`PhoneError::Alter`]: it is not installed, or does not end.
    pub(super) async fn version(&self) -> Result<String, PhoneError> {
        let arguments: Vec<&OsStr> = self.version.iter().map(AsRef::as_ref).collect();
        Ok(cut(&self.ended(&arguments, ANSWER).await?.1))
    }

    async fn ended(&self, arguments: &[&OsStr], within: Duration) -> Result<(bool, String), PhoneError> {
        let mut command = Command::new(self.name);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|problem| self.not_started(&problem))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let all = async { tokio::join!(drain(stdout, MOST_WORDS), drain(stderr, MOST_WORDS), child.wait()) };
        let late = |_| PhoneError::Alter(format!("{} did not end within {} s", self.name, within.as_secs()));
        let ((out, _), (complaint, _), status) = timeout(within, all).await.map_err(late)?;
        let status = status.map_err(|problem| self.not_started(&problem))?;
        Ok((status.success(), String::from_utf8_lossy(&[complaint, out].concat()).into_owned()))
    }

    /// Why it could not be started, and how it is come by.
    pub(super) fn not_started(&self, problem: &std::io::Error) -> PhoneError {
        let Self { name, install, .. } = self;
        PhoneError::Alter(match problem.kind() {
            std::io::ErrorKind::NotFound => format!("{name} is not installed ({install})"),
            _ => format!("start {name}: {problem}"),
        })
    }
}

/// A question for a version has this long to be answered: Java starts for some.
const ANSWER: Duration = Duration::from_secs(30);
/// So many bytes of each stream are kept.
const MOST_WORDS: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const fn program(name: &'static str) -> Program {
        Program { name, version: &[], install: "Debian: `apt install it`" }
    }

    #[tokio::test]
    async fn a_program_that_is_missing_is_named_with_how_it_is_come_by() {
        let error = program("tattletale-no-such-program").run(&[], "do it", ANSWER).await.expect_err("nobody has it");
        let said = error.to_string();
        assert!(said.contains("tattletale-no-such-program is not installed") && said.contains("apt install it"), "{said}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_program_that_fails_is_quoted_and_one_that_hangs_is_ended() {
        let shell = program("sh");
        let run = async |script: &'static str, within| {
            let arguments: [&OsStr; 2] = ["-c".as_ref(), script.as_ref()];
            shell.run(&arguments, "unpack it", within).await
        };
        assert_eq!(run("echo well", ANSWER).await, Ok("well\n".to_owned()));
        let failed = run("echo I: going; echo 'E: no such resource' >&2; echo at x; exit 1", ANSWER).await.expect_err("it failed");
        assert!(failed.to_string().contains("unpack it: sh says: E: no such resource"), "{failed}");
        let late = run("exec sleep 600", Duration::from_millis(50)).await.expect_err("it hangs");
        assert!(late.to_string().contains("did not end within"), "{late}");
    }
}
