//! Bands over a real Bluetooth stack: btleplug here, a real kernel and a real bluetoothd in the lab's guest, and the band stand-in as a
//! GATT peripheral on the other end. `ci/bluetooth` runs these tests; without the lab each says that it was skipped.
#![cfg(target_os = "linux")]

#[path = "bluetooth_lab/edges.rs"]
mod edges;
#[path = "bluetooth_lab/lab.rs"]
mod lab;
#[path = "bluetooth_lab/reading.rs"]
mod reading;
#[path = "bluetooth_lab/run.rs"]
mod run;
mod support;
