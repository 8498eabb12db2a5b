//! Invented flows for tests, spelled as each version of mitmproxy spelled them: its own reader takes all of them.

use self::Value::{Bool, Bytes, Float, Int, List, Null, Table, Text};
use super::flow::Version;

/// What a typed netstring can hold.
#[derive(Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(&'static str),
    Bytes(Vec<u8>),
    Text(&'static str),
    List(Vec<Value>),
    Table(Vec<(&'static str, Value)>),
}

impl Value {
    /// As mitmproxy writes it: `old` ones have no tag for text.
    pub(super) fn encode(&self, old: bool) -> Vec<u8> {
        let (payload, tag) = match self {
            Null => (Vec::new(), b'~'),
            Bool(value) => (value.to_string().into_bytes(), b'!'),
            Int(value) => (value.to_string().into_bytes(), b'#'),
            Float(text) => (text.as_bytes().to_vec(), b'^'),
            Bytes(bytes) => (bytes.clone(), b','),
            Text(text) => (text.as_bytes().to_vec(), if old { b',' } else { b';' }),
            List(items) => (items.iter().flat_map(|item| item.encode(old)).collect(), b']'),
            Table(items) => (items.iter().flat_map(|(key, value)| [Text(key).encode(old), value.encode(old)].concat()).collect(), b'}'),
        };
        [format!("{}:", payload.len()).as_bytes(), payload.as_slice(), &[tag]].concat()
    }

    /// A table with other entries put in.
    pub(super) fn with(self, more: Vec<(&'static str, Value)>) -> Self {
        let Table(mut items) = self else { panic!("a table") };
        for (key, value) in more {
            match items.iter_mut().find(|(known, _)| *known == key) {
                Some((_, known)) => *known = value,
                None => items.push((key, value)),
            }
        }
        Table(items)
    }

    pub(super) fn without(self, keys: &[&str]) -> Self {
        let Table(mut items) = self else { panic!("a table") };
        items.retain(|(key, _)| !keys.contains(key));
        Table(items)
    }
}

pub(super) fn bytes(text: &str) -> Value {
    Bytes(text.as_bytes().to_vec())
}

pub(super) fn headers(pairs: &[(&str, &str)]) -> Value {
    List(pairs.iter().map(|(name, value)| List(vec![bytes(name), bytes(value)])).collect())
}

pub(super) fn address(host: &'static str, port: i64) -> Value {
    List(vec![Text(host), Int(port)])
}

/// A flow of the newest version: `POST https://api.test/v1?q=1`, answered by 201.
pub(super) fn newest() -> Value {
    let connection = |peer: Value, sock: Value| {
        Table(vec![
            ("id", Text("5c0ffee5-0000-4000-8000-000000000001")),
            ("peername", peer),
            ("sockname", sock),
            ("transport_protocol", Text("tcp")),
            ("error", Null),
            ("tls", Bool(true)),
            ("certificate_list", List(vec![])),
            ("alpn", bytes("h2")),
            ("alpn_offers", List(vec![bytes("h2"), bytes("http/1.1")])),
            ("cipher", Null),
            ("cipher_list", List(vec![])),
            ("tls_version", Text("TLSv1.3")),
            ("sni", Text("api.test")),
            ("timestamp_start", Float("1700000000.0")),
            ("timestamp_end", Float("1700000009.0")),
            ("timestamp_tls_setup", Float("1700000000.25")),
        ])
    };
    Table(vec![
        ("version", Int(21)),
        ("type", Text("http")),
        ("id", Text("5c0ffee5-0000-4000-8000-0000000000f1")),
        ("error", Null),
        (
            "client_conn",
            connection(address("192.0.2.7", 50_000), address("192.0.2.1", 8080))
                .with(vec![("mitmcert", Null), ("proxy_mode", Text("regular"))]),
        ),
        (
            "server_conn",
            connection(address("198.51.100.9", 443), address("192.0.2.1", 50_001)).with(vec![
                ("address", address("api.test", 443)),
                ("timestamp_tcp_setup", Float("1700000000.1")),
                ("via", Null),
            ]),
        ),
        ("intercepted", Bool(false)),
        ("is_replay", Null),
        ("marked", Text("")),
        ("metadata", Table(vec![])),
        ("comment", Text("")),
        ("timestamp_created", Float("1700000000.5")),
        ("backup", Null),
        (
            "request",
            Table(vec![
                ("http_version", bytes("HTTP/1.1")),
                ("headers", headers(&[("Host", "api.test"), ("X-Twice", "a"), ("X-Twice", "b")])),
                ("content", bytes("steps=12")),
                ("trailers", Null),
                ("timestamp_start", Float("1700000000.5")),
                ("timestamp_end", Float("1700000000.6")),
                ("host", Text("api.test")),
                ("port", Int(443)),
                ("method", bytes("POST")),
                ("scheme", bytes("https")),
                ("authority", bytes("")),
                ("path", bytes("/v1?q=1")),
            ]),
        ),
        (
            "response",
            Table(vec![
                ("http_version", bytes("HTTP/1.1")),
                ("headers", headers(&[("Content-Type", "application/json")])),
                ("content", bytes("{}")),
                ("trailers", Null),
                ("timestamp_start", Float("1700000001.0")),
                ("timestamp_end", Float("1700000001.25")),
                ("status_code", Int(201)),
                ("reason", bytes("Created")),
            ]),
        ),
        ("websocket", Null),
    ])
}

pub(super) fn part(flow: &Value, key: &str) -> Value {
    let Table(items) = flow else { panic!("a table") };
    items.iter().find(|(known, _)| *known == key).map_or(Null, |(_, value)| value.clone())
}

/// The same flow as a version before wrote it: the steps of `compat.py` backwards, as far as an import can see them.
pub(super) fn of_version(version: Version) -> Vec<u8> {
    let flow = newest();
    let (mut client, mut server) = (part(&flow, "client_conn"), part(&flow, "server_conn"));
    let (mut request, mut response) = (part(&flow, "request"), part(&flow, "response"));
    let mut top: Vec<(&'static str, Value)> = Vec::new();
    let mut gone: Vec<&str> = Vec::new();
    let before = |limit: u64| matches!(version, Version::Pair(..)) || version < Version::Plain(limit);
    if before(19) {
        client = client.without(&["peername", "cipher", "transport_protocol"]).with(vec![
            ("address", address("192.0.2.7", 50_000)),
            ("tls_extensions", Null),
            ("tls_established", Bool(true)),
            ("cipher_name", Null),
            ("state", Int(0)),
        ]);
        server = server.without(&["peername", "sockname", "via", "cipher", "transport_protocol"]).with(vec![
            ("ip_address", address("198.51.100.9", 443)),
            ("source_address", address("192.0.2.1", 50_001)),
            ("tls_established", Bool(true)),
            ("cipher_name", Null),
            ("via", Null),
            ("via2", Null),
            ("state", Int(0)),
        ]);
    }
    if before(18) {
        client = client.without(&["proxy_mode"]);
        gone.push("backup");
    }
    if before(16) {
        gone.push("timestamp_created");
    }
    if before(14) {
        gone.push("comment");
    }
    if before(13) {
        top.push(("marked", Bool(false)));
    }
    if before(12) {
        gone.push("websocket");
    }
    if before(11) {
        let older = |connection: Value| {
            connection.without(&["alpn"]).with(vec![("alpn_proto_negotiated", bytes("h2")), ("sni", bytes("api.test"))])
        };
        (client, server) = (older(client), older(server));
    }
    if before(10) {
        let newer = ["state", "error", "tls", "alpn_offers", "cipher_list", "certificate_list"];
        client = client.without(&newer).without(&["sockname"]).with(vec![("clientcert", Null)]);
        server = server.without(&newer).without(&["via2"]).with(vec![("cert", Null)]);
    }
    if before(9) {
        request = request.without(&["authority"]).with(vec![("first_line_format", Text("relative")), ("is_replay", Bool(false))]);
        response = response.with(vec![("is_replay", Bool(false))]);
        gone.push("is_replay");
    }
    if before(8) {
        (request, response) = (request.without(&["trailers"]), response.without(&["trailers"]));
    }
    if before(6) {
        let older = |connection: Value| {
            connection
                .without(&["tls_established", "timestamp_tls_setup"])
                .with(vec![("ssl_established", Bool(true)), ("timestamp_ssl_setup", Float("1700000000.25"))])
        };
        (client, server) = (older(client), older(server));
    }
    if let Version::Pair(major, minor) = version {
        let pair = if major == 0 { vec![Int(0), Int(minor as i64)] } else { vec![Int(major as i64), Int(0), Int(0)] };
        top.push(("version", List(pair)));
        if version < Version::Pair(2, 0) {
            let inside = |host, port| Table(vec![("address", address(host, port)), ("use_ipv6", Bool(false))]);
            client = client.with(vec![("address", inside("192.0.2.7", 50_000))]);
            server = server.with(vec![
                ("address", inside("api.test", 443)),
                ("source_address", inside("192.0.2.1", 50_001)),
                ("ip_address", inside("198.51.100.9", 443)),
            ]);
        }
        if version < Version::Pair(0, 18) {
            server = server.without(&["ip_address"]).with(vec![("peer_address", Null), ("state", List(vec![]))]);
            request = request.with(vec![("host", bytes("api.test"))]);
        }
        if version < Version::Pair(0, 16) {
            response = response.without(&["reason"]).with(vec![("msg", bytes("Created"))]);
            request = request.with(vec![("form_out", Text("relative"))]);
        }
        if version == Version::Pair(0, 14) || version == Version::Pair(0, 15) {
            request = request.without(&["content"]).with(vec![("body", bytes("steps=12"))]);
            response = response.without(&["content"]).with(vec![("body", bytes("{}"))]);
        }
        if version < Version::Pair(0, 14) {
            let numbers = || ("httpversion", List(vec![Int(1), Int(1)]));
            request = request.without(&["http_version", "first_line_format"]).with(vec![numbers(), ("form_in", Text("relative"))]);
            response = response.without(&["http_version", "status_code"]).with(vec![numbers(), ("code", Int(201))]);
        }
    } else if let Version::Plain(number) = version {
        top.push(("version", Int(number as i64)));
    }
    let parts = vec![("client_conn", client), ("server_conn", server), ("request", request), ("response", response)];
    let flow = flow.without(&gone).with(top).with(parts);
    flow.encode(version < Version::Pair(0, 18))
}

pub(super) fn versions() -> Vec<Version> {
    let pairs = (11..=19).map(|minor| Version::Pair(0, minor)).chain((1..=3).map(|major| Version::Pair(major, 0)));
    pairs.chain((4..=21).map(Version::Plain)).collect()
}
