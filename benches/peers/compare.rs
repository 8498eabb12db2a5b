//! The comparison: every proxy under every workload, in alternating rounds, and the medians as a table.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fmt::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    Outcome,
    load::{self, Workload},
    page,
    process::{Processor, Running},
    subject::Subject,
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Rounds, of each of which every proxy has one turn a workload
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long one turn is
    #[arg(long, default_value_t = 2.5)]
    seconds: f64,
    /// Workloads
    #[arg(long, value_delimiter = ',', default_values_t = [Letter::A, Letter::B, Letter::C, Letter::D])]
    workloads: Vec<Letter>,
    /// Proxies
    #[arg(long, value_delimiter = ',')]
    proxies: Vec<Subject>,
    /// Page of which the section `compare` is written anew
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Folder for what the proxies keep; a temporary one when none is named
    #[arg(long, value_name = "FOLDER")]
    store: Option<PathBuf>,
}

/// A workload of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum Letter {
    #[value(name = "A")]
    A,
    #[value(name = "B")]
    B,
    #[value(name = "C")]
    C,
    #[value(name = "D")]
    D,
}

impl std::fmt::Display for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Letter {
    const fn about(self) -> &'static str {
        match self {
            Self::A => "2 KB of JSON on 32 connections that stay open",
            Self::B => "2 KB of JSON on a new TLS connection each, 8 at a time, 50 hosts, no resumption",
            Self::C => "5 MB, 4 at a time, on connections that stay open",
            Self::D => "as A, on one connection",
        }
    }
}

/// One turn of one proxy.
#[derive(Clone, Debug, Default)]
struct Turn {
    rate: f64,
    p50: f64,
    p99: f64,
    /// Milliseconds of processor time for each request.
    processor: f64,
    /// Peak resident memory in MiB.
    peak: f64,
}

pub(crate) fn compare(arguments: &Arguments) -> Outcome<()> {
    let machine = page::machine();
    let wanted: Vec<Subject> = if arguments.proxies.is_empty() { Subject::ALL.to_vec() } else { arguments.proxies.clone() };
    let subjects: Vec<Subject> = wanted.iter().copied().filter(|subject| subject.is_there()).collect();
    let missing: Vec<String> = wanted.iter().filter(|subject| !subject.is_there()).map(ToString::to_string).collect();
    let folder = tempfile::tempdir()?;
    let mut server = Running::role(Processor::First, &[OsStr::new("upstream"), folder.path().as_os_str()])?;
    let upstream = server.address()?;
    let mut turns: BTreeMap<(Letter, usize), Vec<Turn>> = BTreeMap::new();
    let mut kept: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    for round in 0..arguments.rounds {
        for letter in &arguments.workloads {
            for place in 0..subjects.len() {
                // Every other round the other way round, so that nobody always comes after the same neighbour.
                let place = if round % 2 == 0 { place } else { subjects.len() - 1 - place };
                let subject = subjects[place];
                let (turn, proven) = one(subject, *letter, arguments, upstream, folder.path())?;
                eprintln!("round {} {letter} {subject:<12} {:9.1}/s p50 {:.2} p99 {:.2} ms", round + 1, turn.rate, turn.p50, turn.p99);
                turns.entry((*letter, place)).or_default().push(turn);
                if let Some(proven) = proven {
                    let kept = kept.entry(place).or_default();
                    kept.0 += u64::from(proven);
                    kept.1 += 1;
                }
            }
        }
    }
    server.finish()?;
    let text = table(arguments, &machine, &subjects, &missing, &turns, &kept)?;
    print!("{text}");
    if let Some(path) = &arguments.page {
        page::write(path, "compare", &text)?;
    }
    if kept.values().any(|(kept, of)| kept < of) {
        return Err("a proxy did not keep the known body".into());
    }
    Ok(())
}

/// One turn: the proxy is started, given the known body, loaded, looked at, and ended.
fn one(subject: Subject, letter: Letter, arguments: &Arguments, upstream: SocketAddr, folder: &Path) -> Outcome<(Turn, Option<bool>)> {
    let store = match &arguments.store {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let started = subject.start(upstream, folder, store.path())?;
    let proxy = started.as_ref().map(|started| started.address);
    if proxy.is_some() {
        let proof = load(Workload::Proof, upstream, proxy, 0.0)?;
        if proof.errors > 0 {
            return Err(format!("{subject} passed nothing on: {}", proof.problem.unwrap_or_default()).into());
        }
    }
    let before = started.as_ref().map(|started| started.process.processor_seconds()).transpose()?.unwrap_or(0.0);
    let workload = match letter {
        Letter::A => Workload::A,
        Letter::B => Workload::B,
        Letter::C => Workload::C,
        Letter::D => Workload::D,
    };
    let result = load(workload, upstream, proxy, arguments.seconds)?;
    if result.errors > 0 {
        eprintln!("{subject} {letter}: {} errors of {}: {}", result.errors, result.all, result.problem.unwrap_or_default());
    }
    let after = started.as_ref().map(|started| started.process.processor_seconds()).transpose()?.unwrap_or(0.0);
    let peak = started.as_ref().map(|started| started.process.memory("VmHWM")).transpose()?.unwrap_or(0.0);
    let proven = started.map(super::subject::Started::finish).transpose()?.flatten();
    let turn = Turn {
        rate: result.requests as f64 / result.seconds,
        p50: result.p50,
        p99: result.p99,
        processor: (after - before) * 1000.0 / result.all.max(1) as f64,
        peak,
    };
    Ok((turn, proven))
}

/// Runs the clients in a process of their own, beside the server.
fn load(workload: Workload, upstream: SocketAddr, proxy: Option<SocketAddr>, seconds: f64) -> Outcome<load::Result> {
    let mut arguments =
        vec!["load".to_owned(), format!("{workload:?}").to_lowercase(), format!("--upstream={upstream}"), format!("--seconds={seconds}")];
    arguments.extend(proxy.map(|proxy| format!("--proxy={proxy}")));
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    Ok(serde_json::from_str(&Running::role(Processor::First, &arguments)?.finish()?)?)
}

fn table(
    arguments: &Arguments,
    machine: &str,
    subjects: &[Subject],
    missing: &[String],
    turns: &BTreeMap<(Letter, usize), Vec<Turn>>,
    kept: &BTreeMap<usize, (u64, u64)>,
) -> Outcome<String> {
    let mut text = String::new();
    writeln!(text, "{} rounds of {} s, medians; {machine}.", arguments.rounds, arguments.seconds)?;
    if !missing.is_empty() {
        writeln!(text, "Left out, because not installed: {}.", missing.join(", "))?;
    }
    for letter in &arguments.workloads {
        writeln!(text, "\n**{letter}**: {}.\n", letter.about())?;
        writeln!(text, "| | requests/s | to the bare engine | to mitmdump -w | p50 ms | p99 ms | CPU ms/request | peak MiB |")?;
        writeln!(text, "|---|---|---|---|---|---|---|---|")?;
        let of = |subject: Subject| subjects.iter().position(|one| *one == subject).and_then(|place| turns.get(&(*letter, place)));
        for (place, subject) in subjects.iter().enumerate() {
            let mine = &turns[&(*letter, place)];
            let median = |pick: fn(&Turn) -> f64| middle(mine.iter().map(pick).collect());
            // Ratios are taken round by round: what else the machine did then slowed both.
            let ratio = |other: Option<&Vec<Turn>>| match other {
                Some(other) => {
                    let ratio = middle(mine.iter().zip(other).map(|(mine, other)| mine.rate / other.rate).collect());
                    match ratio {
                        ratio if !ratio.is_finite() => "–".to_owned(),
                        ratio if ratio >= 9.95 => format!("{ratio:.0} ×"),
                        ratio => format!("{ratio:.2} ×"),
                    }
                }
                None => "–".to_owned(),
            };
            let (processor, peak) = match subject {
                Subject::Direct => ("–".to_owned(), "–".to_owned()),
                _ => (format!("{:.3}", median(|turn| turn.processor)), format!("{:.0}", median(|turn| turn.peak))),
            };
            writeln!(
                text,
                "| {subject} | {:.0} | {} | {} | {:.2} | {:.2} | {processor} | {peak} |",
                median(|turn| turn.rate),
                ratio(of(Subject::Bare)),
                ratio(of(Subject::Mitmproxy)),
                median(|turn| turn.p50),
                median(|turn| turn.p99),
            )?;
        }
    }
    let proofs: Vec<String> = kept.iter().map(|(place, (kept, of))| format!("{} {kept} of {of}", subjects[*place])).collect();
    writeln!(text, "\nTurns after which the known body was found in what was stored, byte for byte: {}.", proofs.join(", "))?;
    Ok(text)
}

fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}
