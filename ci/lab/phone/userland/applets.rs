//! The names under which the stand-in is Android's userland, and `cmd`, which reaches the services by theirs.

use crate::{activity, answer::Answer, dumpsys, init, location, packages, processes, screen, settings, shell, state::Home, su, zygote};

/// A program of the phone: what it makes of its arguments.
pub(crate) type Applet = fn(&[String]) -> Answer;

/// Every program, sorted by name.
pub(crate) const APPLETS: &[(&str, Applet)] = &[
    ("am", activity::am),
    ("appops", location::appops),
    ("chcon", shell::chcon),
    ("cmd", cmd),
    ("cp", shell::cp),
    ("date", shell::date),
    ("dumpsys", dumpsys::dumpsys),
    ("getenforce", shell::getenforce),
    ("getprop", settings::getprop),
    ("id", shell::id),
    ("init", init::init),
    ("input", screen::input),
    ("logcat", shell::logcat),
    ("magiskd", su::daemon),
    ("monkey", activity::monkey),
    ("mount", shell::mount),
    ("pidof", processes::pidof),
    ("pm", packages::pm),
    ("ps", processes::ps),
    ("screencap", screen::screencap),
    ("screenrecord", screen::screenrecord),
    ("setprop", settings::setprop),
    ("settings", settings::settings),
    ("su", su::su),
    ("svc", settings::svc),
    ("uiautomator", screen::uiautomator),
    ("whoami", shell::whoami),
    ("wm", screen::wm),
    ("zygote64", zygote::zygote),
];

/// The program of this name.
pub(crate) fn named(name: &str) -> Option<Applet> {
    APPLETS.iter().find(|(known, _)| *known == name).map(|(_, applet)| *applet)
}

/// Writes down that a program was run, and takes as long as this phone takes for it: as many milliseconds as the property
/// `debug.standin.slow.NAME` says.
pub(crate) fn before(name: &str, arguments: &[String]) {
    if ["init", "magiskd", "zygote64"].contains(&name) {
        return;
    }
    let home = Home::inside();
    home.remember(name, arguments);
    let slow = home.read().ok().and_then(|state| state.property(&format!("debug.standin.slow.{name}")).parse().ok());
    std::thread::sleep(std::time::Duration::from_millis(slow.unwrap_or_default()));
}

/// `cmd SERVICE ARGUMENTS`.
fn cmd(arguments: &[String]) -> Answer {
    let Some((service, arguments)) = arguments.split_first() else {
        return Answer::failed(20, "cmd: No service specified; use -l to list all running services.");
    };
    match service.as_str() {
        "-l" => Answer::said(
            "Currently running services:\n  activity\n  appops\n  battery\n  connectivity\n  input\n  location\n  package\n  settings\n  wifi\n  window\n",
        ),
        "activity" => activity::am(arguments),
        "appops" => location::appops(arguments),
        "connectivity" => settings::connectivity(arguments),
        "input" => screen::input(arguments),
        "location" => location::location(arguments),
        "package" => packages::pm(arguments),
        "settings" => settings::settings(arguments),
        "wifi" => settings::wifi(arguments),
        "window" => screen::wm(arguments),
        _ => Answer::failed(20, format!("cmd: Can't find service: {service}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_single() {
        assert!(APPLETS.is_sorted_by(|(one, _), (other, _)| one < other));
    }
}
