//! The unix socket itself: one node to a path, for its owner alone.

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// The socket's name in the data directory.
pub const SOCKET: &str = "control.sock";

/// The longest path that a unix socket can have: 108 bytes, of which the last ends it (unix(7)).
const MAX_PATH: usize = 107;

/// Connections that may wait to be accepted: what the standard library asks for.
const BACKLOG: i32 = 128;

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

/// What was found where a socket is to be, and is no hindrance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// A socket that nobody answers on.
    Left,
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
        let found = Self::look(path)?;
        let path = path.to_owned();
        if found == Found::Nothing {
            return Ok(Self { path });
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

    /// What lies at `path` and would not keep a node from taking it.
    ///
    /// # Errors
    /// [`ControlError`].
    pub(crate) fn look(path: &Path) -> Result<Found, ControlError> {
        let length = path.as_os_str().len();
        let path = path.to_owned();
        if length > MAX_PATH {
            return Err(ControlError::TooLong { path, length });
        }
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(ControlError::Io { path, error }),
            Ok(found) if !found.file_type().is_socket() => {
                return Err(ControlError::InTheWay(path));
            }
            Ok(_) => {}
        }
        match UnixStream::connect(&path) {
            Ok(_) => Err(ControlError::Running(path)),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Found::Left),
            // Whoever made it may well live: only a refusal shows that nobody listens.
            Err(error) => Err(ControlError::Io { path, error }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it, for its owner alone from the first moment on.
    pub(super) fn listen(&self) -> Result<Listening, ControlError> {
        let listener = self.bind().map_err(|error| ControlError::Io {
            path: self.path.clone(),
            error,
        })?;
        Ok(Listening {
            listener,
            path: self.path.clone(),
        })
    }

    fn bind(&self) -> io::Result<UnixListener> {
        use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // The mode of the socket is the mode its file is made with (unix(7)); changing the file's afterwards would be too late.
        rustix::fs::fchmod(&socket, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(&self.path)?)?;
        rustix::net::listen(&socket, BACKLOG)?;
        UnixListener::from_std(socket.into())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[tokio::test]
    async fn the_socket_is_its_owners_alone_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SOCKET);
        let listening = Socket::claim(&path).unwrap().listen().unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(listening);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_second_node_is_refused_and_a_dead_ones_socket_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SOCKET);
        let listening = Socket::claim(&path).unwrap().listen().unwrap();
        assert!(matches!(
            Socket::claim(&path),
            Err(ControlError::Running(_))
        ));
        // As a killed process leaves it: the file is there, and nobody listens.
        drop(listening);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        Socket::claim(&path).unwrap().listen().unwrap();
    }

    #[test]
    fn what_is_not_a_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SOCKET);
        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(
            Socket::claim(&path),
            Err(ControlError::InTheWay(_))
        ));
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }

    #[test]
    fn a_path_that_no_socket_takes_is_refused_with_its_length() {
        let path = Path::new("/tmp").join("x".repeat(120)).join(SOCKET);
        let refused = Socket::claim(&path).unwrap_err().to_string();
        assert!(refused.contains("138 bytes"), "{refused}");
    }
}
