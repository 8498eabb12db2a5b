//! The stand-in app, its network stack the real OkHttp 3.13, through a real tunnel and our proxy: what it uploads, what a permission
//! changes, and whom it trusts in which mount namespace.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tattletale::{
    band::huami::{BandContents, SimulatedBand},
    clock::Clock,
    link::simulated::SimulatedCentral,
    model::TunnelOutcome,
};

use crate::{
    bench::{Bench, Outcome, pem},
    support::phone_lab::{APP, Fault, OTHER_APP, Options, Phone, WITHIN, eventually, over_link},
};

const DATA: &str = "api-mifit-de.huami.test";

#[test]
fn a_version_tells_where_the_phone_is_and_only_with_the_permission() {
    let Some(phone) = Phone::boot(&Options::default()) else { return };
    let bench = Bench::start();
    route(&phone, &bench);
    trust(&phone, &bench, Way::Everywhere);
    locate(&phone, "52.37403,4.88969");
    for (version, granted) in [("sim-1.0", true), ("sim-1.1", true), ("sim-1.1", false)] {
        install(&phone, version);
        let word = if granted { "grant" } else { "revoke" };
        phone.says(&format!("pm {word} {APP} android.permission.ACCESS_FINE_LOCATION"));
        phone.says(&format!("pm {word} {APP} android.permission.ACCESS_COARSE_LOCATION"));
        launch(&phone);
        refresh(&phone);
        phone.says(&format!("am force-stop {APP}"));
    }
    let outcome = finished(bench);
    let told: Vec<bool> = uploads(&outcome).iter().map(|body| body.contains("latitude") && body.contains("52.37403")).collect();
    assert_eq!(told, [false, true, false], "sim-1.0, sim-1.1, and without the permission");
    assert!(outcome.assert_equal() > 10, "everything that was recorded was received, and the other way round");
    assert_eq!(outcome.with("tracker.test").len(), 2, "sim-1.1 tells a third party, at each start");
    assert_eq!(phone.says("dumpsys netstats detail").matches(" rb=").count(), 0, "what goes through the tunnel never leaves the phone");
}

#[test]
fn whom_the_app_trusts_is_what_its_own_namespace_shows_it() {
    for (sdk, way, trusted) in [
        (34, Way::None, false),
        (34, Way::ShellOnly, false),
        (34, Way::Everywhere, true),
        (33, Way::None, false),
        (33, Way::ShellOnly, true),
    ] {
        let Some(phone) = Phone::boot(&Options { sdk, ..Options::default() }) else { return };
        let bench = Bench::start();
        route(&phone, &bench);
        install(&phone, "sim-1.0");
        trust(&phone, &bench, way);
        launch(&phone);
        let outcome = finished(bench);
        let refused =
            outcome.log.tunnels.iter().filter(|tunnel| matches!(tunnel.outcome, TunnelOutcome::CertificateRefused { .. })).count();
        assert_eq!((outcome.receipts.is_empty(), refused > 0), (!trusted, !trusted), "API {sdk}, {way:?}: {}", phone.app_log());
        if !trusted {
            let alert = TunnelOutcome::CertificateRefused { alert: "CertificateUnknown".to_owned() };
            assert!(outcome.outcomes("account.huami.test").contains(&alert), "{:?}", outcome.outcomes("account.huami.test"));
            assert!(phone.app_log().contains("PKIX path building failed"), "{}", phone.app_log());
        }
    }
}

#[test]
fn the_users_certificates_are_trusted_by_an_old_app_and_by_one_that_says_so() {
    for (version, trusted) in [("sim-0.9", true), ("sim-1.0", false), ("repackaged/sim-1.0", true)] {
        let Some(phone) = Phone::boot(&Options::default()) else { return };
        let bench = Bench::start();
        route(&phone, &bench);
        install(&phone, version);
        let name = push(&phone, &bench);
        phone.says(&format!("su -c 'cp /data/local/tmp/{name} /data/misc/user/0/cacerts-added/'"));
        launch(&phone);
        assert_eq!(finished(bench).receipts.is_empty(), !trusted, "{version}: {}", phone.app_log());
    }
}

#[test]
fn a_version_pins_a_host_and_encrypts_by_itself() {
    let Some(phone) = Phone::boot(&Options::default()) else { return };
    let bench = Bench::start();
    route(&phone, &bench);
    install(&phone, "sim-1.2");
    trust(&phone, &bench, Way::Everywhere);
    launch(&phone);
    refresh(&phone);
    let outcome = finished(bench);
    assert!(phone.app_log().contains("Certificate pinning failure!"), "{}", phone.app_log());
    let pinned = outcome.outcomes("api-analytics.huami.test");
    assert!(!pinned.is_empty() && pinned.iter().all(|outcome| matches!(outcome, TunnelOutcome::ClosedWithoutRequest)), "{pinned:?}");
    let upload = outcome.with(DATA).into_iter().find(|exchange| is_upload(exchange)).expect("it syncs");
    assert!(upload.request.headers.iter().any(|header| header.name == "x-hm-ekv"), "{:?}", upload.request.headers);
}

#[test]
fn without_its_tunnel_nothing_gets_out() {
    let Some(phone) = Phone::boot(&Options::default()) else { return };
    let bench = Bench::start();
    route(&phone, &bench);
    install(&phone, "sim-1.0");
    trust(&phone, &bench, Way::Everywhere);
    assert_eq!(phone.adb(&["reverse", "--remove-all"]).code, Some(0));
    launch(&phone);
    assert!(phone.app_log().contains("Failed to connect to /127.0.0.1:"), "{}", phone.app_log());
    phone.says("settings put global http_proxy :0");
    phone.says(&format!("am force-stop {APP}"));
    launch(&phone);
    assert!(phone.app_log().contains("Unable to resolve host"), "{}", phone.app_log());
    assert!(finished(bench).log.tunnels.is_empty());
}

#[test]
fn a_workout_has_a_track_and_the_background_calls_home() {
    let Some(mut phone) = Phone::boot(&Options::default()) else { return };
    let bench = Bench::start();
    route(&phone, &bench);
    install(&phone, "sim-1.0");
    trust(&phone, &bench, Way::Everywhere);
    phone.property("debug.standin.sync_every_s", "2");
    for permission in ["ACCESS_FINE_LOCATION", "ACCESS_BACKGROUND_LOCATION"] {
        phone.says(&format!("pm grant {APP} android.permission.{permission}"));
    }
    locate(&phone, "52.09073,5.12142");
    launch(&phone);
    phone.says("input tap 500 2000");
    logged(&phone, "/api/v5/app/collect", 2);
    for place in ["52.09091,5.12163", "52.09108,5.12187"] {
        phone.says(&format!("cmd location providers set-test-provider-location gps --location {place}"));
    }
    phone.says("input tap 500 2000");
    logged(&phone, "/v1/sport/run/track.json", 1);
    phone.says("input keyevent 3");
    logged(&phone, "/v1/user/heartbeat.json", 1);
    logged(&phone, "/v1/data/band_data.json", 1);
    let outcome = finished(bench);
    let track = outcome
        .with(DATA)
        .into_iter()
        .find(|exchange| exchange.request.url.path().contains("track.json"))
        .map(|exchange| outcome.said_in(exchange));
    let points = "longitude_latitude=5209073000%2C512142000%3B18000%2C21000%3B17000%2C24000%3B";
    assert!(track.as_ref().is_some_and(|track| track.contains(points)), "{track:?}");
}

#[test]
fn another_app_has_hosts_of_its_own_and_a_bypass_is_counted() {
    let Some(mut phone) = Phone::boot(&Options::default()) else { return };
    let bench = Bench::start();
    route(&phone, &bench);
    for version in ["sim-1.0", "weather-3.0"] {
        install(&phone, version);
    }
    trust(&phone, &bench, Way::Everywhere);
    phone.says(&format!("am start -n {OTHER_APP}/.MainActivity"));
    logged(&phone, "news.test/feed", 1);
    phone.fault(Fault::Bypass);
    launch(&phone);
    refresh(&phone);
    logged(&phone, " udp 1200", 1);
    let uid = phone.state()["packages"][APP]["uid"].as_u64().expect("a number");
    let told = phone.says("dumpsys netstats detail");
    assert!(told.contains(&format!("uid={uid} set=DEFAULT")) && told.contains(" rb=0 rp=0 tb=1200 tp=1 "), "{told}");
    phone.says("am start -a android.intent.action.VIEW -d https://probe.test/page");
    logged(&phone, "GET probe.test/page", 1);
    let outcome = finished(bench);
    assert_eq!((outcome.with("news.test").len(), outcome.with("probe.test").len()), (1, 1));
}

#[test]
fn the_app_reads_the_band_anew_each_time() {
    let Some(phone) = Phone::boot(&Options::default()) else { return };
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::offset(1).to_time_zone()).date();
    let serial = |number: usize| format!("5b0c44d1{number:04}");
    let asked = AtomicUsize::new(0);
    phone.serve_band(move || {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        // The third time it is out of reach.
        (number != 2).then(|| BandContents { serial: serial(number), ..BandContents::invented(today) })
    });
    let bench = Bench::start();
    route(&phone, &bench);
    install(&phone, "sim-1.0");
    trust(&phone, &bench, Way::Everywhere);
    launch(&phone);
    refresh(&phone);
    let reports = phone.app_log().matches("/api/v5/app/collect").count();
    phone.says("input swipe 540 600 540 1400 400");
    logged(&phone, "/api/v5/app/collect", reports + 1);
    refresh(&phone);
    let told = uploads(&finished(bench));
    let seen: Vec<bool> = (0..4).map(|number| told.iter().any(|body| body.contains(&serial(number)))).collect();
    assert_eq!(seen, [false, true, false, true], "it is bound with the first reading, and synced with the others: {}", phone.app_log());
}

#[test]
fn what_the_app_uploads_is_what_a_band_said_over_its_link() {
    let Some(phone) = Phone::boot(&Options::default()) else { return };
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::offset(1).to_time_zone()).date();
    let mut contents = BandContents::invented(today);
    contents.serial = "5b0c44d1beef".to_owned();
    let central = SimulatedCentral::new(SimulatedBand::new(contents.clone()), Clock::real());
    // What is paired knows nothing of what is in the band.
    phone.serve_band(over_link(Arc::new(central), BandContents { serial: String::new(), samples: Vec::new(), ..contents.clone() }));
    let bench = Bench::start();
    route(&phone, &bench);
    install(&phone, "sim-1.0");
    trust(&phone, &bench, Way::Everywhere);
    launch(&phone);
    refresh(&phone);
    let outcome = finished(bench);
    let told = uploads(&outcome);
    let form = form_urlencoded::parse(told.first().expect("it syncs").as_bytes()).find(|(key, _)| key == "data_json").expect("its days").1;
    let days: serde_json::Value = serde_json::from_str(&form).expect("JSON");
    let yesterday = STANDARD.decode(days[0]["data_hr"].as_str().expect("text")).expect("base64");
    let date: jiff::civil::Date = days[0]["date"].as_str().and_then(|date| date.parse().ok()).expect("a date");
    let midnight = jiff::tz::offset(1).to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).expect("in range");
    let skipped = usize::try_from((midnight.as_second() - contents.start.as_second()) / 60).unwrap_or_default();
    let held: Vec<u8> = contents.samples[skipped..].iter().take(1440).map(|sample| sample.heart_rate).collect();
    // The first minutes of that day are more than two days old, or it is whole.
    let old = yesterday.iter().zip(&held).take_while(|(told, _)| **told == 0xff).count();
    assert_eq!(yesterday[old..], held[old..], "{date}: every minute as the band held it");
    assert!(yesterday.iter().filter(|beats| **beats < 0xfe).count() > 100, "a day has readings");
    assert!(told.first().is_some_and(|body| body.contains("5b0c44d1beef")));
}

/// How a certificate gets into a phone's store.
#[derive(Clone, Copy, Debug)]
enum Way {
    None,
    /// As before Android 14: into the system's store, in the shell's namespace.
    ShellOnly,
    /// And over the module's store, in the namespace of the zygote and of each of its children.
    Everywhere,
}

/// Makes a tunnel to the proxy, and the phone use it.
fn route(phone: &Phone, bench: &Bench) {
    let port = phone.adb(&["reverse", "tcp:0", &format!("tcp:{}", bench.address().port())]).out.trim().to_owned();
    phone.says(&format!("settings put global http_proxy 127.0.0.1:{port}"));
    // What an app now and then repeats or leaves out would be counted as something else.
    phone.says("setprop debug.standin.noise 0");
}

/// Puts the proxy's certificate on the phone, and tells its name there.
fn push(phone: &Phone, bench: &Bench) -> String {
    let name = bench.authority().android_name();
    let file = phone.folder().join(&name);
    std::fs::write(&file, pem(bench.authority())).expect("ours");
    let pushed = phone.adb(&["push", &file.to_string_lossy(), &format!("/data/local/tmp/{name}")]);
    assert_eq!(pushed.code, Some(0), "{pushed:?}");
    name
}

/// Makes the phone trust the proxy.
fn trust(phone: &Phone, bench: &Bench, way: Way) {
    if matches!(way, Way::None) {
        return;
    }
    let name = push(phone, bench);
    let mut script = format!(
        "set -e\nS=/system/etc/security/cacerts\nT=/data/local/tmp/store\nmkdir -p $T\ncp $S/* $T/\ncp /data/local/tmp/{name} $T/\n\
         mount -t tmpfs tmpfs $S\ncp $T/* $S/\nchmod 644 $S/*\nchcon u:object_r:system_file:s0 $S/*\n"
    );
    if matches!(way, Way::Everywhere) {
        script.push_str(
            "A=/apex/com.android.conscrypt/cacerts\nmount --bind $S $A\nfor z in $(pidof zygote64); do\n\
             for p in $z $(ps -o PID= -P $z); do nsenter --mount=/proc/$p/ns/mnt -- /system/bin/mount --bind $S $A; done\ndone\n",
        );
    }
    let file = phone.folder().join("trust.sh");
    std::fs::write(&file, script).expect("ours");
    phone.adb(&["push", &file.to_string_lossy(), "/data/local/tmp/trust.sh"]);
    phone.says("su -c 'sh /data/local/tmp/trust.sh'");
}

fn install(phone: &Phone, version: &str) {
    let ended = phone.adb(&["install", "-r", &phone.apk(version).to_string_lossy()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

fn locate(phone: &Phone, place: &str) {
    phone.says(&format!(
        "appops set com.android.shell android:mock_location allow && cmd location providers add-test-provider gps && \
         cmd location providers set-test-provider-enabled gps true && \
         cmd location providers set-test-provider-location gps --location {place}"
    ));
}

/// Starts the app, and waits for the last call of its start.
fn launch(phone: &Phone) {
    let before = phone.app_log().matches("/api/v5/app/collect").count();
    phone.says(&format!("am start -W -n {APP}/.MainActivity"));
    logged(phone, "/api/v5/app/collect", before + 1);
}

/// Pulls the list down, and waits for the upload and what comes after it.
fn refresh(phone: &Phone) {
    let count = |what: &str| phone.app_log().matches(what).count();
    let (uploads, reports) = (count("/v1/data/band_data.json"), count("/api/v5/app/collect"));
    phone.says("input swipe 540 600 540 1400 400");
    logged(phone, "/v1/data/band_data.json", uploads + 1);
    logged(phone, "/api/v5/app/collect", reports + 1);
}

/// Waits until the apps have tried something so many times.
#[track_caller]
fn logged(phone: &Phone, what: &str, times: usize) {
    eventually(&format!("{times} × {what} in: {}", phone.app_log()), || phone.app_log().matches(what).count() >= times);
}

/// Stops the proxy once nothing is in flight.
fn finished(bench: Bench) -> Outcome {
    crate::bench::wait_until("nothing is in flight", WITHIN.max(Duration::from_secs(1)), || bench.in_flight() == 0);
    bench.finish()
}

/// The bodies of the days' uploads, in their order.
fn uploads(outcome: &Outcome) -> Vec<String> {
    outcome.with(DATA).into_iter().filter(|exchange| is_upload(exchange)).map(|exchange| outcome.said_in(exchange)).collect()
}

fn is_upload(exchange: &tattletale::model::Exchange) -> bool {
    exchange.request.method == "POST" && exchange.request.url.path() == "/v1/data/band_data.json"
}
