//! A node whose disk is full: a small file system in memory. Where none can be mounted, the test says so and passes.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tokio::time::Instant;

use crate::app::App;
use crate::bed::{PATIENCE, Running, Said};

/// A file system of 8 MiB, unmounted when dropped.
struct Disk {
    at: PathBuf,
    _parent: tempfile::TempDir,
}

impl Disk {
    fn mount() -> Option<Self> {
        let parent = tempfile::tempdir().unwrap();
        let at = parent.path().join("disk");
        fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(&at)
            .stderr(Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            eprintln!("not run: no file system can be mounted here");
            return None;
        }
        Some(Self {
            at,
            _parent: parent,
        })
    }

    /// Takes all space that is left.
    fn fill(&self) {
        let ballast = File::options()
            .create(true)
            .append(true)
            .open(self.at.join("ballast"));
        let mut ballast = ballast.unwrap();
        while ballast.write_all(&[7; 512]).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.at.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

/// A node with all that it writes on the disk.
struct Node<'a> {
    app: &'a App,
    data: String,
    up: Running,
}

impl<'a> Node<'a> {
    fn start(app: &'a App, disk: &Disk) -> Self {
        let data = disk.at.join("data").to_str().unwrap().to_owned();
        let up = app.up(&["--data-dir", &data]);
        Self { app, data, up }
    }

    fn run(&self, args: &[&str]) -> Said {
        let socket = format!("{}/control.sock", self.data);
        self.app.run(&[args, &["--node", &socket]].concat())
    }

    fn ping(&self) -> Said {
        self.run(&["pub", "ping", "ping", "--content-type", "text/plain"])
    }

    /// How many pings took effect, once that is `wanted`.
    fn counts_to(&self, wanted: u64) {
        let begun = Instant::now();
        loop {
            let said = self.run(&["kv", "get", "counters", "counter"]);
            let counted: u64 = said.out.trim().parse().unwrap_or_default();
            if counted == wanted {
                return;
            }
            assert!(
                counted < wanted,
                "{counted} took effect, {wanted} were accepted"
            );
            assert!(
                begun.elapsed() < PATIENCE,
                "{counted} of {wanted}: {said:?}"
            );
        }
    }
}

#[test]
fn on_a_full_disk_it_refuses_with_the_reason_and_goes_on_when_there_is_space_and_loses_nothing() {
    let (Some(disk), Some(app)) = (Disk::mount(), App::durable()) else {
        return;
    };
    let mut node = Node::start(&app, &disk);
    let mut accepted = 0;
    for _ in 0..3 {
        assert_eq!(node.ping().status, 0);
        accepted += 1;
    }
    node.counts_to(accepted);
    for _ in 0..2 {
        disk.fill();
        let begun = Instant::now();
        loop {
            let said = node.ping();
            if said.status != 0 {
                assert_eq!((said.status, said.out.as_str()), (1, ""), "{said:?}");
                assert!(said.err.contains("could not be made durable"), "{said:?}");
                assert!(said.err.contains("No space left on device"), "{said:?}");
                break;
            }
            accepted += 1;
            assert!(begun.elapsed() < PATIENCE, "the disk is never full");
        }
        disk.empty();
        let begun = Instant::now();
        while node.ping().status != 0 {
            assert!(begun.elapsed() < PATIENCE, "it does not go on");
        }
        accepted += 1;
        node.counts_to(accepted);
    }
    // What was accepted lasts.
    node.up.signal("KILL");
    node.up.died();
    let mut node = Node::start(&app, &disk);
    node.counts_to(accepted);
    assert_eq!(node.ping().status, 0);
    node.counts_to(accepted + 1);
    assert_eq!(node.run(&["stop"]).status, 0);
    assert_eq!(node.up.end(), 0);
}
