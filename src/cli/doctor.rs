//! `doctor`: looks at everything that a run on a rig needs, before there is one: the phone, the app on it, the way to the proxy, the
//! radio and the band. Each look names its command and what came back; what is not understood is never called good.

use std::{
    io::ErrorKind,
    net::TcpListener,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{
    Exit, Failure, Surroundings, files,
    run::{ANY_PORT, Real, Shelf, described_rig, runtime},
    signals::Signals,
    table::table,
};
use crate::{
    link::{Central as _, LinkError, Presence, radio::Radio},
    model::{App, HostPattern, RunEnding},
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
    let rig = described_rig(&path, surroundings)?;
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
                let looking = phone(&real, rig, app, &mut checks, surroundings);
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
            // An iPhone is one that is worked by hand, or no rig.
            PhoneKind::Ios | PhoneKind::Manual => checks.extend(by_hand(rig)),
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
async fn phone(real: &Real, rig: &RigFile, app: &App, checks: &mut Vec<Check>, surroundings: &mut Surroundings) -> Result<(), Failure> {
    // A phone that cannot be reached cannot be put back either: that it cannot is the first thing to be told.
    let (looked, reached) = adb::reach(real.setup()).await;
    checks.extend(looked);
    let Some(reached) = reached else { return Ok(()) };
    let _ours = real.begin("doctor", surroundings).await?;
    // In a lab the maker's hosts are those that stand for them.
    let stand_ins = app.stand_ins.iter().filter(|_| rig.lab.is_some()).map(|stand_in| &stand_in.host);
    let own: Vec<HostPattern> = app.first_party.iter().chain(stand_ins).cloned().collect();
    checks.extend(adb::examine(real.setup(), &reached, &own).await);
    let (about, ran) = ("a request of the phone's", "adb reverse; settings put global http_proxy; am start");
    let bench = real.bench(rig.listen.unwrap_or(ANY_PORT), None, surroundings)?;
    checks.push(match bench.rig(None).await.map(run::rehearse) {
        Err(error) => Check::wrong(about, ran, error.to_string(), ""),
        Ok(rehearsal) => match rehearsal.await {
            (Ok(()), None) => {
                let reads = if real.setup().trust.reads_any_app() {
                    "was read there"
                } else {
                    "cannot be read there: in this way of being trusted only the app's own can"
                };
                Check::good(about, ran, format!("it came to the proxy and {reads}; its page stays open in the phone's browser"))
            }
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

/// A phone that a person works: nobody can ask it, but where it is to find the proxy can be looked at.
fn by_hand(rig: &RigFile) -> Vec<Check> {
    let phone = Check::cannot_tell(
        "phone",
        "",
        "a person works it, and it tells nothing by itself",
        "a run asks for each thing, and looks in the traffic whether it was done",
    );
    let about = "the proxy's address";
    let Some(address) = rig.listen else {
        let help = "say it in the rig file, proxy: { listen: \"192.0.2.10:8080\" }, or to `run` with --listen";
        return vec![phone, Check::wrong(about, "", "the rig file does not say where the phone reaches this computer", help)];
    };
    let ran = format!("listening at {address}");
    // It is free again at once: nobody has connected to it.
    vec![
        phone,
        match TcpListener::bind(address) {
            Ok(_) => Check::good(about, &ran, "it can be listened at"),
            Err(problem) if problem.kind() == ErrorKind::AddrInUse => {
                Check::wrong(about, &ran, "another program listens there", "end it, or name another port in the rig file")
            }
            Err(problem) if problem.kind() == ErrorKind::AddrNotAvailable => {
                let help = "name an address of this computer in the phone's network (`ip addr` lists them), or 0.0.0.0 for all";
                Check::wrong(about, &ran, "this computer has no such address", help)
            }
            Err(problem) => Check::cannot_tell(about, &ran, problem.to_string(), "name another port in the rig file"),
        },
    ]
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
    fn a_phone_that_a_person_works_is_never_called_ready() {
        let folder = tempfile::tempdir().expect("a folder");
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let taken = (taken.local_addr().expect("bound").to_string(), taken);
        let check = |phone: &str, listen: &str, want: Exit, words: &[&str]| {
            let rig = folder.path().join("rig.yaml");
            let listen = if listen.is_empty() { String::new() } else { format!("proxy: {{ listen: \"{listen}\" }}\n") };
            let text = format!("consent: {{ owner: Nobody, date: 2026-03-14 }}\nphone: {{ {phone} }}\n{listen}");
            std::fs::write(&rig, text).expect("ours");
            std::fs::set_permissions(&rig, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
            let (exit, out, err) = command(folder.path(), &["doctor", "--format", "json"], |_| {});
            assert_eq!(exit, want, "{phone} {listen}: {out}{err}");
            let said = format!("{out}{err}").replace("\\\"", "\"");
            assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
        };
        check("kind: manual, system: ios", "127.0.0.1:0", Exit::Inconclusive, &["cannot tell", "can be listened at"]);
        check("kind: manual, system: ios", "", Exit::Failed, &["where the phone reaches this computer", "proxy: { listen:"]);
        check("kind: manual, system: ios", &taken.0, Exit::Failed, &["another program listens there"]);
        // Of TEST-NET-1 (RFC 5737): no computer has it.
        check("kind: manual, system: ios", "192.0.2.10:8080", Exit::Failed, &["no such address"]);
        // `run` refuses it in the same words.
        check("kind: ios", "", Exit::Usage, &["phone: { kind: manual, system: ios }"]);
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
