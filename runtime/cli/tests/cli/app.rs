//! Pingpong, for the tests that run it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;
use whirlwind_tests::guest;

use crate::bed::{PATIENCE, Running, Said, run};

/// Pingpong in a folder of its own.
pub struct App(TempDir);

impl App {
    /// None where guests cannot be built.
    pub fn pingpong() -> Option<Self> {
        let component = guest("pingpong")?;
        let folder = TempDir::new().unwrap();
        fs::copy(component, folder.path().join("pingpong.wasm")).unwrap();
        let manifest = "manifest = 1\n\
            [app]\nname = \"pingpong\"\n\
            [actor.pingpong]\ncomponent = \"pingpong.wasm\"\nsubscribe = [\"ping\"]\npublish = [\"pong\"]\n\
            links = { keyvalue = \"counters\" }\nretry = { backoff = { min = \"1ms\", max = \"1ms\" } }\n\
            [provider.counters]\ntype = \"sled\"\n";
        fs::write(folder.path().join("whirlwind.toml"), manifest).unwrap();
        Some(Self(folder))
    }

    /// The same with durable topics, and its counter in the node's store.
    pub fn durable() -> Option<Self> {
        let app = Self::pingpong()?;
        let file = app.path().join("whirlwind.toml");
        let manifest = fs::read_to_string(&file).unwrap().replace("sled", "store");
        let topics = "[topic.ping]\ndurable = true\n[topic.pong]\ndurable = true\n";
        fs::write(file, manifest + topics).unwrap();
        Some(app)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn socket(&self) -> PathBuf {
        self.path().join(".whirlwind/control.sock")
    }

    /// Starts it and waits until it is up.
    pub fn up(&self, args: &[&str]) -> Running {
        let mut line = vec!["up"];
        line.extend(args);
        let mut up = Running::start(self.path(), &line);
        up.err("; Ctrl-C stops it");
        up
    }

    pub fn run(&self, args: &[&str]) -> Said {
        run(self.path(), args)
    }

    /// What `ps` says of pingpong once it has handled so many events: an answer is out a moment before its turn is counted.
    pub fn pingpong_after(&self, handled: u64) -> Value {
        let begun = Instant::now();
        loop {
            let said = self.run(&["ps", "--json"]);
            let parts: Vec<Value> =
                serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
            let part = parts
                .into_iter()
                .find(|part| part["name"] == "pingpong")
                .unwrap();
            if part["handled"] == handled {
                return part;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{handled} are not handled: {part}"
            );
        }
    }
}
