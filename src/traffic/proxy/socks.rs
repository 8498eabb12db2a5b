//! The proxy's second way in: SOCKS5 without a password (RFC 1928), CONNECT only. A client that got through it is in the same
//! tunnel as one that came by HTTP. One that asks for what cannot be had is told as a blind spot, like HTTP that cannot be read.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{
    accept::Visitor,
    account::Unread,
    connect::{Turned, bare_host},
    handler::Handler,
    serve::Entry,
    socket::Socket,
};
use crate::model::TunnelOutcome;

/// The first byte of whatever a client says.
pub(super) const VERSION: u8 = 5;

/// Asks a client where it wants to go, and lets it in there; `None` when it does not get in.
pub(super) async fn negotiate(client: Socket, visitor: &Visitor) -> Option<(Socket, Entry)> {
    let Visitor { handler, address, .. } = visitor;
    let mut talk = Talk { client, came: 0 };
    let asked = match timeout(NEGOTIATION, talk.asked()).await {
        Ok(Ok(asked)) => asked,
        Ok(Err(_)) | Err(_) => Err(Cannot::Unfinished),
    };
    let entered = match asked {
        Ok((host, port)) => timeout(NEGOTIATION, talk.enter(handler, *address, host, port)).await.ok()?,
        Err(cannot) => {
            let (named, why) = match cannot {
                Cannot::Unfinished => (None, None),
                Cannot::NoMethod => (None, Some("it asks by SOCKS5 for a password, and there is none")),
                Cannot::NoHost => (None, Some("what it asks for by SOCKS5 is no server")),
                Cannot::NoConnection(host, port) => (Some((host, port)), Some("it asks by SOCKS5 for something else than a connection")),
            };
            let outcome = why.map_or(TunnelOutcome::ClosedWithoutRequest, |why| TunnelOutcome::Malformed { why: why.to_owned() });
            let unread = Unread { outcome, bytes: Some(talk.came) };
            handler.tell_unread(*address, named, unread, Some("socks5")).await;
            return None;
        }
    };
    entered.ok().flatten().map(|entry| (talk.client, entry))
}

/// Why a client cannot be let in wherever it wants to go.
enum Cannot {
    /// It left, or took too long.
    Unfinished,
    /// It takes no connection without a password.
    NoMethod,
    /// It names no server that there could be.
    NoHost,
    /// It wants something else of this host and port.
    NoConnection(String, u16),
}

/// A client that is being talked to.
struct Talk {
    client: Socket,
    /// Bytes that came.
    came: u64,
}

impl Talk {
    /// Host (lower case, an IPv6 literal without brackets) and port that the client asks for.
    async fn asked(&mut self) -> io::Result<Result<(String, u16), Cannot>> {
        // Version, number of methods, methods (section 3).
        let [_, count] = self.read().await?;
        if !self.read_all(count).await?.contains(&NO_PASSWORD) {
            self.client.write_all(&[VERSION, NO_METHOD]).await?;
            return Ok(Err(Cannot::NoMethod));
        }
        self.client.write_all(&[VERSION, NO_PASSWORD]).await?;
        // Version, command, reserved, type of address, address, port (section 4).
        let [_, command, _, kind] = self.read().await?;
        let host = match kind {
            1 => Some(Ipv4Addr::from(self.read::<4>().await?).to_string()),
            3 => {
                let [length] = self.read().await?;
                let name = String::from_utf8(self.read_all(length).await?).ok();
                // A name with other characters would say something else in a URL.
                let is_name =
                    |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
                name.filter(is_name)
            }
            4 => Some(Ipv6Addr::from(self.read::<16>().await?).to_string()),
            _ => {
                self.reply(Reply::AddressUnsupported).await?;
                return Ok(Err(Cannot::NoHost));
            }
        };
        let port = u16::from_be_bytes(self.read().await?);
        let Some(host) = host.as_deref().map(bare_host).filter(|_| port != 0) else {
            self.reply(Reply::Failure).await?;
            return Ok(Err(Cannot::NoHost));
        };
        if command != CONNECT {
            self.reply(Reply::CommandUnsupported).await?;
            return Ok(Err(Cannot::NoConnection(host, port)));
        }
        Ok(Ok((host, port)))
    }

    /// Lets the client in, and says so, or why not. What became of a server that could not be reached is told with its tunnel.
    async fn enter(&mut self, handler: &Handler, address: std::net::IpAddr, host: String, port: u16) -> io::Result<Option<Entry>> {
        let (entry, reply) = match handler.enter(address, host, port).await {
            Ok(entry) => (Some(entry), Reply::Succeeded),
            Err(Turned::NotAdmitted) => (None, Reply::NotAllowed),
            Err(Turned::Unrecorded) => (None, Reply::Failure),
            Err(Turned::Unreachable) => (None, Reply::Unreachable),
        };
        self.reply(reply).await?;
        Ok(entry)
    }

    /// Where the connection to the server comes from is not told: often there is none yet.
    async fn reply(&mut self, reply: Reply) -> io::Result<()> {
        self.client.write_all(&[VERSION, reply as u8, 0, 1, 0, 0, 0, 0, 0, 0]).await
    }

    async fn read<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.client.read_exact(&mut bytes).await?;
        self.came += N as u64;
        Ok(bytes)
    }

    async fn read_all(&mut self, length: u8) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::from(length)];
        self.client.read_exact(&mut bytes).await?;
        self.came += u64::from(length);
        Ok(bytes)
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

const NO_PASSWORD: u8 = 0;
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;
/// A client has this long to say where it wants to go, and as long again to be let in, the dialling of what is passed on included.
const NEGOTIATION: Duration = Duration::from_secs(30);
