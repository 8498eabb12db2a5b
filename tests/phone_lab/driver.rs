//! The phone over adb, thing by thing, on the stand-in phone: that it does what it says, says who is at fault when it cannot, and
//! leaves the phone as it was found.

use std::{collections::BTreeSet, net::Ipv4Addr, path::Path};

use tattletale::{
    model::{AppVersion, Captured, Position},
    phone::{
        Action, Key, Launch, Permission, PermissionChange, PermissionName, Phone as _, PhoneError, Route, Target,
        adb::{AdbError, AdbPhone, AdbProgram, AdbSetup, RouteKind, TrustMode, Undoing, undo_journal},
    },
    store::{RigFolder, Workspace},
    traffic::authority::Authority,
};

use crate::{
    rig::{changeable, stores},
    support::phone_lab::{APP, Fault, Options, Phone, eventually},
};

/// A driver of a phone in the lab, and the folder of its rig.
struct Bench {
    phone: Phone,
    root: tempfile::TempDir,
    packages: tempfile::TempDir,
}

impl Bench {
    fn boot(options: &Options) -> Option<Self> {
        let phone = Phone::boot(options)?;
        let packages = tempfile::tempdir().expect("a folder");
        for version in ["sim-1.0", "sim-1.1"] {
            std::fs::copy(phone.apk(version), packages.path().join(format!("{version}.apk"))).expect("the lab made it");
        }
        Some(Self { phone, root: tempfile::tempdir().expect("a folder"), packages })
    }

    fn folder(&self) -> RigFolder {
        rig(self.root.path())
    }

    fn environment(&self) -> Vec<(String, String)> {
        environment(&self.phone)
    }

    fn setup(&self) -> AdbSetup {
        AdbSetup {
            adb: AdbProgram { environment: self.environment(), ..AdbProgram::default() },
            serial: Some(Captured::new(self.phone.serial())),
            ids: vec!["test.standin.nobody".to_owned(), APP.to_owned()],
            packages: Some(self.packages.path().to_owned()),
            trust: TrustMode::System,
            repackaging: None,
            script: None,
            route: RouteKind::Reverse,
            lab: true,
            folder: self.folder(),
        }
    }

    async fn connect(&self) -> AdbPhone {
        AdbPhone::connect(self.setup()).await.expect("it is there")
    }
}

fn rig(root: &Path) -> RigFolder {
    RigFolder::of(&Workspace { root: root.to_owned(), scenarios: None }, "lab").expect("a good name")
}

fn environment(phone: &Phone) -> Vec<(String, String)> {
    phone.adb_env().into_iter().map(|(name, value)| (name.to_owned(), value.into_string().expect("UTF-8"))).collect()
}

fn authority() -> Authority {
    Authority::generate_marked("Lab", jiff::Timestamp::now()).expect("a key")
}

const PLACE: Position = Position { lat: 52.374_03, lon: 4.889_69 };

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_changed_is_put_back_odd_values_too() {
    let settings = vec![
        ("global/http_proxy", "10.0.0.1:3128".to_owned()),
        ("global/window_animation_scale", "0.5".to_owned()),
        ("global/global_proxy_pac_url", "http://wpad.test/proxy.pac".to_owned()),
        ("secure/location_mode", "0".to_owned()),
    ];
    let options = Options { settings, faults: vec![Fault::Animated], ..Options::default() };
    let Some(bench) = Bench::boot(&options) else { return };
    let mut phone = bench.connect().await;
    let version = phone.install(Some(&AppVersion::named("sim-1.0"))).await.expect("it is installed");
    assert_eq!(version, AppVersion { name: "sim-1.0".into(), code: Some(100) });
    let digest = phone.app_about().expect("it tells");
    assert!(digest.starts_with("test.standin.health, SHA-256"), "{digest}");
    let before = changeable(&bench.phone);

    let authority = authority();
    let proxy = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = proxy.local_addr().expect("bound");
    phone.route_through(address).await.expect("routed");
    let there = bench.phone.setting("global", "http_proxy").expect("set");
    assert!(there.starts_with("127.0.0.1:"), "{there}");
    assert_eq!(bench.phone.setting("global", "global_proxy_pac_url"), None);
    assert_eq!(phone.check_route().await, Ok(Route::Whole));
    phone.trust(&authority).await.expect("trusted");
    phone.trust(&authority).await.expect("twice does no harm");
    assert_eq!(phone.set_location(PLACE).await, Ok(PLACE));
    assert_eq!(bench.phone.setting("secure", "location_mode").as_deref(), Some("3"));
    phone.set_airplane_mode(true).await.expect("switched");
    assert_eq!(bench.phone.setting("global", "airplane_mode_on").as_deref(), Some("1"));
    phone.launch_app(&Launch { location: Permission::Allow, ..Launch::default() }).await.expect("it starts, and sees the certificate");
    assert!(bench.phone.is_granted("ACCESS_FINE_LOCATION"));
    phone.tap_on(&Target::Text("Workout".into())).await.expect("it is there, once nothing moves");
    assert_eq!(bench.phone.setting("global", "window_animation_scale").as_deref(), Some("0"));
    let error = phone.tap_on(&Target::Text("Elsewhere".into())).await.expect_err("nothing is called so");
    let said = error.to_string();
    assert!(said.contains("workout") && !said.contains("Stop"), "ids are told, and no text: {error}");
    phone.tap_on(&Target::Id("workout".into())).await.expect("it is there");
    phone.pull_to_refresh().await.expect("it is in front");
    phone.press_key(Key::Home).await.expect("pressed");
    assert!(matches!(phone.pull_to_refresh().await, Err(PhoneError::AppNotInFront(_))));
    assert!(phone.screenshot().await.expect("a picture").starts_with(b"\x89PNG"));
    phone.start_recording().await.expect("it records");
    assert!(phone.stop_recording().await.expect("a film").windows(4).any(|word| word == b"ftyp"));
    let file = format!("/apex/com.android.conscrypt/cacerts/{}", authority.android_name());
    assert_eq!(bench.phone.shell(&format!("ls {file}")).code, Some(0));

    phone.restore().await.expect("put back");
    assert_eq!(changeable(&bench.phone), before);
    assert_ne!(bench.phone.shell(&format!("ls {file}")).code, Some(0), "the certificate is gone");
    assert_eq!(bench.phone.adb(&["reverse", "--list"]).out.trim(), "");
    phone.restore().await.expect("twice does no harm");
    let left = bench.folder().journal().expect("readable").expect("the app's version");
    assert_eq!(left.entries.len(), 1, "{left:?}");

    // What was installed is removed only when somebody says so.
    let undone = undo_journal(&bench.folder(), true, bench.environment()).await.expect("put back");
    assert!(matches!(undone.as_slice(), [only] if only.how == Undoing::Back("not installed".into())), "{undone:?}");
    assert!(bench.phone.state()["packages"][APP].is_null());
    assert_eq!(bench.folder().journal().expect("readable"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_named_permissions_are_granted() {
    let Some(bench) = Bench::boot(&Options::default()) else { return };
    let mut phone = bench.connect().await;
    phone.install(Some(&AppVersion::named("sim-1.0"))).await.expect("it is installed");
    let change = |which, to| PermissionChange { which, to };
    phone.set_permissions(&[change(PermissionName::Location, Permission::Allow)]).await.expect("granted");
    assert!(bench.phone.is_granted("ACCESS_FINE_LOCATION"));
    assert!(!bench.phone.is_granted("ACCESS_BACKGROUND_LOCATION"), "nobody said so");
    let wish = [change(PermissionName::Exact("android.permission.READ_CALENDAR".into()), Permission::Allow)];
    let error = phone.set_permissions(&wish).await.expect_err("the app does not ask for it");
    assert!(error.to_string().contains("the app does not ask for android.permission.READ_CALENDAR"), "{error}");
    phone.launch_app(&Launch::default()).await.expect("it starts");
    assert!(!bench.phone.is_granted("ACCESS_FINE_LOCATION"), "what is not named is denied");
    phone.restore().await.expect("put back");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_keeps_what_was_there_first_and_a_downgrade_is_refused_by_name() {
    let Some(bench) = Bench::boot(&Options::default()) else { return };
    let mut phone = bench.connect().await;
    assert!(matches!(phone.install(None).await, Err(PhoneError::Adb(AdbError::AppNotInstalled(_)))));
    for version in ["sim-1.0", "sim-1.1"] {
        assert_eq!(phone.install(Some(&AppVersion::named(version))).await.map(|version| version.name), Ok(version.to_owned()));
    }
    assert_eq!(phone.install(None).await.map(|version| version.code), Ok(Some(101)));
    let error = phone.install(Some(&AppVersion::named("sim-1.0"))).await.expect_err("it is older");
    assert_eq!(error, PhoneError::Adb(AdbError::Downgrade));
    let error = phone.install(Some(&AppVersion::named("sim-7.0"))).await.expect_err("there is none");
    assert!(error.to_string().ends_with("there is sim-1.0, sim-1.1"), "{error}");
    let journal = bench.folder().journal().expect("readable").expect("something was installed");
    assert_eq!(journal.entries.len(), 1, "what was there first is what goes back: {journal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_at_fault_is_said_with_the_switch_to_flip() {
    let Some(mut bench) = Bench::boot(&Options { root: "none", ..Options::default() }) else { return };
    bench.phone.fault(Fault::InstallRefused);
    let mut phone = bench.connect().await;
    let error = phone.install(Some(&AppVersion::named("sim-1.0"))).await.expect_err("refused");
    assert_eq!(error, PhoneError::Adb(AdbError::InstallRestricted));
    assert!(error.with_help().contains("Install via USB"), "{}", error.with_help());
    bench.phone.mend(Fault::InstallRefused);
    phone.install(Some(&AppVersion::named("sim-1.0"))).await.expect("installed");
    let error = phone.trust(&authority()).await.expect_err("no root");
    assert!(matches!(error, PhoneError::Adb(AdbError::NoRoot(_))), "{error}");
    phone.launch_app(&Launch::default()).await.expect("it starts");
    bench.phone.fault(Fault::InputRefused);
    let error = phone.pull_to_refresh().await.expect_err("refused");
    assert_eq!(error, PhoneError::Adb(AdbError::InputForbidden));
    bench.phone.mend(Fault::InputRefused);
    bench.phone.fault(Fault::NeverIdle);
    let error = phone.tap_on(&Target::Text("Workout".into())).await.expect_err("it never rests");
    assert_eq!(error, PhoneError::Adb(AdbError::NeverIdle));
    bench.phone.fault(Fault::MockLocationRefused);
    let error = phone.set_location(PLACE).await.expect_err("refused");
    assert!(error.to_string().contains("MOCK_LOCATION"), "{error}");
    phone.restore().await.expect("what could be changed is put back");
    bench.phone.fault(Fault::NoTestProviders);
    let phone = bench.connect().await;
    assert!(!phone.supports(Action::SetLocation), "told before a run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_is_not_ready_is_told_from_one_that_is_not_there() {
    let options = Options { faults: vec![Fault::Unauthorized], ..Options::default() };
    let Some(mut bench) = Bench::boot(&options) else { return };
    let error = async |bench: &Bench| AdbPhone::connect(bench.setup()).await.err().expect("not ready");
    assert!(matches!(error(&bench).await, PhoneError::Adb(AdbError::NoSuchPhone { .. })));
    bench.phone.adb_of_all(&["connect", &bench.phone.serial()]);
    eventually("it is listed", || bench.phone.adb_of_all(&["devices"]).out.contains("unauthorized"));
    assert_eq!(error(&bench).await, PhoneError::Adb(AdbError::Unauthorised));
    bench.phone.mend(Fault::Unauthorized);
    let ready = || bench.phone.adb_of_all(&["devices"]).out.contains("\tdevice");
    eventually("it is ready", ready);
    bench.connect().await;
    bench.phone.fault(Fault::Offline);
    eventually("it is listed as offline", || bench.phone.adb_of_all(&["devices"]).out.contains("offline"));
    assert_eq!(error(&bench).await, PhoneError::Adb(AdbError::Offline("offline".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_lost_is_told_and_the_next_one_puts_everything_back() {
    let settings = vec![("global/http_proxy", "10.0.0.1:3128".to_owned())];
    let Some(mut bench) = Bench::boot(&Options { settings, ..Options::default() }) else { return };
    let mut phone = bench.connect().await;
    phone.install(Some(&AppVersion::named("sim-1.0"))).await.expect("it is installed");
    let before = changeable(&bench.phone);
    phone.route_through((Ipv4Addr::LOCALHOST, 9).into()).await.expect("routed");
    let watch = phone.route_watch().expect("there is a route");
    phone.trust(&authority()).await.expect("trusted");
    phone.set_location(PLACE).await.expect("placed");
    phone.launch_app(&Launch { location: Permission::Allow, ..Launch::default() }).await.expect("it starts");
    bench.phone.cut_link();
    assert!(watch.check().await.is_err(), "the phone is gone");
    assert!(phone.restore().await.is_err(), "it cannot be put back");
    let again = undo_journal(&bench.folder(), false, bench.environment()).await;
    assert!(again.is_err(), "{again:?}");
    bench.phone.reconnect();
    let broken = watch.check().await.expect("the phone is there");
    assert!(matches!(&broken, Route::Broken(why) if why.contains("tunnel")), "{broken:?}");
    let undone = undo_journal(&bench.folder(), false, bench.environment()).await.expect("put back");
    assert!(undone.iter().all(|undone| !matches!(undone.how, Undoing::Failed { .. })), "{undone:?}");
    assert!(undone.iter().any(|undone| undone.how == Undoing::Back("10.0.0.1:3128".into())), "{undone:?}");
    assert_eq!(changeable(&bench.phone), before);
    assert_eq!(undo_journal(&bench.folder(), false, bench.environment()).await, Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_has_set_since_is_left() {
    let Some(mut bench) = Bench::boot(&Options::default()) else { return };
    let mut phone = bench.connect().await;
    phone.route_through((Ipv4Addr::LOCALHOST, 9).into()).await.expect("routed");
    bench.phone.set("global", "http_proxy", Some("192.0.2.1:8080"));
    let broken = phone.check_route().await.expect("the phone is there");
    assert!(matches!(&broken, Route::Broken(why) if why.contains("192.0.2.1:8080")), "{broken:?}");
    phone.restore().await.expect("nothing is in the way");
    assert_eq!(bench.phone.setting("global", "http_proxy").as_deref(), Some("192.0.2.1:8080"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_is_seen_in_every_way_of_being_root_and_on_older_androids() {
    for (sdk, root) in [(34, "aosp"), (33, "magisk"), (30, "aosp")] {
        let Some(bench) = Bench::boot(&Options { sdk, root, ..Options::default() }) else { return };
        let mut phone = bench.connect().await;
        phone.install(Some(&AppVersion::named("sim-1.0"))).await.expect("it is installed");
        let authority = authority();
        phone.trust(&authority).await.expect("trusted");
        phone.launch_app(&Launch::default()).await.expect("the app sees it");
        let file = format!("/system/etc/security/cacerts/{}", authority.android_name());
        assert_eq!(bench.phone.shell(&format!("ls {file}")).code, Some(0), "{sdk} {root}");
        phone.restore().await.expect("put back");
        assert_ne!(bench.phone.shell(&format!("ls {file}")).code, Some(0), "{sdk} {root}");
    }
}

/// What is seen of the stores, by whatever mounts.
fn lists(seen: &BTreeSet<String>) -> BTreeSet<String> {
    seen.iter().filter_map(|seen| Some(seen.split(" / [").next()?.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_filled_is_never_seen() {
    let Some(mut bench) = Bench::boot(&Options::default()) else { return };
    let before = changeable(&bench.phone);
    bench.phone.fault(Fault::MemoryFull);
    let mut phone = bench.connect().await;
    let error = phone.trust(&authority()).await.expect_err("there is no room for it");
    assert!(error.to_string().contains("put the certificate into the phone's store"), "{error}");
    let between = lists(&stores(&bench.phone));
    bench.phone.mend(Fault::MemoryFull);
    phone.restore().await.expect("put back");
    assert_eq!(changeable(&bench.phone), before);
    assert_eq!(between, lists(&stores(&bench.phone)), "half a store was never seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_lost_while_the_store_is_filled_leaves_the_phone_its_own() {
    let Some(mut bench) = Bench::boot(&Options::default()) else { return };
    let before = changeable(&bench.phone);
    // Into the copy, and from there into what is mounted.
    for piece in 1..=2 {
        bench.phone.property("debug.standin.slow.cp", "1500");
        let begun = bench.phone.commands().len();
        let mut phone = bench.connect().await;
        let trusting = tokio::spawn(async move { phone.trust(&authority()).await });
        let copies = |commands: &[Vec<String>]| commands.iter().filter(|command| command[0] == "cp").count();
        eventually("it copies", || copies(&bench.phone.commands()[begun..]) == piece);
        bench.phone.cut_link();
        trusting.await.expect("it ends").expect_err("the link is gone");
        let during = stores(&bench.phone);
        bench.phone.property("debug.standin.slow.cp", "0");
        bench.phone.reconnect();
        // What was begun goes on without its cable.
        let undone = undo_journal(&bench.folder(), false, bench.environment()).await.expect("put back");
        assert!(undone.iter().all(|undone| !matches!(undone.how, Undoing::Failed { .. })), "{undone:?}");
        assert_eq!(changeable(&bench.phone), before, "after {piece}: {undone:?}");
        assert_eq!(lists(&during), lists(&stores(&bench.phone)), "half a store was never seen");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_has_mounted_over_the_store_stays() {
    let Some(bench) = Bench::boot(&Options::default()) else { return };
    let authority = authority();
    // As a module of Magisk's does, with the very certificate of the rig.
    let (name, pem) = (authority.android_name(), authority.certificate_pem());
    let module =
        "sys=/system/etc/security/cacerts; apex=/apex/com.android.conscrypt/cacerts; mkdir -p /data/module && cp $sys/* /data/module";
    bench.phone.says(&format!("su -c '{module}; cat >/data/module/{name} <<END\n{pem}\nEND\nmount -o bind /data/module $sys; for p in /proc/[0-9]*; do nsenter --mount=$p/ns/mnt -- sh -c \"cmp -s /data/module/{name} $apex/{name} || mount -o bind /data/module $apex\"; done; true'"));
    let before = stores(&bench.phone);
    assert!(before.iter().all(|seen| seen.contains(&name)), "{before:?}");
    let mut phone = bench.connect().await;
    phone.trust(&authority).await.expect("it is trusted already");
    phone.restore().await.expect("nothing of ours is there");
    assert_eq!(stores(&bench.phone), before);
    let left = bench.folder().journal().expect("readable");
    assert_eq!(left, None, "and no next run is refused");
}
