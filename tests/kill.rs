//! The proxy is killed (`kill -9`) fifty times, at random moments, under 32 uploading clients: each capture can be read, its chain
//! holds, and what it lacks of the servers' own list was in flight: who has a whole answer is in it.
#![cfg(unix)]
#![allow(clippy::print_stdout, reason = "the figures are worth a look")]

mod bench;
#[path = "stress/client.rs"]
mod client;
mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bench::{
    Log,
    cloud::{Cloud, Receipt, upstream_signed_by},
    record, wait_until,
};
use client::{Client, Completed, Opened, Target, Tunnels};
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use tattletale::traffic::{RunningSource as _, authority::Authority};
use tokio::runtime::Runtime;

#[test]
fn killed_fifty_times_under_load() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let open = kill(50, folder.path(), &Proxy::start, &Client::new, &|_| {});
    assert!(open >= 50 * AT_ONCE / 2, "each client keeps tunnels open, and {open} were told");
}

#[test]
fn the_program_killed_ten_times_while_watching() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    kill(10, folder.path(), &Proxy::watch, &Client::plain, &|capture| {
        let place = support::Place::empty();
        let ended = place.run(&["import", &capture.to_string_lossy()]);
        assert!(ended.code == Some(0) && ended.err.contains("breaks off"), "what is left can be imported: {ended:?}");
    });
}

/// Lets clients upload through a proxy, kills it, and compares what it recorded with what the servers received and with the clients' own
/// lists of tunnels; so many times. Gives how many tunnels were told as open.
fn kill(
    times: usize,
    folder: &Path,
    start: &dyn Fn(&Path, &Cloud) -> Proxy,
    client: &dyn Fn(Arc<Target>, usize) -> Client,
    look: &dyn Fn(&Path),
) -> usize {
    // Two loads at once would starve each other's writer.
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = Runtime::new().expect("threads can be started");
    let cloud = runtime.block_on(Cloud::start());
    let stalls = Stalls::watch();
    let mut rng = fastrand::Rng::with_seed(50);
    let (mut recorded, mut open) = (0, 0);
    for round in 0..times {
        let place = folder.join(round.to_string());
        fs::create_dir(&place).expect("the folder is writable");
        let proxy = start(&place, &cloud);
        let load = Load::start(&runtime, &proxy, &cloud, client, round);
        wait_until("uploads are under way", LIMIT, || load.completed() >= AT_ONCE);
        std::thread::sleep(Duration::from_millis(rng.u64(0..300)));
        stalls.forget();
        std::thread::sleep(SETTLE);
        let killed = proxy.kill();
        let held_up = stalls.longest();
        let (completed, tunnels) = load.finish(&runtime);
        cloud.hang_up();

        let capture = capture_in(&place);
        look(&capture);
        let log = Log::read(&capture);
        let (receipts, _) = cloud.take();
        open += compare_tunnels(round, killed, held_up, &tunnels, &log);
        recorded += compare(round, &completed, &receipts, &log);
        fs::remove_dir_all(&place).expect("the folder is writable");
    }
    println!("{times} kills: all {recorded} completed uploads are in the logs; {open} tunnels are told as still open");
    open
}

/// Not a test, but the process that [`killed_fifty_times_under_load`] kills: it starts this very binary with [`PLACE`] set.
#[test]
fn a_proxy_to_be_killed() {
    let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) else { return };
    let read = |name: &str| fs::read(place.join(name)).expect("written before this process was started");
    let addresses: Vec<SocketAddr> =
        String::from_utf8(read(CLOUD)).expect("text").lines().map(|line| line.parse().expect("an address")).collect();
    let [tls, plain, dead] = addresses[..] else { panic!("three addresses") };
    let root = CertificateDer::from(read(CLOUD_CERTIFICATE));
    let authority = Arc::new(Authority::generate("tattletale audit (test)", Timestamp::now()).expect("an authority"));
    fs::write(place.join(CERTIFICATE), authority.certificate_der()).expect("the folder is writable");
    let runtime = Runtime::new().expect("threads can be started");
    let _inside = runtime.enter();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let (proxy, _recorder, _writing) = record(&place, listen, authority, upstream_signed_by(tls, plain, dead, root));
    // Whole or not there at all.
    fs::write(place.join("address.part"), proxy.address().expect("it listens").to_string()).expect("the folder is writable");
    fs::rename(place.join("address.part"), place.join(ADDRESS)).expect("the folder is writable");
    // Ends by being killed, or with the process that would.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    std::process::abort();
}

/// A proxy in a process of its own.
struct Proxy {
    child: Child,
    place: PathBuf,
}

impl Proxy {
    fn start(place: &Path, cloud: &Cloud) -> Self {
        let addresses = cloud.addresses().map(|address| address.to_string()).join("\n");
        fs::write(place.join(CLOUD), addresses).expect("the folder is writable");
        fs::write(place.join(CLOUD_CERTIFICATE), cloud.authority().certificate_der()).expect("the folder is writable");
        let this = std::env::current_exe().expect("a program has a path");
        let mut command = Command::new(this);
        command.args(["--exact", "a_proxy_to_be_killed", "--nocapture"]).env(PLACE, place);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it can be started");
        let proxy = Self { child, place: place.to_owned() };
        wait_until("the proxy listens", LIMIT, || place.join(ADDRESS).exists());
        proxy
    }

    /// The built program, whose way to the servers is a proxy as well: the one without TLS takes whole URLs.
    fn watch(place: &Path, cloud: &Cloud) -> Self {
        let (out, err) = (place.join("out.txt"), place.join("err.txt"));
        let [_, plain, _] = cloud.addresses();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tattletale"));
        command.args(["watch", "--lines", "--out", "runs", "--upstream-proxy", &format!("http://{plain}")]).current_dir(place);
        command.env_remove("CI").env("NO_COLOR", "1").stdin(Stdio::null());
        command
            .stdout(fs::File::create(&out).expect("the folder is writable"))
            .stderr(fs::File::create(&err).expect("the folder is writable"));
        let child = command.spawn().expect("it can be started");
        let proxy = Self { child, place: place.to_owned() };
        let told = || fs::read_to_string(&out).unwrap_or_default();
        wait_until("the proxy listens", LIMIT, || told().contains("\ncapture "));
        let told = told();
        let port = told.lines().find(|line| line.starts_with("proxy ")).and_then(|line| line.rsplit(':').next()?.parse().ok());
        let address = SocketAddr::from(([127, 0, 0, 1], port.unwrap_or_else(|| panic!("it names its port: {told}"))));
        fs::write(place.join(ADDRESS), address.to_string()).expect("the folder is writable");
        // Nobody asks it for a certificate here.
        fs::write(place.join(CERTIFICATE), cloud.authority().certificate_der()).expect("the folder is writable");
        proxy
    }

    fn address(&self) -> SocketAddr {
        fs::read_to_string(self.place.join(ADDRESS)).expect("it listens").parse().expect("an address")
    }

    fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from(fs::read(self.place.join(CERTIFICATE)).expect("it listens"))
    }

    /// Kills it. Gives the moment before.
    fn kill(mut self) -> Instant {
        let before = Instant::now();
        // SIGKILL, on every Unix.
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
        before
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long this machine keeps a thread waiting that could run: no writer can do better than its turn comes.
struct Stalls {
    longest: Arc<Mutex<Duration>>,
    over: Arc<AtomicBool>,
}

impl Stalls {
    fn watch() -> Self {
        let stalls = Self { longest: Arc::default(), over: Arc::default() };
        let (longest, over) = (Arc::clone(&stalls.longest), Arc::clone(&stalls.over));
        std::thread::spawn(move || {
            while !over.load(Ordering::SeqCst) {
                let before = Instant::now();
                std::thread::sleep(TURN);
                let late = before.elapsed().saturating_sub(TURN);
                let mut longest = longest.lock().unwrap_or_else(PoisonError::into_inner);
                *longest = longest.max(late);
            }
        });
        stalls
    }

    fn forget(&self) {
        *self.longest.lock().unwrap_or_else(PoisonError::into_inner) = Duration::ZERO;
    }

    fn longest(&self) -> Duration {
        *self.longest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

/// Clients that upload until the proxy is gone.
struct Load {
    completed: Arc<Mutex<Vec<Completed>>>,
    clients: Vec<tokio::task::JoinHandle<()>>,
    tunnels: Vec<Tunnels>,
    over: Arc<AtomicBool>,
}

impl Load {
    fn start(runtime: &Runtime, proxy: &Proxy, cloud: &Cloud, client: &dyn Fn(Arc<Target>, usize) -> Client, round: usize) -> Self {
        let target = Arc::new(Target::new(proxy.address(), &proxy.certificate(), &cloud.authority().certificate_der()));
        let completed = Arc::<Mutex<Vec<_>>>::default();
        let (next, over) = (Arc::new(AtomicUsize::new(round * A_ROUND)), Arc::<AtomicBool>::default());
        let mut tunnels = Vec::new();
        let clients = (0..AT_ONCE)
            .map(|worker| {
                let (completed, next, over) = (Arc::clone(&completed), Arc::clone(&next), Arc::clone(&over));
                let mut client = client(Arc::clone(&target), worker);
                tunnels.push(client.tunnels());
                runtime.spawn(async move {
                    while !over.load(Ordering::SeqCst) {
                        // When the proxy is killed, whatever was under way fails.
                        let Ok(done) = client.upload(next.fetch_add(1, Ordering::SeqCst)).await else { return };
                        completed.lock().unwrap_or_else(PoisonError::into_inner).extend(done);
                    }
                })
            })
            .collect();
        Self { completed, clients, tunnels, over }
    }

    fn completed(&self) -> usize {
        self.completed.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What was completed; and all tunnels that the clients asked for.
    fn finish(self, runtime: &Runtime) -> (Vec<Completed>, Vec<Opened>) {
        self.over.store(true, Ordering::SeqCst);
        for mut client in self.clients {
            match runtime.block_on(async { tokio::time::timeout(PATIENCE, &mut client).await }) {
                Ok(ended) => ended.expect("a client's assertions hold"),
                // What a client still waits for from a proxy that is gone is nothing that it was given.
                Err(_) => client.abort(),
            }
        }
        let tunnels = self.tunnels.iter().flat_map(|tunnels| tunnels.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect();
        (std::mem::take(&mut *self.completed.lock().unwrap_or_else(PoisonError::into_inner)), tunnels)
    }
}

/// Holds what the log has against what the servers received and what the clients know to be complete. Tells how much that is.
fn compare(round: usize, completed: &[Completed], receipts: &[Receipt], log: &Log) -> usize {
    assert_eq!(log.verified.missing_bodies, 0, "kill {round}: a line never speaks of a body that is not there");
    let id = |url: &str| url.rsplit('/').next().unwrap_or_default().to_owned();
    let received: BTreeMap<String, &Receipt> = receipts.iter().map(|receipt| (id(&receipt.url), receipt)).collect();
    let mut logged = BTreeMap::new();
    for recorded in &log.exchanges {
        let exchange = &recorded.exchange;
        let id = id(exchange.request.url.path());
        let receipt =
            received.get(&id).unwrap_or_else(|| panic!("kill {round}: {id} never reached a server, and is in the log as {exchange:?}"));
        assert_eq!(recorded.request.as_ref(), Some(&receipt.sent), "kill {round}: {id}");
        assert!(logged.insert(id.clone(), recorded).is_none(), "kill {round}: {id} is in the log twice");
    }
    let lost: Vec<_> = completed.iter().map(|done| &done.id).filter(|id| !logged.contains_key(*id)).collect();
    assert!(lost.is_empty(), "kill {round}: {lost:?} were answered, and are not in the log");
    completed.len()
}

/// Holds what the log tells of open tunnels against the clients' own lists, host by host. Tells how many there were.
fn compare_tunnels(round: usize, killed: Instant, held_up: Duration, tunnels: &[Opened], log: &Log) -> usize {
    let told = &log.verified.open_tunnels;
    // What happened so shortly before may be in the log or not.
    let settled = |at: Instant| at + MOST_LOST + held_up < killed;
    let mut hosts: Vec<&str> = tunnels.iter().map(|tunnel| tunnel.host.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    for host in &hosts {
        let of_host = || tunnels.iter().filter(|tunnel| tunnel.host == *host);
        let open = |tunnel: &&Opened| tunnel.closed.is_none_or(|at| at >= killed) && tunnel.opened.is_some_and(settled);
        let (least, most) = (of_host().filter(open).count(), of_host().filter(|tunnel| !tunnel.closed.is_some_and(settled)).count());
        let told = told.iter().filter(|tunnel| tunnel.host == *host).count();
        assert!((least..=most).contains(&told), "kill {round}: {told} tunnels to {host} are told as open, and {least} to {most} were");
    }
    assert!(told.iter().all(|tunnel| hosts.contains(&tunnel.host.as_str())), "kill {round}: nobody opened one of {told:?}");
    told.len()
}

/// The only capture below a folder.
fn capture_in(place: &Path) -> PathBuf {
    let folders = |place: &Path| fs::read_dir(place).expect("there").flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    let place = if place.join("runs").exists() { place.join("runs") } else { place.to_owned() };
    let captures: Vec<_> = folders(&place).filter(|folder| folder.join("events.jsonl").exists()).collect();
    let [capture] = &captures[..] else { panic!("one capture: {captures:?}") };
    capture.clone()
}

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
const AT_ONCE: usize = 32;
/// How often it is looked whether threads get their turn, and for how long before a kill.
const TURN: Duration = Duration::from_millis(1);
const SETTLE: Duration = Duration::from_millis(100);
/// A tunnel that was opened or closed so shortly before may be told or not. Without optimisation, the writer's digests alone take
/// longer.
const MOST_LOST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 50 });
/// Numbers of exchanges that a round may use.
const A_ROUND: usize = 1_000_000;
/// Clients whose proxy was killed notice at once, as a rule.
const PATIENCE: Duration = Duration::from_secs(5);
/// Far more than anything here needs, on any machine.
const LIMIT: Duration = Duration::from_secs(60);

const PLACE: &str = "TATTLETALE_KILL_PLACE";
const ADDRESS: &str = "address";
const CERTIFICATE: &str = "authority.der";
const CLOUD: &str = "cloud";
const CLOUD_CERTIFICATE: &str = "cloud.der";
