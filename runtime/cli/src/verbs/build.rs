//! `build`: runs the build commands of a manifest, as its author would by hand.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::Instant;
use whirlwind::App;

use super::{app, seconds};
use crate::args::Build;
use crate::exit::{Ended, Exit, Failure};
use crate::print::{self, printable};
use crate::progress::Progress;

/// The target that guests are built for; the one thing that a build may need and that can be added.
pub(super) const TARGET: &str = "wasm32-wasip2";

/// Lines of a build's output that wait to be taken. The build waits when they are not.
const WAITING: usize = 64;

/// How much of a build's output is kept for when it fails, in bytes; the end says what went wrong.
const KEPT: usize = 256 * 1024;

pub(crate) async fn run(build: &Build, progress: &Progress) -> Ended {
    let app = app(&build.app)?;
    all(&app, progress).await?;
    Ok(Exit::Done)
}

/// Runs each build command once, however many actors have it.
pub(super) async fn all(app: &App, progress: &Progress) -> Result<(), Failure> {
    let mut commands: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for actor in app.actors.values() {
        if let Some(command) = &actor.build {
            commands.entry(command).or_default().push(&actor.name);
        }
    }
    if commands.is_empty() {
        print::note("nothing to build: no actor has a `build` command");
    }
    if commands.keys().any(|command| command.contains(TARGET)) {
        add_target(&app.folder, progress).await?;
    }
    for (command, actors) in commands {
        one(&app.folder, command, &actors.join(", "), progress).await?;
    }
    Ok(())
}

async fn one(
    folder: &Path,
    command: &str,
    actors: &str,
    progress: &Progress,
) -> Result<(), Failure> {
    let shown = printable(command);
    let start = Instant::now();
    let moving = progress.begin(format!("building {actors}: {shown}"));
    let mut shell = clean("sh");
    shell.arg("-c").arg(command).current_dir(folder);
    let ran = watch(shell, |line| moving.at(printable(line.trim()))).await;
    drop(moving);
    let (status, output) =
        ran.map_err(|error| Failure::failed(format!("sh cannot be run: {error}")))?;
    if status.success() {
        print::say(format_args!(
            "built {actors} in {}",
            seconds(start.elapsed())
        ));
        return Ok(());
    }
    print::say(String::from_utf8_lossy(&output).trim_end());
    Err(Failure::failed(format!(
        "the build of {actors} failed: {}",
        in_words(status)
    ))
    .at_path(folder)
    .help(format!(
        "its output is above; by hand it is: cd {} && {shown}",
        folder.display()
    )))
}

/// Adds the target where rustup is there and the target is not. A system without rustup has its targets its own way.
async fn add_target(folder: &Path, progress: &Progress) -> Result<(), Failure> {
    let rustup = |arguments: &[&str]| {
        let mut rustup = clean("rustup");
        rustup.args(arguments).current_dir(folder);
        rustup
    };
    let listed = rustup(&["target", "list", "--installed"]).output().await;
    let Ok(listed) = listed else {
        return Ok(());
    };
    if !listed.status.success()
        || String::from_utf8_lossy(&listed.stdout)
            .lines()
            .any(|line| line.trim() == TARGET)
    {
        return Ok(());
    }
    let moving = progress.begin(format!(
        "adding the target {TARGET}: rustup target add {TARGET}"
    ));
    let added = watch(rustup(&["target", "add", TARGET]), |line| {
        moving.at(printable(line.trim()))
    })
    .await;
    drop(moving);
    let why = match added {
        Ok((status, _)) if status.success() => return Ok(()),
        Ok((_, output)) => {
            let output = String::from_utf8_lossy(&output).into_owned();
            let error = output
                .lines()
                .rev()
                .find(|line| line.starts_with("error"))
                .or(output.lines().last());
            printable(error.unwrap_or("rustup failed"))
        }
        Err(error) => error.to_string(),
    };
    Err(Failure::failed(format!(
        "the target {TARGET} is missing and could not be added: {why}"
    ))
    .help(format!(
        "add it, with a network: rustup target add {TARGET}"
    )))
}

/// A command that does not inherit what an outer cargo set for its own build: `cargo run -- up --build` must not build guests
/// into the target folder, with the flags or by the toolchain of the program that runs.
pub(super) fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if is_of_a_build(&name) {
            command.env_remove(&name);
        }
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Whether a variable belongs to one build, not to the user or the machine.
fn is_of_a_build(name: &OsStr) -> bool {
    /// Where things are, and how the network is reached.
    const KEPT: [&str; 7] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTRIES_",
        "CARGO_REGISTRY_",
        "CARGO_TERM_",
        "RUSTUP_",
    ];
    let name = name.to_string_lossy();
    let outer = name.starts_with("CARGO") || name.starts_with("RUST") || name == "OUT_DIR";
    // The proxy of rustup sets it for whatever it starts, and the manifest's folder may ask for another.
    name == "RUSTUP_TOOLCHAIN" || outer && !KEPT.iter().any(|kept| name.starts_with(kept))
}

/// Runs a command; what it prints goes line by line to `step`, and its end is answered.
async fn watch(
    mut command: Command,
    mut step: impl FnMut(&str),
) -> std::io::Result<(ExitStatus, Vec<u8>)> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (lines, mut taken) = mpsc::channel(WAITING);
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(forward(stdout, lines.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(forward(stderr, lines.clone()));
    }
    drop(lines);
    let mut output = Vec::new();
    while let Some(line) = taken.recv().await {
        step(&String::from_utf8_lossy(&line));
        output.extend(line);
        if output.len() > 2 * KEPT {
            output.drain(..output.len() - KEPT);
        }
    }
    Ok((child.wait().await?, output))
}

async fn forward(from: impl AsyncRead + Unpin, to: mpsc::Sender<Vec<u8>>) {
    let mut from = BufReader::new(from);
    loop {
        let mut line = Vec::new();
        match from.read_until(b'\n', &mut line).await {
            Ok(1..) if to.send(line).await.is_ok() => {}
            _ => return,
        }
    }
}

fn in_words(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("it ended with status {code}"),
        None => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_inherits_the_machine_and_not_the_outer_build() {
        let gone = [
            "CARGO",
            "CARGO_MANIFEST_DIR",
            "CARGO_PKG_NAME",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_PROFILE_RELEASE_LTO",
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTDOC",
            "RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
            "RUST_RECURSION_COUNT",
            "OUT_DIR",
        ];
        for name in gone {
            assert!(is_of_a_build(OsStr::new(name)), "{name}");
        }
        let kept = [
            "PATH",
            "HOME",
            "CARGO_HOME",
            "CARGO_HTTP_PROXY",
            "CARGO_NET_OFFLINE",
            "CARGO_REGISTRIES_MINE_INDEX",
            "RUSTUP_HOME",
            "RUSTUP_AUTO_INSTALL",
            "RUSTUP_DIST_SERVER",
        ];
        for name in kept {
            assert!(!is_of_a_build(OsStr::new(name)), "{name}");
        }
    }
}
