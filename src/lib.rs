//! What a fitness band's phone app uploads, recorded by script, decoded to the last field, compared across app versions,
//! published as a table anyone can check.
//!
//! **scenario × app version → capture → fields → snapshot → diff → findings → report**
//!
//! The modules stand in the order in which data flows.

pub mod model;

pub mod clock;

// Instruments: async, touch the world.

pub mod link;

pub mod band;

pub mod phone;

pub mod traffic;

pub mod scenario;

pub mod run;

// The core: synchronous, no I/O of its own, cannot fail.

pub mod decode;

pub mod snapshot;

pub mod diff;

pub mod detect;

pub mod report;

pub mod audit;

// Files and commands.

pub mod store;

pub mod cli;
