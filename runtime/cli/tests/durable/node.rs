//! The node, a process that can be killed.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use crate::bed::{PATIENCE, whirlwind};
use crate::client::Client;

/// One after the other, over the same data directory.
pub struct Node {
    folder: TempDir,
    process: Child,
    /// How long each took from its start to the words that it is up.
    pub opened: Vec<Duration>,
}

impl Node {
    pub fn start(manifest: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("whirlwind.toml"), manifest).unwrap();
        let (process, opened) = run(&folder);
        Self {
            folder,
            process,
            opened: vec![opened],
        }
    }

    /// Kills it, which is how it ends and not otherwise.
    pub fn kill(&mut self) {
        let ended = self.process.try_wait().unwrap();
        assert!(ended.is_none(), "the node has ended by itself: {ended:?}");
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts the next one, which must find everything whole.
    pub fn again(&mut self) {
        let (process, opened) = run(&self.folder);
        self.process = process;
        self.opened.push(opened);
        assert_eq!(self.damaged(), Vec::<String>::new());
    }

    /// What was found damaged, and set aside.
    fn damaged(&self) -> Vec<String> {
        let entries = fs::read_dir(self.data()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains("damaged")).collect()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join(".whirlwind")
    }

    pub fn socket(&self) -> PathBuf {
        self.data().join("control.sock")
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.socket()).await.unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let ended = self.process.try_wait();
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(100)..].join("\n");
            eprintln!("had the node ended by itself? {ended:?}; the last that nodes said:\n{last}");
        }
    }
}

/// Runs it, and waits until it says that it is up.
fn run(folder: &TempDir) -> (Child, Duration) {
    let mut options = File::options();
    let options = options.append(true).create(true);
    let log = options.open(folder.path().join("log")).unwrap();
    let mut command = whirlwind(folder.path());
    command
        .arg("up")
        // Each attempt that traps is a warning: they are many, and asked for.
        .env("WHIRLWIND_LOG", "error")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let began = Instant::now();
    let mut process = command.spawn().unwrap();
    let said = process.stderr.take().unwrap();
    let (up, is_up) = sync_channel(1);
    thread::spawn(move || keep(said, log, &up));
    if let Err(why) = is_up.recv_timeout(PATIENCE) {
        let log = fs::read_to_string(folder.path().join("log")).unwrap();
        let _ = process.kill();
        panic!("a node did not come up, {why}; they said:\n{log}");
    }
    (process, began.elapsed())
}

/// Keeps what it says, and tells when it says that it is up.
fn keep(said: ChildStderr, mut log: File, up: &SyncSender<()>) {
    // Of a node that was killed, the last line may be cut anywhere.
    for line in BufReader::new(said).split(b'\n').map_while(Result::ok) {
        if line.starts_with(b"up in ") {
            // It was waited for too long.
            let _ = up.send(());
        }
        let _ = log.write_all(&[&line[..], b"\n"].concat());
    }
}
