//! Rules about touching the world: the core never does, and only `main.rs` reads environment, clock and terminal.

use super::{
    LAYERS, Paths, Problem, Rule, Side,
    paths::{module_of, paths, references},
    source::Source,
};

pub(crate) const CORE_IS_PURE: Rule = Rule {
    name: "core-is-pure",
    check: core_is_pure,
    rejects: &[
        ("src/decode/mod.rs", "async fn f() {}"),
        ("src/decode/mod.rs", "use tokio::sync::mpsc;"),
        ("src/decode/mod.rs", "use std::{fmt, fs};"),
        ("src/diff/mod.rs", "fn f() { ::std::fs::read(a) }"),
        ("src/diff/mod.rs", "use std::net::TcpStream;"),
        ("src/decode/mod.rs", "fn f(host: &str) -> bool { host.parse::<std::net::IpAddr>().is_ok() }"),
        ("src/diff/mod.rs", "fn f() { std::env::var(a) }"),
        ("src/detect/mod.rs", "fn f() -> Timestamp { jiff::Timestamp::now() }"),
        ("src/detect/mod.rs", "use jiff::Timestamp as T; fn f() -> T { T::now() }"),
        ("src/detect/mod.rs", "use std::time::Instant;"),
        ("src/detect/mod.rs", "use std::time::{Duration, SystemTime};"),
        ("src/detect/mod.rs", "use crate::clock::Clock;"),
        ("src/report/mod.rs", "fn f() { println!(\"{x}\") }"),
        ("src/report/mod.rs", "use std::io::{self, Write}; fn f() { io::stdout() }"),
        ("src/report/mod.rs", "fn f() { tracing::info!(\"x\") }"),
        ("src/audit.rs", "fn f() { dbg!(x) }"),
        ("src/model/app.rs", "use std::fs::File;"),
    ],
    accepts: &[
        ("src/decode/mod.rs", "use std::{fmt, io::Read}; // async, tokio, std::fs\nfn f(now: Timestamp) -> &'static str { \"println!\" }"),
        ("src/decode/mod.rs", "#[cfg(test)] mod tests { #[tokio::test] async fn t() { std::env::var(a); } }"),
        ("src/decode/mod.rs", "fn f(host: &str) -> bool { host.parse::<core::net::IpAddr>().is_ok() }"),
        ("src/report/mod.rs", "fn f(out: &mut dyn std::io::Write) { writeln!(out, \"x\") }"),
        ("src/traffic/proxy.rs", "use std::net::SocketAddr; async fn f() { tokio::spawn(g()) }"),
        ("src/store/mod.rs", "use std::fs;"),
    ],
};

pub(crate) const SURROUNDINGS_IN_MAIN: Rule = Rule {
    name: "surroundings-in-main",
    check: surroundings_in_main,
    rejects: &[
        ("src/cli/mod.rs", "fn f() { std::env::var(a) }"),
        ("src/store/mod.rs", "use std::{env, fs};"),
        ("src/cli/mod.rs", "fn f() { jiff::Timestamp::now() }"),
        ("src/cli/mod.rs", "fn f() { Zoned::now() }"),
        ("src/phone/mod.rs", "fn f() { std::time::SystemTime::now() }"),
        ("src/cli/mod.rs", "use std::io::IsTerminal;"),
        ("src/cli/mod.rs", "fn f() { std::io::stdout() }"),
        ("src/cli/mod.rs", "fn f() { terminal_size::terminal_size() }"),
    ],
    accepts: &[
        ("src/main.rs", "use std::{env, io::IsTerminal}; fn f() { Timestamp::now(); std::io::stdout() }"),
        ("src/clock.rs", "fn now() { Timestamp::now() }"),
        ("src/cli/mod.rs", "const V: &str = env!(\"CARGO_PKG_VERSION\"); fn f(s: &S) { s.clock.now(); s.env(\"CI\"); Instant::now() }"),
        ("src/cli/mod.rs", "#[cfg(test)] mod tests { fn t() { std::env::temp_dir() } }"),
        ("tests/har.rs", "fn corpus() { std::env::var_os(\"TATTLETALE_CORPUS\") }"),
    ],
};

fn core_is_pure(source: &Source, _: &Paths) -> Vec<Problem> {
    let Some(module) = module_of(&source.path) else { return Vec::new() };
    // `model` is no part of the core, but as plain data it promises the same.
    if module != "model" && !LAYERS.iter().any(|(_, name, side)| *name == module && *side == Side::Core) {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let mut object = |at: usize, what: &str| {
        problems.push(Problem { line: source.line(at), says: format!("`{module}` is synchronous and touches nothing: {what}") });
    };
    let tokens = source.tokens();
    for (index, token) in tokens.iter().enumerate() {
        let is_macro = tokens.get(index + 1).is_some_and(|next| next.text == "!");
        if IMPURE_WORDS.contains(&token.text) || (is_macro && PRINTING.contains(&token.text)) {
            object(token.at, token.text);
        }
    }
    for path in paths(source) {
        let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
        match segments[..] {
            ["std", "net", ..] => object(path.at, "std::net (addresses as data are in core::net)"),
            ["std", "fs" | "env" | "process", ..] => object(path.at, &segments[..2].join("::")),
            [.., "now"] | [.., "TimeZone", "system"] | [.., "io", "stdin" | "stdout" | "stderr"] => object(path.at, &segments.join("::")),
            _ => {}
        }
    }
    for reference in references(source).into_iter().filter(|reference| reference.module == "clock") {
        problems.push(Problem { line: reference.line, says: format!("`{module}` has no clock: times come with the data") });
    }
    problems
}

fn surroundings_in_main(source: &Source, _: &Paths) -> Vec<Problem> {
    if !source.path.starts_with("src/") || source.path == "src/main.rs" {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let mut object = |at: usize, what: &str| {
        problems.push(Problem { line: source.line(at), says: format!("{what}: only main.rs reads environment, clock and terminal") });
    };
    for path in paths(source) {
        let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
        match segments[..] {
            // A stopwatch tells no time.
            [.., "Instant", "now"] => {}
            [.., "now"] if source.path == "src/clock.rs" => {}
            ["std", "env", ..] | [.., "now"] | [.., "io", "stdin" | "stdout" | "stderr"] => object(path.at, &segments.join("::")),
            _ => {}
        }
    }
    for token in source.tokens().iter().filter(|token| matches!(token.text, "IsTerminal" | "terminal_size")) {
        object(token.at, token.text);
    }
    problems
}

const IMPURE_WORDS: &[&str] =
    &["async", "await", "btleplug", "hudsucker", "hyper", "Instant", "rustls", "socket2", "SystemTime", "tokio", "tracing"];

const PRINTING: &[&str] = &["dbg", "eprint", "eprintln", "print", "println"];
