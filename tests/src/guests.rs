//! The components that tests run, built from `actors/` when the first test asks for one.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use whirlwind_peers::leave_out;

/// The target that guests are built for.
const TARGET: &str = "wasm32-wasip2";

/// The path of a built guest, by its package name.
///
/// Builds all guests once per process with plain cargo, and adds the target first where it is missing. Where that fails, the
/// test that asked is left out: its name and the remedy go to standard error, past the capture of the test harness, and
/// `None` comes back. Under `CI` nothing is left out: there it panics.
pub fn guest(name: &str) -> Option<PathBuf> {
    match built() {
        Ok(release) => {
            let path = release.join(format!("{}.wasm", name.replace('-', "_")));
            assert!(
                path.is_file(),
                "no guest `{name}` in actors/: {path:?} was not built"
            );
            Some(path)
        }
        Err(reason) => {
            leave_out(reason);
            None
        }
    }
}

/// The folder `actors/`, above or beside whatever crate these lines are compiled into.
pub fn actors() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut found = crates.map(|folder| folder.join("actors"));
    let found = found.find(|actors| actors.join("Cargo.toml").is_file());
    found.unwrap_or_else(|| panic!("there is no folder actors/ above this crate"))
}

fn built() -> Result<&'static Path, &'static str> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match BUILT.get_or_init(build) {
        Ok(path) => Ok(path),
        Err(reason) => Err(reason),
    }
}

fn build() -> Result<PathBuf, String> {
    let actors = actors();
    add_target(&actors)?;
    let output = clean(Command::new("cargo"))
        .args(["build", "--release", "--quiet", "--target", TARGET])
        .current_dir(&actors)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cargo could not be run: {e}"))?;
    // With the target there, a guest that does not build is a fault of the tree, not a thing to leave out.
    assert!(
        output.status.success(),
        "the guests do not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(actors.join("target").join(TARGET).join("release"))
}

/// Adds the target where rustup is there and the target is not.
fn add_target(actors: &Path) -> Result<(), String> {
    let rustup = |args: &[&str]| {
        clean(Command::new("rustup"))
            .args(args)
            .current_dir(actors)
            .stdin(Stdio::null())
            .output()
    };
    let Ok(installed) = rustup(&["target", "list", "--installed"]) else {
        return Ok(()); // no rustup: the toolchain is the system's, and cargo will say what it lacks
    };
    if String::from_utf8_lossy(&installed.stdout)
        .lines()
        .any(|line| line == TARGET)
    {
        return Ok(());
    }
    let _ = writeln!(
        std::io::stderr(),
        "adding the target {TARGET} for the guests"
    );
    match rustup(&["target", "add", TARGET]) {
        Ok(added) if added.status.success() => Ok(()),
        _ => Err(format!(
            "the target {TARGET} is missing; add it with: rustup target add {TARGET}"
        )),
    }
}

/// A command without what an outer cargo set: a guest's build must not inherit the target folder, flags or toolchain of the
/// build that runs the tests. Where things are, and how the network is reached, stays.
fn clean(mut command: Command) -> Command {
    const KEPT: [&str; 6] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTRIES_",
        "CARGO_REGISTRY_",
        "RUSTUP_",
    ];
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let outer = text.starts_with("CARGO") || text.starts_with("RUST");
        let kept = KEPT.iter().any(|kept| text.starts_with(kept)) && text != "RUSTUP_TOOLCHAIN";
        if outer && !kept {
            command.env_remove(&name);
        }
    }
    command
}
