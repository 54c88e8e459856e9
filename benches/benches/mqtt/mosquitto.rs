//! A mosquitto of this process.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Where Debian puts it, which is not on everybody's path.
const BINARY: &str = "/usr/sbin/mosquitto";

/// A broker on a free port of loopback. It ends with this.
pub struct Mosquitto {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Mosquitto {
    /// Starts it; where there is none, says that the measures are left out. Under `CI` nothing is left out.
    pub fn start() -> Option<Self> {
        if !std::path::Path::new(BINARY).exists() {
            whirlwind_tests::guests::leave_out("there is no mosquitto: apt-get install mosquitto");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let path = folder.path().join("mosquitto.conf");
        let mut file = std::fs::File::create(&path).unwrap();
        // Without the last two its own bounds would be measured.
        writeln!(
            file,
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\nmax_inflight_messages 1000\nmax_queued_messages 0"
        )
        .unwrap();
        let process = Command::new(BINARY)
            .arg("-c")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            std::thread::yield_now();
        }
        Some(Self {
            process,
            port,
            _folder: folder,
        })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
