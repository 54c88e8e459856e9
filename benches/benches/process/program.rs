//! The program `whirlwind`, and other processes that start, print an event and end.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;
use whirlwind_benches::events::{IN, OUT};

use crate::role::Role;

/// This benchmark as a program, also where a build has put a newer one in its place.
pub const THIS: &str = "/proc/self/exe";

/// The program beside this benchmark, with the profile of this benchmark; built where it is missing or the sources are newer.
pub fn whirlwind() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    // target/release/deps/process-...
    let folder = this.ancestors().nth(2).unwrap();
    let profile = match folder.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--workspace", "--bin", "whirlwind"])
        // With it, dependencies have the features that they have for tests and benchmarks: nothing is built twice.
        .args(["--bench", "process"])
        .args(["--profile", profile, "--target-dir"])
        .arg(folder.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(built.success(), "the program does not build");
    folder.join("whirlwind")
}

/// How a process is started that prints an event and ends.
pub struct Started {
    program: PathBuf,
    args: Vec<String>,
    _folder: TempDir,
}

impl Started {
    /// This benchmark itself, with a component, an engine, and nothing else.
    pub fn bare(relay: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let role = Role::Call {
            relay: relay.to_owned(),
            cache: folder.path().canonicalize().unwrap(),
        };
        Self {
            program: THIS.into(),
            args: role.args(),
            _folder: folder,
        }
    }

    /// The program, with the same component as an actor beside the cheapest of providers.
    pub fn relay(whirlwind: &Path, relay: &Path) -> Self {
        let manifest = format!(
            r#"
            manifest = 1
            [app]
            name = "bench"
            [actor.relay]
            component = {relay:?}
            subscribe = ["{IN}"]
            publish   = ["{OUT}"]
            [provider.memory]
            type = "memory"
            "#
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("whirlwind.toml"), manifest).unwrap();
        let app = folder.path().to_owned();
        Self::up(whirlwind, &app, [IN, OUT], folder)
    }

    /// The program, with the app of the README as it is.
    pub fn pingpong(whirlwind: &Path, pingpong: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::up(whirlwind, pingpong, ["ping", "pong"], folder)
    }

    fn up(whirlwind: &Path, app: &Path, [input, output]: [&str; 2], folder: TempDir) -> Self {
        let data_dir = folder.path().join("data");
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let args = [
            "up",
            &path(app),
            "--data-dir",
            &path(&data_dir),
            "--pub",
            &format!("{input}=ping"),
            "--sub",
            output,
            "--count",
            "1",
        ];
        Self {
            program: whirlwind.to_owned(),
            args: args.map(str::to_owned).into(),
            _folder: folder,
        }
    }

    /// Starts it, and waits for its end. Answers the time until it had printed the event.
    pub fn first_event(&self) -> Duration {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_remove("RUST_LOG")
            .env_remove("WHIRLWIND_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let begun = Instant::now();
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let time = begun.elapsed();
        let ended = process.wait_with_output().unwrap();
        assert!(
            ended.status.success() && line.ends_with('\n'),
            "{command:?}: {}: {line}\n{}",
            ended.status,
            String::from_utf8_lossy(&ended.stderr)
        );
        time
    }
}
