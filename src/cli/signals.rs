//! What the system says from outside to a program that is to end: an interrupt (Ctrl-C), the wish that it ends, the end of its terminal.
//! A command that has something to put back hears all of them, because each would else end the program in the middle. What is then done
//! is the command's.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask for the end, from now on: what comes between two looks at them waits.
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
    /// None for a program that was told to outlive its terminal (`nohup`).
    #[cfg(unix)]
    hang_up: Option<Signal>,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl Signals {
    /// Begins to hear them. To be called inside the runtime.
    ///
    /// # Errors
    /// When the system does not let it.
    pub(super) fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        {
            let hang_up = if outlives_its_terminal() { None } else { Some(signal(SignalKind::hangup())?) };
            Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, hang_up })
        }
        #[cfg(windows)]
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    /// Resolves with the next one. Dropped before, it loses none.
    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        {
            let Self { interrupt, terminate, hang_up } = self;
            let hung_up = async {
                match hang_up {
                    Some(hang_up) => hang_up.recv().await,
                    None => None,
                }
            };
            tokio::select! {
                Some(()) = interrupt.recv() => {}
                Some(()) = terminate.recv() => {}
                Some(()) = hung_up => {}
                // The runtime ends, and the program with it.
                else => std::future::pending().await,
            }
        }
        #[cfg(windows)]
        if self.interrupt.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

/// Whether whoever started this program had it ignore the end of its terminal. Hearing that signal would undo it.
#[cfg(unix)]
fn outlives_its_terminal() -> bool {
    // Linux says so in a file; elsewhere nobody can know without unsafe code, and the signal is heard.
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hang_up(&status))
}

/// Reads the mask of ignored signals (proc_pid_status(5)): bit 0 is signal 1, which is SIGHUP.
#[cfg(unix)]
fn ignores_hang_up(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default().trim();
    u64::from_str_radix(mask, 16).is_ok_and(|mask| mask & 1 == 1)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_program_under_nohup_is_known_by_the_signals_it_ignores() {
        for (status, ignores) in [
            ("Name:\tx\nSigIgn:\t0000000000000001\nSigCgt:\t0000000000000000\n", true),
            ("SigIgn:\t0000000000001001\n", true),
            ("SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n", false),
            ("SigIgn:\tnone\n", false),
            ("", false),
        ] {
            assert_eq!(ignores_hang_up(status), ignores, "{status}");
        }
    }
}
