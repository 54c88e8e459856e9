//! The way between a node and its broker, on which things happen.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use crate::ledger::{Ledger, Page};
use crate::packets::Packets;

/// What happens to the connection there is.
#[derive(Clone, Debug)]
pub enum Mishap {
    /// Both ends are closed.
    Cut,
    /// Nothing passes any more, and nobody is told.
    HalfOpen,
    /// The next bytes, so many, pass one by one.
    Slow(usize),
    /// The node is sent these bytes, between two packets.
    Garbage(Vec<u8>),
}

/// Forwards a port of its own to that of a broker, and tells a ledger what passes.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    mishaps: broadcast::Sender<Mishap>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub async fn start(broker: u16, ledger: Arc<Ledger>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mishaps = broadcast::Sender::new(16);
        let accepting = tokio::spawn({
            let mishaps = mishaps.clone();
            async move {
                while let Ok((node, _)) = listener.accept().await {
                    let (mishaps, ledger) = (mishaps.subscribe(), ledger.clone());
                    tokio::spawn(async move {
                        let broker = SocketAddr::from((Ipv4Addr::LOCALHOST, broker));
                        // Where no broker listens, the node's connection ends at once.
                        if let Ok(broker) = TcpStream::connect(broker).await {
                            let mut page = Page::new(&ledger);
                            let _ = forward(node, broker, mishaps, &mut page).await;
                            page.lost();
                        }
                    });
                }
            }
        });
        Self {
            port,
            mishaps,
            accepting,
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Does this to the connection there is.
    pub fn mishap(&self, mishap: Mishap) {
        self.mishaps.send(mishap).unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Until either end is closed.
async fn forward(
    mut node: TcpStream,
    mut broker: TcpStream,
    mut mishaps: broadcast::Receiver<Mishap>,
    page: &mut Page<'_>,
) -> io::Result<()> {
    node.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let (mut up, mut down) = (Packets::default(), Packets::default());
    let mut garbage: Option<Vec<u8>> = None;
    let mut slow = 0;
    let (mut from_node, mut from_broker) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        if down.is_between()
            && let Some(garbage) = garbage.take()
        {
            node.write_all(&garbage).await?;
        }
        tokio::select! {
            mishap = mishaps.recv() => match mishap {
                Ok(Mishap::Cut) | Err(_) => return Ok(()),
                Ok(Mishap::HalfOpen) => {
                    page.lost();
                    return swallow(node).await;
                }
                Ok(Mishap::Slow(bytes)) => slow = bytes,
                Ok(Mishap::Garbage(bytes)) => {
                    page.lost();
                    garbage = Some(bytes);
                }
            },
            read = node.read(&mut from_node) => {
                let bytes = some(&from_node, read?)?;
                up.feed(bytes);
                while let Some(packet) = up.next(page.level()) {
                    page.node_sent(&packet);
                }
                pass(&mut broker, bytes, &mut slow).await?;
            }
            read = broker.read(&mut from_broker) => {
                let bytes = some(&from_broker, read?)?;
                down.feed(bytes);
                while let Some(packet) = down.next(page.level()) {
                    page.broker_sent(&packet);
                }
                pass(&mut node, bytes, &mut slow).await?;
            }
        }
    }
}

fn some(buffer: &[u8], read: usize) -> io::Result<&[u8]> {
    match read {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => Ok(&buffer[..read]),
    }
}

async fn pass(to: &mut TcpStream, bytes: &[u8], slow: &mut usize) -> io::Result<()> {
    let (one_by_one, rest) = bytes.split_at(bytes.len().min(*slow));
    *slow -= one_by_one.len();
    for byte in one_by_one.chunks(1) {
        to.write_all(byte).await?;
        tokio::task::yield_now().await;
    }
    to.write_all(rest).await
}

/// Takes what comes, and does nothing with it, until the other side gives up.
async fn swallow(mut node: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    while node.read(&mut buffer).await? > 0 {}
    Ok(())
}
