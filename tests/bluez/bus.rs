//! A message bus of a test's own: a private `dbus-daemon`. Who speaks over it is left to the tests.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// Everybody may say everything.
pub(crate) const OPEN: &str = "";

/// Nobody but the owner may speak to the Bluetooth service, as on a system where the user is in no group that may.
pub(crate) const FORBIDDEN: &str = r#"<policy context="default"><deny send_destination="org.bluez"/></policy>"#;

/// A running bus; it ends when dropped.
pub(crate) struct Bus {
    daemon: Child,
    pub(crate) address: String,
}

impl Bus {
    /// Starts one with its files in a folder. `None` when this machine has no `dbus-daemon`.
    pub(crate) fn start(folder: &Path, policy: &str) -> Option<Self> {
        let file = folder.join("bus.conf");
        let configuration = format!(
            r#"<busconfig><listen>unix:dir={}</listen>
            <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
            {policy}</busconfig>"#,
            folder.display()
        );
        fs::write(&file, configuration).expect("the folder is ours");
        let mut daemon = Command::new("dbus-daemon")
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .arg(format!("--config-file={}", file.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut address = String::new();
        let stdout = daemon.stdout.take().expect("piped");
        // It prints its address when it listens there.
        BufReader::new(stdout).read_line(&mut address).expect("the daemon prints text");
        assert!(!address.is_empty(), "the message bus did not start");
        Some(Self { daemon, address: address.trim().to_owned() })
    }

    /// The daemon's process id.
    pub(crate) fn id(&self) -> u32 {
        self.daemon.id()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
