//! The radio link against a stand-in for BlueZ on a private message bus: every way in which the stack surprises, provoked. The same
//! against the real stack is the lab's. The edges are numbered as in `docs/protocols/bluez.md`.
#![cfg(target_os = "linux")]

mod bands;
mod bus;
mod commands;
mod connecting;
mod echo;
mod fake;
mod finding;
mod harness;
mod machine;
mod talking;

use std::{fs, path::Path, time::Duration};

use echo::{ADDRESS, BATTERY, ECHO, RATE, REFUSED, echo};
use fake::World;
use harness::{Machine, alone};
use tattletale::link::{
    Advertisement, Central as _, behaviour,
    radio::{Limits, Radio},
    sig_uuid,
};

/// Time enough for everything on the slowest machine, except where a test waits for it to run out.
const LIMITS: Limits = Limits {
    find: Duration::from_secs(20),
    connect: Duration::from_secs(20),
    answer: Duration::from_secs(20),
    let_go: Duration::from_secs(20),
};

fn radio() -> Radio {
    Radio::new(None).with_limits(LIMITS)
}

/// What is in reach: listened for until there is something.
async fn heard(radio: &Radio) -> Vec<Advertisement> {
    for _ in 0..100 {
        let heard = radio.scan(Duration::from_millis(200)).await.expect("a scan works");
        if !heard.is_empty() {
            return heard;
        }
    }
    panic!("nothing is in reach");
}

/// A machine with one device in reach.
fn one_device() -> Machine {
    Machine::Whole(World::with_devices(vec![echo(ADDRESS)]))
}

#[test]
fn behaves_as_every_link_does() {
    alone(one_device, async |_fake| {
        let (soon, late) = (Duration::from_millis(300), Duration::from_secs(2));
        let radio = Radio::new(None).with_limits(Limits { find: late, let_go: late, ..LIMITS });
        let expected = behaviour::Expected {
            address: ADDRESS,
            readable: (BATTERY, vec![87]),
            refused: REFUSED,
            missing: sig_uuid(0x1234),
            notifying: RATE,
            provoked_by: (ECHO, vec![1]),
        };
        behaviour::check_within(&radio, &expected, soon).await;
        radio.settle().await;
    });
}

#[test]
fn every_edge_names_a_test_that_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let fast: String = ["main", "connecting", "finding", "machine", "talking"].map(|name| read(&format!("tests/bluez/{name}.rs"))).concat();
    // A source archive may leave the lab out.
    let lab = Some(read("tests/bluetooth_lab/edges.rs")).filter(|lab| !lab.is_empty());
    let page = read("docs/protocols/bluez.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("edge_"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let edges: Vec<&str> = rows.iter().map(|row| row[1]).collect();
    assert_eq!(edges, (1..=13).map(|edge| edge.to_string()).collect::<Vec<_>>());
    for row in rows {
        for (cell, tests) in [(row[2], Some(&fast)), (row[3], lab.as_ref())] {
            for name in cell.split(" <br> ").map(|name| name.trim_matches('`')).filter(|name| !name.is_empty()) {
                let is_there = tests.is_none_or(|tests| tests.contains(&format!("fn {name}(")));
                assert!(is_there, "edge {}: there is no test {name}", row[1]);
            }
        }
        assert!(!row[2].is_empty(), "edge {} is provoked by no test", row[1]);
    }
}
