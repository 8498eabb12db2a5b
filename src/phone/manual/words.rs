//! What a person is told to do, and where on the phone it is done: the ways through the settings of iOS and Android. What can be
//! checked of it is the phone's.

use crate::{
    model::{AppVersion, Position},
    phone::{Key, Launch, Permission, PermissionChange, PermissionName, Swipe, Target},
};

/// What system the phone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Android.
    Android,
    /// iOS or iPadOS.
    Ios,
}

/// Where the phone is to send its traffic, and where it finds our pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The proxy as the phone reaches it, host and port.
    pub proxy: (String, u16),
    /// The page with the certificate as it is reached before the proxy is set: `http://192.0.2.20:8080/`.
    pub first_page: String,
    /// The same by way of the proxy: `http://tattletale.internal/`. Below it, [`PROBE_PAGE`] leads to the probe.
    pub home: String,
    /// What is typed there first, as a person reads it; `None` where nothing is.
    pub code: Option<String>,
}

/// The page below [`Way::home`] that leads a browser to the probe.
pub const PROBE_PAGE: &str = "probe";

pub(super) fn install(system: System, app: &str, version: &AppVersion) -> String {
    let version = &version.name;
    match system {
        System::Android => format!("Have {app} {version} installed.\n  Settings > Apps > {app} shows the version, at the bottom."),
        System::Ios => format!(
            "Have {app} {version} installed.\n  Settings > General > iPhone Storage > {app} shows the version. The App Store gives the latest one \
             only."
        ),
    }
}

pub(super) fn remove(system: System, app: &str) -> String {
    match system {
        System::Android => format!("Remove {app}: Settings > Apps > {app} > Uninstall."),
        System::Ios => format!("Remove {app}: touch and hold it on the home screen > Remove App > Delete App."),
    }
}

pub(super) fn clear(system: System, app: &str) -> String {
    match system {
        System::Android => format!("Have {app} forget everything: Settings > Apps > {app} > Storage > Clear storage."),
        System::Ios => format!("Have {app} forget everything: delete it, and install the same version again. iOS has no other way."),
    }
}

pub(super) fn route(system: System, way: &Way) -> String {
    let (host, port) = &way.proxy;
    let code =
        way.code.as_ref().map(|code| format!("\n  Open {} in the phone's browser, and enter the code {code} there.", way.first_page));
    let code = code.unwrap_or_default();
    let end = format!("\n  Then open {} in the phone's browser.", way.home);
    match system {
        System::Android => format!(
            "Send the phone's traffic through this computer.{code}\n  Settings > Network & internet > Internet > the network's gear > pencil > Proxy: \
             Manual: {host}, port {port}.{end}"
        ),
        System::Ios => format!(
            "Send the phone's traffic through this computer.{code}\n  Settings > Wi-Fi > (i) beside the network > Configure Proxy > Manual: server \
             {host}, port {port}.{end}"
        ),
    }
}

pub(super) fn trust(system: System, way: &Way) -> String {
    let steps = match system {
        System::Android => "install it: Settings > Security > More > Encryption & credentials > Install a certificate > CA certificate.",
        System::Ios => {
            "install it: Settings > Profile Downloaded > Install; and then switch it on: Settings > General > About > Certificate Trust \
             Settings."
        }
    };
    let home = &way.home;
    format!(
        "Trust this rig's authority, if the phone does not yet.\n  Take the certificate from {home}, and {steps}\n  Then open {home}{PROBE_PAGE} in the phone's browser."
    )
}

/// The same once it was done.
pub(super) fn trust_again(way: &Way) -> String {
    format!("Have the phone as it is to be when the run begins.\n  Then open {}{PROBE_PAGE} in the phone's browser.", way.home)
}

pub(super) fn launch(system: System, app: &str, launch: &Launch) -> String {
    let mut lines = vec![format!("Open {app}.")];
    if launch.clear_state {
        lines.push(format!("First: {}", clear(system, app)));
    }
    let location = PermissionChange { which: PermissionName::Location, to: launch.location };
    lines.push(format!("Before it: {}", permission(system, app, &location)));
    lines.push("Answer what it asks about its permissions the same way.".to_owned());
    lines.join("\n  ")
}

pub(super) fn close(system: System, app: &str) -> String {
    match system {
        System::Android => format!("Close {app} for good: Settings > Apps > {app} > Force stop."),
        System::Ios => format!("Close {app} for good: swipe up from the bottom, hold, and swipe {app} away."),
    }
}

pub(super) fn permission(system: System, app: &str, change: &PermissionChange) -> String {
    let allow = change.to == Permission::Allow;
    match (&change.which, system) {
        (PermissionName::Exact(name), _) => format!("{} {app} the permission {name}.", if allow { "Give" } else { "Take from" }),
        (PermissionName::Location, System::Android) => {
            let to = if allow { "Allow only while using the app, Use precise location on" } else { "Don't allow" };
            format!("Settings > Apps > {app} > Permissions > Location: {to}.")
        }
        (PermissionName::Location, System::Ios) => {
            let to = if allow { "While Using the App, Precise Location on" } else { "Never" };
            format!("Settings > Privacy & Security > Location Services > {app}: {to}.")
        }
        (PermissionName::BackgroundLocation, System::Android) => {
            let to = if allow { "Allow all the time" } else { "Allow only while using the app" };
            format!("Settings > Apps > {app} > Permissions > Location: {to}.")
        }
        (PermissionName::BackgroundLocation, System::Ios) => {
            let to = if allow { "Always" } else { "While Using the App" };
            format!("Settings > Privacy & Security > Location Services > {app}: {to}.")
        }
    }
}

pub(super) fn airplane_mode(system: System, on: bool) -> String {
    let place = match system {
        System::Android => "Settings > Network & internet > Airplane mode",
        System::Ios => "Settings > Airplane Mode",
    };
    format!("Switch airplane mode {}: {place}.", if on { "on" } else { "off" })
}

pub(super) fn pull(app: &str) -> String {
    format!("Pull {app}'s main list down, so that it syncs the band.")
}

pub(super) fn tap(target: &Target) -> String {
    match target {
        Target::Point(at) => format!("Tap on the screen {}% from the left and {}% from the top.", at.x, at.y),
        other => format!("Tap on {other}."),
    }
}

pub(super) fn swipe(swipe: &Swipe) -> String {
    let Swipe { from, to, .. } = swipe;
    format!("Swipe from {}% from the left and {}% from the top to {}% and {}%.", from.x, from.y, to.x, to.y)
}

/// The text itself may be a secret, and is not shown.
pub(super) fn type_text(text: &str) -> String {
    format!("Type the text that the step gives, of {} characters. It may be a secret, and is not shown here.", text.chars().count())
}

pub(super) fn press(system: System, key: Key) -> String {
    match (system, key) {
        (System::Ios, Key::Home) => "Leave the app: swipe up from the bottom, or press the home button.".to_owned(),
        (System::Ios, Key::Back) => "Go back: swipe from the left edge.".to_owned(),
        (_, key) => format!("Press {}.", key.word()),
    }
}

pub(super) fn place(system: System, position: Position) -> String {
    let Position { lat, lon } = position;
    let how = match system {
        System::Android => "Developer options > Select mock location app, and set it there",
        System::Ios => "from a Mac with Xcode: Debug > Simulate Location",
    };
    format!("Have the phone at {lat}, {lon}.\n  Take it there; or {how}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_system_has_its_own_way_through_its_settings() {
        let way = Way {
            proxy: ("192.0.2.20".into(), 8080),
            first_page: "http://192.0.2.20:8080/".into(),
            home: "http://tattletale.internal/".into(),
            code: Some("042 137".into()),
        };
        let denied = PermissionChange { which: PermissionName::Location, to: Permission::Deny };
        for (text, parts) in [
            (route(System::Ios, &way), &["Configure Proxy > Manual: server 192.0.2.20, port 8080", "enter the code 042 137"][..]),
            (route(System::Android, &Way { code: None, ..way.clone() }), &["Proxy: Manual: 192.0.2.20, port 8080"]),
            (trust(System::Ios, &way), &["Certificate Trust Settings", "http://tattletale.internal/probe"]),
            (trust(System::Android, &way), &["CA certificate", "http://tattletale.internal/probe"]),
            (permission(System::Ios, "Demo", &denied), &["Location Services > Demo: Never."]),
            (permission(System::Android, "Demo", &denied), &["Demo > Permissions > Location: Don't allow."]),
            (press(System::Ios, Key::Home), &["swipe up"]),
            (press(System::Android, Key::Home), &["Press home."]),
        ] {
            for part in parts {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
        assert!(!route(System::Android, &Way { code: None, ..way }).contains("code"));
    }

    #[test]
    fn a_text_to_type_is_not_shown() {
        let words = type_text("hunter2");
        assert!(words.contains("7 characters") && !words.contains("hunter2"), "{words}");
    }
}
