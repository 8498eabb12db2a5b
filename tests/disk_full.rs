//! A disk that fills up while a phone uses the proxy: the run is told, what was written stays readable, and the app's traffic
//! goes on. The disk is a limit on the length of files, which a shell sets for a process of its own: this test, begun anew.
#![cfg(unix)]

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Bytes, service::service_fn};
use hyper_util::rt::TokioIo;
use tattletale::{
    clock::Clock,
    model::{AppVersion, CaptureSource, Platform, Provenance, Recording as _, Rig, RunEnding, RunEvent, Target, capture::CAPTURE_FORMAT},
    run::recorder,
    scenario::rig::StageLog as _,
    store::CaptureReader,
    traffic::{
        RunningSource,
        authority::Authority,
        proxy::{LocalUpstream, OpenGate, Proxy, ProxySetup, Upstream},
        queue::queue,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Names the folder in which the child records.
const CHILD: &str = "TATTLETALE_FULL_DISK";

/// Blocks of 512 bytes that a file may have.
const BLOCKS: u32 = 600;

#[test]
fn the_apps_traffic_goes_on_when_the_log_is_full() {
    check("small", 2000);
}

#[test]
fn the_apps_traffic_goes_on_when_a_large_body_finds_no_room() {
    check("large", 500_000);
}

/// Begins this test binary anew, with a limit on the length of files, to upload bodies of this length.
fn check(name: &str, length: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let child = Command::new("sh")
        .args(["-c", &format!("trap '' XFSZ; ulimit -f {BLOCKS}; exec \"$@\""), "sh"])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "uploads_on_a_small_disk", "--nocapture"])
        .env(CHILD, folder.path())
        .env("TATTLETALE_FULL_DISK_LENGTH", length.to_string())
        .stdin(Stdio::null())
        .output()
        .expect("there is a shell");
    let (out, err) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && out.contains("1 passed"), "{name}: {out}\n{err}");

    let captures = std::fs::read_dir(folder.path()).expect("there").flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    let [capture] = &captures[..] else { panic!("one capture: {captures:?}") };
    let reader = CaptureReader::open(capture).expect("a capture");
    let found = reader.verify().expect("what was written is as it was written");
    assert!(!found.gaps().is_empty() || found.ending != Some(RunEnding::Complete), "{found:?}");
    let mut exchanges = 0;
    reader.replay(&mut |event, _| exchanges += u64::from(matches!(event.event, RunEvent::Exchange(_)))).expect("readable");
    assert_eq!(exchanges > 0, length < 100_000, "{name}: {exchanges} exchanges");
}

/// The child: does nothing when it is run as a test among others.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_on_a_small_disk() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let length: usize = std::env::var("TATTLETALE_FULL_DISK_LENGTH").expect("set with it").parse().expect("a number");
    let server = upstream().await;
    let (events, traffic) = queue();
    let upstream = LocalUpstream::new(move |_, _| Some(server), []);
    let setup = ProxySetup {
        listen: ([127, 0, 0, 1], 0).into(),
        authority: Arc::new(Authority::generate("audit", jiff::Timestamp::now()).expect("an authority")),
        upstream: Upstream::Local(upstream),
        gate: Arc::new(OpenGate),
        clock: Clock::real(),
    };
    let proxy = Proxy::new(setup).launch(events).expect("it listens");
    let address = proxy.address().expect("it listens");
    let (recorder, writing) =
        recorder::start(Path::new(&folder), provenance(), Clock::real(), traffic, Arc::new(proxy.clone()), vec![]).expect("it starts");

    let why = {
        let mut failed = std::pin::pin!(recorder.failed());
        loop {
            tokio::select! {
                biased;
                why = &mut failed => break why,
                () = upload(address, length) => {}
            }
        }
    };
    assert!(why.contains("the disk is full"), "{why}");
    // Far more than any queue holds.
    for _ in 0..40 {
        upload(address, 200_000).await;
    }
    tokio::select! {
        biased;
        error = proxy.failed() => panic!("the proxy died: {error}"),
        () = std::future::ready(()) => {}
    }
    proxy.stop().await.expect("it stops as ever");
    recorder.write(RunEvent::RunEnded { ending: RunEnding::Complete }).await;
    drop((recorder, proxy));
    writing.finish().await.expect_err("the disk was full");
}

/// Uploads a body through the proxy, and must be answered by the server with its length.
async fn upload(proxy: SocketAddr, length: usize) {
    let work = async {
        let mut stream = TcpStream::connect(proxy).await.expect("the proxy listens");
        let head = format!(
            "POST http://api.test/up HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("it reads");
        stream.write_all(&vec![b'x'; length]).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&format!("\r\n\r\n{length}")), "{answer}");
    };
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("nothing holds the app up");
}

/// A server that answers with the length of what it was sent.
async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: Request<hyper::body::Incoming>| async move {
                let length = request.into_body().collect().await.map_or(0, |body| body.to_bytes().len());
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(length.to_string()))))
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

fn provenance() -> Provenance {
    Provenance {
        format: CAPTURE_FORMAT,
        tool: "0.0.0".into(),
        source: CaptureSource::Proxy,
        target: Target {
            app: "mifit".into(),
            platform: Platform::Lab,
            version: AppVersion::named("1"),
            scenario: "by-hand".into(),
            claimed: false,
        },
        scenario_hash: None,
        run: 1,
        runs: 1,
        rig: Rig::Real { about: "a bench".into() },
        started: Clock::real().now(),
        planted: vec![],
        expectations: vec![],
        control: None,
    }
}
