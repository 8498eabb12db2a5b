//! What a capture folder promises, on captures made here.

use super::*;
use crate::model::{capture::CAPTURE_FORMAT, *};

pub(super) fn provenance() -> Provenance {
    Provenance {
        format: CAPTURE_FORMAT,
        tool: "0.0.0".into(),
        source: CaptureSource::Proxy,
        target: Target {
            app: "mifit".into(),
            platform: Platform::Simulated,
            version: AppVersion::named("sim-1.0"),
            scenario: "passive-sync".into(),
            claimed: false,
        },
        scenario_hash: Some("ab".repeat(32)),
        run: 1,
        runs: 3,
        rig: Rig::Simulated { seed: 7 },
        started: "2026-03-01T12:00:00Z".parse().expect("a time"),
        planted: vec![],
        expectations: vec![Expectation::NeverCategory(Category::Location)],
        control: None,
    }
}

fn exchange(id: u64, body: Body) -> RunEvent {
    let began = provenance().started;
    let url = Url {
        scheme: "https".into(),
        host: "api-mifit-de.huami.test".into(),
        port: 443,
        path_and_query: Captured::new("/v1/data/band_data.json?t=1".into()),
    };
    let request = Request { method: "POST".into(), url, http_version: "HTTP/2".into(), headers: vec![], body, trailers: vec![] };
    RunEvent::Exchange(Box::new(Exchange {
        id: ExchangeId(id),
        phase: "sync".into(),
        tunnel: None,
        began,
        ended: Some(began),
        request,
        response: None,
        error: None,
    }))
}

/// A capture with one body of each kind.
fn recorded(parent: &Path) -> (PathBuf, Vec<RunEvent>) {
    let provenance = provenance();
    let mut writer = CaptureWriter::create(parent, &provenance, provenance.started).expect("a capture");
    let body = |bytes: &[u8], complete| {
        let mut body = writer.body();
        bytes.chunks(1000).for_each(|piece| body.piece(piece).expect("there is room"));
        body.finish(complete).expect("there is room")
    };
    let large = vec![b'x'; MOST_INLINE + 1];
    let bodies = [body(b"", true), body(b"heart rate 61", true), body(b"torn h", false), body(&large, true), body(&large[1..], false), {
        body(&[&large[..], b"more"].concat(), false)
    }];
    drop(body(&large, true));
    let mut events: Vec<_> = bodies.into_iter().zip(1..).map(|(body, id)| exchange(id, body)).collect();
    events.push(RunEvent::RunEnded { ending: RunEnding::Complete });
    for event in &events {
        writer.append(provenance.started, event).expect("there is room");
    }
    (writer.finish().expect("there is room"), events)
}

fn replayed(folder: &Path) -> Vec<RunEvent> {
    let mut events = Vec::new();
    let reader = CaptureReader::open(folder).expect("a capture");
    reader.replay(&mut |event, _| events.push(event.event.clone())).expect("readable to its end");
    events
}

#[test]
fn what_was_recorded_is_read_back_with_its_bodies() {
    let parent = tempfile::tempdir().expect("a folder");
    let (folder, events) = recorded(parent.path());
    assert_eq!(folder.file_name().expect("named").to_string_lossy(), "20260301T120000Z-mifit-sim-1.0-passive-sync-1");
    let read = replayed(&folder);
    assert_eq!(read.first(), Some(&RunEvent::RunStarted(Box::new(provenance()))));
    assert_eq!(read.get(1..), Some(&events[..]));
    let reader = CaptureReader::open(&folder).expect("a capture");
    let mut lengths = Vec::new();
    reader
        .replay(&mut |event, bodies| {
            if let RunEvent::Exchange(exchange) = &event.event {
                let mut bytes = Vec::new();
                if let Some(mut body) = exchange.request.body.open(bodies).expect("it is there") {
                    io::Read::read_to_end(&mut body, &mut bytes).expect("readable");
                }
                assert_eq!(bytes.len() as u64, exchange.request.body.bytes);
                lengths.push(bytes.len());
            }
        })
        .expect("readable");
    assert_eq!(lengths, [0, 13, 6, MOST_INLINE + 1, MOST_INLINE, MOST_INLINE + 5]);
    let verified = reader.verify().expect("as written");
    assert_eq!((verified.events, verified.torn_bytes, verified.bodies, verified.missing_bodies), (8, 0, 2, 0));
    assert_eq!(reader.ending().expect("readable"), Some(RunEnding::Complete));
    let left: Vec<_> = fs::read_dir(folder.join(BODIES)).expect("there").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 2, "equal bodies are one file and no temporary one is left: {left:?}");
}

#[cfg(unix)]
#[test]
fn nobody_else_may_look() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().expect("a folder");
    let (folder, _) = recorded(parent.path());
    let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join(BODIES)), mode(&folder.join(LOG))), (0o700, 0o700, 0o600));
    for body in fs::read_dir(folder.join(BODIES)).expect("there").flatten() {
        assert_eq!(mode(&body.path()), 0o600);
    }
}

#[test]
fn two_captures_of_one_second_get_two_folders() {
    let parent = tempfile::tempdir().expect("a folder");
    let (first, _) = recorded(parent.path());
    let (second, _) = recorded(parent.path());
    assert_ne!(first, second);
    let (captures, problems) = list(parent.path()).expect("readable");
    assert_eq!((captures.len(), problems.len()), (2, 0));
}

#[test]
fn a_torn_last_line_is_told_and_ignored() {
    let parent = tempfile::tempdir().expect("a folder");
    let (folder, _) = recorded(parent.path());
    let log = fs::read(folder.join(LOG)).expect("there");
    fs::write(folder.join(LOG), &log[..log.len() - 20]).expect("cut");
    assert_eq!(replayed(&folder).len(), 7);
    let reader = CaptureReader::open(&folder).expect("a capture");
    assert!(reader.verify().expect("whole lines are as written").torn_bytes > 0);
    assert_eq!(reader.ending().expect("readable"), None, "it no longer says how it ended");
}

#[test]
fn a_changed_log_or_body_is_not_read_as_if_nothing_were() {
    let parent = tempfile::tempdir().expect("a folder");
    let (folder, _) = recorded(parent.path());
    let log = fs::read_to_string(folder.join(LOG)).expect("there");
    fs::write(folder.join(LOG), log.replacen("\"phase\":\"sync\"", "\"phase\":\"soon\"", 1)).expect("written");
    let reader = CaptureReader::open(&folder).expect("its first line is as it was");
    let mut given = 0;
    let error = reader.replay(&mut |_, _| given += 1).expect_err("line 2 was changed");
    assert!(error.to_string().contains("events.jsonl line 2") && given == 1, "{error}");

    fs::write(folder.join(LOG), log).expect("written");
    let body = fs::read_dir(folder.join(BODIES)).expect("there").flatten().next().expect("a body").path();
    let mut bytes = fs::read(&body).expect("there");
    bytes[7] ^= 1;
    fs::write(&body, bytes).expect("written");
    let mut problems = 0;
    let reader = CaptureReader::open(&folder).expect("a capture");
    reader
        .replay(&mut |event, bodies| {
            if let RunEvent::Exchange(exchange) = &event.event
                && let Some(mut body) = exchange.request.body.open(bodies).expect("it is there")
            {
                problems += usize::from(io::Read::read_to_end(&mut body, &mut Vec::new()).is_err());
            }
        })
        .expect("the log is as it was");
    assert!(problems > 0, "the changed body is an error at its end");
}

#[test]
fn the_first_line_that_was_changed_moved_or_taken_out_is_named() {
    let parent = tempfile::tempdir().expect("a folder");
    let (folder, _) = recorded(parent.path());
    let log = fs::read_to_string(folder.join(LOG)).expect("text");
    let lines: Vec<_> = log.lines().collect();
    let check = |lines: Vec<String>, want: u64| {
        fs::write(folder.join(LOG), lines.join("\n") + "\n").expect("written");
        let error = CaptureReader::open(&folder).expect("a capture").verify().expect_err("not as written");
        assert!(matches!(error, StoreError::BadLine { line, .. } if line == want), "{error}");
    };
    let changed = |at: usize, from: &str, to: &str| {
        let mut lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
        assert!(lines[at].contains(from), "{}", lines[at]);
        lines[at] = lines[at].replace(from, to);
        lines
    };
    check(changed(1, "band_data", "band_date"), 2);
    check(changed(2, "aGVhcnQgcmF0ZSA2MQ==", "aGVhcnQgcmF0ZSA2Mg=="), 3);
    check(changed(3, "dG9ybiBo", "dG9ybiBp"), 4);
    let without: Vec<_> = lines.iter().enumerate().filter(|(at, _)| *at != 4).map(|(_, line)| (*line).to_owned()).collect();
    check(without, 5);
    let mut swapped: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
    swapped.swap(5, 6);
    check(swapped, 6);
}

#[test]
fn a_body_file_that_was_changed_is_named() {
    let parent = tempfile::tempdir().expect("a folder");
    let (folder, _) = recorded(parent.path());
    let body = fs::read_dir(folder.join(BODIES)).expect("there").flatten().next().expect("one").path();
    fs::write(&body, "something else").expect("written");
    let error = CaptureReader::open(&folder).expect("a capture").verify().expect_err("not as written");
    assert!(matches!(&error, StoreError::NotACapture { path, .. } if *path == body), "{error}");
}

#[test]
fn purging_takes_every_body_and_the_chain_still_holds() {
    let parent = tempfile::tempdir().expect("a folder");
    let (folder, _) = recorded(parent.path());
    let before = CaptureReader::open(&folder).expect("a capture").verify().expect("as written");
    let made = stored(&folder).expect("a capture").made;
    assert!(purge(&folder).expect("purged") > 2 * MOST_INLINE as u64);
    assert_eq!(stored(&folder).expect("a capture").made, made, "it is as old as it was");
    let text = fs::read_to_string(folder.join(LOG)).expect("text");
    assert!(!text.contains("aGVhcnQgcmF0ZSA2MQ==") && !text.contains("dG9ybiBo"), "no body is left");
    let reader = CaptureReader::open(&folder).expect("a capture");
    let after = reader.verify().expect("the chain covers digests");
    assert_eq!((after.link, after.events, after.missing_bodies), (before.link, before.events, 2));
    let absent = |event: &RunEvent| match event {
        RunEvent::Exchange(exchange) => matches!(&exchange.request.body.content, BodyContent::Absent(why) if why.starts_with("purged")),
        _ => false,
    };
    assert_eq!(replayed(&folder).iter().filter(|event| absent(event)).count(), 3);
}

#[test]
fn what_is_no_capture_is_left_alone_and_what_is_newer_is_said_to_be() {
    let parent = tempfile::tempdir().expect("a folder");
    fs::write(parent.path().join("diary.txt"), "mine").expect("written");
    assert!(matches!(remove(parent.path()), Err(StoreError::NotACapture { .. })));
    assert!(matches!(purge(parent.path()), Err(StoreError::NotACapture { .. })));
    assert!(matches!(CaptureReader::open(parent.path()), Err(StoreError::NotACapture { .. })));
    let (folder, _) = recorded(parent.path());
    let text = fs::read_to_string(folder.join(LOG)).expect("text");
    fs::write(folder.join(LOG), text.replacen("\"format\":2", "\"format\":3", 1)).expect("written");
    assert!(matches!(CaptureReader::open(&folder), Err(StoreError::Format { found: 3, known: 2, .. })));
    for nonsense in ["", "\n", "{}\n", "not json", "\u{0}\u{0}\n", "{\"n\":1}\n"] {
        fs::write(folder.join(LOG), nonsense).expect("written");
        assert!(matches!(CaptureReader::open(&folder), Err(StoreError::NotACapture { .. })), "{nonsense:?}");
    }
    remove(&folder).expect("it is a capture's folder");
    assert!(!folder.exists() && parent.path().join("diary.txt").exists());
}

#[test]
fn a_torn_capture_says_what_is_missing() {
    let parent = tempfile::tempdir().expect("a folder");
    let provenance = provenance();
    let mut writer = CaptureWriter::create(parent.path(), &provenance, provenance.started).expect("a capture");
    let folder = writer.folder().to_owned();
    let mut append = |event: &RunEvent| writer.append(provenance.started, event).expect("there is room");
    for id in 1..=10 {
        append(&RunEvent::ExchangeBegan { id: ExchangeId(id), method: "POST".into(), host: format!("h{id}.test\u{1b}"), tunnel: None });
    }
    append(&exchange(10, Body::default()));
    for id in 1..=2 {
        append(&RunEvent::TunnelBegan { id: TunnelId(id), phase: "sync".into(), host: format!("t{id}.test"), port: 443 });
    }
    let (began, phase, host) = (provenance.started, "sync".into(), "t1.test".into());
    let (outcome, evidence) = (TunnelOutcome::NotTls, TunnelEvidence::default());
    append(&RunEvent::Tunnel(Tunnel {
        id: TunnelId(1),
        phase,
        host,
        port: 443,
        sni: None,
        alpn: vec![],
        began,
        ended: None,
        outcome,
        evidence,
    }));
    writer.flush().expect("there is room");
    let large = |byte: u8| {
        let mut body = writer.body();
        body.piece(&vec![byte; MOST_INLINE + 1]).expect("there is room");
        body
    };
    let lost = large(1).finish(true).expect("there is room");
    let stray = large(2).finish(true).expect("there is room");
    let coming = large(3);
    writer.append(provenance.started, &exchange(9, lost.clone())).expect("there is room");
    writer.flush().expect("there is room");
    // Killed here, in mid-body and in mid-line: no destructor runs.
    std::mem::forget(coming);
    std::mem::forget(writer);
    fs::remove_file(folder.join(BODIES).join(lost.sha256.expect("it is whole"))).expect("it is there");
    let mut log = fs::OpenOptions::new().append(true).open(folder.join(LOG)).expect("the log");
    io::Write::write_all(&mut log, b"{\"n\":17,\"at\"").expect("there is room");

    let found = CaptureReader::open(&folder).expect("a capture").verify().expect("whole lines are as written");
    assert_eq!((found.events, found.unfinished.len(), found.bodies), (16, 8, 0));
    assert_eq!(
        found.gaps(),
        [
            "the recording breaks off: the run never said how it ended",
            "8 exchanges began and never ended: #1 POST h1.test\\u{1b}, #2 POST h2.test\\u{1b}, #3 POST h3.test\\u{1b}, \
             #4 POST h4.test\\u{1b}, #5 POST h5.test\\u{1b}, #6 POST h6.test\\u{1b}, #7 POST h7.test\\u{1b}, #8 POST h8.test\\u{1b}",
            "1 tunnel was still open when the recording broke off: t2.test:443; what else passed through it, and how many bytes, is not known",
            "the last line is half a line of 12 bytes, which is not read",
            "1 large body is not there: purged, or lost",
            "1 large body was still coming in: 65537 bytes are there, of no exchange that ended",
            "1 large body came in whole, and no line speaks of it: its exchange was not written any more",
        ]
    );
    assert_eq!(stray.bytes, MOST_INLINE as u64 + 1);

    // Taken over, it has the same lines and lacks the same.
    let home = tempfile::tempdir().expect("a folder");
    let (adopted, lacked) = adopt(&folder, home.path(), provenance.started).expect("it is a capture");
    assert_eq!(lacked, found);
    let again = CaptureReader::open(&adopted).expect("a capture").verify().expect("as written");
    assert_eq!((again.link, again.unfinished, again.torn_bytes, again.missing_bodies), (found.link, found.unfinished, 0, 1));
}

#[test]
fn a_capture_is_taken_over_as_it_is_or_not_at_all() {
    let (parent, home) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (folder, events) = recorded(parent.path());
    let (adopted, found) = adopt(&folder, home.path(), provenance().started).expect("it is a capture");
    assert_eq!(found.gaps(), [""; 0]);
    assert_eq!(fs::read(adopted.join(LOG)).expect("there"), fs::read(folder.join(LOG)).expect("there"));
    assert_eq!(replayed(&adopted).get(1..), Some(&events[..]));
    assert_eq!(CaptureReader::open(&adopted).expect("a capture").verify().expect("as written"), found);
    let body = fs::read_dir(folder.join(BODIES)).expect("there").flatten().next().expect("a body").path();
    fs::write(body, "something else").expect("written");
    adopt(&folder, home.path(), provenance().started).expect_err("a body was changed");
    assert_eq!(fs::read_dir(home.path()).expect("there").count(), 1, "nothing of it was kept");
}

#[test]
fn a_log_under_another_name_is_taken_over_with_the_bodies_beside_it() {
    let (parent, home) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (folder, events) = recorded(parent.path());
    let renamed = folder.join("from-the-lab.txt");
    assert!(is_log(&folder.join(LOG)) && !is_log(&folder.join(BODIES)) && !is_log(&renamed));
    fs::rename(folder.join(LOG), &renamed).expect("ours");
    assert!(is_log(&renamed));
    let (adopted, found) = adopt(&renamed, home.path(), provenance().started).expect("it is a capture");
    assert_eq!((found.gaps(), found.bodies), (vec![], 2));
    assert_eq!(replayed(&adopted).get(1..), Some(&events[..]));
    let reader = CaptureReader::open_log(&renamed).expect("a capture");
    assert_eq!((reader.name().as_str(), reader.ending().expect("readable")), ("from-the-lab", Some(RunEnding::Complete)));
    fs::write(&renamed, "{\"n\":1,\"at\":\"2026-03-01T12:00:00Z\",\"event\":{\"run-started\":{\"format\":1,\"to").expect("ours");
    assert!(is_log(&renamed));
    let error = CaptureReader::open_log(&renamed).expect_err("not a line").to_string();
    assert!(error.contains("from-the-lab.txt: its log is empty"), "{error}");
}

#[test]
fn a_body_is_never_looked_for_outside_the_capture() {
    let parent = tempfile::tempdir().expect("a folder");
    let (folder, _) = recorded(parent.path());
    let reader = CaptureReader::open(&folder).expect("a capture");
    for name in ["", "../events.jsonl", &"A".repeat(64), &"../".repeat(22)] {
        assert!(Bodies::open(&reader, name).is_err(), "{name}");
    }
}

#[test]
fn odd_names_become_tame_folders() {
    let mut provenance = provenance();
    provenance.target.app = "../../etc".into();
    provenance.target.version = AppVersion::named("6.14 (β)");
    let name = folder_name(&provenance, provenance.started);
    assert_eq!(name, "20260301T120000Z-..-..-etc-6.14-----passive-sync-1");
}
