//! A client's first message of TLS, read before it is known what is done with it: nothing that came is lost.

use std::io;

use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A client's first message.
pub(super) enum Hello {
    /// It is complete, with so many bytes read of what came.
    Complete(Box<Accepted>, usize),
    /// It never will be.
    Left,
    /// We cannot speak TLS with this client. It was told so.
    Impossible(rustls::Error),
    /// It only looked like TLS.
    NotTls,
}

/// Reads a ClientHello, and keeps what came in `first`.
pub(super) async fn client_hello(client: &mut (impl AsyncRead + AsyncWrite + Unpin), first: &mut Vec<u8>) -> io::Result<Hello> {
    let mut acceptor = Acceptor::default();
    let mut read = 0;
    loop {
        while read < first.len() {
            match acceptor.read_tls(&mut &first[read..]) {
                Ok(0) | Err(_) => return Ok(Hello::NotTls),
                Ok(count) => read += count,
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => return Ok(Hello::Complete(Box::new(accepted), read)),
                Ok(None) => {}
                Err((error @ rustls::Error::PeerIncompatible(_), mut alert)) => {
                    let mut bytes = Vec::new();
                    alert.write_all(&mut bytes)?;
                    client.write_all(&bytes).await?;
                    client.shutdown().await?;
                    return Ok(Hello::Impossible(error));
                }
                Err(_) => return Ok(Hello::NotTls),
            }
        }
        if first.len() > LONGEST_HELLO {
            return Ok(Hello::NotTls);
        }
        if client.read_buf(first).await? == 0 {
            return Ok(Hello::Left);
        }
    }
}

/// A handshake message has 64 KiB at most, and its records 5 bytes more each.
const LONGEST_HELLO: usize = 80 * 1024;
