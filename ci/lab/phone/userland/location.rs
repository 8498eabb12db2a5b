//! Positions and who may mock them: `cmd location`, `appops`.

use crate::{
    activity,
    answer::Answer,
    state::{Fault, Home, Provider, State},
};

/// `appops set PACKAGE OPERATION MODE`, `appops get PACKAGE [OPERATION]`, `appops reset PACKAGE`.
pub(crate) fn appops(arguments: &[String]) -> Answer {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).filter(|argument| *argument != "--uid").collect();
    let short = |operation: &str| operation.rsplit(':').next().unwrap_or_default().to_uppercase();
    match arguments[..] {
        ["set", package, operation, mode] => {
            if !MODES.contains(&mode) {
                return Answer::failed(255, format!("Error: Mode {mode} is not valid"));
            }
            changed(|state| {
                let operations = state.app_ops.entry(package.to_owned()).or_default();
                if mode == "default" {
                    operations.remove(&short(operation));
                } else {
                    operations.insert(short(operation), mode.to_owned());
                }
                state.app_ops.retain(|_, operations| !operations.is_empty());
            })
        }
        ["get", package] => {
            let state = state();
            let operations = state.app_ops.get(package);
            if operations.is_none_or(std::collections::BTreeMap::is_empty) {
                return Answer::line("No operations.");
            }
            Answer::said(operations.into_iter().flatten().map(|(name, mode)| format!("{name}: {mode}\n")).collect::<String>())
        }
        ["get", package, operation] => match state().app_ops.get(package).and_then(|operations| operations.get(&short(operation))) {
            Some(mode) => Answer::line(format!("{}: {mode}", short(operation))),
            None => Answer::line(format!(
                "No operations.\nDefault mode: {}",
                if short(operation) == "MOCK_LOCATION" { "deny" } else { "allow" }
            )),
        },
        ["reset", package] => changed(|state| drop(state.app_ops.remove(package))),
        _ => Answer::failed(255, "Error: Bad appops command"),
    }
}

/// `cmd location …`.
pub(crate) fn location(arguments: &[String]) -> Answer {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let state = state();
    let old = state.sdk() < 31 || state.has(Fault::NoTestProviders);
    match arguments[..] {
        [] | ["help" | "-h"] => Answer::said(help(old)),
        ["is-location-enabled", ..] => Answer::line(state.locates()),
        ["set-location-enabled", on @ ("true" | "false"), ..] => {
            changed(|state| state.set("secure", "location_mode", if on == "true" { "3" } else { "0" }))
        }
        ["providers", ref rest @ ..] if !old => providers(rest, &state),
        _ => Answer::unknown_command(arguments[0]),
    }
}

fn providers(arguments: &[&str], state: &State) -> Answer {
    const AT: &str = "android.location.LocationManager.addTestProvider(LocationManager.java:2117)";
    let command = arguments.first().copied().unwrap_or_default();
    let mocks = state.app_ops.get("com.android.shell").and_then(|operations| operations.get("MOCK_LOCATION"));
    if command.contains("test-provider") && (mocks.map(String::as_str) != Some("allow") || state.has(Fault::MockLocationRefused)) {
        let refusal = "java.lang.SecurityException: com.android.shell from uid 2000 not allowed to perform MOCK_LOCATION";
        return Answer::exception("providers", refusal, AT);
    }
    let unknown = |name: &str| {
        Answer::exception("providers", format!("java.lang.IllegalArgumentException: provider \"{name}\" is not a test provider"), AT)
    };
    match *arguments {
        ["add-test-provider", name, ..] => changed(|state| _ = state.providers.insert(name.to_owned(), Provider::default())),
        ["remove-test-provider", name] => changed(|state| _ = state.providers.remove(name)),
        ["set-test-provider-enabled", name, on @ ("true" | "false")] => {
            if !state.providers.contains_key(name) {
                return unknown(name);
            }
            changed(|state| {
                if let Some(provider) = state.providers.get_mut(name) {
                    provider.enabled = on == "true";
                }
            })
        }
        ["set-test-provider-location", name, ref rest @ ..] => {
            if !state.providers.contains_key(name) {
                return unknown(name);
            }
            let text = rest.iter().skip_while(|argument| **argument != "--location").nth(1).copied().unwrap_or_default();
            let Some(position) = position(text) else {
                return Answer::exception(
                    "providers",
                    format!(
                        "java.lang.IllegalArgumentException: Location argument must be in the form of \"<LATITUDE>,<LONGITUDE>\", not {text}"
                    ),
                    "com.android.server.location.LocationShellCommand.handleSetTestProviderLocation(LocationShellCommand.java:322)",
                );
            };
            let moved = changed(|state| {
                if let Some(provider) = state.providers.get_mut(name) {
                    provider.position = Some(position);
                }
            });
            for running in state.running.keys() {
                activity::tell(running, "moved");
            }
            moved
        }
        ["send-extra-command", ..] => Answer::silent(),
        _ => Answer::unknown_command(command),
    }
}

/// `LATITUDE,LONGITUDE`.
fn position(text: &str) -> Option<(f64, f64)> {
    let (lat, lon) = text.split_once(',')?;
    let (lat, lon) = (lat.parse().ok()?, lon.parse().ok()?);
    ((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon)).then_some((lat, lon))
}

fn help(old: bool) -> String {
    let mut help = "Location service commands:\n  help or -h\n    Print this help text.\n  is-location-enabled [--user <USER_ID>]\n    \
                    Gets the master location switch enabled state.\n  set-location-enabled true|false [--user <USER_ID>]\n    \
                    Sets the master location switch enabled state.\n"
        .to_owned();
    if !old {
        help.push_str(
            "  providers\n    The providers command is followed by a subcommand, as listed below:\n\n    \
             add-test-provider <PROVIDER> [--requiresNetwork] [--requiresSatellite] [--requiresCell] [--hasMonetaryCost] \
             [--supportsAltitude] [--supportsSpeed] [--supportsBearing] [--powerRequirement <POWER_REQUIREMENT>] \
             [--extraAttributionTags <TAG>,<TAG>,...]\n      Add the given test provider. Requires MOCK_LOCATION permissions which can be \
             enabled by running \"adb shell appops set <uid> android:mock_location allow\". There are optional flags that can be used to \
             configure the provider properties and additional arguments. If no flags are included, then default values will be used.\n    \
             remove-test-provider <PROVIDER>\n      Remove the given test provider.\n    \
             set-test-provider-enabled <PROVIDER> true|false\n      Sets the given test provider enabled state.\n    \
             set-test-provider-location <PROVIDER> --location <LATITUDE>,<LONGITUDE> [--accuracy <ACCURACY>] [--time <TIME>]\n      \
             Set location for given test provider.\n    send-extra-command <PROVIDER> <COMMAND>\n      Sends the given extra command to the \
             given provider.\n",
        );
    }
    help
}

fn state() -> State {
    Home::inside().read().unwrap_or_default()
}

fn changed(change: impl FnOnce(&mut State)) -> Answer {
    match Home::inside().change(change) {
        Ok(()) => Answer::silent(),
        Err(error) => Answer::failed(255, error),
    }
}

const MODES: [&str; 5] = ["allow", "default", "deny", "foreground", "ignore"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latitude_comes_first() {
        assert_eq!(position("52.37403,4.88969"), Some((52.374_03, 4.889_69)));
        assert_eq!(position("152.37403,4.88969"), None);
        assert_eq!(position("52.37403"), None);
    }
}
