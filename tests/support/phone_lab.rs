//! The tests' hands in the phone lab: a stand-in phone of one's own around a real adbd, with an adb server of its own, and orders for
//! what goes wrong on it. What the phone does is `ci/lab/phone`'s.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp, tz};
use serde_json::{Value, json};
use tattletale::{
    band::{self, Access, History, huami::BandContents},
    link::Central,
    model::text::hex,
    phone::simulated::{Cloud, Received},
};

use super::{Ended, finish};

/// Longer than anything takes on a slow machine under load.
pub(crate) const WITHIN: Duration = Duration::from_secs(60);

/// The package of the stand-in app.
pub(crate) const APP: &str = "test.standin.health";

/// The package of another app on the same phone.
pub(crate) const OTHER_APP: &str = "test.standin.weather";

/// How a phone is when it is switched on.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Android's API level: 34 and above have the certificate store of a module, too.
    pub(crate) sdk: u32,
    /// How somebody becomes root: `none`, `magisk` (`su -c`), `aosp` (`su root`).
    pub(crate) root: &'static str,
    /// What goes wrong from the beginning.
    pub(crate) faults: Vec<Fault>,
    /// Settings other than a new phone's: namespace/name, value.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// Whether the screen is locked.
    pub(crate) locked: bool,
    /// How far its clock is off, seconds.
    pub(crate) clock_offset_s: i64,
    /// Whether it lives in a user namespace, as it does for somebody who is not root.
    pub(crate) user_namespace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { sdk: 34, root: "magisk", faults: Vec::new(), settings: Vec::new(), locked: false, clock_offset_s: 0, user_namespace: false }
    }
}

/// What can go wrong on a phone or on its cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Screens rest only when all three animation scales are 0.
    Animated,
    /// The app sends past the proxy, too.
    Bypass,
    /// `input` and `pm grant` are refused: Xiaomi's second switch.
    InputRefused,
    /// Nothing can be installed: Xiaomi's first switch.
    InstallRefused,
    /// File systems in memory take no file.
    MemoryFull,
    /// Positions cannot be mocked.
    MockLocationRefused,
    /// No screen ever rests.
    NeverIdle,
    /// `cmd location` knows no test providers.
    NoTestProviders,
    /// The phone is listed as offline.
    Offline,
    /// The phone has not accepted this computer's key.
    Unauthorized,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Animated => "animated",
            Self::Bypass => "bypass",
            Self::InputRefused => "input-refused",
            Self::InstallRefused => "install-refused",
            Self::MemoryFull => "memory-full",
            Self::MockLocationRefused => "mock-location-refused",
            Self::NeverIdle => "never-idle",
            Self::NoTestProviders => "no-test-providers",
            Self::Offline => "offline",
            Self::Unauthorized => "unauthorized",
        }
    }
}

/// A stand-in phone that is switched on, and a private adb server. Dropping it switches both off.
pub(crate) struct Phone {
    folder: tempfile::TempDir,
    lab: PathBuf,
    stand_in: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    server: Child,
    server_port: u16,
    port: u16,
    unshare: u32,
}

impl Phone {
    /// A new phone, connected. `None`, and a word about it, when `ci/lab/phone/run` did not start these tests.
    pub(crate) fn boot(options: &Options) -> Option<Self> {
        let phone = Self::unconnected(options)?;
        if !options.faults.iter().any(|fault| matches!(fault, Fault::Offline | Fault::Unauthorized)) {
            phone.connect();
        }
        Some(phone)
    }

    /// A new phone that adb knows nothing of yet.
    pub(crate) fn unconnected(options: &Options) -> Option<Self> {
        let Some(lab) = std::env::var_os("TATTLETALE_PHONE_LAB").map(PathBuf::from) else {
            skipped();
            return None;
        };
        // Of a short name: sockets lie in it.
        let folder = tempfile::Builder::new().prefix("phone.").tempdir().expect("a temporary folder can be made");
        for name in ["run", "home"] {
            std::fs::create_dir(folder.path().join(name)).expect("ours");
        }
        let mut command = Command::new(program());
        command.arg("--lab").arg(&lab).arg("--run").arg(folder.path().join("run"));
        command.args(["--sdk", &options.sdk.to_string(), "--root", options.root]);
        command.args(["--clock-offset", &options.clock_offset_s.to_string()]);
        for fault in &options.faults {
            command.args(["--fault", fault.name()]);
        }
        for (name, value) in &options.settings {
            command.args(["--setting", &format!("{name}={value}")]);
        }
        if options.locked {
            command.arg("--locked");
        }
        if options.user_namespace {
            command.arg("--user-namespace");
        }
        let mut stand_in = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the stand-in can be started");
        let mut answers = BufReader::new(stand_in.stdout.take().expect("a pipe"));
        let told = line(&mut answers);
        if told.is_null() {
            panic!("the stand-in phone did not boot: {:?}", stand_in.wait());
        }
        let number = |name: &str| told[name].as_u64().expect("a number");
        let (server, server_port) = serve(&folder.path().join("home"));
        // Invented contents are of a wearer at UTC+1.
        let today = Timestamp::now().to_zoned(tz::offset(1).to_time_zone()).date();
        pair(folder.path(), &BandContents::invented(today));
        Some(Self {
            lab,
            orders: stand_in.stdin.take(),
            answers,
            stand_in,
            server,
            server_port,
            port: u16::try_from(number("port")).expect("a port"),
            unshare: u32::try_from(number("unshare")).expect("a process"),
            folder,
        })
    }

    /// What adb calls it.
    pub(crate) fn serial(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Port of the private adb server.
    pub(crate) fn server_port(&self) -> u16 {
        self.server_port
    }

    /// What has to stand in the environment of whoever uses adb: the private server's port, and a home of its own for adb's keys.
    pub(crate) fn adb_env(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("ANDROID_ADB_SERVER_PORT", self.server_port.to_string().into()),
            ("HOME", self.folder.path().join("home").into()),
            ("ADB_MDNS", "0".into()),
        ]
    }

    /// The folder of this phone: `run/data` is its `/data`.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Lets the app find another band than the invented one: whatever it reads by radio, it reads these.
    pub(crate) fn pair(&self, contents: &BandContents) {
        pair(self.folder.path(), contents);
    }

    /// Lets the app read the band through this: it is asked each time that the app reads, and `None` is a band out of reach. For a helper
    /// that reads a band by radio, as the phone itself would.
    pub(crate) fn serve_band(&self, read: impl Fn() -> Option<BandContents> + Send + 'static) {
        let socket = UnixListener::bind(self.folder.path().join("run/data/standin/band.socket")).expect("it is served once");
        std::thread::spawn(move || {
            for mut app in socket.incoming().flatten() {
                // An app that was stopped meanwhile takes no answer.
                let _ = app.write_all(read().map(|contents| written(&contents)).unwrap_or_default().as_bytes());
            }
        });
    }

    /// The process of the stand-in itself.
    pub(crate) fn stand_in(&self) -> u32 {
        self.stand_in.id()
    }

    /// The process that all of the phone's are below of.
    pub(crate) fn process(&self) -> u32 {
        self.unshare
    }

    /// The APK of a version: `sim-1.0` to `sim-1.4`, `sim-0.9` (for Android 6, so that it trusts the user's certificates),
    /// `repackaged/sim-1.0` (which says that it does, signed by somebody else), `weather-3.0` (the other app).
    pub(crate) fn apk(&self, version: &str) -> PathBuf {
        self.lab.join("apks").join(format!("{version}.apk"))
    }

    /// `adb ARGUMENTS`, without naming the phone.
    pub(crate) fn adb_of_all(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new("adb");
        command.envs(self.adb_env()).args(arguments).stdin(Stdio::null());
        finish(command)
    }

    /// `adb -s SERIAL ARGUMENTS`.
    pub(crate) fn adb(&self, arguments: &[&str]) -> Ended {
        self.adb_of_all(&[&["-s", &self.serial()], arguments].concat())
    }

    /// `adb -s SERIAL shell COMMAND`.
    pub(crate) fn shell(&self, command: &str) -> Ended {
        self.adb(&["shell", command])
    }

    /// The same, and it has to go well; its stdout without the last line break.
    #[track_caller]
    pub(crate) fn says(&self, command: &str) -> String {
        let ended = self.shell(command);
        assert_eq!(ended.code, Some(0), "{command}: {ended:?}");
        ended.out.trim_end().to_owned()
    }

    /// Connects adb, and waits until the phone can be used. Adb 29 tries again by itself what was torn, and when that meets a `connect`
    /// the result may be offline for good: then it is disconnected and connected once more.
    #[track_caller]
    pub(crate) fn connect(&self) {
        let serial = self.serial();
        eventually("the phone is there", || {
            self.adb_of_all(&["connect", &serial]);
            let settled = Instant::now() + Duration::from_secs(3);
            while Instant::now() < settled {
                if self.adb(&["get-state"]).out.trim() == "device" {
                    return true;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            self.adb_of_all(&["disconnect", &serial]);
            false
        });
    }

    /// Makes something go wrong from now on.
    #[track_caller]
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.order(&json!({ "do": "fault", "fault": fault.name(), "on": true }));
    }

    /// Makes it go right again.
    #[track_caller]
    pub(crate) fn mend(&mut self, fault: Fault) {
        self.order(&json!({ "do": "fault", "fault": fault.name(), "on": false }));
    }

    /// Cuts the cable: what goes on is torn, and nothing comes after it.
    #[track_caller]
    pub(crate) fn cut_link(&mut self) {
        self.order(&json!({ "do": "cut" }));
    }

    /// Cuts the cable after so many more bytes that the phone says.
    #[track_caller]
    pub(crate) fn cut_link_after(&mut self, bytes: u64) {
        self.order(&json!({ "do": "cut-after", "bytes": bytes }));
    }

    /// Whether the cable is cut.
    #[track_caller]
    pub(crate) fn is_cut(&mut self) -> bool {
        self.order(&json!({ "do": "cable" }))["cut"] == true
    }

    /// Plugs the cable in again, and connects.
    #[track_caller]
    pub(crate) fn reconnect(&mut self) {
        self.order(&json!({ "do": "reconnect" }));
        // Adb may believe for a while that the torn connection is one.
        let _ = self.adb_of_all(&["disconnect", &self.serial()]);
        self.connect();
    }

    /// Plugs the cable in again; adb may list the phone, and cannot use it.
    #[track_caller]
    pub(crate) fn reconnect_in_vain(&mut self) {
        self.order(&json!({ "do": "reconnect" }));
        let _ = self.adb_of_all(&["disconnect", &self.serial()]);
        let _ = self.adb_of_all(&["connect", &self.serial()]);
        eventually("adb lists it", || self.adb_of_all(&["devices"]).out.contains(&self.serial()));
    }

    /// Somebody else changes a setting; `None` deletes it.
    #[track_caller]
    pub(crate) fn set(&mut self, namespace: &str, name: &str, value: Option<&str>) {
        self.order(&json!({ "do": "setting", "namespace": namespace, "name": name, "value": value }));
    }

    /// Somebody else changes a property.
    #[track_caller]
    pub(crate) fn property(&mut self, name: &str, value: &str) {
        self.order(&json!({ "do": "property", "name": name, "value": value }));
    }

    /// Somebody locks the screen, or unlocks it.
    #[track_caller]
    pub(crate) fn lock(&mut self, on: bool) {
        self.order(&json!({ "do": "lock", "on": on }));
    }

    /// Everything that the phone remembers, read from its own file: nothing of adb is between. See `State` in `ci/lab/phone/userland`.
    #[track_caller]
    pub(crate) fn state(&self) -> Value {
        let state = std::fs::read(self.folder.path().join("run/data/standin/state.json")).expect("the phone has a state");
        serde_json::from_slice(&state).expect("JSON")
    }

    /// A setting, read from the phone's own file; `None` when it is not set.
    #[track_caller]
    pub(crate) fn setting(&self, namespace: &str, name: &str) -> Option<String> {
        self.state()["settings"][namespace][name].as_str().map(str::to_owned)
    }

    /// Whether the app has a permission (`ACCESS_FINE_LOCATION`), read from the phone's own file.
    #[track_caller]
    pub(crate) fn is_granted(&self, permission: &str) -> bool {
        self.state()["packages"][APP]["permissions"][&format!("android.permission.{permission}")] == true
    }

    /// Its owner has decided this of one of the app's permissions: flags in Android's words.
    #[track_caller]
    pub(crate) fn decided(&mut self, permission: &str, flags: &[&str]) {
        self.order(&json!({ "do": "decided", "package": APP, "permission": format!("android.permission.{permission}"), "flags": flags }));
    }

    /// Every program of Android's that was run on the phone, name and arguments, in their order.
    #[track_caller]
    pub(crate) fn commands(&self) -> Vec<Vec<String>> {
        let noted = std::fs::read_to_string(self.folder.path().join("run/data/standin/commands")).unwrap_or_default();
        noted.lines().map(|line| serde_json::from_str(line).expect("an array of texts")).collect()
    }

    /// What the apps printed.
    pub(crate) fn app_log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("run/data/standin/app.log")).unwrap_or_default()
    }

    /// Gives the stand-in an order and waits for its answer.
    #[track_caller]
    pub(crate) fn order(&mut self, order: &Value) -> Value {
        let orders = self.orders.as_mut().expect("open until the end");
        writeln!(orders, "{order}").and_then(|()| orders.flush()).expect("the stand-in takes orders");
        let answer = line(&mut self.answers);
        assert!(answer["error"].is_null() && !answer.is_null(), "{order}: {answer}");
        answer["ok"].clone()
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        // It ends with its stdin.
        drop(self.orders.take());
        let _ = self.stand_in.wait();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The servers of every `.test` host, with an authority of their own: what a rig's `lab` names.
pub(crate) struct LabCloud {
    cloud: Cloud,
    _threads: tokio::runtime::Runtime,
}

impl LabCloud {
    /// Starts them on a free port of this machine.
    pub(crate) fn start() -> Self {
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be started");
        let cloud = threads.block_on(Cloud::start(Timestamp::now())).expect("a free port");
        Self { cloud, _threads: threads }
    }

    /// Where every `.test` host is: `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        self.cloud.address().to_string()
    }

    /// The certificate of their authority, PEM.
    pub(crate) fn authority_pem(&self) -> String {
        let text = STANDARD.encode(self.cloud.ca_der());
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    }

    /// What they received.
    pub(crate) fn journal(&self) -> Vec<Received> {
        self.cloud.journal()
    }
}

/// Reads this band over a link, as the phone's own Bluetooth would, each time that it is asked: what [`Phone::serve_band`] takes. Of what
/// is given only what a paired phone knows is used, model, address and key; `None` when the band does not answer.
pub(crate) fn over_link(central: Arc<dyn Central>, paired: BandContents) -> impl Fn() -> Option<BandContents> + Send + 'static {
    move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a thread can be used");
        let reading = async {
            let access = Access::Key(paired.key.clone());
            let mut band = band::connect(&*central, paired.model, paired.address, &access).await.ok()?;
            let about = band.device_info().await.ok()?;
            let mut history = History::default();
            band.history(Timestamp::now() - SignedDuration::from_hours(48), &mut history).await.ok()?;
            band.release().await.ok()?;
            Some(BandContents {
                serial: about.serial?,
                firmware: about.firmware?,
                utc_offset_s: history.utc_offset_s,
                start: history.start,
                samples: history.samples,
                ..paired.clone()
            })
        };
        runtime.block_on(async { tokio::time::timeout(WITHIN, reading).await.ok().flatten() })
    }
}

/// Waits until something is true.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + WITHIN;
    while !is_true() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Says that a test had no lab; where nothing may be missing, that is a failure.
pub(crate) fn skipped() {
    assert!(std::env::var_os("TATTLETALE_NOTHING_MISSING").is_none(), "there is no phone lab: ci/lab/phone/run starts one");
    #[expect(clippy::print_stderr, reason = "for whoever runs the tests")]
    {
        eprintln!("skipped: no lab (ci/phone runs this test)");
    }
}

/// Writes down what the app reads from the band.
fn pair(folder: &Path, contents: &BandContents) {
    std::fs::write(folder.join("run/data/standin/band.properties"), written(contents)).expect("ours");
}

/// A band as the app reads it: Java's properties, the samples in base64 of four bytes a minute.
fn written(contents: &BandContents) -> String {
    let address: Vec<String> = contents.address.iter().map(|byte| format!("{byte:02X}")).collect();
    let samples: Vec<u8> =
        contents.samples.iter().flat_map(|sample| [sample.kind, sample.intensity, sample.steps, sample.heart_rate]).collect();
    format!(
        "address={}\nserial={}\nfirmware={}\nkey={}\nutc_offset_s={}\nstart={}\nsamples={}\n",
        address.join("\\:"),
        contents.serial,
        contents.firmware,
        hex(&contents.key.bytes()),
        contents.utc_offset_s,
        contents.start.as_second(),
        STANDARD.encode(samples),
    )
}

/// The stand-in, built in the same profile as this test.
fn program() -> PathBuf {
    let own = std::env::current_exe().expect("a test is a program");
    let program = own.parent().and_then(Path::parent).expect("in target/PROFILE/deps").join("examples/phone-stand-in");
    assert!(program.exists(), "build the stand-in first: cargo build --example phone-stand-in");
    program
}

/// The next line as JSON; null at the end.
fn line(from: &mut impl BufRead) -> Value {
    let mut line = String::new();
    from.read_line(&mut line).expect("readable");
    serde_json::from_str(&line).unwrap_or_default()
}

/// A private adb server as a child of ours, on a port that was free.
fn serve(home: &Path) -> (Child, u16) {
    for _ in 0..20 {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port").local_addr().expect("bound").port();
        let log = std::fs::File::create(home.join("adb.log")).expect("ours");
        let mut server = Command::new("adb")
            .args(["nodaemon", "server", "start"])
            .env("ANDROID_ADB_SERVER_PORT", port.to_string())
            .env("HOME", home)
            .env("ADB_MDNS", "0")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("adb is installed");
        let deadline = Instant::now() + WITHIN;
        // It ends when somebody else took the port meanwhile.
        while matches!(server.try_wait(), Ok(None)) && Instant::now() < deadline {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return (server, port);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = server.kill();
        let _ = server.wait();
    }
    panic!("no adb server started");
}
