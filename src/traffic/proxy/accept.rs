//! Takes clients from a listening socket, whatever they speak. What is done with one is decided by whoever listens.

use std::{future::Future, net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

use super::{Ending, serve::Tunnels, strangers::Place};

/// Serves each client, in a task of its own, until the proxy is asked to stop. A client that was not admitted when it came has a
/// place; who finds none is gone at once.
pub(super) async fn clients<Served>(
    listener: TcpListener,
    tunnels: Arc<Tunnels>,
    mut ending: watch::Receiver<Ending>,
    serve: impl Fn(TcpStream, IpAddr, Option<Place>) -> Served,
) where
    Served: Future<Output = ()> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = ending.wait_for(|ending| *ending != Ending::NotYet) => return,
        };
        match accepted {
            Ok((client, address)) => {
                let address = address.ip().to_canonical();
                if let Some(place) = tunnels.takes(address) {
                    tokio::spawn(serve(client, address, place));
                }
            }
            // Out of descriptors, most likely: others must end first.
            Err(_) => sleep(BREATH).await,
        }
    }
}

/// Between two attempts to take a client.
const BREATH: Duration = Duration::from_millis(50);
