//! One side of a comparison: a version with a snapshot, a snapshot file, a capture, a folder of captures, or a HAR.

use std::path::Path;

use super::{
    Failure, Surroundings, auditing,
    inputs::{self, Claims, groups},
    plant::Plant,
    snapshots::{self, Placed},
};
use crate::{model::text::printable, snapshot, store::Standing};

/// The snapshots that one side names. Of a version there may be several, one a scenario.
pub(super) fn side(typed: &str, claims: &Claims, plant: &Plant, surroundings: &mut Surroundings) -> Result<Vec<Placed>, Failure> {
    let path = surroundings.path(Path::new(typed));
    if !path.exists() {
        return version(typed, claims, surroundings);
    }
    if typed.ends_with(".snap") || typed.ends_with(".snap.new") {
        return Ok(vec![Placed { snapshot: snapshots::read(&path)?, place: surroundings.shown(&path) }]);
    }
    let workspace = surroundings.workspace();
    let mut found = Vec::new();
    let recordings = inputs::recordings(std::slice::from_ref(&path), claims, surroundings)?;
    for group in groups(plant.before(recordings, surroundings)?) {
        let first = group.first().expect("a group holds the recording that made it").provenance().clone();
        let (app, _) = auditing::app_of(&first.target, &workspace, surroundings)?;
        let observations = auditing::observed(&group, &app, surroundings)?;
        let snapshot = snapshot::from_observations(&observations, &first.target, first.scenario_hash.as_deref());
        auditing::check_snapshot(&observations.gate, &snapshot)?;
        found.push(Placed { snapshot, place: surroundings.shown(&path) });
    }
    Ok(found)
}

/// The snapshots of a version: accepted ones, else pending ones.
fn version(name: &str, claims: &Claims, surroundings: &Surroundings) -> Result<Vec<Placed>, Failure> {
    let folder = surroundings.workspace().snapshots(surroundings.ci);
    let claims = Claims { app_version: Some(name.to_owned()), ..claims.clone() };
    let mut found = snapshots::accepted(&folder, |target| claims.fit(target))?;
    for file in folder.list()?.into_iter().filter(|file| file.standing == Standing::Pending && file.version == name) {
        let snapshot = snapshots::read(&file.path)?;
        let target = &snapshot.header.target;
        if claims.fit(target) && !found.iter().any(|placed| snapshots::same_place(&placed.snapshot.header.target, target)) {
            let place = format!("{}.snap.new, which waits for review", printable(&file.name()));
            found.push(Placed { snapshot, place });
        }
    }
    if found.is_empty() {
        let pending = folder.list()?.into_iter().map(|file| file.version);
        let accepted = snapshots::accepted(&folder, |_| true)?.into_iter().map(|one| one.snapshot.header.target.version.name);
        let mut known: Vec<_> = accepted.chain(pending).map(|name| printable(&name)).collect();
        known.sort();
        known.dedup();
        let known = if known.is_empty() {
            "no version has a snapshot yet".to_owned()
        } else {
            format!("versions with a snapshot: {}", known.join(", "))
        };
        return Err(Failure::usage(format!("find {name}: it is no file or folder, and no version with a snapshot"), known));
    }
    Ok(found)
}
