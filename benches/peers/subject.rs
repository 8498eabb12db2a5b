//! The proxies that are compared, each started, loaded, ended, and asked for the bytes that it was to keep.

use std::{
    ffi::OsStr,
    fmt, fs, io,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tattletale::{
    model::{Recording as _, RunEvent, text::sha256_hex},
    store::CaptureReader,
};

use super::{
    Outcome,
    load::known_body,
    process::{Processor, Running},
    roles::ROOT,
};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Subject {
    /// No proxy.
    Direct,
    /// The engine of ours, alone.
    Bare,
    /// Ours, with recorder and capture on disk.
    Ours,
    /// `mitmdump -w FILE`.
    Mitmproxy,
    /// mockttp, with a program that stores requests and responses.
    Mockttp,
}

impl Subject {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 5] = [Self::Direct, Self::Bare, Self::Ours, Self::Mitmproxy, Self::Mockttp];

    /// Whether it can be run on this machine.
    pub(crate) fn is_there(self) -> bool {
        match self {
            Self::Direct | Self::Bare | Self::Ours => true,
            Self::Mitmproxy => mitmdump().is_file(),
            Self::Mockttp => peers().join("node_modules/mockttp").is_dir(),
        }
    }

    /// Starts it; `None` for no proxy. What it keeps goes into `store`.
    pub(crate) fn start(self, upstream: SocketAddr, folder: &Path, store: &Path) -> Outcome<Option<Started>> {
        let told = upstream.to_string();
        let started = match self {
            Self::Direct => return Ok(None),
            Self::Bare | Self::Ours => {
                let kind = if self == Self::Bare { "bare" } else { "ours" };
                let arguments = [OsStr::new("proxy"), kind.as_ref(), told.as_ref(), folder.as_os_str(), store.as_os_str()];
                let mut process = Running::role(Processor::Last, &arguments)?;
                Started { subject: self, address: process.address()?, process, store: store.to_owned() }
            }
            Self::Mockttp => {
                let script = here().join("mockttp.cjs");
                let file = store.join("mockttp.raw");
                let arguments = ["NODE_PATH".to_owned() + "=" + &peers().join("node_modules").to_string_lossy(), "node".to_owned()];
                let arguments = [arguments[0].as_ref(), arguments[1].as_ref(), script.as_os_str(), told.as_ref(), file.as_os_str()];
                let mut process = Running::start(Processor::Last, "env", &arguments)?;
                Started { subject: self, address: process.address()?, process, store: store.to_owned() }
            }
            Self::Mitmproxy => {
                let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
                let root = pem(&folder.join(ROOT))?;
                let pairs = [
                    format!("UPSTREAM={told}"),
                    mitmdump().to_string_lossy().into_owned(),
                    format!("confdir={}", store.join("mitmproxy").display()),
                    format!("ssl_verify_upstream_trusted_ca={}", root.display()),
                    address.port().to_string(),
                    store.join("flows.mitm").to_string_lossy().into_owned(),
                    here().join("mitmproxy.py").to_string_lossy().into_owned(),
                ];
                let [environment, program, conf, root, port, file, script] = pairs.each_ref().map(OsStr::new);
                let [set, quiet, listen, on, write, addon] = ["--set", "-q", "--listen-host", "127.0.0.1", "-w", "-s"].map(OsStr::new);
                let arguments =
                    [environment, program, quiet, set, conf, set, root, listen, on, OsStr::new("-p"), port, write, file, addon, script];
                let process = Running::start(Processor::Last, "env", &arguments)?;
                let patience = Instant::now();
                while TcpStream::connect(address).is_err() {
                    if patience.elapsed() > Duration::from_secs(30) {
                        return Err("mitmdump does not listen".into());
                    }
                    std::thread::sleep(Duration::from_millis(100));
                }
                Started { subject: self, address, process, store: store.to_owned() }
            }
        };
        Ok(Some(started))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "no proxy",
            Self::Bare => "bare engine",
            Self::Ours => "tattletale",
            Self::Mitmproxy => "mitmdump -w",
            Self::Mockttp => "mockttp",
        })
    }
}

/// A proxy at work.
pub(crate) struct Started {
    subject: Subject,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The process.
    pub(crate) process: Running,
    store: PathBuf,
}

impl Started {
    /// Ends it. Gives, for one that keeps what passes, whether it kept the known body, byte for byte.
    pub(crate) fn finish(self) -> Outcome<Option<bool>> {
        let known = known_body();
        match self.subject {
            Subject::Direct | Subject::Bare => {
                self.process.finish()?;
                Ok(None)
            }
            Subject::Ours => {
                let printed = self.process.finish()?;
                Ok(Some(capture_holds(Path::new(printed.trim()), &known)?))
            }
            Subject::Mockttp => {
                self.process.finish()?;
                Ok(Some(holds(&self.store.join("mockttp.raw"), &known)?))
            }
            Subject::Mitmproxy => {
                self.process.interrupt()?;
                Ok(Some(holds(&self.store.join("flows.mitm"), &known)?))
            }
        }
    }
}

/// Whether a capture holds an upload with these bytes.
fn capture_holds(capture: &Path, known: &[u8]) -> Outcome<bool> {
    let (digest, mut found) = (sha256_hex(known), false);
    CaptureReader::open(capture)?.replay(&mut |event, bodies| {
        if let RunEvent::Exchange(exchange) = &event.event
            && exchange.request.body.sha256.as_ref() == Some(&digest)
            && let Ok(Some(mut body)) = exchange.request.body.open(bodies)
        {
            let mut bytes = Vec::new();
            found |= body.read_to_end(&mut bytes).is_ok() && bytes == known;
        }
    })?;
    Ok(found)
}

/// Whether a file holds these bytes.
fn holds(file: &Path, known: &[u8]) -> io::Result<bool> {
    let mut input = fs::File::open(file)?;
    let (mut window, mut buffer) = (Vec::new(), vec![0; 1 << 20]);
    let finder = memchr::memmem::Finder::new(known);
    loop {
        let count = io::Read::read(&mut input, &mut buffer)?;
        if count == 0 {
            return Ok(false);
        }
        window.extend_from_slice(&buffer[..count]);
        if finder.find(&window).is_some() {
            return Ok(true);
        }
        window.drain(..window.len().saturating_sub(known.len()));
    }
}

/// The root certificate as PEM, beside the DER.
fn pem(der: &Path) -> Outcome<PathBuf> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let path = der.with_extension("pem");
    let text = STANDARD.encode(fs::read(der)?);
    let lines: Vec<String> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    fs::write(&path, format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n")))?;
    Ok(path)
}

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers")
}

fn mitmdump() -> PathBuf {
    peers().join("venv/bin/mitmdump")
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers")
}
