//! Both labs at once, and with them every part of the program: a band over a real Bluetooth stack, a phone over a real adb and adbd whose
//! app reads that band by radio and uploads through OkHttp, the proxy in between, one scenario, one report. `ci/labs` runs this.
#![cfg(target_os = "linux")]

mod bench;
#[path = "bluetooth_lab/lab.rs"]
mod lab;
#[path = "phone_lab/rig.rs"]
mod rig;
mod support;

use std::{path::Path, sync::Arc};

use tattletale::{
    link::radio::Radio,
    model::{Held, Platform, Quantity, Recording as _, text::hex},
    store::CaptureReader,
};

use crate::support::{
    held::{report, row},
    phone_lab::{APP, Options, over_link},
    shipped_app,
};

/// The band is read before the phone's app gets it.
const SYNC: &str = "\
name: sync
app: mifit
about: Read the band, then let the app read it.
runs: 1
steps:
  - readBand: { since: 30h }
  - waitForBand: { is: advertising, within: 60s }
  - launchApp: { clearState: false }
  - waitForQuiet: { idle: 3s, max: 120s }
  - phase: { name: sync }
  - pullToRefresh
  - waitForUpload: { host: \"api-mifit*.huami.com\", path: /v1/data/band_data.json, within: 120s }
  - waitForQuiet: { idle: 3s, max: 120s }
";

#[test]
fn a_scenario_reads_the_band_by_radio_and_finds_it_in_what_the_phones_app_uploads() {
    let (Some(band), Some(phone)) = (lab::Lab::with("mi-band-3"), rig::Lab::boot(&Options::default(), "system")) else { return };
    let contents = band.hold(1);
    // The phone's own Bluetooth is played by a further controller, which hears the same band.
    phone.phone.serve_band(over_link(Arc::new(Radio::new(Some("hci2".to_owned()))), contents.clone()));
    phone.install("sim-1.0");
    let address = contents.address.map(|byte| format!("{byte:02X}")).join(":");
    let words =
        format!("band: {{ model: mi-band-3, address: \"{address}\", key: \"{}\", adapter: hci0 }}\nlab:", hex(&contents.key.bytes()));
    phone.rewrite_rig("lab:", &words);
    phone.place.write("scenarios/mifit/sync.yaml", SYNC);
    let before = phone.changeable();

    let looked = phone.tattletale(&["doctor"]);
    assert_eq!(looked.code, Some(0), "{looked:?}");
    let ended = phone.tattletale(&["run", "sync", "--rig", "rig.yaml"]);
    assert_eq!(ended.code, Some(4), "one run without a baseline: {ended:?}");
    assert!(ended.out.to_lowercase().contains("what became of what the band held"), "{}", ended.out);
    assert_eq!(phone.changeable(), before);
    assert_eq!(band.freed()["central"], serde_json::Value::Null, "the band is let go");

    let capture = CaptureReader::open(&the_run(phone.place.path())).expect("readable");
    assert_eq!(capture.provenance().target.platform, Platform::Lab);
    let tables = report(&[&capture], &shipped_app()).conservation;
    let readings = row(&tables, Quantity::HeartRate);
    assert_eq!(
        (&readings.held, readings.found, readings.not_seen),
        (&Held::Minutes { values: 1200, zeros: 0, gaps: 240 }, 1200, 0),
        "{readings:?}"
    );
    for known in [Quantity::Serial, Quantity::Address] {
        assert_eq!(row(&tables, known).found, 1, "{APP}");
    }
}

/// The capture of the scenario's run; the control run has its own.
fn the_run(place: &Path) -> std::path::PathBuf {
    let mut captures = std::fs::read_dir(place.join("runs")).expect("captures").flatten().map(|folder| folder.path());
    captures.find(|folder| folder.to_string_lossy().ends_with("-sync-1")).expect("the run's own")
}
