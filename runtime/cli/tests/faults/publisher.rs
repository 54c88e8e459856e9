//! Somebody who publishes numbers at the broker, each until it is confirmed.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ledger::Ledger;
use crate::packets::{self, Packet, Packets};

/// How many may be unconfirmed.
const WINDOW: usize = 100;

/// Publishes all numbers below the one it is told, and connects again whenever the broker is back.
#[derive(Debug)]
pub struct Publisher {
    goal: watch::Sender<u32>,
    publishing: JoinHandle<()>,
}

impl Publisher {
    pub fn start(broker: u16, ledger: Arc<Ledger>) -> Self {
        let (goal, goals) = watch::channel(0);
        let publishing = tokio::spawn(async move {
            let mut stream = Stream {
                goals,
                ledger,
                next: 0,
                unconfirmed: BTreeMap::new(),
            };
            loop {
                let _ = stream.publish(broker).await;
                // The broker is away: another try, once others have had their turn.
                tokio::task::yield_now().await;
            }
        });
        Self { goal, publishing }
    }

    /// Lets it go on to this number.
    pub fn go_to(&self, number: u32) {
        self.goal.send_replace(number);
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.publishing.abort();
    }
}

struct Stream {
    goals: watch::Receiver<u32>,
    ledger: Arc<Ledger>,
    next: u32,
    /// By packet id.
    unconfirmed: BTreeMap<u16, u32>,
}

impl Stream {
    /// Publishes on one connection, until it is lost.
    async fn publish(&mut self, broker: u16) -> io::Result<()> {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, broker)).await?;
        socket.set_nodelay(true)?;
        socket.write_all(&packets::connect("publisher")).await?;
        let mut came = Packets::default();
        let mut buffer = vec![0; 64 << 10];
        let mut open = false;
        loop {
            while let Some(packet) = came.next(4) {
                match packet {
                    Packet::ConnAck { taken: true, .. } => {
                        open = true;
                        let mut again: Vec<_> = self.unconfirmed.iter().collect();
                        again.sort_unstable_by_key(|(_, number)| **number);
                        let again = again
                            .iter()
                            .flat_map(|(id, number)| message(**id, **number));
                        socket.write_all(&again.collect::<Vec<u8>>()).await?;
                    }
                    Packet::PubAck(id) => {
                        if let Some(number) = self.unconfirmed.remove(&id) {
                            self.ledger.taken(number);
                        }
                    }
                    _ => {}
                }
            }
            let mut some = Vec::new();
            let goal = *self.goals.borrow_and_update();
            while open && self.next < goal && self.unconfirmed.len() < WINDOW {
                let id = u16::try_from(self.next % 65_535 + 1).unwrap();
                some.extend(message(id, self.next));
                self.ledger.offered(self.next);
                self.unconfirmed.insert(id, self.next);
                self.next += 1;
            }
            socket.write_all(&some).await?;
            tokio::select! {
                changed = self.goals.changed() => changed.map_err(io::Error::other)?,
                read = socket.read(&mut buffer) => match read? {
                    0 => return Ok(()),
                    read => came.feed(&buffer[..read]),
                },
            }
        }
    }
}

fn message(id: u16, number: u32) -> Vec<u8> {
    packets::publish("dev/a", id, number.to_string().as_bytes())
}
