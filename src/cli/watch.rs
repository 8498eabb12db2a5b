//! `watch`: somebody uses a phone by hand, and sees what leaves it while it does. Starts the proxy and a capture, shows what comes,
//! and ends in a capture like any other. Passes no verdict: that is `audit`'s.

use std::{
    convert::Infallible,
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use clap::Args;
use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;

use self::{
    admission::{Admission, Code},
    feed::{About, Feed},
    gate::WatchGate,
    outlet::Outlets,
    page::Facts,
    scope::Scope,
    screen::{Around, Asked, View},
    session::Session,
};
use super::{
    Exit, Failure, Surroundings, ca, files,
    inputs::{UNKNOWN_VERSION, platform},
    plant::Plant,
    terminal::{self, Taken},
};
use crate::{
    clock::Clock,
    model::{
        App, AppVersion, CaptureSource, Captured, PlantedValue, Platform, Provenance, Rig, RunEnding, RunEvent, Target,
        capture::CAPTURE_FORMAT, text::printable,
    },
    run::{RunError, authority, recorder},
    scenario::{forms, rig::StageLog as _},
    store::{
        RigFolder, capture,
        rig::{DEFAULT_RIG, RigInUse},
    },
    traffic::{
        RunningSource, TrafficError,
        proxy::{Gate, Proxy, ProxySetup, RunningProxy, Upstream, UpstreamProxy, UpstreamProxyError},
        queue::{self, TrafficReceiver},
    },
};

mod admission;
mod feed;
mod gate;
mod live;
mod onboarding;
mod outlet;
mod page;
mod qr;
mod scope;
mod screen;
mod session;
mod words;

pub(super) use onboarding::Onboarding;

/// Arguments of `watch`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Let other devices use the proxy, at this address of this computer, with or without a port; each has to enter a code first.
    /// Without it, only this computer can: a phone on a USB cable
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "0.0.0.0", value_parser = listen)]
    listen: Option<Listen>,
    /// Read only the hosts of this app, by the name of its folder, and services for measuring and crashes; all else is passed
    /// through unread
    #[arg(long)]
    app: Option<String>,
    /// Read only these hosts and those below them, `*` for any part of a name between two dots; all else is passed through unread
    #[arg(long, value_name = "HOST", value_parser = scope::pattern)]
    only: Vec<String>,
    /// The phone's platform, as it is to stand in the capture: android or ios
    #[arg(long, default_value = "android", value_parser = of_a_phone)]
    platform: Platform,
    /// The app's version, as it stands in the capture
    #[arg(long, value_name = "VERSION")]
    app_version: Option<String>,
    #[command(flatten)]
    plant: Plant,
    /// Reach servers by way of this proxy: http://host:port or socks5://host:port, with name:password@ before the host if it asks
    #[arg(long, value_name = "URL", value_parser = secret)]
    upstream_proxy: Option<Captured<String>>,
    /// Folder for the capture, instead of runs
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// End by itself after this time: 90s, 30m
    #[arg(long = "for", value_name = "DURATION", value_parser = forms::duration)]
    duration: Option<Duration>,
    /// The code that devices enter, instead of a new one
    #[arg(long, value_name = "DIGITS", value_parser = Code::parse, hide = true, requires = "listen")]
    code: Option<Code>,
    /// Lines instead of a table, also at a terminal
    #[arg(long)]
    lines: bool,
}

/// Where to listen; without a port, a usual one if it is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listen {
    address: IpAddr,
    port: Option<u16>,
}

/// Reads an address with or without a port.
fn listen(text: &str) -> Result<Listen, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Listen { address: address.ip(), port: Some(address.port()) });
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().map_err(|_| "an address of this computer, as in 192.0.2.20 or 192.0.2.20:8080".to_owned())?;
    Ok(Listen { address, port: None })
}

/// Takes a value as it is, to be read later: what is refused here is repeated on the terminal, and may hold a password.
fn secret(text: &str) -> Result<Captured<String>, Infallible> {
    Ok(Captured::new(text.to_owned()))
}

/// Where requests go. What is wrong with the proxy that was named is told without naming it.
fn upstream(arguments: &Arguments) -> Result<Upstream, Failure> {
    let Some(url) = &arguments.upstream_proxy else { return Ok(Upstream::System) };
    // Exposed to be read into a type that shows no password.
    let proxy: Result<UpstreamProxy, UpstreamProxyError> = url.expose().parse();
    proxy.map(Upstream::Through).map_err(|problem| Failure::usage(problem.to_string(), ""))
}

/// Reads the platform of a phone that a person holds.
fn of_a_phone(word: &str) -> Result<Platform, String> {
    let phone = platform(word).ok().filter(|platform| matches!(platform, Platform::Android | Platform::Ios));
    phone.ok_or_else(|| "a phone's platform is android or ios".to_owned())
}

/// Why a session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// As it should: a person, a signal or the clock said so.
    Asked,
    /// The proxy or the disk failed.
    Failed(String),
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    // Before anything else: nothing of the session may wait for whoever reads what is printed.
    let outlets = Outlets::between(surroundings).map_err(|problem| Failure::instrument(format!("print what comes: {problem}"), ""))?;
    let prepared = prepare(arguments, surroundings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|problem| Failure::instrument(format!("start the proxy: {problem}"), ""))?;
    let inside = runtime.enter();
    let Prepared { parent, provenance, gate, proxy, traffic, session, app, in_use } = prepared;

    let folder = Arc::new(Mutex::new(None));
    let about = About { app, provenance: provenance.clone(), folder: Arc::clone(&folder) };
    let (feed, watcher) =
        feed::start(about.clone()).map_err(|problem| Failure::instrument(format!("start decoding what is captured: {problem}"), ""))?;
    let source: Arc<dyn RunningSource> = Arc::new(proxy);
    let (recorder, writing) = recorder::start(&parent, provenance, Clock::real(), traffic, Arc::clone(&source), vec![watcher])?;
    let written_to = writing.folder().to_owned();
    folder.lock().unwrap_or_else(PoisonError::into_inner).replace(written_to.clone());
    let session = Session { capture: surroundings.shown(writing.folder()), ..session };

    let (ending, ended) = mpsc::channel();
    let signals = Signals::listen(ending.clone(), surroundings.end_at_once)
        .map_err(|problem| Failure::instrument(format!("listen for signals: {problem}"), ""))?;
    // A capture that cannot be written any more is no reason to take the phone's network away: only a proxy that is gone is.
    let unrecorded = Arc::new(OnceLock::new());
    let failing = {
        let (source, recorder, unrecorded) = (Arc::clone(&source), recorder.clone(), Arc::clone(&unrecorded));
        runtime.spawn(async move {
            let error = tokio::select! {
                error = source.failed() => error,
                why = recorder.failed() => {
                    let _ = unrecorded.set(why);
                    drop(recorder);
                    source.failed().await
                }
            };
            let _ = ending.send(End::Failed(error.to_string()));
        })
    };
    let watched = Watched { feed: &feed, session: &session, gate: &gate, ended: &ended, unrecorded: &unrecorded, outlets: &outlets };
    outlets.hurry();
    let shown = show(arguments, &watched, surroundings);
    // Whatever became of the table: from here on the capture is closed in good order.
    signals.closing();
    failing.abort();
    surroundings.note("closing the capture; Ctrl-C ends at once");
    let ending = match &shown {
        Ok(End::Failed(why)) => RunEnding::InstrumentFailed { why: why.clone() },
        Ok(End::Asked) | Err(_) => RunEnding::Complete,
    };
    let closed = runtime.block_on(async move {
        // The task holds the recorder until it is gone.
        let _ = failing.await;
        let stopped = source.stop().await.map_err(|error| error.to_string());
        let ending = match (ending, &stopped) {
            (RunEnding::Complete, Err(why)) => RunEnding::InstrumentFailed { why: why.clone() },
            (ending, _) => ending,
        };
        recorder.write(RunEvent::RunEnded { ending }).await;
        drop((recorder, source));
        let written = writing.finish().await.map_err(|error| error.to_string());
        stopped.and(written)
    });
    drop((inside, in_use));
    // The proxy is gone and the capture closed: from here on only who reads this may be waited for.
    outlets.take_time();
    let mut live = feed.finish();
    let is_there = capture::is_capture(&written_to);
    if let Err(why) = &closed {
        // What was shown may have been on its way to the disk: the summary counts what is there.
        match feed::reread(about) {
            Some(written) => {
                surroundings.warn(format_args!("not everything was recorded: {why}. Counted is what is in the capture"));
                live = written;
            }
            None if !is_there => surroundings.warn(format_args!("nothing of it is kept: failed to {why}")),
            None => surroundings.warn(format_args!("not everything was recorded: {why}. Not all that is counted is in the capture")),
        }
    }
    let told = surroundings.print(&format!("\n{}\n", words::summary(&live, surroundings.width, Instant::now())));
    // Whatever became of the summary: how to leave the phone as it was is for another stream.
    let told = told.and(tell_what_next(&session, is_there, surroundings));
    let kept = if is_there { "what came until then is in the capture" } else { "" };
    match (shown?, closed) {
        (End::Failed(why), _) | (End::Asked, Err(why)) => Err(Failure::instrument(format!("watch to the end: {why}"), kept)),
        // Whoever closed the terminal ended the session, and left before there was anything to read. No instrument failed.
        (End::Asked, Ok(())) if told.is_err() && surroundings.terminal => Ok(Exit::Interrupted),
        (End::Asked, Ok(())) => told.map(|()| Exit::Clean),
    }
}

/// Everything a session needs, the proxy listening.
struct Prepared {
    parent: PathBuf,
    provenance: Provenance,
    gate: Arc<WatchGate>,
    proxy: RunningProxy,
    traffic: TrafficReceiver,
    session: Session,
    app: App,
    /// Until the session ends, nobody replaces its authority.
    in_use: RigInUse,
}

/// Opens the workspace, the authority and the proxy. Nothing is recorded yet.
fn prepare(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Prepared, Failure> {
    let workspace = surroundings.workspace();
    let upstream = upstream(arguments)?;
    let app = app(arguments, surroundings)?;
    let planted = planted(&arguments.plant, surroundings)?;
    let scope = Scope::new(app.as_ref(), &arguments.only);
    let scope_words = scope.in_words(arguments.app.as_deref(), &arguments.only);
    let parent = match &arguments.out {
        Some(out) => own_folder(&surroundings.path(out), surroundings)?,
        None => workspace.prepare_runs()?,
    };
    let rig = RigFolder::of(&workspace, DEFAULT_RIG)?;
    let in_use = rig.begin_use()?;
    let ours = authority::of_rig(&rig, surroundings.now)?;
    if let Some(announcement) = ca::announcement(&ours, surroundings) {
        surroundings.warn(announcement);
    }
    let about = ours.authority.about().clone();

    let listen = arguments.listen.unwrap_or(Listen { address: Ipv4Addr::LOCALHOST.into(), port: Some(0) });
    let random = aws_lc_rs::default_provider().secure_random;
    let code = match &arguments.code {
        _ if listen.address.is_loopback() => None,
        Some(code) => Some(code.clone()),
        None => {
            let code = Code::new(random).map_err(|_| Failure::instrument("make a code: this machine gives no randomness", ""))?;
            Some(code)
        }
    };
    let shown_code = code.as_ref().map(Code::shown);
    let gate = Arc::new(WatchGate {
        admission: Admission::new(code),
        scope,
        certificate: ours.authority.certificate_der().to_vec(),
        facts: OnceLock::new(),
        random,
    });
    let (events, traffic) = queue::queue();
    let setup = ProxySetup {
        listen: SocketAddr::new(listen.address, listen.port.unwrap_or(USUAL_PORT)),
        authority: Arc::clone(&ours.authority),
        upstream,
        gate: Arc::clone(&gate) as Arc<dyn Gate>,
        clock: Clock::real(),
    };
    let any_port = ProxySetup { listen: SocketAddr::new(listen.address, 0), ..setup.clone() };
    let proxy = match Proxy::new(setup).launch(events.clone()) {
        Err(TrafficError::PortInUse { .. }) if listen.port.is_none() => Proxy::new(any_port).launch(events),
        launched => launched,
    };
    let proxy = proxy.map_err(RunError::from)?;
    let address = proxy.address().unwrap_or(SocketAddr::new(listen.address, 0));
    let host = session::reachable(address).map_or_else(|| "this computer's address".to_owned(), |address| address.to_string());
    let session = Session {
        address,
        host,
        code: shown_code,
        name: about.name,
        fingerprint: about.fingerprint,
        scope: scope_words.clone(),
        capture: String::new(),
    };
    // Nobody has asked for a page yet: nobody knows the port.
    let _ = gate.facts.set(Facts {
        proxy: (session.host.clone(), address.port()),
        is_loopback: session.is_loopback(),
        is_on_the_cable: session.is_on_the_cable(),
        direct_url: session.direct_url(),
        name: session.name.clone(),
        fingerprint: session.fingerprint.clone(),
        scope: scope_words.clone(),
    });
    let provenance = Provenance {
        format: CAPTURE_FORMAT,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        source: CaptureSource::Proxy,
        target: target(arguments, app.as_ref()),
        scenario_hash: None,
        run: 1,
        runs: 1,
        rig: Rig::ByHand { about: format!("a phone used by hand, reading {scope_words}") },
        started: surroundings.now,
        planted,
        expectations: Vec::new(),
        control: None,
    };
    Ok(Prepared { parent, provenance, gate, proxy, traffic, session, app: app.unwrap_or_default(), in_use })
}

/// A folder for captures that somebody named, made for its owner only where it is not there.
fn own_folder(path: &Path, surroundings: &Surroundings) -> Result<PathBuf, Failure> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|problem| Failure::usage(format!("make the folder {}: {problem}", surroundings.shown(path)), ""))?;
    Ok(path.to_owned())
}

/// What a person says that they watch. Nobody checks it: it is printed as claimed.
fn target(arguments: &Arguments, app: Option<&App>) -> Target {
    Target {
        app: app.map_or_else(|| "unknown-app".to_owned(), |app| app.name.clone()),
        platform: arguments.platform,
        version: AppVersion::named(arguments.app_version.as_deref().unwrap_or(UNKNOWN_VERSION)),
        scenario: UNSCRIPTED.to_owned(),
        claimed: true,
    }
}

/// The app whose hosts are the scope.
fn app(arguments: &Arguments, surroundings: &Surroundings) -> Result<Option<App>, Failure> {
    let Some(name) = &arguments.app else { return Ok(None) };
    let workspace = surroundings.workspace();
    if let Some((app, _)) = files::app(&workspace, name, surroundings)? {
        return Ok(Some(app));
    }
    let known: Vec<String> = files::apps(&workspace, surroundings)?.into_iter().map(|app| app.name).collect();
    let known = if known.is_empty() { String::new() } else { format!("there is {}; ", known.join(", ")) };
    Err(Failure::usage(
        format!("find the app {}: without its file nobody knows its hosts", printable(name)),
        format!("{known}name hosts with --only, or leave both out to read every host"),
    ))
}

/// The values to search for that hold now.
fn planted(plant: &Plant, surroundings: &mut Surroundings) -> Result<Vec<PlantedValue>, Failure> {
    let Some((label, values)) = plant.values(surroundings)? else { return Ok(Vec::new()) };
    let now = surroundings.now;
    let all = values.len();
    let held =
        |from: Option<Timestamp>, until: Option<Timestamp>| from.is_none_or(|from| from <= now) && until.is_none_or(|until| until > now);
    let values: Vec<PlantedValue> = values.into_iter().filter(|value| held(value.from, value.until)).map(|held| held.value).collect();
    let left_out = if values.len() < all { format!("; {} that do not hold now are left out", all - values.len()) } else { String::new() };
    surroundings.note(format_args!("searching for {} planted values of {label}{left_out}", values.len()));
    Ok(values)
}

/// A session that is being shown.
struct Watched<'a> {
    feed: &'a Feed,
    session: &'a Session,
    gate: &'a WatchGate,
    /// Says why it ends.
    ended: &'a mpsc::Receiver<End>,
    /// Why nothing is recorded any more, if so.
    unrecorded: &'a OnceLock<String>,
    /// Whether what was shown before was taken.
    outlets: &'a Outlets,
}

/// Shows what comes until the session is to end.
fn show(arguments: &Arguments, watched: &Watched<'_>, surroundings: &mut Surroundings) -> Result<End, Failure> {
    let deadline = arguments.duration.map(|duration| Instant::now() + duration);
    let is_over = || match watched.ended.try_recv() {
        Ok(end) => Some(end),
        Err(_) => deadline.is_some_and(|deadline| Instant::now() >= deadline).then_some(End::Asked),
    };
    let is_dumb = (surroundings.environment)("TERM").is_none_or(|kind| kind.is_empty() || kind == "dumb");
    if surroundings.terminal && !arguments.lines && !is_dumb {
        if terminal::is_large_enough() {
            return show_table(watched, &is_over, surroundings);
        }
        let (width, height) = terminal::LEAST;
        surroundings.note(format_args!("lines instead of a table: this terminal has fewer than {width} columns or {height} lines"));
    }
    match show_lines(watched, &is_over, surroundings) {
        // A terminal that went away ends the session, and not the capture's good order.
        Err(_) if surroundings.terminal => Ok(End::Asked),
        shown => shown,
    }
}

fn show_table(watched: &Watched<'_>, is_over: &dyn Fn() -> Option<End>, surroundings: &mut Surroundings) -> Result<End, Failure> {
    let Watched { feed, session, gate, unrecorded, outlets, .. } = watched;
    let gone = |problem: io::Error| Failure::instrument(format!("draw on this terminal: {problem}"), "--lines prints lines instead");
    let mut view = View::new(surroundings.colour);
    let mut taken = Taken::take(&mut surroundings.stdout, &mut surroundings.stderr).map_err(gone)?;
    loop {
        if let Some(end) = is_over() {
            return Ok(end);
        }
        // A terminal that has not taken the last picture gets no other: the session goes on, and so do its end and the keys.
        if outlets.is_free() {
            let trusting = gate.admission.trusting();
            let mut live = feed.live();
            // Lines are for whoever has no table.
            live.take_news();
            // A terminal that went away ends the session, and not the capture's good order.
            let around = Around { session, trusting: &trusting, unrecorded: unrecorded.get().map(String::as_str) };
            if taken.draw(|frame| view.draw(frame, &live, &around, Instant::now())).is_err() {
                return Ok(End::Asked);
            }
        }
        match taken.event(TICK) {
            Ok(Some(event)) => {
                if view.event(&event, &feed.live()) == Asked::Quit {
                    return Ok(End::Asked);
                }
            }
            Ok(None) => {}
            Err(_) => return Ok(End::Asked),
        }
    }
}

fn show_lines(watched: &Watched<'_>, is_over: &dyn Fn() -> Option<End>, surroundings: &mut Surroundings) -> Result<End, Failure> {
    let Watched { feed, session, gate, unrecorded, outlets, .. } = watched;
    let steps: Vec<String> = session.steps(16).iter().map(|line| printable(line)).collect();
    surroundings.print(&format!("{}\n", steps.join("\n")))?;
    let (mut trusting, mut warned) = (Vec::new(), false);
    loop {
        let end = is_over();
        // What a reader who is held up has not taken waits in `Live`, within its bounds.
        let news = if outlets.is_free() || end.is_some() { feed.live().take_news() } else { Vec::new() };
        for news in &news {
            surroundings.print(&format!("{}\n", words::line(news)))?;
        }
        for device in gate.admission.trusting().into_iter().filter(|device| !trusting.contains(device)).collect::<Vec<_>>() {
            surroundings.print(&format!("trusted by    {device}\n"))?;
            trusting.push(device);
        }
        if let Some(why) = unrecorded.get().filter(|_| !std::mem::replace(&mut warned, true)) {
            surroundings.warn(format_args!("{}", words::unrecorded(why)));
        }
        if let Some(end) = end {
            return Ok(end);
        }
        std::thread::sleep(TICK);
    }
}

/// What to do with the capture, if it is there, and how to leave the phone as it was.
fn tell_what_next(session: &Session, is_there: bool, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let mut told = Ok(());
    if is_there {
        let capture = &session.capture;
        told = surroundings.print(&format!("capture: {capture}\n"));
        surroundings.note(format_args!("what it means: tattletale audit {capture}\nevery field:    tattletale fields {capture}"));
    }
    surroundings.warn(format_args!("\n{}\n{}", ca::removal_steps(&session.fingerprint, &session.name), session.undo()));
    told
}

/// Hears what the system says from outside: an interrupt, the end of the terminal, the wish that the program ends.
struct Signals(Arc<AtomicBool>);

impl Signals {
    /// Begins to hear. The first signal ends the session; one that comes while it is being closed, or long after the first, ends
    /// the program.
    fn listen(ending: mpsc::Sender<End>, end_at_once: fn(u8)) -> io::Result<Self> {
        let closing = Arc::new(AtomicBool::new(false));
        let is_closing = Arc::clone(&closing);
        let mut asked: Option<Instant> = None;
        let mut heard = move || {
            // Whoever asks again after so long was not heard: whatever is the matter, the program ends.
            if is_closing.load(Ordering::SeqCst) || asked.is_some_and(|asked| asked.elapsed() >= HEARD_WITHIN) {
                end_at_once(Exit::Interrupted.code());
            }
            asked.get_or_insert_with(Instant::now);
            // After the last look at it nobody needs it any more.
            let _ = ending.send(End::Asked);
        };
        let mut signals = super::signals::Signals::listen()?;
        tokio::spawn(async move {
            loop {
                signals.next().await;
                heard();
            }
        });
        Ok(Self(closing))
    }

    /// The session is being closed.
    fn closing(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Between two looks at what came. Short enough that a receiver is seen as soon as it appears.
const TICK: Duration = Duration::from_millis(100);
/// A signal has ended the session by then.
const HEARD_WITHIN: Duration = Duration::from_secs(2);
/// The port that a person types most easily, and that other proxies use.
const USUAL_PORT: u16 = 8080;
/// Scenario of a session: none (R6).
const UNSCRIPTED: &str = "unscripted";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_a_port() {
        let any: IpAddr = Ipv4Addr::UNSPECIFIED.into();
        for (text, want) in [
            ("0.0.0.0", Some((any, None))),
            ("0.0.0.0:0", Some((any, Some(0)))),
            ("192.0.2.20:8080", Some((Ipv4Addr::new(192, 0, 2, 20).into(), Some(8080)))),
            ("[::1]", Some((std::net::Ipv6Addr::LOCALHOST.into(), None))),
            ("[::1]:8080", Some((std::net::Ipv6Addr::LOCALHOST.into(), Some(8080)))),
            ("phone", None),
            ("192.0.2.20:80800", None),
            ("", None),
        ] {
            assert_eq!(listen(text).ok(), want.map(|(address, port)| Listen { address, port }), "{text}");
        }
    }
}
