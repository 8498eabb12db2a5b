//! The processes that are made here: the server behind all proxies, our proxy with its recorder and capture, and the same engine
//! without them.

use std::{
    fs,
    io::Read as _,
    net::SocketAddr,
    path::Path,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use http_body_util::{BodyExt, Full};
use hudsucker::{HttpContext, HttpHandler, RequestOrResponse, certificate_authority::CertificateAuthority};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder as ServerBuilder,
};
use jiff::Timestamp;
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::aws_lc_rs, pki_types::CertificateDer, server::Acceptor};
use tattletale::{
    clock::Clock,
    model::{AppVersion, CaptureSource, Platform, Provenance, Rig, RunEnding, RunEvent, Target, capture::CAPTURE_FORMAT},
    run::recorder,
    scenario::rig::StageLog as _,
    traffic::{
        RunningSource as _,
        authority::Authority,
        proxy::{LocalUpstream, OpenGate, Proxy, ProxySetup, Upstream},
        queue::queue,
    },
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;
use tower_service::Service;

use super::Outcome;

/// The file of the server's root certificate, DER.
pub(crate) const ROOT: &str = "root.der";

/// A proxy that is made here.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// The engine alone.
    Bare,
    /// Proxy, recorder and capture on disk.
    Ours,
}

/// Serves HTTP/1 over TLS for any host, takes uploads, and answers each with its length.
pub(crate) fn upstream(folder: &Path) -> Outcome<()> {
    let authority = Arc::new(Authority::generate("upstream of a benchmark", Timestamp::now())?);
    fs::write(folder.join(ROOT), authority.certificate_der())?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening {}", listener.local_addr()?);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let authority = Arc::clone(&authority);
                tokio::spawn(async move {
                    let _ = serve(stream, &authority).await;
                });
            }
        });
        end_of_input().await
    })
}

async fn serve(stream: TcpStream, authority: &Authority) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let host = start.client_hello().server_name().unwrap_or("nameless.test").to_owned();
    let stream = start.into_stream(authority.server_config(&host, &[b"http/1.1"])?).await?;
    let service = service_fn(|request: Request<Incoming>| async move {
        let mut body = request.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame?.data_ref().map_or(0, Bytes::len);
        }
        let answer = Full::new(Bytes::from(format!("{{\"code\":1,\"received\":{length}}}")));
        Ok::<_, hyper::Error>(Response::builder().header("content-type", "application/json").body(answer).expect("a response"))
    });
    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?;
    Ok(())
}

/// A proxy that reads everything and finds `upstream` behind every host. Ends with its standard input.
pub(crate) fn proxy(kind: Kind, upstream: SocketAddr, folder: &Path, captures: &Path) -> Outcome<()> {
    let root = CertificateDer::from(fs::read(folder.join(ROOT))?);
    let authority = Arc::new(Authority::generate("tattletale audit of a benchmark", Timestamp::now())?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match kind {
        Kind::Bare => runtime.block_on(bare(upstream, root, authority)),
        Kind::Ours => runtime.block_on(ours(upstream, root, authority, captures)),
    }
}

async fn ours(upstream: SocketAddr, root: CertificateDer<'static>, authority: Arc<Authority>, captures: &Path) -> Outcome<()> {
    let (events, traffic) = queue();
    let setup = ProxySetup {
        listen: ([127, 0, 0, 1], 0).into(),
        authority,
        upstream: Upstream::Local(LocalUpstream::new(move |_, _| Some(upstream), [root])),
        gate: Arc::new(OpenGate),
        clock: Clock::real(),
    };
    let proxy = Proxy::new(setup).launch(events)?;
    let (recorder, writing) = recorder::start(captures, provenance(), Clock::real(), traffic, Arc::new(proxy.clone()), vec![])?;
    println!("listening {}", proxy.address().ok_or("it has no address")?);
    end_of_input().await?;
    proxy.stop().await?;
    recorder.write(RunEvent::RunEnded { ending: RunEnding::Complete }).await;
    let folder = writing.folder().to_owned();
    drop((recorder, proxy));
    writing.finish().await?;
    println!("{}", folder.display());
    Ok(())
}

/// The engine with the same settings as ours and nothing of ours in its path.
async fn bare(upstream: SocketAddr, root: CertificateDer<'static>, authority: Arc<Authority>) -> Outcome<()> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(1024)?;
    let listener = TcpListener::from_std(socket.into())?;
    println!("listening {}", listener.local_addr()?);
    let mut roots = RootCertStore::empty();
    roots.add(root)?;
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions().wrap_connector(Dial(upstream));
    let mut client = Client::builder(TokioExecutor::new());
    client.timer(TokioTimer::new()).pool_timer(TokioTimer::new()).http1_title_case_headers(true).http1_preserve_header_case(true);
    let mut server = ServerBuilder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).title_case_headers(true).preserve_header_case(true);
    server.http2().timer(TokioTimer::new());
    let engine = hudsucker::Proxy::builder()
        .with_listener(listener)
        .with_ca(Minter(authority))
        .with_http_connector(connector)
        .with_http_handler(Nothing)
        .with_client(client)
        .with_server(server)
        .build()?;
    tokio::select! {
        ended = engine.start() => Ok(ended?),
        ended = end_of_input() => ended,
    }
}

/// Passes everything on.
#[derive(Clone)]
struct Nothing;

impl HttpHandler for Nothing {
    async fn handle_request(&mut self, _: &HttpContext, request: Request<hudsucker::Body>) -> RequestOrResponse {
        request.into()
    }
}

struct Minter(Arc<Authority>);

impl CertificateAuthority for Minter {
    async fn gen_server_config(&self, authority: &http::uri::Authority) -> Arc<ServerConfig> {
        self.0.server_config(authority.host(), &[b"h2", b"http/1.1"]).expect("benchmark hosts can be named")
    }
}

/// Connects to one address, whatever is asked for.
#[derive(Clone)]
struct Dial(SocketAddr);

impl Service<http::Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = std::io::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        let address = self.0;
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        })
    }
}

/// Waits until standard input is closed.
async fn end_of_input() -> Outcome<()> {
    let waiting = tokio::task::spawn_blocking(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    });
    let mut waiting = pin!(waiting);
    Ok((&mut waiting).await?)
}

fn provenance() -> Provenance {
    Provenance {
        format: CAPTURE_FORMAT,
        tool: env!("CARGO_PKG_VERSION").into(),
        source: CaptureSource::Proxy,
        target: Target {
            app: "benchmark".into(),
            platform: Platform::Lab,
            version: AppVersion::named("1"),
            scenario: "load".into(),
            claimed: false,
        },
        scenario_hash: None,
        run: 1,
        runs: 1,
        rig: Rig::Real { about: "a benchmark".into() },
        started: Timestamp::now(),
        planted: vec![],
        expectations: vec![],
        control: None,
    }
}
