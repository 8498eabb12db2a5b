//! Node: its own `fetch`, and the library `ws`.

use std::path::PathBuf;

use crate::{Ended, bench::Bench, client, installed, is_there, own, run, skip};

#[test]
fn fetch_uploads_as_it_is_recorded() {
    let Some(modules) = modules() else { return };
    let bench = Bench::start();
    let told = node(&bench, &modules, &["fetch.js"]).well();
    assert_eq!(told.lines().filter(|line| line.starts_with("200 ")).count(), 6, "{told}");
    assert_eq!(bench.finish().assert_equal(), 26);
}

#[test]
fn a_websocket_keeps_its_subprotocol_and_its_messages_are_recorded() {
    for url in ["wss://socket.test/talk?as=node", "ws://socket.test/talk"] {
        let Some(modules) = modules() else { return };
        let bench = Bench::start();
        let told = node(&bench, &modules, &["websocket.js", url, "mqtt", "chat.v1"]).well();
        let expected = [
            "protocol mqtt",
            "text 7 as sent",
            "binary 100000 as sent",
            "text 0 as sent",
            "binary 2 as sent",
            "text 8 as sent",
            "closed 1000",
        ];
        assert_eq!(told.lines().collect::<Vec<_>>(), expected, "{url}");
        let outcome = bench.finish();
        assert_eq!(outcome.assert_equal(), 1, "{url}");
        assert_eq!(outcome.log.messages.len(), 11, "five each way, and the client's reason for closing");
    }
}

fn node(bench: &Bench, modules: &PathBuf, arguments: &[&str]) -> Ended {
    let mut command = client("node");
    // How people make a Node program trust a proxy's authority, and where it finds the libraries.
    command.env("NODE_EXTRA_CA_CERTS", bench.ca()).env("NODE_PATH", modules).env("PROXY", bench.proxy());
    command.arg(own(arguments[0])).args(&arguments[1..]);
    run(&mut command, b"")
}

fn modules() -> Option<PathBuf> {
    let modules = installed("node_modules").filter(|_| is_there("node", "--version"));
    if modules.is_none() {
        skip("node, or the libraries undici and ws for it, are not installed");
    }
    modules
}
