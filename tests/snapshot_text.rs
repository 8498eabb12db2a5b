//! insta is the referee of the snapshot format: its reader gives back what we print, and its own macro writes the same bytes.

use std::{collections::BTreeMap, env, fs, path::Path, process::Command};

use tattletale::{
    model::{
        AppVersion, Category, EndpointKey, FieldName, FieldShape, FieldType, Origin, Part, Party, Platform, Snapshot, SnapshotEndpoint,
        SnapshotField, SnapshotHeader, Target,
    },
    snapshot::{body, description, parse, print},
};

/// Set for the child process in which insta's macro runs: its folder. A process of its own, because insta takes its orders
/// from the environment.
const CHILD: &str = "TATTLETALE_TEST_INSTA_FOLDER";

#[test]
fn insta_reads_what_we_print() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for snapshot in [sample("\u{2028}odd \"name\"\u{7f}"), Snapshot { endpoints: BTreeMap::new(), ..sample("sim-1.0") }] {
        let file = folder.path().join("passive-sync@sim-1.0.snap");
        fs::write(&file, print(&snapshot, "scenarios/mifit/passive-sync.yaml")).expect("a file is written");
        let read = insta::Snapshot::from_file(&file).expect("insta reads it");
        assert_eq!(read.metadata().source(), Some("scenarios/mifit/passive-sync.yaml"));
        assert_eq!(read.metadata().description(), Some(description(&snapshot).as_str()));
        let contents = read.as_text().expect("a text snapshot").to_string();
        assert_eq!(contents, body(&snapshot));
        assert_eq!(parse(&description(&snapshot), &contents), Ok(snapshot));
    }
}

#[test]
fn insta_writes_the_same_bytes() {
    if let Some(folder) = env::var_os(CHILD) {
        return write_with_insta(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let child = Command::new(env::current_exe().expect("the path of this test"))
        .args(["--exact", "insta_writes_the_same_bytes"])
        .env(CHILD, folder.path())
        .env("INSTA_WORKSPACE_ROOT", env!("CARGO_MANIFEST_DIR"))
        .env("INSTA_UPDATE", "always")
        .env("INSTA_FORCE_PASS", "1")
        .output()
        .expect("the child runs");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let file = folder.path().join("sample.snap");
    let written = fs::read_to_string(&file).expect("insta wrote a file");
    // insta names the source file of its macro; there is no choosing it.
    let source = insta::Snapshot::from_file(&file).expect("insta reads its own").metadata().source().expect("a source").to_owned();
    assert_eq!(print(&sample("sim-1.0"), &source), written);
}

fn write_with_insta(folder: &Path) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(description(&sample("sim-1.0")));
    settings.bind(|| insta::assert_snapshot!("sample", body(&sample("sim-1.0"))));
}

fn sample(version: &str) -> Snapshot {
    let field = |kind, categories: &[Category]| SnapshotField {
        shape: FieldShape { kind, categories: categories.iter().copied().collect(), chain: Vec::new() },
        runs: 3,
    };
    let fields = [
        (FieldName { part: Part::Query, path: "t".into() }, field(FieldType::TimestampMs, &[])),
        (FieldName { part: Part::Form, path: "data_json[].\"odd \\u0007 key\"".into() }, field(FieldType::Text, &[Category::Location])),
    ];
    let endpoint = SnapshotEndpoint { party: Party::FirstParty, origin: Origin::App, runs: 3, fields: BTreeMap::from(fields) };
    let key = EndpointKey {
        host: "api-mifit*.huami.test".into(),
        path: "/v1/data/band_data.json".into(),
        method: "POST".into(),
        phase: "sync".into(),
    };
    let target = Target {
        app: "mifit".into(),
        platform: Platform::Simulated,
        version: AppVersion::named(version),
        scenario: "passive-sync".into(),
        claimed: false,
    };
    Snapshot {
        header: SnapshotHeader {
            format: tattletale::model::snapshot::SNAPSHOT_FORMAT,
            decoder: tattletale::model::snapshot::DECODER_VERSION,
            target,
            scenario_hash: Some("0".repeat(64)),
            runs: 3,
            hosts_read: 1,
            hosts: 1,
            coverage_known: true,
            unread: [].into(),
            note: Platform::Simulated.disclaimer().map(str::to_owned),
        },
        endpoints: BTreeMap::from([(key, endpoint)]),
    }
}
