//! The proxy's second way in: SOCKS5 without a password (RFC 1928), CONNECT only. A client that got through it is in the same
//! tunnel as one that came by HTTP.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};

use super::{
    Ending,
    accept::clients,
    connect::{Turned, bare_host},
    handler::Handler,
    serve::Entry,
};

/// Takes clients until the proxy is asked to stop.
pub(super) async fn listen(listener: TcpListener, handler: Handler, ending: watch::Receiver<Ending>) {
    let serve_one = |client, address, place| {
        let handler = handler.clone();
        async move {
            serve(client, address, handler).await;
            // A stranger's place is free again when it has got its refusal: no tunnel is for strangers.
            drop(place);
        }
    };
    clients(listener, Arc::clone(&handler.tunnels), ending, serve_one).await;
}

async fn serve(mut client: TcpStream, address: IpAddr, handler: Handler) {
    if let Ok(Ok(Some(entry))) = timeout(NEGOTIATION, negotiate(&mut client, address, &handler)).await {
        entry.serve(client).await;
    }
}

/// Asks a client where it wants to go, and answers. `None`: not there.
async fn negotiate(client: &mut TcpStream, address: IpAddr, handler: &Handler) -> io::Result<Option<Entry>> {
    // Version, number of methods, methods (section 3).
    let [version, count] = read(client).await?;
    if version != VERSION {
        return Ok(None);
    }
    let mut methods = vec![0; usize::from(count)];
    client.read_exact(&mut methods).await?;
    if !methods.contains(&NO_PASSWORD) {
        client.write_all(&[VERSION, NO_METHOD]).await?;
        return Ok(None);
    }
    client.write_all(&[VERSION, NO_PASSWORD]).await?;
    // Version, command, reserved, type of address (section 4).
    let [_, command, _, kind] = read(client).await?;
    let host = match kind {
        1 => Ipv4Addr::from(read::<4>(client).await?).to_string(),
        3 => {
            let [length] = read(client).await?;
            let mut name = vec![0; usize::from(length)];
            client.read_exact(&mut name).await?;
            match String::from_utf8(name) {
                // A name with other characters would say something else in a URL.
                Ok(name) if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) && length > 0 => name,
                _ => return reply(client, Reply::Failure).await,
            }
        }
        4 => Ipv6Addr::from(read::<16>(client).await?).to_string(),
        _ => return reply(client, Reply::AddressUnsupported).await,
    };
    let port = u16::from_be_bytes(read(client).await?);
    if command != CONNECT {
        return reply(client, Reply::CommandUnsupported).await;
    }
    match handler.enter(address, bare_host(&host), port).await {
        Ok(entry) => {
            reply(client, Reply::Succeeded).await?;
            Ok(Some(entry))
        }
        Err(Turned::NotAdmitted) => reply(client, Reply::NotAllowed).await,
        Err(Turned::Unrecorded) => reply(client, Reply::Failure).await,
        Err(Turned::Unreachable) => reply(client, Reply::Unreachable).await,
    }
}

/// Answers to a request (section 6).
#[derive(Clone, Copy)]
enum Reply {
    Succeeded = 0,
    Failure = 1,
    NotAllowed = 2,
    Unreachable = 4,
    CommandUnsupported = 7,
    AddressUnsupported = 8,
}

/// Where the connection to the server comes from is not told: often there is none yet.
async fn reply(client: &mut TcpStream, reply: Reply) -> io::Result<Option<Entry>> {
    client.write_all(&[VERSION, reply as u8, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    Ok(None)
}

async fn read<const N: usize>(client: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

const VERSION: u8 = 5;
const NO_PASSWORD: u8 = 0;
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;
/// A client has this long to say where it wants to go, the dialling of what is passed on included.
const NEGOTIATION: Duration = Duration::from_secs(30);
