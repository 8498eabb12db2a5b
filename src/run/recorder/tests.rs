//! What a recorder promises, with a source that is only pretended.

use super::*;
use crate::{
    model::{AppVersion, CaptureSource, Captured, Platform, Recording as _, Rig, RunEnding, Target, capture::CAPTURE_FORMAT},
    store::CaptureReader,
    traffic::{TrafficError, TrafficSender, queue::queue},
};

/// A source that has delivered what it ever will.
struct Silent;

#[async_trait]
impl RunningSource for Silent {
    fn address(&self) -> Option<std::net::SocketAddr> {
        None
    }

    fn in_flight(&self) -> usize {
        0
    }

    async fn failed(&self) -> TrafficError {
        std::future::pending().await
    }

    async fn stop(&self) -> Result<(), TrafficError> {
        Ok(())
    }

    fn kill(&self) {}
}

async fn open(events: &TrafficSender, at: Timestamp) {
    let url = Url { scheme: "https".into(), host: "a.test".into(), port: 443, path_and_query: Captured::new("/one".into()) };
    let (tunnel, id) = (TunnelId(1), ExchangeId(1));
    let began =
        TrafficEvent::Began { id, tunnel: Some(tunnel), at, method: "POST".into(), url, http_version: "HTTP/2".into(), headers: vec![] };
    let piece = TrafficEvent::BodyPiece { id, side: Side::Request, bytes: Captured::new(b"half".to_vec()) };
    let tunnels = [(tunnel, "a.test"), (TunnelId(2), "b.test")];
    for (id, host) in tunnels {
        events.send(TrafficEvent::TunnelBegan { id, at, host: host.into(), port: 443 }).await.expect("somebody listens");
    }
    for event in [began, piece] {
        events.send(event).await.expect("somebody listens");
    }
}

/// A recorder at work in a folder, and the source's end of its queue.
fn bench(folder: &Path, watchers: Vec<Watcher>) -> (TrafficSender, Recorder, Writing, Timestamp) {
    let clock = Clock::real();
    let at = clock.now();
    let target = Target {
        app: "mifit".into(),
        platform: Platform::Lab,
        version: AppVersion::named("1"),
        scenario: "by-hand".into(),
        claimed: false,
    };
    let provenance = Provenance {
        format: CAPTURE_FORMAT,
        tool: "0.0.0".into(),
        source: CaptureSource::Proxy,
        target,
        scenario_hash: None,
        run: 1,
        runs: 1,
        rig: Rig::Real { about: "a bench".into() },
        started: at,
        planted: vec![],
        expectations: vec![],
        control: None,
    };
    let (events, traffic) = queue();
    let (recorder, writing) = start(folder, provenance, clock, traffic, Arc::new(Silent), watchers).expect("it starts");
    (events, recorder, writing, at)
}

fn told(capture: &Path) -> Vec<RunEvent> {
    let reader = CaptureReader::open(capture).expect("a capture");
    let mut told = Vec::new();
    reader.replay(&mut |event, _| told.push(event.event.clone())).expect("readable");
    told
}

#[tokio::test]
async fn what_never_ended_is_in_the_capture_before_the_runs_end_and_nothing_after_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (events, recorder, writing, at) = bench(folder.path(), vec![]);
    let capture = writing.folder().to_owned();
    open(&events, at).await;
    recorder.write(RunEvent::RunEnded { ending: RunEnding::Complete }).await;
    let late = TrafficEvent::TunnelBegan { id: TunnelId(3), at, host: "late.test".into(), port: 443 };
    events.send(late).await.expect("somebody listens");
    drop((events, recorder));
    writing.finish().await.expect("there is room");

    let told = told(&capture);
    let [
        _,
        RunEvent::TunnelBegan { host: first, .. },
        RunEvent::TunnelBegan { id: TunnelId(2), host: second, port: 443, .. },
        RunEvent::ExchangeBegan { .. },
        RunEvent::Exchange(exchange),
        RunEvent::Tunnel(read),
        RunEvent::Tunnel(empty),
        RunEvent::RunEnded { .. },
    ] = &told[..]
    else {
        panic!("{told:#?}")
    };
    assert_eq!((first.as_str(), second.as_str()), ("a.test", "b.test"));
    assert_eq!((exchange.error.as_deref(), exchange.ended, exchange.request.body.bytes), (Some(UNFINISHED), None, 4));
    assert_eq!((&read.outcome, read.ended), (&TunnelOutcome::Read { requests: 1 }, None));
    assert_eq!((empty.host.as_str(), &empty.outcome), ("b.test", &TunnelOutcome::ClosedWithoutRequest));
}

#[tokio::test]
async fn a_host_is_known_whether_its_connections_could_be_read_or_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let (events, recorder, writing, at) = bench(folder.path(), vec![]);
    open(&events, at).await;
    let tunnels = [(3, "Pinned.test", None), (4, "192.0.2.7", Some("named.test")), (5, "front.test", Some("behind.test")), (6, "", None)];
    for (id, host, sni) in tunnels {
        let id = TunnelId(id);
        events.send(TrafficEvent::TunnelBegan { id, at, host: host.into(), port: 443 }).await.expect("somebody listens");
        let (sni, outcome) = (sni.map(str::to_owned), TunnelOutcome::CertificateRefused { alert: "UnknownCA".into() });
        let ended = TrafficEvent::TunnelEnded { id, at, sni, alpn: vec![], outcome, evidence: TunnelEvidence::default() };
        events.send(ended).await.expect("somebody listens");
    }
    assert_eq!(recorder.hosts(), ["192.0.2.7", "a.test", "b.test", "front.test", "named.test", "pinned.test"]);
    drop((events, recorder));
    writing.finish().await.expect("there is room");
}

#[tokio::test]
async fn what_has_been_told_is_seen_at_once_and_written_without_being_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let (events, recorder, writing, at) = bench(folder.path(), vec![]);
    open(&events, at).await;
    let end = |id| TrafficEvent::Ended { id, at, error: None };
    let answered = TrafficEvent::Answered { id: ExchangeId(1), status: 201, http_version: "HTTP/2".into(), headers: vec![] };
    let later = at + jiff::SignedDuration::from_secs(5);
    let message = |sent, at| {
        let (bytes, length) = (Captured::new(b"heart 72".to_vec()), 8);
        TrafficEvent::Message { id: ExchangeId(1), at, sent, text: true, bytes, length, complete: true }
    };
    let noted = TrafficEvent::Noted { id: ExchangeId(1), at, note: "sent twice".into() };
    for event in [message(true, at), message(false, later), noted, answered, end(ExchangeId(1))] {
        events.send(event).await.expect("somebody listens");
    }
    let seen = recorder.requests();
    assert_eq!(seen.first().map(|request| (request.ended, request.said)), Some((Some((at, Some(201))), Some(at))));
    assert_eq!(recorder.hosts(), ["a.test", "b.test"]);
    // Nobody ends the run, and no further event pushes the last one out.
    let capture = writing.folder().to_owned();
    while !told(&capture).iter().any(|event| matches!(event, RunEvent::Exchange(_))) {
        tokio::task::yield_now().await;
    }
    let note = RunEvent::ExchangeNoted { id: ExchangeId(1), note: "sent twice".into() };
    assert!(told(&capture).contains(&note));
    drop((events, recorder));
    writing.finish().await.expect("there is room");
}

#[tokio::test]
async fn when_nothing_can_be_written_any_more_the_traffic_goes_on_and_the_run_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let (events, recorder, writing, at) = bench(folder.path(), vec![]);
    let capture = writing.folder().to_owned();
    open(&events, at).await;
    recorder.write(RunEvent::StepEnded { note: "done".into() }).await;
    // The folder of large bodies is gone: none of them can be written.
    std::fs::remove_dir(capture.join("bodies")).expect("it is empty");
    let piece = || TrafficEvent::BodyPiece { id: ExchangeId(1), side: Side::Request, bytes: Captured::new(vec![b'x'; 100_000]) };
    events.send(piece()).await.expect("somebody listens");
    let why = recorder.failed().await;
    assert!(why.starts_with("write ") && why.contains("bodies"), "{why}");
    // Far more than the queue holds.
    for _ in 0..200 {
        events.send(piece()).await.expect("somebody still listens");
    }
    recorder.write(RunEvent::RunEnded { ending: RunEnding::Complete }).await;
    assert_eq!(recorder.requests().len(), 1);
    drop((events, recorder));
    writing.finish().await.expect_err("it failed");
    let told = told(&capture);
    let Some(RunEvent::RunEnded { ending: RunEnding::InstrumentFailed { why: written } }) = told.last() else { panic!("{told:#?}") };
    assert_eq!(*written, why);
    let found = CaptureReader::open(&capture).expect("a capture").verify().expect("what was written is readable");
    assert_eq!(found.unfinished.len(), 1);
}
