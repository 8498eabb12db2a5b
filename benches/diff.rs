//! How fast two snapshots of 10,000 fields and ten runs each are compared. `docs/measured/analysis.md` keeps the numbers.
//!
//! `cargo bench --bench diff`

#![allow(clippy::print_stdout, reason = "a benchmark's output is its result")]

use std::time::Instant;

use tattletale::{
    diff::{self, Options},
    model::{
        AppVersion, Category, EndpointKey, FieldName, FieldShape, FieldType, Part, Platform, Snapshot, SnapshotEndpoint, SnapshotField,
        SnapshotHeader, Target,
        snapshot::{DECODER_VERSION, SNAPSHOT_FORMAT},
    },
};

const ENDPOINTS: usize = 100;
const FIELDS_OF_EACH: usize = 100;
const ROUNDS: usize = 21;

fn main() {
    // A new version: a field in twenty is gone, another in twenty is new, another in twenty is of another type, an endpoint in
    // fifty is new.
    let (old, new) = (snapshot("1.0", 0), snapshot("1.1", 1));
    for (title, new) in [("two versions", &new), ("twice the same", &old)] {
        let mut walls: Vec<f64> = Vec::new();
        let mut changes = 0;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            changes = diff::compare(&old, new, Options::default()).expect("one app, one platform").changes.len();
            walls.push(start.elapsed().as_secs_f64() * 1e3);
        }
        walls.sort_by(f64::total_cmp);
        println!("{title:<16} {:7.1} ms  ({changes} changes)", walls[ROUNDS / 2]);
    }
}

fn snapshot(version: &str, age: usize) -> Snapshot {
    let endpoints = (0..ENDPOINTS).map(|number| {
        let moved = if number % 50 == 7 { age } else { 0 };
        let key = EndpointKey {
            host: format!("host{}.test", number % 10),
            path: format!("/v{}/part{number}", 1 + moved),
            method: "POST".to_owned(),
            phase: ["start", "sync", "background"][number % 3].to_owned(),
        };
        let fields = (0..FIELDS_OF_EACH).map(|field| {
            let renamed = if field % 20 == 3 { age } else { 0 };
            let kind = if field % 20 == 5 && age > 0 { FieldType::Text } else { FieldType::Integer };
            let categories = if field % 10 == 3 { [Category::Steps].into() } else { [].into() };
            let name = FieldName { part: Part::Json, path: format!("data.group{}[].field{field}_{renamed}", field / 10) };
            (name, SnapshotField { shape: FieldShape { kind, categories, chain: Vec::new() }, runs: 10 })
        });
        (key, SnapshotEndpoint { runs: 10, fields: fields.collect(), ..SnapshotEndpoint::default() })
    });
    let header = SnapshotHeader {
        format: SNAPSHOT_FORMAT,
        decoder: DECODER_VERSION,
        target: Target {
            app: "example".to_owned(),
            platform: Platform::Lab,
            version: AppVersion::named(version),
            scenario: "generated".to_owned(),
            claimed: false,
        },
        scenario_hash: None,
        runs: 10,
        hosts_read: 10,
        hosts: 10,
        coverage_known: true,
        unread: [].into(),
        note: None,
    };
    Snapshot { header, endpoints: endpoints.collect() }
}
