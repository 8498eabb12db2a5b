//! The phone over adb, thing by thing, on the stand-in phone: that it does what it says, says who is at fault when it cannot, and
//! leaves the phone as it was found.

use std::{collections::BTreeSet, net::Ipv4Addr, path::Path, process::Stdio};

use tattletale::{
    model::{AppVersion, Captured, Position},
    phone::{
        Action, Key, Launch, Permission, PermissionChange, PermissionName, Phone as _, PhoneError, Route, Target,
        adb::{AdbError, AdbPhone, AdbProgram, AdbSetup, RouteKind, TrustMode, Undoing, Undone, undo_journal},
    },
    store::{RigFolder, Workspace},
    traffic::authority::Authority,
};

use crate::{
    rig::{Lab, changeable, stores},
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
    assert_eq!(bench.phone.setting("global", "global_proxy_pac_url").as_deref(), Some(""), "the system's own doing");
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
async fn whatever_pointed_the_phone_at_a_proxy_points_it_there_again() {
    let by_its_owner = [("http_proxy", "10.0.0.1:3128")];
    let with_exceptions = [("http_proxy", "10.0.0.1:3128"), ("global_http_proxy_exclusion_list", "intranet.test")];
    let by_who_manages_it = [("global_http_proxy_host", "10.0.0.1"), ("global_http_proxy_port", "3128")];
    let by_a_script = [("global_http_proxy_host", "localhost"), ("global_proxy_pac_url", "http://wpad.test/proxy.pac")];
    for (settings, late) in
        [(&[][..], "0"), (&[], "700"), (&by_its_owner, "700"), (&with_exceptions, "700"), (&by_who_manages_it, "700"), (&by_a_script, "0")]
    {
        let Some(mut bench) = Bench::boot(&Options::default()) else { return };
        for (key, value) in settings {
            bench.phone.set("global", key, Some(value));
        }
        bench.phone.property("debug.standin.late.proxy", late);
        let before = changeable(&bench.phone);
        let mut phone = bench.connect().await;
        phone.route_through((Ipv4Addr::LOCALHOST, 9).into()).await.expect("routed");
        assert_eq!(bench.phone.setting("global", "global_http_proxy_host").as_deref(), Some("127.0.0.1"), "{settings:?}");
        drop(phone);
        let undone = undo_journal(&bench.folder(), false, bench.environment()).await.expect("put back");
        assert!(undone.iter().all(|undone| matches!(undone.how, Undoing::Back(_))), "{undone:?}");
        assert_eq!(format!("{undone:?}").contains("when the phone is restarted"), settings.len() == 2 && settings != by_who_manages_it);
        assert_eq!(changeable(&bench.phone), before, "{settings:?} {late}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_of_somebody_else_stays() {
    let Some(bench) = Bench::boot(&Options::default()) else { return };
    let proxy = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = proxy.local_addr().expect("bound");
    let theirs = bench.phone.adb(&["reverse", "tcp:8080", &format!("tcp:{}", address.port())]);
    assert_eq!(theirs.code, Some(0), "{theirs:?}");
    let before = changeable(&bench.phone);
    let mut phone = bench.connect().await;
    phone.route_through(address).await.expect("routed");
    assert_eq!(bench.phone.adb(&["reverse", "--list"]).out.trim().lines().count(), 2);
    phone.restore().await.expect("put back");
    assert_eq!(changeable(&bench.phone), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_had_decided_of_a_permission_is_put_back_or_told() {
    let Some(mut bench) = Bench::boot(&Options::default()) else { return };
    let ended = bench.phone.adb(&["install", "-r", &bench.phone.apk("sim-1.0").to_string_lossy()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for (flags, told) in [(&[][..], None), (&["USER_FIXED", "USER_SET"], None), (&["ONE_TIME"], Some("for one time"))] {
        for clear in [false, true] {
            bench.phone.decided("ACCESS_FINE_LOCATION", flags);
            let before = changeable(&bench.phone);
            let mut phone = bench.connect().await;
            for location in [Permission::Allow, Permission::Deny, Permission::Allow] {
                let launch = Launch { location, clear_state: clear };
                phone.launch_app(&launch).await.expect("it starts");
            }
            assert!(bench.phone.is_granted("ACCESS_FINE_LOCATION"));
            let entries = bench.folder().journal().expect("readable").map_or(0, |journal| journal.entries.len());
            assert!(entries <= 6, "one for each thing, not for each change: {entries}");
            let undone = undo_journal(&bench.folder(), false, bench.environment()).await.expect("put back");
            match told {
                None => assert_eq!(changeable(&bench.phone), before, "{flags:?} {undone:?}"),
                Some(words) => {
                    let said = |undone: &Undone| matches!(&undone.how, Undoing::Left(why) if why.contains(words));
                    assert!(undone.iter().any(said), "{undone:?}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_position_never_comes_after_a_new_one() {
    let Some(mut bench) = Bench::boot(&Options::default()) else { return };
    let mut phone = bench.connect().await;
    phone.set_location(PLACE).await.expect("placed");
    // Three sources, one after the other, take as long as the time between two tellings.
    bench.phone.property("debug.standin.slow.cmd", "300");
    for step in 1..=6 {
        let place = Position { lat: PLACE.lat + f64::from(step) / 10.0, lon: PLACE.lon };
        phone.set_location(place).await.expect("placed");
        let told: Vec<String> =
            bench.phone.commands().into_iter().filter_map(|command| command.into_iter().find(|word| word.contains(",4.8"))).collect();
        let first = told.iter().position(|told| told.starts_with(&format!("{:.7},", place.lat))).expect("it was told");
        assert!(told[first..].iter().all(|later| *later == told[first]), "{told:?}");
    }
    phone.restore().await.expect("put back");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_laid_out_for_a_person_and_gone_afterwards() {
    let Some(bench) = Bench::boot(&Options::default()) else { return };
    let mut phone = AdbPhone::connect(AdbSetup { trust: TrustMode::User, ..bench.setup() }).await.expect("it is there");
    let words = phone.ask_for_trust(&authority()).await.expect("it is laid out").expect("it is a person's to do");
    let name = words.split_whitespace().find(|word| word.ends_with(".crt.")).expect("it is named").trim_end_matches('.').to_owned();
    assert!(bench.phone.says(&format!("cat /sdcard/Download/{name}")).starts_with("-----BEGIN CERTIFICATE-----"));
    phone.restore().await.expect("put back");
    assert_eq!(bench.phone.says("ls /sdcard/Download"), "");
    // Where tattletale puts it there itself, a person has nothing to do.
    let mut phone = bench.connect().await;
    assert_eq!(phone.ask_for_trust(&authority()).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cable_that_is_pulled_while_everything_is_put_back_loses_nothing() {
    let settings = vec![("global/http_proxy", "10.0.0.1:3128".to_owned())];
    let Some(mut bench) = Bench::boot(&Options { settings, ..Options::default() }) else { return };
    let ended = bench.phone.adb(&["install", "-r", &bench.phone.apk("sim-1.0").to_string_lossy()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let before = changeable(&bench.phone);
    // In the certificate's part, in the proxy's, in others'.
    for moment in [1, 5, 9, 14, 20, 27] {
        let mut phone = bench.connect().await;
        phone.route_through((Ipv4Addr::LOCALHOST, 9).into()).await.expect("routed");
        phone.trust(&authority()).await.expect("trusted");
        phone.set_location(PLACE).await.expect("placed");
        phone.launch_app(&Launch { location: Permission::Allow, ..Launch::default() }).await.expect("it starts");
        drop(phone);
        let begun = bench.phone.commands().len();
        let (folder, environment) = (bench.folder(), bench.environment());
        let undoing = tokio::spawn(async move { undo_journal(&folder, false, environment).await });
        eventually("it is being put back", || undoing.is_finished() || bench.phone.commands().len() >= begun + moment);
        bench.phone.cut_link();
        let _ = undoing.await.expect("it ends");
        bench.phone.reconnect();
        let undone = undo_journal(&bench.folder(), false, bench.environment()).await.expect("put back");
        assert!(undone.iter().all(|undone| !matches!(undone.how, Undoing::Failed { .. } | Undoing::Left(_))), "{moment}: {undone:?}");
        // A script that lost its cable may be in its last words.
        eventually("all is as it was", || changeable(&bench.phone) == before);
        assert_eq!(bench.folder().journal().expect("readable"), None, "{moment}");
    }
}

#[test]
fn two_rigs_never_use_one_phone_at_once() {
    let Some(lab) = Lab::boot(&Options::default(), "system") else { return };
    lab.install("sim-1.0");
    let before = lab.changeable();
    let other = lab.place.write("other.yaml", std::fs::read(lab.place.path().join("rig.yaml")).expect("it was written"));
    std::fs::set_permissions(other, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
    let line = |rig| ["run", "passive-sync", "--rig", rig, "--runs", "1"];
    let mut child = lab.command(&line("rig.yaml")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    lab.wait_until_routed(None);
    let busy = lab.tattletale(&line("other.yaml"));
    assert_eq!(busy.code, Some(3), "{busy:?}");
    assert!(busy.err.contains(&format!("`tattletale run`, process {}", child.id())) && busy.err.contains("another rig"), "{busy:?}");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let restored = lab.tattletale(&["restore"]);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    assert_eq!(lab.changeable(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rig_goes_on_with_another_phone_when_its_last_one_only_has_an_app() {
    let Some(bench) = Bench::boot(&Options::default()) else { return };
    let mut phone = bench.connect().await;
    phone.install(Some(&AppVersion::named("sim-1.0"))).await.expect("it is installed");
    let mut journal = bench.folder().journal().expect("readable").expect("the app");
    journal.phone.serial = Captured::new("INVENTED01".into());
    bench.folder().keep_journal(&journal).expect("written");
    let mut phone = bench.connect().await;
    phone.route_through((Ipv4Addr::LOCALHOST, 9).into()).await.expect("routed");
    let noted = bench.folder().journal().expect("readable").expect("the route");
    assert_eq!(noted.phone.serial, Captured::new(bench.phone.serial()));
    phone.restore().await.expect("put back");
    // What has to be put back on another phone keeps this one waiting, and the way out is told.
    bench.connect().await.route_through((Ipv4Addr::LOCALHOST, 9).into()).await.expect("routed");
    let mut journal = bench.folder().journal().expect("readable").expect("the route");
    journal.phone.serial = Captured::new("INVENTED01".into());
    bench.folder().keep_journal(&journal).expect("written");
    let error = AdbPhone::connect(bench.setup()).await.err().expect("another one's changes are pending");
    assert!(error.to_string().contains("restore --forget"), "{error}");
}
