//! The stand-in phone through the real adb: that it is what it says it is, that it fails as phones fail, and the traps that every
//! driver of phones has to know. `ci/phone` runs these tests; without the lab each says that it was skipped.
#![cfg(target_os = "linux")]

#[path = "phone_lab/android.rs"]
mod android;
#[path = "phone_lab/app.rs"]
mod app;
mod bench;
#[path = "phone_lab/cable.rs"]
mod cable;
#[path = "phone_lab/doctor.rs"]
mod doctor;
#[path = "phone_lab/driver.rs"]
mod driver;
#[path = "phone_lab/repackaged.rs"]
mod repackaged;
#[path = "phone_lab/rig.rs"]
mod rig;
#[path = "phone_lab/runs.rs"]
mod runs;
#[path = "phone_lab/screen.rs"]
mod screen;
mod support;
#[path = "phone_lab/wifi.rs"]
mod wifi;
