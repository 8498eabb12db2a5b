//! Takes clients from the listening socket, and lets each in by the way that its first byte asks for: SOCKS5 or HTTP, at one
//! address, so that nobody has to know which of them it is.

use std::{io, net::IpAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Ending,
    descriptors::{Use, are_scarce},
    direct,
    handler::Handler,
    socket::Socket,
    socks,
    strangers::{Place, VISIT},
};

/// Serves each client, in a task of its own, until the proxy is asked to stop. A client has `head` for its first request.
pub(super) async fn listen(listener: TcpListener, handler: Handler, head: Duration, mut ending: watch::Receiver<Ending>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = is_asked_to_stop(&mut ending) => return,
        };
        match accepted {
            Ok((client, address)) => {
                // It waits where it is, and those that come after it in the system's queue: what is recorded comes first.
                while is_too_much(&client) {
                    tokio::select! {
                        () = sleep(BREATH) => {}
                        () = is_asked_to_stop(&mut ending) => return,
                    }
                }
                let address = address.ip().to_canonical();
                // A client that was not admitted when it came has a place; who finds none is gone at once.
                if let Some(place) = handler.tunnels.takes(address) {
                    let now = Instant::now();
                    let (too_late, visit_ends) = (now + head, now + head.min(VISIT));
                    let visitor = Visitor { handler: handler.clone(), address, place, too_late, visit_ends };
                    tokio::spawn(visitor.serve(client, ending.clone()));
                }
            }
            // Out of descriptors, most likely: others must end first.
            Err(_) => sleep(BREATH).await,
        }
    }
}

/// Whether there are as many connections as there may be. A client that has come has a number of its own, so another one tells how
/// many descriptors are open now.
fn is_too_much(client: &TcpStream) -> bool {
    are_scarce(Use::Client, client) && another(client).is_none_or(|another| are_scarce(Use::Client, &another))
}

/// Another descriptor of the same connection, if there is one to be had.
#[cfg(unix)]
fn another(client: &TcpStream) -> Option<std::os::fd::OwnedFd> {
    std::os::fd::AsFd::as_fd(client).try_clone_to_owned().ok()
}

#[cfg(not(unix))]
fn another(_client: &TcpStream) -> Option<()> {
    None
}

/// Waits until the proxy is asked to stop.
pub(super) async fn is_asked_to_stop(ending: &mut watch::Receiver<Ending>) {
    let _ = ending.wait_for(|ending| *ending != Ending::NotYet).await;
}

/// A client that has come.
pub(super) struct Visitor {
    pub(super) handler: Handler,
    pub(super) address: IpAddr,
    /// Of a client that was not admitted when it came.
    pub(super) place: Option<Place>,
    /// Until then its first request has to be there.
    pub(super) too_late: Instant,
    /// Until then a client has to be admitted.
    pub(super) visit_ends: Instant,
}

impl Visitor {
    async fn serve(mut self, client: TcpStream, mut ending: watch::Receiver<Ending>) {
        let untold = self.handler.recorder.untold();
        let silent_until = if self.place.is_some() { self.visit_ends } else { self.too_late };
        let first = tokio::select! {
            biased;
            first = first_byte(&client) => first,
            () = sleep_until(silent_until) => return,
            () = is_asked_to_stop(&mut ending) => return,
        };
        let client = Socket::new(client);
        self.handler.client = client.pulse();
        match first {
            Ok(Some(socks::VERSION)) => {
                let entered = socks::negotiate(client, &self).await;
                // Whoever got into a tunnel is no stranger, and the tunnel is counted by itself.
                drop((self, untold));
                if let Some((client, entry)) = entered {
                    entry.serve(client).await;
                }
            }
            _ => direct::serve(self, client, ending).await,
        }
    }
}

/// The first byte of a client, which stays where it is.
async fn first_byte(client: &TcpStream) -> io::Result<Option<u8>> {
    let mut first = [0];
    let count = client.peek(&mut first).await?;
    Ok((count > 0).then_some(first[0]))
}

/// Between two attempts to take a client.
const BREATH: Duration = Duration::from_millis(50);
