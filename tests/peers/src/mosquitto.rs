//! A real MQTT broker of the test's own.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use crate::leave_out;

/// Where Debian puts it, which is not on everybody's path.
const BINARY: &str = "/usr/sbin/mosquitto";

/// A mosquitto on a port of loopback; it ends with this.
pub struct Mosquitto {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Mosquitto {
    /// Starts one that lets everybody in, and keeps its sessions when it is [asked to end](Self::end). Where there is no mosquitto, the
    /// test that asked is left out, which is said; under `CI` it fails.
    pub fn start() -> Option<Self> {
        Self::start_with(|_| "allow_anonymous true".to_owned())
    }

    /// The same with these settings, which may name files that they put into its folder.
    pub fn start_with(settings: impl FnOnce(&Path) -> String) -> Option<Self> {
        if !Path::new(BINARY).exists() {
            leave_out("there is no mosquitto: apt-get install mosquitto");
            return None;
        }
        let folder = TempDir::new().unwrap_or_else(|error| panic!("no folder: {error}"));
        let port = free_port();
        // Without the last two its own bound, and Nagle's algorithm, would be tested.
        let lines = format!(
            "listener {port} 127.0.0.1\npersistence true\npersistence_location {}/\nuser root\n\
             set_tcp_nodelay true\nmax_queued_messages 0\n{}\n",
            folder.path().display(),
            settings(folder.path())
        );
        let written = std::fs::write(settings_of(&folder), lines);
        written.unwrap_or_else(|error| panic!("no settings: {error}"));
        let process = run(&folder, port);
        Some(Self {
            process,
            port,
            folder,
        })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address, as a manifest names it.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Asks it to end, and waits until it has: what it knows lies in a file then.
    pub fn end(&mut self) {
        let pid = self.process.id().to_string();
        let asked = Command::new("kill").arg(pid).status();
        assert!(asked.is_ok_and(|status| status.success()), "no kill");
        let _ = self.process.wait();
    }

    /// Kills it: what it had not written to a file is gone.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Deletes what it wrote to a file, once it has ended.
    pub fn forget(&self) {
        let _ = std::fs::remove_file(self.folder.path().join("mosquitto.db"));
    }

    /// Starts it again, on the same port.
    pub fn again(&mut self) {
        self.process = run(&self.folder, self.port);
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

fn settings_of(folder: &TempDir) -> PathBuf {
    folder.path().join("mosquitto.conf")
}

/// Runs it, and waits until it listens.
fn run(folder: &TempDir, port: u16) -> Child {
    let mut command = Command::new(BINARY);
    command.arg("-c").arg(settings_of(folder));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let process = command.spawn();
    let mut process = process.unwrap_or_else(|error| panic!("{BINARY} does not run: {error}"));
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        let ended = process.try_wait();
        assert!(matches!(ended, Ok(None)), "{BINARY} has ended: {ended:?}");
        std::thread::yield_now();
    }
    process
}

/// Below the ports that the system gives to clients: one that connects again and again while the broker is away could be given the
/// broker's own, and be connected with itself.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 19_000 + (std::process::id() % 10_000) as u16;
    let mut ports = std::iter::repeat_with(|| first + NEXT.fetch_add(1, Ordering::Relaxed));
    let port = ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    port.unwrap_or_else(|| panic!("no port is free"))
}
