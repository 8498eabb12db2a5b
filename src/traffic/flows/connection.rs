//! Flows that are no exchange: raw connections (TCP, UDP, DNS) as tunnels that nobody read, and the messages of WebSockets.

use std::{
    io::{Read, Seek},
    net::IpAddr,
};

use jiff::Timestamp;

use super::{
    flow::{Flow, Kind, address, text, time},
    http::LongBodies,
    tnetstring::{Damage, Item, Reader, Tag},
};
use crate::{
    model::{Exchange, ExchangeId, Message, Tunnel, TunnelEvidence, TunnelId, TunnelOutcome, Url},
    traffic::import::{ReadHosts, UNSCRIPTED, handshake},
};

/// A connection that carried no HTTP, as a tunnel that nobody read.
pub(super) fn raw<R: Read + Seek>(reader: &mut Reader<R>, flow: &Flow, id: TunnelId, before: Timestamp) -> Result<Tunnel, Damage> {
    let tunnel = tunnel(reader, flow, id, before)?;
    let outcome = match handshake(&flow.error).or(handshake(&connection_error(reader, flow.client)?)) {
        Some(outcome) => outcome,
        None if flow.kind == Kind::Tcp => tcp_outcome(reader, flow)?,
        None => TunnelOutcome::PassedThrough,
    };
    Ok(Tunnel { outcome, ..tunnel })
}

/// A CONNECT as a tunnel.
pub(super) fn connect<R: Read + Seek>(
    reader: &mut Reader<R>,
    flow: &Flow,
    exchange: &Exchange,
    id: TunnelId,
    hosts: &ReadHosts,
) -> Result<Tunnel, Damage> {
    let tunnel = tunnel(reader, flow, id, exchange.began)?;
    let Url { host, port, .. } = &exchange.request.url;
    let answered = exchange.response.as_ref().is_some_and(|response| (200..300).contains(&response.status));
    let words = if flow.error.is_empty() { connection_error(reader, flow.client)? } else { flow.error.clone() };
    let outcome = hosts.outcome(host, answered, &words);
    Ok(Tunnel { host: host.clone(), port: *port, began: exchange.began, ended: exchange.ended, outcome, ..tunnel })
}

/// Messages of a WebSocket, one after the other, without number and exchange. Those that mitmproxy made up are left out and
/// counted.
pub(super) fn messages<R: Read + Seek>(
    reader: &mut Reader<R>,
    list: Item,
    (exchange, url, before): (ExchangeId, &Url, Timestamp),
    bodies: &LongBodies<'_>,
    each: &mut dyn FnMut(Message),
) -> Result<u64, Damage> {
    let (mut number, mut injected) = (0, 0);
    reader.list(list, &mut |reader, message| {
        // From version 15 on the sixth says whether mitmproxy made the message up.
        let [opcode, from_client, content, at, _dropped, made_up] = reader.first(message)?;
        if reader.is_true(made_up)? {
            injected += 1;
            return Ok(true);
        }
        let body = match content.tag {
            Tag::Bytes | Tag::Text => bodies.body(reader, content)?,
            _ => return Err(Damage { at: message.start, problem: "a WebSocket message without content".to_owned() }),
        };
        number += 1;
        each(Message {
            exchange,
            number,
            phase: UNSCRIPTED.to_owned(),
            at: time(reader, at)?.unwrap_or(before),
            sent: reader.is_true(from_client)?,
            // The opcode of text is 1, of binary data 2: RFC 6455 section 5.2.
            text: reader.whole(opcode)? == Some(1),
            url: url.clone(),
            body,
        });
        Ok(true)
    })?;
    Ok(injected)
}

/// Where a WebSocket flow whose opening is not in the file went to, as far as its connection tells.
pub(super) fn unopened<R: Read + Seek>(reader: &mut Reader<R>, flow: &Flow) -> Result<Url, Damage> {
    let (host, port) = server(reader, flow)?;
    let [tls, older, oldest] = reader.table(flow.server, ["tls", "tls_established", "ssl_established"])?;
    let tls = reader.is_true(tls)? || reader.is_true(older)? || reader.is_true(oldest)?;
    Ok(Url { scheme: if tls { "wss" } else { "ws" }.to_owned(), host, port, path_and_query: "/".to_owned().into() })
}

fn tunnel<R: Read + Seek>(reader: &mut Reader<R>, flow: &Flow, id: TunnelId, before: Timestamp) -> Result<Tunnel, Damage> {
    let (host, port) = server(reader, flow)?;
    let [sni, offers, ended] = reader.table(flow.client, ["sni", "alpn_offers", "timestamp_end"])?;
    let sni = Some(text(reader, sni)?.to_ascii_lowercase()).filter(|sni| !sni.is_empty());
    let mut alpn = Vec::new();
    reader.list(offers, &mut |reader, offer| {
        alpn.push(text(reader, offer)?);
        Ok(alpn.len() < MOST_OFFERS)
    })?;
    Ok(Tunnel {
        id,
        phase: UNSCRIPTED.to_owned(),
        host,
        port,
        sni,
        alpn,
        began: flow.created.unwrap_or(before),
        ended: time(reader, ended)?,
        outcome: TunnelOutcome::PassedThrough,
        evidence: TunnelEvidence::default(),
    })
}

/// Host and port that the phone wanted to reach: the name that was asked for, else the address that was connected to, else
/// the one that the phone spoke to.
fn server<R: Read + Seek>(reader: &mut Reader<R>, flow: &Flow) -> Result<(String, u16), Damage> {
    // `peername` was `ip_address` up to version 18, and `peer_address` up to 0.17.
    let [asked, peer, ip, older] = reader.table(flow.server, ["address", "peername", "ip_address", "peer_address"])?;
    let [spoken_to, sni] = reader.table(flow.client, ["sockname", "sni"])?;
    for item in [asked, peer, ip, older, spoken_to] {
        if let Some((host, port)) = address(reader, item)? {
            let sni = text(reader, sni)?.to_ascii_lowercase();
            let unnamed = host.parse::<IpAddr>().is_ok() && !sni.is_empty();
            return Ok((if unnamed { sni } else { host }, port));
        }
    }
    Ok(("unknown".to_owned(), 0))
}

fn connection_error<R: Read + Seek>(reader: &mut Reader<R>, connection: Item) -> Result<String, Damage> {
    let [error] = reader.table(connection, ["error"])?;
    text(reader, error)
}

/// What became of a TCP connection that mitmproxy did not see as HTTP.
fn tcp_outcome<R: Read + Seek>(reader: &mut Reader<R>, flow: &Flow) -> Result<TunnelOutcome, Damage> {
    let [set_up, older] = reader.table(flow.client, ["timestamp_tls_setup", "timestamp_ssl_setup"])?;
    let inside_tls = time(reader, set_up)?.or(time(reader, older)?).is_some();
    let mut opening = None;
    reader.list(flow.messages, &mut |reader, message| {
        let [from_client, content] = reader.first(message)?;
        if reader.is_true(from_client)? {
            opening = Some(reader.bytes(content, 2)?);
        }
        Ok(opening.is_none())
    })?;
    Ok(match opening.as_deref() {
        None => TunnelOutcome::ClosedWithoutRequest,
        // A TLS handshake record, RFC 8446 section 5.1.
        Some([0x16, 0x03]) => TunnelOutcome::PassedThrough,
        Some(_) if inside_tls => TunnelOutcome::PassedThrough,
        Some(_) => TunnelOutcome::NotTls,
    })
}

/// Protocols that a client offers are fewer.
const MOST_OFFERS: usize = 64;
