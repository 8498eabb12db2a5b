//! The proxy against its peers, and against a million uploads. Starts the proxies in turn, loads them from one side and answers
//! them on the other, and tells throughput, latency, processor time, memory, and whether each kept what was uploaded.
//!
//! ```text
//! benches/peers/run                      installs the peers, then does the first of these
//! cargo bench --bench peers -- compare   ours, the bare engine, mitmproxy, mockttp and no proxy, in alternating rounds
//! cargo bench --bench peers -- soak      a million uploads and one of a gigabyte through ours: peak memory
//! ```
//!
//! The proxy under test has a processor to itself (the last one), the load and the server share the first.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's output is its result")]

mod compare;
mod load;
mod page;
mod process;
mod roles;
mod soak;
mod subject;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand};

/// What every part may fail with: a benchmark that fails says so and ends.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
struct Arguments {
    /// Cargo gives this to every benchmark.
    #[arg(long, hide = true, global = true)]
    bench: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare proxies
    Compare(compare::Arguments),
    /// Load ours for long, and tell its peak memory
    Soak(soak::Arguments),
    /// The server behind the proxies
    #[command(hide = true)]
    Upstream {
        /// Where its root certificate goes.
        folder: PathBuf,
    },
    /// One of the two proxies that are made here
    #[command(hide = true)]
    Proxy {
        /// Which.
        kind: roles::Kind,
        /// The server that stands in for every host.
        upstream: SocketAddr,
        /// Where the server's root certificate is.
        folder: PathBuf,
        /// Where captures go.
        captures: PathBuf,
    },
    /// The clients before the proxies
    #[command(hide = true)]
    Load(load::Arguments),
}

fn main() -> Outcome<()> {
    match Arguments::parse().command {
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Soak(arguments) => soak::soak(&arguments),
        Command::Upstream { folder } => roles::upstream(&folder),
        Command::Proxy { kind, upstream, folder, captures } => roles::proxy(kind, upstream, &folder, &captures),
        Command::Load(arguments) => load::load(&arguments),
    }
}
