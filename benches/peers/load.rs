//! The clients: uploads over TLS through a proxy or without one, as fast as they are answered. Every answer must say that the
//! server received as many bytes as were sent.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::LocalSet,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::Outcome;

/// Hosts that are uploaded to.
const HOSTS: u64 = 50;

/// What is uploaded, and over how many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Workload {
    /// 2 KB of JSON on 32 connections that stay open.
    A,
    /// 2 KB of JSON on a new TLS connection each, 8 at a time, over 50 hosts, without resumption.
    B,
    /// 5 MB, 4 at a time.
    C,
    /// As A, on one connection.
    D,
    /// 200 bytes on 32 connections that stay open.
    Small,
    /// One body of so many bytes as there are requests.
    Large,
    /// The known body, once.
    Proof,
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to upload.
    workload: Workload,
    /// The server.
    #[arg(long)]
    upstream: SocketAddr,
    /// The proxy, if any.
    #[arg(long)]
    proxy: Option<SocketAddr>,
    /// For how long, after half a second that is not counted.
    #[arg(long, default_value_t = 2.5)]
    seconds: f64,
    /// How many, instead of for how long.
    #[arg(long)]
    requests: Option<u64>,
}

/// What came of it, printed as one line of JSON.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Result {
    /// Uploads that were answered rightly in the time that counts.
    pub(crate) requests: u64,
    /// Uploads in all.
    pub(crate) all: u64,
    /// Uploads that were not.
    pub(crate) errors: u64,
    /// The time that counts.
    pub(crate) seconds: f64,
    /// Milliseconds until the answer: the median.
    pub(crate) p50: f64,
    /// The 99th of a hundred.
    pub(crate) p99: f64,
    /// What the first failure was.
    pub(crate) problem: Option<String>,
}

/// What all clients share.
struct Shared {
    arguments: Plan,
    connector: TlsConnector,
    counters: RefCell<Counters>,
}

struct Plan {
    workload: Workload,
    target: SocketAddr,
    proxied: bool,
    limit: Option<u64>,
    counting: Instant,
    until: Instant,
}

#[derive(Default)]
struct Counters {
    begun: u64,
    all: u64,
    errors: u64,
    problem: Option<String>,
    /// Microseconds of each.
    times: Vec<u32>,
}

/// The body whose bytes each proxy must have stored: 3,000 bytes that are no text, and no other body.
pub(crate) fn known_body() -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(0x7a77);
    std::iter::repeat_with(|| rng.u8(..)).take(3000).collect()
}

pub(crate) fn load(arguments: &Arguments) -> Outcome<()> {
    let start = Instant::now();
    let warm = if arguments.requests.is_some() || arguments.workload == Workload::Proof { 0.0 } else { 0.5 };
    let counting = start + Duration::from_secs_f64(warm);
    let limit = match arguments.workload {
        Workload::Proof | Workload::Large => Some(1),
        _ => arguments.requests,
    };
    let mut tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    tls.resumption = Resumption::disabled();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let shared = Rc::new(Shared {
        arguments: Plan {
            workload: arguments.workload,
            target: arguments.proxy.unwrap_or(arguments.upstream),
            proxied: arguments.proxy.is_some(),
            limit,
            counting,
            until: if limit.is_some() {
                start + Duration::from_secs(24 * 3600)
            } else {
                counting + Duration::from_secs_f64(arguments.seconds)
            },
        },
        connector: TlsConnector::from(Arc::new(tls)),
        counters: RefCell::default(),
    });
    let clients = match arguments.workload {
        Workload::A | Workload::Small => 32,
        Workload::B => 8,
        Workload::C => 4,
        Workload::D | Workload::Large | Workload::Proof => 1,
    };
    let body = match arguments.workload {
        Workload::A | Workload::B | Workload::D => json(2000),
        Workload::Small => json(200),
        Workload::C => noise(5_000_000),
        Workload::Large => noise(1 << 20),
        Workload::Proof => known_body(),
    };
    let body = Rc::new(body);
    let pieces = if arguments.workload == Workload::Large { arguments.requests.unwrap_or(1) } else { 1 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let tasks: Vec<_> =
            (0..clients).map(|number| tokio::task::spawn_local(client(Rc::clone(&shared), number, Rc::clone(&body), pieces))).collect();
        for task in tasks {
            task.await?;
        }
        Ok::<_, tokio::task::JoinError>(())
    })?;
    let seconds = counting.elapsed().as_secs_f64();
    let mut counters = shared.counters.take();
    counters.times.sort_unstable();
    let at = |share: f64| {
        let place = ((counters.times.len() as f64 * share) as usize).min(counters.times.len().saturating_sub(1));
        counters.times.get(place).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    };
    let result = Result {
        requests: counters.times.len() as u64,
        all: counters.all,
        errors: counters.errors,
        seconds,
        p50: at(0.5),
        p99: at(0.99),
        problem: counters.problem,
    };
    println!("{}", serde_json::to_string(&result)?);
    Ok(())
}

/// One client: uploads one after the other until it is over.
async fn client(shared: Rc<Shared>, number: u64, body: Rc<Vec<u8>>, pieces: u64) {
    let plan = &shared.arguments;
    let mut open: Option<(TlsStream<TcpStream>, u64)> = None;
    let mut body = (*body).clone();
    loop {
        let count = {
            let mut counters = shared.counters.borrow_mut();
            counters.begun += 1;
            counters.begun
        };
        if plan.limit.is_some_and(|limit| count > limit) || Instant::now() >= plan.until {
            return;
        }
        // No two bodies are equal: who keeps equal ones once gains nothing.
        if plan.workload != Workload::Proof {
            let mark = format!("{count:016}");
            body.iter_mut().skip(MARK_AT).zip(mark.bytes()).for_each(|(byte, digit)| *byte = digit);
        }
        let began = Instant::now();
        let done = async {
            let (mut stream, host) = match open.take() {
                Some(open) => open,
                None => {
                    let host = if plan.workload == Workload::B { count % HOSTS } else { number % HOSTS };
                    (connect(&shared, host).await?, host)
                }
            };
            exchange(&mut stream, host, &body, pieces).await?;
            if plan.workload == Workload::B {
                let _ = stream.shutdown().await;
            } else {
                open = Some((stream, host));
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        };
        let outcome = done.await;
        let mut counters = shared.counters.borrow_mut();
        counters.all += 1;
        match outcome {
            Ok(()) if began >= plan.counting => counters.times.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX)),
            Ok(()) => {}
            Err(problem) => {
                counters.errors += 1;
                counters.problem.get_or_insert_with(|| problem.to_string());
            }
        }
    }
}

async fn connect(shared: &Shared, host: u64) -> Outcome<TlsStream<TcpStream>> {
    let mut stream = TcpStream::connect(shared.arguments.target).await?;
    stream.set_nodelay(true)?;
    let name = name_of(host);
    if shared.arguments.proxied {
        stream.write_all(format!("CONNECT {name}:443 HTTP/1.1\r\nHost: {name}:443\r\n\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await?);
        }
        if !answer.starts_with(b"HTTP/1.1 200") {
            return Err("the CONNECT was refused".into());
        }
    }
    Ok(shared.connector.connect(ServerName::try_from(name)?, stream).await?)
}

async fn exchange(stream: &mut TlsStream<TcpStream>, host: u64, body: &[u8], pieces: u64) -> Outcome<()> {
    let length = body.len() as u64 * pieces;
    let head = format!(
        "POST /v1/data/band_data.json?t=1700000000000 HTTP/1.1\r\nHost: {}\r\nUser-Agent: benchmark\r\nAccept: */*\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n",
        name_of(host)
    );
    if body.len() < 16 * 1024 {
        stream.write_all(&[head.as_bytes(), body].concat()).await?;
    } else {
        stream.write_all(head.as_bytes()).await?;
        for _ in 0..pieces {
            stream.write_all(body).await?;
        }
    }
    stream.flush().await?;
    let mut answer = Vec::with_capacity(1024);
    let wanted = format!("\"received\":{length}}}");
    // The answer's end is known by its text: whatever framing a proxy gives it, it ends with the length.
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err("the connection ended before the answer did".into());
        }
        let text = String::from_utf8_lossy(&answer);
        if !text.starts_with("HTTP/1.1 200") {
            return Err(format!("answered {}", text.lines().next().unwrap_or_default()).into());
        }
        if text.contains(&wanted) && (!text.to_ascii_lowercase().contains("transfer-encoding: chunked") || text.ends_with("0\r\n\r\n")) {
            return Ok(());
        }
    }
}

fn name_of(host: u64) -> String {
    format!("host{host:02}.bench.test")
}

/// Something like what a band's app uploads.
fn json(length: usize) -> Vec<u8> {
    let mut text = String::from("{\"n\":\"0000000000000000\",\"device\":\"C0:FF:EE:12:34:56\",\"steps\":[");
    let mut rng = fastrand::Rng::with_seed(7);
    while text.len() < length - 8 {
        text.push_str(&format!("{},", rng.u32(40..200)));
    }
    text.push_str("0]}");
    text.into_bytes()
}

fn noise(length: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(length as u64);
    let mut bytes = vec![0; length];
    rng.fill(&mut bytes);
    bytes
}

/// Where a body's number stands.
const MARK_AT: usize = 6;

/// Every proxy has an authority of its own: which one signed is not what is measured.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
