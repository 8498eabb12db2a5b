//! Fuzzes the reading of the files that people write: see `entries`.
#![no_main]
#![allow(dead_code)]

#[path = "../entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::scenario(data));
