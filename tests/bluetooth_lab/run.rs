//! A scenario from end to end with the lab's band: read by radio, synced by the stand-in app over the same radio, its uploads recorded,
//! and what became of its minutes told from the capture.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tattletale::{
    band::huami::BandContents,
    model::{Held, Planted, PlantedSource, Platform, Quantity, Recording as _, RunEnding, RunEvent, text::hex},
    store::CaptureReader,
};

use crate::{
    lab::Lab,
    support::{
        Place,
        held::{Recorded, report, row},
        shipped_app,
    },
};

/// The passive sync, without its wait for whatever the app does in the background: this rig lives on real time.
const SYNC: &str = "\
name: sync
app: mifit
about: Read the band, then let the app read it.
runs: 1
steps:
  - readBand: { since: 30h }
  - waitForBand: { is: advertising, within: 60s }
  - launchApp: { clearState: true }
  - phase: { name: sync }
  - pullToRefresh
  - waitForUpload: { host: \"api-mifit*.huami.com\", path: /v1/data/band_data.json, within: 120s }
  - waitForQuiet: { idle: 3s, max: 60s }
";

/// Runs the scenario with this version of the stand-in app, and opens its capture.
fn run(place: &Place, contents: &BandContents, version: &str) -> CaptureReader {
    let address: Vec<String> = contents.address.iter().map(|byte| format!("{byte:02X}")).collect();
    let rig = place.write(
        "rig.yaml",
        format!(
            "consent: {{ owner: Nobody, date: 2026-03-14 }}\nphone: {{ kind: simulated }}\n\
             band: {{ model: mi-band-3, address: \"{}\", key: \"{}\", adapter: hci0 }}\n",
            address.join(":"),
            hex(&contents.key.bytes())
        ),
    );
    fs::set_permissions(&rig, PermissionsExt::from_mode(0o600)).expect("ours");
    let app = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/mifit/app.yaml")).expect("it is shipped");
    place.write("scenarios/mifit/app.yaml", app);
    place.write("scenarios/mifit/sync.yaml", SYNC);
    let ended = place.run(&["run", "--rig", "rig.yaml", "--app-version", version, "sync"]);
    assert_eq!(ended.code, Some(4), "one run without a baseline: {ended:?}");
    assert!(ended.out.contains("Xiaomi Mi Band 3 by radio, its key is given") && ended.out.contains("lab"), "{ended:?}");
    let of_the_run = format!("mifit-{version}-sync-1");
    let mut captures = fs::read_dir(place.path().join("runs")).expect("captures").flatten().map(|folder| folder.path());
    let capture = captures.find(|folder| folder.to_string_lossy().ends_with(&of_the_run)).expect("the run's own");
    CaptureReader::open(&capture).expect("readable")
}

#[test]
fn a_run_tells_what_became_of_what_the_labs_band_held() {
    let Some(lab) = Lab::with("mi-band-3") else { return };
    let (place, app) = (Place::empty(), shipped_app());
    let held = Held::Minutes { values: 1200, zeros: 0, gaps: 240 };
    let mut all = None;
    for (version, seed, want) in [("sim-1.0", 1, 1200), ("sim-1.3", 9, 600)] {
        let contents = lab.hold(seed);
        let capture = run(&place, &contents, version);
        assert_eq!(capture.provenance().target.platform, Platform::Lab);
        let tables = report(&[&capture], &app).conservation;
        let readings = row(&tables, Quantity::HeartRate);
        assert_eq!((&readings.held, readings.found, readings.not_seen), (&held, want, 1200 - want), "{version}: {readings:?}");
        for known in [Quantity::Serial, Quantity::Address] {
            assert_eq!(row(&tables, known).found, 1, "{version}");
        }
        assert_eq!(lab.freed()["central"], serde_json::Value::Null, "the band is let go");
        let Some(first) = all.replace(capture) else { continue };
        // What the first run uploaded, searched for what the band held in the second.
        let mut other = Vec::new();
        let second = all.as_ref().expect("just put there");
        second.replay(&mut |event, _| other.push(event.event.clone())).expect("readable");
        other.retain(|event| matches!(event, RunEvent::Planted(value) if matches!(value.value, Planted::Minutes(_))));
        first
            .replay(&mut |event, _| {
                if !matches!(&event.event, RunEvent::Planted(value) if value.source == PlantedSource::Band) {
                    other.push(event.event.clone());
                }
            })
            .expect("readable");
        assert!(other.iter().any(|event| matches!(event, RunEvent::RunEnded { ending: RunEnding::Complete })));
        let other = Recorded { provenance: first.provenance().clone(), events: other };
        let readings = row(&report(&[&other], &app).conservation, Quantity::HeartRate);
        assert_eq!((&readings.held, readings.found), (&held, 0), "another day's");
    }
}
