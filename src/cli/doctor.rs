//! `doctor`: looks at everything that a run on a rig needs, before there is one: the phone, the app on it, the way to the proxy, the
//! radio and the band. Each look names its command and what came back; what is not understood is never called good.

use std::{
    net::{Ipv4Addr, SocketAddr},
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{
    Exit, Failure, Surroundings, files,
    run::{Real, Shelf, runtime},
    signals::Signals,
    table::table,
};
use crate::{
    link::{Central as _, LinkError, Presence, radio::Radio},
    model::{App, RunEnding},
    phone::{Check, CheckState, adb},
    report::escape_invisible,
    run,
    scenario::{RigFile, rig_file::PhoneKind},
};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Rig file; without one, rig.yaml
    #[arg(long, value_name = "FILE")]
    rig: Option<PathBuf>,
    /// App to audit: a folder of scenarios/
    #[arg(long, default_value = "mifit")]
    app: String,
    /// How it is told
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table, and what to do
    Table,
    /// JSON: `tattletale schema doctor`
    Json,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let workspace = surroundings.workspace();
    let path = arguments.rig.clone().unwrap_or_else(|| "rig.yaml".into());
    let path = surroundings.path(&path);
    if arguments.rig.is_none() && !path.exists() {
        return Err(Failure::usage(
            "know which rig to look at: there is no rig.yaml here",
            "name its file with --rig; the simulated rig, which needs no file, has nothing that could be wrong",
        ));
    }
    let rig = files::rig(&path, surroundings)?;
    let Some((app, _)) = files::app(&workspace, &arguments.app, surroundings)? else {
        return Err(Failure::usage(format!("find the app {}", arguments.app), "name a folder of scenarios/ with --app"));
    };
    let Some(checks) = look(&path, &rig, &app, surroundings)? else { return Ok(Exit::Interrupted) };
    surroundings.print(&in_words(&checks, arguments.format, surroundings.width))?;
    Ok(match checks.iter().map(|check| check.state).max() {
        Some(CheckState::Wrong) => Exit::Failed,
        Some(CheckState::CannotTell) => Exit::Inconclusive,
        Some(CheckState::Good) | None => Exit::Clean,
    })
}

/// Looks at whatever the rig has; `None` when a person ended it. The phone is as it was on either way out.
fn look(path: &Path, rig: &RigFile, app: &App, surroundings: &mut Surroundings) -> Result<Option<Vec<Check>>, Failure> {
    runtime()?.block_on(async {
        let mut signals = Signals::listen().map_err(|problem| Failure::instrument(format!("listen for Ctrl-C: {problem}"), ""))?;
        let mut checks = Vec::new();
        match rig.phone.kind {
            PhoneKind::Android => {
                let shelf = Shelf::of(Some((path, rig)), &surroundings.workspace())?;
                let real = Real::of(path, rig, app, shelf.folder(), surroundings)?;
                let looking = phone(&real, rig, &mut checks, surroundings);
                tokio::pin!(looking);
                let ended = tokio::select! {
                    looked = &mut looking => looked.map(|()| false),
                    // What is under way on the phone is brought to its end, and put back.
                    () = signals.next() => looking.await.map(|()| true),
                };
                if ended? {
                    return Ok(None);
                }
            }
            PhoneKind::Ios | PhoneKind::Manual => {
                surroundings.note("the phone is worked by hand: a run asks for each thing, and looks whether it was done");
            }
            PhoneKind::Simulated => surroundings.note("the phone is simulated: there is nothing to look at"),
        }
        if let Some(band) = &rig.band {
            let radio = Radio::new(band.adapter.clone());
            let looked = tokio::select! {
                looked = bluetooth(&radio, band.adapter.as_deref(), *band.address.expose()) => Some(looked),
                () = signals.next() => None,
            };
            radio.settle().await;
            let Some(looked) = looked else { return Ok(None) };
            checks.extend(looked);
        }
        Ok(Some(checks))
    })
}

/// The phone, and the way from it to the proxy. What an earlier job left is put back first.
async fn phone(real: &Real, rig: &RigFile, checks: &mut Vec<Check>, surroundings: &mut Surroundings) -> Result<(), Failure> {
    // A phone that cannot be reached cannot be put back either: that it cannot is the first thing to be told.
    let reached = adb::examine_reach(real.setup()).await;
    if reached.iter().any(|check| check.state != CheckState::Good) {
        checks.extend(reached);
        return Ok(());
    }
    let _ours = real.begin("doctor", surroundings).await?;
    checks.extend(adb::examine(real.setup()).await);
    let (about, ran) = ("a request of the phone's", "adb reverse; settings put global http_proxy; am start");
    let bench = real.bench(rig.listen.unwrap_or_else(any_port), None, surroundings)?;
    checks.push(match bench.rig(None).await.map(run::rehearse) {
        Err(error) => Check::wrong(about, ran, error.to_string(), ""),
        Ok(rehearsal) => match rehearsal.await {
            (Ok(()), None) if real.setup().trust.reads_any_app() => Check::good(about, ran, "it came to the proxy and was read there"),
            (Ok(()), None) => Check::good(about, ran, "it came to the proxy; in this way of being trusted the browser's cannot be read"),
            (Ok(()), Some(error)) => {
                Check::wrong(about, ran, format!("it was read, and then the phone could not be put back: {error}"), error.help())
            }
            (Err(RunEnding::SelfCheckFailed { why }), _) => Check::wrong(about, ran, why, NOT_READ),
            (Err(RunEnding::InstrumentFailed { why }), _) => Check::wrong(about, ran, why, ""),
            (Err(RunEnding::Complete | RunEnding::Interrupted | RunEnding::StepFailed { .. }), _) => {
                Check::cannot_tell(about, ran, "it did not come to an end", "")
            }
        },
    });
    Ok(())
}

/// The adapter, and whether the band is heard.
async fn bluetooth(radio: &Radio, wanted: Option<&str>, band: [u8; 6]) -> Vec<Check> {
    let (about, ran) = ("Bluetooth adapter", "the system's list of adapters");
    let failed = |error: &LinkError| Check::wrong(about, ran, error.to_string(), NO_ADAPTER);
    let adapters = match radio.adapters().await {
        Ok(adapters) => adapters,
        Err(error) => return vec![failed(&error)],
    };
    let is_meant = |name: &str| wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(name));
    let named = adapters.iter().find(|adapter| is_meant(&adapter.name) && (adapter.powered || wanted.is_some()));
    let off = adapters.iter().find(|adapter| is_meant(&adapter.name) && !adapter.powered);
    let adapter = match (named, off) {
        (Some(adapter), _) if adapter.powered => Check::good(about, ran, format!("{} is there, and switched on", adapter.name)),
        (_, Some(adapter)) => {
            let help = "switch Bluetooth on: `bluetoothctl power on`, or the desktop's switch; `rfkill list` tells what blocks it";
            return vec![Check::wrong(about, ran, format!("{} is there, and switched off", adapter.name), help)];
        }
        // An address is what the system may not tell; listening will say.
        _ if !adapters.is_empty() && wanted.is_some_and(|wanted| wanted.contains(':')) => {
            Check::cannot_tell(about, ran, "the adapter is named by its address, which not every system tells", "")
        }
        _ => return vec![failed(&LinkError::NoAdapter("this machine has none".to_owned()))],
    };
    let (about, ran) = ("band", "listening for it for 10 s");
    let heard = radio.listen_to(band, LISTEN, &mut |_| ControlFlow::Break(())).await;
    let band = match heard {
        Ok(Presence::Heard) => Check::good(about, ran, "it advertises, and nobody holds it"),
        Ok(Presence::Remembered) => Check::cannot_tell(
            about,
            ran,
            "another program listens as well, and the system repeats what it heard earlier",
            "close what else looks for Bluetooth devices: the desktop's Bluetooth settings",
        ),
        Ok(Presence::Silent) => Check::wrong(
            about,
            ran,
            "it was not heard: it is out of reach, switched off or flat, or somebody is connected to it",
            "bring it near and charge it; close the phone's app or switch the phone's Bluetooth off until the run begins",
        ),
        Err(error) => Check::cannot_tell(about, ran, error.to_string(), ""),
    };
    vec![adapter, band]
}

fn in_words(checks: &[Check], format: Format, width: usize) -> String {
    if format == Format::Json {
        return escape_invisible(&format!("{:#}\n", data(checks)));
    }
    let row = |check: &Check| vec![check.about.to_owned(), check.state.word().to_owned(), check.read.clone(), check.ran.clone()];
    let rows: Vec<Vec<String>> = checks.iter().map(row).collect();
    let mut text = table(&["what", "state", "what came back", "what was asked"], &rows, &[], width);
    let open: Vec<&Check> = checks.iter().filter(|check| check.state != CheckState::Good && !check.help.is_empty()).collect();
    if !open.is_empty() {
        text += "\nWhat to do:\n";
    }
    open.into_iter().fold(text, |text, check| text + &format!("- {}: {}\n", check.about, check.help))
}

fn data(checks: &[Check]) -> Value {
    let checks: Vec<Value> = checks
        .iter()
        .map(|Check { about, state, ran, read, help }| json!({ "check": about, "state": state.word(), "ran": ran, "read": read, "help": help }))
        .collect();
    json!({ "format": 1, "checks": checks })
}

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// What helps where there is no adapter.
const NO_ADAPTER: &str = "plug an adapter in, or switch it on; on Linux the service is `bluetoothd` (`systemctl start bluetooth`), and whoever \
                          runs this needs the right to use it";
/// What helps against a request that was not read.
const NOT_READ: &str = "see the checks above; `tattletale ca export` writes the certificate that the phone has to trust, and \
                        docs/guide/real-rig.md says how each kind of phone is made to";
/// A band advertises every one or two seconds.
const LISTEN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::surroundings::testing::command;

    fn check(state: fn(&'static str, &str, String, &str) -> Check) -> Check {
        state("screen", "dumpsys window", "what \u{202e}it\u{7f} says".to_owned(), "do this")
    }

    #[test]
    fn without_a_rig_there_is_nothing_to_look_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let (exit, out, err) = command(folder.path(), &["doctor"], |_| {});
        assert_eq!((exit, out.as_str()), (Exit::Usage, ""), "{err}");
        assert!(err.contains("--rig"), "{err}");
        let rig = folder.path().join("rig.yaml");
        std::fs::write(&rig, "phone: { kind: simulated }\n").expect("ours");
        std::fs::set_permissions(&rig, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
        let (exit, _, err) = command(folder.path(), &["doctor"], |_| {});
        assert_eq!(exit, Exit::Clean, "{err}");
        assert!(err.contains("simulated"), "{err}");
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_do_and_what_is_outside_stays_harmless() {
        let checks = [check(Check::wrong), check(Check::cannot_tell), check(|about, ran, read, _| Check::good(about, ran, read))];
        for format in [Format::Table, Format::Json] {
            let text = in_words(&checks, format, 100);
            assert!(!text.contains('\u{202e}') && !text.contains('\u{7f}'), "{text}");
            assert_eq!(text.matches("do this").count(), 2, "{text}");
            assert!(text.contains("wrong") && text.contains("cannot tell"), "{text}");
        }
        assert_eq!(checks.iter().map(|check| check.state).max(), Some(CheckState::Wrong));
    }
}
