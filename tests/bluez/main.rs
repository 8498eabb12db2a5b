//! The radio link against a stand-in for BlueZ on a private message bus: every way in which the stack surprises, provoked. The same
//! against the real stack is the lab's. The edges are numbered as in `docs/protocols/bluez.md`.
#![cfg(target_os = "linux")]

mod bus;
mod connecting;
mod echo;
mod fake;
mod finding;
mod harness;
mod machine;
mod talking;

use std::time::Duration;

use echo::{ADDRESS, BATTERY, ECHO, RATE, REFUSED, echo};
use fake::World;
use harness::{Machine, alone};
use tattletale::link::{
    behaviour,
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

/// A machine with one device in reach.
fn one_device() -> Machine {
    Machine::Whole(World::with_devices(vec![echo(ADDRESS)]))
}

#[test]
fn behaves_as_every_link_does() {
    alone(one_device, async |_fake| {
        let (soon, late) = (Duration::from_millis(700), Duration::from_secs(3));
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
