//! The stand-in phone: on this machine it boots a real adbd in namespaces of its own and is the cable to it; inside of them it is
//! Android's userland, one program under many names. What the phone's app does is the app's, in `ci/lab/phone/app`.

#[cfg(target_os = "linux")]
mod activity;
#[cfg(target_os = "linux")]
mod answer;
#[cfg(target_os = "linux")]
mod apk;
#[cfg(target_os = "linux")]
mod applets;
#[cfg(target_os = "linux")]
mod control;
#[cfg(target_os = "linux")]
mod dumpsys;
#[cfg(target_os = "linux")]
mod host;
#[cfg(target_os = "linux")]
mod init;
#[cfg(target_os = "linux")]
mod location;
#[cfg(target_os = "linux")]
mod packages;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(target_os = "linux")]
mod screen;
#[cfg(target_os = "linux")]
mod settings;
#[cfg(target_os = "linux")]
mod shell;
#[cfg(target_os = "linux")]
mod state;
#[cfg(target_os = "linux")]
mod su;
#[cfg(target_os = "linux")]
mod zygote;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let called = arguments.next().unwrap_or_default();
    let name = called.rsplit('/').next().unwrap_or_default().to_owned();
    let arguments: Vec<String> = arguments.collect();
    match applets::named(&name) {
        Some(applet) => {
            applets::before(&name, &arguments);
            applet(&arguments).end()
        }
        None => host::main(&arguments),
    }
}

/// Namespaces are Linux's.
#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::from(77)
}
