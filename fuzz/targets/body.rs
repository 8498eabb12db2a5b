//! Fuzzes the reading of bodies: see `entries`.
#![no_main]
#![allow(dead_code)]

#[path = "../entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::body(data));
