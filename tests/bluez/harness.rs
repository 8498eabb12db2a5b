//! Runs a test in a process of its own. The Bluetooth library takes the bus that the environment names when it first looks, and a test
//! must neither speak to the machine's own Bluetooth nor meet the bus of another test.

use std::{
    any, env, fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    bus::{self, Bus},
    fake::{Fake, World},
};

/// Set in the process that a test runs in.
const INSIDE: &str = "TATTLETALE_BLUEZ_TEST";

/// The bus of the test, and the process id of its daemon.
const ADDRESS: &str = "DBUS_SYSTEM_BUS_ADDRESS";
const DAEMON: &str = "TATTLETALE_BLUEZ_DAEMON";

/// Far more than any of these tests needs, on any machine.
const LIMIT: Duration = Duration::from_secs(120);

/// What a test runs on.
pub(crate) enum Machine {
    /// A bus with the Bluetooth service on it.
    Whole(World),
    /// A bus that does not let a user speak to the service.
    Forbidden(World),
    /// A bus without the service.
    NoService,
    /// No bus.
    NoBus,
}

/// Runs `body` on such a machine. What it prints is shown when it fails. Returns what it printed on standard error.
pub(crate) fn alone<F: AsyncFnOnce(Fake)>(machine: impl FnOnce() -> Machine, body: F) -> String {
    if env::var_os(INSIDE).is_some() {
        inside(machine(), body);
        return String::new();
    }
    let machine = machine();
    let folder = tempfile::tempdir().expect("a folder");
    let policy = if matches!(machine, Machine::Forbidden(_)) { bus::FORBIDDEN } else { bus::OPEN };
    let Some(bus) = Bus::start(folder.path(), policy) else {
        missing();
        return String::new();
    };
    let address =
        if matches!(machine, Machine::NoBus) { format!("unix:path={}/none", folder.path().display()) } else { bus.address.clone() };
    let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
    let mut child = Command::new(env::current_exe().expect("this program"))
        .args([name_of::<F>().as_str(), "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .env(ADDRESS, address)
        .env(DAEMON, bus.id().to_string())
        .stdin(Stdio::null())
        .stdout(fs::File::create(&stdout).expect("ours"))
        .stderr(fs::File::create(&stderr).expect("ours"))
        .spawn()
        .expect("this program can be started");
    let began = Instant::now();
    let status = loop {
        match child.try_wait().expect("it is ours") {
            Some(status) => break Some(status),
            None if began.elapsed() > LIMIT => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let (stdout, stderr) = (read(stdout), read(stderr));
    assert!(status.is_some_and(|status| status.success()), "{status:?}\n{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "the test is not called {}:\n{stdout}", name_of::<F>());
    stderr
}

/// Ends the bus of this test.
pub(crate) fn end_bus() {
    let id = env::var(DAEMON).expect("set by the outer process");
    assert!(Command::new("kill").arg(id).status().expect("every system has it").success());
}

fn inside<F: AsyncFnOnce(Fake)>(machine: Machine, body: F) {
    let address = env::var(ADDRESS).expect("set by the outer process");
    let fake = match machine {
        Machine::Whole(world) | Machine::Forbidden(world) => Fake::start(&address, world),
        Machine::NoService | Machine::NoBus => Fake::absent(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(body(fake));
}

/// The name of the test that a closure stands in: its type is called `bluez::finding::a_test::{{closure}}`.
fn name_of<F>() -> String {
    let path = any::type_name::<F>();
    let path = path.split_once("::{{closure}}").map_or(path, |(path, _)| path);
    path.split_once("::").map_or(path, |(_, name)| name).to_owned()
}

/// `ci/install` brings the daemon, so that in CI it is never missing.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn missing() {
    assert!(env::var_os("CI").is_none(), "there is no dbus-daemon; ci/install installs it");
    println!("\nskipped: no dbus-daemon (Debian package dbus)");
}
