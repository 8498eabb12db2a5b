//! A program that may open few files and connections, while a phone makes many: nobody is refused for that, and all that was
//! answered is recorded. The limit is set by a shell, for the built program alone.
#![cfg(unix)]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tattletale::{
    model::{Recording as _, RunEvent},
    store::CaptureReader,
};

#[test]
fn many_uploads_at_once_are_recorded_by_a_program_that_may_open_few_files() {
    let place = tempfile::tempdir().expect("a temporary folder can be made");
    let (server, heads) = upstream();
    let watch = Watch::start(place.path(), server);
    let clients: Vec<TcpStream> = (0..AT_ONCE).map(|number| watch.begin(number)).collect();
    // As many as find room are in flight, each with a body that is too large for the log.
    for _ in 0..LEAST_AT_ONCE {
        heads.recv_timeout(LIMIT).expect("some come to the server at once");
    }
    let answers: Vec<_> = clients.into_iter().map(|client| thread::spawn(move || finish(client))).collect();
    for answer in answers {
        let answer = answer.join().expect("no panic");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let late = finish(watch.begin(AT_ONCE));
    assert!(late.starts_with("HTTP/1.1 200"), "{late}");
    let capture = watch.kill();

    let reader = CaptureReader::open(&capture).expect("a capture");
    let found = reader.verify().expect("the chain holds");
    assert_eq!((found.missing_bodies, &found.ending), (0, &None), "{found:?}");
    let mut recorded = Vec::new();
    let mut take = |event: &tattletale::model::NumberedEvent, _: &dyn tattletale::model::Bodies| {
        if let RunEvent::Exchange(exchange) = &event.event {
            assert_eq!((exchange.request.body.bytes, &exchange.error), (LENGTH as u64, &None));
            assert!(exchange.request.body.sha256.is_some(), "it is whole");
            recorded.push(exchange.request.url.path().to_owned());
        }
    };
    reader.replay(&mut take).expect("readable");
    recorded.sort_unstable();
    let mut sent: Vec<_> = (0..=AT_ONCE).map(|number| format!("/up/{number}")).collect();
    sent.sort_unstable();
    assert_eq!(recorded, sent);
}

/// The built program, with the limit.
struct Watch {
    child: Child,
    address: SocketAddr,
    place: std::path::PathBuf,
}

impl Watch {
    /// Its way to the server is a proxy as well: the server takes whole URLs.
    fn start(place: &Path, server: SocketAddr) -> Self {
        let out = place.join("out.txt");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {DESCRIPTORS}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_tattletale")]);
        command.args(["watch", "--lines", "--out", "runs", "--upstream-proxy", &format!("http://{server}")]).current_dir(place);
        command.env_remove("CI").env("NO_COLOR", "1").stdin(Stdio::null());
        command.stdout(fs::File::create(&out).expect("the folder is writable")).stderr(Stdio::null());
        let child = command.spawn().expect("there is a shell");
        let began = Instant::now();
        let port = loop {
            assert!(began.elapsed() < LIMIT, "the proxy listens");
            let told = fs::read_to_string(&out).unwrap_or_default();
            if told.contains("\ncapture ")
                && let Some(line) = told.lines().find(|line| line.starts_with("proxy "))
            {
                break line.rsplit(':').next().and_then(|port| port.trim().parse().ok()).expect("a port");
            }
            thread::sleep(Duration::from_millis(20));
        };
        Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)), place: place.to_owned() }
    }

    /// Begins an upload.
    fn begin(&self, number: usize) -> TcpStream {
        let mut client = TcpStream::connect(self.address).expect("the proxy listens");
        client.set_read_timeout(Some(LIMIT)).expect("a socket");
        let head =
            format!("POST http://api.test/up/{number} HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\nContent-Length: {LENGTH}\r\n\r\n");
        client.write_all(head.as_bytes()).expect("it reads");
        client.write_all(&vec![b'x'; BEGINNING]).expect("it reads");
        client
    }

    /// Kills it, as nothing that was answered can be lost by that, and gives its capture.
    fn kill(mut self) -> std::path::PathBuf {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
        let captures: Vec<_> = fs::read_dir(self.place.join("runs")).expect("there").flatten().map(|entry| entry.path()).collect();
        let [capture] = &captures[..] else { panic!("one capture: {captures:?}") };
        capture.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends the rest of an upload, and reads the answer.
fn finish(mut client: TcpStream) -> String {
    client.write_all(&vec![b'y'; LENGTH - BEGINNING]).expect("it reads");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer");
    answer
}

/// A server that tells when it has the head of an upload, and answers when it has all of it.
fn upstream() -> (SocketAddr, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (head, heads) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, head) = (stream.expect("a connection"), head.clone());
            thread::spawn(move || {
                let mut byte = [0];
                let mut came = Vec::new();
                while !came.ends_with(b"\r\n\r\n") {
                    let Ok(1) = stream.read(&mut byte) else { return };
                    came.push(byte[0]);
                }
                let _ = head.send(());
                let mut body = vec![0; LENGTH];
                if stream.read_exact(&mut body).is_ok() {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
                }
            });
        }
    });
    (address, heads)
}

/// What the program may open. It has some thirty open before anybody comes.
const DESCRIPTORS: u32 = 100;
const AT_ONCE: usize = 60;
/// So many uploads find room at once: each needs two descriptors, and one more for its body.
const LEAST_AT_ONCE: usize = 8;
/// More than goes into the log.
const LENGTH: usize = 100_000;
const BEGINNING: usize = 1_000;
/// Far more than anything here needs, on any machine.
const LIMIT: Duration = Duration::from_secs(120);
