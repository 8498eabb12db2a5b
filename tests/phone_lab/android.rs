//! What Android says and refuses, in its own words: what a driver of phones has to understand.

use crate::support::phone_lab::{APP, Fault, Options, Phone, eventually};

const FINE: &str = "android.permission.ACCESS_FINE_LOCATION";

#[test]
fn versions_go_up_and_not_down() {
    let Some(phone) = Phone::boot(&Options::default()) else { return };
    let install = |flags: &[&str], version: &str| {
        let apk = phone.apk(version).to_string_lossy().into_owned();
        let ended = phone.adb(&[&["install"], flags, &[&apk]].concat());
        (ended.code, format!("{}{}", ended.out, ended.err))
    };
    let (code, said) = install(&[], "sim-1.1");
    assert!(code == Some(0) && said.contains("Success"), "{said}");
    for flags in [&[][..], &["-r", "-d"], &["--no-streaming"]] {
        let (code, said) = install(flags, "sim-1.0");
        assert!(code == Some(1) && said.contains("INSTALL_FAILED_VERSION_DOWNGRADE"), "{flags:?}: {said}");
    }
    let package = phone.says(&format!("dumpsys package {APP}"));
    assert!(package.contains("    versionName=sim-1.1\n") && package.contains("    versionCode=101 minSdk=21 targetSdk=33\n"), "{package}");
    let path = phone.says(&format!("pm path {APP}"));
    let sums = phone.says(&format!("sha256sum {}", path.strip_prefix("package:").expect("a path")));
    let apk = std::fs::read(phone.apk("sim-1.1")).expect("built");
    assert!(sums.starts_with(&tattletale::model::text::sha256_hex(&apk)), "what is installed is what was given");
    assert!(phone.adb(&["uninstall", APP]).out.contains("Success"));
    let gone = phone.adb(&["uninstall", APP]);
    assert!(gone.code == Some(1) && gone.out.contains("Failure ["), "{gone:?}");
    assert_eq!(phone.shell(&format!("pm path {APP}")).code, Some(1));
    let apk = phone.apk("sim-1.0").to_string_lossy().into_owned();
    let pieces = phone.adb(&["install-multiple", &apk]);
    assert!(pieces.code == Some(0) && pieces.out.contains("Success"), "{pieces:?}");
}

#[test]
fn only_who_signed_an_app_can_update_it() {
    let Some(phone) = Phone::boot(&Options::default()) else { return };
    installed(&phone, "sim-1.0");
    let repackaged = phone.apk("repackaged/sim-1.0").to_string_lossy().into_owned();
    let refused = phone.adb(&["install", "-r", &repackaged]);
    assert!(refused.code == Some(1) && refused.err.contains("INSTALL_FAILED_UPDATE_INCOMPATIBLE"), "{refused:?}");
    assert!(phone.adb(&["uninstall", APP]).out.contains("Success"));
    installed(&phone, "repackaged/sim-1.0");
    let (unsigned, apk) = (phone.folder().join("unsigned.apk"), std::fs::read(phone.apk("sim-1.0")).expect("built"));
    // The block of signatures, named otherwise: nobody looks into it.
    let at = apk.windows(16).position(|window| window == b"APK Sig Block 42").expect("it is signed");
    std::fs::write(&unsigned, [&apk[..at], b"No Sig Block 42.", &apk[at + 16..]].concat()).expect("ours");
    let refused = phone.adb(&["install", "-r", &unsigned.to_string_lossy()]);
    assert!(refused.err.contains("INSTALL_PARSE_FAILED_NO_CERTIFICATES"), "{refused:?}");
}

#[test]
fn permissions_are_granted_and_told() {
    let Some(phone) = Phone::boot(&Options::default()) else { return };
    installed(&phone, "sim-1.0");
    let told = |granted: bool| phone.says(&format!("dumpsys package {APP}")).contains(&format!("{FINE}: granted={granted}"));
    assert!(told(false) && !phone.is_granted("ACCESS_FINE_LOCATION"));
    phone.says(&format!("pm grant {APP} {FINE}"));
    assert!(told(true) && phone.is_granted("ACCESS_FINE_LOCATION"));
    for (permission, refusal) in
        [("android.permission.CAMERA", "has not requested permission"), ("android.permission.INTERNET", "not a changeable permission type")]
    {
        let refused = phone.shell(&format!("pm grant {APP} {permission}"));
        assert!(
            refused.code == Some(255) && refused.err.contains("java.lang.SecurityException") && refused.err.contains(refusal),
            "{refused:?}"
        );
    }
    phone.says(&format!("pm clear {APP}"));
    assert!(told(false), "cleared, it is as new");
}

#[test]
fn settings_come_back_as_they_were_put() {
    let Some(phone) = Phone::boot(&Options { settings: vec![("global/http_proxy", "10.0.0.1:3128".to_owned())], ..Options::default() })
    else {
        return;
    };
    let get = "settings get global http_proxy";
    assert_eq!(phone.says(get), "10.0.0.1:3128");
    phone.says("settings put global http_proxy :0");
    assert_eq!(phone.says(get), ":0");
    assert_eq!(phone.says("settings delete global http_proxy"), "Deleted 1 rows");
    assert_eq!(phone.says(get), "null");
    assert_eq!(phone.setting("global", "http_proxy"), None);
    phone.says("cmd connectivity airplane-mode enable");
    assert_eq!(
        (phone.says("cmd connectivity airplane-mode"), phone.says("settings get global airplane_mode_on")),
        ("enabled".into(), "1".into())
    );
}

#[test]
fn phones_refuse_in_their_own_words() {
    let Some(mut phone) = Phone::boot(&Options::default()) else { return };
    installed(&phone, "sim-1.0");
    let apk = phone.apk("sim-1.1").to_string_lossy().into_owned();
    let mut refused = |fault: Fault, arguments: &[&str], words: &str| {
        phone.fault(fault);
        let ended = phone.adb(arguments);
        assert!(format!("{}{}", ended.out, ended.err).contains(words), "{fault:?}: {ended:?}");
        phone.mend(fault);
        let ended = phone.adb(arguments);
        assert!(ended.code == Some(0) && !format!("{}{}", ended.out, ended.err).contains(words), "{fault:?} mended: {ended:?}");
    };
    refused(Fault::InstallRefused, &["install", &apk], "INSTALL_FAILED_USER_RESTRICTED");
    refused(Fault::InputRefused, &["shell", "input", "tap", "10", "10"], "INJECT_EVENTS");
    refused(Fault::InputRefused, &["shell", "pm", "grant", APP, FINE], "GRANT_RUNTIME_PERMISSIONS");
    refused(Fault::NeverIdle, &["shell", "uiautomator", "dump"], "ERROR: could not get idle state.");
    let mock = "appops set com.android.shell android:mock_location allow; cmd location providers add-test-provider gps";
    refused(Fault::MockLocationRefused, &["shell", mock], "not allowed to perform MOCK_LOCATION");
    refused(Fault::NoTestProviders, &["shell", mock], "Unknown command: providers");
    // A screen that only rests without animations.
    phone.fault(Fault::Animated);
    assert!(phone.shell("uiautomator dump").err.contains("could not get idle state"));
    for scale in ["window_animation_scale", "transition_animation_scale", "animator_duration_scale"] {
        phone.says(&format!("settings put global {scale} 0"));
    }
    assert_eq!(phone.says("uiautomator dump"), "UI hierchary dumped to: /sdcard/window_dump.xml");
}

#[test]
fn what_a_doctor_looks_at_is_there() {
    let options =
        Options { locked: true, clock_offset_s: 3600, settings: vec![("global/low_power", "1".to_owned())], ..Options::default() };
    let Some(mut phone) = Phone::boot(&options) else { return };
    let now = jiff::Timestamp::now().as_second();
    let clock: i64 = phone.says("date +%s").parse().expect("seconds");
    assert!((3590..3700).contains(&(clock - now)), "an hour off: {}", clock - now);
    assert!(phone.says("dumpsys window").contains("mDreamingLockscreen=true"));
    assert!(phone.says("dumpsys window").contains("showing=true"));
    assert_eq!(phone.says("settings get global low_power"), "1");
    phone.lock(false);
    assert!(phone.says("dumpsys window").contains("mDreamingLockscreen=false"));
    assert!(phone.says("dumpsys battery").contains("level: 87"));
    let (picture, ended) = (phone.folder().join("screen.png"), phone.adb(&["shell", "screencap", "-p", "/sdcard/screen.png"]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    phone.adb(&["pull", "/sdcard/screen.png", &picture.to_string_lossy()]);
    assert!(std::fs::read(picture).expect("pulled").starts_with(b"\x89PNG\r\n"));
}

#[test]
fn only_root_may_mount_and_each_kind_is_asked_in_its_own_way() {
    let mount = "mount -t tmpfs tmpfs /system/etc/security/cacerts && id -u";
    for (root, asked, well) in [
        ("magisk", format!("su -c '{mount}'"), true),
        ("magisk", "su root id -u".to_owned(), false),
        ("aosp", format!("su root sh -c '{mount}'"), true),
        ("aosp", "su -c 'id -u'".to_owned(), false),
        ("none", format!("su -c '{mount}'"), false),
        ("none", format!("su root sh -c '{mount}'"), false),
    ] {
        let Some(phone) = Phone::boot(&Options { root, ..Options::default() }) else { return };
        let ended = phone.shell(&asked);
        assert_eq!(ended.code == Some(0) && ended.out.trim() == "0", well, "{root}: {asked}: {ended:?}");
        assert_eq!(phone.says("id -u"), "2000", "a shell is nobody special");
        let refused = phone.shell(mount);
        assert!(refused.code != Some(0), "{root}: a shell mounted something: {refused:?}");
        assert_eq!(phone.shell("exit 9").code, Some(9));
        if well {
            assert_eq!(phone.shell(&asked.replace("id -u", "exit 9")).code, Some(9), "{root}: an exit code comes through");
        }
    }
}

#[test]
fn a_position_is_mocked_and_told() {
    let Some(phone) = Phone::boot(&Options::default()) else { return };
    phone.says("appops set com.android.shell android:mock_location allow");
    assert_eq!(phone.says("appops get com.android.shell android:mock_location"), "MOCK_LOCATION: allow");
    phone.says("cmd location providers add-test-provider gps");
    phone.says("cmd location providers set-test-provider-enabled gps true");
    phone.says("cmd location providers set-test-provider-location gps --location 52.37403,4.88969");
    let told = phone.says("dumpsys location");
    assert!(told.contains("gps provider [mock]") && told.contains("Location[gps 52.374030,4.889690"), "{told}");
    phone.says("cmd location providers remove-test-provider gps");
    assert!(!phone.says("dumpsys location").contains("mock"));
    phone.says("appops set com.android.shell android:mock_location default");
    assert_eq!(phone.says("appops get com.android.shell"), "No operations.");
    assert_eq!(phone.state()["app_ops"], serde_json::json!({}), "nothing is left of it");
    let Some(old) = Phone::boot(&Options { sdk: 30, ..Options::default() }) else { return };
    assert!(!old.says("cmd location help").contains("add-test-provider"));
    assert_eq!(old.shell("cmd location providers add-test-provider gps").code, Some(255));
}

#[test]
fn an_app_comes_to_the_front_is_seen_and_ends() {
    let Some(phone) = Phone::boot(&Options::default()) else { return };
    installed(&phone, "sim-1.0");
    let activity = phone.says(&format!("cmd package resolve-activity --brief {APP}"));
    let activity = activity.lines().last().expect("two lines");
    assert_eq!(activity, format!("{APP}/.MainActivity"));
    let started = phone.says(&format!("am start -W -n {activity}"));
    assert!(started.contains("Status: ok") && started.contains("LaunchState: COLD"), "{started}");
    let process = phone.says(&format!("pidof {APP}"));
    assert_eq!(phone.says(&format!("ps -o PPID= -p {process}")).trim(), phone.says("pidof zygote64"), "a child of the zygote");
    assert!(phone.says("dumpsys activity activities").contains(&format!("topResumedActivity=ActivityRecord{{8a1c3e5 u0 {activity}")));
    phone.says("uiautomator dump /sdcard/screen.xml");
    let screen = phone.says("cat /sdcard/screen.xml");
    assert!(screen.contains("text=\"Workout\"") && screen.contains("bounds=\"[340,1960][740,2100]\""), "{screen}");
    phone.says("input tap 500 2000");
    phone.says("uiautomator dump /sdcard/screen.xml");
    assert!(phone.says("cat /sdcard/screen.xml").contains("text=\"Stop\""));
    phone.says("input keyevent KEYCODE_HOME");
    assert!(phone.says("dumpsys activity activities").contains("com.android.launcher3"));
    phone.says(&format!("am force-stop {APP}"));
    eventually("it has ended", || phone.shell(&format!("pidof {APP}")).code == Some(1));
    let missing = phone.shell("am start -n no.such.app/.Main");
    assert!(missing.code == Some(1) && missing.out.contains("does not exist"), "{missing:?}");
}

#[test]
fn what_is_run_is_noted_and_can_be_slow() {
    let Some(mut phone) = Phone::boot(&Options::default()) else { return };
    phone.says("settings put global http_proxy 'a b'");
    let noted = phone.commands();
    assert_eq!(noted.last().map(|words| words.join("|")), Some("settings|put|global|http_proxy|a b".to_owned()), "{noted:?}");
    phone.property("debug.standin.slow.getprop", "1500");
    let began = std::time::Instant::now();
    phone.says("getprop ro.product.model");
    assert!(began.elapsed().as_millis() >= 1500);
}

/// Installs a version of the app.
#[track_caller]
fn installed(phone: &Phone, version: &str) {
    let ended = phone.adb(&["install", &phone.apk(version).to_string_lossy()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
