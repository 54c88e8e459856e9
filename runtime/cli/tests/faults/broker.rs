//! The brokers that a node is joined to.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Stdio};

use tempfile::TempDir;
use whirlwind_tests::Mosquitto;

use crate::bed::whirlwind;

/// One of them, in a process of its own.
pub enum Broker {
    Mosquitto(Mosquitto),
    Embedded(Embedded),
}

impl Broker {
    /// The broker of the outside world. Where it is not installed the test is left out, which is said.
    pub fn mosquitto() -> Option<Self> {
        Mosquitto::start().map(Self::Mosquitto)
    }

    /// Our own, which keeps nothing.
    pub fn embedded() -> Self {
        Self::Embedded(Embedded::start())
    }

    pub fn port(&self) -> u16 {
        match self {
            Self::Mosquitto(broker) => broker.port(),
            Self::Embedded(broker) => broker.port,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Mosquitto(_) => "mosquitto",
            Self::Embedded(_) => "mqtt5",
        }
    }

    /// Whether it can be ended without forgetting.
    pub fn keeps(&self) -> bool {
        matches!(self, Self::Mosquitto(_))
    }

    /// Ends it in good order and starts it again: it knows its sessions.
    pub fn restart(&mut self) {
        match self {
            Self::Mosquitto(broker) => {
                broker.end();
                broker.again();
            }
            Self::Embedded(_) => panic!("this one keeps nothing"),
        }
    }

    /// Kills it and starts it again: it knows nothing.
    pub fn forget(&mut self) {
        match self {
            Self::Mosquitto(broker) => {
                broker.kill();
                broker.forget();
                broker.again();
            }
            Self::Embedded(broker) => broker.again(),
        }
    }
}

/// A node that is nothing but a broker.
pub struct Embedded {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Embedded {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        // Below the ports that the system gives to clients, one of which would otherwise meet itself there.
        let first = 9_000 + u16::try_from(std::process::id() % 9_000).unwrap();
        let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
        let port = (first..).find(is_free).unwrap();
        let manifest = format!(
            r#"
            manifest = 1
            [app]
            name = "broker"
            [provider.broker]
            type   = "mqtt-broker"
            listen = "127.0.0.1:{port}"
            "#
        );
        fs::write(folder.path().join("whirlwind.toml"), manifest).unwrap();
        let process = run(&folder, port);
        Self {
            folder,
            port,
            process,
        }
    }

    fn again(&mut self) {
        self.kill();
        self.process = run(&self.folder, self.port);
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs it, and waits until it listens.
fn run(folder: &TempDir, port: u16) -> Child {
    let mut command = whirlwind(folder.path());
    command
        .arg("up")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut process = command.spawn().unwrap();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        let ended = process.try_wait().unwrap();
        assert!(ended.is_none(), "the broker has ended: {ended:?}");
        std::thread::yield_now();
    }
    process
}
