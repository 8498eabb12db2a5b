//! The band stand-in: plays a simulated band as a real GATT peripheral on a Bluetooth adapter, through bluetoothd. In the lab the
//! adapter is a virtual one; on a real one it would play to real phones, and says first what that means. What the band answers is
//! left to `tattletale::band`'s simulators.

#[cfg(target_os = "linux")]
mod advertising;
#[cfg(target_os = "linux")]
mod control;
#[cfg(target_os = "linux")]
mod oddity;
#[cfg(target_os = "linux")]
mod played;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod stage;
mod strap;

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;

/// Plays a band on a Bluetooth adapter, or tells a stand-in that plays already what to do.
#[derive(Parser)]
#[command(name = "band-stand-in")]
struct Arguments {
    /// Adapter to play on.
    #[arg(long, default_value = "hci1")]
    adapter: String,
    /// Socket on which it takes orders, one JSON object a line. It appears when the band can be found.
    #[arg(long)]
    control: PathBuf,
    /// Model to play.
    #[arg(long, default_value = "mi-band-3")]
    play: String,
    /// The phones in reach are mine, and so is the account whose app may find this band. Needed on a real adapter: what the
    /// app takes from a band that is played, it sends to its vendor, as the health data of a person that there is not.
    #[arg(long)]
    own_test_account: bool,
    /// Play nothing: give this order to the stand-in at the socket, and print its answer.
    #[arg(long, value_name = "ORDER")]
    tell: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.tell {
        Some(order) => tell(&arguments.control, order),
        None => play(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(std::io::stderr(), "band-stand-in: failed to {error}");
            ExitCode::from(3)
        }
    }
}

/// Only bluetoothd can play a peripheral so.
#[cfg(not(target_os = "linux"))]
fn play(_: &Arguments) -> Result<ExitCode, String> {
    Err("play a band: this needs Linux and bluetoothd".to_owned())
}

/// Plays until it is told to stop. One thread, so that what bluetoothd hands over in order is answered in order.
#[cfg(target_os = "linux")]
fn play(arguments: &Arguments) -> Result<ExitCode, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| format!("start: {error}"))?;
    runtime.block_on(async {
        let server = server::Server::start(&arguments.adapter, &arguments.play, arguments.own_test_account).await?;
        tokio::select! {
            told = control::listen(&arguments.control, &server) => told?,
            why = server.lost() => return Err(why),
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Gives one order and prints the answer; an order that was refused is exit 1.
fn tell(control: &Path, order: &str) -> Result<ExitCode, String> {
    let reach = |error| format!("reach the stand-in at its socket: {error}");
    let mut socket = std::os::unix::net::UnixStream::connect(control).map_err(reach)?;
    writeln!(socket, "{order}").map_err(reach)?;
    let mut answer = String::new();
    BufReader::new(socket).read_line(&mut answer).map_err(reach)?;
    write!(std::io::stdout(), "{answer}").map_err(|error| format!("print the answer: {error}"))?;
    Ok(if answer.starts_with("{\"error\"") { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
