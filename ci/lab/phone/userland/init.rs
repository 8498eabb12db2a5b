//! The phone's first process: starts adbd, the zygote and the root daemon, is the phone's end of the cable, and buries whoever is
//! left without a parent. When adbd ends, so does the phone.

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, TcpStream},
    os::unix::net::UnixListener,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{WaitOptions, wait};

use crate::{answer::Answer, relay, su};

/// Runs until adbd ends. Says `ready` when everything answers.
pub(crate) fn init(_: &[String]) -> Answer {
    match boot() {
        Ok(adbd) => {
            // Whoever reads it has started the phone.
            let _ = writeln!(std::io::stdout(), "ready");
            let _ = std::io::stdout().flush();
            loop {
                match wait(WaitOptions::empty()) {
                    Ok(Some((pid, _))) if pid.as_raw_nonzero().get().unsigned_abs() == adbd => {
                        return Answer::failed(1, "init: adbd has ended");
                    }
                    Ok(_) => {}
                    Err(error) => return Answer::failed(1, format!("init: {error}")),
                }
            }
        }
        Err(why) => Answer::failed(1, format!("init: {why}")),
    }
}

/// Starts everything; the number of adbd's process.
fn boot() -> Result<u32, String> {
    Command::new("/system/bin/magiskd").spawn().map_err(|error| format!("start the root daemon: {error}"))?;
    let zygote = Command::new("/usr/bin/unshare")
        .args(["--mount", "--propagation", "slave", "--", "/system/bin/zygote64"])
        .spawn()
        .map_err(|error| format!("start the zygote: {error}"))?;
    // What a shell may do it may without being root of anything: `su` asks a process that is.
    let root = "/apex/adbd/lib/x86_64-linux-gnu";
    let adbd = Command::new("/usr/bin/setpriv")
        .args(["--bounding-set=-all", "--inh-caps=-all", "--", &format!("{root}/ld-linux-x86-64.so.2")])
        .args(["--library-path", &format!("{root}:{root}/android"), "/apex/adbd/lib/android-sdk/platform-tools/adbd"])
        .env("ADBD_PORT", PORT.to_string())
        .spawn()
        .map_err(|error| format!("start adbd: {error}"))?;
    // Neither is waited for by itself: init waits for all.
    let (adbd, zygote) = (adbd.id(), zygote.id());
    until("adbd listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)).is_ok())?;
    until("the zygote listens", || Path::new("/dev/socket/zygote").exists() && Path::new(&format!("/proc/{zygote}")).exists())?;
    until("the root daemon listens", || Path::new(su::SOCKET).exists())?;
    let cable = Path::new("/run/phone/adb");
    let _ = fs::remove_file(cable);
    let listener = UnixListener::bind(cable).map_err(|error| format!("be the end of the cable: {error}"))?;
    thread::spawn(move || {
        for outside in listener.incoming().flatten() {
            if let Ok(adbd) = TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)) {
                relay::join(outside, adbd);
            }
        }
    });
    Ok(adbd)
}

/// Waits for something to become true, for half a minute at most.
fn until(what: &str, mut is_true: impl FnMut() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_true() {
        if Instant::now() >= deadline {
            return Err(format!("waited in vain until {what}"));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// In a network namespace of its own, so that it is always free.
const PORT: u16 = 5555;
