//! Chromium without a screen, as tests start it: where it is, with which flags, and whom it trusts.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// Whether Chromium is here, and what makes it trust somebody.
pub(crate) fn is_there() -> bool {
    program().is_some() && is_on_path("certutil")
}

/// Chromium with a home of its own, sending through a proxy; the caller adds what to open.
pub(crate) fn command(home: &Path, proxy: &str) -> Command {
    std::fs::create_dir_all(home).expect("the folder is writable");
    let mut command = Command::new(program().expect("it was found before"));
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.env("HOME", home).env("XDG_CONFIG_HOME", home.join("config")).env("XDG_CACHE_HOME", home.join("cache"));
    command.args(FLAGS).arg(format!("--user-data-dir={}", home.join("profile").display()));
    command.arg(format!("--proxy-server={proxy}")).stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// Puts a certificate where Chromium on Linux looks for what its user trusts.
pub(crate) fn trust(home: &Path, certificate: &Path) {
    let store = home.join(".pki/nssdb");
    std::fs::create_dir_all(&store).expect("the folder is writable");
    let name = format!("sql:{}", store.display());
    for args in [
        vec!["-N", "--empty-password", "-d", &name],
        vec!["-A", "-d", &name, "-t", "C,,", "-n", "audit", "-i", &certificate.to_string_lossy()],
    ] {
        let done = Command::new("certutil").args(&args).stdin(Stdio::null()).status().expect("it was found before");
        assert!(done.success(), "certutil {args:?}");
    }
}

fn program() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|program| is_on_path(program))
}

fn is_on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).exists()))
}

/// No screen, no sandbox (tests run as root), and none of the browser's own errands.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-features=OptimizationHints,MediaRouter,AutofillServerCommunication",
    "--metrics-recording-only",
    "--password-store=basic",
];
