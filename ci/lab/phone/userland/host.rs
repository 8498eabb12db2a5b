//! The stand-in on this machine: boots a phone in namespaces of its own, is the cable to it, and takes orders. Ends with its stdin,
//! and the phone with it, whatever ends it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
};

use clap::Parser;
use serde_json::json;

use crate::{
    applets, control,
    packages::BROWSER,
    relay::Cable,
    state::{Fault, Home, Package, Root, State},
};

/// Boots a stand-in phone. When it answers, one line on stdout says how to reach it: `{"port": …, "init": …}`. Then orders are taken
/// on stdin, until it ends.
#[derive(Parser)]
#[command(name = "phone-stand-in")]
struct Arguments {
    /// Only print the names under which it is Android's userland.
    #[arg(long)]
    names: bool,
    /// What ci/lab/phone/setup built.
    #[arg(long, default_value = "target/lab/phone")]
    lab: PathBuf,
    /// An empty folder for this phone, short enough for a socket's name.
    #[arg(long, default_value = ".")]
    run: PathBuf,
    /// Android's API level.
    #[arg(long, default_value_t = 34)]
    sdk: u32,
    /// How somebody becomes root: none, magisk, aosp.
    #[arg(long, default_value = "magisk")]
    root: String,
    /// What goes wrong from the beginning.
    #[arg(long)]
    fault: Vec<String>,
    /// Settings from the beginning: `global/http_proxy=10.0.0.1:3128`.
    #[arg(long)]
    setting: Vec<String>,
    /// The screen is locked.
    #[arg(long)]
    locked: bool,
    /// Boot in a user namespace, as without root, whoever one is.
    #[arg(long)]
    user_namespace: bool,
    /// How far the clock is off, seconds.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    clock_offset: i64,
}

/// Exit codes: 0 the phone was switched off, 2 wrong usage, 3 it did not boot, 77 this machine allows no namespaces.
pub(crate) fn main(arguments: &[String]) -> ExitCode {
    let arguments = match Arguments::try_parse_from(std::iter::once("phone-stand-in").chain(arguments.iter().map(String::as_str))) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(2);
        }
    };
    if arguments.names {
        let names: String = applets::APPLETS.iter().map(|(name, _)| format!("{name}\n")).collect();
        let _ = std::io::stdout().write_all(names.as_bytes());
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, why)) => {
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(std::io::stderr(), "phone-stand-in: failed to {why}");
            ExitCode::from(code)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), (u8, String)> {
    let failed = |why: String| (3, why);
    let whole = |path: &Path| fs::canonicalize(path).map_err(|error| (2, format!("find {}: {error}", path.display())));
    let (lab, run) = (whole(&arguments.lab)?, whole(&arguments.run)?);
    if !lab.join("adbd.pinned").exists() {
        return Err((77, format!("find an adbd in {}: ci/lab/phone/setup builds it", lab.display())));
    }
    let home = Home::of_run(&run);
    prepare(&lab, &run, &home, &state(arguments).map_err(|why| (2, why))?)
        .map_err(|error| failed(format!("prepare its folder: {error}")))?;
    let flags = namespaces(arguments.user_namespace)
        .ok_or_else(|| (77, "make namespaces: neither root nor user namespaces are allowed here".to_owned()))?;
    let mut phone = boot(&lab, &run, flags).map_err(failed)?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| failed(format!("listen: {error}")))?;
    let port = listener.local_addr().map_err(|error| failed(format!("listen: {error}")))?.port();
    let cable = Cable::new(home.clone(), run.join("socket/adb"));
    cable.serve(listener);
    let told = json!({ "port": port, "unshare": phone.id() });
    writeln!(std::io::stdout(), "{told}")
        .and_then(|()| std::io::stdout().flush())
        .map_err(|error| failed(format!("say that it is there: {error}")))?;
    control::listen(&home, &cable);
    // It ends with its parent in any case.
    let _ = phone.kill();
    let _ = phone.wait();
    Ok(())
}

/// The phone's state when it leaves the factory, and what is said to be different.
fn state(arguments: &Arguments) -> Result<State, String> {
    let release = match arguments.sdk {
        ..=28 => "9",
        29 => "10",
        30 => "11",
        31 | 32 => "12",
        33 => "13",
        34 => "14",
        35 => "15",
        _ => "16",
    };
    let sdk = arguments.sdk.to_string();
    let properties = [
        ("dev.bootcomplete", "1"),
        ("init.svc.bootanim", "stopped"),
        ("persist.sys.timezone", "Europe/Berlin"),
        ("ro.boot.verifiedbootstate", "orange"),
        ("ro.build.display.id", "standin-user 14 LAB.260314.001"),
        ("ro.build.fingerprint", "standin/standin/standin:14/LAB.260314.001/1:user/release-keys"),
        ("ro.build.type", "user"),
        ("ro.build.version.incremental", "1"),
        ("ro.build.version.release", release),
        ("ro.build.version.sdk", &sdk),
        ("ro.debuggable", "0"),
        ("ro.product.brand", "Standin"),
        ("ro.product.cpu.abi", "x86_64"),
        ("ro.product.cpu.abilist", "x86_64"),
        ("ro.product.device", "standin"),
        ("ro.build.id", "UP1A.STANDIN"),
        ("ro.product.manufacturer", "Standin"),
        ("ro.product.model", "Stand-in One"),
        ("ro.product.name", "standin"),
        ("ro.serialno", "STANDIN0001"),
        ("sys.boot_completed", "1"),
    ];
    let settings = [
        ("global", "adb_enabled", "1"),
        ("global", "airplane_mode_on", "0"),
        ("global", "animator_duration_scale", "1.0"),
        ("global", "auto_time", "1"),
        ("global", "development_settings_enabled", "1"),
        ("global", "device_name", "Stand-in One"),
        ("global", "low_power", "0"),
        ("global", "stay_on_while_plugged_in", "0"),
        ("global", "transition_animation_scale", "1.0"),
        ("global", "wifi_on", "1"),
        ("global", "window_animation_scale", "1.0"),
        ("secure", "location_mode", "3"),
        ("system", "screen_off_timeout", "60000"),
    ];
    let kebab = |kind: &str, name: &str| format!("{kind} {name:?} is not known");
    let mut state = State {
        properties: properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        screen_on: true,
        locked: arguments.locked,
        clock_offset_s: arguments.clock_offset,
        root: serde_json::from_value::<Root>(json!(arguments.root)).map_err(|_| kebab("root", &arguments.root))?,
        ..State::default()
    };
    for (namespace, name, value) in settings {
        state.set(namespace, name, value);
    }
    for setting in &arguments.setting {
        let (name, value) = setting.split_once('=').ok_or_else(|| kebab("setting", setting))?;
        let (namespace, name) = name.split_once('/').ok_or_else(|| kebab("setting", setting))?;
        state.set(namespace, name, value);
    }
    for fault in &arguments.fault {
        state.faults.insert(serde_json::from_value::<Fault>(json!(fault)).map_err(|_| kebab("fault", fault))?);
    }
    let browser = Package {
        version_name: "1.0".to_owned(),
        version_code: 1,
        min_sdk: 21,
        target_sdk: 34,
        activity: Some(format!("{BROWSER}.MainActivity")),
        uid: 10_100,
        files: vec!["/system/app/Browser/Browser.apk".into()],
        permissions: [("android.permission.INTERNET".to_owned(), true)].into(),
        flags: Default::default(),
        signer: String::new(),
        trusts_user: false,
        system: true,
        installed_at: 1_230_768_000,
    };
    state.packages.insert(BROWSER.to_owned(), browser);
    Ok(state)
}

/// Makes the run's folder.
fn prepare(lab: &Path, run: &Path, home: &Home, state: &State) -> std::io::Result<()> {
    for folder in ["data/standin", "socket", "cacerts", "root"] {
        fs::create_dir_all(run.join(folder))?;
    }
    for certificate in fs::read_dir(lab.join("cacerts"))?.flatten() {
        fs::copy(certificate.path(), run.join("cacerts").join(certificate.file_name()))?;
    }
    if state.sdk() >= 34 {
        fs::write(run.join("apex"), "")?;
    }
    home.write(state)
}

/// How `unshare` is called here: as root, or as root of a user namespace; `None` where neither is allowed.
fn namespaces(as_user: bool) -> Option<&'static [&'static str]> {
    let works = |flags: &[&str]| {
        let all = "mount -t proc proc /proc && ip link set lo up";
        let tried = Command::new("unshare").args(flags).args(["--", "sh", "-c", all]).stdin(Stdio::null()).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    [AS_ROOT, AS_USER].into_iter().skip(usize::from(as_user)).find(|flags| works(flags))
}

/// Boots, and waits until it says that it is ready.
fn boot(lab: &Path, run: &Path, flags: &[&str]) -> Result<Child, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/lab/phone/boot");
    let program = std::env::current_exe().map_err(|error| format!("find itself: {error}"))?;
    let log = fs::File::create(run.join("boot.log")).map_err(|error| format!("write its log: {error}"))?;
    // Whatever ends this process ends the phone.
    let mut phone = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--", "unshare"])
        .args(flags)
        .arg("--")
        .arg(script)
        .args([lab, run, &program])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|error| format!("start it: {error}"))?;
    let mut said = String::new();
    if let Some(out) = phone.stdout.take() {
        let _ = BufReader::new(out).read_line(&mut said);
    }
    if said == "ready\n" {
        return Ok(phone);
    }
    let _ = phone.kill();
    let _ = phone.wait();
    let log = fs::read_to_string(run.join("boot.log")).unwrap_or_default();
    Err(format!("boot the phone; it said:\n{said}{log}"))
}

const AS_ROOT: &[&str] = &["--mount", "--net", "--pid", "--fork", "--kill-child"];
const AS_USER: &[&str] = &["--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child"];
