//! One adb program, one phone: commands with a limit on time and output, and a sentinel after each, because adb says that all is well
//! when the link drops in the middle of one. What the commands mean is others'.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    sync::RwLock,
    time::{Instant, timeout_at},
};

use super::error::{AdbError, cut};
use crate::model::Captured;

/// The adb program on this machine, and which of its servers is used. Starts one where none runs, as adb does by itself; never ends
/// one: it may be somebody's.
#[derive(Clone, Debug)]
pub struct AdbProgram {
    /// The program: a name that is looked for in `PATH`, or a path.
    pub program: PathBuf,
    /// Port of the server on this machine; the usual one, or what the environment says, when `None`.
    pub port: Option<u16>,
    /// Environment variables that it gets besides this program's own: a `HOME` of its own, in tests.
    pub environment: Vec<(String, String)>,
}

impl Default for AdbProgram {
    fn default() -> Self {
        Self { program: PathBuf::from("adb"), port: None, environment: Vec::new() }
    }
}

/// adb, for one phone.
#[derive(Clone, Debug)]
pub(super) struct Adb {
    pub(super) program: AdbProgram,
    pub(super) serial: Captured<String>,
    /// Read by each command that is under way, also by one that nobody waits for any more.
    under_way: Arc<RwLock<()>>,
}

/// What a command on the phone gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Standard output, as text: bytes that are no UTF-8 are replaced.
    pub(super) stdout: String,
    /// Standard error.
    pub(super) stderr: String,
    /// Exit status of the command on the phone.
    pub(super) status: u32,
}

/// What an adb program gave.
struct Ended {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: String,
}

impl AdbProgram {
    /// Runs adb itself, for no phone in particular.
    ///
    /// # Errors
    /// [`AdbError::NotInstalled`], [`AdbError::Server`], [`AdbError::TimedOut`].
    pub(super) async fn run(&self, arguments: &[&str], what: &str) -> Result<String, AdbError> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let ended = self.spawn(&arguments, None, what, QUERY).await?;
        let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
        if ended.status.success() {
            return Ok(stdout);
        }
        let unknown = || AdbError::Server(cut(if ended.stderr.trim().is_empty() { &stdout } else { &ended.stderr }));
        Err(AdbError::of_client(&ended.stderr, what).unwrap_or_else(unknown))
    }

    /// `input` is written to its standard input, which is closed then; it has none where there is nothing to say.
    async fn spawn(
        &self,
        arguments: &[OsString],
        input: Option<Captured<String>>,
        what: &str,
        within: Duration,
    ) -> Result<Ended, AdbError> {
        let missing = |problem: std::io::Error| AdbError::NotInstalled {
            program: self.program.display().to_string(),
            problem: if problem.kind() == std::io::ErrorKind::NotFound { "it is not installed".to_owned() } else { problem.to_string() },
        };
        let mut command = Command::new(&self.program);
        if let Some(port) = self.port {
            command.arg("-P").arg(port.to_string());
        }
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        command.args(arguments).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        // Ctrl-C in the terminal is for us: what adb is doing then is finished or ended by us, never cut in its middle.
        #[cfg(unix)]
        command.process_group(0);
        let until = Instant::now() + within;
        let late = || AdbError::TimedOut { what: what.to_owned(), within };
        let mut child = command.spawn().map_err(missing)?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let saying = async {
            if let Some((mut stdin, input)) = stdin.zip(input) {
                // Exposed to be given to the phone. One that takes no more has ended, which its answer tells.
                let _ = stdin.write_all(input.expose().as_bytes()).await;
            }
        };
        let reading = async {
            let (stdout, stderr, ()) = tokio::join!(drain(stdout, MOST_OUTPUT), drain(stderr, MOST_COMPLAINT), saying);
            (stdout, stderr)
        };
        tokio::pin!(reading);
        let waiting = async {
            tokio::select! {
                read = &mut reading => (child.wait().await, Some(read)),
                status = child.wait() => (status, None),
            }
        };
        let (status, read) = timeout_at(until, waiting).await.map_err(|_| late())?;
        let status = status.map_err(|problem| AdbError::Server(problem.to_string()))?;
        let ((stdout, whole), (stderr, _)) = match read {
            Some(read) => read,
            // A server that was started by the way may hold our ends open: what adb itself said is there already.
            None => match timeout_at(until.min(Instant::now() + LAST_WORDS), &mut reading).await {
                Ok(read) => read,
                Err(_) => {
                    return Err(AdbError::Server("it ended, and left its output open: start its server first (`adb start-server`)".into()));
                }
            },
        };
        if !whole {
            return Err(AdbError::TooLong { what: what.to_owned(), most: MOST_OUTPUT });
        }
        Ok(Ended { status, stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() })
    }
}

impl Adb {
    /// adb for the phone with this serial number.
    pub(super) fn new(program: AdbProgram, serial: Captured<String>) -> Self {
        Self { program, serial, under_way: Arc::default() }
    }

    /// Waits until every command has ended that was given up in its middle: one that changes something must not come after what puts
    /// it back.
    pub(super) async fn settle(&self) {
        drop(self.under_way.write().await);
    }

    /// Runs a command on the phone; each argument arrives as it is. `what` reads after "failed to".
    ///
    /// # Errors
    /// [`AdbError::LinkLost`] when the link broke before the command ended, and what adb itself says. A command that ends in another
    /// status than 0 is no error here.
    pub(super) async fn shell(&self, arguments: &[&str], what: &str) -> Result<Answer, AdbError> {
        let command = arguments.iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(" ");
        self.script(&command, what, QUERY).await
    }

    /// The same, and an error unless it ends in status 0. Gives its standard output.
    ///
    /// # Errors
    /// As [`Adb::shell`], and what the phone complains of.
    pub(super) async fn ask(&self, arguments: &[&str], what: &str) -> Result<String, AdbError> {
        let answer = self.shell(arguments, what).await?;
        if answer.status == 0 { Ok(answer.stdout) } else { Err(AdbError::of_command(what, &answer.stdout, &answer.stderr)) }
    }

    /// Runs a shell script on the phone.
    ///
    /// # Errors
    /// As [`Adb::shell`].
    pub(super) async fn script(&self, script: &str, what: &str, within: Duration) -> Result<Answer, AdbError> {
        self.script_reading(script, None, what, within).await
    }

    /// Runs a shell script on the phone that reads this on its standard input: what must stand in no command line, because everybody on
    /// this computer can read those.
    ///
    /// # Errors
    /// As [`Adb::shell`].
    pub(super) async fn script_reading(
        &self,
        script: &str,
        input: Option<Captured<String>>,
        what: &str,
        within: Duration,
    ) -> Result<Answer, AdbError> {
        let nonce = format!("ended-{:016x}", fastrand::u64(..));
        // In a subshell, so that an `exit` in it does not take the sentinel along; on a line of its own whatever came before.
        let line = format!("({script}\n); status=$?; echo; echo {nonce}:$status");
        let ended = self.run_for_phone(&["shell".as_ref(), line.as_ref()], input, what, within).await?;
        let stdout = String::from_utf8_lossy(&ended.stdout).replace("\r\n", "\n");
        match split_sentinel(&stdout, &nonce) {
            Some((stdout, status)) => Ok(Answer { stdout: stdout.to_owned(), stderr: ended.stderr, status }),
            // adb exits with status 0 all the same.
            None => Err(AdbError::of_client(&ended.stderr, what).unwrap_or_else(|| AdbError::LinkLost { during: what.to_owned() })),
        }
    }

    /// Runs a command whose output is bytes, and gives them as they came. Whether they are all there is the caller's to see: there is
    /// no sentinel.
    ///
    /// # Errors
    /// What adb says.
    pub(super) async fn bytes(&self, arguments: &[&str], what: &str) -> Result<Vec<u8>, AdbError> {
        let command = arguments.iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(" ");
        let ended = self.run_for_phone(&["exec-out".as_ref(), command.as_ref()], None, what, TRANSFER).await?;
        match AdbError::of_client(&ended.stderr, what) {
            Some(error) if !ended.status.success() => Err(error),
            _ => Ok(ended.stdout),
        }
    }

    /// One of adb's own commands for this phone. Gives its exit and everything it said.
    ///
    /// # Errors
    /// What adb says of the phone.
    pub(super) async fn own(&self, arguments: &[&OsStr], what: &str, within: Duration) -> Result<(bool, String), AdbError> {
        let ended = self.run_for_phone(arguments, None, what, within).await?;
        if !ended.status.success()
            && let Some(error) = AdbError::of_client(&ended.stderr, what)
        {
            return Err(error);
        }
        Ok((ended.status.success(), format!("{}{}", String::from_utf8_lossy(&ended.stdout), ended.stderr)))
    }

    /// Puts a package, or the parts of one, on the phone as an app.
    ///
    /// # Errors
    /// Why the phone refused it.
    pub(super) async fn install(&self, files: &[&Path]) -> Result<(), AdbError> {
        let what = "install the app";
        let verb = if files.len() > 1 { "install-multiple" } else { "install" };
        for way in [&["-r", "-d", "-t"][..], &["--no-streaming", "-r", "-d", "-t"]] {
            let mut arguments: Vec<&OsStr> = vec![verb.as_ref()];
            arguments.extend(way.iter().map(AsRef::<OsStr>::as_ref));
            arguments.extend(files.iter().map(|file| file.as_os_str()));
            let (_, said) = self.own(&arguments, what, TRANSFER).await?;
            match AdbError::of_install(&said) {
                None => return Ok(()),
                // Phones that cannot take a stream say so in many ways; the other way is older and always there.
                Some(AdbError::NotUnderstood { .. } | AdbError::LinkLost { .. }) if way.len() == 3 && files.len() == 1 => {}
                Some(error) => return Err(error),
            }
        }
        Err(AdbError::InstallRefused("neither as a stream nor as a file".to_owned()))
    }

    async fn run_for_phone(
        &self,
        arguments: &[&OsStr],
        input: Option<Captured<String>>,
        what: &str,
        within: Duration,
    ) -> Result<Ended, AdbError> {
        // Exposed to be given to adb, and to nobody else.
        let mut all: Vec<OsString> = vec!["-s".into(), self.serial.expose().into()];
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let (program, what) = (self.program.clone(), what.to_owned());
        let under_way = Arc::clone(&self.under_way).read_owned().await;
        // In a task of its own: a command that was begun is brought to its end, or to its limit, whoever gave up waiting for it.
        let task = tokio::spawn(async move {
            let ended = program.spawn(&all, input, &what, within).await;
            drop(under_way);
            ended
        });
        task.await.unwrap_or_else(|problem| Err(AdbError::Server(problem.to_string())))
    }

    /// A command that goes on until it is told to end; ended with whoever waits for it, and waited for by nobody else.
    ///
    /// # Errors
    /// What adb says.
    pub(super) async fn long(&self, script: &str, what: &str, within: Duration) -> Result<(), AdbError> {
        // Exposed to be given to adb, and to nobody else.
        let all: Vec<OsString> = vec!["-s".into(), self.serial.expose().into(), "shell".into(), script.into()];
        let ended = self.program.spawn(&all, None, what, within).await?;
        let stdout = String::from_utf8_lossy(&ended.stdout);
        match AdbError::of_client(&ended.stderr, what) {
            Some(error) => Err(error),
            None if ended.status.success() || ended.stderr.trim().is_empty() => Ok(()),
            None => Err(AdbError::of_command(what, &stdout, &ended.stderr)),
        }
    }
}

/// An argument as a shell takes it for one word, whatever stands in it.
pub(super) fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:=,%+@".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) { argument.to_owned() } else { format!("'{}'", argument.replace('\'', r"'\''")) }
}

/// What stands before the sentinel, and the status in it. The sentinel is the last line, and nobody else knows its nonce.
fn split_sentinel<'a>(stdout: &'a str, nonce: &str) -> Option<(&'a str, u32)> {
    let (before, line) = stdout.trim_end_matches('\n').rsplit_once('\n')?;
    let status = line.strip_prefix(nonce)?.strip_prefix(':')?.trim_end_matches('\r').parse().ok()?;
    // The line break before it is ours, too.
    Some((before.strip_suffix('\n').unwrap_or(before), status))
}

/// Reads a stream to its end. Keeps so many bytes; false when there were more.
pub(super) async fn drain(stream: Option<impl AsyncRead + Unpin>, most: usize) -> (Vec<u8>, bool) {
    let Some(mut stream) = stream else { return (Vec::new(), true) };
    let (mut kept, mut whole) = (Vec::new(), true);
    let mut piece = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return (kept, whole),
            Ok(count) => {
                let room = most.saturating_sub(kept.len()).min(count);
                whole &= room == count;
                kept.extend_from_slice(&piece[..room]);
            }
        }
    }
}

/// A question has this long to be answered.
pub(super) const QUERY: Duration = Duration::from_secs(10);
/// A transfer of a package has this long.
pub(super) const TRANSFER: Duration = Duration::from_secs(180);
/// What adb said before it ended has this long to arrive.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Longest output that is kept, bytes: the longest is a picture of a large screen, or a recording of three minutes.
const MOST_OUTPUT: usize = 256 * 1024 * 1024;
/// Longest complaint that is kept, bytes.
const MOST_COMPLAINT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// A program in adb's place that does what this script says, `$*` being its arguments.
    #[cfg(unix)]
    fn stand_in(folder: &Path, script: &str) -> Adb {
        let program = folder.join("adb");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("ours");
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("ours");
        Adb::new(AdbProgram { program, ..AdbProgram::default() }, Captured::new("INVENTED01".into()))
    }

    /// What a real adb does: runs the last argument in a shell, and passes its status on.
    #[cfg(unix)]
    const HONEST: &str = "for last; do :; done; exec sh -c \"$last\"";

    #[cfg(unix)]
    #[tokio::test]
    async fn a_command_gives_what_it_says_and_its_status() {
        let folder = tempfile::tempdir().expect("a folder");
        let adb = stand_in(folder.path(), HONEST);
        let answer = adb.shell(&["printf", "%s", "it's 1"], "ask").await.expect("it answers");
        assert_eq!((answer.stdout.as_str(), answer.stderr.as_str(), answer.status), ("it's 1", "", 0));
        let answer = adb.script("echo one; echo two >&2; exit 7", "ask", QUERY).await.expect("it answers");
        assert_eq!((answer.stdout.as_str(), answer.stderr.as_str(), answer.status), ("one", "two\n", 7));
        let error = adb.ask(&["false"], "ask").await.expect_err("it fails");
        assert!(matches!(error, AdbError::Refused { .. }), "{error}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_a_script_reads_stands_in_no_command_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let said = folder.path().join("said");
        let adb = stand_in(folder.path(), &format!("echo \"$*\" >> {}; {HONEST}", said.display()));
        let input = Captured::new("  it's $HOME; `a` \\ \n".to_owned());
        let script = "IFS= read -r text && printf '[%s]' \"$text\"";
        let answer = adb.script_reading(script, Some(input), "type", QUERY).await.expect("it reads");
        assert_eq!((answer.stdout.as_str(), answer.status), ("[  it's $HOME; `a` \\ ]", 0));
        let line = std::fs::read_to_string(said).expect("it noted its arguments");
        assert!(line.contains("read -r") && !line.contains("it's"), "{line}");
        // More than a pipe holds, to somebody who reads nothing of it.
        let long = Captured::new("x".repeat(1 << 20));
        assert_eq!(adb.script_reading("exit 3", Some(long), "type", QUERY).await.map(|answer| answer.status), Ok(3));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_that_drops_is_no_success_though_adb_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        // As adb 29 and 34 do: what came so far, and status 0.
        for said in ["echo 'half an ans'", "true", "printf 'null\\n\\nended-'"] {
            let adb = stand_in(folder.path(), &format!("{said}; exit 0"));
            let error = adb.shell(&["settings", "get", "global", "http_proxy"], "read").await.expect_err("it broke off");
            assert_eq!(error, AdbError::LinkLost { during: "read".into() }, "{said}");
        }
        let adb = stand_in(folder.path(), "echo 'error: device unauthorized.' >&2; exit 1");
        assert_eq!(adb.shell(&["true"], "read").await, Err(AdbError::Unauthorised));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_does_not_answer_is_ended_at_its_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let adb = stand_in(folder.path(), "exec sleep 600");
        let within = Duration::from_millis(200);
        assert_eq!(adb.script("true", "ask", within).await, Err(AdbError::TimedOut { what: "ask".into(), within }));
        let missing = AdbProgram { program: folder.path().join("nowhere"), ..AdbProgram::default() };
        assert!(matches!(missing.run(&["devices"], "list").await, Err(AdbError::NotInstalled { .. })));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_command_that_was_given_up_is_waited_for_before_anything_is_put_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let (begun, go, done) = (folder.path().join("begun"), folder.path().join("go"), folder.path().join("done"));
        let script = format!("touch {}; while ! [ -e {} ]; do sleep 0.01; done; touch {}", begun.display(), go.display(), done.display());
        let adb = stand_in(folder.path(), &script);
        let mut command = Box::pin(adb.shell(&["settings"], "set"));
        while !begun.exists() {
            let _ = tokio::time::timeout(Duration::from_millis(10), &mut command).await;
        }
        // Ctrl-C, in its middle.
        drop(command);
        std::fs::write(go, "").expect("ours");
        adb.settle().await;
        assert!(done.exists(), "it was brought to its end");
    }

    #[test]
    fn arguments_arrive_as_they_are() {
        for (argument, want) in [
            ("http_proxy", "http_proxy"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's; rm -rf /", r"'it'\''s; rm -rf /'"),
            ("$HOME", "'$HOME'"),
            ("ü", "'ü'"),
        ] {
            assert_eq!(quoted(argument), want);
        }
    }

    #[test]
    fn only_a_whole_sentinel_at_the_end_counts() {
        for (stdout, want) in [
            ("null\n\nended-1:0\n", Some(("null", 0))),
            ("no line break\nended-1:255\n", Some(("no line break", 255))),
            ("\nended-1:0\n", Some(("", 0))),
            ("half of an ans", None),
            ("an answer\n\nended-1:", None),
            ("\nended-1:0\nand more\n", None),
            ("\nended-2:0\n", None),
            ("", None),
        ] {
            assert_eq!(split_sentinel(stdout, "ended-1"), want, "{stdout:?}");
        }
    }
}
