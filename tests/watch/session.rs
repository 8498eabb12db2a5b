//! A session of `tattletale watch` for a test: started, asked and used through its proxy, ended. What a test asserts is its own.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
};

use crate::support::{Ended, Place};

/// Far longer than anything takes, on any machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A session that prints lines.
pub(crate) struct Session {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
    readers: Vec<std::thread::JoinHandle<()>>,
    pub(crate) proxy: SocketAddr,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).replace("&#x2f;", "/")
    }
}

impl Session {
    /// Starts a session in a place and waits until its proxy listens.
    pub(crate) fn start(place: &Place, args: &[&str]) -> Self {
        Self::started(place.command(&[&["watch", "--lines"], args].concat()))
    }

    /// The same where no file can be longer than this many blocks of 512 bytes: to a program, a full disk.
    pub(crate) fn start_on_a_small_disk(place: &Place, blocks: u32, args: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_tattletale")]);
        command.args(["watch", "--lines"]).args(args).current_dir(place.path());
        command.env_remove("CI").env("NO_COLOR", "1").env("COLUMNS", "120").stdin(Stdio::null());
        Self::started(command)
    }

    fn started(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary is there");
        let (out, err) = (Arc::<Mutex<String>>::default(), Arc::<Mutex<String>>::default());
        let readers =
            vec![keep(child.stdout.take().expect("piped"), Arc::clone(&out)), keep(child.stderr.take().expect("piped"), Arc::clone(&err))];
        let mut session = Self { child, out, err, readers, proxy: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) };
        session.wait_for("\ncapture ");
        let out = session.out();
        let line = out.lines().find(|line| line.starts_with("proxy ")).expect("it names its proxy");
        let port = line.rsplit(':').next().and_then(|port| port.parse().ok()).expect("with a port");
        session.proxy.set_port(port);
        session
    }

    /// What it has printed so far.
    pub(crate) fn out(&self) -> String {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has printed this.
    #[track_caller]
    pub(crate) fn wait_for(&self, words: &str) {
        wait_until(words, || self.out().contains(words), || format!("{} {}", self.out(), self.err.lock().expect("no panic")));
    }

    /// What it has said on standard error so far.
    pub(crate) fn err(&self) -> String {
        self.err.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A request to the proxy for an absolute URL, or, for one that begins with `/`, as if the proxy were a web server.
    pub(crate) fn ask(&self, method: &str, url: &str, headers: &[&str], body: &str) -> Answer {
        let mut stream = self.connect();
        let host = url.strip_prefix("http://").map_or("proxy.test", |rest| rest.split('/').next().unwrap_or_default());
        write!(stream, "{method} {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len())
            .expect("it listens");
        for header in headers {
            write!(stream, "{header}\r\n").expect("it listens");
        }
        write!(stream, "\r\n{body}").expect("it listens");
        answer(stream)
    }

    /// A `GET`.
    pub(crate) fn get(&self, url: &str) -> Answer {
        self.ask("GET", url, &[], "")
    }

    /// What is answered to a CONNECT, and the connection.
    pub(crate) fn tunnel(&self, host: &str) -> (u16, TcpStream) {
        self.tunnel_to(&format!("{host}:443"))
    }

    /// The same for a host and a port.
    pub(crate) fn tunnel_to(&self, authority: &str) -> (u16, TcpStream) {
        let mut stream = self.connect();
        write!(stream, "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").expect("it listens");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).unwrap_or(0) == 0 {
                break;
            }
            head.push(byte[0]);
        }
        (status(&String::from_utf8_lossy(&head)), stream)
    }

    /// A `GET` over TLS by a client that trusts these certificates only; `None` when it got no answer.
    pub(crate) fn get_by_tls(&self, host: &str, path: &str, roots: &[CertificateDer<'static>]) -> Option<Answer> {
        let (status, stream) = self.tunnel(host);
        assert_eq!(status, 200, "CONNECT {host}");
        let mut trusted = RootCertStore::empty();
        for root in roots {
            trusted.add(root.clone()).expect("a certificate");
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(trusted)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a client"), stream);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").ok()?;
        Some(answer(stream)).filter(|answer| answer.status != 0)
    }

    /// Ends it with a signal.
    pub(crate) fn end(mut self, signal: &str) -> Ended {
        send(self.child.id(), signal);
        let (mut status, out, child) = (None, Arc::clone(&self.out), &mut self.child);
        let ended = || {
            status = status.or(child.try_wait().expect("ours"));
            status.is_some()
        };
        wait_until("the end of the session", ended, || out.lock().expect("no panic").clone());
        for reader in self.readers.drain(..) {
            reader.join().expect("no panic");
        }
        let err = self.err.lock().expect("no panic").clone();
        Ended { code: status.and_then(|status| status.code()), out: self.out(), err }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.proxy).expect("it listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a socket");
        stream
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The certificate of the authority that a session made in a place.
pub(crate) fn authority(place: &Place) -> CertificateDer<'static> {
    let file: PathBuf = place.files("authority.pem").into_iter().next().expect("the session made one");
    let text = std::fs::read_to_string(file).expect("readable");
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----").expect("a certificate in it");
    let base64: String = rest.split("-----END").next().unwrap_or_default().split_whitespace().collect();
    STANDARD.decode(base64).expect("base64").into()
}

/// Sends a signal by name.
pub(crate) fn send(process: u32, signal: &str) {
    let sent = Command::new("kill").args([format!("-{signal}"), process.to_string()]).status().expect("kill is there");
    assert!(sent.success(), "the process is there");
}

/// Waits until something holds; says what there was instead when it never does.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool, instead: impl Fn() -> String) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LIMIT, "{what:?} did not come within {LIMIT:?}: {}", instead());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn keep(stream: impl std::io::Read + Send + 'static, into: Arc<Mutex<String>>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut text = into.lock().unwrap_or_else(PoisonError::into_inner);
            text.push_str(&line);
            text.push('\n');
        }
    })
}

fn answer(mut stream: impl std::io::Read) -> Answer {
    let mut all = Vec::new();
    // A client that is refused reads nothing, or half.
    let _ = stream.read_to_end(&mut all);
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").map_or(all.len(), |at| at + 4);
    let body = all.split_off(end);
    let head = String::from_utf8_lossy(&all).into_owned();
    Answer { status: status(&head), head: head.to_ascii_lowercase(), body }
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}
