//! What it costs to drive a phone: a command over adb, and a whole scenario beside its own waits, on the stand-in phone of
//! `ci/lab/phone`. `docs/measured/phone.md` keeps the numbers.
//!
//! `ci/lab/phone/run -- cargo bench --bench phone`

#![allow(clippy::print_stdout, reason = "a benchmark's output is its result")]

#[path = "../tests/bench/mod.rs"]
mod bench;
#[path = "../tests/phone_lab/rig.rs"]
mod rig;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tattletale::{
    model::{Recording as _, RunEvent},
    store::CaptureReader,
};

use crate::{rig::Lab, support::phone_lab::Options};

const CALLS: usize = 50;
/// Steps that wait for something, and the one that takes as long as its track.
const WAITS: [&str; 4] = ["travel", "wait", "waitForQuiet", "waitForUpload"];

fn main() {
    let Some(lab) = Lab::boot(&Options::default(), "system") else { return };
    let mut calls: Vec<Duration> = (0..CALLS)
        .map(|_| {
            let begun = Instant::now();
            lab.phone.says("settings get global http_proxy");
            begun.elapsed()
        })
        .collect();
    calls.sort();
    println!("a setting read over adb      {:6.1} ms (middle of {CALLS})", calls[CALLS / 2].as_secs_f64() * 1e3);
    lab.install("sim-1.0");
    for scenario in ["passive-sync", "workout"] {
        let begun = Instant::now();
        let ended = lab.tattletale(&["run", scenario, "--rig", "rig.yaml", "--runs", "1"]);
        assert_eq!(ended.code, Some(4), "one run without a baseline: {ended:?}");
        let wall = begun.elapsed();
        let (whole, waits) = times(&lab, scenario);
        println!(
            "{scenario:<14} run {:5.1} s, of which its waits {:5.1} s, the rest {:4.1} s; the command with its control run and audit {:5.1} s",
            whole.as_secs_f64(),
            waits.as_secs_f64(),
            (whole - waits).as_secs_f64(),
            wall.as_secs_f64()
        );
    }
}

/// How long the run took, from its first event to its last, and how long of it steps waited.
fn times(lab: &Lab, scenario: &str) -> (SignedDuration, SignedDuration) {
    let ending = format!("-{scenario}-1");
    let mut captures = std::fs::read_dir(lab.place.path().join("runs")).expect("captures").flatten().map(|folder| folder.path());
    let capture = captures.find(|folder| folder.to_string_lossy().ends_with(&ending)).expect("the run's own");
    let capture = CaptureReader::open(&capture).expect("readable");
    let (mut first, mut last, mut waits): (Option<Timestamp>, Timestamp, SignedDuration) =
        (Some(capture.provenance().started), Timestamp::MIN, SignedDuration::ZERO);
    let mut open: Vec<Option<Timestamp>> = Vec::new();
    capture
        .replay(&mut |event, _| {
            first = first.or(Some(event.at));
            last = last.max(event.at);
            match &event.event {
                RunEvent::StepBegan { step, .. } => open.push(WAITS.contains(&step.as_str()).then_some(event.at)),
                RunEvent::StepEnded { .. } => {
                    if let Some(Some(begun)) = open.pop() {
                        waits += event.at.duration_since(begun);
                    }
                }
                _ => {}
            }
        })
        .expect("readable");
    (last.duration_since(first.expect("it began")), waits)
}
