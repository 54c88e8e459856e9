//! Which socket is meant: `--node`, `--data-dir`, `WHIRLWIND_NODE`, or the nearest one from the current folder upward.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use whirlwind::DATA_DIR;
use whirlwind::control::SOCKET;
use whirlwind::dead;
use whirlwind::manifest::FILE_NAME;

use crate::args::Global;
use crate::exit::{Exit, Failure};

/// The environment variable that stands for `--node`.
const VARIABLE: &str = "WHIRLWIND_NODE";

pub(super) fn socket(global: &Global) -> Result<PathBuf, Failure> {
    if let Some(path) = &global.node {
        return named(path);
    }
    if let Some(folder) = &global.data_dir {
        return in_data(folder);
    }
    match std::env::var_os(VARIABLE) {
        Some(path) if !path.is_empty() => named(Path::new(&path))
            .map_err(|failure| failure.at(format!("{VARIABLE}, from the environment"))),
        _ => nearest(),
    }
}

/// What `--node` says: a socket, a manifest, its folder, or a data directory.
fn named(path: &Path) -> Result<PathBuf, Failure> {
    let kind = match fs::metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(no_node(format!(
                "no node is running: {} does not exist",
                path.display()
            ))
            .help("name the manifest or the folder of a running node, or its control.sock"));
        }
        Err(error) => {
            return Err(Failure::failed(format!(
                "{} cannot be read: {error}",
                path.display()
            )));
        }
    };
    if kind.is_socket() {
        return Ok(path.to_owned());
    }
    if kind.is_dir() {
        let data = path.join(DATA_DIR).join(SOCKET);
        return if exists(&data) {
            Ok(data)
        } else {
            in_data(path).map_err(|_| not_running(path))
        };
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let data = folder.join(DATA_DIR).join(SOCKET);
    if exists(&data) {
        Ok(data)
    } else {
        Err(not_running(path))
    }
}

fn in_data(folder: &Path) -> Result<PathBuf, Failure> {
    let socket = folder.join(SOCKET);
    if exists(&socket) {
        return Ok(socket);
    }
    Err(no_node(format!(
        "no node is running with the data directory {}",
        folder.display()
    ))
    .help(format!(
        "start one: whirlwind up --data-dir {}",
        folder.display()
    )))
}

fn nearest() -> Result<PathBuf, Failure> {
    let here = std::env::current_dir()
        .map_err(|error| Failure::failed(format!("the current folder cannot be read: {error}")))?;
    for folder in here.ancestors() {
        let socket = folder.join(DATA_DIR).join(SOCKET);
        match fs::metadata(&socket) {
            // Upward is where others may write, /tmp for one. A node's socket is its user's own; one that is open to all
            // was laid there for somebody to talk to.
            Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
                return Err(no_node(
                    "the nearest control socket is open to other users, as no node makes them",
                )
                .at_path(&socket)
                .help("if it is yours, name it: --node PATH"));
            }
            Ok(_) => return Ok(socket),
            Err(_) => {}
        }
    }
    Err(no_node(format!(
        "no node is running in {} or a folder above it",
        here.display()
    ))
    .help("start one with `whirlwind up`, or name a running one: --node PATH"))
}

/// The dead-letter file of the node that is meant and does not run, if it left one.
pub(crate) fn dead_letters(global: &Global) -> Option<PathBuf> {
    let file = |folder: &Path| Some(folder.join(dead::FILE)).filter(|path| path.is_file());
    let named = |path: &Path| match path.is_dir() {
        true => file(&path.join(DATA_DIR)).or_else(|| file(path)),
        // A socket that was left behind lies beside it, a manifest above.
        false => {
            let folder = path.parent()?;
            file(folder).or_else(|| file(&folder.join(DATA_DIR)))
        }
    };
    if let Some(path) = &global.node {
        return named(path);
    }
    if let Some(folder) = &global.data_dir {
        return file(folder);
    }
    match std::env::var_os(VARIABLE) {
        Some(path) if !path.is_empty() => named(Path::new(&path)),
        _ => {
            let here = std::env::current_dir().ok()?;
            let nearest = here
                .ancestors()
                .find_map(|folder| file(&folder.join(DATA_DIR)))?;
            // As for a socket: what is open to others was laid there for somebody to read.
            let mode = fs::metadata(&nearest).ok()?.permissions().mode();
            (mode & 0o077 == 0).then_some(nearest)
        }
    }
}

/// Says what it means that a socket does not take a connection.
pub(super) fn refused(socket: &Path, error: &io::Error) -> Failure {
    let failure = match error.kind() {
        ErrorKind::ConnectionRefused => no_node("no node is running: its socket was left behind, and nobody listens")
            .help("start it again with `whirlwind up`, which replaces the socket"),
        ErrorKind::NotFound => no_node("no node is running: it has just ended").help("start it again with `whirlwind up`"),
        ErrorKind::PermissionDenied => Failure::failed("the node's socket may not be opened")
            .help("a node answers only the user that started it"),
        ErrorKind::InvalidInput => Failure::failed(format!("the node's socket cannot be reached: {error}"))
            .help("a unix socket's path is at most 107 bytes long: name a shorter one, or change to a folder nearer to it"),
        _ => Failure::failed(format!("the node's socket cannot be reached: {error}")),
    };
    failure.at_path(socket)
}

fn not_running(path: &Path) -> Failure {
    let manifest = path.is_file() || path.join(FILE_NAME).is_file();
    let failure = no_node(format!("no node is running in {}", path.display()));
    if manifest {
        failure.help(format!("start it: whirlwind up {}", path.display()))
    } else {
        failure.help(format!(
            "there is no {FILE_NAME} either; name the folder of a running node"
        ))
    }
}

fn no_node(message: impl Into<String>) -> Failure {
    Failure::new(Exit::NoNode, message)
}

fn exists(socket: &Path) -> bool {
    fs::symlink_metadata(socket).is_ok()
}
