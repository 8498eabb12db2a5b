//! Orders for a phone that runs, one JSON object a line on the stand-in's stdin, each answered by one line: what goes wrong from now
//! on, what somebody else changed, and the cable.

use std::{
    collections::BTreeSet,
    io::{BufRead, Write},
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    relay::Cable,
    state::{Fault, Home, Root},
};

/// What the stand-in can be told.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Order {
    /// From now on this goes wrong, or no longer.
    Fault { fault: Fault, on: bool },
    /// Somebody changes a setting; without a value, deletes it.
    Setting { namespace: String, name: String, value: Option<String> },
    /// Somebody changes a property, those that a program cannot change included.
    Property { name: String, value: String },
    /// Somebody locks or unlocks the screen.
    Lock { on: bool },
    /// The clock goes wrong by so many seconds.
    Clock { offset_s: i64 },
    /// Somebody roots the phone, or unroots it.
    Root { root: Root },
    /// The phone's own receiver has this position: latitude, longitude.
    Receiver { position: Option<(f64, f64)> },
    /// The owner has decided this of an app's permission: flags in Android's words. What is granted stays.
    Decided { package: String, permission: String, flags: BTreeSet<String> },
    /// The cable is cut.
    Cut,
    /// The cable is cut after so many more bytes of the phone's.
    CutAfter { bytes: u64 },
    /// The cable is plugged in again.
    Reconnect,
    /// Whether the cable is cut.
    Cable,
}

/// Takes orders until there are none any more.
pub(crate) fn listen(home: &Home, cable: &Cable) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let answer = match serde_json::from_str::<Order>(&line) {
            Ok(order) => obey(order, home, cable),
            Err(error) => Err(format!("this order is not understood: {error}")),
        };
        let answer = match answer {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": error }),
        };
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{answer}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

fn obey(order: Order, home: &Home, cable: &Cable) -> Result<Value, String> {
    let changed = |result: std::io::Result<()>| result.map(|()| Value::Null).map_err(|error| format!("change the phone: {error}"));
    match order {
        Order::Fault { fault, on } => {
            let result = home.change(|state| {
                if on {
                    state.faults.insert(fault);
                } else {
                    state.faults.remove(&fault);
                }
            });
            // These are told when a connection begins.
            if on && matches!(fault, Fault::Offline | Fault::Unauthorized) {
                cable.hang_up();
            }
            changed(result)
        }
        Order::Setting { namespace, name, value } => changed(home.change(|state| match value {
            Some(value) => state.set(&namespace, &name, &value),
            None => _ = state.delete(&namespace, &name),
        })),
        Order::Property { name, value } => changed(home.change(|state| drop(state.properties.insert(name, value)))),
        Order::Lock { on } => changed(home.change(|state| state.locked = on)),
        Order::Clock { offset_s } => changed(home.change(|state| state.clock_offset_s = offset_s)),
        Order::Root { root } => changed(home.change(|state| state.root = root)),
        Order::Receiver { position } => changed(home.change(|state| state.receiver = position)),
        Order::Decided { package, permission, flags } => changed(home.change(|state| {
            if let Some(package) = state.packages.get_mut(&package) {
                package.flags.insert(permission, flags);
                package.flags.retain(|_, flags| !flags.is_empty());
            }
        })),
        Order::Cut => {
            cable.cut();
            Ok(Value::Null)
        }
        Order::CutAfter { bytes } => {
            cable.cut_after(bytes);
            Ok(Value::Null)
        }
        Order::Reconnect => {
            cable.reconnect();
            Ok(Value::Null)
        }
        Order::Cable => Ok(json!({ "cut": cable.is_cut() })),
    }
}
