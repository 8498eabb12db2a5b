//! `schema`: the JSON Schema of a format, for editors and other programs. Those of files people write are `scenario`'s; those of
//! files the program writes are here.

use clap::{Args, ValueEnum};

use super::{Exit, Failure, Surroundings};
use crate::scenario::schema;

mod band;
mod capture;
mod control;
mod doctor;
mod fields;
mod journal;
mod report;
mod shared;
mod snapshot;
mod transcript;

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Which format
    name: Name,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// app.yaml: the app under audit
    App,
    /// What a band is and tells to anyone in reach: band info --format json
    BandInfo,
    /// What a band holds: band read --format json
    BandRead,
    /// The bands in reach: band scan --format json
    BandScan,
    /// One line of a capture's events.jsonl
    Capture,
    /// A control run that is kept with a rig: rigs/NAME/control/APP.json
    Control,
    /// What was looked at before a run: doctor --format json
    Doctor,
    /// What was uploaded, as data: fields --format json
    Fields,
    /// What a run has changed on a phone and not put back yet: rigs/NAME/journal.json
    Journal,
    /// A file of planted values, for imports
    Planted,
    /// policy.yaml: what an organisation decided
    Policy,
    /// The report as data: --format json
    Report,
    /// rig.yaml: which band and which phone
    Rig,
    /// A scenario file
    Scenario,
    /// The header of a snapshot file, and in words the lines of its body
    Snapshot,
    /// One line of a transcript: a conversation with a band
    Transcript,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let schema = match arguments.name {
        Name::App => schema::app_schema(),
        Name::BandInfo => band::info(),
        Name::BandRead => band::read(),
        Name::BandScan => band::scan(),
        Name::Capture => capture::schema(),
        Name::Control => control::schema(),
        Name::Doctor => doctor::schema(),
        Name::Fields => fields::schema(),
        Name::Journal => journal::schema(),
        Name::Planted => schema::planted_schema(),
        Name::Policy => schema::policy_schema(),
        Name::Report => report::schema(),
        Name::Rig => schema::rig_schema(),
        Name::Scenario => schema::scenario_schema(),
        Name::Snapshot => snapshot::schema(),
        Name::Transcript => transcript::schema(),
    };
    surroundings.print(&format!("{schema:#}\n"))?;
    Ok(Exit::Clean)
}
