//! Small programs of the shell, where Android's differ from this machine's: who one is, what time it is, labels, the log.

use std::{fs, os::unix::process::CommandExt as _, process::Command};

use crate::{
    answer::Answer,
    state::{Fault, Home},
};

/// `id [-u] [-un]`: a shell's, or root's below `su`.
pub(crate) fn id(arguments: &[String]) -> Answer {
    let (number, name) = if is_root() { (0, "root") } else { (2000, "shell") };
    match arguments.first().map(String::as_str) {
        None => Answer::line(format!(
            "uid={number}({name}) gid={number}({name}) groups={number}({name}),1004(input),3003(inet) context=u:r:{name}:s0"
        )),
        Some("-u") if arguments.len() == 1 => Answer::line(number),
        Some("-un" | "-nu" | "-u") => Answer::line(name),
        Some(other) => Answer::failed(1, format!("id: Unknown option '{other}' (see \"id --help\")")),
    }
}

/// `whoami`.
pub(crate) fn whoami(_: &[String]) -> Answer {
    Answer::line(if is_root() { "root" } else { "shell" })
}

/// `date …`, by the phone's clock.
pub(crate) fn date(arguments: &[String]) -> Answer {
    let now = Home::inside().read().map_or(0, |state| state.now());
    let output = Command::new("/usr/bin/date").arg("-d").arg(format!("@{now}")).args(arguments).output();
    match output {
        Ok(output) => Answer {
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: u8::from(!output.status.success()),
        },
        Err(error) => Answer::failed(1, format!("date: {error}")),
    }
}

/// `cp …` and `mount …` are this machine's. Where memory is full, what lives in it holds no file.
pub(crate) fn cp(arguments: &[String]) -> Answer {
    of_this_machine("cp", arguments)
}

/// `mount …`.
pub(crate) fn mount(arguments: &[String]) -> Answer {
    let full = Home::inside().read().is_ok_and(|state| state.has(Fault::MemoryFull));
    let mut arguments = arguments.to_vec();
    if full && arguments.iter().any(|argument| argument == "tmpfs") {
        arguments.extend(["-o".to_owned(), "nr_inodes=1".to_owned()]);
    }
    of_this_machine("mount", &arguments)
}

/// Becomes a program of this machine's, under the phone's own `/usr`.
fn of_this_machine(name: &str, arguments: &[String]) -> Answer {
    let error = Command::new(format!("/usr/bin/{name}")).args(arguments).exec();
    Answer::failed(127, format!("{name}: {error}"))
}

/// `chcon LABEL FILE…`: there are no labels here, so it remembers what it was asked for.
pub(crate) fn chcon(arguments: &[String]) -> Answer {
    if !is_root() {
        return Answer::failed(
            1,
            format!(
                "chcon: '{}' to {}: Permission denied",
                arguments.last().map_or("", String::as_str),
                arguments.first().map_or("", String::as_str)
            ),
        );
    }
    let asked = Home::inside().file("labels");
    let before = fs::read_to_string(&asked).unwrap_or_default();
    match fs::write(&asked, format!("{before}{}\n", arguments.join(" "))) {
        Ok(()) => Answer::silent(),
        Err(error) => Answer::failed(1, format!("chcon: {error}")),
    }
}

/// `getenforce`.
pub(crate) fn getenforce(_: &[String]) -> Answer {
    Answer::line("Enforcing")
}

/// `logcat [-d] [-c] [-v epoch] [--pid PID]`: what there is; it does not wait for more.
pub(crate) fn logcat(arguments: &[String]) -> Answer {
    let log = Home::inside().file("logcat");
    if arguments.iter().any(|argument| argument == "-c") {
        return match fs::write(&log, "") {
            Ok(()) => Answer::silent(),
            Err(error) => Answer::failed(1, format!("failed to clear the 'main' log: {error}")),
        };
    }
    let pid = arguments.iter().enumerate().find_map(|(n, argument)| {
        argument.strip_prefix("--pid=").map(str::to_owned).or_else(|| (argument == "--pid").then(|| arguments.get(n + 1).cloned())?)
    });
    let mut out = "--------- beginning of main\n".to_owned();
    for line in fs::read_to_string(&log).unwrap_or_default().lines() {
        let mut parts = line.splitn(3, ' ');
        let (Some(time), Some(process), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { continue };
        if pid.as_deref().is_none_or(|pid| pid == process) {
            out.push_str(&format!("{time:>17} {process:>5} {process:>5} {rest}\n"));
        }
    }
    Answer::said(out)
}

/// Below `su`.
pub(crate) fn is_root() -> bool {
    std::env::var_os("STAND_IN_ROOT").is_some()
}
