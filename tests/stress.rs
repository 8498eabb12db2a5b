//! Ten thousand exchanges, 64 at a time, with clients that abort, stall, reset, send garbage and lie about lengths, and the same again:
//! each completed one is in the log exactly once, byte for byte what the server received, and nothing is left behind.
#![allow(clippy::print_stdout, reason = "the figures are worth a look")]

mod bench;
#[path = "stress/client.rs"]
mod client;

use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bench::{
    Bench,
    cloud::{Digest, Receipt},
    wait_until,
};
use client::{Client, Completed, Target};
use tattletale::model::{Recording as _, RunEvent};

#[test]
fn ten_thousand_exchanges_and_the_same_again() {
    if std::env::var_os(INSIDE).is_none() {
        // In a process of its own, whose allocator gives back what is free: what the program keeps is to be measured.
        let this = std::env::current_exe().expect("a program has a path");
        let mut command = Command::new(this);
        command.args(["--exact", "ten_thousand_exchanges_and_the_same_again", "--nocapture"]).env(INSIDE, "yes");
        command.env("MALLOC_ARENA_MAX", "2").env("MALLOC_TRIM_THRESHOLD_", "65536").env("MALLOC_MMAP_THRESHOLD_", "65536");
        assert!(command.status().expect("it can be started").success(), "it said why");
        return;
    }
    let bench = Bench::start();
    let before = descriptors();
    read_each_host_once(&bench);
    let mut after = Vec::new();
    for round in 0..ROUNDS {
        let began = Instant::now();
        let completed = clients(&bench, round);
        bench.mark(&format!("round {round}"));
        let receipts = bench.cloud.take().0;
        let found = compare(&bench, round, &completed, &receipts);
        drop((completed, receipts));
        // The servers' end of what clients left in the middle.
        bench.cloud.hang_up();
        wait_until("every connection is closed", LIMIT, || descriptors() == before);
        after.push(memory());
        println!("round {round}: {found}, {:.1} s, {} KiB", began.elapsed().as_secs_f64(), memory() / 1024);
    }
    // Fewer exchanges do not fill what is kept of the latest ones, and so still make it grow.
    if !cfg!(debug_assertions) {
        let (first, again) = (after[ROUNDS - 2], after[ROUNDS - 1]);
        assert!(again.saturating_sub(first) * 20 <= first, "bytes of memory after each round: {after:?}");
    }
    bench.finish();
}

/// One upload to each host: three clients that refuse our certificate before anything was read would have a host passed through
/// unread, and that is held to elsewhere.
fn read_each_host_once(bench: &Bench) {
    let target = Arc::new(Target::new(bench.address(), &bench.authority().certificate_der(), &bench.cloud.authority().certificate_der()));
    bench.runtime().block_on(async {
        for host in 0..client::HOSTS {
            // No round counts these numbers.
            let number = ROUNDS * EXCHANGES + host;
            Client::new(Arc::clone(&target), host).upload(number).await.expect("the first upload to a host is read");
        }
    });
    bench.cloud.take();
    bench.cloud.hang_up();
}

/// Runs the clients of a round. Gives what they know to have been done.
fn clients(bench: &Bench, round: usize) -> Vec<Completed> {
    let next = Arc::new(AtomicUsize::new(round * EXCHANGES));
    let target = Arc::new(Target::new(bench.address(), &bench.authority().certificate_der(), &bench.cloud.authority().certificate_der()));
    bench.runtime().block_on(async {
        let workers: Vec<_> = (0..AT_ONCE)
            .map(|worker| {
                let (next, target) = (Arc::clone(&next), Arc::clone(&target));
                tokio::spawn(async move {
                    let (mut client, mut completed) = (Client::new(target, worker), Vec::new());
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        if number >= (round + 1) * EXCHANGES {
                            return completed;
                        }
                        let done = tokio::time::timeout(LIMIT, client.perform(number)).await;
                        completed.extend(done.unwrap_or_else(|_| panic!("exchange {number} never ended")));
                    }
                })
            })
            .collect();
        let mut completed = Vec::new();
        for worker in workers {
            completed.extend(worker.await.expect("a client's assertions hold"));
        }
        completed
    })
}

/// Compares what clients, servers and log say of a round.
fn compare(bench: &Bench, round: usize, completed: &[Completed], receipts: &[Receipt]) -> String {
    let received: BTreeMap<&str, &Receipt> = receipts.iter().map(|receipt| (id(&receipt.url), receipt)).collect();
    assert_eq!(received.len(), receipts.len(), "no server received anything twice");
    let log = logged(bench, round);

    for (id, receipt) in &received {
        let logged = log.get(*id).unwrap_or_else(|| panic!("{id} reached the server and is not in the log"));
        assert_eq!(logged.sent.as_ref(), Some(&receipt.sent), "{id}: what the server received");
    }
    for done in completed {
        let logged = log.get(&done.id).unwrap_or_else(|| panic!("{} was completed and is not in the log", done.id));
        let receipt = received.get(&*done.id).unwrap_or_else(|| panic!("{} was completed and never reached the server", done.id));
        assert_eq!((&receipt.sent, &receipt.answered), (&done.sent, &done.answered), "{}: between client and server", done.id);
        assert_eq!((&logged.error, logged.status), (&None, Some(200)), "{}: it was completed", done.id);
        assert_eq!(logged.answered.as_ref(), Some(&done.answered), "{}: what the client was answered", done.id);
    }
    let mut whole = 0;
    for (id, logged) in &log {
        if logged.error.is_none() && logged.status == Some(200) {
            whole += 1;
            let receipt = received.get(&**id).unwrap_or_else(|| panic!("{id} is said to be complete and never reached a server"));
            assert_eq!(logged.answered.as_ref(), Some(&receipt.answered), "{id}: what the server answered");
        }
    }
    let honest = (round * EXCHANGES..(round + 1) * EXCHANGES).filter(|number| Client::must_complete(*number)).count();
    assert!(completed.len() >= honest, "{} of at least {honest} were completed", completed.len());
    format!("{} completed, {} received, {} in the log, {whole} of them whole", completed.len(), received.len(), log.len())
}

/// An exchange as the log has it, in little memory.
struct Logged {
    sent: Option<Digest>,
    answered: Option<Digest>,
    status: Option<u16>,
    error: Option<String>,
}

/// A round's exchanges as they are in the log, each once.
fn logged(bench: &Bench, round: usize) -> BTreeMap<String, Logged> {
    let mut log = BTreeMap::new();
    bench
        .reader()
        .replay(&mut |event, bodies| {
            let RunEvent::Exchange(exchange) = &event.event else { return };
            let id = id(exchange.request.url.path_and_query.expose()).to_owned();
            let number = id.trim_end_matches('b').parse::<usize>().unwrap_or(usize::MAX);
            if number / EXCHANGES != round {
                return;
            }
            let logged = Logged {
                sent: bench::digest_of(&exchange.request.body, bodies),
                answered: exchange.response.as_ref().and_then(|response| bench::digest_of(&response.body, bodies)),
                status: exchange.response.as_ref().map(|response| response.status),
                error: exchange.error.clone(),
            };
            assert!(log.insert(id, logged).is_none(), "in the log twice: {}", exchange.place());
        })
        .expect("the log can be read to its end");
    log
}

/// The last part of a URL names the exchange.
fn id(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

/// Open descriptors of this process, but the one that looks.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count().saturating_sub(1))
}

/// Bytes of memory that this process has.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.expect("Linux tells a process its memory") * 1024
}

const INSIDE: &str = "TATTLETALE_STRESS";
/// How many a round has. Without optimisation, cryptography alone would take minutes.
const EXCHANGES: usize = if cfg!(debug_assertions) { 1_500 } else { 10_000 };
/// All but two are rehearsals: what is kept of the latest requests, and of TLS sessions, has its bounds, and these are reached. Over
/// ten rounds, memory does not grow after the fourth.
const ROUNDS: usize = 8;
const AT_ONCE: usize = 64;
/// Far more than anything here needs, on any machine.
const LIMIT: Duration = Duration::from_secs(60);
