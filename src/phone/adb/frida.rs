//! A script of the rig's owner in the app, run by the owner's own `frida` program: it starts the app with the script in it, and goes on for
//! as long as the app is to be read. Its process is in the journal, so that it is ended on every way out; what it says is kept, and when it
//! ends by itself that is told. What the script does is its owner's business.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, ChildStdin, Command},
    time::{Instant, sleep, timeout},
};

use super::{
    super::{Check, PhoneError},
    AdbPhone, AdbSetup, LOOK_AGAIN, START,
    changes::Undoing,
    client::Adb,
    error::{AdbError, cut},
    programs::Program,
};
use crate::{
    clock::Clock,
    model::{Alteration, PhoneChange, text::sha256_hex},
};

/// A script that runs in the app.
pub(super) struct Script {
    child: Child,
    /// frida ends when nobody can type into it any more.
    _stdin: Option<ChildStdin>,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Script {
    fn start(adb: &Adb, package: &str, script: &Path) -> Result<Self, PhoneError> {
        let mut command = Command::new(FRIDA.name);
        // Exposed to be given to frida, which knows phones by the same number.
        command.args(["-D", adb.serial.expose(), "-f", package, "-l"]).arg(script);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.envs(adb.program.environment.iter().map(|(name, value)| (name, value)));
        if let Some(port) = adb.program.port {
            command.env("ANDROID_ADB_SERVER_PORT", port.to_string());
        }
        // Ctrl-C in the terminal is for us: the app is put back before this ends.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(|problem| FRIDA.not_started(&problem))?;
        let said = Arc::<Mutex<Vec<u8>>>::default();
        listen(child.stdout.take(), &said);
        listen(child.stderr.take(), &said);
        let stdin = child.stdin.take();
        Ok(Self { child, _stdin: stdin, said })
    }

    /// How it ended, when it has.
    fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        Some(format!("{} ended with {status}", FRIDA.name))
    }

    /// What it has said since this was last asked for.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends it, and gives what it said last.
    async fn end(mut self) -> Vec<u8> {
        drop(self._stdin.take());
        #[cfg(unix)]
        if let Some(pid) = self.child.id() {
            terminate(pid);
        }
        if timeout(FAREWELL, self.child.wait()).await.is_err() {
            // Whoever does not go when asked is ended.
            let _ = self.child.kill().await;
        }
        self.take_output()
    }
}

impl AdbPhone {
    /// Looks whether the script can be run at all, and notes which it is.
    pub(super) async fn ready_script(&mut self) -> Result<(), PhoneError> {
        let path = self.script_file()?;
        let script = crate::store::read_bytes(&path, MOST_SCRIPT).map_err(|error| PhoneError::Alter(error.to_string()))?;
        FRIDA.version().await?;
        self.altered.push(Alteration::Script { sha256: sha256_hex(&script) });
        Ok(())
    }

    /// Starts the app with the script in it. False when both run already.
    pub(super) async fn launch_with_script(&mut self, app: &str) -> Result<bool, PhoneError> {
        if let Some(script) = &mut self.script
            && script.ended().is_none()
            && !self.changes.adb.shell(&["pidof", app], "look whether the app runs").await?.stdout.trim().is_empty()
        {
            return Ok(false);
        }
        self.end_script().await;
        let path = self.script_file()?;
        self.changes.adb.ask(&["am", "force-stop", app], "stop the app").await?;
        let script = Script::start(&self.changes.adb, app, &path)?;
        let pid = script.child.id();
        let script = self.script.insert(script);
        if let Some(pid) = pid {
            self.changes.will(PhoneChange::Script { pid, package: app.to_owned() })?;
        }
        let until = Instant::now() + START;
        loop {
            if let Some(how) = script.ended() {
                let said = script.take_output();
                self.script = None;
                return Err(PhoneError::Alter(format!(
                    "{how} before the app had started; it says: {}",
                    cut(&String::from_utf8_lossy(&said))
                )));
            }
            if !self.changes.adb.shell(&["pidof", app], "start the app").await?.stdout.trim().is_empty() {
                return Ok(true);
            }
            if Instant::now() > until {
                return Err(PhoneError::Alter(format!("{} did not start the app within {} s", FRIDA.name, START.as_secs())));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Ends the script on purpose: the app is stopped, or the run is over.
    pub(super) async fn end_script(&mut self) {
        self.script_ended();
        if let Some(script) = self.script.take() {
            let said = script.end().await;
            self.script_said.extend(said);
        }
    }

    /// Notes when the script has ended by itself.
    pub(super) fn script_ended(&mut self) {
        let Some(script) = &mut self.script else { return };
        if let Some(how) = script.ended() {
            let why = format!("{how}, which was seen at {}", Clock::real().now().strftime("%Y-%m-%dT%H:%M:%SZ"));
            self.altered.push(Alteration::ScriptEnded { why });
            let said = script.take_output();
            self.script_said.extend(said);
            self.script = None;
        }
    }

    fn script_file(&self) -> Result<PathBuf, PhoneError> {
        self.setup.script.clone().ok_or_else(|| PhoneError::Alter("nobody said which script is to run in it".to_owned()))
    }
}

/// Ends a script that a run which crashed has left: the process of this number, if it still is that one.
pub(super) async fn end_left(pid: u32, package: &str) -> Result<Undoing, AdbError> {
    let failed = |why: &str| Undoing::Failed { why: why.to_owned(), help: format!("end process {pid} by hand") };
    // In the words of POSIX: what the process was started with; nothing for one that is gone.
    let ran = |pid: u32| async move {
        let mut command = Command::new("ps");
        // In full, however wide the terminal is.
        let asked = command.args(["-ww", "-o", "args=", "-p", &pid.to_string()]).stdin(Stdio::null()).kill_on_drop(true).output();
        timeout(FAREWELL, asked).await.ok()?.ok().map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let is_ours = |line: &str| line.contains(FRIDA.name) && line.contains(&format!(" -f {package} "));
    match ran(pid).await {
        None => return Ok(failed("look whether it still runs")),
        // Another process may have its number by now.
        Some(line) if !is_ours(&line) => return Ok(Undoing::AlreadyAsBefore),
        Some(_) => {}
    }
    #[cfg(unix)]
    terminate(pid);
    let until = Instant::now() + FAREWELL;
    while Instant::now() < until {
        if ran(pid).await.is_some_and(|line| !is_ours(&line)) {
            return Ok(Undoing::Back("ended".to_owned()));
        }
        sleep(LOOK_AGAIN).await;
    }
    Ok(failed("end it"))
}

/// Whether a script can be run, as far as that is known before it is tried. Whether the phone has a frida server is not.
pub(super) async fn look(setup: &AdbSetup) -> Check {
    let (name, ran) = ("certificates of the app", "frida --version; reading the script");
    let version = match FRIDA.version().await {
        Ok(version) => version,
        Err(error) => return Check::wrong(name, ran, error.to_string(), "install it; or another way to be trusted"),
    };
    match setup.script.as_deref().map(|script| crate::store::read_bytes(script, MOST_SCRIPT)) {
        Some(Ok(_)) => {
            Check::good(name, ran, format!("frida {version}, and the script can be read; whether it does what it should, a run shows"))
        }
        Some(Err(error)) => {
            Check::wrong(name, ran, error.to_string(), "name your script in the rig file: phone: { ca: { frida: SCRIPT } }")
        }
        None => Check::wrong(name, ran, "the rig file names no script", "name your script in it: phone: { ca: { frida: SCRIPT } }"),
    }
}

/// Asks a process to end. One that has ended already is fine.
#[cfg(unix)]
fn terminate(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

/// Keeps what a stream says, up to a limit; the rest is read and dropped.
fn listen(stream: Option<impl AsyncRead + Send + Unpin + 'static>, said: &Arc<Mutex<Vec<u8>>>) {
    let Some(mut stream) = stream else { return };
    let said = Arc::clone(said);
    tokio::spawn(async move {
        let mut piece = vec![0; 8 * 1024];
        while let Ok(count @ 1..) = stream.read(&mut piece).await {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            let room = MOST_SAID.saturating_sub(said.len()).min(count);
            said.extend_from_slice(&piece[..room]);
        }
    });
}

const FRIDA: Program = Program {
    name: "frida",
    version: &["--version"],
    install: "`pipx install frida-tools`; a frida server that fits it has to run on the phone",
};
/// Whoever is asked to end has this long.
const FAREWELL: Duration = Duration::from_secs(5);
/// So much of what a script says is kept, bytes.
const MOST_SAID: usize = 1024 * 1024;
/// Longest script that is read, bytes.
const MOST_SCRIPT: u64 = 16 * 1024 * 1024;

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_process_that_was_noted_is_ended() {
        let start = |package: &str| {
            // Its arguments are those of a frida that runs a script in an app.
            let mut command = Command::new("sh");
            command.args(["-c", "read line; exit 0", "frida", "-f", package, "-l", "script.js"]);
            command.stdin(Stdio::piped()).kill_on_drop(true).spawn().expect("there is a shell")
        };
        let mut child = start("app.test");
        let pid = child.id().expect("it runs");
        // Whoever waits for a child closes its input otherwise, and it would end by itself.
        let _stdin = child.stdin.take();
        assert_eq!(end_left(pid, "other.test").await, Ok(Undoing::AlreadyAsBefore));
        assert!(child.try_wait().expect("ours").is_none(), "it was not meant");
        // Waited for meanwhile: one that nobody waits for stays in the list.
        let (ended, status) = tokio::join!(end_left(pid, "app.test"), child.wait());
        assert_eq!(ended, Ok(Undoing::Back("ended".to_owned())));
        assert!(!status.expect("it ended").success());
        assert_eq!(end_left(pid, "app.test").await, Ok(Undoing::AlreadyAsBefore));
    }
}
