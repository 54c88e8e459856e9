//! A node that is none: a control socket with canned answers, which remembers what it was asked.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::oneshot;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `GET /v1/parts`
    pub what: String,
    pub content_type: Option<String>,
    pub body: Bytes,
}

pub struct FakeNode {
    folder: TempDir,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Dropped, it ends.
    _end: oneshot::Sender<()>,
}

impl FakeNode {
    /// Starts one whose socket lies where the node of a manifest in [`folder`](Self::folder) has it.
    pub fn start(answer: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join(".whirlwind");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(folder.path().join("whirlwind.toml"), "manifest = 1\n").unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = oneshot::channel();
        let (up, is_up) = std::sync::mpsc::sync_channel(1);
        let (socket, remembered, answer) = (
            data.join("control.sock"),
            Arc::clone(&asked),
            Arc::new(answer),
        );
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = UnixListener::bind(&socket).unwrap();
                owner_only(&socket);
                up.send(()).unwrap();
                let router = Router::new().fallback(
                    move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
                        let content_type = headers
                            .get(header::CONTENT_TYPE)
                            .map(|value| value.to_str().unwrap().to_owned());
                        let asked = Asked {
                            what: format!("{method} {uri}"),
                            content_type,
                            body,
                        };
                        remembered.lock().unwrap().push(asked.clone());
                        let answer = Arc::clone(&answer);
                        async move { answer(&asked) }
                    },
                );
                tokio::select! {
                    _ = axum::serve(listener, router) => {}
                    _ = ended => {}
                }
            });
        });
        is_up.recv().unwrap();
        Self {
            folder,
            asked,
            _end: end,
        }
    }

    /// The folder of its manifest.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(".whirlwind/control.sock")
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

pub fn owner_only(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

pub fn json(text: impl Into<String>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text.into()).into_response()
}

pub fn lines(text: impl Into<String>) -> Response {
    (
        [(header::CONTENT_TYPE, "application/x-ndjson")],
        text.into(),
    )
        .into_response()
}

/// Lines, and then nothing for ever.
pub fn lines_without_end(text: impl Into<String>) -> Response {
    use futures::StreamExt as _;
    let text = Bytes::from(text.into());
    let stream =
        futures::stream::iter([Ok::<_, std::io::Error>(text)]).chain(futures::stream::pending());
    Body::from_stream(stream).into_response()
}

pub fn refused(status: StatusCode, error: &str) -> Response {
    (status, axum::Json(serde_json::json!({ "error": error }))).into_response()
}
