//! Snapshots for commands: read from a file, or chosen as the baseline from the accepted ones, else from those that come with
//! the program.

use std::path::Path;

use super::Failure;
use crate::{
    model::{Snapshot, Target},
    snapshot,
    store::{self, EMBEDDED, SnapshotFolder, Standing, StoreError},
};

/// A snapshot and where it is from.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// The snapshot.
    pub(super) snapshot: Snapshot,
    /// A file name, or `embedded`.
    pub(super) place: String,
}

/// Reads a snapshot file.
pub(super) fn read(path: &Path) -> Result<Snapshot, Failure> {
    let text = store::snapshots::read(path)?;
    snapshot::parse(&text.description, &text.body).map_err(|problem| {
        let line = if problem.line == 0 { 1 } else { text.body_line + problem.line - 1 };
        let problem = format!("column {}: {}", problem.column, problem.problem);
        StoreError::Snapshot { path: path.to_owned(), line, problem }.into()
    })
}

/// Every accepted snapshot with this app, platform and scenario: the folder's first, then the embedded ones of versions that
/// the folder does not have.
pub(super) fn accepted(folder: &SnapshotFolder, wanted: impl Fn(&Target) -> bool) -> Result<Vec<Placed>, Failure> {
    let mut found: Vec<Placed> = Vec::new();
    for file in folder.list()?.into_iter().filter(|file| file.standing == Standing::Accepted) {
        let named = Target {
            app: file.app.clone(),
            platform: file.platform,
            version: crate::model::AppVersion::named(&file.version),
            scenario: file.scenario.clone(),
            claimed: false,
        };
        if wanted(&named) {
            let snapshot = read(&file.path)?;
            let is = &snapshot.header.target;
            if (&is.app, is.platform, &is.scenario, &is.version.name) != (&named.app, named.platform, &named.scenario, &named.version.name)
            {
                let problem = "its header names another app, platform, scenario or version than its path".to_owned();
                return Err(StoreError::Snapshot { path: file.path, line: 1, problem }.into());
            }
            found.push(Placed { snapshot, place: format!("{}.snap", file.name()) });
        }
    }
    for embedded in EMBEDDED {
        let snapshot = snapshot::parse_file(embedded.text)
            .map_err(|problem| Failure::instrument(format!("read the embedded snapshot of {}: {problem}", embedded.scenario), ""))?;
        let target = &snapshot.header.target;
        let known = found.iter().any(|one| same_coordinates(&one.snapshot.header.target, target));
        if wanted(target) && !known {
            found.push(Placed { snapshot, place: "embedded".into() });
        }
    }
    Ok(found)
}

/// The baseline for a target (R8): this very version, else the highest lower one.
pub(super) fn baseline(folder: &SnapshotFolder, target: &Target) -> Result<Option<Placed>, Failure> {
    let mut all = accepted(folder, |other| same_place(other, target))?;
    let targets: Vec<_> = all.iter().map(|placed| placed.snapshot.header.target.clone()).collect();
    Ok(snapshot::choose_baseline(&targets, target).map(|at| all.swap_remove(at)))
}

/// Whether two targets are the same app, platform and scenario.
pub(super) fn same_place(a: &Target, b: &Target) -> bool {
    (&a.app, a.platform, &a.scenario) == (&b.app, b.platform, &b.scenario)
}

fn same_coordinates(a: &Target, b: &Target) -> bool {
    same_place(a, b) && a.version.name == b.version.name
}

/// Snapshots for tests of commands.
#[cfg(test)]
pub(super) mod testing {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{
        AppVersion, EndpointKey, FieldName, FieldShape, FieldType, Origin, Part, Party, Platform, SnapshotEndpoint, SnapshotField,
        SnapshotHeader,
    };

    /// A snapshot of one endpoint with these query fields, of three runs.
    pub(in crate::cli) fn snapshot_of(version: &str, fields: &[&str]) -> Snapshot {
        let target = Target {
            app: "mifit".into(),
            platform: Platform::Android,
            version: AppVersion::named(version),
            scenario: "passive-sync".into(),
            claimed: false,
        };
        let field = |name: &&str| {
            let shape = FieldShape { kind: FieldType::Integer, ..FieldShape::default() };
            (FieldName { part: Part::Query, path: (*name).to_owned() }, SnapshotField { shape, runs: 3 })
        };
        let key = EndpointKey { host: "api.huami.test".into(), path: "/v1/data".into(), method: "GET".into(), phase: "sync".into() };
        let endpoint =
            SnapshotEndpoint { party: Party::FirstParty, origin: Origin::App, runs: 3, fields: fields.iter().map(field).collect() };
        let header = SnapshotHeader {
            format: crate::model::snapshot::SNAPSHOT_FORMAT,
            decoder: crate::model::snapshot::DECODER_VERSION,
            target,
            scenario_hash: None,
            runs: 3,
            hosts_read: 1,
            hosts: 1,
            coverage_known: true,
            unread: std::collections::BTreeSet::new(),
            note: None,
        };
        Snapshot { header, endpoints: BTreeMap::from([(key, endpoint)]) }
    }

    /// Writes it where a pending one goes, and accepts it if so told.
    pub(in crate::cli) fn write(root: &Path, snapshot: &Snapshot, standing: Standing) {
        let folder = SnapshotFolder { path: root.join("snapshots"), ci: false };
        let text = snapshot::print(snapshot, "scenarios/mifit/passive-sync.yaml");
        let path = folder.write_pending(&snapshot.header.target, &text).expect("written");
        if standing == Standing::Accepted {
            let file = folder.list().expect("readable").into_iter().find(|file| file.path == path).expect("it is listed");
            folder.accept(&file).expect("accepted");
        }
    }
}
