//! The unix socket itself: one node to a path, for its owner alone.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// The socket's name in the data directory.
pub const SOCKET: &str = "control.sock";

/// The longest path that a unix socket can have: 108 bytes, of which the last ends it (unix(7)).
const MAX_PATH: usize = 107;

/// Why the control socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another node answers there.
    #[error(
        "a node is already running here: it answers on {}; stop it with `whirlwind stop`, or choose another place with --data-dir",
        .0.display()
    )]
    Running(PathBuf),
    /// The system takes no path of this length.
    #[error(
        "the path of the control socket has {length} bytes, more than the {MAX_PATH} that a unix socket takes: {}; choose a shorter one with --data-dir",
        path.display()
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its bytes.
        length: usize,
    },
    /// Something else lies there.
    #[error("{} is in the way of the control socket and is not a socket: move it away", .0.display())]
    InTheWay(PathBuf),
    /// The system refuses.
    #[error("the control socket {} cannot be opened: {error}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}

/// A path where this node, and no other, will answer.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
}

/// An open socket; its file goes when it is dropped.
pub(super) struct Listening {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Takes `path`: what a killed node left there is removed, a node that answers there is an error.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn claim(path: &Path) -> Result<Self, ControlError> {
        let length = path.as_os_str().len();
        let path = path.to_owned();
        if length > MAX_PATH {
            return Err(ControlError::TooLong { path, length });
        }
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self { path }),
            Err(error) => return Err(ControlError::Io { path, error }),
            Ok(found) if !found.file_type().is_socket() => {
                return Err(ControlError::InTheWay(path));
            }
            Ok(_) => {}
        }
        if UnixStream::connect(&path).is_ok() {
            return Err(ControlError::Running(path));
        }
        tracing::debug!(
            "replacing a socket that nobody answers on: {}",
            path.display()
        );
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(Self { path }),
            Err(error) => Err(ControlError::Io { path, error }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it. The data directory is its owner's alone, so nobody else gets in between the two steps.
    pub(super) fn listen(&self) -> Result<Listening, ControlError> {
        let failed = |error| ControlError::Io {
            path: self.path.clone(),
            error,
        };
        let listener = UnixListener::bind(&self.path).map_err(failed)?;
        let owner_only = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&self.path, owner_only).map_err(failed)?;
        Ok(Listening {
            listener,
            path: self.path.clone(),
        })
    }
}

impl axum::serve::Listener for Listening {
    type Io = tokio::net::UnixStream;
    type Addr = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        axum::serve::Listener::accept(&mut self.listener).await
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It may be gone already: somebody cleaned up.
        let _ = std::fs::remove_file(&self.path);
    }
}
