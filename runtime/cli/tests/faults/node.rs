//! The node in the middle, a process that can be killed.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::bed::whirlwind;

/// A gateway: what comes in on `dev/+` goes through a component and out on `done/out`.
pub struct Node {
    folder: TempDir,
    process: Child,
}

impl Node {
    /// Its broker is at `port`, and is spoken to in this version.
    pub fn start(relay: &Path, port: u16, version: u8) -> Self {
        let folder = TempDir::new().unwrap();
        let manifest = format!(
            r#"
            manifest = 1
            [app]
            name = "gate"
            [actor.relay]
            component = {relay:?}
            subscribe = ["in/+"]
            publish   = ["out"]
            [provider.broker]
            type       = "mqtt"
            url        = "mqtt://127.0.0.1:{port}"
            version    = {version}
            in         = [{{ mqtt = "dev/+", topic = "in/$1", format = "plain" }}]
            out        = [{{ topic = "out", mqtt = "done/out", mode = "data" }}]
            keep_alive = "5s"
            backoff    = {{ min = "20ms", max = "1s" }}
            "#
        );
        fs::write(folder.path().join("whirlwind.toml"), manifest).unwrap();
        let process = run(&folder);
        Self { folder, process }
    }

    /// Kills it, and starts it again.
    pub fn again(&mut self) {
        self.kill();
        self.process = run(&self.folder);
    }

    /// The memory it has in use, in KiB.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.unwrap().parse().unwrap()
    }

    /// The letters it holds, as it lists them.
    pub fn dead_letters(&self) -> String {
        let mut command = whirlwind(self.folder.path());
        let output = command.args(["dead", "list", "--json"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// All it has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the node said:\n{}", self.log());
        }
    }
}

fn run(folder: &TempDir) -> Child {
    let mut options = File::options();
    let options = options.append(true).create(true);
    let log = options.open(folder.path().join("log")).unwrap();
    let mut command = whirlwind(folder.path());
    command.arg("up").stdout(Stdio::null()).stderr(log);
    command.spawn().unwrap()
}
