use std::io;
use std::sync::Arc;

use async_tungstenite::tokio::accept_hdr_async;
use async_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use ws_stream_tungstenite::WsStream;

/// Where a WebSocket is asked for.
pub const PATH: &str = "/mqtt?token=1";

/// A way to a broker's port that can be cut.
pub struct Gate {
    port: u16,
    state: Arc<watch::Sender<State>>,
    accepting: JoinHandle<()>,
}

/// What leads through a gate.
#[derive(Clone)]
pub enum Way {
    /// The bytes as they are.
    Plain,
    /// TLS.
    Secure(TlsAcceptor),
    /// WebSockets, with the subprotocol of this name.
    Web(Option<&'static str>),
    /// WebSockets for MQTT, over TLS.
    SecureWeb(TlsAcceptor),
}

#[derive(Clone, Copy)]
struct State {
    open: bool,
    cuts: u64,
}

impl Gate {
    pub async fn new(way: Way, broker: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(watch::Sender::new(State {
            open: true,
            cuts: 0,
        }));
        let accepting = tokio::spawn(accept(listener, state.clone(), way, broker));
        Self {
            port,
            state,
            accepting,
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends every connection, and whichever comes, without a word.
    pub fn cut(&self) {
        self.state.send_modify(|state| {
            state.open = false;
            state.cuts += 1;
        });
    }

    pub fn restore(&self) {
        self.state.send_modify(|state| state.open = true);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.cut();
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<watch::Sender<State>>, way: Way, broker: u16) {
    while let Ok((stream, _)) = listener.accept().await {
        let State { open, cuts } = *state.borrow();
        if !open {
            continue;
        }
        let (way, mut state) = (way.clone(), state.subscribe());
        tokio::spawn(async move {
            tokio::select! {
                // However it ends, the connection does.
                _ = carry(stream, way, broker) => {}
                _ = state.wait_for(|state| state.cuts != cuts) => {}
            }
        });
    }
}

async fn carry(stream: TcpStream, way: Way, broker: u16) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match way {
        Way::Plain => join(stream, broker).await,
        Way::Secure(acceptor) => join(acceptor.accept(stream).await?, broker).await,
        Way::Web(subprotocol) => web(stream, subprotocol, broker).await,
        Way::SecureWeb(acceptor) => {
            let stream = acceptor.accept(stream).await?;
            web(stream, Some("mqtt"), broker).await
        }
    }
}

async fn web(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    subprotocol: Option<&'static str>,
    broker: u16,
) -> io::Result<()> {
    // The library's own type of an answer that is none of ours to make smaller.
    #[allow(clippy::result_large_err)]
    let answer = |asked: &Request, mut answer: Response| {
        assert_eq!(asked.headers()["sec-websocket-protocol"], "mqtt");
        assert_eq!(asked.uri(), PATH);
        if let Some(subprotocol) = subprotocol {
            let value = subprotocol.parse().unwrap();
            answer.headers_mut().insert("sec-websocket-protocol", value);
        }
        Ok(answer)
    };
    let stream = accept_hdr_async(stream, answer).await;
    let stream = stream.map_err(io::Error::other)?;
    join(WsStream::new(stream), broker).await
}

async fn join(stream: impl AsyncRead + AsyncWrite, broker: u16) -> io::Result<()> {
    let broker = TcpStream::connect(("127.0.0.1", broker)).await?;
    broker.set_nodelay(true)?;
    let ((from_client, to_client), (from_broker, to_broker)) = (split(stream), split(broker));
    tokio::join!(pump(from_client, to_broker), pump(from_broker, to_client));
    Ok(())
}

/// Carries all that is said, until no more can be. (`copy_bidirectional` forgets what it has read when the next read fails, and the
/// client library leaves without a word to TLS.)
async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let written = to.write_all(&buffer[..count]).await;
        if written.is_err() || to.flush().await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
