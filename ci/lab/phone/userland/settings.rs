//! Properties, settings and the radios: `getprop`, `setprop`, `settings`, `svc`, `cmd connectivity`, `cmd wifi`.

use std::process::{Command, Stdio};

use crate::{
    answer::Answer,
    state::{Fault, Home, State},
};

/// `getprop [NAME]`.
pub(crate) fn getprop(arguments: &[String]) -> Answer {
    let state = state();
    match arguments.first() {
        // Xiaomi's two switches.
        Some(name) if name == "persist.security.adbinstall" && state.has(Fault::InstallRefused) => Answer::line("0"),
        Some(name) if name == "persist.security.adbinput" && state.has(Fault::InputRefused) => Answer::line("0"),
        Some(name) => Answer::line(state.property(name)),
        None => Answer::said(state.properties.iter().map(|(name, value)| format!("[{name}]: [{value}]\n")).collect::<String>()),
    }
}

/// `setprop NAME VALUE`.
pub(crate) fn setprop(arguments: &[String]) -> Answer {
    let [name, value] = arguments else { return Answer::failed(1, "usage: setprop NAME VALUE") };
    if name.starts_with("ro.") {
        return Answer::failed(1, format!("Failed to set property '{name}' to '{value}'.\nSee dmesg for error reason."));
    }
    changed(|state| drop(state.properties.insert(name.clone(), value.clone())))
}

/// `settings [--user N] get|put|delete|list NAMESPACE [NAME [VALUE]]`.
pub(crate) fn settings(arguments: &[String]) -> Answer {
    let arguments: Vec<&str> = match arguments.iter().position(|argument| argument == "--user") {
        Some(at) => arguments.iter().enumerate().filter(|(n, _)| *n != at && *n != at + 1).map(|(_, argument)| argument.as_str()).collect(),
        None => arguments.iter().map(String::as_str).collect(),
    };
    if let [_, namespace, ..] = arguments[..]
        && !NAMESPACES.contains(&namespace)
    {
        return Answer::failed(255, format!("Invalid namespace '{namespace}'"));
    }
    match arguments[..] {
        ["get", namespace, name] => Answer::line(state().setting(namespace, name).unwrap_or("null")),
        ["put", namespace, name, value] | ["put", namespace, name, value, "default"] => {
            let late = state().property("debug.standin.late.proxy").parse::<u64>().unwrap_or_default();
            if late == 0 || (namespace, name) != ("global", "http_proxy") {
                return changed(|state| state.set(namespace, name, value));
            }
            // The system hears of it, and takes it when it comes to it: nobody waits for that.
            let script = format!("sleep {}.{:03}; exec settings take-proxy", late / 1000, late % 1000);
            let taken = Command::new("/system/bin/setsid")
                .args(["sh", "-c", &script])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            match taken {
                Ok(_) => changed(|state| state.put(namespace, name, value)),
                Err(error) => Answer::failed(255, error),
            }
        }
        // Not a shell's: by what the system takes a proxy late.
        ["take-proxy"] => changed(State::take_proxy),
        ["delete", namespace, name] => {
            let deleted = Home::inside().change(|state| state.delete(namespace, name));
            Answer::line(format!("Deleted {} rows", u8::from(deleted.unwrap_or_default())))
        }
        ["list", namespace] => {
            let state = state();
            let listed = state.settings.get(namespace).into_iter().flatten().map(|(name, value)| format!("{name}={value}\n"));
            Answer::said(listed.collect::<String>())
        }
        _ => Answer::failed(255, "Bad arguments\nuse 'adb shell cmd settings' for a list of all commands"),
    }
}

/// `svc wifi|data enable|disable`.
pub(crate) fn svc(arguments: &[String]) -> Answer {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["wifi", switch @ ("enable" | "disable")] => changed(|state| state.set("global", "wifi_on", bit(switch == "enable"))),
        ["data", switch @ ("enable" | "disable")] => changed(|state| state.set("global", "mobile_data", bit(switch == "enable"))),
        ["power", "stayon", how] => {
            changed(|state| state.set("global", "stay_on_while_plugged_in", if how == "false" { "0" } else { "3" }))
        }
        _ => Answer::failed(
            1,
            "Available commands:\n    help     Show information about the subcommands\n    data     Control mobile data connectivity\n    power    Control the power manager\n    wifi     Control the Wi-Fi manager",
        ),
    }
}

/// `cmd connectivity airplane-mode [enable|disable]`.
pub(crate) fn connectivity(arguments: &[String]) -> Answer {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["airplane-mode"] => Answer::line(if state().setting("global", "airplane_mode_on") == Some("1") { "enabled" } else { "disabled" }),
        ["airplane-mode", switch @ ("enable" | "disable")] => {
            changed(|state| state.set("global", "airplane_mode_on", bit(switch == "enable")))
        }
        _ => Answer::unknown_command(arguments.first().map_or("", String::as_str)),
    }
}

/// `cmd wifi status`.
pub(crate) fn wifi(arguments: &[String]) -> Answer {
    if arguments.first().map(String::as_str) != Some("status") {
        return Answer::unknown_command(arguments.first().map_or("", String::as_str));
    }
    if state().setting("global", "wifi_on") == Some("0") {
        return Answer::line("Wifi is disabled");
    }
    Answer::line("Wifi is enabled\nWifi scanning is always available\n==== Primary ClientModeManager instance ====\nWifi is not connected")
}

/// The state, or that of a phone which has lost it.
fn state() -> State {
    Home::inside().read().unwrap_or_default()
}

fn changed(change: impl FnOnce(&mut State)) -> Answer {
    match Home::inside().change(change) {
        Ok(()) => Answer::silent(),
        Err(error) => Answer::failed(255, error),
    }
}

const fn bit(on: bool) -> &'static str {
    if on { "1" } else { "0" }
}

const NAMESPACES: [&str; 3] = ["global", "secure", "system"];
